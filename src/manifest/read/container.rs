//! What an autoscaler sees of the containers of a pod: metrics of one, and containers without a request.
//!
//! # Source
//! kubernetes/kubernetes `pkg/controller/podautoscaler/replica_calculator.go#calculatePodRequestsFromContainers`:
//! utilization needs a request of every container and sidecar, or, where the metric names one, of that one;
//! requests of the pod itself replace all of them (`#calculatePodRequests`).

use toml_edit::InlineTable;

use super::{
    Notes,
    documents::Object,
    pod::Amounts,
    value::{Line, number, texts},
    workload::Draft,
};

/// The pods of a workload as an autoscaler sees them; without containers where no manifest has them.
#[derive(Debug, Default)]
pub(super) struct Pod<'a> {
    containers: &'a [(String, Amounts)],
    own: Amounts,
}

impl<'a> Pod<'a> {
    pub(super) fn of(draft: &'a Draft) -> Self {
        Self { containers: &draft.containers, own: draft.own_requests }
    }

    /// Returns names of the containers that request nothing of a resource.
    fn without(&self, resource: &str) -> Vec<&'a str> {
        let lacks = |amounts: &Amounts| of(*amounts, resource).is_none();
        let lacking = self.containers.iter().filter(|(_, amounts)| lacks(amounts));
        lacking.map(|(name, _)| &**name).collect()
    }
}

fn of(amounts: Amounts, resource: &str) -> Option<f64> {
    if resource == "cpu" { amounts.cpu } else { amounts.memory }
}

/// Returns the keys of a metric of one container.
pub(super) fn of_container(
    object: &Object,
    (field, name): (&str, &str),
    resource: &str,
    pod: &Pod<'_>,
    notes: &mut Notes,
) -> Result<Vec<(&'static str, toml_edit::Value)>, String> {
    let mut keys = vec![("container", name.into())];
    if pod.containers.is_empty() {
        return Ok(keys);
    }
    let Some((_, requests)) = pod.containers.iter().find(|(known, _)| known == name) else {
        return Err(format!("{name:?} is not a container of the workload that it scales"));
    };
    if pod.containers.len() > 1 {
        if let Some(request) = of(*requests, resource) {
            keys.push(("container_request", number(request)));
        }
        let message = format!(
            "no manifest states which share of the pod's {resource} container {name} uses: \
                the plan divides it in proportion to requests; set usage_share of the metric"
        );
        notes.field(object, field, &message);
    }
    Ok(keys)
}

/// Returns containers without a request of a resource whose utilization the autoscaler compares, as the scenario
/// holds them; a note says what follows.
pub(super) fn without_request(
    object: &Object,
    pod: &Pod<'_>,
    hpa: &InlineTable,
    notes: &mut Notes,
) -> Option<Line> {
    let mut without = InlineTable::new();
    for resource in ["cpu", "memory"] {
        let names: Vec<&str> = pod
            .without(resource)
            .into_iter()
            .filter(|name| is_compared(hpa, resource, name, of(pod.own, resource).is_some()))
            .collect();
        if names.is_empty() {
            continue;
        }
        let message = format!(
            "does nothing with the {resource} utilization: container {} requests no {resource}, so it has no value (FailedGetResourceMetric); set resources.requests.{resource} there, unless a LimitRange or a webhook does",
            names.join(", ")
        );
        notes.field(object, "spec.metrics", &message);
        without.insert(resource, texts(&names));
    }
    let why = format!("{}: what its pods lack", object.label());
    (!without.is_empty()).then(|| Line::new("containers_without_request", without, &why))
}

/// Returns whether an autoscaler needs the request of a container: of any for the utilization of whole pods that have
/// no request of their own, of its own for a metric of that container.
fn is_compared(hpa: &InlineTable, resource: &str, container: &str, own: bool) -> bool {
    let Some(metrics) = hpa.get("metrics").and_then(toml_edit::Value::as_array) else {
        return resource == "cpu" && !own;
    };
    metrics.iter().filter_map(toml_edit::Value::as_inline_table).any(|metric| {
        let text = |key: &str| metric.get(key).and_then(toml_edit::Value::as_str);
        let utilization = metric.contains_key("average_utilization");
        text("name") == Some(resource)
            && utilization
            && match text("container") {
                Some(name) => name == container,
                None => !own,
            }
    })
}
