//! One account's cluster tick by tick: what `runrate simulate` shows.
//!
//! # Limits
//! The cluster begins at the size that the first tick's load asks for, freshly packed: what earlier
//! days would have left behind is not there. The load of the model changes by the minute.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use serde::Serialize;

use super::{Prepared, Replay, policy};
use crate::{
    cluster::{
        autoscale::{
            Cluster,
            event::{Event, Reason, Subject},
            policy::{Policy, Purchase},
            purchase::NodeCounts,
        },
        capacity::{Capacity, purchase_name},
    },
    error::{Error, Place, nearest},
    intent::scenario::Account,
    measure::{
        calendar::{MINUTES_PER_DAY, Month},
        random,
    },
    usage::services::aurora::live::{Database, Reading},
};

/// Most ticks of one trace.
const MOST_TICKS: usize = 1_000_000;

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Which account; default: the first.
    pub account: Option<String>,
    /// First month; default: the plan's first.
    pub at: Option<Month>,
    /// Days; default: seven, or the whole replayed load.
    pub days: Option<u32>,
    /// Length of a tick, in seconds.
    pub tick_seconds: u32,
    /// A load in place of the model's.
    pub load: Option<Replay>,
    /// Which trial.
    pub trial: u32,
}

/// One workload over the trace; one value a tick.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadTrace {
    /// Its name.
    pub name: String,
    /// Requests that arrive [1/s].
    pub rps: Vec<f64>,
    /// Desired replicas.
    pub desired: Vec<u32>,
    /// Pods that serve.
    pub ready: Vec<u32>,
    /// Pods without a node.
    pub pending: Vec<u32>,
    /// What is asked over what the ready pods can serve; infinite while none is ready.
    pub load: Vec<f64>,
    /// Response time that 95 % of requests stay below, in ms.
    pub p95_ms: Vec<f64>,
    /// Requests that wait for the next tick.
    pub queued: Vec<f64>,
}

/// Nodes of one type bought one way.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeTrace {
    /// EC2 instance type.
    pub instance_type: String,
    /// How it was bought.
    pub purchase: Purchase,
    /// Nodes at each tick.
    pub nodes: Vec<u32>,
}

/// The database over the trace.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseTrace {
    /// What it runs on.
    pub name: String,
    /// At each tick.
    pub readings: Vec<Reading>,
}

/// Something that happened, with its names.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedEvent {
    /// When.
    pub at: DateTime,
    /// The tick.
    pub tick: usize,
    /// A deployment, or a node as `m7g.large#12`.
    pub subject: String,
    /// What and why.
    pub reason: Reason,
}

/// Everything a trace shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Name of the scenario.
    pub name: String,
    /// The account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// First moment, UTC.
    pub start: DateTime,
    /// Length of a tick, in seconds.
    pub tick_seconds: u32,
    /// Where the load is from.
    pub load: String,
    /// Sessions a minute.
    pub sessions: Vec<f64>,
    /// Baseline, on-demand and spot nodes.
    pub nodes: [Vec<u32>; 3],
    /// Nodes on their way.
    pub launching: Vec<u32>,
    /// CPU used over the vCPUs of all nodes.
    pub utilization: Vec<f64>,
    /// Pods without a node.
    pub pending: Vec<u32>,
    /// Nodes by type.
    pub types: Vec<TypeTrace>,
    /// Deployments that serve or scale.
    pub workloads: Vec<WorkloadTrace>,
    /// The database, where there is one.
    pub database: Option<DatabaseTrace>,
    /// What happened, in order.
    pub events: Vec<NamedEvent>,
    /// The span's sums.
    pub capacity: Capacity,
    /// List price of all node-hours, in USD.
    pub node_cost: f64,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// A count of events of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventCount {
    /// The reason's name.
    pub reason: String,
    /// How many.
    pub count: usize,
    /// The first one.
    pub first_at: String,
    /// It in words.
    pub first: String,
}

impl Trace {
    /// Ticks in all.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// No tick at all; never so for a trace that was made.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Days in all.
    pub fn days(&self) -> f64 {
        self.len() as f64 * f64::from(self.tick_seconds) / 86_400.0
    }

    /// The moment of a tick.
    pub fn moment(&self, tick: usize) -> DateTime {
        let seconds = tick as i64 * i64::from(self.tick_seconds);
        self.start.saturating_add(jiff::Span::new().seconds(seconds))
    }

