//! NAT gateways: hours per zone and every byte through them, both directions.
//!
//! # Formula
//! ```text
//! NatGateway-Hours [Hrs] = gateways × hours of the month
//! NatGateway-Bytes [GB]  = Σ workloads requests × (external + log bytes) + launches × images
//! ```
//! # Source
//! Billing rules, "NAT gateway": zonal, one per zone for high availability; processed GB come on top
//! of any transfer charge.
//! # Limits
//! A node pulls an image once, when the first pod of its workload is bound to it. What leaves for the internet is metered by `transfer`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Flows, Meter, Metered, Service};

/// NAT gateways.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Gateways; one per zone if left out.
    #[schemars(range(min = 1, max = 100))]
    pub gateways: Option<u32>,
    /// Whether image pulls take another way (interface endpoints for ECR and S3).
    #[serde(default)]
    pub images_bypass: bool,
}

impl Spec {
    fn gateways(&self, demand: &Demand<'_>) -> u32 {
        self.gateways.unwrap_or(demand.zones)
    }

    fn image_gb(&self, demand: &Demand<'_>) -> f64 {
        if self.images_bypass { 0.0 } else { demand.capacity.image_gb }
    }
}

impl Service for Spec {
    const KIND: &'static str = "nat";
    const METERS: &'static [Meter] = &[
        ("AmazonEC2", "NatGateway-Hours", "NatGateway"),
        ("AmazonEC2", "NatGateway-Bytes", "NatGateway"),
    ];

    fn flows(&self, demand: &Demand<'_>) -> Flows {
        Flows {
            nat_gb: demand.external_gb() + demand.log_gb() + self.image_gb(demand),
            public_addresses: f64::from(self.gateways(demand)),
            ..Flows::default()
        }
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let gateways = f64::from(self.gateways(demand));
        let hours = Basis::new(
            "gateways × hours of the month",
            &[("gateways", gateways, "gateways"), ("hours of the month", demand.hours(), "Hrs")],
        );
        let through = Basis::new(
            "third parties + logs + image pulls + other services",
            &[
                ("third parties", demand.external_gb(), "GB"),
                ("logs", demand.log_gb(), "GB"),
                ("image pulls", self.image_gb(demand), "GB"),
                ("nodes launched", f64::from(demand.capacity.launches()), "nodes"),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "nat", gateways * demand.hours(), hours),
            demand.line(Self::METERS[1], "nat", demand.flows.nat_gb, through),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Fixture;

    /// 1,048,576 requests of 1 KiB of logs are 1 GB; images are another.
    #[test]
    fn logs_and_image_pulls_go_through() {
        let mut fixture = Fixture::new("2027-04");
        fixture.workloads["api"].log_kib_per_request = 1.0;
        fixture.capacity.workloads[0].requests = 1_048_576.0;
        fixture.capacity.image_gb = 1.0;
        let spec = Spec::default();
        let mut demand = fixture.demand();
        demand.flows = Service::flows(&spec, &demand);
        let lines = Service::meter(&spec, &demand).lines;
        assert_eq!(lines[0].quantity.get(), 3.0 * 720.0);
        assert_eq!(lines[1].quantity.get(), 2.0);
    }
}
