//! A search of six knobs over a year of the example, in-process: evaluations, wall time, time of one.
//!
//!     cargo bench --no-default-features --bench tune [-- EVALUATIONS] [defaults]
//!
//! `defaults` looks at the knobs of the model in place of the six.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use runrate::{
    advice::tune::{Desk, Request, Setup},
    app::store::{self, PriceSource},
    intent::scenario::Scenario,
    page::{Importance, content},
    plan::{
        simulate::{Inputs, Late, Prepared, Strain, View},
        trials::Watch,
    },
    write::terminal,
};

const KNOBS: &str = r#"
[[tune.knobs]]
key = "workloads.api.hpa.target_cpu_utilization"
from = 50
to = 90
step = 5
[[tune.knobs]]
key = "workloads.api.hpa.min_replicas"
values = [2, 3, 4, 6]
[[tune.knobs]]
key = "cluster.node_pools.general.spot_share"
from = 0
to = 1
step = 0.1
[[tune.knobs]]
key = "cluster.node_pools.general.max_vcpus"
values = [4, 8, 16, 32]
[[tune.knobs]]
key = "cluster.node_pools.general.consolidate_after_seconds"
values = [0, 30, 60, 120, 300, 900]
[[tune.knobs]]
key = "cluster.baseline.nodes"
values = [2, 3, 4]
"#;

fn main() {
    let evaluations = env::args().find_map(|word| word.parse().ok()).unwrap_or(2000);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml");
    let mut text = fs::read_to_string(example).unwrap();
    if env::args().all(|word| word != "defaults") {
        text.push_str(KNOBS);
    }
    let catalog = store::embedded_catalog().unwrap();
    let scenario = Scenario::parse("innovate.toml", &text, &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    one(&prepared);
    let defaults: runrate::advice::tune::Defaults = store::model().unwrap();
    let request = Request { evaluations: Some(evaluations), ..Request::default() };
    let setup = Setup::new(&prepared, &defaults, &request).unwrap();
    let count = AtomicU32::new(0);
    let done = || {
        count.fetch_add(1, Ordering::Relaxed);
    };
    let watch = Watch { done: &done, stop: &|| false };
    let start = Instant::now();
    let tuned = setup.run(Desk { watch, earlier: None, save: &|_| Ok(()) }).unwrap();
    let wall = start.elapsed().as_secs_f64();
    let all = count.into_inner();
    let view = terminal::View { width: 120, color: false, depth: Importance::Main };
    print!("{}", terminal::render(&content::tuned::page(&tuned), view));
    println!(
        "{} evaluations of the search and its choice, {all} with fresh trials and what-ifs, on {} threads {wall:>9.1} s wall, {:.1} ms each",
        tuned.evaluations,
        rayon::current_num_threads(),
        wall * 1e3 / f64::from(all)
    );
}

/// One evaluation on one thread, and what candidates share.
fn one(prepared: &Prepared<'_>) {
    let late = Late { p95_ms: None, factor: 3.0 };
    let view = View { account: 0, first: 12, months: 12, late, strain: Strain::default() };
    let mut shared = Vec::new();
    let mut own = Vec::new();
    for trial in 1..=6 {
        let start = Instant::now();
        let luck = prepared.luck(&view, trial).unwrap();
        shared.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        drop(prepared.judge(&view, &luck, &[]).unwrap());
        own.push(start.elapsed().as_secs_f64());
    }
    for (what, times) in
        [("what a trial's candidates share", &mut shared), ("one evaluation", &mut own)]
    {
        times.sort_by(f64::total_cmp);
        println!("{what:<32} {:>9.1} ms on one thread (median of 6)", times[3] * 1e3);
    }
}
