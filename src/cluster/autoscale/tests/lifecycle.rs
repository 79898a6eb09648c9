//! How nodes live and go: buffers, batches, protected pods, failures, quiet time.

use super::*;
use crate::cluster::autoscale::group::Group;

/// A company with one deployment of fixed pods of half a core, which tests scale by hand.
fn fixed(pool: &str, workload: &str) -> Company {
    let mut company = Company::new(pool);
    let text = format!(
        "replicas = 2\nrequests = {{ cpu_millicores = 500, memory_mib = 256 }}\n{workload}"
    );
    company.workloads["api"] = toml::from_str(&text).unwrap();
    company
}

fn policy_of(company: &Company, tick_seconds: Second) -> Policy {
    Policy::build(&Inputs { tick_seconds, ..company.inputs() }).unwrap()
}

/// Pods of half a core that nodes still hold.
fn room(cluster: &Cluster) -> i64 {
    let holds = |node: &Node| (node.free.cpu / 500).min(node.free.memory / 256).min(node.free.pods);
    cluster.nodes().filter(|node| node.drain.is_none()).map(holds).sum()
}

const BUFFER: &str = "feature_gates = [\"CapacityBuffer\"]\n\
    capacity_buffers = { headroom = { workload = \"api\", replicas = 10 } }\n";

/// Two baseline nodes of 1,930m hold six pods of 500m, two of which are there: of ten virtual pods, four fit and
/// six need nodes, which stay although they have no pods. Real pods take the room at once, and it comes back.
#[test]
fn a_buffer_keeps_room_and_is_refilled() {
    let policy = policy_of(&fixed(&format!("{BUFFER}{POOL}"), ""), 15);
    let bare = policy_of(&fixed(POOL, ""), 15);
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    let mut without = Cluster::new(&bare, 0.0, true, luck());
    for _ in 0..240 {
        cluster.step(&policy, 0.0, true);
        without.step(&bare, 0.0, true);
        check(&without, &bare);
    }
    assert_eq!(without.nodes().count(), 2, "nothing but the baseline");
    let buffered = |cluster: &Cluster| cluster.nodes().map(|node| node.buffered).sum::<u32>();
    assert!(buffered(&cluster) == 10 && room(&cluster) >= 10, "{}", room(&cluster));
    // Without any pod, six of the ten fit on the baseline, and a node that holds the others is not empty.
    for _ in 0..240 {
        cluster.set_desired(&policy, 0, 0);
        cluster.step(&policy, 0.0, true);
    }
    let bought = |node: &&Node| policy.offers[node.offer].group == Group::of_pool(0);
    let empty: Vec<&Node> = cluster.nodes().filter(bought).collect();
    assert!(!empty.is_empty() && empty.iter().all(|node| node.pod_count == 0));
    assert_eq!(empty.iter().map(|node| node.buffered).sum::<u32>(), 4);
    // Ten pods take the room at once; without it they wait for a node.
    without.set_desired(&bare, 0, 0);
    for (cluster, policy, ready) in [(&mut cluster, &policy, 10), (&mut without, &bare, 6)] {
        cluster.set_desired(policy, 0, 10);
        for _ in 0..2 {
            cluster.step(policy, 0.0, true);
        }
        assert_eq!(cluster.workloads()[0].ready, ready);
        for _ in 0..240 {
            cluster.step(policy, 0.0, true);
        }
        assert_eq!(cluster.workloads()[0].ready, 10);
    }
    assert!(room(&cluster) >= 10 && buffered(&cluster) == 10, "refilled: {}", room(&cluster));
    // With fewer pods the room is found on what stays; empty nodes beyond it go.
    cluster.set_desired(&policy, 0, 2);
    for _ in 0..240 {
        cluster.step(&policy, 0.0, true);
    }
    assert!((10..18).contains(&room(&cluster)), "{}", room(&cluster));
    // Outside the schedule a buffer that follows it is empty.
    for _ in 0..40 {
        cluster.step(&policy, 0.0, false);
    }
    assert_eq!(cluster.nodes().count(), 2);
}

