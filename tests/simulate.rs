//! `runrate simulate` as a user meets it: files, exit codes, messages, the same bytes on any number of
//! threads.
#![allow(clippy::unwrap_used)]

use std::{fmt::Write as _, fs, path::Path};

use crate::support::{base, plan, runrate, stdout};
use assert_cmd::Command;
use tempfile::TempDir;

const EXAMPLE: &str = "examples/innovate.toml";

/// The example with lines replaced.
fn changed(folder: &TempDir, changes: &[(&str, &str)]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = fs::read_to_string(root.join(EXAMPLE)).unwrap();
    // The example's own budget would stand beside the one a test sets.
    text = text
        .lines()
        .filter(|line| !line.starts_with("disruption_budget"))
        .collect::<Vec<_>>()
        .join("\n");
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn refused(arguments: &[&str], expected: &[&str]) {
    let output = runrate(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    for expected in expected {
        assert!(message.contains(expected), "{expected:?} is not in {message}");
    }
}

#[test]
fn a_day_gives_its_files_and_every_tick_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    let text = stdout(&runrate(&[
        "simulate", EXAMPLE, "--at", "2028-12", "--days", "1", "--out", &out, "--png",
    ]));
    for expected in [
        "production (us-east-1)",
        "SuccessfulRescale",
        "Spot share",
        "Nodes removed per day",
        "Database",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let read = |name: &str| fs::read(Path::new(&out).join(name)).unwrap();
    let csv = String::from_utf8(read("trace.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 24 * 240);
    assert!(csv.lines().nth(241).unwrap().starts_with("2028-12-01T01:00:00,"));
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == columns));
    assert!(!csv.contains("NaN") && !csv.contains("inf"));
    assert!(read("trace.parquet").starts_with(b"PAR1"));
    assert!(read("trace.png").starts_with(b"\x89PNG"));
    assert!(String::from_utf8(read("trace.svg")).unwrap().contains("Replicas"));
    assert!(String::from_utf8(read("events.csv")).unwrap().contains("SuccessfulRescale"));
    let summary: serde_json::Value = serde_json::from_slice(&read("summary.json")).unwrap();
    assert_eq!(summary["tick_seconds"], 15);
    assert!(summary["capacity"]["realized_spot_share"].as_f64().unwrap() <= 1.0);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let run = |threads: &str, name: &str| {
        let out = folder.path().join(name);
        let mut command = Command::cargo_bin("runrate").unwrap();
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("RAYON_NUM_THREADS", threads);
        command.env("POLARS_MAX_THREADS", threads);
        command.args(["simulate", EXAMPLE, "--at", "2028-11", "--days", "2", "--out"]).arg(&out);
        assert!(command.output().unwrap().status.success());
        ["trace.csv", "trace.parquet", "events.csv", "summary.json", "trace.svg"]
            .map(|name| fs::read(out.join(name)).unwrap())
    };
    assert!(run("1", "one") == run("8", "eight"));
    let other = |trial: &str| {
        let arguments = [
            "simulate", EXAMPLE, "--at", "2028-11", "--days", "1", "--format", "csv", "--trial",
            trial,
        ];
        stdout(&runrate(&arguments))
    };
    assert!(other("0") != other("1"), "another trial is another draw");
}

#[test]
fn a_real_load_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let load = folder.path().join("load.csv");
    let mut text = "time,requests_per_second\n".to_owned();
    for minute in 0..120 {
        // A burst of forty times the usual load for ten minutes.
        let rps = if (60..70).contains(&minute) { 2000 } else { 50 };
        let _ = writeln!(text, "2027-03-01T{:02}:{:02}:00,{rps}", 10 + minute / 60, minute % 60);
    }
    fs::write(&load, &text).unwrap();
    let path = load.display().to_string();
    let text = stdout(&runrate(&["simulate", EXAMPLE, "--load", &path, "--class", "api"]));
    assert!(text.contains("2027-03-01T10:00:00 to 2027-03-01T12:00:00"), "{text}");
    assert!(text.contains("Overloaded") && text.contains("Recovered"), "{text}");
    // The load's own month sizes the database, unless it lies outside the plan.
    assert!(!text.contains("the load is not that of"), "{text}");
    let class = ["simulate", EXAMPLE, "--load", &path, "--class", "api"];
    let other = stdout(&runrate(&[&class[..], &["--at", "2028-12"]].concat()));
    assert!(other.contains("the load is not that of 2028-12"), "{other}");
    refused(&[&class[..], &["--days", "2"]].concat(), &["the load holds 0.1; give fewer"]);
    refused(&[&class[..], &["--at", "2030-01"]].concat(), &["2030-01 is outside the plan"]);
    for (content, arguments, expected) in [
        (text.as_str(), vec!["--class", "api"], "the header names no load"),
        ("time,requests_per_second\n2027-03-01T10:00,5\n2027-03-01T10:01,5\n", vec![], "--class"),
        (
            "time,requests_per_second\n2027-03-01T10:00,5\n2027-03-01T10:01,5\n2027-03-01T10:02,5\n2027-03-01T10:30,5\n",
            vec!["--class", "api"],
            "missing",
        ),
        ("time,requests_per_second\n2027-03-01T10:00,5\n", vec!["--class", "api"], "rows"),
        (
            "time,requests_per_second\n2027-03-01T10:00,-5\n2027-03-01T10:01,5\n",
            vec!["--class", "api"],
            "load.csv:2",
        ),
        (
            "time,requests_per_second\n2027-03-01T10:00,5\n2027-03-01T10:01,5\n",
            vec!["--class", "apo"],
            "did you mean \"api\"?",
        ),
    ] {
        fs::write(&load, content).unwrap();
        let mut all = vec!["simulate", EXAMPLE, "--load", &path];
        all.extend(arguments);
        refused(&all, &[expected]);
    }
    // A gap that is known may be held over.
    let gap = "time,sessions_per_minute\n2027-03-01T10:00,5\n2027-03-01T10:01,5\n2027-03-01T10:02,5\n2027-03-01T10:30,5\n";
    fs::write(&load, gap).unwrap();
    stdout(&runrate(&["simulate", EXAMPLE, "--load", &path, "--hold-gaps"]));
}

#[test]
fn mistakes_on_the_command_line_name_what_would_do() {
    for (arguments, expected) in [
        (vec!["--at", "2026-03"], "2026-03 is outside the plan; give 2027-01 to 2028-12"),
        (vec!["--at", "March"], "expected a month, such as 2027-03"),
        (vec!["--tick", "10s"], "expected 15s, 30s or 60s"),
        (vec!["--account", "prod"], "no account \"prod\"; did you mean \"production\"?"),
        (vec!["--at", "2028-12", "--days", "40"], "give 31 or fewer"),
        (vec!["--days", "0"], "0"),
        (vec!["--png"], "--out"),
        (vec!["--load", "nowhere.csv"], "nowhere.csv: no such file"),
    ] {
        let mut all = vec!["simulate", EXAMPLE];
        all.extend(arguments);
        refused(&all, &[expected]);
    }
}

#[test]
fn contradictions_in_the_cluster_are_found_before_anything_runs() {
    let api = "hpa = { min_replicas = 3, max_replicas = 400, target_cpu_utilization = 65 }";
    let pool = "consolidate_after_seconds = 120";
    for (from, to, expected) in [
        (api, "hpa = { min_replicas = 0, max_replicas = 4 }", "HPAScaleToZero"),
        (
            api,
            "hpa = { max_replicas = 4, metrics = [{ type = \"Resource\", name = \"cpu\", value = 3.0 }] }",
            "workloads.api.hpa.metrics.0: a Resource metric takes",
        ),
        (
            api,
            "hpa = { max_replicas = 4, target_cpu_utilization = 60, metrics = [{ type = \"Pods\", name = \"concurrency\", average_value = 3 }] }",
            "give metrics or target_cpu_utilization, not both",
        ),
        (
            "[workloads.spa]",
            "disruption_budget = { max_unavailable = \"a third\" }\n[workloads.spa]",
            "workloads.api.disruption_budget.max_unavailable: \"a third\" is not a share of pods",
        ),
        (
            "[workloads.spa]",
            "tolerations = [\"a=b:Always\"]\n[workloads.spa]",
            "workloads.api.tolerations.0: \"Always\" is not an effect",
        ),
        (
            "[workloads.spa]",
            "node_pools = [\"baseline\"]\ntopology_spread = [{ topology_key = \"kubernetes.io/hostname\", max_skew = 1, when_unsatisfiable = \"DoNotSchedule\" }]\n[workloads.spa]",
            "workloads.api.topology_spread.0: 400 replicas on 3 nodes cannot keep at most 1 a node",
        ),
        (
            pool,
            "budgets = [{ nodes = \"ten\" }]",
            "cluster.node_pools.general.budgets.0.nodes: \"ten\"",
        ),
        (
            pool,
            "budgets = [{ nodes = \"0\", schedule = \"0 9 * * mon-fry\", duration_minutes = 60 }]",
            "cluster.node_pools.general.budgets.0.schedule",
        ),
        (
            pool,
            "budgets = [{ nodes = \"0\", schedule = \"@daily\" }]",
            "a schedule needs a duration",
        ),
        (pool, "limit_vcpus = 1", "cluster.node_pools.general.limit_vcpus"),
        (
            pool,
            "min_values = { families = 40 }",
            "cluster.node_pools.general.min_values.families: 40 of",
        ),
        (pool, "taints = [\"dedicated=batch\"]", "has no effect; give dedicated=batch:NoSchedule"),
        (pool, "capacity_types = [\"spot\"]", "give capacity_types or spot_share, not both"),
        (
            "baseline = { instance_type = \"m7g.xlarge\", nodes = 3 }",
            "baseline = { instance_type = \"m7g.xlarge\", nodes = 3, taints = [\"CriticalAddonsOnly\"] }",
            "cluster.baseline.taints: \"CriticalAddonsOnly\" has no effect",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = changed(&folder, &[(from, to)]);
        refused(&["simulate", &path, "--days", "1"], &["scenario.toml:", expected]);
    }
}

/// What cannot be met at run time is a counted event, and the run ends.
#[test]
fn what_cannot_be_met_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(
        &folder,
        &[
            ("consolidate_after_seconds = 120", "limit_vcpus = 4"),
            ("max_vcpus = 16", "max_vcpus = 4"),
        ],
    );
    let text = stdout(&runrate(&["simulate", &path, "--at", "2028-12", "--days", "1"]));
    assert!(text.contains("FailedScheduling") && text.contains("node pool limit"), "{text}");
}

/// Every new setting of the scenario at once, and it still runs.
#[test]
fn every_setting_of_the_controllers_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(
        &folder,
        &[
            (
                "hpa = { min_replicas = 3, max_replicas = 400, target_cpu_utilization = 65 }",
                "concurrency = 4\nservice_ms_per_request = 60\ntimeout_seconds = 10\nstartup_p95_seconds = 30\n\
                 idle_memory_mib = 200\nmemory_mib_per_request = 5\ntolerations = [\"dedicated\"]\n\
                 disruption_budget = { max_unavailable = \"25%\" }\n\
                 topology_spread = [{ topology_key = \"topology.kubernetes.io/zone\", max_skew = 1, when_unsatisfiable = \"DoNotSchedule\" }]\n\
                 [workloads.api.hpa]\nmin_replicas = 0\nmax_replicas = 400\n\
                 metrics = [{ type = \"Resource\", name = \"cpu\", average_utilization = 60 }, { type = \"External\", name = \"requests_per_second\", average_value = 12 }]\n\
                 [workloads.api.hpa.behavior.scale_down]\nstabilization_window_seconds = 120\nselect_policy = \"Min\"\ntolerance = 0.05\n\
                 policies = [{ type = \"Percent\", value = 10, period_seconds = 60 }]",
            ),
            ("max_replicas = 20, target_cpu_utilization = 70 }", "max_replicas = 20 }"),
            (
                "consolidate_after_seconds = 120",
                "consolidation_policy = \"Balanced\"\nexpire_after_hours = 24\ndrift_every_days = 2\n\
                 termination_grace_seconds = 300\nlimit_nodes = 50\nlimit_memory_gib = 2000\n\
                 min_values = { instance_types = 5, families = 2 }\ntaints = [\"dedicated=apps:PreferNoSchedule\"]\n\
                 budgets = [{ nodes = \"20%\" }, { nodes = \"0\", reasons = [\"Drifted\"], schedule = \"0 8 * * mon-fri\", duration_minutes = 600 }]",
            ),
            (
                "[cluster.node_pools.general]",
                "[cluster.kubelet]\nmax_pods = 110\nsystem_reserved_cpu_millicores = 50\n[cluster.node_pools.general]",
            ),
            (
                "availability_zones = 3",
                "availability_zones = 3\nfeature_gates = [\"HPAScaleToZero\", \"SpotToSpotConsolidation\"]\nnode_startup_seconds = 60\nnode_startup_p95_seconds = 120",
            ),
        ],
    );
    let text = stdout(&runrate(&["simulate", &path, "--at", "2028-12", "--days", "3"]));
    assert!(text.contains("Expired") && text.contains("Drifted"), "{text}");
}

