//! A node being planned: the pods it is for, and every offer that still holds them.

use super::round::count_pod;
use crate::autoscale::policy::{
    Offer, Policy, Purchase,
    affinity::{Affinity, Pick},
};

/// A node being planned: its pods, and which offers still hold them.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::autoscale) struct Claim {
    pub(in crate::autoscale) pool: usize,
    /// Zones left to it, one bit each.
    pub(in crate::autoscale) zones: u8,
    /// Purchase options left to it: on-demand, spot.
    pub(in crate::autoscale) buys: [bool; 2],
    /// Places in the pool's offers before which none holds the pods: on-demand, spot.
    first: [usize; 2],
    cpu: i64,
    memory: i64,
    pub(super) pods: i64,
    /// What the pool's limit leaves for this node: vCPUs [millicores], memory [MiB].
    room: [i64; 2],
    /// Pods by workload.
    pub(in crate::autoscale) workloads: Vec<(usize, u32)>,
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

    /// How it stands with one more pod in these zones, if any offer still holds it.
    pub(super) fn with(
        &self,
        policy: &Policy,
        workload: usize,
        pick: Pick,
        zones: u8,
    ) -> Option<With> {
        let asks = &policy.workloads[workload];
        let pool = &policy.pools[self.pool];
        if zones == 0 || asks.groups & (1 << pool.group) == 0 {
            return None;
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
        let enough = pool.min_values == (0, 0) || {
            let mut grown =
                Self { first, cpu: sums[0], memory: sums[1], pods: sums[2], zones, ..self.clone() };
            grown.note_picky(policy, workload, pick);
            grown.keeps_values(policy)
        };
        (any && enough).then_some(With { first, zones, pick })
    }

    fn keeps_values(&self, policy: &Policy) -> bool {
        let pool = &policy.pools[self.pool];
        let distinct = |of: fn(&Offer) -> u32| {
            let mut values: Vec<u32> = self.offers(policy).map(|o| of(&policy.offers[o])).collect();
            values.sort_unstable();
            values.dedup();
            values.len()
        };
        distinct(|offer| offer.type_id) >= pool.min_values.0 as usize
            && distinct(|offer| offer.family_id) >= pool.min_values.1 as usize
    }

    /// Every offer that still holds its pods, on-demand ones first, each cheapest first.
    pub(in crate::autoscale) fn offers<'a>(
        &'a self,
        policy: &'a Policy,
    ) -> impl Iterator<Item = usize> + 'a {
        (0..2).flat_map(move |way| self.offers_of(policy, way))
    }

    /// The same of one purchase option: 0 is on-demand, 1 is spot.
    pub(in crate::autoscale) fn offers_of<'a>(
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
        price(0).min(price(1))
    }

    pub(super) fn count(&self, workload: usize) -> u32 {
        let own = self.workloads.iter().filter(|(of, _)| *of == workload);
        own.map(|(_, count)| count).sum()
    }
}

pub(super) fn try_claim(
    policy: &Policy,
    (pool, buys, room): (usize, [bool; 2], [i64; 2]),
    (workload, pick): (usize, Pick),
    zones: u8,
) -> Option<Claim> {
    let mut claim = Claim { zones, room, ..Claim::empty(policy, pool, buys) };
    let with = claim.with(policy, workload, pick, zones)?;
    claim.add(policy, workload, with);
    Some(claim)
}
