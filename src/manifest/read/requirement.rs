//! A node pool's requirements on the labels of its nodes.
//!
//! Requirements on one label are all to be met, so those that name values are cut to what they have in
//! common, bounds to the narrowest, before any is read.
//!
//! # Source
//! Karpenter's `NodePool` CRD and `pkg/scheduling/requirements.go` (requirements of a key intersect).

use std::borrow::Cow;

use serde_json::Value;

use super::{
    Knowledge, Notes,
    documents::{Object, at, items, text},
    pool::Pools,
    value::{Line, set, texts, whole},
};
use crate::{facts::shapes::PROPERTIES, manifest::CAPACITY_LABEL as CAPACITY};

/// Of nodes of EKS Auto Mode; `auto` is its one value.
const COMPUTE: &str = "eks.amazonaws.com/compute-type";
const ARCH: &str = "kubernetes.io/arch";
const ZONE: &str = "topology.kubernetes.io/zone";
const CPU: &str = "karpenter.k8s.aws/instance-cpu";
const GENERATION: &str = "karpenter.k8s.aws/instance-generation";

/// Capacity in a reservation.
const RESERVED: &str = "reserved";
/// Every capacity type, in the order in which Karpenter takes them.
const CAPACITY_TYPES: [&str; 3] = [RESERVED, "spot", "on-demand"];

/// One requirement.
struct Requirement<'a> {
    field: String,
    /// The label as the manifest has it.
    label: &'a str,
    /// The same in `karpenter.sh/v1`.
    key: Cow<'a, str>,
    operator: &'a str,
    values: Vec<&'a str>,
}

pub(super) fn read(
    object: &Object,
    (lines, all): (&mut Vec<Line>, &mut Pools),
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) {
    let requirements = merged(object, lines, &knowledge.facts.auto_mode.group, notes);
    for one in &requirements {
        unmatched(object, one, knowledge, notes);
        requirement(object, one, (lines, all), notes);
    }
    all.in_any_zone |= !requirements.iter().any(|one| one.key == ZONE && one.operator == "In");
    // An annotation of runrate's own may still say which share is to be spot.
    if requirements.iter().all(|one| one.key != CAPACITY) {
        let why = format!("{}: no requirement on {CAPACITY}, so both; spot first", object.label());
        set(lines, Line::new("capacity_types", texts(values_of(CAPACITY)), &why));
    }
}

/// Names that no instance type has.
fn unmatched(object: &Object, one: &Requirement<'_>, knowledge: Knowledge<'_>, notes: &mut Notes) {
    let list = list_of(&one.key);
    let Some(property) = PROPERTIES.into_iter().find(|property| property.key == list) else {
        return;
    };
    for value in one.values.iter().filter(|_| one.operator == "In") {
        if let Some(message) = knowledge.catalog.ignored(property, value) {
            notes.field(object, &one.field, &message);
        }
    }
}

/// What the label is called in `karpenter.sh/v1`. EKS Auto Mode has its own prefix for Karpenter's labels.
pub(super) fn key_of<'a>(key: &'a str, auto_mode: &str) -> Cow<'a, str> {
    Cow::Borrowed(match key {
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/arch" => ARCH,
        "failure-domain.beta.kubernetes.io/zone" => ZONE,
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        other => match other.strip_prefix(auto_mode).and_then(|rest| rest.strip_prefix('/')) {
            Some("compute-type") => COMPUTE,
            Some(name) => return Cow::Owned(format!("karpenter.k8s.aws/{name}")),
            None => other,
        },
    })
}

/// Returns the key of a scenario that lists a label's values.
pub(super) fn list_of(key: &str) -> &'static str {
    match key {
        "node.kubernetes.io/instance-type" => "instance_types",
        "karpenter.k8s.aws/instance-family" => "families",
        "karpenter.k8s.aws/instance-category" => "categories",
        "karpenter.k8s.aws/instance-size" => "sizes",
        ARCH => "architectures",
        _ => "",
    }
}

