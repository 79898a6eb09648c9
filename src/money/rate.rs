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
//! # Errors
//! Nothing is rated until every line has a price: a bill with a hole in it is not a bill. Where only the end of
//! a ladder is missing, usage above the last step known is charged at that step, and [`Rated::beyond`] names it;
//! a last step that is free is no price for more.
//!
//! # Example
//! ```
//! use runrate::{money::rate::{Tier, charge}, measure::units::{Quantity, UnitPrice}};
//! let tier = |from: u32, to: Option<u32>, price: &str| Tier {
//!     from: from.into(), to: to.map(Into::into), price: UnitPrice::parse(price).unwrap(),
//! };
//! // 100 GB free, 0.09 above: 150 GB cost 50 × 0.09.
//! let egress = [tier(0, Some(100), "0"), tier(100, None, "0.09")];
//! assert_eq!(charge(Quantity::new(150.0), &egress).unwrap().to_string(), "4.5");
//! ```

use std::{collections::BTreeMap, fmt};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    facts::prices::{BillKey, Ladder, PriceBook},
    measure::{
        calendar::Month,
        units::{MOST_QUANTITY, MOST_USD, Quantity, UnitPrice, Usd},
    },
    money::{ledger::Entry, rate::market::Market},
    usage::services::UsageLine,
};

pub mod commitment;
pub(crate) mod discount;
pub(crate) mod fixed;
pub(crate) mod market;
pub(crate) mod surcharge;
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
    /// Price of a unit, in USD.
    pub price: UnitPrice,
}

/// What a quantity costs over the steps; `None` when it reaches beyond the last one.
pub fn charge(quantity: Quantity, tiers: &[Tier]) -> Option<Usd> {
    split(quantity.decimal()?, tiers).and_then(|parts| cost(&parts))
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

/// What the parts cost; `None` above what a decimal holds.
fn cost(parts: &[Part]) -> Option<Usd> {
    let mut sum = Decimal::ZERO;
    for part in parts {
        sum = sum.checked_add(part.quantity.checked_mul(part.price.decimal())?)?;
    }
    Usd::checked(sum)
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
    /// What it costs, in USD.
    pub cost: Usd,
}

/// A step of a price that was used, with its provenance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceStep {
    /// First unit of the step.
    pub from: Decimal,
    /// End; none is without end.
    pub to: Option<Decimal>,
    /// Price of a unit, in USD.
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

/// Source of spot prices that the scenario gives.
const SPOT_PRICES: &str = "cluster.spot_prices of the scenario";

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
    /// The first quantity without a price, where the book's steps end or leave a hole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Decimal>,
}

impl PriceUsed {
    fn new(key: &BillKey, ladder: &Ladder<'_>) -> Self {
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
            gap: ladder.gap(),
        }
    }

    /// The same at a price that the scenario gives: one step.
    fn at(mut self, price: UnitPrice) -> Self {
        self.steps.truncate(1);
        if let Some(step) = self.steps.first_mut() {
            *step = PriceStep {
                from: Decimal::ZERO,
                to: None,
                price,
                source: SPOT_PRICES.to_owned(),
                confidence: "exact".to_owned(),
                note: format!("a price of single zones; the price book has {}", step.price),
                ..step.clone()
            };
        }
        self.gap = None;
        self
    }

    /// Whether the price book has it: other prices are of the scenario's contract, spot prices and commitments.
    pub fn is_of_book(&self) -> bool {
        self.steps.iter().all(|step| {
            !["scenario", "commitment"].contains(&&*step.confidence) && step.source != SPOT_PRICES
        })
    }

    /// Whether usage above the book's last step is charged at that step.
    pub fn is_extended(&self) -> bool {
        let (Some(gap), Some(last)) = (self.gap, self.steps.last()) else { return false };
        // A gap below the last step is a hole.
        last.to.is_none() && gap > last.from
    }

    /// Takes the last step as one without end, where it has a price and the book has no hole below it.
    fn extend(&mut self) {
        let gap = self.gap;
        if let Some(last) = self.steps.last_mut()
            && last.to == gap
            && !last.price.decimal().is_zero()
        {
            last.to = None;
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

/// Usage above the last step that the book has of a meter, charged at that step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// The meter.
    pub key: BillKey,
    /// Pricing unit.
    pub unit: String,
    /// Where the book's steps end.
    pub end: Decimal,
    /// Price of the last step, in USD.
    pub price: UnitPrice,
    /// The month with the most usage.
    pub month: Month,
    /// Its quantity.
    pub quantity: Decimal,
    /// What all usage above the end costs, in USD.
    pub cost: Usd,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, unit, end, price, month, quantity, cost } = self;
        write!(
            f,
            "{key}: the price book's steps end at {end} {unit}, and usage reaches {} {unit} in {month}. ${:.2} above that end is charged at the last known step (${price} per {unit}). `runrate prices refresh --region {}` adds the further steps",
            quantity.round_dp(0),
            cost.to_f64(),
            key.region
        )
    }
}

