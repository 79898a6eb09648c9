//! `CloudTrail`: the first copy of management events is free; further copies and data events are not.
//!
//! # Formula
//! ```text
//! FreeEventsRecorded [Events] = management events, at 0
//! PaidEventsRecorded [Events] = management events × further trails
//! DataEventsRecorded [Events] = data events
//! ```
//! # Source
//! aws.amazon.com/cloudtrail/pricing: further copies 2.00, data events 0.10 per 100,000.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, Meter, Metered, Service};

/// Trails.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Management events a month.
    #[schemars(range(min = 0, max = 1e12))]
    pub management_events_per_month: f64,
    /// Trails after the first.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub further_trails: f64,
    /// Data events a month.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e13))]
    pub data_events_per_month: f64,
}

impl Service for Spec {
    const KIND: &'static str = "cloudtrail";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AWSCloudTrail", "FreeEventsRecorded", ""),
        Meter::new("AWSCloudTrail", "PaidEventsRecorded", ""),
        Meter::new("AWSCloudTrail", "DataEventsRecorded", ""),
    ];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let events = self.management_events_per_month;
        let copies = events * self.further_trails;
        let first = Basis::new("management events", &[("events", events, "events")])
            .assuming("the first copy of management events is free");
        let further = Basis::new(
            "management events × further trails",
            &[("events", events, "events"), ("further trails", self.further_trails, "")],
        );
        let data = Basis::new("data events", &[("events", self.data_events_per_month, "events")]);
        vec![
            demand.line(Self::METERS[0], "trail", events, first),
            demand.line(Self::METERS[1], "trail", copies, further),
            demand.line(Self::METERS[2], "trail", self.data_events_per_month, data),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    #[test]
    fn the_first_copy_is_free() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec {
            management_events_per_month: 100_000.0,
            further_trails: 1.0,
            data_events_per_month: 1_000_000.0,
        };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(fixture.price(&lines[0], 100_000.0), "0");
        assert_eq!(fixture.price(&lines[1], 100_000.0), "2");
        assert_eq!(fixture.price(&lines[2], 1_000_000.0), "1");
    }
}
