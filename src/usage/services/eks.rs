//! EKS: hours of control planes, their provisioned tier, extended support by version and date, the fee of Auto Mode, the
//! managed Argo CD, and pods on Fargate.
//!
//! # Formula
//! ```text
//! AmazonEKS-Hours:perCluster      [Hours] = clusters × hours of the month
//! AmazonEKS-Hours:extendedSupport [Hours] = clusters × hours from the day on which standard support ends
//! EKS-Auto:<type>-management-hours [Hours] = hours of the nodes that pools buy, while Auto Mode is on
//! AmazonEKS-Hours:<tier>-ProvisionedTier      [Hours] = clusters × hours of the month
//! AmazonEKSCapabilities-ArgoCD-Hours:perCapability      [Hours] = clusters × hours of the month
//! AmazonEKSCapabilities-ArgoCD-CR-Hours:perCustomResource [Hours] = applications × hours of the month
//! Fargate-vCPU-Hours:perCPU, Fargate-GB-Hours [hours] = pods × vCPU, GB of the size × hours of the month
//! size of a pod on Fargate = the least that holds its vCPU, and its memory with 0.25 GB for Kubernetes
//! ```
//! At the end of extended support EKS upgrades a cluster to the oldest version that it still supports, which
//! is in extended support itself: the surcharge continues until you upgrade.
//!
//! # Source
//! aws.amazon.com/eks/pricing: 0.10 an hour; past standard support a 0.50 surcharge on its own usage type; Auto
//! Mode a fee by instance, which managed node groups, the baseline, do not pay. Dates:
//! `models/eks_versions.csv`. The upgrade: EKS user guide, "Understand the Kubernetes version lifecycle". Sizes of Fargate:
//! EKS user guide, "Understand Fargate Pod configuration details".
//! # Limits
//! A version without dates is newer than the model's data and is planned in standard support, with a warning.
//! Pods on Fargate run the whole month in a fixed number, with the 20 GB of storage that are free. They are not workloads:
//! they carry no traffic and take no nodes.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Basis, Choice, Context, Demand, Finding, Meter, Metered, Service, UsageLine, sold::Sold,
};
use crate::{
    cluster::{autoscale::policy::BASELINE, capacity::NodeUse},
    facts::shapes::{EksVersion, FargateFacts, FargateSize},
};

/// The managed Argo CD itself.
const ARGO_CD: &str = "AmazonEKSCapabilities-ArgoCD-Hours:perCapability";
/// An application that it manages.
const ARGO_CD_APPLICATIONS: &str = "AmazonEKSCapabilities-ArgoCD-CR-Hours:perCustomResource";

/// Control planes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Clusters in the account; default: one.
    #[schemars(range(min = 0, max = 1000))]
    pub clusters: Option<u32>,
    /// Kubernetes version, `1.34`; default: kept up to date, so never in extended support.
    pub version: Option<String>,
    /// Whether EKS Auto Mode manages the nodes.
    #[serde(default)]
    pub auto_mode: bool,
    /// Tier of a provisioned control plane; default: standard, without a fee of its own.
    pub control_plane_tier: Option<Tier>,
    /// The EKS capability for Argo CD, which AWS runs.
    pub argo_cd: Option<ArgoCd>,
    /// Pods that Fargate profiles run, such as those of Karpenter and `CoreDNS`.
    #[serde(default)]
    pub fargate: Vec<FargatePods>,
}

/// Tier of a provisioned control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Tier {
    /// Extra large.
    XL,
    /// Twice that.
    #[serde(rename = "2XL")]
    X2,
    /// Four times that.
    #[serde(rename = "4XL")]
    X4,
    /// Eight times that.
    #[serde(rename = "8XL")]
    X8,
}

impl Tier {
    fn usage_type(self) -> &'static str {
        match self {
            Self::XL => "AmazonEKS-Hours:XL-ProvisionedTier",
            Self::X2 => "AmazonEKS-Hours:2XL-ProvisionedTier",
            Self::X4 => "AmazonEKS-Hours:4XL-ProvisionedTier",
            Self::X8 => "AmazonEKS-Hours:8XL-ProvisionedTier",
        }
    }
}

