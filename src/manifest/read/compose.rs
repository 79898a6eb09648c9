//! The manifests, merged into the scenario of `runrate init`; its comments stay.
//!
//! Manifests are of one cluster, so the scenario keeps one account. Of the template's workloads, those that
//! the manifests have take their values, those of the cluster itself that they do not have stay as
//! assumptions, and its applications go once the manifests have some of their own.

use std::fmt::Write as _;

use toml_edit::{DocumentMut, InlineTable, Item, Table};

use super::{
    Found, Knowledge, Notes,
    buffer::Buffer,
    controller::{BUFFERS, Controller},
    documents::Object,
    node::Nodes,
    pool::Pools,
    value::{Line, number, set},
    volume::Claimed,
    workload::{Draft, table as amounts},
};
use crate::{
    cluster::{autoscale::policy::BASELINE, workload::ObjectKind},
    error::{Error, Place},
    facts::shapes::{Catalog, Gate},
    manifest::{Facts, ImageSize, NO_CPU_LIMIT, NO_MEMORY_LIMIT, yaml::one_line},
};

/// Content of the manifests.
pub(super) struct Parts {
    pub(super) drafts: Vec<Draft>,
    pub(super) pools: Pools,
    pub(super) karpenter: Karpenter,
    pub(super) machines: Nodes,
    pub(super) claims: Vec<Claimed>,
    pub(super) load_balancers: Option<Line>,
    /// For each optional part of the template the object that shows it.
    pub(super) shown: Vec<Option<Object>>,
    pub(super) found: Found,
}

/// Account of the template that is kept, and the workload whose figures replace those of an unknown one.
const ACCOUNT: &str = "production";
const USUAL: &str = "api";
const ASSUMED: &str = "assumption: init's, not in the manifests";

/// Returns the scenario's text.
///
/// # Errors
/// A template that is no scenario of `init`'s: a fault of the build.
pub(super) fn scenario(
    template: &str,
    parts: Parts,
    notes: &mut Notes,
    knowledge: Knowledge<'_>,
) -> Result<String, Error> {
    let wrong = |message: &str| Error::failed(Place::file("init's scenario"), message);
    let mut document: DocumentMut = template.parse().map_err(|_| wrong("is not TOML"))?;
    let Parts { mut drafts, pools, karpenter, machines, claims, load_balancers, shown, found } =
        parts;
    one_account(&mut document).ok_or_else(|| wrong("has no account production"))?;
    only_shown(&mut document, &drafts, &shown, (knowledge.facts, notes));
    assumptions(&mut document);
    start_jobs(&document, &mut drafts, notes);
    let gate = &knowledge.catalog.controllers.hpa.zero_gate;
    let zero = drafts.iter().any(scales_to_zero).then_some(gate);
    if let Some(why) = &pools.auto_mode {
        auto_mode(&mut document, why, &knowledge.facts.auto_mode.built_in)
            .ok_or_else(|| wrong("has no [eks]"))?;
        // Where every pool has taints, the other pods need nodes that no manifest has.
        let tainted = |lines: &[Line]| lines.iter().any(|line| line.key == "taints");
        if pools.named.is_empty() || pools.named.iter().any(|(_, lines)| !tainted(lines)) {
            no_baseline(&mut document).ok_or_else(|| wrong("has no baseline"))?;
        }
    }
    cluster(&mut document, (pools, machines), (karpenter, zero))
        .ok_or_else(|| wrong("has no [cluster]"))?;
    let pools = pool_names(&document);
    for draft in &mut drafts {
        only_known(draft, &pools, notes);
    }
    ebs(&mut document, claims).ok_or_else(|| wrong("has no [ebs]"))?;
    let asked_for = load_balancers.as_ref().and_then(|line| line.value.as_integer());
    if let Some(line) = load_balancers {
        let alb = document.get_mut("alb").and_then(Item::as_table_mut);
        put(alb.ok_or_else(|| wrong("has no [alb]"))?, &[line]);
    }
    let workloads = document.get_mut("workloads").and_then(Item::as_table_mut);
    let workloads = workloads.ok_or_else(|| wrong("has no [workloads]"))?;
    let serving = lay(workloads, drafts, knowledge, notes);
    let traced = super::value::texts(&serving);
    if let Some(datadog) = document.get_mut("datadog").and_then(Item::as_table_mut) {
        datadog.remove("traced");
        if !serving.is_empty() {
            datadog.insert("traced", commented(traced, "assumption: all that serve requests"));
        }
    }
    without_traffic(&mut document, asked_for, notes);
    services(&document, notes);
    Ok(format!("{}{document}", heading(found, notes)))
}

