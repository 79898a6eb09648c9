//! CSV files of the Cost Explorer console: periods by groups of one dimension, with their totals.
//!
//! # Formula
//! ```text
//! dates down     "Service","EC2-Instances($)",...,"Total costs($)"    the second row is the columns' total
//! dates across   "Service","Service total","2027-01-01",...           the second row is "Total costs"
//! cost of a period = sum of its groups = its total;  total of a group = sum of its periods
//! ```
//! A file whose totals are not its sums lost a row or a column, and is refused.
//!
//! # Source
//! Files of the console in public repositories, header `"Service","EC2-Instances($)",...,"Total costs($)"`.
//! # Limits
//! The console has one dimension a file. By service, taxes and support are services of their own; credits, refunds
//! and discounts are within the services that they correct.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use csv::ByteRecord;

use super::{
    MonthBill,
    amount::Amount,
    gather::{Gather, Row, month_of},
    layout::{Billing, FIGURES, Figure, Layout, TEXTS, Text},
    lines::Records,
    text::{figure, not_a_number},
};
use crate::error::{Error, Place};

/// Dimensions that are read, by the console's name.
const DIMENSIONS: [(&str, Text); 6] = [
    ("Service", Text::Service),
    ("Usage type", Text::UsageType),
    ("Linked account", Text::Account),
    ("Region", Text::Region),
    ("Charge type", Text::Record),
    ("API operation", Text::Operation),
];
/// What the console calls the sum of all groups.
const TOTAL: &str = "Total costs";
/// Half a cent, to which each figure of a total may be rounded.
const ROUNDING: &str = "0.005";

/// Where the periods of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A row each.
    Down,
    /// A column each.
    Across,
}

impl Shape {
    /// Recognizes a file of the console by its header.
    pub(super) fn find(header: &[String]) -> Option<Self> {
        let (first, rest) = header.split_first()?;
        let (last, _) = rest.split_last()?;
        let across = rest[0] == format!("{first} total")
            && rest.len() > 1
            && rest[1..].iter().all(|date| month_of(date).is_some());
        if last.starts_with(TOTAL) && rest.len() > 1 {
            Some(Self::Down)
        } else {
            across.then_some(Self::Across)
        }
    }
}

/// The figures of a file, groups by periods.
struct Figures {
    groups: Vec<String>,
    periods: Vec<Period>,
    /// Totals of the groups, where the file has them.
    totals: Vec<Option<Amount>>,
    /// What the totals are called, with the unit.
    total: String,
}

/// The figures of a day or a month.
struct Period {
    date: String,
    line: usize,
    /// By group; none where the cell is empty.
    costs: Vec<Option<Amount>>,
    total: Option<Amount>,
}

/// Reads a file of the console, whose header was read.
///
/// # Errors
/// Another dimension than those that are read; a unit that is no currency; a figure that is none; totals that are
/// not the sums.
pub(super) fn read(
    file: &str,
    (shape, header): (Shape, &[String]),
    records: &mut Records<impl Read>,
    (billing, read_at): (&Billing, &str),
) -> Result<Vec<MonthBill>, Error> {
    let wrong = |line: usize, message: String| Error::at(Place::line(file, line), message);
    let name = header[0].as_str();
    let Some((_, dimension)) = DIMENSIONS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = DIMENSIONS.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "this Cost Explorer CSV is grouped by {name:?}, which is not supported; download it grouped by one of {}",
            known.join(", ")
        );
        return Err(wrong(1, message));
    };
    let figures = match shape {
        Shape::Down => down(file, header, records)?,
        Shape::Across => across(file, header, records)?,
    };
    figures.check().map_err(|(line, message)| wrong(line, message))?;
    let unit = figures.total.strip_prefix(TOTAL).unwrap_or_default().trim();
    let currency = currency(unit, billing).map_err(|message| wrong(1, message))?;
    let groups = figures.groups(unit).map_err(|message| wrong(1, message))?;
    let mut layout = Layout {
        format: format!("Cost Explorer CSV by {name}"),
        texts: [None; TEXTS],
        figures: [None; FIGURES],
    };
    // Daily rows say how far the month goes; one row a month does not.
    let daily = figures.periods.iter().any(|period| !period.date.ends_with("-01"));
    if daily {
        layout.texts[Text::End as usize] = Some(0);
    }
    let mut gather = Gather::new(&layout, billing);
    for period in &figures.periods {
        let at = || format!("{file}:{}", period.line);
        // A day to come is a row of nothing.
        let empty = period.costs.iter().flatten().all(|cost| *cost == Amount::ZERO);
        if daily && empty {
            continue;
        }
        // The end of a day is the moment before midnight.
        let end = format!("{} 23:00:00", period.date);
        for (group, cost) in groups.iter().zip(&period.costs) {
            let Some(cost) = cost else { continue };
            let mut row = Row::EMPTY;
            let (value, record) = named(*dimension, group, billing);
            let mut texts = vec![
                (Text::Month, &*period.date),
                (Text::End, &*end),
                (Text::Currency, &*currency),
                (*dimension, value),
            ];
            texts.extend(record.map(|record| (Text::Record, record)));
            for (which, text) in texts {
                row.texts[which as usize] = gather.number(which as usize, text);
            }
            row.figures[Figure::Unblended as usize] = Some(*cost);
            gather.add(&row, at);
        }
    }
    let mut bills = gather.finish(&format!("{}: {file}", layout.format), read_at)?;
    for bill in &mut bills {
        bill.notes.extend(note(*dimension, name));
    }
    Ok(bills)
}

