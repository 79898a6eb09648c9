//! Calibration: coefficients of a scenario refitted to bills.
//!
//! # Formula
//! ```text
//! for each coefficient, months m of training:      q(f) the plan's quantity of its meters at factor f
//! f_m = f + h (b_m / u_m − q_m(f)) / (q_m(1 + h) − q_m(1))             u_m real over planned traffic
//! f   = median of f_m, repeated from there until it stands still
//! s   = 1.4826 × median |f_m − f|        ± 1.2533 × 1.645 s / √n         outliers: |f_m − f| > 3 s
//! ```
//! A Newton step by month, and the median over months, so one odd month moves nothing. The last months are held out:
//! the error on them, before and after, shows whether the fit helps.
//!
//! # Source
//! Median and MAD as location and scale: Huber, "Robust Statistics", 1.2 and 5.1; 1.2533 = √(π/2), the
//! median's standard error over the mean's.
//! # Limits
//! Coefficients are fitted one after the other, in the order of `models/calibration.toml`; keys that one
//! meter depends on move by one factor, since a bill cannot tell them apart. Only numbers of the scenario are changed, not those of profiles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::model::{self, Model};
use crate::{
    bills::actuals::{Kind, MonthBill, naming::Naming},
    error::Error,
    facts::shapes::Catalog,
    intent::scenario::edit::{numbers, scale},
    measure::calendar::Month,
    plan::Plan,
};

/// Minimum number of training months.
pub const LEAST_MONTHS: usize = 3;
/// First step of a factor.
const STEP: f64 = 0.1;
/// Change of a factor at which it has converged.
const STILL: f64 = 0.002;
/// Maximum number of Newton steps.
const MOST_STEPS: usize = 5;
/// Factors outside these bounds mean another system, not a correction.
const FACTORS: std::ops::RangeInclusive<f64> = 0.02..=50.0;
/// Change of a meter, over the change of its coefficient, below which it does not follow it.
const LEAST_RESPONSE: f64 = 0.02;

/// How a coefficient is read from meters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Measure {
    #[default]
    Quantity,
    VcpuHours,
    SpotShare,
}

/// A coefficient of `models/calibration.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coefficient {
    name: String,
    keys: Vec<String>,
    service: String,
    usage_types: Vec<String>,
    #[serde(default)]
    measure: Measure,
    #[serde(default)]
    traffic: bool,
    /// Greatest value of its keys.
    most: Option<f64>,
}

/// `models/calibration.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coefficients {
    /// In the order in which they are fitted.
    #[serde(rename = "coefficient")]
    pub all: Vec<Coefficient>,
}

impl Model for Coefficients {
    const FILES: &'static [&'static str] = &["calibration.toml"];

    fn parse(texts: &[String]) -> Result<Self, String> {
        model::from_toml(texts)
    }
}

/// A key of the scenario, before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// Place in the scenario.
    pub key: String,
    /// Value before.
    pub before: f64,
    /// Value after.
    pub after: f64,
}

/// Result of a coefficient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// Its name.
    pub name: String,
    /// Factor on its keys; none if it was not changed.
    pub factor: Option<f64>,
    /// Half of the 90 % interval of the factor.
    pub uncertainty: f64,
    /// Months it was fitted to.
    pub months: usize,
    /// Of these, outliers.
    pub outliers: Vec<Month>,
    /// Its keys.
    pub keys: Vec<Moved>,
    /// Why it was not changed.
    pub left_alone: Option<String>,
}

/// A scenario refitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Coefficients, in the order of the fit.
    pub coefficients: Vec<Fitted>,
    /// The scenario with the new values.
    pub text: String,
}

/// Runs a scenario's text.
pub type Run<'a> = dyn Fn(&str) -> Result<Plan, Error> + 'a;

/// Data to fit to.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// Bills of whole months.
    pub bills: &'a [MonthBill],
    /// Months to fit to.
    pub training: &'a [Month],
    /// Real over planned traffic by month.
    pub traffic: &'a BTreeMap<Month, f64>,
    /// Names of meters.
    pub naming: &'a Naming<'a>,
    /// Shapes of instance types.
    pub catalog: &'a Catalog,
}

/// Fits every coefficient that the bills show.
///
/// # Errors
/// A scenario that does not run.
pub fn calibrate(
    text: &str,
    run: &Run<'_>,
    coefficients: &[Coefficient],
    evidence: &Evidence<'_>,
) -> Result<Calibration, Error> {
    let mut text = text.to_owned();
    let mut done = Vec::new();
    for coefficient in coefficients {
        let (fitted, changed) = fit(&text, run, coefficient, evidence)?;
        if let Some(changed) = changed {
            text = changed;
        }
        done.push(fitted);
    }
    Ok(Calibration { coefficients: done, text })
}

