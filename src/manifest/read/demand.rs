//! Objects that ask for capacity or money and that a scenario has no place for: a note names what they ask for.
//!
//! # Source
//! Kubernetes, "Jobs" (`parallelism` 1 by default), "`CronJob`", "Service" (type `LoadBalancer`), "Limit Ranges".
//! AWS Load Balancer Controller, "Ingress annotations" (`group.name` shares a load balancer).

use serde_json::Value;

use super::{
    Notes,
    documents::{Object, at, items, pairs, text},
    pod,
    value::{Line, shown},
};

/// Pointers below which kinds keep the template of their pods.
const TEMPLATES: [&str; 4] = [
    "/spec/jobTemplate/spec/template",
    "/spec/jobTargetRef/template",
    "/spec/template",
    "/spec/podTemplate",
];

/// Returns whether an object says how pods look.
pub(super) fn has_pods(object: &Object) -> bool {
    TEMPLATES
        .iter()
        .any(|template| !items(&object.body, &format!("{template}/spec/containers")).is_empty())
}

/// What the pods of an object ask for, one after the other or at once.
pub(super) fn pods(object: &Object, notes: &mut Notes) {
    let Some(template) = TEMPLATES
        .iter()
        .find(|template| !items(&object.body, &format!("{template}/spec/containers")).is_empty())
    else {
        return;
    };
    let body = serde_json::json!({ "spec": { "template": object.at(template) } });
    let (requests, _) = pod::resources(&object.with(body), notes);
    let above = template.trim_end_matches("/template");
    let number = |name: &str| {
        object.at(&format!("{above}/{name}")).and_then(Value::as_u64).filter(|count| *count > 1)
    };
    let mut asks = format!(
        "{:.0}m CPU and {:.0} MiB",
        requests.cpu.unwrap_or(0.0),
        requests.memory.unwrap_or(0.0)
    );
    if let Some(pods) = number("parallelism") {
        asks = format!("{asks} for each of {pods} pods at once");
    }
    if let Some(pods) = number("completions") {
        asks = format!("{asks}, {pods} pods in all");
    }
    let when = text(&object.body, "/spec/schedule")
        .map_or(String::new(), |schedule| format!(" on schedule {schedule:?}"));
    let message = if matches!(&*object.kind, "Job" | "CronJob") {
        format!("requests {asks}{when}; the plan has no room for it")
    } else if object.kind == "ScaledJob" {
        format!(
            "requests {asks} for each of its jobs; how many there are follows a queue, which a scenario does not have, so the plan has no room for them"
        )
    } else {
        format!(
            "{} of {} has no counterpart in a scenario; its pods request {asks}, and the plan has no room for them",
            object.kind, object.version
        )
    };
    notes.field(object, "", &message);
}

/// Returns a Service of type `LoadBalancer`; the others cost nothing of their own.
pub(super) fn load_balancer(object: &Object, notes: &mut Notes) -> bool {
    let asks = text(&object.body, "/spec/type") == Some("LoadBalancer");
    if asks {
        let ports = items(&object.body, "/spec/ports").len();
        let message = format!(
            "is not planned: 1 load balancer (Network or Classic) with {ports} {}; [alb] has Application Load Balancers only",
            if ports == 1 { "listener" } else { "listeners" }
        );
        notes.field(object, "spec.type", &message);
    }
    asks
}

/// Default requests, which containers without any get.
pub(super) fn default_requests(object: &Object, notes: &mut Notes) {
    for (index, limit) in items(&object.body, "/spec/limits").iter().enumerate() {
        for name in ["defaultRequest", "default"] {
            let given: Vec<String> = pairs(limit, &format!("/{name}"))
                .map(|(key, value)| format!("{key} {}", shown(value)))
                .collect();
            if !given.is_empty() {
                let message = format!(
                    "sets {} for containers without resources; the plan ignores it. Set it in the containers",
                    given.join(", ")
                );
                notes.field(object, &format!("spec.limits[{index}].{name}"), &message);
            }
        }
    }
}

/// Returns Application Load Balancers that Ingresses of class alb share or have of their own: `alb.load_balancers`.
pub(super) fn ingresses(objects: &[Object], notes: &mut Notes) -> Option<Line> {
    let annotation = |object: &Object, name: &str| {
        let found = pairs(&object.body, "/metadata/annotations").find(|(key, _)| *key == name);
        found.and_then(|(_, value)| value.as_str().map(str::to_owned))
    };
    let mut balancers: Vec<String> = Vec::new();
    let mut first = None;
    let mut others: Vec<(&Object, String)> = Vec::new();
    for object in objects {
        let class = text(&object.body, "/spec/ingressClassName")
            .map(str::to_owned)
            .or_else(|| annotation(object, "kubernetes.io/ingress.class"));
        let configured = pairs(&object.body, "/metadata/annotations")
            .any(|(key, _)| key.starts_with("alb.ingress.kubernetes.io/"));
        if class.as_deref() != Some("alb") && !configured {
            others.push((object, class.unwrap_or_else(|| "(none)".into())));
            continue;
        }
        let group = annotation(object, "alb.ingress.kubernetes.io/group.name");
        let name = group.unwrap_or_else(|| format!("{}/{}", object.namespace, object.name));
        if !balancers.contains(&name) {
            balancers.push(name);
        }
        first.get_or_insert_with(|| object.label());
    }
    if let Some((object, class)) = others.first() {
        let message = format!(
            "no load balancer is planned for {} whose class is not alb (the first: {class}); the Service of its controller is reported where it is among the manifests",
            if others.len() == 1 {
                "1 Ingress".to_owned()
            } else {
                format!("{} Ingresses", others.len())
            }
        );
        notes.field(object, "spec.ingressClassName", &message);
    }
    let count = i64::try_from(balancers.len().min(100)).ok()?;
    let why = match (first?, count) {
        (label, 1) => label,
        (label, count) => format!("{label} and {} more", count - 1),
    };
    Some(Line::new("load_balancers", count, &why))
}

/// Gateways of the Gateway API.
pub(super) fn gateway(object: &Object, notes: &mut Notes) {
    let class = text(&object.body, "/spec/gatewayClassName").unwrap_or_default();
    let listeners =
        at(&object.body, "/spec/listeners").and_then(Value::as_array).map_or(0, Vec::len);
    let message = format!(
        "is not planned: 1 load balancer of class {class} ({listeners} listeners); count it in alb.load_balancers if it is an Application Load Balancer"
    );
    notes.field(object, "", &message);
}
