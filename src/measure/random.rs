//! Named random streams: every draw is a function of `(seed, trial, stream, part)` alone.
//!
//! A trial can so be replayed by number, and a new draw in one stage never moves another.
//!
//! # Source
//! `ChaCha8`, a named and version-stable generator with a 64-bit stream number
//! (`rand_chacha`), because `StdRng` may change between releases. Keyed draws mix with the finalizer of
//! `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use statrs::distribution::{ContinuousCDF, Normal};

/// What the draws are for. The numbers are part of the file format: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// Minute-to-minute noise of the load.
    TrafficNoise = 1,
    /// Latencies, interruptions and choices of a cluster.
    Cluster = 2,
    /// Where spot capacity is short.
    SpotSupply = 3,
    /// Values of the scenario's ranges.
    Inputs = 4,
    /// How users stray from their curve.
    Growth = 5,
    /// Which launches happen.
    Launches = 6,
    /// What spot capacity costs.
    SpotPrices = 7,
    /// Which candidates a search looks at.
    Search = 8,
}

/// One stream of draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws(ChaCha8Rng);

/// Returns the stream of draws for one purpose in one part (month, account) of one trial.
pub fn stream(seed: u64, trial: u32, stream: Stream, part: u32) -> Draws {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&trial.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream((u64::from(stream as u8) << 32) | u64::from(part));
    Draws(rng)
}

impl Draws {
    /// Returns a uniform draw in (0, 1), never either end.
    pub fn uniform(&mut self) -> f64 {
        unit(self.0.next_u64())
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Returns a key for [`keyed`] draws.
    pub fn key(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a standard normal draw.
    pub fn normal(&mut self) -> f64 {
        Normal::standard().inverse_cdf(self.uniform())
    }

    /// Returns an exponential draw with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Returns a lognormal draw.
    pub fn lognormal(&mut self, Lognormal { median, sigma }: Lognormal) -> f64 {
        if sigma <= 0.0 {
            return median;
        }
        median * (sigma * self.normal()).exp()
    }
}

/// A lognormal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lognormal {
    /// The median.
    pub median: f64,
    /// The logarithmic standard deviation; at 0, every draw is the median.
    pub sigma: f64,
}

impl Lognormal {
    /// Returns the distribution with this median and this 95th percentile.
    pub fn from_p95(median: f64, p95: f64) -> Self {
        /// The standard normal distribution's 95th percentile.
        const Z95: f64 = 1.644_853_626_951_472_2;
        let sigma = if median > 0.0 && p95 > median { (p95 / median).ln() / Z95 } else { 0.0 };
        Self { median, sigma }
    }
}

/// Returns a number for a name, the same whatever else there is (FNV-1a): draws are named by it.
pub fn name(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |id, byte| {
        (id ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Returns a uniform draw in (0, 1) that depends on its names alone, whatever the order of the draws.
pub fn keyed(key: u64, names: [u64; 2]) -> f64 {
    let mut state = key;
    for name in names {
        state = mix(state ^ mix(name.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    }
    unit(state)
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn unit(bits: u64) -> f64 {
    const HALF_STEP: f64 = 1.0 / 18_014_398_509_481_984.0; // 2^-54
    (bits >> 11) as f64 / 9_007_199_254_740_992.0 + HALF_STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_replays_and_streams_differ() {
        let take = |trial, month| {
            let mut draws = stream(7, trial, Stream::TrafficNoise, month);
            [draws.uniform(), draws.uniform()]
        };
        assert_eq!(take(0, 0), take(0, 0));
        assert_ne!(take(0, 0), take(1, 0));
        assert_ne!(take(0, 0), take(0, 1));
    }

    #[test]
    fn uniform_draws_stay_inside_and_have_their_mean() {
        let mut draws = stream(1, 0, Stream::TrafficNoise, 0);
        let values: Vec<f64> = (0..20_000).map(|_| draws.uniform()).collect();
        assert!(values.iter().all(|u| *u > 0.0 && *u < 1.0));
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}"); // 0.2887 / sqrt(20,000) = 0.002
    }

    #[test]
    fn keyed_draws_are_even_and_know_their_names() {
        let mean = (0..20_000).map(|n| keyed(3, [n, 5])).sum::<f64>() / 20_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_ne!(keyed(3, [1, 2]), keyed(3, [2, 1]));
        assert_ne!(keyed(3, [1, 2]), keyed(4, [1, 2]));
    }

    /// Median 45 s and p95 80 s: about one in twenty above 80.
    #[test]
    fn a_lognormal_has_its_quantiles() {
        let mut draws = stream(1, 0, Stream::Cluster, 0);
        let startup = Lognormal::from_p95(45.0, 80.0);
        let values: Vec<f64> = (0..20_000).map(|_| draws.lognormal(startup)).collect();
        let above = |limit: f64| values.iter().filter(|v| **v > limit).count() as f64 / 20_000.0;
        assert!((above(45.0) - 0.5).abs() < 0.015 && (above(80.0) - 0.05).abs() < 0.006);
    }
}
