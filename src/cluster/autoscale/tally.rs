//! What is counted while a cluster runs.

use serde::{Deserialize, Serialize};

use super::purchase::NodeMinutes;

/// Counts of one hour.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HourTally {
    /// Sessions.
    pub sessions: f64,
    /// Most nodes at once.
    pub peak_nodes: u32,
    /// How long nodes were there, in minutes.
    pub node_minutes: NodeMinutes,
    /// Minutes of pods that serve.
    pub pod_minutes: f64,
    /// CPU used, in core-minutes.
    pub cpu_minutes: f64,
    /// CPU of all nodes, in vCPU-minutes.
    pub vcpu_minutes: f64,
    /// Minutes in which the account was awake.
    pub awake_minutes: f64,
}

/// Counts of one workload over a month.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadTally {
    /// Requests that arrived.
    pub requests: f64,
    /// Requests that nothing served: given up after their time-out, or without a ready pod.
    pub unserved: f64,
    /// Requests that waited for a later tick.
    pub queued: f64,
    /// Ticks in which more was asked than the ready pods can serve, in minutes.
    pub overloaded_minutes: f64,
    /// Of these, with every replica that the autoscaler may ask for.
    pub overloaded_at_most_minutes: f64,
    /// Of these, with pods that had no node.
    pub overloaded_pending_minutes: f64,
    /// Ticks in which more was asked than can be served, or p95 is above the deployment's bound, in minutes;
    /// none without a bound.
    pub late_minutes: f64,
    /// Most messages that waited in its queue.
    pub most_waiting: f64,
    /// Longest wait in its queue, in seconds.
    pub longest_wait: f64,
    /// Minutes that pods waited for a node.
    pub pending_pod_minutes: f64,
    /// Minutes of ready pods.
    pub ready_pod_minutes: f64,
    /// Most ready pods.
    pub peak_ready: u32,
    /// Most requests in a tick, per second.
    pub peak_rps: f64,
    /// Σ requests × p95 of their tick, in ms.
    pub p95_weighted: f64,
    /// Greatest p95 of a tick, in ms.
    pub p95_peak: f64,
    /// Runs, where its pods run to their end.
    pub job: JobUse,
}

/// Runs of a cron-job or a job over a month.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct JobUse {
    /// Runs that began.
    pub runs: u32,
    /// Runs that ended.
    pub completed: u32,
    /// Runs that failed, as more of their pods were evicted than `backoff_limit`.
    pub failed: u32,
    /// Runs that never began: an earlier one continued (Forbid) until a later one was due or the deadline passed.
    pub missed: u32,
    /// Runs that were due while the account slept.
    pub asleep: u32,
    /// Runs that never began, as too many pods of the workload ran.
    pub too_many: u32,
    /// Runs that ended early, as the next one took their place (Replace).
    pub replaced: u32,
    /// Runs that began while an earlier one continued (Allow).
    pub overlapping: u32,
    /// Pods that were evicted, and ran anew.
    pub lost_pods: u32,
    /// Hours of its pods, in whole ticks; 0 while the month runs.
    pub pod_hours: f64,
    /// From when a run is due to the start of its first pod, mean, in seconds; 0 while the month runs.
    pub mean_delay_seconds: f64,
    /// The longest of these times, in seconds.
    pub most_delay_seconds: u32,
    /// Runs whose first pod has started; 0 once the month is over.
    #[serde(skip)]
    pub started: u32,
    /// Σ over these runs of the time from when it is due to the start of its first pod, in seconds; 0 once the month
    /// is over.
    #[serde(skip)]
    pub delay_seconds: f64,
}

impl JobUse {
    /// Returns the figures of a month that is over.
    pub(in crate::cluster) fn of_month(&self, ready_pod_minutes: f64) -> Self {
        Self {
            pod_hours: ready_pod_minutes / 60.0,
            mean_delay_seconds: self.delay_seconds / f64::from(self.started.max(1)),
            started: 0,
            delay_seconds: 0.0,
            ..self.clone()
        }
    }

    /// Runs that were due and never began.
    pub fn not_begun(&self) -> u32 {
        self.asleep + self.missed + self.too_many
    }

    /// Adds another month's; the mean delay is weighted by runs.
    pub(crate) fn add(&mut self, other: &Self) {
        let runs = f64::from((self.runs + other.runs).max(1));
        self.mean_delay_seconds = (self.mean_delay_seconds * f64::from(self.runs)
            + other.mean_delay_seconds * f64::from(other.runs))
            / runs;
        self.runs += other.runs;
        self.completed += other.completed;
        self.failed += other.failed;
        self.missed += other.missed;
        self.asleep += other.asleep;
        self.too_many += other.too_many;
        self.replaced += other.replaced;
        self.overlapping += other.overlapping;
        self.lost_pods += other.lost_pods;
        self.pod_hours += other.pod_hours;
        self.most_delay_seconds = self.most_delay_seconds.max(other.most_delay_seconds);
    }
}

