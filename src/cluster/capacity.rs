//! What a cluster used in a month: node-hours by type, pods, saturation.
//!
//! # Formula
//! ```text
//! mean nodes          = Σ node-hours / hours of the month
//! realized spot share = spot hours / (spot + on-demand hours), without the baseline
//! requested           = Σ hours of a pool × its share / Σ hours of all pools
//! ```

pub use super::autoscale::tally::JobUse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    cluster::autoscale::{
        policy::{BASELINE, Policy, Purchase, Reservation, ZonePrice},
        purchase::NodeMinutes,
        tally::{Disruptions, HourTally, Refusal, Tally},
    },
    measure::units::{BYTES_PER_GB, BYTES_PER_MIB},
};

/// Hours of one instance type bought one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeUse {
    /// EC2 instance type.
    pub instance_type: String,
    /// `baseline`, `on-demand`, `spot` or `reserved`.
    pub purchase: String,
    /// Node pool, or `baseline`.
    pub pool: String,
    /// Node-hours.
    pub hours: f64,
    /// Nodes launched.
    pub launches: u32,
    /// Hours by the hour of the month, of nodes that are not spot; not part of the plan document.
    #[serde(skip)]
    pub hourly: Vec<f64>,
    /// Zones and their price, where the scenario gives it; not part of the plan document.
    #[serde(skip)]
    pub price: Option<ZonePrice>,
}

/// A capacity reservation in a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReservationUse {
    /// Its name.
    pub name: String,
    /// EC2 instance type.
    pub instance_type: String,
    /// How many instances.
    pub instances: u32,
    /// Instance-hours that nodes ran.
    pub used_hours: f64,
    /// Instance-hours that nothing ran, billed at the on-demand rate.
    pub unused_hours: f64,
    /// The unused ones by the hour of the month; not part of the plan document.
    #[serde(skip)]
    pub hourly: Vec<f64>,
}

/// One deployment in a month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadUse {
    /// Its name.
    pub name: String,
    /// Requests that arrived.
    pub requests: f64,
    /// Requests that nothing served: given up after their time-out, or without a ready pod.
    pub unserved_requests: f64,
    /// Requests that waited for a later tick.
    pub queued_requests: f64,
    /// Minutes in which more was asked than the ready pods can serve.
    #[serde(alias = "saturated_minutes")]
    pub overloaded_minutes: f64,
    /// Of these, with every replica that the autoscaler may ask for.
    #[serde(alias = "saturated_at_most_minutes")]
    pub overloaded_at_most_minutes: f64,
    /// Of these, with pods that had no node.
    #[serde(alias = "saturated_pending_minutes")]
    pub overloaded_pending_minutes: f64,
    /// Minutes in which more was asked than the ready pods can serve, or p95 was above its
    /// bound; not part of the plan document.
    #[serde(skip)]
    pub late_minutes: f64,
    /// Minutes that pods waited for a node, summed over pods.
    pub pending_pod_minutes: f64,
    /// Mean of ready pods.
    pub mean_replicas: f64,
    /// Most ready pods.
    pub peak_replicas: u32,
    /// Busiest minute, in requests per second.
    pub peak_rps: f64,
    /// Mean over requests of the p95 of their minute, in ms.
    pub p95_ms: f64,
    /// p95 of the worst minute, in ms.
    pub peak_p95_ms: f64,
    /// Runs, of a cron-job or a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobUse>,
    /// What waited in its queue, where it has one; the response times above are then without the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueUse>,
}

/// Cron-jobs and jobs over several months of one account, in the scenario's order.
pub fn jobs<'c>(months: impl Iterator<Item = &'c Capacity>) -> Vec<(String, JobUse)> {
    let mut all: Vec<(String, JobUse)> = Vec::new();
    for used in months.flat_map(|month| &month.workloads) {
        let Some(job) = &used.job else { continue };
        match all.iter_mut().find(|(name, _)| *name == used.name) {
            Some((_, sum)) => sum.add(job),
            None => all.push((used.name.clone(), job.clone())),
        }
    }
    all
}

