//! Workloads: what a request costs a pod, what a pod asks of a node, how many pods there may be.
//!
//! # Formula
//! ```text
//! requests of a workload per minute = Σ over classes  calls_per[class] × class requests
//! CPU used [millicores]             = idle × pods + requests per second × cpu_ms_per_request
//! ```
//! (One request per second that takes one CPU-millisecond keeps one millicore busy.)

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::job::{CronTrigger, Job};
use crate::{facts::shapes::Shape, measure::units::factors_schema};

pub mod job;

/// CPU and memory, as a pod spec asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPU \[millicores\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub cpu_millicores: f64,
    /// Memory \[MiB\].
    #[schemars(range(min = 0, max = 30_000_000))]
    pub memory_mib: f64,
}

/// How the pods are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A number of replicas, fixed or set by the horizontal pod autoscaler.
    #[default]
    Deployment,
    /// One pod on every node.
    DaemonSet,
    /// Pods that run to their end, each time that `job.schedule` fires.
    CronJob,
    /// Pods that run to their end, once.
    Job,
}

impl Kind {
    /// Returns whether its pods run to their end, as `job` says.
    pub fn is_job(self) -> bool {
        matches!(self, Self::CronJob | Self::Job)
    }
}

/// Horizontal pod autoscaler (`autoscaling/v2`). Missing fields have the controller's defaults.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hpa {
    /// Least replicas; 0 needs an External metric and, in versions of Kubernetes that do not have it on by
    /// default, the gate `HPAScaleToZero`. With `keda` or `schedules`, KEDA goes to 0 and back.
    #[schemars(range(min = 0, max = 100_000))]
    pub min_replicas: Option<u32>,
    /// Most replicas.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_replicas: u32,
    /// Target CPU [percent of request]: short for the one metric of type Resource named cpu.
    #[schemars(range(min = 1, max = 1000), extend("format" = "percent"))]
    pub target_cpu_utilization: Option<u32>,
    /// Metrics; the largest proposal wins.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Band around the target in which nothing changes, as a fraction.
    #[schemars(range(min = 0, max = 1))]
    pub tolerance: Option<f64>,
    /// Seconds a lower recommendation must hold before it is followed, where no behavior says more.
    #[schemars(range(min = 0, max = 3600))]
    pub scale_down_stabilization_seconds: Option<u32>,
    /// Stabilization windows and scaling policies.
    pub behavior: Option<Behavior>,
    /// Cron triggers of KEDA, each a metric like the others. With them 0 is allowed as `min_replicas`, without a
    /// gate: KEDA itself removes the last pod, after its cooldown (`keda.cooldown_seconds`).
    #[serde(default)]
    pub schedules: Vec<CronTrigger>,
    /// KEDA scales it (`ScaledObject`): it goes to 0 and back without a feature gate.
    pub keda: Option<Keda>,
}

/// What KEDA does beyond the autoscaler that it makes: it removes the last pods once no trigger was active for
/// a while, and starts the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keda {
    /// Seconds between two looks at the triggers (`pollingInterval`); default: KEDA's.
    #[schemars(range(min = 1, max = 86_400))]
    pub polling_seconds: Option<u32>,
    /// Seconds without an active trigger before the pods go (`cooldownPeriod`); default: KEDA's.
    #[schemars(range(min = 0, max = 864_000))]
    pub cooldown_seconds: Option<u32>,
}

/// Where a metric comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum MetricType {
    /// CPU or memory of the pods.
    Resource,
    /// CPU or memory of one container of each pod.
    ContainerResource,
    /// A metric of each pod, averaged.
    Pods,
    /// A metric of the whole workload.
    External,
}

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricName {
    /// CPU \[millicores\]; Resource and `ContainerResource`.
    Cpu,
    /// Memory \[MiB\]; Resource and `ContainerResource`.
    Memory,
    /// Requests that arrive in a second; Pods and External.
    RequestsPerSecond,
    /// Requests being served or waiting; Pods and External.
    Concurrency,
    /// Messages in the queue of the workload (`queue`); External.
    QueueLength,
}

