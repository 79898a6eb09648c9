//! Losses at once and without notice: a node, a zone, or spot nodes, of one instance family or of all.
//!
//! # Limits
//! Nodes that replace those of a lost zone may come up in it: Karpenter is not told that it is gone. A managed node
//! group replaces a lost node at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Cluster, MOST_ZONES, Second, Shortage,
    policy::{Policy, Purchase},
};

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The node with the most pods.
    Node,
    /// All nodes of the zone with the most pods.
    Zone,
    /// The spot nodes of the instance family with the most pods on spot, and no spot capacity of it for an hour.
    SpotFamily,
    /// All spot nodes, and no spot capacity in any type for an hour.
    Spot,
}

/// How long spot capacity stays away, in seconds.
const AWAY: Second = 3600;

impl Cluster {
    /// Takes nodes away; returns how many. Their pods wait for another place.
    pub fn lose(&mut self, policy: &Policy, loss: Loss) -> u32 {
        let all =
            || self.nodes.iter().enumerate().filter_map(|(at, node)| Some((at, node.as_ref()?)));
        let gone: Vec<usize> = match loss {
            Loss::Node => {
                all().max_by_key(|(_, node)| node.pod_count).map(|(at, _)| at).into_iter().collect()
            }
            Loss::Zone => {
                let mut pods: BTreeMap<u8, u32> = BTreeMap::new();
                for (_, node) in all() {
                    *pods.entry(node.zone).or_default() += node.pod_count;
                }
                let zone = pods.into_iter().max_by_key(|(_, pods)| *pods).map(|(zone, _)| zone);
                all().filter(|(_, node)| Some(node.zone) == zone).map(|(at, _)| at).collect()
            }
            Loss::SpotFamily | Loss::Spot => {
                let short = self.short_of(policy, loss);
                let gone = all().filter(|(_, node)| short.contains(&node.offer));
                let gone = gone.map(|(at, _)| at).collect();
                let zones = (0..MOST_ZONES).fold(0_u8, |zones, zone| zones | (1 << zone));
                let until = self.now + AWAY;
                let shortage = |offer: usize| Shortage { offer, zones, until };
                self.unavailable.extend(short.into_iter().map(shortage));
                gone
            }
        };
        self.command = None;
        for &index in &gone {
            let baseline = self.nodes[index]
                .as_ref()
                .is_some_and(|node| policy.offers[node.offer].purchase == Purchase::Baseline);
            self.evict_all(policy, index);
            self.terminate(policy, index);
            if baseline {
                self.launch_baseline(policy);
            }
        }
        self.find_next_timer(policy);
        gone.len() as u32
    }

    /// Returns the spot offers that a shortage takes.
    fn short_of(&self, policy: &Policy, loss: Loss) -> Vec<usize> {
        let offers = &policy.offers;
        let is_spot = |offer: usize| offers[offer].purchase == Purchase::Spot;
        let mut pods: BTreeMap<u32, u32> = BTreeMap::new();
        for node in self.nodes().filter(|node| is_spot(node.offer)) {
            *pods.entry(offers[node.offer].family_id).or_default() += node.pod_count;
        }
        let most = pods.into_iter().max_by_key(|(_, pods)| *pods).map(|(family, _)| family);
        let is_short = |offer: &usize| loss == Loss::Spot || Some(offers[*offer].family_id) == most;
        (0..offers.len()).filter(|offer| is_spot(*offer)).filter(is_short).collect()
    }
}
