//! Kubernetes and Terraform manifests: written from a scenario, and read into one. Text in, text out.
//!
//! [`write()`] turns an account of a scenario into `HorizontalPodAutoscaler`, `PodDisruptionBudget`, `NodePool`,
//! `EC2NodeClass`, patches of pod specs and Aurora's Terraform variables; each value names the key it comes
//! from. [`read()`] turns a folder's manifests, `kubectl get -o yaml` dumps among them, into a scenario that
//! plans as it is, and lists what it could not use.
//!
//! # Limits
//! A scenario has no subnets or roles, and namespaces, labels and container names only of what it was read from:
//! placeholders say FILL-IN.
//! Of what manifests hold, only what a scenario has a key for is read; the rest is listed, except for fields
//! that move neither replicas nor nodes (`models/manifests.toml`).
//!
//! # Source
//! Kubernetes API reference (`autoscaling/v2`, `policy/v1`, `apps/v1`), Karpenter's `NodePool` and `EC2NodeClass`
//! CRDs; both as schemas under `tests/data/schemas`.

use crate::facts::model::{self, Model};
use serde::Deserialize;

pub mod quantity;
mod read;
mod write;
mod yaml;

pub use read::{Found, Read, Source, read};
pub use write::{FILES, Manifests, Wanted, Written, write};

/// Annotation of a node pool for a scenario's key that Karpenter has no field for.
pub(crate) const SPOT_SHARE: &str = "runrate/spot-share";
/// The same for the days between machine images.
pub(crate) const DRIFT_DAYS: &str = "runrate/drift-every-days";
/// Placeholder for a value that only the user knows.
pub(crate) const FILL_IN: &str = "FILL-IN";
/// What a scenario takes at most as a limit [millicores, MiB]: where a manifest sets none, nothing is to end a
/// pod before its node, and where a scenario has these, there is none.
pub(crate) const NO_CPU_LIMIT: f64 = 1_000_000.0;
/// The same of memory.
pub(crate) const NO_MEMORY_LIMIT: f64 = 30_000_000.0;
/// Karpenter's label of the pool that a node is of.
pub(crate) const POOL_LABEL: &str = "karpenter.sh/nodepool";

/// Karpenter's label of how a node is bought.
pub(crate) const CAPACITY_LABEL: &str = "karpenter.sh/capacity-type";

/// A ready-made workload and how a manifest shows that it is one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The profile of `models/workloads`.
    pub profile: String,
    /// Names of its Deployment or `DaemonSet`.
    #[serde(default)]
    pub names: Vec<String>,
    /// Ends of its images' repositories, `coredns/coredns`.
    #[serde(default)]
    pub images: Vec<String>,
}

/// A kind of image, and what no manifest states of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFacts {
    /// What it is called.
    pub name: String,
    /// Ends of its images' repositories, `envoyproxy/envoy`.
    pub images: Vec<String>,
    /// Seconds from the start of a container to its readiness.
    pub startup_seconds: u32,
    /// Compressed size, in MiB.
    pub image_mib: f64,
    /// CPU of a request, as a scenario has it \[ms\].
    pub cpu_ms_per_request: Option<toml::Value>,
    /// Requests that it serves per request of a traffic class of `init`'s example.
    pub calls_per: Option<toml::Table>,
}

impl ImageFacts {
    fn size(&self) -> ImageSize {
        ImageSize { startup_seconds: self.startup_seconds, image_mib: self.image_mib }
    }
}

/// How long the pods of an image take to start, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// Seconds from the start of a container to its readiness.
    pub startup_seconds: u32,
    /// Compressed size, in MiB.
    pub image_mib: f64,
}

/// A part of `init`'s example that a cluster has only where its manifests show it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optional {
    /// Profiles of its workloads.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Its tables.
    #[serde(default)]
    pub tables: Vec<String>,
    /// API group of the objects that show it; none does where it is empty.
    #[serde(default)]
    pub group: String,
    /// Their kinds; all of the group where none is named.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Ends of the repositories of its own images.
    #[serde(default)]
    pub images: Vec<String>,
}

impl Optional {
    /// Returns whether an object of this API group and kind shows it.
    fn is_shown_by(&self, group: &str, kind: &str) -> bool {
        !self.group.is_empty()
            && self.group == group
            && (self.kinds.is_empty() || self.kinds.iter().any(|known| known == kind))
    }
}

