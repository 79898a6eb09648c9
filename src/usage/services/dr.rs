//! Disaster recovery in a second region: Aurora Global Database, and a stack that waits.
//!
//! # Formula
//! ```text
//! in the second region:
//!   Aurora:StorageUsage       [GB-Mo] = stored by the primary                     (from headless on)
//!   Aurora:ReplicatedWriteIO  [IOs]   = write I/Os of the primary                 (from headless on)
//!   InstanceUsage:<class>     [Hrs]   = instances × hours + the rehearsal's        (reader 1, full as given)
//!   AmazonEKS-Hours, LoadBalancerUsage, NatGateway-Hours, PublicIPv4, BoxUsage, EBS
//!                                     = standing hours + the rehearsal's
//! in the primary region:
//!   <peer>-AWS-Out-Bytes      [GB]    = log of the database
//! Route 53: one health check of the primary's endpoint
//! ```
//! Pilot light keeps the control plane; warm standby also nodes, load balancer and NAT. A rehearsal runs the
//! whole for some hours in every third month of the plan.
//!
//! # Source
//! aws.amazon.com/rds/aurora/pricing (Global Database: each secondary pays its instances, storage and replicated
//! write I/Os, the bytes pay inter-region transfer from the primary; a headless secondary still
//! replicates); architecture section 10.4 (Route 53 health checks, controlled promotion).
//! # Limits
//! A rehearsal's capacity units and NAT bytes, and copies of keys, parameters, images and buckets in the
//! second region are not modelled. Traffic during a failover is not planned. The secondary is on Standard storage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Basis, Choice, Context, Demand, Finding, HandOver, Meter, Metered, Sent, Service, UsageLine,
    aurora, datadog, ec2, route53, sold::Sold,
};
use crate::{error::nearest, facts::shapes::Catalog};

/// What the secondary cluster holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Database {
    /// No secondary.
    None,
    /// Storage only.
    #[default]
    Headless,
    /// One instance.
    Reader,
    /// As many instances as `instances` says.
    Full,
}

/// The part of the application's stack that runs there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StandBy {
    /// Nothing.
    None,
    /// The EKS control plane.
    #[default]
    PilotLight,
    /// Control plane, nodes, load balancer, NAT.
    WarmStandby,
}

/// The second region.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Region code, `us-west-2`, other than the account's. By default the partner of the account's region in
    /// `models/regions.csv`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// Secondary of the Global Database.
    #[serde(default)]
    pub database: Database,
    /// Class of its instances, `db.r6g.large`.
    pub instance_class: Option<String>,
    /// Instances of a full secondary, and of any during a rehearsal.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub instances: u32,
    /// What is kept ready.
    #[serde(default)]
    pub stand_by: StandBy,
    /// Type of the nodes, `m7g.large`.
    pub node_type: Option<String>,
    /// Nodes of a warm standby, and of any during a rehearsal.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub nodes: u32,
    /// Root volume of a node \[GiB\]; default: Karpenter's default.
    #[schemars(range(min = 1))]
    pub volume_gib: Option<f64>,
    /// Zones in use there.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 6))]
    pub zones: u32,
    /// Hours of a rehearsal in every third month.
    #[serde(default)]
    #[schemars(range(min = 0, max = 500))]
    pub rehearsal_hours_per_quarter: f64,
}

/// The usage type of bytes to a region, by its billing prefix.
fn transfer_to(prefix: &str) -> String {
    format!("{prefix}-AWS-Out-Bytes")
}

fn one() -> u32 {
    1
}

fn two() -> u32 {
    2
}

/// Hours of the month that a part runs.
struct Hours {
    standing: f64,
    rehearsal: f64,
}

impl Hours {
    fn billed(&self, count: f64, stands: bool) -> f64 {
        count * if stands { self.standing } else { self.rehearsal }
    }
}

impl Spec {
    fn hours(&self, demand: &Demand<'_>) -> Hours {
        let due = demand.month_index % 3 == 2;
        let rehearsal = if due { self.rehearsal_hours_per_quarter } else { 0.0 };
        Hours { standing: demand.hours(), rehearsal: rehearsal.min(demand.hours()) }
    }

    fn line(&self, meter: Meter<'_>, quantity: f64, why: Basis) -> UsageLine {
        Demand::line_in(&self.region, meter, "disaster recovery", quantity, why)
    }

