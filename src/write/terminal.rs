//! A page on a terminal: headline, paragraphs, small charts, tables that fit its width.
//!
//! # Limits
//! Of charts only months and waterfalls are drawn; the tables have the figures of all.

use std::fmt::Write as _;

use self::words::{paragraph, width};
use crate::page::{Importance, Kind, Meaning, Page, Section, Table};

mod chart;
mod table;
mod words;

/// What the reader's terminal is like.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Its columns; `usize::MAX` for lines of any length.
    pub width: usize,
    /// Whether it shows colors.
    pub color: bool,
    /// How much of the page is printed.
    pub depth: Importance,
}

impl View {
    fn colored(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Text in the color of its meaning.
    fn paint(self, meaning: Meaning, text: &str) -> String {
        let code = match meaning {
            Meaning::Good => "32",
            Meaning::Caution => "33",
            Meaning::Bad => "1;31",
        };
        self.colored(code, text)
    }

    fn bold(self, text: &str) -> String {
        self.colored("1", text)
    }
}

/// The page; no line is wider than the terminal, and no word is cut that a line has room for.
pub fn render(page: &Page, view: View) -> String {
    let mut out = String::new();
    paragraph(&mut out, &page.title, ("", ""), view.width);
    let basis = [&*page.currency, &*page.cost_metric].into_iter().filter(|text| !text.is_empty());
    let basis = basis.collect::<Vec<_>>().join(", ");
    if !basis.is_empty() {
        paragraph(&mut out, &basis, ("", ""), view.width);
    }
    headline(&mut out, page, view);
    for section in page.sections.iter().filter(|section| section.importance <= view.depth) {
        write_section(&mut out, section, view);
    }
    provenance(&mut out, page, view);
    out
}

/// Facts below each other: label, figure, what is to be known of it.
fn headline(out: &mut String, page: &Page, view: View) {
    if page.headline.is_empty() {
        return;
    }
    out.push('\n');
    let shown: Vec<String> = page.headline.iter().map(crate::page::Fact::shown).collect();
    let labels = page.headline.iter().map(|fact| width(&fact.label)).max().unwrap_or(0);
    let values = shown.iter().map(|value| width(value)).max().unwrap_or(0);
    let column = labels + 2 + values + 2;
    for (fact, value) in page.headline.iter().zip(&shown) {
        let painted = match fact.meaning {
            Some(meaning) => view.paint(meaning, value),
            None => view.bold(value),
        };
        // A narrow terminal has the note on lines of its own.
        let beside = column + NOTE <= view.width;
        let note = if beside || fact.note.is_empty() { &*fact.note } else { "" };
        let (label, pad) = (&fact.label, " ".repeat(labels - width(&fact.label)));
        let fits = labels + 2 + values <= view.width;
        if fits {
            let right = " ".repeat(values - width(value));
            let head = format!("{label}{pad}  {right}{painted}  ");
            if note.is_empty() {
                out.push_str(head.trim_end());
                out.push('\n');
            } else {
                paragraph(out, note, (&head, &" ".repeat(column)), view.width);
            }
        } else {
            paragraph(out, label, ("", ""), view.width);
            paragraph(out, value, ("  ", "  "), view.width);
        }
        if !beside && !fact.note.is_empty() {
            paragraph(out, &fact.note, ("    ", "    "), view.width);
        }
    }
}

/// Narrowest note to the right of a figure.
const NOTE: usize = 30;

fn write_section(out: &mut String, section: &Section, view: View) {
    out.push('\n');
    for line in words::wrap(&section.title, view.width) {
        let _ = writeln!(out, "{}\n{}", view.bold(&line), "─".repeat(width(&line)));
    }
    for text in &section.text {
        paragraph(out, text, ("", ""), view.width);
    }
    for point in &section.points {
        paragraph(out, point, ("  - ", "    "), view.width);
    }
    if view.depth > Importance::Key {
        for figure in &section.figures {
            chart::write(out, figure, view);
        }
    }
    for table in section.tables.iter().filter(|table| table.importance <= view.depth) {
        match &*table.columns {
            [only] if only.kind == Kind::Text => list(out, table, &section.title, view),
            _ => table::write(out, table, &section.title, view),
        }
    }
}

/// A table of one column of texts.
fn list(out: &mut String, table: &Table, under: &str, view: View) {
    if table.title != under {
        out.push('\n');
        paragraph(out, &table.title, ("", ""), view.width);
    }
    for cell in table.rows.iter().flat_map(|row| &row.cells) {
        paragraph(out, &cell.shown(Kind::Text), ("  - ", "    "), view.width);
    }
}

/// What the page was made from: in full with `--verbose`, else by words and the beginnings of digests.
fn provenance(out: &mut String, page: &Page, view: View) {
    if page.provenance.is_empty() || view.depth == Importance::Key {
        return;
    }
    out.push('\n');
    if view.depth == Importance::Reference {
        for (name, value) in &page.provenance {
            paragraph(out, &format!("{name}: {value}"), ("", "  "), view.width);
        }
        return;
    }
    let parts = page.provenance.iter().filter(|(_, value)| !value.contains(' '));
    let parts = parts.map(|(name, value)| {
        format!(
            "{} {}",
            name.replace(" (sha256)", "").to_lowercase(),
            crate::page::text::brief(value)
        )
    });
    paragraph(out, &parts.collect::<Vec<_>>().join(", "), ("", "  "), view.width);
}
