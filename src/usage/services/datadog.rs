//! Datadog: hosts at the month's high-water mark, containers, traces, logs, metrics, databases, tests.
//!
//! # Formula
//! ```text
//! infra_host      [host-month]     = the highest hourly node count after the top 1 % of the month's hours:
//!                                    the eighth-highest of 720 or 744 hours, the seventh of 672 or 696
//! container       [container-hour] = Σ over hours of max(0, containers − allotment × hosts)
//! apm_host        [host-month]     = the same count, while traces are on
//! apm_ingested    [GB]             = max(0, spans × bytes − 150 × hosts)
//! apm_indexed     [million spans]  = max(0, spans × indexed share − 1 million × hosts)
//! logs_ingest     [GB]             = log GB of all workloads
//! logs_index      [million events] = log GB / bytes of an event × indexed share
//! custom_metrics  [100 metrics]    = max(0, metrics − allotment × hosts) / 100
//! ```
//! # Source
//! docs.datadoghq.com, "Account management", "Pricing": unique hosts each hour; the high-water mark is the maximum
//! of the lower 99 % of the month's hours, for infrastructure and APM hosts alike (the ninth-highest hour is the
//! rule of profiled containers); a host in Kubernetes is the node; containers are counted every five minutes
//! against a pooled allotment.
//! # Limits
//! Each account is counted on its own; Datadog takes the mark and the allotments over the organization,
//! which is lower when one account's slack serves the other, and higher when both peak in different hours.
//! An hour counts the most nodes at once, not every node that lived in it. Container counts are hourly
//! means. The AWS integration reads `metrics_read` values an hour
//! through `GetMetricData`, billed by `cloudwatch`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Basis, Context, Demand, Finding, HandOver, Meter, Metered, Sent, Service, UsageLine,
    cloudwatch, rounded_up,
};
use crate::{cluster::workload::Kind, measure::units::BYTES_PER_GB};

/// Infrastructure plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Plan {
    /// Pro.
    #[default]
    Pro,
    /// Enterprise.
    Enterprise,
}

/// How it is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Billing {
    /// Committed for a year.
    #[default]
    Annual,
    /// Without commitment.
    OnDemand,
}

/// Observability.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Infrastructure plan.
    #[serde(default)]
    pub plan: Plan,
    /// How it is bought.
    #[serde(default)]
    pub billing: Billing,
    /// Containers in a pod.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub containers_per_pod: f64,
    /// Whether traces are collected.
    #[serde(default)]
    pub apm: bool,
    /// Workloads that send traces; all if empty.
    #[serde(default)]
    pub traced: Vec<String>,
    /// Spans of a request to a traced workload.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub spans_per_request: f64,
    /// Share of spans sent, after sampling.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1))]
    pub span_sampling: f64,
    /// Bytes of a span.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub span_bytes: f64,
    /// Share of sent spans that are indexed.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub indexed_span_share: f64,
    /// Bytes of a log event.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub log_event_bytes: f64,
    /// Share of log events that are indexed.
    #[schemars(range(min = 0, max = 1))]
    pub indexed_log_share: f64,
    /// Days that indexed events are kept: 3, 7, 15 or 30.
    pub log_retention_days: u32,
    /// Custom metrics.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e9))]
    pub custom_metrics: f64,
    /// Databases under database monitoring.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub monitored_databases: f64,
    /// API test runs a month, over all locations.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e10))]
    pub api_tests_per_month: f64,
    /// Browser test runs a month, over all locations.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e10))]
    pub browser_tests_per_month: f64,
    /// Values of AWS metrics read an hour by the integration.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e9))]
    pub metrics_read_per_hour: f64,
}

fn one() -> f64 {
    1.0
}

/// The host count that is billed: the greatest hours are dropped.
pub fn high_water_mark(mut hosts: Vec<u32>, dropped: usize) -> u32 {
    hosts.sort_unstable_by(|a, b| b.cmp(a));
    hosts.get(dropped).or(hosts.last()).copied().unwrap_or(0)
}

