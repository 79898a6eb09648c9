//! The autoscalers' phase of a tick: what each sees, and what comes of it.
//!
//! # Limits
//! The sample is as old as `sample_age_seconds`, in whole ticks. All pods of a workload have the
//! same CPU; one that became ready after the sample has none yet and counts as not ready. KEDA asks the
//! queue itself, so its length has no age; it is in whole messages, as a queue counts them.

use super::hpa::{BandShares, Reconciles};
use std::cmp::Ordering;

use super::{
    Cluster, Replicas,
    event::{Reason, Subject},
    hpa::{Keda, Observed, Rules, replicas::Totals},
    keda::with_triggers,
    policy::{Deployment, Policy, Serving},
};

impl Cluster {
    /// Every deployment's autoscaler, on the sample that the metrics pipeline shows by now. Outside the
    /// account's schedule only what is always on is scaled.
    pub(super) fn scale(&mut self, policy: &Policy) {
        let age = policy.latencies.sample_ticks;
        // A pod's CPU counts once it was ready for a whole window before its sample.
        let slot =
            [self.sample_slot(age), self.sample_slot(age + policy.latencies.sample_window_ticks)];
        let scaled = if self.awake { &policy.scaled } else { &policy.scaled_asleep };
        for &index in scaled {
            let workload = &policy.workloads[index];
            let Some(rules) = &workload.hpa else { continue };
            if workload.triggers.is_some() && self.scaled_to_zero(policy, (index, rules), slot) {
                continue;
            }
            if !self.rests(workload, rules, index, slot) {
                if let (Some(keda), None) = (&rules.keda, &workload.triggers) {
                    self.activate(policy, keda, index, slot);
                }
                self.reconcile(policy, rules, index, slot);
            }
        }
    }

    /// Most ticks: all pods are ready and have samples, and the one metric is within its band, or
    /// below it at the least count.
    fn rests(
        &mut self,
        workload: &Deployment,
        rules: &Rules,
        index: usize,
        slot: [usize; 2],
    ) -> bool {
        if rules.metrics.is_empty() && self.rests_on_triggers(workload, index) {
            let replicas = &mut self.workloads[index];
            return replicas.hpa.rest(self.now, replicas.desired);
        }
        let Some(band) = rules.band else { return false };
        let called = self.called_for(workload, (index, rules), self.workloads[index].ready);
        let replicas = &mut self.workloads[index];
        let (sample, since) = (&replicas.samples[slot[0]], replicas.samples[slot[1]].ready);
        let ready = replicas.ready;
        // Only deployments that serve keep what their pods request in all.
        let settled = ready == replicas.desired && ready == sample.ready && ready <= since;
        if ready == 0 || !settled || workload.serving.is_none() {
            return false;
        }
        // Whole percents compared without dividing: usage < (percent + 1) × request / 100.
        let BandShares { low, above } = band.shares();
        if sample.usage >= above * replicas.requested {
            return false;
        }
        let called = called.map_or(Ordering::Less, |called| called.cmp(&ready));
        if called == Ordering::Greater {
            return false;
        }
        if called == Ordering::Equal || sample.usage >= low * replicas.requested {
            return replicas.hpa.rest(self.now, ready);
        }
        let least = rules.min_replicas;
        rules.behavior.is_none() && replicas.desired == least && replicas.hpa.rests_at(least)
    }

    /// KEDA's look at its triggers: the first pod while one is active, none once none was for a while.
    fn activate(&mut self, policy: &Policy, keda: &Keda, index: usize, slot: [usize; 2]) {
        if self.now % keda.polling >= policy.tick_seconds {
            return;
        }
        let workload = &policy.workloads[index];
        let active = match self.observe(policy, workload, index, slot) {
            Some(seen) => keda.is_active(&seen),
            None => return,
        };
        let replicas = &mut self.workloads[index];
        let from = replicas.desired;
        if active {
            replicas.active_at = self.now;
        }
        let to = match (active, from) {
            (true, 0) => 1,
            (false, 1..) if replicas.active_at + keda.cooldown < self.now => 0,
            _ => return,
        };
        self.note(Subject::Workload(index), Reason::Activated { from, to });
        self.set_desired(policy, index, to);
    }

