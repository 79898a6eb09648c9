//! `tune`: optima that are known by construction, the same bytes however it is run, and its commonest mistakes.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{
    cell::RefCell,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::support::{self, base, runrate, stdout};
use runrate::{
    advice::tune::{Desk, Fate, Request, Setup, State, Tuned},
    app::store,
    error::Error,
    intent::scenario::Scenario,
    plan::{
        simulate::{Inputs, Late, Prepared, Strain, View},
        trials::{self, Watch},
    },
};

const POOL: &str = r#"
[cluster.node_pools.general]
families = ["m7i"]
max_vcpus = 4
"#;

const AURORA: &str = r#"
[aurora]
families = ["r6g"]
min_readers = 4
queries_per = { api = 1.0 }
write_share = 0.2
cpu_ms_per_query = 0.8
pages_per_query = 4
wal_bytes_per_write = 6_000
kib_per_query = 1.5
storage_gib = 20
storage_mib_per_user = 0.3
working_set_share = 0.12
changed_per_day = 0.02
backup_retention_days = 7
"#;

/// A load of some 130 requests a second on pods that an autoscaler counts, and what a test adds.
fn scenario(tables: &str) -> String {
    base("2027-02", 1, 1_200_000)
        .replace("cpu_ms_per_request = 5", "cpu_ms_per_request = 50")
        .replace(
            "replicas = 2",
            "hpa = { min_replicas = 2, max_replicas = 200, target_cpu_utilization = 20 }",
        )
        + POOL
        + "[alb]\nload_balancers = 1\n"
        + tables
}

fn with<T>(text: &str, request: &Request, task: impl FnOnce(&Setup<'_>) -> T) -> Result<T, Error> {
    let scenario = Scenario::parse("test.toml", text, &support::CATALOG)?;
    let facts = support::embedded_facts(&scenario)?;
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &facts, &inputs)?;
    let defaults: runrate::advice::tune::Defaults = store::model()?;
    Ok(task(&Setup::new(&prepared, &defaults, request)?))
}

fn asked(evaluations: u32, trials: u32) -> Request {
    Request { evaluations: Some(evaluations), trials: Some(trials), fresh: Some(4), account: None }
}

fn on<'a>(watch: Watch<'a>, earlier: Option<&'a State>) -> Desk<'a> {
    Desk { watch, earlier, save: &|_| Ok(()) }
}

const QUIET: Watch<'static> = Watch { done: &|| {}, stop: &|| false };

fn tune(text: &str, evaluations: u32, trials: u32) -> Tuned {
    with(text, &asked(evaluations, trials), |setup| setup.run(on(QUIET, None))).unwrap().unwrap()
}

/// A search that recommends something, for tests of its page.
pub(super) fn small() -> Tuned {
    tune(&scenario(&format!("{TARGET}{FAMILIES}")), 40, 2)
}

/// The recommended value of a knob.
fn chosen<'t>(tuned: &'t Tuned, key: &str) -> &'t str {
    let place = tuned.knobs.iter().position(|knob| knob.key == key).unwrap();
    &tuned.recommended.settings[place]
}

const FAMILIES: &str = "[[tune.knobs]]\nkey = \"cluster.node_pools.general.families\"\nvalues = [[\"m7i\"], [\"m7g\"], [\"r7g\"]]\n";
const TARGET: &str = "[[tune.knobs]]\nkey = \"workloads.api.hpa.target_cpu_utilization\"\nfrom = 20\nto = 80\nstep = 20\n";
const READERS: &str = "[[tune.knobs]]\nkey = \"aurora.min_readers\"\nvalues = [1, 2, 3]\n";

/// m7g has the vCPUs and memory of m7i at a lower price, r7g more memory than is asked for at a higher one.
#[test]
fn a_family_that_another_dominates_is_left() {
    let tuned = tune(&scenario(FAMILIES), 20, 2);
    assert_eq!(chosen(&tuned, "cluster.node_pools.general.families"), "[m7g]");
    assert!(tuned.exhaustive && tuned.feasible && tuned.recommended.proof.unwrap().holds);
}

