//! Deployments, `StatefulSets`, `DaemonSets`, `CronJobs`, Jobs, Argo Rollouts, and `ReplicaSets` and pods without an owner, as workloads.
//!
//! # Source
//! Kubernetes API reference. Argo Rollouts, "Specification": pods and replicas as a Deployment has them, or
//! `workloadRef` to one.

use serde_json::Value;
use toml_edit::InlineTable;

use super::{
    Knowledge, Notes,
    documents::{Object, items, pairs, same_namespace, text},
    image::{Images, is_repository},
    job,
    place::{self, Groups},
    pod::{self, Amounts},
    value::{Line, leftover, number, rounded, set, tables, texts, whole},
};
use crate::{
    error::Place,
    manifest::{Known, NO_CPU_LIMIT, NO_MEMORY_LIMIT, quantity::Duration},
};

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
    /// Whether its pods run to their end.
    pub(super) is_job: bool,
    /// Whether an autoscaler scales it.
    pub(super) is_scaled: bool,
    /// Requests, where the manifest has some.
    pub(super) requests: Option<Amounts>,
    /// Requests of the pod itself.
    pub(super) own_requests: Amounts,
    /// Requests of its containers by name.
    pub(super) containers: Vec<(String, Amounts)>,
    /// What is assumed of its images.
    pub(super) images: Images,
    /// The container that does the work, where its figures follow from the pod's.
    pub(super) container: Option<pod::Container>,
    /// Labels that select its pods.
    pub(super) selector: Vec<(String, String)>,
    /// Name of its autoscaler.
    pub(super) autoscaler: Option<String>,
    /// Name of its disruption budget.
    pub(super) budget: Option<String>,
    /// Its keys.
    pub(super) lines: Vec<Line>,
    /// Where it comes from.
    pub(super) from: String,
    /// The same as problems have it.
    pub(super) place: Place,
}

impl Draft {
    /// Returns whether an object is its source.
    pub(super) fn is_of(&self, object: &Object) -> bool {
        self.object == object.name && self.namespace == object.namespace && self.kind == object.kind
    }

    fn number(&self, key: &str) -> Option<u32> {
        let hpa = self.lines.iter().find(|line| line.key == "hpa");
        let hpa = hpa.and_then(|line| line.value.as_inline_table());
        let plain = self.lines.iter().find(|line| line.key == key);
        let value = plain.map(|line| &line.value).or_else(|| hpa?.get(key))?;
        u32::try_from(value.as_integer()?).ok()
    }

    /// Returns its minimum number of replicas.
    pub(super) fn replicas(&self) -> u32 {
        self.number("replicas").or_else(|| self.number("min_replicas")).unwrap_or(1)
    }

    /// Returns its maximum number of replicas.
    pub(super) fn most_replicas(&self) -> u32 {
        self.number("max_replicas").unwrap_or_else(|| self.replicas())
    }
}

/// Returns objects that are workloads: one of each name, with the pods that it has in the end.
pub(super) fn merged(objects: Vec<Object>, notes: &mut Notes) -> Vec<Object> {
    let mut all: Vec<Object> = Vec::new();
    for object in objects {
        let same = |known: &&mut Object| {
            known.name == object.name
                && known.namespace == object.namespace
                && known.kind == object.kind
        };
        let Some(known) = all.iter_mut().find(same) else {
            all.push(object);
            continue;
        };
        let (known_image, image) = (has_images(known), has_images(&object));
        let message = if known_image == image {
            "is defined twice; only the first definition is used"
        } else {
            "is a patch of an object among the manifests, and not applied. Render it (`kustomize build FOLDER`) and read the result"
        };
        let patch = if image && !known_image { std::mem::replace(known, object) } else { object };
        notes.field(&patch, "", message);
    }
    let of_others: Vec<(String, String)> = all
        .iter()
        .filter_map(|object| {
            let name = text(&object.body, "/spec/workloadRef/name")?;
            Some((name.to_owned(), object.namespace.clone()))
        })
        .collect();
    let mut referred = Vec::new();
    for (name, namespace) in of_others {
        let at = all.iter().position(|object| {
            object.kind == "Deployment"
                && object.name == name
                && same_namespace(&object.namespace, &namespace)
        });
        if let Some(at) = at {
            notes.field(&all[at], "", "is planned as the Rollout whose workloadRef names it");
            referred.push(all.remove(at));
        }
    }
    for object in &mut all {
        let Some(name) = text(&object.body, "/spec/workloadRef/name").map(str::to_owned) else {
            continue;
        };
        let Some(of) = referred.iter().find(|known| known.name == name) else {
            let message = format!(
                "names {name}, which is not among the manifests: its pods are unknown, and not planned"
            );
            notes.field(object, "spec.workloadRef", &message);
            continue;
        };
        let template = of.at("/spec/template").cloned().unwrap_or(Value::Null);
        if let Some(spec) = object.body.get_mut("spec").and_then(Value::as_object_mut) {
            spec.insert("template".into(), template);
        }
    }
    all.retain(|object| object.kind != "Rollout" || object.at("/spec/template").is_some());
    all
}

/// Returns whether every container has an image; one without is part of a patch.
fn has_images(object: &Object) -> bool {
    let containers = items(&object.body, "/spec/template/spec/containers");
    containers.iter().all(|container| text(container, "/image").is_some())
}

