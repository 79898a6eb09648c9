//! What the state machine decides by, with every name looked up and every default filled in.

use std::cmp::Reverse;

use indexmap::IndexMap;

use super::{
    Second,
    hpa::Rules,
    settings::{Cluster, NodePool},
};
use crate::{
    error::{Place, Problem, nearest},
    prices::{BillKey, PriceBook},
    shapes::{Catalog, Shape},
    workload::{Kind, Workload},
};

mod deployment;
mod pool;

/// A workload's groups are the bits of a `u32`: the baseline's, and one for each pool.
const MOST_POOLS: usize = 31;

/// How a node is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purchase {
    /// On-demand, always there.
    Baseline,
    /// On-demand, by Karpenter.
    OnDemand,
    /// Spot, by Karpenter.
    Spot,
}

/// An instance type that a group may buy, with the room it leaves for pods after daemonsets.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// EC2 instance type.
    pub instance_type: String,
    /// How it is bought.
    pub purchase: Purchase,
    /// Node group: 0 is the baseline, pools follow.
    pub group: u8,
    /// List price [USD per hour], for choosing only; the bill is made by `rate`.
    pub price: f64,
    /// vCPUs [millicores].
    pub vcpu_milli: i64,
    /// CPU for pods [millicores].
    pub cpu: i64,
    /// Memory for pods [MiB].
    pub memory: i64,
    /// Pods.
    pub pods: i64,
}

/// A Karpenter node pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: u8,
    /// Share of nodes asked for as spot.
    pub spot_share: f64,
    /// Most vCPUs [millicores].
    pub limit_cpu: Option<i64>,
    /// Seconds without a pod event before removal; `None` is never.
    pub consolidate_after_seconds: Option<Second>,
    /// Only empty nodes may be removed.
    pub only_empty: bool,
    on_demand: Vec<usize>,
    spot: Vec<usize>,
}

impl Pool {
    /// Offers of one purchase option, cheapest first.
    pub fn offers(&self, purchase: Purchase) -> &[usize] {
        if purchase == Purchase::Spot { &self.spot } else { &self.on_demand }
    }

    /// Whether the pool buys this way at all.
    pub fn allows(&self, purchase: Purchase) -> bool {
        match purchase {
            Purchase::Spot => self.spot_share > 0.0,
            // On-demand is also the fallback when no spot type fits.
            Purchase::OnDemand | Purchase::Baseline => true,
        }
    }
}

/// One deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// Requests for one session.
    pub requests_per_session: f64,
    /// CPU of one request [ms].
    pub cpu_ms_per_request: f64,
    /// CPU of an idle pod [millicores].
    pub idle_cpu: f64,
    /// CPU request [millicores].
    pub request_cpu: i64,
    /// Memory request [MiB].
    pub request_memory: i64,
    /// Most CPU of a pod [millicores].
    pub limit_cpu: f64,
    /// Least replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
    /// From a place on a ready node to serving [seconds].
    pub startup_seconds: Second,
    /// Compressed image [MiB].
    pub image_mib: f64,
    /// Autoscaler, where there is one.
    pub hpa: Option<Rules>,
    /// Whether it runs outside the account's schedule.
    pub always_on: bool,
    /// Bit per group it may run on.
    pub groups: u32,
}

impl Deployment {
    /// CPU that a load asks for [millicores].
    pub fn cpu_for(&self, sessions_per_minute: f64) -> f64 {
        sessions_per_minute * self.requests_per_session / 60.0 * self.cpu_ms_per_request
    }

    /// CPU of one pod at the target [millicores].
    pub fn target_millicores(&self) -> f64 {
        let target = self.hpa.as_ref().map_or(1.0, |rules| f64::from(rules.band.target()) / 100.0);
        (self.request_cpu as f64 * target - self.idle_cpu).max(1.0)
    }
}