/// `computeReplicas`: the larger of replicas and percent, the smaller of that and the limits.
#[test]
fn the_size_of_a_buffer_follows_its_workload() {
    let size = |settings: &str, replicas: u32| {
        let buffer = format!(
            "feature_gates = [\"CapacityBuffer\"]\ncapacity_buffers = {{ b = {{ {settings} }} }}\n"
        );
        policy_of(&fixed(&format!("{buffer}{POOL}"), ""), 60).buffers[0].size(replicas)
    };
    let of_api = |more: &str| format!("workload = \"api\", {more}");
    assert_eq!(size(&of_api("percent = 50"), 5), 3, "rounded up");
    assert_eq!([0, 1].map(|pods| size(&of_api("percent = 10"), pods)), [0, 1]);
    assert_eq!([2, 9].map(|pods| size(&of_api("percent = 50, replicas = 3"), pods)), [3, 5]);
    let limited = of_api("replicas = 9, limits = { cpu_millicores = 2100, memory_mib = 4096 }");
    assert_eq!(size(&limited, 2), 4, "2,100m hold four pods of 500m");
    assert_eq!(size(&of_api("limits = { memory_mib = 1024 }"), 2), 4);
    let own =
        "requests = { cpu_millicores = 100, memory_mib = 512 }, limits = { memory_mib = 1024 }";
    assert_eq!(size(own, 2), 2);
}

#[test]
fn buffers_that_contradict_themselves_are_refused() {
    let problems = |cluster: &str| {
        Company::new(&format!("{cluster}\n{POOL}")).policy().unwrap_err().join("\n")
    };
    let buffer = |text: &str| {
        problems(&format!(
            "feature_gates = [\"CapacityBuffer\"]\ncapacity_buffers = {{ b = {{ {text} }} }}"
        ))
    };
    for (found, expected) in [
        (
            problems("capacity_buffers = { b = { workload = \"api\", replicas = 1 } }"),
            "cluster.capacity_buffers: Karpenter ignores them without its gate",
        ),
        (buffer("replicas = 1"), "capacity_buffers.b: give exactly one of workload and requests"),
        (buffer("workload = \"api\""), "capacity_buffers.b: has no size"),
        (
            buffer("workload = \"apo\", replicas = 1"),
            "capacity_buffers.b.workload: no workload \"apo\"; did you mean \"api\"?",
        ),
        (
            buffer("requests = { cpu_millicores = 1, memory_mib = 1 }, percent = 10"),
            "capacity_buffers.b.percent: is a share of a workload's replicas",
        ),
        (
            buffer(
                "requests = { cpu_millicores = 1, memory_mib = 1 }, replicas = 1, node_pools = [\"genral\"]",
            ),
            "capacity_buffers.b.node_pools: no node pool \"genral\"; did you mean \"general\"?",
        ),
        (
            buffer("requests = { cpu_millicores = 90000, memory_mib = 1 }, replicas = 1"),
            "capacity_buffers.b.requests: 90000m CPU and 1 MiB fit no allowed instance type",
        ),
        (
            buffer("workload = \"api\", replicas = 1, tolerations = [\"a\"]"),
            "capacity_buffers.b.tolerations: has no effect with workload",
        ),
        (
            problems("batch_idle_seconds = 20"),
            "cluster.batch_idle_seconds: 20 is above batch_max_seconds (10)",
        ),
    ] {
        assert!(found.contains(expected), "{expected}\n{found}");
    }
    let mut company = Company::new(POOL);
    company.workloads["api"].do_not_disrupt = true;
    company.workloads["api"].do_not_disrupt_seconds = Some(60);
    let problems = company.policy().unwrap_err().join("\n");
    assert!(problems.contains("do_not_disrupt_seconds: do_not_disrupt = true protects"));
}

/// Ticks of 15 s. By default nodes are planned in the tick in which pods come. With an idle time of 30 s they are
/// planned 30 s after the last new pod, and with new pods in every tick when the longest batch of 45 s is over.
#[test]
fn a_batch_waits_for_new_pods_and_no_longer_than_its_maximum() {
    let planned = |cluster: &str, pods: [u32; 5]| {
        let policy = policy_of(&fixed(&format!("{cluster}{POOL}"), ""), 15);
        let mut cluster = Cluster::new(&policy, 0.0, true, luck());
        let nodes = cluster.launched;
        pods.iter().position(|pods| {
            cluster.set_desired(&policy, 0, *pods);
            cluster.step(&policy, 0.0, true);
            cluster.launched > nodes
        })
    };
    let long = "batch_idle_seconds = 30\nbatch_max_seconds = 45\n";
    assert_eq!(planned("", [40; 5]), Some(0));
    assert_eq!(planned(long, [40; 5]), Some(2));
    assert_eq!(planned(long, [40, 41, 41, 41, 41]), Some(3));
    assert_eq!(planned(long, [40, 41, 42, 43, 44]), Some(3));
    let policy = policy_of(&fixed(&format!("{long}{POOL}"), ""), 15);
    assert_eq!(policy.latencies.nomination, 90, "two of the longest batches");
    assert_eq!(policy_of(&fixed(POOL, ""), 15).latencies.nomination, 20);
    let short = policy_of(&fixed(&format!("batch_idle_seconds = 2\n{POOL}"), ""), 15);
    assert!(
        short.warnings()[0].starts_with("cluster.batch_idle_seconds: a wait of 2 s lies within")
    );
    // Pods of the start wait for no others.
    let many = fixed(&format!("{long}{POOL}"), "").policy_with(40);
    assert_eq!(Cluster::new(&many, 0.0, true, luck()).pending(), 0);
}

