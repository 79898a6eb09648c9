//! One month of the mid case with another number of users: what it costs, and which limits it meets.
//!
//! # Limits
//! The cluster begins the month at the size that its first minute asks for, as in [`super::window`].

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::{Late, Luck, Metering, Prepared, Strain, View};
use crate::{
    cluster::autoscale::tally::Refusal,
    error::Error,
    facts::prices::BillKey,
    measure::units::{UnitPrice, Usd},
    usage::services::Choice,
};

/// A choice of a service of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The account.
    pub account: String,
    /// The choice.
    pub choice: Choice,
}

/// The autoscaler of a workload of an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// The account.
    pub account: String,
    /// The workload.
    pub workload: String,
    /// Its maximum of replicas.
    pub max_replicas: u32,
    /// Whether it had that many.
    pub reached: bool,
}

/// A meter whose lines share the steps of a price.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stepped {
    /// The account, or all accounts.
    pub scope: String,
    /// The meter.
    pub key: BillKey,
}

/// The last step of a price that a month's usage reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Reached {
    /// First unit of the step.
    pub from: Decimal,
    /// Price of a unit, in USD.
    pub price: UnitPrice,
    /// The unit.
    pub unit: String,
}

/// A month with some number of users.
#[derive(Debug, Clone, PartialEq)]
pub struct AtUsers {
    /// Monthly users.
    pub users: f64,
    /// Cost of all accounts, in USD.
    pub cost: Usd,
    /// Cost by account and service code, in USD.
    pub services: BTreeMap<(String, String), Usd>,
    /// What services chose.
    pub choices: Vec<Chosen>,
    /// Autoscalers.
    pub scaled: Vec<Scaled>,
    /// Accounts in which pods waited because a node pool was at its limit.
    pub full_pools: BTreeSet<String>,
    /// Steps of prices.
    pub steps: BTreeMap<Stepped, Reached>,
}

impl AtUsers {
    /// Returns whether another month meets the same limits and prices.
    pub fn is_as(&self, other: &Self) -> bool {
        let choices = |own: &Chosen, other: &Chosen| {
            own.choice.warning == other.choice.warning
                && (own.choice.choice == other.choice.choice || !own.choice.has_steps())
        };
        self.choices.iter().zip(&other.choices).all(|(own, other)| choices(own, other))
            && self.scaled == other.scaled
            && self.full_pools == other.full_pools
            && self.new_steps(other).next().is_none()
    }

    /// Returns the meters that both have, where another month reached another step.
    pub fn new_steps<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a Stepped, &'a Reached, &'a Reached)> {
        self.steps.iter().filter_map(|(meter, own)| {
            let other = other.steps.get(meter)?;
            (own.from != other.from).then_some((meter, own, other))
        })
    }

    /// Returns the cost of a service of an account, in USD.
    pub fn cost_of(&self, account: &str, service: &str) -> Usd {
        let own = self.services.get(&(account.to_owned(), service.to_owned()));
        own.copied().unwrap_or(Usd::ZERO)
    }
}

impl Prepared<'_> {
    /// Returns the users of a month of the plan in the mid case.
    pub fn users_in(&self, index: u32) -> f64 {
        self.users.at(f64::from(index))
    }

    /// Runs one month of the mid case with so many users.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn at_users(&self, index: u32, users: f64) -> Result<AtUsers, Error> {
        let mut path = self.users.clone();
        path.drift = vec![(users / path.at(f64::from(index))).ln()];
        let traffic = vec![self.month_traffic(index, &path, 0)?];
        let drawn = self.beside(self.scenario, &path, 1.0);
        let luck = Luck::of_traffic(0, path.clone(), traffic);
        let mut metering = Metering::default();
        let (mut scaled, mut full_pools) = (Vec::new(), BTreeSet::new());
        for (place, account) in self.scenario.accounts.iter().enumerate() {
            let late = Late { p95_ms: None, factor: f64::MAX };
            let view =
                View { account: place, first: index, months: 1, late, strain: Strain::default() };
            for month in drawn.meter((place, account), &view, &luck, &mut metering)? {
                if month.refusals.contains_key(Refusal::PoolLimit.name()) {
                    full_pools.insert(account.name.clone());
                }
                for used in &month.workloads {
                    let hpa = account.stack.workloads.get(&used.name).and_then(|w| w.hpa.as_ref());
                    scaled.extend(hpa.map(|hpa| Scaled {
                        account: account.name.clone(),
                        workload: used.name.clone(),
                        max_replicas: hpa.max_replicas,
                        reached: used.peak_replicas >= hpa.max_replicas,
                    }));
                }
            }
        }
        let names = self.scenario.accounts.iter().map(|account| &account.name);
        let choices = names.zip(&metering.choices).flat_map(|(account, own)| {
            own.iter().map(|choice| Chosen { account: account.clone(), choice: choice.clone() })
        });
        let choices = choices.collect();
        let (rated, _) = drawn.rate(metering.usage, 0)?;
        let mut services: BTreeMap<(String, String), Usd> = BTreeMap::new();
        for entry in &rated.entries {
            let key = (entry.account.clone(), entry.key.service.clone());
            *services.entry(key).or_default() += entry.cost;
        }
        let step = |charge: &crate::money::rate::Charge| {
            let price = &rated.prices[charge.price];
            let last = charge.parts.last()?;
            let meter = Stepped { scope: charge.scope.clone(), key: price.key.clone() };
            let unit = price.unit.clone();
            Some((meter, Reached { from: last.from, price: last.price, unit }))
        };
        Ok(AtUsers {
            users,
            cost: services.values().copied().sum(),
            services,
            choices,
            scaled,
            full_pools,
            steps: rated.charges.iter().filter_map(step).collect(),
        })
    }
}
