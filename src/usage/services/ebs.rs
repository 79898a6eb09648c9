//! EBS root volumes of the nodes, and volumes that pods claim.
//!
//! # Formula
//! ```text
//! EBS:VolumeUsage.gp3        [GB-Mo]    = volume GiB × node hours / hours of the month
//! EBS:VolumeUsage.TYPE       [GB-Mo]    = claim GiB × volumes, all month
//! EBS:VolumeP-IOPS.gp3       [IOPS-Mo]  = max(0, IOPS − included) × node hours / hours
//! EBS:VolumeP-Throughput.gp3 [MiBps-Mo] = max(0, MiB/s − included) × node hours / hours
//! ```
//! Nodes of a pool with `volume_gib` or its neighbours have the pool's volume, all others that of `[ebs]`.
//!
//! # Source
//! EBS pricing rows of the price book: gp3 includes 3,000 IOPS and 125 MiB/s; per-month meters are
//! fractions of the calendar month (aws.amazon.com/ebs/pricing). A volume is billed from its creation to
//! its deletion, attached or not; Kubernetes keeps the claims of a `StatefulSet` when it scales down
//! ("`StatefulSets`", `persistentVolumeClaimRetentionPolicy`: Retain).

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Basis, Context, Demand, Finding, Meter, Metered, Service, UsageLine};
use crate::{cluster::autoscale::settings::NodePool, facts::shapes::EbsFacts};

/// Type of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeType {
    /// General purpose, IOPS and throughput set apart from the size.
    #[default]
    Gp3,
    /// General purpose, IOPS by size.
    Gp2,
}

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
    /// Provisioned IOPS of a gp3 volume; default: the included ones.
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

/// What is provisioned beyond the size: usage type, provisioned, included without charge, unit.
fn extras(
    facts: &EbsFacts,
    iops: Option<f64>,
    throughput: Option<f64>,
) -> [(&'static str, Option<f64>, f64, &'static str); 2] {
    [
        ("EBS:VolumeP-IOPS.gp3", iops, facts.gp3_included_iops, "IOPS"),
        ("EBS:VolumeP-Throughput.gp3", throughput, facts.gp3_included_mibps, "MiB/s"),
    ]
}

impl Claim {
    /// Adds its usage of a whole month.
    fn meter(&self, demand: &Demand<'_>, resource: &str, lines: &mut Vec<UsageLine>) {
        let count = f64::from(self.count);
        let volumes = ("volumes", count, "volumes");
        let why = Basis::new("claim size × volumes", &[("claim size", self.gib, "GiB"), volumes]);
        let usage_type = match self.volume_type {
            VolumeType::Gp3 => "EBS:VolumeUsage.gp3",
            VolumeType::Gp2 => "EBS:VolumeUsage.gp2",
        };
        let meter = Meter::new("AmazonEC2", usage_type, "");
        lines.push(demand.line(meter, resource, self.gib * count, why));
        let facts = &demand.catalog.controllers.ebs;
        for (usage_type, provisioned, included, unit) in
            extras(facts, self.iops, self.throughput_mibps)
        {
            let Some(provisioned) = provisioned.filter(|provisioned| *provisioned > included)
            else {
                continue;
            };
            let why = Basis::new(
                "(provisioned − included) × volumes",
                &[("provisioned", provisioned, unit), ("included", included, unit), volumes],
            );
            let meter = Meter::new("AmazonEC2", usage_type, "");
            lines.push(demand.line(meter, resource, (provisioned - included) * count, why));
        }
    }
}