/// What the bill's lines hold that the dimension does not set apart.
fn note(dimension: Text, name: &str) -> Option<String> {
    match dimension {
        Text::Record => None,
        Text::Service => Some(
            "grouped by Service: the console counts credits, refunds and discounts within the services, unless a filter on Charge type excludes them".into(),
        ),
        Text::UsageType => Some(
            "grouped by Usage type: rows without one (tax, fees, refunds) are listed separately; credits and discounts count within the usage types, unless a filter on Charge type excludes them".into(),
        ),
        _ => Some(format!(
            "grouped by {name}: tax, support, credits and refunds count as consumption, unless a filter on Charge type excludes them"
        )),
    }
}

/// What a group is in a bill, and the kind of its rows where its name tells it.
fn named<'a>(dimension: Text, group: &'a str, billing: &'a Billing) -> (&'a str, Option<&'a str>) {
    match dimension {
        Text::Service => (billing.console_services.get(group).map_or(group, String::as_str), None),
        Text::UsageType => (group, billing.console_usage_types.get(group).map(String::as_str)),
        // `name (id)`
        Text::Account => {
            let id = group.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
            let is_id = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            (id.map(|(_, id)| id).filter(is_id).unwrap_or(group), None)
        }
        _ => (group, None),
    }
}

/// Returns the currency of `($)`, `(EUR)`; empty where there is no unit.
fn currency(unit: &str, billing: &Billing) -> Result<String, String> {
    let Some(sign) = unit.strip_prefix('(').and_then(|unit| unit.strip_suffix(')')) else {
        return Ok(String::new());
    };
    if let Some(code) = billing.currency_signs.get(sign) {
        return Ok(code.clone());
    }
    if sign.len() == 3 && sign.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(sign.to_owned());
    }
    let known: Vec<&str> = billing.currency_signs.keys().map(String::as_str).collect();
    Err(format!(
        "unknown currency ({sign}); expected {} or a code of three letters. Download costs, not usage quantities",
        known.join(", ")
    ))
}

/// Returns periods in rows.
fn down(file: &str, header: &[String], records: &mut Records<impl Read>) -> Result<Figures, Error> {
    let count = header.len() - 2;
    let mut found = Figures {
        groups: header[1..=count].to_vec(),
        periods: Vec::new(),
        totals: vec![None; count],
        total: header[count + 1].clone(),
    };
    rows(file, header, records, |label, line, mut costs| {
        let total = costs.pop().flatten();
        if label == format!("{} total", header[0]) {
            found.totals = costs;
        } else {
            found.periods.push(Period { date: label, line, costs, total });
        }
    })?;
    Ok(found)
}

/// Returns periods in columns.
fn across(
    file: &str,
    header: &[String],
    records: &mut Records<impl Read>,
) -> Result<Figures, Error> {
    let period = |date: &String| Period { date: date.clone(), line: 1, costs: vec![], total: None };
    let mut found = Figures {
        groups: Vec::new(),
        periods: header[2..].iter().map(period).collect(),
        totals: Vec::new(),
        total: String::new(),
    };
    rows(file, header, records, |label, line, costs| {
        let total = label.starts_with(TOTAL);
        for (period, cost) in found.periods.iter_mut().zip(&costs[1..]) {
            if total {
                period.total = *cost;
            } else {
                period.line = line;
                period.costs.push(*cost);
            }
        }
        if total {
            found.total = label;
        } else {
            found.groups.push(label);
            found.totals.push(costs[0]);
        }
    })?;
    Ok(found)
}

