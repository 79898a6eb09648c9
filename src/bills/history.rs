//! Extrapolates a history of traffic, users or money: seasons and a trend where they earn their place, with mean,
//! median and intervals sized on the series' own past.
//!
//! # Formula
//! ```text
//! past       the series without outages and outliers, with gaps filled along the season       `clean`
//!            over what the calendar does to it                                                  `factors`
//! forecast   of each of 26 methods at this origin and at 7 to 12 origins in the past           `methods`, `smooth`
//! combined   by their errors there; intervals by the errors of the combination                  `weigh`
//! MASE     = mean |y − median| / mean |y_t − y_(t−m)| of the known part     m: the shortest season; undefined where
//!            the known part repeats itself exactly
//! ```
//! Each origin in the past knows nothing of what came after it. A past that ends in zeros for longer than ever before
//! is forecast as 0. One that is mostly zeros without a pattern is forecast by the quantiles of its values.
//! # Source
//! Scaled errors of Hyndman and Koehler (2006); those of each part are in its file.
//! # Limits
//! Values are not negative. Seasons are the day, the week and the year, up to 2,100 rows, so hours have no year. The
//! last four cycles of the longest season are fitted, at least 1,000 rows.

mod clean;
mod decisions;
mod factors;
mod methods;
mod smooth;
mod totals;
mod weigh;

use std::collections::BTreeMap;

use jiff::{ToSpan as _, civil::Date, civil::DateTime};
use rayon::prelude::*;
use serde::Serialize;

use crate::measure::series::Series;

use clean::{Cleaned, clean, mean, quantile};
use factors::Days;
use methods::{Past, Path};
use weigh::{Block, Ends, Trial};

/// Share of outcomes inside an interval, by default.
pub const LEVEL: f64 = 0.8;
/// Minimum number of rows.
pub const LEAST_ROWS: usize = 8;
/// Maximum number of origins of a score.
const ORIGINS: usize = 8;
/// Minutes of a day, a week and a mean year: the cycles that traffic follows.
const CYCLES: [f64; 3] = [1440.0, 10_080.0, 525_960.0];
/// Minutes above which rows are calendar months apart.
const MONTHLY: f64 = 27.0 * 1440.0;
/// Longest season, in rows.
const LONGEST_SEASON: usize = 2100;
/// A season of at most so many of the shortest one is repeated by the naive method: the week of a day.
const NAIVE_CYCLES: usize = 14;
/// Rows of the past that are fitted at least, and in cycles of the longest season.
const FITTED: (usize, usize) = (1000, 4);
/// Rows that make a cycle of a series without seasons.
const NO_SEASON: usize = 6;
/// Origins in the past, in cycles before the last row, where there are many cycles.
const BACK: [usize; 7] = [1, 2, 3, 4, 5, 7, 10];
/// Origins where there are few: so many, a third of a cycle apart.
const FEW: usize = 12;
/// Half of the narrowest interval, as a share of the usual difference of two rows.
const FLOOR: f64 = 0.02;
/// Times that a place of a cycle has to be 0 to be 0 by nature.
const ALWAYS: usize = 3;

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Share of outcomes inside it.
    pub level: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One forecast row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Time.
    pub moment: DateTime,
    /// Mean: means of several rows add up.
    pub mean: f64,
    /// Median: half of the outcomes are below it.
    pub median: f64,
    /// Lower end of the first interval.
    pub low: f64,
    /// Upper end of the first interval.
    pub high: f64,
    /// The interval of each level.
    pub intervals: Vec<Interval>,
}

/// The sum of several forecast rows, with an interval of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    /// What is added up: a month, a year, or all rows.
    pub period: String,
    /// Rows in it.
    pub rows: usize,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub median: f64,
    /// The interval of each level.
    pub intervals: Vec<Interval>,
}