/// A pod may use four times what it asks for, so a target of 80 % leaves it at a fifth of its capacity: fewer
/// pods, and none is late.
#[test]
fn a_target_that_is_too_low_is_raised() {
    let tuned = tune(&scenario(TARGET), 20, 2);
    assert_eq!(chosen(&tuned, "workloads.api.hpa.target_cpu_utilization"), "80");
    assert_eq!(tuned.recommended.measures.late_minutes_per_month, 0.0);
    let [why] = &tuned.why[..] else { panic!("{:?}", tuned.why) };
    assert!((why.saves.mean - tuned.recommended.saves.mean).abs() < 1e-9);
    assert_eq!((&*why.from, &*why.to), ("20", "80"));
}

/// Four readers carry what one could.
#[test]
fn too_many_readers_go() {
    let tuned = tune(&scenario(&(AURORA.to_owned() + READERS)), 20, 2);
    assert_eq!(chosen(&tuned, "aurora.min_readers"), "1");
}

/// The more spot, the cheaper and the more is taken back: the greatest share below the limit is right. The limit
/// leaves room for what four other trials come to.
#[test]
fn as_much_spot_as_the_evictions_allow() {
    let knob = "[[tune.knobs]]\nkey = \"cluster.node_pools.general.spot_share\"\nvalues = [0.0, 0.3, 0.6, 1.0]\n";
    let text = |slo: &str| {
        scenario(&format!("[tune]\n{slo}\n{knob}"))
            .replace(
                "max_vcpus = 4",
                "max_vcpus = 4\nspot_share = 1.0\nconsolidation_policy = \"WhenEmpty\"",
            )
            .replace("start = 1200000", "start = 4000000")
            .replace("max_replicas = 200", "max_replicas = 1000")
    };
    let free = tune(&text("slo = { max_evictions_per_day = 1_000_000 }"), 40, 4);
    let evictions = |share: &str| {
        let of = |point: &&runrate::advice::tune::Point| point.settings == [share];
        free.candidates.iter().find(of).unwrap().measures.evictions_per_day
    };
    let (low, high) = (evictions("0.6"), evictions("1.0"));
    assert!(evictions("0.3") < low && low < high, "{low} {high}");
    assert_eq!(chosen(&free, "cluster.node_pools.general.spot_share"), "1.0");
    let limit = format!("slo = {{ max_evictions_per_day = {} }}", low + 0.85 * (high - low));
    let tuned = tune(&text(&limit), 40, 4);
    assert_eq!(chosen(&tuned, "cluster.node_pools.general.spot_share"), "0.6");
    assert!(!tuned.today.broken.is_empty() && tuned.recommended.broken.is_empty());
}

/// What a search of every combination finds: the greatest saving of those that miss no limit [USD a month].
fn exhaustive(text: &str) -> (f64, f64, Tuned) {
    let tuned = tune(text, 10_000, 2);
    assert!(tuned.exhaustive);
    let meets = tuned.candidates.iter().filter(|point| point.broken.is_empty());
    let best = meets.map(|point| point.saves.mean).fold(f64::MIN, f64::max);
    (best, tuned.today.measures.cost_per_month, tuned)
}

/// Holds what must be true of every recommendation: proven, undominated, within 1 % of the best of all combinations.
fn is_right(text: &str, evaluations: u32) -> Tuned {
    let tuned = tune(text, evaluations, 2);
    assert!(tuned.feasible, "{:?}", tuned.binding);
    let found = &tuned.recommended;
    if !tuned.changes.is_empty() {
        assert!(found.proof.as_ref().unwrap().holds);
    }
    for point in &tuned.front {
        assert!(point.proof.is_some(), "{point:?}");
        let (own, other) = (&found.measures, &point.measures);
        let better = other.cost_per_month < own.cost_per_month
            && other.late_minutes_per_month <= own.late_minutes_per_month;
        let holds = point.proof.as_ref().unwrap().holds;
        assert!(point.settings == found.settings || !holds || !better, "{point:?}");
    }
    let (best, cost, all) = exhaustive(text);
    let own = all.candidates.iter().find(|point| point.settings == found.settings).unwrap();
    assert!(own.broken.is_empty(), "{:?}", own.broken);
    assert!(best - own.saves.mean <= 0.01 * cost, "{best} {} {cost}", own.saves.mean);
    tuned
}

