//! Schedules: five cron fields, and the moments at which they fire in a time zone.
//!
//! # Formula
//! ```text
//! a schedule fires in every minute whose date and time on the zone's clock match all fields
//! clocks go forward: what the clock never shows does not fire
//! clocks go back   : what the clock shows twice fires twice
//! ```
//! # Source
//! robfig/cron v3, which Kubernetes and KEDA use: `parser.go#ParseStandard`, `spec.go#Next`, commit
//! 07cfef3. It walks along real hours and minutes and compares what the clock shows.
//! # Limits
//! `@every` and the prefixes `TZ=` and `CRON_TZ=` are refused; Kubernetes refuses the prefixes, too.
//! Where a clock goes back by half an hour, robfig/cron steps over some minutes; here they fire.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};

use crate::{cluster::autoscale::Second, error::nearest};

/// Minutes of a day.
pub(super) const DAY: u32 = 24 * 60;

/// Five cron fields as bit sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Either of day and weekday has a star: then both must hold, otherwise one is enough.
    any_day: bool,
}

/// A bit above those of values, as robfig/cron keeps it: the field names `*` or `?` without a step above 1.
const STAR: u64 = 1 << 63;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads `0 9 * * mon-fri`, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    ///
    /// # Errors
    /// What is not a schedule, with the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expanded = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = *fields else {
            return Err(format!(
                "{text:?} is not a schedule; give five fields, minute hour day month weekday, or @daily"
            ));
        };
        let days = field("day", day, (1, 31), &[])?;
        let weekdays = field("weekday", weekday, (0, 6), &WEEKDAYS)?;
        Ok(Self {
            minutes: field("minute", minute, (0, 59), &[])?,
            hours: field("hour", hour, (0, 23), &[])?,
            days,
            months: field("month", month, (1, 12), &MONTHS)?,
            weekdays,
            any_day: (days | weekdays) & STAR != 0,
        })
    }

    fn on(&self, date: Date) -> bool {
        let has = |bits: u64, value: i8| bits & (1 << value) != 0;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let wanted = if self.any_day { day && weekday } else { day || weekday };
        has(self.months, date.month()) && wanted
    }

    /// Minutes of a day at which it fires.
    fn minutes_of_day(&self) -> impl Iterator<Item = u32> + '_ {
        let hours = (0..24).filter(|hour| self.hours & (1 << hour) != 0);
        hours.flat_map(move |hour| {
            let minutes = (0..60).filter(|minute| self.minutes & (1 << minute) != 0);
            minutes.map(move |minute| hour * 60 + minute)
        })
    }

    /// Whether it fired less than `duration_minutes` ago.
    pub fn active(&self, now: DateTime, duration_minutes: u32) -> bool {
        let back = i32::try_from(duration_minutes / DAY + 1).unwrap_or(i32::MAX);
        let Ok(first) = now.date().checked_sub(jiff::Span::new().days(back)) else { return false };
        let second_of_day =
            i64::from(now.hour()) * 3600 + i64::from(now.minute()) * 60 + i64::from(now.second());
        let at = i64::from(back) * 86_400 + second_of_day;
        let windows = self.windows(first, back as u32 + 1, duration_minutes);
        windows.iter().any(|(from, to)| i64::from(*from) <= at && at < i64::from(*to))
    }

    /// When it is active over days from `first` on (seconds since its midnight), merged and in order.
    pub(super) fn windows(
        &self,
        first: Date,
        days: u32,
        duration_minutes: u32,
    ) -> Vec<(Second, Second)> {
        let mut windows: Vec<(Second, Second)> = Vec::new();
        let mut date = first;
        for day in 0..days {
            if self.on(date) {
                for minute in self.minutes_of_day() {
                    let from = (day * DAY + minute) * 60;
                    let to = from.saturating_add(duration_minutes.saturating_mul(60));
                    match windows.last_mut() {
                        Some(last) if from <= last.1 => last.1 = last.1.max(to),
                        _ => windows.push((from, to)),
                    }
                }
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        windows
    }
}

/// One field: lists of values, ranges and steps, as bits, with [`STAR`] where robfig/cron sets its star bit.
fn field(what: &str, text: &str, (least, most): (u32, u32), names: &[&str]) -> Result<u64, String> {
    let wrong = || {
        format!(
            "{text:?} is not a {what} of a schedule; give {least} to {most}, *, a-b, a,b or */n"
        )
    };
    let value = |text: &str| -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(place) = names.iter().position(|name| *name == lower) {
            return Ok(place as u32 + least);
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value = text.parse::<u32>().ok().filter(|_| digits).ok_or_else(wrong)?;
        if (least..=most).contains(&value) { Ok(value) } else { Err(wrong()) }
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step = step.parse::<u32>().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
                (range, Some(step))
            }
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            // A single value with a step runs to the end of the field.
            None => (value(range)?, if step.is_some() { most } else { value(range)? }),
        };
        if from > to {
            return Err(wrong());
        }
        let step = step.unwrap_or(1);
        for at in (from..=to).step_by(step as usize) {
            bits |= 1_u64 << at;
        }
        if matches!(range, "*" | "?") && step == 1 {
            bits |= STAR;
        }
    }
    Ok(bits)
}

