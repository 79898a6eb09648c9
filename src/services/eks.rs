//! EKS control plane.
//!
//! # Formula
//! ```text
//! AmazonEKS-Hours:perCluster      [Hours] = clusters × hours of the month
//! AmazonEKS-Hours:extendedSupport [Hours] = the same, on top, while in extended support
//! ```
//! # Source
//! Billing rules, "EKS": 0.10 an hour; past standard support a 0.50 surcharge on its own usage type.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Service};

/// Control planes.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Clusters in the account.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub clusters: u32,
    /// Whether the Kubernetes version is past standard support.
    #[serde(default)]
    pub extended_support: bool,
}

fn one() -> u32 {
    1
}

impl Service for Spec {
    const KIND: &'static str = "eks";
    const METERS: &'static [Meter] = &[
        ("AmazonEKS", "AmazonEKS-Hours:perCluster", "CreateOperation"),
        ("AmazonEKS", "AmazonEKS-Hours:extendedSupport", "ExtendedSupport"),
    ];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let clusters = f64::from(self.clusters);
        let hours = clusters * demand.hours();
        let why = Basis::new(
            "clusters × hours of the month",
            &[("clusters", clusters, "clusters"), ("hours of the month", demand.hours(), "Hrs")],
        );
        let extended = if self.extended_support { hours } else { 0.0 };
        vec![
            demand.line(Self::METERS[0], "cluster", hours, why.clone()),
            demand.line(Self::METERS[1], "cluster", extended, why),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Fixture;

    /// Two clusters in a 31-day month are 2 × 744 h (billing rules: 148.80 at 0.10).
    #[test]
    fn clusters_run_the_calendar_hours() {
        let fixture = Fixture::new("2027-07");
        let spec = Spec { clusters: 2, extended_support: false };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[0].quantity.get(), 1488.0);
        assert_eq!(lines[1].quantity.get(), 0.0);
    }
}
