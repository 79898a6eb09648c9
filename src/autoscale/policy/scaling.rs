//! Autoscalers: the spec with every default filled in, and what contradicts in it.

use super::{Inputs, deployment::Report};
use crate::{
    autoscale::{
        hpa::{
            Band, Metric, Rules, Signal,
            behavior::{Behavior, PolicyType, ScalingPolicy, ScalingRules},
            replicas::{PodTarget, Tolerance},
        },
        settings::FeatureGate,
    },
    shapes::{HpaDefaults, PolicyDefault},
    workload::{self, MetricName, MetricType, Workload},
};

/// The rules of a workload's autoscaler.
pub(super) fn rules(
    inputs: &Inputs<'_>,
    hpa: &workload::Hpa,
    report: &mut Report<'_>,
) -> Option<Rules> {
    let defaults = &inputs.catalog.controllers.hpa;
    let metrics = metrics(hpa, defaults, report)?;
    let tolerance = tolerance(hpa, defaults);
    let band = match *metrics {
        [Metric::Cpu(PodTarget::Utilization(target))] => Some(Band::new(target, tolerance)),
        _ => None,
    };
    let behavior = hpa.behavior.as_ref().map(|behavior| with_defaults(hpa, behavior, defaults));
    let ticks = inputs.tick_seconds / defaults.sync_period_seconds;
    Some(Rules {
        min_replicas: hpa.min_replicas.unwrap_or(defaults.min_replicas),
        max_replicas: hpa.max_replicas,
        metrics,
        tolerance,
        behavior,
        stabilization_seconds: hpa
            .scale_down_stabilization_seconds
            .unwrap_or(defaults.scale_down_stabilization_seconds),
        scale_up_factor: defaults.scale_up_factor,
        scale_up_minimum: defaults.scale_up_minimum,
        reconciles: (ticks.max(1), defaults.sync_period_seconds),
        band,
    })
}

fn tolerance(hpa: &workload::Hpa, defaults: &HpaDefaults) -> Tolerance {
    let both = hpa.tolerance.unwrap_or(defaults.tolerance);
    let of = |scaling: fn(&workload::Behavior) -> Option<f64>| {
        hpa.behavior.as_ref().and_then(scaling).unwrap_or(both)
    };
    Tolerance {
        down: of(|behavior| behavior.scale_down.tolerance),
        up: of(|behavior| behavior.scale_up.tolerance),
    }
}

fn with_defaults(
    hpa: &workload::Hpa,
    behavior: &workload::Behavior,
    defaults: &HpaDefaults,
) -> Behavior {
    let rules = |given: &workload::Scaling, window: u32, policies: &[PolicyDefault]| ScalingRules {
        window_seconds: given.stabilization_window_seconds.unwrap_or(window),
        select_policy: given.select_policy.unwrap_or_default(),
        policies: given.policies.clone().unwrap_or_else(|| policies.iter().map(policy).collect()),
    };
    let down =
        hpa.scale_down_stabilization_seconds.unwrap_or(defaults.scale_down_stabilization_seconds);
    let up = defaults.scale_up_window_seconds;
    Behavior {
        scale_up: rules(&behavior.scale_up, up, &defaults.scale_up_policies),
        scale_down: rules(&behavior.scale_down, down, &defaults.scale_down_policies),
    }
}

fn policy(default: &PolicyDefault) -> ScalingPolicy {
    let kind = if default.kind == "Pods" { PolicyType::Pods } else { PolicyType::Percent };
    ScalingPolicy { kind, value: default.value, period_seconds: default.period_seconds }
}

/// The metrics; `None` once a problem was reported.
fn metrics(
    hpa: &workload::Hpa,
    defaults: &HpaDefaults,
    report: &mut Report<'_>,
) -> Option<Vec<Metric>> {
    if hpa.metrics.is_empty() {
        let target = hpa.target_cpu_utilization.unwrap_or(defaults.target_cpu_utilization);
        return Some(vec![Metric::Cpu(PodTarget::Utilization(i64::from(target)))]);
    }
    if hpa.target_cpu_utilization.is_some() {
        let message = "give metrics or target_cpu_utilization, not both".to_owned();
        report.add("hpa.target_cpu_utilization", message);
        return None;
    }
    let mut metrics = Vec::new();
    for (index, given) in hpa.metrics.iter().enumerate() {
        match metric(given) {
            Ok(metric) => metrics.push(metric),
            Err(message) => report.add(&format!("hpa.metrics.{index}"), message.into()),
        }
    }
    (metrics.len() == hpa.metrics.len()).then_some(metrics)
}

