//! Declared facts about hardware and controllers: instance shapes, spot supply, Aurora classes and
//! controller defaults, parsed from `models/`.
//!
//! # Source
//! Each row of `models/*.csv` and each block of `models/controllers.toml` names its own.
//! # Limits
//! Allocatable figures are Karpenter's documented ones for AL2023; a joined node can differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use jiff::civil::Date;
use serde::{Deserialize, de::DeserializeOwned};

use crate::error::{Error, Place, nearest};

pub mod allocatable;
pub mod volume;

pub use allocatable::KubeletFacts;
pub use volume::{EbsFacts, VolumeType};

/// One EC2 instance type.
#[derive(Debug, Clone, Deserialize)]
pub struct Shape {
    /// `m7g.large`.
    pub instance_type: String,
    /// `m7g`.
    pub family: String,
    /// `7`; empty when the type has none.
    pub generation: Option<u32>,
    /// `m`, `c`, `r`, `t`, ...
    pub category: String,
    /// `large`.
    pub size: String,
    /// `amd64` or `arm64` in Kubernetes words.
    pub arch: String,
    /// vCPUs.
    pub vcpus: u32,
    /// Memory, in MiB.
    pub memory_mib: f64,
    /// CPU left for pods, in millicores; none when undocumented.
    pub allocatable_cpu_milli: Option<f64>,
    /// Memory left for pods, in MiB.
    pub allocatable_memory_mib: Option<f64>,
    /// Pods the node takes.
    pub allocatable_pods: Option<u32>,
    /// Network interfaces.
    pub max_enis: Option<u32>,
    /// IPv4 addresses of each.
    pub ipv4_per_eni: Option<u32>,
    /// Whether it is bare metal.
    pub bare_metal: Option<bool>,
    /// GPUs.
    pub gpu_count: Option<u32>,
    /// Other accelerators.
    pub accelerator_count: Option<u32>,
    /// Whether CPU is metered in credits.
    pub burstable: Option<bool>,
    /// Whether AWS lists it as current.
    pub current_generation: Option<bool>,
}

impl Shape {
    /// Returns the architecture as Kubernetes labels name it: amd64, where the sources have `x86_64`.
    fn in_kubernetes_words(mut self) -> Self {
        if self.arch == "x86_64" {
            self.arch = "amd64".into();
        }
        self
    }

    /// Returns a type for general workloads: no GPU, no accelerator, not bare metal.
    pub fn is_generic(&self) -> bool {
        self.bare_metal != Some(true)
            && self.gpu_count.unwrap_or(0) == 0
            && self.accelerator_count.unwrap_or(0) == 0
    }
}

/// A list of a node pool that names instance types by a property of theirs.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// Key of a node pool, `families`.
    pub key: &'static str,
    /// One of its values in words.
    pub what: &'static str,
    /// What a type has.
    pub of: fn(&Shape) -> &str,
}

/// The lists of a node pool.
pub const PROPERTIES: [Property; 5] = [
    Property { key: "instance_types", what: "instance type", of: |shape| &shape.instance_type },
    Property { key: "families", what: "instance family", of: |shape| &shape.family },
    Property { key: "categories", what: "instance category", of: |shape| &shape.category },
    Property { key: "sizes", what: "instance size", of: |shape| &shape.size },
    Property { key: "architectures", what: "architecture", of: |shape| &shape.arch },
];

/// How often AWS takes back spot instances of a type.
#[derive(Debug, Clone, Deserialize)]
pub struct SpotSupply {
    /// Instance type.
    pub instance_type: String,
    /// Saving against on-demand, in percent; 0 marks a type with little or no supply.
    pub savings_percent: f64,
    /// 0 (under 5 % a month) to 4 (over 20 %).
    pub interruption_bucket: u8,
    /// Date of the figures.
    pub as_of: String,
}

/// One Aurora instance class.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AuroraClass {
    /// `db.r6g.xlarge`.
    pub class: String,
    /// The shortened class of the bill, `db.r6g.xl`.
    pub billing_class: String,
    /// `r6g`.
    pub family: String,
    /// vCPUs.
    pub vcpu: u32,
    /// Nominal memory, in GiB.
    pub memory_gib: f64,
    /// Default `max_connections`.
    pub max_connections: u32,
}

