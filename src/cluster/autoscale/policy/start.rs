//! How many replicas a deployment begins with.

use super::{Deployment, Serving};
use crate::cluster::autoscale::hpa::{
    Container, Metric, Resource, Rules, Signal, replicas::PodTarget,
};

impl Deployment {
    /// Replicas that a load asks for at the target.
    pub fn replicas_for(&self, sessions_per_minute: f64) -> u32 {
        let (Some(serving), Some(rules)) = (&self.serving, &self.hpa) else {
            return self.min_replicas;
        };
        if !rules.ever_scales() {
            return self.min_replicas;
        }
        let rps = sessions_per_minute * serving.rps_per_session;
        let enough = |pods: u32| self.rests_with(serving, rules, rps, f64::from(pods));
        let (mut low, mut high) =
            (self.min_replicas, self.max_replicas.unwrap_or(self.min_replicas));
        while low < high {
            let middle = u32::midpoint(low, high);
            if enough(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// Whether every metric is at its target or below with so many pods. A metric that is compared to
    /// a value, and not to an average over pods, stays where it is however many there are: above its
    /// tolerance replicas grow to the maximum.
    fn rests_with(&self, serving: &Serving, rules: &Rules, rps: f64, pods: f64) -> bool {
        if pods <= 0.0 {
            return rps <= 0.0;
        }
        let load = rps / (pods * serving.pod_rps);
        let cpu = self.idle_cpu + rps * serving.cpu_ms / pods;
        let in_pod = serving.response.in_system.as_ref().map_or(0.0, |curve| curve.at(load));
        let memory = self.memory.idle + in_pod * self.memory.per_request;
        let within = |value: f64, request: i64, target: PodTarget| match target {
            PodTarget::Utilization(percent) => value * 100.0 <= request as f64 * percent as f64,
            PodTarget::AverageValue(most) => value <= most as f64,
        };
        let signal = |signal: Signal| match signal {
            Signal::RequestsPerSecond => 1000.0 * rps / pods,
            Signal::Concurrency => 1000.0 * in_pod,
            Signal::QueueLength => {
                let queue = serving.queue.filter(|queue| queue.counts_in_flight);
                queue.map_or(0.0, |queue| 1000.0 * rps * queue.seconds / pods)
            }
        };
        let of_container = |container: Container, target: PodTarget| {
            let pod = match container.resource {
                Resource::Cpu => cpu,
                Resource::Memory => memory,
            };
            within(pod * container.share, container.request, target)
        };
        let rests = |metric: &Metric| match *metric {
            Metric::Cpu(target) => within(cpu, self.request_cpu, target),
            Metric::Memory(target) => within(memory, self.request_memory, target),
            Metric::Container(container, target) => of_container(container, target),
            Metric::Pods(of, target) => within(signal(of), 0, target),
            Metric::ExternalAverageValue(of, most) => signal(of) <= most as f64,
            // It never has a value; and more pods make a queue shorter.
            Metric::Unrequested(_) | Metric::ExternalValue(Signal::QueueLength, _) => true,
            Metric::ExternalValue(of, target) => {
                signal(of) * pods <= target as f64 * (1.0 + rules.tolerance.up)
            }
        };
        // Without a band of CPU alone, no less than what the workers carry.
        (rules.band.is_some() || load <= 1.0) && rules.metrics.iter().all(rests)
    }
}
