//! Certificate Manager: public certificates on load balancers and `CloudFront` cost nothing.
//!
//! # Formula
//! ```text
//! FreePublicCertificate [Certificates] = certificates        at 0: stated, so that nobody looks for it
//! ```
//! # Source
//! aws.amazon.com/certificate-manager/pricing: free on ALB and `CloudFront`; exportable certificates cost 7 a name and are not
//! modelled.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Service};

/// Certificates.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Public certificates.
    #[schemars(range(min = 0, max = 10_000))]
    pub public_certificates: f64,
}

impl Service for Spec {
    const KIND: &'static str = "acm";
    const METERS: &'static [Meter<'static>] =
        &[Meter::new("AWSCertificateManager", "FreePublicCertificate", "")];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let why = Basis::new("certificates", &[("certificates", self.public_certificates, "")])
            .assuming("public certificates on load balancers and CloudFront are free");
        vec![demand.line(Self::METERS[0], "certificates", self.public_certificates, why)].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    #[test]
    fn certificates_are_listed_at_zero() {
        let fixture = Fixture::new("2027-04");
        let lines = Service::meter(&Spec { public_certificates: 3.0 }, &fixture.demand()).lines;
        assert_eq!(lines[0].quantity.get(), 3.0);
        assert_eq!(fixture.price(&lines[0], 3.0), "0");
    }
}
