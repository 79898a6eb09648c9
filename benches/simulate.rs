//! What a tick, a trace and a round of packing cost. Prints its figures; run it with
//! `cargo bench --bench simulate`.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use runrate::{
    cluster::autoscale::{
        group::Group,
        policy::{MinValues, Spreads},
    },
    measure::random::Lognormal,
};
use std::{collections::BTreeSet, path::Path, time::Instant};

use jiff::civil::date;
use runrate::{
    app::store::{self, PriceSource},
    cluster::autoscale::{
        Cluster, pack,
        policy::{Deployment, Inputs, Limits, Mix, Offer, Policy, Pool, Purchase, Spread},
        settings,
    },
    facts::prices::BillKey,
    measure::random::{self, Draws, Stream},
    page::{content::traced, figure},
    plan::simulate::{Facts, Prepared, trace::Request},
    write::trace,
};

/// The median of several runs [s].
fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn show(what: &str, value: f64, unit: &str) {
    println!("{what:<58}{value:>10.1} {unit}");
}

fn facts() -> Facts {
    let catalog = store::embedded_catalog().unwrap();
    store::load_facts(catalog, &PriceSource::Embedded, &["us-east-1", "us-west-2"]).unwrap()
}

/// One deployment with an autoscaler on the example's pool.
fn policy(facts: &Facts, tick_seconds: u32) -> Policy {
    let cluster = "availability_zones = 3\nbaseline = { instance_type = \"m7g.xlarge\", nodes = 3 }\n\
         [node_pools.general]\ncategories = [\"m\", \"c\", \"r\"]\nmin_generation = 6\n\
         architectures = [\"arm64\"]\nmin_vcpus = 2\nmax_vcpus = 16\nspot_share = 0.7\n\
         consolidate_after_seconds = 120\n";
    let api = "calls_per = { api = 1.0 }\ncpu_ms_per_request = 35\nstartup_seconds = 15\n\
         idle_cpu_millicores = 10\nimage_mib = 130\n\
         requests = { cpu_millicores = 350, memory_mib = 448 }\n\
         limits = { cpu_millicores = 1000, memory_mib = 640 }\n\
         hpa = { min_replicas = 3, max_replicas = 400, target_cpu_utilization = 65 }";
    let class = "per_session = 40\nrequest_kib = 1\nresponse_kib = 5";
    Policy::build(&Inputs {
        workloads: &[("api".to_owned(), toml::from_str(api).unwrap())].into_iter().collect(),
        cluster: &toml::from_str::<settings::Cluster>(cluster).unwrap(),
        classes: &[("api".to_owned(), toml::from_str(class).unwrap())].into_iter().collect(),
        catalog: &facts.catalog,
        prices: &facts.prices,
        region: "us-east-1",
        tick_seconds,
        start: date(2027, 1, 1),
        days: 400,
        kubernetes_minor: None,
    })
    .unwrap()
}

const MINUTES: usize = 400_000;

fn luck() -> Draws {
    random::stream(7, 0, Stream::Cluster, 0)
}

fn quiet(facts: &Facts) {
    let policy = policy(facts, 60);
    let quiet = median(|| {
        let mut cluster = Cluster::new(&policy, 400.0, true, luck());
        for _ in 0..MINUTES {
            cluster.step(&policy, 400.0, true);
        }
        assert!(cluster.pending() == 0);
    });
    show("a quiet minute, one workload", quiet * 1e9 / MINUTES as f64, "ns");
}

