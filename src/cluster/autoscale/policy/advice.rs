//! Settings that are valid and yet surely not meant.

use super::{Deployment, Policy, Serving};
use crate::cluster::autoscale::{
    hpa::{Metric, Resource, Rules, Signal, replicas::PodTarget},
    job::Starts,
};

const RESOURCES: [Resource; 2] = [Resource::Cpu, Resource::Memory];

impl Policy {
    /// What its owner should know of the node pools and autoscalers, whatever the load.
    pub fn warnings(&self) -> Vec<String> {
        let idle = self.idle_daemons.iter().map(|name| {
            format!("{name}: no node of the cluster has the labels that this daemonset requires; it runs nowhere")
        });
        let mut warnings: Vec<String> = self.notes.iter().cloned().chain(idle).collect();
        for workload in &self.workloads {
            if let Some(Starts::Never(why)) = workload.job.as_ref().map(|job| &job.starts) {
                warnings.push(format!("{}: no run begins, as {why}", workload.name));
            }
            let found = without_messages(workload).into_iter().chain(without_effect(workload));
            warnings.extend(found.map(|text| format!("{}: {text}", workload.name)));
            let Some(rules) = &workload.hpa else { continue };
            let idle =
                rules.metrics.iter().filter_map(|metric| idle_asks_for_more(workload, metric));
            let runaway = rules.metrics.iter().filter_map(never_satisfied);
            let mut found: Vec<String> = idle.chain(runaway).collect();
            found.extend(RESOURCES.iter().filter_map(|of| has_no_value(workload, rules, *of)));
            if let Some(serving) = &workload.serving {
                found.extend(workers_bind_first(workload, serving, rules));
                let crowded =
                    rules.metrics.iter().filter_map(|metric| waits_first(serving, metric));
                found.extend(crowded);
            }
            warnings.extend(found.into_iter().map(|text| format!("{}: {text}", workload.name)));
        }
        warnings
    }
}

/// All workers are busy before the CPU reaches the autoscaler's band.
fn workers_bind_first(workload: &Deployment, serving: &Serving, rules: &Rules) -> Option<String> {
    let band = rules.band?;
    let busy = workload.idle_cpu + serving.pod_rps * serving.cpu_ms;
    let percent = 100.0 * busy / workload.request_cpu as f64;
    (serving.bound_by_workers && percent <= band.high() as f64).then(|| {
        format!(
            "all workers of a pod are busy at {percent:.0} % CPU, so an autoscaler at {} % never adds pods; raise concurrency, lower the target or scale on concurrency",
            band.target()
        )
    })
}

/// A pod without requests is above the target already, so replicas grow to the maximum and stay there.
fn idle_asks_for_more(workload: &Deployment, metric: &Metric) -> Option<String> {
    let (what, unit, idle, request, target) = match *metric {
        Metric::Cpu(target) => ("CPU", "m", workload.idle_cpu, workload.request_cpu as f64, target),
        Metric::Memory(target) => {
            ("memory", " MiB", workload.memory.idle, workload.request_memory as f64, target)
        }
        Metric::Container(own, target) if own.resource == Resource::Cpu => {
            ("CPU", "m", workload.idle_cpu * own.share, own.request as f64, target)
        }
        Metric::Container(own, target) => {
            ("memory", " MiB", workload.memory.idle * own.share, own.request as f64, target)
        }
        _ => return None,
    };
    let (most, goal) = match target {
        PodTarget::Utilization(percent) => (
            request * percent as f64 / 100.0,
            format!("{percent} % of the request of {request:.0}{unit}"),
        ),
        PodTarget::AverageValue(value) => (value as f64, format!("{value}{unit}")),
    };
    let key = if what == "CPU" { "idle_cpu_millicores" } else { "idle_memory_mib" };
    (idle > most).then(|| {
        format!(
            "an idle pod uses {idle:.0}{unit} of {what}, above its autoscaler's target ({goal}), so replicas stay at the maximum; raise the target or the request, or give {key}"
        )
    })
}

/// The utilization of a pod with a container that requests nothing has no value, so the autoscaler fails
/// (`FailedGetResourceMetric`), or goes by its other metrics, and only upwards.
fn has_no_value(workload: &Deployment, rules: &Rules, of: Resource) -> Option<String> {
    let fails = |metric: &Metric| *metric == Metric::Unrequested(of);
    if !rules.metrics.iter().any(fails) {
        return None;
    }
    let names = workload.unrequested.containers(of).join(", ");
    let outcome = if rules.ever_scales() {
        "the autoscaler goes by its other metrics and removes no pods".to_owned()
    } else {
        format!("the autoscaler does nothing and replicas stay at {}", workload.min_replicas)
    };
    let resource = of.name();
    Some(format!(
        "container {names} requests no {resource}, so {resource} utilization has no value (FailedGetResourceMetric): {outcome}; give it a request and remove it from containers_without_request, or use a ContainerResource metric of another container"
    ))
}

/// A container without a request that no metric minds.
fn without_effect(workload: &Deployment) -> Option<String> {
    let minded = |of: Resource| {
        let metrics = workload.hpa.iter().flat_map(|rules| &rules.metrics);
        metrics.clone().any(|metric| match metric {
            Metric::Unrequested(resource) => *resource == of,
            // Its own request is what counts, and none may be given for it.
            Metric::Container(container, _) => container.resource == of,
            _ => false,
        })
    };
    let idle = |of: &Resource| !workload.unrequested.containers(*of).is_empty() && !minded(*of);
    let of = RESOURCES.into_iter().find(idle)?.name();
    Some(format!(
        "containers_without_request.{of} has no effect, as no autoscaler compares the {of} utilization of these pods"
    ))
}

/// A queue that receives nothing.
fn without_messages(workload: &Deployment) -> Option<String> {
    (workload.has_queue && workload.serving.is_none()).then(|| {
        "its queue receives no messages: give calls_per, the messages for each request of a traffic class".into()
    })
}

/// The load is compared with a fixed value, however many pods share it; a queue gets shorter with more pods.
fn never_satisfied(metric: &Metric) -> Option<String> {
    let Metric::ExternalValue(signal, target) = *metric else { return None };
    if signal == Signal::QueueLength {
        return None;
    }
    Some(format!(
        "{} is the load of all pods, and more pods do not lower it: above {} replicas grow to the maximum, below it they fall to the minimum; give average_value for a target per pod",
        signal.name(),
        target as f64 / 1000.0
    ))
}

/// Requests wait in a pod before the autoscaler asks for another.
fn waits_first(serving: &Serving, metric: &Metric) -> Option<String> {
    use Signal::Concurrency;
    let (Metric::Pods(Concurrency, PodTarget::AverageValue(target))
    | Metric::ExternalAverageValue(Concurrency, target)) = *metric
    else {
        return None;
    };
    let target = target as f64 / 1000.0;
    (target > f64::from(serving.response.servers)).then(|| {
        format!(
            "a pod serves {} requests at once, so at a target of {target} concurrent ones some always wait; give {} or less",
            serving.response.servers, serving.response.servers
        )
    })
}
