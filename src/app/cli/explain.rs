//! `runrate explain`.

use std::path::PathBuf;

use super::output::{Output, answer};
use crate::{
    app::store,
    error::{Error, Place, nearest},
    money::{
        ledger::Entry,
        rate::{Charge, PriceUsed},
    },
    page::content::explained,
    plan::Plan,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read this saved plan (plan.json of `plan --out`)
    plan: PathBuf,
    /// Explain lines whose names contain these parts, such as 2027-05/production/BoxUsage
    key: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(serde::Serialize)]
struct Explained<'a> {
    name: String,
    entry: &'a Entry,
    charge: &'a Charge,
    price: &'a PriceUsed,
}

/// Returns which part of the key occurs nowhere, and the most similar name.
fn hint(plan: &Plan, key: &str) -> String {
    let names: Vec<String> = plan.entries.iter().map(Plan::entry_name).collect();
    let segments = || names.iter().flat_map(|name| name.split('/'));
    let whole = |segment: &str| segment.split([':', '.']).next().unwrap_or_default().to_owned();
    for part in key.split('/').filter(|part| !part.is_empty()) {
        if explained::matching(plan, part).is_empty() {
            let kinds: Vec<String> = segments().map(whole).collect();
            let near = nearest(part, kinds.iter().map(String::as_str));
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            return format!(": no line contains {part:?}{near}");
        }
    }
    ": each part occurs, but not together; `runrate explain PLAN` lists the lines".into()
}

pub(super) fn run(args: &Args) -> Result<(), Error> {
    let plan = store::load_plan(&args.plan)?;
    let key = args.key.as_deref().unwrap_or_default();
    let found = explained::matching(&plan, key);
    if found.is_empty() {
        let hint = hint(&plan, key);
        let file = args.plan.display().to_string();
        return Err(Error::at(Place::file(&file), format!("no line matches {key:?}{hint}")));
    }
    let page = explained::page(&plan, args.key.as_deref(), &found);
    let document: Vec<Explained<'_>> = found
        .iter()
        .map(|entry| Explained {
            name: Plan::entry_name(entry),
            entry,
            charge: &plan.charges[entry.charge],
            price: plan.price_of(entry),
        })
        .collect();
    answer(&page, &document, &args.output)
}
