//! A growth curve fitted to past user figures by least squares on the logarithm.
//!
//! # Formula
//! ```text
//! minimise Σ (ln y_i − ln u(t_i; θ))²     θ = logarithms of the curve's positive parameters
//! AICc = n ln(RSS/n) + 2k + 2k(k+1)/(n−k−1)       k = parameters + 1 (the variance)
//! ```
//! The logarithm is the right scale because a user base errs by a percentage, not by a number:
//! on the plain scale the last, largest figures would decide everything. `auto` takes the curve
//! with the least `AICc`, so a curve with a capacity has to earn its extra parameter.
//!
//! # Source
//! Levenberg-Marquardt of MINPACK (crate `levenberg-marquardt`); Hurvich and Tsai, "Regression and
//! time series model selection in small samples", Biometrika 76 (1989), for `AICc`.
//!
//! # Limits
//! A history that has not begun to level off says little about its capacity; the fit reports
//! `AICc` of every curve so that a near tie is seen.

use levenberg_marquardt::{LeastSquaresProblem, LevenbergMarquardt};
use nalgebra::{DMatrix, DVector, Dyn, Owned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Law, capacity, compound, linear};
use crate::measure::{calendar::Month, series::Series};

/// Days in the average month of the Gregorian calendar, to place dates on the month axis.
const DAYS_PER_MONTH: f64 = 30.436_875;

/// Which curve to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The curve with the least `AICc`.
    #[default]
    Auto,
    /// Linear.
    Linear,
    /// Compound.
    Compound,
    /// Logistic.
    Logistic,
    /// Gompertz.
    Gompertz,
}

/// A fitted curve and how well it fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The curve, from the first figure of the history.
    pub law: Law,
    /// Where the history starts on the plan's month axis; negative before the plan.
    pub starts: f64,
    /// Figures in the history.
    pub points: usize,
    /// Share of the variance of ln(users) explained.
    pub r_squared: f64,
    /// Mean absolute error \[percent\].
    pub mape_percent: f64,
    /// The last figure against the curve there \[percent\]; the plan starts from the curve.
    pub last_error_percent: f64,
    /// `AICc` of every curve tried; lower is better.
    pub aicc: Vec<(Choice, f64)>,
}

struct Problem<'a> {
    choice: Choice,
    theta: DVector<f64>,
    times: &'a [f64],
    logs: &'a [f64],
}

fn law_of(choice: Choice, theta: &[f64]) -> Law {
    let start = theta[0].exp();
    match choice {
        Choice::Linear => Law::Linear(linear::Law { start, per_month: theta[1] }),
        Choice::Auto | Choice::Compound => {
            Law::Compound(compound::Law { start, monthly_rate: theta[1].exp_m1() })
        }
        // The capacity lies above the start by a positive amount: no bound to run into.
        Choice::Logistic => Law::Logistic(capacity::Law {
            start,
            capacity: start + theta[2].exp(),
            rate: theta[1].exp(),
        }),
        Choice::Gompertz => Law::Gompertz(capacity::Law {
            start,
            capacity: start + theta[2].exp(),
            rate: theta[1].exp(),
        }),
    }
}

/// The parameters of a law, as [`law_of`] takes them; none for a law that is not fitted.
fn theta_of(law: &Law) -> Option<Vec<f64>> {
    let theta = match law {
        Law::Linear(law) => vec![law.start.ln(), law.per_month],
        Law::Compound(law) => vec![law.start.ln(), law.monthly_rate.ln_1p()],
        Law::Logistic(law) | Law::Gompertz(law) => {
            vec![law.start.ln(), law.rate.ln(), (law.capacity - law.start).ln()]
        }
        Law::Bass(_) | Law::Steps(_) => return None,
    };
    theta.iter().all(|value| value.is_finite()).then_some(theta)
}

/// ln(users) of a law; a law that falls to nothing stays countable.
pub(super) fn log_of(law: &Law, t: f64) -> f64 {
    law.at(t).max(1e-9).ln()
}

/// The same curve fitted to other figures, from where it was.
pub(super) fn refit(choice: Choice, law: &Law, times: &[f64], logs: &[f64]) -> Option<Law> {
    let theta = DVector::from_vec(theta_of(law)?);
    let problem = Problem { choice, theta, times, logs };
    let (solved, report) = LevenbergMarquardt::new().minimize(problem);
    report.objective_function.is_finite().then(|| law_of(choice, solved.theta.as_slice()))
}

