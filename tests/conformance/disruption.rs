//! Budgets, consolidation, and the queueing formulas.

use runrate::cluster::autoscale::group::Groups;
use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::civil::DateTime;
use runrate::cluster::{
    autoscale::{
        Cluster, NodeState,
        budget::{Budget, PoolNodes, allowed},
        cron::Schedule,
        disrupt::Command,
        policy::{Policy, Purchase},
        settings::{self, DisruptionReason},
    },
    queueing,
};
use serde::Deserialize;

use super::{
    cluster::{self, PodCase, PoolCase, Type},
    run, same,
};

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Active(bool),
    Allowed(i64),
}

#[derive(Debug, Deserialize)]
struct BudgetCase {
    function: String,
    nodes: Option<u32>,
    not_ready: Option<u32>,
    deleting: Option<u32>,
    reason: Option<DisruptionReason>,
    now: Option<String>,
    #[serde(default)]
    budgets: Vec<settings::Budget>,
    schedule: Option<String>,
    duration_minutes: Option<u32>,
    expect: Expected,
}

#[test]
fn budgets() {
    run("budgets.toml", 70, |case: &BudgetCase| {
        let noon = jiff::civil::date(2027, 3, 1).at(12, 0, 0, 0);
        let read = |text: &String| text.parse::<DateTime>().unwrap();
        let now = case.now.as_ref().map_or(noon, read);
        Some(match (&*case.function, &case.expect) {
            ("schedule-active", Expected::Active(expected)) => {
                let schedule = Schedule::parse(case.schedule.as_ref().unwrap());
                let minutes = case.duration_minutes.unwrap();
                schedule.and_then(|schedule| same(schedule.active(now, minutes), *expected))
            }
            ("allowed", Expected::Allowed(expected)) => {
                let read = case.budgets.iter().map(|budget| Budget::new(budget, now.date(), 2));
                let Ok(budgets) = read.collect::<Result<Vec<Budget>, _>>() else {
                    // The controller allows nothing while a schedule cannot be read; here it is an error
                    // when the scenario is.
                    return Some(same(0, *expected));
                };
                let second = i64::from(now.hour()) * 3600
                    + i64::from(now.minute()) * 60
                    + i64::from(now.second());
                let nodes = PoolNodes {
                    initialized: case.nodes.unwrap(),
                    unavailable: case.not_ready.unwrap_or(0) + case.deleting.unwrap_or(0),
                };
                let got = allowed(&budgets, nodes, second as u32, case.reason.unwrap());
                same(got.map_or(-1, i64::from), *expected)
            }
            other => panic!("{other:?}"),
        })
    });
}

