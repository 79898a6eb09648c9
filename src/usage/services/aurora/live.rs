//! The database tick by tick: capacity, readers, CPU and connections under a load.
//!
//! # Formula
//! ```text
//! CPU of the writer   = (writes, and all reads while there is no reader) × CPU of a query / vCPUs
//! CPU of the readers  = reads × CPU of a query / (readers that serve × vCPUs)
//! overloaded          = CPU above 1, or connections above max_connections − reserved
//! ```
//! Serverless capacity follows its need every 15 s ([`super::serverless`]), readers theirs every
//! minute ([`super::readers`]).
//! # Limits
//! Queries follow requests at once, served or not; an overloaded database does not slow the pods down.

use super::readers::{ReaderLimits, Readers};
use super::{
    readers::Scaler,
    serverless::{self, Serverless},
};
use crate::facts::shapes::AuroraFacts;

/// What the database is and carries, fixed for a month.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// What it runs on, as the plan names it.
    pub name: String,
    /// Queries a second for one session a minute.
    pub queries_per_session: f64,
    /// Share of queries that write.
    pub write_share: f64,
    /// CPU time of one query, in s.
    pub cpu_seconds: f64,
    /// Connections that one pod of each workload holds, by name.
    pub connections_per_pod: Vec<(String, u32)>,
    /// Connections of an instance that pods may use.
    pub usable_connections: f64,
    /// vCPUs of an instance of a class, or the limits of a serverless one and its need of memory, in ACU.
    pub size: Size,
    /// Readers.
    pub readers: Readers,
    /// Figures of the model.
    pub facts: AuroraFacts,
}

/// How an instance is sized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// vCPUs of a class.
    Class(f64),
    /// Limits, and what the working set asks for, in ACU.
    Serverless(Serverless, f64),
}

/// The database at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Queries a second.
    pub queries_per_second: f64,
    /// CPU of the writer, 1 is all of it.
    pub writer_cpu: f64,
    /// CPU of the readers that serve.
    pub reader_cpu: f64,
    /// Readers, those being created included.
    pub readers: u32,
    /// Capacity of an instance, in ACU; 0 for a class.
    pub acu: f64,
    /// Connections that pods hold.
    pub connections: f64,
    /// More is asked than it can give.
    pub overloaded: bool,
}

/// The database in motion.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    setup: Setup,
    scaler: Scaler,
    acu: f64,
    /// Seconds without a query.
    idle_seconds: u32,
    /// Seconds since the start.
    seconds: u32,
}

impl Database {
    /// A database of the size that the first load needs.
    pub fn new(setup: Setup, first_sessions_per_minute: f64) -> Self {
        let scaler = Scaler::new(setup.readers.first);
        let mut database = Self { setup, scaler, acu: 0.0, idle_seconds: u32::MAX, seconds: 0 };
        database.acu = database.wanted_acu(first_sessions_per_minute);
        database
    }

    /// What it runs on.
    pub fn name(&self) -> &str {
        &self.setup.name
    }

    /// Connections of each workload's pod.
    pub fn connections_per_pod(&self) -> &[(String, u32)] {
        &self.setup.connections_per_pod
    }

    fn wanted_acu(&self, sessions_per_minute: f64) -> f64 {
        let Size::Serverless(limits, memory) = self.setup.size else { return 0.0 };
        let facts = &self.setup.facts;
        if sessions_per_minute <= 0.0 {
            return limits.idle_acu(self.idle_seconds, facts);
        }
        let (writer, reader) = self.cores(sessions_per_minute);
        let vcpu = writer.max(reader) / facts.target_cpu_utilization;
        let need = (vcpu / facts.acu_vcpu).max(memory).max(limits.min_acu);
        serverless::half_steps(need, facts.acu_step).min(limits.max_acu)
    }

    /// Cores that the writer and one reader keep busy.
    fn cores(&self, sessions_per_minute: f64) -> (f64, f64) {
        let all = sessions_per_minute * self.setup.queries_per_session * self.setup.cpu_seconds;
        let serving = self.scaler.serving();
        if serving == 0 {
            return (all, 0.0);
        }
        let write = all * self.setup.write_share;
        (write, (all - write) / f64::from(serving))
    }

    /// One tick (seconds) in which the cluster is stopped: nothing runs, and it starts with its least capacity.
    pub fn rest(&mut self, tick: u32) -> Reading {
        let from = self.seconds;
        self.seconds += tick;
        for _ in from / 60..self.seconds / 60 {
            self.scaler.rest();
        }
        self.idle_seconds = u32::MAX;
        self.acu = self.wanted_acu(0.0);
        self.idle_seconds = 0;
        Reading::default()
    }

