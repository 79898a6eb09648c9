//! New nodes for pods that fit nowhere.
//!
//! # Formula
//! ```text
//! pods in order of CPU, then memory, greatest first
//! each to a node on its way, else to the planned node with the fewest pods, else to a new one
//! a planned node keeps every type that still holds the sum of its pods, in the zones left to it
//! types above what is left of the pool's limit are dropped; a planned node counts as its largest type
//! launch: the cheapest type on demand; spot by lot, weight = (1 − shortage) × exp(−k (price / cheapest − 1))
//!         with a node overlay among the types: spot of the least shortage, then of the lowest overlaid price
//! reserved first: a planned node that fits a reservation with a free instance is bought there
//! spot next, when  spot nodes + 1 ≤ spot_share × (nodes + 1)                          pools with a share
//! ```
//! So packing continues until the largest allowed type is full, and only then a second node opens.
//! Static pools (`spec.replicas`) keep their nodes, each of the cheapest type, and pods bring them no others.
//! Preferences (`ScheduleAnyway`, `PreferNoSchedule`, affinity with a weight) count as demands until a pod fits
//! nowhere.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/scheduler.go#add`,
//! `nodeclaim.go#CanAdd`, `topologygroup.go#nextDomainTopologySpread`, `preferences.go#Relax`, commit
//! 2266468; aws/karpenter-provider-aws `pkg/providers/instance/instance.go`,
//! `filter/filter.go#SpotOfferingFilter`, commit 1d92708.
//! # Limits
//! One batch a tick. A share of spot is this tool's own way to ask for a mix; Karpenter would spread
//! over `karpenter.sh/capacity-type`. Where spot runs short is drawn by type, zone and hour, each on
//! its own; in reality neighbours run short together.

use self::{
    round::{Bounds, Room, Round},
    stock::Rooms,
};
use super::{
    Cluster, MOST_ZONES, Second, Shortage,
    event::Reason,
    group::Group,
    node::Node,
    policy::{MinValues, Mix, Policy, Pool, Purchase},
    purchase::{ByPurchase, Market},
    resources::MachineSize,
    tally::Refusal,
};
use crate::measure::random;

mod claim;
pub(super) mod round;
mod seats;
pub(super) mod stock;

pub(super) use self::claim::Claim;

/// What a pool has, planned nodes included.
#[derive(Debug, Clone, Copy, Default)]
struct PoolSize {
    on_demand: u32,
    spot: u32,
    /// Size of its machines; planned nodes count as the largest type they may become, where the pool has a limit
    /// to hold them to.
    machines: MachineSize,
}

/// An offer in a zone that has spot capacity.
struct SpotPool {
    price: f64,
    offer: usize,
    zone: u8,
    /// Weights in the draw of all pools up to this one.
    weight_up_to: f64,
}

/// A node that is planned, before it is launched.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedNode {
    /// Place of its pool.
    pub pool: usize,
    /// Zones left to it, one bit each.
    pub zones: u8,
    /// Offers it may be bought from, on-demand ones first, each cheapest first.
    pub offers: Vec<usize>,
    /// Pods by workload, in the order in which they came.
    pub pods: Vec<(usize, u32)>,
}

/// What a round of provisioning plans.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// New nodes.
    pub nodes: Vec<PlannedNode>,
    /// Pods of each workload that each existing node gets.
    pub existing: Vec<Vec<u32>>,
    /// Pods of each workload without a place.
    pub left: Vec<u32>,
}

impl Cluster {
    /// Plans and launches nodes for all pending pods that a pool can hold. A launch without capacity
    /// gives its pods back; they are planned anew without the offers that were short.
    pub(super) fn provision(&mut self, policy: &Policy) {
        const MOST_ROUNDS: usize = 4;
        self.unavailable.retain(|shortage| shortage.until > self.now);
        for _ in 0..MOST_ROUNDS {
            if !self.provision_once(policy, false) {
                return;
            }
        }
    }

