//! EBS root volumes of the nodes, and volumes that pods claim.
//!
//! # Formula
//! ```text
//! EBS:VolumeUsage.TYPE       [GB-Mo]    = volume GiB × node hours / hours of the month
//! EBS:VolumeUsage.TYPE       [GB-Mo]    = claim GiB × volumes, all month
//! EBS:VolumeP-IOPS.gp3       [IOPS-Mo]  = max(0, IOPS − included) × node hours / hours
//! EBS:VolumeP-IOPS.io2       [IOPS-Mo]  = IOPS of a volume up to 32,000; .tier2 up to 64,000, .tier3 above
//! EBS:VolumeP-Throughput.gp3 [MiBps-Mo] = max(0, MiB/s − included) × node hours / hours
//! ```
//! Nodes of a pool with `volume_gib` or its neighbours have the pool's volume, all others that of `[ebs]`.
//!
//! # Source
//! EBS pricing rows of the price book: gp3 includes 3,000 IOPS and 125 MiB/s, io2 includes none; per-month meters are
//! fractions of the calendar month (aws.amazon.com/ebs/pricing). A volume is billed from its creation to
//! its deletion, attached or not; Kubernetes keeps the claims of a `StatefulSet` when it scales down
//! ("`StatefulSets`", `persistentVolumeClaimRetentionPolicy`: Retain).

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Context, Demand, Finding, Meter, Metered, Service, UsageLine};
use crate::{
    cluster::autoscale::settings::NodePool,
    facts::shapes::{
        VolumeType,
        volume::{Provisioned, Setting},
    },
};

/// Volumes that pods claim: a `PersistentVolumeClaim`, or all claims of a `StatefulSet`'s template.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Size of one volume \[GiB\].
    #[schemars(range(min = 1))]
    pub gib: f64,
    /// Volumes of this size.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100_000))]
    pub count: u32,
    /// Their type.
    #[serde(default)]
    pub volume_type: VolumeType,
    /// Provisioned IOPS of a gp3 or io2 volume; default: the included ones.
    #[schemars(range(min = 1))]
    pub iops: Option<f64>,
    /// Provisioned throughput of a gp3 volume \[MiB/s\]; default: the included one.
    #[schemars(range(min = 1))]
    pub throughput_mibps: Option<f64>,
}

fn one() -> u32 {
    1
}

/// Root volumes, where a node pool does not set its own, and claims.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Size of a node's root volume \[GiB\]; default: Karpenter's default.
    #[schemars(range(min = 1))]
    pub volume_gib: Option<f64>,
    /// Type of a node's root volume; a hard disk boots none.
    #[serde(default)]
    pub volume_type: VolumeType,
    /// Provisioned IOPS of a volume; default: the included ones.
    #[schemars(range(min = 1))]
    pub iops: Option<f64>,
    /// Snapshots kept, changed blocks only \[GB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e9))]
    pub snapshot_gb: f64,
    /// Provisioned throughput of a volume \[MiB/s\]; default: the included one.
    #[schemars(range(min = 1))]
    pub throughput_mibps: Option<f64>,
    /// Volumes that pods claim, by name; billed all month, outside the account's schedule too.
    #[serde(default)]
    pub claims: IndexMap<String, Claim>,
}

/// Usage types of what io2 volumes provision, by tier.
const IO2_TIERS: [&str; 3] =
    ["EBS:VolumeP-IOPS.io2", "EBS:VolumeP-IOPS.io2.tier2", "EBS:VolumeP-IOPS.io2.tier3"];

/// How many volumes there are in a month.
struct Volumes<'a> {
    /// What a size of one is called.
    size: &'static str,
    /// How the number ends a formula.
    formula: &'static str,
    /// Volume-months.
    months: f64,
    /// What they are computed from.
    inputs: &'a [(&'a str, f64, &'a str)],
}

