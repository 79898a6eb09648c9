//! Combines methods by their errors on the past, and sizes intervals by the errors of the combination.
//!
//! # Formula
//! ```text
//! error      of a method: mean |y − f| over origins in the past, × (1 + 2 % of the trend's order)
//! weight     (least error / error)^4 of the five methods with the least errors
//! median     Σ weight × forecast
//! e          |ln y − ln f| if logarithms have most of the weight, else |y − f| / (f / mean f)^κ
//!            κ: how the errors grow with the forecasts, 0 to 1
//! interval   median ± e's quantile × w(h) × (1 + 0.7 / origins that do not overlap)
//!            w: errors of far rows against near ones
//! mean       median × mean e^(signed error) on logarithms, else the median
//! total      Σ mean ± r Σ half-width                 r: |Σ errors| / Σ half-widths at past origins, quantile
//! ```
//! Rows are judged in blocks: up to one cycle ahead, up to four, up to sixteen. So a row does not depend on how many
//! follow it. A block that no origin reaches takes the one before, half as wide again.
//! # Source
//! Bates and Granger, "The combination of forecasts" (1969); Vovk, Gammerman and Shafer, "Algorithmic learning in a
//! random world" (2005), for intervals from past errors; Duan, "Smearing estimate" (1983), for the mean.

use super::{
    clean::{mean, quantile},
    methods::{self, Method, Path, Scale},
    smooth::Trend,
};

/// Methods that are combined.
const COMBINED: usize = 5;
/// How much a smaller error is worth.
const POWER: f64 = 4.0;
/// What a more complex trend has to gain.
const PRICE: f64 = 0.02;
/// Errors from which their growth with the forecasts is measured.
const MANY: usize = 24;
/// How much wider a block is than the one before if nothing is known of it.
const WIDER: f64 = 1.5;
/// Error of an exact method, as a share of the values: rounding, and what a smoother needs to settle.
const EXACT: f64 = 1e-6;
/// How much wider an interval is than the errors of one origin say; it shrinks with their number.
const MARGIN: f64 = 0.7;
/// Smallest forecast that an error is related to, as a share of the mean forecast.
const SMALL: f64 = 0.05;

/// Forecasts at an origin in the past, and what came; none where that says nothing.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub(super) paths: &'a [Path],
    pub(super) came: Vec<Option<f64>>,
}

/// The weight of a method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// Its place among [`methods::all`].
    pub(super) method: usize,
    pub(super) share: f64,
}

/// Rows to come that are judged together.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) weights: Vec<Weight>,
    /// Whether errors are those of logarithms.
    pub(super) logs: bool,
    kappa: f64,
    typical: f64,
    /// Errors, each over the weight of its distance.
    errors: Vec<f64>,
    tilt: f64,
    inflation: f64,
    skew: f64,
}

/// Lower and upper end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ends {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A forecast in the past and what came.
#[derive(Debug, Clone, Copy)]
struct Pair {
    step: usize,
    forecast: f64,
    came: f64,
}