/// Ten seeds, several at a time.
fn ten_seeds(text: &str, check: impl Fn(&str) + Sync) {
    let seeds: Vec<u32> = (1..=10).collect();
    std::thread::scope(|scope| {
        for part in seeds.chunks(5) {
            let check = &check;
            scope.spawn(move || {
                for seed in part {
                    check(&text.replace("[plan]\n", &format!("[plan]\nseed = {seed}\n")));
                }
            });
        }
    });
}

const FEW_PODS: &str = "[tune]\nslo = { max_saturated_minutes_per_month = 5 }\n";
const MOST: &str =
    "[[tune.knobs]]\nkey = \"workloads.api.hpa.max_replicas\"\nvalues = [4, 12, 40]\n";

/// Four pods of one vCPU cannot carry 7.4 vCPUs. Twelve could, but they request three, and get no nodes for more.
fn overloaded(tables: &str) -> String {
    scenario(&format!("{FEW_PODS}{tables}")).replace("max_replicas = 200", "max_replicas = 4")
}

#[test]
fn one_knob_alone_is_feasible_in_ten_of_ten() {
    ten_seeds(&overloaded(&format!("{MOST}{TARGET}")), |text| {
        let tuned = is_right(text, 20);
        assert_eq!(chosen(&tuned, "workloads.api.hpa.max_replicas"), "40");
        assert!(!tuned.today.broken.is_empty() && tuned.recommended.broken.is_empty());
    });
}

/// r7g is dearer than m7g and no better.
#[test]
fn a_dominated_trap_is_avoided_in_ten_of_ten() {
    ten_seeds(&scenario(&format!("{FAMILIES}{TARGET}")), |text| {
        let tuned = is_right(text, 20);
        assert_eq!(chosen(&tuned, "cluster.node_pools.general.families"), "[m7g]");
    });
}

/// A load without peaks scales nothing: when nodes are consolidated changes no cost, so today's value stays.
#[test]
fn a_noisy_tie_keeps_todays_value_in_ten_of_ten() {
    let tie = "[[tune.knobs]]\nkey = \"cluster.node_pools.general.consolidate_after_seconds\"\nvalues = [0, 60, 300]\n";
    ten_seeds(&scenario(&format!("{tie}{FAMILIES}")), |text| {
        let tuned = is_right(text, 14);
        let keys: Vec<&str> = tuned.changes.iter().map(|change| &*change.key).collect();
        assert_eq!(keys, ["cluster.node_pools.general.families"]);
    });
}

/// Of many unseen trials most points run a sample; what is recommended and what is on the frontier ran all of them.
#[test]
fn most_points_are_settled_on_a_sample_in_three_of_three() {
    let all = 40;
    for seed in 1..=3 {
        let text = scenario(&format!("{FAMILIES}{TARGET}"))
            .replace("[plan]\n", &format!("[plan]\nseed = {seed}\n"));
        let request = Request { fresh: Some(all), ..asked(40, 2) };
        let tuned = with(&text, &request, |setup| setup.run(on(QUIET, None))).unwrap().unwrap();
        assert_eq!(chosen(&tuned, "cluster.node_pools.general.families"), "[m7g]");
        assert_eq!(chosen(&tuned, "workloads.api.hpa.target_cpu_utilization"), "80");
        assert!(tuned.recommended.proof.as_ref().unwrap().holds);
        assert!(tuned.front.iter().all(|own| own.proof.as_ref().unwrap().trials == all));
        // Each change taken back alone is clearly dearer after the sample.
        let trials: Vec<u32> = tuned.why.iter().map(|why| why.trials).collect();
        assert_eq!(trials, [12, 12]);
        let proven = tuned.candidates.iter().filter(|own| own.proof.is_some()).count();
        assert!(proven <= 4, "{proven}");
    }
}

