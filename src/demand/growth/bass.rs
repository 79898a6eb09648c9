//! Adoption in a market of known size by innovators and imitators.
//!
//! # Formula
//! ```text
//! F(s) = (1 − e^(−(p+q)s)) / (1 + (q/p) e^(−(p+q)s))
//! u(t) = market × F(t + s0),   market × F(s0) = start
//! ```
//! # Source
//! F. Bass, "A new product growth model for consumer durables", Management Science 15 (1969); p and
//! q per month here, a year's figures divided by 12.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bass {
    /// Users in the first month.
    #[schemars(range(min = 0, max = 1e10))]
    pub start: Option<f64>,
    /// Everyone who will ever use it.
    #[schemars(range(min = 1, max = 1e10))]
    pub market: f64,
    /// p: share of the remaining market that adopts without imitation \[per month\].
    #[schemars(range(min = 1e-9, max = 1))]
    pub innovation: f64,
    /// q: rate at which users attract others \[per month\].
    #[schemars(range(min = 0, max = 5))]
    pub imitation: f64,
}

/// The curve with its place on the time axis known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Everyone who will ever use it.
    pub market: f64,
    /// p, a month.
    pub innovation: f64,
    /// q, a month.
    pub imitation: f64,
    /// Months since launch at the start.
    pub age: f64,
}

impl Bass {
    pub(super) fn bind(&self, start: f64) -> Result<Law, String> {
        let (p, q) = (self.innovation, self.imitation);
        let share = start / self.market;
        if !(0.0..1.0).contains(&share) {
            return Err(format!("start: {start} must be below the market ({})", self.market));
        }
        // F(s) = share solved for s.
        let age = -((1.0 - share) / (1.0 + share * q / p)).ln() / (p + q);
        Ok(Law { market: self.market, innovation: p, imitation: q, age })
    }
}

impl Law {
    /// Users after `t` months.
    pub fn at(&self, t: f64) -> f64 {
        let (p, q) = (self.innovation, self.imitation);
        let decay = (-(p + q) * (t + self.age)).exp();
        self.market * (1.0 - decay) / (1.0 + q / p * decay)
    }
}
