//! Settings that change nothing in a plan, and what was bought for nothing.
//!
//! A setting of the stack is unused only where it is so in every account that has it: accounts share a stack.
//! What is metered and billed by nobody is found month by month, with its size, in [`crate::usage::services::meter`].

use std::collections::BTreeMap;

use super::MonthPlan;
use crate::{
    cluster::{
        autoscale::settings::MinValuesPolicy,
        workload::{Kind, Workload},
    },
    facts::shapes::Catalog,
    intent::{
        budget::{Budget, Period, Scope},
        scenario::{Account, Scenario},
    },
    measure::{calendar::Month, units::Usd},
    money::coverage::CommitmentUse,
    usage::services::Finding,
};

/// Share of a commitment's fee above which the part that covers nothing is a warning. More than half lost is more expensive
/// than on demand at any discount that AWS gives for one year.
const MOST_UNUSED: f64 = 0.5;

/// What a plan was made from, and what it came to.
#[derive(Clone, Copy)]
pub(crate) struct Made<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) catalog: &'a Catalog,
    /// What each budget counts.
    pub(crate) scopes: &'a [Scope],
    pub(crate) months: &'a [MonthPlan],
    pub(crate) commitments: &'a [CommitmentUse],
}

/// Finds them all: each as `key: why`.
pub(crate) fn find(made: Made<'_>) -> Vec<String> {
    let scenario = made.scenario;
    let mut found = of_traffic(scenario);
    let named = |account: &Account| scenario.region_key(account) != "plan.region";
    if scenario.plan.region.is_some() && scenario.accounts.iter().all(named) {
        found.push(Finding::new("plan.region", "each account names its own region"));
    }
    found.extend(of_accounts(scenario, made.catalog));
    for account in &scenario.accounts {
        found.extend(of_account(scenario, account));
    }
    for (index, budget) in scenario.budgets.iter().enumerate() {
        let scope = made.scopes.get(index).cloned().unwrap_or_default();
        found.extend(of_budget(&format!("budgets[{index}]"), (budget, &scope), made.months));
    }
    for (index, bought) in made.commitments.iter().enumerate() {
        found.extend(of_commitment(&format!("commitments[{index}]"), bought));
    }
    found.into_iter().map(|Finding { key, message }| format!("{key}: {message}")).collect()
}

/// A value by its dotted key; a name may hold dots itself.
fn get<'t>(table: &'t toml::Table, path: &[&str]) -> Option<&'t toml::Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(*first)?;
    if rest.is_empty() { Some(value) } else { get(value.as_table()?, rest) }
}

fn of_traffic(scenario: &Scenario) -> Vec<Finding> {
    let (plan, traffic) = (&scenario.plan, &scenario.traffic);
    let months = || (0..plan.months).map(|index| plan.start.plus(index));
    let mut found = Vec::new();
    let mut add = |key: String, why: &str| found.push(Finding::new(key, why));
    for (index, season) in traffic.seasons.iter().enumerate() {
        let key = format!("traffic.seasons[{index}]");
        if !months().any(|month| season.falls_in(month)) {
            add(key, &format!("no day of the plan lies between {} and {}", season.from, season.to));
        } else if is(season.factor, 1.0) {
            add(key, "a factor of 1 changes nothing");
        }
    }
    for (index, event) in traffic.events.iter().enumerate() {
        let key = format!("traffic.events[{index}]");
        let at = event.moment().ok().and_then(|moment| Month::of(moment.date()));
        if is(event.peak, 1.0) {
            add(key, "a peak of 1 changes nothing");
        } else if event.probability <= 0.0 {
            add(key, "it never happens, at a probability of 0");
        } else if !at.is_some_and(|at| months().any(|month| month == at)) {
            add(key, "slip_days move it out of the plan");
        }
    }
    let given = |key: &str| get(&scenario.document.table, &["traffic", key]).is_some();
    if traffic.noise <= 0.0 && given("noise_memory_minutes") {
        add("traffic.noise_memory_minutes".into(), "there is no noise; give noise too");
    }
    found
}

fn is(value: f64, other: f64) -> bool {
    (value - other).abs() < f64::EPSILON
}

