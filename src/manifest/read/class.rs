//! Node classes, `EC2NodeClass` and EKS Auto Mode's `NodeClass`: the volumes of a node, and what its kubelet keeps
//! back. Both are of the pools that refer to the class, and of no other node.

use serde_json::Value;
use toml_edit::InlineTable;

use super::{
    Knowledge, Notes,
    documents::{Object, items, pairs, text},
    value::{Line, capped, leftover, number, quantity, rounded, whole},
};
use crate::{facts::shapes::VolumeType, manifest::quantity::Quantity};

/// The field by which a node class selects capacity reservations.
const RESERVATIONS: &str = "capacityReservationSelectorTerms";

/// Content of a node class.
#[derive(Debug)]
pub(super) struct Class {
    /// Its name.
    pub(super) name: String,
    /// Whether it is one of EKS Auto Mode.
    pub(super) is_auto: bool,
    /// Keys of the pools that refer to it.
    pub(super) lines: Vec<Line>,
}

/// A volume of a node.
struct Volume {
    kind: VolumeType,
    gib: f64,
    iops: Option<f64>,
    throughput: Option<f64>,
}

pub(super) fn read(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) -> Class {
    let ignored = knowledge.facts.ignored.get("node_class").map_or(&[][..], Vec::as_slice);
    let there = |key: &&String| object.at(&format!("/spec/{key}")).is_some();
    let unread: Vec<&str> = ignored.iter().filter(there).map(String::as_str).collect();
    if !unread.is_empty() {
        notes.field(
            object,
            "spec",
            &format!("skipped, because plans do not depend on it: {}", unread.join(", ")),
        );
    }
    let is_auto = object.version.split('/').next() == Some(&*knowledge.facts.auto_mode.group);
    let read: &[&str] = if is_auto {
        &["ephemeralStorage"]
    } else {
        &["blockDeviceMappings", "kubelet", RESERVATIONS]
    };
    leftover(object, ("/spec", read), ignored, notes);
    if object.at(&format!("/spec/{RESERVATIONS}")).is_some() && !is_auto {
        let message = "selects capacity reservations, which are in no manifest: give each as [cluster.capacity_reservations.NAME] with its instance_type, zone and instances";
        notes.field(object, &format!("spec.{RESERVATIONS}"), message);
    }
    let mut lines =
        if is_auto { storage(object, knowledge, notes) } else { volumes(object, knowledge, notes) };
    lines.extend(kubelet(object, "/spec/kubelet", notes).filter(|_| !is_auto));
    Class { name: object.name.clone(), is_auto, lines }
}

/// Returns the volumes of an `EC2NodeClass` as one that costs the same.
fn volumes(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) -> Vec<Line> {
    const FIELD: &str = "spec.blockDeviceMappings";
    let label = object.label();
    let devices = items(&object.body, "/spec/blockDeviceMappings");
    let usual = knowledge.catalog.controllers.node.root_volume_gib;
    if devices.is_empty() {
        let why = format!("{label}: no blockDeviceMappings, so Karpenter's default");
        return vec![Line::new("volume_gib", number(usual), &why)];
    }
    let is_root = |device: &Value| {
        let name = text(device, "/deviceName").unwrap_or_default();
        device.get("rootVolume").and_then(Value::as_bool) == Some(true)
            || knowledge.facts.root_devices.iter().any(|known| known == name)
    };
    if !devices.iter().any(is_root) {
        let message = "names no known root volume; the plan leaves out the one of the image";
        notes.field(object, FIELD, message);
    }
    let planned = VolumeType::default();
    let unset = &*knowledge.facts.node.volume_type;
    let mut all = Vec::new();
    for (index, device) in devices.iter().enumerate() {
        let Some(ebs) = device.get("ebs") else { continue };
        let field = format!("{FIELD}[{index}].ebs");
        let name = text(ebs, "/volumeType").unwrap_or(unset);
        // Several volumes are planned as one, so they are of one type.
        let bootable = VolumeType::named(name)
            .filter(|kind| knowledge.catalog.controllers.ebs.of(*kind).boots);
        let kind = bootable.filter(|_| devices.len() == 1).unwrap_or(planned);
        if kind.name() != name {
            let message = if bootable.is_none() {
                format!("{name} is planned as {}", planned.name())
            } else {
                format!("{name} of a node with several volumes is planned as {}", planned.name())
            };
            notes.field(object, &format!("{field}.volumeType"), &message);
        }
        all.push(volume(object, (&field, ebs), (kind, "volumeSize", usual), notes));
    }
    if all.is_empty() {
        // Devices without `ebs` are instance stores, or cut off.
        notes.field(object, FIELD, &format!("has no EBS volume; {usual} GiB are planned"));
        return vec![Line::new("volume_gib", number(usual), &label)];
    }
    let facts = &knowledge.catalog.controllers.ebs;
    if all.len() > 1 {
        let gib: f64 = all.iter().map(|volume| volume.gib).sum();
        let message = format!(
            "{} volumes of a node are planned as one of {gib} GiB at the same price",
            all.len()
        );
        notes.field(object, FIELD, &message);
    }
    // What each has above the included part is paid; the sum has the included part once.
    let sum = |of: fn(&Volume) -> Option<f64>, included: f64| {
        let given = all.iter().filter_map(of).fold(None, |sum: Option<f64>, value| {
            Some(sum.unwrap_or(included) + (value - included).max(0.0))
        });
        if all.len() == 1 { of(&all[0]) } else { given }
    };
    let volume = Volume {
        kind: all[0].kind,
        gib: all.iter().map(|volume| volume.gib).sum(),
        iops: sum(|volume| volume.iops, facts.gp3.included_iops),
        throughput: sum(|volume| volume.throughput, facts.gp3.included_mibps),
    };
    lines(object, (FIELD, volume), knowledge, notes)
}

