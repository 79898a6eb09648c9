mod supply;

use super::resources::Resources;
use super::{group::Group, purchase::NodeCounts};
use indexmap::IndexMap;

use super::{
    policy::{Inputs, Policy, Purchase},
    settings, *,
};
use crate::{
    app::store::{self, PriceSource},
    cluster::workload::Workload,
    demand::traffic::Class,
    facts::shapes::Catalog,
};

mod lifecycle;

/// A company of one API behind the load balancer, on the real shapes and prices of us-east-1.
pub(super) struct Company {
    catalog: Catalog,
    prices: crate::facts::prices::PriceBook,
    pub(super) cluster: settings::Cluster,
    pub(super) workloads: IndexMap<String, Workload>,
    classes: IndexMap<String, Class>,
    pub(super) kubernetes_minor: Option<u32>,
}

impl Company {
    pub(super) fn new(pool: &str) -> Self {
        let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
        let cluster = format!(
            "availability_zones = 3\nnode_startup_seconds = 45\n\
             baseline = {{ instance_type = \"m7g.large\", nodes = 2 }}\n{pool}"
        );
        let api = "calls_per = { api = 1.0 }\ncpu_ms_per_request = 100\nstartup_seconds = 15\n\
             requests = { cpu_millicores = 500, memory_mib = 256 }\n\
             limits = { cpu_millicores = 1000, memory_mib = 512 }\n\
             hpa = { min_replicas = 2, max_replicas = 60, target_cpu_utilization = 60 }";
        Self {
            catalog: store::embedded_catalog_of(&["us-east-1"]).unwrap(),
            prices: store::load_prices(&manifest, Some(&["us-east-1"])).unwrap(),
            cluster: toml::from_str(&cluster).unwrap(),
            workloads: IndexMap::from([("api".to_owned(), toml::from_str(api).unwrap())]),
            classes: IndexMap::from([(
                "api".to_owned(),
                Class { per_session: 1.0, request_kib: 1.0, response_kib: 5.0, at_edge: None },
            )]),
            kubernetes_minor: None,
        }
    }

    pub(super) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            workloads: &self.workloads,
            cluster: &self.cluster,
            classes: &self.classes,
            catalog: &self.catalog,
            prices: &self.prices,
            region: "us-east-1",
            tick_seconds: 60,
            start: jiff::civil::date(2027, 1, 1),
            days: 31,
            kubernetes_minor: self.kubernetes_minor,
        }
    }

    pub(super) fn policy(&self) -> Result<Policy, Vec<String>> {
        let text = |problems: Vec<crate::error::Problem>| {
            problems.iter().map(ToString::to_string).collect()
        };
        Policy::build(&self.inputs()).map_err(text)
    }
}

/// An API and a page server with autoscalers, agents on every node, pods of no load; some with affinity.
pub(super) fn company() -> Policy {
    let pool = format!("{POOL}spot_share = 0.5\nconsolidate_after_seconds = 120\n");
    let mut company = Company::new(&pool);
    let more = [
        (
            "page",
            "calls_per = { api = 0.3 }\ncpu_ms_per_request = 20\nstartup_seconds = 5\n\
            requests = { cpu_millicores = 200, memory_mib = 64 }\n\
            hpa = { min_replicas = 1, max_replicas = 20, target_cpu_utilization = 50 }\n\
            pod_affinity = [{ workload = \"cache\", topology_key = \"topology.kubernetes.io/zone\", weight = 50 }]\n\
            node_preferences = [{ weight = 10, capacity_types = [\"spot\"] }]",
        ),
        (
            "cache",
            "calls_per = { api = 1.0 }\ncpu_ms_per_request = 1\n\
            requests = { cpu_millicores = 500, memory_mib = 64 }\nreplicas = 2\n\
            pod_anti_affinity = [{ workload = \"cache\", topology_key = \"kubernetes.io/hostname\", required = true }]",
        ),
        ("agent", "kind = \"daemon-set\"\nrequests = { cpu_millicores = 50, memory_mib = 64 }"),
    ];
    for (name, text) in more {
        company.workloads.insert(name.to_owned(), toml::from_str(text).unwrap());
    }
    company.policy().unwrap()
}

pub(super) fn luck() -> crate::measure::random::Draws {
    crate::measure::random::stream(7, 0, crate::measure::random::Stream::Cluster, 0)
}

pub(super) const POOL: &str = "[node_pools.general]\ncategories = [\"m\"]\nmin_generation = 7\n\
    architectures = [\"arm64\"]\nmax_vcpus = 8\n";

/// Every law that holds in any state.
pub(super) fn check(cluster: &Cluster, policy: &Policy) {
    let mut bound = vec![0; policy.workloads.len()];
    for node in cluster.nodes() {
        let offer = &policy.offers[node.offer];
        let (mut cpu, mut memory, mut pods) = (0, 0, 0);
        for (workload, count) in node.pods.iter().enumerate() {
            let asks = &policy.workloads[workload];
            cpu += asks.request_cpu * i64::from(*count);
            memory += asks.request_memory * i64::from(*count);
            pods += *count;
            bound[workload] += *count;
        }
        assert!(cpu <= offer.cpu && memory <= offer.memory && i64::from(pods) <= offer.pods);
        assert_eq!(node.free.cpu, offer.cpu - cpu);
        assert_eq!(node.pod_count, pods);
    }
    // The bound is dear to compute: now and then is enough.
    if cluster.now.is_multiple_of(3600) {
        let cost: f64 = cluster.nodes().map(|node| policy.offers[node.offer].price).sum();
        let least = pack::lower_bound(&policy.workloads, &bound, &policy.offers);
        assert!(cost >= least - 1e-9, "{cost} is below the bound {least}");
    }
    for ((replicas, workload), bound) in
        cluster.workloads().iter().zip(&policy.workloads).zip(bound)
    {
        assert_eq!(replicas.ready + replicas.starting, bound, "every bound pod is on one node");
        assert_eq!(replicas.desired, bound + replicas.pending);
        assert!(workload.max_replicas.is_none_or(|most| replicas.desired <= most));
        assert_eq!(replicas.zones.iter().sum::<u32>(), bound, "every bound pod is in one zone");
    }
    let leaving = |group: Group| {
        let of = |node: &&Node| policy.offers[node.offer].group == group;
        let nodes: Vec<&Node> = cluster.nodes().filter(of).collect();
        let by_choice = nodes.iter().filter(|node| node.drain.is_some());
        (nodes.len() as u32, by_choice.count() as u32)
    };
    // The default budget, 10 % rounded up; no test here interrupts or expires nodes.
    for pool in &policy.pools {
        let (nodes, leaving) = leaving(pool.group);
        assert!(leaving <= nodes.div_ceil(10) + 1, "{leaving} of {nodes} leave at once");
    }
}

