//! The plan: one document that every report, explanation and comparison reads.
//!
//! # Limits
//! Costs are list prices, on-demand and spot, unless the scenario has commitments or discounts; then they are
//! amortized and net of discounts. Credits are a budget and no cost. Support and tax are there when the
//! scenario asks for them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::capacity::Capacity,
    demand::{growth::fit::Fit, traffic},
    measure::{calendar::Month, units::Usd},
    money::{
        coverage::{CommitmentUse, Coverage},
        ledger::{self, Entry},
        rate::{Charge, PriceUsed},
    },
    plan::{assumptions::Assumption, limits::Limits, spread::Spread},
    usage::services::Choice,
};

pub mod assumptions;
pub mod limits;
pub mod list;
pub(crate) mod notes;
pub mod simulate;
pub mod spread;
pub mod trials;
pub(crate) mod unused;
pub(crate) mod warnings;

/// Number of the document's shape; a change that readers notice raises it.
pub const SCHEMA: u32 = 1;

/// The cost metric of every amount in a plan without commitments and discounts.
pub const COST_METRIC: &str = "list price: on-demand and spot rates before discounts, commitments and credits; other vendors at the plan that their meters name";

/// The cost metric of a plan with commitments or discounts.
pub const NET_COST_METRIC: &str = "amortized, net of the contract's discounts: on-demand and spot rates, commitments with upfront fees spread over their terms; before credits; other vendors at the plan that their meters name";

/// What a plan was made from: the same provenance gives the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of runrate.
    pub version: String,
    /// Digest of the scenario's text and of the series it names.
    pub scenario_sha256: String,
    /// Digest of the price book's manifest.
    pub price_book_sha256: String,
    /// Digest of the models' manifest.
    pub models_sha256: String,
    /// Seed.
    pub seed: u64,
    /// Trial; 0 is the mid case.
    pub trial: u32,
}

/// An account as the plan names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountName {
    /// Its name in the scenario.
    pub name: String,
    /// Twelve digits, where given.
    pub id: Option<String>,
    /// Its region.
    pub region: String,
    /// Share of the users' traffic that reaches it.
    pub traffic_share: f64,
}

/// One account in one month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountMonth {
    /// Its name.
    pub account: String,
    /// Cost, in USD.
    pub cost: Usd,
    /// Cost by Cost Explorer service, in USD.
    pub services: BTreeMap<String, Usd>,
    /// What the cluster used.
    pub capacity: Capacity,
    /// What services chose.
    pub choices: Vec<Choice>,
}

/// One month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonthPlan {
    /// The month.
    pub month: Month,
    /// Monthly users.
    pub users: f64,
    /// Traffic before accounts take their share.
    pub traffic: traffic::Summary,
    /// Cost of all accounts, in USD.
    pub cost: Usd,
    /// Accounts in the order of the scenario.
    pub accounts: Vec<AccountMonth>,
}

/// A meter that makes much of the bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Driver {
    /// The account.
    pub account: String,
    /// Cost Explorer service.
    pub service: String,
    /// Kind of usage, `BoxUsage`.
    pub usage: String,
    /// Cost over the plan, in USD.
    pub cost: Usd,
    /// Share of the plan's cost.
    pub share: f64,
    /// Cost in the first month, in USD.
    pub first_month: Usd,
    /// Cost in the last month, in USD.
    pub last_month: Usd,
}

/// A system whose cost is not in the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotModelled {
    /// The system.
    pub system: String,
    /// What it would take.
    pub needs: String,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What the plan is called.
    pub name: String,
    /// What it was made from.
    pub made_from: Provenance,
    /// Always `USD`.
    pub currency: String,
    /// [`COST_METRIC`].
    pub cost_metric: String,
    /// Accounts.
    pub accounts: Vec<AccountName>,
    /// Cost over the whole plan, in USD.
    pub cost: Usd,
    /// Months.
    pub months: Vec<MonthPlan>,
    /// The next limits over users, where they were looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// What the trials cost, where any were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// What commitments did, one a place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commitments: Vec<CommitmentUse>,
    /// How much of what commitments could cover they covered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<Coverage>,
    /// What the scenario says, value by value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<Assumption>,
    /// How well a user history was fitted, where one was.
    pub fit: Option<Fit>,
    /// Meters by what they cost over the plan, most expensive first.
    pub drivers: Vec<Driver>,
    /// What the reader should know before trusting a number.
    pub warnings: Vec<String>,
    /// Notes on what the figures imply: cross-overs, shares.
    pub notes: Vec<String>,
    /// Systems whose cost is not in the plan.
    pub not_modelled: Vec<NotModelled>,
    /// Short names of Cost Explorer services, for narrow tables.
    pub short_names: BTreeMap<String, String>,
    /// Priced lines.
    pub entries: Vec<Entry>,
    /// Monthly charges that the lines are parts of.
    pub charges: Vec<Charge>,
    /// Prices used.
    pub prices: Vec<PriceUsed>,
}

/// The kind of a usage type: what precedes the instance type or size.
pub fn usage_kind(usage_type: &str) -> &str {
    match usage_type.split_once(':') {
        Some((
            kind @ ("BoxUsage" | "SpotUsage" | "InstanceUsage" | "InstanceUsageIOOptimized"),
            _,
        )) => kind,
        _ => usage_type,
    }
}

