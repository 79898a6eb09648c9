//! The house rules of `DESIGN.md`, read from the source: who may use whom, who may touch what.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module uses only names that stand earlier in this list.
const ORDER: [&str; 41] = [
    "bounds",
    "units",
    "calendar",
    "budget",
    "error",
    "random",
    "range",
    "aws",
    "queueing",
    "series",
    "history",
    "shapes",
    "prices",
    "price_list",
    "commitment",
    "growth",
    "traffic",
    "workload",
    "autoscale",
    "capacity",
    "services",
    "scenario",
    "ledger",
    "rate",
    "plan",
    "simulate",
    "manifest",
    "forecast",
    "commit",
    "actuals",
    "reconcile",
    "compare",
    "calibrate",
    "backtest",
    "tune",
    "report",
    "store",
    "serve",
    "cli",
    "main",
    "lib",
];

/// Below `cli`: text that must not occur, with the modules it is allowed in.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    ("std::fs", &["store"]),
    ("fs::", &["store"]),
    ("std::env", &["cli", "main"]),
    ("Instant::now", &[]),
    ("SystemTime::now", &[]),
    ("Timestamp::now", &["cli"]),
    ("println!", &[]),
    ("StdRng", &[]),
];

struct Source {
    module: String,
    path: PathBuf,
    /// Without comments, tests and test modules.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(&root).unwrap().to_owned();
            if relative.ends_with("tests.rs") || relative.ends_with("fixture.rs") {
                continue;
            }
            let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code: Vec<&str> =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            found.push(Source { module, path: relative, code: code.join("\n") });
        }
    }
    assert!(found.len() > 40, "the sources were found");
    found
}

fn rank(module: &str) -> usize {
    ORDER
        .iter()
        .position(|known| *known == module)
        .unwrap_or_else(|| panic!("module {module} is not in the order of the house"))
}

/// Names after `crate::`, one or several in braces.
fn used(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        if let Some(list) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, 0);
            for (index, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        names.push(word(&list[start..index]));
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        names.push(word(&list[start..index]));
                        start = index + 1;
                    }
                    _ => {}
                }
            }
        } else {
            names.push(word(rest));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn rule_1_modules_use_only_earlier_ones() {
    for source in sources() {
        let own = rank(&source.module);
        for name in used(&source.code) {
            assert!(
                name == source.module || rank(&name) < own,
                "rule 1: {} uses crate::{name}, which stands later",
                source.path.display()
            );
        }
    }
}

#[test]
fn rules_2_and_3_disk_clock_and_terminal_have_one_door() {
    for source in sources() {
        for (text, allowed) in FORBIDDEN {
            assert!(
                !source.code.contains(text) || allowed.contains(&&*source.module),
                "rules 2 and 3: {} contains {text}",
                source.path.display()
            );
        }
    }
}

#[test]
fn rule_5_services_and_rate_meet_only_in_usage_lines() {
    for source in sources() {
        if source.module == "services" {
            for price in ["UnitPrice", "PriceBook", "Usd"] {
                assert!(
                    !source.code.contains(price),
                    "rule 5: {} names {price}",
                    source.path.display()
                );
            }
        }
        if source.module == "rate" {
            for service in ["SERVICES", "AnyService", "Demand"] {
                assert!(
                    !source.code.contains(service),
                    "rule 5: {} names {service}",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn files_stay_within_their_size() {
    for source in sources() {
        let lines = source.code.lines().count();
        assert!(lines <= 600, "{} has {lines} lines of code; split it", source.path.display());
    }
}

/// Cargo does not look for tests by itself here: a file that `tests/main.rs` does not name would pass unrun.
#[test]
fn each_file_of_tests_is_in_the_suite() {
    let suite = include_str!("main.rs");
    let named: BTreeSet<&str> =
        suite.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let rust = path.extension().is_some_and(|kind| kind == "rs");
        if rust || path.join("mod.rs").exists() {
            found.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(found.remove("main"));
    assert!(named.iter().eq(found.iter()), "tests/main.rs names {named:?}, tests/ has {found:?}");
}

#[test]
fn the_reader_of_use_lines_works() {
    let code = "use crate::{\n    a::{self, B},\n    c::D,\n};\nlet x = crate::e::f();";
    assert_eq!(used(code), ["a", "c", "e"]);
}

/// Name, version, licence and repository of every crate in the release binary, as a table of Markdown.
fn notices() -> String {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    const HEAD: &str = "\
# Third-party notices

The release binary of runrate for Linux contains these crates, each under the licence that it names. The text of a
licence is in the source of its crate, which crates.io and the repository have. Crates that only build or test runrate
are not listed.

`UPDATE_NOTICES=1 cargo test --test suite notices` writes this file from `Cargo.lock`; the same test fails when they
differ.

| crate | version | licence | repository |
| --- | --- | --- | --- |
";
    let mut command = std::process::Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["metadata", "--offline", "--locked", "--format-version", "1"]);
    let output = command.args(["--filter-platform", TARGET]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let by_id = |list: &serde_json::Value| -> BTreeMap<String, serde_json::Value> {
        let list = list.as_array().unwrap();
        list.iter().map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone())).collect()
    };
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let root = metadata["resolve"]["root"].as_str().unwrap();
    let mut seen = BTreeSet::from([root.to_owned()]);
    let mut open = vec![root.to_owned()];
    while let Some(id) = open.pop() {
        for dependency in nodes[&id]["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            let id = dependency["pkg"].as_str().unwrap();
            let targets = packages[id]["targets"].as_array().unwrap();
            // A macro runs in the compiler, and what it needs does too.
            let is_macro = targets.iter().any(|target| target["kind"][0] == "proc-macro");
            let linked = !is_macro && kinds.iter().any(|kind| kind["kind"].is_null());
            if linked && seen.insert(id.to_owned()) {
                open.push(id.to_owned());
            }
        }
    }
    seen.remove(root);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let mut rows: Vec<[String; 4]> = seen
        .iter()
        .map(|id| {
            let package = &packages[id];
            ["name", "version", "license", "repository"].map(|key| text(&package[key]))
        })
        .collect();
    rows.sort();
    let rows = rows.iter().map(|row| format!("| {} |\n", row.join(" | ")));
    HEAD.to_owned() + &rows.collect::<String>()
}

#[test]
fn third_party_notices_list_the_crates_of_the_binary() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("THIRD_PARTY.md");
    let notices = notices();
    if std::env::var_os("UPDATE_NOTICES").is_some() {
        fs::write(&path, &notices).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == notices,
        "THIRD_PARTY.md and Cargo.lock differ: UPDATE_NOTICES=1 cargo test --test suite notices"
    );
}
