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
//! aws.amazon.com/rds/aurora/pricing; AWS Database Blog, "Planning I/O in Amazon
//! Aurora": one read per 8 KiB page fetched, writes in WAL units of up to 4 KiB.
//! # Limits
//! Without a class and a family, the family is the first of `default_families` in `models/controllers.toml` that the price
//! book has in the region. One class for all instances, chosen anew each month. The size follows the busiest minute; a class
//! change costs nothing here but takes minutes in reality. Storage does not shrink within a plan's month.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    readers::{ReaderHours, ReaderLimits, Readers},
    serverless::{Serverless, Used},
    size::{Load, Size},
};
use super::{
    Basis, Choice, Context, Demand, Finding, Meter, Metered, Sent, Service, UsageLine, dr,
    kib_to_gb, sold::Sold, transfer,
};
use crate::{
    demand::traffic::Class,
    error::nearest,
    facts::{
        commitment_rates::SERVERLESS,
        shapes::{AuroraClass, AuroraFacts, Catalog},
    },
    measure::{calendar::Month, units::factors_schema},
};

pub(crate) mod live;
pub(crate) mod readers;
pub(crate) mod serverless;
pub(crate) mod size;

/// Which way Aurora bills I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StorageType {
    /// I/O is billed by request.
    #[default]
    Standard,
    /// I/O is free; instances and storage cost more.
    IoOptimized,
}

/// What keeps a serverless cluster from pausing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StandingConnection {
    /// An RDS Proxy, which keeps a connection to each instance; its own charge is not modelled.
    RdsProxy,
    /// Logical replication.
    LogicalReplication,
    /// A zero-ETL integration with Redshift.
    ZeroEtl,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Instance class, `db.r6g.large`; default: chosen from the load.
    pub instance_class: Option<String>,
    /// Serverless v2 in place of instances of a class.
    pub serverless: Option<Serverless>,
    /// Version of Aurora `PostgreSQL`, `16.4`; default: one that has all that the scenario uses.
    pub engine_version: Option<String>,
    /// What is always connected to the cluster; AWS pauses no serverless cluster that has one.
    #[serde(default)]
    pub standing_connections: Vec<StandingConnection>,
    /// Families to choose from; default: the newest of the model's that the region sells.
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
    /// CPU time of one query \[ms\].
    #[schemars(range(min = 0, max = 600_000))]
    pub cpu_ms_per_query: f64,
    /// Pages of 8 KiB that a query reads, from memory or from storage.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub pages_per_query: f64,
    /// Log bytes of one write \[bytes\].
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub wal_bytes_per_write: f64,
    /// Bytes of a query and its rows \[KiB\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub kib_per_query: f64,
    /// Stored before the first user \[GiB\].
    #[schemars(range(min = 0))]
    pub storage_gib: f64,
    /// Stored for each monthly user \[MiB\].
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
    /// Manual snapshots kept past the retention \[GB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e9))]
    pub snapshot_gb: f64,
    /// Exported to S3 a month \[GB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e9))]
    pub export_gb_per_month: f64,
    /// Most readers, for a cluster that adds and removes them with the load; default: `min_readers`.
    #[schemars(range(min = 0))]
    pub max_readers: Option<u32>,
    /// Major version of an engine whose standard support ends, `11`.
    pub extended_support_version: Option<String>,
    /// First month of its extended support; default: the plan's first.
    pub extended_support_from: Option<Month>,
}

impl Spec {
    fn queries_per_session(&self, classes: &IndexMap<String, Class>) -> f64 {
        let of = |(class, queries): (&String, &f64)| {
            classes.get(class).map_or(0.0, |class| class.per_session * queries)
        };
        self.queries_per.iter().map(of).sum()
    }

