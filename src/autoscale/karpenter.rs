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

/// Nodes and vCPUs of a pool, planned ones included.
#[derive(Clone, Copy, Default)]
struct PoolSize {
    on_demand: u32,
    spot: u32,
    /// [millicores]; planned nodes count as the largest type they may become.
    vcpu: i64,
}

/// One round of provisioning.
struct Round {
    claims: Vec<Claim>,
    sizes: Vec<PoolSize>,
}

impl Cluster {
    /// Plans and launches nodes for all pending pods that a pool can hold.
    pub(super) fn provision(&mut self, policy: &Policy) {
        let mut round = Round { claims: Vec::new(), sizes: self.pool_sizes(policy) };
        for &workload in &policy.scheduling_order {
            // A claim that cannot take one pod of a workload cannot take the next.
            let mut open: Vec<usize> = (0..round.claims.len()).collect();
            while self.workloads[workload].pending > 0 {
                if !round.place(policy, &mut open, workload) {
                    break; // no pool holds this pod now: it stays pending and is counted
                }
                self.workloads[workload].pending -= 1;
                self.pending -= 1;
            }
        }
        for claim in round.claims {
            let offer = policy.pools[claim.pool].offers(claim.purchase)[claim.cheapest];
            let node = self.launch(policy, offer, self.now + policy.node_startup_seconds);
            for workload in claim.workloads {
                self.bind(policy, workload, node);
            }
        }
    }

    fn pool_sizes(&self, policy: &Policy) -> Vec<PoolSize> {
        let mut sizes = vec![PoolSize::default(); policy.pools.len()];
        for node in self.nodes() {
            let offer = &policy.offers[node.offer];
            let Some(pool) = usize::from(offer.group).checked_sub(1) else { continue };
            sizes[pool].vcpu += offer.vcpu_milli;
            match offer.purchase {
                Purchase::Spot => sizes[pool].spot += 1,
                Purchase::Baseline | Purchase::OnDemand => sizes[pool].on_demand += 1,
            }
        }
        sizes
    }

    /// vCPUs that a pool's limit leaves [millicores].
    pub(super) fn pool_room(&self, policy: &Policy, pool: usize) -> i64 {
        let limit = policy.pools[pool].limit_cpu;
        limit.map_or(i64::MAX, |limit| limit - self.pool_sizes(policy)[pool].vcpu)
    }
}

impl Round {
    /// Adds one pod to the open claim with the fewest pods that holds it, or opens one.
    fn place(&mut self, policy: &Policy, open: &mut Vec<usize>, workload: usize) -> bool {
        while let Some(place) = (0..open.len()).min_by_key(|at| self.claims[open[*at]].pods) {
            let claim = &mut self.claims[open[place]];
            if let Some(cheapest) = claim.with(policy, workload) {
                claim.add(policy, workload, cheapest);
                return true;
            }
            open.remove(place);
        }
        let opened = (0..policy.pools.len()).find_map(|pool| self.open(policy, pool, workload));
        let Some(claim) = opened else { return false };
        let size = &mut self.sizes[claim.pool];
        size.vcpu += claim.largest_vcpu(policy);
        match claim.purchase {
            Purchase::Spot => size.spot += 1,
            Purchase::Baseline | Purchase::OnDemand => size.on_demand += 1,
        }
        open.push(self.claims.len());
        self.claims.push(claim);
        true
    }

    fn open(&self, policy: &Policy, pool: usize, workload: usize) -> Option<Claim> {
        let (rules, size) = (&policy.pools[pool], self.sizes[pool]);
        let nodes = f64::from(size.on_demand + size.spot + 1);
        let wants_spot = f64::from(size.spot + 1) <= rules.spot_share * nodes + 1e-9;
        let order = if wants_spot {
            [Purchase::Spot, Purchase::OnDemand]
        } else {
            [Purchase::OnDemand, Purchase::Spot]
        };
        let room = rules.limit_cpu.map_or(i64::MAX, |limit| limit - size.vcpu);
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
}
