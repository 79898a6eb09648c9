//! The binary itself: help, exit codes, files, and the messages of the commonest mistakes.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{fs, path::Path, process::Output};

use assert_cmd::Command;
use tempfile::TempDir;

fn runrate(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("runrate").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs, expects success, gives stdout.
fn ok(arguments: &[&str]) -> String {
    let output = runrate(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs, expects exit code 2 and nothing on stdout, gives stderr.
fn refused(arguments: &[&str]) -> String {
    let output = runrate(arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed data");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

const SMALL: &str = "examples/hourly-load.toml";

/// The innovate example, one month long, with a text replaced.
fn broken(folder: &TempDir, from: &str, to: &str) -> String {
    let example =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml"));
    let example = example.unwrap();
    assert!(example.contains(from), "the example no longer has {from:?}");
    let path = folder.path().join("broken.toml");
    fs::write(&path, example.replacen(from, to, 1)).unwrap();
    path.display().to_string()
}

#[test]
fn help_names_the_commands_and_exit_codes() {
    let help = ok(&["--help"]);
    for word in ["init", "plan", "explain", "rate", "prices", "schema", "Exit codes"] {
        assert!(help.contains(word), "{word}");
    }
    for command in ["init", "plan", "explain", "rate", "prices", "schema", "completions", "man"] {
        assert!(ok(&[command, "--help"]).contains("Usage"), "{command}");
    }
    assert!(ok(&["--version"]).starts_with("runrate "));
    assert!(ok(&["completions", "bash"]).contains("runrate"));
    assert!(ok(&["man"]).contains(".TH runrate"));
}

#[test]
fn the_command_line_is_checked() {
    assert!(refused(&["pln"]).contains("plan"));
    assert!(refused(&["plan"]).contains("<SCENARIO>"));
    refused(&["plan", "--trials", "1", SMALL, "--format", "docx"]);
    refused(&["plan", "--trials", "1", SMALL, "--threads", "0"]);
}

#[test]
fn init_writes_a_scenario_that_plans_and_replaces_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mine.toml").display().to_string();
    ok(&["init", &path]);
    assert!(ok(&["plan", "--trials", "1", &path]).contains("Total of 24 months"));
    assert!(refused(&["init", &path]).contains("--force"));
    ok(&["init", &path, "--force"]);
}

#[test]
fn a_plan_is_written_whole_and_reproduces_itself() {
    let folder = TempDir::new().unwrap();
    let out = |name: &str| folder.path().join(name).display().to_string();
    let first = ok(&["plan", "--trials", "1", SMALL, "--out", &out("a"), "--threads", "1"]);
    let second = ok(&["plan", "--trials", "1", SMALL, "--out", &out("b"), "--threads", "2"]);
    assert_eq!(first, second);
    let files = [
        "plan.json",
        "ledger.csv",
        "usage.csv",
        "capacity.csv",
        "cost.svg",
        "report.html",
        "report.xlsx",
        "report.md",
        "focus.csv",
        "provenance.csv",
        #[cfg(feature = "pdf")]
        "report.pdf",
        #[cfg(feature = "polars")]
        "ledger.parquet",
    ];
    for file in files {
        let read = |name: &str| fs::read(folder.path().join(name).join(file)).unwrap();
        assert_eq!(read("a"), read("b"), "{file}");
        assert!(!read("a").is_empty());
    }
    let count = fs::read_dir(folder.path().join("a")).unwrap().count();
    assert_eq!(count, files.len(), "nothing is left over");

    // What was metered, priced again, is the plan.
    let plan: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("a/plan.json")).unwrap()).unwrap();
    let usage = folder.path().join("a/usage.csv").display().to_string();
    let rated: serde_json::Value =
        serde_json::from_str(&ok(&["rate", &usage, "--format", "json"])).unwrap();
    assert_eq!(rated["total_usd"], plan["cost"]);

    // One amount is walked back.
    let plan = out("a") + "/plan.json";
    let explained = ok(&["explain", &plan, "2027-02/BoxUsage/baseline"]);
    for word in ["Amount", "Quantity", "node hours", "Price", "price book", "as", "exact"] {
        assert!(explained.contains(word), "{word}: {explained}");
    }
    assert!(ok(&["explain", &plan]).contains("the most expensive first"));
    assert!(refused(&["explain", &plan, "2027-02/BoxUsge"]).contains("no line matches"));
}

#[test]
fn every_format_is_what_it_says() {
    let json: serde_json::Value =
        serde_json::from_str(&ok(&["plan", "--trials", "1", SMALL, "--format", "json"])).unwrap();
    assert_eq!(json["schema"], 1);
    assert!(
        ok(&["plan", "--trials", "1", SMALL, "--format", "csv"])
            .starts_with("month,account,region")
    );
    let schema: serde_json::Value = serde_json::from_str(&ok(&["schema"])).unwrap();
    assert!(schema["properties"]["aurora"].is_object());
    for format in ["json", "csv", "table"] {
        assert!(ok(&["prices", "status", "--format", format]).contains("us-east-1"));
        let shown = ok(&["prices", "show", "us-east-1", "NatGateway-Hours", "--format", format]);
        assert!(shown.contains("0.045"), "{shown}");
    }
}

#[test]
fn prices_show_names_the_price_in_use_and_the_others() {
    let rows: serde_json::Value = serde_json::from_str(&ok(&[
        "prices",
        "show",
        "us-east-1",
        "BoxUsage:m5.large/",
        "--format",
        "json",
    ]))
    .unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["used"] == true).count(), 1);
    assert!(rows.len() > 1);
    assert!(refused(&["prices", "show", "nonsense"]).contains("no price row"));
}

