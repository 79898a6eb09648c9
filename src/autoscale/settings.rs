//! The scenario's `[cluster]` table.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// The nodes that are always there.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// EC2 instance type, on-demand.
    pub instance_type: String,
    /// How many.
    #[schemars(range(min = 0, max = 1000))]
    pub nodes: u32,
    /// How many outside the account's schedule; all of them when left out.
    #[schemars(range(min = 0, max = 1000))]
    pub asleep_nodes: Option<u32>,
}

/// When Karpenter may remove nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum ConsolidationPolicy {
    /// Empty nodes, and nodes whose pods fit elsewhere or on a cheaper node.
    #[default]
    WhenEmptyOrUnderutilized,
    /// Empty nodes only.
    WhenEmpty,
    /// Never (`consolidateAfter: Never`).
    Never,
}

/// A Karpenter node pool: which instance types it may buy, and how.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePool {
    /// Instance types by name; any when empty.
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
    /// Share of the pool's nodes asked for as spot, 0 to 1; the rest is on-demand.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub spot_share: f64,
    /// Pools with a greater weight are tried first.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub weight: u32,
    /// Most vCPUs in the pool.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub limit_vcpus: Option<u32>,
    /// When nodes may be removed.
    #[serde(default)]
    pub consolidation_policy: ConsolidationPolicy,
    /// Seconds without a pod event before a node may be removed; the controller's default if left out.
    #[schemars(range(min = 0, max = 864_000))]
    pub consolidate_after_seconds: Option<u32>,
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
    /// Seconds from launch to Ready; the model's figure if left out.
    #[schemars(range(min = 0, max = 3600))]
    pub node_startup_seconds: Option<u32>,
}
