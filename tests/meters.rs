//! Meters that AWS sells beside a stack's usual ones, from the scenario to the cent, and what is said where no price was read.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use crate::support::{base, plan};

/// Costs of April 2027 (720 hours) by usage type and resource, in the region.
fn april(region: &str, more: &str) -> Result<BTreeMap<(String, String), String>, String> {
    let text = base("2027-04", 1, 1000).replace("us-east-1", region) + "[alb]\n" + more;
    let plan = plan(&text).map_err(|error| error.to_string())?;
    let entries = plan.entries.iter().map(|entry| {
        let key = (entry.key.usage_type.clone(), entry.resource.clone());
        (key, entry.cost.to_string())
    });
    Ok(entries.collect())
}

fn cost(
    costs: &BTreeMap<(String, String), String>,
    (usage_type, resource): (&str, &str),
) -> String {
    let found = costs.get(&(usage_type.to_owned(), resource.to_owned()));
    found.unwrap_or_else(|| panic!("no {usage_type} of {resource} in {costs:#?}")).clone()
}

/// Three zones × 720 h × 0.048 = 103.68 in Ireland. Elsewhere nobody has read the price.
#[test]
fn a_regional_nat_gateway_is_priced_where_its_price_was_read() {
    let costs = april("eu-west-1", "[nat]\nregional = true\n").unwrap();
    assert_eq!(cost(&costs, ("RegionalNatGateway-Hours", "nat")), "103.68");
    let said = april("us-east-1", "[nat]\nregional = true\n").unwrap_err();
    let expected = "no price for us-east-1/AmazonEC2/RegionalNatGateway-Hours";
    assert!(said.contains(expected) && said.contains("nearest rows: "), "{said}");
}

/// Two baseline nodes for 720 h: 1,440 address-hours at 0.005; 7 × 2 metrics, ten of them free, at 0.30. The XL tier:
/// 720 × 1.65; Argo CD with 20 applications: 720 × 0.03 + 20 × 720 × 0.0015. Two pods of Karpenter ask for 0.5 vCPU and 1 GB
/// and get 2 GB: 720 vCPU-hours at 0.04048 and 2,880 GB-hours at 0.004445.
#[test]
fn nodes_tiers_and_fargate_to_the_cent() {
    let stack = "[public_ipv4]\nnodes = true\n[cloudwatch]\nlog_gb_per_month = 0\nretention_days = 1\n\
                 compression = 1\ndetailed_monitoring = true\n[eks]\ncontrol_plane_tier = \"XL\"\n\
                 argo_cd = { applications = 20 }\n\
                 fargate = [{ name = \"karpenter\", pods = 2, vcpu = 0.5, memory_gb = 1 }]\n";
    let costs = april("us-east-1", stack).unwrap();
    let of = |usage_type: &str, resource: &str| cost(&costs, (usage_type, resource));
    assert_eq!(of("PublicIPv4:InUseAddress", "nodes"), "7.2");
    assert_eq!(of("CW:MetricMonitorUsage", "detailed-monitoring"), "1.2");
    assert_eq!(of("AmazonEKS-Hours:XL-ProvisionedTier", "cluster"), "1188");
    assert_eq!(of("AmazonEKSCapabilities-ArgoCD-Hours:perCapability", "argo-cd"), "21.6");
    assert_eq!(of("AmazonEKSCapabilities-ArgoCD-CR-Hours:perCustomResource", "argo-cd"), "21.6");
    assert_eq!(of("Fargate-vCPU-Hours:perCPU", "fargate/karpenter"), "29.1456");
    assert_eq!(of("Fargate-GB-Hours", "fargate/karpenter"), "12.8016");
    // Fargate has a price in every region; the tiers were read in one.
    let said = april("eu-central-1", stack).unwrap_err();
    assert!(said.contains("eu-central-1/AmazonEKS/AmazonEKS-Hours:XL-ProvisionedTier"), "{said}");
    let fargate = "[eks]\nfargate = [{ name = \"a\", pods = 1, vcpu = 1, memory_gb = 1 }]\n";
    april("eu-central-1", fargate).unwrap();
}

/// A database with nothing to do.
fn database(setting: &str) -> String {
    format!(
        "[aurora]\n{setting}\nmin_readers = 0\nqueries_per = {{ api = 1 }}\nwrite_share = 0.1\n\
         cpu_ms_per_query = 1\npages_per_query = 1\nwal_bytes_per_write = 1000\nkib_per_query = 1\n\
         storage_gib = 10\nstorage_mib_per_user = 0\nworking_set_share = 0.1\nchanged_per_day = 0.01\n\
         backup_retention_days = 1\n"
    )
}

