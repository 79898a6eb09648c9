use proptest::prelude::*;

use super::{
    behavior::{PolicyType, ScalingPolicy, ScalingRules, SelectPolicy},
    *,
};

fn rules() -> Rules {
    let tolerance = Tolerance::symmetric(0.1);
    Rules {
        min_replicas: 2,
        max_replicas: 50,
        metrics: vec![Metric::Cpu(PodTarget::Utilization(60))],
        tolerance,
        behavior: None,
        stabilization_seconds: 300,
        scale_up_factor: 2.0,
        scale_up_minimum: 4,
        reconciles: Reconciles { per_tick: 1, seconds: 15 },
        band: Some(Band::new(60, tolerance)),
        keda: None,
    }
}

#[test]
fn a_lower_wish_waits_for_the_window() {
    let (mut hpa, rules) = (Hpa::default(), rules());
    assert_eq!(hpa.reconcile(0, 10, Some(10), &rules).replicas, 10);
    for minute in 1..5 {
        let verdict = hpa.reconcile(minute * 60, 10, Some(5), &rules);
        assert_eq!((verdict.replicas, verdict.bound), (10, Bound::ScaleDownStabilized));
    }
    assert_eq!(hpa.reconcile(300, 10, Some(5), &rules).replicas, 5);
}

/// A controller that has just started does not follow the first low recommendation: what there is
/// counts as one of its own, for the window's five minutes.
#[test]
fn the_first_recommendation_is_what_there_is() {
    let (mut hpa, rules) = (Hpa::default(), rules());
    let verdict = hpa.reconcile(0, 10, Some(4), &rules);
    assert_eq!((verdict.replicas, verdict.bound), (10, Bound::ScaleDownStabilized));
    assert_eq!(hpa.reconcile(285, 10, Some(4), &rules).replicas, 10);
    assert_eq!(hpa.reconcile(300, 10, Some(4), &rules).replicas, 4);
}

#[test]
fn growth_is_limited_per_reconcile_and_by_the_bounds() {
    let reconcile = |current, wish| Hpa::default().reconcile(0, current, Some(wish), &rules());
    let verdict = reconcile(3, 30);
    assert_eq!((verdict.replicas, verdict.bound), (6, Bound::ScaleUpLimit));
    let verdict = reconcile(40, 400);
    assert_eq!((verdict.replicas, verdict.bound), (50, Bound::TooManyReplicas));
    assert_eq!(reconcile(60, 55).replicas, 50);
    assert_eq!(reconcile(1, 1).replicas, 2);
    assert_eq!(reconcile(0, 1).bound, Bound::ScalingDisabled);
    let verdict = Hpa::default().reconcile(0, 7, None, &rules());
    assert_eq!((verdict.replicas, verdict.bound), (7, Bound::FailedGetMetrics));
}

/// KEP 853, "scale down as usual, but at most one pod a minute".
#[test]
fn a_policy_holds_over_its_period() {
    let policy =
        |value, period_seconds| ScalingPolicy { kind: PolicyType::Pods, value, period_seconds };
    let direction =
        |policies| ScalingRules { window_seconds: 0, select_policy: SelectPolicy::Max, policies };
    let behavior = Behavior {
        scale_up: direction(vec![policy(4, 15)]),
        scale_down: direction(vec![policy(1, 60)]),
    };
    let rules = Rules { behavior: Some(behavior), ..rules() };
    let mut hpa = Hpa::default();
    let mut current = 10;
    let mut counts = Vec::new();
    for tick in 0..9 {
        current = hpa.reconcile(tick * 15, current, Some(2), &rules).replicas;
        counts.push(current);
    }
    assert_eq!(counts, [9, 9, 9, 9, 8, 8, 8, 8, 7]);
}

/// Pods that are Running and Ready count, sampled or not: twice the value asks for twice four pods, of which
/// two have a sample (`replica_calculator.go#GetExternalMetricReplicas`, `#getReadyPodsCount`).
#[test]
fn a_value_goes_by_ready_pods() {
    let metric = Metric::ExternalValue(Signal::RequestsPerSecond, 100_000);
    let cpu = Totals { ready: 2, unready: 3, ..Totals::default() };
    let seen = Observed { cpu, ready: 4, requests_per_second: 200_000, ..Observed::default() };
    assert_eq!(metric.replicas(5, &seen, Tolerance::symmetric(0.1)), Some(8));
}

proptest! {
    /// The two windows keep what the whole list of recommendations would say.
    #[test]
    fn windows_agree_with_the_full_list(
        wishes in prop::collection::vec(2_u32..50, 1..120),
        up in 0_u32..400,
        down in 0_u32..400,
        current in 2_u32..50,
    ) {
        let direction = |window_seconds| ScalingRules {
            window_seconds,
            select_policy: SelectPolicy::Max,
            policies: vec![],
        };
        let behavior = Behavior { scale_up: direction(up), scale_down: direction(down) };
        let (mut highest, mut lowest) = (Window::default(), Window::default());
        for (index, wish) in wishes.iter().enumerate() {
            let now = index as u32 * 15;
            let past: Vec<Past> = wishes[..index]
                .iter()
                .enumerate()
                .map(|(at, replicas)| Past { replicas: *replicas, seconds_ago: now - at as u32 * 15 })
                .collect();
            let top = highest.push(now, *wish, down, |kept| kept <= *wish);
            let bottom = lowest.push(now, *wish, up, |kept| kept >= *wish);
            let naive = behavior::stabilize_with(&behavior, current, *wish, &past);
            prop_assert_eq!(current.max(bottom).min(top), naive);
        }
    }

    /// Sums over interchangeable pods give what pod by pod gives, inside bounds and never panicking.
    #[test]
    fn totals_agree_with_pods(
        usage in 0_i64..4000, request in 1_i64..2000, ready in 0_u32..40, missing in 0_u32..5,
        unready in 0_u32..10, target in 1_i64..200, current in 0_u32..60,
    ) {
        use replicas::{Phase, PodReading, Readiness, Sample, pod_metric_replicas};
        let pod = |sampled: bool, phase| PodReading {
            phase,
            deleting: false,
            ready: Some((true, 100)),
            started: Some(0),
            sample: sampled.then_some(Sample { usage, at: 9000, window: 60 }),
            request,
        };
        let pods: Vec<PodReading> = (0..ready)
            .map(|_| pod(true, Phase::Running))
            .chain((0..missing).map(|_| pod(false, Phase::Running)))
            .chain((0..unready).map(|_| pod(false, Phase::Pending)))
            .collect();
        let readiness =
            Readiness { cpu: true, cpu_initialization_seconds: 300, initial_readiness_seconds: 30 };
        let sum = |pods: u32| request * i64::from(pods);
        let totals = Totals {
            usage: usage * i64::from(ready),
            ready,
            ready_request: sum(ready),
            missing,
            missing_request: sum(missing),
            unready,
            unready_request: sum(unready),
            unrequested: 0,
        };
        prop_assert_eq!(Totals::of_pods(&pods, 9001, &readiness), totals);
        let wish = pod_metric_replicas(
            current, &totals, PodTarget::Utilization(target), Tolerance::symmetric(0.1));
        prop_assert_eq!(wish.is_none(), ready == 0);
        let band = Band::new(target, Tolerance::symmetric(0.1));
        if ready > 0 && missing == 0 && unready == 0 {
            let percent = 100 * totals.usage / totals.ready_request;
            if band.holds(percent) {
                prop_assert_eq!(wish, Some(current));
            }
        }
    }
}
