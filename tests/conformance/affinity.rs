//! Affinity between pods and to nodes, in both controllers.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use runrate::cluster::{
    autoscale::{
        Cluster, NodeState,
        policy::{
            Deployment, Policy,
            affinity::{Affinity, PodTerm, Preference, Terms},
        },
    },
    workload::TopologyKey,
};
use serde::Deserialize;

use super::{
    cluster::{self, PoolCase, Type},
    run, same,
};

#[derive(Debug, Deserialize)]
struct Case {
    controller: String,
    #[serde(default)]
    nodes: Vec<Standing>,
    workloads: IndexMap<String, Asked>,
    #[serde(default)]
    ignores_preferences: bool,
    #[serde(default)]
    expect_existing: BTreeMap<String, BTreeMap<String, u32>>,
    #[serde(default)]
    expect_new: Vec<New>,
    #[serde(default)]
    expect_left: BTreeMap<String, u32>,
    expect_command: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Standing {
    name: String,
    zone: u8,
    r#type: Option<String>,
    pods: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    cpu: i64,
    memory: i64,
    #[serde(default)]
    pending: u32,
    #[serde(default)]
    near: Vec<Term>,
    #[serde(default)]
    apart: Vec<Term>,
    #[serde(default)]
    alternatives: Vec<Vec<String>>,
    #[serde(default)]
    preferences: Vec<Preferred>,
}

#[derive(Debug, Deserialize)]
struct Term {
    workload: String,
    key: String,
    weight: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Preferred {
    weight: u32,
    types: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq, PartialOrd)]
struct New {
    pods: BTreeMap<String, u32>,
    zones: u32,
    zone: Option<u32>,
    types: Vec<String>,
}

const TYPES: &str = r#"[
    { "name": "small", "vcpus": 2, "cpu": 2000, "memory": 8000, "pods": 30, "price": 0.1 },
    { "name": "large", "vcpus": 4, "cpu": 4000, "memory": 16000, "pods": 60, "price": 0.2 }]"#;

