//! Pods onto nodes that exist: filter by room and group, score, bind; and off them again.
//!
//! # Formula
//! ```text
//! score(node) = mean over cpu and memory of (free after placing / allocatable)     the greatest wins
//! ```
//! # Source
//! `NodeResourcesFit` with strategy `LeastAllocated`, the default profile of kube-scheduler
//! (`pkg/scheduler/apis/config/v1/default_plugins.go`): it prefers the emptiest node. On scale-down
//! the `ReplicaSet` controller removes pods without a node first, then pods not ready, then pods on the
//! node with most of them.
//! # Limits
//! Ties go to the node that was launched first; kube-scheduler breaks them at random.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Cluster, Node, Second, Starting, policy::Policy};

/// A node by its score; on a tie the one launched first.
struct Scored {
    score: f64,
    index: Reverse<usize>,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scored {}

impl Cluster {
    /// Sets the wish and adds pending pods or removes pods to meet it.
    pub(super) fn set_desired(&mut self, policy: &Policy, workload: usize, desired: u32) {
        let replicas = &mut self.workloads[workload];
        let now = replicas.ready + replicas.starting + replicas.pending;
        replicas.desired = desired;
        if desired > now {
            replicas.pending += desired - now;
            self.pending += desired - now;
        } else {
            self.remove_pods(policy, workload, now - desired);
        }
    }

    fn remove_pods(&mut self, policy: &Policy, workload: usize, mut count: u32) {
        let waiting = self.workloads[workload].pending.min(count);
        self.workloads[workload].pending -= waiting;
        self.pending -= waiting;
        count -= waiting;
        while count > 0 {
            let last = self.starting.iter().rposition(|pod| pod.workload == workload);
            let node = if let Some(index) = last {
                self.workloads[workload].starting -= 1;
                self.starting.remove(index).node
            } else {
                let Some(node) = self.node_with_most(workload) else { return };
                self.change_ready(policy, workload, -1);
                node
            };
            self.unbind(policy, workload, node);
            count -= 1;
        }
    }

    fn node_with_most(&self, workload: usize) -> Option<usize> {
        let count = |node: &Option<Node>| node.as_ref().map_or(0, |node| node.pods[workload]);
        let most = (0..self.nodes.len()).max_by_key(|index| count(&self.nodes[*index]))?;
        (count(&self.nodes[most]) > 0).then_some(most)
    }

    /// Finds places for pending pods: ready nodes, then nodes on their way, then new ones.
    pub(super) fn settle_pending(&mut self, policy: &Policy) {
        for &workload in &policy.scheduling_order {
            if self.workloads[workload].pending > 0 {
                self.fill_ready(policy, workload);
                self.fill_launching(policy, workload);
            }
        }
        if self.pending > 0 {
            self.provision(policy);
        }
    }

    /// Pod by pod onto the emptiest ready node. A node that is too full for one pod of a workload is
    /// too full for the next, so a heap of the others is enough.
    fn fill_ready(&mut self, policy: &Policy, workload: usize) {
        let score = |cluster: &Self, index: usize| -> Option<Scored> {
            let node = cluster.nodes[index].as_ref()?;
            let fits = node.ready_at <= cluster.now && node.takes(policy, workload);
            fits.then(|| Scored { score: node.score(policy, workload), index: Reverse(index) })
        };
        let mut heap: BinaryHeap<Scored> =
            (0..self.nodes.len()).filter_map(|index| score(self, index)).collect();
        while self.workloads[workload].pending > 0 {
            let Some(Scored { index: Reverse(index), .. }) = heap.pop() else { return };
            self.place(policy, workload, index);
            heap.extend(score(self, index));
        }
    }

    fn fill_launching(&mut self, policy: &Policy, workload: usize) {
        for index in 0..self.nodes.len() {
            while self.workloads[workload].pending > 0 {
                let fits = self.nodes[index]
                    .as_ref()
                    .is_some_and(|node| node.ready_at > self.now && node.takes(policy, workload));
                if !fits {
                    break;
                }
                self.place(policy, workload, index);
            }
        }
    }

    fn place(&mut self, policy: &Policy, workload: usize, index: usize) {
        self.workloads[workload].pending -= 1;
        self.pending -= 1;
        self.bind(policy, workload, index);
    }

