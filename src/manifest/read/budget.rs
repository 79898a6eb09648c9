//! `PodDisruptionBudgets`, each to the workload it selects.

use serde_json::Value;
use toml_edit::InlineTable;

use super::{
    Knowledge, Notes,
    documents::{Object, items, pairs, same_namespace},
    value::{Line, set},
    workload::Draft,
};

pub(super) fn apply(
    budgets: &[Object],
    drafts: &mut [Draft],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) {
    for object in budgets {
        let Some(table) = table(object, notes) else { continue };
        let Some(draft) = selected(object, drafts, knowledge) else {
            notes.field(
                object,
                "spec.selector",
                "selects no workload among the manifests; it is not used",
            );
            continue;
        };
        if draft.is_daemon_set {
            notes.field(object, "", "is of a DaemonSet, which drains do not evict; it is not used");
            continue;
        }
        if draft.lines.iter().any(|line| line.key == "disruption_budget") {
            notes.field(object, "", "is a second budget of its workload; the first is used");
            continue;
        }
        draft.budget = Some(object.name.clone());
        set(&mut draft.lines, Line::new("disruption_budget", table, &object.label()));
    }
}

fn table(object: &Object, notes: &mut Notes) -> Option<InlineTable> {
    let mut table = InlineTable::new();
    for (field, key) in [("maxUnavailable", "max_unavailable"), ("minAvailable", "min_available")] {
        let value = match object.at(&format!("/spec/{field}")) {
            None => continue,
            Some(Value::Number(number)) => {
                number.as_u64().filter(|n| *n <= 100_000).map(|n| (n as i64).into())
            }
            Some(Value::String(text)) => percent(text),
            Some(_) => None,
        };
        match value {
            Some(value) => _ = table.insert(key, value),
            None => notes.field(
                object,
                &format!("spec.{field}"),
                "is neither a number of pods nor a percentage",
            ),
        }
    }
    if table.len() == 2 {
        notes.field(
            object,
            "spec",
            "has both maxUnavailable and minAvailable; maxUnavailable is used",
        );
        table.remove("min_available");
    }
    if table.is_empty() {
        notes.field(object, "spec", "has neither maxUnavailable nor minAvailable; it is not used");
        return None;
    }
    Some(table)
}

fn percent(text: &str) -> Option<toml_edit::Value> {
    if let Ok(count) = text.parse::<u32>() {
        return Some(i64::from(count).into());
    }
    let share: u32 = text.strip_suffix('%')?.parse().ok()?;
    (share <= 100).then(|| text.into())
}

/// Returns the workload whose pods carry the labels it asks for; without such labels (a patch says none), the one
/// that a usual label, or its own name, names.
fn selected<'d>(
    object: &Object,
    drafts: &'d mut [Draft],
    knowledge: Knowledge<'_>,
) -> Option<&'d mut Draft> {
    let wanted: Vec<(&str, &str)> = pairs(&object.body, "/spec/selector/matchLabels")
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .collect();
    let plain = items(&object.body, "/spec/selector/matchExpressions").is_empty();
    let here = |draft: &Draft| same_namespace(&draft.namespace, &object.namespace);
    let carries = |draft: &Draft| {
        plain
            && !wanted.is_empty()
            && wanted.iter().all(|(key, value)| {
                draft.labels.iter().any(|(known, label)| known == key && label == value)
            })
    };
    let named = |draft: &Draft| {
        let label = |(key, value): &(&str, &str)| {
            knowledge.facts.name_labels.iter().any(|known| known == key) && draft.object == *value
        };
        draft.labels.is_empty() && (wanted.iter().any(label) || draft.object == object.name)
    };
    let index = drafts
        .iter()
        .position(|draft| here(draft) && carries(draft))
        .or_else(|| drafts.iter().position(|draft| here(draft) && named(draft)))?;
    drafts.get_mut(index)
}
