//! The scenario: what the user intends, as one TOML file; no prices.
//!
//! The tables `cluster`, `workloads` and one per service form the *stack*. Every account runs the
//! stack of the top level, changed by its own `override` tables and shortened by its `remove` list, so
//! that a non-production account says only how it differs. A workload with a `profile` starts from
//! that profile's table in the same way.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::civil::Time;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    cluster::{
        autoscale::settings::Cluster,
        workload::{Kind, Reached, Workload},
    },
    demand::{
        growth::Users,
        traffic::{Class, Traffic},
    },
    error::{Error, Problem, nearest},
    facts::shapes::Catalog,
    intent::{
        budget::{Budget, Revenue},
        commitment::Commitment,
        scenario::{
            document::Document,
            key::Key,
            ranges::{Correlation, Input, Ranges},
            tuning::Tuning,
        },
    },
    measure::{
        calendar::{MINUTES_PER_DAY, Month},
        random::{self, Draws, Stream},
    },
    usage::services::{AnyService, Context, Finding, SERVICES},
};

pub mod account;
pub(crate) mod check;
pub(crate) mod document;
pub(crate) mod edit;
pub(crate) mod key;
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only sliders of `serve` use it"))]
pub(crate) mod number;
mod overlay;
pub mod ranges;
pub mod schema;
pub mod tuning;

/// When the plan runs.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanSettings {
    /// What the plan is called.
    pub name: String,
    /// First month.
    pub start: Month,
    /// Months.
    #[schemars(range(min = 1, max = 120))]
    pub months: u32,
    /// Region of the accounts that name none, `us-east-1`.
    pub region: Option<String>,
    /// Seed of every random draw.
    #[serde(default)]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub seed: u64,
}

/// How the bill is made.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Whether one payer's accounts climb price steps and use free parts together (AWS Organizations).
    #[serde(default)]
    pub consolidated: bool,
    /// AWS Support plan, `Business Support+`; by default none.
    pub support: Option<String>,
    /// Discount of a contract (EDP) on all AWS charges but support \[percent\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 90), extend("format" = "percent"))]
    pub discount_percent: f64,
    /// Private discounts by service.
    #[serde(default)]
    pub discounts: Vec<Discount>,
    /// Tax on all charges \[percent\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 100), extend("format" = "percent"))]
    pub tax_percent: f64,
}

/// A private discount on one service.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discount {
    /// Service code or Cost Explorer service: `AmazonRDS`.
    pub service: String,
    /// Discount on its charges \[percent\].
    #[schemars(range(min = 0, max = 90), extend("format" = "percent"))]
    pub percent: f64,
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// When an account is awake; outside, deployments that are not `always_on` are scaled to 0.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Days it wakes.
    pub days: Vec<Day>,
    /// When it wakes, UTC: `08:00`.
    #[schemars(extend("format" = "time-of-day"))]
    pub from: String,
    /// When it goes to sleep, UTC: `20:00`; `24:00` is midnight.
    #[schemars(extend("format" = "time-of-day"))]
    pub to: String,
    /// Whether the database is stopped outside.
    #[serde(default)]
    pub stop_database: bool,
}

/// The `[accounts.<name>]` table, apart from its overrides.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// Twelve digits of the AWS account, or its pseudonym in bills that `--redact-accounts` imported.
    pub id: Option<String>,
    /// Region code, `us-east-1`. By default `plan.region`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// Share of the users' traffic that reaches it: 1 for production, 0.01 for a test system.
    #[schemars(range(min = 0, max = 10))]
    pub traffic_share: f64,
    /// Last month of the legacy twelve-month free tier, for an account that has it.
    pub free_tier_until: Option<Month>,
    /// When it is awake; by default always.
    pub schedule: Option<Schedule>,
    /// Tables of the stack that it does without: `waf`, `workloads.datadog-agent`.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Settings of the stack that differ here.
    #[serde(default, rename = "override")]
    #[schemars(skip)]
    pub overrides: Option<toml::Table>,
}

/// What an account runs.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The EKS cluster.
    pub cluster: Cluster,
    /// Workloads by name.
    pub workloads: IndexMap<String, Workload>,
    /// Metered services, in the order of [`SERVICES`].
    pub services: Vec<Arc<dyn AnyService>>,
}

