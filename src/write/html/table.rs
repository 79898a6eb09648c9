//! Tables: on the screen they scroll inside their own box; on paper one that is wider than the sheet is cut into
//! pieces, each with the columns that name its rows.

use std::fmt::Write as _;

use super::{anchors::Anchors, element};
use crate::page::text::escape;
use crate::page::{Cell, Column, Kind, Page, Row, Table};
use crate::write::pieces::pieces;

/// Rows from which a table gets a box of its own height, in which its head stays.
const LONG: usize = 40;
/// Width of a sheet, of a letter, and around a column, in pixels at the size that the style has on paper.
const SHEET: usize = 665;
const LETTER: usize = 6;
const AROUND: usize = 11;
/// Letters of a column of text, which can break its lines.
const TEXT: usize = 16;
/// Letters from which text of a column, and those of a single word, break their lines on the screen.
const WORDS: usize = 28;
const WORD: usize = 18;
const WORDY: &str = " class=\"w\"";

/// Writes a table with its caption.
pub(super) fn write(out: &mut String, page: &Page, table: &Table, anchors: &mut Anchors<'_>) {
    let id = anchors.next_table();
    if table.columns.is_empty() {
        return;
    }
    let pieces = cut(table);
    let long = if table.rows.len() > LONG { " long" } else { "" };
    let split = if pieces.len() > 1 { " split" } else { "" };
    let _ = writeln!(
        out,
        "<div class=\"scroll{long}{split}\" role=\"region\" aria-labelledby=\"{id}:c\" tabindex=\"0\">\n<table id=\"{id}\">",
    );
    let _ = writeln!(out, "<caption id=\"{id}:c\"><div>");
    caption(out, page, table, "");
    out.push_str("</div></caption>\n");
    let all: Vec<usize> = (0..table.columns.len()).collect();
    body(out, table, &all, &mut Links::On(anchors));
    out.push_str("</table>\n</div>\n");
    if pieces.len() > 1 {
        out.push_str("<div class=\"pieces\">\n");
        for (index, piece) in pieces.iter().enumerate() {
            out.push_str("<table>\n<caption><div>\n");
            caption(out, page, table, &format!(" ({} of {})", index + 1, pieces.len()));
            out.push_str("</div></caption>\n");
            body(out, table, piece, &mut Links::Off);
            out.push_str("</table>\n");
        }
        out.push_str("</div>\n");
    }
}

/// Whether rows have ids and cells lead somewhere.
enum Links<'a, 'b> {
    On(&'a mut Anchors<'b>),
    Off,
}

/// Title and note; a note that is missing is made of what the page says of all amounts.
fn caption(out: &mut String, page: &Page, table: &Table, part: &str) {
    out.push_str("<strong>");
    escape(out, &table.title);
    out.push_str(part);
    out.push_str("</strong>\n");
    if !table.note.is_empty() {
        element(out, "span", &table.note);
    } else if table.columns.iter().any(|column| column.kind.is_money()) {
        element(out, "span", &format!("{}, {}", page.cost_metric, page.currency));
    }
}

/// Classes of the cells of a column: `t` text, `w` text of many words, `n` what never breaks; numbers have none.
fn classes(table: &Table) -> Vec<&'static str> {
    let longest = |index: usize| {
        let cells = table.rows.iter().filter_map(|row| row.cells.get(index));
        let letters = cells.map(|cell| match cell {
            // The names of rows stay next to their numbers on a phone: no long word may fill it.
            Cell::Text(text) | Cell::Link { text, .. }
                if index == 0 && text.split(' ').any(|word| word.chars().count() > WORD) =>
            {
                WORDS
            }
            Cell::Text(text) | Cell::Link { text, .. } => text.chars().count(),
            _ => 0,
        });
        letters.max().unwrap_or(0)
    };
    let class = |(index, column): (usize, &Column)| match longest(index) {
        WORDS.. if column.kind.is_text() => WORDY,
        // Among numbers words end at the right, as these do.
        WORDS.. => " class=\"w r\"",
        _ if column.kind == Kind::Month => " class=\"t n\"",
        1.. if column.kind.is_text() => " class=\"t\"",
        0 if column.kind.is_text() => " class=\"t n\"",
        _ => "",
    };
    table.columns.iter().enumerate().map(class).collect()
}

