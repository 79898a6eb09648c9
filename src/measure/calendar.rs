//! Months, days and hours as the bill counts them.
//!
//! # Formula
//! ```text
//! hours(month) = 24 × days(month)          672, 696, 720 or 744: never an average of 730
//! ```
//! # Source
//! Bills use the real hours of the calendar month (billing rules, "Month and hours").
//! # Limits
//! All times are UTC, as bills are. Leap seconds are ignored.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

/// Minutes in an hour.
pub const MINUTES_PER_HOUR: usize = 60;
/// Minutes in a day.
pub const MINUTES_PER_DAY: usize = 24 * MINUTES_PER_HOUR;

/// A calendar month, written `2027-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// Returns the month of a year, 1 to 12; `None` outside the years 1970 to 9000.
    pub fn new(year: i16, month: i8) -> Option<Self> {
        ((1970..=9000).contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// Returns the month `months` later.
    #[must_use]
    pub fn plus(self, months: u32) -> Self {
        let index = i32::from(self.year) * 12 + i32::from(self.month) - 1 + months as i32;
        Self { year: (index / 12) as i16, month: (index % 12 + 1) as i8 }
    }

    /// Months from `earlier` to this one; negative when this one is earlier.
    pub fn since(self, earlier: Self) -> i32 {
        (i32::from(self.year) - i32::from(earlier.year)) * 12 + i32::from(self.month)
            - i32::from(earlier.month)
    }

    /// Returns its first day.
    pub fn first_day(self) -> Date {
        Date::constant(self.year, self.month, 1)
    }

    /// Days in it, 28 to 31.
    pub fn days(self) -> usize {
        self.first_day().days_in_month() as usize
    }

    /// Hours in it: 672, 696, 720 or 744.
    pub fn hours(self) -> usize {
        self.days() * 24
    }

    /// Minutes in it.
    pub fn minutes(self) -> usize {
        self.days() * MINUTES_PER_DAY
    }

    /// Returns the month's number, 1 to 12.
    pub fn number(self) -> usize {
        self.month as usize
    }

    /// Weekday of its first day, 0 = Monday.
    pub fn first_weekday(self) -> usize {
        self.first_day().weekday().to_monday_zero_offset() as usize
    }

    /// Returns the month a date falls in.
    pub fn of(date: Date) -> Option<Self> {
        Self::new(date.year(), date.month())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a month; write it as 2027-01");
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return Err(wrong());
        }
        let (year, month) =
            (year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?);
        Self::new(year, month).ok_or_else(wrong)
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Month {
    fn schema_name() -> Cow<'static, str> {
        "Month".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "month",
            "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$",
            "description": "A calendar month, written 2027-01."
        })
    }
}

/// Reads a moment of outside data: `2027-01-31`, `2027-01-31T18:00`, with seconds, with a space
/// for the `T`, with `Z` or an offset, which is converted to UTC; or a period's first day: `2027`,
/// `2027-01`, `2027-Q1`.
pub fn parse_moment(text: &str) -> Option<DateTime> {
    let text = text.trim();
    if let Ok(month) = text.parse::<Month>() {
        return Some(month.first_day().to_datetime(jiff::civil::Time::midnight()));
    }
    // Series may be older than bills.
    let first = |year: &str, month: i8| {
        let year: i16 = year.parse().ok().filter(|year| (1..=9000).contains(year))?;
        Date::new(year, month, 1).ok().map(DateTime::from)
    };
    if let Some((year, quarter)) = text.split_once("-Q") {
        let quarter: i8 = quarter.parse().ok().filter(|quarter| (1..=4).contains(quarter))?;
        return first(year, 3 * quarter - 2);
    }
    if let (Some((year, month)), 7) = (text.split_once('-'), text.len())
        && month.bytes().all(|byte| byte.is_ascii_digit())
    {
        return first(year, month.parse().ok()?);
    }
    if text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let month = Month::new(text.parse().ok()?, 1)?;
        return Some(month.first_day().to_datetime(jiff::civil::Time::midnight()));
    }
    let text = text.replacen(' ', "T", 1);
    let time = text.split_once('T').map_or("", |(_, time)| time);
    if time.contains(['Z', '+', '-']) {
        // A moment with an offset is converted: everything here is UTC.
        let moment = text.parse::<Timestamp>().ok()?;
        return Some(TimeZone::UTC.to_datetime(moment));
    }
    text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_has_its_calendar_hours() {
        let hours = |text| month(text).hours();
        assert_eq!(hours("2027-02"), 672);
        assert_eq!(hours("2028-02"), 696);
        assert_eq!(hours("2027-04"), 720);
        assert_eq!(hours("2027-12"), 744);
    }

    #[test]
    fn months_count_on_over_the_year() {
        assert_eq!(month("2027-11").plus(3), month("2028-02"));
        assert_eq!(month("2028-02").since(month("2027-11")), 3);
        assert_eq!(month("2027-01").first_weekday(), 4, "1 January 2027 is a Friday");
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["2027", "2027-13", "2027-1", "27-01", "2027-00", "2027-01-01", ""] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_read_in_the_common_spellings() {
        for text in [
            "2027",
            "2027-01-01",
            "2027-01",
            "2027-Q1",
            "2027-01-01 00:00:00",
            "2027-01-01T00:00Z",
            "2027-01-01T02:00+02:00",
            "2026-12-31 19:00:00-05:00",
        ] {
            let moment = parse_moment(text).unwrap();
            assert_eq!(moment.to_string(), "2027-01-01T00:00:00", "{text}");
        }
        assert!(parse_moment("2027-Q5").is_none());
        assert!(parse_moment("yesterday").is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,24}") {
            let _ = parse_moment(&text);
            let _ = text.parse::<Month>();
        }
    }
}
