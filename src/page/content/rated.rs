//! A priced usage file: the lines as given, with unit price, steps and cost, and totals.

use std::collections::BTreeMap;

use super::{columns, least_wanted, records};
use crate::{
    measure::units::Usd,
    money::{
        ledger::{self, Entry},
        rate::Rated,
    },
    page::{Cell, Fact, Kind, Page, Row, Section, Table, Tied},
};

/// One priced line, as it is printed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Line {
    /// The month.
    pub month: String,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Service code.
    pub service: String,
    /// Usage type.
    pub usage_type: String,
    /// Operation.
    pub operation: String,
    /// What used it.
    pub resource: String,
    /// How much.
    pub quantity: f64,
    /// In what.
    pub unit: String,
    /// Cost over quantity, in USD: the mean over the steps.
    pub unit_price_usd: String,
    /// Steps of the month's charge: `100 × 0 + 50 × 0.09`.
    pub steps: String,
    /// Cost, in USD.
    pub cost_usd: String,
}

/// The lines.
pub fn lines(rated: &Rated) -> Vec<Line> {
    rated.entries.iter().map(|entry| line(rated, entry)).collect()
}

fn line(rated: &Rated, entry: &Entry) -> Line {
    let charge = &rated.charges[entry.charge];
    let steps = charge.parts.iter().map(|p| format!("{} × {}", p.quantity.normalize(), p.price));
    let unit_price = match (entry.quantity.decimal(), charge.parts.as_slice()) {
        (_, [only]) => only.price.to_string(),
        (Some(quantity), _) if !quantity.is_zero() => {
            (entry.cost.decimal() / quantity).round_dp(10).normalize().to_string()
        }
        _ => String::new(),
    };
    Line {
        month: entry.month.to_string(),
        account: entry.account.clone(),
        region: entry.key.region.clone(),
        service: entry.key.service.clone(),
        usage_type: entry.key.usage_type.clone(),
        operation: entry.key.operation.clone(),
        resource: entry.resource.clone(),
        quantity: entry.quantity.get(),
        unit: rated.prices[charge.price].unit.clone(),
        unit_price_usd: unit_price,
        steps: steps.collect::<Vec<_>>().join(" + "),
        cost_usd: entry.cost.to_string(),
    }
}

/// Totals by month and account, and over all.
pub fn totals(rated: &Rated) -> (BTreeMap<(String, String), Usd>, Usd) {
    let by =
        ledger::sum_by(&rated.entries, |entry| (entry.month.to_string(), entry.account.clone()));
    (by, ledger::total(&rated.entries))
}

/// The whole page; totals are sums of the last column of its records.
pub fn page(rated: &Rated) -> Page {
    let (by, total) = totals(rated);
    let lines = lines(rated);
    let mut page = Page {
        title: "Priced usage".into(),
        cost_metric: "at the prices of the price book".into(),
        currency: "USD".into(),
        headline: vec![Fact {
            label: "Total".into(),
            value: Cell::Usd(total),
            note: crate::measure::units::count(lines.len(), "line"),
            ..Fact::default()
        }],
        sections: vec![Section {
            id: "usage".into(),
            title: "Priced usage".into(),
            tables: vec![line_table(rated, &lines, total), total_table(&by, total)],
            ..Section::default()
        }],
        records: Some(line_records(lines)),
        ..Page::default()
    };
    page.without_turns();
    page
}

fn line_table(rated: &Rated, lines: &[Line], total: Usd) -> Table {
    let row = |(line, entry): (&Line, &Entry)| {
        let texts = [
            &line.month,
            &line.account,
            &line.region,
            &line.service,
            &line.usage_type,
            &line.operation,
        ];
        let mut cells: Vec<Cell> = texts.into_iter().map(Cell::text).collect();
        cells.extend([
            Cell::Number(line.quantity),
            Cell::text(&line.unit),
            Cell::text(&line.unit_price_usd),
            Cell::text(&line.steps),
            Cell::Usd(entry.cost),
        ]);
        Row::new(cells)
    };
    let names = columns(&[
        ("Month", Kind::Month),
        ("Account", Kind::Text),
        ("Region", Kind::Text),
        ("Service", Kind::Text),
        ("Usage type", Kind::Text),
        ("Operation", Kind::Text),
        ("Quantity", Kind::Quantity),
        ("Unit", Kind::Text),
        ("Price of a unit", Kind::Quantity),
        ("Steps", Kind::Text),
        ("Cost", Kind::Usd),
    ]);
    Table {
        id: "lines".into(),
        title: "Priced lines".into(),
        note: "USD".into(),
        columns: least_wanted(names, &["Operation", "Steps", "Service", "Region"]),
        rows: lines.iter().zip(&rated.entries).map(row).collect(),
        ties: Some(Tied { column: 10, amount: total }),
        ..Table::default()
    }
}

fn total_table(by: &BTreeMap<(String, String), Usd>, total: Usd) -> Table {
    let row = |((month, account), cost): (&(String, String), &Usd)| {
        Row::new(vec![Cell::text(month), Cell::text(account), Cell::Usd(*cost)])
    };
    let mut rows: Vec<Row> = by.iter().map(row).collect();
    rows.push(Row::total(vec![Cell::text("Total"), Cell::Empty, Cell::Usd(total)]));
    Table {
        id: "totals".into(),
        title: "Totals by month and account".into(),
        note: "USD".into(),
        columns: columns(&[("Month", Kind::Month), ("Account", Kind::Text), ("Total", Kind::Usd)]),
        rows,
        ..Table::default()
    }
}

fn line_records(lines: Vec<Line>) -> Table {
    let header = [
        "month",
        "account",
        "region",
        "service",
        "usage_type",
        "operation",
        "resource",
        "quantity",
        "unit",
        "unit_price_usd",
        "steps",
        "cost_usd",
    ];
    let rows = lines.into_iter().map(|line| {
        vec![
            line.month,
            line.account,
            line.region,
            line.service,
            line.usage_type,
            line.operation,
            line.resource,
            format!("{:?}", line.quantity),
            line.unit,
            line.unit_price_usd,
            line.steps,
            line.cost_usd,
        ]
    });
    records(&header, rows)
}
