//! Calm stretches: ticks in which no timer fires, no autoscaler moves and nothing is pending, passed in
//! one go.
//!
//! Nine ticks in ten of a plan are like that. What is decided in them is decided by the load alone, so the
//! bounds of the load between which nothing happens are worked out once, the stretch is as long as the
//! load stays inside, and what is left of a tick are sums. The result is that of [`Cluster::step`], bit by
//! bit: sums run in the same order, and a tick at the edge of a bound is left to `step`.

use std::cmp::Ordering;

use super::{
    Cluster, SAMPLES, Sample, Second,
    policy::{Deployment, Policy, Serving},
    serve::MINUTE,
};

/// Ticks summed at once; a stretch is cut at the hour anyway.
const CHUNK: usize = 64;

/// A stretch below this is not worth its preparation.
const WORTH: usize = 3;

/// Keeps a bound clear of rounding: what lies within is left to `step`, which compares as the controllers do.
const CLEAR: f64 = 1e-9;

impl Cluster {
    /// Advances one tick for each load, in sessions a minute; the same as so many calls of [`Self::step`].
    pub fn run(&mut self, policy: &Policy, loads: &[f64], awake: bool) {
        let mut at = 0;
        while at < loads.len() {
            let calm = self.calm_ticks(policy, &loads[at..], awake);
            if calm < WORTH {
                self.step(policy, loads[at], awake);
                at += 1;
            } else {
                self.pass(policy, &loads[at..at + calm]);
                at += calm;
            }
        }
    }

    /// How many of the next ticks are calm.
    fn calm_ticks(&self, policy: &Policy, loads: &[f64], awake: bool) -> usize {
        let until = self.next_timer.min(self.settle_at).min(self.refill_at);
        let stirs = self.pending > 0
            || self.batch.is_open()
            || self.now >= until
            || awake != self.awake
            || (policy.has_static_pools && self.lacks_static_nodes(policy));
        let (age, window) = (policy.latencies.sample_ticks, policy.latencies.sample_window_ticks);
        let seen = age + window;
        if stirs || self.log.is_some() || !policy.scaled_idle.is_empty() {
            return 0;
        }
        if self.ticks < seen || seen >= SAMPLES {
            return 0;
        }
        let ticks = (until - self.now).div_ceil(policy.tick_seconds) as usize;
        let loads = &loads[..loads.len().min(ticks)];
        let scaled = if awake { &policy.scaled } else { &policy.scaled_asleep };
        let by_triggers = policy.triggered.iter().filter(|index| {
            let workload = &policy.workloads[**index];
            workload.hpa.as_ref().is_some_and(|rules| rules.metrics.is_empty())
                && scaled.contains(index)
        });
        for &index in by_triggers {
            let replicas = &self.workloads[index];
            let settled = replicas.ready == replicas.desired;
            if !settled || !self.rests_on_triggers(&policy.workloads[index], index) {
                return 0;
            }
        }
        let Some([least, most]) = self.calm_loads(policy) else { return 0 };
        let stays = |load: &f64| *load >= least && *load <= most;
        loads.iter().position(|load| !stays(load)).unwrap_or(loads.len())
    }

    /// Loads between which a tick is calm.
    fn calm_loads(&self, policy: &Policy) -> Option<[f64; 2]> {
        let scaled = if self.awake { &policy.scaled } else { &policy.scaled_asleep };
        let (mut least, mut most) = (0.0_f64, f64::INFINITY);
        for &index in &policy.serving {
            let workload = &policy.workloads[index];
            let Some(serving) = &workload.serving else { continue };
            let replicas = &self.workloads[index];
            if replicas.overloaded || replicas.backlog > 0.0 {
                return None;
            }
            let load = |usage: f64| {
                let per_session = serving.cpu_ms * serving.rps_per_session;
                let above = usage - replicas.idle_usage;
                if per_session > 0.0 { above / per_session } else { above.signum() * f64::INFINITY }
            };
            if replicas.ready == 0 {
                most = most.min(0.0);
            } else if serving.rps_per_session > 0.0 {
                let full = replicas.capacity / serving.rps_per_session;
                most = most.min(full * (1.0 - CLEAR));
            }
            most = most.min(load(replicas.requested) * (1.0 - CLEAR));
            let by_load = workload.hpa.as_ref().is_some_and(|rules| !rules.metrics.is_empty());
            if by_load && scaled.contains(&index) {
                let [low, above] = self.calm_usage(policy, index)?;
                most = most.min(load(above) * (1.0 - CLEAR));
                least = if low > 0.0 { least.max(load(low) * (1.0 + CLEAR)) } else { least };
            }
        }
        // Not a number: a bound of nothing on nothing.
        (least <= most).then_some([least, most])
    }

