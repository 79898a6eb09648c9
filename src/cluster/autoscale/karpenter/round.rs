//! One round of Karpenter's scheduling: pod by pod to an existing node, a planned one, a new one.
//!
//! # Formula
//! ```text
//! pods by CPU, then memory, greatest first; pods of one size in an order drawn by lot
//! each     to the first existing node that takes it, else to the planned node with the fewest pods,
//!          else to a new one; where none does, without its next preference
//! dropped  one by one: alternatives of required labels but the last, preferred affinity and anti-affinity to
//!          pods and preferred labels, heaviest first, soft spreads, avoided taints
//! again    pods without a place, after all others, until a turn places none
//! ```
//! Of planned nodes with equally many pods, the order of the last sort stays.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/scheduler.go#Solve`, `#trySchedule`,
//! `#add`, `queue.go`, `preferences.go#Relax`, `topologygroup.go#nextDomainTopologySpread`, commit 2266468;
//! `pkg/scheduling/requirements.go#newPodRequirements` (of preferred labels, only the heaviest left is required).
//! # Limits
//! Above 12 planned nodes Karpenter's sort is not stable, and the order of equals is another. Pods of one
//! size go by creation time and UID, which a model of counts does not have.

use super::{
    Claim, PoolSize,
    claim::{Asker, EmptyNode, Misfit, try_claim},
    purchases,
    seats::Seats,
    stock::Rooms,
    without_shortage,
};
use crate::{
    cluster::autoscale::{
        Cluster, MOST_ZONES, Second,
        affinity::{Dropped, Surroundings, used_zones},
        group::Group,
        node::Node,
        policy::{Deployment, Policy, Spread, affinity::Pick},
        purchase::ByPurchase,
        resources::{Allowance, Resources},
        schedule::open_zones,
    },
    measure::random,
};

/// Terms of one kind that are dropped one after the other; the schema allows fewer.
const MOST_TERMS: usize = 254;

/// Preferences that a pod still insists on; they are dropped one after the other.
#[derive(Clone, Copy)]
struct Demands {
    /// Terms on nodes that hold.
    pick: Pick,
    /// Preferences of affinity between pods that are dropped.
    dropped: Dropped,
    zone_spread: bool,
    host_spread: bool,
    avoid: bool,
}

impl Demands {
    fn all(policy: &Policy) -> Self {
        let respects = !policy.ignores_preferences;
        let dropped = if respects { 0 } else { u8::MAX };
        Self {
            pick: Pick { alternative: 0, preference: dropped },
            dropped: Dropped { near: dropped, apart: dropped },
            zone_spread: respects,
            host_spread: respects,
            avoid: true,
        }
    }

    /// The same without the next preference, if there is one.
    fn relaxed(mut self, asks: &Deployment) -> Option<Self> {
        let soft = |spread: Option<Spread>| spread.is_some_and(|spread| !spread.hard);
        if let Some(affinity) = asks.affinity.as_deref() {
            // The last alternative is required.
            let alternatives = affinity.alternatives.len().saturating_sub(1);
            let Dropped { near, apart } = &mut self.dropped;
            let steps = [
                (&mut self.pick.alternative, alternatives),
                (near, affinity.near.preferred().len()),
                (apart, affinity.apart.preferred().len()),
                (&mut self.pick.preference, affinity.preferences.len()),
            ];
            let next = steps
                .into_iter()
                .find(|(done, most)| usize::from(**done) < (*most).min(MOST_TERMS));
            if let Some((done, _)) = next {
                *done += 1;
                return Some(self);
            }
        }
        if self.zone_spread && soft(asks.zone_spread) {
            self.zone_spread = false;
        } else if self.host_spread && soft(asks.host_spread) {
            self.host_spread = false;
        } else if self.avoid && !asks.avoids.is_empty() {
            self.avoid = false;
        } else {
            return None;
        }
        Some(self)
    }

    fn zones(self, asks: &Deployment) -> Option<Spread> {
        asks.zone_spread.filter(|spread| spread.hard || self.zone_spread)
    }

    fn hosts(self, asks: &Deployment) -> Option<Spread> {
        asks.host_spread.filter(|spread| spread.hard || self.host_spread)
    }

    fn avoids(self, asks: &Deployment, group: Group) -> bool {
        self.avoid && asks.avoids.contains(group)
    }
}