    /// What one round of Karpenter's own scheduling plans for pending pods, without a scheduler before it
    /// and without a launch.
    pub fn plan_pending(&self, policy: &Policy) -> Plan {
        let (round, left) = self.plan_round(policy, true);
        let mut existing = vec![vec![0; policy.workloads.len()]; self.nodes.len()];
        for room in round.rooms() {
            for (workload, count) in &room.taken {
                existing[room.index][*workload] += count;
            }
        }
        let planned = |claim: Claim| PlannedNode {
            pool: claim.pool,
            zones: claim.zones,
            offers: claim.offers(policy).collect(),
            pods: claim.workloads,
        };
        let there = existing.into_iter().zip(&self.nodes);
        Plan {
            nodes: round.claims.into_iter().map(planned).collect(),
            existing: there.filter_map(|(pods, node)| node.as_ref().map(|_| pods)).collect(),
            left,
        }
    }

    /// Finds places for pending pods on nodes on their way, and plans nodes for the others. Ready nodes
    /// are only looked at where no scheduler has looked before.
    fn plan_round(&self, policy: &Policy, ready_too: bool) -> (Round, Vec<u32>) {
        let launching = |node: &Node| ready_too || node.ready_at > self.now;
        let nodes = self.nodes.iter().enumerate();
        let rooms = nodes.filter_map(|(index, node)| {
            let node = node.as_ref().filter(|node| node.drain.is_none() && launching(node))?;
            Some(Room::new(policy, index, node))
        });
        let mut round = self.round(policy, Rooms::Owned(rooms.collect()), Bounds::NONE);
        let mut wanted: Vec<u32> = self.workloads.iter().map(|own| own.pending).collect();
        self.add_buffers(policy, &mut round, &mut wanted, &[]);
        let left = round.place_all(self, policy, wanted, self.now);
        (round, left)
    }

    /// One round; true when a launch failed, or pods wait for a reservation, and another round may help.
    pub(super) fn provision_once(&mut self, policy: &Policy, ready_too: bool) -> bool {
        let (round, left) = self.plan_round(policy, ready_too);
        let waits = round.waits && !round.claims.is_empty();
        if round.limited {
            self.tally.refuse(Refusal::PoolLimit);
        }
        self.note_buffers(policy, &round, &left);
        let real = policy.real_workloads();
        let is_real = |(workload, _): &(usize, u32)| *workload < real;
        for room in round.rooms().to_vec() {
            for (workload, count) in room.taken.into_iter().filter(is_real) {
                for _ in 0..count {
                    self.place(policy, workload, room.index);
                }
            }
        }
        let mut failed = false;
        for claim in round.claims {
            let all: u32 = claim.workloads.iter().map(|(_, count)| count).sum();
            let pods: u32 = claim.workloads.iter().copied().filter(is_real).map(|(_, n)| n).sum();
            let Some(node) = self.launch_claim(policy, &claim, None) else {
                failed = true;
                if all > pods {
                    self.refill_at = self.refill_later(policy);
                }
                continue;
            };
            if let Some(node) = self.nodes[node].as_mut() {
                node.buffered = all - pods;
            }
            let ready_in = self.ready_in(node);
            let reason = match pods {
                0 => Reason::LaunchedForBuffer { ready_in },
                pods => Reason::Launched { pods, ready_in },
            };
            self.note_launch(node, reason);
            for (workload, count) in claim.workloads.into_iter().filter(is_real) {
                for _ in 0..count {
                    self.place(policy, workload, node);
                }
            }
        }
        failed || waits
    }

    /// Whether a static pool lacks nodes.
    pub(super) fn lacks_static_nodes(&self, policy: &Policy) -> bool {
        let lacks = |pool: &Pool| {
            pool.static_nodes().is_some_and(|wanted| self.staying(policy, pool.group) < wanted)
        };
        policy.pools.iter().any(lacks)
    }

