//! `runrate rate`.

use std::path::PathBuf;

use super::{
    PriceArgs,
    open::Opener,
    output::{Output, answer},
    say,
};
use crate::{
    app::store,
    error::{Error, Place, Problem},
    money::rate::{Sharing, Unpriced, usage},
    page::content::rated,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this CSV: `month,account,region,service,usage_type,operation,quantity`, and `amount_usd` for
    /// lines that the price book does not price, such as usage.csv of `plan --out`
    usage: PathBuf,
    /// Share price tiers and free tiers between all accounts, as consolidated billing does
    #[arg(long)]
    consolidated: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let text = store::read_table(&args.usage, "usage lines, such as usage.csv of `plan --out`")?;
    let opener = Opener::new(&args.prices)?;
    let book = opener.book()?;
    let file = args.usage.display().to_string();
    let read = usage::parse(&file, &text, &book)?;
    let sharing = if args.consolidated { Sharing::Consolidated } else { Sharing::PerAccount };
    let support = &opener.catalog.controllers.support;
    let rated = read.rate(&book, sharing, support).map_err(|unpriced| {
        let problem = |unpriced: Unpriced| {
            Problem::new(Place::line(&file, read.lines[unpriced.line]), unpriced.message)
        };
        Error::input(unpriced.into_iter().map(problem).collect())
    })?;
    for beyond in rated.beyond() {
        say(&format!("warning: {beyond}"));
    }
    let (by, total) = rated::totals(&rated);
    let totals: Vec<_> = by
        .into_iter()
        .map(|((month, account), cost)| {
            serde_json::json!({ "month": month, "account": account, "cost_usd": cost })
        })
        .collect();
    let document = serde_json::json!({
        "currency": "USD",
        "lines": rated::lines(&rated),
        "totals": totals,
        "total_usd": total,
    });
    answer(&rated::page(&rated), &document, &args.output)
}
