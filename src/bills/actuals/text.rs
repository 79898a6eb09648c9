//! Exports as CSV: recognized from their columns, read row by row in bounded memory.
//!
//! # Limits
//! `NULL` is an empty cell: the FOCUS sample writes it so.

use std::io::Read;

use csv::ByteRecord;
use simd_csv::ZeroCopyReaderBuilder;

use super::{
    MonthBill,
    amount::Amount,
    console,
    gather::{Gather, Row},
    layout::{Billing, Figure, Layout},
    lines::Records,
};
use crate::{
    bounds,
    error::{Error, Place},
};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;
/// Longest text of a cell that a reason repeats.
const MOST_SHOWN: usize = 40;

/// Reads a CSV export.
///
/// # Errors
/// Columns of no known format, bytes that are no CSV, two currencies, or not one row that can be used.
pub fn read(
    file: &str,
    bytes: impl Read,
    billing: &Billing,
    read_at: &str,
) -> Result<Vec<MonthBill>, Error> {
    let mut records = Records::open(file, bytes)?;
    let mut record = ByteRecord::new();
    if records.next(&mut record)?.is_none() {
        return Err(Error::at(Place::file(file), "is empty"));
    }
    let header: Vec<String> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    if let Some(shape) = console::Shape::find(&header) {
        return console::read(file, (shape, &header), &mut records, (billing, read_at));
    }
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    let layout = Layout::find(file, &names, billing)?;
    let mut gather = Gather::new(&layout, billing);
    let commas = records.has_semicolons();
    while let Some(line) = records.next(&mut record)? {
        let at = || format!("{file}:{line}");
        if record.len() != header.len() {
            if record.iter().any(|cell| memchr::memchr2(b'\n', b'\r', cell).is_some()) {
                let message = format!(
                    "expected {} columns, found {}, and one cell spans several lines: add or remove a quote",
                    header.len(),
                    record.len()
                );
                return Err(Error::at(Place::line(file, line), message));
            }
            let reason = format!("expected {} columns, found {}", header.len(), record.len());
            gather.set_aside(reason, None, at);
            continue;
        }
        let cells = |place: usize| record.get(place).unwrap_or_default();
        match row(cells, (&layout, &header), commas, &mut gather) {
            Ok(row) => gather.add(&row, at),
            Err(reason) => {
                gather.set_aside(reason, cost(cells, &layout, commas), at);
            }
        }
    }
    let source = format!("{}: {file}", layout.format);
    gather.finish(&source, read_at)
}

/// Returns the cost of a row that cannot be used, where it is a figure.
fn cost<'r>(cells: impl Fn(usize) -> &'r [u8], layout: &Layout, commas: bool) -> Option<Amount> {
    let text = std::str::from_utf8(cells(layout.figures[Figure::Unblended as usize]?)).ok()?;
    figure(text.trim(), commas)
}

/// Reads a file whose rows are whole lines, in two thirds of the time; `None` for any other file, for which [`read`]
/// has the errors.
pub fn read_lines(
    file: &str,
    bytes: impl Read,
    billing: &Billing,
    read_at: &str,
) -> Option<Result<Vec<MonthBill>, Error>> {
    let mut reader = ZeroCopyReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER)
        .from_reader(bounds::BoundedLines::new(bytes));
    let first = reader.read_byte_record().ok()??;
    // Lines that end with CR alone are one line here; another separator is for the patient reader to find.
    let first_line = first.as_slice();
    if memchr::memchr2(b'\n', b'\r', first_line).is_some()
        || memchr::memchr2(b';', b'\t', first_line).is_some()
    {
        return None;
    }
    let header: Vec<String> = (0..first.len())
        .map(|place| {
            let name = std::str::from_utf8(bare(first.get(place)?)?).ok()?;
            Some(name.trim_start_matches('\u{feff}').trim().to_owned())
        })
        .collect::<Option<_>>()?;
    let names: Vec<&str> = header.iter().map(String::as_str).collect();
    if console::Shape::find(&header).is_some() {
        return None;
    }
    let layout = Layout::find(file, &names, billing).ok()?;
    let mut gather = Gather::new(&layout, billing);
    while let Some(record) = reader.read_byte_record().ok()? {
        let line = record.as_slice();
        let quoted = memchr::memchr(b'"', line).is_some();
        let clean = || (0..record.len()).all(|place| record.get(place).and_then(bare).is_some());
        // A quote astray joins lines and cells without a word.
        if record.len() != header.len()
            || memchr::memchr2(b'\n', b'\r', line).is_some()
            || quoted && !clean()
        {
            return None;
        }
        let cells = |place: usize| record.get(place).and_then(bare).unwrap_or_default();
        let row = row(cells, (&layout, &header), false, &mut gather).ok()?;
        gather.add(&row, String::new);
        if !gather.needs_no_place() {
            return None;
        }
    }
    Some(gather.finish(&format!("{}: {file}", layout.format), read_at))
}

