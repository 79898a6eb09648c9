//! The cluster as a state machine: one call of [`Cluster::step`] advances it by exactly one tick.
//!
//! A step has four phases: `arrive` (timers fire: replacements become ready, pods start), `observe`
//! (CPU of the last tick, as the metrics pipeline shows it), `decide` (HPA, scheduling, Karpenter)
//! and `apply`. Replicas of one deployment are interchangeable, so a node holds counts per workload
//! and a quiet tick costs a few additions; the packer runs only when something is pending and
//! consolidation only after something changed.
//!
//! # Limits
//! The sample that the HPA sees is one tick old. Requests above capacity are counted as unserved
//! and not queued. CPU above requests is shared over the whole cluster and not node by node. Spot
//! instances are not taken back. Zones are not placed.

use crate::autoscale::{
    hpa::{Hpa, Reading},
    policy::{Policy, Purchase},
};

pub mod consolidate;
pub mod hpa;
pub mod karpenter;
pub mod policy;
pub mod schedule;
pub mod settings;

/// Seconds since the start of the plan.
pub type Second = u32;

/// A running or launching node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Which offer it was bought from.
    pub offer: usize,
    /// When it is ready for pods.
    pub ready_at: Second,
    /// From when its hours are not yet counted.
    pub billed_from: Second,
    /// When its pods are to leave, for a node that is being replaced.
    pub drain_at: Option<Second>,
    /// Last time a pod came or went.
    pub last_event: Second,
    /// CPU not requested [millicores].
    pub free_cpu: i64,
    /// Memory not requested [MiB].
    pub free_memory: i64,
    /// Pods it still takes.
    pub free_pods: i64,
    /// Pods of each workload on it, starting or ready.
    pub pods: Box<[u32]>,
    /// Pods on it in all.
    pub pod_count: u32,
    /// Workloads whose image it has pulled, one bit each; those beyond 64 count as pulled each time.
    images: u64,
}

/// Pods bound to a node that do not serve yet.
#[derive(Debug, Clone, PartialEq)]
struct Starting {
    ready_at: Second,
    workload: usize,
    node: usize,
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
    hpa: Hpa,
    /// Up to when its ready pods are counted.
    counted_to: Second,
    /// CPU used over the pods that were ready in the last tick [millicores].
    usage: f64,
    /// How many these were: a pod that became ready since has no sample yet.
    sampled: u32,
}

/// Counts of one hour.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HourTally {
    /// Sessions.
    pub sessions: f64,
    /// Most nodes at once.
    pub peak_nodes: u32,
    /// Node-minutes of baseline, on-demand and spot nodes.
    pub node_minutes: [f64; 3],
    /// Minutes of pods that serve.
    pub pod_minutes: f64,
    /// CPU used [core-minutes].
    pub cpu_minutes: f64,
    /// CPU of all nodes [vCPU-minutes].
    pub vcpu_minutes: f64,
}

/// Counts of one workload over a month.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadTally {
    /// Requests that arrived.
    pub requests: f64,
    /// Requests above the capacity of the ready pods.
    pub unserved: f64,
    /// Ticks with unserved requests [minutes].
    pub saturated_minutes: f64,
    /// Of these, with every replica that the autoscaler may ask for.
    pub saturated_at_most_minutes: f64,
    /// Of these, with pods that had no node.
    pub saturated_pending_minutes: f64,
    /// Minutes that pods waited for a node.
    pub pending_pod_minutes: f64,
    /// Minutes of ready pods.
    pub ready_pod_minutes: f64,
    /// Most ready pods.
    pub peak_ready: u32,
    /// Most requests in a tick, per second.
    pub peak_rps: f64,
}

/// What happened since the last [`Cluster::take_tally`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Hour by hour.
    pub hours: Vec<HourTally>,
    /// Node-hours by offer.
    pub node_hours: Vec<f64>,
    /// Nodes launched by offer.
    pub launches: Vec<u32>,
    /// By workload.
    pub workloads: Vec<WorkloadTally>,
    /// Pods moved by consolidation.
    pub evictions: u32,
    /// Nodes removed by consolidation.
    pub consolidated: u32,
    /// Images pulled [MiB].
    pub image_mib: f64,
    /// Minutes in which the account was awake.
    pub awake_minutes: f64,
}

