//! What a pod asks for, and where it may run.
//!
//! # Formula
//! ```text
//! request = max( Σ containers + Σ sidecars,  over init containers: its own + Σ sidecars before it ) + overhead
//! ```
//! A sidecar is an init container with `restartPolicy: Always`. A container without a request asks for its
//! limit. Requests of the pod itself, if there are any, replace the sum.
//!
//! # Source
//! Kubernetes, "Sidecar Containers" (resource sharing within containers), "Resource Management for Pods and
//! Containers", KEP-2837 (pod-level resources).

use serde_json::Value;

use super::{
    Notes,
    documents::{Object, at, items, pairs, text},
    value::{self, quantity},
};
use crate::{cluster::autoscale::policy::taint::EVERY_KEY, manifest::quantity::Quantity};

/// CPU (millicores) and memory (MiB), each where it is given.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Amounts {
    pub(super) cpu: Option<f64>,
    pub(super) memory: Option<f64>,
}

impl Amounts {
    fn or(self, other: Self) -> Self {
        Self { cpu: self.cpu.or(other.cpu), memory: self.memory.or(other.memory) }
    }

    /// Returns sums of requests; none if none is given.
    fn plus(self, other: Self) -> Self {
        let sum = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (None, None) => None,
            _ => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
        };
        Self { cpu: sum(self.cpu, other.cpu), memory: sum(self.memory, other.memory) }
    }

    /// Returns sums of limits: unlimited where one is.
    fn bounded(self, other: Self) -> Self {
        let sum = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b);
        Self { cpu: sum(self.cpu, other.cpu), memory: sum(self.memory, other.memory) }
    }

    fn most(self, other: Self) -> Self {
        let most = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => a.or(b),
        };
        Self { cpu: most(self.cpu, other.cpu), memory: most(self.memory, other.memory) }
    }
}

/// Returns a pod's requests and limits.
pub(super) fn resources(object: &Object, notes: &mut Notes) -> (Amounts, Amounts) {
    let pod = "/spec/template/spec";
    let own = given(object, &format!("{pod}/resources"), notes);
    let mut sum = (Amounts::default(), None::<Amounts>);
    for index in 0..count(object, &format!("{pod}/containers")) {
        let (requests, limits) =
            given(object, &format!("{pod}/containers/{index}/resources"), notes);
        sum.0 = sum.0.plus(requests.or(limits));
        sum.1 = Some(sum.1.map_or(limits, |sum| sum.bounded(limits)));
    }
    let (mut sidecars, mut init) = (Amounts::default(), Amounts::default());
    for index in 0..count(object, &format!("{pod}/initContainers")) {
        let path = format!("{pod}/initContainers/{index}");
        let (requests, limits) = given(object, &format!("{path}/resources"), notes);
        let asked = requests.or(limits);
        if object.at(&format!("{path}/restartPolicy")).and_then(Value::as_str) == Some("Always") {
            sidecars = sidecars.plus(asked);
            sum.1 = Some(sum.1.map_or(limits, |sum| sum.bounded(limits)));
        } else {
            init = init.most(asked.plus(sidecars));
        }
    }
    let total = sum.0.plus(sidecars).most(init);
    let overhead = amounts(object, &format!("{pod}/overhead"), notes);
    (own.0.or(total).plus(overhead), own.1.or(sum.1.unwrap_or_default()))
}

fn count(object: &Object, pointer: &str) -> usize {
    items(&object.body, pointer).len()
}

/// Returns requests and limits below a pointer.
fn given(object: &Object, pointer: &str, notes: &mut Notes) -> (Amounts, Amounts) {
    let requests = amounts(object, &format!("{pointer}/requests"), notes);
    let limits = amounts(object, &format!("{pointer}/limits"), notes);
    (requests, limits)
}

fn amounts(object: &Object, pointer: &str, notes: &mut Notes) -> Amounts {
    let mut amounts = Amounts::default();
    for (name, given) in pairs(&object.body, pointer) {
        let field = format!("{}.{name}", pointer.trim_start_matches('/').replace('/', "."));
        match name {
            "cpu" => amounts.cpu = quantity(object, (&field, given), notes).map(Quantity::milli),
            "memory" => {
                amounts.memory = quantity(object, (&field, given), notes).map(Quantity::mebibytes);
            }
            _ => {
                let message = format!(
                    "{} is not planned: pods of a scenario request only CPU and memory",
                    value::shown(given)
                );
                notes.field(object, &field, &message);
            }
        }
    }
    amounts
}

/// Returns requests of the pod itself.
pub(super) fn own(object: &Object) -> Amounts {
    // Faults in them are noted where the pod's are summed.
    let (requests, limits) = given(object, "/spec/template/spec/resources", &mut Notes::default());
    requests.or(limits)
}

/// Returns requests of each container, sidecars included, by name.
pub(super) fn containers(object: &Object) -> Vec<(String, Amounts)> {
    // Faults in them are noted where the pod's are summed.
    let mut unheard = Notes::default();
    let mut all = Vec::new();
    for list in ["containers", "initContainers"] {
        let pointer = format!("/spec/template/spec/{list}");
        for (index, container) in items(&object.body, &pointer).iter().enumerate() {
            let sidecar = text(container, "/restartPolicy") == Some("Always");
            let Some(name) = text(container, "/name").filter(|_| sidecar || list == "containers")
            else {
                continue;
            };
            let (requests, limits) =
                given(object, &format!("{pointer}/{index}/resources"), &mut unheard);
            all.push((name.to_owned(), requests.or(limits)));
        }
    }
    all
}

