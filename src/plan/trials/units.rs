//! Unit economics: what a user and a request cost, one more of them, and what is left of revenue.
//!
//! # Formula
//! ```text
//! one more user = (cost with 5 % more users − cost) / users added; where a database changes its size in between,
//!                 the same with 5 % fewer: a step is a limit (`plan::limits`) and no part of the slope
//! ```

use super::{Gathered, figures};
use crate::{
    error::Error,
    plan::{
        MonthPlan, Plan,
        simulate::Prepared,
        spread::{Quantiles, Unit},
    },
};

/// Share of users that is added to see what one more costs.
const MORE_USERS: f64 = 0.05;

const MILLION: f64 = 1e6;

/// Returns the cost of one more user in each month; none where a size changes on both sides, or without users.
///
/// # Errors
/// As [`Prepared::run`].
pub(super) fn marginal(prepared: &Prepared<'_>, plan: &Plan) -> Result<Vec<Option<f64>>, Error> {
    let more = prepared.with_users(1.0 + MORE_USERS)?;
    let steps = plan.months.iter().zip(&more.months).any(|(own, more)| !same_sizes(own, more));
    let less = steps.then(|| prepared.with_users(1.0 / (1.0 + MORE_USERS))).transpose()?;
    let slope = |place: usize| {
        let month = &plan.months[place];
        let sides = [Some(&more), less.as_ref()].into_iter().flatten();
        let other = sides.map(|side| &side.months[place]).find(|other| same_sizes(month, other))?;
        let users = other.users - month.users;
        (users.abs() > 0.0).then(|| (other.cost - month.cost).to_f64() / users)
    };
    Ok((0..plan.months.len()).map(slope).collect())
}

/// Returns whether services chose the same sizes in two months.
fn same_sizes(own: &MonthPlan, other: &MonthPlan) -> bool {
    let choices = |month: &MonthPlan| {
        let all = month.accounts.iter().flat_map(|account| &account.choices);
        all.filter(|choice| choice.has_steps()).map(|own| own.choice.clone()).collect::<Vec<_>>()
    };
    choices(own) == choices(other)
}

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
