//! Removing nodes by choice: emptiness, drift, consolidation of several nodes, of one node.
//!
//! # Formula
//! ```text
//! candidates in order of  price / (1 + pods), greatest first
//! delete   when all pods of the candidates fit on other ready nodes
//! replace  when one new node holds what does not fit, at a worst price below the sum of theirs
//! several  the longest prefix of the candidates for which either works, by binary search
//! Balanced (saving / pool's cost) ÷ (disruption / pool's disruption) ≥ 1/k
//! ```
//! The methods are tried in the order Empty, Drifted, several nodes, one node; the first that finds
//! something issues one command, which is validated 15 s later and then carried out: nodes are
//! cordoned, replacements launched, and the pods leave once these are ready.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/disruption/` (`consolidation.go#computeConsolidation`,
//! `multinodeconsolidation.go#firstNConsolidationOption`, `#filterOutSameInstanceType`,
//! `balanced.go#ScoreMove`, `helpers.go#BuildDisruptionBudgetMapping`), commit 2266468.
//! # Limits
//! Pods that are pending anyway are not part of the simulation. Preferences of pods are not looked
//! at. A pool with a share of spot replaces on-demand by on-demand, so that the share stays what its
//! owner asked for.

use std::collections::BTreeMap;

use super::{
    Cluster, MOST_ZONES, NEVER, Second,
    budget::{self, PoolNodes},
    event::Reason,
    karpenter::Claim,
    node::Node,
    policy::{Deployment, MOST_POOLS, Mix, Policy, Pool, Purchase},
    schedule::open_zones,
    settings::DisruptionReason,
    tally::Refusal,
};

/// One command: which nodes leave, and what takes their place.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Why.
    pub reason: DisruptionReason,
    /// Places and numbers of the nodes that leave.
    pub nodes: Vec<(usize, u32)>,
    /// Nodes that take their place.
    pub replacements: Vec<Replacement>,
    decided_at: Second,
}

/// A node that takes the place of others.
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    claim: Claim,
    /// Offers it may be bought from.
    pub offers: Vec<usize>,
}

/// A node that may be disrupted.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    index: usize,
    pool: usize,
    price: f64,
    /// 1 + pods.
    cost: f64,
    /// CPU and memory that its pods request.
    used: [i64; 2],
}

/// Room left on a node while a removal is tried out.
#[derive(Debug, Clone, Copy)]
struct Room {
    index: usize,
    group: u8,
    zone: u8,
    cpu: i64,
    memory: i64,
    pods: i64,
}

/// What the nodes that stay could take, looked at once a pass.
struct Targets {
    rooms: Vec<Room>,
    /// CPU and memory free in all.
    free: [i64; 2],
}

/// What a removal comes to.
enum Outcome {
    Delete,
    Replace(Replacement),
}

/// Why nothing was found, and when to look again.
struct Pass {
    refusals: Vec<Refusal>,
    look_again: Second,
}

impl Cluster {
    /// One tick of disruption.
    pub(super) fn disrupt(&mut self, policy: &Policy) {
        let mut commands = (policy.tick_seconds / policy.latencies.validation).max(1);
        if let Some(command) = self.command.take() {
            commands -= 1;
            if self.still_holds(policy, &command) {
                self.carry_out(policy, &command);
            }
            self.settle_at = self.now;
        }
        while commands > 0 && self.now >= self.settle_at {
            let mut pass = Pass { refusals: Vec::new(), look_again: NEVER };
            let found = self.find(policy, &mut pass);
            for refusal in pass.refusals {
                self.tally.refuse(refusal);
            }
            match found {
                Some(command) if policy.tick_seconds > policy.latencies.validation => {
                    self.carry_out(policy, &command);
                }
                Some(command) => {
                    self.command = Some(command);
                    return;
                }
                None => self.settle_at = pass.look_again,
            }
            commands -= 1;
        }
    }

    /// The command that a pass of disruption would issue now, if any.
    pub fn decide(&self, policy: &Policy) -> Option<Command> {
        self.find(policy, &mut Pass { refusals: Vec::new(), look_again: NEVER })
    }

