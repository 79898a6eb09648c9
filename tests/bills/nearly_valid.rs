//! Bills with one mistake: a file is refused with its name and line, or read equal to what it says. What it says
//! is computed here from its text, by other code than the reader's. A bill that is accepted can be read again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    str::FromStr,
};

use runrate::{
    app::store::{self, BillFile},
    bills::actuals::{Metric, MonthBill, layout::Billing},
    error::Error,
};
use rust_decimal::Decimal;

/// Numbers in an order that is always the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

/// An export by the names of its columns.
struct Format {
    recognized: &'static [&'static str],
    account: &'static str,
    month: &'static str,
    end: &'static str,
    record: &'static str,
    service: &'static str,
    usage: &'static str,
    currency: &'static str,
    cost: &'static str,
    /// Further figures that must be figures.
    figures: &'static [&'static str],
}

const CUR: Format = Format {
    recognized: &[
        "line_item_usage_account_id",
        "line_item_line_item_type",
        "line_item_unblended_cost",
    ],
    account: "line_item_usage_account_id",
    month: "bill_billing_period_start_date",
    end: "line_item_usage_end_date",
    record: "line_item_line_item_type",
    service: "line_item_product_code",
    usage: "line_item_usage_type",
    currency: "line_item_currency_code",
    cost: "line_item_unblended_cost",
    figures: &["line_item_usage_amount"],
};

const FOCUS: Format = Format {
    recognized: &["ChargeCategory", "BilledCost", "SubAccountId"],
    account: "SubAccountId",
    month: "BillingPeriodStart",
    end: "ChargePeriodEnd",
    record: "ChargeCategory",
    service: "ServiceName",
    usage: "x_UsageType",
    currency: "BillingCurrency",
    cost: "BilledCost",
    figures: &["EffectiveCost", "ConsumedQuantity"],
};

impl Format {
    fn columns(&self) -> Vec<&'static str> {
        let mut columns = vec![
            self.account,
            self.month,
            self.end,
            self.record,
            self.service,
            self.usage,
            self.currency,
            self.cost,
        ];
        columns.extend(self.figures);
        columns
    }

    /// A few rows of two months and two accounts; the first row is the header.
    fn rows(&self, dice: &mut Dice) -> Vec<Vec<String>> {
        let mut rows = vec![self.columns().iter().map(|name| (*name).to_owned()).collect()];
        for _ in 0..6 {
            let month = dice.pick(&["2027-01", "2027-02"]);
            let figure = |dice: &mut Dice| {
                format!("{}.{:04}", dice.roll(900) as i64 - 100, dice.roll(10_000))
            };
            let mut row = vec![
                dice.pick(&["111122223333", "444455556666"]).to_owned(),
                format!("{month}-01T00:00:00.000Z"),
                format!("{month}-{:02}T00:00:00Z", 2 + dice.roll(27)),
                dice.pick(&["Usage", "Usage", "Tax", "Credit"]).to_owned(),
                dice.pick(&["AmazonEC2", "AmazonS3", "AWSLambda"]).to_owned(),
                dice.pick(&["BoxUsage:m7g.large", "Requests-Tier1", ""]).to_owned(),
                "USD".to_owned(),
                figure(dice),
            ];
            row.extend(self.figures.iter().map(|_| figure(dice)));
            rows.push(row);
        }
        rows
    }
}

/// What of a line tells it apart here: month, account, service, usage type, record type.
type Key = [String; 5];

/// What a file says.
#[derive(Debug, Default, PartialEq)]
struct Says {
    sums: BTreeMap<Key, Decimal>,
    used: u64,
    skipped: u64,
}

