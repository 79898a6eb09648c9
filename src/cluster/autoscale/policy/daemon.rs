//! What daemonsets take of a node, and what Karpenter withholds for them when it plans one.
//!
//! # Formula
//! ```text
//! runs on a node : its taints are tolerated, except PreferNoSchedule, and its labels are those required
//! withheld       : requests of the daemonsets that may run on the type in its pool, however it is bought
//! ```
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/scheduler.go#buildDaemonOverheadGroups`,
//! `#isDaemonPodCompatible` (the capacity types of a type in its pool intersect with what the daemonset
//! requires), `#isDaemonPodCompatibleWithNode`, commit 2266468.

use super::{
    BASELINE, Inputs, Policy, Pool,
    taint::{self, Effect, Taint},
};
use crate::cluster::autoscale::resources::Resources;
use crate::{
    cluster::workload::{Kind, NodeCapacity, Workload},
    facts::shapes::Shape,
};

/// What daemonsets take of a node.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Daemons {
    /// CPU requested, in millicores.
    pub cpu: i64,
    /// Memory requested, in MiB.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
    /// Daemonsets that do not run there.
    pub absent: i64,
    /// CPU used, in millicores.
    pub idle_cpu: f64,
    /// Images, pulled by each new node, in MiB.
    pub image_mib: f64,
}

impl Daemons {
    fn requests(self) -> Resources {
        Resources { cpu: self.cpu, memory: self.memory, pods: self.pods }
    }
}

/// Whether a daemonset tolerates the taints of a group.
fn tolerates(inputs: &Inputs<'_>, workload: &Workload, group: &str) -> bool {
    let cluster = inputs.cluster;
    let taints = match cluster.node_pools.get(group) {
        Some(pool) => &pool.taints,
        None => &cluster.baseline.taints,
    };
    if taints.is_empty() {
        return true;
    }
    let given = workload.tolerations.iter().filter_map(|text| Taint::parse(text).ok());
    let tolerations: Vec<Taint<'_>> = given.collect();
    !matches!(taint::effect(taints, &tolerations), Some(Effect::NoSchedule | Effect::NoExecute))
}

/// What daemonsets take of a node of this group and type, bought in any of these ways.
pub(super) fn daemons(
    inputs: &Inputs<'_>,
    (group, shape): (&str, &Shape),
    bought: &[NodeCapacity],
) -> Daemons {
    let mut sum = Daemons::default();
    for workload in inputs.workloads.values().filter(|workload| workload.kind == Kind::DaemonSet) {
        if !bought.iter().any(|capacity| workload.selects(group, shape, *capacity))
            || !tolerates(inputs, workload, group)
        {
            sum.absent += 1;
            continue;
        }
        sum.cpu += workload.requests.cpu_millicores.ceil() as i64;
        sum.memory += workload.requests.memory_mib.ceil() as i64;
        sum.pods += 1;
        sum.idle_cpu += workload.idle_cpu_millicores;
        sum.image_mib += workload.image_mib;
    }
    sum
}

impl Policy {
    /// Looks up which daemonsets run on nodes of each offer.
    pub(super) fn place_daemons(&mut self, inputs: &Inputs<'_>) {
        let nodes: Vec<(&str, &Shape, NodeCapacity)> = self
            .offers
            .iter()
            .filter_map(|offer| {
                let group = self.pool_of(offer.group).map_or(BASELINE, |pool| &pool.name);
                let shape = inputs.catalog.shape(&offer.instance_type)?;
                Some((group, shape, offer.purchase.into()))
            })
            .collect();
        let on = |(group, shape, capacity): &(&str, &Shape, NodeCapacity)| {
            daemons(inputs, (group, shape), &[*capacity])
        };
        let daemons: Vec<Daemons> = nodes.iter().map(on).collect();
        let (mut idle, mut told) = (Vec::new(), Vec::new());
        for (name, workload) in inputs.workloads.iter().filter(|(_, w)| w.kind == Kind::DaemonSet) {
            let selected = nodes
                .iter()
                .filter(|(group, shape, capacity)| workload.selects(group, shape, *capacity));
            let mut kept_out: Vec<&str> = Vec::new();
            let mut runs = false;
            for (group, ..) in selected {
                if tolerates(inputs, workload, group) {
                    runs = true;
                } else if !kept_out.contains(group) {
                    kept_out.push(group);
                }
            }
            if !kept_out.is_empty() {
                told.push(format!(
                    "{name}: this daemonset does not tolerate the taints of {}, and does not run there; add tolerations = [\"*\"] if it does",
                    kept_out.join(", ")
                ));
            } else if !runs {
                idle.push(name.clone());
            }
        }
        self.withheld = self.withheld(inputs, &daemons);
        self.notes.extend(told);
        (self.daemons, self.idle_daemons) = (daemons, idle);
    }

    /// What Karpenter withholds of the offers of pools that buy both ways, beyond what daemonsets take of them.
    fn withheld(&self, inputs: &Inputs<'_>, daemons: &[Daemons]) -> Vec<Resources> {
        let by_purchase = |workload: &Workload| {
            !workload.node_requirements.capacity_types.is_empty()
                || !workload.node_alternatives.is_empty()
        };
        let all = inputs.workloads.values();
        if !all.filter(|w| w.kind == Kind::DaemonSet).any(by_purchase) {
            return Vec::new();
        }
        let mut withheld = vec![Resources::default(); self.offers.len()];
        for pool in &self.pools {
            for &index in pool.on_demand.iter().chain(&pool.spot) {
                let offer = &self.offers[index];
                let Some(shape) = inputs.catalog.shape(&offer.instance_type) else { continue };
                let ways: Vec<NodeCapacity> = self.ways(pool, offer.type_id);
                let all = self::daemons(inputs, (&pool.name, shape), &ways);
                let taken = daemons[index];
                withheld[index] = all.requests() - taken.requests();
            }
        }
        if withheld.iter().all(|more| *more == Resources::default()) {
            Vec::new()
        } else {
            withheld
        }
    }

    /// In which ways a pool buys a type.
    fn ways(&self, pool: &Pool, type_id: u32) -> Vec<NodeCapacity> {
        let sells = |offers: &[usize]| offers.iter().any(|o| self.offers[*o].type_id == type_id);
        let ways = [(&pool.on_demand, NodeCapacity::OnDemand), (&pool.spot, NodeCapacity::Spot)];
        ways.into_iter().filter(|(offers, _)| sells(offers)).map(|(_, way)| way).collect()
    }
}
