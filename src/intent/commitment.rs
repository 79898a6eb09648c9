//! Savings Plans and reserved instances as a scenario buys them, and what the book says they cost.
//!
//! # Formula
//! ```text
//! term [h]        = years × 8,760                       from the first hour of the month it is bought in
//! Savings Plan    fee an hour = commitment
//! reservation     fee an hour = count × effective hourly price
//! upfront         = fee an hour × term × (1 all, ½ partial, 0 no upfront)
//! amortized(m)    = fee an hour × hours of month m inside the term           (28 days: 672 … 31 days: 744)
//! cash(m)         = upfront in the first month + (1 − upfront share) × amortized(m)
//! ```
//! # Source
//! Billing rules, "EC2, spot, Savings Plans"; `models/commitments.toml` for the term and the payment options.
//! Prices: `pricing-cache/<region>/<service>.commitments.csv`, each row with source and date.
//! # Limits
//! The book knows all-upfront prices of us-east-1 and no Compute Savings Plan: what it does not know is to be
//! given as `discount_percent`, as AWS quotes it. Zonal reservations, queued purchases and convertible
//! exchanges are left out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Place},
    measure::calendar::Month,
};

pub mod uses;

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
    /// Whether it is bought by dollars an hour.
    pub fn is_savings_plan(self) -> bool {
        matches!(self, Self::ComputeSavingsPlan | Self::Ec2InstanceSavingsPlan)
    }

    /// Its name in the book.
    pub fn plan_kind(self) -> &'static str {
        match self {
            Self::ComputeSavingsPlan => "compute",
            Self::Ec2InstanceSavingsPlan => "ec2-instance",
            Self::Ec2ReservedInstance => "standard-ri",
            Self::RdsReservedInstance => "reserved-db-instance",
        }
    }

    /// Its name as AWS prints it.
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
    /// Its name in the book.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "1yr",
            Self::Three => "3yr",
        }
    }

    /// Its years.
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

    /// Its name in the book.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoUpfront => "no-upfront",
            Self::PartialUpfront => "partial-upfront",
            Self::AllUpfront => "all-upfront",
        }
    }
}

/// One `[[commitments]]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// What it is called in reports.
    pub name: String,
    /// What is bought.
    pub kind: Kind,
    /// The account that buys; under consolidated billing what it does not use serves the others.
    pub account: String,
    /// Month in whose first hour it begins.
    pub start: Month,
    /// For how long.
    pub term: Term,
    /// How it is paid.
    pub payment: Payment,
    /// Of Savings Plans: the commitment [USD an hour].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub usd_per_hour: Option<f64>,
    /// Of EC2 Instance Savings Plans: the instance family, `m7g`.
    pub family: Option<String>,
    /// Of reserved instances: the type or class, `m7g.large`, `db.r6g.large`.
    pub instance_type: Option<String>,
    /// Of reserved instances: how many.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub count: Option<f64>,
    /// Region; the account's if left out.
    pub region: Option<String>,
    /// Discount on the on-demand price, as AWS quotes it, where the book has no price [percent].
    #[schemars(range(min = 0, max = 90), extend("format" = "percent"))]
    pub discount_percent: Option<f64>,
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
    /// Whether AWS sells a kind of commitment for a term and a payment option.
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

    /// What is paid on the first day.
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
    /// Effective price [USD an hour].
    pub usd_per_hour: f64,
    /// On-demand price that it was compared with at its source [USD an hour].
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

    /// All prices of a region.
    pub fn of_region(&self, region: &str) -> &[Rate] {
        self.by_region.get(region).map_or(&[], Vec::as_slice)
    }

    /// The price of a kind, for a type.
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

    /// What the book has nearest to a price that it has not.
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

impl Commitment {
    /// What contradicts itself: key and message.
    pub fn check(&self, accounts: &[&str]) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !accounts.contains(&&*self.account) {
            let message =
                format!("no account {:?}; there are {}", self.account, accounts.join(", "));
            wrong.push(("account", message));
        }
        let title = self.kind.title();
        let needs: [(&'static str, bool, bool); 4] = [
            ("usd_per_hour", self.usd_per_hour.is_some(), self.kind.is_savings_plan()),
            ("family", self.family.is_some(), self.kind == Kind::Ec2InstanceSavingsPlan),
            ("instance_type", self.instance_type.is_some(), !self.kind.is_savings_plan()),
            ("count", self.count.is_some(), !self.kind.is_savings_plan()),
        ];
        for (key, given, needed) in needs {
            if needed && !given {
                wrong.push((key, format!("is missing; a {title} needs it")));
            } else if given && !needed {
                wrong.push((key, format!("is not of a {title}; leave it out")));
            }
        }
        if self.kind == Kind::ComputeSavingsPlan && self.region.is_some() {
            wrong.push(("region", format!("a {title} is for all regions; leave it out")));
        }
        if self.kind == Kind::RdsReservedInstance
            && self.instance_type.as_ref().is_some_and(|class| !class.starts_with("db."))
        {
            wrong.push(("instance_type", "is a DB instance class: db.r6g.large".into()));
        }
        wrong
    }