impl Spec {
    fn billing(&self) -> &'static str {
        if self.billing == Billing::Annual { "annual" } else { "on-demand" }
    }

    fn plan(&self) -> &'static str {
        if self.plan == Plan::Pro { "Pro" } else { "Enterprise" }
    }

    fn hosts(demand: &Demand<'_>) -> (f64, Basis) {
        let facts = &demand.catalog.controllers.datadog;
        let dropped = (facts.dropped_share * demand.hours()).floor() as usize;
        let hourly: Vec<u32> = demand.capacity.hours.iter().map(|hour| hour.peak_nodes).collect();
        let peak = hourly.iter().copied().max().unwrap_or(0);
        let own = high_water_mark(hourly, dropped);
        let billed = f64::from(own) + demand.received.total(FURTHER_HOSTS);
        let why = Basis::new(
            "hourly node count after the highest hours are dropped",
            &[
                ("highest hour", f64::from(peak), "nodes"),
                ("hours dropped", dropped as f64, "Hrs"),
                ("hosts elsewhere", demand.received.total(FURTHER_HOSTS), "hosts"),
                ("billed", billed, "hosts"),
            ],
        );
        (billed, why)
    }

    fn containers(&self, demand: &Demand<'_>) -> (f64, Basis) {
        let daemons = demand.workloads.values().filter(|w| w.kind == Kind::DaemonSet).count();
        let per_node = daemons as f64 - demand.capacity.absent_daemons_per_node;
        let facts = &demand.catalog.controllers.datadog;
        let allotted = facts.containers_per_host.get(self.plan()).copied().unwrap_or(0.0);
        let (mut running, mut hosts, mut above) = (0.0, 0.0, 0.0);
        for hour in &demand.capacity.hours {
            let nodes = hour.node_minutes.total() / 60.0;
            let pods = hour.pod_minutes / 60.0 + nodes * per_node;
            let containers = pods * self.containers_per_pod;
            running += containers;
            hosts += nodes;
            above += (containers - allotted * nodes).max(0.0);
        }
        let why = Basis::new(
            "Σ over hours of max(0, containers − allotment × hosts)",
            &[
                ("container hours", running, "Hrs"),
                ("allotment", allotted, "containers per host"),
                ("host hours", hosts, "Hrs"),
            ],
        );
        (above, why)
    }

    fn traces(&self, demand: &Demand<'_>, hosts: f64) -> Vec<UsageLine> {
        let facts = &demand.catalog.controllers.datadog;
        let traced = |name: &String| self.traced.is_empty() || self.traced.contains(name);
        let used = demand.capacity.workloads.iter().filter(|used| traced(&used.name));
        let requests: f64 = used.map(|used| used.requests).sum();
        let spans = requests * self.spans_per_request * self.span_sampling;
        let gb = spans * self.span_bytes / BYTES_PER_GB;
        let ingested = (gb - facts.apm_ingested_gb_per_host * hosts).max(0.0);
        let indexed = (spans * self.indexed_span_share - facts.apm_indexed_spans_per_host * hosts)
            .max(0.0)
            / 1e6;
        let sent = ("spans sent", spans, "spans");
        let host = ("APM hosts", hosts, "hosts");
        let by_bytes = Basis::new(
            "max(0, spans × bytes − allotment × hosts)",
            &[sent, ("ingested", gb, "GB"), host],
        );
        let by_count = Basis::new(
            "max(0, spans × indexed share − allotment × hosts)",
            &[sent, ("indexed share", self.indexed_span_share, ""), host],
        );
        let retention = format!("apm_indexed_spans:15-day retention:{}", self.billing());
        vec![
            line(demand, "apm_ingested_spans:any:annual", ingested, by_bytes),
            line(demand, &retention, indexed, by_count),
        ]
    }
}

