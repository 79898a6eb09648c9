//! Patches of Deployments, `DaemonSets`, `CronJobs` and Jobs: what a pod asks for, and where it may run.

use super::{Wanted, affinity, object::Target};
use crate::{
    cluster::{
        autoscale::policy::taint::EVERY_KEY,
        workload::{
            Kind, Resources, TopologySpread, WhenUnsatisfiable, Workload,
            job::{ConcurrencyPolicy, Job},
        },
    },
    manifest::{
        NO_CPU_LIMIT, NO_MEMORY_LIMIT, quantity,
        yaml::{Map, Node},
    },
};

/// Below the heading.
pub(super) const ABOUT: [&str; 5] = [
    "Parts of existing Deployments, DaemonSets, CronJobs and Jobs. Apply each as a strategic \
        merge patch, or all with",
    "`kubectl apply --server-side --field-manager runrate -f requests-patch.yaml`, with \
        `-n NAMESPACE` where they name none.",
    "A scenario has pods, not containers: where it names no container (`object.container`), \
        the figures are per pod.",
    "If such a pod has several containers, divide the figures among them and replace the \
        workload's name with theirs.",
    "Replace each FILL-IN.",
];

/// Returns patches of all workloads; of those that were there before, only what differs.
pub(super) fn documents(wanted: &Wanted<'_>, before: Option<&Wanted<'_>>) -> Vec<Map> {
    let document = |(name, workload): (&String, &Workload)| {
        let old =
            before.and_then(|before| Some((before.account.stack.workloads.get(name)?, before)));
        document(wanted, (name, workload), old)
    };
    wanted.account.stack.workloads.iter().filter_map(document).collect()
}

