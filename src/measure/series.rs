//! A time series: a CSV of dates and values, checked before it is used.
//!
//! # Limits
//! The step is the median distance between rows; calendar months and quarters vary by up to 10 %
//! around it, so a gap is a distance of more than 1.6 steps.

use std::cmp::Ordering;

use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Place, Problem, file_kind::FileKind},
    measure::{calendar::parse_moment, units::parse_figure},
};

/// How to treat missing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gaps {
    /// Missing rows are an error (the default: a hole is usually a fault of the export).
    #[default]
    Refuse,
    /// Missing rows are skipped.
    Skip,
}

/// A sorted series of values at distinct moments.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Moments of the values.
    pub moments: Vec<DateTime>,
    /// Values, finite and not negative.
    pub values: Vec<f64>,
    /// Median distance between rows \[minutes\].
    pub step_minutes: f64,
}

/// What errors say about a file.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// Its columns.
    pub columns: &'a str,
    /// How missing rows are allowed.
    pub allow_gaps: &'a str,
}

/// What errors say about a series of a scenario.
const SCENARIO: Words<'static> = Words { columns: "date,value", allow_gaps: "set gaps = \"skip\"" };

/// Most rows that may be missing in a file whose gaps are filled: an hourly series of a century. More are a wrong
/// date, and a grid of them would fill the memory.
const MOST_MISSING: f64 = 1e6;

/// How exports write a value that they do not have.
const MISSING: [&str; 5] = ["", "NaN", "NA", "null", "-"];

/// Minutes of a mean year.
const MINUTES_PER_YEAR: f64 = 525_960.0;

/// Longest list of problems printed for one file; the rest is counted.
const MOST_PROBLEMS: usize = 8;

impl Series {
    /// Reads `date,value` rows; a first line that is not a date is a header.
    ///
    /// # Errors
    /// An empty file, line ends of CR only, a row that is not a date and a number, rows out of
    /// order, twice or (with [`Gaps::Refuse`]) missing: each with its line.
    pub fn parse(file: &str, text: &str, gaps: Gaps) -> Result<Self, Error> {
        Self::parse_as(file, text, gaps, SCENARIO)
    }

    /// Reads rows like [`Self::parse`], with other texts of errors.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_as(file: &str, text: &str, gaps: Gaps, words: Words<'_>) -> Result<Self, Error> {
        let text = whole_table(file, text)?;
        let rows = read_rows(file, text, (gaps, words))?;
        if rows.len() < 2 {
            let message = format!("{} rows of {}; give 2 or more", rows.len(), words.columns);
            return Err(Error::at(Place::file(file), message));
        }
        let step_minutes = median_step(&rows);
        let problems = check_order(file, &rows, step_minutes, (gaps, words));
        if !problems.is_empty() {
            return Err(Error::input(shorten(file, problems)));
        }
        let (moments, values) = rows.into_iter().map(|row| (row.moment, row.value)).unzip();
        Ok(Self { moments, values, step_minutes })
    }
}

/// Returns the text of a table without its byte-order mark, if a CSV reader would read all of it.
///
/// # Errors
/// Lines that end in CR only; a quote that is never closed, which would swallow the rows after it.
pub fn whole_table<'t>(file: &str, text: &'t str) -> Result<&'t str, Error> {
    FileKind::check(file, text.as_bytes(), &[FileKind::Csv], "a CSV table")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\r') && !text.contains('\n') {
        let message = "lines end in CR only (old Macintosh text); save it with LF or CRLF";
        return Err(Error::at(Place::file(file), message));
    }
    // Cells of several lines have an odd number of quotes in their first and in their last one.
    let odd = |line: &str| line.matches('"').count() % 2 == 1;
    let open = if odd(text) { text.lines().position(odd).map(|index| index + 1) } else { None };
    match open {
        Some(line) => {
            let message = "a quote is opened and never closed. Close it, or remove it";
            Err(Error::at(Place::line(file, line), message))
        }
        None => Ok(text),
    }
}

struct Row {
    line: usize,
    moment: DateTime,
    value: f64,
}