fn busy(facts: &Facts) {
    let policy = policy(facts, 60);
    for (what, loads) in [
        ("a busy minute, one workload, the example's day and noise", busy_day(MINUTES)),
        ("a stormy minute, one workload, load threefold every hour", storm(MINUTES)),
    ] {
        let mut tally = None;
        let seconds = median(|| {
            let mut cluster = Cluster::new(&policy, loads[0], true, luck());
            for load in &loads {
                cluster.step(&policy, *load, true);
            }
            tally = Some(cluster.take_tally(&policy));
        });
        show(what, seconds * 1e9 / MINUTES as f64, "ns");
        let days = MINUTES as f64 / 1440.0;
        let tally = tally.unwrap();
        show("  nodes launched", f64::from(tally.launches.iter().sum::<u32>()) / days, "a day");
        show("  pods evicted", f64::from(tally.evictions) / days, "a day");
    }
}

/// Five times as much at the peak as at the trough, and 8 % of noise that lasts ten minutes: what
/// `examples/innovate.toml` gives a million users.
fn busy_day(minutes: usize) -> Vec<f64> {
    let mut draws = random::stream(7, 0, Stream::TrafficNoise, 0);
    let mut noise = 0.0;
    let keep = (-0.1_f64).exp();
    (0..minutes)
        .map(|minute| {
            noise = keep * noise
                + (1.0 - keep * keep).sqrt()
                    * draws.lognormal(Lognormal { median: 1.0, sigma: 0.08 }).ln();
            let day = minute as f64 * std::f64::consts::TAU / 1440.0;
            600.0 * (1.0 + 0.66 * day.sin()) * f64::exp(noise)
        })
        .collect()
}

/// Half as much again, and half of it, within every hour.
fn storm(minutes: usize) -> Vec<f64> {
    let at = |minute: usize| (minute as f64 * std::f64::consts::TAU / 120.0).sin();
    (0..minutes).map(|minute| 600.0 * (1.0 + 0.5 * at(minute))).collect()
}

fn example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalog = store::embedded_catalog().unwrap();
    let (scenario, inputs) =
        store::load_scenario(&root.join("examples/innovate.toml"), &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    one.install(|| {
        let plan = median(|| drop(prepared.run(0).unwrap()));
        let minutes: usize =
            (0..scenario.plan.months).map(|index| scenario.plan.start.plus(index).minutes()).sum();
        let both = (minutes * scenario.accounts.len()) as f64;
        show("examples/innovate.toml, plan, one thread", plan * 1e3, "ms");
        show("  per account-minute", plan * 1e9 / both, "ns");
        show("  per workload-minute (kong, api, spa)", plan * 1e9 / both / 3.0, "ns");
    });
    let request = Request {
        at: Some("2028-12".parse().unwrap()),
        days: Some(7),
        tick_seconds: 15,
        ..Request::default()
    };
    let simulating = median(|| drop(prepared.trace(&request).unwrap()));
    let done = prepared.trace(&request).unwrap();
    show("seven days at 15 s, production, last month", simulating * 1e3, "ms");
    let tables = median(|| drop((trace::ticks_csv(&done), trace::events_csv(&done))));
    #[cfg(feature = "polars")]
    {
        let parquet = median(|| drop(trace::ticks_parquet(&done).unwrap()));
        show("  its Parquet", parquet * 1e3, "ms");
    }
    let svg = median(|| drop(figure::file(&traced::figure(&done)).unwrap()));
    let png = median(|| drop(figure::png(&traced::figure(&done)).unwrap()));
    show("  its CSV", tables * 1e3, "ms");
    show("  its SVG", svg * 1e3, "ms");
    show("  its PNG (on request)", png * 1e3, "ms");
    let folder = std::env::temp_dir().join("runrate-bench-simulate");
    let all = median(|| {
        let done = prepared.trace(&request).unwrap();
        let (tables, others) = rayon::join(
            || (trace::ticks_csv(&done), trace::events_csv(&done).into_bytes()),
            || {
                #[cfg(feature = "polars")]
                let parquet = trace::ticks_parquet(&done).unwrap();
                #[cfg(not(feature = "polars"))]
                let parquet = Vec::new();
                (parquet, figure::file(&traced::figure(&done)).unwrap().into_bytes())
            },
        );
        let files = [
            ("trace.csv", tables.0),
            ("events.csv", tables.1),
            ("trace.parquet", others.0),
            ("trace.svg", others.1),
        ];
        store::write_folder(&folder, &files, &[]).unwrap();
    });
    show("  simulated and written, two threads, wall", all * 1e3, "ms");
    let _ = std::fs::remove_dir_all(folder);
}

