//! Named random streams: every draw is a function of `(seed, trial, stream, month)` alone.
//!
//! A trial can so be replayed by number, and a new draw in one stage never moves another.
//!
//! # Source
//! `ChaCha8`, a named and version-stable generator with a 64-bit stream number
//! (`rand_chacha`), because `StdRng` may change between releases.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// What the draws are for. The numbers are part of the file format: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// Minute-to-minute noise of the load.
    TrafficNoise = 1,
}

/// One stream of draws.
#[derive(Debug, Clone)]
pub struct Draws(ChaCha8Rng);

/// The stream of draws for one purpose in one month of one trial.
pub fn stream(seed: u64, trial: u32, stream: Stream, month: u32) -> Draws {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&trial.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream((u64::from(stream as u8) << 32) | u64::from(month));
    Draws(rng)
}

impl Draws {
    /// A uniform draw in (0, 1), never either end.
    pub fn uniform(&mut self) -> f64 {
        const HALF_STEP: f64 = 1.0 / 18_014_398_509_481_984.0; // 2^-54
        (self.0.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0 + HALF_STEP
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }
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
}
