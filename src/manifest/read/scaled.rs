//! KEDA's `ScaledObject` as the `HorizontalPodAutoscaler` that KEDA makes of it.
//!
//! # Source
//! KEDA, "`ScaledObject` specification" (kind Deployment by default; `models/manifests.toml` has its other defaults;
//! `advanced.horizontalPodAutoscalerConfig.behavior`) and "CPU", "Memory" (`metricType`, `value`,
//! `containerName`), "Cron" (`timezone`, `start`, `end`, `desiredReplicas`), and the triggers of queues
//! (`models/manifests.toml`). Other triggers scale by what no scenario holds: a query.

use serde_json::{Value, json};
use toml_edit::InlineTable;

use super::{
    Notes,
    documents::{Object, at, items, pairs, text},
    value::{leftover, shown, tables},
};
use crate::{
    cluster::autoscale::cron::{Clock, Schedule},
    manifest::{KedaFacts, QueueTrigger},
};

const PAUSED: &str = "/metadata/annotations/autoscaling.keda.sh~1paused-replicas";

/// Returns the autoscaler in the words of `autoscaling/v2`; its kind stays, so that notes name the fields of KEDA.
pub(super) fn autoscaler(object: &Object, defaults: &KedaFacts, notes: &mut Notes) -> Object {
    let known = [
        "scaleTargetRef",
        "minReplicaCount",
        "maxReplicaCount",
        "triggers",
        "advanced",
        "pollingInterval",
        "cooldownPeriod",
        "initialCooldownPeriod",
        "fallback",
    ];
    leftover(object, ("/spec", &known), &[], notes);
    let config = "/spec/advanced/horizontalPodAutoscalerConfig";
    leftover(object, (config, &["behavior", "name"]), &[], notes);
    let known = ["horizontalPodAutoscalerConfig", "restoreToOriginalReplicaCount"];
    leftover(object, ("/spec/advanced", &known), &[], notes);
    let value = |pointer: &str| object.at(pointer).cloned().unwrap_or(Value::Null);
    let bound = |pointer: &str, default: u32| object.at(pointer).cloned().unwrap_or(default.into());
    let mut least = bound("/spec/minReplicaCount", defaults.min_replicas);
    let most = bound("/spec/maxReplicaCount", defaults.max_replicas);
    let mut metrics: Vec<Value> = Vec::new();
    let mut queue = Value::Null;
    for (index, given) in items(&object.body, "/spec/triggers").iter().enumerate() {
        let field = format!("spec.triggers[{index}]");
        let facts = text(given, "/type").and_then(|kind| defaults.triggers.get(kind));
        let found = match facts {
            Some(_) if !queue.is_null() => {
                let message =
                    "is a second queue, and a workload of a scenario has one; it is not planned";
                notes.field(object, &field, message);
                None
            }
            Some(facts) => of_queue(object, (&field, given), facts, notes).map(|found| {
                queue = found.queue;
                found.metric
            }),
            None => metric(object, (index, given), notes),
        };
        if let Some(mut metric) = found {
            metric["trigger"] = index.into();
            metrics.push(metric);
        }
    }
    let schedules = schedules(object, notes);
    let mut keda = Value::Null;
    if least.as_u64() == Some(0) && !(queue.is_null() && schedules.is_empty()) {
        keda = json!({
            "pollingInterval": value("/spec/pollingInterval"),
            "cooldownPeriod": value("/spec/cooldownPeriod"),
        });
    } else if least.as_u64() == Some(0) && !metrics.is_empty() {
        let message = "0 needs a trigger that a scenario does not have; 1 is planned";
        notes.field(object, "spec.minReplicaCount", message);
        least = 1.into();
    }
    if let Some(paused) = text(&object.body, PAUSED) {
        let message = format!("holds {paused} replicas while paused; the plan ignores the pause");
        notes.field(object, "metadata.annotations", &message);
    }
    let mut target = value("/spec/scaleTargetRef");
    if let Some(target) = target.as_object_mut() {
        target.entry("kind").or_insert("Deployment".into());
    }
    let body = json!({
        "metadata": value("/metadata"),
        "spec": {
            "scaleTargetRef": target,
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": metrics,
            "queue": queue,
            "keda": keda,
            "behavior": value(&format!("{config}/behavior")),
            "schedules": schedules,
            "cooldown": value("/spec/cooldownPeriod"),
        },
    });
    object.with(body)
}

/// Returns cron triggers, with their places; a note names what is wrong with those that cannot be read.
fn schedules(object: &Object, notes: &mut Notes) -> Vec<Value> {
    let triggers = items(&object.body, "/spec/triggers").iter().enumerate();
    let cron = triggers.filter(|(_, given)| text(given, "/type") == Some("cron"));
    let read = |(index, given): (usize, &Value)| match schedule(given) {
        Ok(mut read) => {
            read["trigger"] = index.into();
            Some(read)
        }
        Err((key, message)) => {
            let field = format!("spec.triggers[{index}].metadata.{key}");
            notes.field(object, &field, &format!("{message}; the trigger is not planned"));
            None
        }
    };
    cron.filter_map(read).collect()
}

fn schedule(given: &Value) -> Result<Value, (&'static str, String)> {
    let of = |key: &str| at(given, &format!("/metadata/{key}")).map(shown).unwrap_or_default();
    let (start, end, zone) = (of("start"), of("end"), of("timezone"));
    let day = (jiff::civil::date(2027, 1, 1), 1);
    let clock = |key: &'static str, text: &str| {
        let schedule = Schedule::parse(text).map_err(|message| (key, message))?;
        Clock::new(schedule, Some(&zone), day).map_err(|message| ("timezone", message))
    };
    if clock("start", &start)? == clock("end", &end)? {
        return Err(("end", "is the same as start".into()));
    }
    let replicas = of("desiredReplicas");
    let Some(replicas) = replicas.parse().ok().filter(|count: &u32| (1..=100_000).contains(count))
    else {
        let message = format!("{replicas:?} is not a whole number from 1 to 100000");
        return Err(("desiredReplicas", message));
    };
    Ok(json!({ "start": start, "end": end, "zone": zone, "replicas": replicas }))
}