    /// The class as the bill shortens it: `db.r6g.xl` for `db.r6g.xlarge`.
    fn billing_class<'a>(&self, catalog: &'a Catalog) -> Option<&'a str> {
        let class = self.instance_class.as_ref()?;
        let known = catalog.aurora().iter().find(|known| known.class == *class);
        known.map(|known| &*known.billing_class)
    }

    fn stack(&self, demand: &Demand<'_>) -> Vec<UsageLine> {
        let hours = self.hours(demand);
        let warm = self.stand_by == StandBy::WarmStandby;
        let plane = self.stand_by != StandBy::None;
        let (zones, nodes) = (f64::from(self.zones), f64::from(self.nodes));
        let gib = self.volume_gib.unwrap_or(demand.catalog.controllers.node.root_volume_gib);
        let node_hours = hours.billed(nodes, warm);
        let parts = [
            ("AmazonEKS", "AmazonEKS-Hours:perCluster".to_owned(), "CreateOperation", 1.0, plane),
            ("AWSELB", "LoadBalancerUsage".to_owned(), "LoadBalancing:Application", 1.0, warm),
            ("AmazonEC2", "NatGateway-Hours".to_owned(), "NatGateway", zones, warm),
            ("AmazonVPC", "PublicIPv4:InUseAddress".to_owned(), "", 2.0 * zones, warm),
        ];
        let mut lines: Vec<UsageLine> = parts
            .into_iter()
            .map(|(service, usage_type, operation, count, stands)| {
                let quantity = hours.billed(count, stands);
                let why = Basis::new(
                    "count × hours standing, or of the rehearsal",
                    &[("count", count, ""), ("hours", hours.billed(1.0, stands), "Hrs")],
                );
                self.line(Meter::new(service, &usage_type, operation), quantity, why)
            })
            .collect();
        if let Some(node_type) = &self.node_type {
            let usage_type = format!("BoxUsage:{node_type}");
            let why = Basis::new(
                "nodes × hours standing, or of the rehearsal",
                &[("nodes", nodes, "nodes"), ("node hours", node_hours, "Hrs")],
            );
            lines.push(self.line(
                Meter::new("AmazonEC2", &usage_type, "RunInstances"),
                node_hours,
                why,
            ));
            let why = Basis::new(
                "volume size × node hours / hours of the month",
                &[("volume size", gib, "GiB"), ("node hours", node_hours, "Hrs")],
            );
            let volumes = gib * node_hours / demand.hours();
            lines.push(self.line(Meter::new("AmazonEC2", "EBS:VolumeUsage.gp3", ""), volumes, why));
        }
        lines
    }

    fn database(&self, demand: &Demand<'_>) -> Vec<UsageLine> {
        if self.database == Database::None {
            return Vec::new();
        }
        let hours = self.hours(demand);
        let standing = match self.database {
            Database::None | Database::Headless => 0.0,
            Database::Reader => 1.0,
            Database::Full => f64::from(self.instances),
        };
        let more = (f64::from(self.instances) - standing).max(0.0);
        let instance_hours = standing * hours.standing + more * hours.rehearsal;
        let stored = Basis::new(
            "stored by the primary",
            &[("stored", demand.received.total(DATABASE_GB), "GB")],
        );
        let written = Basis::new(
            "write I/Os of the primary",
            &[("written", demand.received.total(DATABASE_WRITES), "IOs")],
        );
        let operation = "CreateDBInstance";
        let mut lines = vec![
            self.line(
                Meter::new("AmazonRDS", "Aurora:StorageUsage", operation),
                demand.received.total(DATABASE_GB),
                stored,
            ),
            self.line(
                Meter::new("AmazonRDS", "Aurora:ReplicatedWriteIO", ""),
                demand.received.total(DATABASE_WRITES),
                written,
            ),
        ];
        if let Some(class) = self.billing_class(demand.catalog) {
            let usage_type = format!("InstanceUsage:{class}");
            let why = Basis::new(
                "standing instances × hours + further ones × rehearsal",
                &[
                    ("standing", standing, "instances"),
                    ("further", more, "instances"),
                    ("rehearsal", hours.rehearsal, "Hrs"),
                ],
            );
            let meter = Meter::new("AmazonRDS", &usage_type, "CreateDBInstance:0021");
            lines.push(self.line(meter, instance_hours, why));
        }
        if let Some(peer) = demand.catalog.prefix(&self.region) {
            let usage_type = transfer_to(peer);
            let why = Basis::new(
                "log of the database",
                &[("log", demand.received.total(DATABASE_LOG_GB), "GB")],
            );
            let meter = Meter::new("AWSDataTransfer", &usage_type, "");
            lines.push(demand.line(
                meter,
                "disaster recovery",
                demand.received.total(DATABASE_LOG_GB),
                why,
            ));
        }
        lines
    }
}

/// What the database stores \[GB\].
pub const DATABASE_GB: HandOver = HandOver::known_to::<Spec>("GB that the database stores");
/// Write I/Os of the database.
pub const DATABASE_WRITES: HandOver = HandOver::known_to::<Spec>("write I/Os of the database");
/// Log that the database writes \[GB\].
pub const DATABASE_LOG_GB: HandOver =
    HandOver::known_to::<Spec>("GB of log that the database writes");