/// Defaults of the horizontal pod autoscaler.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HpaDefaults {
    /// Seconds between reconciles.
    pub sync_period_seconds: u32,
    /// Ratio band in which nothing changes.
    pub tolerance: f64,
    /// Seconds a lower recommendation must hold.
    pub scale_down_stabilization_seconds: u32,
    /// Age below which a pod's CPU is believed only once it is ready.
    pub cpu_initialization_period_seconds: u32,
    /// Age below which a pod that is not ready never was.
    pub initial_readiness_delay_seconds: u32,
    /// Growth allowed per reconcile without behavior rules.
    pub scale_up_factor: f64,
    /// Replicas always allowed per reconcile.
    pub scale_up_minimum: u32,
    /// Least replicas.
    pub min_replicas: u32,
    /// Target CPU, in percent of request.
    pub target_cpu_utilization: u32,
    /// Window of `behavior.scaleUp`.
    pub scale_up_window_seconds: u32,
    /// Policies of `behavior.scaleUp`.
    pub scale_up_policies: Vec<PolicyDefault>,
    /// Policies of `behavior.scaleDown`.
    pub scale_down_policies: Vec<PolicyDefault>,
    /// Age of a sample when it is read.
    pub sample_age_seconds: u32,
    /// Window of a CPU sample.
    pub sample_window_seconds: u32,
    /// The gate of `minReplicas: 0`.
    pub zero_gate: Gate,
    /// The gate of a tolerance per autoscaler.
    pub tolerance_gate: Gate,
}

/// Defaults of KEDA's `ScaledObject`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KedaDefaults {
    /// Seconds between two looks at the triggers.
    pub polling_seconds: u32,
    /// Seconds without an active trigger before the pods go.
    pub cooldown_seconds: u32,
    /// Replicas that a cron trigger asks for outside its window.
    pub replicas_outside: u32,
}

/// A feature gate of Kubernetes; versions are the minor number of Kubernetes 1.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// The version that brings it.
    pub since: u32,
    /// The version from which it is on by default.
    pub default_since: u32,
}

impl Gate {
    /// Returns what a cluster needs for the feature, in words; `None` where its version has it on by default.
    pub fn needs(&self, version: Option<u32>) -> Option<String> {
        let Self { name, since, default_since } = self;
        match version {
            Some(version) if version >= *default_since => None,
            Some(version) if version >= *since => Some(format!(
                "the feature gate {name}, which is off by default in Kubernetes 1.{version} and on from 1.{default_since}"
            )),
            Some(version) => Some(format!(
                "Kubernetes 1.{default_since}, or the feature gate {name} from 1.{since} on; eks.version is 1.{version}"
            )),
            None => Some(format!(
                "Kubernetes 1.{default_since} or newer, or the feature gate {name} from 1.{since} on"
            )),
        }
    }
}

/// Defaults of `CronJobs` and Jobs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobDefaults {
    /// Pods that may be lost before a run fails.
    pub backoff_limit: u32,
    /// Pods of one cron-job at once.
    pub most_pods: u32,
}

/// One default scaling policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDefault {
    /// `Pods` or `Percent`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many.
    pub value: u32,
    /// In how long.
    pub period_seconds: u32,
}

/// Defaults of Karpenter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KarpenterDefaults {
    /// Seconds without a pod event before a node may be consolidated.
    pub consolidate_after_seconds: u32,
    /// Nodes of a pool that may be disrupted at once.
    pub budget_nodes: String,
    /// Age at which nodes are replaced.
    pub expire_after_hours: u32,
    /// Seconds between a decision to disrupt and the act.
    pub validation_seconds: u32,
    /// Most nodes that one command removes.
    pub multi_node_candidates: usize,
    /// Cheaper types that replacing a spot node by a spot node needs.
    pub spot_to_spot_types: usize,
    /// Seconds after which a fruitless pass is repeated.
    pub consolidated_seconds: u32,
    /// Least seconds in which a node that pods are meant for is not disrupted; at least two of the longest batches.
    pub nomination_least_seconds: u32,
    /// Seconds without a new pod after which a batch is planned for.
    pub batch_idle_seconds: u32,
    /// Most seconds that a batch is waited for.
    pub batch_max_seconds: u32,
    /// Seconds that a node is not ready before it is replaced, with the gate `NodeRepair`.
    pub repair_seconds: u32,
    /// Share of a pool's nodes, rounded up, above which failed ones are not replaced, in percent.
    pub repair_unhealthy_percent: u32,
    /// `k` of the policy Balanced.
    pub balanced_k: f64,
    /// What the on-demand price is divided by for reserved capacity.
    pub reserved_price_divisor: f64,
    /// Types in one launch request, cheapest first.
    pub launch_types: usize,
    /// Seconds in which an offering without capacity is not tried again.
    pub unavailable_offering_seconds: u32,
}

