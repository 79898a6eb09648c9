//! Deployments, `StatefulSets` and `DaemonSets` as workloads.

use serde_json::Value;
use toml_edit::InlineTable;

use super::{
    Knowledge, Notes,
    documents::{Object, pairs, text},
    pod::{self, Amounts},
    value::{Line, leftover, number, set, tables, texts, whole},
};
use crate::manifest::{Known, NO_CPU_LIMIT, NO_MEMORY_LIMIT};

/// A workload in the making.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// Its name in the scenario.
    pub(super) name: String,
    /// The name of its object.
    pub(super) object: String,
    /// The kind of its object.
    pub(super) kind: String,
    /// The namespace of it.
    pub(super) namespace: String,
    /// Labels of its pods.
    pub(super) labels: Vec<(String, String)>,
    /// The profile it is known by.
    pub(super) profile: Option<String>,
    /// Whether it runs once on every node.
    pub(super) is_daemon_set: bool,
    /// Whether an autoscaler scales it.
    pub(super) is_scaled: bool,
    /// Requests, where the manifest has some.
    pub(super) requests: Option<Amounts>,
    /// Its keys.
    pub(super) lines: Vec<Line>,
    /// Where it comes from.
    pub(super) from: String,
}

pub(super) fn drafts(
    objects: &[Object],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for object in objects {
        let same = |draft: &Draft| {
            draft.object == object.name
                && draft.namespace == object.namespace
                && draft.kind == object.kind
        };
        if drafts.iter().any(same) {
            notes.field(object, "", "stands in the manifests twice; the first is used");
            continue;
        }
        let mut name = object.name.clone();
        if drafts.iter().any(|draft| draft.name == name) {
            let apart = [&*object.namespace, &*object.kind.to_ascii_lowercase()].map(str::to_owned);
            let longer =
                apart.iter().filter(|with| !with.is_empty()).map(|with| format!("{with}-{name}"));
            let free = |name: &String| !drafts.iter().any(|draft| draft.name == *name);
            let Some(longer) = longer.clone().find(free) else {
                notes.field(object, "", "its name is taken; it is not read");
                continue;
            };
            name = longer;
            notes.field(
                object,
                "",
                &format!("is called {name} in the scenario: the name is taken"),
            );
        }
        drafts.push(draft(object, name, knowledge, notes));
    }
    drafts
}

fn draft(object: &Object, name: String, knowledge: Knowledge<'_>, notes: &mut Notes) -> Draft {
    let known = known(object, &knowledge.facts.known);
    let label = object.label();
    let is_daemon_set = object.kind == "DaemonSet";
    let profile = known.map(|known| known.profile.clone());
    let mut lines = Vec::new();
    let kind = if is_daemon_set { "daemon-set" } else { "deployment" };
    let default = profile.as_ref().and_then(|name| knowledge.catalog.profiles.get(name));
    let usual = default.and_then(|table| table.get("kind")?.as_str()).unwrap_or("deployment");
    if kind != usual {
        lines.push(Line::new("kind", kind, &label));
    }
    let (requests, limits) = pod::resources(object, notes);
    let has_limits = default.is_some_and(|table| table.contains_key("limits"));
    let given = requests.cpu.is_some() || requests.memory.is_some();
    if given {
        lines.push(Line::new("requests", table(requests, (0.0, 0.0)), &label));
    } else {
        notes.field(object, "spec.template.spec.containers", "ask for no CPU and no memory");
        if profile.is_none() {
            lines.push(Line::new(
                "requests",
                table(requests, (0.0, 0.0)),
                &format!("{label}: none"),
            ));
        }
    }
    if limits.cpu.is_some() || limits.memory.is_some() || has_limits {
        let (_, why) = bounds(limits);
        let value = table(limits, (NO_CPU_LIMIT, NO_MEMORY_LIMIT));
        lines.push(Line::new("limits", value, &format!("{label}{why}")));
    }
    if !is_daemon_set {
        let replicas = object.at("/spec/replicas").cloned().unwrap_or(Value::from(1));
        let replicas = whole(object, ("spec.replicas", &replicas), (0, 100_000), notes);
        lines.push(Line::new("replicas", i64::from(replicas.unwrap_or(1)), &label));
    }
    place(object, &mut lines, notes);
    told(object, knowledge, notes);
    Draft {
        name,
        object: object.name.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        labels: pairs(&object.body, "/spec/template/metadata/labels")
            .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
            .collect(),
        profile,
        is_daemon_set,
        is_scaled: false,
        requests: given.then_some(requests),
        lines,
        from: label,
    }
}

fn table(amounts: Amounts, missing: (f64, f64)) -> InlineTable {
    let mut table = InlineTable::new();
    table.insert("cpu_millicores", number(amounts.cpu.unwrap_or(missing.0)));
    table.insert("memory_mib", number(amounts.memory.unwrap_or(missing.1)));
    table
}

/// Which of the limits are there, in words.
fn bounds(limits: Amounts) -> (bool, &'static str) {
    match (limits.cpu, limits.memory) {
        (Some(_), Some(_)) => (true, ""),
        (None, Some(_)) => (false, "; no CPU limit: more than any node has"),
        (Some(_), None) => (false, "; no memory limit: more than any node has"),
        (None, None) => (false, "; no limits: more than any node has"),
    }
}

/// Where its pods may run.
fn place(object: &Object, lines: &mut Vec<Line>, notes: &mut Notes) {
    let label = object.label();
    let tolerations = pod::tolerations(object, notes);
    if !tolerations.is_empty() {
        set(lines, Line::new("tolerations", texts(&tolerations), &label));
    }
    let spreads = pod::spreads(object, notes);
    if !spreads.is_empty() {
        set(lines, Line::new("topology_spread", tables(spreads), &label));
    }
    let pools = pod::node_pools(object, notes);
    if !pools.is_empty() {
        set(lines, Line::new("node_pools", texts(&pools), &label));
    }
    let annotation = "/spec/template/metadata/annotations/karpenter.sh~1do-not-disrupt";
    if text(&object.body, annotation) == Some("true") {
        set(lines, Line::new("do_not_disrupt", true, &label));
    }
}

/// Fields that are not read.
fn told(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) {
    let ignored = |kind: &str| knowledge.facts.ignored.get(kind).map_or(&[][..], Vec::as_slice);
    leftover(object, ("/spec", &["replicas", "template"]), ignored("workload"), notes);
    let read = [
        "containers",
        "initContainers",
        "tolerations",
        "topologySpreadConstraints",
        "nodeSelector",
        "affinity",
        "overhead",
        "resources",
    ];
    leftover(object, ("/spec/template/spec", &read), ignored("pod"), notes);
    if object.kind == "StatefulSet" {
        notes.field(
            object,
            "",
            "is read as a Deployment: its order and volumes have no counterpart",
        );
    }
}

/// The ready-made workload that an object is.
fn known<'f>(object: &Object, all: &'f [Known]) -> Option<&'f Known> {
    let images = pod::images(object);
    let named = |known: &&Known| known.names.contains(&object.name);
    let image = |known: &&Known| {
        let ends = |image: &str, end: &String| {
            image
                .strip_suffix(end.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        known.images.iter().any(|end| images.iter().any(|image| ends(image, end)))
    };
    all.iter().find(named).or_else(|| all.iter().find(image))
}