    /// The offer of the node at a place, and what it is bought as.
    pub fn node_at(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)?.as_ref()
    }

    /// Nothing came between decision and act.
    fn still_holds(&self, policy: &Policy, command: &Command) -> bool {
        self.find(policy, &mut Pass { refusals: Vec::new(), look_again: NEVER }).is_some_and(|now| {
            now.reason == command.reason && now.nodes == command.nodes
                && now.replacements.len() == command.replacements.len()
        })
    }

    fn find(&self, policy: &Policy, pass: &mut Pass) -> Option<Command> {
        let mut candidates = self.candidates(policy, pass);
        let drifted = self.drifted(policy, pass);
        if candidates.is_empty() && drifted.is_empty() {
            return None;
        }
        let ratio = |candidate: &Candidate| candidate.price / candidate.cost;
        candidates.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)).then(a.index.cmp(&b.index)));
        if let Some(command) = self.empty_nodes(policy, &candidates, pass) {
            return Some(command);
        }
        // Most passes end here: nothing could be removed, and no list need be made.
        let free = self.free_room(policy);
        candidates.retain(|candidate| {
            !policy.pools[candidate.pool].only_empty && candidate.cost > 1.0
        });
        let within = self.within_budgets(policy, &candidates, DisruptionReason::Underutilized, pass);
        let hopeful = |one: &Candidate| self.may_pay(policy, std::slice::from_ref(one), free);
        if drifted.is_empty() && within.len() < 2 && !candidates.iter().any(hopeful) {
            return None;
        }
        let targets = self.targets(policy);
        if let Some(command) = self.drift(policy, &drifted, &targets, pass) {
            return Some(command);
        }
        if let Some(command) = self.several(policy, &within, &targets, pass) {
            return Some(command);
        }
        // One at a time, each pool with an allowance may lose any of its nodes.
        let allowed = self.allowances(policy, DisruptionReason::Underutilized);
        candidates.retain(|candidate| allowed[candidate.pool] > 0);
        self.one(policy, &candidates, &targets, pass)
    }

    /// Nodes that consolidation may take.
    fn candidates(&self, policy: &Policy, pass: &mut Pass) -> Vec<Candidate> {
        let mut found = Vec::new();
        let mut mixes = None;
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let offer = &policy.offers[node.offer];
            let Some(pool) = usize::from(offer.group).checked_sub(1) else { continue };
            let rules = &policy.pools[pool];
            let Some(quiet) = rules.consolidate_after_seconds else { continue };
            if node.drain.is_some() {
                continue;
            }
            let settled = node.ready_at.max(node.last_event.saturating_add(quiet));
            let settled = settled.max(node.nominated_until);
            if settled > self.now {
                pass.look_again = pass.look_again.min(settled);
                continue;
            }
            if rules.budgets.iter().any(budget::Budget::is_scheduled) {
                pass.look_again = pass.look_again.min(self.now + policy.latencies.consolidated);
            }
            if let Some(refusal) = self.blocked(policy, node) {
                pass.refusals.push(refusal);
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
                used: [offer.cpu - node.free_cpu, offer.memory - node.free_memory],
            });
        }
        found
    }

    /// On-demand and spot nodes of each pool that asks for a share.
    fn mixes(&self, policy: &Policy) -> [[u32; 2]; MOST_POOLS] {
        let mut mixes = [[0, 0]; MOST_POOLS];
        for node in self.nodes.iter().flatten().filter(|node| node.drain.is_none()) {
            let offer = &policy.offers[node.offer];
            if let Some(pool) = usize::from(offer.group).checked_sub(1) {
                mixes[pool][usize::from(offer.purchase == Purchase::Spot)] += 1;
            }
        }
        mixes
    }

    /// A pod on the node that may not be evicted.
    fn blocked(&self, policy: &Policy, node: &Node) -> Option<Refusal> {
        if node.pod_count == 0 || !policy.guarded {
            return None;
        }
        for (workload, asks) in policy.workloads.iter().enumerate() {
            if node.pods[workload] == 0 {
                continue;
            }
            if asks.do_not_disrupt {
                return Some(Refusal::DoNotDisrupt);
            }
            let replicas = &self.workloads[workload];
            let held = |available: super::policy::Available| {
                replicas.ready <= available.of(replicas.desired)
            };
            if asks.available.is_some_and(held) {
                return Some(Refusal::PodDisruptionBudget);
            }
        }
        None
    }

    /// How many more nodes each pool may lose for a reason.
    fn allowances(&self, policy: &Policy, reason: DisruptionReason) -> [u32; MOST_POOLS] {
        let mut nodes = [PoolNodes::default(); MOST_POOLS];
        for node in self.nodes.iter().flatten().filter(|node| node.ready_at <= self.now) {
            let group = policy.offers[node.offer].group;
            let Some(pool) = usize::from(group).checked_sub(1) else { continue };
            nodes[pool].initialized += 1;
            nodes[pool].unavailable += u32::from(node.drain.is_some());
        }
        let mut allowed = [0; MOST_POOLS];
        for ((allowed, pool), nodes) in allowed.iter_mut().zip(&policy.pools).zip(nodes) {
            *allowed = budget::allowed(&pool.budgets, nodes, self.now, reason).unwrap_or(u32::MAX);
        }
        allowed
    }

    fn within_budgets(
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
            if allowed[candidate.pool] > 0 {
                allowed[candidate.pool] -= 1;
                within.push(*candidate);
            } else {
                pass.refusals.push(Refusal::Budget);
            }
        }
        within
    }

    fn command(
        &self,
        reason: DisruptionReason,
        indexes: impl Iterator<Item = usize>,
        replacements: Vec<Replacement>,
    ) -> Command {
        let id = |index: usize| self.nodes[index].as_ref().map_or(0, |node| node.id);
        let nodes = indexes.map(|index| (index, id(index))).collect();
        Command { reason, nodes, replacements, decided_at: self.now }
    }

    /// All empty nodes that the budgets allow.
    fn empty_nodes(&self, policy: &Policy, candidates: &[Candidate], pass: &mut Pass) -> Option<Command> {
        let empty: Vec<Candidate> =
            candidates.iter().filter(|candidate| candidate.cost <= 1.0).copied().collect();
        let within = self.within_budgets(policy, &empty, DisruptionReason::Empty, pass);
        let indexes = within.iter().map(|candidate| candidate.index);
        (!within.is_empty())
            .then(|| self.command(DisruptionReason::Empty, indexes, Vec::new()))
    }

    /// Nodes of an older machine image, oldest first.
    fn drifted(&self, policy: &Policy, pass: &mut Pass) -> Vec<usize> {
        if policy.pools.iter().all(|pool| pool.drift_every.is_none()) {
            return Vec::new();
        }
        let mut found: Vec<(u32, Second, usize)> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            let group = policy.offers[node.offer].group;
            let Some(every) = policy.pool_of(group).and_then(|pool| pool.drift_every) else {
                continue;
            };
            pass.look_again = pass.look_again.min((self.now / every + 1).saturating_mul(every));
            if node.created_at / every < self.now / every && node.takes_pods(self.now) {
                match self.blocked(policy, node) {
                    Some(refusal) => pass.refusals.push(refusal),
                    None => found.push((node.pod_count.min(1), node.created_at, index)),
                }
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, _, index)| index).collect()
    }

    /// One drifted node, with whatever its pods need elsewhere.
    fn drift(
        &self,
        policy: &Policy,
        drifted: &[usize],
        targets: &Targets,
        pass: &mut Pass,
    ) -> Option<Command> {
        if drifted.is_empty() {
            return None;
        }
        let allowed = self.allowances(policy, DisruptionReason::Drifted);
        for index in drifted {
            let node = self.nodes[*index].as_ref()?;
            let pool = usize::from(policy.offers[node.offer].group) - 1;
            if allowed[pool] == 0 {
                pass.refusals.push(Refusal::Budget);
                // Budgets of drift wait for nodes that leave, which are changes of their own.
                continue;
            }
            let (rest, _) = self.move_pods(policy, &[*index], targets);
            let mut round = self.round(policy, usize::MAX);
            let homeless = rest.iter().enumerate().filter(|(_, count)| **count > 0);
            let all = homeless
                .map(|(workload, count)| round.place(self, policy, workload, *count) == *count)
                .all(|placed| placed);
            if all {
                let replacements = round.claims.into_iter().map(|claim| Replacement {
                    offers: claim.offers(policy).collect(),
                    claim,
                });
                let one = std::iter::once(*index);
                return Some(self.command(DisruptionReason::Drifted, one, replacements.collect()));
            }
        }
        None
    }

    /// Whether pods may be moved to a node: it is ready, and outside its own quiet time.
    fn is_target(&self, policy: &Policy, node: &Node) -> bool {
        let pool = policy.pool_of(policy.offers[node.offer].group);
        let quiet = pool.and_then(|pool| pool.consolidate_after_seconds).unwrap_or(0);
        let busy = quiet > 0 && node.last_event.saturating_add(quiet) > self.now;
        node.takes_pods(self.now) && !busy
    }

    /// CPU and memory that all targets have free.
    fn free_room(&self, policy: &Policy) -> [i64; 2] {
        let targets = self.nodes.iter().flatten().filter(|node| self.is_target(policy, node));
        targets.fold([0, 0], |[cpu, memory], node| [cpu + node.free_cpu, memory + node.free_memory])
    }

    fn targets(&self, policy: &Policy) -> Targets {
        let mut targets = Targets { rooms: Vec::new(), free: [0, 0] };
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            if self.is_target(policy, node) {
                let free = &mut targets.free;
                *free = [free[0] + node.free_cpu, free[1] + node.free_memory];
                targets.rooms.push(Room {
                    index,
                    group: policy.offers[node.offer].group,
                    zone: node.zone,
                    cpu: node.free_cpu,
                    memory: node.free_memory,
                    pods: node.free_pods,
                });
            }
        }
        targets
    }

    /// Pods of the nodes that fit on no other, and the pods by zone that would result.
    fn move_pods(
        &self,
        policy: &Policy,
        leaving: &[usize],
        targets: &Targets,
    ) -> (Vec<u32>, Vec<[u32; MOST_ZONES]>) {
        let mut rest = vec![0; policy.workloads.len()];
        let mut zones: Vec<[u32; MOST_ZONES]> = Vec::new();
        if policy.zoned {
            zones.extend(self.workloads.iter().map(|replicas| replicas.zones));
        }
        for node in leaving.iter().filter_map(|index| self.nodes[*index].as_ref()) {
            for (workload, count) in node.pods.iter().enumerate() {
                rest[workload] += count;
                if let Some(zones) = zones.get_mut(workload) {
                    zones[usize::from(node.zone)] -= count;
                }
            }
        }
        let mut rooms: Vec<Room> =
            targets.rooms.iter().filter(|room| !leaving.contains(&room.index)).copied().collect();
        for &workload in &policy.scheduling_order {
            if rest[workload] > 0 {
                let asks = &policy.workloads[workload];
                let mut none = [0; MOST_ZONES];
                let zones = zones.get_mut(workload).unwrap_or(&mut none);
                rest[workload] = self.fill(asks, workload, rest[workload], &mut rooms, zones);
            }
        }
        (rest, zones)
    }

    /// Puts pods of one workload into rooms, the first that fits first; gives how many are left.
    fn fill(
        &self,
        asks: &Deployment,
        workload: usize,
        mut count: u32,
        rooms: &mut [Room],
        zones: &mut [u32; MOST_ZONES],
    ) -> u32 {
        let hard = |spread: Option<super::policy::Spread>| spread.filter(|spread| spread.hard);
        let there = rooms.iter().fold(0_u8, |bits, room| bits | 1 << room.zone);
        for room in rooms {
            if count == 0 {
                break;
            }
            if asks.groups & (1 << room.group) == 0 {
                continue;
            }
            let on_host = self.nodes[room.index].as_ref().map_or(0, |node| node.pods[workload]);
            let mut hosted = hard(asks.host_spread)
                .map_or(u32::MAX, |spread| spread.max_skew.saturating_sub(on_host));
            while count > 0
                && hosted > 0
                && room.cpu >= asks.request_cpu
                && room.memory >= asks.request_memory
                && room.pods > 0
            {
                if let Some(spread) = hard(asks.zone_spread)
                    && open_zones(there, zones, spread.max_skew) & (1 << room.zone) == 0
                {
                    break;
                }
                room.cpu -= asks.request_cpu;
                room.memory -= asks.request_memory;
                room.pods -= 1;
                zones[usize::from(room.zone)] += 1;
                hosted -= 1;
                count -= 1;
            }
        }
        count
    }

    /// The longest prefix of the candidates that goes at once.
    fn several(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        targets: &Targets,
        pass: &mut Pass,
    ) -> Option<Command> {
        if candidates.len() < 2 {
            return None;
        }
        let (mut low, mut high) = (1, policy.multi_node_candidates.min(candidates.len() - 1));
        let mut best = None;
        while low <= high {
            let middle = usize::midpoint(low, high);
            let prefix = &candidates[..=middle];
            let outcome = self.remove(policy, prefix, targets, pass);
            let outcome = outcome.and_then(|outcome| self.not_the_same_type(policy, prefix, outcome));
            if let Some(outcome) = outcome {
                best = Some((middle, outcome));
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        let (last, outcome) = best?;
        let indexes = candidates[..=last].iter().map(|candidate| candidate.index);
        Some(self.command(DisruptionReason::Underutilized, indexes, replacements(outcome)))
    }

    /// Where a replacement may be of a type that is removed, only types cheaper than the cheapest node
    /// of it stay: otherwise deleting the others would do the same.
    fn not_the_same_type(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        outcome: Outcome,
    ) -> Option<Outcome> {
        let Outcome::Replace(mut replacement) = outcome else { return Some(outcome) };
        let mut removed: BTreeMap<u32, f64> = BTreeMap::new();
        for candidate in candidates {
            let node = self.nodes[candidate.index].as_ref()?;
            let price = removed.entry(policy.offers[node.offer].type_id).or_insert(f64::MAX);
            *price = price.min(candidate.price);
        }
        let same = replacement.offers.iter().filter_map(|offer| {
            removed.get(&policy.offers[*offer].type_id)
        });
        let most = same.copied().fold(f64::INFINITY, f64::min);
        replacement.offers.retain(|offer| policy.offers[*offer].price < most);
        (!replacement.offers.is_empty()).then_some(Outcome::Replace(replacement))
    }

    /// The first candidate that can go alone.
    fn one(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        targets: &Targets,
        pass: &mut Pass,
    ) -> Option<Command> {
        for candidate in candidates {
            let alone = std::slice::from_ref(candidate);
            if let Some(outcome) = self.remove(policy, alone, targets, pass) {
                let one = std::iter::once(candidate.index);
                let replacements = replacements(outcome);
                return Some(self.command(DisruptionReason::Underutilized, one, replacements));
            }
        }
        None
    }

    /// What removing these nodes together comes to; `None` when it is not possible or does not pay.
    fn remove(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        targets: &Targets,
        pass: &mut Pass,
    ) -> Option<Outcome> {
        let leaving: Vec<usize> = candidates.iter().map(|candidate| candidate.index).collect();
        if !self.may_pay(policy, candidates, targets.free) {
            return None;
        }
        let (rest, zones) = self.move_pods(policy, &leaving, targets);
        let price: f64 = candidates.iter().map(|candidate| candidate.price).sum();
        if rest.iter().all(|count| *count == 0) {
            return self.approved(policy, candidates, price, pass).then_some(Outcome::Delete);
        }
        if self.never_replaced(policy, candidates) {
            pass.refusals.push(Refusal::SpotToSpot);
            return None;
        }
        let mut round = self.round(policy, 1);
        if policy.zoned {
            round.zones = zones;
        }
        for &workload in &policy.scheduling_order {
            let count = rest[workload];
            if count > 0 && round.place(self, policy, workload, count) < count {
                return None;
            }
        }
        let claim = round.claims.pop()?;
        let replacement = self.cheaper(policy, candidates, claim, price, pass)?;
        let cheapest = replacement.offers.iter().map(|offer| policy.offers[*offer].price);
        let saving = price - cheapest.fold(f64::INFINITY, f64::min);
        self.approved(policy, candidates, saving, pass).then_some(Outcome::Replace(replacement))
    }

    /// A bound that most passes end at: more is requested than all others have free, and what does
    /// not fit needs a node that is not cheaper, or may not be replaced.
    fn may_pay(&self, policy: &Policy, candidates: &[Candidate], free: [i64; 2]) -> bool {
        let mut lacks = [-free[0], -free[1]];
        let mut price = 0.0;
        for candidate in candidates {
            let Some(node) = &self.nodes[candidate.index] else { return false };
            // A candidate is out of its quiet time, so its own room was counted.
            lacks[0] += candidate.used[0] + node.free_cpu;
            lacks[1] += candidate.used[1] + node.free_memory;
            price += candidate.price;
        }
        if lacks[0] <= 0 && lacks[1] <= 0 {
            return true;
        }
        if self.never_replaced(policy, candidates) {
            return false;
        }
        policy.pools.iter().any(|pool| {
            [&pool.on_demand, &pool.spot].into_iter().any(|offers| {
                let offers = offers.iter().map(|offer| &policy.offers[*offer]);
                let mut cheaper = offers.take_while(|offer| offer.price < price);
                cheaper.any(|offer| offer.cpu >= lacks[0] && offer.memory >= lacks[1])
            })
        })
    }

    /// Spot nodes of pools with a share are only replaced by spot nodes, which needs the gate.
    fn never_replaced(&self, policy: &Policy, candidates: &[Candidate]) -> bool {
        let spot = |candidate: &Candidate| {
            let node = self.nodes[candidate.index].as_ref();
            node.is_some_and(|node| policy.offers[node.offer].purchase == Purchase::Spot)
        };
        !policy.spot.spot_to_spot
            && policy.pools.iter().all(|pool| matches!(pool.mix, Mix::Share(_)))
            && candidates.iter().all(spot)
    }

    /// The claim of a replacement with only the offers that save money.
    fn cheaper(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        mut claim: Claim,
        price: f64,
        pass: &mut Pass,
    ) -> Option<Replacement> {
        let purchase = |candidate: &Candidate| {
            let node = self.nodes[candidate.index].as_ref();
            node.map_or(Purchase::OnDemand, |node| policy.offers[node.offer].purchase)
        };
        let all_spot = candidates.iter().all(|candidate| purchase(candidate) == Purchase::Spot);
        let none_spot = candidates.iter().all(|candidate| purchase(candidate) != Purchase::Spot);
        if let Mix::Share(_) = policy.pools[claim.pool].mix {
            if !all_spot && !none_spot {
                return None;
            }
            claim.buys = [none_spot, all_spot];
        }
        let spot: Vec<usize> = claim.offers_of(policy, 1).collect();
        if spot.is_empty() || !claim.buys[1] {
            // A type that could be bought as spot is judged by its spot price alone.
            let offers: Vec<usize> = claim
                .offers_of(policy, 0)
                .filter(|offer| policy.offers[*offer].price < price)
                .collect();
            return (!offers.is_empty()).then_some(Replacement { claim, offers });
        }
        claim.buys = [false, true];
        let cheaper: Vec<usize> =
            spot.into_iter().filter(|offer| policy.offers[*offer].price < price).collect();
        if cheaper.is_empty() {
            return None;
        }
        if !all_spot {
            return Some(Replacement { claim, offers: cheaper });
        }
        self.spot_to_spot(policy, candidates, claim, cheaper, pass)
    }

    fn spot_to_spot(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        claim: Claim,
        mut cheaper: Vec<usize>,
        pass: &mut Pass,
    ) -> Option<Replacement> {
        let least = policy.spot.spot_to_spot_types;
        let alone = candidates.len() == 1;
        if !policy.spot.spot_to_spot || (alone && cheaper.len() < least) {
            pass.refusals.push(Refusal::SpotToSpot);
            return None;
        }
        if alone {
            let values = policy.pools[claim.pool].min_values.0 as usize;
            cheaper.truncate(least.max(values));
        }
        Some(Replacement { claim, offers: cheaper })
    }

    /// What the policy Balanced says of a saving; other policies take any.
    fn approved(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        saving: f64,
        pass: &mut Pass,
    ) -> bool {
        let total: f64 = candidates.iter().map(|candidate| candidate.price).sum();
        let mut pools: Vec<usize> = candidates.iter().map(|candidate| candidate.pool).collect();
        pools.sort_unstable();
        pools.dedup();
        for pool in pools {
            let Some(k) = policy.pools[pool].balanced else { continue };
            let own = candidates.iter().filter(|candidate| candidate.pool == pool);
            let (mut price, mut cost) = (0.0, 0.0);
            for candidate in own {
                price += candidate.price;
                cost += candidate.cost;
            }
            let (mut pool_price, mut pool_cost) = (0.0, 0.0);
            for node in self.nodes.iter().flatten() {
                let offer = &policy.offers[node.offer];
                if usize::from(offer.group) == pool + 1 {
                    pool_price += offer.price;
                    pool_cost += f64::from(1 + node.pod_count);
                }
            }
            let saved = saving * price / total;
            if saved / pool_price * pool_cost / cost < 1.0 / k {
                pass.refusals.push(Refusal::Score);
                return false;
            }
        }
        true
    }

    /// Cordons the nodes of a command, launches what takes their place, and lets the pods go.
    fn carry_out(&mut self, policy: &Policy, command: &Command) {
        let mut begins = self.now;
        for replacement in &command.replacements {
            let launched = self.launch_claim(policy, &replacement.claim, Some(&replacement.offers));
            let Some(index) = launched else { return };
            let replaces = command.nodes.len() as u32;
            let ready_in = self.ready_in(index);
            self.note_launch(index, Reason::LaunchedAsReplacement { replaces, ready_in });
            self.tally.disruptions.replacements += 1;
            begins = begins.max(self.nodes[index].as_ref().map_or(self.now, |node| node.ready_at));
        }
        for &(index, _) in &command.nodes {
            let counts = &mut self.tally.disruptions;
            let reason = match command.reason {
                DisruptionReason::Empty => {
                    counts.empty += 1;
                    Reason::Empty
                }
                DisruptionReason::Drifted => {
                    counts.drifted += 1;
                    Reason::Drifted
                }
                DisruptionReason::Underutilized => {
                    counts.underutilized += 1;
                    Reason::Underutilized { replaced: !command.replacements.is_empty() }
                }
            };
            let group = self.nodes[index].as_ref().map_or(0, |node| policy.offers[node.offer].group);
            let grace = policy.pool_of(group).and_then(|pool| pool.termination_grace);
            let deadline = grace.map_or(NEVER, |grace| begins.saturating_add(grace));
            self.cordon(index, begins, deadline, reason);
        }
        if begins <= self.now {
            self.arrive(policy);
            if self.pending > 0 {
                self.settle_pending(policy);
            }
        }
    }
}

/// Whether a pool that asks for a share of spot stays within one node of it without such a node: a
/// spread over capacity types would hold pods back likewise.
fn keeps_share(pool: &Pool, [on_demand, spot]: [u32; 2], leaving: Purchase) -> bool {
    let Mix::Share(share) = pool.mix else { return true };
    let left = f64::from((on_demand + spot).saturating_sub(1));
    if leaving == Purchase::Spot {
        f64::from(on_demand) <= (1.0 - share) * left + 1.0
    } else {
        f64::from(spot) <= share * left + 1.0
    }
}

fn replacements(outcome: Outcome) -> Vec<Replacement> {
    match outcome {
        Outcome::Delete => Vec::new(),
        Outcome::Replace(replacement) => vec![replacement],
    }
}
