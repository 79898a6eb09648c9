//! A file of usage lines, as `runrate rate` takes it and `plan --out` writes it.
//!
//! Columns are found by name: month, account, region, service, `usage_type`, operation, quantity, and
//! optionally resource; others are ignored. A usage type may carry the region prefix of a bill.

use std::collections::HashMap;

use csv::StringRecord;

use super::Usage;
use crate::{
    bounds,
    calendar::Month,
    error::{Error, Place, Problem, nearest},
    prices::{BillKey, PriceBook},
    series::whole_table,
    services::{Basis, UsageLine},
    units::{Quantity, parse_figure},
};

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
}

/// Reads the lines; `book` knows which usage types a bill prints with a region prefix.
///
/// # Errors
/// A missing column, a month or quantity that is none: each with its line.
pub fn parse(file: &str, text: &str, book: &PriceBook) -> Result<UsageFile, Error> {
    let text = whole_table(file, text)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| Error::at(Place::line(file, 1), e.to_string()))?;
    let columns = find_columns(file, header)?;
    let resource = header.iter().position(|name| name == "resource");
    let mut usage = Vec::new();
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    let mut bare = Bare { book, known: HashMap::new() };
    for record in reader.records() {
        let at = record.as_ref().ok().and_then(|record| record.position());
        let at = at.map_or(0, |position| position.line() as usize);
        let parsed = match record {
            Ok(record) => line(file, &record, (&columns, resource), &mut bare),
            Err(error) => {
                let line = error.position().map(|position| position.line() as usize);
                Err(Problem::new(Place { line, ..Place::file(file) }, error.to_string()))
            }
        };
        match parsed {
            Ok(line) => {
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
    if usage.is_empty() {
        return Err(Error::at(Place::file(file), "has no usage lines"));
    }
    Ok(UsageFile { usage, lines })
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
    fn of(&mut self, names: [&str; 3]) -> String {
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
    let usage_type = bare.of([region, service, cell(4)]);
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

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\r\n\u{feff}é]{0,200}") {
            let _ = read(&text);
            let _ = read(&format!("{HEADER}{text}"));
        }
    }
}
