//! Monthly users to sessions per minute: daily and weekly shape, growth inside the month, seasons,
//! launches, noise.
//!
//! # Formula
//! ```text
//! base(i)     = w(minute of week) × users(day of i)         scaled so that over the month
//! Σ base      = users(month) × sessions_per_user × month_factor
//! sessions(i) = base(i) × season(day) × event(i) × noise(i)
//! ```
//! `users(day)` follows the growth curve half a month to either side of the month, so that traffic
//! rises inside the month and joins the next. Seasons and events come on top: they add traffic, they
//! do not move it.
//!
//! # Limits
//! All accounts share one series; times are UTC. Requests follow sessions without delay.

use indexmap::IndexMap;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    demand::growth::Path,
    measure::{
        calendar::{MINUTES_PER_DAY, Month},
        random::{self, Stream},
        series::Gaps,
        units::MOST_QUANTITY,
    },
};

pub mod event;
pub mod noise;
pub mod profile;

pub use event::{Event, Season};
pub use profile::{Daily, Profile};

/// One kind of request that users make.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Requests in a session.
    #[schemars(range(min = 0, max = 100_000))]
    pub per_session: f64,
    /// Bytes of a request with headers \[KiB\].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub request_kib: f64,
    /// Bytes of an answer with headers \[KiB\].
    #[schemars(range(min = 0, max = 10_000_000))]
    pub response_kib: f64,
    /// Requests in a session that `CloudFront` answers or passes on, where it is in front of the load balancer:
    /// `per_session` is then what it passes on.
    #[serde(skip)]
    pub at_edge: Option<f64>,
}

impl Class {
    /// Requests that users make in a session, wherever they are answered.
    pub fn asked_per_session(&self) -> f64 {
        self.at_edge.unwrap_or(self.per_session)
    }
}

/// A real series to learn the shape of traffic from.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// CSV of time,value in the folder of the scenario: hourly for the whole week, daily for weekdays only.
    pub file: String,
    /// Class of requests that the values count: the series then also sets the level, and
    /// `sessions_per_user` must be missing. Without it only the shape is learned.
    pub counts: Option<String>,
    /// What to do about missing rows.
    #[serde(default)]
    pub gaps: Gaps,
}

/// How users make traffic.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Sessions of one user in a month.
    #[schemars(range(min = 0, max = 10_000))]
    pub sessions_per_user: Option<f64>,
    /// Requests that one client connection carries before it closes.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_connection: f64,
    /// The kinds of request by name.
    pub classes: IndexMap<String, Class>,
    /// Shape of the day.
    pub daily: Option<Daily>,
    /// Weight of each weekday, Monday first \[ratio\].
    #[schemars(length(min = 7, max = 7), inner(range(min = 0, max = 1_000_000)))]
    pub weekly: Option<Vec<f64>>,
    /// Shape learned from a real series, in place of `daily` and `weekly`.
    pub shape: Option<Shape>,
    /// Factor of each calendar month, January first \[ratio\].
    #[schemars(length(min = 12, max = 12), inner(range(min = 0, max = 1_000_000)))]
    pub months: Option<Vec<f64>>,
    /// Times of year with more or less traffic.
    #[serde(default)]
    pub seasons: Vec<Season>,
    /// Launches and campaigns.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Minute-to-minute noise: standard deviation of its logarithm; 0.1 is about 10 %.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2))]
    pub noise: f64,
    /// Minutes over which noise fades to 1/e.
    #[serde(default = "ten")]
    #[schemars(range(min = 0.1, max = 1440))]
    pub noise_memory_minutes: f64,
}

fn ten() -> f64 {
    10.0
}

/// Traffic with its shape known.
#[derive(Debug, Clone)]
pub struct Model {
    profile: Profile,
    sessions_per_user: f64,
    months: Option<Vec<f64>>,
    seasons: Vec<Season>,
    events: Vec<(DateTime, Event)>,
    noise: f64,
    noise_memory_minutes: f64,
    seed: u64,
}

/// One month of traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct MonthTraffic {
    /// Sessions in each minute of the month.
    pub sessions: Vec<f64>,
}

