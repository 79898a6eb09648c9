//! Trials of the example, in-process: wall time on all cores, time of one trial on one thread, memory.
//!
//!     cargo bench --bench forecast [-- TRIALS]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::{env, fs, path::Path, time::Instant};

use rayon::prelude::*;
use runrate::{
    app::store::{self, PriceSource},
    plan::simulate::Prepared,
};

const ONE_BY_ONE: u32 = 10;

fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn main() {
    let trials = env::args().find_map(|word| word.parse().ok()).unwrap_or(200);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml");
    let catalog = store::embedded_catalog().unwrap();
    let (scenario, inputs) = store::load_scenario(&example, &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let months = scenario.plan.months;
    println!(
        "examples/innovate.toml: {months} months, {} accounts, {} ranges",
        scenario.accounts.len(),
        scenario.ranges.inputs.len()
    );
    let mut times: Vec<f64> = (1..=ONE_BY_ONE)
        .map(|trial| {
            let start = Instant::now();
            drop(prepared.sample(trial).unwrap());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "one trial on one thread {:>9.1} ms (median of {ONE_BY_ONE})",
        times[times.len() / 2] * 1e3
    );
    let start = Instant::now();
    let samples: Vec<_> =
        (1..=trials).into_par_iter().map(|trial| prepared.sample(trial).unwrap()).collect();
    let wall = start.elapsed().as_secs_f64();
    println!(
        "{} trials on {} threads {wall:>9.2} s wall, {:.1} ms each",
        samples.len(),
        rayon::current_num_threads(),
        wall * 1e3 / f64::from(trials)
    );
    if let Some(peak) = peak_mib() {
        println!("peak memory {peak:>9.1} MiB");
    }
}
