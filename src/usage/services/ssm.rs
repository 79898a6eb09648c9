//! SSM Parameter Store, read by the secrets operator.
//!
//! # Formula
//! ```text
//! PS-Standard-Param       [Hrs]              = standard parameters × hours, at 0
//! PS-Advanced-Param-Tier1 [Hrs]              = advanced parameters × hours of the month
//! PS-Param-Processed-Tier2 [API Interactions] = reads of advanced parameters, or of all with higher throughput
//! reads = parameters × hours × 3,600 / poll interval
//! ```
//! # Source
//! aws.amazon.com/systems-manager/pricing: standard parameters at standard throughput are free; advanced 0.05 a month;
//! 0.05 per 10,000 interactions for advanced parameters or once higher throughput is on. Each read of an
//! encrypted value is a request to KMS.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Sent, Service, kms};

/// Parameters.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Standard parameters.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub standard_parameters: f64,
    /// Advanced parameters: above 4 KB, or with policies.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub advanced_parameters: f64,
    /// Whether higher throughput is switched on, which bills every read.
    #[serde(default)]
    pub higher_throughput: bool,
    /// Seconds between two reads of a parameter by the operator.
    #[schemars(range(min = 1, max = 86_400))]
    pub poll_seconds: f64,
    /// Share of parameters that are encrypted (`SecureString`).
    #[serde(default = "all")]
    #[schemars(range(min = 0, max = 1))]
    pub encrypted_share: f64,
}

fn all() -> f64 {
    1.0
}

impl Spec {
    fn reads(&self, demand: &Demand<'_>, parameters: f64) -> f64 {
        parameters * demand.hours() * 3600.0 / self.poll_seconds
    }
}

impl Service for Spec {
    const KIND: &'static str = "ssm";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AWSSystemsManager", "PS-Standard-Param", ""),
        Meter::new("AWSSystemsManager", "PS-Advanced-Param-Tier1", ""),
        Meter::new("AWSSystemsManager", "PS-Param-Processed-Tier2", ""),
    ];

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let reads = self.reads(demand, self.standard_parameters + self.advanced_parameters);
        vec![kms::REQUESTS.amount(reads * self.encrypted_share)]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let (standard, advanced) = (self.standard_parameters, self.advanced_parameters);
        let billed = if self.higher_throughput { standard + advanced } else { advanced };
        let hours = ("hours", demand.hours(), "Hrs");
        let kept =
            Basis::new("standard parameters × hours", &[("parameters", standard, ""), hours])
                .assuming("standard parameters at standard throughput are free");
        let more =
            Basis::new("advanced parameters × hours", &[("parameters", advanced, ""), hours]);
        let read = Basis::new(
            "billed parameters × hours × 3,600 / poll interval",
            &[("billed parameters", billed, ""), hours, ("poll interval", self.poll_seconds, "s")],
        );
        vec![
            demand.line(Self::METERS[0], "parameters", standard * demand.hours(), kept),
            demand.line(Self::METERS[1], "parameters", advanced * demand.hours(), more),
            demand.line(Self::METERS[2], "secrets operator", self.reads(demand, billed), read),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::{Fixture, sent};

    /// Ten advanced parameters read every minute in April: 10 × 720 × 60 = 432,000 reads, 2.16; the
    /// parameters 7,200 h at the 0.00007 that the list rounds to, 0.504.
    #[test]
    fn advanced_parameters_pay_for_hours_and_reads() {
        let fixture = Fixture::new("2027-04");
        let mut spec: Spec = toml::from_str(
            "standard_parameters = 100\nadvanced_parameters = 10\npoll_seconds = 60",
        )
        .unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(fixture.price(&lines[0], lines[0].quantity.get()), "0");
        assert_eq!(fixture.price(&lines[1], lines[1].quantity.get()), "0.504");
        assert_eq!(fixture.price(&lines[2], lines[2].quantity.get()), "2.16");
        assert_eq!(sent(&spec, &fixture.demand(), kms::REQUESTS), 110.0 * 720.0 * 60.0);
        spec.advanced_parameters = 0.0;
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[2].quantity.get(), 0.0);
        spec.higher_throughput = true;
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[2].quantity.get(), 100.0 * 720.0 * 60.0);
    }
}
