//! Patches of Deployments and `DaemonSets`: what a pod asks for, and where it may run.

use super::{Wanted, fill_in_label, kind_unknown};
use crate::{
    manifest::{
        CAPACITY_LABEL, FILL_IN, Facts, NO_CPU_LIMIT, NO_MEMORY_LIMIT, POOL_LABEL, quantity,
        yaml::{Map, Node},
    },
    workload::{
        Kind, NodeCapacity, NodeRequirements, Resources, TopologyKey, TopologySpread,
        WhenUnsatisfiable, Workload,
    },
};

/// Below the heading.
pub(super) const ABOUT: [&str; 4] = [
    "Parts of Deployments and DaemonSets that exist already. Either each as a strategic merge patch, or all by",
    "`kubectl apply --server-side --field-manager runrate -n NAMESPACE -f requests-patch.yaml`.",
    "A scenario knows pods, not containers: the figures are of a pod. Where it has several containers, share",
    "them out, and write the containers' names in place of the workload's. What says FILL-IN only you know.",
];

pub(super) fn documents(wanted: &Wanted<'_>) -> Vec<Map> {
    let before = |name: &str| wanted.before.and_then(|account| account.stack.workloads.get(name));
    let workloads = wanted.account.stack.workloads.iter();
    let of_now = workloads.map(|(name, workload)| (name, document(name, workload, wanted.facts)));
    let changed = of_now.filter(|(name, now)| {
        wanted.before.is_none()
            || before(name).is_none_or(|before| document(name, before, wanted.facts) != *now)
    });
    changed.map(|(_, document)| document).collect()
}

fn document(name: &str, workload: &Workload, facts: &Facts) -> Map {
    let key = |field: &str| match &workload.profile {
        Some(profile) => format!("workloads.{name}.{field} (profile {profile})"),
        None => format!("workloads.{name}.{field}"),
    };
    let mut spec = Map::new();
    if let (Some(replicas), Kind::Deployment) = (workload.replicas, workload.kind) {
        spec.put("replicas", replicas, &key("replicas"));
    }
    let mut pod = Map::new();
    place(&mut pod, (workload, facts), &key);
    let mut resources = Map::new();
    resources.put("requests", amounts(&workload.requests), &key("requests"));
    if let Some(limits) = &workload.limits {
        put_limits(&mut resources, limits, &key("limits"));
    }
    let container = Map::new().with("name", name).with("resources", resources);
    pod.put("containers", vec![Node::from(container)], "");
    let mut template = Map::new();
    if workload.do_not_disrupt {
        let annotations = Map::new().why(
            "karpenter.sh/do-not-disrupt",
            Node::from("true"),
            &key("do_not_disrupt"),
        );
        template.put("metadata", Map::new().with("annotations", annotations), "");
    }
    let kind = match workload.kind {
        Kind::Deployment => "Deployment",
        Kind::DaemonSet => "DaemonSet",
    };
    Map::new()
        .with("apiVersion", "apps/v1")
        .why("kind", kind, kind_unknown(workload, facts))
        .with("metadata", Map::new().with("name", name))
        .with("spec", spec.with("template", template.with("spec", pod)))
}

/// Limits that are some: one that no node reaches stands for none, and written out it would be a limit.
fn put_limits(resources: &mut Map, given: &Resources, key: &str) {
    let mut limits = Map::new();
    let mut none = Vec::new();
    if given.cpu_millicores >= NO_CPU_LIMIT {
        none.push("CPU");
    } else if given.cpu_millicores > 0.0 {
        limits.put("cpu", quantity::cpu(given.cpu_millicores), "");
    }
    if given.memory_mib >= NO_MEMORY_LIMIT {
        none.push("memory");
    } else if given.memory_mib > 0.0 {
        limits.put("memory", quantity::memory(given.memory_mib), "");
    }
    if !none.is_empty() {
        // A patch that leaves a field out leaves it as it is.
        resources.say(&format!(
            "{key}: no limit of {}; take out one that is there",
            none.join(" and of ")
        ));
    }
    if !limits.is_empty() {
        resources.put("limits", limits, key);
    }
}

/// Nothing is asked for where the scenario has 0.
fn amounts(resources: &Resources) -> Map {
    let mut amounts = Map::new();
    if resources.cpu_millicores > 0.0 {
        amounts.put("cpu", quantity::cpu(resources.cpu_millicores), "");
    }
    if resources.memory_mib > 0.0 {
        amounts.put("memory", quantity::memory(resources.memory_mib), "");
    }
    amounts
}

