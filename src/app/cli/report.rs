//! `runrate report`.

use std::path::{Path, PathBuf};

use super::{
    PriceArgs,
    open::{self, Opener, check_planned},
    output::deliver as put,
    reconcile::{Against, reconcile},
    say,
    trials::TrialArgs,
};
use crate::{
    advice::tune::Tuned,
    app::store,
    bills::backtest::Scored,
    error::{Error, Place},
    page::content::Beside,
    plan::Plan,
    write::format::{File, Format, Report},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this saved plan (plan.json of `plan --out`), or plan this scenario
    plan: PathBuf,
    /// Write these formats, separated by commas: html, xlsx, pdf, md, csv, json, parquet, focus; or all
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', value_parser = format, default_value = "html")]
    format: Vec<Chosen>,
    /// Write to this file (one format) or folder [default: stdout]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Compare the plan with bills: those stored in --actuals, or those of --bill
    #[arg(long)]
    reconcile: bool,
    #[command(flatten)]
    against: Against,
    /// Add the scores of past forecasts (output of `backtest --format json`)
    #[arg(long, value_name = "FILE")]
    backtest: Option<PathBuf>,
    /// Add this result of `tune` (tune.json of `tune --out`)
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
    let text = &*text.trim().to_lowercase();
    if text == "all" {
        return Ok(Chosen::All);
    }
    let known = || Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
    Format::of(text)
        .map(Chosen::One)
        .ok_or_else(|| format!("expected one or more of {}, or all", known()))
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let plan = planned(args)?;
    let compared = args.reconcile || args.against.names_bills();
    if args.against.narrows() && !compared {
        let message = "--from, --to, --metric and --partial need a comparison with bills; pass --reconcile or --bill FILE";
        return Err(Error::at(Place::default(), message));
    }
    let reconciled = compared
        .then(|| reconcile(&args.against, &Opener::new(&args.prices)?, &plan))
        .transpose()?;
    let scored: Option<Scored> = args.backtest.as_deref().map(open::scored).transpose()?;
    let tuned: Option<Tuned> = args.tuned.as_deref().map(open::tuned).transpose()?;
    let beside = Beside {
        tuned: tuned.as_ref(),
        reconciliation: reconciled.as_ref(),
        backtest: scored.as_ref().map(|own| (&*own.scores, &*own.guesses)),
    };
    let facts = store::model()?;
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
    deliver(args, &formats, &files)
}

/// Makes the files of several formats in parallel.
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
        // Two formats may share a file, as CSV and JSON do.
        if files.iter().all(|own| own.name != file.name) {
            files.push(file);
        }
    }
    Ok(files)
}

fn planned(args: &Args) -> Result<Plan, Error> {
    if !check_planned(&args.plan)? {
        let case = Opener::new(&args.prices)?.case(&args.plan)?;
        return args.trials.plan(&case.prepared()?);
    }
    // The inputs of a saved plan cannot change.
    if args.trials.asked() || args.prices.prices.is_some() {
        let place = Place::file(&args.plan.display().to_string());
        let message =
            "is a saved plan; --trials, --until-stable and --prices apply only to a scenario";
        return Err(Error::at(place, message));
    }
    store::load_plan(&args.plan)
}

/// Writes one file, a folder, or stdout, as `--out` says.
fn deliver(args: &Args, formats: &[Format], files: &[File]) -> Result<(), Error> {
    let Some(out) = &args.out else {
        let [file] = files else {
            let message = format!("these formats make {} files; pass --out DIR", files.len());
            return Err(Error::at(Place::default(), message));
        };
        return put(file, None);
    };
    let file_like = out.extension().is_some() && !out.is_dir();
    if file_like && (formats.len() > 1 || files.len() > 1) {
        let message = format!(
            "is named like a file, but these formats make {} files; name a folder",
            files.len()
        );
        return Err(Error::at(Place::file(&out.display().to_string()), message));
    }
    if file_like {
        let wanted = Path::new(&files[0].name).extension();
        if out.extension() != wanted {
            let wanted = wanted.unwrap_or_default().to_string_lossy().into_owned();
            let message = format!("has the wrong extension for its format; use .{wanted}");
            return Err(Error::at(Place::file(&out.display().to_string()), message));
        }
        store::write_file(out, &files[0].bytes)?;
        say(&format!("wrote {}", out.display()));
        return Ok(());
    }
    let named: Vec<(&str, &[u8])> = files.iter().map(|file| (&*file.name, &*file.bytes)).collect();
    // Plans differ in their tables.
    let owned: &[&str] = if formats.contains(&Format::Csv) { &["table-*.csv"] } else { &[] };
    store::write_folder(out, &named, owned)?;
    let written: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    say(&format!("wrote {} to {}", written.join(", "), out.display()));
    Ok(())
}
