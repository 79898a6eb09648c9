//! Cron-jobs and jobs: their settings with every default filled in, and what contradicts in them.

use super::{Inputs, deployment::Report};
use crate::measure::random::Lognormal;
use crate::{
    cluster::{
        autoscale::{
            Second,
            cron::{Clock, Schedule},
            job::{Job, Starts},
        },
        workload::{Kind, Workload, job as settings},
    },
    measure::calendar,
};

/// The rules of a cron-job or a job; none for other kinds. What it cannot have is reported.
pub(super) fn rules(
    inputs: &Inputs<'_>,
    workload: &Workload,
    report: &mut Report<'_>,
) -> Option<Job> {
    let kind = workload.kind;
    let Some(given) = &workload.job else {
        if kind.is_job() {
            let when = match kind {
                Kind::CronJob => "schedule = \"0 2 * * *\"",
                _ => "starts_at = \"2027-03-01T02:00\"",
            };
            let message = format!(
                "is missing; set when it runs and for how long: job = {{ {when}, duration_seconds = 600 }}"
            );
            report.add("job", message);
        }
        return None;
    };
    if !kind.is_job() {
        let message = "only a cron-job or a job has it; set kind = \"cron-job\", or remove it";
        report.add("job", message.into());
        return None;
    }
    let has = [
        ("replicas", workload.replicas.is_some(), "job.parallelism sets its pods"),
        ("hpa", workload.hpa.is_some(), "job.parallelism sets its pods"),
        ("calls_per", !workload.calls_per.is_empty(), "its pods serve no requests"),
    ];
    for (key, _, why) in has.iter().filter(|(_, given, _)| *given) {
        report.add(key, format!("a workload of this kind cannot have it: {why}; remove it"));
    }
    check(given, kind, report);
    let starts = starts(inputs, given, kind, report)?;
    let facts = &inputs.catalog.controllers.jobs;
    let seconds = f64::from(given.duration_seconds);
    let p95 = given.duration_p95_seconds.map_or(seconds, f64::from);
    Some(Job {
        starts,
        parallelism: given.parallelism,
        completions: given.completions.unwrap_or(given.parallelism),
        duration: Lognormal::from_p95(seconds, p95),
        concurrency: given.concurrency_policy,
        starting_deadline: given.starting_deadline_seconds,
        backoff_limit: given.backoff_limit.unwrap_or(facts.backoff_limit),
        most_pods: facts.most_pods,
    })
}

/// Keys that contradict each other, and those that this kind does not have.
fn check(given: &settings::Job, kind: Kind, report: &mut Report<'_>) {
    if let Some(p95) = given.duration_p95_seconds.filter(|p95| *p95 < given.duration_seconds) {
        let least = given.duration_seconds;
        let message =
            format!("{p95} is below duration_seconds ({least}), the median; give {least} or more");
        report.add("job.duration_p95_seconds", message);
    }
    let forbids = given.concurrency_policy == settings::ConcurrencyPolicy::Forbid;
    if given.starting_deadline_seconds.is_some() && !forbids {
        let message = "changes nothing without concurrency_policy = \"Forbid\": no other policy delays runs; remove it";
        report.add("job.starting_deadline_seconds", message.into());
    }
    let of_other = match kind {
        Kind::CronJob => {
            vec![("starts_at", given.starts_at.is_some(), "a cron-job begins by its schedule")]
        }
        _ => vec![
            ("schedule", given.schedule.is_some(), "a job runs once; set kind = \"cron-job\""),
            ("time_zone", given.time_zone.is_some(), "starts_at is in UTC"),
            (
                "concurrency_policy",
                given.concurrency_policy != settings::ConcurrencyPolicy::Allow,
                "a job runs once",
            ),
        ],
    };
    for (key, _, why) in of_other.into_iter().filter(|(_, given, _)| *given) {
        report.add(&format!("job.{key}"), format!("{why}; remove it"));
    }
}

/// When it begins; `None` once a problem was reported.
fn starts(
    inputs: &Inputs<'_>,
    given: &settings::Job,
    kind: Kind,
    report: &mut Report<'_>,
) -> Option<Starts> {
    let starts = if kind == Kind::CronJob {
        let Some(text) = &given.schedule else {
            let message = "is missing; give five cron fields, \"0 2 * * *\", or \"@daily\"";
            report.add("job.schedule", message.into());
            return None;
        };
        let schedule = Schedule::parse(text).map_err(|message| ("schedule", message));
        let span = (inputs.start, inputs.days);
        let clock = schedule.and_then(|schedule| {
            Clock::new(schedule, given.time_zone.as_deref(), span).map_err(|m| ("time_zone", m))
        });
        match clock {
            Ok(clock) if clock.fires() => Starts::Schedule(clock),
            Ok(_) => Starts::Never("its schedule fires on no day of the plan"),
            Err((key, message)) => {
                report.add(&format!("job.{key}"), message);
                return None;
            }
        }
    } else {
        let Some(text) = &given.starts_at else {
            report.add(
                "job.starts_at",
                "is missing; give a time in UTC, \"2027-03-01T02:00\"".into(),
            );
            return None;
        };
        let at = calendar::parse_moment(text)?;
        let since = at.duration_since(inputs.start.at(0, 0, 0, 0)).as_secs();
        match Second::try_from(since) {
            Ok(second) if second < inputs.days.saturating_mul(86_400) => Starts::Once(second),
            _ => Starts::Never("its starts_at is outside the time that is simulated"),
        }
    };
    Some(if given.suspend { Starts::Never("it is suspended") } else { starts })
}
