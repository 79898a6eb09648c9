//! What the state machine decides by, with every name looked up and every default filled in.

use std::cmp::Reverse;

use indexmap::IndexMap;
use jiff::civil::Date;

use self::affinity::{Affinity, Domains, Pick};
pub use self::daemon::Daemons;
use super::{
    Second,
    budget::Budget,
    group::{Group, Groups},
    hpa::{Resource, Rules},
    job::Job,
    keda::Triggers,
    resources::{MachineSize, Resources},
    settings::{Cluster, FeatureGate, NodePool, PreferencePolicy},
};
use crate::{
    cluster::{
        queueing::{self, Curve},
        workload::{Kind, NodeCapacity, Workload},
    },
    error::{Place, Problem},
    facts::{
        prices::PriceBook,
        shapes::{Catalog, Controllers, NodeDefaults},
    },
    measure::random::Lognormal,
};

mod advice;
pub mod affinity;
mod daemon;
mod deployment;
mod job;
mod keda;
pub mod lifecycle;
mod offer;
mod overlay;
mod pool;
mod scaling;
mod start;
mod supply;
pub mod taint;

pub use self::supply::{Reservation, Seat, Supply, ZonePrice, ZoneRate};

/// A workload's groups are the bits of a `u32`: the baseline's, and one for each pool.
pub(super) const MOST_POOLS: usize = 31;
/// The name, among pools, of the group of nodes that Karpenter did not buy.
pub const BASELINE: &str = "baseline";

/// How a node is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purchase {
    /// On-demand, always there.
    Baseline,
    /// On-demand, by Karpenter.
    OnDemand,
    /// Spot, by Karpenter.
    Spot,
    /// On-demand, in a capacity reservation, by Karpenter.
    Reserved,
}

impl From<Purchase> for NodeCapacity {
    fn from(purchase: Purchase) -> Self {
        match purchase {
            Purchase::Baseline => Self::Baseline,
            Purchase::OnDemand => Self::OnDemand,
            Purchase::Spot => Self::Spot,
            Purchase::Reserved => Self::Reserved,
        }
    }
}

/// An instance type that a group may buy, with the room it leaves for pods after daemonsets.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// EC2 instance type.
    pub instance_type: String,
    /// A number for the type: the same for its on-demand and its spot offer.
    pub type_id: u32,
    /// A number for its family.
    pub family_id: u32,
    /// How it is bought.
    pub purchase: Purchase,
    /// Its nodes' group.
    pub group: Group,
    /// Price (USD per hour) that Karpenter chooses by: the list price, unless a node overlay or a reservation
    /// changes it. The bill is made by `rate`, from the price book and [`Supply::zone_rates`].
    pub price: f64,
    /// vCPUs, in millicores.
    pub vcpu_milli: i64,
    /// Memory of the machine as Karpenter counts it against a limit: after the overhead of its VM, in MiB.
    pub capacity_mib: i64,
    /// Neither metal nor with a GPU or accelerator.
    pub generic: bool,
    /// CPU for pods, in millicores.
    pub cpu: i64,
    /// Memory for pods, in MiB.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
    /// Zones that have it, one bit each.
    pub zones: u8,
    /// Interruptions per second of a node.
    pub hazard: f64,
    /// Share of time in which a zone has none.
    pub shortage: f64,
}

impl Offer {
    /// Returns the room that a new node has for pods.
    #[inline]
    pub fn room(&self) -> Resources {
        Resources { cpu: self.cpu, memory: self.memory, pods: self.pods }
    }

    /// Returns what a node counts against its pool's limits.
    #[inline]
    pub fn machine(&self) -> MachineSize {
        MachineSize { vcpu_milli: self.vcpu_milli, memory_mib: self.capacity_mib }
    }
}

/// Which purchase options a pool asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mix {
    /// On-demand only.
    OnDemand,
    /// Spot only: without capacity, pods wait.
    SpotOnly,
    /// Spot, and on-demand where spot has no capacity.
    SpotFirst,
    /// A share of the nodes as spot, the rest on-demand; either steps in for the other.
    Share(f64),
}

