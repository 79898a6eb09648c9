//! `behavior`: stabilization windows and scaling policies.
//!
//! # Formula
//! ```text
//! without behavior   n = max(now, every recommendation of the last window)
//!                    n ≤ max(2 × current, 4), min ≤ n ≤ max
//! with behavior      up   = min(now, recommendations younger than the up window)
//!                    down = max(now, recommendations younger than the down window)
//!                    n = current, raised to `up`, then lowered to `down`
//! rate limit         start = current − added + removed      over events younger than the period
//!   up    Pods start + v     Percent ceil(start × (1 + v/100))      greatest (Max) or least (Min)
//!   down  Pods start − v     Percent trunc(start × (1 − v/100))     least (Max) or greatest (Min)
//! ```
//! # Source
//! kubernetes/kubernetes `pkg/controller/podautoscaler/horizontal.go#stabilizeRecommendation`,
//! `#stabilizeRecommendationWithBehaviors`, `#calculateScaleUpLimitWithScalingRules`,
//! `#calculateScaleDownLimitWithBehaviors`, `#convertDesiredReplicasWithBehaviorRate`.

use std::cmp::Ordering;

pub use crate::cluster::workload::{PolicyType, ScalingPolicy, SelectPolicy};

/// Rules of one direction, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingRules {
    /// Stabilization window, in seconds.
    pub window_seconds: u32,
    /// Which policy counts.
    pub select_policy: SelectPolicy,
    /// Policies.
    pub policies: Vec<ScalingPolicy>,
}

/// `behavior`, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behavior {
    /// Upwards.
    pub scale_up: ScalingRules,
    /// Downwards.
    pub scale_down: ScalingRules,
}

/// A recommendation or a change of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Replicas recommended, or by how many the count changed.
    pub replicas: u32,
    /// How long ago, in seconds.
    pub seconds_ago: u32,
}

/// Least and most replicas of an autoscaler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaBounds {
    /// `minReplicas`.
    pub least: u32,
    /// `maxReplicas`.
    pub most: u32,
}

/// How far one reconcile without `behavior` may raise the count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// To so many times the count.
    pub factor: f64,
    /// To this count in any case.
    pub least: u32,
}

/// The recommendation without `behavior`: the greatest of the window, both its ends included.
pub fn stabilize(now: u32, past: &[Past], window_seconds: u32) -> u32 {
    let recent = past.iter().filter(|past| past.seconds_ago <= window_seconds);
    recent.map(|past| past.replicas).fold(now, u32::max)
}

/// The recommendation with `behavior`; only what is younger than a window counts in it.
pub fn stabilize_with(behavior: &Behavior, current: u32, now: u32, past: &[Past]) -> u32 {
    let younger = |rules: &ScalingRules, past: &&Past| past.seconds_ago < rules.window_seconds;
    let up = past.iter().filter(|past| younger(&behavior.scale_up, past));
    let up = up.map(|past| past.replicas).fold(now, u32::min);
    let down = past.iter().filter(|past| younger(&behavior.scale_down, past));
    let down = down.map(|past| past.replicas).fold(now, u32::max);
    current.max(up).min(down)
}

/// The count without `behavior` inside its bounds, and how far one reconcile may grow.
pub fn normalize(current: u32, desired: u32, bounds: ReplicaBounds, growth: Growth) -> u32 {
    let limit = ((f64::from(current) * growth.factor) as u32).max(growth.least);
    desired.max(bounds.least).min(bounds.most.min(limit))
}

/// Where a period began, from what changed in it.
fn period_start(current: u32, period: u32, ups: &[Past], downs: &[Past]) -> i64 {
    let changed = |events: &[Past]| -> i64 {
        let recent = events.iter().filter(|event| event.seconds_ago < period);
        recent.map(|event| i64::from(event.replicas)).sum()
    };
    i64::from(current) - changed(ups) + changed(downs)
}

