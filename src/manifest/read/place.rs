//! Nodes that a pod requires or prefers: `nodeSelector` and node affinity.
//!
//! # Formula
//! ```text
//! nodes = nodeSelector ∩ (term 1 ∪ term 2 ∪ ...),  term = ∩ of its expressions
//! ```
//! A label of the machine or its purchase becomes `node_requirements`; any other label names the node pools
//! whose template has it, and so `node_pools`. Terms that differ in more than their pools stay apart, in their
//! order, as `node_alternatives`: Karpenter buys for the first that it can meet.
//!
//! # Source
//! Kubernetes, "Assigning Pods to Nodes" (terms are alternatives, expressions of a term all hold; `NotIn` and
//! `DoesNotExist` hold on nodes without the label). Karpenter, "Scheduling" (labels that it sets on its nodes).

use serde_json::Value;
use toml_edit::InlineTable;

use super::{
    Notes,
    documents::{Object, items, pairs, text},
    requirement::{key_of, list_of, values_of},
    value::{self, Line, leftover, tables, texts},
};
use crate::{
    cluster::autoscale::policy::BASELINE,
    manifest::{CAPACITY_LABEL, POOL_LABEL},
};

/// Labels of nodes of EKS node groups, which a scenario has as its baseline.
const NODE_GROUP: [&str; 2] = ["eks.amazonaws.com/nodegroup", "alpha.eksctl.io/nodegroup-name"];
/// What the node requirement of capacity types can list.
const CAPACITY_TYPES: [&str; 4] = [BASELINE, "on-demand", "spot", "reserved"];

/// A node pool and the labels of its nodes, each with every value that it may have.
#[derive(Debug, Clone, Default)]
struct Labelled {
    pool: String,
    labels: Vec<(String, Vec<String>)>,
}

/// The node pools among the manifests.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    pools: Vec<Labelled>,
    /// Prefix of EKS Auto Mode's names of Karpenter's labels.
    auto_mode: String,
}

impl Groups {
    pub(super) fn of(pools: &[Object], auto_mode: &str) -> Self {
        let each = |object: &Object| {
            let plain =
                pairs(&object.body, "/spec/template/metadata/labels").filter_map(|(key, value)| {
                    Some((key.to_owned(), vec![value.as_str()?.to_owned()]))
                });
            let required = items(&object.body, "/spec/template/spec/requirements").iter();
            let required = required.filter(|given| text(given, "/operator") == Some("In"));
            let listed = required.filter_map(|given| {
                let values = items(given, "/values").iter().filter_map(Value::as_str);
                let key = key_of(text(given, "/key")?, auto_mode).into_owned();
                Some((key, values.map(str::to_owned).collect()))
            });
            Labelled { pool: object.name.clone(), labels: plain.chain(listed).collect() }
        };
        let pools = pools.iter().map(each).collect();
        Self { pools, auto_mode: auto_mode.to_owned() }
    }

    fn names(&self) -> Vec<String> {
        self.pools.iter().map(|group| group.pool.clone()).collect()
    }

    /// Returns pools whose nodes have a label, with one of these values where there are some.
    fn with(&self, key: &str, values: &[&str]) -> Vec<String> {
        let has = |group: &&Labelled| {
            group.labels.iter().any(|(known, all)| {
                known == key && (values.is_empty() || all.iter().any(|v| values.contains(&&**v)))
            })
        };
        self.pools.iter().filter(has).map(|group| group.pool.clone()).collect()
    }

    /// Returns the baseline and every pool but these.
    fn without(&self, pools: &[String]) -> Vec<String> {
        let others = self.names().into_iter().filter(|name| !pools.contains(name));
        std::iter::once(BASELINE.to_owned()).chain(others).collect()
    }
}

