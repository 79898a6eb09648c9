//! Deployments: their settings with every default filled in, and what contradicts in them.

use super::{
    Available, Deployment, Inputs, NodeBound, Offer, Pool, Queue, Response, Serving, Spread,
    affinity, job, keda, problem, scaling,
    taint::{self, Effect, Taint},
    unknown,
};
use super::{PodMemory, Unrequested};
use crate::{
    cluster::autoscale::group::{Group, Groups},
    measure::random::Lognormal,
};
use crate::{
    cluster::{
        autoscale::hpa::{Resource, Rules},
        workload::{
            DisruptionBudget, NodeRequirements, Pods, Reached, TopologyKey, WhenUnsatisfiable,
            Workload,
        },
    },
    error::{Problem, nearest},
    facts::shapes::Catalog,
};

/// Collects the problems of one workload under its key.
pub(super) struct Report<'a> {
    name: &'a str,
    problems: Vec<Problem>,
}

impl Report<'_> {
    pub(super) fn add(&mut self, key: &str, message: String) {
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
    let Reach { selects, groups, avoids } = reach(inputs, workload, pools, &mut report);
    check_names(inputs, workload, &mut report);
    let request_cpu = workload.requests.cpu_millicores.ceil() as i64;
    let request_memory = workload.requests.memory_mib.ceil() as i64;
    let refused = refused(inputs, workload, (pools, offers), &mut report);
    let allowed = || {
        let may = |(index, offer): &(usize, &Offer)| {
            groups.contains(offer.group) && !refused.get(*index).copied().unwrap_or(false)
        };
        offers.iter().enumerate().filter(may).map(|(_, offer)| offer)
    };
    if !groups.is_empty() && !offers.is_empty() && allowed().next().is_none() {
        let message =
            "no node that it may run on has all of these labels; name others, or allow more pools";
        let key = if workload.node_alternatives.is_empty() {
            "node_requirements"
        } else {
            "node_alternatives"
        };
        report.add(key, message.into());
    } else if !groups.is_empty() {
        check_fit(allowed(), request_cpu, request_memory, &mut report);
    }
    check_limits(workload, &mut report);
    check_protection(workload, &mut report);
    check_queue(workload, &mut report);
    let given = workload.hpa.as_ref();
    let hpa = given.and_then(|hpa| scaling::rules(inputs, (workload, hpa), &mut report));
    if let Some(rules) = &hpa {
        scaling::check(inputs, rules, workload, &mut report);
    }
    let triggers = workload.hpa.as_ref().and_then(|hpa| keda::triggers(inputs, hpa, &mut report));
    let to_zero = triggers.as_ref().is_some_and(|triggers| triggers.cooldown.is_some());
    let available = available(workload.disruption_budget.as_ref(), &mut report);
    let least_machine = allowed().map(|offer| offer.vcpu_milli).min().unwrap_or(i64::MAX) as f64;
    let node_cpu = allowed().map(|offer| offer.cpu).max().unwrap_or(0) as f64;
    let fixed = workload.replicas.unwrap_or(0);
    let max_replicas = hpa.as_ref().map_or(fixed, |rules| rules.max_replicas);
    let job = job::rules(inputs, workload, &mut report);
    let max_replicas = job.as_ref().map_or(max_replicas, |job| job.parallelism);
    check_spread(inputs, workload, max_replicas, &mut report);
    let affinity = affinity::build(inputs, pools, offers, (name, workload), &mut report);
    if !report.problems.is_empty() {
        return Err(report.problems);
    }
    let startup = f64::from(workload.startup_seconds);
    let p95 = workload.startup_p95_seconds.map_or(startup, f64::from);
    let idle_memory = workload.idle_memory_mib.unwrap_or(request_memory as f64);
    Ok(Deployment {
        name: name.to_owned(),
        serving: serving(inputs, workload, hpa.as_ref(), (least_machine, node_cpu)),
        unrequested: unrequested(workload),
        has_queue: workload.queue.is_some(),
        idle_cpu: workload.idle_cpu_millicores,
        request_cpu,
        request_memory,
        memory: PodMemory { idle: idle_memory, per_request: workload.memory_mib_per_request },
        // KEDA goes below the least of its autoscaler.
        min_replicas: hpa.as_ref().map_or(fixed, |rules| {
            if to_zero || rules.keda.is_some() { 0 } else { rules.min_replicas }
        }),
        max_replicas: (!workload.kind.is_job()).then_some(max_replicas),
        startup: Lognormal::from_p95(startup, p95),
        image_mib: workload.image_mib,
        hpa,
        always_on: workload.always_on,
        groups,
        selects,
        avoids,
        refused,
        zone_spread: spread(workload, TopologyKey::Zone),
        host_spread: spread(workload, TopologyKey::Hostname),
        available,
        do_not_disrupt: workload.do_not_disrupt,
        job: job.map(Box::new),
        triggers: triggers.map(Box::new),
        do_not_disrupt_seconds: workload.do_not_disrupt_seconds,
        affinity,
    })
}