/// Cells and first line of each record, by RFC 4180; the line at fault for a quote astray.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let characters: Vec<char> = text.chars().collect();
    let (mut at, mut line) = (0, 1);
    let mut found = Vec::new();
    let is_end = |c: char| c == '\n' || c == '\r';
    // Passes a line end.
    let pass = |at: &mut usize, line: &mut usize| {
        let two = characters[*at] == '\r' && characters.get(*at + 1) == Some(&'\n');
        *at += if two { 2 } else { 1 };
        *line += 1;
    };
    while at < characters.len() {
        if is_end(characters[at]) {
            pass(&mut at, &mut line);
            continue;
        }
        let (first, mut cells) = (line, Vec::new());
        loop {
            let mut cell = String::new();
            if characters.get(at) == Some(&'"') {
                let opened = line;
                at += 1;
                loop {
                    match characters.get(at) {
                        None => return Err(opened),
                        Some('"') if characters.get(at + 1) == Some(&'"') => {
                            cell.push('"');
                            at += 2;
                        }
                        Some('"') => break,
                        Some(c) if is_end(*c) => {
                            cell.push(*c);
                            pass(&mut at, &mut line);
                        }
                        Some(c) => {
                            cell.push(*c);
                            at += 1;
                        }
                    }
                }
                at += 1;
                if characters.get(at).is_some_and(|c| *c != ',' && !is_end(*c)) {
                    return Err(line);
                }
            } else {
                while let Some(c) = characters.get(at).filter(|c| **c != ',' && !is_end(**c)) {
                    if *c == '"' {
                        return Err(line);
                    }
                    cell.push(*c);
                    at += 1;
                }
            }
            cells.push(cell);
            match characters.get(at) {
                Some(',') => at += 1,
                _ => break,
            }
        }
        found.push((first, cells));
    }
    Ok(found)
}

fn figure(text: &str) -> Option<Decimal> {
    let read = if text.contains(['e', 'E']) {
        Decimal::from_scientific(text)
    } else {
        Decimal::from_str(text)
    };
    let bound = Decimal::from(1_000_000_000_000_000_000_i64);
    read.ok().map(|value| value.trunc_with_scale(15)).filter(|value| value.abs() < bound)
}

/// Whether a text is a date, with or without a time, and its month.
fn month(text: &str) -> Option<String> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (day, time) = (text.get(..10)?, text.get(10..)?);
    let parts: Vec<&str> = day.split('-').collect();
    let [year, month, number] = parts[..] else { return None };
    if (year.len(), month.len()) != (4, 2) || ![year, month, number].iter().all(|t| digits(t)) {
        return None;
    }
    let year: i16 = year.parse().ok().filter(|year| (1970..=9000).contains(year))?;
    jiff::civil::Date::new(year, month.parse().ok()?, number.parse().ok()?).ok()?;
    let time_of_day = time.is_empty()
        || time.starts_with(['T', ' '])
            && time[1..].chars().all(|c| c.is_ascii_digit() || ":.+-ZUTC ".contains(c));
    time_of_day.then(|| day[..7].to_owned())
}

/// The month of a billing period, which may be written as a month alone.
fn period(text: &str) -> Option<String> {
    if text.len() == 7 {
        month(&format!("{text}-01")).filter(|found| found == text)
    } else {
        month(text)
    }
}

/// What records say; the line at fault where the file must be refused.
fn says(format: &Format, records: &[(usize, Vec<String>)]) -> Result<Says, usize> {
    let Some(((_, header), rows)) = records.split_first() else { return Err(1) };
    let header: Vec<&str> = header.iter().map(|name| name.trim()).collect();
    let known = |name: &str| header.contains(&name);
    if !format.recognized.iter().chain([&format.month, &format.service]).all(|name| known(name)) {
        return Err(1);
    }
    if format.columns().iter().any(|name| header.iter().filter(|h| h == &name).count() > 1) {
        return Err(1);
    }
    let (mut found, mut currencies) = (Says::default(), BTreeSet::new());
    for (line, cells) in rows {
        if cells.len() != header.len() {
            if cells.iter().any(|cell| cell.contains(['\n', '\r'])) {
                return Err(*line);
            }
            found.skipped += 1;
            continue;
        }
        let cell = |name: &str| {
            let place = header.iter().position(|column| *column == name);
            let text = place.map_or("", |place| cells[place].trim());
            let guarded =
                text.strip_prefix('\'').filter(|text| text.starts_with(['=', '+', '-', '@']));
            if text == "NULL" { "" } else { guarded.unwrap_or(text) }
        };
        let whole = format.figures.iter().all(|name| {
            let text = cell(name);
            text.is_empty() || figure(text).is_some()
        });
        let end = cell(format.end);
        let ends = cell(format.record) != "Usage" || end.is_empty() || month(end).is_some();
        let period = period(cell(format.month));
        match (whole, ends, period, figure(cell(format.cost))) {
            (true, true, Some(period), Some(cost)) => {
                let named = [format.account, format.service, format.usage, format.record];
                let [account, service, usage, record] = named.map(|name| cell(name).to_owned());
                currencies.insert(cell(format.currency).to_owned());
                found.used += 1;
                *found.sums.entry([period, account, service, usage, record]).or_default() += cost;
            }
            _ => found.skipped += 1,
        }
    }
    if found.used == 0 || currencies.len() > 1 { Err(0) } else { Ok(found) }
}

