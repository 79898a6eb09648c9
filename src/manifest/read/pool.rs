//! `NodePools`: `karpenter.sh/v1`, and `v1beta1`, which kept `expireAfter` under `disruption`, the kubelet's
//! settings in the pool, and called its policy `WhenUnderutilized`.
//!
//! # Source
//! Karpenter's `NodePool` CRDs, and its migration guide to v1.

use serde_json::Value;

use super::{
    Knowledge, Notes, class,
    documents::{Object, items, pairs, text},
    requirement,
    value::{Line, leftover, quantity, rounded, set, tables, texts, whole},
};
use crate::{
    autoscale::policy::taint::Taint,
    manifest::{DRIFT_DAYS, SPOT_SHARE, quantity::Duration},
};

/// What node pools and classes came to.
#[derive(Debug, Default)]
pub(super) struct Pools {
    /// Pools by name.
    pub(super) named: Vec<(String, Vec<Line>)>,
    /// Zones that pools name.
    pub(super) zones: Option<Line>,
    /// Keys of `[ebs]`.
    pub(super) volume: Vec<Line>,
    /// Keys of `[cluster.kubelet]`.
    pub(super) kubelet: Vec<Line>,
}

pub(super) fn read(
    pools: &[Object],
    classes: &[Object],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Pools {
    let mut all = Pools::default();
    for object in pools {
        if all.named.iter().any(|(name, _)| *name == object.name) {
            notes.field(object, "", "stands in the manifests twice; the first is used");
            continue;
        }
        let lines = pool(object, &mut all, knowledge, notes);
        all.named.push((object.name.clone(), lines));
        let own = class::kubelet(object, "/spec/template/spec/kubelet", notes);
        take(&mut all.kubelet, own, object, notes);
    }
    for object in classes {
        let class = class::read(object, knowledge, notes);
        take(&mut all.volume, class.volume, object, notes);
        take(&mut all.kubelet, class.kubelet, object, notes);
    }
    all
}

/// A scenario has one volume and one kubelet for all pools: the first that says something.
fn take(all: &mut Vec<Line>, own: Vec<Line>, object: &Object, notes: &mut Notes) {
    let plain = |lines: &[Line]| -> Vec<(String, String)> {
        lines.iter().map(|line| (line.key.clone(), line.value.to_string())).collect()
    };
    if all.is_empty() {
        *all = own;
    } else if !own.is_empty() && plain(all) != plain(&own) {
        let message = "differs from the first node class: a scenario has one volume and one kubelet for all pools";
        notes.field(object, "", message);
    }
}

fn pool(
    object: &Object,
    all: &mut Pools,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Line> {
    let mut lines = Vec::new();
    requirement::read(object, (&mut lines, all), notes);
    kept(object, &mut lines, notes);
    let taints = taints(object, notes);
    if !taints.is_empty() {
        lines.push(Line::new("taints", texts(&taints), &object.label()));
    }
    disruption(object, &mut lines, notes);
    limits(object, &mut lines, notes);
    if let Some(weight) = object.at("/spec/weight")
        && let Some(weight) = whole(object, ("spec.weight", weight), (0, 100), notes)
    {
        lines.push(Line::new("weight", i64::from(weight), &object.label()));
    }
    let ignored = knowledge.facts.ignored.get("pool_template").map_or(&[][..], Vec::as_slice);
    leftover(object, ("/spec/template/spec", &[]), ignored, notes);
    // Labels tell which workloads the pool is for.
    leftover(object, ("/spec/template", &["spec", "metadata"]), &[], notes);
    leftover(object, ("/spec/template/metadata", &["labels"]), &["annotations".into()], notes);
    leftover(object, ("/spec", &["template", "disruption", "limits", "weight"]), &[], notes);
    lines
}

/// Taints; what is none that a scenario takes is told.
fn taints(object: &Object, notes: &mut Notes) -> Vec<String> {
    let mut all = Vec::new();
    for (index, given) in items(&object.body, "/spec/template/spec/taints").iter().enumerate() {
        let key = text(given, "/key").unwrap_or_default();
        let value = text(given, "/value").filter(|value| !value.is_empty());
        let value = value.map_or_else(String::new, |value| format!("={value}"));
        let effect = text(given, "/effect").unwrap_or_default();
        let taint = format!("{key}{value}:{effect}");
        match Taint::parse(&taint) {
            Ok(_) => all.push(taint),
            Err(message) => {
                let field = format!("spec.template.spec.taints[{index}]");
                notes.field(object, &field, &format!("is not read: {message}"));
            }
        }
    }
    all
}

/// What runrate itself wrote into annotations, as Karpenter has no field for it.
fn kept(object: &Object, lines: &mut Vec<Line>, notes: &mut Notes) {
    for (key, value) in pairs(&object.body, "/metadata/annotations") {
        let field = format!("metadata.annotations.{key}");
        match key {
            SPOT_SHARE => match value.as_str().and_then(|text| text.parse::<f64>().ok()) {
                Some(share) if (0.0..=1.0).contains(&share) => {
                    lines.retain(|line| line.key != "capacity_types");
                    set(lines, Line::new("spot_share", share, &object.label()));
                }
                _ => notes.field(object, &field, "is no share from 0 to 1"),
            },
            DRIFT_DAYS => {
                let days = value.as_str().and_then(|text| text.parse::<u32>().ok());
                match days.filter(|days| (1..=3650).contains(days)) {
                    Some(days) => {
                        set(lines, Line::new("drift_every_days", i64::from(days), &object.label()));
                    }
                    None => notes.field(object, &field, "is no number of days from 1 to 3650"),
                }
            }
            _ => {}
        }
    }
}

/// A duration in whole seconds of at most ten days, as a scenario takes it; what is thereby changed is told.
fn seconds(object: &Object, pointer: &str, seconds: f64, notes: &mut Notes) -> i64 {
    let taken = seconds.min(864_000.0).ceil();
    let field = pointer.trim_start_matches('/').replace('/', ".");
    rounded(object, (&field, seconds), (taken, "seconds"), notes)
}

/// A duration; what is none is told.
fn duration(object: &Object, pointer: &str, notes: &mut Notes) -> Option<Duration> {
    let field = pointer.trim_start_matches('/').replace('/', ".");
    match Duration::parse(object.at(pointer)?.as_str().unwrap_or_default()) {
        Ok(duration) => Some(duration),
        Err(message) => {
            notes.field(object, &field, &message);
            None
        }
    }
}

fn disruption(object: &Object, lines: &mut Vec<Line>, notes: &mut Notes) {
    let label = object.label();
    let policy = text(&object.body, "/spec/disruption/consolidationPolicy");
    let policy = match policy {
        Some("WhenUnderutilized") => Some("WhenEmptyOrUnderutilized"),
        Some(known @ ("WhenEmpty" | "WhenEmptyOrUnderutilized" | "Balanced")) => Some(known),
        Some(other) => {
            let message = format!("{other:?} is no policy that a scenario has");
            notes.field(object, "spec.disruption.consolidationPolicy", &message);
            None
        }
        None => None,
    };
    let path = "/spec/disruption/consolidateAfter";
    let policy = match duration(object, path, notes) {
        Some(Duration::Never) => Some("Never"),
        Some(Duration::Seconds(after)) => {
            let after = seconds(object, path, after, notes);
            lines.push(Line::new("consolidate_after_seconds", after, &label));
            policy
        }
        None => policy,
    };
    if let Some(policy) = policy {
        lines.push(Line::new("consolidation_policy", policy, &label));
    }
    let new = "/spec/template/spec/expireAfter";
    let path = if object.at(new).is_some() { new } else { "/spec/disruption/expireAfter" };
    match duration(object, path, notes) {
        // Less than an hour would read as never.
        Some(Duration::Seconds(after)) => {
            let hours = (after / 3600.0).ceil().clamp(1.0, 100_000.0);
            let field = path.trim_start_matches('/').replace('/', ".");
            let hours = rounded(object, (&field, after / 3600.0), (hours, "hours"), notes);
            lines.push(Line::new("expire_after_hours", hours, &label));
        }
        Some(Duration::Never) => {
            lines.push(Line::new("expire_after_hours", 0, &format!("{label}: Never")));
        }
        None => {}
    }
    let path = "/spec/template/spec/terminationGracePeriod";
    if let Some(Duration::Seconds(grace)) = duration(object, path, notes) {
        let grace = seconds(object, path, grace, notes);
        lines.push(Line::new("termination_grace_seconds", grace, &label));
    }
    budgets(object, lines, notes);
    let known = ["consolidationPolicy", "consolidateAfter", "expireAfter", "budgets"];
    leftover(object, ("/spec/disruption", &known), &[], notes);
}

fn budgets(object: &Object, lines: &mut Vec<Line>, notes: &mut Notes) {
    let mut all = Vec::new();
    for (index, given) in items(&object.body, "/spec/disruption/budgets").iter().enumerate() {
        let field = format!("spec.disruption.budgets[{index}]");
        let count = match given.get("nodes") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => {
                notes.field(object, &field, "has no number of nodes; it is not used");
                continue;
            }
        };
        let mut table = toml_edit::InlineTable::new();
        table.insert("nodes", count.into());
        let reasons: Vec<&str> =
            items(given, "/reasons").iter().filter_map(Value::as_str).collect();
        let known: Vec<&str> = reasons
            .iter()
            .copied()
            .filter(|reason| matches!(*reason, "Empty" | "Underutilized" | "Drifted"))
            .collect();
        if known.len() < reasons.len() {
            notes.field(
                object,
                &field,
                "reasons are Empty, Underutilized and Drifted; others are not read",
            );
            if known.is_empty() {
                continue;
            }
        }
        if !known.is_empty() {
            table.insert("reasons", texts(&known));
        }
        let minutes = given
            .get("duration")
            .and_then(|text| Duration::parse(text.as_str().unwrap_or_default()).ok());
        match (text(given, "/schedule"), minutes) {
            (Some(schedule), Some(Duration::Seconds(seconds))) if seconds >= 60.0 => {
                let (given, minutes) = (seconds / 60.0, (seconds / 60.0).ceil().min(525_600.0));
                let place = format!("{field}.duration");
                let minutes = rounded(object, (&place, given), (minutes, "minutes"), notes);
                table.insert("schedule", schedule.into());
                table.insert("duration_minutes", minutes.into());
            }
            (None, None) => {}
            _ => {
                notes.field(object, &field, "schedule and duration go together; it is not used");
                continue;
            }
        }
        all.push(table);
    }
    if !all.is_empty() {
        lines.push(Line::new("budgets", tables(all), &object.label()));
    }
}

fn limits(object: &Object, lines: &mut Vec<Line>, notes: &mut Notes) {
    for (name, given) in pairs(&object.body, "/spec/limits") {
        let field = format!("spec.limits.{name}");
        let Some(amount) = quantity(object, (&field, given), notes) else { continue };
        let (key, amount, (most, unit)) = match name {
            "cpu" => ("limit_vcpus", amount.units(), (1e6, "vCPUs")),
            "memory" => ("limit_memory_gib", amount.mebibytes() / 1024.0, (1e7, "GiB")),
            "nodes" => ("limit_nodes", amount.units(), (1e5, "nodes")),
            _ => {
                notes.field(object, &field, "has no counterpart in a scenario");
                continue;
            }
        };
        if amount < 1.0 {
            notes.field(
                object,
                &field,
                "is below 1, which lets the pool buy nothing; it is not read",
            );
            continue;
        }
        let taken = amount.min(most).floor();
        let taken = rounded(object, (&field, amount), (taken, unit), notes);
        lines.push(Line::new(key, taken, &object.label()));
    }
}
