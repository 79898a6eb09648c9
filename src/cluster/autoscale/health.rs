//! Nodes that fail: their pods stop, are evicted, and the node is replaced where the gate says so.
//!
//! # Formula
//! ```text
//! fails    = ready + exponential with the rate of failures           nodes of Karpenter
//! evicted  = fails + 50 s until the node counts as not ready + 300 s that its pods tolerate it
//! replaced = fails + 50 s + 30 min, with the gate NodeRepair, unless more than 20 % of the pool's nodes have failed
//! ```
//! Without the gate a failed node stays, and costs, until it expires or goes as an empty one; as one that is not
//! ready it takes a place in its pool's disruption budget.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/node/health/controller.go` (replaced at once, whatever budgets say);
//! aws/karpenter-provider-aws `pkg/cloudprovider/cloudprovider.go#RepairPolicies`;
//! `pkg/controllers/disruption/helpers.go#BuildDisruptionBudgetMapping`.
//! # Limits
//! Every failure is a kubelet that falls silent, for good. Conditions of the node monitoring agent, a reboot that
//! helps and nodes that Karpenter did not buy are not modelled. Pods of a failed node stop at once.

use super::group::Group;
use super::{
    Cluster, NEVER, Second,
    event::Reason,
    node::{Node, Starting},
    policy::Policy,
};

/// How well a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It works.
    Sound,
    /// It failed then, and has its pods still.
    Failed(Second),
    /// It failed then, and its pods are evicted.
    Lost(Second),
}

impl Node {
    /// Whether it works.
    pub(super) fn is_sound(&self) -> bool {
        self.health == Health::Sound
    }
}

impl Cluster {
    /// When a node that is ready then fails.
    pub(super) fn draw_failure(
        &mut self,
        policy: &Policy,
        group: Group,
        ready_at: Second,
    ) -> Second {
        let rate = policy.lifecycle.failures;
        if rate <= 0.0 || group == Group::Baseline {
            return NEVER;
        }
        let seconds = self.luck.exponential() / rate;
        ready_at.saturating_add(seconds.min(f64::from(NEVER)) as Second)
    }

    /// The next step of a node that fails.
    pub(super) fn worsen(&mut self, policy: &Policy, index: usize) {
        let (rules, now) = (&policy.lifecycle, self.now);
        let repairs = self.may_repair(policy, index);
        let Some(node) = self.nodes[index].as_mut() else { return };
        let subject = node.subject();
        match node.health {
            Health::Sound => {
                node.health = Health::Failed(now);
                node.fails_at = now.saturating_add(rules.eviction);
                self.note(subject, Reason::Failed);
                self.stop_pods(policy, index);
            }
            Health::Failed(since) => {
                node.health = Health::Lost(since);
                node.fails_at = rules.repair.map_or(NEVER, |after| since.saturating_add(after));
                self.evict_all(policy, index);
            }
            Health::Lost(_) if repairs => {
                self.tally.disruptions.repaired += 1;
                self.note(subject, Reason::Repaired);
                self.evict_all(policy, index);
                self.terminate(policy, index);
            }
            Health::Lost(_) => node.fails_at = now + policy.tick_seconds,
        }
    }

    /// Whether few enough nodes of its pool have failed.
    fn may_repair(&self, policy: &Policy, index: usize) -> bool {
        let group = |node: &Node| policy.offers[node.offer].group;
        let Some(own) = self.nodes[index].as_ref().map(group) else { return false };
        let (mut nodes, mut failed) = (0_u32, 0);
        for node in self.nodes().filter(|node| group(node) == own && node.ready_at <= self.now) {
            nodes += 1;
            failed += u32::from(!node.is_sound());
        }
        failed <= (nodes * policy.lifecycle.unhealthy_percent).div_ceil(100)
    }

    /// All pods of a node cease to serve, and stay bound to it.
    fn stop_pods(&mut self, policy: &Policy, index: usize) {
        let mut starting = vec![0; policy.workloads.len()];
        for pod in self.starting.iter_mut().filter(|pod| pod.node == index) {
            pod.ready_at = NEVER;
            starting[pod.workload] += 1;
        }
        for (workload, starting) in starting.into_iter().enumerate() {
            let bound = self.nodes[index].as_ref().map_or(0, |node| node.pods[workload]);
            let ready = bound - starting;
            if ready > 0 {
                self.change_ready(policy, workload, -(ready as i32));
                self.workloads[workload].starting += ready;
                self.stop_job_pods(workload, index);
                let stopped =
                    Starting { ready_at: NEVER, started_at: NEVER, workload, node: index };
                self.starting.extend(std::iter::repeat_n(stopped, ready as usize));
            }
        }
    }
}
