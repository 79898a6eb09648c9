//! Finds what is no part of a series' usual course: outages, outliers, an unfinished last row, a shift of the level.
//!
//! # Formula
//! ```text
//! level      L: the 70 % quantile of one cycle around a row, interpolated
//! slot       S: median over cycles of y / L at the same place of the cycle
//! expected   E = L S
//! odd        |ln((y + ε) / (E + ε))| > max(ln 2, 7 σ), at most ln 33        ε = L / 50;  σ: 1.48 median |ln …|
//! ```
//! # Limits
//! Odd rows are replaced if they are few (a tenth of all) and short (an outage: two cycles; others: a quarter of one).
//! A longer run is the series' own course.

use super::weigh::Ends;

/// A past without its oddities.
#[derive(Debug, Clone, Default)]
pub(super) struct Cleaned {
    /// Values to fit.
    pub(super) values: Vec<f64>,
    /// Rows that say nothing of a forecast: missing, or replaced.
    pub(super) odd: Vec<bool>,
    /// Rows of outages.
    pub(super) outage: usize,
    /// Other outliers.
    pub(super) outliers: usize,
    /// Whether the last row looks unfinished.
    pub(super) unfinished: bool,
    /// The row at which the level shifted, and by which factor.
    pub(super) shift: Option<(usize, f64)>,
    /// Logarithm of value over expected value; 0 where a row is missing or nothing is expected.
    pub(super) apart: Vec<f64>,
    /// Whether the series has come to an end: nothing but zeros for longer than ever before.
    pub(super) ended: bool,
}

impl Cleaned {
    /// Returns the usual difference of a row from the one before.
    pub(super) fn step(&self) -> f64 {
        let mut steps: Vec<f64> =
            self.values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        quantile(&mut steps, 0.5).unwrap_or(0.0)
    }

    /// Returns the interval of the sum of so many rows around a mean, by sums of as many rows in the past.
    pub(super) fn sums(&self, rows: usize, mean: f64, level: f64) -> Ends {
        let width = rows.min(self.values.len() / 2).max(1);
        let usual = mean * width as f64 / rows as f64;
        let wider = (rows as f64 / width as f64).sqrt();
        let mut sums: Vec<f64> =
            self.values.windows(width).map(|part| part.iter().sum::<f64>() - usual).collect();
        let mut end = |share: f64| mean + wider * quantile(&mut sums, share).unwrap_or(0.0);
        let (low, high) = (end((1.0 - level) / 2.0), end(f64::midpoint(1.0, level)));
        Ends { low: low.clamp(0.0, mean), high: high.max(mean) }
    }
}

/// Cycles of which the slots' medians are taken.
const CYCLES: usize = 12;

/// Cleans a past. `cycle` is the longest cycle that repeats often enough, `short` the shortest.
pub(super) fn clean(values: &[f64], missing: &[bool], seasons: &[usize]) -> Cleaned {
    let rows = values.len();
    let short = seasons.first().copied().unwrap_or(1);
    let cycle = seasons.iter().copied().rfind(|cycle| 4 * cycle <= rows).unwrap_or(1);
    let mut cleaned =
        Cleaned { values: values.to_vec(), odd: missing.to_vec(), ..Cleaned::default() };
    join(&mut cleaned.values, missing);
    cleaned.apart = vec![0.0; rows];
    cleaned.ended = ended(values, missing, short);
    if cleaned.ended {
        return cleaned;
    }
    let window = if cycle > 1 { cycle } else { 7.min(rows) };
    let level = levels(&cleaned.values, missing, window);
    if level.iter().any(|level| *level <= 0.0) && zeros(values, missing) > 0.5 {
        return cleaned;
    }
    let slots = slots(&cleaned.values, missing, &level, cycle);
    let expected: Vec<f64> =
        level.iter().enumerate().map(|(row, level)| level * slots[row % cycle]).collect();
    let distance = |row: usize, value: f64| {
        let least = level[row] / 50.0;
        if least > 0.0 { ((value + least) / (expected[row] + least)).ln() } else { 0.0 }
    };
    for row in (0..rows).filter(|row| !missing[*row]) {
        cleaned.apart[row] = distance(row, values[row]);
    }
    let mut spread: Vec<f64> = (0..rows)
        .filter(|row| !missing[*row] && expected[*row] > 0.0)
        .map(|row| cleaned.apart[row].abs())
        .collect();
    let sigma = 1.4826 * quantile(&mut spread, 0.5).unwrap_or(0.0);
    if cycle > 1 {
        for row in (0..rows).filter(|row| missing[*row]) {
            cleaned.values[row] = expected[row];
        }
    }
    let threshold = (7.0 * sigma).max(2.0_f64.ln()).min(33.0_f64.ln());
    let odd = |apart: &f64| if apart.abs() > threshold { *apart } else { 0.0 };
    let found: Vec<f64> = cleaned.apart.iter().map(odd).collect();
    let count = found.iter().filter(|distance| **distance != 0.0).count();
    if count * 10 <= rows {
        replace(&mut cleaned, (&found, &expected, threshold), short);
    }
    shift(&mut cleaned, &slots, (short, cycle));
    cleaned
}

