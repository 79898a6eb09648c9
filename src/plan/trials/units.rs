//! Unit economics: what a user and a request cost, one more of them, and what is left of revenue.

use super::{Gathered, figures};
use crate::plan::spread::{Quantiles, Unit};

/// Share of users that is added to see what one more costs.
pub(super) const MORE_USERS: f64 = 0.05;

const MILLION: f64 = 1e6;

pub(super) fn all(gathered: &Gathered<'_>) -> Vec<Unit> {
    (0..gathered.months.len()).map(|index| unit(gathered, index)).collect()
}

fn unit(gathered: &Gathered<'_>, index: usize) -> Unit {
    let settings = gathered.settings;
    let month = &gathered.plan.months[index];
    let cost = month.cost.to_f64();
    let ratio = |over: &dyn Fn(usize) -> f64, mid: f64| -> Quantiles<f64> {
        let of = |trial: usize| {
            let over = over(trial);
            if over > 0.0 { gathered.table.months[trial][index] / over } else { 0.0 }
        };
        let mid = if mid > 0.0 { cost / mid } else { 0.0 };
        figures(&gathered.table.column(of), mid).quantiles
    };
    let sample = |trial: usize| &gathered.samples[trial];
    let margin = |revenue: f64, cost: f64| if revenue > 0.0 { 1.0 - cost / revenue } else { 0.0 };
    let gross_margin = settings.revenue.as_ref().map(|mid| {
        let of = |trial: usize| {
            margin(sample(trial).revenue[index], gathered.table.months[trial][index])
        };
        figures(&gathered.table.column(of), margin(mid[index], cost)).quantiles
    });
    Unit {
        month: month.month,
        per_user: ratio(&|trial| sample(trial).users[index], month.users),
        per_million_requests: ratio(
            &|trial| sample(trial).requests[index] / MILLION,
            settings.requests[index] / MILLION,
        ),
        marginal_per_user: settings.marginal_per_user.get(index).copied().flatten(),
        gross_margin,
    }
}
