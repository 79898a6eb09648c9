//! Every system of the architecture has its part in the plan of `examples/innovate.toml`: a line, a line
//! at zero with its reason, or pods that take room; what an account does without is said.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::sync::LazyLock;

use crate::support;
use runrate::{
    app::store,
    intent::scenario::Scenario,
    plan::{
        Plan,
        simulate::{Inputs, Prepared},
        trials,
    },
};

fn innovate() -> &'static Plan {
    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml");
        let (scenario, inputs) = store::load_scenario(&path, &support::CATALOG).unwrap();
        let facts = support::embedded_facts(&scenario).unwrap();
        Prepared::new(&scenario, &facts, &inputs).unwrap().run(0).unwrap()
    });
    &PLAN
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
    for (system, needs) in [
        ("cloudfront: 2 accounts", "a [cloudfront] table; all accounts are planned without"),
        ("waf in non-production", "a [waf] table; the account is planned without"),
        ("dr in non-production", "a [dr] table; the account is planned without"),
    ] {
        let found = plan.not_modelled.iter().find(|missing| missing.system == system);
        assert_eq!(found.map(|missing| &*missing.needs), Some(needs), "{system}");
    }
}

/// One of each kind: what is sent, served or stored and billed by nobody, with its size, and what is set without
/// effect. Sizes: 1,000 users × 30 sessions of one request of class `lost`; two of class `inner` are 60,000 answers
/// of 62 KiB, 3.55 GB; all doubled in staging, which takes twice the traffic.
#[test]
fn what_nobody_bills_and_what_has_no_effect_is_named() {
    let plan = support::plan(include_str!("data/unused.toml")).unwrap();
    let warnings = plan.warnings.join("\n");
    for expected in [
        "production: traffic.classes.lost from 2027-03: 30000 requests are served by no workload",
        "staging: traffic.classes.lost from 2027-03: 60000 requests are served by no workload",
        "production: traffic.classes.inner from 2027-03: 3.55 GB of answers to users leave by no load balancer",
        "production: cloudwatch from 2027-03: 0.05 GB of logs delivered to CloudWatch are not billed",
        "production: datadog from 2027-03: 0.29 GB of logs that workloads send out reach no service of the plan",
        "production: s3 from 2027-03: 0.14 GB of logs delivered to S3 are not billed",
        "production: dr from 2027-03: there is no database in the account to replicate",
        "plan.region: each account names its own region",
        "traffic.seasons[0]: no day of the plan lies between 11-25 and 12-24",
        "traffic.events[0]: a peak of 1 changes nothing",
        "traffic.noise_memory_minutes: there is no noise",
        "cluster.spot_interruptions: no node pool buys spot nodes",
        "cluster.baseline.asleep_nodes: the account has no schedule",
        "dr.nodes: nodes run in a warm-standby or a rehearsal",
        "ebs.iops: a gp3 volume includes more",
        "vpc_flow_logs.record_bytes: records are empty",
        "waf.bot_control_share: bot_control is off",
        "workloads.api.database_connections: the account has no [aurora] table",
        "workloads.idle.calls_per: no traffic class that the workload names has requests",
        "workloads.idle.concurrency: the workload serves no requests",
        "accounts.production.free_tier_until: 2026-12 is before the plan begins",
        "accounts.production.override.nat: the stack says the same",
        "accounts.staging.traffic_share: 2 is 2 times the traffic of all users; 2 % is 0.02",
        "accounts.staging.schedule.stop_database: the account has no [aurora] table",
        "accounts.staging.schedule: it covers the whole week",
        "budgets[0].period: no calendar year lies within 2027-03 to 2027-05",
        "budgets[1]: no charge of the plan counts towards it",
        "commitments[0]: ri covers nothing: its fee of $131.38 is lost",
        "commitments[1]: its term does not overlap the plan",
        "staging: cluster.node_pools.batch: no workload may use it",
    ] {
        assert!(warnings.contains(expected), "{expected:?} is not in\n{warnings}");
    }
    // A budget that charges count for, and settings that do change something.
    for fine in
        ["budgets[2]", "always_on", "workloads.api.reached", "traffic.classes.api", "nat from"]
    {
        assert!(!warnings.contains(fine), "{fine:?} is in\n{warnings}");
    }
}

#[test]
fn the_example_sets_nothing_in_vain() {
    for warning in &innovate().warnings {
        assert!(warning.contains(" prices are ") || warning.contains(" price is "), "{warning}");
    }
}

