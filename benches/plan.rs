//! The main job, in-process on one thread (so wall time is CPU time), and the small commands as whole
//! processes. Prints the median of several runs.
//!
//!     cargo bench --bench plan
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use runrate::{
    app::store::{self, PriceSource},
    plan::simulate::Prepared,
};

const RUNS: usize = 9;

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Median seconds of the runs of a task.
fn time(mut task: impl FnMut()) -> f64 {
    task();
    let once = |task: &mut dyn FnMut()| {
        let start = Instant::now();
        task();
        start.elapsed().as_secs_f64()
    };
    median((0..RUNS).map(|_| once(&mut task)).collect())
}

fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = root.join("examples/innovate.toml");
    let load = || {
        let catalog = store::embedded_catalog().unwrap();
        let (scenario, inputs) = store::load_scenario(&example, &catalog).unwrap();
        let facts =
            store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
        (scenario, facts, inputs)
    };
    let loading = time(|| drop(load()));
    let (scenario, facts, inputs) = load();
    let preparing = time(|| drop(Prepared::new(&scenario, &facts, &inputs).unwrap()));
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let running = time(|| drop(prepared.run(0).unwrap()));
    let plan = prepared.run(0).unwrap();
    let minutes: usize = plan.months.iter().map(|month| month.month.minutes()).sum();
    let both = minutes * scenario.accounts.len();
    println!(
        "examples/innovate.toml: {} months, {} accounts",
        plan.months.len(),
        scenario.accounts.len()
    );
    println!("load facts and scenario   {:>9.1} ms", loading * 1e3);
    println!("prepare (fit, policies)   {:>9.1} ms", preparing * 1e3);
    println!("run (traffic to ledger)   {:>9.1} ms", running * 1e3);
    println!(
        "in all                    {:>9.1} ms CPU on one thread",
        (loading + preparing + running) * 1e3
    );
    println!(
        "per simulated minute      {:>9.1} ns   ({both} account-minutes)",
        running * 1e9 / both as f64
    );
    if let Some(peak) = peak_mib() {
        println!("peak memory               {peak:>9.1} MiB (this process)");
    }
    for arguments in [
        &["--help"][..],
        &["prices", "status"],
        &["prices", "show", "us-east-1", "NatGateway"],
        &["prices", "show", "NatGateway"],
        &["plan", "examples/innovate.toml", "--trials", "1"],
    ] {
        let whole = time(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_runrate"));
            command.current_dir(root).args(arguments).stdout(Stdio::null());
            assert!(command.status().unwrap().success());
        });
        println!(
            "{:<40}{:>9.1} ms wall, whole process",
            format!("runrate {}", arguments.join(" ")),
            whole * 1e3
        );
    }
}