/// Adds the usage of some volumes that are alike.
fn meter(
    demand: &Demand<'_>,
    (volume, gib): (Provisioned, f64),
    volumes: &Volumes<'_>,
    resource: &str,
    lines: &mut Vec<UsageLine>,
) {
    let facts = demand.catalog.controllers.ebs.of(volume.kind);
    let mut add = |usage_type: &str, each: f64, formula: &str, inputs: &[(&str, f64, &str)]| {
        let all: Vec<_> = inputs.iter().chain(volumes.inputs).copied().collect();
        let why = Basis::new(&format!("{formula} × {}", volumes.formula), &all);
        let meter = Meter::new("AmazonEC2", usage_type, "");
        lines.push(demand.line(meter, resource, each * volumes.months, why));
    };
    let storage = format!("EBS:VolumeUsage.{}", volume.kind.name());
    add(&storage, gib, volumes.size, &[(volumes.size, gib, "GiB")]);
    for (usage_type, provisioned, included, unit) in [
        ("EBS:VolumeP-IOPS.gp3", volume.iops, facts.included_iops, "IOPS"),
        ("EBS:VolumeP-Throughput.gp3", volume.mibps, facts.included_mibps, "MiB/s"),
    ] {
        let Some(provisioned) = provisioned.filter(|own| included > 0.0 && *own > included) else {
            continue;
        };
        let inputs = [("provisioned", provisioned, unit), ("included", included, unit)];
        add(usage_type, provisioned - included, "(provisioned − included)", &inputs);
    }
    let tiers = if facts.iops_tiers.is_empty() { &[][..] } else { &IO2_TIERS[..] };
    let mut from = 0.0;
    for (index, usage_type) in tiers.iter().enumerate() {
        let provisioned = volume.iops.unwrap_or(0.0);
        let to = facts.iops_tiers.get(index).copied().unwrap_or(f64::INFINITY);
        let each = provisioned.min(to) - from;
        if each > 0.0 {
            let inputs = [("provisioned", provisioned, "IOPS"), ("from", from, "IOPS")];
            add(usage_type, each, "IOPS of the tier", &inputs);
        }
        from = to;
    }
}

impl Claim {
    fn volume(&self) -> Provisioned {
        Provisioned {
            kind: self.volume_type,
            gib: Some(self.gib),
            iops: self.iops,
            mibps: self.throughput_mibps,
        }
    }
}

impl Service for Spec {
    const KIND: &'static str = "ebs";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonEC2", "EBS:VolumeUsage.gp3", ""),
        Meter::new("AmazonEC2", "EBS:VolumeUsage.gp2", ""),
        Meter::new("AmazonEC2", "EBS:VolumeUsage.io2", ""),
        Meter::new("AmazonEC2", "EBS:VolumeUsage.st1", ""),
        Meter::new("AmazonEC2", "EBS:VolumeUsage.sc1", ""),
        Meter::new("AmazonEC2", "EBS:VolumeP-IOPS.gp3", ""),
        Meter::new("AmazonEC2", IO2_TIERS[0], ""),
        Meter::new("AmazonEC2", IO2_TIERS[1], ""),
        Meter::new("AmazonEC2", IO2_TIERS[2], ""),
        Meter::new("AmazonEC2", "EBS:VolumeP-Throughput.gp3", ""),
        Meter::new("AmazonEC2", "EBS:SnapshotUsage", ""),
    ];
    const SOLD_IN_SOME_REGIONS: &'static [&'static str] =
        &["EBS:VolumeUsage.io2", IO2_TIERS[0], IO2_TIERS[1], IO2_TIERS[2]];

    fn when_absent() -> Option<Self> {
        Some(Self::default())
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let facts = &context.catalog.controllers.ebs;
        let found = |problems: Vec<(Setting, String)>, size: &str, table: &str| {
            let key = |setting| match setting {
                Setting::Size => size.to_owned(),
                Setting::Iops => "iops".to_owned(),
                Setting::Throughput => "throughput_mibps".to_owned(),
            };
            let finding =
                |(setting, message)| Finding::new(table.to_owned() + &key(setting), message);
            problems.into_iter().map(finding).collect::<Vec<_>>()
        };
        let mut problems = found(self.root().problems(facts), "volume_gib", "");
        if !facts.of(self.volume_type).boots {
            let name = self.volume_type.name();
            let message = format!("an instance boots from no {name} volume; use gp3, gp2 or io2");
            problems.push(Finding::new("volume_type", message));
        }
        for (name, claim) in &self.claims {
            let table = format!("claims.{name}.");
            problems.extend(found(claim.volume().problems(facts), "gib", &table));
        }
        problems
    }

    fn unused(&self, context: &Context<'_>) -> Vec<Finding> {
        let facts = context.catalog.controllers.ebs.of(self.volume_type);
        let below = |given: Option<f64>, included: f64| given.is_some_and(|own| own < included);
        super::unused_keys(
            [
                ("iops", below(self.iops, facts.included_iops)),
                ("throughput_mibps", below(self.throughput_mibps, facts.included_mibps)),
            ],
            "a gp3 volume includes more, and has no less",
        )
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let mut shared = 0.0;
        let mut lines = Vec::new();
        let mut pools: Vec<(&str, f64)> = Vec::new();
        for node in &demand.capacity.nodes {
            if !demand.node_pools.get(&node.pool).is_some_and(NodePool::has_volume) {
                shared += node.hours;
            } else if let Some((_, hours)) = pools.iter_mut().find(|(pool, _)| *pool == node.pool) {
                *hours += node.hours;
            } else {
                pools.push((&node.pool, node.hours));
            }
        }
        Self::nodes(demand, (self.root(), shared), "node volumes", &mut lines);
        for (pool, hours) in pools {
            let Some(settings) = demand.node_pools.get(pool) else { continue };
            let volume = settings.volume(self.root());
            Self::nodes(demand, (volume, hours), &format!("node volumes of {pool}"), &mut lines);
        }
        let kept = Basis::new("snapshots kept", &[("snapshots", self.snapshot_gb, "GB")]);
        let snapshots = Meter::new("AmazonEC2", "EBS:SnapshotUsage", "");
        lines.push(demand.line(snapshots, "snapshots", self.snapshot_gb, kept));
        for (name, claim) in &self.claims {
            let count = f64::from(claim.count);
            let volumes = Volumes {
                size: "claim size",
                formula: "volumes",
                months: count,
                inputs: &[("volumes", count, "volumes")],
            };
            let volume = (claim.volume(), claim.gib);
            meter(demand, volume, &volumes, &format!("claim {name}"), &mut lines);
        }
        lines.into()
    }
}

