//! Metered services: what of a month's demand each one would bill.
//!
//! A service sees demand and never a price; it answers with [`UsageLine`]s under the names the bill
//! uses. Services do not see each other: what one sends over the network (log bytes through NAT,
//! public addresses of a load balancer) it declares as [`HandOver`]s, which are summed before metering.
//!
//! To add one: a file here, a `mod` line and a line of [`SERVICES`], and its rows in the price book.

use std::{fmt, sync::Arc};

use indexmap::{IndexMap, IndexSet};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    cluster::{
        autoscale::{policy::ZonePrice, settings::NodePool},
        capacity::Capacity,
        workload::{Kind, Reached, Workload},
    },
    demand::traffic::Class,
    error::nearest,
    facts::{
        prices::{BillKey, GLOBAL},
        shapes::{AuroraClass, Catalog},
    },
    measure::{
        calendar::Month,
        units::{BYTES_PER_GB, Quantity},
    },
};

pub(crate) mod acm;
pub(crate) mod alb;
pub(crate) mod aurora;
pub(crate) mod cloudfront;
pub(crate) mod cloudtrail;
pub(crate) mod cloudwatch;
pub(crate) mod datadog;
pub(crate) mod dr;
pub mod ebs;
pub(crate) mod ec2;
pub(crate) mod ecr;
pub(crate) mod eks;
pub(crate) mod github_actions;
pub mod hand_over;
pub(crate) mod kms;
pub(crate) mod nat;
pub(crate) mod public_ipv4;
pub(crate) mod route53;
pub(crate) mod s3;
pub(crate) mod secrets_manager;
pub mod sold;
pub(crate) mod ssm;
pub(crate) mod transfer;
pub(crate) mod vpc_endpoints;
pub(crate) mod vpc_flow_logs;
pub(crate) mod waf;

use hand_over::{HandOver, Received, Sent};
use sold::Sold;

/// One number that went into a quantity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// What it is.
    pub name: String,
    /// How much.
    pub value: f64,
    /// In what.
    pub unit: String,
}

/// Which formula and inputs made a number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// The formula, in the names of the inputs.
    pub formula: String,
    /// The inputs.
    pub inputs: Vec<Input>,
    /// What was assumed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub assumption: String,
}

impl Basis {
    /// A formula with its inputs as (name, value, unit).
    pub fn new(formula: &str, inputs: &[(&str, f64, &str)]) -> Self {
        let inputs = inputs.iter().map(|(name, value, unit)| Input {
            name: (*name).to_owned(),
            value: *value,
            unit: (*unit).to_owned(),
        });
        Self { formula: formula.to_owned(), inputs: inputs.collect(), assumption: String::new() }
    }

    /// Says what was assumed.
    #[must_use]
    pub fn assuming(mut self, assumption: &str) -> Self {
        assumption.clone_into(&mut self.assumption);
        self
    }
}

/// Usage of one meter by one resource in a month.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageLine {
    /// The meter.
    pub key: BillKey,
    /// What used it: a node pool, a cluster, a gateway.
    pub resource: String,
    /// How much, in the meter's unit.
    pub quantity: Quantity,
    /// How much of it in each hour of the month, where hours differ; empty where they are alike.
    pub hours: Vec<f64>,
    /// Zones and their price, where the scenario gives one in place of the price book's.
    pub zones: Option<ZonePrice>,
    /// Why.
    pub why: Basis,
}

impl UsageLine {
    /// Says in which zones it was used, where these have a price of their own.
    #[must_use]
    pub fn in_zones(mut self, zones: Option<ZonePrice>) -> Self {
        self.zones = zones;
        self
    }

    /// Says how much of it falls into each hour of the month.
    #[must_use]
    pub fn by_hour(mut self, hours: Vec<f64>) -> Self {
        self.hours = hours;
        self
    }
}

/// Something a service chose: an instance class, a number of readers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// What was chosen for, `aurora`.
    pub subject: String,
    /// What was chosen, `2 × db.r6g.large`.
    pub choice: String,
    /// Why.
    pub reason: String,
    /// The choice does not carry the load, or contradicts a setting.
    pub warning: bool,
}

