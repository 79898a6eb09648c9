//! Results of a candidate's trials: cost and risk by month, and whether the limits hold.
//!
//! # Formula
//! ```text
//! cost a month   = Σ trials cost / (trials × months)                    standard error s / √trials
//! risk           = late minutes a month, summed over workloads           late: saturated, or p95 above its bound
//! difference     = mean over trials of candidate(n) − today(n)           standard error of the differences
//! ```
//! Trial n draws the same values for all candidates, so differences are known far better than costs.

use serde::{Deserialize, Serialize};

use crate::{intent::scenario::tuning::Slo, plan::simulate::Judged};

/// A mean with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl Estimate {
    /// Returns the mean of values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let standard_error = (squares / (n - 1.0).max(1.0) / n).sqrt();
        Self { mean, standard_error }
    }
}

/// Length of the search's months.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    /// Months.
    pub months: f64,
    /// Days.
    pub days: f64,
}

/// What a candidate comes to.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Measures {
    /// Cost of all accounts, in USD a month.
    pub cost_per_month: f64,
    /// Its standard error over trials, in USD a month.
    pub cost_standard_error: f64,
    /// The risk: minutes in which requests were late, summed over workloads (a month).
    pub late_minutes_per_month: f64,
    /// Of these, overloaded minutes: more load than the ready pods can serve (a month).
    pub saturated_minutes_per_month: f64,
    /// Minutes that pods waited for a node, summed over pods (a month).
    pub pending_pod_minutes_per_month: f64,
    /// Pods evicted (a day).
    pub evictions_per_day: f64,
    /// Requests that nothing served (a month).
    pub unserved_requests_per_month: f64,
    /// Probability that any budget is exceeded by the end.
    pub budget_break_probability: f64,
    /// Mean number of nodes.
    pub nodes: f64,
}

impl Measures {
    /// Returns cost and risk of trials.
    pub fn of(trials: &[Judged], length: Length) -> Self {
        let n = trials.len().max(1) as f64;
        let costs: Vec<f64> = trials.iter().map(|own| own.cost / length.months).collect();
        let cost = Estimate::of(&costs);
        let mean = |of: fn(&Judged) -> f64| trials.iter().map(of).sum::<f64>() / n;
        let broke = trials.iter().filter(|own| own.broke.contains(&true)).count() as f64 / n;
        Self {
            cost_per_month: cost.mean,
            cost_standard_error: cost.standard_error,
            late_minutes_per_month: mean(|own| own.late_minutes) / length.months,
            saturated_minutes_per_month: mean(|own| own.saturated_minutes) / length.months,
            pending_pod_minutes_per_month: mean(|own| own.pending_pod_minutes) / length.months,
            evictions_per_day: mean(|own| own.evictions) / length.days,
            unserved_requests_per_month: mean(|own| own.unserved_requests) / length.months,
            budget_break_probability: broke,
            nodes: mean(|own| own.nodes),
        }
    }

    /// Returns the terms of risk, in the order of [`TERMS`].
    pub fn terms(&self) -> [f64; 5] {
        [
            self.late_minutes_per_month,
            self.saturated_minutes_per_month,
            self.pending_pod_minutes_per_month,
            self.evictions_per_day,
            self.budget_break_probability,
        ]
    }
}

/// Names of the terms of risk.
pub const TERMS: [&str; 5] = [
    "late minutes a month",
    "overloaded minutes a month",
    "pending pod minutes a month",
    "evictions a day",
    "probability of exceeding a budget",
];

/// Maximum of a term of risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The term of risk.
    pub term: String,
    /// Its maximum.
    pub most: f64,
    /// Whether the scenario sets it; otherwise it is today's value.
    pub asked: bool,
}

/// Limits of all terms; none for a term without limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Limits that the scenario sets.
    pub asked: [Option<f64>; 5],
    /// Results of today's settings: they are limits where the scenario sets none, if today meets its limits.
    pub today: [f64; 5],
}

/// Differences that are only rounding.
const ROUNDING: f64 = 1e-9;

impl Limits {
    /// Returns the limits that the scenario sets; with a limit on p95, late minutes have one by default.
    pub fn asked(slo: &Slo, late_minutes: f64) -> [Option<f64>; 5] {
        let late = slo.max_late_minutes_per_month.or(slo.max_p95_ms.map(|_| late_minutes));
        [
            late,
            slo.max_saturated_minutes_per_month,
            slo.max_pending_pod_minutes_per_month,
            slo.max_evictions_per_day,
            slo.max_budget_break_probability,
        ]
    }

    /// Returns by how much the set limits are missed, as shares of each; 0 if all are met.
    pub fn missed(&self, of: &Measures) -> f64 {
        missed(&self.asked, of)
    }