/// A schedule on the clock of a time zone, counted in seconds of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Clock {
    schedule: Schedule,
    zone: TimeZone,
    /// First day of the plan, whose midnight (UTC) is second 0.
    start: Date,
    /// Days of the plan.
    days: u32,
}

impl Clock {
    /// A schedule for a plan that begins at midnight (UTC) of `start` and lasts for `days`; in UTC without a
    /// time zone.
    ///
    /// # Errors
    /// A time zone that IANA does not list, with the nearest name.
    pub fn new(
        schedule: Schedule,
        time_zone: Option<&str>,
        (start, days): (Date, u32),
    ) -> Result<Self, String> {
        let zone = time_zone.map_or(Ok(TimeZone::UTC), time_zone_of)?;
        Ok(Self { schedule, zone, start, days })
    }

    /// Whether it fires on any day of the plan.
    pub fn fires(&self) -> bool {
        self.moments().next(self).is_some()
    }

    /// Its moments from the start of the plan on.
    pub fn moments(&self) -> Moments {
        // The zone's clock may be a day behind UTC.
        Moments { date: self.start.yesterday().ok(), day: Vec::new() }
    }

    /// Moments of a date on the zone's clock, the last first.
    fn moments_of(&self, date: Date, moments: &mut Vec<Second>) {
        if !self.schedule.on(date) {
            return;
        }
        let midnight = date.at(0, 0, 0, 0);
        for minute in self.schedule.minutes_of_day() {
            let (hour, minute) = ((minute / 60) as i8, (minute % 60) as i8);
            let Ok(shown) = midnight.with().hour(hour).minute(minute).build() else { continue };
            let mut add = |moment: Result<Timestamp, jiff::Error>| {
                let second = moment.ok().and_then(|moment| self.second_of(moment));
                moments.extend(second);
            };
            match self.zone.to_ambiguous_timestamp(shown).offset() {
                AmbiguousOffset::Unambiguous { offset } => add(offset.to_timestamp(shown)),
                AmbiguousOffset::Gap { .. } => {}
                AmbiguousOffset::Fold { before, after } => {
                    add(before.to_timestamp(shown));
                    add(after.to_timestamp(shown));
                }
            }
        }
        moments.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The second of the plan; `None` before its start.
    fn second_of(&self, moment: Timestamp) -> Option<Second> {
        let start = TimeZone::UTC.to_timestamp(self.start.at(0, 0, 0, 0)).ok()?;
        Second::try_from(moment.as_second() - start.as_second()).ok()
    }
}

/// Moments of a [`Clock`] that are still to come.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Moments {
    /// The next date to look at; `None` past the end of the plan.
    date: Option<Date>,
    /// Those of the date before it, the next one last.
    day: Vec<Second>,
}

