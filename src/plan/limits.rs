//! The next limits over users: where the cost of a month jumps, its slope changes, or capacity ends.
//!
//! # Formula
//! ```text
//! a limit      at n users a month is as it was; at n + 1 a class, a price step or an autoscaler's maximum differs
//! found by     one month of the mid case at users spread evenly in ratio, and halving where two neighbors differ
//! jump         cost of the service at n + 1 users − at n users                                  [USD a month]
//! slope        (cost at n users of a limit − cost at n + 1 of the one before) / users between   [USD a user]
//! ```
//! The jump is that of the service that changes: one more user also moves the cluster's nodes by chance, by more than
//! the user costs.
//!
//! # Limits
//! A limit that is met and left again between two neighbors is not found. All months but the one looked at may meet
//! their limits earlier: a launch or a season has more load for the same users.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::simulate::{AtUsers, Prepared};
use crate::{
    error::{Error, Place},
    measure::{calendar::Month, units::Usd},
};

/// Users between which neighbors are compared at first.
const SPREAD: usize = 13;
/// Maximum number of months to run; limits that they do not separate are reported at the upper end of their range.
const MOST: u32 = 600;
/// Users beyond the plan's most that are looked at, as a factor.
const AHEAD: f64 = 2.0;
/// Share of the users that a stretch spans for its slope to be known.
const STRETCH: f64 = 0.02;
/// The service whose instance class is chosen from the load.
const DATABASE: &str = "AmazonRDS";

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Request {
    /// The month; by default the plan's last.
    pub month: Option<Month>,
    /// The most users; by default twice the most of the plan.
    pub users: Option<f64>,
}

/// What kind of limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The size of a database changes.
    Size,
    /// A database no longer carries the load or its connections.
    Shortage,
    /// An autoscaler reaches its maximum.
    Replicas,
    /// A node pool reaches its limit.
    NodePool,
    /// A price passes into its next step.
    PriceStep,
}

/// A limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Monthly users from which on it holds.
    pub users: f64,
    /// Kind.
    pub kind: Kind,
    /// The account, or all accounts.
    pub account: String,
    /// What meets it: a workload, a service, a meter.
    pub subject: String,
    /// What was before.
    pub from: String,
    /// What is then.
    pub to: String,
    /// Change of the month's cost of that service, in USD; none where only the slope changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<Usd>,
    /// What raises it, or why it comes.
    pub raise: String,
}

/// Cost of one more user between two limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Slope {
    /// First number of users.
    pub from: f64,
    /// Last number of users.
    pub to: f64,
    /// Cost of one more user, in USD a month.
    pub per_user: f64,
}

/// All limits over a range of users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The month.
    pub month: Month,
    /// Its users in the mid case.
    pub users: f64,
    /// The range of users.
    pub range: [f64; 2],
    /// The limits, in the order of users.
    pub limits: Vec<Limit>,
    /// Slopes between them.
    pub slopes: Vec<Slope>,
}

/// Finds the limits; none of a plan without users.
///
/// # Errors
/// A month outside of the plan; fewer users than there are; those of [`Prepared::run`].
pub fn find(prepared: &Prepared<'_>, request: Request) -> Result<Option<Limits>, Error> {
    let plan = &prepared.scenario().plan;
    let last = plan.months.saturating_sub(1);
    let index = match request.month {
        None => last,
        Some(month) => {
            let since = month.since(plan.start);
            u32::try_from(since).ok().filter(|index| *index <= last).ok_or_else(|| {
                let ends = plan.start.plus(last);
                let message = format!("{month} is outside of the plan, {} to {ends}", plan.start);
                Error::at(named("--at"), message)
            })?
        }
    };
    let all: Vec<f64> = (0..=last).map(|index| prepared.users_in(index)).collect();
    let users = all[index as usize];
    let low = all.iter().copied().fold(users, f64::min).ceil().max(1.0);
    let most = AHEAD * all.iter().copied().fold(users, f64::max);
    let high = request.users.unwrap_or(most).round();
    if users < 1.0 {
        return Ok(None);
    }
    if high <= low {
        let message = format!("{high} users are not more than the plan's fewest, {low}");
        return Err(Error::at(named("--up-to"), message));
    }
    let ratio = (high / low).ln() / (SPREAD - 1) as f64;
    let mut points: Vec<f64> =
        (0..SPREAD).map(|at| (low * (ratio * at as f64).exp()).round().min(high)).collect();
    points.dedup();
    let search = Search { prepared, index, left: AtomicU32::new(MOST) };
    let months: Vec<AtUsers> =
        points.par_iter().map(|users| search.at(*users)).collect::<Result<_, Error>>()?;
    let edges: Vec<Vec<Edge>> = months
        .par_windows(2)
        .map(|pair| search.edges(&pair[0], &pair[1]))
        .collect::<Result<_, Error>>()?;
    let edges: Vec<Edge> = edges.into_iter().flatten().collect();
    let ends = [months.first(), months.last()];
    let [Some(first), Some(end)] = ends else { return Ok(None) };
    Ok(Some(Limits {
        month: plan.start.plus(index),
        users,
        range: [low, high],
        slopes: slopes(first, &edges, end),
        limits: limits(&edges),
    }))
}

fn named(flag: &str) -> Place {
    Place { key: Some(flag.to_owned()), ..Place::default() }
}

