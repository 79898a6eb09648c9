//! Commitments as AWS sells them: kinds, terms, payments, and the rates that the price book has.
//!
//! # Source
//! `models/commitments.toml` for terms and payment options; `pricing-cache/<region>/<service>.commitments.csv` for rates,
//! each row with source and date; `pricing-cache/<region>/AmazonEC2.no_upfront.csv` for no-upfront reserved instances of
//! Linux, one row for each type with its four rates.
//! # Limits
//! The book has all-upfront rates of us-east-1, no-upfront ones of EC2 in 17 regions, and none of Compute Savings Plans.
//! A rate that it lacks can be given as `discount_percent`, as AWS quotes it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Place};
use crate::facts::model::{self, Model};

/// Serverless capacity of Aurora, in the place of an instance class.
pub const SERVERLESS: &str = "serverless";

/// What is bought.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Any EC2 instance, in any region.
    ComputeSavingsPlan,
    /// EC2 instances of one family in one region.
    Ec2InstanceSavingsPlan,
    /// Aurora instances of recent generations and serverless capacity, in any region; one year, no upfront.
    DatabaseSavingsPlan,
    /// EC2 instances of one type in one region; Linux, of any size of the family.
    Ec2ReservedInstance,
    /// Aurora instances of one class in one region, of any size of the family.
    RdsReservedInstance,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::ComputeSavingsPlan,
        Self::Ec2InstanceSavingsPlan,
        Self::DatabaseSavingsPlan,
        Self::Ec2ReservedInstance,
        Self::RdsReservedInstance,
    ];

    /// Returns whether it is bought by dollars an hour.
    pub fn is_savings_plan(self) -> bool {
        !matches!(self, Self::Ec2ReservedInstance | Self::RdsReservedInstance)
    }

    /// Returns whether it covers every region.
    pub fn covers_all_regions(self) -> bool {
        matches!(self, Self::ComputeSavingsPlan | Self::DatabaseSavingsPlan)
    }

    /// Returns whether it covers EC2 instances, not databases.
    pub fn is_for_ec2(self) -> bool {
        !matches!(self, Self::DatabaseSavingsPlan | Self::RdsReservedInstance)
    }

    /// Returns its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Self::ComputeSavingsPlan => "compute-savings-plan",
            Self::Ec2InstanceSavingsPlan => "ec2-instance-savings-plan",
            Self::DatabaseSavingsPlan => "database-savings-plan",
            Self::Ec2ReservedInstance => "ec2-reserved-instance",
            Self::RdsReservedInstance => "rds-reserved-instance",
        }
    }

    /// Returns its name as AWS prints it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ComputeSavingsPlan => "Compute Savings Plan",
            Self::Ec2InstanceSavingsPlan => "EC2 Instance Savings Plan",
            Self::DatabaseSavingsPlan => "Database Savings Plan",
            Self::Ec2ReservedInstance => "EC2 Reserved Instance",
            Self::RdsReservedInstance => "RDS Reserved Instance",
        }
    }

    /// Returns its name as AWS prints it, with its article.
    pub fn with_article(self) -> String {
        // E-C-2 and R-D-S begin with vowels.
        let article = match self {
            Self::ComputeSavingsPlan | Self::DatabaseSavingsPlan => "a",
            _ => "an",
        };
        format!("{article} {}", self.title())
    }
}

/// For how long.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Term {
    /// One year.
    #[serde(rename = "1yr")]
    One,
    /// Three years.
    #[serde(rename = "3yr")]
    Three,
}

impl Term {
    /// Every term.
    pub const ALL: [Self; 2] = [Self::One, Self::Three];

    /// Returns its name in the book.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "1yr",
            Self::Three => "3yr",
        }
    }

    /// Returns its years.
    pub fn years(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// How it is paid.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Payment {
    /// By the hour.
    NoUpfront,
    /// Half on the first day.
    PartialUpfront,
    /// All on the first day.
    AllUpfront,
}

impl Payment {
    /// Every payment option.
    pub const ALL: [Self; 3] = [Self::NoUpfront, Self::PartialUpfront, Self::AllUpfront];

