//! Which domains affinity between pods leaves to a pod.
//!
//! # Formula
//! ```text
//! affinity      : zones, or nodes, with a pod of the workload; the first pod of its own may go to any
//! anti-affinity : those with none of the workload's pods, and none of a workload that refuses this one
//! score         = Σ weight × pods of the workload in the node's domain, from 0 (least) to 100 (most)
//! ```
//! # Source
//! kubernetes/kubernetes `pkg/scheduler/framework/plugins/interpodaffinity/filtering.go`, `scoring.go`;
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/topologygroup.go#nextDomainAffinity`,
//! `#nextDomainAntiAffinity`, `topology.go#Record`, `#updateInverseAntiAffinity`, commit 2266468.
//! # Limits
//! Where the first pod of a zone affinity may go to any zone, Karpenter takes one or two at random; here it is
//! the first.

use super::{
    Cluster, MOST_ZONES,
    node::Node,
    policy::affinity::{Affinity, PodTerm},
};
use crate::cluster::workload::TopologyKey;

/// Preferences of affinity between pods that no longer count, the heaviest first.
#[derive(Clone, Copy)]
pub(super) struct Dropped {
    /// Of affinity.
    pub(super) near: u8,
    /// Of anti-affinity.
    pub(super) apart: u8,
}

impl Dropped {
    const ALL: Self = Self { near: u8::MAX, apart: u8::MAX };
}

/// What the pods that are there leave to one more pod of a workload.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    affinity: &'a Affinity,
    dropped: Dropped,
    /// Place of the workload, while it has no pod.
    first_of: Option<usize>,
    /// Zones that are left, one bit each.
    pub(super) zones: u8,
    /// The pod is to be in one zone, whichever it is.
    pub(super) in_one_zone: bool,
}

/// Zones in which a workload has pods, one bit each.
pub(super) fn used_zones(counts: &[u32; MOST_ZONES]) -> u8 {
    (0..MOST_ZONES).filter(|zone| counts[*zone] > 0).fold(0, |bits, zone| bits | 1 << zone)
}

impl<'a> Surroundings<'a> {
    /// `certain` gives the zones in which a workload has pods, `possible` also those in which planned ones may
    /// come to be.
    pub(super) fn new(
        (affinity, workload): (&'a Affinity, usize),
        dropped: Dropped,
        certain: impl Fn(usize) -> u8,
        possible: impl Fn(usize) -> u8,
    ) -> Self {
        let first_of = (possible(workload) == 0).then_some(workload);
        let mut found = Self { affinity, dropped, first_of, zones: u8::MAX, in_one_zone: false };
        for term in found.near(TopologyKey::Zone) {
            match certain(term.workload) {
                0 if term.workload == workload => found.in_one_zone = true,
                zones => found.zones &= zones,
            }
        }
        for term in found.apart(TopologyKey::Zone) {
            found.zones &= !possible(term.workload);
        }
        found
    }

    fn near(&self, key: TopologyKey) -> impl Iterator<Item = &'a PodTerm> + use<'a> {
        self.affinity.near.without(self.dropped.near).filter(move |term| term.key == key)
    }

    fn apart(&self, key: TopologyKey) -> impl Iterator<Item = &'a PodTerm> + use<'a> {
        let terms = self.affinity.apart.without(self.dropped.apart);
        terms.chain(&self.affinity.shunned_by).filter(move |term| term.key == key)
    }

    /// Whether a node with so many pods of each workload is left.
    pub(super) fn allow_host(&self, count: impl Fn(usize) -> u32) -> bool {
        self.near(TopologyKey::Hostname)
            .all(|term| count(term.workload) > 0 || self.first_of == Some(term.workload))
            && self.apart(TopologyKey::Hostname).all(|term| count(term.workload) == 0)
    }
}

impl Cluster {
    /// What the pods on nodes leave to kube-scheduler, which filters by required terms alone.
    pub(super) fn surroundings<'a>(
        &self,
        affinity: &'a Affinity,
        workload: usize,
    ) -> Surroundings<'a> {
        let zones = |workload: usize| used_zones(&self.workloads[workload].zones);
        Surroundings::new((affinity, workload), Dropped::ALL, zones, zones)
    }

    /// What the pods in the domains of a node add to its score, before it is normalized.
    pub(super) fn pull(&self, affinity: &Affinity, node: &Node) -> i64 {
        let pods = |workload: usize, key: TopologyKey| match key {
            TopologyKey::Hostname => node.pods[workload],
            TopologyKey::Zone => self.workloads[workload].zones[usize::from(node.zone)],
        };
        let pulls = affinity.pulls.iter();
        pulls.map(|pull| pull.weight * i64::from(pods(pull.workload, pull.key))).sum()
    }
}