/// Removes parts of the template that the manifests do not show: those that other objects speak of stay, those that
/// are among the manifests are read like any workload.
fn only_shown(
    document: &mut DocumentMut,
    drafts: &[Draft],
    shown: &[Option<Object>],
    (facts, notes): (&Facts, &mut Notes),
) {
    for (part, shown) in facts.optional.iter().zip(shown) {
        let own = |draft: &&Draft| {
            draft.profile.as_ref().is_some_and(|profile| part.profiles.contains(profile))
                || draft.images.are_of(&part.images)
        };
        let is_read = drafts.iter().any(|draft| own(&draft));
        let workloads = document.get_mut("workloads").and_then(Item::as_table_mut);
        if let Some(workloads) = workloads.filter(|_| is_read || shown.is_none()) {
            workloads.retain(|_, item| {
                profile_of(item).is_none_or(|of| part.profiles.iter().all(|known| known != of))
            });
        }
        match shown {
            Some(object) if !is_read && !part.profiles.is_empty() => {
                let message = format!(
                    "shows that {} runs in the cluster; its pods are not among the manifests and are assumed",
                    part.profiles.join(", ")
                );
                notes.add(object.place(""), &message);
            }
            None if !is_read => {
                for table in &part.tables {
                    document.remove(table);
                }
            }
            _ => {}
        }
    }
}

/// Tells which tables of services are the template's.
fn services(document: &DocumentMut, notes: &mut Notes) {
    const OF_THE_SCENARIO: [&str; 8] =
        ["plan", "billing", "revenue", "users", "traffic", "accounts", "cluster", "workloads"];
    let tables =
        document.iter().filter(|(name, item)| item.is_table() && !OF_THE_SCENARIO.contains(name));
    let names: Vec<&str> = tables.map(|(name, _)| name).collect();
    let message = format!(
        "no manifest states users, traffic, budgets and AWS services: the scenario has those of init's example ({}). Set yours, and remove the tables of services that you do not use",
        names.join(", ")
    );
    notes.add(Place::default(), &message);
}

/// Takes the load balancer and the web ACL out where no workload serves requests behind them.
fn without_traffic(document: &mut DocumentMut, asked_for: Option<i64>, notes: &mut Notes) {
    let behind = |item: &Item| item.get("reached").and_then(Item::as_str) == Some("through-alb");
    let workloads = document.get("workloads").and_then(Item::as_table);
    if workloads.into_iter().flat_map(Table::iter).any(|(_, item)| behind(item)) {
        return;
    }
    let removed = ["alb", "waf"].map(|table| document.remove(table).is_some());
    if removed.contains(&true) {
        let lost = asked_for.map_or_else(String::new, |count| {
            if count == 1 {
                "the load balancer that an Ingress asks for is not planned: ".to_owned()
            } else {
                format!("the {count} load balancers that Ingresses ask for are not planned: ")
            }
        });
        let message = format!(
            "{lost}no workload serves requests, so the scenario has no [alb] and no [waf]; with them, set calls_per and reached = \"through-alb\" on the workload behind the load balancer"
        );
        notes.add(Place::default(), &message);
    }
}

/// Returns the head of the file.
fn heading(found: Found, notes: &Notes) -> String {
    let baseline = match found.nodes {
        0 => "the baseline's nodes (node groups are in no manifest),\n# ",
        _ => "",
    };
    let mut text = format!(
        "# Written by `runrate init --from-manifests` from {}.\n\
         # A value from a manifest names its file and object. Everything else is the example of `runrate init` and an\n\
         # assumption: users, traffic, CPU per request, {baseline}every metered service.\n",
        found.summary()
    );
    if !notes.0.is_empty() {
        text.push_str("#\n# Not read, read differently, or assumed:\n");
        for note in &notes.0 {
            let _ = writeln!(text, "#   {}", one_line(&note.to_string()));
        }
    }
    text.push_str("#\n");
    text
}

