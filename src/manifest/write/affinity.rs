//! Affinity to nodes and pods, as a pod's `spec.affinity` has it.

use super::{Wanted, object::Target};
use crate::{
    cluster::workload::{NodeCapacity, NodeRequirements, NodeTerm, PodTerm, TopologyKey, Workload},
    manifest::{
        CAPACITY_LABEL, POOL_LABEL,
        yaml::{Map, Node},
    },
};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Returns the affinity of a workload's pods; empty where it has none.
pub(super) fn of(workload: &Workload, wanted: &Wanted<'_>, key: &dyn Fn(&str) -> String) -> Map {
    let mut affinity = Map::new();
    let mut nodes = Map::new();
    let required = required(workload);
    if !required.is_empty() {
        let names = [
            ("node_pools", !workload.node_pools.is_empty()),
            ("node_requirements", workload.node_requirements != NodeRequirements::default()),
            ("node_alternatives", !workload.node_alternatives.is_empty()),
        ];
        let why: Vec<String> =
            names.iter().filter(|(_, given)| *given).map(|(name, _)| key(name)).collect();
        let terms = Map::new().with("nodeSelectorTerms", required);
        nodes.put(REQUIRED, terms, &why.join(", "));
    }
    let preferred: Vec<Node> = workload.node_preferences.iter().flat_map(preference).collect();
    if !preferred.is_empty() {
        nodes.put(PREFERRED, preferred, &key("node_preferences"));
    }
    if !nodes.is_empty() {
        affinity.put("nodeAffinity", nodes, "");
    }
    for (kind, list, given) in [
        ("podAffinity", "pod_affinity", &workload.pod_affinity),
        ("podAntiAffinity", "pod_anti_affinity", &workload.pod_anti_affinity),
    ] {
        let terms = pods(given, wanted);
        if !terms.is_empty() {
            affinity.put(kind, terms, &key(list));
        }
    }
    affinity
}

/// Returns the affinity of pods to these node groups; `None` where they name none.
pub(super) fn to_pools(names: &[String]) -> Option<Map> {
    let sets = pools(names).into_iter().flatten();
    let terms: Vec<Node> = sets.map(|expression| term(vec![expression])).collect();
    let required = Map::new().with("nodeSelectorTerms", terms);
    (!names.is_empty())
        .then(|| Map::new().with("nodeAffinity", Map::new().with(REQUIRED, required)))
}

/// Returns terms of affinity between pods.
fn pods(given: &[PodTerm], wanted: &Wanted<'_>) -> Map {
    let (mut required, mut preferred) = (Vec::new(), Vec::new());
    for term in given {
        // A scenario names workloads that it has.
        let known = wanted.account.stack.workloads.get(&term.workload);
        let labels =
            known.map_or_else(Map::new, |other| Target::of(&term.workload, other).labels(wanted));
        let pods = Map::new()
            .with("topologyKey", label_of(term.topology_key))
            .with("labelSelector", Map::new().with("matchLabels", labels));
        match term.weight {
            None => required.push(Node::from(pods)),
            Some(weight) => preferred
                .push(Node::from(Map::new().with("weight", weight).with("podAffinityTerm", pods))),
        }
    }
    let mut terms = Map::new();
    for (key, list) in [(REQUIRED, required), (PREFERRED, preferred)] {
        if !list.is_empty() {
            terms.put(key, list, "");
        }
    }
    terms
}

/// Returns the label of a domain.
pub(super) fn label_of(key: TopologyKey) -> &'static str {
    match key {
        TopologyKey::Zone => "topology.kubernetes.io/zone",
        TopologyKey::Hostname => "kubernetes.io/hostname",
    }
}

