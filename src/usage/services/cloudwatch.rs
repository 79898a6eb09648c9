//! `CloudWatch`: logs, custom metrics, alarms, dashboards, and what others read of its metrics.
//!
//! # Formula
//! ```text
//! DataProcessing-Bytes   [GB]      = log GB written                       (first 5 GB free)
//! VendedLog-Bytes        [GB]      = logs that services deliver themselves
//! TimedStorage-ByteHrs   [GB-Mo]   = (written + delivered) × compression × min(retention, months so far)
//! CW:MetricMonitorUsage  [Metrics] = custom metrics                          (first 10 free)
//!                                  + 7 × mean nodes, with detailed monitoring
//! CW:AlarmMonitorUsage   [Alarms]  = metrics under alarm                     (first 10 free)
//! DashboardsUsageHour-Basic        = dashboards
//! CW:GMD-Metrics         [Metrics] = values read by GetMetricData
//! ```
//! # Source
//! aws.amazon.com/cloudwatch/pricing: 5 GB, 10 metrics and 10 alarm metrics free; alarms count metrics; metrics of detailed
//! monitoring are billed as custom metrics, prorated by the hour.
//! # Limits
//! Stored logs are compressed; `compression` says to what share. Logs Insights queries are not modelled.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Demand, HandOver, Meter, Metered, Service};

const DAYS_PER_MONTH: f64 = 30.436_875;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Logs written a month: control plane, databases \[GB\].
    #[schemars(range(min = 0, max = 1e9))]
    pub log_gb_per_month: f64,
    /// Days that logs are kept.
    #[schemars(range(min = 1, max = 3653))]
    pub retention_days: f64,
    /// Stored bytes over written bytes.
    #[schemars(range(min = 0, max = 1))]
    pub compression: f64,
    /// Custom metrics.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e7))]
    pub custom_metrics: f64,
    /// Metrics under alarm.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e7))]
    pub alarm_metrics: f64,
    /// Dashboards above the free ones.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e5))]
    pub dashboards: f64,
    /// Whether nodes report their EC2 metrics every minute.
    #[serde(default)]
    pub detailed_monitoring: bool,
}

/// Logs that services deliver to `CloudWatch` Logs themselves (vended logs) \[GB\].
pub const VENDED_LOGS_GB: HandOver =
    HandOver::billed_by::<Spec>("GB of logs delivered to CloudWatch");
/// Metric values that services read through `GetMetricData`.
pub const METRIC_READS: HandOver =
    HandOver::billed_by::<Spec>("metric values read through GetMetricData");

