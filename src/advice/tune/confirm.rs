//! Confirms the recommended point: in trials that the search has not seen, and under strain.
//!
//! # Formula
//! ```text
//! interval of a mean difference   mean ± t(0.975, n − 1) × standard error                       (95 %)
//! ```
//! # Source
//! Student's t for paired differences under common random numbers: Law, "Simulation modeling and analysis",
//! 5th ed., 10.2.1.
//! # Limits
//! A search that takes the best of many is flattered by the trials it saw; these figures are not.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{
    choose::{NOTHING, paired, without},
    measure::{Estimate, Limits, Measures},
    search::{Effort, limits},
    space::{Candidate, Space},
};
use crate::{
    error::Error,
    plan::{
        simulate::{Edits, Judged, Prepared, Strain, View, trace},
        trials::Watch,
    },
};

/// Number of the first trial that no search runs.
const FRESH: u32 = 3_000_001;

/// Number of the first trial that decides between the best of a search; others than the fresh ones.
const PROOF: u32 = 2_000_001;

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
    fn of(estimate: Estimate, trials: usize) -> Self {
        let freedom = trials.saturating_sub(1).max(1) as f64;
        let quantile = StudentsT::new(0.0, 1.0, freedom).map_or(1.96, |law| law.inverse_cdf(0.975));
        let half = quantile * estimate.standard_error;
        Self { mean: estimate.mean, low: estimate.mean - half, high: estimate.mean + half }
    }
}

/// Recommended against today in trials that both have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Trials.
    pub trials: u32,
    /// Today.
    pub today: Measures,
    /// Recommended.
    pub recommended: Measures,
    /// Saving, in USD a month.
    pub saves: Difference,
    /// Saving as a share of today's cost.
    pub saves_share: f64,
    /// Added late minutes (a month).
    pub adds_late_minutes: Difference,
    /// Share of the trials in which the recommended point is cheaper.
    pub cheaper: f64,
    /// Limits that the recommended point misses, in words.
    pub broken: Vec<String>,
    /// Limits that today's settings miss.
    pub broken_today: Vec<String>,
    /// Terms of risk whose mean is worse than today's, in words.
    #[serde(default)]
    pub worse: Vec<String>,
    /// Whether it is cheaper, has no more late minutes within the interval, and meets the limits.
    pub holds: bool,
}

/// Result under one strain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strained {
    /// What gets worse.
    pub name: String,
    /// By how much.
    pub strain: Strain,
    /// Recommended against today then.
    pub against: Against,
}

/// A comparison of the recommended point with today.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "borrowed functions")]
pub struct Bout<'a> {
    /// The scenario.
    pub prepared: &'a Prepared<'a>,
    /// The knobs.
    pub space: &'a Space,
    /// Which months.
    pub view: View,
    /// The limits.
    pub effort: &'a Effort,
    /// The recommended point.
    pub best: &'a [u16],
    /// Whether to go on.
    pub watch: Watch<'a>,
}