/// What one more pod of a workload needs.
#[derive(Clone, Copy)]
struct Sought<'a> {
    workload: usize,
    demands: Demands,
    /// Zones that its spread leaves, one bit each.
    zones: u8,
    around: Option<Surroundings<'a>>,
}

impl Sought<'_> {
    /// Whether affinity to pods leaves a node with so many pods of each workload.
    fn allows_host(&self, count: impl Fn(usize) -> u32) -> bool {
        self.around.is_none_or(|around| around.allow_host(count))
    }

    /// Zones that affinity to pods leaves.
    fn near_zones(&self) -> u8 {
        self.around.map_or(u8::MAX, |around| around.zones)
    }
}

/// Where a round ends without a plan.
#[derive(Debug, Clone, Copy)]
pub(in crate::cluster::autoscale) struct Bounds {
    /// Most claims.
    pub(in crate::cluster::autoscale) claims: usize,
    /// What a claim's cheapest offer must be below, in USD per hour.
    pub(in crate::cluster::autoscale) price: f64,
}

impl Bounds {
    pub(in crate::cluster::autoscale) const NONE: Self =
        Self { claims: usize::MAX, price: f64::INFINITY };
}

/// Room left on a node that exists.
#[derive(Debug, Clone)]
pub(in crate::cluster::autoscale) struct Room {
    pub(in crate::cluster::autoscale) index: usize,
    offer: usize,
    group: Group,
    zone: u8,
    free: Resources,
    /// Pods that the round put there, by workload.
    pub(in crate::cluster::autoscale) taken: Vec<(usize, u32)>,
}

impl Room {
    pub(in crate::cluster::autoscale) fn new(policy: &Policy, index: usize, node: &Node) -> Self {
        Self {
            index,
            offer: node.offer,
            group: policy.offers[node.offer].group,
            zone: node.zone,
            free: node.free,
            taken: Vec::new(),
        }
    }

    pub(super) fn holds(&self, asks: &Deployment) -> bool {
        self.free.holds(asks.requests()) && asks.may_use(self.offer, self.group)
    }

    fn take(&mut self, asks: &Deployment, workload: usize) {
        self.free -= asks.requests();
        count_pod(&mut self.taken, workload);
    }
}

/// Adds one pod to counts by workload.
pub(super) fn count_pod(pods: &mut Vec<(usize, u32)>, workload: usize) {
    match pods.iter_mut().find(|(of, _)| *of == workload) {
        Some((_, count)) => *count += 1,
        None => pods.push((workload, 1)),
    }
}

/// One round of scheduling.
pub(in crate::cluster::autoscale) struct Round {
    /// Existing nodes in the order in which pods try them.
    rooms: Rooms,
    pub(in crate::cluster::autoscale) claims: Vec<Claim>,
    /// Pods by zone of each workload, planned ones included.
    pub(in crate::cluster::autoscale) zones: Vec<[u32; MOST_ZONES]>,
    /// Zones in which planned pods of each workload may end up, one bit each; empty where no workload has
    /// affinity.
    possible: Vec<u8>,
    /// A pool's limit kept a node from being planned.
    pub(in crate::cluster::autoscale) limited: bool,
    /// The bounds were reached: there is no plan.
    pub(in crate::cluster::autoscale) given_up: bool,
    /// A pod waits for a reservation that planned nodes hold, and of them will give up all but one.
    pub(in crate::cluster::autoscale) waits: bool,
    /// Free instances of reservations.
    seats: Seats,
    /// Places of the claims, those with the fewest pods first.
    order: Vec<usize>,
    /// Workloads of which each claim holds no further pod, one bit each; those beyond 64 are always tried.
    full: Vec<u64>,
    /// Of the places that a workload's pods try, those before this one hold no further pod of it.
    from: Vec<usize>,
    /// What each pool has; empty until the first pod needs a new node.
    sizes: Vec<PoolSize>,
    bounds: Bounds,
}

/// Zones in which the pools that a workload selects buy nodes, whatever their taints
/// (`nodeTaintsPolicy: Ignore`).
fn zones_of(policy: &Policy, workload: usize) -> u8 {
    let selects = policy.workloads[workload].selects;
    let pools = policy.pools.iter().filter(|pool| selects.contains(pool.group));
    pools.fold(0, |bits, pool| bits | pool.zones)
}