#[test]
fn a_steady_load_settles_where_the_formula_says() {
    let policy = Company::new(POOL).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for _ in 0..60 {
        // 20 requests/s × 100 ms = 2 cores; 500 m × 60 % a pod: 6.67, so 7 pods.
        cluster.step(&policy, 1200.0, true);
        check(&cluster, &policy);
    }
    assert_eq!(cluster.workloads()[0].ready, 7);
}

#[test]
fn a_rise_brings_nodes_and_a_fall_takes_them_away() {
    let policy = Company::new(POOL).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    let mut most = 0;
    for minute in 0..240 {
        let load = if (30..120).contains(&minute) { 6000.0 } else { 60.0 };
        cluster.step(&policy, load, true);
        check(&cluster, &policy);
        most = most.max(cluster.nodes().count());
    }
    // 100 requests/s need 10 cores / 0.3 = 34 pods of half a core: 17 cores of nodes.
    assert!(most >= 4, "{most}");
    assert_eq!(cluster.nodes().count(), 2, "only the baseline is left");
    let tally = cluster.take_tally(&policy);
    assert!(tally.workloads[0].unserved > 0.0, "a sudden rise cannot be served at once");
    assert!(tally.disruptions.nodes() > 0);
    // Two baseline nodes for four hours, the hours of the others as counted by the minute, and the five
    // seconds that each takes to end.
    let hours: f64 = tally.node_hours.iter().sum();
    let minutes: f64 = tally.hours.iter().map(|hour| hour.node_minutes.total()).sum();
    let ended = f64::from(tally.launches.iter().sum::<u32>()) * 5.0 / 3600.0;
    assert!((hours - minutes / 60.0 - ended).abs() < 1e-9, "{hours} {}", minutes / 60.0);
}

#[test]
fn the_cheapest_offer_that_holds_the_pods_is_bought() {
    let policy = Company::new(POOL).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for _ in 0..20 {
        cluster.step(&policy, 6000.0, true);
    }
    for node in cluster.nodes().filter(|node| policy.offers[node.offer].group == Group::of_pool(0))
    {
        let offer = &policy.offers[node.offer];
        let used = offer.cpu - node.free.cpu;
        let memory = offer.memory - node.free.memory;
        let cheaper = policy.pools[0].offers(Purchase::OnDemand).iter().find(|other| {
            let other = &policy.offers[**other];
            other.price < offer.price && other.cpu >= used && other.memory >= memory
        });
        assert!(cheaper.is_none(), "{} for {used}m", offer.instance_type);
    }
}

#[test]
fn spot_follows_its_share() {
    let pool = format!("{POOL}spot_share = 0.5\nmin_vcpus = 2\n")
        .replace("max_vcpus = 8", "max_vcpus = 2");
    let policy = Company::new(&pool).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for _ in 0..30 {
        cluster.step(&policy, 9000.0, true);
    }
    let count = |purchase| {
        cluster.nodes().filter(|node| policy.offers[node.offer].purchase == purchase).count()
    };
    let (on_demand, spot) = (count(Purchase::OnDemand), count(Purchase::Spot));
    assert!(on_demand + spot > 8, "{on_demand} {spot}");
    assert!(on_demand.abs_diff(spot) <= 1, "{on_demand} {spot}");
}

#[test]
fn a_pool_limit_leaves_pods_pending_and_counts_them() {
    let policy = Company::new(&format!("{POOL}limit_vcpus = 8\n")).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for _ in 0..30 {
        cluster.step(&policy, 12_000.0, true);
        check(&cluster, &policy);
    }
    let vcpu: i64 = cluster
        .nodes()
        .map(|node| &policy.offers[node.offer])
        .filter(|offer| offer.group == Group::of_pool(0))
        .map(|offer| offer.vcpu_milli)
        .sum();
    assert!(vcpu <= 8000, "{vcpu}");
    assert!(cluster.workloads()[0].pending > 0);
    assert!(cluster.take_tally(&policy).workloads[0].pending_pod_minutes > 0.0);
}

#[test]
fn a_sleeping_account_runs_nothing_but_its_baseline() {
    let mut company = Company::new(POOL);
    company.cluster.baseline.asleep_nodes = Some(1);
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 600.0, true, luck());
    for _ in 0..10 {
        cluster.step(&policy, 6000.0, true);
    }
    for _ in 0..30 {
        cluster.step(&policy, 0.0, false);
        check(&cluster, &policy);
    }
    assert_eq!((cluster.nodes().count(), cluster.workloads()[0].ready), (1, 0));
    for _ in 0..10 {
        cluster.step(&policy, 60.0, true);
        check(&cluster, &policy);
    }
    assert_eq!((cluster.nodes().count(), cluster.workloads()[0].ready), (2, 2));
}

#[test]
fn contradictions_are_found_before_anything_runs() {
    let mut company = Company::new(
        "[node_pools.a]\nfamilies = [\"m9x\"]\n[node_pools.b]\ncategories = [\"m\"]\nmin_generation = 20\n",
    );
    company.cluster.baseline.instance_type = "m7g.larg".into();
    company.workloads["api"].requests.cpu_millicores = 900_000.0;
    company.workloads["api"].node_pools = vec!["basline".into()];
    let problems = company.policy().unwrap_err().join("\n");
    for expected in [
        "cluster.baseline.instance_type: no instance type \"m7g.larg\"; did you mean \"m7g.large\"?",
        "cluster.node_pools.a.families: no instance family \"m9x\"",
        "cluster.node_pools.b: no instance type in us-east-1 meets all requirements",
        "workloads.api.node_pools: no node pool \"basline\"; did you mean \"baseline\"?",
    ] {
        assert!(problems.contains(expected), "{expected}\n{problems}");
    }
    let mut company = Company::new(POOL);
    company.workloads["api"].requests.cpu_millicores = 9000.0;
    let problems = company.policy().unwrap_err().join("\n");
    assert!(problems.contains("9000m CPU and 256 MiB fit no allowed instance type"), "{problems}");
}

