//! How nodes live and go beyond what a pool says: batches, failures, capacity buffers.
//!
//! # Formula
//! ```text
//! buffer     max(replicas, ceil(percent × replicas of the workload / 100) ≥ 1), at most as many as its limits hold;
//!            with limits alone, as many as they hold
//! nomination max(2 × longest batch, 10 s)
//! ```
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/capacitybuffer/controller.go#computeReplicas`, `helpers.go`;
//! `pkg/controllers/provisioning/batcher.go#Wait`; `pkg/controllers/state/statenode.go#nominationWindow`.

use super::{Deployment, Inputs, Offer, Policy, Pool, deployment, problem, unknown};
use crate::{
    cluster::{
        autoscale::{
            Second,
            settings::{CapacityBuffer, Cluster, FeatureGate},
        },
        workload::Workload,
    },
    error::{Problem, nearest},
    facts::shapes::{Controllers, KarpenterDefaults},
};

/// Seconds of a month of 730 hours.
const MONTH: f64 = 730.0 * 3600.0;

/// How pods are batched, how nodes fail and are replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lifecycle {
    /// Seconds without a new pod after which nodes are planned.
    pub batch_idle: Second,
    /// Most seconds that pods wait for others.
    pub batch_max: Second,
    /// Failures of a node in a second.
    pub failures: f64,
    /// Seconds from a failure to the eviction of the pods.
    pub eviction: Second,
    /// Seconds from a failure to the replacement; none without the gate `NodeRepair`.
    pub repair: Option<Second>,
    /// Share of a pool's nodes, rounded up, above which none is replaced, in percent.
    pub unhealthy_percent: u32,
}

impl Lifecycle {
    /// What the controllers do by default, with nodes that never fail.
    pub fn new(controllers: &Controllers) -> Self {
        let Controllers { node, karpenter, .. } = controllers;
        Self {
            batch_idle: karpenter.batch_idle_seconds,
            batch_max: karpenter.batch_max_seconds,
            failures: 0.0,
            eviction: node.unreachable_seconds + node.unreachable_toleration_seconds,
            repair: None,
            unhealthy_percent: karpenter.repair_unhealthy_percent,
        }
    }
}

/// Seconds in which a node that pods are meant for is not disrupted.
pub(super) fn nomination(karpenter: &KarpenterDefaults, batch_max: Second) -> Second {
    (2 * batch_max).max(karpenter.nomination_least_seconds)
}

/// A capacity buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Buffer {
    /// Place among the workloads of what its pods ask for.
    pub pods: usize,
    /// Place of the workload that it is for.
    pub workload: Option<usize>,
    /// Pods that it keeps room for.
    pub replicas: u32,
    /// The same as a share of the workload's replicas; 0 is none.
    pub percent: u32,
    /// Most pods that its limits hold, where it has any.
    pub most: Option<u32>,
    /// Whether it is kept outside the account's schedule.
    pub always_on: bool,
}

impl Buffer {
    /// How many pods it keeps room for while its workload has so many replicas.
    pub fn size(&self, replicas: u32) -> u32 {
        let share = u64::from(replicas) * u64::from(self.percent);
        let share = u32::try_from(share.div_ceil(100)).unwrap_or(u32::MAX);
        let wanted = self.replicas.max(share);
        self.most.map_or(wanted, |most| wanted.min(most))
    }
}

impl Deployment {
    /// Whether anything keeps its pods from being evicted.
    pub(super) fn is_guarded(&self) -> bool {
        self.available.is_some() || self.do_not_disrupt || self.do_not_disrupt_seconds.is_some()
    }
}

impl Policy {
    /// Workloads that have pods: those after them stand for pods of capacity buffers.
    pub fn real_workloads(&self) -> usize {
        self.workloads.len() - self.buffers.len()
    }

    /// What a scenario says of batches and failures, and what of it has no effect.
    pub(super) fn set_lifecycle(&mut self, inputs: &Inputs<'_>) {
        let (cluster, karpenter) = (inputs.cluster, &inputs.catalog.controllers.karpenter);
        let rules = &mut self.lifecycle;
        rules.batch_idle = cluster.batch_idle_seconds.unwrap_or(rules.batch_idle);
        rules.batch_max = cluster.batch_max_seconds.unwrap_or(rules.batch_max);
        self.latencies.nomination = nomination(karpenter, rules.batch_max);
        rules.failures = cluster.node_failures_per_month / MONTH;
        let repairs = cluster.feature_gates.contains(&FeatureGate::NodeRepair);
        let seconds =
            inputs.catalog.controllers.node.unreachable_seconds + karpenter.repair_seconds;
        rules.repair = repairs.then_some(seconds);
        self.notes.extend(batch_note(cluster, *rules, self.tick_seconds));
        if repairs && cluster.node_failures_per_month <= 0.0 {
            self.notes.push(
                "cluster.feature_gates: NodeRepair has no effect while node_failures_per_month is 0".into(),
            );
        }
        self.notes.extend(stuck_drains(&self.workloads, &self.pools));
    }
}