    /// Returns the family to choose from where the scenario names none: the newest that the region sells.
    fn default_family<'a>(facts: &'a AuroraFacts, sold: &[AuroraClass]) -> Option<&'a String> {
        let sells = |family: &&String| sold.iter().any(|class| class.family == **family);
        facts.default_families.iter().find(sells).or(facts.default_families.last())
    }

    /// Returns the classes to choose from; of several, those that the region sells if it sells any.
    fn classes<'a>(&self, catalog: &'a Catalog, sold: &[AuroraClass]) -> Vec<&'a AuroraClass> {
        let all = catalog.aurora().iter();
        if let Some(name) = &self.instance_class {
            return all.filter(|class| class.class == *name).collect();
        }
        let default = Self::default_family(&catalog.controllers.aurora, sold);
        let families = if self.families.is_empty() {
            default.map_or(&[][..], std::slice::from_ref)
        } else {
            &self.families
        };
        let allowed: Vec<_> = all.filter(|class| families.contains(&class.family)).collect();
        let there = |class: &&&AuroraClass| sold.iter().any(|own| own.class == class.class);
        let sold: Vec<_> = allowed.iter().filter(there).copied().collect();
        if sold.is_empty() { allowed } else { sold }
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
        let allowed = self.classes(demand.catalog, demand.sold_classes).into_iter();
        // Without a maximum, a cluster with readers has as many as its busiest minute needs, and one without has none.
        let without = if self.min_readers == 0 { 0 } else { facts.max_readers };
        let most = self.max_readers.unwrap_or(without);
        let limits = ReaderLimits { least: self.min_readers, most };
        let mut size = size::choose(&self.load(demand), allowed, limits, facts);
        if self.instance_class.is_none() && self.families.is_empty() {
            let family = &size.class.family;
            let why = format!("{family} is the newest default family that {} sells", demand.region);
            size.reason = format!("{}; {why}", size.reason);
        }
        size
    }

    /// Capacity of one serverless instance over the month.
    fn follow(&self, demand: &Demand<'_>, limits: Serverless) -> Used {
        let facts = &demand.catalog.controllers.aurora;
        let load = self.load(demand);
        let readers = f64::from(self.min_readers);
        // The busier of the writer and one of the readers decides for all.
        let share = if readers > 0.0 {
            load.write_share.max((1.0 - load.write_share) / readers)
        } else {
            1.0
        };
        let per_session = self.queries_per_session(demand.classes);
        let memory = load.working_set_gib / (facts.acu_gib * facts.acu_buffer_share);
        let runs = |minute| demand.database_runs(minute);
        serverless::follow(demand.minutes, runs, limits, facts, |sessions| {
            let queries = sessions / 60.0 * per_session * share;
            let vcpu = queries * load.cpu_ms_per_query / 1000.0 / facts.target_cpu_utilization;
            // Memory is given up when it must: it bounds the wish, not the need.
            (vcpu / facts.acu_vcpu).max(memory.min(limits.max_acu))
        })
    }

    /// The database of a month, ready to be stepped.
    fn live(&self, demand: &Demand<'_>) -> live::Setup {
        let facts = &demand.catalog.controllers.aurora;
        let chosen = self.size(demand);
        let usable = |most: f64| most - f64::from(facts.reserved_connections);
        let (name, size, connections, readers) = if let Some(limits) = self.serverless {
            let memory =
                self.load(demand).working_set_gib / (facts.acu_gib * facts.acu_buffer_share);
            let name = format!("serverless {} to {} ACU", limits.min_acu, limits.max_acu);
            let size = live::Size::Serverless(limits, memory);
            let readers = Readers::fixed(self.min_readers);
            (name, size, serverless::max_connections(limits, facts), readers)
        } else {
            let most = self.max_readers.unwrap_or(self.min_readers).max(self.min_readers);
            let readers = if most > self.min_readers {
                let limits = ReaderLimits { least: self.min_readers, most };
                Readers { first: self.min_readers, limits }
            } else {
                Readers::fixed(chosen.readers)
            };
            let size = live::Size::Class(f64::from(chosen.class.vcpu));
            (chosen.class.class.clone(), size, f64::from(chosen.class.max_connections), readers)
        };
        let held =
            demand.workloads.iter().filter(|(_, workload)| workload.database_connections > 0);
        live::Setup {
            name,
            queries_per_session: self.queries_per_session(demand.classes) / 60.0,
            write_share: self.write_share,
            cpu_seconds: self.cpu_ms_per_query / 1000.0,
            connections_per_pod: held
                .map(|(name, workload)| (name.clone(), workload.database_connections))
                .collect(),
            usable_connections: usable(connections),
            size,
            readers,
            facts: facts.clone(),
        }
    }

    fn serverless_line(&self, demand: &Demand<'_>, used: &Used) -> UsageLine {
        let usage_type = match self.storage_type {
            StorageType::Standard => "Aurora:ServerlessV2Usage",
            StorageType::IoOptimized => "Aurora:ServerlessV2IOOptimizedUsage",
        };
        let instances = f64::from(1 + self.min_readers);
        let why = Basis::new(
            "capacity-hours of an instance × instances",
            &[
                ("capacity-hours", used.acu_hours, "ACU-Hr"),
                ("mean capacity", used.acu_hours / demand.hours(), "ACU"),
                ("greatest capacity", used.peak, "ACU"),
                ("instances", instances, "instances"),
            ],
        );
        let meter = Meter::new("AmazonRDS", usage_type, "CreateDBInstance:0021");
        let hours = used.hourly.iter().map(|acu| acu * instances);
        demand.line(meter, "aurora", used.acu_hours * instances, why).by_hour(hours.collect())
    }

    /// Share of page reads found in the buffers of the mean capacity.
    fn serverless_hit_ratio(&self, demand: &Demand<'_>, used: &Used) -> f64 {
        let facts = &demand.catalog.controllers.aurora;
        let mean = used.acu_hours / demand.hours();
        let buffers = mean * facts.acu_gib * facts.acu_buffer_share;
        size::hit_ratio(self.load(demand).working_set_gib, buffers, facts)
    }

    fn write_ios(&self, demand: &Demand<'_>) -> f64 {
        let facts = &demand.catalog.controllers.aurora;
        let units = (self.wal_bytes_per_write / facts.write_unit_bytes).ceil();
        self.queries(demand) * self.write_share * units
    }

    fn queries(&self, demand: &Demand<'_>) -> f64 {
        demand.capacity.sessions * self.queries_per_session(demand.classes)
    }

    /// Reader-hours, following the load minute by minute where the cluster may.
    fn readers(&self, demand: &Demand<'_>, size: &Size<'_>) -> ReaderHours {
        let facts = &demand.catalog.controllers.aurora;
        let hours = Self::hours(demand);
        let most = self.max_readers.unwrap_or(self.min_readers).max(self.min_readers);
        if most == self.min_readers {
            let hours = f64::from(size.readers) * hours;
            return ReaderHours { hours, hourly: Vec::new(), peak: size.readers };
        }
        let per_session = self.queries_per_session(demand.classes);
        let cores = f64::from(size.class.vcpu) * facts.target_cpu_utilization;
        let runs = |minute| demand.database_runs(minute);
        let limits = ReaderLimits { least: self.min_readers, most };
        readers::follow(demand.minutes, runs, limits, facts, |sessions| {
            let busy = sessions / 60.0 * per_session * self.cpu_ms_per_query / 1000.0;
            readers::wanted(busy, self.write_share, cores, self.min_readers)
        })
    }

    fn hours(demand: &Demand<'_>) -> f64 {
        if demand.stops_database { demand.capacity.awake_hours } else { demand.hours() }
    }

    fn instance_line(&self, demand: &Demand<'_>, size: &Size<'_>) -> UsageLine {
        let kind = match self.storage_type {
            StorageType::Standard => "InstanceUsage",
            StorageType::IoOptimized => "InstanceUsageIOOptimized",
        };
        let (hours, readers) = (Self::hours(demand), self.readers(demand, size));
        let why = Basis::new(
            "writer hours + reader hours",
            &[
                ("writer hours", hours, "Hrs"),
                ("reader hours", readers.hours, "Hrs"),
                ("most readers", f64::from(readers.peak), "instances"),
                ("peak queries", size.load.peak_queries_per_second, "1/s"),
                ("connections", size.load.connections as f64, "connections"),
                ("working set", size.load.working_set_gib, "GiB"),
            ],
        )
        .assuming(&size.reason);
        let usage_type = format!("{kind}:{}", size.class.billing_class);
        let meter = Meter::new("AmazonRDS", &usage_type, "CreateDBInstance:0021");
        let hourly = Self::hourly(demand, &readers);
        demand.line(meter, "aurora", hours + readers.hours, why).by_hour(hourly)
    }

    /// Instances by the hour, where readers come and go or the cluster is stopped.
    fn hourly(demand: &Demand<'_>, readers: &ReaderHours) -> Vec<f64> {
        if readers.hourly.is_empty() && !demand.stops_database {
            return Vec::new();
        }
        let awake = |hour: usize| match demand.capacity.hours.get(hour) {
            Some(tally) if demand.stops_database => tally.awake_minutes / 60.0,
            _ => 1.0,
        };
        let reading = |hour: usize| match readers.hourly.get(hour) {
            Some(hours) => *hours,
            None if readers.hourly.is_empty() => awake(hour) * f64::from(readers.peak),
            None => 0.0,
        };
        (0..demand.month.hours()).map(|hour| awake(hour) + reading(hour)).collect()
    }

    fn io_line(&self, demand: &Demand<'_>, hit_ratio: f64) -> UsageLine {
        let queries = self.queries(demand);
        let reads = queries * self.pages_per_query * (1.0 - hit_ratio);
        let writes = self.write_ios(demand);
        let why = Basis::new(
            "queries × pages per query × (1 − hit ratio) + writes in units of 4 KiB",
            &[
                ("queries", queries, "queries"),
                ("pages per query", self.pages_per_query, "pages"),
                ("hit ratio", hit_ratio, ""),
                ("write I/Os", writes, "IOs"),
            ],
        );
        let meter = Meter::new("AmazonRDS", "Aurora:StorageIOUsage", "CreateDBInstance");
        demand.line(meter, "aurora", reads + writes, why)
    }

    fn stored_lines(&self, demand: &Demand<'_>) -> [UsageLine; 3] {
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
        let kept = stored * self.changed_per_day * self.backup_retention_days + self.snapshot_gb;
        let backup = Basis::new(
            "storage × changed per day × retention + manual snapshots; the first copy is free",
            &[
                ("storage", stored, "GB"),
                ("changed per day", self.changed_per_day, ""),
                ("retention", self.backup_retention_days, "days"),
                ("manual snapshots", self.snapshot_gb, "GB"),
            ],
        );
        let operation = "CreateDBInstance";
        [
            demand.line(Meter::new("AmazonRDS", storage, operation), "aurora", stored, size),
            demand.line(
                Meter::new("AmazonRDS", "Aurora:BackupUsage", operation),
                "aurora",
                kept,
                backup,
            ),
            demand.line(
                Meter::new("AmazonRDS", "Aurora:SnapshotExportToS3", operation),
                "aurora",
                self.export_gb_per_month,
                Basis::new("exported", &[("exported", self.export_gb_per_month, "GB")]),
            ),
        ]
    }
}

