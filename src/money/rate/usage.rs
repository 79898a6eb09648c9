//! A file of usage lines, as `runrate rate` takes it and `plan --out` writes it.
//!
//! Columns are found by name: month, account, region, service, `usage_type`, operation, quantity, and
//! optionally resource and `amount_usd`; others are ignored. A line with an amount is charged that amount: tax,
//! discounts and what commitments cover have no price in the book. A usage type may carry the region prefix of a bill.

use std::collections::HashMap;

use csv::StringRecord;

use rust_decimal::Decimal;

use super::{
    Charge, Part, PriceStep, PriceUsed, Rated, Sharing, Unpriced, Usage, discount, rate_by,
    surcharge::{self, TAX},
};
use crate::{
    bounds,
    error::{Error, Place, Problem, nearest},
    facts::{
        prices::{BillKey, PriceBook},
        shapes::SupportFacts,
    },
    measure::{
        calendar::Month,
        series::whole_table,
        units::{MOST_USD, Quantity, UnitPrice, Usd, parse_figure},
    },
    money::ledger::Entry,
    usage::services::{Basis, UsageLine},
};

/// Column of what a line is charged, where the price book does not price it, in USD.
pub const AMOUNT: &str = "amount_usd";

const COLUMNS: [&str; 7] =
    ["month", "account", "region", "service", "usage_type", "operation", "quantity"];
const MOST_PROBLEMS: usize = 20;

/// Usage lines and where they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageFile {
    /// The lines.
    pub usage: Vec<Usage>,
    /// Line number of each.
    pub lines: Vec<usize>,
    /// Lines that say what they are charged.
    pub charged: Vec<Charged>,
}

/// A line with what it is charged.
#[derive(Debug, Clone, PartialEq)]
pub struct Charged {
    /// The line.
    pub usage: Usage,
    /// What it is charged, in USD.
    pub amount: Usd,
}

impl UsageFile {
    /// Prices every line as a plan does: bands of support follow from the support plan, and lines with an amount
    /// are charged that.
    ///
    /// # Errors
    /// As [`super::rate`].
    pub fn rate(
        &self,
        book: &PriceBook,
        sharing: Sharing,
        facts: &SupportFacts,
    ) -> Result<Rated, Vec<Unpriced>> {
        let of = |key: &BillKey| surcharge::support_sharing(key, facts).unwrap_or(sharing);
        let mut rated = rate_by(&self.usage, (book, None), &of).map_err(|mut unpriced| {
            for Unpriced { line, message } in &mut unpriced {
                let key = &self.usage[*line].line.key;
                if key.service == TAX || discount::is_discount(key) {
                    *message = format!(
                        "{key} is a share of other charges, without a price in the book; give its {AMOUNT}, which `runrate plan --out` writes"
                    );
                }
            }
            unpriced
        })?;
        for charged in &self.charged {
            charged.add_to(&mut rated);
        }
        Ok(rated)
    }
}

impl Charged {
    /// Adds the line at its mean price.
    fn add_to(&self, rated: &mut Rated) {
        let Usage { month, account, line } = &self.usage;
        let quantity = line.quantity.decimal().unwrap_or_default();
        let mean = self.amount.decimal().checked_div(quantity).unwrap_or(Decimal::ONE);
        let price = UnitPrice::from_decimal(mean);
        let step = PriceStep {
            from: Decimal::ZERO,
            to: None,
            price,
            pool: String::new(),
            as_of: String::new(),
            source: format!("{AMOUNT} of the usage file"),
            confidence: String::new(),
            note: String::new(),
        };
        rated.prices.push(PriceUsed {
            key: line.key.clone(),
            billed_usage_type: line.key.usage_type.clone(),
            cost_explorer_service: line.key.service.clone(),
            unit: String::new(),
            steps: vec![step],
            gap: None,
        });
        rated.charges.push(Charge {
            month: *month,
            scope: account.clone(),
            price: rated.prices.len() - 1,
            quantity,
            parts: vec![Part { from: Decimal::ZERO, quantity, price }],
            cost: self.amount,
        });
        rated.entries.push(Entry {
            month: *month,
            account: account.clone(),
            key: line.key.clone(),
            resource: line.resource.clone(),
            quantity: line.quantity,
            cost: self.amount,
            charge: rated.charges.len() - 1,
            why: Basis::default(),
        });
    }
}

