//! Some months of a plan with some settings of one account changed, in one trial: cost, and what goes wrong.
//!
//! What a change cannot move is worked out once a trial and shared: the traffic, the values of ranges, and the
//! usage of the other accounts, which is priced together with that of the changed one, so that shared price
//! steps, support and commitments come out as in a plan.
//!
//! # Limits
//! The cluster begins the first month at the size that its first minute asks for. Months before the window
//! count for budgets alone, as the scenario has them.

use serde::{Deserialize, Serialize};

use super::{
    Metering, PLAN_TICK_SECONDS, Prepared, Running, policy,
    trace::{Request, Trace},
};
use crate::{
    cluster::capacity::Capacity,
    demand::{growth::Path, traffic::MonthTraffic},
    error::Error,
    intent::{
        budget::Budget,
        scenario::{Account, Scenario, key::Key},
    },
    measure::{calendar::Month, units::Usd},
    money::rate::{Rated, Usage},
};

/// Changes to a scenario: keys of its document, with their values.
pub type Edits<'e> = [(&'e Key, &'e toml::Value)];

/// What is assumed to come worse than planned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strain {
    /// Factor on the users that are gained since the plan's first month.
    pub growth: f64,
    /// Factor on spot prices.
    pub spot_price: f64,
    /// Seconds that a node takes longer to be ready.
    pub startup_seconds: f64,
}

impl Default for Strain {
    /// As planned.
    fn default() -> Self {
        Self { growth: 1.0, spot_price: 1.0, startup_seconds: 0.0 }
    }
}

/// When a minute is late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Late {
    /// With p95 above so many milliseconds.
    pub p95_ms: Option<f64>,
    /// Where none is given: above so many times the p95 of an idle pod.
    pub factor: f64,
}

/// Which months of which account are replayed, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Place of the account in the scenario.
    pub account: usize,
    /// Months before the first one looked at.
    pub first: u32,
    /// Months looked at.
    pub months: u32,
    /// When a minute is late.
    pub late: Late,
    /// What comes worse than planned.
    pub strain: Strain,
}

/// What a trial came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Cost of all accounts, in USD.
    pub cost: f64,
    /// Minutes in which requests were late, summed over workloads.
    pub late_minutes: f64,
    /// Of these, with more asked than the ready pods can serve.
    pub saturated_minutes: f64,
    /// Minutes that pods waited for a node.
    pub pending_pod_minutes: f64,
    /// Pods evicted.
    pub evictions: f64,
    /// Requests that nothing served.
    pub unserved_requests: f64,
    /// Mean of nodes.
    pub nodes: f64,
    /// Whether each budget has broken by the end.
    pub broke: Vec<bool>,
}

/// Why a workload was overloaded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Overload {
    /// The workload.
    pub workload: String,
    /// Overloaded minutes.
    pub minutes: f64,
    /// Of these, with every replica that the autoscaler may have.
    pub at_max_replicas: f64,
    /// Of these, with pods that had no node.
    pub without_node: f64,
}

/// What all changes share in one trial.
#[derive(Debug)]
pub struct Luck {
    trial: u32,
    values: Vec<f64>,
    users: Path,
    traffic: Vec<MonthTraffic>,
    /// Usage of the other accounts.
    others: Vec<Usage>,
    /// What each budget counts of the months before the first one looked at, in USD.
    before: Vec<Vec<f64>>,
}

impl Luck {
    /// Returns the mid case's or a trial's traffic of some months, without other accounts.
    pub(super) fn of_traffic(trial: u32, users: Path, traffic: Vec<MonthTraffic>) -> Self {
        Self { trial, values: Vec::new(), users, traffic, others: Vec::new(), before: Vec::new() }
    }

    /// Its trial.
    pub fn trial(&self) -> u32 {
        self.trial
    }
}

