//! Discounts that a contract with AWS gives: private rates by service, and one on everything (EDP).
//!
//! # Formula
//! ```text
//! private discount(service) = Σ charges of the service × percent
//! EDP                       = (Σ AWS charges of the service − its private discount) × percent
//! ```
//! Each is a line of its own with a negative amount, as a bill has it (`PrivateRateDiscount`, `EdpDiscount`).
//!
//! # Source
//! Record types of Cost Explorer: Cost and Usage Report dictionary, "lineItem/LineItemType"
//! (`EdpDiscount`, `PrivateRateDiscount`).
//! # Limits
//! Support, tax and other vendors' charges are not discounted. Support is charged on costs before
//! discounts (aws.amazon.com/premiumsupport/pricing). A contract's commitment and its steps are not modelled.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{PriceStep, PriceUsed, Rated, commitment::Line, surcharge};
use crate::{
    facts::prices::{BillKey, GLOBAL},
    measure::{
        calendar::Month,
        units::{UnitPrice, Usd},
    },
    usage::services::Basis,
};

const EDP: &str = "EdpDiscount";
const PRIVATE: &str = "PrivateRateDiscount";

/// Whether a meter is a discount, which no usage has.
pub fn is_discount(key: &BillKey) -> bool {
    [EDP, PRIVATE].contains(&&*key.usage_type)
}

/// What a scenario's contract says.
#[derive(Debug, Clone, Copy)]
pub struct Contract<'a> {
    /// Discount on all AWS charges, in percent.
    pub percent: f64,
    /// Discounts by service code or Cost Explorer service, in percent.
    pub by_service: &'a [(String, f64)],
    /// Codes of other vendors' services.
    pub other_vendors: &'a [String],
}

/// Adds the discounts; places of `by_service` that name no service of the plan come back.
pub fn add(rated: &mut Rated, contract: Contract<'_>) -> Vec<usize> {
    let mut bases: BTreeMap<(Month, String, String, String), Usd> = BTreeMap::new();
    let aws = |key: &BillKey| {
        !surcharge::is_surcharge(key) && !contract.other_vendors.contains(&key.service)
    };
    for entry in rated.entries.iter().filter(|entry| aws(&entry.key)) {
        let price = &rated.prices[rated.charges[entry.charge].price];
        let service = (entry.key.service.clone(), price.cost_explorer_service.clone());
        *bases.entry((entry.month, entry.account.clone(), service.0, service.1)).or_default() +=
            entry.cost;
    }
    let mut unused: Vec<usize> = (0..contract.by_service.len()).collect();
    for ((month, account, code, shown), base) in bases {
        let line = Line { month, account: &account, name: "discount" };
        let of = |name: &String| *name == code || *name == shown;
        let mut left = base;
        for (place, (_, percent)) in
            contract.by_service.iter().enumerate().filter(|(_, (name, _))| of(name))
        {
            unused.retain(|known| *known != place);
            left = left - deduct(rated, line, (&code, &shown, PRIVATE), (left, *percent));
        }
        deduct(rated, line, (&code, &shown, EDP), (left, contract.percent));
    }
    unused
}

/// Adds one line; what it takes off.
fn deduct(
    rated: &mut Rated,
    line: Line<'_>,
    (code, shown, kind): (&str, &str, &str),
    (base, percent): (Usd, f64),
) -> Usd {
    let share = Decimal::try_from(percent / 100.0).unwrap_or_default();
    let off = Usd::from_decimal(base.decimal() * share);
    if off == Usd::ZERO || base < Usd::ZERO {
        return Usd::ZERO;
    }
    let price = PriceUsed {
        key: BillKey::new(code, GLOBAL, kind, ""),
        billed_usage_type: kind.into(),
        cost_explorer_service: shown.into(),
        unit: "USD".into(),
        steps: vec![PriceStep {
            from: Decimal::ZERO,
            to: None,
            price: UnitPrice::from_decimal(share),
            pool: String::new(),
            as_of: String::new(),
            source: "billing.discount_percent and billing.discounts of the scenario".into(),
            confidence: "scenario".into(),
            note: "deducted".into(),
        }],
        gap: None,
    };
    let why = Basis::new(
        "− charges × discount",
        &[("charges", base.to_f64(), "USD"), ("discount", percent, "%")],
    );
    rated.add(line, price, base.to_f64(), Usd::ZERO - off, why);
    off
}
