//! The scenario's `[cluster]` table.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    cluster::workload::Resources,
    facts::shapes::{VolumeType, volume::Provisioned},
};

/// The nodes that are always there.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// EC2 instance type, on-demand.
    pub instance_type: String,
    /// How many.
    #[schemars(range(min = 0, max = 1000))]
    pub nodes: u32,
    /// How many outside the account's schedule; default: all of them.
    #[schemars(range(min = 0, max = 1000))]
    pub asleep_nodes: Option<u32>,
    /// Taints, `CriticalAddonsOnly:NoSchedule` or `dedicated=infra:PreferNoSchedule`.
    #[serde(default)]
    pub taints: Vec<String>,
}

/// When Karpenter may remove nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ConsolidationPolicy {
    /// Empty nodes, and nodes whose pods fit elsewhere or on a cheaper node.
    #[default]
    WhenEmptyOrUnderutilized,
    /// Empty nodes only.
    WhenEmpty,
    /// As `WhenEmptyOrUnderutilized`, where the saving is worth the disruption.
    Balanced,
    /// Never (`consolidateAfter: Never`).
    Never,
}

/// Why a node is disrupted, as a budget names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum DisruptionReason {
    /// No pods.
    Empty,
    /// Its pods fit elsewhere.
    Underutilized,
    /// Its image or settings are no longer the wanted ones.
    Drifted,
}

/// How many nodes of a pool may be disrupted at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// A number, `"5"`, or a percentage of the pool, `"10%"`, rounded up.
    pub nodes: String,
    /// Reasons it is for; all when empty.
    #[serde(default)]
    pub reasons: Vec<DisruptionReason>,
    /// When it begins to hold: five cron fields or a name such as `@daily`, in UTC; always without it.
    pub schedule: Option<String>,
    /// For how long \[minutes\]; goes with `schedule`.
    #[schemars(range(min = 1, max = 525_600))]
    pub duration_minutes: Option<u32>,
}

/// `minValues`: how many distinct values a node's set of types must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MinValues {
    /// Distinct instance types.
    #[serde(default)]
    #[schemars(range(min = 0, max = 50))]
    pub instance_types: u32,
    /// Distinct families.
    #[serde(default)]
    #[schemars(range(min = 0, max = 50))]
    pub families: u32,
}

/// How a node may be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityType {
    /// Spot; taken first where both are allowed.
    Spot,
    /// On-demand.
    OnDemand,
    /// A capacity reservation (`cluster.capacity_reservations`); taken before both others.
    Reserved,
}

