//! Replicas that one metric asks for.
//!
//! # Formula
//! ```text
//! resource utilization   u = trunc(100 × Σ usage / Σ request)      r = u / target      whole percent
//! average value          a = trunc(Σ usage / pods)                 r = a / target
//! n = current            when 1 − tolerance down ≤ r ≤ 1 + tolerance up
//! n = ceil(r × pods)     otherwise
//! ```
//! Pods without a sample count as `max(100, target)` % (or as the target) when r < 1 and as 0 when
//! r > 1; pods not ready count as 0 when r > 1. With them filled in, `current` stays when the ratio is
//! inside the tolerance, on the other side of 1, or would move the count the other way.
//!
//! # Source
//! kubernetes/kubernetes `pkg/controller/podautoscaler/replica_calculator.go#GetResourceReplicas`,
//! `#calcPlainMetricReplicas`, `#groupPods`, `#GetObjectMetricReplicas`,
//! `#GetObjectPerPodMetricReplicas`, `#GetExternalMetricReplicas`, `#Tolerances`.

/// Ratios between which nothing changes, as fractions; both ends are inside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Below the target.
    pub down: f64,
    /// Above it.
    pub up: f64,
}

impl Tolerance {
    /// The same in both directions, as the cluster-wide setting is.
    pub fn symmetric(value: f64) -> Self {
        Self { down: value, up: value }
    }

    /// Whether a ratio of usage to target is near enough.
    pub fn holds(&self, ratio: f64) -> bool {
        ratio >= 1.0 - self.down && ratio <= 1.0 + self.up
    }
}

/// Phase of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Not bound or not started.
    Pending,
    /// Started.
    #[default]
    Running,
    /// Ended with an error.
    Failed,
}

/// What the metrics API says of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Usage, in millicores, MiB or thousandths of the metric.
    pub usage: i64,
    /// When it was taken, in seconds.
    pub at: i64,
    /// Over how long, in seconds.
    pub window: i64,
}

/// One pod as the controller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodReading {
    /// Phase.
    pub phase: Phase,
    /// Has a deletion timestamp.
    pub deleting: bool,
    /// The Ready condition: its value and when it last changed, in seconds.
    pub ready: Option<(bool, i64)>,
    /// When it started, in seconds.
    pub started: Option<i64>,
    /// Its sample, if the metrics API has one.
    pub sample: Option<Sample>,
    /// What it requests of the resource; only utilization uses it.
    pub request: i64,
}

/// How readiness is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// The metric is CPU: samples of starting pods are not believed.
    pub cpu: bool,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period` (seconds).
    pub cpu_initialization_seconds: i64,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay` (seconds).
    pub initial_readiness_seconds: i64,
}

/// How a pod counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Its sample counts.
    Ready,
    /// Its sample is dropped; it counts as 0 when more replicas are wanted.
    Unready,
    /// It has no sample.
    Missing,
    /// As if it were not there.
    Ignored,
}

/// How a pod counts now; the first rule that matches decides.
pub fn classify(pod: &PodReading, now: i64, readiness: &Readiness) -> Class {
    if pod.deleting || pod.phase == Phase::Failed {
        return Class::Ignored;
    }
    if pod.phase == Phase::Pending {
        return Class::Unready;
    }
    let Some(sample) = pod.sample else { return Class::Missing };
    if !readiness.cpu {
        return Class::Ready;
    }
    let (Some((ready, changed)), Some(started)) = (pod.ready, pod.started) else {
        return Class::Unready;
    };
    let young = started + readiness.cpu_initialization_seconds > now;
    let unready = if young {
        !ready || sample.at < changed + sample.window
    } else {
        !ready && started + readiness.initial_readiness_seconds > changed
    };
    if unready { Class::Unready } else { Class::Ready }
}

/// Sums over the pods of a workload, by how they count. The simulator keeps these in place of pods:
/// replicas of one deployment are interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Usage of the pods whose sample counts.
    pub usage: i64,
    /// How many these are.
    pub ready: u32,
    /// What they request.
    pub ready_request: i64,
    /// Pods without a sample.
    pub missing: u32,
    /// What they request.
    pub missing_request: i64,
    /// Pods not ready.
    pub unready: u32,
    /// What they request.
    pub unready_request: i64,
    /// Pods of any kind that request nothing: utilization of them means nothing.
    pub unrequested: u32,
}

