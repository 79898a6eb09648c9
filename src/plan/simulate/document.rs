//! One trial written up as a plan.

use crate::cluster::autoscale::group::Groups;
use std::collections::{BTreeMap, BTreeSet};

use super::{Outcome, Prepared};
use crate::{
    cluster::autoscale::policy::Policy,
    intent::scenario::{Account, Scenario},
    measure::{
        calendar::Month,
        range::Range,
        units::{Usd, count},
    },
    money::{
        ledger::{self, Entry},
        rate::{Rated, commitment::Applied},
    },
    plan::{
        self, AccountMonth, AccountName, COST_METRIC, MonthPlan, NET_COST_METRIC, NotModelled,
        Plan, Provenance, SCHEMA,
        assumptions::{Assumption, Uncertainty},
    },
    usage::services::SERVICES,
};

/// The plan of one trial.
pub(super) fn plan(prepared: &Prepared<'_>, outcome: Outcome) -> Plan {
    let scenario = prepared.scenario;
    let trial = outcome.trial;
    let Applied { uses, coverage, .. } = outcome.applied.clone();
    let (months, rated) = months(prepared, outcome);
    let mut warnings = plan::warnings::find(
        &months,
        &rated,
        prepared.users.fit.as_ref(),
        prepared.residual_sigma,
        scenario.traffic.noise,
    );
    warnings.extend(plan::unused::find(plan::unused::Made {
        scenario,
        catalog: &prepared.facts.catalog,
        scopes: &prepared.scopes,
        months: &months,
        commitments: &uses,
    }));
    for (account, policy) in scenario.accounts.iter().zip(&prepared.policies) {
        warnings.extend(idle_pools(policy, account));
        let own = policy.warnings();
        warnings.extend(own.into_iter().map(|text| format!("{}: {text}", account.name)));
    }
    let crossover = prepared.facts.catalog.controllers.aurora.io_optimized_crossover;
    let mut notes = plan::notes::find(&rated, crossover);
    notes.extend(plan::notes::reservations(&months, &rated));
    let accounts = scenario.accounts.iter().map(|account| AccountName {
        name: account.name.clone(),
        id: account.settings.id.clone(),
        region: account.settings.region.clone(),
        traffic_share: account.settings.traffic_share,
    });
    Plan {
        schema: SCHEMA,
        name: scenario.plan.name.clone(),
        made_from: provenance(prepared, trial),
        currency: "USD".into(),
        cost_metric: cost_metric(scenario).into(),
        accounts: accounts.collect(),
        cost: ledger::total(&rated.entries),
        months,
        spread: None,
        limits: None,
        commitments: uses,
        coverage,
        assumptions: assumptions(scenario),
        fit: prepared.users.fit.clone(),
        drivers: plan::drivers(&rated.entries, |entry| service_of(&rated, entry)),
        notes,
        warnings,
        not_modelled: not_modelled(prepared),
        short_names: short_names(prepared, &rated),
        entries: rated.entries,
        charges: rated.charges,
        prices: rated.prices,
    }
}

/// Node pools that no workload may use.
fn idle_pools(policy: &Policy, account: &Account) -> Vec<String> {
    let used = policy.workloads.iter().fold(Groups::NONE, |sum, workload| sum | workload.groups);
    let idle = policy.pools.iter().filter(|pool| !used.contains(pool.group));
    let told = idle.map(|pool| {
        format!(
            "{}: cluster.node_pools.{}: no workload may use it; see its taints, and tolerations and node_pools of the workloads",
            account.name, pool.name
        )
    });
    told.collect()
}

fn assumptions(scenario: &Scenario) -> Vec<Assumption> {
    let range = |key: &str| {
        let input = scenario.ranges.inputs.iter().find(|input| input.key == key)?;
        let Range { low, high, confidence, .. } = input.range;
        Some(Uncertainty { low, high, confidence })
    };
    plan::assumptions::list(&scenario.document.table, &range)
}

fn cost_metric(scenario: &Scenario) -> &'static str {
    let billing = &scenario.billing;
    let discounted = billing.discount_percent > 0.0 || !billing.discounts.is_empty();
    if discounted || !scenario.commitments.is_empty() { NET_COST_METRIC } else { COST_METRIC }
}