/// Facts about other people's manifests and for written ones: `models/manifests.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Ready-made workloads.
    pub known: Vec<Known>,
    /// Kinds of images.
    pub images: Vec<ImageFacts>,
    /// Start and size of any other image.
    pub unknown_image: ImageSize,
    /// Parts of `init`'s example that manifests have to show.
    pub optional: Vec<Optional>,
    /// Names under which adapters publish requests per second.
    pub requests_per_second: Vec<String>,
    /// Names under which adapters publish requests in flight.
    pub concurrency: Vec<String>,
    /// Names under which adapters publish the length of a queue.
    pub queue_length: Vec<String>,
    /// Memory of an idle pod as a share of its autoscaler's memory target, if no manifest has it.
    pub assumed_idle_memory: f64,
    /// Fields that move neither replicas nor nodes, by the kind of object they are of.
    pub ignored: std::collections::BTreeMap<String, Vec<String>>,
    /// Kinds that need no nodes and are skipped silently.
    pub passed_over: Vec<String>,
    /// Labels by which a disruption budget usually names its workload.
    pub name_labels: Vec<String>,
    /// Device names of a node's root volume.
    pub root_devices: Vec<String>,
    /// Provisioners whose volumes are EBS volumes, with the type of a class that names none.
    pub ebs_provisioners: std::collections::BTreeMap<String, String>,
    /// Defaults of a `ScaledObject`.
    pub keda: KedaFacts,
    /// Assumptions on `CronJobs` and Jobs.
    pub jobs: JobFacts,
    /// Names and defaults of EKS Auto Mode.
    pub auto_mode: AutoModeFacts,
    /// Values of a written node class.
    pub node: NodeFacts,
    /// Requirements of Karpenter's features.
    pub karpenter: KarpenterFacts,
    /// Aurora's storage as Terraform names it.
    pub aurora_storage: StorageFacts,
}

impl Model for Facts {
    const FILES: &'static [&'static str] = &["manifests.toml"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        model::from_toml(texts)
    }
}

/// What KEDA's `ScaledObject` has where it says nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KedaFacts {
    /// `minReplicaCount`.
    pub min_replicas: u32,
    /// `maxReplicaCount`.
    pub max_replicas: u32,
    /// Triggers that scale by a queue, by type.
    pub triggers: std::collections::BTreeMap<String, QueueTrigger>,
}

/// A trigger of KEDA that scales by a queue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueTrigger {
    /// Keys of the target per pod, the usual one first.
    pub target: Vec<String>,
    /// The target where none is given.
    pub default: f64,
    /// Key of the activation.
    pub activation: String,
    /// Whether the length counts messages that a consumer holds.
    pub counts_in_flight: bool,
    /// Settings that change this, in their order.
    #[serde(default)]
    pub in_flight: Vec<InFlight>,
    /// Values of `mode`, and the metric of a scenario that each is; a queue's length where there are none.
    #[serde(default)]
    pub modes: std::collections::BTreeMap<String, String>,
    /// Keys that only the user knows.
    pub fill_in: Vec<String>,
    /// What the plan cannot know.
    pub caution: Option<String>,
}

/// A setting of a trigger that decides whether messages that a consumer holds count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InFlight {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether they count then.
    pub counts: bool,
}

/// Assumed running time of pods of `CronJobs` and Jobs, which no manifest has.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFacts {
    /// Where nothing is known, in seconds.
    pub duration_seconds: u32,
    /// The share of `activeDeadlineSeconds` where there is one.
    pub share_of_deadline: f64,
    /// The share of the time between two runs that it is at most.
    pub share_of_interval: f64,
}

/// What EKS Auto Mode calls its objects, and does where a pool or node class says nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoModeFacts {
    /// API group of its node class, and the prefix of its labels.
    pub group: String,
    /// Size of a node's volume, in GiB.
    pub volume_gib: f64,
    /// Age at which a node is replaced, in hours.
    pub expire_after_hours: u32,
    /// Longest drain, in seconds.
    pub termination_grace_seconds: u32,
    /// Days between two machine images.
    pub drift_every_days: u32,
    /// Minor version of Kubernetes from which a new pool's consolidation policy is Balanced.
    pub balanced_from: u32,
    /// Profiles of workloads that EKS runs itself, not as pods.
    pub built_in: Vec<String>,
}

/// Values of a written node class.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFacts {
    /// The machine image in words.
    pub image: String,
    /// Its alias, without a version.
    pub image_alias: String,
    /// The device of its root volume.
    pub root_device: String,
    /// The type of that volume: the one that plans price, and Karpenter's default.
    pub volume_type: String,
}

/// What features of Karpenter need, and what its capacity buffers are called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KarpenterFacts {
    /// What the consolidation policy Balanced needs, in words.
    pub balanced_needs: String,
    /// API version of capacity buffers.
    pub buffer_version: String,
    /// Their one provisioning strategy.
    pub buffer_strategy: String,
    /// An image for their pods, which never run.
    pub buffer_image: String,
    /// What `spec.replicas` needs, in words.
    pub static_needs: String,
}

/// Aurora's storage as Terraform names it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageFacts {
    /// Aurora Standard.
    pub standard: String,
    /// Aurora I/O-Optimized.
    pub io_optimized: String,
}

/// Returns whether a name is one that Kubernetes takes: a DNS-1123 subdomain.
pub fn is_kubernetes_name(name: &str) -> bool {
    let label = |label: &str| {
        let edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(label.chars().next())
            && edge(label.chars().next_back())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Returns whether a text may be the value of a label.
pub(crate) fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for name in ["api", "api-2", "0", "a.b-c.d"] {
            assert!(is_kubernetes_name(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", "Api", "-a", "a-", "a..b", "a: #", "a\nb", "a\"b", "ä", &*long] {
            assert!(!is_kubernetes_name(name), "{name:?}");
        }
        assert!(is_label_value("m7g.large") && is_label_value("") && !is_label_value("a:b"));
    }
}