/// A Karpenter node pool: which instance types it may buy, and how.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePool {
    /// Instance types by name; any when empty. As in Kubernetes, a name that no type has matches nothing.
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
    /// `amd64`, `arm64`; any when empty.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Least generation: 6 allows m6g and newer.
    #[schemars(range(min = 1, max = 20))]
    pub min_generation: Option<u32>,
    /// Least vCPUs of a node.
    #[schemars(range(min = 1, max = 1000))]
    pub min_vcpus: Option<u32>,
    /// Most vCPUs of a node.
    #[schemars(range(min = 1, max = 1000))]
    pub max_vcpus: Option<u32>,
    /// `karpenter.sh/capacity-type`: reserved is bought first, then spot, and on-demand where spot is short;
    /// default: on-demand. `spot_share` sets a mix instead.
    #[serde(default)]
    pub capacity_types: Vec<CapacityType>,
    /// Share of the pool's nodes that are spot, 0 to 1; the others are on-demand. On-demand also
    /// steps in where spot is short.
    #[schemars(range(min = 0, max = 1))]
    pub spot_share: Option<f64>,
    /// How many distinct types and families a node's set of types must keep.
    #[serde(default)]
    pub min_values: MinValues,
    /// Pools with a greater weight are tried first.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub weight: u32,
    /// Most vCPUs in the pool.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub limit_vcpus: Option<u32>,
    /// Most memory in the pool \[GiB\].
    #[schemars(range(min = 1, max = 10_000_000))]
    pub limit_memory_gib: Option<u32>,
    /// Most nodes in the pool.
    #[schemars(range(min = 1, max = 100_000))]
    pub limit_nodes: Option<u32>,
    /// Static capacity (`spec.replicas`): the pool keeps this many nodes, whatever its pods need. By
    /// default nodes follow pods.
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<u32>,
    /// Size of a node's volumes \[GiB\]; default: that of `[ebs]`.
    #[schemars(range(min = 1))]
    pub volume_gib: Option<f64>,
    /// Type of a node's volume, which boots the node; default: that of `[ebs]`.
    pub volume_type: Option<VolumeType>,
    /// Provisioned IOPS of a node's volume; default: those of `[ebs]`.
    #[schemars(range(min = 1))]
    pub volume_iops: Option<f64>,
    /// Provisioned throughput of a node's volume \[MiB/s\]; default: that of `[ebs]`.
    #[schemars(range(min = 1))]
    pub volume_throughput_mibps: Option<f64>,
    /// What the kubelet of the pool's nodes keeps back; default: `cluster.kubelet`.
    pub kubelet: Option<Kubelet>,
    /// Name of its node class, where there is one already: manifests change that one. Plans do not depend on it.
    pub node_class: Option<String>,
    /// Taints, `dedicated=batch:NoSchedule`.
    #[serde(default)]
    pub taints: Vec<String>,
    /// When nodes may be removed.
    #[serde(default)]
    pub consolidation_policy: ConsolidationPolicy,
    /// Seconds without a pod event before a node may be removed; default: the controller's.
    #[schemars(range(min = 0, max = 864_000))]
    pub consolidate_after_seconds: Option<u32>,
    /// Disruption budgets; default: one with the controller's default.
    pub budgets: Option<Vec<Budget>>,
    /// Age at which a node is replaced \[hours\]; 0 is `Never`; default: the controller's.
    #[schemars(range(min = 0, max = 100_000))]
    pub expire_after_hours: Option<u32>,
    /// Days between machine images: each drifts all nodes of the pool. Default: never.
    #[schemars(range(min = 1, max = 3650))]
    pub drift_every_days: Option<u32>,
    /// Longest drain \[seconds\], after which neither disruption budgets of pods nor `do_not_disrupt` hold. With it,
    /// drift no longer waits for such pods. By default a drain may last forever.
    #[schemars(range(min = 0, max = 864_000))]
    pub termination_grace_seconds: Option<u32>,
}

impl NodePool {
    /// Returns whether it sets the volume of its nodes.
    pub fn has_volume(&self) -> bool {
        let figures = [self.volume_gib, self.volume_iops, self.volume_throughput_mibps];
        self.volume_type.is_some() || figures.iter().any(Option::is_some)
    }

    /// Returns the volume of its nodes, where those of other pools have `shared`. IOPS and throughput belong to a type:
    /// a pool of another type does not take them over.
    pub fn volume(&self, shared: Provisioned) -> Provisioned {
        let kind = self.volume_type.unwrap_or(shared.kind);
        let alike = |figure: Option<f64>| figure.filter(|_| kind == shared.kind);
        Provisioned {
            kind,
            gib: self.volume_gib.or(shared.gib),
            iops: self.volume_iops.or(alike(shared.iops)),
            mibps: self.volume_throughput_mibps.or(alike(shared.mibps)),
        }
    }
}

/// Gates of alpha and beta features, named as the controllers name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum FeatureGate {
    /// The autoscaler may go to zero replicas.
    #[serde(rename = "HPAScaleToZero")]
    HpaScaleToZero,
    /// Karpenter may replace spot nodes by cheaper spot nodes.
    SpotToSpotConsolidation,
    /// Karpenter replaces nodes that have failed.
    NodeRepair,
    /// Karpenter keeps capacity buffers.
    CapacityBuffer,
    /// Karpenter chooses by the prices of node overlays.
    NodeOverlay,
}