/// Returns values that a label has at all, where these are known: `NotIn` some of them is `In` the others.
pub(super) fn values_of(key: &str) -> &'static [&'static str] {
    match key {
        ARCH => &["amd64", "arm64"],
        CAPACITY => &["spot", "on-demand"],
        _ => &[],
    }
}

/// Returns the requirements, those with `In` on one label as one.
fn merged<'a>(
    object: &'a Object,
    lines: &mut Vec<Line>,
    auto_mode: &str,
    notes: &mut Notes,
) -> Vec<Requirement<'a>> {
    let mut all: Vec<Requirement<'a>> = Vec::new();
    let given = items(&object.body, "/spec/template/spec/requirements");
    for (index, given) in given.iter().enumerate() {
        let one = one(given, index, auto_mode);
        let list = list_of(&one.key);
        if let Some(least) = at(given, "/minValues") {
            min_values(object, (&one.field, least), (list, lines), notes);
            if one.operator == "Exists" && !list.is_empty() {
                continue;
            }
        }
        let same = |known: &&mut Requirement<'_>| {
            known.key == one.key && (known.operator, one.operator) == ("In", "In")
        };
        let Some(known) = all.iter_mut().find(same) else {
            all.push(one);
            continue;
        };
        let common: Vec<&str> =
            known.values.iter().copied().filter(|value| one.values.contains(value)).collect();
        if common.is_empty() {
            let message = format!(
                "{} In {} has nothing in common with {} before it, so that Karpenter buys no node; it is not read",
                one.label,
                one.values.join(", "),
                known.values.join(", ")
            );
            notes.field(object, &one.field, &message);
        } else {
            known.values = common;
        }
    }
    all
}

fn one<'a>(given: &'a Value, index: usize, auto_mode: &str) -> Requirement<'a> {
    let label = text(given, "/key").unwrap_or_default();
    let key = key_of(label, auto_mode);
    let operator = text(given, "/operator").unwrap_or_default();
    let values: Vec<&str> = items(given, "/values").iter().filter_map(Value::as_str).collect();
    let field = format!("spec.template.spec.requirements[{index}]");
    let known = values_of(&key);
    let others: Vec<&str> = known.iter().copied().filter(|value| !values.contains(value)).collect();
    match operator {
        "NotIn" if !others.is_empty() => {
            Requirement { field, label, key, operator: "In", values: others }
        }
        "Exists" if !known.is_empty() => {
            Requirement { field, label, key, operator: "In", values: known.to_vec() }
        }
        _ => Requirement { field, label, key, operator, values },
    }
}

/// A requirement on a node's labels.
fn requirement(
    object: &Object,
    one: &Requirement<'_>,
    (lines, all): (&mut Vec<Line>, &mut Pools),
    notes: &mut Notes,
) {
    let label = object.label();
    let Requirement { field, key, operator, values, .. } = one;
    let list = list_of(key);
    match (&**key, *operator) {
        (_, "In") if !list.is_empty() && !values.is_empty() => {
            set(lines, Line::new(list, texts(values), &label));
        }
        (CAPACITY, "In" | "NotIn") => capacity(object, one, lines, notes),
        (ZONE, "In") => {
            let message =
                "zones are counted over all pools, not named; set the account's region to theirs";
            notes.field(object, field, message);
            all.zones.extend(values.iter().map(|zone| (*zone).to_owned()));
        }
        ("kubernetes.io/os", "In") if *values == ["linux"] => {}
        (COMPUTE, "In") if *values == ["auto"] => {}
        (GENERATION | CPU, _) => bounds(object, one, lines, notes),
        _ => no_counterpart(object, one, notes),
    }
}

fn no_counterpart(object: &Object, one: &Requirement<'_>, notes: &mut Notes) {
    let Requirement { field, label, operator, values, .. } = one;
    let named = if values.is_empty() { String::new() } else { format!(" {}", values.join(", ")) };
    let message = format!("{label} {operator}{named} has no counterpart in a scenario");
    notes.field(object, field, &message);
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
        notes.field(object, &field, "a scenario counts only instance types and families");
        return;
    }
    let known = lines.iter().find(|line| line.key == "min_values");
    let mut table =
        known.and_then(|line| line.value.as_inline_table().cloned()).unwrap_or_default();
    let before = table.get(list).and_then(toml_edit::Value::as_integer).unwrap_or(0);
    table.insert(list, i64::from(least).max(before).into());
    set(lines, Line::new("min_values", table, &object.label()));
}