impl Service for Spec {
    const KIND: &'static str = "aurora";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonRDS", "InstanceUsage:*", "CreateDBInstance:0021"),
        Meter::new("AmazonRDS", "InstanceUsageIOOptimized:*", "CreateDBInstance:0021"),
        Meter::new("AmazonRDS", "Aurora:StorageUsage", "CreateDBInstance"),
        Meter::new("AmazonRDS", "Aurora:IO-OptimizedStorageUsage", "CreateDBInstance"),
        Meter::new("AmazonRDS", "Aurora:StorageIOUsage", "CreateDBInstance"),
        Meter::new("AmazonRDS", "Aurora:BackupUsage", "CreateDBInstance"),
        Meter::new("AmazonRDS", "Aurora:SnapshotExportToS3", "CreateDBInstance"),
        Meter::new("AmazonRDS", "Aurora:ServerlessV2Usage", "CreateDBInstance:0021"),
        Meter::new("AmazonRDS", "Aurora:ServerlessV2IOOptimizedUsage", "CreateDBInstance:0021"),
        Meter::new("AmazonRDS", "ExtendedSupport:Yr1-Yr2:*", ""),
    ];

    fn usage_types(pattern: &str, sold: &Sold<'_>) -> Vec<String> {
        let start = pattern.trim_end_matches('*');
        if !start.starts_with("InstanceUsage") {
            return Vec::new();
        }
        sold.classes.iter().map(|own| format!("{start}{}", own.billing_class)).collect()
    }

    fn database_capacity(&self, catalog: &Catalog, sold: &[AuroraClass]) -> Vec<String> {
        if self.serverless.is_some() {
            return vec![SERVERLESS.to_owned()];
        }
        self.classes(catalog, sold).into_iter().map(|class| class.class.clone()).collect()
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let facts = &context.catalog.controllers.aurora;
        let mut problems = super::above_limits([
            ("min_readers", f64::from(self.min_readers), f64::from(facts.max_readers)),
            ("max_readers", f64::from(self.max_readers.unwrap_or(0)), f64::from(facts.max_readers)),
            ("backup_retention_days", self.backup_retention_days, facts.max_backup_retention_days),
            ("storage_gib", self.storage_gib, facts.max_storage_gib),
        ]);
        if let Some(most) = self.max_readers.filter(|most| *most < self.min_readers) {
            let message =
                format!("{most} is below min_readers ({0}); give {0} or more", self.min_readers);
            problems.push(Finding::new("max_readers", message));
        }
        if let Some(limits) = self.serverless {
            problems.extend(super::above_limits([
                ("serverless.max_acu", limits.max_acu, facts.max_acu),
                ("serverless.min_acu", limits.min_acu, limits.max_acu),
            ]));
            if self.extended_support_version.is_some() {
                let message = "extended support of serverless capacity is not modelled; remove one";
                problems.push(Finding::new("extended_support_version", message));
            }
            if self.instance_class.is_some() {
                let message = "serverless replaces a class; remove one";
                problems.push(Finding::new("instance_class", message));
            }
        }
        problems.extend(self.check_version());
        problems.extend(self.check_pause(context));
        let known = context.catalog.aurora();
        if let Some(class) = &self.instance_class
            && !known.iter().any(|k| k.class == *class)
        {
            let near = nearest(class, known.iter().map(|k| &*k.class)).unwrap_or("db.r6g.large");
            let message = format!("no class {class:?}; did you mean {near:?}?");
            problems.push(Finding::new("instance_class", message));
        }
        for family in self.families.iter().filter(|f| !known.iter().any(|k| k.family == **f)) {
            let near = nearest(family, known.iter().map(|k| &*k.family)).unwrap_or("r6g");
            problems.push(Finding::new(
                "families",
                format!("no family {family:?}; did you mean {near:?}?"),
            ));
        }
        problems.extend(context.unknown_classes("queries_per", self.queries_per.keys()));
        problems
    }

    fn unused(&self, context: &Context<'_>) -> Vec<Finding> {
        let families = ("families", !self.families.is_empty());
        let mut unused = if self.serverless.is_some() {
            let keys = [families, ("max_readers", self.max_readers.is_some())];
            super::unused_keys(keys, "serverless replaces classes and their readers")
        } else if self.instance_class.is_some() {
            super::unused_keys([families], "instance_class sets the class")
        } else {
            Vec::new()
        };
        let never = self
            .serverless
            .is_some_and(|own| own.min_acu > 0.0 && own.pause_after_seconds.is_some());
        unused.extend(super::unused_keys(
            [("serverless.pause_after_seconds", never)],
            "a cluster pauses only with min_acu = 0",
        ));
        let from = self.extended_support_from.is_some() && self.extended_support_version.is_none();
        unused.extend(super::unused_keys(
            [("extended_support_from", from)],
            "extended_support_version is missing",
        ));
        if self.queries_per_session(context.classes) <= 0.0 {
            let why =
                "no traffic class that it names has requests, so no query reaches the database";
            unused.push(Finding::new("queries_per", why));
        }
        unused
    }

    fn database(&self, demand: &Demand<'_>) -> Option<live::Setup> {
        Some(self.live(demand))
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let gb = kib_to_gb(self.queries(demand) * self.kib_per_query);
        let wal = self.queries(demand) * self.write_share * self.wal_bytes_per_write;
        vec![
            transfer::CROSS_ZONE_GB.amount(gb * demand.cross_zone_share()),
            dr::DATABASE_GB.amount(self.stored_gib(demand)),
            dr::DATABASE_WRITES.amount(self.write_ios(demand)),
            dr::DATABASE_LOG_GB.amount(kib_to_gb(wal / 1024.0)),
        ]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let mut metered = Metered::default();
        let hit_ratio = if let Some(limits) = self.serverless {
            let used = self.follow(demand, limits);
            metered.lines.push(self.serverless_line(demand, &used));
            metered.choices.push(self.serverless_choice(demand, limits, &used));
            self.serverless_hit_ratio(demand, &used)
        } else {
            let size = self.size(demand);
            let line = self.instance_line(demand, &size);
            let due = self.extended_support_from.is_none_or(|from| demand.month >= from);
            if let Some(version) = self.extended_support_version.as_ref().filter(|_| due) {
                metered.lines.push(extended_support(demand, version, &size, line.quantity.get()));
            }
            metered.lines.push(line);
            metered.choices.push(Choice {
                subject: "aurora".into(),
                choice: format!("{} × {}", 1 + size.readers, size.class.class),
                reason: size.reason.clone(),
                warning: size.overloaded,
            });
            size.hit_ratio
        };
        metered.lines.extend(self.stored_lines(demand));
        if self.storage_type == StorageType::Standard {
            metered.lines.push(self.io_line(demand, hit_ratio));
        }
        metered
    }
}

