//! Launches and campaigns (one moment) and seasons (days of the year).
//!
//! # Formula
//! ```text
//! event(i)  = 1 + (peak − 1) × rise(i) × ½^(hours after the rise / half_life_hours)
//! season(d) = product of the factors of all seasons that d falls in
//! ```

use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::measure::{
    calendar::{MINUTES_PER_DAY, Month, parse_moment},
    random,
};

/// A burst of traffic: a launch, a campaign, a television spot.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What it is.
    pub name: String,
    /// When it starts, UTC: `2027-05-12T17:00`.
    pub at: String,
    /// Traffic at its peak over traffic without it.
    #[schemars(range(min = 0, max = 10_000))]
    pub peak: f64,
    /// Minutes from start to peak.
    #[serde(default = "quarter_of_an_hour")]
    #[schemars(range(min = 0, max = 100_000))]
    pub rise_minutes: f64,
    /// Hours after which half of the extra traffic is gone.
    #[schemars(range(min = 0.01, max = 10_000))]
    pub half_life_hours: f64,
    /// Chance that it happens; the mid case has it from 0.5 on.
    #[serde(default = "certain")]
    #[schemars(range(min = 0, max = 1))]
    pub probability: f64,
    /// Days that it is late; a range makes the date uncertain.
    #[serde(default)]
    #[schemars(range(min = -365, max = 365))]
    pub slip_days: f64,
}

fn certain() -> f64 {
    1.0
}

fn quarter_of_an_hour() -> f64 {
    15.0
}

/// Days of each year with more or less traffic.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Season {
    /// What it is.
    pub name: String,
    /// First day, `11-25`.
    #[schemars(extend("format" = "month-day"))]
    pub from: String,
    /// Last day, `11-30`; before `from` when the season goes over the new year.
    #[schemars(extend("format" = "month-day"))]
    pub to: String,
    /// Traffic over traffic without it.
    #[schemars(range(min = 0, max = 10_000))]
    pub factor: f64,
}

impl Season {
    /// Whether any day of a month lies in it.
    pub fn falls_in(&self, month: Month) -> bool {
        (1..=month.days()).any(|day| covers(self, &format!("{:02}-{day:02}", month.number())))
    }
}

/// Below this share of its peak an event is over.
const NEGLIGIBLE: f64 = 1e-6;

impl Event {
    /// When it starts, as late as it is.
    ///
    /// # Errors
    /// A time that is none.
    pub fn moment(&self) -> Result<DateTime, String> {
        let wrong = || format!("events.{}.at: {:?}; write 2027-05-12T17:00", self.name, self.at);
        let moment = parse_moment(&self.at).ok_or_else(wrong)?;
        let slip = jiff::SignedDuration::from_secs((self.slip_days * 86_400.0) as i64);
        moment.checked_add(slip).map_err(|_| wrong())
    }

    /// Whether it happens in a trial; `luck` is the trial's key for launches.
    pub fn happens(&self, luck: Option<u64>) -> bool {
        match luck {
            // The name is the draw's: another launch moves none.
            Some(key) => random::keyed(key, [random::name(&self.name), 0]) < self.probability,
            None => self.probability >= 0.5,
        }
    }

    /// Multiplies the minutes of a month.
    pub(super) fn apply(&self, at: DateTime, month: Month, sessions: &mut [f64]) {
        let first = DateTime::from(month.first_day());
        let start = at.duration_since(first).as_secs_f64() / 60.0;
        let half_life = self.half_life_hours * 60.0;
        let lasts = self.rise_minutes - half_life * NEGLIGIBLE.log2();
        if start >= sessions.len() as f64 || start + lasts < 0.0 {
            return;
        }
        let from = start.max(0.0) as usize;
        let to = ((start + lasts).ceil() as usize).min(sessions.len());
        for (offset, value) in sessions[from..to].iter_mut().enumerate() {
            let since = (from + offset) as f64 - start;
            *value *= self.factor(since);
        }
    }

    /// Returns the factor on traffic so many minutes after the start.
    pub fn factor(&self, since: f64) -> f64 {
        // A launch on a second begins inside a minute, whose own moment lies before it.
        let share = if since < 0.0 {
            0.0
        } else if since < self.rise_minutes {
            since / self.rise_minutes
        } else {
            (-(since - self.rise_minutes) / (self.half_life_hours * 60.0)).exp2()
        };
        (1.0 + (self.peak - 1.0) * share).max(0.0)
    }
}

fn covers(season: &Season, day: &str) -> bool {
    let (from, to) = (&*season.from, &*season.to);
    if from <= to { from <= day && day <= to } else { from <= day || day <= to }
}