/// The queue of a deployment in a month.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QueueUse {
    /// Most messages that waited.
    pub most_waiting: f64,
    /// Longest wait, in seconds.
    pub longest_wait_seconds: f64,
}

/// Nodes of one purchase option.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Nodes {
    /// Mean over the month.
    pub mean: f64,
    /// Most at once.
    pub peak: u32,
}

/// A month of one account's cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Capacity {
    /// Node-hours by type and purchase.
    pub nodes: Vec<NodeUse>,
    /// Capacity reservations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<ReservationUse>,
    /// Deployments.
    pub workloads: Vec<WorkloadUse>,
    /// All nodes.
    pub total: Nodes,
    /// Mean of baseline nodes.
    pub baseline_mean: f64,
    /// Mean of Karpenter's on-demand nodes.
    pub on_demand_mean: f64,
    /// Mean of spot nodes.
    pub spot_mean: f64,
    /// Share of Karpenter's node-hours wanted as spot; none without such nodes.
    pub requested_spot_share: Option<f64>,
    /// The share it was; on-demand steps in where spot is short.
    pub realized_spot_share: Option<f64>,
    /// Pods evicted from their nodes.
    pub evictions: u32,
    /// Nodes that left, by reason.
    pub disruptions: Disruptions,
    /// What kept nodes or pods back, counted once a pass of the controller.
    pub refusals: BTreeMap<String, u32>,
    /// Images pulled, in GB.
    pub image_gb: f64,
    /// Sessions that reached the account.
    pub sessions: f64,
    /// Busiest minute, in sessions.
    pub peak_sessions_per_minute: f64,
    /// Hours in which the account was awake.
    pub awake_hours: f64,
    /// Daemonsets that the mean node does not run, as it lacks the labels that they require; not part of the
    /// plan document.
    #[serde(skip)]
    pub absent_daemons_per_node: f64,
    /// Sessions in each minute, as they reached the account; not part of the plan document.
    #[serde(skip)]
    pub minutes: Vec<f64>,
    /// Whether the account was awake in each minute; empty where it always is. Not part of the plan document.
    #[serde(skip)]
    pub awake: Vec<bool>,
    /// Hour by hour; not part of the plan document.
    #[serde(skip)]
    pub hours: Vec<HourTally>,
}

impl Capacity {
    /// Drops what is known minute by minute and hour by hour, once usage is metered: half a megabyte.
    pub fn forget_times(&mut self) {
        self.minutes = Vec::new();
        self.awake = Vec::new();
        self.hours = Vec::new();
        self.nodes.iter_mut().for_each(|node| node.hourly = Vec::new());
        self.reservations.iter_mut().for_each(|reservation| reservation.hourly = Vec::new());
    }

