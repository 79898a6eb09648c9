//! Holds points against today in trials that the search has not seen, and under strain.
//!
//! # Formula
//! ```text
//! interval of a mean difference   mean ± t(0.975, n − 1) × standard error                       (95 %)
//! ```
//! # Source
//! Student's t for paired differences under common random numbers: Law, "Simulation modeling and analysis",
//! 5th ed., 10.2.1.
//! # Limits
//! A search that takes the best of many is flattered by the trials it saw; these figures are not. The choice among the
//! points that were proven is made in the same trials.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{
    archive::Archive,
    choose::paired,
    measure::{Estimate, Measures},
    search::{Effort, limits},
    space::{Candidate, Space},
};
use crate::{
    error::Error,
    plan::simulate::{Busiest, Edits, Judged, Prepared, Strain, trace},
};

/// Number of the first trial that no search runs.
pub const PROOF: u32 = 2_000_001;

/// A difference with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Mean.
    pub mean: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Difference {
    /// Returns the interval of a mean of trials.
    pub fn of(estimate: Estimate, trials: usize) -> Self {
        let freedom = trials.saturating_sub(1).max(1) as f64;
        let quantile = StudentsT::new(0.0, 1.0, freedom).map_or(1.96, |law| law.inverse_cdf(0.975));
        let half = quantile * estimate.standard_error;
        Self { mean: estimate.mean, low: estimate.mean - half, high: estimate.mean + half }
    }
}

/// A point against today in trials that both have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Trials.
    pub trials: u32,
    /// Today.
    pub today: Measures,
    /// The point.
    pub point: Measures,
    /// Saving, in USD a month.
    pub saves: Difference,
    /// Saving as a share of today's cost.
    pub saves_share: f64,
    /// Added minutes over the latency target (a month).
    pub adds_late_minutes: Difference,
    /// Share of the trials in which it is cheaper.
    pub cheaper: f64,
    /// Limits that it misses, in words.
    pub broken: Vec<String>,
    /// Limits that today's settings miss.
    pub broken_today: Vec<String>,
    /// Terms of risk without a limit that are worse than today's beyond the tolerance, in words.
    pub worse: Vec<String>,
    /// Overloaded minutes that losses and bursts are expected to add with today's settings and with the point's (a
    /// month); none where they were not drilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_minutes: Option<[f64; 2]>,
    /// Whether it meets the limits, and is no worse in the other terms.
    pub holds: bool,
}

/// Result under one strain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strained {
    /// What gets worse.
    pub name: String,
    /// By how much.
    pub strain: Strain,
    /// The recommended point against today then.
    pub against: Against,
}

/// Returns a candidate against today in all trials of an archive; none if either did not run them.
pub fn against(
    archive: &Archive<'_>,
    space: &Space,
    effort: &Effort,
    candidate: &[u16],
) -> Option<Against> {
    let today = archive.trials(&space.today(), archive.count())?;
    let own = archive.trials(candidate, archive.count())?;
    let mut against = compare(today, own, effort);
    if let Some((judge, [today, own])) = archive.losses(candidate) {
        against.worse.extend(judge.worse(today, own));
        against.holds &= against.worse.is_empty();
        against.loss_minutes = Some([today, own].map(|losses| judge.expected(losses)));
    }
    Some(against)
}

/// Returns the busiest day of the search's months in the mid case, with today's and the recommended settings.
///
/// # Errors
/// As [`Prepared::trace`].
pub fn days(
    prepared: &Prepared<'_>,
    Busiest { month, day, .. }: &Busiest,
    space: &Space,
    best: &Candidate,
) -> Result<Days, Error> {
    let (month, day) = (*month, *day);
    let request = trace::Request {
        account: Some(prepared.scenario().accounts[space.account].name.clone()),
        at: Some(month),
        days: Some(day + 1),
        tick_seconds: 60,
        load: None,
        trial: 0,
    };
    let edits = space.edits(best);
    let of = |edits: &Edits<'_>| {
        let trace = prepared.trace_with(&request, edits)?;
        Ok::<Day, Error>(Day::last_of(&trace))
    };
    let (today, recommended) = rayon::join(|| of(&[]), || of(&edits));
    let date = month.first_day().saturating_add(jiff::Span::new().days(i64::from(day)));
    Ok(Days { date: date.to_string(), step_minutes: 1, today: today?, recommended: recommended? })
}
fn compare(today: &[Judged], own: &[Judged], effort: &Effort) -> Against {
    let (length, n) = (effort.length, own.len());
    let limits = limits(effort, today);
    let (before, after) = (Measures::of(today, length), Measures::of(own, length));
    let saves = Difference::of(paired(today, own, length.months, |of| of.cost), n);
    let late = Difference::of(paired(own, today, length.months, |of| of.late_minutes), n);
    let cheaper = today.iter().zip(own).filter(|(today, own)| own.cost < today.cost).count();
    let (broken, worse) = (limits.broken(&after), limits.worsened(&after));
    Against {
        trials: n as u32,
        saves_share: saves.mean / before.cost_per_month.max(1e-9),
        today: before,
        point: after,
        saves,
        adds_late_minutes: late,
        cheaper: cheaper as f64 / n.max(1) as f64,
        holds: broken.is_empty() && worse.is_empty(),
        broken,
        broken_today: limits.broken(&before),
        worse,
        loss_minutes: None,
    }
}

/// One day minute by minute.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Day {
    /// Sessions that arrive in a minute.
    pub sessions: Vec<f64>,
    /// Pods that serve, of workloads that scale or serve.
    pub ready_pods: Vec<u32>,
    /// Pods without a node.
    pub pending_pods: Vec<u32>,
    /// Nodes.
    pub nodes: Vec<u32>,
    /// CPU used over the vCPUs of all nodes.
    pub utilization: Vec<f64>,
    /// The highest p95 of all workloads, in ms.
    pub p95_ms: Vec<f64>,
}

/// The same day twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Days {
    /// Which.
    pub date: String,
    /// Minutes from one value to the next.
    pub step_minutes: u32,
    /// With today's settings.
    pub today: Day,
    /// As recommended.
    pub recommended: Day,
}

impl Day {
    fn last_of(trace: &trace::Trace) -> Self {
        let ticks = (86_400 / trace.tick_seconds) as usize;
        let from = trace.len().saturating_sub(ticks);
        let places = from..trace.len();
        // Four digits are more than a chart shows.
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let floats = |of: &dyn Fn(usize) -> f64| places.clone().map(|at| round(of(at))).collect();
        let counts = |of: &dyn Fn(usize) -> u32| places.clone().map(of).collect();
        Self {
            sessions: floats(&|at| trace.sessions[at]),
            ready_pods: counts(&|at| trace.workloads.iter().map(|own| own.ready[at]).sum()),
            pending_pods: counts(&|at| trace.pending[at]),
            nodes: counts(&|at| trace.nodes.iter().map(|own| own[at]).sum()),
            utilization: floats(&|at| trace.utilization[at]),
            p95_ms: floats(&|at| {
                trace.workloads.iter().map(|own| own.p95_ms[at]).fold(0.0, f64::max)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// t(0.975, 9) = 2.262: ten differences with standard error 1.
    #[test]
    fn the_interval_is_students() {
        let of = Difference::of(Estimate { mean: 5.0, standard_error: 1.0 }, 10);
        assert!((of.high - 7.262).abs() < 1e-3 && (of.low - 2.738).abs() < 1e-3);
    }
}
