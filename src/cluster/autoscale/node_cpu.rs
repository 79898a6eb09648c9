//! CPU of pods that may use more than a node has: those without a CPU limit, or with one above what the smallest
//! node has that they may run on.
//!
//! # Formula
//! ```text
//! room of a node  = allocatable − CPU of its daemonsets and of pods on it that serve no requests
//! part of a pod   = room / pods of the workload on the node
//! CPU of the pods = pods / mean over pods of (1 / part)  −  CPU of other workloads on the same nodes
//! at least        = pods / mean over pods of (Σ requests on the node / (allocatable × request of a pod))
//! most requests/s = (CPU − idle CPU) / CPU of a request,  at most what limits and workers allow
//! p95             = M/M/c with c = the room of a node in cores, at most the workers of a pod
//! ```
//! Requests reach all pods alike, so a request meets a node as often as the node has pods: the mean is of
//! utilizations, and a crowded node counts more than an empty one adds.
//!
//! # Source
//! Kubernetes documentation, "Resource Management for Pods and Containers": without a limit, "the container could use
//! all of the CPU resources available on the node where it is running"; "the CPU request typically defines a
//! weighting. If several different containers (cgroups) want to run on a contended system, workloads with larger CPU
//! requests are allocated more CPU time than workloads with small requests". A request of 0 has the least weight:
//! kubernetes/kubernetes `pkg/kubelet/cm/helpers_linux.go#MilliCPUToShares`.
//! # Limits
//! The pods of a workload are equally busy. Of three and more workloads that all want more than their part of a node,
//! none gets what another leaves of its part.

use std::sync::Arc;

use super::{
    Cluster, Replicas,
    policy::{NodeBound, Policy, Response, Serving},
    serve::{Server, Tick},
};

/// What nodes give the pods of one workload, from one change of pods to the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OnNodes {
    /// CPU while no other workload on the nodes serves requests, in millicores.
    cpu: f64,
    /// CPU by requests, which they get however busy the others are, in millicores.
    least: f64,
    /// Other workloads that serve on these nodes.
    others: Vec<Other>,
    /// How requests wait for the cores of a node.
    pub(super) response: Arc<Response>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Other {
    workload: usize,
    /// How much of the CPU that all of its pods use is CPU that these lack.
    share: f64,
}

/// What nodes do not give in a tick.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bound {
    /// CPU that the pods need and the nodes lack, in millicores.
    pub(super) lost: f64,
    /// CPU above requests, in millicores.
    pub(super) above: f64,
}

impl Cluster {
    /// Workloads whose nodes bound their CPU: what each gets of what all of them ask for.
    #[inline(never)]
    pub(super) fn serve_on_nodes(&mut self, policy: &Policy, tick: Tick) -> Bound {
        if !self.divided {
            for &index in &policy.node_bound {
                self.workloads[index].on_nodes = self.divide(policy, index).map(Box::new);
            }
            self.divided = true;
        }
        // What all ask for, before any of them gets less.
        for &index in &policy.node_bound {
            let replicas = &self.workloads[index];
            let (Some(on_nodes), Some(serving)) =
                (&replicas.on_nodes, &policy.workloads[index].serving)
            else {
                continue;
            };
            let usage = |other: usize| self.workloads[other].usage;
            let capacity = replicas.capacity_on_nodes(serving, on_nodes, usage);
            let replicas = &mut self.workloads[index];
            replicas.load = if replicas.asked > 0.0 { replicas.asked / capacity } else { 0.0 };
        }
        let mut bound = Bound::default();
        for &index in &policy.node_bound {
            let workload = &policy.workloads[index];
            let Some(serving) = &workload.serving else { continue };
            let replicas = &mut self.workloads[index];
            bound.lost += replicas.lose_on_nodes(serving);
            if replicas.usage > replicas.requested {
                bound.above += replicas.usage - replicas.requested;
                continue;
            }
            let own = replicas.own_response();
            let response = own.as_deref().unwrap_or(&serving.response);
            let tally = &mut self.tally.workloads[index];
            let server = Server { index, workload, serving, response };
            replicas.count(server, tally, tick, &mut self.log);
        }
        bound
    }

