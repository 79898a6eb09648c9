//! `runrate report`.

use std::{io::IsTerminal, path::PathBuf};

use super::{
    PriceArgs, plan,
    reconcile::{Against, reconcile},
    say,
    trials::TrialArgs,
};
use crate::{
    backtest::Scored,
    error::{Error, Place},
    plan::Plan,
    report::{
        content::Beside,
        format::{File, Format, Report},
    },
    store,
    tune::Tuned,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Saved plan: plan.json of `plan --out`; or a scenario, which is planned first
    plan: PathBuf,
    /// Formats, separated by commas: html, xlsx, pdf, md, csv, json, parquet, focus; or all
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', value_parser = format, default_value = "html")]
    format: Vec<Chosen>,
    /// File of a single format, or folder; a text of one file goes to stdout without it
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Show the plan beside its bills: those kept in --actuals, or of --bill
    #[arg(long)]
    reconcile: bool,
    #[command(flatten)]
    against: Against,
    /// Show how good past forecasts were: the output of `backtest --format json`
    #[arg(long, value_name = "FILE")]
    backtest: Option<PathBuf>,
    /// Show what `tune` found: tune.json of `tune --out`
    #[arg(long, value_name = "FILE")]
    tuned: Option<PathBuf>,
    #[command(flatten)]
    trials: TrialArgs,
    #[command(flatten)]
    prices: PriceArgs,
}

/// One format or all.
#[derive(Debug, Clone, Copy)]
enum Chosen {
    One(Format),
    All,
}

fn format(text: &str) -> Result<Chosen, String> {
    if text == "all" {
        return Ok(Chosen::All);
    }
    let known = || Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
    Format::of(text)
        .map(Chosen::One)
        .ok_or_else(|| format!("give one or more of {}, or all", known()))
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let plan = planned(args)?;
    let reconciled = (args.reconcile || args.against.names_bills())
        .then(|| reconcile(&args.against, &args.prices, &plan))
        .transpose()?;
    let scored: Option<Scored> = args.backtest.as_deref().map(store::load_scored).transpose()?;
    let tuned: Option<Tuned> = args.tuned.as_deref().map(store::load_tuned).transpose()?;
    let beside = Beside {
        tuned: tuned.as_ref(),
        reconciliation: reconciled.as_ref(),
        backtest: scored.as_ref().map(|own| (&*own.scores, &*own.guesses)),
    };
    let facts = store::focus_facts()?;
    let report = Report::new(&plan, beside, &facts);
    let mut formats: Vec<Format> = Vec::new();
    for chosen in &args.format {
        match chosen {
            Chosen::All => formats.extend(Format::ALL),
            Chosen::One(format) => formats.push(*format),
        }
    }
    formats.sort_unstable();
    formats.dedup();
    let files = files(&report, &formats)?;
    deliver(args, formats.len(), &files)
}

/// The files of several formats, made side by side.
pub(super) fn files(report: &Report<'_>, formats: &[Format]) -> Result<Vec<File>, Error> {
    use rayon::prelude::*;
    let all: Result<Vec<Vec<File>>, Error> = formats
        .par_iter()
        .map(|format| {
            report.files(*format).map_err(|message| {
                Error::failed(Place::default(), format!("{} report: {message}", format.name()))
            })
        })
        .collect();
    let mut files: Vec<File> = Vec::new();
    for file in all?.into_iter().flatten() {
        // Two formats may bring the same file, as CSV and JSON do.
        if files.iter().all(|own| own.name != file.name) {
            files.push(file);
        }
    }
    Ok(files)
}

fn planned(args: &Args) -> Result<Plan, Error> {
    if args.plan.extension().is_some_and(|extension| extension == "json") {
        return store::load_plan(&args.plan);
    }
    plan::make_with_trials(&args.plan, &args.prices, &args.trials)
}

/// A single file where a file is named, a folder where a folder is, stdout where nothing is.
fn deliver(args: &Args, formats: usize, files: &[File]) -> Result<(), Error> {
    let Some(out) = &args.out else {
        let [file] = files else {
            let message = format!("these formats make {} files: give --out DIR", files.len());
            return Err(Error::at(Place::default(), message));
        };
        return to_stdout(file);
    };
    let one = formats == 1 && files.len() == 1 && out.extension().is_some() && !out.is_dir();
    if one {
        store::write_file(out, &files[0].bytes)?;
        say(&format!("wrote {}", out.display()));
        return Ok(());
    }
    let named: Vec<(&str, Vec<u8>)> =
        files.iter().map(|file| (&*file.name, file.bytes.clone())).collect();
    store::write_folder(out, &named)?;
    let written: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    say(&format!("wrote {} to {}", written.join(", "), out.display()));
    Ok(())
}

fn to_stdout(file: &File) -> Result<(), Error> {
    if let Ok(text) = std::str::from_utf8(&file.bytes) {
        return super::print(text);
    }
    if std::io::stdout().is_terminal() {
        let message = format!("{} is no text: give --out {}", file.name, file.name);
        return Err(Error::at(Place::default(), message));
    }
    super::print_bytes(&file.bytes)
}
