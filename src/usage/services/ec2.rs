//! EC2 instances: the hours that the simulated nodes ran.
//!
//! # Formula
//! ```text
//! BoxUsage:<type>  [Hrs] = Σ hours of baseline, on-demand and reserved nodes of the type
//!                        + Σ hours of capacity reservations of the type that no node uses
//! SpotUsage:<type> [Hrs] = Σ hours of spot nodes of the type
//! CPUCredits:<family> [vCPU-Hours] = Σ over days  max(0, mean utilization − baseline) × vCPU × node hours
//! ```
//! # Source
//! aws.amazon.com/ec2/pricing/on-demand: Linux is billed per second with a minimum of 60 s;
//! spot per second used. A capacity reservation is billed at the on-demand rate, used or not, and Savings Plans
//! and regional Reserved Instances apply to both (EC2 user guide, "Capacity Reservation pricing and billing").
//! Bills print unused hours as `UnusedBox:<type>` (Data Exports user guide, "Monitoring your On-Demand capacity
//! reservations"); here they are hours of `BoxUsage:<type>` of the resource `<reservation>/unused`, whose rate they
//! have.
//! # Limits
//! The tick is a minute, so each launch and stop is placed to the minute. A node that lives less than
//! a tick does not occur, so the 60 s minimum never binds. Burstable nodes run in unlimited mode, bank credits
//! within the day only, and carry the same utilization as all other nodes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Service, UsageLine, sold::Sold};
use crate::cluster::capacity::{NodeUse, ReservationUse, unused_resource};

/// EC2 has no settings of its own: the nodes are the cluster's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {}

impl Service for Spec {
    const KIND: &'static str = "ec2";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonEC2", "BoxUsage:*", "RunInstances"),
        Meter::new("AmazonEC2", "SpotUsage:*", "RunInstances"),
        Meter::new("AmazonEC2", "CPUCredits:*", ""),
    ];

    fn usage_types(pattern: &str, sold: &Sold<'_>) -> Vec<String> {
        let types = sold.instance_types.iter();
        match pattern {
            "BoxUsage:*" => types.map(|own| format!("BoxUsage:{}", own.instance_type)).collect(),
            "SpotUsage:*" => types
                .filter(|own| sold.catalog.has_spot(sold.region, &own.instance_type))
                .map(|own| format!("SpotUsage:{}", own.instance_type))
                .collect(),
            _ => {
                let families: std::collections::BTreeSet<&str> = types
                    .filter(|own| own.burstable == Some(true))
                    .map(|own| &*own.family)
                    .collect();
                families.into_iter().map(|family| format!("CPUCredits:{family}")).collect()
            }
        }
    }

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
            let zones = node.price.as_ref().map_or(String::new(), |own| format!("/{}", own.zones));
            let resource = format!("{}/{}{zones}", node.pool, node.purchase);
            let meter = Meter::new("AmazonEC2", &usage_type, "RunInstances");
            let line = demand.line(meter, &resource, node.hours, why);
            line.by_hour(node.hourly.clone()).in_zones(node.price.clone())
        });
        let mut lines: Vec<UsageLine> = lines.collect();
        lines.extend(demand.capacity.reservations.iter().filter_map(|own| unused(demand, own)));
        lines.extend(demand.capacity.nodes.iter().filter_map(|node| credits(demand, node)));
        lines.into()
    }
}

/// Hours of a capacity reservation that no node used.
fn unused(demand: &Demand<'_>, own: &ReservationUse) -> Option<UsageLine> {
    let why = Basis::new(
        "hours of the capacity reservation that no node used, billed at the on-demand rate",
        &[
            ("reserved instances", f64::from(own.instances), "instances"),
            ("used hours", own.used_hours, "Hrs"),
            ("unused hours", own.unused_hours, "Hrs"),
        ],
    );
    let usage_type = format!("BoxUsage:{}", own.instance_type);
    let resource = unused_resource(&own.name);
    let meter = Meter::new("AmazonEC2", &usage_type, "RunInstances");
    let line = demand.line(meter, &resource, own.unused_hours, why);
    (own.unused_hours > 0.0).then(|| line.by_hour(own.hourly.clone()))
}

