//! Affinity of pods to pods and to nodes: names looked up, terms in the order in which they are dropped, and
//! what contradicts in them.
//!
//! # Source
//! Kubernetes, "Assigning Pods to Nodes"; kubernetes/kubernetes
//! `pkg/scheduler/framework/plugins/interpodaffinity/filtering.go#podMatchesAllAffinityTerms` (one pod must match
//! all required terms of affinity) and `scoring.go#processExistingPod` (terms of running pods score, too).
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/preferences.go#Relax`, commit 2266468
//! (terms of equal weight keep their order).

use crate::cluster::autoscale::group::Group;
use std::cmp::Reverse;

use super::{BASELINE, Deployment, Inputs, Offer, Pool, deployment::Report, unknown};
use crate::{
    cluster::workload::{self, Kind, NodeTerm, TopologyKey, Workload},
    error::nearest,
};

/// Pods of a workload in a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodTerm {
    /// Place of the workload.
    pub workload: usize,
    /// The domain.
    pub key: TopologyKey,
    /// Weight of a preference; `None` where the term is required.
    pub weight: Option<u32>,
}

/// Terms of one kind: required ones first, then preferences, heaviest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    all: Vec<PodTerm>,
    required: usize,
}

impl Terms {
    /// Sorts terms.
    pub fn new(mut all: Vec<PodTerm>) -> Self {
        all.sort_by_key(|term| (term.weight.is_some(), Reverse(term.weight)));
        let required = all.iter().filter(|term| term.weight.is_none()).count();
        Self { all, required }
    }

    /// Returns the required terms.
    pub fn required(&self) -> &[PodTerm] {
        &self.all[..self.required]
    }

    /// Returns the preferences.
    pub fn preferred(&self) -> &[PodTerm] {
        &self.all[self.required..]
    }

    /// Returns the required terms, and the preferences without the heaviest `dropped`.
    pub fn without(&self, dropped: u8) -> impl Iterator<Item = &PodTerm> {
        self.required().iter().chain(self.preferred().iter().skip(usize::from(dropped)))
    }
}

/// What pods of a workload in a domain add to the score of its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pull {
    /// Place of the workload.
    pub workload: usize,
    /// The domain.
    pub key: TopologyKey,
    /// What each pod adds; negative for anti-affinity.
    pub weight: i64,
}

/// Which of a workload's terms on nodes hold: the place of the alternative, and of the heaviest preference.
/// Past the last there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pick {
    /// Place of the alternative.
    pub alternative: u8,
    /// Place of the preference.
    pub preference: u8,
}

impl Pick {
    /// No term on nodes.
    pub const NONE: Self = Self { alternative: u8::MAX, preference: u8::MAX };
}

/// Nodes that a pod prefers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preference {
    /// Its weight.
    pub weight: u32,
    /// Per offer, whether its nodes lack a label.
    pub refused: Vec<bool>,
}

/// What pods of a workload require of, or prefer among, the nodes and pods around them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affinity {
    /// Pods to be near.
    pub near: Terms,
    /// Pods to be apart from.
    pub apart: Terms,
    /// Workloads whose required anti-affinity names this workload.
    pub shunned_by: Vec<PodTerm>,
    /// What kube-scheduler scores of the pods on nodes: own preferences, and those of running pods.
    pub pulls: Vec<Pull>,
    /// Per alternative and offer, whether its nodes lack a label.
    pub alternatives: Vec<Vec<bool>>,
    /// Nodes that it prefers, heaviest first.
    pub preferences: Vec<Preference>,
}

impl Affinity {
    /// Returns whether the terms on nodes that hold admit nodes of an offer.
    pub fn admits(&self, pick: Pick, offer: usize) -> bool {
        let lacks = |refused: &Vec<bool>| refused.get(offer).copied().unwrap_or(false);
        !self.alternatives.get(usize::from(pick.alternative)).is_some_and(lacks)
            && !self
                .preferences
                .get(usize::from(pick.preference))
                .is_some_and(|preference| lacks(&preference.refused))
    }

    /// Returns whether it has terms on nodes.
    pub fn names_nodes(&self) -> bool {
        !self.alternatives.is_empty() || !self.preferences.is_empty()
    }

    /// Returns the sum of the weights of the preferences that nodes of an offer meet.
    pub fn node_weight(&self, offer: usize) -> i64 {
        let met = self.preferences.iter().filter(|term| term.refused.get(offer) == Some(&false));
        met.map(|term| i64::from(term.weight)).sum()
    }
}

