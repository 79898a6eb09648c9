//! Charges summed by service: what support, discounts and tax need to know of lines that are not rated again.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;

use super::{PriceStep, PriceUsed, Rated, commitment::Line};
use crate::{
    facts::prices::{BillKey, GLOBAL},
    measure::{
        calendar::Month,
        units::{UnitPrice, Usd},
    },
    usage::services::Basis,
};

/// Charges of a month, an account and a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fixed {
    /// The month.
    pub month: Month,
    /// The account.
    pub account: String,
    /// Service code.
    pub service: String,
    /// Cost Explorer's SERVICE.
    pub cost_explorer_service: String,
    /// Their sum, in USD.
    pub cost: Usd,
}

impl Rated {
    /// Sums all entries by month, account and service.
    pub fn by_service(&self) -> Vec<Fixed> {
        let mut sums: BTreeMap<(Month, &str, &str, &str), Usd> = BTreeMap::new();
        for entry in &self.entries {
            let shown = &self.prices[self.charges[entry.charge].price].cost_explorer_service;
            let name = (entry.month, &*entry.account, &*entry.key.service, &**shown);
            *sums.entry(name).or_default() += entry.cost;
        }
        let fixed = |((month, account, service, shown), cost): ((Month, &str, &str, &str), Usd)| {
            let [account, service, cost_explorer_service] =
                [account, service, shown].map(str::to_owned);
            Fixed { month, account, service, cost_explorer_service, cost }
        };
        sums.into_iter().map(fixed).collect()
    }

    /// Adds such sums, one entry each.
    pub fn add_fixed(&mut self, fixed: &[Fixed]) {
        for Fixed { month, account, service, cost_explorer_service, cost } in fixed {
            let price = PriceUsed {
                key: BillKey::new(service, GLOBAL, "", ""),
                billed_usage_type: String::new(),
                cost_explorer_service: cost_explorer_service.clone(),
                unit: "USD".into(),
                steps: vec![PriceStep {
                    from: Decimal::ZERO,
                    to: None,
                    price: UnitPrice::from_decimal(Decimal::ONE),
                    pool: String::new(),
                    as_of: String::new(),
                    source: "charges that were rated before".into(),
                    confidence: String::new(),
                    note: String::new(),
                }],
                gap: None,
            };
            let line = Line { month: *month, account, name: "" };
            self.add(line, price, cost.to_f64(), *cost, Basis::default());
        }
    }
}