/// Pods that all run on spot nodes, which come up slowly: their loss is judged by how often it comes.
#[test]
fn a_share_of_spot_is_judged_by_what_its_loss_overloads() {
    let knob =
        "[[tune.knobs]]\nkey = \"cluster.node_pools.general.spot_share\"\nvalues = [0.0, 1.0]\n";
    let text = |image: u32| {
        scenario(knob)
            .replace("max_vcpus = 4", "max_vcpus = 4\nspot_share = 0.0")
            .replace("target_cpu_utilization = 20", "target_cpu_utilization = 80")
            .replace("start = 1200000", "start = 4000000")
            .replace("max_replicas = 200", "max_replicas = 1000")
            .replace(
                "cpu_ms_per_request = 50",
                &format!("cpu_ms_per_request = 50\nstartup_seconds = {image}"),
            )
    };
    let spot = |tuned: &Tuned| {
        let all = tuned.candidates.iter().find(|point| point.settings == ["1.0"]).unwrap();
        all.proof.clone().unwrap()
    };
    let quick = spot(&tune(&text(1), 40, 4));
    let slow = tune(&text(900), 40, 4);
    let [today, own] = spot(&slow).loss_minutes.unwrap();
    assert!(own > today + 0.5 && own > quick.loss_minutes.unwrap()[1], "{today} {own}");
    let worse = spot(&slow).worse.join("; ");
    assert!(!spot(&slow).holds && worse.contains("loss of all spot capacity"), "{worse}");
    assert!(slow.changes.is_empty());
}

/// Where no knob meets the limit, the setting that binds is named, and what meets it.
#[test]
fn the_limit_that_binds_is_named_in_ten_of_ten() {
    ten_seeds(&overloaded(TARGET), |text| {
        let tuned = tune(text, 20, 2);
        assert!(!tuned.feasible);
        let binding = tuned.binding.unwrap();
        assert_eq!(binding.overload.workload, "api");
        assert!(binding.overload.at_max_replicas > 0.9 * binding.overload.minutes);
        let first = &binding.lifts[0];
        assert_eq!(first.key, "workloads.api.hpa.max_replicas");
        assert!(first.misses.is_empty() && first.from == "4", "{first:?}");
        // 16 pods request 4 vCPUs, 32 request 8.
        assert_eq!(first.to, "32");
        // What was dropped after the worst trials has no mean over all: it is told as the least.
        for own in binding.lifts.iter().filter(|own| !own.misses.is_empty() && own.trials < 4) {
            assert!(own.misses.iter().all(|missed| missed.starts_with("at least ")), "{own:?}");
        }
    });
}

/// 2,880 candidates with two trials are more than the evaluations allow: the search must find the point at
/// which each knob is right, since they do not act on each other.
fn large() -> String {
    let more = "[[tune.knobs]]\nkey = \"ebs.volume_gib\"\nvalues = [20, 40, 60, 100]\n\
        [[tune.knobs]]\nkey = \"aurora.storage_type\"\nvalues = [\"standard\", \"io-optimized\"]\n\
        [[tune.knobs]]\nkey = \"workloads.api.hpa.min_replicas\"\nvalues = [2, 3, 4, 5, 6, 7]\n";
    let tables =
        AURORA.to_owned() + "[ebs]\nvolume_gib = 60\n" + FAMILIES + TARGET + READERS + more;
    scenario(&tables)
}

#[test]
fn the_search_finds_the_point_where_every_knob_is_right() {
    let tuned = tune(&large(), 160, 2);
    assert!(!tuned.exhaustive);
    for (key, right) in [
        ("cluster.node_pools.general.families", "[m7g]"),
        ("workloads.api.hpa.target_cpu_utilization", "80"),
        ("aurora.min_readers", "1"),
        ("ebs.volume_gib", "20"),
        ("aurora.storage_type", "left out"),
        ("workloads.api.hpa.min_replicas", "2"),
    ] {
        assert_eq!(chosen(&tuned, key), right, "{key}");
    }
    assert!(tuned.candidates.iter().any(|point| point.fate == Fate::Whole));
    // What buys nothing keeps today's value: each change told of pays.
    assert!(tuned.why.iter().all(|why| why.saves.mean > 0.0));
    // None of the front beats another.
    let points =
        tuned.front.iter().map(|p| (p.measures.cost_per_month, p.measures.late_minutes_per_month));
    let points: Vec<(f64, f64)> = points.collect();
    assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1));
    let days = tuned.days.unwrap();
    assert_eq!((days.today.nodes.len(), days.recommended.p95_ms.len()), (1440, 1440));
}