/// What the reader read.
fn read(bills: &[MonthBill]) -> Says {
    let mut found = Says::default();
    for bill in bills {
        found.used += bill.rows();
        found.skipped += bill.set_aside.iter().map(|aside| aside.rows).sum::<u64>();
        for line in &bill.lines {
            let key = &line.key;
            let texts = [&key.account, &key.service, &key.usage_type, &key.record];
            let [account, service, usage, record] = texts.map(Clone::clone);
            let cost = line.cost(Metric::Unblended).unwrap().decimal();
            let key = [bill.month.to_string(), account, service, usage, record];
            *found.sums.entry(key).or_default() += cost;
        }
    }
    found
}

/// Holds what was read against what is said; a bill that is accepted is written and read again.
/// Reads one file, however few of its rows can be used.
fn import(path: &Path, billing: &Billing) -> Result<Vec<MonthBill>, Error> {
    let file = BillFile { path, account: None };
    store::import_bill_files(&[file], billing, ("2027-05-01T00:00:00Z", 1.0))
}

fn check(
    path: &Path,
    found: Result<Vec<MonthBill>, Error>,
    expected: Result<Says, usize>,
    shown: &str,
) {
    match (found, expected) {
        (Ok(bills), Ok(says)) => {
            assert_eq!(read(&bills), says, "{shown}");
            let kept = path.with_extension("kept");
            let _ = fs::remove_dir_all(&kept);
            store::save_bills(&kept, &bills).unwrap();
            assert_eq!(store::load_bills(&kept).unwrap(), bills, "{shown}");
        }
        (Err(error), Err(line)) => {
            let message = error.to_string();
            assert_eq!(error.exit_code(), 2, "{message}");
            assert!(message.contains(&path.display().to_string()), "{message}");
            let place = format!(":{line}:");
            assert!(
                line == 0 || message.contains(&place) || shown.is_empty(),
                "{message}\n{shown}"
            );
        }
        (Ok(bills), Err(line)) => panic!("line {line} is accepted: {:?}\n{shown}", read(&bills)),
        (Err(error), Ok(says)) => panic!("{error}, but the file says {says:?}\n{shown}"),
    }
}

/// One mistake of a hand, a program or a line that dropped.
fn mistake(text: &str, dice: &mut Dice) -> String {
    let at = dice.roll(text.len());
    let some = [",", "\"", "\n", "\r\n", ".", "-", "+", "e", "x", " ", "0", "9", "'", "é", ";"];
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let line = dice.roll(lines.len());
    match dice.roll(9) {
        0 => format!("{}{}", &text[..at], &text[at + 1..]),
        1 => format!("{}{}{}", &text[..at], dice.pick(&some), &text[at..]),
        2 => format!("{}{}{}", &text[..at], dice.pick(&some), &text[at + 1..]),
        3 => text[..at].to_owned(),
        4 => {
            lines.insert(line, lines[line]);
            lines.concat()
        }
        5 => text.replace('\n', dice.pick(&["\r\n", "\n\n", "\r"])),
        kind => {
            let mut cells: Vec<&str> = lines[line].split(',').collect();
            let (one, other) = (dice.roll(cells.len()), dice.roll(cells.len()));
            match kind {
                6 => cells[one] = dice.pick(&["", "NULL", "NaN", "-", "\"\"", "1e23", "\"a\nb\""]),
                7 => cells.swap(one, other),
                _ => cells.push(cells[one]),
            }
            let changed = cells.join(",");
            lines[line] = &changed;
            lines.concat()
        }
    }
}

