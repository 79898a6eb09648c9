//! A folder's manifests as a scenario.

use self::documents::Object;
use super::Facts;
use crate::{
    error::{Error, Place, Problem},
    shapes::Catalog,
};

mod budget;
mod class;
mod compose;
mod documents;
mod hpa;
mod pod;
mod pool;
mod requirement;
mod value;
mod workload;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, as problems call it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Deployments, `StatefulSets` and `DaemonSets`.
    pub workloads: usize,
    /// Autoscalers.
    pub autoscalers: usize,
    /// Disruption budgets.
    pub disruption_budgets: usize,
    /// Node pools.
    pub node_pools: usize,
    /// Node classes.
    pub node_classes: usize,
}

/// What a folder came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// A commented scenario.
    pub scenario: String,
    /// What could not be read, or has no counterpart.
    pub notes: Vec<Problem>,
    /// How much was read.
    pub found: Found,
}

/// What is known beside the manifests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Knowledge<'a> {
    facts: &'a Facts,
    catalog: &'a Catalog,
}

/// What is to be told.
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
}

/// Reads manifests over a template, `runrate init`'s scenario; files that are no text are told with the rest.
///
/// # Errors
/// Nothing in them that a scenario could take; then each reason is told.
pub fn read(
    (sources, unread): (&[Source], &[Problem]),
    template: &str,
    (facts, catalog): (&Facts, &Catalog),
) -> Result<Read, Error> {
    let mut notes = Notes(unread.to_vec());
    let objects = sources.iter().flat_map(|source| documents::objects(source, &mut notes));
    let objects: Vec<Object> = objects.collect();
    let sorted = sort(objects, facts, &mut notes);
    let found = Found {
        workloads: sorted.workloads.len(),
        autoscalers: sorted.autoscalers.len(),
        disruption_budgets: sorted.budgets.len(),
        node_pools: sorted.pools.len(),
        node_classes: sorted.classes.len(),
    };
    if found == Found::default() {
        let message = "no Deployment, StatefulSet, DaemonSet, HorizontalPodAutoscaler, PodDisruptionBudget, NodePool, EC2NodeClass or NodeClass among the manifests";
        let mut problems = notes.0;
        problems.push(Problem::new(Place::default(), message));
        return Err(Error::input(problems));
    }
    let knowledge = Knowledge { facts, catalog };
    let mut drafts = workload::drafts(&sorted.workloads, knowledge, &mut notes);
    hpa::apply(&sorted.autoscalers, &mut drafts, knowledge, &mut notes);
    budget::apply(&sorted.budgets, &mut drafts, knowledge, &mut notes);
    let pools = pool::read(&sorted.pools, &sorted.classes, knowledge, &mut notes);
    let parts = compose::Parts { drafts, pools, found };
    let scenario = compose::scenario(template, parts, &mut notes, knowledge)?;
    Ok(Read { scenario, notes: notes.0, found })
}

/// Kinds that are read go to their places, the others are told.
fn sort(objects: Vec<Object>, facts: &Facts, notes: &mut Notes) -> Sorted {
    let mut sorted = Sorted::default();
    let mut passed: Vec<(String, usize)> = Vec::new();
    for object in objects {
        let group = object.version.split('/').next().unwrap_or_default();
        match (group, &*object.kind) {
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet") => sorted.workloads.push(object),
            ("autoscaling", "HorizontalPodAutoscaler") => sorted.autoscalers.push(object),
            ("policy", "PodDisruptionBudget") => sorted.budgets.push(object),
            ("karpenter.sh", "NodePool") => sorted.pools.push(object),
            ("karpenter.k8s.aws", "EC2NodeClass") => sorted.classes.push(object),
            (group, "NodeClass") if group == facts.auto_mode.group => sorted.classes.push(object),
            (_, kind) if facts.passed_over.iter().any(|known| known == kind) => {
                count(&mut passed, kind);
            }
            // Made by a controller whose own object says it all.
            (_, kind @ ("Pod" | "ReplicaSet" | "Job" | "NodeClaim")) if is_owned(&object) => {
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
        let message =
            format!("passed over, as they ask for no nodes of their own: {}", kinds.join(", "));
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

fn is_owned(object: &Object) -> bool {
    !documents::items(&object.body, "/metadata/ownerReferences").is_empty()
}
