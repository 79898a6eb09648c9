//! The weight of each minute of the week, from parameters or learned from a real series.
//!
//! # Formula
//! ```text
//! w(h) = exp(½ ln(peak_to_trough) × cos(2π (h − peak_hour) / 24)) × weekday     mean of w = 1
//! learned: w(slot) = median over weeks of value / running mean of a week around it
//! ```
//! The running mean takes out growth, the median takes out single events. Minutes are interpolated
//! between the middles of the hours.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::measure::{
    calendar::{MINUTES_PER_DAY, MINUTES_PER_HOUR},
    series::Series,
};

const HOURS_PER_WEEK: usize = 168;

/// Shape of the day.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Daily {
    /// Busiest hour of the day, UTC.
    #[schemars(range(min = 0, max = 24))]
    pub peak_hour: f64,
    /// Busiest hour over quietest hour.
    #[schemars(range(min = 1, max = 1000))]
    pub peak_to_trough: f64,
}

impl Default for Daily {
    /// Flat.
    fn default() -> Self {
        Self { peak_hour: 12.0, peak_to_trough: 1.0 }
    }
}

/// Weights of the week, Monday 00:00 UTC first; their mean is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Weight of each minute.
    pub minutes: Vec<f64>,
    /// Mean of the series it was learned from, per hour.
    pub mean_per_hour: Option<f64>,
    /// Standard deviation of ln(value / shape) in the series: how noisy real traffic is.
    pub residual_sigma: Option<f64>,
}

impl Profile {
    /// From the daily and weekly parameters.
    ///
    /// # Errors
    /// Weekday weights that are negative or all zero.
    pub fn from_parameters(daily: &Daily, weekly: Option<&[f64]>) -> Result<Self, String> {
        let weekdays = weekly.unwrap_or(&[1.0; 7]);
        if weekdays.iter().any(|w| *w < 0.0) || weekdays.iter().sum::<f64>() <= 0.0 {
            return Err("weekly: seven weights of 0 or more, not all 0".into());
        }
        let swing = 0.5 * daily.peak_to_trough.ln();
        let hours = (0..HOURS_PER_WEEK).map(|slot| {
            // The middle of the hour h is h + ½, so the peak hour is the busiest whole hour.
            let angle = ((slot % 24) as f64 - daily.peak_hour) / 24.0 * std::f64::consts::TAU;
            (swing * angle.cos()).exp() * weekdays[slot / 24]
        });
        Ok(Self {
            minutes: minutes(&hours.collect::<Vec<_>>()),
            mean_per_hour: None,
            residual_sigma: None,
        })
    }

    /// From an hourly or finer series; from a daily one, the weekdays only, over `daily`.
    ///
    /// # Errors
    /// A series coarser than a day or shorter than two weeks.
    pub fn from_series(series: &Series, daily: &Daily) -> Result<Self, String> {
        let step = series.step_minutes;
        let span = series.values.len() as f64 * step;
        if span < 14.0 * MINUTES_PER_DAY as f64 {
            return Err(format!("{:.1} days; learning a week needs 14 or more", span / 1440.0));
        }
        let per_hour = 60.0 / step;
        let mean = series.values.iter().sum::<f64>() / series.values.len() as f64 * per_hour;
        if mean <= 0.0 {
            return Err("all values are 0".into());
        }
        let (mut profile, sigma) = if step <= 60.0 {
            let (hours, sigma) = learn(series, HOURS_PER_WEEK, |at| {
                at.weekday().to_monday_zero_offset() as usize * 24 + at.hour() as usize
            })?;
            (Self { minutes: minutes(&hours), mean_per_hour: None, residual_sigma: None }, sigma)
        } else if (step - 1440.0).abs() < 1.0 {
            let slot = |at: jiff::civil::DateTime| at.weekday().to_monday_zero_offset() as usize;
            let (weekdays, sigma) = learn(series, 7, slot)?;
            (Self::from_parameters(daily, Some(&weekdays))?, sigma)
        } else {
            return Err(format!("one row every {step:.0} minutes; give hourly or daily rows"));
        };
        profile.mean_per_hour = Some(mean);
        profile.residual_sigma = Some(sigma);
        Ok(profile)
    }
}

