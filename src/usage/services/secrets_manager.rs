//! Secrets Manager.
//!
//! # Formula
//! ```text
//! AWSSecretsManager-Secrets    [Secrets]      = secrets
//! AWSSecretsManagerAPIRequest  [API Requests] = secrets × hours × 3,600 / poll interval
//! ```
//! # Source
//! aws.amazon.com/secrets-manager/pricing: 0.40 a secret and month, 0.05 per 10,000 calls. Each call decrypts once with KMS.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Sent, Service, kms};

/// Secrets.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Secrets.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub secrets: f64,
    /// Seconds between two reads of a secret.
    #[schemars(range(min = 1, max = 86_400))]
    pub poll_seconds: f64,
}

impl Spec {
    fn calls(&self, demand: &Demand<'_>) -> f64 {
        self.secrets * demand.hours() * 3600.0 / self.poll_seconds
    }
}

impl Service for Spec {
    const KIND: &'static str = "secrets_manager";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AWSSecretsManager", "AWSSecretsManager-Secrets", ""),
        Meter::new("AWSSecretsManager", "AWSSecretsManagerAPIRequest", ""),
    ];

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        vec![kms::REQUESTS.amount(self.calls(demand))]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let kept = Basis::new("secrets", &[("secrets", self.secrets, "secrets")]);
        let read = Basis::new(
            "secrets × hours × 3,600 / poll interval",
            &[
                ("secrets", self.secrets, "secrets"),
                ("hours", demand.hours(), "Hrs"),
                ("poll interval", self.poll_seconds, "s"),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "secrets", self.secrets, kept),
            demand.line(Self::METERS[1], "secrets", self.calls(demand), read),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// Five secrets read every hour in April: 2.00 and 3,600 calls, 0.018.
    #[test]
    fn secrets_and_calls() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec { secrets: 5.0, poll_seconds: 3600.0 };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(fixture.price(&lines[0], 5.0), "2");
        assert_eq!(fixture.price(&lines[1], lines[1].quantity.get()), "0.018");
        let none = Spec { secrets: 0.0, poll_seconds: 1.0 };
        assert!(
            Service::meter(&none, &fixture.demand()).lines.iter().all(|l| l.quantity.get() == 0.0)
        );
    }
}