/// Major and minor version, `16.4`.
type Version = (u32, u32);

fn version(text: &str) -> Option<Version> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether a version of the engine takes a minimum of 0.
fn pauses((major, minor): Version, facts: &AuroraFacts) -> bool {
    let mut first = facts.pause_versions.iter().filter_map(|text| version(text));
    match first.clone().find(|(of, _)| *of == major) {
        Some((_, least)) => minor >= least,
        None => first.all(|(of, _)| of < major),
    }
}

impl Spec {
    fn check_version(&self) -> Option<Finding> {
        let given = self.engine_version.as_ref()?;
        let Some((major, _)) = version(given) else {
            let message = format!("{given:?} is no version; give major and minor, \"16.4\"");
            return Some(Finding::new("engine_version", message));
        };
        let extended = self.extended_support_version.as_ref()?;
        (*extended != major.to_string()).then(|| {
            let message = format!("{given} is not of version {extended}, extended_support_version");
            Finding::new("engine_version", message)
        })
    }

    /// Returns why AWS would not pause a cluster whose minimum is 0.
    fn check_pause(&self, context: &Context<'_>) -> Vec<Finding> {
        let facts = &context.catalog.controllers.aurora;
        let pausing = self.serverless.filter(|own| own.idle_acu(u32::MAX, facts) <= 0.0);
        if pausing.is_none() {
            return Vec::new();
        }
        let mut reasons = Vec::new();
        if context.replicates_database {
            reasons.push((
                "dr.database makes it the primary of an Aurora Global Database, whose writer stays active".to_owned(),
                "set dr.database = \"none\"".to_owned(),
            ));
        }
        for connection in &self.standing_connections {
            let (name, why) = match connection {
                StandingConnection::RdsProxy => {
                    ("rds-proxy", "keeps a connection to each instance")
                }
                StandingConnection::LogicalReplication => {
                    ("logical-replication", "keeps the writer active")
                }
                StandingConnection::ZeroEtl => ("zero-etl", "keeps the writer active"),
            };
            reasons.push((
                format!("{name} {why}"),
                format!("take {name} out of standing_connections"),
            ));
        }
        let given = self.engine_version.as_ref();
        let old = |text: &&String| version(text).is_some_and(|own| !pauses(own, facts));
        if let Some(given) = given.filter(old) {
            let first = facts.pause_versions.join(", ");
            reasons.push((
                format!("Aurora PostgreSQL {given} takes no minimum of 0"),
                format!("use {first} or newer as engine_version"),
            ));
        }
        let finding = |(why, instead): (String, String)| {
            let message = format!(
                "0 lets the cluster pause, and AWS does not pause it: {why}. Give {} or more, or {instead}",
                facts.acu_step
            );
            Finding::new("serverless.min_acu", message)
        };
        reasons.into_iter().map(finding).collect()
    }

