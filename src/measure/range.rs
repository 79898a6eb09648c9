//! Uncertain numbers: a range, the distribution fitted to it, and how several of them move together.
//!
//! # Formula
//! ```text
//! P(x < low) = (1 − confidence)/2      P(x < mid) = 1/2      P(x < high) = (1 + confidence)/2
//! x(z) = g⁻¹( g(mid) + σ z ),   z standard normal,
//!        σ = (g(mid) − g(low)) / q below mid,  (g(high) − g(mid)) / q above it,  q = Φ⁻¹((1 + confidence)/2)
//! g(x) = ln(x − least) − ln(most − x)   bounded on both sides     (logit-normal)
//!        ln(x − least)                  bounded below             (lognormal)
//!       −ln(most − x)                   bounded above
//!        x                              without bounds            (normal)
//! correlated:  z = L u,  L Lᵀ = the matrix of 2 sin(π/6 · rank correlation)
//! ```
//! Two halves of a normal distribution, joined at the median on the scale on which the bounds of the
//! number lie at infinity: all three figures of the range are met exactly, nothing is drawn outside the
//! bounds, and a range that is lopsided stays so. A half whose end is on a bound has no such scale;
//! it is a half of a plain normal, cut off at the bound.
//!
//! # Source
//! Quantiles of the standard normal distribution: `statrs`. Johnson, "Systems of frequency curves generated
//! by methods of translation", Biometrika 36 (1949), for g. Rank correlation of a normal copula: Kruskal,
//! "Ordinal measures of association", JASA 53 (1958).
//! # Limits
//! A beta or a triangular distribution (`statrs` has both) has too few parameters to meet three
//! quantiles, so it was not taken. The density jumps at the median where the halves differ.

use nalgebra::DMatrix;
use statrs::distribution::{ContinuousCDF, Normal};

/// A number that is not known: an interval, and the value in the middle of what is likely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Low end of the interval.
    pub low: f64,
    /// Median: as likely to be too high as too low. The mid case takes it.
    pub mid: f64,
    /// High end.
    pub high: f64,
    /// Share of outcomes inside the interval.
    pub confidence: f64,
}

/// The least and the most that a number may be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds {
    /// The least.
    pub least: Option<f64>,
    /// The most.
    pub most: Option<f64>,
}

/// The confidence of a range that names none.
pub const CONFIDENCE: f64 = 0.8;

impl Range {
    /// Returns a number that is known.
    pub fn certain(value: f64) -> Self {
        Self { low: value, mid: value, high: value, confidence: CONFIDENCE }
    }

    /// What is wrong with a range, and what would be accepted.
    ///
    /// # Errors
    /// Ends out of order, a confidence that is no share, an end out of bounds.
    pub fn check(&self, bounds: Bounds) -> Result<(), String> {
        let Self { low, mid, high, confidence } = *self;
        if !(0.01..=0.999).contains(&confidence) {
            return Err(format!("confidence = {confidence} is out of range; give 0.01 to 0.999"));
        }
        if low > mid || mid > high {
            return Err(format!("{low}, {mid}, {high}: give low, mid and high in rising order"));
        }
        for end in [low, high] {
            let below = bounds.least.is_some_and(|least| end < least);
            let above = bounds.most.is_some_and(|most| end > most);
            if below || above {
                return Err(format!("{end} is out of range; give {}", bounds.accepted()));
            }
        }
        Ok(())
    }

    /// Returns the distribution of a number with these bounds.
    pub fn law(self, bounds: Bounds, whole: bool) -> Law {
        let q = Normal::standard().inverse_cdf(f64::midpoint(1.0, self.confidence));
        let half = |end: f64| {
            let (from, to) = (bounds.transform(self.mid), bounds.transform(end));
            if from.is_finite() && to.is_finite() {
                Half { bounded: true, center: from, sigma: (to - from).abs() / q }
            } else {
                Half { bounded: false, center: self.mid, sigma: (end - self.mid).abs() / q }
            }
        };
        Law { mid: self.mid, below: half(self.low), above: half(self.high), bounds, whole }
    }
}