/// Managed Argo CD.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgoCd {
    /// Applications that it manages, in all clusters together.
    #[schemars(range(min = 0, max = 100_000))]
    pub applications: f64,
}

/// Pods of one kind on Fargate.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FargatePods {
    /// How they are called in the plan.
    pub name: String,
    /// How many run.
    #[schemars(range(min = 0, max = 10_000))]
    pub pods: f64,
    /// vCPUs that one requests.
    #[schemars(range(min = 0.001, max = 16))]
    pub vcpu: f64,
    /// Memory that one requests \[GB\].
    #[schemars(range(min = 0, max = 120))]
    pub memory_gb: f64,
}

/// What Fargate bills a pod for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PodSize {
    vcpu: f64,
    memory_gb: f64,
}

impl FargatePods {
    /// Returns the size that Fargate runs one on; none where it is above the largest.
    fn size(&self, facts: &FargateFacts) -> Option<PodSize> {
        let memory = self.memory_gb + facts.overhead_gb;
        let mut sizes = facts.sizes.iter().filter(|size| size.vcpu >= self.vcpu);
        let held = |size: &FargateSize| size.memory_gb.iter().copied().find(|gb| *gb >= memory);
        sizes.find_map(|size| Some(PodSize { vcpu: size.vcpu, memory_gb: held(size)? }))
    }
}

impl Spec {
    fn dates<'d>(&self, demand: &Demand<'d>) -> Option<&'d EksVersion> {
        let version = self.version.as_ref()?;
        demand.catalog.eks_versions.iter().find(|known| known.version == *version)
    }

    /// Hours of the month in extended support.
    fn extended_hours(&self, demand: &Demand<'_>) -> f64 {
        let Some(version) = self.dates(demand) else { return 0.0 };
        let days = (0..demand.month.days() as i32).filter(|index| {
            let date = demand.month.first_day().checked_add(jiff::Span::new().days(*index));
            date.is_ok_and(|date| date >= version.standard_support_ends)
        });
        days.count() as f64 * 24.0
    }

    fn check_version(&self, context: &Context<'_>) -> Vec<Finding> {
        let versions = &context.catalog.eks_versions;
        let Some(version) = &self.version else { return Vec::new() };
        if versions.iter().any(|known| known.version == *version) {
            return Vec::new();
        }
        let newest = versions.iter().filter_map(|known| minor(&known.version)).max();
        if minor(version).is_some_and(|number| newest.is_none_or(|newest| number > newest)) {
            return Vec::new();
        }
        let known: Vec<&str> = versions.iter().map(|known| &*known.version).collect();
        let message = format!(
            "no dates of support for Kubernetes {version:?}; there are {}, and newer versions are accepted with a warning",
            known.join(", ")
        );
        vec![Finding::new("version", message)]
    }

    /// Returns the fees of tier, Argo CD and Fargate.
    fn further_lines(&self, demand: &Demand<'_>, clusters: f64) -> Vec<UsageLine> {
        let hours = demand.hours();
        let line = |usage_type: &str, resource: &str, name: &str, count: f64| {
            let formula = format!("{name} × hours of the month");
            let why =
                Basis::new(&formula, &[(name, count, ""), ("hours of the month", hours, "Hrs")]);
            demand.line(Meter::new("AmazonEKS", usage_type, ""), resource, count * hours, why)
        };
        let mut lines = Vec::new();
        if let Some(tier) = self.control_plane_tier {
            lines.push(line(tier.usage_type(), "cluster", "clusters", clusters));
        }
        if let Some(argo_cd) = self.argo_cd
            && clusters > 0.0
        {
            lines.push(line(ARGO_CD, "argo-cd", "clusters", clusters));
            let applications = argo_cd.applications;
            lines.push(line(ARGO_CD_APPLICATIONS, "argo-cd", "applications", applications));
        }
        for pods in &self.fargate {
            // `check` refuses a pod above the largest size; what it requests is never dropped.
            let requested = PodSize { vcpu: pods.vcpu, memory_gb: pods.memory_gb };
            let size = pods.size(&demand.catalog.controllers.fargate).unwrap_or(requested);
            let resource = format!("fargate/{}", pods.name);
            let (vcpus, gb) = (pods.pods * size.vcpu, pods.pods * size.memory_gb);
            lines.push(line("Fargate-vCPU-Hours:perCPU", &resource, "vCPUs", vcpus));
            lines.push(line("Fargate-GB-Hours", &resource, "GB", gb));
        }
        lines
    }

    /// What the reader should know of the version.
    fn advice(&self, demand: &Demand<'_>) -> Option<Choice> {
        let version = self.version.as_ref()?;
        let reason = match self.dates(demand) {
            None => format!(
                "no dates of support for Kubernetes {version}, which is newer than models/eks_versions.csv ({}): planned without extended support",
                demand.catalog.eks_versions.last().map_or("none", |known| &known.version)
            ),
            Some(known)
                if demand.month.first_day().last_of_month() >= known.extended_support_ends =>
            {
                format!(
                    "extended support of Kubernetes {version} ends on {}; EKS then upgrades to the oldest version that it supports, which is in extended support too, so the surcharge continues; upgrade the cluster to end it",
                    known.extended_support_ends
                )
            }
            Some(_) => return None,
        };
        Some(Choice { subject: "eks".into(), choice: version.clone(), reason, warning: true })
    }
}