impl Prepared<'_> {
    /// What a result is made from.
    pub fn provenance(&self, trial: u32) -> Provenance {
        provenance(self, trial)
    }
}

fn provenance(prepared: &Prepared<'_>, trial: u32) -> Provenance {
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scenario_sha256: prepared.inputs.sha256.clone(),
        price_book_sha256: prepared.facts.price_book_sha256.clone(),
        models_sha256: prepared.facts.models_sha256.clone(),
        seed: prepared.scenario.plan.seed,
        trial,
    }
}

fn service_of(rated: &Rated, entry: &Entry) -> String {
    rated.prices[rated.charges[entry.charge].price].cost_explorer_service.clone()
}

fn months(prepared: &Prepared<'_>, outcome: Outcome) -> (Vec<MonthPlan>, Rated) {
    let Outcome { months, traffic, simulated, choices, rated, .. } = outcome;
    let mut services: BTreeMap<(Month, String), BTreeMap<String, Usd>> = BTreeMap::new();
    for entry in &rated.entries {
        let own = services.entry((entry.month, entry.account.clone())).or_default();
        *own.entry(service_of(&rated, entry)).or_insert(Usd::ZERO) += entry.cost;
    }
    let mut choices = choices.into_iter();
    let mut capacities: Vec<_> = simulated.into_iter().map(IntoIterator::into_iter).collect();
    let mut written = Vec::with_capacity(months.len());
    for (index, (month, traffic)) in months.into_iter().zip(&traffic).enumerate() {
        let mut accounts = Vec::new();
        for (account, capacities) in prepared.scenario.accounts.iter().zip(&mut capacities) {
            let (Some(capacity), Some(choices)) = (capacities.next(), choices.next()) else {
                continue;
            };
            let services = services.remove(&(month, account.name.clone())).unwrap_or_default();
            let cost = services.values().copied().sum();
            let account = account.name.clone();
            accounts.push(AccountMonth { account, cost, services, capacity, choices });
        }
        written.push(MonthPlan {
            month,
            users: prepared.users.at(index as f64),
            traffic: traffic.summary(),
            cost: accounts.iter().map(|account| account.cost).sum(),
            accounts,
        });
    }
    (written, rated)
}

fn short_names(prepared: &Prepared<'_>, rated: &Rated) -> BTreeMap<String, String> {
    let used: BTreeSet<&str> =
        rated.prices.iter().map(|price| price.cost_explorer_service.as_str()).collect();
    let names = prepared.facts.short_names.iter();
    let names = names.filter(|(name, _)| used.contains(name.as_str()));
    names.map(|(name, short)| (name.clone(), short.clone())).collect()
}

/// Names of accounts that a line shows.
const SHOWN: usize = 3;

/// What this version does not know, and which tables accounts do without.
fn not_modelled(prepared: &Prepared<'_>) -> Vec<NotModelled> {
    let mut missing = prepared.facts.not_modelled.clone();
    let accounts = &prepared.scenario.accounts;
    for kind in SERVICES.iter().map(|registration| registration.kind) {
        let has = |account: &Account| account.stack.services.iter().any(|one| one.kind() == kind);
        let without: Vec<&str> =
            accounts.iter().filter(|own| !has(own)).map(|own| &*own.name).collect();
        let system = match &without[..] {
            [] => continue,
            [account] => format!("{kind} in {account}"),
            several => format!("{kind}: {}", count(several.len(), "account")),
        };
        let needs = match &without[..] {
            [_] => format!("a [{kind}] table; the account is planned without"),
            all if all.len() == accounts.len() => {
                format!("a [{kind}] table; all accounts are planned without")
            }
            [shown @ .., _] if shown.len() < SHOWN => {
                format!("a [{kind}] table; planned without: {}", without.join(", "))
            }
            several => format!(
                "a [{kind}] table; planned without: {} and {} more",
                several[..SHOWN].join(", "),
                several.len() - SHOWN
            ),
        };
        missing.push(NotModelled { system, needs });
    }
    missing
}
