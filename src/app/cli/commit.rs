//! `runrate commit`.

use std::path::PathBuf;

use super::{
    PriceArgs,
    open::Opener,
    output::{Output, answer},
    say,
    trials::{TrialArgs, percent},
};
use crate::{
    advice::commit::{self, Question},
    error::Error,
    facts::commitment_rates::{Payment, Term},
    page::content,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file; its existing commitments apply first
    scenario: PathBuf,
    #[command(flatten)]
    trials: TrialArgs,
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
    [Term::One, Term::Three]
        .into_iter()
        .find(|term| term.name() == text)
        .ok_or_else(|| "expected 1yr or 3yr".into())
}

fn payment(text: &str) -> Result<Payment, String> {
    [Payment::NoUpfront, Payment::PartialUpfront, Payment::AllUpfront]
        .into_iter()
        .find(|payment| payment.name() == text)
        .ok_or_else(|| "expected no-upfront, partial-upfront or all-upfront".into())
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let case = Opener::new(&args.prices)?.case(&args.scenario)?;
    let prepared = case.prepared()?;
    let question = Question {
        every: args.every,
        compute: args.compute_discount.map(|share| (share, args.term, args.payment)),
    };
    let advice = args
        .trials
        .watch(1, |trials, watch| commit::advise(&prepared, &question, trials, watch))?;
    if advice.stopped {
        say("interrupted by Ctrl-C: the recommendation uses the finished trials only");
    }
    answer(&content::commit::page(&advice), &advice, &args.output)
}
