//! The cluster as a state machine: one call of [`Cluster::step`] advances it by exactly one tick.
//!
//! A step keeps the causal order of the real controllers: timers fire (nodes and pods become ready,
//! nodes leave), autoscalers decide on the metrics of earlier ticks, pods are scheduled, Karpenter
//! buys nodes, Karpenter disrupts nodes, requests are served and counted. Replicas of one deployment
//! are interchangeable, so a node holds counts per workload and a quiet tick costs a few additions;
//! the packer runs only when something is pending and disruption only after something changed.
//!
//! # Limits
//! Pods are bound to a node on its way instead of waiting for it. A pod keeps its node until it is
//! evicted: nothing is rescheduled for balance, as in Kubernetes. CPU that pods with a limit use above their
//! requests is shared over the whole cluster and not node by node.

use self::purchase::NodeCounts;
use self::tally::BilledSpan;
use self::{
    batch::Batch,
    disrupt::Command,
    event::{Event, Reason, Subject},
    hpa::Hpa,
    node::{Node, Starting},
    node_cpu::OnNodes,
    policy::Policy,
    tally::{HourTally, Tally, WorkloadTally},
};
use crate::measure::random::Draws;

mod affinity;
mod batch;
pub mod budget;
mod buffer;
mod calm;
pub mod cron;
pub mod disrupt;
pub mod drill;
pub(crate) mod event;
pub mod group;
mod health;
pub mod hpa;
pub mod job;
pub(crate) mod karpenter;
pub(crate) mod keda;
pub mod node;
mod node_cpu;
pub mod pack;
pub mod policy;
pub mod purchase;
pub mod resources;
mod scale;
pub mod schedule;
mod serve;
pub mod settings;
pub(crate) mod tally;

/// Seconds since the start of the plan.
pub type Second = u32;

/// No time at all.
pub(crate) const NEVER: Second = Second::MAX;

/// Availability zones that a node's counts have room for.
pub const MOST_ZONES: usize = 6;

/// Samples kept for the autoscaler; a power of two.
const SAMPLES: usize = 16;

/// What the metrics pipeline shows of one tick of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Sample {
    /// CPU over the pods that were ready, in millicores.
    usage: f64,
    /// How many these were.
    ready: u32,
    /// Requests that arrived in a second.
    rps: f64,
    /// Requests being served or waiting.
    in_service: f64,
}

/// An offer that was short of spot capacity a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shortage {
    offer: usize,
    /// Zones, one bit each.
    zones: u8,
    /// When it is tried again.
    until: Second,
}

/// The live side of one workload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replicas {
    /// Replicas wished for.
    pub desired: u32,
    /// Pods that serve.
    pub ready: u32,
    /// Pods bound to a node but not serving yet.
    pub starting: u32,
    /// Pods without a node.
    pub pending: u32,
    /// Requests that arrived in the last tick [1/s].
    pub rps: f64,
    /// What was asked over what the ready pods can serve.
    pub load: f64,
    /// Response time that 95 % of requests stay below, in ms.
    pub p95_ms: f64,
    /// Requests that wait for the next tick.
    pub backlog: f64,
    /// CPU used, in millicores.
    pub usage: f64,
    /// Requests that arrive or wait [1/s].
    asked: f64,
    /// What the ready pods serve [1/s], its inverse, their CPU with nothing to do and their requests
    /// (millicores): kept, because they change seldom.
    capacity: f64,
    per_capacity: f64,
    idle_usage: f64,
    requested: f64,
    /// What the nodes of its pods give them, where these may use more than a node has.
    on_nodes: Option<Box<OnNodes>>,
    overloaded: bool,
    unserved_before: f64,
    /// For how long a message or more waited in its queue, in seconds.
    queued_seconds: f64,
    /// Bound pods by zone.
    zones: [u32; MOST_ZONES],
    hpa: Hpa,
    /// Runs of a cron-job or a job.
    runs: Option<Box<job::Runs>>,
    /// Replicas that open windows of cron triggers ask for.
    called: u32,
    /// When one of KEDA's triggers was active last.
    active_at: Second,
    /// Up to when its ready pods are counted.
    counted_to: Second,
    samples: [Sample; SAMPLES],
}

