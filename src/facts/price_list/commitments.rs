//! Rates of reservations and Savings Plans, put into the book's files of commitments.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;

use super::{Offer, Scope, plain};
use crate::{
    error::{Error, Place},
    facts::commitment_rates::{Payment, Term},
};

/// Columns of a file of commitments.
const COLUMNS: [&str; 9] = [
    "instance_type",
    "term",
    "payment_option",
    "plan_kind",
    "usd_per_hour",
    "on_demand_usd_per_hour",
    "as_of",
    "source",
    "note",
];
/// How many of them name the offering.
const KEYS: usize = 4;
/// Digits of a rate that an upfront fee is part of.
const RATE_DIGITS: u32 = 8;

/// One price of a commitment: an hour's, or the fee on the first day.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitmentItem {
    /// Stock keeping unit of the instance.
    pub sku: String,
    /// Code of the offering; its fee and its hours have the same.
    pub offering: String,
    /// Instance type or class.
    pub instance_type: String,
    /// For how long.
    pub term: Term,
    /// How it is paid.
    pub payment: Payment,
    /// Name of kind and class in the book.
    pub plan_kind: String,
    /// Whether it is the upfront fee.
    pub upfront: bool,
    /// The price.
    pub price: Decimal,
    /// From when on.
    pub effective: String,
}

/// Returns the term of a length as lists write it, `1yr` or `1 year`.
pub(super) fn term(text: &str) -> Option<Term> {
    match plain(text).as_str() {
        "1yr" | "1year" => Some(Term::One),
        "3yr" | "3year" => Some(Term::Three),
        _ => None,
    }
}

/// Returns the payment option of a purchase option as lists write it, `No Upfront`.
pub(super) fn payment(text: &str) -> Option<Payment> {
    Payment::ALL.into_iter().find(|payment| plain(payment.name()) == plain(text))
}

/// What became of a file of commitments.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Commitments {
    /// The file.
    pub text: String,
    /// Rates that the list has as the book had them.
    pub confirmed: usize,
    /// Rates that are others now.
    pub changed: usize,
    /// Rates that are new.
    pub added: usize,
    /// Offerings that two SKUs price differently, and how.
    pub kept: Vec<(String, String)>,
}

type Row = [String; COLUMNS.len()];
type Key = [String; KEYS];

fn key(row: &Row) -> Key {
    std::array::from_fn(|column| row[column].clone())
}

/// Puts an offer's rates into the text of a region's file, which may be empty. `list` names the list in each row;
/// `hours` are those of a year of a term.
///
/// # Errors
/// A file that is not one of commitments.
pub fn merge_commitments(
    file: &str,
    old: &str,
    (offer, list, hours): (&Offer, &str, u32),
    scope: &Scope<'_>,
) -> Result<Commitments, Error> {
    let mut rows: BTreeMap<Key, Row> = BTreeMap::new();
    let mut reader = csv::Reader::from_reader(old.as_bytes());
    for record in reader.records() {
        let record = record.map_err(|error| Error::csv(file, &error))?;
        if record.len() != COLUMNS.len() {
            let message = format!("has {} columns, expected {}", record.len(), COLUMNS.len());
            return Err(Error::at(Place::file(file), message));
        }
        let row: Row = std::array::from_fn(|column| record[column].to_owned());
        rows.insert(key(&row), row);
    }
    let mut done = Commitments::default();
    let on_demand: HashMap<&str, String> =
        offer.items.iter().map(|item| (&*item.sku, item.price.to_string())).collect();
    for (key, rates) in in_force(offer, &scope.today.to_string()) {
        let hours = Decimal::from(hours) * Decimal::from(rates[0].term.years());
        let (usd, note) = (rates[0].usd_per_hour(hours), rates[0].note());
        if let Some(other) = rates.iter().find(|other| other.usd_per_hour(hours) != usd) {
            let reason = format!(
                "SKUs {} and {} price it differently, at {usd} and {} an hour",
                rates[0].sku,
                other.sku,
                other.usd_per_hour(hours)
            );
            done.kept.push((key.join(" "), reason));
            continue;
        }
        if usd <= Decimal::ZERO {
            continue;
        }
        let old = rows.get(&key).map(|row| row[KEYS].parse::<Decimal>().ok());
        match old {
            None => done.added += 1,
            Some(old) if old == Some(usd) => done.confirmed += 1,
            Some(_) => done.changed += 1,
        }
        let [instance_type, term, payment, plan_kind] = key.clone();
        let row = [
            instance_type,
            term,
            payment,
            plan_kind,
            usd.to_string(),
            on_demand.get(rates[0].sku).cloned().unwrap_or_default(),
            offer.published.get(..10).unwrap_or(&offer.published).to_owned(),
            format!("AWS Price List, {list} version {}", offer.version),
            format!("SKU {}, {note}, fetched {}", rates[0].sku, scope.today),
        ];
        rows.insert(key, row);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    // A writer to memory does not fail.
    let _ = writer.write_record(COLUMNS);
    for row in rows.values() {
        let _ = writer.write_record(row);
    }
    done.text = String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default();
    Ok(done)
}

/// Fee and hourly price of an offering of one SKU.
struct Offered<'o> {
    sku: &'o str,
    term: Term,
    effective: &'o str,
    upfront: Decimal,
    hourly: Decimal,
}

impl Offered<'_> {
    fn usd_per_hour(&self, hours: Decimal) -> Decimal {
        (self.upfront / hours + self.hourly).round_dp(RATE_DIGITS).normalize()
    }

    fn note(&self) -> String {
        format!(
            "upfront {} and {} an hour, effective {}",
            self.upfront.normalize(),
            self.hourly.normalize(),
            self.effective
        )
    }
}

/// Returns the prices in force on a day, by offering of the book.
fn in_force<'o>(offer: &'o Offer, today: &str) -> BTreeMap<Key, Vec<Offered<'o>>> {
    let mut latest: HashMap<(&str, &str), &str> = HashMap::new();
    let known = || offer.commitments.iter().filter(|item| *item.effective <= *today);
    for item in known() {
        let last = latest.entry((&item.sku, &item.offering)).or_default();
        *last = (*last).max(&item.effective);
    }
    let mut offered: BTreeMap<(Key, &str), Offered<'o>> = BTreeMap::new();
    for item in known() {
        if latest.get(&(&*item.sku, &*item.offering)) != Some(&&*item.effective) {
            continue;
        }
        let key = [&*item.instance_type, item.term.name(), item.payment.name(), &*item.plan_kind]
            .map(str::to_owned);
        let prices = offered.entry((key, &item.sku)).or_insert(Offered {
            sku: &item.sku,
            term: item.term,
            effective: &item.effective,
            upfront: Decimal::ZERO,
            hourly: Decimal::ZERO,
        });
        if item.upfront {
            prices.upfront = item.price;
        } else {
            prices.hourly = item.price;
        }
    }
    let mut by_key: BTreeMap<Key, Vec<Offered<'o>>> = BTreeMap::new();
    for ((key, _), prices) in offered {
        by_key.entry(key).or_default().push(prices);
    }
    by_key
}
