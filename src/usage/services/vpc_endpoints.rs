//! VPC endpoints: interface endpoints by zone and GB; gateway endpoints free.
//!
//! # Formula
//! ```text
//! VpcEndpoint-Hours   [Hrs] = interface endpoints × zones × hours of the month
//! VpcEndpoint-Bytes   [GB]  = GB through them + image pulls, where one serves S3
//! VpcEndpoint-Gateway [Hrs] = gateway endpoints × hours, at 0
//! ```
//! # Source
//! aws.amazon.com/privatelink/pricing: hours per endpoint and zone; bytes in steps of 1 and 5 PB over
//! all endpoints of the region; gateway endpoints for S3 and `DynamoDB` cost nothing.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Context, Demand, Finding, Meter, Metered, Sent, Service, nat};

/// Endpoints.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Services with an interface endpoint: `ecr.api`, `ecr.dkr`, `sts`.
    pub interface: Vec<String>,
    /// Services with a gateway endpoint: `s3`, `dynamodb`.
    #[serde(default)]
    pub gateway: Vec<String>,
    /// GB a month through the interface endpoints, image pulls apart.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e9))]
    pub gb_per_month: f64,
}

impl Spec {
    /// Image layers come from S3: through its gateway for nothing, or through its interface endpoint. The
    /// endpoints of ECR itself carry manifests only.
    fn image_gb(&self, demand: &Demand<'_>) -> f64 {
        let has = |names: &[String]| names.iter().any(|name| name == "s3");
        if has(&self.interface) && !has(&self.gateway) { demand.capacity.image_gb } else { 0.0 }
    }
}

impl Service for Spec {
    const KIND: &'static str = "vpc_endpoints";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonVPC", "VpcEndpoint-Hours", "VpcEndpoint"),
        Meter::new("AmazonVPC", "VpcEndpoint-Bytes", "VpcEndpoint"),
        Meter::new("AmazonVPC", "VpcEndpoint-Gateway", ""),
    ];

    fn check(&self, _: &Context<'_>) -> Vec<Finding> {
        let lost = self.gb_per_month > 0.0 && self.interface.is_empty();
        let message = format!(
            "{} GB a month have no interface endpoint to go through; name one in interface",
            self.gb_per_month
        );
        if lost { vec![Finding::new("gb_per_month", message)] } else { Vec::new() }
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let s3 = self.interface.iter().chain(&self.gateway).any(|name| name == "s3");
        if s3 { vec![nat::IMAGES_PAST_GB.amount(demand.capacity.image_gb)] } else { Vec::new() }
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let (endpoints, zones) = (self.interface.len() as f64, f64::from(demand.zones));
        let gateways = self.gateway.len() as f64 * demand.hours();
        let hours = Basis::new(
            "interface endpoints × zones × hours of the month",
            &[
                ("interface endpoints", endpoints, ""),
                ("zones", zones, ""),
                ("hours", demand.hours(), "Hrs"),
            ],
        );
        let through = Basis::new(
            "given + image pulls",
            &[("given", self.gb_per_month, "GB"), ("image pulls", self.image_gb(demand), "GB")],
        );
        let free = Basis::new("gateway endpoints × hours", &[("hours", gateways, "Hrs")])
            .assuming("gateway endpoints cost nothing and take S3 traffic off NAT");
        let bytes = self.gb_per_month + self.image_gb(demand);
        vec![
            demand.line(Self::METERS[0], "endpoints", endpoints * zones * demand.hours(), hours),
            demand.line(Self::METERS[1], "endpoints", bytes, through),
            demand.line(Self::METERS[2], "endpoints", gateways, free),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// Two endpoints in three zones for April: 2 × 3 × 720 h × 0.01 = 43.20.
    #[test]
    fn endpoints_run_in_every_zone() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.image_gb = 5.0;
        let mut spec: Spec = toml::from_str("interface = [\"s3\", \"sts\"]").unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[0].quantity.get(), 4320.0);
        assert_eq!(lines[1].quantity.get(), 5.0);
        assert_eq!(fixture.price(&lines[0], 4320.0), "43.2");
        // 1,048,576 GB × 0.01 + 1,000 × 0.006.
        assert_eq!(fixture.price(&lines[1], 1_049_576.0), "10491.76");
        spec.gateway = vec!["s3".into()];
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[1].quantity.get(), 0.0);
        assert_eq!(fixture.price(&lines[2], 720.0), "0");
    }
}
