//! A folder's manifests as a scenario.

use self::documents::Object;
use super::Facts;
use crate::{
    error::{Error, Place, Problem},
    facts::shapes::Catalog,
};

mod affinity;
mod budget;
mod buffer;
mod class;
mod compose;
mod container;
mod controller;
mod demand;
mod documents;
mod hpa;
mod image;
mod job;
mod node;
mod overlay;
mod place;
mod pod;
mod pool;
mod requirement;
mod scaled;
mod spans;
mod value;
mod volume;
mod workload;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, as problems call it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Counts of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Deployments, `StatefulSets`, `DaemonSets`, Rollouts, `CronJobs`, Jobs and pods that stand alone.
    pub workloads: usize,
    /// Autoscalers.
    pub autoscalers: usize,
    /// Disruption budgets.
    pub disruption_budgets: usize,
    /// Node pools.
    pub node_pools: usize,
    /// Node classes.
    pub node_classes: usize,
    /// Nodes.
    pub nodes: usize,
    /// EBS volumes that pods claim.
    pub volumes: usize,
    /// Their size in all, in GiB.
    pub volume_gib: u64,
}

impl Found {
    /// Returns what there is in words: `2 workloads, 1 autoscaler and 3 EBS volumes (300 GiB)`.
    pub fn summary(&self) -> String {
        let volumes = format!("EBS volumes ({} GiB)", self.volume_gib);
        let volume = format!("EBS volume ({} GiB)", self.volume_gib);
        let all = [
            (self.workloads, "workload", "workloads"),
            (self.autoscalers, "autoscaler", "autoscalers"),
            (self.disruption_budgets, "disruption budget", "disruption budgets"),
            (self.node_pools, "node pool", "node pools"),
            (self.node_classes, "node class", "node classes"),
            (self.nodes, "node", "nodes"),
            (self.volumes, &volume, &volumes),
        ];
        let mut parts: Vec<String> = all
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many }))
            .collect();
        match (parts.pop(), parts.is_empty()) {
            (Some(last), false) => format!("{} and {last}", parts.join(", ")),
            (Some(only), true) => only,
            (None, _) => "nothing".into(),
        }
    }
}

/// Result of reading a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// A commented scenario.
    pub scenario: String,
    /// What could not be read, or has no counterpart.
    pub notes: Vec<Problem>,
    /// Counts of what was read.
    pub found: Found,
}

/// Facts that reading needs in addition to the manifests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Knowledge<'a> {
    facts: &'a Facts,
    catalog: &'a Catalog,
    groups: &'a place::Groups,
    /// Minor version of Kubernetes, where nodes show it.
    minor: Option<u32>,
}

/// Notes for the user: fields and objects that are ignored or changed.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Problem>);

impl Notes {
    pub(super) fn add(&mut self, place: Place, message: &str) {
        let message: String = super::yaml::one_line(message);
        self.0.push(Problem::new(place, message));
    }

    /// A field of an object.
    fn field(&mut self, object: &Object, field: &str, message: &str) {
        self.add(object.place(&super::yaml::one_line(field)), message);
    }
}

/// Objects by what they are.
#[derive(Debug, Default)]
struct Sorted {
    workloads: Vec<Object>,
    autoscalers: Vec<Object>,
    budgets: Vec<Object>,
    pools: Vec<Object>,
    classes: Vec<Object>,
    overlays: Vec<Object>,
    nodes: Vec<Object>,
    ingresses: Vec<Object>,
    buffers: Vec<Object>,
    templates: Vec<Object>,
    /// For each optional part of the example the first object that shows it.
    shown: Vec<Option<Object>>,
    storage: volume::Sources,
}

