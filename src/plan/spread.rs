//! The plan as a distribution: what its trials came to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    intent::budget::Period,
    measure::{calendar::Month, units::Usd},
};

/// Quantiles of the trials, and the mid case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles<T> {
    /// One trial in ten is below.
    pub p10: T,
    /// Half are below.
    pub p50: T,
    /// One in ten is above.
    pub p90: T,
    /// Mean.
    pub mean: T,
    /// The mid case.
    pub mid: T,
}

/// Costs as quantiles, with how well they are known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The quantiles, in USD.
    #[serde(flatten)]
    pub of: Quantiles<Usd>,
    /// Standard errors of p10, p50, p90 and the mean, in USD.
    pub standard_errors: [Usd; 4],
}

/// One account in one month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountSpread {
    /// Its name.
    pub account: String,
    /// Its cost.
    pub cost: Costs,
    /// Its cost by Cost Explorer service, in USD.
    pub services: BTreeMap<String, Quantiles<Usd>>,
}

/// One month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonthSpread {
    /// The month.
    pub month: Month,
    /// Monthly users.
    pub users: Quantiles<f64>,
    /// Cost of all accounts.
    pub cost: Costs,
    /// Accounts in the order of the scenario.
    pub accounts: Vec<AccountSpread>,
}

/// Mean cost at one end of an input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Mean of the input in its lowest or highest fifth.
    pub value: f64,
    /// Mean cost of the plan there, in USD.
    pub cost: Usd,
}

/// What an input does to the spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Influence {
    /// Key of the range, or what else was drawn.
    pub input: String,
    /// Share of the variance of the plan's cost that goes with it alone (first-order Sobol index).
    pub share: f64,
    /// Where it is low.
    pub low: End,
    /// Where it is high.
    pub high: End,
}

/// The one input whose good end saves most of the risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The input.
    pub input: String,
    /// `low` or `high`: which fifth of it.
    pub end: String,
    /// Where that fifth begins or ends.
    pub bound: f64,
    /// Chance of breaking within that fifth.
    pub probability: f64,
    /// Trials in it.
    #[serde(default)]
    pub trials: u32,
}

impl Change {
    /// Standard error of the chance.
    pub fn standard_error(&self) -> f64 {
        (self.probability * (1.0 - self.probability) / f64::from(self.trials.max(1))).sqrt()
    }
}

/// The chance of breaking a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// Its name.
    pub name: String,
    /// Over what.
    pub period: Period,
    /// The account; all if none.
    pub account: Option<String>,
    /// The services that count, or `AWS`; all charges if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Its amount, in USD.
    pub amount: f64,
    /// The month in which the mid case exceeds it.
    #[serde(alias = "mid_breaks")]
    pub mid_case_exceeds_in: Option<Month>,
    /// Chance that it is exceeded within the plan.
    pub probability: f64,
    /// Standard error of that chance.
    pub standard_error: f64,
    /// Chance that it has been exceeded by the end of each month.
    pub by_month: Vec<(Month, f64)>,
    /// Of the trials that exceed it: the month by which a tenth, half and nine tenths have.
    #[serde(alias = "breaks")]
    pub exceeded_by: Option<[Month; 3]>,
    /// The single change that moves the chance most.
    pub change: Option<Change>,
}

impl Outlook {
    /// What it counts, in words: `production, AWS only`.
    pub fn counts(&self) -> String {
        let account = self.account.as_deref().unwrap_or("all accounts");
        match &self.scope {
            Some(scope) => format!("{account}, {scope} only"),
            None => account.to_owned(),
        }
    }

    /// Whether it counts every charge.
    pub fn counts_all(&self) -> bool {
        self.account.is_none() && self.scope.is_none()
    }
}

/// What a user and a request cost in a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// The month.
    pub month: Month,
    /// Cost of a monthly user, in USD.
    pub per_user: Quantiles<f64>,
    /// Cost of a million requests, in USD.
    pub per_million_requests: Quantiles<f64>,
    /// Cost of one more user, in the mid case, in USD; none where there are none.
    pub marginal_per_user: Option<f64>,
    /// Share of revenue that is left; none without revenue.
    pub gross_margin: Option<Quantiles<f64>>,
}

/// What the trials came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Requested trials.
    #[serde(alias = "asked")]
    pub requested: u32,
    /// Trials that are in the figures.
    pub trials: u32,
    /// Why there are fewer than requested, or what else a reader must know.
    pub note: Option<String>,
    /// Cost of the whole plan.
    pub total: Costs,
    /// Months.
    pub months: Vec<MonthSpread>,
    /// What drives the spread, most first.
    pub influences: Vec<Influence>,
    /// Share of the variance that goes with none of them alone: luck and what they do together.
    #[serde(alias = "rest")]
    pub unexplained: f64,
    /// Budgets.
    pub budgets: Vec<Outlook>,
    /// Unit economics.
    pub units: Vec<Unit>,
}