/// Karpenter's own benchmark has 400 types and pods of random CPU and memory; these are the same CPU and
/// memory figures, on 400 real types at real prices.
fn packing(facts: &Facts) {
    const PODS: u32 = 20_000;
    let cpus = [100, 250, 500, 1000, 1500];
    let memories = [100, 256, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144];
    let (offers, order) = offers(facts, 400);
    let mut workloads = Vec::new();
    for cpu in cpus {
        workloads.extend(memories.map(|memory| deployment(cpu, memory)));
    }
    let shapes = workloads.len();
    let families: BTreeSet<&str> =
        offers.iter().map(|o| o.instance_type.split('.').next().unwrap()).collect();
    let families = families.len();
    let policy = packer(offers, order, workloads);
    let pending: Vec<u32> = vec![PODS / shapes as u32; shapes];
    let empty = Cluster::from_state(&policy, &[], &pending, luck());
    let seconds = median(|| empty.clone().settle(&policy));
    let mut packed = empty.clone();
    packed.settle(&policy);
    assert_eq!(packed.pending(), 0);
    let karpenter: f64 = packed.nodes().map(|node| policy.offers[node.offer].price).sum();
    let pack = || pack::pack(&policy.workloads, &pending, &policy.offers).unwrap();
    let best_seconds = median(|| drop(pack()));
    let best = pack();
    println!(
        "{PODS} pods of {shapes} shapes over {} types of {families} families",
        policy.offers.len()
    );
    show("  no nodes for them cost less than", best.lower_bound, "USD an hour");
    for (way, seconds, nodes, cost) in [
        ("packed for cost", best_seconds, best.nodes.len(), best.cost),
        ("as Karpenter packs them", seconds, packed.nodes().count(), karpenter),
    ] {
        show(&format!("  {way}, in"), seconds * 1e3, "ms");
        show("    that is", f64::from(PODS) / seconds, "pods/s");
        show("    nodes", nodes as f64, "");
        show("    cost", cost, "USD an hour");
        show("    above the bound", (cost / best.lower_bound - 1.0) * 100.0, "%");
    }
}

/// The hard case: 45 deployments in nine sizes, so that pods of one size mix, four in five of them spread
/// over zones or nodes, as a preference or not, and 4,000 pods of which no two share a node.
fn spreading(facts: &Facts) {
    const PODS: u32 = 20_000;
    const ALONE: u32 = 4_000;
    let spread = |max_skew, hard| Some(Spread { max_skew, hard });
    let mut workloads = Vec::new();
    for cpu in [100, 250, 500] {
        for memory in [128, 512, 1024] {
            let plain = deployment(cpu, memory);
            workloads.extend([
                Deployment { zone_spread: spread(1, true), ..plain.clone() },
                Deployment { zone_spread: spread(1, false), ..plain.clone() },
                Deployment { host_spread: spread(1, true), ..plain.clone() },
                Deployment { host_spread: spread(2, false), ..plain.clone() },
                plain,
            ]);
        }
    }
    let (offers, order) = offers(facts, 379);
    let policy = packer(offers, order, workloads);
    let count = policy.workloads.len() as u32;
    let mut pending = vec![(PODS - ALONE) / (count - 1); count as usize];
    pending[2] = ALONE;
    pending[3] += (PODS - ALONE) % (count - 1);
    let waiting = Cluster::from_state(&policy, &[], &pending, luck());
    let seconds = median(|| drop(waiting.plan_pending(&policy)));
    let plan = waiting.plan_pending(&policy);
    assert!(plan.left.iter().all(|left| *left == 0));
    let cheapest = |offers: &[usize]| {
        let prices = offers.iter().map(|offer| policy.offers[*offer].price);
        prices.fold(f64::INFINITY, f64::min)
    };
    let cost: f64 = plan.nodes.iter().map(|node| cheapest(&node.offers)).sum();
    println!("{PODS} pods of {count} deployments, spread, over {} types", policy.offers.len());
    show("  planned as Karpenter plans them, in", seconds * 1e3, "ms");
    show("    nodes", plan.nodes.len() as f64, "");
    show("    cost", cost, "USD an hour");
}