    fn reconcile(&mut self, policy: &Policy, rules: &Rules, index: usize, slot: [usize; 2]) {
        let workload = &policy.workloads[index];
        let Reconciles { per_tick, seconds } = rules.reconciles;
        for round in 0..per_tick {
            let Some(seen) = self.observe(policy, workload, index, slot) else { return };
            let current = self.workloads[index].desired;
            let called = self.called_for(workload, (index, rules), current);
            let metrics = rules.proposal(current, &seen);
            let proposal = with_triggers((rules, current), metrics, called);
            let replicas = &mut self.workloads[index];
            let now = self.now + round * seconds;
            let verdict = replicas.hpa.reconcile(now, current, proposal, rules);
            if verdict.replicas == current {
                // The same sample says the same again, unless a window or a policy's period held it
                // back and ends before the next tick.
                if rules.behavior.is_none() || proposal == Some(current) {
                    return;
                }
                continue;
            }
            if self.log.is_some() {
                let (metric, percent_of_target) = match called {
                    Some(called) if called >= metrics.unwrap_or(0) => {
                        ("cron", 100.0 * f64::from(called) / f64::from(current.max(1)))
                    }
                    _ => rules.seen(current, &seen),
                };
                let (from, to) = (current, verdict.replicas);
                let bound = verdict.bound;
                let reason = Reason::Rescaled { from, to, metric, percent_of_target, bound };
                self.note(Subject::Workload(index), reason);
            }
            self.set_desired(policy, index, verdict.replicas);
        }
    }

    /// What the controller sees; `None` while nothing was ever measured.
    pub(super) fn observe(
        &self,
        policy: &Policy,
        workload: &Deployment,
        index: usize,
        slot: [usize; 2],
    ) -> Option<Observed> {
        let replicas = &self.workloads[index];
        let sample = replicas.samples[slot[0]];
        let (age, window) = (policy.latencies.sample_ticks, policy.latencies.sample_window_ticks);
        if self.ticks < age + window {
            return None;
        }
        // Pods that went away since the sample took their usage with them, pods that became ready
        // since have none.
        let sampled = sample.ready.min(replicas.samples[slot[1]].ready).min(replicas.ready);
        let unready = replicas.ready - sampled + replicas.starting + replicas.pending;
        let share =
            if sample.ready > 0 { f64::from(sampled) / f64::from(sample.ready) } else { 0.0 };
        let request = |of: i64, pods: u32| of * i64::from(pods);
        let cpu = Totals {
            usage: (sample.usage * share) as i64,
            ready: sampled,
            ready_request: request(workload.request_cpu, sampled),
            missing: 0,
            missing_request: 0,
            unready,
            unready_request: request(workload.request_cpu, unready),
            unrequested: u32::from(workload.request_cpu == 0),
        };
        // A running pod has memory and its own metrics at once; only pending ones are not ready.
        let running = replicas.ready + replicas.starting;
        let in_service = sample.in_service;
        let memory =
            f64::from(running) * workload.memory.idle + in_service * workload.memory.per_request;
        let memory = Totals {
            usage: memory as i64,
            ready: running,
            ready_request: request(workload.request_memory, running),
            missing: 0,
            missing_request: 0,
            unready: replicas.pending,
            unready_request: request(workload.request_memory, replicas.pending),
            unrequested: u32::from(workload.request_memory == 0),
        };
        Some(Observed {
            cpu,
            memory,
            ready: replicas.ready,
            requests_per_second: (sample.rps * 1000.0) as i64,
            concurrency: (in_service * 1000.0) as i64,
            queue_length: workload.serving.as_ref().map_or(0, |own| replicas.queue_length(own)),
        })
    }
}

impl Replicas {
    /// Messages in the queue (thousandths): what waits and, where they count, what the pods hold
    /// (Little: served a second × time of one).
    fn queue_length(&self, serving: &Serving) -> i64 {
        let Some(queue) = serving.queue else { return 0 };
        let served = if self.load > 1.0 { self.asked / self.load } else { self.asked };
        let held = if queue.counts_in_flight { served * queue.seconds } else { 0.0 };
        // Rounding of a sum of ticks is not to hide a whole message.
        1000 * (self.backlog + held + 1e-9) as i64
    }
}

#[cfg(test)]
mod tests;