impl Moments {
    /// Takes the next moment; `None` past the end of the plan.
    pub fn next(&mut self, clock: &Clock) -> Option<Second> {
        while self.day.is_empty() {
            let date = self.date?;
            clock.moments_of(date, &mut self.day);
            // A day more than the plan has, as the zone's clock may be behind.
            let since = (date - clock.start).get_days();
            let over = i64::from(since) > i64::from(clock.days);
            self.date = if over { None } else { date.tomorrow().ok() };
        }
        self.day.pop()
    }
}

fn time_zone_of(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> =
            jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
        let hint = nearest(name, known.iter().map(String::as_str));
        let hint = hint.map_or_else(
            || "give a name of IANA, \"America/Sao_Paulo\"".to_owned(),
            |near| format!("did you mean {near:?}?"),
        );
        format!("no time zone {name:?}; {hint}")
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in
            ["", "* * * *", "61 * * * *", "* * * * 7", "fri-mon * * * *", "*/0 * * * *", "@reboot"]
        {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }

    /// Moments of a plan as the hours and minutes of UTC.
    fn moments(schedule: &str, zone: &str, start: Date, days: u32) -> Vec<String> {
        let schedule = Schedule::parse(schedule).unwrap();
        let clock = Clock::new(schedule, Some(zone), (start, days)).unwrap();
        let mut moments = clock.moments();
        let mut all = Vec::new();
        while let Some(second) = moments.next(&clock) {
            if second < days * 86_400 {
                all.push(format!(
                    "{} {:02}:{:02}",
                    second / 86_400,
                    second / 3600 % 24,
                    second / 60 % 60
                ));
            }
        }
        all
    }

    /// New York, 2027: clocks go from 02:00 to 03:00 on 14 March and from 02:00 back to 01:00 on 7 November.
    /// robfig/cron says so itself: "jobs scheduled during daylight-savings leap-ahead transitions will not be
    /// run" (`doc.go`).
    #[test]
    fn clocks_that_go_forward_and_back_skip_and_repeat() {
        let zone = "America/New_York";
        let spring = moments("30 2 * * *", zone, date(2027, 3, 13), 3);
        assert_eq!(spring, ["0 07:30", "2 06:30"], "02:30 is not shown on the second day");
        let autumn = moments("30 1 * * *", zone, date(2027, 11, 6), 3);
        assert_eq!(autumn, ["0 05:30", "1 05:30", "1 06:30", "2 06:30"], "01:30 is shown twice");
        // Each real hour once, 24 a day, whatever the clock does.
        for start in [date(2027, 3, 13), date(2027, 11, 6)] {
            assert_eq!(moments("0 * * * *", zone, start, 3).len(), 72);
        }
        let minutes = moments("*/20 1 * * *", zone, date(2027, 11, 7), 1);
        assert_eq!(minutes, ["0 05:00", "0 05:20", "0 05:40", "0 06:00", "0 06:20", "0 06:40"]);
    }

    /// Tokyo is 9 hours ahead: its Monday begins on Sunday, UTC. 2027-01-01 is a Friday.
    #[test]
    fn days_are_those_of_the_zone() {
        assert_eq!(moments("0 8 * * mon", "Asia/Tokyo", date(2027, 1, 1), 7), ["2 23:00"]);
        // Los Angeles is 8 behind: 20:00 of the day before the plan begins is 04:00 of its first.
        let west = moments("0 20 * * *", "America/Los_Angeles", date(2027, 1, 1), 2);
        assert_eq!(west, ["0 04:00", "1 04:00"]);
        assert_eq!(moments("0 0 30 2 *", "UTC", date(2027, 1, 1), 365), [""; 0]);
    }

    #[test]
    fn an_unknown_time_zone_is_refused_with_the_nearest() {
        let schedule = Schedule::parse("@daily").unwrap();
        let wrong = Clock::new(schedule, Some("America/Sao_Paolo"), (date(2027, 1, 1), 1));
        assert_eq!(
            wrong.unwrap_err(),
            "no time zone \"America/Sao_Paolo\"; did you mean \"America/Sao_Paulo\"?"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_a_schedule_panic(text in "[0-9*/,a-z@? -]{0,24}") {
            let _ = Schedule::parse(&text);
        }
    }
}
