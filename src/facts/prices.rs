//! The price book: dated rows with their source, looked up by what the bill calls the meter.
//!
//! One file per region and service, `pricing-cache/<region>/<ServiceCode>.csv`; usage types carry
//! no region prefix there, `billed_usage_type` keeps the text a bill prints.
//!
//! # Formula
//! ```text
//! ladder(key) = the best row for each step of the quantity axis
//!               a row that was read before one that was derived, whatever their dates; then the greatest as_of,
//!               among rows that do not overlap a better one
//! ```
//! # Limits
//! Rows marked `crosscheck` are a second source of a figure: they are shown, never used.

use std::{collections::BTreeMap, fmt};

use csv::StringRecord;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    error::{Error, Place, Problem},
    measure::units::UnitPrice,
};

/// The folder of prices that do not depend on a region.
pub const GLOBAL: &str = "global";

/// Columns of a file of the book.
pub const COLUMNS: [&str; 14] = [
    "usage_type",
    "operation",
    "description",
    "unit",
    "begin_range",
    "end_range",
    "usd_per_unit",
    "pool",
    "billed_usage_type",
    "cost_explorer_service",
    "as_of",
    "source",
    "confidence",
    "note",
];

/// What identifies a price, a ledger entry and a bill row.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct BillKey {
    /// Service code as the price list names it, `AmazonEC2`.
    pub service: String,
    /// Region code, or `global`.
    pub region: String,
    /// Usage type without the region prefix, `NatGateway-Bytes`.
    pub usage_type: String,
    /// Operation, `RunInstances`; empty where the meter has none.
    pub operation: String,
}

impl BillKey {
    /// Returns a key from its four parts.
    pub fn new(service: &str, region: &str, usage_type: &str, operation: &str) -> Self {
        let [service, region, usage_type, operation] =
            [service, region, usage_type, operation].map(str::to_owned);
        Self { service, region, usage_type, operation }
    }
}

impl fmt::Display for BillKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.region, self.service, self.usage_type)?;
        if self.operation.is_empty() { Ok(()) } else { write!(f, "/{}", self.operation) }
    }
}

/// One dated price of one step of a meter.
#[derive(Debug, Clone)]
pub struct PriceRow {
    record: StringRecord,
    /// First unit of the step, counted from the start of the month.
    pub begin: Decimal,
    /// End of the step; `None` is without end.
    pub end: Option<Decimal>,
    /// The price of one unit.
    pub price: UnitPrice,
}

impl PriceRow {
    pub(crate) fn column(&self, index: usize) -> &str {
        self.record.get(index).unwrap_or_default()
    }
    /// Usage type without region prefix.
    pub fn usage_type(&self) -> &str {
        self.column(0)
    }
    /// Operation; empty matches any.
    pub fn operation(&self) -> &str {
        self.column(1)
    }
    /// Returns the source's description.
    pub fn description(&self) -> &str {
        self.column(2)
    }
    /// Pricing unit as printed, `GB-Mo`.
    pub fn unit(&self) -> &str {
        self.column(3)
    }
    /// Name of the pool of services and regions that share this step, or empty.
    pub fn pool(&self) -> &str {
        self.column(7)
    }
    /// Returns the usage type as a bill prints it, with its region prefix.
    pub fn billed_usage_type(&self) -> &str {
        self.column(8)
    }
    /// Returns the SERVICE value Cost Explorer shows.
    pub fn cost_explorer_service(&self) -> &str {
        self.column(9)
    }
    /// ISO date or its beginning; empty when the source gives none.
    pub fn as_of(&self) -> &str {
        self.column(10)
    }
    /// Returns where the price was read.
    pub fn source(&self) -> &str {
        self.column(11)
    }
    /// `exact`, `derived` or `crosscheck`.
    pub fn confidence(&self) -> &str {
        self.column(12)
    }
    /// Returns what else the source says.
    pub fn note(&self) -> &str {
        self.column(13)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.end.is_none_or(|end| other.begin < end) && other.end.is_none_or(|end| self.begin < end)
    }
}

/// The rows of one region and service, sorted by usage type.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<PriceRow>,
}

