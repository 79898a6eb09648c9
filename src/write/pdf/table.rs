//! Tables: how wide each column is, what goes to a further sheet, and the rows.
//!
//! # Formula
//! ```text
//! upright at 8, 7.2 pt   if the columns at their natural widths have room
//! on its side at 8, 7.2, 6.5 pt   the same
//! texts in lines         if the numbers have room and each column of texts 70 pt; upright if texts keep
//!                        seven tenths of their width there
//! in parts               else: as many columns of numbers as have room, the first columns again
//! ```

use super::{
    flow::{CAPTION, Flow, Ink, Item, MARGIN, NOTE, Role, Style, widths},
    fonts::Fonts,
    wrap::wrap,
};
use crate::page::{Cell, Column, Row, Table};
use crate::write::pieces::pieces;

/// Around the text of a cell, left and right together, in pt.
const INSET: f32 = 8.0;
/// Above and below the text of a row together, in pt.
const BETWEEN: f32 = 3.6;
/// Widest natural column of texts, in em.
const WIDEST: f32 = 34.0;
/// Narrowest column of texts that is worth reading, in pt.
const NARROWEST: f32 = 70.0;
/// Lines of a cell, and of a head.
const MOST_LINES: usize = 6;
const HEAD_LINES: usize = 4;

/// Columns side by side.
struct Part {
    columns: Vec<usize>,
    widths: Vec<f32>,
}

/// Lines of heads, and the height of the highest, in pt.
type Head = (Vec<Vec<String>>, f32);

/// A table with its columns measured.
pub(super) struct Grid<'a> {
    table: &'a Table,
    size: f32,
    wide: bool,
    parts: Vec<Part>,
}

impl<'a> Grid<'a> {
    pub(super) fn new(fonts: &Fonts, table: &'a Table) -> Self {
        let [parted, whole] = natural(fonts, table);
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let sized = |natural: &[f32], size: f32| -> Vec<f32> {
            natural.iter().map(|em| em * size + INSET).collect()
        };
        let at = |size: f32| sized(&parted, size);
        let [upright, lying] = widths();
        let ways = [
            (&whole, false, 8.0),
            (&parted, false, 8.0),
            (&parted, false, 7.2),
            (&whole, true, 8.0),
            (&parted, true, 8.0),
            (&parted, true, 7.2),
            (&parted, true, 6.5),
        ];
        for (natural, wide, size) in ways {
            let mut own = sized(natural, size);
            let room = if wide { lying } else { upright };
            let sum: f32 = own.iter().sum();
            if sum <= room {
                // Narrow tables are not pulled apart.
                if sum > room * 0.55 && own.len() > 3 {
                    let more = (room - sum) / own.len() as f32;
                    for width in &mut own {
                        *width += more;
                    }
                }
                return Self { table, size, wide, parts: vec![Part { columns: all, widths: own }] };
            }
        }
        for (wide, size, least) in [(false, 7.2, 0.7), (true, 7.2, 0.0), (true, 6.5, 0.0)] {
            let room = if wide { lying } else { upright };
            if let Some(own) = squeezed(fonts, table, &at(size), (room, least)) {
                return Self { table, size, wide, parts: vec![Part { columns: all, widths: own }] };
            }
        }
        let size = 7.2;
        Self { table, size, wide: true, parts: parts(table, &at(size), lying) }
    }

    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    fn style(&self, bold: bool) -> Style {
        Style::new(self.size, bold, Ink::Text)
    }

    /// Puts the table on the sheets.
    pub(super) fn place(&self, flow: &mut Flow<'_>) {
        for (number, part) in self.parts.iter().enumerate() {
            let head = self.head(flow.fonts, part);
            let row = self.size * 2.0 + BETWEEN;
            flow.need(CAPTION.leading() + 2.0 * NOTE.leading() + head.1 + 3.0 * row);
            flow.y += 6.0;
            let title = match self.parts.len() {
                1 => self.table.title.clone(),
                count => format!("{} ({} of {count})", self.table.title, number + 1),
            };
            flow.caption(&title, if number == 0 { &self.table.note } else { "" });
            flow.put(Item::Open(Role::Table));
            self.put_head(flow, part, &head, false);
            for (place, row) in self.table.rows.iter().enumerate() {
                self.row(flow, (part, &head), (place, row), number == 0);
            }
            flow.put(Item::Close);
            let width: f32 = part.widths.iter().sum();
            let (x, y) = (MARGIN, flow.y);
            flow.put(Item::Fill { x, y, width, height: 0.5, ink: Ink::Line });
            flow.y += 12.0;
        }
    }