impl Prepared<'_> {
    /// What changes share in a trial.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn luck(&self, view: &View, trial: u32) -> Result<Luck, Error> {
        let values = self.scenario.ranges.draw(self.scenario.plan.seed, trial);
        self.in_trial(trial, |drawn| {
            let mut users = drawn.users.clone();
            faster(&mut users, self.scenario.plan.months, view.strain.growth);
            let month = |index: u32| drawn.month_traffic(index, &users, trial);
            let traffic: Result<Vec<MonthTraffic>, Error> =
                (view.first..view.first + view.months).map(month).collect();
            let traffic = traffic?;
            let drawn = drawn.beside(drawn.scenario, &users, view.strain.spot_price);
            let mut luck = Luck { values, ..Luck::of_traffic(trial, users, traffic) };
            let mut metering = Metering::default();
            for (place, account) in drawn.scenario.accounts.iter().enumerate() {
                if place != view.account {
                    drawn.meter((place, account), view, &luck, &mut metering)?;
                }
            }
            luck.others = metering.usage;
            if !self.scenario.budgets.is_empty() && view.first > 0 {
                luck.before = drawn.costs_before(view, trial)?;
            }
            Ok(luck)
        })
    }

    /// Runs one trial with some settings changed.
    ///
    /// # Errors
    /// Settings that contradict each other; meters without a price.
    pub fn judge(&self, view: &View, luck: &Luck, edits: &Edits<'_>) -> Result<Judged, Error> {
        Ok(self.judge_months(view, luck, edits)?.0)
    }

    /// Returns why each workload was overloaded in one trial with some settings changed.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn overloads(
        &self,
        view: &View,
        luck: &Luck,
        edits: &Edits<'_>,
    ) -> Result<Vec<Overload>, Error> {
        let mut all: Vec<Overload> = Vec::new();
        for month in self.judge_months(view, luck, edits)?.1 {
            all.resize_with(month.workloads.len(), Overload::default);
            for (sum, own) in all.iter_mut().zip(month.workloads) {
                sum.workload = own.name;
                sum.minutes += own.overloaded_minutes;
                sum.at_max_replicas += own.overloaded_at_most_minutes;
                sum.without_node += own.overloaded_pending_minutes;
            }
        }
        Ok(all)
    }

    fn judge_months(
        &self,
        view: &View,
        luck: &Luck,
        edits: &Edits<'_>,
    ) -> Result<(Judged, Vec<Capacity>), Error> {
        let scenario = self.scenario.with_edits(&luck.values, edits, &self.facts.catalog)?;
        let drawn = self.beside(&scenario, &luck.users, view.strain.spot_price);
        let mut metering = Metering::default();
        let account = &scenario.accounts[view.account];
        let months = drawn.meter((view.account, account), view, luck, &mut metering)?;
        let mut usage = metering.usage;
        usage.extend(luck.others.iter().cloned());
        let (rated, _) = drawn.rate(usage, luck.trial)?;
        let sum = |of: &dyn Fn(&Capacity) -> f64| months.iter().map(of).sum::<f64>();
        let each = |of: fn(&crate::cluster::capacity::WorkloadUse) -> f64| {
            sum(&|month| month.workloads.iter().map(of).sum())
        };
        let judged = Judged {
            cost: rated.entries.iter().map(|entry| entry.cost).sum::<Usd>().to_f64(),
            late_minutes: each(|own| own.late_minutes),
            saturated_minutes: each(|own| own.overloaded_minutes),
            pending_pod_minutes: each(|own| own.pending_pod_minutes),
            evictions: sum(&|month| f64::from(month.evictions)),
            unserved_requests: each(|own| own.unserved_requests),
            nodes: sum(&|month| month.total.mean) / months.len().max(1) as f64,
            broke: drawn.broke(view, luck, &rated),
        };
        Ok((judged, months))
    }

    /// The trace of the mid case with some settings changed.
    ///
    /// # Errors
    /// As [`Self::trace`].
    pub fn trace_with(&self, request: &Request, edits: &Edits<'_>) -> Result<Trace, Error> {
        let values = self.scenario.ranges.draw(self.scenario.plan.seed, 0);
        let scenario = self.scenario.with_edits(&values, edits, &self.facts.catalog)?;
        Prepared::new(&scenario, self.facts, self.inputs)?.trace(request)
    }

    /// The same with another scenario and other users; without policies.
    pub(super) fn beside<'s>(
        &'s self,
        scenario: &'s Scenario,
        users: &Path,
        spot_level: f64,
    ) -> Prepared<'s> {
        Prepared {
            scenario,
            facts: self.facts,
            inputs: self.inputs,
            users: users.clone(),
            traffic: self.traffic.clone(),
            policies: Vec::new(),
            sold_classes: super::sold_by_region(scenario, self.facts),
            residual_sigma: None,
            scopes: self.scopes.clone(),
            bootstrap: std::sync::OnceLock::new(),
            spot_level,
        }
    }

    /// Runs an account through the months looked at.
    pub(super) fn meter(
        &self,
        (place, account): (usize, &Account),
        view: &View,
        luck: &Luck,
        metering: &mut Metering,
    ) -> Result<Vec<Capacity>, Error> {
        let plan = &self.scenario.plan;
        let first = plan.start.plus(view.first);
        let days = (0..view.months).map(|index| first.plus(index).days() as u32).sum();
        let span = (PLAN_TICK_SECONDS, first.first_day(), days);
        let mut policy = policy(self.scenario, account, self.facts, span).map_err(Error::input)?;
        policy.count_late(view.late.p95_ms, view.late.factor);
        policy.slow_nodes(view.strain.startup_seconds);
        let draws = self.scenario.cluster_luck(luck.trial, place);
        let mut running = Running::new(account, &policy, (first, &luck.traffic[0]), draws);
        running.count_costs_only();
        let mut months = Vec::with_capacity(luck.traffic.len());
        for (index, traffic) in luck.traffic.iter().enumerate() {
            let month = first.plus(index as u32);
            let mut capacity = running.month(month, traffic);
            metering
                .add(account, &self.demand(account, view.first as usize + index, month, &capacity));
            capacity.forget_times();
            months.push(capacity);
        }
        Ok(months)
    }

    /// What each budget counts of the months before those looked at, in USD.
    fn costs_before(&self, view: &View, trial: u32) -> Result<Vec<Vec<f64>>, Error> {
        let plan = &self.scenario.plan;
        let earlier = View { first: 0, months: view.first, ..*view };
        let traffic: Result<Vec<MonthTraffic>, Error> =
            (0..view.first).map(|index| self.month_traffic(index, &self.users, trial)).collect();
        let luck = Luck::of_traffic(trial, self.users.clone(), traffic?);
        let mut metering = Metering::default();
        for (place, account) in self.scenario.accounts.iter().enumerate() {
            self.meter((place, account), &earlier, &luck, &mut metering)?;
        }
        let (rated, _) = self.rate(metering.usage, trial)?;
        Ok(self.spent(&rated, plan.start, view.first))
    }

    /// Whether each budget has broken by the last month looked at.
    fn broke(&self, view: &View, luck: &Luck, rated: &Rated) -> Vec<bool> {
        let plan = &self.scenario.plan;
        let count = view.first + view.months;
        let months: Vec<Month> = (0..count).map(|index| plan.start.plus(index)).collect();
        let each = self.scenario.revenue.map_or(0.0, |revenue| revenue.per_user_month);
        let revenue: Vec<f64> = (0..count).map(|m| self.users.at(f64::from(m)) * each).collect();
        let spent = self.spent(rated, plan.start.plus(view.first), view.months);
        let broke = |(place, (budget, spent)): (usize, (&Budget, Vec<f64>))| {
            let mut costs = luck.before.get(place).cloned().unwrap_or_default();
            costs.resize(view.first as usize, 0.0);
            costs.extend(spent);
            budget.first_exceeded(&months, &costs, &revenue).is_some()
        };
        self.scenario.budgets.iter().zip(spent).enumerate().map(broke).collect()
    }
}

/// Users that gain so many times as many since the plan's first month.
fn faster(users: &mut Path, months: u32, factor: f64) {
    let first = users.at(0.0);
    if (factor - 1.0).abs() < f64::EPSILON || first <= 0.0 {
        return;
    }
    let more = |index: u32| {
        let planned = users.at(f64::from(index));
        let gained = first + factor * (planned - first);
        if planned > 0.0 && gained > 0.0 { (gained / planned).ln() } else { 0.0 }
    };
    let more: Vec<f64> = (0..=months).map(more).collect();
    users.drift.resize(more.len(), 0.0);
    users.drift.iter_mut().zip(more).for_each(|(drift, more)| *drift += more);
}
