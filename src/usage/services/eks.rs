//! EKS control plane: hours, extended support by version and date, the fee of Auto Mode.
//!
//! # Formula
//! ```text
//! AmazonEKS-Hours:perCluster      [Hours] = clusters × hours of the month
//! AmazonEKS-Hours:extendedSupport [Hours] = clusters × hours from the day on which standard support ends
//! EKS-Auto:<type>-management-hours [Hours] = hours of the nodes that pools buy, while Auto Mode is on
//! ```
//! At the end of extended support EKS upgrades a cluster to the oldest version that it still supports, which
//! is in extended support itself: the surcharge continues until you upgrade.
//!
//! # Source
//! aws.amazon.com/eks/pricing: 0.10 an hour; past standard support a 0.50 surcharge on its own usage type; Auto
//! Mode a fee by instance, which managed node groups, the baseline, do not pay. Dates:
//! `models/eks_versions.csv`. The upgrade: EKS user guide, "Understand the Kubernetes version lifecycle".
//! # Limits
//! A version without dates is newer than the model's data and is planned in standard support, with a warning.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Choice, Context, Demand, Finding, Meter, Metered, Service, sold::Sold};
use crate::{
    cluster::{autoscale::policy::BASELINE, capacity::NodeUse},
    facts::shapes::EksVersion,
};

/// Control planes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Clusters in the account; default: one.
    #[schemars(range(min = 0, max = 1000))]
    pub clusters: Option<u32>,
    /// Kubernetes version, `1.34`; default: kept up to date, so never in extended support.
    pub version: Option<String>,
    /// Whether EKS Auto Mode manages the nodes.
    #[serde(default)]
    pub auto_mode: bool,
}

impl Spec {
    fn dates<'d>(&self, demand: &Demand<'d>) -> Option<&'d EksVersion> {
        let version = self.version.as_ref()?;
        demand.catalog.eks_versions.iter().find(|known| known.version == *version)
    }

    /// Hours of the month in extended support.
    fn extended_hours(&self, demand: &Demand<'_>) -> f64 {
        let Some(version) = self.dates(demand) else { return 0.0 };
        let days = (0..demand.month.days() as i32).filter(|index| {
            let date = demand.month.first_day().checked_add(jiff::Span::new().days(*index));
            date.is_ok_and(|date| date >= version.standard_support_ends)
        });
        days.count() as f64 * 24.0
    }

    /// What the reader should know of the version.
    fn advice(&self, demand: &Demand<'_>) -> Option<Choice> {
        let version = self.version.as_ref()?;
        let reason = match self.dates(demand) {
            None => format!(
                "no dates of support for Kubernetes {version}, which is newer than models/eks_versions.csv ({}): planned without extended support",
                demand.catalog.eks_versions.last().map_or("none", |known| &known.version)
            ),
            Some(known)
                if demand.month.first_day().last_of_month() >= known.extended_support_ends =>
            {
                format!(
                    "extended support of Kubernetes {version} ends on {}; EKS then upgrades to the oldest version that it supports, which is in extended support too, so the surcharge continues; upgrade the cluster to end it",
                    known.extended_support_ends
                )
            }
            Some(_) => return None,
        };
        Some(Choice { subject: "eks".into(), choice: version.clone(), reason, warning: true })
    }
}

impl Service for Spec {
    const KIND: &'static str = "eks";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonEKS", "AmazonEKS-Hours:perCluster", "CreateOperation"),
        Meter::new("AmazonEKS", "AmazonEKS-Hours:extendedSupport", "ExtendedSupport"),
        Meter::new("AmazonEKS", "EKS-Auto:*", ""),
    ];

    fn usage_types(_: &str, sold: &Sold<'_>) -> Vec<String> {
        let types = sold.instance_types.iter().filter(|own| own.bare_metal != Some(true));
        types.map(|own| auto_mode_fee(&own.instance_type)).collect()
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let versions = &context.catalog.eks_versions;
        let Some(version) = &self.version else { return Vec::new() };
        if versions.iter().any(|known| known.version == *version) {
            return Vec::new();
        }
        let newest = versions.iter().filter_map(|known| minor(&known.version)).max();
        if minor(version).is_some_and(|number| newest.is_none_or(|newest| number > newest)) {
            return Vec::new();
        }
        let known: Vec<&str> = versions.iter().map(|known| &*known.version).collect();
        let message = format!(
            "no dates of support for Kubernetes {version:?}; there are {}, and newer versions are accepted with a warning",
            known.join(", ")
        );
        vec![Finding::new("version", message)]
    }

    fn kubernetes_minor(&self) -> Option<u32> {
        self.version.as_deref().and_then(minor)
    }

    fn lost_without(demand: &Demand<'_>) -> Option<String> {
        (demand.capacity.node_hours() > 0.0).then(|| {
            format!(
                "{} hours of a control plane are not billed, because there is no [eks] table; set clusters = 0 if there is no cluster",
                demand.hours()
            )
        })
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let clusters = f64::from(self.clusters.unwrap_or(1));
        let extended = self.extended_hours(demand);
        let basis = |hours: f64| {
            Basis::new("clusters × hours", &[("clusters", clusters, ""), ("hours", hours, "Hrs")])
        };
        let mut lines = vec![
            demand.line(
                Self::METERS[0],
                "cluster",
                clusters * demand.hours(),
                basis(demand.hours()),
            ),
            demand.line(Self::METERS[1], "cluster", clusters * extended, basis(extended)),
        ];
        let managed = |node: &&NodeUse| self.auto_mode && node.pool != BASELINE;
        for node in demand.capacity.nodes.iter().filter(managed) {
            let usage_type = auto_mode_fee(&node.instance_type);
            let why = Basis::new("node hours", &[("node hours", node.hours, "Hrs")]);
            lines.push(demand.line(
                Meter::new("AmazonEKS", &usage_type, ""),
                &node.pool,
                node.hours,
                why,
            ));
        }
        Metered { lines, choices: self.advice(demand).into_iter().collect() }
    }
}

