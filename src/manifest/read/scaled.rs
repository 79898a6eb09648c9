//! KEDA's `ScaledObject` as the `HorizontalPodAutoscaler` that KEDA makes of it.
//!
//! # Source
//! KEDA, "`ScaledObject` specification" (kind Deployment if left out; `models/manifests.toml` has its other defaults;
//! `advanced.horizontalPodAutoscalerConfig.behavior`) and "CPU", "Memory" (`metricType`, `value`,
//! `containerName`). Other triggers scale by what no scenario holds: a queue, a calendar, a query.

use serde_json::{Value, json};

use super::{
    Notes,
    documents::{Object, at, items, pairs, text},
    value::{leftover, shown},
};
use crate::manifest::KedaFacts;

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
    if least.as_u64() == Some(0) && !metrics.is_empty() {
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
        },
    });
    object.with(body)
}

/// A trigger as a metric; a note names every other trigger and what it asks for.
fn metric(object: &Object, (index, given): (usize, &Value), notes: &mut Notes) -> Option<Value> {
    let field = format!("spec.triggers[{index}]");
    let kind = text(given, "/type").unwrap_or_default();
    let of = |key: &str| text(given, &format!("/metadata/{key}")).unwrap_or_default();
    if !matches!(kind, "cpu" | "memory") {
        let message = if kind == "cron" {
            format!(
                "is not planned, as autoscalers of a scenario have no calendar: {} replicas from {:?} to {:?} ({})",
                of("desiredReplicas"),
                of("start"),
                of("end"),
                of("timezone")
            )
        } else {
            let settings: Vec<String> = pairs(given, "/metadata")
                .map(|(key, value)| format!("{key} {}", shown(value)))
                .collect();
            format!(
                "is not planned, as a scenario has no such load: {kind} ({})",
                settings.join(", ")
            )
        };
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
