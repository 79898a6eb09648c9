//! Removing nodes by choice: emptiness, drift, consolidation of several nodes, of one node.
//!
//! # Formula
//! ```text
//! candidates in order of  price / (1 + pods), greatest first
//! delete   when all pods of the candidates fit on other ready nodes
//! replace  when exactly one new node holds what does not fit, at a worst price below the sum of theirs
//! several  the longest prefix of the candidates for which either works, by binary search
//! one      the first of each pool, then the second of each, and so on
//! Balanced (saving / pool's cost) ÷ (disruption / pool's disruption) ≥ 1/k
//! ```
//! Pods find their places as in provisioning, preferences first: where a preference needs a second new node,
//! nothing is removed. The methods are tried in the order Empty, Drifted, several nodes, one node; the first that finds
//! something issues one command, which is validated 15 s later and then carried out: nodes are
//! cordoned, replacements launched, and the pods leave once these are ready.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/disruption/` (`consolidation.go#computeConsolidation`,
//! `multinodeconsolidation.go#firstNConsolidationOption`, `#filterOutSameInstanceType`,
//! `singlenodeconsolidation.go#shuffleCandidates`,
//! `balanced.go#ScoreMove`, `helpers.go#BuildDisruptionBudgetMapping`), commit 2266468.
//! # Limits
//! Pods that are pending anyway are not part of the simulation. Karpenter takes pools in no particular order; here the one with the first candidate goes first. A
//! pool with a share of spot replaces on-demand by on-demand, so that the share stays as
//! set.

use self::consolidate::Targets;
use super::{
    Cluster, NEVER, Second,
    event::Reason,
    karpenter::{Claim, round::Bounds},
    node::Node,
    policy::{MOST_POOLS, Policy},
    resources::Resources,
    settings::DisruptionReason,
    tally::Refusal,
};

mod candidate;
mod consolidate;

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
    /// What its pods request.
    used: Resources,
}

/// Why nothing was found, and when to look again.
struct Pass {
    refusals: Vec<Refusal>,
    look_again: Second,
}

/// What keeps a node from being disrupted, and until when, where that is known.
#[derive(Clone, Copy)]
struct Block {
    refusal: Refusal,
    until: Second,
}

impl Pass {
    fn block(&mut self, block: Block) {
        self.refusals.push(block.refusal);
        self.look_again = self.look_again.min(block.until);
    }
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
        self.find(policy, &mut Pass { refusals: Vec::new(), look_again: NEVER }).is_some_and(
            |now| {
                now.reason == command.reason
                    && now.nodes == command.nodes
                    && now.replacements.len() == command.replacements.len()
            },
        )
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
        candidates.retain(|candidate| !policy.pools[candidate.pool].only_empty);
        let occupied = |candidate: &Candidate| candidate.cost > 1.0;
        let within: Vec<Candidate> = candidates.iter().copied().filter(occupied).collect();
        let hopeful = |one: &Candidate| self.may_pay(policy, std::slice::from_ref(one), free);
        let within = self.within_budgets(policy, &within, DisruptionReason::Underutilized, pass);
        let mut alone = candidates.iter().filter(|candidate| occupied(candidate));
        if drifted.is_empty() && within.len() < 2 && !alone.any(hopeful) {
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
        let mut candidates = interleaved(candidates);
        candidates.retain(|candidate| occupied(candidate) && allowed[candidate.pool] != Some(0));
        self.single(policy, &candidates, &targets, pass)
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
    fn empty_nodes(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        pass: &mut Pass,
    ) -> Option<Command> {
        // A node that holds room of a capacity buffer is not empty.
        let buffered = |index: usize| self.nodes[index].as_ref().is_some_and(|n| n.buffered > 0);
        let is_empty = |one: &&Candidate| one.cost <= 1.0 && !buffered(one.index);
        let empty: Vec<Candidate> = candidates.iter().filter(is_empty).copied().collect();
        let within = self.within_budgets(policy, &empty, DisruptionReason::Empty, pass);
        let indexes = within.iter().map(|candidate| candidate.index);
        (!within.is_empty()).then(|| self.command(DisruptionReason::Empty, indexes, Vec::new()))
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
            let pool = policy.offers[node.offer].group.pool()?;
            if allowed[pool] == Some(0) {
                pass.refusals.push(Refusal::Budget);
                if policy.pools[pool].budgets.iter().any(super::budget::Budget::is_scheduled) {
                    let again = self.now + policy.latencies.consolidated;
                    pass.look_again = pass.look_again.min(again);
                }
                // Budgets of drift wait for nodes that leave, which are changes of their own.
                continue;
            }
            if policy.pools[pool].replicas.is_some() {
                let Some(claim) = self.static_replacement(policy, pool) else { continue };
                let replacement = Replacement { offers: claim.offers(policy).collect(), claim };
                let node = std::iter::once(*index);
                return Some(self.command(DisruptionReason::Drifted, node, vec![replacement]));
            }
            let (round, all) = self.move_pods(policy, &[*index], targets, Bounds::NONE);
            if all {
                let replacements = round
                    .claims
                    .into_iter()
                    .map(|claim| Replacement { offers: claim.offers(policy).collect(), claim });
                let node = std::iter::once(*index);
                return Some(self.command(DisruptionReason::Drifted, node, replacements.collect()));
            }
        }
        None
    }

    /// Cordons the nodes of a command, launches what takes their place, and lets the pods go.
    fn carry_out(&mut self, policy: &Policy, command: &Command) {
        let mut begins = self.now;
        for replacement in &command.replacements {
            let launched = self.launch_claim(policy, &replacement.claim, Some(&replacement.offers));
            // As in Karpenter, the nodes that were launched before stay; they are empty and go as such.
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
            let node = self.nodes[index].as_ref();
            let pool = node.and_then(|node| policy.pool_of(policy.offers[node.offer].group));
            let grace = pool.and_then(|pool| pool.termination_grace);
            let deadline = grace.map(|grace| begins.saturating_add(grace));
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

/// The first candidate of each pool, then the second of each, and so on: no pool waits for all of another.
fn interleaved(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut order: Vec<usize> = Vec::new();
    let mut rounds: Vec<(usize, usize, Candidate)> = Vec::with_capacity(candidates.len());
    let mut taken = [0; MOST_POOLS];
    for candidate in candidates {
        let round = &mut taken[candidate.pool];
        if *round == 0 {
            order.push(candidate.pool);
        }
        let place = order.iter().position(|pool| *pool == candidate.pool).unwrap_or(0);
        rounds.push((*round, place, candidate));
        *round += 1;
    }
    rounds.sort_by_key(|(round, place, _)| (*round, *place));
    rounds.into_iter().map(|(.., candidate)| candidate).collect()
}