/// Most replicas that the policies allow now.
pub fn scale_up_limit(rules: &ScalingRules, current: u32, ups: &[Past], downs: &[Past]) -> u32 {
    let limit = |policy: &ScalingPolicy| {
        let start = period_start(current, policy.period_seconds, ups, downs);
        match policy.kind {
            PolicyType::Pods => start + i64::from(policy.value),
            PolicyType::Percent => {
                (start as f64 * (1.0 + f64::from(policy.value) / 100.0)).ceil() as i64
            }
        }
    };
    let limits = rules.policies.iter().map(limit);
    let chosen = match rules.select_policy {
        SelectPolicy::Disabled => None,
        SelectPolicy::Max => limits.max(),
        SelectPolicy::Min => limits.min(),
    };
    // Never below what there is: scaling up then waits until earlier events are out of the period.
    chosen.map_or(current, |limit| limit.max(i64::from(current)) as u32)
}

/// Least replicas that the policies allow now.
pub fn scale_down_limit(rules: &ScalingRules, current: u32, ups: &[Past], downs: &[Past]) -> u32 {
    let limit = |policy: &ScalingPolicy| {
        let start = period_start(current, policy.period_seconds, ups, downs);
        match policy.kind {
            PolicyType::Pods => start - i64::from(policy.value),
            PolicyType::Percent => (start as f64 * (1.0 - f64::from(policy.value) / 100.0)) as i64,
        }
    };
    let limits = rules.policies.iter().map(limit);
    let chosen = match rules.select_policy {
        SelectPolicy::Disabled => None,
        SelectPolicy::Max => limits.min(),
        SelectPolicy::Min => limits.max(),
    };
    chosen.map_or(current, |limit| limit.clamp(0, i64::from(current)) as u32)
}

/// The count that policies and bounds allow.
pub fn limit_rate(
    behavior: &Behavior,
    current: u32,
    desired: u32,
    bounds: ReplicaBounds,
    ups: &[Past],
    downs: &[Past],
) -> u32 {
    match desired.cmp(&current) {
        Ordering::Greater => {
            let limit = scale_up_limit(&behavior.scale_up, current, ups, downs);
            desired.min(bounds.most.min(limit))
        }
        Ordering::Less => {
            let limit = scale_down_limit(&behavior.scale_down, current, ups, downs);
            desired.max(bounds.least.max(limit))
        }
        Ordering::Equal => desired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(window_seconds: u32, policies: &[(PolicyType, u32, u32)]) -> ScalingRules {
        let policy = |&(kind, value, period_seconds)| ScalingPolicy { kind, value, period_seconds };
        ScalingRules {
            window_seconds,
            select_policy: SelectPolicy::Max,
            policies: policies.iter().map(policy).collect(),
        }
    }

    /// Worked by hand: entries {6}, current 4, raw 3 gives 4 with both windows set.
    #[test]
    fn neither_window_is_contradicted() {
        let behavior = Behavior { scale_up: rules(60, &[]), scale_down: rules(60, &[]) };
        let past = [Past { replicas: 6, seconds_ago: 30 }];
        assert_eq!(stabilize_with(&behavior, 4, 3, &past), 4);
    }

    /// KEP 853's default up: the greater of 4 pods and 100 % in 15 s.
    #[test]
    fn the_default_policies_double_or_add_four() {
        let up = rules(0, &[(PolicyType::Pods, 4, 15), (PolicyType::Percent, 100, 15)]);
        assert_eq!(scale_up_limit(&up, 1, &[], &[]), 5);
        assert_eq!(scale_up_limit(&up, 9, &[], &[]), 18);
        let added = [Past { replicas: 4, seconds_ago: 10 }];
        assert_eq!(scale_up_limit(&up, 5, &added, &[]), 5);
    }

    #[test]
    fn a_disabled_direction_stays() {
        let still = ScalingRules { select_policy: SelectPolicy::Disabled, ..rules(0, &[]) };
        assert_eq!(scale_up_limit(&still, 7, &[], &[]), 7);
        assert_eq!(scale_down_limit(&still, 7, &[], &[]), 7);
    }
}