#[test]
fn the_ten_likeliest_mistakes_are_explained() {
    let folder = TempDir::new().unwrap();
    for (from, to, expected) in [
        (
            "months = 24",
            "monthss = 24",
            "plan.monthss: there is no such key; did you mean \"months\"?",
        ),
        ("months = 24", "months = \"24\"", "plan.months: must be a whole number, not text"),
        ("months = 24", "months = -3", "plan.months: -3 is out of range; give 1 to 120"),
        (
            "start = \"2027-01\"",
            "start = \"January\"",
            "plan.start: \"January\" is not a month; write it as 2027-01",
        ),
        (
            "max_replicas = 400",
            "max_replicas = 2",
            "workloads.api.hpa.max_replicas: 2 is below min_replicas (3); give 3 or more",
        ),
        (
            "region = \"us-east-1\"",
            "region = \"us-east-9\"",
            "plan.region: no region \"us-east-9\"; did you mean \"us-east-2\"?",
        ),
        (
            "categories = [\"m\", \"c\", \"r\"]",
            "families = [\"m7ggd\"]",
            "no instance family \"m7ggd\"; did you mean \"m7gd\"?",
        ),
        (
            "instance_type = \"m7g.xlarge\"",
            "instance_type = \"m7g.huge\"",
            "cluster.baseline.instance_type: no instance type \"m7g.huge\"; did you mean",
        ),
        (
            "at = \"2027-09-14T15:00\"",
            "at = \"2031-09-14T15:00\"",
            "traffic.events[0].at: 2031-09-14T15:00 is outside the plan (2027-01 to 2028-12)",
        ),
        (
            "families = [\"r6g\"]  ",
            "families = [\"r66\"]  ",
            "aurora.families: no family \"r66\"; did you mean",
        ),
        (
            "profile = \"kong\"",
            "profile = \"kon\"",
            "workloads.kong.profile: no profile \"kon\"; did you mean \"kong\"?",
        ),
        (
            "remove = [\"waf\", \"dr\"]",
            "remove = [\"wfa\"]",
            "accounts.non-production.remove[0]: \"wfa\" is not in the stack",
        ),
        (
            "sessions_per_user = { low = 9, mid = 12, high = 16 }",
            "",
            "sessions_per_user: give it, or shape.counts",
        ),
        ("[billing]", "[billing", "broken.toml:1"),
    ] {
        let path = broken(&folder, from, to);
        let message = refused(&["plan", "--trials", "1", &path]);
        assert!(message.contains(expected), "{to}: {message}");
        assert!(message.contains("broken.toml"), "{message}");
    }
}

