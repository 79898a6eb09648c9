//! Affinity and anti-affinity between pods: label selectors as the workloads that they select.
//!
//! # Source
//! Kubernetes API reference, `PodAffinityTerm`: without namespaces, pods of the pod's own namespace; an empty
//! selector selects every pod, a missing one none.

use serde_json::Value;
use toml_edit::InlineTable;

use super::{
    Notes,
    documents::{Object, at, items, pairs, same_namespace, text},
    value::{Line, leftover, set, tables, whole},
    workload::Draft,
};

/// A term that is read: what it selects, the domain, and its weight where it is a preference.
struct Term<'a> {
    selected: Vec<&'a str>,
    key: &'a str,
    weight: Option<u32>,
}

/// Sets the keys `pod_affinity` and `pod_anti_affinity` of the workloads whose objects have them.
pub(super) fn apply(objects: &[Object], drafts: &mut [Draft], notes: &mut Notes) {
    for object in objects {
        let Some(place) = drafts.iter().position(|draft| draft.is_of(object)) else { continue };
        let known = ["nodeAffinity", "podAffinity", "podAntiAffinity"];
        leftover(object, ("/spec/template/spec/affinity", &known), &[], notes);
        for (kind, key) in
            [("podAffinity", "pod_affinity"), ("podAntiAffinity", "pod_anti_affinity")]
        {
            let terms = terms(object, (kind, &drafts[place]), drafts, notes);
            if !terms.is_empty() {
                let line = Line::new(key, tables(terms), &object.label());
                set(&mut drafts[place].lines, line);
            }
        }
    }
}

/// Returns the terms of one kind as a scenario writes them.
fn terms(
    object: &Object,
    (kind, own): (&str, &Draft),
    drafts: &[Draft],
    notes: &mut Notes,
) -> Vec<InlineTable> {
    let pointer = format!("/spec/template/spec/affinity/{kind}");
    let (required, preferred) = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    );
    leftover(object, (&pointer, &[required, preferred]), &[], notes);
    let field =
        |list: &str, index: usize| format!("spec.template.spec.affinity.{kind}.{list}[{index}]");
    let mut found: Vec<Term<'_>> = Vec::new();
    for (index, given) in items(&object.body, &format!("{pointer}/{required}")).iter().enumerate() {
        let place = (&*field(required, index), given);
        found.extend(term(object, place, (own, drafts), notes).map(|term| (term, None)).map(with));
    }
    for (index, given) in items(&object.body, &format!("{pointer}/{preferred}")).iter().enumerate()
    {
        let field = field(preferred, index);
        let weight = given.get("weight").cloned().unwrap_or(Value::Null);
        let weight = whole(object, (&format!("{field}.weight"), &weight), (1, 100), notes);
        let Some(weight) = weight else { continue };
        let given = at(given, "/podAffinityTerm").unwrap_or(&Value::Null);
        let term = term(object, (&format!("{field}.podAffinityTerm"), given), (own, drafts), notes);
        found.extend(term.map(|term| (term, Some(weight))).map(with));
    }
    if own.is_daemon_set && !found.is_empty() {
        let message = "is ignored: a DaemonSet runs on every node that admits it";
        notes.field(object, &format!("spec.template.spec.affinity.{kind}"), message);
        return Vec::new();
    }
    if kind == "podAffinity" {
        one_required(object, own, &mut found, notes);
    }
    let mut tables: Vec<InlineTable> = Vec::new();
    for term in found {
        for workload in term.selected {
            let mut table = InlineTable::new();
            table.insert("workload", workload.into());
            table.insert("topology_key", term.key.into());
            match term.weight {
                None => _ = table.insert("required", true.into()),
                Some(weight) => _ = table.insert("weight", i64::from(weight).into()),
            }
            let repeats = tables.iter().any(|known| {
                ["workload", "topology_key", "required"].iter().all(|key| {
                    known.get(key).map(ToString::to_string)
                        == table.get(key).map(ToString::to_string)
                })
            });
            if repeats {
                let message = format!("has two terms for {workload}; the first is used");
                notes.field(object, &format!("spec.template.spec.affinity.{kind}"), &message);
            } else {
                tables.push(table);
            }
        }
    }
    tables
}

fn with<'a>(((selected, key), weight): ((Vec<&'a str>, &'a str), Option<u32>)) -> Term<'a> {
    Term { selected, key, weight }
}

