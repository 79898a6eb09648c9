//! Consolidation: whether the pods of nodes fit elsewhere, and what would take the nodes' place.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Candidate, Command, Pass, Replacement};
use crate::cluster::autoscale::{
    Cluster,
    karpenter::{
        Claim, keep_types,
        round::{Bounds, Room, Round},
        stock::{Rooms, Stock, View},
    },
    node::Node,
    policy::{Mix, Offer, Policy, Purchase},
    purchase::{ByPurchase, Market},
    resources::Resources,
    settings::DisruptionReason,
    tally::Refusal,
};

/// What the nodes that stay could take, looked at once a pass.
pub(super) struct Targets {
    stock: Rc<Stock>,
    /// What they have free in all.
    free: Resources,
}

/// The result of a removal.
enum Outcome {
    Delete,
    Replace(Replacement),
}

impl Cluster {
    /// Whether pods may be moved to a node: it is ready, and outside its own quiet time.
    fn is_target(&self, policy: &Policy, node: &Node) -> bool {
        let pool = policy.pool_of(policy.offers[node.offer].group);
        let quiet = pool.and_then(|pool| pool.consolidate_after_seconds).unwrap_or(0);
        let busy = quiet > 0 && node.quiet_since().saturating_add(quiet) > self.now;
        node.takes_pods(self.now) && !busy
    }

    /// What all targets have free.
    pub(super) fn free_room(&self, policy: &Policy) -> Resources {
        let targets = self.nodes.iter().flatten().filter(|node| self.is_target(policy, node));
        targets.fold(Resources::default(), |sum, node| sum + node.free)
    }