#[test]
fn a_run_that_was_stopped_comes_to_the_same_bytes() {
    let text = large();
    let request = asked(60, 2);
    let whole = tune(&text, 60, 2);
    let kept: Mutex<Option<State>> = Mutex::new(None);
    for after in [3, 25, 55] {
        let stopped = with(&text, &request, |setup| {
            let count = AtomicU32::new(0);
            let done = || {
                count.fetch_add(1, Ordering::Relaxed);
            };
            let stop = || count.load(Ordering::Relaxed) >= after;
            let save = |state: &State| {
                *kept.lock().unwrap() = Some(state.clone());
                Ok(())
            };
            let watch = Watch { done: &done, stop: &stop };
            setup.run(Desk { watch, earlier: None, save: &save })
        });
        if let Ok(stopped) = stopped.unwrap() {
            assert!(stopped.stopped, "{after}");
        }
        // Through its text, as it is on disk.
        let state = serde_json::to_string(kept.lock().unwrap().as_ref().unwrap()).unwrap();
        let state: State = serde_json::from_str(&state).unwrap();
        let fewer = RefCell::new(0);
        let resumed = with(&text, &request, |setup| setup.run(on(QUIET, Some(&state)))).unwrap();
        *fewer.borrow_mut() += state.known.len();
        assert_eq!(
            serde_json::to_string(&resumed.unwrap()).unwrap(),
            serde_json::to_string(&whole).unwrap(),
            "{after}"
        );
    }
}

#[test]
fn a_state_of_another_run_is_refused_with_what_differs() {
    let kept: Mutex<Option<State>> = Mutex::new(None);
    let save = |state: &State| {
        *kept.lock().unwrap() = Some(state.clone());
        Ok(())
    };
    with(&scenario(TARGET), &asked(20, 2), |setup| {
        setup.run(Desk { watch: QUIET, earlier: None, save: &save })
    })
    .unwrap()
    .unwrap();
    let state = kept.into_inner().unwrap().unwrap();
    let other =
        with(&scenario(FAMILIES), &asked(20, 2), |setup| setup.run(on(QUIET, Some(&state))));
    let error = other.unwrap().unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("--state: belongs to another run: the knobs differ"),
        "{error}"
    );
}

/// Two accounts of one organization, with support, spot and shared price steps.
#[test]
fn months_judged_cost_what_the_plan_says_and_strains_cost_more() {
    let other = "[accounts.test]\nregion = \"us-east-1\"\ntraffic_share = 0.1\n\
        [billing]\nconsolidated = true\nsupport = \"Business Support+\"\n\
        [[budgets]]\nname = \"small\"\namount = 1\nperiod = \"monthly\"\n\
        [[budgets]]\nname = \"large\"\namount = 1_000_000\nperiod = \"cumulative\"\n";
    let text = scenario(other)
        .replace("max_vcpus = 4", "max_vcpus = 4\nspot_share = 0.5")
        .replace("months = 1", "months = 2")
        .replace("per_month = 0", "per_month = 600000")
        .replace(
            "requests_per_connection = 20",
            "requests_per_connection = 20\ndaily = { peak_hour = 19, peak_to_trough = 5 }\nnoise = 0.2",
        );
    let scenario = Scenario::parse("test.toml", &text, &support::CATALOG).unwrap();
    let facts = support::embedded_facts(&scenario).unwrap();
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let late = Late { p95_ms: None, factor: 3.0 };
    let judge = |account: usize, first: u32, strain: Strain| {
        let view = View { account, first, months: 2 - first, late, strain };
        let luck = prepared.luck(&view, 3).unwrap();
        prepared.judge(&view, &luck, &[]).unwrap()
    };
    let planned = trials::totals(&[prepared.sample(3).unwrap()])[0];
    let planned_now = judge(0, 0, Strain::default());
    assert_eq!(planned_now.cost, planned);
    assert_eq!(judge(1, 0, Strain::default()).cost, planned);
    assert_eq!(planned_now.broke, [true, false]);
    let now = judge(0, 1, Strain::default());
    assert!(now.cost < planned && now.broke == [true, false]);
    for strain in [
        Strain { growth: 2.0, ..Strain::default() },
        Strain { spot_price: 1.3, ..Strain::default() },
    ] {
        assert!(judge(0, 1, strain).cost > now.cost, "{strain:?}");
    }
    let slow = judge(0, 1, Strain { startup_seconds: 600.0, ..Strain::default() });
    assert!(slow.late_minutes >= now.late_minutes && slow != now, "{slow:?}\n{now:?}");
}