impl Choice {
    /// Returns whether it changes in steps: serverless capacity follows the load.
    pub fn has_steps(&self) -> bool {
        !self.choice.ends_with(" ACU")
    }
}

/// What a service answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metered {
    /// Usage.
    pub lines: Vec<UsageLine>,
    /// Choices made on the way.
    pub choices: Vec<Choice>,
}

impl From<Vec<UsageLine>> for Metered {
    fn from(lines: Vec<UsageLine>) -> Self {
        Self { lines, choices: Vec::new() }
    }
}

/// One month of one account, as services see it.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// The month.
    pub month: Month,
    /// Months since the plan's first.
    pub month_index: u32,
    /// Sessions in each minute of the month, as they reached the account.
    pub minutes: &'a [f64],
    /// Region code.
    pub region: &'a str,
    /// Availability zones in use.
    pub zones: u32,
    /// Monthly users.
    pub users: f64,
    /// Share of users that this account serves.
    pub traffic_share: f64,
    /// What the cluster used.
    pub capacity: &'a Capacity,
    /// Traffic classes.
    pub classes: &'a IndexMap<String, Class>,
    /// Requests that one client connection carries.
    pub requests_per_connection: f64,
    /// Workloads.
    pub workloads: &'a IndexMap<String, Workload>,
    /// Node pools.
    pub node_pools: &'a IndexMap<String, NodePool>,
    /// Shapes and facts.
    pub catalog: &'a Catalog,
    /// Database classes that the region sells, as far as the price book knows.
    pub sold_classes: &'a [AuroraClass],
    /// Whether the account is in its first twelve months, with the legacy free tier.
    pub free_tier: bool,
    /// Whether the account's schedule stops the database outside its hours.
    pub stops_database: bool,
    /// What all services hand over; empty while they declare it.
    pub received: Received,
}

impl Demand<'_> {
    /// Calendar hours of the month.
    pub fn hours(&self) -> f64 {
        self.month.hours() as f64
    }

    /// Whether the database runs in a minute of the month, and is billed: a schedule may stop it.
    pub fn database_runs(&self, minute: usize) -> bool {
        !self.stops_database || self.capacity.awake.get(minute).copied().unwrap_or(true)
    }

    /// Requests that reach the load balancer in one session.
    pub fn alb_requests_per_session(&self) -> f64 {
        self.through_alb(|_| 1.0)
    }

    /// Bytes through the load balancer in one session, both directions \[KiB\].
    pub fn alb_kib_per_session(&self) -> f64 {
        self.through_alb(|class| class.request_kib + class.response_kib)
    }

    /// Answer bytes from the load balancer to the internet in one session \[KiB\]; those to `CloudFront` are free.
    pub fn alb_response_kib_per_session(&self) -> f64 {
        self.through_alb(|class| if class.at_edge.is_some() { 0.0 } else { class.response_kib })
    }

    fn through_alb(&self, of: impl Fn(&Class) -> f64) -> f64 {
        self.per_session(|workload| workload.reached == Reached::ThroughAlb, of)
    }

    /// Sum over the calls that chosen workloads serve in one session.
    pub fn per_session(
        &self,
        chosen: impl Fn(&Workload) -> bool,
        of: impl Fn(&Class) -> f64,
    ) -> f64 {
        let served = self.workloads.values().filter(|w| w.kind == Kind::Deployment && chosen(w));
        served
            .flat_map(|workload| &workload.calls_per)
            .filter_map(|(name, calls)| {
                self.classes.get(name).map(|class| calls * class.per_session * of(class))
            })
            .sum()
    }

    /// Requests of a workload in the month.
    pub fn requests_of(&self, workload: &str) -> f64 {
        let used = self.capacity.workloads.iter().find(|used| used.name == workload);
        used.map_or(0.0, |used| used.requests)
    }

    /// Bytes of the month between workloads and third parties, both directions \[GB\].
    pub fn external_gb(&self) -> f64 {
        self.bytes_of(|workload| workload.external_kib_per_request)
    }

    /// Logs and traces sent out in the month \[GB\].
    pub fn log_gb(&self) -> f64 {
        self.bytes_of(|workload| workload.log_kib_per_request)
    }

    fn bytes_of(&self, kib_per_request: fn(&Workload) -> f64) -> f64 {
        let kib =
            self.workloads.iter().map(|(name, w)| self.requests_of(name) * kib_per_request(w));
        kib_to_gb(kib.sum())
    }

    /// Share of traffic between pods that crosses a zone when every zone is as likely.
    pub fn cross_zone_share(&self) -> f64 {
        f64::from(self.zones.max(1) - 1) / f64::from(self.zones.max(1))
    }

    /// A usage line in the account's region.
    pub fn line(&self, meter: Meter<'_>, resource: &str, quantity: f64, why: Basis) -> UsageLine {
        Self::line_in(self.region, meter, resource, quantity, why)
    }

    /// A usage line of a service that has no region.
    pub fn global_line(
        &self,
        meter: Meter<'_>,
        resource: &str,
        quantity: f64,
        why: Basis,
    ) -> UsageLine {
        Self::line_in(GLOBAL, meter, resource, quantity, why)
    }

    /// A usage line in a region of one's choice.
    pub fn line_in(
        region: &str,
        meter: Meter<'_>,
        resource: &str,
        quantity: f64,
        why: Basis,
    ) -> UsageLine {
        UsageLine {
            key: BillKey::new(meter.service, region, meter.usage_type, meter.operation),
            resource: resource.to_owned(),
            quantity: Quantity::new(quantity),
            hours: Vec::new(),
            zones: None,
            why,
        }
    }
}

