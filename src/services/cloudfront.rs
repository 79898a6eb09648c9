//! `CloudFront` in front of a bucket: the single-page application served from the edge.
//!
//! # Formula
//! ```text
//! <zone>-DataTransfer-Out-Bytes  [GB]       = sessions × calls × response bytes    (first 1,024 GB free)
//! <zone>-Requests-Tier2-HTTPS    [Requests] = sessions × calls                 (first 10 million free)
//! Invalidations                  [URL]      = releases × paths                       (first 1,000 free)
//! to S3: requests × (1 − hit ratio)
//! ```
//! # Source
//! Billing rules, "`CloudFront`": pay-as-you-go by edge location; 1 TB and 10 million requests a month free.
//! # Limits
//! One price zone for all users. Fetches from an S3 origin carry no transfer charge. Flat plans are not
//! modelled.

use indexmap::IndexSet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Context, Demand, Flows, Meter, Metered, Service, kib_to_gb};
use crate::{traffic::Class, workload::Reached};

/// Price zone of an edge location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Zone {
    /// United States, Mexico, Canada.
    #[default]
    US,
    /// Europe, Israel.
    EU,
    /// Hong Kong, Philippines, Singapore and others of Asia Pacific.
    AP,
}

/// The distribution.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Traffic classes that it serves; no workload behind the load balancer may serve them too.
    pub classes: IndexSet<String>,
    /// Price zone of the users.
    #[serde(default)]
    pub zone: Zone,
    /// Share of requests answered from the edge.
    #[schemars(range(min = 0, max = 1))]
    pub hit_ratio: f64,
    /// Paths invalidated a month.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub invalidated_paths: f64,
}

impl Spec {
    fn per_session(&self, demand: &Demand<'_>, of: impl Fn(&Class) -> f64) -> f64 {
        let served = self.classes.iter().filter_map(|name| demand.classes.get(name));
        served.map(|class| class.per_session * of(class)).sum()
    }

    fn meters(&self) -> [Meter; 3] {
        let (bytes, requests) = match self.zone {
            Zone::US => ("US-DataTransfer-Out-Bytes", "US-Requests-Tier2-HTTPS"),
            Zone::EU => ("EU-DataTransfer-Out-Bytes", "EU-Requests-Tier2-HTTPS"),
            Zone::AP => ("AP-DataTransfer-Out-Bytes", "AP-Requests-Tier2-HTTPS"),
        };
        let service = "AmazonCloudFront";
        [(service, bytes, ""), (service, requests, ""), (service, "Invalidations", "")]
    }
}

impl Service for Spec {
    const KIND: &'static str = "cloudfront";
    const METERS: &'static [Meter] = &[
        ("AmazonCloudFront", "US-DataTransfer-Out-Bytes", ""),
        ("AmazonCloudFront", "US-Requests-Tier2-HTTPS", ""),
        ("AmazonCloudFront", "EU-DataTransfer-Out-Bytes", ""),
        ("AmazonCloudFront", "EU-Requests-Tier2-HTTPS", ""),
        ("AmazonCloudFront", "AP-DataTransfer-Out-Bytes", ""),
        ("AmazonCloudFront", "AP-Requests-Tier2-HTTPS", ""),
        ("AmazonCloudFront", "Invalidations", ""),
    ];

    fn check(&self, context: &Context<'_>) -> Vec<(String, String)> {
        let mut problems = context.unknown_classes("classes", self.classes.iter());
        for (name, workload) in context.workloads {
            let both = workload.calls_per.keys().find(|class| self.classes.contains(*class));
            if let Some(class) = both.filter(|_| workload.reached == Reached::ThroughAlb) {
                let message = format!(
                    "{class} is also served through the load balancer, by workloads.{name}; take it from one of them"
                );
                problems.push(("classes".into(), message));
            }
        }
        problems
    }

    fn flows(&self, demand: &Demand<'_>) -> Flows {
        let requests = demand.capacity.sessions * self.per_session(demand, |_| 1.0);
        Flows { s3_gets: requests * (1.0 - self.hit_ratio), ..Flows::default() }
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let sessions = demand.capacity.sessions;
        let requests = sessions * self.per_session(demand, |_| 1.0);
        let gb = kib_to_gb(sessions * self.per_session(demand, |class| class.response_kib));
        let [bytes, https, invalidations] = self.meters();
        let out = Basis::new("sessions × calls × response bytes", &[("sent", gb, "GB")]);
        let asked = Basis::new("sessions × calls", &[("sessions", sessions, "sessions")]);
        let paths = Basis::new("invalidated paths", &[("paths", self.invalidated_paths, "paths")]);
        vec![
            demand.global_line(bytes, "cloudfront", gb, out),
            demand.global_line(https, "cloudfront", requests, asked),
            demand.global_line(invalidations, "cloudfront", self.invalidated_paths, paths),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture::Fixture;

    fn spec() -> Spec {
        toml::from_str("classes = [\"api\"]\nhit_ratio = 0.9").unwrap()
    }

    /// 1,048,576 sessions of one request of 1 KiB are 1 GB, a tenth of them fetched from the bucket.
    #[test]
    fn bytes_requests_and_origin_fetches() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].per_session = 1.0;
        fixture.classes["api"].response_kib = 1.0;
        fixture.capacity.sessions = 1_048_576.0;
        let lines = Service::meter(&spec(), &fixture.demand()).lines;
        assert_eq!(lines[0].quantity.get(), 1.0);
        assert_eq!(lines[1].quantity.get(), 1_048_576.0);
        let flows = Service::flows(&spec(), &fixture.demand());
        assert!((flows.s3_gets - 104_857.6).abs() < 1e-6);
        // 2,024 GB: 1,024 free, 1,000 × 0.085. 11 million requests: one million × 1.00.
        assert_eq!(fixture.price(&lines[0], 2024.0), "85");
        assert_eq!(fixture.price(&lines[1], 11_000_000.0), "1");
        assert_eq!(fixture.price(&lines[2], 1001.0), "0.005");
    }

    #[test]
    fn a_class_has_one_way_to_the_user() {
        let fixture = Fixture::new("2027-04");
        let problems = Service::check(&spec(), &fixture.context());
        assert!(problems[0].1.contains("workloads.api"), "{problems:?}");
    }
}