impl Totals {
    /// Sums pods up.
    pub fn of_pods(pods: &[PodReading], now: i64, readiness: &Readiness) -> Self {
        let mut totals = Self::default();
        for pod in pods {
            totals.unrequested += u32::from(pod.request <= 0);
            match classify(pod, now, readiness) {
                Class::Ready => {
                    totals.usage += pod.sample.map_or(0, |sample| sample.usage);
                    totals.ready += 1;
                    totals.ready_request += pod.request;
                }
                Class::Missing => {
                    totals.missing += 1;
                    totals.missing_request += pod.request;
                }
                Class::Unready => {
                    totals.unready += 1;
                    totals.unready_request += pod.request;
                }
                Class::Ignored => {}
            }
        }
        totals
    }
}

/// What a metric of the pods is held at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodTarget {
    /// `averageUtilization` (percent of request).
    Utilization(i64),
    /// `averageValue` of a resource or of a Pods metric.
    AverageValue(i64),
}

impl PodTarget {
    /// Usage over target, with the usage as whole a number as the controller computes it.
    fn ratio(self, usage: i64, request: i64, pods: u32) -> Option<f64> {
        match self {
            Self::Utilization(target) => {
                // Only outlandish figures need the wide product.
                let percent = || match usage.checked_mul(100) {
                    Some(hundredfold) => (hundredfold / request) as f64,
                    None => (i128::from(usage) * 100 / i128::from(request)) as f64,
                };
                (request > 0).then(|| percent() / target as f64)
            }
            Self::AverageValue(target) => {
                (pods > 0).then(|| (usage / i64::from(pods)) as f64 / target as f64)
            }
        }
    }

    fn fill(self, totals: &Totals) -> i64 {
        match self {
            Self::Utilization(target) => totals.missing_request * target.max(100) / 100,
            Self::AverageValue(target) => target * i64::from(totals.missing),
        }
    }
}

fn whole(replicas: f64) -> u32 {
    // The controller clamps to the greatest replica count an API object can hold.
    replicas.ceil().clamp(0.0, f64::from(i32::MAX)) as u32
}

/// Replicas that a metric of the pods asks for; `None` when no pod has a sample that counts, or
/// utilization is asked of pods without a request: the metric is invalid in this pass.
pub fn pod_metric_replicas(
    current: u32,
    totals: &Totals,
    target: PodTarget,
    tolerance: Tolerance,
) -> Option<u32> {
    if totals.ready == 0 {
        return None;
    }
    if matches!(target, PodTarget::Utilization(_)) && totals.unrequested > 0 {
        return None;
    }
    let first = target.ratio(totals.usage, totals.ready_request, totals.ready)?;
    let unready_as_zero = totals.unready > 0 && first > 1.0;
    if totals.missing == 0 && !unready_as_zero {
        let inside = tolerance.holds(first);
        return Some(if inside { current } else { whole(first * f64::from(totals.ready)) });
    }
    let (mut usage, mut request, mut pods) = (totals.usage, totals.ready_request, totals.ready);
    // At exactly the target missing pods are ignored.
    let off_target = (first - 1.0).abs() > 0.0;
    if totals.missing > 0 && off_target {
        usage += if first < 1.0 { target.fill(totals) } else { 0 };
        request += totals.missing_request;
        pods += totals.missing;
    }
    if unready_as_zero {
        request += totals.unready_request;
        pods += totals.unready;
    }
    let second = target.ratio(usage, request, pods)?;
    let crossed = (first < 1.0 && second > 1.0) || (first > 1.0 && second < 1.0);
    if tolerance.holds(second) || crossed {
        return Some(current);
    }
    let wish = whole(second * f64::from(pods));
    let backwards = (second < 1.0 && wish > current) || (second > 1.0 && wish < current);
    Some(if backwards { current } else { wish })
}

