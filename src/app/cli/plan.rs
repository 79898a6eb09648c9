//! `runrate plan`.

use std::path::{Path, PathBuf};

use super::{
    PriceArgs,
    output::{self, Format as As, Printed, deliver},
    print, say,
    trials::{self, TrialArgs, percent},
};
use crate::{
    app::store,
    bounds,
    error::{Error, Place},
    money::rate::{ALL_ACCOUNTS, surcharge::is_surcharge},
    page::{
        Importance,
        content::{self, Beside, costs, odds},
        figure,
    },
    plan::{Plan, simulate::Prepared},
    write::{
        csv,
        format::{Format, Report},
        terminal,
    },
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
    /// Run part i of n of the trials and write it to --out FILE.parquet; `runrate merge` makes the plan
    #[arg(long, value_name = "I/N", value_parser = shard, requires = "out", conflicts_with_all = ["trial", "until_stable", "fail_over", "format"])]
    shard: Option<(u32, u32)>,
    /// Exit with 3 when a budget breaks in more than this share of the trials: 50%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    fail_over: Option<f64>,
    /// Folder for the report in every format (plan.json, report.html, report.xlsx, report.pdf, report.md, …),
    /// ledger.csv, usage.csv, capacity.csv and charts
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    telling: Telling,
    /// Threads to use; all cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=bounds::THREADS))]
    threads: Option<u16>,
    #[command(flatten)]
    prices: PriceArgs,
}

/// How much of a plan is printed on the terminal.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Telling {
    /// Print the headline and the budgets only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Print the whole report, with every assumption and every meter
    #[arg(short, long)]
    verbose: bool,
}