/// Tells workloads of the terms of others that name them; `hard` is what a required affinity adds to the score.
pub(super) fn mirror(workloads: &mut [Deployment], hard: i64) {
    let mut found: Vec<(usize, Option<PodTerm>, Pull)> = Vec::new();
    for (owner, deployment) in workloads.iter().enumerate() {
        let Some(affinity) = &deployment.affinity else { continue };
        for (terms, sign) in [(&affinity.near, 1), (&affinity.apart, -1)] {
            for term in &terms.all {
                let of = |workload, weight| Pull { workload, key: term.key, weight };
                match (term.weight, sign) {
                    (Some(weight), _) => {
                        let weight = sign * i64::from(weight);
                        found.push((owner, None, of(term.workload, weight)));
                        found.push((term.workload, None, of(owner, weight)));
                    }
                    (None, 1) => found.push((term.workload, None, of(owner, hard))),
                    (None, _) => {
                        let shuns = PodTerm { workload: owner, ..*term };
                        found.push((term.workload, Some(shuns), of(owner, 0)));
                    }
                }
            }
        }
    }
    for (workload, shuns, pull) in found {
        let affinity = workloads[workload].affinity.get_or_insert_default();
        affinity.shunned_by.extend(shuns);
        if pull.weight != 0 {
            affinity.pulls.push(pull);
        }
    }
}

/// The affinity of a workload, where it has some; `offers` is empty while it is not known what the groups may
/// buy.
pub(super) fn build(
    inputs: &Inputs<'_>,
    pools: &[Pool],
    offers: &[Offer],
    (name, workload): (&str, &Workload),
    report: &mut Report<'_>,
) -> Option<Box<Affinity>> {
    let near = terms(inputs, "pod_affinity", &workload.pod_affinity, report);
    let apart = terms(inputs, "pod_anti_affinity", &workload.pod_anti_affinity, report);
    check_nodes(inputs, pools, workload, report);
    check_pods(inputs, (name, workload), report);
    let refused = |term: &NodeTerm| refused(inputs, pools, offers, term);
    let mut preferred: Vec<&NodeTerm> = workload.node_preferences.iter().collect();
    preferred.sort_by_key(|term| Reverse(term.weight));
    let preference =
        |term: &NodeTerm| Preference { weight: term.weight.unwrap_or(0), refused: refused(term) };
    let affinity = Affinity {
        near: Terms::new(near),
        apart: Terms::new(apart),
        alternatives: workload.node_alternatives.iter().map(refused).collect(),
        preferences: preferred.into_iter().map(preference).collect(),
        ..Affinity::default()
    };
    (affinity != Affinity::default()).then(|| Box::new(affinity))
}

/// Per offer, whether its nodes lack a label of the term.
pub(super) fn refused(
    inputs: &Inputs<'_>,
    pools: &[Pool],
    offers: &[Offer],
    term: &NodeTerm,
) -> Vec<bool> {
    let lacks = |offer: &Offer| {
        let pool = pools.iter().find(|pool| pool.group == offer.group);
        let group = pool.map_or(BASELINE, |pool| &pool.name);
        let shape = inputs.catalog.shape(&offer.instance_type);
        shape.is_none_or(|shape| !term.admits(group, shape, offer.purchase.into()))
    };
    offers.iter().map(lacks).collect()
}

/// Terms with their workloads looked up.
fn terms(
    inputs: &Inputs<'_>,
    list: &str,
    given: &[workload::PodTerm],
    report: &mut Report<'_>,
) -> Vec<PodTerm> {
    let mut terms = Vec::new();
    for (index, term) in given.iter().enumerate() {
        let key = format!("{list}.{index}");
        match (term.required, term.weight) {
            (true, Some(_)) => {
                report.add(&key, "a required term has no weight; remove weight or required".into());
            }
            (false, None) => {
                let message = "is neither required nor a preference; give required = true, or a weight from 1 to 100";
                report.add(&key, message.into());
            }
            _ => {}
        }
        let same = |other: &&workload::PodTerm| {
            other.workload == term.workload && other.topology_key == term.topology_key
        };
        if given[..index].iter().any(|other| same(&other) && other.required == term.required) {
            report.add(&key, "repeats an earlier term; remove one of the two".into());
        }
        let mut deployments = inputs.workloads.iter().filter(|(_, w)| w.kind == Kind::Deployment);
        match deployments.position(|(known, _)| *known == term.workload) {
            Some(workload) => {
                terms.push(PodTerm { workload, key: term.topology_key, weight: term.weight });
            }
            None if inputs.workloads.contains_key(&term.workload) => {
                let message = format!(
                    "{} is a daemonset, which runs a pod on every node, so the term chooses no node; name a deployment, or remove the term",
                    term.workload
                );
                report.add(&format!("{key}.workload"), message);
            }
            None => {
                let near = nearest(&term.workload, inputs.workloads.keys().map(|known| &**known));
                let message = unknown("workload", &term.workload, near);
                report.add(&format!("{key}.workload"), message);
            }
        }
    }
    terms
}