#[test]
fn absurd_and_contradicting_numbers_are_explained() {
    let folder = TempDir::new().unwrap();
    for (from, to, expected) in [
        (
            "calls_per = { api = 1.0 }",
            "calls_per = { api = -1.0 }",
            "workloads.api.calls_per.api: -1 is out of range",
        ),
        (
            "queries_per = { api = 3.0 }",
            "queries_per = { api = 1e300 }",
            "aurora.queries_per.api: 1e300 is out of range",
        ),
        ("weekly = [1.0,", "weekly = [-1.0,", "traffic.weekly[0]: -1 is out of range"),
        (
            "cpu_ms_per_request = { low = 25, mid = 35, high = 60 }",
            "idle_cpu_millicores = 5000",
            "leaves nothing of the CPU limit (1000)",
        ),
        (
            "cpu_ms_per_request = { low = 25, mid = 35, high = 60 }",
            "limits.cpu_millicores = 200",
            "limits.cpu_millicores: 200 is below the request (350)",
        ),
        ("target_cpu_utilization = 65", "target_cpu_utilization = 500", "can never add pods"),
        ("asleep_nodes = 1", "asleep_nodes = 9", "asleep_nodes: 9 is above nodes (2)"),
        ("from = \"06:00\"", "from = \"+6:00\"", "is not a time of day; write it as 08:00"),
        (
            "cluster.node_pools.general.spot",
            "cluster.node_pools.genral.spot",
            "the stack has no \"genral\"; did you mean \"general\"?",
        ),
        ("remove = [\"waf\", \"dr\"]", "remove = [\"alb\"]", "needs an [alb] table"),
        ("nat.gateways = 1", "nat.gateways = 0", "nat.gateways: 0 is out of range; give 1 to 100"),
        (
            "backup_retention_days = 14",
            "backup_retention_days = 99",
            "99 is above 35, the most AWS allows",
        ),
        (
            "architectures = [\"arm64\"]",
            "architectures = [\"riscv\"]",
            "no architecture \"riscv\"; there are amd64, arm64",
        ),
        ("end = { low = 350_000,", "end = { low = -5,", "users.growth.end: -5 is out of range"),
        ("months = 24", "months = 24.5", "plan.months: must be a whole number, not 24.5"),
    ] {
        let message = refused(&["plan", "--trials", "1", &broken(&folder, from, to)]);
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn an_account_may_swap_an_autoscaler_for_replicas() {
    let folder = TempDir::new().unwrap();
    let path = broken(
        &folder,
        "workloads.spa.hpa = { min_replicas = 1, max_replicas = 4 }",
        "workloads.spa.replicas = 1",
    );
    ok(&["plan", "--trials", "1", &path]);
}

#[test]
fn all_problems_are_told_at_once() {
    let folder = TempDir::new().unwrap();
    let path = broken(&folder, "months = 24", "months = 240\nnmae = \"x\"");
    let message = refused(&["plan", "--trials", "1", &path]);
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn bad_series_are_refused_with_their_line() {
    let folder = TempDir::new().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let scenario = folder.path().join("load.toml");
    fs::copy(example.join("hourly-load.toml"), &scenario).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let series = folder.path().join("data/hourly_load.csv");
    let path = scenario.display().to_string();
    assert!(refused(&["plan", "--trials", "1", &path]).contains("no such file"));
    let good = fs::read_to_string(example.join("data/hourly_load.csv")).unwrap();
    let mut lines: Vec<&str> = good.lines().collect();
    let write = |content: String, expected: &str| {
        fs::write(&series, content).unwrap();
        let message = refused(&["plan", "--trials", "1", &path]);
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(message.contains("hourly_load.csv"), "{message}");
    };
    write(String::new(), "0 rows");
    write(good.replace('\n', "\r"), "CR only");
    write(good.replacen("52", "x52", 3), "is not");
    write(lines[..20].join("\n"), "14 or more");
    lines.swap(5, 6);
    write(lines.join("\n"), "sort the rows");
    lines.swap(5, 6);
    lines.insert(5, lines[4]);
    write(lines.join("\n"), "given twice");
    lines.remove(5);
    lines.remove(9);
    write(lines.join("\n"), "1 row missing");
}

#[test]
fn nothing_is_written_where_it_cannot_be() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let below = file.join("out").display().to_string();
    assert!(
        refused(&["plan", "--trials", "1", SMALL, "--out", &below]).contains("cannot be written")
    );
    let at = file.display().to_string();
    refused(&["plan", "--trials", "1", SMALL, "--out", &at]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    // A name taken by a folder: the other files stay what they were.
    let out = folder.path().join("out");
    fs::create_dir_all(out.join("cost.svg/x")).unwrap();
    fs::write(out.join("plan.json"), "mine").unwrap();
    refused(&["plan", "--trials", "1", SMALL, "--out", &out.display().to_string()]);
    assert_eq!(fs::read_to_string(out.join("plan.json")).unwrap(), "mine");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
    let missing = folder.path().join("none.toml").display().to_string();
    assert!(refused(&["plan", "--trials", "1", &missing]).contains("no such file"));
    let itself = folder.path().display().to_string();
    assert!(refused(&["plan", "--trials", "1", &itself]).contains("is a folder"));
}

#[test]
fn wrong_usage_files_and_plans_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let header = "month,account,region,service,usage_type,operation,quantity\n";
    let unknown = path(
        "u.csv",
        &format!("{header}2027-01,a,us-east-1,AmazonEC2,BoxUsage:m5.hug,RunInstances,1\n"),
    );
    assert!(refused(&["rate", &unknown]).contains("nearest rows: us-east-1/AmazonEC2/BoxUsage:m5"));
    let columns = path("c.csv", "month,account\n");
    assert!(refused(&["rate", &columns]).contains("is not a usage file"));
    let beyond = path(
        "b.csv",
        &format!("{header}2027-01,a,us-east-1,AmazonGuardDuty,PaidEventsAnalyzed-Bytes,,600\n"),
    );
    // The book knows the first 500 GB alone: the other 100 cost as much, and the user hears of it.
    let output = runrate(&["rate", &beyond]);
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text(&output.stdout).contains("600"), "{warning}");
    assert!(warning.contains("warning: us-east-1/AmazonGuardDuty/PaidEventsAnalyzed-Bytes"));
    assert!(warning.contains("end at 500 GB") && warning.contains("$100.00"), "{warning}");
    let text = path("p.json", "{\"schema\": 99}");
    assert!(refused(&["explain", &text]).contains("has schema 99"));
    let cut = path("r.json", "{\"schema\": 1}");
    assert!(refused(&["explain", &cut]).contains("is not a complete plan"));
    let none = path("q.json", "not json");
    assert!(refused(&["explain", &none]).contains("is not JSON"));
    let prices = folder.path().display().to_string();
    assert!(
        refused(&["plan", "--trials", "1", SMALL, "--prices", &prices]).contains("manifest.toml")
    );
}

#[test]
fn the_company_plans_in_another_region_and_flags_what_is_derived() {
    let folder = TempDir::new().unwrap();
    let example =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml"));
    let moved = example.unwrap().replace("us-west-2", "there").replace("us-east-1", "us-west-2");
    let path = folder.path().join("moved.toml");
    fs::write(&path, moved.replace("there", "us-east-1")).unwrap();
    let plan = ok(&["plan", "--trials", "1", &path.display().to_string()]);
    assert!(plan.contains("database of production (us-west-2; monthly means"));
    assert!(plan.contains("prices are estimated: USW2-"), "{plan}");
}

/// Tax, discounts, commitments, and support of a plan whose bands run over all accounts although each account pays
/// alone: the command that `plan` names prices the usage to the plan's total, in a trial too.
#[test]
fn a_usage_file_under_a_contract_prices_to_the_plan() {
    let folder = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenario = fs::read_to_string(root.join(SMALL)).unwrap();
    let data = root.join("examples/data").display().to_string();
    let scenario = scenario.replace("data/", &format!("{data}/"))
        + "\n[[commitments]]\nname = \"plan\"\naccount = \"production\"\nkind = \"compute-savings-plan\"\nusd_per_hour = 0.13\ndiscount_percent = 27\nstart = \"2027-01\"\nterm = \"1yr\"\npayment = \"no-upfront\"\n";
    let file = folder.path().join("contract.toml").display().to_string();
    let out = folder.path().join("out").display().to_string();
    for support in ["Enterprise", "Business Support+"] {
        let billing = format!(
            "\n[billing]\nsupport = \"{support}\"\ntax_percent = 8.25\ndiscount_percent = 5\n"
        );
        fs::write(&file, format!("{scenario}{billing}")).unwrap();
        for trial in ["0", "2"] {
            let output = runrate(&["plan", &file, "--trial", trial, "--out", &out]);
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert!(!text(&output.stderr).contains("--consolidated"));
            let plan = fs::read(folder.path().join("out/plan.json")).unwrap();
            let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
            let rated = ok(&["rate", &format!("{out}/usage.csv"), "--format", "json"]);
            let rated: serde_json::Value = serde_json::from_str(&rated).unwrap();
            assert_eq!(rated["total_usd"], plan["cost"], "{support}, trial {trial}");
            // A share without its amount is no usage.
            let usage = fs::read_to_string(folder.path().join("out/usage.csv")).unwrap();
            let bare = usage.replacen("amount_usd", "note", 1);
            let path = folder.path().join("bare.csv").display().to_string();
            fs::write(&path, bare).unwrap();
            let said = refused(&["rate", &path]);
            assert!(
                said.contains("give its amount_usd, which `runrate plan --out` writes"),
                "{said}"
            );
        }
    }
}

#[test]
fn a_usage_file_of_all_services_prices_to_the_plan() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out").display().to_string();
    ok(&["plan", "--trials", "1", "examples/innovate.toml", "--out", &out]);
    let usage = fs::read_to_string(folder.path().join("out/usage.csv")).unwrap();
    // The last month, without support, which is a share of the others and not a meter of its own.
    let month: Vec<&str> = usage
        .lines()
        .filter(|line| line.starts_with("month") || line.starts_with("2028-12"))
        .filter(|line| !line.contains("AWSSupport"))
        .collect();
    assert!(month.len() > 60, "{} lines", month.len());
    let file = folder.path().join("month.csv");
    fs::write(&file, month.join("\n")).unwrap();
    let file = file.display().to_string();
    let rated = ok(&["rate", &file, "--consolidated", "--format", "json"]);
    let rated: serde_json::Value = serde_json::from_str(&rated).unwrap();
    let plan = fs::read_to_string(folder.path().join("out/plan.json")).unwrap();
    let plan: runrate::plan::Plan = serde_json::from_str(&plan).unwrap();
    let last = plan.months.last().unwrap().month;
    let own = plan.entries.iter().filter(|e| e.month == last && e.key.service != "AWSSupport");
    let total: runrate::measure::units::Usd = own.map(|entry| entry.cost).sum();
    assert_eq!(rated["total_usd"], total.to_string());
    let services: std::collections::BTreeSet<&str> =
        month.iter().filter_map(|line| line.split(',').nth(3)).collect();
    assert!(services.len() > 15, "{services:?}");
}

