//! Autoscalers: the spec with every default filled in, and what contradicts in it.

use super::{Inputs, deployment::Report, keda};
use crate::cluster::autoscale::hpa::Reconciles;
use crate::{
    cluster::{
        autoscale::{
            hpa::{
                Activation, Band, Container, Keda, Metric, Resource, Rules, Signal,
                behavior::{Behavior, PolicyType, ScalingPolicy, ScalingRules},
                replicas::{PodTarget, Tolerance},
            },
            settings::FeatureGate,
        },
        workload::{self, MetricName, MetricType, Workload},
    },
    facts::shapes::{HpaDefaults, PolicyDefault},
};

/// The rules of a workload's autoscaler.
pub(super) fn rules(
    inputs: &Inputs<'_>,
    (workload, hpa): (&Workload, &workload::Hpa),
    report: &mut Report<'_>,
) -> Option<Rules> {
    let defaults = &inputs.catalog.controllers.hpa;
    let metrics = metrics(workload, hpa, defaults, report)?;
    let keda = keda(inputs, hpa, &metrics, report);
    let tolerance = tolerance(hpa, defaults);
    let band = match *metrics {
        [Metric::Cpu(PodTarget::Utilization(target))] => Some(Band::new(target, tolerance)),
        _ => None,
    };
    let behavior = hpa.behavior.as_ref().map(|behavior| with_defaults(hpa, behavior, defaults));
    let ticks = inputs.tick_seconds / defaults.sync_period_seconds;
    Some(Rules {
        min_replicas: if keda.is_some() {
            1
        } else {
            keda::least(hpa, hpa.min_replicas.unwrap_or(defaults.min_replicas))
        },
        max_replicas: hpa.max_replicas,
        metrics,
        tolerance,
        behavior,
        stabilization_seconds: hpa
            .scale_down_stabilization_seconds
            .unwrap_or(defaults.scale_down_stabilization_seconds),
        scale_up_factor: defaults.scale_up_factor,
        scale_up_minimum: defaults.scale_up_minimum,
        reconciles: Reconciles { per_tick: ticks.max(1), seconds: defaults.sync_period_seconds },
        band,
        keda,
    })
}

