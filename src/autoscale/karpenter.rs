//! New nodes for pods that fit nowhere.
//!
//! # Formula
//! ```text
//! pods in order of CPU, then memory, greatest first
//! each to a node on its way, else to the planned node with the fewest pods, else to a new one
//! a planned node keeps every type that still holds the sum of its pods, in the zones left to it
//! types above what is left of the pool's limit are dropped; a planned node counts as its largest type
//! launch: the cheapest type on demand; spot by price and capacity:  weight = exp(−k × price / cheapest)
//! spot next, when  spot nodes + 1 ≤ spot_share × (nodes + 1)                          pools with a share
//! ```
//! So packing goes on until the largest allowed type is full, and only then a second node opens.
//! Static pools (`spec.replicas`) keep their nodes, each of the cheapest type, and pods bring them no others.
//! Preferences (`ScheduleAnyway`, `PreferNoSchedule`) count as demands until a pod fits nowhere.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/scheduler.go#add`,
//! `nodeclaim.go#CanAdd`, `topologygroup.go#nextDomainTopologySpread`, `preferences.go#Relax`, commit
//! 2266468; aws/karpenter-provider-aws `pkg/providers/instance/instance.go`,
//! `filter/filter.go#SpotOfferingFilter`, commit 1d92708.
//! # Limits
//! One batch a tick. A share of spot is this tool's own way to ask for a mix; Karpenter would spread
//! over `karpenter.sh/capacity-type`. Where spot runs short is drawn by type, zone and hour, each on
//! its own; in life neighbours run short together.

use std::{cmp::Reverse, collections::BinaryHeap};

use self::claim::try_claim;
use super::{
    Cluster, MOST_ZONES, Second,
    event::Reason,
    node::Node,
    policy::{Mix, Policy, Pool, Purchase},
    schedule::open_zones,
    tally::Refusal,
};
use crate::random;

mod claim;

pub(super) use self::claim::Claim;

/// What a pod still insists on; preferences are dropped one after the other.
#[derive(Clone, Copy)]
struct Demands {
    soft_spread: bool,
    avoid: bool,
}

const RELAXED: [Demands; 3] = [
    Demands { soft_spread: true, avoid: true },
    Demands { soft_spread: false, avoid: true },
    Demands { soft_spread: false, avoid: false },
];

/// What a pool has, planned nodes included.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PoolSize {
    on_demand: u32,
    spot: u32,
    /// vCPUs [millicores] and memory [MiB]; planned nodes count as the largest type they may become, where
    /// the pool has a limit to hold them to.
    room: [i64; 2],
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

/// One round of provisioning.
pub(super) struct Round {
    pub(super) claims: Vec<Claim>,
    sizes: Vec<PoolSize>,
    /// Pods by zone of each workload, planned ones included.
    pub(super) zones: Vec<[u32; MOST_ZONES]>,
    /// Most claims that may be opened.
    most: usize,
    limited: bool,
}

impl Cluster {
    /// Plans and launches nodes for all pending pods that a pool can hold. A launch without capacity
    /// gives its pods back; they are planned anew without the offers that were short.
    pub(super) fn provision(&mut self, policy: &Policy) {
        const MOST_ROUNDS: usize = 4;
        self.unavailable.retain(|(_, _, until)| *until > self.now);
        for _ in 0..MOST_ROUNDS {
            if !self.provision_once(policy, false) {
                return;
            }
        }
    }

    /// What one round of Karpenter's own scheduling plans for pending pods, without a scheduler before it
    /// and without a launch.
    pub fn plan_pending(&self, policy: &Policy) -> Plan {
        let mut tried = self.clone();
        let round = tried.plan_round(policy, true);
        let added = |(before, after): (&Node, &Node)| {
            after.pods.iter().zip(&before.pods).map(|(after, before)| after - before).collect()
        };
        let planned = |claim: Claim| PlannedNode {
            pool: claim.pool,
            zones: claim.zones,
            offers: claim.offers(policy).collect(),
            pods: claim.workloads,
        };
        Plan {
            nodes: round.claims.into_iter().map(planned).collect(),
            existing: self.nodes().zip(tried.nodes()).map(added).collect(),
            left: tried.workloads.iter().map(|replicas| replicas.pending).collect(),
        }
    }

