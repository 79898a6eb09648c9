//! Manifests out of a scenario and into one: against the published schemas, round trips, and what cannot be
//! read.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{fs, path::Path, process::Output};

use crate::support;
use assert_cmd::Command;
use proptest::prelude::*;
use runrate::{
    app::store,
    cluster::{
        autoscale::settings::ConsolidationPolicy,
        workload::{NodeCapacity, NodeTerm, PodTerm, TopologyKey},
    },
    facts::shapes::{Catalog, VolumeType},
    intent::scenario::{Account, Scenario},
    manifest::{self, Source, Wanted, Written},
};
use serde_json::Value;
use tempfile::TempDir;

const TEMPLATE: &str = include_str!("../examples/innovate.toml");

fn runrate(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("runrate").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

/// Runs; gives exit code and stderr.
fn told(arguments: &[&str]) -> (Option<i32>, String) {
    let output = runrate(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stderr)
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

fn catalog() -> Catalog {
    support::CATALOG.clone()
}

fn scenario(text: &str, catalog: &Catalog) -> Scenario {
    Scenario::parse("s.toml", text, catalog).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn written(scenario: &Scenario, account: &Account, catalog: &Catalog) -> Vec<Written> {
    all_written(scenario, account, catalog).files
}

fn all_written(scenario: &Scenario, account: &Account, catalog: &Catalog) -> manifest::Manifests {
    let wanted = Wanted {
        scenario,
        account,
        catalog,
        facts: facts_once(),
        sha256: "00ff",
        plan: None,
        before: None,
    };
    manifest::write(&wanted).unwrap()
}

fn read(files: &[Written], catalog: &Catalog) -> manifest::Read {
    let yaml = files.iter().filter(|file| Path::new(&file.name).extension().unwrap() == "yaml");
    let sources: Vec<Source> =
        yaml.map(|file| Source { name: file.name.clone(), text: file.text.clone() }).collect();
    let facts = store::model().unwrap();
    manifest::read((&sources, &[]), TEMPLATE, (&facts, catalog)).unwrap()
}

/// Every object of the files.
fn objects(files: &[Written]) -> Vec<Value> {
    let yaml = files.iter().filter(|file| Path::new(&file.name).extension().unwrap() == "yaml");
    yaml.flat_map(|file| serde_saphyr::from_multiple::<Value>(&file.text).unwrap()).collect()
}

fn schema(kind: &str) -> Option<jsonschema::Validator> {
    let name = match kind {
        "HorizontalPodAutoscaler" => "horizontalpodautoscaler-autoscaling-v2",
        "PodDisruptionBudget" => "poddisruptionbudget-policy-v1",
        "NodePool" => "nodepool-karpenter.sh-v1",
        "EC2NodeClass" => "ec2nodeclass-karpenter.k8s.aws-v1",
        _ => return None,
    };
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/schemas/{name}.json"));
    let schema: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    Some(jsonschema::validator_for(&schema).unwrap())
}

/// Faults by the published schema, and by the rules that it has in CEL.
fn faults(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap();
    let Some(schema) = schema(kind) else { return Vec::new() };
    let mut faults: Vec<String> = schema
        .iter_errors(object)
        .map(|error| format!("{kind} {}: {error}", error.instance_path()))
        .collect();
    let rules = match kind {
        "NodePool" => pool_rules(&object["spec"]),
        "EC2NodeClass" => class_rules(&object["spec"]),
        "HorizontalPodAutoscaler" => hpa_rules(&object["spec"]),
        _ => Vec::new(),
    };
    faults.extend(rules.into_iter().map(|rule| format!("{kind}: {rule}")));
    faults
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// `x-kubernetes-validations` of the `NodePool` CRD.
fn pool_rules(spec: &Value) -> Vec<String> {
    const AWS: [&str; 5] = [
        "instance-category",
        "instance-family",
        "instance-generation",
        "instance-size",
        "instance-cpu",
    ];
    const OPEN: [&str; 4] = [
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "karpenter.sh/capacity-type",
    ];
    let mut broken = Vec::new();
    for one in list(&spec["template"]["spec"], "requirements") {
        let (key, values) = (one["key"].as_str().unwrap(), list(one, "values"));
        let operator = one["operator"].as_str().unwrap();
        let aws = key.strip_prefix("karpenter.k8s.aws/").is_some_and(|label| AWS.contains(&label));
        if !aws && !OPEN.contains(&key) {
            broken.push(format!("label {key} is restricted, or not one of those written here"));
        }
        if operator == "In" && values.is_empty() {
            broken.push("operator In must have a value".into());
        }
        let whole = |value: &Value| value.as_str().is_some_and(|v| v.parse::<u32>().is_ok());
        if matches!(operator, "Gt" | "Lt") && !(values.len() == 1 && whole(&values[0])) {
            broken.push("Gt and Lt must have a single positive integer".into());
        }
        let least = one["minValues"].as_u64().unwrap_or(0) as usize;
        if operator == "In" && values.len() < least {
            broken.push("minValues is more than the values".into());
        }
        if values.iter().any(|value| value.as_str().is_none_or(|v| v.len() > 63)) {
            broken.push("a value is longer than a label's".into());
        }
    }
    for budget in list(&spec["disruption"], "budgets") {
        if budget.get("schedule").is_some() != budget.get("duration").is_some() {
            broken.push("schedule must be set with duration".into());
        }
    }
    broken
}

/// `x-kubernetes-validations` of the `EC2NodeClass` CRD.
fn class_rules(spec: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    if spec.get("role").is_some() == spec.get("instanceProfile").is_some() {
        broken.push("must specify exactly one of role and instanceProfile".into());
    }
    for key in ["subnetSelectorTerms", "securityGroupSelectorTerms"] {
        let empty = |term: &Value| term.get("tags").is_none() && term.get("id").is_none();
        if list(spec, key).is_empty() || list(spec, key).iter().any(empty) {
            broken.push(format!("{key} cannot be empty"));
        }
    }
    let images = list(spec, "amiSelectorTerms");
    for image in images {
        let alias = image["alias"].as_str().unwrap_or("al2023@x");
        let family = alias.split_once('@').filter(|(_, version)| !version.is_empty());
        if family.is_none_or(|(family, _)| !["al2", "al2023", "bottlerocket"].contains(&family)) {
            broken.push(format!("alias {alias} must be family@version"));
        }
        if image.get("alias").is_some()
            && (images.len() > 1 || image.as_object().unwrap().len() > 1)
        {
            broken.push("alias is mutually exclusive".into());
        }
    }
    for device in list(spec, "blockDeviceMappings") {
        if device["ebs"].get("volumeSize").is_none() {
            broken.push("snapshotID or volumeSize must be defined".into());
        }
    }
    broken
}

/// What the API server checks of an autoscaler (pkg/apis/autoscaling/validation).
fn hpa_rules(spec: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    if spec["minReplicas"].as_u64().unwrap_or(1) > spec["maxReplicas"].as_u64().unwrap_or(u64::MAX)
    {
        broken.push("maxReplicas must not be below minReplicas".to_owned());
    }
    for metric in list(spec, "metrics") {
        let kind = metric["type"].as_str().unwrap();
        let field = kind.to_lowercase();
        let target = &metric[&field]["target"];
        let wanted = match target["type"].as_str().unwrap_or_default() {
            "Utilization" => "averageUtilization",
            "AverageValue" => "averageValue",
            _ => "value",
        };
        if metric.as_object().unwrap().len() != 2 || target.get(wanted).is_none() {
            broken.push(format!("{kind} metric must have {field} and {wanted} alone"));
        }
    }
    for direction in ["scaleUp", "scaleDown"] {
        for policy in list(&spec["behavior"][direction], "policies") {
            if !matches!(policy["periodSeconds"].as_u64(), Some(1..=1800)) {
                broken.push("periodSeconds must be 1 to 1800".into());
            }
        }
    }
    broken
}

/// The example with every setting that a manifest can have.
fn rich() -> String {
    let pool = "[cluster.node_pools.general]   # what Karpenter may buy\n";
    let tuned = "weight = 20\nlimit_vcpus = 500\nlimit_memory_gib = 2000\nlimit_nodes = 60\n\
        sizes = [\"large\", \"xlarge\", \"2xlarge\"]\nmin_values = { families = 2, instance_types = 4 }\n\
        taints = [\"dedicated=web:NoSchedule\", \"slow:PreferNoSchedule\"]\n\
        consolidation_policy = \"WhenEmpty\"\nexpire_after_hours = 0\ntermination_grace_seconds = 5400\n\
        drift_every_days = 30\nbudgets = [\n  { nodes = \"20%\" },\n  { nodes = \"0\", schedule = \"0 9 * * mon-fri\", duration_minutes = 480, reasons = [\"Drifted\", \"Empty\"] },\n]\n";
    let more = "[cluster.node_pools.steady]\ncapacity_types = [\"on-demand\"]\ninstance_types = [\"m7g.large\"]\nconsolidation_policy = \"Never\"\nconsolidate_after_seconds = 0\nvolume_gib = 100\nvolume_iops = 5000\nvolume_throughput_mibps = 200\nkubelet = { max_pods = 30 }\n\n\
        [cluster.node_pools.fixed]\ncapacity_types = [\"on-demand\"]\nfamilies = [\"m7g\"]\nreplicas = 4\nlimit_nodes = 6\nconsolidate_after_seconds = 0\n\n\
        [cluster.kubelet]\nmax_pods = 60\nreserved_enis = 1\nkube_reserved_cpu_millicores = 150\nkube_reserved_memory_mib = 700\nsystem_reserved_cpu_millicores = 100\nsystem_reserved_memory_mib = 100\neviction_memory_mib = 200\n\n";
    let hpa = "hpa = { min_replicas = 3, max_replicas = 400, target_cpu_utilization = 65 }";
    let metrics = "hpa = { min_replicas = 3, max_replicas = 400, tolerance = 0.05, scale_down_stabilization_seconds = 600, metrics = [\n\
          { type = \"Resource\", name = \"cpu\", average_value = 250 },\n\
          { type = \"Resource\", name = \"memory\", average_utilization = 80 },\n\
          { type = \"Pods\", name = \"requests_per_second\", average_value = 12.5 },\n\
          { type = \"External\", name = \"concurrency\", value = 300 },\n\
        ], behavior = { scale_up = { select_policy = \"Min\", policies = [{ type = \"Pods\", value = 4, period_seconds = 30 }, { type = \"Percent\", value = 50, period_seconds = 60 }] }, scale_down = { tolerance = 0.2 } } }\n\
        tolerations = [\"dedicated=web:NoSchedule\", \"slow\"]\nnode_pools = [\"baseline\", \"general\"]\ndo_not_disrupt = true\n\
        topology_spread = [{ topology_key = \"topology.kubernetes.io/zone\", max_skew = 2, when_unsatisfiable = \"DoNotSchedule\" }]";
    let text = TEMPLATE
        .replacen(pool, &format!("{more}{pool}{tuned}"), 1)
        .replacen(hpa, metrics, 1)
        .replacen(", max_replicas = 20, target_cpu_utilization = 70", ", max_replicas = 20", 1)
        .replacen("volume_gib = 50\n", "volume_gib = 50\niops = 4000\nthroughput_mibps = 250\n", 1);
    assert!(text.contains("dedicated=web") && text.contains("[cluster.kubelet]"));
    text
}

#[test]
fn what_is_written_meets_the_published_schemas() {
    let catalog = catalog();
    for text in [TEMPLATE.to_owned(), rich()] {
        let scenario = scenario(&text, &catalog);
        for account in &scenario.accounts {
            let files = written(&scenario, account, &catalog);
            let all = objects(&files);
            assert!(all.len() > 15, "{}", all.len());
            let faults: Vec<String> = all.iter().flat_map(faults).collect();
            assert!(faults.is_empty(), "{faults:#?}");
            assert_eq!(files, written(&scenario, account, &catalog), "same input, same bytes");
        }
    }
}

#[test]
fn the_schemas_and_rules_can_fail() {
    let catalog = catalog();
    let scenario = scenario(&rich(), &catalog);
    let all = objects(&written(&scenario, &scenario.accounts[0], &catalog));
    let of = |kind: &str| all.iter().find(|object| object["kind"] == kind).unwrap().clone();
    for (kind, pointer, value) in [
        ("HorizontalPodAutoscaler", "/spec/maxReplicas", Value::from("many")),
        ("HorizontalPodAutoscaler", "/spec/minReplicas", Value::from(1000)),
        ("HorizontalPodAutoscaler", "/spec/metrics/0/type", Value::from("Pods")),
        ("PodDisruptionBudget", "/spec/maxUnavailable", Value::from(true)),
        ("NodePool", "/spec/disruption/consolidateAfter", Value::from("5 minutes")),
        ("NodePool", "/spec/disruption/consolidationPolicy", Value::from("Balanced")),
        ("NodePool", "/spec/template/spec/requirements/0/operator", Value::from("Is")),
        (
            "NodePool",
            "/spec/template/spec/requirements/0/key",
            Value::from("kubernetes.io/hostname"),
        ),
        ("NodePool", "/spec/template/spec/requirements/0/values", Value::Array(vec![])),
        ("EC2NodeClass", "/spec/amiSelectorTerms/0/alias", Value::from("al2023")),
        ("EC2NodeClass", "/spec/blockDeviceMappings/0/ebs/volumeSize", Value::from("50")),
        ("EC2NodeClass", "/spec/subnetSelectorTerms", Value::Array(vec![])),
    ] {
        let mut object = of(kind);
        assert_eq!(faults(&object), Vec::<String>::new());
        *object.pointer_mut(pointer).unwrap_or_else(|| panic!("{kind} {pointer}")) = value;
        assert!(!faults(&object).is_empty(), "{kind} {pointer}");
    }
}

#[test]
fn what_was_written_is_read_back_as_it_was() {
    let catalog = catalog();
    for text in [TEMPLATE.to_owned(), rich()] {
        let before = scenario(&text, &catalog);
        for account in &before.accounts {
            let back = read(&written(&before, account, &catalog), &catalog);
            let after = scenario(&back.scenario, &catalog);
            let (a, b) = (&account.stack, &after.accounts[0].stack);
            let mut pools = a.cluster.node_pools.clone();
            let ebs = before.stack_table(account)["ebs"].clone();
            let ebs: runrate::usage::services::ebs::Spec = ebs.try_into().unwrap();
            for pool in pools.values_mut() {
                if pool.consolidation_policy == ConsolidationPolicy::Never {
                    pool.consolidate_after_seconds = None; // one field says both
                }
                // A node class is of its pools: what they share is read back as each pool's own.
                pool.volume_gib = pool.volume_gib.or(ebs.volume_gib);
                pool.volume_iops = pool.volume_iops.or(ebs.iops);
                let throughput = pool.volume_throughput_mibps.or(ebs.throughput_mibps);
                pool.volume_throughput_mibps = throughput;
                pool.kubelet = pool.kubelet.or(a.cluster.kubelet.map(|mut given| {
                    given.reserved_enis = 0; // a setting of Karpenter itself: told in a comment
                    given
                }));
            }
            let mut back = b.cluster.node_pools.clone();
            for pool in back.values_mut() {
                assert!(pool.node_class.take().is_some_and(|name| name.starts_with("runrate")));
            }
            assert_eq!(pools, back);
            assert_eq!(b.cluster.kubelet, None);
            for (name, was) in &a.workloads {
                let is = &b.workloads[name];
                assert_eq!((was.requests, was.limits), (is.requests, is.limits), "{name}");
                assert_eq!((was.kind, was.replicas), (is.kind, is.replicas), "{name}");
                let mut hpa = was.hpa.clone();
                if let Some(hpa) = hpa.as_mut().filter(|hpa| hpa.tolerance.is_some()) {
                    // The API has these by direction alone.
                    let behavior = hpa.behavior.get_or_insert_default();
                    let window = hpa.scale_down_stabilization_seconds.take();
                    behavior.scale_down.stabilization_window_seconds = window;
                    behavior.scale_up.tolerance = hpa.tolerance.take();
                }
                assert_eq!(hpa, is.hpa, "{name}");
                assert_eq!(was.disruption_budget, is.disruption_budget, "{name}");
                assert_eq!(was.tolerations, is.tolerations, "{name}");
                assert_eq!(was.topology_spread, is.topology_spread, "{name}");
                assert_eq!(was.node_pools, is.node_pools, "{name}");
                assert_eq!(was.do_not_disrupt, is.do_not_disrupt, "{name}");
            }
        }
    }
}

/// What stands for no limit in a scenario is none in a manifest either, and is read back as it was.
#[test]
fn no_limit_is_not_written_as_one() {
    let catalog = catalog();
    let (scenario, _, text) = read_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: kong}\nspec: {template: {spec: {containers: [{name: kong, resources: {requests: {cpu: 100m, memory: 70Mi}}}]}}}\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: half}\nspec: {template: {spec: {containers: [{name: h, resources: {requests: {cpu: 1}, limits: {memory: 1Gi}}}]}}}\n",
    );
    assert!(text.contains("cpu_millicores = 1000000, memory_mib = 30000000"), "{text}");
    for (most, more) in [("1000000,", "1000001,"), ("30000000 ", "30000001 ")] {
        let more = text.replace(most, more);
        assert!(more != text && Scenario::parse("s.toml", &more, &catalog).is_err());
    }
    let account = &scenario.accounts[0];
    let files = written(&scenario, account, &catalog);
    let all = objects(&files);
    let of = |name: &str| {
        let is =
            |object: &&Value| object["metadata"]["name"] == name && object["kind"] == "Deployment";
        let found = all.iter().find(is).unwrap();
        found["spec"]["template"]["spec"]["containers"][0]["resources"].clone()
    };
    assert_eq!(of("kong").get("limits"), None);
    assert_eq!(of("half")["limits"], serde_json::json!({ "memory": "1024Mi" }));
    let patch = &files.iter().find(|file| file.name == "requests-patch.yaml").unwrap().text;
    assert!(patch.contains("# workloads.half.limits: no limit of CPU; remove"), "{patch}");
    let back = self::scenario(&read(&files, &catalog).scenario, &catalog);
    for name in ["kong", "half"] {
        let (was, is) = (&account.stack.workloads[name], &back.accounts[0].stack.workloads[name]);
        assert_eq!(was.limits, is.limits, "{name}");
    }
}

#[test]
fn only_what_changed_is_written_when_there_is_a_before() {
    let catalog = catalog();
    let before = scenario(TEMPLATE, &catalog);
    let text = TEMPLATE.replace("profile = \"coredns\"", "profile = \"coredns\"\nreplicas = 5");
    let after = scenario(&text, &catalog);
    let wanted = Wanted {
        scenario: &after,
        account: &after.accounts[0],
        catalog: &catalog,
        facts: facts_once(),
        sha256: "00ff",
        plan: None,
        before: Some(&before.accounts[0]),
    };
    let files = manifest::write(&wanted).unwrap().files;
    let [patch] = &files[..] else { panic!("{files:?}") };
    assert_eq!(patch.name, "requests-patch.yaml");
    let patches: Vec<Value> = serde_saphyr::from_multiple(&patch.text).unwrap();
    assert_eq!(patches.len(), 1);
    assert_eq!(patches[0]["metadata"]["name"], "coredns");
    assert_eq!(patches[0]["spec"]["replicas"], 5);
    let same = Wanted { before: Some(&after.accounts[0]), ..wanted };
    assert!(manifest::write(&same).unwrap().files.is_empty());
}

#[test]
fn what_karpenter_has_no_field_for_is_said() {
    let catalog = catalog();
    let scenario = scenario(&rich(), &catalog);
    let files = written(&scenario, &scenario.accounts[0], &catalog);
    let pools = &files.iter().find(|file| file.name == "nodepools.yaml").unwrap().text;
    for said in [
        "cluster.node_pools.general.spot_share = 0.7: a node pool cannot hold a share",
        "set RESERVED_ENIS=1 on Karpenter",
        "cluster.baseline: 3 × m7g.xlarge are not bought by Karpenter",
        "role: FILL-IN # fill in",
        "expireAfter: Never # cluster.node_pools.general.expire_after_hours",
        "consolidateAfter: Never # cluster.node_pools.steady.consolidation_policy",
    ] {
        assert!(pools.contains(said), "{said}\n{pools}");
    }
}

/// Whoever applies the files hears of it, not only who reads them.
#[test]
fn what_no_manifest_does_is_a_note() {
    let catalog = catalog();
    let notes = |text: &str| {
        let scenario = scenario(text, &catalog);
        let all = all_written(&scenario, &scenario.accounts[0], &catalog).notes;
        all.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n")
    };
    let text = rich();
    let all = notes(&text);
    for said in [
        "cluster.node_pools.general.spot_share: a node pool cannot hold a share of 0.7",
        "cluster.node_pools.general.drift_every_days: node pools have no such field",
        "cluster.kubelet.reserved_enis: set RESERVED_ENIS=1 on Karpenter",
        "cluster.baseline: 3 × m7g.xlarge are not bought by Karpenter",
    ] {
        assert!(all.contains(said), "{said}\n{all}");
    }
    assert!(all.starts_with("s.toml:"), "placed in the scenario: {all}");
    assert!(!all.contains("consolidation_policy"), "{all}");
    let empty = "consolidation_policy = \"WhenEmpty\"";
    assert!(text.contains(empty));
    let all = notes(&text.replace(empty, "consolidation_policy = \"Balanced\""));
    let said = "consolidation_policy: the policy Balanced needs Karpenter 1.14";
    assert!(all.contains(said), "{all}");
    for share in ["0", "1"] {
        let all = notes(&text.replace("spot_share = 0.7", &format!("spot_share = {share}")));
        assert!(!all.contains("spot_share"), "{all}");
    }
}

#[test]
fn labels_and_kinds_that_a_scenario_does_not_know_are_not_guessed() {
    let catalog = catalog();
    let scenario = scenario(&rich(), &catalog);
    let files = written(&scenario, &scenario.accounts[0], &catalog);
    let all = objects(&files);
    let budgets = all.iter().filter(|object| object["kind"] == "PodDisruptionBudget");
    let mut selectors: Vec<&Value> = budgets.map(|object| &object["spec"]["selector"]).collect();
    assert!(!selectors.is_empty());
    let spreads = all
        .iter()
        .flat_map(|object| list(&object["spec"]["template"]["spec"], "topologySpreadConstraints"));
    let before = selectors.len();
    selectors.extend(spreads.map(|spread| &spread["labelSelector"]));
    assert!(selectors.len() > before);
    for selector in selectors {
        let labels = selector["matchLabels"].as_object().unwrap();
        let value = labels.values().next().unwrap().as_str().unwrap();
        assert!(value.starts_with("FILL-IN"), "{value}");
        // A label's value has letters, digits, '-', '_' and '.': the API server refuses this one.
        assert!(value.contains([' ', ':', '\'']), "{value}");
    }
    let file = |name: &str| &files.iter().find(|file| file.name == name).unwrap().text;
    assert!(file("hpa.yaml").contains("# FILL-IN: a scenario has no labels; write those of"));
    for name in ["hpa.yaml", "requests-patch.yaml"] {
        let said = "kind: Deployment # assumed; write StatefulSet if it is one";
        assert!(file(name).contains(said), "{name}");
    }
}

/// What vendors call things is data: other data, other text.
#[test]
fn vendors_names_come_from_the_facts() {
    let mut catalog = catalog();
    let text = rich().replacen(
        "families = [\"r6g\"] ",
        "families = [\"r6g\"]\nstorage_type = \"io-optimized\" ",
        1,
    );
    let text = text.replace("\"WhenEmpty\"", "\"Balanced\"");
    let scenario = scenario(&text, &catalog);
    let mut facts = facts_once().clone();
    facts.node.image_alias = "other".into();
    facts.node.root_device = "/dev/other".into();
    facts.node.volume_type = "gp2".into();
    catalog.controllers.hpa.tolerance_gate.name = "AnotherGate".into();
    facts.aurora_storage.io_optimized = "other-storage".into();
    facts.karpenter.balanced_needs = "a later Karpenter".into();
    let wanted = Wanted {
        scenario: &scenario,
        account: &scenario.accounts[0],
        catalog: &catalog,
        facts: &facts,
        sha256: "",
        plan: None,
        before: None,
    };
    let written = manifest::write(&wanted).unwrap();
    let all: String = written.files.iter().map(|file| &*file.text).collect();
    for said in [
        "alias: other@FILL-IN",
        "deviceName: /dev/other",
        "tolerance; needs Kubernetes 1.35 or newer, or the feature gate AnotherGate from 1.33 on",
        "aurora_storage_type = \"other-storage\"",
        "consolidationPolicy Balanced needs a later Karpenter",
    ] {
        assert!(all.contains(said), "{said}\n{all}");
    }
    let class = "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: c}\nspec: {blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 20Gi}}]}\n";
    let sources = [Source { name: "f.yaml".into(), text: class.into() }];
    let read = manifest::read((&sources, &[]), TEMPLATE, (&facts, &catalog)).unwrap();
    assert!(read.scenario.contains("volume_type = \"gp2\""), "{}", read.scenario);

    facts.keda.max_replicas = 7;
    facts.ebs_provisioners.insert("disk.example".into(), "gp2".into());
    let text = deployment("w", "", "")
        + "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: w}\nspec: {scaleTargetRef: {name: w}, triggers: [{type: cpu, metricType: Utilization, metadata: {value: '80'}}]}\n"
        + &class_of("own", "disk.example", "")
        + &claim_of("name: data", "20Ti", "storageClassName: own");
    let sources = [Source { name: "f.yaml".into(), text }];
    let mut small = catalog.clone();
    small.controllers.ebs.gp2.max_gib = 50.0;
    let read = manifest::read((&sources, &[]), TEMPLATE, (&facts, &small)).unwrap().scenario;
    for said in ["max_replicas = 7", "gib = 50 ", "volume_type = \"gp2\""] {
        assert!(read.contains(said), "{said}\n{read}");
    }

    catalog.controllers.hpa.target_cpu_utilization = 75;
    let autoscaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {scaleTargetRef: {kind: Deployment, name: a}, maxReplicas: 5, metrics: [{type: Object}]}\n";
    let sources = [Source { name: "f.yaml".into(), text: autoscaler.into() }];
    let read = manifest::read((&sources, &[]), TEMPLATE, (&facts, &catalog)).unwrap();
    let notes: Vec<String> = read.notes.iter().map(ToString::to_string).collect();
    assert!(notes.join("\n").contains("CPU at 75 % of the request"), "{notes:?}");
}

#[test]
fn a_serverless_database_becomes_its_limits() {
    let catalog = catalog();
    let text = TEMPLATE.replacen(
        "families = [\"r6g\"] ",
        "serverless = { min_acu = 0.5, max_acu = 32 }\nstorage_type = \"io-optimized\"\nmax_readers = 4 ",
        1,
    );
    let scenario = scenario(&text, &catalog);
    let files = written(&scenario, &scenario.accounts[0], &catalog);
    let file = |name: &str| &files.iter().find(|file| file.name == name).unwrap().text;
    for line in [
        "aurora_instance_class = \"db.serverless\" # aurora.serverless",
        "aurora_serverless_min_acu = 0.5 # aurora.serverless.min_acu",
        "aurora_serverless_max_acu = 32 # aurora.serverless.max_acu",
        "aurora_readers = 1 # aurora.min_readers",
        "aurora_max_readers = 4 # aurora.max_readers",
        "aurora_storage_type = \"aurora-iopt1\" #",
        "aurora_backup_retention_days = 14 # aurora.backup_retention_days",
        "# Scenario sha256 00ff.",
    ] {
        assert!(file("aurora.auto.tfvars").contains(line), "{line}");
    }
    assert!(
        file("aurora-variables.tf").contains("variable \"aurora_max_readers\" { type = number }")
    );
}

/// Without a plan there is no class; what is said of it names options that exist.
#[test]
fn a_class_that_is_not_known_is_said_without_options_that_are_not_there() {
    let catalog = catalog();
    let scenario = scenario(TEMPLATE, &catalog);
    let files = written(&scenario, &scenario.accounts[0], &catalog);
    let values = &files.iter().find(|file| file.name == "aurora.auto.tfvars").unwrap().text;
    assert!(values.contains("# aurora_instance_class is not here"), "{values}");
    assert!(values.contains("Set aurora.instance_class."), "{values}");
    assert!(!values.contains("--"), "{values}");
}

#[test]
fn names_that_kubernetes_does_not_take_are_refused() {
    let catalog = catalog();
    for name in ["api: #", "a\\nb", "\\\"x", "Api", "-"] {
        let text = format!(
            "{TEMPLATE}\n[workloads.\"{name}\"]\nreplicas = 1\nrequests = {{ cpu_millicores = 1, memory_mib = 1 }}\n"
        );
        let scenario = scenario(&text, &catalog);
        let account = &scenario.accounts[0];
        let wanted = Wanted {
            scenario: &scenario,
            account,
            catalog: &catalog,
            facts: facts_once(),
            sha256: "",
            plan: None,
            before: None,
        };
        let error = manifest::write(&wanted).unwrap_err();
        assert!(error.to_string().contains("is not a valid Kubernetes name"), "{name}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
    let text = TEMPLATE.replace(
        "min_vcpus = 2",
        "min_values = { instance_types = 9 }\ninstance_types = [\"m7g.large\"]",
    );
    let scenario = scenario(&text, &catalog);
    let account = &scenario.accounts[0];
    let wanted = Wanted {
        scenario: &scenario,
        account,
        catalog: &catalog,
        facts: facts_once(),
        sha256: "",
        plan: None,
        before: None,
    };
    let error = manifest::write(&wanted).unwrap_err().to_string();
    assert!(error.contains("min_values.instance_types: 9 is more than the 1 named"), "{error}");
}

#[test]
fn a_scenario_becomes_manifests_and_they_a_scenario_that_plans() {
    let folder = TempDir::new().unwrap();
    let out = path(&folder, "out");
    let (code, stderr) = told(&["manifests", "examples/innovate.toml", "--out", &out]);
    assert_eq!(code, Some(0), "{stderr}");
    let file = |name: &str| fs::read_to_string(Path::new(&out).join(name)).unwrap();
    let aurora = file("production/aurora.auto.tfvars");
    assert!(aurora.contains("aurora_instance_class = \"db."), "{aurora}");
    assert!(aurora.contains("chosen by the plan for 2027-01"), "{aurora}");
    assert!(aurora.contains("\n# from "), "the class grows with the users: {aurora}");
    assert!(
        stderr
            .contains("aurora.auto.tfvars is of 2027-01; the plan chooses otherwise later: from ")
    );
    assert!(stderr.contains("note: production: "), "{stderr}");
    let still = "accounts.non-production.schedule: HPAs have no schedule. The plan scales ";
    assert!(stderr.contains(still) && !stderr.contains("accounts.production.schedule"), "{stderr}");
    assert!(file("production/hpa.yaml").contains("# Scenario sha256 "));
    assert!(Path::new(&out).join("non-production/nodepools.yaml").exists());
    let made = path(&folder, "made.toml");
    let from = format!("{out}/production");
    let (code, stderr) = told(&["init", "--from-manifests", &from, &made]);
    assert_eq!(code, Some(0), "{stderr}");
    let (code, stderr) = told(&["plan", &made, "--trial", "0"]);
    assert_eq!(code, Some(0), "{stderr}");

    let (code, stderr) =
        told(&["manifests", "examples/innovate.toml", "--out", &out, "--account", "prod"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("has no account \"prod\"; it has production, non-production"),
        "{stderr}"
    );
}

/// requests of checkout: containers 500m + 50m (its limit), sidecar 100m = 650m; the init container's 1 CPU
/// is more. Memory: 512 + 64 + 128 = 704 MiB. Limits: no CPU limit on the sidecar; 1024 + 64 + 256 MiB.
#[test]
fn a_cluster_s_dump_becomes_a_scenario_that_plans() {
    let folder = TempDir::new().unwrap();
    let made = path(&folder, "made.toml");
    let (code, stderr) = told(&["init", "--from-manifests", "tests/data/manifests/cluster", &made]);
    assert_eq!(code, Some(0), "{stderr}");
    let text = fs::read_to_string(&made).unwrap();
    let catalog = catalog();
    let stack = &scenario(&text, &catalog).accounts[0].stack;
    let checkout = &stack.workloads["checkout"];
    assert_eq!((checkout.requests.cpu_millicores, checkout.requests.memory_mib), (1000.0, 704.0));
    let limits = checkout.limits.unwrap();
    assert_eq!((limits.cpu_millicores, limits.memory_mib), (1_000_000.0, 1344.0));
    assert!(checkout.do_not_disrupt && checkout.replicas.is_none());
    assert_eq!(checkout.tolerations, ["dedicated=web:NoSchedule"]);
    assert_eq!(checkout.topology_spread.len(), 1);
    let hpa = checkout.hpa.as_ref().unwrap();
    assert_eq!((hpa.min_replicas, hpa.max_replicas, hpa.metrics.len()), (Some(3), 50, 2));
    assert_eq!(hpa.metrics[1].average_value, Some(12.5));
    let behavior = hpa.behavior.as_ref().unwrap();
    assert_eq!(behavior.scale_down.tolerance, Some(0.05));
    assert_eq!(behavior.scale_down.stabilization_window_seconds, Some(120));
    let mailer = &stack.workloads["mailer"];
    assert_eq!((mailer.requests.cpu_millicores, mailer.replicas), (100.0, Some(2)));
    assert_eq!(mailer.requests.memory_mib, 2e8 / 1_048_576.0);
    let edge = &stack.workloads["edge"];
    assert_eq!(edge.profile.as_deref(), Some("kong"));
    assert_eq!(edge.hpa.as_ref().unwrap().target_cpu_utilization, Some(55));
    assert_eq!(stack.workloads["aws-node"].requests.cpu_millicores, 25.0);
    assert!(!stack.workloads.contains_key("api") && stack.workloads.contains_key("coredns"));

    let web = &stack.cluster.node_pools["web"];
    assert_eq!((web.min_generation, web.min_vcpus, web.max_vcpus), (Some(6), Some(4), Some(16)));
    assert_eq!((web.min_values.families, web.weight, web.limit_vcpus), (3, 10, Some(200)));
    assert_eq!((web.expire_after_hours, web.termination_grace_seconds), (Some(336), Some(5400)));
    assert_eq!(web.budgets.as_ref().unwrap()[1].duration_minutes, Some(480));
    let batch = &stack.cluster.node_pools["batch"];
    assert_eq!((batch.expire_after_hours, batch.capacity_types.len()), (Some(0), 1));
    // The pool web names two zones, batch none: it may buy in all of init's three.
    assert_eq!(stack.cluster.availability_zones, 3);
    assert_eq!((web.kubelet.unwrap().max_pods, stack.cluster.kubelet), (Some(58), None));
    for said in [
        "requests = { cpu_millicores = 1000, memory_mib = 704 } # tests/data/manifests/cluster/dump.yaml Deployment/checkout",
        "[users] # assumption: init's",
        "disruption_budget = { min_available = \"80%\" } # tests/data/manifests/cluster/dump.yaml PodDisruptionBudget/checkout-pdb",
        "profile = \"coredns\" # assumption: init's, not in the manifests",
        "volume_gib = 80 # tests/data/manifests/cluster/karpenter.yaml EC2NodeClass/default",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    for note in [
        "CronJob/report: no manifest states how long a pod runs: 600 seconds are assumed (a usual time)",
        "skipped, because they need no nodes: ReplicaSet (1), Service (1)",
        "\"queue_depth\" is not a metric that a plan supports",
        "priorityClassName: has no counterpart",
        "hostNetwork: has no counterpart",
        "karpenter.k8s.aws/instance-hypervisor In nitro has no counterpart",
        "limits.ephemeral-storage: 1Gi is not planned",
        "evictionHard.nodefs.available: has no counterpart",
        "zones are counted over all pools, not named",
    ] {
        assert!(stderr.contains(note), "{note}\n{stderr}");
        assert!(text.contains(note), "{note} stands in the scenario too");
    }
    for known in ["managedFields", "progressDeadlineSeconds", "status"] {
        assert!(!stderr.contains(known), "{known} is no news\n{stderr}");
    }
    let (code, stderr) = told(&["plan", &made, "--trial", "0"]);
    assert_eq!(code, Some(0), "{stderr}");
    let (code, stderr) = told(&["init", "--from-manifests", "tests/data/manifests/cluster", &made]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("exists; name another file, or pass --force"), "{stderr}");
}

#[test]
fn what_cannot_be_read_is_listed_with_file_and_line() {
    let folder = TempDir::new().unwrap();
    let made = path(&folder, "made.toml");
    let (code, stderr) =
        told(&["init", "--from-manifests", "tests/data/manifests/unreadable", &made]);
    assert_eq!(code, Some(0), "{stderr}");
    for note in [
        "unreadable/broken.yaml:7: is not YAML that can be read",
        "unreadable/deployment.yaml:5: is a template, not YAML: render it (`helm template`)",
        "deployment.yaml:9: Deployment \"{{ .Release.Name }}-api\" has no valid Kubernetes name: render the template first",
        "deployment.yaml:14: Deployment \"a: # \\n\\\"b\" has no valid Kubernetes name",
        "requests.cpu: \"lots\" is not a quantity; write 250m, 0.5, 512Mi or 2e3",
    ] {
        assert!(stderr.contains(note), "{note}\n{stderr}");
    }
    let text = fs::read_to_string(&made).unwrap();
    assert!(text.contains("[workloads.plain]") && !text.contains("[workloads.broken]"), "{text}");
}

fn read_text(text: &str) -> (Scenario, String, String) {
    let catalog = &*support::CATALOG;
    let sources = [Source { name: "f.yaml".into(), text: text.into() }];
    let read = manifest::read((&sources, &[]), TEMPLATE, (facts_once(), catalog)).unwrap();
    let notes: Vec<String> = read.notes.iter().map(ToString::to_string).collect();
    (scenario(&read.scenario, catalog), notes.join("\n"), read.scenario)
}

/// Autoscalers of older versions and of nothing, names that are taken, containers without requests.
#[test]
fn what_a_scenario_needs_and_manifests_lack_is_assumed_and_said() {
    let (scenario, notes, text) = read_text(
        "apiVersion: autoscaling/v2beta1\nkind: HorizontalPodAutoscaler\nmetadata: {name: lone}\nspec:\n  scaleTargetRef: {kind: Deployment, name: lone}\n  minReplicas: 0\n  maxReplicas: 9\n  metrics: [{type: Resource, resource: {name: cpu, targetAverageUtilization: 75}}]\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: a}\nspec: {template: {spec: {containers: [{name: a, resources: {requests: {cpu: 200m}}}]}}}\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api, namespace: b}\nspec: {replicas: 4, template: {spec: {containers: [{name: a}]}}}\n\
         ---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: queue}\nspec: {template: {spec: {nodeSelector: {karpenter.sh/nodepool: general}, containers: [{name: q, resources: {requests: {cpu: 1, memory: 1Gi}}}]}}}\n\
         ---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: queue}\nspec: {maxUnavailable: 1, minAvailable: 2}\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: coredns}\nspec: {replicas: 3, template: {spec: {containers: [{name: coredns, image: 'eks/coredns:v1'}]}}}\n",
    );
    let workloads = &scenario.accounts[0].stack.workloads;
    let lone = &workloads["lone"];
    let hpa = lone.hpa.as_ref().unwrap();
    assert_eq!((hpa.min_replicas, hpa.target_cpu_utilization), (Some(1), Some(75)));
    assert!(lone.requests.cpu_millicores > 0.0);
    assert_eq!(
        (workloads["api"].requests.cpu_millicores, workloads["api"].replicas),
        (200.0, Some(1))
    );
    let second = &workloads["b-api"];
    assert_eq!((second.requests.cpu_millicores, second.replicas), (0.0, Some(4)));
    assert_eq!(workloads["queue"].node_pools, ["general"]);
    assert!(workloads["queue"].disruption_budget.as_ref().unwrap().min_available.is_none());
    // What the manifest does not ask for, the profile does.
    assert_eq!(
        (workloads["coredns"].requests.memory_mib, workloads["coredns"].replicas),
        (70.0, Some(3))
    );
    for said in [
        "scales Deployment lone, which is not among the manifests: its requests are an assumption",
        "spec.minReplicas: 0 needs an External metric; 1 is planned",
        "Deployment/api: is called b-api in the scenario",
        "StatefulSet/queue: is read as a Deployment",
        "has both maxUnavailable and minAvailable",
        "request no CPU and no memory",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    assert!(!text.contains("[datadog]"), "{text}");
}

const SHOP: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web, tier: front}}\n    spec: {containers: [{name: nginx, image: 'nginx:1.27', resources: {requests: {cpu: 100m, memory: 64Mi}}}]}\n\
    ---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 9}\n\
    ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api-deployment, namespace: shop}\nspec:\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api, version: v7}}\n    spec:\n      containers:\n      - {name: app, image: 'registry.example/api:7', resources: {requests: {cpu: 500m, memory: 512Mi}, limits: {memory: 1Gi}}, readinessProbe: {initialDelaySeconds: 40}}\n      - {name: envoy, image: 'envoyproxy/envoy:v1.34', resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}}\n\
    ---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: api-hpa, namespace: shop}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api-deployment}, minReplicas: 2, maxReplicas: 9}\n\
    ---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: api-pdb, namespace: shop}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: api}}}\n";

