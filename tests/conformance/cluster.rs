//! A cluster from data: types, pools and deployments as the cases write them.

use runrate::{
    cluster::autoscale::{
        group::{Group, Groups},
        policy::{MinValues, Spreads},
    },
    measure::random::Lognormal,
};
use std::sync::LazyLock;

use runrate::{
    cluster::autoscale::{
        budget::Budget,
        policy::{
            Available, Deployment, Limits, Mix, Offer, Policy, Pool, Purchase, Spread,
            taint::{self, Effect, Taint},
        },
        settings,
    },
    facts::shapes::Controllers,
    measure::random::{self, Draws, Stream},
};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Type {
    pub(crate) name: String,
    pub(crate) vcpus: i64,
    pub(crate) cpu: i64,
    pub(crate) memory: i64,
    pub(crate) pods: i64,
    pub(crate) price: f64,
    pub(crate) spot_price: Option<f64>,
    #[serde(default)]
    pub(crate) zones: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Quiet {
    Seconds(u32),
    Never(String),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PoolCase {
    pub(crate) name: String,
    #[serde(default)]
    weight: u32,
    #[serde(default)]
    capacity_types: Vec<settings::CapacityType>,
    types: Option<Vec<String>>,
    limit_cpu: Option<i64>,
    limit_nodes: Option<u32>,
    #[serde(default)]
    min_values: u32,
    #[serde(default)]
    taints: Vec<String>,
    #[serde(default)]
    daemon_cpu: i64,
    #[serde(default)]
    daemon_memory: i64,
    consolidation_policy: Option<settings::ConsolidationPolicy>,
    consolidate_after: Option<Quiet>,
    budgets: Option<Vec<settings::Budget>>,
    #[serde(default)]
    pub(crate) spot_to_spot: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SpreadCase {
    topology: String,
    max_skew: u32,
    when_unsatisfiable: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Pdb {
    max_unavailable: Option<u32>,
    min_available: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PodCase {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) count: u32,
    pub(crate) cpu: i64,
    pub(crate) memory: i64,
    #[serde(default)]
    pub(crate) tolerations: Vec<String>,
    #[serde(default)]
    pub(crate) spread: Vec<SpreadCase>,
    pub(crate) pdb: Option<Pdb>,
    #[serde(default)]
    pub(crate) do_not_disrupt: bool,
}

pub(crate) fn luck() -> Draws {
    random::stream(7, 0, Stream::Cluster, 0)
}

pub(crate) fn zone_bits(names: &[String]) -> u8 {
    if names.is_empty() {
        return 0b111;
    }
    names.iter().fold(0, |bits, name| bits | 1 << zone(name))
}

pub(crate) fn zone(name: &str) -> u8 {
    name.parse::<u8>().unwrap() - 1
}

/// The groups that a pod may run on, and those that it avoids, of groups with these taints.
pub(crate) fn groups<'a>(
    tolerations: &[String],
    taints: impl Iterator<Item = (Group, &'a [String])>,
) -> (Groups, Groups) {
    let tolerations: Vec<Taint<'_>> =
        tolerations.iter().map(|text| Taint::parse(text).unwrap()).collect();
    let (mut may, mut avoids) = (Groups::NONE, Groups::NONE);
    for (group, taints) in taints {
        match taint::effect(taints, &tolerations) {
            Some(Effect::NoSchedule | Effect::NoExecute) => {}
            Some(Effect::PreferNoSchedule) => {
                may.insert(group);
                avoids.insert(group);
            }
            None => may.insert(group),
        }
    }
    (may, avoids)
}

pub(crate) fn deployment(pod: &PodCase, (groups, avoids): (Groups, Groups)) -> Deployment {
    let spread = |topology: &str| {
        pod.spread.iter().find(|spread| spread.topology == topology).map(|spread| Spread {
            max_skew: spread.max_skew,
            hard: spread.when_unsatisfiable == "DoNotSchedule",
        })
    };
    let available = pod.pdb.as_ref().and_then(|pdb| {
        pdb.max_unavailable.map(Available::AllBut).or(pdb.min_available.map(Available::Least))
    });
    Deployment {
        groups,
        avoids,
        zone_spread: spread("zone"),
        host_spread: spread("hostname"),
        available,
        do_not_disrupt: pod.do_not_disrupt,
        ..Deployment::new(pod.name.clone(), pod.cpu, pod.memory)
    }
}

/// A policy of these offers, pools and deployments; times are those of the real controllers.
pub(crate) fn policy(offers: Vec<Offer>, pools: Vec<Pool>, workloads: Vec<Deployment>) -> Policy {
    static CONTROLLERS: LazyLock<Controllers> =
        LazyLock::new(|| runrate::app::store::embedded_catalog().unwrap().controllers);
    let mut policy = Policy::assemble(&CONTROLLERS, 15, workloads, offers, pools);
    policy.zones = 3;
    policy.latencies.node = Lognormal { median: 45.0, sigma: 0.0 };
    policy.default_spread = Spreads::default();
    policy
}

/// Pools in the order of their weight, with offers of the types they allow.
pub(crate) fn pools(cases: &[PoolCase], types: &[Type]) -> (Vec<Pool>, Vec<Offer>) {
    let mut order: Vec<&PoolCase> = cases.iter().collect();
    order.sort_by_key(|pool| std::cmp::Reverse((pool.weight, pool.name.clone())));
    let mut offers = Vec::new();
    let pools = order
        .iter()
        .enumerate()
        .map(|(index, case)| pool(case, Group::of_pool(index), types, &mut offers))
        .collect();
    (pools, offers)
}

fn pool(case: &PoolCase, group: Group, types: &[Type], offers: &mut Vec<Offer>) -> Pool {
    use settings::{CapacityType, ConsolidationPolicy};
    let has = |kind| case.capacity_types.contains(&kind);
    let mix = match (has(CapacityType::Spot), has(CapacityType::OnDemand)) {
        (true, true) => Mix::SpotFirst,
        (true, false) => Mix::SpotOnly,
        (false, _) => Mix::OnDemand,
    };
    let mut buy = |purchase: Purchase| -> Vec<usize> {
        let from = offers.len();
        for (id, kind) in types.iter().enumerate() {
            let allowed = case.types.as_ref().is_none_or(|names| names.contains(&kind.name));
            let price = if purchase == Purchase::Spot { kind.spot_price } else { Some(kind.price) };
            if let (true, Some(price)) = (allowed, price) {
                offers.push(Offer {
                    instance_type: kind.name.clone(),
                    type_id: id as u32,
                    family_id: id as u32,
                    purchase,
                    group,
                    price,
                    vcpu_milli: kind.vcpus * 1000,
                    capacity_mib: kind.memory,
                    generic: true,
                    cpu: kind.cpu - case.daemon_cpu,
                    memory: kind.memory - case.daemon_memory,
                    pods: kind.pods,
                    zones: zone_bits(&kind.zones),
                    hazard: 0.0,
                    shortage: 0.0,
                });
            }
        }
        let mut found: Vec<usize> = (from..offers.len()).collect();
        found.sort_by(|a, b| offers[*a].price.total_cmp(&offers[*b].price));
        found
    };
    let on_demand = if mix == Mix::SpotOnly { vec![] } else { buy(Purchase::OnDemand) };
    let spot = if mix == Mix::OnDemand { vec![] } else { buy(Purchase::Spot) };
    let usual = vec![settings::Budget {
        nodes: "10%".into(),
        reasons: vec![],
        schedule: None,
        duration_minutes: None,
    }];
    let day = jiff::civil::date(2027, 1, 1);
    let budgets = case.budgets.as_ref().unwrap_or(&usual).iter();
    let policy = case.consolidation_policy.unwrap_or_default();
    Pool {
        name: case.name.clone(),
        group,
        zones: types
            .iter()
            .filter(|kind| case.types.as_ref().is_none_or(|names| names.contains(&kind.name)))
            .fold(0, |bits, kind| bits | zone_bits(&kind.zones)),
        mix,
        limits: Limits {
            cpu: case.limit_cpu.map(|vcpus| vcpus * 1000),
            memory: None,
            nodes: case.limit_nodes,
        },
        replicas: None,
        min_values: MinValues { types: case.min_values, families: 0 },
        consolidate_after_seconds: match &case.consolidate_after {
            None => Some(0),
            Some(Quiet::Seconds(seconds)) => Some(*seconds),
            Some(Quiet::Never(word)) => {
                assert_eq!(word, "Never");
                None
            }
        },
        only_empty: policy == ConsolidationPolicy::WhenEmpty,
        balanced: (policy == ConsolidationPolicy::Balanced).then_some(2.0),
        budgets: budgets.map(|budget| Budget::new(budget, day, 10).unwrap()).collect(),
        expire_after: None,
        drift_every: None,
        termination_grace: None,
        on_demand,
        spot,
    }
}

impl PoolCase {
    pub(crate) fn taints(&self) -> &[String] {
        &self.taints
    }
}
