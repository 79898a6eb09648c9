//! Trials, as a user runs them: the binary itself, its odds, parts of them, comparisons, commitments.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::disallowed_methods, clippy::print_stdout)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{self, base, runrate, stdout};
use runrate::plan::Plan;
use statrs::distribution::{ContinuousCDF, Normal};

/// A company that does not know its users, its traffic nor its CPU, over two months, with spot nodes.
fn uncertain() -> String {
    base("2027-02", 2, 60_000)
        .replace(
            "per_month = 0 }",
            "per_month = { low = -4000, mid = 2000, high = 20000 } }\nvolatility = 0.1",
        )
        .replace(
            "sessions_per_user = 30",
            "sessions_per_user = { low = 20, mid = 30, high = 50 }\nnoise = 0.1",
        )
        .replace("cpu_ms_per_request = 5", "cpu_ms_per_request = { low = 40, mid = 60, high = 90 }")
        .replace("replicas = 2\n", "hpa = { min_replicas = 2, max_replicas = 200 }\n")
        + "[cluster.node_pools.general]\ncategories = [\"m\"]\nmin_generation = 6\n\
           architectures = [\"arm64\"]\nspot_share = 0.5\n[alb]\nload_balancers = 1\nrules = 2\n[nat]\n\
           [aurora]\nfamilies = [\"r6g\"]\nmin_readers = 0\nqueries_per = { api = 2.0 }\nwrite_share = 0.2\n\
           cpu_ms_per_query = 0.5\npages_per_query = 5\nwal_bytes_per_write = 4000\nkib_per_query = 1\n\
           storage_gib = 10\nstorage_mib_per_user = 0.1\nworking_set_share = 0.1\nchanged_per_day = 0.02\n\
           backup_retention_days = 7\n"
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn planned(folder: &Path) -> Plan {
    serde_json::from_slice(&fs::read(folder.join("plan.json")).unwrap()).unwrap()
}

fn refused(arguments: &[&str], code: i32) -> String {
    let output = runrate(arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn trials_leave_the_mid_value_line_as_it_is_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = written(folder.path(), "s.toml", &uncertain());
    let run = |trials: &str, threads: &str| {
        let out = folder.path().join(format!("{trials}-{threads}"));
        let to = out.display().to_string();
        stdout(&runrate(&[
            "plan",
            &scenario,
            "--trials",
            trials,
            "--threads",
            threads,
            "--out",
            &to,
        ]));
        out
    };
    let (alone, one, two) = (run("1", "1"), run("12", "1"), run("12", "2"));
    for file in ["plan.json", "spread.csv", "odds.svg", "ledger.csv"] {
        let bytes = |folder: &PathBuf| fs::read(folder.join(file)).unwrap();
        assert!(bytes(&one) == bytes(&two), "{file}");
    }
    let (mut with, without) = (planned(&one), planned(&alone));
    let spread = with.spread.take().unwrap();
    assert_eq!(with, without);
    assert_eq!(spread.trials, 12);
    // Totals are quantiles of totals: below the sum of the months' upper quantiles.
    let sum: f64 = spread.months.iter().map(|month| month.cost.of.p90.to_f64()).sum();
    let p90 = spread.total.of.p90.to_f64();
    assert!(p90 <= sum + 1e-6 && p90 > spread.total.of.p50.to_f64(), "{p90} {sum}");
    assert_eq!(spread.total.of.mid, without.cost);
    let names: Vec<&str> = spread.influences.iter().map(|own| &*own.input).collect();
    for name in ["users.growth.per_month", "traffic.sessions_per_user", "users off their curve"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

#[test]
fn a_trial_is_replayed_by_its_number() {
    let text = uncertain();
    let scenario =
        runrate::intent::scenario::Scenario::parse("s.toml", &text, &support::CATALOG).unwrap();
    let facts = support::embedded_facts(&scenario).unwrap();
    let inputs = runrate::plan::simulate::Inputs::default();
    let prepared = runrate::plan::simulate::Prepared::new(&scenario, &facts, &inputs).unwrap();
    for trial in [0, 3] {
        let (sample, plan) = (prepared.sample(trial).unwrap(), prepared.run(trial).unwrap());
        let sum: runrate::measure::units::Usd = sample.costs.iter().map(|cost| cost.cost).sum();
        assert_eq!(sum, plan.cost);
        assert_eq!(sample.users, plan.months.iter().map(|m| m.users).collect::<Vec<f64>>());
    }
    assert_ne!(prepared.sample(3).unwrap().drawn, prepared.sample(4).unwrap().drawn);
    // A further range moves none that was there.
    let more = text.replace("request_kib = 2", "request_kib = { low = 1, mid = 2, high = 4 }");
    let scenario =
        runrate::intent::scenario::Scenario::parse("s.toml", &more, &support::CATALOG).unwrap();
    let wider = runrate::plan::simulate::Prepared::new(&scenario, &facts, &inputs).unwrap();
    let named = |prepared: &runrate::plan::simulate::Prepared<'_>| -> Vec<(String, f64)> {
        prepared.drawn().into_iter().zip(prepared.sample(3).unwrap().drawn).collect()
    };
    let (few, many) = (named(&prepared), named(&wider));
    assert_eq!(many.len(), few.len() + 1);
    assert!(few.iter().all(|own| many.contains(own)), "{few:?} {many:?}");
}

/// Companies whose law is known: sessions a user are lognormal around 30 with 20 and 45 as the ends of four in five, and
/// ln(users) walks by 10 % a month. Nature draws them here, by the formulas and from other seeds, and plans
/// each as a certain scenario; the band is the forecast of the uncertain one. 160 companies, one from each of as many
/// equal parts of the law, against 320 trials: the share is known to ±2.5 %.
#[test]
fn the_band_holds_the_bills_of_companies_with_a_known_law() {
    const COMPANIES: u32 = 160;
    const TRIALS: u32 = 320;
    let certain = |sessions: f64, users: [f64; 2], seed: u32| {
        uncertain()
            .replace("months = 2", &format!("months = 2\nseed = {seed}"))
            .replace(
                "growth = { curve = \"linear\", start = 60000, per_month = { low = -4000, mid = 2000, high = 20000 } }\nvolatility = 0.1",
                &format!(
                    "growth = {{ curve = \"steps\", steps = [{{ from = \"2027-02\", users = {} }}, {{ from = \"2027-03\", users = {} }}] }}",
                    users[0], users[1]
                ),
            )
            .replace("sessions_per_user = { low = 20, mid = 30, high = 50 }", &format!("sessions_per_user = {sessions}"))
            .replace("cpu_ms_per_request = { low = 40, mid = 60, high = 90 }", "cpu_ms_per_request = 60")
    };
    let known = uncertain()
        .replace("months = 2", "months = 2\nseed = 1")
        .replace("per_month = { low = -4000, mid = 2000, high = 20000 }", "per_month = 0")
        .replace("high = 50 }", "high = 45 }")
        .replace(
            "cpu_ms_per_request = { low = 40, mid = 60, high = 90 }",
            "cpu_ms_per_request = 60",
        );
    let scenario =
        runrate::intent::scenario::Scenario::parse("s.toml", &known, &support::CATALOG).unwrap();
    let facts = support::embedded_facts(&scenario).unwrap();
    let inputs = runrate::plan::simulate::Inputs::default();
    let prepared = runrate::plan::simulate::Prepared::new(&scenario, &facts, &inputs).unwrap();
    let watch = runrate::plan::trials::Watch { done: &|| (), stop: &|| false };
    let trials: Vec<u32> = (1..=TRIALS).collect();
    let samples = runrate::plan::trials::run(&prepared, &trials, watch).unwrap();
    let mut band = runrate::plan::trials::totals(&samples);
    band.sort_by(f64::total_cmp);
    let [low, high] = [0.1, 0.9].map(|p| runrate::plan::trials::quantile(&band, p));
    let sigma = (45.0_f64 / 30.0).ln() / 1.281_551_6; // of the upper half; 30 / 20 is the same
    let inside = (0..COMPANIES).filter(|company| {
        let mut nature = runrate::measure::random::stream(
            777,
            *company,
            runrate::measure::random::Stream::Inputs,
            9,
        );
        let part = (f64::from(*company) + nature.uniform()) / f64::from(COMPANIES);
        let sessions = 30.0 * (sigma * Normal::standard().inverse_cdf(part)).exp();
        let first = 60_000.0;
        let second = first * (0.1 * nature.normal()).exp();
        let text = certain(sessions, [first, second], 1000 + company);
        let scenario =
            runrate::intent::scenario::Scenario::parse("n.toml", &text, &support::CATALOG).unwrap();
        let prepared = runrate::plan::simulate::Prepared::new(&scenario, &facts, &inputs).unwrap();
        // A trial of its own: spot prices and interruptions are nature's, too.
        let outcome = runrate::plan::trials::totals(&[prepared.sample(1).unwrap()])[0];
        low <= outcome && outcome <= high
    });
    let share = inside.count() as f64 / f64::from(COMPANIES);
    println!("{share} of the outcomes lie between {low:.0} and {high:.0}");
    assert!((0.75..=0.85).contains(&share), "{share}");
}

#[test]
#[cfg(feature = "polars")]
fn four_shards_as_processes_give_the_bytes_of_one_machine() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = written(folder.path(), "s.toml", &uncertain());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let whole = path("whole");
    let common = ["plan", &scenario, "--trials", "10"];
    let alone = stdout(&runrate(&[&common[..], &["--out", &whole]].concat()));
    // As the pods of the Indexed Job run them: its own script, its own variables, indices from 0.
    let program = assert_cmd::cargo::cargo_bin("runrate");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scale-out/shard.sh");
    let search = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let shards: Vec<_> = (0..4)
        .map(|index| {
            let mut command = Command::new("sh");
            command
                .arg(&script)
                .env("PATH", &search)
                .env("JOB_COMPLETION_INDEX", index.to_string());
            command.env("SCENARIO", &scenario).env("TRIALS", "10").env("SHARDS", "4");
            command.env("PARTS", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for mut shard in shards {
        assert!(shard.wait().unwrap().success());
    }
    let parts: Vec<String> =
        [2, 0, 3, 1].map(|shard| path(&format!("part-{shard}.parquet"))).to_vec();
    let all: Vec<&str> = parts.iter().map(String::as_str).collect();
    let merged = path("merged");
    let told = stdout(&runrate(&[&["merge"], &all[..], &["--out", &merged]].concat()));
    assert_eq!(told, alone);
    for file in ["plan.json", "spread.csv", "odds.svg", "ledger.csv", "usage.csv", "capacity.csv"] {
        let bytes = |folder: &str| fs::read(Path::new(folder).join(file)).unwrap();
        assert!(bytes(&whole) == bytes(&merged), "{file}");
    }
    // What does not belong together is refused, and says what is missing.
    let missing = refused(&[&["merge"], &all[..3]].concat(), 2);
    assert!(missing.contains("missing: 2") && missing.contains("--shard 2/4"), "{missing}");
    let twice = refused(&[&["merge"], &all[..], &all[..1]].concat(), 2);
    assert!(twice.contains("part 3 of 4, and so is"), "{twice}");
    let other = written(folder.path(), "t.toml", &uncertain().replace("nodes = 2", "nodes = 3"));
    let stray = path("stray.parquet");
    stdout(&runrate(&["plan", &other, "--trials", "10", "--shard", "2/4", "--out", &stray]));
    let mixed = refused(&["merge", all[0], all[1], all[2], &stray], 2);
    assert!(mixed.contains("is part of another plan") && mixed.contains("scenario"), "{mixed}");
    let cut = fs::read(&parts[0]).unwrap();
    fs::write(&parts[0], &cut[..cut.len() / 2]).unwrap();
    assert!(refused(&["merge", &parts[0]], 2).contains("is no part of a plan"));
    assert!(refused(&["merge", &scenario], 2).contains("is no part of a plan"));
}

#[test]
fn the_manifest_of_the_job_agrees_with_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scale-out");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (job, script) = (text("job.yaml"), text("shard.sh"));
    let value = |key: &str| -> u32 {
        let line = job.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
        line.rsplit(':').next().unwrap().trim().parse().unwrap()
    };
    let (completions, shards) = (value("completions:"), "name: SHARDS, value: \"8\"");
    assert_eq!(completions, 8);
    assert!(job.contains(shards) && job.contains("completionMode: Indexed"));
    assert_eq!(value("parallelism:"), completions);
    // Every variable that the script asks for is set, by the Job or by Kubernetes.
    for name in ["SCENARIO", "TRIALS", "SHARDS", "PARTS"] {
        assert!(script.contains(&format!("${{{name}:?}}")), "{name}");
        assert!(job.contains(&format!("name: {name}, value:")), "{name}");
    }
    for file in ["job.yaml", "service-account.yaml", "shard.sh"] {
        assert!(text("kustomization.yaml").contains(file), "{file}");
    }
    assert!(text("merge.yaml").contains("runrate merge /parts/part-*.parquet"));
    assert!(text("README.md").contains("merge.yaml"));
}

#[test]
fn what_cannot_be_a_range_is_refused_where_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |text: &str| {
        let scenario = written(folder.path(), "s.toml", text);
        refused(&["plan", &scenario, "--trials", "4"], 2)
    };
    let text = uncertain();
    let three = "[[correlations]]\nbetween = [\"users.growth.per_month\", \"traffic.sessions_per_user\"]\nrank = RANK\n\
        [[correlations]]\nbetween = [\"traffic.sessions_per_user\", \"workloads.api.cpu_ms_per_request\"]\nrank = RANK\n\
        [[correlations]]\nbetween = [\"users.growth.per_month\", \"workloads.api.cpu_ms_per_request\"]\nrank = -0.9\n";
    let impossible = plan(&format!("{text}{}", three.replace("RANK", "0.9")));
    assert!(impossible.contains("no numbers can be correlated like this"), "{impossible}");
    let unknown = plan(&format!(
        "{text}[[correlations]]\nbetween = [\"users.growth.per_month\", \"traffic.sesions_per_user\"]\nrank = 0.5\n"
    ));
    assert!(unknown.contains("did you mean \"traffic.sessions_per_user\"?"), "{unknown}");
    let order = plan(&text.replace("low = 20, mid = 30", "low = 40, mid = 30"));
    assert!(
        order.contains(
            "traffic.sessions_per_user: 40, 30, 50: give low, mid and high in rising order"
        ),
        "{order}"
    );
    let clash = plan(
        &text.replace("min_replicas = 2", "min_replicas = { low = 2, mid = 190, high = 4000 }"),
    );
    assert!(clash.contains("trial ") && clash.contains("narrow the ranges"), "{clash}");
    let strays = refused(&["plan", "s.toml", "--trials", "0"], 2);
    assert!(strays.contains("--trials"), "{strays}");
}

#[test]
fn certain_ranges_no_growth_and_two_trials_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let bare = |users: u32| base("2027-02", 1, users).replace("reached = \"through-alb\"\n", "");
    let certain = bare(1000)
        .replace("sessions_per_user = 30", "sessions_per_user = { low = 30, mid = 30, high = 30 }");
    let scenario = written(folder.path(), "s.toml", &certain);
    let out = folder.path().join("out");
    let told = stdout(&runrate(&[
        "plan",
        &scenario,
        "--trials",
        "2",
        "--out",
        &out.display().to_string(),
    ]));
    let plan = planned(&out);
    let spread = plan.spread.as_ref().unwrap();
    assert_eq!(spread.total.of.p10, spread.total.of.p90);
    assert!(spread.total.standard_errors.iter().all(|error| error.to_f64() == 0.0));
    assert!(told.contains("No number of the scenario is a range"), "{told}");
    // Nobody comes: nothing is divided by nothing.
    let empty = written(folder.path(), "e.toml", &bare(0));
    stdout(&runrate(&["plan", &empty, "--trials", "3"]));
    let stable = stdout(&runrate(&["plan", &scenario, "--until-stable", "1%"]));
    assert!(stable.contains("50 trials; a standard error of 1 % was reached (0.00 %)"), "{stable}");
}

#[test]
fn budgets_are_held_against_trials_and_gate() {
    let folder = tempfile::tempdir().unwrap();
    let text = uncertain()
        + "[revenue]\nper_user_month = 0.02\n\
           [[budgets]]\nname = \"tight\"\namount = 10\nperiod = \"monthly\"\n\
           [[budgets]]\nname = \"wide\"\namount = 1_000_000\nperiod = \"cumulative\"\n\
           [[budgets]]\nname = \"bank\"\namount = 9_000\nperiod = \"cash\"\nother_costs_per_month = 5_000\n";
    let scenario = written(folder.path(), "s.toml", &text);
    let out = folder.path().join("out");
    let to = out.display().to_string();
    let told = stdout(&runrate(&["plan", &scenario, "--trials", "10", "--out", &to]));
    let spread = planned(&out).spread.unwrap();
    let chances: Vec<f64> = spread.budgets.iter().map(|outlook| outlook.probability).collect();
    assert_eq!(chances[..2], [1.0, 0.0]);
    assert_eq!(spread.budgets[0].exceeded_by.unwrap()[0].to_string(), "2027-02");
    assert!(spread.budgets[2].probability > 0.0, "{:?}", spread.budgets[2]);
    assert!(
        told.contains("tight ($10 monthly, all accounts): exceeded in 100.0 % of trials"),
        "{told}"
    );
    assert!(spread.units.iter().all(|unit| unit.gross_margin.is_some()));
    assert!(spread.units[1].marginal_per_user.unwrap() > 0.0);
    let over = refused(&["plan", &scenario, "--trials", "10", "--fail-over", "50%"], 3);
    assert!(over.contains("is exceeded in 100.0 % of trials, more than 50.0 %"), "{over}");
    let none = written(folder.path(), "n.toml", &uncertain());
    let missing = refused(&["plan", &none, "--fail-over", "50%"], 2);
    assert!(missing.contains("--fail-over needs [[budgets]]"), "{missing}");
    let wrong = text.replace("amount = 10\n", "amount = 10\naccount = \"prodction\"\n");
    let wrong = written(folder.path(), "w.toml", &wrong);
    assert!(refused(&["plan", &wrong], 2).contains("budgets[0].account: no account \"prodction\""));
}

#[test]
fn commitments_change_the_plan_by_what_they_save() {
    let folder = tempfile::tempdir().unwrap();
    let plain = written(folder.path(), "a.toml", &uncertain());
    // Two m7g.large stand always: two reservations at 0.032229 are used in full.
    let bought = uncertain()
        + "[[commitments]]\nname = \"baseline\"\nkind = \"ec2-reserved-instance\"\naccount = \"production\"\n\
           start = \"2027-02\"\nterm = \"3yr\"\npayment = \"all-upfront\"\ninstance_type = \"m7g.large\"\ncount = 2\n";
    let scenario = written(folder.path(), "b.toml", &bought);
    let out = |name: &str| folder.path().join(name).display().to_string();
    stdout(&runrate(&["plan", &plain, "--trials", "1", "--out", &out("a")]));
    let told = stdout(&runrate(&["plan", &scenario, "--trials", "1", "--out", &out("b")]));
    let (a, b) = (planned(&folder.path().join("a")), planned(&folder.path().join("b")));
    let own = &b.commitments[0].months;
    // February has 672 hours, March 744: 2 × 0.0816 on demand, 2 × 0.032229 reserved.
    for (month, hours) in own.iter().zip([672.0, 744.0]) {
        let near = |usd: runrate::measure::units::Usd, expected: f64| {
            assert!((usd.to_f64() - expected).abs() < 1e-6, "{usd} {expected}");
        };
        near(month.fee, 2.0 * 0.032_229 * hours);
        near(month.on_demand, 2.0 * 0.0816 * hours);
        near(month.unused, 0.0);
    }
    let paid = 2.0 * 0.032_229 * 26_280.0;
    assert!((own[0].cash.to_f64() - paid).abs() < 1e-6 && own[1].cash.to_f64() == 0.0);
    let saved: f64 = own.iter().map(|month| month.saved().to_f64()).sum();
    assert!(((a.cost - b.cost).to_f64() - saved).abs() < 1e-6, "{} {} {saved}", a.cost, b.cost);
    assert!(told.contains("EC2 Reserved Instance  3yr all-upfront"), "{told}");
    assert!(b.cost_metric.contains("amortized"));
    assert!(folder.path().join("b/commitments.csv").exists());
    // A price that the book has not is asked for.
    let wrong = bought.replace("ec2-reserved-instance", "compute-savings-plan");
    let wrong = wrong.replace("instance_type = \"m7g.large\"\ncount = 2", "usd_per_hour = 0.05");
    let wrong = written(folder.path(), "w.toml", &wrong);
    let message = refused(&["plan", &wrong, "--trials", "1"], 2);
    assert!(message.contains("no price of a Compute Savings Plan"), "{message}");
    assert!(message.contains("discount_percent"), "{message}");
}

#[test]
fn discounts_are_lines_of_their_own_and_support_is_charged_before_them() {
    let with = |billing: &str| {
        support::plan(&format!(
            "{}[billing]\nsupport = \"Business Support+\"\n{billing}",
            uncertain()
        ))
        .unwrap()
    };
    let plain = with("");
    let off =
        with("discount_percent = 10\ndiscounts = [{ service = \"AmazonRDS\", percent = 20 }]\n");
    let sum = |plan: &Plan, of: &dyn Fn(&runrate::money::ledger::Entry) -> bool| -> f64 {
        plan.entries.iter().filter(|entry| of(entry)).map(|entry| entry.cost.to_f64()).sum()
    };
    let rds = |entry: &runrate::money::ledger::Entry| entry.key.service == "AmazonRDS";
    let other = |e: &runrate::money::ledger::Entry| !rds(e) && e.key.service != "AWSSupport";
    // RDS: 0.8 × 0.9 = 0.72 of the list; everything else 0.9; support as before.
    assert!((sum(&off, &rds) / sum(&plain, &rds) - 0.72).abs() < 1e-9);
    assert!((sum(&off, &other) / sum(&plain, &other) - 0.9).abs() < 1e-9);
    let support = |e: &runrate::money::ledger::Entry| e.key.service == "AWSSupport";
    assert!((sum(&off, &support) - sum(&plain, &support)).abs() < 1e-9);
    let wrong = support::plan(&format!(
        "{}[billing]\ndiscounts = [{{ service = \"AmazonRSD\", percent = 20 }}]\n",
        uncertain()
    ));
    let message = wrong.unwrap_err().to_string();
    assert!(
        message.contains("billing.discounts[0].service") && message.contains("AmazonRDS"),
        "{message}"
    );
}

#[test]
fn commit_recommends_what_stands_always() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = written(folder.path(), "s.toml", &uncertain());
    let told = stdout(&runrate(&[
        "commit",
        &scenario,
        "--trials",
        "6",
        "--from",
        "2027-02",
        "--compute-discount",
        "27%",
    ]));
    assert!(
        told.contains(
            "2027-02  EC2 Reserved Instance  3yr all-upfront  us-east-1  production  2 × m7g.large"
        ),
        "{told}"
    );
    let json = stdout(&runrate(&[
        "commit", &scenario, "--trials", "6", "--from", "2027-02", "--format", "json",
    ]));
    let advised: runrate::advice::commit::Advised = serde_json::from_str(&json).unwrap();
    let baseline = advised
        .products
        .iter()
        .find(|own| own.recommended && own.product.of.as_deref() == Some("m7g.large"))
        .unwrap();
    // Both nodes of the baseline, from the first month on, and no risk in it.
    assert_eq!(baseline.ladder[0].month.to_string(), "2027-02");
    assert!(baseline.ladder[0].size >= 2.0 && baseline.loses == 0.0, "{baseline:?}");
    assert!(baseline.regret.p10 >= -1e-6 && baseline.if_growth_misses > 0.0);
    let csv = stdout(&runrate(&[
        "commit", &scenario, "--trials", "2", "--from", "2027-02", "--format", "csv",
    ]));
    assert!(csv.starts_with("recommended,kind,account,of,region,term"), "{csv}");
}

/// The two files that were rated wrong: prices were keyed by instance type without the region, and I/O-Optimized
/// instances used one unit. What the plans differ by was right: 3,817 for 1.178 USD an hour over 8,760 hours,
/// 1.178 × (1 / 0.73 − 1) × 8,760 = 3,816.7; and 8,909 for two reservations, which cover 2 / 1.3 instances.
#[test]
fn savings_of_two_regions_and_of_io_optimized_instances() {
    let folder = tempfile::tempdir().unwrap();
    let planned = |text: &str| support::plan(text).unwrap().cost.to_f64();
    let regions = fs::read_to_string("tests/data/commit/two-regions.toml").unwrap();
    let plan = "[[commitments]]\nname = \"sp\"\nkind = \"compute-savings-plan\"\naccount = \"a\"\nstart = \"2027-01\"\n\
                term = \"1yr\"\npayment = \"no-upfront\"\nusd_per_hour = SIZE\ndiscount_percent = 27\n";
    let saved =
        |size: &str| planned(&regions) - planned(&(regions.clone() + &plan.replace("SIZE", size)));
    assert_eq!(saved("1.178").round() as i64, 3817);
    let scenario = written(folder.path(), "s.toml", &regions);
    // With the price of each region all twenty instances are worth covering: 1.836 on demand, 1.340 as a plan.
    let arguments = ["commit", &scenario, "--from", "2027-01", "--format", "json", "--trials", "2"];
    let json = stdout(&runrate(&[&arguments[..], &["--compute-discount", "27%"]].concat()));
    let advised: runrate::advice::commit::Advised = serde_json::from_str(&json).unwrap();
    let own = advised.products.iter().find(|own| own.product.discount_percent.is_some()).unwrap();
    let size = own.ladder[0].size;
    assert!((1.34..1.36).contains(&size) && own.ladder.len() == 1, "{own:?}");
    assert!((own.saving.mean - saved(&size.to_string())).abs() < 1e-4, "{own:?}");
    let optimized = fs::read_to_string("tests/data/commit/io-optimized.toml").unwrap();
    let two = "[[commitments]]\nname = \"ri\"\nkind = \"rds-reserved-instance\"\naccount = \"production\"\n\
               start = \"2027-01\"\nterm = \"3yr\"\npayment = \"all-upfront\"\ninstance_type = \"db.r6g.large\"\ncount = 2\n";
    let difference = planned(&optimized) - planned(&(optimized.clone() + two));
    assert_eq!(difference.round() as i64, 8909);
    let never = optimized.clone() + &two.replace("all-upfront", "no-upfront");
    let never = written(folder.path(), "n.toml", &never);
    let message = refused(&["plan", &never, "--trials", "1"], 2);
    assert!(message.contains("n.toml:"), "{message}");
    assert!(
        message.contains("AWS sells no RDS Reserved Instance for 3yr with no-upfront"),
        "{message}"
    );
}

/// Flow logs of about 8,400 GB in the mid case, and of more than 10,240 in some trials: a book whose steps end there
/// charges the rest at the last step and names the meter; the built-in book has all steps.
#[test]
fn a_trial_beyond_the_last_price_step_stops_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let text = base("2027-02", 1, 60_000)
        .replace("sessions_per_user = 30", "sessions_per_user = { low = 20, mid = 30, high = 50 }")
        + "[alb]\n[cloudwatch]\nlog_gb_per_month = 1\nretention_days = 30\ncompression = 0.2\n[vpc_flow_logs]\nrecords_per_request = 50\nrecord_bytes = 10_000\n";
    let scenario = written(folder.path(), "s.toml", &text);
    let meter = "us-east-1/AmazonCloudWatch/VendedLog-Bytes";
    let run = |scenario: &str, more: &[&str]| -> Plan {
        let arguments = [&["plan", scenario, "--format", "json"][..], more].concat();
        serde_json::from_str(&stdout(&runrate(&arguments))).unwrap()
    };
    let cut = ["--prices", "tests/data/prices"];
    let plan = run(&scenario, &[&cut[..], &["--trials", "20"]].concat());
    let note = plan.spread.unwrap().note.unwrap();
    assert!(note.contains(&format!("of 20 trials use {meter} above 10240 GB")), "{note}");
    assert!(!plan.warnings.iter().any(|warning| warning.contains(meter)), "{:?}", plan.warnings);
    let whole = run(&scenario, &["--trials", "20"]);
    assert!(!whole.spread.unwrap().note.is_some_and(|note| note.contains(meter)));
    // The mid case too.
    let more = written(folder.path(), "m.toml", &text.replace("start = 60000", "start = 100000"));
    let plan = run(&more, &[&cut[..], &["--trials", "1"]].concat());
    let warning = plan.warnings.iter().find(|warning| warning.starts_with(meter)).unwrap();
    assert!(
        warning.contains("steps end at 10240 GB") && warning.contains("$0.5 per GB"),
        "{warning}"
    );
    let [entry] =
        &plan.entries.iter().filter(|e| e.key.usage_type == "VendedLog-Bytes").collect::<Vec<_>>()
            [..]
    else {
        panic!("one line")
    };
    assert!((entry.cost.to_f64() - 0.5 * entry.quantity.get()).abs() < 1e-6, "{entry:?}");
}