/// Windows within a tick do not show.
fn batch_note(cluster: &Cluster, rules: Lifecycle, tick: Second) -> Option<String> {
    let given = cluster.batch_idle_seconds.is_some() || cluster.batch_max_seconds.is_some();
    let wait = rules.batch_idle.min(rules.batch_max);
    (given && wait < tick).then(|| {
        let key = if cluster.batch_idle_seconds.is_some() { "idle" } else { "max" };
        format!(
            "cluster.batch_{key}_seconds: a wait of {wait} s lies within a tick of {tick} s, so it delays no node; it still sets for how long new nodes are not disrupted"
        )
    })
}

/// Nodes that expire and never end, because pods that are not to be disrupted hold them.
fn stuck_drains(workloads: &[Deployment], pools: &[Pool]) -> Vec<String> {
    let endless = |pool: &&Pool| pool.expire_after.is_some() && pool.termination_grace.is_none();
    let held = |pool: &Pool| {
        let own = |workload: &&Deployment| {
            workload.do_not_disrupt && workload.groups.contains(pool.group)
        };
        let names: Vec<&str> = workloads.iter().filter(own).map(|own| &*own.name).collect();
        (!names.is_empty()).then(|| {
            format!(
                "cluster.node_pools.{}.termination_grace_seconds: without it, expired nodes with pods of {} (do_not_disrupt) keep draining, and costing, until those pods end",
                pool.name,
                names.join(", ")
            )
        })
    };
    pools.iter().filter(endless).filter_map(held).collect()
}

/// Capacity buffers; what their pods ask for is added to the workloads.
pub(super) fn buffers(
    inputs: &Inputs<'_>,
    pools: &[Pool],
    offers: &[Offer],
    workloads: &mut Vec<Deployment>,
    problems: &mut Vec<Problem>,
) -> Vec<Buffer> {
    let cluster = inputs.cluster;
    let (idle, max) = (cluster.batch_idle_seconds, cluster.batch_max_seconds);
    let defaults = &inputs.catalog.controllers.karpenter;
    let (wait, most) =
        (idle.unwrap_or(defaults.batch_idle_seconds), max.unwrap_or(defaults.batch_max_seconds));
    if wait > most {
        let (key, message) = if idle.is_some() {
            (
                "cluster.batch_idle_seconds",
                format!(
                    "{wait} is above batch_max_seconds ({most}), which then ends every batch; give {most} or less, or raise it"
                ),
            )
        } else {
            (
                "cluster.batch_max_seconds",
                format!(
                    "{most} is below batch_idle_seconds ({wait}); give {wait} or more, or lower it"
                ),
            )
        };
        problems.push(problem(key, message));
    }
    let given = &cluster.capacity_buffers;
    if !given.is_empty() && !cluster.feature_gates.contains(&FeatureGate::CapacityBuffer) {
        let message = "Karpenter ignores them without its gate; add \"CapacityBuffer\" to cluster.feature_gates";
        problems.push(problem("cluster.capacity_buffers", message.into()));
    }
    let real = workloads.len();
    let mut all = Vec::new();
    for (name, settings) in given {
        let known = &workloads[..real];
        match buffer(inputs, pools, offers, known, (name, settings)) {
            Ok((pods, buffer)) => {
                all.push(Buffer { pods: workloads.len(), ..buffer });
                workloads.push(pods);
            }
            Err(found) => problems.extend(found),
        }
    }
    all
}