/// Limits of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Most vCPUs, in millicores.
    pub cpu: Option<i64>,
    /// Most memory, in MiB.
    pub memory: Option<i64>,
    /// Most nodes.
    pub nodes: Option<u32>,
}

/// Distinct values that the types of a planned node keep, so that spot capacity has a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinValues {
    /// Instance types.
    pub types: u32,
    /// Instance families.
    pub families: u32,
}

impl MinValues {
    /// No such rule.
    pub const NONE: Self = Self { types: 0, families: 0 };
}

/// A Karpenter node pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its nodes' group.
    pub group: Group,
    /// Zones in which it buys, one bit each.
    pub zones: u8,
    /// Purchase options.
    pub mix: Mix,
    /// Limits.
    pub limits: Limits,
    /// Nodes that a static pool keeps, whatever its pods need; `None` where nodes follow pods.
    pub replicas: Option<u32>,
    /// Distinct values that a node's set of types keeps.
    pub min_values: MinValues,
    /// Seconds without a pod event before removal; `None` is never.
    pub consolidate_after_seconds: Option<Second>,
    /// Only empty nodes may be removed.
    pub only_empty: bool,
    /// `k` of the policy Balanced.
    pub balanced: Option<f64>,
    /// Disruption budgets.
    pub budgets: Vec<Budget>,
    /// Age at which nodes go, in seconds.
    pub expire_after: Option<Second>,
    /// Seconds between two machine images.
    pub drift_every: Option<Second>,
    /// Longest drain, in seconds.
    pub termination_grace: Option<Second>,
    /// Offers bought on demand, cheapest first.
    pub on_demand: Vec<usize>,
    /// Offers bought as spot, cheapest first.
    pub spot: Vec<usize>,
}

impl Pool {
    /// Offers of one purchase option, cheapest first.
    pub fn offers(&self, purchase: Purchase) -> &[usize] {
        if purchase == Purchase::Spot { &self.spot } else { &self.on_demand }
    }

    /// Whether it can buy any node at all.
    fn offers_any(&self) -> bool {
        !(self.on_demand.is_empty() && self.spot.is_empty())
    }

    /// Nodes that a static pool keeps: no more than its limit.
    pub fn static_nodes(&self) -> Option<u32> {
        let within = |replicas: u32| self.limits.nodes.map_or(replicas, |most| replicas.min(most));
        self.replicas.map(within)
    }

    /// The share of nodes wanted as spot.
    pub fn spot_share(&self) -> f64 {
        match self.mix {
            Mix::OnDemand => 0.0,
            Mix::SpotOnly | Mix::SpotFirst => 1.0,
            Mix::Share(share) => share,
        }
    }
}

/// A spread constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Most that two domains may differ.
    pub max_skew: u32,
    /// `DoNotSchedule`.
    pub hard: bool,
}

/// Spreads over the two kinds of domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spreads {
    /// Over zones.
    pub zones: Option<Spread>,
    /// Over nodes.
    pub hosts: Option<Spread>,
}

/// What affinity to nodes and to pods adds to a node's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AffinityScores {
    /// For labels of the node that the pod prefers.
    pub nodes: i64,
    /// For pods in the node's domains.
    pub pods: i64,
}

/// Memory that a pod uses, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PodMemory {
    /// Without requests.
    pub idle: f64,
    /// More for each request being served.
    pub per_request: f64,
}

/// Containers that request none of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unrequested {
    /// Those without a CPU request.
    pub cpu: Vec<String>,
    /// Those without a memory request.
    pub memory: Vec<String>,
}

impl Unrequested {
    /// Returns the containers without a request for a resource.
    pub fn containers(&self, resource: Resource) -> &[String] {
        match resource {
            Resource::Cpu => &self.cpu,
            Resource::Memory => &self.memory,
        }
    }
}