/// What the month's plan says about traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Sessions in the month.
    pub sessions: f64,
    /// Sessions in the busiest minute.
    pub peak_sessions_per_minute: f64,
}

impl Traffic {
    /// The model, with the shape learned from `series` when the settings name a file.
    ///
    /// # Errors
    /// A series too short to show a week, or a level given twice or not at all.
    pub fn model(
        &self,
        profile: Profile,
        first_users: f64,
        start: Month,
        seed: u64,
    ) -> Result<Model, String> {
        let sessions_per_user = match (self.sessions_per_user, self.counted_class()?) {
            (Some(sessions), None) => sessions,
            (None, Some(class)) => {
                let hourly = profile.mean_per_hour.ok_or("shape: the series has no level")?;
                let requests = hourly * start.hours() as f64;
                if first_users <= 0.0 || class.per_session <= 0.0 {
                    return Err("shape.counts: needs users and per_session above 0".into());
                }
                requests / class.per_session / first_users
            }
            (None, None) => return Err("sessions_per_user: give it, or shape.counts".into()),
            (Some(_), Some(_)) => {
                return Err("sessions_per_user: shape.counts sets the level; remove one".into());
            }
        };
        let events = self.events.iter().map(|e| Ok((e.moment()?, e.clone())));
        Ok(Model {
            profile,
            sessions_per_user,
            months: self.months.clone(),
            seasons: self.seasons.clone(),
            events: events.collect::<Result<_, String>>()?,
            noise: self.noise,
            noise_memory_minutes: self.noise_memory_minutes,
            seed,
        })
    }

    fn counted_class(&self) -> Result<Option<&Class>, String> {
        let Some(name) = self.shape.as_ref().and_then(|shape| shape.counts.as_ref()) else {
            return Ok(None);
        };
        let class = self.classes.get(name);
        class.map(Some).ok_or_else(|| format!("shape.counts: no class named {name:?}"))
    }
}

impl Model {
    /// Sessions of one user in a month, given or learned.
    pub fn sessions_per_user(&self) -> f64 {
        self.sessions_per_user
    }

    /// A trial's key for launches; none in the mid case.
    pub fn luck(&self, trial: u32) -> Option<u64> {
        (trial > 0).then(|| random::stream(self.seed, trial, Stream::Launches, 0).key())
    }

    /// The load of the plan's month number `index`.
    ///
    /// # Errors
    /// A minute whose sessions are no number, or more than [`MOST_QUANTITY`]: launches, seasons and growth
    /// multiply.
    pub fn month(
        &self,
        index: u32,
        month: Month,
        users: &Path,
        trial: u32,
    ) -> Result<MonthTraffic, String> {
        let days = month.days();
        let first = month.first_weekday() * MINUTES_PER_DAY;
        let week = &self.profile.minutes;
        let mut sessions = Vec::with_capacity(month.minutes());
        for day in 0..days {
            // Month m stands for the time from half a month before its point to half after.
            let t = f64::from(index) - 0.5 + (day as f64 + 0.5) / days as f64;
            let level = users.at(t);
            let from = (first + day * MINUTES_PER_DAY) % week.len();
            sessions.extend(week[from..from + MINUTES_PER_DAY].iter().map(|w| w * level));
        }
        let factor = self.months.as_ref().map_or(1.0, |months| months[month.number() - 1]);
        let total = users.at(f64::from(index)) * self.sessions_per_user * factor;
        let shape: f64 = sessions.iter().sum();
        let scale = if shape > 0.0 { total / shape } else { 0.0 };
        for value in &mut sessions {
            *value *= scale;
        }
        event::apply_seasons(&self.seasons, month, &mut sessions);
        let luck = self.luck(trial);
        for (at, event) in self.events.iter().filter(|(_, event)| event.happens(luck)) {
            event.apply(*at, month, &mut sessions);
        }
        if self.noise > 0.0 {
            let draws = random::stream(self.seed, trial, Stream::TrafficNoise, index);
            noise::apply(self.noise, self.noise_memory_minutes, draws, &mut sessions);
        }
        MonthTraffic::checked(month, sessions)
    }
}

