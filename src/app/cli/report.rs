//! `runrate report`.

use std::path::{Path, PathBuf};

use super::{
    PriceArgs,
    output::deliver as put,
    plan,
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
    let text = &*text.trim().to_lowercase();
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
    let compared = args.reconcile || args.against.names_bills();
    if args.against.narrows() && !compared {
        let message = "--from, --to, --metric and --partial are of a comparison with bills: give --reconcile or --bill FILE";
        return Err(Error::at(Place::default(), message));
    }
    let reconciled = compared.then(|| reconcile(&args.against, &args.prices, &plan)).transpose()?;
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
    deliver(args, &formats, &files)
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
    let place = || Place::file(&args.plan.display().to_string());
    let ending = args.plan.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("json") => {
            // What a saved plan was made with cannot be changed by asking for it.
            if args.trials.asked() || args.prices.prices.is_some() {
                let message = "is a saved plan: --trials, --until-stable and --prices are for a scenario, which is planned first";
                return Err(Error::at(place(), message));
            }
            return store::load_plan(&args.plan);
        }
        Some("xlsx" | "pdf" | "html" | "csv" | "parquet" | "md") => {
            let message = "is a report; give plan.json of `plan --out`, or a scenario";
            return Err(Error::at(place(), message));
        }
        _ => {}
    }
    plan::make_with_trials(&args.plan, &args.prices, &args.trials)
}

/// A single file where a file is named, a folder where a folder is, stdout where nothing is.
fn deliver(args: &Args, formats: &[Format], files: &[File]) -> Result<(), Error> {
    let Some(out) = &args.out else {
        let [file] = files else {
            let message = format!("these formats make {} files: give --out DIR", files.len());
            return Err(Error::at(Place::default(), message));
        };
        return put(file, None);
    };
    let file_like = out.extension().is_some() && !out.is_dir();
    if file_like && (formats.len() > 1 || files.len() > 1) {
        let message = format!(
            "is named like a file, and these formats make {} files: name a folder",
            files.len()
        );
        return Err(Error::at(Place::file(&out.display().to_string()), message));
    }
    if file_like {
        let wanted = Path::new(&files[0].name).extension();
        if out.extension() != wanted {
            let wanted = wanted.unwrap_or_default().to_string_lossy().into_owned();
            let message = format!("does not end as its format does: name it with .{wanted}");
            return Err(Error::at(Place::file(&out.display().to_string()), message));
        }
        store::write_file(out, &files[0].bytes)?;
        say(&format!("wrote {}", out.display()));
        return Ok(());
    }
    let named: Vec<(&str, &[u8])> = files.iter().map(|file| (&*file.name, &*file.bytes)).collect();
    // A plan has tables that another has not.
    let owned: &[&str] = if formats.contains(&Format::Csv) { &["table-*.csv"] } else { &[] };
    store::write_folder(out, &named, owned)?;
    let written: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    say(&format!("wrote {} to {}", written.join(", "), out.display()));
    Ok(())
}
