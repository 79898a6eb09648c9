//! Allocatable room, the scheduler, and Karpenter's provisioning.

use runrate::cluster::autoscale::group::{Group, Groups};
use runrate::cluster::autoscale::resources::Resources;
use std::collections::BTreeMap;

use runrate::{
    app::store,
    cluster::autoscale::{
        Cluster, NodeState,
        policy::{Offer, Purchase},
        schedule::{balanced_allocation, least_allocated, spread_allows},
    },
    facts::shapes::allocatable::{Overrides, eni_pods},
};
use serde::Deserialize;

use super::{
    cluster::{self, PodCase, PoolCase, Type},
    run, same,
};

#[derive(Debug, Deserialize)]
struct Room {
    function: String,
    vcpus: Option<u32>,
    memory_mib: Option<i64>,
    arch: Option<String>,
    pods: Option<u32>,
    enis: Option<u32>,
    ipv4_per_eni: Option<u32>,
    #[serde(default)]
    reserved_enis: u32,
    vm_memory_overhead_percent: Option<f64>,
    kube_reserved_cpu: Option<i64>,
    kube_reserved_memory: Option<i64>,
    #[serde(default)]
    system_reserved_cpu: i64,
    #[serde(default)]
    system_reserved_memory: i64,
    eviction_memory_mib: Option<i64>,
    eviction_memory_percent: Option<f64>,
    expect: Option<i64>,
    expect_cpu: Option<i64>,
    expect_memory: Option<i64>,
}

#[test]
fn allocatable() {
    let catalog = store::embedded_catalog().unwrap();
    let facts = &catalog.controllers.kubelet;
    run("allocatable.toml", 50, |case: &Room| {
        let arm64 = case.arch.as_deref() == Some("arm64");
        let overhead = case.vm_memory_overhead_percent;
        let memory = || facts.memory_capacity(case.memory_mib.unwrap(), arm64, overhead);
        let got = match &*case.function {
            "kube-reserved-cpu" => facts.kube_reserved_cpu(case.vcpus.unwrap()),
            "eni-pods" => {
                let (enis, addresses) = (case.enis.unwrap(), case.ipv4_per_eni.unwrap());
                i64::from(eni_pods(enis, addresses, case.reserved_enis))
            }
            "kube-reserved-memory" => facts.kube_reserved_memory(case.pods.unwrap()),
            "memory-capacity" => memory(),
            "allocatable" => {
                // A share of the capacity is given as a figure: the kubelet computes it once.
                let share = |percent: f64| (percent / 100.0 * memory() as f64).ceil() as i64;
                // 100 % turns the threshold off.
                let share =
                    case.eviction_memory_percent.map(|p| if p >= 100.0 { 0 } else { share(p) });
                let set = Overrides {
                    max_pods: None,
                    reserved_enis: 0,
                    kube_reserved_cpu: case.kube_reserved_cpu,
                    kube_reserved_memory: case.kube_reserved_memory,
                    system_reserved_cpu: case.system_reserved_cpu,
                    system_reserved_memory: case.system_reserved_memory,
                    eviction_memory_mib: case.eviction_memory_mib.or(share),
                    vm_memory_overhead: overhead,
                };
                let machine = (case.vcpus.unwrap(), case.memory_mib.unwrap(), arm64);
                let room = facts.allocatable(machine, case.pods.unwrap(), &set);
                let expected = (case.expect_cpu.unwrap(), case.expect_memory.unwrap());
                return Some(same((room.cpu, room.memory), expected));
            }
            other => panic!("{other}"),
        };
        Some(same(got, case.expect.unwrap()))
    });
}

/// The documented figures of every type that documents any are those of the formula.
#[test]
fn documented_room_is_the_formula() {
    let catalog = store::embedded_catalog().unwrap();
    let facts = &catalog.controllers.kubelet;
    let mut all = 0;
    let mut other = Vec::new();
    for shape in catalog.shapes() {
        let Some(room) = shape.allocatable(facts, &Overrides::default()) else { continue };
        let cpu = shape.allocatable_cpu_milli.unwrap_or(0.0) as i64;
        if cpu == 0 {
            continue;
        }
        all += 1;
        let memory = shape.allocatable_memory_mib.unwrap_or(0.0);
        if cpu != room.cpu || (memory - room.memory as f64).abs() > 1.0 {
            other.push(format!("{} {cpu} {memory} {room:?}", shape.instance_type));
        }
    }
    assert!(all > 1300 && other.is_empty(), "{} of {all}\n{}", other.len(), other.join("\n"));
}

