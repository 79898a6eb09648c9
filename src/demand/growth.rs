//! Users over months: one curve, several joined, or a curve fitted to history.
//!
//! # Formula
//! ```text
//! users(t),  t = months since the plan's first month;  month m reports users(m)
//! ```
//! Each curve's own formula is in its file. A joined curve starts where the last one ended.
//!
//! # Example
//! ```
//! use runrate::demand::growth::{Curve, Users, compound::Compound};
//! let users = Users {
//!     growth: Some(Curve::Compound(Compound { start: Some(1000.0), end: Some(8000.0), monthly_rate: None })),
//!     ..Users::default()
//! };
//! let path = users.path("2027-01".parse().unwrap(), 4, None).unwrap();
//! assert!((path.at(1.0) - 2000.0).abs() < 1e-6); // doubles each month
//! ```

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    demand::growth::fit::Fit,
    measure::{
        calendar::Month,
        random::Draws,
        series::{Gaps, Series},
        units::MOST_QUANTITY,
    },
};

pub mod bass;
pub mod capacity;
pub mod compound;
pub mod fit;
pub mod gompertz;
pub mod linear;
pub mod logistic;
pub mod steps;
mod stray;

pub use stray::Bootstrap;

/// The shape of growth.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "curve", rename_all = "kebab-case")]
pub enum Curve {
    /// The same number of users added each month.
    Linear(linear::Linear),
    /// The same percentage added each month.
    Compound(compound::Compound),
    /// S-curve towards a capacity, symmetric.
    Logistic(capacity::Settings),
    /// S-curve towards a capacity, early rise and long tail.
    Gompertz(capacity::Settings),
    /// Adoption by innovators and imitators in a market of known size.
    Bass(bass::Bass),
    /// A value from a month on, until the next.
    Steps(steps::Steps),
}

/// A part of the horizon with its own curve.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// First month after the part; missing in the last one.
    pub until: Option<Month>,
    /// Its curve. Without `start` it continues from where the last part ended.
    pub growth: Curve,
}

/// Past user figures to fit a curve to.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// CSV of date,value in the folder of the scenario.
    pub file: String,
    /// Factor from the figures of the file to users [users per unit]: 1000000 when it counts millions.
    #[serde(default = "one")]
    #[schemars(range(min = 0.000_000_001, max = 1e12))]
    pub scale: f64,
    /// Which curve to fit; `auto` takes the one that explains the history best.
    #[serde(default)]
    pub fit: fit::Choice,
    /// What to do about missing rows.
    #[serde(default)]
    pub gaps: Gaps,
}

fn one() -> f64 {
    1.0
}

/// Monthly active users: exactly one of `growth`, `segments`, `history`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// One curve over the whole plan.
    pub growth: Option<Curve>,
    /// Several curves, joined.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// A curve fitted to past figures.
    pub history: Option<History>,
    /// How far users stray from the curve, in trials: standard deviation of a month's change of
    /// ln(users), 0.05 for 5 %. A history tells it by itself.
    #[schemars(range(min = 0, max = 2))]
    pub volatility: Option<f64>,
}

/// A curve with all its parameters known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "curve", rename_all = "kebab-case")]
pub enum Law {
    /// Linear.
    Linear(linear::Law),
    /// Compound.
    Compound(compound::Law),
    /// Logistic.
    Logistic(capacity::Law),
    /// Gompertz.
    Gompertz(capacity::Law),
    /// Bass.
    Bass(bass::Law),
    /// Steps.
    Steps(steps::Law),
}

impl Law {
    /// Users `t` months after the law's own start; never negative.
    pub fn at(&self, t: f64) -> f64 {
        let users = match self {
            Self::Linear(law) => law.at(t),
            Self::Compound(law) => law.at(t),
            Self::Logistic(law) => logistic::at(law, t),
            Self::Gompertz(law) => gompertz::at(law, t),
            Self::Bass(law) => law.at(t),
            Self::Steps(law) => law.at(t),
        };
        users.max(0.0)
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear(law) => write!(f, "linear, {:+.0} users a month", law.per_month),
            Self::Compound(law) => {
                write!(f, "compound, {:+.2} % a month", law.monthly_rate * 100.0)
            }
            Self::Logistic(law) => {
                write!(f, "logistic, towards {:.0} users at rate {:.3}", law.capacity, law.rate)
            }
            Self::Gompertz(law) => {
                write!(f, "gompertz, towards {:.0} users at rate {:.3}", law.capacity, law.rate)
            }
            Self::Bass(law) => write!(f, "bass, in a market of {:.0} users", law.market),
            Self::Steps(law) => write!(f, "{} steps", law.steps.len()),
        }
    }
}

