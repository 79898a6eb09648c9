//! `runrate limits`.

use std::path::PathBuf;

use super::{
    PriceArgs,
    open::Opener,
    output::{Output, answer},
};
use crate::{
    error::{Error, Place},
    measure::calendar::Month,
    page::content,
    plan::limits::{self, Request},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this scenario file
    scenario: PathBuf,
    /// Look at this month of the plan [default: the last]
    #[arg(long, value_name = "MONTH", value_parser = super::simulate::month)]
    at: Option<Month>,
    /// Look as far as this many users [default: twice the most of the plan]
    #[arg(long, value_name = "USERS", value_parser = clap::value_parser!(u32).range(1..))]
    up_to: Option<u32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let case = Opener::new(&args.prices)?.case(&args.scenario)?;
    let prepared = case.prepared()?;
    let request = Request { month: args.at, users: args.up_to.map(f64::from) };
    let Some(found) = limits::find(&prepared, request)? else {
        let message = "the month has no users, so no limit depends on them. Name another with --at";
        return Err(Error::at(Place::file(&args.scenario.display().to_string()), message));
    };
    answer(&content::limits::page(&case.scenario.plan.name, &found), &found, &args.output)
}