impl Cluster {
    /// A round over these existing nodes.
    pub(in crate::cluster::autoscale) fn round(
        &self,
        policy: &Policy,
        rooms: Rooms,
        bounds: Bounds,
    ) -> Round {
        Round {
            rooms,
            claims: Vec::new(),
            zones: self.workloads.iter().map(|replicas| replicas.zones).collect(),
            possible: vec![0; if policy.has_affinity() { policy.workloads.len() } else { 0 }],
            limited: false,
            given_up: false,
            waits: false,
            seats: self.free_seats(policy),
            order: Vec::new(),
            full: Vec::new(),
            from: vec![0; policy.workloads.len()],
            sizes: Vec::new(),
            bounds,
        }
    }

    /// Pods in the order in which they are taken, as runs of one workload. Pods of one size are shuffled:
    /// Karpenter takes them by creation time and UID.
    fn queue(&self, policy: &Policy, wanted: &[u32], time: Second) -> Vec<(usize, u32)> {
        let size = |workload: &usize| {
            let asks = &policy.workloads[*workload];
            (asks.request_cpu, asks.request_memory)
        };
        let mut queue = Vec::new();
        let pending = policy.scheduling_order.iter().copied().filter(|of| wanted[*of] > 0);
        let pending: Vec<usize> = pending.collect();
        for equals in pending.chunk_by(|a, b| size(a) == size(b)) {
            if let [only] = equals {
                queue.push((*only, wanted[*only]));
                continue;
            }
            let mut lots: Vec<(f64, usize)> = Vec::new();
            for workload in equals {
                let name = (*workload as u64) << 32 | u64::from(time);
                let lot = |pod| random::keyed(self.supply_key, [name, u64::from(pod)]);
                lots.extend((0..wanted[*workload]).map(|pod| (lot(pod), *workload)));
            }
            lots.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            queue.extend(lots.into_iter().map(|(_, workload)| (workload, 1)));
        }
        queue
    }
}

impl Round {
    /// Adds existing nodes, before all others, which only pods of workloads from `first` on may use.
    pub(in crate::cluster::autoscale) fn add_rooms(&mut self, rooms: Vec<Room>, first: usize) {
        let Rooms::Owned(all) = &mut self.rooms else { return };
        for from in &mut self.from[..first] {
            *from = rooms.len();
        }
        all.splice(0..0, rooms);
    }

    /// Existing nodes, where the round has them for itself.
    pub(in crate::cluster::autoscale) fn rooms(&self) -> &[Room] {
        self.rooms.owned()
    }

    /// Places so many pods of each workload; gives how many are left. `time` names the lots of pods of one
    /// size.
    pub(in crate::cluster::autoscale) fn place_all(
        &mut self,
        cluster: &Cluster,
        policy: &Policy,
        wanted: Vec<u32>,
        time: Second,
    ) -> Vec<u32> {
        let mut left = wanted;
        let mut queue = cluster.queue(policy, &left, time);
        // How many pods had been placed when a workload's pod found no place: the next finds none either.
        let mut stuck = vec![usize::MAX; left.len()];
        let mut placed = 0;
        loop {
            let before = placed;
            for (workload, count) in &mut queue {
                while *count > 0 && stuck[*workload] != placed {
                    if self.place(cluster, policy, *workload) {
                        *count -= 1;
                        left[*workload] -= 1;
                        placed += 1;
                    } else {
                        stuck[*workload] = placed;
                    }
                    if self.given_up {
                        return left;
                    }
                }
            }
            queue.retain(|(_, count)| *count > 0);
            if queue.is_empty() || placed == before {
                return left;
            }
        }
    }

    /// Places one pod, without preferences that no place meets.
    fn place(&mut self, cluster: &Cluster, policy: &Policy, workload: usize) -> bool {
        let asks = &policy.workloads[workload];
        let mut demands = Demands::all(policy);
        let waited = std::mem::take(&mut self.waits);
        let placed = loop {
            let zones = self.open_zones(policy, workload, demands);
            let around = asks.affinity.as_deref().map(|affinity| {
                let certain = |of: usize| used_zones(&self.zones[of]);
                let possible = |of: usize| certain(of) | self.possible[of];
                Surroundings::new((affinity, workload), demands.dropped, certain, possible)
            });
            let sought = Sought { workload, demands, zones, around };
            if zones & sought.near_zones() != 0
                && (self.place_existing(cluster, policy, &sought)
                    || self.place_planned(policy, &sought)
                    || self.place_new(cluster, policy, &sought))
            {
                break true;
            }
            match demands.relaxed(asks) {
                // A preference stays while a reservation may yet be free.
                Some(relaxed) if !self.given_up && !self.waits => demands = relaxed,
                _ => break false,
            }
        };
        self.waits |= waited;
        placed
    }

