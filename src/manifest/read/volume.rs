//! Volumes that pods claim, as claims of `[ebs]`: `PersistentVolumeClaims`, the templates of `StatefulSets` times
//! their replicas, generic ephemeral volumes, and volumes that no claim is left of.
//!
//! A volume counts once, however many objects describe it: its template, its claim and its `PersistentVolume`.
//!
//! # Source
//! Kubernetes, "Persistent Volumes" (a claim's `volumeName` and a volume's `claimRef` bind them),
//! "`StatefulSets`" (a claim is named template-set-ordinal, and stays when the set scales down), "Ephemeral Volumes"
//! (a claim is named pod-volume, and the pod owns it), "Storage Classes". EBS CSI driver, `docs/parameters.md`: IOPS
//! above the maximum of the type are capped. Provisioners and their default types: `models/manifests.toml`; limits:
//! `models/controllers.toml`.

use serde_json::Value;

use super::{
    Knowledge, Notes,
    documents::{Object, at, items, pairs, same_namespace, text},
    value::{Line, capped, quantity, rounded, shown},
    workload::Draft,
};
use crate::{facts::shapes::VolumeType, manifest::quantity::Quantity};

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

impl Volume {
    /// Returns whether it costs the same as another.
    fn equals(&self, other: &Self) -> bool {
        (self.gib, self.kind, self.iops, self.throughput)
            == (other.gib, other.kind, other.iops, other.throughput)
    }
}

/// A size and the field that has it.
struct Size {
    field: String,
    gib: f64,
}

impl Size {
    /// Returns the size as EBS has it: whole, in GiB.
    fn whole(&self) -> f64 {
        self.gib.ceil().max(1.0)
    }
}

/// What volumes are read from, and by.
#[derive(Clone, Copy)]
struct Storage<'a> {
    sources: &'a Sources,
    knowledge: Knowledge<'a>,
}

impl<'a> Storage<'a> {
    /// Returns whether volumes of this provisioner, or driver, are EBS volumes.
    fn is_ebs(self, provisioner: &str) -> bool {
        self.knowledge.facts.ebs_provisioners.contains_key(provisioner)
    }

    /// Returns the claim of this name among the manifests, or else the volume whose `claimRef` names it.
    fn existing(self, name: &str, namespace: &str) -> Option<&'a Object> {
        let claims = &self.sources.claims;
        let claim = claims
            .iter()
            .find(|known| known.name == name && same_namespace(&known.namespace, namespace));
        claim.or_else(|| {
            self.sources.volumes.iter().find(|volume| refers_to(volume, name, namespace))
        })
    }

    /// What an object of `existing` is planned as.
    fn planned(self, object: &Object) -> Option<Volume> {
        // Its notes are written when it counts as itself.
        let mut discarded = Notes::default();
        match &*object.kind {
            "PersistentVolume" => persistent(object, self, &mut discarded),
            _ => volume(object, ("spec", &object.body), self, &mut discarded),
        }
    }
}

/// Claims of `[ebs]`, and the objects that they count already.
#[derive(Default)]
struct Planned<'a> {
    claims: Vec<Claimed>,
    counted: Vec<&'a Object>,
}

impl Planned<'_> {
    fn has_counted(&self, object: &Object) -> bool {
        self.counted.iter().any(|known| std::ptr::eq(*known, object))
    }
}

