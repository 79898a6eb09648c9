//! The least that nodes for given pods can cost: a bound that no packing beats, and a packing near it.
//!
//! Karpenter fills the largest allowed type before it opens a second node, so a wide pool buys few large
//! nodes whose price per core may be far from the best. What that costs is seen against this.
//!
//! # Formula
//! ```text
//! bound   = max over prices (y_cpu, y_memory, y_pods) ≥ 0 of  Σ y × what all pods ask for
//!           such that for every type  Σ y × allocatable ≤ its price
//! packing : types by price per worth at those prices; the next pod is the one whose shape is nearest to
//!           what the node has left; the last nodes are bought as small as their pods allow
//! ```
//! # Source
//! The bound is the dual of the linear program in which nodes may be bought in fractions (weak duality:
//! any feasible prices are a bound). Filling by likeness of shape is the dot-product heuristic of vector
//! bin packing (Panigrahy and others, "Heuristics for vector bin packing", 2011).
//! # Limits
//! Spreads, taints and zones are ignored: real nodes cost more, never less.

use super::policy::{Deployment, Offer};

/// Amounts of what nodes have: CPU in millicores, memory in MiB, pod places; or the price of one of each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Amounts {
    cpu: f64,
    memory: f64,
    pods: f64,
}

impl Amounts {
    fn map(self, with: impl Fn(f64) -> f64) -> Self {
        Self { cpu: with(self.cpu), memory: with(self.memory), pods: with(self.pods) }
    }

    fn zip(self, other: Self, with: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            cpu: with(self.cpu, other.cpu),
            memory: with(self.memory, other.memory),
            pods: with(self.pods, other.pods),
        }
    }

    /// Each amount times another: what it is worth at its price, for example.
    fn times(self, other: Self) -> Self {
        self.zip(other, |one, other| one * other)
    }

    fn sum(self) -> f64 {
        self.cpu + self.memory + self.pods
    }

    fn dot(self, other: Self) -> f64 {
        self.times(other).sum()
    }

    fn fits(self, room: Self) -> bool {
        self.cpu <= room.cpu && self.memory <= room.memory && self.pods <= room.pods
    }
}

/// Prices of one millicore, one MiB and one pod place, in USD per hour.
type Prices = Amounts;

/// Nodes for pods, and the least that any nodes for them can cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Packing {
    /// Offer of each node, and its pods by workload.
    pub nodes: Vec<(usize, Vec<u32>)>,
    /// What they cost, in USD per hour.
    pub cost: f64,
    /// What no nodes for these pods cost less than, in USD per hour.
    pub lower_bound: f64,
}

fn asks(workload: &Deployment) -> Amounts {
    let (cpu, memory) = (workload.request_cpu as f64, workload.request_memory as f64);
    Amounts { cpu, memory, pods: 1.0 }
}

fn holds(offer: &Offer) -> Amounts {
    Amounts { cpu: offer.cpu as f64, memory: offer.memory as f64, pods: offer.pods as f64 }
}

/// The greatest prices in these proportions at which no type holds more than it costs.
fn scaled(proportions: Prices, offers: &[&Offer]) -> Prices {
    let least = offers
        .iter()
        .map(|offer| offer.price / proportions.dot(holds(offer)).max(f64::MIN_POSITIVE))
        .fold(f64::INFINITY, f64::min);
    proportions.map(|price| price * least)
}

/// The best prices, found by narrowing a grid of proportions; whatever it finds is a bound.
fn best_prices(sums: Amounts, offers: &[&Offer]) -> Prices {
    const STEPS: i32 = 12;
    const ROUNDS: i32 = 9;
    // Shares of the whole worth that memory and pod places have, each 0 to 1.
    let (mut centre, mut reach) = ([0.5, 0.5], 0.5);
    let mut best = (0.0, Prices::default());
    for _ in 0..ROUNDS {
        let from = centre;
        for memory in -STEPS..=STEPS {
            for pods in -STEPS..=STEPS {
                let at = |step: i32, around: f64| {
                    (around + reach * f64::from(step) / f64::from(STEPS)).clamp(0.0, 1.0)
                };
                let shares = [at(memory, from[0]), at(pods, from[1])];
                let cpu = (1.0 - shares[0]) * (1.0 - shares[1]);
                let memory = shares[0] * (1.0 - shares[1]);
                let parts = Amounts { cpu, memory, pods: shares[1] };
                let proportions = parts.zip(sums, |part, sum| part / sum.max(1.0));
                let prices = scaled(proportions, offers);
                let value = prices.dot(sums);
                if value.is_finite() && value > best.0 {
                    best = (value, prices);
                    centre = shares;
                }
            }
        }
        reach *= 0.4;
    }
    best.1
}

