//! A plan as a workbook that computes: quantity × price over the steps of a price, month by month.
//!
//! ```text
//! Assumptions (factors) ─► Lines (quantity) ─► Charges (steps × Prices) ─► Lines (cost) ─► Months ─► Services, Summary
//! ```
//! Finance changes a factor, a quantity or a price, and every sum follows. Each sheet holds its sum against
//! the plan's. The formulas carry what they come to, for readers that do not compute.
//!
//! # Limits
//! Sums are floats: they equal the plan to the cent, not to its ten places. Commitments and the trials' band
//! are the plan's and do not recompute. Nothing is simulated again. Accounts whose names differ in case alone are
//! one to a spreadsheet's sums, and the tie-out says so. A table of more rows than a sheet holds
//! (1,048,576) is an error.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, Worksheet, XlsxError};

use crate::page::{Page, Table};
use crate::plan::Plan;

mod assumptions;
mod bases;
mod capacity;
mod charges;
mod charts;
mod layout;
mod lines;
mod months;
mod pages;
mod prices;
mod sheet;
mod style;
mod summary;
mod tables;

/// Longest name of a sheet, in characters.
const LONGEST_NAME: usize = 31;

/// What is put into the book's cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Factors by the name of their cell, where they are not 1.
    pub factors: BTreeMap<String, f64>,
    /// Whether formulas carry what they come to; without, they say 0 until a program computes them.
    pub results: bool,
}

impl Default for Inputs {
    fn default() -> Self {
        Self { factors: BTreeMap::new(), results: true }
    }
}

/// The workbook of a plan and its page.
///
/// # Errors
/// When the book cannot be written: a sheet with too many rows.
pub fn workbook(plan: &Plan, page: &Page) -> Result<Vec<u8>, String> {
    workbook_with(plan, page, &Inputs::default())
}

/// The workbook with other factors. What its formulas carry is the plan's; ask for none with `results`.
///
/// # Errors
/// As [`workbook`], and factors that no cell is named after.
pub fn workbook_with(plan: &Plan, page: &Page, inputs: &Inputs) -> Result<Vec<u8>, String> {
    plan.check()?;
    let plan = &*apart(plan);
    let layout = layout::Layout::new(plan);
    let factors = assumptions::Factors::new(&layout, &inputs.factors);
    let known = |name: &&String| factors.drivers.iter().all(|driver| driver.name != **name);
    if let Some(unknown) = inputs.factors.keys().find(known) {
        return Err(format!("no cell is named {unknown:?}"));
    }
    let written = Book { plan, page, layout, factors, results: inputs.results }.write();
    written.map_err(|error| format!("the workbook could not be written: {error}"))
}

/// The workbook of any page: its headline and words, then a sheet for each table.
///
/// # Errors
/// When the book cannot be written: a sheet with too many rows.
pub fn of_page(page: &Page) -> Result<Vec<u8>, String> {
    pages::write(page).map_err(|error| format!("the workbook could not be written: {error}"))
}

/// The plan with account names that differ by more than case: a spreadsheet's conditional sums take `Prod` and
/// `prod` for one.
fn apart(plan: &Plan) -> Cow<'_, Plan> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for account in &plan.accounts {
        let (mut name, mut number) = (account.name.clone(), 1);
        while !taken.insert(name.to_lowercase()) {
            number += 1;
            name = format!("{} ({number})", account.name);
        }
        if name != account.name {
            renamed.insert(account.name.clone(), name);
        }
    }
    if renamed.is_empty() {
        return Cow::Borrowed(plan);
    }
    let mut plan = plan.clone();
    let accounts = plan.accounts.iter_mut().map(|own| &mut own.name);
    let months = plan.months.iter_mut().flat_map(|month| &mut month.accounts);
    let names = accounts
        .chain(months.map(|own| &mut own.account))
        .chain(plan.entries.iter_mut().map(|own| &mut own.account))
        .chain(plan.charges.iter_mut().map(|own| &mut own.scope));
    for name in names {
        if let Some(other) = renamed.get(name) {
            name.clone_from(other);
        }
    }
    Cow::Owned(plan)
}

/// What the book is made from.
struct Book<'a> {
    plan: &'a Plan,
    page: &'a Page,
    layout: layout::Layout<'a>,
    factors: assumptions::Factors,
    results: bool,
}

