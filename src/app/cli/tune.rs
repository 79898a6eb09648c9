//! `runrate tune`.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use super::{
    PriceArgs, failed,
    open::{Case, Opener},
    output::{Printed, answer_on_stdout},
    pretty, say,
    trials::Watched,
};
use crate::{
    advice::tune::{Defaults, Desk, Planned, Plans, Request, Setup, State, Tuned},
    app::store,
    bounds,
    error::{Error, Place},
    intent::scenario::{Scenario, edit, key::Key},
    manifest::{self, Wanted},
    page::{
        content::{self, Beside},
        figure,
    },
    plan::{simulate::Prepared, trials::Watch},
    write::{
        csv,
        format::{Format, Report},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file; its [tune] table names the settings to vary and the limits
    scenario: PathBuf,
    /// Tune this account [default: that of [tune], or the first with all of the traffic]
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Evaluate N candidate trials in the search [default: that of [tune]]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    evaluations: Option<u32>,
    /// Run N trials of each finalist [default: that of [tune]]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    trials: Option<u32>,
    /// Test the recommendation on N trials that the search did not use [default: that of [tune]]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    fresh_trials: Option<u32>,
    /// Write tune.json, candidates.csv, tuned.toml, frontier.svg, report.html and manifests to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the scenario with the recommended settings to this file; comments are kept
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    /// Checkpoint file; an interrupted run resumes from it
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Use this many threads [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=bounds::THREADS))]
    threads: Option<u16>,
    #[command(flatten)]
    printed: Printed,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    check_targets(args)?;
    let text = store::read_text(&args.scenario)?;
    let tuned = match args.threads {
        None => tune(args, &text)?,
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build();
            pool.map_err(|error| failed(&error))?.install(|| tune(args, &text))?
        }
    };
    // Minutes of work are printed before files can fail.
    answer_on_stdout(&content::tuned::page(&tuned), &tuned, args.printed)?;
    write(args, &tuned, &text)?;
    if !(tuned.feasible || tuned.stopped) {
        return Err(Error::check(content::tuned::unmet(&tuned)));
    }
    match (&args.apply, unproven(&tuned)) {
        (Some(path), Some(why)) => {
            Err(Error::check(format!("{} was not written: {why}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Checks where outputs go before the search, not after it.
fn check_targets(args: &Args) -> Result<(), Error> {
    let wrong = |path: &Path, message: &str| {
        Err(Error::at(Place::file(&path.display().to_string()), message))
    };
    if let Some(folder) = args.out.as_deref().filter(|folder| folder.exists() && !folder.is_dir()) {
        return wrong(folder, "is a file; name a folder with --out");
    }
    for path in args.apply.iter().chain(&args.state) {
        if path.is_dir() {
            return wrong(path, "is a folder; name a file");
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if parent.is_some_and(|parent| !parent.is_dir()) {
            return wrong(path, "the folder does not exist; create it first");
        }
    }
    Ok(())
}

/// Returns why the recommended settings must not be applied; none if they are proven.
fn unproven(tuned: &Tuned) -> Option<String> {
    if !tuned.feasible {
        return Some("no candidate meets the limits".into());
    }
    if tuned.stopped {
        return Some(
            "the search was interrupted before its result was tested on other trials".into(),
        );
    }
    if tuned.changes.is_empty() {
        return Some("the current settings are the recommendation".into());
    }
    match &tuned.recommended.proof {
        Some(proof) if proof.holds => None,
        Some(proof) => Some(content::tuned::verdict(proof)),
        None => Some("the result was not tested on other trials".into()),
    }
}

fn tune(args: &Args, text: &str) -> Result<Tuned, Error> {
    let opener = Opener::new(&args.prices)?;
    let case = opener.case_of_text(&args.scenario, text)?;
    let prepared = case.prepared()?;
    let defaults: Defaults = store::model()?;
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
    let mut done = setup.run(desk);
    if let Ok(tuned) = &mut done
        && unproven(tuned).is_none()
    {
        let after = opener.case_of_text(&args.scenario, &tuned_text(args, tuned, text)?)?;
        let planned = |prepared: &Prepared<'_>| {
            Planned::of(prepared, tuned.fresh_trials, Watch { done: &|| {}, ..watched.watch() })
        };
        let both = (planned(&prepared)?, planned(&after.prepared()?)?);
        if let (Some(today), Some(recommended)) = both {
            let (months, trials) = (case.scenario.plan.months, tuned.fresh_trials);
            tuned.plans = Some(Plans { months, trials, today, recommended });
        }
    }
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
        Error::at(place, format!("is not a checkpoint of `tune` that this version reads: {error}"))
    })?;
    Ok(Some(state))
}

/// Returns the text of the scenario with the recommended settings.
fn tuned_text(args: &Args, tuned: &Tuned, text: &str) -> Result<String, Error> {
    let file = args.scenario.display().to_string();
    let wrong = |message: String| Error::failed(Place::file(&file), message);
    let edits: Result<Vec<(Key, toml::Value)>, String> = tuned
        .changes
        .iter()
        .map(|change| Ok((Key::parse(&change.key)?, change.value.clone())))
        .collect();
    let changed = edits.and_then(|edits| edit::set(text, &edits)).map_err(wrong)?;
    let [first, last] = tuned.months;
    let head = format!(
        "# Tuned over {first} to {last}, seed {}, by runrate {}.\n",
        tuned.made_from.seed, tuned.made_from.version
    );
    // The head of an earlier run is out of date.
    let rest = match changed.split_once('\n') {
        Some((line, rest)) if line.starts_with("# Tuned over ") => rest.to_owned(),
        _ => changed,
    };
    Ok(head + &rest)
}

fn write(args: &Args, tuned: &Tuned, text: &str) -> Result<(), Error> {
    if args.out.is_none() && args.apply.is_none() {
        return Ok(());
    }
    let opener = Opener::new(&args.prices)?;
    let (before, _) = store::load_scenario_text(&args.scenario, text, &opener.catalog)?;
    let text = tuned_text(args, tuned, text)?;
    // The digest in what is written is that of the tuned text.
    let after = opener.case_of_text(&args.scenario, &text)?;
    let proven = unproven(tuned).is_none();
    if let (Some(path), true) = (&args.apply, proven) {
        store::write_file(path, text.as_bytes())?;
        say(&format!("wrote {}", path.display()));
    }
    let Some(folder) = &args.out else { return Ok(()) };
    let mut files = vec![
        ("tune.json".to_owned(), pretty(tuned)?.into_bytes()),
        (
            "candidates.csv".to_owned(),
            csv::records(&content::tuned::candidate_records(tuned)).into_bytes(),
        ),
    ];
    files.extend(shown(tuned, &before, &after, proven)?);
    if proven {
        files.push(("tuned.toml".to_owned(), text.into_bytes()));
    }
    let manifests = manifest::FILES.map(|name| format!("manifests/{name}"));
    // Files that only a proven result has; those of an earlier run are removed.
    let owned: Vec<&str> = manifests.iter().map(String::as_str).chain(["tuned.toml"]).collect();
    store::write_folder(folder, &files, &owned)?;
    say(&format!("wrote {} files to {}", files.len(), folder.display()));
    if let Some(why) = unproven(tuned) {
        say(&format!("no tuned.toml and no manifests: {why}"));
    }
    Ok(())
}

/// Returns the tuned scenario planned: its report with the frontier, and manifests of the account to apply.
fn shown(
    tuned: &Tuned,
    before: &Scenario,
    after: &Case,
    proven: bool,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let plan = after.plan()?;
    let failed = |message: String| Error::failed(Place::default(), message);
    let chart = content::tuned::frontier(tuned).chart;
    let svg = figure::svg(&chart, figure::WIDE).map_err(failed)?;
    let mut files = vec![("frontier.svg".to_owned(), svg.into_bytes())];
    let focus = store::model()?;
    let beside = Beside { tuned: Some(tuned), ..Beside::default() };
    let pages = Report::new(&plan, beside, &focus).files(Format::Html).map_err(failed)?;
    files.extend(pages.into_iter().map(|file| (file.name, file.bytes)));
    let own = |scenario: &'_ Scenario| {
        scenario.accounts.iter().find(|account| account.name == tuned.account).cloned()
    };
    let (Some(account), old, true) = (own(&after.scenario), own(before), proven) else {
        return Ok(files);
    };
    let known = store::model()?;
    let wanted = Wanted {
        scenario: &after.scenario,
        account: &account,
        catalog: &after.facts.catalog,
        facts: &known,
        sha256: &after.inputs.sha256,
        plan: Some(&plan),
        before: old.as_ref(),
    };
    let written = manifest::write(&wanted)?;
    for note in &written.notes {
        say(&format!("note: {note}"));
    }
    for file in written.files {
        files.push((format!("manifests/{}", file.name), file.text.into_bytes()));
    }
    Ok(files)
}