/// The container of a pod that does the work, and what the others ask for in all.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) name: String,
    /// Requests and limits of the others, where there are others.
    pub(super) others: Option<(Amounts, Amounts)>,
}

/// Returns the first container of a pod, unless the pod's figures (requests, limits) are no sums of its containers': init
/// containers may ask for more, and the pod may ask itself.
pub(super) fn main_container(
    object: &Object,
    (requests, limits): (Amounts, Amounts),
) -> Option<Container> {
    let mut unheard = Notes::default();
    let mut all = Vec::new();
    for list in ["containers", "initContainers"] {
        let pointer = format!("/spec/template/spec/{list}");
        for (index, container) in items(&object.body, &pointer).iter().enumerate() {
            if list == "containers" || text(container, "/restartPolicy") == Some("Always") {
                let resources = format!("{pointer}/{index}/resources");
                let (requests, limits) = given(object, &resources, &mut unheard);
                all.push((text(container, "/name")?, requests.or(limits), limits));
            }
        }
    }
    let ((name, ..), others) = all.split_first()?;
    let requested = all.iter().fold(Amounts::default(), |sum, (_, own, _)| sum.plus(*own));
    let limited = all.iter().map(|(.., own)| *own).reduce(Amounts::bounded)?;
    if requested != requests || limited != limits {
        return None;
    }
    let others = others.iter().map(|(_, requests, limits)| (*requests, *limits));
    let others = others.reduce(|a, b| (a.0.plus(b.0), a.1.bounded(b.1)));
    Some(Container { name: (*name).to_owned(), others })
}

/// Returns images of the pod's containers, without tags and digests.
pub(super) fn images(object: &Object) -> Vec<&str> {
    let containers = items(&object.body, "/spec/template/spec/containers");
    containers
        .iter()
        .filter_map(|container| text(container, "/image"))
        .map(|image| {
            let image = image.split('@').next().unwrap_or_default();
            match image.rsplit_once(':') {
                // A colon before a slash is that of a registry's port.
                Some((name, tag)) if !tag.contains('/') => name,
                _ => image,
            }
        })
        .collect()
}

/// Returns tolerations as a scenario writes them.
pub(super) fn tolerations(object: &Object, notes: &mut Notes) -> Vec<String> {
    let field = "spec.template.spec.tolerations";
    let mut all = Vec::new();
    for given in items(&object.body, "/spec/template/spec/tolerations") {
        let operator = text(given, "/operator").unwrap_or("Equal");
        let effect = text(given, "/effect").map_or(String::new(), |effect| format!(":{effect}"));
        match (text(given, "/key"), operator) {
            (Some(key), "Exists") if !key.is_empty() => all.push(format!("{key}{effect}")),
            (Some(key), "Equal") if !key.is_empty() => {
                let value = text(given, "/value").unwrap_or_default();
                all.push(format!("{key}={value}{effect}"));
            }
            (None | Some(""), "Exists") => all.push(format!("{EVERY_KEY}{effect}")),
            _ => notes.field(object, field, &format!("operator {operator:?} has no counterpart")),
        }
    }
    all.retain(|text| {
        let plain = crate::cluster::autoscale::policy::taint::Taint::parse(text).is_ok();
        if !plain {
            notes.field(
                object,
                field,
                &format!("{text:?} is not a valid toleration; it is ignored"),
            );
        }
        plain
    });
    all
}

/// Returns topology spread over zones and nodes.
pub(super) fn spreads(object: &Object, notes: &mut Notes) -> Vec<toml_edit::InlineTable> {
    let mut all = Vec::new();
    let path = "/spec/template/spec/topologySpreadConstraints";
    for (index, given) in items(&object.body, path).iter().enumerate() {
        let field = format!("spec.template.spec.topologySpreadConstraints[{index}]");
        let key = text(given, "/topologyKey").unwrap_or_default();
        let otherwise = text(given, "/whenUnsatisfiable").unwrap_or_default();
        let skew = given.get("maxSkew").cloned().unwrap_or(Value::Null);
        let skew = value::whole(object, (&format!("{field}.maxSkew"), &skew), (1, 1000), notes);
        let known = matches!(key, "topology.kubernetes.io/zone" | "kubernetes.io/hostname")
            && matches!(otherwise, "DoNotSchedule" | "ScheduleAnyway");
        let Some(skew) = skew.filter(|_| known) else {
            let message = format!("spread over {key:?}, {otherwise:?} has no counterpart");
            notes.field(object, &field, &message);
            continue;
        };
        for unread in ["minDomains", "nodeAffinityPolicy", "nodeTaintsPolicy", "matchLabelKeys"] {
            if at(given, &format!("/{unread}")).is_some() {
                notes.field(object, &format!("{field}.{unread}"), "has no counterpart");
            }
        }
        let mut table = toml_edit::InlineTable::new();
        table.insert("topology_key", key.into());
        table.insert("max_skew", i64::from(skew).into());
        table.insert("when_unsatisfiable", otherwise.into());
        all.push(table);
    }
    all
}
