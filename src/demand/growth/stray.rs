//! How users stray from their curve in a trial.
//!
//! # Formula
//! ```text
//! users(t) = curve(t) × e^d(t)
//! volatility:  d(0) = 0,   d(m) = d(m − 1) + volatility × z_m                         (random walk)
//! history:     d(m) = φ d(m − 1) + √(1 − φ²) s z_m,  curve = refitted to  curve + simulated residuals
//!              φ drawn from  P(φ < x) = share of simulated histories of memory x whose residuals are
//!                            correlated more than these
//!              s² = Σ (e_i − φ e_(i−1))² / (n − 1) / (1 − φ²)      (maximum likelihood)
//! ```
//! A fitted curve is uncertain twice: its parameters are, and users do not lie on it. The first is drawn
//! by fitting the same curve to a history as the fit would have made it (parametric bootstrap), the second
//! continues from where the last figure lies. How long users stay off the curve is uncertain itself: a trend
//! taken off a short history takes most of their memory with it, so the memory is drawn from those that
//! could have left what is seen. That it is drawn widens the band by about as much as taking the curve's
//! parameters off n would, so these are not taken off as well.
//!
//! # Source
//! Efron and Tibshirani, "An introduction to the bootstrap" (1993), chapter 6. Andrews, "Exactly
//! median-unbiased estimation of first order autoregressive models", Econometrica 61 (1993), for memory by
//! simulation; confidence distributions: Schweder and Hjort, Scand. J. Statistics 29 (2002).
//! # Limits
//! The curve that was chosen is taken to be the right one: that growth might level off later than any
//! figure shows is for its owner to say, as a range. Two years of a random walk look like a curve with
//! errors; the 80 % band of such a company holds about two thirds (a test says so).

use statrs::distribution::{ContinuousCDF, Normal};

use super::{
    Law,
    fit::{self, Choice, Fit},
};
use crate::measure::{
    random::{self, Draws, Stream},
    series::Series,
};

/// Memories that are tried, from figure to figure.
const MEMORIES: [f64; 13] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.998];

/// Simulated histories of each memory.
const HISTORIES: u32 = 400;

/// Above so many figures a history tells its memory by itself.
const LONG: usize = 120;

/// A random walk of ln(users) over `months`, from the first on.
pub(super) fn walk(volatility: f64, months: u32, draws: &mut Draws) -> Vec<f64> {
    let mut at = 0.0;
    let mut path = vec![0.0];
    for _ in 1..months.max(1) {
        at += volatility * draws.normal();
        path.push(at);
    }
    path
}

/// A fitted history, ready to be drawn anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    choice: Choice,
    law: Law,
    times: Vec<f64>,
    logs: Vec<f64>,
    /// ln of the curve at each figure.
    curve: Vec<f64>,
    /// For each of [`MEMORIES`], the share of histories whose residuals are correlated less.
    less: Vec<f64>,
    /// Residuals.
    errors: Vec<f64>,
}

impl Bootstrap {
    pub(super) fn new(series: &Series, scale: f64, fitted: &Fit) -> Self {
        let (times, logs) = fit::axes(series, scale);
        let curve: Vec<f64> = times.iter().map(|t| fit::log_of(&fitted.law, *t)).collect();
        let errors: Vec<f64> = logs.iter().zip(&curve).map(|(log, curve)| log - curve).collect();
        let choice = fitted.aicc.first().map_or(Choice::Compound, |(choice, _)| *choice);
        let less = shares(&times, correlation(&errors));
        Self { choice, law: fitted.law.clone(), times, logs, curve, less, errors }
    }

    /// A memory that could have left these residuals.
    fn memory(&self, draws: &mut Draws) -> f64 {
        let u = draws.uniform();
        // Shares fall as the memory rises.
        let above = self.less.iter().position(|less| *less < u);
        match above {
            Some(0) => MEMORIES[0],
            Some(at) => {
                let (low, high) = (self.less[at], self.less[at - 1]);
                let part = if high > low { (high - u) / (high - low) } else { 0.0 };
                MEMORIES[at - 1] + (MEMORIES[at] - MEMORIES[at - 1]) * part
            }
            None => MEMORIES[MEMORIES.len() - 1],
        }
    }

