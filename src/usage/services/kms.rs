//! KMS: customer keys, and requests of everything that is encrypted.
//!
//! # Formula
//! ```text
//! KMS-Keys     [Keys]     = customer-managed keys            (AWS-managed keys are free)
//! KMS-Requests [Requests] = given + reads of parameters and secrets      (first 20,000 a month free)
//! ```
//! # Source
//! aws.amazon.com/kms/pricing: 1 a key and month, 0.03 per 10,000 requests after 20,000.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, HandOver, Meter, Metered, Service};

/// Keys.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Customer-managed keys.
    #[schemars(range(min = 0, max = 100_000))]
    pub customer_keys: f64,
    /// Requests a month other than those of parameters and secrets: EBS, Aurora, S3.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e13))]
    pub requests_per_month: f64,
}

/// Requests that services send to KMS.
pub const REQUESTS: HandOver =
    HandOver::billed_by::<Spec>("requests to KMS by parameters and secrets");

impl Service for Spec {
    const KIND: &'static str = "kms";
    const METERS: &'static [Meter<'static>] =
        &[Meter::new("awskms", "KMS-Keys", ""), Meter::new("awskms", "KMS-Requests", "")];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let requests = self.requests_per_month + demand.received.total(REQUESTS);
        let keys = Basis::new("customer keys", &[("customer keys", self.customer_keys, "keys")]);
        let asked = Basis::new(
            "given + reads of parameters and secrets",
            &[
                ("given", self.requests_per_month, "requests"),
                ("parameters and secrets", demand.received.total(REQUESTS), "requests"),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "keys", self.customer_keys, keys),
            demand.line(Self::METERS[1], "keys", requests, asked),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// 30,000 requests: 20,000 free, 10,000 × 0.000003 = 0.03.
    #[test]
    fn requests_above_the_free_part_are_billed() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec { customer_keys: 2.0, requests_per_month: 10_000.0 };
        let mut demand = fixture.demand();
        demand.received = [REQUESTS.amount(20_000.0)].into_iter().collect();
        let lines = Service::meter(&spec, &demand).lines;
        assert_eq!(fixture.price(&lines[0], 2.0), "2");
        assert_eq!(fixture.price(&lines[1], lines[1].quantity.get()), "0.03");
        assert_eq!(fixture.price(&lines[1], 20_000.0), "0");
        let none = Spec { customer_keys: 0.0, requests_per_month: 0.0 };
        let lines = Service::meter(&none, &fixture.demand()).lines;
        assert!(lines.iter().all(|line| line.quantity.get() == 0.0));
    }
}