/// Nodes that are left: those of these groups, with these labels.
#[derive(Debug, Clone, Default, PartialEq)]
struct Place {
    pools: Option<Vec<String>>,
    lists: Vec<(&'static str, Vec<String>)>,
}

/// What an expression leaves.
enum Meaning {
    /// Every node.
    All,
    Groups(Vec<String>),
    List(&'static str, Vec<String>),
}

/// An expression on a label.
struct Expression<'a> {
    field: String,
    key: &'a str,
    operator: &'a str,
    values: Vec<&'a str>,
}

/// Returns the keys of a workload that name nodes; a note names what a scenario cannot express.
pub(super) fn lines(object: &Object, groups: &Groups, notes: &mut Notes) -> Vec<Line> {
    let label = object.label();
    let pod = "spec.template.spec";
    let selector = pairs(&object.body, "/spec/template/spec/nodeSelector").map(|(key, value)| {
        let values = value.as_str().into_iter().collect();
        Expression { field: format!("{pod}.nodeSelector.{key}"), key, operator: "In", values }
    });
    let mut place = all_of(object, selector.collect(), groups, notes);
    let field = format!("{pod}.affinity.nodeAffinity");
    let given = object.at("/spec/template/spec/affinity/nodeAffinity").unwrap_or(&Value::Null);
    let mut alternatives = required(object, (&field, given), groups, notes);
    if let [_] = &*alternatives
        && let Some(only) = alternatives.pop()
        && let Some(clash) = place.narrow(only)
    {
        notes.field(object, &field, &clash);
    }
    if alternatives.iter().any(|term| *term == Place::default()) {
        let message = "has an alternative that every node meets, so the alternatives are ignored";
        notes.field(object, &field, message);
        alternatives.clear();
    }
    let preferences = preferred(object, (&field, given), groups, notes);
    let mut lines = Vec::new();
    if let Some(pools) = place.pools {
        lines.push(Line::new("node_pools", texts(&pools), &label));
    }
    if !place.lists.is_empty() {
        let place = Place { pools: None, lists: place.lists };
        lines.push(Line::new("node_requirements", place.table(), &label));
    }
    if !alternatives.is_empty() {
        let known = |term: &Place| term.known(groups, (object, &field), notes).table();
        let terms = alternatives.iter().map(known).collect();
        lines.push(Line::new("node_alternatives", tables(terms), &label));
    }
    if !preferences.is_empty() {
        lines.push(Line::new("node_preferences", tables(preferences), &label));
    }
    lines
}

/// Returns preferred terms, each with its weight.
fn preferred(
    object: &Object,
    (field, given): (&str, &Value),
    groups: &Groups,
    notes: &mut Notes,
) -> Vec<InlineTable> {
    let list = "preferredDuringSchedulingIgnoredDuringExecution";
    let mut tables = Vec::new();
    for (index, term) in items(given, &format!("/{list}")).iter().enumerate() {
        let field = format!("{field}.{list}[{index}]");
        let weight = term.get("weight").cloned().unwrap_or(Value::Null);
        let weight = value::whole(object, (&format!("{field}.weight"), &weight), (1, 100), notes);
        let Some(weight) = weight else { continue };
        if object.kind == "DaemonSet" {
            let message = "is ignored: a DaemonSet runs on every node that admits it";
            notes.field(object, &field, message);
            continue;
        }
        let preference = term.get("preference").unwrap_or(&Value::Null);
        let place = term_of(object, (&field, preference), groups, notes);
        let place = place.known(groups, (object, &field), notes);
        if place == Place::default() {
            let message = "is met by every node of the scenario, so it prefers none";
            notes.field(object, &field, message);
            continue;
        }
        let mut table = InlineTable::new();
        table.insert("weight", i64::from(weight).into());
        table.extend(place.table());
        tables.push(table);
    }
    tables
}

impl Place {
    /// Returns the keys of a term.
    fn table(&self) -> InlineTable {
        let mut table = InlineTable::new();
        if let Some(pools) = &self.pools {
            table.insert("node_pools", texts(pools));
        }
        for (key, values) in &self.lists {
            table.insert(*key, texts(values));
        }
        table
    }

    /// Returns the same without node pools that are not among the manifests; the baseline where none is left.
    fn known(&self, groups: &Groups, (object, field): (&Object, &str), notes: &mut Notes) -> Self {
        let is_known = |name: &String| {
            *name == BASELINE || groups.pools.iter().any(|group| group.pool == *name)
        };
        let Some(pools) = &self.pools else { return self.clone() };
        let (mut known, unknown): (Vec<String>, Vec<String>) =
            pools.iter().cloned().partition(is_known);
        if known.is_empty() {
            known.push(BASELINE.to_owned());
        }
        if !unknown.is_empty() {
            let message = format!(
                "names node pool {}, which is not among the manifests; {} is planned",
                unknown.join(", "),
                known.join(", ")
            );
            notes.field(object, field, &message);
        }
        Self { pools: Some(known), lists: self.lists.clone() }
    }