    /// Lines of the heads, and their height.
    fn head(&self, fonts: &Fonts, part: &Part) -> Head {
        let lines: Vec<Vec<String>> = part
            .columns
            .iter()
            .zip(&part.widths)
            .map(|(column, width)| {
                let name = &self.table.columns[*column].name;
                wrap(fonts, name, (width - INSET) / self.size + 1e-3, HEAD_LINES)
            })
            .collect();
        let most = lines.iter().map(Vec::len).max().unwrap_or(1);
        (lines, most as f32 * self.style(true).leading() + BETWEEN)
    }

    fn put_head(&self, flow: &mut Flow<'_>, part: &Part, (lines, height): &Head, again: bool) {
        let style = self.style(true);
        if !again {
            flow.put(Item::Open(Role::Row));
        }
        let mut left = MARGIN;
        for ((column, width), lines) in part.columns.iter().zip(&part.widths).zip(lines) {
            if !again {
                flow.put(Item::Open(Role::Head));
            }
            // Heads stand on the rule below them.
            let first = flow.y + height - BETWEEN / 2.0 - style.leading() * lines.len() as f32;
            for (number, line) in lines.iter().enumerate() {
                let y = first + style.leading() * number as f32 + style.size;
                let x = self.left(flow.fonts, *column, (left, *width), line);
                let text = line.clone();
                flow.put(if again {
                    Item::Again { x, y, style, text }
                } else {
                    Item::Text { x, y, style, text, to: None }
                });
            }
            if !again {
                flow.put(Item::Close);
            }
            left += width;
        }
        if !again {
            flow.put(Item::Close);
        }
        flow.y += height;
        let (width, y) = (left - MARGIN, flow.y);
        flow.put(Item::Fill { x: MARGIN, y, width, height: 0.8, ink: Ink::Text });
        flow.y += 1.0;
    }

    /// Where a text begins in its column: numbers end where the column ends.
    fn left(&self, fonts: &Fonts, column: usize, (left, width): (f32, f32), text: &str) -> f32 {
        if self.table.columns[column].kind.is_text() {
            return left + INSET / 2.0;
        }
        left + width - INSET / 2.0 - fonts.width(text) * self.size
    }

    fn row(
        &self,
        flow: &mut Flow<'_>,
        (part, head): (&Part, &Head),
        (place, row): (usize, &Row),
        first: bool,
    ) {
        let columns = || part.columns.iter().copied().zip(part.widths.iter().copied());
        let lines: Vec<Vec<String>> =
            columns().map(|(column, width)| self.cell(flow.fonts, row, column, width)).collect();
        let most = lines.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let style = self.style(row.total);
        let height = most as f32 * style.leading() + BETWEEN;
        if flow.need(height) {
            self.put_head(flow, part, head, true);
        }
        if let Some(anchor) = row.anchor.as_ref().filter(|_| first) {
            flow.anchor(anchor);
        }
        let (width, y): (f32, f32) = (part.widths.iter().sum(), flow.y);
        if row.total {
            flow.put(Item::Fill { x: MARGIN, y, width, height: 0.6, ink: Ink::Text });
        } else if place % 2 == 1 {
            flow.put(Item::Fill { x: MARGIN, y, width, height, ink: Ink::Shade });
        }
        flow.put(Item::Open(Role::Row));
        let mut left = MARGIN;
        for ((column, width), lines) in columns().zip(lines) {
            let to = match row.cells.get(column) {
                Some(Cell::Link { to, .. } | Cell::UsdLink { to, .. }) => Some(to),
                _ => None,
            };
            flow.put(Item::Open(Role::Cell));
            for (number, text) in lines.into_iter().enumerate() {
                let x = self.left(flow.fonts, column, (left, width), &text);
                let y = flow.y + BETWEEN / 2.0 + style.leading() * number as f32 + style.size;
                flow.put(Item::Text { x, y, style, text, to: to.cloned() });
            }
            flow.put(Item::Close);
            left += width;
        }
        flow.put(Item::Close);
        flow.y += height;
    }

