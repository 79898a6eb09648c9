//! Trials of a plan, gathered: quantiles, sensitivity, the chance of exceeding a budget.
//!
//! # Formula
//! ```text
//! quantile p of x_1 ≤ … ≤ x_n   at h = (n − 1) p + 1, along the line between its neighbours  (type 7)
//! its standard error            (x_⌈np + d⌉ − x_⌊np − d⌋) / 2,   d = √(n p (1 − p))
//! of the mean                   s / √n
//! ```
//! A quantile of a total is taken of the trials' totals, never from the sum of quantiles.
//!
//! # Source
//! Hyndman and Fan, "Sample quantiles in statistical packages", American Statistician 50 (1996), type 7;
//! the error is the binomial interval of one standard deviation around the rank (David and Nagaraja,
//! "Order statistics", 3rd ed., 7.1).
//! # Limits
//! Trials vary what the scenario calls uncertain and what is random by nature. What nobody wrote a range
//! for is taken to be known.

use std::collections::BTreeMap;

use rayon::prelude::*;

use self::influence::Explained;
use crate::{
    error::Error,
    intent::budget::{Budget, Scope},
    measure::{calendar::Month, units::Usd},
    plan::{
        Plan,
        simulate::{Prepared, Sample},
        spread::{AccountSpread, Costs, MonthSpread, Quantiles, Spread},
    },
};

mod budgets;
mod influence;
#[cfg(feature = "polars")]
pub mod part;
mod units;

/// Trials between two looks at whether the figures are stable; part of what makes the result.
const BATCH: u32 = 50;

/// How trials are watched: a callback for each finished trial, and one that may stop the run.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "two borrowed functions")]
pub struct Watch<'a> {
    /// Called after each trial.
    pub done: &'a (dyn Fn() + Sync),
    /// Whether to begin no further trial.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// Runs trials on all cores; the result does not depend on how many there are. Trials that were not begun
/// when the watch said stop are missing.
///
/// # Errors
/// That of the first trial, by number, that fails.
pub fn run(
    prepared: &Prepared<'_>,
    trials: &[u32],
    watch: Watch<'_>,
) -> Result<Vec<Sample>, Error> {
    let one = |trial: &u32| {
        if (watch.stop)() {
            return None;
        }
        let sample = prepared.sample(*trial);
        (watch.done)();
        Some(sample)
    };
    let all: Vec<Option<Result<Sample, Error>>> = trials.par_iter().map(one).collect();
    all.into_iter().flatten().collect()
}

/// Runs trials until the standard errors of the plan's quantiles and mean are below a share of them, or
/// `most` trials are done.
///
/// # Errors
/// As [`run`].
pub fn run_until_stable(
    prepared: &Prepared<'_>,
    most: u32,
    share: f64,
    watch: Watch<'_>,
) -> Result<Vec<Sample>, Error> {
    let mut samples: Vec<Sample> = Vec::new();
    while (samples.len() as u32) < most {
        let done = samples.len() as u32;
        let batch: Vec<u32> = (done + 1..=(done + BATCH).min(most)).collect();
        let new = run(prepared, &batch, watch)?;
        let stopped = new.len() < batch.len();
        samples.extend(new);
        if stopped || relative_error(&totals(&samples)) <= share {
            break;
        }
    }
    Ok(samples)
}

/// The greatest standard error of a figure of the total, as a share of it.
pub fn relative_error(totals: &[f64]) -> f64 {
    if totals.len() < 2 {
        return f64::INFINITY;
    }
    let Figures { quantiles, errors } = figures(totals, 0.0);
    let share = |(value, error): (f64, f64)| if error > 0.0 { error / value.abs() } else { 0.0 };
    let Quantiles { p10, p50, p90, mean, .. } = quantiles;
    [p10, p50, p90, mean].into_iter().zip(errors).map(share).fold(0.0, f64::max)
}

/// Cost of each trial, in USD.
pub fn totals(samples: &[Sample]) -> Vec<f64> {
    let total = |sample: &Sample| sample.costs.iter().map(|cost| cost.cost).sum::<Usd>().to_f64();
    samples.iter().map(total).collect()
}