/// One metric and the target it is held at; exactly one target.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Where it comes from.
    #[serde(rename = "type")]
    pub kind: MetricType,
    /// What it measures.
    pub name: MetricName,
    /// Percent of the request; Resource and `ContainerResource`.
    #[schemars(range(min = 1, max = 1000), extend("format" = "percent"))]
    pub average_utilization: Option<u32>,
    /// Target per pod \[unit of the metric\].
    #[schemars(range(min = 0.001, max = 1_000_000_000))]
    pub average_value: Option<f64>,
    /// Target of the whole workload \[unit of the metric\]; External metrics only.
    #[schemars(range(min = 0.001, max = 1_000_000_000))]
    pub value: Option<f64>,
    /// The container; `ContainerResource`.
    pub container: Option<String>,
    /// What the container requests \[millicores, or MiB\]; default: the pod's request.
    #[schemars(range(min = 0, max = 30_000_000))]
    pub container_request: Option<f64>,
    /// The container's share of what the pod uses; default: in proportion to the requests.
    #[schemars(range(min = 0, max = 1))]
    pub usage_share: Option<f64>,
    /// Value above which KEDA starts the first pod \[unit of the metric\]; External, with `keda`; default: 0.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub activation: Option<f64>,
}

/// `behavior` of the autoscaler; a missing field has the default of its direction.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Behavior {
    /// Upwards.
    #[serde(default)]
    pub scale_up: Scaling,
    /// Downwards.
    #[serde(default)]
    pub scale_down: Scaling,
}

/// What a policy's value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyType {
    /// Pods.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}

/// One scaling policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScalingPolicy {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub kind: PolicyType,
    /// Most pods, or percent, that may be added or removed in a period.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub value: u32,
    /// The period \[seconds\].
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: u32,
}

/// Which policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    /// The one that allows the greatest change.
    #[default]
    Max,
    /// The one that allows the least.
    Min,
    /// No change in this direction.
    Disabled,
}

/// One direction of `behavior`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Stabilization window.
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<u32>,
    /// Which policy counts.
    pub select_policy: Option<SelectPolicy>,
    /// Policies.
    pub policies: Option<Vec<ScalingPolicy>>,
    /// Band in this direction, as a fraction.
    #[schemars(range(min = 0, max = 1))]
    pub tolerance: Option<f64>,
}

/// Containers without a request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unrequested {
    /// Those that request no CPU.
    #[serde(default)]
    pub cpu: Vec<String>,
    /// Those that request no memory.
    #[serde(default)]
    pub memory: Vec<String>,
}

/// A queue that a workload takes its requests from: they wait in it until a worker is free, and nobody gives up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Whether `queue_length` counts messages that a worker holds (`scaleOnInFlight`), and not only those that
    /// wait.
    #[serde(default = "yes")]
    pub counts_in_flight: bool,
    /// Type of KEDA's trigger, `aws-sqs-queue`, that manifests are written with.
    pub trigger: Option<String>,
}

fn yes() -> bool {
    true
}

/// `maxUnavailable` or `minAvailable` of a disruption budget: a number of pods, or `"25%"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Pods {
    /// A number.
    Count(u32),
    /// A percentage of the replicas.
    Percent(String),
}

/// `PodDisruptionBudget`: give one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DisruptionBudget {
    /// Most pods that an eviction may leave not ready.
    pub max_unavailable: Option<Pods>,
    /// Least pods that an eviction must leave ready.
    pub min_available: Option<Pods>,
}

/// Over what pods are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TopologyKey {
    /// Availability zones.
    #[serde(rename = "topology.kubernetes.io/zone")]
    Zone,
    /// Nodes.
    #[serde(rename = "kubernetes.io/hostname")]
    Hostname,
}

/// What happens to a pod that would violate the spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum WhenUnsatisfiable {
    /// It stays pending.
    DoNotSchedule,
    /// It is placed as well as may be.
    ScheduleAnyway,
}

/// One topology spread constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopologySpread {
    /// Over what.
    pub topology_key: TopologyKey,
    /// Most that the counts of two domains may differ.
    #[schemars(range(min = 1, max = 1000))]
    pub max_skew: u32,
    /// What happens otherwise.
    pub when_unsatisfiable: WhenUnsatisfiable,
}