impl Rated {
    /// Usage that the book has no price of and that was charged at the last step, by meter.
    pub fn beyond(&self) -> Vec<Beyond> {
        let mut found: BTreeMap<usize, Beyond> = BTreeMap::new();
        for charge in &self.charges {
            let price = &self.prices[charge.price];
            let (Some(end), Some(last), true) =
                (price.gap, price.steps.last(), price.is_extended())
            else {
                continue;
            };
            if charge.quantity <= end {
                continue;
            }
            let beyond = found.entry(charge.price).or_insert_with(|| Beyond {
                key: price.key.clone(),
                unit: price.unit.clone(),
                end,
                price: last.price,
                month: charge.month,
                quantity: charge.quantity,
                cost: Usd::ZERO,
            });
            let cost = (charge.quantity - end).checked_mul(last.price.decimal());
            beyond.cost += Usd::from_decimal(cost.unwrap_or_default());
            if charge.quantity > beyond.quantity {
                (beyond.month, beyond.quantity) = (charge.month, charge.quantity);
            }
        }
        found.into_values().collect()
    }
}

/// Whose usage shares the steps of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Each account climbs the steps on its own.
    PerAccount,
    /// All accounts of one payer together (consolidated billing).
    Consolidated,
}

/// The scope of a charge under consolidated billing.
pub const ALL_ACCOUNTS: &str = "all accounts";

/// The lines of one meter that share its steps in a month.
#[derive(Default)]
struct Group {
    price: usize,
    lines: Vec<usize>,
    quantity: Decimal,
}

type GroupKey = (Month, String, BillKey, Option<UnitPrice>);

/// A usage line that cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpriced {
    /// Its place in the usage.
    pub line: usize,
    /// Why, and the nearest rows.
    pub message: String,
}

/// Prices every line.
///
/// # Errors
/// The first line of every meter without a price, with the nearest rows, and of every quantity that
/// reaches a hole in the book's steps, or beyond a last step that is free.
pub fn rate(usage: &[Usage], book: &PriceBook, sharing: Sharing) -> Result<Rated, Vec<Unpriced>> {
    rate_in(usage, (book, None), sharing)
}

/// Prices every line, spot capacity as the market of a trial has it.
///
/// # Errors
/// As [`rate`].
pub fn rate_in(
    usage: &[Usage],
    prices: (&PriceBook, Option<&Market>),
    sharing: Sharing,
) -> Result<Rated, Vec<Unpriced>> {
    rate_by(usage, prices, &|_| sharing)
}