/// A quantile of values in rising order.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = last as f64 * p;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// P10, P50 and P90 of the cost of each month, and of the whole plan, in USD.
pub fn bands(samples: &[Sample], months: usize) -> (Vec<[f64; 3]>, [f64; 3]) {
    let quantiles = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        [0.1, 0.5, 0.9].map(|p| quantile(&values, p))
    };
    let month = |sample: &Sample, month: usize| {
        let costs = sample.costs.iter().filter(|cost| cost.month as usize == month);
        costs.map(|cost| cost.cost).sum::<Usd>().to_f64()
    };
    let months = (0..months).map(|at| quantiles(samples.iter().map(|s| month(s, at)).collect()));
    (months.collect(), quantiles(totals(samples)))
}

/// Half the distance between the values a standard deviation of the rank away.
fn quantile_error(sorted: &[f64], p: f64) -> f64 {
    let n = sorted.len() as f64;
    let away = (n * p * (1.0 - p)).sqrt();
    let at = |rank: f64| sorted[(rank.clamp(1.0, n) as usize) - 1];
    (at((n * p + away).ceil()) - at((n * p - away).floor())) / 2.0
}

/// What trials say of a figure.
struct Figures {
    quantiles: Quantiles<f64>,
    /// Standard errors of p10, p50, p90 and the mean.
    errors: [f64; 4],
}

/// Computes the quantiles of values in any order.
fn figures(values: &[f64], mid: f64) -> Figures {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let variance = sorted.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|p| quantile(&sorted, p));
    let errors = [0.1, 0.5, 0.9].map(|p| quantile_error(&sorted, p));
    let errors = [errors[0], errors[1], errors[2], (variance / n).sqrt()];
    Figures { quantiles: Quantiles { p10, p50, p90, mean, mid }, errors }
}

/// Money to a hundredth of a cent: what lies below is noise of the trials.
fn usd(value: f64) -> Usd {
    const HUNDREDTHS_OF_A_CENT: u32 = 4;
    let value = rust_decimal::Decimal::try_from(value).unwrap_or_default();
    Usd::from_decimal(value.round_dp(HUNDREDTHS_OF_A_CENT))
}

fn money(quantiles: Quantiles<f64>, mid: Usd) -> Quantiles<Usd> {
    let Quantiles { p10, p50, p90, mean, .. } = quantiles;
    Quantiles { p10: usd(p10), p50: usd(p50), p90: usd(p90), mean: usd(mean), mid }
}

fn costs(values: &[f64], mid: Usd) -> Costs {
    let Figures { quantiles, errors } = figures(values, 0.0);
    Costs { of: money(quantiles, mid), standard_errors: errors.map(usd) }
}

/// Sums of a trial by month and account, in floats made from exact sums.
struct Table {
    /// `[trial][month]` of all accounts.
    months: Vec<Vec<f64>>,
    /// `[trial][account][month]`.
    accounts: Vec<Vec<Vec<f64>>>,
}

impl Table {
    fn new(samples: &[Sample], months: usize, accounts: usize) -> Self {
        let mut table = Self { months: Vec::new(), accounts: Vec::new() };
        for sample in samples {
            let mut sums = vec![vec![Usd::ZERO; months]; accounts];
            for cost in &sample.costs {
                sums[cost.account as usize][cost.month as usize] += cost.cost;
            }
            let month = |m: usize| sums.iter().map(|own| own[m]).sum::<Usd>().to_f64();
            table.months.push((0..months).map(month).collect());
            let floats = |own: &Vec<Usd>| own.iter().map(|cost| cost.to_f64()).collect();
            table.accounts.push(sums.iter().map(floats).collect());
        }
        table
    }

    /// One value of each trial.
    fn column(&self, of: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..self.months.len()).map(of).collect()
    }
}

/// Trials and the mid case, gathered.
struct Gathered<'a> {
    plan: &'a Plan,
    samples: &'a [Sample],
    settings: &'a Settings,
    table: Table,
    months: Vec<Month>,
    totals: Vec<f64>,
}

/// How many trials were requested, and a note on them.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Trials.
    pub trials: u32,
    /// What a reader must know of them.
    pub note: Option<String>,
}