#[derive(Debug, Deserialize)]
struct Standing {
    name: String,
    zone: String,
    cpu: i64,
    memory: i64,
    pods: i64,
    taints: Vec<String>,
    requested_cpu: i64,
    requested_memory: i64,
    running: u32,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Bool(bool),
    Score(i64),
    Node(String),
}

#[derive(Debug, Deserialize)]
struct Scheduling {
    function: String,
    cpu_allocatable: Option<i64>,
    memory_allocatable: Option<i64>,
    cpu_requested_after: Option<i64>,
    memory_requested_after: Option<i64>,
    #[serde(default)]
    counts: Vec<u32>,
    #[serde(default)]
    domain: usize,
    #[serde(default)]
    max_skew: u32,
    #[serde(default)]
    min_domains: usize,
    #[serde(default)]
    nodes: Vec<Standing>,
    pod: Option<PodCase>,
    expect: Expected,
}

/// Each node is a group of its own, so that taints may differ; what else runs there is a deployment of
/// its own, which may even request less than nothing where the case counts other pods as its own.
fn schedule(nodes: &[Standing], pod: &PodCase) -> String {
    let offers: Vec<Offer> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| Offer {
            instance_type: node.name.clone(),
            type_id: index as u32,
            family_id: index as u32,
            purchase: Purchase::OnDemand,
            group: Group::of_pool(index),
            price: 1.0,
            vcpu_milli: node.cpu,
            capacity_mib: node.memory,
            generic: true,
            cpu: node.cpu,
            memory: node.memory,
            pods: node.pods + 1,
            zones: 0b111,
            hazard: 0.0,
            shortage: 0.0,
        })
        .collect();
    let taints =
        nodes.iter().enumerate().map(|(index, node)| (Group::of_pool(index), &*node.taints));
    let mut workloads = vec![cluster::deployment(pod, cluster::groups(&pod.tolerations, taints))];
    for (index, node) in nodes.iter().enumerate() {
        let running = i64::from(node.running);
        let other = PodCase {
            cpu: node.requested_cpu - running * pod.cpu,
            memory: node.requested_memory - running * pod.memory,
            tolerations: vec![],
            spread: vec![],
            ..pod.clone()
        };
        workloads.push(cluster::deployment(
            &other,
            (Groups::from_iter([Group::of_pool(index)]), Groups::NONE),
        ));
    }
    let count = workloads.len();
    let policy = cluster::policy(offers, Vec::new(), workloads);
    let states: Vec<NodeState> = nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let mut pods = vec![0; count];
            pods[0] = node.running;
            pods[index + 1] = 1;
            NodeState { offer: index, zone: cluster::zone(&node.zone), quiet_seconds: 0, pods }
        })
        .collect();
    let mut pending = vec![0; count];
    pending[0] = 1;
    let mut state = Cluster::from_state(&policy, &states, &pending, cluster::luck());
    state.settle(&policy);
    let chosen = nodes.iter().zip(state.nodes()).find(|(case, node)| node.pods[0] > case.running);
    chosen.map(|(case, _)| case.name.clone()).unwrap_or_default()
}

#[test]
fn scheduling() {
    run("scheduling.toml", 55, |case: &Scheduling| {
        let score = |score: fn(Resources, Resources) -> i64| {
            let resources = |cpu: Option<i64>, memory: Option<i64>| Resources {
                cpu: cpu.unwrap(),
                memory: memory.unwrap(),
                pods: 0,
            };
            let allocatable = resources(case.cpu_allocatable, case.memory_allocatable);
            let requested = resources(case.cpu_requested_after, case.memory_requested_after);
            score(allocatable, requested)
        };
        Some(match (&*case.function, &case.expect) {
            ("least-allocated-score", Expected::Score(expected)) => {
                same(score(least_allocated), *expected)
            }
            ("balanced-allocation-score", Expected::Score(expected)) => {
                same(score(balanced_allocation), *expected)
            }
            ("spread-allowed", Expected::Bool(expected)) => same(
                spread_allows(&case.counts, case.domain, case.max_skew, case.min_domains),
                *expected,
            ),
            ("schedule", Expected::Node(expected)) => {
                same(schedule(&case.nodes, case.pod.as_ref().unwrap()), expected.clone())
            }
            other => panic!("{other:?}"),
        })
    });
}

#[derive(Debug, Deserialize)]
struct Existing {
    r#type: String,
    pool: String,
    zone: String,
    purchase: String,
    used_cpu: i64,
    used_memory: i64,
    used_pods: u32,
}

