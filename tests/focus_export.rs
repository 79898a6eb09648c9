//! A plan as FOCUS rows and back: what leaves through the export comes in again through `actuals import`,
//! to the last digit, and is no bill.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use crate::support::{self, runrate, stdout};
use proptest::prelude::*;
use runrate::{
    app::store,
    bills::actuals::{Metric, MonthBill, amount::Amount},
    measure::{calendar::Month, units::Usd},
    money::ledger::Entry,
    page::text,
    plan::{
        Plan,
        list::{ListPrices, Nature},
    },
    write::focus,
};
use rust_decimal::Decimal;
use tempfile::TempDir;

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml"))
        .unwrap()
}

/// The example with an account id, tax, support, discounts and every kind of commitment.
fn with_everything() -> String {
    example()
        .replace("months = 24", "months = 9")
        .replace("tax_percent = 0 ", "tax_percent = 7.25\ndiscount_percent = 6\ndiscounts = [{ service = \"AmazonRDS\", percent = 3 }] ")
        .replace("[accounts.production]", "[accounts.production]\nid = \"111111111111\"")
        + r#"
[[commitments]]
name = "plan, covered whole"
kind = "compute-savings-plan"
account = "production"
start = "2027-01"
term = "1yr"
payment = "no-upfront"
usd_per_hour = 0.05
discount_percent = 28
[[commitments]]
name = "far too large"
kind = "ec2-instance-savings-plan"
account = "production"
region = "us-east-1"
family = "m7g"
start = "2027-02"
term = "1yr"
payment = "partial-upfront"
usd_per_hour = 3
discount_percent = 35
[[commitments]]
name = "=reserved"
kind = "ec2-reserved-instance"
account = "production"
start = "2027-01"
term = "3yr"
payment = "all-upfront"
instance_type = "m6i.large"
count = 1
[[commitments]]
name = "reserved and used"
kind = "ec2-reserved-instance"
account = "non-production"
start = "2027-03"
term = "3yr"
payment = "all-upfront"
instance_type = "m7g.large"
count = 1
"#
}

fn planned(folder: &TempDir, text: &str, trials: &str) -> (String, Plan) {
    let scenario = folder.path().join("scenario.toml").display().to_string();
    fs::write(&scenario, text).unwrap();
    let out = folder.path().join("plan").display().to_string();
    stdout(&runrate(&["plan", "--trials", trials, &scenario, "--out", &out]));
    (scenario, store::load_plan(&folder.path().join("plan/plan.json")).unwrap())
}

/// Month, account, service, usage type: as the export names them.
type Key = (Month, String, String, String);

fn key(plan: &Plan, entry: &Entry) -> Key {
    let account = plan.accounts.iter().find(|own| own.name == entry.account).unwrap();
    let id = account.id.clone().unwrap_or_else(|| entry.account.clone());
    let billed = &plan.price_of(entry).billed_usage_type;
    let usage = if billed.is_empty() { &entry.key.usage_type } else { billed };
    // Control characters are written as their escapes.
    (entry.month, text::printable(&id).into_owned(), entry.key.service.clone(), usage.clone())
}

/// A quantity as bills print it, with fifteen decimals.
fn printed(entry: &Entry) -> Decimal {
    entry.quantity.get().to_string().parse::<Decimal>().unwrap().round_dp(15)
}

