//! Every format of the report of a large plan: 36 months, five accounts, with trials.
//!
//!     cargo bench --bench report
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use rayon::prelude::*;
use runrate::{
    app::store::{self, PriceSource},
    intent::scenario::Scenario,
    page::content::Beside,
    plan::{
        Plan,
        simulate::{Inputs, Prepared},
        trials::{self, Asked, Settings, Watch},
    },
    write::format::{Format, Report},
};

const RUNS: usize = 5;
const TRIALS: u32 = 8;

/// The example over 36 months, with three more accounts like its first.
fn scenario() -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml");
    let text = fs::read_to_string(example).unwrap().replace("months = 24", "months = 36");
    let mut more = String::new();
    for name in ["europe", "partners", "staging"] {
        let _ = write!(
            more,
            "[accounts.{name}]\nregion = \"us-east-1\"\ntraffic_share = 0.3\nremove = [\"dr\"]\n\n"
        );
    }
    text.replacen("[accounts.non-production]", &format!("{more}[accounts.non-production]"), 1)
}

fn plan() -> Plan {
    let catalog = store::embedded_catalog().unwrap();
    let scenario = Scenario::parse("large.toml", &scenario(), &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let mut plan = prepared.run(0).unwrap();
    let settings = Settings::new(&prepared, &plan).unwrap();
    let trials: Vec<u32> = (1..=TRIALS).collect();
    let samples = trials::run(&prepared, &trials, Watch { done: &|| (), stop: &|| false }).unwrap();
    plan.spread = trials::spread(&plan, &samples, Asked { trials: TRIALS, note: None }, &settings);
    plan
}

/// The median of several runs [ms], and the bytes of the last.
fn timed(run: impl Fn() -> usize) -> (f64, usize) {
    let mut bytes = 0;
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            bytes = run();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[RUNS / 2], bytes)
}

fn main() {
    let plan = plan();
    let facts = store::model().unwrap();
    println!(
        "{} months, {} accounts, {} lines; medians of {RUNS}, {} threads",
        plan.months.len(),
        plan.accounts.len(),
        plan.entries.len(),
        rayon::current_num_threads()
    );
    let (page, _) = timed(|| Report::new(&plan, Beside::default(), &facts).page().sections.len());
    println!("{:<10} {page:>9.1} ms", "page");
    let report = Report::new(&plan, Beside::default(), &facts);
    let bytes = |format: &Format| -> usize {
        report.files(*format).unwrap().iter().map(|file| file.bytes.len()).sum()
    };
    for format in Format::ALL {
        let (ms, size) = timed(|| bytes(format));
        println!("{:<10} {ms:>9.1} ms {:>12} bytes", format.name(), size);
    }
    let all = || {
        let report = Report::new(&plan, Beside::default(), &facts);
        let of = |format: &Format| -> usize {
            report.files(*format).unwrap().iter().map(|file| file.bytes.len()).sum()
        };
        Format::ALL.par_iter().map(of).sum()
    };
    let (ms, size) = timed(all);
    println!("{:<10} {ms:>9.1} ms {size:>12} bytes", "together");
}
