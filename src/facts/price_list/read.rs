//! Price lists as AWS writes them: CSV files row by row, and the documents of `GetProducts`.

use std::{collections::HashMap, io::Read};

use csv::StringRecord;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    CommitmentItem, Item, Offer, SavingsPlan, Scope,
    commitments::{payment, term},
    plain,
};
use crate::{
    bounds,
    error::{Error, Place},
    measure::units::UnitPrice,
};

/// Lines before the header, at most.
const MOST_PREAMBLE: usize = 20;

/// Columns that every list has, as [`plain`] spells them.
const COLUMNS: [&str; 11] = [
    "sku",
    "termtype",
    "pricedescription",
    "effectivedate",
    "startingrange",
    "endingrange",
    "unit",
    "priceperunit",
    "currency",
    "usagetype",
    "operation",
];

/// Reads a bulk file row by row and keeps the rows that `wanted` wants, asked by usage type without prefix.
///
/// # Errors
/// Bytes that are no price list, a list of another service, a row that is cut, runs over the end of its line or has
/// no price: with its line.
pub fn read_csv(
    file: &str,
    bytes: impl Read,
    scope: &Scope<'_>,
    wanted: impl Fn(&str, &str) -> bool,
) -> Result<Offer, Error> {
    let (mut reader, header, mut offer) = open(file, bytes, |code| {
        scope.service.lists().any(|own| own == code).then_some(()).ok_or(&*scope.service.code)
    })?;
    let mut record = StringRecord::new();
    let failed = |error: &csv::Error| Error::csv(file, error);
    let line_of = |record: &StringRecord| record.position().map_or(0, |at| at.line() as usize);
    let in_header = |message: String| Error::at(Place::line(file, line_of(&header)), message);
    one_line(&header).map_err(in_header)?;
    let columns = Columns::find(&header, scope).map_err(in_header)?;
    while reader.read_record(&mut record).map_err(|error| failed(&error))? {
        offer.rows += 1;
        let wrong = |message: String| Error::at(Place::line(file, line_of(&record)), message);
        one_line(&record).map_err(wrong)?;
        if record.len() != header.len() {
            return Err(wrong(format!(
                "has {} cells, the header {}; the file may have been cut",
                record.len(),
                header.len()
            )));
        }
        match columns.item(&record, scope, &wanted).map_err(wrong)? {
            Some(Price::Usage(item)) => offer.items.push(item),
            Some(Price::Commitment(item)) => offer.commitments.push(item),
            None => {}
        }
    }
    Ok(offer)
}

/// Opens a list: its reader behind the header, the header, and what the lines before it say. `known` answers to the
/// list's code with the one expected in its place.
fn open<'c, R: Read>(
    file: &str,
    bytes: R,
    known: impl Fn(&str) -> Result<(), &'c str>,
) -> Result<(csv::Reader<bounds::BoundedLines<R>>, StringRecord, Offer), Error> {
    // Lines end in a line feed, and a carriage return before it belongs to the last cell: the reader would
    // otherwise count it as the next line's.
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(bounds::BoundedLines::new(bytes));
    let mut offer = Offer::default();
    let mut record = StringRecord::new();
    for _ in 0..MOST_PREAMBLE {
        if !reader.read_record(&mut record).map_err(|error| Error::csv(file, &error))? {
            break;
        }
        let value = record.get(1).unwrap_or_default().trim_end_matches('\r');
        match plain(record.get(0).unwrap_or_default()).as_str() {
            "sku" => return Ok((reader, record, offer)),
            "version" => value.clone_into(&mut offer.version),
            "publicationdate" => value.clone_into(&mut offer.published),
            "offercode" => known(value).map_err(|expected| {
                let message = format!("is the list of {value}, not of {expected}");
                Error::at(Place::file(file), message)
            })?,
            _ => {}
        }
    }
    let message = "is not a price list: it has no row that begins with SKU";
    Err(Error::at(Place::file(file), message))
}

/// Columns of a list of Savings Plans, as [`plain`] spells them.
const PLAN_COLUMNS: [&str; 11] = [
    "sku",
    "effectivedate",
    "discountedrate",
    "currency",
    "discountedsku",
    "discountedusagetype",
    "discountedoperation",
    "purchaseoption",
    "leasecontractlength",
    "leasecontractlengthunit",
    "usagetype",
];

