//! `runrate commit`.

use std::path::PathBuf;

use super::{
    PriceArgs, failed_with,
    open::{Case, Opener},
    output::{Output, answer},
    say,
    trials::{TrialArgs, percent, percent_or_zero},
};
use crate::{
    advice::commit::{self, NewerClass, Question, Quote},
    app::store,
    error::{Error, Place, nearest},
    facts::commitment_rates::{Kind, Offering, OfferingClass, Payment, Term},
    intent::scenario::edit,
    measure::calendar::Month,
    page::content,
    plan::simulate::Prepared,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file; its existing commitments apply first
    scenario: PathBuf,
    #[command(flatten)]
    trials: TrialArgs,
    /// Buy nothing before this month [default: the next month that begins]
    #[arg(long, value_name = "MONTH")]
    from: Option<Month>,
    /// Allow a loss in at most this share of the trials
    #[arg(long, value_name = "PERCENT", value_parser = percent_or_zero, default_value = "10%")]
    max_loss_chance: f64,
    /// Allow a loss of at most this amount in any trial [default: no limit]
    #[arg(long, value_name = "USD", value_parser = amount)]
    max_loss: Option<f64>,
    /// Consider an offering at the discount that AWS quotes, such as database-savings-plan=20%;
    /// with a term and a payment option, rds-reserved-instance:1yr:no-upfront=30%. May be repeated
    #[arg(long, value_name = "KIND=PERCENT", value_parser = quote)]
    discount: Vec<Quote>,
    /// Discount of a Database Savings Plan on serverless capacity, where it differs
    #[arg(long, value_name = "PERCENT", value_parser = percent, requires = "discount")]
    serverless_discount: Option<f64>,
    /// Consider a Compute Savings Plan at this discount, as AWS quotes it
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    compute_discount: Option<f64>,
    /// Term of the Compute Savings Plan
    #[arg(long, value_name = "TERM", value_parser = term, default_value = "1yr", requires = "compute_discount")]
    term: Term,
    /// Payment option of the Compute Savings Plan
    #[arg(long, value_name = "HOW", value_parser = payment, default_value = "no-upfront", requires = "compute_discount")]
    payment: Payment,
    /// Buy every N months
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36), default_value_t = 3)]
    every: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

fn term(text: &str) -> Result<Term, String> {
    Term::ALL
        .into_iter()
        .find(|term| term.name() == text)
        .ok_or_else(|| "expected 1yr or 3yr".into())
}

fn payment(text: &str) -> Result<Payment, String> {
    Payment::ALL
        .into_iter()
        .find(|payment| payment.name() == text)
        .ok_or_else(|| "expected no-upfront, partial-upfront or all-upfront".into())
}

fn amount(text: &str) -> Result<f64, String> {
    let amount = text.trim().trim_start_matches('$').parse::<f64>().ok();
    amount
        .filter(|amount| (0.0..=1e12).contains(amount))
        .ok_or_else(|| "expected an amount of 0 or more, such as 500".into())
}

/// Reads `KIND[:TERM[:PAYMENT]]=PERCENT`; one year and no upfront where they are missing.
fn quote(text: &str) -> Result<Quote, String> {
    let (offering, discount) =
        text.split_once('=').ok_or("expected KIND=PERCENT, such as database-savings-plan=20%")?;
    let mut parts = offering.split(':').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let near = nearest(name, Kind::ALL.map(Kind::name));
        let near = near.map(|near| format!("; did you mean {near}?"));
        let near =
            near.unwrap_or_else(|| format!("; accepted: {}", Kind::ALL.map(Kind::name).join(", ")));
        format!("{name:?} is no kind of commitment{near}")
    })?;
    let term = parts.next().map_or(Ok(Term::One), term)?;
    let payment = parts.next().map_or(Ok(Payment::NoUpfront), payment)?;
    if parts.next().is_some() {
        return Err("expected at most KIND:TERM:PAYMENT before the equals sign".into());
    }
    let offering = Offering { kind, class: OfferingClass::Standard, term, payment };
    Ok(Quote { offering, discount: percent(discount)?, serverless: None })
}

/// Returns the first month whose first hour is still to come: commitments begin there.
fn next_month() -> Result<Month, Error> {
    let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
    let month =
        Month::of(today).ok_or_else(|| failed_with("the clock shows no year of this era"))?;
    Ok(if today.day() == 1 { month } else { month.plus(1) })
}

/// Opens the scenario with a newer database class.
fn moved(opener: &Opener, args: &Args, case: &Case, newer: &NewerClass) -> Result<Case, Error> {
    let place = || Place::file(&args.scenario.display().to_string());
    let text = store::read_text(&args.scenario)?;
    let text = edit::set(&text, &newer.edits(&case.scenario.document.table))
        .map_err(|message| Error::at(place(), message))?;
    opener.case_of_text(&args.scenario, &text)
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let opener = Opener::new(&args.prices)?;
    let case = opener.case(&args.scenario)?;
    let prepared = case.prepared()?;
    let mut quotes = args.discount.clone();
    for quote in &quotes {
        let Offering { kind, term, payment, .. } = quote.offering;
        if let Some(refusal) = prepared.commitment_rules().refusal(kind, term, payment) {
            return Err(Error::at(Place::file("--discount"), refusal.message));
        }
    }
    quotes.extend(args.compute_discount.map(|discount| {
        let (kind, class) = (Kind::ComputeSavingsPlan, OfferingClass::Standard);
        let offering = Offering { kind, class, term: args.term, payment: args.payment };
        Quote { offering, discount, serverless: None }
    }));
    for quote in quotes.iter_mut().filter(|own| own.offering.kind == Kind::DatabaseSavingsPlan) {
        quote.serverless = args.serverless_discount;
    }
    let question = Question {
        from: args.from.map_or_else(next_month, Ok)?,
        every: args.every,
        max_loss_chance: args.max_loss_chance,
        max_loss: args.max_loss,
        quotes,
    };
    let answer_for = |prepared: &Prepared<'_>| {
        args.trials.watch(1, |trials, watch| commit::advise(prepared, &question, trials, watch))
    };
    let mut advised = answer_for(&prepared)?;
    if let Some(newer) = NewerClass::of(&prepared, &question)?.filter(|_| !advised.stopped) {
        let name = format!("a move from {} to {}", newer.from, newer.to);
        let compared = moved(&opener, args, &case, &newer).and_then(|case| {
            let moved = case.prepared()?;
            newer.compare((&prepared, &advised), (&moved, &answer_for(&moved)?))
        });
        match compared {
            Ok(compared) => advised.class_move = Some(compared),
            Err(error) => advised.notes.push(format!("skipped: {name}: {error}")),
        }
    }
    if advised.stopped {
        say("interrupted by Ctrl-C: the recommendation uses the finished trials only");
    }
    answer(&content::commit::page(&advised), &advised, &args.output)
}
