//! `runrate prices`.

use super::{
    PriceArgs,
    output::{Output, answer},
};
use crate::{
    app::store,
    error::{Error, Place},
    page::content::prices::{self as page, Status},
};

mod diff;
mod missing;
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
    /// List the meters that services can emit and the price book cannot price
    Missing(missing::Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// Words in the region, service, usage type or operation, such as us-east-1 `NatGateway`
    #[arg(required = true)]
    filter: Vec<String>,
    /// Show up to N rows in tables; csv and json have all
    #[arg(long, default_value_t = 200)]
    limit: usize,
    #[command(flatten)]
    output: Output,
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
        Command::Missing(args) => missing::run(args),
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
                age_days: page::age(&listed.newest, today),
            })
        })
        .collect();
    answer(&page::status_page(&lines, &manifest.sha256), &lines, &args.output)?;
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
    let rows = page::show(&book, &args.filter);
    if rows.is_empty() {
        let message = format!(
            "no price row contains {}; `runrate prices status` lists regions and services",
            words.join(" ")
        );
        return Err(Error::at(Place::default(), message));
    }
    answer(&page::show_page(&rows, args.limit), &rows, &args.output)
}