    /// CPU (millicores) between which a deployment's autoscaler rests, if it does on what it has seen.
    fn calm_usage(&self, policy: &Policy, index: usize) -> Option<[f64; 2]> {
        let (workload, replicas) = (&policy.workloads[index], &self.workloads[index]);
        let rules = workload.hpa.as_ref()?;
        let shares = rules.band?.shares();
        let (low, above) = (shares.low * replicas.requested, shares.above * replicas.requested);
        let ready = replicas.ready;
        let called = self.called_for(workload, (index, rules), ready);
        let called = called.map_or(Ordering::Less, |called| called.cmp(&ready));
        if called == Ordering::Greater {
            return None;
        }
        let age = policy.latencies.sample_ticks;
        let sample = |back: usize| &replicas.samples[self.sample_slot(back)];
        let settled = ready > 0
            && ready == replicas.desired
            && (1..=age + policy.latencies.sample_window_ticks).all(|b| sample(b).ready == ready);
        if !settled {
            return None;
        }
        let rests_below = called == Ordering::Less
            && rules.behavior.is_none()
            && replicas.desired == rules.min_replicas
            && replicas.hpa.rests_at(rules.min_replicas);
        let bounds = match (replicas.hpa.rests_on(ready), rests_below) {
            // Triggers hold what there is, however low the load.
            (true, _) if called == Ordering::Equal => [0.0, above],
            (true, true) => [0.0, above],
            (true, false) => [low, above],
            (false, true) => [0.0, low],
            (false, false) => return None,
        };
        let calm = |usage: f64| usage >= bounds[0] && usage < bounds[1];
        (1..=age).all(|back| calm(sample(back).usage)).then_some(bounds)
    }

    /// Passes calm ticks.
    fn pass(&mut self, policy: &Policy, loads: &[f64]) {
        let tick = policy.tick_seconds;
        let scaled = if self.awake { &policy.scaled } else { &policy.scaled_asleep };
        for &index in scaled {
            self.rest_on_earlier(policy, &policy.workloads[index], index, loads.len());
        }
        let mut rest = loads;
        while !rest.is_empty() {
            self.begin_hour();
            let left = (self.next_hour - self.now).div_ceil(tick) as usize;
            let (chunk, after) = rest.split_at(rest.len().min(left.max(1)).min(CHUNK));
            let mut used = [0.0; CHUNK];
            for &index in &policy.serving {
                if let Some(serving) = &policy.workloads[index].serving {
                    let own = (index, serving);
                    match (self.costs_only, serving.node_bound.is_some()) {
                        (true, false) => {
                            self.pass_workload::<true, false>(own, policy, chunk, &mut used);
                        }
                        (false, false) => {
                            self.pass_workload::<false, false>(own, policy, chunk, &mut used);
                        }
                        (true, true) => {
                            self.pass_workload::<true, true>(own, policy, chunk, &mut used);
                        }
                        (false, true) => {
                            self.pass_workload::<false, true>(own, policy, chunk, &mut used);
                        }
                    }
                }
            }
            self.pass_hour(chunk, f64::from(tick) / 60.0, &used);
            self.now += tick * chunk.len() as Second;
            self.ticks += chunk.len();
            rest = after;
        }
        for &index in scaled {
            self.rest(policy, &policy.workloads[index], index, loads);
        }
    }