/// The whole state; plain data that can be compared and cloned.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Seconds since the start of the plan.
    pub now: Second,
    ticks: usize,
    nodes: Vec<Option<Node>>,
    /// Places in `nodes` that are empty, the next to be used last.
    free: Vec<usize>,
    /// Nodes, launching ones included.
    counts: NodeCounts,
    workloads: Vec<Replicas>,
    starting: Vec<Starting>,
    /// Earliest timer, so that a quiet tick looks at one number.
    next_timer: Second,
    /// When disruption is to be looked at next.
    settle_at: Second,
    pending: u32,
    ready_pods: u32,
    /// Whether the CPU of nodes is divided among the pods that are ready now.
    divided: bool,
    /// CPU of idle pods that serve no requests, and of daemons on all nodes, in millicores.
    standing_cpu: f64,
    /// vCPUs of all nodes, in millicores.
    vcpu_milli: i64,
    awake: bool,
    /// Nodes launched so far.
    launched: u32,
    /// Up to when nodes and pods are counted in the hour.
    counted_to: Second,
    /// When the next hour's tally begins.
    next_hour: Second,
    /// A command of disruption that waits for its validation.
    command: Option<Command>,
    /// Spot offers without capacity.
    unavailable: Vec<Shortage>,
    /// Pods of each workload for which nothing could be done in the last try.
    stuck: Vec<u32>,
    /// Pods that wait for others before nodes are planned.
    batch: Batch,
    /// When room that capacity buffers lack is searched for again.
    refill_at: Second,
    luck: Draws,
    /// Names the shortages of spot capacity.
    supply_key: u64,
    tally: Tally,
    log: Option<Vec<Event>>,
    /// Response times, which nobody bills, may be skipped in calm stretches.
    costs_only: bool,
}

impl Cluster {
    /// A cluster whose deployments have the size that the load of the first minute needs, or, when
    /// the account sleeps then, with nothing but what is always on.
    pub fn new(policy: &Policy, first_sessions_per_minute: f64, awake: bool, luck: Draws) -> Self {
        let mut cluster = Self::empty(policy, awake, luck);
        let baseline = if awake { policy.baseline_nodes } else { policy.asleep_baseline_nodes };
        for _ in 0..baseline {
            cluster.launch_baseline(policy);
        }
        cluster.keep_static_nodes(policy);
        for (index, workload) in policy.workloads.iter().enumerate() {
            if awake || workload.always_on {
                let first = workload.replicas_for(first_sessions_per_minute);
                let first = cluster.first_replicas(workload, index, first);
                cluster.set_desired(policy, index, first);
            }
        }
        cluster.settle_pending(policy);
        if cluster.batch.is_open() {
            // A running company waits for no others.
            cluster.batch = Batch::NONE;
            cluster.provision(policy);
        }
        cluster.make_ready(policy);
        cluster
    }

    fn empty(policy: &Policy, awake: bool, mut luck: Draws) -> Self {
        let supply_key = luck.key();
        let mut cluster = Self {
            now: policy.first_second,
            ticks: 0,
            nodes: Vec::new(),
            free: Vec::new(),
            counts: NodeCounts::default(),
            workloads: vec![
                Replicas {
                    counted_to: policy.first_second,
                    active_at: policy.first_second,
                    per_capacity: f64::INFINITY,
                    ..Replicas::default()
                };
                policy.workloads.len()
            ],
            starting: Vec::new(),
            next_timer: NEVER,
            settle_at: NEVER,
            pending: 0,
            ready_pods: 0,
            divided: false,
            standing_cpu: 0.0,
            vcpu_milli: 0,
            awake,
            launched: 0,
            counted_to: policy.first_second,
            next_hour: 0,
            command: None,
            unavailable: Vec::new(),
            stuck: vec![0; policy.workloads.len()],
            batch: Batch::NONE,
            refill_at: NEVER,
            luck,
            supply_key,
            tally: Tally::default(),
            log: None,
            costs_only: false,
        };
        cluster.turn_triggers(policy);
        for &index in &policy.jobs {
            let job = policy.workloads[index].job.as_ref();
            let runs = job.map(|job| Box::new(job::Runs::new(job, cluster.now)));
            cluster.workloads[index].runs = runs;
        }
        cluster.reset_tally(policy);
        cluster
    }

    /// The plan starts with a running company: what exists at the start is ready.
    fn make_ready(&mut self, policy: &Policy) {
        for node in self.nodes.iter_mut().flatten() {
            node.start(self.now);
            node.nominated_until = self.now;
        }
        for pod in std::mem::take(&mut self.starting) {
            self.workloads[pod.workload].starting -= 1;
            self.change_ready(policy, pod.workload, 1);
        }
        self.reset_tally(policy);
        // The first tick reports and counts pods that have no place yet.
        self.stuck.fill(0);
        self.find_next_timer(policy);
        self.settle_at = self.now;
    }