impl Table {
    /// Reads one file of the price book.
    ///
    /// # Errors
    /// A missing column, a price or range that is not a number: each with file and line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| Error::csv(file, &error))?;
        if header.iter().ne(COLUMNS) {
            return Err(Error::at(
                Place::line(file, 1),
                format!("the columns must be {}", COLUMNS.join(",")),
            ));
        }
        let mut rows = Vec::new();
        let mut problems = Vec::new();
        for record in reader.into_records() {
            match record.map_err(|error| Problem::csv(file, &error)) {
                Ok(record) => match Self::row(record, file) {
                    Ok(row) => rows.push(row),
                    Err(problem) => problems.push(problem),
                },
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(Error::input(problems));
        }
        rows.sort_by(|a, b| a.usage_type().cmp(b.usage_type()));
        Ok(Self { rows })
    }

    fn row(record: StringRecord, file: &str) -> Result<PriceRow, Problem> {
        let line = record.position().map_or(0, |position| position.line() as usize);
        let wrong = |key: &str, message: String| {
            let place = Place { key: Some(key.to_owned()), ..Place::line(file, line) };
            Problem::new(place, message)
        };
        let number = |index: usize| -> Result<Decimal, Problem> {
            let text = record.get(index).unwrap_or_default();
            text.parse().map_err(|_| wrong(COLUMNS[index], format!("{text:?} is not a number")))
        };
        let begin = number(4)?;
        let end = if record.get(5) == Some("Inf") { None } else { Some(number(5)?) };
        if end.is_some_and(|end| end <= begin) {
            return Err(wrong("end_range", "the step ends before it begins".into()));
        }
        let price = UnitPrice::parse(record.get(6).unwrap_or_default())
            .map_err(|message| wrong("usd_per_unit", message))?;
        Ok(PriceRow { record, begin, end, price })
    }

    /// Returns all rows, in the order of their usage type.
    pub fn rows(&self) -> &[PriceRow] {
        &self.rows
    }

    /// Returns the rows of a usage type.
    pub fn of_usage_type(&self, usage_type: &str) -> &[PriceRow] {
        let from = self.rows.partition_point(|row| row.usage_type() < usage_type);
        let to = self.rows.partition_point(|row| row.usage_type() <= usage_type);
        &self.rows[from..to]
    }
}

impl Table {
    /// Returns the ladder of the rows that name just this operation.
    pub fn ladder(&self, usage_type: &str, operation: &str) -> Option<Ladder<'_>> {
        let rows = self.of_usage_type(usage_type).iter();
        Ladder::of(rows.filter(|row| row.operation() == operation))
    }
}

/// The steps of one meter, lowest first, and the rows that lost to a better one.
#[derive(Debug, Clone)]
pub struct Ladder<'a> {
    /// The rows in use.
    pub rows: Vec<&'a PriceRow>,
    /// Rows of other dates and sources.
    pub others: Vec<&'a PriceRow>,
}

impl<'a> Ladder<'a> {
    /// Returns the best row for each step: what was read beats what was derived, then the newer beats the older.
    fn of(rows: impl Iterator<Item = &'a PriceRow>) -> Option<Self> {
        let (mut candidates, mut others): (Vec<_>, Vec<_>) =
            rows.partition(|row| row.confidence() != "crosscheck");
        // The stable sort keeps the file's order on a tie, so the choice is fixed.
        candidates.sort_by(|a, b| {
            let derived = |row: &PriceRow| row.confidence() == "derived";
            derived(a).cmp(&derived(b)).then_with(|| b.as_of().cmp(a.as_of()))
        });
        let mut rows: Vec<&PriceRow> = Vec::new();
        for row in candidates {
            if rows.iter().any(|taken| taken.overlaps(row)) {
                others.push(row);
            } else {
                rows.push(row);
            }
        }
        rows.sort_by_key(|row| row.begin);
        (!rows.is_empty()).then_some(Self { rows, others })
    }

    /// Returns whether a price of it was derived, not read; a free part before paid steps does not count.
    pub fn is_derived(&self) -> bool {
        let derived = |row: &&&PriceRow| row.confidence() == "derived";
        let paid = self.rows.iter().filter(|row| !row.price.decimal().is_zero());
        paid.clone().any(|row| derived(&row))
            || paid.count() == 0 && self.rows.iter().all(|row| derived(&row))
    }

    /// Returns the first quantity with no price: a gap below, between or above the steps.
    pub fn gap(&self) -> Option<Decimal> {
        let mut reached = Decimal::ZERO;
        for row in &self.rows {
            if row.begin > reached {
                return Some(reached);
            }
            reached = row.end?;
        }
        Some(reached)
    }
}

