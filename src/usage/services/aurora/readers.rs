//! Readers that follow the load: Application Auto Scaling of `ReadReplicaCount`.
//!
//! # Formula
//! ```text
//! wanted(minute) = ceil(read queries per second × CPU s per query / target / vCPU)
//!                  0 while the writer alone stays at its target, where there may be none
//! out: after 3 minutes above the count, to the wanted one; billed from its creation, serves 10 minutes later
//! in : after 15 minutes below it, one reader at a time; 300 s between two acts
//! stopped: no reader is billed and nothing is decided; the cluster starts with the readers it had
//! ```
//! # Source
//! Aurora user guide, "Amazon Aurora Auto Scaling with Aurora Replicas": target
//! tracking, cooldowns of 300 s; 3 and 15 one-minute points are `[recalled]`.
//! # Limits
//! A month's bill counts readers and not what the others carry while one is being created;
//! `runrate simulate` shows that.

use crate::facts::shapes::AuroraFacts;

/// How many readers an autoscaled cluster may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderLimits {
    /// Fewest.
    pub least: u32,
    /// Most.
    pub most: u32,
}

/// Readers of a cluster that is stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readers {
    /// At the start.
    pub first: u32,
    /// From then on.
    pub limits: ReaderLimits,
}

impl Readers {
    /// Returns a number of readers that never changes.
    pub fn fixed(count: u32) -> Self {
        Self { first: count, limits: ReaderLimits { least: count, most: count } }
    }
}

/// Readers of a month.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReaderHours {
    /// Hours of all readers.
    pub hours: f64,
    /// The same by the hour; empty where all are alike.
    pub hourly: Vec<f64>,
    /// Most at once.
    pub peak: u32,
}

/// The scaling policy between two of its one-minute points.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaler {
    /// Readers that exist and are billed.
    pub count: u32,
    /// Readers among them that are still being created: in how many minutes each serves.
    creating: Vec<u32>,
    above: u32,
    below: u32,
    rest: u32,
}

impl Scaler {
    /// A policy that starts with `count` readers.
    pub fn new(count: u32) -> Self {
        Self { count, creating: Vec::new(), above: 0, below: 0, rest: 0 }
    }

    /// Readers that serve.
    pub fn serving(&self) -> u32 {
        self.count - self.creating.len() as u32
    }

    /// One minute in which the cluster is stopped: its metrics have no data, so no alarm counts on.
    pub fn rest(&mut self) {
        (self.above, self.below) = (0, 0);
        self.rest = self.rest.saturating_sub(1);
    }

    /// One minute: follows the wish by the rules of target tracking, which act only while all readers
    /// are available.
    pub fn minute(&mut self, wished: u32, facts: &AuroraFacts) {
        for left in &mut self.creating {
            *left = left.saturating_sub(1);
        }
        self.creating.retain(|left| *left > 0);
        self.above = if wished > self.count { self.above + 1 } else { 0 };
        self.below = if wished < self.count { self.below + 1 } else { 0 };
        if self.rest > 0 {
            self.rest -= 1;
        } else if !self.creating.is_empty() {
            // The gate: nothing is decided while a reader is on its way.
        } else if self.above >= facts.reader_scale_out_minutes {
            let more = (wished - self.count) as usize;
            self.creating.extend(std::iter::repeat_n(facts.reader_creation_minutes, more));
            self.count = wished;
            self.rest = facts.reader_cooldown_minutes;
        } else if self.below >= facts.reader_scale_in_minutes {
            self.count -= 1;
            self.rest = facts.reader_cooldown_minutes;
        }
    }
}

/// Readers wanted for queries that keep so many cores `busy`, with `cores` of an instance in use at the target.
pub fn wanted(busy: f64, write_share: f64, cores: f64, least: u32) -> u32 {
    if least == 0 && busy <= cores {
        return 0;
    }
    (busy * (1.0 - write_share) / cores).ceil() as u32
}

/// Follows the load of a month within the limits; `runs` says in which minutes the cluster does.
pub fn follow(
    minutes: &[f64],
    runs: impl Fn(usize) -> bool,
    limits: ReaderLimits,
    facts: &AuroraFacts,
    wanted: impl Fn(f64) -> u32,
) -> ReaderHours {
    let wish = |sessions: &f64| wanted(*sessions).clamp(limits.least, limits.most);
    let mut scaler = Scaler::new(minutes.first().map_or(limits.least, wish));
    let mut readers = ReaderHours::default();
    let mut reader_minutes = 0_u64;
    for (hour, minutes) in minutes.chunks(60).enumerate() {
        let before = reader_minutes;
        for (minute, sessions) in minutes.iter().enumerate() {
            if !runs(60 * hour + minute) {
                scaler.rest();
                continue;
            }
            scaler.minute(wish(sessions), facts);
            readers.peak = readers.peak.max(scaler.count);
            reader_minutes += u64::from(scaler.count);
        }
        readers.hourly.push((reader_minutes - before) as f64 / 60.0);
    }
    readers.hours = reader_minutes as f64 / 60.0;
    readers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    fn run(minutes: &[f64]) -> ReaderHours {
        let fixture = Fixture::new("2027-04");
        run_while(minutes, |_| true, &fixture)
    }

    fn run_while(minutes: &[f64], runs: impl Fn(usize) -> bool, fixture: &Fixture) -> ReaderHours {
        let facts = &fixture.catalog.controllers.aurora;
        follow(minutes, runs, ReaderLimits { least: 1, most: 4 }, facts, |sessions| sessions as u32)
    }

    #[test]
    fn a_steady_load_keeps_its_readers_within_bounds() {
        assert_eq!(run(&[2.0; 60]), ReaderHours { hours: 2.0, hourly: vec![2.0], peak: 2 });
        assert_eq!(run(&[9.0; 60]).peak, 4);
        assert_eq!(run(&[0.0; 60]), ReaderHours { hours: 1.0, hourly: vec![1.0], peak: 1 });
    }

    /// Two hours of work, ten stopped, two of work: four hours of two readers, whatever the load would have
    /// asked for in between, and the second reader is still there when the cluster starts.
    #[test]
    fn a_stopped_cluster_has_no_reader_to_bill() {
        let fixture = Fixture::new("2027-04");
        let runs = |minute: usize| !(120..720).contains(&minute);
        let mut load = vec![2.0; 14 * 60];
        load[120..720].fill(0.0);
        let readers = run_while(&load, runs, &fixture);
        assert_eq!((readers.hours, readers.peak), (8.0, 2));
        assert_eq!(readers.hourly[..3], [2.0, 2.0, 0.0]);
        assert_eq!(readers.hourly[11..], [0.0, 2.0, 2.0]);
    }

    /// Four cores of queries, half of them writes, on instances that give 1.4 at their target: two readers. At one
    /// core the writer is enough, and only a cluster that must have a reader keeps one.
    #[test]
    fn readers_come_from_none() {
        assert_eq!([0, 1].map(|least| wanted(4.0, 0.5, 1.4, least)), [2, 2]);
        assert_eq!([0, 1].map(|least| wanted(1.0, 0.5, 1.4, least)), [0, 1]);
        let facts = &Fixture::new("2027-04").catalog.controllers.aurora;
        let mut load = vec![0.0; 60];
        load.extend(vec![2.0; 60]);
        let readers = follow(
            &load,
            |_| true,
            ReaderLimits { least: 0, most: 4 },
            facts,
            |sessions| sessions as u32,
        );
        assert_eq!((readers.peak, readers.hourly[0]), (2, 0.0));
        assert!(readers.hours > 1.8, "{readers:?}");
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
