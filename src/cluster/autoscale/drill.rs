//! Losses at once and without notice: a node, a zone, or the spot nodes of the most used types.
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
            Loss::Spot => {
                let is_spot = |offer: usize| policy.offers[offer].purchase == Purchase::Spot;
                all().filter(|(_, node)| is_spot(node.offer)).map(|(at, _)| at).collect()
            }
        };
        if loss == Loss::Spot {
            let zones = (0..MOST_ZONES).fold(0_u8, |zones, zone| zones | (1 << zone));
            let until = self.now + AWAY;
            let spot = policy.offers.iter().enumerate();
            let spot = spot.filter(|(_, offer)| offer.purchase == Purchase::Spot);
            self.unavailable.extend(spot.map(|(offer, _)| Shortage { offer, zones, until }));
        }
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
}