    /// Events by reason, most first.
    pub fn event_counts(&self) -> Vec<EventCount> {
        let mut counts: BTreeMap<&str, EventCount> = BTreeMap::new();
        for event in &self.events {
            let reason = event.reason.name();
            let entry = counts.entry(reason).or_insert_with(|| EventCount {
                reason: reason.to_owned(),
                count: 0,
                first_at: event.at.to_string(),
                first: format!("{}: {}", event.subject, event.words()),
            });
            entry.count += 1;
        }
        let mut counts: Vec<EventCount> = counts.into_values().collect();
        counts.sort_by(|a, b| b.count.cmp(&a.count).then(a.reason.cmp(&b.reason)));
        counts
    }
}

impl NamedEvent {
    /// What happened and why, in words.
    pub fn words(&self) -> String {
        match self.reason {
            Reason::Rescaled { from, to, metric, percent_of_target, bound } => format!(
                "{from} to {to} replicas, {metric} at {percent_of_target:.0} % of target, {}",
                bound.name()
            ),
            Reason::Schedule { from, to } => {
                format!("{from} to {to} replicas, the account's schedule")
            }
            Reason::RunBegan { pods, late: 0 } => format!("a run begins with {pods} pods"),
            Reason::RunBegan { pods, late } => {
                format!("a run begins with {pods} pods, {late} s after it was due")
            }
            Reason::RunSkipped { why } => format!("a run does not begin: {why}"),
            Reason::RunFailed { lost } => format!("a run fails: {lost} of its pods were evicted"),
            Reason::Activated { from, to: 0 } => {
                format!("{from} to 0 replicas, KEDA: no trigger was active for the cooldown")
            }
            Reason::Activated { from, to } => {
                format!("{from} to {to} replicas, KEDA: a trigger is active")
            }
            Reason::Unschedulable { pods } => format!("{pods} pods fit on no node"),
            Reason::Launched { pods: 0, ready_in } => {
                format!("bought for the baseline, ready in {ready_in} s")
            }
            Reason::Launched { pods, ready_in } => {
                format!("bought for {pods} pending pods, ready in {ready_in} s")
            }
            Reason::LaunchedForBuffer { ready_in } => {
                format!("bought for the room of a capacity buffer, ready in {ready_in} s")
            }
            Reason::LaunchedAsReplacement { replaces, ready_in } => {
                format!("bought to replace {replaces} nodes, ready in {ready_in} s")
            }
            Reason::Empty => "no pods left: deleted".into(),
            Reason::Underutilized { replaced: false } => "its pods fit elsewhere: deleted".into(),
            Reason::Underutilized { replaced: true } => "a cheaper node takes its place".into(),
            Reason::Drifted => "an older machine image: replaced".into(),
            Reason::Expired => "reached expireAfter: replaced".into(),
            Reason::Failed => "failed: its pods serve no more".into(),
            Reason::Repaired => "failed for too long: replaced".into(),
            Reason::SpotInterrupted => "AWS takes it back in two minutes".into(),
            Reason::Terminated { evicted } => format!("gone, {evicted} pods evicted"),
            Reason::InsufficientCapacity { pods } => {
                format!("no spot capacity in any type that fits {pods} pods")
            }
            Reason::Overloaded { rps, capacity } => {
                format!("{rps:.1} requests/s arrive, the ready pods serve {capacity:.1}")
            }
            Reason::Recovered { unserved } => {
                format!("serves all again; {unserved:.0} requests were given up")
            }
        }
    }
}