impl Spec {
    /// Returns the root volume of a node whose pool sets none.
    pub fn root(&self) -> Provisioned {
        Provisioned {
            kind: self.volume_type,
            gib: self.volume_gib,
            iops: self.iops,
            mibps: self.throughput_mibps,
        }
    }

    /// Adds the volumes of nodes with so many hours.
    fn nodes(
        demand: &Demand<'_>,
        (volume, node_hours): (Provisioned, f64),
        resource: &str,
        lines: &mut Vec<UsageLine>,
    ) {
        let hours = demand.hours();
        let gib = volume.gib.unwrap_or(demand.catalog.controllers.node.root_volume_gib);
        let volumes = Volumes {
            size: "volume size",
            formula: "node hours / hours of the month",
            months: node_hours / hours,
            inputs: &[("node hours", node_hours, "Hrs"), ("hours of the month", hours, "Hrs")],
        };
        meter(demand, (volume, gib), &volumes, resource, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::capacity::NodeUse, usage::services::fixture::Fixture};

    fn node(pool: &str, hours: f64) -> NodeUse {
        NodeUse {
            instance_type: "m7g.large".into(),
            purchase: if pool == "baseline" { pool } else { "on-demand" }.into(),
            pool: pool.into(),
            hours,
            launches: 2,
            hourly: Vec::new(),
            price: None,
        }
    }

    /// Two nodes for all of April (1,440 node-hours over 720 h): 2 × 50 GiB; 4,000 IOPS are 1,000
    /// above the free 3,000, times two; 125 MiB/s are free.
    #[test]
    fn size_and_iops_above_the_free_part_are_billed_by_the_month() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.nodes = vec![node("p", 1440.0)];
        let spec = Spec { volume_gib: Some(50.0), iops: Some(4000.0), ..Spec::default() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let quantities: Vec<f64> = lines.iter().map(|line| line.quantity.get()).collect();
        assert_eq!(quantities, [100.0, 2000.0, 0.0]);
    }

    /// One baseline node all month has 50 GiB. Half a node of `big` on average has 4,096 GiB and 16,000 IOPS:
    /// 2,048 GB and 6,500 IOPS above 3,000; its throughput is that of `[ebs]`, 225 MiB/s, 100 above 125.
    #[test]
    fn a_pool_s_volume_is_no_one_else_s() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.nodes =
            vec![node("baseline", 720.0), node("big", 240.0), node("big", 120.0)];
        let big = NodePool {
            volume_gib: Some(4096.0),
            volume_iops: Some(16_000.0),
            ..NodePool::default()
        };
        fixture.node_pools.insert("big".into(), big);
        let throughput_mibps = Some(225.0);
        let spec = Spec { volume_gib: Some(50.0), throughput_mibps, ..Spec::default() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let quantities: Vec<f64> = lines.iter().map(|line| line.quantity.get()).collect();
        assert_eq!(quantities, [50.0, 100.0, 2048.0, 6500.0, 50.0, 0.0]);
        assert_eq!(
            (&*lines[0].resource, &*lines[2].resource),
            ("node volumes", "node volumes of big")
        );
    }

    /// Three claims of 100 GiB and one of 500 GiB with 4,000 IOPS are 300 + 500 GB-months and 1,000 IOPS-months,
    /// however many nodes run; a gp2 claim of 10 GiB is 10 GB-months of its own meter.
    #[test]
    fn claims_are_billed_all_month_without_nodes() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec = toml::from_str(
            "[claims.db-data]\ngib = 100\ncount = 3\n[claims.shared]\ngib = 500\niops = 4000\n[claims.old]\ngib = 10\nvolume_type = \"gp2\"\n",
        )
        .unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let claims: Vec<(&str, &str, f64)> = lines
            .iter()
            .filter(|line| line.resource.starts_with("claim "))
            .map(|line| (&*line.resource, &*line.key.usage_type, line.quantity.get()))
            .collect();
        let expected = [
            ("claim db-data", "EBS:VolumeUsage.gp3", 300.0),
            ("claim shared", "EBS:VolumeUsage.gp3", 500.0),
            ("claim shared", "EBS:VolumeP-IOPS.gp3", 1000.0),
            ("claim old", "EBS:VolumeUsage.gp2", 10.0),
        ];
        assert_eq!(claims, expected);
    }

