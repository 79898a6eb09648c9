//! `Lines`: every ledger line, its quantity under the usage factors, and its part of the month's charge.

use std::collections::BTreeSet;

use super::{
    assumptions::Factors,
    charges,
    layout::{Kind, Layout},
    sheet::{BODY, Done, Sheet, Tie, at, head, letter, span},
    style::Look,
};
use crate::money::ledger::Entry;

/// Column of the account.
pub(super) const ACCOUNT: u16 = 1;
/// Column of the service code.
pub(super) const SERVICE: u16 = 3;
/// Column of Cost Explorer's service.
pub(super) const SHOWN: u16 = 4;
/// Column of what the model metered.
const MODELLED: u16 = 8;
/// Column of the quantity under the factors.
pub(super) const QUANTITY: u16 = 9;
/// Column of the cost.
pub(super) const COST: u16 = 10;
const CHARGE: u16 = 11;

/// Name of the sheet.
pub(super) const NAME: &str = "Lines";

/// Writes the sheet.
pub(super) fn write(sheet: &mut Sheet, layout: &Layout<'_>, factors: &Factors) -> Done {
    let plan = layout.plan;
    let last = BODY + (layout.order.len().max(1) as u32) - 1;
    let note = format!(
        "Quantity = modelled quantity × usage factors of Assumptions; cost = the line's part of its charge on {}. {}, {}. Filter it, but do not sort it: formulas point at rows.",
        charges::NAME,
        plan.cost_metric,
        plan.currency
    );
    let tie = Tie::money(format!("=SUM({})", span(COST, (BODY, last))), plan.cost.to_f64());
    sheet.top("Lines: what is metered, and what it costs", &note, &tie)?;
    sheet.header(&[
        head("Month", Look::Month),
        head("Account", Look::Text),
        head("Region", Look::Text),
        head("Service code", Look::Text),
        head("Cost Explorer service", Look::Text),
        head("Usage type", Look::Text),
        head("Resource", Look::Text),
        head("Unit", Look::Text),
        head("Modelled quantity", Look::Quantity),
        head("Quantity", Look::Quantity),
        head("Cost [USD]", Look::Usd),
        head("Charge", Look::Number(0)),
    ])?;
    let counts = counts(layout);
    for (row, index) in (BODY..).zip(&layout.order) {
        let entry = &plan.entries[*index];
        names(sheet, row, layout, entry)?;
        quantities(sheet, (row, *index), layout, factors)?;
        let (formula, lines) = (cost(row, entry, counts[entry.charge]), entry.charge);
        sheet.computed(row, COST, &formula, entry.cost.to_f64())?;
        sheet.number(row, CHARGE, lines as f64 + 1.0)?;
    }
    sheet.out.autofilter(BODY - 1, 0, last, CHARGE)?;
    Ok(())
}

/// Lines of each charge.
fn counts(layout: &Layout<'_>) -> Vec<u32> {
    let count = |ranges: &Vec<(u32, u32)>| ranges.iter().map(|(from, to)| to - from + 1).sum();
    layout.ranges.iter().map(count).collect()
}

fn names(sheet: &mut Sheet, row: u32, layout: &Layout<'_>, entry: &Entry) -> Done {
    let price = layout.plan.price_of(entry);
    // A least fee that follows its bands is counted in their unit.
    let unit = &layout.plan.prices[layout.ways[entry.charge].price].unit;
    sheet.month(row, 0, entry.month)?;
    let texts = [
        &entry.account,
        &entry.key.region,
        &entry.key.service,
        &price.cost_explorer_service,
        &entry.key.usage_type,
        &entry.resource,
        unit,
    ];
    for (column, text) in (ACCOUNT..).zip(texts) {
        sheet.text(row, column, text)?;
    }
    Ok(())
}

fn quantities(
    sheet: &mut Sheet,
    (row, index): (u32, usize),
    layout: &Layout<'_>,
    factors: &Factors,
) -> Done {
    let entry = &layout.plan.entries[index];
    let way = &layout.ways[entry.charge];
    let mut quantity = entry.quantity.get();
    match &layout.bases[index] {
        Some((formula, base)) => {
            // A least fee stands for one month; the book keeps what it is the least of.
            quantity = if way.minimum == Some(layout.plan.charges[entry.charge].price) {
                *base
            } else {
                quantity
            };
            sheet.computed(row, MODELLED, formula, quantity)?;
        }
        None => sheet.number(row, MODELLED, quantity)?,
    }
    let own = at(row, MODELLED);
    let formula = match way.kind {
        Kind::Usage => factors.of_usage(&entry.account, &entry.key.service, &own),
        _ => format!("={own}"),
    };
    sheet.computed(row, QUANTITY, &formula, quantity)
}

/// A line's part of its charge.
fn cost(row: u32, entry: &Entry, lines: u32) -> String {
    let charge = Layout::charge_row(entry.charge) + 1;
    let cost = format!("{}!${}${charge}", charges::NAME, letter(charges::COST));
    if lines == 1 {
        return format!("={cost}");
    }
    let all = format!("{}!${}${charge}", charges::NAME, letter(charges::QUANTITY));
    format!("=IF({all}=0,0,{cost}*{}/{all})", at(row, QUANTITY))
}

/// Accounts and service codes of metered usage.
pub(super) fn metered<'a>(layout: &Layout<'a>) -> BTreeSet<(&'a str, &'a str)> {
    let plan = layout.plan;
    let usage = |entry: &&Entry| layout.ways[entry.charge].kind == Kind::Usage;
    let own = plan.entries.iter().filter(usage);
    own.map(|entry| (&*entry.account, &*entry.key.service)).collect()
}