impl Service for Spec {
    const KIND: &'static str = "eks";
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("AmazonEKS", "AmazonEKS-Hours:perCluster", "CreateOperation"),
        Meter::new("AmazonEKS", "AmazonEKS-Hours:extendedSupport", "ExtendedSupport"),
        Meter::new("AmazonEKS", "EKS-Auto:*", ""),
        Meter::new("AmazonEKS", "Fargate-vCPU-Hours:perCPU", ""),
        Meter::new("AmazonEKS", "Fargate-GB-Hours", ""),
        Meter::new("AmazonEKS", ARGO_CD, ""),
        Meter::new("AmazonEKS", ARGO_CD_APPLICATIONS, ""),
        Meter::new("AmazonEKS", "AmazonEKS-Hours:XL-ProvisionedTier", ""),
        Meter::new("AmazonEKS", "AmazonEKS-Hours:2XL-ProvisionedTier", ""),
        Meter::new("AmazonEKS", "AmazonEKS-Hours:4XL-ProvisionedTier", ""),
        Meter::new("AmazonEKS", "AmazonEKS-Hours:8XL-ProvisionedTier", ""),
    ];
    const SOLD_IN_SOME_REGIONS: &'static [&'static str] = &[
        ARGO_CD,
        ARGO_CD_APPLICATIONS,
        "AmazonEKS-Hours:XL-ProvisionedTier",
        "AmazonEKS-Hours:2XL-ProvisionedTier",
        "AmazonEKS-Hours:4XL-ProvisionedTier",
        "AmazonEKS-Hours:8XL-ProvisionedTier",
    ];

    fn usage_types(_: &str, sold: &Sold<'_>) -> Vec<String> {
        let types = sold.instance_types.iter().filter(|own| own.bare_metal != Some(true));
        types.map(|own| auto_mode_fee(&own.instance_type)).collect()
    }

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let facts = &context.catalog.controllers.fargate;
        let mut findings: Vec<Finding> = Vec::new();
        for (index, pods) in self.fargate.iter().enumerate() {
            if pods.size(facts).is_none() {
                let message = format!(
                    "Fargate has no size for {} vCPU and {} GB, of which Kubernetes takes {}; the largest is {}",
                    pods.vcpu,
                    pods.memory_gb + facts.overhead_gb,
                    facts.overhead_gb,
                    facts.sizes.last().map_or_else(String::new, |largest| format!(
                        "{} vCPU and {} GB",
                        largest.vcpu,
                        largest.memory_gb.last().unwrap_or(&0.0)
                    ))
                );
                findings.push(Finding::new(format!("fargate[{index}].memory_gb"), message));
            }
        }
        findings.extend(self.check_version(context));
        findings
    }

    fn unused(&self, _: &Context<'_>) -> Vec<Finding> {
        let clusters = self.clusters != Some(0);
        let keys = [
            ("control_plane_tier", self.control_plane_tier.is_some() && !clusters),
            ("argo_cd", self.argo_cd.is_some() && !clusters),
        ];
        super::unused_keys(keys, "clusters is 0")
    }

    fn kubernetes_minor(&self) -> Option<u32> {
        self.version.as_deref().and_then(minor)
    }

    fn lost_without(demand: &Demand<'_>) -> Option<String> {
        (demand.capacity.node_hours() > 0.0).then(|| {
            format!(
                "{} hours of a control plane are not billed, because there is no [eks] table; set clusters = 0 if there is no cluster",
                demand.hours()
            )
        })
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let clusters = f64::from(self.clusters.unwrap_or(1));
        let extended = self.extended_hours(demand);
        let basis = |hours: f64| {
            Basis::new("clusters × hours", &[("clusters", clusters, ""), ("hours", hours, "Hrs")])
        };
        let mut lines = vec![
            demand.line(
                Self::METERS[0],
                "cluster",
                clusters * demand.hours(),
                basis(demand.hours()),
            ),
            demand.line(Self::METERS[1], "cluster", clusters * extended, basis(extended)),
        ];
        let managed = |node: &&NodeUse| self.auto_mode && node.pool != BASELINE;
        for node in demand.capacity.nodes.iter().filter(managed) {
            let usage_type = auto_mode_fee(&node.instance_type);
            let why = Basis::new("node hours", &[("node hours", node.hours, "Hrs")]);
            lines.push(demand.line(
                Meter::new("AmazonEKS", &usage_type, ""),
                &node.pool,
                node.hours,
                why,
            ));
        }
        lines.extend(self.further_lines(demand, clusters));
        Metered { lines, choices: self.advice(demand).into_iter().collect() }
    }
}

