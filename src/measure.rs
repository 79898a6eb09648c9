//! What numbers are: money and other units, months, draws, ranges, series.

pub mod calendar;
pub mod random;
pub mod range;
pub mod series;
pub mod units;
