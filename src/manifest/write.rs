//! One account of a scenario as manifests.

use super::{is_kubernetes_name, yaml};
use crate::{
    error::Error,
    plan::Plan,
    scenario::{Account, Scenario},
    shapes::Catalog,
};

mod hpa;
mod patch;
mod pool;
mod terraform;

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The account of it.
    pub account: &'a Account,
    /// Shapes and the controllers' defaults.
    pub catalog: &'a Catalog,
    /// Digest of the scenario's text and of the series it names.
    pub sha256: &'a str,
    /// A plan of the scenario, for what services choose: the class of the database.
    pub plan: Option<&'a Plan>,
    /// The account as it was: only requests that differ from it are patched; all when left out.
    pub before: Option<&'a Account>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The manifests of an account: the same input gives the same bytes.
///
/// # Errors
/// Names that Kubernetes does not take, and values that Karpenter's schema refuses.
pub fn write(wanted: &Wanted<'_>) -> Result<Vec<Written>, Error> {
    let problems = names(wanted);
    if !problems.is_empty() {
        return Err(problem(wanted, problems));
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
    add("hpa.yaml", &hpa::ABOUT, hpa::documents(wanted));
    let pools = pool::documents(wanted).map_err(|found| problem(wanted, found))?;
    add("nodepools.yaml", &pool::ABOUT, pools);
    add("requests-patch.yaml", &patch::ABOUT, patch::documents(wanted));
    files.extend(terraform::files(wanted).map_err(|found| problem(wanted, found))?);
    Ok(files)
}

/// Keys and what is wrong with them, placed in the scenario.
fn problem(wanted: &Wanted<'_>, found: Vec<(String, String)>) -> Error {
    let document = &wanted.scenario.document;
    let place = |(key, message): (String, String)| {
        document.account_problem(&wanted.account.name, &key, &message)
    };
    Error::input(found.into_iter().map(place).collect())
}

fn names(wanted: &Wanted<'_>) -> Vec<(String, String)> {
    let stack = &wanted.account.stack;
    let workloads = stack.workloads.keys().map(|name| ("workloads", name));
    let pools = stack.cluster.node_pools.keys().map(|name| ("cluster.node_pools", name));
    let wrong = workloads.chain(pools).filter(|(_, name)| !is_kubernetes_name(name));
    wrong
        .map(|(table, name)| {
            let message = format!(
                "{name:?} is no Kubernetes name; use lower-case letters, digits, '-' and '.', and begin and end with a letter or digit"
            );
            (format!("{table}.{name}"), message)
        })
        .collect()
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