/// A state of two zones with more pods in one: hard spread sends the next pods to the other, and to a
/// third zone that has no node yet Karpenter brings one.
#[test]
fn a_hard_spread_keeps_zones_even() {
    let mut company = Company::new(POOL);
    company.workloads["api"].topology_spread = vec![crate::cluster::workload::TopologySpread {
        topology_key: crate::cluster::workload::TopologyKey::Zone,
        max_skew: 1,
        when_unsatisfiable: crate::cluster::workload::WhenUnsatisfiable::DoNotSchedule,
    }];
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for _ in 0..60 {
        cluster.step(&policy, 6000.0, true);
        check(&cluster, &policy);
    }
    let zones = &cluster.workloads()[0].zones[..3];
    let (least, most) = (zones.iter().min().unwrap(), zones.iter().max().unwrap());
    assert!(most - least <= 1 && *least >= 10, "{zones:?}");
}

/// With at most one pod away at a time a node of several pods drains over several ticks.
#[test]
fn a_disruption_budget_of_pods_slows_a_drain() {
    let mut company = Company::new(&format!("{POOL}expire_after_hours = 1\n"));
    company.workloads["api"].disruption_budget = Some(crate::cluster::workload::DisruptionBudget {
        max_unavailable: Some(crate::cluster::workload::Pods::Count(1)),
        min_available: None,
    });
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 6000.0, true, luck());
    let mut least = u32::MAX;
    for _ in 0..180 {
        cluster.step(&policy, 6000.0, true);
        least = least.min(cluster.workloads()[0].ready);
    }
    let tally = cluster.take_tally(&policy);
    assert!(tally.disruptions.expired >= 3, "{:?}", tally.disruptions);
    assert!(least + 1 >= cluster.workloads()[0].desired, "{least}");
}

/// A type that AWS takes back hourly: nodes go within two minutes, and their pods find places.
#[test]
fn interrupted_nodes_go_within_their_notice() {
    let mut policy = Company::new(&format!("{POOL}spot_share = 1.0\n")).policy().unwrap();
    for offer in &mut policy.offers {
        if offer.purchase == Purchase::Spot {
            offer.hazard = 1.0 / 3600.0;
        }
    }
    let mut cluster = Cluster::new(&policy, 6000.0, true, luck());
    cluster.keep_events();
    for _ in 0..600 {
        cluster.step(&policy, 6000.0, true);
        for node in cluster.nodes() {
            if let Some(deadline) = node.drain.and_then(|drain| drain.deadline) {
                assert!(cluster.now <= deadline + policy.tick_seconds);
            }
        }
    }
    let tally = cluster.take_tally(&policy);
    assert!(tally.disruptions.interrupted > 20, "{:?}", tally.disruptions);
    let events = cluster.take_events();
    let noticed = events.iter().filter(|event| event.reason == Reason::SpotInterrupted).count();
    assert_eq!(noticed as u32, tally.disruptions.interrupted);
}

/// What is always on follows its load outside the account's schedule too.
#[test]
fn what_is_always_on_is_scaled_while_the_account_sleeps() {
    let mut company = Company::new(POOL);
    company.workloads["api"].always_on = true;
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, false, luck());
    for _ in 0..60 {
        cluster.step(&policy, 1200.0, false);
        check(&cluster, &policy);
    }
    assert_eq!(cluster.workloads()[0].ready, 7, "as under the same load awake");
}

/// Pods that find no place at the start are reported in the first tick, and once.
#[test]
fn pods_without_a_place_at_the_start_are_told_of() {
    let policy = Company::new(&format!("{POOL}limit_vcpus = 2\n")).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 6000.0, true, luck());
    assert!(cluster.pending() > 0);
    cluster.keep_events();
    cluster.step(&policy, 6000.0, true);
    cluster.step(&policy, 6000.0, true);
    let told = |event: &Event| matches!(event.reason, Reason::Unschedulable { .. });
    assert_eq!(cluster.take_events().iter().filter(|event| told(event)).count(), 1);
    let tally = cluster.take_tally(&policy);
    assert!(tally.refusals[tally::Refusal::PoolLimit as usize] > 0);
}

/// A service of one fixed pod that serves 10 requests/s of 100 ms each and keeps callers for 30 s: in
/// two minutes of 20 requests/s, 1,200 more arrive than are served, and the queue holds 300 at most. All
/// of them wait once, however long: in the first minute those beyond the 600 served at once, of which 300
/// find room; in the second the 300 that take the places of those served first.
#[test]
fn a_request_that_waits_is_counted_once() {
    let mut company = Company::new(POOL);
    let api = "calls_per = { api = 1.0 }\ncpu_ms_per_request = 100\ntimeout_seconds = 30\nreplicas = 1\n\
               requests = { cpu_millicores = 1000, memory_mib = 256 }\n\
               limits = { cpu_millicores = 1000, memory_mib = 512 }";
    company.workloads["api"] = toml::from_str(api).unwrap();
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 600.0, true, luck());
    for load in [1200.0, 1200.0, 0.0] {
        cluster.step(&policy, load, true);
    }
    let tally = &cluster.take_tally(&policy).workloads[0];
    assert!((tally.queued - 600.0).abs() < 1e-6, "{}", tally.queued);
    assert!((tally.unserved - 900.0).abs() < 1e-6, "{}", tally.unserved);
    assert!((tally.requests - 2400.0).abs() < 1e-6);
}

/// Four workers a pod, 100 ms a request: at 36 requests/s in one pod 3.6 are busy, and with those that
/// wait there are 10.7 in it (M/M/4 at 0.9: C = 0.788, L = 3.6 + 0.788 × 9). A target of 3 asks for
/// ceil(10.7 / 3) = 4 pods.
#[test]
fn concurrency_counts_the_requests_that_wait() {
    let mut company = Company::new(POOL);
    let api = "calls_per = { api = 1.0 }\ncpu_ms_per_request = 10\nservice_ms_per_request = 100\n\
               concurrency = 4\nrequests = { cpu_millicores = 1000, memory_mib = 256 }\n\
               [hpa]\nmin_replicas = 1\nmax_replicas = 20\n\
               metrics = [{ type = \"Pods\", name = \"concurrency\", average_value = 3 }]\n\
               behavior = { scale_down = { select_policy = \"Disabled\" } }";
    company.workloads["api"] = toml::from_str(api).unwrap();
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    cluster.keep_events();
    for _ in 0..10 {
        cluster.step(&policy, 36.0 * 60.0, true);
    }
    let rescaled = cluster.take_events().into_iter().find_map(|event| match event.reason {
        Reason::Rescaled { from, to, .. } => Some((from, to)),
        _ => None,
    });
    assert_eq!(rescaled, Some((1, 4)));
    // At the start as many pods run as keep every metric at its target: 36 requests/s in two pods are
    // 1.8 busy workers and 0.1 waiting each.
    assert_eq!(policy.workloads[0].replicas_for(36.0 * 60.0), 2);
    assert!(policy.warnings().is_empty());
}

