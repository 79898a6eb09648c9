//! A priced usage file: the lines as given, with unit price, steps and cost, and totals.

use std::collections::BTreeMap;

use crate::{
    measure::units::Usd,
    money::{
        ledger::{self, Entry},
        rate::Rated,
    },
};
use crate::{page::number::money, write::terminal::table};

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
    /// Cost over quantity [USD]: the mean over the steps.
    pub unit_price_usd: String,
    /// Steps of the month's charge: `100 × 0 + 50 × 0.09`.
    pub steps: String,
    /// Cost [USD].
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

/// Lines and totals as a table.
pub fn to_table(rated: &Rated) -> String {
    let header = [
        "Month",
        "Account",
        "Region",
        "Service",
        "Usage type",
        "Operation",
        "Quantity",
        "Unit",
        "USD per unit",
        "Steps",
        "USD",
    ];
    let mut out = table(&header, 6);
    for line in lines(rated) {
        out.add_row([
            line.month,
            line.account,
            line.region,
            line.service,
            line.usage_type,
            line.operation,
            crate::page::number::quantity(line.quantity),
            line.unit,
            line.unit_price_usd,
            line.steps,
            line.cost_usd,
        ]);
    }
    let (by, total) = totals(rated);
    let mut sums = table(&["Month", "Account", "Total"], 2);
    for ((month, account), cost) in by {
        sums.add_row([month, account, money(cost)]);
    }
    sums.add_row(["All".to_owned(), String::new(), money(total)]);
    format!("{out}\n\n{sums}\n")
}

/// Lines as CSV; totals are sums of its last column.
///
/// # Panics
/// Never: writing to memory does not fail.
pub fn to_csv(rated: &Rated) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for mut line in lines(rated) {
        for cell in [
            &mut line.account,
            &mut line.region,
            &mut line.service,
            &mut line.usage_type,
            &mut line.operation,
            &mut line.resource,
            &mut line.unit,
        ] {
            *cell = crate::write::csv::safe(cell);
        }
        writer.serialize(line).expect("writing to memory does not fail");
    }
    let bytes = writer.into_inner().expect("writing to memory does not fail");
    String::from_utf8(bytes).expect("all cells are UTF-8")
}
