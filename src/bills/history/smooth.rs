//! Exponential smoothing of a level, with or without a slope.
//!
//! # Formula
//! ```text
//! level      l_t = f_t + α (y_t − f_t)        f_t = l_(t−1) + φ b_(t−1)
//! slope      b_t = φ b_(t−1) + α β (y_t − f_t)
//! forecast   l_n + b_n (φ + φ² + … + φ^h) + ρ^h (y_n − l_n)
//! theta      b: half of the least-squares slope, constant; no other slope
//! ```
//! α, β, φ and ρ are those of a fixed grid that have the least mean absolute error at four distances up to one cycle.
//! # Source
//! Gardner and `McKenzie`, "Forecasting trends in time series" (1985); Taylor, "Short-term electricity demand
//! forecasting using double seasonal exponential smoothing" (2003), for ρ; Hyndman and Billah, "Unmasking the Theta
//! method" (2003).

/// Rows of which every second one is scored.
const MANY: usize = 150;

/// What a level does after the last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trend {
    /// It stays.
    Flat,
    /// It grows by less each row.
    Damped,
    /// It grows by half of the mean growth of the past.
    Theta,
    /// It grows on.
    Linear,
}

/// Every trend, the simplest first.
pub(super) const TRENDS: [Trend; 4] = [Trend::Flat, Trend::Damped, Trend::Theta, Trend::Linear];

/// A smoothed level at the last row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Level {
    start: f64,
    slope: f64,
    damping: f64,
    gap: f64,
    memory: f64,
}

/// One point of the grid.
#[derive(Debug, Clone, Copy)]
struct Weights {
    level: f64,
    slope: f64,
    damping: f64,
}

impl Trend {
    fn grid(self) -> (&'static [f64], &'static [f64], &'static [f64]) {
        const FLAT: &[f64] = &[0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0];
        const SLOPED: &[f64] = &[0.05, 0.15, 0.3, 0.6, 0.95];
        match self {
            Self::Flat | Self::Theta => (FLAT, &[0.0], &[1.0]),
            Self::Damped => (SLOPED, &[0.02, 0.1, 0.5], &[0.85, 0.97]),
            Self::Linear => (SLOPED, &[0.0, 0.05, 0.2], &[1.0]),
        }
    }
}

impl Level {
    /// Fits a level to rows; `cycle` is the distance up to which its errors count.
    pub(super) fn fit(rows: &[f64], trend: Trend, cycle: usize) -> Self {
        let Some(first) = rows.first() else { return Self::default() };
        let (start, slope) = match trend {
            Trend::Flat => (*first, 0.0),
            Trend::Theta => (*first, line(rows).1 / 2.0),
            Trend::Linear => line(rows),
            Trend::Damped => line(&rows[..rows.len().min(12)]),
        };
        let far = cycle.min(rows.len() / 3).max(1);
        let mut distances = vec![1, far.div_ceil(4), far.div_ceil(2), far];
        distances.dedup();
        let memories: &[f64] = if rows.len() < 24 { &[0.0] } else { &[0.0, 0.6, 0.85, 0.95] };
        let (levels, slopes, dampings) = trend.grid();
        let mut best = (f64::INFINITY, Self::default());
        for level in levels {
            for slope_weight in slopes {
                for damping in dampings {
                    let weights =
                        Weights { level: *level, slope: *slope_weight, damping: *damping };
                    let found = run(rows, (start, slope), weights, (&distances, memories));
                    if found.0 < best.0 * (1.0 - 1e-9) {
                        best = found;
                    }
                }
            }
        }
        best.1
    }

    /// Returns the forecast so many rows after the last one.
    pub(super) fn after(&self, steps: usize) -> f64 {
        let reach = i32::try_from(steps).unwrap_or(i32::MAX);
        self.start + self.slope * growth(self.damping, steps) + self.gap * self.memory.powi(reach)
    }
}

/// Returns `φ + φ² + … + φ^h`.
fn growth(damping: f64, steps: usize) -> f64 {
    if damping >= 1.0 {
        return steps as f64;
    }
    let reach = i32::try_from(steps).unwrap_or(i32::MAX);
    damping * (1.0 - damping.powi(reach)) / (1.0 - damping)
}

/// Returns the error of one choice of weights with its best memory, and the level that it ends with.
fn run(
    rows: &[f64],
    (mut level, mut slope): (f64, f64),
    weights: Weights,
    (distances, memories): (&[usize], &[f64]),
) -> (f64, Level) {
    let known = (rows.len() / 4).min(12);
    let every = if rows.len() > MANY { 2 } else { 1 };
    let mut errors = [0.0; 4];
    let ahead: Vec<(usize, f64, [f64; 4])> = distances
        .iter()
        .map(|steps| {
            let mut kept = [0.0; 4];
            for (kept, memory) in kept.iter_mut().zip(memories) {
                *kept = memory.powi(i32::try_from(*steps).unwrap_or(i32::MAX));
            }
            (*steps, growth(weights.damping, *steps), kept)
        })
        .collect();
    let far = distances.last().copied().unwrap_or(1);
    for (index, value) in rows.iter().enumerate() {
        let forecast = level + weights.damping * slope;
        // The first row starts the level, and is not forecast by it.
        let error = if index == 0 { value - level } else { value - forecast };
        level = if index == 0 {
            level + weights.level * error
        } else {
            forecast + weights.level * error
        };
        slope = if index == 0 {
            slope
        } else {
            weights.damping * slope + weights.level * weights.slope * error
        };
        if index < known || index + far >= rows.len() || index % every > 0 {
            continue;
        }
        for (steps, growth, kept) in &ahead {
            let base = rows[index + steps] - level - slope * growth;
            for (sum, kept) in errors.iter_mut().zip(kept) {
                *sum += (base - kept * (value - level)).abs();
            }
        }
    }
    let mut best = 0;
    // Those that are no memory repeat the first.
    for index in 1..memories.len() {
        // A memory has to earn its place.
        if errors[index] < 0.98 * errors[best] {
            best = index;
        }
    }
    let gap = rows.last().map_or(0.0, |last| last - level);
    let end = Level { start: level, slope, damping: weights.damping, gap, memory: memories[best] };
    (errors[best], end)
}

/// Returns the start and slope of the least-squares line through rows.
fn line(rows: &[f64]) -> (f64, f64) {
    let count = rows.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = rows.iter().sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for (index, value) in rows.iter().enumerate() {
        let place = index as f64 - middle;
        over += place * (value - mean);
        under += place * place;
    }
    let slope = if under > 0.0 { over / under } else { 0.0 };
    (mean - slope * middle, slope)
}