/// What KEDA does at 0 replicas; its autoscaler has a minimum of 1 then.
///
/// # Source
/// kedacore/keda `pkg/scaling/hpa`, `controllers/keda/hpa.go#getHPAMinReplicas`.
fn keda(
    inputs: &Inputs<'_>,
    hpa: &workload::Hpa,
    metrics: &[Metric],
    report: &mut Report<'_>,
) -> Option<Keda> {
    let given = hpa.keda.as_ref();
    if given.is_none() {
        for (index, _) in hpa.metrics.iter().enumerate().filter(|(_, m)| m.activation.is_some()) {
            let message = "is KEDA's, and hpa.keda is not given; add keda = {} or remove it".into();
            report.add(&format!("hpa.metrics.{index}.activation"), message);
        }
    }
    let given = given?;
    if let Some(least) = hpa.min_replicas.filter(|least| *least > 0) {
        let message = format!(
            "has an effect with min_replicas = 0 only, and it is {least}: KEDA's autoscaler works as any other; remove keda, or set min_replicas = 0"
        );
        report.add("hpa.keda", message);
        return None;
    }
    let activation = |(given, metric): (&workload::Metric, &Metric)| match *metric {
        Metric::ExternalValue(signal, _) | Metric::ExternalAverageValue(signal, _) => {
            let above = (given.activation.unwrap_or(0.0) * 1000.0).round() as i64;
            Some(Activation { signal, above })
        }
        _ => None,
    };
    let activations: Vec<Activation> =
        hpa.metrics.iter().zip(metrics).filter_map(activation).collect();
    if activations.is_empty() && hpa.schedules.is_empty() {
        let message = "needs a metric of type External, or schedules: CPU and memory cannot start the first pod".into();
        report.add("hpa.keda", message);
    }
    let defaults = &inputs.catalog.controllers.keda;
    Some(Keda {
        polling: given.polling_seconds.unwrap_or(defaults.polling_seconds),
        cooldown: given.cooldown_seconds.unwrap_or(defaults.cooldown_seconds),
        activations,
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
    workload: &Workload,
    hpa: &workload::Hpa,
    defaults: &HpaDefaults,
    report: &mut Report<'_>,
) -> Option<Vec<Metric>> {
    if hpa.metrics.is_empty() {
        // Without a trigger of CPU KEDA makes no metric of it.
        if !hpa.schedules.is_empty() && hpa.target_cpu_utilization.is_none() {
            return Some(Vec::new());
        }
        let target = hpa.target_cpu_utilization.unwrap_or(defaults.target_cpu_utilization);
        let target = PodTarget::Utilization(i64::from(target));
        return Some(vec![of_pod(workload, Resource::Cpu, target)]);
    }
    if hpa.target_cpu_utilization.is_some() {
        let message = "give metrics or target_cpu_utilization, not both".to_owned();
        report.add("hpa.target_cpu_utilization", message);
        return None;
    }
    let mut metrics = Vec::new();
    for (index, given) in hpa.metrics.iter().enumerate() {
        match metric(workload, given) {
            Ok(metric) => metrics.push(metric),
            Err(message) => report.add(&format!("hpa.metrics.{index}"), message),
        }
    }
    (metrics.len() == hpa.metrics.len()).then_some(metrics)
}

/// A metric of whole pods: without the request of one container their utilization has no value.
///
/// # Source
/// kubernetes/kubernetes `pkg/controller/podautoscaler/replica_calculator.go#calculateRequests`.
fn of_pod(workload: &Workload, resource: Resource, target: PodTarget) -> Metric {
    let unrequested = !names_without(workload, resource).is_empty();
    match (resource, target) {
        (_, PodTarget::Utilization(_)) if unrequested => Metric::Unrequested(resource),
        (Resource::Cpu, _) => Metric::Cpu(target),
        (Resource::Memory, _) => Metric::Memory(target),
    }
}

/// Containers that request nothing of a resource.
pub(super) fn names_without(workload: &Workload, resource: Resource) -> &[String] {
    let without = &workload.containers_without_request;
    match resource {
        Resource::Cpu => &without.cpu,
        Resource::Memory => &without.memory,
    }
}

fn of_container(
    workload: &Workload,
    given: &workload::Metric,
    resource: Resource,
    target: PodTarget,
) -> Result<Metric, String> {
    let Some(name) = &given.container else {
        return Err("a ContainerResource metric names its container: container = \"app\"".into());
    };
    let pod = match resource {
        Resource::Cpu => workload.requests.cpu_millicores,
        Resource::Memory => workload.requests.memory_mib,
    };
    let unrequested = names_without(workload, resource).contains(name);
    let request = match given.container_request {
        Some(request) if unrequested && request > 0.0 => {
            return Err(format!(
                "container_request is {request}, and containers_without_request.{} has {name}; remove one of them",
                resource.name()
            ));
        }
        Some(request) => request,
        None if unrequested => 0.0,
        None => pod,
    };
    if request > pod {
        return Err(format!(
            "container_request ({request}) is above the request of the pod ({pod}); give {pod} or less"
        ));
    }
    if request <= 0.0 && matches!(target, PodTarget::Utilization(_)) {
        if unrequested {
            return Ok(Metric::Unrequested(resource));
        }
        return Err(format!(
            "the utilization of {name} needs a request above 0; give container_request, or name it in containers_without_request.{}: the autoscaler then does nothing",
            resource.name()
        ));
    }
    let in_proportion = if request > 0.0 { request / pod } else { 1.0 };
    let share = given.usage_share.unwrap_or(in_proportion);
    if request >= pod && share >= 1.0 {
        // All of the pod: as a metric of it, which most ticks need no reconcile for.
        return Ok(match resource {
            Resource::Cpu => Metric::Cpu(target),
            Resource::Memory => Metric::Memory(target),
        });
    }
    Ok(Metric::Container(Container { resource, request: request.ceil() as i64, share }, target))
}

/// What a metric goes by.
enum Measured {
    Resource(Resource),
    Signal(Signal),
}

fn metric(workload: &Workload, given: &workload::Metric) -> Result<Metric, String> {
    let milli = |value: f64| (value * 1000.0).round().max(1.0) as i64;
    let whole = |value: f64| value.round().max(1.0) as i64;
    let of = match given.name {
        MetricName::RequestsPerSecond => Measured::Signal(Signal::RequestsPerSecond),
        MetricName::Concurrency => Measured::Signal(Signal::Concurrency),
        MetricName::QueueLength => Measured::Signal(Signal::QueueLength),
        MetricName::Cpu => Measured::Resource(Resource::Cpu),
        MetricName::Memory => Measured::Resource(Resource::Memory),
    };
    let of_one = [
        ("container", given.container.is_some()),
        ("container_request", given.container_request.is_some()),
        ("usage_share", given.usage_share.is_some()),
    ];
    let of_one = of_one.iter().find(|(_, given)| *given).map(|(key, _)| *key);
    if let Some(key) = of_one.filter(|_| given.kind != MetricType::ContainerResource) {
        return Err(format!(
            "{key} applies only to metrics of type ContainerResource; change type or remove it"
        ));
    }
    if given.activation.is_some() && given.kind != MetricType::External {
        return Err("only a metric of type External has an activation; remove it".into());
    }
    if given.name == MetricName::QueueLength && workload.queue.is_none() {
        return Err("queue_length needs a queue of the workload; add queue = {}".into());
    }
    let targets = (given.average_utilization, given.average_value, given.value);
    let refused = |message: &str| Err(message.to_owned());
    match (given.kind, of, targets) {
        (
            MetricType::Resource | MetricType::ContainerResource,
            Measured::Resource(resource),
            targets,
        ) => {
            let target = match targets {
                (Some(percent), None, None) => PodTarget::Utilization(i64::from(percent)),
                (None, Some(value), None) => PodTarget::AverageValue(whole(value)),
                _ if given.kind == MetricType::Resource => {
                    return refused("a Resource metric takes average_utilization or average_value");
                }
                _ => {
                    return refused(
                        "a ContainerResource metric takes average_utilization or average_value",
                    );
                }
            };
            if given.kind == MetricType::Resource {
                Ok(of_pod(workload, resource, target))
            } else {
                of_container(workload, given, resource, target)
            }
        }
        (MetricType::Resource, Measured::Signal(_), _) => {
            refused("a Resource metric is named cpu or memory")
        }
        (MetricType::ContainerResource, Measured::Signal(_), _) => {
            refused("a ContainerResource metric is named cpu or memory")
        }
        (_, Measured::Resource(_), _) => {
            refused("cpu and memory are of type Resource or ContainerResource")
        }
        (MetricType::Pods, Measured::Signal(Signal::QueueLength), _) => {
            refused("queue_length must be of type External: pods have no queue of their own")
        }
        (MetricType::Pods, Measured::Signal(signal), (None, Some(value), None)) => {
            Ok(Metric::Pods(signal, PodTarget::AverageValue(milli(value))))
        }
        (MetricType::Pods, ..) => refused("a Pods metric takes average_value"),
        (MetricType::External, Measured::Signal(signal), (None, Some(value), None)) => {
            Ok(Metric::ExternalAverageValue(signal, milli(value)))
        }
        (MetricType::External, Measured::Signal(signal), (None, None, Some(value))) => {
            Ok(Metric::ExternalValue(signal, milli(value)))
        }
        (MetricType::External, ..) => refused("an External metric takes value or average_value"),
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
                "can never add pods: the CPU limit is {reached} % of the request, inside the tolerance of {} %; lower the target or raise the limit",
                band.target()
            );
            report.add("hpa.target_cpu_utilization", message);
        }
    }
    let by_cpu = rules.metrics.iter().any(|metric| utilization(metric) && metric.name() == "cpu");
    if by_cpu && workload.requests.cpu_millicores <= 0.0 {
        let message = "CPU utilization needs a CPU request above 0; give one, or name the containers in containers_without_request.cpu: the autoscaler then does nothing".into();
        report.add("requests.cpu_millicores", message);
    }
    let by_memory =
        rules.metrics.iter().any(|metric| utilization(metric) && metric.name() == "memory");
    if by_memory && workload.requests.memory_mib <= 0.0 {
        let message = "memory utilization needs a memory request above 0; give one, or name the containers in containers_without_request.memory: the autoscaler then does nothing".into();
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
        let message = "0 needs a metric of type External: without pods there is no CPU to measure";
        report.add("hpa.min_replicas", message.into());
    }
}