/// Reads a bulk file of Savings Plans and keeps the rates of what `plan` covers. A row may lack the empty cells at the end
/// of the header.
///
/// # Errors
/// Bytes that are no such list; a row that is cut or has no rate: with its line.
pub fn read_savings_plans(
    file: &str,
    bytes: impl Read,
    plan: &SavingsPlan,
    scope: &Scope<'_>,
) -> Result<Offer, Error> {
    let (mut reader, header, mut offer) = open(file, bytes, |_| Ok(()))?;
    let line_of = |record: &StringRecord| record.position().map_or(0, |at| at.line() as usize);
    let names: Vec<String> = header.iter().map(plain).collect();
    let mut own = [0; PLAN_COLUMNS.len()];
    for (slot, name) in own.iter_mut().zip(PLAN_COLUMNS) {
        *slot = names.iter().position(|known| known == name).ok_or_else(|| {
            let message = format!("is not a list of Savings Plans: it has no column {name}");
            Error::at(Place::line(file, line_of(&header)), message)
        })?;
    }
    let least = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| Error::csv(file, &error))? {
        offer.rows += 1;
        let wrong = |message: String| Error::at(Place::line(file, line_of(&record)), message);
        one_line(&record).map_err(wrong)?;
        if record.len() < least || record.len() > header.len() {
            return Err(wrong(format!(
                "has {} cells, the header {}; the file may have been cut",
                record.len(),
                header.len()
            )));
        }
        let cells = own.map(|place| record.get(place).unwrap_or_default().trim_end_matches('\r'));
        offer.commitments.extend(plan_rate(cells, plan, scope).map_err(wrong)?);
    }
    Ok(offer)
}

/// Returns the rate of a row; none where the book keeps no rate of what it discounts.
fn plan_rate(
    cells: [&str; PLAN_COLUMNS.len()],
    plan: &SavingsPlan,
    scope: &Scope<'_>,
) -> Result<Option<CommitmentItem>, String> {
    let [
        offering,
        effective,
        rate,
        currency,
        sku,
        discounted,
        operation,
        option,
        length,
        unit,
        usage_type,
    ] = cells;
    let bare = scope.bare(discounted);
    let covered = plan.covers.iter().find_map(|covered| {
        let rest = bare.strip_prefix(&*covered.usage_type)?;
        let named = covered.instance_type.is_empty() != rest.is_empty();
        let known = covered.operation.iter().any(|own| own == operation);
        let kind = if rest.is_empty() { covered.instance_type.clone() } else { class(rest) };
        (named && known).then_some(kind)
    });
    let Some(instance_type) = covered else { return Ok(None) };
    let own = scope.bare(usage_type);
    let kind = plan.plan_kinds.iter().find(|(begin, _)| own.starts_with(begin.as_str()));
    let length = format!("{length}{unit}");
    let (Some((_, plan_kind)), Some(term), Some(payment)) = (kind, term(&length), payment(option))
    else {
        return Ok(None);
    };
    if currency != scope.rules.currency {
        return Err(format!("is in {currency:?}, not in {}", scope.rules.currency));
    }
    Ok(Some(CommitmentItem {
        sku: sku.to_owned(),
        offering: offering.to_owned(),
        instance_type,
        term,
        payment,
        plan_kind: plan_kind.clone(),
        upfront: false,
        price: number("rate", rate, sku)?,
        effective: day(effective, sku)?.to_owned(),
    }))
}

/// Returns an instance type or class in full: usage types cut `db.r6g.xlarge` to `db.r6g.xl`.
fn class(billed: &str) -> String {
    if billed.ends_with("xl") { format!("{billed}arge") } else { billed.to_owned() }
}

/// A price that a row has.
enum Price {
    /// Of consumption.
    Usage(Item),
    /// Of a reservation.
    Commitment(CommitmentItem),
}