/// A forecast, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Rows to come.
    pub steps: Vec<Step>,
    /// Their sums by month or year, and of all.
    pub totals: Vec<Total>,
    /// Rows of the past, missing ones included.
    pub rows: usize,
    /// Missing rows of the past, filled along the season and never scored.
    pub filled: usize,
    /// What was decided about the series, in sentences.
    pub decisions: Vec<String>,
}

/// A method's score on one series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Its name.
    pub method: &'static str,
    /// Forecast rows that were scored.
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
    missing: Vec<bool>,
    moments: Vec<DateTime>,
    distance: Distance,
    seasons: Vec<usize>,
    /// Rows that were missing and are filled along the season.
    pub filled: usize,
    /// Number of a holiday by date.
    holidays: BTreeMap<Date, usize>,
    /// Limit of growth.
    limit: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
enum Distance {
    Minutes(f64),
    Months(i32),
}

/// What is known at one origin.
#[derive(Debug)]
struct Fit {
    cleaned: Cleaned,
    paths: Vec<Path>,
    days: Days,
    effects: BTreeMap<usize, f64>,
}

/// A forecast row before it has a moment.
#[derive(Debug, Clone)]
struct Outcome {
    mean: f64,
    median: f64,
    ends: Vec<Ends>,
}

/// Forecasts at one origin.
#[derive(Debug)]
struct Ahead {
    outcomes: Vec<Outcome>,
    /// The first block, where methods were weighed.
    block: Option<Block>,
    /// Rows whose values are quantiles of the past.
    rare: bool,
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
        let (mut values, mut missing) = (vec![0.0; length], vec![true; length]);
        for (place, value) in at.iter().zip(&series.values) {
            values[*place] = *value;
            missing[*place] = false;
        }
        let first = series.moments[0];
        let moments = (0..length).map(|index| distance.after(first, index)).collect();
        let seasons = match distance {
            Distance::Minutes(step) => CYCLES
                .iter()
                .map(|cycle| (cycle / step).round() as usize)
                .filter(|rows| (2..=LONGEST_SEASON).contains(rows))
                .collect(),
            Distance::Months(step) if 12 % step == 0 && step < 12 => vec![(12 / step) as usize],
            Distance::Months(_) => Vec::new(),
        };
        let filled = missing.iter().filter(|missing| **missing).count();
        let mut history =
            Self { values, missing, moments, distance, seasons, filled, holidays, limit: None };
        if filled > 0 {
            let cleaned = clean(&history.values, &history.missing, &history.seasons());
            for row in (0..length).filter(|row| history.missing[*row]) {
                history.values[row] = cleaned.values[row];
            }
        }
        Ok(history)
    }

    /// Sets a limit that growth approaches and no value exceeds.
    ///
    /// # Errors
    /// A limit that the past has exceeded.
    pub fn with_limit(mut self, limit: f64) -> Result<Self, String> {
        let largest = self.values.iter().copied().fold(0.0, f64::max);
        if largest > limit {
            return Err(format!("the value {largest} exceeds the limit {limit}"));
        }
        self.limit = Some(limit);
        Ok(self)
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

    /// Returns the next rows, with an interval for each level.
    pub fn forecast(&self, ahead: usize, levels: &[f64]) -> Forecast {
        let fits = self.fits([self.rows()], ahead);
        self.forecast_from(&fits, ahead, levels)
    }

    /// Returns the next rows and the scores of such forecasts in the past; the origins of both share their fits.
    ///
    /// # Errors
    /// Too few rows for one origin, which leaves the forecast without scores.
    pub fn forecast_and_score(
        &self,
        ahead: usize,
        levels: &[f64],
    ) -> (Forecast, Result<Vec<Score>, String>) {
        let origins = self.origins(ahead);
        let past = origins.as_deref().unwrap_or_default();
        let fits = self.fits(past.iter().copied().chain([self.rows()]), ahead);
        let found = self.forecast_from(&fits, ahead, levels);
        (found, origins.map(|origins| self.score_from(&fits, &origins, ahead)))
    }

    /// Scores forecasts at past origins, with the last season and the last row repeated as naive ones. Missing rows
    /// are not scored.
    ///
    /// # Errors
    /// Too few rows for one origin.
    pub fn score(&self, ahead: usize) -> Result<Vec<Score>, String> {
        Ok(self.score_at(&self.origins(ahead)?, ahead))
    }

    /// Scores forecasts at these origins: rows that are known, with `ahead` rows after them.
    pub fn score_at(&self, origins: &[usize], ahead: usize) -> Vec<Score> {
        let fits = self.fits(origins.iter().copied(), ahead);
        self.score_from(&fits, origins, ahead)
    }

    fn forecast_from(&self, fits: &BTreeMap<usize, Fit>, ahead: usize, levels: &[f64]) -> Forecast {
        let origin = self.rows();
        let found = self.ahead(fits, origin, ahead, levels);
        let last = self.moments[origin - 1];
        let step = |(index, outcome): (usize, &Outcome)| {
            let ends = levels.iter().zip(&outcome.ends);
            let interval = |(level, ends): (&f64, &Ends)| Interval {
                level: *level,
                low: ends.low,
                high: ends.high,
            };
            let intervals: Vec<Interval> = ends.map(interval).collect();
            Step {
                moment: self.distance.after(last, index + 1),
                mean: outcome.mean,
                median: outcome.median,
                low: intervals.first().map_or(outcome.median, |interval| interval.low),
                high: intervals.first().map_or(outcome.median, |interval| interval.high),
                intervals,
            }
        };
        let steps: Vec<Step> = found.outcomes.iter().enumerate().map(step).collect();
        let totals = self.totals(&steps, levels, (fits, found.rare));
        let decisions = self.decisions(&fits[&origin], &found);
        Forecast { steps, totals, rows: origin, filled: self.filled, decisions }
    }

    /// Returns the origins of a score.
    fn origins(&self, ahead: usize) -> Result<Vec<usize>, String> {
        let rows = self.rows();
        let least = LEAST_ROWS.max(2 * self.seasons.first().copied().unwrap_or(1));
        let Some(spare) = rows.checked_sub(least + ahead) else {
            return Err(format!(
                "{rows} rows are too few to score {ahead} rows ahead: {} are needed; forecast \
                    fewer rows ahead",
                least + ahead
            ));
        };
        // Origins a whole number of cycles apart share their pasts.
        let apart = (spare / (ORIGINS - 1)).clamp(1, ahead);
        let cycle = self.spacing(rows);
        let apart = if apart > cycle { apart / cycle * cycle } else { apart };
        let back = (0..ORIGINS).map_while(|back| rows.checked_sub(ahead + back * apart));
        Ok(back.filter(|origin| *origin >= least).collect())
    }

    fn score_from(
        &self,
        fits: &BTreeMap<usize, Fit>,
        origins: &[usize],
        ahead: usize,
    ) -> Vec<Score> {
        let mut tallies = [Tally::default(); 3];
        for origin in origins.iter().copied() {
            let known = &self.values[..origin];
            let season = self.repeated(origin).first().copied().unwrap_or(1);
            let scaled = (season..origin)
                .filter(|row| !self.missing[*row] && !self.missing[row - season])
                .map(|row| (known[row] - known[row - season]).abs());
            let scale = mean(scaled);
            let found = self.ahead(fits, origin, ahead, &[LEVEL]);
            for (index, outcome) in found.outcomes.iter().enumerate() {
                if self.missing[origin + index] {
                    continue;
                }
                let value = self.values[origin + index];
                let inside = inside(outcome.ends[0], value);
                tallies[0].add(outcome.median, value, scale, Some(inside));
                tallies[1].add(known[origin - season + index % season], value, scale, None);
                tallies[2].add(known[origin - 1], value, scale, None);
            }
        }
        let names = ["runrate", "seasonal naive", "last row"];
        names.into_iter().zip(tallies).map(|(method, tally)| tally.score(method)).collect()
    }

    /// Returns the distance of origins in the past, in rows.
    fn spacing(&self, origin: usize) -> usize {
        match self.repeated(origin).first() {
            Some(season) if origin >= NAIVE_CYCLES * season => *season,
            Some(season) => (season / 3).max(1),
            None => (origin / 40).max(1),
        }
    }

    /// Returns origins in the past of an origin, the newest first.
    fn inner(&self, origin: usize) -> Vec<usize> {
        let apart = self.spacing(origin);
        let many = self.repeated(origin).first() == Some(&apart);
        let few: Vec<usize> = (1..=FEW).collect();
        let back = if many && apart > 1 { &BACK[..] } else { &few };
        let least = (origin / 3).max(LEAST_ROWS - 3);
        let before = back.iter().filter_map(|back| origin.checked_sub(back * apart));
        before.filter(|inner| *inner >= least).collect()
    }

    /// Fits every method at origins and at those in the past of each.
    fn fits(&self, origins: impl IntoIterator<Item = usize>, ahead: usize) -> BTreeMap<usize, Fit> {
        let mut far: BTreeMap<usize, usize> = BTreeMap::new();
        for origin in origins {
            let inner = self.inner(origin).into_iter().map(|inner| (inner, origin - inner));
            for (origin, ahead) in inner.chain([(origin, ahead)]) {
                let reach = far.entry(origin).or_default();
                *reach = (*reach).max(ahead);
            }
        }
        far.into_par_iter().map(|(origin, ahead)| (origin, self.fit(origin, ahead))).collect()
    }

    fn fit(&self, origin: usize, ahead: usize) -> Fit {
        let seasons = self.repeated(origin);
        let (shortest, cycles) = FITTED;
        let length = seasons.last().map_or(shortest, |season| shortest.max(cycles * season));
        let rows = origin.saturating_sub(length)..origin;
        let (missing, moments) = (&self.missing[rows.clone()], &self.moments[rows.clone()]);
        let days = match self.distance {
            Distance::Months(1) => Days::of(&self.values[rows.clone()], missing, moments),
            _ => Days::Same,
        };
        let none = BTreeMap::new();
        let over = |effects: &BTreeMap<usize, f64>| -> Vec<f64> {
            let row = |(value, moment): (&f64, &DateTime)| {
                value / self.factor(days, effects, moment.date())
            };
            self.values[rows.clone()].iter().zip(moments).map(row).collect()
        };
        let mut cleaned = clean(&over(&none), missing, &seasons);
        let effects = factors::holidays(&self.holidays, moments, &cleaned.apart);
        if !effects.is_empty() {
            cleaned = clean(&over(&effects), missing, &seasons);
        }
        let naive = |cycle: &usize| {
            *cycle <= NAIVE_CYCLES * self.seasons[0] && *cycle <= cleaned.values.len()
        };
        let past = Past {
            values: &cleaned.values,
            seasons: &seasons,
            cycle: self.seasons.iter().copied().rfind(naive).unwrap_or(1),
            limit: self.limit,
        };
        let mut paths = past.forecasts(ahead);
        let last = self.moments[origin - 1];
        if days != Days::Same || !effects.is_empty() {
            for step in 0..ahead {
                let date = self.distance.after(last, step + 1).date();
                let factor = self.factor(days, &effects, date);
                for path in &mut paths {
                    path.values[step] *= factor;
                }
            }
        }
        Fit { cleaned, paths, days, effects }
    }

    /// Returns what the calendar multiplies a row of a date by.
    fn factor(&self, days: Days, effects: &BTreeMap<usize, f64>, date: Date) -> f64 {
        let holiday = self.holidays.get(&date).and_then(|holiday| effects.get(holiday));
        days.share(date) * holiday.map_or(1.0, |effect| effect.exp())
    }

    /// Returns what comes after an origin.
    fn ahead(
        &self,
        fits: &BTreeMap<usize, Fit>,
        origin: usize,
        ahead: usize,
        levels: &[f64],
    ) -> Ahead {
        let fit = &fits[&origin];
        let zero = self.zeros(fit, origin);
        let nothing = || Outcome {
            mean: 0.0,
            median: 0.0,
            ends: vec![Ends { low: 0.0, high: 0.0 }; levels.len()],
        };
        if fit.cleaned.ended {
            return Ahead { outcomes: vec![nothing(); ahead], block: None, rare: false };
        }
        if let Some(outcome) = rare(fit, &zero, levels) {
            let outcomes = (0..ahead)
                .map(|step| if zero[step % zero.len()] { nothing() } else { outcome.clone() })
                .collect();
            return Ahead { outcomes, block: None, rare: true };
        }
        let blocks = self.blocks(fits, origin, ahead);
        let largest = fit.cleaned.values.iter().copied().fold(0.0, f64::max);
        let limit = self.limit.unwrap_or(f64::MAX);
        let floor = FLOOR * fit.cleaned.step();
        let mut outcomes = Vec::with_capacity(ahead);
        for block in &blocks {
            for step in block.start..block.end.min(ahead) {
                if zero[step % zero.len()] {
                    outcomes.push(nothing());
                    continue;
                }
                let median = block.median(&fit.paths, step);
                // No error of the past takes a row further than twice the largest value.
                let bound = limit.min(2.0 * median.max(largest));
                let ends = |level: &f64| {
                    let ends = block.ends(median, step, *level);
                    let low = ends.low.min(median - floor).max(0.0);
                    Ends { low, high: ends.high.max(median + floor).min(bound) }
                };
                let mean = block.mean(median).min(bound);
                outcomes.push(Outcome { mean, median, ends: levels.iter().map(ends).collect() });
            }
        }
        Ahead { outcomes, block: blocks.into_iter().next(), rare: false }
    }

    /// Returns which places of the cycle after an origin are 0 by nature: a shop at night, an office at the weekend.
    fn zeros(&self, fit: &Fit, origin: usize) -> Vec<bool> {
        let short = self.seasons.first().copied().unwrap_or(1);
        let values = &fit.cleaned.values;
        let from = origin - values.len();
        let always = |cycle: usize, step: usize| {
            let back =
                (1..).map_while(|back| (values.len() + step % cycle).checked_sub(back * cycle));
            let mut times = 0;
            for row in back {
                if fit.cleaned.odd[row] || self.missing[from + row] {
                    continue;
                }
                if values[row] > 0.0 {
                    return false;
                }
                times += 1;
            }
            times >= ALWAYS
        };
        let cycles = self.seasons.iter().copied().filter(|cycle| *cycle <= NAIVE_CYCLES * short);
        let cycles: Vec<usize> = cycles.collect();
        let length = cycles.last().copied().unwrap_or(1);
        (0..length).map(|step| cycles.iter().any(|cycle| always(*cycle, step))).collect()
    }

    /// Judges the rows after an origin, block by block.
    fn blocks(&self, fits: &BTreeMap<usize, Fit>, origin: usize, ahead: usize) -> Vec<Block> {
        let fit = &fits[&origin];
        let from = origin - fit.cleaned.values.len();
        let came = |row: usize| {
            let odd = row < from || fit.cleaned.odd[row - from];
            (!odd).then(|| self.values[row])
        };
        let trials: Vec<Trial<'_>> = self
            .inner(origin)
            .into_iter()
            .map(|inner| Trial {
                paths: &fits[&inner].paths,
                came: (inner..origin).map(came).collect(),
            })
            .collect();
        let positive = fit.cleaned.values.iter().all(|value| *value > 0.0);
        let mut blocks: Vec<Block> = Vec::new();
        let mut end = self.repeated(origin).first().copied().unwrap_or(NO_SEASON);
        let mut start = 0;
        while start < ahead {
            let before = blocks.last();
            blocks.push(Block::new((start, end), &fit.paths, &trials, (before, positive)));
            (start, end) = (end, 4 * end);
        }
        blocks
    }
}

