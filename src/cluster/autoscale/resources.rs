//! What pods ask of a node and what a node gives.

use std::ops::{Add, AddAssign, Sub, SubAssign};

/// CPU, memory and pod places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// CPU, in millicores.
    pub cpu: i64,
    /// Memory, in MiB.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
}

impl Resources {
    /// Returns whether there is room for this much.
    #[inline]
    pub fn holds(self, asked: Self) -> bool {
        self.cpu >= asked.cpu && self.memory >= asked.memory && self.pods >= asked.pods
    }

    /// Returns this much so many times.
    #[must_use]
    pub fn times(self, count: i64) -> Self {
        Self { cpu: self.cpu * count, memory: self.memory * count, pods: self.pods * count }
    }
}

impl Add for Resources {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            memory: self.memory + other.memory,
            pods: self.pods + other.pods,
        }
    }
}

impl Sub for Resources {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self {
            cpu: self.cpu - other.cpu,
            memory: self.memory - other.memory,
            pods: self.pods - other.pods,
        }
    }
}

impl AddAssign for Resources {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Resources {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// The size of machines as Karpenter counts it against a pool's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MachineSize {
    /// vCPUs, in millicores.
    pub vcpu_milli: i64,
    /// Memory after the overhead of the VM, in MiB.
    pub memory_mib: i64,
}

impl AddAssign for MachineSize {
    fn add_assign(&mut self, other: Self) {
        self.vcpu_milli += other.vcpu_milli;
        self.memory_mib += other.memory_mib;
    }
}

/// What a pool's limits leave for a new machine; `None` where there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowance {
    /// vCPUs, in millicores.
    pub vcpu_milli: Option<i64>,
    /// Memory, in MiB.
    pub memory_mib: Option<i64>,
}

impl Allowance {
    /// No limit.
    pub const UNLIMITED: Self = Self { vcpu_milli: None, memory_mib: None };

    /// Returns whether a machine of this size stays within it.
    #[inline]
    pub fn admits(self, machine: MachineSize) -> bool {
        self.vcpu_milli.is_none_or(|most| machine.vcpu_milli <= most)
            && self.memory_mib.is_none_or(|most| machine.memory_mib <= most)
    }
}
