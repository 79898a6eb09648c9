//! `CapacityBuffers`: of a workload (`scalableRef`), or with pods of a `PodTemplate`.
//!
//! # Source
//! kubernetes/autoscaler `cluster-autoscaler/apis/capacitybuffer/autoscaling.x-k8s.io`; karpenter.sh,
//! "`CapacityBuffers`".

use toml_edit::InlineTable;

use super::{
    Knowledge, Notes,
    controller::{BUFFERS, Controller},
    documents::{Object, same_namespace, text},
    place, pod,
    value::{Line, leftover, number, quantity, texts, whole},
    workload::Draft,
};
use crate::manifest::quantity::Quantity;

/// A buffer and its keys.
pub(super) type Buffer = (String, Vec<Line>);

pub(super) fn read(
    (buffers, templates): (&[Object], &[Object]),
    drafts: &[Draft],
    controller: &Controller,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Buffer> {
    let mut all: Vec<Buffer> = Vec::new();
    for object in buffers {
        let is_on = controller.gates.iter().any(|(name, _)| *name == BUFFERS);
        if controller.is_given && !is_on {
            let message = "is not read: Karpenter among the manifests has the feature gate CapacityBuffer off, and ignores it";
            notes.field(object, "", message);
            continue;
        }
        if all.iter().any(|(name, _)| *name == object.name) {
            notes.field(object, "", "is defined twice; only the first definition is used");
            continue;
        }
        if let Some(lines) = buffer(object, templates, drafts, knowledge, notes) {
            all.push((object.name.clone(), lines));
        }
    }
    all
}

fn buffer(
    object: &Object,
    templates: &[Object],
    drafts: &[Draft],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Option<Vec<Line>> {
    let label = object.label();
    let strategy = text(&object.body, "/spec/provisioningStrategy");
    let known = &*knowledge.facts.karpenter.buffer_strategy;
    if let Some(other) = strategy.filter(|strategy| *strategy != known) {
        let message = format!("{other:?} is not a strategy of Karpenter; the buffer is not read");
        notes.field(object, "spec.provisioningStrategy", &message);
        return None;
    }
    let mut lines = Vec::new();
    let template = text(&object.body, "/spec/podTemplateRef/name");
    if let Some(name) = template {
        let is = |other: &&Object| {
            other.name == name && same_namespace(&other.namespace, &object.namespace)
        };
        let Some(found) = templates.iter().find(is) else {
            let message =
                format!("PodTemplate {name} is not among the manifests; the buffer is not read");
            notes.field(object, "spec.podTemplateRef", &message);
            return None;
        };
        lines.extend(pods(found, knowledge, notes));
    } else {
        let name = text(&object.body, "/spec/scalableRef/name").unwrap_or_default();
        let kind = text(&object.body, "/spec/scalableRef/kind").unwrap_or_default();
        let is = |draft: &&Draft| {
            draft.object == name
                && draft.kind == kind
                && same_namespace(&draft.namespace, &object.namespace)
        };
        let Some(draft) = drafts.iter().find(is) else {
            let message =
                format!("{kind} {name} is not among the manifests; the buffer is not read");
            notes.field(object, "spec.scalableRef", &message);
            return None;
        };
        lines.push(Line::new("workload", &*draft.name, &label));
    }
    for (field, key, most) in [("replicas", "replicas", 100_000), ("percentage", "percent", 10_000)]
    {
        let Some(value) = object.at(&format!("/spec/{field}")) else { continue };
        let place = format!("spec.{field}");
        if key == "percent" && template.is_some() {
            notes.field(object, &place, "applies only with scalableRef; it is not read");
        } else if let Some(value) = whole(object, (&place, value), (1, most), notes) {
            lines.push(Line::new(key, i64::from(value), &label));
        }
    }
    let mut limits = InlineTable::new();
    for (name, given) in super::documents::pairs(&object.body, "/spec/limits") {
        let field = format!("spec.limits.{name}");
        let (key, of): (_, fn(Quantity) -> f64) = match name {
            "cpu" => ("cpu_millicores", Quantity::milli),
            "memory" => ("memory_mib", Quantity::mebibytes),
            _ => {
                notes.field(object, &field, "has no counterpart in a scenario");
                continue;
            }
        };
        if let Some(amount) = quantity(object, (&field, given), notes) {
            limits.insert(key, number(of(amount)));
        }
    }
    let sized = lines.iter().any(|line| matches!(&*line.key, "replicas" | "percent"));
    if !sized && limits.is_empty() {
        notes.field(object, "spec", "has no size (replicas, percentage or limits); it is not read");
        return None;
    }
    if !limits.is_empty() {
        lines.push(Line::new("limits", limits, &label));
    }
    let read = [
        "provisioningStrategy",
        "podTemplateRef",
        "scalableRef",
        "replicas",
        "percentage",
        "limits",
    ];
    leftover(object, ("/spec", &read), &[], notes);
    Some(lines)
}

/// What a pod of a template asks for, and where it may run.
fn pods(template: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) -> Vec<Line> {
    let label = template.label();
    let body = serde_json::json!({
        "metadata": template.at("/metadata"),
        "spec": { "template": template.at("/template") },
    });
    let object = template.with(body);
    let (requests, _) = pod::resources(&object, notes);
    let mut table = InlineTable::new();
    table.insert("cpu_millicores", number(requests.cpu.unwrap_or(0.0)));
    table.insert("memory_mib", number(requests.memory.unwrap_or(0.0)));
    let mut lines = vec![Line::new("requests", table, &label)];
    let tolerations = pod::tolerations(&object, notes);
    if !tolerations.is_empty() {
        lines.push(Line::new("tolerations", texts(&tolerations), &label));
    }
    for line in place::lines(&object, knowledge.groups, notes) {
        if line.key == "node_pools" {
            lines.push(line);
        } else {
            let message = format!("its {} has no counterpart in a capacity buffer", line.key);
            notes.field(template, "template.spec", &message);
        }
    }
    lines
}
