//! Cron-jobs and jobs as a table of the terminal.

use comfy_table::Table;

use crate::cluster::capacity::JobUse;
use crate::{page::number::grouped, write::terminal::table};

/// Runs, their pods and how late they began.
pub(super) fn jobs(all: &[(String, JobUse)]) -> Table {
    let header = [
        "",
        "Runs",
        "Completed",
        "Failed or replaced",
        "Not begun",
        "Pod-hours",
        "Mean delay s",
        "Longest s",
        "Evicted pods",
    ];
    let mut rows = table(&header, 1);
    for (name, job) in all {
        rows.add_row(vec![
            name.clone(),
            job.runs.to_string(),
            job.completed.to_string(),
            (job.failed + job.replaced).to_string(),
            job.not_begun().to_string(),
            grouped(job.pod_hours, 1),
            grouped(job.mean_delay_seconds, 0),
            job.most_delay_seconds.to_string(),
            job.lost_pods.to_string(),
        ]);
    }
    rows
}