impl Telling {
    fn depth(self) -> Importance {
        match (self.quiet, self.verbose) {
            (true, _) => Importance::Key,
            (_, true) => Importance::Reference,
            _ => Importance::Main,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    if let Some(threads) = args.threads {
        let built = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global();
        built.map_err(|error| super::failed(&error))?;
    }
    if let Some(shard) = args.shard {
        return write_part(args, shard);
    }
    let plan = forecast(args)?;
    tell(&plan, args.out.as_deref(), (args.printed, args.telling), args.fail_over)
}

/// Prints a plan, writes its files, and holds its budgets against what may break.
pub(super) fn tell(
    plan: &Plan,
    out: Option<&Path>,
    (printed, telling): (Printed, Telling),
    fail_over: Option<f64>,
) -> Result<(), Error> {
    if let Some(folder) = out {
        let files = write(plan, folder)?;
        // Who shares the bands of support follows from the support plan.
        let shared = plan.charges.iter().any(|charge| {
            charge.scope == ALL_ACCOUNTS && !is_surcharge(&plan.prices[charge.price].key)
        });
        let flag = if shared { " --consolidated" } else { "" };
        let folder = folder.display();
        say(&format!(
            "wrote {files} files to {folder}; `runrate rate{flag} {folder}/usage.csv` prices the usage again"
        ));
    }
    write_to_stdout(plan, printed.format, telling.depth())?;
    if trials::was_stopped() {
        // Budgets are not judged on the trials that happened to be finished.
        return Ok(());
    }
    let over: Vec<String> = match (&plan.spread, fail_over) {
        (Some(spread), Some(most)) => {
            let broken = spread.budgets.iter().filter(|outlook| outlook.probability > most);
            broken.map(|outlook| odds::exceeded(outlook, most)).collect()
        }
        _ => Vec::new(),
    };
    if over.is_empty() { Ok(()) } else { Err(Error::check(over.join("; "))) }
}

/// Prints the page; the workbook is the one that computes, the CSV the ledger.
fn write_to_stdout(plan: &Plan, format: As, depth: Importance) -> Result<(), Error> {
    match format {
        As::Table => {
            let page = content::page(plan, Beside::default());
            print(&terminal::render(&page, output::view(depth)))
        }
        As::Json => print(&super::pretty(plan)?),
        As::Csv => print(&csv::ledger(plan)),
        _ => {
            let facts = store::focus_facts()?;
            let formats: Vec<Format> = format.writer().into_iter().collect();
            let files =
                super::report::files(&Report::new(plan, Beside::default(), &facts), &formats)?;
            files.iter().try_for_each(|file| deliver(file, None))
        }
    }
}

/// Runs one part of the trials and writes it as one file.
#[cfg(feature = "polars")]
fn write_part(args: &Args, shard: (u32, u32)) -> Result<(), Error> {
    use crate::plan::trials::{
        Settings,
        part::{self, Header, Part},
    };
    let out = args.out.as_ref().filter(|out| out.extension().is_some_and(|e| e == "parquet"));
    let Some(out) = out else {
        let message = "--shard writes one file: give --out part-1.parquet";
        return Err(Error::at(Place::default(), message));
    };
    if args.trials.mid_only() || args.trials.count() < shard.1 {
        let message = "--shard needs a trial for each part: give --trials";
        return Err(Error::at(Place::default(), message));
    }
    let catalog = store::embedded_catalog()?;
    let (scenario, inputs) = store::load_scenario(&args.scenario, &catalog)?;
    let facts = store::load_facts(catalog, &args.prices.source(), &scenario.regions())?;
    let prepared = Prepared::new(&scenario, &facts, &inputs)?;
    let plan = prepared.run(0)?;
    let settings = Settings::of(&prepared, &plan)?;
    let trials = part::trials_of(shard.0, shard.1, args.trials.count());
    let (samples, asked) = args.trials.run_these(&prepared, &trials)?;
    if samples.len() < trials.len() {
        return Err(super::failed_with("stopped by Ctrl-C: a part is written whole or not at all"));
    }
    let part = Part { header: Header::new(shard, asked, settings, plan), samples };
    let bytes = part::write(&part)
        .map_err(|message| Error::failed(Place::file(&out.display().to_string()), message))?;
    store::write_file(out, &bytes)?;
    say(&format!(
        "wrote part {} of {}, {} trials, to {}; `runrate merge` makes the plan of all parts",
        shard.0,
        shard.1,
        part.samples.len(),
        out.display()
    ));
    Ok(())
}

#[cfg(not(feature = "polars"))]
fn write_part(_: &Args, _: (u32, u32)) -> Result<(), Error> {
    Err(super::failed_with(
        "--shard writes Parquet, which this build is without: build it with polars",
    ))
}

/// `2/8`: part 2 of 8.
fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    let fits = |(shard, shards): &(u32, u32)| *shard >= 1 && shard <= shards && *shards <= 10_000;
    parts.filter(fits).ok_or_else(|| "give a part of all parts, from 1: 2/8".into())
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
    if plan.spread.is_none() && !(scenario.budgets.is_empty() && scenario.revenue.is_none()) {
        say("[[budgets]] and [revenue] are judged over trials, and none was run");
    }
    Ok(plan)
}

/// Runs the whole chain on a scenario file, with trials.
pub(super) fn make_with_trials(
    path: &Path,
    prices: &PriceArgs,
    trials: &TrialArgs,
) -> Result<Plan, Error> {
    let catalog = store::embedded_catalog()?;
    let (scenario, inputs) = store::load_scenario(path, &catalog)?;
    let facts = store::load_facts(catalog, &prices.source(), &scenario.regions())?;
    let prepared = Prepared::new(&scenario, &facts, &inputs)?;
    let mut plan = prepared.run(0)?;
    trials.add_spread(&prepared, &mut plan)?;
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

/// Files that only some plans have, or some builds: those of an earlier plan are removed.
const OWNED: [&str; 5] =
    ["commitments.csv", "spread.csv", "odds.svg", "report.pdf", "ledger.parquet"];

fn write(plan: &Plan, folder: &Path) -> Result<usize, Error> {
    let failed =
        |name: &'static str| move |message: String| Error::failed(Place::file(name), message);
    let facts = store::focus_facts()?;
    let report = Report::new(plan, Beside::default(), &facts);
    let picture = |id: &str, name: &'static str| {
        let figures = report.page().sections.iter().flat_map(|section| &section.figures);
        let own = figures.filter(|figure| figure.id == id);
        let drawn = own.map(|own| Ok((name.to_owned(), figure::file(own)?.into_bytes())));
        drawn.collect::<Result<Vec<_>, String>>().map_err(failed(name))
    };
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("ledger.csv".into(), csv::ledger(plan).into_bytes()),
        ("usage.csv".into(), csv::usage(plan).into_bytes()),
        ("capacity.csv".into(), csv::capacity(plan).into_bytes()),
    ];
    files.extend(picture("cost-by-service", "cost.svg")?);
    if !plan.commitments.is_empty() {
        files.push((
            "commitments.csv".into(),
            csv::records(&costs::commitment_records(plan)).into_bytes(),
        ));
    }
    if let Some(spread) = &plan.spread {
        files.push(("spread.csv".into(), csv::records(&odds::spread_records(spread)).into_bytes()));
        files.extend(picture("odds", "odds.svg")?);
    }
    // Every table as a file of its own is for `report --format csv`.
    let formats: Vec<Format> =
        Format::ALL.iter().copied().filter(|format| *format != Format::Csv).collect();
    files.push(("provenance.csv".into(), csv::provenance(report.page()).into_bytes()));
    let reports = super::report::files(&report, &formats)?;
    files.extend(reports.into_iter().map(|file| (file.name, file.bytes)));
    store::write_folder(folder, &files, &OWNED)?;
    Ok(files.len())
}
