//! The `[tune]` table: what may be changed, what must hold, over which months, how hard to look.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::measure::calendar::Month;

/// What must hold; none of the others may become worse than it is today, beyond a tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slo {
    /// Overloaded minutes in a month, summed over workloads: more load arrives than the ready pods of a workload can
    /// serve.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_saturated_minutes_per_month: Option<f64>,
    /// Latency target: response time that 95 % of the requests of each workload stay below \[ms\]. Without it the
    /// target is a multiple of an idle pod's.
    #[schemars(range(min = 0.001, max = 10_000_000))]
    pub max_p95_ms: Option<f64>,
    /// Minutes over the latency target in a month: a workload is overloaded or above `max_p95_ms`; summed over
    /// workloads.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_late_minutes_per_month: Option<f64>,
    /// Minutes in a month that pods wait for a node, summed over pods.
    #[schemars(range(min = 0, max = 1e12))]
    pub max_pending_pod_minutes_per_month: Option<f64>,
    /// Pods evicted from their nodes in a day.
    #[schemars(range(min = 0, max = 1e9))]
    pub max_evictions_per_day: Option<f64>,
    /// Chance that any one of the scenario's budgets breaks by the end of the months looked at.
    #[schemars(range(min = 0, max = 1))]
    pub max_budget_break_probability: Option<f64>,
}

/// A setting that may be changed: `values`, or `from`, `to` and `step`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Knob {
    /// Its key, `workloads.api.hpa.target_cpu_utilization` or `commitments[0].usd_per_hour`.
    pub key: String,
    /// The values it may take, of any kind that the key takes.
    #[serde(default)]
    #[schemars(schema_with = "any_values")]
    pub values: Option<Vec<toml::Value>>,
    /// Least value of a range \[unit of the key\].
    pub from: Option<f64>,
    /// Greatest value of a range \[unit of the key\].
    pub to: Option<f64>,
    /// Step from one value to the next \[unit of the key\]; with `log`, the factor between them.
    pub step: Option<f64>,
    /// Whether `step` is a factor.
    #[serde(default)]
    pub log: bool,
}

/// Most values of a range.
const MOST_VALUES: usize = 200;

impl Knob {
    /// Returns what contradicts itself: what stands below the knob, and the message.
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let range = [self.from, self.to, self.step];
        let mut wrong = Vec::new();
        match &self.values {
            Some(_) if self.log || range.iter().any(Option::is_some) => {
                wrong.push(("", "give values, or from, to and step, not both".to_owned()));
            }
            Some(values) if values.is_empty() => {
                wrong.push((".values", "is empty; give the values it may take".to_owned()));
            }
            Some(_) => {}
            None => wrong.extend(self.check_range()),
        }
        wrong
    }

    fn check_range(&self) -> Option<(&'static str, String)> {
        let (Some(from), Some(to), Some(step)) = (self.from, self.to, self.step) else {
            return Some(("", "give values = [..], or from, to and step".to_owned()));
        };
        let (least, word) = if self.log { (1.0, "a factor above 1") } else { (0.0, "above 0") };
        if from > to {
            return Some((".from", format!("{from} is above to ({to}); give the lower end first")));
        }
        if step <= least {
            return Some((".step", format!("{step} leads nowhere; give {word}")));
        }
        if self.log && from <= 0.0 {
            return Some((".from", format!("{from} times a factor stays 0; give more than 0")));
        }
        let steps = if self.log { (to / from).ln() / step.ln() } else { (to - from) / step };
        (steps >= MOST_VALUES as f64)
            .then(|| (".step", format!("makes more than {MOST_VALUES} values; give a longer step")))
    }

    /// Returns its values, in rising order where they are of a range; whole numbers where all are whole.
    pub fn values(&self) -> Vec<toml::Value> {
        if let Some(values) = &self.values {
            return values.clone();
        }
        let (Some(from), Some(to), Some(step)) = (self.from, self.to, self.step) else {
            return Vec::new();
        };
        let at =
            |n: usize| if self.log { from * step.powi(n as i32) } else { from + step * n as f64 };
        let inside = |value: &f64| *value <= to + 1e-9 * to.abs().max(1.0);
        // Sums of a step such as 0.1 have digits that nobody wrote.
        let clean = |value: f64| (value * 1e9).round() / 1e9;
        let values: Vec<f64> = (0..=MOST_VALUES).map(at).take_while(inside).map(clean).collect();
        let whole = values.iter().all(|value| value.fract() == 0.0 && value.abs() < 1e15);
        let value = |value: f64| {
            if whole { toml::Value::Integer(value as i64) } else { toml::Value::Float(value) }
        };
        values.into_iter().map(value).collect()
    }
}

fn any_values(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "array", "minItems": 1, "maxItems": 200 })
}

/// The `[tune]` table.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Account whose settings are changed; by default the first with all of the users' traffic.
    pub account: Option<String>,
    /// First month looked at.
    pub from: Option<Month>,
    /// Months evaluated; by default the last of the plan.
    #[schemars(range(min = 1, max = 120))]
    pub months: Option<u32>,
    /// Trials of a candidate that gets to the end.
    #[schemars(range(min = 2, max = 1000))]
    pub trials: Option<u32>,
    /// Evaluations of the search: candidates times trials, each over all months.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub evaluations: Option<u32>,
    /// What must hold.
    #[serde(default)]
    pub slo: Slo,
    /// Settings to vary; by default a list of the model for what the account has.
    #[serde(default)]
    pub knobs: Vec<Knob>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knob(text: &str) -> Knob {
        toml::from_str(&format!("key = 'x'\n{text}")).unwrap()
    }

    #[test]
    fn ranges_become_values() {
        let whole = |text: &str| {
            let values = knob(text).values();
            values.iter().map(|value| value.as_integer().unwrap()).collect::<Vec<i64>>()
        };
        assert_eq!(whole("from = 50\nto = 80\nstep = 10"), [50, 60, 70, 80]);
        assert_eq!(whole("from = 1\nto = 20\nstep = 2\nlog = true"), [1, 2, 4, 8, 16]);
        let shares = knob("from = 0\nto = 0.3\nstep = 0.1").values();
        let expected: Vec<toml::Value> = [0.0, 0.1, 0.2, 0.3].map(toml::Value::Float).to_vec();
        assert_eq!(shares, expected);
    }

    #[test]
    fn ranges_that_lead_nowhere_are_named() {
        for (text, place) in [
            ("from = 5\nto = 1\nstep = 1", ".from"),
            ("from = 1\nto = 5\nstep = 0", ".step"),
            ("from = 1\nto = 5\nstep = 1\nlog = true", ".step"),
            ("from = 0\nto = 5\nstep = 2\nlog = true", ".from"),
            ("from = 0\nto = 5000\nstep = 1", ".step"),
            ("from = 0\nto = 5", ""),
            ("values = [1]\nfrom = 2", ""),
            ("values = []", ".values"),
        ] {
            assert_eq!(knob(text).check()[0].0, place, "{text}");
        }
        assert!(knob("values = [1, 2]").check().is_empty());
    }
}