/// Refuses a record over several lines: AWS writes none, so a quotation mark is missing.
fn one_line(record: &StringRecord) -> Result<(), String> {
    if record.as_slice().contains('\n') {
        return Err("a cell runs over the end of the line; a quotation mark is missing".into());
    }
    Ok(())
}

struct Columns {
    own: [usize; COLUMNS.len()],
    all: HashMap<String, usize>,
}

impl Columns {
    fn find(header: &StringRecord, scope: &Scope<'_>) -> Result<Self, String> {
        let mut all: HashMap<String, usize> = HashMap::new();
        for (place, name) in header.iter().enumerate() {
            if all.insert(plain(name), place).is_some() {
                return Err(format!("two columns are called {name:?}"));
            }
        }
        // Without a column that rows are chosen by, none would be chosen.
        for (name, values) in scope.service.conditions.iter().flat_map(|own| &own.values) {
            if !all.contains_key(name) && !values.iter().any(String::is_empty) {
                return Err(format!("is not a price list: it has no column {name}"));
            }
        }
        let mut own = [0; COLUMNS.len()];
        for (slot, name) in own.iter_mut().zip(COLUMNS) {
            *slot = *all
                .get(name)
                .ok_or_else(|| format!("is not a price list: it has no column {name}"))?;
        }
        Ok(Self { own, all })
    }

    fn item(
        &self,
        record: &StringRecord,
        scope: &Scope<'_>,
        wanted: &impl Fn(&str, &str) -> bool,
    ) -> Result<Option<Price>, String> {
        let at = |place: usize| {
            let cell = record.get(place).unwrap_or_default();
            if place + 1 == record.len() { cell.trim_end_matches('\r') } else { cell }
        };
        let cell = |place: usize| at(self.own[place]);
        let [
            sku,
            terms,
            description,
            effective,
            begin,
            end,
            unit,
            price,
            currency,
            billed,
            operation,
        ] = std::array::from_fn(cell);
        // A stray quotation mark would make another meter of it, and the row would be lost without a word.
        let deciding =
            [sku, terms, effective, begin, end, unit, price, currency, billed, operation];
        if record.as_slice().contains('"')
            && let Some(cell) = deciding.into_iter().find(|cell| cell.contains('"'))
        {
            return Err(format!("{cell:?} has a quotation mark in it"));
        }
        let bare = scope.bare(billed);
        let said = |name: &str| self.all.get(name).map_or("", |place| at(*place));
        if terms == scope.rules.reserved_term {
            let offered =
                [said("leasecontractlength"), said("purchaseoption"), said("offeringclass")];
            let texts = [sku, said("offertermcode"), said("instancetype"), unit, price, effective];
            if currency != scope.rules.currency || !scope.holds(bare, said) {
                return Ok(None);
            }
            return Ok(reservation(bare, offered, texts, scope)?.map(Price::Commitment));
        }
        if terms != scope.rules.term || !wanted(bare, billed) || !scope.holds(bare, said) {
            return Ok(None);
        }
        if currency != scope.rules.currency {
            return Err(format!("is in {currency:?}, not in {}", scope.rules.currency));
        }
        item([sku, billed, operation, description, unit, effective], [begin, end, price])
            .map(|item| Some(Price::Usage(item)))
    }
}

/// Returns the price of a reservation; none where the book keeps no rate of it.
fn reservation(
    bare: &str,
    [length, option, class]: [&str; 3],
    [sku, offering, instance_type, unit, price, effective]: [&str; 6],
    scope: &Scope<'_>,
) -> Result<Option<CommitmentItem>, String> {
    let Some(reserved) = &scope.service.reserved else { return Ok(None) };
    let kind = reserved.plan_kinds.get(&plain(class));
    let (Some(plan_kind), Some(term), Some(payment)) = (kind, term(length), payment(option)) else {
        return Ok(None);
    };
    if !bare.starts_with(&*reserved.usage_type) {
        return Ok(None);
    }
    let hourly = scope.rules.units.iter().any(|units| {
        let known = |unit: &str| units.iter().any(|own| own == unit);
        known("hrs") && known(&plain(unit))
    });
    if !hourly && plain(unit) != "quantity" {
        return Err(format!("SKU {sku}: {unit:?} is neither a fee (Quantity) nor a price an hour"));
    }
    Ok(Some(CommitmentItem {
        sku: sku.to_owned(),
        offering: offering.to_owned(),
        instance_type: instance_type.to_owned(),
        term,
        payment,
        plan_kind: plan_kind.clone(),
        upfront: !hourly,
        price: number("price", price, sku)?,
        effective: day(effective, sku)?.to_owned(),
    }))
}

