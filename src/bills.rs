//! What was billed: actuals, and how they compare with a plan.

pub mod actuals;
pub mod backtest;
pub mod calibrate;
pub mod history;
pub mod reconcile;
