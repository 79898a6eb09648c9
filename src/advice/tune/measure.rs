//! Results of a candidate's trials: cost and risk by month, and whether the limits hold.
//!
//! # Formula
//! ```text
//! cost a month   = Σ trials cost / (trials × months)                    standard error s / √trials
//! risk           = minutes over the latency target a month, summed over workloads: overloaded, or p95 above the target
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
    /// The risk: minutes over the latency target, summed over workloads (a month).
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

    /// Returns what the risk is at least, where these trials are a share of all and the others may have none.
    pub fn at_least(self, share: f64) -> Self {
        Self {
            late_minutes_per_month: self.late_minutes_per_month * share,
            saturated_minutes_per_month: self.saturated_minutes_per_month * share,
            pending_pod_minutes_per_month: self.pending_pod_minutes_per_month * share,
            evictions_per_day: self.evictions_per_day * share,
            budget_break_probability: self.budget_break_probability * share,
            ..self
        }
    }
}

/// Names of the terms of risk.
pub const TERMS: [&str; 5] = [
    "minutes over the latency target a month",
    "overloaded minutes a month",
    "pending pod minutes a month",
    "evictions a day",
    "probability of exceeding a budget",
];

/// By how much a term without a limit may exceed today's value before it counts as worse.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Share of today's value.
    pub share: f64,
    /// At least this many minutes over the latency target, and overloaded minutes (a month).
    pub minutes: f64,
    /// At least this many pending pod minutes (a month).
    pub pending_pod_minutes: f64,
    /// At least this many evictions (a day).
    pub evictions: f64,
    /// At least this much probability of exceeding a budget.
    pub probability: f64,
}

impl Tolerance {
    /// Returns what may be added to today's terms.
    pub fn of(&self, today: &[f64; 5]) -> [f64; 5] {
        let least = [
            self.minutes,
            self.minutes,
            self.pending_pod_minutes,
            self.evictions,
            self.probability,
        ];
        std::array::from_fn(|place| least[place].max(self.share * today[place]))
    }
}

/// Maximum of a term of risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The term of risk.
    pub term: String,
    /// Its maximum.
    pub most: f64,
    /// Whether the scenario sets it; otherwise it is today's value with a tolerance.
    pub asked: bool,
}

/// Limits of all terms; none for a term without limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Limits that the scenario sets.
    pub asked: [Option<f64>; 5],
    /// Results of today's settings: with the tolerance they are limits where the scenario sets none, if today meets
    /// its limits.
    pub today: [f64; 5],
    /// By how much such a term may exceed today's.
    pub tolerance: Tolerance,
}

/// Differences that are only rounding.
const ROUNDING: f64 = 1e-9;

impl Limits {
    /// Returns the limits that the scenario sets; with a limit on p95, minutes above it have one by default.
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
    pub fn missed(&self, terms: &[f64; 5]) -> f64 {
        missed(&self.asked, terms)
    }

    /// Returns the limits that are held: those set, and today's values with the tolerance if today meets those.
    pub fn held(&self) -> [Option<f64>; 5] {
        let today_fails = self.missed(&self.today) > 0.0;
        let tolerance = self.tolerance.of(&self.today);
        std::array::from_fn(|place| {
            let held = self.today[place] + tolerance[place];
            self.asked[place].or((!today_fails).then_some(held))
        })
    }

    /// Returns by how much the held limits are missed.
    pub fn worse(&self, terms: &[f64; 5]) -> f64 {
        missed(&self.held(), terms)
    }

    /// Returns the terms without a set limit that are worse than today's, in words.
    pub fn worsened(&self, of: &Measures) -> Vec<String> {
        let held = self.held();
        let over = |place: usize| {
            let term = of.terms()[place];
            let most = held[place].filter(|_| self.asked[place].is_none())?;
            above(term, most)
                .then(|| format!("{term:.2} {} instead of {:.2}", TERMS[place], self.today[place]))
        };
        (0..TERMS.len()).filter_map(over).collect()
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

fn missed(limits: &[Option<f64>; 5], terms: &[f64; 5]) -> f64 {
    let by = |(term, limit): (&f64, &Option<f64>)| {
        let over = limit.filter(|most| above(*term, *most));
        // One minute, one eviction a day: what a limit of nothing is counted in.
        over.map_or(0.0, |most| (term - most) / most.max(1.0))
    };
    terms.iter().zip(limits).map(by).sum()
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
    fn a_term_without_a_limit_is_held_at_todays_value_with_the_tolerance() {
        let today = [3.0, 30.0, 0.0, 1.0, 0.5];
        let tolerance = Tolerance {
            share: 0.1,
            minutes: 1.0,
            pending_pod_minutes: 4.0,
            evictions: 2.0,
            probability: 0.05,
        };
        let asked = [Some(5.0), None, None, None, None];
        let limits = Limits { asked, today, tolerance };
        assert_eq!(limits.held(), [Some(5.0), Some(33.0), Some(4.0), Some(3.0), Some(0.55)]);
        let mut of = Measures { late_minutes_per_month: 4.0, ..Measures::default() };
        assert_eq!((limits.missed(&of.terms()), limits.worse(&of.terms())), (0.0, 0.0));
        of.evictions_per_day = 3.5;
        assert_eq!(limits.missed(&of.terms()), 0.0);
        assert!((limits.worse(&of.terms()) - 0.5 / 3.0).abs() < 1e-12);
        assert_eq!(limits.worsened(&of), ["3.50 evictions a day instead of 1.00"]);
        of.late_minutes_per_month = 10.0;
        assert_eq!(limits.missed(&of.terms()), 1.0);
        let expected = "10.00 minutes over the latency target a month (limit 5)";
        assert_eq!(limits.broken(&of), [expected]);
    }

    #[test]
    fn where_today_fails_only_what_is_asked_for_is_held() {
        let asked = [Some(1.0), None, None, None, None];
        let limits = Limits { asked, today: [3.0; 5], tolerance: Tolerance::default() };
        assert_eq!(limits.held(), [Some(1.0), None, None, None, None]);
    }
}
