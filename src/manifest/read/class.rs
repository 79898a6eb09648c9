//! `EC2NodeClass`: the root volume, and what the kubelet keeps back.

use serde_json::Value;

use super::{
    Knowledge, Notes,
    documents::{Object, items, pairs, text},
    value::{Line, leftover, number, quantity, rounded, whole},
};
use crate::manifest::quantity::Quantity;

/// What a node class says.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// Keys of `[ebs]`.
    pub(super) volume: Vec<Line>,
    /// Keys of `[cluster.kubelet]`.
    pub(super) kubelet: Vec<Line>,
}

pub(super) fn read(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) -> Class {
    let ignored = knowledge.facts.ignored.get("node_class").map_or(&[][..], Vec::as_slice);
    let there = |key: &&String| object.at(&format!("/spec/{key}")).is_some();
    let unread: Vec<&str> = ignored.iter().filter(there).map(String::as_str).collect();
    if !unread.is_empty() {
        notes.field(
            object,
            "spec",
            &format!("not read, as no plan depends on it: {}", unread.join(", ")),
        );
    }
    leftover(object, ("/spec", &["blockDeviceMappings", "kubelet"]), ignored, notes);
    Class {
        volume: volume(object, knowledge, notes),
        kubelet: kubelet(object, "/spec/kubelet", notes),
    }
}

fn volume(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) -> Vec<Line> {
    let label = object.label();
    let devices = items(&object.body, "/spec/blockDeviceMappings");
    let is_root = |device: &&Value| device.get("rootVolume").and_then(Value::as_bool) == Some(true);
    let known = |device: &&Value| {
        let name = text(device, "/deviceName").unwrap_or_default();
        knowledge.facts.root_devices.iter().any(|known| known == name)
    };
    let Some(root) = devices.iter().find(is_root).or_else(|| devices.iter().find(known)) else {
        if !devices.is_empty() {
            notes.field(object, "spec.blockDeviceMappings", "has no root volume that is known");
        }
        return Vec::new();
    };
    if devices.len() > 1 {
        let message =
            "a scenario has one volume a node: the root volume is read, the others are not";
        notes.field(object, "spec.blockDeviceMappings", message);
    }
    let planned = &*knowledge.facts.node.volume_type;
    let kind = text(root, "/ebs/volumeType").unwrap_or(planned);
    if kind != planned {
        let message = format!("{kind} is planned as {planned}, the one volume type of a scenario");
        notes.field(object, "spec.blockDeviceMappings.ebs.volumeType", &message);
    }
    let mut lines = Vec::new();
    if let Some(size) = root.pointer("/ebs/volumeSize") {
        let field = "spec.blockDeviceMappings.ebs.volumeSize";
        if let Some(size) = quantity(object, (field, size), notes) {
            lines.push(Line::new("volume_gib", number(size.mebibytes() / 1024.0), &label));
        }
    }
    for (field, key) in [("iops", "iops"), ("throughput", "throughput_mibps")] {
        if let Some(value) = root.pointer(&format!("/ebs/{field}")).filter(|value| !value.is_null())
        {
            let place = format!("spec.blockDeviceMappings.ebs.{field}");
            if let Some(value) = whole(object, (&place, value), (1, 1_000_000), notes) {
                lines.push(Line::new(key, i64::from(value), &label));
            }
        }
    }
    lines
}

/// Keys of `[cluster.kubelet]`; also of a `v1beta1` node pool, which had them itself.
pub(super) fn kubelet(object: &Object, pointer: &str, notes: &mut Notes) -> Vec<Line> {
    let label = object.label();
    let dotted = pointer.trim_start_matches('/').replace('/', ".");
    let mut lines = Vec::new();
    for (field, value) in pairs(&object.body, pointer) {
        let place = format!("{dotted}.{field}");
        match field {
            "maxPods" => {
                let pods = whole(object, (&place, value), (1, 1000), notes);
                lines.extend(pods.map(|pods| Line::new("max_pods", i64::from(pods), &label)));
            }
            "kubeReserved" | "systemReserved" => {
                let prefix = if field == "kubeReserved" { "kube" } else { "system" };
                for (name, value) in pairs(value, "") {
                    let place = format!("{place}.{name}");
                    let Some(amount) = quantity(object, (&place, value), notes) else { continue };
                    let (key, amount) = match name {
                        "cpu" => ("cpu_millicores", amount.milli()),
                        "memory" => ("memory_mib", amount.mebibytes()),
                        _ => {
                            notes.field(object, &place, "has no counterpart in a scenario");
                            continue;
                        }
                    };
                    let unit = if name == "cpu" { "millicores" } else { "MiB" };
                    let amount = rounded(object, (&place, amount), (amount.ceil(), unit), notes);
                    let key = format!("{prefix}_reserved_{key}");
                    lines.push(Line::new(&key, amount, &label));
                }
            }
            "evictionHard" => eviction(object, (&place, value), &mut lines, notes),
            _ => notes.field(object, &place, "has no counterpart in a scenario"),
        }
    }
    lines
}

fn eviction(
    object: &Object,
    (place, value): (&str, &Value),
    lines: &mut Vec<Line>,
    notes: &mut Notes,
) {
    for (signal, value) in pairs(value, "") {
        let amount = (signal == "memory.available").then(|| Quantity::of(value).ok()).flatten();
        if let Some(amount) = amount.filter(|amount| amount.units() >= 0.0) {
            let mib = amount.mebibytes();
            let place = format!("{place}.{signal}");
            let mib = rounded(object, (&place, mib), (mib.ceil(), "MiB"), notes);
            lines.push(Line::new("eviction_memory_mib", mib, &object.label()));
        } else {
            let message = "has no counterpart: a scenario keeps memory.available back, in MiB";
            notes.field(object, &format!("{place}.{signal}"), message);
        }
    }
}
