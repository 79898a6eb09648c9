//! NAT gateways: hours per zone and every byte through them, both directions.
//!
//! # Formula
//! ```text
//! NatGateway-Hours [Hrs] = gateways × hours of the month
//! NatGateway-Bytes [GB]  = Σ workloads requests × (external + log bytes) + image pulls,
//!                          unless an endpoint for S3 carries these
//! with fewer gateways than zones, the other zones' bytes cross a zone, charged on both sides
//! regional: RegionalNatGateway-Hours = zones × hours of the month, RegionalNatGateway-Bytes as above, no byte crosses
//! ```
//! # Source
//! aws.amazon.com/vpc/pricing: zonal, one per zone for high availability; processed GB come on top
//! of any transfer charge. Price list of `AmazonEC2`, eu-west-1, version 20260925174521: a regional gateway has usage types
//! of its own.
//! # Limits
//! A regional gateway is active in every zone of the account for the whole month, with one address in each.
//! A node pulls an image once, when the first pod of its workload is bound to it. What leaves for the internet is metered by `transfer`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Basis, Context, Demand, Finding, HandOver, Meter, Metered, Sent, Service, public_ipv4,
    rounded_up, transfer,
};

/// NAT gateways.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Gateways; default: one per zone.
    #[schemars(range(min = 1, max = 100))]
    pub gateways: Option<u32>,
    /// Whether it is one regional NAT gateway, which expands to all zones, in place of zonal ones.
    #[serde(default)]
    pub regional: bool,
}

impl Spec {
    fn gateways(&self, demand: &Demand<'_>) -> u32 {
        if self.regional { demand.zones } else { self.gateways.unwrap_or(demand.zones) }
    }

    /// With fewer gateways than zones, the other zones' bytes cross to one, charged on both sides.
    fn cross_zone_gb(&self, demand: &Demand<'_>) -> f64 {
        let served = f64::from(self.gateways(demand)) / f64::from(demand.zones.max(1));
        2.0 * (demand.external_gb() + demand.log_gb()) * (1.0 - served).max(0.0)
    }
}

/// Bytes through NAT gateways, both directions \[GB\].
pub const THROUGH_GB: HandOver = HandOver::known_to::<Spec>("GB through NAT gateways");
/// Image layers that an endpoint for S3 carries past NAT gateways \[GB\].
pub const IMAGES_PAST_GB: HandOver =
    HandOver::known_to::<Spec>("GB of image layers past NAT gateways");

/// Returns the image layers that nodes pull through NAT gateways (GB): they come from S3, and an endpoint for S3 carries
/// them past the gateways.
fn image_gb(demand: &Demand<'_>) -> f64 {
    demand.capacity.image_gb - demand.received.total(IMAGES_PAST_GB)
}

impl Service for Spec {
    const KIND: &'static str = "nat";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonEC2", "NatGateway-Hours", "NatGateway"),
        Meter::new("AmazonEC2", "NatGateway-Bytes", "NatGateway"),
        Meter::new("AmazonEC2", "RegionalNatGateway-Hours", "RegionalNatGateway"),
        Meter::new("AmazonEC2", "RegionalNatGateway-Bytes", "RegionalNatGateway"),
    ];
    const SOLD_IN_SOME_REGIONS: &'static [&'static str] =
        &["RegionalNatGateway-Hours", "RegionalNatGateway-Bytes"];

    fn check(&self, _: &Context<'_>) -> Vec<Finding> {
        let both = self.regional && self.gateways.is_some();
        let message =
            "a regional NAT gateway is one gateway for all zones; remove gateways or regional";
        both.then(|| Finding::new("gateways", message)).into_iter().collect()
    }

    fn lost_without(demand: &Demand<'_>) -> Option<String> {
        let gb = demand.external_gb() + demand.log_gb() + image_gb(demand);
        (gb > 0.0).then(|| {
            format!(
                "{} GB of third parties, logs and image pulls pass no gateway, because there is no [nat] table; nodes with public addresses pay for those",
                rounded_up(gb)
            )
        })
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        vec![
            THROUGH_GB.amount(demand.external_gb() + demand.log_gb()),
            transfer::CROSS_ZONE_GB.amount(self.cross_zone_gb(demand)),
            public_ipv4::ADDRESSES.amount(f64::from(self.gateways(demand))),
        ]
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
                ("image pulls", image_gb(demand), "GB"),
            ],
        );
        let [hour, byte] = if self.regional { [2, 3] } else { [0, 1] };
        vec![
            demand.line(Self::METERS[hour], "nat", gateways * demand.hours(), hours),
            demand.line(
                Self::METERS[byte],
                "nat",
                demand.received.total(THROUGH_GB) + image_gb(demand),
                through,
            ),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::{Fixture, sent};

    /// Three zones for 720 h are 2,160 zone-hours; no byte crosses a zone. `tests/meters.rs` has the price.
    #[test]
    fn a_regional_gateway_has_its_own_meters() {
        let mut fixture = Fixture::new("2027-04");
        fixture.workloads["api"].log_kib_per_request = 1.0;
        fixture.capacity.workloads[0].requests = 1_048_576.0;
        let spec: Spec = toml::from_str("regional = true").unwrap();
        let mut demand = fixture.demand();
        demand.region = "eu-west-1";
        demand.received = Service::sends(&spec, &demand).into_iter().collect();
        assert_eq!(demand.received.total(transfer::CROSS_ZONE_GB), 0.0);
        let lines = Service::meter(&spec, &demand).lines;
        let found: Vec<_> =
            lines.iter().map(|line| (&*line.key.usage_type, line.quantity.get())).collect();
        assert_eq!(
            found,
            [("RegionalNatGateway-Hours", 2160.0), ("RegionalNatGateway-Bytes", 1.0)]
        );
        let both = Spec { gateways: Some(2), ..spec };
        assert_eq!(Service::check(&both, &fixture.context())[0].key, "gateways");
    }

    /// 1,048,576 requests of 1 KiB of logs are 1 GB; images are another.
    #[test]
    fn logs_and_image_pulls_go_through() {
        let mut fixture = Fixture::new("2027-04");
        fixture.workloads["api"].log_kib_per_request = 1.0;
        fixture.capacity.workloads[0].requests = 1_048_576.0;
        fixture.capacity.image_gb = 1.0;
        let spec = Spec::default();
        let mut demand = fixture.demand();
        let sends = Service::sends(&spec, &demand);
        demand.received = sends.iter().copied().collect();
        assert_eq!(demand.received.total(transfer::CROSS_ZONE_GB), 0.0);
        let lines = Service::meter(&spec, &demand).lines;
        assert_eq!(lines[0].quantity.get(), 3.0 * 720.0);
        assert_eq!(lines[1].quantity.get(), 2.0);
        // An endpoint for S3 takes the image layers off.
        demand.received = sends.into_iter().chain([IMAGES_PAST_GB.amount(1.0)]).collect();
        assert_eq!(Service::meter(&spec, &demand).lines[1].quantity.get(), 1.0);
        // One gateway for three zones: two thirds of the log cross, on both sides.
        let one = Spec { gateways: Some(1), ..spec };
        assert!((sent(&one, &demand, transfer::CROSS_ZONE_GB) - 4.0 / 3.0).abs() < 1e-12);
    }
}
