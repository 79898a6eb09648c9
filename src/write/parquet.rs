//! The ledger as Parquet, and what all Parquet files of a plan share: typed columns, and where they are from.
//!
//! Money is decimal with ten places, quantities are binary as the plan has them, months are dates. What the
//! plan was made from stands in the file's own metadata under `runrate.` and in columns of its own where
//! rows are mixed with those of other files.

use rust_decimal::Decimal;

use crate::{
    measure::{parquet::Columns, units::USD_PLACES},
    money::{ledger::Entry, rate::PriceUsed},
    plan::{Plan, list::ListPrices},
};

/// A text of a line, and of a price, by the name of its column.
type OfEntry = (&'static str, fn(&Entry) -> &str);
type OfPrice = (&'static str, fn(&PriceUsed) -> &str);

/// Adds decimals with so many places.
///
/// # Errors
/// A number too large for them.
pub(super) fn add_decimals(
    columns: &mut Columns,
    name: &str,
    places: u32,
    numbers: impl Iterator<Item = Option<Decimal>>,
) -> Result<(), String> {
    let whole = |number: Decimal| {
        let number = number.round_dp(places);
        let scale = 10_i128.pow(places - number.scale());
        let large = || format!("{name}: {number} is more than the file can hold");
        number.mantissa().checked_mul(scale).ok_or_else(large)
    };
    let values: Vec<Option<i128>> =
        numbers.map(|number| number.map(whole).transpose()).collect::<Result<_, _>>()?;
    columns.decimals(name, places, values.into_iter());
    Ok(())
}

/// What a file is from, for its metadata.
pub(super) fn provenance(plan: &Plan) -> Vec<(String, String)> {
    let made = &plan.made_from;
    [
        ("record_type", crate::bills::actuals::FORECAST.to_owned()),
        ("plan", plan.name.clone()),
        ("version", made.version.clone()),
        ("scenario_sha256", made.scenario_sha256.clone()),
        ("price_book_sha256", made.price_book_sha256.clone()),
        ("models_sha256", made.models_sha256.clone()),
        ("seed", made.seed.to_string()),
        ("trial", made.trial.to_string()),
        ("currency", plan.currency.clone()),
        ("cost_metric", plan.cost_metric.clone()),
    ]
    .into_iter()
    .map(|(name, value)| (format!("runrate.{name}"), value))
    .collect()
}

/// `ledger.parquet`: every priced line.
///
/// # Errors
/// An amount too large for the file.
pub fn ledger(plan: &Plan) -> Result<Vec<u8>, String> {
    let entries = &plan.entries;
    let prices = ListPrices::new(plan);
    let mut columns = Columns::default();
    columns.dates("month", entries.iter().map(|entry| entry.month.first_day()));
    let own: [OfEntry; 6] = [
        ("account", |entry| &entry.account),
        ("region", |entry| &entry.key.region),
        ("service", |entry| &entry.key.service),
        ("usage_type", |entry| &entry.key.usage_type),
        ("operation", |entry| &entry.key.operation),
        ("resource", |entry| &entry.resource),
    ];
    for (name, of) in own {
        columns.texts(name, entries.iter().map(|entry| Some(of(entry))));
    }
    columns.numbers("quantity", entries.iter().map(|entry| entry.quantity.get()).collect());
    let used: [OfPrice; 3] = [
        ("unit", |price| &price.unit),
        ("cost_explorer_service", |price| &price.cost_explorer_service),
        ("billed_usage_type", |price| &price.billed_usage_type),
    ];
    for (name, of) in used {
        columns.texts(name, entries.iter().map(|entry| Some(of(plan.price_of(entry)))));
    }
    let money = entries.iter().map(|entry| Some(entry.cost.decimal()));
    add_decimals(&mut columns, "cost_usd", USD_PLACES, money)?;
    let list = entries.iter().map(|entry| Some(prices.of(entry).cost.decimal()));
    add_decimals(&mut columns, "list_cost_usd", USD_PLACES, list)?;
    let dates = |entry| plan.price_of(entry).steps.iter().map(|step| &*step.as_of).max();
    columns
        .texts("price_as_of", entries.iter().map(|entry| dates(entry).filter(|d| !d.is_empty())));
    let formula = entries.iter().map(|entry| Some(&*entry.why.formula));
    columns.texts("formula", formula);
    let made = &plan.made_from;
    for (name, text) in [("scenario", &*plan.name), ("scenario_sha256", &*made.scenario_sha256)] {
        columns.texts(name, entries.iter().map(|_| Some(text)));
    }
    columns.numbers("seed", vec![made.seed; entries.len()]);
    columns.finish(provenance(plan))
}
