//! Growth towards a capacity, symmetric around its middle.
//!
//! # Formula
//! ```text
//! u(t) = K / (1 + (K / start − 1) × e^(−rate × t))        K = capacity
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_of;

/// Settings: `rate` or `end`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    /// Users in the first month.
    #[schemars(range(min = 0, max = 1e10))]
    pub start: Option<f64>,
    /// Users it levels off at.
    #[schemars(range(min = 1, max = 1e10))]
    pub capacity: f64,
    /// Early continuous growth [per month]: 0.3 is about 35 %.
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
    /// Early growth a month.
    pub rate: f64,
}

impl Logistic {
    pub(super) fn bind(&self, start: f64, span: f64) -> Result<Law, String> {
        let capacity = self.capacity;
        if start <= 0.0 || start >= capacity {
            return Err(format!("start: {start} must lie between 0 and the capacity ({capacity})"));
        }
        let rate = one_of(self.rate, self.end, "rate", |end| {
            if end < start || end >= capacity {
                return Err(format!("end: {end} must lie between start and capacity ({capacity})"));
            }
            Ok(((capacity / start - 1.0) / (capacity / end - 1.0)).ln() / span)
        })?;
        Ok(Law { start, capacity, rate })
    }
}

impl Law {
    /// Users after `t` months.
    pub fn at(&self, t: f64) -> f64 {
        self.capacity / (1.0 + (self.capacity / self.start - 1.0) * (-self.rate * t).exp())
    }
}