/// Returns required terms of a workload. Terms are alternatives, and each has what all of them need.
fn required(workload: &Workload) -> Vec<Node> {
    let all = labels(&workload.node_requirements);
    let mut sets = Vec::new();
    for pool in pools(&workload.node_pools) {
        let common: Vec<Map> = pool.into_iter().chain(all.iter().cloned()).collect();
        if workload.node_alternatives.is_empty() {
            sets.push(common);
            continue;
        }
        for alternative in workload.node_alternatives.iter().flat_map(expressions) {
            sets.push(common.iter().cloned().chain(alternative).collect());
        }
    }
    // One without expressions would be met by no node.
    let sets = sets.into_iter().filter(|set| !set.is_empty());
    sets.map(term).collect()
}

fn preference(given: &NodeTerm) -> Vec<Node> {
    let weight = given.weight.unwrap_or(1);
    let each =
        |set: Vec<Map>| Node::from(Map::new().with("weight", weight).with("preference", term(set)));
    expressions(given).into_iter().map(each).collect()
}

fn term(expressions: Vec<Map>) -> Node {
    let all: Vec<Node> = expressions.into_iter().map(Node::from).collect();
    Node::from(Map::new().with("matchExpressions", all))
}

/// Returns the expressions of a term; two sets where it names the baseline and node pools.
fn expressions(given: &NodeTerm) -> Vec<Vec<Map>> {
    let all = labels(&given.labels());
    let pools = pools(&given.node_pools).into_iter();
    pools.map(|pool| pool.into_iter().chain(all.iter().cloned()).collect()).collect()
}

/// Returns node pools as expressions, each an alternative; the baseline are the nodes that Karpenter did not buy.
fn pools(names: &[String]) -> Vec<Option<Map>> {
    let of_karpenter: Vec<&str> =
        names.iter().filter(|pool| *pool != "baseline").map(String::as_str).collect();
    let mut terms = Vec::new();
    if names.iter().any(|pool| pool == "baseline") {
        terms.push(Some(expression(POOL_LABEL, "DoesNotExist", &[])));
    }
    if !of_karpenter.is_empty() {
        terms.push(Some(expression(POOL_LABEL, "In", &of_karpenter)));
    }
    if names.is_empty() {
        terms.push(None);
    }
    terms
}

fn expression(label: &str, operator: &str, values: &[&str]) -> Map {
    let expression = Map::new().with("key", label).with("operator", operator);
    if values.is_empty() {
        return expression;
    }
    let values: Vec<Node> = values.iter().map(|value| (*value).into()).collect();
    expression.with("values", values)
}

/// Returns required labels as expressions. Nodes that Karpenter did not buy have no capacity type.
fn labels(required: &NodeRequirements) -> Vec<Map> {
    let mut all = Vec::new();
    let has = |capacity: NodeCapacity| required.capacity_types.contains(&capacity);
    let karpenter = [
        (NodeCapacity::OnDemand, "on-demand"),
        (NodeCapacity::Spot, "spot"),
        (NodeCapacity::Reserved, "reserved"),
    ];
    let bought: Vec<&str> =
        karpenter.iter().filter(|(capacity, _)| has(*capacity)).map(|(_, name)| *name).collect();
    let others: Vec<&str> =
        karpenter.iter().filter(|(capacity, _)| !has(*capacity)).map(|(_, name)| *name).collect();
    if !required.capacity_types.is_empty() {
        match (has(NodeCapacity::Baseline), bought.is_empty()) {
            (true, true) => all.push(expression(CAPACITY_LABEL, "DoesNotExist", &[])),
            (true, false) if others.is_empty() => {}
            (true, false) => all.push(expression(CAPACITY_LABEL, "NotIn", &others)),
            (false, _) => all.push(expression(CAPACITY_LABEL, "In", &bought)),
        }
    }
    for (label, values) in [
        ("kubernetes.io/arch", &required.architectures),
        ("node.kubernetes.io/instance-type", &required.instance_types),
        ("karpenter.k8s.aws/instance-family", &required.families),
        ("karpenter.k8s.aws/instance-category", &required.categories),
        ("karpenter.k8s.aws/instance-size", &required.sizes),
    ] {
        if !values.is_empty() {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            all.push(expression(label, "In", &values));
        }
    }
    all
}
