//! `NodePools`: `karpenter.sh/v1`, and `v1beta1`, which kept `expireAfter` under `disruption`, the kubelet's
//! settings in the pool, and called its policy `WhenUnderutilized`.
//!
//! # Source
//! Karpenter's `NodePool` CRDs, and its migration guide to v1.

use serde_json::Value;

use super::{
    Knowledge, Notes, class,
    documents::{Object, at, items, pairs, text},
    value::{Line, leftover, quantity, set, tables, texts, whole},
};
use crate::manifest::{DRIFT_DAYS, SPOT_SHARE, quantity::Duration};

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
    let requirements = items(&object.body, "/spec/template/spec/requirements");
    for (index, given) in requirements.iter().enumerate() {
        let field = format!("spec.template.spec.requirements[{index}]");
        requirement(object, (&field, given), (&mut lines, all), notes);
    }
    kept(object, &mut lines, notes);
    let taints: Vec<String> = items(&object.body, "/spec/template/spec/taints")
        .iter()
        .filter_map(|given| {
            let effect = text(given, "/effect")?;
            let key = text(given, "/key")?;
            Some(match text(given, "/value").filter(|value| !value.is_empty()) {
                Some(value) => format!("{key}={value}:{effect}"),
                None => format!("{key}:{effect}"),
            })
        })
        .collect();
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
    leftover(object, ("/spec/template", &["spec"]), &[], notes);
    leftover(object, ("/spec", &["template", "disruption", "limits", "weight"]), &[], notes);
    lines
}

/// A requirement on a node's labels.
fn requirement(
    object: &Object,
    (field, given): (&str, &Value),
    (lines, all): (&mut Vec<Line>, &mut Pools),
    notes: &mut Notes,
) {
    let label = object.label();
    let key = text(given, "/key").unwrap_or_default();
    let operator = text(given, "/operator").unwrap_or_default();
    let values: Vec<&str> = items(given, "/values").iter().filter_map(Value::as_str).collect();
    let list = match key {
        "node.kubernetes.io/instance-type" | "beta.kubernetes.io/instance-type" => "instance_types",
        "karpenter.k8s.aws/instance-family" => "families",
        "karpenter.k8s.aws/instance-category" => "categories",
        "karpenter.k8s.aws/instance-size" => "sizes",
        "kubernetes.io/arch" | "beta.kubernetes.io/arch" => "architectures",
        _ => "",
    };
    let least = at(given, "/minValues");
    if let Some(least) = least {
        min_values(object, (field, least), (list, lines), notes);
    }
    match (key, operator) {
        (_, "In") if !list.is_empty() && !values.is_empty() => {
            set(lines, Line::new(list, texts(&values), &label));
        }
        (_, "Exists") if least.is_some() && !list.is_empty() => {}
        ("kubernetes.io/arch", "NotIn") if values == ["arm64"] => {
            set(lines, Line::new(list, texts(&["amd64"]), &label));
        }
        ("kubernetes.io/arch", "NotIn") if values == ["amd64"] => {
            set(lines, Line::new(list, texts(&["arm64"]), &label));
        }
        ("karpenter.sh/capacity-type", "In" | "NotIn" | "Exists") => {
            capacity(object, (field, operator, &values), lines, notes);
        }
        ("topology.kubernetes.io/zone" | "failure-domain.beta.kubernetes.io/zone", "In") => {
            let why = format!("{label}: {}", values.join(", "));
            let zones = values.len().clamp(1, 6) as i64;
            let most = all.zones.as_ref().and_then(|line| line.value.as_integer()).unwrap_or(0);
            let message = "zones are counted, not named; set the account's region to theirs";
            notes.field(object, field, message);
            if zones > most {
                all.zones = Some(Line::new("availability_zones", zones, &why));
            }
        }
        ("kubernetes.io/os", "In") if values == ["linux"] => {}
        ("karpenter.k8s.aws/instance-generation" | "karpenter.k8s.aws/instance-cpu", _) => {
            bounds(object, (field, operator, &values), (key, lines), notes);
        }
        _ => {
            let message =
                format!("{key} {operator} {} has no counterpart in a scenario", values.join(", "));
            notes.field(object, field, message.trim_end());
        }
    }
}

