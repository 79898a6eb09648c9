//! The ledger as rows for programs.

use super::records;
use crate::{money::ledger::Entry, page::Table, plan::Plan};

/// Columns of `usage.csv` and `ledger.csv` alike: what `runrate rate` reads.
pub const USAGE_COLUMNS: [&str; 8] =
    ["month", "account", "region", "service", "usage_type", "operation", "resource", "quantity"];

/// Cells of a line in the columns of [`USAGE_COLUMNS`].
pub fn usage(entry: &Entry) -> Vec<String> {
    vec![
        entry.month.to_string(),
        entry.account.clone(),
        entry.key.region.clone(),
        entry.key.service.clone(),
        entry.key.usage_type.clone(),
        entry.key.operation.clone(),
        entry.resource.clone(),
        entry.quantity.get().to_string(),
    ]
}

/// Priced lines.
pub fn lines<'a>(plan: &Plan, entries: impl Iterator<Item = &'a Entry>) -> Table {
    let mut header = USAGE_COLUMNS.to_vec();
    header.extend(["unit", "cost_usd", "cost_explorer_service", "billed_usage_type"]);
    let rows = entries.map(|entry| {
        let price = plan.price_of(entry);
        let mut row = usage(entry);
        row.extend([
            price.unit.clone(),
            entry.cost.to_string(),
            price.cost_explorer_service.clone(),
            price.billed_usage_type.clone(),
        ]);
        row
    });
    records(&header, rows)
}
