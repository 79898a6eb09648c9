//! `CronJobs` and Jobs: pods that come at their time, run to their end and leave.
//!
//! # Formula
//! ```text
//! pods of a run now = min(parallelism, completions − pods that ended)
//! a pod runs        = lognormal(duration, p95) from the end of its start; an evicted one begins anew
//! a run fails       once more of its pods were lost than backoff_limit
//! Allow: runs side by side   Replace: the earlier runs end
//! Forbid: a run that is due waits for the earlier one; of several that wait, the latest runs
//! ```
//! Pods wait for room as all pods do: kube-scheduler first, then Karpenter buys nodes.
//!
//! # Source
//! kubernetes/kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go#syncCronJob` (a run that `Forbid` held
//! back begins once the earlier one has ended, within `startingDeadlineSeconds`), commit 003e862; `batch/v1`
//! API reference (`parallelism`, `completions`, `backoffLimit`).
//! # Limits
//! A pod takes up whole ticks, from the one in which its start ends to the one in which it ends: a pod of
//! ten seconds counts as one tick, and holds its room for as long. Every pod succeeds, so only evictions count
//! towards `backoff_limit`; a `podFailurePolicy` that ignores them, and the pause of 10 s or more before a pod
//! is made anew, are not modelled. Runs that are due while the account sleeps are not made up for.

use super::{
    Cluster, NEVER, Second,
    cron::{Clock, Moments},
    event::{Reason, Subject},
    node::Starting,
    policy::{Deployment, Policy},
    tally::JobUse,
};
use crate::cluster::workload::job::ConcurrencyPolicy;
use crate::measure::random::Lognormal;

/// When runs begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Starts {
    /// Never in this plan, and why.
    Never(&'static str),
    /// Once; an account that sleeps then is waited for.
    Once(Second),
    /// Each time that a schedule fires.
    Schedule(Clock),
}

/// What a workload of kind cron-job or job runs by.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// When runs begin.
    pub starts: Starts,
    /// Most pods of a run at once.
    pub parallelism: u32,
    /// Pods of a run that must end.
    pub completions: u32,
    /// From the end of a pod's start to its end, in seconds.
    pub duration: Lognormal,
    /// What happens to a run that is due while an earlier one runs.
    pub concurrency: ConcurrencyPolicy,
    /// Seconds after which a run that waits is given up.
    pub starting_deadline: Option<Second>,
    /// Pods that may be lost before a run fails.
    pub backoff_limit: u32,
    /// Pods at once, beyond which no further run begins.
    pub most_pods: u32,
}

impl Job {
    /// Pods that a run begins with.
    fn first_pods(&self) -> u32 {
        self.parallelism.min(self.completions)
    }
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    id: u32,
    due: Second,
    /// Pods that must still end.
    left: u32,
    /// Pods that run now; the others wait or start.
    running: u32,
    /// Pods lost to evictions.
    lost: u32,
    started: bool,
}

impl Run {
    /// Pods that it has now.
    fn pods(&self, job: &Job) -> u32 {
        job.parallelism.min(self.left)
    }
}

/// A pod that runs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pod {
    node: usize,
    run: u32,
    ends_at: Second,
}

/// The live side of a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Runs {
    moments: Moments,
    /// When the next run is due.
    next: Second,
    /// When a run was due that waits for an earlier one.
    waiting: Option<Second>,
    active: Vec<Run>,
    pods: Vec<Pod>,
    begun: u32,
}

impl Runs {
    /// No runs yet; those that were due before `now` are past.
    pub(super) fn new(job: &Job, now: Second) -> Self {
        let moments = match &job.starts {
            Starts::Schedule(clock) => clock.moments(),
            Starts::Never(_) | Starts::Once(_) => Moments::default(),
        };
        let next = if let Starts::Once(at) = job.starts { at } else { NEVER };
        let none = (Vec::new(), Vec::new());
        let mut runs =
            Self { moments, next, waiting: None, active: none.0, pods: none.1, begun: 0 };
        if matches!(job.starts, Starts::Schedule(_)) {
            runs.pass(job);
        }
        while runs.next < now {
            runs.pass(job);
        }
        runs
    }

    /// Goes on to the next time.
    fn pass(&mut self, job: &Job) {
        let next = match &job.starts {
            Starts::Schedule(clock) => self.moments.next(clock),
            Starts::Never(_) | Starts::Once(_) => None,
        };
        self.next = next.unwrap_or(NEVER);
    }

    /// The next moment at which something happens to it by itself.
    fn next_timer(&self, job: &Job, awake: bool) -> Second {
        let held = !awake && matches!(job.starts, Starts::Once(_));
        let due = if held { NEVER } else { self.next };
        self.pods.iter().map(|pod| pod.ends_at).fold(due, Second::min)
    }

