//! Data transfer: out to the internet, and between zones.
//!
//! # Formula
//! ```text
//! DataTransfer-Out-Bytes      [GB] = answers to clients + logs and calls that leave
//! DataTransfer-Regional-Bytes [GB] = 2 × pod-to-pod GB × cross-zone share   (both sides are charged)
//!                                  + 1 × database GB × cross-zone share     (the EC2 side only)
//! cross-zone share = (zones − 1) / zones
//! ```
//! # Source
//! aws.amazon.com/ec2/pricing/on-demand, "Data Transfer": 0.01 per GB on each side between zones; load balancer to targets on
//! private addresses is free; EC2 to RDS in another zone 0.01 in each direction; egress steps and the
//! free 100 GB are the price book's.
//! # Limits
//! Half of the bytes exchanged with third parties go out; logs go out entirely. Callers pick a zone at random unless `topology_aware_routing` keeps pod traffic in its zone.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, HandOver, Meter, Metered, Sent, Service, kib_to_gb};
use crate::cluster::workload::Reached;

/// Data transfer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Whether services prefer pods of the caller's zone.
    #[serde(default)]
    pub topology_aware_routing: bool,
}

/// Share of the bytes exchanged with third parties that goes out: calls are as large as answers.
const OUTWARD_SHARE: f64 = 0.5;

impl Spec {
    fn pod_to_pod_gb(demand: &Demand<'_>) -> f64 {
        let internal = demand.per_session(
            |workload| workload.reached == Reached::Internally,
            |class| class.request_kib + class.response_kib,
        );
        kib_to_gb(demand.capacity.sessions * internal)
    }

    fn crossing_share(&self, demand: &Demand<'_>) -> f64 {
        if self.topology_aware_routing { 0.0 } else { demand.cross_zone_share() }
    }

    /// Bytes between pods of different zones; both sides are charged \[GB\].
    fn cross_zone_gb(&self, demand: &Demand<'_>) -> f64 {
        2.0 * Self::pod_to_pod_gb(demand) * self.crossing_share(demand)
    }
}

/// Bytes out to the internet \[GB\].
pub const INTERNET_GB: HandOver = HandOver::known_to::<Spec>("GB out to the internet");
/// Bytes between zones, counted once for each side that is charged \[GB\].
pub const CROSS_ZONE_GB: HandOver = HandOver::known_to::<Spec>("GB between zones");

impl Service for Spec {
    const KIND: &'static str = "transfer";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AWSDataTransfer", "DataTransfer-Out-Bytes", ""),
        Meter::new("AWSDataTransfer", "DataTransfer-Regional-Bytes", ""),
    ];

    fn when_absent() -> Option<Self> {
        Some(Self::default())
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        vec![
            INTERNET_GB.amount(demand.external_gb() * OUTWARD_SHARE + demand.log_gb()),
            CROSS_ZONE_GB.amount(self.cross_zone_gb(demand)),
        ]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let answers = demand.capacity.sessions * demand.alb_response_kib_per_session();
        let out = Basis::new(
            "answers to clients + outward share × third parties + logs",
            &[
                ("answers to clients", kib_to_gb(answers), "GB"),
                ("third parties", demand.external_gb(), "GB"),
                ("outward share", OUTWARD_SHARE, ""),
                ("logs", demand.log_gb(), "GB"),
            ],
        );
        let between = Basis::new(
            "2 × pod to pod × share crossing + database and NAT",
            &[
                ("pod to pod", Self::pod_to_pod_gb(demand), "GB"),
                ("of it crossing", self.crossing_share(demand), ""),
                (
                    "database and NAT, both sides where both pay",
                    demand.received.total(CROSS_ZONE_GB) - self.cross_zone_gb(demand),
                    "GB",
                ),
                ("all charged", demand.received.total(CROSS_ZONE_GB), "GB"),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "internet", demand.received.total(INTERNET_GB), out),
            demand.line(Self::METERS[1], "zones", demand.received.total(CROSS_ZONE_GB), between),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::{Fixture, sent};

    /// 100 GB between pods over three zones: 2/3 crosses, both sides pay: 133.33 GB.
    #[test]
    fn pods_pay_on_both_sides_unless_they_stay_in_their_zone() {
        let mut fixture = Fixture::new("2027-04");
        fixture.workloads["api"].reached = Reached::Internally;
        let class = &fixture.classes["api"];
        let kib = class.per_session * (class.request_kib + class.response_kib);
        fixture.capacity.sessions = 100.0 * 1_048_576.0 / kib;
        let random = sent(&Spec::default(), &fixture.demand(), CROSS_ZONE_GB);
        assert!((random - 400.0 / 3.0).abs() < 1e-9, "{random}");
        let aware = Spec { topology_aware_routing: true };
        assert_eq!(sent(&aware, &fixture.demand(), CROSS_ZONE_GB), 0.0);
    }
}
