//! What Karpenter's Deployment says of batches, node repair and capacity buffers.
//!
//! # Source
//! karpenter.sh, "Settings": `BATCH_IDLE_DURATION`, `BATCH_MAX_DURATION`, `FEATURE_GATES`.

use super::{
    Knowledge, Notes,
    documents::{Object, items, text},
    value::{Line, rounded},
    workload,
};
use crate::manifest::quantity::Duration;

/// Karpenter's profile, and its gates that are read here.
const KARPENTER: &str = "karpenter";
const GATES: [&str; 2] = ["NodeRepair", BUFFERS];
/// The gate of capacity buffers.
pub(super) const BUFFERS: &str = "CapacityBuffer";

/// What is set on Karpenter.
#[derive(Debug, Default)]
pub(super) struct Controller {
    /// Keys of `cluster`.
    pub(super) lines: Vec<Line>,
    /// Gates that are on.
    pub(super) gates: Vec<&'static str>,
    /// Where that is said; nowhere without Karpenter's Deployment.
    pub(super) from: Option<String>,
}

pub(super) fn read(objects: &[Object], knowledge: Knowledge<'_>, notes: &mut Notes) -> Controller {
    let mut all = Controller::default();
    let is_karpenter = |object: &&Object| {
        let known = workload::known(object, &knowledge.facts.known);
        known.is_some_and(|known| known.profile == KARPENTER)
    };
    let Some(object) = objects.iter().find(is_karpenter) else { return all };
    let containers = items(&object.body, "/spec/template/spec/containers");
    // Karpenter does not run without variables: one without is a patch, which says nothing of them.
    if containers.iter().all(|container| items(container, "/env").is_empty()) {
        return all;
    }
    all.from = Some(object.label());
    for variable in containers.iter().flat_map(|container| items(container, "/env")) {
        let name = text(variable, "/name").unwrap_or_default();
        let Some(value) = text(variable, "/value") else { continue };
        let key = match name {
            "BATCH_IDLE_DURATION" => "batch_idle_seconds",
            "BATCH_MAX_DURATION" => "batch_max_seconds",
            "FEATURE_GATES" => {
                all.gates = GATES.into_iter().filter(|gate| is_on(value, gate)).collect();
                continue;
            }
            _ => continue,
        };
        let field = format!("spec.template.spec.containers.env.{name}");
        match Duration::parse(value) {
            Ok(Duration::Seconds(seconds)) => {
                let taken = seconds.ceil().min(3600.0);
                let taken = rounded(object, (&field, seconds), (taken, "seconds"), notes);
                all.lines.push(Line::new(key, taken, &object.label()));
            }
            _ => notes.field(object, &field, "is not a duration; it is not read"),
        }
    }
    all
}

/// Whether a list of gates, `NodeRepair=true,NodeOverlay=false`, turns one on.
fn is_on(list: &str, gate: &str) -> bool {
    let pairs = list.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == gate).any(|(_, value)| value == "true")
}