/// Office hours of ten hours on the 20 weekdays of February 2027: the writer is billed 200 hours, its reader as many,
/// and a burst on one day adds readers for an hour or two; the nights and weekends in between cost nothing, and
/// storage and backups go on. Without the schedule's `stop_database` the same days cost 672 hours an instance.
#[test]
fn readers_of_a_stopped_database_are_not_billed() {
    let scenario = |stops: bool| {
        base("2027-02", 1, 100_000)
            .replace("[cluster]", &format!("[accounts.production.schedule]\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\nfrom = \"08:00\"\nto = \"18:00\"\nstop_database = {stops}\n[cluster]"))
            .replace("replicas = 2\n", "replicas = 20\n")
            .replace("cpu_millicores = 250", "cpu_millicores = 50")
            .replace("[accounts.production]", "[[traffic.events]]\nname = \"spike\"\nat = \"2027-02-10T12:00\"\npeak = 8\nhalf_life_hours = 1\n[accounts.production]")
            + "[alb]\nload_balancers = 1\nrules = 2\n[aurora]\ninstance_class = \"db.r6g.large\"\nmin_readers = 1\nmax_readers = 4\n\
               queries_per = { api = 4 }\nwrite_share = 0.2\ncpu_ms_per_query = 10\npages_per_query = 8\n\
               wal_bytes_per_write = 5000\nkib_per_query = 2\nstorage_gib = 20\nstorage_mib_per_user = 0\n\
               working_set_share = 0.1\nchanged_per_day = 0.02\nbackup_retention_days = 7\n"
    };
    let quantity = |plan: &runrate::plan::Plan, usage_type: &str| -> f64 {
        let own = plan.entries.iter().filter(|entry| entry.key.usage_type == usage_type);
        own.map(|entry| entry.quantity.get()).sum()
    };
    let (stopped, running) = (plan(&scenario(true)).unwrap(), plan(&scenario(false)).unwrap());
    let hours = quantity(&stopped, "InstanceUsage:db.r6g.large");
    assert!((400.5..405.0).contains(&hours), "{hours}");
    let hours = quantity(&running, "InstanceUsage:db.r6g.large");
    assert!((1344.5..1350.0).contains(&hours), "{hours}");
    for goes_on in ["Aurora:StorageUsage", "Aurora:BackupUsage"] {
        assert_eq!(quantity(&stopped, goes_on).to_bits(), quantity(&running, goes_on).to_bits());
    }
}

