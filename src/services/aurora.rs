//! Aurora `PostgreSQL`, provisioned: writer and readers sized from the load, storage, I/O, backup.
//!
//! # Formula
//! ```text
//! InstanceUsage:<class>  [Hrs]   = instances × hours (awake hours when the schedule stops them)
//! Aurora:StorageUsage    [GB-Mo] = initial + per user × users
//! Aurora:StorageIOUsage  [IOs]   = queries × pages per query × (1 − hit ratio)
//!                                + writes × ceil(WAL bytes per write / 4,096)
//! Aurora:BackupUsage     [GB-Mo] = storage × changed per day × retention days   (the first copy is free)
//! hit ratio = 0.995 while the working set fits the buffers, else 1 − (1 − buffers / set) × skew
//! ```
//! I/O-Optimized bills its own instance and storage meters and no I/O.
//!
//! # Source
//! Billing rules, "Aurora"; sizing reference 6.1 and 6.4 (AWS Database Blog "Planning I/O in Amazon
//! Aurora": one read per 8 KiB page fetched, writes in WAL units of up to 4 KiB).
//! # Limits
//! One class for all instances, chosen anew each month. The size follows the busiest minute; a class
//! change costs nothing here but takes minutes in life. Storage does not shrink within a plan's month.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use self::size::{Load, Size};
use super::{Basis, Choice, Context, Demand, Flows, Meter, Metered, Service, UsageLine, kib_to_gb};
use crate::{error::nearest, shapes::AuroraFacts, traffic::Class, units::factors_schema};

pub mod size;

/// Which way Aurora bills I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StorageType {
    /// I/O is billed by request.
    #[default]
    Standard,
    /// I/O is free; instances and storage cost more.
    IoOptimized,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Instance class, `db.r6g.large`; chosen from the load if left out.
    pub instance_class: Option<String>,
    /// Families to choose from; the model's if left out.
    #[serde(default)]
    pub families: Vec<String>,
    /// Least readers; one makes the cluster Multi-AZ.
    #[schemars(range(min = 0))]
    pub min_readers: u32,
    /// Standard or I/O-Optimized.
    #[serde(default)]
    pub storage_type: StorageType,
    /// Queries per request of a traffic class.
    #[schemars(schema_with = "factors_schema")]
    pub queries_per: IndexMap<String, f64>,
    /// Share of queries that write.
    #[schemars(range(min = 0, max = 1))]
    pub write_share: f64,
    /// CPU time of one query [ms].
    #[schemars(range(min = 0, max = 600_000))]
    pub cpu_ms_per_query: f64,
    /// Pages of 8 KiB that a query reads, from memory or from storage.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub pages_per_query: f64,
    /// Log bytes of one write [bytes].
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub wal_bytes_per_write: f64,
    /// Bytes of a query and its rows [KiB].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub kib_per_query: f64,
    /// Stored before the first user [GiB].
    #[schemars(range(min = 0))]
    pub storage_gib: f64,
    /// Stored for each monthly user [MiB].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub storage_mib_per_user: f64,
    /// Share of the stored data that is in regular use.
    #[schemars(range(min = 0, max = 1))]
    pub working_set_share: f64,
    /// Share of the stored data that changes in a day.
    #[schemars(range(min = 0, max = 1))]
    pub changed_per_day: f64,
    /// Days of automated backup.
    #[schemars(range(min = 1))]
    pub backup_retention_days: f64,
}

impl Spec {
    fn queries_per_session(&self, classes: &IndexMap<String, Class>) -> f64 {
        let of = |(class, queries): (&String, &f64)| {
            classes.get(class).map_or(0.0, |class| class.per_session * queries)
        };
        self.queries_per.iter().map(of).sum()
    }

    fn allowed_families<'a>(&'a self, facts: &'a AuroraFacts) -> &'a [String] {
        if self.families.is_empty() { &facts.default_families } else { &self.families }
    }

    fn stored_gib(&self, demand: &Demand<'_>) -> f64 {
        let users = demand.users * demand.traffic_share;
        self.storage_gib + users * self.storage_mib_per_user / 1024.0
    }

    fn load(&self, demand: &Demand<'_>) -> Load {
        let peak = demand.capacity.peak_sessions_per_minute / 60.0;
        let connections = demand.capacity.workloads.iter().map(|used| {
            let held = demand.workloads.get(&used.name).map_or(0, |w| w.database_connections);
            u64::from(held) * u64::from(used.peak_replicas)
        });
        Load {
            peak_queries_per_second: peak * self.queries_per_session(demand.classes),
            write_share: self.write_share,
            cpu_ms_per_query: self.cpu_ms_per_query,
            connections: connections.sum(),
            working_set_gib: self.stored_gib(demand) * self.working_set_share,
        }
    }

