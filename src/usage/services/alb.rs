//! Application Load Balancer: hours, and capacity units taken as the largest of four each hour.
//!
//! # Formula
//! ```text
//! LoadBalancerUsage [Hrs]     = load balancers × hours of the month
//! LCUUsage          [LCU-Hrs] = Σ over hours  max(new, active, bytes, rules)
//!   new    = connections per second / 25                  connections = requests / requests per connection
//!   active = connections per second × open seconds / 3,000
//!   bytes  = GB in the hour / 1
//!   rules  = requests per second × max(0, rules − 10) / 1,000
//! ```
//! # Source
//! Elastic Load Balancing pricing text of 2026-09-20; handbook.vantage.sh/aws/services/elb-pricing;
//! the maximum of the dimensions is taken per hour, then summed.
//! # Limits
//! Connections are counted on the client side and stay open for the idle time-out after their last
//! request. Several load balancers share the load evenly, and each takes its own maximum of the same
//! four, so the sum is the same.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Sent, Service, kib_to_gb, public_ipv4, s3, transfer};

/// Load balancers.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Load balancers in the account.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub load_balancers: u32,
    /// Listener rules evaluated on a request.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub rules: f64,
    /// Whether access logs are delivered to S3.
    #[serde(default)]
    pub access_logs: bool,
    /// Seconds a connection stays open on average; default: the idle time-out.
    #[schemars(range(min = 0, max = 4000))]
    pub connection_seconds: Option<f64>,
}

fn one() -> u32 {
    1
}

impl Spec {
    fn log_gb(demand: &Demand<'_>) -> f64 {
        let requests = demand.capacity.sessions * demand.alb_requests_per_session();
        kib_to_gb(requests * demand.catalog.controllers.logs.alb_access_log_bytes / 1024.0)
    }

    /// Each node writes a file in every interval.
    fn log_files(&self, demand: &Demand<'_>) -> f64 {
        let interval = demand.catalog.controllers.logs.alb_access_log_interval_minutes;
        f64::from(self.load_balancers * demand.zones) * demand.hours() * 60.0 / interval
    }

    /// The four dimensions of one hour with `sessions`, in LCU: new, active, bytes, rules.
    fn dimensions(&self, demand: &Demand<'_>, sessions: f64) -> [f64; 4] {
        let facts = &demand.catalog.controllers.lcu;
        let requests_per_second = sessions * demand.alb_requests_per_session() / 3600.0;
        let connections = requests_per_second / demand.requests_per_connection;
        let open = self.connection_seconds.unwrap_or(facts.idle_timeout_seconds);
        let gb = kib_to_gb(sessions * demand.alb_kib_per_session());
        [
            connections / facts.new_connections_per_second,
            connections * open / facts.active_connections_per_minute,
            gb / facts.processed_gb_per_hour,
            requests_per_second * (self.rules - facts.free_rules).max(0.0)
                / facts.rule_evaluations_per_second,
        ]
    }
}

impl Service for Spec {
    const KIND: &'static str = "alb";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AWSELB", "LoadBalancerUsage", "LoadBalancing:Application"),
        Meter::new("AWSELB", "LCUUsage", "LoadBalancing:Application"),
    ];

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let sessions = demand.capacity.sessions;
        let answers = kib_to_gb(sessions * demand.alb_response_kib_per_session());
        // Each load balancer holds one public address or more in every zone.
        let addresses = f64::from(self.load_balancers * demand.zones);
        let mut sent =
            vec![transfer::INTERNET_GB.amount(answers), public_ipv4::ADDRESSES.amount(addresses)];
        if self.access_logs {
            sent.push(s3::LOGS_GB.amount(Self::log_gb(demand)));
            sent.push(s3::WRITES.amount(self.log_files(demand)));
        }
        sent
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let balancers = f64::from(self.load_balancers);
        let mut lcu = 0.0;
        let mut sums = [0.0; 4];
        for hour in &demand.capacity.hours {
            let dimensions = self.dimensions(demand, hour.sessions);
            lcu += dimensions.iter().copied().fold(0.0, f64::max);
            for (sum, dimension) in sums.iter_mut().zip(dimensions) {
                *sum += dimension;
            }
        }
        let hours = Basis::new(
            "load balancers × hours of the month",
            &[
                ("load balancers", balancers, "load balancers"),
                ("hours of the month", demand.hours(), "Hrs"),
            ],
        );
        let units = Basis::new(
            "Σ over hours of the largest of the four dimensions",
            &[
                ("new connections alone", sums[0], "LCU-Hrs"),
                ("active connections alone", sums[1], "LCU-Hrs"),
                ("processed bytes alone", sums[2], "LCU-Hrs"),
                ("rule evaluations alone", sums[3], "LCU-Hrs"),
                (
                    "requests",
                    demand.capacity.sessions * demand.alb_requests_per_session(),
                    "requests",
                ),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "alb", balancers * demand.hours(), hours),
            demand.line(Self::METERS[1], "alb", lcu, units),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::autoscale::tally::HourTally, usage::services::fixture::Fixture};

    fn spec(rules: f64) -> Spec {
        Spec { load_balancers: 1, rules, access_logs: false, connection_seconds: Some(60.0) }
    }

    /// Sizing reference, section 8: 1,000 requests/s of 6 KB is 21.6 GB an hour (10^9 bytes, 20.12
    /// of 2^30), 20 requests per connection are 50 connections/s = 2 LCU, 30 rules are 20 LCU,
    /// 50 × 60 s open = 3,000 = 1 LCU.
    #[test]
    fn the_reference_example_holds_in_all_four_dimensions() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].request_kib = 1000.0 / 1024.0;
        fixture.classes["api"].response_kib = 5000.0 / 1024.0;
        let sessions = 1000.0 * 3600.0 / fixture.classes["api"].per_session;
        let found = spec(30.0).dimensions(&fixture.demand(), sessions);
        let expected = [2.0, 1.0, 21.6e9 / 1_073_741_824.0, 20.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    /// An hour ruled by bytes and an hour without traffic: the maximum is per hour.
    #[test]
    fn the_maximum_is_taken_each_hour() {
        let mut fixture = Fixture::new("2027-04");
        let hour = |sessions| HourTally { sessions, ..HourTally::default() };
        fixture.capacity.hours = vec![hour(100_000.0), hour(0.0)];
        let demand = fixture.demand();
        let expected = spec(0.0).dimensions(&demand, 100_000.0).into_iter().fold(0.0, f64::max);
        let lines = Service::meter(&spec(0.0), &demand).lines;
        assert!((lines[1].quantity.get() - expected).abs() < 1e-9);
        assert_eq!(lines[0].quantity.get(), 720.0);
    }
}
