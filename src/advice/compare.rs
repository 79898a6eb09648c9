//! Compares two scenarios or saved plans: the causes of the difference, and the probability that it holds.
//!
//! # Formula
//! ```text
//! waterfall of scenarios   start with A, put B's tables in their places one after the other, in the order
//!                          of the pipeline; a cause is what the total changes by at its step
//! waterfall of plans       Σ over meters of quantity, price and mix, as `reconcile` splits them
//! chance that B is cheaper share of trials n with  cost_B(n) < cost_A(n)
//! ```
//! The steps add up to the whole difference exactly. Trial n of both draws by the same names from the same seed, so
//! unchanged settings draw the same values in both, and the difference is that of the scenarios.
//!
//! # Source
//! Common random numbers: Law, "Simulation modeling and analysis", 5th ed., chapter 11.2.
//! # Limits
//! Where causes interact (more traffic on more expensive nodes), the interaction counts for the later one. A step
//! whose scenario is contradictory (a workload that serves a class of requests that a later step adds) is joined with
//! the next.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    bills::reconcile,
    cluster::capacity::Capacity,
    error::{Error, Place},
    intent::scenario::Scenario,
    measure::{calendar::Month, units::Usd},
    plan::{
        Plan,
        simulate::{Facts, Inputs, Prepared, Sample},
        trials::{self, Watch, quantile},
    },
    usage::services::SERVICES,
};

/// One cause of the difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The part that differs: a table of the scenario, or a meter.
    pub cause: String,
    /// Change of the total, in USD.
    pub change: Usd,
}

/// Cost of a service of an account on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The account.
    pub account: String,
    /// Cost Explorer service.
    pub service: String,
    /// In A, in USD.
    pub a: Usd,
    /// In B, in USD.
    pub b: Usd,
}

/// The difference in trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Odds {
    /// Trials of both.
    pub trials: u32,
    /// Share of them in which B is cheaper.
    pub b_cheaper: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// B − A: P10, P50, P90 and mean, in USD.
    pub difference: [f64; 4],
}

/// A term of risk on both sides, in the mid case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// The account.
    pub account: String,
    /// The term.
    pub term: String,
    /// In A.
    pub a: f64,
    /// In B.
    pub b: f64,
}

/// The comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Name of A.
    pub a: String,
    /// Name of B.
    pub b: String,
    /// A's cost over the plan, in USD.
    pub total_a: Usd,
    /// B's cost over the plan, in USD.
    pub total_b: Usd,
    /// From A to B.
    pub steps: Vec<Step>,
    /// Cost by month: A's and B's, in USD.
    pub months: Vec<(Month, Usd, Usd)>,
    /// By account and service, the greatest difference first.
    pub lines: Vec<Line>,
    /// Risk of each account, where it is any.
    #[serde(default)]
    pub risks: Vec<Risk>,
    /// The difference in trials, if any were run.
    pub odds: Option<Odds>,
    /// Notes for the reader.
    pub notes: Vec<String>,
}

impl Compared {
    /// Returns B − A, in USD.
    pub fn difference(&self) -> Usd {
        self.total_b - self.total_a
    }

    /// Returns B − A as a share of A; none if A is 0.
    pub fn share(&self) -> Option<f64> {
        (self.total_a > Usd::ZERO).then(|| self.difference().to_f64() / self.total_a.to_f64())
    }
}

/// A scenario with the series that it names.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Name that the user gave.
    pub name: &'a str,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The series it names.
    pub inputs: &'a Inputs,
}

