//! Removing nodes that are not needed: emptiness, deletion, replacement by a cheaper one.
//!
//! # Formula
//! ```text
//! candidates in order of  price / (1 + pods), greatest first
//! delete   when all its pods fit on other ready nodes
//! replace  when one cheaper on-demand node holds what does not fit; the old node drains once it is ready
//! at most  ceil(budget × nodes of the pool) at once, one command per 15 seconds
//! ```
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/disruption/consolidation.go#computeConsolidation`,
//! `#commandValidationDelay` (15 s), `helpers.go#BuildDisruptionBudgetMapping`, commit 2266468.
//! # Limits
//! One node at a time, no search over several. A spot node is never replaced (the gate
//! `SpotToSpotConsolidation` is off by default), only deleted.

use super::{Cluster, Node, Second, policy::Policy, policy::Purchase};

/// Room left on a node while a removal is tried out.
#[derive(Clone, Copy)]
struct Room {
    cpu: i64,
    memory: i64,
    pods: i64,
}

impl Cluster {
    /// One tick of disruption.
    pub(super) fn consolidate(&mut self, policy: &Policy) {
        let mut commands = (policy.tick_seconds / policy.validation_seconds).max(1);
        let mut waiting = false;
        while commands > 0 {
            let mut candidates = self.candidates(policy, &mut waiting);
            candidates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let acted = candidates.iter().any(|(_, index)| self.try_remove(policy, *index));
            if !acted {
                // Nothing more until the state changes, or a node's quiet time is over.
                self.unsettled = waiting;
                return;
            }
            commands -= 1;
        }
    }

    fn candidates(&self, policy: &Policy, waiting: &mut bool) -> Vec<(f64, usize)> {
        let mut found = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let offer = &policy.offers[node.offer];
            let Some(pool) = policy.pool_of(offer.group) else { continue };
            let Some(quiet) = pool.consolidate_after_seconds else { continue };
            if node.drain_at.is_some() {
                continue;
            }
            let settled = node.ready_at.max(node.last_event) + quiet;
            if node.ready_at > self.now || settled > self.now {
                *waiting = true;
                continue;
            }
            if pool.only_empty && node.pod_count > 0 {
                continue;
            }
            // Empty nodes first: their cost of disruption is nothing.
            let empty = if node.pod_count == 0 { 1e9 } else { 0.0 };
            found.push((empty + offer.price / f64::from(1 + node.pod_count), index));
        }
        found
    }

    fn try_remove(&mut self, policy: &Policy, index: usize) -> bool {
        let Some(node) = &self.nodes[index] else { return false };
        let group = policy.offers[node.offer].group;
        if !self.within_budget(policy, group) {
            return false;
        }
        if node.pod_count == 0 {
            self.tally.consolidated += 1;
            self.drain(policy, index);
            return true;
        }
        let Some(rest) = self.homeless(policy, index) else { return false };
        if rest.iter().all(|count| *count == 0) {
            self.tally.consolidated += 1;
            self.drain(policy, index);
            self.settle_pending(policy);
            return true;
        }
        self.replace(policy, index, &rest)
    }

    fn within_budget(&self, policy: &Policy, group: u8) -> bool {
        let of_group = |node: &&Node| policy.offers[node.offer].group == group;
        let nodes = self.nodes().filter(of_group).count() as u32;
        let leaving = self.nodes().filter(of_group).filter(|n| n.drain_at.is_some()).count() as u32;
        let percent = policy.disruption_budget_percent;
        leaving < (nodes * percent).div_ceil(100)
    }

    /// Pods of the node that fit on no other ready node; `None` when it is plain that none of it pays.
    fn homeless(&self, policy: &Policy, index: usize) -> Option<Vec<u32>> {
        let node = self.nodes[index].as_ref()?;
        let offer = &policy.offers[node.offer];
        let (mut cpu, mut memory) = (0, 0);
        let mut rooms: Vec<(usize, Room)> = Vec::new();
        for (other, target) in self.nodes.iter().enumerate() {
            let Some(target) = target else { continue };
            if other != index && target.ready_at <= self.now && target.drain_at.is_none() {
                cpu += target.free_cpu;
                memory += target.free_memory;
                let room = Room {
                    cpu: target.free_cpu,
                    memory: target.free_memory,
                    pods: target.free_pods,
                };
                rooms.push((target.offer, room));
            }
        }
        let fits = cpu >= offer.cpu - node.free_cpu && memory >= offer.memory - node.free_memory;
        if !fits && !may_replace(policy, node) {
            return None;
        }
        let mut rest = node.pods.to_vec();
        for &workload in &policy.scheduling_order {
            if rest[workload] == 0 {
                continue;
            }
            let asks = &policy.workloads[workload];
            for (target, room) in &mut rooms {
                if asks.groups & (1 << policy.offers[*target].group) == 0 {
                    continue;
                }
                while rest[workload] > 0
                    && room.cpu >= asks.request_cpu
                    && room.memory >= asks.request_memory
                    && room.pods > 0
                {
                    room.cpu -= asks.request_cpu;
                    room.memory -= asks.request_memory;
                    room.pods -= 1;
                    rest[workload] -= 1;
                }
            }
        }
        Some(rest)
    }

    fn replace(&mut self, policy: &Policy, index: usize, rest: &[u32]) -> bool {
        let Some(node) = &self.nodes[index] else { return false };
        if !may_replace(policy, node) {
            return false;
        }
        let old = &policy.offers[node.offer];
        let Some(pool) = policy.pool_of(old.group) else { return false };
        let mut need = Room { cpu: 0, memory: 0, pods: 0 };
        for (workload, count) in rest.iter().enumerate() {
            let asks = &policy.workloads[workload];
            need.cpu += asks.request_cpu * i64::from(*count);
            need.memory += asks.request_memory * i64::from(*count);
            need.pods += i64::from(*count);
        }
        let limit = self.pool_room(policy, usize::from(pool.group) - 1);
        let cheaper = pool.offers(Purchase::OnDemand).iter().copied().find(|offer| {
            let offer = &policy.offers[*offer];
            offer.cpu >= need.cpu
                && offer.memory >= need.memory
                && offer.pods >= need.pods
                && offer.vcpu_milli <= limit
        });
        let Some(offer) = cheaper.filter(|offer| policy.offers[*offer].price < old.price) else {
            return false;
        };
        let ready_at: Second = self.now + policy.node_startup_seconds;
        self.launch(policy, offer, ready_at);
        if let Some(node) = self.nodes[index].as_mut() {
            node.drain_at = Some(ready_at);
        }
        self.next_timer = self.next_timer.min(ready_at);
        self.tally.consolidated += 1;
        true
    }
}

fn may_replace(policy: &Policy, node: &Node) -> bool {
    policy.offers[node.offer].purchase == Purchase::OnDemand
}