#[derive(Debug, Deserialize)]
struct Standing {
    name: String,
    r#type: String,
    pool: String,
    purchase: String,
    quiet_seconds: u32,
    running: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
struct Disruption {
    types: Vec<Type>,
    pools: Vec<PoolCase>,
    pods: IndexMap<String, PodCase>,
    nodes: Vec<Standing>,
    expect: String,
    expect_removed: Option<Vec<String>>,
    expect_removed_count: Option<usize>,
    expect_replacement: Option<String>,
    expect_replacement_purchase: Option<String>,
}

impl Disruption {
    fn policy(&self) -> Policy {
        // Nodes of a type that a pool may no longer buy are still there: they get an offer of their own.
        let (pools, mut offers) = cluster::pools(&self.pools, &self.types);
        for node in &self.nodes {
            let pool = pools.iter().find(|pool| pool.name == node.pool).unwrap();
            let spot = node.purchase == "spot";
            let known = offers.iter().any(|offer| {
                offer.instance_type == node.r#type
                    && offer.group == pool.group
                    && (offer.purchase == Purchase::Spot) == spot
            });
            if !known {
                let own = self.types.iter().position(|kind| kind.name == node.r#type).unwrap();
                let kind = &self.types[own];
                let (_, all) = cluster::pools(
                    &[toml::from_str(&format!(
                        "name = \"x\"\ncapacity_types = [\"spot\", \"on-demand\"]\ntypes = [{:?}]",
                        kind.name
                    ))
                    .unwrap()],
                    &self.types,
                );
                let mut offer = all
                    .into_iter()
                    .find(|offer| (offer.purchase == Purchase::Spot) == spot)
                    .unwrap();
                offer.group = pool.group;
                offers.push(offer);
            }
        }
        let workloads = self
            .pods
            .iter()
            .map(|(name, pod)| {
                let pod = PodCase { name: name.clone(), ..pod.clone() };
                cluster::deployment(&pod, (Groups::ALL, Groups::NONE))
            })
            .collect();
        let mut policy = cluster::policy(offers, pools, workloads);
        policy.spot.spot_to_spot = self.pools.iter().any(|pool| pool.spot_to_spot);
        policy.zones = 1;
        policy
    }

    fn states(&self, policy: &Policy) -> Vec<NodeState> {
        self.nodes
            .iter()
            .map(|node| {
                let pool = policy.pools.iter().find(|pool| pool.name == node.pool).unwrap();
                let offer = policy.offers.iter().position(|offer| {
                    offer.instance_type == node.r#type
                        && offer.group == pool.group
                        && (offer.purchase == Purchase::Spot) == (node.purchase == "spot")
                });
                let count = |name: &String| node.running.get(name).copied().unwrap_or(0);
                NodeState {
                    offer: offer.unwrap(),
                    zone: 0,
                    quiet_seconds: node.quiet_seconds,
                    pods: self.pods.keys().map(count).collect(),
                }
            })
            .collect()
    }

    fn check(&self) -> Result<(), String> {
        let policy = self.policy();
        let cluster = Cluster::from_state(&policy, &self.states(&policy), &[], cluster::luck());
        let command = cluster.decide(&policy);
        let action = match &command {
            None => "none",
            Some(command) if command.replacements.is_empty() => "delete",
            Some(_) => "replace",
        };
        let removed = |command: &Command| -> Vec<String> {
            let names = command.nodes.iter().map(|(index, _)| self.nodes[*index].name.clone());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        let got = command.as_ref().map(removed).unwrap_or_default();
        same(action, &*self.expect).map_err(|message| format!("{message} {got:?}"))?;
        if let Some(expected) = &self.expect_removed {
            let mut expected = expected.clone();
            expected.sort();
            same(got.clone(), expected)?;
        }
        if let Some(expected) = self.expect_removed_count {
            same(got.len(), expected)?;
        }
        let Some(replacement) = command.as_ref().and_then(|c| c.replacements.first()) else {
            return Ok(());
        };
        let cheapest = replacement
            .offers
            .iter()
            .map(|offer| &policy.offers[*offer])
            .min_by(|a, b| a.price.total_cmp(&b.price))
            .unwrap();
        if let Some(expected) = &self.expect_replacement {
            same(&cheapest.instance_type, expected)?;
        }
        if let Some(expected) = &self.expect_replacement_purchase {
            let spot = if cheapest.purchase == Purchase::Spot { "spot" } else { "on-demand" };
            same(spot, &**expected)?;
        }
        Ok(())
    }
}

#[test]
fn consolidation() {
    run("consolidation.toml", 80, |case: &Disruption| Some(case.check()));
}

#[derive(Debug, Deserialize)]
struct Queue {
    function: String,
    lambda: f64,
    service_ms: f64,
    servers: u32,
    quantile: Option<f64>,
    expect: f64,
    tolerance: f64,
}

#[test]
fn queues() {
    run("queueing.toml", 55, |case: &Queue| {
        let (a, servers) = (case.lambda * case.service_ms / 1000.0, case.servers);
        let quantile = || case.quantile.unwrap();
        let got = match &*case.function {
            "erlang-b" => queueing::erlang_b(a, servers),
            "erlang-c" => queueing::erlang_c(a, servers),
            "mean-wait" => case.service_ms * queueing::mean_wait(a, servers),
            "response-quantile" => {
                case.service_ms * queueing::response_quantile(a, servers, quantile())
            }
            "wait-quantile" => case.service_ms * queueing::wait_quantile(a, servers, quantile()),
            other => panic!("{other}"),
        };
        let near = (got - case.expect).abs() <= case.tolerance;
        Some(if near { Ok(()) } else { Err(format!("got {got}, expected {}", case.expect)) })
    });
}