/// Billed time of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BilledSpan {
    /// Its offer.
    pub offer: usize,
    /// When it was launched, or the tally before ended, in seconds since the start of the plan.
    pub from: u32,
    /// When its bill ends, in seconds since the start of the plan.
    pub to: u32,
}

/// Why a node that might have gone stayed, or pods had to wait: counted once a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A disruption budget of the pool.
    Budget,
    /// A disruption budget of pods.
    PodDisruptionBudget,
    /// A pod that is not to be disrupted.
    DoNotDisrupt,
    /// A cheaper spot node, with the gate off or too few types.
    SpotToSpot,
    /// The saving is not worth the disruption (Balanced).
    Score,
    /// No spot capacity.
    SpotCapacity,
    /// A pool's limit.
    PoolLimit,
    /// A spread constraint.
    Spread,
    /// Affinity to pods, or anti-affinity.
    Affinity,
}

/// How many refusals there are.
pub const REFUSALS: usize = 9;

impl Refusal {
    /// All of them, in the order of [`Tally::refusals`].
    pub const ALL: [Self; REFUSALS] = [
        Self::Budget,
        Self::PodDisruptionBudget,
        Self::DoNotDisrupt,
        Self::SpotToSpot,
        Self::Score,
        Self::SpotCapacity,
        Self::PoolLimit,
        Self::Spread,
        Self::Affinity,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Budget => "disruption budget",
            Self::PodDisruptionBudget => "pod disruption budget",
            Self::DoNotDisrupt => "do-not-disrupt pod",
            Self::SpotToSpot => "spot-to-spot rule",
            Self::Score => "balanced score",
            Self::SpotCapacity => "no spot capacity",
            Self::PoolLimit => "node pool limit",
            Self::Spread => "topology spread",
            Self::Affinity => "pod affinity",
        }
    }
}

/// Nodes that left, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Disruptions {
    /// Empty.
    pub empty: u32,
    /// Underutilized: deleted or replaced by a cheaper one.
    pub underutilized: u32,
    /// Drifted.
    pub drifted: u32,
    /// Expired.
    pub expired: u32,
    /// Taken back by AWS.
    pub interrupted: u32,
    /// Failed and replaced (gate `NodeRepair`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repaired: u32,
    /// Replacements launched before the old node left.
    pub replacements: u32,
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Disruptions {
    /// Nodes that left in all.
    pub fn nodes(&self) -> u32 {
        self.empty
            + self.underutilized
            + self.drifted
            + self.expired
            + self.interrupted
            + self.repaired
    }
}

/// What happened since the last [`super::Cluster::take_tally`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// Hour by hour.
    pub hours: Vec<HourTally>,
    /// When it begins, in seconds since the start of the plan.
    pub started: u32,
    /// Billed time of nodes that are not spot.
    pub spans: Vec<BilledSpan>,
    /// Node-hours by offer.
    pub node_hours: Vec<f64>,
    /// Nodes launched by offer.
    pub launches: Vec<u32>,
    /// By workload.
    pub workloads: Vec<WorkloadTally>,
    /// Pods evicted from their nodes.
    pub evictions: u32,
    /// Nodes that left.
    pub disruptions: Disruptions,
    /// What kept nodes or pods back, in the order of [`Refusal::ALL`].
    pub refusals: [u32; REFUSALS],
    /// Images pulled, in MiB.
    pub image_mib: f64,
    /// Minutes in which the account was awake.
    pub awake_minutes: f64,
}

impl Tally {
    /// Returns whether every sum is a number: what a later stage divides and bills.
    pub fn is_finite(&self) -> bool {
        let of_hour = |hour: &HourTally| {
            let sums = [hour.sessions, hour.pod_minutes, hour.cpu_minutes, hour.vcpu_minutes];
            sums.iter().chain([&hour.node_minutes.total()]).all(|sum| sum.is_finite())
        };
        let of_workload = |own: &WorkloadTally| {
            let sums = [own.requests, own.unserved, own.queued, own.p95_weighted, own.p95_peak];
            let queue = [own.most_waiting, own.longest_wait];
            sums.iter().chain(&queue).all(|sum| sum.is_finite())
        };
        self.hours.iter().all(of_hour)
            && self.workloads.iter().all(of_workload)
            && self.node_hours.iter().all(|hours| hours.is_finite())
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusals[refusal as usize] += 1;
    }
}