impl Curve {
    fn start(&self) -> Option<f64> {
        match self {
            Self::Linear(curve) => curve.start,
            Self::Compound(curve) => curve.start,
            Self::Logistic(curve) | Self::Gompertz(curve) => curve.start,
            Self::Bass(curve) => curve.start,
            Self::Steps(curve) => curve.steps.first().map(|step| step.users),
        }
    }

    /// The law of this curve from `start` users, reaching `end`, where given, `span` months later.
    ///
    /// # Errors
    /// Parameters that contradict each other, and what would be accepted.
    pub fn bind(&self, start: f64, span: f64, first: Month) -> Result<Law, String> {
        match self {
            Self::Linear(curve) => curve.bind(start, span).map(Law::Linear),
            Self::Compound(curve) => curve.bind(start, span).map(Law::Compound),
            Self::Logistic(curve) => curve.bind(start, span, logistic::distance).map(Law::Logistic),
            Self::Gompertz(curve) => curve.bind(start, span, gompertz::distance).map(Law::Gompertz),
            Self::Bass(curve) => curve.bind(start).map(Law::Bass),
            Self::Steps(curve) => curve.bind(first).map(Law::Steps),
        }
    }
}

/// A part of the plan with its law.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Its first month, counted from the plan's first; the law's own start.
    pub from: f64,
    /// From when it holds: half a month earlier when it jumps, because a month's traffic spreads over
    /// the time from half a month before its point to half a month after.
    pub holds_from: f64,
    /// Its law.
    pub law: Law,
}

impl Part {
    /// The only part, from `from` on.
    pub fn only(from: f64, law: Law) -> Self {
        Self { from, holds_from: from, law }
    }
}

/// Users over the whole plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Path {
    /// The parts, in order.
    pub parts: Vec<Part>,
    /// How well a history was fitted, where one was.
    pub fit: Option<Fit>,
    /// How far users stray from the law, ln, at each month and at the one after the plan, towards which its last
    /// month's second half goes; none in the mid case.
    pub drift: Vec<f64>,
}

impl Path {
    /// Users `t` months after the plan's first month.
    pub fn at(&self, t: f64) -> f64 {
        let part = self.parts.iter().rev().find(|part| part.holds_from <= t);
        let users = part.or(self.parts.first()).map_or(0.0, |part| part.law.at(t - part.from));
        if self.drift.is_empty() { users } else { users * self.drift_at(t).exp() }
    }

    /// Whether the users of each month of a plan can be counted with.
    ///
    /// # Errors
    /// The first month with more than [`MOST_QUANTITY`] users.
    pub fn check(&self, start: Month, months: u32) -> Result<(), String> {
        let too_many = |index: &u32| !(0.0..=MOST_QUANTITY).contains(&self.at(f64::from(*index)));
        let Some(index) = (0..months).find(too_many) else { return Ok(()) };
        let (month, users) = (start.plus(index), self.at(f64::from(index)));
        Err(format!("{users:e} users in {month}; growth may reach {MOST_QUANTITY:e}. Lower it"))
    }

    /// Mean of how far users are off their curve over the plan, ln; of a history, off the curve that was
    /// fitted, because another curve is drawn with them.
    pub fn strayed(&self, fitted: &Self) -> f64 {
        let months = self.drift.len().saturating_sub(1);
        let off = |(month, drift): (usize, &f64)| {
            let at = month as f64;
            let known = self.fit.is_some() && fitted.at(at) > 0.0 && self.at(at) > 0.0;
            if known { (self.at(at) / fitted.at(at)).ln() } else { *drift }
        };
        self.drift[..months].iter().enumerate().map(off).sum::<f64>() / months.max(1) as f64
    }

    /// Between the points of two months along a line.
    fn drift_at(&self, t: f64) -> f64 {
        let last = self.drift.len() - 1;
        let from = (t.max(0.0).floor() as usize).min(last);
        let (a, b) = (self.drift[from], self.drift[(from + 1).min(last)]);
        a + (b - a) * (t.max(0.0) - from as f64).clamp(0.0, 1.0)
    }
}