    /// Zones that may take one more pod. A zone counts where the pod's pools buy, or where its pods are.
    fn open_zones(&self, policy: &Policy, workload: usize, demands: Demands) -> u8 {
        let Some(spread) = demands.zones(&policy.workloads[workload]) else { return u8::MAX };
        let counts = &self.zones[workload];
        let used = (0..MOST_ZONES).filter(|zone| counts[*zone] > 0);
        let there = used.fold(zones_of(policy, workload), |bits, zone| bits | 1 << zone);
        open_zones(there, counts, spread.max_skew)
    }

    /// Of these zones, the one with the fewest pods where a spread over zones is held, and those that affinity
    /// leaves.
    fn pinned(&self, asks: &Deployment, sought: &Sought<'_>, zones: u8) -> u8 {
        let near = sought.near_zones();
        let within = if sought.demands.zones(asks).is_none() {
            zones
        } else {
            let counts = &self.zones[sought.workload];
            let open = (0..MOST_ZONES).filter(|zone| zones & (1 << zone) != 0);
            open.min_by_key(|zone| (counts[*zone], near & (1 << zone) == 0))
                .map_or(0, |zone| 1 << zone)
        };
        let left = within & near;
        let in_one_zone = sought.around.is_some_and(|around| around.in_one_zone);
        if in_one_zone { left & left.wrapping_neg() } else { left }
    }

    fn place_existing(&mut self, cluster: &Cluster, policy: &Policy, sought: &Sought<'_>) -> bool {
        let Sought { workload, demands, zones, .. } = *sought;
        let zones = zones & sought.near_zones();
        let asks = &policy.workloads[workload];
        let hosts = demands.hosts(asks);
        let affinity = asks.affinity.as_deref();
        let pods_on = |room: &Room, of: usize| {
            let before = cluster.nodes[room.index].as_ref().map_or(0, |node| node.pods[of]);
            let taken = room.taken.iter().find(|(workload, _)| *workload == of);
            before + taken.map_or(0, |(_, count)| *count)
        };
        let mut passed = true;
        let places = self.rooms.places(policy, workload);
        for position in self.from[workload]..places.len() {
            let place = places.at(position);
            let Some(room) = self.rooms.get(place).filter(|room| room.holds(asks)) else {
                // Rooms only fill up: what holds none now holds none later.
                if passed {
                    self.from[workload] = position + 1;
                }
                continue;
            };
            passed = false;
            let crowded = hosts.is_some_and(|spread| pods_on(room, workload) >= spread.max_skew);
            if zones & (1 << room.zone) == 0
                || demands.avoids(asks, room.group)
                || crowded
                || affinity.is_some_and(|affinity| !affinity.admits(demands.pick, room.offer))
                || !sought.allows_host(|of| pods_on(room, of))
            {
                continue;
            }
            let Some(room) = self.rooms.get_mut(place) else { continue };
            room.take(asks, workload);
            self.zones[workload][usize::from(room.zone)] += 1;
            return true;
        }
        false
    }

    fn place_planned(&mut self, policy: &Policy, sought: &Sought<'_>) -> bool {
        let Sought { workload, demands, zones, .. } = *sought;
        let asks = &policy.workloads[workload];
        let hosts = demands.hosts(asks);
        let asker = Asker { workload, pick: demands.pick };
        let bit = 1_u64.checked_shl(workload as u32).unwrap_or(0);
        for place in 0..self.order.len() {
            let index = self.order[place];
            if self.full[index] & bit != 0 {
                continue;
            }
            let claim = &self.claims[index];
            if demands.avoids(asks, policy.pools[claim.pool].group)
                || hosts.is_some_and(|spread| claim.count(workload) >= spread.max_skew)
                || !sought.allows_host(|of| claim.count(of))
            {
                continue;
            }
            let within = self.pinned(asks, sought, zones & claim.zones);
            let grown = match claim.with(policy, asker, within, &self.seats) {
                Ok(grown) => grown,
                Err(misfit) => {
                    // Claims only fill up: what holds none in any of its zones now holds none later. A
                    // reservation may become free again.
                    let plain = Asker { workload, pick: Pick::NONE };
                    let in_any = || claim.with(policy, plain, claim.zones, &self.seats);
                    if misfit == Misfit::Full && in_any().err() == Some(Misfit::Full) {
                        self.full[index] |= bit;
                    }
                    continue;
                }
            };
            self.seats.hold(claim.reserved, grown.reserved);
            self.claims[index].add(policy, asker, grown);
            self.note_planned(policy, workload, index);
            let pods = self.claims[index].requested.pods;
            let after = &self.order[place + 1..];
            let fewer = after.partition_point(|other| self.claims[*other].requested.pods < pods);
            self.order[place..=place + fewer].rotate_left(1);
            return true;
        }
        false
    }

