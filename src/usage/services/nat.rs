//! NAT gateways: hours per zone and every byte through them, both directions.
//!
//! # Formula
//! ```text
//! NatGateway-Hours [Hrs] = gateways × hours of the month
//! NatGateway-Bytes [GB]  = Σ workloads requests × (external + log bytes) + image pulls,
//!                          unless an endpoint for S3 carries these
//! with fewer gateways than zones, the other zones' bytes cross a zone, charged on both sides
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
}

impl Spec {
    fn gateways(&self, demand: &Demand<'_>) -> u32 {
        self.gateways.unwrap_or(demand.zones)
    }

    /// With fewer gateways than zones, the other zones' bytes cross to one, charged on both sides.
    fn cross_zone_gb(&self, demand: &Demand<'_>) -> f64 {
        let served = f64::from(self.gateways(demand)) / f64::from(demand.zones.max(1));
        2.0 * (demand.external_gb() + demand.log_gb()) * (1.0 - served).max(0.0)
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
            nat_gb: demand.external_gb() + demand.log_gb(),
            cross_zone_gb: self.cross_zone_gb(demand),
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
            "third parties + logs + image pulls",
            &[
                ("third parties", demand.external_gb(), "GB"),
                ("logs", demand.log_gb(), "GB"),
                ("image pulls", demand.images_by_nat_gb(), "GB"),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "nat", gateways * demand.hours(), hours),
            demand.line(
                Self::METERS[1],
                "nat",
                demand.flows.nat_gb + demand.images_by_nat_gb(),
                through,
            ),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

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
        assert_eq!(demand.flows.cross_zone_gb, 0.0);
        let lines = Service::meter(&spec, &demand).lines;
        assert_eq!(lines[0].quantity.get(), 3.0 * 720.0);
        assert_eq!(lines[1].quantity.get(), 2.0);
        // An endpoint for S3 takes the image layers off.
        demand.flows.images_off_nat = 1.0;
        assert_eq!(Service::meter(&spec, &demand).lines[1].quantity.get(), 1.0);
        // One gateway for three zones: two thirds of the log cross, on both sides.
        let one = Spec { gateways: Some(1) };
        assert!((Service::flows(&one, &demand).cross_zone_gb - 4.0 / 3.0).abs() < 1e-12);
    }
}