/// Reads the lines; `book` knows which usage types a bill prints with a region prefix.
///
/// # Errors
/// A missing column, a month or quantity that is none: each with its line.
pub fn parse(file: &str, text: &str, book: &PriceBook) -> Result<UsageFile, Error> {
    let text = whole_table(file, text)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| Error::csv(file, &error))?;
    let columns = find_columns(file, header)?;
    let named = |wanted: &str| header.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let (resource, amount) = (named("resource"), named(AMOUNT));
    let mut usage = Vec::new();
    let mut lines = Vec::new();
    let mut charged = Vec::new();
    let mut problems = Vec::new();
    let mut bare = Bare { book, known: HashMap::new() };
    for record in reader.records() {
        let at = record.as_ref().ok().and_then(|record| record.position());
        let at = at.map_or(0, |position| position.line() as usize);
        let parsed = match record {
            Ok(record) => line(file, &record, (&columns, resource), &mut bare).and_then(|usage| {
                let cell = amount.and_then(|index| record.get(index)).unwrap_or_default();
                let amount = parse_amount(cell).map_err(|message| {
                    let key = Some(AMOUNT.to_owned());
                    Problem::new(Place { key, ..Place::line(file, at) }, message)
                })?;
                Ok((usage, amount))
            }),
            Err(error) => {
                let line = error.position().map(|position| position.line() as usize);
                Err(Problem::new(Place { line, ..Place::file(file) }, error.to_string()))
            }
        };
        match parsed {
            Ok((line, Some(amount))) => charged.push(Charged { usage: line, amount }),
            Ok((line, None)) => {
                usage.push(line);
                lines.push(at);
            }
            Err(problem) if problems.len() < MOST_PROBLEMS => problems.push(problem),
            Err(_) => {}
        }
    }
    if !problems.is_empty() {
        return Err(Error::input(problems));
    }
    if usage.is_empty() && charged.is_empty() {
        return Err(Error::at(Place::file(file), "has no usage lines"));
    }
    Ok(UsageFile { usage, lines, charged })
}

/// What a line is charged, where it says so.
fn parse_amount(cell: &str) -> Result<Option<Usd>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let amount: Decimal =
        cell.parse().map_err(|_| format!("{cell:?} is not an amount; write it as -12.50"))?;
    let message =
        || format!("{amount} USD is beyond {MOST_USD:e}, the largest amount that is read");
    Usd::checked(amount).map(Some).ok_or_else(message)
}

fn find_columns(file: &str, header: &StringRecord) -> Result<[usize; 7], Error> {
    let mut found = [0; 7];
    let mut problems = Vec::new();
    for (slot, column) in found.iter_mut().zip(COLUMNS) {
        let named = |name: &str| name.eq_ignore_ascii_case(column);
        if let Some(index) = header.iter().position(named) {
            *slot = index;
            if header.iter().skip(index + 1).any(named) {
                let message = format!("two columns are called {column:?}; remove one");
                problems.push(Problem::new(Place::line(file, 1), message));
            }
        } else {
            let near = nearest(column, header.iter());
            let hint = near.map(|near| format!("; {near:?} is not read")).unwrap_or_default();
            let message =
                format!("no column {column:?}; the columns are {}{hint}", COLUMNS.join(","));
            problems.push(Problem::new(Place::line(file, 1), message));
        }
    }
    if problems.len() > COLUMNS.len() / 2 {
        let message = format!("is not a usage file: its columns must be {}", COLUMNS.join(","));
        return Err(Error::at(Place::line(file, 1), message));
    }
    if problems.is_empty() { Ok(found) } else { Err(Error::input(problems)) }
}

/// Usage types without region prefixes; each is looked up in the price book once.
struct Bare<'a> {
    book: &'a PriceBook,
    /// By region, service and usage type.
    known: HashMap<[String; 3], String>,
}

impl Bare<'_> {
    fn usage_type(&mut self, names: [&str; 3]) -> String {
        let [region, service, usage_type] = names;
        let found = || self.book.unprefixed(region, service, usage_type).to_owned();
        self.known.entry(names.map(str::to_owned)).or_insert_with(found).clone()
    }
}