/// Reads manifests over a template, `runrate init`'s scenario; its notes list files that are not text, too.
///
/// # Errors
/// The manifests hold nothing that a scenario supports; the error lists each reason.
pub fn read(
    (sources, unread): (&[Source], &[Problem]),
    template: &str,
    (facts, catalog): (&Facts, &Catalog),
) -> Result<Read, Error> {
    let mut notes = Notes(unread.to_vec());
    let objects = sources.iter().flat_map(|source| documents::objects(source, &mut notes));
    let objects: Vec<Object> = objects.collect();
    let mut sorted = sort(objects, facts, &mut notes);
    sorted.workloads = workload::merged(sorted.workloads, &mut notes);
    let mut found = Found {
        workloads: sorted.workloads.len(),
        autoscalers: sorted.autoscalers.len(),
        disruption_budgets: sorted.budgets.len(),
        node_pools: sorted.pools.len(),
        node_classes: sorted.classes.len(),
        nodes: sorted.nodes.len(),
        volumes: sorted.storage.claims.len() + sorted.storage.volumes.len(),
        volume_gib: 0,
    };
    if found == Found::default() {
        let message = "no Deployment, StatefulSet, DaemonSet, Rollout, CronJob, Job, HorizontalPodAutoscaler, ScaledObject, PodDisruptionBudget, PersistentVolumeClaim, NodePool, EC2NodeClass, NodeClass or Node among the manifests";
        let mut problems = notes.0;
        problems.push(Problem::new(Place::default(), message));
        return Err(Error::input(problems));
    }
    let groups = place::Groups::of(&sorted.pools, &facts.auto_mode.group);
    let minor = node::minor_version(&sorted.nodes);
    let knowledge = Knowledge { facts, catalog, groups: &groups, minor };
    let mut drafts = workload::drafts(&sorted.workloads, knowledge, &mut notes);
    affinity::apply(&sorted.workloads, &mut drafts, &mut notes);
    hpa::apply(&sorted.autoscalers, &mut drafts, knowledge, &mut notes);
    budget::apply(&sorted.budgets, &mut drafts, knowledge, &mut notes);
    let pools = pool::read(&sorted.pools, &sorted.classes, knowledge, &mut notes);
    let controller = controller::read(&sorted.workloads, knowledge, &mut notes);
    let overlays = overlay::read(&sorted.overlays, &facts.auto_mode.group, &mut notes);
    let machines = node::read(&sorted.nodes, knowledge, &mut notes);
    let claims = volume::read(&sorted.storage, &sorted.workloads, &drafts, knowledge, &mut notes);
    found.volumes = claims.iter().map(|claim| claim.count as usize).sum();
    let gib = claims.iter().map(|claim| u64::from(claim.count) * u64::from(claim.gib));
    found.volume_gib = gib.sum();
    let templates = (&*sorted.buffers, &*sorted.templates);
    let buffers = buffer::read(templates, &drafts, &controller, knowledge, &mut notes);
    let load_balancers = demand::ingresses(&sorted.ingresses, &mut notes);
    let karpenter = compose::Karpenter { controller, overlays, buffers };
    let shown = sorted.shown;
    let parts =
        compose::Parts { drafts, pools, karpenter, machines, claims, load_balancers, shown, found };
    let scenario = compose::scenario(template, parts, &mut notes, knowledge)?;
    Ok(Read { scenario, notes: notes.0, found })
}

/// Kinds whose `spec` has all that matters.
const READ: [&str; 16] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Rollout",
    "CronJob",
    "Job",
    "HorizontalPodAutoscaler",
    "ScaledObject",
    "PodDisruptionBudget",
    "PersistentVolumeClaim",
    "NodePool",
    "EC2NodeClass",
    "CapacityBuffer",
    "NodeOverlay",
];