    /// Binds pending pods to nodes that exist, and plans nodes for the others.
    fn plan_round(&mut self, policy: &Policy, ready_too: bool) -> Round {
        let mut round = self.round(policy, usize::MAX);
        for &workload in &policy.scheduling_order {
            if self.workloads[workload].pending > 0 {
                self.fill_existing(policy, workload, ready_too);
                round.zones[workload] = self.workloads[workload].zones;
                let wanted = self.workloads[workload].pending;
                let placed = round.place(self, policy, workload, wanted);
                self.workloads[workload].pending -= placed;
                self.pending -= placed;
            }
        }
        if round.limited {
            self.tally.refuse(Refusal::PoolLimit);
        }
        round
    }

    /// One round; true when a launch failed and another round may help.
    pub(super) fn provision_once(&mut self, policy: &Policy, ready_too: bool) -> bool {
        let round = self.plan_round(policy, ready_too);
        let mut failed = false;
        for claim in round.claims {
            let pods: u32 = claim.workloads.iter().map(|(_, count)| count).sum();
            if let Some(node) = self.launch_claim(policy, &claim, None) {
                let ready_in = self.ready_in(node);
                self.note_launch(node, Reason::Launched { pods, ready_in });
                for (workload, count) in claim.workloads {
                    for _ in 0..count {
                        self.bind(policy, workload, node);
                    }
                }
            } else {
                failed = true;
                for (workload, count) in claim.workloads {
                    self.workloads[workload].pending += count;
                    self.pending += count;
                }
            }
        }
        failed
    }

    /// Whether a static pool lacks nodes.
    pub(super) fn lacks_static_nodes(&self, policy: &Policy) -> bool {
        let lacks = |pool: &Pool| {
            pool.static_nodes().is_some_and(|wanted| self.staying(policy, pool.group) < wanted)
        };
        policy.pools.iter().any(lacks)
    }

    /// Nodes of a group that do not leave.
    fn staying(&self, policy: &Policy, group: u8) -> u32 {
        let own = |node: &&Node| policy.offers[node.offer].group == group && node.drain.is_none();
        self.nodes().filter(own).count() as u32
    }