    /// What the ready nodes give the pods of a workload; nothing while it has none that is ready.
    fn divide(&self, policy: &Policy, index: usize) -> Option<OnNodes> {
        let asks = &policy.workloads[index];
        let serving = asks.serving.as_ref()?;
        let bound = serving.node_bound.as_ref()?;
        let replicas = &self.workloads[index];
        let weight = |request: i64| (request as f64).max(policy.least_cpu_weight);
        let request = weight(asks.request_cpu);
        let mut beside = vec![0.0; policy.workloads.len()];
        let (mut own, mut rooms, mut cores, mut by_room, mut by_weight) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let ready = self.nodes().filter(|node| node.ready_at <= self.now);
        for node in ready.filter(|node| node.pods[index] > 0) {
            let (cpu, daemons) =
                (policy.offers[node.offer].cpu as f64, policy.daemons_on(node.offer));
            let (mut idle, mut weights) = (daemons.idle_cpu, daemons.cpu as f64);
            for (other, pods) in node.pods.iter().enumerate().filter(|(_, pods)| **pods > 0) {
                let (asks, pods) = (&policy.workloads[other], f64::from(*pods));
                weights += pods * weight(asks.request_cpu);
                if asks.serving.is_none() {
                    idle += pods * asks.idle_cpu;
                } else if other != index {
                    beside[other] += pods;
                }
            }
            let pods = f64::from(node.pods[index]);
            let room = (cpu - idle).max(pods * request);
            own += pods;
            rooms += room;
            cores += pods * room;
            by_room += pods * pods / room;
            by_weight += pods * weights / (cpu * request);
        }
        if replicas.ready == 0 || own <= 0.0 {
            return None;
        }
        let pods = f64::from(replicas.ready);
        let cpu = pods * own / by_room;
        let known = |(workload, count): (usize, f64)| {
            let other = &self.workloads[workload];
            let all = f64::from(other.ready + other.starting).max(count);
            Other { workload, share: cpu / rooms * (count / all) }
        };
        let others = beside.into_iter().enumerate().filter(|(_, count)| *count > 0.0);
        let servers = servers(serving, bound, cores / own);
        Some(OnNodes {
            cpu,
            least: pods * own / by_weight,
            others: others.map(known).collect(),
            response: replicas.response_of(serving, bound, servers),
        })
    }
}

/// Requests that the room of a node (millicores) serves at once: a request takes one core while it computes. Large
/// numbers are rounded, as nothing depends on one of a hundred.
fn servers(serving: &Serving, bound: &NodeBound, room: f64) -> u32 {
    let cores = room.min(bound.limit) / 1000.0;
    let at_once = (cores * bound.service_ms / serving.cpu_ms).round().clamp(1.0, 1e4) as u32;
    let step = (at_once / 32 + 1).next_power_of_two();
    (at_once / step * step).clamp(1, bound.workers)
}

impl Replicas {
    /// How requests wait on its nodes, where these bound it.
    pub(super) fn own_response(&self) -> Option<Arc<Response>> {
        self.on_nodes.as_ref().map(|on_nodes| Arc::clone(&on_nodes.response))
    }

    /// How requests wait for so many servers of a node; the one that there is, if it is for as many.
    fn response_of(&self, serving: &Serving, bound: &NodeBound, servers: u32) -> Arc<Response> {
        if let Some(known) = self.own_response().filter(|known| known.servers == servers) {
            return known;
        }
        let (in_queue, counted) = (serving.queue.is_some(), serving.response.in_system.is_some());
        let of = (servers, bound.service_ms);
        let mut response = Response::new(of, bound.quantile, in_queue, counted);
        response.seconds_per_server = Some(bound.service_ms / 1000.0 / f64::from(servers));
        if bound.late_ms.is_finite() {
            response.count_late(bound.late_ms);
        }
        Arc::new(response)
    }

    /// Requests that its pods serve at most [1/s], from what the other workloads use of their nodes (millicores).
    pub(super) fn capacity_on_nodes(
        &self,
        serving: &Serving,
        on_nodes: &OnNodes,
        usage: impl Fn(usize) -> f64,
    ) -> f64 {
        let taken: f64 = on_nodes.others.iter().map(|own| own.share * usage(own.workload)).sum();
        let cpu = (on_nodes.cpu - taken).max(on_nodes.least).max(self.requested);
        ((cpu - self.idle_usage) / serving.cpu_ms).max(0.0).min(self.capacity)
    }

    /// Cuts the usage of overloaded pods to what their nodes give; returns what they need beyond it, in millicores.
    fn lose_on_nodes(&mut self, serving: &Serving) -> f64 {
        if self.on_nodes.is_none() || self.load <= 1.0 {
            return 0.0;
        }
        let needed = self.usage;
        self.usage = self.idle_usage + self.asked / self.load * serving.cpu_ms;
        needed - self.usage
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        NodeState,
        tests::{Company, POOL, luck},
    };
    use super::*;
    use crate::cluster::queueing::response_quantile;

