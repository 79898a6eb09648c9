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
//! Half of the bytes to third parties go out; logs go out entirely. Images are pulled once by each
//! new node.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Flows, Meter, Metered, Service, kib_to_gb};

/// NAT gateways.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Gateways; one per zone if left out.
    #[schemars(range(min = 0, max = 100))]
    pub gateways: Option<u32>,
    /// Whether image pulls take another way (interface endpoints for ECR and S3).
    #[serde(default)]
    pub images_bypass: bool,
}

/// Bytes of a month by what causes them [GB].
struct Bytes {
    external: f64,
    logs: f64,
    images: f64,
}

impl Spec {
    fn gateways(&self, demand: &Demand<'_>) -> u32 {
        self.gateways.unwrap_or(demand.zones)
    }

    fn bytes(&self, demand: &Demand<'_>) -> Bytes {
        let sum = |of: fn(&crate::workload::Workload) -> f64| {
            let kib = demand.workloads.iter().map(|(name, w)| demand.requests_of(name) * of(w));
            kib_to_gb(kib.sum())
        };
        let image_mib: f64 = demand.workloads.values().map(|workload| workload.image_mib).sum();
        let pulls =
            f64::from(demand.capacity.launches()) * f64::from(u8::from(!self.images_bypass));
        Bytes {
            external: sum(|workload| workload.external_kib_per_request),
            logs: sum(|workload| workload.log_kib_per_request),
            images: kib_to_gb(pulls * image_mib * 1024.0),
        }
    }
}

impl Service for Spec {
    const KIND: &'static str = "nat";
    const METERS: &'static [Meter] = &[
        ("AmazonEC2", "NatGateway-Hours", "NatGateway"),
        ("AmazonEC2", "NatGateway-Bytes", "NatGateway"),
    ];

    fn flows(&self, demand: &Demand<'_>) -> Flows {
        let bytes = self.bytes(demand);
        Flows {
            internet_out_gb: bytes.external / 2.0 + bytes.logs,
            nat_gb: bytes.external + bytes.logs + bytes.images,
            public_addresses: f64::from(self.gateways(demand)),
            ..Flows::default()
        }
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let gateways = f64::from(self.gateways(demand));
        let bytes = self.bytes(demand);
        let hours = Basis::new(
            "gateways × hours of the month",
            &[("gateways", gateways, "gateways"), ("hours of the month", demand.hours(), "Hrs")],
        );
        let through = Basis::new(
            "third parties + logs + image pulls + other services",
            &[
                ("third parties", bytes.external, "GB"),
                ("logs", bytes.logs, "GB"),
                ("image pulls", bytes.images, "GB"),
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
    use crate::{capacity::NodeUse, services::fixture::Fixture};

    /// 1,048,576 requests of 1 KiB of logs are 1 GB; 16 new nodes pulling 64 MiB are another.
    #[test]
    fn logs_and_image_pulls_go_through() {
        let mut fixture = Fixture::new("2027-04");
        fixture.workloads["api"].log_kib_per_request = 1.0;
        fixture.workloads["api"].image_mib = 64.0;
        fixture.capacity.workloads[0].requests = 1_048_576.0;
        fixture.capacity.nodes = vec![NodeUse {
            instance_type: "m7g.large".into(),
            purchase: "spot".into(),
            pool: "p".into(),
            hours: 1.0,
            launches: 16,
        }];
        let spec = Spec::default();
        let mut demand = fixture.demand();
        demand.flows = Service::flows(&spec, &demand);
        assert_eq!(demand.flows.internet_out_gb, 1.0);
        let lines = Service::meter(&spec, &demand).lines;
        assert_eq!(lines[0].quantity.get(), 3.0 * 720.0);
        assert_eq!(lines[1].quantity.get(), 2.0);
    }
}
