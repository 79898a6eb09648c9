//! KEDA's `ScaledObject`, for workloads that KEDA scales.
//!
//! # Source
//! KEDA, "`ScaledObject` specification", and the scalers "CPU", "Memory", "Prometheus" (`threshold`,
//! `activationThreshold`); those of queues are in `models/manifests.toml`.

use super::{Wanted, hpa, object::Target};
use crate::{
    cluster::workload::{Hpa, Metric, MetricName, Workload},
    manifest::{
        FILL_IN,
        yaml::{Map, Node},
    },
};

pub(super) fn scaled_object(
    name: &str,
    workload: &Workload,
    hpa: &Hpa,
    wanted: &Wanted<'_>,
) -> Map {
    let key = |field: &str| format!("workloads.{name}.hpa.{field}");
    let target = Target::of(name, workload);
    let mut spec = Map::new().with("scaleTargetRef", target.reference(wanted));
    let to_zero = hpa.keda.is_some() || hpa.min_replicas == Some(0);
    let usual = wanted.catalog.controllers.hpa.min_replicas;
    let least = if to_zero { 0 } else { hpa.min_replicas.unwrap_or(usual) };
    spec.put("minReplicaCount", least, &key("min_replicas"));
    spec.put("maxReplicaCount", hpa.max_replicas, &key("max_replicas"));
    let keda = hpa.keda.unwrap_or_default();
    if let Some(seconds) = keda.polling_seconds {
        spec.put("pollingInterval", seconds, &key("keda.polling_seconds"));
    }
    if let Some(seconds) = keda.cooldown_seconds {
        spec.put("cooldownPeriod", seconds, &key("keda.cooldown_seconds"));
    }
    let behavior = hpa::behavior(name, hpa, wanted);
    if !behavior.is_empty() {
        let config = Map::new().with("behavior", behavior);
        spec.put("advanced", Map::new().with("horizontalPodAutoscalerConfig", config), "");
    }
    let cron = hpa.schedules.iter().enumerate().map(|(index, given)| {
        let metadata = Map::new()
            .with("timezone", given.time_zone.as_deref().unwrap_or("UTC"))
            .with("start", &*given.start)
            .with("end", &*given.end)
            .with("desiredReplicas", given.replicas.to_string());
        let why = key(&format!("schedules[{index}]"));
        Node::from(Map::new().why("type", "cron", &why).with("metadata", metadata))
    });
    let each = |(index, metric): (usize, &Metric)| {
        let why = key(&format!("metrics[{index}]"));
        Node::from(trigger(workload, metric, &why, wanted))
    };
    let metrics = hpa.metrics.iter().enumerate().map(each);
    let mut triggers: Vec<Node> = cron.chain(metrics).collect();
    let only_by_clock = !hpa.schedules.is_empty() && hpa.target_cpu_utilization.is_none();
    if hpa.metrics.is_empty() && !only_by_clock {
        let usual = wanted.catalog.controllers.hpa.target_cpu_utilization;
        let percent = hpa.target_cpu_utilization.unwrap_or(usual).to_string();
        let metadata = Map::new().why("value", percent, &key("target_cpu_utilization"));
        triggers.push(
            Map::new()
                .with("type", "cpu")
                .with("metricType", "Utilization")
                .with("metadata", metadata)
                .into(),
        );
    }
    Map::new()
        .with("apiVersion", "keda.sh/v1alpha1")
        .with("kind", "ScaledObject")
        .with("metadata", target.metadata(target.autoscaler()))
        .with("spec", spec.with("triggers", triggers))
}

/// Returns a metric as a trigger.
fn trigger(workload: &Workload, metric: &Metric, why: &str, wanted: &Wanted<'_>) -> Map {
    let target = match (metric.average_utilization, metric.average_value.or(metric.value)) {
        (Some(percent), _) => percent.to_string(),
        (None, value) => match metric.name {
            MetricName::Cpu | MetricName::Memory => hpa::amount(metric.name, value.unwrap_or(0.0)),
            // Scalers read plain numbers, not quantities.
            _ => value.unwrap_or(0.0).to_string(),
        },
    };
    let kind = match (metric.average_utilization, metric.value) {
        (Some(_), _) => "Utilization",
        (None, Some(_)) => "Value",
        (None, None) => "AverageValue",
    };
    let above = metric.activation.map(|above| above.to_string());
    let unknown = "only you know it";
    let (name, metadata) = match metric.name {
        MetricName::Cpu | MetricName::Memory => {
            let mut metadata = Map::new().why("value", target, why);
            if let Some(container) = &metric.container {
                metadata.put("containerName", &**container, "");
            }
            let cpu = metric.name == MetricName::Cpu;
            (if cpu { "cpu" } else { "memory" }.to_owned(), metadata)
        }
        MetricName::QueueLength => {
            let queue = workload.queue.as_ref();
            let kind = queue.and_then(|queue| queue.trigger.as_deref());
            let known = kind.and_then(|kind| wanted.facts.keda.triggers.get(kind));
            let Some(known) = known else {
                let metadata =
                    Map::new().why(FILL_IN, target, &format!("{why}: the length per pod"));
                let name = kind.unwrap_or(FILL_IN).to_owned();
                return Map::new().why("type", name, "queue.trigger").with("metadata", metadata);
            };
            let mut metadata = Map::new().why(&known.target[0], target, why);
            if let Some(above) = above {
                metadata.put(&known.activation, above, why);
            }
            let counts = queue.is_none_or(|queue| queue.counts_in_flight);
            let rule = known.in_flight.iter().find(|rule| rule.counts == counts);
            if let Some(rule) = rule.filter(|_| counts != known.counts_in_flight) {
                metadata.put(&rule.key, &*rule.value, "queue.counts_in_flight");
            }
            if let Some(mode) = known.modes.iter().find(|(_, name)| *name == "queue_length") {
                metadata.put("mode", &**mode.0, "");
            }
            for key in &known.fill_in {
                metadata.put(key, FILL_IN, unknown);
            }
            (kind.unwrap_or(FILL_IN).to_owned(), metadata)
        }
        MetricName::RequestsPerSecond | MetricName::Concurrency => {
            let mut metadata = Map::new().why("threshold", target, why);
            if let Some(above) = above {
                metadata.put("activationThreshold", above, why);
            }
            metadata.put("serverAddress", FILL_IN, unknown);
            metadata.put("query", FILL_IN, unknown);
            ("prometheus".to_owned(), metadata)
        }
    };
    Map::new().with("type", name).with("metricType", kind).with("metadata", metadata)
}