impl Case {
    fn policy(&self) -> Policy {
        let types: Vec<Type> = serde_json::from_str(TYPES).unwrap();
        let pool: PoolCase = serde_json::from_str(r#"{ "name": "p" }"#).unwrap();
        let (pools, offers) = cluster::pools(&[pool], &types);
        let lacks = |named: &Vec<String>| -> Vec<bool> {
            offers.iter().map(|offer| !named.contains(&offer.instance_type)).collect()
        };
        let terms = |given: &[Term]| {
            let one = |term: &Term| PodTerm {
                workload: self.workloads.get_index_of(&term.workload).unwrap(),
                key: match &*term.key {
                    "zone" => TopologyKey::Zone,
                    "host" => TopologyKey::Hostname,
                    other => panic!("{other}"),
                },
                weight: term.weight,
            };
            Terms::new(given.iter().map(one).collect())
        };
        let workloads = self.workloads.iter().map(|(name, asked)| {
            let alternatives: Vec<Vec<bool>> = asked.alternatives.iter().map(lacks).collect();
            let none = |offer: usize| alternatives.iter().all(|term| term[offer]);
            let refused = (0..offers.len()).map(|offer| !alternatives.is_empty() && none(offer));
            let refused = refused.collect();
            let mut preferences: Vec<Preference> = asked
                .preferences
                .iter()
                .map(|term| Preference { weight: term.weight, refused: lacks(&term.types) })
                .collect();
            preferences.sort_by_key(|term| std::cmp::Reverse(term.weight));
            let affinity = Affinity {
                near: terms(&asked.near),
                apart: terms(&asked.apart),
                alternatives,
                preferences,
                ..Affinity::default()
            };
            Deployment {
                refused,
                affinity: (affinity != Affinity::default()).then(|| Box::new(affinity)),
                ..Deployment::new(name.clone(), asked.cpu, asked.memory)
            }
        });
        let mut policy = cluster::policy(offers.clone(), pools, workloads.collect());
        policy.ignores_preferences = self.ignores_preferences;
        policy
    }

    fn state(&self, policy: &Policy) -> Cluster {
        let nodes = self.nodes.iter().map(|node| {
            let kind = node.r#type.as_deref().unwrap_or("large");
            NodeState {
                offer: policy.offers.iter().position(|o| o.instance_type == kind).unwrap(),
                zone: node.zone - 1,
                quiet_seconds: 0,
                pods: self
                    .workloads
                    .keys()
                    .map(|name| node.pods.get(name).copied().unwrap_or(0))
                    .collect(),
            }
        });
        let pending: Vec<u32> = self.workloads.values().map(|asked| asked.pending).collect();
        Cluster::from_state(policy, &nodes.collect::<Vec<_>>(), &pending, cluster::luck())
    }

    fn named(&self, pods: impl Iterator<Item = (usize, u32)>) -> BTreeMap<String, u32> {
        let named = pods.filter(|(_, count)| *count > 0);
        named.map(|(at, count)| (self.workloads.get_index(at).unwrap().0.clone(), count)).collect()
    }

    fn bound(&self, policy: &Policy) -> Result<(), String> {
        let mut without_pools = policy.clone();
        without_pools.pools.clear();
        let mut cluster = self.state(&without_pools);
        cluster.settle(&without_pools);
        let new = cluster.nodes().zip(&self.nodes).map(|(node, before)| {
            let mut pods = self.named(node.pods.iter().copied().enumerate());
            for (name, count) in &before.pods {
                *pods.get_mut(name).unwrap() -= count;
            }
            pods.retain(|_, count| *count > 0);
            (before.name.clone(), pods)
        });
        let new: BTreeMap<_, _> = new.filter(|(_, pods)| !pods.is_empty()).collect();
        let left = cluster.workloads().iter().map(|replicas| replicas.pending).enumerate();
        same((new, self.named(left)), (self.expect_existing.clone(), self.expect_left.clone()))
    }

    fn planned(&self, policy: &Policy) -> Result<(), String> {
        let plan = self.state(policy).plan_pending(policy);
        let mut new: Vec<String> = plan
            .nodes
            .iter()
            .map(|node| {
                let types = node.offers.iter().map(|o| policy.offers[*o].instance_type.clone());
                let fixed = node.zones.is_power_of_two().then(|| node.zones.trailing_zeros() + 1);
                let node = New {
                    pods: self.named(node.pods.iter().copied()),
                    zones: node.zones.count_ones(),
                    zone: fixed,
                    types: types.collect(),
                };
                format!("{node:?}")
            })
            .collect();
        new.sort();
        let mut expected: Vec<String> =
            self.expect_new.iter().map(|node| format!("{node:?}")).collect();
        expected.sort();
        let existing =
            plan.existing.iter().zip(&self.nodes).map(|(pods, node)| {
                (node.name.clone(), self.named(pods.iter().copied().enumerate()))
            });
        let existing: BTreeMap<_, _> = existing.filter(|(_, pods)| !pods.is_empty()).collect();
        let left = self.named(plan.left.iter().copied().enumerate());
        same(
            (new, existing, left),
            (expected, self.expect_existing.clone(), self.expect_left.clone()),
        )
    }
}

#[test]
fn affinity() {
    run("affinity.toml", 35, |case: &Case| {
        let policy = case.policy();
        Some(match &*case.controller {
            "scheduler" => case.bound(&policy),
            "karpenter" => case.planned(&policy),
            "consolidation" => {
                let command = case.state(&policy).decide(&policy);
                let got = match command {
                    None => "none",
                    Some(command) if command.replacements.is_empty() => "delete",
                    Some(_) => "replace",
                };
                same(got.to_owned(), case.expect_command.clone().unwrap())
            }
            other => panic!("{other}"),
        })
    });
}