/// A policy of one pod in half a minute allows two in each tick of a minute: the second and the fourth
/// of its reconciles are held, the third is not.
#[test]
fn a_policy_works_within_a_tick_of_a_minute() {
    let mut company = Company::new(POOL);
    let scaling: crate::cluster::workload::Hpa = toml::from_str(
        "min_replicas = 2\nmax_replicas = 60\ntarget_cpu_utilization = 10\n\
         behavior = { scale_up = { policies = [{ type = \"Pods\", value = 1, period_seconds = 30 }] } }",
    )
    .unwrap();
    company.workloads["api"].hpa = Some(scaling);
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    let mut wishes = Vec::new();
    for _ in 0..8 {
        cluster.step(&policy, 12_000.0, true);
        wishes.push(cluster.workloads()[0].desired);
    }
    let first = wishes.iter().position(|wish| *wish > 2).unwrap();
    assert_eq!(wishes[first..first + 3], [4, 6, 8], "{wishes:?}");
}

/// A budget that forbids all at weekends goes by the date at which the simulation starts.
#[test]
fn budgets_go_by_the_date_of_the_start() {
    let budgets = "budgets = [{ nodes = \"1\" }, { nodes = \"0\", schedule = \"0 0 * * sat\", duration_minutes = 2880 }]\n\
                   expire_after_hours = 1000\n";
    // Both loads fall at once; 2 January 2027 is a Saturday, 4 January a Monday.
    for (day, nodes_left) in [(2, false), (4, true)] {
        let company = Company::new(&format!("{POOL}{budgets}"));
        let inputs = Inputs { start: jiff::civil::date(2027, 1, day), ..company.inputs() };
        let policy = Policy::build(&inputs).unwrap();
        let mut cluster = Cluster::new(&policy, 6000.0, true, luck());
        for _ in 0..120 {
            cluster.step(&policy, 60.0, true);
        }
        let left = cluster.take_tally(&policy).disruptions.nodes();
        assert_eq!(left > 0, nodes_left, "{day}: {left}");
    }
}

/// A drift that its budget holds is tried again when the budget's schedule ends, though nothing else
/// happens.
#[test]
fn a_drift_held_by_a_schedule_goes_on_after_it() {
    let pool = format!(
        "{POOL}drift_every_days = 1\nconsolidation_policy = \"WhenEmpty\"\nbudgets = [{{ nodes = \"1\" }}, \
         {{ nodes = \"0\", schedule = \"0 0 * * *\", duration_minutes = 720 }}]\n"
    );
    let policy = Company::new(&pool).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 6000.0, true, luck());
    let mut drifted = [0; 2];
    for minute in 0..1440 + 1200 {
        cluster.step(&policy, 6000.0, true);
        if minute == 1440 + 700 {
            drifted[0] = cluster.take_tally(&policy).disruptions.drifted;
        }
    }
    drifted[1] = cluster.take_tally(&policy).disruptions.drifted;
    assert!(drifted[0] == 0 && drifted[1] > 0, "{drifted:?}");
}

/// AWS takes nodes back while they leave for another reason: each is counted once.
#[test]
fn a_node_that_leaves_twice_is_counted_once() {
    let pool = format!("{POOL}spot_share = 1.0\nexpire_after_hours = 1\n");
    let mut company = Company::new(&pool);
    company.workloads["api"].disruption_budget = Some(crate::cluster::workload::DisruptionBudget {
        max_unavailable: Some(crate::cluster::workload::Pods::Count(1)),
        min_available: None,
    });
    let mut policy = company.policy().unwrap();
    for offer in &mut policy.offers {
        offer.hazard = if offer.purchase == Purchase::Spot { 1.0 / 1800.0 } else { 0.0 };
    }
    let mut cluster = Cluster::new(&policy, 6000.0, true, luck());
    cluster.keep_events();
    for _ in 0..600 {
        cluster.step(&policy, 6000.0, true);
    }
    let leaving = cluster.nodes().filter(|node| node.drain.is_some()).count();
    let events = cluster.take_events();
    let gone = events.iter().filter(|e| matches!(e.reason, Reason::Terminated { .. })).count();
    let noticed = events.iter().filter(|e| e.reason == Reason::SpotInterrupted).count();
    let counted = cluster.take_tally(&policy).disruptions;
    assert_eq!(counted.nodes() as usize, gone + leaving, "{counted:?}");
    assert!(counted.expired > 0 && noticed > counted.interrupted as usize, "{counted:?} {noticed}");
}

/// Valid settings that nobody means are reported, each with a fix.
#[test]
fn settings_that_cannot_work_are_told() {
    let advice = |more: &str| {
        let mut company = Company::new(POOL);
        let api = format!(
            "calls_per = {{ api = 1.0 }}\ncpu_ms_per_request = 10\nservice_ms_per_request = 100\nconcurrency = 4\n\
             requests = {{ cpu_millicores = 500, memory_mib = 256 }}\n{more}"
        );
        company.workloads["api"] = toml::from_str(&api).unwrap();
        company.policy().unwrap().warnings().join("\n")
    };
    let hpa = |metric: &str| advice(&format!("hpa = {{ max_replicas = 9, metrics = [{metric}] }}"));
    for (found, expected) in [
        (
            hpa("{ type = \"Resource\", name = \"memory\", average_utilization = 80 }"),
            "an idle pod uses 256 MiB of memory, above its autoscaler's target (80 % of the request of 256 MiB)",
        ),
        (
            hpa("{ type = \"External\", name = \"requests_per_second\", value = 100 }"),
            "above 100 replicas grow to the maximum",
        ),
        (
            hpa("{ type = \"Pods\", name = \"concurrency\", average_value = 5 }"),
            "a pod serves 4 requests at once, so at a target of 5",
        ),
        (
            advice("hpa = { max_replicas = 9, target_cpu_utilization = 80 }"),
            "all workers of a pod are busy at 80 % CPU",
        ),
    ] {
        assert!(found.starts_with("api: ") && found.contains(expected), "{expected}\n{found}");
    }
    assert_eq!(hpa("{ type = \"Pods\", name = \"concurrency\", average_value = 3 }"), "");
}

