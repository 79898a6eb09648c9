//! The chance of exceeding a budget, when, and which input would change it most.
//!
//! The single change is searched among the inputs that the trials drew: the one whose lowest or highest
//! fifth exceeds the budget least often. It is the effect of knowing, or making, that input end there, all
//! else as uncertain as before; no trial is run again.

use super::{Gathered, influence::fifths};
use crate::{
    intent::budget::{Budget, Scope},
    measure::{calendar::Month, units::Usd},
    plan::{
        simulate::{Cost, Sample},
        spread::{Change, Outlook},
    },
};

/// A change is reported when it lowers the chance by this many standard errors or more.
const TOLD: f64 = 2.0;

pub(super) fn outlook(budget: &Budget, scope: &Scope, gathered: &Gathered<'_>) -> Outlook {
    let months = &gathered.months;
    let account = |name: &String| gathered.plan.accounts.iter().position(|a| a.name == *name);
    let account = budget.account.as_ref().and_then(account);
    let exceeded: Vec<Option<usize>> = (0..gathered.samples.len())
        .map(|trial| {
            let sample = &gathered.samples[trial];
            let costs = match account {
                _ if !scope.is_all() => &spent(sample, account, scope, months.len()),
                Some(place) => &gathered.table.accounts[trial][place],
                None => &gathered.table.months[trial],
            };
            budget.first_exceeded(months, costs, &sample.revenue)
        })
        .collect();
    let n = exceeded.len() as f64;
    let probability = exceeded.iter().flatten().count() as f64 / n;
    let by = |(place, month): (usize, &Month)| {
        let count = exceeded.iter().flatten().filter(|exceeded| **exceeded <= place).count();
        (*month, count as f64 / n)
    };
    Outlook {
        name: budget.name.clone(),
        period: budget.period,
        account: budget.account.clone(),
        scope: budget.scope_name(),
        amount: budget.amount,
        mid_case_exceeds_in: mid_case_exceeds_in((budget, scope), account, gathered),
        probability,
        standard_error: (probability * (1.0 - probability) / n).sqrt(),
        by_month: months.iter().enumerate().map(by).collect(),
        exceeded_by: when(&exceeded, months),
        change: change(&exceeded, probability, gathered),
    }
}

/// What of a trial's charges counts, month by month, in USD.
fn spent(sample: &Sample, account: Option<usize>, scope: &Scope, months: usize) -> Vec<f64> {
    let mut sums = vec![Usd::ZERO; months];
    let counts = |cost: &&Cost| {
        account.is_none_or(|place| cost.account as usize == place) && scope.counts(&cost.service)
    };
    for cost in sample.costs.iter().filter(counts) {
        sums[cost.month as usize] += cost.cost;
    }
    sums.into_iter().map(Usd::to_f64).collect()
}

fn mid_case_exceeds_in(
    (budget, scope): (&Budget, &Scope),
    account: Option<usize>,
    gathered: &Gathered<'_>,
) -> Option<Month> {
    let cost = |month: &crate::plan::MonthPlan| {
        let own = |(place, _): &(usize, _)| account.is_none_or(|account| account == *place);
        let accounts = month.accounts.iter().enumerate().filter(own);
        let charges = accounts.flat_map(|(_, account)| &account.services);
        let counted = charges.filter(|(service, _)| scope.counts(service));
        counted.map(|(_, cost)| *cost).sum::<Usd>().to_f64()
    };
    let costs: Vec<f64> = gathered.plan.months.iter().map(cost).collect();
    let place = budget.first_exceeded(
        &gathered.months,
        &costs,
        gathered.settings.revenue.as_deref().unwrap_or(&[]),
    )?;
    Some(gathered.months[place])
}

/// The months by which a tenth, half and nine tenths of the trials that exceed the budget have done so.
fn when(exceeded: &[Option<usize>], months: &[Month]) -> Option<[Month; 3]> {
    let mut places: Vec<usize> = exceeded.iter().flatten().copied().collect();
    places.sort_unstable();
    let last = places.len().checked_sub(1)?;
    Some([0.1, 0.5, 0.9].map(|p| months[places[(last as f64 * p).round() as usize]]))
}

fn change(exceeded: &[Option<usize>], probability: f64, gathered: &Gathered<'_>) -> Option<Change> {
    let mut best: Option<(f64, Change)> = None;
    for (place, input) in gathered.settings.drawn.iter().enumerate() {
        let values: Vec<f64> = gathered.samples.iter().map(|s| s.drawn[place]).collect();
        for (end, trials) in ["low", "high"].into_iter().zip(fifths(&values)) {
            if trials.len() == values.len() {
                continue;
            }
            let n = trials.len() as f64;
            let own = trials.iter().filter(|trial| exceeded[**trial].is_some()).count() as f64 / n;
            let of = trials.iter().map(|trial| values[*trial]);
            let bound = if end == "low" {
                of.fold(f64::MIN, f64::max)
            } else {
                of.fold(f64::MAX, f64::min)
            };
            let error = (probability * (1.0 - probability) / n).sqrt();
            let told = probability - own > TOLD * error;
            if told && best.as_ref().is_none_or(|(least, _)| own < *least) {
                let input = input.clone();
                best = Some((
                    own,
                    Change {
                        input,
                        end: end.into(),
                        bound,
                        probability: own,
                        trials: trials.len() as u32,
                    },
                ));
            }
        }
    }
    best.map(|(_, change)| change)
}