#[test]
fn a_bill_s_prefixed_usage_types_are_understood() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("u.csv");
    fs::write(
        &path,
        "month,account,region,service,usage_type,operation,quantity\n\
         2027-01,a,eu-west-1,AmazonEC2,EU-NatGateway-Hours,NatGateway,744\n\
         2027-01,a,us-east-1,AmazonEKS,USE1-AmazonEKS-Hours:perCluster,CreateOperation,1488\n",
    )
    .unwrap();
    let rated: serde_json::Value =
        serde_json::from_str(&ok(&["rate", &path.display().to_string(), "--format", "json"]))
            .unwrap();
    assert_eq!(rated["lines"][0]["cost_usd"], "35.712"); // 744 × 0.048
    assert_eq!(rated["lines"][1]["cost_usd"], "148.8"); // 1,488 × 0.10, as billing rules print it
    assert_eq!(rated["total_usd"], "184.512");
}

/// Work that grows with what a user hands over has bounds, and the messages say them.
#[test]
fn what_is_handed_over_is_bounded() {
    let told = refused(&["plan", SMALL, "--threads", "10000"]);
    assert!(told.contains("1..=1024"), "{told}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("usage.csv").display().to_string();
    let head = "month,account,region,service,usage_type,operation,quantity\n";
    let row = |name: &str| format!("2027-01,a,us-east-1,AmazonEC2,{name},RunInstances,1\n");
    fs::write(&file, format!("{head}{}", row(&"x".repeat(1_000_000)))).unwrap();
    let told = refused(&["rate", &file]);
    assert!(told.contains("usage.csv:2: usage_type:") && told.len() < 300, "{told}");
    assert!(told.contains("has 1000000 bytes; a name has at most 2048"), "{told}");
    // The nearest rows take a pass over the price book each.
    let rows: String = (0..300).map(|number| row(&format!("BoxUsag:x{number}.large"))).collect();
    fs::write(&file, format!("{head}{rows}")).unwrap();
    let told = refused(&["rate", &file]);
    assert_eq!(told.matches("no price for").count(), 300);
    assert_eq!(told.matches("nearest rows").count(), 20);
}

/// Money does not depend on the order of the account tables.
#[test]
fn the_order_of_accounts_changes_no_money() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string("examples/innovate.toml").unwrap();
    let text =
        text.replace("months = 24", "months = 1").replace("at = \"2027-09-14", "at = \"2027-01-14");
    let sandbox = "[accounts.sandbox]\nregion = \"us-east-1\"\ntraffic_share = 0.0\n\n";
    let total = |name: &str, text: &str| {
        let path = folder.path().join(name).display().to_string();
        fs::write(&path, text).unwrap();
        let plan = ok(&["plan", &path, "--trials", "1", "--format", "json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        plan["cost"].clone()
    };
    let place = "[accounts.production]";
    let first = total("first.toml", &text.replacen(place, &format!("{sandbox}{place}"), 1));
    let last = total("last.toml", &format!("{text}\n{sandbox}"));
    assert_eq!(first, last);
}
