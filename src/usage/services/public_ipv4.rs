//! Public IPv4 addresses: of load balancers, NAT gateways and nodes.
//!
//! # Formula
//! ```text
//! PublicIPv4:InUseAddress [Hrs] = max(0, addresses × hours of the month + node hours − free hours)
//! node hours                    = those of all nodes, where nodes have public addresses
//! ```
//! # Source
//! aws.amazon.com/vpc/pricing, "Public IPv4 Address": 0.005 an hour for each address, in use or idle; 750 h a month in the
//! legacy free tier of an account's first twelve months.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, HandOver, Meter, Metered, Sent, Service};

/// Public addresses other than those of load balancers and NAT gateways.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Further addresses, of bastions or VPN.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub further_addresses: u32,
    /// Whether each node has a public address, as nodes in public subnets do.
    #[serde(default)]
    pub nodes: bool,
}

/// Public IPv4 addresses in use.
pub const ADDRESSES: HandOver = HandOver::known_to::<Spec>("public IPv4 addresses");

impl Service for Spec {
    const KIND: &'static str = "public_ipv4";
    const METERS: &'static [Meter<'static>] =
        &[Meter::new("AmazonVPC", "PublicIPv4:InUseAddress", "")];

    fn when_absent() -> Option<Self> {
        Some(Self::default())
    }

    fn sends(&self, _demand: &Demand<'_>) -> Vec<Sent> {
        vec![ADDRESSES.amount(f64::from(self.further_addresses))]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let addresses = demand.received.total(ADDRESSES);
        let facts = &demand.catalog.controllers.free_tier;
        let free = if demand.free_tier { facts.public_ipv4_hours } else { 0.0 };
        let billed = (addresses * demand.hours() - free).max(0.0);
        let why = Basis::new(
            "addresses × hours of the month − free hours",
            &[
                ("free hours", free, "Hrs"),
                ("addresses", addresses, "addresses"),
                ("hours of the month", demand.hours(), "Hrs"),
            ],
        );
        let mut lines = vec![demand.line(Self::METERS[0], "addresses", billed, why)];
        if self.nodes {
            let hours = demand.capacity.node_hours();
            let left = (free - addresses * demand.hours()).max(0.0);
            let why = Basis::new(
                "node hours − free hours that are left",
                &[("node hours", hours, "Hrs"), ("free hours that are left", left, "Hrs")],
            );
            lines.push(demand.line(Self::METERS[0], "nodes", (hours - left).max(0.0), why));
        }
        lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// Ten nodes in a public subnet for 720 h are 7,200 h at 0.005: $36. In the free tier one address takes 720 of its
    /// 750 hours, and the nodes take the other 30.
    #[test]
    fn nodes_in_public_subnets_pay_for_their_addresses() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.nodes = vec![crate::cluster::capacity::NodeUse {
            instance_type: "m7g.large".into(),
            purchase: "spot".into(),
            pool: "general".into(),
            hours: 7200.0,
            launches: 10,
            hourly: Vec::new(),
            price: None,
        }];
        let mut demand = fixture.demand();
        demand.received = [ADDRESSES.amount(1.0)].into_iter().collect();
        let spec: Spec = toml::from_str("nodes = true").unwrap();
        let hours = |demand: &Demand<'_>| {
            let lines = Service::meter(&spec, demand).lines;
            [lines[0].quantity.get(), lines[1].quantity.get()]
        };
        assert_eq!(hours(&demand), [720.0, 7200.0]);
        let lines = Service::meter(&spec, &demand).lines;
        assert_eq!(fixture.price(&lines[1], 7200.0), "36");
        demand.free_tier = true;
        assert_eq!(hours(&demand), [0.0, 7170.0]);
    }

    #[test]
    fn every_address_runs_all_hours() {
        let fixture = Fixture::new("2027-02");
        let mut demand = fixture.demand();
        demand.received = [ADDRESSES.amount(6.0)].into_iter().collect();
        let lines = Service::meter(&Spec::default(), &demand).lines;
        assert_eq!(lines[0].quantity.get(), 6.0 * 672.0);
        demand.free_tier = true;
        let lines = Service::meter(&Spec::default(), &demand).lines;
        assert_eq!(lines[0].quantity.get(), 6.0 * 672.0 - 750.0);
        demand.received = [ADDRESSES.amount(1.0)].into_iter().collect();
        let lines = Service::meter(&Spec::default(), &demand).lines;
        assert_eq!(lines[0].quantity.get(), 0.0);
    }
}
