//! What charges on charges are a share of: formulas over the lines that stand before them.
//!
//! ```text
//! support   AWS lines of the account and month (of all accounts where the plan runs over them)
//! discount  lines of the account, month and service, less the discounts before this one
//! tax       all lines of the account and month that stand before tax
//! ```
//! Each is checked against the amount that the plan states, and used only where both are the same.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    layout::{Kind, Layout, is_minimum},
    lines,
    sheet::{at, criterion, span},
};
use crate::{
    measure::{calendar::Month, units::Usd},
    money::{ledger::Entry, rate::ALL_ACCOUNTS},
    plan::Plan,
};

/// Largest difference of a base from the plan's that is rounding, in USD.
const ROUNDING: f64 = 1e-6;
/// Most services among which other vendors are looked for: two to this power of sums.
const MOST_VENDORS: usize = 8;

/// Account, month, service code, Cost Explorer service.
type Key<'a> = (Month, &'a str, &'a str, &'a str);

/// Finds the base of each line that is a share of others.
pub(super) fn find(layout: &mut Layout<'_>, kinds: &[Kind]) {
    let plan = layout.plan;
    let kind = |entry: &Entry| kinds[plan.charges[entry.charge].price];
    let mut usage: BTreeMap<Key<'_>, Usd> = BTreeMap::new();
    let mut untaxed: BTreeMap<(Month, &str), Usd> = BTreeMap::new();
    for entry in &plan.entries {
        if kind(entry) <= Kind::Commitment {
            *usage.entry(key(plan, entry)).or_default() += entry.cost;
        }
        if kind(entry) < Kind::Tax {
            *untaxed.entry((entry.month, &entry.account)).or_default() += entry.cost;
        }
    }
    layout.vendors = vendors(plan, kinds, &usage);
    let rows = layout.line_rows();
    let mut deducted: BTreeMap<Key<'_>, (Usd, Vec<u32>)> = BTreeMap::new();
    let mut bases = Vec::with_capacity(plan.entries.len());
    for (index, entry) in plan.entries.iter().enumerate() {
        let base = match kind(entry) {
            Kind::Usage | Kind::Commitment => None,
            Kind::Support => support(layout, (rows[index], entry), &usage),
            Kind::Tax => untaxed
                .get(&(entry.month, &*entry.account))
                .map(|base| (sum_of_account(layout, (rows[index], entry)), *base)),
            Kind::Discount => {
                let key = key(plan, entry);
                let base = usage.get(&key).copied().unwrap_or_default();
                let before = deducted.entry(key).or_default();
                let formula = discounted(layout, (rows[index], entry), &before.1);
                let base = base + before.0;
                before.0 += entry.cost;
                before.1.push(rows[index]);
                Some((formula, base))
            }
        };
        let base = base.map(|(formula, base)| (formula, base.to_f64()));
        // A fee over all accounts states no sum to be checked; what it is made from was checked elsewhere.
        let stated = stated(plan, entry);
        let same = |base: f64| stated.is_none_or(|stated| (base - stated).abs() < ROUNDING);
        bases.push(base.filter(|(_, base)| same(*base)));
    }
    layout.bases = bases;
}

fn key<'a>(plan: &'a Plan, entry: &'a Entry) -> Key<'a> {
    let price = plan.price_of(entry);
    (entry.month, &entry.account, &entry.key.service, &price.cost_explorer_service)
}

/// The base that the plan states; of a least fee it is among its inputs.
fn stated(plan: &Plan, entry: &Entry) -> Option<f64> {
    if !is_minimum(plan.price_of(entry)) {
        Some(entry.quantity.get())
    } else if over_all(plan) {
        None
    } else {
        Some(entry.why.inputs.first().map_or(f64::NAN, |input| input.value))
    }
}

/// Whether support runs over all accounts.
fn over_all(plan: &Plan) -> bool {
    plan.charges.iter().any(|charge| {
        let usage_type = &plan.prices[charge.price].key.usage_type;
        usage_type.starts_with("support_rate:") && charge.scope == ALL_ACCOUNTS
    })
}

/// The price whose steps a charge climbs, and the one below which it never falls: both of its support plan.
pub(super) fn support_prices(layout: &Layout<'_>, index: usize) -> (usize, Option<usize>) {
    let plan = layout.plan;
    let own = plan.charges[index].price;
    let find = |kind: &str| of_plan(plan, kind, &plan.prices[own].key.usage_type);
    let based = layout.ranges[index]
        .iter()
        .all(|(first, last)| (*first..=*last).all(|row| layout.base_at(row).is_some()));
    match (find("support_rate"), based) {
        (Some(rate), true) => (rate, find("support_minimum")),
        _ => (own, None),
    }
}