/// Hands over each row: its first cell, its line, its figures.
fn rows(
    file: &str,
    header: &[String],
    records: &mut Records<impl Read>,
    mut take: impl FnMut(String, usize, Vec<Option<Amount>>),
) -> Result<(), Error> {
    let mut record = ByteRecord::new();
    while let Some(line) = records.next(&mut record)? {
        let wrong = |message: String| Error::at(Place::line(file, line), message);
        if record.len() != header.len() {
            let message = format!("expected {} columns, found {}", header.len(), record.len());
            return Err(wrong(message));
        }
        let mut cells = Vec::with_capacity(record.len());
        for cell in &record {
            let text = std::str::from_utf8(cell).map_err(|_| wrong("is not UTF-8 text".into()))?;
            cells.push(text.trim());
        }
        let mut costs = Vec::with_capacity(cells.len() - 1);
        for (cell, column) in cells[1..].iter().zip(&header[1..]) {
            costs.push(match *cell {
                "" => None,
                text => Some(
                    figure(text, records.has_semicolons())
                        .ok_or_else(|| wrong(not_a_number(column, text)))?,
                ),
            });
        }
        take(cells[0].to_owned(), line, costs);
    }
    Ok(())
}

impl Figures {
    /// Checks that each name and date is there once, that dates are dates, and that totals are the sums.
    fn check(&self) -> Result<(), (usize, String)> {
        let mut names = BTreeSet::new();
        for name in &self.groups {
            if !names.insert(name) {
                return Err((
                    1,
                    format!(
                        "the column {name:?} occurs twice and its costs would count twice; keep one"
                    ),
                ));
            }
        }
        let mut dates = BTreeMap::new();
        for period in &self.periods {
            let Period { date, line, .. } = period;
            if month_of(date).is_none() {
                return Err((*line, format!("{date:?} is not a date")));
            }
            if let Some(first) = dates.insert(date, line) {
                let message = format!("{date} occurs twice, first at line {first}; keep one");
                return Err((*line, message));
            }
            let sum = period.costs.iter().flatten().copied().sum();
            agrees(date, sum, period.total, self.groups.len())
                .map_err(|message| (*line, message))?;
        }
        for (place, (group, total)) in self.groups.iter().zip(&self.totals).enumerate() {
            let sum = self.periods.iter().filter_map(|period| period.costs[place]).sum();
            agrees(group, sum, *total, self.periods.len()).map_err(|message| (1, message))?;
        }
        Ok(())
    }

    /// Returns the groups without the unit.
    fn groups(&self, unit: &str) -> Result<Vec<String>, String> {
        let bare = |name: &String| {
            if unit.is_empty() {
                return Ok(name.clone());
            }
            let bare = name.strip_suffix(unit).map(|name| name.trim().to_owned());
            // Files with the dates across have no units beside the groups.
            bare.ok_or_else(|| {
                format!("the column {name:?} is not in the unit {unit} of the total")
            })
        };
        self.groups.iter().map(bare).collect()
    }
}