/// All price tables of the regions that were loaded.
#[derive(Debug, Clone, Default)]
pub struct PriceBook {
    tables: BTreeMap<(String, String), Table>,
}

impl PriceBook {
    /// Adds a region's table of one service.
    pub fn insert(&mut self, region: &str, service: &str, table: Table) {
        self.tables.insert((region.to_owned(), service.to_owned()), table);
    }

    /// Returns every table with its region and service.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str, &Table)> {
        self.tables.iter().map(|((region, service), table)| (&**region, &**service, table))
    }

    /// Returns whether the book has any price of the region.
    pub fn has_region(&self, region: &str) -> bool {
        self.tables.keys().any(|(known, _)| known == region)
    }

    /// Returns the price ladder of a meter.
    ///
    /// # Errors
    /// When the book has none: what was looked up and the nearest rows it has.
    pub fn ladder(&self, key: &BillKey) -> Result<Ladder<'_>, String> {
        self.find(key).ok_or_else(|| self.missing(key))
    }

    /// Returns the error of a meter without a price, without the pass over the book that finds the nearest rows.
    pub fn absent(&self, key: &BillKey) -> String {
        let whole = if self.table(&key.region, &key.service).is_none() {
            format!(" (the book has no {} prices of {})", key.service, key.region)
        } else {
            String::new()
        };
        format!("no price for {key}{whole}")
    }

    /// Returns the price ladder of a meter, if the book has one.
    pub fn find(&self, key: &BillKey) -> Option<Ladder<'_>> {
        let table = self.table(&key.region, &key.service)?;
        // A row that names the operation is the closer match; a row that names none serves all. What was read beats
        // what was derived here too.
        let own = table.ladder(&key.usage_type, &key.operation);
        if key.operation.is_empty() || own.as_ref().is_some_and(|own| !own.is_derived()) {
            return own;
        }
        let all = table.ladder(&key.usage_type, "");
        if all.as_ref().is_some_and(|all| !all.is_derived()) { all } else { own.or(all) }
    }

    /// Returns the usage type without the region prefix that a bill of the service may print.
    pub fn unprefixed<'a>(&'a self, region: &str, service: &str, usage_type: &'a str) -> &'a str {
        let Some(table) = self.table(region, service) else { return usage_type };
        if !table.of_usage_type(usage_type).is_empty() {
            return usage_type;
        }
        let billed = table.rows().iter().find(|row| row.billed_usage_type() == usage_type);
        billed.map_or(usage_type, PriceRow::usage_type)
    }

    /// Returns the table of a region and service.
    pub fn table(&self, region: &str, service: &str) -> Option<&Table> {
        self.tables.get(&(region.to_owned(), service.to_owned()))
    }

    /// Returns this error with the nearest rows.
    pub(crate) fn missing(&self, key: &BillKey) -> String {
        // Rows of other services are no help unless the service has none at all in any region.
        let known = self.tables.keys().any(|(_, service)| *service == key.service);
        let sought = start(&key.usage_type);
        let mut near: Vec<(f64, String)> = Vec::new();
        for (region, service, table) in self.tables() {
            if known && service != key.service || !known && region != key.region {
                continue;
            }
            for row in table.rows() {
                let likeness = 2.0 * strsim::jaro_winkler(start(row.usage_type()), sought)
                    + f64::from(u8::from(service == key.service))
                    + 0.5 * f64::from(u8::from(region == key.region))
                    + 0.2 * f64::from(u8::from(row.operation() == key.operation));
                let name = BillKey::new(service, region, row.usage_type(), row.operation());
                near.push((likeness, format!("{name} ({} per {})", row.price, row.unit())));
            }
        }
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        near.dedup_by(|a, b| a.1 == b.1);
        let list: Vec<_> = near.into_iter().take(3).map(|(_, name)| name).collect();
        let list = if list.is_empty() { "none".to_owned() } else { list.join("; ") };
        format!("{}; nearest rows: {list}", self.absent(key))
    }
}