pub(super) fn drafts(
    objects: &[Object],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::new();
    for object in objects {
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
    let is_job = job::is_job(&object.kind);
    // A job with the image of a ready-made workload is a task of it, and does not serve.
    let known = known(object, &knowledge.facts.known).filter(|_| !is_job);
    let label = object.label();
    let is_daemon_set = object.kind == "DaemonSet";
    let profile = known.map(|known| known.profile.clone());
    let mut lines = Vec::new();
    let kind = match &*object.kind {
        "DaemonSet" => "daemon-set",
        "CronJob" => "cron-job",
        "Job" => "job",
        _ => "deployment",
    };
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
        notes.field(object, "spec.template.spec.containers", "request no CPU and no memory");
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
    if is_job {
        let ignored = knowledge.facts.ignored.get("job").map_or(&[][..], Vec::as_slice);
        lines.push(job::line(object, (&knowledge.facts.jobs, ignored), notes));
    } else if !is_daemon_set {
        let replicas = object.at("/spec/replicas").cloned().unwrap_or(Value::from(1));
        let replicas = whole(object, ("spec.replicas", &replicas), (0, 100_000), notes);
        let line = match replicas {
            Some(replicas) => Line::new("replicas", i64::from(replicas), &label),
            None => Line::new("replicas", 1, "assumption: spec.replicas is not read"),
        };
        lines.push(line);
    }
    place(object, (knowledge.groups, default), &mut lines, notes);
    unread(object, knowledge, notes);
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
        is_job,
        is_scaled: false,
        requests: given.then_some(requests),
        own_requests: pod::own(object),
        containers: pod::containers(object),
        images: Images::of(object, knowledge),
        container: pod::main_container(object, (requests, limits)),
        selector: selector(object),
        autoscaler: None,
        budget: None,
        lines,
        from: label,
        place: object.place(""),
    }
}

/// Returns labels by which an object selects its pods; those of its pods where it names none.
fn selector(object: &Object) -> Vec<(String, String)> {
    let labels = |pointer: &str| -> Vec<(String, String)> {
        pairs(&object.body, pointer)
            .filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())))
            .collect()
    };
    let selected = labels("/spec/selector/matchLabels");
    if selected.is_empty() { labels("/spec/template/metadata/labels") } else { selected }
}

/// Returns an amount of CPU and memory as a scenario has it.
pub(super) fn table(amounts: Amounts, missing: (f64, f64)) -> InlineTable {
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
fn place(
    object: &Object,
    (groups, default): (&Groups, Option<&toml::Table>),
    lines: &mut Vec<Line>,
    notes: &mut Notes,
) {
    let label = object.label();
    let tolerations = pod::tolerations(object, notes);
    if !tolerations.is_empty() || default.is_some_and(|table| table.contains_key("tolerations")) {
        set(lines, Line::new("tolerations", texts(&tolerations), &label));
    }
    let spreads = pod::spreads(object, notes);
    if !spreads.is_empty() {
        set(lines, Line::new("topology_spread", tables(spreads), &label));
    }
    for line in place::lines(object, groups, notes) {
        set(lines, line);
    }
    let annotation = "/spec/template/metadata/annotations/karpenter.sh~1do-not-disrupt";
    match text(&object.body, annotation) {
        Some("true") => set(lines, Line::new("do_not_disrupt", true, &label)),
        // Karpenter takes a duration from the pod's start on, and ignores any other value.
        Some(value) => match Duration::parse(value) {
            Ok(Duration::Seconds(seconds)) if seconds > 0.0 => {
                let field = "spec.template.metadata.annotations.karpenter.sh/do-not-disrupt";
                let taken = seconds.ceil().min(8_640_000.0);
                let taken = rounded(object, (field, seconds), (taken, "seconds"), notes);
                set(lines, Line::new("do_not_disrupt_seconds", taken, &label));
            }
            _ => {
                let field = "spec.template.metadata.annotations.karpenter.sh/do-not-disrupt";
                let message = format!(
                    "{value:?} is neither \"true\" nor a duration, so Karpenter ignores it"
                );
                notes.field(object, field, &message);
            }
        },
        None => {}
    }
}

/// Fields that are not read.
fn unread(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) {
    let ignored = |kind: &str| knowledge.facts.ignored.get(kind).map_or(&[][..], Vec::as_slice);
    let read = ["replicas", "template", "volumeClaimTemplates", "workloadRef"];
    leftover(object, ("/spec", &read), ignored("workload"), notes);
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
    for list in ["containers", "initContainers"] {
        let pointer = format!("/spec/template/spec/{list}");
        for index in 0..items(&object.body, &pointer).len() {
            let container = format!("{pointer}/{index}");
            let read = ["name", "image", "resources", "restartPolicy"];
            leftover(object, (&container, &read), ignored("container"), notes);
            let resources = format!("{container}/resources");
            leftover(object, (&resources, &["requests", "limits"]), &["claims".into()], notes);
        }
    }
    if object.kind == "StatefulSet" {
        notes.field(object, "", "is read as a Deployment: its order has no counterpart");
    }
}

/// Returns the ready-made workload that an object is.
pub(super) fn known<'f>(object: &Object, all: &'f [Known]) -> Option<&'f Known> {
    let images = pod::images(object);
    let named = |known: &&Known| known.names.contains(&object.name);
    let image = |known: &&Known| {
        known.images.iter().any(|end| images.iter().any(|image| is_repository(image, end)))
    };
    all.iter().find(named).or_else(|| all.iter().find(image))
}
