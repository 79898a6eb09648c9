//! Backtest: forecasts as of each past month, scored against bills and compared with naive forecasts.
//!
//! # Formula
//! ```text
//! origin o, horizon k: forecasts know months up to o, and are scored on o + k
//! last month             y_o                         last month + trend   y_o + k (y_o − y_first) / (months − 1)
//! seasonal naive         y_(o+k−12)
//! 80 % interval          mean × (1 ± 1.2816 σ √k)    σ: relative one-step errors of the same method before o
//! WAPE = Σ|f − y| / Σ y      bias = Σ (f − y) / Σ y      coverage = share of y inside
//! pinball = Σ over q of 0.1, 0.5, 0.9  max(q (y − f_q), (q − 1)(y − f_q)) / (3 Σ y)
//! ```
//! # Source
//! Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 5.2 (simple methods), 5.9 (quantile
//! scores), 5.10 (rolling origin). 1.2816: the normal law's 90 % quantile.
//! # Limits
//! Monthly totals of consumption by account. The interval of runrate's line is as wide as its error on
//! the months it was fitted to, at every horizon: `plan --trials` is to widen it with the horizon.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::calendar::Month;

/// Half of the 80 % interval, in standard deviations.
const NORMAL_80: f64 = 1.2816;
/// Months in a season.
const YEAR: usize = 12;

/// A forecast of one month.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Guess {
    /// Mean.
    pub mean: f64,
    /// Ends of the 80 % interval, where the method gives one.
    pub interval: Option<(f64, f64)>,
}

/// Method of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// This tool, calibrated at the origin.
    #[serde(rename = "runrate")]
    Runrate,
    /// The last month again.
    #[serde(rename = "last month")]
    Last,
    /// The last month and the mean step before it.
    #[serde(rename = "last month + trend")]
    Trend,
    /// The same month of the year before.
    #[serde(rename = "seasonal naive")]
    Seasonal,
    /// AWS's own, where it was pulled.
    #[serde(rename = "AWS forecast")]
    Aws,
}

impl Method {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runrate => "runrate",
            Self::Last => "last month",
            Self::Trend => "last month + trend",
            Self::Seasonal => "seasonal naive",
            Self::Aws => "AWS forecast",
        }
    }
}

/// One forecast and the billed amount.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Account.
    pub account: String,
    /// Last month known.
    pub origin: Month,
    /// The forecast month.
    pub month: Month,
    /// Months ahead.
    pub horizon: u32,
    /// Method.
    pub method: Method,
    /// The forecast, in USD.
    pub guess: Guess,
    /// The billed amount, in USD.
    pub billed: f64,
}

/// A method's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Method.
    pub method: Method,
    /// Months ahead; none for all.
    pub horizon: Option<u32>,
    /// Number of forecasts.
    pub guesses: usize,
    /// Weighted absolute percentage error (WAPE).
    pub wape: f64,
    /// Bias; above 0 the forecast was too high.
    pub bias: f64,
    /// Loss of the three quantiles; none without intervals.
    pub pinball: Option<f64>,
    /// Share of months inside the 80 % interval.
    pub coverage: Option<f64>,
}

/// A whole backtest, as `backtest --format json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Scores by method and horizon.
    pub scores: Vec<Score>,
    /// Every forecast.
    pub guesses: Vec<Point>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

/// Returns the naive forecasts for `horizon` months after the last of `known`.
pub fn naive(known: &[f64], horizon: usize) -> Vec<(Method, Guess)> {
    [Method::Last, Method::Trend, Method::Seasonal]
        .into_iter()
        .filter_map(|method| {
            let mean = mean(method, known, horizon)?;
            Some((method, Guess { mean, interval: interval(method, known, mean, horizon) }))
        })
        .collect()
}

fn mean(method: Method, known: &[f64], horizon: usize) -> Option<f64> {
    let last = *known.last()?;
    match method {
        Method::Last => Some(last),
        Method::Trend => {
            let steps = known.len().checked_sub(1).filter(|steps| *steps > 0)?;
            Some((last + horizon as f64 * (last - known[0]) / steps as f64).max(0.0))
        }
        Method::Seasonal => {
            let back = YEAR * horizon.div_ceil(YEAR) - horizon;
            known.len().checked_sub(1 + back).map(|index| known[index])
        }
        Method::Runrate | Method::Aws => None,
    }
}

/// By the method's own one-step errors before; none with fewer than two.
fn interval(method: Method, known: &[f64], mean_now: f64, horizon: usize) -> Option<(f64, f64)> {
    let errors: Vec<f64> = (1..known.len())
        .filter_map(|index| {
            let guess = mean(method, &known[..index], 1)?;
            (known[index] > 0.0).then(|| guess / known[index] - 1.0)
        })
        .collect();
    around(mean_now, &errors, (horizon as f64).sqrt())
}

