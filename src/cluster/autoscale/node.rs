//! Nodes from launch to end: timers, draining, interruption.
//!
//! # Formula
//! ```text
//! ready       = launch + lognormal(median 45 s, 95 % within 80 s)
//! interrupted = ready + exponential with the type's rate          spot nodes; gone 120 s later at most
//! expired     = launch + expireAfter
//! drain       : pods leave as fast as their disruption budgets let them; all at the deadline
//! deadline    = begin of the drain + terminationGracePeriod           never without it
//! ```
//! Expiry asks neither budgets of nodes nor for a replacement: pods that leave are pending like others. Pods that
//! are not to be disrupted are not evicted before the deadline.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/node/termination/terminator/terminator.go#Drain`,
//! `pkg/utils/pod/scheduling.go#IsEvictable`, `#IsDrainable`, `#IsDoNotDisruptActive`,
//! `pkg/controllers/nodeclaim/expiration/controller.go`;
//! aws/karpenter-provider-aws `pkg/controllers/interruption/utils.go#actionForMessage`: the replacement
//! comes by ordinary provisioning, while the pods leave.
//! # Limits
//! An evicted pod serves no more from that moment; a real one finishes what it has begun. Replacements of pods
//! that a budget holds are bought as they leave, where Karpenter buys for all of them at once. At the deadline
//! pods go at once; Karpenter deletes each earlier by its own grace period.

use super::Shortage;
use super::resources::Resources;
use super::tally::BilledSpan;
use super::{
    Cluster, NEVER, Second,
    event::{Reason, Subject},
    health::Health,
    policy::{Policy, Purchase},
};

/// A running, launching or leaving node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Number of its launch.
    pub id: u32,
    /// Which offer it was bought from.
    pub offer: usize,
    /// Availability zone, from 0.
    pub zone: u8,
    /// When it was launched.
    pub created_at: Second,
    /// When it is ready for pods.
    pub ready_at: Second,
    /// From when its hours are not yet counted.
    pub billed_from: Second,
    /// How it leaves, once it is cordoned.
    pub drain: Option<Drain>,
    /// Last time a pod came or went.
    pub last_event: Second,
    /// Until when it is kept for the pods that it was bought for.
    pub nominated_until: Second,
    /// What its pods do not request.
    pub free: Resources,
    /// Pods of each workload on it, starting or ready.
    pub pods: Box<[u32]>,
    /// Pods on it in all.
    pub pod_count: u32,
    /// Workloads whose image it has, one bit each; those beyond 64 count as pulled each time.
    pub(super) images: u64,
    /// When its last image pull ends.
    pub(super) pulling_until: Second,
    /// Virtual pods of capacity buffers that the last round put on it.
    pub(super) buffered: u32,
    /// Until when pods of workloads with `do_not_disrupt_seconds` are protected, in the order in which they came.
    pub(super) protected: Vec<Protection>,
    pub(super) health: Health,
    /// When it fails, or the next step after that is due.
    pub(super) fails_at: Second,
    interrupted_at: Second,
    expires_at: Second,
}

/// A pod that is not to be disrupted for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protection {
    workload: usize,
    until: Second,
}

/// How a node leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// When its pods begin to leave: once its replacements are ready.
    pub begins: Second,
    /// When it is gone whatever is on it, if it does not wait for all pods.
    pub deadline: Option<Second>,
    /// Pods evicted so far.
    pub evicted: u32,
}

/// Pods of a workload that may be evicted.
#[derive(Clone, Copy)]
struct Allowed {
    /// Of the ready ones.
    ready: u32,
    /// Of all.
    pods: u32,
}

impl Allowed {
    /// Every pod.
    const ALL: Self = Self { ready: u32::MAX, pods: u32::MAX };
}

/// Pods bound to a node that do not serve yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Starting {
    /// When it counts as ready.
    pub(super) ready_at: Second,
    /// When its start ends, which a job's pod counts from.
    pub(super) started_at: Second,
    pub(super) workload: usize,
    pub(super) node: usize,
}

impl Node {
    /// The next moment at which something happens to it by itself.
    fn next_timer(&self) -> Second {
        let drain = self.drain.map_or(NEVER, |drain| drain.begins);
        self.interrupted_at.min(self.expires_at).min(self.fails_at).min(drain)
    }

    /// Ready for pods and not leaving.
    pub fn takes_pods(&self, now: Second) -> bool {
        self.ready_at <= now && self.stays()
    }

    /// Neither leaving nor failed.
    pub(super) fn stays(&self) -> bool {
        self.drain.is_none() && self.is_sound()
    }

