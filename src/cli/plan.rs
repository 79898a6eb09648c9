//! `runrate plan`.

use std::path::{Path, PathBuf};

use super::{
    Format, PriceArgs, pretty, print, say,
    trials::{TrialArgs, percent},
    width,
};
use crate::{
    error::{Error, Place},
    plan::Plan,
    rate::ALL_ACCOUNTS,
    report::{chart, commitments, csv, odds, terminal},
    simulate::Prepared,
    store,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario file
    scenario: PathBuf,
    #[command(flatten)]
    trials: TrialArgs,
    /// Print the plan of one trial by its number, to look at what it drew
    #[arg(long, value_name = "N", conflicts_with_all = ["trials", "until_stable", "fail_over"])]
    trial: Option<u32>,
    /// Exit with 3 when a budget breaks in more than this share of the trials: 50%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    fail_over: Option<f64>,
    /// Folder for plan.json, ledger.csv, usage.csv, capacity.csv and cost.svg; with trials, spread.csv and
    /// odds.svg; with commitments, commitments.csv
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
    let plan = forecast(args)?;
    if let Some(folder) = &args.out {
        let files = write(&plan, folder)?;
        let shared = plan.charges.iter().any(|charge| charge.scope == ALL_ACCOUNTS);
        let flag = if shared { " --consolidated" } else { "" };
        let folder = folder.display();
        say(&format!(
            "wrote {files} files to {folder}; `runrate rate{flag} {folder}/usage.csv` prices the usage again"
        ));
    }
    match args.format {
        Format::Table => print(&terminal::render(&plan, width()))?,
        Format::Json => print(&pretty(&plan)?)?,
        Format::Csv => print(&csv::ledger(&plan))?,
    }
    let over: Vec<String> = match (&plan.spread, args.fail_over) {
        (Some(spread), Some(most)) => {
            let broken = spread.budgets.iter().filter(|outlook| outlook.probability > most);
            broken.map(|outlook| odds::over(outlook, most)).collect()
        }
        _ => Vec::new(),
    };
    if over.is_empty() { Ok(()) } else { Err(Error::check(over.join("; "))) }
}

/// The mid-value line and its trials, or one trial by its number.
fn forecast(args: &Args) -> Result<Plan, Error> {
    let catalog = store::embedded_catalog()?;
    let (scenario, inputs) = store::load_scenario(&args.scenario, &catalog)?;
    if args.fail_over.is_some() && (scenario.budgets.is_empty() || args.trials.mid_only()) {
        let message = "--fail-over needs [[budgets]] in the scenario, and trials";
        return Err(Error::at(Place::file(&args.scenario.display().to_string()), message));
    }
    let facts = store::load_facts(catalog, &args.prices.source(), &scenario.regions())?;
    let prepared = Prepared::new(&scenario, &facts, &inputs)?;
    if let Some(trial) = args.trial {
        return prepared.run(trial);
    }
    let mut plan = prepared.run(0)?;
    args.trials.add_spread(&prepared, &mut plan)?;
    Ok(plan)
}

/// Runs the whole chain on a scenario file.
pub(super) fn make(path: &Path, prices: &PriceArgs) -> Result<Plan, Error> {
    let catalog = store::embedded_catalog()?;
    let (scenario, inputs) = store::load_scenario(path, &catalog)?;
    let regions = scenario.regions();
    let facts = store::load_facts(catalog, &prices.source(), &regions)?;
    Prepared::new(&scenario, &facts, &inputs)?.run(0)
}

fn write(plan: &Plan, folder: &Path) -> Result<usize, Error> {
    let failed =
        |name: &'static str| move |message: String| Error::failed(Place::file(name), message);
    let svg = chart::cost_by_service(plan).map_err(failed("cost.svg"))?;
    let mut files = vec![
        ("plan.json", pretty(plan)?.into_bytes()),
        ("ledger.csv", csv::ledger(plan).into_bytes()),
        ("usage.csv", csv::usage(plan).into_bytes()),
        ("capacity.csv", csv::capacity(plan).into_bytes()),
        ("cost.svg", svg.into_bytes()),
    ];
    if !plan.commitments.is_empty() {
        files.push(("commitments.csv", commitments::csv(plan).into_bytes()));
    }
    if let Some(spread) = &plan.spread {
        files.push(("spread.csv", odds::csv(spread).into_bytes()));
        let svg = chart::odds(plan, spread).map_err(failed("odds.svg"))?;
        files.push(("odds.svg", svg.into_bytes()));
    }
    store::write_folder(folder, &files)?;
    Ok(files.len())
}