/// Reduces the scenario to one account: the manifests are of one cluster.
fn one_account(document: &mut DocumentMut) -> Option<()> {
    let accounts = document.get_mut("accounts")?.as_table_mut()?;
    let others: Vec<String> =
        accounts.iter().map(|(name, _)| name.to_owned()).filter(|name| name != ACCOUNT).collect();
    for name in others {
        accounts.remove(&name);
    }
    accounts.contains_key(ACCOUNT).then_some(())
}

/// Marks every table that no manifest fills, and removes what the template says about its own company.
fn assumptions(document: &mut DocumentMut) {
    let says = |table: &mut Table| {
        let suffix = table.decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default();
        let suffix = match suffix.trim().trim_start_matches('#').trim() {
            "" => " # assumption: init's".to_owned(),
            said => format!(" # assumption: init's; {said}"),
        };
        table.decor_mut().set_suffix(suffix);
    };
    for (name, item) in document.iter_mut() {
        match item {
            Item::Table(table) if !matches!(name.get(), "cluster" | "workloads" | "accounts") => {
                says(table);
            }
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(says),
            _ => {}
        }
    }
    if let Some(accounts) = document.get_mut("accounts").and_then(Item::as_table_mut) {
        accounts.iter_mut().filter_map(|(_, item)| item.as_table_mut()).for_each(says);
    }
    if let Some(plan) = document.get_mut("plan").and_then(Item::as_table_mut) {
        plan.decor_mut().set_prefix("\n");
        plan.insert("name", commented("Cluster of the manifests".into(), ""));
    }
    if let Some(billing) = document.get_mut("billing").and_then(Item::as_table_mut) {
        billing.remove("consolidated");
    }
}

fn commented(mut value: toml_edit::Value, why: &str) -> Item {
    let suffix = if why.is_empty() { String::new() } else { format!(" # {}", one_line(why)) };
    *value.decor_mut() = toml_edit::Decor::new(" ", suffix);
    Item::Value(value)
}

/// Lines over a table's own.
fn put(table: &mut Table, lines: &[Line]) {
    for line in lines {
        let other = match &*line.key {
            "hpa" => "replicas",
            "replicas" => "hpa",
            _ => "",
        };
        table.remove(other);
        table.insert(&line.key, commented(line.value.clone(), &line.why));
    }
}

/// Removes the managed node group, which EKS Auto Mode does not need.
fn no_baseline(document: &mut DocumentMut) -> Option<()> {
    let baseline = document.get_mut("cluster")?.get_mut("baseline")?.as_inline_table_mut()?;
    baseline.insert("nodes", 0.into());
    let why = " # assumption: EKS Auto Mode, so no managed node group";
    baseline.decor_mut().set_suffix(why);
    Some(())
}

/// Adds the fee of EKS Auto Mode, and removes the workloads that it runs itself.
fn auto_mode(document: &mut DocumentMut, why: &str, built_in: &[String]) -> Option<()> {
    let eks = document.get_mut("eks")?.as_table_mut()?;
    eks.insert("auto_mode", commented(true.into(), why));
    let workloads = document.get_mut("workloads")?.as_table_mut()?;
    let first = |workloads: &Table| Some(workloads.iter().next()?.1.as_table()?.decor().clone());
    let heading = first(workloads);
    workloads.retain(|_, item| {
        profile_of(item).is_none_or(|profile| built_in.iter().all(|known| known != profile))
    });
    // The heading of the workloads is before the first of them.
    if let (Some(heading), Some((_, item))) = (heading, workloads.iter_mut().next())
        && let Some(table) = item.as_table_mut()
    {
        *table.decor_mut() = heading;
    }
    Some(())
}

/// Returns node pools that the scenario has in the end, and the baseline.
fn pool_names(document: &DocumentMut) -> Vec<String> {
    let pools = document.get("cluster").and_then(|cluster| cluster.get("node_pools"));
    let pools = pools.and_then(Item::as_table_like).into_iter().flat_map(|table| table.iter());
    pools.map(|(name, _)| name.to_owned()).chain([BASELINE.to_owned()]).collect()
}