/// How spot capacity comes and goes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpotFacts {
    /// Chance that a node is taken back in a month, by band of the spot advisor.
    pub interruptions_per_month: Vec<f64>,
    /// Share of time without capacity, by band.
    pub shortage: Vec<f64>,
    /// Length of such a time.
    pub shortage_seconds: u32,
    /// Weight of the price in the choice.
    pub price_weight: f64,
    /// How much more expensive than the cheapest a chosen type may be.
    pub price_reach: f64,
    /// Seconds from the notice to the end.
    pub notice_seconds: u32,
    /// Standard deviation of ln(price) of all types of a region together.
    pub price_sigma_region: f64,
    /// Standard deviation of ln(price) of one type around its region.
    pub price_sigma_type: f64,
    /// Correlation of a month's price with the next one's.
    pub price_memory: f64,
}

/// What a new node brings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeDefaults {
    /// Median seconds from `NodeClaim` to Ready.
    pub startup_seconds: u32,
    /// Seconds that 95 % stay below.
    pub startup_p95_seconds: u32,
    /// Seconds after which a launch is given up.
    pub startup_most_seconds: u32,
    /// Least seconds of a drain.
    pub drain_seconds: u32,
    /// Seconds from a node's failure until it counts as not ready.
    pub unreachable_seconds: u32,
    /// Seconds from there to the eviction of its pods.
    pub unreachable_toleration_seconds: u32,
    /// Seconds of an image pull, whatever its size.
    pub image_pull_seconds: f64,
    /// Rate of an image pull.
    pub image_pull_mib_per_second: f64,
    /// Root volume, in GiB.
    pub root_volume_gib: f64,
}

/// How requests wait and how pods are spread by default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServingFacts {
    /// Seconds a request waits before its caller gives up.
    pub timeout_seconds: f64,
    /// Quantile of the response time that is reported.
    pub quantile: f64,
    /// Weight of a container that requests no CPU, as a request \[millicores\].
    pub least_cpu_weight: f64,
    /// `maxSkew` of the default spread over zones.
    pub default_zone_skew: u32,
    /// `maxSkew` of the default spread over nodes.
    pub default_host_skew: u32,
    /// Weight of the spread among the scores.
    pub spread_weight: u32,
    /// Weight of tolerated taints among them, times their greatest score.
    pub taint_score: u32,
    /// Weight of preferred node affinity among them.
    pub node_affinity_weight: u32,
    /// Weight of affinity between pods among them.
    pub pod_affinity_weight: u32,
    /// What a required affinity of a running pod adds for the pods that it names.
    pub hard_pod_affinity_weight: u32,
}

/// What one load-balancer capacity unit holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LcuFacts {
    /// New connections per second.
    pub new_connections_per_second: f64,
    /// Active connections, sampled per minute.
    pub active_connections_per_minute: f64,
    /// Processed GB per hour.
    pub processed_gb_per_hour: f64,
    /// Rule evaluations per second.
    pub rule_evaluations_per_second: f64,
    /// Rules evaluated free on each request.
    pub free_rules: f64,
    /// Seconds an idle connection stays open.
    pub idle_timeout_seconds: f64,
}

/// What `CloudWatch` counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudWatchFacts {
    /// Metrics of an instance with detailed monitoring.
    pub detailed_monitoring_metrics: f64,
}

