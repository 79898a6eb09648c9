//! Bills as they are kept: months, where they are from, what was set aside.

use std::fmt::Write as _;

use super::{
    csv,
    number::{grouped, money},
    terminal::table,
};
use crate::actuals::{Metric, MonthBill};

/// For people.
pub fn render(bills: &[MonthBill]) -> String {
    let mut rows =
        table(&["Month", "Days", "Consumption", "Bill", "Rows", "Lines", "Aside", "Source"], 1);
    for bill in bills {
        let consumption =
            bill.sum(Metric::Unblended, |line| line.key.kind.is_consumption()).unwrap_or_default();
        let all = bill.sum(Metric::Unblended, |_| true).unwrap_or_default();
        let aside: u64 = bill.set_aside.iter().map(|aside| aside.rows).sum();
        let mark = if bill.estimated { "*" } else { "" };
        rows.add_row(vec![
            bill.month.to_string(),
            format!("{}/{}{mark}", bill.days, bill.month.days()),
            money(consumption.usd()),
            money(all.usd()),
            grouped(bill.rows() as f64, 0),
            grouped(bill.lines.len() as f64, 0),
            grouped(aside as f64, 0),
            format!("{}, {}", bill.source, bill.read_at),
        ]);
    }
    if let Some(column) = rows.column_mut(7) {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    let mut out = format!("{rows}\n");
    let currency = bills.first().map_or("", |bill| &bill.currency);
    let _ = writeln!(out, "\n{} in {currency}; * may still change", Metric::Unblended.name());
    for note in bills.iter().filter_map(MonthBill::no_bill) {
        let _ = writeln!(out, "{note}");
    }
    let aside: Vec<_> = bills.iter().flat_map(|bill| &bill.set_aside).collect();
    if !aside.is_empty() {
        let _ = writeln!(out, "\nSet aside");
        for aside in aside {
            let _ = writeln!(out, "  {} × {} (first: {})", aside.rows, aside.reason, aside.first);
        }
    }
    out
}

/// Every line, one row each.
pub fn to_csv(bills: &[MonthBill]) -> String {
    let mut header = vec![
        "month",
        "account",
        "service",
        "region",
        "usage_type",
        "operation",
        "kind",
        "record_type",
        "quantity",
        "unit",
    ];
    header.extend(Metric::ALL.map(Metric::name));
    header.extend(["list_cost", "rows", "currency", "estimated"]);
    let rows = bills.iter().flat_map(|bill| {
        bill.lines.iter().map(|line| {
            let key = &line.key;
            let amount = |value: Option<crate::actuals::amount::Amount>| {
                value.map_or(String::new(), |v| v.to_string())
            };
            let mut row = vec![
                bill.month.to_string(),
                key.account.clone(),
                key.service.clone(),
                key.region.clone(),
                key.usage_type.clone(),
                key.operation.clone(),
                key.kind.name().to_owned(),
                key.record.clone(),
                amount(line.quantity),
                key.unit.clone(),
            ];
            row.extend(line.costs.map(amount));
            row.extend([
                amount(line.list),
                line.rows.to_string(),
                bill.currency.clone(),
                bill.estimated.to_string(),
            ]);
            row
        })
    });
    csv::write(&header, rows)
}