/// Takes out node pools that the scenario does not have.
fn only_known(draft: &mut Draft, known: &[String], notes: &mut Notes) {
    let Some(line) = draft.lines.iter_mut().find(|line| line.key == "node_pools") else { return };
    let Some(named) = line.value.as_array_mut() else { return };
    let (mut left, mut unknown) = (Vec::new(), Vec::new());
    for name in named.iter().filter_map(toml_edit::Value::as_str) {
        let list = if known.iter().any(|known| known == name) { &mut left } else { &mut unknown };
        list.push(name.to_owned());
    }
    if unknown.is_empty() {
        return;
    }
    let message = format!(
        "requires node pool {}, which is not among the manifests; {}",
        unknown.join(", "),
        if left.is_empty() { "any node is planned" } else { "the others are planned" }
    );
    notes.add(draft.place.clone(), &message);
    line.value = super::value::texts(&left);
    if left.is_empty() {
        draft.lines.retain(|line| line.key != "node_pools");
    }
}

/// Returns claims of volumes.
fn ebs(document: &mut DocumentMut, claims: Vec<Claimed>) -> Option<()> {
    if claims.is_empty() {
        return Some(());
    }
    let mut all = Table::new();
    all.set_implicit(true);
    for claim in claims {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        put(&mut table, &claim.lines);
        all.insert(&claim.name, Item::Table(table));
    }
    document.get_mut("ebs")?.as_table_mut()?.insert("claims", Item::Table(all));
    Some(())
}

/// What is set on Karpenter itself.
pub(super) struct Karpenter {
    pub(super) controller: Controller,
    /// Node overlays by name.
    pub(super) overlays: Vec<(String, Vec<Line>)>,
    /// Capacity buffers.
    pub(super) buffers: Vec<Buffer>,
}

/// Settings of the controllers, and feature gates that are on.
fn controllers(cluster: &mut Table, karpenter: Karpenter, zero: Option<&Gate>) {
    let Karpenter { controller, overlays, buffers } = karpenter;
    put(cluster, &controller.lines);
    let mut gates = controller.gates;
    if let Some(gate) = zero {
        let why = format!(
            "an autoscaler's minReplicas is 0; not needed with eks.version 1.{} or newer",
            gate.default_since
        );
        gates.insert(0, (&gate.name, why));
    }
    if !buffers.is_empty() && !gates.iter().any(|(name, _)| *name == BUFFERS) {
        let why = "assumption: capacity buffers need the gate CapacityBuffer".to_owned();
        gates.push((BUFFERS, why));
    }
    if !overlays.is_empty() {
        gates.push(("NodeOverlay", "there are node overlays".to_owned()));
    }
    let mut named: Vec<&str> = gates.iter().map(|(name, _)| *name).collect();
    named.sort_unstable();
    named.dedup();
    let mut why: Vec<&str> = gates.iter().map(|(_, why)| &**why).collect();
    why.dedup();
    if !named.is_empty() {
        let gates = super::value::texts(&named);
        cluster.insert("feature_gates", commented(gates, &why.join("; ")));
    }
    for (key, objects) in [("node_overlays", overlays), ("capacity_buffers", buffers)] {
        if objects.is_empty() {
            continue;
        }
        let mut all = Table::new();
        all.set_implicit(true);
        for (name, lines) in objects {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            put(&mut table, &lines);
            all.insert(&name, Item::Table(table));
        }
        cluster.insert(key, Item::Table(all));
    }
}

fn cluster(
    document: &mut DocumentMut,
    (pools, nodes): (Pools, Nodes),
    (karpenter, zero): (Karpenter, Option<&Gate>),
) -> Option<()> {
    let Pools { named, zones, in_any_zone, assumed, .. } = pools;
    let cluster = document.get_mut("cluster")?.as_table_mut()?;
    let assumed_zones = cluster.get("availability_zones").and_then(Item::as_integer).unwrap_or(1);
    let named_zones = zones.len().min(6) as i64;
    if named_zones > 0 && (!in_any_zone || named_zones > assumed_zones) {
        let names: Vec<&str> = zones.iter().map(String::as_str).collect();
        let why = format!("zones that node pools name: {}", names.join(", "));
        put(cluster, &[Line::new("availability_zones", named_zones, &why)]);
    } else if let Some(line) = nodes.zones {
        put(cluster, &[line]);
    }
    if !nodes.baseline.is_empty() {
        let mut table = Table::new();
        put(&mut table, &nodes.baseline);
        cluster.insert("baseline", Item::Table(table));
    }
    controllers(cluster, karpenter, zero);
    let all = cluster.get_mut("node_pools")?.as_table_mut()?;
    for (_, pool) in all.iter_mut() {
        put(pool.as_table_mut()?, &assumed);
    }
    if !named.is_empty() {
        all.clear();
        for (name, lines) in named {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            put(&mut table, &lines);
            all.insert(&name, Item::Table(table));
        }
    }
    Some(())
}