impl Users {
    /// The path over a plan of `months` from `start`; `series` is the history file's content.
    ///
    /// # Errors
    /// None or several of the three forms, parameters that contradict, a history too short.
    pub fn path(&self, start: Month, months: u32, series: Option<&Series>) -> Result<Path, String> {
        if self.volatility.is_some() && self.history.is_some() {
            return Err("volatility: it is estimated from the history; remove it".into());
        }
        let span = f64::from(months.max(2) - 1);
        match (&self.growth, self.segments.is_empty(), &self.history) {
            (Some(curve), true, None) => {
                let from =
                    curve.start().ok_or("growth.start: give the users of the first month")?;
                let law = curve.bind(from, span, start).map_err(|e| format!("growth.{e}"))?;
                Ok(Path { parts: vec![Part::only(0.0, law)], fit: None, drift: vec![] })
            }
            (None, false, None) => join(&self.segments, start, span),
            (None, true, Some(history)) => {
                let series = series.ok_or("the history file was not read")?;
                let fit = fit::fit(series, history.fit, history.scale, start)?;
                let parts = vec![Part::only(fit.starts, fit.law.clone())];
                Ok(Path { parts, fit: Some(fit), drift: vec![] })
            }
            _ => Err("give exactly one of growth, segments, history".into()),
        }
    }
}

impl Users {
    /// Whether users stray from their curve in a trial.
    pub fn strays(&self) -> bool {
        self.history.is_some() || self.volatility.is_some_and(|volatility| volatility > 0.0)
    }

    /// A fitted history, ready to be drawn anew in each trial.
    pub fn bootstrap(&self, path: &Path, series: Option<&Series>) -> Option<Bootstrap> {
        Some(Bootstrap::new(series?, self.history.as_ref()?.scale, path.fit.as_ref()?))
    }

    /// The path of a trial: how users stray, and, of a history, a curve that might have been.
    pub fn stray(
        &self,
        path: &Path,
        months: u32,
        history: Option<&Bootstrap>,
        mut draws: Draws,
    ) -> Path {
        let mut strayed = path.clone();
        if let (Some(bootstrap), Some(fit)) = (history, &path.fit) {
            let (law, drift) = bootstrap.draw(-fit.starts, months + 1, &mut draws);
            strayed.parts = vec![Part::only(fit.starts, law)];
            strayed.drift = drift;
        } else if let Some(volatility) = self.volatility.filter(|volatility| *volatility > 0.0) {
            strayed.drift = stray::walk(volatility, months + 1, &mut draws);
        }
        strayed
    }
}

fn join(segments: &[Segment], start: Month, span: f64) -> Result<Path, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut from = 0.0;
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        let until = match segment.until {
            Some(month) => f64::from(month.since(start)),
            None if last => span + 1.0,
            None => {
                return Err(format!("segments[{index}].until: only the last part may omit it"));
            }
        };
        if until <= from {
            return Err(format!("segments[{index}].until: must be after the part's first month"));
        }
        let own = segment.growth.start();
        let reached = parts.last().map(|part| part.law.at(from - part.from));
        let users =
            own.or(reached).ok_or("segments[0].growth.start: give the users of the first month")?;
        let first = start.plus(from as u32);
        // `end` is reached in the part's last month.
        let law = segment.growth.bind(users, (until - 1.0 - from).max(1.0), first);
        let law = law.map_err(|e| format!("segments[{index}].growth.{e}"))?;
        let holds_from = if own.is_some() && index > 0 { from - 0.5 } else { from };
        parts.push(Part { from, holds_from, law });
        from = until;
    }
    Ok(Path { parts, fit: None, drift: vec![] })
}