/// How long a node takes to pull an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImagePull {
    /// Seconds whatever its size.
    pub fixed_seconds: f64,
    /// MiB per second.
    pub mib_per_second: f64,
}

/// Pods that an eviction must leave ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Available {
    /// At least so many.
    Least(u32),
    /// At least this percentage of the replicas, rounded up.
    LeastPercent(u32),
    /// All but so many.
    AllBut(u32),
    /// All but this percentage of the replicas, rounded up.
    AllButPercent(u32),
}

impl Available {
    /// Returns how many of `replicas` must stay ready.
    pub fn least_ready(self, replicas: u32) -> u32 {
        let share = |percent: u32| (replicas * percent).div_ceil(100);
        match self {
            Self::Least(count) => count,
            Self::LeastPercent(percent) => share(percent),
            Self::AllBut(count) => replicas.saturating_sub(count),
            Self::AllButPercent(percent) => replicas.saturating_sub(share(percent)),
        }
    }
}

/// How pods of a deployment serve requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Serving {
    /// Requests a second for one session a minute.
    pub rps_per_session: f64,
    /// CPU of one request, in ms.
    pub cpu_ms: f64,
    /// Requests a second that a pod serves at most.
    pub pod_rps: f64,
    /// The workers of a pod, not its CPU limit, set `pod_rps`.
    pub bound_by_workers: bool,
    /// Seconds a request waits before it is given up.
    pub timeout: f64,
    /// How requests wait in a pod; where nodes bound it, in one alone on the largest node.
    pub response: Response,
    /// Its queue, where requests wait in one.
    pub queue: Option<Queue>,
    /// Set where a node may have less CPU than a pod may use.
    pub node_bound: Option<NodeBound>,
}

/// How requests wait for servers that they share.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Requests that are served at once.
    pub servers: u32,
    /// Response time by utilization, in ms.
    pub latency: Curve,
    /// What is asked over what can be served, above which requests are late; infinite where nobody counts.
    pub late_load: f64,
    /// Requests served or waiting by utilization, where a metric or memory goes by them.
    pub in_system: Option<Curve>,
    /// Seconds of one request for each of the servers, where the pods of a node share these; otherwise each pod
    /// has servers of its own.
    pub seconds_per_server: Option<f64>,
}

/// Pods that may use more CPU than the smallest node has that they may run on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeBound {
    /// CPU limit of a pod, in millicores; infinite without one.
    pub limit: f64,
    /// Time that a request holds a worker, in ms.
    pub service_ms: f64,
    /// Requests that a pod serves at once at most.
    pub workers: u32,
    /// Share of requests that the response time is of.
    pub quantile: f64,
    /// Response time above which requests are late, in ms; infinite where nobody counts.
    pub late_ms: f64,
}

/// A queue that pods take their requests from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// Whether its length counts requests that are being served.
    pub counts_in_flight: bool,
    /// How long a request is being served, in seconds.
    pub seconds: f64,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// How it serves, if it does.
    pub serving: Option<Serving>,
    /// Containers without a request.
    pub unrequested: Unrequested,
    /// Whether it takes its requests from a queue.
    pub has_queue: bool,
    /// CPU of an idle pod, in millicores.
    pub idle_cpu: f64,
    /// CPU request, in millicores.
    pub request_cpu: i64,
    /// Memory request, in MiB.
    pub request_memory: i64,
    /// Memory of a pod.
    pub memory: PodMemory,
    /// Least replicas.
    pub min_replicas: u32,
    /// Most replicas; none for pods that come by themselves, as those of jobs do.
    pub max_replicas: Option<u32>,
    /// From a place on a ready node with the image to serving, in seconds.
    pub startup: Lognormal,
    /// Compressed image, in MiB.
    pub image_mib: f64,
    /// Autoscaler, where there is one.
    pub hpa: Option<Rules>,
    /// Whether it runs outside the account's schedule.
    pub always_on: bool,
    /// Groups it may run on.
    pub groups: Groups,
    /// Groups it selects, whatever their taints: the domains of its spread.
    pub selects: Groups,
    /// Of these, groups it would rather not run on (`PreferNoSchedule`).
    pub avoids: Groups,
    /// Per offer, whether its nodes lack a label that the pods require; empty where they require none.
    pub refused: Vec<bool>,
    /// Spread over zones.
    pub zone_spread: Option<Spread>,
    /// Spread over nodes.
    pub host_spread: Option<Spread>,
    /// Disruption budget.
    pub available: Option<Available>,
    /// Its nodes are not disrupted by choice.
    pub do_not_disrupt: bool,
    /// When its pods run and for how long, where they run to their end.
    pub job: Option<Box<Job>>,
    /// Cron triggers of KEDA.
    pub triggers: Option<Box<Triggers>>,
    /// The same for so many seconds after a pod has started.
    pub do_not_disrupt_seconds: Option<Second>,
    /// Affinity to pods and nodes, its own and that of others to it, where there is some.
    pub affinity: Option<Box<Affinity>>,
}