fn body(out: &mut String, table: &Table, columns: &[usize], links: &mut Links<'_, '_>) {
    let classes = classes(table);
    out.push_str("<thead><tr>");
    for index in columns {
        let column = &table.columns[*index];
        // A month is one word, though it has a place to break.
        let class = match (column.kind.is_text(), column.name.contains(' ')) {
            (true, true) => " class=\"t\"",
            (true, false) => " class=\"t n\"",
            (false, true) => "",
            (false, false) => " class=\"n\"",
        };
        let _ = write!(out, "<th scope=\"col\"{class}>");
        escape(out, &column.name);
        out.push_str("</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        open_row(out, row, links);
        for index in columns {
            let cell = row.cells.get(*index).unwrap_or(&Cell::Empty);
            let kind = table.columns[*index].kind;
            let class = if kind.is_text() || words(cell) { classes[*index] } else { "" };
            cell_of(out, &Shown { first: *index == 0, kind, class }, cell, links);
        }
        out.push_str("</tr>\n");
    }
    if table.rows.is_empty() {
        let _ = writeln!(out, "<tr><td class=\"t\" colspan=\"{}\">none</td></tr>", columns.len());
    }
    out.push_str("</tbody>\n");
}

fn open_row(out: &mut String, row: &Row, links: &mut Links<'_, '_>) {
    out.push_str("<tr");
    if let (Some(_), Links::On(anchors)) = (&row.anchor, links) {
        let _ = write!(out, " id=\"{}\"", anchors.next_row());
    }
    out.push_str(if row.total { " class=\"total\">" } else { ">" });
}

/// How a cell is written.
struct Shown {
    first: bool,
    kind: Kind,
    class: &'static str,
}

fn cell_of(out: &mut String, shown: &Shown, cell: &Cell, links: &Links<'_, '_>) {
    // The first cell names its row; an empty one names nothing.
    let names = shown.first && *cell != Cell::Empty;
    let (tag, scope) = if names { ("th", " scope=\"row\"") } else { ("td", "") };
    let _ = write!(out, "<{tag}{scope}{}>", shown.class);
    let target = match (cell, links) {
        (Cell::Link { to, .. } | Cell::UsdLink { to, .. }, Links::On(anchors)) => {
            anchors.target(to)
        }
        _ => None,
    };
    if let Some(id) = target {
        let _ = write!(out, "<a href=\"#{id}\">");
    }
    let text = cell.shown(shown.kind);
    if shown.class == WORDY {
        // Keys and usage types break at their signs rather than anywhere.
        for part in text.split_inclusive(['.', '_', ':', '/']) {
            escape(out, part);
            if part.ends_with(['.', '_', ':', '/']) {
                out.push_str("<wbr>");
            }
        }
    } else {
        escape(out, &text);
    }
    out.push_str(if target.is_some() { "</a></" } else { "</" });
    out.push_str(tag);
    out.push('>');
}

fn words(cell: &Cell) -> bool {
    matches!(cell, Cell::Text(_) | Cell::Link { .. })
}

/// Columns of each piece on paper: one piece if the sheet is wide enough.
fn cut(table: &Table) -> Vec<Vec<usize>> {
    let widths: Vec<usize> = (0..table.columns.len()).map(|index| width(table, index)).collect();
    let columns: Vec<&Column> = table.columns.iter().collect();
    pieces(&columns, &widths, SHEET)
}

/// Width of a column on paper.
fn width(table: &Table, index: usize) -> usize {
    let column = &table.columns[index];
    let longest_word = column.name.split(' ').map(|word| word.chars().count()).max();
    let cells = table.rows.iter().filter_map(|row| row.cells.get(index));
    let cells = cells.map(|cell| letters(cell, column.kind)).max();
    longest_word.max(cells).unwrap_or(0) * LETTER + AROUND
}

fn letters(cell: &Cell, kind: Kind) -> usize {
    match cell {
        Cell::Text(text) | Cell::Link { text, .. } => text.chars().count().min(TEXT),
        cell => cell.shown(kind).chars().count(),
    }
}
