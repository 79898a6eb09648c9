//! Bills of small scenarios, computed by hand from the price rows named in the comments, to the cent.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod nearly_valid;

use crate::support::{base, plan};
use runrate::{measure::units::Usd, plan::Plan};

fn by_usage(plan: &Plan, account: &str, usage_type: &str) -> String {
    let entries = plan.entries.iter();
    let own = entries.filter(|e| e.account == account && e.key.usage_type == usage_type);
    own.map(|entry| entry.cost).sum::<Usd>().cents().to_string()
}

/// April 2027 has 720 hours. No users.
///
/// | line | quantity | price | USD |
/// | --- | --- | --- | --- |
/// | m7g.large | 2 × 720 = 1,440 h | 0.0816 | 117.504 |
/// | gp3 | 2 × 20 GB | 0.08 | 3.20 |
/// | EKS | 720 h | 0.10 | 72.00 |
/// | ALB | 720 h | 0.0225 | 16.20 |
/// | NAT | 1 × 720 h | 0.045 | 32.40 |
/// | public IPv4 | (3 of the ALB + 1 of the NAT) × 720 = 2,880 h | 0.005 | 14.40 |
/// | total | | | 255.704 |
#[test]
fn an_idle_cluster_in_april() {
    let text = base("2027-04", 1, 0) + "[eks]\n[alb]\n[nat]\ngateways = 1\n";
    let plan = plan(&text).unwrap();
    for (usage_type, cost) in [
        ("BoxUsage:m7g.large", "117.50"),
        ("EBS:VolumeUsage.gp3", "3.20"),
        ("AmazonEKS-Hours:perCluster", "72.00"),
        ("LoadBalancerUsage", "16.20"),
        ("NatGateway-Hours", "32.40"),
        ("PublicIPv4:InUseAddress", "14.40"),
    ] {
        assert_eq!(by_usage(&plan, "production", usage_type), cost, "{usage_type}");
    }
    assert_eq!(plan.cost.to_string(), "255.704");
    assert_eq!(plan.entries.len(), 6, "nothing else is billed: {:#?}", plan.entries);
}

/// February 2027 has 672 hours. 10,000 users × 30 sessions × 10 requests = 3,000,000 requests of
/// 2 + 62 KiB.
///
/// Bytes: 3,000,000 × 64 KiB / 2^20 = 183.10546875 GB through the ALB. An hour has 0.272 GB, far above
/// the other dimensions (1.24 requests/s / 20 / 25 = 0.0025 LCU), so LCU-hours are the GB: × 0.008 =
/// 1.46484375.
/// Egress: 3,000,000 × 62 / 2^20 = 177.3834228515625 GB, 100 free, 77.3834228515625 × 0.09 =
/// 6.964508056640625, to ten places 6.9645080566.
/// WAF: 5 + 3 rules × 1 + 3,000,000 × 0.0000006 = 9.80.
/// ALB 672 × 0.0225 = 15.12; IPv4 3 × 672 × 0.005 = 10.08; nodes 2 × 672 × 0.0816 = 109.6704; gp3 3.20.
/// Total 156.2997681... : 1.46484375 + 6.9645080566 + 9.80 + 15.12 + 10.08 + 109.6704 + 3.20 =
/// 156.2997518066.
#[test]
fn three_million_requests_in_february() {
    let text = base("2027-02", 1, 10_000) + "[alb]\n[waf]\nrules = 3\n";
    let plan = plan(&text).unwrap();
    for (usage_type, cost) in [
        ("LCUUsage", "1.46"),
        ("DataTransfer-Out-Bytes", "6.96"),
        ("WebACLV2", "5.00"),
        ("RuleV2", "3.00"),
        ("RequestV2-Tier1", "1.80"),
        ("LoadBalancerUsage", "15.12"),
        ("PublicIPv4:InUseAddress", "10.08"),
    ] {
        assert_eq!(by_usage(&plan, "production", usage_type), cost, "{usage_type}");
    }
    assert_eq!(plan.cost.cents().to_string(), "156.30");
    let egress =
        plan.entries.iter().find(|e| e.key.usage_type == "DataTransfer-Out-Bytes").unwrap();
    assert_eq!(egress.cost.to_string(), "6.9645080566");
}