    fn pass_workload<const COSTS_ONLY: bool, const ON_NODES: bool>(
        &mut self,
        (index, serving): (usize, &Serving),
        policy: &Policy,
        loads: &[f64],
        used: &mut [f64; CHUNK],
    ) {
        let (first, seconds) = (self.ticks, f64::from(policy.tick_seconds));
        let own = if ON_NODES { self.workloads[index].own_response() } else { None };
        let response = own.as_deref().unwrap_or(&serving.response);
        let mut capacities = [f64::INFINITY; CHUNK];
        if ON_NODES {
            self.capacities_on_nodes(policy, (index, serving), loads, &mut capacities);
        }
        let (replicas, tally) = (&mut self.workloads[index], &mut self.tally.workloads[index]);
        let (capacity, per_capacity) = (replicas.capacity, replicas.per_capacity);
        let (idle, ready) = (replicas.idle_usage, replicas.ready);
        let load_of = |place: usize, rps: f64| {
            if rps <= 0.0 {
                0.0
            } else if ON_NODES {
                rps / capacities[place]
            } else {
                rps * per_capacity
            }
        };
        let (mut requests, mut weighted) = (tally.requests, tally.p95_weighted);
        let (mut peak_rps, mut peak_p95) = (tally.peak_rps, tally.p95_peak);
        let mut last = [0.0; 4];
        for ((place, sessions), used) in loads.iter().enumerate().zip(used.iter_mut()) {
            let rps = sessions * serving.rps_per_session;
            let usage = idle + rps.min(capacity) * serving.cpu_ms;
            let load = load_of(place, rps);
            let arrived = rps * seconds;
            let known = !COSTS_ONLY && arrived > 0.0;
            let p95 = if known { response.latency.at(load) } else { 0.0 };
            *used += usage;
            requests += arrived;
            if !COSTS_ONLY {
                weighted += arrived * p95;
                peak_p95 = if p95 > peak_p95 { p95 } else { peak_p95 };
            }
            peak_rps = if rps > peak_rps { rps } else { peak_rps };
            let sample = &mut replicas.samples[(first + place) & (SAMPLES - 1)];
            *sample = Sample { usage, ready, rps, in_service: 0.0 };
            last = [rps, usage, load, p95];
        }
        if response.late_load.is_finite() {
            let late = |(place, sessions): &(usize, &f64)| {
                load_of(*place, **sessions * serving.rps_per_session) > response.late_load
            };
            let count = loads.iter().enumerate().filter(late).count();
            tally.late_minutes += count as f64 * (seconds * MINUTE);
        }
        if response.in_system.is_some() {
            let from = loads.len().saturating_sub(SAMPLES);
            for (place, sessions) in loads.iter().enumerate().skip(from) {
                let rps = sessions * serving.rps_per_session;
                (replicas.asked, replicas.load) = (rps, load_of(place, rps));
                let in_service = replicas.in_service(serving, response);
                replicas.samples[(first + place) & (SAMPLES - 1)].in_service = in_service;
            }
        }
        (tally.requests, tally.p95_weighted) = (requests, weighted);
        (tally.peak_rps, tally.p95_peak) = (peak_rps, peak_p95);
        [replicas.rps, replicas.usage, replicas.load, replicas.p95_ms] = last;
        replicas.asked = replicas.rps;
    }

    /// What its pods serve at most in each of these ticks [1/s], as far as anything goes by it.
    fn capacities_on_nodes(
        &self,
        policy: &Policy,
        (index, serving): (usize, &Serving),
        loads: &[f64],
        capacities: &mut [f64; CHUNK],
    ) {
        let replicas = &self.workloads[index];
        let Some(on_nodes) = &replicas.on_nodes else { return };
        let response = &on_nodes.response;
        let used =
            !self.costs_only || response.late_load.is_finite() || response.in_system.is_some();
        let from = if used { 0 } else { loads.len().saturating_sub(1) };
        for (sessions, capacity) in loads.iter().zip(capacities).skip(from) {
            let usage = |other: usize| {
                let replicas = &self.workloads[other];
                policy.workloads[other].serving.as_ref().map_or(0.0, |serving| {
                    let rps = sessions * serving.rps_per_session;
                    replicas.idle_usage + rps.min(replicas.capacity) * serving.cpu_ms
                })
            };
            *capacity = replicas.capacity_on_nodes(serving, on_nodes, usage);
        }
    }

    fn pass_hour(&mut self, loads: &[f64], minutes: f64, used: &[f64; CHUNK]) {
        let Some(hour) = self.tally.hours.last_mut() else { return };
        let (mut sessions, mut cpu) = (hour.sessions, hour.cpu_minutes);
        // Whole minutes and quarters of them: sums are exact in any order.
        let awake = if self.awake { minutes * loads.len() as f64 } else { 0.0 };
        for (load, used) in loads.iter().zip(used) {
            sessions += load * minutes;
            cpu += (self.standing_cpu + used) * (1e-3 * minutes);
        }
        (hour.sessions, hour.cpu_minutes) = (sessions, cpu);
        hour.awake_minutes += awake;
        self.tally.awake_minutes += awake;
    }

    /// The usage from which an autoscaler that rests is inside its band, in millicores.
    fn low_of_band(&self, workload: &Deployment, index: usize) -> Option<f64> {
        let replicas = &self.workloads[index];
        let rules = workload.hpa.as_ref()?;
        let called = self.called_for(workload, (index, rules), replicas.ready);
        let low = if called.is_some_and(|called| called == replicas.ready) {
            0.0
        } else {
            rules.band?.shares().low * replicas.requested
        };
        replicas.hpa.rests_on(replicas.ready).then_some(low)
    }

    /// Tells an autoscaler when it last saw its band in the first ticks of a stretch, which see samples
    /// of before it: a long stretch leaves none of them.
    fn rest_on_earlier(
        &mut self,
        policy: &Policy,
        workload: &Deployment,
        index: usize,
        stretch: usize,
    ) {
        let Some(low) = self.low_of_band(workload, index) else { return };
        let age = policy.latencies.sample_ticks;
        let inside = |place: &usize| {
            self.workloads[index].samples[self.sample_slot(age - place)].usage >= low
        };
        if let Some(place) = (0..age.min(stretch)).rev().find(inside) {
            let at = self.now + policy.tick_seconds * place as Second;
            let replicas = &mut self.workloads[index];
            replicas.hpa.rest(at, replicas.ready);
        }
    }