/// Quotas of a flat-rate plan of `CloudFront`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudFrontPlanFacts {
    /// Requests of a month.
    pub requests: f64,
    /// Bytes of a month, in GB.
    pub gb: f64,
    /// Storage of S3 Standard that the plan pays for, in GB.
    pub s3_gb: f64,
}

/// Sizes of pods on Fargate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FargateFacts {
    /// Memory that the components of Kubernetes take, in GB.
    pub overhead_gb: f64,
    /// The sizes, the smallest first.
    pub sizes: Vec<FargateSize>,
}

/// A number of vCPUs, and what memory there is with it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FargateSize {
    /// vCPUs.
    pub vcpu: f64,
    /// Memory in GB, the least first.
    pub memory_gb: Vec<f64>,
}

/// Web ACL capacity steps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WafFacts {
    /// WCU within the base request price.
    pub included_wcu: u32,
    /// WCU per further price step.
    pub wcu_step: u32,
    /// Most WCU.
    pub max_wcu: u32,
}

/// How Aurora meters and sizes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuroraFacts {
    /// Bytes of one billed read.
    pub read_page_bytes: f64,
    /// Bytes of one billed write.
    pub write_unit_bytes: f64,
    /// `shared_buffers` as a share of nominal memory.
    pub buffer_share_of_memory: f64,
    /// Hit ratio while the working set fits.
    pub buffer_hit_ratio: f64,
    /// How much of the missing working set turns into misses.
    pub buffer_skew: f64,
    /// Connections kept back.
    pub reserved_connections: u32,
    /// Most readers of a cluster.
    pub max_readers: u32,
    /// Longest backup retention, in days.
    pub max_backup_retention_days: f64,
    /// Largest cluster volume, in GiB.
    pub max_storage_gib: f64,
    /// Families to choose from when a scenario names none: the first that the region sells.
    pub default_families: Vec<String>,
    /// CPU the sizing aims for at the peak.
    pub target_cpu_utilization: f64,
    /// Share of I/O in the Standard bill above which I/O-Optimized pays.
    pub io_optimized_crossover: f64,
    /// Memory of an ACU, in GiB.
    pub acu_gib: f64,
    /// CPU of an ACU, in vCPU.
    pub acu_vcpu: f64,
    /// Steps of capacity, in ACU.
    pub acu_step: f64,
    /// Seconds without a connection after which a cluster with a minimum of 0 pauses, if the scenario names none.
    pub pause_after_seconds: u32,
    /// First minor version of each major that takes a minimum of 0, `16.3`.
    pub pause_versions: Vec<String>,
    /// Most capacity, in ACU.
    pub max_acu: f64,
    /// Growth in 15 s as a share of the capacity.
    pub acu_growth_per_15_seconds: f64,
    /// Decline in 15 s as a share of the capacity.
    pub acu_decline_per_15_seconds: f64,
    /// `shared_buffers` as a share of the ACU's memory.
    pub acu_buffer_share: f64,
    /// `max_connections` for each ACU of the maximum.
    pub acu_connections: f64,
    /// Added to it.
    pub acu_connections_offset: f64,
    /// Most of them.
    pub acu_connections_most: f64,
    /// Most of them while the minimum is one step or less.
    pub acu_connections_at_least_capacity: f64,
    /// Minutes above the target before readers are added.
    pub reader_scale_out_minutes: u32,
    /// Minutes below it before one is removed.
    pub reader_scale_in_minutes: u32,
    /// Minutes between two acts.
    pub reader_cooldown_minutes: u32,
    /// Minutes from the creation of a reader until it serves.
    pub reader_creation_minutes: u32,
}

/// How Datadog counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatadogFacts {
    /// Share of the month's hours, the highest ones, that is not billed.
    pub dropped_share: f64,
    /// Containers included with each host, by plan.
    pub containers_per_host: BTreeMap<String, f64>,
    /// Custom metrics included with each host, by plan.
    pub custom_metrics_per_host: BTreeMap<String, f64>,
    /// Spans included with each APM host, in GB ingested.
    pub apm_ingested_gb_per_host: f64,
    /// Spans included with each APM host `[indexed]`.
    pub apm_indexed_spans_per_host: f64,
}

