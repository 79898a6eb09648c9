//! Cron triggers of KEDA: replicas by the clock, and the way to zero.
//!
//! # Formula
//! ```text
//! a window is open  while the next end comes before the next start
//! a trigger asks for  its replicas in its window, 1 outside              External metric, averageValue 1
//! 0 → 1   a window opens, or another External metric is above 0
//! n → 0   no window is open and no such metric is above 0 for the cooldown, where min_replicas is 0
//! ```
//! The autoscaler takes the largest of all metrics, with its tolerance, bounds and behavior; between 1 and
//! the maximum KEDA leaves the replicas to it.
//!
//! # Source
//! kedacore/keda `pkg/scalers/cron_scaler.go#IsActive`, `#GetMetricSpecForScaling`, commit 0618291;
//! `pkg/scaling/executor/scale_scaledobjects.go#RequestScale`, `#scaleToZeroOrIdle`, commit 7f17c10. CPU and
//! memory triggers make nothing active.
//! # Limits
//! Windows open and close at the first tick after their time; KEDA looks every 30 seconds (`pollingInterval`).

use super::{
    Cluster, NEVER, Second,
    cron::Clock,
    event::{Reason, Subject},
    hpa::{
        Bound, Metric, Rules,
        replicas::{Tolerance, average_value_replicas},
    },
    policy::{Deployment, Policy},
};

/// A trigger: when its window opens and closes, and what it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// When its window opens.
    pub start: Clock,
    /// When it closes.
    pub end: Clock,
    /// Replicas within it.
    pub replicas: u32,
}

/// From when so many replicas are wanted; 0 while no window is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    at: Second,
    asks: u32,
}

/// All cron triggers of a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Triggers {
    /// In order; the first is at the start of the plan.
    changes: Vec<Change>,
    /// Replicas outside all windows.
    outside: u32,
    /// Seconds without an active trigger before the workload goes to 0; it never does without.
    pub cooldown: Option<Second>,
}

impl Triggers {
    /// Joins triggers over the `seconds` of a plan.
    pub fn new(
        triggers: &[Trigger],
        seconds: Second,
        (outside, cooldown): (u32, Option<Second>),
    ) -> Self {
        let mut turns: Vec<(Second, usize, bool)> = Vec::new();
        for (place, trigger) in triggers.iter().enumerate() {
            let each = windows(trigger, seconds).into_iter();
            turns.extend(each.map(|(at, open)| (at, place, open)));
        }
        turns.sort_unstable();
        let mut open = vec![false; triggers.len()];
        let mut changes = vec![Change { at: 0, asks: 0 }];
        for (at, place, opens) in turns {
            open[place] = opens;
            let asking = triggers.iter().zip(&open).filter(|(_, open)| **open);
            let asks = asking.map(|(trigger, _)| trigger.replicas).max().unwrap_or(0);
            match changes.last_mut() {
                Some(last) if last.at == at => last.asks = asks,
                Some(last) if last.asks == asks => {}
                _ => changes.push(Change { at, asks }),
            }
        }
        Self { changes, outside, cooldown }
    }

    /// Replicas that open windows ask for; 0 while none is open.
    pub fn at(&self, now: Second) -> u32 {
        let past = self.changes.partition_point(|change| change.at <= now);
        past.checked_sub(1).map_or(0, |last| self.changes[last].asks)
    }

    /// Whether any window opens.
    pub fn opens(&self) -> bool {
        self.changes.iter().any(|change| change.asks > 0)
    }

    fn next_change(&self, now: Second) -> Second {
        let past = self.changes.partition_point(|change| change.at <= now);
        self.changes.get(past).map_or(NEVER, |change| change.at)
    }

    /// What the metrics ask for at so many replicas, within the tolerance of what there is.
    pub(super) fn proposal(&self, called: u32, current: u32, tolerance: Tolerance) -> u32 {
        let usage = 1000 * i64::from(called.max(self.outside));
        average_value_replicas(current, usage, 1000, tolerance)
    }
}

/// When a window opens and closes, as KEDA decides at each moment of its two schedules.
fn windows(trigger: &Trigger, seconds: Second) -> Vec<(Second, bool)> {
    let (mut starts, mut ends) = (trigger.start.moments(), trigger.end.moments());
    let mut next_start = || starts.next(&trigger.start).unwrap_or(NEVER);
    let mut next_end = || ends.next(&trigger.end).unwrap_or(NEVER);
    let (mut start, mut end) = (next_start(), next_end());
    let mut open = end <= start;
    let mut turns = vec![(0, open)];
    loop {
        let at = start.min(end);
        if at >= seconds {
            return turns;
        }
        if start <= at {
            start = next_start();
        }
        if end <= at {
            end = next_end();
        }
        if open != (end <= start) {
            open = !open;
            turns.push((at, open));
        }
    }
}

/// Whether a metric wakes a workload that KEDA took to 0.
fn activates(metric: &Metric) -> bool {
    matches!(metric, Metric::ExternalValue(..) | Metric::ExternalAverageValue(..))
}

