//! Maps names of a bill to the keys of the price book.
//!
//! # Formula
//! ```text
//! service     by the name that the price book or `models/billing.toml` gives each code
//! region      as the row says it, else by the prefix of the usage type, else the region without one
//! usage type  without the region's prefix, as a row of the price book has it
//! ```
//! # Source
//! Usage types of real bill rows (`models/regions.csv`); a prefix belongs to a region only with the
//! service: `EU-` is Ireland for EC2 and the European zone for `CloudFront`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::layout::Billing;
use crate::facts::{
    prices::{BillKey, GLOBAL, PriceBook},
    shapes::Catalog,
};

/// For each billed usage type the plain one, and the service that Cost Explorer shows it under.
type Shown<'a> = HashMap<&'a str, (&'a str, &'a str)>;

/// Looks names up in the price book.
#[derive(Debug)]
pub struct Naming<'a> {
    /// Codes by the name that bills give a service.
    codes: BTreeMap<String, Vec<String>>,
    /// Region of usage types without a prefix.
    unprefixed: String,
    /// Kinds of usage that are billed at the rate of another.
    same_rate: BTreeMap<String, String>,
    /// Regions by prefix.
    regions: BTreeMap<String, String>,
    /// By region and service code, for each billed usage type: the plain one, and the service that
    /// Cost Explorer shows it under.
    billed: HashMap<(&'a str, &'a str), Shown<'a>>,
}

impl<'a> Naming<'a> {
    /// Collects the names of every table of the book.
    pub fn new(book: &'a PriceBook, catalog: &Catalog, billing: &Billing) -> Self {
        let mut codes: BTreeMap<String, Vec<String>> = billing.services.clone();
        let mut billed: HashMap<(&str, &str), Shown<'_>> = HashMap::new();
        let mut printed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (region, code, table) in book.tables() {
            let own = billed.entry((region, code)).or_default();
            for row in table.rows() {
                let shown = (row.usage_type(), row.cost_explorer_service());
                for name in [row.usage_type(), row.billed_usage_type()] {
                    // A row of a second source may leave the service out.
                    let known = own.entry(name).or_insert(shown);
                    if known.1.is_empty() {
                        *known = shown;
                    }
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
        let regions = catalog.regions().map(|(region, prefix)| (prefix.clone(), region.clone()));
        let unprefixed = billing.unprefixed_region.clone();
        let same_rate = billing.same_rate.clone();
        Self { codes, unprefixed, same_rate, regions: regions.collect(), billed }
    }

    /// Returns the key of a billed line and the service that Cost Explorer shows it under, if the price book has it.
    pub fn key(&self, service: &str, region: &str, usage_type: &str) -> Option<(BillKey, &'a str)> {
        if usage_type.is_empty() {
            return None;
        }
        let (prefix, rest) = self.split(usage_type);
        let renamed = self.renamed(rest);
        let rest = renamed.as_deref().unwrap_or(rest);
        let said = [region, prefix.unwrap_or(&self.unprefixed), GLOBAL];
        if service.is_empty() {
            return self.key_of_any(&said, [usage_type, rest]);
        }
        let codes = self.codes.get(service)?;
        for code in codes {
            for region in said.into_iter().filter(|region| !region.is_empty()) {
                let Some(names) = self.billed.get(&(region, code.as_str())) else {
                    continue;
                };
                for name in [usage_type, rest] {
                    if let Some((plain, shown)) = names.get(name) {
                        return Some((BillKey::new(code, region, plain, ""), shown));
                    }
                }
            }
        }
        None
    }

    /// Returns the key of a usage type of a bill without services: of the only service that has it in these regions.
    /// Storage is metered under one name in several services, and stays unknown.
    fn key_of_any(&self, regions: &[&str], names: [&str; 2]) -> Option<(BillKey, &'a str)> {
        let mut found: Vec<(BillKey, &'a str)> = Vec::new();
        for ((region, code), own) in &self.billed {
            let shown = names.iter().find_map(|name| own.get(name));
            if let Some((plain, shown)) = shown.filter(|_| regions.contains(region)) {
                found.push((BillKey::new(code, region, plain, ""), shown));
            }
        }
        let first = found.pop()?;
        found.is_empty().then_some(first)
    }

    /// Returns the price-list code of a service, where one is known.
    pub fn code<'s>(&'s self, service: &'s str) -> &'s str {
        self.codes.get(service).and_then(|codes| codes.first()).map_or(service, String::as_str)
    }

    /// Returns the usage type that has the rate of this one, where a bill prints it apart.
    fn renamed(&self, usage_type: &str) -> Option<String> {
        let (kind, of) = usage_type.split_once(':')?;
        Some(format!("{}:{of}", self.same_rate.get(kind)?))
    }

    /// Returns the region of a usage type's prefix, and what follows it.
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
    use crate::app::store::{self, PriceSource};

    #[test]
    fn names_of_every_source_lead_to_the_same_key() {
        let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
        let book = store::load_prices(&manifest, Some(&["us-east-1", "us-west-2"])).unwrap();
        let catalog = store::embedded_catalog().unwrap();
        let billing: Billing = store::model().unwrap();
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
                "USW2-UnusedBox:m7g.large",
                "us-west-2/AmazonEC2/BoxUsage:m7g.large",
            ),
            (
                "Amazon Elastic Compute Cloud - Compute",
                "",
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
            ("", "", "BoxUsage:m7g.large", "us-east-1/AmazonEC2/BoxUsage:m7g.large"),
            ("", "", "USW2-NatGateway-Hours", "us-west-2/AmazonEC2/NatGateway-Hours"),
        ] {
            let key = naming.key(service, region, usage_type);
            let found = key.map(|(key, _)| key.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{service} {usage_type}");
        }
        assert_eq!(naming.key("Amazon Braket", "", "BoxUsage:m7g.large"), None);
        assert_eq!(naming.key("AmazonEC2", "", "NoUsageType"), None);
        // Of S3, ECR and CloudWatch.
        assert_eq!(naming.key("", "", "TimedStorage-ByteHrs"), None);
    }
}