    /// Standard deviation of ln(users) around the curve, should they have this memory.
    fn sigma(&self, memory: f64) -> f64 {
        let fresh: f64 =
            self.errors.windows(2).map(|pair| (pair[1] - memory * pair[0]).powi(2)).sum();
        let steps = self.errors.len() as f64 - 1.0;
        (fresh / steps.max(1.0) / (1.0 - memory * memory)).sqrt()
    }

    /// A curve that might have been, and how users stray from it: at `first` months after the first
    /// figure, and at each of `months` from there on.
    pub(super) fn draw(&self, first: f64, months: u32, draws: &mut Draws) -> (Law, Vec<f64>) {
        let memory = self.memory(draws);
        let sigma = self.sigma(memory);
        let mut next = |error: f64, memory: f64| {
            memory * error + (1.0 - memory * memory).max(0.0).sqrt() * sigma * draws.normal()
        };
        let mut error = next(0.0, 0.0);
        let mut logs = Vec::with_capacity(self.curve.len());
        for curve in &self.curve {
            logs.push(curve + error);
            error = next(error, memory);
        }
        let law = fit::refit(self.choice, &self.law, &self.times, &logs)
            .unwrap_or_else(|| self.law.clone());
        let (Some(end), Some(log)) = (self.times.last(), self.logs.last()) else {
            return (law, vec![]);
        };
        let steps = (self.times.len() - 1).max(1) as f64;
        let step = ((end - self.times[0]) / steps).max(1e-6);
        let mut drift = log - fit::log_of(&law, *end);
        let gap = (first - end).max(0.0);
        drift = next(drift, memory.powf(gap / step));
        let monthly = memory.powf(1.0 / step);
        let path = (0..months.max(1)).map(|_| {
            let at = drift;
            drift = next(drift, monthly);
            at
        });
        (law, path.collect())
    }
}

/// Correlation of neighbours.
fn correlation(errors: &[f64]) -> f64 {
    let square: f64 = errors.iter().map(|e| e * e).sum();
    let lagged: f64 = errors.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if square > 0.0 { lagged / square } else { 0.0 }
}

