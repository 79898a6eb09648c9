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
//! schedules as [`super::cron`] reads them, in UTC.

use jiff::civil::Date;

use super::{
    Second,
    cron::{DAY, Schedule},
    settings::{self, DisruptionReason},
};

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

    fn allowed_of(self, nodes: u32) -> u32 {
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
    let least = binding.map(|budget| budget.nodes.allowed_of(nodes.initialized)).min()?;
    Some(least.saturating_sub(nodes.unavailable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_nodes_is_refused() {
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
}