/// Returns the 80 % interval around a mean, from relative errors; none with fewer than two.
pub fn around(mean: f64, errors: &[f64], growth: f64) -> Option<(f64, f64)> {
    if errors.len() < 2 {
        return None;
    }
    let square: f64 = errors.iter().map(|error| error * error).sum();
    let half = NORMAL_80 * (square / errors.len() as f64).sqrt() * growth;
    Some(((mean * (1.0 - half)).max(0.0), mean * (1.0 + half)))
}

/// Scores by method and horizon, and of all horizons together.
pub fn scores(points: &[Point]) -> Vec<Score> {
    let mut groups: BTreeMap<(Method, Option<u32>), Vec<&Point>> = BTreeMap::new();
    for point in points {
        for horizon in [None, Some(point.horizon)] {
            groups.entry((point.method, horizon)).or_default().push(point);
        }
    }
    groups.into_iter().map(|((method, horizon), points)| score(method, horizon, &points)).collect()
}

fn score(method: Method, horizon: Option<u32>, points: &[&Point]) -> Score {
    let all: f64 = points.iter().map(|point| point.billed).sum();
    let over = |of: &dyn Fn(&Point) -> f64| points.iter().map(|point| of(point)).sum::<f64>() / all;
    let ranged: Vec<(&Point, (f64, f64))> =
        points.iter().filter_map(|point| Some((*point, point.guess.interval?))).collect();
    let billed: f64 = ranged.iter().map(|(point, _)| point.billed).sum();
    let loss = |quantile: f64, guess: f64, billed: f64| {
        (quantile * (billed - guess)).max((quantile - 1.0) * (billed - guess))
    };
    let pinball: f64 = ranged
        .iter()
        .map(|(point, (low, high))| {
            loss(0.1, *low, point.billed)
                + loss(0.5, point.guess.mean, point.billed)
                + loss(0.9, *high, point.billed)
        })
        .sum();
    let inside =
        ranged.iter().filter(|(p, (low, high))| (*low..=*high).contains(&p.billed)).count();
    let any = !ranged.is_empty();
    Score {
        method,
        horizon,
        guesses: points.len(),
        wape: over(&|point| (point.guess.mean - point.billed).abs()),
        bias: over(&|point| point.guess.mean - point.billed),
        pinball: any.then(|| pinball / (3.0 * billed)),
        coverage: any.then(|| inside as f64 / ranged.len() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100, 110, 120: last 120; trend 120 + 10 k; the seasonal one needs a year.
    #[test]
    fn naive_guesses_are_those_of_the_book() {
        let guesses = naive(&[100.0, 110.0, 120.0], 2);
        let of = |method| guesses.iter().find(|(of, _)| *of == method).map(|(_, guess)| guess.mean);
        assert_eq!(of(Method::Last), Some(120.0));
        assert_eq!(of(Method::Trend), Some(140.0));
        assert_eq!(of(Method::Seasonal), None);
        let year: Vec<f64> = (1..=13).map(f64::from).collect();
        let guesses = naive(&year, 2);
        // Two months after the 13th is the 15th, a year before it the third.
        assert_eq!(guesses.iter().find(|(of, _)| *of == Method::Seasonal).unwrap().1.mean, 3.0);
    }

    /// Guesses of 90 and 120 for 100 and 100: WAPE 15 %, bias +5 %; intervals 80–100 and 110–130 hold one
    /// of two. Pinball: 0.1 × 20 + 0.5 × 10 + 0.9 × 0 = 7; 0.9 × 10 + 0.5 × 20 + 0.1 × 30 = 22; 29 / 600.
    #[test]
    fn scores_are_those_of_the_formula() {
        let point = |mean: f64, interval| Point {
            account: "a".into(),
            origin: "2027-01".parse().unwrap(),
            month: "2027-02".parse().unwrap(),
            horizon: 1,
            method: Method::Last,
            guess: Guess { mean, interval: Some(interval) },
            billed: 100.0,
        };
        let scores = scores(&[point(90.0, (80.0, 100.0)), point(120.0, (110.0, 130.0))]);
        assert_eq!(scores.len(), 2);
        let all = &scores[0];
        assert!((all.wape - 0.15).abs() < 1e-12 && (all.bias - 0.05).abs() < 1e-12);
        assert!((all.pinball.unwrap() - 29.0 / 600.0).abs() < 1e-12, "{all:?}");
        assert_eq!((all.coverage, all.guesses), (Some(0.5), 2));
    }
}