impl Company {
    /// The policy with so many pods.
    fn policy_with(mut self, replicas: u32) -> Policy {
        self.workloads["api"].replicas = Some(replicas);
        policy_of(&self, 15)
    }
}

/// Nodes of a pool that expire after an hour, by the minutes after which all of the first ones are gone.
fn minutes_to_expire(pool: &str, workload: &str) -> Option<usize> {
    let pool = format!("{POOL}expire_after_hours = 1\n{pool}");
    let policy = policy_of(&fixed(&pool, &format!("node_pools = [\"general\"]\n{workload}")), 60);
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    (1..600).find(|_| {
        cluster.step(&policy, 0.0, true);
        check_pods(&cluster, &policy);
        let first = |node: &&Node| {
            node.created_at == 0 && policy.offers[node.offer].group == Group::of_pool(0)
        };
        !cluster.nodes().any(|node| first(&node))
    })
}

fn check_pods(cluster: &Cluster, policy: &Policy) {
    for node in cluster.nodes() {
        let limited = policy.workloads[0].do_not_disrupt_seconds.is_some();
        assert!(!limited || node.protected.len() as u32 == node.pods[0]);
    }
}

/// `IsEvictable`: a pod that is not to be disrupted leaves an expired node at the end of the grace alone; one that
/// is protected for a while after its start leaves then.
#[test]
fn expired_nodes_keep_pods_that_are_not_to_be_disrupted() {
    assert_eq!(minutes_to_expire("", ""), Some(61));
    assert_eq!(minutes_to_expire("", "do_not_disrupt = true"), None);
    let grace = "termination_grace_seconds = 1800\n";
    assert_eq!(minutes_to_expire(grace, "do_not_disrupt = true"), Some(91));
    assert_eq!(minutes_to_expire("", "do_not_disrupt_seconds = 7200"), Some(121));
    assert_eq!(minutes_to_expire(grace, "do_not_disrupt_seconds = 7200"), Some(91));
    assert_eq!(minutes_to_expire("", "do_not_disrupt_seconds = 600"), Some(61));
    let warned = policy_of(&fixed(POOL, "do_not_disrupt = true"), 60).warnings().join("\n");
    assert!(warned.contains("general.termination_grace_seconds: without it, expired nodes"));
}

/// `EventualDisruptionClass`: with a longest drain, drift continues although pods block it.
#[test]
fn drift_goes_on_with_a_termination_grace() {
    for (grace, drifts) in [("", false), ("termination_grace_seconds = 600\n", true)] {
        let pool = format!("{POOL}drift_every_days = 1\nexpire_after_hours = 0\n{grace}");
        let workload = "node_pools = [\"general\"]\ndo_not_disrupt = true";
        let policy = policy_of(&fixed(&pool, workload), 60);
        let mut cluster = Cluster::new(&policy, 0.0, true, luck());
        for _ in 0..1440 + 60 {
            cluster.step(&policy, 0.0, true);
            check(&cluster, &policy);
        }
        let disruptions = cluster.take_tally(&policy).disruptions;
        assert_eq!(disruptions.drifted > 0, drifts, "{disruptions:?}");
    }
}

