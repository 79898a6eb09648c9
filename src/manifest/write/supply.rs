//! `NodeOverlays` of `karpenter.sh/v1alpha1`, what a node class says of capacity reservations, and Karpenter's own
//! settings.

use super::{
    Wanted,
    pool::{Problems, is_auto, requirement, texts},
};
use crate::{
    cluster::autoscale::settings::{
        CapacityType, FeatureGate, MinValuesPolicy, NodeOverlay, NodePool, PreferencePolicy,
    },
    manifest::{
        CAPACITY_LABEL, FILL_IN, POOL_LABEL,
        yaml::{Map, Node},
    },
};

/// Returns the capacity types of a pool, in the order in which Karpenter takes them.
pub(super) fn capacity_types(pool: &NodePool) -> (Vec<&'static str>, &'static str) {
    const BOTH: [&str; 2] = ["spot", "on-demand"];
    let has = |kind: CapacityType| pool.capacity_types.contains(&kind);
    match pool.spot_share {
        // On-demand steps in where spot is short: both types; Karpenter takes spot first.
        Some(share) if share > 0.0 => (BOTH.to_vec(), "spot_share"),
        Some(_) => (vec!["on-demand"], "spot_share"),
        None if pool.capacity_types.is_empty() => (vec!["on-demand"], "capacity_types"),
        None => {
            let all = [CapacityType::Reserved, CapacityType::Spot, CapacityType::OnDemand];
            (all.into_iter().filter(|kind| has(*kind)).map(name).collect(), "capacity_types")
        }
    }
}

fn name(kind: CapacityType) -> &'static str {
    match kind {
        CapacityType::Reserved => "reserved",
        CapacityType::Spot => "spot",
        CapacityType::OnDemand => "on-demand",
    }
}

/// Returns reservations that one of these pools may use.
fn reservations<'w>(wanted: &Wanted<'w>, pools: &[(&str, &NodePool)]) -> Vec<&'w str> {
    let all = wanted.account.stack.cluster.capacity_reservations.iter();
    let used = all.filter(|(_, given)| {
        pools.iter().any(|(name, pool)| {
            pool.capacity_types.contains(&CapacityType::Reserved)
                && (given.node_pools.is_empty() || given.node_pools.iter().any(|own| own == name))
        })
    });
    used.map(|(name, _)| &**name).collect()
}

/// Returns `capacityReservationSelectorTerms` of the node class of these pools.
pub(super) fn selector_terms(wanted: &Wanted<'_>, pools: &[(&str, &NodePool)]) -> Vec<Node> {
    let term = |name: &str| {
        let why = format!(
            "fill in: the Name tag of the reservation, or its id: cluster.capacity_reservations.{name}"
        );
        Node::from(Map::new().with("tags", Map::new().why("Name", FILL_IN, &why)))
    };
    reservations(wanted, pools).into_iter().map(term).collect()
}

/// Returns node overlays.
pub(super) fn overlays(wanted: &Wanted<'_>, group: &str) -> Vec<Map> {
    let all = wanted.account.stack.cluster.node_overlays.iter();
    all.map(|(name, given)| overlay(name, given, group)).collect()
}

fn overlay(name: &str, given: &NodeOverlay, group: &str) -> Map {
    let key = |field: &str| format!("cluster.node_overlays.{name}.{field}");
    let label = |of: &str| format!("{group}/instance-{of}");
    let wanted = &given.requirements;
    let kinds: Vec<String> =
        wanted.capacity_types.iter().map(|kind| self::name(*kind).to_owned()).collect();
    let lists = [
        (POOL_LABEL.to_owned(), "node_pools", &wanted.node_pools),
        (CAPACITY_LABEL.to_owned(), "capacity_types", &kinds),
        ("kubernetes.io/arch".to_owned(), "architectures", &wanted.architectures),
        ("node.kubernetes.io/instance-type".to_owned(), "instance_types", &wanted.instance_types),
        (label("family"), "families", &wanted.families),
        (label("category"), "categories", &wanted.categories),
        (label("size"), "sizes", &wanted.sizes),
    ];
    let requirements = lists.into_iter().filter(|(.., values)| !values.is_empty());
    let requirements = requirements.map(|(label, field, values)| {
        let key = key(&format!("requirements.{field}"));
        Node::from(requirement(&label, "In", texts(values), &key))
    });
    let mut spec = Map::new();
    spec.put("requirements", requirements.collect::<Vec<Node>>(), "");
    if let Some(price) = &given.price {
        spec.put("price", &**price, &key("price"));
    }
    if let Some(change) = &given.price_adjustment {
        spec.put("priceAdjustment", &**change, &key("price_adjustment"));
    }
    if given.weight > 0 {
        spec.put("weight", given.weight, &key("weight"));
    }
    Map::new()
        .with("apiVersion", "karpenter.sh/v1alpha1")
        .with("kind", "NodeOverlay")
        .with("metadata", Map::new().why("name", name, &format!("cluster.node_overlays.{name}")))
        .with("spec", spec)
}

/// Returns options of Karpenter itself, which its Helm chart or Deployment sets.
pub(super) fn options(wanted: &Wanted<'_>) -> Problems {
    let cluster = &wanted.account.stack.cluster;
    let mut all = Vec::new();
    let mut say = |key: &str, message: String| all.push((key.to_owned(), message));
    let gates = [
        (FeatureGate::SpotToSpotConsolidation, "SpotToSpotConsolidation=true"),
        (FeatureGate::NodeOverlay, "NodeOverlay=true"),
        (FeatureGate::NodeRepair, "NodeRepair=true"),
        (FeatureGate::CapacityBuffer, "CapacityBuffer=true"),
    ];
    let on = gates.into_iter().filter(|(gate, _)| cluster.feature_gates.contains(gate));
    let on: Vec<&str> = on.map(|(_, text)| text).collect();
    if !on.is_empty() {
        say("cluster.feature_gates", format!("set FEATURE_GATES={} on Karpenter", on.join(",")));
    }
    for (key, variable, seconds) in [
        ("cluster.batch_idle_seconds", "BATCH_IDLE_DURATION", cluster.batch_idle_seconds),
        ("cluster.batch_max_seconds", "BATCH_MAX_DURATION", cluster.batch_max_seconds),
    ] {
        if let Some(seconds) = seconds {
            say(key, format!("set {variable}={seconds}s on Karpenter"));
        }
    }
    if cluster.preference_policy == PreferencePolicy::Ignore {
        say("cluster.preference_policy", "set PREFERENCE_POLICY=Ignore on Karpenter".to_owned());
    }
    if cluster.min_values_policy == MinValuesPolicy::BestEffort {
        let message = "set MIN_VALUES_POLICY=BestEffort on Karpenter".to_owned();
        say("cluster.min_values_policy", message);
    }
    for name in cluster.capacity_reservations.keys() {
        let message = if is_auto(wanted) {
            "EKS Auto Mode's node class is written without capacityReservationSelectorTerms; add the reservation to it"
        } else {
            "buy the reservation, and fill in its tag or id in capacityReservationSelectorTerms of the node class"
        };
        say(&format!("cluster.capacity_reservations.{name}"), message.to_owned());
    }
    all
}