/// Every sum of the plan is there in the bills, and nothing else is.
fn same_sums(plan: &Plan, bills: &[MonthBill]) {
    let prices = ListPrices::new(plan);
    let mut costs: BTreeMap<Key, Usd> = BTreeMap::new();
    let mut quantities: BTreeMap<Key, Decimal> = BTreeMap::new();
    for entry in &plan.entries {
        *costs.entry(key(plan, entry)).or_default() += entry.cost;
        let quantity =
            if prices.nature(entry) == Nature::Tax { Decimal::ZERO } else { printed(entry) };
        *quantities.entry(key(plan, entry)).or_default() += quantity;
    }
    let mut billed: BTreeMap<Key, [Amount; 2]> = BTreeMap::new();
    let mut amounts: BTreeMap<Key, Amount> = BTreeMap::new();
    for bill in bills {
        assert!(bill.set_aside.is_empty() && !bill.is_partial(), "{:?}", bill.set_aside);
        assert_eq!(bill.rows(), bill.forecast_rows);
        for line in &bill.lines {
            let of = &line.key;
            let key = (bill.month, of.account.clone(), of.service.clone(), of.usage_type.clone());
            let sums = billed.entry(key.clone()).or_default();
            sums[0] += line.cost(Metric::Unblended).unwrap();
            sums[1] += line.cost(Metric::Amortized).unwrap();
            *amounts.entry(key).or_default() += line.quantity.unwrap_or_default();
        }
    }
    assert!(costs.keys().eq(billed.keys()));
    for (key, cost) in &costs {
        for sum in billed[key] {
            assert_eq!(sum.decimal().normalize(), cost.decimal().normalize(), "{key:?}");
        }
        let (found, expected) = (amounts[key].decimal(), quantities[key]);
        assert_eq!(found.normalize(), expected.normalize(), "{key:?}");
    }
    let all: Amount = billed.values().fold(Amount::ZERO, |sum, [cost, _]| sum + *cost);
    assert_eq!(all.decimal().normalize(), plan.cost.decimal().normalize());
}

fn exported(folder: &TempDir, plan: &Plan) -> Vec<String> {
    let facts = store::model().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let text = focus::csv(plan, &facts);
    assert_eq!(text, focus::csv(plan, &facts));
    let mut files = vec![write("focus.csv", text.as_bytes())];
    #[cfg(feature = "polars")]
    {
        let bytes = focus::parquet(plan, &facts).unwrap();
        assert_eq!(bytes, focus::parquet(plan, &facts).unwrap());
        files.push(write("focus.parquet", &bytes));
    }
    files.truncate(2);
    files
}

/// Both files come in whole, say that they are no bill, and differ from the plan by nothing.
fn round_trip(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, plan) = planned(&folder, text, "1");
    for file in exported(&folder, &plan) {
        let bills = store::import_bills(&[&file], &store::model().unwrap(), "now").unwrap();
        same_sums(&plan, &bills);
        let kept = folder.path().join("kept").display().to_string();
        let output = runrate(&["actuals", "import", &file, "--actuals", &kept]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("2027-01: its rows are a runrate forecast, not a bill"), "{said}");
        let listed = stdout(&runrate(&["actuals", "list", "--actuals", &kept]));
        assert!(listed.contains("a runrate forecast, not a bill"), "{listed}");
        for metric in ["unblended", "amortized"] {
            let output = runrate(&[
                "reconcile",
                &scenario,
                "--actuals",
                &kept,
                "--metric",
                metric,
                "--format",
                "json",
            ]);
            let done: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
            no_variance(&done);
        }
    }
}

fn no_variance(done: &serde_json::Value) {
    let money = |value: &serde_json::Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
    let dust = Decimal::new(1, 8);
    assert!(money(&done["total"]["planned"]) > Decimal::ONE_HUNDRED);
    assert_eq!(money(&done["total"]["variance"]["total"]), Decimal::ZERO);
    for cell in done["cells"].as_array().unwrap() {
        assert_eq!(cell["matched"], "both", "{cell}");
        assert_eq!(money(&cell["variance"]["total"]), Decimal::ZERO, "{cell}");
        for part in ["price", "quantity", "mix"] {
            assert!(money(&cell["variance"][part]).abs() < dust, "{cell}");
        }
    }
    for step in done["bridge"].as_array().unwrap() {
        assert_eq!(step["planned"], step["billed"], "{step}");
    }
    assert_eq!(done["elsewhere"].as_object().unwrap().len(), 0);
    // A forecast that meets itself says nothing of how good it is.
    assert!(done["accuracy"].is_null());
    let notes = done["notes"].to_string();
    assert!(notes.contains("a runrate forecast, not a bill"), "{notes}");
}

#[test]
fn the_example_comes_back_as_it_left() {
    round_trip(&example());
}

#[test]
fn commitments_discounts_tax_and_support_come_back_as_they_left() {
    round_trip(&with_everything());
}

/// Rows of a CSV by column.
fn rows(text: &str) -> Vec<Columns> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(Result::unwrap).collect()
}

type Columns = BTreeMap<String, String>;