fn line(demand: &Demand<'_>, usage_type: &str, quantity: f64, why: Basis) -> UsageLine {
    demand.global_line(Meter::new("Datadog", usage_type, ""), "datadog", quantity, why)
}

/// Hosts that run outside the account's own cluster.
pub const FURTHER_HOSTS: HandOver =
    HandOver::known_to::<Spec>("hosts outside the account's own cluster");

impl Service for Spec {
    const KIND: &'static str = "datadog";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("Datadog", "infra_host:*", ""),
        Meter::new("Datadog", "container:*", ""),
        Meter::new("Datadog", "apm_host:*", ""),
        Meter::new("Datadog", "apm_ingested_spans:*", ""),
        Meter::new("Datadog", "apm_indexed_spans:*", ""),
        Meter::new("Datadog", "logs_ingest:*", ""),
        Meter::new("Datadog", "logs_index:*", ""),
        Meter::new("Datadog", "custom_metrics:*", ""),
        Meter::new("Datadog", "dbm_host:*", ""),
        Meter::new("Datadog", "synthetics_api:*", ""),
        Meter::new("Datadog", "synthetics_browser:*", ""),
    ];

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let unknown = self.traced.iter().filter(|name| !context.workloads.contains_key(*name));
        unknown.map(|name| Finding::new("traced", format!("no workload {name:?}"))).collect()
    }

    fn lost_without(demand: &Demand<'_>) -> Option<String> {
        let gb = demand.log_gb();
        (gb > 0.0).then(|| {
            format!(
                "{} GB of logs that workloads send out reach no service of the plan, because there is no [datadog] table; set log_kib_per_request = 0 if they stay inside",
                rounded_up(gb)
            )
        })
    }

    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        let reads = self.metrics_read_per_hour * demand.hours();
        vec![cloudwatch::METRIC_READS.amount(reads)]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let (billing, plan) = (self.billing(), self.plan());
        let (hosts, why) = Self::hosts(demand);
        let (containers, allotment) = self.containers(demand);
        let mut lines = vec![
            line(demand, &format!("infra_host:{plan}:{billing}"), hosts, why.clone()),
            line(demand, "container:Pro or Enterprise:on-demand", containers, allotment),
        ];
        if self.apm {
            lines.push(line(demand, &format!("apm_host:APM:{billing}"), hosts, why));
            lines.extend(self.traces(demand, hosts));
        }
        let gb = demand.log_gb();
        let events = gb * BYTES_PER_GB / self.log_event_bytes * self.indexed_log_share / 1e6;
        let logs = Basis::new("log GB of all workloads", &[("logs", gb, "GB")]);
        let indexed = Basis::new(
            "log bytes / bytes of an event × indexed share",
            &[
                ("logs", gb, "GB"),
                ("bytes of an event", self.log_event_bytes, "bytes"),
                ("indexed share", self.indexed_log_share, ""),
            ],
        );
        lines.push(line(demand, "logs_ingest:any:annual", gb, logs));
        let index = format!("logs_index:{}-day retention:{billing}", self.log_retention_days);
        lines.push(line(demand, &index, events, indexed));
        let facts = &demand.catalog.controllers.datadog;
        let allotted = facts.custom_metrics_per_host.get(plan).copied().unwrap_or(0.0) * hosts;
        let metrics = Basis::new(
            "max(0, metrics − allotment of all hosts) / 100",
            &[("metrics", self.custom_metrics, ""), ("allotment", allotted, "metrics")],
        );
        let above = (self.custom_metrics - allotted).max(0.0) / 100.0;
        lines.push(line(demand, "custom_metrics:Pro or Enterprise:annual", above, metrics));
        for (sku, quantity) in [
            ("dbm_host", self.monitored_databases),
            ("synthetics_api", self.api_tests_per_month / 10_000.0),
            ("synthetics_browser", self.browser_tests_per_month / 1000.0),
        ] {
            let why = Basis::new("as given, in the unit of the price", &[("given", quantity, "")]);
            lines.push(line(demand, &format!("{sku}:any:{billing}"), quantity, why));
        }
        lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::autoscale::tally::HourTally, usage::services::fixture::Fixture};

    fn spec() -> Spec {
        toml::from_str(
            "log_event_bytes = 1024\nindexed_log_share = 0.5\nlog_retention_days = 15\n\
             apm = true\nspans_per_request = 10\nspan_bytes = 1000\nindexed_span_share = 0.1\n\
             custom_metrics = 500",
        )
        .unwrap()
    }

    fn quantity(lines: &[UsageLine], start: &str) -> f64 {
        lines.iter().find(|line| line.key.usage_type.starts_with(start)).unwrap().quantity.get()
    }

    #[test]
    fn short_peaks_are_not_billed() {
        assert_eq!(high_water_mark(vec![3, 20, 9, 20], 2), 9);
        assert_eq!(high_water_mark(vec![], 7), 0);
        assert_eq!(high_water_mark(vec![2], 7), 2);
    }

    /// The top 1 % of 720 and 744 hours are 7 whole hours, of 672 and 696 (a leap year's February) 6. With one
    /// hour more of 20 nodes than that, one of 9 and 3 in the rest, the mark is 20; with as many, it is 9.
    #[test]
    fn one_hour_in_a_hundred_is_dropped_whatever_the_month() {
        for (month, dropped) in [("2027-04", 7), ("2027-05", 7), ("2027-02", 6), ("2028-02", 6)] {
            let mut fixture = Fixture::new(month);
            let mut billed = |peaks: usize| {
                let hour = |nodes| HourTally { peak_nodes: nodes, ..HourTally::default() };
                let mut hours = vec![hour(3); fixture.month.hours()];
                hours[100..100 + peaks].fill(hour(20));
                hours[300] = hour(9);
                fixture.capacity.hours = hours;
                let lines = Service::meter(&spec(), &fixture.demand()).lines;
                [quantity(&lines, "infra_host"), quantity(&lines, "apm_host")]
            };
            assert_eq!(billed(dropped), [9.0, 9.0], "{month}");
            assert_eq!(billed(dropped + 1), [20.0, 20.0], "{month}");
        }
    }

    /// Three nodes for 720 h; 1,048,576 requests. Logs: 1 KiB each, 1 GB, half of 1,048,576 events
    /// indexed. Spans: 10,485,760; a tenth indexed is 1.05 million, under the 3 million of three hosts.
    /// Metrics: 500 − 300 = 200, two hundreds.
    #[test]
    fn a_worked_month() {
        let mut fixture = Fixture::new("2027-04");
        let hour = HourTally { peak_nodes: 3, ..HourTally::default() };
        fixture.capacity.hours = vec![hour; 720];
        fixture.workloads["api"].log_kib_per_request = 1.0;
        fixture.capacity.workloads[0].requests = 1_048_576.0;
        let lines = Service::meter(&spec(), &fixture.demand()).lines;
        assert_eq!(quantity(&lines, "infra_host"), 3.0);
        assert_eq!(quantity(&lines, "apm_host"), 3.0);
        assert_eq!(quantity(&lines, "logs_ingest"), 1.0);
        assert!((quantity(&lines, "logs_index") - 0.524_288).abs() < 1e-9);
        assert_eq!(quantity(&lines, "apm_indexed"), 0.0);
        assert_eq!(quantity(&lines, "custom_metrics"), 2.0);
        // 3 hosts × 15 on the annual Pro plan.
        assert_eq!(fixture.price(&lines[0], 3.0), "45");
    }

    #[test]
    fn nothing_running_bills_nothing() {
        let fixture = Fixture::new("2027-04");
        let spec = Spec { custom_metrics: 0.0, ..spec() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert!(lines.iter().all(|line| line.quantity.get() == 0.0), "{lines:#?}");
    }
}
