//! `autoscaling/v2` `HorizontalPodAutoscalers`, KEDA's `ScaledObjects` where there are cron triggers, and `policy/v1` `PodDisruptionBudgets`.

use super::{Wanted, keda, object::Target};
use crate::{
    cluster::workload::{
        DisruptionBudget, Hpa, Metric, MetricName, MetricType, Pods, PolicyType, Scaling,
        ScalingPolicy, SelectPolicy, Workload,
    },
    facts::shapes::Gate,
    manifest::{
        FILL_IN, quantity,
        yaml::{Map, Node},
    },
};

/// Below the heading.
pub(super) const ABOUT: [&str; 2] = [
    "Autoscalers and disruption budgets: `kubectl apply -f hpa.yaml`, with `-n NAMESPACE` where they name none.",
    "Fields that are not here have the controller's default, as in the plan. Replace each FILL-IN.",
];

pub(super) fn documents(wanted: &Wanted<'_>) -> Vec<Map> {
    let mut documents = Vec::new();
    for (name, workload) in &wanted.account.stack.workloads {
        if let Some(hpa) = &workload.hpa {
            let is_keda = hpa.keda.is_some()
                || !hpa.schedules.is_empty()
                || workload.queue.as_ref().is_some_and(|queue| queue.trigger.is_some());
            let mut document = if is_keda {
                keda::scaled_object(name, workload, hpa, wanted)
            } else {
                autoscaler(name, workload, hpa, wanted)
            };
            if wanted.account.settings.schedule.is_some() && !workload.always_on {
                document.say(
                    "HPAs have no schedule. The plan scales this workload to 0 outside its hours; add a KEDA cron trigger or a CronJob.",
                );
            }
            documents.push(document);
        }
        if let Some(budget) = &workload.disruption_budget {
            documents.push(disruption_budget(Target::of(name, workload), budget, wanted));
        }
    }
    documents
}

/// What of an account's schedule no manifest does.
pub(super) fn notes(wanted: &Wanted<'_>) -> Vec<(String, String)> {
    let account = wanted.account;
    let workloads = &account.stack.workloads;
    let still: Vec<&str> = workloads
        .iter()
        .filter(|(_, workload)| workload.hpa.is_some() && !workload.always_on)
        .map(|(name, _)| &**name)
        .collect();
    if account.settings.schedule.is_none() || still.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "HPAs have no schedule. The plan scales {} to 0 outside its hours; add a KEDA cron trigger or a CronJob.",
        still.join(", ")
    );
    vec![(format!("accounts.{}.schedule", account.name), message)]
}

fn autoscaler(name: &str, workload: &Workload, hpa: &Hpa, wanted: &Wanted<'_>) -> Map {
    let key = |field: &str| format!("workloads.{name}.hpa.{field}");
    let target = Target::of(name, workload);
    let mut spec = Map::new().with("scaleTargetRef", target.reference(wanted));
    if let Some(least) = hpa.min_replicas {
        let gate = if least == 0 {
            needed(&wanted.catalog.controllers.hpa.zero_gate, wanted)
        } else {
            String::new()
        };
        spec.put("minReplicas", least, &format!("{}{gate}", key("min_replicas")));
    }
    spec.put("maxReplicas", hpa.max_replicas, &key("max_replicas"));
    let metrics = metrics(name, hpa);
    if !metrics.is_empty() {
        spec.put("metrics", metrics, "");
    }
    let behavior = behavior(name, hpa, wanted);
    if !behavior.is_empty() {
        spec.put("behavior", behavior, "");
    }
    Map::new()
        .with("apiVersion", "autoscaling/v2")
        .with("kind", "HorizontalPodAutoscaler")
        .with("metadata", target.metadata(target.autoscaler()))
        .with("spec", spec)
}

/// What a gate needs in the account's version, behind a semicolon; nothing where it is on by default.
fn needed(gate: &Gate, wanted: &Wanted<'_>) -> String {
    let needs = gate.needs(wanted.account.kubernetes_minor());
    needs.map_or_else(String::new, |needs| format!("; needs {needs}"))
}

fn metrics(name: &str, hpa: &Hpa) -> Vec<Node> {
    if let Some(percent) = hpa.target_cpu_utilization {
        let why = format!("workloads.{name}.hpa.target_cpu_utilization");
        return vec![resource("cpu", utilization(percent, &why)).into()];
    }
    let each = |(index, metric): (usize, &Metric)| {
        let why = format!("workloads.{name}.hpa.metrics[{index}]");
        Node::from(one(metric, &why))
    };
    hpa.metrics.iter().enumerate().map(each).collect()
}

fn utilization(percent: u32, why: &str) -> Map {
    Map::new().with("type", "Utilization").why("averageUtilization", percent, why)
}

fn resource(name: &str, target: Map) -> Map {
    Map::new()
        .with("type", "Resource")
        .with("resource", Map::new().with("name", name).with("target", target))
}

/// Returns the target of a metric as a quantity.
pub(super) fn amount(name: MetricName, value: f64) -> String {
    match name {
        MetricName::Cpu => quantity::cpu(value),
        MetricName::Memory => quantity::memory(value),
        _ => quantity::number(value),
    }
}