impl Bout<'_> {
    /// Compares in unseen trials; none if the watch stopped it.
    ///
    /// # Errors
    /// As [`Prepared::judge`].
    pub fn fresh(&self, count: u32) -> Result<Option<Against>, Error> {
        self.against(&(FRESH..FRESH + count).collect::<Vec<u32>>())
    }

    /// Returns the cheapest of the best points that is no later than today in unseen trials, without changes that
    /// save nothing there. Rare events appear in few trials only by chance. Today's settings if none holds; none if
    /// the watch stopped it.
    ///
    /// # Errors
    /// As [`Prepared::judge`].
    pub fn prove(&self, best: &[Candidate], count: u32) -> Result<Option<Candidate>, Error> {
        let Some(tried) = self.tried(best, count)? else { return Ok(None) };
        let cost = |place: &usize| tried[*place].recommended.cost_per_month;
        let pick = |least: Proof| {
            let holds = (0..best.len()).filter(|place| Proof::of(&tried[*place]) >= least);
            holds.min_by(|a, b| cost(a).total_cmp(&cost(b)))
        };
        let Some(first) = pick(Proof::Clear).or_else(|| pick(Proof::Meets)) else {
            return Ok(Some(self.space.today()));
        };
        self.simpler(best[first].clone(), count)
    }

    /// Takes changes back, one by one, as long as that costs next to nothing and holds as well.
    fn simpler(&self, chosen: Candidate, count: u32) -> Result<Option<Candidate>, Error> {
        let today = self.space.today();
        let mut pool = vec![chosen];
        loop {
            let less = without(&pool[0], &today).into_iter().map(|(_, less)| less);
            pool.extend(less.filter(|less| *less != today).collect::<Vec<_>>());
            let Some(tried) = self.tried(&pool, count)? else { return Ok(None) };
            let own = &tried[0];
            let most = own.recommended.cost_per_month + NOTHING * own.today.cost_per_month;
            let cost = |place: &usize| tried[*place].recommended.cost_per_month;
            let fits =
                |place: &usize| cost(place) <= most && Proof::of(&tried[*place]) >= Proof::of(own);
            let next = (1..pool.len()).filter(fits).min_by(|a, b| cost(a).total_cmp(&cost(b)));
            let Some(next) = next else { return Ok(Some(pool.swap_remove(0))) };
            pool = vec![pool.swap_remove(next)];
        }
    }

    /// Returns candidates against today in the trials of the proof.
    fn tried(&self, candidates: &[Candidate], count: u32) -> Result<Option<Vec<Against>>, Error> {
        let trials: Vec<u32> = (PROOF..PROOF + count).collect();
        let one = |trial: &u32| -> Result<Option<Vec<Judged>>, Error> {
            let luck = self.prepared.luck(&self.view, *trial)?;
            let mut all = vec![self.prepared.judge(&self.view, &luck, &[])?];
            for candidate in candidates {
                if (self.watch.stop)() {
                    return Ok(None);
                }
                let judged = self.prepared.judge(&self.view, &luck, &self.space.edits(candidate));
                (self.watch.done)();
                match judged {
                    Ok(judged) => all.push(judged),
                    // What cannot be in one trial is not to be recommended.
                    Err(_) => all.push(Judged { late_minutes: f64::MAX, ..all[0].clone() }),
                }
            }
            Ok(Some(all))
        };
        let done: Result<Vec<_>, Error> = trials.par_iter().with_max_len(1).map(one).collect();
        let Some(done) = done?.into_iter().collect::<Option<Vec<Vec<Judged>>>>() else {
            return Ok(None);
        };
        let column = |place: usize| done.iter().map(|all| all[place].clone()).collect::<Vec<_>>();
        let today = column(0);
        let against = |place| compare(&today, &column(place), self.effort);
        Ok(Some((1..=candidates.len()).map(against).collect()))
    }

    /// Compares in unseen trials, with one thing worse than planned.
    ///
    /// # Errors
    /// As [`Prepared::judge`].
    pub fn strained(
        &self,
        name: &str,
        strain: Strain,
        count: u32,
    ) -> Result<Option<Strained>, Error> {
        let bout = Bout { view: View { strain, ..self.view }, ..*self };
        let against = bout.fresh(count)?;
        Ok(against.map(|against| Strained { name: name.to_owned(), strain, against }))
    }

    fn against(&self, trials: &[u32]) -> Result<Option<Against>, Error> {
        let edits = self.space.edits(self.best);
        let both = |trial: &u32| -> Result<Option<(Judged, Judged)>, Error> {
            if (self.watch.stop)() {
                return Ok(None);
            }
            let luck = self.prepared.luck(&self.view, *trial)?;
            let today = self.prepared.judge(&self.view, &luck, &[])?;
            (self.watch.done)();
            let own = self.prepared.judge(&self.view, &luck, &edits)?;
            (self.watch.done)();
            Ok(Some((today, own)))
        };
        let done: Result<Vec<_>, Error> = trials.par_iter().with_max_len(1).map(both).collect();
        let done: Option<Vec<(Judged, Judged)>> = done?.into_iter().collect();
        Ok(done.map(|done| {
            let (today, own): (Vec<Judged>, Vec<Judged>) = done.into_iter().unzip();
            compare(&today, &own, self.effort)
        }))
    }

    /// Returns the busiest day of the search's months in the mid case, with today's and the recommended settings.
    ///
    /// # Errors
    /// As [`Prepared::trace`].
    pub fn days(&self) -> Result<Days, Error> {
        let (month, day) = self.prepared.busiest_day(&self.view)?;
        let request = trace::Request {
            account: Some(self.prepared.scenario().accounts[self.view.account].name.clone()),
            at: Some(month),
            days: Some(day + 1),
            tick_seconds: 60,
            load: None,
            trial: 0,
        };
        let edits = self.space.edits(self.best);
        let of = |edits: &Edits<'_>| {
            let trace = self.prepared.trace_with(&request, edits)?;
            Ok::<Day, Error>(Day::last_of(&trace))
        };
        let (today, recommended) = rayon::join(|| of(&[]), || of(&edits));
        let date = month.first_day().saturating_add(jiff::Span::new().days(i64::from(day)));
        Ok(Days {
            date: date.to_string(),
            step_minutes: 1,
            today: today?,
            recommended: recommended?,
        })
    }
}

/// Verdict of trials on a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Proof {
    /// It is later than today, costs more, or misses the limits.
    Fails,
    /// On average it is no later than today.
    Meets,
    /// It is no later within the whole interval; rare events may be absent by chance.
    Clear,
}

impl Proof {
    fn of(against: &Against) -> Self {
        let late = against.adds_late_minutes;
        let better = against.saves.mean > 0.0 && against.worse.is_empty();
        if !against.broken.is_empty() || (against.broken_today.is_empty() && !better) {
            Self::Fails
        } else if late.high <= 0.0 {
            Self::Clear
        } else {
            Self::Meets
        }
    }
}

fn compare(today: &[Judged], own: &[Judged], effort: &Effort) -> Against {
    let (length, n) = (effort.length, own.len());
    let Limits { asked, .. } = limits(effort, today);
    let limits = Limits { asked, today: Measures::of(today, length).terms() };
    let (before, after) = (Measures::of(today, length), Measures::of(own, length));
    let saves = Difference::of(paired(today, own, length.months, |of| of.cost), n);
    let late = Difference::of(paired(own, today, length.months, |of| of.late_minutes), n);
    let cheaper = today.iter().zip(own).filter(|(today, own)| own.cost < today.cost).count();
    let (broken, broken_today) = (limits.broken(&after), limits.broken(&before));
    let worse = limits.worsened(&after);
    // Where today misses what is asked for, meeting it may cost money and is worth it.
    let better = !broken_today.is_empty() || (saves.low > 0.0 && worse.is_empty());
    Against {
        trials: n as u32,
        saves_share: saves.mean / before.cost_per_month.max(1e-9),
        today: before,
        recommended: after,
        saves,
        adds_late_minutes: late,
        cheaper: cheaper as f64 / n.max(1) as f64,
        holds: broken.is_empty() && better,
        broken,
        broken_today,
        worse,
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