/// Returns a cell without its quotes; `None` where they are not just around it.
fn bare(cell: &[u8]) -> Option<&[u8]> {
    let inner = match cell {
        [b'"', inner @ .., b'"'] => inner,
        other => other,
    };
    (!inner.contains(&b'"')).then_some(inner)
}

/// Returns the cells of a record that the layout reads; `commas` are decimal signs.
fn row<'r>(
    cells: impl Fn(usize) -> &'r [u8],
    (layout, header): (&Layout, &[String]),
    commas: bool,
    gather: &mut Gather<'_>,
) -> Result<Row, String> {
    let cell = |place: usize| -> Result<&str, String> {
        let bytes = cells(place);
        let text = std::str::from_utf8(bytes)
            .map_err(|_| format!("{} is not UTF-8 text", header[place]))?;
        // Most cells have nothing to cut off, and to look is cheaper than to search.
        let inner = |byte: &u8| byte.is_ascii_graphic();
        let bare = bytes.first().is_none_or(inner) && bytes.last().is_none_or(inner);
        let text = if bare { text } else { text.trim() };
        Ok(if text == "NULL" { "" } else { unguarded(text) })
    };
    let mut row = Row::EMPTY;
    for (which, place) in layout.texts.iter().enumerate() {
        let Some(place) = place else { continue };
        let bytes = cells(*place);
        row.texts[which] = if let Some(number) = gather.of_cell(which, bytes) {
            number
        } else {
            let text = cell(*place)?;
            let number = gather.number(which, text);
            if text.as_bytes() != bytes {
                gather.note_cell(which, bytes, number);
            }
            number
        };
    }
    for (figure, place) in row.figures.iter_mut().zip(layout.figures) {
        let Some(place) = place else { continue };
        let text = cell(place)?;
        if !text.is_empty() {
            let read = if commas { self::figure(text, true) } else { Amount::parse(text) };
            *figure = Some(read.ok_or_else(|| not_a_number(&header[place], text))?);
        }
    }
    Ok(row)
}

/// Reads a figure; with `commas`, of a file that semicolons separate: there `1.234,5` is 1234.5, and `1.234` may
/// be that or a thousand times as much, so it is none.
pub(super) fn figure(text: &str, commas: bool) -> Option<Amount> {
    if !commas {
        return Amount::parse(text);
    }
    let Some((whole, decimals)) = text.split_once(',') else {
        return if may_be_thousands(text) { None } else { Amount::parse(text) };
    };
    let mut thousands = whole.trim_start_matches(['-', '+']).split('.');
    let first =
        thousands.next().is_some_and(|first| !whole.contains('.') || leads_thousands(first));
    if !first || !thousands.all(|group| group.len() == 3) || decimals.contains([',', '.']) {
        return None;
    }
    Amount::parse(&format!("{}.{decimals}", whole.replace('.', "")))
}

/// Returns whether `1.234` may be a decimal or a thousand times as much; no group of thousands follows `0` or `1234`.
fn may_be_thousands(text: &str) -> bool {
    let parts = text.trim_start_matches(['-', '+']).split_once('.');
    parts.is_some_and(|(whole, digits)| {
        let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        three && leads_thousands(whole)
    })
}

/// Returns whether digits may stand before the first separator of thousands.
fn leads_thousands(digits: &str) -> bool {
    (1..=3).contains(&digits.len()) && !digits.starts_with('0')
}

/// First letters that make a cell a formula, also in the full width that spreadsheets of East Asia accept.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Returns whether a spreadsheet may take a text for a formula.
pub fn is_formula(text: &str) -> bool {
    // Programs that strip what is blank at the start would come to the formula behind it.
    let first = text.trim_start().strip_prefix('"').unwrap_or(text.trim_start());
    first.starts_with(FORMULA) || text.starts_with(['\t', '\r', '\n'])
}

/// Returns a text without the apostrophe that keeps spreadsheets from taking it for a formula; ours write it.
pub fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|inner| is_formula(inner)).unwrap_or(text)
}