/// Months since the first figure, and ln(users), of a history.
pub(super) fn axes(series: &Series, scale: f64) -> (Vec<f64>, Vec<f64>) {
    let origin = series.moments[0];
    let times = series.moments.iter().map(|moment| months_between(origin, *moment));
    (times.collect(), series.values.iter().map(|v| (v * scale).ln()).collect())
}

fn months_between(origin: jiff::civil::DateTime, moment: jiff::civil::DateTime) -> f64 {
    moment.duration_since(origin).as_secs_f64() / 86_400.0 / DAYS_PER_MONTH
}

fn residuals(choice: Choice, theta: &[f64], times: &[f64], logs: &[f64]) -> DVector<f64> {
    let law = law_of(choice, theta);
    let errors = times.iter().zip(logs).map(|(t, log)| log_of(&law, *t) - log);
    DVector::from_iterator(times.len(), errors)
}

impl LeastSquaresProblem<f64, Dyn, Dyn> for Problem<'_> {
    type ParameterStorage = Owned<f64, Dyn>;
    type ResidualStorage = Owned<f64, Dyn>;
    type JacobianStorage = Owned<f64, Dyn, Dyn>;

    fn set_params(&mut self, theta: &DVector<f64>) {
        self.theta.copy_from(theta);
    }

    fn params(&self) -> DVector<f64> {
        self.theta.clone()
    }

    fn residuals(&self) -> Option<DVector<f64>> {
        Some(residuals(self.choice, self.theta.as_slice(), self.times, self.logs))
    }

    fn jacobian(&self) -> Option<DMatrix<f64>> {
        let mut jacobian = DMatrix::zeros(self.times.len(), self.theta.len());
        for column in 0..self.theta.len() {
            let step = 1e-6 * self.theta[column].abs().max(1.0);
            let moved = |by: f64| {
                let mut theta = self.theta.clone();
                theta[column] += by;
                residuals(self.choice, theta.as_slice(), self.times, self.logs)
            };
            jacobian.set_column(column, &((moved(step) - moved(-step)) / (2.0 * step)));
        }
        Some(jacobian)
    }
}

/// Starting points: a compound curve through the ends, and capacities from near to far.
fn guesses(choice: Choice, times: &[f64], logs: &[f64]) -> Vec<Vec<f64>> {
    let (first, last) = (logs[0], logs[logs.len() - 1]);
    let span = times[times.len() - 1].max(1.0);
    let rate = (last - first) / span;
    let top = logs.iter().copied().fold(f64::MIN, f64::max).exp();
    match choice {
        Choice::Linear => vec![vec![first, (last.exp() - first.exp()) / span]],
        Choice::Auto | Choice::Compound => vec![vec![first, rate]],
        Choice::Logistic | Choice::Gompertz => [1.05_f64, 1.5, 4.0]
            .iter()
            .map(|room| {
                let capacity = (top * room - first.exp()).max(top * 0.01);
                vec![first, rate.abs().max(1e-3).ln(), capacity.ln()]
            })
            .collect(),
    }
}

fn solve(choice: Choice, times: &[f64], logs: &[f64]) -> Option<(Law, f64)> {
    let best = guesses(choice, times, logs).into_iter().filter_map(|guess| {
        let problem = Problem { choice, theta: DVector::from_vec(guess), times, logs };
        let (solved, report) = LevenbergMarquardt::new().minimize(problem);
        let rss = 2.0 * report.objective_function;
        rss.is_finite().then(|| (law_of(choice, solved.theta.as_slice()), rss))
    });
    best.min_by(|a, b| a.1.total_cmp(&b.1))
}

fn parameters(choice: Choice) -> f64 {
    match choice {
        Choice::Auto | Choice::Linear | Choice::Compound => 2.0,
        Choice::Logistic | Choice::Gompertz => 3.0,
    }
}

fn aicc(choice: Choice, rss: f64, n: f64) -> f64 {
    let k = parameters(choice) + 1.0;
    n * (rss / n).max(1e-300).ln() + 2.0 * k + 2.0 * k * (k + 1.0) / (n - k - 1.0)
}

