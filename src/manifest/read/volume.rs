//! Volumes that pods claim, as claims of `[ebs]`: `PersistentVolumeClaims`, the templates of `StatefulSets` times
//! their replicas, generic ephemeral volumes, and volumes that no claim is left of.
//!
//! # Source
//! Kubernetes, "Persistent Volumes", "`StatefulSets`" (a claim is named template-set-ordinal, and stays when the set
//! scales down), "Ephemeral Volumes", "Storage Classes". EBS CSI driver, `docs/parameters.md`: the type is gp3
//! where a class names none; the in-tree provisioner's is gp2.

use serde_json::Value;

use super::{
    Notes,
    documents::{Object, at, items, pairs, text},
    value::{Line, quantity, rounded, shown},
    workload::Draft,
};

/// Provisioners whose volumes are EBS volumes, and the type of a class that names none.
const PROVISIONERS: [(&str, &str); 3] = [
    ("ebs.csi.aws.com", "gp3"),
    ("ebs.csi.eks.amazonaws.com", "gp3"),
    ("kubernetes.io/aws-ebs", "gp2"),
];
const DEFAULT_CLASS: [&str; 2] = [
    "/metadata/annotations/storageclass.kubernetes.io~1is-default-class",
    "/metadata/annotations/storageclass.beta.kubernetes.io~1is-default-class",
];

/// Objects that volumes come from.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) claims: Vec<Object>,
    pub(super) volumes: Vec<Object>,
    pub(super) classes: Vec<Object>,
}

/// A claim of `[ebs]`.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) name: String,
    pub(super) lines: Vec<Line>,
    pub(super) count: u32,
    pub(super) gib: u32,
}

/// The volume that a claim asks for.
#[derive(Debug, Clone, PartialEq)]
struct Volume {
    gib: u32,
    kind: &'static str,
    iops: Option<i64>,
    throughput: Option<i64>,
    why: String,
}

pub(super) fn read(
    sources: &Sources,
    workloads: &[Object],
    drafts: &[Draft],
    notes: &mut Notes,
) -> Vec<Claimed> {
    let mut all = Vec::new();
    let mut counted: Vec<(&str, &str)> = Vec::new();
    for object in workloads {
        let Some(draft) = drafts.iter().find(|draft| draft.is_of(object)) else { continue };
        let replicas = draft.replicas();
        for (index, template) in
            items(&object.body, "/spec/volumeClaimTemplates").iter().enumerate()
        {
            let field = format!("spec.volumeClaimTemplates[{index}]");
            let name = text(template, "/metadata/name").unwrap_or_default();
            if !crate::manifest::is_kubernetes_name(name) {
                let message = format!("{name:?} is no name that Kubernetes takes");
                notes.field(object, &format!("{field}.metadata.name"), &message);
            }
            let Some(volume) = volume(object, (&field, template), sources, notes) else { continue };
            let mut count = replicas;
            for ordinal in 0..replicas {
                // A claim that is among the manifests counts as itself, unless it is the template's equal.
                let claim = format!("{name}-{}-{ordinal}", object.name);
                let Some(claim) = sources
                    .claims
                    .iter()
                    .find(|known| known.name == claim && known.namespace == object.namespace)
                else {
                    continue;
                };
                let mut unheard = Notes::default();
                let own = self::volume(claim, ("spec", &claim.body), sources, &mut unheard);
                if own.is_some_and(|own| Volume { why: volume.why.clone(), ..own } == volume) {
                    counted.push((&claim.name, &claim.namespace));
                } else {
                    count -= 1;
                }
            }
            let why = format!("{}, {replicas} replicas", object.label());
            push(&mut all, &format!("{}-{name}", object.name), (volume, count), &why);
            beyond(object, draft, &field, notes);
        }
        pod_volumes(object, draft, sources, (&mut all, notes));
    }
    for claim in &sources.claims {
        if counted.contains(&(&claim.name, &claim.namespace)) {
            continue;
        }
        if let Some(volume) = volume(claim, ("spec", &claim.body), sources, notes) {
            push(&mut all, &claim.name, (volume, 1), &claim.label());
        }
    }
    for object in &sources.volumes {
        left_over(object, sources, (&mut all, notes));
    }
    all
}

/// Claims that replicas beyond the planned ones would add.
fn beyond(object: &Object, draft: &Draft, field: &str, notes: &mut Notes) {
    let (planned, most) = (draft.replicas(), draft.most_replicas());
    if most > planned {
        let message = format!(
            "{planned} of up to {most} volumes are planned; scaling up adds the others, and scaling down keeps them"
        );
        notes.field(object, field, &message);
    }
}