/// What no nodes for `count` pods of each workload cost less than, in USD per hour.
pub fn lower_bound(workloads: &[Deployment], count: &[u32], offers: &[Offer]) -> f64 {
    let sums = sums(workloads, count);
    let offers: Vec<&Offer> = offers.iter().collect();
    best_prices(sums, &offers).dot(sums)
}

/// What pods of several workloads ask for together.
fn sums(workloads: &[Deployment], count: &[u32]) -> Amounts {
    let mut sums = Amounts::default();
    for (workload, count) in workloads.iter().zip(count) {
        sums = sums.zip(asks(workload), |sum, asks| sum + asks * f64::from(*count));
    }
    sums
}

/// Packs `count` pods of each workload onto nodes of these offers; `None` when a pod fits none.
pub fn pack(workloads: &[Deployment], count: &[u32], offers: &[Offer]) -> Option<Packing> {
    let mut left = count.to_vec();
    let sums = sums(workloads, count);
    for (workload, count) in workloads.iter().zip(count) {
        let asks = asks(workload);
        if *count > 0 && !offers.iter().any(|offer| asks.fits(holds(offer))) {
            return None;
        }
    }
    let all: Vec<&Offer> = offers.iter().collect();
    let prices = best_prices(sums, &all);
    let lower_bound = prices.dot(sums);
    // Types whose room is worth what they cost; a few more, for shapes that these cannot take.
    let mut order: Vec<usize> = (0..offers.len()).collect();
    let dearness = |index: &usize| offers[*index].price / prices.dot(holds(&offers[*index]));
    order.sort_by(|a, b| dearness(a).total_cmp(&dearness(b)).then(a.cmp(b)));
    let mut packing = Packing { nodes: Vec::new(), cost: 0.0, lower_bound };
    while left.iter().any(|count| *count > 0) {
        let node = best_node(workloads, &left, offers, &order, &prices)?;
        for (left, taken) in left.iter_mut().zip(&node.1) {
            *left -= taken;
        }
        packing.cost += offers[node.0].price;
        packing.nodes.push(node);
    }
    Some(packing)
}

/// Of the best types, the node whose pods are worth most for its price; of nearly equal ones the one
/// whose shape is nearest to all that is left, so that what is left stays as easy to pack as it was.
fn best_node(
    workloads: &[Deployment],
    left: &[u32],
    offers: &[Offer],
    order: &[usize],
    prices: &Prices,
) -> Option<(usize, Vec<u32>)> {
    const TRIED: usize = 12;
    const NEARLY: f64 = 0.995;
    let sums = sums(workloads, left);
    let mut tried: Vec<(f64, usize, Vec<u32>)> = Vec::new();
    for &index in order {
        let pods = fill(workloads, left, &offers[index], prices);
        let value: f64 = pods
            .iter()
            .zip(workloads)
            .map(|(count, workload)| f64::from(*count) * prices.dot(asks(workload)))
            .sum();
        if value > 0.0 {
            tried.push((value / offers[index].price, index, pods));
        }
        if tried.len() >= TRIED {
            break;
        }
    }
    let most = tried.iter().map(|(ratio, ..)| *ratio).fold(0.0, f64::max);
    let alike = |index: usize| likeness(holds(&offers[index]), sums, *prices);
    let near = tried.into_iter().filter(|(ratio, ..)| *ratio >= NEARLY * most);
    let (_, index, pods) = near.max_by(|a, b| alike(a.1).total_cmp(&alike(b.1)))?;
    Some((cheapest_for(workloads, &pods, offers).unwrap_or(index), pods))
}

/// How alike two shapes are, each amount at its price: 1 is the same direction.
fn likeness(a: Amounts, b: Amounts, prices: Prices) -> f64 {
    let [a, b] = [a, b].map(|shape| shape.times(prices));
    a.dot(b) / (a.dot(a) * b.dot(b)).sqrt().max(f64::MIN_POSITIVE)
}