/// Returns why a cell is no figure; long texts are cut, and all numbers' faults of a column are one reason.
pub(super) fn not_a_number(column: &str, text: &str) -> String {
    let shown: String = text.chars().take(MOST_SHOWN).collect();
    if text.parse::<f64>().is_ok_and(f64::is_finite) {
        let why = if may_be_thousands(text) {
            "may be a decimal or thousands; write a decimal comma"
        } else {
            "is out of range; amounts must be below 10^18"
        };
        return format!("{column} {shown:?} {why}");
    }
    format!("{column} {shown:?} is not a number")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bills::actuals::{Kind, Metric};

    fn billing() -> Billing {
        toml::from_str(include_str!("../../../models/billing.toml")).unwrap()
    }

    fn bills(text: &str) -> Result<Vec<MonthBill>, Error> {
        read("bill.csv", text.as_bytes(), &billing(), "2027-03-05T00:00:00Z")
    }

    /// A covered hour costs its negation and its effective cost; the fee's unused part stays on the fee.
    /// 10 h at 0.10 on demand, covered at 0.07; committed 0.80, used 0.70.
    const CUR: &str = "line_item_usage_account_id,bill_billing_period_start_date,line_item_usage_end_date,line_item_line_item_type,line_item_product_code,line_item_usage_type,line_item_operation,line_item_usage_amount,line_item_unblended_cost,line_item_currency_code,savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment\n\
        111122223333,2027-02-01T00:00:00.000Z,2027-02-10T00:00:00Z,SavingsPlanCoveredUsage,AmazonEC2,BoxUsage:m7g.large,RunInstances,10,1.00,USD,0.70,,\n\
        111122223333,2027-02-01T00:00:00.000Z,2027-02-10T00:00:00Z,SavingsPlanNegation,AmazonEC2,BoxUsage:m7g.large,RunInstances,,-1.00,USD,,,\n\
        111122223333,2027-02-01T00:00:00.000Z,2027-03-01T00:00:00Z,SavingsPlanRecurringFee,ComputeSavingsPlans,ComputeSP:1yrNoUpfront,,1,0.80,USD,,0.80,0.70\n\
        111122223333,2027-02-01T00:00:00.000Z,2027-02-11T00:00:00Z,Usage,AmazonEC2,BoxUsage:m7g.large,RunInstances,5,0.5,USD,,,\n\
        111122223333,2027-02-01T00:00:00.000Z,2027-03-01T00:00:00Z,Tax,AmazonEC2,,,1,0.11,USD,,,\n";

    #[test]
    fn amortized_cost_follows_the_column_dictionary() {
        let bill = &bills(CUR).unwrap()[0];
        let sum = |metric, kind: Kind| {
            bill.by_kind(metric).get(&kind).map_or(String::new(), ToString::to_string)
        };
        assert_eq!(sum(Metric::Amortized, Kind::PlanUsage), "0.7");
        assert_eq!(sum(Metric::Amortized, Kind::PlanNegation), "0");
        assert_eq!(sum(Metric::Amortized, Kind::PlanFee), "0.1");
        let consumption = |metric| bill.sum(metric, |line| line.key.kind.is_consumption());
        assert_eq!(consumption(Metric::Unblended).unwrap().to_string(), "1.3");
        assert_eq!(consumption(Metric::Amortized).unwrap().to_string(), "1.3");
        assert_eq!(consumption(Metric::NetUnblended), None);
        // The last usage ends at midnight after the tenth.
        assert_eq!((bill.days, bill.is_partial(), bill.rows()), (10, true, 5));
    }

    /// The upfront fee of a reservation has the type `Fee`: it is consumption, and amortized in the hours that it
    /// covers. A bill that an earlier version stored as a fee is read the same.
    #[test]
    fn the_upfront_fee_of_a_reservation_is_one_in_every_reader() {
        let text = CUR.to_owned()
            + "111122223333,2027-02-01T00:00:00.000Z,2027-03-01T00:00:00Z,Fee,AmazonEC2,USW2-HeavyUsage:m7g.large,RunInstances,1,300,USD,,,\n";
        let bill = bills(&text).unwrap().remove(0);
        let sum = |metric| bill.by_kind(metric)[&Kind::ReservedUpfront].to_string();
        assert_eq!([Metric::Unblended, Metric::Amortized].map(sum), ["300", "0"]);
        let mut stored = bill.clone();
        for line in stored.lines.iter_mut().filter(|line| line.key.record == "Fee") {
            line.key.kind = Kind::Fee;
            line.costs[Metric::Amortized as usize] = line.cost(Metric::Unblended);
        }
        assert_ne!(stored, bill);
        stored.classify(&billing());
        assert_eq!(stored, bill);
    }

    /// A row of a CUR by the month ends with its month, also where the month is open.
    #[test]
    fn an_open_month_ends_with_the_day_of_reading() {
        let header = "bill_billing_period_start_date,line_item_usage_account_id,line_item_usage_end_date,line_item_line_item_type,line_item_product_code,line_item_unblended_cost,line_item_currency_code\n";
        let row = |month: &str, end: &str| format!("{month},1,{end},Usage,AmazonEC2,1,USD\n");
        let days = |text: String| {
            let bill = bills(&format!("{header}{text}")).unwrap().remove(0);
            (bill.days, bill.estimated)
        };
        assert_eq!(days(row("2027-03-01", "2027-04-01")), (5, true));
        assert_eq!(days(row("2027-03-01", "2027-03-04")), (3, true));
        assert_eq!(days(row("2027-02-01", "2027-03-01")), (28, false));
    }

    /// With semicolons `1.234` is a decimal or thousands; no thousands follow a zero or four digits.
    #[test]
    fn a_leading_zero_is_no_thousands() {
        for (text, expected) in [
            ("0.125", Some("0.125")),
            ("-0.125", Some("-0.125")),
            (".125", Some("0.125")),
            ("1234.567", Some("1234.567")),
            ("1.234", None),
            ("-123.456", None),
            ("1.234,5", Some("1234.5")),
            ("0.125,5", None),
            ("0,125", Some("0.125")),
        ] {
            let found = figure(text, true).map(|amount| amount.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        let text = "month;account;service;cost\n2027-02;a;S;0.125\n2027-02;a;S;1,5\n2027-02;a;S\n";
        let bill = &bills(text).unwrap()[0];
        assert_eq!(bill.sum(Metric::Unblended, |_| true).unwrap().to_string(), "1.625");
        let skipped: Vec<&str> = bill.set_aside.iter().map(|aside| &*aside.reason).collect();
        assert_eq!(skipped, ["expected 4 columns, found 3"]);
    }

    /// A covered hour that does not say its effective cost leaves no amortized sum, not a smaller one.
    #[test]
    fn a_sum_with_a_part_missing_is_no_sum() {
        let bill = &bills(&CUR.replace(",0.70,,\n", ",,,\n")).unwrap()[0];
        assert_eq!(bill.sum(Metric::Amortized, |line| line.key.kind == Kind::PlanUsage), None);
        assert_eq!(bill.sum(Metric::Amortized, |_| true), None);
        assert_eq!(bill.sum(Metric::Unblended, |_| true).unwrap().to_string(), "1.41");
    }

    #[test]
    fn rows_that_cannot_be_read_are_set_aside_with_their_line() {
        let text = "month,account,service,cost,quantity\n2027-02,a,S,1.5,2\n2027-02,a,S,cheap,2\n\
                    soon,a,S,1,1\n2027-02,a,S\n2027-02,a,S,,1\n2027-02,a,S,2.5,3\n";
        let bill = &bills(text).unwrap()[0];
        assert_eq!(bill.sum(Metric::Unblended, |_| true).unwrap().to_string(), "4");
        assert_eq!(bill.lines[0].quantity.unwrap().to_string(), "5");
        let aside: Vec<(u64, &str)> =
            bill.set_aside.iter().map(|aside| (aside.rows, &*aside.first)).collect();
        assert_eq!(bill.rows() + aside.iter().map(|(rows, _)| rows).sum::<u64>(), 6);
        for expected in [(1, "bill.csv:3"), (1, "bill.csv:4"), (1, "bill.csv:5"), (1, "bill.csv:6")]
        {
            assert!(aside.contains(&expected), "{aside:?}");
        }
    }

    /// Rows whose reasons differ only in their values are one line, with the first places.
    #[test]
    fn skipped_rows_are_grouped_by_kind_of_reason() {
        let mut text = String::from("month,account,service,cost\n2027-02,a,S,1\n");
        for row in 0..5000 {
            use std::fmt::Write as _;
            let _ = writeln!(text, "2027-02,a,S,x{row}");
        }
        let bill = &bills(&text).unwrap()[0];
        let [aside] = bill.set_aside.as_slice() else { panic!("{:?}", bill.set_aside.len()) };
        assert_eq!(aside.reason, "cost \"x0\" is not a number, for example");
        assert_eq!((aside.rows, &*aside.first), (5000, "bill.csv:3, bill.csv:4, bill.csv:5"));
        assert_eq!(bill.skipped_share(), 5000.0 / 5001.0);
    }

    #[test]
    fn an_endless_record_is_refused_at_its_line() {
        let text = format!("month,account,service,cost\n2027-02,a,S,1\n{}", ",".repeat(3 << 20));
        let error = bills(&text).unwrap_err().to_string();
        assert!(error.starts_with("bill.csv:3: ") && error.contains("more than 1 MiB"), "{error}");
    }

    #[test]
    fn what_is_no_bill_is_refused_with_what_would_be() {
        for (text, expected) in [
            ("", "is empty"),
            ("a,b\n1,2\n", "the columns match no known export"),
            (
                "month,account,service,costs\n",
                "looks like plain CSV, but has no column cost (\"costs\" is not it)",
            ),
            ("month,account,service,cost\n", "it has no rows"),
            (
                "month,account,service,cost\n2027-01,a,S,x\n",
                "every row was skipped: 1 × cost \"x\" is not a number (bill.csv:2)",
            ),
            (
                "month,account,service,cost,currency\n2027-01,a,S,1,USD\n2027-01,a,S,1,EUR\n",
                "two currencies: \"EUR\" (bill.csv:3) and \"USD\" (bill.csv:2)",
            ),
        ] {
            let error = bills(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn focus_rows_keep_commitments_and_corrections_apart() {
        let text = "SubAccountId,BillingPeriodStart,ChargePeriodEnd,ChargeCategory,ChargeClass,ServiceName,BilledCost,EffectiveCost,BillingCurrency,CommitmentDiscountId,ConsumedQuantity,ConsumedUnit,PricingQuantity,PricingUnit\n\
            1,2027-01-01 00:00:00,2027-01-31 23:00:00,Usage,NULL,Amazon EC2,0,0.7,USD,arn:sp,10,Hours,10,Hrs\n\
            1,2027-01-01 00:00:00,2027-02-01 00:00:00,Purchase,NULL,Savings Plans,0.8,0,USD,arn:sp,NULL,NULL,1,Hrs\n\
            1,2027-01-01 00:00:00,2027-01-02 00:00:00,Usage,Correction,Amazon EC2,-0.2,-0.2,USD,NULL,NULL,NULL,-2,Hrs\n";
        let bill = &bills(text).unwrap()[0];
        let kinds: Vec<Kind> = bill.lines.iter().map(|line| line.key.kind).collect();
        assert!(kinds.contains(&Kind::PlanUsage) && kinds.contains(&Kind::PlanFee));
        assert!(kinds.contains(&Kind::Refund), "{kinds:?}");
        let fee = bill.lines.iter().find(|line| line.key.kind == Kind::PlanFee).unwrap();
        assert_eq!((fee.key.unit.as_str(), fee.quantity.unwrap().to_string()), ("Hrs", "1".into()));
    }

    proptest! {
        /// A file that is read by lines says what it says when it is read by rows.
        #[test]
        fn lines_say_what_rows_say(
            rows in prop::collection::vec(
                prop::collection::vec(
                    prop_oneof![
                        4 => "[a-c]{0,2}",
                        2 => "[0-9]{1,3}(\\.[0-9]{1,3})?",
                        1 => "\"[a-c,]{0,3}\"",
                        1 => "[a-c\"\r\n ]{0,4}",
                    ],
                    4..6,
                ),
                0..12,
            ),
        ) {
            let rows: Vec<String> = rows.iter().map(|row| format!("2027-02,{}", row.join(","))).collect();
            let text = format!("month,account,service,cost,quantity\n2027-02,a,S,1,1\n{}\n", rows.join("\n"));
            if let Some(lines) = read_lines("bill.csv", text.as_bytes(), &billing(), "2027-03-05T00:00:00Z") {
                prop_assert_eq!(lines.unwrap(), bills(&text).unwrap());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read("x.csv", &*bytes, &billing(), "now");
            let _ = read_lines("x.csv", &*bytes, &billing(), "now");
        }

        #[test]
        fn any_rows_are_used_or_set_aside(
            rows in prop::collection::vec("[-0-9.,a\"TZ: ]{0,40}", 0..20),
        ) {
            let text = format!("month,account,service,cost,quantity\n2027-02,a,S,1,1\n{}\n", rows.join("\n"));
            let _ = bills(&text);
        }
    }
}