/// For each memory, the share of histories at these times that, their trend taken off, are correlated less
/// than `seen`.
fn shares(times: &[f64], seen: f64) -> Vec<f64> {
    let n = times.len();
    if n > LONG {
        let law = Normal::standard();
        let share = |memory: &f64| {
            let bias = (2.0 + 4.0 * memory) / n as f64;
            let deviation = ((1.0 - memory * memory) / n as f64).sqrt();
            law.cdf((seen - memory + bias) / deviation)
        };
        return MEMORIES.iter().map(share).collect();
    }
    let mean = times.iter().sum::<f64>() / n as f64;
    let square: f64 = times.iter().map(|t| (t - mean).powi(2)).sum();
    let less = |(place, memory): (usize, &f64)| {
        // Not of any trial: the same for all of them.
        let mut draws = random::stream(0, 0, Stream::Growth, place as u32);
        let fresh = (1.0 - memory * memory).sqrt();
        let mut count = 0;
        for _ in 0..HISTORIES {
            let mut error = draws.normal();
            let mut errors = Vec::with_capacity(n);
            for _ in 0..n {
                errors.push(error);
                error = memory * error + fresh * draws.normal();
            }
            let level = errors.iter().sum::<f64>() / n as f64;
            let slope = errors.iter().zip(times).map(|(e, t)| e * (t - mean)).sum::<f64>() / square;
            for (error, t) in errors.iter_mut().zip(times) {
                *error -= level + slope * (t - mean);
            }
            count += u32::from(correlation(&errors) < seen);
        }
        f64::from(count) / f64::from(HISTORIES)
    };
    MEMORIES.iter().enumerate().map(less).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::{
        demand::growth::{History, Users},
        measure::{
            calendar::Month,
            random::{Stream, stream},
            series::Gaps,
        },
    };

    /// Months of the past, and how far ahead the outcome is compared.
    const PAST: u32 = 24;
    const AHEAD: u32 = 12;
    const TRIALS: u32 = 99;

    /// Share of companies whose users a year ahead lie in the band of 10 to 90 % of the trials.
    fn coverage(companies: u32, stray: impl Fn(f64, &mut Draws) -> f64) -> f64 {
        let start: Month = "2027-01".parse().unwrap();
        let first = start.plus(0);
        let mut inside = 0;
        for company in 0..companies {
            let mut nature = stream(99, company, Stream::Growth, 7);
            let growth = 0.02 + 0.08 * nature.uniform();
            let mut error = 0.0;
            let mut users = Vec::new();
            for month in 0..PAST + AHEAD {
                users.push((1000.0_f64.ln() + growth * f64::from(month) + error).exp());
                error = stray(error, &mut nature);
            }
            let mut text = String::new();
            for (index, users) in users[..PAST as usize].iter().enumerate() {
                writeln!(text, "{},{users}", month_before(first, PAST - index as u32)).unwrap();
            }
            let series = Series::parse("h.csv", &text, Gaps::Refuse).unwrap();
            let history = History {
                file: "h.csv".into(),
                scale: 1.0,
                fit: Choice::Compound,
                gaps: Gaps::Refuse,
            };
            let settings = Users { history: Some(history), ..Users::default() };
            let path = settings.path(start, AHEAD, Some(&series)).unwrap();
            let bootstrap = settings.bootstrap(&path, Some(&series));
            let mut trials: Vec<f64> = (1..=TRIALS)
                .map(|trial| {
                    let draws = stream(company.into(), trial, Stream::Growth, 0);
                    let strayed = settings.stray(&path, AHEAD, bootstrap.as_ref(), draws);
                    strayed.at(f64::from(AHEAD - 1))
                })
                .collect();
            trials.sort_by(f64::total_cmp);
            let outcome = users[(PAST + AHEAD - 1) as usize];
            // The ranks between which eight of ten of 99 values, and an outcome like them, lie.
            inside += u32::from(trials[9] <= outcome && outcome <= trials[89]);
        }
        f64::from(inside) / f64::from(companies)
    }

    fn month_before(month: Month, by: u32) -> String {
        let of =
            |index: i32| format!("{:04}-{:02}", index.div_euclid(12), index.rem_euclid(12) + 1);
        let date = month.first_day();
        of(i32::from(date.year()) * 12 + i32::from(date.month()) - 1 - by as i32)
    }

    /// Companies that keep to their curve up to noise, with and without memory of it: 200 of each, so the
    /// share is known to ±2.8 %.
    #[test]
    fn the_band_of_a_history_holds_what_it_says() {
        let white = coverage(200, |_, draws| 0.08 * draws.normal());
        let lasting = coverage(200, |error, draws| 0.7 * error + 0.06 * draws.normal());
        println!("independent {white}, lasting {lasting}");
        assert!((0.75..=0.85).contains(&white), "{white}");
        assert!((0.75..=0.85).contains(&lasting), "{lasting}");
    }

    /// A random walk is no curve with errors; the band is too narrow, and this test says by how much.
    #[test]
    fn the_band_of_a_random_walk_is_known_to_be_narrow() {
        let walking = coverage(200, |error, draws| error + 0.05 * draws.normal());
        println!("walking {walking}");
        assert!((0.55..0.75).contains(&walking), "{walking}");
    }

    #[test]
    fn a_walk_spreads_with_the_root_of_time() {
        let ends: Vec<f64> = (1..=4000)
            .map(|trial| walk(0.05, 17, &mut stream(3, trial, Stream::Growth, 0))[16])
            .collect();
        let variance = ends.iter().map(|end| end * end).sum::<f64>() / ends.len() as f64;
        assert!((variance.sqrt() / (0.05 * 4.0) - 1.0).abs() < 0.04, "{}", variance.sqrt());
    }
}