/// Without any spot capacity a pool that allows both buys on demand and says so; one that allows
/// spot alone leaves its pods pending.
#[test]
fn without_spot_capacity_on_demand_steps_in() {
    for (types, pending) in [("\"spot\", \"on-demand\"", false), ("\"spot\"", true)] {
        let pool = format!("{POOL}capacity_types = [{types}]\n");
        let mut policy = Company::new(&pool).policy().unwrap();
        for offer in &mut policy.offers {
            offer.shortage = if offer.purchase == Purchase::Spot { 1.0 } else { 0.0 };
        }
        let mut cluster = Cluster::new(&policy, 60.0, true, luck());
        for _ in 0..30 {
            cluster.step(&policy, 6000.0, true);
            check(&cluster, &policy);
        }
        assert_eq!(cluster.pending() > 0, pending, "{types}");
        assert_eq!(cluster.node_counts().spot, 0);
        let refused = cluster.take_tally(&policy).refusals[tally::Refusal::SpotCapacity as usize];
        assert!(refused > 0);
    }
}

/// Nodes of an older image go one after the other, each only when its replacement is ready.
#[test]
fn drift_replaces_all_nodes_in_turn() {
    let policy = Company::new(&format!("{POOL}drift_every_days = 1\n")).policy().unwrap();
    let mut cluster = Cluster::new(&policy, 6000.0, true, luck());
    for _ in 0..1440 + 240 {
        cluster.step(&policy, 6000.0, true);
        check(&cluster, &policy);
    }
    let pooled = |node: &&Node| policy.offers[node.offer].group == Group::of_pool(0);
    assert!(cluster.nodes().filter(pooled).all(|node| node.created_at >= 86_400));
    let tally = cluster.take_tally(&policy);
    assert!(tally.disruptions.drifted > 0);
    assert!(tally.workloads[0].unserved < 1.0, "{}", tally.workloads[0].unserved);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    #[test]
    fn the_laws_hold_under_any_load(loads in proptest::collection::vec(0.0..20_000.0_f64, 1..90)) {
        let pool = format!("{POOL}spot_share = 0.6\n");
        let policy = Company::new(&pool).policy().unwrap();
        let mut cluster = Cluster::new(&policy, loads[0], true, luck());
        for load in &loads {
            cluster.step(&policy, *load, true);
            check(&cluster, &policy);
        }
        let mut again = Cluster::new(&policy, loads[0], true, luck());
        for load in &loads {
            again.step(&policy, *load, true);
        }
        proptest::prop_assert_eq!(cluster, again);
    }
}

/// Types with a GPU are bought where no general type is left, and by pools that name one.
#[test]
fn gpu_and_metal_types_are_left_out_at_launch_while_a_general_type_remains() {
    let families = |pool: &str| {
        let policy = Company::new(&format!("[node_pools.p]\n{pool}\n")).policy().unwrap();
        let bought = policy.pools[0].on_demand.iter();
        let family = |index: &usize| {
            policy.offers[*index].instance_type.split('.').next().unwrap_or_default().to_owned()
        };
        let families: std::collections::BTreeSet<String> = bought.map(family).collect();
        families.into_iter().collect::<Vec<String>>()
    };
    assert_eq!(families("families = [\"g5\", \"g6\"]"), ["g5", "g6"]);
    assert_eq!(families("families = [\"g5\", \"m7g\"]"), ["g5", "m7g"]);
    assert_eq!(families("sizes = [\"metal\"]\nfamilies = [\"m7g\", \"c7g\"]"), ["c7g", "m7g"]);
    assert_eq!(families("families = [\"p5\"]"), ["p5"]);
    assert_eq!(families("instance_types = [\"g5.xlarge\", \"m7g.large\"]"), ["g5", "m7g"]);
    // a1.metal costs less than m7g.4xlarge and holds the same pods.
    let bought = |more: &str| {
        let pool =
            format!("[node_pools.p]\ninstance_types = [\"a1.metal\", \"m7g.4xlarge\"]\n{more}");
        let policy = Company::new(&pool).policy().unwrap();
        let cluster = Cluster::new(&policy, 6000.0, true, luck());
        let node = cluster
            .nodes()
            .find(|node| policy.offers[node.offer].group == Group::of_pool(0))
            .unwrap();
        policy.offers[node.offer].instance_type.clone()
    };
    assert_eq!(bought(""), "m7g.4xlarge");
    assert_eq!(bought("min_values = { instance_types = 2 }"), "a1.metal");
}

/// Karpenter counts a machine's memory after the overhead of its VM against a limit.
#[test]
fn memory_limits_count_memory_after_the_overhead() {
    let policy = Company::new(POOL).policy().unwrap();
    let large = policy.offers.iter().find(|offer| offer.instance_type == "m7g.large").unwrap();
    // (8192 − 64) × (1 − 0.075)
    assert_eq!(large.capacity_mib, 7518);
}

#[test]
fn preferences_count_unless_they_are_ignored() {
    assert!(!Company::new(POOL).policy().unwrap().ignores_preferences);
    let cluster = format!("preference_policy = \"Ignore\"\n{POOL}");
    assert!(Company::new(&cluster).policy().unwrap().ignores_preferences);
}

/// As in Kubernetes, a name that no type has matches nothing; the others remain.
#[test]
fn a_family_that_does_not_exist_is_a_warning_while_others_remain() {
    let pool = "[node_pools.p]\nfamilies = [\"m7g\", \"m9x\"]\nsizes = [\"large\", \"hugge\"]\n";
    let policy = Company::new(pool).policy().unwrap();
    let bought =
        policy.pools[0].on_demand.iter().map(|index| &*policy.offers[*index].instance_type);
    assert_eq!(bought.collect::<Vec<&str>>(), ["m7g.large"]);
    let warnings = policy.warnings().join("\n");
    for expected in [
        "cluster.node_pools.p.families: no instance family \"m9x\"",
        "cluster.node_pools.p.sizes: no instance size \"hugge\"",
        "It matches nothing",
    ] {
        assert!(warnings.contains(expected), "{expected}\n{warnings}");
    }
}

/// A pool's kubelet is of its nodes alone, and its volume no larger than AWS has them.
#[test]
fn what_a_node_class_sets_is_of_its_pool() {
    let pods = |kubelet: &str| {
        let policy = Company::new(&format!("{POOL}{kubelet}")).policy().unwrap();
        let large = |purchase: Purchase| {
            let offers = &policy.offers;
            let is = |o: &&policy::Offer| o.instance_type == "m7g.large" && o.purchase == purchase;
            offers.iter().find(is).map(|offer| offer.pods)
        };
        (large(Purchase::Baseline), large(Purchase::OnDemand))
    };
    assert_eq!(pods(""), (Some(29), Some(29)));
    assert_eq!(pods("kubelet = { max_pods = 11 }\n"), (Some(29), Some(11)));
    assert_eq!(
        pods("kubelet = { max_pods = 11 }\n[kubelet]\nmax_pods = 17\n"),
        (Some(17), Some(11))
    );
    let problems = Company::new(&format!("{POOL}volume_gib = 70000\n")).policy().unwrap_err();
    assert!(problems.join("\n").contains("node_pools.general.volume_gib: 70000 is above 65536"));
}

