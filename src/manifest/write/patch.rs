//! Patches of Deployments, `DaemonSets`, `CronJobs` and Jobs: what a pod asks for, and where it may run.

use super::{Wanted, affinity, fill_in_label, kind_unknown};
use crate::{
    cluster::{
        autoscale::policy::taint::EVERY_KEY,
        workload::{
            Kind, Resources, TopologySpread, WhenUnsatisfiable, Workload,
            job::{ConcurrencyPolicy, Job},
        },
    },
    manifest::{
        FILL_IN, Facts, NO_CPU_LIMIT, NO_MEMORY_LIMIT, quantity,
        yaml::{Map, Node},
    },
};

/// Below the heading.
pub(super) const ABOUT: [&str; 4] = [
    "Parts of existing Deployments, DaemonSets, CronJobs and Jobs. Apply each as a strategic \
        merge patch, or all with",
    "`kubectl apply --server-side --field-manager runrate -n NAMESPACE -f requests-patch.yaml`.",
    "A scenario has pods, not containers: the figures are per pod. If a pod has several \
        containers, divide the",
    "figures among them and replace the workload's name with theirs. Replace each FILL-IN.",
];

pub(super) fn documents(wanted: &Wanted<'_>) -> Vec<Map> {
    let before = |name: &str| wanted.before.and_then(|account| account.stack.workloads.get(name));
    let workloads = wanted.account.stack.workloads.iter();
    let of_now = workloads.map(|(name, workload)| (name, document(name, workload, wanted.facts)));
    let changed = of_now.filter(|(name, now)| {
        wanted.before.is_none()
            || before(name).is_none_or(|before| document(name, before, wanted.facts) != *now)
    });
    changed.map(|(_, document)| document).collect()
}

fn document(name: &str, workload: &Workload, facts: &Facts) -> Map {
    let key = |field: &str| match &workload.profile {
        Some(profile) => format!("workloads.{name}.{field} (profile {profile})"),
        None => format!("workloads.{name}.{field}"),
    };
    let mut spec = Map::new();
    if let (Some(replicas), Kind::Deployment) = (workload.replicas, workload.kind) {
        spec.put("replicas", replicas, &key("replicas"));
    }
    let mut pod = Map::new();
    place(&mut pod, (workload, facts), &key);
    let mut resources = Map::new();
    resources.put("requests", amounts(&workload.requests), &key("requests"));
    if let Some(limits) = &workload.limits {
        put_limits(&mut resources, limits, &key("limits"));
    }
    let container = Map::new().with("name", name).with("resources", resources);
    pod.put("containers", vec![Node::from(container)], "");
    let mut template = Map::new();
    let protected = match workload.do_not_disrupt_seconds {
        _ if workload.do_not_disrupt => Some(("true".to_owned(), "do_not_disrupt")),
        Some(seconds) => Some((quantity::duration(u64::from(seconds)), "do_not_disrupt_seconds")),
        None => None,
    };
    if let Some((value, field)) = protected {
        let annotations =
            Map::new().why("karpenter.sh/do-not-disrupt", Node::from(value), &key(field));
        template.put("metadata", Map::new().with("annotations", annotations), "");
    }
    let template = template.with("spec", pod);
    let metadata = Map::new().with("name", name);
    let (version, kind, why) = match workload.kind {
        Kind::Deployment => ("apps/v1", "Deployment", kind_unknown(workload, facts)),
        Kind::DaemonSet => ("apps/v1", "DaemonSet", ""),
        Kind::CronJob => ("batch/v1", "CronJob", ""),
        Kind::Job => {
            ("batch/v1", "Job", "the pods of an existing Job cannot be changed: create it again")
        }
    };
    let spec = match &workload.job {
        Some(given) => job(given, workload.kind, template, &key),
        None => spec.with("template", template),
    };
    Map::new()
        .with("apiVersion", version)
        .why("kind", kind, why)
        .with("metadata", metadata)
        .with("spec", spec)
}

/// What a `CronJob` or a Job has around the template of its pods.
fn job(given: &Job, kind: Kind, template: Map, key: &dyn Fn(&str) -> String) -> Map {
    let key = |field: &str| key(&format!("job.{field}"));
    let mut run = Map::new();
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
        run.put("template", template, "");
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
    run.put("template", template, "");
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

fn place(pod: &mut Map, (workload, facts): (&Workload, &Facts), key: &dyn Fn(&str) -> String) {
    if !workload.tolerations.is_empty() {
        let each = |text: &String| Node::from(toleration(text));
        let tolerations: Vec<Node> = workload.tolerations.iter().map(each).collect();
        pod.put("tolerations", tolerations, &key("tolerations"));
    }
    if !workload.topology_spread.is_empty() {
        let label = facts.name_labels.first().map_or(FILL_IN, String::as_str);
        let each = |given: &TopologySpread| Node::from(spread(*given, label));
        let spreads: Vec<Node> = workload.topology_spread.iter().map(each).collect();
        pod.put("topologySpreadConstraints", spreads, &key("topology_spread"));
    }
    let affinity = affinity::of(workload, facts, key);
    if !affinity.is_empty() {
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
fn spread(given: TopologySpread, label: &str) -> Map {
    let key = affinity::label_of(given.topology_key);
    let otherwise = match given.when_unsatisfiable {
        WhenUnsatisfiable::DoNotSchedule => "DoNotSchedule",
        WhenUnsatisfiable::ScheduleAnyway => "ScheduleAnyway",
    };
    let why = format!("{FILL_IN}: a scenario has no labels; write those of the pods");
    let labels = Map::new().why(label, fill_in_label(), &why);
    Map::new()
        .with("maxSkew", given.max_skew)
        .with("topologyKey", key)
        .with("whenUnsatisfiable", otherwise)
        .with("labelSelector", Map::new().with("matchLabels", labels))
}
