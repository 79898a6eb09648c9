//! One tick of load: what the ready pods serve, what waits, what is given up, and the sample that
//! the metrics pipeline will show.
//!
//! # Formula
//! ```text
//! asked  = arrivals + backlog / tick                      capacity = ready × requests/s of a pod
//! served = min(asked, capacity)         backlog = what is not served, at most capacity × time-out
//! CPU    = idle × ready + served × CPU of a request       ρ = asked / capacity
//! p95    = M/M/c of one pod at min(ρ, 0.95), + backlog / capacity
//! in service = ready × M/M/c's mean requests in a pod, + backlog      (Little: λ × (service + wait))
//! queue: backlog = all that is not served     oldest = min(time since a whole one waits, backlog / arrivals)
//! ```
//! # Limits
//! CPU above requests is shared over the whole cluster and not node by node, except that of pods which may use
//! more than a node has ([`super::node_cpu`]). All pods of a workload are equally busy.

use super::{
    Cluster, Replicas, SAMPLES, Sample, Second,
    event::{Event, Reason, Subject},
    policy::{Deployment, Policy, Response, Serving},
    tally::WorkloadTally,
};

/// A second, in minutes: a product costs less than a quotient, and this runs every tick.
pub(super) const MINUTE: f64 = 1.0 / 60.0;

/// A deployment that serves.
#[derive(Clone, Copy)]
pub(super) struct Server<'a> {
    pub(super) index: usize,
    pub(super) workload: &'a Deployment,
    pub(super) serving: &'a Serving,
    pub(super) response: &'a Response,
}

/// What one tick of serving needs to know of the clock.
#[derive(Clone, Copy)]
pub(super) struct Tick {
    at: Second,
    seconds: f64,
    /// Place of its sample.
    slot: usize,
}

impl Cluster {
    /// Serves one tick of load and counts it.
    pub(super) fn serve(&mut self, policy: &Policy, sessions_per_minute: f64) {
        let seconds = f64::from(policy.tick_seconds);
        let tick = Tick { at: self.now, seconds, slot: self.sample_slot(0) };
        let (mut used, mut above) = (0.0, 0.0);
        for &index in &policy.serving {
            let workload = &policy.workloads[index];
            let Some(serving) = &workload.serving else { continue };
            let replicas = &mut self.workloads[index];
            replicas.ask(serving, sessions_per_minute, seconds);
            used += replicas.usage;
            if serving.node_bound.is_some() {
                continue;
            }
            if replicas.usage > replicas.requested {
                above += replicas.usage - replicas.requested;
            } else {
                let tally = &mut self.tally.workloads[index];
                let server = Server { index, workload, serving, response: &serving.response };
                replicas.count(server, tally, tick, &mut self.log);
            }
        }
        if !policy.node_bound.is_empty() {
            let bound = self.serve_on_nodes(policy, tick);
            used -= bound.lost;
            above += bound.above;
        }
        if above > 0.0 {
            used -= self.serve_bursting(policy, above, tick);
        }
        if self.pending > 0 {
            for (replicas, tally) in self.workloads.iter().zip(&mut self.tally.workloads) {
                tally.pending_pod_minutes += f64::from(replicas.pending) * seconds / 60.0;
            }
        }
        for &index in &policy.scaled_idle {
            let (replicas, asks) = (&mut self.workloads[index], &policy.workloads[index]);
            let usage = f64::from(replicas.ready) * asks.idle_cpu;
            replicas.samples[tick.slot] =
                Sample { usage, ready: replicas.ready, ..Sample::default() };
        }
        self.count_hour(sessions_per_minute, used, seconds * MINUTE);
    }

    /// Workloads that use more CPU than they request, which their nodes may not have; gives the CPU that
    /// they do not get, in millicores.
    #[cold]
    fn serve_bursting(&mut self, policy: &Policy, above: f64, tick: Tick) -> f64 {
        let share = self.burst_share(policy, above);
        let mut lost = 0.0;
        for &index in &policy.serving {
            let workload = &policy.workloads[index];
            let Some(serving) = &workload.serving else { continue };
            let replicas = &mut self.workloads[index];
            if replicas.usage > replicas.requested {
                if share < 1.0 {
                    lost += replicas.lose_burst(serving, share);
                }
                let own = replicas.own_response();
                let response = own.as_deref().unwrap_or(&serving.response);
                let tally = &mut self.tally.workloads[index];
                let server = Server { index, workload, serving, response };
                replicas.count(server, tally, tick, &mut self.log);
            }
        }
        lost
    }