    fn size<'a>(&self, demand: &Demand<'a>) -> Size<'a> {
        let facts = &demand.catalog.controllers.aurora;
        let allowed = demand.catalog.aurora().iter().filter(|class| match &self.instance_class {
            Some(name) => class.class == *name,
            None => self.allowed_families(facts).contains(&class.family),
        });
        size::choose(&self.load(demand), allowed, self.min_readers, facts)
    }

    fn instance_line(&self, demand: &Demand<'_>, size: &Size<'_>) -> UsageLine {
        let kind = match self.storage_type {
            StorageType::Standard => "InstanceUsage",
            StorageType::IoOptimized => "InstanceUsageIOOptimized",
        };
        let hours =
            if demand.stops_database { demand.capacity.awake_hours } else { demand.hours() };
        let instances = f64::from(1 + size.readers);
        let why = Basis::new(
            "(writer + readers) × hours",
            &[
                ("writer", 1.0, "instances"),
                ("readers", f64::from(size.readers), "instances"),
                ("hours", hours, "Hrs"),
                ("peak queries", size.load.peak_queries_per_second, "1/s"),
                ("connections", size.load.connections as f64, "connections"),
                ("working set", size.load.working_set_gib, "GiB"),
            ],
        )
        .assuming(&size.reason);
        let usage_type = format!("{kind}:{}", size.class.billing_class);
        let meter = ("AmazonRDS", &*usage_type, "CreateDBInstance:0021");
        demand.line(meter, "aurora", instances * hours, why)
    }

    fn io_line(&self, demand: &Demand<'_>, size: &Size<'_>) -> UsageLine {
        let facts = &demand.catalog.controllers.aurora;
        let queries = demand.capacity.sessions * self.queries_per_session(demand.classes);
        let reads = queries * self.pages_per_query * (1.0 - size.hit_ratio);
        let units = (self.wal_bytes_per_write / facts.write_unit_bytes).ceil();
        let writes = queries * self.write_share * units;
        let why = Basis::new(
            "queries × pages per query × (1 − hit ratio) + queries × write share × units per write",
            &[
                ("queries", queries, "queries"),
                ("pages per query", self.pages_per_query, "pages"),
                ("hit ratio", size.hit_ratio, ""),
                ("write share", self.write_share, ""),
                ("units per write", units, "units of 4 KiB"),
            ],
        );
        demand.line(
            ("AmazonRDS", "Aurora:StorageIOUsage", "CreateDBInstance"),
            "aurora",
            reads + writes,
            why,
        )
    }

    fn stored_lines(&self, demand: &Demand<'_>) -> [UsageLine; 2] {
        let stored = self.stored_gib(demand);
        let storage = match self.storage_type {
            StorageType::Standard => "Aurora:StorageUsage",
            StorageType::IoOptimized => "Aurora:IO-OptimizedStorageUsage",
        };
        let size = Basis::new(
            "initial + per user × users",
            &[
                ("initial", self.storage_gib, "GiB"),
                ("per user", self.storage_mib_per_user, "MiB"),
                ("users", demand.users * demand.traffic_share, "users"),
            ],
        );
        let kept = stored * self.changed_per_day * self.backup_retention_days;
        let backup = Basis::new(
            "storage × changed per day × retention; the first copy is free",
            &[
                ("storage", stored, "GB"),
                ("changed per day", self.changed_per_day, ""),
                ("retention", self.backup_retention_days, "days"),
            ],
        );
        let operation = "CreateDBInstance";
        [
            demand.line(("AmazonRDS", storage, operation), "aurora", stored, size),
            demand.line(("AmazonRDS", "Aurora:BackupUsage", operation), "aurora", kept, backup),
        ]
    }
}

