//! Each example, planned with a fixed price book, against its reviewed outputs in `tests/golden` and
//! its specimens in `reports`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes them anew; a changed total is explained in the
//! commit and in `CHANGELOG.md`.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{fs, path::Path};

use assert_cmd::Command;

const EXAMPLES: [&str; 3] = ["innovate", "fitted-growth", "hourly-load"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn examples_plan_as_they_were_reviewed() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    for example in EXAMPLES {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().display().to_string();
        let scenario = format!("examples/{example}.toml");
        let output = Command::cargo_bin("runrate")
            .unwrap()
            .current_dir(root())
            .args(["plan", &scenario, "--prices", "tests/data/prices", "--out", &folder])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let golden = root().join("tests/golden").join(example);
        let reports = root().join("reports").join(example);
        let mut files = vec![("terminal.txt".to_owned(), output.stdout)];
        // plan.json and the ledger are megabytes; the tables they come from are enough to review.
        for name in ["capacity.csv", "cost.svg"] {
            files.push((name.to_owned(), fs::read(out.path().join(name)).unwrap()));
        }
        files.push(("meters.csv".to_owned(), meters(&out.path().join("plan.json")).into_bytes()));
        for (name, content) in files {
            // What people look at is a specimen; what machines compare stands with the tests.
            let specimen = ["terminal.txt", "cost.svg"].contains(&&*name);
            let path = if specimen { reports.join(&name) } else { golden.join(&name) };
            // The scenario's digest changes with every comment in it, the models' with every file.
            let content = String::from_utf8(content).unwrap();
            let content: Vec<&str> =
                content.lines().filter(|line| !line.starts_with("runrate ")).collect();
            let content = content.join("\n") + "\n";
            if update {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, content).unwrap();
                continue;
            }
            let reviewed = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(
                reviewed,
                content,
                "{} differs; review it with UPDATE_GOLDEN=1 and git diff",
                path.display()
            );
        }
    }
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
