//! Charges on charges: AWS Support and tax.
//!
//! # Formula
//! ```text
//! support = max(minimum, banded share of the account's AWS charges of the month)
//! tax     = rate × all charges of the account and month, support included
//! ```
//! # Source
//! aws.amazon.com/premiumsupport/pricing: the greater of the minimum and cumulative bands, before discounts and
//! credits; Business Support+ per account, the others over all enrolled accounts.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::{Charge, Part, PriceStep, PriceUsed, Rated, Sharing, Unpriced, Usage, rate};
use crate::{
    facts::{
        prices::{BillKey, GLOBAL, PriceBook},
        shapes::SupportFacts,
    },
    measure::{
        calendar::Month,
        units::{Quantity, UnitPrice, Usd},
    },
    money::ledger::{Entry, sum_by},
    usage::services::{Basis, UsageLine},
};

/// Code of the support plans' prices, with which the codes of a bill's support lines begin.
pub const SUPPORT: &str = "AWSSupport";
/// Usage types of the banded share of support, before the colon.
const BANDS: &str = "support_rate";
/// What a bill calls tax.
pub const TAX: &str = "Tax";

/// Plans that the book knows.
pub fn support_plans(book: &PriceBook) -> BTreeSet<String> {
    let rows = book.tables().filter(|(_, service, _)| *service == SUPPORT);
    let rows = rows.flat_map(|(_, _, table)| table.rows());
    let plans = rows.filter_map(|row| row.usage_type().strip_prefix(BANDS)?.strip_prefix(':'));
    plans.map(str::to_owned).collect()
}

/// Whose charges share the bands of a support plan: one account's, or those of all accounts.
fn sharing_of(plan: &str, facts: &SupportFacts) -> Sharing {
    let per_account = facts.per_account_plans.iter().any(|known| known == plan);
    if per_account { Sharing::PerAccount } else { Sharing::Consolidated }
}

/// Whose charges share the bands of a meter of support; none for any other meter. It follows from the support
/// plan alone, whoever pays for the accounts.
pub fn support_sharing(key: &BillKey, facts: &SupportFacts) -> Option<Sharing> {
    let (kind, plan) = key.usage_type.split_once(':')?;
    match (&*key.service, kind) {
        (SUPPORT, BANDS) => Some(sharing_of(plan, facts)),
        // A minimum is one unit at one price.
        (SUPPORT, _) => Some(Sharing::PerAccount),
        _ => None,
    }
}

/// Adds the support charge of every account and month.
///
/// # Errors
/// A plan that the book does not know.
pub fn add_support(
    rated: &mut Rated,
    plan: &str,
    facts: &SupportFacts,
    book: &PriceBook,
) -> Result<(), Vec<Unpriced>> {
    let aws = |entry: &&Entry| !facts.other_vendors.contains(&entry.key.service);
    let aws: Vec<Entry> = rated.entries.iter().filter(aws).cloned().collect();
    let sums = sum_by(&aws, |entry| (entry.month, entry.account.clone()));
    let sharing = sharing_of(plan, facts);
    let usage = |kind: &str, of: &dyn Fn(Usd) -> f64| -> Vec<Usage> {
        let line = |((month, account), cost): (&(Month, String), &Usd)| Usage {
            month: *month,
            account: account.clone(),
            line: UsageLine {
                key: BillKey::new(SUPPORT, GLOBAL, &format!("{kind}:{plan}"), ""),
                resource: "support".into(),
                quantity: Quantity::new(of(*cost).max(0.0)),
                hours: Vec::new(),
                zones: None,
                why: Basis::new(
                    "greater of the minimum and the banded share of AWS charges",
                    &[("AWS charges", cost.to_f64(), "USD")],
                ),
            },
        };
        sums.iter().map(line).collect()
    };
    let banded = rate(&usage(BANDS, &Usd::to_f64), book, sharing)?;
    let least = rate(&usage("support_minimum", &|_| 1.0), book, Sharing::PerAccount)?;
    let due = sum_by(&banded.entries, |entry| scope_of(entry, sharing));
    let minimum = sum_by(&least.entries, |entry| (entry.month, entry.account.clone()));
    let mut paid: BTreeSet<(Month, String)> = BTreeSet::new();
    for (index, entry) in banded.entries.iter().enumerate() {
        let own = minimum.get(&(entry.month, entry.account.clone())).copied().unwrap_or_default();
        let scope = scope_of(entry, sharing);
        let above = due.get(&scope).copied().unwrap_or_default() >= own;
        if above {
            rated.take(&banded, index);
        } else if paid.insert(scope) {
            // The minimum is due once for each scope; the first account of the month carries it.
            rated.take(&least, index);
        }
    }
    Ok(())
}

fn scope_of(entry: &Entry, sharing: Sharing) -> (Month, String) {
    let account =
        if sharing == Sharing::PerAccount { entry.account.clone() } else { String::new() };
    (entry.month, account)
}

/// Whether a meter is a share of other charges, which no usage has.
pub fn is_surcharge(key: &BillKey) -> bool {
    [SUPPORT, TAX].contains(&&*key.service)
}