    /// Since when no pod came or went: pods that were bound before the node was ready came when it was.
    pub(super) fn quiet_since(&self) -> Second {
        self.ready_at.max(self.last_event)
    }

    /// Makes it ready at once, and with it what its pods are protected for.
    pub(super) fn start(&mut self, now: Second) {
        let early = self.ready_at.saturating_sub(now);
        for pod in &mut self.protected {
            pod.until -= early;
        }
        self.ready_at = now;
    }

    /// Protects a pod that was just bound.
    pub(super) fn protect(&mut self, workload: usize, until: Second) {
        self.protected.push(Protection { workload, until });
    }

    /// When the last protected pod of a workload may be disrupted, if any is protected now.
    pub(super) fn protected_until(&self, workload: usize, now: Second) -> Option<Second> {
        let own = self.protected.iter().filter(|pod| pod.workload == workload && pod.until > now);
        own.map(|pod| pod.until).max()
    }

    /// Pods of a workload that are protected now.
    fn protected_count(&self, workload: usize, now: Second) -> u32 {
        let own = self.protected.iter().filter(|pod| pod.workload == workload && pod.until > now);
        own.count() as u32
    }

    /// Forgets pods of a workload that go: of a scale-down the newest, of an eviction the oldest.
    pub(super) fn unprotect(&mut self, workload: usize, count: u32, newest: bool) {
        for _ in 0..count {
            let own = |pod: &Protection| pod.workload == workload;
            let place = if newest {
                self.protected.iter().rposition(own)
            } else {
                self.protected.iter().position(own)
            };
            let Some(place) = place else { return };
            self.protected.remove(place);
        }
    }

    pub(super) fn subject(&self) -> Subject {
        Subject::Node { id: self.id, offer: self.offer, zone: self.zone }
    }
}

impl Cluster {
    /// Timers: nodes are interrupted, expire, drain; pods begin to serve.
    pub(super) fn arrive(&mut self, policy: &Policy) {
        self.turn_triggers(policy);
        let has_jobs = !policy.jobs.is_empty();
        if has_jobs {
            self.end_job_pods(policy);
        }
        for index in 0..self.nodes.len() {
            let Some(node) = &self.nodes[index] else { continue };
            if node.next_timer() > self.now {
                continue;
            }
            if node.fails_at <= self.now {
                self.worsen(policy, index);
            }
            let Some(node) = &self.nodes[index] else { continue };
            if node.interrupted_at <= self.now {
                self.interrupt(policy, index);
            } else if node.expires_at <= self.now {
                self.expire(policy, index);
            }
            self.drain(policy, index);
        }
        let mut starting = std::mem::take(&mut self.starting);
        starting.retain(|pod| {
            let due = pod.ready_at <= self.now;
            if due && has_jobs && policy.workloads[pod.workload].job.is_some() {
                self.begin_job_pod(policy, *pod);
            } else if due {
                self.workloads[pod.workload].starting -= 1;
                self.change_ready(policy, pod.workload, 1);
            }
            !due
        });
        self.starting = starting;
        if has_jobs {
            self.begin_runs(policy);
        }
        self.find_next_timer(policy);
        self.settle_at = self.now;
    }

    pub(super) fn find_next_timer(&mut self, policy: &Policy) {
        let nodes = self.nodes.iter().flatten().map(Node::next_timer);
        let pods = self.starting.iter().map(|pod| pod.ready_at);
        let next = nodes.chain(pods).min().unwrap_or(NEVER);
        let others = self.next_job_timer(policy).min(self.next_trigger_timer(policy));
        self.next_timer = next.min(others);
    }

    fn interrupt(&mut self, policy: &Policy, index: usize) {
        let deadline = Some(self.now + policy.spot.notice_seconds);
        // A node that leaves already is counted for the reason that came first.
        let stays = self.nodes[index].as_ref().is_some_and(|node| node.drain.is_none());
        self.tally.disruptions.interrupted += u32::from(stays);
        self.cordon(index, self.now, deadline, Reason::SpotInterrupted);
        // Karpenter marks the pool of a warned node as without capacity for a while.
        if let Some(node) = self.nodes[index].as_mut() {
            node.interrupted_at = NEVER;
            let until = self.now + policy.latencies.unavailable;
            self.unavailable.push(Shortage { offer: node.offer, zones: 1 << node.zone, until });
        }
    }