    fn cell(&self, fonts: &Fonts, row: &Row, column: usize, width: f32) -> Vec<String> {
        let Some(cell) = row.cells.get(column) else { return Vec::new() };
        let shown = cell.shown(self.table.columns[column].kind);
        let width = (width - INSET) / self.size + 1e-3;
        if shown.is_empty() {
            return Vec::new();
        }
        let text = matches!(cell, Cell::Text(_) | Cell::Link { .. });
        if !text || fonts.width(&shown) <= width {
            return vec![shown];
        }
        wrap(fonts, &shown, width, MOST_LINES)
    }
}

/// Widths of the widest cells (em), with heads in lines of a word, and with heads whole.
fn natural(fonts: &Fonts, table: &Table) -> [Vec<f32>; 2] {
    let one = |(place, column): (usize, &Column)| {
        let cells = table.rows.iter().filter_map(|row| row.cells.get(place));
        let widest = cells
            .map(|cell| {
                let text = matches!(cell, Cell::Text(_) | Cell::Link { .. });
                let width = fonts.width(&cell.shown(column.kind));
                if text { width.min(WIDEST) } else { width }
            })
            .fold(0.0, f32::max);
        let words = column.name.split_whitespace().map(|word| fonts.width(word));
        let head = fonts.width(&column.name);
        let parted = words.fold(head / 3.0, f32::max);
        (widest.max(parted), widest.max(head.min(WIDEST)))
    };
    let (parted, whole) = table.columns.iter().enumerate().map(one).unzip();
    [parted, whole]
}

/// Widths with the columns of texts made narrower, where they then keep so much of what they would take:
/// what is left over by numbers goes to the columns that say most.
fn squeezed(
    fonts: &Fonts,
    table: &Table,
    own: &[f32],
    (room, least): (f32, f32),
) -> Option<Vec<f32>> {
    let text = |place: usize| table.columns[place].kind.is_text() && own[place] > NARROWEST;
    let fixed = |place: usize| if text(place) { NARROWEST } else { own[place] };
    let places = || 0..own.len();
    let left = room - places().map(fixed).sum::<f32>();
    let wanted: f32 = places().filter(|place| text(*place)).map(|place| own[place]).sum();
    let given = left + places().filter(|place| text(*place)).count() as f32 * NARROWEST;
    if left < 0.0 || given < wanted * least {
        return None;
    }
    let says: Vec<f32> =
        places().map(|place| if text(place) { said(fonts, table, place) } else { 0.0 }).collect();
    let mut widths: Vec<f32> = places().map(fixed).collect();
    let mut left = left;
    // What a column cannot use goes to the others.
    for _ in places() {
        let open = |widths: &[f32], place: usize| widths[place] + 0.01 < own[place];
        let all: f32 = places().filter(|p| open(&widths, *p)).map(|place| says[place]).sum();
        if all <= 0.0 || left <= 0.01 {
            break;
        }
        let share = left / all;
        for place in places() {
            if open(&widths, place) {
                let more = (share * says[place]).min(own[place] - widths[place]);
                widths[place] += more;
                left -= more;
            }
        }
    }
    Some(widths)
}

/// How much a column says: the mean width of its cells, in em.
fn said(fonts: &Fonts, table: &Table, place: usize) -> f32 {
    let cells = table.rows.iter().filter_map(|row| row.cells.get(place));
    let kind = table.columns[place].kind;
    let sum: f32 = cells.map(|cell| fonts.width(&cell.shown(kind))).sum();
    sum / table.rows.len().max(1) as f32 + 1.0
}

/// Parts that have room, each with the texts that name the row.
fn parts(table: &Table, own: &[f32], room: f32) -> Vec<Part> {
    /// Of the room, what a column may take; and tenths of a point, in which the columns are cut.
    const MOST: f32 = 0.45;
    const TENTHS: f32 = 10.0;
    let own: Vec<f32> = own.iter().map(|width| width.min(room * MOST)).collect();
    let columns: Vec<&Column> = table.columns.iter().collect();
    let widths: Vec<usize> = own.iter().map(|width| (width * TENTHS).ceil() as usize).collect();
    let cut = pieces(&columns, &widths, (room * TENTHS) as usize).into_iter();
    cut.map(|columns| {
        let widths = columns.iter().map(|place| own[*place]).collect();
        Part { columns, widths }
    })
    .collect()
}
