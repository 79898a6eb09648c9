//! Sensitivity: the share of variance that each input explains alone.
//!
//! # Formula
//! ```text
//! S_i = Var( E[cost | x_i] ) / Var(cost)         first-order Sobol index
//! estimate: trials in K groups of equal size by x_i (of equal value where there are few),
//!   η² = Σ n_k (mean_k − mean)² / Σ (cost − mean)²,     S = 1 − (1 − η²) (n − 1)/(n − K),   not below 0
//! ```
//! It is taken from the trials that are there: a design of its own would double them. The correction takes
//! off what K groups of pure noise would explain.
//!
//! # Source
//! Plischke, Borgonovo and Smith, "Global sensitivity measures from given data", European Journal of
//! Operational Research 226 (2013); the correction is Kelley's ε² (PNAS 21, 1935).
//! # Limits
//! Inputs that are correlated share what they do together: the shares may add up to more than one.

use super::{Gathered, usd};
use crate::plan::spread::{End, Influence};

/// Trials in a group at least, and groups at most.
const GROUP: usize = 12;
const MOST_GROUPS: usize = 20;

/// Trials by rising value, in groups of equal size; where fewer values than groups were drawn, one a value.
fn groups(values: &[f64]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
    let count = (values.len() / GROUP).clamp(2, MOST_GROUPS);
    let same = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]).is_eq();
    let distinct: Vec<Vec<usize>> = order.chunk_by(same).map(<[usize]>::to_vec).collect();
    if distinct.len() <= count {
        return distinct;
    }
    let n = order.len();
    (0..count).map(|k| order[k * n / count..(k + 1) * n / count].to_vec()).collect()
}

/// The corrected share of variance between groups.
fn share(values: &[f64], costs: &[f64]) -> f64 {
    let n = costs.len() as f64;
    let mean = costs.iter().sum::<f64>() / n;
    let all: f64 = costs.iter().map(|cost| (cost - mean).powi(2)).sum();
    let groups = groups(values);
    let k = groups.len() as f64;
    if all <= 0.0 || groups.len() < 2 || n <= k {
        return 0.0;
    }
    let between = |group: &Vec<usize>| {
        let size = group.len() as f64;
        let own = group.iter().map(|trial| costs[*trial]).sum::<f64>() / size;
        size * (own - mean).powi(2)
    };
    let explained = groups.iter().map(between).sum::<f64>() / all;
    (1.0 - (1.0 - explained) * (n - 1.0) / (n - k)).max(0.0)
}

/// The lowest and the highest fifth of the trials by an input.
pub(super) fn fifths(values: &[f64]) -> [Vec<usize>; 2] {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
    let fifth = (order.len() / 5).max(1);
    let (first, last) = (values[order[0]], values[order[order.len() - 1]]);
    // Where most trials have the same value at an end (a launch that happens), all of them are meant.
    let mut low = order[..fifth].to_vec();
    low.extend(order[fifth..].iter().take_while(|t| values[**t].total_cmp(&first).is_eq()));
    let mut high = order[order.len() - fifth..].to_vec();
    let before = order[..order.len() - fifth].iter().rev();
    high.extend(before.take_while(|t| values[**t].total_cmp(&last).is_eq()));
    [low, high]
}

/// What users bring is drawn too and moves no cost: its share would be noise.
const REVENUE: &str = "revenue.";

/// How much of the variance of the cost goes with each input.
pub(super) struct Explained {
    /// Every input that costs may depend on, the most influential first.
    pub(super) influences: Vec<Influence>,
    /// Share of the variance that goes with none of them alone.
    pub(super) unexplained: f64,
}

pub(super) fn explain(gathered: &Gathered<'_>) -> Explained {
    let costs = &gathered.totals;
    let mean = |values: &[f64], trials: &[usize]| {
        trials.iter().map(|trial| values[*trial]).sum::<f64>() / trials.len() as f64
    };
    let influence = |(place, name): (usize, &String)| {
        let values: Vec<f64> = gathered.samples.iter().map(|s| s.drawn[place]).collect();
        let end =
            |trials: &[usize]| End { value: mean(&values, trials), cost: usd(mean(costs, trials)) };
        let [low, high] = fifths(&values);
        Influence {
            input: name.clone(),
            share: share(&values, costs),
            low: end(&low),
            high: end(&high),
        }
    };
    let drawn = gathered.settings.drawn.iter().enumerate();
    let mut influences: Vec<Influence> =
        drawn.filter(|(_, name)| !name.starts_with(REVENUE)).map(influence).collect();
    influences.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.input.cmp(&b.input)));
    let explained: f64 = influences.iter().map(|influence| influence.share).sum();
    Explained { influences, unexplained: (1.0 - explained).max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::random::{Stream, stream};

    /// y = 2a + b + e with unit variances: a has 4/6 of it, b 1/6; c has none.
    #[test]
    fn shares_are_those_of_a_sum() {
        let mut draws = stream(1, 0, Stream::Inputs, 0);
        let mut rows: Vec<[f64; 4]> = Vec::new();
        for _ in 0..2000 {
            rows.push(std::array::from_fn(|_| draws.normal()));
        }
        let y: Vec<f64> = rows.iter().map(|[a, b, _, e]| 2.0 * a + b + e).collect();
        let of = |place: usize| {
            let values: Vec<f64> = rows.iter().map(|row| row[place]).collect();
            share(&values, &y)
        };
        for (place, expected) in [(0, 4.0 / 6.0), (1, 1.0 / 6.0), (2, 0.0)] {
            assert!((of(place) - expected).abs() < 0.03, "{place}: {}", of(place));
        }
    }

    #[test]
    fn a_launch_is_two_groups() {
        let values: Vec<f64> = (0..100).map(|t| f64::from(u8::from(t % 4 == 0))).collect();
        let costs: Vec<f64> = values.iter().map(|v| 10.0 + 5.0 * v).collect();
        assert!((share(&values, &costs) - 1.0).abs() < 1e-9);
        let [low, high] = fifths(&values);
        assert_eq!((low.len(), high.len()), (75, 25));
    }

    #[test]
    fn what_does_not_vary_drives_nothing() {
        assert!(share(&[1.0; 50], &[2.0; 50]).abs() < 1e-12);
    }
}
