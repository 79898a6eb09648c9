//! Growth towards a capacity: early rise, long tail.
//!
//! # Formula
//! ```text
//! u(t) = K × e^(ln(start / K) × e^(−rate × t))        K = capacity
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_of;

/// Settings: `rate` or `end`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gompertz {
    /// Users in the first month.
    #[schemars(range(min = 0, max = 1e10))]
    pub start: Option<f64>,
    /// Users it levels off at.
    #[schemars(range(min = 1, max = 1e10))]
    pub capacity: f64,
    /// Rate at which the distance to the capacity closes \[per month\].
    #[schemars(range(min = 0, max = 20))]
    pub rate: Option<f64>,
    /// Users in the last month.
    #[schemars(range(min = 0, max = 1e10))]
    pub end: Option<f64>,
}

/// The curve with all parameters known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Users at the start.
    pub start: f64,
    /// Users it levels off at.
    pub capacity: f64,
    /// How fast the distance closes, a month.
    pub rate: f64,
}

impl Gompertz {
    pub(super) fn bind(&self, start: f64, span: f64) -> Result<Law, String> {
        let capacity = self.capacity;
        if start <= 0.0 || start >= capacity {
            return Err(format!("start: {start} must lie between 0 and the capacity ({capacity})"));
        }
        let rate = one_of(self.rate, self.end, "rate", |end| {
            if end < start || end >= capacity {
                return Err(format!("end: {end} must lie between start and capacity ({capacity})"));
            }
            Ok(((start / capacity).ln() / (end / capacity).ln()).ln() / span)
        })?;
        Ok(Law { start, capacity, rate })
    }
}

impl Law {
    /// Users after `t` months.
    pub fn at(&self, t: f64) -> f64 {
        self.capacity * ((self.start / self.capacity).ln() * (-self.rate * t).exp()).exp()
    }
}