fn buffer(
    inputs: &Inputs<'_>,
    pools: &[Pool],
    offers: &[Offer],
    known: &[Deployment],
    (name, settings): (&str, &CapacityBuffer),
) -> Result<(Deployment, Buffer), Vec<Problem>> {
    let key = |field: &str| format!("cluster.capacity_buffers.{name}{field}");
    let mut problems = contradictions(name, settings);
    let mut workload = None;
    let shape = match (&settings.workload, &settings.requests) {
        (Some(of), None) => {
            workload = known.iter().position(|own| own.name == *of);
            if workload.is_none() && !inputs.workloads.contains_key(of) {
                let near = nearest(of, known.iter().map(|own| &*own.name));
                problems.push(problem(&key(".workload"), unknown("workload", of, near)));
            } else if workload.is_none()
                && inputs.workloads[of].kind == crate::cluster::workload::Kind::DaemonSet
            {
                let message = format!(
                    "{of} is a daemonset, whose pods need no room of a buffer; name a deployment"
                );
                problems.push(problem(&key(".workload"), message));
            }
            workload.map(|place| known[place].clone())
        }
        (None, Some(requests)) => {
            let pods = template(name, settings, *requests);
            match pods.map(|pods| deployment::build(inputs, pools, offers, (name, &pods))) {
                Ok(Ok(pods)) => Some(pods),
                Ok(Err(found)) => {
                    problems.extend(found.into_iter().map(|found| renamed(found, name)));
                    None
                }
                Err(message) => {
                    problems.push(problem(&key(""), message));
                    None
                }
            }
        }
        _ => {
            problems.push(problem(&key(""), "give exactly one of workload and requests".into()));
            None
        }
    };
    let Some(shape) = shape.filter(|_| problems.is_empty()) else { return Err(problems) };
    let most = settings.limits.and_then(|limits| {
        let fits = |limit: Option<f64>, request: i64| {
            limit.filter(|_| request > 0).map(|limit| (limit / request as f64).floor() as u32)
        };
        let cpu = fits(limits.cpu_millicores, shape.request_cpu);
        let memory = fits(limits.memory_mib, shape.request_memory);
        cpu.into_iter().chain(memory).min()
    });
    let sized = settings.replicas.is_some() || settings.percent.is_some();
    if !sized && most.is_none() {
        let message = "limits name no resource that its pods request, so the buffer has no size; give replicas";
        return Err(vec![problem(&key(".limits"), message.into())]);
    }
    let pods = Deployment {
        groups: shape.groups,
        selects: shape.selects,
        avoids: shape.avoids,
        refused: shape.refused,
        max_replicas: Some(0),
        ..Deployment::new(name.to_owned(), shape.request_cpu, shape.request_memory)
    };
    let buffer = Buffer {
        pods: 0,
        workload,
        replicas: if sized { settings.replicas } else { most }.unwrap_or(0),
        percent: settings.percent.unwrap_or(0),
        most,
        always_on: workload.is_some_and(|place| known[place].always_on),
    };
    Ok((pods, buffer))
}

/// Fields of a buffer that do not go together, whatever the workloads.
fn contradictions(name: &str, settings: &CapacityBuffer) -> Vec<Problem> {
    let key = |field: &str| format!("cluster.capacity_buffers.{name}{field}");
    let mut problems = Vec::new();
    if settings.percent.is_some() && settings.workload.is_none() {
        let message =
            "is a share of a workload's replicas; give workload, or replicas in its place";
        problems.push(problem(&key(".percent"), message.into()));
    }
    for (field, given) in [
        (".tolerations", !settings.tolerations.is_empty()),
        (".node_pools", !settings.node_pools.is_empty()),
    ] {
        if given && settings.workload.is_some() {
            let message = "has no effect with workload, whose own the pods take; remove it";
            problems.push(problem(&key(field), message.into()));
        }
    }
    if settings.replicas.is_none() && settings.percent.is_none() && settings.limits.is_none() {
        let message = "has no size; give replicas, percent or limits";
        problems.push(problem(&key(""), message.into()));
    }
    problems
}

/// A workload with the pods of a buffer that is for none.
fn template(
    name: &str,
    settings: &CapacityBuffer,
    requests: crate::cluster::workload::Resources,
) -> Result<Workload, String> {
    // Every other field has a default, whatever fields a workload gets.
    let text = "requests = { cpu_millicores = 0, memory_mib = 0 }\nreplicas = 0";
    let mut pods: Workload = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    pods.requests = requests;
    pods.tolerations.clone_from(&settings.tolerations);
    pods.node_pools.clone_from(&settings.node_pools);
    Ok(pods)
}

/// A problem of a workload as one of its buffer.
fn renamed(mut found: Problem, name: &str) -> Problem {
    let prefix = format!("workloads.{name}.");
    if let Some(field) = found.place.key.as_deref().and_then(|key| key.strip_prefix(&*prefix)) {
        found.place.key = Some(format!("cluster.capacity_buffers.{name}.{field}"));
    }
    found
}