/// Nodes that fail every 7.3 hours on average: their pods are gone 350 s later. With the gate a failed node goes
/// after 50 s and 30 minutes, without it stays: as one that is not ready it uses up the budget of its small pool.
#[test]
fn failed_nodes_are_replaced_with_the_gate() {
    for gate in [true, false] {
        let gates = if gate { "feature_gates = [\"NodeRepair\"]\n" } else { "" };
        let pool = format!("node_failures_per_month = 100\n{gates}{POOL}expire_after_hours = 0\n");
        let policy = policy_of(&fixed(&pool, "node_pools = [\"general\"]"), 60);
        let mut cluster = Cluster::new(&policy, 0.0, true, luck());
        cluster.keep_events();
        let mut failed: std::collections::BTreeMap<u32, Second> = std::collections::BTreeMap::new();
        for _ in 0..3 * 1440 {
            cluster.step(&policy, 0.0, true);
            for node in cluster.nodes().filter(|node| !node.is_sound()) {
                let since = *failed.entry(node.id).or_insert(cluster.now);
                assert!(node.pod_count == 0 || cluster.now - since <= 360, "{node:?}");
                assert!(!gate || cluster.now - since <= 1860, "{node:?}");
                assert!(policy.offers[node.offer].group == Group::of_pool(0));
            }
            let api = &cluster.workloads()[0];
            assert_eq!(api.ready + api.starting + api.pending, 2);
        }
        let events = cluster.take_events();
        let named = |wanted: &str| events.iter().filter(|e| e.reason.name() == wanted).count();
        let (fell, repaired) = (named("NodeNotReady"), named("Unhealthy"));
        assert!(fell >= 5, "{fell}");
        assert_eq!(fell, failed.len());
        assert_eq!(repaired > 0, gate, "{repaired}");
        let disruptions = cluster.take_tally(&policy).disruptions;
        assert_eq!(disruptions.repaired as usize, repaired);
        let left = cluster.nodes().filter(|node| !node.is_sound()).count();
        assert!(if gate { left <= 1 } else { left > 1 }, "{left} of {fell}");
    }
    let idle = format!("feature_gates = [\"NodeRepair\"]\n{POOL}");
    let warned = policy_of(&fixed(&idle, ""), 60).warnings().join("\n");
    assert!(warned.contains("NodeRepair has no effect while node_failures_per_month is 0"));
}

/// Quiet time counts from when the node is ready, or from the last pod after that: pods that wait for a node bind
/// when it is ready (`LastPodEventTime`, and the transition of Initialized without one).
#[test]
fn quiet_time_begins_when_the_node_is_ready() {
    let pool = format!("{POOL}consolidate_after_seconds = 300\n");
    let policy = policy_of(&fixed(&pool, "node_pools = [\"general\"]"), 15);
    let mut cluster = Cluster::new(&policy, 0.0, true, luck());
    cluster.set_desired(&policy, 0, 60);
    cluster.step(&policy, 0.0, true);
    let node = cluster.nodes().find(|node| node.ready_at > cluster.now).unwrap();
    assert!(node.pod_count > 0);
    let (id, ready_at) = (node.id, node.ready_at);
    assert_eq!(node.quiet_since(), ready_at);
    // Its pods go before it is ready: the last event is older, the quiet time is not.
    cluster.set_desired(&policy, 0, 2);
    let leaves = (0..100).find_map(|_| {
        let now = cluster.now;
        cluster.step(&policy, 0.0, true);
        let stays = cluster.nodes().any(|node| node.id == id && node.drain.is_none());
        (!stays).then_some(now)
    });
    let leaves = leaves.unwrap();
    assert!((ready_at + 300..ready_at + 345).contains(&leaves), "{leaves} {ready_at}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(12))]
    /// Buffers, batches, failures and protected pods end calm stretches like anything else.
    #[test]
    fn calm_stretches_know_of_lifecycles(seed in 0_u64..1000, cut in 1_usize..300) {
        let cluster = "feature_gates = [\"CapacityBuffer\", \"NodeRepair\"]\nnode_failures_per_month = 60\n\
            batch_idle_seconds = 90\nbatch_max_seconds = 200\n\
            capacity_buffers = { b = { workload = \"api\", percent = 30 } }\n";
        let pool = format!("{cluster}{POOL}spot_share = 0.5\nexpire_after_hours = 5\ntermination_grace_seconds = 900\n");
        let mut company = Company::new(&pool);
        company.workloads["api"].do_not_disrupt_seconds = Some(1200);
        let policy = company.policy().unwrap();
        let luck = || crate::measure::random::stream(seed, 0, crate::measure::random::Stream::Cluster, 0);
        let load = |minute: usize| 2000.0 + 1500.0 * (minute as f64 / 200.0).sin();
        let loads: Vec<f64> = (0..1200).map(load).collect();
        let mut whole = Cluster::new(&policy, loads[0], true, luck());
        let mut ticks = Cluster::new(&policy, loads[0], true, luck());
        for part in loads.chunks(cut) {
            whole.run(&policy, part, true);
            for load in part {
                ticks.step(&policy, *load, true);
            }
            proptest::prop_assert_eq!(&whole, &ticks);
        }
    }
}