    /// One tick under a load, with the connections that pods hold.
    pub fn step(&mut self, sessions_per_minute: f64, connections: f64, tick: u32) -> Reading {
        let wanted = self.wanted_acu(sessions_per_minute);
        let idle = sessions_per_minute <= 0.0;
        self.idle_seconds = if idle { self.idle_seconds.saturating_add(tick) } else { 0 };
        let from = self.seconds;
        self.seconds += tick;
        if let Size::Serverless(..) = self.setup.size {
            for _ in from / 15..self.seconds / 15 {
                self.acu = serverless::step(self.acu, wanted, &self.setup.facts);
            }
        }
        for _ in from / 60..self.seconds / 60 {
            let wished = self.wished_readers(sessions_per_minute);
            self.scaler.minute(wished, &self.setup.facts);
        }
        let vcpu = match self.setup.size {
            Size::Class(vcpu) => vcpu,
            Size::Serverless(..) => self.acu * self.setup.facts.acu_vcpu,
        };
        let share = |cores: f64| if cores <= 0.0 { 0.0 } else { cores / vcpu };
        let (writer, reader) = self.cores(sessions_per_minute);
        let (writer_cpu, reader_cpu) = (share(writer), share(reader));
        let busy = writer_cpu.max(reader_cpu) > 1.0 + 1e-9;
        Reading {
            queries_per_second: sessions_per_minute * self.setup.queries_per_session,
            writer_cpu,
            reader_cpu,
            readers: self.scaler.count,
            acu: self.acu,
            connections,
            overloaded: busy || connections > self.setup.usable_connections,
        }
    }

    fn wished_readers(&self, sessions_per_minute: f64) -> u32 {
        let ReaderLimits { least, most } = self.setup.readers.limits;
        let Size::Class(vcpu) = self.setup.size else { return self.scaler.count };
        if most == least {
            return least;
        }
        let busy = sessions_per_minute * self.setup.queries_per_session * self.setup.cpu_seconds;
        let cores = vcpu * self.setup.facts.target_cpu_utilization;
        super::readers::wanted(busy, self.setup.write_share, cores, least).clamp(least, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    fn setup(size: Size, readers: Readers) -> Setup {
        Setup {
            name: "test".into(),
            queries_per_session: 1.0,
            write_share: 0.2,
            cpu_seconds: 0.001,
            connections_per_pod: vec![],
            usable_connections: 100.0,
            size,
            readers,
            facts: Fixture::new("2027-04").catalog.controllers.aurora,
        }
    }

    /// 1,000 queries/s of 1 ms on two vCPUs: 0.2 cores write, 0.8 read.
    #[test]
    fn reads_go_to_the_readers() {
        let mut database = Database::new(setup(Size::Class(2.0), Readers::fixed(1)), 1000.0);
        let reading = database.step(1000.0, 40.0, 15);
        assert!(
            (reading.writer_cpu - 0.1).abs() < 1e-12 && (reading.reader_cpu - 0.4).abs() < 1e-12
        );
        assert!(!reading.overloaded);
        assert!(database.step(1000.0, 101.0, 15).overloaded, "too many connections");
        let mut alone = Database::new(setup(Size::Class(2.0), Readers::fixed(0)), 1000.0);
        assert!((alone.step(1000.0, 0.0, 15).writer_cpu - 0.5).abs() < 1e-12);
        assert!(alone.step(2100.0, 0.0, 15).overloaded, "2.1 cores on two");
    }

    /// Three minutes above the target add readers; they serve ten minutes later, the CPU stays high
    /// until then.
    #[test]
    fn a_new_reader_takes_its_time() {
        let mut database = Database::new(
            setup(
                Size::Class(2.0),
                Readers { first: 1, limits: ReaderLimits { least: 1, most: 4 } },
            ),
            500.0,
        );
        let readings: Vec<Reading> = (0..20 * 4).map(|_| database.step(3000.0, 0.0, 15)).collect();
        assert_eq!(readings[2 * 4].readers, 1);
        assert_eq!(readings[3 * 4].readers, 2);
        assert!(readings[12 * 4].reader_cpu > 1.0 && readings[12 * 4].overloaded);
        assert!(readings[14 * 4].reader_cpu < 0.7);
    }

    /// Nothing is read, written or provided while it is stopped; its two readers are there again afterwards.
    #[test]
    fn a_stopped_database_shows_nothing() {
        let mut database = Database::new(
            setup(
                Size::Class(2.0),
                Readers { first: 2, limits: ReaderLimits { least: 1, most: 4 } },
            ),
            1000.0,
        );
        assert_eq!(database.rest(60), Reading::default());
        assert_eq!(database.step(1000.0, 0.0, 60).readers, 2);
        let limits = Serverless { min_acu: 2.0, max_acu: 64.0, pause_after_seconds: None };
        let mut database =
            Database::new(setup(Size::Serverless(limits, 0.0), Readers::fixed(0)), 4000.0);
        assert_eq!(database.rest(60).acu, 0.0);
        assert!((2.0..4.0).contains(&database.step(4000.0, 0.0, 15).acu));
    }

    #[test]
    fn serverless_capacity_ramps() {
        let limits = Serverless { min_acu: 0.5, max_acu: 64.0, pause_after_seconds: None };
        let mut database =
            Database::new(setup(Size::Serverless(limits, 0.0), Readers::fixed(0)), 100.0);
        let first = database.step(4000.0, 0.0, 15).acu;
        let later = (0..20).map(|_| database.step(4000.0, 0.0, 15).acu).last();
        // 4 cores at 70 % of a quarter core an ACU: 22.86, in half steps 23.
        assert!(first < 3.0 && later == Some(23.0), "{first} {later:?}");
    }
}