impl Cluster {
    /// Windows open and close.
    pub(super) fn turn_triggers(&mut self, policy: &Policy) {
        for &index in &policy.triggered {
            let Some(triggers) = &policy.workloads[index].triggers else { continue };
            let replicas = &mut self.workloads[index];
            let called = triggers.at(self.now);
            if called == 0 && replicas.called > 0 {
                replicas.active_at = self.now;
            }
            replicas.called = called;
        }
    }

    /// The next moment at which a window opens or closes, or a cooldown ends.
    pub(super) fn next_trigger_timer(&self, policy: &Policy) -> Second {
        let timer = |index: &usize| {
            let triggers = policy.workloads[*index].triggers.as_ref()?;
            let replicas = &self.workloads[*index];
            let cools = replicas.called == 0 && replicas.desired > 0;
            let zero = triggers.cooldown.filter(|_| cools);
            let zero = zero.map(|cooldown| replicas.active_at + cooldown);
            let zero = zero.filter(|zero| *zero > self.now).unwrap_or(NEVER);
            Some(triggers.next_change(self.now).min(zero))
        };
        policy.triggered.iter().filter_map(timer).min().unwrap_or(NEVER)
    }

    /// Replicas that a workload begins with, where the load alone would ask for `wanted`.
    pub(super) fn first_replicas(&self, workload: &Deployment, index: usize, wanted: u32) -> u32 {
        let Some(triggers) = &workload.triggers else { return wanted };
        let called = self.workloads[index].called;
        let woken = workload.hpa.as_ref().is_some_and(|rules| rules.metrics.iter().any(activates));
        if triggers.cooldown.is_some() && called == 0 && !woken {
            return 0;
        }
        let only_triggers = workload.hpa.as_ref().is_some_and(|rules| rules.metrics.is_empty());
        let wanted = if only_triggers { workload.min_replicas } else { wanted };
        let wanted = wanted.max(called.max(triggers.outside));
        workload.max_replicas.map_or(wanted, |most| wanted.min(most))
    }

    /// KEDA's part between 0 and 1; true while the workload has no replicas.
    pub(super) fn scaled_to_zero(
        &mut self,
        policy: &Policy,
        (index, rules): (usize, &Rules),
        slot: [usize; 2],
    ) -> bool {
        let triggers = policy.workloads[index].triggers.as_ref();
        let Some(cooldown) = triggers.and_then(|triggers| triggers.cooldown) else { return false };
        let workload = &policy.workloads[index];
        let seen = self.observe(policy, workload, index, slot);
        let woken = match (&rules.keda, seen) {
            (Some(keda), Some(seen)) => keda.is_active(&seen),
            (None, Some(seen)) => rules.metrics.iter().any(|metric| match metric {
                Metric::ExternalValue(signal, _) | Metric::ExternalAverageValue(signal, _) => {
                    seen.signal(*signal) > 0
                }
                _ => false,
            }),
            (_, None) => false,
        };
        let replicas = &mut self.workloads[index];
        if woken {
            replicas.active_at = self.now;
        }
        let active = woken || replicas.called > 0;
        let from = replicas.desired;
        let to = match from {
            0 if active => 1,
            1.. if !active && self.now - replicas.active_at >= cooldown => 0,
            same => same,
        };
        if to != from {
            let bound = Bound::DesiredWithinRange;
            let percent_of_target = if active { 100.0 } else { 0.0 };
            let reason = Reason::Rescaled { from, to, metric: "cron", percent_of_target, bound };
            self.note(Subject::Workload(index), reason);
            self.set_desired(policy, index, to);
        }
        to == 0
    }

    /// Whether the autoscaler of a workload that only triggers scale rests on what it has.
    pub(super) fn rests_on_triggers(&self, workload: &Deployment, index: usize) -> bool {
        let replicas = &self.workloads[index];
        let (Some(triggers), Some(rules)) = (&workload.triggers, &workload.hpa) else {
            return false;
        };
        let asleep = triggers.cooldown.is_some() && replicas.called == 0;
        let at_zero = asleep && replicas.desired == 0;
        let asks = triggers.proposal(replicas.called, replicas.desired, rules.tolerance);
        at_zero || asks == replicas.desired && replicas.hpa.rests_on(asks)
    }

    /// The replicas that triggers ask for at so many, where the workload has any.
    pub(super) fn called_for(
        &self,
        workload: &Deployment,
        (index, rules): (usize, &Rules),
        current: u32,
    ) -> Option<u32> {
        let triggers = workload.triggers.as_ref()?;
        Some(triggers.proposal(self.workloads[index].called, current, rules.tolerance))
    }
}

/// The largest proposal of metrics and triggers, where `metrics` is the proposal of the metrics alone. A metric
/// that failed keeps the rest from asking for fewer.
pub(super) fn with_triggers(
    (rules, current): (&Rules, u32),
    metrics: Option<u32>,
    called: Option<u32>,
) -> Option<u32> {
    let Some(called) = called else { return metrics };
    match metrics {
        Some(most) => Some(most.max(called)),
        None if rules.metrics.is_empty() => Some(called),
        None => (called >= current).then_some(called),
    }
}

#[cfg(test)]
mod tests;