impl Deployment {
    /// Returns whether an autoscaler ever changes its replicas.
    fn is_scaled(&self) -> bool {
        self.triggers.is_some() || self.hpa.as_ref().is_some_and(Rules::ever_scales)
    }

    /// Returns whether its pods may run on nodes of an offer, which is of this group.
    pub fn may_use(&self, offer: usize, group: Group) -> bool {
        self.groups.contains(group) && self.admits(offer)
    }

    /// Returns what one of its pods requests.
    #[inline]
    pub fn requests(&self) -> Resources {
        Resources { cpu: self.request_cpu, memory: self.request_memory, pods: 1 }
    }

    /// Returns whether nodes of an offer have the labels it requires.
    pub fn admits(&self, offer: usize) -> bool {
        !self.refused.get(offer).copied().unwrap_or(false)
    }

    /// Returns whether nodes of an offer have the labels of this pick of its terms, too.
    pub fn admits_as(&self, pick: Pick, offer: usize) -> bool {
        self.admits(offer)
            && self.affinity.as_deref().is_none_or(|affinity| affinity.admits(pick, offer))
    }

    /// A deployment that serves no requests, asks for this much, and may run anywhere.
    pub fn new(name: String, request_cpu: i64, request_memory: i64) -> Self {
        Self {
            name,
            serving: None,
            unrequested: Unrequested::default(),
            has_queue: false,
            idle_cpu: 0.0,
            request_cpu,
            request_memory,
            memory: PodMemory::default(),
            min_replicas: 0,
            max_replicas: None,
            startup: Lognormal::default(),
            image_mib: 0.0,
            hpa: None,
            always_on: true,
            groups: Groups::ALL,
            selects: Groups::ALL,
            avoids: Groups::NONE,
            refused: Vec::new(),
            zone_spread: None,
            host_spread: None,
            available: None,
            do_not_disrupt: false,
            job: None,
            triggers: None,
            do_not_disrupt_seconds: None,
            affinity: None,
        }
    }
}

/// How spot capacity comes and goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// Weight of the price in the choice.
    pub price_weight: f64,
    /// How much more expensive than the cheapest a chosen type may be.
    pub price_reach: f64,
    /// Length of a shortage, in seconds.
    pub shortage_seconds: Second,
    /// Seconds from the notice to the end.
    pub notice_seconds: Second,
    /// Most types in one launch request.
    pub launch_types: usize,
    /// Replacing spot by spot is on.
    pub spot_to_spot: bool,
    /// Cheaper types that it needs.
    pub spot_to_spot_types: usize,
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latencies {
    /// Launch to Ready, in seconds.
    pub node: Lognormal,
    /// Most seconds of a launch.
    pub node_most: f64,
    /// Least seconds of a drain.
    pub drain: Second,
    /// Image pull.
    pub image_pull: ImagePull,
    /// Decision to disrupt to the act, in seconds.
    pub validation: Second,
    /// Seconds in which a node that pods are meant for is not disrupted.
    pub nomination: Second,
    /// Seconds after which a fruitless disruption pass is repeated where budgets have schedules.
    pub consolidated: Second,
    /// Seconds in which an offer without capacity is not tried again.
    pub unavailable: Second,
    /// Age of the sample that the autoscaler reads, in ticks.
    pub sample_ticks: usize,
    /// Window of a sample, in whole ticks: none in ticks longer than it.
    pub sample_window_ticks: usize,
}

