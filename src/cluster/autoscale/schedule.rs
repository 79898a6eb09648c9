//! Pods onto nodes that exist: filter by room, taint and spread, score, bind; and off them again.
//!
//! # Formula
//! ```text
//! least allocated = mean over cpu and memory of  (allocatable − requested after placing) × 100 / allocatable
//! balanced        = (1 − |cpu fraction − memory fraction| / 2) × 100            after placing
//! spread          = 100 × (max + min − s) / max,  s = Σ count × ln(domains + 2) + maxSkew − 1
//! labels          = 100 × Σ weights of preferences that the node meets / the most of any node
//! pods            = 100 × (s − min) / (max − min),  s = Σ weight × pods that a term names in the node's domain
//! score           = least allocated + balanced + 2 × spread + 300 where no taint is to be avoided
//!                   + 2 × labels + 2 × pods
//! DoNotSchedule   : count(domain) + 1 − min(count) ≤ maxSkew
//! ```
//! The greatest score wins; among equals the choice is random.
//! # Source
//! The default profile of kube-scheduler (`pkg/scheduler/apis/config/v1/default_plugins.go`) and its
//! plugins `noderesources/least_allocated.go`, `balanced_allocation.go`, `podtopologyspread`, `nodeaffinity`
//! (`helper/normalize_score.go`), `interpodaffinity/scoring.go`. On
//! scale-down the `ReplicaSet` controller removes pods without a node first, then pods not ready,
//! then pods on the node with most of them.
//! # Limits
//! Every node is scored; kube-scheduler stops looking at a share of them in clusters above 100 nodes.
//! Image locality is not modelled. Pods of a workload are spread by the constraints it gives; the
//! scheduler's own defaults (zone 5, hostname 3) act for those that give none.

use std::cmp::Ordering;

use super::{
    Cluster, MOST_ZONES, Second,
    batch::Batch,
    event::{Reason, Subject},
    node::{Node, Starting},
    policy::{AffinityScores, Deployment, ImagePull, Offer, Policy, Spread, Spreads},
    resources::Resources,
    tally::Refusal,
};

/// `NodeResourcesFit` with the strategy `LeastAllocated`: 0 to 100.
pub fn least_allocated(allocatable: Resources, requested: Resources) -> i64 {
    let score = |allocatable: i64, requested: i64| {
        if allocatable == 0 || requested > allocatable {
            0
        } else {
            (allocatable - requested) * 100 / allocatable
        }
    };
    i64::midpoint(
        score(allocatable.cpu, requested.cpu),
        score(allocatable.memory, requested.memory),
    )
}

/// `NodeResourcesBalancedAllocation`: 0 to 100.
pub fn balanced_allocation(allocatable: Resources, requested: Resources) -> i64 {
    let fraction =
        |allocatable: i64, requested: i64| (requested as f64 / allocatable.max(1) as f64).min(1.0);
    let cpu = fraction(allocatable.cpu, requested.cpu);
    let memory = fraction(allocatable.memory, requested.memory);
    // The standard deviation of two figures is half their distance.
    let deviation = (cpu - memory).abs() / 2.0;
    ((1.0 - deviation) * 100.0) as i64
}

/// Whether one more pod in `domain` keeps the skew (`DoNotSchedule`); below `min_domains` domains the
/// least count is 0.
pub fn spread_allows(counts: &[u32], domain: usize, max_skew: u32, min_domains: usize) -> bool {
    let least =
        if counts.len() < min_domains { 0 } else { counts.iter().copied().min().unwrap_or(0) };
    counts[domain] < least + max_skew
}

/// A node that may take the pod.
#[derive(Clone, Copy)]
struct Fit {
    index: usize,
    score: i64,
    /// What its domains hold, before it is normalized.
    crowd: f64,
    in_zone: u32,
    on_host: u32,
    /// Weights of the preferences that its labels meet, and what the pods around it add.
    likes: AffinityScores,
}

/// Which zones may take one more pod of a workload, and how many it has in each.
struct Zones {
    open: u8,
    counts: [u32; MOST_ZONES],
}

