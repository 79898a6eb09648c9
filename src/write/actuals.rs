//! Bills as they are kept: months in their currencies, where they are from, what was skipped.

use std::fmt::Write as _;

use crate::bills::actuals::{Kind, Metric, MonthBill};
use crate::{
    page::number::{billed, grouped},
    write::{csv, terminal::table},
};

/// For people.
pub fn render(bills: &[MonthBill]) -> String {
    let mut rows =
        table(&["Month", "Days", "Consumption", "Bill", "Rows", "Lines", "Skipped", "Source"], 1);
    for bill in bills {
        let consumption =
            bill.sum(Metric::Unblended, |line| line.key.kind.is_consumption()).unwrap_or_default();
        let all = bill.sum(Metric::Unblended, |_| true).unwrap_or_default();
        let aside: u64 = bill.set_aside.iter().map(|aside| aside.rows).sum();
        let mark = if bill.estimated { "*" } else { "" };
        rows.add_row(vec![
            bill.month.to_string(),
            format!("{}/{}{mark}", bill.days, bill.month.days()),
            billed(consumption.usd(), &bill.currency),
            billed(all.usd(), &bill.currency),
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
    let _ = writeln!(out, "\n{}; * may still change", Metric::Unblended.name());
    let unnamed: Vec<String> = bills
        .iter()
        .filter(|bill| bill.currency.is_empty() && !bill.lines.is_empty())
        .map(|bill| bill.month.to_string())
        .collect();
    if !unnamed.is_empty() {
        let _ = writeln!(out, "No currency is stated in {}", unnamed.join(", "));
    }
    let mut notes: Vec<String> = bills.iter().filter_map(MonthBill::no_bill).collect();
    for note in bills.iter().flat_map(|bill| &bill.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    notes.extend(unconsumed(bills));
    for note in notes {
        let _ = writeln!(out, "{note}");
    }
    if bills.iter().any(|bill| !bill.set_aside.is_empty()) {
        let _ = writeln!(out, "\nSkipped rows");
    }
    for bill in bills {
        for aside in &bill.set_aside {
            let cost = aside.cost.map(|cost| format!(", {}", billed(cost.usd(), &bill.currency)));
            let _ = writeln!(
                out,
                "  {} × {} (first: {}){}",
                aside.rows,
                aside.reason,
                aside.first,
                cost.unwrap_or_default()
            );
        }
    }
    out
}

/// What no comparison takes: lines of kinds that are not known, and lines without an account.
fn unconsumed(bills: &[MonthBill]) -> Vec<String> {
    let mut notes = Vec::new();
    for bill in bills {
        for (what, cost) in [
            (
                "lines of a kind that models/billing.toml does not know are in no comparison",
                bill.sum(Metric::Unblended, |line| line.key.kind == Kind::Unknown),
            ),
            (
                "lines name no account; import the file with --account ID",
                bill.sum(Metric::Unblended, |line| line.key.account.is_empty()),
            ),
        ] {
            if let Some(cost) = cost {
                let cost = billed(cost.usd(), &bill.currency);
                notes.push(format!("{}: {cost}: {what}", bill.month));
            }
        }
    }
    notes
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
            let amount = |value: Option<crate::bills::actuals::amount::Amount>| {
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
