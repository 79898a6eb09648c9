//! Laws over every registered service, whatever it meters.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::collections::BTreeMap;

use crate::support::{base, plan};
use runrate::{facts::prices::BillKey, plan::Plan, usage::services::SERVICES};

const STACK: &str = r#"
[eks]
version = "1.34"
control_plane_tier = "XL"
argo_cd = { applications = 20 }
fargate = [{ name = "karpenter", pods = 2, vcpu = 0.5, memory_gb = 1 }]
[public_ipv4]
nodes = true
[ebs]
iops = 4000
throughput_mibps = 200
[alb]
rules = 20
access_logs = true
[waf]
rules = 2
bot_control = "common"
log_share = 0.1
[nat]
[vpc_flow_logs]
records_per_request = 4
record_bytes = 120
[vpc_endpoints]
interface = ["ecr.dkr"]
gateway = ["dynamodb"]
[route53]
hosted_zones = 1
queries_per_session = 1
alias_share = 0.5
[acm]
public_certificates = 1
[traffic.classes.spa]
per_session = 4
request_kib = 1
response_kib = 40
[cloudfront]
classes = ["spa"]
hit_ratio = 0.9
[s3]
stored_gb = 10
[ssm]
standard_parameters = 10
advanced_parameters = 2
poll_seconds = 60
[secrets_manager]
secrets = 2
poll_seconds = 300
[kms]
customer_keys = 2
[ecr]
repositories = 2
base_mib = 100
new_mib_per_version = 10
versions_per_month = 10
versions_kept = 20
[github_actions]
plan = "Team"
jobs = [{ runner = "linux", runs_per_month = 2000, minutes = 3.5 }]
[cloudwatch]
log_gb_per_month = 10
retention_days = 30
compression = 0.2
custom_metrics = 20
alarm_metrics = 20
detailed_monitoring = true
[cloudtrail]
management_events_per_month = 100_000
further_trails = 1
[datadog]
log_event_bytes = 800
indexed_log_share = 0.3
log_retention_days = 15
apm = true
spans_per_request = 8
span_bytes = 600
indexed_span_share = 0.05
custom_metrics = 2_000
monitored_databases = 1
api_tests_per_month = 10_000
metrics_read_per_hour = 100
[dr]
region = "us-west-2"
[aurora]
min_readers = 1
queries_per = { api = 2 }
write_share = 0.2
cpu_ms_per_query = 0.5
pages_per_query = 10
wal_bytes_per_write = 5000
kib_per_query = 1
storage_gib = 20
storage_mib_per_user = 0.1
working_set_share = 0.1
changed_per_day = 0.02
backup_retention_days = 7
"#;

fn usage(plan: &Plan) -> BTreeMap<BillKey, f64> {
    let mut usage = BTreeMap::new();
    for entry in &plan.entries {
        *usage.entry(entry.key.clone()).or_insert(0.0) += entry.quantity.get();
    }
    usage
}

fn declared(key: &BillKey) -> bool {
    SERVICES.iter().flat_map(|service| service.meters).any(|meter| meter.matches(key))
}

#[test]
fn every_emitted_meter_is_declared_and_finite() {
    for users in [0, 1000, 2_000_000] {
        let plan = plan(&(base("2027-01", 1, users) + STACK)).unwrap();
        for entry in &plan.entries {
            assert!(declared(&entry.key), "{} is not declared", entry.key);
            assert!(entry.quantity.get().is_finite() && entry.quantity.get() >= 0.0);
            assert!(!entry.why.formula.is_empty(), "{} has no formula", entry.key);
        }
    }
}

#[test]
fn without_users_only_standing_charges_remain() {
    let plan = plan(&(base("2027-01", 1, 0) + STACK)).unwrap();
    let standing = [
        "BoxUsage",
        "EBS:",
        "AmazonEKS-Hours",
        "AmazonEKSCapabilities-ArgoCD",
        "Fargate-",
        "LoadBalancerUsage",
        "WebACLV2",
        "RuleV2",
        "NatGateway-Hours",
        "PublicIPv4",
        "InstanceUsage",
        "Aurora:StorageUsage",
        "Aurora:BackupUsage",
        "VpcEndpoint",
        "HostedZone",
        "Health-Check-AWS",
        "FreePublicCertificate",
        "TimedStorage-ByteHrs",
        "Requests-Tier1", // log files come every five minutes, empty or not
        "PS-",
        "AWSSecretsManager",
        "KMS-",
        "actions_minute",
        "DataProcessing-Bytes",
        "CW:",
        "FreeEventsRecorded",
        "PaidEventsRecorded",
        "AMR-BotControl",
        "infra_host",
        "apm_host",
        "container:",
        "custom_metrics",
        "dbm_host",
        "synthetics_api",
    ];
    for key in usage(&plan).keys() {
        assert!(key.usage_type != "AMR-BotControl-Request", "{key}");
        assert!(standing.iter().any(|s| key.usage_type.starts_with(s)), "{key} without users");
    }
}

#[test]
fn more_users_never_use_less_of_any_meter() {
    let mut last: BTreeMap<BillKey, f64> = BTreeMap::new();
    for users in [0, 100, 10_000, 200_000] {
        let now = usage(&plan(&(base("2027-01", 1, users) + STACK)).unwrap());
        for (key, before) in &last {
            let after = now.get(key).copied().unwrap_or(0.0);
            // A larger instance class takes the place of a smaller one.
            // With more nodes come larger allotments of containers, spans and metrics.
            let replaced = key.usage_type.starts_with("InstanceUsage")
                || key.usage_type.starts_with("container:")
                || key.usage_type.starts_with("apm_in")
                || key.usage_type.starts_with("custom_metrics");
            assert!(replaced || after >= before * (1.0 - 1e-12), "{key}: {before} then {after}");
        }
        last = now;
    }
}

#[test]
fn kinds_are_unique() {
    let mut kinds: Vec<&str> = SERVICES.iter().map(|service| service.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), SERVICES.len());
}