    fn expire(&mut self, policy: &Policy, index: usize) {
        let Some(node) = self.nodes[index].as_mut() else { return };
        node.expires_at = NEVER;
        let group = policy.offers[node.offer].group;
        let grace = policy.pool_of(group).and_then(|pool| pool.termination_grace);
        let deadline = grace.map(|grace| self.now + grace);
        self.tally.disruptions.expired += 1;
        self.cordon(index, self.now, deadline, Reason::Expired);
    }

    /// Marks a node as leaving: it takes no more pods, and gives its own away from `begins` on.
    pub(super) fn cordon(
        &mut self,
        index: usize,
        begins: Second,
        deadline: Option<Second>,
        reason: Reason,
    ) {
        let Some(node) = self.nodes[index].as_mut() else { return };
        let evicted = node.drain.map_or(0, |drain| drain.evicted);
        let earlier = node.drain.and_then(|drain| drain.deadline);
        let deadline = deadline.into_iter().chain(earlier).min();
        node.drain = Some(Drain { begins, deadline, evicted });
        // A node that leaves anyway is not counted as expired or taken back as well.
        node.expires_at = NEVER;
        let subject = node.subject();
        self.next_timer = self.next_timer.min(begins);
        self.note(subject, reason);
    }

    /// One tick of a node that leaves.
    fn drain(&mut self, policy: &Policy, index: usize) {
        let Some(drain) = self.nodes[index].as_ref().and_then(|node| node.drain) else { return };
        if drain.begins > self.now {
            return;
        }
        if drain.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.evict_all(policy, index);
        } else {
            self.evict_within_budgets(policy, index);
        }
        let empty = self.nodes[index].as_ref().is_some_and(|node| node.pod_count == 0);
        if empty {
            self.terminate(policy, index);
        } else if let Some(drain) = self.nodes[index].as_mut().and_then(|node| node.drain.as_mut())
        {
            drain.begins = self.now + policy.tick_seconds;
        }
    }

    fn evict_within_budgets(&mut self, policy: &Policy, index: usize) {
        for (workload, asks) in policy.workloads.iter().enumerate() {
            let on_node = self.nodes[index].as_ref().map_or(0, |node| node.pods[workload]);
            if on_node == 0 {
                continue;
            }
            let held = match asks.do_not_disrupt_seconds {
                _ if asks.do_not_disrupt => on_node,
                None => 0,
                Some(_) => self.nodes[index]
                    .as_ref()
                    .map_or(0, |node| node.protected_count(workload, self.now)),
            };
            let replicas = &self.workloads[workload];
            let ready = asks.available.map_or(on_node, |available| {
                replicas.ready.saturating_sub(available.least_ready(replicas.desired))
            });
            self.evict(policy, index, workload, Allowed { ready, pods: on_node - held });
        }
    }

    /// Evicts every pod of a node, whatever budgets say.
    pub(super) fn evict_all(&mut self, policy: &Policy, index: usize) {
        for workload in 0..policy.workloads.len() {
            self.evict(policy, index, workload, Allowed::ALL);
        }
    }

    /// Evicts as many pods of one workload as may go; they wait for a place.
    fn evict(&mut self, policy: &Policy, index: usize, workload: usize, allowed: Allowed) {
        let on_node = self.nodes[index].as_ref().map_or(0, |node| node.pods[workload]);
        if on_node == 0 || allowed.pods == 0 {
            return;
        }
        let (mut unready, mut stays) = (0, 0);
        self.starting.retain(|pod| {
            if pod.node != index || pod.workload != workload {
                return true;
            }
            let goes = unready < allowed.pods;
            unready += u32::from(goes);
            stays += u32::from(!goes);
            !goes
        });
        let ready = (on_node - unready - stays).min(allowed.ready).min(allowed.pods - unready);
        self.workloads[workload].starting -= unready;
        if ready > 0 {
            self.change_ready(policy, workload, -(ready as i32));
        }
        let evicted = unready + ready;
        self.release(policy, workload, index, evicted);
        if policy.workloads[workload].do_not_disrupt_seconds.is_some()
            && let Some(node) = self.nodes[index].as_mut()
        {
            node.unprotect(workload, evicted, false);
        }
        self.batch.add();
        self.workloads[workload].pending += evicted;
        self.pending += evicted;
        self.tally.evictions += evicted;
        if let Some(drain) = self.nodes[index].as_mut().and_then(|node| node.drain.as_mut()) {
            drain.evicted += evicted;
        }
        if policy.workloads[workload].job.is_some() {
            self.lose_job_pods(policy, (workload, index), (unready, ready));
        }
    }

    /// Gives back what pods of a node requested.
    pub(super) fn release(&mut self, policy: &Policy, workload: usize, index: usize, count: u32) {
        let asks = &policy.workloads[workload];
        let Some(node) = self.nodes[index].as_mut() else { return };
        node.free += asks.requests().times(i64::from(count));
        node.pods[workload] -= count;
        node.pod_count -= count;
        node.last_event = self.now;
        self.workloads[workload].zones[usize::from(node.zone)] -= count;
        self.settle_at = self.now;
    }

    /// Ends an empty node.
    pub(super) fn terminate(&mut self, policy: &Policy, index: usize) {
        self.count_nodes();
        let Some(node) = self.nodes[index].take() else { return };
        self.free.push(index);
        let seconds = self.now - node.billed_from + policy.latencies.drain;
        self.tally.node_hours[node.offer] += f64::from(seconds) / 3600.0;
        let offer = &policy.offers[node.offer];
        if offer.purchase != Purchase::Spot {
            let (from, to) = (node.billed_from, node.billed_from + seconds);
            self.tally.spans.push(BilledSpan { offer: node.offer, from, to });
        }
        *self.counts.of_mut(offer.purchase) -= 1;
        self.vcpu_milli -= offer.vcpu_milli;
        self.standing_cpu -= policy.daemons_on(node.offer).idle_cpu;
        let evicted = node.drain.map_or(0, |drain| drain.evicted);
        self.settle_at = self.now;
        self.note(node.subject(), Reason::Terminated { evicted });
    }

    pub(super) fn launch_baseline(&mut self, policy: &Policy) {
        // A managed node group keeps its zones even.
        let mut counts = [0_u32; super::MOST_ZONES];
        for node in self.nodes.iter().flatten() {
            if policy.offers[node.offer].purchase == Purchase::Baseline {
                counts[usize::from(node.zone)] += 1;
            }
        }
        let zone = (0..policy.zones).min_by_key(|zone| counts[usize::from(*zone)]).unwrap_or(0);
        let ready_at = self.draw_ready_at(policy);
        let index = self.launch(policy, policy.baseline_offer, zone, ready_at);
        let ready_in = ready_at - self.now;
        self.note_launch(index, Reason::Launched { pods: 0, ready_in });
    }

    /// When a node launched now is ready.
    pub(super) fn draw_ready_at(&mut self, policy: &Policy) -> Second {
        let seconds = self.luck.lognormal(policy.latencies.node).min(policy.latencies.node_most);
        self.now + seconds.ceil() as Second
    }

    /// Adds a node, which is billed from now on.
    pub(super) fn launch(
        &mut self,
        policy: &Policy,
        offer: usize,
        zone: u8,
        ready_at: Second,
    ) -> usize {
        self.begin_hour();
        self.count_nodes();
        let bought = &policy.offers[offer];
        let daemons = policy.daemons_on(offer);
        let pool = policy.pool_of(bought.group);
        let expire_after = pool.and_then(|pool| pool.expire_after);
        let interrupted_at = if bought.hazard > 0.0 {
            let seconds = self.luck.exponential() / bought.hazard;
            ready_at.saturating_add(seconds.min(f64::from(NEVER)) as Second)
        } else {
            NEVER
        };
        let fails_at = self.draw_failure(policy, bought.group, ready_at);
        let node = Node {
            id: self.launched,
            offer,
            zone,
            created_at: self.now,
            ready_at,
            billed_from: self.now,
            drain: None,
            last_event: self.now,
            nominated_until: ready_at + policy.latencies.nomination,
            free: bought.room(),
            pods: vec![0; policy.workloads.len()].into(),
            pod_count: 0,
            images: 0,
            pulling_until: 0,
            buffered: 0,
            protected: Vec::new(),
            health: Health::Sound,
            fails_at,
            interrupted_at,
            expires_at: expire_after.map_or(NEVER, |after| self.now.saturating_add(after)),
        };
        self.next_timer = self.next_timer.min(node.next_timer());
        self.launched += 1;
        self.tally.image_mib += daemons.image_mib;
        *self.counts.of_mut(bought.purchase) += 1;
        self.vcpu_milli += bought.vcpu_milli;
        self.standing_cpu += daemons.idle_cpu;
        self.tally.launches[offer] += 1;
        let nodes = self.counts.total();
        if let Some(hour) = self.tally.hours.last_mut() {
            hour.peak_nodes = hour.peak_nodes.max(nodes);
        }
        self.settle_at = self.settle_at.min(ready_at);
        if let Some(free) = self.free.pop() {
            self.nodes[free] = Some(node);
            free
        } else {
            self.nodes.push(Some(node));
            self.nodes.len() - 1
        }
    }
}