/// What no manifest shows is not in the scenario; what none states is a value that is no zero, and reported.
#[test]
fn only_what_the_manifests_show_is_in_the_scenario() {
    let (scenario, notes, text) = read_text(SHOP);
    let tables = |text: &str| -> Vec<String> {
        let table: toml::Table = text.parse().unwrap();
        table.keys().cloned().collect()
    };
    let workloads = &scenario.accounts[0].stack.workloads;
    let missing =
        |name: &&str| !workloads.contains_key(*name) && !tables(&text).iter().any(|t| t == name);
    let optional = [
        "argo-cd",
        "external-secrets",
        "datadog-agent",
        "datadog-cluster-agent",
        "datadog",
        "dr",
        "ssm",
    ];
    assert!(optional.iter().all(missing), "{text}");
    let (web, api) = (&workloads["web"], &workloads["api-deployment"]);
    assert_eq!((web.startup_seconds, web.image_mib, web.cpu_ms_per_request), (5, 60.0, 1.0));
    assert_eq!(web.database_connections, 0);
    // The probe waits for 40 s; 130 MiB of an unknown image and 70 MiB of envoy.
    assert_eq!((api.startup_seconds, api.image_mib, api.cpu_ms_per_request), (40, 200.0, 35.0));
    for said in [
        "assumed: web 5 s, 60 MiB; api-deployment 40 s, 200 MiB. Measure yours",
        "no manifest states the CPU of a request; assumed: web 1 ms (as nginx); api-deployment 35 ms (as init's api)",
        "the scenario has those of init's example (",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    assert!(text.contains("startup_seconds = 5 # assumption: nginx; measure yours"), "{text}");
    assert!(text.contains("# assumption: an unknown image and envoy; measure yours"), "{text}");

    let shown = SHOP.to_owned()
        + "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop}\nspec: {project: default}\n\
           ---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: db}\nspec: {refreshInterval: 1h}\n\
           ---\napiVersion: datadoghq.com/v2alpha1\nkind: DatadogAgent\nmetadata: {name: datadog}\nspec: {}\n";
    let (scenario, notes, text) = read_text(&shown);
    let workloads = &scenario.accounts[0].stack.workloads;
    for name in &optional[..4] {
        assert!(workloads.contains_key(*name), "{name}\n{text}");
    }
    assert!(tables(&text).iter().any(|table| table == "datadog") && text.contains("[ssm]"));
    assert!(text.contains("traced = [\"web\", \"api-deployment\"] # assumption"), "{text}");
    assert!(!text.contains("[dr]") && notes.contains("Application/shop: shows that argo-cd runs"));

    // The agent itself is read as it is, and brings its service with it; the cluster agent is not there.
    let agent = "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: datadog}\nspec: {template: {spec: {containers: [{name: agent, image: 'gcr.io/datadoghq/agent:7', resources: {requests: {cpu: 150m, memory: 200Mi}}}]}}}\n";
    let (scenario, _, text) = read_text(&(SHOP.to_owned() + agent));
    let workloads = &scenario.accounts[0].stack.workloads;
    assert_eq!(workloads["datadog"].requests.cpu_millicores, 150.0);
    assert!(text.contains("[datadog]") && !workloads.contains_key("datadog-cluster-agent"));
}

/// A scenario from manifests, changed and written again, names the objects that it was read from.
#[test]
fn what_changed_is_written_for_the_objects_that_it_was_read_from() {
    let catalog = &*support::CATALOG;
    let (before, _, text) = read_text(SHOP);
    let changed = |from: &str, to: &str| {
        let start = text.find("[workloads.api-deployment]").unwrap();
        let text = text[..start].to_owned() + &text[start..].replacen(from, to, 1);
        let after = scenario(&text, catalog);
        let wanted = Wanted {
            scenario: &after,
            account: &after.accounts[0],
            catalog,
            facts: facts_once(),
            sha256: "",
            plan: None,
            before: Some(&before.accounts[0]),
        };
        objects(&manifest::write(&wanted).unwrap().files)
    };
    let all = changed("max_replicas = 9", "max_replicas = 30");
    let [hpa] = &all[..] else { panic!("{all:?}") };
    assert_eq!(hpa["metadata"], serde_json::json!({ "name": "api-hpa", "namespace": "shop" }));
    assert_eq!(
        hpa["spec"]["scaleTargetRef"],
        serde_json::json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "api-deployment" })
    );
    assert_eq!(hpa["spec"]["maxReplicas"], 30);

    // The container gets what the other one does not have; nothing else of the pod is in the patch.
    let all = changed("cpu_millicores = 600", "cpu_millicores = 900");
    let expected = serde_json::json!([{
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "api-deployment", "namespace": "shop" },
        "spec": { "template": { "spec": { "containers": [
            { "name": "app", "resources": { "requests": { "cpu": "800m", "memory": "512Mi" } } },
        ] } } },
    }]);
    assert_eq!(serde_json::Value::from(all), expected);

    let all = changed("max_unavailable = 1", "max_unavailable = 2");
    let [budget] = &all[..] else { panic!("{all:?}") };
    assert_eq!(budget["metadata"], serde_json::json!({ "name": "api-pdb", "namespace": "shop" }));
    assert_eq!(budget["spec"]["selector"]["matchLabels"], serde_json::json!({ "app": "api" }));

    // All of it: each object is one of those that were read.
    let all = objects(&written(&before, &before.accounts[0], catalog));
    let own = all.iter().filter(|object| object["metadata"]["namespace"] == "shop");
    let own: Vec<String> =
        own.map(|o| format!("{} {}", o["kind"], o["metadata"]["name"]).replace('"', "")).collect();
    assert_eq!(
        own,
        [
            "HorizontalPodAutoscaler web",
            "HorizontalPodAutoscaler api-hpa",
            "PodDisruptionBudget api-pdb",
            "Deployment web",
            "Deployment api-deployment",
        ]
    );
    let faults: Vec<String> = all.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Scaled under another kind than it is, it is not scaled.