fn check_protection(workload: &Workload, report: &mut Report<'_>) {
    if workload.do_not_disrupt && workload.do_not_disrupt_seconds.is_some() {
        let message = "do_not_disrupt = true protects pods for ever; give one of the two";
        report.add("do_not_disrupt_seconds", message.into());
    }
}

/// How the pods serve; `None` for what serves no requests.
fn serving(
    inputs: &Inputs<'_>,
    workload: &Workload,
    hpa: Option<&Rules>,
    (least_machine, node_cpu): (f64, f64),
) -> Option<Serving> {
    let classes = inputs.classes;
    let per_session =
        workload.requests_per_session(|class| classes.get(class).map(|c| c.per_session));
    if per_session <= 0.0 {
        return None;
    }
    let facts = &inputs.catalog.controllers.serving;
    let cpu_ms = workload.cpu_ms_per_request;
    let limit = workload.limits.map_or(f64::INFINITY, |limits| limits.cpu_millicores);
    let limit_cpu = limit.min(node_cpu);
    // A request is on a worker for as long as its CPU takes at the limit, or longer if it waits.
    let room = (limit_cpu - workload.idle_cpu_millicores).max(1.0);
    let service_ms = workload.service_ms_per_request.unwrap_or(cpu_ms).max(cpu_ms).max(1e-3);
    let by_cpu = if cpu_ms > 0.0 { room / cpu_ms } else { f64::INFINITY };
    let by_workers = workload
        .concurrency
        .map_or(f64::INFINITY, |workers| f64::from(workers) * 1000.0 / service_ms);
    let pod_rps = by_cpu.min(by_workers).min(1e12);
    // As many servers as are busy when the pod is full; CPU alone allows a fraction of one.
    let servers = (pod_rps * service_ms / 1000.0).round().clamp(1.0, 1e4) as u32;
    let served_ms = 1000.0 * f64::from(servers) / pod_rps;
    // Nothing else asks how many requests are in a pod.
    let counted = hpa.is_some_and(Rules::counts_requests);
    Some(Serving {
        rps_per_session: per_session / 60.0,
        cpu_ms,
        pod_rps,
        bound_by_workers: by_workers < by_cpu,
        // In a queue nobody gives up; none of it waits at a pod that is not there.
        timeout: match workload.queue {
            Some(_) => 0.0,
            None => workload.timeout_seconds.unwrap_or(facts.timeout_seconds),
        },
        queue: workload.queue.as_ref().map(|queue| Queue {
            counts_in_flight: queue.counts_in_flight,
            seconds: served_ms / 1000.0,
        }),
        response: Response::new(
            (servers, served_ms),
            facts.quantile,
            workload.queue.is_some(),
            counted,
        ),
        node_bound: (cpu_ms > 0.0 && limit > least_machine).then_some(NodeBound {
            limit,
            service_ms,
            workers: workload.concurrency.unwrap_or(u32::MAX),
            quantile: facts.quantile,
            late_ms: f64::INFINITY,
        }),
    })
}

fn spread(workload: &Workload, key: TopologyKey) -> Option<Spread> {
    let given = workload.topology_spread.iter().find(|spread| spread.topology_key == key)?;
    let hard = given.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
    Some(Spread { max_skew: given.max_skew, hard })
}

