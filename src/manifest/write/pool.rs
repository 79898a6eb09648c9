//! `NodePools` of `karpenter.sh/v1`, and their `EC2NodeClass` of `karpenter.k8s.aws/v1`: one that they share, and
//! one for each pool with a volume or a kubelet of its own. With `eks.auto_mode` labels and node classes are those
//! of EKS Auto Mode.

use super::{Wanted, supply};
use crate::{
    cluster::autoscale::settings::{
        Budget, ConsolidationPolicy, DisruptionReason, Kubelet, NodePool,
    },
    facts::shapes::VolumeType,
    manifest::{
        CAPACITY_LABEL, DRIFT_DAYS, FILL_IN, KarpenterFacts, SPOT_SHARE, is_label_value, quantity,
        yaml::{Map, Node},
    },
    usage::services::ebs,
};

/// Below the heading.
pub(super) const ABOUT: [&str; 2] = [
    "Node pools and their node classes. Replace each FILL-IN: Karpenter rejects a node class \
        without a role,",
    "subnets, security groups and an image version.",
];

/// Keys and what is wrong with them.
pub(super) type Problems = Vec<(String, String)>;

/// What the node class is called.
const CLASS: &str = "runrate";
const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// Karpenter's API group of node classes and the prefix of its labels.
const KARPENTER: &str = "karpenter.k8s.aws";

/// Returns whether EKS Auto Mode manages the nodes.
pub(super) fn is_auto(wanted: &Wanted<'_>) -> bool {
    let eks = wanted.scenario.stack_table(wanted.account);
    let auto_mode = eks.get("eks").and_then(|eks| eks.get("auto_mode")?.as_bool());
    auto_mode == Some(true)
}

/// Returns the API group of node classes, which is the prefix of labels too.
fn group<'w>(wanted: &Wanted<'w>) -> &'w str {
    if is_auto(wanted) { &wanted.facts.auto_mode.group } else { KARPENTER }
}

/// A pool and its name.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    pool: &'a NodePool,
}

impl Named<'_> {
    /// Returns whether it has, or needs, a node class of its own.
    fn has_class(&self) -> bool {
        self.pool.node_class.is_some() || self.pool.has_volume() || self.pool.kubelet.is_some()
    }

    fn class(&self) -> String {
        match &self.pool.node_class {
            Some(name) => name.clone(),
            None if self.has_class() => format!("{CLASS}-{}", self.name),
            None => CLASS.to_owned(),
        }
    }

    fn key(&self, field: &str) -> String {
        format!("cluster.node_pools.{}.{field}", self.name)
    }
}