    /// The share of CPU above requests that the ready nodes can give.
    fn burst_share(&self, policy: &Policy, above: f64) -> f64 {
        let ready = self.nodes().filter(|node| node.ready_at <= self.now);
        let room: i64 = ready.map(|node| policy.offers[node.offer].cpu).sum();
        let used = |(workload, replicas): (&Deployment, &Replicas)| {
            let requested = workload.request_cpu as f64;
            let ready = f64::from(replicas.ready);
            if workload.serving.is_some() {
                replicas.usage.min(ready * requested)
            } else {
                ready * workload.idle_cpu.min(requested)
            }
        };
        let used: f64 = policy.workloads.iter().zip(&self.workloads).map(used).sum();
        ((room as f64 - used) / above).clamp(0.0, 1.0)
    }

    fn count_hour(&mut self, sessions_per_minute: f64, serving_cpu: f64, minutes: f64) {
        self.begin_hour();
        let Some(hour) = self.tally.hours.last_mut() else { return };
        hour.sessions += sessions_per_minute * minutes;
        hour.cpu_minutes += (self.standing_cpu + serving_cpu) * (1e-3 * minutes);
        if self.awake {
            hour.awake_minutes += minutes;
            self.tally.awake_minutes += minutes;
        }
    }
}

impl Replicas {
    /// What is asked of the ready pods in a tick (seconds), and the CPU it takes.
    #[inline]
    fn ask(&mut self, serving: &Serving, sessions_per_minute: f64, tick: f64) {
        self.rps = sessions_per_minute * serving.rps_per_session;
        self.asked = if self.backlog > 0.0 { self.rps + self.backlog / tick } else { self.rps };
        self.usage = self.idle_usage + self.asked.min(self.capacity) * serving.cpu_ms;
        // Without a pod nothing is served, however little is asked.
        self.load = if self.asked > 0.0 { self.asked * self.per_capacity } else { 0.0 };
    }