impl Service for Spec {
    const KIND: &'static str = "ebs";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonEC2", "EBS:VolumeUsage.gp3", ""),
        Meter::new("AmazonEC2", "EBS:VolumeUsage.gp2", ""),
        Meter::new("AmazonEC2", "EBS:VolumeP-IOPS.gp3", ""),
        Meter::new("AmazonEC2", "EBS:VolumeP-Throughput.gp3", ""),
        Meter::new("AmazonEC2", "EBS:SnapshotUsage", ""),
    ];

    fn when_absent() -> Option<Self> {
        Some(Self::default())
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let most = &context.catalog.controllers.ebs;
        let limits = [
            ("volume_gib", self.volume_gib, most.gp3_max_gib),
            ("iops", self.iops, most.gp3_max_iops),
            ("throughput_mibps", self.throughput_mibps, most.gp3_max_mibps),
        ];
        let given = limits.into_iter().filter_map(|(key, v, most)| Some((key, v?, most)));
        let mut problems = super::above_limits(given);
        for (name, claim) in &self.claims {
            let gp2 = claim.volume_type == VolumeType::Gp2;
            let limits = [
                ("gib", Some(claim.gib), if gp2 { most.gp2_max_gib } else { most.gp3_max_gib }),
                ("iops", claim.iops, most.gp3_max_iops),
                ("throughput_mibps", claim.throughput_mibps, most.gp3_max_mibps),
            ];
            let given = limits.into_iter().filter_map(|(key, v, most)| Some((key, v?, most)));
            let above = super::above_limits(given).into_iter();
            problems.extend(above.map(|finding| finding.below(&format!("claims.{name}"))));
            for (key, given) in [("iops", claim.iops), ("throughput_mibps", claim.throughput_mibps)]
            {
                if gp2 && given.is_some() {
                    let message = "a gp2 volume has no setting for it; use gp3, or remove the key";
                    problems.push(Finding::new(format!("claims.{name}.{key}"), message));
                }
            }
        }
        problems
    }

    fn unused(&self, context: &Context<'_>) -> Vec<Finding> {
        let facts = &context.catalog.controllers.ebs;
        let below = |given: Option<f64>, included: f64| given.is_some_and(|own| own < included);
        super::unused_keys(
            [
                ("iops", below(self.iops, facts.gp3_included_iops)),
                ("throughput_mibps", below(self.throughput_mibps, facts.gp3_included_mibps)),
            ],
            "a gp3 volume includes more, and has no less",
        )
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let own = |pool: &NodePool| {
            [pool.volume_gib, pool.volume_iops, pool.volume_throughput_mibps]
                .iter()
                .any(Option::is_some)
        };
        let mut shared = 0.0;
        let mut lines = Vec::new();
        let mut pools: Vec<(&str, f64)> = Vec::new();
        for node in &demand.capacity.nodes {
            if !demand.node_pools.get(&node.pool).is_some_and(own) {
                shared += node.hours;
            } else if let Some((_, hours)) = pools.iter_mut().find(|(pool, _)| *pool == node.pool) {
                *hours += node.hours;
            } else {
                pools.push((&node.pool, node.hours));
            }
        }
        lines.extend(self.volumes(demand, "node volumes", shared));
        for (pool, hours) in pools {
            let Some(settings) = demand.node_pools.get(pool) else { continue };
            let volume = Self {
                volume_gib: settings.volume_gib.or(self.volume_gib),
                iops: settings.volume_iops.or(self.iops),
                throughput_mibps: settings.volume_throughput_mibps.or(self.throughput_mibps),
                ..Self::default()
            };
            lines.extend(volume.volumes(demand, &format!("node volumes of {pool}"), hours));
        }
        let kept = Basis::new("snapshots kept", &[("snapshots", self.snapshot_gb, "GB")]);
        let snapshots = Meter::new("AmazonEC2", "EBS:SnapshotUsage", "");
        lines.push(demand.line(snapshots, "snapshots", self.snapshot_gb, kept));
        for (name, claim) in &self.claims {
            claim.meter(demand, &format!("claim {name}"), &mut lines);
        }
        lines.into()
    }
}

impl Spec {
    /// Volumes of nodes with so many hours.
    fn volumes(&self, demand: &Demand<'_>, resource: &str, node_hours: f64) -> Vec<UsageLine> {
        let (facts, hours) = (&demand.catalog.controllers, demand.hours());
        let months = node_hours / hours;
        let gib = self.volume_gib.unwrap_or(facts.node.root_volume_gib);
        let used = [("node hours", node_hours, "Hrs"), ("hours of the month", hours, "Hrs")];
        let size = Basis::new(
            "volume size × node hours / hours of the month",
            &[("volume size", gib, "GiB"), used[0], used[1]],
        );
        let storage = Meter::new("AmazonEC2", "EBS:VolumeUsage.gp3", "");
        let mut lines = vec![demand.line(storage, resource, gib * months, size)];
        for (usage_type, provisioned, included, unit) in
            extras(&facts.ebs, self.iops, self.throughput_mibps)
        {
            let above = (provisioned.unwrap_or(included) - included).max(0.0);
            let why = Basis::new(
                "(provisioned − included) × node hours / hours of the month",
                &[
                    ("provisioned", provisioned.unwrap_or(included), unit),
                    ("included", included, unit),
                    used[0],
                    used[1],
                ],
            );
            let meter = Meter::new("AmazonEC2", usage_type, "");
            lines.push(demand.line(meter, resource, above * months, why));
        }
        lines
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
        assert_eq!(quantities, [100.0, 2000.0, 0.0, 0.0]);
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
        assert_eq!(quantities, [50.0, 0.0, 100.0, 2048.0, 6500.0, 50.0, 0.0]);
        assert_eq!(
            (&*lines[0].resource, &*lines[3].resource),
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
}