    pub(super) fn targets(&self, policy: &Policy) -> Targets {
        let mut free = Resources::default();
        let mut rooms = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            if self.is_target(policy, node) {
                free += node.free;
                rooms.push(Room::new(policy, index, node));
            }
        }
        Targets { stock: Rc::new(Stock::new(rooms)), free }
    }

    /// Finds other places for all pods of the nodes, as Karpenter simulates it; gives the round and whether
    /// each pod has one.
    pub(super) fn move_pods(
        &self,
        policy: &Policy,
        leaving: &[usize],
        targets: &Targets,
        bounds: Bounds,
    ) -> (Round, bool) {
        // Few rooms are copied faster than shared. Rooms for buffers come before all others, so the round then
        // needs rooms of its own.
        const FEW: usize = 64;
        let rooms = if targets.stock.rooms.len() > FEW && policy.buffers.is_empty() {
            Rooms::Shared(View::new(Rc::clone(&targets.stock), leaving))
        } else {
            let stays = |room: &&Room| !leaving.contains(&room.index);
            Rooms::Owned(targets.stock.rooms.iter().filter(stays).cloned().collect())
        };
        let mut round = self.round(policy, rooms, bounds);
        let mut wanted = vec![0; policy.workloads.len()];
        for node in leaving.iter().filter_map(|index| self.nodes[*index].as_ref()) {
            for (workload, count) in node.pods.iter().enumerate() {
                wanted[workload] += count;
                round.zones[workload][usize::from(node.zone)] -= count;
            }
        }
        self.add_buffers(policy, &mut round, &mut wanted, leaving);
        // The same pods in the same order each time, so that a command is found again when it is validated.
        let left = round.place_all(self, policy, wanted, 0);
        // Virtual pods of buffers may find no place, as before (`AllNonPendingPodsScheduled`).
        let left = &left[..policy.real_workloads()];
        let all = !round.given_up && left.iter().all(|count| *count == 0);
        (round, all)
    }

    /// The longest prefix of the candidates that goes at once.
    pub(super) fn several(
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
            let outcome =
                outcome.and_then(|outcome| self.not_the_same_type(policy, prefix, outcome));
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
            let price = removed.entry(policy.offers[node.offer].type_id).or_insert(f64::INFINITY);
            *price = price.min(candidate.price);
        }
        let same = replacement
            .offers
            .iter()
            .filter_map(|offer| removed.get(&policy.offers[*offer].type_id));
        let most = same.copied().fold(f64::INFINITY, f64::min);
        replacement.offers.retain(|offer| policy.offers[*offer].price < most);
        (!replacement.offers.is_empty()).then_some(Outcome::Replace(replacement))
    }

    /// The first candidate that can go alone.
    pub(super) fn single(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        targets: &Targets,
        pass: &mut Pass,
    ) -> Option<Command> {
        for candidate in candidates {
            let alone = std::slice::from_ref(candidate);
            if let Some(outcome) = self.remove(policy, alone, targets, pass) {
                let index = std::iter::once(candidate.index);
                let replacements = replacements(outcome);
                return Some(self.command(DisruptionReason::Underutilized, index, replacements));
            }
        }
        None
    }

    /// Returns the result of removing these nodes together; `None` when it is not possible or does not pay.
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
        let price: f64 = candidates.iter().map(|candidate| candidate.price).sum();
        // Several nodes are never replaced by more than one, nor by one that is not cheaper.
        let never = self.never_replaced(policy, candidates);
        let bounds = Bounds { claims: usize::from(!never), price };
        let (mut round, all) = self.move_pods(policy, &leaving, targets, bounds);
        if !all {
            if never && round.given_up {
                pass.refusals.push(Refusal::SpotToSpot);
            }
            return None;
        }
        let Some(claim) = round.claims.pop() else {
            return self.approved(policy, candidates, price, pass).then_some(Outcome::Delete);
        };
        let replacement = self.cheaper(policy, candidates, claim, price, pass)?;
        let cheapest = replacement.offers.iter().map(|offer| policy.offers[*offer].price);
        let saving = price - cheapest.fold(f64::INFINITY, f64::min);
        self.approved(policy, candidates, saving, pass).then_some(Outcome::Replace(replacement))
    }

    /// A bound that most passes end at: more is requested than all others have free, and what does
    /// not fit needs a node that is not cheaper, or may not be replaced.
    pub(super) fn may_pay(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        free: Resources,
    ) -> bool {
        let mut lacks = Resources::default() - free;
        let mut price = 0.0;
        for candidate in candidates {
            let Some(node) = &self.nodes[candidate.index] else { return false };
            // A candidate is out of its quiet time, so its own room was counted.
            lacks += candidate.used + node.free;
            price += candidate.price;
        }
        if lacks.cpu <= 0 && lacks.memory <= 0 {
            return true;
        }
        !self.never_replaced(policy, candidates)
            && self.cheaper_holds(policy, candidates, Resources { pods: 1, ..lacks }, price)
    }

    /// Whether any offer that may take the candidates' place costs less than `price` and has room for
    /// this much: a bound, and far cheaper than to plan the node.
    fn cheaper_holds(
        &self,
        policy: &Policy,
        candidates: &[Candidate],
        asked: Resources,
        price: f64,
    ) -> bool {
        if self.seat_holds(policy, asked, price) {
            return true;
        }
        let spot = candidates.iter().filter(|candidate| self.is_spot(policy, candidate)).count();
        let same_kind = ByPurchase { on_demand: spot == 0, spot: spot == candidates.len() };
        policy.pools.iter().any(|pool| {
            let shares = matches!(pool.mix, Mix::Share(_));
            let allowed = if shares { same_kind } else { ByPurchase::BOTH };
            Market::ALL.into_iter().filter(|market| allowed.get(*market)).any(|market| {
                let offers = pool.offers(market.into()).iter().map(|offer| &policy.offers[*offer]);
                let mut cheaper = offers.take_while(|offer| offer.price < price);
                cheaper.any(|offer| offer.room().holds(asked))
            })
        })
    }

    fn is_spot(&self, policy: &Policy, candidate: &Candidate) -> bool {
        let node = self.nodes[candidate.index].as_ref();
        node.is_some_and(|node| policy.offers[node.offer].purchase == Purchase::Spot)
    }

    /// Spot nodes of pools with a share are only replaced by spot nodes, which needs the gate.
    fn never_replaced(&self, policy: &Policy, candidates: &[Candidate]) -> bool {
        !policy.spot.spot_to_spot
            && policy.supply.seats.is_empty()
            && policy.pools.iter().all(|pool| matches!(pool.mix, Mix::Share(_)))
            && candidates.iter().all(|candidate| self.is_spot(policy, candidate))
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
        // A reservation is bought instead of spot and on demand, so it alone is compared.
        if claim.reserved != 0 {
            let cheaper = |offer: &usize| policy.offers[*offer].price < price;
            let offers: Vec<usize> = claim.reserved_offers(policy).filter(cheaper).collect();
            return (!offers.is_empty()).then_some(Replacement { claim, offers });
        }
        let all_spot = candidates.iter().all(|candidate| self.is_spot(policy, candidate));
        let none_spot = !candidates.iter().any(|candidate| self.is_spot(policy, candidate));
        if let Mix::Share(_) = policy.pools[claim.pool].mix {
            if !all_spot && !none_spot {
                return None;
            }
            claim.buys = ByPurchase { on_demand: none_spot, spot: all_spot };
        }
        let spot: Vec<usize> = claim.offers_of(policy, Market::Spot).collect();
        if spot.is_empty() || !claim.buys.spot {
            // A type that could be bought as spot is judged by its spot price alone.
            let offers: Vec<usize> = claim
                .offers_of(policy, Market::OnDemand)
                .filter(|offer| policy.offers[*offer].price < price)
                .collect();
            return (!offers.is_empty()).then_some(Replacement { claim, offers });
        }
        claim.buys = ByPurchase::SPOT;
        let dear = dear_types(policy, &spot, price);
        let is_cheaper = |offer: &Offer| offer.price < price && !dear.contains(&offer.type_id);
        let cheaper: Vec<usize> =
            spot.into_iter().filter(|offer| is_cheaper(&policy.offers[*offer])).collect();
        if cheaper.is_empty() {
            return None;
        }
        if !all_spot {
            return Some(Replacement { claim, offers: cheaper });
        }
        spot_to_spot(policy, candidates.len() == 1, claim, cheaper, pass)
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
                if offer.group.pool() == Some(pool) {
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
}

/// Types of which a zone is not cheaper than `price`: Karpenter compares the most expensive (`types.go#WorstLaunchPrice`).
/// None where a type has one price in all zones.
fn dear_types(policy: &Policy, spot: &[usize], price: f64) -> BTreeSet<u32> {
    if policy.supply.zone_rates.is_empty() {
        return BTreeSet::new();
    }
    let offers = spot.iter().map(|offer| &policy.offers[*offer]);
    offers.filter(|offer| offer.price >= price).map(|offer| offer.type_id).collect()
}

/// A spot node is replaced by a spot node only with the gate on, and alone only where enough cheaper
/// types keep the choice wide.
fn spot_to_spot(
    policy: &Policy,
    alone: bool,
    claim: Claim,
    mut cheaper: Vec<usize>,
    pass: &mut Pass,
) -> Option<Replacement> {
    let least = policy.spot.spot_to_spot_types;
    let count = if policy.supply.zone_rates.is_empty() {
        cheaper.len()
    } else {
        let types = cheaper.iter().map(|offer| policy.offers[*offer].type_id);
        types.collect::<BTreeSet<u32>>().len()
    };
    if !policy.spot.spot_to_spot || (alone && count < least) {
        pass.refusals.push(Refusal::SpotToSpot);
        return None;
    }
    if alone {
        let values = policy.pools[claim.pool].min_values.types as usize;
        keep_types(policy, &mut cheaper, least.max(values));
    }
    Some(Replacement { claim, offers: cheaper })
}

fn replacements(outcome: Outcome) -> Vec<Replacement> {
    match outcome {
        Outcome::Delete => Vec::new(),
        Outcome::Replace(replacement) => vec![replacement],
    }
}