    /// Returns its name in the book.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoUpfront => "no-upfront",
            Self::PartialUpfront => "partial-upfront",
            Self::AllUpfront => "all-upfront",
        }
    }
}

/// How commitments work, `models/commitments.toml`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Hours of a year of a term.
    pub hours_per_year: u32,
    /// What is paid on the first day of partial upfront.
    pub partial_upfront_share: f64,
    /// Units of an I/O-Optimized Aurora instance.
    pub io_optimized_units: f64,
    /// First generation of instance classes that Database Savings Plans cover.
    pub database_plan_generation: u32,
    /// When a Savings Plan can be returned.
    pub returns: Returns,
    /// What AWS does not sell.
    pub not_sold: Vec<NotSold>,
    /// Normalization factors by size.
    pub normalization: BTreeMap<String, f64>,
}

/// When AWS takes a Savings Plan back.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returns {
    /// Days after the purchase, in the same calendar month.
    pub days: u32,
    /// Largest commitment, in USD an hour.
    pub max_usd_per_hour: f64,
    /// Returns a year of an organization.
    pub per_year: u32,
    /// Where AWS says so.
    pub source: String,
}

impl Model for Rules {
    const FILES: &'static [&'static str] = &["commitments.toml"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        model::from_toml(texts)
    }
}

/// What AWS does not sell of a kind of commitment: a term, a payment option, or both together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotSold {
    /// What would be bought.
    pub kind: Kind,
    /// For how long; any term where it is missing.
    pub term: Option<Term>,
    /// How it would be paid; any payment option where it is missing.
    pub payment: Option<Payment>,
    /// Where AWS says so.
    pub source: String,
}

/// An offering: a kind of commitment, its class, its term and how it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offering {
    /// What is bought.
    pub kind: Kind,
    /// Whether it can be exchanged.
    pub class: OfferingClass,
    /// For how long.
    pub term: Term,
    /// How it is paid.
    pub payment: Payment,
}

impl Offering {
    /// Returns the name of its kind and class in the book.
    pub fn plan_kind(self) -> &'static str {
        match (self.kind, self.class) {
            (Kind::ComputeSavingsPlan, _) => "compute",
            (Kind::Ec2InstanceSavingsPlan, _) => "ec2-instance",
            (Kind::DatabaseSavingsPlan, _) => "database",
            (Kind::Ec2ReservedInstance, OfferingClass::Standard) => "standard-ri",
            (Kind::Ec2ReservedInstance, OfferingClass::Convertible) => "convertible-ri",
            (Kind::RdsReservedInstance, _) => "reserved-db-instance",
        }
    }

    /// Returns its name as AWS prints it, `EC2 Reserved Instance, 1yr no-upfront`.
    pub fn title(self) -> String {
        let class = match self.class {
            OfferingClass::Standard => "",
            OfferingClass::Convertible => " (convertible)",
        };
        let (kind, term) = (self.kind.title(), self.term.name());
        format!("{kind}{class}, {term} {}", self.payment.name())
    }
}

/// An offering that AWS does not sell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The key to change: `term` or `payment`.
    pub key: &'static str,
    /// What is wrong, and what AWS sells.
    pub message: String,
}

impl Rules {
    /// Returns whether AWS sells a kind of commitment for a term and a payment option.
    pub fn sells(&self, kind: Kind, term: Term, payment: Payment) -> bool {
        let same = |no: &NotSold| {
            no.kind == kind
                && no.term.is_none_or(|own| own == term)
                && no.payment.is_none_or(|own| own == payment)
        };
        !self.not_sold.iter().any(same)
    }

