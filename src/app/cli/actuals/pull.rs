//! `runrate actuals pull`: the only command that requests costs from AWS.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{
    Kept, now,
    privacy::{self, Privacy},
    show,
};
use crate::{
    app::{
        aws::cost_explorer::{self, CostExplorer},
        cli::{AwsArgs, output::Output, say},
        store,
    },
    bills::actuals::{
        self, MonthBill,
        span::{self, Span},
    },
    bounds,
    error::{Error, Place},
    measure::{calendar::Month, units::count},
};

#[derive(Debug, clap::Args)]
pub(in crate::app::cli) struct Args {
    /// First month, such as 2027-01 [default: the oldest that Cost Explorer has]
    #[arg(long, value_name = "MONTH", value_parser = month)]
    from: Option<Month>,
    /// Last month [default: the current one, up to yesterday]
    #[arg(long, value_name = "MONTH", value_parser = month)]
    to: Option<Month>,
    #[command(flatten)]
    aws: AwsArgs,
    /// Request days or months
    #[arg(long, value_enum, default_value_t = Granularity::Monthly)]
    granularity: Granularity,
    /// Pull only this account; may be repeated [default: all with costs]
    #[arg(long = "account", value_name = "ID")]
    accounts: Vec<String>,
    /// Pull closed months again
    #[arg(long)]
    again: bool,
    /// Send up to N requests; nothing is stored if more are needed
    #[arg(long, value_name = "N", default_value_t = bounds::REQUESTS, value_parser = clap::value_parser!(u64).range(1..))]
    max_requests: u64,
    /// Pull N months of AWS's own forecast as a baseline; 0 for none
    #[arg(long, value_name = "N", default_value_t = 12)]
    forecast: u32,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    privacy: privacy::Flag,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Granularity {
    /// Fewer rows and requests
    Monthly,
    /// Shows the last billed day of an open month
    Daily,
}

fn month(text: &str) -> Result<Month, String> {
    text.parse().map_err(|_| "expected a month, such as 2027-03".to_owned())
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    Privacy::within(args.privacy, args.kept.folder(), |privacy| ask(args, privacy))
}

fn ask(args: &Args, privacy: &mut Privacy<'_>) -> Result<(), Error> {
    let billing: actuals::layout::Billing = store::model()?;
    let facts = &billing.cost_explorer;
    let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
    let this = Month::of(today).ok_or_else(|| Error::failed(Place::default(), "no such month"))?;
    let oldest = (1..facts.months).fold(this, |month, _| before(month));
    let (from, to) = (args.from.unwrap_or(oldest), args.to.unwrap_or(this));
    check(from, to, oldest, this, facts.months)?;
    let folder = args.kept.folder();
    let mut kept = if args.again { Vec::new() } else { store::load_bills(folder)? };
    let spans = span::wanted(from, to, &kept, today);
    if spans.is_empty() {
        say(
            "nothing to pull: all of these months are closed and stored; pass --again to pull them anyway",
        );
        privacy.hide(&mut kept)?;
        return show(&kept, &args.output);
    }
    let price = |requests: u64| facts.usd_per_request * Decimal::from(requests);
    let months: usize = spans.iter().map(|span| span.months.len()).sum();
    say(&format!(
        "{} to pull. Cost Explorer charges ${} per request: 2 requests list accounts and record types, then 2 or more per account and span of months (usage, covered usage, the rest), and 1 for each further page{}. Up to {} requests are sent, ${} (--max-requests)",
        count(months, "month"),
        facts.usd_per_request,
        if args.forecast > 0 { ", and 1 forecast per account" } else { "" },
        args.max_requests,
        price(args.max_requests)
    ));
    let mut connection = CostExplorer::connect(
        &args.aws.settings(&facts.region),
        args.granularity == Granularity::Daily,
        args.max_requests,
    )?;
    let pulled = pull(args, &mut connection, &spans, (&billing, today, price), privacy);
    // Answered requests are charged, whether the rest succeeds or not.
    let (requests, cost) = (connection.requests, price(connection.requests));
    say(&format!("{requests} requests were answered: ${cost}"));
    let mut bills = pulled?;
    privacy.save(&mut bills)?;
    privacy.say(&format!("wrote {} to {}", count(bills.len(), "month"), folder.display()));
    show(&bills, &args.output)
}

fn before(month: Month) -> Month {
    let first = month.first_day();
    first.yesterday().ok().and_then(Month::of).unwrap_or(month)
}

fn check(from: Month, to: Month, oldest: Month, this: Month, reach: u32) -> Result<(), Error> {
    let wrong = |flag: &str, message: String| {
        Err(Error::at(Place { key: Some(flag.into()), ..Place::default() }, message))
    };
    if from > to {
        return wrong("--from", format!("{from} is after --to ({to})"));
    }
    if to > this {
        return wrong("--to", format!("{to} is in the future; give {this} or earlier"));
    }
    if from < oldest {
        let message = format!(
            "Cost Explorer keeps {reach} months and {from} is older; give {oldest} or later, and import an export for earlier months"
        );
        return wrong("--from", message);
    }
    Ok(())
}

fn pull(
    args: &Args,
    connection: &mut CostExplorer,
    spans: &[Span],
    (billing, today, price): (
        &actuals::layout::Billing,
        jiff::civil::Date,
        impl Fn(u64) -> Decimal,
    ),
    privacy: &Privacy<'_>,
) -> Result<Vec<MonthBill>, Error> {
    let whole = Span {
        start: spans[0].start.clone(),
        end: spans[spans.len() - 1].end.clone(),
        months: Vec::new(),
    };
    let (mut accounts, records) = connection.dimensions(&whole)?;
    if !args.accounts.is_empty() {
        for wanted in &args.accounts {
            if !accounts.iter().any(|(id, _)| id == wanted) {
                let known: Vec<&str> = accounts.iter().map(|(id, _)| id.as_str()).collect();
                let message =
                    format!("account {wanted} has no costs; expected one of {}", known.join(", "));
                let place = Place { key: Some("--account".into()), ..Place::default() };
                return Err(Error::at(place, message));
            }
        }
        accounts.retain(|(id, _)| args.accounts.contains(id));
    }
    let questions = cost_explorer::questions(&records, billing).len() * spans.len();
    let least = accounts.len() as u64 * (questions as u64 + u64::from(args.forecast > 0));
    say(&format!(
        "{} with {}: at least {least} more requests, ${}",
        count(accounts.len(), "account"),
        count(records.len(), "record type"),
        price(least)
    ));
    let needed = connection.requests + least;
    if needed > args.max_requests {
        let message = format!(
            "at least {needed} requests are needed (${}), but the limit is {}. Raise it to {needed}, or pull fewer months or accounts",
            price(needed),
            args.max_requests
        );
        let place = Place { key: Some("--max-requests".into()), ..Place::default() };
        return Err(Error::at(place, message));
    }
    let read_at = now();
    let mut months: BTreeMap<Month, MonthBill> = BTreeMap::new();
    for (account, _) in &accounts {
        for span in spans {
            for bill in connection.pull(account, span, &records, (billing, &read_at))? {
                match months.get_mut(&bill.month) {
                    Some(known) => known
                        .add(bill)
                        .map_err(|message| Error::failed(Place::default(), message))?,
                    None => {
                        months.insert(bill.month, bill);
                    }
                }
            }
        }
    }
    let mut bills: Vec<MonthBill> = months.into_values().collect();
    for bill in &mut bills {
        bill.source = "Cost Explorer".into();
    }
    if args.forecast > 0 {
        let ahead = args.forecast.min(billing.cost_explorer.forecast_months);
        let end = Month::of(today).map(|this| this.plus(ahead + 1).first_day().to_string());
        let span =
            Span { start: today.to_string(), end: end.unwrap_or_default(), months: Vec::new() };
        if let Some(newest) = bills.last_mut() {
            newest.forecasts = forecasts(connection, &accounts, &span, privacy);
        }
    }
    Ok(bills)
}

/// Returns the forecasts of the accounts, up to the first that AWS refuses. The requests of the bill are charged already,
/// so it is kept without them.
fn forecasts(
    connection: &mut CostExplorer,
    accounts: &[(String, String)],
    span: &Span,
    privacy: &Privacy<'_>,
) -> Vec<actuals::Forecast> {
    let mut all = Vec::new();
    for (account, _) in accounts {
        match connection.forecast(account, span) {
            Ok(forecasts) => {
                if forecasts.is_empty() {
                    privacy.say(&format!(
                        "AWS has too little history of account {account} to forecast it"
                    ));
                }
                all.extend(forecasts);
            }
            Err(error) => {
                privacy.say(&format!(
                    "warning: no AWS forecast from account {account} on: {error}; pass --forecast 0 to skip forecasts"
                ));
                break;
            }
        }
    }
    all
}
