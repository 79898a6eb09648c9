//! `HorizontalPodAutoscalers`: `autoscaling/v2`, its betas, and `v1`; KEDA's `ScaledObjects` by way of them.
//!
//! # Source
//! Kubernetes API reference. `v2beta2` differs from `v2` in its name, `v2beta1` in the fields of its targets
//! (`targetAverageUtilization`, `targetAverageValue`, `metricName`), `v1` has one target of CPU.

use serde_json::Value;
use toml_edit::InlineTable;

use super::{
    Knowledge, Notes,
    container::{Pod, of_container, without_request},
    documents::{Object, at, items, pairs, same_namespace, text},
    image::Images,
    pod::Amounts,
    scaled,
    value::{Line, leftover, number, quantity, set, tables, whole},
    workload::Draft,
};
use crate::manifest::Facts;

/// Kinds of workloads that an autoscaler may scale.
const SCALABLE: [&str; 5] =
    ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Rollout"];
/// Fields of a metric; `trigger` is the place of KEDA's.
const METRIC_FIELDS: [&str; 8] = [
    "type",
    "resource",
    "containerResource",
    "pods",
    "external",
    "object",
    "trigger",
    "activation",
];
/// The kind of KEDA's autoscalers.
const KEDA: &str = "ScaledObject";
/// Most replicas that a scenario takes.
const MOST: u32 = 100_000;

