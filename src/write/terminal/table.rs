//! Tables of a terminal: each fits its width without a word cut in two.
//!
//! ```text
//! whole     if the cells and headings have room
//! wrapped   headings at words, then texts, where they keep a readable width
//! dropped   the columns that are wanted least, with a line that names them
//! pieces    else: as many columns as have room, the names of the rows again
//! ```

use super::{
    View,
    words::{longest, paragraph, width, wrap},
};
use crate::{
    page::{Cell, Column, Row, Table},
    write::pieces::pieces,
};

/// Between two columns.
const GAP: usize = 2;
/// Narrowest column of texts that is worth reading.
const NARROWEST: usize = 20;

/// How wide a column may be.
#[derive(Clone, Copy)]
struct Measured {
    /// With cells and heading in one line each.
    whole: usize,
    /// With the heading in lines of a word.
    parted: usize,
    /// With texts in lines too.
    least: usize,
}

/// A table with its cells as text.
struct Grid<'a> {
    table: &'a Table,
    cells: Vec<Vec<String>>,
    measured: Vec<Measured>,
}

/// Appends a table with its caption.
pub(super) fn write(out: &mut String, table: &Table, under: &str, view: View) {
    if table.columns.is_empty() {
        return;
    }
    let grid = Grid::new(table);
    let mut columns: Vec<usize> = (0..table.columns.len()).collect();
    let mut hidden: Vec<usize> = Vec::new();
    while grid.fit(&columns, view.width).is_none() {
        let spare = |place: &&usize| table.columns[**place].spare;
        let Some(least) = columns.iter().max_by_key(spare).filter(|least| spare(least) > 0) else {
            break;
        };
        hidden.push(*least);
        let least = *least;
        columns.retain(|place| *place != least);
    }
    let parts = match grid.fit(&columns, view.width) {
        Some(widths) => vec![(columns, widths)],
        None => grid.pieces(&columns, view.width),
    };
    for (place, (columns, widths)) in parts.iter().enumerate() {
        caption(out, table, under, (place, parts.len()), view);
        grid.write(out, columns, widths, view);
    }
    if !hidden.is_empty() {
        hidden.sort_unstable();
        let names: Vec<&str> =
            hidden.iter().map(|place| table.columns[*place].name.trim()).collect();
        let text = format!("Hidden at this width: {}", names.join(", "));
        paragraph(out, &text, ("", "  "), view.width);
    }
}

/// Title and note; the title of a section is not said again.
fn caption(
    out: &mut String,
    table: &Table,
    under: &str,
    (place, count): (usize, usize),
    view: View,
) {
    let title = if table.title == under { "" } else { &*table.title };
    let part = if count > 1 { format!("{} of {count}", place + 1) } else { String::new() };
    let note = if place == 0 { &*table.note } else { "" };
    let notes: Vec<&str> = [&*part, note].into_iter().filter(|text| !text.is_empty()).collect();
    let notes = notes.join("; ");
    let text = match (title, &*notes) {
        ("", notes) => notes.to_owned(),
        (title, "") => title.to_owned(),
        (title, notes) => format!("{title} ({notes})"),
    };
    out.push('\n');
    if !text.is_empty() {
        paragraph(out, &text, ("", "  "), view.width);
    }
}

impl<'a> Grid<'a> {
    fn new(table: &'a Table) -> Self {
        let shown = |row: &Row| {
            let columns = table.columns.iter().enumerate();
            columns
                .map(|(place, column)| {
                    row.cells.get(place).map_or_else(String::new, |cell| cell.shown(column.kind))
                })
                .collect::<Vec<String>>()
        };
        let cells: Vec<Vec<String>> = table.rows.iter().map(shown).collect();
        let measure = |(place, column): (usize, &Column)| {
            let name = column.name.trim();
            let (mut widest, mut least) = (0, 0);
            for (row, texts) in table.rows.iter().zip(&cells) {
                let (cell, text) = (row.cells.get(place), &texts[place]);
                widest = widest.max(width(text));
                let words = matches!(cell, Some(Cell::Text(_) | Cell::Link { .. }));
                let breaks = words && column.kind.is_text();
                least = least.max(if breaks { longest(text) } else { width(text) });
            }
            let word = name.split_whitespace().map(width).max().unwrap_or(0);
            let word = if word > NARROWEST { longest(name) } else { word };
            let least = least.max(widest.min(NARROWEST)).max(word);
            Measured { whole: widest.max(width(name)), parted: widest.max(word), least }
        };
        let measured = table.columns.iter().enumerate().map(measure).collect();
        Self { table, cells, measured }
    }