#[test]
fn a_load_balancer_that_leads_to_no_workload_is_refused() {
    let text = support::base("2027-01", 1, 1000).replace("reached = \"through-alb\"\n", "");
    let wrong = support::plan(&(text.clone() + "[alb]\n")).unwrap_err().to_string();
    assert!(wrong.contains("alb: no workload of account production has reached"), "{wrong}");
    // Without a load balancer, or without users, nothing is lost behind one.
    let plan = support::plan(&text).unwrap();
    assert!(plan.warnings.iter().any(|w| w.contains("GB of answers to users leave by no")));
    let idle = text.replace("traffic_share = 1", "traffic_share = 0");
    support::plan(&(idle + "[alb]\n")).unwrap();
    // What an edge does not answer reaches the workload through the load balancer too.
    let edge = "[alb]\n[s3]\nstored_gb = 1\n[cloudfront]\nclasses = [\"api\"]\nhit_ratio = 0.9\n";
    let wrong = support::plan(&(text.clone() + edge)).unwrap_err().to_string();
    assert!(wrong.contains("alb: no workload of account production has reached"), "{wrong}");
    let bucket = text.replace("calls_per = { api = 1 }\n", "");
    support::plan(&(bucket + edge)).unwrap();
}

/// A cluster without a table for its control plane: 744 hours of January are billed by nothing, unless the scenario
/// says that there is none.
#[test]
fn a_cluster_without_a_control_plane_is_a_warning() {
    let warned = |more: &str| {
        let plan = support::plan(&(support::base("2027-01", 1, 1000) + "[alb]\n" + more)).unwrap();
        plan.warnings.iter().any(|warning| warning.contains("744 hours of a control plane"))
    };
    assert_eq!(["", "[eks]\n", "[eks]\nclusters = 0\n"].map(warned), [true, false, false]);
}

/// Two instances are on demand; a plan for ten dollars an hour covers little of its fee.
#[test]
fn a_commitment_that_covers_little_is_a_warning() {
    let bought = |dollars: &str| {
        let text = support::base("2027-01", 1, 1000) + "[alb]\n[[commitments]]\nname = \"sp\"\nkind = \"compute-savings-plan\"\n\
            account = \"production\"\nstart = \"2027-01\"\nterm = \"1yr\"\npayment = \"no-upfront\"\n\
            discount_percent = 27\nusd_per_hour = DOLLARS\n".replace("DOLLARS", dollars).as_str();
        support::plan(&text).unwrap().warnings.join("\n")
    };
    let warnings = bought("10");
    assert!(warnings.contains("commitments[0]: 99 % of its fee covers nothing: $73"), "{warnings}");
    assert!(!bought("0.1").contains("covers nothing"));
}

#[test]
fn two_accounts_have_two_ids() {
    let text = support::base("2027-01", 1, 1000).replace(
        "[accounts.production]\n",
        "[accounts.other]\nid = \"111111111111\"\nregion = \"us-east-1\"\ntraffic_share = 0\n\
         [accounts.production]\nid = \"111111111111\"\n",
    );
    let wrong = support::plan(&text).unwrap_err().to_string();
    assert!(wrong.contains("accounts.production.id: accounts.other has the same id"), "{wrong}");
}

fn quantity(plan: &Plan, usage_type: &str) -> f64 {
    let own = plan.entries.iter().filter(|entry| entry.key.usage_type == usage_type);
    own.map(|entry| entry.quantity.get()).sum()
}

/// 300,000 requests a month of 2 KiB and answers of 62 KiB, nine in ten answered at the edge: a tenth of the
/// requests reaches the pods, no answer leaves by the load balancer, and the web ACL inspects 30,000 requests.
#[test]
fn cloudfront_stands_before_a_load_balancer() {
    let text = support::base("2027-01", 1, 1000) + "[alb]\n[waf]\n";
    let front = text.clone() + "[cloudfront]\nclasses = [\"api\"]\nhit_ratio = 0.9\n";
    let (plain, front) = (support::plan(&text).unwrap(), support::plan(&front).unwrap());
    let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-6;
    assert!(near(quantity(&plain, "RequestV2-Tier1"), 300_000.0));
    assert!(near(quantity(&front, "RequestV2-Tier1"), 30_000.0));
    assert!(near(quantity(&front, "US-Requests-Tier2-HTTPS"), 300_000.0));
    let gb = |kib: f64| kib / 1_048_576.0;
    assert!(near(quantity(&plain, "DataTransfer-Out-Bytes"), gb(300_000.0 * 62.0)));
    assert_eq!(quantity(&front, "DataTransfer-Out-Bytes"), 0.0);
    assert!(near(quantity(&front, "US-DataTransfer-Out-Bytes"), gb(300_000.0 * 62.0)));
    assert!(near(quantity(&front, "US-DataTransfer-Out-OBytes"), gb(30_000.0 * 2.0)));
    let served = |plan: &Plan| plan.months[0].accounts[0].capacity.workloads[0].requests;
    assert!(near(served(&plain), 300_000.0) && near(served(&front), 30_000.0));
}