/// Surplus credits of a burstable type: what its nodes used above the baseline, day by day.
fn credits(demand: &Demand<'_>, node: &NodeUse) -> Option<UsageLine> {
    const HOURS_PER_DAY: usize = 24;
    let baseline = demand.catalog.baseline_share(&node.instance_type)?;
    let shape = demand.catalog.shape(&node.instance_type)?;
    let days = demand.capacity.hours.chunks(HOURS_PER_DAY);
    let above: f64 = days
        .map(|day| {
            let used: f64 = day.iter().map(|hour| hour.cpu_minutes).sum();
            let there: f64 = day.iter().map(|hour| hour.vcpu_minutes).sum();
            let busy = if there > 0.0 { used / there } else { 0.0 };
            (busy - baseline).max(0.0) * day.len() as f64
        })
        .sum();
    // The type's nodes are spread over the month as over its hours.
    let nodes = node.hours / demand.hours();
    let why = Basis::new(
        "Σ over days (utilization − baseline) × hours × vCPUs × mean nodes",
        &[
            ("hours above the baseline, weighted", above, "Hrs"),
            ("baseline", baseline, ""),
            ("vCPUs", f64::from(shape.vcpus), "vCPU"),
            ("mean nodes", nodes, "nodes"),
        ],
    );
    let usage_type = format!("CPUCredits:{}", shape.family);
    let resource = format!("{}/{}/{}", node.pool, node.purchase, node.instance_type);
    let quantity = above * f64::from(shape.vcpus) * nodes;
    Some(demand.line(Meter::new("AmazonEC2", &usage_type, ""), &resource, quantity, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::capacity::NodeUse, usage::services::fixture};

    #[test]
    fn spot_and_on_demand_are_different_meters() {
        let mut fixture = fixture::Fixture::new("2027-04");
        let node = |purchase: &str, hours| NodeUse {
            instance_type: "m7g.large".into(),
            purchase: purchase.into(),
            pool: "general".into(),
            hours,
            launches: 1,
            hourly: Vec::new(),
            price: None,
        };
        fixture.capacity.nodes = vec![node("on-demand", 720.0), node("spot", 100.5)];
        let lines = Service::meter(&Spec {}, &fixture.demand()).lines;
        let found: Vec<_> =
            lines.iter().map(|line| (&*line.key.usage_type, line.quantity.get())).collect();
        assert_eq!(found, [("BoxUsage:m7g.large", 720.0), ("SpotUsage:m7g.large", 100.5)]);
    }

    /// A t4g.medium (2 vCPU, baseline 20 %) for 720 h at 50 % on the first day and 10 % on all others:
    /// 24 h × 30 % × 2 = 14.4 vCPU-hours at 0.04.
    #[test]
    fn burstable_nodes_pay_for_what_is_above_their_baseline() {
        let mut fixture = fixture::Fixture::new("2027-04");
        fixture.capacity.nodes = vec![NodeUse {
            instance_type: "t4g.medium".into(),
            purchase: "on-demand".into(),
            pool: "general".into(),
            hours: 720.0,
            launches: 1,
            hourly: Vec::new(),
            price: None,
        }];
        let hour = |share: f64| crate::cluster::autoscale::tally::HourTally {
            cpu_minutes: share * 120.0,
            vcpu_minutes: 120.0,
            ..Default::default()
        };
        fixture.capacity.hours = vec![hour(0.1); 720];
        fixture.capacity.hours[..24].fill(hour(0.5));
        let lines = Service::meter(&Spec {}, &fixture.demand()).lines;
        assert_eq!(lines[1].key.usage_type, "CPUCredits:t4g");
        assert!((lines[1].quantity.get() - 14.4).abs() < 1e-9, "{}", lines[1].quantity.get());
        assert_eq!(fixture.price(&lines[1], 14.4), "0.576");
    }

    /// 744 hours of three instances, 100 of them used: 2,132 unused hours at 0.1632.
    #[test]
    fn unused_hours_are_billed_at_the_on_demand_rate() {
        let mut fixture = fixture::Fixture::new("2027-01");
        fixture.capacity.reservations = vec![ReservationUse {
            name: "steady".into(),
            instance_type: "m7g.xlarge".into(),
            instances: 3,
            used_hours: 100.0,
            unused_hours: 2132.0,
            hourly: vec![2132.0 / 744.0; 744],
        }];
        let lines = Service::meter(&Spec {}, &fixture.demand()).lines;
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (&*lines[0].key.usage_type, &*lines[0].resource),
            ("BoxUsage:m7g.xlarge", "steady/unused")
        );
        assert_eq!(fixture.price(&lines[0], 2132.0), "347.9424");
    }

    /// 100 hours at the 0.02 of their zones and 100 at another price: two prices of one meter.
    #[test]
    fn zones_have_a_price_of_their_own() {
        use crate::{cluster::autoscale::policy::ZonePrice, measure::units::UnitPrice};
        let mut fixture = fixture::Fixture::new("2027-04");
        let node = |zones: Option<&str>| NodeUse {
            instance_type: "m7g.large".into(),
            purchase: "spot".into(),
            pool: "general".into(),
            hours: 100.0,
            launches: 1,
            hourly: Vec::new(),
            price: zones.map(|zones| ZonePrice {
                zones: zones.into(),
                price: UnitPrice::parse("0.02").unwrap(),
            }),
        };
        fixture.capacity.nodes = vec![node(Some("a")), node(None)];
        let lines = Service::meter(&Spec {}, &fixture.demand()).lines;
        let names: Vec<&str> = lines.iter().map(|line| &*line.resource).collect();
        assert_eq!(names, ["general/spot/a", "general/spot"]);
        assert_eq!(fixture.price(&lines[0], 100.0), "2");
        assert_ne!(fixture.price(&lines[1], 100.0), "2");
    }
}