/// An account and its stack.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name in the scenario.
    pub name: String,
    /// Its settings.
    pub settings: AccountSettings,
    /// Traffic classes as they reach its load balancer and pods.
    pub classes: IndexMap<String, Class>,
    /// What it runs.
    pub stack: Stack,
}

impl Account {
    /// Returns the minor version of Kubernetes 1 that it runs, where `[eks]` names it.
    pub fn kubernetes_minor(&self) -> Option<u32> {
        self.stack.services.iter().find_map(|service| service.kubernetes_minor())
    }

    /// Returns what its services are checked against.
    pub fn context<'a>(&'a self, catalog: &'a Catalog) -> Context<'a> {
        let stops = self.settings.schedule.as_ref().is_some_and(|own| own.stop_database);
        let services = &self.stack.services;
        let mut kinds = services.iter().map(|service| service.kind());
        Context {
            classes: &self.classes,
            workloads: &self.stack.workloads,
            region: &self.settings.region,
            stops_database: stops && kinds.any(|kind| kind == "aurora"),
            replicates_database: services.iter().any(|service| service.replicates_database()),
            catalog,
        }
    }
}

/// The whole scenario, checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// When the plan runs.
    pub plan: PlanSettings,
    /// How the bill is made.
    pub billing: Billing,
    /// Monthly users.
    pub users: Users,
    /// How users make traffic.
    pub traffic: Traffic,
    /// Accounts, in the order of the file.
    pub accounts: Vec<Account>,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// Revenue from users.
    pub revenue: Option<Revenue>,
    /// Savings Plans and reserved instances.
    pub commitments: Vec<Commitment>,
    /// What `tune` may change.
    pub tune: Option<Tuning>,
    /// Uncertain numbers.
    pub ranges: Arc<Ranges>,
    /// The document it was read from, with one value for each range, to place later problems.
    pub document: Document,
}

/// The typed part that is the same for all accounts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Common {
    /// When the plan runs.
    pub(crate) plan: PlanSettings,
    /// How the bill is made.
    #[serde(default)]
    pub(crate) billing: Billing,
    /// Monthly users.
    pub(crate) users: Users,
    /// How users make traffic.
    pub(crate) traffic: Traffic,
    /// Accounts by name.
    pub(crate) accounts: IndexMap<String, AccountSettings>,
    /// Ranges that move together.
    #[serde(default)]
    pub(crate) correlations: Vec<Correlation>,
    /// Budgets.
    #[serde(default)]
    pub(crate) budgets: Vec<Budget>,
    /// Revenue from users.
    pub(crate) revenue: Option<Revenue>,
    /// Savings Plans and reserved instances.
    #[serde(default)]
    pub(crate) commitments: Vec<Commitment>,
    /// What `tune` may change.
    pub(crate) tune: Option<Tuning>,
}

/// Which numbers replace ranges.
enum Numbers {
    /// The mid values, of ranges just read.
    Mid(Vec<Input>),
    /// Those of a trial.
    Drawn(Arc<Ranges>),
}

impl Scenario {
    /// Returns the draws of an account's cluster. They depend on the names of the accounts, and not on the order of
    /// their tables: each account has the number of names behind its own in the alphabet.
    pub fn cluster_luck(&self, trial: u32, account: usize) -> Draws {
        let own = &self.accounts[account].name;
        let behind = self.accounts.iter().filter(|other| other.name > *own).count();
        random::stream(self.plan.seed, trial, Stream::Cluster, behind as u32)
    }

    /// Returns the key that gives an account its region.
    pub fn region_key(&self, account: &Account) -> String {
        let own = self.document.table.get("accounts").and_then(|all| all.get(&account.name));
        if own.is_some_and(|own| own.get("region").is_some()) {
            format!("accounts.{}.region", account.name)
        } else {
            "plan.region".to_owned()
        }
    }

