//! Usage to cost: rating, discounts, commitments, and the ledger.

pub mod coverage;
pub mod inventory;
pub mod ledger;
pub mod rate;
