//! One account of a scenario as manifests.

use super::{FILL_IN, Facts, is_kubernetes_name, yaml};
use crate::{
    error::{Error, Problem},
    facts::shapes::Catalog,
    intent::scenario::{Account, Scenario},
    plan::Plan,
};

mod affinity;
mod buffer;
mod hpa;
mod keda;
mod object;
mod patch;
mod pool;
mod supply;
mod terraform;

/// Request to write manifests.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The account of it.
    pub account: &'a Account,
    /// Shapes and the controllers' defaults.
    pub catalog: &'a Catalog,
    /// What manifests are written with.
    pub facts: &'a Facts,
    /// Digest of the scenario's text and of the series it names.
    pub sha256: &'a str,
    /// A plan of the scenario, for what services choose: the class of the database.
    pub plan: Option<&'a Plan>,
    /// The previous account: only objects that differ from it are written; without it, all are.
    pub before: Option<&'a Account>,
}

/// Names of all files that [`write()`] may write; the account decides which it writes.
pub const FILES: [&str; 6] = [
    "hpa.yaml",
    "nodepools.yaml",
    "capacity-buffers.yaml",
    "requests-patch.yaml",
    "aurora.auto.tfvars",
    "aurora-variables.tf",
];

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The manifests of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifests {
    /// Files.
    pub files: Vec<Written>,
    /// Parts of the scenario that no manifest has, with their place, for whoever applies the files.
    pub notes: Vec<Problem>,
}

/// Returns the manifests of an account: the same input gives the same bytes.
///
/// # Errors
/// Names that Kubernetes does not take, and values that Karpenter's schema refuses.
pub fn write(wanted: &Wanted<'_>) -> Result<Manifests, Error> {
    let problems = names(wanted);
    if !problems.is_empty() {
        return Err(Error::input(placed(wanted, problems)));
    }
    let mut files = Vec::new();
    let mut add = |name: &str, about: &[&str], documents: Vec<yaml::Map>| {
        if !documents.is_empty() {
            let mut heading = heading(wanted);
            heading.extend(about.iter().map(|line| (*line).to_owned()));
            let text = yaml::documents(&heading, &documents);
            files.push(Written { name: name.to_owned(), text });
        }
    };
    let before = wanted.before.map(|account| Wanted { account, before: None, ..*wanted });
    // Of what was there before, only what differs is written.
    let changed = |now: Vec<yaml::Map>, old: Option<Vec<yaml::Map>>| match old {
        Some(old) => now.into_iter().filter(|document| !old.contains(document)).collect(),
        None => now,
    };
    add(
        "hpa.yaml",
        &hpa::ABOUT,
        changed(hpa::documents(wanted), before.as_ref().map(hpa::documents)),
    );
    let pools = pool::documents(wanted).map_err(|found| Error::input(placed(wanted, found)))?;
    let old = before.as_ref().and_then(|before| pool::documents(before).ok());
    add("nodepools.yaml", &pool::ABOUT, changed(pools, old));
    let buffers = changed(buffer::documents(wanted), before.as_ref().map(buffer::documents));
    add("capacity-buffers.yaml", &buffer::ABOUT, buffers);
    let mut notes = hpa::notes(wanted);
    notes.extend(pool::notes(wanted));
    add("requests-patch.yaml", &patch::ABOUT, patch::documents(wanted, before.as_ref()));
    let (variables, chosen) =
        terraform::files(wanted).map_err(|found| Error::input(placed(wanted, found)))?;
    let old = before.as_ref().and_then(|before| terraform::files(before).ok());
    let is_new = |file: &Written| old.as_ref().is_none_or(|(old, _)| !old.contains(file));
    if variables.iter().any(is_new) {
        files.extend(variables);
    }
    notes.extend(chosen);
    Ok(Manifests { files, notes: placed(wanted, notes) })
}

/// Returns keys and the notes on them, placed in the scenario.
fn placed(wanted: &Wanted<'_>, found: Vec<(String, String)>) -> Vec<Problem> {
    let document = &wanted.scenario.document;
    let place = |(key, message): (String, String)| {
        document.account_problem(&wanted.account.name, &key, &message)
    };
    found.into_iter().map(place).collect()
}

fn names(wanted: &Wanted<'_>) -> Vec<(String, String)> {
    let stack = &wanted.account.stack;
    let workloads = stack.workloads.keys().map(|name| ("workloads", name));
    let pools = stack.cluster.node_pools.keys().map(|name| ("cluster.node_pools", name));
    let buffers = stack.cluster.capacity_buffers.keys();
    let buffers = buffers.map(|name| ("cluster.capacity_buffers", name));
    let overlays = stack.cluster.node_overlays.keys().map(|name| ("cluster.node_overlays", name));
    let all = workloads.chain(pools).chain(buffers).chain(overlays);
    let keys = all.map(|(table, name)| (format!("{table}.{name}"), name));
    let objects = stack.workloads.iter().filter_map(|(name, workload)| {
        let object = workload.object.as_ref()?;
        let fields = [
            ("name", &object.name),
            ("namespace", &object.namespace),
            ("container", &object.container),
            ("autoscaler", &object.autoscaler),
            ("disruption_budget", &object.disruption_budget),
        ];
        Some(fields.into_iter().filter_map(move |(field, given)| {
            Some((format!("workloads.{name}.object.{field}"), given.as_ref()?))
        }))
    });
    let classes = stack.cluster.node_pools.iter().filter_map(|(name, pool)| {
        Some((format!("cluster.node_pools.{name}.node_class"), pool.node_class.as_ref()?))
    });
    let wrong = keys.chain(objects.flatten()).chain(classes);
    wrong
        .filter(|(_, name)| !is_kubernetes_name(name))
        .map(|(key, name)| {
            let message = format!(
                "{name:?} is not a valid Kubernetes name; use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit"
            );
            (key, message)
        })
        .collect()
}

/// Returns a placeholder for a label that only the user knows. Kubernetes rejects it as a label value; a valid value would
/// silently select no pod.
fn fill_in_label() -> String {
    format!("{FILL_IN}: the pods' label")
}

/// What every file begins with.
fn heading(wanted: &Wanted<'_>) -> Vec<String> {
    let account = wanted.account;
    vec![
        format!(
            "{}: account {} in {}, written by runrate {}.",
            wanted.scenario.plan.name,
            account.name,
            account.settings.region,
            env!("CARGO_PKG_VERSION")
        ),
        format!("Scenario sha256 {}.", wanted.sha256),
        "Comments name the scenario key that a value comes from.".to_owned(),
    ]
}