fn capacity(object: &Object, one: &Requirement<'_>, lines: &mut Vec<Line>, notes: &mut Notes) {
    let has = |kind: &&str| one.operator == "In" && one.values.contains(kind);
    let mut types: Vec<&str> = CAPACITY_TYPES.into_iter().filter(has).collect();
    if one.operator == "In" && types.len() < one.values.len() {
        let message = "the capacity types are reserved, spot and on-demand; others are not read";
        notes.field(object, &one.field, message);
    }
    if types == [RESERVED] {
        let message = "allows only reserved capacity, and the reservation is in no manifest: \
            on-demand is planned too. Give [cluster.capacity_reservations.NAME], then remove on-demand";
        notes.field(object, &one.field, message);
        types.push("on-demand");
    }
    if types.is_empty() {
        let message = "leaves no capacity type that a scenario has; on-demand is planned";
        notes.field(object, &one.field, message);
        return;
    }
    set(lines, Line::new("capacity_types", texts(&types), &object.label()));
}

/// Generations and vCPUs: scenarios have a least of both, and a most of vCPUs.
fn bounds(object: &Object, one: &Requirement<'_>, lines: &mut Vec<Line>, notes: &mut Notes) {
    let Requirement { field, label, key, operator, values } = one;
    let is_cpu = key == CPU;
    let mut numbers: Vec<u32> = Vec::new();
    for value in values {
        if let Ok(number) = value.parse() {
            numbers.push(number);
        } else {
            let message = format!("{label}: {value:?} is not a whole number; it is not read");
            notes.field(object, field, &message);
        }
    }
    numbers.sort_unstable();
    let (from, to) = match (*operator, &*numbers) {
        ("Gt", [bound]) => (bound.checked_add(1), None),
        ("Lt", [bound]) => (None, bound.checked_sub(1)),
        ("Gte", [bound]) => (Some(*bound), None),
        ("Lte", [bound]) => (None, Some(*bound)),
        ("In", [first, .., last]) => (Some(*first), Some(*last)),
        ("In", [only]) => (Some(*only), Some(*only)),
        _ => (None, None),
    };
    if from.is_none() && to.is_none() {
        no_counterpart(object, one, notes);
        return;
    }
    if *operator == "In" && numbers.len() > 1 {
        let message = "is planned as the range from its smallest to its largest value";
        notes.field(object, field, message);
    }
    if to.is_some() && !is_cpu {
        let message = "a scenario has no maximum generation: newer ones are planned too";
        notes.field(object, field, message);
    }
    let (least, most) = if is_cpu { ("min_vcpus", 1000) } else { ("min_generation", 20) };
    if let Some(from) = from {
        narrow(object, (field, from, most), (least, lines), notes);
    }
    if let Some(to) = to.filter(|_| is_cpu) {
        narrow(object, (field, to, most), ("max_vcpus", lines), notes);
    }
}

/// Sets a bound unless a narrower one is there; one outside the range of the scenario is noted.
fn narrow(
    object: &Object,
    (field, bound, most): (&str, u32, u32),
    (key, lines): (&str, &mut Vec<Line>),
    notes: &mut Notes,
) {
    if !(1..=most).contains(&bound) {
        // Every node has one and more: a least of none asks for nothing.
        if bound > 0 || key == "max_vcpus" {
            let message =
                format!("{bound} is not from 1 to {most}, the range of {key}; it is ignored");
            notes.field(object, field, &message);
        }
        return;
    }
    let bound = i64::from(bound);
    let known = lines.iter().find(|line| line.key == key);
    let known = known.and_then(|line| line.value.as_integer());
    let is_wider =
        known.is_some_and(|known| if key == "max_vcpus" { known <= bound } else { known >= bound });
    if !is_wider {
        set(lines, Line::new(key, bound, &object.label()));
    }
}
