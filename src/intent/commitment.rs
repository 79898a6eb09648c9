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
//! The book has no-upfront prices of EC2 reserved instances, all-upfront prices of us-east-1, and no Compute or
//! Database Savings Plan: other prices are given as `discount_percent`, as AWS quotes it. Zonal reservations, queued
//! purchases and exchanges of convertible reservations are not modelled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    facts::commitment_rates::{Kind, Offering, OfferingClass, Payment, Rules, Term},
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
    /// Of EC2 reserved instances: whether they can be exchanged; default: `standard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offering_class: Option<OfferingClass>,
    /// Region; that of the account by default.
    pub region: Option<String>,
    /// Discount on the on-demand price, as AWS quotes it, where the book has no price \[percent\].
    #[schemars(range(min = 0, max = 90), extend("format" = "percent"))]
    pub discount_percent: Option<f64>,
    /// Of Database Savings Plans: discount on serverless capacity, where it differs from that on instances \[percent\].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 90), extend("format" = "percent"))]
    pub serverless_discount_percent: Option<f64>,
    /// How accounts outside `sharing_group` are served; default: all accounts alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<GroupSharing>,
    /// Accounts that share it with the buyer under `sharing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing_group: Option<Vec<String>>,
}

/// How an organization shares a commitment with a group of accounts (AWS Billing user guide, "Reserved Instances and
/// Savings Plans discount sharing"; since 2025-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupSharing {
    /// The group comes before other accounts.
    Prioritized,
    /// Only the group.
    Restricted,
}

impl Commitment {
    /// Returns what is bought of what AWS sells.
    pub fn offering(&self) -> Offering {
        let class = self.offering_class.unwrap_or_default();
        Offering { kind: self.kind, class, term: self.term, payment: self.payment }
    }

    /// Returns the place of an account among those that it serves, the buyer's 0; none for one that it does not.
    pub fn rank_of(&self, account: &str, shared: bool) -> Option<u8> {
        let in_group = || {
            let group = self.sharing_group.as_deref().unwrap_or_default();
            group.iter().any(|own| own == account)
        };
        match self.sharing {
            _ if self.account == account => Some(0),
            _ if !shared => None,
            None => Some(1),
            Some(_) if in_group() => Some(1),
            Some(GroupSharing::Prioritized) => Some(2),
            Some(GroupSharing::Restricted) => None,
        }
    }

    /// Returns what contradicts itself: key and message.
    pub fn check(&self, accounts: &[&str]) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !accounts.contains(&&*self.account) {
            let message =
                format!("no account {:?}; there are {}", self.account, accounts.join(", "));
            wrong.push(("account", message));
        }
        let title = self.kind.with_article();
        let plan = self.kind.is_savings_plan();
        let needs: [(&'static str, bool, bool); 4] = [
            ("usd_per_hour", self.usd_per_hour.is_some(), plan),
            ("family", self.family.is_some(), self.kind == Kind::Ec2InstanceSavingsPlan),
            ("instance_type", self.instance_type.is_some(), !plan),
            ("count", self.count.is_some(), !plan),
        ];
        for (key, given, needed) in needs {
            if needed && !given {
                wrong.push((key, format!("is missing; {title} needs it")));
            } else if given && !needed {
                wrong.push((key, format!("does not apply to {title}; remove it")));
            }
        }
        if self.kind.covers_all_regions() && self.region.is_some() {
            wrong.push(("region", format!("{title} covers all regions; remove it")));
        }
        if self.kind != Kind::Ec2ReservedInstance && self.offering_class.is_some() {
            wrong.push(("offering_class", format!("does not apply to {title}; remove it")));
        }
        if self.kind != Kind::DatabaseSavingsPlan && self.serverless_discount_percent.is_some() {
            let message = format!("does not apply to {title}; remove it");
            wrong.push(("serverless_discount_percent", message));
        }
        if self.kind == Kind::RdsReservedInstance
            && self.instance_type.as_ref().is_some_and(|class| !class.starts_with("db."))
        {
            wrong.push(("instance_type", "is a DB instance class: db.r6g.large".into()));
        }
        wrong.extend(self.check_sharing(accounts));
        wrong
    }

    fn check_sharing(&self, accounts: &[&str]) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let group = self.sharing_group.as_deref().unwrap_or_default();
        if self.sharing.is_some() && group.is_empty() {
            wrong.push(("sharing_group", "is missing; name the accounts that share it".into()));
        }
        if self.sharing.is_none() && !group.is_empty() {
            wrong.push(("sharing", "is missing; choose prioritized or restricted".into()));
        }
        for other in group.iter().filter(|other| !accounts.contains(&&***other)) {
            let message = format!("no account {other:?}; there are {}", accounts.join(", "));
            wrong.push(("sharing_group", message));
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
        let refused = |kind, term, payment| {
            rules.refusal(kind, term, payment).map(|own| (own.key, own.message))
        };
        let message = "AWS sells no RDS Reserved Instance for 3yr with no-upfront; choose partial-upfront or all-upfront, or another term";
        let expected = Some(("payment", message.to_owned()));
        assert_eq!(refused(rds, Term::Three, Payment::NoUpfront), expected);
        let plan = Kind::DatabaseSavingsPlan;
        let message = "AWS sells no Database Savings Plan for 3yr with no-upfront; it sells 1yr with no-upfront";
        let expected = Some(("term", message.to_owned()));
        assert_eq!(refused(plan, Term::Three, Payment::NoUpfront), expected);
        let message =
            "AWS sells no Database Savings Plan for 1yr with all-upfront; choose no-upfront";
        let expected = Some(("payment", message.to_owned()));
        assert_eq!(refused(plan, Term::One, Payment::AllUpfront), expected);
        assert_eq!(refused(plan, Term::One, Payment::NoUpfront), None);
    }

    /// Generation 7 and newer, and serverless capacity; burstable classes have lower generations.
    #[test]
    fn database_plans_cover_recent_generations() {
        let rules = rules();
        for (class, covered) in [
            ("db.r6g.large", false),
            ("db.t4g.medium", false),
            ("db.x2g.large", false),
            ("db.r7g.large", true),
            ("db.r8gd.2xlarge", true),
            ("db.m7i.xlarge", true),
            ("serverless", true),
        ] {
            assert_eq!(rules.database_plan_covers(class), covered, "{class}");
        }
    }

    /// The buyer first; then its group, and others last or never. Without one payer nobody else.
    #[test]
    fn groups_share_what_the_buyer_leaves() {
        let mut plan = commitment("2027-01", "1yr");
        plan.sharing_group = Some(vec!["b".into()]);
        let ranks =
            |plan: &Commitment, shared| ["a", "b", "c"].map(|own| plan.rank_of(own, shared));
        assert_eq!(ranks(&plan, false), [Some(0), None, None]);
        assert_eq!(ranks(&plan, true), [Some(0), Some(1), Some(1)]);
        plan.sharing = Some(GroupSharing::Prioritized);
        assert_eq!(ranks(&plan, true), [Some(0), Some(1), Some(2)]);
        plan.sharing = Some(GroupSharing::Restricted);
        assert_eq!(ranks(&plan, true), [Some(0), Some(1), None]);
        let wrong = plan.check(&["a", "c"]);
        assert_eq!(wrong, [("sharing_group", "no account \"b\"; there are a, c".to_owned())]);
        (plan.sharing, plan.usd_per_hour) = (None, Some(1.0));
        assert_eq!(plan.check(&["a", "b"])[0].0, "sharing");
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