/// Jobs begin with the plan: no manifest says when.
fn start_jobs(document: &DocumentMut, drafts: &mut [Draft], notes: &mut Notes) {
    let plan = document.get("plan").and_then(|plan| plan.get("start")).and_then(Item::as_str);
    let Some(start) = plan else { return };
    for draft in drafts.iter_mut().filter(|draft| draft.kind == "Job") {
        let line = draft.lines.iter_mut().find(|line| line.key == "job");
        let Some(table) = line.and_then(|line| line.value.as_inline_table_mut()) else { continue };
        table.insert("starts_at", format!("{start}-01T00:00").into());
        let message = "no manifest states when it runs: it begins with the plan. Set job.starts_at, or remove it if it is done";
        notes.add(draft.place.clone(), message);
    }
}

fn scales_to_zero(draft: &Draft) -> bool {
    draft.lines.iter().any(|line| {
        let hpa = line.value.as_inline_table().filter(|_| line.key == "hpa");
        // KEDA needs no gate.
        let by_keda =
            |hpa: &&InlineTable| hpa.contains_key("keda") || hpa.contains_key("schedules");
        let hpa = hpa.filter(|hpa| !by_keda(hpa));
        hpa.and_then(|hpa| hpa.get("min_replicas")?.as_integer()) == Some(0)
    })
}

fn profile_of(item: &Item) -> Option<&str> {
    item.get("profile").and_then(Item::as_str)
}

/// Returns whether a workload of the template serves requests, rather than the cluster.
fn is_application(item: &Item) -> bool {
    item.get("calls_per").is_some()
}

/// Returns the drafts over the template's workloads; the names of those that serve requests.
fn lay(
    workloads: &mut Table,
    drafts: Vec<Draft>,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) -> Vec<String> {
    let template = workloads.clone();
    let names: Vec<String> = template.iter().map(|(name, _)| name.to_owned()).collect();
    if !drafts.is_empty() {
        for name in &names {
            let Some(item) = template.get(name) else { continue };
            let read = drafts.iter().any(|draft| draft.name == *name);
            let profile = profile_of(item);
            let replaced = drafts.iter().any(|draft| draft.profile.as_deref() == profile);
            if !read && (replaced || is_application(item)) {
                workloads.remove(name);
            } else if !read
                && let Some(table) = workloads.get_mut(name).and_then(Item::as_table_mut)
            {
                let profile = table.get("profile").and_then(Item::as_str).unwrap_or_default();
                let profile = toml_edit::Value::from(profile);
                table.insert("profile", commented(profile, ASSUMED));
            }
        }
    }
    if drafts.is_empty() {
        let serves = |(_, item): &(&str, &Item)| is_application(item);
        return template.iter().filter(serves).map(|(name, _)| name.to_owned()).collect();
    }
    let mut serving = Vec::new();
    // What a gateway passes on reaches the others from inside.
    let gateway = drafts.iter().any(|draft| draft.profile.as_deref() == Some("kong"));
    let mut assumed = Assumed::default();
    for draft in drafts {
        let table = table(&draft, (&template, gateway), (knowledge, &mut assumed), notes);
        if table.contains_key("calls_per") {
            serving.push(draft.name.clone());
        }
        workloads.insert(&draft.name, Item::Table(table));
    }
    assumed.tell(notes);
    serving
}

/// Values that no manifest states, in words.
#[derive(Default)]
struct Assumed {
    /// Start and size of images.
    images: Vec<String>,
    /// CPU of a request.
    requests: Vec<String>,
}

