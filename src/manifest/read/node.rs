//! Nodes of a cluster's dump: those that Karpenter did not buy are the baseline.
//!
//! # Source
//! Well-known labels: Kubernetes (`node.kubernetes.io/instance-type`, `topology.kubernetes.io/zone`), Karpenter
//! (`karpenter.sh/nodepool`), EKS (`eks.amazonaws.com/capacityType`, `eks.amazonaws.com/compute-type`).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Knowledge, Notes,
    documents::{Object, items, text},
    value::{Line, texts},
};
use crate::{cluster::autoscale::policy::taint::Taint, manifest::POOL_LABEL};

/// Facts about the cluster that its nodes show.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Keys of `cluster.baseline`.
    pub(super) baseline: Vec<Line>,
    /// Zones of all nodes.
    pub(super) zones: Option<Line>,
}

fn label<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    text(&object.body, &format!("/metadata/labels/{}", name.replace('/', "~1")))
}

pub(super) fn read(objects: &[Object], knowledge: Knowledge<'_>, notes: &mut Notes) -> Nodes {
    let mut all = Nodes::default();
    let zones: BTreeSet<&str> =
        objects.iter().filter_map(|node| label(node, "topology.kubernetes.io/zone")).collect();
    if (1..=6).contains(&zones.len()) {
        let names: Vec<&str> = zones.iter().copied().collect();
        let why = format!("zones of the nodes: {}", names.join(", "));
        all.zones = Some(Line::new("availability_zones", zones.len() as i64, &why));
    }
    let mut types: BTreeMap<&str, Vec<&Object>> = BTreeMap::new();
    for node in objects.iter().filter(|node| label(node, POOL_LABEL).is_none()) {
        if label(node, "eks.amazonaws.com/compute-type") == Some("fargate") {
            notes.field(node, "", "is not planned: a Fargate node, which a scenario does not have");
            continue;
        }
        let kind = label(node, "node.kubernetes.io/instance-type")
            .or_else(|| label(node, "beta.kubernetes.io/instance-type"));
        if let Some(kind) = kind.filter(|kind| knowledge.catalog.shape(kind).is_some()) {
            types.entry(kind).or_default().push(node);
            continue;
        }
        let why = kind.map_or_else(
            || "it has no label node.kubernetes.io/instance-type".to_owned(),
            |kind| format!("instance type {kind} is unknown"),
        );
        notes.field(node, "", &format!("is not planned: {why}"));
    }
    // Of types with as many nodes, the first by name.
    let most = types.iter().max_by(|a, b| a.1.len().cmp(&b.1.len()).then(b.0.cmp(a.0)));
    let Some((kind, first)) = most.map(|(kind, nodes)| (*kind, nodes[0])) else { return all };
    let count: usize = types.values().map(Vec::len).sum();
    if types.len() > 1 {
        let listed: Vec<String> =
            types.iter().map(|(kind, nodes)| format!("{} {kind}", nodes.len())).collect();
        let message = format!(
            "the baseline has one instance type: {count} {kind} are planned for {}",
            listed.join(", ")
        );
        notes.field(first, "", &message);
    }
    let every = || types.values().flatten();
    let spot = every().filter(|n| label(n, "eks.amazonaws.com/capacityType") == Some("SPOT"));
    let spot = spot.count();
    if spot > 0 {
        let message =
            format!("{spot} of {count} baseline nodes are spot; they are planned on-demand");
        notes.field(first, "", &message);
    }
    let why = match count {
        1 => first.label(),
        _ => format!("{} and {} more", first.label(), count - 1),
    };
    all.baseline.push(Line::new("instance_type", kind, &why));
    all.baseline.push(Line::new("nodes", count as i64, &why));
    let taints = every().map(|node| taints(node)).reduce(|mut known, more| {
        known.retain(|taint| more.contains(taint));
        known
    });
    if let Some(taints) = taints.filter(|taints| !taints.is_empty()) {
        all.baseline.push(Line::new("taints", texts(&taints), &why));
    }
    all
}

/// Returns the newest minor version of Kubernetes that the nodes run: 37 of `v1.37.2-eks-1a2b3c4`.
pub(super) fn minor_version(objects: &[Object]) -> Option<u32> {
    let version = |node: &Object| {
        let version = text(&node.body, "/status/nodeInfo/kubeletVersion")?;
        version.trim_start_matches('v').split('.').nth(1)?.parse().ok()
    };
    objects.iter().filter_map(version).max()
}

/// Returns taints that stay; those of a node's state come and go.
fn taints(node: &Object) -> Vec<String> {
    let each = |given: &serde_json::Value| {
        let key = text(given, "/key").unwrap_or_default();
        let value = text(given, "/value").map_or(String::new(), |value| format!("={value}"));
        let effect = text(given, "/effect").unwrap_or_default();
        let taint = format!("{key}{value}:{effect}");
        let lasting = !key.starts_with("node.kubernetes.io/") && !key.starts_with("karpenter.sh/");
        (lasting && Taint::parse(&taint).is_ok()).then_some(taint)
    };
    items(&node.body, "/spec/taints").iter().filter_map(each).collect()
}
