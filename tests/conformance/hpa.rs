//! The horizontal pod autoscaler.

use runrate::cluster::autoscale::hpa::{
    Container, Hpa, Metric, Observed, Resource, Rules,
    behavior::{
        Behavior, Past, PolicyType, ScalingPolicy, ScalingRules, SelectPolicy, limit_rate,
        normalize, stabilize, stabilize_with,
    },
    replicas::{
        Phase, PodReading, PodTarget, Readiness, Sample, Tolerance, Totals, average_value_replicas,
        largest, pod_metric_replicas, value_replicas,
    },
};
use runrate::cluster::autoscale::hpa::{
    Reconciles,
    behavior::{Growth, ReplicaBounds},
};
use serde::Deserialize;

use super::{run, same};

/// The moment of every case [s].
const NOW: i64 = 100_000;

#[derive(Debug, Deserialize)]
struct Pod {
    #[serde(default = "one")]
    count: usize,
    usage: Option<i64>,
    #[serde(default)]
    request: i64,
    /// What one container of the pod uses and requests.
    container_usage: Option<i64>,
    container_request: Option<i64>,
    #[serde(default = "running")]
    phase: String,
    #[serde(default)]
    deleting: bool,
    #[serde(default = "yes")]
    ready: bool,
    #[serde(default = "hour")]
    started_seconds_ago: i64,
    #[serde(default = "minute_less")]
    ready_changed_seconds_ago: i64,
    #[serde(default)]
    sample_seconds_ago: i64,
    #[serde(default = "minute")]
    window_seconds: i64,
}

fn one() -> usize {
    1
}
fn running() -> String {
    "Running".into()
}
fn yes() -> bool {
    true
}
fn hour() -> i64 {
    3600
}
fn minute_less() -> i64 {
    3540
}
fn minute() -> i64 {
    60
}

