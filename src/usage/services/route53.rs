//! Route 53: hosted zones, queries, health checks.
//!
//! # Formula
//! ```text
//! HostedZone            [HostedZone] = zones
//! DNS-Queries           [Queries]    = sessions × queries per session × (1 − alias share)
//! Intra-AWS-DNS-Queries [Queries]    = sessions × queries per session × alias share        (free)
//! Health-Check-AWS      [Months]     = checks of AWS endpoints          (the first 50 are free)
//! Health-Check-Non-AWS  [Months]     = checks of other endpoints
//! ```
//! # Source
//! aws.amazon.com/route53/pricing: zones 0.50 to the 25th, queries stepped at a billion, alias queries to load
//! balancers and `CloudFront` free.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, HandOver, Meter, Metered, Service};

/// DNS.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Hosted zones.
    #[schemars(range(min = 0, max = 10_000))]
    pub hosted_zones: f64,
    /// Queries that reach Route 53 in a session, after the resolvers' caches.
    #[schemars(range(min = 0, max = 100_000))]
    pub queries_per_session: f64,
    /// Share of queries that are answered by alias records of AWS targets.
    #[schemars(range(min = 0, max = 1))]
    pub alias_share: f64,
    /// Health checks of AWS endpoints.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub health_checks_aws: f64,
    /// Health checks of other endpoints.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub health_checks_other: f64,
}

/// Health checks of AWS endpoints.
pub const HEALTH_CHECKS: HandOver = HandOver::billed_by::<Spec>("health checks for failover");

impl Service for Spec {
    const KIND: &'static str = "route53";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonRoute53", "HostedZone", ""),
        Meter::new("AmazonRoute53", "DNS-Queries", ""),
        Meter::new("AmazonRoute53", "Intra-AWS-DNS-Queries", ""),
        Meter::new("AmazonRoute53", "Health-Check-AWS", ""),
        Meter::new("AmazonRoute53", "Health-Check-Non-AWS", ""),
    ];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let checks = self.health_checks_aws + demand.received.total(HEALTH_CHECKS);
        let queries = demand.capacity.sessions * self.queries_per_session;
        let asked = [
            ("sessions", demand.capacity.sessions, "sessions"),
            ("queries per session", self.queries_per_session, "queries"),
            ("alias share", self.alias_share, ""),
        ];
        let count = |name: &str, value: f64| Basis::new(name, &[(name, value, "")]);
        let charged = Basis::new("sessions × queries per session × (1 − alias share)", &asked);
        let alias = Basis::new("sessions × queries per session × alias share", &asked);
        let quantities = [
            (self.hosted_zones, count("hosted zones", self.hosted_zones)),
            (queries * (1.0 - self.alias_share), charged),
            (queries * self.alias_share, alias),
            (checks, count("health checks of AWS endpoints", checks)),
            (self.health_checks_other, count("health checks of others", self.health_checks_other)),
        ];
        let lines = Self::METERS.iter().zip(quantities);
        lines
            .map(|(meter, (quantity, why))| demand.global_line(*meter, "dns", quantity, why))
            .collect::<Vec<_>>()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// A million sessions of two queries, 60 % alias: 800,000 charged, 1,200,000 free.
    #[test]
    fn alias_queries_are_free_and_counted_apart() {
        let mut fixture = Fixture::new("2027-04");
        fixture.capacity.sessions = 1e6;
        let spec = Spec {
            hosted_zones: 2.0,
            queries_per_session: 2.0,
            alias_share: 0.6,
            health_checks_aws: 1.0,
            health_checks_other: 0.0,
        };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let quantities: Vec<f64> = lines.iter().map(|line| line.quantity.get()).collect();
        assert_eq!(quantities, [2.0, 800_000.0, 1_200_000.0, 1.0, 0.0]);
        assert!(lines.iter().all(|line| line.key.region == "global"));
        // Zone 26 costs 0.10 in place of 0.50: 25 × 0.50 + 1 × 0.10.
        assert_eq!(fixture.price(&lines[0], 26.0), "12.6");
        // A billion at 0.40 a million is 400; the next million costs 0.20.
        assert_eq!(fixture.price(&lines[1], 1_001_000_000.0), "400.2");
        // Fifty checks of AWS endpoints are free.
        assert_eq!(fixture.price(&lines[3], 51.0), "0.5");
        fixture.capacity.sessions = 0.0;
        let idle = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(idle[1].quantity.get() + idle[2].quantity.get(), 0.0);
    }
}