fn line(
    file: &str,
    record: &StringRecord,
    (columns, resource): (&[usize; 7], Option<usize>),
    bare: &mut Bare<'_>,
) -> Result<Usage, Problem> {
    let cell = |index: usize| record.get(columns[index]).unwrap_or_default();
    let number = record.position().map_or(0, |position| position.line() as usize);
    let wrong = |column: usize, message: String| {
        let key = Some(COLUMNS[column].to_owned());
        Problem::new(Place { key, ..Place::line(file, number) }, message)
    };
    let month: Month = cell(0).parse().map_err(|message| wrong(0, message))?;
    for required in 1..5 {
        if cell(required).is_empty() {
            return Err(wrong(required, "is empty".into()));
        }
    }
    for (column, cell) in record.iter().enumerate() {
        let place = columns.iter().position(|place| *place == column);
        if cell.len() > bounds::NAME_BYTES && (place.is_some() || resource == Some(column)) {
            let message = format!(
                "{:?}… has {} bytes; a name has at most {}",
                cell.chars().take(20).collect::<String>(),
                cell.len(),
                bounds::NAME_BYTES
            );
            let key = place.map_or("resource", |place| COLUMNS[place]);
            let place = Place { key: Some(key.to_owned()), ..Place::line(file, number) };
            return Err(Problem::new(place, message));
        }
    }
    let quantity = parse_figure(cell(6)).map_err(|message| wrong(6, message))?;
    let quantity = Quantity::new(quantity);
    let (region, service) = (cell(2), cell(3));
    let usage_type = bare.usage_type([region, service, cell(4)]);
    Ok(Usage {
        month,
        account: cell(1).to_owned(),
        line: UsageLine {
            key: BillKey::new(service, region, &usage_type, cell(5)),
            resource: resource.and_then(|index| record.get(index)).unwrap_or_default().to_owned(),
            quantity,
            hours: Vec::new(),
            zones: None,
            why: Basis::default(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "month,account,region,service,usage_type,operation,quantity\n";

    fn read(text: &str) -> Result<Vec<Usage>, String> {
        let parsed = parse("u.csv", text, &PriceBook::default());
        parsed.map(|file| file.usage).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_are_read_in_any_order_of_columns() {
        let text = "quantity,month,account,region,service,usage_type,operation,note\n\
            1.5,2027-01,a,us-east-1,S,T,,x\n";
        let usage = read(text).unwrap();
        assert_eq!(usage[0].line.quantity.get(), 1.5);
        assert_eq!(usage[0].line.key, BillKey::new("S", "us-east-1", "T", ""));
    }

    #[test]
    fn faults_name_line_and_column() {
        let row = |row: &str| read(&format!("{HEADER}{row}\n")).unwrap_err();
        assert_eq!(
            row("2027-13,a,r,S,T,,1"),
            "u.csv:2: month: \"2027-13\" is not a month; write it as 2027-01"
        );
        assert_eq!(
            row("2027-01,a,r,S,T,,-1"),
            "u.csv:2: quantity: \"-1\" is not a finite number of 0 or more"
        );
        assert_eq!(
            row("2027-01,a,r,S,T,,7e28"),
            "u.csv:2: quantity: 7e28 is above 1e15, the largest figure that is read"
        );
        assert_eq!(row("2027-01,a,,S,T,,1"), "u.csv:2: region: is empty");
        assert!(read("month,account\n").unwrap_err().contains("is not a usage file"));
        let without = HEADER.replace("region,", "");
        assert!(read(&without).unwrap_err().contains("no column \"region\""));
        assert!(read(&HEADER.to_uppercase()).unwrap_err().contains("no usage lines"));
        assert!(read(HEADER).unwrap_err().contains("no usage lines"));
    }

    #[test]
    fn a_line_with_an_amount_is_charged_that_amount() {
        let header = HEADER.replace('\n', ",amount_usd\n");
        let text = format!(
            "{header}2027-01,a,global,AmazonS3,EdpDiscount,,100,-7.5\n2027-01,a,r,S,T,,1,\n"
        );
        let read = parse("u.csv", &text, &PriceBook::default()).unwrap();
        assert_eq!((read.usage.len(), &*read.lines, read.charged.len()), (1, &[3][..], 1));
        let mut rated = Rated::default();
        read.charged[0].add_to(&mut rated);
        assert_eq!(crate::money::ledger::total(&rated.entries).to_string(), "-7.5");
        // A unit price is never negative: of a discount only the amount counts.
        assert_eq!(rated.charges[0].parts[0].price.to_string(), "0");
        assert_eq!(rated.charges[0].cost.to_string(), "-7.5");
        let wrong = text.replace("-7.5", "much");
        let wrong = parse("u.csv", &wrong, &PriceBook::default()).unwrap_err().to_string();
        assert_eq!(wrong, "u.csv:2: amount_usd: \"much\" is not an amount; write it as -12.50");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\r\n\u{feff}é]{0,200}") {
            let _ = read(&text);
            let _ = read(&format!("{HEADER}{text}"));
        }
    }
}
