//! What the curves towards a capacity share: their settings, and how a rate follows from the users at the end.
//!
//! # Formula
//! ```text
//! distance d(u) to the capacity:  d(u(t)) = d(start) × e^(−rate × t)       d: logistic.rs, gompertz.rs
//! rate = ln(d(start) / d(end)) / months
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_of;

/// Settings: `rate` or `end`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Users in the first month.
    #[schemars(range(min = 0, max = 1e10))]
    pub start: Option<f64>,
    /// Users it levels off at.
    #[schemars(range(min = 1, max = 1e10))]
    pub capacity: f64,
    /// Rate at which the distance to the capacity closes \[per month\]; 0.3 is about 35 % a month while a logistic
    /// curve is far from its capacity.
    #[schemars(range(min = 0, max = 20))]
    pub rate: Option<f64>,
    /// Users in the last month.
    #[schemars(range(min = 0, max = 1e10))]
    pub end: Option<f64>,
}

/// A curve with all parameters known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Users at the start.
    pub start: f64,
    /// Users it levels off at.
    pub capacity: f64,
    /// How fast the distance closes, a month.
    pub rate: f64,
}

/// The distance of some users to a capacity.
pub(super) type Distance = fn(users: f64, capacity: f64) -> f64;

impl Settings {
    pub(super) fn bind(&self, start: f64, span: f64, distance: Distance) -> Result<Law, String> {
        let capacity = self.capacity;
        if start <= 0.0 || start >= capacity {
            return Err(format!("start: {start} must lie between 0 and the capacity ({capacity})"));
        }
        let rate = one_of(self.rate, self.end, "rate", |end| {
            if end < start || end >= capacity {
                return Err(format!("end: {end} must lie between start and capacity ({capacity})"));
            }
            Ok((distance(start, capacity) / distance(end, capacity)).ln() / span)
        })?;
        Ok(Law { start, capacity, rate })
    }
}

impl Law {
    /// The distance to the capacity after `t` months.
    pub(super) fn left(&self, t: f64, distance: Distance) -> f64 {
        distance(self.start, self.capacity) * (-self.rate * t).exp()
    }
}
