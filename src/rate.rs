//! Usage to money: the one place where a quantity meets a price.
//!
//! # Formula
//! ```text
//! charge(Q, steps) = round( Σ over steps  (part of Q inside the step) × price , 10 places, half to even )
//! ```
//! Lines of one meter share its steps over the calendar month: their quantities are summed, charged
//! once, and the charge is split back in proportion, by rounded running sums, so that the parts add up
//! to the charge exactly. A pooled step (the free 100 GB of internet egress) is shared by all meters
//! that name the pool, in proportion to their quantities; the steps above it begin where its share ends.
//!
//! # Example
//! ```
//! use runrate::{rate::{Tier, charge}, units::{Quantity, UnitPrice}};
//! let tier = |from: u32, to: Option<u32>, price: &str| Tier {
//!     from: from.into(), to: to.map(Into::into), price: UnitPrice::parse(price).unwrap(),
//! };
//! // 100 GB free, 0.09 above: 150 GB cost 50 × 0.09.
//! let egress = [tier(0, Some(100), "0"), tier(100, None, "0.09")];
//! assert_eq!(charge(Quantity::new(150.0), &egress).unwrap().to_string(), "4.5");
//! ```

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    calendar::Month,
    error::{Error, Place, Problem},
    ledger::Entry,
    prices::{BillKey, Ladder, PriceBook},
    services::UsageLine,
    units::{Quantity, UnitPrice, Usd},
};

pub mod usage;

/// One step of a price, `from` inclusive, `to` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// First unit.
    pub from: Decimal,
    /// End; `None` is without end.
    pub to: Option<Decimal>,
    /// Price of a unit.
    pub price: UnitPrice,
}

/// The part of a quantity that fell into one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// First unit of the step.
    pub from: Decimal,
    /// Units in it.
    pub quantity: Decimal,
    /// Price of a unit [USD].
    pub price: UnitPrice,
}

/// What a quantity costs over the steps; `None` when it reaches beyond the last one.
pub fn charge(quantity: Quantity, tiers: &[Tier]) -> Option<Usd> {
    split(quantity.decimal()?, tiers).map(|parts| cost(&parts))
}

/// The parts of a quantity by step.
fn split(quantity: Decimal, tiers: &[Tier]) -> Option<Vec<Part>> {
    let mut left = quantity;
    let mut parts = Vec::new();
    for tier in tiers {
        let inside = tier.to.map_or(left, |to| left.min(to - tier.from));
        if inside > Decimal::ZERO {
            parts.push(Part { from: tier.from, quantity: inside, price: tier.price });
            left -= inside;
        }
    }
    (left <= Decimal::ZERO).then_some(parts)
}

fn cost(parts: &[Part]) -> Usd {
    Usd::from_decimal(parts.iter().map(|part| part.quantity * part.price.decimal()).sum())
}

/// Usage of one account in one month, to be priced.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// The month.
    pub month: Month,
    /// The account.
    pub account: String,
    /// The line.
    pub line: UsageLine,
}

/// A meter's charge for a month over all lines that share its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// The month.
    pub month: Month,
    /// The account, or `all accounts` under consolidated billing.
    pub scope: String,
    /// Place in [`Rated::prices`] of its price.
    pub price: usize,
    /// Quantity of all lines.
    pub quantity: Decimal,
    /// The quantity by step.
    pub parts: Vec<Part>,
    /// What it costs [USD].
    pub cost: Usd,
}

/// A step of a price that was used, with its provenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceStep {
    /// First unit of the step.
    pub from: Decimal,
    /// End; none is without end.
    pub to: Option<Decimal>,
    /// Price of a unit [USD].
    pub price: UnitPrice,
    /// Pool of meters that share the step.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pool: String,
    /// Date of the source.
    pub as_of: String,
    /// The source.
    pub source: String,
    /// `exact` or `derived`.
    pub confidence: String,
    /// What the source adds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A price that was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceUsed {
    /// The meter.
    pub key: BillKey,
    /// The usage type as a bill prints it.
    pub billed_usage_type: String,
    /// Cost Explorer's SERVICE.
    pub cost_explorer_service: String,
    /// Pricing unit.
    pub unit: String,
    /// Its steps, lowest first.
    pub steps: Vec<PriceStep>,
}

impl PriceUsed {
    fn of(key: &BillKey, ladder: &Ladder<'_>) -> Self {
        let first = ladder.rows[0];
        let steps = ladder.rows.iter().map(|row| PriceStep {
            from: row.begin,
            to: row.end,
            price: row.price,
            pool: row.pool().to_owned(),
            as_of: row.as_of().to_owned(),
            source: row.source().to_owned(),
            confidence: row.confidence().to_owned(),
            note: row.note().to_owned(),
        });
        Self {
            key: key.clone(),
            billed_usage_type: first.billed_usage_type().to_owned(),
            cost_explorer_service: first.cost_explorer_service().to_owned(),
            unit: first.unit().to_owned(),
            steps: steps.collect(),
        }
    }

    fn pool(&self) -> Option<&PriceStep> {
        self.steps.iter().find(|step| !step.pool.is_empty())
    }

    /// The steps with a pooled one cut or stretched to `share`, and those above moved along.
    fn tiers(&self, share: Option<Decimal>) -> Vec<Tier> {
        let mut shift = Decimal::ZERO;
        let mut tiers = Vec::new();
        for step in &self.steps {
            let from = step.from + shift;
            let mut to = step.to.map(|to| to + shift);
            if let (Some(share), Some(end), false) = (share, to, step.pool.is_empty()) {
                shift += from + share - end;
                to = Some(from + share);
            }
            tiers.push(Tier { from, to, price: step.price });
        }
        tiers
    }
}