#[test]
fn a_comparison_adds_up_and_reads_git_revisions() {
    let folder = tempfile::tempdir().unwrap();
    let old = uncertain();
    let new = old
        .replace("nodes = 2", "nodes = 3")
        .replace("rules = 2", "rules = 30")
        .replace("mid = 60, high = 90", "mid = 45, high = 90");
    let (a, b) = (written(folder.path(), "a.toml", &old), written(folder.path(), "b.toml", &new));
    let json = stdout(&runrate(&["compare", &a, &b, "--trials", "6", "--format", "json"]));
    let done: runrate::advice::compare::Compared = serde_json::from_str(&json).unwrap();
    let causes: Vec<&str> = done.steps.iter().map(|step| &*step.cause).collect();
    assert_eq!(causes, ["workloads.api", "cluster", "alb"]);
    let sum: runrate::measure::units::Usd = done.steps.iter().map(|step| step.change).sum();
    assert_eq!(done.total_a + sum, done.total_b);
    assert_eq!(done.odds.as_ref().unwrap().trials, 6);
    // The same scenario costs the same, in every trial.
    let json = stdout(&runrate(&["compare", &a, &a, "--trials", "4", "--format", "json"]));
    let same: runrate::advice::compare::Compared = serde_json::from_str(&json).unwrap();
    assert_eq!(same.odds.unwrap().difference, [0.0; 4]);
    assert!(same.steps.is_empty());
    // A revision of a repository, from the folder one stands in.
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(folder.path()).args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@localhost",
        ]);
        assert!(command.args(arguments).stdout(Stdio::null()).status().unwrap().success());
    };
    git(&["init", "-q"]);
    git(&["add", "a.toml"]);
    git(&["commit", "-q", "-m", "a"]);
    fs::write(folder.path().join("a.toml"), &new).unwrap();
    let at = |arguments: &[&str]| {
        let program = assert_cmd::cargo::cargo_bin("runrate");
        Command::new(program).current_dir(folder.path()).args(arguments).output().unwrap()
    };
    let told = stdout(&at(&["compare", "HEAD:a.toml", "a.toml", "--trials", "1"]));
    assert!(told.contains("(HEAD:a.toml)") && told.contains("cluster         +$119"), "{told}");
    let unknown = at(&["compare", "nowhere:a.toml", "a.toml", "--trials", "1"]);
    assert_eq!(unknown.status.code(), Some(2));
    let message = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(message.contains("git reports"), "{message}");
    // The gate.
    let dearer = refused(
        &[
            "compare",
            &b,
            &written(folder.path(), "c.toml", &old.replace("nodes = 2", "nodes = 9")),
            "--trials",
            "1",
            "--fail-over",
            "5%",
        ],
        3,
    );
    assert!(dearer.contains("at most 5.0 % is allowed"), "{dearer}");
    let other = written(folder.path(), "d.toml", &old.replace("months = 2", "months = 3"));
    assert!(refused(&["compare", &a, &other], 2).contains("give both the same plan.start"));
}

