//! GitHub Actions: minutes by runner, each job rounded up, less the plan's included minutes.
//!
//! # Formula
//! ```text
//! minutes(job)           = runs a month × ceil(minutes of a run)
//! actions_minute:<runner> [minute] = Σ minutes − included, the included ones spent on standard runners in
//!                                   the order of the list
//! actions_storage [GB-day]  = max(0, artifacts − included) × days of the month
//! ```
//! # Source
//! GitHub Docs, "GitHub Actions billing": each job's time is rounded up to the whole minute; included minutes
//! serve standard runners of private repositories only; larger runners are always charged.
//! # Limits
//! The multipliers that older plans applied to Windows and macOS are ignored: the rates of 2026 carry the
//! difference.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Basis, Context, Demand, Finding, Meter, Metered, Service};

/// A job of the workflows.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Runner, `linux`, `linux_4_core`.
    pub runner: String,
    /// Runs a month.
    #[schemars(range(min = 0, max = 1e9))]
    pub runs_per_month: f64,
    /// Minutes of a run.
    #[schemars(range(min = 0, max = 4320))]
    pub minutes: f64,
}

/// Workflows of private repositories.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// GitHub plan: `Free (organisation)`, `Team`, `Enterprise Cloud`.
    pub plan: String,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Artifacts kept, the mean over the month \[GB\].
    #[serde(default)]
    #[schemars(range(min = 0, max = 1e9))]
    pub artifact_gb: f64,
}

impl Service for Spec {
    const KIND: &'static str = "github_actions";
    const ONCE: bool = true;
    const METERS: &'static [Meter<'static>] = &[
        Meter::new("GitHubActions", "actions_minute:*", ""),
        Meter::new("GitHubActions", "actions_storage:any", ""),
    ];

    fn check(&self, context: &Context<'_>) -> Vec<Finding> {
        let plans: Vec<&str> = context
            .catalog
            .github
            .iter()
            .filter(|known| known.item == "actions_included_minutes")
            .map(|known| &*known.plan)
            .collect();
        if plans.contains(&&*self.plan) {
            return Vec::new();
        }
        vec![Finding::new(
            "plan",
            format!("no plan {:?}; there are {}", self.plan, plans.join(", ")),
        )]
    }

    fn meter(&self, demand: &Demand<'_>) -> Metered {
        let included = |item: &str| {
            let mut known = demand.catalog.github.iter();
            let known = known.find(|known| known.item == item && known.plan == self.plan);
            known.map_or(0.0, |known| known.value)
        };
        let mut left = included("actions_included_minutes");
        let mut lines = Vec::new();
        for job in &self.jobs {
            let minutes = job.runs_per_month * job.minutes.ceil();
            let standard = demand.catalog.controllers.github.standard_runners.contains(&job.runner);
            let free = if standard { minutes.min(left) } else { 0.0 };
            left -= free;
            let why = Basis::new(
                "runs × ceil(minutes of a run) − included",
                &[
                    ("runs", job.runs_per_month, "runs"),
                    ("minutes of a run", job.minutes, "minutes"),
                    ("included minutes spent", free, "minutes"),
                ],
            );
            let usage_type = format!("actions_minute:{}", job.runner);
            let meter = Meter::new("GitHubActions", &usage_type, "");
            lines.push(demand.global_line(meter, "workflows", minutes - free, why));
        }
        let free = included("actions_included_storage");
        let days = demand.month.days() as f64;
        let why = Basis::new(
            "max(0, artifacts − included) × days of the month",
            &[("artifacts", self.artifact_gb, "GB"), ("included", free, "GB"), ("days", days, "")],
        );
        let kept = (self.artifact_gb - free).max(0.0) * days;
        lines.push(demand.global_line(Self::METERS[1], "artifacts", kept, why));
        lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    /// Team includes 3,000 minutes. 1,000 runs of 4.2 minutes are 5,000; 2,000 are charged at 0.006 = 12.
    /// A larger runner gets nothing of them: 10 × 3 × 0.012.
    #[test]
    fn jobs_round_up_and_included_minutes_go_to_standard_runners() {
        let fixture = Fixture::new("2027-04");
        let spec: Spec = toml::from_str(
            "plan = \"Team\"\njobs = [\n\
             { runner = \"linux_4_core\", runs_per_month = 10, minutes = 2.5 },\n\
             { runner = \"linux\", runs_per_month = 1000, minutes = 4.2 } ]",
        )
        .unwrap();
        let lines = Service::meter(&spec, &fixture.demand()).lines;
        assert_eq!(lines[0].quantity.get(), 30.0);
        assert_eq!(lines[1].quantity.get(), 2000.0);
        assert_eq!(fixture.price(&lines[0], 30.0), "0.36");
        assert_eq!(fixture.price(&lines[1], 2000.0), "12");
        // 12 GB, 2 of them included, for the 30 days of April: 300 GB-days × 0.008.
        let kept = Spec { artifact_gb: 12.0, ..spec.clone() };
        let lines = Service::meter(&kept, &fixture.demand()).lines;
        assert_eq!(lines[2].quantity.get(), 300.0);
        assert_eq!(fixture.price(&lines[2], 300.0), "2.4");
        assert!(Service::check(&spec, &fixture.context()).is_empty());
        let wrong = Spec { plan: "Teams".into(), jobs: vec![], artifact_gb: 0.0 };
        assert!(Service::check(&wrong, &fixture.context())[0].message.contains("Team"));
    }
}
