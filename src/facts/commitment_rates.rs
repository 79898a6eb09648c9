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
    /// EC2 instances of one type in one region; Linux, of any size of the family.
    Ec2ReservedInstance,
    /// Aurora instances of one class in one region, of any size of the family.
    RdsReservedInstance,
}

impl Kind {
    /// Returns whether it is bought by dollars an hour.
    pub fn is_savings_plan(self) -> bool {
        matches!(self, Self::ComputeSavingsPlan | Self::Ec2InstanceSavingsPlan)
    }

    /// Returns its name in the book.
    pub fn plan_kind(self) -> &'static str {
        match self {
            Self::ComputeSavingsPlan => "compute",
            Self::Ec2InstanceSavingsPlan => "ec2-instance",
            Self::Ec2ReservedInstance => "standard-ri",
            Self::RdsReservedInstance => "reserved-db-instance",
        }
    }

    /// Returns its name as AWS prints it.
    pub fn title(self) -> &'static str {
        match self {
            Self::ComputeSavingsPlan => "Compute Savings Plan",
            Self::Ec2InstanceSavingsPlan => "EC2 Instance Savings Plan",
            Self::Ec2ReservedInstance => "EC2 Reserved Instance",
            Self::RdsReservedInstance => "RDS Reserved Instance",
        }
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
    /// What AWS does not sell.
    pub not_sold: Vec<NotSold>,
    /// Normalization factors by size.
    pub normalization: BTreeMap<String, f64>,
}

impl Model for Rules {
    const FILES: &'static [&'static str] = &["commitments.toml"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        model::from_toml(texts)
    }
}

/// A payment option that AWS does not offer for a kind of commitment and a term.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotSold {
    /// What would be bought.
    pub kind: Kind,
    /// For how long.
    pub term: Term,
    /// How it would be paid.
    pub payment: Payment,
    /// Where AWS says so.
    pub source: String,
}

impl Rules {
    /// Returns whether AWS sells a kind of commitment for a term and a payment option.
    pub fn sells(&self, kind: Kind, term: Term, payment: Payment) -> bool {
        let same = |no: &NotSold| (no.kind, no.term, no.payment) == (kind, term, payment);
        !self.not_sold.iter().any(same)
    }

    /// Says that AWS does not sell a payment option, and which ones it sells.
    pub fn refusal(&self, kind: Kind, term: Term, payment: Payment) -> String {
        let sold: Vec<&str> = Payment::ALL
            .into_iter()
            .filter(|other| self.sells(kind, term, *other))
            .map(Payment::name)
            .collect();
        format!(
            "AWS sells no {} for {} with {}; choose {}, or another term",
            kind.title(),
            term.name(),
            payment.name(),
            sold.join(" or ")
        )
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfferingClass {
    /// Cannot be exchanged.
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
    /// On-demand price on the day of the rates [USD an hour].
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
    /// Returns the rate of an offering [USD an hour]; none where AWS does not sell it.
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
    /// Effective price [USD an hour].
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

    /// Returns the price of a kind, for a type.
    pub fn find(
        &self,
        region: &str,
        (kind, term, payment): (Kind, Term, Payment),
        instance_type: &str,
    ) -> Option<Found<'_>> {
        let found = self.of_region(region).iter().find(|rate| {
            rate.plan_kind == kind.plan_kind()
                && rate.term == term.name()
                && rate.payment_option == payment.name()
                && rate.instance_type == instance_type
        });
        if let Some(Rate { usd_per_hour, as_of, source, .. }) = found {
            return Some(Found { usd_per_hour: *usd_per_hour, as_of, source });
        }
        if (kind, payment) != (Kind::Ec2ReservedInstance, Payment::NoUpfront) {
            return None;
        }
        let rates = self.no_upfront(region, instance_type)?;
        let usd_per_hour = rates.usd_per_hour(OfferingClass::Standard, term)?;
        Some(Found { usd_per_hour, as_of: &rates.as_of, source: &rates.source })
    }

    /// Returns what the book has nearest to a price that it has not.
    pub fn nearest(&self, region: &str, kind: Kind, instance_type: &str) -> String {
        let (family, _) = family_and_size(instance_type);
        let rows = self.of_region(region).iter().filter(|rate| rate.plan_kind == kind.plan_kind());
        let same: Vec<&Rate> = rows.clone().filter(|r| r.instance_type == instance_type).collect();
        let near: Vec<&Rate> = if same.is_empty() {
            rows.filter(|rate| family_and_size(&rate.instance_type).0 == family).take(3).collect()
        } else {
            same
        };
        let name = |instance_type: &str, term: &str, payment: &str| {
            format!("{instance_type} {term} {payment}")
        };
        let mut names: Vec<String> =
            near.iter().map(|r| name(&r.instance_type, &r.term, &r.payment_option)).collect();
        if kind == Kind::Ec2ReservedInstance
            && let Some(rates) = self.no_upfront(region, instance_type)
        {
            let sold = [Term::One, Term::Three].into_iter();
            let sold =
                sold.filter(|term| rates.usd_per_hour(OfferingClass::Standard, *term).is_some());
            let payment = Payment::NoUpfront.name();
            names.extend(sold.map(|term| name(instance_type, term.name(), payment)));
        }
        if names.is_empty() {
            return format!("the book has no {} prices of {family} in {region}", kind.plan_kind());
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
        let what = (Kind::Ec2ReservedInstance, Term::One, Payment::NoUpfront);
        let found = rates.find("eu-central-1", what, "m7g.large").unwrap();
        assert_eq!((found.usd_per_hour, found.as_of), (0.0647, "2025-04-04"));
        // Not sold for one year; no such region; another payment.
        assert_eq!(rates.find("eu-central-1", what, "u7.metal"), None);
        assert_eq!(rates.find("eu-west-1", what, "m7g.large"), None);
        let all = (Kind::Ec2ReservedInstance, Term::One, Payment::AllUpfront);
        assert_eq!(rates.find("eu-central-1", all, "m7g.large"), None);
        assert_eq!(
            rates.nearest("eu-central-1", Kind::Ec2ReservedInstance, "m7g.large"),
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