/// What a service's settings are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Traffic classes.
    pub classes: &'a IndexMap<String, Class>,
    /// The account's workloads.
    pub workloads: &'a IndexMap<String, Workload>,
    /// The account's region.
    pub region: &'a str,
    /// Whether the account's schedule stops the database outside its hours.
    pub stops_database: bool,
    /// Whether the account's database is the primary of a global one.
    pub replicates_database: bool,
    /// Shapes and facts.
    pub catalog: &'a Catalog,
}

impl Context<'_> {
    /// A problem for each name that is no traffic class.
    pub fn unknown_classes<'n>(
        &self,
        key: &str,
        names: impl Iterator<Item = &'n String>,
    ) -> Vec<Finding> {
        let unknown = names.filter(|name| !self.classes.contains_key(*name));
        let findings = unknown.map(|name| {
            let near = nearest(name, self.classes.keys().map(|known| &**known));
            let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            Finding::new(key, format!("no traffic class {name:?}{near}"))
        });
        findings.collect()
    }
}

/// KiB as what AWS bills as GB.
pub fn kib_to_gb(kib: f64) -> f64 {
    kib * 1024.0 / BYTES_PER_GB
}

/// The keys that are set although nothing asks for them, with one reason.
fn unused_keys<'a>(keys: impl IntoIterator<Item = (&'a str, bool)>, why: &str) -> Vec<Finding> {
    let set = keys.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(key, _)| Finding::new(key, why)).collect()
}

/// Settings above what AWS allows, as problems: each a key, its value and the most there is.
fn above_limits<'a>(limits: impl IntoIterator<Item = (&'a str, f64, f64)>) -> Vec<Finding> {
    let above = limits.into_iter().filter(|(_, value, most)| value > most);
    above
        .map(|(key, value, most)| {
            Finding::new(key, format!("{value} is above {most}, the most AWS allows"))
        })
        .collect()
}

/// A meter, by the names that the bill uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter<'a> {
    /// Service code.
    pub service: &'a str,
    /// Usage type; among [`Service::METERS`], a closing `*` is any ending, and an opening one any beginning.
    pub usage_type: &'a str,
    /// Operation; empty where the bill has none.
    pub operation: &'a str,
}

impl<'a> Meter<'a> {
    /// Names a meter.
    pub const fn new(service: &'a str, usage_type: &'a str, operation: &'a str) -> Self {
        Self { service, usage_type, operation }
    }

