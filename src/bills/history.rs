//! Extrapolates a history of traffic or users: trend, several seasons, holidays, and an 80 % interval sized on the
//! series' own past.
//!
//! # Formula
//! ```text
//! z        = ln max(y, half of the least y above 0)
//! z        = trend + Σ seasons + holidays + rest      MSTL; a holiday's effect: mean rest × n / (n + 1)
//! mean     = exp(ETS of (trend + rest) + last cycle of each season + holidays to come)
//! interval = exp(ln mean ± f w)                       w: half of the ETS interval at that distance
//! f        = quantile of |ln y − ln mean| / w over k inner origins at 0.8 + 0.2 / (k + 1), drawn towards 0.8
//!            when there are few rows; × (1 + 8 / rows known)
//! MASE     = mean |y − mean| / mean |y_t − y_(t−m)| of the known part      m: the shortest season; undefined where
//!            the known part repeats itself exactly
//! ```
//! # Source
//! Bandara, Hyndman, Bergmeir, "MSTL: a seasonal-trend decomposition algorithm for time series with multiple
//! seasonal patterns" (2021); ETS of Hyndman and Khandakar (2008), both of the `augurs` crate; scaled errors
//! of Hyndman and Koehler (2006). Splitting the past to size an interval: conformal prediction.
//! # Limits
//! Values are not negative. ETS's own intervals are too wide on seasonal traffic and too narrow on a short
//! growth series; f corrects the mean width, not the shape. The two constants of f were chosen on four real
//! series (`tests/real_series.rs`), which is few.

use std::collections::BTreeMap;

use augurs::{
    ets::AutoETS,
    mstl::stlrs::{MstlParams, params},
    prelude::{Fit as _, Predict as _},
};
use jiff::{ToSpan as _, civil::Date, civil::DateTime};
use serde::Serialize;

use crate::measure::series::Series;

/// Rows of the trend that ETS is fitted to: the newest matter most, and the others cost time.
const TREND_ROWS: usize = 300;
/// Origins in the known part that size the interval.
const INNER: usize = 5;
/// Value towards which the interval's factor is shrunk, and its weight in rows.
const PRIOR: (f64, f64) = (0.8, 4.0);
/// Number of fitted parameters, in rows: a short series shows its spread less well.
const PARAMETERS: f64 = 8.0;
/// Share of outcomes inside the interval.
pub const LEVEL: f64 = 0.8;
/// Minimum number of rows.
pub const LEAST_ROWS: usize = 8;
/// Maximum number of origins of a score.
const ORIGINS: usize = 8;
/// Minutes of a day, a week and a mean year: the cycles that traffic follows.
const CYCLES: [f64; 3] = [1440.0, 10_080.0, 525_960.0];
/// Minutes above which rows are calendar months apart.
const MONTHLY: f64 = 27.0 * 1440.0;

/// One forecast row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Step {
    /// Time.
    pub moment: DateTime,
    /// Mean.
    pub mean: f64,
    /// Lower end of the 80 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A method's score on one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Its name.
    pub method: &'static str,
    /// Forecast rows.
    pub guesses: usize,
    /// Mean absolute scaled error: below 1 is better than repeating the last season was in the known part. None
    /// where the known part repeats itself exactly, which leaves nothing to scale by.
    pub mase: Option<f64>,
    /// Weighted absolute percentage error; none if all actual values are 0.
    pub wape: Option<f64>,
    /// Share inside the 80 % interval; none without one.
    pub coverage: Option<f64>,
}

/// A series on an even grid.
#[derive(Debug, Clone)]
pub struct History {
    values: Vec<f64>,
    moments: Vec<DateTime>,
    distance: Distance,
    seasons: Vec<usize>,
    /// Rows that were missing and are drawn between their neighbours.
    pub filled: usize,
    /// Number of a holiday by date.
    holidays: BTreeMap<Date, usize>,
}

#[derive(Debug, Clone, Copy)]
enum Distance {
    Minutes(f64),
    Months(i32),
}