#[test]
fn a_scaled_stateful_set_is_written_as_one() {
    let object = |kind: &str| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: queue}}\nspec: {{template: {{spec: {{containers: [{{name: q, resources: {{requests: {{cpu: 1, memory: 1Gi}}}}}}]}}}}}}\n\
             ---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: queue}}\nspec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: {kind}, name: queue}}, maxReplicas: 5, metrics: [{{type: Object}}]}}\n"
        )
    };
    for kind in ["StatefulSet", "Deployment"] {
        let (scenario, notes, _) = read_text(&object(kind));
        assert!(notes.contains("the default, CPU at 80 % of the request, is planned"), "{notes}");
        let all = objects(&written(&scenario, &scenario.accounts[0], &support::CATALOG));
        let hpa = all.iter().find(|object| object["kind"] == "HorizontalPodAutoscaler").unwrap();
        assert_eq!(hpa["spec"]["scaleTargetRef"]["kind"], kind);
    }
}

/// A node pool with these requirements and more of its `spec`; as it is read, and the notes.
fn pool_of(
    requirements: &str,
    template: &str,
    spec: &str,
) -> (runrate::cluster::autoscale::settings::NodePool, String) {
    let text = format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: p}}\nspec:\n  template: {{spec: {{requirements: [{requirements}], {template}}}}}\n{spec}"
    );
    let (scenario, notes, _) = read_text(&text);
    (scenario.accounts[0].stack.cluster.node_pools["p"].clone(), notes)
}

fn requirement(key: &str, operator: &str, values: &str) -> String {
    format!("{{key: {key}, operator: {operator}, values: [{values}]}}")
}

/// Karpenter meets all requirements on a label: what they have in common, the narrowest bounds.
#[test]
fn requirements_on_one_label_intersect() {
    let family = "karpenter.k8s.aws/instance-family";
    let cpu = "karpenter.k8s.aws/instance-cpu";
    let (arch, capacity) = ("kubernetes.io/arch", "karpenter.sh/capacity-type");
    let all = [
        requirement(family, "In", "m7g, c7g, r7g"),
        requirement(family, "In", "r7g, c7g, m8g"),
        requirement(arch, "In", "amd64, arm64"),
        requirement("beta.kubernetes.io/arch", "NotIn", "amd64"),
        requirement(capacity, "In", "spot, on-demand"),
        requirement(capacity, "NotIn", "spot"),
        requirement(cpu, "Gt", "'3'"),
        requirement(cpu, "Gt", "'1'"),
        requirement(cpu, "Lt", "'17'"),
        requirement(cpu, "Lt", "'65'"),
        requirement("topology.kubernetes.io/zone", "In", "a, b, c"),
        requirement("topology.kubernetes.io/zone", "In", "b, c, d"),
    ];
    let (pool, notes) = pool_of(&all.join(", "), "", "");
    assert_eq!(pool.families, ["c7g", "r7g"], "{notes}");
    assert_eq!(pool.architectures, ["arm64"]);
    assert_eq!(pool.capacity_types.len(), 1);
    assert_eq!(
        pool.capacity_types[0],
        runrate::cluster::autoscale::settings::CapacityType::OnDemand
    );
    assert_eq!((pool.min_vcpus, pool.max_vcpus), (Some(4), Some(16)));
    let zones = [&all[10..], &[]].concat().join(", ");
    let text = format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: p}}\nspec: {{template: {{spec: {{requirements: [{zones}]}}}}}}\n"
    );
    assert_eq!(read_text(&text).0.accounts[0].stack.cluster.availability_zones, 2);

    // One pool a zone is a cluster of as many; a pool without zones leaves the number open.
    let pool = |name: &str, zones: &str| {
        format!(
            "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{requirements: [{zones}]}}}}}}\n---\n"
        )
    };
    let zone = |zone: &str| requirement("topology.kubernetes.io/zone", "In", zone);
    let pinned = pool("a", &zone("a")) + &pool("b", &zone("b"));
    for (text, expected) in [(pinned.clone(), 2), (pinned + &pool("any", ""), 3)] {
        let zones = read_text(&text).0.accounts[0].stack.cluster.availability_zones;
        assert_eq!(zones, expected);
    }

    let apart = [requirement(family, "In", "m7g"), requirement(family, "In", "c7g")].join(", ");
    let (pool, notes) = pool_of(&apart, "", "");
    assert_eq!(pool.families, ["m7g"]);
    let said = "requirements[1]: karpenter.k8s.aws/instance-family In c7g has nothing in common with m7g before it";
    assert!(notes.contains(said), "{notes}");
    let other = [requirement(family, "In", "m7g"), requirement(family, "NotIn", "c7g")].join(", ");
    let said = "requirements[1]: karpenter.k8s.aws/instance-family NotIn c7g has no counterpart";
    assert!(pool_of(&other, "", "").1.contains(said));
}