/// Everything one account's state machine decides by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Length of a tick [seconds].
    pub tick_seconds: Second,
    /// Deployments; daemonsets are in the offers.
    pub workloads: Vec<Deployment>,
    /// Those that serve requests.
    pub serving: Vec<usize>,
    /// Deployments in the order Karpenter and the scheduler take them: CPU, then memory, greatest first.
    pub scheduling_order: Vec<usize>,
    /// All offers of all groups.
    pub offers: Vec<Offer>,
    /// The baseline's offer.
    pub baseline_offer: usize,
    /// Baseline nodes.
    pub baseline_nodes: u32,
    /// Baseline nodes outside the schedule.
    pub asleep_baseline_nodes: u32,
    /// Pools, greatest weight first.
    pub pools: Vec<Pool>,
    /// Launch to Ready [seconds].
    pub node_startup_seconds: Second,
    /// Share of a pool's nodes disrupted at once [percent].
    pub disruption_budget_percent: u32,
    /// Seconds between a decision to disrupt and the act: the shortest time between two commands.
    pub validation_seconds: Second,
    /// CPU of all daemonsets on one node [millicores].
    pub daemon_idle_cpu: f64,
    /// Images of all daemonsets, pulled by each new node [MiB].
    pub daemon_image_mib: f64,
}

/// What a policy is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Workloads by name.
    pub workloads: &'a IndexMap<String, Workload>,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Requests per session of each traffic class.
    pub classes: &'a IndexMap<String, crate::traffic::Class>,
    /// Shapes and defaults.
    pub catalog: &'a Catalog,
    /// Prices.
    pub prices: &'a PriceBook,
    /// Region code.
    pub region: &'a str,
    /// Length of a tick [seconds].
    pub tick_seconds: Second,
}

fn problem(key: &str, message: String) -> Problem {
    Problem::new(Place { key: Some(key.to_owned()), ..Place::default() }, message)
}

/// What daemonsets take of every node.
#[derive(Clone, Copy)]
struct Daemons {
    cpu: i64,
    memory: i64,
    pods: i64,
    idle_cpu: f64,
    image_mib: f64,
}

