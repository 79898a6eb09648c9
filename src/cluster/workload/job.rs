//! Settings with a calendar: `CronJobs`, Jobs, and the cron triggers of KEDA.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a run that is due while an earlier one still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// Both run.
    #[default]
    Allow,
    /// It waits for the earlier one to end; of several that wait, the latest runs.
    Forbid,
    /// It takes the place of the earlier one, whose pods end.
    Replace,
}

/// When pods of a `CronJob` or a Job run, and for how long (`batch/v1`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// When a cron-job runs: five cron fields, `*/5 * * * *`, or a name such as `@hourly` or `@daily`.
    pub schedule: Option<String>,
    /// Time zone of `schedule`, `America/Sao_Paulo`; default: UTC, as on EKS.
    pub time_zone: Option<String>,
    /// When a job runs, UTC: `2027-03-01T02:00`; default: the start of the plan.
    #[schemars(extend("format" = "moment"))]
    pub starts_at: Option<String>,
    /// Most pods of a run at once.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10_000))]
    pub parallelism: u32,
    /// Pods of a run that must end; default: `parallelism`.
    #[schemars(range(min = 1, max = 100_000))]
    pub completions: Option<u32>,
    /// Median seconds that a pod runs once it has started. A run takes up whole ticks of the plan.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub duration_seconds: u32,
    /// The same that 95 % of pods stay below; default: exactly `duration_seconds`.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub duration_p95_seconds: Option<u32>,
    /// What happens to a run that is due while an earlier one still runs.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// Seconds after its time at which a waiting run is given up; default: never.
    #[schemars(range(min = 0, max = 31_536_000))]
    pub starting_deadline_seconds: Option<u32>,
    /// Pods that may be lost to evictions before a run fails; default: the controller's.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub backoff_limit: Option<u32>,
    /// Whether no run begins.
    #[serde(default)]
    pub suspend: bool,
}

fn one() -> u32 {
    1
}

/// A cron trigger of KEDA: the replicas that it asks for from each `start` to the next `end`. Outside it asks
/// for one, so that the other metrics decide.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CronTrigger {
    /// When the window begins: five cron fields.
    pub start: String,
    /// When it ends: five cron fields.
    pub end: String,
    /// Time zone of both, `America/Sao_Paulo`; default: UTC.
    pub time_zone: Option<String>,
    /// Replicas within the window (`desiredReplicas`).
    #[schemars(range(min = 1, max = 100_000))]
    pub replicas: u32,
}