    /// One m7g.xlarge, 3,920 millicores for pods, with these pods of `api` and `page`: 500m and 1,000m requested,
    /// 100 ms of CPU for a request.
    fn node(limits: &str, pods: [u32; 2], page_calls: f64) -> (Policy, Cluster) {
        let mut company = Company::new(POOL);
        for (name, calls, cpu) in [("api", 1.0, 500), ("page", page_calls, 1000)] {
            let text = format!(
                "calls_per = {{ api = {calls} }}\ncpu_ms_per_request = 100\nreplicas = 1\n\
                 requests = {{ cpu_millicores = {cpu}, memory_mib = 256 }}\n{limits}"
            );
            company.workloads.insert(name.to_owned(), toml::from_str(&text).unwrap());
        }
        let policy = company.policy().unwrap();
        let wanted = |offer: &super::super::policy::Offer| offer.instance_type == "m7g.xlarge";
        let offer = policy.offers.iter().position(wanted).unwrap();
        assert_eq!(policy.offers[offer].cpu, 3920);
        let state = NodeState { offer, pods: pods.to_vec(), ..NodeState::default() };
        let cluster = Cluster::from_state(&policy, &[state], &[0, 0], luck());
        (policy, cluster)
    }

    /// Requests a second as sessions a minute.
    fn serve(policy: &Policy, cluster: &mut Cluster, rps: f64) {
        cluster.serve(policy, 60.0 * rps);
    }

    fn near(value: f64, wanted: f64) {
        assert!((value / wanted - 1.0).abs() < 0.005, "{value} is not {wanted}");
    }

    /// 30 requests/s × 100 ms are 3,000 of 3,920 millicores: 77 % of four cores that the two pods share.
    #[test]
    fn pods_without_a_limit_share_the_cores_of_their_node() {
        let (policy, mut cluster) = node("", [2, 0], 0.0);
        serve(&policy, &mut cluster, 30.0);
        let api = &cluster.workloads()[0];
        near(api.load, 30.0 / 39.2);
        near(api.p95_ms, 100.0 * response_quantile(4.0 * 30.0 / 39.2, 4, 0.95));
        near(api.usage, 3000.0);
        // 50 requests/s ask for 5,000: what the node has is used, and 39.2 are served.
        serve(&policy, &mut cluster, 50.0);
        near(cluster.workloads()[0].load, 50.0 / 39.2);
        near(cluster.workloads()[0].usage, 3920.0);
    }

    /// A limit above the node bounds nothing; one below is the limit that it was before.
    #[test]
    fn a_limit_counts_where_it_is_below_the_node() {
        let limit = |cpu: u32| format!("limits = {{ cpu_millicores = {cpu}, memory_mib = 512 }}");
        for (limits, served) in [(limit(1_000_000), 39.2), (limit(3000), 30.0), (limit(1000), 10.0)]
        {
            let (policy, mut cluster) = node(&limits, [1, 0], 0.0);
            serve(&policy, &mut cluster, 50.0);
            near(cluster.workloads()[0].load, 50.0 / served);
        }
    }

    /// Both busy: 3,920 × 500 / 1,500 and × 1,000 / 1,500. One that wants 1,000 leaves 2,920 to the other.
    #[test]
    fn busy_pods_get_cpu_by_their_requests_and_what_the_others_leave() {
        let (policy, mut cluster) = node("", [1, 1], 1.0);
        serve(&policy, &mut cluster, 100.0);
        let [api, page] = cluster.workloads() else { unreachable!() };
        near(api.usage, 3920.0 / 3.0);
        near(page.usage, 3920.0 * 2.0 / 3.0);
        let (policy, mut cluster) = node("", [1, 1], 0.1);
        serve(&policy, &mut cluster, 100.0);
        let [api, page] = cluster.workloads() else { unreachable!() };
        near(page.usage, 1000.0);
        near(api.usage, 2920.0);
    }

    /// Six pods on two nodes, five of them on one.
    #[test]
    fn a_crowded_node_counts_as_often_as_it_has_pods() {
        let (policy, one) = node("", [1, 0], 0.0);
        let offer = one.nodes().next().unwrap().offer;
        let state = |pods: u32| NodeState { offer, pods: vec![pods, 0], ..NodeState::default() };
        let mut cluster = Cluster::from_state(&policy, &[state(1), state(5)], &[0, 0], luck());
        serve(&policy, &mut cluster, 24.0);
        // 4 requests/s a pod: 4 / 39.2 on the one node, 20 / 39.2 on the other, met by one pod and by five.
        let mean = (4.0 / 39.2 + 5.0 * 20.0 / 39.2) / 6.0;
        near(cluster.workloads()[0].load, mean);
    }
}
