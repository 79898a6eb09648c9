//! Load to nodes: workloads, the autoscalers, queues, and what was used.

pub mod autoscale;
pub mod capacity;
pub mod queueing;
pub mod workload;