    /// Buys the nodes that static pools lack; those without capacity are tried again in the next tick.
    pub(super) fn keep_static_nodes(&mut self, policy: &Policy) {
        for (index, pool) in policy.pools.iter().enumerate() {
            let Some(wanted) = pool.static_nodes() else { continue };
            while self.staying(policy, pool.group) < wanted {
                let launched = purchases(pool, self.round(policy, 0).sizes[index])
                    .into_iter()
                    .find_map(|buys| {
                        let claim =
                            without_shortage(self, policy, Claim::empty(policy, index, buys))?;
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
        let size = self.round(policy, 0).sizes[index];
        purchases(pool, size)
            .into_iter()
            .find_map(|buys| without_shortage(self, policy, Claim::empty(policy, index, buys)))
    }

    pub(super) fn ready_in(&self, node: usize) -> Second {
        self.nodes[node].as_ref().map_or(0, |node| node.ready_at - self.now)
    }

    pub(super) fn note_launch(&mut self, node: usize, reason: Reason) {
        if let Some(subject) = self.nodes[node].as_ref().map(super::node::Node::subject) {
            self.note(subject, reason);
        }
    }

    /// A round that may open `most` nodes.
    pub(super) fn round(&self, policy: &Policy, most: usize) -> Round {
        let mut sizes = vec![PoolSize::default(); policy.pools.len()];
        for node in self.nodes() {
            let offer = &policy.offers[node.offer];
            let pool = usize::from(offer.group).checked_sub(1);
            let Some(size) = pool.and_then(|pool| sizes.get_mut(pool)) else { continue };
            size.room[0] += offer.vcpu_milli;
            size.room[1] += offer.capacity_mib;
            match offer.purchase {
                Purchase::Spot => size.spot += 1,
                Purchase::Baseline | Purchase::OnDemand => size.on_demand += 1,
            }
        }
        let zones = self.workloads.iter().map(|replicas| replicas.zones).collect();
        Round { claims: Vec::new(), sizes, zones, most, limited: false }
    }

    /// Pods that existing nodes still take as Karpenter sees it, the first first. Ready nodes are only
    /// looked at where no scheduler has looked before.
    fn fill_existing(&mut self, policy: &Policy, workload: usize, ready_too: bool) {
        let asks = &policy.workloads[workload];
        for index in 0..self.nodes.len() {
            while self.workloads[workload].pending > 0 {
                let Some(node) = &self.nodes[index] else { break };
                let launching = (ready_too || node.ready_at > self.now) && node.drain.is_none();
                let hosted = asks
                    .host_spread
                    .is_none_or(|spread| !spread.hard || node.pods[workload] < spread.max_skew);
                let zoned = asks.zone_spread.is_none_or(|spread| {
                    let counts = &self.workloads[workload].zones;
                    let open = open_zones(zones_of(policy, workload), counts, spread.max_skew);
                    !spread.hard || open & (1 << node.zone) != 0
                });
                if !launching || !hosted || !zoned || !node.takes(policy, workload) {
                    break;
                }
                self.place(policy, workload, index);
            }
        }
    }

    /// Buys the node of a claim, of `only` these offers where they are named; `None` without capacity.
    pub(super) fn launch_claim(
        &mut self,
        policy: &Policy,
        claim: &Claim,
        only: Option<&[usize]>,
    ) -> Option<usize> {
        let pool = &policy.pools[claim.pool];
        let named = |offer: &usize| only.is_none_or(|only| only.contains(offer));
        let cheapest = claim.offers_of(policy, 0).find(|offer| named(offer));
        let mut spot: Vec<usize> = claim.offers_of(policy, 1).filter(named).collect();
        // Spot dearer than the cheapest on-demand offer is dropped where both are allowed.
        if let (Some(on_demand), (0, 0)) = (cheapest, pool.min_values) {
            spot.retain(|offer| policy.offers[*offer].price <= policy.offers[on_demand].price);
        }
        // What was short a moment ago is not asked for again: where nothing else is left, the node is
        // bought on demand.
        if !self.unavailable.is_empty() {
            spot.retain(|offer| {
                let zones = policy.offers[*offer].zones & claim.zones;
                zones & !self.short_zones(*offer, self.now) != 0
            });
        }
        spot.truncate(policy.spot.launch_types);
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
        let mut pools: Vec<(f64, usize, u8)> = Vec::new();
        let mut cheapest = f64::MAX;
        for &index in spot {
            let offer = &policy.offers[index];
            if offer.price > cheapest * (1.0 + rules.price_reach) {
                break;
            }
            for zone in
                (0..policy.zones).filter(|zone| offer.zones & claim.zones & (1 << zone) != 0)
            {
                if self.has_spot(policy, index, zone) {
                    cheapest = cheapest.min(offer.price);
                    pools.push((offer.price, index, zone));
                }
            }
        }
        let mut sum = 0.0;
        for pool in &mut pools {
            let depth = 1.0 - policy.offers[pool.1].shortage;
            sum += depth * (-rules.price_weight * (pool.0 / cheapest - 1.0)).exp();
            pool.0 = sum;
        }
        let draw = self.luck.uniform() * sum;
        pools.iter().find(|pool| pool.0 >= draw).map(|(_, offer, zone)| (*offer, *zone))
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
        let spot = claim.offers_of(policy, 1);
        self.unavailable.extend(spot.map(|offer| (offer, claim.zones, until)));
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
        let marked = self.unavailable.iter().filter(|mark| mark.0 == offer && mark.2 > now);
        marked.fold(0, |bits, mark| bits | mark.1)
    }
}

/// Zones in which a pool buys nodes that the workload may run on.
pub(super) fn zones_of(policy: &Policy, workload: usize) -> u8 {
    let groups = policy.workloads[workload].groups;
    let pools = policy.pools.iter().filter(|pool| groups & (1 << pool.group) != 0);
    pools.fold(0, |bits, pool| bits | pool.zones)
}

impl Round {
    /// Places up to `count` pods of a workload; gives how many.
    pub(super) fn place(
        &mut self,
        cluster: &Cluster,
        policy: &Policy,
        workload: usize,
        count: u32,
    ) -> u32 {
        let asks = &policy.workloads[workload];
        let zoned = asks.zone_spread.is_some();
        // A claim that cannot take one pod of a workload cannot take the next, unless zones decide.
        let all = |round: &Self| -> BinaryHeap<Reverse<(i64, usize)>> {
            let claims = round.claims.iter().enumerate();
            claims.map(|(index, claim)| Reverse((claim.pods, index))).collect()
        };
        let mut open = all(self);
        let mut placed = 0;
        while placed < count {
            if zoned {
                open = all(self);
            }
            if !self.place_one(cluster, policy, workload, &mut open) {
                break;
            }
            placed += 1;
        }
        placed
    }

    fn place_one(
        &mut self,
        cluster: &Cluster,
        policy: &Policy,
        workload: usize,
        open: &mut BinaryHeap<Reverse<(i64, usize)>>,
    ) -> bool {
        let asks = &policy.workloads[workload];
        let soft = [asks.zone_spread, asks.host_spread].iter().flatten().any(|s| !s.hard);
        for (level, demands) in RELAXED.into_iter().enumerate() {
            if (level == 1 && !soft) || (level == 2 && asks.avoids == 0) {
                continue;
            }
            let zones = self.open_zones(policy, workload, demands);
            let mut passed = Vec::new();
            while let Some(Reverse((pods, index))) = open.pop() {
                if self.add(policy, workload, index, zones, demands) {
                    open.push(Reverse((pods + 1, index)));
                    open.extend(passed);
                    return true;
                }
                // A preference may still be dropped for it.
                if soft || asks.avoids != 0 {
                    passed.push(Reverse((pods, index)));
                }
            }
            open.extend(passed);
            if let Some(claim) = self.open(cluster, policy, workload, (zones, demands)) {
                self.note_zone(workload, &claim);
                open.push(Reverse((1, self.claims.len())));
                self.claims.push(claim);
                return true;
            }
        }
        false
    }

    /// Zones that may take one more pod, the emptiest alone where a spread pins it.
    fn open_zones(&self, policy: &Policy, workload: usize, demands: Demands) -> u8 {
        let all = zones_of(policy, workload);
        let spread = policy.workloads[workload].zone_spread;
        match spread.filter(|spread| spread.hard || demands.soft_spread) {
            Some(spread) => open_zones(all, &self.zones[workload], spread.max_skew),
            None => all,
        }
    }

    fn pinned(&self, policy: &Policy, workload: usize, zones: u8, demands: Demands) -> u8 {
        let spread = policy.workloads[workload].zone_spread;
        if !spread.is_some_and(|spread| spread.hard || demands.soft_spread) {
            return zones;
        }
        let counts = &self.zones[workload];
        let open = (0..MOST_ZONES).filter(|zone| zones & (1 << zone) != 0);
        open.min_by_key(|zone| counts[*zone]).map_or(0, |zone| 1 << zone)
    }

    fn note_zone(&mut self, workload: usize, claim: &Claim) {
        if claim.zones.is_power_of_two() {
            self.zones[workload][claim.zones.trailing_zeros() as usize] += 1;
        }
    }

    fn add(
        &mut self,
        policy: &Policy,
        workload: usize,
        index: usize,
        zones: u8,
        demands: Demands,
    ) -> bool {
        let asks = &policy.workloads[workload];
        let claim = &self.claims[index];
        let group = policy.pools[claim.pool].group;
        if demands.avoid && asks.avoids & (1 << group) != 0 {
            return false;
        }
        let hosts = asks.host_spread.filter(|spread| spread.hard || demands.soft_spread);
        if hosts.is_some_and(|spread| claim.count(workload) >= spread.max_skew) {
            return false;
        }
        let zones = self.pinned(policy, workload, zones & claim.zones, demands);
        let Some(with) = claim.with(policy, workload, zones) else { return false };
        self.claims[index].add(policy, workload, with);
        if asks.zone_spread.is_some() {
            let claim = self.claims[index].clone();
            self.note_zone(workload, &claim);
        }
        true
    }

    fn open(
        &mut self,
        cluster: &Cluster,
        policy: &Policy,
        workload: usize,
        (zones, demands): (u8, Demands),
    ) -> Option<Claim> {
        if self.claims.len() >= self.most {
            return None;
        }
        let zones = self.pinned(policy, workload, zones, demands);
        for pool in 0..policy.pools.len() {
            let group = policy.pools[pool].group;
            if policy.pools[pool].replicas.is_some() {
                continue; // pods bring a static pool no nodes
            }
            if demands.avoid && policy.workloads[workload].avoids & (1 << group) != 0 {
                continue;
            }
            if let Some(claim) = self.open_in(cluster, policy, pool, workload, zones) {
                let size = &mut self.sizes[pool];
                let limits = &policy.pools[pool].limits;
                if limits.cpu.is_some() || limits.memory.is_some() {
                    let largest = claim.largest(policy);
                    size.room = [size.room[0] + largest[0], size.room[1] + largest[1]];
                }
                if claim.buys[1] {
                    size.spot += 1;
                } else {
                    size.on_demand += 1;
                }
                return Some(claim);
            }
        }
        None
    }

    fn open_in(
        &mut self,
        cluster: &Cluster,
        policy: &Policy,
        pool: usize,
        workload: usize,
        zones: u8,
    ) -> Option<Claim> {
        let (rules, size) = (&policy.pools[pool], self.sizes[pool]);
        if rules.limits.nodes.is_some_and(|most| size.on_demand + size.spot >= most) {
            self.limited |= policy.workloads[workload].groups & (1 << rules.group) != 0;
            return None;
        }
        let left = |limit: Option<i64>, used: i64| limit.map_or(i64::MAX, |limit| limit - used);
        let room = [left(rules.limits.cpu, size.room[0]), left(rules.limits.memory, size.room[1])];
        let tries = purchases(rules, size);
        for buys in tries {
            let Some(claim) = try_claim(policy, (pool, buys, room), workload, zones) else {
                continue;
            };
            if let Some(claim) = without_shortage(cluster, policy, claim) {
                return Some(claim);
            }
        }
        let unlimited = [i64::MAX; 2];
        self.limited |= room != unlimited
            && tries
                .iter()
                .any(|b| try_claim(policy, (pool, *b, unlimited), workload, zones).is_some());
        None
    }
}

/// In which ways a pool buys its next node, the first that works first: on-demand, spot.
fn purchases(pool: &Pool, size: PoolSize) -> [[bool; 2]; 2] {
    match pool.mix {
        Mix::OnDemand => [[true, false]; 2],
        Mix::SpotOnly => [[false, true]; 2],
        Mix::SpotFirst => [[true, true], [true, false]],
        Mix::Share(share) => {
            let nodes = f64::from(size.on_demand + size.spot + 1);
            let wants_spot = f64::from(size.spot + 1) <= share * nodes + 1e-9;
            if wants_spot { [[false, true], [true, false]] } else { [[true, false], [false, true]] }
        }
    }
}

/// The claim without the spot offers that are marked as without capacity; `None` when it has no others.
fn without_shortage(cluster: &Cluster, policy: &Policy, mut claim: Claim) -> Option<Claim> {
    if cluster.unavailable.is_empty() || !claim.buys[1] {
        return Some(claim);
    }
    let available = claim.offers_of(policy, 1).any(|offer| {
        let zones = policy.offers[offer].zones & claim.zones;
        zones & !cluster.short_zones(offer, cluster.now) != 0
    });
    if !available {
        claim.buys[1] = false;
    }
    (claim.buys[0] || claim.buys[1]).then_some(claim)
}