impl Bounds {
    /// Returns the bounds in words.
    pub fn accepted(self) -> String {
        match (self.least, self.most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("{least} or more"),
            (None, Some(most)) => format!("{most} or less"),
            (None, None) => "any number".into(),
        }
    }

    fn transform(self, x: f64) -> f64 {
        let below = self.least.map(|least| (x - least).ln());
        let above = self.most.map(|most| (most - x).ln());
        match (below, above) {
            (Some(below), Some(above)) => below - above,
            (Some(below), None) => below,
            (None, Some(above)) => -above,
            (None, None) => x,
        }
    }

    fn inverse(self, t: f64) -> f64 {
        match (self.least, self.most) {
            (Some(least), Some(most)) => {
                // The share of the way from one bound to the other; written so that neither end overflows.
                let share =
                    if t > 0.0 { 1.0 / (1.0 + (-t).exp()) } else { t.exp() / (1.0 + t.exp()) };
                least + (most - least) * share
            }
            (Some(least), None) => least + t.exp(),
            (None, Some(most)) => most - (-t).exp(),
            (None, None) => t,
        }
    }

    /// Returns the nearest value within the bounds.
    pub fn clamp(self, x: f64) -> f64 {
        let x = self.least.map_or(x, |least| x.max(least));
        self.most.map_or(x, |most| x.min(most))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Half {
    /// On the scale of the bounds, or on the plain one.
    bounded: bool,
    center: f64,
    sigma: f64,
}

/// A fitted distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    mid: f64,
    below: Half,
    above: Half,
    bounds: Bounds,
    whole: bool,
}

impl Law {
    /// Returns the value at a standard normal deviate.
    pub fn at(&self, z: f64) -> f64 {
        let half = if z < 0.0 { self.below } else { self.above };
        let x = if half.sigma <= 0.0 || z == 0.0 {
            self.mid
        } else if half.bounded {
            self.bounds.inverse(half.center + half.sigma * z)
        } else {
            half.center + half.sigma * z
        };
        let x = self.bounds.clamp(x);
        if self.whole { self.bounds.clamp(x.round_ties_even()) } else { x }
    }

    /// Returns whether every draw is the same.
    pub fn is_certain(&self) -> bool {
        self.below.sigma <= 0.0 && self.above.sigma <= 0.0
    }
}

/// Numbers that move together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Copula {
    /// Places of the numbers that are correlated with any other.
    members: Vec<usize>,
    /// Lower triangle of the Cholesky factor, row by row.
    factor: Vec<Vec<f64>>,
}

impl Copula {
    /// From pairs of places with their rank correlation.
    ///
    /// # Errors
    /// Correlations that no numbers can have together, with the share of them that could be.
    pub fn new(pairs: &[(usize, usize, f64)]) -> Result<Self, String> {
        let mut members: Vec<usize> = pairs.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
        members.sort_unstable();
        members.dedup();
        let n = members.len();
        let place = |of: usize| members.binary_search(&of).unwrap_or_default();
        let matrix = |share: f64| {
            let mut matrix = DMatrix::<f64>::identity(n, n);
            for (a, b, rank) in pairs {
                let linear = 2.0 * (std::f64::consts::FRAC_PI_6 * rank * share).sin();
                matrix[(place(*a), place(*b))] = linear;
                matrix[(place(*b), place(*a))] = linear;
            }
            matrix
        };
        let Some(factor) = matrix(1.0).cholesky() else {
            let fits = |percent: &u32| matrix(f64::from(*percent) / 100.0).cholesky().is_some();
            let share = (0..100).rev().find(fits).unwrap_or(0);
            return Err(format!(
                "no numbers can be correlated like this; {share} % of each coefficient would be possible"
            ));
        };
        let factor = factor.l();
        let rows = (0..n).map(|row| (0..=row).map(|column| factor[(row, column)]).collect());
        Ok(Self { members, factor: rows.collect() })
    }