#[test]
fn csv_with_one_mistake_is_refused_or_read_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let billing: Billing = store::model().unwrap();
    let mut accepted = 0;
    for (format, seed) in [(&CUR, 5), (&FOCUS, 7)] {
        let mut dice = Dice(seed);
        let path = folder.path().join("bill.csv");
        for case in 0..400 {
            let rows: Vec<String> =
                format.rows(&mut dice).iter().map(|row| row.join(",")).collect();
            let text = rows.join("\n") + "\n";
            let text = if case == 0 { text } else { mistake(&text, &mut dice) };
            // The header decides on the separator.
            let header = text.lines().next().unwrap_or_default();
            if header.matches(';').count() > header.matches(',').count() {
                continue;
            }
            fs::write(&path, &text).unwrap();
            let found = import(&path, &billing);
            accepted += u32::from(found.is_ok());
            let expected = records(&text).and_then(|records| says(format, &records));
            check(&path, found, expected, &text);
        }
    }
    assert!((300..700).contains(&accepted), "{accepted} of 800 were accepted");
}

/// A file of the console whose figures do not add up to its totals is refused; any other is read to the cent.
#[test]
fn console_files_with_one_mistake_are_refused_or_read_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let billing: Billing = store::model().unwrap();
    let path = folder.path().join("ce.csv");
    let good = include_str!("../data/bills/costs_by_service.csv").replace("\r\n", "\n");
    let cents = |text: &str| if text.is_empty() { Some(Decimal::ZERO) } else { figure(text) };
    // The sum of the totals that a file says, where each row adds up to its total.
    let total = |text: &str| -> Option<Decimal> {
        let records = records(text).ok()?;
        let width = records[0].1.len();
        let half = Decimal::new(5, 3) * Decimal::from(width);
        let (mut all, mut seen) = (Decimal::ZERO, BTreeSet::new());
        for (_, cells) in records.iter().skip(1).filter(|(_, cells)| cells[0] != "Service total") {
            let costs: Vec<Decimal> =
                cells[1..].iter().map(|cell| cents(cell.trim())).collect::<Option<_>>()?;
            let (last, costs) = costs.split_last()?;
            let sum: Decimal = costs.iter().sum();
            let whole =
                cells.len() == width && seen.insert(&cells[0]) && month(&cells[0]).is_some();
            let stated = cells.last().is_some_and(|cell| !cell.trim().is_empty());
            if !whole || stated && (sum - last).abs() > half {
                return None;
            }
            all += sum;
        }
        Some(all)
    };
    let mut dice = Dice(11);
    let mut accepted = 0;
    for case in 0..400 {
        let text = if case == 0 { good.clone() } else { mistake(&good, &mut dice) };
        fs::write(&path, &text).unwrap();
        match import(&path, &billing) {
            Ok(bills) => {
                accepted += 1;
                let sum: Decimal = read(&bills).sums.values().sum();
                assert_eq!(Some(sum), total(&text), "{text}");
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains("ce.csv:"), "{message}");
                assert!(case > 0, "{message}");
            }
        }
    }
    assert!((20..300).contains(&accepted), "{accepted} of 400 were accepted");
}

/// An answer of Cost Explorer as `aws ce get-cost-and-usage` prints it.
fn answer(dice: &mut Dice) -> String {
    let mut periods = Vec::new();
    for month in 1..=2 {
        let groups: Vec<String> = ["Amazon Simple Storage Service", "AWS Lambda", "Tax"]
            .iter()
            .map(|service| {
                format!(
                    r#"{{"Keys":["{service}","U{}"],"Metrics":{{"UnblendedCost":{{"Amount":"{}.{:04}","Unit":"USD"}},"UsageQuantity":{{"Amount":"{}","Unit":"N/A"}}}}}}"#,
                    dice.roll(3),
                    dice.roll(500),
                    dice.roll(10_000),
                    dice.roll(50)
                )
            })
            .collect();
        periods.push(format!(
            r#"{{"TimePeriod":{{"Start":"2027-0{month}-01","End":"2027-0{}-01"}},"Total":{{}},"Groups":[{}],"Estimated":false}}"#,
            month + 1,
            groups.join(",\n")
        ));
    }
    format!(
        "{{\"GroupDefinitions\":[{{\"Type\":\"DIMENSION\",\"Key\":\"SERVICE\"}},{{\"Type\":\"DIMENSION\",\"Key\":\"USAGE_TYPE\"}}],\n\"ResultsByTime\":[{}]}}",
        periods.join(",\n")
    )
}

/// What an answer says, found in its text alone: each unblended amount, by the start of its period.
fn amounts(text: &str) -> Option<BTreeMap<String, Decimal>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut sums = BTreeMap::new();
    for period in value["ResultsByTime"].as_array()? {
        let start = month(period["TimePeriod"]["Start"].as_str()?)?;
        for group in period["Groups"].as_array()? {
            let amount = group["Metrics"]["UnblendedCost"]["Amount"].as_str()?;
            *sums.entry(start.clone()).or_default() += figure(amount)?;
        }
    }
    Some(sums)
}