/// Draws a line over each gap.
fn join(values: &mut [f64], missing: &[bool]) {
    let known: Vec<usize> = (0..values.len()).filter(|row| !missing[*row]).collect();
    for pair in known.windows(2) {
        let (left, right) = (values[pair[0]], values[pair[1]]);
        let length = (pair[1] - pair[0]) as f64;
        for (index, value) in values[pair[0]..pair[1]].iter_mut().enumerate() {
            *value = left + index as f64 / length * (right - left);
        }
    }
    if let (Some(first), Some(last)) = (known.first(), known.last()) {
        let (start, end) = (values[*first], values[*last]);
        values[..*first].fill(start);
        values[last + 1..].fill(end);
    }
}

/// Returns whether the last rows are zeros, for longer than two cycles and three times longer than before.
fn ended(values: &[f64], missing: &[bool], short: usize) -> bool {
    let (mut run, mut longest) = (0, 0);
    for (value, missing) in values.iter().zip(missing) {
        if *value == 0.0 && !missing {
            run += 1;
        } else if !missing {
            longest = longest.max(run);
            run = 0;
        }
    }
    run >= (2 * short).max(8).max(3 * longest + 1)
}

fn zeros(values: &[f64], missing: &[bool]) -> f64 {
    let known = missing.iter().filter(|missing| !**missing).count().max(1);
    let zero = values.iter().zip(missing).filter(|(value, missing)| **value == 0.0 && !**missing);
    zero.count() as f64 / known as f64
}

/// Returns the level around each row.
fn levels(values: &[f64], missing: &[bool], window: usize) -> Vec<f64> {
    let rows = values.len();
    let window = window.min(rows).max(1);
    let stride = (window / 4).max(1);
    let mut centers: Vec<(usize, f64)> = Vec::new();
    let mut row = 0_usize;
    loop {
        let from = row.saturating_sub(window / 2).min(rows - window);
        let mut around: Vec<f64> =
            (from..from + window).filter(|row| !missing[*row]).map(|row| values[row]).collect();
        let usual = quantile(&mut around, 0.7);
        let before = centers.last().map_or(0.0, |(_, level)| *level);
        centers.push((row, usual.unwrap_or(before)));
        if row + 1 >= rows {
            break;
        }
        row = (row + stride).min(rows - 1);
    }
    let mut found = vec![centers[0].1; rows];
    for pair in centers.windows(2) {
        let ((from, left), (to, right)) = (pair[0], pair[1]);
        for (index, level) in found[from..=to].iter_mut().enumerate() {
            *level = left + index as f64 / (to - from) as f64 * (right - left);
        }
    }
    found
}

/// Returns the usual share of the level at each place of a cycle.
fn slots(values: &[f64], missing: &[bool], level: &[f64], cycle: usize) -> Vec<f64> {
    if cycle == 1 {
        return vec![1.0];
    }
    let rows = values.len();
    (0..cycle)
        .map(|slot| {
            let mut shares: Vec<f64> = (slot..rows)
                .step_by(cycle)
                .rev()
                .take(CYCLES)
                .filter(|row| !missing[*row] && level[*row] > 0.0)
                .map(|row| values[row] / level[row])
                .collect();
            quantile(&mut shares, 0.5).unwrap_or(1.0)
        })
        .collect()
}