/// Logarithms forecast: mean and half width.
struct Ahead {
    mean: Vec<f64>,
    half: Vec<f64>,
}

impl History {
    /// Puts a series on an even grid; `holidays` are dates with the number of what they are.
    ///
    /// # Errors
    /// Too few rows, or none above 0.
    pub fn new(series: &Series, holidays: BTreeMap<Date, usize>) -> Result<Self, String> {
        let (distance, at) = grid(series);
        let length = at.last().map_or(0, |last| last + 1);
        if series.values.len() < LEAST_ROWS {
            return Err(format!(
                "{} rows; {LEAST_ROWS} or more are needed to forecast",
                series.values.len()
            ));
        }
        if !series.values.iter().any(|value| *value > 0.0) {
            return Err("no value is above 0".into());
        }
        let mut values = vec![0.0; length];
        for pair in at.windows(2).zip(series.values.windows(2)) {
            let ([from, to], [left, right]) = pair else { continue };
            let length = (to - from).max(1) as f64;
            for (index, value) in values[*from..=*to].iter_mut().enumerate() {
                *value = left + index as f64 / length * (right - left);
            }
        }
        let first = series.moments[0];
        let moments = (0..length).map(|index| distance.after(first, index)).collect();
        let seasons = match distance {
            Distance::Minutes(step) => CYCLES
                .iter()
                .map(|cycle| (cycle / step).round() as usize)
                .filter(|rows| *rows >= 2)
                .collect(),
            Distance::Months(step) if 12 % step == 0 && step < 12 => vec![(12 / step) as usize],
            Distance::Months(_) => Vec::new(),
        };
        let filled = length - series.values.len().min(length);
        Ok(Self { values, moments, distance, seasons, filled, holidays })
    }

    /// Returns seasons in rows, those with two whole cycles.
    pub fn seasons(&self) -> Vec<usize> {
        self.repeated(self.values.len())
    }

    fn repeated(&self, rows: usize) -> Vec<usize> {
        self.seasons.iter().copied().filter(|season| 2 * season <= rows).collect()
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.values.len()
    }

    /// Returns the rows: times and values.
    pub fn observed(&self) -> impl Iterator<Item = (DateTime, f64)> {
        self.moments.iter().copied().zip(self.values.iter().copied())
    }

    /// Returns the next rows.
    ///
    /// # Errors
    /// A series that the model cannot be fitted to.
    pub fn forecast(&self, ahead: usize) -> Result<Vec<Step>, String> {
        let steps = self.from(self.values.len(), ahead)?;
        let last = self.moments[self.moments.len() - 1];
        Ok(steps
            .into_iter()
            .enumerate()
            .map(|(index, [mean, low, high])| Step {
                moment: self.distance.after(last, index + 1),
                mean,
                low,
                high,
            })
            .collect())
    }

    /// Scores forecasts at past origins, with the last season and the last row repeated as naive ones.
    ///
    /// # Errors
    /// Too few rows for one origin.
    pub fn score(&self, ahead: usize) -> Result<Vec<Score>, String> {
        let rows = self.values.len();
        let least = LEAST_ROWS.max(2 * self.seasons.first().copied().unwrap_or(1));
        let Some(spare) = rows.checked_sub(least + ahead) else {
            return Err(format!(
                "{rows} rows are too few to score {ahead} rows ahead: {} are needed; forecast \
                    fewer rows ahead",
                least + ahead
            ));
        };
        let apart = (spare / (ORIGINS - 1)).clamp(1, ahead);
        let mut tallies = [Tally::default(); 3];
        for back in 0..ORIGINS {
            let Some(origin) = rows.checked_sub(ahead + back * apart).filter(|end| *end >= least)
            else {
                break;
            };
            let (known, came) = (&self.values[..origin], &self.values[origin..origin + ahead]);
            let season = self.repeated(origin).first().copied().unwrap_or(1);
            let scale = mean(known.windows(season + 1).map(|w| (w[season] - w[0]).abs()));
            let steps = self.from(origin, ahead)?;
            for (index, (step, value)) in steps.iter().zip(came).enumerate() {
                let inside = inside(*step, *value);
                tallies[0].add(step[0], *value, scale, Some(inside));
                tallies[1].add(known[origin - season + index % season], *value, scale, None);
                tallies[2].add(known[origin - 1], *value, scale, None);
            }
        }
        let names = ["runrate (MSTL, ETS)", "seasonal naive", "last row"];
        Ok(names.into_iter().zip(tallies).map(|(method, tally)| tally.score(method)).collect())
    }

