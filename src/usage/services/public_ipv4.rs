//! Public IPv4 addresses: of load balancers and NAT gateways.
//!
//! # Formula
//! ```text
//! PublicIPv4:InUseAddress [Hrs] = max(0, addresses × hours of the month − free hours)
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
        vec![demand.line(Self::METERS[0], "addresses", billed, why)].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

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