    /// Returns the refusal of an offering that AWS does not sell, with what it sells; none for one that it sells.
    pub fn refusal(&self, kind: Kind, term: Term, payment: Payment) -> Option<Refusal> {
        if self.sells(kind, term, payment) {
            return None;
        }
        let sold = |term: Term| -> Vec<&str> {
            let options = Payment::ALL.into_iter();
            options.filter(|own| self.sells(kind, term, *own)).map(Payment::name).collect()
        };
        let (same_term, others) = (sold(term), Term::ALL.into_iter().filter(|own| *own != term));
        let other = others.clone().any(|own| self.sells(kind, own, payment));
        let (key, instead) = if same_term.is_empty() {
            let all = others.map(|own| format!("{} with {}", own.name(), sold(own).join(" or ")));
            ("term", format!("it sells {}", all.collect::<Vec<_>>().join(" and ")))
        } else {
            let another = if other { ", or another term" } else { "" };
            ("payment", format!("choose {}{another}", same_term.join(" or ")))
        };
        let (title, term, payment) = (kind.title(), term.name(), payment.name());
        let message = format!("AWS sells no {title} for {term} with {payment}; {instead}");
        Some(Refusal { key, message })
    }

    /// Returns whether Database Savings Plans cover an instance class, `db.r8g.large`, or [`SERVERLESS`] capacity.
    pub fn database_plan_covers(&self, class: &str) -> bool {
        let family = class.strip_prefix("db.").unwrap_or(class);
        let digits = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let generation = digits[..end].parse::<u32>().unwrap_or(0);
        class == SERVERLESS || generation >= self.database_plan_generation
    }

    /// Hours of a term.
    pub fn hours(&self, term: Term) -> u32 {
        self.hours_per_year * term.years()
    }

    /// Returns what is paid on the first day.
    pub fn upfront_share(&self, payment: Payment) -> f64 {
        match payment {
            Payment::NoUpfront => 0.0,
            Payment::PartialUpfront => self.partial_upfront_share,
            Payment::AllUpfront => 1.0,
        }
    }

    /// Normalization factor of a size, `large` or `12xlarge`; none for a size that has none.
    pub fn units(&self, size: &str) -> Option<f64> {
        if let Some(units) = self.normalization.get(size) {
            return Some(*units);
        }
        let of =
            |prefix: &str| Some(prefix.parse::<f64>().ok()? * self.normalization.get("xlarge")?);
        size.strip_suffix("xlarge").or_else(|| size.strip_suffix("xl")).and_then(of)
    }
}

/// Family and size of a type: `m7g`, `large`; `db.r6g`, `xlarge`.
pub fn family_and_size(instance_type: &str) -> (&str, &str) {
    instance_type.rsplit_once('.').unwrap_or((instance_type, ""))
}

/// A price of the book.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Rate {
    /// Instance type or class.
    pub instance_type: String,
    /// `1yr` or `3yr`.
    pub term: String,
    /// `all-upfront` and the like.
    pub payment_option: String,
    /// `standard-ri` and the like.
    pub plan_kind: String,
    /// Effective price \[USD an hour\].
    pub usd_per_hour: f64,
    /// On-demand price that it was compared with at its source \[USD an hour\].
    pub on_demand_usd_per_hour: Option<f64>,
    /// Date of the figure.
    pub as_of: String,
    /// Its source.
    pub source: String,
    /// What the source adds.
    pub note: String,
}

/// Whether an EC2 reserved instance can be exchanged for another type.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OfferingClass {
    /// Cannot be exchanged.
    #[default]
    Standard,
    /// Can be exchanged.
    Convertible,
}

/// The no-upfront rates of an instance type for Linux, a row of `AmazonEC2.no_upfront.csv`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoUpfront {
    /// Instance type.
    pub instance_type: String,
    /// On-demand price on the day of the rates, in USD an hour.
    pub on_demand: f64,
    standard_1yr: Option<f64>,
    standard_3yr: Option<f64>,
    convertible_1yr: Option<f64>,
    convertible_3yr: Option<f64>,
    /// Date of the figures.
    pub as_of: String,
    /// Their source.
    pub source: String,
}

