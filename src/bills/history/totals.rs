//! Sums of forecast rows, with intervals of their own: a sum of quantiles is no quantile of the sum.
//!
//! # Formula
//! ```text
//! mean       Σ mean
//! interval   mean ± r Σ half-widths      r: quantile of |Σ errors| / Σ half-widths at origins in the past, from
//!            1 / √rows (errors that cancel) to 1 (errors that repeat each other); 1 with fewer than four origins
//! median     Σ mean + r (Σ median − Σ mean)
//! rare       sums of as many rows of the past
//! ```

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use super::{
    Distance, Fit, History, Interval, Step, Total,
    weigh::{Ends, cancelling},
};

impl History {
    /// Returns the sums of the rows to come: by month, or by year for months, and of all.
    pub(super) fn totals(
        &self,
        steps: &[Step],
        levels: &[f64],
        (fits, rare): (&BTreeMap<usize, Fit>, bool),
    ) -> Vec<Total> {
        let name = |moment: DateTime| match self.distance {
            Distance::Minutes(_) => moment.strftime("%Y-%m").to_string(),
            Distance::Months(_) => moment.strftime("%Y").to_string(),
        };
        let mut periods: Vec<(String, usize, usize)> = Vec::new();
        for (row, step) in steps.iter().enumerate() {
            let period = name(step.moment);
            match periods.last_mut() {
                Some(last) if last.0 == period => last.2 = row + 1,
                _ => periods.push((period, row, row + 1)),
            }
        }
        // The first and the last period may be parts; a part of a month is no month.
        let before = self.moments.last().map(|last| name(*last));
        let after = steps.last().map(|last| name(self.distance.after(last.moment, 1)));
        periods.retain(|(period, ..)| {
            Some(period) != before.as_ref() && Some(period) != after.as_ref()
        });
        if periods.len() != 1 || periods[0].2 - periods[0].1 < steps.len() {
            periods.push(("all rows".into(), 0, steps.len()));
        }
        let sums = self.past_sums(fits, levels, periods.iter().map(|(_, from, to)| to - from));
        let mut totals = Vec::new();
        for (place, (period, from, to)) in periods.into_iter().enumerate() {
            let rows = &steps[from..to];
            let mean: f64 = rows.iter().map(|step| step.mean).sum();
            let medians: f64 = rows.iter().map(|step| step.median).sum();
            let mut middle = medians;
            let mut intervals = Vec::new();
            for (index, level) in levels.iter().enumerate() {
                if rare {
                    let ends = fits[&self.values.len()].cleaned.sums(rows.len(), mean, *level);
                    intervals.push(Interval { level: *level, low: ends.low, high: ends.high });
                    middle = mean;
                    continue;
                }
                let share = cancelling(&sums[place][index], rows.len(), *level);
                // Rows that err together have the median of their sum where their medians are.
                let center = mean + share * (medians - mean);
                let low: f64 =
                    rows.iter().map(|step| step.median - step.intervals[index].low).sum();
                let high: f64 =
                    rows.iter().map(|step| step.intervals[index].high - step.median).sum();
                let (low, high) = ((center - share * low).max(0.0), center + share * high);
                intervals.push(Interval { level: *level, low, high });
                middle = if index == 0 { center } else { middle };
            }
            totals.push(Total { period, rows: rows.len(), mean, median: middle, intervals });
        }
        totals
    }

    /// Returns the error of a sum of so many rows and the sum of its half-widths at each origin in the past, by length
    /// and level.
    fn past_sums(
        &self,
        fits: &BTreeMap<usize, Fit>,
        levels: &[f64],
        lengths: impl Iterator<Item = usize>,
    ) -> Vec<Vec<Vec<Ends>>> {
        let origin = self.values.len();
        let inner = self.inner(origin);
        let fit = &fits[&origin];
        let from = origin - fit.cleaned.values.len();
        let reach = inner.last().map_or(1, |oldest| origin - oldest);
        let blocks = if fit.cleaned.ended { Vec::new() } else { self.blocks(fits, origin, reach) };
        lengths
            .map(|length| {
                let sum = |level: &f64| -> Vec<Ends> {
                    let mut sums = Vec::new();
                    for inner in &inner {
                        // A sum of a few rows says nothing of one of many.
                        if 2 * (origin - inner) < length.min(reach) {
                            continue;
                        }
                        let (mut error, mut width) = (0.0, 0.0);
                        for block in &blocks {
                            for step in block.start..block.end.min(origin - inner).min(length) {
                                let row = inner + step;
                                if row < from || fit.cleaned.odd[row - from] {
                                    continue;
                                }
                                let median = block.median(&fits[inner].paths, step);
                                let ends = block.ends(median, step, *level);
                                error += self.values[row] - block.mean(median);
                                width += (ends.high - ends.low) / 2.0;
                            }
                        }
                        sums.push(Ends { low: error, high: width });
                    }
                    sums
                };
                levels.iter().map(sum).collect()
            })
            .collect()
    }
}