/// What a scenario has in whole units or within bounds is taken so, and every other reading is told.
#[test]
fn values_that_are_read_otherwise_than_they_stand_are_told() {
    let cpu = "karpenter.k8s.aws/instance-cpu";
    let (pool, notes) = pool_of(
        &[requirement(cpu, "In", "'4', x"), requirement(cpu, "Lt", "'5000'")].join(", "),
        "expireAfter: 30m, terminationGracePeriod: 1000h, taints: [{key: a}, {key: b, effect: NoSchedule}, {key: c, effect: Never}]",
        "  disruption: {consolidateAfter: 1500ms, budgets: [{nodes: '1', schedule: '0 9 * * *', duration: 90s}]}\n  limits: {cpu: 1500m, memory: 1000Gi, nodes: 10}\n",
    );
    assert_eq!((pool.min_vcpus, pool.max_vcpus), (Some(4), Some(4)));
    assert_eq!(pool.expire_after_hours, Some(1));
    assert_eq!(pool.taints, ["b:NoSchedule"]);
    assert_eq!((pool.limit_vcpus, pool.limit_memory_gib), (Some(1), Some(1000)));
    for said in [
        "requirements[0]: karpenter.k8s.aws/instance-cpu: \"x\" is not a whole number; it is not read",
        "requirements[1]: 4999 is not from 1 to 1000, the range of max_vcpus",
        "spec.template.spec.taints[0]: is not read: \"\" is not an effect of a taint",
        "spec.template.spec.taints[2]: is not read: \"Never\" is not an effect",
        "spec.template.spec.expireAfter: 0.5 hours are planned as 1",
        "spec.template.spec.terminationGracePeriod: 3600000 seconds are planned as 864000",
        "spec.disruption.consolidateAfter: 1.5 seconds are planned as 2",
        "spec.disruption.budgets[0].duration: 1.5 minutes are planned as 2",
        "spec.limits.cpu: 1.5 vCPUs are planned as 1",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    for exact in ["limits.memory", "limits.nodes", "taints[1]"] {
        assert!(!notes.contains(exact), "{exact}\n{notes}");
    }
    let (_, notes, _) = read_text(
        "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: c}\nspec: {kubelet: {kubeReserved: {memory: 1G}, evictionHard: {memory.available: 100M}}}\n",
    );
    for said in [
        "spec.kubelet.kubeReserved.memory: 953.674316 MiB are planned as 954",
        "spec.kubelet.evictionHard.memory.available: 95.367432 MiB are planned as 96",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
}

/// A requirement that is not there leaves its label open; the defaults of v1alpha5 ended with it.
#[test]
fn a_pool_without_a_capacity_type_allows_both() {
    use runrate::cluster::autoscale::settings::CapacityType::{OnDemand, Spot};
    let (pool, notes) = pool_of("", "", "");
    assert_eq!(pool.capacity_types, [Spot, OnDemand], "{notes}");
    assert!(pool.architectures.is_empty() && pool.categories.is_empty());
    assert_eq!(pool.min_generation, None);
    let capacity = "karpenter.sh/capacity-type";
    for (operator, values, expected) in [
        ("In", "on-demand", vec![OnDemand]),
        ("NotIn", "on-demand", vec![Spot]),
        ("Exists", "", vec![Spot, OnDemand]),
    ] {
        let (pool, _) = pool_of(&requirement(capacity, operator, values), "", "");
        assert_eq!(pool.capacity_types, expected, "{operator}");
    }
    let (pool, notes) = pool_of("", "", "  replicas: 4\n  limits: {nodes: 6}\n");
    assert_eq!((pool.replicas, pool.limit_nodes), (Some(4), Some(6)));
    assert!(!notes.contains("replicas"), "{notes}");
    let (pool, notes) = pool_of("", "", "  replicas: 4\n  weight: 3\n");
    assert_eq!((pool.replicas, pool.weight), (Some(4), 0));
    assert!(notes.contains("spec.replicas: static node pools have no weight"), "{notes}");
    let families = requirement("karpenter.k8s.aws/instance-family", "In", "m7g, m9x");
    let (pool, notes) = pool_of(&families, "", "");
    assert_eq!(pool.families, ["m7g", "m9x"]);
    let said = "spec.template.spec.requirements[0]: no instance family \"m9x\"";
    assert!(notes.contains(said) && notes.contains("It matches nothing"), "{notes}");
}

/// 4 TiB with 16,000 IOPS and 100 GiB with 4,000: 4,196 GiB and, with 3,000 included once, 17,000 IOPS.
#[test]
fn a_node_class_is_of_the_pools_that_refer_to_it() {
    let pool = |name: &str, class: &str| {
        format!(
            "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: {class}}}}}}}}}\n---\n"
        )
    };
    let class = |name: &str, spec: &str| {
        format!(
            "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n---\n"
        )
    };
    let big = "kubelet: {maxPods: 40}, blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 4Ti, iops: 16000, throughput: 1000}}, {deviceName: /dev/xvdb, ebs: {volumeSize: 100Gi, iops: 4000}}]";
    let classes = class("big", big) + &class("plain", "role: r") + &class("idle", big);
    let pools = pool("a", "big") + &pool("b", "plain") + &pool("c", "gone");
    let (scenario, notes, text) = read_text(&(pools + &classes));
    let account = &scenario.accounts[0];
    let pools = &account.stack.cluster.node_pools;
    let (a, b, c) = (&pools["a"], &pools["b"], &pools["c"]);
    assert_eq!((a.volume_gib, a.volume_iops), (Some(4196.0), Some(17_000.0)));
    assert_eq!(a.volume_throughput_mibps, Some(1000.0));
    assert_eq!(a.kubelet.unwrap().max_pods, Some(40));
    assert_eq!((b.volume_gib, b.volume_iops, b.kubelet), (Some(20.0), None, None));
    assert_eq!(c.volume_gib, None);
    assert_eq!(account.stack.cluster.kubelet, None);
    assert_eq!(scenario.stack_table(account)["ebs"]["volume_gib"].as_integer(), Some(50));
    for said in [
        "EC2NodeClass/big spec.blockDeviceMappings: 2 volumes of a node are planned as one of 4196 GiB",
        "NodePool/c spec.template.spec.nodeClassRef: node class \"gone\" is not among the manifests",
        "EC2NodeClass/idle: no node pool refers to it; it is not used",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    assert!(text.contains("no blockDeviceMappings, so Karpenter's default"), "{text}");

    // Without pools the one class is that of the pools that are assumed; the baseline keeps its own volume.
    let (scenario, notes, _) = read_text(&class("big", big));
    let account = &scenario.accounts[0];
    assert_eq!(account.stack.cluster.node_pools["general"].volume_gib, Some(4196.0));
    assert_eq!(scenario.stack_table(account)["ebs"]["volume_gib"].as_integer(), Some(50));
    assert!(notes.contains("EC2NodeClass/big: no node pool among the manifests"), "{notes}");
}

/// EKS Auto Mode has its own names for Karpenter's labels and a node class of its own; it has a fee, and runs
/// without a managed node group. What is written for it is its own names, and is read back as it was.
#[test]
fn eks_auto_mode_is_read_and_written_by_its_own_names() {
    let label = |name: &str, operator: &str, values: &str| {
        requirement(&format!("eks.amazonaws.com/{name}"), operator, values)
    };
    let requirements = [
        requirement("karpenter.sh/capacity-type", "In", "on-demand"),
        label("compute-type", "In", "auto"),
        label("instance-category", "In", "m, c"),
        label("instance-generation", "Gt", "'6'"),
        label("instance-cpu", "Lt", "'17'"),
        label("instance-hypervisor", "In", "nitro"),
    ];
    let text = format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: auto}}\nspec: {{template: {{spec: {{nodeClassRef: {{group: eks.amazonaws.com, kind: NodeClass, name: fast}}, requirements: [{}]}}}}, disruption: {{consolidateAfter: 30s}}}}\n---\n\
         apiVersion: eks.amazonaws.com/v1\nkind: NodeClass\nmetadata: {{name: fast}}\nspec: {{ephemeralStorage: {{size: 100Gi, iops: 6000}}, snatPolicy: Random}}\n",
        requirements.join(", ")
    );
    let (scenario, notes, _) = read_text(&text);
    let account = &scenario.accounts[0];
    let cluster = &account.stack.cluster;
    let pool = &cluster.node_pools["auto"];
    assert_eq!(pool.categories, ["m", "c"], "{notes}");
    assert_eq!((pool.min_generation, pool.max_vcpus), (Some(7), Some(16)));
    assert_eq!((pool.volume_gib, pool.volume_iops), (Some(100.0), Some(6000.0)));
    let defaults = (pool.expire_after_hours, pool.termination_grace_seconds, pool.drift_every_days);
    assert_eq!(defaults, (Some(336), Some(86_400), Some(7)));
    assert_eq!(cluster.baseline.nodes, 0);
    assert_eq!(scenario.stack_table(account)["eks"]["auto_mode"].as_bool(), Some(true));
    let workloads = &account.stack.workloads;
    assert!(!workloads.contains_key("karpenter") && workloads.contains_key("metrics-server"));
    assert!(notes.contains("eks.amazonaws.com/instance-hypervisor In nitro has no counterpart"));
    assert!(!notes.contains("compute-type"), "{notes}");

    let catalog = catalog();
    let files = written(&scenario, account, &catalog);
    let pools = files.iter().find(|file| file.text.contains("kind: NodePool")).unwrap();
    for has in [
        "key: eks.amazonaws.com/instance-category",
        "group: eks.amazonaws.com",
        "kind: NodeClass",
        "size: 100Gi",
    ] {
        assert!(pools.text.contains(has), "{has}\n{}", pools.text);
    }
    for other in ["karpenter.k8s.aws", "kubernetes.io/os", "amiSelectorTerms"] {
        assert!(!pools.text.contains(other), "{other}\n{}", pools.text);
    }
    let back = Scenario::parse("s.toml", &read(&files, &catalog).scenario, &catalog).unwrap();
    assert_eq!(&back.accounts[0].stack.cluster.node_pools, &cluster.node_pools);
}

#[test]
fn folders_without_manifests_are_refused() {
    let folder = TempDir::new().unwrap();
    let made = path(&folder, "made.toml");
    let empty = path(&folder, "");
    for (from, message) in [
        ("tests/data/manifests/nothing", "no Deployment, StatefulSet"),
        ("tests/data/manifests/missing", "no such file or folder"),
        ("tests/data/manifests/cluster/dump.yaml", "is a file; name the folder"),
        (&*empty, "holds no manifests"),
    ] {
        let (code, stderr) = told(&["init", "--from-manifests", from, &made]);
        assert_eq!(code, Some(2), "{from}: {stderr}");
        assert!(stderr.contains(message), "{from}: {stderr}");
        assert!(!Path::new(&made).exists(), "{from}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A fixture with a hole, a repetition or something strange in it: read or refused, and what is written
    /// is TOML whatever the comments hold.
    #[test]
    fn spoilt_manifests_never_end_the_program(
        file in 0_usize..3,
        (from, length) in (0_usize..6000, 0_usize..60),
        strange in "(null|-1|\\[\\]|\\{\\}|\"\\\\n\"|1e99|\\PC{0,6})?",
    ) {
        let text = [
            include_str!("data/manifests/cluster/dump.yaml"),
            include_str!("data/manifests/cluster/karpenter.yaml"),
            include_str!("data/manifests/cluster/nested/system.json"),
        ][file];
        let at = |index: usize| {
            let mut index = index % (text.len() + 1);
            while !text.is_char_boundary(index) { index -= 1; }
            index
        };
        let (start, end) = (at(from), at((from % (text.len() + 1) + length).min(text.len())));
        let end = end.max(start);
        let spoilt = format!("{}{strange}{}", &text[..start], &text[end..]);
        let catalog = &*support::CATALOG;
        let facts = facts_once();
        let sources = [Source { name: "spoilt\n.yaml".into(), text: spoilt }];
        if let Ok(read) = manifest::read((&sources, &[]), TEMPLATE, (facts, catalog)) {
            prop_assert!(read.scenario.parse::<toml::Table>().is_ok(), "{}", read.scenario);
        }
    }
}

/// Karpenter's Deployment with these variables.
fn karpenter(variables: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: karpenter}}\nspec: {{template: {{spec: {{containers: [{{name: controller, image: 'public.ecr.aws/karpenter/controller:1.14.0', env: [{variables}]}}]}}}}}}\n"
    )
}

const BUFFERS: &str = "---\napiVersion: autoscaling.x-k8s.io/v1alpha1\nkind: CapacityBuffer\nmetadata: {name: web-room}\nspec: {scalableRef: {apiGroup: apps, kind: Deployment, name: web}, percentage: 20, replicas: 2, limits: {cpu: '4'}}\n\
    ---\napiVersion: autoscaling.x-k8s.io/v1alpha1\nkind: CapacityBuffer\nmetadata: {name: jobs}\nspec: {provisioningStrategy: buffer.x-k8s.io/active-capacity, podTemplateRef: {name: job}, replicas: 3}\n\
    ---\napiVersion: autoscaling.x-k8s.io/v1alpha1\nkind: CapacityBuffer\nmetadata: {name: lost}\nspec: {podTemplateRef: {name: none}, replicas: 3}\n\
    ---\napiVersion: v1\nkind: PodTemplate\nmetadata: {name: job}\ntemplate: {spec: {tolerations: [{key: batch, operator: Exists}], containers: [{name: c, image: pause, resources: {requests: {cpu: 250m, memory: 512Mi}}}]}}\n";

/// Capacity buffers, batch windows and gates of Karpenter, and protection for a time, in and out and in again.
#[test]
fn capacity_buffers_and_settings_of_karpenter_are_read_and_written() {
    let web = deployment("web", "  replicas: 4\n", "").replace(
        "metadata: {labels: {app: web}}",
        "metadata: {labels: {app: web}, annotations: {karpenter.sh/do-not-disrupt: 1h30m}}",
    );
    let gates =
        "{name: FEATURE_GATES, value: 'NodeRepair=true,CapacityBuffer=true,NodeOverlay=false'}";
    let batches = "{name: BATCH_IDLE_DURATION, value: 5s}, {name: BATCH_MAX_DURATION, value: 1m}";
    let manifests = format!("{web}{BUFFERS}{}", karpenter(&format!("{batches}, {gates}")));
    let (before, notes, _) = read_text(&manifests);
    let account = &before.accounts[0];
    let cluster = &account.stack.cluster;
    assert_eq!((cluster.batch_idle_seconds, cluster.batch_max_seconds), (Some(5), Some(60)));
    assert_eq!(format!("{:?}", cluster.feature_gates), "[CapacityBuffer, NodeRepair]");
    let web = &account.stack.workloads["web"];
    assert_eq!((web.do_not_disrupt, web.do_not_disrupt_seconds), (false, Some(5400)));
    let room = &cluster.capacity_buffers["web-room"];
    assert_eq!(room.workload.as_deref(), Some("web"));
    assert_eq!((room.replicas, room.percent), (Some(2), Some(20)));
    assert_eq!(room.limits.unwrap().cpu_millicores, Some(4000.0));
    let jobs = &cluster.capacity_buffers["jobs"];
    let requests = jobs.requests.unwrap();
    assert_eq!((requests.cpu_millicores, requests.memory_mib), (250.0, 512.0));
    assert_eq!((&*jobs.tolerations, jobs.replicas), (&["batch".to_owned()][..], Some(3)));
    assert!(notes.contains("PodTemplate none is not among the manifests"), "{notes}");
    assert!(!notes.contains("env"), "{notes}");

    let written = all_written(&before, account, &support::CATALOG);
    let said = written.notes.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n");
    for expected in [
        "cluster.feature_gates: set FEATURE_GATES=NodeRepair=true,CapacityBuffer=true on Karpenter",
        "cluster.batch_idle_seconds: set BATCH_IDLE_DURATION=5s on Karpenter",
        "cluster.batch_max_seconds: set BATCH_MAX_DURATION=60s on Karpenter",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let again = read(&written.files, &support::CATALOG);
    let again = scenario(&again.scenario, &support::CATALOG);
    let stack = &again.accounts[0].stack;
    assert_eq!(stack.cluster.capacity_buffers, cluster.capacity_buffers);
    assert_eq!(stack.workloads["web"].do_not_disrupt_seconds, Some(5400));

    // Without Karpenter's Deployment the gate is assumed; with it, it counts.
    let (alone, _, text) = read_text(&format!("{}{BUFFERS}", deployment("web", "", "")));
    assert_eq!(format!("{:?}", alone.accounts[0].stack.cluster.feature_gates), "[CapacityBuffer]");
    assert!(text.contains("assumption: capacity buffers need the gate CapacityBuffer"));
    let off = format!("{}{BUFFERS}{}", deployment("web", "", ""), karpenter(batches));
    let (off, notes, _) = read_text(&off);
    assert!(off.accounts[0].stack.cluster.capacity_buffers.is_empty());
    assert!(notes.contains("has the feature gate CapacityBuffer off"), "{notes}");
}

/// A new pool of EKS Auto Mode is Balanced since Kubernetes 1.37; which version creates it, nodes show.
#[test]
fn auto_mode_pools_are_balanced_since_1_37() {
    use ConsolidationPolicy::{Balanced, WhenEmpty, WhenEmptyOrUnderutilized};
    let pool = |disruption: &str| {
        format!(
            "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: auto}}\nspec: {{template: {{spec: {{nodeClassRef: {{group: eks.amazonaws.com, kind: NodeClass, name: default}}, requirements: []}}}}, disruption: {{{disruption}}}}}\n"
        )
    };
    let node = |version: &str| {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: ip-10-0-1-2, labels: {{karpenter.sh/nodepool: auto}}}}\nstatus: {{nodeInfo: {{kubeletVersion: {version}}}}}\n"
        )
    };
    let read = |text: &str| {
        let (scenario, notes, _) = read_text(text);
        let pool = &scenario.accounts[0].stack.cluster.node_pools["auto"];
        let asks = notes.contains("for it, set consolidation_policy in the scenario");
        assert!(asks || !notes.contains("1.37"), "{notes}");
        (pool.consolidation_policy, asks)
    };
    assert_eq!(read(&pool("")), (WhenEmptyOrUnderutilized, true));
    assert_eq!(read(&(pool("") + &node("v1.36.4-eks-1"))), (WhenEmptyOrUnderutilized, false));
    assert_eq!(read(&(pool("") + &node("v1.37.1-eks-2"))), (Balanced, false));
    let given = pool("consolidationPolicy: WhenEmpty") + &node("v1.37.1-eks-2");
    assert_eq!(read(&given), (WhenEmpty, false));
}

fn facts_once() -> &'static manifest::Facts {
    static FACTS: std::sync::LazyLock<manifest::Facts> =
        std::sync::LazyLock::new(|| store::model().unwrap());
    &FACTS
}

/// A Deployment with this under its `spec`, beside one container of 500m and 1 GiB.
fn deployment(name: &str, spec: &str, pod: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n{spec}  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n{pod}      containers: [{{name: c, image: 'x/c:1', resources: {{requests: {{cpu: 500m, memory: 1Gi}}}}}}]\n"
    )
}