/// 720 h × 0.276 in Virginia, 0.333 in Frankfurt and 0.299 in Paris, which sells neither r8g nor r7g. A scenario that
/// names a family keeps it.
#[test]
fn a_database_without_a_family_gets_the_newest_that_the_region_sells() {
    for (region, class, expected) in [
        ("us-east-1", "db.r8g.large", "198.72"),
        ("eu-central-1", "db.r7g.large", "239.76"),
        ("eu-west-3", "db.r6g.large", "215.28"),
    ] {
        let costs = april(region, &database("")).unwrap();
        assert_eq!(cost(&costs, (&format!("InstanceUsage:{class}"), "aurora")), expected);
    }
    let costs = april("us-east-1", &database("families = [\"r6g\"]")).unwrap();
    assert_eq!(cost(&costs, ("InstanceUsage:db.r6g.large", "aurora")), "187.2");
}

/// 100 GB at 0.149, 32,000 IOPS at 0.078 and 8,000 at 0.0546 in Frankfurt; 500 GB of st1 at 0.054. Paris does not sell io2.
#[test]
fn claims_of_every_type_are_priced() {
    let claims = "[ebs.claims.db]\ngib = 100\nvolume_type = \"io2\"\niops = 40000\n\
                  [ebs.claims.log]\ngib = 500\nvolume_type = \"st1\"\n";
    let costs = april("eu-central-1", claims).unwrap();
    let of = |usage_type: &str, resource: &str| cost(&costs, (usage_type, resource));
    assert_eq!(of("EBS:VolumeUsage.io2", "claim db"), "14.9");
    assert_eq!(of("EBS:VolumeP-IOPS.io2", "claim db"), "2496");
    assert_eq!(of("EBS:VolumeP-IOPS.io2.tier2", "claim db"), "436.8");
    assert_eq!(of("EBS:VolumeUsage.st1", "claim log"), "27");
    let said = april("eu-west-3", claims).unwrap_err();
    assert!(
        said.contains("no price for eu-west-3/AmazonEC2/EBS:VolumeUsage.io2; nearest"),
        "{said}"
    );
}

/// What people type wrong.
#[test]
fn what_aws_does_not_sell_is_refused() {
    let wrong: &[(&str, &str)] = &[
        ("[eks]\ncontrol_plane_tier = \"16XL\"\n", "control_plane_tier"),
        ("[eks]\nargo_cd = true\n", "argo_cd"),
        (
            "[eks]\nfargate = [{ name = \"a\", pods = 1, vcpu = 4, memory_gb = 200 }]\n",
            "eks.fargate[0].memory_gb",
        ),
        ("[nat]\nregional = true\ngateways = 3\n", "nat.gateways"),
        (
            "[cloudfront]\nclasses = [\"api\"]\nhit_ratio = 0.5\nplan = \"Premium\"\n",
            "cloudfront.plan",
        ),
        (
            "[ebs]\nvolume_type = \"st1\"\nvolume_gib = 200\n",
            "ebs.volume_type: an instance boots from no st1",
        ),
        (
            "[ebs]\nvolume_type = \"io2\"\n",
            "ebs.iops: is missing; an io2 volume needs at least 100",
        ),
        ("[ebs.claims.a]\ngib = 50\nvolume_type = \"sc1\"\n", "ebs.claims.a.gib: 50 is below 125"),
        ("[ebs.claims.a]\ngib = 50\nvolume_type = \"io3\"\n", "volume_type"),
        (
            "[ebs.claims.a]\ngib = 50\nvolume_type = \"gp2\"\niops = 4000\n",
            "ebs.claims.a.iops: a gp2 volume has no setting for it; use gp3 or io2",
        ),
        (
            "[cluster.node_pools.p]\nvolume_type = \"sc1\"\n",
            "cluster.node_pools.p.volume_type: an instance boots from no sc1 volume",
        ),
        (
            "[cluster.node_pools.p]\nvolume_type = \"io2\"\nvolume_gib = 10\nvolume_iops = 20000\n",
            "cluster.node_pools.p.volume_iops: 20000 is above 10000",
        ),
        (&database("families = [\"m7g\"]"), "aurora.families: no family \"m7g\"; did you mean"),
        (
            &(database("serverless = { min_acu = 0, max_acu = 4 }") + "[dr]\n"),
            "aurora.serverless.min_acu: 0 lets the cluster pause, and AWS does not pause it: dr.database",
        ),
    ];
    for (more, expected) in wrong {
        let said = april("us-east-1", more).unwrap_err();
        assert!(said.contains(expected), "{more}: {said}");
    }
}