    fn pods_wanted(&self, job: &Job) -> u32 {
        self.active.iter().map(|run| run.pods(job)).sum()
    }

    /// The run that has been short of a running pod for longest.
    fn short(&mut self, job: &Job) -> Option<&mut Run> {
        self.active.iter_mut().find(|run| run.running < run.pods(job))
    }
}

impl Cluster {
    /// The next moment at which a job's pod ends or a run is due.
    pub(super) fn next_job_timer(&self, policy: &Policy) -> Second {
        let timer = |index: &usize| {
            let workload = &policy.workloads[*index];
            let (job, runs) = (workload.job.as_ref()?, self.workloads[*index].runs.as_ref()?);
            Some(runs.next_timer(job, self.awake || workload.always_on))
        };
        policy.jobs.iter().filter_map(timer).min().unwrap_or(NEVER)
    }

    /// Pods whose time is over leave, and those that follow them come.
    pub(super) fn end_job_pods(&mut self, policy: &Policy) {
        for &index in &policy.jobs {
            let Some(job) = &policy.workloads[index].job else { continue };
            let Some(mut runs) = self.workloads[index].runs.take() else { continue };
            let before = runs.pods.len();
            runs.pods.retain(|pod| {
                let over = pod.ends_at <= self.now;
                if over {
                    self.release(policy, index, pod.node, 1);
                    self.change_ready(policy, index, -1);
                    if let Some(run) = runs.active.iter_mut().find(|run| run.id == pod.run) {
                        run.running -= 1;
                        run.left -= 1;
                    }
                }
                !over
            });
            if runs.pods.len() < before {
                let ended = runs.active.iter().filter(|run| run.left == 0).count() as u32;
                runs.active.retain(|run| run.left > 0);
                self.job_tally(index).completed += ended;
                self.set_desired(policy, index, runs.pods_wanted(job));
            }
            self.workloads[index].runs = Some(runs);
        }
    }

    /// Runs that are due begin.
    pub(super) fn begin_runs(&mut self, policy: &Policy) {
        for &index in &policy.jobs {
            let workload = &policy.workloads[index];
            let Some(job) = &workload.job else { continue };
            let Some(mut runs) = self.workloads[index].runs.take() else { continue };
            let awake = self.awake || workload.always_on;
            if awake || !matches!(job.starts, Starts::Once(_)) {
                while runs.next <= self.now {
                    let due = runs.next;
                    runs.pass(job);
                    self.run_is_due(policy, (index, job), &mut runs, (due, awake));
                }
            }
            if runs.active.is_empty()
                && let Some(due) = runs.waiting.take()
            {
                if job.starting_deadline.is_some_and(|most| self.now - due > most) {
                    self.job_tally(index).missed += 1;
                    self.note(Subject::Workload(index), Reason::RunSkipped { why: "too late" });
                } else {
                    self.begin_run(policy, (index, job), &mut runs, due);
                }
            }
            self.workloads[index].runs = Some(runs);
        }
    }

    fn run_is_due(
        &mut self,
        policy: &Policy,
        (index, job): (usize, &Job),
        runs: &mut Runs,
        (due, awake): (Second, bool),
    ) {
        let skipped = |why| Reason::RunSkipped { why };
        if !awake {
            self.job_tally(index).asleep += 1;
            self.note(Subject::Workload(index), skipped("the account sleeps"));
            return;
        }
        // Of several that waited, only the latest runs.
        if runs.waiting.take().is_some() {
            self.job_tally(index).missed += 1;
        }
        if !runs.active.is_empty() {
            match job.concurrency {
                ConcurrencyPolicy::Allow => {
                    if runs.pods_wanted(job) + job.first_pods() > job.most_pods {
                        self.job_tally(index).too_many += 1;
                        self.note(Subject::Workload(index), skipped("too many pods"));
                        return;
                    }
                    self.job_tally(index).overlapping += 1;
                }
                ConcurrencyPolicy::Forbid => {
                    runs.waiting = Some(due);
                    self.note(Subject::Workload(index), skipped("an earlier run is still running"));
                    return;
                }
                ConcurrencyPolicy::Replace => {
                    self.job_tally(index).replaced += runs.active.len() as u32;
                    while let Some(run) = runs.active.pop() {
                        self.end_run(policy, index, runs, &run);
                    }
                    self.set_desired(policy, index, 0);
                }
            }
        }
        self.begin_run(policy, (index, job), runs, due);
    }

