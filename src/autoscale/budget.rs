//! Disruption budgets: how many nodes of a pool may be disrupted now.
//!
//! # Formula
//! ```text
//! allowed = min over active budgets that name the reason or none of
//!           value, or ceil(percent × initialized nodes)          less nodes not ready or leaving
//! active  : a scheduled time t with  now − duration < t ≤ now
//! ```
//! # Source
//! kubernetes-sigs/karpenter `pkg/apis/v1/nodepool.go#GetAllowedDisruptionsByReason`, `#IsActive`;
//! schedules as robfig/cron v3 reads them (`ParseStandard`), in UTC.

use jiff::civil::{Date, DateTime};

use super::settings::{self, DisruptionReason};
use crate::autoscale::Second;

/// Minutes of a day.
const DAY: u32 = 24 * 60;

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

/// A bit beside those of values, as robfig/cron keeps it: the field names `*` or `?` without a step above 1.
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

    /// When it is active over days from `first` on [seconds since its midnight], merged and in order.
    fn windows(&self, first: Date, days: u32, duration_minutes: u32) -> Vec<(Second, Second)> {
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

/// How many nodes a budget allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// A number.
    Count(u32),
    /// A percentage of the pool, rounded up.
    Percent(u32),
}

impl Nodes {
    /// Reads `"5"` or `"10%"`.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a number of nodes; give \"5\" or \"10%\"");
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|percent| *percent <= 100);
            return percent.map(Self::Percent).ok_or_else(wrong);
        }
        text.parse().map(Self::Count).map_err(|_| wrong())
    }

    fn of(self, nodes: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (nodes * percent).div_ceil(100),
        }
    }
}

/// A budget, read and ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    nodes: Nodes,
    /// Reasons it is for; all when empty.
    reasons: Vec<DisruptionReason>,
    /// When it holds; always without.
    windows: Option<Vec<(Second, Second)>>,
}

impl Budget {
    /// Reads a budget for a plan that begins at midnight of `start` and lasts for `days`.
    ///
    /// # Errors
    /// What the field does not take, with its name.
    pub fn new(
        settings: &settings::Budget,
        start: Date,
        days: u32,
    ) -> Result<Self, (&'static str, String)> {
        let nodes = Nodes::parse(&settings.nodes).map_err(|message| ("nodes", message))?;
        let windows = match (&settings.schedule, settings.duration_minutes) {
            (None, None) => None,
            (Some(schedule), Some(minutes)) => {
                let schedule =
                    Schedule::parse(schedule).map_err(|message| ("schedule", message))?;
                Some(from_before(&schedule, start, days, minutes))
            }
            (Some(_), None) => {
                return Err(("duration_minutes", "a schedule needs a duration".into()));
            }
            (None, Some(_)) => return Err(("schedule", "a duration needs a schedule".into())),
        };
        Ok(Self { nodes, reasons: settings.reasons.clone(), windows })
    }

    /// Whether it holds now, for this reason.
    fn binds(&self, now: Second, reason: DisruptionReason) -> bool {
        let named = self.reasons.is_empty() || self.reasons.contains(&reason);
        let active = self.windows.as_ref().is_none_or(|windows| {
            let next = windows.partition_point(|(from, _)| *from <= now);
            next > 0 && now < windows[next - 1].1
        });
        named && active
    }

    /// Whether it holds only at times.
    pub fn is_scheduled(&self) -> bool {
        self.windows.is_some()
    }
}

/// Windows from `start` on, with those that began before it and still hold.
fn from_before(schedule: &Schedule, start: Date, days: u32, minutes: u32) -> Vec<(Second, Second)> {
    let lead = (minutes / DAY + 1).min(400);
    let first = start.checked_sub(jiff::Span::new().days(i64::from(lead))).unwrap_or(start);
    let shift = lead * DAY * 60;
    let windows = schedule.windows(first, days + lead, minutes).into_iter();
    windows
        .filter(|(_, to)| *to > shift)
        .map(|(from, to)| (from.saturating_sub(shift), to - shift))
        .collect()
}

/// Nodes of a pool as a budget counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolNodes {
    /// Initialized, whether ready or leaving or not.
    pub initialized: u32,
    /// Of these not ready or leaving.
    pub unavailable: u32,
}

/// How many more nodes may be disrupted for a reason; `None` is without limit.
pub fn allowed(
    budgets: &[Budget],
    nodes: PoolNodes,
    now: Second,
    reason: DisruptionReason,
) -> Option<u32> {
    let binding = budgets.iter().filter(|budget| budget.binds(now, reason));
    let least = binding.map(|budget| budget.nodes.of(nodes.initialized)).min()?;
    Some(least.saturating_sub(nodes.unavailable))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in
            ["", "* * * *", "61 * * * *", "* * * * 7", "fri-mon * * * *", "*/0 * * * *", "@reboot"]
        {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
        assert!(Nodes::parse("ten").is_err() && Nodes::parse("101%").is_err());
    }

    /// Working hours of a week that begins on a Friday.
    #[test]
    fn a_schedule_holds_in_its_windows() {
        let settings = settings::Budget {
            nodes: "0".into(),
            reasons: vec![],
            schedule: Some("0 9 * * mon-fri".into()),
            duration_minutes: Some(480),
        };
        let budget = Budget::new(&settings, jiff::civil::date(2027, 1, 1), 7).unwrap();
        let allowed = |hour: u32| {
            let nodes = PoolNodes { initialized: 10, unavailable: 0 };
            allowed(std::slice::from_ref(&budget), nodes, hour * 3600, DisruptionReason::Empty)
        };
        assert_eq!([8, 9, 16, 17, 33].map(allowed), [None, Some(0), Some(0), None, None]);
        assert_eq!(allowed(3 * 24 + 10), Some(0), "Monday");
    }

    proptest! {
        #[test]
        fn no_text_makes_a_schedule_panic(text in "[0-9*/,a-z@? -]{0,24}") {
            let _ = Schedule::parse(&text);
        }
    }
}
