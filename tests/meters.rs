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

/// What people type wrong.
#[test]
fn what_aws_does_not_sell_is_refused() {
    for (more, expected) in [
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
    ] {
        let said = april("us-east-1", more).unwrap_err();
        assert!(said.contains(expected), "{more}: {said}");
    }
}
