//! One trial, kept as what forecasts need of it: sums, not lines.

use std::{collections::BTreeMap, sync::Arc};

use super::{Metering, Prepared, Running};
use crate::{
    demand::traffic::MonthTraffic,
    error::Error,
    measure::{calendar::Month, units::Usd},
    money::rate::{Beyond, Usage},
};

/// What a service costs an account in a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Months since the plan's first.
    pub month: u32,
    /// Place of the account in the scenario.
    pub account: u32,
    /// Cost Explorer service.
    pub service: Arc<str>,
    /// Cost, in USD.
    pub cost: Usd,
}

/// What a trial came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its number.
    pub trial: u32,
    /// What it drew, in the order of [`Prepared::drawn`].
    pub drawn: Vec<f64>,
    /// Monthly users.
    pub users: Vec<f64>,
    /// Requests of a month, all classes.
    pub requests: Vec<f64>,
    /// Revenue of a month, in USD; nothing where the scenario has none.
    pub revenue: Vec<f64>,
    /// Costs, by month, account and service.
    pub costs: Vec<Cost>,
    /// Meters that used more than the book has steps for, each with its last step.
    pub beyond: Vec<String>,
}

/// How far users are off their curve, in what a trial drew.
const STRAY: &str = "users off their curve";

impl Prepared<'_> {
    /// Names of what a trial draws: ranges, users off their curve, launches that may not happen.
    pub fn drawn(&self) -> Vec<String> {
        let ranges = self.scenario.ranges.inputs.iter().map(|input| input.key.clone());
        let mut names: Vec<String> = ranges.collect();
        if self.scenario.users.strays() {
            names.push(STRAY.into());
        }
        let events = &self.scenario.traffic.events;
        names.extend(self.open_launches().map(|place| events[place].name.clone()));
        names
    }

    /// Places of launches that may or may not happen.
    fn open_launches(&self) -> impl Iterator<Item = usize> {
        let events = self.scenario.traffic.events.iter().enumerate();
        events.filter(|(_, e)| e.probability > 0.0 && e.probability < 1.0).map(|(place, _)| place)
    }

    /// Runs one trial and keeps its sums.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn sample(&self, trial: u32) -> Result<Sample, Error> {
        let values = self.scenario.ranges.draw(self.scenario.plan.seed, trial);
        self.in_trial(trial, |drawn| {
            let mut sample = drawn.sums(trial)?;
            sample.drawn = values;
            if self.scenario.users.strays() {
                sample.drawn.push(drawn.users.strayed(&self.users));
            }
            let (luck, events) = (drawn.traffic.luck(trial), &drawn.scenario.traffic.events);
            let happens = |place: usize| f64::from(u8::from(events[place].happens(luck)));
            sample.drawn.extend(self.open_launches().map(happens));
            Ok(sample)
        })
    }

    /// Usage of all months, month by month so that each stays in the cache; `look` sees the traffic.
    pub(super) fn metered(
        &self,
        trial: u32,
        mut look: impl FnMut(u32, &MonthTraffic),
    ) -> Result<Vec<Usage>, Error> {
        let plan = &self.scenario.plan;
        let mut metering = Metering::default();
        let mut running: Vec<Running<'_>> = Vec::new();
        for index in 0..plan.months {
            let month = plan.start.plus(index);
            let traffic = self.month_traffic(index, &self.users, trial)?;
            look(index, &traffic);
            for (place, account) in self.scenario.accounts.iter().enumerate() {
                if index == 0 {
                    let mut cluster = self.begin(place, trial, month, &traffic);
                    cluster.count_costs_only();
                    running.push(cluster);
                }
                let capacity = running[place].month(month, &traffic);
                metering.add(account, &self.demand(account, index as usize, month, &capacity));
            }
        }
        Ok(metering.usage)
    }

    fn sums(&self, trial: u32) -> Result<Sample, Error> {
        let mut sessions = Vec::new();
        let usage = self.metered(trial, |_, traffic| sessions.push(traffic.summary().sessions))?;
        self.summed(trial, &sessions, usage)
    }

    /// Prices the usage of a trial and keeps its sums.
    pub(super) fn summed(
        &self,
        trial: u32,
        sessions: &[f64],
        usage: Vec<Usage>,
    ) -> Result<Sample, Error> {
        let plan = &self.scenario.plan;
        let per_session: f64 =
            self.scenario.traffic.classes.values().map(|class| class.per_session).sum();
        let requests = sessions.iter().map(|sessions| sessions * per_session).collect();
        let users: Vec<f64> = (0..plan.months).map(|at| self.users.at(f64::from(at))).collect();
        let (rated, _) = self.rate(usage, trial)?;
        let mut costs: BTreeMap<(Month, u32, &str), Usd> = BTreeMap::new();
        for entry in &rated.entries {
            let name = |account: &crate::intent::scenario::Account| account.name == entry.account;
            let account = self.scenario.accounts.iter().position(name).unwrap_or_default() as u32;
            let service = &*rated.prices[rated.charges[entry.charge].price].cost_explorer_service;
            *costs.entry((entry.month, account, service)).or_default() += entry.cost;
        }
        let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
        let costs = costs.into_iter().map(|((month, account, service), cost)| Cost {
            month: month.since(plan.start) as u32,
            account,
            service: Arc::clone(names.entry(service).or_insert_with(|| service.into())),
            cost,
        });
        let per_user = self.scenario.revenue.map(|revenue| revenue.per_user_month);
        let revenue = users.iter().map(|users| per_user.map_or(0.0, |each| users * each)).collect();
        let beyond = |own: &Beyond| format!("{} above {} {}", own.key, own.end, own.unit);
        Ok(Sample {
            trial,
            drawn: Vec::new(),
            users,
            requests,
            revenue,
            costs: costs.collect(),
            beyond: rated.beyond().iter().map(beyond).collect(),
        })
    }
}