    /// Returns every region whose prices the accounts need.
    pub fn regions(&self) -> Vec<&str> {
        let mut regions: Vec<&str> = Vec::new();
        for account in &self.accounts {
            regions.push(&account.settings.region);
            regions.extend(account.stack.services.iter().flat_map(|service| service.regions()));
        }
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    /// Reads and checks a scenario.
    ///
    /// # Errors
    /// Every problem found, each with its file, line and key.
    pub fn parse(file: &str, text: &str, catalog: &Catalog) -> Result<Self, Error> {
        Self::read(Document::parse(file, text)?, catalog)
    }

    /// Checks a document that was read.
    ///
    /// # Errors
    /// As [`Self::parse`], but for what is no document.
    pub fn read(mut document: Document, catalog: &Catalog) -> Result<Self, Error> {
        let inputs = schema::check(&document).map_err(Error::input)?;
        for input in &inputs {
            input.set_mid(&mut document);
        }
        Self::build(document, Numbers::Mid(inputs), catalog)
    }

    /// Returns whether trials differ by more than luck.
    pub fn is_uncertain(&self) -> bool {
        let open = |event: &crate::demand::traffic::Event| {
            event.probability > 0.0 && event.probability < 1.0
        };
        self.ranges.inputs.iter().any(|input| !input.law.is_certain())
            || self.users.strays()
            || self.traffic.events.iter().any(open)
    }

    /// Returns the scenario with these values in the places of its ranges.
    ///
    /// # Errors
    /// Values that contradict each other.
    pub fn with_values(&self, values: &[f64], catalog: &Catalog) -> Result<Self, Error> {
        let mut document = self.document.clone();
        self.ranges.set(values, &mut document);
        Self::build(document, Numbers::Drawn(Arc::clone(&self.ranges)), catalog)
    }

    /// Returns the scenario with other values at some keys of the document.
    ///
    /// # Errors
    /// As [`Self::with_values`]; the schema is not asked, see [`Self::misfits`].
    pub fn with_edits(
        &self,
        values: &[f64],
        edits: &[(&Key, &toml::Value)],
        catalog: &Catalog,
    ) -> Result<Self, Error> {
        let mut document = self.document.clone();
        self.ranges.set(values, &mut document);
        for (key, value) in edits {
            key.set(&mut document.table, (*value).clone());
        }
        Self::build(document, Numbers::Drawn(Arc::clone(&self.ranges)), catalog)
    }

    /// Returns the problems of new values at some keys, by the schema.
    pub fn misfits(
        &self,
        account: &str,
        edits: &[(&Key, &toml::Value)],
        catalog: &Catalog,
    ) -> Vec<Problem> {
        let mut document = self.document.clone();
        for (key, value) in edits {
            key.set(&mut document.table, (*value).clone());
        }
        if let Err(problems) = schema::check(&document) {
            return problems;
        }
        let Some(own) = self.accounts.iter().find(|own| own.name == account) else {
            return Vec::new();
        };
        let settings = document.table.get("accounts").and_then(|all| all.get(account)).cloned();
        let settings = settings.and_then(|own| own.try_into::<AccountSettings>().ok());
        let settings = settings.as_ref().unwrap_or(&own.settings);
        match merged(account, settings, &document, catalog) {
            Ok(stack) => schema::check_complete(&stack, account, &document),
            Err(problems) => problems,
        }
    }

    /// Returns the tables that an account runs: base, overrides, removals, profiles.
    pub fn stack_of(&self, account: &Account, catalog: &Catalog) -> toml::Table {
        merged(&account.name, &account.settings, &self.document, catalog).unwrap_or_default()
    }

    /// Returns the key at which the document holds, or would hold, an account's setting.
    pub fn home(&self, account: &str, key: &Key) -> Key {
        let accounts: Vec<(&str, &AccountSettings)> =
            self.accounts.iter().map(|own| (&*own.name, &own.settings)).collect();
        key.home(&self.document.table, &accounts, account)
    }

    /// Returns a scenario of other values, placed in this one's document; its ranges are gone.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn with_table(&self, table: toml::Table, catalog: &Catalog) -> Result<Self, Error> {
        let mut document = self.document.clone();
        document.table = table;
        // Correlations are of ranges, and no number here is one.
        document.table.remove("correlations");
        let inputs = schema::check(&document).map_err(Error::input)?;
        Self::build(document, Numbers::Mid(inputs), catalog)
    }

    /// Returns the tables an account runs, its overrides over the stack, without what it removes;
    /// profiles are not laid under.
    pub fn stack_table(&self, account: &Account) -> toml::Table {
        let mut raw = self.document.table.clone();
        if let Some(overrides) = &account.settings.overrides {
            overlay::merge(&mut raw, overrides);
        }
        for path in &account.settings.remove {
            overlay::remove(&mut raw, path);
        }
        raw
    }