    /// Makes independent deviates move together.
    pub fn apply(&self, deviates: &mut [f64]) {
        let own: Vec<f64> = self.members.iter().map(|place| deviates[*place]).collect();
        for (place, row) in self.members.iter().zip(&self.factor) {
            deviates[*place] = row.iter().zip(&own).map(|(weight, z)| weight * z).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q80: f64 = 1.281_551_565_544_600_4;

    fn range(low: f64, mid: f64, high: f64) -> Range {
        Range { low, mid, high, confidence: 0.8 }
    }

    fn bounds(least: Option<f64>, most: Option<f64>) -> Bounds {
        Bounds { least, most }
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn the_three_figures_are_met_whatever_the_bounds() {
        for bounds in [
            bounds(None, None),
            bounds(Some(0.0), None),
            bounds(None, Some(30.0)),
            bounds(Some(0.0), Some(100_000.0)),
            bounds(Some(7.0), Some(26.0)),
        ] {
            let law = range(8.0, 12.0, 25.0).law(bounds, false);
            for (z, x) in [(-Q80, 8.0), (0.0, 12.0), (Q80, 25.0)] {
                near(law.at(z), x);
            }
        }
    }

    /// 8, 12, 18 is a lognormal: σ = ln 1.5 / 1.2816 = 0.3164; two deviates above it is 12 × e^0.6328 = 22.59.
    #[test]
    fn bounded_below_it_is_a_lognormal() {
        let law = range(8.0, 12.0, 18.0).law(bounds(Some(0.0), None), false);
        near(law.at(2.0), 12.0 * (2.0 * 1.5_f64.ln() / Q80).exp());
    }

    #[test]
    fn nothing_is_drawn_outside_the_bounds() {
        let law = range(0.0, 0.02, 0.9).law(bounds(Some(0.0), Some(1.0)), false);
        for z in [-9.0, -3.0, -Q80, 3.0, 9.0, 40.0, -40.0] {
            assert!((0.0..=1.0).contains(&law.at(z)), "{z}: {}", law.at(z));
        }
        near(law.at(-9.0), 0.0); // the low end stands on the bound: cut off there
        near(law.at(-Q80 / 2.0), 0.01);
    }

    #[test]
    fn a_range_of_one_value_is_that_value() {
        let law = range(5.0, 5.0, 5.0).law(bounds(Some(0.0), None), false);
        assert!(law.is_certain());
        near(law.at(3.0), 5.0);
        let half = range(5.0, 5.0, 9.0).law(bounds(Some(0.0), None), false);
        near(half.at(-3.0), 5.0);
        near(half.at(Q80), 9.0);
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let law = range(2.0, 3.0, 6.0).law(bounds(Some(1.0), None), true);
        for z in [-4.0, -0.3, 0.3, 2.2] {
            let x = law.at(z);
            near(x, x.round());
            assert!(x >= 1.0);
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let wrong = |range: Range| range.check(bounds(Some(0.0), Some(10.0))).unwrap_err();
        assert!(wrong(range(3.0, 2.0, 4.0)).contains("rising order"));
        assert!(wrong(range(-1.0, 2.0, 4.0)).contains("-1 is out of range; give 0 to 10"));
        assert!(wrong(Range { confidence: 1.0, ..range(1.0, 2.0, 3.0) }).contains("confidence"));
    }

    /// With a rank correlation of 0.5 the deviates' own is 2 sin(π/12) = 0.5176.
    #[test]
    fn deviates_move_together_and_the_first_stays() {
        let copula = Copula::new(&[(0, 2, 0.5)]).unwrap();
        let mut z = [1.0, -0.4, 0.0];
        copula.apply(&mut z);
        near(z[0], 1.0);
        near(z[1], -0.4);
        near(z[2], 2.0 * (std::f64::consts::PI / 12.0).sin());
    }

    #[test]
    fn impossible_correlations_name_what_is_possible() {
        let pairs = [(0, 1, 0.9), (1, 2, 0.9), (0, 2, -0.9)];
        let message = Copula::new(&pairs).unwrap_err();
        assert!(message.contains("% of each"), "{message}");
        let share = 0.53; // what the message says is accepted
        assert!(message.contains("53 %"), "{message}");
        Copula::new(&pairs.map(|(a, b, rank)| (a, b, rank * share))).unwrap();
    }
}