    /// Advances one tick under `sessions_per_minute` of load.
    pub fn step(&mut self, policy: &Policy, sessions_per_minute: f64, awake: bool) {
        debug_assert!(sessions_per_minute.is_finite() && sessions_per_minute >= 0.0);
        if awake != self.awake {
            self.wake(policy, awake);
        }
        if self.now >= self.next_timer {
            self.arrive(policy);
        }
        if policy.has_static_pools && self.lacks_static_nodes(policy) {
            self.keep_static_nodes(policy);
        }
        self.scale(policy);
        if self.pending > 0 || self.lacks_buffers(policy) {
            self.settle_pending(policy);
        }
        // A command that waits for its validation keeps the time to settle in the past.
        if self.now >= self.settle_at {
            self.disrupt(policy);
        }
        self.serve(policy, sessions_per_minute);
        self.now += policy.tick_seconds;
        self.ticks += 1;
    }

    /// Replicas of each workload.
    pub fn workloads(&self) -> &[Replicas] {
        &self.workloads
    }

    /// Nodes that exist, launching and leaving ones included.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// Returns how many nodes there are of each purchase option, launching ones included.
    pub fn node_counts(&self) -> NodeCounts {
        self.counts
    }

    /// Pods without a node.
    pub fn pending(&self) -> u32 {
        self.pending
    }

    /// CPU used by all pods, daemons included, over the vCPUs of all nodes.
    pub fn utilization(&self, policy: &Policy) -> f64 {
        let serving: f64 = policy.serving.iter().map(|index| self.workloads[*index].usage).sum();
        if self.vcpu_milli > 0 {
            (self.standing_cpu + serving) / self.vcpu_milli as f64
        } else {
            0.0
        }
    }

    /// Skips response times where nothing depends on them: a trial needs only costs.
    pub fn count_costs_only(&mut self) {
        self.costs_only = true;
    }

    /// Keeps what happens from now on, to be taken with [`Self::take_events`].
    pub fn keep_events(&mut self) {
        self.log = Some(Vec::new());
    }