/// Settings of the stack that are unused in each account that has them, and those of overrides.
fn of_accounts(scenario: &Scenario, catalog: &Catalog) -> Vec<Finding> {
    let stacks: Vec<toml::Table> =
        scenario.accounts.iter().map(|account| scenario.stack_table(account)).collect();
    let mut unused: BTreeMap<String, BTreeMap<usize, String>> = BTreeMap::new();
    for (place, (account, stack)) in scenario.accounts.iter().zip(&stacks).enumerate() {
        for Finding { key, message: why } in of_stack(account, stack, catalog) {
            unused.entry(key).or_default().insert(place, why);
        }
    }
    let mut found = Vec::new();
    for (key, places) in unused {
        let path: Vec<&str> = key.split('.').collect();
        let own = |place: &usize| {
            let overrides = scenario.accounts[*place].settings.overrides.as_ref();
            overrides.is_some_and(|overrides| get(overrides, &path).is_some())
        };
        let having = stacks.iter().filter(|stack| get(stack, &path).is_some()).count();
        if places.len() >= having {
            found.extend(places.into_values().next().map(|why| Finding::new(key, why)));
            continue;
        }
        for (place, why) in places.into_iter().filter(|(place, _)| own(place)) {
            let name = &scenario.accounts[place].name;
            found.push(Finding::new(format!("accounts.{name}.override.{key}"), why));
        }
    }
    found
}

/// Settings of one account's stack that change nothing there.
fn of_stack(account: &Account, stack: &toml::Table, catalog: &Catalog) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, workload) in &account.stack.workloads {
        let given = |key: &str| get(stack, &["workloads", name, key]).is_some();
        let unused = of_workload(account, workload);
        let unused = unused.into_iter().filter(|(key, _)| given(key));
        found.extend(unused.map(|(key, why)| Finding::new(format!("workloads.{name}.{key}"), why)));
    }
    let cluster = &account.stack.cluster;
    let baseline = &cluster.baseline;
    if let Some(asleep) = baseline.asleep_nodes {
        let key = "cluster.baseline.asleep_nodes".to_owned();
        if account.settings.schedule.is_none() {
            found.push(Finding::new(key, "the account has no schedule, so it never sleeps"));
        } else if asleep == baseline.nodes {
            found.push(Finding::new(key, "as many nodes run as when the account is awake"));
        }
    }
    let buys_spot = cluster.node_pools.values().any(|pool| {
        use crate::cluster::autoscale::settings::CapacityType;
        pool.spot_share.unwrap_or(0.0) > 0.0 || pool.capacity_types.contains(&CapacityType::Spot)
    });
    if !cluster.spot_interruptions && !buys_spot {
        found.push(Finding::new("cluster.spot_interruptions", "no node pool buys spot nodes"));
    }
    let keeps_values = cluster
        .node_pools
        .values()
        .any(|pool| pool.min_values.instance_types > 0 || pool.min_values.families > 0);
    if cluster.min_values_policy == MinValuesPolicy::BestEffort && !keeps_values {
        found.push(Finding::new("cluster.min_values_policy", "no node pool has min_values"));
    }
    let context = account.context(catalog);
    for service in &account.stack.services {
        let unused = service.unused(&context).into_iter();
        found.extend(unused.map(|finding| finding.below(service.kind())));
    }
    found
}