/// Spread constraints given twice, and those that no cluster of this scenario can meet.
fn check_spread(
    inputs: &Inputs<'_>,
    workload: &Workload,
    max_replicas: u32,
    report: &mut Report<'_>,
) {
    let given = &workload.topology_spread;
    for (index, spread) in given.iter().enumerate() {
        let key = format!("topology_spread.{index}");
        if given[..index].iter().any(|other| other.topology_key == spread.topology_key) {
            report.add(&key, "the topology key is given twice; give it once".into());
        }
        let hard = spread.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
        let hosts = spread.topology_key == TopologyKey::Hostname;
        let baseline = inputs.cluster.baseline.nodes;
        let most = baseline * spread.max_skew;
        let only_baseline = workload.node_pools.iter().any(|pool| pool == "baseline")
            && workload.node_pools.len() == 1
            || inputs.cluster.node_pools.is_empty();
        if hard && hosts && only_baseline && max_replicas > most {
            let message = format!(
                "{max_replicas} replicas on {baseline} nodes cannot keep at most {} a node; allow more nodes, a larger max_skew or ScheduleAnyway",
                spread.max_skew
            );
            report.add(&key, message);
        }
    }
}

fn available(budget: Option<&DisruptionBudget>, report: &mut Report<'_>) -> Option<Available> {
    let budget = budget?;
    let mut read = |key: &str,
                    pods: &Pods,
                    of: fn(u32) -> Available,
                    share: fn(u32) -> Available| {
        match pods {
            Pods::Count(count) => Some(of(*count)),
            Pods::Percent(text) => {
                let percent = text.strip_suffix('%').and_then(|text| text.parse::<u32>().ok());
                let percent = percent.filter(|percent| *percent <= 100);
                if percent.is_none() {
                    let message =
                        format!("{text:?} is not a share of pods; give a number or \"25%\"");
                    report.add(&format!("disruption_budget.{key}"), message);
                }
                percent.map(share)
            }
        }
    };
    match (&budget.max_unavailable, &budget.min_available) {
        (Some(pods), None) => {
            read("max_unavailable", pods, Available::AllBut, Available::AllButPercent)
        }
        (None, Some(pods)) => {
            read("min_available", pods, Available::Least, Available::LeastPercent)
        }
        _ => {
            let message = "give exactly one of max_unavailable and min_available".into();
            report.add("disruption_budget", message);
            None
        }
    }
}

fn unrequested(workload: &Workload) -> Unrequested {
    let names = |resource| scaling::names_without(workload, resource).to_vec();
    Unrequested { cpu: names(Resource::Cpu), memory: names(Resource::Memory) }
}

/// The groups of a workload.
struct Reach {
    /// Those that it selects.
    selects: Groups,
    /// Of these, those that it may run on.
    groups: Groups,
    /// Of these, those that it avoids.
    avoids: Groups,
}

fn reach(
    inputs: &Inputs<'_>,
    workload: &Workload,
    pools: &[Pool],
    report: &mut Report<'_>,
) -> Reach {
    let tolerations = tolerations(workload, report);
    let selects = check_groups(&workload.node_pools, "node_pools", pools, report);
    let (mut keeps_out, mut avoids) = (Groups::NONE, Groups::NONE);
    let cluster = inputs.cluster;
    let of_pool = |pool: &Pool| {
        cluster.node_pools.get(&pool.name).map(|settings| (pool.group, &*settings.taints))
    };
    let tainted = pools.iter().filter_map(of_pool);
    for (group, taints) in tainted.chain([(Group::Baseline, &*cluster.baseline.taints)]) {
        match taint::effect(taints, &tolerations) {
            Some(Effect::NoSchedule | Effect::NoExecute) => keeps_out.insert(group),
            Some(Effect::PreferNoSchedule) => avoids.insert(group),
            None => {}
        }
    }
    let known: Groups = pools.iter().map(|pool| pool.group).chain([Group::Baseline]).collect();
    let groups = selects.without(keeps_out);
    if !selects.is_empty() && (groups & known).is_empty() {
        let message = "every node group it may run on has a taint it does not tolerate".into();
        report.add("tolerations", message);
    }
    Reach { selects, groups, avoids: avoids & groups }
}