/// Volumes of a pod that are made for it, and claims that are not among the manifests.
fn pod_volumes(
    object: &Object,
    draft: &Draft,
    sources: &Sources,
    (all, notes): (&mut Vec<Claimed>, &mut Notes),
) {
    for given in items(&object.body, "/spec/template/spec/volumes") {
        let name = text(given, "/name").unwrap_or_default();
        let field = format!("spec.template.spec.volumes.{name}");
        if let Some(claim) = text(given, "/persistentVolumeClaim/claimName") {
            let known = |known: &Object| {
                known.name == claim
                    && (known.namespace == object.namespace
                        || known.namespace.is_empty()
                        || object.namespace.is_empty())
            };
            if !sources.claims.iter().any(known) {
                let message = format!(
                    "mounts claim {claim}, which is not among the manifests: its size is unknown, and not planned"
                );
                notes.field(object, &field, &message);
            }
        }
        if let Some(template) = at(given, "/ephemeral/volumeClaimTemplate")
            && let Some(volume) = volume(object, (&field, template), sources, notes)
        {
            if draft.is_daemon_set {
                let message = format!(
                    "is not planned: {} GiB on every node; a scenario's claims have a fixed number",
                    volume.gib
                );
                notes.field(object, &field, &message);
                continue;
            }
            let why = format!("{}, {} replicas", object.label(), draft.replicas());
            push(all, &format!("{}-{name}", object.name), (volume, draft.replicas()), &why);
            beyond(object, draft, &field, notes);
        }
        for source in ["awsElasticBlockStore", "csi", "nfs"] {
            if at(given, &format!("/{source}")).is_some() {
                let message = format!("is not planned: a volume ({source}) whose size is unknown");
                notes.field(object, &field, &message);
            }
        }
    }
}

/// A volume whose claim is gone, or never was.
fn left_over(object: &Object, sources: &Sources, (all, notes): (&mut Vec<Claimed>, &mut Notes)) {
    let claim = text(&object.body, "/spec/claimRef/name").unwrap_or_default();
    let namespace = text(&object.body, "/spec/claimRef/namespace").unwrap_or_default();
    let bound = |known: &Object| {
        known.name == claim && (known.namespace == namespace || known.namespace.is_empty())
    };
    if sources.claims.iter().any(bound) {
        return;
    }
    let Some(gib) = size(object, ("spec.capacity.storage", &object.body), "/spec/capacity", notes)
    else {
        return;
    };
    match driver(object) {
        Some(driver) if PROVISIONERS.iter().any(|(known, _)| *known == driver) => {
            let class = text(&object.body, "/spec/storageClassName");
            let volume = of_class(object, ("spec", class, gib), sources, notes);
            if let Some(volume) = volume {
                push(all, &object.name, (volume, 1), &object.label());
            }
        }
        driver => {
            let message = format!(
                "{gib} GiB of {} are not planned: no service of a scenario meters them",
                driver.unwrap_or("no driver that is known")
            );
            notes.field(object, "spec", &message);
        }
    }
}

/// The driver of a `PersistentVolume`.
fn driver(object: &Object) -> Option<&str> {
    let in_tree = object.at("/spec/awsElasticBlockStore").map(|_| "kubernetes.io/aws-ebs");
    text(&object.body, "/spec/csi/driver").or(in_tree)
}

/// The size [GiB], as EBS has it: whole.
fn size(
    object: &Object,
    (field, within): (&str, &Value),
    pointer: &str,
    notes: &mut Notes,
) -> Option<u32> {
    let Some(given) = at(within, &format!("{pointer}/storage")) else {
        notes.field(object, field, "claims a volume without a size; it is not planned");
        return None;
    };
    let gib = quantity(object, (field, given), notes)?.mebibytes() / 1024.0;
    let taken = gib.ceil().clamp(1.0, 65_536.0);
    let taken = rounded(object, (field, gib), (taken, "GiB"), notes);
    u32::try_from(taken).ok()
}