    /// Returns whether a key is one of its meters.
    pub fn matches(&self, key: &BillKey) -> bool {
        let named = match (self.usage_type.strip_suffix('*'), self.usage_type.strip_prefix('*')) {
            (Some(start), _) => key.usage_type.starts_with(start),
            (None, Some(end)) => key.usage_type.ends_with(end),
            (None, None) => key.usage_type == self.usage_type,
        };
        named && key.service == self.service && key.operation == self.operation
    }
}

/// A setting that is wrong or changes nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The setting, from the service's table on.
    pub key: String,
    /// What is wrong, or why it changes nothing.
    pub message: String,
}

impl Finding {
    /// Makes a finding on a setting.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }

    /// Returns the finding with its key below a table's.
    #[must_use]
    pub fn below(self, table: &str) -> Self {
        Self { key: format!("{table}.{}", self.key), ..self }
    }
}

/// What answers users before the account's load balancer does.
#[derive(Debug, Clone, Copy)]
pub struct Edge<'a> {
    /// Traffic classes that it serves.
    pub classes: &'a IndexSet<String>,
    /// Share of requests that it answers itself.
    pub hit_ratio: f64,
}

/// A metered service; the type is its own table of the scenario.
pub trait Service: DeserializeOwned + JsonSchema + fmt::Debug + Send + Sync + 'static {
    /// The scenario's table name, `waf`.
    const KIND: &'static str;
    /// All it can emit; a test finds each in the price book.
    const METERS: &'static [Meter<'static>];

    /// Those of [`Self::METERS`] that AWS does not sell everywhere, or whose price is read in some regions only: without a
    /// price they count as not sold in a region, and a plan that needs one is refused.
    const SOLD_IN_SOME_REGIONS: &'static [&'static str] = &[];

    /// Whether an organization has it once, so that only one account may.
    const ONCE: bool = false;

    /// Returns the usage types that a pattern of [`Self::METERS`] stands for in a region, without the usual one: that
    /// any price will do.
    fn usage_types(_pattern: &str, _sold: &Sold<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Takes defaults that depend on the account's region.
    fn settle(&mut self, _region: &str, _catalog: &Catalog) {}

    /// What to meter when the scenario has no such table: `None` when there is none then.
    fn when_absent() -> Option<Self> {
        None
    }

    /// Returns settings that contradict each other or the workloads.
    fn check(&self, _context: &Context<'_>) -> Vec<Finding> {
        Vec::new()
    }

    /// Returns settings that change nothing.
    fn unused(&self, _context: &Context<'_>) -> Vec<Finding> {
        Vec::new()
    }

    /// Returns regions other than the account's own whose prices it needs.
    fn regions(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The traffic that it answers before the account's load balancer does.
    fn edge(&self) -> Option<Edge<'_>> {
        None
    }

    /// Returns the minor version of Kubernetes 1 that it runs, where the scenario names it.
    fn kubernetes_minor(&self) -> Option<u32> {
        None
    }

    /// Returns the database capacity that it may run: instance classes, `db.r8g.large`, or
    /// [`SERVERLESS`](crate::facts::commitment_rates::SERVERLESS) capacity; `sold` are the classes that its region sells.
    fn database_capacity(&self, _catalog: &Catalog, _sold: &[AuroraClass]) -> Vec<String> {
        Vec::new()
    }

    /// Returns whether it replicates the account's database to another region.
    fn replicates_database(&self) -> bool {
        false
    }

    /// Returns what an account without such a table leaves out, as a warning's reason.
    fn lost_without(_demand: &Demand<'_>) -> Option<String> {
        None
    }

    /// Returns what it hands over to other services, or to itself.
    fn sends(&self, _demand: &Demand<'_>) -> Vec<Sent> {
        Vec::new()
    }

    /// The database that it is, for a look at it tick by tick.
    fn database(&self, _demand: &Demand<'_>) -> Option<aurora::live::Setup> {
        None
    }

    /// What it bills.
    fn meter(&self, demand: &Demand<'_>) -> Metered;
}

/// [`Service`] without its type, for the list of an account.
pub trait AnyService: fmt::Debug + Send + Sync {
    /// The scenario's table name.
    fn kind(&self) -> &'static str;
    /// See [`Service::ONCE`].
    fn once(&self) -> bool;
    /// See [`Service::check`].
    fn check(&self, context: &Context<'_>) -> Vec<Finding>;
    /// See [`Service::unused`].
    fn unused(&self, context: &Context<'_>) -> Vec<Finding>;
    /// See [`Service::regions`].
    fn regions(&self) -> Vec<&str>;
    /// See [`Service::edge`].
    fn edge(&self) -> Option<Edge<'_>>;
    /// See [`Service::kubernetes_minor`].
    fn kubernetes_minor(&self) -> Option<u32>;
    /// See [`Service::database_capacity`].
    fn database_capacity(&self, catalog: &Catalog, sold: &[AuroraClass]) -> Vec<String>;
    /// See [`Service::replicates_database`].
    fn replicates_database(&self) -> bool;
    /// See [`Service::sends`].
    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent>;
    /// See [`Service::database`].
    fn database(&self, demand: &Demand<'_>) -> Option<aurora::live::Setup>;
    /// See [`Service::meter`].
    fn meter(&self, demand: &Demand<'_>) -> Metered;
}

impl<S: Service> AnyService for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }
    fn once(&self) -> bool {
        S::ONCE
    }
    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        Service::check(self, context)
    }
    fn unused(&self, context: &Context<'_>) -> Vec<Finding> {
        Service::unused(self, context)
    }
    fn database(&self, demand: &Demand<'_>) -> Option<aurora::live::Setup> {
        Service::database(self, demand)
    }
    fn regions(&self) -> Vec<&str> {
        Service::regions(self)
    }
    fn edge(&self) -> Option<Edge<'_>> {
        Service::edge(self)
    }
    fn kubernetes_minor(&self) -> Option<u32> {
        Service::kubernetes_minor(self)
    }
    fn database_capacity(&self, catalog: &Catalog, sold: &[AuroraClass]) -> Vec<String> {
        Service::database_capacity(self, catalog, sold)
    }
    fn replicates_database(&self) -> bool {
        Service::replicates_database(self)
    }
    fn sends(&self, demand: &Demand<'_>) -> Vec<Sent> {
        Service::sends(self, demand)
    }
    fn meter(&self, demand: &Demand<'_>) -> Metered {
        Service::meter(self, demand)
    }
}

type Parse = fn(Option<toml::Value>, &str, &Catalog) -> Result<Option<Arc<dyn AnyService>>, String>;

/// One line of [`SERVICES`].
#[derive(Clone, Copy)]
pub struct Registration {
    /// The scenario's table name.
    pub kind: &'static str,
    /// All it can emit.
    pub meters: &'static [Meter<'static>],
    /// See [`Service::SOLD_IN_SOME_REGIONS`].
    pub sold_in_some_regions: &'static [&'static str],
    /// Reads the service's table, or what stands for its absence, in a region.
    pub parse: Parse,
    /// See [`Service::usage_types`].
    pub usage_types: fn(&str, &Sold<'_>) -> Vec<String>,
    /// See [`Service::lost_without`].
    pub lost_without: fn(&Demand<'_>) -> Option<String>,
    /// The table's JSON Schema.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Registration {
    const fn new<S: Service>() -> Self {
        Self {
            kind: S::KIND,
            meters: S::METERS,
            sold_in_some_regions: S::SOLD_IN_SOME_REGIONS,
            parse: parse::<S>,
            usage_types: S::usage_types,
            lost_without: S::lost_without,
            schema: schema::<S>,
        }
    }
}

fn parse<S: Service>(
    value: Option<toml::Value>,
    region: &str,
    catalog: &Catalog,
) -> Result<Option<Arc<dyn AnyService>>, String> {
    let spec = match value {
        Some(value) => Some(value.try_into::<S>().map_err(|error| error.to_string())?),
        None => S::when_absent(),
    };
    Ok(spec.map(|mut spec| {
        spec.settle(region, catalog);
        Arc::new(spec) as Arc<dyn AnyService>
    }))
}

fn schema<S: Service>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<S>()
}

