//! Which meters the services can emit in a region, and how the price book prices each.
//!
//! # Formula
//! ```text
//! meters of a service = its METERS; a pattern stands for the usage types that `Service::usage_types` gives for what
//!                       the region sells, and for any row that it matches where that gives none
//! sold there          = instance types and classes of the catalog with a price in the region
//! ```
//! # Limits
//! A type that the book does not know in a region counts as not sold there, as it does for a plan, and is left out; a meter
//! of `Service::SOLD_IN_SOME_REGIONS` counts as not sold there too, or its price there has not been read.

use std::collections::HashSet;

use serde::Serialize;

use crate::{
    facts::{
        prices::{BillKey, GLOBAL, PriceBook},
        shapes::{AuroraClass, Catalog},
    },
    usage::services::{Meter, Registration, SERVICES, sold::Sold},
};

/// Returns what a region sells, as far as the book has prices.
pub fn sold<'a>(
    (region, peers): (&'a str, &'a [&'a str]),
    catalog: &'a Catalog,
    book: &PriceBook,
) -> Sold<'a> {
    let types = catalog.shapes().iter();
    Sold {
        region,
        peers,
        catalog,
        instance_types: types
            .filter(|own| {
                has((region, "AmazonEC2"), ["BoxUsage", "SpotUsage"], &own.instance_type, book)
            })
            .collect(),
        classes: sold_classes(region, catalog, book),
    }
}

/// Returns the database classes that a region sells, as far as the book has prices.
pub fn sold_classes<'a>(
    region: &str,
    catalog: &'a Catalog,
    book: &PriceBook,
) -> Vec<&'a AuroraClass> {
    let kinds = ["InstanceUsage", "InstanceUsageIOOptimized"];
    let sold = |own: &&AuroraClass| has((region, "AmazonRDS"), kinds, &own.billing_class, book);
    catalog.aurora().iter().filter(sold).collect()
}

fn has((region, service): (&str, &str), kinds: [&str; 2], name: &str, book: &PriceBook) -> bool {
    book.table(region, service).is_some_and(|table| {
        kinds.iter().any(|kind| !table.of_usage_type(&format!("{kind}:{name}")).is_empty())
    })
}

/// How the book prices a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pricing {
    /// Every step was read in a source.
    Read,
    /// A step was derived.
    Estimated,
    /// Not at all, or not from the first unit on to any quantity.
    Missing,
    /// Not at all: AWS sells it in some regions only, or its price has been read in some only.
    NotSold,
}

/// A meter that a service can emit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Emitted {
    /// The scenario's table of the service.
    pub table: &'static str,
    /// The meter.
    #[serde(flatten)]
    pub key: BillKey,
    /// How the book prices it.
    pub pricing: Pricing,
}

/// Returns every meter that some services can emit in a region; those of a service without regions too.
pub fn emitted(
    sold: &Sold<'_>,
    book: &PriceBook,
    wanted: impl Fn(&Registration) -> bool,
) -> Vec<Emitted> {
    let mut all = Vec::new();
    for service in SERVICES.iter().filter(|service| wanted(service)) {
        for meter in service.meters {
            let global = book.table(GLOBAL, meter.service).is_some();
            let region = if global { GLOBAL } else { sold.region };
            let key =
                |usage_type: &str| BillKey::new(meter.service, region, usage_type, meter.operation);
            let mut add = |key: BillKey, pricing| {
                all.push(Emitted { table: service.kind, key, pricing });
            };
            let is_pattern = meter.usage_type.contains('*');
            let named = if is_pattern {
                (service.usage_types)(meter.usage_type, sold)
            } else {
                vec![meter.usage_type.to_owned()]
            };
            if named.is_empty() {
                let any = any(book, region, meter);
                add(key(meter.usage_type), if any { Pricing::Read } else { Pricing::Missing });
            }
            for usage_type in named {
                let key = key(&usage_type);
                let some = service.sold_in_some_regions.contains(&meter.usage_type);
                let pricing = match pricing(book, &key) {
                    Pricing::Missing if some => Pricing::NotSold,
                    other => other,
                };
                add(key, pricing);
            }
        }
    }
    // Two services may have one meter: it is listed with the first.
    let mut seen = HashSet::new();
    all.retain(|emitted| seen.insert(emitted.key.clone()));
    all
}

/// Returns whether the book has any row of a pattern.
fn any(book: &PriceBook, region: &str, meter: &Meter<'_>) -> bool {
    book.table(region, meter.service).is_some_and(|table| {
        let key = |usage_type| BillKey::new(meter.service, region, usage_type, meter.operation);
        table.rows().iter().any(|row| meter.matches(&key(row.usage_type())))
    })
}

fn pricing(book: &PriceBook, key: &BillKey) -> Pricing {
    match book.find(key) {
        Some(ladder) if ladder.gap().is_none() => {
            if ladder.is_derived() {
                Pricing::Estimated
            } else {
                Pricing::Read
            }
        }
        _ => Pricing::Missing,
    }
}