#[derive(Debug, Deserialize)]
struct Bought {
    r#type: String,
    pool: String,
    purchase: String,
    count: u32,
}

#[derive(Debug, Deserialize)]
struct Provisioning {
    types: Vec<Type>,
    pools: Vec<PoolCase>,
    #[serde(default)]
    existing: Vec<Existing>,
    pods: Vec<PodCase>,
    expect_nodes: Vec<Bought>,
    expect_pending: u32,
    expect_on_existing: Option<u32>,
    expect_zones: Option<Vec<u32>>,
    #[serde(default)]
    expect_purchase_only: bool,
}

fn purchase(name: &str) -> Purchase {
    if name == "spot" { Purchase::Spot } else { Purchase::OnDemand }
}

#[test]
fn provisioning() {
    run("provisioning.toml", 80, |case: &Provisioning| Some(provision(case)));
}

fn provision(case: &Provisioning) -> Result<(), String> {
    let (pools, offers) = cluster::pools(&case.pools, &case.types);
    let taints = || {
        pools.iter().map(|pool| {
            let own = case.pools.iter().find(|own| own.name == pool.name).unwrap();
            (pool.group, own.taints())
        })
    };
    let mut workloads: Vec<_> = case
        .pods
        .iter()
        .map(|pod| cluster::deployment(pod, cluster::groups(&pod.tolerations, taints())))
        .collect();
    let own = workloads.len();
    for node in &case.existing {
        // Several pods that share what the node has given away: the last has the rest.
        let others = i64::from(node.used_pods.max(1));
        let pod = PodCase {
            cpu: node.used_cpu / others,
            memory: node.used_memory / others,
            spread: vec![],
            tolerations: vec![],
            ..case.pods[0].clone()
        };
        workloads.push(cluster::deployment(&pod, (Groups::ALL, Groups::NONE)));
    }
    let all = workloads.len();
    let states: Vec<NodeState> = case
        .existing
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let pool = pools.iter().find(|pool| pool.name == node.pool).unwrap();
            let offer = offers.iter().position(|offer| {
                offer.instance_type == node.r#type
                    && offer.group == pool.group
                    && offer.purchase == purchase(&node.purchase)
            });
            let mut pods = vec![0; all];
            pods[own + index] = node.used_pods;
            NodeState {
                offer: offer.unwrap(),
                zone: cluster::zone(&node.zone),
                quiet_seconds: 0,
                pods,
            }
        })
        .collect();
    let mut pending: Vec<u32> = case.pods.iter().map(|pod| pod.count).collect();
    pending.resize(all, 0);
    let policy = cluster::policy(offers, pools, workloads);
    let mut state = Cluster::from_state(&policy, &states, &pending, cluster::luck());
    state.provision_pending(&policy);
    compare(case, &policy, &state, (own, states.len()))
}

/// Bought nodes, their zones, pods on existing nodes and pending ones.
fn compare(
    case: &Provisioning,
    policy: &runrate::cluster::autoscale::policy::Policy,
    state: &Cluster,
    (own, existing): (usize, usize),
) -> Result<(), String> {
    let mut got: BTreeMap<(String, String, &str), u32> = BTreeMap::new();
    let mut zones = [0_u32; 3];
    let mut on_existing = 0;
    for (index, node) in state.nodes().enumerate() {
        if index < existing {
            on_existing += node.pods[..own].iter().sum::<u32>();
            continue;
        }
        let offer = &policy.offers[node.offer];
        let name = if case.expect_purchase_only { "" } else { &offer.instance_type };
        let pool = policy.pool_of(offer.group).unwrap().name.clone();
        let bought = if offer.purchase == Purchase::Spot { "spot" } else { "on-demand" };
        *got.entry((name.to_owned(), pool, bought)).or_default() += 1;
        zones[usize::from(node.zone)] += 1;
    }
    let mut expected: BTreeMap<(String, String, &str), u32> = BTreeMap::new();
    for node in &case.expect_nodes {
        let name = if case.expect_purchase_only { "" } else { &node.r#type };
        let key = (name.to_owned(), node.pool.clone(), &*node.purchase);
        *expected.entry(key).or_default() += node.count;
    }
    same(got, expected)?;
    same(state.pending(), case.expect_pending)?;
    if let Some(expected) = case.expect_on_existing {
        same(on_existing, expected)?;
    }
    if let Some(expected) = &case.expect_zones {
        zones.sort_unstable_by(|a, b| b.cmp(a));
        let mut expected = expected.clone();
        expected.resize(3, 0);
        same(zones.to_vec(), expected)?;
    }
    Ok(())
}