    /// Sums up the tally of a span of `minutes`.
    pub fn from_tally(tally: Tally, policy: &Policy, minutes: f64, load: Vec<f64>) -> Self {
        let mut nodes = Vec::new();
        for (index, offer) in policy.offers.iter().enumerate() {
            let (hours, launches) = (tally.node_hours[index], tally.launches[index]);
            if hours > 0.0 || launches > 0 {
                nodes.push(NodeUse {
                    instance_type: offer.instance_type.clone(),
                    purchase: purchase_name(offer.purchase).to_owned(),
                    pool: policy.pool_of(offer.group).map_or(BASELINE, |p| &p.name).to_owned(),
                    hours,
                    launches,
                    hourly: hourly(&tally, index, hours, minutes),
                    price: policy.supply.rate_of(index).cloned(),
                });
            }
        }
        // Those after them stand for room of capacity buffers.
        let real = &policy.workloads[..policy.real_workloads()];
        let workloads = real.iter().zip(&tally.workloads).map(|(workload, tally)| WorkloadUse {
            name: workload.name.clone(),
            requests: tally.requests,
            unserved_requests: tally.unserved,
            overloaded_minutes: tally.overloaded_minutes,
            overloaded_at_most_minutes: tally.overloaded_at_most_minutes,
            overloaded_pending_minutes: tally.overloaded_pending_minutes,
            late_minutes: tally.late_minutes,
            pending_pod_minutes: tally.pending_pod_minutes,
            mean_replicas: tally.ready_pod_minutes / minutes,
            peak_replicas: tally.peak_ready,
            peak_rps: tally.peak_rps,
            queued_requests: tally.queued,
            p95_ms: tally.p95_weighted / tally.requests.max(1e-9),
            peak_p95_ms: tally.p95_peak,
            job: workload.job.as_ref().map(|_| tally.job.of_month(tally.ready_pod_minutes)),
            queue: workload.has_queue.then_some(QueueUse {
                most_waiting: tally.most_waiting,
                longest_wait_seconds: tally.longest_wait,
            }),
        });
        let mean = |of: fn(&NodeMinutes) -> f64| {
            tally.hours.iter().map(|hour| of(&hour.node_minutes)).sum::<f64>() / minutes
        };
        let baseline_mean = mean(|nodes| nodes.baseline);
        let on_demand_mean = mean(|nodes| nodes.on_demand);
        let spot_mean = mean(|nodes| nodes.spot);
        debug_assert!(tally.is_finite(), "a month's sums are numbers: {tally:?}");
        Self {
            nodes,
            reservations: reservations(&tally, policy, minutes),
            workloads: workloads.collect(),
            total: Nodes {
                mean: baseline_mean + on_demand_mean + spot_mean,
                peak: tally.hours.iter().map(|hour| hour.peak_nodes).max().unwrap_or(0),
            },
            baseline_mean,
            on_demand_mean,
            spot_mean,
            requested_spot_share: requested_spot_share(&tally, policy),
            realized_spot_share: (on_demand_mean + spot_mean > 0.0)
                .then(|| spot_mean / (on_demand_mean + spot_mean)),
            evictions: tally.evictions,
            disruptions: tally.disruptions,
            refusals: Refusal::ALL
                .iter()
                .zip(tally.refusals)
                .filter(|(_, count)| *count > 0)
                .map(|(refusal, count)| (refusal.name().to_owned(), count))
                .collect(),
            image_gb: tally.image_mib * BYTES_PER_MIB / BYTES_PER_GB,
            sessions: tally.hours.iter().map(|hour| hour.sessions).sum(),
            peak_sessions_per_minute: load.iter().copied().fold(0.0, f64::max),
            absent_daemons_per_node: absent_daemons_per_node(&tally, policy),
            minutes: load,
            awake: Vec::new(),
            awake_hours: tally.awake_minutes / 60.0,
            hours: tally.hours,
        }
    }

    /// Hours of all nodes.
    pub fn node_hours(&self) -> f64 {
        self.nodes.iter().map(|node| node.hours).sum()
    }

    /// Nodes launched.
    pub fn launches(&self) -> u32 {
        self.nodes.iter().map(|node| node.launches).sum()
    }
}

/// The billed time of an offer's nodes by the hour; what is billed past the end belongs to the last hour.
fn hourly(tally: &Tally, offer: usize, sum: f64, minutes: f64) -> Vec<f64> {
    const HOUR: u32 = 3600;
    let mut hours = vec![0.0; (minutes / 60.0).ceil() as usize];
    let mut spans = tally.spans.iter().filter(|span| span.offer == offer).peekable();
    let Some(last) = hours.len().checked_sub(1) else { return hours };
    if spans.peek().is_none() {
        return Vec::new();
    }
    for span in spans {
        let since_start = |second: u32| second.saturating_sub(tally.started);
        let (mut at, to) = (since_start(span.from), since_start(span.to));
        while at < to {
            let hour = (at / HOUR) as usize;
            if hour >= last {
                hours[last] += f64::from(to - at) / f64::from(HOUR);
                break;
            }
            let end = (hour as u32 + 1) * HOUR;
            hours[hour] += f64::from(to.min(end) - at) / f64::from(HOUR);
            at = end;
        }
    }
    // The parts of a sum differ from it by rounding.
    hours[last] = (hours[last] + sum - hours.iter().sum::<f64>()).max(0.0);
    hours
}