/// The place of a price of the same support plan.
fn of_plan(plan: &Plan, kind: &str, usage_type: &str) -> Option<usize> {
    let (_, name) = usage_type.split_once(':')?;
    let usage_type = format!("{kind}:{name}");
    plan.prices.iter().position(|price| price.key.usage_type == usage_type)
}

/// Services of other vendors: support does not count them. The plan does not name them, but only one choice
/// of them makes every base that it states.
fn vendors(plan: &Plan, kinds: &[Kind], usage: &BTreeMap<Key<'_>, Usd>) -> Vec<String> {
    let amazon = |code: &str| {
        let code = code.to_ascii_lowercase();
        code.starts_with("aws") || code.starts_with("amazon")
    };
    let mut others: Vec<&str> =
        usage.keys().map(|key| key.2).filter(|code| !amazon(code)).collect();
    others.sort_unstable();
    others.dedup();
    others.truncate(MOST_VENDORS);
    let rated = |entry: &&Entry| {
        let price = plan.charges[entry.charge].price;
        kinds[price] == Kind::Support && !is_minimum(&plan.prices[price])
    };
    let Some(sample) = plan.entries.iter().filter(rated).max_by_key(|entry| entry.cost) else {
        return Vec::new();
    };
    let sum = |chosen: u32| -> f64 {
        let out = |code: &str| {
            others.iter().position(|other| *other == code).is_some_and(|at| chosen >> at & 1 == 1)
        };
        let own = usage.iter().filter(|((month, account, code, _), _)| {
            *month == sample.month && *account == sample.account && !out(code)
        });
        own.map(|(_, cost)| *cost).sum::<Usd>().to_f64()
    };
    let fits = |chosen: &u32| (sum(*chosen) - sample.quantity.get()).abs() < ROUNDING;
    // Services without charges in that month fit either way: most are left out, as other vendors are.
    let chosen = (0..1u32 << others.len()).filter(fits).max_by_key(|chosen| chosen.count_ones());
    let chosen = chosen.unwrap_or_default();
    let named = others.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
    named.map(|(_, code)| (*code).to_owned()).collect()
}

fn support(
    layout: &Layout<'_>,
    (row, entry): (u32, &Entry),
    usage: &BTreeMap<Key<'_>, Usd>,
) -> Option<(String, Usd)> {
    let plan = layout.plan;
    let block = layout.blocks.get(&entry.month)?.usage;
    let minimum = is_minimum(plan.price_of(entry));
    if minimum && of_plan(plan, "support_rate", &entry.key.usage_type).is_none() {
        return None;
    }
    let all = minimum && over_all(plan);
    let own = usage.iter().filter(|((month, account, code, _), _)| {
        *month == entry.month
            && (all || *account == entry.account)
            && layout.vendors.iter().all(|vendor| vendor != code)
    });
    let base = own.map(|(_, cost)| *cost).sum();
    let cost = span(lines::COST, block);
    let mut criteria = String::new();
    if !all {
        criteria = format!(",{},{}", span(lines::ACCOUNT, block), account(row, entry));
    }
    for vendor in &layout.vendors {
        let _ = write!(criteria, ",{},\"<>{vendor}\"", span(lines::SERVICE, block));
    }
    let formula = if criteria.is_empty() {
        format!("=SUM({cost})")
    } else {
        format!("=SUMIFS({cost}{criteria})")
    };
    Some((formula, base))
}

fn account(row: u32, entry: &Entry) -> String {
    criterion(&entry.account, &format!("${}", at(row, lines::ACCOUNT)))
}

/// Lines of the entry's account and month before tax.
fn sum_of_account(layout: &Layout<'_>, (row, entry): (u32, &Entry)) -> String {
    let block = layout.blocks[&entry.month].untaxed;
    let (cost, accounts) = (span(lines::COST, block), span(lines::ACCOUNT, block));
    format!("=SUMIFS({cost},{accounts},{})", account(row, entry))
}

/// Usage of the entry's account, month and service, less the discounts in rows `before`.
fn discounted(layout: &Layout<'_>, (row, entry): (u32, &Entry), before: &[u32]) -> String {
    let block = layout.blocks[&entry.month].usage;
    let mut formula = format!("=SUMIFS({}", span(lines::COST, block));
    let shown = &layout.plan.price_of(entry).cost_explorer_service;
    for (column, text) in [
        (lines::ACCOUNT, &entry.account),
        (lines::SERVICE, &entry.key.service),
        (lines::SHOWN, shown),
    ] {
        let cell = format!("${}", at(row, column));
        let _ = write!(formula, ",{},{}", span(column, block), criterion(text, &cell));
    }
    formula.push(')');
    for row in before {
        let _ = write!(formula, "+{}", at(*row, lines::COST));
    }
    formula
}
