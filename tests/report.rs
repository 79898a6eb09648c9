//! `runrate report`: formats, files, and the messages of the likeliest mistakes.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use crate::support::{base, runrate, stdout};
use assert_cmd::Command;
use tempfile::TempDir;

/// A small company behind a load balancer.
fn company(months: u32, users: u32) -> String {
    base("2027-01", months, users) + "[alb]\nload_balancers = 1\nrules = 2\n[nat]\n"
}

/// A saved plan of it with odds.
fn saved(folder: &TempDir) -> String {
    let scenario = folder.path().join("company.toml");
    let text = company(3, 1_000)
        .replace("sessions_per_user = 30", "sessions_per_user = { low = 20, mid = 30, high = 50 }");
    fs::write(&scenario, text).unwrap();
    let out = folder.path().join("plan").display().to_string();
    stdout(&runrate(&["plan", &scenario.display().to_string(), "--trials", "12", "--out", &out]));
    format!("{out}/plan.json")
}

fn refused(arguments: &[&str], code: i32) -> String {
    let output = runrate(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?} printed data");
    stderr
}

#[test]
fn a_saved_plan_is_written_in_every_format_and_the_same_bytes_again() {
    let folder = TempDir::new().unwrap();
    let plan = saved(&folder);
    let out = |name: &str| folder.path().join(name);
    for (name, threads) in [("a", "1"), ("b", "8")] {
        let mut command = assert_cmd::Command::cargo_bin("runrate").unwrap();
        let written = command
            .env("RAYON_NUM_THREADS", threads)
            .args(["report", &plan, "--format", "all", "--out", &out(name).display().to_string()])
            .output()
            .unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    }
    let names = |folder: &Path| {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let all = names(&out("a"));
    assert_eq!(all, names(&out("b")));
    for wanted in ["report.md", "ledger.csv", "plan.json", "table-monthly.csv", "provenance.csv"] {
        assert!(all.iter().any(|name| name == wanted), "{wanted} is not in {all:?}");
    }
    for name in &all {
        let [a, b] = ["a", "b"].map(|of| fs::read(out(of).join(name)).unwrap());
        assert_eq!(a, b, "{name}");
    }
    // The document goes through unchanged.
    assert_eq!(fs::read(out("a").join("plan.json")).unwrap(), fs::read(&plan).unwrap());
}

#[test]
fn one_text_goes_to_stdout_and_one_file_to_its_name() {
    let folder = TempDir::new().unwrap();
    let plan = saved(&folder);
    let markdown = stdout(&runrate(&["report", &plan, "--format", "md"]));
    assert!(markdown.starts_with("# test\n"), "{markdown}");
    assert!(markdown.contains("## Provenance") && markdown.contains("Scenario (sha256)"));
    let file = folder.path().join("board.md");
    let named = file.display().to_string();
    stdout(&runrate(&["report", &plan, "--format", "md", "--out", &named]));
    assert_eq!(fs::read_to_string(file).unwrap(), markdown);
}

#[test]
fn a_scenario_is_planned_first() {
    let folder = TempDir::new().unwrap();
    let scenario = folder.path().join("company.toml");
    fs::write(&scenario, company(2, 100)).unwrap();
    let scenario = scenario.display().to_string();
    let json = stdout(&runrate(&["report", &scenario, "--format", "json", "--trials", "1"]));
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["months"].as_array().map(Vec::len), Some(2));
    assert_eq!(plan["assumptions"][0]["key"], "plan.name");
}

#[test]
fn bills_and_past_forecasts_stand_beside_the_plan() {
    let folder = TempDir::new().unwrap();
    let plan = saved(&folder);
    let bill = folder.path().join("bill.csv");
    fs::write(
        &bill,
        "month,account,service,usage_type,quantity,cost\n\
         2027-01,production,Amazon Elastic Compute Cloud - Compute,BoxUsage:m7g.large,1488,130.0\n",
    )
    .unwrap();
    let bill = bill.display().to_string();
    let scored = folder.path().join("scores.json");
    let text = r#"{"scores": [{"method": "last month", "horizon": null, "guesses": 2, "wape": 0.125,
        "bias": 0.05, "pinball": null, "coverage": null}], "guesses": [{"account": "production",
        "origin": "2027-01", "month": "2027-02", "horizon": 1, "method": "last month",
        "guess": {"mean": 90.0, "interval": null}, "billed": 80.0}], "notes": []}"#;
    fs::write(&scored, text).unwrap();
    let scored = scored.display().to_string();
    let markdown = stdout(&runrate(&[
        "report",
        &plan,
        "--format",
        "md",
        "--bill",
        &bill,
        "--partial",
        "pro-rata",
        "--backtest",
        &scored,
    ]));
    assert!(markdown.contains("## Plan against bill"), "{markdown}");
    assert!(markdown.contains("$130.00"));
    assert!(markdown.contains("## Accuracy of past forecasts") && markdown.contains("12.5 %"));
}