    fn begin_run(
        &mut self,
        policy: &Policy,
        (index, job): (usize, &Job),
        runs: &mut Runs,
        due: Second,
    ) {
        let id = runs.begun;
        runs.begun += 1;
        let left = job.completions;
        runs.active.push(Run { id, due, left, running: 0, lost: 0, started: false });
        self.job_tally(index).runs += 1;
        let late = self.now - due;
        let pods = job.first_pods();
        self.note(Subject::Workload(index), Reason::RunBegan { pods, late });
        self.set_desired(policy, index, runs.pods_wanted(job));
    }

    /// Pods of a run that is no longer active leave their nodes; those that wait or start are left to
    /// [`Self::set_desired`].
    fn end_run(&mut self, policy: &Policy, index: usize, runs: &mut Runs, run: &Run) {
        runs.pods.retain(|pod| {
            let own = pod.run == run.id;
            if own {
                self.release(policy, index, pod.node, 1);
                self.change_ready(policy, index, -1);
            }
            !own
        });
    }

    /// A pod got its place. It counts as running from the tick in which its start ends.
    pub(super) fn bind_job_pod(&mut self, policy: &Policy, mut pod: Starting) {
        let ticks = (pod.started_at - self.now) / policy.tick_seconds;
        pod.ready_at = self.now + ticks * policy.tick_seconds;
        if ticks > 0 {
            self.next_timer = self.next_timer.min(pod.ready_at);
            self.starting.push(pod);
        } else {
            self.begin_job_pod(policy, pod);
        }
    }

    /// A pod begins to run for the run that has waited for longest.
    pub(super) fn begin_job_pod(&mut self, policy: &Policy, pod: Starting) {
        let Starting { workload, node, started_at, .. } = pod;
        let Deployment { job: Some(job), .. } = &policy.workloads[workload] else { return };
        self.workloads[workload].starting -= 1;
        self.change_ready(policy, workload, 1);
        let seconds = self.luck.lognormal(job.duration).round().max(1.0) as Second;
        let ends_at = started_at.saturating_add(seconds);
        self.next_timer = self.next_timer.min(ends_at);
        let tally = &mut self.tally.workloads[workload].job;
        let Some(runs) = &mut self.workloads[workload].runs else { return };
        let Some(run) = runs.short(job) else { return };
        run.running += 1;
        let run_id = run.id;
        if !run.started {
            run.started = true;
            let delay = started_at.saturating_sub(run.due);
            tally.started += 1;
            tally.delay_seconds += f64::from(delay);
            tally.most_delay_seconds = tally.most_delay_seconds.max(delay);
        }
        runs.pods.push(Pod { node, run: run_id, ends_at });
    }

    /// Pods of a job were evicted from a node: so many that started, and so many that ran. They are made
    /// anew, unless too many were lost.
    pub(super) fn lose_job_pods(
        &mut self,
        policy: &Policy,
        (index, node): (usize, usize),
        (unready, ready): (u32, u32),
    ) {
        let Some(job) = &policy.workloads[index].job else { return };
        let Some(mut runs) = self.workloads[index].runs.take() else { return };
        self.job_tally(index).lost_pods += unready + ready;
        for _ in 0..ready {
            let Some(place) = runs.pods.iter().position(|pod| pod.node == node) else { break };
            let pod = runs.pods.swap_remove(place);
            if let Some(run) = runs.active.iter_mut().find(|run| run.id == pod.run) {
                run.running -= 1;
                run.lost += 1;
            }
        }
        if let Some(run) = runs.short(job) {
            run.lost += unready;
        }
        let failed = |run: &Run| run.lost > job.backoff_limit;
        while let Some(place) = runs.active.iter().position(failed) {
            let run = runs.active.remove(place);
            self.end_run(policy, index, &mut runs, &run);
            self.job_tally(index).failed += 1;
            self.note(Subject::Workload(index), Reason::RunFailed { lost: run.lost });
        }
        let wanted = runs.pods_wanted(job);
        if wanted != self.workloads[index].desired {
            self.set_desired(policy, index, wanted);
        }
        self.workloads[index].runs = Some(runs);
    }

    /// Pods of a job that run on a node cease to: they stay bound, and are lost once they are evicted.
    pub(super) fn stop_job_pods(&mut self, index: usize, node: usize) {
        let Some(runs) = &mut self.workloads[index].runs else { return };
        let active = &mut runs.active;
        runs.pods.retain(|pod| {
            let stops = pod.node == node;
            if stops && let Some(run) = active.iter_mut().find(|run| run.id == pod.run) {
                run.running -= 1;
            }
            !stops
        });
    }

    fn job_tally(&mut self, index: usize) -> &mut JobUse {
        &mut self.tally.workloads[index].job
    }
}

#[cfg(test)]
mod tests;
