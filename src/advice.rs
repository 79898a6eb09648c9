//! Searches over plans: tuning, commitments to buy, and comparisons.

pub mod commit;
pub mod compare;
pub mod tune;