/// The volume of a claim, or of a template; `given` has its `spec`.
fn volume(
    object: &Object,
    (field, given): (&str, &Value),
    sources: &Sources,
    notes: &mut Notes,
) -> Option<Volume> {
    let prefix = if field == "spec" { "" } else { field };
    let apart = if prefix.is_empty() { "" } else { "." };
    let place = format!("{prefix}{apart}spec.resources.requests.storage");
    let gib = size(object, (&place, given), "/spec/resources/requests", notes)?;
    let bound = text(given, "/spec/volumeName");
    let bound = bound.and_then(|name| sources.volumes.iter().find(|volume| volume.name == name));
    if let Some(driver) = bound.and_then(driver)
        && !PROVISIONERS.iter().any(|(known, _)| *known == driver)
    {
        not_metered(object, field, (gib, driver), notes);
        return None;
    }
    let class = text(given, "/spec/storageClassName");
    if class == Some("") && bound.is_none() {
        let message = format!(
            "{gib} GiB of a volume that is not among the manifests (storageClassName is empty) are not planned"
        );
        notes.field(object, field, &message);
        return None;
    }
    of_class(object, (field, class.filter(|class| !class.is_empty()), gib), sources, notes)
}

fn not_metered(object: &Object, field: &str, (gib, what): (u32, &str), notes: &mut Notes) {
    let message =
        format!("{gib} GiB of {what} are not planned: no service of a scenario meters them");
    notes.field(object, field, &message);
}

/// The volume that a storage class makes.
fn of_class(
    object: &Object,
    (field, class, gib): (&str, Option<&str>, u32),
    sources: &Sources,
    notes: &mut Notes,
) -> Option<Volume> {
    let is_default = |known: &&Object| {
        DEFAULT_CLASS.iter().any(|pointer| text(&known.body, pointer) == Some("true"))
    };
    let found = match class {
        Some(name) => sources.classes.iter().find(|known| known.name == name),
        None => sources.classes.iter().find(is_default),
    };
    let plain =
        |kind: &'static str, why: String| Volume { gib, kind, iops: None, throughput: None, why };
    let Some(found) = found else {
        return Some(match class {
            Some("gp2") => plain("gp2", "class gp2".into()),
            Some("gp3") => plain("gp3", "class gp3".into()),
            other => {
                let named = other.map_or("the default class".to_owned(), |c| format!("class {c}"));
                let message =
                    format!("{named} is not among the manifests: {gib} GiB are planned as gp3");
                notes.field(object, field, &message);
                plain("gp3", format!("assumption: {named} is gp3"))
            }
        });
    };
    let provisioner = text(&found.body, "/provisioner").unwrap_or_default();
    let Some((_, usual)) = PROVISIONERS.iter().find(|(known, _)| *known == provisioner) else {
        not_metered(object, field, (gib, provisioner), notes);
        return None;
    };
    let parameter = |name: &str| {
        pairs(&found.body, "/parameters")
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| shown(value))
    };
    let why = format!("class {}", found.name);
    let mut volume = match parameter("type").as_deref().unwrap_or(usual) {
        "gp2" => plain("gp2", why),
        "gp3" => plain("gp3", why),
        other => {
            let message = format!("{gib} GiB of type {other} are planned as gp3");
            notes.field(object, field, &message);
            plain("gp3", format!("{why}: {other}, planned as gp3"))
        }
    };
    if volume.kind == "gp3" {
        let mut number = |name: &str| {
            let given = parameter(name)?;
            let number =
                given.parse::<i64>().ok().filter(|number| (1..=1_000_000).contains(number));
            if number.is_none() {
                let message = format!("{given:?} is no whole number; it is not read");
                notes.field(found, &format!("parameters.{name}"), &message);
            }
            number
        };
        volume.iops = number("iops").or_else(|| Some(number("iopsPerGB")? * i64::from(gib)));
        volume.throughput = number("throughput");
    }
    Some(volume)
}

fn push(all: &mut Vec<Claimed>, name: &str, (volume, count): (Volume, u32), why: &str) {
    if count == 0 {
        return;
    }
    let free = |name: &String| !all.iter().any(|known| known.name == *name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let Some(name) = std::iter::once(name.to_owned()).chain(numbered).find(free) else { return };
    let Volume { gib, kind, iops, throughput, why: class } = volume;
    let mut lines = vec![Line::new("gib", i64::from(gib), &format!("{why}; {class}"))];
    if count > 1 {
        lines.push(Line::new("count", i64::from(count), why));
    }
    if kind != "gp3" {
        lines.push(Line::new("volume_type", kind, &class));
    }
    let more = [("iops", iops), ("throughput_mibps", throughput)];
    lines.extend(more.into_iter().filter_map(|(key, n)| Some(Line::new(key, n?, &class))));
    all.push(Claimed { name, lines, count, gib });
}
