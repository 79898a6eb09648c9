//! The mid case alone, as fast as possible: sums, not lines; accounts in parallel; and an account
//! whose traffic and cluster are what they were is not simulated again.
//!
//! # Limits
//! What was simulated before may only be given to a plan with the same facts and the same series.

use std::sync::Arc;

use rayon::prelude::*;

use super::{Metering, Prepared, Running, Sample};
use crate::{
    cluster::{
        autoscale::settings::Cluster,
        capacity::{Capacity, Nodes},
        workload::Workload,
    },
    demand::{
        growth::Users,
        traffic::{Class, MonthTraffic, Traffic},
    },
    error::Error,
    intent::scenario::{Account, PlanSettings, Schedule},
};

/// The mid case.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its sums.
    pub sample: Sample,
    /// Nodes of each account, month by month.
    pub nodes: Vec<Vec<Nodes>>,
}

/// What a line was simulated from, and what that came to.
#[derive(Debug)]
pub struct Simulated {
    plan: PlanSettings,
    users: Users,
    traffic: Traffic,
    sessions: Vec<f64>,
    accounts: Vec<Ran>,
}

/// One account's part.
#[derive(Debug, Clone)]
struct Ran {
    share: f64,
    region: String,
    schedule: Option<Schedule>,
    cluster: Cluster,
    workloads: Arc<indexmap::IndexMap<String, Workload>>,
    classes: Arc<indexmap::IndexMap<String, Class>>,
    months: Arc<Vec<Capacity>>,
}

impl Ran {
    /// Whether the account would run as this one did.
    fn is(&self, account: &Account) -> bool {
        let (settings, stack) = (&account.settings, &account.stack);
        self.share.to_bits() == settings.traffic_share.to_bits()
            && self.region == settings.region
            && self.schedule == settings.schedule
            && self.cluster == stack.cluster
            && *self.workloads == stack.workloads
            && *self.classes == account.classes
    }
}

impl Prepared<'_> {
    /// The mid case: the sums of [`Prepared::run`] of trial 0, to the last digit.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn line(&self, before: Option<&Simulated>) -> Result<(Line, Simulated), Error> {
        let simulated = self.simulated(before)?;
        let plan = &self.scenario.plan;
        // Lines in the order of `run`: month by month, in each the accounts.
        let month = |index: u32| {
            let mut metering = Metering::default();
            for (account, ran) in self.scenario.accounts.iter().zip(&simulated.accounts) {
                let capacity = &ran.months[index as usize];
                let demand = self.demand(account, index as usize, plan.start.plus(index), capacity);
                metering.add(account, &demand);
            }
            metering.usage
        };
        let usage: Vec<Vec<_>> = (0..plan.months).into_par_iter().map(month).collect();
        let usage = usage.into_iter().flatten().collect();
        let sample = self.summed(0, &simulated.sessions, usage)?;
        let nodes = |ran: &Ran| ran.months.iter().map(|capacity| capacity.total).collect();
        let nodes = simulated.accounts.iter().map(nodes).collect();
        Ok((Line { sample, nodes }, simulated))
    }

    /// Runs the clusters, or takes what was run before.
    fn simulated(&self, before: Option<&Simulated>) -> Result<Simulated, Error> {
        let Self { scenario, .. } = self;
        let before = before.filter(|before| {
            before.plan == scenario.plan
                && before.users == scenario.users
                && before.traffic == scenario.traffic
        });
        let kept = |place: usize, account: &Account| {
            let ran = before?.accounts.get(place)?;
            ran.is(account).then(|| ran.clone())
        };
        let kept: Vec<Option<Ran>> =
            scenario.accounts.iter().enumerate().map(|(place, own)| kept(place, own)).collect();
        let traffic = match before {
            Some(_) if kept.iter().all(Option::is_some) => Vec::new(),
            _ => self.traffic_of_months()?,
        };
        let sessions = match before {
            Some(before) => before.sessions.clone(),
            None => traffic.iter().map(|month| month.summary().sessions).collect(),
        };
        let run =
            |(place, kept): (usize, Option<Ran>)| kept.unwrap_or_else(|| self.ran(place, &traffic));
        let accounts = kept.into_par_iter().enumerate().map(run).collect();
        Ok(Simulated {
            plan: scenario.plan.clone(),
            users: scenario.users.clone(),
            traffic: scenario.traffic.clone(),
            sessions,
            accounts,
        })
    }

    fn traffic_of_months(&self) -> Result<Vec<MonthTraffic>, Error> {
        let month = |index| self.month_traffic(index, &self.users, 0);
        (0..self.scenario.plan.months).into_par_iter().map(month).collect()
    }

    /// One account's cluster over all months.
    fn ran(&self, place: usize, traffic: &[MonthTraffic]) -> Ran {
        let (account, start) = (&self.scenario.accounts[place], self.scenario.plan.start);
        let mut running: Running<'_> = self.begin(place, 0, start, &traffic[0]);
        running.count_costs_only();
        let month =
            |(index, traffic): (u32, &MonthTraffic)| running.month(start.plus(index), traffic);
        let months: Vec<Capacity> = (0..).zip(traffic).map(month).collect();
        Ran {
            share: account.settings.traffic_share,
            region: account.settings.region.clone(),
            schedule: account.settings.schedule.clone(),
            cluster: account.stack.cluster.clone(),
            workloads: Arc::new(account.stack.workloads.clone()),
            classes: Arc::new(account.classes.clone()),
            months: Arc::new(months),
        }
    }
}