fn read_rows(file: &str, text: &str, (gaps, words): (Gaps, Words<'_>)) -> Result<Vec<Row>, Error> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let mut columns = None;
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| Error::csv(file, &error))?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let expected = *columns.get_or_insert(record.len());
        if record.len() != expected {
            let message = format!(
                "expected {expected} columns, found {}; write 1234 and not 1,234",
                record.len()
            );
            problems.push(Problem::new(Place::line(file, line), message));
            continue;
        }
        let first = record.get(0).unwrap_or_default();
        let moment = parse_moment(first);
        let second_is_text = record.get(1).is_none_or(|cell| cell.parse::<f64>().is_err());
        if index == 0 && moment.is_none() && second_is_text {
            continue; // a header
        }
        let number = record.get(1).unwrap_or_default();
        let missing = MISSING.iter().any(|word| number.eq_ignore_ascii_case(word));
        if missing && moment.is_some() {
            if gaps == Gaps::Refuse {
                let message = format!("the value is missing; fill it, or {}", words.allow_gaps);
                problems.push(Problem::new(Place::line(file, line), message));
            }
            continue;
        }
        match (moment, parse_figure(number)) {
            (Some(moment), Ok(value)) => rows.push(Row { line, moment, value }),
            (None, _) => problems.push(Problem::new(
                Place::line(file, line),
                format!("{first:?} is not a date; write 2027-01-31, 2027-01-31T18:00 or 2027-Q1"),
            )),
            (_, Err(message)) => problems.push(Problem::new(Place::line(file, line), message)),
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(Error::input(shorten(file, problems))) }
}

fn minutes_between(earlier: DateTime, later: DateTime) -> f64 {
    later.duration_since(earlier).as_secs_f64() / 60.0
}

fn median_step(rows: &[Row]) -> f64 {
    let mut steps: Vec<f64> =
        rows.windows(2).map(|pair| minutes_between(pair[0].moment, pair[1].moment).abs()).collect();
    steps.sort_by(f64::total_cmp);
    // Of two in the middle the shorter: a hole in a short file is a hole.
    steps[(steps.len() - 1) / 2]
}