impl Cluster {
    /// Sets the wish and adds pending pods or removes pods to meet it.
    pub(super) fn set_desired(&mut self, policy: &Policy, workload: usize, desired: u32) {
        let replicas = &mut self.workloads[workload];
        let now = replicas.ready + replicas.starting + replicas.pending;
        replicas.desired = desired;
        if desired > now {
            replicas.pending += desired - now;
            self.pending += desired - now;
            self.batch.add();
        } else {
            self.remove_pods(policy, workload, now - desired);
        }
    }

    fn remove_pods(&mut self, policy: &Policy, workload: usize, mut count: u32) {
        let waiting = self.workloads[workload].pending.min(count);
        self.workloads[workload].pending -= waiting;
        self.pending -= waiting;
        count -= waiting;
        while count > 0 {
            let last = self.starting.iter().rposition(|pod| pod.workload == workload);
            let node = if let Some(index) = last {
                self.workloads[workload].starting -= 1;
                self.starting.remove(index).node
            } else {
                let Some(node) = self.node_with_most(workload) else { return };
                self.change_ready(policy, workload, -1);
                node
            };
            self.release(policy, workload, node, 1);
            if policy.workloads[workload].do_not_disrupt_seconds.is_some()
                && let Some(node) = self.nodes[node].as_mut()
            {
                node.unprotect(workload, 1, true);
            }
            count -= 1;
        }
    }

    fn node_with_most(&self, workload: usize) -> Option<usize> {
        let count = |node: &Option<Node>| node.as_ref().map_or(0, |node| node.pods[workload]);
        let most = (0..self.nodes.len()).max_by_key(|index| count(&self.nodes[*index]))?;
        (count(&self.nodes[most]) > 0).then_some(most)
    }

    /// Finds places for pending pods: ready nodes, then nodes on their way, then new ones.
    pub(super) fn settle_pending(&mut self, policy: &Policy) {
        loop {
            let before = self.pending;
            for &workload in &policy.scheduling_order {
                if self.workloads[workload].pending > 0 {
                    self.fill_ready(policy, workload);
                }
            }
            // A pod that waits for another is tried again once the other has its place.
            if self.pending == before || !policy.has_affinity() {
                break;
            }
        }
        if self.pending == 0 && policy.buffers.is_empty() {
            self.batch = Batch::NONE;
        } else if self.closes_batch(policy) {
            self.provision(policy);
        }
        for workload in 0..self.workloads.len() {
            let pods = self.workloads[workload].pending;
            if pods != self.stuck[workload] {
                self.stuck[workload] = pods;
                if pods > 0 {
                    self.note(Subject::Workload(workload), Reason::Unschedulable { pods });
                }
            }
        }
    }

    /// Pod by pod onto the best ready node.
    fn fill_ready(&mut self, policy: &Policy, workload: usize) {
        let mut fits = Vec::new();
        while self.workloads[workload].pending > 0 {
            let Some(index) = self.choose(policy, workload, &mut fits) else { return };
            self.place(policy, workload, index);
        }
    }

    /// Zones with a node that the workload selects. Taints do not take a zone out (`nodeTaintsPolicy:
    /// Ignore`), so a zone of tainted nodes alone keeps the least count at what it has.
    fn zones(&self, policy: &Policy, workload: usize, spread: Option<Spread>) -> Zones {
        let counts = self.workloads[workload].zones;
        let Some(spread) = spread.filter(|spread| spread.hard) else {
            return Zones { open: u8::MAX, counts };
        };
        let asks = &policy.workloads[workload];
        let mut there = 0_u8;
        for node in self.nodes.iter().flatten() {
            let selected = asks.selects.contains(policy.offers[node.offer].group);
            if selected && asks.admits(node.offer) {
                there |= 1 << node.zone;
            }
        }
        Zones { open: open_zones(there, &counts, spread.max_skew), counts }
    }