fn number(name: &str, text: &str, sku: &str) -> Result<Decimal, String> {
    let number = text.parse().ok().filter(|_| is_plain(text));
    let number = number.filter(|number: &Decimal| !number.is_sign_negative());
    number.ok_or_else(|| format!("{name} {text:?} of SKU {sku} is not a number from 0 up"))
}

/// Returns the day of a date, or of a moment that begins with it.
fn day<'t>(effective: &'t str, sku: &str) -> Result<&'t str, String> {
    let day = effective.get(..10).filter(|day| day.parse::<jiff::civil::Date>().is_ok());
    let rest = effective.get(10..).unwrap_or_default();
    day.filter(|_| rest.is_empty() || rest.starts_with('T'))
        .ok_or_else(|| format!("effective date {effective:?} of SKU {sku} is not a date"))
}

fn item(
    [sku, billed, operation, description, unit, effective]: [&str; 6],
    [begin, end, price]: [&str; 3],
) -> Result<Item, String> {
    let day = day(effective, sku)?;
    let begin = number("starting range", begin, sku)?;
    let end = if end == "Inf" { None } else { Some(number("ending range", end, sku)?) };
    if end.is_some_and(|end| end <= begin) {
        return Err(format!("the step of SKU {sku} ends before it begins"));
    }
    if !is_plain(price) {
        return Err(format!("SKU {sku}: {price:?} is not a decimal price"));
    }
    Ok(Item {
        sku: sku.to_owned(),
        billed_usage_type: billed.to_owned(),
        operation: operation.to_owned(),
        description: description.to_owned(),
        unit: unit.to_owned(),
        begin,
        end,
        price: UnitPrice::parse(price).map_err(|message| format!("SKU {sku}: {message}"))?,
        effective: day.to_owned(),
    })
}

/// Returns whether a number is written without separators of digits, which a decimal would take.
fn is_plain(text: &str) -> bool {
    !text.contains('_')
}

/// A document of `GetProducts`.
#[derive(Deserialize)]
struct Document {
    product: Product,
    #[serde(default)]
    terms: HashMap<String, HashMap<String, Term>>,
    #[serde(default)]
    version: String,
    #[serde(default, rename = "publicationDate")]
    published: String,
}

#[derive(Deserialize)]
struct Product {
    sku: String,
    attributes: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    effective_date: String,
    #[serde(default)]
    offer_term_code: String,
    #[serde(default, rename = "termAttributes")]
    attributes: HashMap<String, String>,
    #[serde(default)]
    price_dimensions: HashMap<String, Dimension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    #[serde(default)]
    description: String,
    unit: String,
    #[serde(default)]
    begin_range: String,
    #[serde(default)]
    end_range: String,
    price_per_unit: HashMap<String, String>,
}