/// Every service, in the order of the report.
pub static SERVICES: &[Registration] = &[
    Registration::new::<ec2::Spec>(),
    Registration::new::<ebs::Spec>(),
    Registration::new::<eks::Spec>(),
    Registration::new::<alb::Spec>(),
    Registration::new::<waf::Spec>(),
    Registration::new::<nat::Spec>(),
    Registration::new::<transfer::Spec>(),
    Registration::new::<public_ipv4::Spec>(),
    Registration::new::<vpc_endpoints::Spec>(),
    Registration::new::<vpc_flow_logs::Spec>(),
    Registration::new::<route53::Spec>(),
    Registration::new::<acm::Spec>(),
    Registration::new::<cloudfront::Spec>(),
    Registration::new::<s3::Spec>(),
    Registration::new::<aurora::Spec>(),
    Registration::new::<ssm::Spec>(),
    Registration::new::<secrets_manager::Spec>(),
    Registration::new::<kms::Spec>(),
    Registration::new::<ecr::Spec>(),
    Registration::new::<github_actions::Spec>(),
    Registration::new::<cloudwatch::Spec>(),
    Registration::new::<cloudtrail::Spec>(),
    Registration::new::<dr::Spec>(),
    Registration::new::<datadog::Spec>(),
];

/// Returns a warning for each quantity that no service of the account bills.
fn unclaimed(services: &[Arc<dyn AnyService>], demand: &Demand<'_>) -> Vec<Choice> {
    let missing = |kind: &str| !services.iter().any(|service| service.kind() == kind);
    let mut all = Vec::new();
    for Sent { kind, quantity } in demand.received.iter() {
        let HandOver { receiver, what, billed } = *kind;
        if billed && *quantity > 0.0 && missing(receiver) {
            let quantity = rounded_up(*quantity);
            let reason =
                format!("{quantity} {what} are not billed, because there is no [{receiver}] table");
            all.push(lost_choice(receiver, reason));
        }
    }
    for service in SERVICES.iter().filter(|service| missing(service.kind)) {
        all.extend((service.lost_without)(demand).map(|reason| lost_choice(service.kind, reason)));
    }
    let edge = services.iter().find_map(|service| service.edge());
    for (name, class) in demand.classes {
        if edge.is_none_or(|edge| !edge.classes.contains(name)) {
            all.extend(unserved(demand, name, class));
        }
    }
    all
}

