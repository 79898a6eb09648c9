//! Writers: a page, a plan or a trace in every format. Nothing here computes money or quantities: what is shown is in
//! the plan.

pub mod csv;
pub mod focus;
pub mod format;
pub mod html;
pub mod markdown;
#[cfg(feature = "polars")]
pub mod parquet;
#[cfg(feature = "pdf")]
pub mod pdf;
mod pieces;
pub mod terminal;
pub mod trace;
pub mod xlsx;
