//! What each budget counts of a plan's charges.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, Prepared};
use crate::{
    error::{Problem, nearest},
    facts::prices::PriceRow,
    intent::{
        budget::{Budget, Scope, Vendor},
        scenario::Scenario,
    },
    measure::{calendar::Month, units::Usd},
    money::rate::{Rated, surcharge},
};

/// Services by the names that a budget may give them.
struct Names {
    /// Cost Explorer services by name and by short name.
    shown: BTreeMap<String, BTreeSet<String>>,
    /// Cost Explorer services by code.
    codes: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    fn of(facts: &Facts) -> Self {
        let mut names = Self { shown: BTreeMap::new(), codes: BTreeMap::new() };
        for (_, code, table) in facts.prices.tables() {
            let rows = table.rows().iter().map(PriceRow::cost_explorer_service);
            let shown: BTreeSet<String> =
                rows.filter(|name| !name.is_empty()).map(str::to_owned).collect();
            for name in &shown {
                names.shown.entry(name.clone()).or_default().insert(name.clone());
            }
            names.codes.entry(code.to_owned()).or_default().extend(shown);
        }
        for (name, short) in &facts.short_names {
            for key in [name, short] {
                names.shown.entry(key.clone()).or_default().insert(name.clone());
            }
        }
        names
    }

    fn find(&self, name: &str) -> Result<&BTreeSet<String>, String> {
        if let Some(found) = self.shown.get(name) {
            return Ok(found);
        }
        if let Some(found) = self.codes.get(name) {
            let shown: Vec<String> = found.iter().map(|name| format!("{name:?}")).collect();
            let shown = shown.join(" and ");
            return Err(format!(
                "{name:?} is a service code; reports show its charges under {shown}"
            ));
        }
        let near = nearest(name, self.shown.keys().map(String::as_str));
        let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
        Err(format!("no service {name:?}{near}"))
    }
}

/// What each budget of a scenario counts.
///
/// # Errors
/// Names of services that nothing is charged under.
pub(super) fn scopes(scenario: &Scenario, facts: &Facts) -> Result<Vec<Scope>, Vec<Problem>> {
    if scenario.budgets.iter().all(|budget| budget.scope_name().is_none()) {
        return Ok(vec![Scope::default(); scenario.budgets.len()]);
    }
    let names = Names::of(facts);
    let mut problems = Vec::new();
    let mut scope = |(index, budget): (usize, &Budget)| {
        let mut scope = Scope::default();
        for (place, name) in budget.services.iter().enumerate() {
            match names.find(name) {
                Ok(found) => scope.only.extend(found.iter().cloned()),
                Err(message) => {
                    let key = format!("budgets[{index}].services[{place}]");
                    problems.push(scenario.document.problem(&key, &message));
                }
            }
        }
        if budget.vendor == Some(Vendor::Aws) {
            let others = &facts.catalog.controllers.support.other_vendors;
            let shown = others.iter().filter_map(|code| names.codes.get(code)).flatten().cloned();
            scope.without.extend(shown);
            scope.without.insert(surcharge::TAX.to_owned());
        }
        scope
    };
    let scopes = scenario.budgets.iter().enumerate().map(&mut scope).collect();
    if problems.is_empty() { Ok(scopes) } else { Err(problems) }
}

impl Prepared<'_> {
    /// What each budget counts, by month from `first` on, in USD.
    pub(super) fn spent(&self, rated: &Rated, first: Month, months: u32) -> Vec<Vec<f64>> {
        let mut sums = vec![vec![Usd::ZERO; months as usize]; self.scenario.budgets.len()];
        for entry in &rated.entries {
            let service = &rated.prices[rated.charges[entry.charge].price].cost_explorer_service;
            let place = usize::try_from(entry.month.since(first)).ok();
            for ((budget, scope), sums) in
                self.scenario.budgets.iter().zip(&self.scopes).zip(&mut sums)
            {
                let own = budget.account.as_ref().is_none_or(|name| *name == entry.account);
                let slot = place.and_then(|place| sums.get_mut(place));
                if let (Some(sum), true) = (slot, own && scope.counts(service)) {
                    *sum += entry.cost;
                }
            }
        }
        let floats = |sums: Vec<Usd>| sums.into_iter().map(Usd::to_f64).collect();
        sums.into_iter().map(floats).collect()
    }
}