/// Compares two scenarios, with this many trials; below two, without trials.
///
/// # Errors
/// Scenarios of different months; those of [`Prepared::run`].
pub fn scenarios(
    (a, b): (Side<'_>, Side<'_>),
    facts: &Facts,
    trials: &[u32],
    watch: Watch<'_>,
) -> Result<Compared, Error> {
    let (plan_a, plan_b) = (&a.scenario.plan, &b.scenario.plan);
    if (plan_a.start, plan_a.months) != (plan_b.start, plan_b.months) {
        let span = |plan: &crate::intent::scenario::PlanSettings| {
            format!("{} and {} months", plan.start, plan.months)
        };
        let message = format!(
            "runs over {}, {} over {}; give both the same plan.start and plan.months",
            span(plan_b),
            a.name,
            span(plan_a)
        );
        return Err(Error::at(Place::file(b.name), message));
    }
    let mut notes = Vec::new();
    if plan_a.seed != plan_b.seed {
        notes.push(format!("both run with the seed of A, {}", plan_a.seed));
    }
    let mut scenario_b = b.scenario.clone();
    scenario_b.plan.seed = plan_a.seed;
    let prepared_a = Prepared::new(a.scenario, facts, a.inputs)?;
    let prepared_b = Prepared::new(&scenario_b, facts, b.inputs)?;
    let (mid_a, mid_b) = (prepared_a.sample(0)?, prepared_b.sample(0)?);
    let risks = risks(&prepared_a.run(0)?, &prepared_b.run(0)?);
    let steps = waterfall((a, b), facts, total(&mid_a))?;
    let odds = if trials.len() < 2 {
        None
    } else {
        let of_a = trials::run(&prepared_a, trials, watch)?;
        let of_b = trials::run(&prepared_b, trials, watch)?;
        if of_a.len() < trials.len() || of_b.len() < trials.len() {
            notes.push(
                "stopped by Ctrl-C: the ranges come from the trials that both finished".into(),
            );
        }
        odds(&of_a, &of_b)
    };
    let month = |of: &Sample, index: u32| -> Usd {
        of.costs.iter().filter(|cost| cost.month == index).map(|cost| cost.cost).sum()
    };
    let months = (0..plan_a.months)
        .map(|index| (plan_a.start.plus(index), month(&mid_a, index), month(&mid_b, index)));
    Ok(Compared {
        a: a.name.to_owned(),
        b: b.name.to_owned(),
        total_a: total(&mid_a),
        total_b: total(&mid_b),
        steps,
        months: months.collect(),
        lines: lines(&[(a.scenario, &mid_a), (b.scenario, &mid_b)]),
        risks,
        odds,
        notes,
    })
}

fn total(sample: &Sample) -> Usd {
    sample.costs.iter().map(|cost| cost.cost).sum()
}

fn lines(sides: &[(&Scenario, &Sample); 2]) -> Vec<Line> {
    let mut sums: BTreeMap<(String, String), [Usd; 2]> = BTreeMap::new();
    for (side, (scenario, sample)) in sides.iter().enumerate() {
        for cost in &sample.costs {
            let account = scenario.accounts[cost.account as usize].name.clone();
            sums.entry((account, cost.service.to_string())).or_default()[side] += cost.cost;
        }
    }
    sorted(sums)
}

fn sorted(sums: BTreeMap<(String, String), [Usd; 2]>) -> Vec<Line> {
    let line = |((account, service), [a, b]): ((String, String), [Usd; 2])| Line {
        account,
        service,
        a,
        b,
    };
    let mut lines: Vec<Line> = sums.into_iter().map(line).collect();
    lines.sort_by_key(|line| std::cmp::Reverse((line.b - line.a).decimal().abs()));
    lines
}

/// Returns the tables that differ, in the order of the pipeline; workloads and accounts one by one.
fn causes(a: &toml::Table, b: &toml::Table) -> Vec<Vec<String>> {
    let stages = ["users", "traffic", "accounts", "workloads", "cluster"];
    let services = SERVICES.iter().map(|registration| registration.kind);
    let mut keys: Vec<&str> = stages.into_iter().chain(services).collect();
    keys.extend(["commitments", "billing", "revenue"]);
    let mut causes = Vec::new();
    for key in keys.into_iter().filter(|key| a.get(*key) != b.get(*key)) {
        let parts = (a.get(key).and_then(|v| v.as_table()), b.get(key).and_then(|v| v.as_table()));
        let ((Some(old), Some(new)), true) = (parts, ["accounts", "workloads"].contains(&key))
        else {
            causes.push(vec![key.to_owned()]);
            continue;
        };
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let differs = |name: &&&String| old.get(name.as_str()) != new.get(name.as_str());
        causes.extend(names.iter().filter(differs).map(|n| vec![key.to_owned(), (*n).clone()]));
    }
    causes
}