/// Adds tax on all charges of every account and month.
///
/// # Errors
/// A rate that is no decimal.
pub fn add_tax(rated: &mut Rated, percent: f64) -> Result<(), String> {
    let rate = Quantity::checked(percent / 100.0).and_then(Quantity::decimal);
    let rate = rate.ok_or("tax_percent: is no decimal")?;
    let sums: BTreeMap<(Month, String), Usd> =
        sum_by(&rated.entries, |entry| (entry.month, entry.account.clone()));
    let key = BillKey::new(TAX, GLOBAL, "NoUsageType", "");
    let price = UnitPrice::parse(&rate.to_string())?;
    rated.prices.push(PriceUsed {
        key: key.clone(),
        billed_usage_type: "NoUsageType".into(),
        cost_explorer_service: "Tax".into(),
        unit: "USD".into(),
        steps: vec![PriceStep {
            from: Decimal::ZERO,
            to: None,
            price,
            pool: String::new(),
            as_of: String::new(),
            source: "billing.tax_percent of the scenario".into(),
            confidence: "scenario".into(),
            note: String::new(),
        }],
        gap: None,
    });
    for ((month, account), charged) in sums {
        let cost = Usd::from_decimal(charged.decimal() * rate);
        if cost == Usd::ZERO {
            continue;
        }
        rated.charges.push(Charge {
            month,
            scope: account.clone(),
            price: rated.prices.len() - 1,
            quantity: charged.decimal(),
            parts: vec![Part { from: Decimal::ZERO, quantity: charged.decimal(), price }],
            cost,
        });
        rated.entries.push(Entry {
            month,
            account,
            key: key.clone(),
            resource: "tax".into(),
            quantity: Quantity::new(charged.to_f64()),
            cost,
            charge: rated.charges.len() - 1,
            why: Basis::new(
                "charges × tax rate",
                &[("charges", charged.to_f64(), "USD"), ("tax rate", percent, "%")],
            ),
        });
    }
    Ok(())
}

impl Rated {
    /// Takes over one entry of another rating with its charge and price.
    fn take(&mut self, other: &Self, index: usize) {
        let mut entry = other.entries[index].clone();
        let charge = &other.charges[entry.charge];
        let price = &other.prices[charge.price];
        let known = self.prices.iter().position(|known| known.key == price.key);
        let price = known.unwrap_or_else(|| {
            self.prices.push(price.clone());
            self.prices.len() - 1
        });
        let same = |known: &Charge| {
            known.month == charge.month && known.scope == charge.scope && known.price == price
        };
        entry.charge = self.charges.iter().rposition(same).unwrap_or_else(|| {
            self.charges.push(Charge { price, ..charge.clone() });
            self.charges.len() - 1
        });
        self.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::store::{self, PriceSource};

    fn facts() -> SupportFacts {
        store::embedded_catalog().unwrap().controllers.support
    }

    fn rated(charges: &[(&str, &str)]) -> (Rated, PriceBook) {
        let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
        let book = store::load_prices(&manifest, Some(&["us-east-1"])).unwrap();
        let usage: Vec<Usage> = charges
            .iter()
            .map(|(account, hours)| Usage {
                month: "2027-04".parse().unwrap(),
                account: (*account).into(),
                line: UsageLine {
                    // 0.10 an hour: ten hours are a dollar.
                    key: BillKey::new(
                        "AmazonEKS",
                        "us-east-1",
                        "AmazonEKS-Hours:perCluster",
                        "CreateOperation",
                    ),
                    resource: String::new(),
                    quantity: Quantity::new(hours.parse().unwrap()),
                    hours: Vec::new(),
                    zones: None,
                    why: Basis::default(),
                },
            })
            .collect();
        (rate(&usage, &book, Sharing::PerAccount).unwrap(), book)
    }

    fn support(charges: &[(&str, &str)], plan: &str) -> Vec<String> {
        let (mut rated, book) = rated(charges);
        add_support(&mut rated, plan, &facts(), &book).unwrap();
        let own = rated.entries.iter().filter(|entry| entry.key.service == "AWSSupport");
        own.map(|entry| format!("{} {}", entry.account, entry.cost)).collect()
    }

    /// 12,000 USD: 10,000 × 9 % + 2,000 × 7 % = 1,040. 100 USD: 9 is below the minimum of 29.
    #[test]
    fn business_support_takes_bands_or_the_minimum_of_each_account() {
        let found = support(&[("a", "120000"), ("b", "1000")], "Business Support+");
        assert_eq!(found, ["a 1040", "b 29"]);
    }

    /// Enterprise runs over both accounts: 60,000 × 10 % = 6,000 above 5,000; of 10,000 only 1,000, so the
    /// minimum once.
    #[test]
    fn enterprise_support_runs_over_all_accounts() {
        let found = support(&[("a", "400000"), ("b", "200000")], "Enterprise");
        assert_eq!(found, ["a 4000", "b 2000"]);
        assert_eq!(support(&[("a", "50000"), ("b", "50000")], "Enterprise"), ["a 5000"]);
    }

    /// 100 USD at 19 % are 19.
    #[test]
    fn tax_is_a_share_of_everything() {
        let (mut rated, _) = rated(&[("a", "1000")]);
        add_tax(&mut rated, 19.0).unwrap();
        assert_eq!(rated.entries.last().unwrap().cost.to_string(), "19");
        let charges: Usd = rated.charges.iter().map(|charge| charge.cost).sum();
        assert_eq!(charges.to_string(), "119");
    }

    #[test]
    fn an_unknown_plan_is_named() {
        let (mut rated, book) = rated(&[("a", "1")]);
        assert!(add_support(&mut rated, "Gold", &facts(), &book).is_err());
        assert!(support_plans(&book).contains("Business Support+"));
    }
}
