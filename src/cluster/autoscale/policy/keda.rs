//! Cron triggers of KEDA: their settings with every default filled in, and what contradicts in them.

use super::{Inputs, deployment::Report};
use crate::cluster::{
    autoscale::{
        cron::{Clock, Schedule},
        keda::{Trigger, Triggers},
    },
    workload::{self, job::CronTrigger},
};

/// Days after the plan in which a window's next end is looked for: as long as robfig/cron looks.
const FURTHER_DAYS: u32 = 5 * 366;

/// The least replicas of the autoscaler: the last pod is KEDA's to remove.
pub(super) fn least(hpa: &workload::Hpa, min_replicas: u32) -> u32 {
    if hpa.schedules.is_empty() { min_replicas } else { min_replicas.max(1) }
}

/// The triggers of an autoscaler, where it has some; what contradicts is reported.
pub(super) fn triggers(
    inputs: &Inputs<'_>,
    hpa: &workload::Hpa,
    report: &mut Report<'_>,
) -> Option<Triggers> {
    if hpa.schedules.is_empty() {
        return None;
    }
    let to_zero = hpa.min_replicas == Some(0) || hpa.keda.is_some();
    let mut triggers = Vec::new();
    for (index, given) in hpa.schedules.iter().enumerate() {
        match trigger(inputs, given) {
            Ok(trigger) => triggers.push(trigger),
            Err((key, message)) => report.add(&format!("hpa.schedules.{index}.{key}"), message),
        }
        if given.replicas > hpa.max_replicas {
            let most = hpa.max_replicas;
            let message = format!(
                "{} is above max_replicas ({most}), so it is never reached; give {most} or less",
                given.replicas
            );
            report.add(&format!("hpa.schedules.{index}.replicas"), message);
        }
    }
    if triggers.len() < hpa.schedules.len() {
        return None;
    }
    let facts = &inputs.catalog.controllers.keda;
    let cooldown = to_zero.then(|| {
        let given = hpa.keda.and_then(|keda| keda.cooldown_seconds);
        given.unwrap_or(facts.cooldown_seconds)
    });
    let seconds = inputs.days.saturating_mul(86_400);
    Some(Triggers::new(&triggers, seconds, (facts.replicas_outside, cooldown)))
}

fn trigger(inputs: &Inputs<'_>, given: &CronTrigger) -> Result<Trigger, (&'static str, String)> {
    let span = (inputs.start, inputs.days.saturating_add(FURTHER_DAYS));
    let clock = |key: &'static str, text: &str| {
        let schedule = Schedule::parse(text).map_err(|message| (key, message))?;
        Clock::new(schedule, given.time_zone.as_deref(), span)
            .map_err(|message| ("time_zone", message))
    };
    let (start, end) = (clock("start", &given.start)?, clock("end", &given.end)?);
    if start == end {
        let message = "is the same as start; KEDA needs two that differ".to_owned();
        return Err(("end", message));
    }
    Ok(Trigger { start, end, replicas: given.replicas })
}