/// Sizes of log lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogFacts {
    /// A line of a load balancer's access log, in bytes.
    pub alb_access_log_bytes: f64,
    /// Minutes between two files of a load-balancer node.
    pub alb_access_log_interval_minutes: f64,
}

/// How GitHub Actions counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubFacts {
    /// Runners that included minutes serve.
    pub standard_runners: Vec<String>,
}

/// What the legacy free tier of the first twelve months gives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeTierFacts {
    /// Hours of public IPv4 addresses a month.
    pub public_ipv4_hours: f64,
}

/// CPU that burstable instances of a size may use without credits.
#[derive(Debug, Clone, Deserialize)]
pub struct Burstable {
    /// `medium`.
    pub size: String,
    /// Share of all vCPUs.
    pub baseline_share: f64,
}

/// How AWS Support counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportFacts {
    /// Plans whose bands run over one account.
    pub per_account_plans: Vec<String>,
    /// Service codes that AWS does not bill.
    pub other_vendors: Vec<String>,
}

/// Support of one Kubernetes version by EKS.
#[derive(Debug, Clone, Deserialize)]
pub struct EksVersion {
    /// `1.33`.
    pub version: String,
    /// Day on which standard support ends: extended support is paid from its first hour.
    #[serde(deserialize_with = "day")]
    pub standard_support_ends: Date,
    /// Day on which extended support ends: EKS upgrades the cluster.
    #[serde(deserialize_with = "day")]
    pub extended_support_ends: Date,
}

/// Checks a date when its file is read, and not when a bill is made.
fn day<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse::<Date>()
        .map_err(|_| serde::de::Error::custom(format!("{text:?} is not a day, 2027-01-31")))
}

#[derive(Debug, Deserialize)]
struct RegionRow {
    region: String,
    prefix: String,
    dr_region: String,
}

#[derive(Debug, Deserialize)]
struct OtherRegion {
    region: String,
    prefix: String,
}

/// An allowance of a GitHub plan.
#[derive(Debug, Clone, Deserialize)]
pub struct GithubAllowance {
    /// `actions_included_minutes`, `actions_included_storage`.
    pub item: String,
    /// `Team`.
    pub plan: String,
    /// How much.
    pub value: f64,
}

/// `models/controllers.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controllers {
    /// Horizontal pod autoscaler.
    pub hpa: HpaDefaults,
    /// KEDA.
    pub keda: KedaDefaults,
    /// `CronJobs` and Jobs.
    pub jobs: JobDefaults,
    /// Karpenter.
    pub karpenter: KarpenterDefaults,
    /// Spot capacity.
    pub spot: SpotFacts,
    /// Nodes.
    pub node: NodeDefaults,
    /// What nodes keep back.
    pub kubelet: KubeletFacts,
    /// Requests and pods.
    pub serving: ServingFacts,
    /// EBS volumes.
    pub ebs: EbsFacts,
    /// Load-balancer capacity units.
    pub lcu: LcuFacts,
    /// Web application firewall.
    pub waf: WafFacts,
    /// `CloudWatch`.
    pub cloudwatch: CloudWatchFacts,
    /// Flat-rate plans of `CloudFront` by name.
    pub cloudfront_plans: BTreeMap<String, CloudFrontPlanFacts>,
    /// Fargate.
    pub fargate: FargateFacts,
    /// Aurora.
    pub aurora: AuroraFacts,
    /// Datadog.
    pub datadog: DatadogFacts,
    /// Log lines.
    pub logs: LogFacts,
    /// AWS Support.
    pub support: SupportFacts,
    /// Twelve-month free tier.
    pub free_tier: FreeTierFacts,
    /// GitHub Actions.
    pub github: GithubFacts,
}

