//! Where each line, charge and price of the plan stands in the book, and how each charge is computed there.
//!
//! Lines are sorted by month, by what they depend on (usage, support, discounts, tax), account and service.
//! So the lines of a charge, of an account and of a month stand together, a sum names ranges instead of
//! searching the whole sheet, and no charge on charges sums itself.
//!
//! # Limits
//! A charge whose formula does not come to what the plan says (within a hundred-thousandth of a dollar) is
//! written as the plan's amount per unit; so are support plans whose price the plan does not carry.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{bases, sheet::BODY};
use crate::{
    measure::calendar::Month,
    money::rate::{Charge, PriceUsed, discount, surcharge},
    plan::Plan,
};

/// Largest difference between a formula and the plan that is rounding, in USD.
const ROUNDING: f64 = 1e-5;

/// What a charge is computed from, in the order of dependence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Metered usage: quantity × price.
    Usage,
    /// Usage that a commitment covers, or a fee that covers nothing: fixed.
    Commitment,
    /// A banded share of AWS charges.
    Support,
    /// A share that a contract takes off.
    Discount,
    /// A share of all charges.
    Tax,
}

impl Kind {
    fn of(price: &PriceUsed) -> Self {
        if surcharge::is_surcharge(&price.key) {
            if is_support(price) { Self::Support } else { Self::Tax }
        } else if discount::is_discount(&price.key) {
            Self::Discount
        } else if price.steps.iter().any(|step| step.confidence == "commitment") {
            Self::Commitment
        } else {
            Self::Usage
        }
    }

    /// Its name on the sheet.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Commitment => "commitment",
            Self::Support => "support",
            Self::Discount => "discount",
            Self::Tax => "tax",
        }
    }
}

fn is_support(price: &PriceUsed) -> bool {
    price.key.usage_type.starts_with("support_")
}

/// Whether a price is the least fee of a support plan.
pub(super) fn is_minimum(price: &PriceUsed) -> bool {
    price.key.usage_type.starts_with("support_minimum:")
}

/// Rows of a month's lines, first and last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// All of them.
    pub(super) all: (u32, u32),
    /// Usage and commitments.
    pub(super) usage: (u32, u32),
    /// All but tax.
    pub(super) untaxed: (u32, u32),
}

/// How a charge is computed.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// What it is.
    pub(super) kind: Kind,
    /// The price whose steps it climbs.
    pub(super) price: usize,
    /// The price below which it never falls.
    pub(super) minimum: Option<usize>,
    /// Charges that share its free part, itself included; empty without one.
    pub(super) pool: Vec<usize>,
    /// Its share of the free part.
    pub(super) share: f64,
    /// Quantity in each step.
    pub(super) inside: Vec<f64>,
    /// Quantity of all lines.
    pub(super) quantity: f64,
    /// Whether the amount is the plan's, because its formula does not reproduce it.
    pub(super) fixed: bool,
}

/// Places of everything.
pub(super) struct Layout<'a> {
    /// The plan.
    pub(super) plan: &'a Plan,
    /// Entries in the order of their rows, from [`BODY`] on.
    pub(super) order: Vec<usize>,
    /// Rows of each charge's lines, as few ranges.
    pub(super) ranges: Vec<Vec<(u32, u32)>>,
    /// Rows of each month.
    pub(super) blocks: BTreeMap<Month, Block>,
    /// Row of each price's first step.
    pub(super) price_rows: Vec<u32>,
    /// Each charge.
    pub(super) ways: Vec<Way>,
    /// By entry: the formula and amount of what it is a share of.
    pub(super) bases: Vec<Option<(String, f64)>>,
    /// Codes of services that support does not count.
    pub(super) vendors: Vec<String>,
}

impl<'a> Layout<'a> {
    /// Lays a plan out.
    pub(super) fn new(plan: &'a Plan) -> Self {
        let kinds: Vec<Kind> = plan.prices.iter().map(Kind::of).collect();
        let order = order(plan, &kinds);
        let mut row = BODY;
        let price_rows = plan.prices.iter().map(|price| {
            let own = row;
            row += price.steps.len().max(1) as u32;
            own
        });
        let mut layout = Self {
            plan,
            ranges: ranges(plan, &order),
            blocks: blocks(plan, &kinds, &order),
            price_rows: price_rows.collect(),
            ways: Vec::new(),
            bases: Vec::new(),
            vendors: Vec::new(),
            order,
        };
        bases::find(&mut layout, &kinds);
        layout.ways = ways(&layout, &kinds);
        layout
    }

    /// Row of a charge on its sheet.
    pub(super) fn charge_row(index: usize) -> u32 {
        BODY + index as u32
    }

    /// Row of a line on its sheet, by its entry.
    pub(super) fn line_rows(&self) -> Vec<u32> {
        let mut rows = vec![0; self.order.len()];
        for (row, entry) in self.order.iter().enumerate() {
            rows[*entry] = BODY + row as u32;
        }
        rows
    }

    /// What the line in a row is a share of.
    pub(super) fn base_at(&self, row: u32) -> Option<&(String, f64)> {
        self.bases[self.order[(row - BODY) as usize]].as_ref()
    }

    /// Most steps of a price that a charge climbs.
    pub(super) fn most_steps(&self) -> usize {
        self.ways.iter().map(|way| way.inside.len()).max().unwrap_or(1)
    }
}

