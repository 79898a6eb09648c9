//! `runrate plan`.

use std::path::{Path, PathBuf};

use super::{
    PriceArgs,
    open::Opener,
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
    plan::Plan,
    write::{
        csv,
        format::{Format, Report},
        terminal,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file
    scenario: PathBuf,
    #[command(flatten)]
    trials: TrialArgs,
    /// Print the plan of one trial, by its number
    #[arg(long, value_name = "N", conflicts_with_all = ["trials", "until_stable", "fail_over"])]
    trial: Option<u32>,
    /// Run part I of N of the trials and write it to --out FILE.parquet, for `runrate merge`
    #[arg(long, value_name = "I/N", value_parser = shard, requires = "out", conflicts_with_all = ["trial", "until_stable", "fail_over", "format"])]
    shard: Option<(u32, u32)>,
    /// Exit with 3 if a budget is exceeded in more than this share of the trials, such as 50%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    fail_over: Option<f64>,
    /// Write the report in every format, the ledger, usage, capacity and charts to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    telling: Telling,
    /// Use this many threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=bounds::THREADS))]
    threads: Option<u16>,
    #[command(flatten)]
    prices: PriceArgs,
}

/// How much of a plan to print.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Telling {
    /// Print only the headline, the range and the budgets
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

/// Prints a plan, writes its files and checks its budgets.
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
        // Budgets are not checked against a part of the trials.
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
            let facts = store::model()?;
            let formats: Vec<Format> = format.writer().into_iter().collect();
            let files =
                super::report::files(&Report::new(plan, Beside::default(), &facts), &formats)?;
            files.iter().try_for_each(|file| deliver(file, None))
        }
    }
}

/// Runs one part of the trials and writes it to one file.
#[cfg(feature = "polars")]
fn write_part(args: &Args, shard: (u32, u32)) -> Result<(), Error> {
    use crate::plan::trials::{
        Settings,
        part::{self, Header, Part},
    };
    let out = args.out.as_ref().filter(|out| out.extension().is_some_and(|e| e == "parquet"));
    let Some(out) = out else {
        let message = "--shard writes one file; pass --out part-1.parquet";
        return Err(Error::at(Place::default(), message));
    };
    if args.trials.mid_only() || args.trials.count() < shard.1 {
        let message = "--shard needs at least one trial per part; pass --trials";
        return Err(Error::at(Place::default(), message));
    }
    let case = Opener::new(&args.prices)?.case(&args.scenario)?;
    let prepared = case.prepared()?;
    let plan = args.trials.mid(&prepared)?;
    let settings = Settings::new(&prepared, &plan)?;
    let trials = part::trials_of(shard.0, shard.1, args.trials.count());
    let (samples, asked) = args.trials.run_these(&prepared, &trials)?;
    if samples.len() < trials.len() {
        return Err(super::failed_with("interrupted by Ctrl-C; no part was written"));
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
        "--shard writes Parquet, which this build does not support; build it with the feature `polars`",
    ))
}

/// Reads `2/8` as part 2 of 8.
fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    let fits = |(shard, shards): &(u32, u32)| *shard >= 1 && shard <= shards && *shards <= 10_000;
    parts.filter(fits).ok_or_else(|| "expected a part and the number of parts, such as 2/8".into())
}

/// Runs the mid case and its trials, or one trial by its number.
fn forecast(args: &Args) -> Result<Plan, Error> {
    let case = Opener::new(&args.prices)?.case(&args.scenario)?;
    let scenario = &case.scenario;
    if args.fail_over.is_some() && (scenario.budgets.is_empty() || args.trials.mid_only()) {
        let message = "--fail-over needs [[budgets]] in the scenario, and more than one trial";
        return Err(Error::at(Place::file(&args.scenario.display().to_string()), message));
    }
    let prepared = case.prepared()?;
    if let Some(trial) = args.trial {
        return prepared.run(trial);
    }
    let plan = args.trials.plan(&prepared)?;
    if plan.spread.is_none() && !(scenario.budgets.is_empty() && scenario.revenue.is_none()) {
        say("note: [[budgets]] and [revenue] are evaluated over trials, and no trial was run");
    }
    Ok(plan)
}

/// Files that only some plans or builds write; those of an earlier plan are removed.
const OWNED: [&str; 5] =
    ["commitments.csv", "spread.csv", "odds.svg", "report.pdf", "ledger.parquet"];

fn write(plan: &Plan, folder: &Path) -> Result<usize, Error> {
    let failed =
        |name: &'static str| move |message: String| Error::failed(Place::file(name), message);
    let facts = store::model()?;
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
