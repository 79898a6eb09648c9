//! Capacity buffers: virtual pods that Karpenter plans for, and that kube-scheduler does not see.
//!
//! They are part of each of Karpenter's rounds, in provisioning and in consolidation, and of nothing else: pods of
//! workloads take their room at once, and the next round finds other room for them, or buys it. A node where the
//! last round put some is not empty.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/buffers.go#bufferPodCountsFromResults`,
//! `pkg/controllers/disruption/emptiness.go#ShouldDisrupt` (`HasBufferPods`), karpenter.sh, "`CapacityBuffers`".
//! # Limits
//! Virtual pods have no labels and no constraints of spread. They look at ready nodes first in the order of their
//! places, where Karpenter goes by the nodes' names.

use super::{
    Cluster, NEVER, Second,
    karpenter::round::{Room, Round},
    policy::Policy,
};

impl Cluster {
    /// Whether room of buffers is to be looked for: something changed, or it was not to be had a while ago.
    pub(super) fn lacks_buffers(&self, policy: &Policy) -> bool {
        !policy.buffers.is_empty()
            && (self.now >= self.refill_at.min(self.settle_at) || self.batch.is_open())
    }

    /// Adds the virtual pods of all buffers to a round, with the nodes that they alone may use in it: all that
    /// stay and are not in it yet.
    pub(super) fn add_buffers(
        &self,
        policy: &Policy,
        round: &mut Round,
        wanted: &mut [u32],
        leaving: &[usize],
    ) {
        if policy.buffers.is_empty() {
            return;
        }
        for buffer in &policy.buffers {
            let awake = self.awake || buffer.always_on;
            let replicas = buffer.workload.map_or(0, |place| self.workloads[place].desired);
            wanted[buffer.pods] = if awake { buffer.size(replicas) } else { 0 };
        }
        let mut there = vec![false; self.nodes.len()];
        for index in round.rooms().iter().map(|room| room.index).chain(leaving.iter().copied()) {
            there[index] = true;
        }
        let others = self.nodes.iter().enumerate().filter_map(|(index, node)| {
            let node = node.as_ref().filter(|node| !there[index] && node.stays())?;
            Some(Room::new(policy, index, node))
        });
        round.add_rooms(others.collect(), policy.real_workloads());
    }

    /// Notes where a round put virtual pods, and looks again later for what found no place.
    pub(super) fn note_buffers(&mut self, policy: &Policy, round: &Round, left: &[u32]) {
        if policy.buffers.is_empty() {
            return;
        }
        let real = policy.real_workloads();
        for node in self.nodes.iter_mut().flatten() {
            node.buffered = 0;
        }
        for room in round.rooms() {
            let virtual_pods = room.taken.iter().filter(|(workload, _)| *workload >= real);
            let count = virtual_pods.map(|(_, count)| count).sum();
            if let Some(node) = self.nodes[room.index].as_mut() {
                node.buffered = count;
            }
        }
        let lacks = left[real..].iter().any(|count| *count > 0);
        self.refill_at = if lacks { self.refill_later(policy) } else { NEVER };
    }

    pub(super) fn refill_later(&self, policy: &Policy) -> Second {
        self.now.saturating_add(policy.latencies.unavailable)
    }
}