    /// How much is bought: dollars an hour of a Savings Plan, or instances.
    pub fn size(&self) -> f64 {
        if self.kind.is_savings_plan() { self.usd_per_hour } else { self.count }.unwrap_or_default()
    }

    /// The share of the term's hours in a month: from and to, in hours since the month's first.
    pub fn hours_in(&self, month: Month, rules: &Rules) -> std::ops::Range<usize> {
        let length = month.hours();
        if month < self.start {
            return 0..0;
        }
        let mut before = 0;
        let mut at = self.start;
        while at < month {
            before += at.hours();
            at = at.plus(1);
        }
        let term = rules.hours(self.term) as usize;
        0..term.saturating_sub(before).min(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commitment(start: &str, term: &str) -> Commitment {
        let text = format!(
            "name = 'x'\nkind = 'compute-savings-plan'\naccount = 'a'\nstart = '{start}'\n\
             term = '{term}'\npayment = 'no-upfront'\nusd_per_hour = 1"
        );
        toml::from_str(&text).unwrap()
    }

    pub(crate) fn rules() -> Rules {
        toml::from_str(include_str!("../../models/commitments.toml")).unwrap()
    }

    fn hours(of: &Commitment, month: &str) -> usize {
        of.hours_in(month.parse().unwrap(), &rules()).len()
    }

    /// Months of 28, 29, 30 and 31 days; a year is 8,760 hours, so one that holds a 29 February ends a day
    /// before the year is round.
    #[test]
    fn a_term_is_counted_in_hours() {
        let plan = commitment("2027-02", "1yr");
        for (month, expected) in
            [("2027-01", 0), ("2027-02", 672), ("2027-04", 720), ("2027-05", 744), ("2028-01", 744)]
        {
            assert_eq!(hours(&plan, month), expected, "{month}");
        }
        assert_eq!(hours(&plan, "2028-02"), 0);
        let leap = commitment("2027-07", "1yr");
        assert_eq!(hours(&leap, "2028-02"), 696);
        assert_eq!(hours(&leap, "2028-06"), 720 - 24);
        let all: usize = (0..40).map(|m| hours_of_month(&leap, m)).sum();
        assert_eq!(all, 8760);
    }

    fn hours_of_month(of: &Commitment, index: u32) -> usize {
        of.hours_in("2027-01".parse::<Month>().unwrap().plus(index), &rules()).len()
    }

    #[test]
    fn sizes_have_units() {
        let rules = rules();
        for (size, units) in [("large", 4.0), ("xlarge", 8.0), ("2xlarge", 16.0), ("12xl", 96.0)] {
            assert_eq!(rules.units(size), Some(units), "{size}");
        }
        assert_eq!(rules.units("metal"), None);
        assert_eq!(family_and_size("db.r6g.2xlarge"), ("db.r6g", "2xlarge"));
    }

    #[test]
    fn what_aws_does_not_sell_is_known() {
        let (rules, rds) = (rules(), Kind::RdsReservedInstance);
        assert!(!rules.sells(rds, Term::Three, Payment::NoUpfront));
        assert!(rules.sells(rds, Term::One, Payment::NoUpfront));
        assert!(rules.sells(Kind::Ec2ReservedInstance, Term::Three, Payment::NoUpfront));
        assert_eq!(
            rules.refusal(rds, Term::Three, Payment::NoUpfront),
            "AWS sells no RDS Reserved Instance for 3yr with no-upfront; choose partial-upfront or all-upfront, or another term"
        );
    }

    #[test]
    fn what_a_kind_needs_is_asked_for() {
        let mut plan = commitment("2027-01", "1yr");
        plan.usd_per_hour = None;
        plan.count = Some(2.0);
        let wrong: Vec<&str> = plan.check(&["b"]).iter().map(|(key, _)| *key).collect();
        assert_eq!(wrong, ["account", "usd_per_hour", "count"]);
    }
}