fn metric(given: &workload::Metric) -> Result<Metric, &'static str> {
    let milli = |value: f64| (value * 1000.0).round().max(1.0) as i64;
    let whole = |value: f64| value.round().max(1.0) as i64;
    let signal = match given.name {
        MetricName::RequestsPerSecond => Some(Signal::RequestsPerSecond),
        MetricName::Concurrency => Some(Signal::Concurrency),
        MetricName::Cpu | MetricName::Memory => None,
    };
    let targets = (given.average_utilization, given.average_value, given.value);
    match (given.kind, signal, targets) {
        (MetricType::Resource, None, targets) => {
            let target = match targets {
                (Some(percent), None, None) => PodTarget::Utilization(i64::from(percent)),
                (None, Some(value), None) => PodTarget::AverageValue(whole(value)),
                _ => return Err("a Resource metric takes average_utilization or average_value"),
            };
            let cpu = given.name == MetricName::Cpu;
            Ok(if cpu { Metric::Cpu(target) } else { Metric::Memory(target) })
        }
        (MetricType::Resource, Some(_), _) => Err("a Resource metric is named cpu or memory"),
        (_, None, _) => Err("cpu and memory are of type Resource"),
        (MetricType::Pods, Some(signal), (None, Some(value), None)) => {
            Ok(Metric::Pods(signal, PodTarget::AverageValue(milli(value))))
        }
        (MetricType::Pods, ..) => Err("a Pods metric takes average_value"),
        (MetricType::External, Some(signal), (None, Some(value), None)) => {
            Ok(Metric::ExternalAverageValue(signal, milli(value)))
        }
        (MetricType::External, Some(signal), (None, None, Some(value))) => {
            Ok(Metric::ExternalValue(signal, milli(value)))
        }
        (MetricType::External, ..) => Err("an External metric takes value or average_value"),
    }
}

/// What contradicts in the rules of a workload.
pub(super) fn check(
    inputs: &Inputs<'_>,
    rules: &Rules,
    workload: &Workload,
    report: &mut Report<'_>,
) {
    let (least, most) = (rules.min_replicas, rules.max_replicas);
    if most < least {
        let message = format!("{most} is below min_replicas ({least}); give {least} or more");
        report.add("hpa.max_replicas", message);
    }
    if least == 0 {
        check_zero(inputs, rules, report);
    }
    let utilization = |metric: &Metric| {
        matches!(
            metric,
            Metric::Cpu(PodTarget::Utilization(_)) | Metric::Memory(PodTarget::Utilization(_))
        )
    };
    if let Some(band) = rules.band {
        let reached = workload.limits.map(|limits| {
            (100.0 * limits.cpu_millicores / workload.requests.cpu_millicores).trunc()
        });
        if let Some(reached) = reached.filter(|reached| *reached <= band.high() as f64) {
            let message = format!(
                "can never ask for more pods: the CPU limit ends at {reached} % of the request, inside the tolerance of {} %; lower the target or raise the limit",
                band.target()
            );
            report.add("hpa.target_cpu_utilization", message);
        }
    }
    let by_cpu = rules.metrics.iter().any(|metric| utilization(metric) && metric.name() == "cpu");
    if by_cpu && workload.requests.cpu_millicores <= 0.0 {
        let message = "CPU utilization needs a CPU request above 0".into();
        report.add("requests.cpu_millicores", message);
    }
    let by_memory =
        rules.metrics.iter().any(|metric| utilization(metric) && metric.name() == "memory");
    if by_memory && workload.requests.memory_mib <= 0.0 {
        let message = "memory utilization needs a memory request above 0".into();
        report.add("requests.memory_mib", message);
    }
}

fn check_zero(inputs: &Inputs<'_>, rules: &Rules, report: &mut Report<'_>) {
    let external = |metric: &Metric| {
        matches!(metric, Metric::ExternalValue(..) | Metric::ExternalAverageValue(..))
    };
    let gated = inputs.cluster.feature_gates.contains(&FeatureGate::HpaScaleToZero);
    let needs = inputs.catalog.controllers.hpa.zero_gate.needs(inputs.kubernetes_minor);
    if let Some(needs) = needs.filter(|_| !gated) {
        let message = format!(
            "0 needs {needs}; give 1 or more, set eks.version, or list the gate in cluster.feature_gates"
        );
        report.add("hpa.min_replicas", message);
    } else if !rules.metrics.iter().any(external) {
        let message = "0 needs a metric of type External: pods that are not there have no CPU";
        report.add("hpa.min_replicas", message.into());
    }
}
