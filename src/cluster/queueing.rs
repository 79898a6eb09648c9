//! Waiting for a server: how long requests take when they share a fixed number of workers.
//!
//! # Formula
//! ```text
//! a = λ S  [erlang],  ρ = a / c
//! Erlang B    B(0) = 1,  B(k) = a B(k−1) / (k + a B(k−1))
//! Erlang C    C = B(c) / (1 − ρ (1 − B(c)))                      P(wait > 0), ρ < 1
//! mean wait   C / (c/S − λ)
//! P(T > t)  = e^(−t/S) [1 + C (1 − e^(−d t/S)) / d],  d = c − 1 − a;  at d = 0: e^(−t/S) (1 + C t/S)
//! ```
//! λ arrivals [1/s], S time of one request on a worker (s), c workers.
//!
//! # Source
//! A. K. Erlang (1917); the response tail is that of M/M/c in Gross and Harris, "Fundamentals of
//! Queueing Theory", 2.3. Check values are computed apart from this code.
//! # Limits
//! Poisson arrivals and exponential service. A balancer that spreads requests at random over pods of
//! `c` workers makes each pod such a queue of its own, exactly; round robin does a little better, and
//! least outstanding requests comes near to one pooled queue. Near saturation the steady state is
//! never reached within a tick: above [`STEADY`] the caller carries a backlog instead.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Utilization up to which the steady state is believed.
pub const STEADY: f64 = 0.95;

/// Share of requests lost when nothing may wait: `a` erlangs offered to `servers`.
pub fn erlang_b(a: f64, servers: u32) -> f64 {
    (1..=servers).fold(1.0, |b, k| a * b / (f64::from(k) + a * b))
}

/// Share of requests that wait; 1 at and above full load.
pub fn erlang_c(a: f64, servers: u32) -> f64 {
    let rho = a / f64::from(servers);
    if rho >= 1.0 {
        return 1.0;
    }
    let b = erlang_b(a, servers);
    b / (1.0 - rho * (1.0 - b))
}

/// Mean wait [in units of the service time]; infinite at and above full load.
pub fn mean_wait(a: f64, servers: u32) -> f64 {
    let spare = f64::from(servers) - a;
    if spare <= 0.0 { f64::INFINITY } else { erlang_c(a, servers) / spare }
}

/// Wait that a share `p` of requests stays below [in units of the service time].
pub fn wait_quantile(a: f64, servers: u32, p: f64) -> f64 {
    let spare = f64::from(servers) - a;
    if spare <= 0.0 {
        return f64::INFINITY;
    }
    ((erlang_c(a, servers) / (1.0 - p)).ln() / spare).max(0.0)
}

/// Share of requests that take longer than `t` service times.
pub fn response_tail(a: f64, servers: u32, t: f64) -> f64 {
    tail(erlang_c(a, servers), f64::from(servers) - 1.0 - a, t)
}

fn tail(c: f64, d: f64, t: f64) -> f64 {
    // The limit for d → 0 also serves where the division would lose all digits.
    let waited = if d.abs() < 1e-9 { t } else { -(-d * t).exp_m1() / d };
    (-t).exp() * (1.0 + c * waited)
}

/// Time that a share `p` of requests stays below [in units of the service time]; infinite at and
/// above full load.
pub fn response_quantile(a: f64, servers: u32, p: f64) -> f64 {
    let spare = f64::from(servers) - a;
    if spare <= 0.0 {
        return f64::INFINITY;
    }
    let (c, d) = (erlang_c(a, servers), spare - 1.0);
    let (mut low, mut high) = (0.0, 1.0);
    while tail(c, d, high) > 1.0 - p {
        high *= 2.0;
    }
    while high - low > 1e-12 * high {
        let middle = f64::midpoint(low, high);
        if tail(c, d, middle) > 1.0 - p {
            low = middle;
        } else {
            high = middle;
        }
        if middle <= low && middle >= high {
            break;
        }
    }
    f64::midpoint(low, high)
}

/// Erlangs offered to `servers` workers at equal steps of utilization, up to [`STEADY`].
fn loads(servers: u32) -> impl Iterator<Item = f64> {
    (0..=STEPS).map(move |step| STEADY * step as f64 / STEPS as f64 * f64::from(servers))
}

/// Response quantiles at equal steps of utilization, by servers and the bits of the share.
type Quantiles = BTreeMap<(u32, u64), Arc<[f64]>>;

/// Something of one pod over its utilization, ready to be looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// At equal steps of utilization from 0 to [`STEADY`], each with the rise to the next.
    points: Box<[[f64; 2]]>,
}

/// Steps of the look-up; between them the curve is straight, which is within 0.5 % of it.
const STEPS: usize = 128;

impl Curve {
    /// `of` the erlangs offered to pods of `servers` workers.
    fn new(servers: u32, of: impl Fn(f64) -> f64) -> Self {
        Self::through(&loads(servers).map(of).collect::<Vec<f64>>())
    }

