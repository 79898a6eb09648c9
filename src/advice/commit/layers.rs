//! Layers of a product, the usage of each, and the months in which it pays to buy one.

use super::offer::hours;
use crate::{
    measure::calendar::Month,
    money::rate::commitment::{Eligible, Reach},
};

/// Maximum number of layers of a product.
pub(super) const LAYERS: usize = 48;

/// On-demand cost that each layer of a product covers in one trial, by layer and month, in USD.
pub(super) type Used = Vec<Vec<f64>>;

/// Returns the usage of each layer by month: layers are filled in the order of a plan.
pub(super) fn layers(
    width: f64,
    months: &[Vec<Eligible>],
    reach_of: impl Fn(&[Eligible]) -> Result<Reach, String>,
) -> Result<Used, String> {
    let mut used = vec![vec![0.0; months.len()]; LAYERS];
    for (month, lines) in months.iter().enumerate() {
        let reach = reach_of(lines)?;
        let width = width * reach.gives;
        for hour in 0..hours(lines) {
            let mut at = 0.0;
            for candidate in &reach.candidates {
                let line = &lines[candidate.place];
                let value = line.on_demand / candidate.takes;
                let mut rest = line.left[hour] * candidate.takes;
                while rest > 1e-12 {
                    let layer = (at / width + 1e-9) as usize;
                    if layer >= LAYERS {
                        break;
                    }
                    let part = rest.min(((layer + 1) as f64 * width - at).max(1e-9));
                    used[layer][month] += part * value;
                    at += part;
                    rest -= part;
                }
            }
        }
    }
    Ok(used)
}

/// When purchases may be made.
pub(super) struct Horizon {
    pub(super) start: Month,
    pub(super) months: usize,
    /// Months of the plan before the first purchase.
    pub(super) first: usize,
    pub(super) every: usize,
    /// Months that a term touches.
    pub(super) term: usize,
    pub(super) term_hours: usize,
}

impl Horizon {
    pub(super) fn hours(&self, month: usize) -> usize {
        self.start.plus(month as u32).hours()
    }

    /// Returns whether a purchase may be made in a month.
    fn sells_in(&self, b: usize) -> bool {
        b >= self.first && (b - self.first).is_multiple_of(self.every)
    }

    /// Returns months of a purchase in month `b` up to `end`, with the hours of its term in each.
    fn terms(&self, b: usize, end: usize) -> impl Iterator<Item = (usize, f64)> {
        let mut left = self.term_hours;
        (b..(b + self.term).min(end)).map(move |month| {
            let hours = self.hours(month).min(left);
            left -= hours;
            (month, hours as f64)
        })
    }

    /// Returns the used value of a layer in this many hours of a month; after the plan, at the last month's level.
    fn used(&self, layer: &[f64], month: usize, hours: f64) -> f64 {
        let known = month.min(self.months - 1);
        layer[known] / self.hours(known) as f64 * hours
    }

    /// Returns the months that count: those of the plan and a term after them, so that a late purchase has as much
    /// time as an early one.
    fn end(&self) -> usize {
        self.months + self.term
    }

    /// Returns the worth of a purchase in each month: the usage that it covers, less its fee; none in a month in which
    /// none may be made.
    pub(super) fn worths(&self, layer: &[f64], fee: f64) -> Vec<Option<f64>> {
        let end = self.end();
        let worth = |b: usize| {
            self.terms(b, end).map(|(m, hours)| self.used(layer, m, hours) - fee * hours).sum()
        };
        (0..end).map(|b| self.sells_in(b).then(|| worth(b))).collect()
    }

    /// Returns the months of purchase with the highest worth together; some are after the plan.
    pub(super) fn best(&self, worths: &[Option<f64>]) -> Vec<usize> {
        let n = self.end();
        let mut value = vec![0.0; n + 1];
        let mut buys = vec![false; n];
        for b in (0..n).rev() {
            value[b] = value[b + 1];
            if let Some(worth) = worths[b] {
                let own = worth + value[(b + self.term).min(n)];
                if own > value[b] + 1e-9 {
                    (value[b], buys[b]) = (own, true);
                }
            }
        }
        let mut at = 0;
        let mut months = Vec::new();
        while at < n {
            if buys[at] {
                months.push(at);
                at += self.term;
            } else {
                at += 1;
            }
        }
        months
    }
}

/// Returns the worth of purchases in some months.
pub(super) fn worth_of(worths: &[Option<f64>], bought: &[usize]) -> f64 {
    bought.iter().filter_map(|b| worths[*b]).sum()
}