/// Returns the volume of EKS Auto Mode's node class.
fn storage(object: &Object, knowledge: Knowledge<'_>, notes: &mut Notes) -> Vec<Line> {
    let usual = knowledge.facts.auto_mode.volume_gib;
    let Some(given) = object.at("/spec/ephemeralStorage") else {
        let why = format!("{}: no ephemeralStorage, so EKS Auto Mode's default", object.label());
        return vec![Line::new("volume_gib", number(usual), &why)];
    };
    let kind = VolumeType::default();
    let volume = volume(object, ("spec.ephemeralStorage", given), (kind, "size", usual), notes);
    lines(object, ("spec.ephemeralStorage", volume), knowledge, notes)
}

/// Least size of a volume that a scenario plans, and that EBS makes.
const LEAST_GIB: f64 = 1.0;

/// Returns a volume with its size under `key`; the usual size where it has none.
fn volume(
    object: &Object,
    (field, given): (&str, &Value),
    (kind, key, usual): (VolumeType, &str, f64),
    notes: &mut Notes,
) -> Volume {
    let place = format!("{field}.{key}");
    let size = given.get(key).filter(|size| !size.is_null());
    let read = size.and_then(|size| quantity(object, (&place, size), notes));
    let read = read.map(|size| size.mebibytes() / 1024.0).filter(|gib| *gib >= LEAST_GIB);
    if read.is_none() {
        let message = format!("is missing, unreadable or below 1 GiB; {usual} GiB are planned");
        notes.field(object, &place, &message);
    }
    let mut figure = |key: &str| {
        let value = given.get(key).filter(|value| !value.is_null())?;
        let place = format!("{field}.{key}");
        whole(object, (&place, value), (1, 1_000_000), notes).map(f64::from)
    };
    let (iops, throughput) = (figure("iops"), figure("throughput"));
    Volume { kind, gib: read.unwrap_or(usual), iops, throughput }
}

/// Returns the keys of a volume, within what the type that a scenario plans may have.
fn lines(
    object: &Object,
    (field, volume): (&str, Volume),
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Line> {
    let kind = volume.kind;
    let limits = knowledge.catalog.controllers.ebs.of(kind);
    // A type without such a setting ignores it, as EC2 does.
    let settable = |given: Option<f64>, most: f64| given.filter(|_| most > 0.0);
    let iops = settable(volume.iops, limits.max_iops);
    let figures = [
        ("volume_gib", Some(volume.gib), (limits.max_gib, "GiB")),
        (
            "volume_iops",
            iops.or_else(|| Some(limits.min_iops).filter(|least| *least > 0.0)),
            (limits.max_iops, "IOPS"),
        ),
        (
            "volume_throughput_mibps",
            settable(volume.throughput, limits.max_mibps),
            (limits.max_mibps, "MiB/s"),
        ),
    ];
    let given = figures.into_iter().filter_map(|(key, value, most)| Some((key, value?, most)));
    let mut lines: Vec<Line> = given
        .map(|(key, value, most)| {
            let value = capped(object, (field, value), most, kind, notes);
            Line::new(key, number(value), &object.label())
        })
        .collect();
    if kind != VolumeType::default() {
        lines.push(Line::new("volume_type", kind.name(), &object.label()));
    }
    lines
}

/// Returns a pool's `kubelet`; also of a `v1beta1` node pool, which had it itself.
pub(super) fn kubelet(object: &Object, pointer: &str, notes: &mut Notes) -> Option<Line> {
    let lines = kubelet_lines(object, pointer, notes);
    if lines.is_empty() {
        return None;
    }
    let mut table = InlineTable::new();
    for line in lines {
        table.insert(&line.key, line.value);
    }
    Some(Line::new("kubelet", table, &object.label()))
}

fn kubelet_lines(object: &Object, pointer: &str, notes: &mut Notes) -> Vec<Line> {
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