/// Returns the patch of a workload; none where nothing differs from what it was.
fn document(
    wanted: &Wanted<'_>,
    (name, workload): (&str, &Workload),
    before: Option<(&Workload, &Wanted<'_>)>,
) -> Option<Map> {
    let old = before.map(|(old, _)| old);
    let target = Target::of(name, workload);
    let key = |field: &str| match &workload.profile {
        Some(profile) => format!("workloads.{name}.{field} (profile {profile})"),
        None => format!("workloads.{name}.{field}"),
    };
    let mut spec = Map::new();
    let same = old.is_some_and(|old| old.replicas == workload.replicas);
    if let (Some(replicas), Kind::Deployment, false) = (workload.replicas, workload.kind, same) {
        spec.put("replicas", replicas, &key("replicas"));
    }
    let mut pod = Map::new();
    place(&mut pod, (target, workload, wanted), before, &key);
    let mut resources = Map::new();
    let (requests, limits) = target.resources();
    if old.is_none_or(|old| old.requests != workload.requests) {
        resources.put("requests", amounts(&requests), &key("requests"));
    }
    if let Some(limits) = limits.filter(|_| old.is_none_or(|old| old.limits != workload.limits)) {
        put_limits(&mut resources, &limits, &key("limits"));
    }
    if !resources.is_empty() {
        let container = Map::new().with("name", target.container()).with("resources", resources);
        pod.put("containers", vec![Node::from(container)], "");
    }
    let mut template = Map::new();
    let protected = match workload.do_not_disrupt_seconds {
        _ if workload.do_not_disrupt => Some(("true".to_owned(), "do_not_disrupt")),
        Some(seconds) => Some((quantity::duration(u64::from(seconds)), "do_not_disrupt_seconds")),
        None => None,
    };
    let same = old.is_some_and(|old| {
        (old.do_not_disrupt, old.do_not_disrupt_seconds)
            == (workload.do_not_disrupt, workload.do_not_disrupt_seconds)
    });
    if let Some((value, field)) = protected.filter(|_| !same) {
        let annotations =
            Map::new().why("karpenter.sh/do-not-disrupt", Node::from(value), &key(field));
        template.put("metadata", Map::new().with("annotations", annotations), "");
    }
    if !pod.is_empty() {
        template.put("spec", pod, "");
    }
    let same = old.is_some_and(|old| old.job == workload.job);
    if same && template.is_empty() && spec.is_empty() {
        return None;
    }
    let spec = match &workload.job {
        Some(given) => job(given, workload.kind, template, &key),
        None if template.is_empty() => spec,
        None => spec.with("template", template),
    };
    (!spec.is_empty()).then(|| target.head(wanted).with("spec", spec))
}

/// What a `CronJob` or a Job has around the template of its pods.
fn job(given: &Job, kind: Kind, template: Map, key: &dyn Fn(&str) -> String) -> Map {
    let key = |field: &str| key(&format!("job.{field}"));
    let mut run = Map::new();
    let put_template = |run: &mut Map, template: Map| {
        if !template.is_empty() {
            run.put("template", template, "");
        }
    };
    run.put("parallelism", given.parallelism, &key("parallelism"));
    let completions = given.completions.unwrap_or(given.parallelism);
    run.put("completions", completions, &key("completions"));
    if let Some(limit) = given.backoff_limit {
        run.put("backoffLimit", limit, &key("backoff_limit"));
    }
    let mut spec = Map::new();
    if given.suspend {
        spec.put("suspend", true, &key("suspend"));
    }
    if kind == Kind::Job {
        if let Some(at) = &given.starts_at {
            run.say(&format!(
                "{}: apply it at {at}, UTC; a Job has no field for it",
                key("starts_at")
            ));
        }
        put_template(&mut run, template);
        return if given.suspend { run.why("suspend", true, &key("suspend")) } else { run };
    }
    if let Some(schedule) = &given.schedule {
        spec.put("schedule", Node::from(&**schedule), &key("schedule"));
    }
    // EKS goes by UTC where nothing is said.
    if let Some(zone) = &given.time_zone {
        spec.put("timeZone", Node::from(&**zone), &key("time_zone"));
    }
    let policy = match given.concurrency_policy {
        ConcurrencyPolicy::Allow => "Allow",
        ConcurrencyPolicy::Forbid => "Forbid",
        ConcurrencyPolicy::Replace => "Replace",
    };
    spec.put("concurrencyPolicy", policy, &key("concurrency_policy"));
    if let Some(seconds) = given.starting_deadline_seconds {
        spec.put("startingDeadlineSeconds", seconds, &key("starting_deadline_seconds"));
    }
    put_template(&mut run, template);
    spec.with("jobTemplate", Map::new().with("spec", run))
}

/// Limits that are some: one that no node reaches stands for none, and written out it would be a limit.
fn put_limits(resources: &mut Map, given: &Resources, key: &str) {
    let mut limits = Map::new();
    let mut none = Vec::new();
    if given.cpu_millicores >= NO_CPU_LIMIT {
        none.push("CPU");
    } else if given.cpu_millicores > 0.0 {
        limits.put("cpu", quantity::cpu(given.cpu_millicores), "");
    }
    if given.memory_mib >= NO_MEMORY_LIMIT {
        none.push("memory");
    } else if given.memory_mib > 0.0 {
        limits.put("memory", quantity::memory(given.memory_mib), "");
    }
    if !none.is_empty() {
        // A patch that leaves a field out leaves it as it is.
        resources
            .say(&format!("{key}: no limit of {}; remove an existing one", none.join(" and of ")));
    }
    if !limits.is_empty() {
        resources.put("limits", limits, key);
    }
}

/// Omits a request where the scenario has 0.
pub(super) fn amounts(resources: &Resources) -> Map {
    let mut amounts = Map::new();
    if resources.cpu_millicores > 0.0 {
        amounts.put("cpu", quantity::cpu(resources.cpu_millicores), "");
    }
    if resources.memory_mib > 0.0 {
        amounts.put("memory", quantity::memory(resources.memory_mib), "");
    }
    amounts
}

fn place(
    pod: &mut Map,
    (target, workload, wanted): (Target<'_>, &Workload, &Wanted<'_>),
    before: Option<(&Workload, &Wanted<'_>)>,
    key: &dyn Fn(&str) -> String,
) {
    let old = before.map(|(old, _)| old);
    let same = old.is_some_and(|old| old.tolerations == workload.tolerations);
    if !workload.tolerations.is_empty() && !same {
        let each = |text: &String| Node::from(toleration(text));
        let tolerations: Vec<Node> = workload.tolerations.iter().map(each).collect();
        pod.put("tolerations", tolerations, &key("tolerations"));
    }
    let same = old.is_some_and(|old| old.topology_spread == workload.topology_spread);
    if !workload.topology_spread.is_empty() && !same {
        let each = |given: &TopologySpread| Node::from(spread(*given, target.labels(wanted)));
        let spreads: Vec<Node> = workload.topology_spread.iter().map(each).collect();
        pod.put("topologySpreadConstraints", spreads, &key("topology_spread"));
    }
    let affinity = affinity::of(workload, wanted, key);
    let same = before.is_some_and(|(old, before)| affinity::of(old, before, key) == affinity);
    if !affinity.is_empty() && !same {
        pod.put("affinity", affinity, "");
    }
}

pub(super) fn toleration(text: &str) -> Map {
    let (pair, effect) = match text.rsplit_once(':') {
        Some((pair, effect)) => (pair, Some(effect)),
        None => (text, None),
    };
    let mut toleration = match pair.split_once('=') {
        Some((key, value)) => {
            Map::new().with("key", key).with("operator", "Equal").with("value", value)
        }
        None if pair == EVERY_KEY => Map::new().with("operator", "Exists"),
        None => Map::new().with("key", pair).with("operator", "Exists"),
    };
    if let Some(effect) = effect {
        toleration.put("effect", effect, "");
    }
    toleration
}

/// Without a selector a constraint counts no pods, and spreads none.
fn spread(given: TopologySpread, labels: Map) -> Map {
    let key = affinity::label_of(given.topology_key);
    let otherwise = match given.when_unsatisfiable {
        WhenUnsatisfiable::DoNotSchedule => "DoNotSchedule",
        WhenUnsatisfiable::ScheduleAnyway => "ScheduleAnyway",
    };
    Map::new()
        .with("maxSkew", given.max_skew)
        .with("topologyKey", key)
        .with("whenUnsatisfiable", otherwise)
        .with("labelSelector", Map::new().with("matchLabels", labels))
}
