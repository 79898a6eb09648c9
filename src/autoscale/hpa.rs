//! The horizontal pod autoscaler on CPU utilization.
//!
//! # Formula
//! ```text
//! u  = trunc(100 × usage / (ready × request))      whole percent, as the controller computes it
//! r  = u / target
//! n  = current                 when 1 − tolerance ≤ r ≤ 1 + tolerance
//!    = ceil(r × ready)         otherwise; not-ready pods count as 0 % when r > 1
//! wish = min(max(recommendations of the last window), 2 × current or 4 per reconcile, max)
//! ```
//! # Source
//! kubernetes/kubernetes `pkg/controller/podautoscaler/replica_calculator.go#GetResourceReplicas`,
//! `horizontal.go#stabilizeRecommendation`, `#calculateScaleUpLimit`.
//! # Limits
//! CPU utilization only, no behavior policies. One tick of a minute holds four reconciles on one
//! sample; they act as one, with four times the scale-up allowance.

use std::collections::VecDeque;

use super::Second;

/// What the metrics pipeline shows of a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// CPU over all ready pods [millicores].
    pub usage: f64,
    /// Request of one pod [millicores].
    pub request: f64,
    /// Pods with a sample.
    pub ready: u32,
    /// Pods without one: pending or starting.
    pub unready: u32,
}

/// The autoscaler's settings with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Least replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
    /// Target CPU and what counts as near enough.
    pub band: Band,
    /// How long a lower recommendation must hold [seconds].
    pub stabilization_seconds: Second,
    /// Growth allowed in one tick, over all its reconciles.
    pub scale_up_factor: f64,
    /// Replicas always allowed.
    pub scale_up_minimum: u32,
}

/// Whole percents of the target inside which nothing changes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    target: u32,
    low: u32,
    high: u32,
}

impl Band {
    /// The band of a target [percent of request] and a tolerance as a fraction. The controller compares
    /// ratios; utilization is a whole percent, so the comparison has two whole ends.
    pub fn new(target: u32, tolerance: f64) -> Self {
        let ratio = |percent: u32| f64::from(percent) / f64::from(target);
        let most = 2 * target + 2;
        let inside = |percent: &u32| (1.0 - tolerance..=1.0 + tolerance).contains(&ratio(*percent));
        let low = (0..=most).find(inside).unwrap_or(target);
        let high = (0..=most).rev().find(inside).unwrap_or(target);
        Self { target, low, high }
    }

    /// The target [percent of request].
    pub fn target(&self) -> u32 {
        self.target
    }

    /// Greatest utilization at which nothing changes [percent of request].
    pub fn high(&self) -> u32 {
        self.high
    }

    fn holds(&self, percent: u32) -> bool {
        (self.low..=self.high).contains(&percent)
    }

    fn wish(&self, percent: u32, pods: u32) -> u32 {
        (f64::from(percent) / f64::from(self.target) * f64::from(pods)).ceil() as u32
    }
}

/// Replicas that one CPU metric asks for; `None` when no pod has a sample.
pub fn desired_replicas(current: u32, reading: &Reading, band: &Band) -> Option<u32> {
    let percent = |pods: u32| (100.0 * reading.usage / (f64::from(pods) * reading.request)) as u32;
    if reading.ready == 0 || reading.request <= 0.0 {
        return None;
    }
    let sampled = percent(reading.ready);
    if reading.unready == 0 || sampled <= band.target {
        let inside = band.holds(sampled);
        return Some(if inside { current } else { band.wish(sampled, reading.ready) });
    }
    let all = reading.ready + reading.unready;
    let filled = percent(all);
    if band.holds(filled) || filled < band.target {
        return Some(current);
    }
    Some(band.wish(filled, all).max(current))
}

/// The autoscaler's memory: recommendations of the stabilization window that can still matter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hpa {
    /// Falling in value, rising in time: the front is the greatest of the window.
    recommendations: VecDeque<(Second, u32)>,
}

