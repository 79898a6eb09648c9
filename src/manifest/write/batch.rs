//! Feature gates and batch windows, which are set on Karpenter itself.

use crate::autoscale::settings::{Cluster, FeatureGate};

/// Keys and what to set for them.
pub(super) fn settings(cluster: &Cluster) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut say = |key: &str, message: String| all.push((key.to_owned(), message));
    let gates = cluster.feature_gates.iter().filter_map(name);
    let gates: Vec<String> = gates.map(|gate| format!("{gate}=true")).collect();
    if !gates.is_empty() {
        say("cluster.feature_gates", format!("set FEATURE_GATES={} on Karpenter", gates.join(",")));
    }
    for (key, variable, seconds) in [
        ("cluster.batch_idle_seconds", "BATCH_IDLE_DURATION", cluster.batch_idle_seconds),
        ("cluster.batch_max_seconds", "BATCH_MAX_DURATION", cluster.batch_max_seconds),
    ] {
        if let Some(seconds) = seconds {
            say(key, format!("set {variable}={seconds}s on Karpenter"));
        }
    }
    all
}

/// The name of a gate that is Karpenter's.
fn name(gate: &FeatureGate) -> Option<&'static str> {
    match gate {
        FeatureGate::HpaScaleToZero => None,
        FeatureGate::SpotToSpotConsolidation => Some("SpotToSpotConsolidation"),
        FeatureGate::NodeRepair => Some("NodeRepair"),
        FeatureGate::CapacityBuffer => Some("CapacityBuffer"),
    }
}