/// The whole state; plain data that can be compared and cloned.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Seconds since the start of the plan.
    pub now: Second,
    nodes: Vec<Option<Node>>,
    /// Places in `nodes` that are empty, the next to be used last.
    free: Vec<usize>,
    /// Baseline, on-demand and spot nodes, launching ones included.
    counts: [u32; 3],
    workloads: Vec<Replicas>,
    starting: Vec<Starting>,
    /// Earliest timer, so that a quiet tick looks at one number.
    next_timer: Second,
    /// Something changed that may allow consolidation.
    unsettled: bool,
    pending: u32,
    ready_pods: u32,
    /// CPU of idle pods that serve no requests, and of daemons on all nodes [millicores].
    standing_cpu: f64,
    /// vCPUs of all nodes [millicores].
    vcpu_milli: i64,
    awake: bool,
    tally: Tally,
}

impl Cluster {
    /// A cluster whose deployments stand at the size that the first minute's load asks for, or, when
    /// the account sleeps then, with nothing but what is always on.
    pub fn new(policy: &Policy, first_sessions_per_minute: f64, awake: bool) -> Self {
        let mut cluster = Self {
            now: 0,
            nodes: Vec::new(),
            free: Vec::new(),
            counts: [0; 3],
            workloads: vec![Replicas::default(); policy.workloads.len()],
            starting: Vec::new(),
            next_timer: Second::MAX,
            unsettled: false,
            pending: 0,
            ready_pods: 0,
            standing_cpu: 0.0,
            vcpu_milli: 0,
            awake,
            tally: Tally::default(),
        };
        cluster.reset_tally(policy);
        let baseline = if awake { policy.baseline_nodes } else { policy.asleep_baseline_nodes };
        for _ in 0..baseline {
            cluster.launch(policy, policy.baseline_offer, 0);
        }
        for (index, workload) in policy.workloads.iter().enumerate() {
            if !awake && !workload.always_on {
                continue;
            }
            let usage = workload.cpu_for(first_sessions_per_minute);
            let wish = (usage / workload.target_millicores()).ceil() as u32;
            let first = wish.clamp(workload.min_replicas, workload.max_replicas);
            cluster.set_desired(policy, index, first);
        }
        cluster.settle_pending(policy);
        // The plan starts with a running company: what stands at the start is ready.
        for node in cluster.nodes.iter_mut().flatten() {
            node.ready_at = 0;
        }
        for pod in std::mem::take(&mut cluster.starting) {
            cluster.workloads[pod.workload].starting -= 1;
            cluster.change_ready(policy, pod.workload, 1);
        }
        cluster.reset_tally(policy);
        cluster
    }

    /// Advances one tick under `sessions_per_minute` of load.
    pub fn step(&mut self, policy: &Policy, sessions_per_minute: f64, awake: bool) {
        if awake != self.awake {
            self.wake(policy, awake);
        }
        if self.now >= self.next_timer {
            self.arrive(policy);
        }
        if awake {
            self.scale(policy);
        }
        if self.pending > 0 {
            self.settle_pending(policy);
        }
        if self.unsettled {
            self.consolidate(policy);
        }
        self.serve(policy, sessions_per_minute);
        self.now += policy.tick_seconds;
    }

    /// Replicas of each workload.
    pub fn workloads(&self) -> &[Replicas] {
        &self.workloads
    }

    /// Nodes that exist, launching ones included.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    /// What happened since the last call; hours begin anew.
    pub fn take_tally(&mut self, policy: &Policy) -> Tally {
        for node in self.nodes.iter_mut().flatten() {
            let seconds = self.now - node.billed_from;
            self.tally.node_hours[node.offer] += f64::from(seconds) / 3600.0;
            node.billed_from = self.now;
        }
        for workload in 0..self.workloads.len() {
            self.count_ready(workload);
        }
        let tally = std::mem::take(&mut self.tally);
        self.reset_tally(policy);
        tally
    }

    fn reset_tally(&mut self, policy: &Policy) {
        self.tally.node_hours = vec![0.0; policy.offers.len()];
        self.tally.launches = vec![0; policy.offers.len()];
        self.tally.workloads = vec![WorkloadTally::default(); policy.workloads.len()];
    }