fn order(plan: &Plan, kinds: &[Kind]) -> Vec<usize> {
    let key = |index: &usize| {
        let entry = &plan.entries[*index];
        let price = plan.charges[entry.charge].price;
        let kind = kinds[price].max(Kind::Commitment);
        let service = &plan.prices[price].cost_explorer_service;
        (entry.month, kind, &entry.account, service, entry.charge, *index)
    };
    let mut order: Vec<usize> = (0..plan.entries.len()).collect();
    order.sort_by_cached_key(|index| {
        let (month, kind, account, service, charge, index) = key(index);
        (month, kind, account.clone(), service.clone(), charge, index)
    });
    order
}

fn ranges(plan: &Plan, order: &[usize]) -> Vec<Vec<(u32, u32)>> {
    let mut ranges: Vec<Vec<(u32, u32)>> = vec![Vec::new(); plan.charges.len()];
    for (row, entry) in (BODY..).zip(order) {
        let own = &mut ranges[plan.entries[*entry].charge];
        match own.last_mut().filter(|range| range.1 + 1 == row) {
            Some(range) => range.1 = row,
            None => own.push((row, row)),
        }
    }
    ranges
}

fn blocks(plan: &Plan, kinds: &[Kind], order: &[usize]) -> BTreeMap<Month, Block> {
    let mut blocks: BTreeMap<Month, Block> = BTreeMap::new();
    for (row, entry) in (BODY..).zip(order) {
        let entry = &plan.entries[*entry];
        let kind = kinds[plan.charges[entry.charge].price];
        let start = Block { all: (row, row), usage: (row, row), untaxed: (row, row) };
        let block = blocks.entry(entry.month).or_insert(start);
        block.all.1 = row;
        if kind <= Kind::Commitment {
            block.usage.1 = row;
        }
        if kind < Kind::Tax {
            block.untaxed.1 = row;
        }
    }
    blocks
}

fn ways(layout: &Layout<'_>, kinds: &[Kind]) -> Vec<Way> {
    let plan = layout.plan;
    let mut pools: BTreeMap<(Month, &str, &str), Vec<usize>> = BTreeMap::new();
    for (index, charge) in plan.charges.iter().enumerate() {
        if let Some(pool) = pool_of(&plan.prices[charge.price]) {
            pools.entry((charge.month, &charge.scope, pool)).or_default().push(index);
        }
    }
    let way = |(index, charge): (usize, &Charge)| {
        let pool = pool_of(&plan.prices[charge.price])
            .and_then(|pool| pools.get(&(charge.month, &*charge.scope, pool)));
        way(layout, (index, charge), kinds[charge.price], pool.cloned().unwrap_or_default())
    };
    plan.charges.iter().enumerate().map(way).collect()
}

fn pool_of(price: &PriceUsed) -> Option<&str> {
    price.steps.iter().find(|step| !step.pool.is_empty()).map(|step| &*step.pool)
}

fn way(
    layout: &Layout<'_>,
    (index, charge): (usize, &Charge),
    kind: Kind,
    pool: Vec<usize>,
) -> Way {
    let plan = layout.plan;
    let (price, minimum) = match kind {
        Kind::Support => bases::support_prices(layout, index),
        _ => (charge.price, None),
    };
    let own = &plan.prices[price];
    // The least fee stands for one unit; computed from its bands it stands for the charges below them.
    let quantity = if price == charge.price {
        number(charge.quantity)
    } else {
        layout.ranges[index]
            .iter()
            .flat_map(|(first, last)| *first..=*last)
            .filter_map(|row| layout.base_at(row))
            .map(|(_, base)| base)
            .sum()
    };
    let share = free_share(plan, own, quantity, &pool);
    let inside = inside(own, quantity, share);
    let mut cost: f64 =
        inside.iter().zip(&own.steps).map(|(q, step)| q * step.price.to_f64()).sum();
    if let Some(minimum) = minimum {
        cost = cost.max(plan.prices[minimum].steps.first().map_or(0.0, |s| s.price.to_f64()));
    }
    if kind == Kind::Discount {
        cost = -cost;
    }
    let fixed = (cost - charge.cost.to_f64()).abs() > ROUNDING;
    Way { kind, price, minimum, pool, share, inside, quantity, fixed }
}

/// The part of a pooled step that is a charge's own.
fn free_share(plan: &Plan, price: &PriceUsed, quantity: f64, pool: &[usize]) -> f64 {
    let Some(step) = price.steps.iter().find(|step| !step.pool.is_empty()) else { return 0.0 };
    let size = step.to.map_or(f64::MAX, number) - number(step.from);
    let total: f64 = pool.iter().map(|charge| number(plan.charges[*charge].quantity)).sum();
    if total > size { size * (quantity / total) } else { size }
}

/// A quantity by step, as `rate` splits it.
fn inside(price: &PriceUsed, quantity: f64, share: f64) -> Vec<f64> {
    let mut shift = 0.0;
    let steps = price.steps.iter().map(|step| {
        let from = number(step.from) + shift;
        let mut to = step.to.map_or(f64::MAX, |to| number(to) + shift);
        if step.to.is_some() && !step.pool.is_empty() {
            shift += from + share - to;
            to = from + share;
        }
        (quantity.min(to) - from).max(0.0)
    });
    steps.collect()
}

/// A decimal as a spreadsheet holds it.
pub(super) fn number(value: Decimal) -> f64 {
    value.to_f64().unwrap_or(0.0)
}