impl Service for Spec {
    const KIND: &'static str = "dr";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonEKS", "AmazonEKS-Hours:perCluster", "CreateOperation"),
        Meter::new("AWSELB", "LoadBalancerUsage", "LoadBalancing:Application"),
        Meter::new("AmazonEC2", "NatGateway-Hours", "NatGateway"),
        Meter::new("AmazonVPC", "PublicIPv4:InUseAddress", ""),
        Meter::new("AmazonEC2", "BoxUsage:*", "RunInstances"),
        Meter::new("AmazonEC2", "EBS:VolumeUsage.gp3", ""),
        Meter::new("AmazonRDS", "Aurora:StorageUsage", "CreateDBInstance"),
        Meter::new("AmazonRDS", "Aurora:ReplicatedWriteIO", ""),
        Meter::new("AmazonRDS", "InstanceUsage:*", "CreateDBInstance:0021"),
        Meter::new("AWSDataTransfer", "*-AWS-Out-Bytes", ""),
    ];

    fn usage_types(pattern: &str, sold: &Sold<'_>) -> Vec<String> {
        match pattern {
            "BoxUsage:*" => ec2::Spec::usage_types(pattern, sold),
            "InstanceUsage:*" => aurora::Spec::usage_types(pattern, sold),
            _ => {
                let others = sold.peers.iter().filter(|region| **region != sold.region);
                let prefixes = others.filter_map(|region| sold.catalog.prefix(region));
                prefixes.map(|prefix| transfer_to(prefix)).collect()
            }
        }
    }

    fn settle(&mut self, region: &str, catalog: &Catalog) {
        if self.region.is_empty()
            && let Some(partner) = catalog.dr_regions.get(region)
        {
            self.region.clone_from(partner);
        }
    }

    fn regions(&self) -> Vec<&str> {
        vec![&self.region]
    }

    fn replicates_database(&self) -> bool {
        self.database != Database::None
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let mut problems = Vec::new();
        if self.region.is_empty() {
            // The unknown region of an account is reported by itself.
            if context.catalog.prefix(context.region).is_some() {
                let message = format!("give one other than {}", context.region);
                problems.push(Finding::new("region", message));
            }
        } else if context.catalog.prefix(&self.region).is_none() {
            problems.push(Finding::new("region", context.catalog.unknown_region(&self.region)));
        } else if self.region == context.region {
            let other = context.catalog.dr_regions.get(context.region);
            let other = other.map_or(String::new(), |other| format!(", such as {other:?}"));
            let message =
                format!("{:?} is the account's own region; name another{other}", self.region);
            problems.push(Finding::new("region", message));
        }
        let rehearses = self.rehearsal_hours_per_quarter > 0.0;
        let runs = matches!(self.database, Database::Reader | Database::Full) || rehearses;
        if self.database != Database::None && runs && self.instance_class.is_none() {
            let message = "give the class of the secondary's instances, db.r6g.large";
            problems.push(Finding::new("instance_class", message));
        }
        if let Some(class) = &self.instance_class
            && self.billing_class(context.catalog).is_none()
        {
            let known = context.catalog.aurora().iter().map(|known| &*known.class);
            let near = nearest(class, known).unwrap_or("db.r6g.large");
            let message = format!("no class {class:?}; did you mean {near:?}?");
            problems.push(Finding::new("instance_class", message));
        }
        if self.database != Database::None && context.stops_database {
            let message = "AWS stops no cluster of an Aurora Global Database, and the account's schedule has stop_database = true. Set database = \"none\", or remove stop_database";
            problems.push(Finding::new("database", message));
        }
        if self.nodes > 0 && self.node_type.is_none() {
            problems.push(Finding::new("node_type", "give the type of the nodes, m7g.large"));
        }
        problems
    }

    fn unused(&self, _: &Context<'_>) -> Vec<Finding> {
        let rehearses = self.rehearsal_hours_per_quarter > 0.0;
        let runs_nodes = rehearses || self.stand_by == StandBy::WarmStandby;
        let runs_instances = rehearses || self.database == Database::Full;
        let mut unused = super::unused_keys(
            [("nodes", self.nodes > 0 && !runs_nodes)],
            "nodes run in a warm-standby or a rehearsal; there is neither",
        );
        unused.extend(super::unused_keys(
            [("instances", self.instances > one() && !runs_instances)],
            "further instances run in a full secondary or a rehearsal; there is neither",
        ));
        unused.extend(super::unused_keys(
            [("volume_gib", self.volume_gib.is_some() && self.nodes == 0)],
            "there are no nodes; give nodes",
        ));
        unused
    }

    fn sends(&self, _: &Demand<'_>) -> Vec<Sent> {
        let warm = self.stand_by == StandBy::WarmStandby;
        let further_hosts = if warm { f64::from(self.nodes) } else { 0.0 };
        vec![route53::HEALTH_CHECKS.amount(1.0), datadog::FURTHER_HOSTS.amount(further_hosts)]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let mut lines = self.stack(demand);
        lines.extend(self.database(demand));
        let mut metered = Metered::from(lines);
        if self.database != Database::None && demand.received.total(DATABASE_GB) <= 0.0 {
            metered.choices.push(Choice {
                subject: "dr".into(),
                choice: "none".into(),
                reason: "there is no database in the account to replicate".into(),
                warning: true,
            });
        }
        metered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    fn spec(text: &str) -> Spec {
        toml::from_str(&format!("region = \"us-west-2\"\n{text}")).unwrap()
    }

    fn lines(spec: &Spec, month_index: u32) -> Vec<(String, String, f64)> {
        let fixture = Fixture::new("2027-04");
        let mut demand = fixture.demand();
        demand.month_index = month_index;
        demand.received =
            [DATABASE_GB.amount(50.0), DATABASE_WRITES.amount(1e6), DATABASE_LOG_GB.amount(4.0)]
                .into_iter()
                .collect();

        let lines = Service::meter(spec, &demand).lines.into_iter();
        let used = lines.filter(|line| line.quantity.get() > 0.0);
        used.map(|l| (l.key.region, l.key.usage_type, l.quantity.get())).collect()
    }

    fn line(region: &str, usage_type: &str, quantity: f64) -> (String, String, f64) {
        (region.to_owned(), usage_type.to_owned(), quantity)
    }

    /// A headless pilot light in April: 720 h of control plane, the primary's storage and writes, its log
    /// out of the primary region.
    #[test]
    fn a_headless_pilot_light() {
        let found = lines(&spec(""), 0);
        assert_eq!(
            found,
            [
                line("us-west-2", "AmazonEKS-Hours:perCluster", 720.0),
                line("us-west-2", "Aurora:StorageUsage", 50.0),
                line("us-west-2", "Aurora:ReplicatedWriteIO", 1e6),
                line("us-east-1", "USW2-AWS-Out-Bytes", 4.0),
            ]
        );
    }

    /// Rehearsed for 8 hours in the third month: two nodes, two instances, one of which stands anyway.
    #[test]
    fn a_rehearsal_runs_the_whole_for_its_hours() {
        let spec = spec(
            "database = \"reader\"\ninstance_class = \"db.r6g.xlarge\"\ninstances = 2\n\
             node_type = \"m7g.large\"\nnodes = 2\nrehearsal_hours_per_quarter = 8",
        );
        assert!(
            !lines(&spec, 1).iter().any(|(_, usage_type, _)| usage_type.starts_with("BoxUsage"))
        );
        let found = lines(&spec, 2);
        assert!(found.contains(&line("us-west-2", "BoxUsage:m7g.large", 16.0)), "{found:?}");
        assert!(found.contains(&line("us-west-2", "InstanceUsage:db.r6g.xl", 728.0)), "{found:?}");
        assert!(found.contains(&line("us-west-2", "LoadBalancerUsage", 8.0)), "{found:?}");
    }

    #[test]
    fn a_warm_standby_stands_all_month_and_nothing_stands_for_none() {
        let warm = "stand_by = \"warm-standby\"\nnode_type = \"m7g.large\"\nnodes = 3";
        let found = lines(&spec(warm), 0);
        assert!(found.contains(&line("us-west-2", "BoxUsage:m7g.large", 2160.0)), "{found:?}");
        assert!(found.contains(&line("us-west-2", "NatGateway-Hours", 1440.0)), "{found:?}");
        assert!(lines(&spec("database = \"none\"\nstand_by = \"none\""), 0).is_empty());
    }

    /// Systems Manager runbook AWS-StartStopAuroraCluster: no cluster that is part of a global database.
    #[test]
    fn a_global_database_cannot_be_stopped() {
        let fixture = Fixture::new("2027-04");
        let context = Context { stops_database: true, ..fixture.context() };
        assert_eq!(Service::check(&spec(""), &context)[0].key, "database");
        assert!(Service::check(&spec("database = \"none\""), &context).is_empty());
        assert!(Service::check(&spec(""), &fixture.context()).is_empty());
    }

    #[test]
    fn what_is_missing_is_named() {
        let fixture = Fixture::new("2027-04");
        let problems = Service::check(&spec("database = \"full\"\nnodes = 1"), &fixture.context());
        assert_eq!(
            problems.iter().map(|p| &*p.key).collect::<Vec<_>>(),
            ["instance_class", "node_type"]
        );
    }
}
