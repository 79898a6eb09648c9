//! `NodePools`: `karpenter.sh/v1`, and `v1beta1`, which kept `expireAfter` under `disruption`, the kubelet's
//! settings in the pool, and called its policy `WhenUnderutilized`.
//!
//! A requirement that is not there leaves its label open: both capacity types (Karpenter takes spot
//! first), both architectures, every category and generation. The defaults of `v1alpha5` (on-demand, amd64,
//! c, m and r above generation 2) ended with it.
//!
//! # Source
//! Karpenter's `NodePool` CRDs, its migration guides to v1beta1 and v1, and its documentation ("`NodePools`",
//! `spec.template.spec.requirements`); for EKS Auto Mode `models/manifests.toml`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Knowledge, Notes,
    class::{self, Class},
    documents::{Object, items, pairs, text},
    requirement,
    value::{Line, leftover, number, quantity, rounded, set, tables, texts, whole},
};
use crate::{
    cluster::autoscale::policy::taint::Taint,
    manifest::{DRIFT_DAYS, SPOT_SHARE, quantity::Duration},
};

/// Result of reading node pools and classes.
#[derive(Debug, Default)]
pub(super) struct Pools {
    /// Pools by name.
    pub(super) named: Vec<(String, Vec<Line>)>,
    /// Zones that pools name.
    pub(super) zones: BTreeSet<String>,
    /// Whether a pool names none, so that it buys in every zone there is.
    pub(super) in_any_zone: bool,
    /// What the one node class of manifests without pools sets in the pools that `init` assumes.
    pub(super) assumed: Vec<Line>,
    /// The first object by which EKS Auto Mode manages the nodes.
    pub(super) auto_mode: Option<String>,
}

pub(super) fn read(
    pools: &[Object],
    classes: &[Object],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Pools {
    let mut all = Pools::default();
    let read: Vec<Class> =
        classes.iter().map(|object| class::read(object, knowledge, notes)).collect();
    let mut used = vec![false; read.len()];
    let is_auto = |object: &&Object| reference(object, knowledge).is_auto;
    for object in pools {
        if all.named.iter().any(|(name, _)| *name == object.name) {
            notes.field(object, "", "is defined twice; only the first definition is used");
            continue;
        }
        let mut lines = pool(object, &mut all, knowledge, notes);
        lines.extend(class::kubelet(object, "/spec/template/spec/kubelet", notes));
        let reference = reference(object, knowledge);
        if !reference.name.is_empty() {
            let label = object.label();
            lines.push(Line::new("node_class", reference.name, &label));
        }
        let found = read.iter().position(|class| reference.names(class, read.len()));
        if let Some(index) = found {
            used[index] = true;
            add_missing(&mut lines, read[index].lines.clone());
        } else if !reference.is_auto {
            let message = format!(
                "node class {:?} is not among the manifests: its nodes have the volume of [ebs], an assumption",
                reference.name
            );
            notes.field(object, "spec.template.spec.nodeClassRef", &message);
        }
        if reference.is_auto {
            add_missing(&mut lines, auto_mode(object, knowledge, notes));
        }
        all.named.push((object.name.clone(), lines));
    }
    let auto = pools.iter().find(is_auto).map(Object::label);
    let auto_class = classes.iter().zip(&read).find(|(_, class)| class.is_auto);
    all.auto_mode = auto.or_else(|| auto_class.map(|(object, _)| object.label()));
    if all.auto_mode.is_some() {
        for object in pools.iter().filter(|object| !is_auto(object)) {
            let message = "is not of EKS Auto Mode, as others are: eks.auto_mode puts its fee on the nodes of all pools";
            notes.field(object, "spec.template.spec.nodeClassRef", message);
        }
    }
    match &*read {
        [only] if pools.is_empty() => {
            let message = "no node pool among the manifests: the pools that init assumes have its volume and kubelet";
            notes.field(&classes[0], "", message);
            all.assumed.clone_from(&only.lines);
        }
        _ => {
            for (object, _) in classes.iter().zip(used).filter(|(_, used)| !used) {
                notes.field(object, "", "no node pool refers to it; it is not used");
            }
        }
    }
    all
}

/// Which node class a pool names.
struct Reference<'a> {
    name: &'a str,
    is_auto: bool,
}

impl Reference<'_> {
    /// Returns whether it is this one of so many; a pool that names none has the only one.
    fn names(&self, class: &Class, count: usize) -> bool {
        if self.name.is_empty() {
            count == 1
        } else {
            self.name == class.name && self.is_auto == class.is_auto
        }
    }
}

