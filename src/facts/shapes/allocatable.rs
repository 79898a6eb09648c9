//! What a node has left for pods.
//!
//! # Formula
//! ```text
//! pods        = (interfaces − reserved) × (IPv4 each − 1) + 2                    network interface limit
//! CPU kept    = 6 % of the first core, 1 % of the second, 0.5 % of two more, 0.25 % above   [m], truncated
//! memory kept = 11 × pods + 255 [MiB]
//! capacity    = m − ceil(m × 7.5 %), m = nominal (− 64 MiB on arm64)              [MiB]
//! allocatable = capacity − kube reserved − system reserved − eviction threshold
//! ```
//! # Source
//! aws/karpenter-provider-aws `pkg/providers/instancetype/types.go` (`#ENILimitedPods`,
//! `#kubeReservedResources`, `#memory`, `#evictionThreshold`), commit 1d92708; the figures are in
//! `models/controllers.toml`, `[kubelet]`.
//! # Limits
//! The image family is AL2023: kube-reserved memory follows the interface limit even where
//! `maxPods` is set. Once a node has joined, Karpenter measures its memory, which may be more.

use serde::Deserialize;

use super::Shape;

/// Figures of the kubelet's and Karpenter's defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeletFacts {
    /// Share kept of the first, second, third, fourth and each further core.
    pub kube_reserved_cpu: [f64; 5],
    /// Memory kept for each pod, in MiB.
    pub kube_reserved_mib_per_pod: i64,
    /// Memory kept in any case, in MiB.
    pub kube_reserved_mib: i64,
    /// Free memory at which pods are evicted, in MiB.
    pub eviction_memory_mib: i64,
    /// Share of nominal memory that the machine lacks.
    pub vm_memory_overhead: f64,
    /// Memory that arm64 machines lack besides, in MiB.
    pub arm64_missing_mib: i64,
}

/// Settings that depart from the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Overrides {
    /// Pods of a node.
    pub max_pods: Option<u32>,
    /// Interfaces not used for pods.
    pub reserved_enis: u32,
    /// CPU kept for the kubelet, in millicores.
    pub kube_reserved_cpu: Option<i64>,
    /// Memory kept for it, in MiB.
    pub kube_reserved_memory: Option<i64>,
    /// CPU kept for the system, in millicores.
    pub system_reserved_cpu: i64,
    /// Memory kept for it, in MiB.
    pub system_reserved_memory: i64,
    /// Free memory at which pods are evicted, in MiB.
    pub eviction_memory_mib: Option<i64>,
    /// Share of nominal memory that the machine lacks.
    pub vm_memory_overhead: Option<f64>,
}

/// Room for pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// CPU, in millicores.
    pub cpu: i64,
    /// Memory, in MiB.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
}

/// Pods that the addresses of the network interfaces allow.
pub fn eni_pods(enis: u32, ipv4_per_eni: u32, reserved_enis: u32) -> u32 {
    let usable = enis.saturating_sub(reserved_enis);
    if usable == 0 { 0 } else { usable * ipv4_per_eni.saturating_sub(1) + 2 }
}

impl KubeletFacts {
    /// CPU kept for the kubelet, in millicores.
    pub fn kube_reserved_cpu(&self, vcpus: u32) -> i64 {
        let [first, second, third, fourth, further] = self.kube_reserved_cpu;
        let of = |share: f64, cores: u32| (share * f64::from(cores) * 1000.0).round() as i64;
        // The third and fourth core are one range: truncation acts on whole ranges.
        let pair = f64::midpoint(third, fourth);
        let beyond = f64::from(vcpus.saturating_sub(4));
        of(first, vcpus.min(1))
            + of(second, vcpus.saturating_sub(1).min(1))
            + of(pair, vcpus.saturating_sub(2).min(2))
            + (further * beyond * 1000.0 + 1e-9) as i64
    }

    /// Memory kept for the kubelet, in MiB.
    pub fn kube_reserved_memory(&self, pods: u32) -> i64 {
        self.kube_reserved_mib_per_pod * i64::from(pods) + self.kube_reserved_mib
    }

    /// Memory that the operating system sees, in MiB.
    pub fn memory_capacity(&self, nominal_mib: i64, arm64: bool, overhead: Option<f64>) -> i64 {
        let nominal = nominal_mib - if arm64 { self.arm64_missing_mib } else { 0 };
        let overhead = overhead.unwrap_or(self.vm_memory_overhead);
        nominal - (nominal as f64 * overhead - 1e-9).ceil() as i64
    }

    /// Room for pods on a machine whose interfaces allow `eni_pods` pods.
    pub fn allocatable(
        &self,
        (vcpus, memory_mib, arm64): (u32, i64, bool),
        eni_pods: u32,
        set: &Overrides,
    ) -> Room {
        let kept_cpu = set.kube_reserved_cpu.unwrap_or_else(|| self.kube_reserved_cpu(vcpus));
        let kept_memory =
            set.kube_reserved_memory.unwrap_or_else(|| self.kube_reserved_memory(eni_pods));
        let eviction = set.eviction_memory_mib.unwrap_or(self.eviction_memory_mib);
        let capacity = self.memory_capacity(memory_mib, arm64, set.vm_memory_overhead);
        Room {
            cpu: i64::from(vcpus) * 1000 - kept_cpu - set.system_reserved_cpu,
            memory: capacity - kept_memory - set.system_reserved_memory - eviction,
            pods: i64::from(set.max_pods.unwrap_or(eni_pods)),
        }
    }
}

impl Shape {
    /// Room for pods with settings of one's own; `None` when the interfaces are not documented.
    pub fn allocatable(&self, facts: &KubeletFacts, set: &Overrides) -> Option<Room> {
        let (enis, addresses) = (self.max_enis?, self.ipv4_per_eni?);
        // Pods are placed on the default network card alone: types with several document fewer than all
        // their interfaces would allow.
        let documented = self.allocatable_pods.filter(|pods| *pods > 0);
        let eni_limit = documented.unwrap_or_else(|| eni_pods(enis, addresses, 0));
        let reserved = set.reserved_enis * addresses.saturating_sub(1);
        let machine = (self.vcpus, self.memory_mib as i64, self.arch == "arm64");
        let mut room = facts.allocatable(machine, eni_limit, set);
        room.pods = i64::from(set.max_pods.unwrap_or(eni_limit.saturating_sub(reserved)));
        Some(room)
    }
}
