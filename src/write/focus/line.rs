//! Rows of the export, a priced line each.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::{COLUMNS, Facts, Value};
use crate::{
    bills::actuals::FORECAST,
    measure::{calendar::Month, units::Usd},
    money::ledger::Entry,
    plan::{
        Plan,
        list::{ListPrices, Nature},
        spread::Quantiles,
        usage_kind,
    },
};

/// Decimals of quantities and prices.
const PLACES: u32 = 15;

/// A row by the names of its columns; a name that is no column is a fault of this module.
struct Cells(Vec<Value>);

impl Cells {
    fn set(&mut self, name: &str, value: Value) {
        let place = COLUMNS.iter().position(|(column, _)| *column == name);
        self.0[place.expect("the column is in the list")] = value;
    }

    fn text(&mut self, name: &str, text: impl Into<String>) {
        self.set(name, Value::text(text));
    }

    fn number(&mut self, name: &str, number: Decimal) {
        self.set(name, Value::Number(number.round_dp(PLACES)));
    }
}

/// All rows, in the order of the ledger.
pub(super) fn rows<'a>(plan: &'a Plan, facts: &'a Facts) -> impl Iterator<Item = Vec<Value>> + 'a {
    let prices = ListPrices::new(plan);
    let quantiles = quantiles(plan);
    let shared = shared(plan);
    let mut told: BTreeSet<(Month, &str, &str)> = BTreeSet::new();
    plan.entries.iter().map(move |entry| {
        let mut row = Cells(shared.clone());
        let nature = prices.nature(entry);
        costs(&mut row, entry, &prices);
        charge(&mut row, plan, entry, nature);
        meter(&mut row, plan, entry, nature, facts);
        commitment(&mut row, plan, entry, nature);
        let service = &*plan.price_of(entry).cost_explorer_service;
        let place = (entry.month, &*entry.account, service);
        if let Some(of) = quantiles.get(&place).filter(|_| told.insert(place)) {
            for (name, value) in [("P10", of.p10), ("P50", of.p50), ("P90", of.p90)] {
                row.number(&format!("x_ServiceMonth{name}"), value.decimal());
            }
        }
        row.0
    })
}

/// What the trials say, by month, account and service.
fn quantiles(plan: &Plan) -> BTreeMap<(Month, &str, &str), &Quantiles<Usd>> {
    let months = plan.spread.iter().flat_map(|spread| &spread.months);
    let accounts = months.flat_map(|m| m.accounts.iter().map(move |account| (m.month, account)));
    accounts
        .flat_map(|(month, account)| {
            let services = account.services.iter();
            services.map(move |(service, of)| ((month, &*account.account, &**service), of))
        })
        .collect()
}

/// What all rows say.
fn shared(plan: &Plan) -> Vec<Value> {
    let mut row = Cells(vec![Value::Null; COLUMNS.len()]);
    let made = &plan.made_from;
    let name = if plan.name.is_empty() { "plan" } else { &plan.name };
    row.text("BillingAccountId", name);
    row.text("BillingAccountName", name);
    row.text("BillingCurrency", &*plan.currency);
    row.text("x_CostBasis", &*plan.cost_metric);
    row.text("x_RecordType", FORECAST);
    row.text("x_RunrateVersion", &*made.version);
    row.text("x_Scenario", &*plan.name);
    row.text("x_ScenarioDigest", &*made.scenario_sha256);
    row.text("x_PriceBookDigest", &*made.price_book_sha256);
    row.text("x_ModelsDigest", &*made.models_sha256);
    row.text("x_Seed", made.seed.to_string());
    row.text("x_Trial", made.trial.to_string());
    row.text("x_Trials", plan.spread.as_ref().map_or(String::new(), |s| s.trials.to_string()));
    row.0
}

fn costs(row: &mut Cells, entry: &Entry, prices: &ListPrices<'_>) {
    let nature = prices.nature(entry);
    let listed = prices.of(entry);
    // Discounts of the contract are rows of their own: their contracted cost is what they take off.
    let contracted = if nature == Nature::Discount { entry.cost } else { listed.cost };
    for (name, cost) in [
        ("BilledCost", entry.cost),
        ("EffectiveCost", entry.cost),
        ("ListCost", listed.cost),
        ("ContractedCost", contracted),
    ] {
        row.number(name, cost.decimal());
    }
    if let Some(unit) = listed.unit {
        row.number("ListUnitPrice", unit);
        row.number("ContractedUnitPrice", unit);
    }
}

/// The quantity as the plan has it, to fifteen decimals.
fn quantity(entry: &Entry) -> Decimal {
    let exact = entry.quantity.get().to_string().parse().ok();
    exact.or_else(|| entry.quantity.decimal()).unwrap_or_default()
}

