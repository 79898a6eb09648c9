//! Batches: Karpenter waits for more pods before it plans nodes.
//!
//! # Formula
//! ```text
//! closes = min(last new pod + idle, first pod + longest)          planned for in the last tick before it
//! ```
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/batcher.go#Wait`, `#Trigger`: a pod that is in the
//! batch already does not lengthen it.
//! # Limits
//! Windows below a tick end within it and delay nothing. A pod that finds a place on a ready node in its first
//! tick is no part of a batch, and yet lengthens one that is open.

use super::{Cluster, Second, policy::Policy};

/// Pods that wait for others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Batch {
    /// When its first pod came, if it is open.
    opened: Option<Second>,
    /// When its last new pod came.
    last: Second,
    /// New pods came since it was looked at.
    came: bool,
}

impl Batch {
    pub(super) const NONE: Self = Self { opened: None, last: 0, came: false };

    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// New pods wait.
    pub(super) fn add(&mut self) {
        self.came = true;
    }
}

impl Cluster {
    /// Whether the batch of pending pods closes before the next tick, so that nodes are planned for it.
    pub(super) fn closes_batch(&mut self, policy: &Policy) -> bool {
        let (rules, batch) = (&policy.lifecycle, &mut self.batch);
        if batch.came || !batch.is_open() {
            batch.last = self.now;
        }
        let opened = *batch.opened.get_or_insert(self.now);
        batch.came = false;
        let idle = batch.last.saturating_add(rules.batch_idle);
        let closes = idle.min(opened.saturating_add(rules.batch_max));
        let due = closes < self.now + policy.tick_seconds;
        if due {
            batch.opened = None;
        }
        due
    }
}