/// Returns the forecast of a past that is mostly zeros where it is not always 0: quantiles of its values.
fn rare(fit: &Fit, zero: &[bool], levels: &[f64]) -> Option<Outcome> {
    let rows = fit.cleaned.values.len();
    let place = |row: usize| (row + zero.len() - rows % zero.len()) % zero.len();
    let mut values: Vec<f64> = (0..rows)
        .filter(|row| !fit.cleaned.odd[*row] && !zero[place(*row)])
        .map(|row| fit.cleaned.values[row])
        .collect();
    let zeros = values.iter().filter(|value| **value == 0.0).count();
    if 2 * zeros <= values.len() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mut at = |share: f64| quantile(&mut values, share).unwrap_or_default();
    let median = at(0.5);
    let ends = levels
        .iter()
        // Half of the rows are 0, so the lower end is 0 and the upper one leaves out all that is outside.
        .map(|level| Ends { low: at((1.0 - level) / 2.0), high: at(f64::midpoint(1.0, *level)) })
        .collect();
    Some(Outcome { mean, median, ends })
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

    /// Returns what a row is.
    fn noun(self) -> &'static str {
        match self {
            Self::Minutes(60.0) => "hour",
            Self::Minutes(1440.0) => "day",
            Self::Minutes(10_080.0) => "week",
            Self::Months(1) => "month",
            Self::Months(3) => "quarter",
            Self::Minutes(_) | Self::Months(_) => "row",
        }
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

/// Relative error of sums of floating-point numbers, far below that of any series.
const ROUNDING: f64 = 1e-9;

/// Returns whether a value lies in an interval, up to rounding: the interval of an exact forecast is a point.
fn inside(Ends { low, high }: Ends, value: f64) -> bool {
    (low * (1.0 - ROUNDING)..=high * (1.0 + ROUNDING)).contains(&value)
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
        for (index, step) in history.forecast(28, &[LEVEL]).steps.iter().enumerate() {
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
        let with = History::new(&series, holidays).unwrap().forecast(20, &[LEVEL]).steps;
        let without = History::new(&series, BTreeMap::new()).unwrap().forecast(20, &[LEVEL]).steps;
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
        let next = history.forecast(2, &[LEVEL]).steps;
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
        let flat =
            History::new(&daily([5.0; 30]), BTreeMap::new()).unwrap().forecast(3, &[LEVEL]).steps;
        assert!((flat[2].mean - 5.0).abs() < 1e-3 && (flat[2].high - 5.0).abs() < 1e-3);
    }

    /// 5 every day: every method is exact, nothing scales its error, and the interval is the value itself.
    #[test]
    fn an_exact_forecast_has_no_scaled_error_and_covers_all() {
        let scores = History::new(&daily([5.0; 60]), BTreeMap::new()).unwrap().score(3).unwrap();
        assert_eq!(scores[0].coverage, Some(1.0));
        for score in &scores {
            assert_eq!(score.mase, None);
            assert!(score.wape.unwrap() < ROUNDING, "{score:?}");
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
            let found = history.forecast(10, &[0.5, 0.95]);
            for step in found.steps {
                let [near, far] = [step.intervals[0], step.intervals[1]];
                prop_assert!(step.mean.is_finite() && far.high.is_finite(), "{step:?}");
                prop_assert!(0.0 <= far.low && far.low <= near.low && near.low <= step.median, "{step:?}");
                prop_assert!(step.median <= near.high && near.high <= far.high, "{step:?}");
            }
            for total in found.totals {
                let interval = total.intervals[0];
                prop_assert!(interval.low <= total.median && total.median <= interval.high, "{total:?}");
            }
        }
    }
}