pub(super) fn read(
    sources: &Sources,
    workloads: &[Object],
    drafts: &[Draft],
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<Claimed> {
    let storage = Storage { sources, knowledge };
    let mut all = Planned::default();
    for object in workloads {
        let Some(draft) = drafts.iter().find(|draft| draft.is_of(object)) else { continue };
        templates(object, draft, storage, (&mut all, notes));
        pod_volumes(object, draft, storage, (&mut all, notes));
    }
    for claim in &sources.claims {
        if all.has_counted(claim) {
            continue;
        }
        if let Some(volume) = volume(claim, ("spec", &claim.body), storage, notes) {
            push(&mut all.claims, &claim.name, (volume, 1), &claim.label());
        }
    }
    for object in &sources.volumes {
        let has_claim = sources.claims.iter().any(|claim| is_bound(object, claim));
        if has_claim || all.has_counted(object) {
            continue;
        }
        if let Some(volume) = persistent(object, storage, notes) {
            push(&mut all.claims, &object.name, (volume, 1), &object.label());
        }
    }
    all.claims
}

/// Claims that the templates of a `StatefulSet` make, one for each replica.
fn templates<'a>(
    object: &Object,
    draft: &Draft,
    storage: Storage<'a>,
    (all, notes): (&mut Planned<'a>, &mut Notes),
) {
    let replicas = draft.replicas();
    for (index, template) in items(&object.body, "/spec/volumeClaimTemplates").iter().enumerate() {
        let field = format!("spec.volumeClaimTemplates[{index}]");
        let name = text(template, "/metadata/name").unwrap_or_default();
        if !crate::manifest::is_kubernetes_name(name) {
            let message = format!("{name:?} is not a valid Kubernetes name");
            notes.field(object, &format!("{field}.metadata.name"), &message);
        }
        let Some(volume) = volume(object, (&field, template), storage, notes) else { continue };
        let mut count = replicas;
        for ordinal in 0..replicas {
            // A claim or volume that is among the manifests counts as itself, unless it is the template's equal.
            let claim = format!("{name}-{}-{ordinal}", object.name);
            let Some(existing) = storage.existing(&claim, &object.namespace) else { continue };
            if storage.planned(existing).is_some_and(|planned| planned.equals(&volume)) {
                all.counted.push(existing);
            } else {
                count -= 1;
            }
        }
        let why = format!("{}, {replicas} replicas", object.label());
        push(&mut all.claims, &format!("{}-{name}", object.name), (volume, count), &why);
        beyond(object, draft, &field, notes);
    }
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
fn pod_volumes<'a>(
    object: &Object,
    draft: &Draft,
    storage: Storage<'a>,
    (all, notes): (&mut Planned<'a>, &mut Notes),
) {
    for given in items(&object.body, "/spec/template/spec/volumes") {
        let name = text(given, "/name").unwrap_or_default();
        let field = format!("spec.template.spec.volumes.{name}");
        if let Some(claim) = text(given, "/persistentVolumeClaim/claimName")
            && storage.existing(claim, &object.namespace).is_none()
        {
            let message = format!(
                "mounts claim {claim}, which is not among the manifests: its size is unknown, and not planned"
            );
            notes.field(object, &field, &message);
        }
        if let Some(template) = at(given, "/ephemeral/volumeClaimTemplate")
            && let Some(volume) = volume(object, (&field, template), storage, notes)
        {
            let claims = &storage.sources.claims;
            let made: Vec<&Object> =
                claims.iter().filter(|claim| is_made_for(claim, object, name)).collect();
            if draft.is_daemon_set {
                // Claims of its pods count as themselves: what the nodes of the dump have.
                if made.is_empty() {
                    let message = format!(
                        "is not planned: {} GiB on every node; a scenario's claims have a fixed number",
                        volume.gib
                    );
                    notes.field(object, &field, &message);
                }
                continue;
            }
            all.counted.extend(made);
            let why = format!("{}, {} replicas", object.label(), draft.replicas());
            let name = format!("{}-{name}", object.name);
            push(&mut all.claims, &name, (volume, draft.replicas()), &why);
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

/// Returns whether Kubernetes made a claim for an ephemeral volume of a pod of this workload. Pods of a Deployment
/// are named workload-hash-suffix, those of other controllers workload-suffix.
fn is_made_for(claim: &Object, workload: &Object, volume: &str) -> bool {
    let owners = items(&claim.body, "/metadata/ownerReferences");
    let owner = owners.iter().find(|owner| text(owner, "/kind") == Some("Pod"));
    let Some(pod) = owner.and_then(|owner| text(owner, "/name")) else { return false };
    let parts = match &*workload.kind {
        "Pod" => 0,
        "Deployment" | "Rollout" => 2,
        _ => 1,
    };
    let suffix = pod.strip_prefix(&*workload.name);
    same_namespace(&claim.namespace, &workload.namespace)
        && claim.name == format!("{pod}-{volume}")
        && suffix.is_some_and(|suffix| {
            (suffix.is_empty() || suffix.starts_with('-')) && suffix.matches('-').count() == parts
        })
}

/// Returns whether a volume's `claimRef` names this claim.
fn refers_to(volume: &Object, name: &str, namespace: &str) -> bool {
    let given = |field: &str| text(&volume.body, &format!("/spec/claimRef/{field}"));
    given("name") == Some(name) && same_namespace(given("namespace").unwrap_or_default(), namespace)
}

/// Returns whether a claim has this volume: the one that it names, or else the one whose `claimRef` names it.
fn is_bound(volume: &Object, claim: &Object) -> bool {
    match text(&claim.body, "/spec/volumeName").filter(|name| !name.is_empty()) {
        Some(name) => name == volume.name,
        None => refers_to(volume, &claim.name, &claim.namespace),
    }
}

/// Returns a `PersistentVolume` as a volume.
fn persistent(object: &Object, storage: Storage<'_>, notes: &mut Notes) -> Option<Volume> {
    let size = size(object, ("spec.capacity.storage", &object.body), "/spec/capacity", notes)?;
    match driver(object) {
        Some(driver) if storage.is_ebs(driver) => {
            let class = text(&object.body, "/spec/storageClassName");
            let class = class.filter(|class| !class.is_empty());
            of_class(object, ("spec", class), &size, storage, notes)
        }
        driver => {
            not_metered(object, "spec", &size, driver.unwrap_or("an unknown driver"), notes);
            None
        }
    }
}

/// Returns the driver of a `PersistentVolume`.
fn driver(object: &Object) -> Option<&str> {
    let in_tree = object.at("/spec/awsElasticBlockStore").map(|_| "kubernetes.io/aws-ebs");
    text(&object.body, "/spec/csi/driver").or(in_tree)
}

/// Returns the size below a pointer.
fn size(
    object: &Object,
    (field, within): (&str, &Value),
    pointer: &str,
    notes: &mut Notes,
) -> Option<Size> {
    let Some(given) = at(within, &format!("{pointer}/storage")) else {
        notes.field(object, field, "claims a volume without a size; it is not planned");
        return None;
    };
    let gib = quantity(object, (field, given), notes)?.mebibytes() / 1024.0;
    Some(Size { field: field.to_owned(), gib })
}

/// Returns the volume of a claim, or of a template; `given` has its `spec`.
fn volume(
    object: &Object,
    (field, given): (&str, &Value),
    storage: Storage<'_>,
    notes: &mut Notes,
) -> Option<Volume> {
    let is_claim = field == "spec";
    let prefix = if is_claim { String::new() } else { format!("{field}.") };
    let place = format!("{prefix}spec.resources.requests.storage");
    let mut size = size(object, (&place, given), "/spec/resources/requests", notes)?;
    let bound = storage.sources.volumes.iter().find(|volume| is_claim && is_bound(volume, object));
    if let Some(bound) = bound {
        if let Some(driver) = driver(bound).filter(|driver| !storage.is_ebs(driver)) {
            not_metered(object, field, &size, driver, notes);
            return None;
        }
        // A claim may have a larger volume than it asks for.
        let capacity = at(&bound.body, "/spec/capacity/storage");
        let capacity = capacity.and_then(|given| Quantity::of(given).ok());
        size.gib = size.gib.max(capacity.map_or(0.0, |capacity| capacity.mebibytes() / 1024.0));
    }
    let class = text(given, "/spec/storageClassName");
    if class == Some("") && bound.is_none() {
        let message = format!(
            "{} GiB of a volume that is not among the manifests (storageClassName is empty) are not planned",
            size.whole()
        );
        notes.field(object, field, &message);
        return None;
    }
    of_class(object, (field, class.filter(|class| !class.is_empty())), &size, storage, notes)
}

fn not_metered(object: &Object, field: &str, size: &Size, what: &str, notes: &mut Notes) {
    let gib = size.whole();
    let message =
        format!("{gib} GiB of {what} are not planned: no service of a scenario meters them");
    notes.field(object, field, &message);
}

/// Returns the volume that a storage class makes.
fn of_class(
    object: &Object,
    (field, class): (&str, Option<&str>),
    size: &Size,
    storage: Storage<'_>,
    notes: &mut Notes,
) -> Option<Volume> {
    let is_default = |known: &&Object| {
        DEFAULT_CLASS.iter().any(|pointer| text(&known.body, pointer) == Some("true"))
    };
    let mut classes = storage.sources.classes.iter();
    let found = match class {
        Some(name) => classes.find(|known| known.name == name),
        None => classes.find(is_default),
    };
    let Some(found) = found else {
        let (kind, why) = match class {
            Some("gp2") => ("gp2", "class gp2".to_owned()),
            Some("gp3") => ("gp3", "class gp3".to_owned()),
            other => {
                let named = other.map_or("the default class".to_owned(), |c| format!("class {c}"));
                let message = format!(
                    "{named} is not among the manifests: {} GiB are planned as gp3",
                    size.whole()
                );
                notes.field(object, field, &message);
                ("gp3", format!("assumption: {named} is gp3"))
            }
        };
        return of_type(object, size, (kind, why), storage, notes);
    };
    let provisioner = text(&found.body, "/provisioner").unwrap_or_default();
    let Some(default) = storage.knowledge.facts.ebs_provisioners.get(provisioner) else {
        not_metered(object, field, size, provisioner, notes);
        return None;
    };
    let parameter = |name: &str| {
        pairs(&found.body, "/parameters")
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| shown(value))
    };
    let why = format!("class {}", found.name);
    let given = parameter("type");
    let given = given.as_deref().unwrap_or(default);
    let typed = if let Some(kind) = VolumeType::named(given) {
        (kind.name(), why)
    } else {
        // An io1 volume costs what the first tier of io2 does.
        let planned = if given == "io1" { VolumeType::Io2 } else { VolumeType::Gp3 }.name();
        let message = format!("{} GiB of type {given} are planned as {planned}", size.whole());
        notes.field(object, field, &message);
        (planned, format!("{why}: {given}, planned as {planned}"))
    };
    let mut volume = of_type(object, size, typed, storage, notes)?;
    let kind = VolumeType::named(volume.kind).unwrap_or_default();
    let limits = storage.knowledge.catalog.controllers.ebs.of(kind);
    if limits.max_iops > 0.0 {
        let mut number = |name: &str| {
            let given = parameter(name)?;
            let number = given.parse::<u32>().ok().filter(|number| *number > 0);
            if number.is_none() {
                let message = format!("{given:?} is not a whole number above 0; it is ignored");
                notes.field(found, &format!("parameters.{name}"), &message);
            }
            number.map(f64::from)
        };
        let iops = number("iops").or_else(|| Some(number("iopsPerGB")? * f64::from(volume.gib)));
        let throughput = number("throughput");
        let per_gib = limits.max_iops_per_gib.unwrap_or(f64::INFINITY);
        let most = limits.max_iops.min(per_gib * f64::from(volume.gib));
        let iops = iops.map(|iops| iops.max(limits.min_iops));
        let iops = iops.or_else(|| Some(limits.min_iops).filter(|least| *least > 0.0));
        let mut within = |given: Option<f64>, most: f64, unit: &str| {
            let unit = format!("{unit} of class {}", found.name);
            Some(capped(object, (field, given?), (most, &unit), kind, notes) as i64)
        };
        volume.iops = within(iops, most, "IOPS");
        let throughput = throughput.filter(|_| limits.max_mibps > 0.0);
        volume.throughput = within(throughput, limits.max_mibps, "MiB/s");
    }
    Some(volume)
}

/// Returns a volume of a type, within the largest of it.
fn of_type(
    object: &Object,
    size: &Size,
    (kind, why): (&'static str, String),
    storage: Storage<'_>,
    notes: &mut Notes,
) -> Option<Volume> {
    let known = VolumeType::named(kind).unwrap_or_default();
    let limits = storage.knowledge.catalog.controllers.ebs.of(known);
    let most = limits.max_gib;
    let gib = if size.whole() < limits.min_gib {
        let least = limits.min_gib;
        let message = format!(
            "{} volume has at least {least} GiB; {least} are planned",
            known.with_article()
        );
        notes.field(object, &size.field, &message);
        least as i64
    } else if size.whole() > most {
        capped(object, (&size.field, size.gib), (most, "GiB"), known, notes) as i64
    } else {
        rounded(object, (&size.field, size.gib), (size.whole(), "GiB"), notes)
    };
    let gib = u32::try_from(gib).ok()?;
    Some(Volume { gib, kind, iops: None, throughput: None, why })
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
