//! A real load to replay: a CSV of time and rate.
//!
//! The header names the quantity: `sessions_per_minute`, or `requests_per_second`,
//! `requests_per_minute`, `requests_per_hour` of one class of requests.
//!
//! # Limits
//! A row holds until the next. Rows further apart than five minutes are joined by straight lines,
//! because a load does not jump on the hour.

use indexmap::IndexMap;
use jiff::civil::DateTime;

use crate::{
    demand::traffic::Class,
    error::{Error, Place, nearest},
    measure::series::{Gaps, Series, Words},
};

/// Rows further apart than this are joined by lines, in minutes.
const HOLD_MINUTES: f64 = 5.0;

/// More sessions a minute than any service has; beyond it lies a wrong unit.
const MOST_SESSIONS: f64 = 1e9;

/// What a column of rates may be called, and its rows per minute; of sessions or of requests.
const QUANTITIES: [(&str, f64, bool); 4] = [
    ("sessions_per_minute", 1.0, true),
    ("requests_per_second", 60.0, false),
    ("requests_per_minute", 1.0, false),
    ("requests_per_hour", 1.0 / 60.0, false),
];

/// A load to replay, in sessions a minute.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The file's name.
    pub file: String,
    series: Series,
    /// Sessions a minute for one unit of the series.
    factor: f64,
}

impl Replay {
    /// Reads a load file; `class` says which requests it counts where the scenario has several.
    ///
    /// # Errors
    /// A header that names no quantity, requests without a class, rows that are missing or wrong.
    pub fn parse(
        file: &str,
        text: &str,
        (classes, class): (&IndexMap<String, Class>, Option<&str>),
        gaps: Gaps,
    ) -> Result<Self, Error> {
        let header = text.trim_start_matches('\u{feff}').lines().next().unwrap_or("");
        let name = header.split(',').nth(1).map_or("", |name| name.trim().trim_matches('"'));
        let at = |message: String| Error::at(Place { line: Some(1), ..Place::file(file) }, message);
        let known = QUANTITIES.iter().find(|(known, ..)| *known == name);
        let Some((_, per_minute, sessions)) = known else {
            let names: Vec<&str> = QUANTITIES.iter().map(|(name, ..)| *name).collect();
            return Err(at(format!(
                "the header names no load: {header:?}; give `time,` and one of {}",
                names.join(", ")
            )));
        };
        let factor = if *sessions {
            *per_minute
        } else {
            per_minute / requests_per_session(classes, class).map_err(at)?
        };
        let columns = format!("time,{name}");
        let words = Words { columns: &columns, allow_gaps: "give --hold-gaps" };
        let series = Series::parse_as(file, text, gaps, words)?;
        let most = series.values.iter().copied().fold(0.0, f64::max);
        if most * factor > MOST_SESSIONS {
            let message = format!(
                "{most:e} {name} are {:e} sessions a minute; give at most {MOST_SESSIONS:e}",
                most * factor
            );
            return Err(Error::at(Place::file(file), message));
        }
        Ok(Self { file: file.to_owned(), series, factor })
    }

    /// When it begins.
    pub fn start(&self) -> DateTime {
        self.series.moments[0]
    }

    /// Ticks of `tick` seconds from its start to its end.
    pub fn ticks(&self, tick: u32) -> usize {
        let last = self
            .series
            .moments
            .last()
            .map_or(0.0, |moment| moment.duration_since(self.start()).as_secs_f64());
        let length = last + self.series.step_minutes * 60.0;
        (length / f64::from(tick)).floor() as usize
    }