    /// Timers: replaced nodes drain, pods begin to serve.
    fn arrive(&mut self, policy: &Policy) {
        for index in 0..self.nodes.len() {
            let due = self.nodes[index].as_ref().and_then(|node| node.drain_at);
            if due.is_some_and(|at| at <= self.now) {
                self.drain(policy, index);
            }
        }
        let mut next = Second::MAX;
        let mut starting = std::mem::take(&mut self.starting);
        starting.retain(|pod| {
            let due = pod.ready_at <= self.now;
            if due {
                self.workloads[pod.workload].starting -= 1;
                self.change_ready(policy, pod.workload, 1);
            } else {
                next = next.min(pod.ready_at);
            }
            !due
        });
        self.starting = starting;
        let drains = self.nodes.iter().flatten().filter_map(|node| node.drain_at);
        self.next_timer = drains.fold(next, Second::min);
        self.unsettled = true;
    }

    /// Every deployment's autoscaler, on the sample of the last tick.
    fn scale(&mut self, policy: &Policy) {
        for (index, workload) in policy.workloads.iter().enumerate() {
            let Some(rules) = &workload.hpa else { continue };
            let replicas = &mut self.workloads[index];
            // Pods that went away since the sample took their usage with them.
            let sampled = replicas.sampled.min(replicas.ready);
            if sampled == 0 {
                continue;
            }
            let reading = Reading {
                usage: replicas.usage * f64::from(sampled) / f64::from(replicas.sampled),
                request: workload.request_cpu as f64,
                ready: sampled,
                unready: replicas.ready - sampled + replicas.starting + replicas.pending,
            };
            let now = self.now;
            let wish = replicas.hpa.reconcile(now, replicas.desired, &reading, rules);
            if wish != replicas.desired {
                self.set_desired(policy, index, wish);
            }
        }
    }

    /// Serves one tick of load and counts it.
    fn serve(&mut self, policy: &Policy, sessions_per_minute: f64) {
        let minutes = f64::from(policy.tick_seconds) / 60.0;
        // CPU above requests: pods always get what they requested, the rest is shared.
        let mut above = 0.0;
        for &index in &policy.serving {
            let (workload, replicas) = (&policy.workloads[index], &mut self.workloads[index]);
            let rps = sessions_per_minute * workload.requests_per_session / 60.0;
            let ready = f64::from(replicas.ready);
            let wanted = workload.idle_cpu * ready + rps * workload.cpu_ms_per_request;
            replicas.usage = wanted.min(ready * workload.limit_cpu);
            replicas.sampled = replicas.ready;
            above += (replicas.usage - ready * workload.request_cpu as f64).max(0.0);
        }
        let share = if above > 0.0 { self.burst_share(policy, above) } else { 1.0 };
        for &index in &policy.serving {
            let rps = sessions_per_minute * policy.workloads[index].requests_per_session / 60.0;
            count_requests(
                &policy.workloads[index],
                &mut self.workloads[index],
                &mut self.tally.workloads[index],
                (rps, share, minutes),
            );
        }
        if self.pending > 0 {
            for (replicas, tally) in self.workloads.iter().zip(&mut self.tally.workloads) {
                tally.pending_pod_minutes += f64::from(replicas.pending) * minutes;
            }
        }
        let serving = policy.serving.iter().map(|index| self.workloads[*index].usage).sum();
        self.count_hour(sessions_per_minute, serving, minutes);
    }

    /// The share of CPU above requests that the ready nodes can give.
    fn burst_share(&self, policy: &Policy, above: f64) -> f64 {
        let ready = self.nodes().filter(|node| node.ready_at <= self.now);
        let room: i64 = ready.map(|node| policy.offers[node.offer].cpu).sum();
        let used = |(workload, replicas): (&policy::Deployment, &Replicas)| {
            let requested = workload.request_cpu as f64;
            let ready = f64::from(replicas.ready);
            if workload.requests_per_session > 0.0 {
                replicas.usage.min(ready * requested)
            } else {
                ready * workload.idle_cpu.min(requested)
            }
        };
        let used: f64 = policy.workloads.iter().zip(&self.workloads).map(used).sum();
        ((room as f64 - used) / above).clamp(0.0, 1.0)
    }