/// Multiplies the days of a month.
pub(super) fn apply_seasons(seasons: &[Season], month: Month, sessions: &mut [f64]) {
    if seasons.is_empty() {
        return;
    }
    for (index, minutes) in sessions.chunks_mut(MINUTES_PER_DAY).enumerate() {
        let day = format!("{:02}-{:02}", month.number(), index + 1);
        let factor: f64 = seasons.iter().filter(|s| covers(s, &day)).map(|s| s.factor).product();
        if (factor - 1.0).abs() > f64::EPSILON {
            for value in minutes {
                *value *= factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_rises_and_halves() {
        let event = Event {
            name: "launch".into(),
            at: "2027-01-10T12:00".into(),
            peak: 3.0,
            rise_minutes: 10.0,
            half_life_hours: 2.0,
            probability: 1.0,
            slip_days: 0.0,
        };
        let month: Month = "2027-01".parse().unwrap();
        let mut sessions = vec![1.0; month.minutes()];
        event.apply(event.moment().unwrap(), month, &mut sessions);
        let noon = 9 * 1440 + 720;
        assert!((sessions[noon - 1] - 1.0).abs() < 1e-12);
        assert!((sessions[noon + 5] - 2.0).abs() < 1e-12);
        assert!((sessions[noon + 10] - 3.0).abs() < 1e-12);
        assert!((sessions[noon + 130] - 2.0).abs() < 1e-12);
    }

    /// A launch at 17:00:30 without a rise: 17:00 is before it, 17:01 half a minute after it, and no minute
    /// of the month is lost.
    #[test]
    fn a_launch_on_a_second_leaves_its_own_minute_as_it_was() {
        let launch = |rise: f64| {
            let text = format!(
                "name = 'x'\nat = '2027-01-12T17:00:30'\npeak = 3\nrise_minutes = {rise}\nhalf_life_hours = 6"
            );
            let event: Event = toml::from_str(&text).unwrap();
            let month: Month = "2027-01".parse().unwrap();
            let mut sessions = vec![6.72; month.minutes()];
            event.apply(event.moment().unwrap(), month, &mut sessions);
            assert!(sessions.iter().all(|value| *value >= 6.72), "{rise}");
            let first = 11 * 1440 + 17 * 60;
            [sessions[first], sessions[first + 1]].map(|value| value / 6.72)
        };
        let after = |minutes: f64| 1.0 + 2.0 * 0.5_f64.powf(minutes / 360.0);
        let [before, next] = launch(0.0);
        assert!((before - 1.0).abs() < 1e-12 && (next - after(0.5)).abs() < 1e-12, "{next}");
        let [before, next] = launch(0.25);
        assert!((before - 1.0).abs() < 1e-12 && (next - after(0.25)).abs() < 1e-12, "{next}");
        let [before, next] = launch(2.0);
        assert!((before - 1.0).abs() < 1e-12 && (next - 1.5).abs() < 1e-12, "{next}");
    }

    #[test]
    fn an_event_of_last_month_still_shows() {
        let event = Event {
            name: "launch".into(),
            at: "2027-01-31T23:00".into(),
            peak: 2.0,
            rise_minutes: 0.0,
            half_life_hours: 1.0,
            probability: 1.0,
            slip_days: 0.0,
        };
        let mut sessions = vec![1.0; 1440];
        event.apply(event.moment().unwrap(), "2027-02".parse().unwrap(), &mut sessions);
        assert!((sessions[0] - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_launch_may_slip_or_not_happen() {
        let text = "name = 'x'\nat = '2027-01-10T12:00'\npeak = 2\nhalf_life_hours = 1\n\
            slip_days = 2.5\nprobability = 0.3";
        let event: Event = toml::from_str(text).unwrap();
        assert_eq!(event.moment().unwrap().to_string(), "2027-01-13T00:00:00");
        assert!(!event.happens(None));
        let often = (0..2000).filter(|key| event.happens(Some(*key))).count();
        assert!((540..660).contains(&often), "{often}"); // 600 ± 3 × 20.5
    }

    #[test]
    fn a_season_may_go_over_the_new_year() {
        let season =
            Season { name: "x".into(), from: "12-20".into(), to: "01-05".into(), factor: 2.0 };
        let mut january = vec![1.0; 31 * 1440];
        apply_seasons(&[season], "2027-01".parse().unwrap(), &mut january);
        assert!((january[4 * 1440] - 2.0).abs() < 1e-12);
        assert!((january[5 * 1440] - 1.0).abs() < 1e-12);
    }
}
