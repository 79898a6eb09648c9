//! `runrate prices missing`.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    app::{
        cli::{
            PriceArgs,
            output::{Output, answer},
        },
        store,
    },
    error::{Error, Place},
    intent::scenario::Scenario,
    money::inventory::{emitted, sold},
    page::content::missing::{self as page, Missing},
};

#[derive(Debug, clap::Args)]
pub(in crate::app::cli) struct Args {
    /// Look at the services and regions of this scenario [default: all services]
    scenario: Option<PathBuf>,
    /// Look at this region; may be repeated [default: those of the scenario, or all]
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<String>,
    /// List the meters that are not sold in a region too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    prices: PriceArgs,
}

pub(in crate::app::cli) fn run(args: &Args) -> Result<(), Error> {
    let catalog = store::embedded_catalog()?;
    let manifest = store::price_manifest(&args.prices.source())?;
    let in_book = |region: &str| {
        let mut files = manifest.files.iter().filter_map(|listed| store::price_file(&listed.path));
        files.any(|(own, _)| own == region)
    };
    let unknown = |own: &&String| catalog.prefix(own).is_none() && !in_book(own);
    if let Some(region) = args.regions.iter().find(unknown) {
        let place = Place { key: Some("--region".into()), ..Place::default() };
        return Err(Error::at(place, catalog.unknown_region(region)));
    }
    let scenario = match &args.scenario {
        // A region in the place of the scenario.
        Some(path) if path.to_str().is_some_and(|own| catalog.prefix(own).is_some()) => {
            let message = format!("is a region; write --region {}", path.display());
            return Err(Error::at(Place::file(&path.display().to_string()), message));
        }
        Some(path) => Some(store::load_scenario(path, &catalog)?.0),
        None => None,
    };
    let known: Vec<String> = catalog.prefixes.keys().cloned().collect();
    let all: Vec<&str> = known.iter().map(String::as_str).collect();
    let peers = scenario.as_ref().map_or_else(|| all.clone(), Scenario::regions);
    let regions: Vec<&str> = if args.regions.is_empty() {
        peers.clone()
    } else {
        args.regions.iter().map(String::as_str).collect()
    };
    let facts = store::load_facts(catalog, &args.prices.source(), &regions)?;
    let mut found = Missing::default();
    for region in regions {
        let sold = sold((region, &peers), &facts.catalog, &facts.prices);
        let tables = scenario.as_ref().map(|own| tables(own, region, !args.regions.is_empty()));
        let wanted = |kind: &str| tables.as_ref().is_none_or(|tables| tables.contains(kind));
        found.add(region, emitted(&sold, &facts.prices, |service| wanted(service.kind)));
    }
    answer(&page::page(&found, args.all), &found, &args.output)
}

/// Returns the tables of a scenario that emit meters in a region; all of them if it is looked at for the whole.
fn tables(scenario: &Scenario, region: &str, whole: bool) -> BTreeSet<&'static str> {
    let mut tables = BTreeSet::new();
    for account in &scenario.accounts {
        let services = account.stack.services.iter().filter(|service| {
            whole || account.settings.region == region || service.regions().contains(&region)
        });
        tables.extend(services.map(|service| service.kind()));
    }
    tables
}
