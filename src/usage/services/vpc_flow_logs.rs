//! VPC flow logs, delivered to `CloudWatch` Logs as vended logs or to S3.
//!
//! # Formula
//! ```text
//! log GB = requests at the load balancer × records per request × bytes of a record
//! to CloudWatch: VendedLog-Bytes [GB], billed by `cloudwatch`;  to S3: storage, billed by `s3`
//! ```
//! # Source
//! aws.amazon.com/cloudwatch/pricing (vended logs 0.50 per GB in the first step) and the S3 rows of the price book.
//! # Limits
//! The delivery fee of logs to S3 was not read in any source and is not modelled.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Demand, Finding, Meter, Metered, Sent, Service, cloudwatch, kib_to_gb, s3};

use crate::cluster::workload::{Reached, Workload};

/// Where the records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// `CloudWatch` Logs.
    #[default]
    Cloudwatch,
    /// A bucket.
    S3,
}

/// Flow logs of the VPC.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Where the records go.
    #[serde(default)]
    pub destination: Destination,
    /// Records for each request at the load balancer, over all hops, after aggregation.
    #[schemars(range(min = 0, max = 10_000))]
    pub records_per_request: f64,
    /// Bytes of a record.
    #[schemars(range(min = 0, max = 100_000))]
    pub record_bytes: f64,
}

impl Service for Spec {
    const KIND: &'static str = "vpc_flow_logs";
    const METERS: &'static [Meter<'static>] = &[];

    fn unused(&self, context: &Context<'_>) -> Vec<Finding> {
        let through_alb = |workload: &Workload| workload.reached == Reached::ThroughAlb;
        let requests = context.workloads.values().any(through_alb);
        let mut unused =
            super::unused_keys([("record_bytes", self.record_bytes <= 0.0)], "records are empty");
        unused.extend(super::unused_keys(
            [("records_per_request", self.records_per_request <= 0.0)],
            "there are no records",
        ));
        unused.extend(super::unused_keys(
            [("records_per_request", self.records_per_request > 0.0 && !requests)],
            "records are counted by requests at the load balancer, which reach no workload",
        ));
        unused
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let requests = demand.capacity.sessions * demand.alb_requests_per_session();
        let gb = kib_to_gb(requests * self.records_per_request * self.record_bytes / 1024.0);
        vec![match self.destination {
            Destination::Cloudwatch => cloudwatch::VENDED_LOGS_GB.amount(gb),
            Destination::S3 => s3::LOGS_GB.amount(gb),
        }]
    }

    fn meter(&self, _: &Demand<'_>) -> Metered {
        // What it writes is billed where it is stored.
        Metered::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::{Fixture, sent};

    /// 1,048,576 requests of eight records of 128 bytes are 1 GB.
    #[test]
    fn records_follow_requests_to_their_destination() {
        let mut fixture = Fixture::new("2027-04");
        fixture.classes["api"].per_session = 1.0;
        fixture.capacity.sessions = 1_048_576.0;
        let mut spec: Spec = toml::from_str("records_per_request = 8\nrecord_bytes = 128").unwrap();
        assert_eq!(sent(&spec, &fixture.demand(), cloudwatch::VENDED_LOGS_GB), 1.0);
        spec.destination = Destination::S3;
        assert_eq!(sent(&spec, &fixture.demand(), s3::LOGS_GB), 1.0);
        fixture.capacity.sessions = 0.0;
        assert_eq!(sent(&spec, &fixture.demand(), s3::LOGS_GB), 0.0);
    }
}