    /// Binds one pod; it serves once the node is ready and it has started.
    pub(super) fn bind(&mut self, policy: &Policy, workload: usize, index: usize) {
        let asks = &policy.workloads[workload];
        let Some(node) = self.nodes[index].as_mut() else { return };
        node.free_cpu -= asks.request_cpu;
        node.free_memory -= asks.request_memory;
        node.free_pods -= 1;
        node.pods[workload] += 1;
        node.pod_count += 1;
        node.last_event = self.now;
        let image = 1_u64.checked_shl(workload as u32).unwrap_or(0);
        if node.images & image == 0 {
            node.images |= image;
            self.tally.image_mib += asks.image_mib;
        }
        let ready_at = node.ready_at.max(self.now) + asks.startup_seconds;
        self.workloads[workload].starting += 1;
        self.starting.push(Starting { ready_at, workload, node: index });
        self.next_timer = self.next_timer.min(ready_at);
    }

    fn unbind(&mut self, policy: &Policy, workload: usize, index: usize) {
        let asks = &policy.workloads[workload];
        let Some(node) = self.nodes[index].as_mut() else { return };
        node.free_cpu += asks.request_cpu;
        node.free_memory += asks.request_memory;
        node.free_pods += 1;
        node.pods[workload] -= 1;
        node.pod_count -= 1;
        node.last_event = self.now;
        self.unsettled = true;
    }

    /// Evicts every pod of a node, which must find places elsewhere, and removes the node.
    pub(super) fn drain(&mut self, policy: &Policy, index: usize) {
        let Some(node) = self.nodes[index].take() else { return };
        self.free.push(index);
        self.tally.node_hours[node.offer] += f64::from(self.now - node.billed_from) / 3600.0;
        self.counts[policy.offers[node.offer].purchase as usize] -= 1;
        self.vcpu_milli -= policy.offers[node.offer].vcpu_milli;
        self.standing_cpu -= policy.daemon_idle_cpu;
        let workloads = &mut self.workloads;
        let mut ready = node.pods.clone();
        self.starting.retain(|pod| {
            if pod.node == index {
                workloads[pod.workload].starting -= 1;
                ready[pod.workload] -= 1;
            }
            pod.node != index
        });
        for (workload, (pods, ready)) in node.pods.iter().zip(&ready).enumerate() {
            if *ready > 0 {
                self.change_ready(policy, workload, -(*ready as i32));
            }
            self.workloads[workload].pending += pods;
            self.pending += pods;
        }
        self.tally.evictions += node.pod_count;
    }

    /// Adds a node, which is billed from now on.
    pub(super) fn launch(&mut self, policy: &Policy, offer: usize, ready_at: Second) -> usize {
        let bought = &policy.offers[offer];
        let node = Node {
            offer,
            ready_at,
            billed_from: self.now,
            drain_at: None,
            last_event: self.now,
            free_cpu: bought.cpu,
            free_memory: bought.memory,
            free_pods: bought.pods,
            pods: vec![0; policy.workloads.len()].into(),
            pod_count: 0,
            images: 0,
        };
        self.tally.image_mib += policy.daemon_image_mib;
        self.counts[bought.purchase as usize] += 1;
        self.vcpu_milli += bought.vcpu_milli;
        self.standing_cpu += policy.daemon_idle_cpu;
        self.tally.launches[offer] += 1;
        if let Some(free) = self.free.pop() {
            self.nodes[free] = Some(node);
            free
        } else {
            self.nodes.push(Some(node));
            self.nodes.len() - 1
        }
    }
}

impl Node {
    /// How empty the node would be with one more pod.
    fn score(&self, policy: &Policy, workload: usize) -> f64 {
        let (asks, offer) = (&policy.workloads[workload], &policy.offers[self.offer]);
        (self.free_cpu - asks.request_cpu) as f64 / offer.cpu as f64
            + (self.free_memory - asks.request_memory) as f64 / offer.memory as f64
    }

    /// Whether a pod of the workload may run here and fits.
    pub(super) fn takes(&self, policy: &Policy, workload: usize) -> bool {
        let asks = &policy.workloads[workload];
        self.free_cpu >= asks.request_cpu
            && self.free_memory >= asks.request_memory
            && self.free_pods >= 1
            && self.drain_at.is_none()
            && asks.groups & (1 << policy.offers[self.offer].group) != 0
    }
}