/// Columns of FOCUS 1.2 that may not be null, those that must be there and may be.
const NEVER_NULL: [&str; 17] = [
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ChargeFrequency",
];
const MAY_BE_NULL: [&str; 5] =
    ["BillingAccountName", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit"];

/// What a column may say; `|` between.
const ALLOWED: [(&str, &str); 7] = [
    ("ChargeCategory", "Usage|Purchase|Tax|Credit|Adjustment"),
    ("ChargeFrequency", "One-Time|Recurring|Usage-Based"),
    ("ChargeClass", "|Correction"),
    ("PricingCategory", "|Standard|Dynamic|Committed|Other"),
    ("CommitmentDiscountStatus", "|Used|Unused"),
    ("CommitmentDiscountCategory", "|Spend|Usage"),
    (
        "ServiceCategory",
        "AI and Machine Learning|Analytics|Business Applications|Compute|Databases|Developer Tools|Multicloud|Identity|Integration|Internet of Things|Management and Governance|Media|Migration|Mobile|Networking|Security|Storage|Web|Other",
    ),
];

fn number(row: &Columns, name: &str) -> Option<Decimal> {
    row[name].parse().ok()
}

/// Which columns are there, and what they say.
fn columns_are_right(row: &Columns) {
    for name in NEVER_NULL {
        assert!(!row[name].is_empty(), "{name}: {row:?}");
    }
    assert!(MAY_BE_NULL.iter().all(|name| row.contains_key(*name)));
    assert_eq!(row["x_RecordType"], "forecast");
    assert_eq!(row["BillingCurrency"], "USD");
    for (name, allowed) in ALLOWED {
        assert!(allowed.split('|').any(|value| value == row[name]), "{name}: {row:?}");
    }
    for name in ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart"] {
        row[name].parse::<jiff::Timestamp>().unwrap();
    }
    assert!(row["ChargePeriodStart"] < row["ChargePeriodEnd"]);
}

/// What depends on the category, and products of prices and quantities.
fn charge_is_right(row: &Columns) {
    let category = &*row["ChargeCategory"];
    let charged = ["Usage", "Purchase"].contains(&category);
    for name in ["PricingQuantity", "ListUnitPrice", "ContractedUnitPrice", "PricingCategory"] {
        assert!(!charged || !row[name].is_empty(), "{name}: {row:?}");
        assert!(category != "Tax" || row[name].is_empty(), "{name}: {row:?}");
    }
    assert!(category != "Purchase" || row["ChargeFrequency"] != "Usage-Based");
    assert_eq!(row["CommitmentDiscountId"].is_empty(), row["CommitmentDiscountStatus"].is_empty());
    for (unit, cost) in [("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")] {
        let (unit, quantity) = (number(row, unit), number(row, "PricingQuantity"));
        let Some((unit, quantity)) = unit.zip(quantity) else { continue };
        let cost = number(row, cost).unwrap();
        // A line is a rounded part of its meter's charge.
        let dust = Decimal::new(1, 6) + cost.abs() * Decimal::new(1, 9);
        let off = (unit * quantity - cost).abs();
        assert!(off <= dust, "{unit} × {quantity} is not {cost}: {row:?}");
    }
}

/// The mandatory columns of FOCUS 1.2 and which of them may be null; allowed values; products that must hold.
#[test]
fn rows_keep_the_rules_of_focus() {
    let folder = tempfile::tempdir().unwrap();
    let (_, plan) = planned(&folder, &with_everything(), "1");
    let rows = rows(&focus::csv(&plan, &store::model().unwrap()));
    assert_eq!(rows.len(), plan.entries.len());
    for row in &rows {
        columns_are_right(row);
        charge_is_right(row);
    }
    for item in [
        "Usage",
        "SavingsPlanCoveredUsage",
        "SavingsPlanRecurringFee",
        "DiscountedUsage",
        "RIFee",
        "Support",
        "EdpDiscount",
        "PrivateRateDiscount",
        "Tax",
    ] {
        assert!(rows.iter().any(|row| row["x_LineItemType"] == item), "no row is {item}");
    }
    let sum = |name: &str| rows.iter().filter_map(|row| number(row, name)).sum::<Decimal>();
    assert_eq!(sum("BilledCost").normalize(), plan.cost.decimal().normalize());
    assert_eq!(sum("EffectiveCost").normalize(), plan.cost.decimal().normalize());
}