/// Exactly one of two ways to say how fast: the rate, or the value reached at the end.
pub(crate) fn one_of<T>(
    rate: Option<T>,
    end: Option<f64>,
    rate_name: &str,
    solve: impl FnOnce(f64) -> Result<T, String>,
) -> Result<T, String> {
    match (rate, end) {
        (Some(rate), None) => Ok(rate),
        (None, Some(end)) => solve(end),
        _ => Err(format!("{rate_name}: give exactly one of {rate_name} and end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use compound::Compound;
    use linear::Linear;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn joined_parts_go_on_from_where_the_last_ended() {
        let users = Users {
            segments: vec![
                Segment {
                    until: Some(month("2027-07")),
                    growth: Curve::Linear(Linear {
                        start: Some(100.0),
                        per_month: Some(50.0),
                        end: None,
                    }),
                },
                Segment {
                    until: None,
                    growth: Curve::Compound(Compound {
                        start: None,
                        monthly_rate: Some(0.1),
                        end: None,
                    }),
                },
            ],
            ..Users::default()
        };
        let path = users.path(month("2027-01"), 12, None).unwrap();
        assert!((path.at(5.0) - 350.0).abs() < 1e-9);
        assert!((path.at(6.0) - 400.0).abs() < 1e-9);
        assert!((path.at(7.0) - 440.0).abs() < 1e-9);
    }

    #[test]
    fn a_part_s_end_is_reached_in_its_last_month_and_a_jump_takes_the_whole_month() {
        let text = "[[segments]]\nuntil = \"2027-04\"\n\
            growth = { curve = \"linear\", start = 1000, end = 3000 }\n\
            [[segments]]\ngrowth = { curve = \"linear\", start = 9000, per_month = 0 }\n";
        let users: Users = toml::from_str(text).unwrap();
        let path = users.path(month("2027-01"), 6, None).unwrap();
        let found = [0.0, 1.0, 2.0, 2.4, 2.6, 3.0, 5.0].map(|t| path.at(t).round() as u32);
        assert_eq!(found, [1000, 2000, 3000, 3400, 9000, 9000, 9000]);
    }

    /// A plan's last month is that of a longer plan, to its last day.
    #[test]
    fn a_longer_plan_strays_no_other_way() {
        let text =
            "growth = { curve = \"linear\", start = 1000, per_month = 10 }\nvolatility = 0.2";
        let users: Users = toml::from_str(text).unwrap();
        let path = users.path(month("2027-01"), 24, None).unwrap();
        let draws =
            || crate::measure::random::stream(1, 3, crate::measure::random::Stream::Growth, 0);
        let [short, long] = [12, 24].map(|months| users.stray(&path, months, None, draws()));
        for tenth in -5..=115 {
            let t = f64::from(tenth) / 10.0;
            assert_eq!(short.at(t), long.at(t), "{t}");
        }
    }

    /// 1,000 users that double each month pass 10^15 in the 40th month: 1,000 × 2^40 = 1.1 × 10^15.
    #[test]
    fn growth_beyond_counting_is_refused_with_its_month() {
        let text = "growth = { curve = \"compound\", start = 1000, monthly_rate = 1.0 }";
        let users: Users = toml::from_str(text).unwrap();
        let start = month("2027-01");
        let path = users.path(start, 60, None).unwrap();
        assert!(path.check(start, 40).is_ok());
        let message = path.check(start, 60).unwrap_err();
        assert!(message.contains("users in 2030-05;"), "{message}");
    }

    #[test]
    fn none_or_several_forms_are_refused() {
        assert!(Users::default().path(month("2027-01"), 12, None).is_err());
    }

    #[test]
    fn every_curve_starts_where_it_is_told_and_never_falls() {
        let curves = [
            r#"{ curve = "linear", start = 1000, end = 9000 }"#,
            r#"{ curve = "compound", start = 1000, end = 9000 }"#,
            r#"{ curve = "logistic", start = 1000, capacity = 10000, end = 9000 }"#,
            r#"{ curve = "gompertz", start = 1000, capacity = 10000, end = 9000 }"#,
            r#"{ curve = "bass", start = 1000, market = 10000, innovation = 0.01, imitation = 0.4 }"#,
        ];
        for text in curves {
            let users: Users = toml::from_str(&format!("growth = {text}")).unwrap();
            let path = users.path(month("2027-01"), 25, None).unwrap();
            assert!((path.at(0.0) - 1000.0).abs() < 1e-6, "{text}: {}", path.at(0.0));
            if !text.contains("bass") {
                assert!((path.at(24.0) - 9000.0).abs() < 1e-6, "{text}: {}", path.at(24.0));
            }
            let falls =
                (0..240).any(|i| path.at(f64::from(i + 1) / 10.0) < path.at(f64::from(i) / 10.0));
            assert!(!falls, "{text}");
        }
    }
}