/// Everything one account's state machine decides by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Length of a tick, in seconds.
    pub tick_seconds: Second,
    /// Second of the first day at which it begins.
    pub first_second: Second,
    /// Availability zones.
    pub zones: u8,
    /// Deployments; daemonsets are in the offers.
    pub workloads: Vec<Deployment>,
    /// Those that serve requests.
    pub serving: Vec<usize>,
    /// Of these, those whose pods may use more CPU than a node has.
    pub node_bound: Vec<usize>,
    /// Those with an autoscaler.
    pub scaled: Vec<usize>,
    /// Of these, those that are scaled outside the account's schedule too.
    pub scaled_asleep: Vec<usize>,
    /// Of those with an autoscaler that has metrics, those that serve no requests.
    pub scaled_idle: Vec<usize>,
    /// Those whose pods run to their end.
    pub jobs: Vec<usize>,
    /// Those with cron triggers of KEDA.
    pub triggered: Vec<usize>,
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
    /// How long things take.
    pub latencies: Latencies,
    /// How spot capacity comes and goes.
    pub spot: Spot,
    /// How pods are batched, how nodes fail and are replaced.
    pub lifecycle: lifecycle::Lifecycle,
    /// Capacity buffers; each has its pods' needs among the workloads, after all others.
    pub buffers: Vec<lifecycle::Buffer>,
    /// Most nodes that one command of consolidation removes.
    pub multi_node_candidates: usize,
    /// Any deployment has a disruption budget or must not be disrupted.
    pub guarded: bool,
    /// Any pool keeps a number of nodes.
    pub has_static_pools: bool,
    /// Karpenter ignores preferences of pods (`PREFERENCE_POLICY=Ignore`): a spread that is not required.
    pub ignores_preferences: bool,
    /// Weight of the spread among the scores.
    pub spread_weight: i64,
    /// Weight of a container that requests no CPU, as a request, in millicores.
    pub least_cpu_weight: f64,
    /// What a node scores whose taints a pod tolerates.
    pub taint_score: i64,
    /// Weights of affinity among the scores.
    pub affinity_weights: AffinityScores,
    /// How the scheduler spreads pods that name no spread.
    pub default_spread: Spreads,
    /// What daemonsets use on a node of each offer; empty without daemonsets.
    pub daemons: Vec<Daemons>,
    /// Per offer, what Karpenter withholds for daemonsets when it plans a node, beyond what they take of it. Empty
    /// where it withholds no more.
    pub withheld: Vec<Resources>,
    /// Daemonsets that no node of the cluster may run.
    pub idle_daemons: Vec<String>,
    /// What its owner should know of the node pools.
    pub notes: Vec<String>,
    /// Reservations, prices by zone and overlays; empty in most clusters.
    pub supply: Supply,
    /// What the bill charges for an hour of each offer, at list price, in USD.
    pub list_prices: Vec<f64>,
}

/// What a policy is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Workloads by name.
    pub workloads: &'a IndexMap<String, Workload>,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Requests per session of each traffic class.
    pub classes: &'a IndexMap<String, crate::demand::traffic::Class>,
    /// Shapes and defaults.
    pub catalog: &'a Catalog,
    /// Prices.
    pub prices: &'a PriceBook,
    /// Region code.
    pub region: &'a str,
    /// Length of a tick, in seconds.
    pub tick_seconds: Second,
    /// First day.
    pub start: Date,
    /// Days in all.
    pub days: u32,
    /// Minor version of Kubernetes 1, where it is known: what is on by default.
    pub kubernetes_minor: Option<u32>,
}

