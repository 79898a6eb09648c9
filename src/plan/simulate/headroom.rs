//! What headroom costs: a plan with capacity buffers compared with the same plan without them.
//!
//! # Formula
//! ```text
//! cost a month = (cost of the account with its buffers − without) / months
//! ```
//! All else is the same: values drawn, traffic, seed, commitments. Each plan has its own draws of start-up times
//! and spot types from where its nodes differ, so a difference of a few cents may be luck.

use super::{Outcome, Prepared};
use crate::{
    error::Error,
    measure::units::{Usd, in_dollars},
};

/// The figures of an account.
struct Total {
    cost: Usd,
    /// Minutes in which a workload was overloaded.
    overloaded: f64,
}

impl Prepared<'_> {
    /// What each account's capacity buffers cost; nothing, and no second plan, where there are none.
    pub(super) fn headroom(&self, outcome: &Outcome) -> Result<Vec<String>, Error> {
        let has_buffers = |place: &usize| !self.policies[*place].buffers.is_empty();
        let places: Vec<usize> = (0..self.policies.len()).filter(has_buffers).collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let mut bare = self.scenario.clone();
        for account in &mut bare.accounts {
            account.stack.cluster.capacity_buffers.clear();
        }
        let mut without = Prepared::new(&bare, self.facts, self.inputs)?;
        without.users = self.users.clone();
        without.spot_level = self.spot_level;
        let other = without.outcome(outcome.trial)?;
        let months = outcome.months.len() as f64;
        let note = |place: usize| {
            let (with, without) = (self.total(outcome, place), self.total(&other, place));
            let account = &self.scenario.accounts[place];
            let names: Vec<&str> =
                account.stack.cluster.capacity_buffers.keys().map(String::as_str).collect();
            let cost = (with.cost - without.cost).to_f64() / months;
            let share = 100.0 * cost * months / with.cost.to_f64().max(f64::MIN_POSITIVE);
            let what =
                format!("{}: headroom (capacity buffers {})", account.name, names.join(", "));
            let price = if cost >= 0.0 {
                format!("costs {} a month, {share:.1} % of the account", in_dollars(cost, 2))
            } else {
                // Buffers only ever add nodes: less is the luck of other draws.
                format!("has no measurable cost: ${:.2} a month less, by chance", -cost)
            };
            format!(
                "{what} {price}; with it {:.1} minutes a month are overloaded, without it {:.1}",
                with.overloaded / months,
                without.overloaded / months,
            )
        };
        Ok(places.into_iter().map(note).collect())
    }

    fn total(&self, outcome: &Outcome, place: usize) -> Total {
        let name = &self.scenario.accounts[place].name;
        let own = outcome.rated.entries.iter().filter(|entry| entry.account == *name);
        let workloads = outcome.simulated[place].iter().flat_map(|month| &month.workloads);
        Total {
            cost: own.map(|entry| entry.cost).sum(),
            overloaded: workloads.map(|workload| workload.overloaded_minutes).sum(),
        }
    }
}