impl Prepared<'_> {
    /// Simulates one account tick by tick.
    ///
    /// # Errors
    /// An account, a month or a length that the plan does not have; a policy that contradicts.
    pub fn trace(&self, request: &Request) -> Result<Trace, Error> {
        self.in_trial(request.trial, |drawn| drawn.trace_drawn(request))
    }

    fn trace_drawn(&self, request: &Request) -> Result<Trace, Error> {
        let (index, account) = self.account(request)?;
        let span = self.span(request)?;
        // Schedules go by the date on which the load begins.
        let settings = (request.tick_seconds, span.start.date(), span.days + 1);
        let mut policy =
            policy(self.scenario, account, self.facts, settings).map_err(Error::input)?;
        policy.first_second = span.first_second;
        let sessions = self.sessions(request, account, &span)?;
        let luck = self.scenario.cluster_luck(request.trial, index);
        let run = Run::new(&policy, account, &sessions, &span);
        let mut trace = run.go(luck);
        trace.name.clone_from(&self.scenario.plan.name);
        trace.load = match &request.load {
            Some(load) => load.file.clone(),
            None => "the model".into(),
        };
        trace.database = self.database(account, &span, &trace);
        if trace.database.is_some() {
            let note = "the database is sized for these days; the plan sizes it for whole months";
            trace.notes.push(note.into());
            if span.moved {
                let month = span.month;
                let note = format!(
                    "the load is not that of {month}; the database holds what the plan stores by then (--at sets another month)"
                );
                trace.notes.push(note);
            }
        }
        trace.notes.extend(policy.warnings());
        Ok(trace)
    }

    fn account(&self, request: &Request) -> Result<(usize, &Account), Error> {
        let accounts = &self.scenario.accounts;
        let Some(name) = &request.account else {
            return Ok((0, &accounts[0]));
        };
        let found = accounts.iter().enumerate().find(|(_, account)| account.name == *name);
        found.ok_or_else(|| {
            let names: Vec<&str> = accounts.iter().map(|account| &*account.name).collect();
            let near = nearest(name, names.iter().copied());
            let hint = near.map_or_else(
                || format!("there are {}", names.join(", ")),
                |near| format!("did you mean {near:?}?"),
            );
            argument("--account", format!("no account {name:?}; {hint}"))
        })
    }

    /// When the trace runs, inside the plan.
    fn span(&self, request: &Request) -> Result<Span, Error> {
        let plan = &self.scenario.plan;
        let last = plan.start.plus(plan.months - 1);
        let inside = |month: Month| {
            u32::try_from(month.since(plan.start)).ok().filter(|index| *index < plan.months)
        };
        // A replayed load has a date of its own.
        let own = request.load.as_ref().and_then(|load| Month::of(load.start().date()));
        let month = request.at.or(own.filter(|month| inside(*month).is_some()));
        let month = month.unwrap_or(plan.start);
        let Some(first_index) = inside(month) else {
            let message = format!("{month} is outside the plan; give {} to {last}", plan.start);
            return Err(argument("--at", message));
        };
        let moved = own.is_some_and(|own| own != month);
        let (start, first_second, replayed) = match &request.load {
            Some(load) => {
                let start = load.start();
                let second = i32::from(start.hour()) * 3600
                    + i32::from(start.minute()) * 60
                    + i32::from(start.second());
                let ticks = load.ticks(request.tick_seconds);
                (start, second as u32, Some(ticks))
            }
            None => (month.first_day().at(0, 0, 0, 0), 0, None),
        };
        let per_day = 86_400 / request.tick_seconds as usize;
        let ticks = match (request.days, replayed) {
            (Some(days), Some(ticks)) if days as usize * per_day > ticks => {
                let held = ticks as f64 / per_day as f64;
                let message = format!(
                    "{days} days, and the load holds {held:.1}; give fewer, or leave it out to replay all of it"
                );
                return Err(argument("--days", message));
            }
            (None, Some(ticks)) => ticks,
            (days, _) => days.unwrap_or(7) as usize * per_day,
        };
        let days = ticks.div_ceil(per_day) as u32;
        let left: usize =
            (first_index..plan.months).map(|index| plan.start.plus(index).days()).sum();
        if replayed.is_none() && days as usize > left {
            let message = format!(
                "{days} days from {month} run past {last}, the plan's last month; give {left} or fewer"
            );
            return Err(argument("--days", message));
        }
        if ticks == 0 {
            let file = request.load.as_ref().map_or("the load", |load| &*load.file);
            let message = format!("shorter than one tick of {} s", request.tick_seconds);
            return Err(Error::at(Place::file(file), message));
        }
        if ticks > MOST_TICKS {
            let message = format!(
                "{ticks} ticks; give fewer days or a longer tick ({MOST_TICKS} ticks at most)"
            );
            return Err(argument("--days", message));
        }
        Ok(Span { month, index: first_index, moved, start, first_second, ticks, days })
    }

    /// Sessions a minute that reach the account, tick by tick.
    fn sessions(
        &self,
        request: &Request,
        account: &Account,
        span: &Span,
    ) -> Result<Vec<f64>, Error> {
        let share = account.settings.traffic_share;
        if let Some(load) = &request.load {
            return Ok(load.sessions(request.tick_seconds, Some(span.ticks)));
        }
        let per_minute = (60 / request.tick_seconds).max(1) as usize;
        let mut sessions = Vec::with_capacity(span.ticks);
        let mut index = span.index;
        while sessions.len() < span.ticks {
            let traffic = self.month_traffic(index, &self.users, request.trial)?;
            for minute in traffic.sessions {
                sessions.extend(std::iter::repeat_n(minute * share, per_minute));
            }
            index += 1;
        }
        sessions.truncate(span.ticks);
        Ok(sessions)
    }

    fn database(&self, account: &Account, span: &Span, trace: &Trace) -> Option<DatabaseTrace> {
        let demand = self.demand(account, span.index as usize, span.month, &trace.capacity);
        let setup = account.stack.services.iter().find_map(|service| service.database(&demand))?;
        let mut database = Database::new(setup, trace.sessions[0]);
        let held: Vec<(usize, f64)> = database
            .connections_per_pod()
            .iter()
            .filter_map(|(name, each)| {
                let place = trace.workloads.iter().position(|workload| workload.name == *name)?;
                Some((place, f64::from(*each)))
            })
            .collect();
        let readings = (0..trace.len()).map(|tick| {
            if !demand.database_runs(tick * trace.tick_seconds as usize / 60) {
                return database.rest(trace.tick_seconds);
            }
            let connections = held.iter().map(|(place, each)| {
                let workload = &trace.workloads[*place];
                each * f64::from(workload.desired[tick] - workload.pending[tick])
            });
            database.step(trace.sessions[tick], connections.sum(), trace.tick_seconds)
        });
        let readings: Vec<Reading> = readings.collect();
        Some(DatabaseTrace { name: database.name().to_owned(), readings })
    }
}

