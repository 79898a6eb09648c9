//! The horizontal pod autoscaler (`autoscaling/v2`): one reconcile after the other.
//!
//! The arithmetic is in two pure modules that take plain values: [`replicas`] (what a metric asks
//! for) and [`behavior`] (what windows and policies make of it). This module keeps what a controller
//! remembers between reconciles and puts the steps in their order.
//!
//! # Formula
//! ```text
//! 0  nothing remembered: the current count is the first recommendation
//! 1  current = 0 and min ≠ 0: off      current above max or below min: to the bound at once
//! 2  largest proposal of the metrics; none: nothing changes
//! 3  stabilization, then bounds and growth (without behavior) or scaling policies (with it)
//! ```
//! # Source
//! kubernetes/kubernetes `pkg/controller/podautoscaler/horizontal.go#reconcileAutoscaler`.
//! # Limits
//! A recommendation of exactly the window's age has left the window; without `behavior` the
//! controller keeps it, but its clock never shows exactly that age. A tick of a minute holds four
//! reconciles on one sample.

use self::behavior::{Growth, ReplicaBounds};
use std::collections::VecDeque;

use self::{
    behavior::{Behavior, Past},
    replicas::{PodTarget, Tolerance, Totals},
};
use super::Second;

pub mod behavior;
pub mod replicas;

/// A metric of the spec.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// CPU of the pods, in millicores.
    Cpu(PodTarget),
    /// Memory of the pods, in MiB.
    Memory(PodTarget),
    /// CPU or memory of one container of each pod.
    Container(Container, PodTarget),
    /// Utilization of pods with a container that requests nothing: no reconcile ever has a value.
    Unrequested(Resource),
    /// A Pods metric, in thousandths.
    Pods(Signal, PodTarget),
    /// An External metric with `value` (thousandths).
    ExternalValue(Signal, i64),
    /// An External metric with `averageValue` (thousandths).
    ExternalAverageValue(Signal, i64),
}

/// A resource of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// CPU, in millicores.
    Cpu,
    /// Memory, in MiB.
    Memory,
}

impl Resource {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// One container's part of its pod.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Container {
    /// What is measured.
    pub resource: Resource,
    /// What the container requests, in millicores or MiB.
    pub request: i64,
    /// Its share of what the pod uses.
    pub share: f64,
}

impl Container {
    /// What the controller sees of the container: its pods count as for the whole pod.
    fn totals(&self, seen: &Observed) -> Totals {
        let pod = seen.resource(self.resource);
        let request = |pods: u32| self.request * i64::from(pods);
        Totals {
            usage: (pod.usage as f64 * self.share) as i64,
            ready_request: request(pod.ready),
            missing_request: request(pod.missing),
            unready_request: request(pod.unready),
            unrequested: u32::from(self.request == 0),
            ..*pod
        }
    }
}

/// What the metrics adapter offers in addition to resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Requests that arrive in a second.
    RequestsPerSecond,
    /// Requests being served or waiting.
    Concurrency,
    /// Messages in a queue.
    QueueLength,
}

/// What KEDA does beyond the autoscaler that it makes.
///
/// # Source
/// kedacore/keda `pkg/scaling/executor/scale_scaledobjects.go#RequestScale`, `#scaleToZeroOrIdle`,
/// `#scaleFromZeroOrIdle`.
#[derive(Debug, Clone, PartialEq)]
pub struct Keda {
    /// Seconds between two looks at the triggers.
    pub polling: Second,
    /// Seconds without an active trigger before the pods go.
    pub cooldown: Second,
    /// When a trigger is active; any is enough.
    pub activations: Vec<Activation>,
}

/// A trigger that is active above a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activation {
    /// What it measures.
    pub signal: Signal,
    /// The value, in thousandths.
    pub above: i64,
}

impl Keda {
    /// Whether any trigger is active.
    pub(super) fn is_active(&self, seen: &Observed) -> bool {
        self.activations.iter().any(|trigger| seen.signal(trigger.signal) > trigger.above)
    }
}

