//! A report as Markdown (GitHub's tables): for pull requests, wikis and mails.
//!
//! # Limits
//! Charts are not in it; their words and figures are.

use std::fmt::Write as _;

use crate::page::{Cell, Kind, Page, Section, Table, figure::shown};

/// The whole report.
pub fn render(page: &Page) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n", text(&page.title));
    let _ = writeln!(out, "{}, {}\n", page.currency, text(&page.cost_metric));
    for fact in &page.headline {
        let _ = writeln!(
            out,
            "- **{}**: {} ({})",
            text(&fact.label),
            text(&fact.shown()),
            text(&fact.note)
        );
    }
    for section in &page.sections {
        write_section(section, &mut out);
    }
    let _ = writeln!(out, "\n## Provenance\n");
    for (name, value) in &page.provenance {
        let _ = writeln!(out, "- {}: {}", text(name), text(value));
    }
    out
}

fn write_section(section: &Section, out: &mut String) {
    let _ = writeln!(out, "\n## {}", text(&section.title));
    for paragraph in &section.text {
        let _ = writeln!(out, "\n{}", text(paragraph));
    }
    if !section.points.is_empty() {
        out.push('\n');
    }
    for point in &section.points {
        let _ = writeln!(out, "- {}", text(point));
    }
    for figure in &section.figures {
        let _ = writeln!(out, "\n*{}.* {}", text(&figure.title), text(&figure.alt));
    }
    for table in &section.tables {
        write_table(table, out);
    }
}

fn write_table(table: &Table, out: &mut String) {
    let _ = writeln!(out, "\n### {}", text(&table.title));
    if !table.note.is_empty() {
        let _ = writeln!(out, "\n{}", text(&table.note));
    }
    out.push_str("\n|");
    for column in &table.columns {
        let _ = write!(out, " {} |", text(column.name.trim()));
    }
    out.push_str("\n|");
    for column in &table.columns {
        out.push_str(if column.kind == Kind::Text { " --- |" } else { " ---: |" });
    }
    out.push('\n');
    for row in &table.rows {
        out.push('|');
        for (place, column) in table.columns.iter().enumerate() {
            let shown = row.cells.get(place).map(|cell| cell_text(cell, column.kind));
            let shown = shown.unwrap_or_default();
            let _ = if row.total && !shown.is_empty() {
                write!(out, " **{shown}** |")
            } else {
                write!(out, " {shown} |")
            };
        }
        out.push('\n');
    }
}

fn cell_text(cell: &Cell, kind: Kind) -> String {
    text(&cell.shown(kind))
}

/// Text that means nothing to Markdown or HTML: names are the user's, and a name is no markup.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c if shown(c) => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{Column, Row};

    #[test]
    fn a_name_is_no_markup() {
        let page = Page {
            title: "a|b <script>alert(1)</script> [x](javascript:y)\n# z".into(),
            ..Page::default()
        };
        let out = render(&page);
        let first = out.lines().next().unwrap_or_default();
        assert_eq!(
            first,
            "# a\\|b &lt;script&gt;alert(1)&lt;/script&gt; \\[x\\](javascript:y) \\# z"
        );
    }

    #[test]
    fn money_is_right_aligned_and_sums_are_bold() {
        let usd =
            |text: &str| Cell::Usd(crate::measure::units::Usd::from_decimal(text.parse().unwrap()));
        let table = Table {
            title: "T".into(),
            columns: vec![Column::new("A", Kind::Text), Column::new("Cost", Kind::Usd)],
            rows: vec![
                Row::new(vec![Cell::text("x"), usd("1234.5")]),
                Row::total(vec![Cell::text("Total"), usd("1234.5")]),
            ],
            ..Table::default()
        };
        let mut out = String::new();
        write_table(&table, &mut out);
        let lines: Vec<&str> = out.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "| A | Cost |",
                "| --- | ---: |",
                "| x | $1,234.50 |",
                "| **Total** | **$1,234.50** |"
            ]
        );
    }
}