/// Replaces odd rows, run by run.
fn replace(
    cleaned: &mut Cleaned,
    (found, expected, threshold): (&[f64], &[f64], f64),
    short: usize,
) {
    let rows = found.len();
    let mut from = 0;
    while from < rows {
        if found[from] == 0.0 {
            from += 1;
            continue;
        }
        let to = (from..rows).find(|row| found[*row] == 0.0).unwrap_or(rows);
        let run = from..to;
        let nothing = run.clone().all(|row| cleaned.values[row] <= 0.02 * expected[row]);
        let last = to == rows;
        let longest = match (nothing, last) {
            (true, _) => (2 * short).max(3),
            (false, false) => (short / 4).max(1),
            (false, true) => 1,
        };
        if run.len() <= longest {
            for row in run.clone() {
                let near = expected[row] * found[row].clamp(-threshold, threshold).exp();
                let dropped = nothing || last;
                cleaned.values[row] = if dropped { expected[row] } else { near };
                cleaned.odd[row] = true;
            }
            match (last && run.len() == 1 && found[from] < 0.0, nothing) {
                (true, _) => cleaned.unfinished = true,
                (false, true) => cleaned.outage += run.len(),
                (false, false) => cleaned.outliers += run.len(),
            }
        }
        from = to;
    }
}

/// Finds the last lasting shift of the level, and scales the rows before it.
fn shift(cleaned: &mut Cleaned, slots: &[f64], (short, cycle): (usize, usize)) {
    let rows = cleaned.values.len();
    let window = short.max(6);
    if rows < 3 * window {
        return;
    }
    let usual: Vec<f64> = (0..rows)
        .map(|row| {
            let slot = slots[row % cycle];
            if slot > 0.1 {
                (cleaned.values[row].max(0.0) / slot).max(1e-300).ln()
            } else {
                f64::NAN
            }
        })
        .collect();
    let middle = |from: usize, to: usize| {
        let mut part: Vec<f64> =
            usual[from..to].iter().copied().filter(|v| v.is_finite()).collect();
        quantile(&mut part, 0.5)
    };
    let mut steps: Vec<f64> = usual
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .filter(|step| step.is_finite())
        .collect();
    let noise = quantile(&mut steps, 0.75).unwrap_or(0.0);
    let least = 1.5_f64.ln().max(4.0 * noise);
    let mut best: Option<(usize, f64)> = None;
    for row in window..=rows - window {
        let jump = usual[row] - usual[row - 1];
        if !jump.is_finite() || jump.abs() < 0.6 * least {
            continue;
        }
        let (Some(before), Some(after)) = (middle(row - window, row), middle(row, row + window))
        else {
            continue;
        };
        let (Some(near), Some(next)) = (middle(row - 3, row), middle(row, row + 3)) else {
            continue;
        };
        let Some(rest) = middle(row, rows) else { continue };
        let by = after - before;
        let lasting = (rest - before) * by.signum() > 0.6 * by.abs();
        let sharp = (next - near) * by.signum() > 0.7 * by.abs();
        let stronger = best.is_none_or(|(_, best)| by.abs() > best.abs());
        if by.abs() > least && lasting && sharp && stronger {
            best = Some((row, by));
        }
    }
    // A level of nothing is no level to scale by.
    let Some((row, by)) = best.filter(|(_, by)| by.abs() < 4.0) else { return };
    let factor = by.exp();
    for value in &mut cleaned.values[..row] {
        *value *= factor;
    }
    cleaned.shift = Some((row, factor));
}

/// Returns a quantile of values in any order.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let place = (share * (values.len() - 1) as f64).round() as usize;
    let (_, found, _) = values.select_nth_unstable_by(place, f64::total_cmp);
    Some(*found)
}

/// Returns the mean; 0 of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}