/// All usage, priced.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rated {
    /// One entry a usage line, in the order of the lines.
    pub entries: Vec<Entry>,
    /// One charge a month, scope and meter.
    pub charges: Vec<Charge>,
    /// The prices used.
    pub prices: Vec<PriceUsed>,
}

/// Whose usage shares the steps of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Each account climbs the steps on its own.
    PerAccount,
    /// All accounts of one payer together (consolidated billing).
    Consolidated,
}

const ALL_ACCOUNTS: &str = "all accounts";

/// The lines of one meter that share its steps in a month.
#[derive(Default)]
struct Group {
    price: usize,
    lines: Vec<usize>,
    quantity: Decimal,
}

type GroupKey = (Month, String, BillKey);

/// Prices every line.
///
/// # Errors
/// Every meter without a price, with the nearest rows, and every quantity beyond the last step.
pub fn rate(usage: &[Usage], book: &PriceBook, sharing: Sharing) -> Result<Rated, Error> {
    let mut prices: BTreeMap<&BillKey, Result<usize, String>> = BTreeMap::new();
    let mut rated = Rated::default();
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    let mut problems: Vec<Problem> = Vec::new();
    for (index, used) in usage.iter().enumerate() {
        let known = prices.entry(&used.line.key).or_insert_with_key(|key| {
            let price = PriceUsed::of(key, &book.ladder(key)?);
            rated.prices.push(price);
            Ok(rated.prices.len() - 1)
        });
        match (known, used.line.quantity.decimal()) {
            (Ok(price), Some(quantity)) => {
                let scope = match sharing {
                    Sharing::PerAccount => used.account.clone(),
                    Sharing::Consolidated => ALL_ACCOUNTS.to_owned(),
                };
                let group = groups.entry((used.month, scope, used.line.key.clone())).or_default();
                group.price = *price;
                group.lines.push(index);
                group.quantity += quantity;
            }
            (Err(message), _) => {
                let problem = Problem::new(Place::default(), message.clone());
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            (_, None) => problems.push(Problem::new(
                Place::default(),
                format!(
                    "{}: {} units are beyond counting",
                    used.line.key,
                    used.line.quantity.get()
                ),
            )),
        }
    }
    if !problems.is_empty() {
        return Err(Error::input(problems));
    }
    let pools = pool_totals(&groups, &rated.prices);
    let mut entries: Vec<Option<Entry>> = vec![None; usage.len()];
    for ((month, scope, key), group) in &groups {
        let price = &rated.prices[group.price];
        let share = price.pool().map(|step| {
            let size = step.to.unwrap_or(Decimal::MAX) - step.from;
            let total = pools[&(*month, scope.clone(), step.pool.clone())];
            if total > size { size * (group.quantity / total) } else { size }
        });
        let Some(parts) = split(group.quantity, &price.tiers(share)) else {
            problems.push(beyond(key, group.quantity, price));
            continue;
        };
        let charge = Charge {
            month: *month,
            scope: scope.clone(),
            price: group.price,
            quantity: group.quantity,
            cost: cost(&parts),
            parts,
        };
        spread(usage, group, &charge, rated.charges.len(), &mut entries);
        rated.charges.push(charge);
    }
    if !problems.is_empty() {
        return Err(Error::input(problems));
    }
    rated.entries = entries.into_iter().flatten().collect();
    Ok(rated)
}

fn beyond(key: &BillKey, quantity: Decimal, price: &PriceUsed) -> Problem {
    let gap = price.steps.last().and_then(|step| step.to).unwrap_or_default();
    Problem::new(
        Place::default(),
        format!(
            "no price for {key} above {gap} {} (asked for {quantity}); the book's last step ends there",
            price.unit
        ),
    )
}

/// Quantity of each pool in each month and scope.
fn pool_totals(
    groups: &BTreeMap<GroupKey, Group>,
    prices: &[PriceUsed],
) -> BTreeMap<(Month, String, String), Decimal> {
    let mut totals = BTreeMap::new();
    for ((month, scope, _), group) in groups {
        if let Some(step) = prices[group.price].pool() {
            *totals.entry((*month, scope.clone(), step.pool.clone())).or_default() +=
                group.quantity;
        }
    }
    totals
}

/// Splits a charge over its lines by running sums, so that the parts add up exactly.
fn spread(
    usage: &[Usage],
    group: &Group,
    charge: &Charge,
    index: usize,
    entries: &mut [Option<Entry>],
) {
    let mut reached = Decimal::ZERO;
    let mut paid = Usd::ZERO;
    for &line in &group.lines {
        let used = &usage[line];
        reached += used.line.quantity.decimal().unwrap_or_default();
        let due = if reached >= group.quantity || group.quantity.is_zero() {
            charge.cost
        } else {
            Usd::from_decimal(charge.cost.decimal() * (reached / group.quantity))
        };
        entries[line] = Some(Entry {
            month: used.month,
            account: used.account.clone(),
            key: used.line.key.clone(),
            resource: used.line.resource.clone(),
            quantity: used.line.quantity,
            cost: due - paid,
            charge: index,
            why: used.line.why.clone(),
        });
        paid = due;
    }
}

#[cfg(test)]
mod tests;