/// Node terms without a meaning.
fn check_nodes(inputs: &Inputs<'_>, pools: &[Pool], workload: &Workload, report: &mut Report<'_>) {
    let lists = [
        ("node_alternatives", &workload.node_alternatives),
        ("node_preferences", &workload.node_preferences),
    ];
    for (list, terms) in lists {
        for (index, term) in terms.iter().enumerate() {
            let key = format!("{list}.{index}");
            if *term == (NodeTerm { weight: term.weight, ..NodeTerm::default() }) {
                let message =
                    "names no label, so every node meets it; give it labels, or remove it";
                report.add(&key, message.into());
            }
            match (list, term.weight) {
                ("node_alternatives", Some(_)) => {
                    let message = "alternatives are required, and have no weight; remove it, or move the term to node_preferences";
                    report.add(&format!("{key}.weight"), message.into());
                }
                ("node_preferences", None) => {
                    report.add(&format!("{key}.weight"), "give a weight from 1 to 100".into());
                }
                _ => {}
            }
            super::deployment::check_groups(
                &term.node_pools,
                &format!("{key}.node_pools"),
                pools,
                report,
            );
            super::deployment::check_labels(inputs.catalog, &term.labels(), &key, report);
        }
    }
}

/// Whether one workload requires pods of another in the same domain; a node is in one zone.
fn requires(terms: &[workload::PodTerm], name: &str, within: TopologyKey) -> bool {
    terms.iter().any(|term| {
        term.required
            && term.workload == name
            && (term.topology_key == within || within == TopologyKey::Zone)
    })
}

/// Required terms that no cluster can meet.
fn check_pods(inputs: &Inputs<'_>, (name, workload): (&str, &Workload), report: &mut Report<'_>) {
    let required: Vec<(usize, &workload::PodTerm)> =
        workload.pod_affinity.iter().enumerate().filter(|(_, term)| term.required).collect();
    if let Some((index, term)) =
        required.iter().find(|(_, term)| term.workload != required[0].1.workload)
    {
        let message = format!(
            "requires pods of {} as well as pods of {}. kube-scheduler looks for one pod that matches every required term, and no pod is of both; keep one, and prefer the other",
            term.workload, required[0].1.workload
        );
        report.add(&format!("pod_affinity.{index}"), message);
    }
    for (index, term) in required {
        let key = format!("pod_affinity.{index}");
        let mut apart = |terms: &[workload::PodTerm], whose: &str, other: &str, at: &str| {
            let clash = terms.iter().any(|shun| {
                shun.required
                    && shun.workload == other
                    && (shun.topology_key == term.topology_key
                        || term.topology_key == TopologyKey::Hostname)
            });
            if clash {
                let message = format!(
                    "{whose} pod_anti_affinity requires the opposite, so no node takes the pod; remove one of the two"
                );
                report.add(at, message);
            }
            clash
        };
        let mut found = apart(&workload.pod_anti_affinity, "its own", &term.workload, &key);
        let Some(other) = inputs.workloads.get(&term.workload).filter(|_| term.workload != name)
        else {
            continue;
        };
        let whose = format!("workloads.{}", term.workload);
        found |= apart(&other.pod_anti_affinity, &whose, name, &key);
        if !found && waits_for(inputs, &term.workload, name) {
            let message = format!(
                "{} requires pods of {name} in turn, so neither starts; make one of the two a preference",
                term.workload
            );
            report.add(&key, message);
        }
    }
}

/// Whether a workload requires pods of the other, itself or by the workloads it requires.
fn waits_for(inputs: &Inputs<'_>, from: &str, other: &str) -> bool {
    let mut at = from;
    for _ in 0..inputs.workloads.len() {
        let Some(workload) = inputs.workloads.get(at) else { return false };
        if requires(&workload.pod_affinity, other, TopologyKey::Zone) {
            return true;
        }
        let mut next = workload.pod_affinity.iter().filter(|term| term.required);
        match next.find(|term| term.workload != at) {
            Some(term) => at = &term.workload,
            None => return false,
        }
    }
    false
}

/// What a daemonset does not have: its pods go to every node.
pub(super) fn check_daemon(
    inputs: &Inputs<'_>,
    pools: &[Pool],
    workload: &Workload,
    report: &mut Report<'_>,
) {
    check_nodes(inputs, pools, workload, report);
    for (key, given) in [
        ("pod_affinity", !workload.pod_affinity.is_empty()),
        ("pod_anti_affinity", !workload.pod_anti_affinity.is_empty()),
        ("node_preferences", !workload.node_preferences.is_empty()),
    ] {
        if given {
            let message = "has no effect on a daemonset, which runs a pod on every node that it may; remove it";
            report.add(key, message.into());
        }
    }
}

/// How many domains of each kind a cluster has without pools.
#[derive(Clone, Copy)]
pub(super) struct Domains {
    pub(super) zones: u32,
    pub(super) baseline_nodes: u32,
}