fn argument(flag: &str, message: String) -> Error {
    Error::at(Place { key: Some(flag.to_owned()), ..Place::default() }, message)
}

/// When a trace runs.
struct Span {
    month: Month,
    index: u32,
    /// The load that is replayed is of another month.
    moved: bool,
    start: DateTime,
    first_second: u32,
    ticks: usize,
    days: u32,
}

/// One run of the state machine, with everything it shows kept.
struct Run<'a> {
    policy: &'a Policy,
    sessions: &'a [f64],
    /// Whether the account is awake, minute by minute of a week.
    week: Option<Vec<bool>>,
    first_minute: usize,
    /// Deployments shown.
    shown: Vec<usize>,
    trace: Trace,
    /// Place among the types shown of each offer.
    places: Vec<Option<usize>>,
    /// Pods of each workload on nodes that are not ready yet.
    waiting: Vec<u32>,
}

impl<'a> Run<'a> {
    fn new(policy: &'a Policy, account: &'a Account, sessions: &'a [f64], span: &Span) -> Self {
        let shown: Vec<usize> = (0..policy.workloads.len())
            .filter(|index| {
                [&policy.serving, &policy.scaled, &policy.jobs]
                    .iter()
                    .any(|all| all.contains(index))
            })
            .collect();
        let count = sessions.len();
        let workload = |index: &usize| WorkloadTrace {
            name: policy.workloads[*index].name.clone(),
            rps: Vec::with_capacity(count),
            desired: Vec::with_capacity(count),
            ready: Vec::with_capacity(count),
            pending: Vec::with_capacity(count),
            load: Vec::with_capacity(count),
            p95_ms: Vec::with_capacity(count),
            queued: Vec::with_capacity(count),
        };
        let weekday = span.start.date().weekday().to_monday_zero_offset();
        let trace = Trace {
            name: String::new(),
            account: account.name.clone(),
            region: account.settings.region.clone(),
            start: span.start,
            tick_seconds: policy.tick_seconds,
            load: String::new(),
            sessions: Vec::new(),
            nodes: std::array::from_fn(|_| Vec::with_capacity(count)),
            launching: Vec::with_capacity(count),
            utilization: Vec::with_capacity(count),
            pending: Vec::with_capacity(count),
            types: Vec::new(),
            workloads: shown.iter().map(workload).collect(),
            database: None,
            events: Vec::new(),
            capacity: Capacity::default(),
            node_cost: 0.0,
            notes: Vec::new(),
        };
        Self {
            policy,
            sessions,
            week: account.settings.schedule.as_ref().map(crate::intent::scenario::Schedule::week),
            first_minute: weekday as usize * MINUTES_PER_DAY + (span.first_second / 60) as usize,
            shown,
            trace,
            places: vec![None; policy.offers.len()],
            waiting: vec![0; policy.workloads.len()],
        }
    }