    /// Reads a document that holds one number for each range.
    fn build(document: Document, numbers: Numbers, catalog: &Catalog) -> Result<Self, Error> {
        // Drawn values change nothing of what is there and what is missing.
        let whole = matches!(numbers, Numbers::Mid(_));
        let mut common: Common = toml::Value::Table(document.table.clone())
            .try_into()
            .map_err(|e: toml::de::Error| Error::input(vec![document.problem("", e.message())]))?;
        for settings in common.accounts.values_mut().filter(|own| own.region.is_empty()) {
            settings.region = common.plan.region.clone().unwrap_or_default();
        }
        let mut problems = check::common(&common, &document);
        let mut accounts = Vec::new();
        for (name, settings) in &common.accounts {
            let classes = &common.traffic.classes;
            match account((name, settings), classes, (&document, whole), catalog) {
                Ok(account) => accounts.push(account),
                Err(found) => problems.extend(found),
            }
        }
        for account in &accounts {
            let context = account.context(catalog);
            for service in &account.stack.services {
                for Finding { key, message } in service.check(&context) {
                    let key = format!("{}.{key}", service.kind());
                    problems.push(document.account_problem(&account.name, &key, &message));
                }
            }
        }
        problems.extend(check::once(&accounts, &document));
        for (index, bought) in common.commitments.iter().enumerate() {
            // A region newer than the program is one that an account names: its prices have been refreshed.
            let placed = |region: &&String| {
                accounts.iter().any(|account| account.settings.region == **region)
            };
            let unknown = |region: &&String| catalog.prefix(region).is_none() && !placed(region);
            if let Some(region) = bought.region.as_ref().filter(unknown) {
                let key = format!("commitments[{index}].region");
                problems.push(document.problem(&key, &catalog.unknown_region(region)));
            }
        }
        let ranges = match numbers {
            Numbers::Drawn(ranges) => Some(ranges),
            Numbers::Mid(inputs) => Ranges::new(inputs, &common.correlations, &document)
                .map_err(|found| problems.extend(found))
                .map(Arc::new)
                .ok(),
        };
        let (Some(ranges), true) = (ranges, problems.is_empty()) else {
            return Err(Error::input(problems));
        };
        let Common { plan, billing, users, traffic, budgets, revenue, commitments, tune, .. } =
            common;
        Ok(Self {
            plan,
            billing,
            users,
            traffic,
            accounts,
            budgets,
            revenue,
            commitments,
            tune,
            ranges,
            document,
        })
    }
}

/// Returns the tables of one account's stack: base, overrides, removals, profiles.
fn merged(
    name: &str,
    settings: &AccountSettings,
    document: &Document,
    catalog: &Catalog,
) -> Result<toml::Table, Vec<Problem>> {
    let mut raw = document.table.clone();
    let mut problems = Vec::new();
    if let Some(overrides) = &settings.overrides {
        problems.extend(overlay::unknown_names(&raw, overrides, name, document));
        overlay::merge(&mut raw, overrides);
    }
    for (index, path) in settings.remove.iter().enumerate() {
        let key = format!("accounts.{name}.remove[{index}]");
        if settings.overrides.as_ref().is_some_and(|o| overlay::has(o, path)) {
            let message =
                format!("{path:?} is also overridden in this account; remove one of them");
            problems.push(document.problem(&key, &message));
        } else if !overlay::remove(&mut raw, path) {
            let message = format!("{path:?} is not in the stack; write waf, or workloads.kong");
            problems.push(document.problem(&key, &message));
        }
    }
    if let Some(toml::Value::Table(workloads)) = raw.get_mut("workloads") {
        problems.extend(apply_profiles(workloads, name, document, catalog));
    }
    if problems.is_empty() { Ok(raw) } else { Err(problems) }
}