    /// Through these values at equal steps.
    fn through(values: &[f64]) -> Self {
        let last = values.len() - 1;
        let point = |step: usize| [values[step], values[(step + 1).min(last)] - values[step]];
        Self { points: (0..values.len()).map(point).collect() }
    }

    /// The same at any utilization.
    pub fn flat(value: f64) -> Self {
        Self::through(&[value; STEPS + 1])
    }

    /// The response time that a share `p` of requests stays below (ms), in pods of `servers` workers
    /// that take `service_ms` per request.
    pub fn response(servers: u32, service_ms: f64, p: f64) -> Self {
        // The search takes a fifth of preparing a trial, and a trial's services differ by their time alone.
        static KNOWN: Mutex<Quantiles> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let quantiles = known
            .entry((servers, p.to_bits()))
            .or_insert_with(|| loads(servers).map(|a| response_quantile(a, servers, p)).collect());
        let quantiles = Arc::clone(quantiles);
        drop(known);
        Self::through(&quantiles.iter().map(|own| service_ms * own).collect::<Vec<f64>>())
    }

    /// Requests in a pod of `servers` workers on average, being served or waiting: by Little's law the
    /// arrivals times the time that each spends there.
    pub fn in_system(servers: u32) -> Self {
        Self::new(servers, |a| a * (1.0 + mean_wait(a, servers)))
    }

    /// The utilization up to which its value stays at or below `most`; none where it is above from the start,
    /// 1 where it is below up to [`STEADY`]. For values that rise.
    pub fn reaches(&self, most: f64) -> f64 {
        if self.points[0][0] > most {
            return 0.0;
        }
        let step = self.points.iter().rposition(|[value, _]| *value <= most).unwrap_or(0);
        if step + 1 >= self.points.len() {
            return 1.0;
        }
        let [from, rise] = self.points[step];
        (step as f64 + if rise > 0.0 { (most - from) / rise } else { 0.0 })
            * (STEADY / STEPS as f64)
    }

    /// Its value at a utilization; above [`STEADY`] that at it.
    pub fn at(&self, utilization: f64) -> f64 {
        let place = utilization.clamp(0.0, STEADY) * (STEPS as f64 / STEADY);
        // A signed number of this size converts in fewer instructions than a `usize`.
        let step = place as i32;
        let [from, rise] = self.points[step as usize];
        from + rise * (place - f64::from(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values, computed apart from this code: λ, S, c, C, p50, p95, p99.
    #[test]
    fn the_check_values_hold() {
        for (lambda, s, c, wait, quantiles) in [
            (100.0, 8.0, 1, 0.8, [27.73, 119.83, 184.21]),
            (20.0, 40.0, 2, 0.228_571, [34.36, 137.85, 206.26]),
            (900.0, 10.0, 10, 0.668_732, [13.29, 43.61, 62.50]),
            (900.0, 10.0, 12, 0.266_035, [7.94, 31.20, 47.30]),
            (900.0, 10.0, 15, 0.048_234, [7.03, 30.05, 46.15]),
        ] {
            let a = lambda * s / 1000.0;
            assert!((erlang_c(a, c) - wait).abs() < 1e-6);
            for (p, expected) in [0.5, 0.95, 0.99].into_iter().zip(quantiles) {
                assert!((s * response_quantile(a, c, p) - expected).abs() < 0.006);
            }
        }
    }

    #[test]
    fn the_table_is_near_the_formula() {
        let latency = Curve::response(4, 50.0, 0.95);
        for percent in 0..95 {
            let rho = f64::from(percent) / 100.0;
            let exact = 50.0 * response_quantile(4.0 * rho, 4, 0.95);
            assert!((latency.at(rho) / exact - 1.0).abs() < 0.005, "{rho}");
        }
        assert!(latency.at(2.0).is_finite());
    }

    /// One worker: ρ / (1 − ρ) on average. Two: 2ρ / (1 − ρ²). Gross and Harris, 2.2 and 2.3.
    #[test]
    fn requests_in_a_pod_are_those_served_and_those_that_wait() {
        for rho in [0.1, 0.5, 0.9] {
            let one = Curve::in_system(1).at(rho);
            assert!((one / (rho / (1.0 - rho)) - 1.0).abs() < 0.005, "{one}");
            let two = Curve::in_system(2).at(rho);
            assert!((two / (2.0 * rho / (1.0 - rho * rho)) - 1.0).abs() < 0.005, "{two}");
        }
    }

    #[test]
    fn the_load_that_reaches_a_time_is_where_the_curve_has_it() {
        let latency = Curve::response(4, 50.0, 0.95);
        for rho in [0.1, 0.5, 0.77, 0.94] {
            assert!((latency.reaches(latency.at(rho)) - rho).abs() < 1e-3, "{rho}");
        }
        assert_eq!(latency.reaches(1.0), 0.0);
        assert_eq!(latency.reaches(1e9), 1.0);
    }

    #[test]
    fn full_load_never_settles() {
        assert!(response_quantile(4.0, 4, 0.95).is_infinite());
        assert!((erlang_c(5.0, 4) - 1.0).abs() < 1e-12);
    }
}