/// An Argo Rollout is its pods and replicas, or those of the Deployment that it names; KEDA's CPU and memory
/// triggers are an autoscaler, the others are reported with what they ask for.
#[test]
fn rollouts_and_scaled_objects_are_read() {
    let rollout = |spec: &str| {
        format!(
            "---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: web}}\nspec:\n  replicas: 4\n{spec}"
        )
    };
    let template = "  template: {spec: {containers: [{name: web, image: 'x/web:1', resources: {requests: {cpu: 500m, memory: 512Mi}}}]}}\n";
    let keda = |body: &str| {
        format!(
            "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: web}}\nspec:\n  scaleTargetRef: {{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web}}\n{body}"
        )
    };
    let cpu = keda(
        "  minReplicaCount: 4\n  maxReplicaCount: 55\n  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleDown: {stabilizationWindowSeconds: 120}}}}\n  triggers:\n  - {type: cron, metadata: {timezone: Europe/Prague, start: '30 6 * * *', end: '0 0 * * *', desiredReplicas: '20'}}\n  - {type: cpu, metricType: Utilization, metadata: {value: '80'}}\n  - {type: memory, metricType: AverageValue, metadata: {value: 400Mi}}\n",
    );
    let (scenario, notes, _) = read_text(&(rollout(template) + &cpu));
    let web = &scenario.accounts[0].stack.workloads["web"];
    assert_eq!((web.requests.cpu_millicores, web.requests.memory_mib), (500.0, 512.0));
    let hpa = web.hpa.as_ref().unwrap();
    assert_eq!((hpa.min_replicas, hpa.max_replicas, hpa.metrics.len()), (Some(4), 55, 2));
    assert_eq!(hpa.metrics[0].average_utilization, Some(80));
    assert_eq!(hpa.metrics[1].average_value, Some(400.0));
    let down = &hpa.behavior.as_ref().unwrap().scale_down;
    assert_eq!(down.stabilization_window_seconds, Some(120));
    let cron = &hpa.schedules[0];
    assert_eq!((&*cron.start, &*cron.end, cron.replicas), ("30 6 * * *", "0 0 * * *", 20));
    assert_eq!(cron.time_zone.as_deref(), Some("Europe/Prague"));
    assert!(!notes.contains("not among the manifests"), "{notes}");

    // A query alone: a fixed number, within the bounds.
    let query = keda(
        "  minReplicaCount: 6\n  maxReplicaCount: 30\n  triggers: [{type: mysql, metadata: {queryValue: '20'}}]\n",
    );
    let (scenario, notes, _) = read_text(&(rollout(template) + &query));
    let web = &scenario.accounts[0].stack.workloads["web"];
    assert_eq!((web.replicas, web.hpa.is_none()), (Some(6), true));
    for said in ["mysql (queryValue 20)", "fixed number of replicas, 6 (its range is 6 to 30)"] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }

    let refers = rollout("  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: old}\n");
    let (scenario, notes, _) = read_text(&(deployment("old", "  replicas: 0\n", "") + &refers));
    let workloads = &scenario.accounts[0].stack.workloads;
    assert!(!workloads.contains_key("old"), "{notes}");
    assert_eq!(
        (workloads["web"].replicas, workloads["web"].requests.memory_mib),
        (Some(4), 1024.0)
    );
}

/// KEDA's triggers of queues become the workload's queue; KEDA goes to 0 and back without a gate; what comes to the
/// queue is asked for. What is written is read as it was.
#[test]
fn queues_of_keda_are_read_and_written() {
    let keda = |spec: &str, trigger: &str| {
        deployment("web", "", "")
            + &format!(
                "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: web}}\nspec: {{scaleTargetRef: {{name: web}}, {spec}triggers: [{trigger}]}}\n"
            )
    };
    for (trigger, target, activation, counts) in [
        (
            "{type: aws-sqs-queue, metadata: {queueLength: '20', activationQueueLength: '3'}}",
            20.0,
            Some(3.0),
            true,
        ),
        ("{type: aws-sqs-queue, metadata: {scaleOnInFlight: 'false'}}", 5.0, None, false),
        (
            "{type: rabbitmq, metadata: {mode: QueueLength, value: '100.5', queueName: q}}",
            100.5,
            None,
            false,
        ),
        ("{type: rabbitmq, metadata: {queueLength: '7', protocol: http}}", 7.0, None, true),
        ("{type: kafka, metadata: {lagThreshold: '50'}}", 50.0, None, true),
        ("{type: redis, metadata: {listName: l}}", 5.0, None, false),
    ] {
        let text = keda("maxReplicaCount: 30, cooldownPeriod: 60, ", trigger);
        let (scenario, notes, text) = read_text(&text);
        let web = &scenario.accounts[0].stack.workloads["web"];
        let (hpa, queue) = (web.hpa.as_ref().unwrap(), web.queue.as_ref().unwrap());
        assert_eq!((hpa.min_replicas, hpa.max_replicas), (Some(0), 30), "{trigger}");
        assert_eq!(hpa.keda.unwrap().cooldown_seconds, Some(60));
        let metric = &hpa.metrics[0];
        assert_eq!(
            (metric.average_value, metric.activation),
            (Some(target), activation),
            "{trigger}"
        );
        assert_eq!((queue.counts_in_flight, web.concurrency), (counts, Some(1)), "{trigger}");
        assert!(notes.contains("set calls_per, cpu_ms_per_request"), "{notes}");
        assert_eq!(trigger.contains("kafka"), notes.contains("partitions of the topic"), "{notes}");
        assert!(!text.contains("HPAScaleToZero"), "{text}");
        assert_eq!(web.reached, runrate::cluster::workload::Reached::Internally);
        // Back out and in again.
        let catalog = catalog();
        let wanted = Wanted {
            scenario: &scenario,
            account: &scenario.accounts[0],
            catalog: &catalog,
            facts: facts_once(),
            sha256: "",
            plan: None,
            before: None,
        };
        let written = manifest::write(&wanted).unwrap();
        let file = written.files.iter().find(|file| file.name == "hpa.yaml").unwrap();
        assert!(file.text.contains("kind: ScaledObject"), "{}", file.text);
        let (again, ..) = read_text(&(deployment("web", "", "") + "---\n" + &file.text));
        let again = &again.accounts[0].stack.workloads["web"];
        assert_eq!((&again.hpa, &again.queue), (&web.hpa, &web.queue), "{}", file.text);
    }
    // A minimum above 0 leaves nothing for KEDA alone to do; a rate is a metric the scenario has.
    let rate = keda(
        "minReplicaCount: 2, ",
        "{type: rabbitmq, metadata: {mode: MessageRate, value: '10'}}",
    );
    let (scenario, ..) = read_text(&rate);
    let hpa = scenario.accounts[0].stack.workloads["web"].hpa.clone().unwrap();
    assert_eq!((hpa.min_replicas, hpa.keda), (Some(2), None));
    assert_eq!(hpa.metrics[0].name, runrate::cluster::workload::MetricName::RequestsPerSecond);
    let two = keda("", "{type: redis, metadata: {}}, {type: kafka, metadata: {}}");
    assert!(read_text(&two).1.contains("spec.triggers[1]: is a second queue"));
    let other =
        keda("", "{type: rabbitmq, metadata: {mode: ExpectedQueueConsumptionTime, value: '9'}}");
    assert!(read_text(&other).1.contains("mode ExpectedQueueConsumptionTime is not planned"));
}

/// `calculatePodRequestsFromContainers`: a sidecar without a request leaves the pod's utilization without a value,
/// unless the pod has a request of its own, or the metric is of another container.
#[test]
fn a_container_without_a_request_is_held_and_reported() {
    let hpa = |metrics: &str| {
        format!(
            "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web}}\nspec: {{scaleTargetRef: {{kind: Deployment, name: web}}, maxReplicas: 12{metrics}}}\n"
        )
    };
    let one = deployment("web", "", "");
    let init = "      initContainers: [{name: once, image: o}, {name: proxy, image: p, restartPolicy: Always}]\n";
    let sidecar = deployment("web", "", init);
    let of_pod =
        deployment("web", "", &format!("      resources: {{requests: {{cpu: 1}}}}\n{init}"));
    let utilization = ", metrics: [{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 60}}}]";
    let of_c = ", metrics: [{type: ContainerResource, containerResource: {name: cpu, container: c, target: {type: Utilization, averageUtilization: 60}}}]";
    let of_proxy = of_c.replace("container: c,", "container: proxy,");
    let value = utilization.replace(
        "type: Utilization, averageUtilization: 60",
        "type: AverageValue, averageValue: 1Gi",
    );
    for (pod, metrics, cpu, memory) in [
        (&sidecar, "", true, false),
        (&sidecar, utilization, false, true),
        (&sidecar, &*value, false, false),
        (&sidecar, of_c, false, false),
        (&sidecar, &*of_proxy, true, false),
        (&one, "", false, false),
        (&of_pod, "", false, false),
    ] {
        let (scenario, notes, text) = read_text(&(pod.clone() + &hpa(metrics)));
        let without = &scenario.accounts[0].stack.workloads["web"].containers_without_request;
        let names = |is: bool| if is { vec!["proxy".to_owned()] } else { Vec::new() };
        assert_eq!((&without.cpu, &without.memory), (&names(cpu), &names(memory)), "{text}");
        let said = notes.contains("container proxy requests no");
        assert_eq!(said, cpu || memory, "{notes}");
    }
}

/// A metric of one container keeps the container, its request and, to be measured, its share.
#[test]
fn container_metrics_are_of_one_container() {
    let hpa = |container: &str| {
        format!(
            "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web}}\nspec: {{scaleTargetRef: {{kind: Deployment, name: web}}, maxReplicas: 12, metrics: [{{type: ContainerResource, containerResource: {{name: cpu, container: {container}, target: {{type: Utilization, averageUtilization: 60}}}}}}]}}\n"
        )
    };
    let read = |text: &str| {
        let (scenario, notes, _) = read_text(text);
        (scenario.accounts[0].stack.workloads["web"].hpa.clone().unwrap(), notes)
    };
    let one = deployment("web", "", "");
    let (alone, _) = read(&(one.clone() + &hpa("c")));
    let container = |hpa: &runrate::cluster::workload::Hpa| {
        let metric = &hpa.metrics[0];
        (metric.container.clone(), metric.container_request, metric.average_utilization)
    };
    assert_eq!(container(&alone), (Some("c".into()), None, Some(60)));
    let sidecar = one
        .replace("1Gi}}}]", "1Gi}}}, {name: proxy, image: p, resources: {requests: {cpu: 100m}}}]");
    let (beside, notes) = read(&(sidecar + &hpa("c")));
    assert_eq!(container(&beside), (Some("c".into()), Some(500.0), Some(60)), "{notes}");
    assert!(notes.contains("set usage_share of the metric"), "{notes}");
    let (unknown, notes) = read(&(one + &hpa("d")));
    assert!(notes.contains("\"d\" is not a container of the workload that it scales"), "{notes}");
    assert_eq!((unknown.target_cpu_utilization, unknown.metrics.len()), (None, 0));
}

/// `kubectl get all,nodes -o json`: nodes that Karpenter did not buy are the baseline; what has an owner says
/// nothing of its own; jobs and load balancers are reported with their size.
#[test]
fn a_dump_tells_the_baseline_and_what_else_asks_for_room() {
    let node = |name: &str, labels: &str| {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{{labels}}}}}\nspec: {{taints: [{{key: infra, effect: NoSchedule}}]}}\n"
        )
    };
    let of_group = |zone: &str, kind: &str| {
        format!(
            "node.kubernetes.io/instance-type: {kind}, eks.amazonaws.com/nodegroup: ng, topology.kubernetes.io/zone: us-east-1{zone}"
        )
    };
    let machines = [
        node("a", &of_group("a", "m5.xlarge")),
        node("b", &of_group("b", "m5.xlarge")),
        node("c", &of_group("b", "c5.large")),
        node(
            "d",
            "node.kubernetes.io/instance-type: m7g.large, karpenter.sh/nodepool: general, topology.kubernetes.io/zone: us-east-1b",
        ),
    ];
    let others = "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: night}\nspec: {schedule: '0 2 * * *', jobTemplate: {spec: {parallelism: 3, template: {spec: {containers: [{name: j, image: j, resources: {requests: {cpu: 4, memory: 8Gi}}}]}}}}}\n\
        ---\napiVersion: v1\nkind: Service\nmetadata: {name: edge}\nspec: {type: LoadBalancer, ports: [{port: 80}, {port: 443}]}\n\
        ---\napiVersion: v1\nkind: Pod\nmetadata: {name: alone}\nspec: {containers: [{name: c, image: c, resources: {requests: {cpu: 250m, memory: 256Mi, nvidia.com/gpu: 1}}}]}\n\
        ---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: one, annotations: {alb.ingress.kubernetes.io/group.name: shared}}\nspec: {ingressClassName: alb}\n\
        ---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: two, annotations: {alb.ingress.kubernetes.io/group.name: shared}}\nspec: {ingressClassName: alb}\n\
        ---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: own}\nspec: {ingressClassName: alb}\n";
    let (scenario, notes, text) = read_text(&(machines.concat() + others));
    let stack = &scenario.accounts[0].stack;
    let baseline = &stack.cluster.baseline;
    assert_eq!((&*baseline.instance_type, baseline.nodes), ("m5.xlarge", 3));
    assert_eq!(baseline.taints, ["infra:NoSchedule"]);
    assert_eq!(stack.cluster.availability_zones, 2);
    assert_eq!(stack.workloads["alone"].requests.cpu_millicores, 250.0);
    let night = stack.workloads["night"].job.as_ref().unwrap();
    assert_eq!((night.schedule.as_deref(), night.parallelism), (Some("0 2 * * *"), 3));
    for said in [
        "3 m5.xlarge are planned for 1 c5.large, 2 m5.xlarge",
        "CronJob/night: no manifest states how long a pod runs: 600 seconds are assumed",
        "Service/edge spec.type: is not planned: 1 load balancer (Network or Classic) with 2 listeners",
        "requests.nvidia.com/gpu: 1 is not planned",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
        assert!(text.contains(said), "{said} is in the scenario's heading too");
    }
    let lost = "the 2 load balancers that Ingresses ask for are not planned: no workload serves";
    assert!(notes.contains(lost), "{notes}");
}

/// A patch is no workload, and takes none's place, whichever comes first.
#[test]
fn patches_are_reported_and_not_read() {
    let patch =
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 12}\n";
    let strategic = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: c, resources: {requests: {cpu: 2}}}]}}}\n";
    let overlay = "---\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../../base]\npatches: [{path: replicas.yaml}]\n";
    let json = "---\n- {op: replace, path: /spec/replicas, value: 9}\n";
    let base = deployment("web", "  replicas: 2\n", "");
    for parts in [[patch, strategic, &base], [&base, strategic, patch]] {
        let (scenario, notes, _) = read_text(&(parts.concat() + overlay + json));
        let web = &scenario.accounts[0].stack.workloads["web"];
        assert_eq!((web.replicas, web.requests.cpu_millicores), (Some(2), 500.0), "{notes}");
        for said in [
            "Deployment/web: has no containers: it is a patch of another object, and not applied. Render it (`kustomize build FOLDER`)",
            "Deployment/web: is a patch of an object among the manifests, and not applied",
            "is a kustomization whose patches are not applied",
            "is a JSON patch, and not applied",
        ] {
            assert!(notes.contains(said), "{said}\n{notes}");
        }
    }
    let sources = [Source { name: "f.yaml".into(), text: patch.into() }];
    let refused = manifest::read((&sources, &[]), TEMPLATE, (facts_once(), &support::CATALOG));
    assert!(
        refused.unwrap_err().to_string().contains("f.yaml:2: Deployment/web: has no containers")
    );
}