    /// Tells an autoscaler when it last saw its band in a stretch that is over, as far as what it saw is
    /// of the stretch.
    fn rest(&mut self, policy: &Policy, workload: &Deployment, index: usize, loads: &[f64]) {
        let Some(low) = self.low_of_band(workload, index) else { return };
        let age = policy.latencies.sample_ticks;
        if low <= 0.0 && loads.len() > age {
            let replicas = &mut self.workloads[index];
            replicas.hpa.rest(self.now - policy.tick_seconds, replicas.ready);
            return;
        }
        let Some(serving) = &workload.serving else { return };
        let replicas = &self.workloads[index];
        let inside = |of: &usize| {
            let usage = if *of <= SAMPLES {
                replicas.samples[self.sample_slot(*of)].usage
            } else {
                let rps = loads[loads.len() - of] * serving.rps_per_session;
                replicas.idle_usage + rps.min(replicas.capacity) * serving.cpu_ms
            };
            usage >= low
        };
        if let Some(of) = (age + 1..=loads.len()).find(inside) {
            let at = self.now - policy.tick_seconds * (of - age) as Second;
            let replicas = &mut self.workloads[index];
            replicas.hpa.rest(at, replicas.ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{POOL, company};
    use super::*;
    use crate::measure::random::{Draws, Stream, stream};

    /// A day and a half of a load that goes up and down, with noise, a peak and an outage.
    fn loads(seed: u64, noise: f64, level: f64) -> Vec<f64> {
        let mut draws: Draws = stream(seed, 0, Stream::TrafficNoise, 0);
        let mut state = 0.0;
        let at = |minute: usize| {
            state = 0.9 * state + 0.43 * draws.normal();
            let wave = 1.0 + 0.8 * (minute as f64 / 720.0 * std::f64::consts::PI).sin();
            let peak = if (900..930).contains(&minute) { 6.0 } else { 1.0 };
            let out = if (1500..1520).contains(&minute) { 0.0 } else { 1.0 };
            level * wave * peak * out * (noise * state).exp()
        };
        (0..2160).map(at).collect()
    }

    /// The company with a job of every quarter of an hour, one of the night, workers by the clock, and more
    /// replicas of the API in the morning.
    fn calendar() -> crate::cluster::autoscale::policy::Policy {
        let mut company = crate::cluster::autoscale::tests::Company::new(POOL);
        let requests = "requests = { cpu_millicores = 700, memory_mib = 64 }\n";
        for (name, text) in [
            (
                "often",
                "kind = \"cron-job\"\nidle_cpu_millicores = 300\nstartup_seconds = 20\n\
                 job = { schedule = \"*/15 * * * *\", duration_seconds = 100, duration_p95_seconds = 900 }",
            ),
            (
                "night",
                "kind = \"cron-job\"\njob = { schedule = \"30 2 * * *\", parallelism = 3, completions = 9, duration_seconds = 1700 }",
            ),
            (
                "worker",
                "hpa = { min_replicas = 0, max_replicas = 9, schedules = [{ start = \"0 4 * * *\", end = \"0 7 * * *\", replicas = 6 }] }",
            ),
        ] {
            let workload = toml::from_str(&format!("{requests}{text}")).unwrap();
            company.workloads.insert(name.to_owned(), workload);
        }
        let hpa = company.workloads["api"].hpa.as_mut().unwrap();
        let morning = "start = \"0 5 * * *\"\nend = \"30 9 * * *\"\nreplicas = 20";
        hpa.schedules = vec![toml::from_str(morning).unwrap()];
        company.policy().unwrap()
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn a_stretch_is_the_same_as_its_ticks(
            seed in 0_u64..1000, noise in 0.0_f64..0.3, level in 0.0_f64..4000.0, cut in 1_usize..400,
        ) {
            let mut policy = if seed % 2 == 0 { company() } else { calendar() };
            policy.count_late(None, 1.5);
            let loads = loads(seed, noise, level);
            let luck = stream(seed, 0, Stream::Cluster, 0);
            let mut whole = Cluster::new(&policy, loads[0], true, luck.clone());
            let mut ticks = Cluster::new(&policy, loads[0], true, luck);
            for part in loads.chunks(cut) {
                whole.run(&policy, part, true);
                for load in part {
                    ticks.step(&policy, *load, true);
                }
                proptest::prop_assert_eq!(&whole, &ticks);
            }
            proptest::prop_assert_eq!(whole.take_tally(&policy), ticks.take_tally(&policy));
        }
    }
}