/// Cron triggers as `schedules`, with at most the replicas that the autoscaler may ask for.
pub(super) fn put_schedules(
    object: &Object,
    most: u32,
    table: &mut InlineTable,
    notes: &mut Notes,
) {
    let mut all = Vec::new();
    for given in items(&object.body, "/spec/schedules") {
        let mut schedule = InlineTable::new();
        for (from, key) in [("/start", "start"), ("/end", "end"), ("/zone", "time_zone")] {
            schedule.insert(key, text(given, from).unwrap_or_default().into());
        }
        let asks = given["replicas"].as_u64().unwrap_or(1);
        if asks > u64::from(most) {
            let field = format!("spec.triggers[{}].metadata.desiredReplicas", given["trigger"]);
            let message = format!("{asks} is above maxReplicaCount; {most} are planned");
            notes.field(object, &field, &message);
        }
        schedule.insert("replicas", asks.min(u64::from(most)).cast_signed().into());
        all.push(schedule);
    }
    if all.is_empty() {
        return;
    }
    table.insert("schedules", tables(all));
}

/// A trigger of a queue.
struct QueueMetric {
    /// The queue; null where the metric is not its length.
    queue: Value,
    metric: Value,
}

/// Returns the trigger of a queue as an External metric.
fn of_queue(
    object: &Object,
    (field, given): (&str, &Value),
    facts: &QueueTrigger,
    notes: &mut Notes,
) -> Option<QueueMetric> {
    let of = |key: &str| at(given, &format!("/metadata/{key}")).map(shown);
    let mode = of("mode").filter(|_| !facts.modes.is_empty());
    let name = match mode.as_ref().map(|mode| facts.modes.get(mode)) {
        None => "queue_length",
        Some(Some(name)) => name,
        Some(None) => {
            let message = format!(
                "mode {} is not planned: a scenario has {}",
                mode.unwrap_or_default(),
                facts.modes.keys().cloned().collect::<Vec<_>>().join(" and ")
            );
            notes.field(object, field, &message);
            return None;
        }
    };
    let mut number = |key: &str, default: Option<f64>| {
        let Some(text) = of(key) else { return default };
        let number = text.parse().ok().filter(|number: &f64| (0.0..=1e9).contains(number));
        if number.is_none() {
            let message = format!("{text:?} is not a number from 0 to 1e9; it is not read");
            notes.field(object, &format!("{field}.metadata.{key}"), &message);
        }
        number.or(default)
    };
    let key = facts.target.iter().find(|key| of(key).is_some()).or(facts.target.first())?;
    let target = number(key, Some(facts.default)).filter(|target| *target > 0.0)?;
    let activation = number(&facts.activation, None).filter(|above| *above > 0.0);
    let is_value = text(given, "/metricType") == Some("Value");
    let target = if is_value {
        json!({ "type": "Value", "value": target })
    } else {
        json!({ "type": "AverageValue", "averageValue": target })
    };
    if let Some(caution) = &facts.caution {
        notes.field(object, field, caution);
    }
    let counts = facts.in_flight.iter().fold(facts.counts_in_flight, |counts, rule| {
        if of(&rule.key).as_ref() == Some(&rule.value) { rule.counts } else { counts }
    });
    let queue = json!({ "counts_in_flight": counts, "trigger": text(given, "/type") });
    let metric = json!({
        "type": "External",
        "external": { "metric": { "name": name }, "target": target },
        "activation": activation,
    });
    Some(QueueMetric { queue, metric })
}

/// Returns a trigger as a metric; a note names every other trigger and what it asks for.
fn metric(object: &Object, (index, given): (usize, &Value), notes: &mut Notes) -> Option<Value> {
    let field = format!("spec.triggers[{index}]");
    let kind = text(given, "/type").unwrap_or_default();
    if kind == "cron" {
        return None;
    }
    if !matches!(kind, "cpu" | "memory") {
        let settings: Vec<String> = pairs(given, "/metadata")
            .map(|(key, value)| format!("{key} {}", shown(value)))
            .collect();
        let message = format!(
            "is not planned, as a scenario has no such load: {kind} ({})",
            settings.join(", ")
        );
        notes.field(object, &field, &message);
        return None;
    }
    let value = at(given, "/metadata/value").map(shown).unwrap_or_default();
    let target = match text(given, "/metricType").or_else(|| text(given, "/metadata/type")) {
        Some("Utilization") => {
            let Some(percent) = value.parse().ok().filter(|p: &u32| (1..=1000).contains(p)) else {
                let message =
                    format!("{value:?} is not a whole number from 1 to 1000; it is not read");
                notes.field(object, &format!("{field}.metadata.value"), &message);
                return None;
            };
            json!({ "type": "Utilization", "averageUtilization": percent })
        }
        Some("AverageValue") => json!({ "type": "AverageValue", "averageValue": value }),
        _ => {
            let message = "has no metricType, Utilization or AverageValue; it is not read";
            notes.field(object, &field, message);
            return None;
        }
    };
    Some(match text(given, "/metadata/containerName") {
        Some(container) => json!({
            "type": "ContainerResource",
            "containerResource": { "name": kind, "container": container, "target": target },
        }),
        None => json!({
            "type": "Resource",
            "resource": { "name": kind, "target": target },
        }),
    })
}