/// Selectors on a pool's labels, and on what Karpenter or the machine labels, hold in the plan; the round trip
/// through affinity keeps them.
#[test]
fn node_selectors_bind_workloads_to_nodes() {
    use runrate::cluster::workload::NodeCapacity::{Baseline, OnDemand, Reserved, Spot};
    let pools = "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: apps}\nspec: {template: {metadata: {labels: {team: shop}}, spec: {requirements: [{key: karpenter.k8s.aws/instance-family, operator: In, values: [m6i]}]}}}\n\
        ---\napiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: rest}\nspec: {template: {spec: {requirements: [{key: team, operator: In, values: [ops, data]}]}}}\n";
    let selector = |pairs: &str| format!("      nodeSelector: {{{pairs}}}\n");
    let affinity = |terms: &str| {
        format!(
            "      affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{terms}]}}}}}}\n"
        )
    };
    let term = |key: &str, operator: &str, values: &str| {
        format!("{{matchExpressions: [{{key: {key}, operator: {operator}, values: [{values}]}}]}}")
    };
    let capacity = "karpenter.sh/capacity-type";
    let of_capacity = |operator: &str, values: &str| affinity(&term(capacity, operator, values));
    let cases: Vec<(String, Vec<&str>, Vec<_>)> = vec![
        (selector("team: shop"), vec!["apps"], vec![]),
        (selector("team: data"), vec!["rest"], vec![]),
        (selector("team: none"), vec!["baseline"], vec![]),
        (selector("karpenter.sh/capacity-type: spot"), vec![], vec![Spot]),
        (of_capacity("NotIn", "spot"), vec![], vec![Baseline, OnDemand, Reserved]),
        (of_capacity("In", "reserved"), vec![], vec![Reserved]),
        (of_capacity("Exists", ""), vec![], vec![OnDemand, Spot, Reserved]),
        (of_capacity("DoesNotExist", ""), vec![], vec![Baseline]),
        (affinity(&term("team", "NotIn", "shop")), vec!["baseline", "rest"], vec![]),
        (affinity(&term("eks.amazonaws.com/nodegroup", "Exists", "")), vec!["baseline"], vec![]),
        (
            affinity(
                &[term("team", "In", "shop"), term("karpenter.sh/nodepool", "In", "rest")]
                    .join(", "),
            ),
            vec!["apps", "rest"],
            vec![],
        ),
    ];
    let catalog = &*support::CATALOG;
    for (pod, expected, capacity_types) in cases {
        for kind in ["Deployment", "DaemonSet"] {
            let text = pools.to_owned() + &deployment("shop", "", &pod).replace("Deployment", kind);
            let (scenario, notes, _) = read_text(&text);
            let shop = &scenario.accounts[0].stack.workloads["shop"];
            assert_eq!(shop.node_pools, expected, "{pod}\n{notes}");
            assert_eq!(shop.node_requirements.capacity_types, capacity_types, "{pod}\n{notes}");
            let back = read(&written(&scenario, &scenario.accounts[0], catalog), catalog);
            let back = self::scenario(&back.scenario, catalog);
            let again = &back.accounts[0].stack.workloads["shop"];
            assert_eq!(again.node_pools, expected, "{pod}");
            assert_eq!(again.node_requirements, shop.node_requirements, "{pod}");
        }
    }
    let machine = selector(
        "kubernetes.io/arch: amd64, node.kubernetes.io/instance-type: m6i.large, karpenter.k8s.aws/instance-size: large",
    );
    let (scenario, _, _) = read_text(&(pools.to_owned() + &deployment("shop", "", &machine)));
    let wanted = &scenario.accounts[0].stack.workloads["shop"].node_requirements;
    assert_eq!((wanted.architectures[0].as_str(), wanted.sizes[0].as_str()), ("amd64", "large"));
    assert_eq!(wanted.instance_types, ["m6i.large"]);
    let clash = selector("team: shop, karpenter.sh/nodepool: rest");
    let (_, notes, _) = read_text(&(pools.to_owned() + &deployment("shop", "", &clash)));
    assert!(notes.contains("exclude each other, so no node fits the pod"), "{notes}");
    let gone = deployment("shop", "", &selector("karpenter.sh/nodepool: gone"));
    let (scenario, notes, _) = read_text(&(pools.to_owned() + &gone));
    assert!(scenario.accounts[0].stack.workloads["shop"].node_pools.is_empty());
    assert!(notes.contains("requires node pool gone, which is not among the manifests"), "{notes}");
}

/// Terms of affinity name the workloads that their selectors select; what is written back has the same terms,
/// with labels to fill in.
#[test]
fn affinity_is_to_the_workloads_that_labels_select() {
    let pods = |kind: &str, list: &str| format!("        {kind}: {{{list}}}\n");
    let (required, preferred) = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    );
    let to =
        |selector: &str, key: &str| format!("{{labelSelector: {selector}, topologyKey: {key}}}");
    let labels = |name: &str| format!("{{matchLabels: {{app: {name}}}}}");
    let (zone, host) = ("topology.kubernetes.io/zone", "kubernetes.io/hostname");
    let web = |affinity: &str| {
        let web = deployment("web", "", &format!("      affinity:\n{affinity}"));
        let daemon = deployment("agent", "", "").replace("Deployment", "DaemonSet");
        read_text(&(web + &deployment("cache", "", "") + &deployment("db", "", "") + &daemon))
    };
    let near = pods("podAffinity", &format!("{required}: [{}]", to(&labels("cache"), zone)));
    let apart = pods(
        "podAntiAffinity",
        &format!(
            "{required}: [{}], {preferred}: [{{weight: 30, podAffinityTerm: {}}}]",
            to(&labels("web"), host),
            to("{matchExpressions: [{key: app, operator: In, values: [cache, db, gone]}]}", host)
        ),
    );
    let (scenario, notes, _) = web(&(near + &apart));
    let found = &scenario.accounts[0].stack.workloads["web"];
    let term = |workload: &str, topology_key, weight: Option<u32>| PodTerm {
        workload: workload.into(),
        topology_key,
        required: weight.is_none(),
        weight,
    };
    assert_eq!(found.pod_affinity, [term("cache", TopologyKey::Zone, None)]);
    let expected = [
        term("web", TopologyKey::Hostname, None),
        term("cache", TopologyKey::Hostname, Some(30)),
        term("db", TopologyKey::Hostname, Some(30)),
    ];
    assert_eq!(found.pod_anti_affinity, expected);
    assert!(!notes.contains("affinity"), "{notes}");
    let files = written(&scenario, &scenario.accounts[0], &support::CATALOG);
    let mut patches =
        objects(&files).into_iter().filter(|object| object["metadata"]["name"] == "web");
    let affinity =
        patches.find_map(|patch| patch.pointer("/spec/template/spec/affinity").cloned()).unwrap();
    assert_eq!(affinity["podAffinity"][required][0]["topologyKey"], zone);
    let written = &affinity["podAntiAffinity"][preferred];
    assert_eq!((&written[0]["weight"], written.as_array().unwrap().len()), (&30.into(), 2));
    let label = written[1].pointer("/podAffinityTerm/labelSelector/matchLabels").unwrap();
    assert_eq!(*label, serde_json::json!({ "app": "db" }));

    for (selector, key, said) in [
        (labels("gone"), host, "selects no workload among the manifests"),
        (labels("agent"), host, "selects DaemonSet agent, which runs on every node"),
        (labels("cache"), "topology.kubernetes.io/region", "has no counterpart"),
        ("null".into(), host, "selects no workload among the manifests"),
    ] {
        let given = format!("{required}: [{}]", to(&selector, key));
        let (scenario, notes, _) = web(&pods("podAffinity", &given));
        assert!(notes.contains(said), "{notes}");
        assert!(scenario.accounts[0].stack.workloads["web"].pod_affinity.is_empty(), "{notes}");
    }
    // Affinity to several: a pod of one is enough, which a scenario cannot express.
    let several = "{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}";
    let (scenario, notes, _) =
        web(&pods("podAffinity", &format!("{required}: [{}]", to(several, host))));
    assert_eq!(scenario.accounts[0].stack.workloads["web"].pod_affinity.len(), 1);
    assert!(notes.contains("cache is used, db ignored"), "{notes}");
}

/// Preferred and alternative labels of nodes keep their weights and their order.
#[test]
fn preferred_and_alternative_labels_of_nodes_are_read() {
    let term = |key: &str, values: &str| {
        format!("{{matchExpressions: [{{key: {key}, operator: In, values: [{values}]}}]}}")
    };
    let (arch, family) = ("kubernetes.io/arch", "karpenter.k8s.aws/instance-family");
    let alternatives = [term(arch, "arm64"), term(family, "m7i, c7i")].join(", ");
    let affinity = format!(
        "      affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{alternatives}]}}, preferredDuringSchedulingIgnoredDuringExecution: [{{weight: 20, preference: {}}}, {{weight: 80, preference: {}}}, {{weight: 5, preference: {}}}]}}}}\n",
        term("karpenter.sh/capacity-type", "spot"),
        term(arch, "arm64"),
        term("kubernetes.io/os", "linux"),
    );
    let tolerations = "      tolerations: [{operator: Exists}]\n";
    let (scenario, notes, _) = read_text(&deployment("web", "", &(affinity + tolerations)));
    let web = &scenario.accounts[0].stack.workloads["web"];
    let expected = [
        NodeTerm { architectures: vec!["arm64".into()], ..NodeTerm::default() },
        NodeTerm { families: vec!["m7i".into(), "c7i".into()], ..NodeTerm::default() },
    ];
    assert_eq!(web.node_alternatives, expected, "{notes}");
    let weights: Vec<Option<u32>> = web.node_preferences.iter().map(|term| term.weight).collect();
    assert_eq!(weights, [Some(20), Some(80)]);
    assert_eq!(web.node_preferences[0].capacity_types, [NodeCapacity::Spot]);
    assert_eq!(web.node_preferences[1].architectures, ["arm64"]);
    assert!(notes.contains("is met by every node of the scenario, so it prefers none"), "{notes}");
    assert_eq!(web.tolerations, ["*"]);
    let catalog = &*support::CATALOG;
    let back = read(&written(&scenario, &scenario.accounts[0], catalog), catalog);
    let back = self::scenario(&back.scenario, catalog);
    let again = &back.accounts[0].stack.workloads["web"];
    assert_eq!(again.node_alternatives, web.node_alternatives);
    assert_eq!(again.node_preferences, web.node_preferences);
    assert_eq!(again.tolerations, web.tolerations);
}

/// A `PersistentVolumeClaim` with this metadata and more of its `spec`.
fn claim_of(metadata: &str, size: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{{metadata}}}\nspec: {{{spec}, resources: {{requests: {{storage: {size}}}}}}}\n"
    )
}

/// A `PersistentVolume` of the EBS CSI driver with more of its `spec`.
fn volume_of(name: &str, size: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec: {{storageClassName: gp3, capacity: {{storage: {size}}}, csi: {{driver: ebs.csi.aws.com}}{spec}}}\n"
    )
}

fn class_of(name: &str, provisioner: &str, parameters: &str) -> String {
    format!(
        "---\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\nprovisioner: {provisioner}\nparameters: {{{parameters}}}\n"
    )
}

/// Claims of `[ebs]` that a text is read as, `NAME COUNT × GIB MORE`, and the notes.
fn claims(text: &str) -> (Vec<String>, String) {
    let (_, notes, scenario) = read_text(text);
    let scenario: toml::Table = scenario.parse().unwrap();
    let claims = scenario["ebs"].get("claims").and_then(toml::Value::as_table).cloned();
    let each = |(name, claim): (String, toml::Value)| {
        let mut claim = claim.as_table().unwrap().clone();
        let gib = claim.remove("gib").unwrap();
        let count = claim.remove("count").map_or(1, |count| count.as_integer().unwrap());
        format!("{name} {count} × {gib} {}", claim.to_string().trim().replace('\n', ", "))
    };
    (claims.into_iter().flatten().map(each).collect(), notes)
}

/// Three replicas of 100 GiB and a claim of 500 GiB are 800 GiB: $64 a month of gp3. Claims in a dump that
/// belong to the template count once; other classes are what their parameters say, or are reported.
#[test]
fn claims_become_volumes_of_ebs() {
    let set = |class: &str| {
        format!(
            "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\nspec: {{replicas: 3, template: {{spec: {{containers: [{{name: c, image: x}}]}}}}, volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{storageClassName: {class}, resources: {{requests: {{storage: 100Gi}}}}}}}}]}}\n"
        )
    };
    let claim = |name: &str, size: &str, class: &str| {
        claim_of(&format!("name: {name}"), size, &format!("storageClassName: {class}"))
    };
    let text = set("gp3") + &claim("shared", "500Gi", "gp3");
    assert_eq!(claims(&text).0, ["db-data 3 × 100 ", "shared 1 × 500 "]);
    // Of the claims in a dump the first is the template's, the second was resized, the last outlived a replica.
    let dump = text
        + &claim("data-db-0", "100Gi", "gp3")
        + &claim("data-db-1", "200Gi", "gp3")
        + &claim("data-db-7", "100Gi", "gp3");
    assert_eq!(
        claims(&dump).0,
        ["db-data 2 × 100 ", "shared 1 × 500 ", "data-db-1 1 × 200 ", "data-db-7 1 × 100 "]
    );
    let classes = set("fast")
        + &class_of("fast", "ebs.csi.aws.com", "type: gp3, iops: '6000', throughput: '250'")
        + &class_of("old", "kubernetes.io/aws-ebs", "")
        + &class_of("shared", "efs.csi.aws.com", "")
        + &class_of("disk", "ebs.csi.aws.com", "type: st1")
        + &class_of("quick", "ebs.csi.aws.com", "type: io2, iopsPerGB: '50'")
        + &class_of("older", "ebs.csi.aws.com", "type: io1, iops: '90000'")
        + &class_of("tape", "ebs.csi.aws.com", "type: standard")
        + &claim("a", "10Gi", "old")
        + &claim("b", "20Gi", "shared")
        + &claim("c", "500Gi", "disk")
        + &claim("d", "1500Mi", "unknown")
        + &claim("e", "200Gi", "quick")
        + &claim("f", "50Gi", "older")
        + &claim("g", "5Gi", "tape")
        + &claim("h", "100Gi", "disk");
    let (found, notes) = claims(&classes);
    let expected = [
        "db-data 3 × 100 iops = 6000, throughput_mibps = 250",
        "a 1 × 10 volume_type = \"gp2\"",
        "c 1 × 500 volume_type = \"st1\"",
        "d 1 × 2 ",
        "e 1 × 200 volume_type = \"io2\", iops = 10000",
        "f 1 × 50 volume_type = \"io2\", iops = 50000",
        "g 1 × 5 ",
        "h 1 × 125 volume_type = \"st1\"",
    ];
    assert_eq!(found, expected);
    for said in [
        "PersistentVolumeClaim/b spec: 20 GiB of efs.csi.aws.com are not planned",
        "PersistentVolumeClaim/f spec: 50 GiB of type io1 are planned as io2",
        "PersistentVolumeClaim/f spec: 90000 IOPS of class older exceed the maximum of an io2 volume; 50000 are planned",
        "PersistentVolumeClaim/g spec: 5 GiB of type standard are planned as gp3",
        "PersistentVolumeClaim/h spec.resources.requests.storage: an st1 volume has at least 125 GiB; 125 are planned",
        "PersistentVolumeClaim/d spec: class unknown is not among the manifests: 2 GiB are planned as gp3",
        "PersistentVolumeClaim/d spec.resources.requests.storage: 1.464844 GiB are planned as 2",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    let mounts = deployment(
        "web",
        "",
        "      volumes: [{name: v, persistentVolumeClaim: {claimName: gone}}, {name: s, ephemeral: {volumeClaimTemplate: {spec: {storageClassName: gp3, resources: {requests: {storage: 5Gi}}}}}}]\n",
    );
    let (found, notes) = claims(&mounts);
    assert_eq!(found, ["web-s 1 × 5 "]);
    assert!(
        notes.contains("mounts claim gone, which is not among the manifests: its size is unknown")
    );
}

/// A `StatefulSet` of two replicas with 100 GiB each.
fn two_of_100_gib(metadata: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{{metadata}}}\nspec: {{replicas: 2, template: {{spec: {{containers: [{{name: c, image: x}}]}}}}, volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{storageClassName: gp3, resources: {{requests: {{storage: 100Gi}}}}}}}}]}}\n"
    )
}

/// Static provisioning: the claim names the volume, the volume the claim, or each the other. It is one volume of the
/// volume's size. A released volume, whose claim was made again, is billed beside the new one.
#[test]
fn a_claim_and_the_volume_that_it_names_are_one() {
    let volume = volume_of("vol-1", "100Gi", "");
    let claim = |spec: &str| claim_of("name: data, namespace: default", "80Gi", spec);
    let by_name = "storageClassName: gp3, volumeName: vol-1";
    assert_eq!(claims(&(volume.clone() + &claim(by_name))).0, ["data 1 × 100 "]);
    let refers = volume_of("vol-1", "100Gi", ", claimRef: {name: data, namespace: default}");
    for spec in [by_name, "storageClassName: gp3"] {
        assert_eq!(claims(&(refers.clone() + &claim(spec))).0, ["data 1 × 100 "]);
    }
    let released = volume_of("old", "300Gi", ", claimRef: {name: data, namespace: default}");
    assert_eq!(
        claims(&(released + &volume + &claim(by_name))).0,
        ["data 1 × 100 ", "old 1 × 300 "]
    );
}

/// Two pods with a scratch volume of 50 GiB each are 100 GiB, whether or not the dump has their claims and volumes.
/// The claims of a pod whose workload is not among the manifests count as themselves, and so do those of a
/// `DaemonSet`, whose number a scenario cannot have by node.
#[test]
fn claims_that_kubernetes_made_for_pods_count_once() {
    let mount = "      volumes: [{name: scratch, ephemeral: {volumeClaimTemplate: {spec: {storageClassName: gp3, resources: {requests: {storage: 50Gi}}}}}}]\n";
    let web = deployment("web", "  replicas: 2\n", mount);
    let owned = |pod: &str| {
        let owner = "apiVersion: v1, kind: Pod, name";
        claim_of(
            &format!(
                "name: {pod}-scratch, namespace: default, ownerReferences: [{{{owner}: {pod}}}]"
            ),
            "50Gi",
            &format!("storageClassName: gp3, volumeName: of-{pod}"),
        ) + &volume_of(
            &format!("of-{pod}"),
            "50Gi",
            &format!(", claimRef: {{name: {pod}-scratch, namespace: default}}"),
        )
    };
    let dump = web.clone() + &owned("web-6d4cf56db6-abcde") + &owned("web-6d4cf56db6-fghij");
    for text in [&web, &dump] {
        assert_eq!(claims(text).0, ["web-scratch 2 × 50 "]);
    }
    let other = web + &owned("web-api-6d4cf56db6-abcde");
    assert_eq!(
        claims(&other).0,
        ["web-scratch 2 × 50 ", "web-api-6d4cf56db6-abcde-scratch 1 × 50 "]
    );
    let agent = deployment("agent", "", mount).replace("kind: Deployment", "kind: DaemonSet");
    let (found, notes) = claims(&(agent.clone() + &owned("agent-abcde")));
    assert_eq!(found, ["agent-abcde-scratch 1 × 50 "]);
    assert!(!notes.contains("50 GiB on every node"), "{notes}");
    assert!(claims(&agent).1.contains("is not planned: 50 GiB on every node"));
}

