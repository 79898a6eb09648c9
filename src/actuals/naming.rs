//! Names of a bill to the keys of the price book.
//!
//! # Formula
//! ```text
//! service     by the name that the price book or `models/billing.toml` gives each code
//! region      as the row says it, else by the prefix of the usage type, else the region without one
//! usage type  without the region's prefix, as a row of the price book has it
//! ```
//! # Source
//! Usage types of real bill rows (`models/regions.csv`); a prefix belongs to a region only with the
//! service: `EU-` is Ireland for EC2 and the European zone for CloudFront.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::layout::Billing;
use crate::{
    prices::{BillKey, GLOBAL, PriceBook},
    shapes::Catalog,
};

/// Region of usage types without a prefix.
const UNPREFIXED: &str = "us-east-1";

/// Looks names up in the price book.
#[derive(Debug)]
pub struct Naming<'a> {
    book: &'a PriceBook,
    /// Codes by the name that bills give a service.
    codes: BTreeMap<String, Vec<String>>,
    /// Regions by prefix.
    regions: BTreeMap<String, String>,
    /// Names and codes by region, service code and billed usage type.
    billed: HashMap<(String, String), BTreeMap<String, String>>,
}

impl<'a> Naming<'a> {
    /// Names of every table of the book.
    pub fn new(book: &'a PriceBook, catalog: &Catalog, billing: &Billing) -> Self {
        let mut codes: BTreeMap<String, Vec<String>> = billing.services.clone();
        let mut billed: HashMap<(String, String), BTreeMap<String, String>> = HashMap::new();
        let mut printed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (region, code, table) in book.tables() {
            let own = billed.entry((region.to_owned(), code.to_owned())).or_default();
            for row in table.rows() {
                own.insert(row.usage_type().to_owned(), row.usage_type().to_owned());
                if !row.billed_usage_type().is_empty() {
                    own.insert(row.billed_usage_type().to_owned(), row.usage_type().to_owned());
                }
                if !row.cost_explorer_service().is_empty() {
                    let name = row.cost_explorer_service().to_owned();
                    printed.entry(name).or_default().insert(code.to_owned());
                }
            }
            codes.entry(code.to_owned()).or_insert_with(|| vec![code.to_owned()]);
        }
        for (name, found) in printed {
            let known = codes.entry(name).or_default();
            for code in found {
                if !known.contains(&code) {
                    known.push(code);
                }
            }
        }
        let regions =
            catalog.prefixes.iter().map(|(region, prefix)| (prefix.clone(), region.clone()));
        Self { book, codes, regions: regions.collect(), billed }
    }

    /// The key of a billed line, where the price book knows it.
    pub fn key(&self, service: &str, region: &str, usage_type: &str) -> Option<BillKey> {
        if usage_type.is_empty() {
            return None;
        }
        let (prefix, rest) = self.split(usage_type);
        let said = [region, prefix.unwrap_or(UNPREFIXED), GLOBAL];
        let codes = self.codes.get(service)?;
        for code in codes {
            for region in said.into_iter().filter(|region| !region.is_empty()) {
                let Some(names) = self.billed.get(&(region.to_owned(), code.clone())) else {
                    continue;
                };
                for name in [usage_type, rest] {
                    if let Some(plain) = names.get(name) {
                        return Some(BillKey::new(code, region, plain, ""));
                    }
                }
            }
        }
        None
    }

    /// The price-list code of a service, where one is known.
    pub fn code<'s>(&'s self, service: &'s str) -> &'s str {
        self.codes.get(service).and_then(|codes| codes.first()).map_or(service, String::as_str)
    }

    /// The name that Cost Explorer gives a meter's service.
    pub fn service_name(&self, key: &BillKey) -> Option<&'a str> {
        let ladder = self.book.find(key)?;
        Some(ladder.rows[0].cost_explorer_service()).filter(|name| !name.is_empty())
    }

    /// The region of a usage type's prefix, and what follows it.
    fn split<'u>(&self, usage_type: &'u str) -> (Option<&str>, &'u str) {
        // `us-east-1-KMS-Requests` carries the region itself.
        for region in self.regions.values() {
            let rest = usage_type.strip_prefix(region.as_str());
            if let Some(rest) = rest.and_then(|rest| rest.strip_prefix('-')) {
                return (Some(region), rest);
            }
        }
        let parts = usage_type.split_once('-');
        match parts.and_then(|(prefix, rest)| Some((self.regions.get(prefix)?, rest))) {
            Some((region, rest)) => (Some(region), rest),
            None => (None, usage_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, PriceSource};

    #[test]
    fn names_of_every_source_lead_to_the_same_key() {
        let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
        let book = store::load_prices(&manifest, Some(&["us-east-1", "us-west-2"])).unwrap();
        let catalog = store::embedded_catalog().unwrap();
        let billing = store::billing().unwrap();
        let naming = Naming::new(&book, &catalog, &billing);
        for (service, region, usage_type, expected) in [
            (
                "Amazon Elastic Compute Cloud - Compute",
                "",
                "BoxUsage:m7g.large",
                "us-east-1/AmazonEC2/BoxUsage:m7g.large",
            ),
            (
                "AmazonEC2",
                "us-west-2",
                "USW2-BoxUsage:m7g.large",
                "us-west-2/AmazonEC2/BoxUsage:m7g.large",
            ),
            ("EC2 - Other", "", "NatGateway-Bytes", "us-east-1/AmazonEC2/NatGateway-Bytes"),
            (
                "EC2 - Other",
                "",
                "DataTransfer-Out-Bytes",
                "us-east-1/AWSDataTransfer/DataTransfer-Out-Bytes",
            ),
            ("Amazon Elastic Load Balancing", "", "LCUUsage", "us-east-1/AWSELB/LCUUsage"),
            (
                "Amazon Virtual Private Cloud",
                "",
                "USE1-PublicIPv4:InUseAddress",
                "us-east-1/AmazonVPC/PublicIPv4:InUseAddress",
            ),
            (
                "AWS Key Management Service",
                "",
                "us-east-1-KMS-Requests",
                "us-east-1/awskms/KMS-Requests",
            ),
            ("Amazon Route 53", "", "HostedZone", "global/AmazonRoute53/HostedZone"),
        ] {
            let key = naming.key(service, region, usage_type);
            let found = key.map(|key| key.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{service} {usage_type}");
        }
        assert_eq!(naming.key("Amazon Braket", "", "BoxUsage:m7g.large"), None);
        assert_eq!(naming.key("AmazonEC2", "", "NoUsageType"), None);
    }
}
