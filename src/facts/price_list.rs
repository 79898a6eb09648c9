//! AWS's own price lists in the form of the price book: what `prices refresh` reads, and what it changes.
//!
//! # Formula
//! ```text
//! meter       = (usage type without region prefix, operation)
//! in force    = rows of the latest effective date that is not after the day of the refresh, by SKU
//! taken over  = meters of the book, and new ones whose usage type begins or ends as the service's `add` and
//!               `add_ending` say
//! free part   = a step of the book that many meters share is kept; the list's steps are counted from its end
//! rate        = price an hour + upfront fee / hours of the term, for reservations; as listed, for Savings Plans
//! ```
//! # Source
//! AWS Price List guide, "Reading the service price list file"; `models/price_list.toml` has the rest.
//! # Limits
//! A meter that two SKUs price differently, or whose unit changed, keeps its old price and is named. The Price List API
//! has no Savings Plans.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::facts::model::{self, Model};
use crate::{
    facts::prices::{PriceBook, PriceRow, Table},
    measure::units::UnitPrice,
};

mod commitments;
mod merge;
mod read;

pub use self::{
    commitments::{CommitmentItem, Commitments, merge_commitments},
    merge::{Change, Meter, Outcome, diff, merge},
    read::{read_csv, read_product, read_savings_plans},
};

/// `models/price_list.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Where the bulk files lie.
    pub bulk_url: String,
    /// Region of the Price List API.
    pub api_region: String,
    /// Kind of terms that are prices of consumption.
    pub term: String,
    /// Kind of terms that are reservations.
    pub reserved_term: String,
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
    /// Savings Plans.
    #[serde(rename = "savings_plan")]
    pub savings_plans: Vec<SavingsPlan>,
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
    /// Codes of further lists that have meters of its file.
    pub also: Vec<String>,
    /// One list for all regions.
    pub global: bool,
    /// Beginnings of usage types that are taken in when new.
    pub add: Vec<String>,
    /// Endings of usage types of the region that are taken in when new.
    pub add_ending: Vec<String>,
    /// Field of a product that names its region; `regionCode` where it is empty.
    pub region_field: String,
    /// Reservations that are taken in.
    pub reserved: Option<Reserved>,
    /// Filters of `GetProducts`, one set after the other; all products where there is none.
    pub ask: Vec<BTreeMap<String, String>>,
    /// Conditions on a row in addition to its usage type.
    #[serde(rename = "where")]
    pub conditions: Vec<Condition>,
}

/// Reservations of a service's list.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserved {
    /// Beginning of the usage types that can be reserved.
    pub usage_type: String,
    /// Name in the book by offering class, in small letters.
    pub plan_kinds: BTreeMap<String, String>,
}

/// A list of Savings Plans.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavingsPlan {
    /// Its code.
    pub code: String,
    /// Service whose file of commitments has its rates.
    pub service: String,
    /// Name in the book by the beginning of the plan's usage type.
    pub plan_kinds: BTreeMap<String, String>,
    /// What it discounts that the book has rates of.
    pub covers: Vec<Covered>,
}

/// Usage that a Savings Plan discounts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Covered {
    /// Beginning of the usage type; the instance type follows it.
    pub usage_type: String,
    /// Operations.
    pub operation: Vec<String>,
    /// What stands in the place of an instance type, where none follows.
    #[serde(default)]
    pub instance_type: String,
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
            let plans = self.savings_plans.iter().map(|known| &*known.code);
            let codes: Vec<&str> =
                self.services.iter().map(|known| &*known.code).chain(plans).collect();
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
    /// Its rates of commitments.
    pub commitments: Vec<CommitmentItem>,
    /// Rows that were read.
    pub rows: u64,
}

impl Offer {
    /// Adds what another list has of the same file.
    pub fn add(&mut self, other: Self) {
        if self.version.is_empty() {
            self.version = other.version;
            self.published = other.published;
        }
        self.rows += other.rows;
        self.items.extend(other.items);
        self.commitments.extend(other.commitments);
    }
}

impl Service {
    /// Returns the codes of its lists.
    pub fn lists(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.code).chain(self.also.iter().map(String::as_str))
    }

    /// Returns whether a meter is taken in although no region of the book has it.
    fn adds(&self, bare: &str, billed: &str) -> bool {
        let begins = self.add.iter().any(|begin| bare.starts_with(begin.as_str()));
        // Without a prefix of its own it is another region's.
        let of_region = bare.len() < billed.len();
        begins || of_region && self.add_ending.iter().any(|end| bare.ends_with(end.as_str()))
    }
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
        if let Some(bare) = prefixes.find_map(cut) {
            return bare;
        }
        // The prefix of a region that is new to the program, `EUC3`.
        let new = |(prefix, _): &(&str, &str)| {
            let upper = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit();
            prefix.len() == 4
                && prefix.ends_with(|c: char| c.is_ascii_digit())
                && prefix.bytes().all(upper)
        };
        let unknown = self.prefixes.is_empty() && !self.service.global;
        let cut = billed.split_once('-').filter(|parts| unknown && new(parts));
        cut.map_or(billed, |(_, bare)| bare)
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
            self.service.adds(bare, billed) || known.contains(bare) || printed.contains(billed)
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
