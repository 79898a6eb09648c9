//! Conformance: cases as data, each with the public source of its expected result, run against the
//! simulator's own functions.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use std::path::Path;

use serde::de::DeserializeOwned;

mod affinity;
mod cluster;
mod decisions;
mod disruption;
mod hpa;
mod karpenter;

/// What every case has.
#[derive(Debug, serde::Deserialize)]
struct Head {
    name: String,
    source: String,
}

#[derive(Debug, serde::Deserialize)]
struct File {
    case: Vec<toml::Table>,
}

/// Runs every case of a file that `run` takes on, and prints all that fail.
fn run<T: DeserializeOwned>(
    file: &str,
    at_least: usize,
    run: impl Fn(&T) -> Option<Result<(), String>>,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let cases: File = toml::from_str(&text).unwrap();
    let (mut done, mut failed) = (0, Vec::new());
    for case in cases.case {
        let head: Head = case.clone().try_into().unwrap();
        assert!(!head.source.is_empty(), "{}: no source", head.name);
        let read: T = match case.try_into() {
            Ok(read) => read,
            Err(error) => panic!("{file}: {}: {error}", head.name),
        };
        match run(&read) {
            None => {}
            Some(Ok(())) => done += 1,
            Some(Err(message)) => {
                done += 1;
                failed.push(format!("{}: {message}\n    {}", head.name, head.source));
            }
        }
    }
    assert!(failed.is_empty(), "{file}: {} of {done} fail\n{}", failed.len(), failed.join("\n"));
    assert!(done >= at_least, "{file}: only {done} cases");
}

fn same<T: PartialEq + std::fmt::Debug>(got: T, expected: T) -> Result<(), String> {
    if got == expected { Ok(()) } else { Err(format!("got {got:?}, expected {expected:?}")) }
}

/// Cases in all, so that a file that shrinks is noticed.
#[test]
fn there_are_enough_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let data = files.filter(|path| path.extension().is_some_and(|kind| kind == "toml"));
    let count = |path: std::path::PathBuf| {
        std::fs::read_to_string(path).unwrap().matches("[[case]]").count()
    };
    assert!(data.map(count).sum::<usize>() >= 700);
}
