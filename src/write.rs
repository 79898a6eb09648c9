//! Writers: a page, a plan or a trace in every format. Nothing here computes money or quantities: what is shown is in
//! the plan.

pub(crate) mod actuals;
pub(crate) mod backtest;
pub(crate) mod calibrate;
pub(crate) mod commit;
pub(crate) mod commitments;
pub(crate) mod compare;
pub mod csv;
pub(crate) mod explain;
pub mod focus;
pub mod format;
pub(crate) mod history;
pub mod html;
mod jobs;
pub(crate) mod markdown;
pub(crate) mod odds;
#[cfg(feature = "polars")]
pub mod parquet;
#[cfg(feature = "pdf")]
pub mod pdf;
pub(crate) mod prices;
pub(crate) mod rated;
pub(crate) mod reconcile;
pub mod terminal;
pub mod trace;
pub mod tune;
pub mod xlsx;
