//! Methods that forecast a cleaned past, each of them simple; `weigh` combines them by their errors on the past.
//!
//! # Formula
//! ```text
//! z          = y, ln y, √y where a value is 0, or ln(y / (limit − y)) where growth has a limit
//! z          = trend + Σ seasons + rest                    MSTL; five inner loops for a short past, two for a long one
//! smoothed   = level of (trend + rest) + last cycle of each season
//! naive      = y one cycle before                          mean: of three cycles before
//! ```
//! # Source
//! Bandara, Hyndman, Bergmeir, "MSTL: a seasonal-trend decomposition algorithm for time series with multiple
//! seasonal patterns" (2021), as the `stlrs` crate computes it.
//! # Limits
//! The smoothers of the decomposition are interpolated between every fourth row of a season and every quarter of a
//! window, which costs no accuracy on the series of `docs/accuracy.md`.

use stlrs::{MstlParams, StlParams};

use super::smooth::{Level, TRENDS, Trend};

/// Rows of the trend that a level is fitted to: the newest matter most, and the others cost time.
const TREND_ROWS: usize = 300;
/// Rows above which the decomposition takes few inner loops.
const LONG: usize = 500;
/// Inner loops. With two, a season takes a part of the trend over whole years.
const LOOPS: [usize; 2] = [5, 2];
/// Distance at which the smoothers are computed: rows of a season, parts of a window.
const JUMP: usize = 4;
/// Cycles of the seasonal mean.
const MEAN_CYCLES: usize = 3;
/// Rows of the mean of a series without a season.
const MEAN_ROWS: usize = 12;

/// The scale on which a series is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Values.
    Raw,
    /// Logarithms; square roots where a value is 0; the logistic scale where growth has a limit.
    Log,
}

/// The seasons of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seasons {
    /// None.
    Without,
    /// The shortest.
    Shortest,
    /// All that repeat.
    All,
}

/// A way to forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// The last cycle again.
    Naive,
    /// The mean of the last cycles.
    Mean,
    /// A decomposition and a smoothed level.
    Smoothed(Seasons, Scale, Trend),
}

/// A forecast of one method.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// Values.
    pub(super) values: Vec<f64>,
    /// Whether the method differs from a simpler one: it does not where a season does not repeat.
    pub(super) distinct: bool,
}

/// What methods know of a past.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past<'a> {
    /// Cleaned values.
    pub(super) values: &'a [f64],
    /// Seasons that repeat, in rows.
    pub(super) seasons: &'a [usize],
    /// Rows after which the naive method repeats itself.
    pub(super) cycle: usize,
    /// Limit of growth.
    pub(super) limit: Option<f64>,
}

/// Returns every method, the simplest first.
pub(super) fn all() -> Vec<Method> {
    let mut found = vec![Method::Naive, Method::Mean];
    for seasons in [Seasons::Without, Seasons::Shortest, Seasons::All] {
        for scale in [Scale::Raw, Scale::Log] {
            found.extend(TRENDS.map(|trend| Method::Smoothed(seasons, scale, trend)));
        }
    }
    found
}

impl Past<'_> {
    /// Returns the forecast of each method, in the order of [`all`].
    pub(super) fn forecasts(&self, ahead: usize) -> Vec<Path> {
        let distinct = |values| Path { values, distinct: true };
        let cycles = MEAN_CYCLES.min(self.values.len() / self.cycle);
        let mut found =
            vec![distinct(self.repeated(1, ahead)), distinct(self.repeated(cycles, ahead))];
        let sets = [&[], &self.seasons[..self.seasons.len().min(1)], self.seasons];
        for (place, set) in sets.into_iter().enumerate() {
            if place > 0 && set.len() == sets[place - 1].len() {
                let before = found[found.len() - 2 * TRENDS.len()..].to_vec();
                found.extend(before.into_iter().map(|path| Path { distinct: false, ..path }));
                continue;
            }
            for scale in [Scale::Raw, Scale::Log] {
                found.extend(self.smoothed(set, scale, ahead).map(distinct));
            }
        }
        found
    }

    /// Returns the last cycles, or their mean, again.
    fn repeated(&self, cycles: usize, ahead: usize) -> Vec<f64> {
        let rows = self.values.len();
        let cycles = if self.cycle == 1 && cycles > 1 { MEAN_ROWS.min(rows) } else { cycles };
        let slot = |step: usize| {
            let back = |cycle: usize| self.values[rows - cycle * self.cycle + step % self.cycle];
            (1..=cycles).map(back).sum::<f64>() / cycles as f64
        };
        (0..ahead).map(slot).collect()
    }

    fn smoothed(&self, seasons: &[usize], scale: Scale, ahead: usize) -> [Vec<f64>; 4] {
        let zero = self.values.iter().any(|value| *value <= 0.0);
        let to = |value: f64| match (scale, self.limit) {
            (Scale::Raw, _) => value,
            (Scale::Log, Some(limit)) => {
                let share = (value / limit).clamp(1e-6, 1.0 - 1e-3);
                (share / (1.0 - share)).ln()
            }
            (Scale::Log, None) if zero => value.max(0.0).sqrt(),
            (Scale::Log, None) => value.ln(),
        };
        let from = |value: f64| match (scale, self.limit) {
            (Scale::Raw, limit) => value.clamp(0.0, limit.unwrap_or(f64::MAX)),
            (Scale::Log, Some(limit)) => limit / (1.0 + (-value).exp()),
            (Scale::Log, None) if zero => value.max(0.0).powi(2),
            // The largest number has a logarithm of 709.
            (Scale::Log, None) => value.min(700.0).exp(),
        };
        let rows: Vec<f64> = self.values.iter().map(|value| to(*value)).collect();
        let (level, cycles) = decompose(&rows, seasons);
        let young = &level[level.len().saturating_sub(TREND_ROWS)..];
        let short = self.seasons.first().copied().unwrap_or(1);
        TRENDS.map(|trend| {
            let level = Level::fit(young, trend, short.max(6));
            let value = |step: usize| {
                let season: f64 = cycles.iter().map(|cycle| cycle[step % cycle.len()]).sum();
                from(level.after(step + 1) + season)
            };
            (0..ahead).map(value).collect()
        })
    }
}

/// Returns rows without their seasons, and the last cycle of each season.
fn decompose(rows: &[f64], seasons: &[usize]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let Some(longest) = seasons.last() else { return (rows.to_vec(), Vec::new()) };
    let window = (longest / JUMP).max(1);
    let mut stl = StlParams::new();
    stl.inner_loops(LOOPS[usize::from(rows.len() > LONG)])
        .seasonal_jump(JUMP)
        .low_pass_jump(window)
        .trend_jump(window);
    // One iteration: the inner loops make the others change nothing.
    let Ok(found) = MstlParams::new().iterations(1).stl_params(stl).fit(rows, seasons) else {
        // Refused are seasons without two cycles, which are no seasons here.
        return (rows.to_vec(), Vec::new());
    };
    let level = found.trend().iter().zip(found.remainder()).map(|(trend, rest)| trend + rest);
    let last = |(cycle, season): (&Vec<f64>, &usize)| cycle[cycle.len() - season..].to_vec();
    (level.collect(), found.seasonal().iter().zip(seasons).map(last).collect())
}