/// Static capacity: as many nodes as it says whatever the load, through expiry and drift, and none more for
/// pods that wait.
#[test]
fn a_static_pool_keeps_its_nodes() {
    let fixed = "[node_pools.fixed]\nfamilies = [\"m7g\"]\nmin_vcpus = 2\nreplicas = 3\n";
    let policy = Company::new(fixed).policy().unwrap();
    let loads: Vec<f64> = (0..600).map(|at| if at < 300 { 60.0 } else { 30_000.0 }).collect();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for (minute, load) in loads.iter().enumerate() {
        assert_eq!(
            cluster.node_counts(),
            NodeCounts { baseline: 2, on_demand: 3, spot: 0 },
            "{minute}"
        );
        cluster.step(&policy, *load, true);
        check(&cluster, &policy);
    }
    assert!(cluster.pending() > 0, "60 pods of half a core fit on no five nodes of two");
    let mut whole = Cluster::new(&policy, 60.0, true, luck());
    whole.run(&policy, &loads, true);
    assert_eq!(whole, cluster);
    let tally = cluster.take_tally(&policy);
    assert_eq!(tally.disruptions.nodes(), 0);
    assert_eq!(tally.node_hours.iter().sum::<f64>(), 50.0);

    // What leaves for another reason is replaced; with room above its limit, before it leaves.
    for (more, drifted) in [
        ("expire_after_hours = 2\n", false),
        ("drift_every_days = 1\n", true),
        ("drift_every_days = 1\nlimit_nodes = 4\n", true),
        ("drift_every_days = 1\nlimit_nodes = 3\n", false),
    ] {
        let policy = Company::new(&format!("{fixed}{more}")).policy().unwrap();
        let mut cluster = Cluster::new(&policy, 60.0, true, luck());
        for minute in 0..2000 {
            cluster.step(&policy, 60.0, true);
            let staying = cluster.nodes().filter(|node| node.drain.is_none()).count();
            assert_eq!(staying, 5, "{more} {minute}");
        }
        let disruptions = cluster.take_tally(&policy).disruptions;
        assert_eq!(disruptions.drifted > 0, drifted, "{more} {disruptions:?}");
        assert_eq!(disruptions.expired > 0, more.contains("expire"), "{more} {disruptions:?}");
    }
    let policy = Company::new(&format!("{fixed}limit_nodes = 2\n")).policy().unwrap();
    assert_eq!(
        Cluster::new(&policy, 60.0, true, luck()).node_counts(),
        NodeCounts { baseline: 2, on_demand: 2, spot: 0 }
    );
    assert!(policy.warnings()[0].contains("replicas: 3 is above limit_nodes (2)"));
    let problems = Company::new(&format!("{fixed}weight = 3\n")).policy().unwrap_err();
    assert!(problems[0].contains("node_pools.fixed.weight: has no effect on a pool with replicas"));
}

/// Pods that require a label run on nodes that have it alone, however the cluster moves: on-demand nodes of
/// Karpenter, and not the baseline, which has no capacity type.
#[test]
fn pods_keep_to_nodes_with_the_labels_they_require() {
    let pool = POOL.replace("[\"arm64\"]", "[\"arm64\", \"amd64\"]")
        + "spot_share = 0.8\nconsolidate_after_seconds = 120\n";
    let mut company = Company::new(&pool);
    let picky = &mut company.workloads["api"].node_requirements;
    picky.capacity_types = vec![crate::cluster::workload::NodeCapacity::OnDemand];
    picky.architectures = vec!["amd64".into()];
    let free = "requests = { cpu_millicores = 500, memory_mib = 512 }\nreplicas = 12";
    company.workloads.insert("free".into(), toml::from_str(free).unwrap());
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    let mut seen = [false; 2];
    for tick in 0..600 {
        let load = if tick % 200 < 100 { 6000.0 } else { 60.0 };
        cluster.step(&policy, load, true);
        check(&cluster, &policy);
        for node in cluster.nodes() {
            let offer = &policy.offers[node.offer];
            let arm = company.catalog.shape(&offer.instance_type).unwrap().arch == "arm64";
            if node.pods[0] > 0 {
                assert_eq!((offer.purchase, arm), (Purchase::OnDemand, false));
                seen[0] = true;
            } else if node.pods[1] > 0 && (offer.purchase == Purchase::Spot || arm) {
                seen[1] = true;
            }
        }
    }
    assert_eq!(seen, [true, true], "the others may run anywhere");
    assert!(cluster.workloads()[0].ready > 0);
}

/// A daemonset takes room, and uses CPU, only on nodes that it selects.
#[test]
fn daemonsets_take_room_on_matching_nodes_only() {
    let agent = |more: &str| {
        let mut company = Company::new(POOL);
        let text = format!(
            "kind = \"daemon-set\"\nidle_cpu_millicores = 20\nrequests = {{ cpu_millicores = 50, memory_mib = 64 }}\n{more}"
        );
        company.workloads.insert("agent".into(), toml::from_str(&text).unwrap());
        company.policy().unwrap()
    };
    let everywhere = agent("");
    for (more, on_baseline, on_pool) in [
        ("node_pools = [\"general\"]", false, true),
        ("node_requirements = { capacity_types = [\"baseline\"] }", true, false),
        ("node_requirements = { families = [\"m7g\"] }", false, true),
        ("node_requirements = { architectures = [\"amd64\"] }", false, false),
    ] {
        let policy = agent(more);
        for (index, (offer, usual)) in policy.offers.iter().zip(&everywhere.offers).enumerate() {
            let runs = if offer.group == Group::Baseline {
                on_baseline
            } else {
                on_pool && (!more.contains("m7g") || offer.instance_type.starts_with("m7g."))
            };
            let absent = if runs { [0, 0, 0] } else { [50, 64, 1] };
            let free =
                [offer.cpu - usual.cpu, offer.memory - usual.memory, offer.pods - usual.pods];
            assert_eq!(free, absent, "{more} {}", offer.instance_type);
            assert_eq!(policy.daemons_on(index).absent, i64::from(!runs));
            assert_eq!(policy.daemons_on(index).idle_cpu > 0.0, runs);
        }
        let idle = policy.warnings().iter().any(|text| text.starts_with("agent: no node"));
        assert_eq!(idle, !on_baseline && !on_pool, "{more}");
    }
}