fn charge(row: &mut Cells, plan: &Plan, entry: &Entry, nature: Nature) {
    let (category, frequency, item) = match nature {
        Nature::Usage => ("Usage", "Usage-Based", "Usage"),
        Nature::PlanUsage => ("Usage", "Usage-Based", "SavingsPlanCoveredUsage"),
        Nature::ReservedUsage => ("Usage", "Usage-Based", "DiscountedUsage"),
        Nature::PlanFee => ("Usage", "Recurring", "SavingsPlanRecurringFee"),
        Nature::ReservedFee => ("Usage", "Recurring", "RIFee"),
        Nature::Support => ("Purchase", "Recurring", "Support"),
        Nature::Tax => ("Tax", "Recurring", "Tax"),
        Nature::Discount => ("Adjustment", "Recurring", &*entry.key.usage_type),
    };
    row.text("ChargeCategory", category);
    row.text("ChargeFrequency", frequency);
    row.text("x_LineItemType", item);
    for (name, month) in [("Start", entry.month), ("End", entry.month.plus(1))] {
        row.set(&format!("BillingPeriod{name}"), Value::Moment(month));
        row.set(&format!("ChargePeriod{name}"), Value::Moment(month));
    }
    let unit = &plan.price_of(entry).unit;
    row.text(
        "ChargeDescription",
        format!("Forecast, no bill: {} of {}", entry.key.usage_type, entry.key.service),
    );
    if nature != Nature::Tax {
        row.number("PricingQuantity", quantity(entry));
        row.text("PricingUnit", &**unit);
    }
    if category == "Usage" && !nature.is_unused() {
        row.number("ConsumedQuantity", quantity(entry));
        row.text("ConsumedUnit", &**unit);
    }
    let spot = usage_kind(&entry.key.usage_type) == "SpotUsage";
    let pricing = match nature {
        Nature::Tax | Nature::Discount => "",
        nature if nature.is_committed() => "Committed",
        _ if spot => "Dynamic",
        _ => "Standard",
    };
    row.text("PricingCategory", pricing);
    row.text("x_Formula", &*entry.why.formula);
}

fn meter(row: &mut Cells, plan: &Plan, entry: &Entry, nature: Nature, facts: &Facts) {
    let key = &entry.key;
    let price = plan.price_of(entry);
    let or = |text: &str, other: &str| {
        if text.is_empty() { other.to_owned() } else { text.to_owned() }
    };
    row.text("ServiceName", or(&price.cost_explorer_service, &key.service));
    let service = facts.services.get(&key.service);
    let named = |of: fn(&super::Service) -> &String| service.map_or("", |known| of(known));
    row.text("ProviderName", or(named(|s| &s.provider), &key.service));
    row.text("PublisherName", or(named(|s| &s.publisher), &key.service));
    row.text("InvoiceIssuerName", or(named(|s| &s.invoice_issuer), &key.service));
    row.text("ServiceCategory", or(named(|s| &s.category), "Other"));
    row.text("RegionId", &*key.region);
    row.text("RegionName", facts.regions.get(&key.region).map_or("", String::as_str));
    let sku = format!("{}:{}:{}", key.service, key.usage_type, key.operation);
    row.text("SkuId", sku.trim_end_matches(':'));
    row.text("SkuPriceId", format!("{}:{}", key.region, sku.trim_end_matches(':')));
    row.text("SkuMeter", usage_kind(&key.usage_type));
    row.text("x_ServiceCode", &*key.service);
    row.text("x_UsageType", or(&price.billed_usage_type, &key.usage_type));
    row.text("x_Operation", &*key.operation);
    row.text("x_PriceDate", price.steps.iter().map(|step| &*step.as_of).min().unwrap_or(""));
    row.text("x_Resource", &*entry.resource);
    if nature == Nature::Usage && !entry.resource.is_empty() {
        row.text("ResourceId", &*entry.resource);
        row.text("ResourceName", &*entry.resource);
        row.text("ResourceType", usage_kind(&key.usage_type));
    }
    let account = plan.accounts.iter().find(|account| account.name == entry.account);
    let id = account.and_then(|account| account.id.as_deref()).unwrap_or(&entry.account);
    row.text("SubAccountId", id);
    row.text("SubAccountName", &*entry.account);
}

fn commitment(row: &mut Cells, plan: &Plan, entry: &Entry, nature: Nature) {
    if !nature.is_committed() {
        return;
    }
    let spend = matches!(nature, Nature::PlanUsage | Nature::PlanFee);
    row.text("CommitmentDiscountId", &*entry.resource);
    row.text("CommitmentDiscountName", &*entry.resource);
    row.text("CommitmentDiscountCategory", if spend { "Spend" } else { "Usage" });
    row.text("CommitmentDiscountStatus", if nature.is_covered() { "Used" } else { "Unused" });
    let own = plan.commitments.iter().find(|bought| bought.name == entry.resource);
    row.text("CommitmentDiscountType", own.map_or("", |own| own.kind.title()));
    // A reservation's unused part is known as money alone.
    let hours = !spend && nature.is_covered();
    let amount = if hours { quantity(entry) } else { entry.cost.decimal() };
    row.number("CommitmentDiscountQuantity", amount);
    row.text("CommitmentDiscountUnit", if hours { "Hours" } else { &*plan.currency });
}