pub(super) fn documents(wanted: &Wanted<'_>) -> Result<Vec<Map>, Problems> {
    let cluster = &wanted.account.stack.cluster;
    if cluster.node_pools.is_empty() {
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    let mut documents = Vec::new();
    for (name, pool) in &cluster.node_pools {
        let found = wrong(name, pool);
        if found.is_empty() {
            documents.push(node_pool(wanted, name, pool));
        }
        problems.extend(found);
    }
    let pools: Vec<Named<'_>> =
        cluster.node_pools.iter().map(|(name, pool)| Named { name, pool }).collect();
    if pools.iter().any(|pool| !pool.has_class()) {
        documents.push(node_class(wanted, None).map_err(|found| vec![found])?);
    }
    let mut classes = Vec::new();
    for pool in pools.into_iter().filter(Named::has_class) {
        // Pools may share a class that there is already.
        if classes.contains(&pool.class()) {
            continue;
        }
        classes.push(pool.class());
        documents.push(node_class(wanted, Some(pool)).map_err(|found| vec![found])?);
    }
    documents.extend(supply::overlays(wanted, group(wanted)));
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

/// What Karpenter's schema would refuse.
fn wrong(name: &str, pool: &NodePool) -> Problems {
    let key = |field: &str| format!("cluster.node_pools.{name}.{field}");
    let mut problems = Vec::new();
    for (field, values) in [
        ("instance_types", &pool.instance_types),
        ("families", &pool.families),
        ("categories", &pool.categories),
        ("sizes", &pool.sizes),
        ("architectures", &pool.architectures),
    ] {
        for value in values.iter().filter(|value| value.is_empty() || !is_label_value(value)) {
            let message = format!("{value:?} cannot be a label's value; write m7g.large or m7g");
            problems.push((key(field), message));
        }
    }
    for (field, wanted, given) in [
        ("min_values.instance_types", pool.min_values.instance_types, pool.instance_types.len()),
        ("min_values.families", pool.min_values.families, pool.families.len()),
    ] {
        if given > 0 && wanted as usize > given {
            let message = format!(
                "{wanted} is more than the {given} named; give {given} or less, or name more"
            );
            problems.push((key(field), message));
        }
    }
    problems
}

fn node_pool(wanted: &Wanted<'_>, name: &str, pool: &NodePool) -> Map {
    let key = |field: &str| format!("cluster.node_pools.{name}.{field}");
    let mut annotations = Map::new();
    if let Some(share) = pool.spot_share {
        annotations.put(SPOT_SHARE, Node::from(share.to_string()), &key("spot_share"));
    }
    if let Some(days) = pool.drift_every_days {
        annotations.put(DRIFT_DAYS, Node::from(days.to_string()), &key("drift_every_days"));
    }
    let mut metadata = Map::new().why("name", name, &format!("cluster.node_pools.{name}"));
    if !annotations.is_empty() {
        metadata.put("annotations", annotations, "");
    }
    let class = Map::new()
        .with("group", group(wanted))
        .with("kind", class_kind(wanted))
        .with("name", Named { name, pool }.class());
    let mut claim = Map::new().with("nodeClassRef", class);
    claim.put("requirements", requirements(wanted, name, pool), "");
    if !pool.taints.is_empty() {
        let taints: Vec<Node> = pool.taints.iter().map(|text| taint(text).into()).collect();
        claim.put("taints", taints, &key("taints"));
    }
    if let Some(hours) = pool.expire_after_hours {
        let after = if hours == 0 { "Never".to_owned() } else { format!("{hours}h") };
        claim.put("expireAfter", after, &key("expire_after_hours"));
    }
    if let Some(seconds) = pool.termination_grace_seconds {
        let grace = quantity::duration(u64::from(seconds));
        claim.put("terminationGracePeriod", grace, &key("termination_grace_seconds"));
    }
    let mut spec = Map::new();
    remarks(&mut spec, (name, pool), &wanted.facts.karpenter);
    spec.put("template", Map::new().with("spec", claim), "");
    spec.put("disruption", disruption(wanted, name, pool), "");
    let limits = limits(name, pool);
    if !limits.is_empty() {
        spec.put("limits", limits, "");
    }
    if pool.weight > 0 {
        spec.put("weight", pool.weight, &key("weight"));
    }
    if let Some(replicas) = pool.replicas {
        spec.put("replicas", replicas, &key("replicas"));
    }
    Map::new()
        .with("apiVersion", "karpenter.sh/v1")
        .with("kind", "NodePool")
        .with("metadata", metadata)
        .with("spec", spec)
}

fn class_kind(wanted: &Wanted<'_>) -> &'static str {
    if is_auto(wanted) { "NodeClass" } else { "EC2NodeClass" }
}

/// What of the pools no manifest does: said in the files too, but who applies these may not read them.
pub(super) fn notes(wanted: &Wanted<'_>) -> Problems {
    let cluster = &wanted.account.stack.cluster;
    if cluster.node_pools.is_empty() {
        return Vec::new();
    }
    let mut notes = Vec::new();
    for (name, pool) in &cluster.node_pools {
        let mut note = |field: &str, message: String| {
            notes.push((format!("cluster.node_pools.{name}.{field}"), message));
        };
        if let Some(share) = pool.spot_share.filter(|share| *share > 0.0 && *share < 1.0) {
            note(
                "spot_share",
                format!(
                    "a node pool cannot hold a share of {share}: with both capacity types \
                        allowed, Karpenter buys spot whenever it is available"
                ),
            );
        }
        if pool.drift_every_days.is_some() {
            note(
                "drift_every_days",
                "node pools have no such field: nodes drift when you change the image version of the node class".to_owned(),
            );
        }
        let known = &wanted.facts.karpenter;
        if pool.replicas.is_some() && !is_auto(wanted) {
            note("replicas", format!("a static node pool needs {}", known.static_needs));
        }
        if pool.consolidation_policy == ConsolidationPolicy::Balanced && !is_auto(wanted) {
            note(
                "consolidation_policy",
                format!("the policy Balanced needs {}", known.balanced_needs),
            );
        }
    }
    notes.extend(controller_settings(wanted));
    notes
}

/// What Karpenter has no field for.
fn remarks(spec: &mut Map, (name, pool): (&str, &NodePool), known: &KarpenterFacts) {
    if let Some(share) = pool.spot_share.filter(|share| *share > 0.0 && *share < 1.0) {
        spec.say(&format!(
            "cluster.node_pools.{name}.spot_share = {share}: a node pool cannot hold a share. \
                With both capacity types below,"
        ));
        spec.say(
            "Karpenter buys spot whenever it is available. A mix needs two pools, one per \
                capacity type, that label their nodes",
        );
        spec.say(
            "`capacity-spread` with values in the wanted ratio, and pods with a topologySpreadConstraint over that label:",
        );
        spec.say("it counts pods, not nodes, so the share is approximate.");
    }
    if pool.drift_every_days.is_some() {
        spec.say(&format!(
            "cluster.node_pools.{name}.drift_every_days: nodes drift when the image version of the node class changes"
        ));
    }
    if pool.consolidation_policy == ConsolidationPolicy::Balanced {
        spec.say(&format!("consolidationPolicy Balanced needs {}", known.balanced_needs));
    }
}

pub(super) fn texts(values: &[String]) -> Vec<Node> {
    values.iter().map(|value| (&**value).into()).collect()
}

pub(super) fn requirement(key: &str, operator: &str, values: Vec<Node>, why: &str) -> Map {
    let mut requirement = Map::new().why("key", key, why).with("operator", operator);
    if !values.is_empty() {
        requirement.put("values", values, "");
    }
    requirement
}

fn requirements(wanted: &Wanted<'_>, name: &str, pool: &NodePool) -> Vec<Node> {
    let key = |field: &str| format!("cluster.node_pools.{name}.{field}");
    let label = |of: &str| format!("{}/instance-{of}", group(wanted));
    let mut all = Vec::new();
    for (label, field, values, least) in [
        (
            INSTANCE_TYPE.to_owned(),
            "instance_types",
            &pool.instance_types,
            pool.min_values.instance_types,
        ),
        (label("category"), "categories", &pool.categories, 0),
        (label("family"), "families", &pool.families, pool.min_values.families),
        (label("size"), "sizes", &pool.sizes, 0),
        ("kubernetes.io/arch".to_owned(), "architectures", &pool.architectures, 0),
    ] {
        if values.is_empty() && least == 0 {
            continue;
        }
        let operator = if values.is_empty() { "Exists" } else { "In" };
        let mut one = requirement(&label, operator, texts(values), &key(field));
        if least > 0 {
            one.put("minValues", least, &key(&format!("min_values.{field}")));
        }
        all.push(one.into());
    }
    for (label, field, operator, bound) in [
        // Gt and Lt leave their own value out.
        (
            label("generation"),
            "min_generation",
            "Gt",
            pool.min_generation.map(|least| least.saturating_sub(1)),
        ),
        (label("cpu"), "min_vcpus", "Gt", pool.min_vcpus.map(|least| least.saturating_sub(1))),
        (label("cpu"), "max_vcpus", "Lt", pool.max_vcpus.map(|most| most.saturating_add(1))),
    ] {
        if let Some(bound) = bound {
            let values = vec![Node::from(bound.to_string())];
            all.push(requirement(&label, operator, values, &key(field)).into());
        }
    }
    let (types, field) = supply::capacity_types(pool);
    let types: Vec<Node> = types.iter().map(|kind| Node::from(*kind)).collect();
    all.push(requirement(CAPACITY_LABEL, "In", types, &key(field)).into());
    // EKS Auto Mode knows Linux alone, and not the label.
    if !is_auto(wanted) {
        let linux = vec!["linux".into()];
        all.push(requirement("kubernetes.io/os", "In", linux, "the plan's nodes").into());
    }
    all
}

fn taint(text: &str) -> Map {
    let (pair, effect) = text.rsplit_once(':').unwrap_or((text, "NoSchedule"));
    let (key, value) = match pair.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (pair, None),
    };
    let mut taint = Map::new().with("key", key);
    if let Some(value) = value {
        taint.put("value", value, "");
    }
    taint.with("effect", effect)
}

/// Returns Karpenter's name of the policy; `consolidateAfter` has the policy `Never`.
fn policy(policy: ConsolidationPolicy) -> &'static str {
    match policy {
        ConsolidationPolicy::WhenEmptyOrUnderutilized | ConsolidationPolicy::Never => {
            "WhenEmptyOrUnderutilized"
        }
        ConsolidationPolicy::WhenEmpty => "WhenEmpty",
        ConsolidationPolicy::Balanced => "Balanced",
    }
}

fn disruption(wanted: &Wanted<'_>, name: &str, pool: &NodePool) -> Map {
    let key = |field: &str| format!("cluster.node_pools.{name}.{field}");
    let policy = policy(pool.consolidation_policy);
    let mut disruption =
        Map::new().why("consolidationPolicy", policy, &key("consolidation_policy"));
    let usual = wanted.catalog.controllers.karpenter.consolidate_after_seconds;
    let (after, why) = match (pool.consolidation_policy, pool.consolidate_after_seconds) {
        (ConsolidationPolicy::Never, _) => ("Never".to_owned(), key("consolidation_policy")),
        (_, Some(seconds)) => {
            (quantity::duration(u64::from(seconds)), key("consolidate_after_seconds"))
        }
        (_, None) => (quantity::duration(u64::from(usual)), "the controller's default".into()),
    };
    disruption.put("consolidateAfter", after, &why);
    if let Some(budgets) = &pool.budgets {
        let budgets: Vec<Node> = budgets.iter().map(|given| budget(given).into()).collect();
        disruption.put("budgets", budgets, &key("budgets"));
    }
    disruption
}

fn budget(given: &Budget) -> Map {
    let mut budget = Map::new().with("nodes", Node::from(&*given.nodes));
    if !given.reasons.is_empty() {
        let reason = |reason: &DisruptionReason| {
            Node::from(match reason {
                DisruptionReason::Empty => "Empty",
                DisruptionReason::Underutilized => "Underutilized",
                DisruptionReason::Drifted => "Drifted",
            })
        };
        let reasons: Vec<Node> = given.reasons.iter().map(reason).collect();
        budget.put("reasons", reasons, "");
    }
    if let Some(schedule) = &given.schedule {
        budget.put("schedule", &**schedule, "");
    }
    if let Some(minutes) = given.duration_minutes {
        budget.put("duration", format!("{minutes}m"), "");
    }
    budget
}

fn limits(name: &str, pool: &NodePool) -> Map {
    let key = |field: &str| format!("cluster.node_pools.{name}.{field}");
    let mut limits = Map::new();
    if let Some(vcpus) = pool.limit_vcpus {
        limits.put("cpu", Node::from(vcpus.to_string()), &key("limit_vcpus"));
    }
    if let Some(gib) = pool.limit_memory_gib {
        limits.put("memory", Node::from(format!("{gib}Gi")), &key("limit_memory_gib"));
    }
    if let Some(nodes) = pool.limit_nodes {
        limits.put("nodes", Node::from(nodes.to_string()), &key("limit_nodes"));
    }
    limits
}

/// Returns the class that pools share, or that of a pool.
fn node_class(wanted: &Wanted<'_>, own: Option<Named<'_>>) -> Result<Map, (String, String)> {
    let cluster = &wanted.account.stack.cluster;
    let node = &wanted.facts.node;
    let fill_in = |what: &str| format!("fill in: {what}");
    let discovery = |what: &str| {
        let tags = Map::new().why(
            "karpenter.sh/discovery",
            FILL_IN,
            &fill_in(&format!("the tag of your {what}, or an id")),
        );
        vec![Node::from(Map::new().with("tags", tags))]
    };
    let image = Map::new().why(
        "alias",
        format!("{}@{FILL_IN}", node.image_alias),
        &fill_in(&format!(
            "a version of {}, {}@vYYYYMMDD; a new one drifts every node",
            node.image, node.image_alias
        )),
    );
    let zones = format!("in {} zones: cluster.availability_zones", cluster.availability_zones);
    let mut spec = Map::new();
    let mut document = Map::new();
    if own.is_some_and(|own| own.pool.node_class.is_some()) {
        document
            .say("An existing node class: apply with --server-side, and its other fields stay.");
    } else {
        if !is_auto(wanted) {
            spec.put("amiSelectorTerms", vec![Node::from(image)], "");
        }
        spec.put("role", FILL_IN, &fill_in("the IAM role of the nodes"));
        spec.put("subnetSelectorTerms", discovery("subnets"), &zones);
        spec.put("securityGroupSelectorTerms", discovery("security groups"), "");
    }
    let name = own.map_or(CLASS.to_owned(), |own| own.class());
    let metadata = Map::new().with("name", name);
    let volume = volume(wanted, own)?;
    if is_auto(wanted) {
        spec.put("ephemeralStorage", volume.fields("size"), "");
        document.put("apiVersion", format!("{}/v1", group(wanted)), "");
        return Ok(document
            .with("kind", class_kind(wanted))
            .with("metadata", metadata)
            .with("spec", spec));
    }
    let pools = cluster.node_pools.iter().map(|(name, pool)| Named { name, pool });
    let users = pools.filter(|pool| match own {
        Some(own) => pool.has_class() && own.class() == pool.class(),
        None => !pool.has_class(),
    });
    let users: Vec<(&str, &NodePool)> = users.map(|pool| (pool.name, pool.pool)).collect();
    let reservations = supply::selector_terms(wanted, &users);
    if !reservations.is_empty() {
        spec.put("capacityReservationSelectorTerms", reservations, "");
    }
    spec.put("blockDeviceMappings", vec![Node::from(root_volume(wanted, &volume))], "");
    let own_kubelet = own.and_then(|own| Some((own.pool.kubelet.as_ref()?, own.key("kubelet"))));
    let shared = cluster.kubelet.as_ref().map(|kubelet| (kubelet, "cluster.kubelet".to_owned()));
    if let Some((given, key)) = own_kubelet.or(shared) {
        let kubelet = kubelet(given, &key);
        if !kubelet.is_empty() {
            spec.put("kubelet", kubelet, &key);
        }
    }
    for (key, message) in controller_settings(wanted) {
        document.say(&format!("{key}: {message}"));
    }
    document.put("apiVersion", format!("{KARPENTER}/v1"), "");
    Ok(document.with("kind", class_kind(wanted)).with("metadata", metadata).with("spec", spec))
}

/// What is set on Karpenter itself.
fn controller_settings(wanted: &Wanted<'_>) -> Problems {
    let mut all = Vec::new();
    let mut say = |key: &str, message: String| all.push((key.to_owned(), message));
    let cluster = &wanted.account.stack.cluster;
    let pools = cluster.node_pools.iter();
    let pools = pools.filter_map(|(name, pool)| {
        Some((Named { name, pool }.key("kubelet"), pool.kubelet.as_ref()?))
    });
    let shared = cluster.kubelet.as_ref().map(|kubelet| ("cluster.kubelet".to_owned(), kubelet));
    for (key, kubelet) in shared.into_iter().chain(pools) {
        if is_auto(wanted) {
            say(&key, "EKS Auto Mode's node class has no kubelet; it is not written".to_owned());
            continue;
        }
        if kubelet.reserved_enis > 0 {
            let message = format!("set RESERVED_ENIS={} on Karpenter", kubelet.reserved_enis);
            say(&format!("{key}.reserved_enis"), message);
        }
        if let Some(share) = kubelet.vm_memory_overhead {
            let message = format!("set VM_MEMORY_OVERHEAD_PERCENT={share} on Karpenter");
            say(&format!("{key}.vm_memory_overhead"), message);
        }
    }
    all.extend(supply::options(wanted));
    let mut say = |key: &str, message: String| all.push((key.to_owned(), message));
    if cluster.baseline.nodes > 0 {
        let message = format!(
            "{} × {} are not bought by Karpenter; they are a managed node group",
            cluster.baseline.nodes, cluster.baseline.instance_type
        );
        say("cluster.baseline", message);
    }
    all
}

/// A figure and the key that it comes from.
struct Figure {
    value: f64,
    key: String,
}

/// The volume of a node class.
struct Volume {
    kind: VolumeType,
    kind_key: String,
    gib: Figure,
    iops: Option<Figure>,
    throughput: Option<Figure>,
}

impl Volume {
    /// Returns size, IOPS and throughput, the size under a name of one's choice.
    fn fields(&self, size: &str) -> Map {
        let mut fields =
            Map::new().why(size, format!("{}Gi", self.gib.value.ceil()), &self.gib.key);
        for (field, figure) in [("iops", &self.iops), ("throughput", &self.throughput)] {
            if let Some(figure) = figure {
                fields.put(field, figure.value.ceil() as u32, &figure.key);
            }
        }
        fields
    }
}

fn volume(wanted: &Wanted<'_>, own: Option<Named<'_>>) -> Result<Volume, (String, String)> {
    let table = wanted.scenario.stack_table(wanted.account);
    let given: ebs::Spec = match table.get("ebs") {
        Some(value) => {
            value.clone().try_into().map_err(|e: toml::de::Error| ("ebs".into(), e.to_string()))?
        }
        None => ebs::Spec::default(),
    };
    let shared = given.root();
    let (kind, kind_key) = match own.and_then(|own| Some((own.pool.volume_type?, own))) {
        Some((kind, own)) => (kind, own.key("volume_type")),
        None => (shared.kind, "ebs.volume_type".to_owned()),
    };
    // IOPS and throughput belong to a type.
    let alike = |figure: Option<f64>| figure.filter(|_| kind == shared.kind);
    let figure = |of: fn(&NodePool) -> Option<f64>, field: &str, shared: Option<f64>, key: &str| {
        let own = own.and_then(|own| Some((of(own.pool)?, own.key(field))));
        let found = own.or_else(|| Some((shared?, key.to_owned())));
        found.map(|(value, key)| Figure { value, key })
    };
    let gib = figure(|pool| pool.volume_gib, "volume_gib", given.volume_gib, "ebs.volume_gib");
    Ok(Volume {
        kind,
        kind_key,
        gib: gib.unwrap_or_else(|| Figure {
            value: wanted.catalog.controllers.node.root_volume_gib,
            key: "Karpenter's default".to_owned(),
        }),
        iops: figure(|pool| pool.volume_iops, "volume_iops", alike(given.iops), "ebs.iops"),
        throughput: figure(
            |pool| pool.volume_throughput_mibps,
            "volume_throughput_mibps",
            alike(given.throughput_mibps),
            "ebs.throughput_mibps",
        ),
    })
}

fn root_volume(wanted: &Wanted<'_>, volume: &Volume) -> Map {
    let fields = volume
        .fields("volumeSize")
        .why("volumeType", volume.kind.name(), &volume.kind_key)
        .with("encrypted", true)
        .with("deleteOnTermination", true);
    Map::new()
        .why(
            "deviceName",
            &*wanted.facts.node.root_device,
            &format!("the root device of {}", wanted.facts.node.image),
        )
        .with("ebs", fields)
}

/// Returns the kubelet's fields; `from` is the key of the table that they come from.
fn kubelet(given: &Kubelet, from: &str) -> Map {
    let from = |field: &str| format!("{from}.{field}");
    let cpu = |millicores: u32| quantity::cpu(f64::from(millicores));
    let memory = |mib: u32| quantity::memory(f64::from(mib));
    let mut kubelet = Map::new();
    if let Some(pods) = given.max_pods {
        kubelet.put("maxPods", pods, &from("max_pods"));
    }
    let mut kube = Map::new();
    if let Some(millicores) = given.kube_reserved_cpu_millicores {
        kube.put("cpu", Node::from(cpu(millicores)), &from("kube_reserved_cpu_millicores"));
    }
    if let Some(mib) = given.kube_reserved_memory_mib {
        kube.put("memory", Node::from(memory(mib)), &from("kube_reserved_memory_mib"));
    }
    let mut system = Map::new();
    if given.system_reserved_cpu_millicores > 0 {
        let millicores = cpu(given.system_reserved_cpu_millicores);
        system.put("cpu", Node::from(millicores), &from("system_reserved_cpu_millicores"));
    }
    if given.system_reserved_memory_mib > 0 {
        let mib = memory(given.system_reserved_memory_mib);
        system.put("memory", Node::from(mib), &from("system_reserved_memory_mib"));
    }
    for (field, amounts) in [("kubeReserved", kube), ("systemReserved", system)] {
        if !amounts.is_empty() {
            kubelet.put(field, amounts, "");
        }
    }
    if let Some(mib) = given.eviction_memory_mib {
        let hard = Map::new().why(
            "memory.available",
            Node::from(memory(mib)),
            &from("eviction_memory_mib"),
        );
        kubelet.put("evictionHard", hard, "");
    }
    kubelet
}