    /// The node that kube-scheduler would bind the next pod to.
    fn choose(&mut self, policy: &Policy, workload: usize, fits: &mut Vec<Fit>) -> Option<usize> {
        let asks = &policy.workloads[workload];
        let zones = self.zones(policy, workload, asks.zone_spread);
        let least_on_host = self.least_on_host(policy, workload);
        let affinity = asks.affinity.as_deref();
        let around = affinity.map(|affinity| self.surroundings(affinity, workload));
        fits.clear();
        let mut refused = None;
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(node) = node else { continue };
            if !node.takes_pods(self.now) || !node.takes(policy, workload) {
                continue;
            }
            let on_host = node.pods[workload];
            let crowded = asks
                .host_spread
                .is_some_and(|spread| spread.hard && on_host + 1 > least_on_host + spread.max_skew);
            if zones.open & (1 << node.zone) == 0 || crowded {
                refused = Some(Refusal::Spread);
                continue;
            }
            if around.is_some_and(|around| {
                around.zones & (1 << node.zone) == 0 || !around.allow_host(|of| node.pods[of])
            }) {
                refused = Some(Refusal::Affinity);
                continue;
            }
            let offer = &policy.offers[node.offer];
            let score = node.score(offer, asks, policy.taint_score);
            let in_zone = zones.counts[usize::from(node.zone)];
            let likes = affinity.map_or(AffinityScores::default(), |affinity| AffinityScores {
                nodes: affinity.node_weight(node.offer),
                pods: self.pull(affinity, node),
            });
            fits.push(Fit { index, score, crowd: 0.0, in_zone, on_host, likes });
        }
        // A domain's weight grows with the number of domains; hosts are those that fit.
        let weights =
            [f64::from(policy.zones), fits.len() as f64].map(|domains| (domains + 2.0).ln());
        for fit in &mut *fits {
            fit.crowd = crowd(asks, policy, [fit.in_zone, fit.on_host], weights);
        }
        if fits.is_empty() {
            if let Some(refusal) = refused {
                self.tally.refuse(refusal);
            }
            return None;
        }
        if affinity.is_some() {
            add_likes(fits, policy.affinity_weights);
        }
        let weigh = policy.spread_weight;
        let (mut most, mut least) = (f64::MIN, f64::MAX);
        for fit in &*fits {
            most = most.max(fit.crowd);
            least = least.min(fit.crowd);
        }
        let mut best: Option<(i64, usize)> = None;
        let mut equals = 0_u32;
        for fit in &*fits {
            let spread =
                if most > 0.0 { (100.0 * (most + least - fit.crowd) / most) as i64 } else { 100 };
            let score = fit.score + weigh * spread;
            match best.map_or(Ordering::Greater, |(top, _)| score.cmp(&top)) {
                Ordering::Greater => {
                    best = Some((score, fit.index));
                    equals = 1;
                }
                Ordering::Equal => {
                    equals += 1;
                    if self.luck.bits().is_multiple_of(equals) {
                        best = Some((score, fit.index));
                    }
                }
                Ordering::Less => {}
            }
        }
        best.map(|(_, index)| index)
    }

    /// The least count on a node that the workload may run on, where a hard spread asks for it.
    fn least_on_host(&self, policy: &Policy, workload: usize) -> u32 {
        let asks = &policy.workloads[workload];
        if !asks.host_spread.is_some_and(|spread| spread.hard) {
            return 0;
        }
        let eligible = self.nodes.iter().flatten().filter(|node| {
            asks.selects.contains(policy.offers[node.offer].group)
                && asks.admits(node.offer)
                && node.ready_at <= self.now
        });
        eligible.map(|node| node.pods[workload]).min().unwrap_or(0)
    }

    pub(super) fn place(&mut self, policy: &Policy, workload: usize, index: usize) {
        self.workloads[workload].pending -= 1;
        self.pending -= 1;
        self.bind(policy, workload, index);
    }

    /// Binds one pod; it serves once the node is ready, its image is there and it has started.
    pub(super) fn bind(&mut self, policy: &Policy, workload: usize, index: usize) {
        let asks = &policy.workloads[workload];
        let startup = self.luck.lognormal(asks.startup).ceil() as Second;
        let Some(node) = self.nodes[index].as_mut() else { return };
        node.free -= asks.requests();
        node.pods[workload] += 1;
        node.pod_count += 1;
        node.last_event = self.now;
        let image = 1_u64.checked_shl(workload as u32).unwrap_or(0);
        let from = node.ready_at.max(self.now);
        if let Some(seconds) = asks.do_not_disrupt_seconds {
            node.protect(workload, from.saturating_add(seconds));
        }
        if node.images & image == 0 {
            node.images |= image;
            self.tally.image_mib += asks.image_mib;
            if asks.image_mib > 0.0 {
                let ImagePull { fixed_seconds, mib_per_second } = policy.latencies.image_pull;
                let pull = (fixed_seconds + asks.image_mib / mib_per_second).ceil() as Second;
                // Images are pulled one after the other.
                node.pulling_until = node.pulling_until.max(from) + pull;
            }
        }
        let ready_at = from.max(node.pulling_until) + startup;
        let replicas = &mut self.workloads[workload];
        replicas.starting += 1;
        replicas.zones[usize::from(node.zone)] += 1;
        self.settle_at = self.now;
        let pod = Starting { ready_at, started_at: ready_at, workload, node: index };
        if asks.job.is_some() {
            self.bind_job_pod(policy, pod);
        } else {
            self.starting.push(pod);
            self.next_timer = self.next_timer.min(ready_at);
        }
    }
}

