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
use crate::cluster::autoscale::{
    policy::{
        MinValues, Offer, Policy,
        affinity::{Affinity, Pick},
    },
    purchase::{ByPurchase, Market},
    resources::{Allowance, MachineSize, Resources},
};

/// A node being planned: its pods, and which offers still hold them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cluster::autoscale) struct Claim {
    pub(in crate::cluster::autoscale) pool: usize,
    /// Zones left to it, one bit each.
    pub(in crate::cluster::autoscale) zones: u8,
    /// Purchase options left to it.
    pub(in crate::cluster::autoscale) buys: ByPurchase<bool>,
    /// Places in the pool's offers before which none holds the pods.
    first: ByPurchase<usize>,
    /// Capacity reservations that it holds an instance of, one bit each: with any, it is bought there.
    pub(in crate::cluster::autoscale) reserved: u64,
    /// Distinct values that its types keep.
    min_values: MinValues,
    /// What its pods request.
    pub(super) requested: Resources,
    /// What the pool's limits leave for this node.
    allowance: Allowance,
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

/// A workload whose pod asks for a place, and the pick of its terms that the pod comes with.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) workload: usize,
    pub(super) pick: Pick,
}

/// What a claim becomes with one more pod.
#[derive(Clone, Copy)]
pub(super) struct Grown {
    first: ByPurchase<usize>,
    zones: u8,
    requested: Resources,
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

impl Claim {
    /// A node of a pool without pods.
    pub(super) fn empty(policy: &Policy, pool: usize, buys: ByPurchase<bool>) -> Self {
        Self {
            pool,
            zones: policy.pools[pool].zones,
            buys,
            first: ByPurchase::default(),
            reserved: 0,
            min_values: policy.pools[pool].min_values,
            requested: Resources::default(),
            allowance: Allowance::UNLIMITED,
            workloads: Vec::new(),
            picky: Vec::new(),
        }
    }

    fn fits(&self, policy: &Policy, index: usize, requested: Resources, zones: u8) -> bool {
        let offer = &policy.offers[index];
        let withheld = policy.withheld.get(index).copied().unwrap_or_default();
        offer.room().holds(requested + withheld)
            && self.allowance.admits(offer.machine())
            && offer.zones & zones != 0
            && self
                .picky
                .iter()
                .all(|picky| policy.workloads[picky.workload].admits_as(picky.pick, index))
    }

    /// Returns what it becomes with one more pod in these zones.
    ///
    /// # Errors
    /// Why it takes none.
    pub(super) fn with(
        &self,
        policy: &Policy,
        asker: Asker,
        zones: u8,
        seats: &Seats,
    ) -> Result<Grown, Misfit> {
        let asks = &policy.workloads[asker.workload];
        let pool = &policy.pools[self.pool];
        if zones == 0 || !asks.groups.contains(pool.group) {
            return Err(Misfit::Full);
        }
        let requested = self.requested + asks.requests();
        // Sums only grow and zones only shrink, so the offers already passed over stay passed over.
        let first = ByPurchase::new(|market| {
            let offers = pool.offers(market.into());
            if !self.buys.get(market) {
                return offers.len();
            }
            let from = self.first.get(market);
            let next = offers[from..].iter().position(|offer| {
                asks.admits_as(asker.pick, *offer) && self.fits(policy, *offer, requested, zones)
            });
            next.map_or(offers.len(), |next| from + next)
        });
        let any = Market::ALL
            .into_iter()
            .any(|market| first.get(market) < pool.offers(market.into()).len());
        let mut grown = Grown { first, zones, requested, reserved: 0 };
        if seats.is_any() {
            grown.reserved = self.reservations_with(policy, asker, &grown, seats)?;
        }
        let enough = self.min_values == MinValues::NONE
            || self.grown(policy, asker, grown).keeps_values(policy);
        let fits = (any || grown.reserved != 0) && enough;
        if fits { Ok(grown) } else { Err(Misfit::Full) }
    }

