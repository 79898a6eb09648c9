//! The objects that a workload is written for: those that it was read from, as far as it names them, and otherwise
//! objects of its own name.

use super::{FILL_IN, Wanted, fill_in_label};
use crate::{
    cluster::workload::{Kind, KubernetesObject, ObjectKind, Resources, Workload},
    manifest::{NO_CPU_LIMIT, NO_MEMORY_LIMIT, yaml::Map},
};

/// A workload as an object of Kubernetes.
#[derive(Clone, Copy)]
pub(super) struct Target<'w> {
    /// The workload's name in the scenario.
    pub(super) name: &'w str,
    workload: &'w Workload,
    object: Option<&'w KubernetesObject>,
}

impl<'w> Target<'w> {
    pub(super) fn of(name: &'w str, workload: &'w Workload) -> Self {
        Self { name, workload, object: workload.object.as_ref() }
    }

    /// Returns the name of its object.
    pub(super) fn name(&self) -> &'w str {
        self.given(|object| object.name.as_ref())
    }

    /// Returns the name of its autoscaler.
    pub(super) fn autoscaler(&self) -> &'w str {
        self.given(|object| object.autoscaler.as_ref())
    }

    /// Returns the name of its disruption budget.
    pub(super) fn disruption_budget(&self) -> &'w str {
        self.given(|object| object.disruption_budget.as_ref())
    }

    /// Returns the name of the container that takes its requests and limits.
    pub(super) fn container(&self) -> &'w str {
        self.given(|object| object.container.as_ref())
    }

    fn given(&self, of: impl Fn(&'w KubernetesObject) -> Option<&'w String>) -> &'w str {
        self.object.and_then(of).map_or(self.name, String::as_str)
    }

    fn kind(&self) -> ObjectKind {
        let usual = match self.workload.kind {
            Kind::Deployment => ObjectKind::Deployment,
            Kind::DaemonSet => ObjectKind::DaemonSet,
            Kind::CronJob => ObjectKind::CronJob,
            Kind::Job => ObjectKind::Job,
        };
        self.object.and_then(|object| object.kind).unwrap_or(usual)
    }

    /// Returns API version, kind and name, as a reference to its object has them.
    pub(super) fn reference(&self, wanted: &Wanted<'_>) -> Map {
        self.kinded("apiVersion", self.kind().version(), wanted).with("name", self.name())
    }

    /// Returns API group, kind and name.
    pub(super) fn group_reference(&self, wanted: &Wanted<'_>) -> Map {
        let group = self.kind().version().split('/').next().unwrap_or_default();
        self.kinded("apiGroup", group, wanted).with("name", self.name())
    }

    /// Returns the head of its object.
    pub(super) fn head(&self, wanted: &Wanted<'_>) -> Map {
        self.kinded("apiVersion", self.kind().version(), wanted)
            .with("metadata", self.metadata(self.name()))
    }

    fn kinded(&self, key: &str, value: &str, wanted: &Wanted<'_>) -> Map {
        let is_known =
            |profile: &String| wanted.facts.known.iter().any(|known| known.profile == *profile);
        // StatefulSets are Deployments in a scenario, so that only the kind of ready-made workloads is known.
        let is_known = self.object.is_some_and(|object| object.kind.is_some())
            || self.workload.profile.as_ref().is_some_and(is_known);
        let why = match self.kind() {
            ObjectKind::Deployment if !is_known => {
                "assumed; write StatefulSet if it is one, because the wrong kind finds no pods"
            }
            ObjectKind::Job => "the pods of an existing Job cannot be changed: create it again",
            _ => "",
        };
        Map::new().with(key, value).why("kind", self.kind().name(), why)
    }

    /// Returns the metadata of an object of this name, in the namespace of the workload.
    pub(super) fn metadata(&self, name: &str) -> Map {
        let metadata = Map::new().why("name", name, &format!("workloads.{}", self.name));
        match self.object.and_then(|object| object.namespace.as_deref()) {
            Some(namespace) => metadata.with("namespace", namespace),
            None => metadata,
        }
    }

    /// Returns labels that select its pods. A label that selects nothing would do nothing unnoticed, so the placeholder
    /// for unknown ones is no valid label value and cannot be applied as it is.
    pub(super) fn labels(&self, wanted: &Wanted<'_>) -> Map {
        let known = self.object.map(|object| &object.selector).filter(|known| !known.is_empty());
        if let Some(known) = known {
            return known.iter().fold(Map::new(), |map, (key, value)| map.with(key, &**value));
        }
        let label = wanted.facts.name_labels.first().map_or(FILL_IN, String::as_str);
        let why = format!(
            "{FILL_IN}: a scenario has no labels; write those of the pods of {}",
            self.name
        );
        Map::new().why(label, fill_in_label(), &why)
    }

    /// Returns requests and limits of its container, which are the pod's without those of the other containers.
    pub(super) fn resources(&self) -> (Resources, Option<Resources>) {
        let (requests, limits) = (self.workload.requests, self.workload.limits);
        let Some(others) = self.object.and_then(|object| object.other_containers.as_ref()) else {
            return (requests, limits);
        };
        let less = |all: f64, others: f64, none: f64| {
            if all >= none { all } else { (all - others).max(0.0) }
        };
        let own = Resources {
            cpu_millicores: less(requests.cpu_millicores, others.requests.cpu_millicores, f64::MAX),
            memory_mib: less(requests.memory_mib, others.requests.memory_mib, f64::MAX),
        };
        let own_limits = limits.zip(others.limits).map(|(all, others)| Resources {
            cpu_millicores: less(all.cpu_millicores, others.cpu_millicores, NO_CPU_LIMIT),
            memory_mib: less(all.memory_mib, others.memory_mib, NO_MEMORY_LIMIT),
        });
        (own, own_limits.or(limits))
    }
}