/// Fits `choice` to a history, with users in units of `scale`.
///
/// # Errors
/// Fewer than six figures, or a figure of zero, which has no logarithm.
pub fn fit(series: &Series, choice: Choice, scale: f64, plan_start: Month) -> Result<Fit, String> {
    const LEAST: usize = 6;
    let points = series.values.len();
    if points < LEAST {
        return Err(format!("history: {points} figures; a fit needs {LEAST} or more"));
    }
    if let Some(index) = series.values.iter().position(|v| *v <= 0.0) {
        let when = series.moments[index].date();
        return Err(format!("history: the figure of {when} is 0; remove it to fit the others"));
    }
    let (times, logs) = axes(series, scale);
    let all = [Choice::Linear, Choice::Compound, Choice::Logistic, Choice::Gompertz];
    let tried: Vec<Choice> = if choice == Choice::Auto { all.to_vec() } else { vec![choice] };
    let n = points as f64;
    let mut fits: Vec<(Choice, Law, f64, f64)> = tried
        .into_iter()
        .filter_map(|c| solve(c, &times, &logs).map(|(law, rss)| (c, law, rss, aicc(c, rss, n))))
        .collect();
    fits.sort_by(|a, b| a.3.total_cmp(&b.3));
    let (_, law, rss, _) = fits.first().cloned().ok_or("history: no curve could be fitted")?;
    let mean = logs.iter().sum::<f64>() / n;
    let tss: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
    let error = |i: usize| (law.at(times[i]) / logs[i].exp() - 1.0) * 100.0;
    Ok(Fit {
        starts: -months_between(series.moments[0], plan_start.first_day().into()),
        points,
        r_squared: if tss > 0.0 { 1.0 - rss / tss } else { 1.0 },
        mape_percent: (0..points).map(|i| error(i).abs()).sum::<f64>() / n,
        last_error_percent: error(points - 1),
        aicc: fits.iter().map(|(choice, _, _, aicc)| (*choice, *aicc)).collect(),
        law,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::measure::series::Gaps;

    fn history(users: impl Fn(f64) -> f64) -> Series {
        let mut text = String::new();
        for m in 0..36_u32 {
            let month = "2024-01".parse::<Month>().unwrap().plus(m);
            let days = month.first_day().since("2024-01-01".parse::<jiff::civil::Date>().unwrap());
            let t = f64::from(days.unwrap().get_days()) / DAYS_PER_MONTH;
            writeln!(text, "{month},{}", users(t)).unwrap();
        }
        Series::parse("h.csv", &text, Gaps::Refuse).unwrap()
    }

    #[test]
    fn a_compound_history_is_recovered() {
        let series = history(|t| 500.0 * 1.08_f64.powf(t));
        let fit = fit(&series, Choice::Auto, 1.0, "2027-01".parse().unwrap()).unwrap();
        assert!(fit.r_squared > 0.999_999, "{fit:?}");
        let at_plan_start = fit.law.at(-fit.starts);
        let days = 1096.0 / DAYS_PER_MONTH; // 2024 is a leap year: 366 + 365 + 365
        assert!((at_plan_start / (500.0 * 1.08_f64.powf(days)) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_levelling_history_finds_its_capacity() {
        let truth = capacity::Law { start: 1000.0, capacity: 50_000.0, rate: 0.3 };
        let series = history(|t| super::super::logistic::at(&truth, t));
        let fit = fit(&series, Choice::Auto, 1.0, "2027-01".parse().unwrap()).unwrap();
        let Law::Logistic(law) = &fit.law else { panic!("{fit:?}") };
        assert!((law.capacity / 50_000.0 - 1.0).abs() < 1e-3, "{law:?}");
        assert!((law.rate - 0.3).abs() < 1e-3, "{law:?}");
    }

    #[test]
    fn a_short_or_empty_history_is_refused() {
        let start = "2027-01".parse().unwrap();
        let short = Series::parse("h.csv", "2026-01,1\n2026-02,2\n", Gaps::Refuse).unwrap();
        assert!(fit(&short, Choice::Auto, 1.0, start).unwrap_err().contains("6 or more"));
        let zero = history(|t| if t < 1.0 { 0.0 } else { t });
        assert!(fit(&zero, Choice::Auto, 1.0, start).unwrap_err().contains("2024-01-01 is 0"));
    }
}