/// A manifest without a namespace goes where it is applied: its claims in a dump are those of `default`, or of any
/// other namespace. A volume whose `claimRef` names an ordinal stands for the claim. Namespaces that differ do not
/// match.
#[test]
fn a_set_without_a_namespace_has_the_claims_of_any() {
    let claim = |name: &str, namespace: &str| {
        claim_of(&format!("name: {name}, namespace: {namespace}"), "100Gi", "storageClassName: gp3")
    };
    let volume = |name: &str, claim: &str| {
        volume_of(name, "100Gi", &format!(", claimRef: {{name: {claim}, namespace: default}}"))
    };
    let claimed = claim("data-db-0", "default") + &claim("data-db-1", "default");
    let bound = volume("v0", "data-db-0") + &volume("v1", "data-db-1");
    for more in [claimed.clone(), bound.clone(), claimed.clone() + &bound] {
        for metadata in ["name: db", "name: db, namespace: default"] {
            assert_eq!(claims(&(two_of_100_gib(metadata) + &more)).0, ["db-data 2 × 100 "]);
        }
    }
    // A volume of another size counts as itself, in the place of the template's.
    let larger = volume("v0", "data-db-0").replace("100Gi", "300Gi");
    assert_eq!(
        claims(&(two_of_100_gib("name: db") + &larger)).0,
        ["db-data 1 × 100 ", "v0 1 × 300 "]
    );
    let other = two_of_100_gib("name: db, namespace: other") + &claimed;
    assert_eq!(claims(&other).0, ["db-data 2 × 100 ", "data-db-0 1 × 100 ", "data-db-1 1 × 100 "]);
}

/// What exceeds the type of a volume is planned at its maximum, as the CSI driver does with IOPS, and the note has
/// both figures: 5,000 IOPS × 100 GiB are 500,000, 80,000 are planned; 20 TiB of gp2 are 16 TiB.
#[test]
fn volumes_are_capped_at_the_limits_of_their_type() {
    let claim = |name: &str, size: &str, class: &str| {
        claim_of(&format!("name: {name}"), size, &format!("storageClassName: {class}"))
    };
    let text = class_of("fast", "ebs.csi.aws.com", "iopsPerGB: '5000', throughput: '9000'")
        + &class_of("most", "ebs.csi.aws.com", "iops: '2000000'")
        + &class_of("shared", "efs.csi.aws.com", "")
        + &claim("a", "100Gi", "fast")
        + &claim("b", "20Ti", "gp2")
        + &claim("c", "100Ti", "gp3")
        + &claim("d", "1Gi", "most")
        + &claim("e", "100Ti", "shared");
    let (found, notes) = claims(&text);
    let expected = [
        "a 1 × 100 iops = 80000, throughput_mibps = 2000",
        "b 1 × 16384 volume_type = \"gp2\"",
        "c 1 × 65536 ",
        "d 1 × 1 iops = 80000",
    ];
    assert_eq!(found, expected, "{notes}");
    let size = "spec.resources.requests.storage";
    for said in [
        "a spec: 500000 IOPS of class fast exceed the maximum of a gp3 volume; 80000 are planned",
        "a spec: 9000 MiB/s of class fast exceed the maximum of a gp3 volume; 2000 are planned",
        &format!("b {size}: 20480 GiB exceed the maximum of a gp2 volume; 16384 are planned"),
        &format!("c {size}: 102400 GiB exceed the maximum of a gp3 volume; 65536 are planned"),
        "d spec: 2000000 IOPS of class most exceed the maximum of a gp3 volume; 80000 are planned",
        "e spec: 102400 GiB of efs.csi.aws.com are not planned",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    // The volumes of a node as well, one or their sum; a type that boots no node is planned as one that does.
    let of_type = |name: &str, more: &str| {
        let class = format!(
            "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {{name: c}}\nspec: {{blockDeviceMappings: [{{deviceName: /dev/xvda, ebs: {{volumeSize: 300Gi, volumeType: {name}{more}}}}}]}}\n"
        );
        let (scenario, notes, _) = read_text(&class);
        let pool = &scenario.accounts[0].stack.cluster.node_pools["general"];
        (pool.volume_type, pool.volume_iops, pool.volume_throughput_mibps, notes)
    };
    let (kind, iops, throughput, _) = of_type("io2", ", iops: 20000, throughput: 500");
    assert_eq!((kind, iops, throughput), (Some(VolumeType::Io2), Some(20_000.0), None));
    let (kind, iops, _, _) = of_type("gp2", ", iops: 20000");
    assert_eq!((kind, iops), (Some(VolumeType::Gp2), None));
    let (kind, _, _, notes) = of_type("st1", "");
    assert_eq!(kind, None);
    assert!(notes.contains("volumeType: st1 is planned as gp3"), "{notes}");
    let node = "apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {name: c}\nspec: {blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {volumeSize: 40Ti, iops: 90000}}, {deviceName: /dev/xvdb, ebs: {volumeSize: 40Ti, volumeType: io2}}]}\n";
    let (scenario, notes, _) = read_text(node);
    let pool = &scenario.accounts[0].stack.cluster.node_pools["general"];
    assert_eq!((pool.volume_gib, pool.volume_iops), (Some(65_536.0), Some(80_000.0)));
    for said in [
        "81920 GiB exceed the maximum of a gp3 volume; 65536 are planned",
        "io2 of a node with several volumes is planned as gp3",
    ] {
        assert!(notes.contains(said), "{notes}");
    }
}

/// An object that is defined twice is used once, with a note.
#[test]
fn an_object_that_is_defined_twice_is_used_once() {
    let pool = "---\napiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: p}\nspec: {template: {spec: {requirements: []}}}\n";
    let web = deployment("web", "  replicas: 2\n", "");
    let text = pool.repeat(2) + &web.repeat(2);
    let (scenario, notes, _) = read_text(&text);
    assert_eq!(scenario.accounts[0].stack.workloads["web"].replicas, Some(2));
    for object in ["NodePool/p", "Deployment/web"] {
        let said = format!("{object}: is defined twice; only the first definition is used");
        assert!(notes.contains(&said), "{said}\n{notes}");
    }
}

/// An autoscaler by memory starts below its target: 75 % of 80 % of 1 GiB are 614 MiB.
#[test]
fn an_idle_pod_is_below_its_memory_target() {
    let hpa = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 60, metrics: [{type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}}]}\n";
    let (scenario, notes, text) = read_text(&(deployment("web", "", "") + hpa));
    let web = &scenario.accounts[0].stack.workloads["web"];
    assert_eq!(web.idle_memory_mib, Some(614.0));
    assert!(text.contains("idle_memory_mib = 614 # assumption: 75 % of"), "{text}");
    assert!(
        notes.contains("f.yaml:2: Deployment/web: no manifest states the memory of an idle pod"),
        "{notes}"
    );
}

/// Roles have names with colons; a quoted template is not a quantity, and says so.
#[test]
fn names_of_roles_and_quoted_templates_are_known() {
    let role = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:aggregate-to-view'}\nrules: []\n";
    let templated = deployment("web", "  replicas: '{{ .Values.n }}'\n", "")
        .replace("500m", "'{{ .Values.cpu }}'");
    let (scenario, notes, _) = read_text(&(templated + role));
    assert!(!notes.contains("no valid Kubernetes name"), "{notes}");
    assert!(notes.contains("ClusterRole (1)"), "{notes}");
    for said in [
        "f.yaml:7: Deployment/web spec.replicas: \"{{ .Values.n }}\" is a template: render it",
        "containers.0.resources.requests.cpu: \"{{ .Values.cpu }}\" is a template: render it",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    assert_eq!(scenario.accounts[0].stack.workloads["web"].replicas, Some(1));
}

// --- nearly valid manifests -------------------------------------------------------------------------------

/// Valid manifests with a scalar on each line, so that a mutation of a line is one of a scalar, key or indent; what
/// belongs together is read together.
const VALID: [&str; 4] = [
    r"apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels:
        app: web
    spec:
      nodeSelector:
        team: shop
      containers:
      - name: c
        image: x/c:1
        resources:
          requests:
            cpu: 500m
            memory: 512Mi
          limits:
            cpu: 2
            memory: 1Gi
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: apps
spec:
  template:
    metadata:
      labels:
        team: shop
    spec:
      nodeClassRef: {group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}
      requirements:
      - key: karpenter.k8s.aws/instance-family
        operator: In
        values: [m6i]
  limits:
    cpu: 100
",
    r"apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: c
        image: x/api:1
        resources:
          requests:
            cpu: 250m
            memory: 256Mi
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: api
spec:
  scaleTargetRef:
    kind: Deployment
    name: api
  minReplicas: 3
  maxReplicas: 40
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: 65
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 120
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: api
spec:
  maxUnavailable: 2
  selector: {matchLabels: {app: api}}
",
    r#"apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: worker
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      containers:
      - name: c
        image: x/worker:1
        resources:
          requests:
            cpu: 100m
            memory: 128Mi
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: worker
spec:
  scaleTargetRef:
    kind: Rollout
    name: worker
  minReplicaCount: 2
  maxReplicaCount: 30
  triggers:
  - type: cpu
    metricType: Utilization
    metadata:
      value: "75"
"#,
    r"apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
spec:
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - name: c
        image: x/db:1
        resources:
          requests:
            cpu: 500m
            memory: 1Gi
  volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      storageClassName: gp3
      resources:
        requests:
          storage: 100Gi
",
];

/// What the value of a field must be.
#[derive(Clone, Copy)]
enum Kind {
    /// A whole number within bounds, and what it is where the field is absent.
    Whole(i64, i64, Option<i64>),
    /// The same as a string, as KEDA's triggers have it.
    Text(i64, i64),
    /// CPU [millicores], 0 where it is absent.
    Cpu,
    /// Memory [MiB].
    Memory,
    /// A size in whole GiB.
    Size,
    /// A quantity of which whole units count, from 1.
    Units,
}

/// A field of an object, and the key of the scenario that says the same.
struct Fact {
    object: (&'static str, &'static str),
    field: &'static str,
    kind: Kind,
    key: &'static str,
}

const fn fact(
    object: (&'static str, &'static str),
    field: &'static str,
    kind: Kind,
    key: &'static str,
) -> Fact {
    Fact { object, field, kind, key }
}

const FACTS: [Fact; 18] = {
    let (web, api, worker) = (("Deployment", "web"), ("Deployment", "api"), ("Rollout", "worker"));
    let (hpa, keda, db) =
        (("HorizontalPodAutoscaler", "api"), ("ScaledObject", "worker"), ("StatefulSet", "db"));
    let replicas = Kind::Whole(0, 100_000, Some(1));
    [
        fact(web, "/spec/replicas", replicas, "workloads.web.replicas"),
        fact(web, "requests/cpu", Kind::Cpu, "workloads.web.requests.cpu_millicores"),
        fact(web, "requests/memory", Kind::Memory, "workloads.web.requests.memory_mib"),
        fact(web, "limits/cpu", Kind::Cpu, "workloads.web.limits.cpu_millicores"),
        fact(web, "limits/memory", Kind::Memory, "workloads.web.limits.memory_mib"),
        fact(api, "requests/cpu", Kind::Cpu, "workloads.api.requests.cpu_millicores"),
        fact(api, "requests/memory", Kind::Memory, "workloads.api.requests.memory_mib"),
        fact(
            hpa,
            "/spec/minReplicas",
            Kind::Whole(1, 100_000, None),
            "workloads.api.hpa.min_replicas",
        ),
        fact(
            hpa,
            "/spec/maxReplicas",
            Kind::Whole(1, 100_000, None),
            "workloads.api.hpa.max_replicas",
        ),
        fact(
            hpa,
            "/spec/metrics/0/resource/target/averageUtilization",
            Kind::Whole(1, 1000, None),
            "workloads.api.hpa.target_cpu_utilization",
        ),
        fact(
            hpa,
            "/spec/behavior/scaleDown/stabilizationWindowSeconds",
            Kind::Whole(0, 3600, None),
            "workloads.api.hpa.behavior.scale_down.stabilization_window_seconds",
        ),
        fact(worker, "requests/memory", Kind::Memory, "workloads.worker.requests.memory_mib"),
        fact(
            keda,
            "/spec/minReplicaCount",
            Kind::Whole(1, 100_000, Some(1)),
            "workloads.worker.hpa.min_replicas",
        ),
        fact(
            keda,
            "/spec/maxReplicaCount",
            Kind::Whole(1, 100_000, Some(100)),
            "workloads.worker.hpa.max_replicas",
        ),
        fact(
            keda,
            "/spec/triggers/0/metadata/value",
            Kind::Text(1, 1000),
            "workloads.worker.hpa.target_cpu_utilization",
        ),
        fact(db, "/spec/replicas", replicas, "ebs.claims.db-data.count"),
        fact(
            db,
            "/spec/volumeClaimTemplates/0/spec/resources/requests/storage",
            Kind::Size,
            "ebs.claims.db-data.gib",
        ),
        fact(
            ("NodePool", "apps"),
            "/spec/limits/cpu",
            Kind::Units,
            "cluster.node_pools.apps.limit_vcpus",
        ),
    ]
};

/// A quantity by the grammar of Kubernetes; none where the text is not one.
fn amount(value: &Value) -> Option<f64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let plain = text.trim_start_matches('+');
    let end = plain.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(plain.len());
    let (number, suffix) = plain.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0_f64.powi(4),
        other => 10.0_f64.powi(other.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let amount = number.parse::<f64>().ok()? * factor;
    (amount < 9.2e18).then_some(amount)
}

/// What the mutated document says of a field: a value, nothing, or what is refused.
enum Says {
    Value(f64),
    Nothing,
    Wrong,
}

fn says(kind: Kind, value: Option<&Value>) -> Says {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return match kind {
            Kind::Whole(_, _, Some(usual)) => Says::Value(usual as f64),
            _ => Says::Nothing,
        };
    };
    let bounded = |number: Option<i64>, least: i64, most: i64| match number {
        Some(number) if (least..=most).contains(&number) => Says::Value(number as f64),
        _ => Says::Wrong,
    };
    let scaled = |factor: f64| match amount(value) {
        Some(amount) => Says::Value(amount / factor),
        None => Says::Wrong,
    };
    match kind {
        Kind::Whole(least, most, _) => bounded(value.as_i64(), least, most),
        Kind::Text(least, most) => {
            let text = value.as_str().and_then(|text| text.parse().ok());
            bounded(text.or(value.as_i64()), least, most)
        }
        Kind::Cpu => scaled(1e-3),
        Kind::Memory => scaled(1_048_576.0),
        Kind::Units => match amount(value) {
            Some(amount) if amount >= 1.0 => Says::Value(amount.min(1e6).floor()),
            _ => Says::Wrong,
        },
        Kind::Size => match amount(value) {
            Some(amount) if amount > 0.0 => {
                Says::Value((amount / 1_073_741_824.0).ceil().clamp(1.0, 65_536.0))
            }
            _ => Says::Wrong,
        },
    }
}

/// A number of the scenario by its dotted key; a claim by the set that it is of, whatever its template is called.
fn number_at(scenario: &toml::Table, key: &str) -> Option<f64> {
    let number =
        |value: &toml::Value| value.as_float().or(value.as_integer().map(|number| number as f64));
    if let Some(field) = key.strip_prefix("ebs.claims.db-data.") {
        let claims = scenario["ebs"].get("claims").and_then(toml::Value::as_table);
        let claim = claims.and_then(|all| all.iter().find(|(name, _)| name.starts_with("db-")));
        let usual = (field == "count").then_some(1.0);
        return claim.and_then(|(_, claim)| claim.get(field).and_then(number).or(usual));
    }
    let mut parts = key.split('.');
    let mut value = scenario.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    number(value)
}

/// A scenario of `init`'s form, small enough to be read a thousand times.
const SMALL: &str = "[plan]\nname = \"\"\n[accounts.production]\nregion = \"us-east-1\"\n[cluster]\navailability_zones = 3\n\
    [cluster.node_pools.general]\ncategories = [\"m\"]\n[workloads.usual]\ncalls_per = { api = 1.0 }\n[ebs]\n[alb]\n";

/// Reads a text: its notes, and the scenario where there is one.
fn small(text: &str) -> (Vec<String>, Option<toml::Table>) {
    let sources = [Source { name: "f.yaml".into(), text: text.to_owned() }];
    match manifest::read((&sources, &[]), SMALL, (facts_once(), &support::CATALOG)) {
        Ok(read) => {
            let notes = read.notes.iter().map(ToString::to_string).collect();
            (notes, Some(read.scenario.parse().unwrap()))
        }
        Err(error) => (error.to_string().lines().map(str::to_owned).collect(), None),
    }
}

/// The line of a note of this file, and what it says.
fn note(text: &str) -> Option<(usize, &str)> {
    let (line, message) = text.split_once("f.yaml:")?.1.split_once(": ")?;
    Some((line.parse().ok()?, message))
}

