//! ECR: compressed layers of the images that are kept. Pushes and pulls inside the region are free.
//!
//! # Formula
//! ```text
//! TimedStorage-ByteHrs [GB-Mo] = repositories × versions kept × (new layers of a version) + base layers
//! versions kept = min(lifecycle limit, builds so far)
//! ```
//! # Source
//! aws.amazon.com/ecr/pricing: 0.10 per GB-month of compressed layers, shared layers once.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Service};

/// Registry.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Repositories.
    #[schemars(range(min = 0, max = 100_000))]
    pub repositories: f64,
    /// Layers that all versions of a repository share \[MiB\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub base_mib: f64,
    /// Layers that each version adds \[MiB\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub new_mib_per_version: f64,
    /// Versions pushed to each repository a month.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub versions_per_month: f64,
    /// Versions that the lifecycle policy keeps.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub versions_kept: f64,
}

impl Service for Spec {
    const KIND: &'static str = "ecr";
    const METERS: &'static [Meter<'static>] =
        &[Meter::new("AmazonECR", "TimedStorage-ByteHrs", "")];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let built = self.versions_per_month * (f64::from(demand.month_index) + 0.5);
        let kept = built.min(self.versions_kept);
        let gb = self.repositories * (self.base_mib + kept * self.new_mib_per_version) / 1024.0;
        let why = Basis::new(
            "repositories × (base layers + versions kept × new layers)",
            &[
                ("repositories", self.repositories, ""),
                ("base layers", self.base_mib, "MiB"),
                ("versions kept", kept, "versions"),
                ("new layers", self.new_mib_per_version, "MiB"),
            ],
        );
        vec![demand.line(Self::METERS[0], "images", gb, why)].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// Four repositories of 100 MiB and ten versions of 15.6 MiB: 4 × 256 MiB = 1 GB, 0.10.
    #[test]
    fn the_lifecycle_bounds_what_is_kept() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec {
            repositories: 4.0,
            base_mib: 100.0,
            new_mib_per_version: 15.6,
            versions_per_month: 60.0,
            versions_kept: 10.0,
        };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert!((lines[0].quantity.get() - 1.0).abs() < 1e-12);
        assert_eq!(fixture.price(&lines[0], 1.0), "0.1");
        let early = Spec { versions_per_month: 2.0, ..spec.clone() };
        let lines = Service::meter(&early, &fixture.demand()).lines;
        assert!((lines[0].quantity.get() - 4.0 * 115.6 / 1024.0).abs() < 1e-12);
        let none = Spec { repositories: 0.0, ..spec };
        assert_eq!(Service::meter(&none, &fixture.demand()).lines[0].quantity.get(), 0.0);
    }
}