/// Replaces A's value by B's.
fn put(table: &mut toml::Table, path: &[String], b: &toml::Table) {
    let [key, rest @ ..] = path else { return };
    match (rest, b.get(key)) {
        ([], Some(value)) => {
            table.insert(key.clone(), value.clone());
        }
        ([], None) => {
            table.remove(key);
        }
        (rest, Some(toml::Value::Table(inner_b))) => {
            if let Some(toml::Value::Table(inner)) = table.get_mut(key) {
                put(inner, rest, inner_b);
            }
        }
        _ => {}
    }
}

fn waterfall((a, b): (Side<'_>, Side<'_>), facts: &Facts, from: Usd) -> Result<Vec<Step>, Error> {
    let goal = &b.scenario.document.table;
    let causes = causes(&a.scenario.document.table, goal);
    let mut table = a.scenario.document.table.clone();
    let mut inputs = a.inputs.clone();
    let mut reached = from;
    let mut steps = Vec::new();
    let mut waiting: Vec<String> = Vec::new();
    for (index, cause) in causes.iter().enumerate() {
        put(&mut table, cause, goal);
        match &*cause[0] {
            "users" => inputs.history.clone_from(&b.inputs.history),
            "traffic" => inputs.shape.clone_from(&b.inputs.shape),
            _ => {}
        }
        waiting.push(cause.join("."));
        let last = index + 1 == causes.len();
        let cost = a
            .scenario
            .with_table(table.clone(), &facts.catalog)
            .and_then(|mixed| Prepared::new(&mixed, facts, &inputs)?.sample(0));
        let cost = match cost {
            Ok(sample) => total(&sample),
            Err(_) if !last => continue,
            Err(error) => return Err(error),
        };
        steps.push(Step {
            cause: std::mem::take(&mut waiting).join(" and "),
            change: cost - reached,
        });
        reached = cost;
    }
    Ok(steps)
}

fn odds(a: &[Sample], b: &[Sample]) -> Option<Odds> {
    let by_trial: BTreeMap<u32, Usd> = a.iter().map(|own| (own.trial, total(own))).collect();
    let paired =
        b.iter().filter_map(|own| Some((total(own) - *by_trial.get(&own.trial)?).to_f64()));
    let mut differences: Vec<f64> = paired.collect();
    if differences.len() < 2 {
        return None;
    }
    differences.sort_by(f64::total_cmp);
    let n = differences.len() as f64;
    let b_cheaper = differences.iter().filter(|own| **own < 0.0).count() as f64 / n;
    let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|p| quantile(&differences, p));
    Some(Odds {
        trials: differences.len() as u32,
        b_cheaper,
        standard_error: (b_cheaper * (1.0 - b_cheaper) / n).sqrt(),
        difference: [p10, p50, p90, differences.iter().sum::<f64>() / n],
    })
}