    /// Pods of a workload begin or cease to serve: what they served so far is counted.
    fn change_ready(&mut self, policy: &Policy, workload: usize, by: i32) {
        self.count_ready(workload);
        let asks = &policy.workloads[workload];
        if asks.requests_per_session <= 0.0 {
            self.standing_cpu += f64::from(by) * asks.idle_cpu;
        }
        let replicas = &mut self.workloads[workload];
        replicas.ready = replicas.ready.saturating_add_signed(by);
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

    fn count_hour(&mut self, sessions_per_minute: f64, serving_cpu: f64, minutes: f64) {
        if self.now.is_multiple_of(3600) || self.tally.hours.is_empty() {
            self.tally.hours.push(HourTally::default());
        }
        let Some(hour) = self.tally.hours.last_mut() else { return };
        hour.sessions += sessions_per_minute * minutes;
        hour.peak_nodes = hour.peak_nodes.max(self.counts.iter().sum());
        for (sum, count) in hour.node_minutes.iter_mut().zip(self.counts) {
            *sum += f64::from(count) * minutes;
        }
        hour.pod_minutes += f64::from(self.ready_pods) * minutes;
        hour.cpu_minutes += (self.standing_cpu + serving_cpu) / 1000.0 * minutes;
        hour.vcpu_minutes += self.vcpu_milli as f64 / 1000.0 * minutes;
        if self.awake {
            self.tally.awake_minutes += minutes;
        }
    }

    /// The account's schedule starts or ends: deployments that follow it go to their least, or to
    /// nothing.
    fn wake(&mut self, policy: &Policy, awake: bool) {
        self.awake = awake;
        for (index, workload) in policy.workloads.iter().enumerate() {
            if !workload.always_on {
                self.workloads[index].hpa = Hpa::default();
                self.workloads[index].sampled = 0;
                self.set_desired(policy, index, if awake { workload.min_replicas } else { 0 });
            }
        }
        let wanted = if awake { policy.baseline_nodes } else { policy.asleep_baseline_nodes };
        while self.counts[Purchase::Baseline as usize] < wanted {
            let ready_at = self.now + policy.node_startup_seconds;
            self.launch(policy, policy.baseline_offer, ready_at);
        }
        while self.counts[Purchase::Baseline as usize] > wanted {
            let baseline = |node: &Option<Node>| {
                node.as_ref().is_some_and(|node| node.offer == policy.baseline_offer)
            };
            let Some(last) = self.nodes.iter().rposition(baseline) else { break };
            self.drain(policy, last);
        }
        self.unsettled = true;
    }
}

/// Counts the requests of one workload in a tick, given what it may use.
fn count_requests(
    workload: &policy::Deployment,
    replicas: &mut Replicas,
    tally: &mut WorkloadTally,
    (rps, share, minutes): (f64, f64, f64),
) {
    let ready = f64::from(replicas.ready);
    let requested = ready * workload.request_cpu as f64;
    if replicas.usage > requested {
        replicas.usage = requested + (replicas.usage - requested) * share;
    }
    let requests = rps * 60.0 * minutes;
    tally.requests += requests;
    tally.peak_rps = tally.peak_rps.max(rps);
    let asked = rps * workload.cpu_ms_per_request;
    let given = replicas.usage - workload.idle_cpu * ready;
    // Without a ready pod nothing is served, however cheap a request is.
    let served = if replicas.ready == 0 {
        0.0
    } else if asked > given {
        (given / asked).max(0.0)
    } else {
        1.0
    };
    // The tolerance keeps rounding of the sums above from counting as lost requests.
    if served < 1.0 - 1e-9 && requests > 0.0 {
        tally.unserved += requests * (1.0 - served);
        tally.saturated_minutes += minutes;
        if replicas.desired >= workload.max_replicas {
            tally.saturated_at_most_minutes += minutes;
        } else if replicas.pending > 0 {
            tally.saturated_pending_minutes += minutes;
        }
    }
}

#[cfg(test)]
mod tests;