#[test]
fn saved_plans_are_compared_by_meter() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, text: &str| {
        let scenario = written(folder.path(), &format!("{name}.toml"), text);
        let out = folder.path().join(name).display().to_string();
        stdout(&runrate(&["plan", &scenario, "--trials", "1", "--out", &out]));
        format!("{out}/plan.json")
    };
    let a = save("a", &uncertain());
    let b = save("b", &uncertain().replace("nodes = 2", "nodes = 3"));
    let json = stdout(&runrate(&["compare", &a, &b, "--format", "json"]));
    let done: runrate::advice::compare::Compared = serde_json::from_str(&json).unwrap();
    let sum: runrate::measure::units::Usd = done.steps.iter().map(|step| step.change).sum();
    assert_eq!(done.total_a + sum, done.total_b);
    assert!(
        done.steps.iter().any(|step| step.cause.contains("BoxUsage: quantity")),
        "{:?}",
        done.steps
    );
    assert!(done.notes[0].contains("have no trials"));
}

/// Ctrl-C, and what is finished is reported; no budget is judged by it, and scripts see that it is a part.
#[test]
#[cfg(unix)]
fn an_interrupted_plan_reports_what_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let text = uncertain() + "\n[[budgets]]\nname = \"board\"\namount = 1\nperiod = \"monthly\"\n";
    let scenario = written(folder.path(), "s.toml", &text);
    let out = folder.path().join("out");
    let interrupted_after = |wait: Duration| {
        let program = assert_cmd::cargo::cargo_bin("runrate");
        let mut running = Command::new(program)
            .args(["plan", &scenario, "--trials", "100000", "--out", &out.display().to_string()])
            .args(["--fail-over", "99%"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        let pid = running.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let asked = Instant::now();
        let status = running.wait().unwrap();
        assert!(asked.elapsed() < Duration::from_mins(1), "{status}");
        status
    };
    // A busy machine may need longer until two trials are finished.
    let waits = [2, 8, 32, 64].map(Duration::from_secs);
    let status =
        waits.into_iter().map(interrupted_after).find(|_| out.join("plan.json").exists()).unwrap();
    assert!(status.code() == Some(130), "{status}");
    let spread = planned(&out).spread.unwrap();
    assert!(spread.trials >= 2 && spread.trials < 100_000);
    let note = spread.note.unwrap();
    assert!(note.contains("interrupted by Ctrl-C after"), "{note}");
}

/// How long a plan is says nothing of its first months: users, traffic, nodes and spot prices of a trial are drawn
/// month by month. (A curve that is given by its `end` is another curve in a longer plan.)
#[test]
fn the_first_months_of_a_longer_plan_are_those_of_the_shorter_one() {
    let mut history = String::new();
    for month in 1..=12 {
        writeln!(history, "2026-{month:02},{}", 9000 + 400 * month * month).unwrap();
    }
    let history = runrate::measure::series::Series::parse(
        "h.csv",
        &history,
        runrate::measure::series::Gaps::Refuse,
    );
    let inputs = runrate::plan::simulate::Inputs { history: history.ok(), ..Default::default() };
    let (from, to) = ("[users]", "volatility = 0.1");
    let text = uncertain();
    let users = &text[text.find(from).unwrap()..text.find(to).unwrap() + to.len()];
    let fitted = text.replace(users, "[users]\nhistory = { file = \"h.csv\", fit = \"compound\" }");
    assert!(fitted.contains("h.csv") && text.contains("volatility"));
    for text in [text, fitted] {
        let run = |months: u32, trial: u32| {
            let text = text.replace("months = 2", &format!("months = {months}"));
            let scenario =
                runrate::intent::scenario::Scenario::parse("s.toml", &text, &support::CATALOG)
                    .unwrap();
            let facts = support::embedded_facts(&scenario).unwrap();
            let prepared =
                runrate::plan::simulate::Prepared::new(&scenario, &facts, &inputs).unwrap();
            prepared.run(trial).unwrap()
        };
        for trial in [0, 3] {
            let (short, long) = (run(1, trial), run(2, trial));
            assert_eq!(short.months[..], long.months[..1], "trial {trial}");
            let first = |plan: &Plan| -> Vec<runrate::money::ledger::Entry> {
                let own = plan.entries.iter().filter(|entry| entry.month == plan.months[0].month);
                own.cloned().collect()
            };
            let costs = |entries: Vec<runrate::money::ledger::Entry>| -> Vec<_> {
                entries.into_iter().map(|entry| (entry.key, entry.quantity, entry.cost)).collect()
            };
            assert_eq!(costs(first(&short)), costs(first(&long)), "trial {trial}");
        }
    }
}

/// Valid files with one mutation each: what is read must be what the file says, and what is refused must name the
/// file and its line, or its key. Expectations come from the generator and never from a reader.
mod mutated {
    use std::{fmt::Write as _, fs};

    use runrate::{
        app::store,
        error::Error,
        facts::prices::PriceBook,
        measure::{
            random::{Draws, Stream, stream},
            series::{Gaps, Series, Words},
        },
        money::rate::usage,
        plan::simulate::Replay,
    };
    use serde_json::Value;

    use super::{base, runrate, stdout};

    fn draws(case: u32) -> Draws {
        stream(15, case, Stream::Cluster, 0)
    }

    fn pick<'t, T>(draws: &mut Draws, from: &'t [T]) -> &'t T {
        &from[place(draws, from.len())]
    }

    fn place(draws: &mut Draws, count: usize) -> usize {
        ((draws.uniform() * count as f64) as usize).min(count - 1)
    }

    /// The error must place its first problem in the file, at this line where one is expected.
    fn placed(error: &Error, file: &str, line: Option<usize>, text: &str) {
        let place = &error.problems()[0].place;
        assert_eq!(place.file.as_deref(), Some(file), "{error}\n{text}");
        assert!(line.is_none_or(|line| place.line == Some(line)), "{line:?}: {error}\n{text}");
        assert_eq!(error.exit_code(), 2);
    }

    /// What becomes of a figure: the value it has, or none where it must be refused.
    const FIGURES: [(&str, Option<f64>); 20] = [
        ("7", Some(7.0)),
        (" 7 ", Some(7.0)),
        ("+7", Some(7.0)),
        ("7.", Some(7.0)),
        (".5", Some(0.5)),
        ("1e3", Some(1000.0)),
        ("1E-3", Some(0.001)),
        ("\"12.5\"", Some(12.5)),
        ("1000000000000000", Some(1e15)),
        ("-1", None),
        ("-0.0001", None),
        ("1000000000000001000", None),
        ("5e28", None),
        ("1e400", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("0x10", None),
        ("\"1,000\"", None),
        ("1 000", None),
    ];

    const MONTHS: [&str; 6] = ["2027-13", "27-01", "2027/01", "January", "", "2027-00"];

    /// How the text of a file is changed as a whole: what it says stays the same.
    fn rewritten(text: &str, how: usize) -> String {
        match how {
            0 => text.replace('\n', "\r\n"),
            1 => format!("\u{feff}{text}"),
            2 => text.trim_end().to_owned(),
            3 => text.replacen('\n', "\n\n", 1),
            _ => text.to_owned(),
        }
    }

    #[test]
    #[expect(
        clippy::too_many_lines,
        reason = "one generator: a mutation and what it says stand together"
    )]
    fn usage_files_are_read_as_they_say_or_refused_at_their_line() {
        const COLUMNS: [&str; 8] = [
            "month",
            "account",
            "region",
            "service",
            "usage_type",
            "operation",
            "quantity",
            "note",
        ];
        let (mut read, mut refused) = (0, 0);
        for case in 0..600 {
            let mut luck = draws(case);
            let mut order: Vec<usize> = (0..COLUMNS.len()).collect();
            order.rotate_left(place(&mut luck, 8));
            let count = 2 + place(&mut luck, 6);
            let mut quantities: Vec<f64> =
                (0..count).map(|_| (luck.uniform() * 1e6).round() / 8.0).collect();
            let mut rows: Vec<Vec<String>> = (0..count)
                .map(|row| {
                    let cells = [
                        format!("2027-{:02}", 1 + place(&mut luck, 12)),
                        format!("account {row}"),
                        "us-east-1".to_owned(),
                        "AmazonEC2".to_owned(),
                        format!("BoxUsage:m7g.{row}"),
                        String::new(),
                        quantities[row].to_string(),
                        "\"a, note\"".to_owned(),
                    ];
                    order.iter().map(|column| cells[*column].clone()).collect()
                })
                .collect();
            let mut header: Vec<&str> = order.iter().map(|column| COLUMNS[*column]).collect();
            let at = |column: usize| order.iter().position(|own| *own == column).unwrap();
            let (row, line) = (place(&mut luck, count), |row: usize| Some(row + 2));
            let mut accounts: Vec<String> =
                (0..count).map(|row| format!("account {row}")).collect();
            let (mut whole, mut wrong) = (4, None);
            match case % 12 {
                0..=3 => {
                    let (text, value) = pick(&mut luck, &FIGURES);
                    rows[row][at(6)] = (*text).to_owned();
                    match value {
                        Some(value) => quantities[row] = *value,
                        None => wrong = Some(line(row)),
                    }
                }
                4 => {
                    rows[row][at(0)] = (*pick(&mut luck, &MONTHS)).to_owned();
                    wrong = Some(line(row));
                }
                5 => {
                    let column = 1 + place(&mut luck, 4);
                    rows[row][at(column)] = String::new();
                    wrong = Some(line(row));
                }
                6 => {
                    rows[row].pop();
                    wrong = Some(line(row));
                }
                7 => {
                    rows[row].push("5".into());
                    wrong = Some(line(row));
                }
                8 => {
                    rows.insert(row, rows[row].clone());
                    quantities.insert(row, quantities[row]);
                    accounts.insert(row, accounts[row].clone());
                }
                9 => {
                    rows.remove(row);
                    quantities.remove(row);
                    accounts.remove(row);
                }
                10 => {
                    // A quote that swallows what follows, in a column that is read or in one that is not.
                    let column = pick(&mut luck, &[1, 6, 7]);
                    rows[row][at(*column)] = "\"5".into();
                    wrong = Some(line(row));
                }
                _ => match place(&mut luck, 3) {
                    0 => {
                        let column = place(&mut luck, 7);
                        header[at(column)] = "nothing";
                        wrong = Some(Some(1));
                    }
                    1 => {
                        let other = place(&mut luck, 6);
                        header[at(7)] = COLUMNS[other];
                        wrong = Some(Some(1));
                    }
                    _ => whole = place(&mut luck, 4),
                },
            }
            let mut text = header.join(",") + "\n";
            for row in &rows {
                writeln!(text, "{}", row.join(",")).unwrap();
            }
            let text = rewritten(&text, whole);
            match (usage::parse("u.csv", &text, &PriceBook::default()), wrong) {
                (Ok(file), None) => {
                    read += 1;
                    let found: Vec<(String, f64)> = file
                        .usage
                        .iter()
                        .map(|used| (used.account.clone(), used.line.quantity.get()))
                        .collect();
                    let said: Vec<(String, f64)> = accounts.into_iter().zip(quantities).collect();
                    assert_eq!(found, said, "{text}");
                }
                (Err(error), Some(line)) => {
                    refused += 1;
                    placed(&error, "u.csv", line, &text);
                }
                (found, wrong) => panic!("case {case}: {wrong:?} {found:?}\n{text}"),
            }
        }
        assert!(read > 100 && refused > 200, "{read} {refused}");
    }

    #[test]
    #[expect(
        clippy::too_many_lines,
        reason = "one generator: a mutation and what it says stand together"
    )]
    fn series_and_loads_are_read_as_they_say_or_refused_at_their_line() {
        const DATES: [&str; 6] =
            ["2027-02-30", "2027-13-01", "soon", "", "2027-02-01T25:00", "31.01.2027"];
        let words = Words { columns: "date,value", allow_gaps: "pass --fill-gaps" };
        let classes = {
            let text = "[api]\nper_session = 10\nrequest_kib = 1\nresponse_kib = 1\n";
            toml::from_str(text).unwrap()
        };
        let (mut read, mut refused) = (0, 0);
        for case in 0..600 {
            let mut luck = draws(1000 + case);
            let count = 9 + place(&mut luck, 20);
            let first: jiff::civil::DateTime = "2027-02-01T00:00".parse().unwrap();
            let moment = |row: usize| {
                first.checked_add(jiff::SignedDuration::from_mins(60 * row as i64)).unwrap()
            };
            let mut said: Vec<(String, f64)> = (0..count)
                .map(|row| (moment(row).to_string(), (luck.uniform() * 1e4).round() / 8.0))
                .collect();
            let mut cells: Vec<[String; 2]> =
                said.iter().map(|(date, value)| [date.clone(), value.to_string()]).collect();
            // Neither end, so that a row less is a gap, and no header-like first row.
            let row = 1 + place(&mut luck, count - 2);
            let line = |row: usize| Some(row + 2);
            let fill = luck.uniform() < 0.5;
            let (mut whole, mut wrong, mut more) = (4, None, None);
            match case % 9 {
                0..=2 => {
                    let (text, value) = pick(&mut luck, &FIGURES);
                    cells[row][1] = (*text).to_owned();
                    match value {
                        Some(value) => said[row].1 = *value,
                        // A cell without a value is a missing row.
                        None if fill && matches!(*text, "" | "nan") => drop(said.remove(row)),
                        None => wrong = Some(line(row)),
                    }
                }
                3 => {
                    cells[row][0] = (*pick(&mut luck, &DATES)).to_owned();
                    wrong = Some(line(row));
                }
                4 => {
                    cells.swap(row - 1, row);
                    wrong = Some(line(row));
                }
                5 => {
                    cells.insert(row, cells[row].clone());
                    wrong = Some(line(row + 1));
                }
                6 => {
                    cells.remove(row);
                    said.remove(row);
                    wrong = (!fill).then_some(line(row));
                }
                7 => {
                    // A year too many in the last date.
                    let last = count - 1;
                    cells[last][0] = cells[last][0].replacen("2027", "4227", 1);
                    wrong = Some(line(last));
                }
                _ => match place(&mut luck, 3) {
                    0 => {
                        more = Some((row, ",200"));
                        wrong = Some(line(row));
                    }
                    1 => {
                        cells[row][0] = format!("\"{}", cells[row][0]);
                        wrong = Some(line(row));
                    }
                    _ => whole = place(&mut luck, 3),
                },
            }
            let load = luck.uniform() < 0.5;
            let name = if load { "requests_per_hour" } else { "value" };
            let mut text = format!("time,{name}\n");
            for (index, [date, value]) in cells.iter().enumerate() {
                let more = more.filter(|(row, _)| *row == index).map_or("", |(_, more)| more);
                writeln!(text, "{date},{value}{more}").unwrap();
            }
            let text = rewritten(&text, whole);
            let gaps = if fill { Gaps::Skip } else { Gaps::Refuse };
            let found = Series::parse_as("s.csv", &text, gaps, words).map(|series| {
                let moments = series.moments.iter().map(ToString::to_string);
                moments.zip(series.values).collect::<Vec<(String, f64)>>()
            });
            match (found, wrong) {
                (Ok(found), None) => {
                    read += 1;
                    assert_eq!(found, said, "{text}");
                }
                (Err(error), Some(line)) => {
                    refused += 1;
                    placed(&error, "s.csv", line, &text);
                }
                (found, wrong) => panic!("case {case}: {wrong:?} {found:?}\n{text}"),
            }
            // 10 requests a session: a load of r requests an hour is r / 600 sessions a minute.
            if load {
                let most = said.iter().map(|(_, value)| *value).fold(0.0, f64::max) / 600.0;
                match Replay::parse("s.csv", &text, (&classes, None), gaps) {
                    Ok(replay) => {
                        assert!(wrong.is_none(), "{text}");
                        let peak = replay.sessions(60, None).into_iter().fold(0.0, f64::max);
                        assert!(
                            (peak - most).abs() <= 1e-9 * most.max(1.0),
                            "{peak} {most}\n{text}"
                        );
                    }
                    // More sessions than any service has are refused for the whole file.
                    Err(error) if wrong.is_none() => assert!(most > 1e9, "{error}\n{text}"),
                    Err(error) => placed(&error, "s.csv", wrong.flatten(), &text),
                }
            }
        }
        assert!(read > 100 && refused > 200, "{read} {refused}");
    }

    /// Whether two documents say the same: numbers and money by value, all else to the letter.
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                let empty = |value: &Value| value.is_null() || *value == serde_json::json!([]);
                a.iter().all(|(key, value)| b.get(key).map_or(empty(value), |b| same(value, b)))
                    && b.iter().all(|(key, value)| a.contains_key(key) || empty(value))
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Value::String(a), Value::String(b)) => {
                let number = |text: &str| text.parse::<rust_decimal::Decimal>().ok();
                a == b || number(a).is_some_and(|a| number(b) == Some(a))
            }
            (a, b) => a == b,
        }
    }

    /// One character, line or end of a text changed.
    fn changed(text: &str, luck: &mut Draws, case: u32) -> String {
        let bytes = text.as_bytes();
        let near = |from: usize, wanted: fn(&u8) -> bool| {
            (from..bytes.len()).chain(0..from).find(|at| wanted(&bytes[*at])).unwrap()
        };
        let from = place(luck, bytes.len());
        let mut lines: Vec<&str> = text.lines().collect();
        let row = place(luck, lines.len());
        match case % 5 {
            0 | 1 => {
                let at = near(from, u8::is_ascii_digit);
                let digit = (bytes[at] - b'0' + 1 + place(luck, 9) as u8) % 10;
                let mut changed = bytes.to_vec();
                changed[at] = b'0' + digit;
                String::from_utf8(changed).unwrap()
            }
            2 => {
                let at = near(from, u8::is_ascii_lowercase);
                let mut changed = bytes.to_vec();
                changed[at] = b'a' + (changed[at] - b'a' + 1 + place(luck, 25) as u8) % 26;
                String::from_utf8(changed).unwrap()
            }
            3 => {
                lines.remove(row);
                lines.join("\n")
            }
            _ => {
                let end = (0..=from).rev().find(|at| text.is_char_boundary(*at)).unwrap();
                text[..end].to_owned()
            }
        }
    }

    #[test]
    fn saved_plans_are_read_as_they_say_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let scenario = super::written(
            folder.path(),
            "s.toml",
            &(base("2027-01", 1, 50_000) + "[alb]\nload_balancers = 1\nrules = 2\n[nat]\n"),
        );
        let out = folder.path().join("out").display().to_string();
        stdout(&runrate(&["plan", &scenario, "--trials", "1", "--out", &out]));
        let path = folder.path().join("out/plan.json");
        let text = fs::read_to_string(&path).unwrap();
        let (mut read, mut refused) = (0, 0);
        for case in 0..200 {
            let text = changed(&text, &mut draws(2000 + case), case);
            fs::write(&path, &text).unwrap();
            match store::load_plan(&path) {
                Ok(plan) => {
                    read += 1;
                    let said: Value = serde_json::from_str(&text).unwrap();
                    let found = serde_json::to_value(&plan).unwrap();
                    assert!(same(&said, &found), "case {case} of {}", path.display());
                }
                Err(error) => {
                    refused += 1;
                    placed(&error, &path.display().to_string(), None, "");
                    let place = &error.problems()[0].place;
                    let names = place.line.is_some() || place.key.is_some();
                    let sums = error.to_string();
                    assert!(names || sums.contains("plan"), "{error}");
                }
            }
        }
        assert!(read > 20 && refused > 100, "{read} {refused}");
        // The commands that read one say so with their exit code.
        fs::write(&path, text.replacen("\"cost\": \"", "\"cost\": \"9", 1)).unwrap();
        let name = path.display().to_string();
        let report: [&[&str]; 3] =
            [&["report", &name, "--format", "md"], &["explain", &name], &["compare", &name, &name]];
        for arguments in report {
            let told = super::refused(arguments, 2);
            assert!(told.contains("plan.json"), "{told}");
        }
        let diff = ["prices", "diff", "pricing-cache", "pricing-cache", "--plan", &name];
        let told = super::refused(&diff, 2);
        assert!(told.contains("plan.json"), "{told}");
    }

    /// Any byte of a shard that changes on its way is noticed, before Parquet is read.
    #[cfg(feature = "polars")]
    #[test]
    fn damaged_shards_are_refused() {
        use std::path::Path;

        use runrate::plan::trials::part;

        use super::uncertain;
        let folder = tempfile::tempdir().unwrap();
        let scenario = super::written(folder.path(), "s.toml", &uncertain());
        let name = |shard: u32| folder.path().join(format!("{shard}.parquet"));
        for shard in [1, 2] {
            let (of, out) = (format!("{shard}/2"), name(shard).display().to_string());
            stdout(&runrate(&["plan", &scenario, "--trials", "4", "--shard", &of, "--out", &out]));
        }
        let read = |path: &Path| fs::read(path).unwrap();
        let whole = read(&name(1));
        assert!(part::read("1.parquet", &whole).is_ok());
        for case in 0..200 {
            let mut luck = draws(3000 + case);
            let at = place(&mut luck, whole.len());
            let mut bytes = whole.clone();
            match case % 4 {
                0 | 1 => bytes[at] ^= 1 << place(&mut luck, 8),
                2 => bytes.truncate(at),
                _ => drop(bytes.remove(at)),
            }
            let error = part::read("1.parquet", &bytes).expect_err("a damaged part is no part");
            placed(&error, "1.parquet", None, "");
        }
        let mut bytes = whole;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(name(1), &bytes).unwrap();
        let parts = [name(1), name(2)].map(|path| path.display().to_string());
        let told = super::refused(&["merge", &parts[0], &parts[1]], 2);
        assert!(told.contains("1.parquet") && told.contains("damaged"), "{told}");
    }
}