/// The usage type of Auto Mode's fee for an instance type.
fn auto_mode_fee(instance_type: &str) -> String {
    format!("EKS-Auto:{instance_type}-management-hours")
}

/// The minor number of a version of Kubernetes 1.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    fn hours(month: &str, version: &str) -> [f64; 2] {
        let fixture = Fixture::new(month);
        let spec = Spec { clusters: Some(2), version: Some(version.into()), ..Spec::default() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        [lines[0].quantity.get(), lines[1].quantity.get()]
    }

    fn warned(month: &str, version: &str) -> String {
        let fixture = Fixture::new(month);
        let spec = Spec { version: Some(version.into()), ..Spec::default() };
        let choices = Service::meter(&spec, &fixture.demand()).choices;
        choices.into_iter().map(|choice| choice.reason).collect()
    }

    /// Two clusters in a 31-day month are 2 × 744 h (148.80 at 0.10). 1.33 leaves standard
    /// support on 2026-07-29, so July has three days of surcharge, 2 × 72 h ($72 at 0.50), and August 31; it
    /// continues after the end of extended support in July 2027.
    #[test]
    fn extended_support_begins_on_its_day_and_goes_on() {
        assert_eq!(hours("2026-06", "1.33"), [1440.0, 0.0]);
        assert_eq!(hours("2026-07", "1.33"), [1488.0, 2.0 * 3.0 * 24.0]);
        assert_eq!(hours("2026-08", "1.33"), [1488.0, 1488.0]);
        assert_eq!(hours("2027-08", "1.33"), [1488.0, 1488.0]);
        assert_eq!(hours("2026-07", "1.30"), [1488.0, 1488.0]);
        assert_eq!(warned("2027-06", "1.33"), "");
        assert!(warned("2027-07", "1.33").contains("ends on 2027-07-29; EKS then upgrades"));
    }

    /// 1.36 has dates; a version after the last one is planned with a warning, others are refused.
    #[test]
    fn a_version_newer_than_the_data_is_a_warning() {
        let fixture = Fixture::new("2027-08");
        let problems = |version: &str| {
            let spec = Spec { version: Some(version.into()), ..Spec::default() };
            Service::check(&spec, &fixture.context())
        };
        // 2027-08-02 is the second of 31 days.
        assert_eq!(hours("2027-08", "1.36"), [1488.0, 2.0 * 30.0 * 24.0]);
        assert!(problems("1.36").is_empty() && problems("1.99").is_empty());
        assert_eq!(hours("2027-08", "1.99"), [1488.0, 0.0]);
        assert!(warned("2027-08", "1.99").contains("no dates of support for Kubernetes 1.99"));
        for wrong in ["1.12", "latest", "2.1"] {
            assert!(problems(wrong)[0].message.contains("1.34"), "{wrong}");
        }
    }

    /// Two clusters on the XL tier for 720 h: 1,440 h at 1.65. Argo CD: 1,440 h at 0.03, and 40 applications for 720 h
    /// at 0.0015.
    #[test]
    fn tiers_and_argo_cd_are_paid_by_the_hour() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec = toml::from_str(
            "clusters = 2\ncontrol_plane_tier = \"XL\"\nargo_cd = { applications = 40 }",
        )
        .unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let cost = |usage_type: &str| {
            let line = lines.iter().find(|line| line.key.usage_type == usage_type).unwrap();
            fixture.price(line, line.quantity.get())
        };
        assert_eq!(cost("AmazonEKS-Hours:XL-ProvisionedTier"), "2376");
        assert_eq!(cost(ARGO_CD), "43.2");
        assert_eq!(cost(ARGO_CD_APPLICATIONS), "43.2");
        assert!(toml::from_str::<Spec>("control_plane_tier = \"16XL\"").is_err());
    }

    /// The user guide's example: 1 vCPU and 8 GB need 8.25 GB with Kubernetes, which 1 vCPU has no size for, so they run on
    /// 2 vCPU and 9 GB. Two pods of 0.25 vCPU and 0.5 GB run on 0.25 vCPU and 1 GB each: 360 vCPU-hours at 0.04048 and
    /// 1,440 GB-hours at 0.004445.
    #[test]
    fn pods_on_fargate_pay_for_their_size() {
        let fixture = Fixture::new("2027-04");
        let facts = &fixture.catalog.controllers.fargate;
        let size = |vcpu, memory_gb| {
            FargatePods { name: "a".into(), pods: 1.0, vcpu, memory_gb }.size(facts)
        };
        let holds = |vcpu, memory_gb| Some(PodSize { vcpu, memory_gb });
        assert_eq!(size(1.0, 8.0), holds(2.0, 9.0));
        assert_eq!(size(0.25, 0.25), holds(0.25, 0.5));
        assert_eq!(size(0.25, 0.5), holds(0.25, 1.0));
        assert_eq!(size(0.25, 1.0), holds(0.25, 2.0));
        assert_eq!(size(0.25, 1.8), holds(0.5, 3.0));
        assert_eq!(size(8.0, 17.0), holds(8.0, 20.0));
        assert_eq!(size(16.0, 119.75), holds(16.0, 120.0));
        assert_eq!(size(16.0, 120.0), None);
        let spec: Spec = toml::from_str(
            "fargate = [{ name = \"karpenter\", pods = 2, vcpu = 0.25, memory_gb = 0.5 }]",
        )
        .unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let cost = |usage_type: &str| {
            let line = lines.iter().find(|line| line.key.usage_type == usage_type).unwrap();
            fixture.price(line, line.quantity.get())
        };
        assert_eq!(cost("Fargate-vCPU-Hours:perCPU"), "14.5728");
        assert_eq!(cost("Fargate-GB-Hours"), "6.4008");
        let large: Spec =
            toml::from_str("fargate = [{ name = \"a\", pods = 1, vcpu = 16, memory_gb = 120 }]")
                .unwrap();
        let problems = Service::check(&large, &fixture.context());
        assert_eq!(problems[0].key, "fargate[0].memory_gb");
        assert!(problems[0].message.ends_with("the largest is 16 vCPU and 120 GB"));
    }

    /// The nodes that Auto Mode buys pay its fee; those of a managed node group, the baseline, do not.
    #[test]
    fn auto_mode_is_paid_by_the_nodes_of_pools() {
        let mut fixture = Fixture::new("2027-04");
        let node = |pool: &str, hours: f64| NodeUse {
            instance_type: "m7g.large".into(),
            purchase: "on-demand".into(),
            pool: pool.into(),
            hours,
            launches: 1,
            hourly: Vec::new(),
            price: None,
        };
        fixture.capacity.nodes = vec![node(BASELINE, 720.0), node("general", 100.0)];
        let spec = Spec { auto_mode: true, ..Spec::default() };
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        let fees: Vec<_> =
            lines.iter().filter(|line| line.key.usage_type.contains("Auto")).collect();
        assert_eq!((fees.len(), fees[0].quantity.get()), (1, 100.0));
    }
}