/// Returns what the ledger calls the hours of a capacity reservation that no node uses.
pub fn unused_resource(reservation: &str) -> String {
    format!("{reservation}/unused")
}

/// Used and unused hours of the capacity reservations.
fn reservations(tally: &Tally, policy: &Policy, minutes: f64) -> Vec<ReservationUse> {
    let supply = &policy.supply;
    let of = |(place, reservation): (usize, &Reservation)| {
        let instances = f64::from(reservation.instances);
        let mut left = minutes / 60.0;
        let mut unused: Vec<f64> = (0..left.ceil() as usize)
            .map(|_| {
                let part = left.min(1.0);
                left -= part;
                instances * part
            })
            .collect();
        let mut used_hours = 0.0;
        for seat in supply.seats.iter().filter(|seat| seat.reservation == place) {
            let hours = tally.node_hours[seat.offer];
            used_hours += hours;
            for (unused, used) in unused.iter_mut().zip(hourly(tally, seat.offer, hours, minutes)) {
                *unused -= used;
            }
        }
        // A node's last seconds may overlap with those of the next on the same instance.
        for hour in &mut unused {
            *hour = hour.max(0.0);
        }
        ReservationUse {
            name: reservation.name.clone(),
            instance_type: reservation.instance_type.clone(),
            instances: reservation.instances,
            used_hours,
            unused_hours: unused.iter().sum(),
            hourly: unused,
        }
    };
    supply.reservations.iter().enumerate().map(of).collect()
}

fn absent_daemons_per_node(tally: &Tally, policy: &Policy) -> f64 {
    let (mut absent, mut all) = (0.0, 0.0);
    for (offer, hours) in tally.node_hours.iter().enumerate() {
        absent += hours * policy.daemons_on(offer).absent as f64;
        all += hours;
    }
    if all > 0.0 { absent / all } else { 0.0 }
}

fn requested_spot_share(tally: &Tally, policy: &Policy) -> Option<f64> {
    let (mut asked, mut all) = (0.0, 0.0);
    for (offer, hours) in policy.offers.iter().zip(&tally.node_hours) {
        if let Some(pool) = policy.pool_of(offer.group) {
            asked += hours * pool.spot_share();
            all += hours;
        }
    }
    (all > 0.0).then(|| asked / all)
}

/// The name of a purchase option as the plan prints it.
pub fn purchase_name(purchase: Purchase) -> &'static str {
    match purchase {
        Purchase::Baseline => "baseline",
        Purchase::OnDemand => "on-demand",
        Purchase::Spot => "spot",
        Purchase::Reserved => "reserved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::autoscale::group::Group;
    use crate::cluster::autoscale::policy::Seat;
    use crate::cluster::autoscale::tally::BilledSpan;

    /// Two instances for two and a half hours, of which a node ran from minute 30 to minute 120 and five seconds:
    /// 1.5014 hours used; unused 1.5 in the first hour, 1 in the second, and half of 2, less five seconds, in the last.
    #[test]
    fn hours_of_a_reservation_are_used_or_not() {
        let catalog = crate::app::store::embedded_catalog_of(&["us-east-1"]).unwrap();
        let mut policy = Policy::assemble(&catalog.controllers, 60, vec![], vec![], vec![]);
        policy.supply.reservations = vec![Reservation {
            name: "steady".into(),
            instance_type: "m7g.large".into(),
            zone: 0,
            instances: 2,
            list_price: 0.0816,
        }];
        policy.supply.seats = vec![Seat { reservation: 0, group: Group::of_pool(0), offer: 0 }];
        let seconds = 90 * 60 + 5;
        let used = f64::from(seconds) / 3600.0;
        let tally = Tally {
            node_hours: vec![used],
            spans: vec![BilledSpan { offer: 0, from: 1800, to: 1800 + seconds }],
            ..Tally::default()
        };
        let own = &reservations(&tally, &policy, 150.0)[0];
        let expected = [1.5, 1.0, 1.0 - 5.0 / 3600.0];
        assert!(own.hourly.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{own:?}");
        assert!((own.used_hours + own.unused_hours - 5.0).abs() < 1e-9, "{own:?}");
    }
}
