//! Any table of a page as a sheet of its own.

use std::fmt::Write as _;

use super::{
    sheet::{BODY, Done, HEADER, Sheet, Tie, at, head, span},
    style::Look,
};
use crate::page::{Cell, Kind, Page, Row, Table, Tied};

/// Most totals that a check names one by one.
const MOST_TOTALS: usize = 100;
/// Largest difference of a sum from its total that is rounding.
const ROUNDING: f64 = 1e-6;

/// Writes a table of a plan's page, held against the plan.
pub(super) fn write(sheet: &mut Sheet, table: &Table, page: &Page) -> Done {
    // Two totals of different states in one book must not be taken for each other.
    let note = format!(
        "As planned: figures of this sheet do not follow the factors. {}",
        note(table, page)
    );
    sheet.top(&table.title, &note, &tie(table))?;
    body(sheet, table)
}

/// What the amounts of a table are: a sheet is read without the page around it.
pub(super) fn note(table: &Table, page: &Page) -> String {
    let money = table.columns.iter().any(|column| column.kind.is_money());
    let basis = if money { [&*page.currency, &*page.cost_metric] } else { ["", ""] };
    let currency = if table.note.contains(&page.currency) { "" } else { basis[0] };
    let parts = [&*table.note, currency, basis[1]];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Header and rows.
pub(super) fn body(sheet: &mut Sheet, table: &Table) -> Done {
    let heads: Vec<_> = table.columns.iter().map(|of| head(&*of.name, of.kind.into())).collect();
    sheet.header(&heads)?;
    for (row, own) in (BODY..).zip(&table.rows) {
        for (column, (value, of)) in own.cells.iter().zip(&table.columns).enumerate() {
            let place = (row, column as u16);
            let look = (Look::from(of.kind), own.total);
            match sum_above(table, row, column) {
                Some(formula) if own.total => {
                    let result = amount(value).unwrap_or_default();
                    sheet.computed_as(place.0, place.1, &formula, result, &look.0.total())?;
                }
                _ => cell(sheet, place, value, look)?,
            }
        }
    }
    Ok(())
}

/// A cell in its column's format; totals stand out.
pub(super) fn cell(
    sheet: &mut Sheet,
    (row, column): (u32, u16),
    cell: &Cell,
    (look, total): (Look, bool),
) -> Done {
    let format = if total { look.total() } else { look.format_in(column) };
    match cell {
        Cell::Empty if total => {
            sheet.out.write_blank(row, column, &format)?;
            Ok(())
        }
        Cell::Empty => Ok(()),
        Cell::Text(text) | Cell::Link { text, .. } => {
            sheet.widen(column, text.chars().count() + 1);
            sheet.text_as(row, column, text, &format)
        }
        Cell::Month(month) => {
            let look = if total { Look::Month.total() } else { Look::Month.format() };
            sheet.number_as(row, column, super::sheet::serial(*month), &look)
        }
        // A number in a column of text, and a count among money, keep a number's format.
        Cell::Number(value) if matches!(look, Look::Text | Look::Month) => {
            sheet.number_as(row, column, *value, &Look::Quantity.format())
        }
        Cell::Number(value) => sheet.number_as(row, column, *value, &format),
        Cell::Usd(amount) | Cell::UsdLink { amount, .. } => {
            let format = match (look, total) {
                (Look::Text | Look::Month, false) => Look::Usd.format(),
                (Look::Text | Look::Month, true) => Look::Usd.total(),
                _ => format,
            };
            sheet.number_as(row, column, amount.to_f64(), &format)
        }
    }
}

fn amount(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Usd(amount) | Cell::UsdLink { amount, .. } => Some(amount.to_f64()),
        Cell::Number(value) => Some(*value),
        _ => None,
    }
}

fn in_column(row: &Row, column: usize) -> Option<f64> {
    row.cells.get(column).and_then(amount)
}

/// A total as a formula, where it is the sum of the rows above it down from the last total.
fn sum_above(table: &Table, row: u32, column: usize) -> Option<String> {
    let place = (row - BODY) as usize;
    let stated = in_column(table.rows.get(place).filter(|own| own.total)?, column)?;
    if matches!(table.columns[column].kind, Kind::Share | Kind::Text | Kind::Month) {
        return None;
    }
    let start = table.rows[..place].iter().rposition(|own| own.total).map_or(0, |at| at + 1);
    let above = &table.rows[start..place];
    let sum: f64 = above.iter().filter_map(|own| in_column(own, column)).sum();
    let same = (sum - stated).abs() <= ROUNDING.max(stated.abs() * 1e-12);
    let rows = (BODY + start as u32, row.checked_sub(1)?);
    (same && !above.is_empty()).then(|| format!("=SUM({})", span(column as u16, rows)))
}

/// A column's cells against what the plan says they add up to; else the number of rows.
fn tie(table: &Table) -> Tie {
    let last = BODY + (table.rows.len().max(1) as u32) - 1;
    let totals: Vec<u32> =
        (BODY..).zip(&table.rows).filter(|(_, own)| own.total).map(|(row, _)| row).collect();
    let Some(Tied { column, amount }) = &table.ties else { return rows(table, last) };
    if totals.len() > MOST_TOTALS {
        return rows(table, last);
    }
    let own = table.rows.iter().filter(|row| !row.total);
    let sum: f64 = own.filter_map(|row| in_column(row, *column)).sum();
    let mut formula = format!("=SUM({})", span(*column as u16, (BODY, last)));
    for row in totals
        .iter()
        .filter(|row| in_column(&table.rows[(**row - BODY) as usize], *column).is_some())
    {
        let _ = write!(formula, "-{}", at(*row, *column as u16));
    }
    let unit = format!("USD: {}", table.columns[*column].name);
    Tie { unit, formula, result: sum, plan: amount.to_f64(), tolerance: 0.005 }
}

fn rows(table: &Table, last: u32) -> Tie {
    let filled = |row: &&Row| {
        row.cells.first().is_some_and(|cell| *cell != Cell::Empty && *cell != Cell::text(""))
    };
    let count = table.rows.iter().filter(filled).count() as f64;
    Tie {
        unit: "rows".into(),
        formula: format!("=COUNTA({})", span(0, (HEADER + 1, last))),
        result: count,
        plan: count,
        tolerance: 0.5,
    }
}