    /// Returns mean and ends of the interval for the rows after `origin`.
    fn from(&self, origin: usize, ahead: usize) -> Result<Vec<[f64; 3]>, String> {
        let found = self.fit(origin, ahead)?;
        let apart = (ahead / 2).max(1);
        let mut ratios = Vec::new();
        for back in 0..INNER {
            let Some(inner) = origin
                .checked_sub(ahead + back * apart)
                .filter(|inner| *inner >= 2 * self.seasons.first().copied().unwrap_or(1) + 4)
            else {
                break;
            };
            let then = self.fit(inner, ahead)?;
            let floor = self.floor(inner);
            for index in 0..ahead {
                let error = self.values[inner + index].max(floor).ln() - then.mean[index];
                ratios.push(error.abs() / then.half[index].max(f64::MIN_POSITIVE));
            }
        }
        let factor = factor(&mut ratios, ahead) * (1.0 + PARAMETERS / origin as f64);
        let step = |(mean, half): (&f64, &f64)| {
            [mean.exp(), (mean - factor * half).exp(), (mean + factor * half).exp()]
        };
        Ok(found.mean.iter().zip(&found.half).map(step).collect())
    }

    /// Returns half of the least value above 0 among the first rows, which replaces 0 in a logarithm.
    fn floor(&self, rows: usize) -> f64 {
        let least =
            self.values[..rows].iter().copied().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
        if least.is_finite() { least / 2.0 } else { f64::MIN_POSITIVE }
    }

    fn fit(&self, origin: usize, ahead: usize) -> Result<Ahead, String> {
        let floor = self.floor(origin);
        let mut logs: Vec<f32> =
            self.values[..origin].iter().map(|value| value.max(floor).ln() as f32).collect();
        let seasons = self.repeated(origin);
        let (mut level, mut seasonal) = decompose(&logs, &seasons)?;
        let effects = self.effects(&level, origin);
        if !effects.is_empty() {
            for (log, date) in logs.iter_mut().zip(&self.moments) {
                *log -= self.effect(&effects, date.date()) as f32;
            }
            (level, seasonal) = decompose(&logs, &seasons)?;
        }
        let young = &level.sum[level.sum.len().saturating_sub(TREND_ROWS)..];
        let (mut mean, half) = trend(young, ahead)?;
        let last = self.moments[origin - 1];
        for (index, mean) in mean.iter_mut().enumerate() {
            for (season, cycle) in seasons.iter().zip(&seasonal) {
                *mean += f64::from(cycle[cycle.len() - season + index % season]);
            }
            let date = self.distance.after(last, index + 1).date();
            *mean += self.effect(&effects, date);
        }
        Ok(Ahead { mean, half })
    }

    fn effect(&self, effects: &BTreeMap<usize, f64>, date: Date) -> f64 {
        let found = self.holidays.get(&date).and_then(|holiday| effects.get(holiday));
        found.copied().unwrap_or_default()
    }

