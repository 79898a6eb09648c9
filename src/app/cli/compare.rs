//! `runrate compare`.

use std::path::Path;

use super::{
    PriceArgs,
    output::{Output, answer},
    trials::{TrialArgs, percent_or_zero},
};
use crate::{
    advice::compare::{self, Compared, Side},
    app::store,
    error::Error,
    intent::scenario::Scenario,
    page::content::compared,
    plan::{
        Plan,
        simulate::{Inputs, Prepared},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario, saved plan.json, or a scenario of a git revision: main:scenario.toml
    a: String,
    /// What to compare it with: the same kinds
    b: String,
    #[command(flatten)]
    trials: TrialArgs,
    /// Exit with 3 when B costs more than A by over this share: 5%, or 0%
    #[arg(long, value_name = "PERCENT", value_parser = percent_or_zero)]
    fail_over: Option<f64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

enum Given {
    Scenario(Box<(Scenario, Inputs)>),
    Plan(Box<Plan>),
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let done = compare(args)?;
    answer(&compared::page(&done), &done, &args.output)?;
    let Some(most) = args.fail_over else { return Ok(()) };
    let over = done.total_b.to_f64() > done.total_a.to_f64() * (1.0 + most);
    if over { Err(Error::check(compared::exceeded(&done, most))) } else { Ok(()) }
}

fn compare(args: &Args) -> Result<Compared, Error> {
    let catalog = store::embedded_catalog()?;
    let read = |text: &str| -> Result<Given, Error> {
        let path = Path::new(text);
        if path.extension().is_some_and(|ending| ending == "json") {
            return Ok(Given::Plan(Box::new(store::load_plan(path)?)));
        }
        if path.is_dir() {
            return Ok(Given::Plan(Box::new(store::load_plan(&path.join("plan.json"))?)));
        }
        let scenario = match text.split_once(':') {
            Some((revision, file)) if !path.exists() => {
                store::load_scenario_at(revision, Path::new(file), &catalog)?
            }
            _ => store::load_scenario(path, &catalog)?,
        };
        Ok(Given::Scenario(Box::new(scenario)))
    };
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    match (&a, &b) {
        (Given::Scenario(a), Given::Scenario(b)) => {
            let mut regions = a.0.regions();
            regions.extend(b.0.regions());
            regions.sort_unstable();
            regions.dedup();
            let facts = store::load_facts(catalog, &args.prices.source(), &regions)?;
            let a = Side { name: &args.a, scenario: &a.0, inputs: &a.1 };
            let b = Side { name: &args.b, scenario: &b.0, inputs: &b.1 };
            // Each trial is run on both sides.
            args.trials.watch(2, |trials, watch| compare::scenarios((a, b), &facts, trials, watch))
        }
        (Given::Plan(a), Given::Plan(b)) => compare::plans((&args.a, a), (&args.b, b)),
        (Given::Plan(plan), Given::Scenario(other)) => {
            let made = planned(args, other)?;
            compare::plans((&args.a, plan), (&args.b, &made))
        }
        (Given::Scenario(other), Given::Plan(plan)) => {
            let made = planned(args, other)?;
            compare::plans((&args.a, &made), (&args.b, plan))
        }
    }
}

/// The mid-value line of a scenario, to hold against a saved plan.
fn planned(args: &Args, given: &(Scenario, Inputs)) -> Result<Plan, Error> {
    let (scenario, inputs) = given;
    let catalog = store::embedded_catalog()?;
    let facts = store::load_facts(catalog, &args.prices.source(), &scenario.regions())?;
    Prepared::new(scenario, &facts, inputs)?.run(0)
}