    /// Widths of columns that fit side by side; none where they do not.
    fn fit(&self, columns: &[usize], room: usize) -> Option<Vec<usize>> {
        let room = room.checked_sub(GAP * columns.len().saturating_sub(1))?;
        let of = |way: fn(&Measured) -> usize| -> Vec<usize> {
            columns.iter().map(|place| way(&self.measured[*place])).collect()
        };
        let whole = of(|own| own.whole);
        if whole.iter().sum::<usize>() <= room {
            return Some(whole);
        }
        let parted = of(|own| own.parted);
        if parted.iter().sum::<usize>() <= room {
            return Some(widened(parted, &whole, room));
        }
        let least = of(|own| own.least);
        let fits = least.iter().sum::<usize>() <= room;
        fits.then(|| widened(least, &parted, room))
    }

    /// Pieces that fit: a column that no piece has room for is cut as well as it can be.
    fn pieces(&self, columns: &[usize], room: usize) -> Vec<(Vec<usize>, Vec<usize>)> {
        let of: Vec<&Column> = columns.iter().map(|place| &self.table.columns[*place]).collect();
        let widths: Vec<usize> =
            columns.iter().map(|place| self.measured[*place].least + GAP).collect();
        let cut = pieces(&of, &widths, room.saturating_add(GAP)).into_iter();
        cut.map(|piece| {
            let piece: Vec<usize> = piece.into_iter().map(|place| columns[place]).collect();
            let widths = self.fit(&piece, room).unwrap_or_else(|| self.narrowed(&piece, room));
            (piece, widths)
        })
        .collect()
    }

    /// The least widths with the widest texts made narrower until all have room.
    fn narrowed(&self, columns: &[usize], room: usize) -> Vec<usize> {
        let mut widths: Vec<usize> =
            columns.iter().map(|place| self.measured[*place].least).collect();
        let room = room.saturating_sub(GAP * columns.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let text = |place: &usize| self.table.columns[columns[*place]].kind.is_text();
            let widest = (0..widths.len()).filter(text).max_by_key(|place| widths[*place]);
            match widest.filter(|place| widths[*place] > 1) {
                Some(place) => widths[place] -= 1,
                None => break,
            }
        }
        widths
    }

    fn write(&self, out: &mut String, columns: &[usize], widths: &[usize], view: View) {
        let heads: Vec<Vec<String>> = columns
            .iter()
            .zip(widths)
            .map(|(place, width)| wrap(self.table.columns[*place].name.trim(), *width))
            .collect();
        let most = heads.iter().map(Vec::len).max().unwrap_or(0);
        // Headings stand on the rule below them.
        let heads: Vec<Vec<String>> = heads
            .into_iter()
            .map(|lines| {
                let above = std::iter::repeat_n(String::new(), most - lines.len());
                above.chain(lines).collect()
            })
            .collect();
        self.lines(out, columns, widths, &heads, |_, text| text);
        let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        out.push_str(rules.join("  ").trim_end());
        out.push('\n');
        for (row, texts) in self.table.rows.iter().zip(&self.cells) {
            let cells: Vec<Vec<String>> = columns
                .iter()
                .zip(widths)
                .map(|(place, width)| wrap(&texts[*place], *width))
                .collect();
            self.lines(out, columns, widths, &cells, |column, text| match row.mark {
                Some(mark) if mark.column == column => view.paint(mark.meaning, &text),
                _ if row.total => view.bold(&text),
                _ => text,
            });
        }
    }

    /// Appends the lines of a row: words on the left of their column, numbers on the right.
    fn lines(
        &self,
        out: &mut String,
        columns: &[usize],
        widths: &[usize],
        cells: &[Vec<String>],
        paint: impl Fn(usize, String) -> String,
    ) {
        let count = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..count {
            // Blanks before a text that ends the line are written, those behind it are not.
            let mut blanks = 0;
            for ((place, wide), lines) in columns.iter().zip(widths).zip(cells) {
                let text = lines.get(line).map_or("", String::as_str);
                let pad = wide.saturating_sub(width(text));
                let left = self.table.columns[*place].kind.is_text();
                let (before, behind) = if left { (0, pad) } else { (pad, 0) };
                blanks += before;
                if !text.is_empty() {
                    out.push_str(&" ".repeat(blanks));
                    out.push_str(&paint(*place, text.to_owned()));
                    blanks = 0;
                }
                blanks += behind + GAP;
            }
            out.push('\n');
        }
    }
}

/// Widths with what is left of the room, where it is wanted most.
fn widened(mut widths: Vec<usize>, wanted: &[usize], room: usize) -> Vec<usize> {
    let mut left = room - widths.iter().sum::<usize>();
    while left > 0 {
        let lacks = |place: &usize| wanted[*place].saturating_sub(widths[*place]);
        let Some(place) = (0..widths.len()).max_by_key(lacks).filter(|place| lacks(place) > 0)
        else {
            break;
        };
        widths[place] += 1;
        left -= 1;
    }
    widths
}
