//! `runrate actuals`.

use std::path::{Path, PathBuf};

use self::privacy::Privacy;
use super::{Format, pretty, print};
use crate::{
    app::store::{self, BillFile},
    bills::actuals::MonthBill,
    bounds,
    error::{Error, Place},
    measure::units::count,
    write::actuals,
};

mod privacy;
#[cfg(feature = "aws")]
mod pull;

/// Where bills are kept.
pub(super) const FOLDER: &str = "actuals";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Read bills from files: CUR 2.0 and legacy CUR, FOCUS, Cost Explorer's CSV and JSON, plain CSV; gzip and Parquet
    Import(Import),
    /// Ask Cost Explorer for months that are open or not kept; each request costs, and the price is told first
    #[cfg(feature = "aws")]
    Pull(pull::Args),
    /// List the months that are kept, and what was set aside
    List(List),
    /// Print the IAM policy that `pull` needs, and no more than that
    Policy,
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// Exports; parts of one bill together
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Account of a file that names none; once for all files, or once for each in their order
    #[arg(long = "account", value_name = "ID")]
    accounts: Vec<String>,
    #[command(flatten)]
    kept: Kept,
    /// Share of a file's rows that may be unusable; nothing is imported above it [default: 10%]
    #[arg(long, value_name = "PERCENT", value_parser = super::trials::percent_or_zero)]
    max_skipped: Option<f64>,
    #[command(flatten)]
    privacy: privacy::Flag,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    kept: Kept,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// The folder of bills.
#[derive(Debug, clap::Args)]
pub(super) struct Kept {
    /// Folder in which bills are kept, a file a month
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
            show(&bills, args.format)
        }
    }
}

/// No bill is kept there.
pub(super) fn none(folder: &Path) -> Error {
    let message = "no bills are kept there; `runrate actuals import FILE...` reads exports, `runrate actuals pull` asks Cost Explorer";
    Error::actuals(Place::file(&folder.display().to_string()), message)
}

fn import(args: &Import, privacy: &mut Privacy<'_>) -> Result<(), Error> {
    let account = |place: usize| match &*args.accounts {
        [one] => Some(one.as_str()),
        each => each.get(place).map(String::as_str),
    };
    if args.accounts.len() > 1 && args.accounts.len() != args.files.len() {
        let message = format!(
            "is there {} times, for {} files; give it once, or once for each file",
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
        privacy.say(&format!("in place of {}", replaced.join(", ")));
    }
    for note in bills.iter().filter_map(MonthBill::no_bill) {
        privacy.say(&format!("warning: {note}"));
    }
    show(&bills, args.format)
}

fn show(bills: &[MonthBill], format: Format) -> Result<(), Error> {
    match format {
        Format::Table => print(&actuals::render(bills)),
        Format::Json => print(&pretty(&bills)?),
        Format::Csv => print(&actuals::to_csv(bills)),
    }
}

/// The time, to the second.
pub(super) fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
