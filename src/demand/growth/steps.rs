//! A number of users from a month on, until the next step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::calendar::Month;

/// One step.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// First month of the step.
    pub from: Month,
    /// Users in it.
    #[schemars(range(min = 0, max = 1e10))]
    pub users: f64,
}

/// Settings.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The steps, earliest first.
    pub steps: Vec<Step>,
}

/// The steps on the plan's time axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Months since the start, and users from then on.
    pub steps: Vec<(f64, f64)>,
}

impl Steps {
    pub(super) fn bind(&self, first: Month) -> Result<Law, String> {
        if self.steps.is_empty() {
            return Err("steps: give at least one { from, users }".into());
        }
        if let Some(pair) = self.steps.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            return Err(format!("steps: {} must come after {}", pair[1].from, pair[0].from));
        }
        if self.steps[0].from > first {
            let from = self.steps[0].from;
            return Err(format!("steps: the first step ({from}) begins after {first}; add one"));
        }
        let steps = self.steps.iter().map(|s| (f64::from(s.from.since(first)), s.users)).collect();
        Ok(Law { steps })
    }
}

impl Law {
    /// Users in the month that `t` falls in: a month's traffic spreads half a month around it.
    pub fn at(&self, t: f64) -> f64 {
        let month = (t + 0.5).floor();
        let step = self.steps.iter().rev().find(|(from, _)| *from <= month);
        step.or(self.steps.first()).map_or(0.0, |(_, users)| *users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_holds_until_the_next() {
        let law = Law { steps: vec![(0.0, 10.0), (3.0, 30.0)] };
        assert_eq!(
            [law.at(0.0), law.at(2.4), law.at(2.6), law.at(9.0)].map(|u| u as u32),
            [10, 10, 30, 30]
        );
    }

    #[test]
    fn steps_out_of_order_or_too_late_are_refused() {
        let first: Month = "2027-01".parse().unwrap();
        let at = |text: &str| Step { from: text.parse().unwrap(), users: 1.0 };
        assert!(Steps { steps: vec![] }.bind(first).is_err());
        assert!(Steps { steps: vec![at("2027-02")] }.bind(first).is_err());
        assert!(Steps { steps: vec![at("2027-01"), at("2026-12")] }.bind(first).is_err());
    }
}