impl Plan {
    /// Whether every place that one part names in another exists: a plan read from a file may have
    /// been cut or edited.
    ///
    /// # Errors
    /// The first part that points nowhere.
    pub fn check(&self) -> Result<(), String> {
        if let Some(index) = self.charges.iter().position(|c| c.price >= self.prices.len()) {
            return Err(format!("charges[{index}] names a price that is not there"));
        }
        if let Some(index) = self.entries.iter().position(|e| e.charge >= self.charges.len()) {
            return Err(format!("entries[{index}] names a charge that is not there"));
        }
        let accounts = self.accounts.len();
        if let Some(index) = self.months.iter().position(|month| month.accounts.len() != accounts) {
            return Err(format!("months[{index}] has not {accounts} accounts"));
        }
        let mut parts = vec![Usd::ZERO; self.charges.len()];
        for entry in &self.entries {
            parts[entry.charge] += entry.cost;
        }
        for (index, (charge, parts)) in self.charges.iter().zip(parts).enumerate() {
            if charge.cost != parts {
                let cost = charge.cost;
                return Err(format!("charges[{index}] is {cost}, and its lines add up to {parts}"));
            }
        }
        self.adds_up()
    }

    /// Whether lines, services, accounts, months and the whole are sums of each other, to the last digit.
    fn adds_up(&self) -> Result<(), String> {
        let differs = |what: String, stated: Usd, sum: Usd| {
            let message = format!("{what} is {stated}, and its parts add up to {sum}");
            if stated == sum { Ok(()) } else { Err(message) }
        };
        let lines = ledger::sum_by(&self.entries, |entry| (entry.month, entry.account.clone()));
        for (index, month) in self.months.iter().enumerate() {
            for own in &month.accounts {
                let what = || format!("months[{index}]: the cost of {}", own.account);
                differs(what(), own.cost, own.services.values().copied().sum())?;
                let key = (month.month, own.account.clone());
                let of_lines = lines.get(&key).copied().unwrap_or(Usd::ZERO);
                differs(what() + " by its lines", own.cost, of_lines)?;
            }
            let sum = month.accounts.iter().map(|own| own.cost).sum();
            differs(format!("months[{index}].cost"), month.cost, sum)?;
        }
        differs("cost".into(), self.cost, self.months.iter().map(|month| month.cost).sum())
    }

    /// The price an entry was charged at.
    pub fn price_of(&self, entry: &Entry) -> &PriceUsed {
        &self.prices[self.charges[entry.charge].price]
    }

    /// The short name of a Cost Explorer service.
    pub fn short_name<'a>(&'a self, service: &'a str) -> &'a str {
        self.short_names.get(service).map_or(service, String::as_str)
    }

    /// An entry's name, as `explain` takes it: `2027-01/production/AmazonEC2/BoxUsage:m7g.large/…`.
    pub fn entry_name(entry: &Entry) -> String {
        let key = &entry.key;
        format!(
            "{}/{}/{}/{}/{}/{}",
            entry.month, entry.account, key.region, key.service, key.usage_type, entry.resource
        )
    }

    /// Cost Explorer services by cost over the plan, most expensive first.
    pub fn services(&self) -> Vec<(String, Usd)> {
        let sums = ledger::sum_by(&self.entries, |entry| {
            self.price_of(entry).cost_explorer_service.clone()
        });
        let mut services: Vec<(String, Usd)> = sums.into_iter().collect();
        services.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        services
    }
}

/// The meters of all entries by cost, most expensive first.
pub fn drivers(entries: &[Entry], service_of: impl Fn(&Entry) -> String) -> Vec<Driver> {
    let total = ledger::total(entries);
    let (Some(first), Some(last)) =
        (entries.iter().map(|e| e.month).min(), entries.iter().map(|e| e.month).max())
    else {
        return Vec::new();
    };
    let mut sums: BTreeMap<(String, String, String), [Usd; 3]> = BTreeMap::new();
    for entry in entries {
        let usage = usage_kind(&entry.key.usage_type).to_owned();
        let sum = sums.entry((entry.account.clone(), service_of(entry), usage)).or_default();
        sum[0] += entry.cost;
        for (month, slot) in [(first, 1), (last, 2)] {
            if entry.month == month {
                sum[slot] += entry.cost;
            }
        }
    }
    let mut drivers: Vec<Driver> = sums
        .into_iter()
        .map(|((account, service, usage), [cost, first_month, last_month])| Driver {
            account,
            service,
            usage,
            cost,
            share: if total == Usd::ZERO { 0.0 } else { cost.to_f64() / total.to_f64() },
            first_month,
            last_month,
        })
        .collect();
    drivers.sort_by_key(|driver| std::cmp::Reverse(driver.cost));
    drivers
}

#[cfg(test)]
mod tests {
    use super::usage_kind;

    #[test]
    fn instance_types_are_not_part_of_the_kind() {
        assert_eq!(usage_kind("BoxUsage:m7g.large"), "BoxUsage");
        assert_eq!(usage_kind("EBS:VolumeUsage.gp3"), "EBS:VolumeUsage.gp3");
        assert_eq!(usage_kind("NatGateway-Bytes"), "NatGateway-Bytes");
    }
}