/// Returns the part of a name that is compared.
fn start(name: &str) -> &str {
    let end = name.char_indices().nth(bounds::COMPARED_CHARS).map_or(name.len(), |(at, _)| at);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "usage_type,operation,description,unit,begin_range,end_range,usd_per_unit,\
        pool,billed_usage_type,cost_explorer_service,as_of,source,confidence,note\n";

    fn book(rows: &str) -> PriceBook {
        let mut book = PriceBook::default();
        book.insert("r1", "S", Table::parse("S.csv", &format!("{HEADER}{rows}")).unwrap());
        book
    }

    fn price(book: &PriceBook, operation: &str) -> String {
        let ladder = book.ladder(&BillKey::new("S", "r1", "Hours", operation)).unwrap();
        ladder.rows.iter().map(|row| row.price.to_string()).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn the_newest_row_wins_and_the_others_are_kept() {
        let book = book(
            "Hours,,,Hrs,0,Inf,0.2,,Hours,S,2024-04-04,a,exact,\n\
             Hours,,,Hrs,0,Inf,0.3,,Hours,S,2026-07,b,exact,\n\
             Hours,,,Hrs,0,Inf,0.4,,Hours,S,,c,crosscheck,\n\
             Hours,,,Hrs,0,10,9,,Hours,S,2025,d,exact,\n",
        );
        assert_eq!(price(&book, ""), "0.3");
        let ladder = book.ladder(&BillKey::new("S", "r1", "Hours", "")).unwrap();
        assert_eq!(ladder.others.len(), 3);
        assert_eq!(ladder.gap(), None);
    }

    #[test]
    fn a_derived_row_never_beats_one_that_was_read() {
        let book = book(
            "Hours,,,Hrs,0,10,0.2,,Hours,S,2024-04-04,a,exact,\n\
             Hours,,,Hrs,0,Inf,0.3,,Hours,S,2026-07,b,derived,\n\
             Hours,,,Hrs,10,Inf,0.1,,Hours,S,2025,c,derived,\n",
        );
        // The derived row of 2026 overlaps the read one; the derived step above it does not.
        assert_eq!(price(&book, ""), "0.2,0.1");
    }

    #[test]
    fn a_derived_row_of_the_operation_does_not_beat_one_that_was_read_for_all() {
        let book = book(
            "Hours,,,Hrs,0,Inf,1,,Hours,S,2024,a,exact,\n\
             Hours,Run,,Hrs,0,Inf,2,,Hours,S,2026,b,derived,\n",
        );
        assert_eq!(price(&book, "Run"), "1");
        assert_eq!(price(&book, "Stop"), "1");
    }

    #[test]
    fn a_row_that_names_the_operation_is_preferred() {
        let book = book(
            "Hours,,,Hrs,0,Inf,1,,Hours,S,2026,a,exact,\n\
             Hours,Run,,Hrs,0,Inf,2,,Hours,S,2024,b,exact,\n",
        );
        assert_eq!(price(&book, "Run"), "2");
        assert_eq!(price(&book, "Stop"), "1");
    }

    #[test]
    fn a_missing_price_names_the_nearest_rows() {
        let book = book("Hours,,,Hrs,0,Inf,1,,Hours,S,2026,a,exact,\n");
        let error = book.ladder(&BillKey::new("S", "r2", "Hours", "")).unwrap_err();
        assert_eq!(
            error,
            "no price for r2/S/Hours (the book has no S prices of r2); nearest rows: r1/S/Hours (1 per Hrs)"
        );
    }

    #[test]
    fn gaps_are_found_at_either_end() {
        let from_five = book("Hours,,,Hrs,5,Inf,1,,Hours,S,2026,a,exact,\n");
        let key = BillKey::new("S", "r1", "Hours", "");
        assert_eq!(from_five.ladder(&key).unwrap().gap(), Some(Decimal::ZERO));
        let to_ten = book("Hours,,,Hrs,0,10,1,,Hours,S,2026,a,exact,\n");
        assert_eq!(to_ten.ladder(&key).unwrap().gap(), Some(Decimal::TEN));
    }

    #[test]
    fn a_wrong_row_is_placed() {
        let text = format!("{HEADER}Hours,,,Hrs,0,Inf,free,,Hours,S,2026,a,exact,\n");
        let error = Table::parse("S.csv", &text).unwrap_err().to_string();
        assert_eq!(error, "S.csv:2: usd_per_unit: \"free\" is not a decimal price");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = Table::parse("x.csv", &text);
            let _ = Table::parse("x.csv", &format!("{HEADER}{text}"));
        }
    }
}