/// January 2027 (744 h, 21 weekdays) and February (672 h, 20 weekdays), two accounts that share the
/// free egress, and a database in each.
///
/// Production: 1,000 users in January, 2,000 in February; × 30 × 10 = 300,000 and 600,000 requests.
/// Aurora, writer + reader db.r6g.large at 0.26: 2 × 744 × 0.26 = 386.88; 2 × 672 × 0.26 = 349.44.
/// Storage 20 + 0.512 MiB × 1,000 / 1,024 = 20.5 GB × 0.10 = 2.05; 21 GB = 2.10.
/// I/O: 300,000 × 2 queries = 600,000; reads × 10 pages × 0.005 = 30,000; writes 20 % × 2 units of 4 KiB
/// (5,000 bytes) = 240,000; 270,000 × 0.0000002 = 0.054; February twice that.
/// Backup: 20.5 × 0.02 × 7 = 2.87 × 0.021 = 0.06027; 21 → 2.94 × 0.021 = 0.06174.
///
/// Non-production sleeps outside 08:00-20:00 on weekdays: 21 × 12 = 252 h, 20 × 12 = 240 h.
/// db.t4g.medium at 0.073, no reader: 252 × 0.073 = 18.396; 240 × 0.073 = 17.52.
/// Its nodes stay: 2 × 744 × 0.0816 = 121.4208 in January, as in production.
///
/// Egress: production 300,000 × 62 / 2^20 = 17.738 GB, non-production less: under the shared 100 GB, free.
#[test]
fn two_accounts_with_databases_over_two_months() {
    let text = base("2027-01", 2, 0).replace(
        r#"growth = { curve = "linear", start = 0, per_month = 0 }"#,
        r#"growth = { curve = "steps", steps = [
            { from = "2027-01", users = 1000 }, { from = "2027-02", users = 2000 } ] }"#,
    ) + r#"
[billing]
consolidated = true
[alb]
[aurora]
families = ["r6g"]
min_readers = 1
queries_per = { api = 2 }
write_share = 0.2
cpu_ms_per_query = 0.5
pages_per_query = 10
wal_bytes_per_write = 5000
kib_per_query = 0
storage_gib = 20
storage_mib_per_user = 0.512
working_set_share = 0.1
changed_per_day = 0.02
backup_retention_days = 7
[accounts.non-production]
region = "us-east-1"
traffic_share = 0.1
schedule = { days = ["mon", "tue", "wed", "thu", "fri"], from = "08:00", to = "20:00", stop_database = true }
[accounts.non-production.override.aurora]
families = ["t4g"]
min_readers = 0
"#;
    let plan = plan(&text).unwrap();
    let line = |month: usize, account: &str, usage_type: &str| {
        let month = plan.months[month].month;
        let entry = plan.entries.iter().find(|entry| {
            entry.month == month && entry.account == account && entry.key.usage_type == usage_type
        });
        entry.unwrap_or_else(|| panic!("{month} {account} {usage_type}")).cost.to_string()
    };
    let (production, office) = ("production", "non-production");
    assert_eq!(line(0, production, "InstanceUsage:db.r6g.large"), "386.88");
    assert_eq!(line(1, production, "InstanceUsage:db.r6g.large"), "349.44");
    assert_eq!(line(0, production, "Aurora:StorageUsage"), "2.05");
    assert_eq!(line(1, production, "Aurora:StorageUsage"), "2.1");
    assert_eq!(line(0, production, "Aurora:StorageIOUsage"), "0.054");
    assert_eq!(line(1, production, "Aurora:StorageIOUsage"), "0.108");
    assert_eq!(line(0, production, "Aurora:BackupUsage"), "0.06027");
    assert_eq!(line(1, production, "Aurora:BackupUsage"), "0.06174");
    assert_eq!(line(0, office, "InstanceUsage:db.t4g.medium"), "18.396");
    assert_eq!(line(1, office, "InstanceUsage:db.t4g.medium"), "17.52");
    assert_eq!(line(0, production, "BoxUsage:m7g.large"), "121.4208");
    assert_eq!(line(0, office, "BoxUsage:m7g.large"), "121.4208");
    assert_eq!(line(0, production, "DataTransfer-Out-Bytes"), "0");
    // Sums: months, accounts and services all lead to the same total.
    let months: Usd = plan.months.iter().map(|month| month.cost).sum();
    let accounts: Usd = plan.months.iter().flat_map(|m| &m.accounts).map(|a| a.cost).sum();
    let services: Usd = plan.services().into_iter().map(|(_, cost)| cost).sum();
    let charges: Usd = plan.charges.iter().map(|charge| charge.cost).sum();
    assert_eq!([months, accounts, services, charges], [plan.cost; 4]);
}