/// Quantiles stand once for each service, account and month.
#[test]
fn quantiles_stand_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = support::base("2027-01", 2, 1000)
        .replace("sessions_per_user = 30", "sessions_per_user = { low = 9, mid = 12, high = 16 }")
        + "[alb]\n";
    let (_, plan) = planned(&folder, &text, "20");
    let spread = plan.spread.as_ref().unwrap();
    let expected: Usd = spread
        .months
        .iter()
        .flat_map(|month| &month.accounts)
        .flat_map(|account| account.services.values())
        .map(|of| of.p90)
        .sum();
    let rows = rows(&focus::csv(&plan, &store::model().unwrap()));
    let found = rows.iter().filter_map(|row| row["x_ServiceMonthP90"].parse::<Decimal>().ok());
    assert_eq!(found.sum::<Decimal>().normalize(), expected.decimal().normalize());
    assert!(rows.iter().any(|row| row["x_ServiceMonthP10"].is_empty()));
    assert_eq!(rows[0]["x_Trials"], "20");
}

/// Every service of the price book has a row of its own.
#[test]
fn every_service_has_a_category() {
    let manifest = store::price_manifest(&store::PriceSource::Embedded).unwrap();
    let book = store::load_prices(&manifest, None).unwrap();
    let facts: focus::Facts = store::model().unwrap();
    let known: Vec<&str> = facts.services().collect();
    for (_, service, _) in book.tables() {
        assert!(known.contains(&service), "{service} is not in models/focus_services.csv");
    }
}

fn small() -> Plan {
    static PLAN: LazyLock<Plan> =
        LazyLock::new(|| support::plan(&(support::base("2027-01", 1, 1000) + "[alb]\n")).unwrap());
    PLAN.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// Whatever a plan, an account or a resource is called: each row stays one row, and sums stay.
    #[test]
    fn hostile_names_survive(name in any::<String>(), account in "[^\\s'](.*[^\\s])?", resource in any::<String>()) {
        prop_assume!(account != "NULL" && account.trim() == account);
        let mut plan = small();
        plan.name.clone_from(&name);
        let old = std::mem::replace(&mut plan.accounts[0].name, account.clone());
        for entry in &mut plan.entries {
            if entry.account == old {
                entry.account.clone_from(&account);
            }
            entry.resource.clone_from(&resource);
        }
        let facts = store::model().unwrap();
        let text = focus::csv(&plan, &facts);
        let read = rows(&text);
        prop_assert_eq!(read.len(), plan.entries.len());
        for row in &read {
            prop_assert_eq!(&row["x_Resource"], &runrate::write::csv::safe(&resource));
            prop_assert_eq!(&row["x_Scenario"], &runrate::write::csv::safe(&name));
        }
        let bills = runrate::bills::actuals::text::read("f", text.as_bytes(), &store::model().unwrap(), "").unwrap();
        same_sums(&plan, &bills);
        #[cfg(feature = "polars")]
        focus::parquet(&plan, &facts).unwrap();
    }
}

/// The ledger as Parquet: read back, its columns add up to the plan and say where they are from.
#[cfg(feature = "polars")]
#[test]
fn the_ledger_is_read_back() {
    use parquet::record::Field;

    use crate::parquet_file;

    let mut plan = small();
    plan.made_from.scenario_sha256 = "5ca1ab1e".repeat(8);
    let bytes = runrate::write::parquet::ledger(&plan).unwrap();
    assert_eq!(bytes, runrate::write::parquet::ledger(&plan).unwrap());
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(has(b"runrate.price_book_sha256") && has(plan.made_from.scenario_sha256.as_bytes()));
    let read = parquet_file::read(bytes);
    assert_eq!(read.rows.len(), plan.entries.len());
    assert!(read.column("month").all(|cell| matches!(cell, Field::Date(_))));
    let costs: Decimal = read.column("cost_usd").map(parquet_file::decimal).sum();
    assert_eq!(costs.normalize(), plan.cost.decimal().normalize());
    for (cell, entry) in read.column("quantity").zip(&plan.entries) {
        let Field::Double(quantity) = cell else { panic!("{cell:?}") };
        assert_eq!(quantity.to_bits(), entry.quantity.get().to_bits());
    }
}