/// Prices every line; `sharing` says of each meter whose usage shares its steps.
///
/// # Errors
/// As [`rate`].
pub fn rate_by(
    usage: &[Usage],
    prices: (&PriceBook, Option<&Market>),
    sharing: &dyn Fn(&BillKey) -> Sharing,
) -> Result<Rated, Vec<Unpriced>> {
    let mut rated = Rated::default();
    let groups = group(usage, prices, sharing, &mut rated.prices)?;
    for group in groups.values() {
        let price = &mut rated.prices[group.price];
        if price.gap.is_some_and(|gap| group.quantity > gap) {
            price.extend();
        }
    }
    let pools = pool_totals(&groups, &rated.prices);
    let mut entries: Vec<Option<Entry>> = vec![None; usage.len()];
    let mut unpriced = Vec::new();
    for ((month, scope, key, _), group) in &groups {
        let price = &rated.prices[group.price];
        let share = price.pool().map(|step| {
            let size = step.to.unwrap_or(Decimal::MAX) - step.from;
            let total = pools[&(*month, scope.clone(), step.pool.clone())];
            if total > size { size * (group.quantity / total) } else { size }
        });
        let known = price.gap.filter(|_| !price.is_extended());
        let parts = match known.filter(|gap| group.quantity > *gap) {
            Some(_) => None,
            None => split(group.quantity, &price.tiers(share)),
        };
        let Some((parts, cost)) = parts.and_then(|parts| cost(&parts).map(|cost| (parts, cost)))
        else {
            let message = beyond(key, group.quantity, price);
            unpriced.push(Unpriced { line: group.lines[0], message });
            continue;
        };
        let charge = Charge {
            month: *month,
            scope: scope.clone(),
            price: group.price,
            quantity: group.quantity,
            cost,
            parts,
        };
        spread(usage, group, &charge, rated.charges.len(), &mut entries);
        rated.charges.push(charge);
    }
    if !unpriced.is_empty() {
        return Err(unpriced);
    }
    rated.entries = entries.into_iter().flatten().collect();
    Ok(rated)
}

/// Lines by month, scope and meter, with the meters' prices.
fn group(
    usage: &[Usage],
    book: (&PriceBook, Option<&Market>),
    sharing: &dyn Fn(&BillKey) -> Sharing,
    prices: &mut Vec<PriceUsed>,
) -> Result<BTreeMap<GroupKey, Group>, Vec<Unpriced>> {
    let mut known = market::Known::default();
    let mut groups: BTreeMap<GroupKey, Group> = BTreeMap::new();
    let mut unpriced = Vec::new();
    for (line, used) in usage.iter().enumerate() {
        let own = used.line.zones.as_ref().map(|zones| zones.price);
        let meter = (&used.line.key, used.month, own);
        let price =
            known.price(meter, book, prices, |message| unpriced.push(Unpriced { line, message }));
        let Some(price) = price else { continue };
        let scope = match sharing(&used.line.key) {
            Sharing::PerAccount => used.account.clone(),
            Sharing::Consolidated => ALL_ACCOUNTS.to_owned(),
        };
        let of = (used.month, scope, used.line.key.clone(), own);
        let group = groups.entry(of).or_default();
        group.price = price;
        group.lines.push(line);
        let quantity = used.line.quantity;
        let counted = Some(quantity).filter(|quantity| quantity.get() <= MOST_QUANTITY);
        let counted = counted.and_then(Quantity::decimal);
        match counted.and_then(|counted| group.quantity.checked_add(counted)) {
            Some(sum) => group.quantity = sum,
            None => unpriced.push(Unpriced {
                line,
                message: format!(
                    "{}: {:e} units are above {MOST_QUANTITY:e}, the largest quantity that is priced",
                    used.line.key,
                    quantity.get()
                ),
            }),
        }
    }
    if unpriced.is_empty() { Ok(groups) } else { Err(unpriced) }
}

fn beyond(key: &BillKey, quantity: Decimal, price: &PriceUsed) -> String {
    let unit = &price.unit;
    match price.gap {
        Some(gap) if quantity > gap && !price.is_extended() => format!(
            "no price for {key} above {gap} {unit} (usage is {quantity}): the price book's steps end there; run `runrate prices refresh --region {}` to read all steps",
            key.region
        ),
        _ => format!(
            "{key}: {quantity} {unit} cost more than {MOST_USD:e} USD, the largest amount that is counted"
        ),
    }
}

/// Quantity of each pool in each month and scope.
fn pool_totals(
    groups: &BTreeMap<GroupKey, Group>,
    prices: &[PriceUsed],
) -> BTreeMap<(Month, String, String), Decimal> {
    let mut totals = BTreeMap::new();
    for ((month, scope, ..), group) in groups {
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
