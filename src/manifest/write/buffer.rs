//! `CapacityBuffers`, and a `PodTemplate` for each that is for no one workload.

use super::{Wanted, affinity, object::Target, patch};
use crate::{
    cluster::autoscale::settings::CapacityBuffer,
    manifest::{
        quantity,
        yaml::{Map, Node},
    },
};

/// Below the heading.
pub(super) const ABOUT: [&str; 2] = [
    "Capacity buffers. A scenario has no namespaces: apply each in the namespace of its \
        workload. Karpenter keeps them",
    "only with the feature gate CapacityBuffer.",
];

pub(super) fn documents(wanted: &Wanted<'_>) -> Vec<Map> {
    let buffers = wanted.account.stack.cluster.capacity_buffers.iter();
    buffers.flat_map(|(name, buffer)| document(wanted, name, buffer)).collect()
}

fn document(wanted: &Wanted<'_>, name: &str, buffer: &CapacityBuffer) -> Vec<Map> {
    let key = |field: &str| format!("cluster.capacity_buffers.{name}.{field}");
    let facts = &wanted.facts.karpenter;
    let mut spec = Map::new().with("provisioningStrategy", &*facts.buffer_strategy);
    let mut all = Vec::new();
    if let Some(of) = &buffer.workload {
        let workload = wanted.account.stack.workloads.get(of);
        if let Some(workload) = workload {
            let target = Target::of(of, workload).group_reference(wanted);
            spec.put("scalableRef", target, &key("workload"));
        }
    } else {
        spec.put("podTemplateRef", Map::new().with("name", name), "");
        all.push(template(wanted, name, buffer));
    }
    if let Some(replicas) = buffer.replicas {
        spec.put("replicas", replicas, &key("replicas"));
    }
    if let Some(percent) = buffer.percent {
        spec.put("percentage", percent, &key("percent"));
    }
    if let Some(limits) = buffer.limits {
        let mut table = Map::new();
        if let Some(millicores) = limits.cpu_millicores {
            table.put("cpu", Node::from(quantity::cpu(millicores)), "");
        }
        if let Some(mib) = limits.memory_mib {
            table.put("memory", Node::from(quantity::memory(mib)), "");
        }
        spec.put("limits", table, &key("limits"));
    }
    all.push(
        Map::new()
            .with("apiVersion", &*facts.buffer_version)
            .with("kind", "CapacityBuffer")
            .with("metadata", Map::new().with("name", name))
            .with("spec", spec),
    );
    all
}

fn template(wanted: &Wanted<'_>, name: &str, buffer: &CapacityBuffer) -> Map {
    let key = |field: &str| format!("cluster.capacity_buffers.{name}.{field}");
    let mut resources = Map::new();
    if let Some(requests) = &buffer.requests {
        resources.put("requests", patch::amounts(requests), &key("requests"));
    }
    let container = Map::new()
        .with("name", name)
        .why("image", &*wanted.facts.karpenter.buffer_image, "never run")
        .with("resources", resources);
    let mut pod = Map::new();
    if !buffer.tolerations.is_empty() {
        let each = |text: &String| Node::from(patch::toleration(text));
        let tolerations: Vec<Node> = buffer.tolerations.iter().map(each).collect();
        pod.put("tolerations", tolerations, &key("tolerations"));
    }
    if let Some(affinity) = affinity::to_pools(&buffer.node_pools) {
        pod.put("affinity", affinity, &key("node_pools"));
    }
    pod.put("containers", vec![Node::from(container)], "");
    Map::new()
        .with("apiVersion", "v1")
        .with("kind", "PodTemplate")
        .with("metadata", Map::new().with("name", name))
        .with("template", Map::new().with("spec", pod))
}
