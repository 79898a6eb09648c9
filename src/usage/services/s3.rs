//! S3 Standard: assets, backups and the logs that services deliver.
//!
//! # Formula
//! ```text
//! TimedStorage-ByteHrs [GB-Mo]    = stored + growth × (months + ½) + log GB a month × log months kept
//! log months kept      = min(retention, months of the plan so far)
//!                        − what a flat-rate plan of CloudFront pays for, not below 0
//! Requests-Tier1       [Requests] = own writes + log files
//! Requests-Tier2       [Requests] = own reads + fetches of CloudFront
//! ```
//! # Source
//! S3 rows of the price book; storage in steps of 50 and 500 TB.
//! # Limits
//! Logs are kept at this month's rate: a retention longer than the plan's past is slightly overstated
//! while traffic grows. One storage class.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, HandOver, Meter, Metered, Service};

/// Days in the average month of the Gregorian calendar.
const DAYS_PER_MONTH: f64 = 30.436_875;

/// Buckets.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Stored at the plan's start \[GB\].
    #[schemars(range(min = 0, max = 1e12))]
    pub stored_gb: f64,
    /// Added a month \[GB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e12))]
    pub growth_gb_per_month: f64,
    /// Objects written a month.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e13))]
    pub writes_per_month: f64,
    /// Objects read a month.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e13))]
    pub reads_per_month: f64,
    /// Days that delivered logs are kept.
    #[serde(default = "month")]
    #[schemars(range(min = 1, max = 3650))]
    pub log_retention_days: f64,
}

fn month() -> f64 {
    30.0
}

/// Logs that services deliver to S3 \[GB\].
pub const LOGS_GB: HandOver = HandOver::billed_by::<Spec>("GB of logs delivered to S3");
/// Objects that services write.
pub const WRITES: HandOver = HandOver::known_to::<Spec>("objects written");
/// Objects that services read.
pub const READS: HandOver = HandOver::billed_by::<Spec>("reads of a bucket by CloudFront");
/// Storage that a flat-rate plan of `CloudFront` pays for.
pub const CREDIT_GB: HandOver = HandOver::known_to::<Spec>("GB of storage that a plan pays for");

impl Service for Spec {
    const KIND: &'static str = "s3";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonS3", "TimedStorage-ByteHrs", ""),
        Meter::new("AmazonS3", "Requests-Tier1", ""),
        Meter::new("AmazonS3", "Requests-Tier2", ""),
    ];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let months = f64::from(demand.month_index) + 0.5;
        // No more is kept than was written since the plan began.
        let kept = months.min(self.log_retention_days / DAYS_PER_MONTH);
        let logs = demand.received.total(LOGS_GB) * kept;
        let stored = self.stored_gb + self.growth_gb_per_month * months + logs;
        let credit = demand.received.total(CREDIT_GB);
        let mut formula =
            "stored + growth × (months + ½) + logs a month × log months kept".to_owned();
        let mut inputs = vec![
            ("stored at the start", self.stored_gb, "GB"),
            ("growth", self.growth_gb_per_month, "GB a month"),
            ("months", months, "months"),
            ("logs", demand.received.total(LOGS_GB), "GB a month"),
            ("log months kept", kept, "months"),
        ];
        if credit > 0.0 {
            formula += " − credit of CloudFront's flat-rate plan, not below 0";
            inputs.push(("credit", credit, "GB"));
        }
        let storage = Basis::new(&formula, &inputs);
        let writes = Basis::new(
            "own writes + log files",
            &[
                ("own", self.writes_per_month, "objects"),
                ("log files", demand.received.total(WRITES), "objects"),
            ],
        );
        let reads = Basis::new(
            "own reads + CloudFront fetches",
            &[
                ("own", self.reads_per_month, "objects"),
                ("fetches", demand.received.total(READS), "objects"),
            ],
        );
        vec![
            demand.line(Self::METERS[0], "buckets", (stored - credit).max(0.0), storage),
            demand.line(
                Self::METERS[1],
                "buckets",
                self.writes_per_month + demand.received.total(WRITES),
                writes,
            ),
            demand.line(
                Self::METERS[2],
                "buckets",
                self.reads_per_month + demand.received.total(READS),
                reads,
            ),
        ]
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// 100 GB and 10 a month in the third month: 100 + 10 × 2.5 = 125; logs of 30.436875 GB a month kept
    /// for 30 days are 30 GB.
    #[test]
    fn storage_grows_and_logs_are_kept() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec =
            toml::from_str("stored_gb = 100\ngrowth_gb_per_month = 10\nreads_per_month = 5")
                .unwrap();
        let mut demand = fixture.demand();
        demand.month_index = 2;
        demand.received = [LOGS_GB.amount(DAYS_PER_MONTH), READS.amount(7.0)].into_iter().collect();

        let lines = Service::meter(&spec, &demand).lines;
        assert_eq!(lines[0].quantity.get(), 155.0);
        assert_eq!(lines[2].quantity.get(), 12.0);
        // 51,200 GB × 0.023 = 1,177.60; the next 800 × 0.022 = 17.60.
        assert_eq!(fixture.price(&lines[0], 52_000.0), "1195.2");
    }

    #[test]
    fn an_empty_bucket_bills_nothing() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec = toml::from_str("stored_gb = 0").unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert!(lines.iter().all(|line| line.quantity.get() == 0.0));
    }
}
