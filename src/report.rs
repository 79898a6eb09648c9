//! A plan or a trace as text, tables and pictures. Nothing here computes money or quantities: what is shown is
//! in the plan.

pub mod actuals;
pub mod backtest;
pub mod calibrate;
pub mod chart;
pub mod commit;
pub mod commitments;
pub mod compare;
pub mod content;
pub mod csv;
pub mod explain;
pub mod figure;
pub mod focus;
pub mod format;
pub mod history;
pub mod html;
mod jobs;
pub mod markdown;
pub mod number;
pub mod odds;
pub mod page;
#[cfg(feature = "polars")]
pub mod parquet;
#[cfg(feature = "pdf")]
pub mod pdf;
pub mod prices;
pub mod rated;
pub mod reconcile;
pub mod terminal;
pub mod text;
pub mod trace;
pub mod trace_chart;
pub mod tune;
pub mod xlsx;