/// Replicas that an Object or External metric with `value` asks for. `ready` are pods Running and
/// Ready, whether or not they are being deleted; none when there is no pod at all, which makes the
/// metric invalid outside the tolerance. At zero replicas the count follows the ratio.
pub fn value_replicas(
    current: u32,
    usage: i64,
    target: i64,
    ready: Option<u32>,
    tolerance: Tolerance,
) -> Option<u32> {
    let ratio = usage as f64 / target as f64;
    if current == 0 {
        return Some(whole(ratio));
    }
    if tolerance.holds(ratio) {
        return Some(current);
    }
    ready.map(|ready| whole(ratio * f64::from(ready)))
}

/// Replicas that an Object or External metric with `averageValue` asks for: readiness plays no part.
pub fn average_value_replicas(current: u32, usage: i64, target: i64, tolerance: Tolerance) -> u32 {
    let ratio = usage as f64 / (target as f64 * f64::from(current));
    if current > 0 && tolerance.holds(ratio) {
        return current;
    }
    whole(usage as f64 / target as f64)
}

/// Several metrics: the largest proposal wins. `None`, which changes nothing, when all failed, or
/// when some failed and the rest would scale down.
pub fn largest(current: u32, proposals: &[Option<u32>]) -> Option<u32> {
    let most = proposals.iter().flatten().max().copied()?;
    let some_failed = proposals.iter().any(Option::is_none);
    (!some_failed || most >= current).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(usage: i64, ready: u32, missing: u32, unready: u32) -> Totals {
        let request = |pods: u32| 100 * i64::from(pods);
        Totals {
            usage,
            ready,
            ready_request: request(ready),
            missing,
            missing_request: request(missing),
            unready,
            unready_request: request(unready),
            unrequested: 0,
        }
    }

    fn cpu(current: u32, totals: &Totals, target: i64) -> Option<u32> {
        pod_metric_replicas(
            current,
            totals,
            PodTarget::Utilization(target),
            Tolerance::symmetric(0.1),
        )
    }

    /// Worked examples of the formula in the Kubernetes documentation, "Horizontal Pod Autoscaling".
    #[test]
    fn the_reference_examples_hold() {
        assert_eq!(cpu(4, &totals(340, 4, 0, 0), 60), Some(6));
        // The last one not ready: 250 over 3 is 83 %, refilled 62 %, 1.03: inside tolerance.
        assert_eq!(cpu(4, &totals(250, 3, 0, 1), 60), Some(4));
        // Five pods, samples from three (20, 20, 30 %): 23 %, refilled to 54 %: the other side of 1.
        assert_eq!(cpu(5, &totals(70, 3, 2, 0), 50), Some(5));
    }

    #[test]
    fn the_percent_is_whole_and_the_tolerance_is_inclusive() {
        // 66.9 % truncates to 66: ratio 1.1, the band's end.
        assert_eq!(cpu(10, &totals(669, 10, 0, 0), 60), Some(10));
        assert_eq!(cpu(10, &totals(670, 10, 0, 0), 60), Some(12));
        assert_eq!(cpu(10, &totals(540, 10, 0, 0), 60), Some(10));
        assert_eq!(cpu(10, &totals(539, 10, 0, 0), 60), Some(9));
    }

    #[test]
    fn no_sample_or_no_request_is_invalid() {
        assert_eq!(cpu(4, &totals(0, 0, 0, 4), 60), None);
        let unrequested = Totals { usage: 10, ready: 1, unrequested: 1, ..Totals::default() };
        assert_eq!(cpu(4, &unrequested, 60), None);
    }

    #[test]
    fn zero_follows_the_ratio() {
        assert_eq!(value_replicas(0, 2500, 1000, None, Tolerance::symmetric(0.1)), Some(3));
        assert_eq!(average_value_replicas(0, 2500, 1000, Tolerance::symmetric(0.1)), 3);
        assert_eq!(average_value_replicas(3, 3200, 1000, Tolerance::symmetric(0.1)), 3);
    }

    #[test]
    fn a_failed_metric_only_stops_a_scale_down() {
        assert_eq!(largest(4, &[Some(6), None]), Some(6));
        assert_eq!(largest(4, &[Some(3), None]), None);
        assert_eq!(largest(4, &[Some(3), Some(2)]), Some(3));
        assert_eq!(largest(4, &[None]), None);
    }
}
