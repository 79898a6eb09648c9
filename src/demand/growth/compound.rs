//! The same percentage added each month.
//!
//! # Formula
//! ```text
//! u(t) = start × (1 + monthly_rate)^t
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_of;

/// Settings: `monthly_rate` or `end`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compound {
    /// Users in the first month.
    #[schemars(range(min = 0, max = 1e10))]
    pub start: Option<f64>,
    /// Growth a month as a fraction: 0.1 is 10 % a month.
    #[schemars(range(min = -0.99, max = 2))]
    pub monthly_rate: Option<f64>,
    /// Users in the last month.
    #[schemars(range(min = 0, max = 1e10))]
    pub end: Option<f64>,
}

/// The curve with all parameters known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Users at the start.
    pub start: f64,
    /// Growth a month as a fraction.
    pub monthly_rate: f64,
}

impl Compound {
    pub(super) fn bind(&self, start: f64, span: f64) -> Result<Law, String> {
        let monthly_rate = one_of(self.monthly_rate, self.end, "monthly_rate", |end| {
            if start > 0.0 && end > 0.0 {
                Ok((end / start).powf(1.0 / span) - 1.0)
            } else {
                Err("end: growth by a percentage needs a start and an end above 0".into())
            }
        })?;
        Ok(Law { start, monthly_rate })
    }
}

impl Law {
    /// Users after `t` months.
    pub fn at(&self, t: f64) -> f64 {
        self.start * (1.0 + self.monthly_rate).powf(t)
    }
}
