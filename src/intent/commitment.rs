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
//! exchanges are not modelled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    facts::commitment_rates::{Kind, Payment, Rules, Term},
    measure::calendar::Month,
};

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
    /// Of Savings Plans: the commitment \[USD an hour\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub usd_per_hour: Option<f64>,
    /// Of EC2 Instance Savings Plans: the instance family, `m7g`.
    pub family: Option<String>,
    /// Of reserved instances: the type or class, `m7g.large`, `db.r6g.large`.
    pub instance_type: Option<String>,
    /// Of reserved instances: how many.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub count: Option<f64>,
    /// Region; that of the account by default.
    pub region: Option<String>,
    /// Discount on the on-demand price, as AWS quotes it, where the book has no price \[percent\].
    #[schemars(range(min = 0, max = 90), extend("format" = "percent"))]
    pub discount_percent: Option<f64>,
}

impl Commitment {
    /// Returns what contradicts itself: key and message.
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
                wrong.push((key, format!("does not apply to a {title}; remove it")));
            }
        }
        if self.kind == Kind::ComputeSavingsPlan && self.region.is_some() {
            wrong.push(("region", format!("a {title} covers all regions; remove it")));
        }
        if self.kind == Kind::RdsReservedInstance
            && self.instance_type.as_ref().is_some_and(|class| !class.starts_with("db."))
        {
            wrong.push(("instance_type", "is a DB instance class: db.r6g.large".into()));
        }
        wrong
    }

    /// Returns how much is bought: dollars an hour of a Savings Plan, or instances.
    pub fn size(&self) -> f64 {
        if self.kind.is_savings_plan() { self.usd_per_hour } else { self.count }.unwrap_or_default()
    }

    /// Returns the share of the term's hours in a month: from and to, in hours since the month's first.
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
    use crate::facts::commitment_rates::family_and_size;

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
