//! `runrate commit`.

use std::path::PathBuf;

use super::{
    PriceArgs,
    output::{Output, answer},
    say,
    trials::{TrialArgs, percent},
};
use crate::{
    advice::commit::{self, Question},
    app::store,
    error::Error,
    facts::commitment_rates::{Payment, Term},
    page::content,
    plan::simulate::Prepared,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario file; what it already has bought is counted first
    scenario: PathBuf,
    #[command(flatten)]
    trials: TrialArgs,
    /// Look at a Compute Savings Plan with the discount that AWS quotes; the book has no price of it
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    compute_discount: Option<f64>,
    /// Term of that plan
    #[arg(long, value_name = "TERM", value_parser = term, default_value = "1yr", requires = "compute_discount")]
    term: Term,
    /// How that plan is paid
    #[arg(long, value_name = "HOW", value_parser = payment, default_value = "no-upfront", requires = "compute_discount")]
    payment: Payment,
    /// Months between purchases
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36), default_value_t = 3)]
    every: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

fn term(text: &str) -> Result<Term, String> {
    [Term::One, Term::Three]
        .into_iter()
        .find(|term| term.name() == text)
        .ok_or_else(|| "give 1yr or 3yr".into())
}

fn payment(text: &str) -> Result<Payment, String> {
    [Payment::NoUpfront, Payment::PartialUpfront, Payment::AllUpfront]
        .into_iter()
        .find(|payment| payment.name() == text)
        .ok_or_else(|| "give no-upfront, partial-upfront or all-upfront".into())
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let catalog = store::embedded_catalog()?;
    let (scenario, inputs) = store::load_scenario(&args.scenario, &catalog)?;
    let facts = store::load_facts(catalog, &args.prices.source(), &scenario.regions())?;
    let prepared = Prepared::new(&scenario, &facts, &inputs)?;
    let question = Question {
        every: args.every,
        compute: args.compute_discount.map(|share| (share, args.term, args.payment)),
    };
    let advice = args
        .trials
        .watch(1, |trials, watch| commit::advise(&prepared, &question, trials, watch))?;
    if advice.stopped {
        say("stopped by Ctrl-C; the recommendation is based on the trials that finished");
    }
    answer(&content::commit::page(&advice), &advice, &args.output)
}