impl Book<'_> {
    fn write(mut self) -> Result<Vec<u8>, XlsxError> {
        let (information, tables) = tables_of(self.page);
        let names = sheet_names(&OWN, &tables);
        let (plan, results) = (self.plan, self.results);
        let layout = &self.layout;
        let mut sheets = vec![made(summary::NAME, results, |sheet| {
            summary::write(sheet, plan, self.page, &names)
        })?];
        let mut cells = Vec::new();
        sheets.push(made(assumptions::NAME, results, |sheet| {
            cells = assumptions::write(sheet, &mut self.factors, &information)?;
            Ok(())
        })?);
        let factors = &self.factors;
        sheets.push(made(months::SERVICES, results, |sheet| months::services(sheet, plan))?);
        sheets.push(made(months::NAME, results, |sheet| months::write(sheet, layout))?);
        sheets.push(made(charges::NAME, results, |s| charges::write(s, layout, factors))?);
        sheets.push(made(lines::NAME, results, |sheet| lines::write(sheet, layout, factors))?);
        sheets.push(made(prices::NAME, results, |sheet| prices::write(sheet, layout))?);
        sheets.push(made(capacity::NAME, results, |sheet| capacity::write(sheet, plan))?);
        for (table, name) in tables.iter().zip(names.iter().skip(OWN.len() - 1)) {
            sheets.push(made(name, results, |sheet| tables::write(sheet, table, self.page))?);
        }
        self.save(sheets, &cells)
    }

    fn save(
        &self,
        sheets: Vec<Worksheet>,
        cells: &[(String, u32, u16)],
    ) -> Result<Vec<u8>, XlsxError> {
        let made = &self.plan.made_from;
        let comment = format!(
            "runrate {}, scenario {}, seed {}",
            made.version, made.scenario_sha256, made.seed
        );
        let mut book = bound((&self.plan.name, &self.plan.cost_metric, &comment), sheets)?;
        for (name, row, column) in cells {
            let cell = rust_xlsxwriter::utility::row_col_to_cell_absolute(*row, *column);
            book.define_name(name, &format!("={}!{cell}", assumptions::NAME))?;
        }
        book.save_to_buffer()
    }
}

/// Sheets as a book with a title, a subject and a comment. The same sheets give the same bytes: no clock, here or
/// anywhere.
fn bound(
    (title, subject, comment): (&str, &str, &str),
    sheets: Vec<Worksheet>,
) -> Result<Workbook, XlsxError> {
    let mut book = Workbook::new();
    let properties = DocProperties::new()
        .set_title(crate::write::csv::safe(title))
        .set_subject(subject)
        .set_comment(comment)
        .set_creation_datetime(&ExcelDateTime::from_ymd(2000, 1, 1)?);
    book.set_properties(&properties);
    // A quarter faster than the usual level 6, and two percent larger.
    book.set_zip_compression_level(4);
    for sheet in sheets {
        book.push_worksheet(sheet);
    }
    Ok(book)
}

/// The page's tables: what was assumed, and all others.
fn tables_of(page: &Page) -> (Vec<&Table>, Vec<&Table>) {
    let of = |assumed: bool| {
        let own = page.sections.iter().filter(move |of| (of.id == "assumptions") == assumed);
        own.flat_map(|section| &section.tables).filter(|table| !table.columns.is_empty())
    };
    (of(true).collect(), of(false).collect())
}

fn made(
    name: &str,
    results: bool,
    write: impl FnOnce(&mut sheet::Sheet) -> sheet::Done,
) -> Result<Worksheet, XlsxError> {
    let mut sheet = sheet::Sheet::new(name, results)?;
    write(&mut sheet)?;
    sheet.finish()
}

/// Sheets that every book has.
const OWN: [&str; 8] = [
    summary::NAME,
    assumptions::NAME,
    months::SERVICES,
    months::NAME,
    charges::NAME,
    lines::NAME,
    prices::NAME,
    capacity::NAME,
];

/// Names of all sheets but the first: those of the book's own, then tables by their title where it is short enough,
/// else by their id.
fn sheet_names(own: &[&str], tables: &[&Table]) -> Vec<String> {
    let mut names: Vec<String> = own[1..].iter().map(|name| (*name).to_owned()).collect();
    // Excel keeps this one for itself.
    let mut taken: BTreeSet<String> = own.iter().map(|name| name.to_lowercase()).collect();
    taken.insert("history".into());
    for table in tables {
        let title = if table.title.chars().count() <= LONGEST_NAME && !table.title.is_empty() {
            &table.title
        } else {
            &table.id
        };
        names.push(sheet_name(title, &mut taken));
    }
    names
}

/// A name without forbidden signs, short enough, and not taken in any case.
fn sheet_name(title: &str, taken: &mut BTreeSet<String>) -> String {
    let allowed = |sign: char| {
        let forbidden = ['[', ']', ':', '*', '?', '/', '\\', '\''].contains(&sign);
        if forbidden || sign.is_control() { ' ' } else { sign }
    };
    let plain: String = title.chars().map(allowed).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let plain = words.join(" ");
    let plain = plain.trim_start_matches(['=', '+', '-', '@', ' ']);
    let plain = if plain.is_empty() { "Table" } else { plain };
    // Spreadsheets count in UTF-16; four signs are kept for a number.
    let cut = |most: usize| {
        let mut length = 0;
        let fits = |sign: &char| {
            length += sign.len_utf16();
            length <= most
        };
        plain.chars().take_while(fits).collect::<String>().trim_end().to_owned()
    };
    let mut name = cut(LONGEST_NAME);
    let mut number = 2;
    while !taken.insert(name.to_lowercase()) {
        name = format!("{} {number}", cut(LONGEST_NAME - 4));
        number += 1;
    }
    name
}

#[cfg(test)]
mod tests;
