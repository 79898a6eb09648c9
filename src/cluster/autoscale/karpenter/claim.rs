//! A node being planned: the pods it is for, and every offer that still holds them.
//!
//! A planned node holds an instance of each capacity reservation that it might use, until its pods rule that one
//! out; pods that a reservation would take, were it not held by other planned nodes, wait for the next round.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/nodeclaim.go#offeringsToReserve`,
//! `#CanAdd`, `reservationmanager.go`, commit 1987b1c.

use super::{
    round::count_pod,
    seats::{Seats, bit},
};
use crate::cluster::autoscale::policy::{
    Deployment, Offer, Policy, Purchase,
    affinity::{Affinity, Pick},
};

/// A node being planned: its pods, and which offers still hold them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cluster::autoscale) struct Claim {
    pub(in crate::cluster::autoscale) pool: usize,
    /// Zones left to it, one bit each.
    pub(in crate::cluster::autoscale) zones: u8,
    /// Purchase options left to it: on-demand, spot.
    pub(in crate::cluster::autoscale) buys: [bool; 2],
    /// Places in the pool's offers before which none holds the pods: on-demand, spot.
    first: [usize; 2],
    /// Capacity reservations that it holds an instance of, one bit each: with any, it is bought there.
    pub(in crate::cluster::autoscale) reserved: u64,
    /// Distinct instance types and families that it keeps.
    min_values: (u32, u32),
    cpu: i64,
    memory: i64,
    pub(super) pods: i64,
    /// What the pool's limit leaves for this node: vCPUs [millicores], memory [MiB].
    room: [i64; 2],
    /// Pods by workload.
    pub(in crate::cluster::autoscale) workloads: Vec<(usize, u32)>,
    /// Of these workloads, those that refuse some of the offers.
    picky: Vec<Picky>,
}

/// A workload that refuses some offers, and the pick of its terms that its pods came with.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Picky {
    workload: usize,
    pick: Pick,
}

/// How a claim would stand with one more pod.
#[derive(Clone, Copy)]
pub(super) struct With {
    first: [usize; 2],
    zones: u8,
    pick: Pick,
    pub(super) reserved: u64,
}

/// Why a claim takes no further pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// No offer holds it.
    Full,
    /// Only a reservation that other planned nodes hold would, for now.
    Waits,
}

const PURCHASES: [Purchase; 2] = [Purchase::OnDemand, Purchase::Spot];

impl Claim {
    /// A node of a pool without pods.
    pub(super) fn empty(policy: &Policy, pool: usize, buys: [bool; 2]) -> Self {
        Self {
            pool,
            zones: policy.pools[pool].zones,
            buys,
            first: [0, 0],
            reserved: 0,
            min_values: policy.pools[pool].min_values,
            cpu: 0,
            memory: 0,
            pods: 0,
            room: [i64::MAX; 2],
            workloads: Vec::new(),
            picky: Vec::new(),
        }
    }

    fn fits(
        &self,
        policy: &Policy,
        index: usize,
        [cpu, memory, pods]: [i64; 3],
        zones: u8,
    ) -> bool {
        let offer = &policy.offers[index];
        let [more_cpu, more_memory, more_pods] =
            policy.withheld.get(index).copied().unwrap_or_default();
        offer.cpu >= cpu + more_cpu
            && offer.memory >= memory + more_memory
            && offer.pods >= pods + more_pods
            && offer.vcpu_milli <= self.room[0]
            && offer.capacity_mib <= self.room[1]
            && offer.zones & zones != 0
            && self
                .picky
                .iter()
                .all(|picky| policy.workloads[picky.workload].admits_as(picky.pick, index))
    }