    /// Two io2 claims of 500 GiB with 70,000 IOPS: 1,000 GB-months at 0.125, 2 × 32,000 IOPS at 0.065, 2 × 32,000 at
    /// 0.0455 and 2 × 6,000 at 0.03185. A claim of st1 and one of sc1 pay 0.045 and 0.015 a GB-month.
    #[test]
    fn provisioned_iops_are_billed_by_tier_and_hard_disks_by_size() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec = toml::from_str(
            "[claims.db]\ngib = 500\ncount = 2\nvolume_type = \"io2\"\niops = 70000\n\
             [claims.logs]\ngib = 2000\nvolume_type = \"st1\"\n\
             [claims.old]\ngib = 1000\nvolume_type = \"sc1\"\n",
        )
        .unwrap();
        assert_eq!(Service::check(&spec, &fixture.context()), []);
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let costs: Vec<(&str, f64, String)> = lines
            .iter()
            .filter(|line| line.resource.starts_with("claim "))
            .map(|line| {
                let quantity = line.quantity.get();
                (&*line.key.usage_type, quantity, fixture.price(line, quantity))
            })
            .collect();
        let expected = [
            ("EBS:VolumeUsage.io2", 1000.0, "125".to_owned()),
            ("EBS:VolumeP-IOPS.io2", 64_000.0, "4160".to_owned()),
            ("EBS:VolumeP-IOPS.io2.tier2", 64_000.0, "2912".to_owned()),
            ("EBS:VolumeP-IOPS.io2.tier3", 12_000.0, "382.2".to_owned()),
            ("EBS:VolumeUsage.st1", 2000.0, "90".to_owned()),
            ("EBS:VolumeUsage.sc1", 1000.0, "15".to_owned()),
        ];
        assert_eq!(costs, expected);
    }

    /// A node that runs for half of April on a pool with io2 volumes of 100 GiB and 4,000 IOPS: half of each. The
    /// pool's type leaves the IOPS of `[ebs]` alone, which are gp3's.
    #[test]
    fn a_pool_may_have_a_type_of_its_own() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.nodes = vec![node("fast", 360.0), node("plain", 720.0)];
        let fast = NodePool {
            volume_gib: Some(100.0),
            volume_type: Some(VolumeType::Io2),
            volume_iops: Some(4000.0),
            ..NodePool::default()
        };
        let plain = NodePool { volume_type: Some(VolumeType::Gp2), ..NodePool::default() };
        fixture.node_pools.insert("fast".into(), fast);
        fixture.node_pools.insert("plain".into(), plain);
        let spec = Spec { volume_gib: Some(50.0), iops: Some(5000.0), ..Spec::default() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let used: Vec<(&str, f64)> = lines
            .iter()
            .map(|line| (&*line.key.usage_type, line.quantity.get()))
            .filter(|(_, quantity)| *quantity > 0.0)
            .collect();
        let expected = [
            ("EBS:VolumeUsage.io2", 50.0),
            ("EBS:VolumeP-IOPS.io2", 2000.0),
            ("EBS:VolumeUsage.gp2", 50.0),
        ];
        assert_eq!(used, expected);
    }

    #[test]
    fn a_hard_disk_boots_no_node() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec = toml::from_str("volume_type = \"st1\"\nvolume_gib = 125").unwrap();
        let problems = Service::check(&spec, &fixture.context());
        assert_eq!(problems[0].key, "volume_type");
        assert!(problems[0].message.contains("boots from no st1"), "{problems:?}");
    }
}
