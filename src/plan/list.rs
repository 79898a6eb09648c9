//! What a priced line costs at list prices: one unit, and all of it.
//!
//! # Formula
//! ```text
//! unit   price of the one step that the month's charge runs through; its cost over its quantity where it
//!        runs through several
//! list   cost of the line                        on demand, spot, support, tax
//!        quantity × on-demand price              covered by a commitment
//!        0                                       unused part of a fee, discounts
//! ```
//! # Limits
//! A covered meter whose on-demand price is nowhere in the plan, since no hour of it was left uncovered, is
//! listed at its share of what the commitment's month would have cost on demand.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::Plan;
use crate::{
    measure::units::{UnitPrice, Usd},
    money::{ledger::Entry, rate::discount},
};

/// What a line is, as bills tell lines apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Usage at its own rate.
    Usage,
    /// Usage that a Savings Plan covers.
    PlanUsage,
    /// Usage that a reservation covers.
    ReservedUsage,
    /// What of a Savings Plan's fee covers nothing.
    PlanFee,
    /// What of a reservation's fee covers nothing.
    ReservedFee,
    /// A discount of the contract.
    Discount,
    /// AWS Support.
    Support,
    /// Tax.
    Tax,
}

impl Nature {
    /// Whether a commitment's fee pays for it.
    pub fn is_committed(self) -> bool {
        self.is_covered() || self.is_unused()
    }

    /// Whether a commitment covers it.
    pub fn is_covered(self) -> bool {
        matches!(self, Self::PlanUsage | Self::ReservedUsage)
    }

    /// Whether it is a fee that covers nothing.
    pub fn is_unused(self) -> bool {
        matches!(self, Self::PlanFee | Self::ReservedFee)
    }
}

/// A line at list prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Price of a unit, in USD; none where there is no unit.
    pub unit: Option<Decimal>,
    /// All of it, in USD.
    pub cost: Usd,
}

/// The list prices of a plan.
#[derive(Debug)]
pub struct ListPrices<'a> {
    plan: &'a Plan,
    /// By service, region and usage type, in USD a unit.
    on_demand: BTreeMap<[&'a str; 3], Decimal>,
}

impl<'a> ListPrices<'a> {
    /// Those of a plan.
    pub fn new(plan: &'a Plan) -> Self {
        let own = plan.prices.iter().filter(|price| {
            price.steps.first().is_some_and(|step| step.confidence != "commitment")
        });
        let on_demand = own
            .map(|price| {
                let key = &price.key;
                ([&*key.service, &*key.region, &*key.usage_type], price.steps[0].price.decimal())
            })
            .collect();
        Self { plan, on_demand }
    }

    /// What a line is.
    pub fn nature(&self, entry: &Entry) -> Nature {
        let key = &entry.key;
        match (&*key.service, &*key.operation) {
            ("Tax", _) => Nature::Tax,
            ("AWSSupport", _) => Nature::Support,
            _ if discount::is_discount(key) => Nature::Discount,
            (_, "SavingsPlanCoveredUsage") => Nature::PlanUsage,
            (_, "DiscountedUsage") => Nature::ReservedUsage,
            ("ComputeSavingsPlans" | "DatabaseSavingsPlans", _) => Nature::PlanFee,
            _ if key.usage_type.starts_with("HeavyUsage:") => Nature::ReservedFee,
            _ => Nature::Usage,
        }
    }

    /// A line at list prices.
    pub fn of(&self, entry: &Entry) -> Listed {
        match self.nature(entry) {
            nature if nature.is_unused() => Listed { unit: Some(Decimal::ZERO), cost: Usd::ZERO },
            nature if nature.is_covered() => self.covered(entry),
            Nature::Discount => Listed { unit: None, cost: Usd::ZERO },
            Nature::Tax => Listed { unit: None, cost: entry.cost },
            _ => Listed { unit: Some(self.unit(entry)), cost: entry.cost },
        }
    }

    fn covered(&self, entry: &Entry) -> Listed {
        let key = &entry.key;
        let quantity = entry.quantity.decimal().unwrap_or_default();
        if let Some(price) = self.on_demand.get(&[&*key.service, &*key.region, &*key.usage_type]) {
            let cost = quantity.checked_mul(*price).map_or(entry.cost, Usd::from_decimal);
            return Listed { unit: Some(*price), cost };
        }
        let own = self.plan.commitments.iter().find(|bought| bought.name == entry.resource);
        let month = own.and_then(|own| own.months.iter().find(|m| m.month == entry.month));
        let cost = month
            .and_then(|month| {
                let times = month.on_demand.decimal().checked_div(month.used.decimal())?;
                entry.cost.decimal().checked_mul(times).map(Usd::from_decimal)
            })
            .unwrap_or(entry.cost);
        let unit = cost.decimal().checked_div(quantity);
        Listed { unit: Some(unit.unwrap_or_default()), cost }
    }

    fn unit(&self, entry: &Entry) -> Decimal {
        let charge = &self.plan.charges[entry.charge];
        let mean = match &*charge.parts {
            [one] => Some(one.price.decimal()),
            _ => charge.cost.decimal().checked_div(charge.quantity),
        };
        let first = || self.plan.prices[charge.price].steps.first().map(|step| step.price);
        mean.or_else(|| first().map(UnitPrice::decimal)).unwrap_or_default()
    }
}
