//! What commitments did for a plan: utilization, coverage, effective rate, waste, cash.

use serde::{Deserialize, Serialize};

use crate::facts::commitment_rates::{Kind, Payment, Term};
use crate::measure::{calendar::Month, units::Usd};

/// One commitment in one month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitmentMonth {
    /// The month.
    pub month: Month,
    /// Hours of its term in the month.
    pub hours: u32,
    /// Fee, with what was paid upfront spread over the term, in USD.
    pub fee: Usd,
    /// Of the fee, what covered usage, in USD.
    pub used: Usd,
    /// Of the fee, what covered nothing, in USD.
    pub unused: Usd,
    /// What the covered usage would have cost on demand, in USD.
    pub on_demand: Usd,
    /// Paid in the month, upfront payments in full, in USD.
    pub cash: Usd,
    /// Of the cash, the upfront payment; 0 in plans that an earlier version stored, in USD.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub upfront: Usd,
}

fn is_zero(amount: &Usd) -> bool {
    *amount == Usd::ZERO
}

impl CommitmentMonth {
    /// Share of the fee that covered usage; none without a fee.
    pub fn utilization(&self) -> Option<f64> {
        (self.fee > Usd::ZERO).then(|| self.used.to_f64() / self.fee.to_f64())
    }

    /// Saved against on demand, waste taken off; negative when it lost money, in USD.
    pub fn saved(&self) -> Usd {
        self.on_demand - self.fee
    }
}

/// One commitment over the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitmentUse {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// For how long.
    pub term: Term,
    /// How it is paid.
    pub payment: Payment,
    /// The account that bought it.
    pub account: String,
    /// Months of the plan.
    pub months: Vec<CommitmentMonth>,
}

/// How much of what commitments could cover they covered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The month.
    pub month: Month,
    /// The account.
    pub account: String,
    /// `AmazonEC2` or `AmazonRDS`.
    pub service: String,
    /// What could be covered, at on-demand prices, in USD.
    pub eligible: Usd,
    /// What was covered, at on-demand prices, in USD.
    pub covered: Usd,
}
