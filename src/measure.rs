//! What numbers are: money and other units, months, draws, ranges, series.

pub mod calendar;
#[cfg(feature = "polars")]
pub mod parquet;
pub mod random;
pub mod range;
pub mod series;
pub mod units;
