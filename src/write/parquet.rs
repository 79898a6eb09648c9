//! The ledger as Parquet, and what all Parquet files of a plan share: typed columns, and where they are from.
//!
//! Money is decimal with ten places, quantities are binary as the plan has them, months are dates. What the
//! plan was made from stands in the file's own metadata under `runrate.` and in columns of its own where
//! rows are mixed with those of other files.

use polars_core::prelude::{
    Column, DataFrame, DataType, Int128Chunked, IntoColumn, IntoSeries, NewChunkedArray, TimeUnit,
};
use polars_io::parquet::write::{KeyValueMetadata, ParquetCompression, ParquetWriter};
use rust_decimal::Decimal;

use crate::{
    measure::{calendar::Month, units::USD_PLACES},
    money::{ledger::Entry, rate::PriceUsed},
    plan::{Plan, list::ListPrices},
};

/// Digits of a decimal column, the most that readers know.
const DIGITS: usize = 38;

/// A text of a line, and of a price, by the name of its column.
type OfEntry = (&'static str, fn(&Entry) -> &str);
type OfPrice = (&'static str, fn(&PriceUsed) -> &str);

/// Columns on their way to a file.
pub(super) struct Frame {
    height: usize,
    columns: Vec<Column>,
}

fn fault(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Frame {
    pub(super) fn new(height: usize) -> Self {
        Self { height, columns: Vec::new() }
    }

    pub(super) fn texts<'a>(&mut self, name: &str, texts: impl Iterator<Item = Option<&'a str>>) {
        let texts: Vec<Option<&str>> = texts.collect();
        self.columns.push(Column::new(name.into(), texts));
    }

    pub(super) fn numbers(&mut self, name: &str, numbers: Vec<f64>) {
        self.columns.push(Column::new(name.into(), numbers));
    }

    fn counts(&mut self, name: &str, counts: Vec<u64>) {
        self.columns.push(Column::new(name.into(), counts));
    }

    /// First moments of months, in ms since 1970, UTC.
    pub(super) fn moments(&mut self, name: &str, months: impl Iterator<Item = Option<Month>>) {
        let of = |month: Month| days(month) * 86_400_000;
        let moments: Vec<Option<i64>> = months.map(|month| month.map(of)).collect();
        let column = Column::new(name.into(), moments);
        let cast = column.cast(&DataType::Datetime(TimeUnit::Milliseconds, None));
        self.columns.push(cast.expect("whole numbers become moments"));
    }

    fn dates(&mut self, name: &str, months: impl Iterator<Item = Month>) {
        let dates: Vec<i32> = months.map(|month| days(month) as i32).collect();
        let cast = Column::new(name.into(), dates).cast(&DataType::Date);
        self.columns.push(cast.expect("whole numbers become dates"));
    }

    /// Decimals with so many places.
    ///
    /// # Errors
    /// A number too large for them.
    pub(super) fn decimals(
        &mut self,
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
        let whole = Int128Chunked::from_iter_options(name.into(), values.into_iter());
        let decimals = whole.into_decimal(DIGITS, places as usize).map_err(fault)?;
        self.columns.push(decimals.into_series().into_column());
        Ok(())
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// What the writer says.
    pub(super) fn finish(self, plan: &Plan) -> Result<Vec<u8>, String> {
        let mut frame = DataFrame::new(self.height, self.columns).map_err(fault)?;
        let mut out = std::io::Cursor::new(Vec::new());
        ParquetWriter::new(&mut out)
            .with_compression(ParquetCompression::Snappy)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(provenance(plan))))
            .finish(&mut frame)
            .map_err(fault)?;
        Ok(out.into_inner())
    }
}

fn days(month: Month) -> i64 {
    let since = month.first_day() - jiff::civil::date(1970, 1, 1);
    i64::from(since.get_days())
}

/// What a file is from, for its metadata.
fn provenance(plan: &Plan) -> Vec<(String, String)> {
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
    let mut frame = Frame::new(entries.len());
    frame.dates("month", entries.iter().map(|entry| entry.month));
    let own: [OfEntry; 6] = [
        ("account", |entry| &entry.account),
        ("region", |entry| &entry.key.region),
        ("service", |entry| &entry.key.service),
        ("usage_type", |entry| &entry.key.usage_type),
        ("operation", |entry| &entry.key.operation),
        ("resource", |entry| &entry.resource),
    ];
    for (name, of) in own {
        frame.texts(name, entries.iter().map(|entry| Some(of(entry))));
    }
    frame.numbers("quantity", entries.iter().map(|entry| entry.quantity.get()).collect());
    let used: [OfPrice; 3] = [
        ("unit", |price| &price.unit),
        ("cost_explorer_service", |price| &price.cost_explorer_service),
        ("billed_usage_type", |price| &price.billed_usage_type),
    ];
    for (name, of) in used {
        frame.texts(name, entries.iter().map(|entry| Some(of(plan.price_of(entry)))));
    }
    let money = entries.iter().map(|entry| Some(entry.cost.decimal()));
    frame.decimals("cost_usd", USD_PLACES, money)?;
    let list = entries.iter().map(|entry| Some(prices.of(entry).cost.decimal()));
    frame.decimals("list_cost_usd", USD_PLACES, list)?;
    let dates = |entry| plan.price_of(entry).steps.iter().map(|step| &*step.as_of).max();
    frame.texts("price_as_of", entries.iter().map(|entry| dates(entry).filter(|d| !d.is_empty())));
    let formula = entries.iter().map(|entry| Some(&*entry.why.formula));
    frame.texts("formula", formula);
    let made = &plan.made_from;
    for (name, text) in [("scenario", &*plan.name), ("scenario_sha256", &*made.scenario_sha256)] {
        frame.texts(name, entries.iter().map(|_| Some(text)));
    }
    frame.counts("seed", vec![made.seed; entries.len()]);
    frame.finish(plan)
}