    fn serverless_choice(&self, demand: &Demand<'_>, limits: Serverless, used: &Used) -> Choice {
        let mean = used.acu_hours / demand.hours();
        let facts = &demand.catalog.controllers.aurora;
        let connections = self.load(demand).connections as f64;
        let most = (limits.max_acu * facts.acu_connections + facts.acu_connections_offset)
            .min(if limits.min_acu <= facts.acu_step {
                facts.acu_connections_at_least_capacity
            } else {
                facts.acu_connections_most
            })
            .max(0.0);
        let reason = if connections > most {
            format!(
                "{connections} connections exceed max_connections of {most:.0} at this capacity; pool them or raise min_acu and max_acu"
            )
        } else if used.short_minutes > 0.0 {
            format!("max_acu is reached for {:.0} minutes; raise it", used.short_minutes)
        } else {
            format!("between {} and {} ACU, {} at most", limits.min_acu, limits.max_acu, used.peak)
        };
        Choice {
            subject: "aurora".into(),
            choice: format!("{} × {mean:.1} ACU", 1 + self.min_readers),
            reason,
            warning: used.short_minutes > 0.0 || connections > most,
        }
    }
}

/// vCPU-hours of instances on an engine past its standard support.
fn extended_support(demand: &Demand<'_>, version: &str, size: &Size<'_>, hours: f64) -> UsageLine {
    let vcpus = f64::from(size.class.vcpu);
    let why = Basis::new(
        "instance hours × vCPUs",
        &[("instance hours", hours, "Hrs"), ("vCPUs", vcpus, "vCPU")],
    );
    let usage_type = format!("ExtendedSupport:Yr1-Yr2:AuroraPostgreSQL{version}");
    demand.line(Meter::new("AmazonRDS", &usage_type, ""), "aurora", hours * vcpus, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::autoscale::tally::HourTally, usage::services::fixture::Fixture};

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
        let awake = |hour: usize| if hour % 24 < 8 { 60.0 } else { 0.0 };
        let hour = |at| HourTally { awake_minutes: awake(at), ..HourTally::default() };
        fixture.capacity.hours = (0..720).map(hour).collect();
        let mut demand = fixture.demand();
        demand.stops_database = true;
        let lines = Service::meter(&spec(), &demand).lines;
        assert_eq!(quantity(&lines, "InstanceUsage:db.r6g.large"), 480.0);
        // Storage and backups go on.
        assert_eq!(quantity(&lines, "Aurora:StorageUsage"), 20.0);
        // What a reservation may cover is all of it: writer and reader, hour by hour.
        let line = lines.iter().find(|line| line.key.usage_type.starts_with("InstanceUsage"));
        let hours = &line.unwrap().hours;
        assert_eq!((hours[7], hours[8], hours.iter().sum::<f64>()), (2.0, 0.0, 480.0));
    }

    /// 60 sessions a minute × 10 requests × 4 queries = 40 queries/s; with one reader the reads' 75 % decide:
    /// 30 × 1 ms / 0.7 / 0.25 = 0.171 ACU; the working set of 20 × 0.2 = 4 GiB asks for 4 / 1.36 = 2.94,
    /// in half steps 3: 3 × 720 h × 2 instances.
    #[test]
    fn serverless_capacity_follows_the_load_and_the_working_set() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].per_session = 10.0;
        fixture.capacity.minutes = vec![60.0; 720 * 60];
        let serverless =
            Some(Serverless { min_acu: 0.5, max_acu: 16.0, pause_after_seconds: None });
        let spec = Spec { serverless, ..spec() };
        let mut demand = fixture.demand();
        demand.minutes = &fixture.capacity.minutes;
        let lines = Service::meter(&spec, &demand).lines;
        assert!((quantity(&lines, "Aurora:ServerlessV2Usage") - 4320.0).abs() < 1e-6);
        assert!(!lines.iter().any(|line| line.key.usage_type.starts_with("InstanceUsage")));
    }

    /// 1,440 instance-hours of two vCPUs at 0.10 are 288; 100 GB exported are 1.00.
    #[test]
    fn extended_support_and_exports_are_metered() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec {
            extended_support_version: Some("11".into()),
            export_gb_per_month: 100.0,
            ..spec()
        };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let cost = |usage_type: &str| {
            let line = lines.iter().find(|line| line.key.usage_type == usage_type).unwrap();
            fixture.price(line, line.quantity.get())
        };
        assert_eq!(cost("ExtendedSupport:Yr1-Yr2:AuroraPostgreSQL11"), "288");
        assert_eq!(cost("Aurora:SnapshotExportToS3"), "1");
    }

    /// Aurora user guide, "Situations where Aurora Serverless v2 doesn't auto-pause".
    #[test]
    fn a_minimum_of_zero_is_refused_where_aws_does_not_pause() {
        let fixture = Fixture::new("2027-04");
        let messages = |spec: &Spec, replicates_database: bool| -> Vec<String> {
            let context = Context { replicates_database, ..fixture.context() };
            let found = Service::check(spec, &context);
            assert!(found.iter().all(|one| one.key == "serverless.min_acu"), "{found:?}");
            found.into_iter().map(|one| one.message).collect()
        };
        let pausing = |min_acu| Spec {
            serverless: Some(Serverless { min_acu, max_acu: 8.0, pause_after_seconds: None }),
            ..spec()
        };
        assert!(messages(&pausing(0.0), false).is_empty());
        assert!(messages(&pausing(0.5), true).is_empty());
        assert_eq!(
            messages(&pausing(0.0), true),
            [
                "0 lets the cluster pause, and AWS does not pause it: dr.database makes it the primary of an Aurora Global Database, whose writer stays active. Give 0.5 or more, or set dr.database = \"none\""
            ]
        );
        let connections = vec![
            StandingConnection::RdsProxy,
            StandingConnection::LogicalReplication,
            StandingConnection::ZeroEtl,
        ];
        let connected = Spec { standing_connections: connections.clone(), ..pausing(0.0) };
        let found = messages(&connected, false);
        assert_eq!(found.len(), 3);
        assert!(found[0].contains("rds-proxy keeps a connection to each instance. Give 0.5"));
        let awake = Spec { standing_connections: connections, ..pausing(0.5) };
        assert!(messages(&awake, false).is_empty());
        for (engine_version, refused) in [
            ("13.14", true),
            ("13.15", false),
            ("14.12", false),
            ("15.6", true),
            ("16.2", true),
            ("16.10", false),
            ("12.22", true),
            ("17.4", false),
        ] {
            let versioned =
                |min_acu| Spec { engine_version: Some(engine_version.into()), ..pausing(min_acu) };
            assert_eq!(
                messages(&versioned(0.0), false).len(),
                usize::from(refused),
                "{engine_version}"
            );
            assert!(messages(&versioned(0.5), false).is_empty());
        }
    }

    #[test]
    fn a_version_has_a_major_and_a_minor() {
        let context = Fixture::new("2027-04");
        let with = |given: &str, extended: Option<&str>| {
            let spec = Spec {
                engine_version: Some(given.into()),
                extended_support_version: extended.map(Into::into),
                ..spec()
            };
            Service::check(&spec, &context.context())
                .iter()
                .map(|one| one.key.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(with("16.4", None), [""; 0]);
        assert_eq!(with("16", None), ["engine_version"]);
        assert_eq!(with("11.9", Some("11")), [""; 0]);
        assert_eq!(with("12.9", Some("11")), ["engine_version"]);
    }

    /// Of r8g, r7g and r6g, the newest that the region sells; a class that it does not sell is left out.
    #[test]
    fn the_default_family_is_the_newest_that_the_region_sells() {
        let mut fixture = Fixture::new("2027-04");
        let chosen = |fixture: &Fixture, spec: &Spec| {
            let demand = fixture.demand();
            let size = spec.size(&demand);
            (size.class.class.clone(), size.reason)
        };
        assert_eq!(chosen(&fixture, &spec()).0, "db.r6g.large");
        for (sold, expected) in [
            (&["r6g"][..], "db.r6g.large"),
            (&["r6g", "r7g", "r6i"], "db.r7g.large"),
            (&["r6g", "r7g", "r8g"], "db.r8g.large"),
        ] {
            let all = fixture.catalog.aurora().iter();
            fixture.sold_classes =
                all.filter(|class| sold.contains(&&*class.family)).cloned().collect();
            let (class, reason) = chosen(&fixture, &spec());
            assert_eq!(class, expected);
            let family = &expected[3..6];
            assert!(
                reason.ends_with(&format!(
                    "{family} is the newest default family that us-east-1 sells"
                )),
                "{reason}"
            );
        }
        let named = Spec { families: vec!["r6g".into()], ..spec() };
        assert_eq!(
            chosen(&fixture, &named),
            ("db.r6g.large".into(), "the smallest allowed class is enough".into())
        );
        fixture.sold_classes.retain(|class| class.class != "db.r8g.large");
        assert_eq!(chosen(&fixture, &spec()).0, "db.r8g.xlarge");
    }

    #[test]
    fn unknown_names_are_reported() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec { families: vec!["r6h".into()], ..spec() };
        let problems = Service::check(&spec, &fixture.context());
        assert_eq!(problems[0].key, "families");
        assert!(problems[0].message.contains("r6"), "{problems:?}");
    }
}