    /// The reservations that it would hold once grown. Those that it might use but other
    /// planned nodes hold make the pod wait, as giving all of them up would.
    fn reservations_with(
        &self,
        policy: &Policy,
        asker: Asker,
        grown: &Grown,
        seats: &Seats,
    ) -> Result<u64, Misfit> {
        let asks = &policy.workloads[asker.workload];
        let mut might = self.reserved != 0;
        let mut reserved = 0;
        for seat in seats.open(policy, policy.pools[self.pool].group) {
            if asks.admits_as(asker.pick, seat.offer)
                && self.fits(policy, seat.offer, grown.requested, grown.zones)
            {
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
        asker: Asker,
        Grown { first, zones, requested, reserved }: Grown,
    ) -> Self {
        let mut grown = Self { zones, first, reserved, requested, ..self.clone() };
        grown.note_picky(policy, asker);
        grown
    }

    /// Distinct values of the types that still hold its pods.
    fn values(&self, policy: &Policy) -> MinValues {
        let distinct = |value: fn(&Offer) -> u32| {
            let offers = self.offers(policy).map(|offer| value(&policy.offers[offer]));
            let mut values: Vec<u32> = offers.collect();
            values.sort_unstable();
            values.dedup();
            values.len() as u32
        };
        MinValues {
            types: distinct(|offer| offer.type_id),
            families: distinct(|offer| offer.family_id),
        }
    }

    fn keeps_values(&self, policy: &Policy) -> bool {
        let values = self.values(policy);
        values.types >= self.min_values.types && values.families >= self.min_values.families
    }

    /// Asks for no more distinct values than a first pod leaves (`MIN_VALUES_POLICY=BestEffort`).
    fn relax_values(&mut self, policy: &Policy, asker: Asker, zones: u8) {
        let alone = Grown {
            first: ByPurchase::default(),
            zones,
            requested: policy.workloads[asker.workload].requests(),
            reserved: self.reserved,
        };
        let values = self.grown(policy, asker, alone).values(policy);
        self.min_values = MinValues {
            types: self.min_values.types.min(values.types),
            families: self.min_values.families.min(values.families),
        };
    }

    /// Whether an offer still holds its pods.
    pub(super) fn holds(&self, policy: &Policy, offer: usize) -> bool {
        self.fits(policy, offer, self.requested, self.zones)
    }

    /// Every offer that still holds its pods, on-demand ones first, each cheapest first, then those of
    /// reservations.
    pub(in crate::cluster::autoscale) fn offers<'a>(
        &'a self,
        policy: &'a Policy,
    ) -> impl Iterator<Item = usize> + 'a {
        let markets = Market::ALL.into_iter();
        markets
            .flat_map(move |market| self.offers_of(policy, market))
            .chain(self.reserved_offers(policy))
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

    /// The same of one purchase option.
    pub(in crate::cluster::autoscale) fn offers_of<'a>(
        &'a self,
        policy: &'a Policy,
        market: Market,
    ) -> impl Iterator<Item = usize> + 'a {
        let offers = policy.pools[self.pool].offers(market.into());
        let offers = if self.buys.get(market) { &offers[self.first.get(market)..] } else { &[] };
        let fits = move |offer: &&usize| self.holds(policy, **offer);
        offers.iter().filter(fits).copied()
    }

    /// The most this claim may yet grow to: what Karpenter charges to the limit within a round.
    pub(super) fn largest(&self, policy: &Policy) -> MachineSize {
        let mut most = MachineSize::default();
        for offer in self.offers(policy) {
            let machine = policy.offers[offer].machine();
            most.vcpu_milli = most.vcpu_milli.max(machine.vcpu_milli);
            most.memory_mib = most.memory_mib.max(machine.memory_mib);
        }
        most
    }

    pub(super) fn add(&mut self, policy: &Policy, asker: Asker, grown: Grown) {
        Grown {
            first: self.first,
            zones: self.zones,
            requested: self.requested,
            reserved: self.reserved,
        } = grown;
        self.note_picky(policy, asker);
        count_pod(&mut self.workloads, asker.workload);
    }

    fn note_picky(&mut self, policy: &Policy, Asker { workload, pick }: Asker) {
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
        let price = |market: Market| {
            let offers = pool.offers(market.into());
            let first = offers.get(self.first.get(market)).filter(|_| self.buys.get(market));
            first.map_or(f64::INFINITY, |offer| policy.offers[*offer].price)
        };
        let reserved = self.reserved_offers(policy).map(|offer| policy.offers[offer].price);
        reserved.fold(price(Market::OnDemand).min(price(Market::Spot)), f64::min)
    }

    pub(super) fn count(&self, workload: usize) -> u32 {
        let counts = self.workloads.iter().filter(|(place, _)| *place == workload);
        counts.map(|(_, count)| count).sum()
    }
}

/// What a pool would buy for a first pod.
#[derive(Clone, Copy)]
pub(super) struct EmptyNode {
    pub(super) pool: usize,
    pub(super) buys: ByPurchase<bool>,
    pub(super) allowance: Allowance,
    pub(super) zones: u8,
}

/// A claim of a pool for a first pod.
///
/// # Errors
/// Why the pool has no node for it.
pub(super) fn try_claim(
    policy: &Policy,
    empty: &EmptyNode,
    asker: Asker,
    seats: &Seats,
) -> Result<Claim, Misfit> {
    let EmptyNode { pool, buys, allowance, zones } = *empty;
    let mut claim = Claim { zones, allowance, ..Claim::empty(policy, pool, buys) };
    if policy.supply.relaxes_min_values && claim.min_values != MinValues::NONE {
        claim.relax_values(policy, asker, zones);
    }
    let grown = claim.with(policy, asker, zones, seats)?;
    claim.add(policy, asker, grown);
    Ok(claim)
}
