//! Every system of the architecture has its part in the plan of `examples/innovate.toml`: a line, a line
//! at zero with its reason, or pods that take room; what an account does without is said.
#![allow(clippy::unwrap_used)]

mod support;

use runrate::{
    plan::Plan,
    simulate::Prepared,
    store::{self, PriceSource},
};

fn innovate() -> Plan {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml");
    let catalog = store::embedded_catalog().unwrap();
    let (scenario, inputs) = store::load_scenario(&path, &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    Prepared::new(&scenario, &facts, &inputs).unwrap().run(0).unwrap()
}

/// (system, account, region, start of the usage type)
const LINES: [(&str, &str, &str, &str); 43] = [
    ("EKS control plane", "production", "us-east-1", "AmazonEKS-Hours:perCluster"),
    ("EKS control plane", "non-production", "us-east-1", "AmazonEKS-Hours:perCluster"),
    ("EC2 on-demand nodes", "production", "us-east-1", "BoxUsage:"),
    ("EC2 spot nodes", "production", "us-east-1", "SpotUsage:"),
    ("EC2 nodes", "non-production", "us-east-1", "BoxUsage:"),
    ("EBS", "production", "us-east-1", "EBS:VolumeUsage.gp3"),
    ("EBS snapshots", "production", "us-east-1", "EBS:SnapshotUsage"),
    ("ALB", "production", "us-east-1", "LoadBalancerUsage"),
    ("ALB capacity units", "production", "us-east-1", "LCUUsage"),
    ("ALB", "non-production", "us-east-1", "LoadBalancerUsage"),
    ("WAF ACL", "production", "us-east-1", "WebACLV2"),
    ("WAF rules", "production", "us-east-1", "RuleV2"),
    ("WAF requests", "production", "us-east-1", "RequestV2"),
    ("NAT", "production", "us-east-1", "NatGateway-Hours"),
    ("NAT bytes", "production", "us-east-1", "NatGateway-Bytes"),
    ("gateway endpoint", "production", "us-east-1", "VpcEndpoint-Gateway"),
    ("public IPv4", "production", "us-east-1", "PublicIPv4:InUseAddress"),
    ("internet egress", "production", "us-east-1", "DataTransfer-Out-Bytes"),
    ("inter-zone transfer", "production", "us-east-1", "DataTransfer-Regional-Bytes"),
    ("Route 53 zone", "production", "global", "HostedZone"),
    ("Route 53 alias queries", "production", "global", "Intra-AWS-DNS-Queries"),
    ("Route 53 failover check", "production", "global", "Health-Check-AWS"),
    ("ACM", "production", "us-east-1", "FreePublicCertificate"),
    ("Aurora writer and reader", "production", "us-east-1", "InstanceUsage:"),
    ("Aurora storage", "production", "us-east-1", "Aurora:StorageUsage"),
    ("Aurora I/O", "production", "us-east-1", "Aurora:StorageIOUsage"),
    ("Aurora backup", "production", "us-east-1", "Aurora:BackupUsage"),
    ("Aurora", "non-production", "us-east-1", "InstanceUsage:"),
    ("Aurora Global Database", "production", "us-west-2", "Aurora:ReplicatedWriteIO"),
    ("Aurora Global Database", "production", "us-west-2", "Aurora:StorageUsage"),
    ("DR inter-region bytes", "production", "us-east-1", "USW2-AWS-Out-Bytes"),
    ("DR pilot light", "production", "us-west-2", "AmazonEKS-Hours:perCluster"),
    ("DR rehearsal", "production", "us-west-2", "BoxUsage:"),
    ("SSM Parameter Store", "production", "us-east-1", "PS-Standard-Param"),
    ("Secrets Manager", "production", "us-east-1", "AWSSecretsManager-Secrets"),
    ("KMS", "production", "us-east-1", "KMS-Keys"),
    ("ECR", "non-production", "us-east-1", "TimedStorage-ByteHrs"),
    ("GitHub Actions", "non-production", "global", "actions_minute:linux"),
    ("CloudWatch", "production", "us-east-1", "DataProcessing-Bytes"),
    ("CloudTrail", "production", "us-east-1", "FreeEventsRecorded"),
    ("Datadog hosts", "production", "global", "infra_host"),
    ("Datadog logs", "production", "global", "logs_ingest"),
    ("AWS Support", "production", "global", "support_rate"),
];

/// Pods and daemonsets that take room, in both accounts.
const PODS: [&str; 10] = [
    "kong",
    "api",
    "spa",
    "argo-cd",
    "external-secrets",
    "coredns",
    "ebs-csi-controller",
    "metrics-server",
    "karpenter",
    "datadog-cluster-agent",
];

#[test]
fn every_system_has_its_line() {
    let plan = innovate();
    for (system, account, region, usage_type) in LINES {
        let found = plan.entries.iter().any(|entry| {
            entry.account == account
                && entry.key.region == region
                && entry.key.usage_type.starts_with(usage_type)
        });
        assert!(found, "{system}: no {usage_type} in {account}, {region}");
    }
}

#[test]
fn a_line_at_zero_has_its_reason() {
    let plan = innovate();
    for usage_type in
        ["FreePublicCertificate", "PS-Standard-Param", "VpcEndpoint-Gateway", "FreeEventsRecorded"]
    {
        let entry = plan.entries.iter().find(|entry| entry.key.usage_type == usage_type).unwrap();
        assert_eq!(entry.cost.to_string(), "0");
        assert!(!entry.why.assumption.is_empty(), "{usage_type} has no reason");
    }
}

#[test]
fn every_pod_of_the_platform_takes_room_in_both_accounts() {
    let plan = innovate();
    for account in &plan.months[0].accounts {
        for pod in PODS {
            let found = account.capacity.workloads.iter().find(|used| used.name == pod);
            let used = found.unwrap_or_else(|| panic!("no {pod} in {}", account.account));
            assert!(used.mean_replicas > 0.0, "{pod} in {} does not run", account.account);
        }
    }
}

#[test]
fn what_an_account_does_without_is_said() {
    let plan = innovate();
    for system in ["cloudfront in production", "waf in non-production", "dr in non-production"] {
        assert!(plan.not_modelled.iter().any(|missing| missing.system == system), "{system}");
    }
}
