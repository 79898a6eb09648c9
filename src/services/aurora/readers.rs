//! Readers that follow the load: Application Auto Scaling of `ReadReplicaCount`.
//!
//! # Formula
//! ```text
//! wanted(minute) = ceil(read queries per second × CPU s per query / target / vCPU)
//! out: after 3 minutes above the count, to the wanted one; serves and bills from its creation on
//! in : after 15 minutes below it, one reader at a time; 300 s between two acts
//! ```
//! # Source
//! Sizing reference 6.3 (Aurora user guide, "Amazon Aurora Auto Scaling with Aurora Replicas"): target
//! tracking, cooldowns of 300 s; 3 and 15 one-minute points are [recalled].
//! # Limits
//! A new reader serves after 5 to 15 minutes in life; until then the others carry its load, which is not
//! counted as a shortage here.

use crate::shapes::AuroraFacts;

/// Readers of a month.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Readers {
    /// Hours of all readers.
    pub hours: f64,
    /// Most at once.
    pub peak: u32,
}

/// Follows the load of a month between `least` and `most` readers.
pub fn follow(
    minutes: &[f64],
    (least, most): (u32, u32),
    facts: &AuroraFacts,
    wanted: impl Fn(f64) -> u32,
) -> Readers {
    let wish = |sessions: &f64| wanted(*sessions).clamp(least, most);
    let mut count = minutes.first().map_or(least, wish);
    let mut readers = Readers { hours: 0.0, peak: count };
    let mut reader_minutes = 0_u64;
    let (mut above, mut below, mut rest) = (0, 0, 0);
    for sessions in minutes {
        let wished = wish(sessions);
        above = if wished > count { above + 1 } else { 0 };
        below = if wished < count { below + 1 } else { 0 };
        if rest > 0 {
            rest -= 1;
        } else if above >= facts.reader_scale_out_minutes {
            count = wished;
            rest = facts.reader_cooldown_minutes;
        } else if below >= facts.reader_scale_in_minutes {
            count -= 1;
            rest = facts.reader_cooldown_minutes;
        }
        readers.peak = readers.peak.max(count);
        reader_minutes += u64::from(count);
    }
    readers.hours = reader_minutes as f64 / 60.0;
    readers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Fixture;

    fn run(minutes: &[f64]) -> Readers {
        let fixture = Fixture::new("2027-04");
        follow(minutes, (1, 4), &fixture.catalog.controllers.aurora, |sessions| sessions as u32)
    }

    #[test]
    fn a_steady_load_keeps_its_readers_within_bounds() {
        assert_eq!(run(&[2.0; 60]), Readers { hours: 2.0, peak: 2 });
        assert_eq!(run(&[9.0; 60]).peak, 4);
        assert_eq!(run(&[0.0; 60]), Readers { hours: 1.0, peak: 1 });
    }

    /// Two minutes above the count do nothing; three add readers, which go one by one after 15 minutes
    /// below and a rest of five.
    #[test]
    fn short_peaks_are_ignored_and_readers_go_slowly() {
        let load = |peak: usize| {
            let mut load = vec![1.0; 10];
            load.extend(vec![3.0; peak]);
            load.extend([1.0; 60]);
            load
        };
        assert_eq!(run(&load(2)).peak, 1);
        let readers = run(&load(3));
        assert_eq!(readers.peak, 3);
        assert!(readers.hours > 73.0 / 60.0 + 2.0 * 15.0 / 60.0, "{readers:?}");
    }
}