/// So many general types of us-east-1, and their order by price.
fn offers(facts: &Facts, most: usize) -> (Vec<Offer>, Vec<usize>) {
    let mut offers: Vec<Offer> = Vec::new();
    for (id, shape) in facts.catalog.shapes().iter().enumerate() {
        let key = BillKey::new(
            "AmazonEC2",
            "us-east-1",
            &format!("BoxUsage:{}", shape.instance_type),
            "RunInstances",
        );
        let (Ok(ladder), Some(cpu), Some(memory), Some(pods)) = (
            facts.prices.ladder(&key),
            shape.allocatable_cpu_milli,
            shape.allocatable_memory_mib,
            shape.allocatable_pods,
        ) else {
            continue;
        };
        let usual = ["c", "m", "r"].contains(&&*shape.category) && shape.generation >= Some(6);
        if !usual || !shape.is_generic() || memory < 6144.0 || offers.len() == most {
            continue;
        }
        offers.push(Offer {
            instance_type: shape.instance_type.clone(),
            type_id: id as u32,
            family_id: id as u32,
            purchase: Purchase::OnDemand,
            group: Group::of_pool(0),
            price: ladder.rows[0].price.to_f64(),
            vcpu_milli: i64::from(shape.vcpus) * 1000,
            capacity_mib: shape.memory_mib as i64,
            generic: shape.is_generic(),
            cpu: cpu as i64,
            memory: memory as i64,
            pods: i64::from(pods),
            zones: 0b111,
            hazard: 0.0,
            shortage: 0.0,
        });
    }
    let mut order: Vec<usize> = (0..offers.len()).collect();
    order.sort_by(|a, b| offers[*a].price.total_cmp(&offers[*b].price));
    (offers, order)
}

fn deployment(request_cpu: i64, request_memory: i64) -> Deployment {
    let name = format!("{request_cpu}m-{request_memory}");
    Deployment {
        startup: Lognormal { median: 5.0, sigma: 0.0 },
        ..Deployment::new(name, request_cpu, request_memory)
    }
}

fn packer(offers: Vec<Offer>, on_demand: Vec<usize>, workloads: Vec<Deployment>) -> Policy {
    let pools = vec![Pool {
        name: "all".into(),
        group: Group::of_pool(0),
        zones: 0b111,
        mix: Mix::OnDemand,
        limits: Limits::default(),
        replicas: None,
        min_values: MinValues::NONE,
        consolidate_after_seconds: Some(0),
        only_empty: false,
        balanced: None,
        budgets: vec![],
        expire_after: None,
        drift_every: None,
        termination_grace: None,
        on_demand,
        spot: vec![],
    }];
    let controllers =
        store::embedded_catalog().expect("the catalog is part of the program").controllers;
    let mut policy = Policy::assemble(&controllers, 15, workloads, offers, pools);
    policy.zones = 3;
    policy.default_spread = Spreads::default();
    policy
}

/// All parts, or those that are named: `cargo bench --bench simulate -- busy`.
fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    let facts = facts();
    if wanted("quiet") {
        quiet(&facts);
    }
    if wanted("busy") {
        busy(&facts);
    }
    if wanted("example") {
        example();
    }
    if wanted("packing") {
        packing(&facts);
    }
    if wanted("spreading") {
        spreading(&facts);
    }
}