impl Service for Spec {
    const KIND: &'static str = "aurora";
    const METERS: &'static [Meter] = &[
        ("AmazonRDS", "InstanceUsage:*", "CreateDBInstance:0021"),
        ("AmazonRDS", "InstanceUsageIOOptimized:*", "CreateDBInstance:0021"),
        ("AmazonRDS", "Aurora:StorageUsage", "CreateDBInstance"),
        ("AmazonRDS", "Aurora:IO-OptimizedStorageUsage", "CreateDBInstance"),
        ("AmazonRDS", "Aurora:StorageIOUsage", "CreateDBInstance"),
        ("AmazonRDS", "Aurora:BackupUsage", "CreateDBInstance"),
    ];

    fn check(&self, context: &Context<'_>) -> Vec<(String, String)> {
        let facts = &context.catalog.controllers.aurora;
        let mut problems = super::above_limits([
            ("min_readers", f64::from(self.min_readers), f64::from(facts.max_readers)),
            ("backup_retention_days", self.backup_retention_days, facts.max_backup_retention_days),
            ("storage_gib", self.storage_gib, facts.max_storage_gib),
        ]);
        let known = context.catalog.aurora();
        if let Some(class) = &self.instance_class
            && !known.iter().any(|k| k.class == *class)
        {
            let near = nearest(class, known.iter().map(|k| &*k.class)).unwrap_or("db.r6g.large");
            problems.push((
                "instance_class".into(),
                format!("no class {class:?}; did you mean {near:?}?"),
            ));
        }
        for family in self.families.iter().filter(|f| !known.iter().any(|k| k.family == **f)) {
            let near = nearest(family, known.iter().map(|k| &*k.family)).unwrap_or("r6g");
            problems
                .push(("families".into(), format!("no family {family:?}; did you mean {near:?}?")));
        }
        problems.extend(context.unknown_classes("queries_per", self.queries_per.keys()));
        problems
    }

    fn flows(&self, demand: &Demand<'_>) -> Flows {
        let queries = demand.capacity.sessions * self.queries_per_session(demand.classes);
        let gb = kib_to_gb(queries * self.kib_per_query);
        Flows { cross_zone_gb: gb * demand.cross_zone_share(), ..Flows::default() }
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let size = self.size(demand);
        let mut lines = vec![self.instance_line(demand, &size)];
        lines.extend(self.stored_lines(demand));
        if self.storage_type == StorageType::Standard {
            lines.push(self.io_line(demand, &size));
        }
        let choice = Choice {
            subject: "aurora".into(),
            choice: format!("{} × {}", 1 + size.readers, size.class.class),
            reason: size.reason.clone(),
            warning: size.overloaded,
        };
        Metered { lines, choices: vec![choice] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Fixture;

    fn spec() -> Spec {
        toml::from_str(
            r"
            min_readers = 1
            queries_per = { api = 4.0 }
            write_share = 0.25
            cpu_ms_per_query = 1.0
            pages_per_query = 8.0
            wal_bytes_per_write = 5000
            kib_per_query = 2.0
            storage_gib = 20.0
            storage_mib_per_user = 0.0
            working_set_share = 0.2
            changed_per_day = 0.02
            backup_retention_days = 7
            ",
        )
        .unwrap()
    }

    fn quantity(lines: &[UsageLine], usage_type: &str) -> f64 {
        let line = lines.iter().find(|line| line.key.usage_type == usage_type);
        line.unwrap_or_else(|| panic!("no {usage_type} in {lines:#?}")).quantity.get()
    }

    /// 1,000 sessions × 10 requests × 4 queries = 40,000 queries. Reads: 40,000 × 8 pages × 0.5 %
    /// misses = 1,600. Writes: 10,000 × ceil(5,000 / 4,096) = 20,000. Backup: 20 × 0.02 × 7 = 2.8.
    #[test]
    fn a_worked_month() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].per_session = 10.0;
        fixture.capacity.sessions = 1000.0;
        let lines = Service::meter(&spec(), &fixture.demand()).lines;
        assert_eq!(quantity(&lines, "InstanceUsage:db.r6g.large"), 1440.0);
        assert_eq!(quantity(&lines, "Aurora:StorageUsage"), 20.0);
        assert!((quantity(&lines, "Aurora:StorageIOUsage") - 21_600.0).abs() < 1e-6);
        assert!((quantity(&lines, "Aurora:BackupUsage") - 2.8).abs() < 1e-12);
    }

    #[test]
    fn io_optimized_bills_its_own_meters_and_no_io() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec { storage_type: StorageType::IoOptimized, ..spec() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(quantity(&lines, "InstanceUsageIOOptimized:db.r6g.large"), 1440.0);
        assert_eq!(quantity(&lines, "Aurora:IO-OptimizedStorageUsage"), 20.0);
        assert!(!lines.iter().any(|line| line.key.usage_type == "Aurora:StorageIOUsage"));
    }

    #[test]
    fn a_stopped_database_bills_its_awake_hours() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.awake_hours = 240.0;
        let mut demand = fixture.demand();
        demand.stops_database = true;
        let lines = Service::meter(&spec(), &demand).lines;
        assert_eq!(quantity(&lines, "InstanceUsage:db.r6g.large"), 480.0);
    }

    #[test]
    fn unknown_names_are_reported() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec { families: vec!["r6h".into()], ..spec() };
        let problems = Service::check(&spec, &fixture.context());
        assert_eq!(problems[0].0, "families");
        assert!(problems[0].1.contains("r6"), "{problems:?}");
    }
}