    /// Returns the limits that are held: those set, and today's values if today meets those.
    pub fn held(&self) -> [Option<f64>; 5] {
        let over =
            |(term, limit): (&f64, &Option<f64>)| limit.is_some_and(|most| above(*term, most));
        let today_fails = self.today.iter().zip(&self.asked).any(over);
        std::array::from_fn(|place| {
            self.asked[place].or((!today_fails).then_some(self.today[place]))
        })
    }

    /// Returns by how much the held limits are missed.
    pub fn worse(&self, of: &Measures) -> f64 {
        missed(&self.held(), of)
    }

    /// Returns the held terms that got worse, in words.
    pub fn worsened(&self, of: &Measures) -> Vec<String> {
        let terms = TERMS.iter().zip(of.terms()).zip(self.held());
        let over = |((name, term), limit): ((&&str, f64), Option<f64>)| {
            let most = limit.filter(|most| above(term, *most))?;
            Some(format!("{term:.2} {name} instead of {most:.2}"))
        };
        terms.filter_map(over).collect()
    }

    /// Returns the terms that miss the set limits, in words.
    pub fn broken(&self, of: &Measures) -> Vec<String> {
        let terms = TERMS.iter().zip(of.terms()).zip(&self.asked);
        let over = |((name, term), limit): ((&&str, f64), &Option<f64>)| {
            let most = limit.filter(|most| above(term, *most))?;
            Some(format!("{term:.2} {name} (limit {most})"))
        };
        terms.filter_map(over).collect()
    }

    /// Returns the limits as the document has them.
    pub fn told(&self) -> Vec<Limit> {
        let held = self.held();
        let limit = |place: usize| {
            let most = held[place]?;
            Some(Limit { term: TERMS[place].into(), most, asked: self.asked[place].is_some() })
        };
        (0..TERMS.len()).filter_map(limit).collect()
    }
}

fn above(term: f64, most: f64) -> bool {
    term > most + ROUNDING * most.abs().max(1.0)
}

fn missed(limits: &[Option<f64>; 5], of: &Measures) -> f64 {
    let by = |(term, limit): (f64, &Option<f64>)| {
        let over = limit.filter(|most| above(term, *most));
        // One late minute, one eviction a day: what a limit of nothing is counted in.
        over.map_or(0.0, |most| (term - most) / most.max(1.0))
    };
    of.terms().into_iter().zip(limits).map(by).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(cost: f64, late: f64, broke: bool) -> Judged {
        Judged {
            cost,
            late_minutes: late,
            saturated_minutes: late / 2.0,
            pending_pod_minutes: 0.0,
            evictions: 60.0,
            unserved_requests: 0.0,
            nodes: 3.0,
            broke: vec![false, broke],
        }
    }

    /// Two trials over two months: 100 and 300 USD, 4 and 8 late minutes.
    #[test]
    fn trials_become_means_by_month() {
        let length = Length { months: 2.0, days: 60.0 };
        let of = Measures::of(&[judged(100.0, 4.0, false), judged(300.0, 8.0, true)], length);
        assert_eq!(of.cost_per_month, 100.0);
        // s = √((50² + 50²) / 1), divided by √2
        assert!((of.cost_standard_error - 50.0).abs() < 1e-9);
        assert_eq!(of.terms(), [3.0, 1.5, 0.0, 1.0, 0.5]);
    }

    #[test]
    fn what_is_not_asked_for_is_held_at_todays_value() {
        let today = [3.0, 1.5, 0.0, 1.0, 0.5];
        let limits = Limits { asked: [Some(5.0), None, None, None, None], today };
        assert_eq!(limits.held(), [Some(5.0), Some(1.5), Some(0.0), Some(1.0), Some(0.5)]);
        let mut of = Measures { late_minutes_per_month: 4.0, ..Measures::default() };
        assert_eq!((limits.missed(&of), limits.worse(&of)), (0.0, 0.0));
        of.evictions_per_day = 1.5;
        assert_eq!(limits.missed(&of), 0.0);
        assert!((limits.worse(&of) - 0.5).abs() < 1e-12);
        of.late_minutes_per_month = 10.0;
        assert_eq!(limits.missed(&of), 1.0);
        assert_eq!(limits.broken(&of), ["10.00 late minutes a month (limit 5)"]);
    }

    #[test]
    fn where_today_fails_only_what_is_asked_for_is_held() {
        let limits = Limits { asked: [Some(1.0), None, None, None, None], today: [3.0; 5] };
        assert_eq!(limits.held(), [Some(1.0), None, None, None, None]);
    }
}
