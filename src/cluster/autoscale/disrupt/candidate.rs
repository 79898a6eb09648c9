//! Which nodes may be disrupted now, and how many.

use super::{Block, Candidate, Pass};
use crate::cluster::autoscale::{
    Cluster, NEVER, Second,
    budget::{self, PoolNodes},
    node::Node,
    policy::{Available, MOST_POOLS, Mix, Policy, Pool, Purchase},
    purchase::ByPurchase,
    settings::DisruptionReason,
    tally::Refusal,
};

impl Cluster {
    /// Nodes that consolidation may take.
    pub(super) fn candidates(&self, policy: &Policy, pass: &mut Pass) -> Vec<Candidate> {
        let mut found = Vec::new();
        let mut mixes = None;
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let offer = &policy.offers[node.offer];
            let Some(pool) = offer.group.pool() else { continue };
            let rules = &policy.pools[pool];
            let Some(quiet) = rules.consolidate_after_seconds else { continue };
            if node.drain.is_some() {
                continue;
            }
            let settled = node.quiet_since().saturating_add(quiet).max(node.nominated_until);
            if settled > self.now {
                pass.look_again = pass.look_again.min(settled);
                continue;
            }
            if rules.budgets.iter().any(budget::Budget::is_scheduled) {
                pass.look_again = pass.look_again.min(self.now + policy.latencies.consolidated);
            }
            if let Some(block) = self.blocked(policy, node) {
                pass.block(block);
                continue;
            }
            if node.pod_count > 0 && matches!(rules.mix, Mix::Share(_)) {
                let mixes = mixes.get_or_insert_with(|| self.mixes(policy));
                if !keeps_share(rules, mixes[pool], offer.purchase) {
                    continue;
                }
            }
            found.push(Candidate {
                index,
                pool,
                price: offer.price,
                cost: f64::from(1 + node.pod_count),
                used: offer.room() - node.free,
            });
        }
        found
    }

    /// On-demand and spot nodes of each pool that asks for a share.
    pub(super) fn mixes(&self, policy: &Policy) -> [ByPurchase<u32>; MOST_POOLS] {
        let mut mixes = [ByPurchase::default(); MOST_POOLS];
        for node in self.nodes.iter().flatten().filter(|node| node.drain.is_none()) {
            let offer = &policy.offers[node.offer];
            if let Some(pool) = offer.group.pool() {
                match offer.purchase {
                    Purchase::Spot => mixes[pool].spot += 1,
                    _ => mixes[pool].on_demand += 1,
                }
            }
        }
        mixes
    }

    /// A pod on the node that may not be evicted.
    pub(super) fn blocked(&self, policy: &Policy, node: &Node) -> Option<Block> {
        if node.pod_count == 0 || !policy.guarded {
            return None;
        }
        for (workload, asks) in policy.workloads.iter().enumerate() {
            if node.pods[workload] == 0 {
                continue;
            }
            if asks.do_not_disrupt {
                return Some(Block { refusal: Refusal::DoNotDisrupt, until: NEVER });
            }
            if asks.do_not_disrupt_seconds.is_some()
                && let Some(until) = node.protected_until(workload, self.now)
            {
                return Some(Block { refusal: Refusal::DoNotDisrupt, until });
            }
            let replicas = &self.workloads[workload];
            let held =
                |available: Available| replicas.ready <= available.least_ready(replicas.desired);
            if asks.available.is_some_and(held) {
                return Some(Block { refusal: Refusal::PodDisruptionBudget, until: NEVER });
            }
        }
        None
    }

    /// How many more nodes each pool may lose for a reason.
    pub(super) fn allowances(
        &self,
        policy: &Policy,
        reason: DisruptionReason,
    ) -> [Option<u32>; MOST_POOLS] {
        let mut nodes = [PoolNodes::default(); MOST_POOLS];
        for node in self.nodes.iter().flatten().filter(|node| node.ready_at <= self.now) {
            let Some(pool) = policy.offers[node.offer].group.pool() else { continue };
            nodes[pool].initialized += 1;
            nodes[pool].unavailable += u32::from(!node.stays());
        }
        let mut allowed = [Some(0); MOST_POOLS];
        for ((allowed, pool), nodes) in allowed.iter_mut().zip(&policy.pools).zip(nodes) {
            *allowed = budget::allowed(&pool.budgets, nodes, self.now, reason);
        }
        allowed
    }

    pub(super) fn within_budgets(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        reason: DisruptionReason,
        pass: &mut Pass,
    ) -> Vec<Candidate> {
        if candidates.is_empty() {
            return Vec::new();
        }
        let mut allowed = self.allowances(policy, reason);
        let mut within = Vec::new();
        for candidate in candidates {
            match &mut allowed[candidate.pool] {
                Some(0) => pass.refusals.push(Refusal::Budget),
                left => {
                    *left = left.map(|left| left - 1);
                    within.push(*candidate);
                }
            }
        }
        within
    }

    /// Nodes of an older machine image, oldest first.
    pub(super) fn drifted(&self, policy: &Policy, pass: &mut Pass) -> Vec<usize> {
        if policy.pools.iter().all(|pool| pool.drift_every.is_none()) {
            return Vec::new();
        }
        let mut found: Vec<(u32, Second, usize)> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let group = policy.offers[node.offer].group;
            let Some(pool) = policy.pool_of(group) else { continue };
            let Some(every) = pool.drift_every else { continue };
            pass.look_again = pass.look_again.min((self.now / every + 1).saturating_mul(every));
            if node.created_at / every < self.now / every && node.takes_pods(self.now) {
                // With a longest drain, drift continues although pods block it (`EventualDisruptionClass`).
                let block = self.blocked(policy, node).filter(|_| pool.termination_grace.is_none());
                match block {
                    Some(block) => pass.block(block),
                    None => found.push((node.pod_count.min(1), node.created_at, index)),
                }
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, _, index)| index).collect()
    }
}

/// Whether a pool that asks for a share of spot stays within one node of it without such a node: a
/// spread over capacity types would hold pods back likewise.
fn keeps_share(pool: &Pool, nodes: ByPurchase<u32>, leaving: Purchase) -> bool {
    let ByPurchase { on_demand, spot } = nodes;
    let Mix::Share(share) = pool.mix else { return true };
    let left = f64::from((on_demand + spot).saturating_sub(1));
    if leaving == Purchase::Spot {
        f64::from(on_demand) <= (1.0 - share) * left + 1.0
    } else {
        f64::from(spot) <= share * left + 1.0
    }
}