/// A launch at 17:00:30 that needs no time to rise: 6.72 sessions at 17:00, as on any other day.
#[test]
fn the_minute_before_a_launch_on_a_second_keeps_its_traffic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    let text = base("2027-01", 1, 10_000)
        + "[alb]\nload_balancers = 1\nrules = 2\n[[traffic.events]]\nname = \"launch\"\nat = \"2027-01-12T17:00:30\"\n\
           peak = 3\nrise_minutes = 0\nhalf_life_hours = 6\n";
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let csv =
        stdout(&runrate(&["simulate", &path, "--days", "12", "--tick", "60s", "--format", "csv"]));
    let sessions = |moment: &str| -> f64 {
        let row = csv.lines().find(|line| line.starts_with(moment)).unwrap();
        row.split(',').nth(1).unwrap().parse().unwrap()
    };
    // 10,000 users × 30 sessions / 44,640 minutes.
    let usual = 300_000.0 / 44_640.0;
    for (moment, expected) in [
        ("2027-01-12T16:59:00", usual),
        ("2027-01-12T17:00:00", usual),
        ("2027-01-12T17:01:00", usual * (1.0 + 2.0 * 0.5_f64.powf(0.5 / 360.0))),
    ] {
        let found = sessions(moment);
        assert!((found - expected).abs() < 0.001, "{moment}: {found} {expected}");
    }
}