fn fit(
    text: &str,
    run: &Run<'_>,
    coefficient: &Coefficient,
    evidence: &Evidence<'_>,
) -> Result<(Fitted, Option<String>), Error> {
    let keys = numbers(text, &coefficient.keys);
    let mut fitted = Fitted {
        name: coefficient.name.clone(),
        factor: None,
        uncertainty: 0.0,
        months: 0,
        outliers: Vec::new(),
        keys: keys
            .iter()
            .map(|(key, value)| Moved { key: key.to_string(), before: *value, after: *value })
            .collect(),
        left_alone: None,
    };
    let alone = |mut fitted: Fitted, why: String| {
        fitted.left_alone = Some(why);
        Ok((fitted, None))
    };
    if keys.is_empty() {
        return alone(fitted, "the scenario has no such key".into());
    }
    let billed = billed(coefficient, evidence);
    let scaled = |factor: f64| scale(text, &keys, factor, coefficient.most);
    let mut factor = 1.0;
    let mut steps: Vec<(Month, f64)> = Vec::new();
    let base = planned(&run(text)?, coefficient, evidence);
    let aside = planned(&run(&scaled(1.0 + STEP))?, coefficient, evidence);
    for step in 0..MOST_STEPS {
        // The slope of the first step serves all: meters are nearly straight in their coefficients.
        let here = match step {
            0 => base.clone(),
            _ => planned(&run(&scaled(factor))?, coefficient, evidence),
        };
        steps = newton(factor, [&billed, &here, &base, &aside], coefficient, evidence);
        if steps.len() < LEAST_MONTHS {
            let why = if billed.is_empty() {
                "the bills have no such meter".to_owned()
            } else {
                format!(
                    "its meters are billed and change with it in {} months; {LEAST_MONTHS} \
                        are needed",
                    steps.len()
                )
            };
            return alone(fitted, why);
        }
        let next = median(steps.iter().map(|(_, factor)| *factor).collect());
        if !FACTORS.contains(&next) {
            let why = format!(
                "the bills need {next:.3} times its value, which is too far for a calibration"
            );
            return alone(fitted, why);
        }
        let moved = (next / factor - 1.0).abs();
        factor = next;
        if moved < STILL {
            break;
        }
    }
    let spread = 1.4826 * median(steps.iter().map(|(_, one)| (one - factor).abs()).collect());
    let far = |one: f64| (one - factor).abs() > 3.0 * spread + 1e-9 * factor;
    fitted.outliers = steps.iter().filter(|(_, one)| far(*one)).map(|(month, _)| *month).collect();
    fitted.months = steps.len();
    fitted.uncertainty = 1.2533 * 1.645 * spread / (steps.len() as f64).sqrt();
    fitted.factor = Some(factor);
    let text = scaled(factor);
    for (moved, (_, after)) in fitted.keys.iter_mut().zip(numbers(&text, &coefficient.keys)) {
        moved.after = after;
    }
    Ok((fitted, Some(text)))
}

/// Returns a Newton step from `factor` by month, from the billed quantity and the planned ones there, at 1 and next
/// to it.
fn newton(
    factor: f64,
    [billed, here, base, aside]: [&BTreeMap<Month, f64>; 4],
    coefficient: &Coefficient,
    evidence: &Evidence<'_>,
) -> Vec<(Month, f64)> {
    let step = |month: &Month| {
        let (billed, here) = (billed.get(month)?, here.get(month)?);
        let (base, aside) = (base.get(month)?, aside.get(month)?);
        let slope = aside - base;
        if slope.abs() <= LEAST_RESPONSE * STEP * base.abs() {
            return None;
        }
        let real = evidence.traffic.get(month).filter(|_| coefficient.traffic);
        let wanted = billed / real.copied().unwrap_or(1.0);
        Some((*month, factor + STEP * (wanted - here) / slope))
    };
    evidence.training.iter().filter_map(step).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Sums that a measure is made of: all, and what of it is spot.
type Sums = BTreeMap<Month, [f64; 2]>;

fn measured(sums: Sums, measure: Measure) -> BTreeMap<Month, f64> {
    sums.into_iter()
        .filter(|(_, [all, _])| *all > 0.0)
        .map(|(month, [all, spot])| {
            (month, if measure == Measure::SpotShare { spot / all } else { all })
        })
        .collect()
}

/// Adds a meter's quantity, if it is one of the coefficient's.
fn add(
    sums: &mut Sums,
    coefficient: &Coefficient,
    catalog: &Catalog,
    (month, service, usage_type, quantity): (Month, &str, &str, f64),
) {
    let (kind, detail) = usage_type.split_once(':').unwrap_or((usage_type, ""));
    let named = |wanted: &String| wanted == usage_type || wanted == kind;
    if service != coefficient.service || !coefficient.usage_types.iter().any(named) {
        return;
    }
    let weight = match coefficient.measure {
        Measure::Quantity => 1.0,
        Measure::VcpuHours | Measure::SpotShare => {
            // A type that is not known spoils its month, which is then not fitted to.
            catalog.shape(detail).map_or(f64::NAN, |shape| f64::from(shape.vcpus))
        }
    };
    let sum = sums.entry(month).or_insert([0.0, 0.0]);
    sum[0] += quantity * weight;
    if kind == "SpotUsage" {
        sum[1] += quantity * weight;
    }
}

fn planned(
    plan: &Plan,
    coefficient: &Coefficient,
    evidence: &Evidence<'_>,
) -> BTreeMap<Month, f64> {
    let mut sums = Sums::new();
    for entry in &plan.entries {
        let key = &entry.key;
        let meter = (entry.month, &*key.service, &*key.usage_type, entry.quantity.get());
        add(&mut sums, coefficient, evidence.catalog, meter);
    }
    measured(sums, coefficient.measure)
}

fn billed(coefficient: &Coefficient, evidence: &Evidence<'_>) -> BTreeMap<Month, f64> {
    let mut sums = Sums::new();
    for bill in evidence.bills {
        for line in &bill.lines {
            let counts =
                matches!(line.key.kind, Kind::Usage | Kind::PlanUsage | Kind::ReservedUsage);
            let Some(quantity) = line.quantity.filter(|_| counts) else { continue };
            let key = &line.key;
            let known = evidence.naming.key(&key.service, &key.region, &key.usage_type);
            let Some((known, _)) = known else { continue };
            let meter = (bill.month, &*known.service, &*known.usage_type, quantity.to_f64());
            add(&mut sums, coefficient, evidence.catalog, meter);
        }
    }
    measured(sums, coefficient.measure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_the_middle_two() {
        assert!((median(vec![3.0, 1.0, 2.0, 10.0]) - 2.5).abs() < 1e-12);
    }
}
