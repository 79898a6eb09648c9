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
//! ```
//! # Limits
//! CPU above requests is shared over the whole cluster and not node by node. All pods of a workload
//! are equally busy.

use super::{
    Cluster, Replicas, Sample, Second,
    event::{Event, Reason, Subject},
    policy::{Deployment, Policy, Serving},
};
use crate::queueing::Curve;

/// A second, in minutes: a product costs less than a quotient, and this runs every tick.
const MINUTE: f64 = 1.0 / 60.0;

impl Cluster {
    /// Serves one tick of load and counts it.
    pub(super) fn serve(&mut self, policy: &Policy, sessions_per_minute: f64) {
        let tick = f64::from(policy.tick_seconds);
        let slot = self.sample_slot(0);
        let (mut used, mut above) = (0.0, 0.0);
        for &index in &policy.serving {
            let workload = &policy.workloads[index];
            let Some(serving) = &workload.serving else { continue };
            let replicas = &mut self.workloads[index];
            let rps = sessions_per_minute * serving.rps_per_session;
            let waiting = if replicas.backlog > 0.0 { replicas.backlog / tick } else { 0.0 };
            let asked = rps + waiting;
            let usage = replicas.idle_usage + asked.min(replicas.capacity) * serving.cpu_ms;
            used += usage;
            replicas.rps = rps;
            replicas.asked = asked;
            replicas.usage = usage;
            // Without a pod nothing is served, however little is asked.
            replicas.load = if asked > 0.0 { asked * replicas.per_capacity } else { 0.0 };
            if usage > replicas.requested {
                above += usage - replicas.requested;
            } else {
                self.count_requests(workload, serving, index, (tick, slot));
            }
        }
        if above > 0.0 {
            used -= self.serve_bursting(policy, above, (tick, slot));
        }
        if self.pending > 0 {
            for (replicas, tally) in self.workloads.iter().zip(&mut self.tally.workloads) {
                tally.pending_pod_minutes += f64::from(replicas.pending) * tick / 60.0;
            }
        }
        for &index in &policy.scaled_idle {
            let (replicas, asks) = (&mut self.workloads[index], &policy.workloads[index]);
            let usage = f64::from(replicas.ready) * asks.idle_cpu;
            replicas.samples[slot] = Sample { usage, ready: replicas.ready, ..Sample::default() };
        }
        self.count_hour(sessions_per_minute, used, tick * MINUTE);
    }

    /// Workloads that use more CPU than they request, which their nodes may not have; gives the CPU that
    /// they do not get [millicores].
    fn serve_bursting(&mut self, policy: &Policy, above: f64, at: (f64, usize)) -> f64 {
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
                self.count_requests(workload, serving, index, at);
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

    /// Counts the requests of one workload in a tick [seconds].
    fn count_requests(
        &mut self,
        workload: &Deployment,
        serving: &Serving,
        index: usize,
        (tick, slot): (f64, usize),
    ) {
        let replicas = &mut self.workloads[index];
        let tally = &mut self.tally.workloads[index];
        let requests = replicas.rps * tick;
        tally.requests += requests;
        tally.peak_rps = tally.peak_rps.max(replicas.rps);
        let mut p95 = serving.latency.at(replicas.load);
        let mut in_service =
            serving.in_system.as_ref().map_or(0.0, |curve| replicas.in_service(serving, curve));
        // The tolerance keeps rounding from counting as lost requests.
        if replicas.load > 1.0 + 1e-9 || replicas.saturated {
            p95 += self.count_saturated(workload, serving, index, tick);
            in_service += self.workloads[index].backlog;
        }
        let replicas = &mut self.workloads[index];
        let tally = &mut self.tally.workloads[index];
        replicas.p95_ms = if requests > 0.0 { p95 } else { 0.0 };
        tally.p95_weighted += requests * replicas.p95_ms;
        tally.p95_peak = tally.p95_peak.max(replicas.p95_ms);
        replicas.samples[slot] =
            Sample { usage: replicas.usage, ready: replicas.ready, rps: replicas.rps, in_service };
    }

    /// A tick in which more is asked than served, or the first after such; gives the wait in the backlog
    /// [ms].
    fn count_saturated(
        &mut self,
        workload: &Deployment,
        serving: &Serving,
        index: usize,
        tick: f64,
    ) -> f64 {
        let (now, log) = (self.now, self.log.as_mut());
        let replicas = &mut self.workloads[index];
        let tally = &mut self.tally.workloads[index];
        if replicas.load <= 1.0 + 1e-9 {
            replicas.backlog = 0.0;
            replicas.saturated = false;
            let unserved = (tally.unserved - replicas.unserved_before).max(0.0);
            note(log, now, index, Reason::Recovered { unserved });
            return 0.0;
        }
        let capacity = replicas.asked / replicas.load;
        let waiting = (replicas.asked - capacity) * tick;
        let kept = waiting.min(capacity * serving.timeout);
        // First come, first served: of what waited before, this tick's capacity is served at once.
        let waited_before = (replicas.backlog - capacity * tick).max(0.0);
        if !replicas.saturated {
            replicas.saturated = true;
            replicas.unserved_before = tally.unserved;
            note(log, now, index, Reason::Saturated { rps: replicas.rps, capacity });
        }
        tally.unserved += waiting - kept;
        tally.queued += (kept - waited_before).max(0.0);
        replicas.backlog = kept;
        let minutes = tick / 60.0;
        tally.saturated_minutes += minutes;
        if replicas.desired >= workload.max_replicas {
            tally.saturated_at_most_minutes += minutes;
        } else if replicas.pending > 0 {
            tally.saturated_pending_minutes += minutes;
        }
        // Callers give up after the time-out: nobody waits for longer.
        let wait = if capacity > 0.0 { kept / capacity } else { serving.timeout };
        1000.0 * wait.min(serving.timeout)
    }

    fn count_hour(&mut self, sessions_per_minute: f64, serving_cpu: f64, minutes: f64) {
        self.begin_hour();
        let Some(hour) = self.tally.hours.last_mut() else { return };
        hour.sessions += sessions_per_minute * minutes;
        hour.cpu_minutes += (self.standing_cpu + serving_cpu) * (1e-3 * minutes);
        if self.awake {
            self.tally.awake_minutes += minutes;
        }
    }
}

fn note(log: Option<&mut Vec<Event>>, at: Second, index: usize, reason: Reason) {
    if let Some(log) = log {
        log.push(Event { at, subject: Subject::Workload(index), reason });
    }
}

impl Replicas {
    /// Requests being served or waiting in the mean; without a pod all wait until they are given up.
    fn in_service(&self, serving: &Serving, in_pod: &Curve) -> f64 {
        if self.ready == 0 {
            self.asked * serving.timeout
        } else {
            f64::from(self.ready) * in_pod.at(self.load)
        }
    }

    /// Less CPU above requests than asked: less is served. Gives the CPU not used [millicores].
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
