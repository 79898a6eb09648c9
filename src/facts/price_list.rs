//! AWS's own price lists in the form of the price book: what `prices refresh` reads, and what it changes.
//!
//! # Formula
//! ```text
//! meter       = (usage type without region prefix, operation)
//! in force    = rows of the latest effective date that is not after the day of the refresh, by SKU
//! taken over  = meters of the book, and new ones whose usage type begins as the service's `add` says
//! free part   = a step of the book that many meters share is kept; the list's steps are counted from its end
//! ```
//! # Source
//! AWS Price List guide, "Reading the service price list file"; `models/price_list.toml` has the rest.
//! # Limits
//! Consumption only: reservations and Savings Plans stay as they are. A meter that two SKUs price differently,
//! or whose unit changed, keeps its old price and is named.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::facts::model::{self, Model};
use crate::{
    facts::prices::{PriceBook, PriceRow, Table},
    measure::units::UnitPrice,
};

mod merge;
mod read;

pub use self::{
    merge::{Change, Meter, Outcome, diff, merge},
    read::{read_csv, read_product},
};

/// `models/price_list.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Where the bulk files lie.
    pub bulk_url: String,
    /// Region of the Price List API.
    pub api_region: String,
    /// Kind of terms that are read.
    pub term: String,
    /// Currency of the prices.
    pub currency: String,
    /// Ratio of prices above which another unit is not believed.
    pub most_ratio: Decimal,
    /// Spellings of one unit.
    pub units: Vec<Vec<String>>,
    /// Multiples of units.
    pub conversions: Vec<Conversion>,
    /// Services of the model.
    #[serde(rename = "service")]
    pub services: Vec<Service>,
    /// Spot prices, which no list has.
    pub spot: Spot,
}

impl Model for Rules {
    const FILES: &'static [&'static str] = &["price_list.toml"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        model::from_toml(texts)
    }
}

/// A unit that is a multiple of another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// The list's unit.
    pub from: String,
    /// The book's unit.
    pub to: String,
    /// The book's units in one of the list's.
    pub divide_by: Decimal,
}

/// A service's list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// Its code, which names list and file.
    pub code: String,
    /// One list for all regions.
    pub global: bool,
    /// Beginnings of usage types that are taken in when new.
    pub add: Vec<String>,
    /// Filters of `GetProducts`, one set after the other; all products where there is none.
    pub ask: Vec<BTreeMap<String, String>>,
    /// Conditions on a row in addition to its usage type.
    #[serde(rename = "where")]
    pub conditions: Vec<Condition>,
}

/// What rows of some usage types have to say.
#[derive(Debug, Clone, Deserialize)]
pub struct Condition {
    /// Beginnings of the usage types.
    pub usage_type: Vec<String>,
    /// Values that are accepted, by column or attribute in small letters without spaces.
    #[serde(flatten)]
    pub values: BTreeMap<String, Vec<String>>,
}

/// Where spot prices go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// Operating system as EC2 calls it.
    pub product: String,
    /// Days that are averaged.
    pub days: u32,
    /// Version of the EC2 API.
    pub api_version: String,
    /// Service of the book.
    pub service: String,
    /// Beginning of the usage type.
    pub usage_type: String,
    /// Operation.
    pub operation: String,
    /// Unit.
    pub unit: String,
}

impl Rules {
    /// Returns the rules of a service.
    ///
    /// # Errors
    /// A code that is none of the model's, with those that are.
    pub fn service(&self, code: &str) -> Result<&Service, String> {
        self.services.iter().find(|service| service.code == code).ok_or_else(|| {
            let codes: Vec<&str> = self.services.iter().map(|known| &*known.code).collect();
            format!("{code:?} is not a modelled service; expected one of {}", codes.join(", "))
        })
    }
}

/// A region of the list, and what of it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// All rules.
    pub rules: &'a Rules,
    /// The service's.
    pub service: &'a Service,
    /// The region, or `global`.
    pub region: &'a str,
    /// Prefixes of the region's usage types, without the hyphen.
    pub prefixes: &'a [String],
    /// The day whose prices are wanted.
    pub today: Date,
}

/// One price of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Stock keeping unit.
    pub sku: String,
    /// As the bill prints it.
    pub billed_usage_type: String,
    /// Operation.
    pub operation: String,
    /// The list's description.
    pub description: String,
    /// The list's unit.
    pub unit: String,
    /// First unit of the step.
    pub begin: Decimal,
    /// End of the step.
    pub end: Option<Decimal>,
    /// Price of one unit.
    pub price: UnitPrice,
    /// From when on.
    pub effective: String,
}

/// A list, or the part of it that is wanted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Offer {
    /// Version, `20260914170746`.
    pub version: String,
    /// When it was published.
    pub published: String,
    /// Its prices.
    pub items: Vec<Item>,
    /// Rows that were read.
    pub rows: u64,
}

/// Small letters and digits alone: columns, attributes and units are spelled in several ways.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Scope<'_> {
    /// Returns the usage type without the region's prefix.
    pub fn bare<'t>(&self, billed: &'t str) -> &'t str {
        let mut prefixes = self.prefixes.iter().map(String::as_str).chain([self.region]);
        let cut = |prefix: &str| billed.strip_prefix(prefix)?.strip_prefix('-');
        prefixes.find_map(cut).unwrap_or(billed)
    }

    /// Returns whether a meter is the model's, by its usage type without and with the prefix: one that the book has in
    /// some region, or one to be taken in. Each row of a list is looked up once.
    pub fn wanted<'b>(&'b self, book: &'b PriceBook) -> impl Fn(&str, &str) -> bool + 'b {
        let code = self.service.code.as_str();
        let tables = || book.tables().filter(move |(_, service, _)| *service == code);
        let known: HashSet<&str> =
            tables().flat_map(|(_, _, table)| table.rows()).map(PriceRow::usage_type).collect();
        let own = book.table(self.region, code).into_iter().flat_map(Table::rows);
        let printed: HashSet<&str> = own.map(PriceRow::billed_usage_type).collect();
        move |bare, billed| {
            self.service.add.iter().any(|begin| bare.starts_with(begin.as_str()))
                || known.contains(bare)
                || printed.contains(billed)
        }
    }

    /// Returns whether a row says what its usage type asks for; `said` gives a column or attribute.
    fn holds<'t>(&self, bare: &str, said: impl Fn(&str) -> &'t str) -> bool {
        let of = |condition: &&Condition| {
            condition.usage_type.iter().any(|begin| bare.starts_with(begin.as_str()))
        };
        let holds = |condition: &Condition| {
            condition.values.iter().all(|(name, values)| {
                let value = said(name);
                values.iter().any(|accepted| accepted == value)
            })
        };
        self.service.conditions.iter().filter(of).all(holds)
    }
}
