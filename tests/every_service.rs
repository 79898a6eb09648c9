//! Laws over every registered service, whatever it meters.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod support;

use std::collections::BTreeMap;

use runrate::{
    plan::Plan,
    prices::{BillKey, GLOBAL},
    services::SERVICES,
    store::{self, PriceSource},
};
use support::{base, plan};

const STACK: &str = r#"
[eks]
version = "1.34"
[ebs]
iops = 4000
throughput_mibps = 200
[alb]
rules = 20
[waf]
rules = 2
[nat]
[aurora]
min_readers = 1
queries_per = { api = 2 }
write_share = 0.2
cpu_ms_per_query = 0.5
pages_per_query = 10
wal_bytes_per_write = 5000
kib_per_query = 1
storage_gib = 20
storage_mib_per_user = 0.1
working_set_share = 0.1
changed_per_day = 0.02
backup_retention_days = 7
"#;

fn usage(plan: &Plan) -> BTreeMap<BillKey, f64> {
    let mut usage = BTreeMap::new();
    for entry in &plan.entries {
        *usage.entry(entry.key.clone()).or_insert(0.0) += entry.quantity.get();
    }
    usage
}

fn declared(key: &BillKey) -> bool {
    SERVICES.iter().flat_map(|service| service.meters).any(|(service, usage_type, operation)| {
        key.service == *service
            && key.operation == *operation
            && match usage_type.strip_suffix('*') {
                Some(start) => key.usage_type.starts_with(start),
                None => key.usage_type == *usage_type,
            }
    })
}

#[test]
fn every_emitted_meter_is_declared_and_finite() {
    for users in [0, 1000, 2_000_000] {
        let plan = plan(&(base("2027-01", 1, users) + STACK)).unwrap();
        for entry in &plan.entries {
            assert!(declared(&entry.key), "{} is not declared", entry.key);
            assert!(entry.quantity.get().is_finite() && entry.quantity.get() >= 0.0);
            assert!(!entry.why.formula.is_empty(), "{} has no formula", entry.key);
        }
    }
}

#[test]
fn every_declared_meter_has_a_price() {
    let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
    let book = store::load_prices(&manifest, None).unwrap();
    for registration in SERVICES {
        for (service, usage_type, operation) in registration.meters {
            let found = book.tables().any(|(region, table_service, table)| {
                let matches = |known: &str| match usage_type.strip_suffix('*') {
                    Some(start) => known.starts_with(start),
                    None => known == *usage_type,
                };
                (region == "us-east-1" || region == GLOBAL)
                    && table_service == *service
                    && table.rows().iter().any(|row| {
                        matches(row.usage_type())
                            && (row.operation() == *operation || row.operation().is_empty())
                    })
            });
            assert!(
                found,
                "{}: no price row for {service}/{usage_type}/{operation}",
                registration.kind
            );
        }
    }
}

#[test]
fn without_users_only_standing_charges_remain() {
    let plan = plan(&(base("2027-01", 1, 0) + STACK)).unwrap();
    let standing = [
        "BoxUsage",
        "EBS:",
        "AmazonEKS-Hours",
        "LoadBalancerUsage",
        "WebACLV2",
        "RuleV2",
        "NatGateway-Hours",
        "PublicIPv4",
        "InstanceUsage",
        "Aurora:StorageUsage",
        "Aurora:BackupUsage",
    ];
    for key in usage(&plan).keys() {
        assert!(standing.iter().any(|s| key.usage_type.starts_with(s)), "{key} without users");
    }
}

#[test]
fn more_users_never_use_less_of_any_meter() {
    let mut last: BTreeMap<BillKey, f64> = BTreeMap::new();
    for users in [0, 100, 10_000, 200_000] {
        let now = usage(&plan(&(base("2027-01", 1, users) + STACK)).unwrap());
        for (key, before) in &last {
            let after = now.get(key).copied().unwrap_or(0.0);
            // A larger instance class takes the place of a smaller one.
            let replaced = key.usage_type.starts_with("InstanceUsage");
            assert!(replaced || after >= before * (1.0 - 1e-12), "{key}: {before} then {after}");
        }
        last = now;
    }
}

#[test]
fn kinds_are_unique() {
    let mut kinds: Vec<&str> = SERVICES.iter().map(|service| service.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), SERVICES.len());
}