impl Block {
    /// Judges the rows from `start` to `end`; `before` is the block before, `positive` whether every value is above 0.
    pub(super) fn new(
        (start, end): (usize, usize),
        paths: &[Path],
        trials: &[Trial<'_>],
        (before, positive): (Option<&Self>, bool),
    ) -> Self {
        let rows = |trial: &Trial<'_>| trial.came.len().min(end).saturating_sub(start);
        // An origin that reaches a small part of the block says little of it.
        let enough = (end - start).min(12).div_ceil(3);
        let trials: Vec<&Trial<'_>> = trials.iter().filter(|trial| rows(trial) >= enough).collect();
        let weights = weights((start, end), paths, &trials);
        if weights.is_empty() {
            return before
                .map_or_else(|| Self::unknown(start, end), |block| block.wider(start, end));
        }
        let mut pairs = Vec::new();
        for trial in &trials {
            for step in start..end.min(trial.came.len()) {
                let forecast = combined(&weights, trial.paths, step);
                pairs.extend(trial.came[step].map(|came| Pair { step, forecast, came }));
            }
        }
        let all = methods::all();
        let log =
            |weight: &&Weight| matches!(all[weight.method], Method::Smoothed(_, Scale::Log, _));
        let logs =
            positive && weights.iter().filter(log).map(|weight| weight.share).sum::<f64>() > 0.5;
        let typical =
            pairs.iter().map(|pair| pair.forecast).sum::<f64>() / pairs.len().max(1) as f64;
        let mut block = Self {
            start,
            end,
            weights,
            logs,
            kappa: if logs { 0.0 } else { kappa(&pairs) },
            typical,
            errors: Vec::new(),
            tilt: 1.0,
            inflation: 1.0 + MARGIN / apart((start, end), &trials),
            skew: 1.0,
        };
        block.tilt = block.tilt(&pairs);
        block.errors =
            pairs.iter().map(|pair| block.error(pair).abs() / block.weight(pair.step)).collect();
        block.errors.sort_by(f64::total_cmp);
        if logs {
            let signed: Vec<f64> = pairs.iter().map(|pair| block.error(pair)).collect();
            let mean = signed.iter().sum::<f64>() / signed.len().max(1) as f64;
            let grown = signed.iter().map(|error| (error - mean).clamp(-3.0, 3.0).exp());
            block.skew = (grown.sum::<f64>() / signed.len().max(1) as f64).max(1.0);
        }
        if let Some(before) = before.filter(|before| before.logs == block.logs) {
            let (near, far) = (before.quantile(0.8), block.quantile(0.8));
            // A row further away is not known better.
            if far > 0.0 && far < near && (before.kappa - block.kappa).abs() < f64::EPSILON {
                for error in &mut block.errors {
                    *error *= near / far;
                }
            }
        }
        block
    }

    /// The simplest method, of which nothing is known.
    fn unknown(start: usize, end: usize) -> Self {
        Self {
            start,
            end,
            weights: vec![Weight { method: 0, share: 1.0 }],
            logs: false,
            kappa: 0.0,
            typical: 1.0,
            errors: Vec::new(),
            tilt: 1.0,
            inflation: 1.0,
            skew: 1.0,
        }
    }

    fn wider(&self, start: usize, end: usize) -> Self {
        let mut block = Self { start, end, tilt: 1.0, ..self.clone() };
        let far = self.weight(self.end - 1);
        for error in &mut block.errors {
            *error *= WIDER * far;
        }
        block
    }

    fn error(&self, pair: &Pair) -> f64 {
        if self.logs {
            let ln = |value: f64| value.max(f64::MIN_POSITIVE).ln();
            ln(pair.came) - ln(pair.forecast)
        } else {
            (pair.came - pair.forecast) / self.size(pair.forecast)
        }
    }

    /// Returns how large the errors of a forecast are, against those of the mean forecast.
    fn size(&self, forecast: f64) -> f64 {
        if self.typical <= 0.0 {
            1.0
        } else {
            (forecast / self.typical).max(SMALL).powf(self.kappa)
        }
    }

    /// Returns how much larger the errors of the second half of the block are.
    fn tilt(&self, pairs: &[Pair]) -> f64 {
        let middle = usize::midpoint(self.start, self.end);
        let mean = |far: bool| {
            let part = pairs.iter().filter(|pair| (pair.step >= middle) == far);
            let errors: Vec<f64> = part.map(|pair| self.error(pair).abs()).collect();
            (errors.len() >= MANY / 2).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
        };
        match (mean(false), mean(true)) {
            (Some(near), Some(far)) if near > 0.0 => (far / near).clamp(1.0, 4.0),
            _ => 1.0,
        }
    }

    /// Returns the width at a step, against that of the block.
    fn weight(&self, step: usize) -> f64 {
        let place = (step - self.start) as f64 + 0.5;
        let place = (place / (self.end - self.start) as f64).min(1.0) - 0.5;
        (1.0 + 2.0 * place * (self.tilt - 1.0) / (self.tilt + 1.0)).max(0.2)
    }

    /// Returns the error that a share of the past errors stays below.
    fn quantile(&self, level: f64) -> f64 {
        let count = self.errors.len();
        let Some(largest) = self.errors.last() else { return 0.0 };
        let place = level * (count + 1) as f64;
        let index = (place.ceil() as usize).clamp(1, count) - 1;
        // Beyond the largest error nothing is known: it is taken to be somewhat larger.
        if place > count as f64 { 1.2 * largest } else { self.errors[index] }
    }

    pub(super) fn median(&self, paths: &[Path], step: usize) -> f64 {
        combined(&self.weights, paths, step)
    }

    pub(super) fn mean(&self, median: f64) -> f64 {
        median * self.skew
    }

    pub(super) fn ends(&self, median: f64, step: usize, level: f64) -> Ends {
        let width = self.quantile(level) * self.inflation * self.weight(step);
        if self.logs {
            return Ends { low: median * (-width).exp(), high: median * width.min(700.0).exp() };
        }
        let half = width * self.size(median);
        Ends { low: (median - half).max(0.0), high: median + half }
    }
}

/// Returns how many origins do not overlap: those that do repeat each other.
fn apart((start, end): (usize, usize), trials: &[&Trial<'_>]) -> f64 {
    let reach = trials.iter().map(|trial| trial.came.len()).max().unwrap_or_default();
    (reach as f64 / (end - start) as f64).clamp(1.0, trials.len().max(1) as f64)
}

fn combined(weights: &[Weight], paths: &[Path], step: usize) -> f64 {
    weights.iter().map(|weight| weight.share * paths[weight.method].values[step]).sum()
}

/// Returns the weights of the methods with the least errors; none if no row was scored.
fn weights((start, end): (usize, usize), paths: &[Path], trials: &[&Trial<'_>]) -> Vec<Weight> {
    let mut scores: Vec<Weight> = Vec::new();
    for (place, method) in methods::all().into_iter().enumerate() {
        // A season that no origin in the past knew has no evidence.
        let known = trials.iter().any(|trial| trial.paths[place].distinct);
        if !(known && paths[place].distinct) {
            continue;
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for trial in trials {
            let forecast = &trial.paths[place].values;
            let errors: Vec<f64> = (start..end.min(trial.came.len()))
                .filter_map(|step| Some((trial.came[step]? - forecast[step]).abs()))
                .collect();
            if errors.is_empty() {
                continue;
            }
            // Errors of one origin repeat each other: more rows are worth less than as many origins.
            let worth = (errors.len() as f64).sqrt();
            sum += worth * errors.iter().sum::<f64>() / errors.len() as f64;
            count += worth;
        }
        if count > 0.0 {
            let share = sum / count * (1.0 + PRICE * order(method));
            scores.push(Weight { method: place, share });
        }
    }
    // The sort is stable: of methods that are as good the simpler comes first.
    scores.sort_by(|a, b| a.share.total_cmp(&b.share));
    scores.truncate(COMBINED);
    let Some(least) = scores.first().map(|score| score.share) else { return scores };
    let size = mean(trials.iter().flat_map(|trial| trial.came.iter().flatten().copied()));
    // An exact method needs no other.
    if least <= EXACT * size {
        scores.truncate(1);
    }
    for score in &mut scores {
        score.share = if score.share > 0.0 { (least / score.share).powf(POWER) } else { 1.0 };
    }
    let total: f64 = scores.iter().map(|score| score.share).sum();
    for score in &mut scores {
        score.share /= total;
    }
    scores
}

fn order(method: Method) -> f64 {
    match method {
        Method::Smoothed(_, _, Trend::Damped | Trend::Theta) => 1.0,
        Method::Smoothed(_, _, Trend::Linear) => 3.0,
        Method::Naive | Method::Mean | Method::Smoothed(_, _, Trend::Flat) => 0.0,
    }
}

/// Returns the power of the forecast that errors grow with: 0 if not, 1 if in proportion.
fn kappa(pairs: &[Pair]) -> f64 {
    if pairs.len() < MANY {
        return 0.0;
    }
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.forecast.total_cmp(&b.forecast));
    let (low, high) = sorted.split_at(sorted.len() / 2);
    let level =
        |part: &[Pair]| part.iter().map(|pair| pair.forecast).sum::<f64>() / part.len() as f64;
    let error = |part: &[Pair]| {
        part.iter().map(|pair| (pair.came - pair.forecast).abs()).sum::<f64>() / part.len() as f64
    };
    if level(low) <= 0.0 || level(high) < 1.3 * level(low) || error(low) <= 0.0 {
        return 0.0;
    }
    ((error(high) / error(low)).ln() / (level(high) / level(low)).ln()).clamp(0.0, 1.0)
}

/// Returns by how much less the errors of a sum vary than the sum of the half-widths says: from each origin the error
/// of the sum and the sum of half-widths.
pub(super) fn cancelling(sums: &[Ends], rows: usize, level: f64) -> f64 {
    let mut shares: Vec<f64> =
        sums.iter().filter(|sum| sum.high > 0.0).map(|sum| sum.low.abs() / sum.high).collect();
    let least = (rows as f64).powf(-0.5);
    if shares.len() < 4 {
        return 1.0;
    }
    let place = level * (shares.len() + 1) as f64 / shares.len() as f64;
    quantile(&mut shares, place.min(1.0)).unwrap_or(1.0).clamp(least, 1.0)
}