impl Service for Spec {
    const KIND: &'static str = "cloudwatch";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonCloudWatch", "DataProcessing-Bytes", "PutLogEvents"),
        Meter::new("AmazonCloudWatch", "VendedLog-Bytes", ""),
        Meter::new("AmazonCloudWatch", "TimedStorage-ByteHrs", "HourlyStorageMetering"),
        Meter::new("AmazonCloudWatch", "CW:MetricMonitorUsage", ""),
        Meter::new("AmazonCloudWatch", "CW:AlarmMonitorUsage", ""),
        Meter::new("AmazonCloudWatch", "DashboardsUsageHour-Basic", ""),
        Meter::new("AmazonCloudWatch", "CW:GMD-Metrics", ""),
    ];

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let (written, vended) = (self.log_gb_per_month, demand.received.total(VENDED_LOGS_GB));
        // No more is kept than was written since the plan began.
        let age = f64::from(demand.month_index) + 0.5;
        let months = age.min(self.retention_days / DAYS_PER_MONTH);
        let stored = (written + vended) * self.compression * months;
        let count = |name: &str, value: f64| Basis::new(name, &[(name, value, "")]);
        let kept = Basis::new(
            "(written + delivered) × compression × months kept",
            &[
                ("written", written, "GB"),
                ("delivered", vended, "GB"),
                ("compression", self.compression, ""),
                ("months kept", months, "months"),
            ],
        );
        let quantities = [
            (written, count("GB written", written)),
            (vended, count("GB that services deliver", vended)),
            (stored, kept),
            (self.custom_metrics, count("custom metrics", self.custom_metrics)),
            (self.alarm_metrics, count("metrics under alarm", self.alarm_metrics)),
            (self.dashboards, count("dashboards", self.dashboards)),
            (
                demand.received.total(METRIC_READS),
                count("values read", demand.received.total(METRIC_READS)),
            ),
        ];
        let lines = Self::METERS.iter().zip(quantities);
        let mut lines: Vec<_> = lines
            .map(|(meter, (quantity, why))| demand.line(*meter, "cloudwatch", quantity, why))
            .collect();
        if self.detailed_monitoring {
            let metrics = demand.catalog.controllers.cloudwatch.detailed_monitoring_metrics;
            let nodes = demand.capacity.node_hours() / demand.hours();
            let why = Basis::new(
                "metrics of an instance × mean nodes",
                &[("metrics of an instance", metrics, "Metrics"), ("mean nodes", nodes, "nodes")],
            );
            let meter = Meter::new("AmazonCloudWatch", "CW:MetricMonitorUsage", "");
            lines.push(demand.line(meter, "detailed-monitoring", metrics * nodes, why));
        }
        lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// The example of the price page: ten instances for a whole month have 70 metrics, 21.00 at 0.30 each; 18.00 after the
    /// ten free ones. Half of the hours are half of the metrics. Above 10,000 a metric costs 0.10, and a GB of
    /// delivered logs above 10 TB 0.25.
    #[test]
    fn detailed_monitoring_is_seven_metrics_a_node() {
        let mut fixture = Fixture::new("2027-04");
        let node = |hours| crate::cluster::capacity::NodeUse {
            instance_type: "m7g.large".into(),
            purchase: "on-demand".into(),
            pool: "general".into(),
            hours,
            launches: 10,
            hourly: Vec::new(),
            price: None,
        };
        let spec: Spec = toml::from_str(
            "log_gb_per_month = 0\nretention_days = 1\ncompression = 1\ndetailed_monitoring = true",
        )
        .unwrap();
        for (hours, metrics) in [(7200.0, 70.0), (3600.0, 35.0)] {
            fixture.capacity.nodes = vec![node(hours)];
            let lines = Service::meter(&spec, &fixture.demand()).lines;
            let own = lines.iter().find(|line| line.resource == "detailed-monitoring").unwrap();
            assert_eq!(own.quantity.get(), metrics);
        }
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let own = lines.iter().find(|line| line.resource == "detailed-monitoring").unwrap();
        assert_eq!(fixture.price(own, 70.0), "18");
        assert_eq!(fixture.price(own, 10_020.0), "3001");
        assert_eq!(fixture.price(&lines[1], 10_340.0), "5145");
    }

    /// 25 GB: 5 free, 20 × 0.50 = 10. Twelve alarm metrics: two at 0.10. Eleven metrics: one at 0.30.
    #[test]
    fn the_free_parts_are_taken_off() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec = toml::from_str(
            "log_gb_per_month = 25\nretention_days = 30\ncompression = 0.2\ncustom_metrics = 11\n\
             alarm_metrics = 12\ndashboards = 1",
        )
        .unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(fixture.price(&lines[0], 25.0), "10");
        assert_eq!(fixture.price(&lines[0], 5.0), "0");
        assert_eq!(fixture.price(&lines[3], 11.0), "0.3");
        assert_eq!(fixture.price(&lines[4], 12.0), "0.2");
        assert_eq!(fixture.price(&lines[5], 1.0), "3");
        // Half a month of logs in the first month.
        assert!((lines[2].quantity.get() - 25.0 * 0.2 * 0.5).abs() < 1e-12);
        let none: Spec =
            toml::from_str("log_gb_per_month = 0\nretention_days = 1\ncompression = 1").unwrap();
        let lines = Service::meter(&none, &fixture.demand()).lines;
        assert!(lines.iter().all(|line| line.quantity.get() == 0.0));
    }
}
