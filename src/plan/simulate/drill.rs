//! Trouble at the busiest minute of some months, in the mid case: what is left, and how long until it is over.
//!
//! # Formula
//! ```text
//! capacity left       = what the ready pods can serve / requests, of the workload that is worst off
//!                       just after a loss; at its least in a burst
//! minutes overloaded  = minutes of the next two hours in which any workload is overloaded
//! minutes to recover  = loss: until every workload has as many ready pods as without it
//!                       burst: until no workload is overloaded any more
//! ```
//! An account's schedule is left aside: it is awake at its busiest minute. The cluster runs the week before it.
//! Pods come back as in a plan: they wait for room or a node, nodes for their start, pods for their image and start-up.
//! A burst has the form of a launch of the scenario, and begins at the busiest minute.

use serde::{Deserialize, Serialize};

use super::{Edits, PLAN_TICK_SECONDS, Prepared, View, policy};
use crate::{
    cluster::autoscale::{Cluster, drill::Loss, policy::Policy},
    demand::traffic::{Event, MonthTraffic},
    error::Error,
    measure::calendar::{MINUTES_PER_DAY, Month},
};

/// How long trouble is followed, in minutes.
const FOLLOWED: usize = 120;
/// Days that the cluster runs before it.
const BEFORE: usize = 7;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Nodes are lost.
    Loss(Loss),
    /// A burst of traffic.
    Burst(Event),
}

/// What trouble did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// Nodes before.
    pub nodes: u32,
    /// Of these, lost.
    pub lost: u32,
    /// Capacity left as a share of what was asked; above 1 nothing is overloaded.
    pub capacity_left: f64,
    /// Overloaded minutes of the two hours after it.
    pub overloaded_minutes: f64,
    /// Minutes until it is over; none if it is not within two hours.
    pub recovery_minutes: Option<u32>,
}

/// The busiest minute of some months in the mid case.
#[derive(Debug, Clone, PartialEq)]
pub struct Busiest {
    /// Its month.
    pub month: Month,
    /// Days before it in the month.
    pub day: u32,
    /// Minutes before it in the month.
    minute: usize,
    traffic: MonthTraffic,
}

impl Prepared<'_> {
    /// Returns the busiest minute of the mid case.
    ///
    /// # Errors
    /// Traffic that is no number.
    pub fn busiest(&self, view: &View) -> Result<Busiest, Error> {
        let mut best: Option<(f64, Busiest)> = None;
        for index in view.first..view.first + view.months {
            let month = self.scenario.plan.start.plus(index);
            let traffic = self.month_traffic(index, &self.users, 0)?;
            let loads = traffic.sessions.iter().copied().enumerate();
            let (minute, peak) =
                loads.fold(
                    (0, f64::MIN),
                    |best, (minute, load)| {
                        if load > best.1 { (minute, load) } else { best }
                    },
                );
            if best.as_ref().is_none_or(|(most, _)| peak > *most) {
                let day = (minute / MINUTES_PER_DAY) as u32;
                best = Some((peak, Busiest { month, day, minute, traffic }));
            }
        }
        let month = self.scenario.plan.start.plus(view.first);
        let traffic = MonthTraffic { sessions: Vec::new() };
        Ok(best.map_or(Busiest { month, day: 0, minute: 0, traffic }, |(_, busiest)| busiest))
    }

    /// Runs the mid case up to its busiest minute with some settings changed, and has each trouble there.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn drills(
        &self,
        (view, busiest): (&View, &Busiest),
        edits: &Edits<'_>,
        troubles: &[&Trouble],
    ) -> Result<Vec<Drill>, Error> {
        let values = self.scenario.ranges.draw(self.scenario.plan.seed, 0);
        let scenario = self.scenario.with_edits(&values, edits, &self.facts.catalog)?;
        let account = &scenario.accounts[view.account];
        let day = (busiest.day as usize).saturating_sub(BEFORE);
        let start = busiest.month.first_day().saturating_add(jiff::Span::new().days(day as i64));
        let span = (PLAN_TICK_SECONDS, start, (busiest.month.days() - day) as u32);
        let policy = policy(&scenario, account, self.facts, span).map_err(Error::input)?;
        let share = account.settings.traffic_share;
        let loads = busiest.traffic.sessions.iter().map(|load| load * share);
        let loads: Vec<f64> = loads.skip(day * MINUTES_PER_DAY).collect();
        let (before, after) = loads.split_at(busiest.minute - day * MINUTES_PER_DAY);
        let luck = scenario.cluster_luck(0, view.account);
        let first = loads.first().copied().unwrap_or_default();
        let mut cluster = Cluster::new(&policy, first, true, luck);
        cluster.run(&policy, before, true);
        let after = &after[..after.len().min(FOLLOWED)];
        let usual = follow(cluster.clone(), &policy, after.iter().copied());
        let drill = |trouble: &&Trouble| {
            let mut cluster = cluster.clone();
            let nodes = cluster.nodes().count() as u32;
            let (lost, run) = match trouble {
                Trouble::Loss(loss) => {
                    let nodes_lost = cluster.lose(&policy, *loss);
                    (nodes_lost, follow(cluster, &policy, after.iter().copied()))
                }
                Trouble::Burst(event) => {
                    let by_minute = after.iter().enumerate();
                    let raised = by_minute.map(|(at, load)| load * event.factor(at as f64));
                    (0, follow(cluster, &policy, raised))
                }
            };
            let left = run.iter().map(|own| own.left);
            let recovery = match trouble {
                Trouble::Loss(_) => run.iter().zip(&usual).position(|(own, usual)| {
                    own.ready.iter().zip(&usual.ready).all(|(own, usual)| own >= usual)
                }),
                Trouble::Burst(_) => {
                    let late = left.clone().rposition(|left| left < 1.0);
                    let over = late.map_or(0, |minute| minute + 1);
                    (over < run.len()).then_some(over)
                }
            };
            let (first, least) =
                (left.clone().next().unwrap_or(MOST_LEFT), left.clone().fold(MOST_LEFT, f64::min));
            Drill {
                nodes,
                lost,
                capacity_left: if matches!(trouble, Trouble::Loss(_)) { first } else { least },
                overloaded_minutes: left.filter(|left| *left < 1.0).count() as f64,
                recovery_minutes: recovery.map(|minute| minute as u32),
            }
        };
        Ok(troubles.iter().map(drill).collect())
    }
}

/// Capacity left above which a figure says no more.
const MOST_LEFT: f64 = 100.0;

struct Minute {
    left: f64,
    ready: Vec<u32>,
}

fn follow(mut cluster: Cluster, policy: &Policy, loads: impl Iterator<Item = f64>) -> Vec<Minute> {
    let minute = |load: f64| {
        cluster.step(policy, load, true);
        let most = cluster.workloads().iter().map(|own| own.load).fold(0.0, f64::max);
        Minute {
            left: if most > 0.0 { most.recip().min(MOST_LEFT) } else { MOST_LEFT },
            ready: cluster.workloads().iter().map(|own| own.ready).collect(),
        }
    };
    loads.map(minute).collect()
}
