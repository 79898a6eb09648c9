//! What a cluster did and why, recorded for a trace.

use super::{Second, hpa::Bound};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: Second,
    /// To whom.
    pub subject: Subject,
    /// What and why.
    pub reason: Reason,
}

/// To whom something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A deployment, by its place in the policy.
    Workload(usize),
    /// A node: its number, its offer and its zone.
    Node {
        /// Number of its launch.
        id: u32,
        /// Offer.
        offer: usize,
        /// Zone, from 0.
        zone: u8,
    },
}

/// What happened and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// An autoscaler changed the replicas.
    Rescaled {
        /// Replicas before.
        from: u32,
        /// Desired replicas.
        to: u32,
        /// The metric with the highest proposal.
        metric: &'static str,
        /// Its value as the controller saw it, in percent of the target.
        percent_of_target: f64,
        /// What bounded the change.
        bound: Bound,
    },
    /// The account woke or went to sleep.
    Schedule {
        /// Replicas before.
        from: u32,
        /// Desired replicas.
        to: u32,
    },
    /// A run of a cron-job or a job began.
    RunBegan {
        /// Its first pods.
        pods: u32,
        /// Seconds after it was due.
        late: Second,
    },
    /// A run was due and did not begin.
    RunSkipped {
        /// Why.
        why: &'static str,
    },
    /// Too many pods of a run were lost.
    RunFailed {
        /// How many.
        lost: u32,
    },
    /// KEDA started the first pod, or removed the last ones.
    Activated {
        /// Replicas before.
        from: u32,
        /// Desired replicas.
        to: u32,
    },
    /// Pods fit on no node (`FailedScheduling`).
    Unschedulable {
        /// How many.
        pods: u32,
    },
    /// Bought for pending pods.
    Launched {
        /// How many pods.
        pods: u32,
        /// Seconds until it is ready.
        ready_in: Second,
    },
    /// Bought for room that a capacity buffer lacks.
    LaunchedForBuffer {
        /// Seconds until it is ready.
        ready_in: Second,
    },
    /// Bought in place of nodes that leave.
    LaunchedAsReplacement {
        /// How many nodes it replaces.
        replaces: u32,
        /// Seconds until it is ready.
        ready_in: Second,
    },
    /// Cordoned, to leave: no pods.
    Empty,
    /// Cordoned, to leave: its pods fit elsewhere.
    Underutilized {
        /// A cheaper node takes its place.
        replaced: bool,
    },
    /// Cordoned, to leave: an older machine image.
    Drifted,
    /// Cordoned, to leave: of the greatest age.
    Expired,
    /// Cordoned, to leave within two minutes: AWS takes the capacity back.
    SpotInterrupted,
    /// It failed: its pods serve no more.
    Failed,
    /// Ended, as it had failed (gate `NodeRepair`).
    Repaired,
    /// Gone.
    Terminated {
        /// Pods evicted on the way.
        evicted: u32,
    },
    /// No spot capacity in any type that fits.
    InsufficientCapacity {
        /// How many pods wait for it.
        pods: u32,
    },
    /// More is asked than the ready pods can serve.
    Overloaded {
        /// Requests a second that arrive.
        rps: f64,
        /// Requests a second that the ready pods serve.
        capacity: f64,
    },
    /// What was asked is served again.
    Recovered {
        /// Requests given up meanwhile.
        unserved: f64,
    },
}

impl Reason {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rescaled { .. } => "SuccessfulRescale",
            Self::Schedule { .. } => "AccountSchedule",
            Self::RunBegan { .. } => "SuccessfulCreate",
            Self::RunSkipped { .. } => "RunSkipped",
            Self::RunFailed { .. } => "BackoffLimitExceeded",
            Self::Activated { to: 0, .. } => "KEDAScaleTargetDeactivated",
            Self::Activated { .. } => "KEDAScaleTargetActivated",
            Self::Unschedulable { .. } => "FailedScheduling",
            Self::Launched { .. } => "Launched",
            Self::LaunchedForBuffer { .. } => "LaunchedForBuffer",
            Self::LaunchedAsReplacement { .. } => "LaunchedAsReplacement",
            Self::Empty => "Empty",
            Self::Underutilized { .. } => "Underutilized",
            Self::Drifted => "Drifted",
            Self::Expired => "Expired",
            Self::SpotInterrupted => "SpotInterrupted",
            Self::Failed => "NodeNotReady",
            Self::Repaired => "Unhealthy",
            Self::Terminated { .. } => "Terminated",
            Self::InsufficientCapacity { .. } => "InsufficientCapacity",
            Self::Overloaded { .. } => "Overloaded",
            Self::Recovered { .. } => "Recovered",
        }
    }
}