fn check_order(
    file: &str,
    rows: &[Row],
    step: f64,
    (gaps, words): (Gaps, Words<'_>),
) -> Vec<Problem> {
    let find = |fault: &dyn Fn(&Row, &Row) -> Option<String>| -> Vec<Problem> {
        let place = |line| Place::line(file, line);
        let pairs = rows.windows(2).map(|pair| (&pair[0], &pair[1]));
        let found = |(before, here)| {
            fault(before, here).map(|message| Problem::new(place(here.line), message))
        };
        pairs.filter_map(found).collect()
    };
    let unordered = find(&|before, here| match here.moment.cmp(&before.moment) {
        Ordering::Less => {
            Some(format!("{} comes after {}; sort the rows by date", here.moment, before.moment))
        }
        Ordering::Equal => {
            Some(format!("{} is given twice (also on line {})", here.moment, before.line))
        }
        Ordering::Greater => None,
    });
    // Distances between rows in disorder say nothing of holes.
    if !unordered.is_empty() {
        return unordered;
    }
    let missing_after = |before: &Row, here: &Row| {
        let distance = minutes_between(before.moment, here.moment);
        if distance > 1.6 * step { (distance / step).round() - 1.0 } else { 0.0 }
    };
    let all: f64 = rows.windows(2).map(|pair| missing_after(&pair[0], &pair[1])).sum();
    if gaps == Gaps::Skip && all <= MOST_MISSING {
        return Vec::new();
    }
    find(&|before, here| {
        let distance = minutes_between(before.moment, here.moment);
        let missing = missing_after(before, here);
        if missing < 1.0 {
            return None;
        }
        let (from, to) = (before.moment, here.moment);
        let help = if all <= MOST_MISSING {
            format!("fill them, or {}", words.allow_gaps)
        } else {
            format!("at most {MOST_MISSING} are filled in a file. Check the dates")
        };
        let years = distance / MINUTES_PER_YEAR;
        let span = if years < 2.0 { String::new() } else { format!(" ({years:.0} years)") };
        let noun = if missing > 1.0 { "rows" } else { "row" };
        Some(format!("{missing:.0} {noun}{span} missing between {from} and {to}; {help}"))
    })
}

fn shorten(file: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    let count = problems.len();
    if count > MOST_PROBLEMS {
        problems.truncate(MOST_PROBLEMS);
        let message = format!("{} more problems like these", count - MOST_PROBLEMS);
        problems.push(Problem::new(Place::file(file), message));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Series::parse("a.csv", text, Gaps::Refuse).unwrap_err().to_string()
    }

    #[test]
    fn a_header_and_a_byte_order_mark_are_accepted() {
        let text = "\u{feff}date,users\n2027-01,5\n2027-02,6\n2027-03,9\n";
        let series = Series::parse("a.csv", text, Gaps::Refuse).unwrap();
        assert_eq!(series.values, [5.0, 6.0, 9.0]);
    }

    #[test]
    fn every_fault_of_a_file_has_its_message() {
        assert_eq!(error(""), "a.csv: 0 rows of date,value; give 2 or more");
        assert!(error("date,v\r2027-01,1\r2027-02,2\r").contains("CR only"));
        assert_eq!(
            error("2027-02-01,1\n2027-01-31,2\n2027-02-02,2\n"),
            "a.csv:2: 2027-01-31T00:00:00 comes after 2027-02-01T00:00:00; sort the rows by date"
        );
        assert!(error("2027-01-01,1\n2027-01-01,2\n2027-01-02,2\n").contains("given twice"));
        let gap = error("2027-01-01,1\n2027-01-02,2\n2027-01-03,2\n2027-01-06,2\n");
        assert!(gap.starts_with("a.csv:4: 2 rows missing between"), "{gap}");
        let short = error("2027-01-01,1\n2027-01-02,2\n2027-01-09,3\n");
        assert!(short.starts_with("a.csv:3: 6 rows missing"), "{short}");
        assert!(error("2027-01-01,1\n2027-01-02,minus\n").contains("\"minus\" is not a finite"));
        assert!(error("2027-01-0l,1\n2027-01-02,2\n").contains("a.csv:1: \"2027-01-0l\" is not"));
        assert!(error("2027-01-01,1\nsoon,2\n").contains("a.csv:2: \"soon\" is not a date"));
        assert_eq!(
            error("2027-01-01,900\n2027-01-02,1,200\n2027-01-03,950\n"),
            "a.csv:2: expected 2 columns, found 3; write 1234 and not 1,234"
        );
        assert_eq!(
            error("2027-01-01,1\n2027-01-02,\"2\n2027-01-03,3\n"),
            "a.csv:2: a quote is opened and never closed. Close it, or remove it"
        );
    }

    #[test]
    fn a_cell_without_a_value_is_a_missing_row() {
        for cell in ["", "NaN", "null", "NA", "-"] {
            let text =
                format!("date,v\n2027-01-01,1\n2027-01-02,{cell}\n2027-01-03,2\n2027-01-04,2\n");
            assert_eq!(Series::parse("a.csv", &text, Gaps::Skip).unwrap().values, [1.0, 2.0, 2.0]);
            assert_eq!(
                error(&text),
                "a.csv:3: the value is missing; fill it, or set gaps = \"skip\""
            );
        }
    }

    #[test]
    fn gaps_may_be_skipped() {
        let text = "2027-01-01,1\n2027-01-02,2\n2027-01-03,2\n2027-01-06,2\n";
        assert_eq!(Series::parse("a.csv", text, Gaps::Skip).unwrap().values.len(), 4);
    }

    /// Seconds from 2027 to 4227: 2,200 years are 6.9 × 10^10 rows that nothing can hold.
    #[test]
    fn a_gap_that_no_memory_holds_is_refused_with_its_length() {
        let text = "2027-01-01T00:00:00,1\n2027-01-01T00:00:01,2\n2027-01-01T00:00:02,3\n4227-01-01T00:00:03,3\n";
        for gaps in [Gaps::Skip, Gaps::Refuse] {
            let error = Series::parse("a.csv", text, gaps).unwrap_err().to_string();
            assert!(error.starts_with("a.csv:4: 69"), "{error}");
            assert!(
                error.contains(
                    "rows (2200 years) missing between 2027-01-01T00:00:02 and 4227-01-01T00:00:03"
                ),
                "{error}"
            );
        }
        // An hourly series may lack a year.
        let text =
            "2027-01-01T00:00,1\n2027-01-01T01:00,2\n2027-01-01T02:00,3\n2028-01-01T00:00,3\n";
        assert!(Series::parse("a.csv", text, Gaps::Skip).is_ok());
    }

    #[test]
    fn months_and_quarters_are_regular_steps() {
        let text = "2027-Q1,1\n2027-Q2,2\n2027-Q3,2\n2027-Q4,2\n2028-Q1,3\n";
        assert!(Series::parse("a.csv", text, Gaps::Refuse).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\r\n\u{feff}é]{0,200}") {
            let _ = Series::parse("x.csv", &text, Gaps::Refuse);
        }
    }
}