impl Pod {
    fn reading(&self) -> PodReading {
        PodReading {
            phase: match &*self.phase {
                "Pending" => Phase::Pending,
                "Failed" => Phase::Failed,
                _ => Phase::Running,
            },
            deleting: self.deleting,
            ready: Some((self.ready, NOW - self.ready_changed_seconds_ago)),
            started: Some(NOW - self.started_seconds_ago),
            sample: self.usage.map(|usage| Sample {
                usage,
                at: NOW - self.sample_seconds_ago,
                window: self.window_seconds,
            }),
            request: self.request,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Replicas {
    function: String,
    current: u32,
    target: i64,
    tolerance: Option<f64>,
    tolerance_up: Option<f64>,
    tolerance_down: Option<f64>,
    cpu_initialization_seconds: i64,
    initial_readiness_seconds: i64,
    cpu: bool,
    value: Option<i64>,
    #[serde(default)]
    pods: Vec<Pod>,
    expect: Option<u32>,
}

/// A metric of one container, by its request and its share of what the pods use.
fn of_container(
    case: &Replicas,
    pods: &Totals,
    target: PodTarget,
    tolerance: Tolerance,
) -> Option<u32> {
    let sum = |of: fn(&Pod) -> Option<i64>| case.pods.iter().filter_map(of).sum::<i64>() as f64;
    let share = sum(|pod| pod.container_usage) / sum(|pod| pod.usage);
    let request = case.pods[0].container_request.unwrap_or(0);
    let metric = Metric::Container(Container { resource: Resource::Cpu, request, share }, target);
    let seen = Observed { cpu: *pods, ..Observed::default() };
    metric.replicas(case.current, &seen, tolerance)
}

#[test]
fn replicas_of_one_metric() {
    run("hpa_replicas.toml", 124, |case: &Replicas| {
        let both = case.tolerance.unwrap_or(0.1);
        let tolerance = Tolerance {
            up: case.tolerance_up.unwrap_or(both),
            down: case.tolerance_down.unwrap_or(both),
        };
        let pods: Vec<PodReading> = case
            .pods
            .iter()
            .flat_map(|pod| std::iter::repeat_n(pod.reading(), pod.count))
            .collect();
        let readiness = Readiness {
            // Readiness plays a part for CPU alone, whatever the metric's pods look like.
            cpu: case.cpu && case.function != "pods-average-value",
            cpu_initialization_seconds: case.cpu_initialization_seconds,
            initial_readiness_seconds: case.initial_readiness_seconds,
        };
        let totals = Totals::of_pods(&pods, NOW, &readiness);
        let of_pods = |target| pod_metric_replicas(case.current, &totals, target, tolerance);
        let usage = case.value.unwrap_or(0);
        let got = match &*case.function {
            "resource-utilization" => of_pods(PodTarget::Utilization(case.target)),
            "container-utilization" => {
                of_container(case, &totals, PodTarget::Utilization(case.target), tolerance)
            }
            "container-average-value" => {
                of_container(case, &totals, PodTarget::AverageValue(case.target), tolerance)
            }
            "resource-average-value" | "pods-average-value" => {
                of_pods(PodTarget::AverageValue(case.target))
            }
            "object-value" | "external-value" => {
                let ready = |pod: &&PodReading| {
                    pod.phase == Phase::Running && pod.ready.is_some_and(|(ready, _)| ready)
                };
                let ready = pods.iter().filter(ready).count() as u32;
                let ready = (!pods.is_empty()).then_some(ready);
                value_replicas(case.current, usage, case.target, ready, tolerance)
            }
            "object-average-value" | "external-average-value" => {
                Some(average_value_replicas(case.current, usage, case.target, tolerance))
            }
            other => panic!("{other}"),
        };
        Some(same(got, case.expect))
    });
}

#[derive(Debug, Deserialize)]
struct Policy {
    r#type: PolicyType,
    value: u32,
    period: u32,
}

#[derive(Debug, Deserialize)]
struct Scaling {
    window: u32,
    select_policy: SelectPolicy,
    policies: Vec<Policy>,
}

impl Scaling {
    fn rules(&self) -> ScalingRules {
        let policy = |policy: &Policy| ScalingPolicy {
            kind: policy.r#type,
            value: policy.value,
            period_seconds: policy.period,
        };
        ScalingRules {
            window_seconds: self.window,
            select_policy: self.select_policy,
            policies: self.policies.iter().map(policy).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Recommendation {
    replicas: u32,
    seconds_ago: u32,
}

#[derive(Debug, Deserialize)]
struct Change {
    change: u32,
    seconds_ago: u32,
}

#[derive(Debug, Deserialize)]
struct Rates {
    function: String,
    current: u32,
    desired: u32,
    min: u32,
    max: u32,
    scale_up: Option<Scaling>,
    scale_down: Option<Scaling>,
    #[serde(default)]
    recommendations: Vec<Recommendation>,
    #[serde(default)]
    scale_up_events: Vec<Change>,
    #[serde(default)]
    scale_down_events: Vec<Change>,
    downscale_window: Option<u32>,
    expect: u32,
}

#[test]
fn windows_and_rates() {
    run("hpa_behavior.toml", 130, |case: &Rates| {
        let past: Vec<Past> = case
            .recommendations
            .iter()
            .map(|past| Past { replicas: past.replicas, seconds_ago: past.seconds_ago })
            .collect();
        let events = |events: &[Change]| -> Vec<Past> {
            let past = |e: &Change| Past { replicas: e.change, seconds_ago: e.seconds_ago };
            events.iter().map(past).collect()
        };
        let (ups, downs) = (events(&case.scale_up_events), events(&case.scale_down_events));
        let bounds = ReplicaBounds { least: case.min, most: case.max };
        let behavior = || Behavior {
            scale_up: case.scale_up.as_ref().unwrap().rules(),
            scale_down: case.scale_down.as_ref().unwrap().rules(),
        };
        let limit = |desired| limit_rate(&behavior(), case.current, desired, bounds, &ups, &downs);
        let got = match &*case.function {
            "rate" => limit(case.desired),
            "stabilize" => stabilize_with(&behavior(), case.current, case.desired, &past),
            "behavior" => limit(stabilize_with(&behavior(), case.current, case.desired, &past)),
            "normalize" => {
                let window = case.downscale_window.unwrap_or(300);
                let stable = stabilize(case.desired, &past, window);
                normalize(case.current, stable, bounds, Growth { factor: 2.0, least: 4 })
            }
            other => panic!("{other}"),
        };
        Some(same(got, case.expect))
    });
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Proposal {
    Replicas(u32),
    Failed(#[allow(dead_code)] String),
}

#[derive(Debug, Deserialize)]
struct Several {
    function: String,
    current: u32,
    proposals: Vec<Proposal>,
    min: Option<u32>,
    max: Option<u32>,
    expect: Option<u32>,
}

#[test]
fn several_metrics_and_bounds() {
    run("hpa_metrics.toml", 24, |case: &Several| {
        let proposals: Vec<Option<u32>> = case
            .proposals
            .iter()
            .map(|proposal| match proposal {
                Proposal::Replicas(replicas) => Some(*replicas),
                Proposal::Failed(_) => None,
            })
            .collect();
        let proposal = largest(case.current, &proposals);
        if case.function == "combine" {
            return Some(same(proposal, case.expect));
        }
        let rules = Rules {
            min_replicas: case.min.unwrap(),
            max_replicas: case.max.unwrap(),
            metrics: Vec::new(),
            tolerance: Tolerance::symmetric(0.1),
            behavior: None,
            stabilization_seconds: 300,
            scale_up_factor: 2.0,
            scale_up_minimum: 4,
            reconciles: Reconciles { per_tick: 1, seconds: 15 },
            band: None,
            keda: None,
        };
        let verdict = Hpa::default().reconcile(0, case.current, proposal, &rules);
        Some(same(Some(verdict.replicas), case.expect))
    });
}