/// Adds the scores of preferred labels and of the pods around, from 0 to 100 each.
fn add_likes(fits: &mut [Fit], weights: AffinityScores) {
    let [mut labels, mut most, mut least] = [0, i64::MIN, i64::MAX];
    for fit in &*fits {
        labels = labels.max(fit.likes.nodes);
        most = most.max(fit.likes.pods);
        least = least.min(fit.likes.pods);
    }
    for fit in fits {
        if labels > 0 {
            fit.score += weights.nodes * (100 * fit.likes.nodes / labels);
        }
        if most > least {
            fit.score += weights.pods * (100 * (fit.likes.pods - least) / (most - least));
        }
    }
}

/// Zones of `there` that one more pod keeps within the skew.
pub(super) fn open_zones(there: u8, counts: &[u32; MOST_ZONES], max_skew: u32) -> u8 {
    let exists = |zone: usize| there & (1 << zone) != 0;
    let least = (0..MOST_ZONES).filter(|zone| exists(*zone)).map(|zone| counts[zone]).min();
    let least = least.unwrap_or(0);
    let open = (0..MOST_ZONES).filter(|zone| exists(*zone) && counts[*zone] < least + max_skew);
    open.fold(0, |bits, zone| bits | 1 << zone)
}

/// How crowded the domains of a node are, for soft constraints or the scheduler's own.
fn crowd(asks: &Deployment, policy: &Policy, counts: [u32; 2], weights: [f64; 2]) -> f64 {
    let spreads = match (asks.zone_spread, asks.host_spread) {
        (None, None) => policy.default_spread,
        (zones, hosts) => Spreads { zones, hosts },
    };
    let mut sum = 0.0;
    for ((spread, count), weight) in
        [spreads.zones, spreads.hosts].into_iter().zip(counts).zip(weights)
    {
        if let Some(spread) = spread.filter(|spread| !spread.hard) {
            sum += f64::from(count) * weight + f64::from(spread.max_skew - 1);
        }
    }
    sum.round()
}

impl Node {
    /// Least allocated and balanced, and what taints say.
    fn score(&self, offer: &Offer, asks: &Deployment, taint_score: i64) -> i64 {
        let allocatable = offer.room();
        let requested = allocatable - self.free + asks.requests();
        let avoided = asks.avoids.contains(offer.group);
        least_allocated(allocatable, requested)
            + balanced_allocation(allocatable, requested)
            + if avoided { 0 } else { taint_score }
    }

    /// Whether a pod of the workload may run here and fits.
    pub(super) fn takes(&self, policy: &Policy, workload: usize) -> bool {
        let asks = &policy.workloads[workload];
        self.free.holds(asks.requests())
            && asks.may_use(self.offer, policy.offers[self.offer].group)
    }
}
