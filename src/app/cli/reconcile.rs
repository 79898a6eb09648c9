//! `runrate reconcile`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{
    PriceArgs,
    open::{BillArgs, Opener},
    output::{Output, answer},
    trials::percent_or_zero,
};
use crate::{
    app::store,
    bills::{
        actuals::{Metric, MonthBill, layout::Billing, naming::Naming},
        reconcile::{self, Options, Partial, Reconciliation},
    },
    error::{Error, Place},
    measure::calendar::Month,
    page::content,
    plan::Plan,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this saved plan (plan.json of `plan --out`), or plan this scenario
    plan: PathBuf,
    #[command(flatten)]
    against: Against,
    /// Exit with 3 if the month of an account is off by more than this share, such as 15%
    #[arg(long, value_name = "PERCENT", value_parser = percent_or_zero)]
    fail_over: Option<f64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

/// Bills, and which part of them is compared.
#[derive(Debug, clap::Args)]
pub(super) struct Against {
    #[command(flatten)]
    bills: BillArgs,
    /// Compare this cost [default: amortized if the plan has commitments and the bills have it, else unblended]
    #[arg(long, value_enum)]
    metric: Option<Cost>,
    /// First month, such as 2027-03
    #[arg(long, value_name = "MONTH", value_parser = month)]
    from: Option<Month>,
    /// Last month
    #[arg(long, value_name = "MONTH", value_parser = month)]
    to: Option<Month>,
    /// Treat months whose bill ends early in this way
    #[arg(long, value_enum, default_value_t = Cut::Exclude)]
    partial: Cut,
    /// Exit with 4 if the newest stored bill was read more than this many days ago
    #[arg(long, value_name = "DAYS", default_value_t = 45)]
    max_age: u32,
}

impl Against {
    /// Returns whether flags narrow the comparison.
    pub(super) fn narrows(&self) -> bool {
        let unusual = self.metric.is_some() || !matches!(self.partial, Cut::Exclude);
        unusual || self.from.is_some() || self.to.is_some()
    }

    /// Returns whether exports are named.
    pub(super) fn names_bills(&self) -> bool {
        !self.bills.exports.is_empty()
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Cost {
    /// Charges as they occur
    Unblended,
    /// Commitment fees spread over their term
    Amortized,
    /// Unblended after discounts
    NetUnblended,
    /// Amortized after discounts
    NetAmortized,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Cut {
    /// Skip these months
    Exclude,
    /// Scale the plan's month to the billed days
    ProRata,
}

fn month(text: &str) -> Result<Month, String> {
    text.parse().map_err(|_| "expected a month, such as 2027-03".to_owned())
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let opener = Opener::new(&args.prices)?;
    let plan = opener.plan(&args.plan)?;
    let done = reconcile(&args.against, &opener, &plan)?;
    answer(&content::reconcile::page(&done), &done, &args.output)?;
    gate(args, &done)
}

/// Compares a plan with the stored bills, or with exports.
pub(super) fn reconcile(
    against: &Against,
    opener: &Opener,
    plan: &Plan,
) -> Result<Reconciliation, Error> {
    let billing: Billing = store::model()?;
    let bills = bills(against, &billing)?;
    let book = opener.book()?;
    let naming = Naming::new(&book, &opener.catalog, &billing);
    let options = Options {
        metric: match against.metric {
            None => reconcile::comparable_metric(plan, &bills),
            Some(Cost::Unblended) => Metric::Unblended,
            Some(Cost::Amortized) => Metric::Amortized,
            Some(Cost::NetUnblended) => Metric::NetUnblended,
            Some(Cost::NetAmortized) => Metric::NetAmortized,
        },
        partial: match against.partial {
            Cut::Exclude => Partial::Exclude,
            Cut::ProRata => Partial::ProRata,
        },
        from: against.from,
        to: against.to,
        bars: billing.accuracy,
    };
    reconcile::reconcile(plan, &bills, &naming, &billing.not_billed_by_aws, options).map_err(gap)
}

/// Converts a failed comparison to an error of the right kind.
pub(super) fn gap(gap: reconcile::Gap) -> Error {
    match gap {
        reconcile::Gap::Actuals(message) => Error::actuals(Place::default(), message),
        reconcile::Gap::Input(message) => Error::at(Place::default(), message),
    }
}

/// Opens bills; stored ones must be recent.
fn bills(args: &Against, billing: &Billing) -> Result<Vec<MonthBill>, Error> {
    let bills = Opener::bills(&args.bills, billing)?;
    let newest = bills.iter().max_by_key(|bill| &bill.read_at);
    let (Some(newest), false) = (newest, args.names_bills()) else { return Ok(bills) };
    let place = || Place::file(&args.bills.kept.folder().display().to_string());
    let read: jiff::Timestamp = newest.read_at.parse().map_err(|_| {
        Error::at(place(), format!("{}: {:?} is not a time", newest.month, newest.read_at))
    })?;
    let age = jiff::Timestamp::now().duration_since(read).as_hours() / 24;
    if age > i64::from(args.max_age) {
        let message = format!(
            "the newest bill was read {age} days ago ({}); import or pull again, or raise --max-age",
            newest.read_at
        );
        return Err(Error::actuals(place(), message));
    }
    Ok(bills)
}

fn gate(args: &Args, done: &Reconciliation) -> Result<(), Error> {
    let (Some(most), Some((month, account, off))) = (args.fail_over, done.worst()) else {
        return Ok(());
    };
    if off <= most {
        return Ok(());
    }
    Err(Error::check(format!(
        "{account} in {month} is off by {:.1} %, above --fail-over {:.1} %",
        100.0 * off,
        100.0 * most
    )))
}