/// What the kubelet keeps back, where it departs from the machine image's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubelet {
    /// Pods of a node; needed with prefix delegation, which lifts the limit by network interfaces.
    #[schemars(range(min = 1, max = 1000))]
    pub max_pods: Option<u32>,
    /// Network interfaces not used for pods.
    #[serde(default)]
    #[schemars(range(min = 0, max = 20))]
    pub reserved_enis: u32,
    /// `kubeReserved` CPU \[millicores\].
    #[schemars(range(min = 0, max = 100_000))]
    pub kube_reserved_cpu_millicores: Option<u32>,
    /// `kubeReserved` memory \[MiB\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub kube_reserved_memory_mib: Option<u32>,
    /// `systemReserved` CPU \[millicores\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub system_reserved_cpu_millicores: u32,
    /// `systemReserved` memory \[MiB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub system_reserved_memory_mib: u32,
    /// `evictionHard` `memory.available` \[MiB\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub eviction_memory_mib: Option<u32>,
    /// `VM_MEMORY_OVERHEAD_PERCENT`, as a fraction.
    #[schemars(range(min = 0, max = 0.5))]
    pub vm_memory_overhead: Option<f64>,
}

/// What Karpenter makes of preferences, such as a spread with `ScheduleAnyway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PreferencePolicy {
    /// They count as required until a pod finds no place: nodes are bought and kept for them.
    #[default]
    Respect,
    /// They do not count; kube-scheduler alone looks at them.
    Ignore,
}

/// Most that a capacity buffer may reserve.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BufferLimits {
    /// CPU of all its pods \[millicores\].
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub cpu_millicores: Option<f64>,
    /// Memory of all its pods \[MiB\].
    #[schemars(range(min = 0, max = 30_000_000_000.0))]
    pub memory_mib: Option<f64>,
}

/// A capacity buffer (`CapacityBuffer`): room for so many more pods, which Karpenter keeps free. Needs the gate
/// `CapacityBuffer`. Outside the account's schedule a buffer is empty, unless its workload is always on.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityBuffer {
    /// Workload whose pods the room is for (`scalableRef`); give this or `requests`.
    pub workload: Option<String>,
    /// Room for so many pods; with `percent` too, the larger counts.
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: Option<u32>,
    /// Room for this share of the workload's replicas, rounded up to at least one pod.
    #[schemars(range(min = 1, max = 10_000), extend("format" = "percent"))]
    pub percent: Option<u32>,
    /// Most that the buffer reserves; alone, it sets the number of pods.
    pub limits: Option<BufferLimits>,
    /// What one pod of the buffer asks for (`podTemplateRef`), where it is for no one workload.
    pub requests: Option<Resources>,
    /// Taints that pods of such a buffer tolerate.
    #[serde(default)]
    pub tolerations: Vec<String>,
    /// Node groups for pods of such a buffer; all when empty.
    #[serde(default)]
    pub node_pools: Vec<String>,
}

/// What Karpenter does where `min_values` cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum MinValuesPolicy {
    /// The pool buys no node; pods wait or use another pool.
    #[default]
    Strict,
    /// The node keeps as many values as there are.
    BestEffort,
}

/// An On-Demand Capacity Reservation: instances of one type in one zone that AWS keeps for the account and bills
/// at the on-demand rate, used or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacityReservation {
    /// EC2 instance type.
    pub instance_type: String,
    /// Availability zone: `a` is the first of the cluster, `b` the second.
    pub zone: String,
    /// How many instances.
    #[schemars(range(min = 1, max = 10_000))]
    pub instances: u32,
    /// Node pools that may use it (`capacityReservationSelectorTerms` of their node class); every pool with the
    /// capacity type `reserved` when empty.
    #[serde(default)]
    pub node_pools: Vec<String>,
}

/// Labels that a node overlay requires of the offers that it changes; any when empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OverlayRequirements {
    /// Names of node pools.
    #[serde(default)]
    pub node_pools: Vec<String>,
    /// How the node is bought.
    #[serde(default)]
    pub capacity_types: Vec<CapacityType>,
    /// `amd64`, `arm64`.
    #[serde(default)]
    pub architectures: Vec<String>,
    /// Instance types, `m7g.large`.
    #[serde(default)]
    pub instance_types: Vec<String>,
    /// Families, `m7g`.
    #[serde(default)]
    pub families: Vec<String>,
    /// Categories, `m`, `c`, `r`, `t`.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Sizes, `large`.
    #[serde(default)]
    pub sizes: Vec<String>,
}

