//! Each example, planned with a fixed price book, against its reviewed outputs in `tests/golden` and
//! its specimens in `reports`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test suite golden::` writes them anew; a changed total is explained in the
//! commit and in `CHANGELOG.md`. All of them are texts that a person can review; of the files for programs
//! (`report.xlsx`, `plan.json`, `ledger.parquet` and so on) the shape is kept.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{fs, path::Path};

use assert_cmd::Command;

mod shape;

const EXAMPLES: [&str; 5] =
    ["innovate", "fitted-growth", "hourly-load", "cloudfront", "berlin-practices"];

/// The example whose report is kept.
const SPECIMEN: &str = "innovate";

/// Trials beside the line: enough to show, few enough for a test.
const TRIALS: &str = "30";

/// The same company at three sizes, three months of each.
const SIZES: [(&str, u32); 3] = [("1k", 1_000), ("100k", 100_000), ("5m", 5_000_000)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn examples_plan_as_they_were_reviewed() {
    for example in EXAMPLES {
        let scenario = format!("examples/{example}.toml");
        let out = tempfile::tempdir().unwrap();
        let terminal = plan(&scenario, out.path(), TRIALS);
        let (golden, reports) = (format!("tests/golden/{example}"), format!("reports/{example}"));
        // What people look at is a specimen; what tests compare is with the tests.
        compare(&reports, "terminal.txt", &terminal);
        for picture in ["cost.svg", "odds.svg"] {
            compare(&reports, picture, &fs::read_to_string(out.path().join(picture)).unwrap());
        }
        let capacity = fs::read_to_string(out.path().join("capacity.csv")).unwrap();
        if example == SPECIMEN {
            let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
            compare(&reports, "report.md", &read("report.md"));
            compare(&golden, "ledger.csv", &first_and_last_month(&read("ledger.csv")));
            for (name, shape) in shape::shapes(out.path()) {
                compare(&format!("{golden}/shapes"), &format!("{name}.txt"), &shape);
            }
        }
        compare(&golden, "capacity.csv", &capacity);
        compare(&golden, "meters.csv", &meters(&out.path().join("plan.json")));
    }
}

#[test]
fn three_sizes_of_a_company_plan_as_they_were_reviewed() {
    let example = fs::read_to_string(root().join("examples/innovate.toml")).unwrap();
    let launch = example.find("[[traffic.events]]").unwrap();
    let accounts = example.find("# --- accounts").unwrap();
    for (name, users) in SIZES {
        let (from, to) = line(&example, "growth = { curve = \"compound\"");
        let growth = format!("growth = {{ curve = \"linear\", start = {users}, per_month = 0 }}");
        let steady =
            format!("{}{growth}{}{}", &example[..from], &example[to..launch], &example[accounts..])
                .replace("months = 24", "months = 3");
        let out = tempfile::tempdir().unwrap();
        let scenario = out.path().join("size.toml");
        fs::write(&scenario, steady).unwrap();
        let terminal = plan(&scenario.display().to_string(), &out.path().join("out"), "1");
        compare(&format!("tests/golden/size-{name}"), "terminal.txt", &terminal);
        let shares = shares(&out.path().join("out/plan.json"));
        compare(&format!("tests/golden/size-{name}"), "shares.csv", &shares);
    }
}

/// Where the line that begins like this begins and ends.
fn line(text: &str, beginning: &str) -> (usize, usize) {
    let from = text.find(beginning).unwrap();
    (from, from + text[from..].find('\n').unwrap())
}

/// Plans with the fixed price book, gives what the terminal shows.
fn plan(scenario: &str, out: &Path, trials: &str) -> String {
    let out = out.display().to_string();
    let output = Command::cargo_bin("runrate")
        .unwrap()
        .current_dir(root())
        .args(["plan", scenario, "--prices", "tests/data/prices", "--out", &out])
        .args(["--trials", trials])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn compare(folder: &str, name: &str, content: &str) {
    // The scenario's digest changes with every comment in it, the models' with every file.
    let content: Vec<String> = content
        .lines()
        .filter(|line| !line.starts_with("runrate "))
        .map(|line| match line.split_once("(sha256): ") {
            Some((what, _)) => format!("{what}(sha256): …"),
            None => line.to_owned(),
        })
        .collect();
    let content = content.join("\n") + "\n";
    let path = root().join(folder).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        return;
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        reviewed,
        content,
        "{} differs; review it with UPDATE_GOLDEN=1 and git diff",
        path.display()
    );
}

/// Every column of the ledger for two months; `meters.csv` has the costs of all months.
fn first_and_last_month(ledger: &str) -> String {
    let rows: Vec<&str> = ledger.lines().collect();
    let month = |row: &str| row.split(',').next().unwrap().to_owned();
    let (first, last) = (month(rows[1]), month(rows[rows.len() - 1]));
    let kept = rows.into_iter().enumerate();
    let kept = kept.filter(|(at, row)| *at == 0 || [&first, &last].contains(&&month(row)));
    kept.map(|(_, row)| row).collect::<Vec<_>>().join(
        "
",
    )
}

/// Share of each Cost Explorer service in the whole plan [percent].
fn shares(plan: &Path) -> String {
    let plan: runrate::plan::Plan = serde_json::from_slice(&fs::read(plan).unwrap()).unwrap();
    let total = plan.cost.to_f64();
    let services = plan.services().into_iter();
    let rows = services.map(|(service, cost)| {
        format!(
            "{},{},{:.1}",
            plan.short_name(&service),
            cost.cents(),
            cost.to_f64() / total * 100.0
        )
    });
    let mut rows: Vec<String> = rows.collect();
    rows.insert(0, "service,usd,percent".into());
    rows.join("\n")
}

/// Cost by month, account and meter.
fn meters(plan: &Path) -> String {
    let plan: serde_json::Value = serde_json::from_slice(&fs::read(plan).unwrap()).unwrap();
    let mut rows: Vec<String> = plan["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let key = &entry["key"];
            format!(
                "{},{},{},{},{},{},{}",
                text(&entry["month"]),
                text(&entry["account"]),
                text(&key["service"]),
                text(&key["usage_type"]),
                text(&entry["resource"]),
                entry["quantity"],
                text(&entry["cost"])
            )
        })
        .collect();
    rows.insert(0, "month,account,service,usage_type,resource,quantity,cost_usd".into());
    rows.join("\n")
}