impl MonthTraffic {
    /// Sessions by the minute, each of which must be a number that later stages can count with.
    fn checked(month: Month, sessions: Vec<f64>) -> Result<Self, String> {
        let accepted = |value: &f64| (0.0..=MOST_QUANTITY).contains(value);
        let Some(minute) = sessions.iter().position(|value| !accepted(value)) else {
            return Ok(Self { sessions });
        };
        let (day, minute) = (minute / MINUTES_PER_DAY + 1, minute % MINUTES_PER_DAY);
        Err(format!(
            "{:e} sessions in the minute {month}-{day:02}T{:02}:{:02}; users, months, seasons and events multiply to more than {MOST_QUANTITY:e}. Lower one of them",
            sessions[(day - 1) * MINUTES_PER_DAY + minute],
            minute / 60,
            minute % 60,
        ))
    }

    /// Totals of the month.
    pub fn summary(&self) -> Summary {
        Summary {
            sessions: self.sessions.iter().sum(),
            peak_sessions_per_minute: self.sessions.iter().copied().fold(0.0, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::growth::{Law, Part, compound};

    fn model(noise: f64) -> Model {
        Model {
            profile: Profile::from_parameters(&Daily::default(), None).unwrap(),
            sessions_per_user: 10.0,
            months: None,
            seasons: vec![],
            events: vec![],
            noise,
            noise_memory_minutes: 10.0,
            seed: 1,
        }
    }

    fn path(rate: f64) -> Path {
        let law = Law::Compound(compound::Law { start: 1000.0, monthly_rate: rate });
        Path { parts: vec![Part::only(0.0, law)], fit: None, drift: vec![] }
    }

    #[test]
    fn a_month_holds_users_times_sessions_whatever_its_length_and_growth() {
        for (index, month, rate) in [(0, "2027-01", 0.3), (1, "2027-02", 0.0), (5, "2028-02", 0.5)]
        {
            let path = path(rate);
            let month: Month = month.parse().unwrap();
            let traffic = model(0.0).month(index, month, &path, 0).unwrap();
            assert_eq!(traffic.sessions.len(), month.minutes());
            let expected = path.at(f64::from(index)) * 10.0;
            assert!((traffic.summary().sessions / expected - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn growth_shows_inside_the_month() {
        let traffic = model(0.0).month(0, "2027-01".parse().unwrap(), &path(0.5), 0).unwrap();
        let day = |d: usize| traffic.sessions[d * 1440..(d + 1) * 1440].iter().sum::<f64>();
        // Day 28 is the same weekday as day 0, 28/31 of a month later.
        assert!((day(28) / day(0) / 1.5_f64.powf(28.0 / 31.0) - 1.0).abs() < 1e-9);
    }

    /// 10 launches of 10,000 at once: 10^40 times the traffic, in finite numbers until 10^308.
    #[test]
    fn traffic_that_nothing_can_count_is_refused_with_its_minute() {
        let text = "name = 'x'\nat = '2027-01-10T12:00'\npeak = 10000\nrise_minutes = 0\nhalf_life_hours = 1";
        let event: Event = toml::from_str(text).unwrap();
        let events = |count: usize| Model {
            events: vec![(event.moment().unwrap(), event.clone()); count],
            ..model(0.0)
        };
        let month = |count| events(count).month(0, "2027-01".parse().unwrap(), &path(0.0), 0);
        assert!(month(3).is_ok());
        for count in [10, 90] {
            let message = month(count).unwrap_err();
            assert!(message.contains("in the minute 2027-01-10T12:00;"), "{message}");
        }
    }

    #[test]
    fn noise_keeps_the_level_and_replays() {
        let month: Month = "2027-01".parse().unwrap();
        let of = |trial| model(0.2).month(0, month, &path(0.0), trial).unwrap();
        let [a, b] = [0, 0].map(of);
        assert_eq!(a, b);
        assert_ne!(a, of(1));
        let total = a.summary().sessions;
        assert!((total / 10_000.0 - 1.0).abs() < 0.03, "{total}");
    }
}
