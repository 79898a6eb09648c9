//! Karpenter's `NodeOverlays`: prices that it chooses by.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/apis/v1alpha1/nodeoverlay.go`, commit 0546b80.

use toml_edit::InlineTable;

use super::{
    Notes,
    documents::{Object, items, text},
    requirement::{key_of, list_of, values_of},
    value::{Line, leftover, shown, texts, whole},
};
use crate::manifest::{CAPACITY_LABEL, POOL_LABEL};

/// Returns overlays by name.
pub(super) fn read(
    objects: &[Object],
    auto_mode: &str,
    notes: &mut Notes,
) -> Vec<(String, Vec<Line>)> {
    let mut all: Vec<(String, Vec<Line>)> = Vec::new();
    for object in objects {
        if all.iter().any(|(name, _)| *name == object.name) {
            notes.field(object, "", "is defined twice; only the first definition is used");
            continue;
        }
        if let Some(lines) = overlay(object, auto_mode, notes) {
            all.push((object.name.clone(), lines));
        }
    }
    all
}

fn overlay(object: &Object, auto_mode: &str, notes: &mut Notes) -> Option<Vec<Line>> {
    let label = object.label();
    let read = ["requirements", "price", "priceAdjustment", "weight", "capacity"];
    leftover(object, ("/spec", &read), &[], notes);
    if object.at("/spec/capacity").is_some() {
        let message = "adds resources other than CPU and memory, which pods of a scenario do not request; it is not read";
        notes.field(object, "spec.capacity", message);
    }
    let mut lines = requirements(object, auto_mode, notes)?;
    let mut prices = 0;
    for (field, key) in [("price", "price"), ("priceAdjustment", "price_adjustment")] {
        if let Some(value) = object.at(&format!("/spec/{field}")) {
            lines.push(Line::new(key, shown(value), &label));
            prices += 1;
        }
    }
    if prices != 1 {
        let message = "has no price, or two; the overlay is not read";
        notes.field(object, "spec", message);
        return None;
    }
    if let Some(weight) = object.at("/spec/weight")
        && let Some(weight) = whole(object, ("spec.weight", weight), (0, 10_000), notes)
    {
        lines.push(Line::new("weight", i64::from(weight), &label));
    }
    Some(lines)
}

/// Returns the requirements as one table; `None` where one of them has no counterpart, as the overlay would match
/// more without it.
fn requirements(object: &Object, auto_mode: &str, notes: &mut Notes) -> Option<Vec<Line>> {
    let mut table = InlineTable::new();
    for (index, given) in items(&object.body, "/spec/requirements").iter().enumerate() {
        let key = text(given, "/key").unwrap_or_default();
        let name = key_of(key, auto_mode);
        let operator = text(given, "/operator").unwrap_or_default();
        let values: Vec<&str> = items(given, "/values").iter().filter_map(|v| v.as_str()).collect();
        let list = match &*name {
            POOL_LABEL => "node_pools",
            CAPACITY_LABEL => "capacity_types",
            name => list_of(name),
        };
        let all: Vec<&str> = match &*name {
            CAPACITY_LABEL => vec!["reserved", "spot", "on-demand"],
            name => values_of(name).to_vec(),
        };
        let others: Vec<&str> = all.into_iter().filter(|known| !values.contains(known)).collect();
        let wanted = match operator {
            "In" if !list.is_empty() && !values.is_empty() => values,
            "NotIn" if !list.is_empty() && !others.is_empty() => others,
            "Exists" if !list.is_empty() => continue,
            _ => {
                let message = format!(
                    "{key} {operator} has no counterpart in a node overlay of a scenario; the overlay is not read"
                );
                notes.field(object, &format!("spec.requirements[{index}]"), &message);
                return None;
            }
        };
        table.insert(list, texts(&wanted));
    }
    let lines = vec![Line::new("requirements", table, &object.label())];
    Some(
        lines
            .into_iter()
            .filter(|line| line.value.as_inline_table().is_some_and(|t| !t.is_empty()))
            .collect(),
    )
}