fn reference<'a>(object: &'a Object, knowledge: Knowledge<'_>) -> Reference<'a> {
    let field = |name: &str| {
        text(&object.body, &format!("/spec/template/spec/nodeClassRef/{name}")).unwrap_or_default()
    };
    let group = &*knowledge.facts.auto_mode.group;
    let version = field("apiVersion").split('/').next();
    let labels = items(&object.body, "/spec/template/spec/requirements");
    let prefix = format!("{group}/");
    let has_label =
        labels.iter().any(|given| text(given, "/key").unwrap_or_default().starts_with(&prefix));
    let is_auto = field("group") == group
        || version == Some(group)
        || (field("kind").is_empty() && has_label);
    Reference { name: field("name"), is_auto }
}

/// Adds the lines whose keys are not there yet.
fn add_missing(lines: &mut Vec<Line>, more: Vec<Line>) {
    for line in more {
        if lines.iter().all(|known| known.key != line.key) {
            lines.push(line);
        }
    }
}

/// What EKS Auto Mode does where a pool says nothing.
fn auto_mode(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) -> Vec<Line> {
    let facts = &knowledge.facts.auto_mode;
    let why = format!("{}: EKS Auto Mode's default", object.label());
    let mut lines = vec![
        Line::new("expire_after_hours", i64::from(facts.expire_after_hours), &why),
        Line::new("termination_grace_seconds", i64::from(facts.termination_grace_seconds), &why),
        Line::new("drift_every_days", i64::from(facts.drift_every_days), &why),
        Line::new("volume_gib", number(facts.volume_gib), &why),
    ];
    // A dump of a pool has its policy; a manifest may leave it to the version of EKS that creates the pool.
    if object.at("/spec/disruption/consolidationPolicy").is_none() {
        match knowledge.minor {
            Some(minor) if minor >= facts.balanced_from => {
                let why = format!("{why} since Kubernetes 1.{}", facts.balanced_from);
                lines.push(Line::new("consolidation_policy", "Balanced", &why));
            }
            Some(_) => {}
            None => {
                let message = format!(
                    "is not given: WhenEmptyOrUnderutilized is planned. A pool created on EKS 1.{} or later has Balanced; for it, set consolidation_policy in the scenario",
                    facts.balanced_from
                );
                notes.field(object, "spec.disruption.consolidationPolicy", &message);
            }
        }
    }
    lines
}

fn pool(
    object: &Object,
    all: &mut Pools,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Line> {
    let mut lines = Vec::new();
    requirement::read(object, (&mut lines, all), knowledge, notes);
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
    static_nodes(object, &mut lines, notes);
    let ignored = knowledge.facts.ignored.get("pool_template").map_or(&[][..], Vec::as_slice);
    leftover(object, ("/spec/template/spec", &[]), ignored, notes);
    // Labels tell which workloads the pool is for.
    leftover(object, ("/spec/template", &["spec", "metadata"]), &[], notes);
    leftover(object, ("/spec/template/metadata", &["labels"]), &["annotations".into()], notes);
    leftover(
        object,
        ("/spec", &["template", "disruption", "limits", "weight", "replicas"]),
        &[],
        notes,
    );
    lines
}

/// `spec.replicas`: static capacity.
fn static_nodes(object: &Object, lines: &mut Vec<Line>, notes: &mut Notes) {
    if let Some(replicas) = object.at("/spec/replicas").filter(|value| !value.is_null())
        && let Some(replicas) = whole(object, ("spec.replicas", replicas), (0, 1000), notes)
    {
        lines.push(Line::new("replicas", i64::from(replicas), &object.label()));
        // Karpenter rejects them together with replicas.
        let no_effect = ["limit_vcpus", "limit_memory_gib", "weight"];
        for line in lines.iter().filter(|line| no_effect.contains(&&*line.key)) {
            let message = format!("static node pools have no {}; it is not read", line.key);
            notes.field(object, "spec.replicas", &message);
        }
        lines.retain(|line| !no_effect.contains(&&*line.key));
    }
}

/// Returns taints; invalid ones are noted.
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
                _ => notes.field(object, &field, "is not a share from 0 to 1"),
            },
            DRIFT_DAYS => {
                let days = value.as_str().and_then(|text| text.parse::<u32>().ok());
                match days.filter(|days| (1..=3650).contains(days)) {
                    Some(days) => {
                        set(lines, Line::new("drift_every_days", i64::from(days), &object.label()));
                    }
                    None => notes.field(object, &field, "is not a number of days from 1 to 3650"),
                }
            }
            _ => {}
        }
    }
}

/// Returns a duration in whole seconds of at most ten days, the maximum of a scenario; a change is noted.
fn seconds(object: &Object, pointer: &str, seconds: f64, notes: &mut Notes) -> i64 {
    let taken = seconds.min(864_000.0).ceil();
    let field = pointer.trim_start_matches('/').replace('/', ".");
    rounded(object, (&field, seconds), (taken, "seconds"), notes)
}

/// Returns a duration; an invalid one is noted.
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
            let message = format!("{other:?} is not a policy that a scenario supports");
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