/// A pod needs one pod of those that a required term selects, and the same pod for every required term: of
/// several workloads, its own or the first is kept.
fn one_required(object: &Object, own: &Draft, found: &mut Vec<Term<'_>>, notes: &mut Notes) {
    let field = "spec.template.spec.affinity.podAffinity";
    let mut all = found.iter().filter(|term| term.weight.is_none());
    let Some(first) = all.next() else { return };
    let common = |name: &&str| {
        found.iter().filter(|term| term.weight.is_none()).all(|term| term.selected.contains(name))
    };
    let shared: Vec<&str> = first.selected.iter().copied().filter(|name| common(name)).collect();
    let kept = shared.iter().copied().find(|name| *name == own.name).or(shared.first().copied());
    let kept = kept.or(first.selected.first().copied());
    let mut others: Vec<&str> = Vec::new();
    for term in found.iter_mut().filter(|term| term.weight.is_none()) {
        others.extend(term.selected.iter().filter(|name| Some(**name) != kept));
        term.selected.retain(|name| Some(*name) == kept);
    }
    others.sort_unstable();
    others.dedup();
    if let (Some(kept), false) = (kept, others.is_empty()) {
        let message = format!(
            "a scenario's required affinity is to pods of one workload: {kept} is used, {} ignored",
            others.join(", ")
        );
        notes.field(object, field, &message);
    }
    found.retain(|term| !term.selected.is_empty());
}

/// Returns what a term selects and its domain; a note says why it is ignored.
fn term<'a>(
    object: &Object,
    (field, given): (&str, &'a Value),
    (own, drafts): (&Draft, &'a [Draft]),
    notes: &mut Notes,
) -> Option<(Vec<&'a str>, &'a str)> {
    let key = text(given, "/topologyKey").unwrap_or_default();
    if !matches!(key, "topology.kubernetes.io/zone" | "kubernetes.io/hostname") {
        let message = format!("topology key {key:?} has no counterpart; the term is ignored");
        notes.field(object, field, &message);
        return None;
    }
    for unread in ["matchLabelKeys", "mismatchLabelKeys"] {
        if !items(given, &format!("/{unread}")).is_empty() {
            notes.field(object, &format!("{field}.{unread}"), "has no counterpart; it is ignored");
        }
    }
    let named: Vec<&str> = items(given, "/namespaces").iter().filter_map(Value::as_str).collect();
    let by_label = at(given, "/namespaceSelector");
    if by_label.and_then(Value::as_object).is_some_and(|selector| !selector.is_empty()) {
        let message = "labels of namespaces are not among the manifests: every namespace is taken";
        notes.field(object, &format!("{field}.namespaceSelector"), message);
    }
    let here = |draft: &&Draft| match (by_label, &*named) {
        (Some(_), _) => true,
        (None, []) => same_namespace(&draft.namespace, &own.namespace),
        (None, named) => named.iter().any(|name| same_namespace(&draft.namespace, name)),
    };
    let selector = at(given, "/labelSelector");
    let selects =
        |draft: &&Draft| selector.is_some_and(|selector| selects(selector, &draft.labels));
    let all: Vec<&Draft> = drafts.iter().filter(here).filter(selects).collect();
    let selected: Vec<&str> =
        all.iter().filter(|draft| !draft.is_daemon_set).map(|draft| &*draft.name).collect();
    if selected.is_empty() {
        let message = match all.first() {
            Some(daemon_set) => format!(
                "selects DaemonSet {}, which runs on every node; the term is ignored",
                daemon_set.object
            ),
            None => "selects no workload among the manifests; the term is ignored".to_owned(),
        };
        notes.field(object, field, &message);
        return None;
    }
    Some((selected, key))
}

/// Returns whether a label selector selects pods with these labels.
fn selects(selector: &Value, labels: &[(String, String)]) -> bool {
    let value =
        |key: &str| labels.iter().find(|(known, _)| known == key).map(|(_, value)| &**value);
    let pairs = pairs(selector, "/matchLabels");
    let mut pairs =
        pairs.map(|(key, wanted)| value(key).is_some() && value(key) == wanted.as_str());
    let mut expressions = items(selector, "/matchExpressions").iter().map(|expression| {
        let has = value(text(expression, "/key").unwrap_or_default());
        let listed = has.is_some_and(|has| {
            items(expression, "/values").iter().any(|value| value.as_str() == Some(has))
        });
        match text(expression, "/operator") {
            Some("In") => listed,
            Some("NotIn") => !listed,
            Some("Exists") => has.is_some(),
            Some("DoesNotExist") => has.is_none(),
            _ => false,
        }
    });
    pairs.all(|met| met) && expressions.all(|met| met)
}
