//! KEDA's `ScaledObject` as the `HorizontalPodAutoscaler` that KEDA makes of it.
//!
//! # Source
//! KEDA, "`ScaledObject` specification" (kind Deployment if left out; `models/manifests.toml` has its other defaults;
//! `advanced.horizontalPodAutoscalerConfig.behavior`) and "CPU", "Memory" (`metricType`, `value`,
//! `containerName`), "Cron" (`timezone`, `start`, `end`, `desiredReplicas`). Other triggers scale by what no
//! scenario holds: a queue, a query.

use serde_json::{Value, json};
use toml_edit::InlineTable;

use super::{
    Notes,
    documents::{Object, at, items, pairs, text},
    value::{leftover, shown, tables, whole},
};
use crate::{
    autoscale::cron::{Clock, Schedule},
    manifest::KedaFacts,
};

const PAUSED: &str = "/metadata/annotations/autoscaling.keda.sh~1paused-replicas";

/// The autoscaler in the words of `autoscaling/v2`; its kind stays, so that notes name the fields of KEDA.
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
    let metrics: Vec<Value> = items(&object.body, "/spec/triggers")
        .iter()
        .enumerate()
        .filter_map(|(index, given)| metric(object, (index, given), notes))
        .collect();
    let schedules = schedules(object, notes);
    if least.as_u64() == Some(0) && !metrics.is_empty() && schedules.is_empty() {
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
            "behavior": value(&format!("{config}/behavior")),
            "schedules": schedules,
            "cooldown": value("/spec/cooldownPeriod"),
        },
    });
    object.with(body)
}

/// Cron triggers, with their places; a note names what is wrong with those that cannot be read.
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
    let to_zero = table.get("min_replicas").and_then(toml_edit::Value::as_integer) == Some(0);
    if let Some(given) = object.at("/spec/cooldown").filter(|_| to_zero)
        && let Some(seconds) = whole(object, ("spec.cooldownPeriod", given), (0, 864_000), notes)
    {
        table.insert("cooldown_seconds", i64::from(seconds).into());
    }
}

/// A trigger as a metric; a note names every other trigger and what it asks for.
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
            "trigger": index,
            "type": "ContainerResource",
            "containerResource": { "name": kind, "container": container, "target": target },
        }),
        None => json!({
            "trigger": index,
            "type": "Resource",
            "resource": { "name": kind, "target": target },
        }),
    })
}