fn min_values(
    object: &Object,
    (field, least): (&str, &Value),
    (list, lines): (&str, &mut Vec<Line>),
    notes: &mut Notes,
) {
    let field = format!("{field}.minValues");
    let Some(least) = whole(object, (&field, least), (1, 50), notes) else { return };
    if !matches!(list, "instance_types" | "families") {
        notes.field(object, &field, "a scenario counts instance types and families alone");
        return;
    }
    let known = lines.iter().find(|line| line.key == "min_values");
    let mut table =
        known.and_then(|line| line.value.as_inline_table().cloned()).unwrap_or_default();
    table.insert(list, i64::from(least).into());
    set(lines, Line::new("min_values", table, &object.label()));
}

fn capacity(
    object: &Object,
    (field, operator, values): (&str, &str, &[&str]),
    lines: &mut Vec<Line>,
    notes: &mut Notes,
) {
    let has = |kind: &str| match operator {
        "In" => values.contains(&kind),
        "NotIn" => !values.contains(&kind),
        _ => true,
    };
    let types: Vec<&str> = ["spot", "on-demand"].into_iter().filter(|kind| has(kind)).collect();
    if operator == "In" && values.iter().any(|kind| !matches!(*kind, "spot" | "on-demand")) {
        notes.field(object, field, "only the capacity types spot and on-demand have a counterpart");
    }
    if types.is_empty() {
        notes.field(
            object,
            field,
            "leaves no capacity type that a scenario has; on-demand is planned",
        );
        return;
    }
    set(lines, Line::new("capacity_types", texts(&types), &object.label()));
}

/// Generations and vCPUs: scenarios have a least of both, and a most of vCPUs.
fn bounds(
    object: &Object,
    (field, operator, values): (&str, &str, &[&str]),
    (key, lines): (&str, &mut Vec<Line>),
    notes: &mut Notes,
) {
    let label = object.label();
    let mut numbers: Vec<u32> = values.iter().filter_map(|value| value.parse().ok()).collect();
    numbers.sort_unstable();
    let cpu = key.ends_with("cpu");
    let lowest = if cpu { "min_vcpus" } else { "min_generation" };
    let (from, to) = match (operator, &*numbers) {
        ("Gt", [bound]) => (bound.checked_add(1), None),
        ("Lt", [bound]) => (None, bound.checked_sub(1)),
        ("Gte", [bound]) => (Some(*bound), None),
        ("Lte", [bound]) => (None, Some(*bound)),
        ("In", [first, .., last]) => (Some(*first), Some(*last)),
        ("In", [only]) => (Some(*only), Some(*only)),
        _ => (None, None),
    };
    if operator == "In" && numbers.len() > 1 {
        notes.field(
            object,
            field,
            "is taken as the range from the least of its values to the most",
        );
    }
    if to.is_some() && !cpu {
        notes.field(
            object,
            field,
            "a most of generations has no counterpart: newer ones are planned too",
        );
    }
    let before = lines.len();
    let range = 1..=if cpu { 1000 } else { 20 };
    if let Some(from) = from.filter(|from| range.contains(from)) {
        set(lines, Line::new(lowest, i64::from(from), &label));
    }
    if let Some(to) = to.filter(|to| cpu && range.contains(to)) {
        set(lines, Line::new("max_vcpus", i64::from(to), &label));
    }
    if from.is_none() && to.is_none() || lines.len() == before && numbers.len() != values.len() {
        let message =
            format!("{key} {operator} {} has no counterpart in a scenario", values.join(", "));
        notes.field(object, field, &message);
    }
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
    let policy = match duration(object, "/spec/disruption/consolidateAfter", notes) {
        Some(Duration::Never) => Some("Never"),
        Some(Duration::Seconds(after)) => {
            let after = after.min(864_000.0).round() as i64;
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
            let hours = (after / 3600.0).ceil().clamp(1.0, 100_000.0) as i64;
            lines.push(Line::new("expire_after_hours", hours, &label));
        }
        Some(Duration::Never) => {
            lines.push(Line::new("expire_after_hours", 0, &format!("{label}: Never")));
        }
        None => {}
    }
    if let Some(Duration::Seconds(grace)) =
        duration(object, "/spec/template/spec/terminationGracePeriod", notes)
    {
        let grace = grace.min(864_000.0).round() as i64;
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
                let minutes = (seconds / 60.0).ceil().min(525_600.0) as i64;
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
        let (key, amount, most) = match name {
            "cpu" => ("limit_vcpus", amount.units(), 1e6),
            "memory" => ("limit_memory_gib", amount.mebibytes() / 1024.0, 1e7),
            "nodes" => ("limit_nodes", amount.units(), 1e5),
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
        lines.push(Line::new(key, amount.min(most).floor() as i64, &object.label()));
    }
}
