//! Settings of the Karpenter controller, from the environment and arguments of its Deployment.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/operator/options/options.go#AddFlags`, `#DefaultFeatureGates`; karpenter.sh, "Settings": each option is an
//! environment variable and an argument; the argument wins. The Helm chart writes the environment.

use serde_json::Value;

use super::{
    Knowledge, Notes,
    documents::{Object, items, text},
    value::{Line, rounded},
    workload,
};
use crate::manifest::quantity::Duration;

/// Settings of the cluster's controllers.
#[derive(Debug, Default)]
pub(super) struct Controller {
    /// Keys of `[cluster]`.
    pub(super) lines: Vec<Line>,
    /// Feature gates that are on, with the reason.
    pub(super) gates: Vec<(&'static str, String)>,
    /// Whether Karpenter's Deployment is among the manifests with its options, so that a gate without a word is off.
    pub(super) is_given: bool,
}

/// Reads the value of one option.
type Reader = fn(&Given<'_>, &mut Controller, &mut Notes);

/// An option of Karpenter: its environment variable, its argument, and how it is read.
struct Setting(&'static str, &'static str, Reader);

/// The options that a scenario has keys for.
const SETTINGS: [Setting; 5] = [
    Setting("PREFERENCE_POLICY", "preference-policy", |given, all, notes| {
        choice(given, ("preference_policy", &["Respect", "Ignore"]), all, notes);
    }),
    Setting("MIN_VALUES_POLICY", "min-values-policy", |given, all, notes| {
        choice(given, ("min_values_policy", &["Strict", "BestEffort"]), all, notes);
    }),
    Setting("BATCH_IDLE_DURATION", "batch-idle-duration", |given, all, notes| {
        duration(given, "batch_idle_seconds", all, notes);
    }),
    Setting("BATCH_MAX_DURATION", "batch-max-duration", |given, all, notes| {
        duration(given, "batch_max_seconds", all, notes);
    }),
    Setting("FEATURE_GATES", "feature-gates", gates),
];

/// Gates that a scenario turns on.
const GATES: [&str; 4] = ["SpotToSpotConsolidation", "NodeOverlay", "NodeRepair", BUFFERS];
/// The gate of capacity buffers.
pub(super) const BUFFERS: &str = "CapacityBuffer";
/// Gates whose objects are planned as if they were on.
const PLANNED: [&str; 2] = ["ReservedCapacity", "StaticCapacity"];

/// An option as a manifest has it.
struct Given<'a> {
    object: &'a Object,
    field: String,
    name: &'static str,
    value: &'a str,
}

/// Returns the settings of the Karpenter that is among the manifests.
pub(super) fn read(
    workloads: &[Object],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Controller {
    let mut all = Controller::default();
    let is_karpenter = |object: &&Object| {
        let known = workload::known(object, &knowledge.facts.known);
        known.is_some_and(|known| known.profile == "karpenter")
    };
    for object in workloads.iter().filter(is_karpenter) {
        let containers = items(&object.body, "/spec/template/spec/containers");
        for (index, container) in containers.iter().enumerate() {
            let within = format!("spec.template.spec.containers[{index}]");
            // Karpenter does not run without options: a container without is a patch, which says nothing of them.
            let has = |list: &str| !items(container, &format!("/{list}")).is_empty();
            all.is_given |= has("env") || has("args");
            for Setting(name, flag, read) in SETTINGS {
                if let Some(given) = given(object, (&within, container), (name, flag), notes) {
                    read(&given, &mut all, notes);
                }
            }
        }
    }
    all
}

/// Returns an option of a container: of its arguments, else of its environment.
fn given<'a>(
    object: &'a Object,
    (within, container): (&str, &'a Value),
    (name, flag): (&'static str, &str),
    notes: &mut Notes,
) -> Option<Given<'a>> {
    for list in ["args", "command"] {
        let words: Vec<&str> = items(container, &format!("/{list}"))
            .iter()
            .map(|word| word.as_str().unwrap_or_default())
            .collect();
        for (place, word) in words.iter().enumerate() {
            let Some(rest) = argument(word, flag) else { continue };
            let next = words.get(place + 1).copied().unwrap_or_default();
            let value = rest.strip_prefix('=').unwrap_or(next);
            return Some(Given { object, field: format!("{within}.{list}"), name, value });
        }
    }
    let env = items(container, "/env");
    let place = env.iter().position(|one| text(one, "/name") == Some(name))?;
    let field = format!("{within}.env[{place}]");
    if env[place].get("valueFrom").is_some() {
        let message = format!("{name} comes from another object and is not read");
        notes.field(object, &field, &message);
        return None;
    }
    Some(Given { object, field, name, value: text(&env[place], "/value")? })
}

/// What follows an argument's name: nothing, or `=` and its value.
fn argument<'a>(word: &'a str, flag: &str) -> Option<&'a str> {
    let word = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let rest = word.strip_prefix(flag)?;
    (rest.is_empty() || rest.starts_with('=')).then_some(rest)
}

/// A text that must be one of some; the first is the controller's default.
fn choice(
    given: &Given<'_>,
    (key, known): (&str, &[&str]),
    all: &mut Controller,
    notes: &mut Notes,
) {
    if !known.contains(&given.value) {
        let message = format!(
            "{} {:?} is none of {}; it is not read",
            given.name,
            given.value,
            known.join(", ")
        );
        notes.field(given.object, &given.field, &message);
    } else if given.value != known[0] {
        all.lines.push(Line::new(key, given.value, &given.object.label()));
    }
}

/// A duration in whole seconds.
fn duration(given: &Given<'_>, key: &str, all: &mut Controller, notes: &mut Notes) {
    const MOST_SECONDS: f64 = 3600.0;
    if let Ok(Duration::Seconds(seconds)) = Duration::parse(given.value) {
        let taken = (seconds.ceil().min(MOST_SECONDS), "seconds");
        let taken = rounded(given.object, (&given.field, seconds), taken, notes);
        all.lines.push(Line::new(key, taken, &given.object.label()));
    } else {
        let message = format!("{} is not a duration; it is not read", given.name);
        notes.field(given.object, &given.field, &message);
    }
}

fn gates(given: &Given<'_>, all: &mut Controller, notes: &mut Notes) {
    for part in given.value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, state) = part.split_once('=').unwrap_or((part, ""));
        let on = matches!(state, "true" | "True" | "TRUE" | "t" | "T" | "1");
        let gate = GATES.into_iter().find(|gate| *gate == name);
        match (gate, on) {
            (Some(gate), true) => all.gates.push((gate, given.object.label())),
            (None, true) if !PLANNED.contains(&name) => {
                let message = format!("the feature gate {name} has no counterpart in a scenario");
                notes.field(given.object, &given.field, &message);
            }
            (None, false) if name == "ReservedCapacity" => {
                let message = "ReservedCapacity is off: Karpenter buys no reserved capacity; give no node pool the capacity type reserved";
                notes.field(given.object, &given.field, message);
            }
            _ => {}
        }
    }
}