impl Assumed {
    fn tell(&self, notes: &mut Notes) {
        if !self.images.is_empty() {
            let message = format!(
                "no manifest states how long pods take to start and how large images are; assumed: {}. Measure yours and set startup_seconds and image_mib",
                self.images.join("; ")
            );
            notes.add(Place::default(), &message);
        }
        if !self.requests.is_empty() {
            let message = format!(
                "no manifest states the CPU of a request; assumed: {}. Measure yours and set cpu_ms_per_request",
                self.requests.join("; ")
            );
            notes.add(Place::default(), &message);
        }
    }
}

fn table(
    draft: &Draft,
    (template, gateway): (&Table, bool),
    (knowledge, assumptions): (Knowledge<'_>, &mut Assumed),
    notes: &mut Notes,
) -> Table {
    let own = template.get(&draft.name).filter(|item| {
        // A name that the template uses for something else says nothing, nor does one of another image.
        let is_other = draft.images.kind.is_some() && draft.profile.is_none();
        !draft.is_job
            && !is_other
            && (draft.profile.is_none() || profile_of(item) == draft.profile.as_deref())
    });
    let alike = draft.profile.as_deref().and_then(|profile| {
        template.iter().map(|(_, item)| item).find(|item| profile_of(item) == Some(profile))
    });
    let mut table = own.or(alike).and_then(Item::as_table).cloned().unwrap_or_else(Table::new);
    table.set_position(None);
    table.decor_mut().set_prefix(format!("\n# {}\n", one_line(&draft.from)));
    assumed(&mut table);
    let mut lines = Vec::new();
    let known = own.is_some() || alike.is_some();
    if !known && let Some(profile) = &draft.profile {
        lines.push(Line::new("profile", &**profile, "the profile it is known by"));
    }
    if draft.is_daemon_set {
        table.remove("replicas");
        table.remove("hpa");
    }
    let has_queue = draft.lines.iter().any(|line| line.key == "queue");
    if has_queue {
        table.remove("reached");
        table.remove("timeout_seconds");
    }
    if !known && draft.profile.is_none() && draft.is_scaled && !only_by_clock(&draft.lines) {
        let cpu_ms = assume(template, draft, gateway || has_queue, &mut lines);
        assumptions.requests.extend(cpu_ms.map(|cpu_ms| format!("{} {cpu_ms}", draft.name)));
        if has_queue {
            lines.push(Line::new("concurrency", 1, "assumption: one message at a time"));
        }
    }
    if !known && draft.profile.is_none() {
        assumptions.images.push(start_and_size(draft, &mut lines));
    }
    let mut given = draft.lines.clone();
    needed(draft, &table, &mut given, knowledge.catalog, notes);
    idle_memory(draft, &table, &mut given, knowledge, notes);
    for line in given {
        set(&mut lines, line);
    }
    put(&mut table, &lines);
    put(&mut table, &[Line::new("object", object(draft), "manifests are written for it")]);
    table
}

/// Returns the objects that a workload was read from.
fn object(draft: &Draft) -> InlineTable {
    let mut table = InlineTable::new();
    let mut text = |key: &str, value: &str| {
        if !value.is_empty() {
            table.insert(key, value.into());
        }
    };
    if ObjectKind::ALL.iter().any(|kind| kind.name() == draft.kind) {
        text("kind", &draft.kind);
    }
    text("name", &draft.object);
    text("namespace", &draft.namespace);
    for (key, name) in [("autoscaler", &draft.autoscaler), ("disruption_budget", &draft.budget)] {
        text(key, name.as_deref().unwrap_or_default());
    }
    if let Some(container) = &draft.container {
        text("container", &container.name);
        if let Some((requests, limits)) = container.others {
            let mut others = InlineTable::new();
            others.insert("requests", amounts(requests, (0.0, 0.0)).into());
            if limits.cpu.is_some() || limits.memory.is_some() {
                let limits = amounts(limits, (NO_CPU_LIMIT, NO_MEMORY_LIMIT));
                others.insert("limits", limits.into());
            }
            table.insert("other_containers", others.into());
        }
    }
    if !draft.selector.is_empty() {
        let labels = draft.selector.iter().map(|(key, value)| (&**key, &**value));
        table.insert("selector", labels.collect::<InlineTable>().into());
    }
    table
}

/// What the template says of a workload stays, as an assumption.
fn assumed(table: &mut Table) {
    for (key, item) in table.iter_mut() {
        let Some(value) = item.as_value_mut().filter(|_| key.get() != "profile") else { continue };
        let suffix = value.decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default();
        let said = suffix.trim().trim_start_matches('#').trim();
        let apart = if said.is_empty() { "" } else { "; " };
        let suffix = format!(" # assumption: init's{apart}{said}");
        value.decor_mut().set_suffix(suffix);
    }
}

/// How long its pods take to start and how large its images are; gives both in words.
fn start_and_size(draft: &Draft, lines: &mut Vec<Line>) -> String {
    let ImageSize { startup_seconds, image_mib } = draft.images.size;
    let why = format!("assumption: {}; measure yours", draft.images.why);
    let starts = !draft.is_daemon_set;
    if starts {
        lines.push(Line::new("startup_seconds", i64::from(startup_seconds), &why));
    }
    lines.push(Line::new("image_mib", number(image_mib), &why));
    let start = if starts { format!("{startup_seconds} s, ") } else { String::new() };
    format!("{} {start}{image_mib} MiB", draft.name)
}

/// What no manifest says of a workload that serves requests, from inside where it is behind a gateway; gives the CPU of
/// a request in words.
fn assume(template: &Table, draft: &Draft, inside: bool, lines: &mut Vec<Line>) -> Option<String> {
    let known = draft.images.kind.as_ref().filter(|kind| kind.cpu_ms_per_request.is_some());
    let usual = template.get(USUAL).and_then(Item::as_table);
    let usual_name = format!("init's {USUAL}");
    let from = known.map_or(&*usual_name, |kind| &kind.name);
    let why = format!("assumption: {from}; measure yours");
    let of_kind = |key: &str| {
        let kind = known?;
        let table = match key {
            "calls_per" => kind.calls_per.clone().map(toml::Value::Table),
            "cpu_ms_per_request" => kind.cpu_ms_per_request.clone(),
            _ => None,
        };
        table?.to_string().parse::<toml_edit::Value>().ok()
    };
    let mut cpu_ms = None;
    for key in ["calls_per", "cpu_ms_per_request", "database_connections"] {
        let value = match known {
            Some(_) => of_kind(key),
            None => usual.and_then(|table| table.get(key)?.as_value().cloned()),
        };
        let Some(value) = value.map(plain) else { continue };
        if key == "cpu_ms_per_request" {
            let mid = value.as_inline_table().and_then(|range| range.get("mid"));
            let shown = mid.unwrap_or(&value).to_string();
            cpu_ms = Some(format!("{} ms (as {from})", shown.trim()));
        }
        lines.push(Line::new(key, value, &why));
    }
    if !inside {
        lines.push(Line::new("reached", "through-alb", "assumption"));
    }
    cpu_ms
}

/// Returns a value without what stands around it.
fn plain(mut value: toml_edit::Value) -> toml_edit::Value {
    value.decor_mut().clear();
    value
}

/// Returns whether nothing but cron triggers scales it: then no request needs it.
fn only_by_clock(lines: &[Line]) -> bool {
    let hpa = lines.iter().find(|line| line.key == "hpa");
    hpa.and_then(|line| line.value.as_inline_table()).is_some_and(|hpa| {
        let by_load = ["metrics", "target_cpu_utilization"];
        hpa.contains_key("schedules") && !by_load.iter().any(|key| hpa.contains_key(key))
    })
}

/// Returns whether the autoscaler compares CPU, as it does where it names no metric.
fn scales_by_cpu(lines: &[Line]) -> bool {
    let hpa = lines.iter().find(|line| line.key == "hpa");
    hpa.and_then(|line| line.value.as_inline_table()).is_some_and(|hpa| {
        let metrics = hpa.get("metrics").and_then(toml_edit::Value::as_array);
        metrics.is_none_or(|all| all.to_string().contains("\"cpu\""))
    })
}

/// Requests that a scenario cannot do without.
fn needed(
    draft: &Draft,
    table: &Table,
    lines: &mut Vec<Line>,
    catalog: &Catalog,
    notes: &mut Notes,
) {
    let profile = draft.profile.as_deref().or_else(|| table.get("profile").and_then(Item::as_str));
    let fallback = catalog.profiles.get(profile.unwrap_or("flask-api"));
    let usual = |key: &str| {
        let value = fallback.and_then(|table| table.get("requests")?.get(key).cloned());
        value.and_then(|value| value.as_float().or(value.as_integer().map(|v| v as f64)))
    };
    let has_own =
        draft.profile.is_some() || table.contains_key("profile") || table.contains_key("requests");
    if draft.requests.is_none() && has_own {
        lines.retain(|line| line.key != "requests");
        return;
    }
    let no_cpu = draft.requests.is_none_or(|given| given.cpu.unwrap_or(0.0) <= 0.0);
    let known = lines.iter().any(|line| line.key == "containers_without_request");
    if !draft.is_daemon_set && no_cpu && !known && scales_by_cpu(lines) && !only_by_clock(lines) {
        let mut requests = InlineTable::new();
        let memory = draft.requests.and_then(|given| given.memory);
        requests.insert("cpu_millicores", number(usual("cpu_millicores").unwrap_or(100.0)));
        requests.insert("memory_mib", number(memory.or(usual("memory_mib")).unwrap_or(128.0)));
        let why = "assumption: the manifest requests no CPU, which an autoscaler needs";
        set(lines, Line::new("requests", requests, why));
        let message = "an autoscaler needs a CPU request; the scenario assumes one";
        notes.add(draft.place.clone(), message);
    } else if !lines.iter().any(|line| line.key == "requests") {
        let mut requests = InlineTable::new();
        requests.insert("cpu_millicores", number(usual("cpu_millicores").unwrap_or(100.0)));
        requests.insert("memory_mib", number(usual("memory_mib").unwrap_or(128.0)));
        set(lines, Line::new("requests", requests, ASSUMED));
    }
}

/// Memory that a pod takes without requests, below the target of an autoscaler by memory: with the request, which a
/// scenario takes without it, replicas would stay at the maximum.
fn idle_memory(
    draft: &Draft,
    table: &Table,
    lines: &mut Vec<Line>,
    knowledge: Knowledge<'_>,
    notes: &mut Notes,
) {
    let of = |lines: &[Line], key: &str| {
        let line = lines.iter().find(|line| line.key == key)?;
        line.value.as_inline_table().cloned()
    };
    let amount = |value: Option<&toml_edit::Value>| {
        value.and_then(|value| value.as_float().or(value.as_integer().map(|v| v as f64)))
    };
    let Some(hpa) = of(lines, "hpa") else { return };
    let metrics = hpa.get("metrics").and_then(toml_edit::Value::as_array);
    let memory = metrics
        .into_iter()
        .flatten()
        .filter_map(toml_edit::Value::as_inline_table)
        .find(|metric| metric.get("name").and_then(toml_edit::Value::as_str) == Some("memory"));
    let Some(metric) = memory.filter(|_| !table.contains_key("idle_memory_mib")) else { return };
    let own = of(lines, "requests");
    let request = amount(own.as_ref().and_then(|table| table.get("memory_mib"))).or_else(|| {
        let profile = draft.profile.as_deref().or_else(|| table.get("profile")?.as_str())?;
        let profile = knowledge.catalog.profiles.get(profile)?;
        let value = profile.get("requests")?.get("memory_mib")?;
        value.as_float().or(value.as_integer().map(|v| v as f64))
    });
    let percent = amount(metric.get("average_utilization"));
    let target = match (percent, amount(metric.get("average_value"))) {
        (Some(percent), _) => request.unwrap_or(0.0) * percent / 100.0,
        (None, value) => value.unwrap_or(0.0),
    };
    let share = knowledge.facts.assumed_idle_memory;
    let idle = (target * share).floor();
    let why = format!(
        "assumption: {:.0} % of the autoscaler's memory target, as no manifest says it; measure yours",
        share * 100.0
    );
    set(lines, Line::new("idle_memory_mib", number(idle), &why));
    let message = format!(
        "no manifest states the memory of an idle pod; {idle} MiB are assumed, {:.0} % of the autoscaler's target. At the target or above, replicas stay at the maximum",
        share * 100.0
    );
    notes.add(draft.place.clone(), &message);
}