/// The autoscaler's settings with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Least replicas.
    pub min_replicas: u32,
    /// Most replicas.
    pub max_replicas: u32,
    /// Metrics; the largest proposal wins.
    pub metrics: Vec<Metric>,
    /// Ratios between which nothing changes.
    pub tolerance: Tolerance,
    /// `behavior`, where the spec has one.
    pub behavior: Option<Behavior>,
    /// How long a lower recommendation must hold without `behavior` (seconds).
    pub stabilization_seconds: Second,
    /// Growth in one reconcile without `behavior`.
    pub scale_up_factor: f64,
    /// Replicas always allowed without `behavior`.
    pub scale_up_minimum: u32,
    /// Reconciles in one tick, and the seconds between them.
    pub reconciles: Reconciles,
    /// The band of a single CPU metric; most ticks need no more.
    pub band: Option<Band>,
    /// KEDA, where it goes to 0 replicas and back; the least replicas are then 1.
    pub keda: Option<Keda>,
}

/// Reconciles in one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconciles {
    /// How many.
    pub per_tick: u32,
    /// Seconds from one to the next.
    pub seconds: Second,
}

/// A band as shares of the request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandShares {
    /// The least inside it.
    pub low: f64,
    /// The least above it.
    pub above: f64,
}

/// Whole percents of the target inside which nothing changes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    target: i64,
    low: i64,
    high: i64,
    /// The band as shares of the request.
    shares: BandShares,
}

impl Band {
    /// The band of a target, in percent of request. The controller compares ratios; utilization is a
    /// whole percent, so the comparison has two whole ends.
    pub fn new(target: i64, tolerance: Tolerance) -> Self {
        let inside = |percent: &i64| tolerance.holds(*percent as f64 / target as f64);
        let most = 2 * target + 2;
        let low = (0..=most).find(inside).unwrap_or(target);
        let high = (0..=most).rev().find(inside).unwrap_or(target);
        let shares = BandShares { low: low as f64 / 100.0, above: (high + 1) as f64 / 100.0 };
        Self { target, low, high, shares }
    }

    /// The target, in percent of request.
    pub fn target(&self) -> i64 {
        self.target
    }

    /// Returns the band as shares of the request.
    pub fn shares(&self) -> BandShares {
        self.shares
    }

    /// Greatest utilization at which nothing changes, in percent of request.
    pub fn high(&self) -> i64 {
        self.high
    }

    /// Whether nothing changes at a utilization.
    pub fn holds(&self, percent: i64) -> bool {
        (self.low..=self.high).contains(&percent)
    }
}

/// What kept a reconcile from following its recommendation, in the words of the conditions that
/// `kubectl describe hpa` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The recommendation was followed.
    DesiredWithinRange,
    /// No metric was valid.
    FailedGetMetrics,
    /// At zero replicas with a minimum above zero.
    ScalingDisabled,
    /// More were wanted than the maximum.
    TooManyReplicas,
    /// Fewer were wanted than the minimum.
    TooFewReplicas,
    /// Growth is limited in one reconcile, or by a policy.
    ScaleUpLimit,
    /// A policy limits the decline.
    ScaleDownLimit,
    /// A recent recommendation was higher.
    ScaleDownStabilized,
    /// A recent recommendation was lower.
    ScaleUpStabilized,
}

impl Bound {
    /// The condition's reason as Kubernetes prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DesiredWithinRange => "DesiredWithinRange",
            Self::FailedGetMetrics => "FailedGetMetrics",
            Self::ScalingDisabled => "ScalingDisabled",
            Self::TooManyReplicas => "TooManyReplicas",
            Self::TooFewReplicas => "TooFewReplicas",
            Self::ScaleUpLimit => "ScaleUpLimit",
            Self::ScaleDownLimit => "ScaleDownLimit",
            Self::ScaleDownStabilized => "ScaleDownStabilized",
            Self::ScaleUpStabilized => "ScaleUpStabilized",
        }
    }
}

/// What one reconcile came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Replicas to ask for.
    pub replicas: u32,
    /// What bounded them.
    pub bound: Bound,
}

/// What a reconcile sees of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observed {
    /// CPU by how pods count, in millicores.
    pub cpu: Totals,
    /// Memory, in MiB.
    pub memory: Totals,
    /// Pods that are Running and Ready, with or without a sample.
    pub ready: u32,
    /// Requests a second, in thousandths.
    pub requests_per_second: i64,
    /// Requests served or waiting, in thousandths.
    pub concurrency: i64,
    /// Messages in the queue, in thousandths.
    pub queue_length: i64,
}