    /// Returns the effect of each holiday on the remainder, shrunk towards 0 if it occurred once or twice.
    fn effects(&self, level: &Level, origin: usize) -> BTreeMap<usize, f64> {
        let mut sums: BTreeMap<usize, (f64, f64, Option<Date>, f64)> = BTreeMap::new();
        for (rest, moment) in level.rest.iter().zip(&self.moments[..origin]) {
            let date = moment.date();
            let Some(holiday) = self.holidays.get(&date) else { continue };
            let entry = sums.entry(*holiday).or_default();
            entry.0 += rest;
            entry.1 += 1.0;
            // The rows of one day are one coming of it.
            if entry.2 != Some(date) {
                entry.2 = Some(date);
                entry.3 += 1.0;
            }
        }
        let effect =
            |(sum, rows, _, comings): (f64, f64, _, f64)| sum / rows * comings / (comings + 1.0);
        sums.into_iter().map(|(holiday, entry)| (holiday, effect(entry))).collect()
    }
}

impl Distance {
    fn after(self, moment: DateTime, steps: usize) -> DateTime {
        let steps = i64::try_from(steps).unwrap_or(i64::MAX);
        let later = match self {
            Self::Minutes(step) => {
                moment.checked_add(((step * 60.0).round() as i64).saturating_mul(steps).seconds())
            }
            Self::Months(step) => moment.checked_add((i64::from(step) * steps).months()),
        };
        later.unwrap_or(DateTime::MAX)
    }
}

/// Returns the distance of rows, and each row's place in an even grid.
fn grid(series: &Series) -> (Distance, Vec<usize>) {
    let first = series.moments[0];
    if series.step_minutes >= MONTHLY {
        let months = (series.step_minutes / (CYCLES[2] / 12.0)).round().max(1.0) as i32;
        let of = |moment: &DateTime| {
            let years = i32::from(moment.year()) - i32::from(first.year());
            let passed = 12 * years + i32::from(moment.month()) - i32::from(first.month());
            (f64::from(passed) / f64::from(months)).round().max(0.0) as usize
        };
        return (Distance::Months(months), series.moments.iter().map(of).collect());
    }
    let of = |moment: &DateTime| {
        let minutes = moment.duration_since(first).as_secs_f64() / 60.0;
        (minutes / series.step_minutes).round().max(0.0) as usize
    };
    (Distance::Minutes(series.step_minutes), series.moments.iter().map(of).collect())
}

/// Trend and rest.
struct Level {
    sum: Vec<f64>,
    rest: Vec<f64>,
}

fn decompose(logs: &[f32], seasons: &[usize]) -> Result<(Level, Vec<Vec<f32>>), String> {
    if seasons.is_empty() {
        let sum: Vec<f64> = logs.iter().map(|log| f64::from(*log)).collect();
        let rest = vec![0.0; sum.len()];
        return Ok((Level { sum, rest }, Vec::new()));
    }
    let mut fit = MstlParams::new();
    fit.stl_params(params());
    let found = fit.fit(logs, seasons).map_err(|error| error.to_string())?;
    let sum = |(trend, rest): (&f32, &f32)| f64::from(*trend) + f64::from(*rest);
    let level = Level {
        sum: found.trend().iter().zip(found.remainder()).map(sum).collect(),
        rest: found.remainder().iter().map(|rest| f64::from(*rest)).collect(),
    };
    Ok((level, found.seasonal().to_vec()))
}

/// Returns mean and half of the interval of a level without seasons.
fn trend(level: &[f64], ahead: usize) -> Result<(Vec<f64>, Vec<f64>), String> {
    // The decomposition works in single precision.
    let flat = level.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 1e-6);
    if flat {
        return Ok((vec![level[level.len() - 1]; ahead], vec![0.0; ahead]));
    }
    let fitted = AutoETS::new(1, "ZAN")
        .and_then(|model| model.fit(level))
        .map_err(|error| format!("no exponential smoothing fits it: {error}"))?;
    let found = fitted.predict(ahead, LEVEL).map_err(|error| error.to_string())?;
    let half = found.intervals.map_or_else(
        || vec![0.0; ahead],
        |ends| ends.upper.iter().zip(&ends.lower).map(|(high, low)| (high - low) / 2.0).collect(),
    );
    Ok((found.point, half))
}

