//! Sums of priced lines by any key; a sum always equals its parts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    facts::prices::BillKey,
    measure::{
        calendar::Month,
        units::{Quantity, Usd},
    },
    usage::services::Basis,
};

/// A priced line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The month.
    pub month: Month,
    /// The account.
    pub account: String,
    /// The meter.
    pub key: BillKey,
    /// What used it.
    pub resource: String,
    /// How much.
    pub quantity: Quantity,
    /// What it costs, in USD.
    pub cost: Usd,
    /// Place in `rate::Rated::charges` of the month's charge it is part of.
    pub charge: usize,
    /// Why this much.
    pub why: Basis,
}

/// Cost of the entries by a key of your choice, in the key's order.
pub fn sum_by<K: Ord>(entries: &[Entry], key: impl Fn(&Entry) -> K) -> BTreeMap<K, Usd> {
    let mut sums = BTreeMap::new();
    for entry in entries {
        *sums.entry(key(entry)).or_insert(Usd::ZERO) += entry.cost;
    }
    sums
}

/// Cost of all entries.
pub fn total(entries: &[Entry]) -> Usd {
    entries.iter().map(|entry| entry.cost).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_any_key_equal_the_total() {
        let entry = |account: &str, service: &str, cost: &str| Entry {
            month: "2027-01".parse().unwrap(),
            account: account.into(),
            key: BillKey::new(service, "us", "x", ""),
            resource: String::new(),
            quantity: Quantity::ZERO,
            cost: Usd::from_decimal(cost.parse().unwrap()),
            charge: 0,
            why: Basis::default(),
        };
        let entries =
            [entry("a", "s", "0.1"), entry("a", "t", "0.2"), entry("b", "s", "0.0000000003")];
        let by_account = sum_by(&entries, |entry| entry.account.clone());
        assert_eq!(by_account["a"].to_string(), "0.3");
        assert_eq!(by_account.values().copied().sum::<Usd>(), total(&entries));
        let by_service = sum_by(&entries, |entry| entry.key.service.clone());
        assert_eq!(by_service.values().copied().sum::<Usd>(), total(&entries));
    }
}