/// Two neighbors that differ.
struct Edge {
    below: AtUsers,
    above: AtUsers,
}

struct Search<'a> {
    prepared: &'a Prepared<'a>,
    index: u32,
    left: AtomicU32,
}

impl Search<'_> {
    fn at(&self, users: f64) -> Result<AtUsers, Error> {
        self.prepared.at_users(self.index, users)
    }

    /// Halves until neighbors that differ are one user apart.
    fn edges(&self, below: &AtUsers, above: &AtUsers) -> Result<Vec<Edge>, Error> {
        if below.is_as(above) {
            return Ok(Vec::new());
        }
        let middle = f64::midpoint(below.users, above.users).floor();
        let one_less = |left: u32| left.checked_sub(1);
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if middle <= below.users || spent.is_err() {
            return Ok(vec![Edge { below: below.clone(), above: above.clone() }]);
        }
        let middle = self.at(middle)?;
        let (lower, upper) =
            rayon::join(|| self.edges(below, &middle), || self.edges(&middle, above));
        let mut edges = lower?;
        edges.extend(upper?);
        Ok(edges)
    }
}

/// What differs at each edge. A limit that is met, left and met again at almost the same users counts once.
fn limits(edges: &[Edge]) -> Vec<Limit> {
    let mut found: Vec<Limit> = Vec::new();
    for Edge { below, above } in edges {
        let mut add = |limit: Limit| {
            let same = |known: &Limit| {
                (known.kind, &known.account, &known.subject, &known.to)
                    == (limit.kind, &limit.account, &limit.subject, &limit.to)
            };
            if !found.iter().any(same) {
                found.push(limit);
            }
        };
        let users = above.users;
        for (old, new) in below.choices.iter().zip(&above.choices) {
            let (account, subject) = (new.account.clone(), new.choice.subject.clone());
            let (from, to) = (old.choice.choice.clone(), new.choice.choice.clone());
            let raise = raised(&new.choice.reason);
            if new.choice.warning && !old.choice.warning {
                let (from, to) = ("carries the load".into(), "does not".into());
                let (kind, jump) = (Kind::Shortage, None);
                add(Limit { users, kind, account, subject, from, to, jump, raise });
            } else if new.choice.has_steps() && from != to {
                let cost = |of: &AtUsers| of.cost_of(&account, DATABASE);
                let (kind, jump) = (Kind::Size, Some(cost(above) - cost(below)));
                add(Limit { users, kind, account, subject, from, to, jump, raise });
            }
        }
        let before = below.scaled.iter().zip(&above.scaled);
        for (_, new) in before.filter(|(old, new)| new.reached && !old.reached) {
            let key = format!("workloads.{}.hpa.max_replicas", new.workload);
            add(Limit {
                users,
                kind: Kind::Replicas,
                account: new.account.clone(),
                subject: new.workload.clone(),
                from: format!("below {} replicas", new.max_replicas),
                to: format!("max_replicas = {}", new.max_replicas),
                jump: None,
                raise: format!("raise {key}"),
            });
        }
        for account in above.full_pools.difference(&below.full_pools) {
            add(Limit {
                users,
                kind: Kind::NodePool,
                account: account.clone(),
                subject: "node pools".into(),
                from: "room for more nodes".into(),
                to: "a limit of a node pool is reached".into(),
                jump: None,
                raise: "raise cluster.node_pools.*.limit_vcpus, limit_memory_gib or limit_nodes"
                    .into(),
            });
        }
        for (meter, old, new) in below.new_steps(above).filter(|(_, old, new)| old.from < new.from)
        {
            let price = |price: &crate::measure::units::UnitPrice| {
                format!("${} per {}", price.decimal().normalize(), new.unit)
            };
            add(Limit {
                users,
                kind: Kind::PriceStep,
                account: meter.scope.clone(),
                subject: format!("{} {}", meter.key.service, meter.key.usage_type),
                from: price(&old.price),
                to: price(&new.price),
                jump: None,
                raise: format!("above {} {} a month", new.from.normalize(), new.unit),
            });
        }
    }
    found
}

/// Why a size changes, and what puts it off.
fn raised(reason: &str) -> String {
    let puts_off = [
        (
            "working set",
            "less working_set_share or storage_mib_per_user, or a fixed instance_class",
        ),
        ("CPU", "less cpu_ms_per_query or queries_per, or more max_readers"),
        ("connections", "fewer database_connections per pod, or a pooler"),
    ];
    let known = puts_off.into_iter().filter(|(bound, _)| reason.contains(bound));
    let known: Vec<&str> = known.map(|(_, what)| what).collect();
    if known.is_empty() {
        return reason.to_owned();
    }
    format!("{reason}: {}", known.join("; "))
}

/// The slopes of the stretches between edges that are long enough.
fn slopes(first: &AtUsers, edges: &[Edge], last: &AtUsers) -> Vec<Slope> {
    let mut slopes = Vec::new();
    let ends = edges.iter().map(|edge| &edge.below).chain([last]);
    let starts = [first].into_iter().chain(edges.iter().map(|edge| &edge.above));
    for (start, end) in starts.zip(ends) {
        let users = end.users - start.users;
        if users >= STRETCH * start.users && users > 0.0 {
            let per_user = (end.cost - start.cost).to_f64() / users;
            slopes.push(Slope { from: start.users, to: end.users, per_user });
        }
    }
    slopes
}