/// Holds what was read of a mutated text to what the text says; `usual` are the notes of the valid one.
fn misread(text: &str, line: usize, usual: &[String]) -> Option<String> {
    let (notes, scenario) = small(text);
    let usual: Vec<&str> = usual.iter().filter_map(|text| Some(note(text)?.1)).collect();
    let news: Vec<(usize, &str)> =
        notes.iter().filter_map(|text| note(text)).filter(|(_, m)| !usual.contains(m)).collect();
    let within = |lines: &std::ops::Range<usize>| news.iter().any(|(at, _)| lines.contains(at));
    let fault = |what: &str| Some(format!("{what}: {news:#?}"));
    let mut objects = Vec::new();
    let mut first = 1;
    for document in text.split("---\n") {
        let lines = first..first + document.lines().count();
        first = lines.end + 1;
        match serde_saphyr::from_str::<Value>(document) {
            Ok(object) => objects.push((object, lines)),
            Err(_) if within(&lines) => {}
            Err(error) => return fault(&format!("not YAML ({error}) without a word")),
        }
    }
    let changed = objects.iter().find(|(_, lines)| lines.contains(&line));
    let (Some((changed, lines)), Some(scenario)) = (changed, scenario) else {
        return if news.is_empty() { fault("nothing is said") } else { None };
    };
    let name = |object: &Value| (object["kind"].clone(), object["metadata"]["name"].clone());
    let is = |fact: &&Fact| name(changed) == (fact.object.0.into(), fact.object.1.into());
    let label =
        format!("{}/{}: ", fact_text(&changed["kind"]), fact_text(&changed["metadata"]["name"]));
    let whole = news.iter().any(|(_, message)| message.starts_with(&label));
    let containers = changed.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    for fact in FACTS.iter().filter(is) {
        let pointer = if fact.field.starts_with('/') {
            fact.field.to_owned()
        } else {
            // Resources of the whole pod stand in for those of its containers.
            let pod = changed.pointer("/spec/template/spec/resources").is_some();
            let of = if pod { "resources" } else { "containers/0/resources" };
            format!("/spec/template/spec/{of}/{}", fact.field)
        };
        let no_replicas = fact.object.0 == "StatefulSet" && changed["spec"]["replicas"] == 0;
        if no_replicas || containers.is_some_and(|all| all.len() > 1) {
            continue;
        }
        let found = number_at(&scenario, fact.key);
        let given = changed.pointer(&pointer);
        // Bounds of an autoscaler that contradict give way to each other, which is reported.
        let is_bound = fact.key.ends_with("min_replicas") || fact.key.ends_with("max_replicas");
        let right = match (says(fact.kind, given), found) {
            (Says::Value(value), Some(found)) if (found - value).abs() <= 1e-6 * value.max(1.0) => {
                true
            }
            (Says::Value(_), Some(_)) if !is_bound => whole,
            (Says::Nothing, _) if given.is_some() => true,
            _ => within(lines),
        };
        if !right {
            return fault(&format!("{} = {found:?}", fact.key));
        }
    }
    // An object that is another now has left its facts.
    let known = |object: &&Fact| object.object.0 == changed["kind"];
    let is_workload =
        ["Deployment", "StatefulSet", "Rollout"].map(Value::from).contains(&changed["kind"]);
    let renamed =
        is_workload && FACTS.iter().any(|fact| known(&fact)) && !FACTS.iter().any(|fact| is(&fact));
    let key = changed["metadata"]["name"].as_str().unwrap_or_default();
    if renamed && news.is_empty() && scenario["workloads"].get(key).is_none() {
        return fault("renamed, and gone without a word");
    }
    None
}

fn fact_text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A line with another value; none where it has no scalar.
fn with_value(line: &str, value: &str) -> Option<String> {
    let (key, old) = line.split_once(": ")?;
    (!old.starts_with(['{', '['])).then(|| format!("{key}: {value}"))
}

/// Every line with every mutation of its scalar, key or indent.
fn mutations(valid: &str) -> Vec<(usize, String, String)> {
    const VALUES: [&str; 22] = [
        "0",
        "1",
        "7",
        "-1",
        "3.5",
        "1e3",
        "'5'",
        "\"{{ .Values.x }}\"",
        "null",
        "true",
        "[]",
        "{}",
        "[1]",
        "{a: 1}",
        "99999999999999999999",
        "250m",
        "3Gi",
        "100M",
        "abc",
        "''",
        "Never",
        "1_000",
    ];
    let lines: Vec<&str> = valid.lines().collect();
    let mut all = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| **line != "---") {
        let mut mutated: Vec<String> =
            VALUES.iter().filter_map(|value| with_value(line, value)).collect();
        if let Some((key, rest)) = line.split_once(':') {
            mutated.push(format!("{key}x:{rest}"));
            mutated.push(format!("{line}\n{line}"));
        }
        mutated.push(format!("  {line}"));
        mutated.push(format!(" {line}"));
        mutated.push(line.strip_prefix("  ").unwrap_or(line).to_owned());
        mutated.push(format!("\t{line}"));
        for mutation in mutated.into_iter().filter(|mutation| mutation != line) {
            let mut text = lines.clone();
            text[index] = &mutation;
            let shown = format!("line {}: {line:?} as {mutation:?}", index + 1);
            all.push((index + 1, shown, text.join("\n") + "\n"));
        }
    }
    all
}

/// Valid manifests with one mutation are refused with file and line, or read as what they say. A part of all
/// mutations is tried, the same each time; `RUNRATE_MUTATIONS=all` tries each.
#[test]
fn nearly_valid_manifests_are_refused_or_read_as_they_say() {
    // A prime stride meets every kind of mutation in turn.
    let stride = if std::env::var_os("RUNRATE_MUTATIONS").is_some() { 1 } else { 7 };
    let mut wrong = Vec::new();
    let (mut tried, mut facts) = (0, 0);
    for valid in VALID {
        let (usual, scenario) = small(valid);
        let scenario = scenario.unwrap();
        facts += FACTS.iter().filter(|fact| number_at(&scenario, fact.key).is_some()).count();
        assert_eq!(misread(valid, 6, &usual), None, "{valid}");
        for (line, shown, text) in mutations(valid).into_iter().step_by(stride) {
            tried += 1;
            if let Some(fault) = misread(&text, line, &usual) {
                wrong.push(format!("{shown}: {fault}"));
            }
        }
    }
    assert!(facts >= FACTS.len() && tried > 300, "{facts} facts, {tried} mutations");
    let shown: Vec<&String> = wrong.iter().take(40).collect();
    assert!(wrong.is_empty(), "{} of {tried}: {shown:#?}", wrong.len());
}

/// Every field of `batch/v1` that a scenario has a key for, and back out again.
#[test]
fn cron_jobs_and_jobs_are_read_and_written() {
    use runrate::cluster::workload::{Kind, job::ConcurrencyPolicy};
    let pods = "template: {spec: {containers: [{name: j, image: kong/kong, resources: {requests: {cpu: 500m, memory: 1Gi}}}]}}";
    let manifests = format!(
        "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: sync}}\nspec: {{schedule: '*/5 * * * *', timeZone: America/Sao_Paulo, concurrencyPolicy: Forbid, startingDeadlineSeconds: 120, successfulJobsHistoryLimit: 1, jobTemplate: {{spec: {{parallelism: 2, completions: 6, backoffLimit: 3, podFailurePolicy: {{rules: [x]}}, {pods}}}}}}}\n\
         ---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: nightly}}\nspec: {{schedule: '@daily', suspend: true, jobTemplate: {{spec: {{activeDeadlineSeconds: 3600, {pods}}}}}}}\n\
         ---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: migrate}}\nspec: {{{pods}}}\n\
         ---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: odd}}\nspec: {{schedule: '@every 5m', jobTemplate: {{spec: {{{pods}}}}}}}\n"
    );
    let (scenario, notes, _) = read_text(&manifests);
    let workloads = &scenario.accounts[0].stack.workloads;
    let job = |name: &str| workloads[name].job.clone().unwrap();
    let sync = job("sync");
    assert_eq!((workloads["sync"].kind, workloads["migrate"].kind), (Kind::CronJob, Kind::Job));
    assert_eq!((sync.parallelism, sync.completions, sync.backoff_limit), (2, Some(6), Some(3)));
    assert_eq!(
        (sync.concurrency_policy, sync.starting_deadline_seconds),
        (ConcurrencyPolicy::Forbid, Some(120))
    );
    assert_eq!(sync.time_zone.as_deref(), Some("America/Sao_Paulo"));
    // Half of five minutes, and half of the deadline.
    assert_eq!((sync.duration_seconds, job("nightly").duration_seconds), (150, 1800));
    assert!(job("nightly").suspend && workloads["sync"].profile.is_none());
    let start = format!("{}-01T00:00", scenario.plan.start);
    assert_eq!(job("migrate").starts_at, Some(start));
    assert!(!workloads.contains_key("odd"));
    for said in [
        "CronJob/sync: no manifest states how long a pod runs: 150 seconds are assumed (50 % of the time between runs)",
        "CronJob/sync spec.jobTemplate.spec.podFailurePolicy: has no counterpart",
        "CronJob/nightly spec.suspend: no run of it is planned",
        "Job/migrate: no manifest states when it runs: it begins with the plan",
        "CronJob/odd spec.schedule: \"@every 5m\" is not a schedule",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    let catalog = catalog();
    let files = written(&scenario, &scenario.accounts[0], &catalog);
    let back = self::scenario(&read(&files, &catalog).scenario, &catalog);
    for name in ["sync", "nightly", "migrate"] {
        let is = back.accounts[0].stack.workloads[name].job.clone().unwrap();
        let mut was = job(name);
        // No field says how long a pod runs; completions are written out.
        was.duration_seconds = is.duration_seconds;
        was.completions = was.completions.or(Some(was.parallelism));
        assert_eq!(is, was, "{name}");
    }
}

/// Cron triggers in and out: KEDA's own way to zero, without a gate of Kubernetes.
#[test]
fn cron_triggers_are_read_and_written() {
    let keda = "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: work}\nspec:\n  scaleTargetRef: {name: work}\n  maxReplicaCount: 8\n  cooldownPeriod: 120\n  triggers:\n\
        \x20 - {type: cron, metadata: {timezone: America/Sao_Paulo, start: '0 8 * * 1-5', end: '0 18 * * 1-5', desiredReplicas: '10'}}\n\
        \x20 - {type: cron, metadata: {timezone: Nowhere/Town, start: '0 8 * * *', end: '0 9 * * *', desiredReplicas: '2'}}\n";
    let (scenario, notes, text) = read_text(&(deployment("work", "", "") + keda));
    let work = &scenario.accounts[0].stack.workloads["work"];
    let hpa = work.hpa.clone().unwrap();
    assert_eq!(
        (hpa.min_replicas, hpa.max_replicas, hpa.keda.unwrap().cooldown_seconds),
        (Some(0), 8, Some(120))
    );
    assert_eq!((hpa.schedules.len(), hpa.schedules[0].replicas), (1, 8));
    assert!(work.calls_per.is_empty() && !text.contains("HPAScaleToZero"), "{text}");
    for said in [
        "spec.triggers[0].metadata.desiredReplicas: 10 is above maxReplicaCount; 8 are planned",
        "spec.triggers[1].metadata.timezone: no time zone \"Nowhere/Town\"",
    ] {
        assert!(notes.contains(said), "{said}\n{notes}");
    }
    let catalog = catalog();
    let files = written(&scenario, &scenario.accounts[0], &catalog);
    let back = self::scenario(&read(&files, &catalog).scenario, &catalog);
    assert_eq!(back.accounts[0].stack.workloads["work"].hpa, Some(hpa));
}

/// Reserved capacity, node overlays and Karpenter's own options are written, and read back as they were where a
/// manifest has them. The reservations themselves are in none.
#[test]
fn what_karpenter_buys_is_written_and_read() {
    let catalog = catalog();
    let pool = "[cluster.node_pools.general]   # what Karpenter may buy\n";
    let more = "[cluster.node_pools.held]\ncapacity_types = [\"reserved\", \"on-demand\"]\ninstance_types = [\"m7g.xlarge\"]\nconsolidate_after_seconds = 0\n\n\
        [cluster.capacity_reservations.steady]\ninstance_type = \"m7g.xlarge\"\nzone = \"a\"\ninstances = 2\n\n\
        [cluster.node_overlays.keep]\nrequirements = { families = [\"m7g\"], capacity_types = [\"on-demand\"], node_pools = [\"held\"] }\nprice_adjustment = \"-20%\"\nweight = 3\n\n";
    let options = "min_values_policy = \"BestEffort\"\npreference_policy = \"Ignore\"\nfeature_gates = [\"NodeOverlay\", \"SpotToSpotConsolidation\"]\n";
    let text = TEMPLATE.replacen(pool, &format!("{more}{pool}"), 1).replacen(
        "[cluster]\n",
        &format!("[cluster]\n{options}"),
        1,
    );
    let before = scenario(&text, &catalog);
    let account = &before.accounts[0];
    let all = all_written(&before, account, &catalog);
    for object in objects(&all.files) {
        assert_eq!(faults(&object), [] as [String; 0], "{object}");
    }
    let yaml: String = all.files.iter().map(|file| &*file.text).collect();
    assert!(
        yaml.contains("capacityReservationSelectorTerms") && yaml.contains("kind: NodeOverlay"),
        "{yaml}"
    );
    let notes: Vec<String> = all.notes.iter().map(ToString::to_string).collect();
    for said in [
        "set FEATURE_GATES=SpotToSpotConsolidation=true,NodeOverlay=true on Karpenter",
        "set MIN_VALUES_POLICY=BestEffort on Karpenter",
        "cluster.capacity_reservations.steady: buy the reservation",
    ] {
        assert!(notes.iter().any(|note| note.contains(said)), "{said}: {notes:#?}");
    }
    let read = read(&all.files, &catalog);
    assert!(
        read.notes.iter().any(|note| note
            .to_string()
            .contains("give each as [cluster.capacity_reservations.NAME]")),
        "{:#?}",
        read.notes
    );
    let after = scenario(&read.scenario, &catalog).accounts[0].stack.cluster.clone();
    assert_eq!(after.node_overlays, account.stack.cluster.node_overlays);
    assert_eq!(
        after.node_pools["held"].capacity_types,
        account.stack.cluster.node_pools["held"].capacity_types
    );
}

#[test]
fn karpenter_s_own_options_are_read_from_its_deployment() {
    use runrate::cluster::autoscale::settings::{FeatureGate, MinValuesPolicy, PreferencePolicy};
    let karpenter = |container: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: karpenter, namespace: kube-system}}\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n      - name: controller\n        image: public.ecr.aws/karpenter/controller:1.14.1\n        resources: {{requests: {{cpu: 100m, memory: 256Mi}}}}\n{container}"
        )
    };
    let env = "        env:\n        - {name: PREFERENCE_POLICY, value: Ignore}\n        - {name: MIN_VALUES_POLICY, value: BestEffort}\n        - {name: FEATURE_GATES, value: \"ReservedCapacity=true,SpotToSpotConsolidation=true,NodeEvents=true,NodeOverlay=false\"}\n";
    let (read, notes, _) = read_text(&karpenter(env));
    let cluster = &read.accounts[0].stack.cluster;
    assert_eq!(cluster.preference_policy, PreferencePolicy::Ignore);
    assert_eq!(cluster.min_values_policy, MinValuesPolicy::BestEffort);
    assert_eq!(cluster.feature_gates, [FeatureGate::SpotToSpotConsolidation]);
    assert!(notes.contains("the feature gate NodeEvents has no counterpart"), "{notes}");
    // An argument wins over the environment; what is no policy, or in another object, is told.
    let args =
        "        args: [\"--min-values-policy=Strict\", \"--preference-policy\", Sometimes]\n";
    let (read, notes, _) = read_text(&karpenter(&format!("{args}{env}")));
    let cluster = &read.accounts[0].stack.cluster;
    assert_eq!(cluster.min_values_policy, MinValuesPolicy::Strict);
    assert_eq!(cluster.preference_policy, PreferencePolicy::Respect);
    assert!(
        notes.contains("PREFERENCE_POLICY \"Sometimes\" is none of Respect, Ignore"),
        "{notes}"
    );
    let elsewhere = "        env:\n        - name: FEATURE_GATES\n          valueFrom: {configMapKeyRef: {name: c, key: k}}\n";
    let (_, notes, _) = read_text(&karpenter(elsewhere));
    assert!(notes.contains("FEATURE_GATES comes from another object and is not read"), "{notes}");
}

#[test]
fn overlays_that_a_scenario_cannot_hold_are_told() {
    let overlay = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: karpenter.sh/v1alpha1\nkind: NodeOverlay\nmetadata: {{name: {name}}}\nspec:\n{spec}"
        )
    };
    let pool = "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {name: general}\nspec:\n  template:\n    spec:\n      requirements:\n      - {key: karpenter.sh/capacity-type, operator: In, values: [reserved]}\n";
    let text = [
        pool.to_owned(),
        overlay("spot", "  weight: 7\n  price: 0.05\n  requirements:\n  - {key: karpenter.sh/capacity-type, operator: NotIn, values: [reserved, on-demand]}\n"),
        overlay("zone", "  price: \"1\"\n  requirements:\n  - {key: topology.kubernetes.io/zone, operator: In, values: [us-east-1a]}\n"),
        overlay("more", "  capacity: {example.com/fpga: \"1\"}\n"),
    ]
    .concat();
    let (read, notes, _) = read_text(&text);
    let cluster = &read.accounts[0].stack.cluster;
    assert_eq!(cluster.node_overlays.keys().collect::<Vec<_>>(), ["spot"]);
    let spot = &cluster.node_overlays["spot"];
    assert_eq!(
        (spot.price.as_deref(), spot.weight, spot.requirements.capacity_types.len()),
        (Some("0.05"), 7, 1)
    );
    for said in [
        "topology.kubernetes.io/zone In has no counterpart in a node overlay of a scenario; the overlay is not read",
        "adds resources other than CPU and memory",
        "allows only reserved capacity, and the reservation is in no manifest: on-demand is planned too",
    ] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
}

/// A link in a circle, a link to itself and a pipe are reported; each folder is read once.
#[test]
#[cfg(unix)]
fn links_in_circles_and_pipes_are_reported() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a");
    std::fs::create_dir(&below).unwrap();
    symlink("..", below.join("up")).unwrap();
    symlink("../a", below.join("round")).unwrap();
    symlink("self", folder.path().join("self")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(folder.path().join("p.yaml")).status();
    assert!(pipe.unwrap().success());
    std::fs::write(below.join("d.yaml"), "kind: List\nitems: []\n").unwrap();
    let (sources, problems) = runrate::app::store::manifests(folder.path()).unwrap();
    assert_eq!(sources.len(), 1);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in ["again; it is read once", "is a broken or circular link", "is a pipe"] {
        assert!(told.iter().any(|told| told.contains(expected)), "{expected}: {told:?}");
    }
    assert_eq!(told.len(), 4, "{told:?}");
}