/// One account with its stack.
fn account(
    (name, settings): (&str, &AccountSettings),
    classes: &IndexMap<String, Class>,
    (document, whole): (&Document, bool),
    catalog: &Catalog,
) -> Result<Account, Vec<Problem>> {
    let raw = merged(name, settings, document, catalog)?;
    if whole {
        let problems = schema::check_complete(&raw, name, document);
        if !problems.is_empty() {
            return Err(problems);
        }
    }
    let stack = stack(&raw, &settings.region, catalog)
        .map_err(|(key, message)| vec![document.account_problem(name, &key, &message)])?;
    let classes = classes_behind_edge(classes, &stack);
    let account = Account { name: name.to_owned(), settings: settings.clone(), classes, stack };
    let problems = carriers(&account, document);
    if problems.is_empty() { Ok(account) } else { Err(problems) }
}

/// Traffic classes as they reach the account's load balancer and pods: of what `CloudFront` serves with a
/// workload behind the load balancer as its origin, the requests that it passes on.
fn classes_behind_edge(
    classes: &IndexMap<String, Class>,
    stack: &Stack,
) -> IndexMap<String, Class> {
    let mut classes = classes.clone();
    let Some(edge) = stack.services.iter().find_map(|service| service.edge()) else {
        return classes;
    };
    for (name, class) in classes.iter_mut().filter(|(name, _)| edge.classes.contains(*name)) {
        let is_origin = |workload: &Workload| {
            workload.reached == Reached::ThroughAlb
                && workload.calls_per.get(name).is_some_and(|calls| *calls > 0.0)
        };
        if stack.workloads.values().any(is_origin) {
            class.at_edge = Some(class.per_session);
            class.per_session *= 1.0 - edge.hit_ratio;
        }
    }
    classes
}

/// Checks that what needs a load balancer has one that leads to a workload: its usage would be billed to
/// nobody.
fn carriers(account: &Account, document: &Document) -> Vec<Problem> {
    let (stack, name) = (&account.stack, &*account.name);
    let has = |kind: &str| stack.services.iter().any(|service| service.kind() == kind);
    let mut problems = Vec::new();
    let daemon_sets = stack.workloads.iter().filter(|(_, w)| w.kind == Kind::DaemonSet);
    for (workload, _) in daemon_sets.filter(|(_, w)| !w.calls_per.is_empty()) {
        let key = format!("workloads.{workload}.calls_per");
        let message = "the pods of a daemon-set serve no requests in a plan, so these would be lost; use kind = \"deployment\", or remove calls_per";
        problems.push(document.account_problem(name, &key, message));
    }
    if has("alb") {
        if let Some(message) = unreached(account) {
            problems.push(document.account_problem(name, "alb", &message));
        }
    } else {
        let through_alb = stack.workloads.iter().filter(|(_, w)| w.reached == Reached::ThroughAlb);
        for (workload, _) in through_alb {
            let key = format!("workloads.{workload}.reached");
            let message = format!("through-alb needs an [alb] table in account {name}");
            problems.push(document.account_problem(name, &key, &message));
        }
        if has("waf") {
            let message = format!(
                "inspects what reaches a load balancer: account {name} needs an [alb] table, or remove = [\"waf\"]"
            );
            problems.push(document.account_problem(name, "waf", &message));
        }
    }
    problems
}

/// Returns why a load balancer carries nothing although users reach the account; none where it does, or where
/// `CloudFront` serves all that they ask for from a bucket.
fn unreached(account: &Account) -> Option<String> {
    let stack = &account.stack;
    let serves = |workload: &&Workload| {
        workload.reached == Reached::ThroughAlb
            && workload.requests_per_session(|class| Some(account.classes.get(class)?.per_session))
                > 0.0
    };
    let edge = stack.services.iter().find_map(|service| service.edge());
    let at_edge = |name: &String| edge.is_some_and(|edge| edge.classes.contains(name));
    // What the edge does not answer reaches the workload that serves the class.
    let has_origin = |name: &String| {
        stack.workloads.values().any(|w| w.calls_per.get(name).is_some_and(|calls| *calls > 0.0))
    };
    let asked = account
        .classes
        .iter()
        .any(|(name, class)| class.per_session > 0.0 && (!at_edge(name) || has_origin(name)));
    if !asked
        || account.settings.traffic_share <= 0.0
        || stack.workloads.values().any(|w| serves(&w))
    {
        return None;
    }
    Some(format!(
        "no workload of account {} has reached = \"through-alb\" and calls_per, so answers to users, load balancer units and WAF requests would cost nothing; set it on the workload behind the load balancer, or remove [alb]",
        account.name
    ))
}