    /// Counts the requests of a tick, and keeps the sample that the autoscaler will see.
    #[expect(
        clippy::inline_always,
        reason = "a tenth of a quiet tick; two callers keep it outside"
    )]
    #[inline(always)]
    pub(super) fn count(
        &mut self,
        server: Server<'_>,
        tally: &mut WorkloadTally,
        tick: Tick,
        log: &mut Option<Vec<Event>>,
    ) {
        let (serving, response) = (server.serving, server.response);
        let requests = self.rps * tick.seconds;
        let mut p95 = response.latency.at(self.load);
        let mut in_service = self.in_service(serving, response);
        // The tolerance keeps rounding from counting as lost requests.
        if self.load > 1.0 + 1e-9 || self.overloaded {
            let (wait, reason) = self.count_overloaded(server, tally, tick.seconds);
            p95 += wait;
            in_service += self.backlog;
            if let (Some(log), Some(reason)) = (log, reason) {
                let subject = Subject::Workload(server.index);
                log.push(Event { at: tick.at, subject, reason });
            }
        }
        self.p95_ms = if requests > 0.0 { p95 } else { 0.0 };
        if self.load > response.late_load {
            tally.late_minutes += tick.seconds * MINUTE;
        }
        tally.requests += requests;
        tally.p95_weighted += requests * self.p95_ms;
        if self.rps > tally.peak_rps {
            tally.peak_rps = self.rps;
        }
        if self.p95_ms > tally.p95_peak {
            tally.p95_peak = self.p95_ms;
        }
        self.samples[tick.slot & (SAMPLES - 1)] =
            Sample { usage: self.usage, ready: self.ready, rps: self.rps, in_service };
    }

    #[cold]
    /// A tick (seconds) in which more is asked than served, or the first after such; gives the wait in
    /// the backlog (ms), and what there is to tell.
    fn count_overloaded(
        &mut self,
        Server { workload, serving, .. }: Server<'_>,
        tally: &mut WorkloadTally,
        tick: f64,
    ) -> (f64, Option<Reason>) {
        if serving.queue.is_some() {
            self.count_queued(tally, tick);
            return (0.0, None);
        }
        if self.load <= 1.0 + 1e-9 {
            self.backlog = 0.0;
            self.overloaded = false;
            let unserved = (tally.unserved - self.unserved_before).max(0.0);
            return (0.0, Some(Reason::Recovered { unserved }));
        }
        let capacity = self.asked / self.load;
        let waiting = (self.asked - capacity) * tick;
        let kept = waiting.min(capacity * serving.timeout);
        // First come, first served: of what waited before, this tick's capacity is served at once.
        let waited_before = (self.backlog - capacity * tick).max(0.0);
        let mut reason = None;
        if !self.overloaded {
            self.overloaded = true;
            self.unserved_before = tally.unserved;
            reason = Some(Reason::Overloaded { rps: self.rps, capacity });
        }
        tally.unserved += waiting - kept;
        tally.queued += (kept - waited_before).max(0.0);
        self.backlog = kept;
        let minutes = tick / 60.0;
        tally.overloaded_minutes += minutes;
        if workload.max_replicas.is_some_and(|most| self.desired >= most) {
            tally.overloaded_at_most_minutes += minutes;
        } else if self.pending > 0 {
            tally.overloaded_pending_minutes += minutes;
        }
        // Callers give up after the time-out: nobody waits for longer.
        let wait = if capacity > 0.0 { kept / capacity } else { serving.timeout };
        (1000.0 * wait.min(serving.timeout), reason)
    }

    /// A tick (seconds) in which messages wait in a queue, or the first after such: all that is not served
    /// waits for the next, as nobody gives up.
    fn count_queued(&mut self, tally: &mut WorkloadTally, tick: f64) {
        if self.load <= 1.0 + 1e-9 {
            self.backlog = 0.0;
            self.overloaded = false;
            self.queued_seconds = 0.0;
            return;
        }
        let served = self.asked / self.load * tick;
        let waiting = (self.asked * tick - served).max(0.0);
        let waited_before = (self.backlog - served).max(0.0);
        self.overloaded = true;
        self.backlog = waiting;
        // A part of a message is one that has not come yet.
        self.queued_seconds = if waiting < 1.0 { 0.0 } else { self.queued_seconds + tick };
        tally.queued += (waiting - waited_before).max(0.0);
        // First come, first served: what waits is what came last.
        let oldest = self.queued_seconds.min(waiting / self.rps);
        tally.most_waiting = tally.most_waiting.max(waiting);
        tally.longest_wait = tally.longest_wait.max(oldest);
    }

    /// Requests being served or waiting on average; without a pod all wait until they are given up.
    #[inline]
    pub(super) fn in_service(&self, serving: &Serving, response: &Response) -> f64 {
        let Some(in_system) = &response.in_system else { return 0.0 };
        if self.ready == 0 {
            return self.asked * serving.timeout;
        }
        match response.seconds_per_server {
            None => f64::from(self.ready) * in_system.at(self.load),
            // As many nodes as what is served keeps busy.
            Some(seconds) if self.load > 0.0 => {
                self.asked / self.load * seconds * in_system.at(self.load)
            }
            Some(_) => 0.0,
        }
    }

    /// Less CPU above requests than asked: less is served. Gives the CPU not used, in millicores.
    fn lose_burst(&mut self, serving: &Serving, share: f64) -> f64 {
        let above = self.usage - self.requested;
        if above <= 0.0 || serving.cpu_ms <= 0.0 {
            return 0.0;
        }
        let lost = above * (1.0 - share);
        self.usage -= lost;
        let capacity = ((self.usage - self.idle_usage) / serving.cpu_ms).max(0.0);
        if capacity > 0.0 {
            self.load = self.load.max(self.asked / capacity);
        }
        lost
    }
}
