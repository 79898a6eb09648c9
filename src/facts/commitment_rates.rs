//! Commitments as AWS sells them: kinds, terms, payments, and the rates that the price book has.
//!
//! # Source
//! `models/commitments.toml` for terms and payment options; `pricing-cache/<region>/<service>.commitments.csv` for rates,
//! each row with source and date.
//! # Limits
//! The book has all-upfront rates of us-east-1 and none of Compute Savings Plans. A rate that it lacks can be given as
//! `discount_percent`, as AWS quotes it.

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

/// The commitment prices of the regions that were loaded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rates {
    by_region: BTreeMap<String, Vec<Rate>>,
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

    /// Returns all prices of a region.
    pub fn of_region(&self, region: &str) -> &[Rate] {
        self.by_region.get(region).map_or(&[], Vec::as_slice)
    }

    /// Returns the price of a kind, for a type.
    pub fn find(
        &self,
        region: &str,
        (kind, term, payment): (Kind, Term, Payment),
        instance_type: &str,
    ) -> Option<&Rate> {
        self.of_region(region).iter().find(|rate| {
            rate.plan_kind == kind.plan_kind()
                && rate.term == term.name()
                && rate.payment_option == payment.name()
                && rate.instance_type == instance_type
        })
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
        if near.is_empty() {
            return format!("the book has no {} prices of {family} in {region}", kind.plan_kind());
        }
        let names =
            near.iter().map(|r| format!("{} {} {}", r.instance_type, r.term, r.payment_option));
        format!("the nearest it has: {}", names.collect::<Vec<_>>().join(", "))
    }
}