#[test]
fn mistakes_say_what_would_be_accepted() {
    let folder = TempDir::new().unwrap();
    let plan = saved(&folder);
    let missing = refused(&["report", "nothing.json"], 2);
    assert!(missing.contains("nothing.json"), "{missing}");
    let format = refused(&["report", &plan, "--format", "docx"], 2);
    assert!(format.contains("md, csv, json"), "{format}");
    let several = refused(&["report", &plan, "--format", "csv"], 2);
    assert!(several.contains("pass --out DIR"), "{several}");
    let empty = folder.path().join("empty.json");
    fs::write(&empty, "{}").unwrap();
    let empty = refused(&["report", &empty.display().to_string()], 2);
    assert!(empty.contains("has no schema number") && empty.contains("plan --out"), "{empty}");
    let bills = folder.path().join("no-bills").display().to_string();
    let none = refused(&["report", &plan, "--format", "md", "--reconcile", "--actuals", &bills], 4);
    assert!(none.contains("actuals"), "{none}");
    let wrong = folder.path().join("wrong.json");
    fs::write(&wrong, "{\"scores\": 1}").unwrap();
    let wrong = refused(
        &["report", &plan, "--format", "md", "--backtest", &wrong.display().to_string()],
        2,
    );
    assert!(
        wrong.contains("is not a saved backtest") && wrong.contains("backtest --format json"),
        "{wrong}"
    );
    let taken = folder.path().join("file");
    fs::write(&taken, "x").unwrap();
    let taken = refused(
        &["report", &plan, "--format", "md,json", "--out", &taken.display().to_string()],
        2,
    );
    assert!(taken.contains("cannot be written"), "{taken}");
}

/// Names with commands for terminals and formulas for spreadsheets are text in every format.
#[test]
fn hostile_names_command_no_terminal_and_are_no_formula() {
    const ESCAPE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("corpus/scenario/small.toml").replace(
        "name = \"small\"",
        "name = \"\\u001B]0;owned\\u0007\\u001B[2J\\u009B31m\\u202Ename\"",
    );
    let text = text.replace("months = 3", "months = 1");
    let text = text.replace("[accounts.test", "[accounts.\"＝cmd\\u001B[2J\"");
    std::fs::write(folder.path().join("s.toml"), text).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("runrate").unwrap();
        command.current_dir(folder.path()).args(arguments).output().unwrap()
    };
    let command = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t' | '\r') || ('\u{202a}'..='\u{202e}').contains(&c)
    };
    let clean = |what: &str, text: &str| {
        assert!(
            !text.contains(command),
            "{what}: {:?}",
            text.lines().find(|l| l.contains(command))
        );
        for cell in text.split([',', '\n']) {
            let cell = cell.trim_start_matches('"');
            assert!(
                !what.ends_with("csv") || !cell.starts_with(['=', '＝', '@']),
                "{what}: {cell}"
            );
        }
    };
    let plan = run(&["plan", "s.toml", "--trials", "1", "--out", "p"]);
    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    clean("stderr", &String::from_utf8(plan.stderr).unwrap());
    for format in ["table", "json", "csv"] {
        let output = run(&["plan", "s.toml", "--trials", "1", "--format", format]);
        clean(format, &String::from_utf8(output.stdout).unwrap());
    }
    for file in ["ledger.csv", "usage.csv", "capacity.csv", "focus.csv", "report.md", "cost.svg"] {
        clean(file, &std::fs::read_to_string(folder.path().join("p").join(file)).unwrap());
    }
    let html = std::fs::read_to_string(folder.path().join("p/report.html")).unwrap();
    assert!(!html.contains(command));
    // The plan keeps the name as it is.
    let saved: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("p/plan.json")).unwrap()).unwrap();
    assert_eq!(saved["name"], format!("{ESCAPE}name"));
    // An error repeats the name of a file and of a key.
    std::fs::write(folder.path().join("bad.toml"), "[plan]\n\"a\\u001B[2J\" = 1\n").unwrap();
    let output = run(&["plan", "bad.toml"]);
    assert_eq!(output.status.code(), Some(2));
    clean("error", &String::from_utf8(output.stderr).unwrap());
}