/// Keys of a workload that change nothing.
fn of_workload(account: &Account, workload: &Workload) -> Vec<(&'static str, &'static str)> {
    let mut unused = Vec::new();
    let mut add = |keys: &[&'static str], why| unused.extend(keys.iter().map(|key| (*key, why)));
    if workload.kind == Kind::DaemonSet {
        add(
            &["replicas", "hpa", "disruption_budget", "topology_spread"],
            "a daemon-set has one pod on each node",
        );
    }
    let per_session = |class: &str| Some(account.classes.get(class)?.asked_per_session());
    if workload.requests_per_session(per_session) <= 0.0 {
        let why = "no traffic class that the workload names has requests";
        add(&["calls_per"], why);
        add(
            &[
                "reached",
                "cpu_ms_per_request",
                "concurrency",
                "service_ms_per_request",
                "timeout_seconds",
                "memory_mib_per_request",
                "external_kib_per_request",
                "log_kib_per_request",
            ],
            if workload.kind.is_job() {
                "pods that run to their end serve no requests"
            } else {
                "the workload serves no requests; give calls_per"
            },
        );
    }
    if !account.stack.services.iter().any(|service| service.kind() == "aurora") {
        add(&["database_connections"], "the account has no [aurora] table to connect to");
    }
    if workload.always_on && account.settings.schedule.is_none() {
        add(&["always_on"], "the account has no schedule, so nothing is stopped");
    }
    unused
}

/// Settings of an account other than its stack.
fn of_account(scenario: &Scenario, account: &Account) -> Vec<Finding> {
    let (name, settings) = (&account.name, &account.settings);
    let mut found = Vec::new();
    let mut add =
        |key: &str, why: String| found.push(Finding::new(format!("accounts.{name}.{key}"), why));
    if let Some(until) = settings.free_tier_until.filter(|until| *until < scenario.plan.start) {
        add("free_tier_until", format!("{until} is before the plan begins"));
    }
    if settings.traffic_share > 1.0 {
        let meant = settings.traffic_share / 100.0;
        add(
            "traffic_share",
            format!(
                "{0} is {0} times the traffic of all users; {0} % is {meant}",
                settings.traffic_share
            ),
        );
    }
    if let Some(schedule) = &settings.schedule {
        let has_database = account.stack.services.iter().any(|s| s.kind() == "aurora");
        let workloads = account.stack.workloads.values();
        let stops = |w: &Workload| w.kind != Kind::DaemonSet && !w.always_on;
        let baseline = &account.stack.cluster.baseline;
        let fewer = baseline.asleep_nodes.is_some_and(|asleep| asleep < baseline.nodes);
        if schedule.stop_database && !has_database {
            add("schedule.stop_database", "the account has no [aurora] table".into());
        }
        if schedule.week().iter().all(|awake| *awake) {
            add("schedule", "it covers the whole week, so the account never sleeps".into());
        } else {
            let stops_something = fewer || schedule.stop_database && has_database;
            let idle = settings.traffic_share <= 0.0 && !stops_something;
            if idle && !workloads.into_iter().any(stops) {
                add("schedule", "nothing in the account stops outside it".into());
            }
        }
    }
    if let Some(overrides) = &settings.overrides {
        let base = &scenario.document.table;
        for key in same(base, overrides) {
            add(&format!("override.{key}"), "the stack says the same".into());
        }
    }
    found
}

/// Keys of the largest parts of `over` that say what `base` says.
fn same(base: &toml::Table, over: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in over {
        match (base.get(key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(over)) if !over.is_empty() => {
                let below = same(inner, over);
                if below.len() == over.len() && below.iter().all(|key| over.contains_key(key)) {
                    found.push(key.clone());
                } else {
                    found.extend(below.into_iter().map(|inner| format!("{key}.{inner}")));
                }
            }
            (Some(known), value) if known == value => found.push(key.clone()),
            _ => {}
        }
    }
    found
}

fn of_budget(key: &str, (budget, scope): (&Budget, &Scope), months: &[MonthPlan]) -> Vec<Finding> {
    let mut found = Vec::new();
    let counted: Vec<&MonthPlan> =
        months.iter().filter(|month| budget.from.is_none_or(|from| month.month >= from)).collect();
    let year = |month: &MonthPlan| month.month.first_day().year();
    let full = |of: i16| counted.iter().filter(|month| year(month) == of).count() == 12;
    if budget.period == Period::Annual
        && let (Some(first), Some(last)) = (counted.first(), counted.last())
        && !(year(first)..=year(last)).any(full)
    {
        let why = format!(
            "no calendar year lies within {} to {}, so the amount for a whole year is compared with part of a year",
            first.month, last.month
        );
        found.push(Finding::new(format!("{key}.period"), why));
    }
    if !scope.is_all() {
        let charged = |month: &&&MonthPlan| {
            month
                .accounts
                .iter()
                .flat_map(|account| &account.services)
                .any(|(service, cost)| scope.counts(service) && *cost != Usd::ZERO)
        };
        if !counted.iter().any(|month| charged(&month)) {
            found.push(Finding::new(key, "no charge of the plan counts towards it"));
        }
    }
    found
}

fn of_commitment(key: &str, bought: &CommitmentUse) -> Option<Finding> {
    let fee: Usd = bought.months.iter().map(|month| month.fee).sum();
    let used: Usd = bought.months.iter().map(|month| month.used).sum();
    if bought.months.iter().all(|month| month.hours == 0) {
        return Some(Finding::new(key, "its term does not overlap the plan"));
    }
    if used == Usd::ZERO {
        let why = format!("{} covers nothing: its fee of ${} is lost", bought.name, fee.cents());
        return Some(Finding::new(key, why));
    }
    let lost = fee - used;
    (lost.to_f64() > MOST_UNUSED * fee.to_f64()).then(|| {
        let share = 100.0 * lost.to_f64() / fee.to_f64();
        let (lost, fee) = (lost.cents(), fee.cents());
        Finding::new(key, format!("{share:.0} % of its fee covers nothing: ${lost} of ${fee}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_override_repeats_is_found_in_its_largest_parts() {
        let table = |text: &str| toml::from_str::<toml::Table>(text).unwrap();
        let base = table("[nat]\ngateways = 1\n[a.b]\nx = 1\ny = 2\n[c]\nz = 1");
        let over = table("[nat]\ngateways = 1\n[a.b]\nx = 1\ny = 3\n[c]\nz = 2\n[d]\nq = 1");
        assert_eq!(same(&base, &over), ["nat", "a.b.x"]);
    }
}