/// Two pods without a CPU limit, one on each m7g.large: 1,930 millicores for pods, so 55 requests/s of 35 ms each, although
/// the pool may buy nodes of 16 vCPUs. The response time rises with the load, as it does below a limit of the same size.
#[test]
fn pods_without_a_cpu_limit_have_no_more_than_their_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let loads = [10, 50, 90, 105, 125];
    let mut load = "time,requests_per_second\n".to_owned();
    for minute in 0..50 {
        let _ = writeln!(load, "2027-01-05T10:{minute:02}:00,{}", loads[minute / 10]);
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("load.csv"), load).unwrap();
    let limit = "limits = { cpu_millicores = 1000, memory_mib = 512 }";
    let p95 = |name: &str, limits: &str| -> Vec<f64> {
        let text = base("2027-01", 1, 1000)
            .replace(limit, limits)
            .replace("cpu_ms_per_request = 5", "cpu_ms_per_request = 35")
            .replace("cpu_millicores = 250", "cpu_millicores = 1000")
            + "[alb]\nload_balancers = 1\nrules = 2\n\
               [cluster.node_pools.general]\ncategories = [\"m\"]\nmin_generation = 7\nmin_vcpus = 2\nmax_vcpus = 16\n";
        fs::write(path(name), text).unwrap();
        let csv = stdout(&runrate(&[
            "simulate",
            &path(name),
            "--load",
            &path("load.csv"),
            "--class",
            "api",
            "--format",
            "csv",
        ]));
        let mut rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let column = rows.next().unwrap().iter().position(|name| name.contains("p95")).unwrap();
        let rows: Vec<f64> = rows.map(|row| row[column].parse().unwrap()).collect();
        (0..loads.len()).map(|step| rows[step * 40 + 36]).collect()
    };
    let free = p95("free.toml", "");
    let bounded = p95("bounded.toml", "limits = { cpu_millicores = 1930, memory_mib = 512 }");
    assert!(free.windows(2).all(|pair| pair[1] > pair[0] * 1.005), "{free:?}");
    // Two cores wait at 90 of 110 requests/s; a queue grows at 125.
    assert!((100.0..110.0).contains(&free[0]) && free[2] > 250.0 && free[4] > 5000.0, "{free:?}");
    for (free, bounded) in free.iter().zip(&bounded) {
        assert!((free / bounded - 1.0).abs() < 0.1, "{free} {bounded}");
    }
}
