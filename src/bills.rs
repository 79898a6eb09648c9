//! Bills: what was really billed, and how it compares with a plan.

pub mod actuals;
pub mod backtest;
pub mod calibrate;
pub mod history;
pub mod reconcile;