/// Where a workload's requests come from, which decides what the bytes cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// From another pod: across zones both directions are billed.
    #[default]
    Internally,
    /// From the load balancer on the pod's own address: free inside the VPC.
    ThroughAlb,
}

/// How a node is bought, as a workload may require it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeCapacity {
    /// A baseline node: Karpenter did not buy it, so it has no label `karpenter.sh/capacity-type`.
    Baseline,
    /// On-demand, bought by Karpenter.
    OnDemand,
    /// Spot, bought by Karpenter.
    Spot,
    /// A capacity reservation, used by Karpenter.
    Reserved,
}

/// Labels that a workload requires of its nodes: `nodeSelector` and required node affinity. Karpenter labels
/// families, categories and sizes on its own nodes only, so a baseline node meets none of these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeRequirements {
    /// How the node is bought; any when empty.
    #[serde(default)]
    pub capacity_types: Vec<NodeCapacity>,
    /// `amd64`, `arm64`; any when empty.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Instance types, `m7g.large`; any when empty.
    #[serde(default)]
    pub instance_types: Vec<String>,
    /// Families, `m7g`; any when empty.
    #[serde(default)]
    pub families: Vec<String>,
    /// Categories, `m`, `c`, `r`, `t`; any when empty.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Sizes, `large`; any when empty.
    #[serde(default)]
    pub sizes: Vec<String>,
}

impl NodeRequirements {
    /// Returns whether a node of this type, bought this way, has every label.
    pub fn admits(&self, shape: &Shape, capacity: NodeCapacity) -> bool {
        let any = |names: &[String], value: &str| {
            names.is_empty() || names.iter().any(|name| name == value)
        };
        let labelled = |names: &[String], value: &str| {
            names.is_empty() || capacity != NodeCapacity::Baseline && any(names, value)
        };
        (self.capacity_types.is_empty() || self.capacity_types.contains(&capacity))
            && any(&self.architectures, &shape.arch)
            && any(&self.instance_types, &shape.instance_type)
            && labelled(&self.families, &shape.family)
            && labelled(&self.categories, &shape.category)
            && labelled(&self.sizes, &shape.size)
    }
}

/// One term of `pod_affinity` or `pod_anti_affinity`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PodTerm {
    /// The workload whose pods count: another of the scenario, or this workload itself.
    pub workload: String,
    /// What the pods share, or must not share: a node or a zone.
    pub topology_key: TopologyKey,
    /// Whether the pod waits until the term holds; otherwise the term is a preference of this `weight`.
    #[serde(default)]
    pub required: bool,
    /// Weight of a preference.
    #[schemars(range(min = 1, max = 100))]
    pub weight: Option<u32>,
}

/// Labels of nodes: a term of `node_alternatives` or `node_preferences`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeTerm {
    /// Weight of a preference; a term of `node_alternatives` has none.
    #[schemars(range(min = 1, max = 100))]
    pub weight: Option<u32>,
    /// Node groups: `baseline` or names of node pools; any when empty.
    #[serde(default)]
    pub node_pools: Vec<String>,
    /// How the node is bought; any when empty.
    #[serde(default)]
    pub capacity_types: Vec<NodeCapacity>,
    /// `amd64`, `arm64`; any when empty.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Instance types, `m7g.large`; any when empty.
    #[serde(default)]
    pub instance_types: Vec<String>,
    /// Families, `m7g`; any when empty.
    #[serde(default)]
    pub families: Vec<String>,
    /// Categories, `m`, `c`, `r`, `t`; any when empty.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Sizes, `large`; any when empty.
    #[serde(default)]
    pub sizes: Vec<String>,
}

impl NodeTerm {
    /// Returns its labels as node requirements.
    pub fn labels(&self) -> NodeRequirements {
        NodeRequirements {
            capacity_types: self.capacity_types.clone(),
            architectures: self.architectures.clone(),
            instance_types: self.instance_types.clone(),
            families: self.families.clone(),
            categories: self.categories.clone(),
            sizes: self.sizes.clone(),
        }
    }

    /// Returns whether a node of this group, type and purchase option has every label.
    pub fn admits(&self, group: &str, shape: &Shape, capacity: NodeCapacity) -> bool {
        (self.node_pools.is_empty() || self.node_pools.iter().any(|pool| pool == group))
            && self.labels().admits(shape, capacity)
    }
}

