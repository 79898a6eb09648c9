//! `runrate prices diff`.

use std::path::{Path, PathBuf};

use crate::{
    app::{
        cli::{
            open::{Opener, check_planned},
            output::{Output, answer},
            say,
        },
        store::{self, PriceSource},
    },
    error::{Error, Place, Problem},
    facts::{
        price_list::{self, Change},
        prices::PriceBook,
    },
    money::rate::{self, Sharing, Usage},
    page::content::prices as page,
    plan::Plan,
    usage::services::{Basis, UsageLine},
};

/// Name of the built-in price book.
const BUILT_IN: &str = "built-in";

#[derive(Debug, clap::Args)]
pub(in crate::app::cli) struct Args {
    /// Read the old price book from this folder, or `built-in`
    old: PathBuf,
    /// Read the new price book from this folder, or `built-in`
    new: PathBuf,
    /// Show the effect on this scenario (planned with each book) or saved plan (its usage priced again)
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

fn opener(folder: &Path) -> Result<Opener, Error> {
    Opener::with_prices(if folder.as_os_str() == BUILT_IN {
        PriceSource::Embedded
    } else {
        PriceSource::Folder(folder.to_owned())
    })
}

pub(in crate::app::cli) fn run(args: &Args) -> Result<(), Error> {
    let (old, new) = (opener(&args.old)?, opener(&args.new)?);
    let (before, after) = (old.book()?, new.book()?);
    let changes: Vec<Change> = price_list::diff(&before, &after);
    let effect = match &args.plan {
        None => None,
        Some(path) if check_planned(path)? => {
            let plan = store::load_plan(path)?;
            let usage = usage(&plan);
            let sharing = sharing(&plan);
            let [old, new] = [(&args.old, &before), (&args.new, &after)]
                .map(|(folder, book)| priced(&usage, (book, sharing), folder));
            let how = "the plan's usage, priced again; without support and tax";
            Some(page::Effect::of((old?.entries, new?.entries), how))
        }
        Some(path) => {
            let (old, new) = (old.plan(path)?, new.plan(path)?);
            let how = "planned anew: autoscalers may choose other instance types at other prices";
            let entries = (old.entries, new.entries);
            Some(page::Effect::of(entries, how))
        }
    };
    let done = page::Diff { changes, effect };
    answer(&page::diff_page(&done), &done, &args.output)
}

/// Returns the usage lines of a plan.
fn usage(plan: &Plan) -> Vec<Usage> {
    let line = |entry: &crate::money::ledger::Entry| Usage {
        month: entry.month,
        account: entry.account.clone(),
        line: UsageLine {
            key: entry.key.clone(),
            resource: entry.resource.clone(),
            quantity: entry.quantity,
            hours: Vec::new(),
            zones: None,
            why: Basis::default(),
        },
    };
    let metered = |entry: &&crate::money::ledger::Entry| !rate::surcharge::is_surcharge(&entry.key);
    plan.entries.iter().filter(metered).map(line).collect()
}

/// Returns whether the accounts of the plan share price tiers.
fn sharing(plan: &Plan) -> Sharing {
    let accounts: Vec<&str> = plan.accounts.iter().map(|account| &*account.name).collect();
    let apart = plan.charges.iter().all(|charge| accounts.contains(&&*charge.scope));
    if apart { Sharing::PerAccount } else { Sharing::Consolidated }
}

fn priced(
    usage: &[Usage],
    (book, sharing): (&PriceBook, Sharing),
    folder: &Path,
) -> Result<rate::Rated, Error> {
    let rated = rate::rate(usage, book, sharing).map_err(|unpriced| {
        let place = || Place::file(&folder.display().to_string());
        Error::input(unpriced.into_iter().map(|it| Problem::new(place(), it.message)).collect())
    })?;
    for beyond in rated.beyond() {
        say(&format!("warning: {}: {beyond}", folder.display()));
    }
    Ok(rated)
}