fn place(pod: &mut Map, (workload, facts): (&Workload, &Facts), key: &dyn Fn(&str) -> String) {
    if !workload.tolerations.is_empty() {
        let each = |text: &String| Node::from(toleration(text));
        let tolerations: Vec<Node> = workload.tolerations.iter().map(each).collect();
        pod.put("tolerations", tolerations, &key("tolerations"));
    }
    if !workload.topology_spread.is_empty() {
        let label = facts.name_labels.first().map_or(FILL_IN, String::as_str);
        let each = |given: &TopologySpread| Node::from(spread(*given, label));
        let spreads: Vec<Node> = workload.topology_spread.iter().map(each).collect();
        pod.put("topologySpreadConstraints", spreads, &key("topology_spread"));
    }
    let required = &workload.node_requirements;
    if !workload.node_pools.is_empty() || *required != NodeRequirements::default() {
        let of = if workload.node_pools.is_empty() { "node_requirements" } else { "node_pools" };
        if let Some(affinity) = affinity(&workload.node_pools, required) {
            pod.put("affinity", affinity, &key(of));
        }
    }
}

fn toleration(text: &str) -> Map {
    let (pair, effect) = match text.rsplit_once(':') {
        Some((pair, effect)) => (pair, Some(effect)),
        None => (text, None),
    };
    let mut toleration = match pair.split_once('=') {
        Some((key, value)) => {
            Map::new().with("key", key).with("operator", "Equal").with("value", value)
        }
        None => Map::new().with("key", pair).with("operator", "Exists"),
    };
    if let Some(effect) = effect {
        toleration.put("effect", effect, "");
    }
    toleration
}

/// Without a selector a constraint counts no pods, and spreads none.
fn spread(given: TopologySpread, label: &str) -> Map {
    let key = match given.topology_key {
        TopologyKey::Zone => "topology.kubernetes.io/zone",
        TopologyKey::Hostname => "kubernetes.io/hostname",
    };
    let otherwise = match given.when_unsatisfiable {
        WhenUnsatisfiable::DoNotSchedule => "DoNotSchedule",
        WhenUnsatisfiable::ScheduleAnyway => "ScheduleAnyway",
    };
    let why = format!("{FILL_IN}: a scenario knows no labels; write those of the pods");
    let labels = Map::new().why(label, fill_in_label(), &why);
    Map::new()
        .with("maxSkew", given.max_skew)
        .with("topologyKey", key)
        .with("whenUnsatisfiable", otherwise)
        .with("labelSelector", Map::new().with("matchLabels", labels))
}

/// Nodes of these pools with these labels; the baseline are the nodes that Karpenter did not buy. Terms are
/// alternatives; one without expressions would be met by no node.
fn affinity(pools: &[String], required: &NodeRequirements) -> Option<Map> {
    let labels = labels(required);
    if pools.is_empty() && labels.is_empty() {
        return None;
    }
    let term = |pool: Option<Map>| {
        let all: Vec<Node> =
            pool.into_iter().chain(labels.iter().cloned()).map(Node::from).collect();
        Node::from(Map::new().with("matchExpressions", all))
    };
    let named = pools.iter().filter(|pool| *pool != "baseline").map(String::as_str);
    let named: Vec<&str> = named.collect();
    let mut terms = Vec::new();
    if pools.iter().any(|pool| pool == "baseline") {
        terms.push(term(Some(expression(POOL_LABEL, "DoesNotExist", &[]))));
    }
    if !named.is_empty() {
        terms.push(term(Some(expression(POOL_LABEL, "In", &named))));
    }
    if pools.is_empty() {
        terms.push(term(None));
    }
    let required = Map::new().with("nodeSelectorTerms", terms);
    Some(Map::new().with(
        "nodeAffinity",
        Map::new().with("requiredDuringSchedulingIgnoredDuringExecution", required),
    ))
}

fn expression(label: &str, operator: &str, values: &[&str]) -> Map {
    let expression = Map::new().with("key", label).with("operator", operator);
    if values.is_empty() {
        return expression;
    }
    let values: Vec<Node> = values.iter().map(|value| (*value).into()).collect();
    expression.with("values", values)
}

/// Required labels as expressions. Nodes that Karpenter did not buy have no capacity type.
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