/// AWS credits pay for AWS alone: with CI at GitHub the whole bill is above the amount from the first month on, and
/// what AWS charges never is.
#[test]
fn a_budget_counts_what_it_is_for() {
    let text = support::base("2027-01", 2, 1000)
        + "[alb]\n[github_actions]\nplan = \"Team\"\njobs = [{ runner = \"linux\", runs_per_month = 200_000, minutes = 1 }]\n\
           [[budgets]]\nname = \"all\"\namount = 500\nperiod = \"monthly\"\n\
           [[budgets]]\nname = \"credits\"\namount = 500\nperiod = \"monthly\"\nvendor = \"aws\"\n\
           [[budgets]]\nname = \"CI\"\namount = 500\nperiod = \"monthly\"\nservices = [\"GitHub\"]\n";
    let scenario = Scenario::parse("s.toml", &text, &support::CATALOG).unwrap();
    let facts = support::embedded_facts(&scenario).unwrap();
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let plan = prepared.run(0).unwrap();
    let samples = [1, 2].map(|trial| prepared.sample(trial).unwrap());
    let settings = trials::Settings::new(&prepared, &plan).unwrap();
    let asked = trials::Asked { trials: 2, note: None };
    let spread = trials::spread(&plan, &samples, asked, &settings).unwrap();
    let first = plan.months.first().map(|month| month.month);
    let expected = [(first, 1.0), (None, 0.0), (first, 1.0)];
    for (outlook, expected) in spread.budgets.iter().zip(expected) {
        assert_eq!(
            (outlook.mid_case_exceeds_in, outlook.probability),
            expected,
            "{}",
            outlook.name
        );
    }
    assert_eq!(spread.budgets[1].counts(), "all accounts, AWS only");
    for (key, expected) in [
        ("services = [\"AmazonEC2\"]", "is a service code; reports show its charges under"),
        ("services = [\"RDSS\"]", "no service \"RDSS\"; did you mean \"RDS\"?"),
        ("services = [\"RDS\"]\nvendor = \"aws\"", "services already says what counts"),
    ] {
        let wrong = text.replace("services = [\"GitHub\"]", key);
        let wrong = support::plan(&wrong).unwrap_err().to_string();
        assert!(wrong.contains(expected), "{wrong}");
    }
}

/// A query of 500 ms keeps more than a large instance at its target at the daily peak only: readers come from none
/// and go again.
#[test]
fn aurora_readers_come_from_none() {
    let aurora = |readers: &str| {
        support::base("2027-01", 1, 20_000).replace(
            "requests_per_connection = 20",
            "requests_per_connection = 20\ndaily = { peak_hour = 19, peak_to_trough = 5 }",
        ) + "[alb]\n[aurora]\ninstance_class = \"db.r6g.large\"\nqueries_per = { api = 1 }\nwrite_share = 0.1\n\
               cpu_ms_per_query = 500\npages_per_query = 1\nwal_bytes_per_write = 1000\nkib_per_query = 1\n\
               storage_gib = 10\nstorage_mib_per_user = 0\nworking_set_share = 0.1\nchanged_per_day = 0.01\n\
               backup_retention_days = 1\n"
            + readers
    };
    let wrong =
        support::plan(&aurora("min_readers = 3\nmax_readers = 1\n")).unwrap_err().to_string();
    assert!(
        wrong.contains("aurora.max_readers: 1 is below min_readers (3); give 3 or more"),
        "{wrong}"
    );
    let hours = |readers: &str| {
        quantity(&support::plan(&aurora(readers)).unwrap(), "InstanceUsage:db.r6g.large")
    };
    assert_eq!(hours("min_readers = 0\n"), 744.0);
    assert_eq!(
        hours("min_readers = 0\nmax_readers = 4\n").total_cmp(&744.0),
        std::cmp::Ordering::Greater
    );
    assert!(
        hours("min_readers = 0\nmax_readers = 4\n") < hours("min_readers = 1\nmax_readers = 4\n")
    );
}

/// One virtual pod of six cores beside two small pods on the baseline: an m7g.2xlarge at 0.3264 $/h for the 744 hours
/// of January and its 20 GiB at 0.08 $ a month, 242.84 + 1.60 $. The plan says so, and says nothing without a buffer.
#[test]
fn the_plan_says_what_headroom_costs() {
    let pool = "[cluster.node_pools.general]\ninstance_types = [\"m7g.2xlarge\"]\n";
    let text = support::base("2027-01", 1, 1000).replace("reached = \"through-alb\"\n", "") + pool;
    let bare = support::plan(&text).unwrap();
    assert!(!bare.notes.iter().any(|note| note.contains("headroom")), "{:?}", bare.notes);
    let buffer = "availability_zones = 3\nfeature_gates = [\"CapacityBuffer\"]\ncapacity_buffers = { spare = { requests = { cpu_millicores = 6000, memory_mib = 1024 }, replicas = 1 } }\n";
    let plan = support::plan(&text.replace("availability_zones = 3\n", buffer)).unwrap();
    let expected = "production: headroom (capacity buffers spare) costs $244.44 a month, ";
    assert!(plan.notes.iter().any(|note| note.starts_with(expected)), "{:?}", plan.notes);
    let difference = (plan.cost - bare.cost).to_f64();
    // To the cent: a node that goes takes some seconds more.
    assert!((difference - 744.0 * 0.3264 - 1.6).abs() < 0.005, "{difference}");
    let names = plan.months[0].accounts[0].capacity.workloads.iter().map(|own| &*own.name);
    assert_eq!(names.collect::<Vec<&str>>(), ["api"], "a buffer is no workload");
}