/// One metric, with the targets it has.
struct Metric {
    kind: &'static str,
    name: &'static str,
    target: (&'static str, toml_edit::Value),
    /// Its other keys.
    more: Vec<(&'static str, toml_edit::Value)>,
}

impl Metric {
    fn new(
        kind: &'static str,
        name: &'static str,
        target: (&'static str, toml_edit::Value),
    ) -> Self {
        Self { kind, name, target, more: Vec::new() }
    }
}

pub(super) fn apply(
    autoscalers: &[Object],
    drafts: &mut Vec<Draft>,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) {
    for given in autoscalers {
        let converted =
            (given.kind == KEDA).then(|| scaled::autoscaler(given, &knowledge.facts.keda, notes));
        let object = converted.as_ref().unwrap_or(given);
        let target = text(&object.body, "/spec/scaleTargetRef/name").unwrap_or_default().to_owned();
        let kind =
            text(&object.body, "/spec/scaleTargetRef/kind").unwrap_or("Deployment").to_owned();
        if !super::super::is_kubernetes_name(&target) {
            notes.field(object, "spec.scaleTargetRef", "has no scale target; it is not used");
            continue;
        }
        let here = |draft: &Draft| {
            draft.object == target
                && draft.kind == kind
                && same_namespace(&draft.namespace, &object.namespace)
        };
        let found = drafts.iter().position(here);
        let pod = found.map_or_else(Pod::default, |index| Pod::of(&drafts[index]));
        if found.is_none() && !SCALABLE.contains(&&*kind) {
            let message = format!(
                "scales a {kind}, which a scenario cannot hold (it holds {}); it is ignored",
                SCALABLE.join(", ")
            );
            notes.field(object, "spec.scaleTargetRef.kind", &message);
            continue;
        }
        let Some(table) = table(object, &pod, knowledge, notes) else { continue };
        let without = without_request(object, &pod, &table, notes);
        unread(object, notes);
        let index = found.unwrap_or_else(|| {
            let message = format!(
                "scales {kind} {target}, which is not among the manifests: its requests are an assumption"
            );
            notes.field(object, "spec.scaleTargetRef", &message);
            let mut assumed = assumed(object, (&target, &kind), knowledge.facts);
            if drafts.iter().any(|draft| draft.name == assumed.name) {
                assumed.name = format!("{target}-{}", kind.to_ascii_lowercase());
            }
            drafts.push(assumed);
            drafts.len() - 1
        });
        let draft = &mut drafts[index];
        if draft.is_scaled {
            notes.field(
                object,
                "",
                &format!("is a second autoscaler of {target}; the first is used"),
            );
            continue;
        }
        let none = |list: &str| items(&object.body, list).is_empty();
        if object.kind == KEDA && none("/spec/metrics") && none("/spec/schedules") {
            fixed(object, draft, &table, notes);
            continue;
        }
        draft.is_scaled = true;
        draft.autoscaler = Some(object.name.clone());
        draft.lines.retain(|line| line.key != "replicas");
        if let Some(queue) = queue(object, &table) {
            let message = format!(
                "no manifest states how many messages arrive: set calls_per, cpu_ms_per_request, service_ms_per_request and concurrency in [workloads.{}]; the scenario has assumptions",
                draft.name
            );
            notes.field(object, "", &message);
            draft.lines.push(Line::new("queue", queue, &object.label()));
        }
        draft.lines.push(Line::new("hpa", table, &object.label()));
        draft.lines.extend(without);
    }
}

/// Fields that are neither read nor known to matter nothing.
fn unread(object: &Object, notes: &mut Notes) {
    let known = ["apiVersion", "kind", "name", "envSourceContainerName"];
    leftover(object, ("/spec/scaleTargetRef", &known), &[], notes);
    for index in 0..items(&object.body, "/spec/metrics").len() {
        let pointer = format!("/spec/metrics/{index}");
        leftover(object, (&pointer, &METRIC_FIELDS), &[], notes);
    }
    leftover(
        object,
        (
            "/spec",
            &[
                "scaleTargetRef",
                "minReplicas",
                "maxReplicas",
                "metrics",
                "behavior",
                "targetCPUUtilizationPercentage",
                "schedules",
                "queue",
                "keda",
            ],
        ),
        &[],
        notes,
    );
}

/// Replicas where nothing that scales them is in a scenario: those of the manifest, within the bounds.
fn fixed(object: &Object, draft: &mut Draft, table: &InlineTable, notes: &mut Notes) {
    let bound = |key: &str| table.get(key).and_then(toml_edit::Value::as_integer).unwrap_or(1);
    let (least, most) = (bound("min_replicas"), bound("max_replicas"));
    let replicas = i64::from(draft.replicas()).clamp(least, most.max(least));
    let message = format!(
        "a scenario supports no trigger of it: {} gets a fixed number of replicas, {replicas} (its range is {least} to {most})",
        draft.object
    );
    notes.field(object, "spec.triggers", &message);
    let why = format!("{}: fixed, of {least} to {most}", object.label());
    set(&mut draft.lines, Line::new("replicas", replicas, &why));
}

/// Returns a workload whose autoscaler alone is among the manifests.
fn assumed(object: &Object, (target, kind): (&str, &str), facts: &Facts) -> Draft {
    Draft {
        name: target.to_owned(),
        object: target.to_owned(),
        kind: kind.to_owned(),
        namespace: object.namespace.clone(),
        labels: Vec::new(),
        profile: None,
        is_daemon_set: false,
        is_job: false,
        is_scaled: false,
        requests: None,
        own_requests: Amounts::default(),
        containers: Vec::new(),
        images: Images::unknown(facts),
        container: None,
        selector: Vec::new(),
        autoscaler: None,
        budget: None,
        lines: Vec::new(),
        from: object.label(),
        place: object.place("spec.scaleTargetRef"),
    }
}

/// What KEDA calls the bounds of an autoscaler.
fn bound_of<'f>(object: &Object, field: &'f str) -> &'f str {
    match field {
        "spec.minReplicas" if object.kind == KEDA => "spec.minReplicaCount",
        "spec.maxReplicas" if object.kind == KEDA => "spec.maxReplicaCount",
        other => other,
    }
}

fn table(
    object: &Object,
    pod: &Pod<'_>,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Option<InlineTable> {
    let (min_field, max_field) =
        (bound_of(object, "spec.minReplicas"), bound_of(object, "spec.maxReplicas"));
    let mut table = InlineTable::new();
    let most = object.at("/spec/maxReplicas").cloned().unwrap_or(Value::Null);
    let mut most = whole(object, (max_field, &most), (1, MOST), notes)?;
    let metrics = metrics(object, pod, knowledge, notes);
    if let Some(least) = object.at("/spec/minReplicas") {
        let mut least = whole(object, (min_field, least), (0, MOST), notes).unwrap_or(1);
        let external = metrics.iter().any(|metric| metric.kind == "External");
        if least == 0 && !external && object.kind != KEDA {
            let message = "0 needs an External metric; 1 is planned";
            notes.field(object, min_field, message);
            least = 1;
        }
        if least > most {
            let message = format!("{most} is below minReplicas ({least}); {least} is planned");
            notes.field(object, max_field, &message);
            most = least;
        }
        table.insert("min_replicas", i64::from(least).into());
    }
    table.insert("max_replicas", i64::from(most).into());
    put_metrics(&mut table, metrics);
    scaled::put_schedules(object, most, &mut table, notes);
    if let Some(keda) = keda(object, notes) {
        table.insert("keda", keda.into());
    }
    if let Some(behavior) = behavior(object, notes) {
        table.insert("behavior", behavior.into());
    }
    Some(table)
}

/// The one metric that most have has a short form.
fn put_metrics(table: &mut InlineTable, metrics: Vec<Metric>) {
    if let [
        Metric { kind: "Resource", name: "cpu", target: ("average_utilization", percent), .. },
    ] = &*metrics
    {
        table.insert("target_cpu_utilization", percent.clone());
        return;
    }
    if metrics.is_empty() {
        return;
    }
    let each = |metric: Metric| {
        let mut table = InlineTable::new();
        table.insert("type", metric.kind.into());
        table.insert("name", metric.name.into());
        table.insert(metric.target.0, metric.target.1);
        for (key, value) in metric.more {
            table.insert(key, value);
        }
        table
    };
    table.insert("metrics", tables(metrics.into_iter().map(each).collect()));
}

fn metrics(
    object: &Object,
    pod: &Pod<'_>,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Metric> {
    if let Some(percent) = object.at("/spec/targetCPUUtilizationPercentage") {
        let place = "spec.targetCPUUtilizationPercentage";
        let percent = whole(object, (place, percent), (1, 1000), notes);
        let target = |percent: u32| ("average_utilization", i64::from(percent).into());
        return percent.map(|p| Metric::new("Resource", "cpu", target(p))).into_iter().collect();
    }
    for (key, _) in pairs(&object.body, "/metadata/annotations") {
        if key == "autoscaling.alpha.kubernetes.io/metrics" {
            let message =
                "metrics in this annotation are not read; give the object as autoscaling/v2";
            notes.field(object, "metadata.annotations", message);
        }
    }
    let given = items(&object.body, "/spec/metrics");
    let mut metrics = Vec::new();
    for (index, value) in given.iter().enumerate() {
        let field = match value.get("trigger").filter(|_| object.kind == KEDA) {
            Some(trigger) => format!("spec.triggers[{trigger}]"),
            None => format!("spec.metrics[{index}]"),
        };
        match metric(object, (&field, value), pod, knowledge, notes) {
            Ok(metric) => metrics.push(metric),
            Err(message) => notes.field(object, &field, &message),
        }
    }
    if metrics.is_empty() && !given.is_empty() {
        let message = format!(
            "no metric could be read: the default, CPU at {} % of the request, is planned",
            knowledge.catalog.controllers.hpa.target_cpu_utilization
        );
        notes.field(object, "spec.metrics", &message);
    }
    metrics
}

fn metric(
    object: &Object,
    (field, value): (&str, &Value),
    pod: &Pod<'_>,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Result<Metric, String> {
    let kind = text(value, "/type").unwrap_or_default();
    let (kind, body) = match kind {
        "Resource" => ("Resource", "/resource"),
        "ContainerResource" => ("ContainerResource", "/containerResource"),
        "Pods" => ("Pods", "/pods"),
        "External" => ("External", "/external"),
        other => return Err(format!("a metric of type {other:?} has no counterpart")),
    };
    let body = at(value, body).ok_or("has no fields of its type")?;
    let of_pods = matches!(kind, "Resource" | "ContainerResource");
    let given = text(body, if of_pods { "/name" } else { "/metric/name" })
        .or_else(|| text(body, "/metricName"))
        .unwrap_or_default();
    let is = |names: &[String]| names.iter().any(|known| known == given);
    let name = match (kind, given) {
        (_, "cpu") if of_pods => "cpu",
        (_, "memory") if of_pods => "memory",
        ("Pods" | "External", _) if is(&knowledge.facts.requests_per_second) => {
            "requests_per_second"
        }
        ("Pods" | "External", _) if is(&knowledge.facts.concurrency) => "concurrency",
        ("External", _) if is(&knowledge.facts.queue_length) => "queue_length",
        _ => {
            let given: String = given.chars().take(80).collect();
            return Err(format!(
                "{given:?} is not a metric that a plan supports: cpu, memory, requests per second, requests in flight, length of a queue"
            ));
        }
    };
    if at(body, "/metric/selector").is_some() {
        notes.field(object, &format!("{field}.selector"), "has no counterpart in a scenario");
    }
    let target =
        target(object, (field, body), name, notes).ok_or("has no target that can be read")?;
    let fits = match kind {
        "Resource" | "ContainerResource" => target.0 != "value",
        "Pods" => target.0 == "average_value",
        _ => target.0 != "average_utilization",
    };
    if !fits {
        return Err(format!("a {kind} metric has no target {}", target.0));
    }
    let mut metric = Metric::new(kind, name, target);
    if kind == "ContainerResource" {
        let container = text(body, "/container").unwrap_or_default();
        metric.more = of_container(object, (field, container), name, pod, notes)?;
    }
    if let Some(above) = value.get("activation").and_then(Value::as_f64) {
        metric.more.push(("activation", number(above)));
    }
    Ok(metric)
}

/// Returns the queue of the workload: its trigger's, or one that an External metric measures.
fn queue(object: &Object, table: &InlineTable) -> Option<InlineTable> {
    let metrics = table.get("metrics").map(ToString::to_string).unwrap_or_default();
    let given = object.at("/spec/queue").filter(|given| given.is_object());
    if given.is_none() && !metrics.contains("\"queue_length\"") {
        return None;
    }
    let mut queue = InlineTable::new();
    if given.and_then(|given| given.get("counts_in_flight")) == Some(&Value::Bool(false)) {
        queue.insert("counts_in_flight", false.into());
    }
    if let Some(trigger) = given.and_then(|given| text(given, "/trigger")) {
        queue.insert("trigger", trigger.into());
    }
    Some(queue)
}

/// What KEDA does at 0 replicas.
fn keda(object: &Object, notes: &mut Notes) -> Option<InlineTable> {
    let given = object.at("/spec/keda").filter(|given| given.is_object())?;
    let mut keda = InlineTable::new();
    for (field, key, least, most) in [
        ("pollingInterval", "polling_seconds", 1, 86_400),
        ("cooldownPeriod", "cooldown_seconds", 0, 864_000),
    ] {
        let Some(value) = given.get(field).filter(|value| !value.is_null()) else { continue };
        let place = format!("spec.{field}");
        if let Some(seconds) = whole(object, (&place, value), (least, most), notes) {
            keda.insert(key, i64::from(seconds).into());
        }
    }
    Some(keda)
}

fn target(
    object: &Object,
    (field, body): (&str, &Value),
    name: &str,
    notes: &mut Notes,
) -> Option<(&'static str, toml_edit::Value)> {
    let first = |paths: [&str; 2]| paths.iter().find_map(|path| at(body, path));
    if let Some(percent) = first(["/target/averageUtilization", "/targetAverageUtilization"]) {
        let percent = whole(object, (field, percent), (1, 1000), notes)?;
        return Some(("average_utilization", i64::from(percent).into()));
    }
    let average = first(["/target/averageValue", "/targetAverageValue"]);
    let (key, given) = match average {
        Some(value) => ("average_value", value),
        None => ("value", first(["/target/value", "/targetValue"])?),
    };
    let amount = quantity(object, (field, given), notes)?;
    let amount = match name {
        "cpu" => amount.milli(),
        "memory" => amount.mebibytes(),
        _ => amount.units(),
    };
    (0.001..=1e9).contains(&amount).then(|| (key, number(amount)))
}

fn behavior(object: &Object, notes: &mut Notes) -> Option<InlineTable> {
    leftover(object, ("/spec/behavior", &["scaleUp", "scaleDown"]), &[], notes);
    let mut behavior = InlineTable::new();
    for (field, key) in [("scaleUp", "scale_up"), ("scaleDown", "scale_down")] {
        let mut rules = InlineTable::new();
        for (name, value) in pairs(&object.body, &format!("/spec/behavior/{field}")) {
            let place = format!("spec.behavior.{field}.{name}");
            rule(object, (&place, name, value), &mut rules, notes);
        }
        if !rules.is_empty() {
            behavior.insert(key, rules.into());
        }
    }
    (!behavior.is_empty()).then_some(behavior)
}

fn rule(
    object: &Object,
    (place, name, value): (&str, &str, &Value),
    rules: &mut InlineTable,
    notes: &mut Notes,
) {
    match name {
        _ if value.is_null() => {}
        "stabilizationWindowSeconds" => {
            if let Some(seconds) = whole(object, (place, value), (0, 3600), notes) {
                rules.insert("stabilization_window_seconds", i64::from(seconds).into());
            }
        }
        "selectPolicy" => match value.as_str() {
            Some(select @ ("Max" | "Min" | "Disabled")) => {
                rules.insert("select_policy", select.into());
            }
            _ => notes.field(object, place, "is not Max, Min or Disabled"),
        },
        "tolerance" => match quantity(object, (place, value), notes) {
            Some(band) if band.units() <= 1.0 => {
                rules.insert("tolerance", number(band.units()));
            }
            Some(_) => notes.field(object, place, "is above 1; it is not read"),
            None => {}
        },
        "policies" => {
            let each = |policy: &Value| policy_of(object, (place, policy), notes);
            let policies: Vec<InlineTable> =
                value.as_array().into_iter().flatten().filter_map(each).collect();
            if !policies.is_empty() {
                rules.insert("policies", tables(policies));
            }
        }
        _ => notes.field(object, place, "has no counterpart in a scenario"),
    }
}

fn policy_of(
    object: &Object,
    (place, policy): (&str, &Value),
    notes: &mut Notes,
) -> Option<InlineTable> {
    let of = |field: &str| policy.get(field).cloned().unwrap_or(Value::Null);
    let kind = text(policy, "/type").filter(|kind| matches!(*kind, "Pods" | "Percent"));
    let value = whole(object, (&format!("{place}.value"), &of("value")), (1, 1_000_000), notes)?;
    let period =
        whole(object, (&format!("{place}.periodSeconds"), &of("periodSeconds")), (1, 1800), notes)?;
    let Some(kind) = kind else {
        notes.field(object, place, "a policy is of type Pods or Percent");
        return None;
    };
    let mut table = InlineTable::new();
    table.insert("type", kind.into());
    table.insert("value", i64::from(value).into());
    table.insert("period_seconds", i64::from(period).into());
    Some(table)
}