impl Observed {
    pub(super) fn signal(&self, signal: Signal) -> i64 {
        match signal {
            Signal::RequestsPerSecond => self.requests_per_second,
            Signal::Concurrency => self.concurrency,
            Signal::QueueLength => self.queue_length,
        }
    }

    fn resource(&self, resource: Resource) -> &Totals {
        match resource {
            Resource::Cpu => &self.cpu,
            Resource::Memory => &self.memory,
        }
    }
}

impl Metric {
    /// Replicas that the metric asks for; `None` when it is invalid in this pass.
    pub fn replicas(&self, current: u32, seen: &Observed, tolerance: Tolerance) -> Option<u32> {
        match *self {
            Self::Cpu(target) => {
                replicas::pod_metric_replicas(current, &seen.cpu, target, tolerance)
            }
            Self::Memory(target) => {
                replicas::pod_metric_replicas(current, &seen.memory, target, tolerance)
            }
            Self::Container(container, target) => {
                let totals = container.totals(seen);
                replicas::pod_metric_replicas(current, &totals, target, tolerance)
            }
            Self::Unrequested(_) => None,
            Self::Pods(signal, target) => {
                let totals = Totals { usage: seen.signal(signal), ..seen.memory };
                replicas::pod_metric_replicas(current, &totals, target, tolerance)
            }
            Self::ExternalValue(signal, target) => {
                let usage = seen.signal(signal);
                replicas::value_replicas(current, usage, target, Some(seen.ready), tolerance)
            }
            Self::ExternalAverageValue(signal, target) => {
                let usage = seen.signal(signal);
                Some(replicas::average_value_replicas(current, usage, target, tolerance))
            }
        }
    }

    /// Its current value, in percent of its target.
    fn percent_of_target(&self, seen: &Observed, current: u32) -> f64 {
        let of = |totals: &Totals, target: PodTarget| match target {
            PodTarget::Utilization(target) => {
                100.0 * totals.usage as f64 / totals.ready_request.max(1) as f64 / target as f64
            }
            PodTarget::AverageValue(target) => {
                totals.usage as f64 / f64::from(totals.ready.max(1)) / target as f64
            }
        };
        100.0
            * match *self {
                Self::Cpu(target) => of(&seen.cpu, target),
                Self::Memory(target) => of(&seen.memory, target),
                Self::Container(container, target) => of(&container.totals(seen), target),
                Self::Unrequested(_) => 0.0,
                Self::Pods(signal, target) => {
                    of(&Totals { usage: seen.signal(signal), ..seen.memory }, target)
                }
                Self::ExternalValue(signal, target) => seen.signal(signal) as f64 / target as f64,
                Self::ExternalAverageValue(signal, target) => {
                    seen.signal(signal) as f64 / f64::from(current.max(1)) / target as f64
                }
            }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "cpu",
            Self::Memory(_) => "memory",
            Self::Container(Container { resource, .. }, _) | Self::Unrequested(resource) => {
                resource.name()
            }
            Self::Pods(signal, _)
            | Self::ExternalValue(signal, _)
            | Self::ExternalAverageValue(signal, _) => signal.name(),
        }
    }
}

impl Signal {
    /// Its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests_per_second",
            Self::Concurrency => "concurrency",
            Self::QueueLength => "queue_length",
        }
    }
}

impl Rules {
    /// Whether any metric ever has a value: without, the autoscaler keeps the replicas that there are.
    pub fn ever_scales(&self) -> bool {
        self.keda.is_some()
            || self.metrics.iter().any(|metric| !matches!(metric, Metric::Unrequested(_)))
    }

    /// The largest proposal; `None` when nothing can be concluded.
    pub fn proposal(&self, current: u32, seen: &Observed) -> Option<u32> {
        if let [metric] = &*self.metrics {
            return metric.replicas(current, seen, self.tolerance);
        }
        let of = |metric: &Metric| metric.replicas(current, seen, self.tolerance);
        let proposals: Vec<Option<u32>> = self.metrics.iter().map(of).collect();
        replicas::largest(current, &proposals)
    }