    /// Counts a pod of a claim in the claim's zone, and holds the claim to the bounds.
    fn note_planned(&mut self, policy: &Policy, workload: usize, index: usize) {
        let claim = &self.claims[index];
        if claim.zones.is_power_of_two() {
            self.zones[workload][claim.zones.trailing_zeros() as usize] += 1;
        }
        if let Some(possible) = self.possible.get_mut(workload) {
            *possible |= claim.zones;
        }
        if self.bounds.price < f64::INFINITY {
            self.given_up |= claim.cheapest(policy) >= self.bounds.price;
        }
    }

    fn place_new(&mut self, cluster: &Cluster, policy: &Policy, sought: &Sought<'_>) -> bool {
        let Sought { workload, demands, zones, .. } = *sought;
        if !sought.allows_host(|_| 0) {
            return false;
        }
        let asks = &policy.workloads[workload];
        if self.sizes.is_empty() {
            self.sizes = match &self.rooms {
                Rooms::Owned(_) => cluster.pool_sizes(policy),
                Rooms::Shared(view) => {
                    view.stock.sizes.get_or_init(|| cluster.pool_sizes(policy)).clone()
                }
            };
        }
        for pool in 0..policy.pools.len() {
            let rules = &policy.pools[pool];
            // Pods bring a static pool no nodes.
            if rules.replicas.is_some() || demands.avoids(asks, rules.group) {
                continue;
            }
            let within = self.pinned(asks, sought, zones & rules.zones);
            let asker = Asker { workload, pick: demands.pick };
            let Some(claim) = self.open_in(cluster, policy, pool, asker, within) else {
                // Pools of a lower weight do not step in for a reservation that may yet be free.
                if self.waits {
                    return false;
                }
                continue;
            };
            if self.claims.len() >= self.bounds.claims {
                self.given_up = true;
                return false;
            }
            let size = &mut self.sizes[pool];
            if rules.limits.cpu.is_some() || rules.limits.memory.is_some() {
                size.machines += claim.largest(policy);
            }
            if claim.buys.spot {
                size.spot += 1;
            } else {
                size.on_demand += 1;
            }
            self.seats.hold(0, claim.reserved);
            let index = self.claims.len();
            let fewest =
                self.order.partition_point(|other| self.claims[*other].requested.pods <= 1);
            self.order.insert(fewest, index);
            self.full.push(0);
            self.claims.push(claim);
            self.note_planned(policy, workload, index);
            return true;
        }
        false
    }

    fn open_in(
        &mut self,
        cluster: &Cluster,
        policy: &Policy,
        pool: usize,
        asker: Asker,
        zones: u8,
    ) -> Option<Claim> {
        let (rules, size) = (&policy.pools[pool], self.sizes[pool]);
        if rules.limits.nodes.is_some_and(|most| size.on_demand + size.spot >= most) {
            self.limited |= policy.workloads[asker.workload].groups.contains(rules.group);
            return None;
        }
        let allowance = Allowance {
            vcpu_milli: rules.limits.cpu.map(|limit| limit - size.machines.vcpu_milli),
            memory_mib: rules.limits.memory.map(|limit| limit - size.machines.memory_mib),
        };
        let tries = purchases(rules, size);
        for buys in tries {
            let empty = EmptyNode { pool, buys, allowance, zones };
            let claim = match try_claim(policy, &empty, asker, &self.seats) {
                Ok(claim) => claim,
                Err(Misfit::Full) => continue,
                Err(Misfit::Waits) => {
                    self.waits = true;
                    return None;
                }
            };
            if let Some(claim) = without_shortage(cluster, policy, claim) {
                return Some(claim);
            }
        }
        let allows = |buys: ByPurchase<bool>| {
            let empty = EmptyNode { pool, buys, allowance: Allowance::UNLIMITED, zones };
            try_claim(policy, &empty, asker, &self.seats).is_ok()
        };
        self.limited |= allowance != Allowance::UNLIMITED && tries.into_iter().any(allows);
        None
    }
}