fn problem(key: &str, message: String) -> Problem {
    Problem::new(Place { key: Some(key.to_owned()), ..Place::default() }, message)
}

impl Policy {
    /// Looks everything up.
    ///
    /// # Errors
    /// Every name that does not exist, every pool left without a type, every pod that fits nowhere.
    pub fn build(inputs: &Inputs<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let cluster = inputs.cluster;
        let mut offers = Vec::new();
        let baseline = offer::baseline_offer(inputs).map(|offer| offers.push(offer));
        let wrong = |message| problem("cluster.baseline.instance_type", message);
        problems.extend(baseline.map_err(wrong).err());
        check_counts(cluster, &mut problems)?;
        problems.extend(taint::check(cluster));
        let (mut pools, mut notes): (Vec<Pool>, Vec<String>) = (Vec::new(), Vec::new());
        let mut supply = Supply::new(inputs, &mut problems);
        let mut order: Vec<(&String, &NodePool)> = cluster.node_pools.iter().collect();
        order.sort_by_key(|(name, pool)| Reverse((pool.weight, *name)));
        for (index, (name, settings)) in order.into_iter().enumerate() {
            let group = Group::of_pool(index);
            let contradictions = pool::check(inputs.catalog, name, settings);
            let consistent = contradictions.is_empty();
            problems.extend(contradictions);
            let pool = pool::build(inputs, &mut offers, (name, settings), group);
            match pool {
                Ok(pool) => {
                    supply.seat(inputs, &mut offers, &pool);
                    let remains = pool.offers_any() || supply.seats_of(group).next().is_some();
                    let unmatched = pool::unmatched(inputs.catalog, name, settings, remains);
                    if consistent && (remains || unmatched.is_empty()) {
                        let bought = (&*offers, &supply);
                        problems.extend(pool::check_built(inputs, &pool, settings, bought));
                    }
                    if remains {
                        notes.extend(unmatched.iter().map(ToString::to_string));
                    } else {
                        problems.extend(unmatched);
                    }
                    notes.extend(pool::advice(inputs, &pool));
                    pools.push(pool);
                }
                Err(found) => problems.extend(found),
            }
        }
        notes.extend(supply.advice(inputs, (&pools, &offers)));
        supply.rate_zones(inputs, &offers, (&mut problems, &mut notes));
        let list_prices = supply.list_prices(&offers);
        let bought = (&mut *offers, &mut *pools);
        overlay::apply(inputs, bought, &mut supply, (&mut problems, &mut notes));
        // With a group missing, every pod that belongs there would seem to fit nowhere.
        let all_groups = problems.is_empty();
        let mut workloads = Vec::new();
        let known = if all_groups { &*offers } else { &[] };
        for (name, workload) in inputs.workloads {
            if workload.kind == Kind::DaemonSet {
                problems.extend(deployment::check_daemon(inputs, &pools, (name, workload)));
                continue;
            }
            match deployment::build(inputs, &pools, known, (name, workload)) {
                Ok(deployment) => workloads.push(deployment),
                Err(found) => problems.extend(found),
            }
        }
        let buffers = lifecycle::buffers(inputs, &pools, known, &mut workloads, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (tick, controllers) = (inputs.tick_seconds, &inputs.catalog.controllers);
        let mut policy = Self::assemble(controllers, tick, workloads, offers, pools);
        policy.zones = cluster.availability_zones as u8;
        policy.baseline_nodes = cluster.baseline.nodes;
        policy.asleep_baseline_nodes =
            cluster.baseline.asleep_nodes.unwrap_or(cluster.baseline.nodes);
        policy.latencies.node = node_startup(cluster, &controllers.node);
        policy.spot.spot_to_spot =
            cluster.feature_gates.contains(&FeatureGate::SpotToSpotConsolidation);
        policy.ignores_preferences = cluster.preference_policy == PreferencePolicy::Ignore;
        let domains =
            Domains { zones: cluster.availability_zones, baseline_nodes: cluster.baseline.nodes };
        notes.extend(affinity::notes(&policy.workloads, &policy.offers, domains));
        policy.notes = notes;
        policy.buffers = buffers;
        policy.set_lifecycle(inputs);
        policy.supply = supply;
        policy.list_prices = list_prices;
        policy.place_daemons(inputs);
        Ok(policy)
    }

    /// Returns what daemonsets use on a node of an offer.
    pub fn daemons_on(&self, offer: usize) -> Daemons {
        self.daemons.get(offer).copied().unwrap_or_default()
    }

    /// A cluster without baseline nodes, daemonsets or feature gates, whose controllers go by their
    /// defaults. Pools are in the order of their weight, greatest first.
    pub fn assemble(
        controllers: &Controllers,
        tick_seconds: Second,
        mut workloads: Vec<Deployment>,
        offers: Vec<Offer>,
        pools: Vec<Pool>,
    ) -> Self {
        affinity::mirror(&mut workloads, i64::from(controllers.serving.hard_pod_affinity_weight));
        let mut scheduling_order: Vec<usize> = (0..workloads.len()).collect();
        let size = |w: &Deployment| (w.request_cpu, w.request_memory);
        scheduling_order.sort_by_key(|index| (Reverse(size(&workloads[*index])), *index));
        let of = |wanted: fn(&Deployment) -> bool| -> Vec<usize> {
            (0..workloads.len()).filter(|index| wanted(&workloads[*index])).collect()
        };
        let soft = |max_skew: u32| Some(Spread { max_skew, hard: false });
        let serving = &controllers.serving;
        Self {
            tick_seconds,
            first_second: 0,
            zones: 1,
            serving: of(|workload| workload.serving.is_some()),
            node_bound: of(|workload| {
                workload.serving.as_ref().is_some_and(|serving| serving.node_bound.is_some())
            }),
            scaled: of(Deployment::is_scaled),
            scaled_asleep: of(|workload| workload.is_scaled() && workload.always_on),
            scaled_idle: of(|workload| {
                workload.is_scaled()
                    && workload.serving.is_none()
                    && workload.hpa.as_ref().is_some_and(|rules| !rules.metrics.is_empty())
            }),
            jobs: of(|workload| workload.job.is_some()),
            triggered: of(|workload| workload.triggers.is_some()),
            ignores_preferences: false,
            guarded: workloads.iter().any(Deployment::is_guarded),
            has_static_pools: pools.iter().any(|pool| pool.replicas.is_some()),
            workloads,
            scheduling_order,
            offers,
            baseline_offer: 0,
            baseline_nodes: 0,
            asleep_baseline_nodes: 0,
            pools,
            latencies: latencies(controllers, tick_seconds),
            lifecycle: lifecycle::Lifecycle::new(controllers),
            buffers: Vec::new(),
            spot: spot(controllers),
            multi_node_candidates: controllers.karpenter.multi_node_candidates,
            spread_weight: i64::from(serving.spread_weight),
            taint_score: i64::from(serving.taint_score),
            least_cpu_weight: serving.least_cpu_weight,
            affinity_weights: AffinityScores {
                nodes: i64::from(serving.node_affinity_weight),
                pods: i64::from(serving.pod_affinity_weight),
            },
            default_spread: Spreads {
                zones: soft(serving.default_zone_skew),
                hosts: soft(serving.default_host_skew),
            },
            daemons: Vec::new(),
            withheld: Vec::new(),
            idle_daemons: Vec::new(),
            notes: Vec::new(),
            supply: Supply::default(),
            list_prices: Vec::new(),
        }
    }

    /// Counts the minutes in which p95 is above so many milliseconds, or, where none is given, above so many
    /// times that of an idle pod; more asked than can be served is late in any case.
    pub fn count_late(&mut self, p95_ms: Option<f64>, factor: f64) {
        for workload in &mut self.workloads {
            // What waits in a queue is not late: nobody waits for it.
            if let Some(serving) = workload.serving.as_mut().filter(|own| own.queue.is_none()) {
                let most = p95_ms.unwrap_or(factor * serving.response.latency.at(0.0));
                serving.response.count_late(most);
                if let Some(bound) = &mut serving.node_bound {
                    bound.late_ms = most;
                }
            }
        }
    }

    /// Makes every launch take so many seconds more, or less, in the median.
    pub fn slow_nodes(&mut self, seconds: f64) {
        let node = &mut self.latencies.node;
        node.median = (node.median + seconds).max(0.0);
        self.latencies.node_most += seconds.max(0.0);
    }

    /// Returns whether any workload has affinity to pods or nodes.
    pub fn has_affinity(&self) -> bool {
        self.workloads.iter().any(|workload| workload.affinity.is_some())
    }

    /// Returns the pool of a group; the baseline has none.
    pub fn pool_of(&self, group: Group) -> Option<&Pool> {
        self.pools.get(group.pool()?)
    }
}

impl Response {
    /// Requests that share so many servers, each of which takes so many milliseconds of one. `in_queue`: they wait
    /// in a queue until a server takes them.
    pub(super) fn new(
        (servers, served_ms): (u32, f64),
        quantile: f64,
        in_queue: bool,
        counted: bool,
    ) -> Self {
        Self {
            servers,
            latency: if in_queue {
                Curve::flat(served_ms * queueing::response_quantile(0.0, servers, quantile))
            } else {
                Curve::response(servers, served_ms, quantile)
            },
            late_load: f64::INFINITY,
            in_system: counted.then(|| Curve::in_system(servers)),
            seconds_per_server: None,
        }
    }

