//! `CronJobs` and Jobs as workloads that run to their end.
//!
//! # Source
//! Kubernetes API reference, `batch/v1`: `CronJobSpec` (`schedule`, `timeZone`, `concurrencyPolicy`,
//! `startingDeadlineSeconds`, `suspend`), `JobSpec` (`parallelism`, `completions`, `backoffLimit`,
//! `activeDeadlineSeconds`).
//! # Limits
//! How long a pod runs is in no manifest: it is an assumption. When a Job runs is in none either: it begins with the
//! plan.

use serde_json::{Value, json};
use toml_edit::InlineTable;

use super::{
    Notes, demand,
    documents::{Object, text},
    value::{Line, leftover, whole},
};
use crate::{
    cluster::autoscale::cron::{Clock, Schedule},
    manifest::JobFacts,
};

/// Days in which the shortest time between two runs is looked for.
const DAYS: u32 = 32;
/// Maximum number of runs that are checked for it.
const MOST_RUNS: usize = 200;

/// Returns whether an object is a `CronJob` or a Job.
pub(super) fn is_job(kind: &str) -> bool {
    matches!(kind, "CronJob" | "Job")
}

/// Returns the object with the template of its pods where workloads have it, and what is around it in `cron` and
/// `run`; `None`, with a note, where its schedule cannot be read.
pub(super) fn lifted(object: &Object, notes: &mut Notes) -> Option<Object> {
    let value = |pointer: &str| object.at(pointer).cloned().unwrap_or(Value::Null);
    let (run, cron) = if object.kind == "CronJob" {
        (value("/spec/jobTemplate/spec"), value("/spec"))
    } else {
        (value("/spec"), Value::Null)
    };
    let template = run.get("template").cloned().unwrap_or(Value::Null);
    let body = json!({
        "metadata": value("/metadata"),
        "spec": { "template": template },
        "run": run,
        "cron": cron,
    });
    if object.kind == "CronJob"
        && let Err((field, message)) = clock(&object.with(body.clone()))
    {
        notes.field(object, field, &format!("{message}; the plan has no run of it"));
        demand::pods(object, notes);
        return None;
    }
    Some(object.with(body))
}

/// Returns the clock of a `CronJob`.
fn clock(object: &Object) -> Result<Clock, (&'static str, String)> {
    let given = text(&object.body, "/cron/schedule").unwrap_or_default();
    let schedule = Schedule::parse(given).map_err(|message| ("spec.schedule", message))?;
    let span = (jiff::civil::date(2027, 1, 1), DAYS);
    Clock::new(schedule, text(&object.body, "/cron/timeZone"), span)
        .map_err(|message| ("spec.timeZone", message))
}

/// Returns the `job` of a workload; a Job's `starts_at` follows once the plan's start is known.
pub(super) fn line(
    object: &Object,
    (facts, ignored): (&JobFacts, &[String]),
    notes: &mut Notes,
) -> Line {
    let is_cron = object.kind == "CronJob";
    let run_path = if is_cron { "spec.jobTemplate.spec" } else { "spec" };
    let mut table = InlineTable::new();
    for (field, key) in [("schedule", "schedule"), ("timeZone", "time_zone")] {
        if let Some(given) = text(&object.body, &format!("/cron/{field}")) {
            table.insert(key, given.into());
        }
    }
    let mut number = |field: &str, key: &str, bounds: (u32, u32)| {
        let place = format!("{run_path}.{field}");
        let given = object.at(&format!("/run/{field}"))?;
        let number = whole(object, (&place, given), bounds, notes)?;
        table.insert(key, i64::from(number).into());
        Some(())
    };
    number("parallelism", "parallelism", (1, 10_000));
    number("completions", "completions", (1, 100_000));
    number("backoffLimit", "backoff_limit", (0, 1_000_000));
    let policy = text(&object.body, "/cron/concurrencyPolicy").unwrap_or("Allow");
    if matches!(policy, "Forbid" | "Replace") {
        table.insert("concurrency_policy", policy.into());
    }
    if let Some(given) = object.at("/cron/startingDeadlineSeconds").filter(|_| policy == "Forbid") {
        let place = "spec.startingDeadlineSeconds";
        if let Some(seconds) = whole(object, (place, given), (0, 31_536_000), notes) {
            table.insert("starting_deadline_seconds", i64::from(seconds).into());
        }
    }
    let suspended = ["/cron/suspend", "/run/suspend"];
    if suspended.iter().any(|pointer| object.at(pointer) == Some(&Value::Bool(true))) {
        table.insert("suspend", true.into());
        notes.field(object, "spec.suspend", "no run of it is planned while it is suspended");
    }
    let (seconds, why) = duration(object, facts);
    table.insert("duration_seconds", i64::from(seconds).into());
    let message = format!(
        "no manifest states how long a pod runs: {seconds} seconds are assumed ({why}). Set job.duration_seconds to what you measure"
    );
    notes.field(object, "", &message);
    unread(object, ignored, notes);
    let why = format!("{}; duration_seconds is an assumption: {why}", object.label());
    Line::new("job", table, &why)
}

fn unread(object: &Object, ignored: &[String], notes: &mut Notes) {
    let run = [
        "template",
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "suspend",
    ];
    let cron = [
        "schedule",
        "timeZone",
        "concurrencyPolicy",
        "startingDeadlineSeconds",
        "suspend",
        "jobTemplate",
    ];
    leftover(object, ("/run", &run), ignored, notes);
    leftover(object, ("/cron", &cron), ignored, notes);
}

/// Returns seconds that a pod is assumed to run, and by what: never more than fit between two runs.
fn duration(object: &Object, facts: &JobFacts) -> (u32, String) {
    let deadline = object.at("/run/activeDeadlineSeconds").and_then(Value::as_u64);
    let deadline = deadline.and_then(|seconds| u32::try_from(seconds).ok());
    let share = |seconds: u32, share: f64| (f64::from(seconds) * share).round().max(1.0) as u32;
    let percent = |share: f64| (share * 100.0).round();
    let (seconds, why) = match deadline {
        Some(deadline) => (
            share(deadline, facts.share_of_deadline),
            format!("{:.0} % of activeDeadlineSeconds", percent(facts.share_of_deadline)),
        ),
        None => (facts.duration_seconds, "a usual time".to_owned()),
    };
    let between = clock(object).ok().and_then(|clock| shortest(&clock));
    match between.map(|between| share(between, facts.share_of_interval)) {
        Some(most) if most < seconds => {
            (most, format!("{:.0} % of the time between runs", percent(facts.share_of_interval)))
        }
        _ => (seconds, why),
    }
}

/// Returns the shortest time between two of the next runs.
fn shortest(clock: &Clock) -> Option<u32> {
    let mut moments = clock.moments();
    let all: Vec<u32> = std::iter::from_fn(|| moments.next(clock)).take(MOST_RUNS).collect();
    all.windows(2).map(|pair| pair[1] - pair[0]).filter(|between| *between > 0).min()
}
