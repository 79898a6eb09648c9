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
use serde::Deserialize;

use crate::units::factors_schema;

/// CPU and memory, as a pod spec asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPU [millicores].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub cpu_millicores: f64,
    /// Memory [MiB].
    #[schemars(range(min = 0, max = 30_000_000))]
    pub memory_mib: f64,
}

/// How the pods are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A number of replicas, fixed or set by the horizontal pod autoscaler.
    #[default]
    Deployment,
    /// One pod on every node.
    DaemonSet,
}

/// Horizontal pod autoscaler on CPU utilization. What is left out has the controller's default.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hpa {
    /// Least replicas.
    #[schemars(range(min = 1, max = 100_000))]
    pub min_replicas: Option<u32>,
    /// Most replicas.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_replicas: u32,
    /// Target CPU [percent of request].
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_utilization: Option<u32>,
    /// Band around the target in which nothing changes, as a fraction.
    #[schemars(range(min = 0, max = 1))]
    pub tolerance: Option<f64>,
    /// Seconds a lower recommendation must hold before it is followed.
    #[schemars(range(min = 0, max = 3600))]
    pub scale_down_stabilization_seconds: Option<u32>,
}

/// Where a workload's requests come from, which decides what the bytes cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// From another pod: across zones both directions are billed.
    #[default]
    Internally,
    /// From the load balancer on the pod's own address: free inside the VPC.
    ThroughAlb,
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// A ready-made workload of `models/workloads` that this one starts from.
    pub profile: Option<String>,
    /// Deployment or daemonset.
    #[serde(default)]
    pub kind: Kind,
    /// Requests it serves per request of a traffic class.
    #[serde(default)]
    #[schemars(schema_with = "factors_schema")]
    pub calls_per: IndexMap<String, f64>,
    /// Where they come from.
    #[serde(default)]
    pub reached: Reached,
    /// CPU time of one request [ms].
    #[serde(default)]
    #[schemars(range(min = 0, max = 600_000))]
    pub cpu_ms_per_request: f64,
    /// CPU a pod uses with no load [millicores].
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
    /// Replicas, where no autoscaler sets them.
    #[schemars(range(min = 0, max = 100_000))]
    pub replicas: Option<u32>,
    /// Autoscaler.
    pub hpa: Option<Hpa>,
    /// Node groups it may run on: `baseline` or names of node pools; all when empty.
    #[serde(default)]
    pub node_pools: Vec<String>,
    /// Whether it keeps running outside the account's schedule.
    #[serde(default)]
    pub always_on: bool,
    /// Compressed image [MiB], pulled once by each node.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub image_mib: f64,
    /// Bytes to and from third parties per request [KiB].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub external_kib_per_request: f64,
    /// Logs sent out per request [KiB]; traces are the observability service's own.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub log_kib_per_request: f64,
    /// Database connections each pod holds.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub database_connections: u32,
    /// Where the figures come from.
    pub source: Option<String>,
}

impl Workload {
    /// Requests a minute for one session a minute, by the traffic classes' requests per session.
    pub fn requests_per_session(&self, per_session: impl Fn(&str) -> Option<f64>) -> f64 {
        self.calls_per.iter().map(|(class, calls)| calls * per_session(class).unwrap_or(0.0)).sum()
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
