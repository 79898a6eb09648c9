//! Replays the corpus of `fuzz/`, and a bounded number of mutations of it from fixed seeds.
//!
//! `RUNRATE_FUZZ=100000 cargo test --test suite corpus::` tries so many mutations in place of 2,000.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    collections::BTreeMap,
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use rayon::prelude::*;
use runrate::measure::random::{Stream, stream};

#[allow(unreachable_pub, reason = "fuzz/ uses the same file")]
mod targets;

use targets::{Outcome, TARGETS, Target};

/// Mutations of all targets together; they take a few seconds.
const MUTATIONS: u64 = 2_000;

/// The files of a target's corpus, by name.
fn files(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Other bytes: one changed, a few turned to signs that mean something, a cut, a line twice or gone.
fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    const SIGNS: &[u8] = b"\0\t\n\r\",;:={}[]-+.0919eE#'\\\x7f\xff";
    let mut draws = stream(seed, 0, Stream::TrafficNoise, 0);
    let mut out = bytes.to_vec();
    let mut below = |most: usize| ((draws.uniform() * most as f64) as usize).min(most - 1);
    for _ in 0..=below(3) {
        if out.is_empty() {
            break;
        }
        let at = below(out.len());
        match below(6) {
            0 => out[at] ^= 1 << below(8),
            1 => out[at] = SIGNS[below(SIGNS.len())],
            2 => out.truncate(at),
            3 => {
                let times = 1 + below(40);
                let sign = [SIGNS[below(SIGNS.len())]].repeat(times);
                out.splice(at..at, sign);
            }
            kind => {
                let start =
                    out[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let end = out[at..].iter().position(|byte| *byte == b'\n');
                let end = end.map_or(out.len(), |length| at + length + 1);
                let line = if kind == 4 { out[start..end].repeat(2) } else { Vec::new() };
                out.splice(start..end, line);
            }
        }
    }
    out
}

fn tried(target: Target, bytes: &[u8]) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| target(bytes))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("it panics: {}", text.unwrap_or("no message")))
    })
}

#[test]
fn every_file_of_the_corpus_is_read_and_holds_the_laws() {
    for &(name, target) in TARGETS {
        let files = files(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for (file, bytes) in files {
            // Files that once broke a law need not be valid.
            let read = tried(target, &bytes).unwrap_or_else(|law| panic!("{name}/{file}: {law}"));
            assert!(read == Outcome::Read || file.starts_with("fault-"), "{name}/{file}: refused");
        }
    }
}

#[test]
fn mutations_of_the_corpus_are_read_or_refused() {
    let all = env::var("RUNRATE_FUZZ").map_or(MUTATIONS, |text| text.parse().unwrap());
    let kept = env::var_os("RUNRATE_FUZZ_FAULTS");
    let mut told = Vec::new();
    for &(name, target) in TARGETS {
        let files: Vec<(String, Vec<u8>)> = files(name).into_iter().collect();
        let seeds = 0..all / TARGETS.len() as u64;
        let results: Vec<(u64, Vec<u8>, Result<Outcome, String>)> = seeds
            .into_par_iter()
            .map(|seed| {
                let bytes = mutated(&files[seed as usize % files.len()].1, seed);
                let result = tried(target, &bytes);
                (seed, bytes, result)
            })
            .collect();
        let read = results.iter().filter(|(.., result)| *result == Ok(Outcome::Read)).count();
        eprintln!("{name}: {} mutations, {read} of them read", results.len());
        for (seed, bytes, result) in results {
            let Err(law) = result else { continue };
            if let Some(folder) = &kept {
                let path = Path::new(folder).join(format!("{name}-{seed}"));
                fs::write(path, &bytes).unwrap();
            }
            told.push(format!("{name}, seed {seed}: {law}"));
        }
    }
    assert!(told.is_empty(), "{} faults:\n{}", told.len(), told.join("\n"));
}