impl Hpa {
    /// One reconcile: the replicas to ask for now.
    pub fn reconcile(
        &mut self,
        now: Second,
        current: u32,
        reading: &Reading,
        rules: &Rules,
    ) -> u32 {
        if current == 0 {
            return 0; // autoscaling is off
        }
        if current > rules.max_replicas || current < rules.min_replicas {
            return current.clamp(rules.min_replicas, rules.max_replicas);
        }
        let Some(wish) = desired_replicas(current, reading, &rules.band) else {
            return current;
        };
        let stable = self.stabilize(now, wish, rules.stabilization_seconds);
        let doubled = (f64::from(current) * rules.scale_up_factor) as u32;
        let limit = doubled.max(rules.scale_up_minimum);
        stable.clamp(rules.min_replicas, rules.max_replicas).min(limit)
    }

    fn stabilize(&mut self, now: Second, wish: u32, window: Second) -> u32 {
        while self.recommendations.back().is_some_and(|(_, kept)| *kept <= wish) {
            self.recommendations.pop_back();
        }
        self.recommendations.push_back((now, wish));
        while self.recommendations.front().is_some_and(|(at, _)| at + window <= now && *at < now) {
            self.recommendations.pop_front();
        }
        self.recommendations.front().map_or(wish, |(_, greatest)| *greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(usage: f64, ready: u32, unready: u32) -> Reading {
        Reading { usage, request: 100.0, ready, unready }
    }

    fn rules() -> Rules {
        Rules {
            min_replicas: 2,
            max_replicas: 50,
            band: Band::new(60, 0.1),
            stabilization_seconds: 300,
            scale_up_factor: 2.0,
            scale_up_minimum: 4,
        }
    }

    /// Worked examples of the sizing reference, 1.3: 80, 80, 90, 90 % with target 60.
    #[test]
    fn the_reference_examples_hold() {
        assert_eq!(desired_replicas(4, &reading(340.0, 4, 0), &Band::new(60, 0.1)), Some(6));
        // The last one not ready: 250 over 3 is 83 %, refilled 62 %, 1.03: inside tolerance.
        assert_eq!(desired_replicas(4, &reading(250.0, 3, 1), &Band::new(60, 0.1)), Some(4));
    }

    #[test]
    fn the_percent_is_whole_and_the_band_is_inclusive() {
        // 66.9 % truncates to 66: ratio 1.1, the band's end.
        assert_eq!(desired_replicas(10, &reading(669.0, 10, 0), &Band::new(60, 0.1)), Some(10));
        assert_eq!(desired_replicas(10, &reading(670.0, 10, 0), &Band::new(60, 0.1)), Some(12));
        assert_eq!(desired_replicas(10, &reading(540.0, 10, 0), &Band::new(60, 0.1)), Some(10));
        assert_eq!(desired_replicas(10, &reading(539.0, 10, 0), &Band::new(60, 0.1)), Some(9));
    }

    #[test]
    fn no_sample_changes_nothing() {
        assert_eq!(desired_replicas(4, &reading(0.0, 0, 4), &Band::new(60, 0.1)), None);
        assert_eq!(Hpa::default().reconcile(0, 4, &reading(0.0, 0, 4), &rules()), 4);
    }

    #[test]
    fn a_lower_wish_waits_for_the_window() {
        let mut hpa = Hpa::default();
        assert_eq!(hpa.reconcile(0, 10, &reading(600.0, 10, 0), &rules()), 10);
        for minute in 1..5 {
            assert_eq!(hpa.reconcile(minute * 60, 10, &reading(300.0, 10, 0), &rules()), 10);
        }
        assert_eq!(hpa.reconcile(300, 10, &reading(300.0, 10, 0), &rules()), 5);
    }

    #[test]
    fn growth_is_limited_per_reconcile_and_by_the_bounds() {
        let mut hpa = Hpa::default();
        assert_eq!(hpa.reconcile(0, 3, &reading(3000.0, 3, 0), &rules()), 6);
        assert_eq!(Hpa::default().reconcile(0, 40, &reading(40_000.0, 40, 0), &rules()), 50);
        assert_eq!(Hpa::default().reconcile(0, 1, &reading(1.0, 1, 0), &rules()), 2);
        assert_eq!(Hpa::default().reconcile(0, 0, &reading(1.0, 1, 0), &rules()), 0);
    }
}
