//! New nodes for pods that fit nowhere.
//!
//! # Formula
//! ```text
//! pods in order of CPU, then memory, greatest first
//! a planned node keeps every offer that still holds the sum of its pods; the launch takes the cheapest
//! types above what is left of the pool's limit are dropped; a planned node counts as its largest type
//! spot next, when  spot nodes + 1 ≤ spot_share × (nodes + 1)
//! ```
//! So packing goes on until the largest allowed type is full, and only then a second node opens.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/scheduler.go#add` and
//! `nodeclaim.go#CanAdd` (fewest pods first, shrinking set of types), commit 2266468.
//! # Limits
//! One batch a tick. Spot takes the cheapest type with supply, where AWS weighs price and depth:
//! the price paid is understated by 2 to 15 %.

use super::{
    Cluster,
    policy::{Policy, Purchase},
};

/// A node being planned: its pods, and the cheapest offer that still holds them.
struct Claim {
    pool: usize,
    purchase: Purchase,
    /// Place in the pool's offers, cheapest first.
    cheapest: usize,
    cpu: i64,
    memory: i64,
    pods: i64,
    /// vCPUs that the pool's limit leaves for this node [millicores]; larger types are dropped.
    room: i64,
    workloads: Vec<usize>,
}

impl Claim {
    /// The cheapest offer that holds the claim with one more pod, if any does.
    fn with(&self, policy: &Policy, workload: usize) -> Option<usize> {
        let asks = &policy.workloads[workload];
        if asks.groups & (1 << policy.pools[self.pool].group) == 0 {
            return None;
        }
        let (cpu, memory) = (self.cpu + asks.request_cpu, self.memory + asks.request_memory);
        let offers = policy.pools[self.pool].offers(self.purchase);
        // Sums only grow, so the offers already passed over stay passed over.
        (self.cheapest..offers.len()).find(|place| {
            let offer = &policy.offers[offers[*place]];
            offer.cpu >= cpu
                && offer.memory >= memory
                && offer.pods > self.pods
                && offer.vcpu_milli <= self.room
        })
    }

    /// The most this claim may yet grow to: what Karpenter charges to the limit within a round.
    fn largest_vcpu(&self, policy: &Policy) -> i64 {
        let offers = policy.pools[self.pool].offers(self.purchase).iter();
        let vcpus = offers.map(|offer| policy.offers[*offer].vcpu_milli);
        vcpus.filter(|vcpu| *vcpu <= self.room).max().unwrap_or(0)
    }

    fn add(&mut self, policy: &Policy, workload: usize, cheapest: usize) {
        let asks = &policy.workloads[workload];
        self.cheapest = cheapest;
        self.cpu += asks.request_cpu;
        self.memory += asks.request_memory;
        self.pods += 1;
        self.workloads.push(workload);
    }
}

impl Cluster {
    /// Plans and launches nodes for all pending pods that a pool can hold.
    pub(super) fn provision(&mut self, policy: &Policy) {
        let mut claims: Vec<Claim> = Vec::new();
        for &workload in &policy.scheduling_order {
            for _ in 0..self.workloads[workload].pending {
                if !self.place_in_claims(policy, &mut claims, workload) {
                    break; // no pool holds this pod now: it stays pending and is counted
                }
                self.workloads[workload].pending -= 1;
                self.pending -= 1;
            }
        }
        for claim in claims {
            let offer = policy.pools[claim.pool].offers(claim.purchase)[claim.cheapest];
            let node = self.launch(policy, offer, self.now + policy.node_startup_seconds);
            for workload in claim.workloads {
                self.bind(policy, workload, node);
            }
        }
    }

    fn place_in_claims(&self, policy: &Policy, claims: &mut Vec<Claim>, workload: usize) -> bool {
        let mut order: Vec<usize> = (0..claims.len()).collect();
        order.sort_by_key(|index| claims[*index].pods);
        for index in order {
            if let Some(cheapest) = claims[index].with(policy, workload) {
                claims[index].add(policy, workload, cheapest);
                return true;
            }
        }
        for pool in 0..policy.pools.len() {
            if let Some(claim) = self.open_claim(policy, claims, pool, workload) {
                claims.push(claim);
                return true;
            }
        }
        false
    }

    fn open_claim(
        &self,
        policy: &Policy,
        claims: &[Claim],
        pool: usize,
        workload: usize,
    ) -> Option<Claim> {
        let rules = &policy.pools[pool];
        let planned = |purchase| {
            claims.iter().filter(|c| c.pool == pool && c.purchase == purchase).count() as u32
        };
        let (on_demand, spot, cpu) = self.pool_size(policy, rules.group);
        let spot = spot + planned(Purchase::Spot);
        let total = on_demand + spot + planned(Purchase::OnDemand);
        let wants_spot = f64::from(spot + 1) <= rules.spot_share * f64::from(total + 1) + 1e-9;
        let order = if wants_spot {
            [Purchase::Spot, Purchase::OnDemand]
        } else {
            [Purchase::OnDemand, Purchase::Spot]
        };
        let mut room = rules.limit_cpu.map_or(i64::MAX, |limit| limit - cpu);
        if rules.limit_cpu.is_some() {
            for claim in claims.iter().filter(|claim| claim.pool == pool) {
                room -= claim.largest_vcpu(policy);
            }
        }
        order.into_iter().filter(|purchase| rules.allows(*purchase)).find_map(|purchase| {
            let mut claim = Claim {
                pool,
                purchase,
                cheapest: 0,
                cpu: 0,
                memory: 0,
                pods: 0,
                room,
                workloads: Vec::new(),
            };
            let cheapest = claim.with(policy, workload)?;
            claim.add(policy, workload, cheapest);
            Some(claim)
        })
    }

    /// On-demand nodes, spot nodes and vCPU [millicores] of a pool.
    fn pool_size(&self, policy: &Policy, group: u8) -> (u32, u32, i64) {
        let mut size = (0, 0, 0);
        for node in self.nodes() {
            let offer = &policy.offers[node.offer];
            if offer.group == group {
                size.2 += offer.vcpu_milli;
                match offer.purchase {
                    Purchase::Spot => size.1 += 1,
                    Purchase::Baseline | Purchase::OnDemand => size.0 += 1,
                }
            }
        }
        size
    }
}
