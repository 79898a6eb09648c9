//! `runrate prices`.

use super::{Format, PriceArgs, pretty, print, say};
use crate::{
    app::store,
    error::{Error, Place},
    write::prices::{self as report, Status},
};

mod diff;
#[cfg(feature = "aws")]
mod refresh;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Download current prices from AWS into a price book
    ///
    /// A list that cannot be read is reported and skipped: its prices stay, the other lists are written, and the
    /// exit code is 1. Without a connection, credentials or permission, nothing is written.
    #[cfg(feature = "aws")]
    Refresh(refresh::Args),
    /// Compare two price books, and their effect on a plan
    Diff(diff::Args),
    /// Show the regions, services, rows and age of the price book
    Status(StatusArgs),
    /// Show the price rows that contain every given word
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// Print in this format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    prices: PriceArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Words in the region, service, usage type or operation, such as us-east-1 `NatGateway`
    #[arg(required = true)]
    filter: Vec<String>,
    /// Print up to N rows as a table
    #[arg(long, default_value_t = 200)]
    limit: usize,
    /// Print in this format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(command: &Command) -> Result<(), Error> {
    match command {
        #[cfg(feature = "aws")]
        Command::Refresh(args) => refresh::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Status(args) => status(args),
        Command::Show(args) => show(args),
    }
}

fn status(args: &StatusArgs) -> Result<(), Error> {
    let manifest = store::price_manifest(&args.prices.source())?;
    let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
    let lines: Vec<Status> = manifest
        .files
        .iter()
        .filter_map(|listed| {
            let (region, service) = store::price_file(&listed.path)?;
            Some(Status {
                region: region.to_owned(),
                service: service.to_owned(),
                rows: listed.rows,
                oldest: listed.oldest.clone(),
                newest: listed.newest.clone(),
                age_days: report::age(&listed.newest, today),
            })
        })
        .collect();
    match args.format {
        Format::Table => {
            let rows: usize = lines.iter().map(|line| line.rows).sum();
            let mut regions: Vec<&str> = lines.iter().map(|line| &*line.region).collect();
            regions.dedup();
            print(&format!(
                "{}\n\n{rows} rows, {} regions, {} files; manifest sha256 {}\n",
                report::status_table(&lines),
                regions.len(),
                lines.len(),
                manifest.sha256
            ))
        }
        Format::Json => print(&pretty(&lines)?),
        Format::Csv => print(&records(&lines)?),
    }?;
    // The table shows the manifest; a plan reads the files.
    let broken = store::broken_prices(&manifest);
    if broken.is_empty() { Ok(()) } else { Err(Error::input(broken)) }
}

fn show(args: &ShowArgs) -> Result<(), Error> {
    let manifest = store::price_manifest(&args.prices.source())?;
    // A word that is a region spares reading the others.
    let words: Vec<&str> = args.filter.iter().map(String::as_str).collect();
    let regions: Vec<&str> = manifest
        .files
        .iter()
        .filter_map(|listed| store::price_file(&listed.path))
        .map(|(region, _)| region)
        .filter(|region| words.contains(region))
        .collect();
    let only = (!regions.is_empty()).then_some(&*regions);
    let book = store::load_prices_with(&manifest, only, &args.filter)?;
    let rows = report::show(&book, &args.filter);
    if rows.is_empty() {
        let message = format!(
            "no price row contains {}; `runrate prices status` lists regions and services",
            words.join(" ")
        );
        return Err(Error::at(Place::default(), message));
    }
    match args.format {
        Format::Table => {
            print(&(report::show_table(&rows, args.limit) + "\n"))?;
            if rows.len() > args.limit {
                say(&format!(
                    "printed {} of {} rows; add a word, or raise --limit",
                    args.limit,
                    rows.len()
                ));
            }
            Ok(())
        }
        Format::Json => print(&pretty(&rows)?),
        Format::Csv => print(&records(&rows.iter().map(Flat::of).collect::<Vec<_>>())?),
    }
}

/// A row without nesting, for CSV.
#[derive(serde::Serialize)]
struct Flat<'a> {
    region: &'a str,
    service: &'a str,
    usage_type: &'a str,
    operation: &'a str,
    from: &'a str,
    to: &'a str,
    usd_per_unit: &'a str,
    unit: &'a str,
    as_of: &'a str,
    confidence: &'a str,
    used: bool,
    source: &'a str,
    note: &'a str,
}

impl<'a> Flat<'a> {
    fn of(row: &'a report::Shown) -> Self {
        Self {
            region: &row.key.region,
            service: &row.key.service,
            usage_type: &row.key.usage_type,
            operation: &row.key.operation,
            from: &row.from,
            to: &row.to,
            usd_per_unit: &row.usd,
            unit: &row.unit,
            as_of: &row.as_of,
            confidence: &row.confidence,
            used: row.used,
            source: &row.source,
            note: &row.note,
        }
    }
}

fn records<T: serde::Serialize>(rows: &[T]) -> Result<String, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(|error| super::failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| super::failed(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