/// The usage type of Auto Mode's fee for an instance type.
fn auto_mode_fee(instance_type: &str) -> String {
    format!("EKS-Auto:{instance_type}-management-hours")
}

/// The minor number of a version of Kubernetes 1.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    fn hours(month: &str, version: &str) -> [f64; 2] {
        let fixture = Fixture::new(month);
        let spec = Spec { clusters: Some(2), version: Some(version.into()), auto_mode: false };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        [lines[0].quantity.get(), lines[1].quantity.get()]
    }

    fn warned(month: &str, version: &str) -> String {
        let fixture = Fixture::new(month);
        let spec = Spec { version: Some(version.into()), ..Spec::default() };
        let choices = Service::meter(&spec, &fixture.demand()).choices;
        choices.into_iter().map(|choice| choice.reason).collect()
    }

    /// Two clusters in a 31-day month are 2 × 744 h (148.80 at 0.10). 1.33 leaves standard
    /// support on 2026-07-29, so July has three days of surcharge, 2 × 72 h ($72 at 0.50), and August 31; it
    /// continues after the end of extended support in July 2027.
    #[test]
    fn extended_support_begins_on_its_day_and_goes_on() {
        assert_eq!(hours("2026-06", "1.33"), [1440.0, 0.0]);
        assert_eq!(hours("2026-07", "1.33"), [1488.0, 2.0 * 3.0 * 24.0]);
        assert_eq!(hours("2026-08", "1.33"), [1488.0, 1488.0]);
        assert_eq!(hours("2027-08", "1.33"), [1488.0, 1488.0]);
        assert_eq!(hours("2026-07", "1.30"), [1488.0, 1488.0]);
        assert_eq!(warned("2027-06", "1.33"), "");
        assert!(warned("2027-07", "1.33").contains("ends on 2027-07-29; EKS then upgrades"));
    }

    /// 1.36 has dates; a version after the last one is planned with a warning, others are refused.
    #[test]
    fn a_version_newer_than_the_data_is_a_warning() {
        let fixture = Fixture::new("2027-08");
        let problems = |version: &str| {
            let spec = Spec { version: Some(version.into()), ..Spec::default() };
            Service::check(&spec, &fixture.context())
        };
        // 2027-08-02 is the second of 31 days.
        assert_eq!(hours("2027-08", "1.36"), [1488.0, 2.0 * 30.0 * 24.0]);
        assert!(problems("1.36").is_empty() && problems("1.99").is_empty());
        assert_eq!(hours("2027-08", "1.99"), [1488.0, 0.0]);
        assert!(warned("2027-08", "1.99").contains("no dates of support for Kubernetes 1.99"));
        for wrong in ["1.12", "latest", "2.1"] {
            assert!(problems(wrong)[0].message.contains("1.34"), "{wrong}");
        }
    }

    /// The nodes that Auto Mode buys pay its fee; those of a managed node group, the baseline, do not.
    #[test]
    fn auto_mode_is_paid_by_the_nodes_of_pools() {
        let mut fixture = Fixture::new("2027-04");
        let node = |pool: &str, hours: f64| NodeUse {
            instance_type: "m7g.large".into(),
            purchase: "on-demand".into(),
            pool: pool.into(),
            hours,
            launches: 1,
            hourly: Vec::new(),
            price: None,
        };
        fixture.capacity.nodes = vec![node(BASELINE, 720.0), node("general", 100.0)];
        let spec = Spec { auto_mode: true, ..Spec::default() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let fees: Vec<_> =
            lines.iter().filter(|line| line.key.usage_type.contains("Auto")).collect();
        assert_eq!((fees.len(), fees[0].quantity.get()), (1, 100.0));
    }
}