fn file(folder: &tempfile::TempDir, text: &str) -> String {
    let path = folder.path().join("s.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn any_number_of_threads_gives_the_same_bytes_and_the_tuned_scenario_plans() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = file(&folder, &scenario(&format!("{TARGET}{FAMILIES}# the end\n")));
    let run = |threads: &str, out: &str| {
        let out = folder.path().join(out);
        let arguments = [
            "tune",
            &scenario,
            "--evaluations",
            "24",
            "--trials",
            "2",
            "--fresh-trials",
            "4",
            "--threads",
            threads,
            "--format",
            "csv",
            "--out",
            out.to_str().unwrap(),
        ];
        stdout(&runrate(&arguments))
    };
    let (one, eight) = (run("1", "one"), run("8", "eight"));
    assert_eq!(one, eight);
    for name in ["tune.json", "candidates.csv", "tuned.toml"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(name)).unwrap();
        assert_eq!(read("one"), read("eight"), "{name}");
    }
    assert_eq!(one.as_bytes(), fs::read(folder.path().join("one/candidates.csv")).unwrap());
    let tuned = folder.path().join("one/tuned.toml");
    let text = fs::read_to_string(&tuned).unwrap();
    assert!(
        text.ends_with("# the end\n") && text.contains("target_cpu_utilization = 80"),
        "{text}"
    );
    let plan = runrate(&["plan", tuned.to_str().unwrap(), "--trials", "4", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&stdout(&plan)).unwrap();
    let document = fs::read_to_string(folder.path().join("one/tune.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    // What it says of the whole plan is what `plan` says of the tuned scenario.
    let plans = &document["plans"];
    assert_eq!(plans["recommended"]["mid"], plan["cost"]);
    assert_eq!(plans["trials"], plan["spread"]["trials"]);
    for (place, name) in ["p10", "p50", "p90"].iter().enumerate() {
        let planned: f64 = plan["spread"]["total"][name].as_str().unwrap().parse().unwrap();
        let own = plans["recommended"]["quantiles"][place].as_f64().unwrap();
        assert!((planned - own).abs() < 0.005, "{name}: {planned} {own}");
    }
    // Spot aside, a month of a noiseless load costs in a plan what it costs here.
    let planned: f64 = plan["cost"].as_str().unwrap().parse().unwrap();
    let tuned = document["recommended"]["measures"]["cost_per_month"].as_f64().unwrap();
    assert!((planned / tuned - 1.0).abs() < 0.02, "{planned} {tuned}");
}

#[test]
fn a_setting_that_another_account_inherits_is_written_for_one_account() {
    let folder = tempfile::tempdir().unwrap();
    let other = "[accounts.test]\nregion = \"us-east-1\"\ntraffic_share = 0.0\n\
        [accounts.test.override]\ncluster.node_pools.general.families = [\"m7i\"]\n";
    let scenario = file(&folder, &scenario(&format!("{other}{TARGET}{FAMILIES}")));
    let out = folder.path().join("tuned.toml");
    let run = runrate(&[
        "tune",
        &scenario,
        "--evaluations",
        "24",
        "--trials",
        "2",
        "--fresh-trials",
        "4",
        "--apply",
        out.to_str().unwrap(),
    ]);
    let table = stdout(&run);
    assert!(table.contains("accounts.production.override.workloads.api."), "{table}");
    let text = fs::read_to_string(&out).unwrap();
    let expected =
        "[accounts.production.override]\nworkloads.api.hpa.target_cpu_utilization = 80\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("[cluster.node_pools.general]\nfamilies = [\"m7g\"]"), "{text}");
}

#[test]
fn what_nobody_meets_is_told_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let slo = "[tune]\nslo = { max_p95_ms = 1, max_late_minutes_per_month = 10 }\n";
    let scenario = file(&folder, &scenario(&format!("{slo}{TARGET}")));
    // Settings of an earlier run are not beside this one's result.
    let to = folder.path().join("out");
    fs::create_dir_all(to.join("manifests")).unwrap();
    for name in ["tuned.toml", "manifests/hpa.yaml", "manifests/mine.yaml"] {
        fs::write(to.join(name), "old").unwrap();
    }
    let named = to.display().to_string();
    let arguments = ["--evaluations", "12", "--trials", "2", "--out", &named];
    let run = runrate(&[&["tune", &scenario], &arguments[..]].concat());
    let (out, error) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert_eq!(run.status.code(), Some(3), "{error}");
    assert!(error.contains("no candidate meets the limits of [tune.slo]"), "{error}");
    assert!(out.contains("No single setting of this workload"), "{out}");
    assert!(error.contains("minutes over the latency target a month (limit 10)"), "{error}");
    assert!(error.contains("no tuned.toml and no manifests"), "{error}");
    assert!(!to.join("tuned.toml").exists() && !to.join("manifests/hpa.yaml").exists());
    assert!(to.join("manifests/mine.yaml").exists() && to.join("tune.json").exists());
}

#[test]
fn the_commonest_mistakes_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let knob = |text: &str| format!("[[tune.knobs]]\n{text}\n");
    let target = "key = \"workloads.api.hpa.target_cpu_utilization\"";
    for (tables, expected) in [
        (
            knob("key = \"workloads.api.hpa.target_cpu_utilisation\"\nvalues = [50]"),
            "tune.knobs[0].key: there is no such key; did you mean \"target_cpu_utilization\"?",
        ),
        (knob("key = \"workloads.apo.hpa.min_replicas\"\nvalues = [5]"), "did you mean \"api\"?"),
        (knob("key = \"waf.rules\"\nvalues = [5]"), "account production has no table \"waf\""),
        (knob("key = \"users.growth.start\"\nvalues = [5]"), "is not the account's to change"),
        (knob("key = \"commitments[0].count\"\nvalues = [5]"), "the scenario has 0 commitments"),
        (knob(&format!("{target}\nvalues = []")), "tune.knobs[0].values: 0 values; give 1 to 200"),
        (knob(&format!("{target}\nvalues = [20]")), "20 is today's value; add other values"),
        (
            knob(&format!("{target}\nvalues = [40, 5000]")),
            "tune.knobs[0].values[1]: 5000: 5000 is out of range; give 1 to 1000",
        ),
        (knob(&format!("{target}\nvalues = [\"high\"]")), "must be a whole number, not text"),
        (knob(&format!("{target}\nfrom = 80\nto = 50\nstep = 10")), "80 is above to (50)"),
        (
            knob(&format!("{target}\nfrom = 50\nto = 80")),
            "give values = [..], or from, to and step",
        ),
        ("[tune]\naccount = \"prodution\"\n".into(), "did you mean \"production\"?"),
        ("[tune]\nfrom = \"2029-01\"\n".into(), "tune.from: 2029-01 is outside the plan"),
        ("[tune]\nmonths = 3\n".into(), "tune.months: 3 months run past 2027-02"),
        ("[tune]\nslo = { max_p95 = 3 }\n".into(), "did you mean \"max_p95_ms\"?"),
    ] {
        let scenario = file(&folder, &scenario(&tables));
        let run = runrate(&["tune", &scenario]);
        let error = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{tables}: {error}");
        assert!(error.contains(expected) && run.stdout.is_empty(), "{expected}: {error}");
    }
    let good = file(&folder, &scenario(TARGET));
    for (arguments, expected) in [
        (&["--evaluations", "0"][..], "0 is not in 1"),
        (&["--evaluations", "10", "--trials", "12"], "are used up by today's 12 trials"),
        (&["--account", "x"], "no account \"x\"; there are production"),
        (&["--trials", "1"], "1 is not in 2"),
    ] {
        let mut all = vec!["tune", &*good];
        all.extend(arguments);
        let run = runrate(&all);
        let error = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
