//! EKS control plane: hours, extended support by version and date, the fee of Auto Mode.
//!
//! # Formula
//! ```text
//! AmazonEKS-Hours:perCluster      [Hours] = clusters × hours of the month
//! AmazonEKS-Hours:extendedSupport [Hours] = clusters × hours after the end of standard support
//! EKS-Auto:<type>-management-hours [Hours] = node hours, while Auto Mode is on
//! ```
//! # Source
//! Billing rules, "EKS": 0.10 an hour; past standard support a 0.50 surcharge on its own usage type for up
//! to 12 months; Auto Mode a fee by instance. Dates: `models/eks_versions.csv`.
//! # Limits
//! At the end of extended support EKS upgrades by itself: the surcharge ends there.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Context, Demand, Meter, Metered, Service};

/// Control planes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Clusters in the account; one if left out.
    #[schemars(range(min = 0, max = 1000))]
    pub clusters: Option<u32>,
    /// Kubernetes version, `1.34`; kept up to date, so never in extended support, if left out.
    pub version: Option<String>,
    /// Whether EKS Auto Mode manages the nodes.
    #[serde(default)]
    pub auto_mode: bool,
}

impl Spec {
    /// Hours of the month in extended support.
    fn extended_hours(&self, demand: &Demand<'_>) -> f64 {
        let known = demand.catalog.eks_versions.iter();
        let Some(version) = known.into_iter().find(|v| Some(&v.version) == self.version.as_ref())
        else {
            return 0.0;
        };
        let (standard, extended) = (version.standard_support_ends, version.extended_support_ends);
        let days = (0..demand.month.days() as i32).filter(|index| {
            let date = demand.month.first_day().checked_add(jiff::Span::new().days(*index));
            date.is_ok_and(|date| date > standard && date <= extended)
        });
        days.count() as f64 * 24.0
    }
}

impl Service for Spec {
    const KIND: &'static str = "eks";
    const METERS: &'static [Meter] = &[
        ("AmazonEKS", "AmazonEKS-Hours:perCluster", "CreateOperation"),
        ("AmazonEKS", "AmazonEKS-Hours:extendedSupport", "ExtendedSupport"),
        ("AmazonEKS", "EKS-Auto:*", ""),
    ];

    fn check(&self, context: &Context<'_>) -> Vec<(String, String)> {
        let known: Vec<&str> =
            context.catalog.eks_versions.iter().map(|known| &*known.version).collect();
        match &self.version {
            Some(version) if !known.contains(&&**version) => {
                let message =
                    format!("no dates for version {version:?}; there are {}", known.join(", "));
                vec![("version".into(), message)]
            }
            _ => Vec::new(),
        }
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
        for node in demand.capacity.nodes.iter().filter(|_| self.auto_mode) {
            let usage_type = format!("EKS-Auto:{}-management-hours", node.instance_type);
            let why = Basis::new("node hours", &[("node hours", node.hours, "Hrs")]);
            lines.push(demand.line(("AmazonEKS", &usage_type, ""), &node.pool, node.hours, why));
        }
        lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Fixture;

    fn hours(month: &str, version: &str) -> [f64; 2] {
        let fixture = Fixture::new(month);
        let spec = Spec { clusters: Some(2), version: Some(version.into()), auto_mode: false };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        [lines[0].quantity.get(), lines[1].quantity.get()]
    }

    /// Two clusters in a 31-day month are 2 × 744 h (billing rules: 148.80 at 0.10). 1.34 leaves standard
    /// support on 2026-12-02, so December 2026 has 29 days of surcharge and January 31.
    #[test]
    fn extended_support_begins_and_ends_with_its_dates() {
        assert_eq!(hours("2026-10", "1.34"), [1488.0, 0.0]);
        assert_eq!(hours("2026-12", "1.34"), [1488.0, 2.0 * 29.0 * 24.0]);
        assert_eq!(hours("2027-01", "1.34"), [1488.0, 1488.0]);
        assert_eq!(hours("2027-12", "1.34"), [1488.0, 2.0 * 2.0 * 24.0]);
        assert_eq!(hours("2028-01", "1.34"), [1488.0, 0.0]);
    }

    #[test]
    fn an_unknown_version_is_named() {
        let fixture = Fixture::new("2027-01");
        let spec = Spec { version: Some("1.99".into()), ..Spec::default() };
        assert!(Service::check(&spec, &fixture.context())[0].1.contains("1.34"));
    }
}