/// A warning for a traffic class that no workload serves, or whose answers leave by no service.
fn unserved(demand: &Demand<'_>, name: &str, class: &Class) -> Option<Choice> {
    let serves = |workload: &&Workload| {
        workload.kind == Kind::Deployment
            && workload.calls_per.get(name).is_some_and(|calls| *calls > 0.0)
    };
    let requests = demand.capacity.sessions * class.per_session;
    let mut serving = demand.workloads.values().filter(serves).peekable();
    let subject = format!("traffic.classes.{name}");
    if requests <= 0.0 {
        None
    } else if serving.peek().is_none() {
        let requests = requests.round();
        Some(lost_choice(
            &subject,
            format!("{requests} requests are served by no workload and no [cloudfront]"),
        ))
    } else if serving.all(|workload| workload.reached == Reached::Internally) {
        let gb = rounded_up(kib_to_gb(requests * class.response_kib));
        Some(lost_choice(
            &subject,
            format!(
                "{gb} GB of answers to users leave by no load balancer and no [cloudfront], so their transfer is not billed"
            ),
        ))
    } else {
        None
    }
}

fn rounded_up(much: f64) -> f64 {
    (much * 100.0).ceil() / 100.0
}

fn lost_choice(subject: &str, reason: String) -> Choice {
    Choice { subject: subject.to_owned(), choice: "none".into(), reason, warning: true }
}

/// Meters one month of one account with all its services.
pub fn meter(services: &[Arc<dyn AnyService>], demand: &Demand<'_>) -> Metered {
    let received = services.iter().flat_map(|service| service.sends(demand)).collect();
    let demand = Demand { received, ..*demand };
    let mut all = Metered { lines: Vec::new(), choices: unclaimed(services, &demand) };
    for service in services {
        let metered = service.meter(&demand);
        all.lines.extend(metered.lines.into_iter().filter(|line| line.quantity.get() > 0.0));
        all.choices.extend(metered.choices);
    }
    all
}

#[cfg(test)]
pub(crate) mod fixture;
