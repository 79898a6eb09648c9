//! A loss at the busiest minute of some months, in the mid case: what is left, and how long until it is replaced.
//!
//! # Formula
//! ```text
//! capacity left       = what the ready pods can serve / requests, of the workload that is worst off     just after
//! minutes overloaded  = minutes of the next two hours in which any workload is overloaded
//! minutes to recover  = minutes until every workload has as many ready pods as without a loss
//! ```
//! An account's schedule is left aside: it is awake at its busiest minute.
//! Pods come back as in a plan: they wait for room or a node, nodes for their start, pods for their image and start-up.

use serde::{Deserialize, Serialize};

use super::{Edits, Luck, PLAN_TICK_SECONDS, Prepared, Running, View, policy};
use crate::{
    cluster::autoscale::{Cluster, drill::Loss, policy::Policy},
    error::Error,
    measure::calendar::MINUTES_PER_DAY,
};

/// How long a loss is followed, in minutes.
const FOLLOWED: usize = 120;

/// What a loss did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// What was lost.
    pub loss: Loss,
    /// Nodes before.
    pub nodes: u32,
    /// Of these, lost.
    pub lost: u32,
    /// Capacity left just after it, as a share of what was asked; above 1 nothing is overloaded.
    pub capacity_left: f64,
    /// Overloaded minutes of the two hours after it.
    pub overloaded_minutes: f64,
    /// Minutes until it is replaced; none if it is not within two hours.
    pub recovery_minutes: Option<u32>,
}

impl Prepared<'_> {
    /// Runs the mid case up to its busiest minute with some settings changed, and takes each loss there.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn drills(
        &self,
        view: &View,
        edits: &Edits<'_>,
        losses: &[Loss],
    ) -> Result<Vec<Drill>, Error> {
        let values = self.scenario.ranges.draw(self.scenario.plan.seed, 0);
        let scenario = self.scenario.with_edits(&values, edits, &self.facts.catalog)?;
        let (month, day) = self.busiest_day(view)?;
        let index = month.since(self.scenario.plan.start).max(0) as u32;
        let traffic = self.month_traffic(index, &self.users, 0)?;
        let drawn = self.beside(&scenario, &self.users, 1.0);
        let account = &scenario.accounts[view.account];
        let span = (PLAN_TICK_SECONDS, month.first_day(), month.days() as u32);
        let policy = policy(drawn.scenario, account, self.facts, span).map_err(Error::input)?;
        let luck = Luck::of_traffic(0, self.users.clone(), Vec::new());
        let stream = drawn.scenario.cluster_luck(luck.trial(), view.account);
        let mut running = Running::new(account, &policy, (month, &traffic), stream);
        let loads: Vec<f64> = traffic.sessions.iter().map(|load| load * running.share).collect();
        let from = day as usize * MINUTES_PER_DAY;
        let day = loads.get(from..(from + MINUTES_PER_DAY).min(loads.len())).unwrap_or_default();
        let busiest = day.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |of| of.0);
        let (before, after) = loads.split_at(from + busiest);
        running.cluster.run(&policy, before, true);
        let after = &after[..after.len().min(FOLLOWED)];
        let usual = follow(running.cluster.clone(), &policy, after);
        let drill = |loss: &Loss| {
            let mut cluster = running.cluster.clone();
            let nodes = cluster.nodes().count() as u32;
            let lost = cluster.lose(&policy, *loss);
            let minutes = follow(cluster, &policy, after);
            let overloaded = minutes.iter().filter(|own| own.left < 1.0).count() as f64;
            let first = minutes.first().map_or(f64::INFINITY, |own| own.left);
            let back = minutes.iter().zip(&usual).position(|(own, usual)| {
                own.ready.iter().zip(&usual.ready).all(|(own, usual)| own >= usual)
            });
            Drill {
                loss: *loss,
                nodes,
                lost,
                capacity_left: first.min(MOST_LEFT),
                overloaded_minutes: overloaded,
                recovery_minutes: back.map(|minute| minute as u32),
            }
        };
        Ok(losses.iter().map(drill).collect())
    }
}

/// Capacity left above which a figure says no more.
const MOST_LEFT: f64 = 100.0;

struct Minute {
    left: f64,
    ready: Vec<u32>,
}

fn follow(mut cluster: Cluster, policy: &Policy, loads: &[f64]) -> Vec<Minute> {
    let minute = |load: &f64| {
        cluster.step(policy, *load, true);
        let most = cluster.workloads().iter().map(|own| own.load).fold(0.0, f64::max);
        Minute {
            left: if most > 0.0 { 1.0 / most } else { MOST_LEFT },
            ready: cluster.workloads().iter().map(|own| own.ready).collect(),
        }
    };
    loads.iter().map(minute).collect()
}