    fn awake(&self, tick: usize) -> bool {
        let minute = self.first_minute + tick * self.policy.tick_seconds as usize / 60;
        self.week.as_ref().is_none_or(|week| week[minute % week.len()])
    }

    fn go(mut self, luck: random::Draws) -> Trace {
        let (policy, count) = (self.policy, self.sessions.len());
        let load = |run: &Self, tick: usize| if run.awake(tick) { run.sessions[tick] } else { 0.0 };
        let mut cluster = Cluster::new(policy, load(&self, 0), self.awake(0), luck);
        cluster.keep_events();
        let (mut minutes, mut awake_minutes) = (Vec::new(), Vec::new());
        for tick in 0..count {
            let sessions = load(&self, tick);
            let awake = self.awake(tick);
            cluster.step(policy, sessions, awake);
            self.keep(&cluster, tick, sessions);
            if (tick * policy.tick_seconds as usize).is_multiple_of(60) {
                minutes.push(sessions);
                awake_minutes.push(awake);
            }
        }
        let tally = cluster.take_tally(policy);
        let hours = tally.node_hours.iter().zip(&policy.list_prices);
        let nodes: f64 = hours.map(|(hours, price)| hours * price).sum();
        let span = count as f64 * f64::from(policy.tick_seconds) / 60.0;
        let capacity = Capacity::from_tally(tally, policy, span, minutes);
        // Reservations are paid for whether or not a node uses them.
        let reserved = capacity.reservations.iter().zip(&policy.supply.reservations);
        let unused: f64 = reserved.map(|(used, own)| used.unused_hours * own.list_price).sum();
        self.trace.node_cost = nodes + unused;
        self.trace.capacity = Capacity { awake: awake_minutes, ..capacity };
        self.name_events(cluster.take_events());
        self.trace
    }

    fn keep(&mut self, cluster: &Cluster, tick: usize, sessions: f64) {
        let trace = &mut self.trace;
        trace.sessions.push(sessions);
        let NodeCounts { baseline, on_demand, spot } = cluster.node_counts();
        for (nodes, count) in trace.nodes.iter_mut().zip([baseline, on_demand, spot]) {
            nodes.push(count);
        }
        let mut launching = 0;
        for series in &mut trace.types {
            series.nodes.push(0);
        }
        // The clock is already at the end of the tick.
        let during = cluster.now - self.policy.tick_seconds;
        self.waiting.fill(0);
        for node in cluster.nodes() {
            if node.ready_at > during {
                launching += 1;
                // A pod on a node that is not ready yet is Pending in Kubernetes, though its place is
                // known.
                for (waiting, pods) in self.waiting.iter_mut().zip(&node.pods) {
                    *waiting += pods;
                }
            }
            let place = *self.places[node.offer].get_or_insert_with(|| {
                let offer = &self.policy.offers[node.offer];
                trace.types.push(TypeTrace {
                    instance_type: offer.instance_type.clone(),
                    purchase: offer.purchase,
                    nodes: vec![0; tick + 1],
                });
                trace.types.len() - 1
            });
            trace.types[place].nodes[tick] += 1;
        }
        trace.launching.push(launching);
        trace.utilization.push(cluster.utilization(self.policy));
        trace.pending.push(cluster.pending() + self.waiting.iter().sum::<u32>());
        for (series, index) in trace.workloads.iter_mut().zip(&self.shown) {
            let replicas = &cluster.workloads()[*index];
            series.rps.push(replicas.rps);
            series.desired.push(replicas.desired);
            series.ready.push(replicas.ready);
            series.pending.push(replicas.pending + self.waiting[*index]);
            series.load.push(replicas.load);
            series.p95_ms.push(replicas.p95_ms);
            series.queued.push(replicas.backlog);
        }
    }

    fn name_events(&mut self, events: Vec<Event>) {
        let policy = self.policy;
        for event in events {
            let subject = match event.subject {
                Subject::Workload(index) => policy.workloads[index].name.clone(),
                Subject::Node { id, offer, zone } => {
                    let offer = &policy.offers[offer];
                    let bought = purchase_name(offer.purchase);
                    let zone = char::from(b'a' + zone);
                    format!("{}#{id} ({bought}, zone {zone})", offer.instance_type)
                }
            };
            let tick = ((event.at - policy.first_second) / policy.tick_seconds) as usize;
            let at = self.trace.moment(tick);
            self.trace.events.push(NamedEvent { at, tick, subject, reason: event.reason });
        }
    }
}
