//! `runrate actuals`.

use std::path::{Path, PathBuf};

use self::privacy::Privacy;
use super::{
    output::{Output, answer_with_rows},
    print,
};
use crate::{
    app::store::{self, BillFile},
    bills::actuals::MonthBill,
    bounds,
    error::{Error, Place},
    measure::units::count,
    page::content,
    write::csv,
};

mod privacy;
#[cfg(feature = "aws")]
mod pull;

/// Default folder of bills.
pub(super) const FOLDER: &str = "actuals";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Import bills from files
    ///
    /// Reads CUR 2.0 and legacy CUR, FOCUS, CSV and JSON of Cost Explorer, and plain CSV; also as gzip and Parquet.
    Import(Import),
    /// Pull bills from Cost Explorer
    ///
    /// Pulls the months that are open or not stored. Each request costs money; the command prints the price first.
    #[cfg(feature = "aws")]
    Pull(pull::Args),
    /// List the stored months and their skipped rows
    List(List),
    /// Print the least IAM policy that `pull` needs
    Policy,
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// Read these exports; give all parts of a bill together
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Account of files that name none: once for all files, or once per file in their order
    #[arg(long = "account", value_name = "ID")]
    accounts: Vec<String>,
    #[command(flatten)]
    kept: Kept,
    /// Import nothing if more than this share of a file's rows is unusable [default: 10%]
    #[arg(long, value_name = "PERCENT", value_parser = super::trials::percent_or_zero)]
    max_skipped: Option<f64>,
    #[command(flatten)]
    privacy: privacy::Flag,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    output: Output,
}

/// The folder of bills.
#[derive(Debug, clap::Args)]
pub(super) struct Kept {
    /// Store bills in this folder, one file per month
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    actuals: PathBuf,
}

impl Kept {
    pub(super) fn folder(&self) -> &Path {
        &self.actuals
    }
}

pub(super) fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::Import(args) => {
            Privacy::within(args.privacy, args.kept.folder(), |privacy| import(args, privacy))
        }
        #[cfg(feature = "aws")]
        Command::Pull(args) => pull::run(args),
        Command::Policy => print(&store::model_text("iam_policy.json")?),
        Command::List(args) => {
            let folder = args.kept.folder();
            let bills = store::load_bills(folder)?;
            if bills.is_empty() {
                return Err(none(folder));
            }
            show(&bills, &args.output)
        }
    }
}

/// Returns the error of a folder without bills.
pub(super) fn none(folder: &Path) -> Error {
    let message =
        "no bills are stored here; run `runrate actuals import FILE...` or `runrate actuals pull`";
    Error::actuals(Place::file(&folder.display().to_string()), message)
}

fn import(args: &Import, privacy: &mut Privacy<'_>) -> Result<(), Error> {
    let account = |place: usize| match &*args.accounts {
        [one] => Some(one.as_str()),
        each => each.get(place).map(String::as_str),
    };
    if args.accounts.len() > 1 && args.accounts.len() != args.files.len() {
        let message = format!(
            "is given {} times for {} files; give it once, or once per file",
            args.accounts.len(),
            args.files.len()
        );
        let place = Place { key: Some("--account".into()), ..Place::default() };
        return Err(Error::at(place, message));
    }
    let files: Vec<BillFile<'_>> = args
        .files
        .iter()
        .enumerate()
        .map(|(place, path)| BillFile { path, account: account(place) })
        .collect();
    let most_skipped = args.max_skipped.unwrap_or(bounds::SKIPPED_SHARE);
    let mut bills = store::import_bill_files(&files, &store::model()?, (&now(), most_skipped))?;
    let folder = args.kept.folder();
    let replaced: Vec<String> = store::kept_months(folder)?
        .into_iter()
        .filter(|(month, _)| bills.iter().any(|bill| bill.month == *month))
        .map(|(month, source)| format!("{month} ({source})"))
        .collect();
    privacy.save(&mut bills)?;
    privacy.say(&format!("wrote {} to {}", count(bills.len(), "month"), folder.display()));
    if !replaced.is_empty() {
        privacy.say(&format!("replaced {}", replaced.join(", ")));
    }
    for note in bills.iter().filter_map(MonthBill::no_bill) {
        privacy.say(&format!("warning: {note}"));
    }
    show(&bills, &args.output)
}

fn show(bills: &[MonthBill], output: &Output) -> Result<(), Error> {
    answer_with_rows(|| content::actuals::page(bills), &bills, || csv::bills(bills), output)
}

/// Returns the time, to the second.
pub(super) fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