    /// Sessions a minute at each of `ticks` of `tick` seconds from the start on, or up to its end.
    pub fn sessions(&self, tick: u32, ticks: Option<usize>) -> Vec<f64> {
        let seconds: Vec<f64> = self
            .series
            .moments
            .iter()
            .map(|moment| moment.duration_since(self.start()).as_secs_f64())
            .collect();
        let all = self.ticks(tick);
        let joined = self.series.step_minutes > HOLD_MINUTES;
        let mut row = 0;
        let values = &self.series.values;
        let at = |index: usize| {
            let now = index as f64 * f64::from(tick);
            while row + 1 < seconds.len() && seconds[row + 1] <= now {
                row += 1;
            }
            let value = match (joined, seconds.get(row + 1)) {
                (true, Some(next)) => {
                    let share = (now - seconds[row]) / (next - seconds[row]);
                    values[row] + (values[row + 1] - values[row]) * share
                }
                _ => values[row],
            };
            value * self.factor
        };
        (0..ticks.unwrap_or(all).min(all)).map(at).collect()
    }
}

fn requests_per_session(
    classes: &IndexMap<String, Class>,
    class: Option<&str>,
) -> Result<f64, String> {
    let names = || classes.keys().map(|name| &**name);
    let name = match class {
        Some(name) => name,
        None if classes.len() == 1 => names().next().unwrap_or(""),
        None => {
            let names: Vec<&str> = names().collect();
            return Err(format!(
                "requests of which class? give --class and one of {}",
                names.join(", ")
            ));
        }
    };
    let Some(class) = classes.get(name) else {
        let known: Vec<&str> = names().collect();
        return Err(match nearest(name, names()) {
            Some(near) => format!("no class named {name:?}; did you mean {near:?}?"),
            None => format!("no class named {name:?}; there are {}", known.join(", ")),
        });
    };
    if class.per_session > 0.0 {
        Ok(class.per_session)
    } else {
        Err(format!("class {name:?} has no requests per session"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn classes() -> IndexMap<String, Class> {
        let class = Class { per_session: 20.0, request_kib: 1.0, response_kib: 1.0, at_edge: None };
        IndexMap::from([("api".to_owned(), class)])
    }

    fn read(text: &str) -> Result<Replay, Error> {
        Replay::parse("load.csv", text, (&classes(), None), Gaps::Refuse)
    }

    /// 40 requests/s of 20 a session are 120 sessions a minute.
    #[test]
    fn minutes_hold_and_hours_are_joined() {
        let text = "time,requests_per_second\n2027-03-01T10:00,40\n2027-03-01T10:01,80\n";
        let replay = read(text).unwrap();
        let sessions = replay.sessions(15, None);
        assert_eq!(sessions.len(), 8);
        assert!((sessions[3] - 120.0).abs() < 1e-9 && (sessions[4] - 240.0).abs() < 1e-9);
        let text = "time,sessions_per_minute\n2027-03-01T10:00,0\n2027-03-01T11:00,60\n";
        let sessions = read(text).unwrap().sessions(60, Some(60));
        assert!((sessions[30] - 30.0).abs() < 1e-9 && sessions.len() == 60);
    }

    #[test]
    fn what_is_no_load_is_refused() {
        for (text, expected) in [
            ("time,value\n2027-03-01T10:00,1\n2027-03-01T10:01,1\n", "the header names no load"),
            ("2027-03-01T10:00,1\n2027-03-01T10:01,1\n", "the header names no load"),
            ("", "the header names no load"),
            (
                "time,requests_per_second\n2027-03-01T10:00,1e14\n2027-03-01T10:01,1\n",
                "sessions a minute; give at most 1e9",
            ),
            (
                "time,requests_per_second\n2027-03-01T10:00,1\n2027-03-01T10:01,1\n2027-03-01T10:02,1\n2027-03-01T10:09,1\n",
                "or give --hold-gaps",
            ),
            ("time,requests_per_hour\n", "0 rows of time,requests_per_hour; give 2 or more"),
        ] {
            let problem = read(text).unwrap_err().problems()[0].to_string();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(time,requests_per_second\n)?[0-9T:,.\n-]{0,80}") {
            if let Ok(replay) = read(&text) {
                let _ = replay.sessions(15, Some(100));
            }
        }
    }
}