    /// Keeps the intersection; if it is empty, keeps the previous nodes and adds a note.
    fn narrow(&mut self, other: Self) -> Option<String> {
        let mut clash = None;
        if let Some(pools) = other.pools {
            clash = self.take(Meaning::Groups(pools));
        }
        for (key, values) in other.lists {
            clash = self.take(Meaning::List(key, values)).or(clash);
        }
        clash
    }

    fn take(&mut self, meaning: Meaning) -> Option<String> {
        let common = |known: &[String], given: &[String]| -> Vec<String> {
            known.iter().filter(|value| given.contains(value)).cloned().collect()
        };
        let (known, given) = match meaning {
            Meaning::All => return None,
            Meaning::Groups(given) => {
                let Some(known) = &mut self.pools else {
                    self.pools = Some(given);
                    return None;
                };
                (known, given)
            }
            Meaning::List(key, given) => {
                let Some((_, known)) = self.lists.iter_mut().find(|(known, _)| *known == key)
                else {
                    self.lists.push((key, given));
                    return None;
                };
                (known, given)
            }
        };
        let left = common(known, &given);
        if left.is_empty() {
            return Some(format!(
                "{} and {} before it exclude each other, so no node fits the pod; it is ignored",
                given.join(", "),
                known.join(", ")
            ));
        }
        *known = left;
        None
    }