/// Fills one node: the next pod is the one whose shape is nearest to the room left.
fn fill(workloads: &[Deployment], left: &[u32], offer: &Offer, prices: &Prices) -> Vec<u32> {
    let mut room = holds(offer);
    let mut taken = vec![0; left.len()];
    loop {
        let mut best: Option<(f64, usize)> = None;
        let target = room.times(*prices);
        let length = target.dot(target).sqrt();
        for (index, workload) in workloads.iter().enumerate() {
            let asks = asks(workload);
            let fits = taken[index] < left[index] && asks.fits(room);
            if !fits {
                continue;
            }
            let own = asks.times(*prices);
            let dot = own.dot(target);
            let norm = own.dot(own).sqrt();
            // Likeness of direction first; of like shapes the larger, while it still finds room.
            let score =
                dot / (norm * length).max(f64::MIN_POSITIVE) + 1e-3 * norm / length.max(norm);
            if best.is_none_or(|(known, _)| score > known) {
                best = Some((score, index));
            }
        }
        let Some((_, index)) = best else { return taken };
        // A few at a time: the shape of the room changes slowly in a large node.
        let asks = asks(&workloads[index]);
        // Nothing asked of an amount leaves room for any number.
        let most =
            room.zip(asks, |room, asks| if asks > 0.0 { room / asks } else { f64::INFINITY });
        let most = most.cpu.min(most.memory).min(most.pods) as u32;
        let count = (most / 16).clamp(1, left[index] - taken[index]);
        taken[index] += count;
        room = room.zip(asks, |room, asks| room - asks * f64::from(count));
    }
}

/// The cheapest offer that holds these pods.
fn cheapest_for(workloads: &[Deployment], pods: &[u32], offers: &[Offer]) -> Option<usize> {
    let sums = sums(workloads, pods);
    let fits = |index: &usize| sums.fits(holds(&offers[*index]));
    (0..offers.len()).filter(fits).min_by(|a, b| offers[*a].price.total_cmp(&offers[*b].price))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::autoscale::{group::Group, policy::Purchase};

    fn offer(name: &str, price: f64, cpu: i64, memory: i64) -> Offer {
        Offer {
            instance_type: name.into(),
            type_id: 0,
            family_id: 0,
            purchase: Purchase::OnDemand,
            group: Group::of_pool(0),
            price,
            vcpu_milli: cpu,
            capacity_mib: memory,
            generic: true,
            cpu,
            memory,
            pods: 110,
            zones: 1,
            hazard: 0.0,
            shortage: 0.0,
        }
    }

    fn pods(cpu: i64, memory: i64) -> Deployment {
        Deployment::new(String::new(), cpu, memory)
    }

    /// Eight pods of a core and 2 GiB fill two nodes of four cores and 8 GiB, at 0.2 each: the bound is
    /// reached.
    #[test]
    fn what_fits_exactly_costs_the_bound() {
        let offers = [offer("small", 0.2, 4000, 8192), offer("large", 0.5, 8000, 16_384)];
        let packing = pack(&[pods(1000, 2048)], &[8], &offers).unwrap();
        assert_eq!(packing.nodes.len(), 2);
        assert!((packing.cost - 0.4).abs() < 1e-12);
        assert!((packing.lower_bound - 0.4).abs() < 1e-6, "{}", packing.lower_bound);
    }

    /// A core-heavy and a memory-heavy shape belong together: alone each would waste half a node.
    #[test]
    fn shapes_that_complement_each_other_share_nodes() {
        let offers = [offer("one", 1.0, 8000, 16_384)];
        let workloads = [pods(1000, 256), pods(250, 3840)];
        let packing = pack(&workloads, &[60, 60], &offers).unwrap();
        // 75 cores in nodes of 8, 240 GiB in nodes of 16: at least 15 nodes.
        assert!(packing.lower_bound > 14.9 && packing.cost <= 17.0, "{}", packing.cost);
        for (node, taken) in &packing.nodes {
            let cpu = i64::from(taken[0]) * 1000 + i64::from(taken[1]) * 250;
            assert!(cpu <= offers[*node].cpu);
        }
    }

    #[test]
    fn a_pod_that_fits_nowhere_is_no_packing() {
        assert!(pack(&[pods(9000, 1)], &[1], &[offer("one", 1.0, 8000, 16_384)]).is_none());
        assert_eq!(pack(&[pods(1, 1)], &[0], &[offer("one", 1.0, 8, 8)]).unwrap().nodes.len(), 0);
    }
}