    /// The metric that asks for most now, and its value, in percent of its target.
    pub fn seen(&self, current: u32, seen: &Observed) -> (&'static str, f64) {
        let leading =
            self.metrics.iter().max_by_key(|metric| metric.replicas(current, seen, self.tolerance));
        leading.map_or(("none", 0.0), |metric| {
            (metric.name(), metric.percent_of_target(seen, current))
        })
    }

    /// Whether a metric goes by the requests that are in a pod: their number, or the memory they take.
    pub fn counts_requests(&self) -> bool {
        self.metrics.iter().any(|metric| match metric {
            Metric::Cpu(_) | Metric::Unrequested(_) => false,
            Metric::Memory(_) => true,
            Metric::Container(container, _) => container.resource == Resource::Memory,
            Metric::Pods(signal, _)
            | Metric::ExternalValue(signal, _)
            | Metric::ExternalAverageValue(signal, _) => *signal == Signal::Concurrency,
        })
    }

    fn windows(&self) -> Windows {
        match &self.behavior {
            None => Windows { up: 0, down: self.stabilization_seconds },
            Some(behavior) => Windows {
                up: behavior.scale_up.window_seconds,
                down: behavior.scale_down.window_seconds,
            },
        }
    }

    fn bounds(&self) -> ReplicaBounds {
        ReplicaBounds { least: self.min_replicas, most: self.max_replicas }
    }
}

/// Stabilization windows of both directions, in seconds.
#[derive(Clone, Copy)]
struct Windows {
    up: Second,
    down: Second,
}

/// A recommendation, or a change of the count, and when it was made.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Event {
    at: Second,
    replicas: u32,
}

/// Recommendations of a window of which only the extreme matters: monotone in value, rising in time,
/// so that the front is the extreme.
#[derive(Debug, Clone, PartialEq, Default)]
struct Window(VecDeque<Event>);

impl Window {
    /// Adds a recommendation, drops what `beats` it or left the window, and gives the extreme.
    fn push(
        &mut self,
        now: Second,
        wish: u32,
        window: Second,
        yields: impl Fn(u32) -> bool,
    ) -> u32 {
        while self.0.back().is_some_and(|kept| yields(kept.replicas)) {
            self.0.pop_back();
        }
        self.0.push_back(Event { at: now, replicas: wish });
        while self.0.front().is_some_and(|kept| kept.at + window <= now && kept.at < now) {
            self.0.pop_front();
        }
        self.0.front().map_or(wish, |extreme| extreme.replicas)
    }
}

/// The autoscaler's memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hpa {
    highest: Window,
    lowest: Window,
    /// Scale events, which only `behavior` looks at.
    ups: VecDeque<Event>,
    downs: VecDeque<Event>,
    /// The one recommendation that there is to remember, if there is only one, and when it was last made.
    only: Option<u32>,
    rested_at: Second,
}

impl Hpa {
    /// A reconcile whose recommendation is what there is already, with nothing else remembered; false
    /// when there is more to do than that.
    #[inline]
    pub(super) fn rest(&mut self, now: Second, current: u32) -> bool {
        let rests = self.only == Some(current);
        if rests {
            self.rested_at = now;
        }
        rests
    }

    /// Whether what there is already is the one recommendation to remember.
    pub(super) fn rests_on(&self, current: u32) -> bool {
        self.only == Some(current)
    }

    /// Writes down what [`Self::rest`] put off.
    fn recall(&mut self) {
        if self.only.is_some() {
            for event in self.highest.0.iter_mut().chain(&mut self.lowest.0) {
                event.at = self.rested_at.max(event.at);
            }
        }
    }

    /// The one recommendation that there is to remember, if there is only one.
    fn single(&self) -> Option<u32> {
        let (highest, lowest) = (&self.highest.0, &self.lowest.0);
        let only = highest.front().filter(|_| highest.len() == 1 && lowest.len() <= 1)?.replicas;
        lowest.front().is_none_or(|low| low.replicas == only).then_some(only)
    }