/// Taints that it tolerates.
fn tolerations<'a>(workload: &'a Workload, report: &mut Report<'_>) -> Vec<Taint<'a>> {
    let mut tolerations = Vec::new();
    for (index, text) in workload.tolerations.iter().enumerate() {
        match Taint::parse(text) {
            Ok(toleration) => tolerations.push(toleration),
            Err(message) => report.add(&format!("tolerations.{index}"), message),
        }
    }
    tolerations
}

/// Per offer, whether its nodes lack a required label; empty where none is required.
fn refused(
    inputs: &Inputs<'_>,
    workload: &Workload,
    (pools, offers): (&[Pool], &[Offer]),
    report: &mut Report<'_>,
) -> Vec<bool> {
    let requirements = &workload.node_requirements;
    check_labels(inputs.catalog, requirements, "node_requirements", report);
    let alternatives = &workload.node_alternatives;
    if *requirements == NodeRequirements::default() && alternatives.is_empty() {
        return Vec::new();
    }
    let lacks = |offer: &Offer| {
        let shape = inputs.catalog.shape(&offer.instance_type);
        shape.is_none_or(|shape| !requirements.admits(shape, offer.purchase.into()))
    };
    let mut refused: Vec<bool> = offers.iter().map(lacks).collect();
    if !alternatives.is_empty() {
        let each = alternatives.iter().map(|term| affinity::refused(inputs, pools, offers, term));
        let each: Vec<Vec<bool>> = each.collect();
        for (offer, refused) in refused.iter_mut().enumerate() {
            *refused |= each.iter().all(|term| term[offer]);
        }
    }
    refused
}

/// Architectures that do not exist; other labels may name types that no pool of the scenario buys.
pub(super) fn check_labels(
    catalog: &Catalog,
    requirements: &NodeRequirements,
    key: &str,
    report: &mut Report<'_>,
) {
    for wanted in &requirements.architectures {
        if !catalog.shapes().iter().any(|shape| shape.arch == *wanted) {
            let near = nearest(wanted, catalog.shapes().iter().map(|shape| &*shape.arch));
            let message = unknown("architecture", wanted, near);
            report.add(&format!("{key}.architectures"), message);
        }
    }
}

/// Names that do not exist among what a daemonset requires of its nodes.
pub(super) fn check_daemon(
    inputs: &Inputs<'_>,
    pools: &[Pool],
    (name, workload): (&str, &Workload),
) -> Vec<Problem> {
    let mut report = Report { name, problems: Vec::new() };
    tolerations(workload, &mut report);
    check_groups(&workload.node_pools, "node_pools", pools, &mut report);
    job::rules(inputs, workload, &mut report);
    check_labels(inputs.catalog, &workload.node_requirements, "node_requirements", &mut report);
    affinity::check_daemon(inputs, pools, workload, &mut report);
    report.problems
}

/// Returns the groups that a list names; every group where it is empty.
pub(super) fn check_groups(
    names: &[String],
    key: &str,
    pools: &[Pool],
    report: &mut Report<'_>,
) -> Groups {
    let mut groups = if names.is_empty() { Groups::ALL } else { Groups::NONE };
    for pool in names {
        match pools.iter().find(|known| known.name == *pool) {
            Some(known) => groups.insert(known.group),
            None if pool == "baseline" => groups.insert(Group::Baseline),
            None => {
                let names = pools.iter().map(|known| &*known.name).chain(["baseline"]);
                report.add(key, unknown("node pool", pool, nearest(pool, names)));
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
    if let (Some(_), Some(_)) | (None, None) = (&workload.replicas, &workload.hpa)
        && !workload.kind.is_job()
    {
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

/// What contradicts in a workload with a queue.
fn check_queue(workload: &Workload, report: &mut Report<'_>) {
    if workload.queue.is_none() {
        return;
    }
    if workload.timeout_seconds.is_some() {
        let message =
            "in a queue requests wait until a worker takes them; remove timeout_seconds or queue";
        report.add("timeout_seconds", message.into());
    }
    if workload.reached == Reached::ThroughAlb {
        let message = "a workload takes its requests from its queue, not from the load balancer; remove reached or queue";
        report.add("reached", message.into());
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