    /// What happened since the last call, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.log.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, subject: Subject, reason: Reason) {
        if let Some(log) = &mut self.log {
            log.push(Event { at: self.now, subject, reason });
        }
    }

    /// What happened since the last call; hours begin anew.
    pub fn take_tally(&mut self, policy: &Policy) -> Tally {
        self.count_nodes();
        for node in self.nodes.iter_mut().flatten() {
            let seconds = self.now - node.billed_from;
            self.tally.node_hours[node.offer] += f64::from(seconds) / 3600.0;
            if policy.offers[node.offer].purchase != policy::Purchase::Spot {
                let span = BilledSpan { offer: node.offer, from: node.billed_from, to: self.now };
                self.tally.spans.push(span);
            }
            node.billed_from = self.now;
        }
        for workload in 0..self.workloads.len() {
            self.count_ready(workload);
            self.workloads[workload].unserved_before = 0.0;
        }
        let tally = std::mem::take(&mut self.tally);
        self.reset_tally(policy);
        tally
    }

    fn reset_tally(&mut self, policy: &Policy) {
        self.next_hour = self.now;
        self.tally = Tally {
            started: self.now,
            node_hours: vec![0.0; policy.offers.len()],
            launches: vec![0; policy.offers.len()],
            workloads: vec![WorkloadTally::default(); policy.workloads.len()],
            ..Tally::default()
        };
    }

    /// The place of the sample `age` ticks ago.
    fn sample_slot(&self, age: usize) -> usize {
        self.ticks.wrapping_sub(age) & (SAMPLES - 1)
    }

    /// Pods of a workload begin or cease to serve: what they served so far is counted.
    fn change_ready(&mut self, policy: &Policy, workload: usize, by: i32) {
        self.count_nodes();
        self.count_ready(workload);
        self.divided = false;
        let asks = &policy.workloads[workload];
        if asks.serving.is_none() {
            self.standing_cpu += f64::from(by) * asks.idle_cpu;
        }
        let replicas = &mut self.workloads[workload];
        replicas.ready = replicas.ready.saturating_add_signed(by);
        if let Some(serving) = &asks.serving {
            replicas.capacity = f64::from(replicas.ready) * serving.pod_rps;
            replicas.per_capacity =
                if replicas.ready > 0 { replicas.capacity.recip() } else { f64::INFINITY };
            replicas.idle_usage = f64::from(replicas.ready) * asks.idle_cpu;
            replicas.requested = f64::from(replicas.ready) * asks.request_cpu as f64;
        }
        self.ready_pods = self.ready_pods.saturating_add_signed(by);
    }

    fn count_ready(&mut self, workload: usize) {
        let replicas = &mut self.workloads[workload];
        let tally = &mut self.tally.workloads[workload];
        let seconds = f64::from(self.now - replicas.counted_to);
        tally.ready_pod_minutes += f64::from(replicas.ready) * seconds / 60.0;
        if seconds > 0.0 {
            tally.peak_ready = tally.peak_ready.max(replicas.ready);
        }
        replicas.counted_to = self.now;
    }

    /// Opens the hour's tally when a new hour, or a new month, has begun.
    fn begin_hour(&mut self) {
        if self.now >= self.next_hour {
            self.next_hour = (self.now / 3600 + 1) * 3600;
            self.count_nodes();
            let peak_nodes = self.counts.total();
            self.tally.hours.push(HourTally { peak_nodes, ..HourTally::default() });
        }
    }

    /// Counts nodes and pods up to now, before either changes; a span of several hours is shared out.
    fn count_nodes(&mut self) {
        let seconds = f64::from(self.now - self.counted_to);
        self.counted_to = self.now;
        let Some(hour) = self.tally.hours.last_mut() else { return };
        let minutes = seconds / 60.0;
        hour.node_minutes.add(self.counts, minutes);
        hour.pod_minutes += f64::from(self.ready_pods) * minutes;
        hour.vcpu_minutes += self.vcpu_milli as f64 / 1000.0 * minutes;
    }

    /// The account's schedule starts or ends: deployments that follow it go to their least, or to
    /// nothing.
    fn wake(&mut self, policy: &Policy, awake: bool) {
        self.awake = awake;
        for (index, workload) in policy.workloads.iter().enumerate() {
            // A run that has begun continues.
            if !workload.always_on && workload.job.is_none() {
                let replicas = &mut self.workloads[index];
                replicas.hpa = Hpa::default();
                replicas.samples = [Sample::default(); SAMPLES];
                let from = replicas.desired;
                let to = if awake { workload.min_replicas } else { 0 };
                self.note(Subject::Workload(index), Reason::Schedule { from, to });
                self.set_desired(policy, index, to);
            }
        }
        let wanted = if awake { policy.baseline_nodes } else { policy.asleep_baseline_nodes };
        while self.counts.baseline < wanted {
            self.launch_baseline(policy);
        }
        while self.counts.baseline > wanted {
            let baseline = |node: &Option<Node>| {
                node.as_ref().is_some_and(|node| node.offer == policy.baseline_offer)
            };
            let Some(last) = self.nodes.iter().rposition(baseline) else { break };
            self.evict_all(policy, last);
            self.terminate(policy, last);
        }
        self.settle_at = self.now;
        if !(policy.jobs.is_empty() && policy.triggered.is_empty()) {
            self.find_next_timer(policy);
        }
    }
}

/// A state to start a cluster from, as a test or a what-if gives it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeState {
    /// Offer.
    pub offer: usize,
    /// Zone, from 0.
    pub zone: u8,
    /// Seconds since the last pod event.
    pub quiet_seconds: Second,
    /// Ready pods of each workload.
    pub pods: Vec<u32>,
}

impl Cluster {
    /// A cluster of ready nodes with their pods, and `pending` pods of each workload.
    pub fn from_state(policy: &Policy, nodes: &[NodeState], pending: &[u32], luck: Draws) -> Self {
        let mut cluster = Self::empty(policy, true, luck);
        cluster.now = nodes.iter().map(|node| node.quiet_seconds).max().unwrap_or(0);
        for state in nodes {
            let index = cluster.launch(policy, state.offer, state.zone, cluster.now);
            for (workload, count) in state.pods.iter().enumerate() {
                for _ in 0..*count {
                    cluster.workloads[workload].desired += 1;
                    cluster.bind(policy, workload, index);
                }
            }
        }
        cluster.make_ready(policy);
        for (index, state) in nodes.iter().enumerate() {
            if let Some(node) = cluster.nodes[index].as_mut() {
                node.last_event = cluster.now - state.quiet_seconds;
                node.ready_at = node.last_event;
            }
        }
        for (workload, count) in pending.iter().enumerate() {
            let desired = cluster.workloads[workload].desired + count;
            cluster.set_desired(policy, workload, desired);
        }
        cluster
    }

    /// Finds places for pending pods and buys nodes for the rest, once.
    pub fn settle(&mut self, policy: &Policy) {
        self.settle_pending(policy);
    }

    /// One round of Karpenter's own scheduling for pending pods, without a scheduler before it.
    pub fn provision_pending(&mut self, policy: &Policy) {
        while self.provision_once(policy, true) {}
    }
}

#[cfg(test)]
mod tests;