fn stack(raw: &toml::Table, region: &str, catalog: &Catalog) -> Result<Stack, (String, String)> {
    let table = |key: &str| raw.get(key).cloned();
    let cluster =
        table("cluster").ok_or(("cluster".to_owned(), "give a [cluster] table".into()))?;
    let cluster = cluster.try_into().map_err(|e| ("cluster".to_owned(), e.message().to_owned()))?;
    let mut workloads = IndexMap::new();
    if let Some(toml::Value::Table(all)) = table("workloads") {
        for (name, value) in all {
            let key = format!("workloads.{name}");
            let workload =
                value.try_into().map_err(|e: toml::de::Error| (key, e.message().to_owned()))?;
            workloads.insert(name, workload);
        }
    }
    let mut services = Vec::new();
    for registration in SERVICES {
        let parsed = (registration.parse)(table(registration.kind), region, catalog);
        services.extend(parsed.map_err(|message| (registration.kind.to_owned(), message))?);
    }
    Ok(Stack { cluster, workloads, services })
}

fn apply_profiles(
    workloads: &mut toml::Table,
    account: &str,
    document: &Document,
    catalog: &Catalog,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in workloads.iter_mut() {
        let toml::Value::Table(workload) = value else { continue };
        let Some(toml::Value::String(profile)) = workload.get("profile").cloned() else { continue };
        if let Some(known) = catalog.profiles.get(&profile) {
            let mut merged = known.clone();
            overlay::merge(&mut merged, workload);
            *workload = merged;
        } else {
            let near = nearest(&profile, catalog.profiles.keys().map(|known| &**known));
            let known: Vec<&str> = catalog.profiles.keys().map(|known| &**known).collect();
            let message = match near {
                Some(near) => format!("no profile {profile:?}; did you mean {near:?}?"),
                None => format!("no profile {profile:?}; there are {}", known.join(", ")),
            };
            let key = format!("workloads.{name}.profile");
            problems.push(document.account_problem(account, &key, &message));
        }
    }
    problems
}

/// `08:00` as minutes of the day; `24:00` is the end of the day.
pub(crate) fn time_of_day(text: &str) -> Option<usize> {
    if text == "24:00" {
        return Some(MINUTES_PER_DAY);
    }
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    Some(time.hour() as usize * 60 + time.minute() as usize)
}

impl Schedule {
    /// Returns whether the account is awake in each minute of the week, Monday first.
    pub fn week(&self) -> Vec<bool> {
        let edges = (time_of_day(&self.from), time_of_day(&self.to));
        let (Some(from), Some(to)) = edges else { return vec![true; 7 * MINUTES_PER_DAY] };
        let awake = |minute: usize| {
            let (day, time) = (minute / MINUTES_PER_DAY, minute % MINUTES_PER_DAY);
            let wakes = |day: usize| self.days.iter().any(|known| *known as usize == day);
            if from < to {
                wakes(day) && (from..to).contains(&time)
            } else {
                // Over midnight: the evening of a day, or the morning after one.
                wakes(day) && time >= from || wakes((day + 6) % 7) && time < to
            }
        };
        (0..7 * MINUTES_PER_DAY).map(awake).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_wakes_on_its_days() {
        let schedule = |days: Vec<Day>, from: &str, to: &str| {
            let (from, to) = (from.to_owned(), to.to_owned());
            Schedule { days, from, to, stop_database: false }.week()
        };
        let week = schedule(vec![Day::Mon, Day::Tue], "08:00", "20:00");
        assert_eq!(week.iter().filter(|awake| **awake).count(), 2 * 12 * 60);
        assert!(!week[7 * 60 + 59] && week[8 * 60] && !week[20 * 60]);
        let night = schedule(vec![Day::Sun], "22:00", "02:00");
        assert!(night[6 * 1440 + 22 * 60] && night[60] && !night[1440 + 60]);
    }

    #[test]
    fn times_of_day_are_strict() {
        assert_eq!(time_of_day("08:30"), Some(510));
        assert_eq!(time_of_day("24:00"), Some(1440));
        for wrong in ["8:00", "+6:00", "25:00", "08:60", "noon", ""] {
            assert_eq!(time_of_day(wrong), None, "{wrong}");
        }
    }
}