/// A Karpenter `NodeOverlay`: the price by which Karpenter chooses, where it departs from the list price. The
/// bill stays at the list price.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeOverlay {
    /// Which offers it changes; all when empty.
    #[serde(default)]
    pub requirements: OverlayRequirements,
    /// Of overlays that match one offer, the one with the greatest weight applies. Two of the same weight must
    /// not match one offer.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub weight: u32,
    /// The price \[USD per hour\], `"0.05"`.
    pub price: Option<String>,
    /// A change of the price: `"+10%"`, `"-20%"`, `"-0.05"` \[USD per hour\].
    pub price_adjustment: Option<String>,
}

/// The spot price of an instance type in one zone.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpotPrice {
    /// Availability zone: `a` is the first of the cluster, `b` the second.
    pub zone: String,
    /// EC2 instance type.
    pub instance_type: String,
    /// Price \[USD per hour\], which Karpenter chooses by and the bill charges.
    #[schemars(range(min = 0.0001, max = 1000))]
    pub usd_per_hour: f64,
}

/// The EKS cluster of an account.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Availability zones in use.
    #[schemars(range(min = 1, max = 6))]
    pub availability_zones: u32,
    /// Nodes that are always there.
    pub baseline: Baseline,
    /// Karpenter's node pools by name.
    #[serde(default)]
    pub node_pools: IndexMap<String, NodePool>,
    /// Median seconds from launch to Ready; default: the model's figure.
    #[schemars(range(min = 0, max = 900))]
    pub node_startup_seconds: Option<u32>,
    /// The same that 95 % of nodes stay below; default: the model's ratio to the median.
    #[schemars(range(min = 0, max = 900))]
    pub node_startup_p95_seconds: Option<u32>,
    /// What the kubelet keeps back, where a pool has no `kubelet` of its own.
    pub kubelet: Option<Kubelet>,
    /// Feature gates that are on.
    #[serde(default)]
    pub feature_gates: Vec<FeatureGate>,
    /// What Karpenter makes of preferences of pods (`PREFERENCE_POLICY`).
    #[serde(default)]
    pub preference_policy: PreferencePolicy,
    /// Capacity buffers by name: room that Karpenter keeps free for pods to come.
    #[serde(default)]
    pub capacity_buffers: IndexMap<String, CapacityBuffer>,
    /// Seconds without a new pending pod after which Karpenter plans nodes (`BATCH_IDLE_DURATION`); default:
    /// the controller's.
    #[schemars(range(min = 0, max = 3600))]
    pub batch_idle_seconds: Option<u32>,
    /// Most seconds that pods wait for others before Karpenter plans nodes (`BATCH_MAX_DURATION`); default:
    /// the controller's.
    #[schemars(range(min = 0, max = 3600))]
    pub batch_max_seconds: Option<u32>,
    /// How often a node of Karpenter's fails in a month (730 hours): 0.01 is one node in a hundred. A failed node
    /// serves nothing, and goes with the gate `NodeRepair`, when it expires, or as an empty one.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub node_failures_per_month: f64,
    /// What Karpenter does where a pool's `min_values` cannot be kept (`MIN_VALUES_POLICY`).
    #[serde(default)]
    pub min_values_policy: MinValuesPolicy,
    /// On-Demand Capacity Reservations by name.
    #[serde(default)]
    pub capacity_reservations: IndexMap<String, CapacityReservation>,
    /// Karpenter's node overlays by name (feature gate `NodeOverlay`).
    #[serde(default)]
    pub node_overlays: IndexMap<String, NodeOverlay>,
    /// Spot prices of single zones, where they differ from the price book's one price of a region.
    #[serde(default)]
    pub spot_prices: Vec<SpotPrice>,
    /// Whether AWS takes spot nodes back and spot types run short; without, spot is as sure as on-demand.
    #[serde(default = "yes")]
    pub spot_interruptions: bool,
}

fn yes() -> bool {
    true
}