/// Gathers trials in the order of their numbers; `None` for fewer than two.
pub fn spread(
    plan: &Plan,
    samples: &[Sample],
    asked: Asked,
    settings: &Settings,
) -> Option<Spread> {
    if samples.len() < 2 {
        return None;
    }
    let months: Vec<Month> = plan.months.iter().map(|month| month.month).collect();
    let table = Table::new(samples, months.len(), plan.accounts.len());
    let totals = totals(samples);
    let gathered = Gathered { plan, samples, settings, table, months, totals };
    let Explained { influences, unexplained } = influence::explain(&gathered);
    Some(Spread {
        requested: asked.trials,
        trials: samples.len() as u32,
        note: note(asked.note, samples),
        total: costs(&gathered.totals, plan.cost),
        months: (0..gathered.months.len()).map(|index| gathered.month(index)).collect(),
        influences,
        unexplained,
        budgets: settings
            .budgets
            .iter()
            .zip(settings.scopes.iter().chain(std::iter::repeat(&Scope::default())))
            .map(|(budget, scope)| budgets::outlook(budget, scope, &gathered))
            .collect(),
        units: units::all(&gathered),
    })
}

/// What a reader must know of the trials, with the meters that used more than the book has steps for.
fn note(asked: Option<String>, samples: &[Sample]) -> Option<String> {
    let mut trials: BTreeMap<&str, usize> = BTreeMap::new();
    for meter in samples.iter().flat_map(|sample| &sample.beyond) {
        *trials.entry(meter).or_default() += 1;
    }
    let beyond = trials.into_iter().map(|(meter, count)| {
        format!(
            "{count} of {} trials use {meter}, beyond the steps of the price book; the excess is charged at the last known step. Run `runrate prices refresh` to read all steps",
            samples.len()
        )
    });
    let notes: Vec<String> = asked.into_iter().chain(beyond).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// What of a scenario the gathering needs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// Names of what a trial draws.
    pub drawn: Vec<String>,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// What each of them counts.
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// Revenue of each month in the mid case, in USD; none without.
    pub revenue: Option<Vec<f64>>,
    /// Cost of one more user in each month, in the mid case, without a step of the database's size, in USD.
    pub marginal_per_user: Vec<Option<f64>>,
    /// Requests of each month in the mid case.
    pub requests: Vec<f64>,
}

impl Settings {
    /// Returns the settings of a scenario whose mid case is `plan`.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn new(prepared: &Prepared<'_>, plan: &Plan) -> Result<Self, Error> {
        let scenario = prepared.scenario();
        let marginal = units::marginal(prepared, plan)?;
        let revenue = scenario.revenue.map(|revenue| {
            plan.months.iter().map(|month| month.users * revenue.per_user_month).collect()
        });
        let per_session: f64 =
            scenario.traffic.classes.values().map(|class| class.per_session).sum();
        Ok(Self {
            drawn: prepared.drawn(),
            budgets: scenario.budgets.clone(),
            scopes: prepared.scopes().to_vec(),
            revenue,
            marginal_per_user: marginal,
            requests: plan.months.iter().map(|m| m.traffic.sessions * per_session).collect(),
        })
    }
}

impl Gathered<'_> {
    fn month(&self, index: usize) -> MonthSpread {
        let plan = &self.plan.months[index];
        let users: Vec<f64> = self.samples.iter().map(|sample| sample.users[index]).collect();
        let accounts = plan.accounts.iter().enumerate().map(|(place, own)| AccountSpread {
            account: own.account.clone(),
            cost: costs(&self.table.column(|t| self.table.accounts[t][place][index]), own.cost),
            services: self.services(index, place),
        });
        MonthSpread {
            month: plan.month,
            users: figures(&users, plan.users).quantiles,
            cost: costs(&self.table.column(|t| self.table.months[t][index]), plan.cost),
            accounts: accounts.collect(),
        }
    }

    /// Quantiles of each service; a trial without it has it at nothing.
    fn services(&self, month: usize, account: usize) -> BTreeMap<String, Quantiles<Usd>> {
        let own = &self.plan.months[month].accounts[account].services;
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (trial, sample) in self.samples.iter().enumerate() {
            let costs = sample.costs.iter();
            for cost in costs.filter(|c| (c.month as usize, c.account as usize) == (month, account))
            {
                let all = values.entry(cost.service.as_ref()).or_default();
                all.resize(trial, 0.0);
                all.push(cost.cost.to_f64());
            }
        }
        for service in own.keys() {
            values.entry(service.as_str()).or_default();
        }
        let quantiles = |(service, mut values): (&str, Vec<f64>)| {
            values.resize(self.samples.len(), 0.0);
            let mid = own.get(service).copied().unwrap_or(Usd::ZERO);
            (service.to_owned(), money(figures(&values, 0.0).quantiles, mid))
        };
        values.into_iter().map(quantiles).collect()
    }
}

#[cfg(test)]
mod tests;