/// Sorts objects by kind, and notes the kinds that are not read.
fn sort(objects: Vec<Object>, facts: &Facts, notes: &mut Notes) -> Sorted {
    let shown = facts.optional.iter().map(|_| None).collect();
    let mut sorted = Sorted { shown, ..Sorted::default() };
    let mut passed: Vec<(String, usize)> = Vec::new();
    for object in objects {
        if let Some(missing) = missing(&object).filter(|_| !is_made(&object)) {
            let message = format!(
                "has no {missing}: it is a patch of another object, and not applied. Render it (`kustomize build FOLDER`) and read the result"
            );
            notes.field(&object, "", &message);
            continue;
        }
        let group = object.version.split('/').next().unwrap_or_default();
        if READ.contains(&&*object.kind) && !is_made(&object) {
            let known = ["apiVersion", "kind", "metadata", "spec", "status"];
            value::leftover(&object, ("", &known), &[], notes);
        }
        match (group, &*object.kind) {
            // Made by a controller whose own object says it all.
            (_, kind) if is_made(&object) => count(&mut passed, kind),
            ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("argoproj.io", "Rollout")
            | ("v1", "ReplicationController") => sorted.workloads.push(object),
            ("batch", "CronJob" | "Job") => sorted.workloads.extend(job::lifted(&object, notes)),
            ("v1", "Pod") => sorted.workloads.push(alone(&object)),
            ("autoscaling", "HorizontalPodAutoscaler") | ("keda.sh", "ScaledObject") => {
                sorted.autoscalers.push(object);
            }
            ("policy", "PodDisruptionBudget") => sorted.budgets.push(object),
            ("karpenter.sh", "NodePool") => sorted.pools.push(object),
            ("karpenter.sh", "NodeOverlay") => sorted.overlays.push(object),
            ("karpenter.k8s.aws", "EC2NodeClass") => sorted.classes.push(object),
            (group, "NodeClass") if group == facts.auto_mode.group => sorted.classes.push(object),
            ("autoscaling.x-k8s.io", "CapacityBuffer") => sorted.buffers.push(object),
            ("v1", "PodTemplate") => sorted.templates.push(object),
            ("v1", "Node") => sorted.nodes.push(object),
            ("v1", "PersistentVolumeClaim") => sorted.storage.claims.push(object),
            ("v1", "PersistentVolume") => sorted.storage.volumes.push(object),
            ("storage.k8s.io", "StorageClass") => sorted.storage.classes.push(object),
            ("networking.k8s.io" | "extensions", "Ingress") => sorted.ingresses.push(object),
            ("gateway.networking.k8s.io", "Gateway") => demand::gateway(&object, notes),
            ("v1", "Service") if demand::load_balancer(&object, notes) => {}
            ("v1", "LimitRange") => {
                demand::default_requests(&object, notes);
                count(&mut passed, "LimitRange");
            }
            _ if demand::has_pods(&object) => demand::pods(&object, notes),
            (group, kind) if facts.optional.iter().any(|part| part.is_shown_by(group, kind)) => {
                count(&mut passed, kind);
                let part = facts.optional.iter().position(|part| part.is_shown_by(group, kind));
                if let Some(shown) = part.and_then(|part| sorted.shown.get_mut(part)) {
                    shown.get_or_insert(object);
                }
            }
            (_, kind) if facts.passed_over.iter().any(|known| known == kind) => {
                count(&mut passed, kind);
            }
            _ => {
                let message = format!(
                    "{} of {} has no counterpart in a scenario",
                    object.kind, object.version
                );
                notes.add(object.place(""), &message);
            }
        }
    }
    if !passed.is_empty() {
        passed.sort();
        let kinds: Vec<String> =
            passed.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
        let message = format!("skipped, because they need no nodes: {}", kinds.join(", "));
        notes.add(Place::default(), &message);
    }
    sorted
}

fn count(passed: &mut Vec<(String, usize)>, kind: &str) {
    match passed.iter_mut().find(|(known, _)| known == kind) {
        Some((_, count)) => *count += 1,
        None => passed.push((kind.to_owned(), 1)),
    }
}

/// Returns whether a controller made it, whose own object says it all.
fn is_made(object: &Object) -> bool {
    let owners = documents::items(&object.body, "/metadata/ownerReferences");
    match &*object.kind {
        // KEDA makes an autoscaler of each ScaledObject.
        "HorizontalPodAutoscaler" => {
            owners.iter().any(|owner| documents::text(owner, "/kind") == Some("ScaledObject"))
        }
        "Pod" | "ReplicaSet" | "ReplicationController" | "Job" | "NodeClaim" => !owners.is_empty(),
        _ => false,
    }
}

/// Returns the field without which an object is none of its kind, where it lacks it.
fn missing(object: &Object) -> Option<&'static str> {
    let lacks = |pointer: &str| object.at(pointer).is_none();
    let containers = "/spec/template/spec/containers";
    match &*object.kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController"
            if documents::items(&object.body, containers).is_empty() =>
        {
            Some("containers")
        }
        "Rollout"
            if documents::items(&object.body, containers).is_empty()
                && lacks("/spec/workloadRef") =>
        {
            Some("containers")
        }
        "Pod" if documents::items(&object.body, "/spec/containers").is_empty() => {
            Some("containers")
        }
        "CronJob" if lacks("/spec/jobTemplate/spec/template/spec/containers") => Some("containers"),
        "Job" if lacks(containers) => Some("containers"),
        "HorizontalPodAutoscaler" | "ScaledObject" if lacks("/spec/scaleTargetRef") => {
            Some("spec.scaleTargetRef")
        }
        "NodePool" if lacks("/spec/template") => Some("spec.template"),
        _ => None,
    }
}

/// Returns a pod without a controller, as one replica of its own template.
fn alone(object: &Object) -> Object {
    let template = serde_json::json!({
        "metadata": object.at("/metadata"),
        "spec": object.at("/spec"),
    });
    let body = serde_json::json!({
        "metadata": object.at("/metadata"),
        "spec": { "replicas": 1, "template": template },
    });
    object.with(body)
}
