//! Serverless v2: capacity minute by minute.
//!
//! # Formula
//! ```text
//! need = max(vCPU wanted / target / vCPU of an ACU, working set / buffers of an ACU, minimum)   ≤ maximum
//! up   : capacity + max(½, 30 %) every 15 s while below the need
//! down : capacity − max(½,  5 %) every 15 s while above it, in half steps
//! pause: a minimum of 0 is half an ACU until no query has come for `pause_after_seconds`, then 0
//! ACU-Hr = Σ minutes capacity / 60 × instances
//! ```
//! # Source
//! Aurora user guide, "How Aurora Serverless v2 works": growth in steps that rise with
//! the capacity, decline gradual, readers of tiers 0 and 1 follow the writer. "Scaling to Zero ACUs with automatic pause and
//! resume": the idle time, and about 15 s to resume, a step here.
//! # Limits
//! Growth and decline rates are derived, not published. A minimum of 0 is refused where AWS does not pause: RDS Proxy,
//! logical replication, zero-ETL, the primary of a global database, older engines. Reader and writer share one capacity: the greater need.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::facts::shapes::AuroraFacts;

/// Capacity limits.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Serverless {
    /// Least capacity of an instance \[ACU\]; 0 pauses when idle.
    #[schemars(range(min = 0))]
    pub min_acu: f64,
    /// Most capacity of an instance \[ACU\].
    #[schemars(range(min = 0.5))]
    pub max_acu: f64,
    /// Seconds without a connection after which a cluster with a minimum of 0 pauses; default: the model's 300.
    #[schemars(range(min = 300, max = 86_400))]
    pub pause_after_seconds: Option<u32>,
}

impl Serverless {
    /// Returns the capacity of a cluster that nothing is asked of, after so many idle seconds \[ACU\].
    pub fn idle_acu(self, idle_seconds: u32, facts: &AuroraFacts) -> f64 {
        let least = half_steps(self.min_acu, facts.acu_step);
        let pause_after = self.pause_after_seconds.unwrap_or(facts.pause_after_seconds);
        if least <= 0.0 && idle_seconds < pause_after { facts.acu_step } else { least }
    }
}

/// What one instance used in a month.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Used {
    /// Capacity-hours \[ACU-Hr\].
    pub acu_hours: f64,
    /// Greatest capacity \[ACU\].
    pub peak: f64,
    /// Minutes in which the need was above the maximum.
    pub short_minutes: f64,
    /// Capacity-hours by the hour.
    pub hourly: Vec<f64>,
}

/// Steps of the capacity in a minute.
const STEPS_PER_MINUTE: u32 = 4;

/// The capacity 15 seconds later, on its way to `wanted` \[ACU\].
pub fn step(capacity: f64, wanted: f64, facts: &AuroraFacts) -> f64 {
    if capacity < wanted {
        let step = facts.acu_step.max(capacity * facts.acu_growth_per_15_seconds);
        half_steps(capacity + step, facts.acu_step).min(wanted)
    } else if capacity > wanted {
        let step = facts.acu_step.max(capacity * facts.acu_decline_per_15_seconds);
        half_steps(capacity - step, facts.acu_step).max(wanted)
    } else {
        capacity
    }
}

/// `max_connections` of an instance with these limits.
pub fn max_connections(limits: Serverless, facts: &AuroraFacts) -> f64 {
    let fit = facts.acu_connections * limits.max_acu + facts.acu_connections_offset;
    let most = if limits.min_acu <= facts.acu_step {
        facts.acu_connections_at_least_capacity
    } else {
        facts.acu_connections_most
    };
    fit.clamp(0.0, most).floor()
}

pub(super) fn half_steps(acu: f64, step: f64) -> f64 {
    (acu / step).ceil() * step
}