/// Reads one document of `GetProducts` into the offer.
///
/// # Errors
/// A document that is not a product, or has no price in the currency.
pub fn read_product(
    text: &str,
    scope: &Scope<'_>,
    wanted: impl Fn(&str, &str) -> bool,
    offer: &mut Offer,
) -> Result<(), String> {
    let document: Document =
        serde_json::from_str(text).map_err(|error| format!("is not a product: {error}"))?;
    offer.rows += 1;
    if document.version > offer.version {
        offer.version.clone_from(&document.version);
        offer.published.clone_from(&document.published);
    }
    let attributes: HashMap<String, &str> = document
        .product
        .attributes
        .iter()
        .map(|(name, value)| (plain(name), value.as_str()))
        .collect();
    let said = |name: &str| attributes.get(name).copied().unwrap_or_default();
    let (billed, sku) = (said("usagetype"), &*document.product.sku);
    let bare = scope.bare(billed);
    if !wanted(bare, billed) || !scope.holds(bare, said) {
        return Ok(());
    }
    for term in document.terms.get(&scope.rules.reserved_term).into_iter().flat_map(HashMap::values)
    {
        let of = |name: &str| term.attributes.get(name).map_or("", String::as_str);
        let offered = [of("LeaseContractLength"), of("PurchaseOption"), of("OfferingClass")];
        for dimension in term.price_dimensions.values() {
            let Some(price) = dimension.price_per_unit.get(&scope.rules.currency) else { continue };
            let unit = &*dimension.unit;
            let offering = &*term.offer_term_code;
            let texts = [sku, offering, said("instancetype"), unit, price, &term.effective_date];
            offer.commitments.extend(reservation(bare, offered, texts, scope)?);
        }
    }
    let mut found = Vec::new();
    for term in document.terms.get(&scope.rules.term).into_iter().flat_map(HashMap::values) {
        for dimension in term.price_dimensions.values() {
            let Some(price) = dimension.price_per_unit.get(&scope.rules.currency) else {
                return Err(format!("SKU {sku} has no price in {}", scope.rules.currency));
            };
            let Dimension { description, unit, begin_range, end_range, .. } = dimension;
            let texts = [sku, billed, said("operation"), description, unit, &term.effective_date];
            found.push(item(texts, [begin_range, end_range, price])?);
        }
    }
    // Objects have no order of their own.
    found.sort_by(|a, b| (&a.effective, a.begin).cmp(&(&b.effective, b.begin)));
    offer.items.extend(found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::{
        price_list::{Rules, merge},
        prices::{PriceBook, Table},
    };

    const BOOK: &str = "usage_type,operation,description,unit,begin_range,end_range,usd_per_unit,pool,billed_usage_type,cost_explorer_service,as_of,source,confidence,note\n\
        Bytes,,,GB,0,100,0,shared,Bytes,S,2024,a,exact,\nBytes,,,GB,100,Inf,0.09,,Bytes,S,2024,a,exact,\n";

    fn rules() -> Rules {
        toml::from_str(include_str!("../../../models/price_list.toml")).unwrap()
    }

    /// Reads a text as the list of a service that the book has one meter of, and puts it into the book.
    fn through(text: &str) {
        let rules = rules();
        let service = rules.service("AWSDataTransfer").unwrap();
        let today = "2027-03-01".parse().unwrap();
        let scope = Scope { rules: &rules, service, region: "r1", prefixes: &[], today };
        let mut book = PriceBook::default();
        book.insert("r1", &service.code, Table::parse("b.csv", BOOK).unwrap());
        let wanted = scope.wanted(&book);
        if let Ok(offer) = read_csv("list.csv", text.as_bytes(), &scope, &wanted) {
            let outcome = merge(&book, &offer, &scope);
            Table::parse("new.csv", &outcome.text).unwrap();
        }
        let _ = read_product(text, &scope, wanted, &mut Offer::default());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\r\n\u{feff}é\"]{0,300}") {
            through(&text);
            through(&format!("\"OfferCode\",\"AWSDataTransfer\"\n{text}"));
        }

        /// Rows of any figures: what comes of them is a book that can be read.
        #[test]
        fn any_rows_leave_a_book(
            rows in prop::collection::vec(
                (
                    prop_oneof![Just("0".to_owned()), Just("10".to_owned()), "[0-9]{1,29}"],
                    prop_oneof![Just("Inf".to_owned()), Just("10".to_owned()), "[0-9]{1,29}"],
                    prop_oneof![Just("GB".to_owned()), "[A-Za-z]{0,4}"],
                    "[0-9]{1,10}(\\.[0-9]{0,18})?",
                    "202[0-9]-0[1-9]-0[1-9]",
                ),
                0..6,
            ),
        ) {
            let mut text = "SKU,TermType,PriceDescription,EffectiveDate,StartingRange,EndingRange,Unit,PricePerUnit,Currency,usageType,operation\n".to_owned();
            for (begin, end, unit, price, effective) in rows {
                let row = ["A,OnDemand,d", &effective, &begin, &end, &unit, &price, "USD,Bytes,\n"];
                text.push_str(&row.join(","));
            }
            through(&text);
        }
    }
}