/// Checks that a total is the sum of its parts, each rounded to a cent at worst.
fn agrees(name: &str, sum: Amount, total: Option<Amount>, parts: usize) -> Result<(), String> {
    let Some(total) = total else { return Ok(()) };
    let rounding = Amount::parse(ROUNDING).unwrap_or_default();
    let most = (0..=parts).map(|_| rounding).sum();
    let off = if sum > total { sum - total } else { total - sum };
    if off <= most {
        return Ok(());
    }
    Err(format!(
        "the costs of {name} sum to {sum}, but its total is {total}: a row, a column or a number is missing or changed; download the file again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bills::actuals::{Kind, Metric, text};

    fn bills(file: &str, text: &str) -> Result<Vec<MonthBill>, String> {
        let billing: Billing =
            toml::from_str(include_str!("../../../models/billing.toml")).unwrap();
        text::read(file, text.as_bytes(), &billing, "2027-03-05T00:00:00Z")
            .map_err(|error| error.to_string())
    }

    fn sum(bill: &MonthBill, wanted: impl Fn(&super::super::Line) -> bool) -> String {
        bill.sum(Metric::Unblended, wanted).map_or(String::new(), |sum| sum.to_string())
    }

    #[test]
    fn dates_down_are_unpivoted() {
        let text = "Service,EC2-Instances($),EC2-Other($),Total costs($)\n\
                    Service total,3,0.5,3.5\n2027-01-01,1,0.25,1.25\n2027-02-01,2,0.25,2.25\n";
        let bills = bills("ce.csv", text).unwrap();
        assert_eq!((bills.len(), &*bills[1].currency), (2, "USD"));
        let services: Vec<&str> = bills[1].lines.iter().map(|l| &*l.key.service).collect();
        assert_eq!(services, ["Amazon Elastic Compute Cloud - Compute", "EC2 - Other"]);
        assert_eq!(sum(&bills[1], |_| true), "2.25");
        assert!(!bills[1].is_partial() && bills[1].notes[0].contains("credits, refunds"));
    }

    /// Spreadsheets of other countries: semicolons, decimal commas, points between thousands.
    #[test]
    fn semicolons_bring_decimal_commas() {
        let text = "\"Linked account\";\"Example prod (111122223333)(€)\";\"x (444455556666)(€)\";\"Total costs(€)\"\r\n\
                    \"2027-01-01\";\"1.234,5\";\"0,25\";\"1.234,75\"\r\n";
        let bill = &bills("eu.csv", text).unwrap()[0];
        assert_eq!((&*bill.currency, sum(bill, |_| true)), ("EUR", "1234.75".into()));
        let accounts: Vec<&str> = bill.lines.iter().map(|l| &*l.key.account).collect();
        assert_eq!(accounts, ["111122223333", "444455556666"]);
        let unclear = bills("eu.csv", &text.replace("1.234,5\"", "1.234\"")).unwrap_err();
        assert!(
            unclear.contains("eu.csv:2") && unclear.contains("decimal or thousands"),
            "{unclear}"
        );
    }

    #[test]
    fn dates_across_and_kinds_by_name_are_read() {
        let text = "Service,Service total,2027-01-01,2027-02-01\nTotal costs,62,29,33\n\
                    EC2-Instances,30,14,16\nTax,3,1,2\nSupport (Developer),29,14,15\n";
        let found = bills("ce.csv", text).unwrap();
        let by_kind = |kind: Kind| sum(&found[1], |line| line.key.kind == kind);
        assert_eq!([Kind::Usage, Kind::Tax, Kind::Support].map(by_kind), ["16", "2", "15"]);
        assert_eq!(found[1].currency, "");
        let text = "Usage type,BoxUsage:m7g.large($),Dollar($),NoUsageType($),Total costs($)\n\
                    2027-01-01,5,3,1,9\n";
        let found = bills("ce.csv", text).unwrap();
        let by_kind = |kind: Kind| sum(&found[0], |line| line.key.kind == kind);
        assert_eq!([Kind::Usage, Kind::Support, Kind::Unknown].map(by_kind), ["5", "3", "1"]);
        let text = "Charge type,Usage($),Credit($),Refund($),Tax($),Total costs($)\n\
                    2027-01-01,9,-4,-1,1,5\n";
        let found = bills("ce.csv", text).unwrap();
        let by_kind = |kind: Kind| sum(&found[0], |line| line.key.kind == kind);
        let kinds = [Kind::Usage, Kind::Credit, Kind::Refund, Kind::Tax].map(by_kind);
        assert_eq!(kinds, ["9", "-4", "-1", "1"]);
    }

    /// Days with rows: a day to come has a row of nothing, and a month that is open has no days to come.
    #[test]
    fn an_open_month_has_the_days_with_rows() {
        let text = "Service,EC2-Other($),Tax($),Total costs($)\n2027-02-26,1,,1\n2027-02-27,1,,1\n2027-02-28,0,,0\n";
        let found = bills("ce.csv", text).unwrap();
        assert_eq!((found[0].days, sum(&found[0], |_| true)), (27, "2".into()));
        let text = "Service,EC2-Other($),Tax($),Total costs($)\n2027-02-01,1,,1\n2027-03-01,1,,1\n";
        let found = bills("ce.csv", text).unwrap();
        let days: Vec<(u32, bool)> = found.iter().map(|bill| (bill.days, bill.estimated)).collect();
        assert_eq!(days, [(28, false), (5, true)]);
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let text = "Service,A($),B($),Total costs($)\nService total,3,1,4\n2027-01-01,1,0.5,1.5\n2027-02-01,2,0.5,2.5\n";
        assert!(bills("ce.csv", text).is_ok());
        for (from, to, expected) in [
            (
                "01,2,",
                "01,3,",
                "ce.csv:4: the costs of 2027-02-01 sum to 3.5, but its total is 2.5",
            ),
            (
                "2027-02-01,2,0.5,2.5\n",
                "",
                "ce.csv:1: the costs of A($) sum to 1, but its total is 3",
            ),
            ("2027-02-01,2,", "2027-02-30,2,", "ce.csv:4: \"2027-02-30\" is not a date"),
            ("2027-02", "2027-01", "ce.csv:4: 2027-01-01 occurs twice, first at line 3"),
            ("B($)", "A($)", "ce.csv:1: the column \"A($)\" occurs twice"),
            ("B($)", "B", "ce.csv:1: the column \"B\" is not in the unit ($)"),
            ("01,2,", "01,x,", "ce.csv:4: A($) \"x\" is not a number"),
            ("01,2,0.5", "01,2", "ce.csv:4: expected 4 columns, found 3"),
            ("Service,", "Team,", "ce.csv:1: this Cost Explorer CSV is grouped by \"Team\""),
            ("($)", "(Hrs)", "ce.csv:1: unknown currency (Hrs)"),
        ] {
            let error = bills("ce.csv", &text.replace(from, to)).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
