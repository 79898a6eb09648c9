//! Deployments: their settings with every default filled in, and what contradicts in them.

use super::{Deployment, Inputs, Offer, Pool, problem, unknown};
use crate::{
    autoscale::hpa::{Band, Rules},
    error::{Problem, nearest},
    workload::Workload,
};

/// Collects the problems of one workload under its key.
struct Report<'a> {
    name: &'a str,
    problems: Vec<Problem>,
}

impl Report<'_> {
    fn add(&mut self, key: &str, message: String) {
        self.problems.push(problem(&format!("workloads.{}.{key}", self.name), message));
    }
}

/// One deployment; `offers` is empty while it is not known what the groups may buy.
pub(super) fn build(
    inputs: &Inputs<'_>,
    pools: &[Pool],
    offers: &[Offer],
    (name, workload): (&str, &Workload),
) -> Result<Deployment, Vec<Problem>> {
    let mut report = Report { name, problems: Vec::new() };
    let groups = groups(workload, pools, &mut report);
    check_names(inputs, workload, &mut report);
    let request_cpu = workload.requests.cpu_millicores.ceil() as i64;
    let request_memory = workload.requests.memory_mib.ceil() as i64;
    if groups != 0 {
        let allowed = offers.iter().filter(|offer| groups & (1 << offer.group) != 0);
        check_fit(allowed, request_cpu, request_memory, &mut report);
    }
    check_limits(workload, &mut report);
    let hpa = workload.hpa.as_ref().map(|hpa| rules(inputs, hpa));
    if let Some(rules) = &hpa {
        check_rules(rules, workload, &mut report);
    }
    if !report.problems.is_empty() {
        return Err(report.problems);
    }
    let fixed = workload.replicas.unwrap_or(0);
    let node_cpu = offers.first().map_or(0.0, |offer| offer.cpu as f64);
    Ok(Deployment {
        name: name.to_owned(),
        requests_per_session: workload
            .requests_per_session(|class| inputs.classes.get(class).map(|c| c.per_session)),
        cpu_ms_per_request: workload.cpu_ms_per_request,
        idle_cpu: workload.idle_cpu_millicores,
        request_cpu,
        request_memory,
        limit_cpu: workload.limits.map_or(node_cpu, |limits| limits.cpu_millicores),
        min_replicas: hpa.as_ref().map_or(fixed, |rules| rules.min_replicas),
        max_replicas: hpa.as_ref().map_or(fixed, |rules| rules.max_replicas),
        startup_seconds: workload.startup_seconds,
        image_mib: workload.image_mib,
        hpa,
        always_on: workload.always_on,
        groups,
    })
}

/// Bits of the groups it may run on.
fn groups(workload: &Workload, pools: &[Pool], report: &mut Report<'_>) -> u32 {
    let mut groups = if workload.node_pools.is_empty() { u32::MAX } else { 0 };
    for pool in &workload.node_pools {
        match pools.iter().find(|known| known.name == *pool) {
            Some(known) => groups |= 1 << known.group,
            None if pool == "baseline" => groups |= 1,
            None => {
                let names = pools.iter().map(|known| &*known.name).chain(["baseline"]);
                report.add("node_pools", unknown("node pool", pool, nearest(pool, names)));
            }
        }
    }
    groups
}

fn check_names(inputs: &Inputs<'_>, workload: &Workload, report: &mut Report<'_>) {
    for class in workload.calls_per.keys().filter(|class| !inputs.classes.contains_key(*class)) {
        let near = nearest(class, inputs.classes.keys().map(|known| &**known));
        report.add("calls_per", unknown("traffic class", class, near));
    }
    if let (Some(_), Some(_)) | (None, None) = (&workload.replicas, &workload.hpa) {
        report.add("replicas", "give exactly one of replicas and hpa".into());
    }
}

fn check_fit<'a>(
    allowed: impl Iterator<Item = &'a Offer>,
    cpu: i64,
    memory: i64,
    report: &mut Report<'_>,
) {
    let rooms: Vec<(i64, i64)> = allowed.map(|offer| (offer.cpu, offer.memory)).collect();
    let Some(most) = rooms.iter().max() else { return };
    if !rooms.iter().any(|room| room.0 >= cpu && room.1 >= memory) {
        report.add(
            "requests",
            format!(
                "{cpu}m CPU and {memory} MiB fit no allowed instance type; the largest leaves {}m and {} MiB",
                most.0, most.1
            ),
        );
    }
}

fn check_limits(workload: &Workload, report: &mut Report<'_>) {
    if let Some(limits) = &workload.limits {
        let pairs = [
            ("cpu_millicores", limits.cpu_millicores, workload.requests.cpu_millicores),
            ("memory_mib", limits.memory_mib, workload.requests.memory_mib),
        ];
        for (key, limit, request) in pairs {
            if limit < request {
                let message =
                    format!("{limit} is below the request ({request}); give {request} or more");
                report.add(&format!("limits.{key}"), message);
            }
        }
        let idle = workload.idle_cpu_millicores;
        if idle >= limits.cpu_millicores {
            let message = format!(
                "{idle} leaves nothing of the CPU limit ({}) for requests",
                limits.cpu_millicores
            );
            report.add("idle_cpu_millicores", message);
        }
    }
}

fn check_rules(rules: &Rules, workload: &Workload, report: &mut Report<'_>) {
    let (least, most) = (rules.min_replicas, rules.max_replicas);
    if most < least {
        let message = format!("{most} is below min_replicas ({least}); give {least} or more");
        report.add("hpa.max_replicas", message);
    }
    let reached = workload
        .limits
        .map(|limits| (100.0 * limits.cpu_millicores / workload.requests.cpu_millicores).trunc());
    let band = f64::from(rules.band.high());
    if let Some(reached) = reached.filter(|reached| *reached <= band) {
        let message = format!(
            "can never ask for more pods: the CPU limit ends at {reached} % of the request, inside the tolerance of {} %; lower the target or raise the limit",
            rules.band.target()
        );
        report.add("hpa.target_cpu_utilization", message);
    }
    if workload.requests.cpu_millicores <= 0.0 {
        let message = "CPU utilization needs a CPU request above 0".into();
        report.add("requests.cpu_millicores", message);
    }
}

fn rules(inputs: &Inputs<'_>, hpa: &crate::workload::Hpa) -> Rules {
    let defaults = &inputs.catalog.controllers.hpa;
    let target = hpa.target_cpu_utilization.unwrap_or(defaults.target_cpu_utilization);
    let reconciles = (inputs.tick_seconds / defaults.sync_period_seconds).max(1);
    Rules {
        min_replicas: hpa.min_replicas.unwrap_or(defaults.min_replicas),
        max_replicas: hpa.max_replicas,
        band: Band::new(target, hpa.tolerance.unwrap_or(defaults.tolerance)),
        stabilization_seconds: hpa
            .scale_down_stabilization_seconds
            .unwrap_or(defaults.scale_down_stabilization_seconds),
        scale_up_factor: defaults.scale_up_factor.powi(reconciles as i32),
        scale_up_minimum: defaults.scale_up_minimum,
    }
}