/// Kinds of objects that a workload may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ObjectKind {
    /// A Deployment.
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
    /// A `ReplicaSet` without a Deployment.
    ReplicaSet,
    /// A `ReplicationController`.
    ReplicationController,
    /// A Rollout of Argo Rollouts.
    Rollout,
    /// A `CronJob`.
    CronJob,
    /// A Job.
    Job,
    /// A pod that nothing controls.
    Pod,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::Rollout,
        Self::CronJob,
        Self::Job,
        Self::Pod,
    ];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::Rollout => "Rollout",
            Self::CronJob => "CronJob",
            Self::Job => "Job",
            Self::Pod => "Pod",
        }
    }

    /// Returns its API version.
    pub fn version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::ReplicaSet => "apps/v1",
            Self::ReplicationController | Self::Pod => "v1",
            Self::Rollout => "argoproj.io/v1alpha1",
            Self::CronJob | Self::Job => "batch/v1",
        }
    }
}

/// What the containers of a pod ask for that are not the one that does the work.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherContainers {
    /// Requests of all of them.
    pub requests: Resources,
    /// Limits of all of them; none where one has none.
    pub limits: Option<Resources>,
}

/// The objects of Kubernetes that a workload is. Plans do not depend on them; manifests are written for them.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesObject {
    /// Kind; by default that of the workload.
    pub kind: Option<ObjectKind>,
    /// Name; by default that of the workload.
    pub name: Option<String>,
    /// Namespace of all its objects.
    pub namespace: Option<String>,
    /// Labels that select its pods.
    #[serde(default)]
    pub selector: IndexMap<String, String>,
    /// Name of the container that takes requests and limits; by default that of the workload.
    pub container: Option<String>,
    /// What the other containers ask for; the container takes the rest of the pod's requests and limits.
    pub other_containers: Option<OtherContainers>,
    /// Name of its autoscaler; by default that of the workload.
    pub autoscaler: Option<String>,
    /// Name of its disruption budget; by default that of the workload.
    pub disruption_budget: Option<String>,
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// A ready-made workload of `models/workloads` that this one starts from.
    pub profile: Option<String>,
    /// Deployment, daemonset, cron-job or job.
    #[serde(default)]
    pub kind: Kind,
    /// When the pods of a cron-job or a job run, and for how long.
    pub job: Option<Job>,
    /// Requests it serves per request of a traffic class.
    #[serde(default)]
    #[schemars(schema_with = "factors_schema")]
    pub calls_per: IndexMap<String, f64>,
    /// Where they come from.
    #[serde(default)]
    pub reached: Reached,
    /// CPU time of one request \[ms\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 600_000))]
    pub cpu_ms_per_request: f64,
    /// CPU a pod uses with no load \[millicores\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 64_000))]
    pub idle_cpu_millicores: f64,
    /// What a pod asks for.
    pub requests: Resources,
    /// What a pod may use at most; without it, its node is the limit.
    pub limits: Option<Resources>,
    /// Seconds from a place on a ready node to serving.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub startup_seconds: u32,
    /// The same that 95 % of pods stay below; default: exactly `startup_seconds`.
    #[schemars(range(min = 0, max = 3600))]
    pub startup_p95_seconds: Option<u32>,
    /// Requests a pod serves at once: workers times threads. Default: only CPU limits it.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u32>,
    /// Time a request holds a worker, waiting for others included \[ms\]; default: its CPU time.
    #[schemars(range(min = 0, max = 600_000))]
    pub service_ms_per_request: Option<f64>,
    /// Seconds a request waits before its caller gives up; default: the model's figure.
    #[schemars(range(min = 0, max = 3600))]
    pub timeout_seconds: Option<f64>,
    /// Queue that its requests wait in until a worker takes them; without it they come from callers, who wait
    /// no longer than `timeout_seconds`.
    pub queue: Option<Queue>,
    /// Containers, sidecars included, that request nothing of a resource: the utilization of the pod then has
    /// no value, and an autoscaler that goes by it does nothing.
    #[serde(default)]
    pub containers_without_request: Unrequested,
    /// Memory a pod uses without load \[MiB\]; default: its request.
    #[schemars(range(min = 0, max = 30_000_000))]
    pub idle_memory_mib: Option<f64>,
    /// Memory of one request being served \[MiB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub memory_mib_per_request: f64,
    /// Taints it tolerates, `dedicated=infra:NoSchedule`, `dedicated` for any of that key, or `*` for all. A
    /// daemonset does not run on nodes whose taints it does not tolerate.
    #[serde(default)]
    pub tolerations: Vec<String>,
    /// How it is spread over zones and nodes.
    #[serde(default)]
    pub topology_spread: Vec<TopologySpread>,
    /// How many pods may be evicted at once.
    pub disruption_budget: Option<DisruptionBudget>,
    /// `karpenter.sh/do-not-disrupt`: a node with such a pod is not removed by choice, and where it leaves anyway,
    /// the pod stays until the pool's `termination_grace_seconds` pass.
    #[serde(default)]
    pub do_not_disrupt: bool,
    /// The same, but only so long after a pod has started \[seconds\]; give one of the two.
    #[schemars(range(min = 1, max = 8_640_000))]
    pub do_not_disrupt_seconds: Option<u32>,
    /// Replicas, where no autoscaler sets them.
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: Option<u32>,
    /// Autoscaler.
    pub hpa: Option<Hpa>,
    /// Node groups it may run on: `baseline` or names of node pools; all when empty.
    #[serde(default)]
    pub node_pools: Vec<String>,
    /// Labels that it requires of its nodes.
    #[serde(default)]
    pub node_requirements: NodeRequirements,
    /// Sets of labels of which its nodes need one (`nodeSelectorTerms`), in addition to `node_requirements`.
    /// Karpenter buys for the first that it can meet.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub node_alternatives: Vec<NodeTerm>,
    /// Sets of labels that it prefers, each with a weight. Karpenter requires the heaviest, and drops it where
    /// no node meets it; kube-scheduler adds up the weights.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub node_preferences: Vec<NodeTerm>,
    /// Workloads whose pods it requires or prefers on its node or in its zone.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub pod_affinity: Vec<PodTerm>,
    /// Workloads whose pods it refuses or avoids on its node or in its zone.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub pod_anti_affinity: Vec<PodTerm>,
    /// Whether it keeps running outside the account's schedule.
    #[serde(default)]
    pub always_on: bool,
    /// Compressed image \[MiB\], pulled once by each node.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub image_mib: f64,
    /// Bytes to and from third parties per request \[KiB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub external_kib_per_request: f64,
    /// Logs sent out per request \[KiB\]; traces are the observability service's own.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub log_kib_per_request: f64,
    /// Database connections each pod holds.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub database_connections: u32,
    /// Where the figures come from.
    pub source: Option<String>,
    /// The objects that manifests are written for; `init --from-manifests` names those that it reads.
    pub object: Option<KubernetesObject>,
}

