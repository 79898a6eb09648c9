//! `Assumptions`: named cells that finance changes, and what the plan assumed, for information.
//!
//! # Limits
//! The factors scale what the model metered. They do not run it again: twice the usage of a service is not
//! twice the users, whose nodes, commitments and databases only a new run of runrate knows.

use std::collections::{BTreeMap, BTreeSet};

use rust_xlsxwriter::{DataValidation, DataValidationRule};

use super::{
    layout::Layout,
    lines,
    sheet::{BODY, Sheet, Tie, head, span},
    style::{self, Look},
    tables,
};
use crate::page::{Cell, Column, Kind, Table};

/// Name of the sheet.
pub(super) const NAME: &str = "Assumptions";
const VALUE: u16 = 2;

/// A named cell that the book computes with.
#[derive(Debug, Clone)]
pub(super) struct Driver {
    /// Its name.
    pub(super) name: String,
    applies: String,
    what: &'static str,
    value: f64,
}

/// The factors on quantities and prices.
#[derive(Debug, Default)]
pub(super) struct Factors {
    usage: BTreeMap<(String, String), String>,
    price: BTreeMap<String, String>,
    /// All of them, in the order of their rows.
    pub(super) drivers: Vec<Driver>,
    taken: BTreeSet<String>,
}

impl Factors {
    /// A factor on everything, on each service's prices, on each account's usage of each service.
    pub(super) fn new(layout: &Layout<'_>, values: &BTreeMap<String, f64>) -> Self {
        let mut factors = Self::default();
        let pairs = lines::metered(layout);
        factors.add("usage_all", "all accounts and services", "× every metered quantity");
        factors.add("price_all", "all services", "× the cost of all metered usage");
        let mut services: Vec<&str> = pairs.iter().map(|(_, service)| *service).collect();
        services.sort_unstable();
        services.dedup();
        for service in services {
            let name = factors.add(
                &format!("price_{service}"),
                service,
                "× the cost of its metered usage",
            );
            factors.price.insert(service.to_owned(), name);
        }
        for (account, service) in pairs {
            let applies = format!("{service} of {account}");
            let name = format!("usage_{account}_{service}");
            let name = factors.add(&name, &applies, "× its metered quantities");
            factors.usage.insert((account.to_owned(), service.to_owned()), name);
        }
        for driver in &mut factors.drivers {
            driver.value = values.get(&driver.name).copied().unwrap_or(1.0);
        }
        factors
    }

    fn add(&mut self, name: &str, applies: &str, what: &'static str) -> String {
        let name = self.free_name(name);
        let driver = Driver { name: name.clone(), applies: applies.to_owned(), what, value: 1.0 };
        self.drivers.push(driver);
        name
    }

    /// A name as spreadsheets allow it, not yet taken in any case.
    pub(super) fn free_name(&mut self, name: &str) -> String {
        let plain = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '_' };
        let base: String = name.chars().take(200).map(plain).collect();
        let mut own = base.clone();
        let mut number = 2;
        while !self.taken.insert(own.to_ascii_lowercase()) {
            own = format!("{base}_{number}");
            number += 1;
        }
        own
    }

    /// A quantity under the factors of its account and service.
    pub(super) fn of_usage(&self, account: &str, service: &str, quantity: &str) -> String {
        match self.usage.get(&(account.to_owned(), service.to_owned())) {
            Some(name) => format!("={quantity}*{name}*usage_all"),
            None => format!("={quantity}"),
        }
    }

    /// ` × ` the factors on a service's prices.
    pub(super) fn of_price(&self, service: &str) -> String {
        self.price.get(service).map_or_else(String::new, |name| format!("*{name}*price_all"))
    }
}

/// Writes the sheet; the names of its cells and where they stand come back.
pub(super) fn write(
    sheet: &mut Sheet,
    factors: &mut Factors,
    information: &[&Table],
) -> Result<Vec<(String, u32, u16)>, rust_xlsxwriter::XlsxError> {
    let last = BODY + factors.drivers.len() as u32 - 1;
    let changed = factors.drivers.iter().filter(|driver| (driver.value - 1.0).abs() > 0.0).count();
    let tie = Tie {
        unit: "factors changed".into(),
        formula: format!("=COUNTIF({},\"<>1\")", span(VALUE, (BODY, last))),
        result: changed as f64,
        plan: 0.0,
        tolerance: 0.5,
    };
    let note = "Change a yellow cell and the book recomputes. Factors scale the modelled usage and its prices; they do not simulate again, so for more users or other settings run runrate. Commitments, support, discounts and tax have no factor: the first are fixed, the others follow.";
    sheet.top("Assumptions", note, &tie)?;
    sheet.header(&[
        head("Name of the cell", Look::Text),
        head("Applies to", Look::Text),
        head("Factor", Look::Quantity),
        head("What it does", Look::Text),
    ])?;
    let mut named = Vec::new();
    let format = Look::Quantity.input();
    for (row, driver) in (BODY..).zip(&factors.drivers) {
        sheet.text(row, 0, &driver.name)?;
        sheet.text(row, 1, &driver.applies)?;
        sheet.number_as(row, VALUE, driver.value, &format)?;
        sheet.text(row, 3, driver.what)?;
        named.push((driver.name.clone(), row, VALUE));
    }
    let factor = DataValidation::new()
        .allow_decimal_number(DataValidationRule::GreaterThanOrEqualTo(0.0))
        .set_error_title("not a factor")?
        .set_error_message("a factor is a number of 0 or more; 1 is the plan")?;
    sheet.out.add_data_validation(BODY, VALUE, last, VALUE, &factor)?;
    let mut row = last + 3;
    for table in information {
        row = inform(sheet, factors, table, row, &mut named)?;
    }
    Ok(named)
}

/// What the plan assumed: a table under the factors, whose middle values have names too.
fn inform(
    sheet: &mut Sheet,
    factors: &mut Factors,
    table: &Table,
    mut row: u32,
    named: &mut Vec<(String, u32, u16)>,
) -> Result<u32, rust_xlsxwriter::XlsxError> {
    sheet.text_as(row, 0, &table.title, &style::section())?;
    let note = "For information: these went into the simulation. Changing them here changes nothing; change the scenario and run runrate again.";
    sheet.text_as(row + 1, 0, &format!("{note} {}", table.note), &style::note())?;
    let heads: Vec<_> = table.columns.iter().map(|of| head(&*of.name, of.kind.into())).collect();
    sheet.headings(row + 2, &heads)?;
    row += 3;
    let value = value_column(&table.columns);
    for own in &table.rows {
        for (column, (cell, of)) in own.cells.iter().zip(&table.columns).enumerate() {
            tables::cell(sheet, (row, column as u16), cell, (of.kind.into(), own.total))?;
        }
        if let (Some(Cell::Text(key)), Some(value)) = (own.cells.first(), value) {
            let name = factors.free_name(&format!("assumed_{key}"));
            named.push((name, row, value));
        }
        row += 1;
    }
    Ok(row + 2)
}

/// The column whose cells get names: `mid` or `value`, else the first with numbers.
fn value_column(columns: &[Column]) -> Option<u16> {
    let named = |of: &Column| {
        let name = of.name.to_ascii_lowercase();
        name.starts_with("mid") || name.starts_with("value")
    };
    let numbers = |of: &Column| of.kind != Kind::Text;
    let place = columns.iter().position(named).or_else(|| columns.iter().position(numbers));
    place.map(|place| place as u16)
}