fn one(metric: &Metric, why: &str) -> Map {
    let name = match metric.name {
        MetricName::Cpu => "cpu",
        MetricName::Memory => "memory",
        MetricName::RequestsPerSecond => "requests_per_second",
        MetricName::Concurrency => "concurrency",
        MetricName::QueueLength => "queue_length",
    };
    let value = |value: f64| amount(metric.name, value);
    let target = match (metric.average_utilization, metric.average_value, metric.value) {
        (Some(percent), ..) => utilization(percent, why),
        (None, Some(average), _) => {
            Map::new().with("type", "AverageValue").why("averageValue", value(average), why)
        }
        (None, None, whole) => {
            Map::new().with("type", "Value").why("value", value(whole.unwrap_or(0.0)), why)
        }
    };
    let adapter = "write the name under which your metrics adapter serves it";
    let (kind, field) = match metric.kind {
        MetricType::Resource => return resource(name, target),
        MetricType::ContainerResource => {
            let container = metric.container.as_deref().unwrap_or(FILL_IN);
            let source =
                Map::new().with("name", name).with("container", container).with("target", target);
            return Map::new().with("type", "ContainerResource").with("containerResource", source);
        }
        MetricType::Pods => ("Pods", "pods"),
        MetricType::External => ("External", "external"),
    };
    let source =
        Map::new().with("metric", Map::new().why("name", name, adapter)).with("target", target);
    Map::new().with("type", kind).with(field, source)
}

pub(super) fn behavior(name: &str, hpa: &Hpa, wanted: &Wanted<'_>) -> Map {
    let needs = needed(&wanted.catalog.controllers.hpa.tolerance_gate, wanted);
    let given = hpa.behavior.clone().unwrap_or_default();
    let mut behavior = Map::new();
    for (field, key, scaling) in
        [("scaleUp", "scale_up", &given.scale_up), ("scaleDown", "scale_down", &given.scale_down)]
    {
        let own = format!("workloads.{name}.hpa.behavior.{key}");
        let mut rules = rules(scaling, &own);
        let window = hpa.scale_down_stabilization_seconds;
        if let (true, None, Some(seconds)) =
            (key == "scale_down", scaling.stabilization_window_seconds, window)
        {
            let why = format!("workloads.{name}.hpa.scale_down_stabilization_seconds");
            rules.put("stabilizationWindowSeconds", seconds, &why);
        }
        let both = format!("workloads.{name}.hpa.tolerance");
        let tolerance = scaling.tolerance.map(|band| (band, format!("{own}.tolerance")));
        if let Some((band, why)) = tolerance.or(hpa.tolerance.map(|band| (band, both))) {
            rules.put("tolerance", quantity::number(band), &format!("{why}{needs}"));
        }
        if !rules.is_empty() {
            behavior.put(field, rules, "");
        }
    }
    behavior
}

fn rules(scaling: &Scaling, key: &str) -> Map {
    let mut rules = Map::new();
    if let Some(seconds) = scaling.stabilization_window_seconds {
        rules.put(
            "stabilizationWindowSeconds",
            seconds,
            &format!("{key}.stabilization_window_seconds"),
        );
    }
    if let Some(select) = scaling.select_policy {
        let select = match select {
            SelectPolicy::Max => "Max",
            SelectPolicy::Min => "Min",
            SelectPolicy::Disabled => "Disabled",
        };
        rules.put("selectPolicy", select, &format!("{key}.select_policy"));
    }
    if let Some(policies) = &scaling.policies {
        let policies: Vec<Node> = policies.iter().map(|given| policy(given).into()).collect();
        rules.put("policies", policies, &format!("{key}.policies"));
    }
    rules
}

fn policy(given: &ScalingPolicy) -> Map {
    let kind = match given.kind {
        PolicyType::Pods => "Pods",
        PolicyType::Percent => "Percent",
    };
    Map::new()
        .with("type", kind)
        .with("value", given.value)
        .with("periodSeconds", given.period_seconds)
}

fn disruption_budget(target: Target<'_>, budget: &DisruptionBudget, wanted: &Wanted<'_>) -> Map {
    let key = format!("workloads.{}.disruption_budget", target.name);
    let mut spec = Map::new();
    for (field, own, given) in [
        ("maxUnavailable", "max_unavailable", &budget.max_unavailable),
        ("minAvailable", "min_available", &budget.min_available),
    ] {
        let value = match given {
            Some(Pods::Count(count)) => Node::from(*count),
            Some(Pods::Percent(percent)) => Node::from(&**percent),
            None => continue,
        };
        spec.put(field, value, &format!("{key}.{own}"));
    }
    let labels = target.labels(wanted);
    Map::new()
        .with("apiVersion", "policy/v1")
        .with("kind", "PodDisruptionBudget")
        .with("metadata", target.metadata(target.disruption_budget()))
        .with("spec", spec.with("selector", Map::new().with("matchLabels", labels)))
}