    /// Nodes of a group that do not leave.
    fn staying(&self, policy: &Policy, group: Group) -> u32 {
        let own = |node: &&Node| policy.offers[node.offer].group == group && node.drain.is_none();
        self.nodes().filter(own).count() as u32
    }

    /// Buys the nodes that static pools lack; those without capacity are tried again in the next tick.
    pub(super) fn keep_static_nodes(&mut self, policy: &Policy) {
        for (index, pool) in policy.pools.iter().enumerate() {
            let Some(wanted) = pool.static_nodes() else { continue };
            while self.staying(policy, pool.group) < wanted {
                let launched =
                    purchases(pool, self.pool_sizes(policy)[index]).into_iter().find_map(|buys| {
                        let claim = self.static_claim(policy, index, buys)?;
                        self.launch_claim(policy, &claim, None)
                    });
                let Some(node) = launched else { break };
                self.note_launch(node, Reason::Launched { pods: 0, ready_in: self.ready_in(node) });
            }
        }
    }

    /// What takes the place of a drifted node of a static pool, where its limit leaves room for both.
    pub(super) fn static_replacement(&self, policy: &Policy, index: usize) -> Option<Claim> {
        let pool = &policy.pools[index];
        let own = self.nodes().filter(|node| policy.offers[node.offer].group == pool.group);
        if pool.limits.nodes.is_some_and(|most| own.count() as u32 >= most) {
            return None;
        }
        let size = self.pool_sizes(policy)[index];
        purchases(pool, size).into_iter().find_map(|buys| self.static_claim(policy, index, buys))
    }

    /// A node of a static pool, in a reservation where one is free.
    fn static_claim(&self, policy: &Policy, index: usize, buys: ByPurchase<bool>) -> Option<Claim> {
        let mut claim = Claim::empty(policy, index, buys);
        let seats = self.free_seats(policy);
        let group = policy.pools[index].group;
        claim.reserved = seats.open(policy, group).fold(0, |bits, seat| bits | seats::bit(seat));
        without_shortage(self, policy, claim)
    }

    pub(super) fn ready_in(&self, node: usize) -> Second {
        self.nodes[node].as_ref().map_or(0, |node| node.ready_at - self.now)
    }

    pub(super) fn note_launch(&mut self, node: usize, reason: Reason) {
        if let Some(subject) = self.nodes[node].as_ref().map(super::node::Node::subject) {
            self.note(subject, reason);
        }
    }

    /// What each pool has now.
    fn pool_sizes(&self, policy: &Policy) -> Vec<PoolSize> {
        let mut sizes = vec![PoolSize::default(); policy.pools.len()];
        for node in self.nodes() {
            let offer = &policy.offers[node.offer];
            let pool = offer.group.pool();
            let Some(size) = pool.and_then(|pool| sizes.get_mut(pool)) else { continue };
            size.machines += offer.machine();
            match offer.purchase {
                Purchase::Spot => size.spot += 1,
                _ => size.on_demand += 1,
            }
        }
        sizes
    }