/// Everything under `models/`.
#[derive(Debug, Clone)]
pub struct Catalog {
    shapes: Vec<Shape>,
    /// By region, sorted by type.
    spot: BTreeMap<String, Vec<SpotSupply>>,
    aurora: Vec<AuroraClass>,
    /// Kubernetes versions of EKS, oldest first.
    pub eks_versions: Vec<EksVersion>,
    /// Allowances of GitHub's plans.
    pub github: Vec<GithubAllowance>,
    /// Baselines of burstable instances.
    pub burstable: Vec<Burstable>,
    /// Region codes and the prefix that bills print for them.
    pub prefixes: BTreeMap<String, String>,
    /// The same of regions that AWS has and the built-in price book does not.
    pub other_prefixes: BTreeMap<String, String>,
    /// The region that a `[dr]` table without one takes, by region code.
    pub dr_regions: BTreeMap<String, String>,
    /// Controller defaults.
    pub controllers: Controllers,
    /// Ready-made workload profiles by name, as TOML tables to lay a scenario's workload over.
    pub profiles: BTreeMap<String, toml::Table>,
}

impl Catalog {
    /// Parses the model files: `ec2` and `aurora` are CSV text, `controllers` is TOML. Spot supply follows by region.
    ///
    /// # Errors
    /// A file that does not have the columns or keys it should, with its line.
    pub fn parse(ec2: &str, aurora: &str, controllers: &str) -> Result<Self, Error> {
        let mut shapes: Vec<Shape> = rows("models/ec2.csv", ec2)?;
        shapes = shapes.into_iter().map(Shape::in_kubernetes_words).collect();
        shapes.sort_by(|a, b| a.instance_type.cmp(&b.instance_type));
        let aurora = rows("models/aurora.csv", aurora)?;
        let controllers = toml::from_str(controllers)
            .map_err(|e| Error::at(Place::file("models/controllers.toml"), e.to_string()))?;
        Ok(Self {
            shapes,
            spot: BTreeMap::new(),
            aurora,
            eks_versions: Vec::new(),
            github: Vec::new(),
            burstable: Vec::new(),
            prefixes: BTreeMap::new(),
            other_prefixes: BTreeMap::new(),
            dr_regions: BTreeMap::new(),
            controllers,
            profiles: BTreeMap::new(),
        })
    }

    /// Adds instance types that are not known yet, CSV text in the columns of `models/ec2.csv`.
    ///
    /// # Errors
    /// A file that does not have the columns it should, with its line.
    pub fn add_shapes(&mut self, file: &str, text: &str) -> Result<(), Error> {
        let more: Vec<Shape> = rows(file, text)?;
        let new = more.into_iter().filter(|shape| self.shape(&shape.instance_type).is_none());
        let mut new: Vec<Shape> = new.map(Shape::in_kubernetes_words).collect();
        for shape in &mut new {
            // No page documents it yet: the kubelet's own formula.
            let room =
                shape.allocatable(&self.controllers.kubelet, &allocatable::Overrides::default());
            shape.allocatable_cpu_milli = room.map(|room| room.cpu as f64);
            shape.allocatable_memory_mib = room.map(|room| room.memory as f64);
            shape.allocatable_pods = room.and_then(|room| u32::try_from(room.pods).ok());
        }
        self.shapes.extend(new);
        self.shapes.sort_by(|a, b| a.instance_type.cmp(&b.instance_type));
        self.shapes.dedup_by(|a, b| a.instance_type == b.instance_type);
        Ok(())
    }

    /// Adds the versions of EKS, the allowances of GitHub's plans, the regions and the baselines
    /// of burstable instances, all CSV text.
    ///
    /// # Errors
    /// A file that does not have the columns it should, with its line.
    pub fn with_lifecycles(
        mut self,
        [eks, github, regions, other_regions, burstable]: [&str; 5],
    ) -> Result<Self, Error> {
        self.eks_versions = rows("models/eks_versions.csv", eks)?;
        self.github = rows("models/github_actions.csv", github)?;
        self.burstable = rows("models/burstable.csv", burstable)?;
        for RegionRow { region, prefix, dr_region } in rows("models/regions.csv", regions)? {
            self.prefixes.insert(region.clone(), prefix);
            self.dr_regions.insert(region, dr_region);
        }
        for OtherRegion { region, prefix } in rows("models/other_regions.csv", other_regions)? {
            self.other_prefixes.insert(region, prefix);
        }
        Ok(self)
    }