#[test]
fn labels_that_no_node_has_are_refused() {
    let mut company = Company::new(POOL);
    company.workloads["api"].node_requirements.families = vec!["x9".into()];
    let problems = company.policy().unwrap_err().join("\n");
    assert!(problems.contains("workloads.api.node_requirements: no node"), "{problems}");
    company.workloads["api"].node_requirements = crate::cluster::workload::NodeRequirements {
        architectures: vec!["arm46".into()],
        ..crate::cluster::workload::NodeRequirements::default()
    };
    let problems = company.policy().unwrap_err().join("\n");
    let expected =
        "node_requirements.architectures: no architecture \"arm46\"; did you mean \"arm64\"?";
    assert!(problems.contains(expected), "{problems}");
}

/// A daemonset keeps off nodes whose taints it does not tolerate (`scheduler.go#isDaemonPodCompatible`), and
/// `PreferNoSchedule` keeps out none.
#[test]
fn daemonsets_keep_off_taints_that_they_do_not_tolerate() {
    let room = |taint: &str, tolerations: &str| {
        let mut company = Company::new(&format!("{POOL}taints = [\"dedicated=web:{taint}\"]\n"));
        company.workloads["api"].tolerations = vec!["dedicated".into()];
        let text = format!(
            "kind = \"daemon-set\"\nrequests = {{ cpu_millicores = 50, memory_mib = 64 }}\ntolerations = {tolerations}"
        );
        company.workloads.insert("agent".into(), toml::from_str(&text).unwrap());
        let policy = company.policy().unwrap();
        let of = |group: Group| {
            let is = |o: &&policy::Offer| o.instance_type == "m7g.large" && o.group == group;
            let offer = policy.offers.iter().find(is).unwrap();
            [offer.cpu, offer.memory, offer.pods]
        };
        let told = policy.warnings().iter().any(|text| {
            text == "agent: this daemonset does not tolerate the taints of general, and does not run there; add tolerations = [\"*\"] if it does"
        });
        (of(Group::Baseline), of(Group::of_pool(0)), told)
    };
    let (baseline, with, _) = room("NoSchedule", "[\"*\"]");
    assert_eq!(baseline, with, "the baseline is of the same type, without the pool's settings");
    let [cpu, memory, pods] = with;
    let without = [cpu + 50, memory + 64, pods + 1];
    for (taint, tolerations, keeps_out) in [
        ("NoSchedule", "[]", true),
        ("NoExecute", "[]", true),
        ("PreferNoSchedule", "[]", false),
        ("NoSchedule", "[\"dedicated=web:NoSchedule\"]", false),
        ("NoSchedule", "[\"dedicated=other\"]", true),
        ("NoExecute", "[\"*:NoSchedule\"]", true),
    ] {
        let expected = if keeps_out { without } else { with };
        let found = room(taint, tolerations);
        assert_eq!(found, (baseline, expected, keeps_out), "{taint} {tolerations}");
    }
}

/// A daemonset for spot nodes is withheld from every type that the pool also buys as spot: Karpenter plans by
/// type (`scheduler.go#buildDaemonOverheadGroups`), and only the node that comes of it knows how it was bought.
#[test]
fn karpenter_withholds_room_for_daemonsets_of_either_purchase() {
    let plan = |labels: &str| {
        let pool = "[node_pools.general]\ninstance_types = [\"m7g.large\"]\ncapacity_types = [\"spot\", \"on-demand\"]\n";
        let mut company = Company::new(pool);
        company.cluster.baseline.nodes = 0;
        let text = format!(
            "kind = \"daemon-set\"\nrequests = {{ cpu_millicores = 1000, memory_mib = 64 }}\nnode_requirements = {{ {labels} }}"
        );
        company.workloads.insert("agent".into(), toml::from_str(&text).unwrap());
        company.policy().unwrap()
    };
    // m7g.large leaves 1930m; a daemonset of 1000m on spot nodes alone leaves 930m there.
    let policy = plan("capacity_types = [\"spot\"]");
    let cpu: Vec<(Purchase, i64)> =
        policy.offers[1..].iter().map(|offer| (offer.purchase, offer.cpu)).collect();
    assert_eq!(cpu, [(Purchase::Spot, 930), (Purchase::OnDemand, 1930)]);
    let agent = Resources { cpu: 1000, memory: 64, pods: 1 };
    assert_eq!(policy.withheld, [Resources::default(), Resources::default(), agent]);
    let nodes = |policy: &Policy, cpu: i64| {
        let mut policy = policy.clone();
        policy.workloads[0].request_cpu = cpu;
        let plan = Cluster::from_state(&policy, &[], &[1], luck()).plan_pending(&policy);
        plan.nodes.len()
    };
    assert_eq!([nodes(&policy, 930), nodes(&policy, 931)], [1, 0], "by type, not by purchase");
    let by_type = plan("instance_types = [\"m7g.large\"]");
    assert!(by_type.withheld.is_empty(), "the same for both");
    assert_eq!([nodes(&by_type, 930), nodes(&by_type, 931)], [1, 0]);
}

/// A daemonset larger than small types leaves them out; one for another architecture does not.
#[test]
fn types_without_room_beside_a_daemonset_are_not_bought() {
    let types = |daemon: &str| {
        let pool =
            "[node_pools.p]\ninstance_types = [\"m7g.large\", \"m7g.2xlarge\", \"m7i.large\"]\n";
        let mut company = Company::new(pool);
        company.cluster.baseline.instance_type = "m7g.2xlarge".into();
        let text = format!(
            "kind = \"daemon-set\"\nrequests = {{ cpu_millicores = 2000, memory_mib = 64 }}\n{daemon}"
        );
        company.workloads.insert("agent".into(), toml::from_str(&text).unwrap());
        let policy = company.policy().unwrap();
        let mut types: Vec<String> =
            policy.offers[1..].iter().map(|offer| offer.instance_type.clone()).collect();
        types.sort();
        types
    };
    assert_eq!(types(""), ["m7g.2xlarge"]);
    let arm = "node_requirements = { architectures = [\"arm64\"] }";
    assert_eq!(types(arm), ["m7g.2xlarge", "m7i.large"]);
    let either = "node_alternatives = [{ architectures = [\"arm64\"] }, { instance_types = [\"m7i.large\"] }]";
    assert_eq!(types(either), ["m7g.2xlarge"], "as Karpenter tries each alternative");
}