impl Policy {
    /// Looks everything up.
    ///
    /// # Errors
    /// Every name that does not exist, every pool left without a type, every pod that fits nowhere.
    pub fn build(inputs: &Inputs<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let cluster = inputs.cluster;
        let controllers = &inputs.catalog.controllers;
        let daemons = daemons(inputs.workloads);
        let mut offers = Vec::new();
        match baseline_offer(inputs, daemons) {
            Ok(offer) => offers.push(offer),
            Err(message) => problems.push(problem("cluster.baseline.instance_type", message)),
        }
        check_counts(cluster, &mut problems)?;
        let mut pools = Vec::new();
        let mut order: Vec<(&String, &NodePool)> = cluster.node_pools.iter().collect();
        order.sort_by_key(|(name, pool)| Reverse((pool.weight, *name)));
        for (index, (name, settings)) in order.into_iter().enumerate() {
            let group = index as u8 + 1;
            let unknown = pool::check(inputs.catalog, name, settings);
            let all_known = unknown.is_empty();
            problems.extend(unknown);
            pools.push(pool::build(inputs, daemons, &mut offers, (name, settings), group));
            let pool = &pools[index];
            if all_known && pool.on_demand.is_empty() && pool.spot.is_empty() {
                let key = format!("cluster.node_pools.{name}");
                let message = format!(
                    "no instance type in {} meets all requirements; loosen one",
                    inputs.region
                );
                problems.push(problem(&key, message));
            }
        }
        // With a group missing, every pod that belongs there would seem to fit nowhere.
        let all_groups = problems.is_empty();
        let mut workloads = Vec::new();
        for (name, workload) in inputs.workloads {
            if workload.kind == Kind::Deployment {
                let offers = if all_groups { &*offers } else { &[] };
                match deployment::build(inputs, &pools, offers, (name, workload)) {
                    Ok(deployment) => workloads.push(deployment),
                    Err(found) => problems.extend(found),
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut scheduling_order: Vec<usize> = (0..workloads.len()).collect();
        let size = |w: &Deployment| (w.request_cpu, w.request_memory);
        scheduling_order.sort_by_key(|index| (Reverse(size(&workloads[*index])), *index));
        let startup = cluster.node_startup_seconds.unwrap_or(controllers.node.startup_seconds);
        Ok(Self {
            tick_seconds: inputs.tick_seconds,
            serving: (0..workloads.len())
                .filter(|index| workloads[*index].requests_per_session > 0.0)
                .collect(),
            workloads,
            scheduling_order,
            offers,
            baseline_offer: 0,
            baseline_nodes: cluster.baseline.nodes,
            asleep_baseline_nodes: cluster.baseline.asleep_nodes.unwrap_or(cluster.baseline.nodes),
            pools,
            node_startup_seconds: startup,
            disruption_budget_percent: controllers.karpenter.disruption_budget_percent,
            validation_seconds: controllers.karpenter.validation_seconds,
            daemon_idle_cpu: daemons.idle_cpu,
            daemon_image_mib: daemons.image_mib,
        })
    }

    /// The pool of a group; the baseline has none.
    pub fn pool_of(&self, group: u8) -> Option<&Pool> {
        self.pools.get(usize::from(group).checked_sub(1)?)
    }
}

/// Numbers of nodes and pools that contradict each other; too many pools end the search at once.
fn check_counts(cluster: &Cluster, problems: &mut Vec<Problem>) -> Result<(), Vec<Problem>> {
    let baseline = &cluster.baseline;
    if let Some(asleep) = baseline.asleep_nodes.filter(|asleep| *asleep > baseline.nodes) {
        let message = format!(
            "{asleep} is above nodes ({}); give {} or less",
            baseline.nodes, baseline.nodes
        );
        problems.push(problem("cluster.baseline.asleep_nodes", message));
    }
    if cluster.node_pools.len() > MOST_POOLS {
        let message = format!("{} pools; give {MOST_POOLS} or fewer", cluster.node_pools.len());
        return Err(vec![problem("cluster.node_pools", message)]);
    }
    Ok(())
}

fn daemons(workloads: &IndexMap<String, Workload>) -> Daemons {
    let mut sum = Daemons { cpu: 0, memory: 0, pods: 0, idle_cpu: 0.0, image_mib: 0.0 };
    for workload in workloads.values().filter(|workload| workload.kind == Kind::DaemonSet) {
        sum.cpu += workload.requests.cpu_millicores.ceil() as i64;
        sum.memory += workload.requests.memory_mib.ceil() as i64;
        sum.pods += 1;
        sum.idle_cpu += workload.idle_cpu_millicores;
        sum.image_mib += workload.image_mib;
    }
    sum
}

fn price(inputs: &Inputs<'_>, kind: &str, instance_type: &str) -> Result<f64, String> {
    let usage_type = format!("{kind}:{instance_type}");
    let key = BillKey::new("AmazonEC2", inputs.region, &usage_type, "RunInstances");
    inputs.prices.ladder(&key).map(|ladder| ladder.rows[0].price.to_f64())
}

fn offer(
    shape: &Shape,
    daemons: Daemons,
    price: f64,
    purchase: Purchase,
    group: u8,
) -> Option<Offer> {
    let offer = Offer {
        instance_type: shape.instance_type.clone(),
        purchase,
        group,
        price,
        vcpu_milli: i64::from(shape.vcpus) * 1000,
        cpu: shape.allocatable_cpu_milli? as i64 - daemons.cpu,
        memory: shape.allocatable_memory_mib? as i64 - daemons.memory,
        pods: i64::from(shape.allocatable_pods?) - daemons.pods,
    };
    (offer.cpu > 0 && offer.memory > 0 && offer.pods > 0).then_some(offer)
}

fn baseline_offer(inputs: &Inputs<'_>, daemons: Daemons) -> Result<Offer, String> {
    let name = &*inputs.cluster.baseline.instance_type;
    let shape = known_shape(inputs.catalog, name)?;
    let price = price(inputs, "BoxUsage", name)?;
    offer(shape, daemons, price, Purchase::Baseline, 0)
        .ok_or_else(|| format!("{name} has no room left beside the daemonsets; take a larger type"))
}

fn known_shape<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Shape, String> {
    catalog.shape(name).ok_or_else(|| {
        let near = nearest(name, catalog.shapes().iter().map(|shape| &*shape.instance_type));
        unknown("instance type", name, near)
    })
}

fn unknown(what: &str, name: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("no {what} {name:?}; did you mean {near:?}?"),
        None => format!("no {what} {name:?}"),
    }
}