/// A term of risk: its name, and its figure of an account.
type Term = (&'static str, fn(&Plan, &str) -> f64);

/// Returns the terms of risk that either side has.
fn risks(a: &Plan, b: &Plan) -> Vec<Risk> {
    let terms: [Term; 4] = [
        ("overloaded minutes a month", |plan, account| {
            mean(plan, account, |used| {
                used.workloads.iter().map(|own| own.overloaded_minutes).sum()
            })
        }),
        ("pending pod minutes a month", |plan, account| {
            mean(plan, account, |used| {
                used.workloads.iter().map(|own| own.pending_pod_minutes).sum()
            })
        }),
        ("evictions a month", |plan, account| {
            mean(plan, account, |used| f64::from(used.evictions))
        }),
        ("p95 of the worst minute [ms]", |plan, account| {
            let used = months(plan, account).flat_map(|used| &used.workloads);
            used.map(|own| own.peak_p95_ms).fold(0.0, f64::max)
        }),
    ];
    let mut accounts: Vec<&str> = Vec::new();
    for account in a.accounts.iter().chain(&b.accounts) {
        if !accounts.contains(&&*account.name) {
            accounts.push(&account.name);
        }
    }
    let of = |account: &&str| {
        let each = terms.iter().map(|(term, of)| Risk {
            account: (*account).to_owned(),
            term: (*term).to_owned(),
            a: of(a, account),
            b: of(b, account),
        });
        each.filter(|risk| risk.a > 0.0 || risk.b > 0.0).collect::<Vec<_>>()
    };
    accounts.iter().flat_map(of).collect()
}

fn months<'p>(plan: &'p Plan, account: &'p str) -> impl Iterator<Item = &'p Capacity> {
    let accounts = plan.months.iter().flat_map(|month| &month.accounts);
    accounts.filter(move |own| own.account == account).map(|own| &own.capacity)
}

fn mean(plan: &Plan, account: &str, of: fn(&Capacity) -> f64) -> f64 {
    months(plan, account).map(of).sum::<f64>() / plan.months.len().max(1) as f64
}

/// Compares two saved plans by meter: quantity, price and mix.
///
/// # Errors
/// Plans of different months.
pub fn plans((name_a, a): (&str, &Plan), (name_b, b): (&str, &Plan)) -> Result<Compared, Error> {
    let months = |plan: &Plan| plan.months.iter().map(|month| month.month).collect::<Vec<Month>>();
    if months(a) != months(b) {
        let message = format!("has other months than {name_a}; compare plans of the same months");
        return Err(Error::at(Place::file(name_b), message));
    }
    let mut steps: BTreeMap<(String, String), Usd> = BTreeMap::new();
    for cell in reconcile::between(a, b) {
        let kind = crate::plan::usage_kind(&cell.usage_type).to_owned();
        let place = format!("{}, {}, {kind}", cell.account, b.short_name(&cell.service));
        let parts = [
            ("quantity", cell.variance.quantity),
            ("price", cell.variance.price),
            ("mix", cell.variance.mix),
            ("not in A", cell.variance.unplanned),
        ];
        for (part, change) in parts.into_iter().filter(|(_, change)| *change != Usd::ZERO) {
            *steps.entry((place.clone(), part.to_owned())).or_default() += change;
        }
    }
    let mut steps: Vec<Step> = steps
        .into_iter()
        .map(|((place, part), change)| Step { cause: format!("{place}: {part}"), change })
        .filter(|step| step.change != Usd::ZERO)
        .collect();
    steps.sort_by_key(|step| std::cmp::Reverse(step.change.decimal().abs()));
    let mut sums: BTreeMap<(String, String), [Usd; 2]> = BTreeMap::new();
    for (side, plan) in [a, b].into_iter().enumerate() {
        for account in plan.months.iter().flat_map(|month| &month.accounts) {
            for (service, cost) in &account.services {
                sums.entry((account.account.clone(), service.clone())).or_default()[side] += *cost;
            }
        }
    }
    let both = a.months.iter().zip(&b.months);
    let mut notes = vec![
        "saved plans have no trials; compare the scenarios to get the probability that B is cheaper"
            .into(),
    ];
    if a.cost_metric != b.cost_metric {
        notes.push(format!("A is {:?}, B is {:?}", a.cost_metric, b.cost_metric));
    }
    Ok(Compared {
        a: name_a.to_owned(),
        b: name_b.to_owned(),
        total_a: a.cost,
        total_b: b.cost,
        steps,
        months: both.map(|(a, b)| (a.month, a.cost, b.cost)).collect(),
        lines: sorted(sums),
        risks: risks(a, b),
        odds: None,
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_differ_are_found_in_the_order_of_the_pipeline() {
        let a: toml::Table = toml::from_str(
            "[waf]\nrules = 1\n[users]\nx = 1\n[workloads.a]\nn = 1\n[workloads.b]\nn = 1\n[nat]\n",
        )
        .unwrap();
        let b: toml::Table =
            toml::from_str("[waf]\nrules = 2\n[users]\nx = 2\n[workloads.b]\nn = 2\n[nat]\n")
                .unwrap();
        let found: Vec<String> = causes(&a, &b).iter().map(|path| path.join(".")).collect();
        assert_eq!(found, ["users", "workloads.a", "workloads.b", "waf"]);
        let mut table = a.clone();
        for cause in causes(&a, &b) {
            put(&mut table, &cause, &b);
        }
        assert_eq!(table, b);
    }
}