impl NoUpfront {
    /// Returns the rate of an offering, in USD an hour; none where AWS does not sell it.
    pub fn usd_per_hour(&self, class: OfferingClass, term: Term) -> Option<f64> {
        match (class, term) {
            (OfferingClass::Standard, Term::One) => self.standard_1yr,
            (OfferingClass::Standard, Term::Three) => self.standard_3yr,
            (OfferingClass::Convertible, Term::One) => self.convertible_1yr,
            (OfferingClass::Convertible, Term::Three) => self.convertible_3yr,
        }
    }
}

/// The price of a commitment, and where it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found<'a> {
    /// Effective price, in USD an hour.
    pub usd_per_hour: f64,
    /// Date of the figure.
    pub as_of: &'a str,
    /// Its source.
    pub source: &'a str,
}

/// The commitment prices of the regions that were loaded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rates {
    by_region: BTreeMap<String, Vec<Rate>>,
    no_upfront: BTreeMap<String, Vec<NoUpfront>>,
}

impl Rates {
    /// Reads a region's file.
    ///
    /// # Errors
    /// A row that is not what it should be, with file and line.
    pub fn add(&mut self, region: &str, file: &str, text: &str) -> Result<(), Error> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = self.by_region.entry(region.to_owned()).or_default();
        for row in reader.deserialize::<Rate>() {
            let row = row.map_err(|error| Error::at(Place::file(file), error.to_string()))?;
            if !(row.usd_per_hour.is_finite() && row.usd_per_hour > 0.0) {
                let message = format!("{}: {} is no price", row.instance_type, row.usd_per_hour);
                return Err(Error::at(Place::file(file), message));
            }
            rows.push(row);
        }
        Ok(())
    }

    /// Reads a region's no-upfront rates of EC2 reserved instances.
    ///
    /// # Errors
    /// A row that is not what it should be, with file and line.
    pub fn add_no_upfront(&mut self, region: &str, file: &str, text: &str) -> Result<(), Error> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = reader.deserialize().collect::<Result<Vec<NoUpfront>, _>>();
        let mut rows = rows.map_err(|error| Error::csv(file, &error))?;
        rows.sort_by(|a, b| a.instance_type.cmp(&b.instance_type));
        self.no_upfront.insert(region.to_owned(), rows);
        Ok(())
    }

    /// Returns the no-upfront rates of an EC2 instance type.
    pub fn no_upfront(&self, region: &str, instance_type: &str) -> Option<&NoUpfront> {
        let rows = self.no_upfront.get(region)?;
        let at = rows.binary_search_by(|row| (*row.instance_type).cmp(instance_type)).ok()?;
        Some(&rows[at])
    }

    /// Returns all prices of a region, without the no-upfront rates of EC2.
    pub fn of_region(&self, region: &str) -> &[Rate] {
        self.by_region.get(region).map_or(&[], Vec::as_slice)
    }

    /// Returns the price of an offering, for a type.
    pub fn find(&self, region: &str, what: Offering, instance_type: &str) -> Option<Found<'_>> {
        let found = self.of_region(region).iter().find(|rate| {
            rate.plan_kind == what.plan_kind()
                && rate.term == what.term.name()
                && rate.payment_option == what.payment.name()
                && rate.instance_type == instance_type
        });
        if let Some(Rate { usd_per_hour, as_of, source, .. }) = found {
            return Some(Found { usd_per_hour: *usd_per_hour, as_of, source });
        }
        if (what.kind, what.payment) != (Kind::Ec2ReservedInstance, Payment::NoUpfront) {
            return None;
        }
        let rates = self.no_upfront(region, instance_type)?;
        let usd_per_hour = rates.usd_per_hour(what.class, what.term)?;
        Some(Found { usd_per_hour, as_of: &rates.as_of, source: &rates.source })
    }

    /// Returns the offerings of these kinds that have a price for a type.
    pub fn offered(&self, region: &str, kinds: &[Kind], instance_type: &str) -> Vec<Offering> {
        let mut offered = Vec::new();
        for (&kind, term) in kinds.iter().flat_map(|kind| Term::ALL.map(|term| (kind, term))) {
            for payment in Payment::ALL {
                let classes = match kind {
                    Kind::Ec2ReservedInstance => {
                        &[OfferingClass::Standard, OfferingClass::Convertible][..]
                    }
                    _ => &[OfferingClass::Standard],
                };
                let all =
                    classes.iter().map(|class| Offering { kind, class: *class, term, payment });
                offered.extend(all.filter(|own| self.find(region, *own, instance_type).is_some()));
            }
        }
        offered
    }

    /// Returns what the book has nearest to a price that it has not.
    pub fn nearest(&self, region: &str, what: Offering, instance_type: &str) -> String {
        let (family, _) = family_and_size(instance_type);
        let name = |instance_type: &str, term: &str, payment: &str| {
            format!("{instance_type} {term} {payment}")
        };
        let same = self.offered(region, &[what.kind], instance_type).into_iter();
        let mut names: Vec<String> = same
            .filter(|own| own.class == what.class)
            .map(|own| name(instance_type, own.term.name(), own.payment.name()))
            .collect();
        if names.is_empty() {
            let rows = self.of_region(region).iter().filter(|rate| {
                rate.plan_kind == what.plan_kind()
                    && family_and_size(&rate.instance_type).0 == family
            });
            let near = rows.map(|r| name(&r.instance_type, &r.term, &r.payment_option)).take(3);
            names.extend(near);
        }
        if names.is_empty() {
            return format!("the book has no {} prices of {family} in {region}", what.plan_kind());
        }
        format!("the nearest it has: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        let text = "instance_type,on_demand,standard_1yr,standard_3yr,convertible_1yr,convertible_3yr,as_of,source\n\
             m7g.large,0.0978,0.0647,0.0443,0.0744,0.0515,2025-04-04,files\n\
             u7.metal,100,,60,,,2025-04-04,files\n";
        let mut rates = Rates::default();
        rates.add_no_upfront("eu-central-1", "no_upfront.csv", text).unwrap();
        rates
    }

    #[test]
    fn no_upfront_rates_are_found_by_class_and_term() {
        let rates = rates();
        let row = rates.no_upfront("eu-central-1", "m7g.large").unwrap();
        assert_eq!(row.usd_per_hour(OfferingClass::Standard, Term::One), Some(0.0647));
        assert_eq!(row.usd_per_hour(OfferingClass::Standard, Term::Three), Some(0.0443));
        assert_eq!(row.usd_per_hour(OfferingClass::Convertible, Term::One), Some(0.0744));
        assert_eq!(row.usd_per_hour(OfferingClass::Convertible, Term::Three), Some(0.0515));
        let what = Offering {
            kind: Kind::Ec2ReservedInstance,
            class: OfferingClass::Standard,
            term: Term::One,
            payment: Payment::NoUpfront,
        };
        let found = rates.find("eu-central-1", what, "m7g.large").unwrap();
        assert_eq!((found.usd_per_hour, found.as_of), (0.0647, "2025-04-04"));
        // Not sold for one year; no such region; another payment.
        assert_eq!(rates.find("eu-central-1", what, "u7.metal"), None);
        assert_eq!(rates.find("eu-west-1", what, "m7g.large"), None);
        let convertible = Offering { class: OfferingClass::Convertible, ..what };
        let found = rates.find("eu-central-1", convertible, "m7g.large").unwrap();
        assert_eq!(found.usd_per_hour, 0.0744);
        let all = Offering { payment: Payment::AllUpfront, ..what };
        assert_eq!(rates.find("eu-central-1", all, "m7g.large"), None);
        assert_eq!(
            rates.nearest("eu-central-1", all, "m7g.large"),
            "the nearest it has: m7g.large 1yr no-upfront, m7g.large 3yr no-upfront"
        );
    }

    #[test]
    fn a_wrong_rate_is_placed() {
        let text = "instance_type,on_demand,standard_1yr,standard_3yr,convertible_1yr,convertible_3yr,as_of,source\n\
             m7g.large,0.0978,free,,,,2025-04-04,files\n";
        let error = Rates::default().add_no_upfront("r1", "r1/f.csv", text).unwrap_err();
        assert!(error.to_string().starts_with("r1/f.csv:2: "), "{error}");
    }
}