/// Terms that contradict, or choose nothing, name their key and what to do.
#[test]
#[allow(clippy::too_many_lines)] // the cases are a table
fn affinity_that_cannot_hold_is_told() {
    let problems = |api: &str, cache: &str| {
        let mut company = Company::new(POOL);
        let text = |more: &str| {
            format!(
                "calls_per = {{ api = 1.0 }}\ncpu_ms_per_request = 1\nrequests = {{ cpu_millicores = 500, memory_mib = 64 }}\nreplicas = 4\n{more}"
            )
        };
        company.workloads.insert("api".into(), toml::from_str(&text(api)).unwrap());
        company.workloads.insert("cache".into(), toml::from_str(&text(cache)).unwrap());
        company.workloads.insert("db".into(), toml::from_str(&text("")).unwrap());
        let agent = "kind = \"daemon-set\"\nrequests = { cpu_millicores = 50, memory_mib = 64 }";
        company.workloads.insert("agent".into(), toml::from_str(agent).unwrap());
        match company.policy() {
            Ok(policy) => policy.warnings().join("\n"),
            Err(problems) => problems.join("\n"),
        }
    };
    let term = |workload: &str, key: &str, rest: &str| {
        let key =
            if key == "zone" { "topology.kubernetes.io/zone" } else { "kubernetes.io/hostname" };
        format!("[{{ workload = \"{workload}\", topology_key = \"{key}\", {rest} }}]")
    };
    let near = |workload: &str, key: &str, rest: &str| {
        format!("pod_affinity = {}\n", term(workload, key, rest))
    };
    let apart = |workload: &str, key: &str, rest: &str| {
        format!("pod_anti_affinity = {}\n", term(workload, key, rest))
    };
    let required = "required = true";
    for (api, cache, expected) in [
        (
            near("cash", "zone", required),
            String::new(),
            "workloads.api.pod_affinity.0.workload: no workload \"cash\"; did you mean \"cache\"?",
        ),
        (
            apart("agent", "zone", required),
            String::new(),
            "workloads.api.pod_anti_affinity.0.workload: agent is a daemonset",
        ),
        (
            near("cache", "zone", "required = true, weight = 5"),
            String::new(),
            "workloads.api.pod_affinity.0: a required term has no weight",
        ),
        (
            near("cache", "zone", "required = false"),
            String::new(),
            "workloads.api.pod_affinity.0: is neither required nor a preference",
        ),
        (
            near("cache", "host", required) + &apart("cache", "zone", required),
            String::new(),
            "workloads.api.pod_affinity.0: its own pod_anti_affinity requires the opposite",
        ),
        (
            near("cache", "zone", required),
            apart("api", "zone", required),
            "workloads.api.pod_affinity.0: workloads.cache pod_anti_affinity requires the opposite",
        ),
        (
            near("cache", "zone", required),
            near("api", "host", required),
            "workloads.api.pod_affinity.0: cache requires pods of api in turn, so neither starts",
        ),
        (
            "node_preferences = [{ architectures = [\"arm64\"] }]".into(),
            String::new(),
            "workloads.api.node_preferences.0.weight: give a weight from 1 to 100",
        ),
        (
            "node_preferences = [{ weight = 5 }]".into(),
            String::new(),
            "workloads.api.node_preferences.0: names no label",
        ),
        (
            "node_preferences = [{ weight = 5, node_pools = [\"genral\"] }]".into(),
            String::new(),
            "workloads.api.node_preferences.0.node_pools: no node pool \"genral\"; did you mean \"general\"?",
        ),
        (
            "node_alternatives = [{ weight = 5, sizes = [\"large\"] }]".into(),
            String::new(),
            "workloads.api.node_alternatives.0.weight: alternatives are required",
        ),
        (
            "node_alternatives = [{ architectures = [\"amd64\"] }]".into(),
            String::new(),
            "workloads.api.node_alternatives: no node",
        ),
        // These plan, with a note.
        (
            "node_preferences = [{ weight = 5, architectures = [\"amd64\"] }]".into(),
            String::new(),
            "api: its node preference of weight 5 matches no node",
        ),
        (
            apart("api", "zone", required),
            String::new(),
            "api: its pod_anti_affinity allows 1 pod in a zone, so 3 of up to 4 replicas run",
        ),
        (
            apart("api", "host", required) + "node_pools = [\"baseline\"]",
            String::new(),
            "api: its pod_anti_affinity allows 1 pod on a node, so 2 of up to 4 replicas run",
        ),
        // A large of the pool leaves 1930m for pods of 500m.
        (
            near("api", "host", required) + "node_requirements = { sizes = [\"large\"] }",
            String::new(),
            "api: its pod_affinity requires all of its pods on 1 node, and the largest holds 3 of up to 4",
        ),
        (
            near("cache", "host", required) + "node_pools = [\"general\"]",
            "node_pools = [\"baseline\"]".into(),
            "api: its pod_affinity requires the nodes of cache, and it may run on none of them",
        ),
    ] {
        let found = problems(&api, &cache);
        assert!(found.contains(expected), "{api}{cache}\n{found}\nlacks {expected}");
    }
    let two = near("cache", "zone", required).replace("}]", "}, { workload = \"db\", topology_key = \"topology.kubernetes.io/zone\", required = true }]");
    assert!(
        problems(&two, "")
            .contains("workloads.api.pod_affinity.1: requires pods of db as well as pods of cache")
    );
    // The same zone and yet another node is no contradiction.
    let beside = near("cache", "zone", required) + &apart("cache", "host", required);
    assert_eq!(problems(&beside, ""), "");
}

/// An hour of load with affinity in both directions: the invariants hold in each tick, and the pods are where
/// their terms require them.
#[test]
fn affinity_holds_under_load() {
    let mut company = Company::new(POOL);
    company.workloads["api"].pod_anti_affinity = vec![crate::cluster::workload::PodTerm {
        workload: "api".into(),
        topology_key: crate::cluster::workload::TopologyKey::Hostname,
        required: true,
        weight: None,
    }];
    let cache = "requests = { cpu_millicores = 100, memory_mib = 64 }\nreplicas = 4\n\
        pod_affinity = [{ workload = \"api\", topology_key = \"kubernetes.io/hostname\", required = true }]";
    company.workloads.insert("cache".into(), toml::from_str(cache).unwrap());
    let policy = company.policy().unwrap();
    let mut cluster = Cluster::new(&policy, 100.0, true, luck());
    let mut most = 0;
    for minute in 0..180 {
        let load = if (30..90).contains(&minute) { 4000.0 } else { 100.0 };
        cluster.step(&policy, load, true);
        check(&cluster, &policy);
        for node in cluster.nodes() {
            assert!(node.pods[0] <= 1, "one api pod on each node");
        }
        most = most.max(cluster.workloads()[0].ready);
    }
    assert!(most > 4, "{most}");
    assert_eq!(cluster.workloads()[1].ready, 4);
}
