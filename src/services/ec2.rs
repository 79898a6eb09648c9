//! EC2 instances: the hours that the simulated nodes ran.
//!
//! # Formula
//! ```text
//! BoxUsage:<type>  [Hrs] = Σ hours of baseline and on-demand nodes of the type
//! SpotUsage:<type> [Hrs] = Σ hours of spot nodes of the type
//! ```
//! # Source
//! Billing rules, "EC2, spot, Savings Plans": Linux is billed per second with a minimum of 60 s;
//! spot per second used.
//! # Limits
//! The tick is a minute, so each launch and stop is placed to the minute. A node that lives less than
//! a tick does not occur, so the 60 s minimum never binds.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Service};

/// EC2 has no settings of its own: the nodes are the cluster's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {}

impl Service for Spec {
    const KIND: &'static str = "ec2";
    const METERS: &'static [Meter] = &[
        ("AmazonEC2", "BoxUsage:*", "RunInstances"),
        ("AmazonEC2", "SpotUsage:*", "RunInstances"),
    ];

    fn when_absent() -> Option<Self> {
        Some(Self::default())
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let lines = demand.capacity.nodes.iter().map(|node| {
            let kind = if node.purchase == "spot" { "SpotUsage" } else { "BoxUsage" };
            let usage_type = format!("{kind}:{}", node.instance_type);
            let why = Basis::new(
                "hours of the simulated nodes",
                &[
                    ("node hours", node.hours, "Hrs"),
                    ("nodes launched", f64::from(node.launches), "nodes"),
                    ("mean nodes", node.hours / demand.hours(), "nodes"),
                ],
            );
            let resource = format!("{}/{}", node.pool, node.purchase);
            demand.line(("AmazonEC2", &usage_type, "RunInstances"), &resource, node.hours, why)
        });
        lines.collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{capacity::NodeUse, services::fixture};

    #[test]
    fn spot_and_on_demand_are_different_meters() {
        let mut fixture = fixture::Fixture::new("2027-04");
        let node = |purchase: &str, hours| NodeUse {
            instance_type: "m7g.large".into(),
            purchase: purchase.into(),
            pool: "general".into(),
            hours,
            launches: 1,
        };
        fixture.capacity.nodes = vec![node("on-demand", 720.0), node("spot", 100.5)];
        let lines = Service::meter(&Spec {}, &fixture.demand()).lines;
        let found: Vec<_> =
            lines.iter().map(|line| (&*line.key.usage_type, line.quantity.get())).collect();
        assert_eq!(found, [("BoxUsage:m7g.large", 720.0), ("SpotUsage:m7g.large", 100.5)]);
    }
}
