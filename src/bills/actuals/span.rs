//! Months to request: open ones and those that are not stored yet.

use jiff::civil::Date;

use super::MonthBill;
use crate::measure::calendar::Month;

/// A span of days, its end not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// First day, `2027-01-01`.
    pub start: String,
    /// The day after the last.
    pub end: String,
    /// Its months.
    pub months: Vec<Month>,
}

/// Returns whether a month is final: whole, and no longer estimated.
fn is_closed(bill: &MonthBill) -> bool {
    !bill.estimated && !bill.is_partial()
}

/// Returns spans of neighboring months from `first` to `last` that are open or not stored, up to yesterday.
pub fn wanted(first: Month, last: Month, kept: &[MonthBill], today: Date) -> Vec<Span> {
    let closed = |month: Month| kept.iter().any(|bill| bill.month == month && is_closed(bill));
    let mut spans: Vec<Span> = Vec::new();
    let count = u32::try_from(last.since(first) + 1).unwrap_or(0);
    for month in (0..count).map(|index| first.plus(index)) {
        let start = month.first_day();
        if closed(month) || start >= today {
            continue;
        }
        let end = month.plus(1).first_day().min(today).to_string();
        match spans.last_mut() {
            Some(span) if span.end == start.to_string() => {
                span.end = end;
                span.months.push(month);
            }
            _ => spans.push(Span { start: start.to_string(), end, months: vec![month] }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::bills::actuals::SCHEMA;

    fn bill(month: &str, days: u32, estimated: bool) -> MonthBill {
        MonthBill {
            schema: SCHEMA,
            month: month.parse().unwrap(),
            currency: "USD".into(),
            source: "Cost Explorer".into(),
            read_at: String::new(),
            estimated,
            days,
            forecasts: Vec::new(),
            lines: Vec::new(),
            set_aside: Vec::new(),
            notes: Vec::new(),
            forecast_rows: 0,
        }
    }

    #[test]
    fn only_open_months_are_asked_for_again() {
        let kept =
            [bill("2027-01", 31, false), bill("2027-03", 31, true), bill("2027-05", 10, false)];
        let month = |text: &str| text.parse::<Month>().unwrap();
        let spans = wanted(month("2027-01"), month("2027-06"), &kept, date(2027, 5, 12));
        let found: Vec<(&str, &str)> =
            spans.iter().map(|span| (&*span.start, &*span.end)).collect();
        assert_eq!(found, [("2027-02-01", "2027-05-12")]);
        let kept = [bill("2027-01", 31, false), bill("2027-03", 31, false)];
        let spans = wanted(month("2027-01"), month("2027-05"), &kept, date(2027, 5, 1));
        let found: Vec<(&str, &str)> =
            spans.iter().map(|span| (&*span.start, &*span.end)).collect();
        assert_eq!(found, [("2027-02-01", "2027-03-01"), ("2027-04-01", "2027-05-01")]);
    }
}