    /// One reconcile on the largest proposal of the metrics.
    pub fn reconcile(
        &mut self,
        now: Second,
        current: u32,
        proposal: Option<u32>,
        rules: &Rules,
    ) -> Verdict {
        let verdict = self.decide(now, current, proposal, rules);
        if let Some(behavior) = &rules.behavior {
            self.remember(now, current, verdict.replicas, behavior);
        }
        verdict
    }

    /// Whether a recommendation below the least count changes nothing and need not be remembered: no
    /// earlier one is above it, and later ones end at the least count anyway.
    pub(super) fn rests_at(&self, least: u32) -> bool {
        self.highest.0.front().is_none_or(|highest| highest.replicas <= least)
    }

    /// A controller that remembers nothing, as after its start, takes what there is for the first
    /// recommendation (`horizontal.go#recordInitialRecommendation`). It is a moment older than the next,
    /// so a window of no length does not hold it.
    fn begin(&mut self, now: Second, current: u32, rules: &Rules) {
        if self.highest.0.is_empty() {
            let windows = rules.windows();
            let first = Event { at: now, replicas: current };
            if windows.down > 0 {
                self.highest.0.push_back(first);
            }
            if windows.up > 0 {
                self.lowest.0.push_back(first);
            }
        }
    }

    fn decide(
        &mut self,
        now: Second,
        current: u32,
        proposal: Option<u32>,
        rules: &Rules,
    ) -> Verdict {
        self.recall();
        self.begin(now, current, rules);
        let bounds = rules.bounds();
        let ReplicaBounds { least, most } = bounds;
        let stop = |replicas, bound| Verdict { replicas, bound };
        if current == 0 && least != 0 {
            return stop(0, Bound::ScalingDisabled);
        }
        if current > most {
            return stop(most, Bound::TooManyReplicas);
        }
        if current < least {
            return stop(least, Bound::TooFewReplicas);
        }
        let Some(wish) = proposal else { return stop(current, Bound::FailedGetMetrics) };
        let windows = rules.windows();
        let highest = self.highest.push(now, wish, windows.down, |kept| kept <= wish);
        let stable = if rules.behavior.is_some() {
            let lowest = self.lowest.push(now, wish, windows.up, |kept| kept >= wish);
            current.max(lowest).min(highest)
        } else {
            highest
        };
        (self.only, self.rested_at) = (self.single(), now);
        let replicas = match &rules.behavior {
            None => {
                let growth =
                    Growth { factor: rules.scale_up_factor, least: rules.scale_up_minimum };
                behavior::normalize(current, stable, bounds, growth)
            }
            Some(rules) => {
                let (ups, downs) = (ages(&self.ups, now), ages(&self.downs, now));
                behavior::limit_rate(rules, current, stable, bounds, &ups, &downs)
            }
        };
        stop(replicas, bound(wish, stable, replicas, bounds))
    }

    fn remember(&mut self, now: Second, current: u32, replicas: u32, behavior: &Behavior) {
        let policies = behavior.scale_up.policies.iter().chain(&behavior.scale_down.policies);
        let longest = policies.map(|policy| policy.period_seconds).max().unwrap_or(0);
        for events in [&mut self.ups, &mut self.downs] {
            while events.front().is_some_and(|event| event.at + longest <= now) {
                events.pop_front();
            }
        }
        if replicas > current {
            self.ups.push_back(Event { at: now, replicas: replicas - current });
        } else if replicas < current {
            self.downs.push_back(Event { at: now, replicas: current - replicas });
        }
    }
}

fn ages(events: &VecDeque<Event>, now: Second) -> Vec<Past> {
    let past = |event: &Event| Past { replicas: event.replicas, seconds_ago: now - event.at };
    events.iter().map(past).collect()
}

fn bound(wish: u32, stable: u32, replicas: u32, bounds: ReplicaBounds) -> Bound {
    let ReplicaBounds { least, most } = bounds;
    if replicas < stable {
        if replicas == most { Bound::TooManyReplicas } else { Bound::ScaleUpLimit }
    } else if replicas > stable {
        if replicas == least { Bound::TooFewReplicas } else { Bound::ScaleDownLimit }
    } else if stable > wish {
        Bound::ScaleDownStabilized
    } else if stable < wish {
        Bound::ScaleUpStabilized
    } else {
        Bound::DesiredWithinRange
    }
}

#[cfg(test)]
mod tests;