    /// How it stands with one more pod in these zones.
    ///
    /// # Errors
    /// Why it takes none.
    pub(super) fn with(
        &self,
        policy: &Policy,
        (workload, pick): (usize, Pick),
        zones: u8,
        seats: &Seats,
    ) -> Result<With, Misfit> {
        let asks = &policy.workloads[workload];
        let pool = &policy.pools[self.pool];
        if zones == 0 || asks.groups & (1 << pool.group) == 0 {
            return Err(Misfit::Full);
        }
        let sums = [self.cpu + asks.request_cpu, self.memory + asks.request_memory, self.pods + 1];
        // Sums only grow and zones only shrink, so the offers already passed over stay passed over.
        let first = [0, 1].map(|way: usize| {
            let offers = pool.offers(PURCHASES[way]);
            if !self.buys[way] {
                return offers.len();
            }
            let from = self.first[way];
            let next = offers[from..].iter().position(|offer| {
                asks.admits_as(pick, *offer) && self.fits(policy, *offer, sums, zones)
            });
            next.map_or(offers.len(), |next| from + next)
        });
        let any = (0..2).any(|way| first[way] < pool.offers(PURCHASES[way]).len());
        let reserved = if seats.is_any() {
            self.reservations_with(policy, (asks, pick), (sums, zones), seats)?
        } else {
            0
        };
        let enough = self.min_values == (0, 0)
            || self
                .grown(policy, (workload, pick), (first, sums, zones, reserved))
                .keeps_values(policy);
        let fits = (any || reserved != 0) && enough;
        if fits { Ok(With { first, zones, pick, reserved }) } else { Err(Misfit::Full) }
    }

    /// The reservations that it would hold with these sums in these zones. Those that it might use but other
    /// planned nodes hold make the pod wait, as giving all of them up would.
    fn reservations_with(
        &self,
        policy: &Policy,
        (asks, pick): (&Deployment, Pick),
        (sums, zones): ([i64; 3], u8),
        seats: &Seats,
    ) -> Result<u64, Misfit> {
        let mut might = self.reserved != 0;
        let mut reserved = 0;
        for seat in seats.open(policy, policy.pools[self.pool].group) {
            if asks.admits_as(pick, seat.offer) && self.fits(policy, seat.offer, sums, zones) {
                might = true;
                if seats.can_hold(seat, self.reserved) {
                    reserved |= bit(seat);
                }
            }
        }
        if might && reserved == 0 { Err(Misfit::Waits) } else { Ok(reserved) }
    }

    /// A copy with one more pod.
    fn grown(
        &self,
        policy: &Policy,
        (workload, pick): (usize, Pick),
        (first, [cpu, memory, pods], zones, reserved): ([usize; 2], [i64; 3], u8, u64),
    ) -> Self {
        let mut grown = Self { zones, first, reserved, cpu, memory, pods, ..self.clone() };
        grown.note_picky(policy, workload, pick);
        grown
    }

    /// Distinct instance types and families that still hold its pods.
    fn values(&self, policy: &Policy) -> (u32, u32) {
        let distinct = |of: fn(&Offer) -> u32| {
            let mut values: Vec<u32> = self.offers(policy).map(|o| of(&policy.offers[o])).collect();
            values.sort_unstable();
            values.dedup();
            values.len() as u32
        };
        (distinct(|offer| offer.type_id), distinct(|offer| offer.family_id))
    }

    fn keeps_values(&self, policy: &Policy) -> bool {
        let (types, families) = self.values(policy);
        types >= self.min_values.0 && families >= self.min_values.1
    }

    /// Asks for no more distinct values than a first pod leaves (`MIN_VALUES_POLICY=BestEffort`).
    fn relax_values(&mut self, policy: &Policy, asker: (usize, Pick), zones: u8) {
        let asks = &policy.workloads[asker.0];
        let (cpu, memory) = (asks.request_cpu, asks.request_memory);
        let alone = ([0, 0], [cpu, memory, 1], zones, self.reserved);
        let (types, families) = self.grown(policy, asker, alone).values(policy);
        self.min_values = (self.min_values.0.min(types), self.min_values.1.min(families));
    }

    /// Whether an offer still holds its pods.
    pub(super) fn holds(&self, policy: &Policy, offer: usize) -> bool {
        self.fits(policy, offer, [self.cpu, self.memory, self.pods], self.zones)
    }