#[test]
fn answers_with_one_mistake_are_refused_or_read_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let billing: Billing = store::model().unwrap();
    let path = folder.path().join("ce.json");
    let mut dice = Dice(13);
    let mut accepted = 0;
    for case in 0..600 {
        let good = answer(&mut dice);
        let text = if case == 0 { good } else { mistake(&good, &mut dice) };
        fs::write(&path, &text).unwrap();
        match import(&path, &billing) {
            Ok(bills) => {
                accepted += 1;
                let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
                for (key, cost) in read(&bills).sums {
                    *sums.entry(key[0].clone()).or_default() += cost;
                }
                assert_eq!(Some(sums), amounts(&text), "{text}");
            }
            Err(error) => {
                assert_eq!(error.exit_code(), 2);
                assert!(error.to_string().contains("ce.json"), "{error}");
                assert!(case > 0, "{error}");
            }
        }
    }
    assert!((100..500).contains(&accepted), "{accepted} of 600 were accepted");
}

#[cfg(feature = "polars")]
mod parquet {
    use runrate::measure::parquet::Columns;

    use super::*;

    fn bytes(rows: &[Vec<String>], binary: &[&str]) -> Vec<u8> {
        let (header, rows) = rows.split_first().unwrap();
        let mut columns = Columns::default();
        for (place, name) in header.iter().enumerate() {
            let cells = rows.iter().map(|row| &*row[place]);
            if binary.contains(&name.as_str()) {
                columns.floats(name, cells.map(|cell| cell.parse().ok()));
            } else {
                columns.texts(name, cells.map(Some));
            }
        }
        columns.finish([]).unwrap()
    }

    #[test]
    fn cells_with_one_mistake_are_refused_or_read_as_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let billing: Billing = store::model().unwrap();
        let path = folder.path().join("bill.parquet");
        for (format, seed) in [(&CUR, 17), (&FOCUS, 19)] {
            let mut dice = Dice(seed);
            for _ in 0..100 {
                let mut rows = format.rows(&mut dice);
                let (row, place) = (dice.roll(rows.len()), dice.roll(rows[0].len()));
                let cell = &rows[row][place];
                let at = dice.roll(cell.len() + 1);
                let new = match dice.roll(3) {
                    0 => String::new(),
                    1 => format!("{}{}", &cell[..at], dice.pick(&["x", "e", "-", ".", "9", "NaN"])),
                    _ => cell[..at].to_owned(),
                };
                if row == 0 && (new.is_empty() || rows[0].contains(&new)) {
                    continue;
                }
                rows[row][place] = new;
                fs::write(&path, bytes(&rows, &[])).unwrap();
                let found = import(&path, &billing);
                let numbered: Vec<(usize, Vec<String>)> = (0..).zip(rows).collect();
                check(&path, found, says(format, &numbered), "");
            }
        }
    }

    /// A bill whose bytes are damaged is read or refused with its name, never a panic, not on polars' threads
    /// either. Parquet as polars writes it has no checksums, so a changed byte can be another figure.
    #[test]
    fn damaged_bytes_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let billing: Billing = store::model().unwrap();
        let path = folder.path().join("bill.parquet");
        let mut dice = Dice(23);
        let rows = CUR.rows(&mut dice);
        let mut refused = 0;
        // Texts are read by their numbers where figures are binary, and row by row elsewhere.
        for binary in [&[CUR.cost, CUR.figures[0]][..], &[]] {
            let good = bytes(&rows, binary);
            for _ in 0..250 {
                let mut bad = good.clone();
                let at = dice.roll(bad.len() - 4).max(4);
                match dice.roll(3) {
                    0 => bad[at] ^= 1 << dice.roll(8),
                    1 => bad[at] = dice.roll(256) as u8,
                    _ => bad.truncate(at),
                }
                fs::write(&path, &bad).unwrap();
                if let Err(error) = import(&path, &billing) {
                    refused += 1;
                    assert_eq!(error.exit_code(), 2);
                    assert!(error.to_string().contains("bill.parquet"), "{error}");
                }
            }
        }
        assert!(refused > 100, "{refused} of 500 were refused");
    }
}
