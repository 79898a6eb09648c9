//! What the calendar does to a series: months of different length, weekdays in a month, holidays.
//!
//! # Formula
//! ```text
//! month      y / days of the month, or y / its days from Monday to Friday, where this makes y smoother by 15 %:
//!            mean |second difference of ln y|, of months or, from 30 months on, across a year
//! holiday    effect = mean of ln(y / expected) × n / (n + 1)     n: times that it came
//!            used if leaving out one time, the effect of the others brings its rows closer by a tenth
//! ```
//! # Source
//! Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3.1 (calendar adjustments).

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Weekday};

/// Months from which a month is compared with that of the year before.
const WHOLE_YEARS: usize = 30;
/// How much smoother a calendar has to make a series.
const SMOOTHER: f64 = 0.85;
/// How much closer holidays have to bring their rows.
const CLOSER: f64 = 0.9;

/// What a month is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Days {
    /// Each month counts the same.
    Same,
    /// Its days.
    All,
    /// Its days from Monday to Friday.
    Weekdays,
}

impl Days {
    /// Returns the days that make a monthly series smoothest; the simplest if none makes it much smoother.
    pub(super) fn of(values: &[f64], missing: &[bool], moments: &[DateTime]) -> Self {
        let roughness = |days: Self, back: usize| {
            let row = |row: usize| (values[row] / days.share(moments[row].date())).ln();
            let logs: Vec<f64> = (0..values.len()).map(row).collect();
            let known = |row: &usize| {
                [*row, row - 1, row - back, row - back - 1].iter().all(|row| !missing[*row])
            };
            let apart =
                |row: usize| logs[row] - logs[row - 1] - logs[row - back] + logs[row - back - 1];
            (back + 1..logs.len()).filter(known).map(|row| apart(row).abs()).sum::<f64>()
        };
        // Against the month before, which has other days; and against the year before, which has other weekdays.
        let backs = if values.len() >= WHOLE_YEARS { &[1, 12][..] } else { &[1] };
        let same: Vec<f64> = backs.iter().map(|back| roughness(Self::Same, *back)).collect();
        // A month of 0 has no logarithm, and an even series nothing to smooth.
        if same.iter().any(|same| !same.is_finite() || *same <= 1e-9) {
            return Self::Same;
        }
        let (mut best, mut least) = (Self::Same, SMOOTHER);
        for days in [Self::All, Self::Weekdays] {
            let shares = backs.iter().zip(&same).map(|(back, same)| roughness(days, *back) / same);
            let found = shares.fold(f64::INFINITY, f64::min);
            if found < least {
                (best, least) = (days, found);
            }
        }
        best
    }

    /// Returns the days of a date's month, as a share of the usual number.
    pub(super) fn share(self, date: Date) -> f64 {
        let length = date.days_in_month();
        match self {
            Self::Same => 1.0,
            Self::All => f64::from(length) / (365.25 / 12.0),
            Self::Weekdays => {
                let start = date.first_of_month();
                let weekday = |day: &i8| {
                    let date = start.with().day(*day).build().unwrap_or(start);
                    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
                };
                (1..=length).filter(weekday).count() as f64 / (365.25 / 12.0 * 5.0 / 7.0)
            }
        }
    }
}

/// Returns the logarithm of each holiday's effect, from `apart`, the logarithm of value over expected value of each
/// row; nothing if the holidays do not earn their place.
pub(super) fn holidays(
    dates: &BTreeMap<Date, usize>,
    moments: &[DateTime],
    apart: &[f64],
) -> BTreeMap<usize, f64> {
    let mut times: BTreeMap<usize, BTreeMap<Date, (f64, f64)>> = BTreeMap::new();
    for (moment, apart) in moments.iter().zip(apart) {
        let date = moment.date();
        let Some(holiday) = dates.get(&date) else { continue };
        // The rows of one day are one time.
        let entry = times.entry(*holiday).or_default().entry(date).or_default();
        entry.0 += apart;
        entry.1 += 1.0;
    }
    let (mut before, mut after) = (0.0, 0.0);
    let mut effects = BTreeMap::new();
    for (holiday, times) in times {
        let means: Vec<f64> = times.values().map(|(sum, rows)| sum / rows).collect();
        let (sum, count) = (means.iter().sum::<f64>(), means.len() as f64);
        for mean in &means {
            // The effect of the other times: their mean, drawn towards 0.
            before += mean.abs();
            after += (mean - (sum - mean) / count).abs();
        }
        effects.insert(holiday, sum / (count + 1.0));
    }
    if after < CLOSER * before { effects } else { BTreeMap::new() }
}