    /// Returns all instance types, by name.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// One instance type.
    pub fn shape(&self, instance_type: &str) -> Option<&Shape> {
        let found = self.shapes.binary_search_by(|shape| (*shape.instance_type).cmp(instance_type));
        found.ok().map(|index| &self.shapes[index])
    }

    /// CPU that a burstable type may use without credits, as a share of its vCPUs; `None` when the type
    /// does not burst.
    pub fn baseline_share(&self, instance_type: &str) -> Option<f64> {
        let shape = self.shape(instance_type).filter(|shape| shape.burstable == Some(true))?;
        let known = self.burstable.iter().find(|known| known.size == shape.size);
        known.map(|known| known.baseline_share)
    }

    /// Returns the same as [`Self::unmatched`] where other values remain.
    pub fn ignored(&self, property: Property, value: &str) -> Option<String> {
        let message = self.unmatched(property, value)?;
        let asks = message.ends_with('?');
        Some(message + if asks { " It matches nothing" } else { ". It matches nothing" })
    }

    /// Returns a message for a value of a node pool's list that no instance type has, with the nearest that one has.
    pub fn unmatched(&self, property: Property, value: &str) -> Option<String> {
        let known: BTreeSet<&str> = self.shapes.iter().map(property.of).collect();
        if known.contains(value) {
            return None;
        }
        let mut message = format!("no {} {value:?}", property.what);
        match nearest(value, known.iter().copied()) {
            Some(near) => {
                let _ = write!(message, "; did you mean {near:?}?");
            }
            None if known.len() <= 40 => {
                let known: Vec<&str> = known.into_iter().collect();
                let _ = write!(message, "; there are {}", known.join(", "));
            }
            None => {}
        }
        Some(message)
    }

    /// Adds the spot supply of a region, CSV text; another text replaces it.
    ///
    /// # Errors
    /// A file that does not have the columns it should, with its line.
    pub fn add_spot(&mut self, region: &str, file: &str, text: &str) -> Result<(), Error> {
        let mut supply: Vec<SpotSupply> = rows(file, text)?;
        supply.sort_by(|a, b| a.instance_type.cmp(&b.instance_type));
        self.spot.insert(region.to_owned(), supply);
        Ok(())
    }

    /// Returns the spot supply of a type in a region that was loaded.
    pub fn spot(&self, region: &str, instance_type: &str) -> Option<&SpotSupply> {
        let supply = self.spot.get(region)?;
        let found = supply.binary_search_by(|known| (*known.instance_type).cmp(instance_type));
        found.ok().map(|index| &supply[index])
    }

    /// Returns whether spot capacity of a type can be bought in a region that was loaded.
    pub fn has_spot(&self, region: &str, instance_type: &str) -> bool {
        self.spot(region, instance_type).is_some_and(|supply| supply.savings_percent > 0.0)
    }

    /// Returns what bills print before the usage types of a region of AWS, whether the built-in price book has it or not.
    pub fn prefix(&self, region: &str) -> Option<&String> {
        self.prefixes.get(region).or_else(|| self.other_prefixes.get(region))
    }

    /// Returns the regions of AWS and their prefixes.
    pub fn regions(&self) -> impl Iterator<Item = (&String, &String)> {
        self.prefixes.iter().chain(&self.other_prefixes)
    }

    /// Returns a message for the code of no known region, with the nearest, or those of the built-in price book.
    pub fn unknown_region(&self, region: &str) -> String {
        let known = || self.prefixes.keys().map(String::as_str);
        match nearest(region, self.regions().map(|(region, _)| &**region)) {
            Some(near) => format!("no region {region:?}; did you mean {near:?}?"),
            None => format!(
                "no region {region:?}; there are {}",
                known().collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// Aurora classes in the order of the file.
    pub fn aurora(&self) -> &[AuroraClass] {
        &self.aurora
    }
}

fn rows<T: DeserializeOwned>(file: &str, text: &str) -> Result<Vec<T>, Error> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let rows = reader.deserialize().collect::<Result<Vec<T>, _>>();
    rows.map_err(|error| Error::csv(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_named_with_its_file() {
        let error = Catalog::parse("instance_type\nm5.large\n", "", "").unwrap_err();
        assert!(error.to_string().starts_with("models/ec2.csv:2: "), "{error}");
    }
}