    /// Adds the pools of a term with the same labels; false where they differ.
    fn joins(&mut self, other: &Self) -> bool {
        let same = self.lists == other.lists && self.pools.is_some() == other.pools.is_some();
        if let (true, Some(known), Some(more)) = (same, &mut self.pools, &other.pools) {
            let more: Vec<String> =
                more.iter().filter(|name| !known.contains(name)).cloned().collect();
            known.extend(more);
        }
        same
    }
}

/// What each required term leaves; terms that differ in their pools alone are one.
fn required(
    object: &Object,
    (field, given): (&str, &Value),
    groups: &Groups,
    notes: &mut Notes,
) -> Vec<Place> {
    let known = [
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    ];
    leftover(object, ("/spec/template/spec/affinity/nodeAffinity", &known), &[], notes);
    let terms = items(given, "/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let mut all: Vec<Place> = Vec::new();
    for term in terms {
        let place = term_of(object, (field, term), groups, notes);
        if !all.iter_mut().any(|known| known.joins(&place)) {
            all.push(place);
        }
    }
    all
}

/// What one term leaves.
fn term_of(
    object: &Object,
    (field, term): (&str, &Value),
    groups: &Groups,
    notes: &mut Notes,
) -> Place {
    if !items(term, "/matchFields").is_empty() {
        notes.field(object, field, "matchFields have no counterpart");
    }
    let each = items(term, "/matchExpressions").iter().map(|expression| Expression {
        field: field.to_owned(),
        key: text(expression, "/key").unwrap_or_default(),
        operator: text(expression, "/operator").unwrap_or_default(),
        values: items(expression, "/values").iter().filter_map(Value::as_str).collect(),
    });
    all_of(object, each.collect(), groups, notes)
}

fn all_of(
    object: &Object,
    expressions: Vec<Expression<'_>>,
    groups: &Groups,
    notes: &mut Notes,
) -> Place {
    let mut place = Place::default();
    for expression in expressions {
        let refused = match meaning(object, &expression, groups, notes) {
            Ok(meaning) => place.take(meaning),
            Err(message) => Some(message),
        };
        if let Some(message) = refused {
            notes.field(object, &expression.field, &message);
        }
    }
    place
}

fn meaning(
    object: &Object,
    expression: &Expression<'_>,
    groups: &Groups,
    notes: &mut Notes,
) -> Result<Meaning, String> {
    let Expression { field, key, operator, values } = expression;
    // Labels of managed node groups share Auto Mode's prefix, and keep their names.
    let renamed = key_of(key, &groups.auto_mode);
    let of_node_groups = NODE_GROUP.contains(key) || *key == "eks.amazonaws.com/capacityType";
    let key = if of_node_groups { *key } else { &*renamed };
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let but = |all: &[&str]| -> Vec<String> {
        all.iter().filter(|v| !values.contains(v)).map(|v| (*v).to_owned()).collect()
    };
    let baseline = || Meaning::Groups(vec![BASELINE.to_owned()]);
    let no_counterpart = || {
        let named =
            if values.is_empty() { String::new() } else { format!(" {}", values.join(", ")) };
        format!("{key} {operator}{named} has no counterpart in a scenario; it is ignored")
    };
    let list = if key == CAPACITY_LABEL { "capacity_types" } else { list_of(key) };
    Ok(match (key, *operator) {
        ("kubernetes.io/os", "In") if values.contains(&"linux") => Meaning::All,
        (POOL_LABEL, "In") => Meaning::Groups(owned(values)),
        (POOL_LABEL, "NotIn") if !groups.pools.is_empty() => {
            Meaning::Groups(groups.without(&owned(values)))
        }
        (POOL_LABEL, "Exists") if !groups.pools.is_empty() => Meaning::Groups(groups.names()),
        (POOL_LABEL, "DoesNotExist") => baseline(),
        (CAPACITY_LABEL, "In") => {
            let known: Vec<&str> = values
                .iter()
                .copied()
                .filter(|value| CAPACITY_TYPES[1..].contains(value))
                .collect();
            if known.is_empty() {
                return Err(no_counterpart());
            }
            Meaning::List(list, owned(&known))
        }
        (CAPACITY_LABEL, "NotIn") => Meaning::List(list, but(&CAPACITY_TYPES)),
        (CAPACITY_LABEL, "Exists") => Meaning::List(list, owned(&CAPACITY_TYPES[1..])),
        (CAPACITY_LABEL, "DoesNotExist") => Meaning::List(list, owned(&CAPACITY_TYPES[..1])),
        ("eks.amazonaws.com/capacityType", "In") => {
            if !values.contains(&"ON_DEMAND") {
                let message = "selects spot nodes of a node group; the baseline is planned, which is on-demand";
                notes.field(object, field, message);
            }
            baseline()
        }
        (_, "In" | "Exists") if NODE_GROUP.contains(&key) => baseline(),
        (_, "DoesNotExist") if NODE_GROUP.contains(&key) && !groups.pools.is_empty() => {
            Meaning::Groups(groups.names())
        }
        (_, "In") if !list.is_empty() && !values.is_empty() => Meaning::List(list, owned(values)),
        (_, "NotIn") if !list.is_empty() && !but(values_of(key)).is_empty() => {
            Meaning::List(list, but(values_of(key)))
        }
        _ if !list.is_empty() || is_well_known(key) => return Err(no_counterpart()),
        (_, "In" | "Exists") if !groups.pools.is_empty() => {
            let pools = groups.with(key, values);
            if pools.is_empty() {
                let message = format!(
                    "no node pool among the manifests has {key}{}; the baseline is planned",
                    if values.is_empty() {
                        String::new()
                    } else {
                        format!(" = {}", values.join(", "))
                    }
                );
                notes.field(object, field, &message);
                baseline()
            } else {
                Meaning::Groups(pools)
            }
        }
        (_, "NotIn") if !groups.pools.is_empty() => {
            Meaning::Groups(groups.without(&groups.with(key, values)))
        }
        (_, "DoesNotExist") if !groups.pools.is_empty() => {
            Meaning::Groups(groups.without(&groups.with(key, &[])))
        }
        _ => return Err(no_counterpart()),
    })
}

/// Returns whether Kubernetes, Karpenter or EKS sets a label itself, so that no template of a pool has it.
fn is_well_known(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    ["kubernetes.io", "k8s.io", "karpenter.k8s.aws", "karpenter.sh", "eks.amazonaws.com"]
        .iter()
        .any(|known| domain == *known || domain.ends_with(&format!(".{known}")))
        && !domain.starts_with("node-restriction")
        && !key.starts_with("node-role.kubernetes.io/")
}
