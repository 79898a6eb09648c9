//! `runrate plan`.

use std::path::{Path, PathBuf};

use super::{Format, PriceArgs, pretty, print, say, width};
use crate::{
    error::{Error, Place},
    plan::Plan,
    rate::ALL_ACCOUNTS,
    report::{chart, csv, terminal},
    simulate::Prepared,
    store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario file
    scenario: PathBuf,
    /// Folder for plan.json, ledger.csv, usage.csv, capacity.csv and cost.svg
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Threads to use; all cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    if let Some(threads) = args.threads {
        let built = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
        built.map_err(|error| super::failed(&error))?;
    }
    let plan = make(&args.scenario, &args.prices)?;
    if let Some(folder) = &args.out {
        write(&plan, folder)?;
        let shared = plan.charges.iter().any(|charge| charge.scope == ALL_ACCOUNTS);
        let flag = if shared { " --consolidated" } else { "" };
        let folder = folder.display();
        say(&format!(
            "wrote 5 files to {folder}; `runrate rate{flag} {folder}/usage.csv` prices the usage again"
        ));
    }
    match args.format {
        Format::Table => print(&terminal::render(&plan, width())),
        Format::Json => print(&pretty(&plan)?),
        Format::Csv => print(&csv::ledger(&plan)),
    }
}

/// Runs the whole chain on a scenario file.
pub(super) fn make(path: &Path, prices: &PriceArgs) -> Result<Plan, Error> {
    let catalog = store::embedded_catalog()?;
    let (scenario, inputs) = store::load_scenario(path, &catalog)?;
    let regions = scenario.regions();
    let facts = store::load_facts(catalog, &prices.source(), &regions)?;
    Prepared::new(&scenario, &facts, &inputs)?.run(0)
}

fn write(plan: &Plan, folder: &Path) -> Result<(), Error> {
    let svg = chart::cost_by_service(plan)
        .map_err(|message| Error::failed(Place::file("cost.svg"), message))?;
    let files = [
        ("plan.json", pretty(plan)?.into_bytes()),
        ("ledger.csv", csv::ledger(plan).into_bytes()),
        ("usage.csv", csv::usage(plan).into_bytes()),
        ("capacity.csv", csv::capacity(plan).into_bytes()),
        ("cost.svg", svg.into_bytes()),
    ];
    store::write_folder(folder, &files)
}
