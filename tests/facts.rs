//! Every row of the collected facts is carried over, where the collection is present.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::collections::{BTreeMap, BTreeSet};

use crate::support::shared;
use runrate::app::store::{self, PriceSource};

fn rows(name: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let mut reader = csv::Reader::from_path(shared(name)?).unwrap();
    Some(reader.deserialize().map(Result::unwrap).collect())
}

/// Price rows of the book as (region, billed usage type, price).
fn book() -> Vec<(String, String, String)> {
    let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
    let book = store::load_prices(&manifest, None).unwrap();
    let all = book.tables().flat_map(|(region, _, table)| {
        table.rows().iter().map(move |row| {
            (region.to_owned(), row.billed_usage_type().to_owned(), row.price.to_string())
        })
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

/// Meters with a price that was read, as (region, billed usage type).
fn exact() -> BTreeSet<(String, String)> {
    let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
    let book = store::load_prices(&manifest, None).unwrap();
    let read = book.tables().flat_map(|(region, _, table)| {
        let read = table.rows().iter().filter(|row| row.confidence() == "exact");
        read.map(move |row| (region.to_owned(), row.billed_usage_type().to_owned()))
    });
    read.collect()
}

fn normal(price: &str) -> String {
    price.parse::<rust_decimal::Decimal>().unwrap().normalize().to_string()
}

/// Regions of the collected spot supply.
const SPOT_REGIONS: [&str; 9] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-central-1",
    "ap-south-1",
    "ap-northeast-1",
    "ap-southeast-1",
];

/// Prices of the collection that AWS's own files contradict, by the end of the usage type: the book has theirs
/// (`pricing-cache/regions.py`, `CORRECTED`).
const CORRECTED: [&str; 5] = [
    "BoxUsage:p4d.24xlarge",
    "BoxUsage:p4de.24xlarge",
    "InstanceUsage:db.r6g.8xl",
    "InstanceUsage:db.r6g.12xl",
    "InstanceUsage:db.r6g.16xl",
];

/// Names of the collection that a bill prints otherwise.
fn as_billed(usage_type: &str) -> &str {
    if usage_type.ends_with("DashboardsUsageHour") {
        "DashboardsUsageHour-Basic"
    } else {
        usage_type
    }
}

#[test]
fn every_service_price_and_instance_price_is_in_the_book() {
    let book = book();
    let exact = exact();
    let has = |region: &str, usage_type: &str, price: &str| {
        let row = (region.to_owned(), usage_type.to_owned(), normal(price));
        book.binary_search(&row).is_ok()
    };
    let Some(services) = rows("aws_service_prices.csv") else { return };
    for row in &services {
        let (region, usage_type) = (&row["region"], as_billed(&row["usage_type"]));
        let read = || exact.contains(&(region.clone(), usage_type.to_owned()));
        let corrected = || CORRECTED.iter().any(|end| usage_type.ends_with(end)) && read();
        let confirmed = || row["confidence"] == "derived" && read();
        let found = has(region, usage_type, &row["usd_per_unit"]) || corrected() || confirmed();
        assert!(found, "{row:?} is missing");
    }
    let kinds = |region: &str, instance_type: &str| {
        let suffix = format!("Usage:{instance_type}");
        let dedicated = region == "us-east-1" && instance_type.contains(".metal");
        if dedicated { format!("Dedicated{suffix}") } else { format!("Box{suffix}") }
    };
    for row in &rows("ec2_on_demand_prices.csv").unwrap() {
        let name = kinds(&row["region"], &row["instance_type"]);
        let found = book.iter().any(|(region, usage_type, price)| {
            *region == row["region"]
                && usage_type.ends_with(&name)
                && (*price == normal(&row["usd_per_hour"]) || CORRECTED.contains(&&*name))
        });
        assert!(found, "{row:?}");
    }
    // A spot price stays where the advisor has no newer one: one price for each type.
    let averages = rows("ec2_spot_avg_prices.csv").unwrap();
    assert_eq!(averages.len(), 5948);
    let mut spot: Vec<(&str, &str)> = book
        .iter()
        .filter_map(|(region, usage_type, _)| {
            Some((&**region, usage_type.split_once("SpotUsage:")?.1))
        })
        .collect();
    let all = spot.len();
    spot.sort_unstable();
    spot.dedup();
    assert_eq!(spot.len(), all, "a type has two spot prices in a region");
    for row in &averages {
        let of = (&*row["region"], &*row["instance_type"]);
        assert!(spot.binary_search(&of).is_ok(), "{of:?} has no spot price");
    }
}

#[test]
fn every_shape_spot_figure_and_class_is_in_the_models() {
    let catalog = store::embedded_catalog_of(&SPOT_REGIONS).unwrap();
    let Some(types) = rows("ec2_instance_types.csv") else { return };
    assert_eq!(catalog.shapes().len(), types.len());
    for row in &types {
        let shape = catalog.shape(&row["instance_type"]).unwrap();
        assert_eq!(shape.vcpus.to_string(), row["vcpus"]);
    }
    for row in &rows("ec2_spot_advisor.csv").unwrap() {
        let supply = catalog.spot(&row["region"], &row["instance_type"]).unwrap();
        assert_eq!(supply.interruption_bucket.to_string(), row["interruption_bucket"]);
    }
    // r7i and r8gd have the sizes of their EC2 families.
    let derived = catalog.aurora().iter().filter(|class| ["r7i", "r8gd"].contains(&&*class.family));
    for class in derived.clone() {
        let shape = catalog.shape(class.class.trim_start_matches("db.")).unwrap();
        assert_eq!((class.vcpu, class.memory_gib * 1024.0), (shape.vcpus, shape.memory_mib));
    }
    let listed = rows("aurora_instance_classes.csv").unwrap().len();
    assert_eq!(catalog.aurora().len(), listed + derived.count());
}

#[test]
fn dedicated_metal_prices_are_not_taken_for_shared_ones() {
    let book = book();
    // us-east-1 c6g.metal: 2.3936 is dedicated tenancy, 2.176 shared (the sources file's own check).
    let of = |kind: &str| -> Vec<&str> {
        let own =
            book.iter().filter(|(r, u, _)| r == "us-east-1" && *u == format!("{kind}:c6g.metal"));
        own.map(|(_, _, price)| price.as_str()).collect()
    };
    assert_eq!(of("BoxUsage"), ["2.176"]);
    assert_eq!(of("DedicatedUsage").len(), 1);
    assert_ne!(of("DedicatedUsage"), of("BoxUsage"));
}