    /// Every offer that still holds its pods, on-demand ones first, each cheapest first, then those of
    /// reservations.
    pub(in crate::cluster::autoscale) fn offers<'a>(
        &'a self,
        policy: &'a Policy,
    ) -> impl Iterator<Item = usize> + 'a {
        (0..2).flat_map(move |way| self.offers_of(policy, way)).chain(self.reserved_offers(policy))
    }

    /// The offers of the reservations that it holds.
    pub(in crate::cluster::autoscale) fn reserved_offers<'a>(
        &'a self,
        policy: &'a Policy,
    ) -> impl Iterator<Item = usize> + 'a {
        let seats = policy.supply.seats.iter().filter(|_| self.reserved != 0);
        let group = policy.pools[self.pool].group;
        let held = seats.filter(move |seat| {
            seat.group == group
                && self.reserved & bit(**seat) != 0
                && self.holds(policy, seat.offer)
        });
        held.map(|seat| seat.offer)
    }

    /// The same of one purchase option: 0 is on-demand, 1 is spot.
    pub(in crate::cluster::autoscale) fn offers_of<'a>(
        &'a self,
        policy: &'a Policy,
        way: usize,
    ) -> impl Iterator<Item = usize> + 'a {
        let offers = policy.pools[self.pool].offers(PURCHASES[way]);
        let offers = if self.buys[way] { &offers[self.first[way]..] } else { &[] };
        let sums = [self.cpu, self.memory, self.pods];
        let fits = move |offer: &&usize| self.fits(policy, **offer, sums, self.zones);
        offers.iter().filter(fits).copied()
    }

    /// The most this claim may yet grow to: what Karpenter charges to the limit within a round.
    pub(super) fn largest(&self, policy: &Policy) -> [i64; 2] {
        let mut most = [0, 0];
        for offer in self.offers(policy) {
            let offer = &policy.offers[offer];
            most = [most[0].max(offer.vcpu_milli), most[1].max(offer.capacity_mib)];
        }
        most
    }

    pub(super) fn add(&mut self, policy: &Policy, workload: usize, with: With) {
        let asks = &policy.workloads[workload];
        self.first = with.first;
        self.zones = with.zones;
        self.reserved = with.reserved;
        self.cpu += asks.request_cpu;
        self.memory += asks.request_memory;
        self.pods += 1;
        self.note_picky(policy, workload, with.pick);
        count_pod(&mut self.workloads, workload);
    }

    fn note_picky(&mut self, policy: &Policy, workload: usize, pick: Pick) {
        let asks = &policy.workloads[workload];
        let picky =
            !asks.refused.is_empty() || asks.affinity.as_deref().is_some_and(Affinity::names_nodes);
        let new = Picky { workload, pick };
        if picky && !self.picky.contains(&new) {
            self.picky.push(new);
        }
    }

    /// The price of its cheapest offer.
    pub(super) fn cheapest(&self, policy: &Policy) -> f64 {
        let pool = &policy.pools[self.pool];
        let price = |way: usize| {
            let first = pool.offers(PURCHASES[way]).get(self.first[way]).filter(|_| self.buys[way]);
            first.map_or(f64::INFINITY, |offer| policy.offers[*offer].price)
        };
        let reserved = self.reserved_offers(policy).map(|offer| policy.offers[offer].price);
        reserved.fold(price(0).min(price(1)), f64::min)
    }

    pub(super) fn count(&self, workload: usize) -> u32 {
        let own = self.workloads.iter().filter(|(of, _)| *of == workload);
        own.map(|(_, count)| count).sum()
    }
}

/// A claim of a pool for a first pod.
///
/// # Errors
/// Why the pool has no node for it.
pub(super) fn try_claim(
    policy: &Policy,
    (pool, buys, room): (usize, [bool; 2], [i64; 2]),
    (asker, zones): ((usize, Pick), u8),
    seats: &Seats,
) -> Result<Claim, Misfit> {
    let mut claim = Claim { zones, room, ..Claim::empty(policy, pool, buys) };
    if policy.supply.relaxes_min_values && claim.min_values != (0, 0) {
        claim.relax_values(policy, asker, zones);
    }
    let with = claim.with(policy, asker, zones, seats)?;
    claim.add(policy, asker.0, with);
    Ok(claim)
}