/// Follows the load of a month; `runs` says in which minutes the cluster does, and `need` gives the capacity that a
/// minute's sessions ask for \[ACU\].
pub fn follow(
    minutes: &[f64],
    runs: impl Fn(usize) -> bool,
    limits: Serverless,
    facts: &AuroraFacts,
    need: impl Fn(f64) -> f64,
) -> Used {
    let least = half_steps(limits.min_acu, facts.acu_step);
    let wish = |sessions: f64, idle: u32| {
        if sessions <= 0.0 {
            return limits.idle_acu(idle, facts);
        }
        half_steps(need(sessions).max(limits.min_acu), facts.acu_step)
    };
    let mut used = Used { hourly: vec![0.0; minutes.len().div_ceil(60)], ..Used::default() };
    // A month that begins idle begins paused.
    let mut idle = u32::MAX;
    let mut capacity = minutes.first().map_or(0.0, |first| wish(*first, idle).min(limits.max_acu));
    for (minute, sessions) in minutes.iter().enumerate() {
        if !runs(minute) {
            // Stopping frees the capacity at once; the cluster starts with its least.
            capacity = least.min(limits.max_acu);
            idle = 0;
            continue;
        }
        let wanted = wish(*sessions, idle);
        idle = if *sessions <= 0.0 { idle.saturating_add(60) } else { 0 };
        if wanted > limits.max_acu {
            used.short_minutes += 1.0;
        }
        let wanted = wanted.min(limits.max_acu);
        for _ in 0..STEPS_PER_MINUTE {
            capacity = step(capacity, wanted, facts);
            used.hourly[minute / 60] += capacity / f64::from(60 * STEPS_PER_MINUTE);
            used.peak = used.peak.max(capacity);
        }
    }
    used.acu_hours = used.hourly.iter().sum();
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    fn run(minutes: &[f64], min_acu: f64, max_acu: f64) -> Used {
        let fixture = Fixture::new("2027-04");
        let facts = &fixture.catalog.controllers.aurora;
        follow(
            minutes,
            |_| true,
            Serverless { min_acu, max_acu, pause_after_seconds: None },
            facts,
            |sessions| sessions,
        )
    }

    #[test]
    fn a_steady_load_costs_its_capacity() {
        let used = run(&[4.0; 600], 0.5, 16.0);
        assert!((used.acu_hours - 40.0).abs() < 1e-9);
        assert_eq!((used.peak, used.short_minutes), (4.0, 0.0));
        // 3.2 is rounded up to a half step.
        assert!((run(&[3.2; 60], 0.5, 16.0).acu_hours - 3.5).abs() < 1e-9);
    }

    #[test]
    fn the_limits_hold_and_shortage_is_counted() {
        let used = run(&[40.0; 60], 0.5, 16.0);
        assert_eq!((used.peak, used.short_minutes), (16.0, 60.0));
        assert!((run(&[0.0; 60], 2.0, 16.0).acu_hours - 2.0).abs() < 1e-9);
        assert_eq!(run(&[0.0; 60], 0.0, 16.0).acu_hours, 0.0);
    }

    /// A minute of load at half an ACU, then idle: five minutes at half an ACU, then 0; after an hour with a pause that begins
    /// after an hour. A query resumes it.
    #[test]
    fn an_idle_cluster_pauses_after_its_time() {
        let fixture = Fixture::new("2027-04");
        let facts = &fixture.catalog.controllers.aurora;
        let minutes = |load: &[f64], pause_after_seconds| {
            let limits = Serverless { min_acu: 0.0, max_acu: 16.0, pause_after_seconds };
            follow(load, |_| true, limits, facts, |sessions| sessions).acu_hours * 60.0
        };
        let mut load = vec![0.5];
        load.extend([0.0; 600]);
        assert!((minutes(&load, None) - 6.0 * 0.5).abs() < 1e-9, "{}", minutes(&load, None));
        assert!((minutes(&load, Some(3600)) - 61.0 * 0.5).abs() < 1e-9);
        load.push(0.5);
        assert!((minutes(&load, None) - 7.0 * 0.5).abs() < 1e-9);
    }

    /// Stopped from the second hour on: 8 ACU for one hour and no tail. Awake without load it costs its minimum.
    #[test]
    fn a_stopped_cluster_costs_nothing() {
        let fixture = Fixture::new("2027-04");
        let facts = &fixture.catalog.controllers.aurora;
        let limits = Serverless { min_acu: 2.0, max_acu: 16.0, pause_after_seconds: None };
        let mut load = vec![8.0; 60];
        load.extend([0.0; 60]);
        let hours = |load: &[f64], runs: fn(usize) -> bool| {
            follow(load, runs, limits, facts, |sessions| sessions).acu_hours
        };
        assert!((hours(&load, |minute| minute < 60) - 8.0).abs() < 1e-9);
        assert!((hours(&[0.0; 60], |_| true) - 2.0).abs() < 1e-9);
        // Starting again: the least capacity, then its growth.
        let again = hours(&[8.0; 61], |minute| minute == 60);
        assert!((2.0 / 60.0..8.0 / 60.0).contains(&again), "{again}");
    }

    /// After a spike the capacity falls by 5 % every 15 s: more than the load alone would cost.
    #[test]
    fn a_spike_leaves_a_tail() {
        let mut load = vec![1.0; 10];
        load.extend([30.0; 5]);
        load.extend([1.0; 45]);
        let used = run(&load, 0.5, 64.0);
        let bare = (55.0 + 150.0) / 60.0;
        assert!(used.acu_hours > 1.1 * bare, "{} {bare}", used.acu_hours);
        assert!(used.acu_hours < 3.0 * bare, "{} {bare}", used.acu_hours);
    }
}