    /// Buys the node of a claim, of `only` these offers where they are named; `None` without capacity.
    pub(super) fn launch_claim(
        &mut self,
        policy: &Policy,
        claim: &Claim,
        only: Option<&[usize]>,
    ) -> Option<usize> {
        // A claim that holds a reservation asks for reserved capacity alone (`nodeclaim.go#FinalizeScheduling`).
        if claim.reserved != 0 {
            return self.launch_reserved(policy, claim, only);
        }
        let pool = &policy.pools[claim.pool];
        let named = |offer: &usize| only.is_none_or(|only| only.contains(offer));
        // Metal, GPU and accelerator types are planned with, and dropped here while another is left.
        let general = pool.min_values == MinValues::NONE
            && claim.offers(policy).any(|offer| named(&offer) && policy.offers[offer].generic);
        let named = |offer: &usize| named(offer) && (!general || policy.offers[*offer].generic);
        let cheapest = claim.offers_of(policy, Market::OnDemand).find(|offer| named(offer));
        let mut spot: Vec<usize> = claim.offers_of(policy, Market::Spot).filter(named).collect();
        // Spot more expensive than the cheapest on-demand offer is dropped where both are allowed.
        if let (Some(on_demand), MinValues::NONE) = (cheapest, pool.min_values) {
            spot.retain(|offer| policy.offers[*offer].price <= policy.offers[on_demand].price);
        }
        // What was short a moment ago is not requested again: where nothing else is left, the node is
        // bought on demand.
        if !self.unavailable.is_empty() {
            spot.retain(|offer| {
                let zones = policy.offers[*offer].zones & claim.zones;
                zones & !self.short_zones(*offer, self.now) != 0
            });
        }
        keep_types(policy, &mut spot, policy.spot.launch_types);
        let chosen = if spot.is_empty() {
            None
        } else {
            let chosen = self.choose_spot(policy, claim, &spot);
            if chosen.is_none() {
                self.note_shortage(policy, claim);
                return None;
            }
            chosen
        };
        let (offer, zone) = match chosen {
            Some(chosen) => chosen,
            None => cheapest
                .map(|offer| (offer, self.any_zone(policy.offers[offer].zones & claim.zones)))?,
        };
        let ready_at = self.draw_ready_at(policy);
        Some(self.launch(policy, offer, zone, ready_at))
    }

    /// `price-capacity-optimized`: a draw among types and zones with capacity, weighted by price.
    fn choose_spot(
        &mut self,
        policy: &Policy,
        claim: &Claim,
        spot: &[usize],
    ) -> Option<(usize, u8)> {
        let rules = &policy.spot;
        // As soon as one of the types has an overlay's price, depth comes first and Karpenter's order second.
        let overlaid = spot.iter().any(|offer| policy.supply.is_overlaid(*offer));
        let mut pools: Vec<SpotPool> = Vec::new();
        let mut cheapest = f64::INFINITY;
        for &index in spot {
            let offer = &policy.offers[index];
            if !overlaid && offer.price > cheapest * (1.0 + rules.price_reach) {
                break;
            }
            for zone in
                (0..policy.zones).filter(|zone| offer.zones & claim.zones & (1 << zone) != 0)
            {
                if self.has_spot(policy, index, zone) {
                    cheapest = cheapest.min(offer.price);
                    pools.push(SpotPool {
                        price: offer.price,
                        offer: index,
                        zone,
                        weight_up_to: 0.0,
                    });
                }
            }
        }
        if overlaid {
            keep_deepest(policy, &mut pools);
        }
        let mut sum = 0.0;
        for pool in &mut pools {
            let depth = 1.0 - policy.offers[pool.offer].shortage;
            let dearer = if overlaid { 0.0 } else { pool.price / cheapest - 1.0 };
            sum += depth * (-rules.price_weight * dearer).exp();
            pool.weight_up_to = sum;
        }
        let draw = self.luck.uniform() * sum;
        let drawn = pools.iter().find(|pool| pool.weight_up_to >= draw)?;
        Some((drawn.offer, drawn.zone))
    }

    /// Whether AWS has spot capacity of an offer in a zone now.
    fn has_spot(&self, policy: &Policy, offer: usize, zone: u8) -> bool {
        let bought = &policy.offers[offer];
        if self.short_zones(offer, self.now) & (1 << zone) != 0 {
            return false;
        }
        if bought.shortage <= 0.0 {
            return true;
        }
        let name = u64::from(bought.type_id) << 8 | u64::from(zone);
        let time = u64::from(self.now / policy.spot.shortage_seconds);
        random::keyed(self.supply_key, [name, time]) >= bought.shortage
    }