/// Returns notes on terms that only some pods of a workload, or no node, can meet.
pub(super) fn notes(workloads: &[Deployment], offers: &[Offer], domains: Domains) -> Vec<String> {
    let mut notes = Vec::new();
    for (index, deployment) in workloads.iter().enumerate() {
        let Some(affinity) = &deployment.affinity else { continue };
        let found = node_notes(deployment, affinity, offers)
            .into_iter()
            .chain(own_notes((index, deployment), affinity, offers, domains))
            .chain(other_notes((index, deployment), affinity, workloads, offers));
        notes.extend(found.map(|text| format!("{}: {text}", deployment.name)));
    }
    notes
}

fn may(deployment: &Deployment, offers: &[Offer], offer: usize) -> bool {
    deployment.may_use(offer, offers[offer].group)
}

/// Labels that no node has.
fn node_notes(deployment: &Deployment, affinity: &Affinity, offers: &[Offer]) -> Vec<String> {
    let any = |refused: &[bool]| {
        (0..offers.len()).any(|offer| !refused[offer] && may(deployment, offers, offer))
    };
    let unmet = affinity.alternatives.iter().enumerate().filter(|(_, refused)| !any(refused));
    let unmet = unmet.map(|(place, _)| {
        format!(
            "node_alternatives.{place} matches no node that it may run on; the other alternatives decide"
        )
    });
    let idle = affinity.preferences.iter().filter(|term| !any(&term.refused));
    let idle = idle.map(|preference| {
        format!(
            "its node preference of weight {} matches no node that it may run on, and has no effect",
            preference.weight
        )
    });
    unmet.chain(idle).collect()
}

/// Required terms on its own pods that leave no domain for some of them.
fn own_notes(
    (index, deployment): (usize, &Deployment),
    affinity: &Affinity,
    offers: &[Offer],
    Domains { zones, baseline_nodes: baseline }: Domains,
) -> Vec<String> {
    let mut notes = Vec::new();
    let most = match &deployment.job {
        Some(job) => job.parallelism,
        None => deployment.max_replicas.unwrap_or(deployment.min_replicas),
    };
    let own = |terms: &Terms, key: TopologyKey| {
        terms.required().iter().any(|term| term.workload == index && term.key == key)
    };
    if own(&affinity.apart, TopologyKey::Zone) && most > zones {
        notes.push(format!(
            "its pod_anti_affinity allows 1 pod in a zone, so {zones} of up to {most} replicas run and the others stay pending; use kubernetes.io/hostname, or more availability zones"
        ));
    }
    let pools =
        (0..offers.len()).any(|o| offers[o].group != Group::Baseline && may(deployment, offers, o));
    if own(&affinity.apart, TopologyKey::Hostname) && !pools && most > baseline {
        notes.push(format!(
            "its pod_anti_affinity allows 1 pod on a node, so {baseline} of up to {most} replicas run and the others stay pending; allow it a node pool, or more baseline nodes"
        ));
    }
    if own(&affinity.near, TopologyKey::Hostname) {
        let held = |offer: &Offer| {
            let by = |room: i64, request: i64| if request > 0 { room / request } else { i64::MAX };
            let by_cpu = by(offer.cpu, deployment.request_cpu);
            by_cpu.min(by(offer.memory, deployment.request_memory)).min(offer.pods)
        };
        let usable = (0..offers.len()).filter(|offer| may(deployment, offers, *offer));
        let held = usable.map(|offer| held(&offers[offer])).max().unwrap_or(0);
        if held < i64::from(most) {
            notes.push(format!(
                "its pod_affinity requires all of its pods on 1 node, and the largest holds {held} of up to {most}; the others stay pending. Use topology.kubernetes.io/zone, or a weight"
            ));
        }
    }
    notes
}

/// Required terms on other workloads that no node, or only the schedule's hours, meet.
fn other_notes(
    (index, deployment): (usize, &Deployment),
    affinity: &Affinity,
    workloads: &[Deployment],
    offers: &[Offer],
) -> Vec<String> {
    let mut notes = Vec::new();
    for term in affinity.near.required().iter().filter(|term| term.workload != index) {
        let other = &workloads[term.workload];
        let shared = |o: usize| may(deployment, offers, o) && may(other, offers, o);
        if term.key == TopologyKey::Hostname && !(0..offers.len()).any(shared) {
            notes.push(format!(
                "its pod_affinity requires the nodes of {}, and it may run on none of them, so its pods stay pending; allow both the same node pools",
                other.name
            ));
        }
        if deployment.always_on && !other.always_on {
            notes.push(format!(
                "it is always on, but requires pods of {}, which is not; outside the schedule its new pods stay pending",
                other.name
            ));
        }
    }
    notes
}