/// Returns how much wider the interval has to be than that of ETS. Errors of one origin are correlated, so origins
/// count: few of them need a higher quantile.
fn factor(ratios: &mut [f64], ahead: usize) -> f64 {
    let (prior, weight) = PRIOR;
    if ratios.is_empty() {
        return prior;
    }
    ratios.sort_by(f64::total_cmp);
    let rows = ratios.len() as f64;
    let level = LEVEL + (1.0 - LEVEL) / (rows / ahead as f64 + 1.0);
    let place = ((rows + 1.0) * level).ceil() as usize;
    let quantile = ratios[place.clamp(1, ratios.len()) - 1];
    (quantile * rows + prior * weight) / (rows + weight)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Relative error of the decomposition, which works in single precision.
const SINGLE: f64 = 1e-6;

/// Returns whether a value lies in the interval of a step, up to the precision of the decomposition: the interval of
/// an exact forecast is a point.
fn inside([_, low, high]: [f64; 3], value: f64) -> bool {
    (low * (1.0 - SINGLE)..=high * (1.0 + SINGLE)).contains(&value)
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    guesses: usize,
    /// Guesses at origins whose scale is 0.
    unscaled: usize,
    scaled: f64,
    error: f64,
    came: f64,
    inside: usize,
    ranged: usize,
}

impl Tally {
    fn add(&mut self, guess: f64, came: f64, scale: f64, inside: Option<bool>) {
        self.guesses += 1;
        if scale > 0.0 {
            self.scaled += (guess - came).abs() / scale;
        } else {
            self.unscaled += 1;
        }
        self.error += (guess - came).abs();
        self.came += came;
        self.ranged += usize::from(inside.is_some());
        self.inside += usize::from(inside == Some(true));
    }

    fn score(self, method: &'static str) -> Score {
        Score {
            method,
            guesses: self.guesses,
            // A mean over the origins that have a scale alone would praise a method for the others.
            mase: (self.unscaled == 0).then(|| self.scaled / self.guesses as f64),
            wape: (self.came > 0.0).then(|| self.error / self.came),
            coverage: (self.ranged > 0).then(|| self.inside as f64 / self.ranged as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::measure::series::Gaps;

    /// Returns days from 2027-01-01, a Friday.
    fn daily(values: impl IntoIterator<Item = f64>) -> Series {
        let mut text = String::new();
        let first: Date = "2027-01-01".parse().unwrap();
        for (day, value) in values.into_iter().enumerate() {
            let date = first.checked_add(i64::try_from(day).unwrap().days()).unwrap();
            writeln!(text, "{date},{value}").unwrap();
        }
        Series::parse("test", &text, Gaps::Refuse).unwrap()
    }

    fn growing(day: usize) -> f64 {
        let weekend = if matches!(day % 7, 1 | 2) { 0.5 } else { 1.0 };
        1000.0 * 1.004_f64.powi(day as i32) * weekend
    }

    #[test]
    fn growth_and_week_are_carried_on() {
        let history = History::new(&daily((0..140).map(growing)), BTreeMap::new()).unwrap();
        assert_eq!(history.seasons(), [7]);
        for (index, step) in history.forecast(28).unwrap().iter().enumerate() {
            let truth = growing(140 + index);
            assert!((step.mean / truth - 1.0).abs() < 0.02, "{index}: {step:?} {truth}");
            assert!(step.low <= step.mean && step.mean <= step.high);
        }
        let scores = history.score(14).unwrap();
        let mase = |place: usize| scores[place].mase.unwrap();
        assert!(mase(0) < 0.3 * mase(1), "{scores:?}");
    }

    #[test]
    fn a_holiday_is_learned_from_its_past() {
        let holidays: BTreeMap<Date, usize> = [30, 60, 90, 120, 150]
            .map(|day| ("2027-01-01".parse::<Date>().unwrap().checked_add(day.days()).unwrap(), 0))
            .into();
        let value =
            |day: usize| if day.is_multiple_of(30) && day > 0 { 0.2 } else { 1.0 } * growing(day);
        let series = daily((0..140).map(value));
        let with = History::new(&series, holidays).unwrap().forecast(20).unwrap();
        let without = History::new(&series, BTreeMap::new()).unwrap().forecast(20).unwrap();
        // Four comings of a fall to a fifth, drawn to 4/5 of its logarithm: 0.2^0.8 = 0.28.
        let (with, without) = (with[10].mean / growing(150), without[10].mean / growing(150));
        assert!((0.2..0.4).contains(&with), "{with}");
        assert!(without > 0.7, "{without}");
    }

    #[test]
    fn months_and_missing_days_stand_on_an_even_grid() {
        let text = "2025-01,1\n2025-02,2\n2025-04,4\n2025-05,5\n2025-06,6\n2025-07,7\n2025-08,8\n2025-09,9\n";
        let series = Series::parse("test", text, Gaps::Skip).unwrap();
        let history = History::new(&series, BTreeMap::new()).unwrap();
        assert_eq!((history.rows(), history.filled), (9, 1));
        assert!((history.values[2] - 3.0).abs() < 1e-12);
        let next = history.forecast(2).unwrap();
        assert_eq!(next[0].moment.to_string(), "2025-10-01T00:00:00");
        assert_eq!(next[1].moment.to_string(), "2025-11-01T00:00:00");
    }

    #[test]
    fn what_cannot_be_forecast_is_refused() {
        let error = History::new(&daily((0..5).map(growing)), BTreeMap::new()).unwrap_err();
        assert!(error.contains("8 or more"), "{error}");
        let error = History::new(&daily([0.0; 20]), BTreeMap::new()).unwrap_err();
        assert!(error.contains("above 0"), "{error}");
        let history = History::new(&daily((0..20).map(growing)), BTreeMap::new()).unwrap();
        assert!(history.score(10).unwrap_err().contains("24 are needed"));
        let flat = History::new(&daily([5.0; 30]), BTreeMap::new()).unwrap().forecast(3).unwrap();
        assert!((flat[2].mean - 5.0).abs() < 1e-3 && (flat[2].high - 5.0).abs() < 1e-3);
    }

    /// 5 every day: every method is exact, nothing scales its error, and the interval is the value itself.
    #[test]
    fn an_exact_forecast_has_no_scaled_error_and_covers_all() {
        let scores = History::new(&daily([5.0; 60]), BTreeMap::new()).unwrap().score(3).unwrap();
        assert_eq!(scores[0].coverage, Some(1.0));
        for score in &scores {
            assert_eq!(score.mase, None);
            assert!(score.wape.unwrap() < SINGLE, "{score:?}");
        }
        // A week that repeats itself: scaled by the last season, which is exact too.
        let weekly = (0..70).map(|day| if day % 7 < 2 { 50.0 } else { 100.0 });
        let scores = History::new(&daily(weekly), BTreeMap::new()).unwrap().score(7).unwrap();
        assert_eq!((scores[0].mase, scores[1].mase), (None, None));
        assert_eq!(scores[0].coverage, Some(1.0), "{scores:?}");
        // Nothing came in the days that are guessed: no share of it can be wrong.
        let ended = (0..60).map(|day| if day < 20 { 100.0 } else { 0.0 });
        let scores = History::new(&daily(ended), BTreeMap::new()).unwrap().score(3).unwrap();
        assert!(scores.iter().all(|score| score.wape.is_none()), "{scores:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_series_is_forecast_in_finite_numbers(
            values in prop::collection::vec(prop_oneof![Just(0.0), 0.0..1e9, 1e-9..1.0], 8..60),
        ) {
            let Ok(history) = History::new(&daily(values), BTreeMap::new()) else { return Ok(()) };
            if let Ok(steps) = history.forecast(10) {
                for step in steps {
                    prop_assert!(!step.mean.is_nan() && step.low <= step.high, "{step:?}");
                }
            }
        }
    }
}