    /// Counts requests as late whose response time is above so many milliseconds.
    pub(super) fn count_late(&mut self, most_ms: f64) {
        let load = self.latency.reaches(most_ms);
        // Rounding of a load of just 1 is not to count, as for saturation.
        self.late_load = if load >= 1.0 { 1.0 + 1e-9 } else { load };
    }
}

/// Launch to Ready, in seconds.
fn node_startup(cluster: &Cluster, node: &NodeDefaults) -> Lognormal {
    let usual = f64::from(node.startup_seconds);
    let median = cluster.node_startup_seconds.map_or(usual, f64::from);
    let ratio = f64::from(node.startup_p95_seconds) / usual;
    let p95 = cluster.node_startup_p95_seconds.map_or(median * ratio, f64::from);
    Lognormal::from_p95(median, p95)
}

fn latencies(controllers: &Controllers, tick_seconds: Second) -> Latencies {
    let Controllers { node, karpenter, hpa, .. } = controllers;
    let (median, p95) = (f64::from(node.startup_seconds), f64::from(node.startup_p95_seconds));
    Latencies {
        node: Lognormal::from_p95(median, p95),
        node_most: f64::from(node.startup_most_seconds),
        drain: node.drain_seconds,
        image_pull: ImagePull {
            fixed_seconds: node.image_pull_seconds,
            mib_per_second: node.image_pull_mib_per_second,
        },
        validation: karpenter.validation_seconds,
        nomination: lifecycle::nomination(karpenter, karpenter.batch_max_seconds),
        consolidated: karpenter.consolidated_seconds,
        unavailable: karpenter.unavailable_offering_seconds,
        sample_ticks: hpa.sample_age_seconds.div_ceil(tick_seconds).max(1) as usize,
        sample_window_ticks: (hpa.sample_window_seconds / tick_seconds) as usize,
    }
}

fn spot(controllers: &Controllers) -> Spot {
    let Controllers { spot, karpenter, .. } = controllers;
    Spot {
        price_weight: spot.price_weight,
        price_reach: spot.price_reach,
        shortage_seconds: spot.shortage_seconds.max(1),
        notice_seconds: spot.notice_seconds,
        launch_types: karpenter.launch_types,
        spot_to_spot: false,
        spot_to_spot_types: karpenter.spot_to_spot_types,
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

fn unknown(what: &str, name: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("no {what} {name:?}; did you mean {near:?}?"),
        None => format!("no {what} {name:?}"),
    }
}
