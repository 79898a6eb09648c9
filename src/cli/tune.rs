//! `runrate tune`.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use super::{Format, PriceArgs, failed, pretty, print, say, trials::Watched};
use crate::{
    error::{Error, Place},
    report,
    scenario::{Scenario, key::Key, rewrite},
    simulate::Prepared,
    store,
    tune::{Desk, Request, Setup, State, Tuned},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario file; its [tune] table says what may be changed and what must hold
    scenario: PathBuf,
    /// Account whose settings are changed; that of [tune], or the first with all of the traffic
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Evaluations of the search: candidates times trials, each over all months
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    evaluations: Option<u32>,
    /// Trials of a candidate that gets to the end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    trials: Option<u32>,
    /// Trials, not seen by the search, for what is recommended
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    fresh_trials: Option<u32>,
    /// Folder for tune.json, candidates.csv and tuned.toml
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// File for the scenario with the recommended settings; comments stay
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    /// File that keeps what was looked at: a run that was stopped goes on from it
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Threads; all cores if left out. The result is the same on any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let tuned = match args.threads {
        None => tune(args)?,
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build();
            pool.map_err(|error| failed(&error))?.install(|| tune(args))?
        }
    };
    write(args, &tuned)?;
    match args.format {
        Format::Table => print(&report::tune::render(&tuned))?,
        Format::Json => print(&pretty(&tuned)?)?,
        Format::Csv => print(&report::tune::csv(&tuned))?,
    }
    if tuned.feasible || tuned.stopped {
        Ok(())
    } else {
        Err(Error::check(report::tune::unmet(&tuned)))
    }
}

fn tune(args: &Args) -> Result<Tuned, Error> {
    let catalog = store::embedded_catalog()?;
    let (scenario, inputs) = store::load_scenario(&args.scenario, &catalog)?;
    let facts = store::load_facts(catalog, &args.prices.source(), &scenario.regions())?;
    let prepared = Prepared::new(&scenario, &facts, &inputs)?;
    let defaults = store::tune_defaults()?;
    let request = Request {
        account: args.account.clone(),
        evaluations: args.evaluations,
        trials: args.trials,
        fresh: args.fresh_trials,
    };
    let setup = Setup::new(&prepared, &defaults, &request)?;
    let earlier = args.state.as_deref().map(read_state).transpose()?.flatten();
    let last: Mutex<()> = Mutex::new(());
    let save = |state: &State| {
        let Some(path) = &args.state else { return Ok(()) };
        let _one = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let text = serde_json::to_string(state).map_err(|error| failed(&error))?;
        store::write_file(path, text.as_bytes())
    };
    let watched = Watched::begin_with(setup.evaluations(), "evaluations")?;
    let desk = Desk { watch: watched.watch(), earlier: earlier.as_ref(), save: &save };
    let done = setup.run(desk);
    watched.end();
    done
}

fn read_state(path: &Path) -> Result<Option<State>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let place = Place::file(&path.display().to_string());
    let text = store::read_text(path)?;
    let state = serde_json::from_str(&text).map_err(|error| {
        Error::at(place, format!("is no state of `tune` that this version reads: {error}"))
    })?;
    Ok(Some(state))
}

/// The scenario's text with the recommended settings, checked.
fn tuned_scenario(args: &Args, tuned: &Tuned) -> Result<String, Error> {
    let file = args.scenario.display().to_string();
    let text = store::read_text(&args.scenario)?;
    let wrong = |message: String| Error::failed(Place::file(&file), message);
    let edits: Result<Vec<(Key, toml::Value)>, String> = tuned
        .changes
        .iter()
        .map(|change| Ok((Key::parse(&change.key)?, change.value.clone())))
        .collect();
    let changed = edits.and_then(|edits| rewrite::set(&text, &edits)).map_err(wrong)?;
    Scenario::parse("the tuned scenario", &changed, &store::embedded_catalog()?)?;
    let [first, last] = tuned.months;
    let head = format!(
        "# Tuned over {first} to {last}, seed {}, by runrate {}.\n",
        tuned.made_from.seed, tuned.made_from.version
    );
    Ok(head + &changed)
}

fn write(args: &Args, tuned: &Tuned) -> Result<(), Error> {
    if args.out.is_none() && args.apply.is_none() {
        return Ok(());
    }
    let scenario = tuned_scenario(args, tuned)?;
    if let Some(path) = &args.apply {
        if tuned.feasible {
            store::write_file(path, scenario.as_bytes())?;
            say(&format!("wrote {}", path.display()));
        } else {
            say(&format!("{} is not written: nothing meets what is asked for", path.display()));
        }
    }
    let Some(folder) = &args.out else { return Ok(()) };
    let files = [
        ("tune.json", pretty(tuned)?.into_bytes()),
        ("candidates.csv", report::tune::csv(tuned).into_bytes()),
        ("tuned.toml", scenario.into_bytes()),
    ];
    store::write_folder(folder, &files)?;
    say(&format!("wrote {} files to {}", files.len(), folder.display()));
    Ok(())
}