/// Weight of each slot of the week, mean 1, and the spread around it.
fn learn(
    series: &Series,
    slots: usize,
    slot_of: impl Fn(jiff::civil::DateTime) -> usize,
) -> Result<(Vec<f64>, f64), String> {
    let local = local_means(&series.values, (7.0 * 1440.0 / series.step_minutes).round() as usize);
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); slots];
    for ((moment, value), mean) in series.moments.iter().zip(&series.values).zip(&local) {
        if *mean > 0.0 {
            ratios[slot_of(*moment)].push(value / mean);
        }
    }
    if let Some(slot) = ratios.iter().position(Vec::is_empty) {
        return Err(format!("slot {slot} of the week's {slots} (Monday first) never occurs"));
    }
    let mut weights: Vec<f64> = ratios.iter().map(|values| median(values.clone())).collect();
    let mean = weights.iter().sum::<f64>() / slots as f64;
    if mean <= 0.0 {
        return Err("more than half of the values are 0".into());
    }
    for weight in &mut weights {
        *weight /= mean;
    }
    let mut errors = Vec::new();
    for (slot, values) in ratios.iter().enumerate() {
        let expected = weights[slot] * mean;
        errors.extend(
            values.iter().filter(|v| **v > 0.0 && expected > 0.0).map(|v| (v / expected).ln()),
        );
    }
    // 1.4826 × the median of |error| is the standard deviation of a normal law, spikes apart.
    let sigma = 1.4826 * median(errors.iter().map(|e| e.abs()).collect());
    Ok((weights, sigma))
}

/// Mean of the `window` values around each value.
fn local_means(values: &[f64], window: usize) -> Vec<f64> {
    let mut sums = vec![0.0];
    for value in values {
        sums.push(sums[sums.len() - 1] + value);
    }
    let window = window.clamp(1, values.len());
    let mean_at = |index: usize| {
        let from = index.saturating_sub(window / 2).min(values.len() - window);
        (sums[from + window] - sums[from]) / window as f64
    };
    (0..values.len()).map(mean_at).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Minutes between hour weights, joined in straight lines and scaled to a mean of 1.
fn minutes(hours: &[f64]) -> Vec<f64> {
    let count = hours.len() * MINUTES_PER_HOUR;
    let mut minutes: Vec<f64> = (0..count)
        .map(|minute| {
            let at = (minute as f64 + 0.5) / MINUTES_PER_HOUR as f64 - 0.5 + hours.len() as f64;
            let (left, part) = (at.floor(), at.fract());
            let [a, b] = [0, 1].map(|step| hours[(left as usize + step) % hours.len()]);
            a * (1.0 - part) + b * part
        })
        .collect();
    let mean = minutes.iter().sum::<f64>() / count as f64;
    for minute in &mut minutes {
        *minute /= mean;
    }
    minutes
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::measure::series::Gaps;

    #[test]
    fn parameters_give_the_peak_hour_and_the_ratio() {
        let daily = Daily { peak_hour: 20.0, peak_to_trough: 4.0 };
        let profile = Profile::from_parameters(&daily, None).unwrap();
        let hour = |h: usize| profile.minutes[h * 60..(h + 1) * 60].iter().sum::<f64>() / 60.0;
        assert!((0..24).all(|h| hour(h) <= hour(20)));
        // Straight lines between hours shave the tip a little.
        assert!((hour(20) / hour(8) / 4.0 - 1.0).abs() < 0.02, "{}", hour(20) / hour(8));
        let mean = profile.minutes.iter().sum::<f64>() / profile.minutes.len() as f64;
        assert!((mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_hourly_series_teaches_its_week_through_growth_and_one_spike() {
        let mut text = String::new();
        let start: jiff::civil::DateTime = "2027-01-04T00:00".parse().unwrap(); // a Monday
        for hour in 0..24 * 28_i64 {
            let day = hour / 24 % 7;
            let weight = if day < 5 { 2.0 } else { 1.0 } * if hour % 24 < 12 { 1.0 } else { 3.0 };
            let growth = 1.0 + 0.001 * hour as f64;
            let spike = if hour == 100 { 50.0 } else { 1.0 };
            let at = start.checked_add(jiff::Span::new().hours(hour)).unwrap();
            writeln!(text, "{at},{}", 100.0 * weight * growth * spike).unwrap();
        }
        let series = Series::parse("h.csv", &text, Gaps::Refuse).unwrap();
        let profile = Profile::from_series(&series, &Daily::default()).unwrap();
        let at = |day: usize, hour: usize| profile.minutes[day * 1440 + hour * 60 + 30];
        assert!((at(1, 18) / at(1, 6) - 3.0).abs() < 0.1, "{}", at(1, 18) / at(1, 6));
        assert!((at(1, 18) / at(6, 18) - 2.0).abs() < 0.15, "{}", at(1, 18) / at(6, 18));
    }

    #[test]
    fn a_short_or_coarse_series_is_refused() {
        let short = Series::parse("h.csv", "2027-01-01,1\n2027-01-02,2\n", Gaps::Refuse).unwrap();
        let error = Profile::from_series(&short, &Daily::default()).unwrap_err();
        assert!(error.contains("14 or more"), "{error}");
    }
}