    fn note_shortage(&mut self, policy: &Policy, claim: &Claim) {
        let until = self.now.saturating_add(policy.latencies.unavailable);
        let spot = claim.offers_of(policy, Market::Spot);
        self.unavailable.extend(spot.map(|offer| Shortage { offer, zones: claim.zones, until }));
        self.tally.refuse(Refusal::SpotCapacity);
        for (workload, pods) in &claim.workloads {
            let reason = Reason::InsufficientCapacity { pods: *pods };
            self.note(super::event::Subject::Workload(*workload), reason);
        }
    }

    fn any_zone(&mut self, zones: u8) -> u8 {
        let open: u32 = zones.count_ones().max(1);
        let mut skip = if open > 1 { self.luck.bits() % open } else { 0 };
        for zone in 0..MOST_ZONES as u8 {
            if zones & (1 << zone) != 0 {
                if skip == 0 {
                    return zone;
                }
                skip -= 1;
            }
        }
        0
    }

    /// Zones in which an offer is marked as without capacity.
    fn short_zones(&self, offer: usize, now: Second) -> u8 {
        let marked = self.unavailable.iter().filter(|mark| mark.offer == offer && mark.until > now);
        marked.fold(0, |bits, mark| bits | mark.zones)
    }
}

/// Returns in which ways a pool tries to buy its next node, the preferred one first.
fn purchases(pool: &Pool, size: PoolSize) -> [ByPurchase<bool>; 2] {
    match pool.mix {
        Mix::OnDemand => [ByPurchase::ON_DEMAND; 2],
        Mix::SpotOnly => [ByPurchase::SPOT; 2],
        Mix::SpotFirst => [ByPurchase::BOTH, ByPurchase::ON_DEMAND],
        Mix::Share(share) => {
            let nodes = f64::from(size.on_demand + size.spot + 1);
            let wants_spot = f64::from(size.spot + 1) <= share * nodes + 1e-9;
            let (spot, on_demand) = (ByPurchase::SPOT, ByPurchase::ON_DEMAND);
            if wants_spot { [spot, on_demand] } else { [on_demand, spot] }
        }
    }
}

/// Keeps the offers of so many instance types; `offers` has the cheapest first. A type with prices by zone has
/// several offers.
pub(super) fn keep_types(policy: &Policy, offers: &mut Vec<usize>, most: usize) {
    if policy.supply.zone_rates.is_empty() {
        offers.truncate(most);
        return;
    }
    let mut types = Vec::new();
    offers.retain(|offer| {
        let id = policy.offers[*offer].type_id;
        if !types.contains(&id) && types.len() < most {
            types.push(id);
        }
        types.contains(&id)
    });
}

/// `capacity-optimized-prioritized`: of the pools that are short least often, those of the lowest price that
/// Karpenter chooses by. They come in the order of that price.
fn keep_deepest(policy: &Policy, pools: &mut Vec<SpotPool>) {
    let shortage = |pool: &SpotPool| policy.offers[pool.offer].shortage;
    let least = pools.iter().map(shortage).fold(f64::INFINITY, f64::min);
    pools.retain(|pool| shortage(pool) <= least);
    let cheapest = pools.first().map_or(0.0, |pool| pool.price);
    pools.retain(|pool| pool.price <= cheapest);
}

/// The claim without the spot offers that are marked as without capacity; `None` when it has no others.
fn without_shortage(cluster: &Cluster, policy: &Policy, mut claim: Claim) -> Option<Claim> {
    if cluster.unavailable.is_empty() || !claim.buys.spot {
        return Some(claim);
    }
    let available = claim.offers_of(policy, Market::Spot).any(|offer| {
        let zones = policy.offers[offer].zones & claim.zones;
        zones & !cluster.short_zones(offer, cluster.now) != 0
    });
    if !available {
        claim.buys.spot = false;
    }
    (claim.buys.any() || claim.reserved != 0).then_some(claim)
}
