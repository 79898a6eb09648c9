//! `runrate compare`.

use super::{
    PriceArgs,
    open::{Opener, Planned},
    output::{Output, answer},
    trials::{TrialArgs, percent_or_zero},
};
use crate::{
    advice::compare::{self, Compared, Side},
    error::Error,
    page::content::compared,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read A: a scenario, a saved plan.json, or a scenario of a git revision (main:scenario.toml)
    a: String,
    /// Read B, of the same kinds
    b: String,
    #[command(flatten)]
    trials: TrialArgs,
    /// Exit with 3 if B costs more than A by over this share, such as 5%
    #[arg(long, value_name = "PERCENT", value_parser = percent_or_zero)]
    fail_over: Option<f64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let done = compare(args)?;
    answer(&compared::page(&done), &done, &args.output)?;
    let Some(most) = args.fail_over else { return Ok(()) };
    let over = done.total_b.to_f64() > done.total_a.to_f64() * (1.0 + most);
    if over { Err(Error::check(compared::exceeded(&done, most))) } else { Ok(()) }
}

fn compare(args: &Args) -> Result<Compared, Error> {
    let opener = Opener::new(&args.prices)?;
    let (a, b) = (opener.planned(&args.a)?, opener.planned(&args.b)?);
    if let (Planned::Scenario(a, a_inputs), Planned::Scenario(b, b_inputs)) = (&a, &b) {
        let facts = opener.facts(&[a, b])?;
        let a = Side { name: &args.a, scenario: a, inputs: a_inputs };
        let b = Side { name: &args.b, scenario: b, inputs: b_inputs };
        // Each trial is run on both sides.
        return args
            .trials
            .watch(2, |trials, watch| compare::scenarios((a, b), &facts, trials, watch));
    }
    // A saved plan is compared with the mid case of a scenario.
    let plan = |planned: Planned| match planned {
        Planned::Saved(plan) => Ok(plan),
        Planned::Scenario(scenario, inputs) => opener.complete(scenario, inputs)?.plan(),
    };
    compare::plans((&args.a, &plan(a)?), (&args.b, &plan(b)?))
}