impl Workload {
    /// Requests a minute for one session a minute, by the traffic classes' requests per session.
    pub fn requests_per_session(&self, per_session: impl Fn(&str) -> Option<f64>) -> f64 {
        self.calls_per.iter().map(|(class, calls)| calls * per_session(class).unwrap_or(0.0)).sum()
    }

    /// Returns whether its pods may run on nodes of this group, `baseline` or a node pool's name, this type and
    /// this purchase option; taints are not considered.
    pub fn selects(&self, group: &str, shape: &Shape, capacity: NodeCapacity) -> bool {
        (self.node_pools.is_empty() || self.node_pools.iter().any(|pool| pool == group))
            && self.node_requirements.admits(shape, capacity)
            && (self.node_alternatives.is_empty()
                || self.node_alternatives.iter().any(|term| term.admits(group, shape, capacity)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_serves_every_class_it_names() {
        let text = "calls_per = { api = 2.0, spa = 0.5 }\n\
            requests = { cpu_millicores = 100, memory_mib = 64 }";
        let workload: Workload = toml::from_str(text).unwrap();
        let per_session = |class: &str| Some(if class == "api" { 10.0 } else { 4.0 });
        assert!((workload.requests_per_session(per_session) - 22.0).abs() < 1e-12);
    }
}
