//! Budgets, cash and revenue: what a plan's costs are held against.
//!
//! # Formula
//! ```text
//! monthly     exceeded in the first month m with  cost(m) > amount
//! annual      … with  Σ cost of m's calendar year up to m > amount
//! cumulative  … with  Σ cost from `from` up to m > amount                   (credits to burn)
//! cash        … with  amount − Σ (cost + other − revenue) up to m < keep     (cash to keep)
//! ```
//! A budget counts the charges of its account and of its services, or those that AWS makes: support with them,
//! tax and other vendors not.
//!
//! # Limits
//! A month is the smallest step: money that runs out within a month runs out in it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::calendar::Month;

/// Over what a budget runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Each month by itself.
    Monthly,
    /// Each calendar year.
    Annual,
    /// From a month on, without end: credits to burn.
    Cumulative,
    /// Money in the bank, with other costs and revenue: a runway.
    Cash,
}

/// Whose charges a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// Amazon Web Services.
    Aws,
}

/// The services whose charges a budget counts, as Cost Explorer names them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// These alone; all where empty.
    pub only: BTreeSet<String>,
    /// All but these.
    pub without: BTreeSet<String>,
}

impl Scope {
    /// Returns whether the charges of a service count.
    pub fn counts(&self, service: &str) -> bool {
        (self.only.is_empty() || self.only.contains(service)) && !self.without.contains(service)
    }

    /// Returns whether every charge counts.
    pub fn is_all(&self) -> bool {
        self.only.is_empty() && self.without.is_empty()
    }
}

/// One `[[budgets]]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What it is called.
    pub name: String,
    /// How much may be spent, or, of cash, how much there is \[USD\].
    #[schemars(range(min = 0, max = 1e15))]
    pub amount: f64,
    /// Over what: `monthly`, `annual`, `cumulative` or `cash`.
    pub period: Period,
    /// Account of the budget; by default all.
    pub account: Option<String>,
    /// Services whose charges count, as reports name them: `EC2`, `Amazon Relational Database Service`; default: all
    /// of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Whose charges count: `aws` leaves out other vendors and tax, as AWS credits do; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Vendor>,
    /// First month that counts; by default the first of the plan.
    pub from: Option<Month>,
    /// Other net spending of the company, of cash only \[USD a month\].
    #[serde(default)]
    #[schemars(range(min = -1e12, max = 1e12))]
    pub other_costs_per_month: f64,
    /// Cash that must be left, of cash only \[USD\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e15))]
    pub keep: f64,
}

/// The `[revenue]` table.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revenue {
    /// What a monthly user brings in a month \[USD\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub per_user_month: f64,
}

impl Budget {
    /// Returns what it counts, in words; none where it counts everything.
    pub fn scope_name(&self) -> Option<String> {
        match self.vendor {
            Some(Vendor::Aws) => Some("AWS".into()),
            None => (!self.services.is_empty()).then(|| self.services.join(", ")),
        }
    }

    /// Returns the index in `months` of the month in which the budget is exceeded.
    pub fn first_exceeded(
        &self,
        months: &[Month],
        costs: &[f64],
        revenue: &[f64],
    ) -> Option<usize> {
        let mut sum = 0.0;
        let mut year = None;
        for (place, month) in months.iter().enumerate() {
            if self.from.is_some_and(|from| *month < from) {
                continue;
            }
            let own_year = month.first_day().year();
            let anew = match self.period {
                Period::Monthly => true,
                Period::Annual => year != Some(own_year),
                Period::Cumulative | Period::Cash => false,
            };
            if anew {
                sum = 0.0;
            }
            year = Some(own_year);
            sum += costs[place];
            let exceeded = if self.period == Period::Cash {
                sum += self.other_costs_per_month - revenue.get(place).copied().unwrap_or(0.0);
                self.amount - sum < self.keep
            } else {
                sum > self.amount
            };
            if exceeded {
                return Some(place);
            }
        }
        None
    }

    /// Returns what contradicts itself: key and message.
    pub fn check(&self, accounts: &[&str]) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Some(account) = &self.account
            && !accounts.contains(&&**account)
        {
            let message = format!("no account {account:?}; there are {}", accounts.join(", "));
            wrong.push(("account", message));
        }
        if self.vendor.is_some() && !self.services.is_empty() {
            wrong.push((
                "vendor",
                "services already says what counts; remove one of them".to_owned(),
            ));
        }
        if self.period == Period::Cash {
            for (key, set) in
                [("services", !self.services.is_empty()), ("vendor", self.vendor.is_some())]
            {
                if set {
                    wrong.push((key, "cash pays for everything; remove it".to_owned()));
                }
            }
            if self.account.is_some() {
                let message = "cash pays for all accounts; remove it".to_owned();
                wrong.push(("account", message));
            }
            return wrong;
        }
        for (key, set) in [
            ("other_costs_per_month", self.other_costs_per_month != 0.0),
            ("keep", self.keep != 0.0),
        ] {
            if set {
                wrong.push((key, "belongs to period = \"cash\"; remove it".to_owned()));
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(count: u32) -> Vec<Month> {
        let first: Month = "2027-11".parse().unwrap();
        (0..count).map(|index| first.plus(index)).collect()
    }

    fn exceeded(text: &str, costs: &[f64], revenue: &[f64]) -> Option<usize> {
        let budget: Budget = toml::from_str(&format!("name = 'x'\n{text}")).unwrap();
        budget.first_exceeded(&months(costs.len() as u32), costs, revenue)
    }

    /// November and December 2027, then 2028: the sum of a year starts again in January.
    #[test]
    fn each_period_sums_what_it_says() {
        let costs = [40.0, 70.0, 50.0, 90.0];
        for (text, expected) in [
            ("amount = 80\nperiod = 'monthly'", Some(3)),
            ("amount = 90\nperiod = 'monthly'", None),
            ("amount = 100\nperiod = 'annual'", Some(1)),
            ("amount = 120\nperiod = 'annual'", Some(3)),
            ("amount = 159\nperiod = 'cumulative'", Some(2)),
            ("amount = 159\nperiod = 'cumulative'\nfrom = '2028-01'", None),
        ] {
            assert_eq!(exceeded(text, &costs, &[]), expected, "{text}");
        }
    }

    /// 1,000 in the bank: 100 of AWS, 200 of others, 50 earned: 250 go a month, and 300 are to stay.
    #[test]
    fn cash_runs_out() {
        let text = "amount = 1000\nperiod = 'cash'\nother_costs_per_month = 200\nkeep = 300";
        assert_eq!(exceeded(text, &[100.0; 6], &[50.0; 6]), Some(2));
        assert_eq!(exceeded(text, &[100.0; 6], &[300.0; 6]), None);
    }
}
