//! What the reader should know before trusting a number.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::{
    cluster::capacity::{JobUse, QueueUse, WorkloadUse},
    demand::growth::fit::Fit,
    measure::calendar::Month,
    money::rate::{Beyond, PriceStep, PriceUsed, Rated},
    plan::MonthPlan,
};

/// Months after which a price is called old, counted to the plan's first month.
const OLD_MONTHS: i32 = 24;
/// Wait in a queue from which it is reported, in seconds.
const LONG_WAIT: f64 = 3600.0;
/// Share of unserved requests from which a workload is reported.
const UNSERVED_SHARE: f64 = 0.002;
/// Pod-hours without a node in a month from which a workload is reported.
const WAITING_POD_HOURS: f64 = 24.0;
/// Error of a fit at its last figure from which the plan's start is doubted, in percent.
const FIT_ERROR_PERCENT: f64 = 10.0;

/// Finds all warnings.
pub(crate) fn find(
    months: &[MonthPlan],
    rated: &Rated,
    fit: Option<&Fit>,
    residual_sigma: Option<f64>,
    noise: f64,
) -> Vec<String> {
    let mut warnings = Vec::new();
    capacity(months, &mut warnings);
    choices(months, &mut warnings);
    prices(months, &rated.prices, &mut warnings);
    warnings.extend(rated.beyond().iter().map(Beyond::to_string));
    if let Some(month) = months.iter().find(|month| month.users < 1.0) {
        warnings.push(format!("there are no users in {}; only fixed charges remain", month.month));
    }
    if let Some(fit) = fit.filter(|fit| fit.last_error_percent.abs() > FIT_ERROR_PERCENT) {
        warnings.push(format!(
            "the fitted growth curve is {:+.0} % off at the last known figure; the plan starts from the curve",
            fit.last_error_percent
        ));
    }
    if let Some(sigma) = residual_sigma.filter(|sigma| *sigma > 2.0 * noise) {
        warnings.push(format!(
            "the load series varies by {:.0} % around its weekly shape; traffic.noise is {:.0} %",
            sigma * 100.0,
            noise * 100.0
        ));
    }
    warnings
}

/// The worst month of each workload that could not serve all its load, and of pods left waiting.
fn capacity(months: &[MonthPlan], warnings: &mut Vec<String>) {
    let mut worst: BTreeMap<(&str, &str, bool), (f64, String)> = BTreeMap::new();
    for month in months {
        for account in &month.accounts {
            for used in &account.capacity.workloads {
                let share = used.unserved_requests / used.requests.max(1.0);
                let mut note = |waiting: bool, weight: f64, text: String| {
                    let key = (&*account.account, &*used.name, waiting);
                    let known = worst.entry(key).or_default();
                    if weight > known.0 {
                        *known = (weight, format!("{}: {text}", account.account));
                    }
                };
                if share > UNSERVED_SHARE {
                    note(false, share, unserved(used, share, month));
                }
                if let Some(queue) = used.queue.filter(|own| own.longest_wait_seconds > LONG_WAIT) {
                    let text = waiting(used, queue, month);
                    note(false, queue.longest_wait_seconds, text);
                }
                // Pods that wait for minutes are waiting for nodes on their way; hours are a limit.
                let pod_hours = used.pending_pod_minutes / 60.0;
                if pod_hours > WAITING_POD_HOURS {
                    let text = format!(
                        "pods of {} waited {pod_hours:.0} pod-hours for a node in {}; loosen the node pools or their limits",
                        used.name, month.month
                    );
                    note(true, pod_hours, text);
                }
            }
        }
    }
    warnings.extend(worst.into_values().map(|(_, text)| text));
    runs(months, warnings);
}

/// Runs of cron-jobs and jobs that did not go as their schedule has it, over the whole plan.
fn runs(months: &[MonthPlan], warnings: &mut Vec<String>) {
    let mut sums: BTreeMap<(&str, &str), JobUse> = BTreeMap::new();
    for account in months.iter().flat_map(|month| &month.accounts) {
        for used in &account.capacity.workloads {
            let Some(job) = &used.job else { continue };
            sums.entry((&*account.account, &*used.name)).or_default().add(job);
        }
    }
    for ((account, name), job) in sums {
        for (runs, what) in [
            (
                job.asleep,
                "are due while the account sleeps and do not begin; set always_on = true to run them",
            ),
            (
                job.missed,
                "never begin, as an earlier run is still running (Forbid); shorten the runs or run them less often",
            ),
            (
                job.too_many,
                "do not begin, as too many of its pods run or wait; shorten the runs, run them less often or set concurrency_policy",
            ),
            (
                job.failed,
                "fail, as more of their pods are evicted than backoff_limit; set do_not_disrupt = true",
            ),
        ] {
            if runs > 0 {
                warnings.push(format!(
                    "{account}: {name}: {} {what}",
                    count(runs as usize, "run", "runs")
                ));
            }
        }
        let (overlapping, began) = (job.overlapping, job.runs);
        if overlapping > began / 2 {
            warnings.push(format!(
                "{account}: {name}: {overlapping} of {began} runs begin while an earlier one is still running, so their pods add up; concurrency_policy sets what happens"
            ));
        }
    }
}

fn waiting(used: &WorkloadUse, queue: QueueUse, month: &MonthPlan) -> String {
    format!(
        "messages in the queue of {} waited up to {:.1} h in {} (most waiting: {:.0}): raise max_replicas or lower the target, unless they may wait",
        used.name,
        queue.longest_wait_seconds / 3600.0,
        month.month,
        queue.most_waiting
    )
}

fn unserved(used: &WorkloadUse, share: f64, month: &MonthPlan) -> String {
    let cause = if used.overloaded_at_most_minutes > used.overloaded_minutes / 2.0 {
        "max_replicas is reached; raise it"
    } else if used.overloaded_pending_minutes > used.overloaded_minutes / 2.0 {
        "pods have no node; loosen the node pools or their limits"
    } else {
        "replicas start too late; lower the target, raise min_replicas or shorten the startup"
    };
    format!(
        "{} does not serve {:.2} % of its requests in {} ({:.0} overloaded minutes): {cause}",
        used.name,
        share * 100.0,
        month.month,
        used.overloaded_minutes
    )
}

fn choices(months: &[MonthPlan], warnings: &mut Vec<String>) {
    let mut first: BTreeMap<(String, String), String> = BTreeMap::new();
    for month in months {
        for account in &month.accounts {
            for choice in account.choices.iter().filter(|choice| choice.warning) {
                let key = (account.account.clone(), choice.subject.clone());
                first.entry(key).or_insert_with(|| {
                    format!(
                        "{}: {} from {}: {}",
                        account.account, choice.subject, month.month, choice.reason
                    )
                });
            }
        }
    }
    warnings.extend(first.into_values());
}

fn prices(months: &[MonthPlan], prices: &[PriceUsed], warnings: &mut Vec<String>) {
    // A part that costs nothing is no estimate of a cost.
    let estimated =
        |step: &PriceStep| step.confidence == "derived" && !step.price.decimal().is_zero();
    let derived: Vec<&PriceUsed> =
        prices.iter().filter(|price| price.steps.iter().any(estimated)).collect();
    if !derived.is_empty() {
        warnings.push(format!(
            "{} estimated: {}",
            count(derived.len(), "price is", "prices are"),
            names(&derived)
        ));
    }
    let start = months.first().map(|month| month.month);
    warnings.extend(start.and_then(|start| old(start, prices)));
}

/// Returns the prices that are old or undated at the plan's start, the oldest first.
fn old(start: Month, prices: &[PriceUsed]) -> Option<String> {
    // The oldest step that counts; a price without a date may be of any age.
    let oldest = |price: &PriceUsed| -> Option<Option<Date>> {
        let dates = price.steps.iter().map(|step| {
            crate::measure::calendar::parse_moment(&step.as_of).map(jiff::civil::DateTime::date)
        });
        let is_old = |date: &Option<Date>| {
            date.and_then(Month::of).is_none_or(|month| start.since(month) >= OLD_MONTHS)
        };
        dates.filter(is_old).min_by_key(|date| (date.is_none(), *date))
    };
    let mut old: Vec<(Option<Date>, &PriceUsed)> =
        prices.iter().filter_map(|price| Some((oldest(price)?, price))).collect();
    old.sort_by_key(|(date, _)| (date.is_none(), *date));
    let (first, _) = old.first()?;
    let first = first.map_or(String::new(), |date| format!(", the oldest of {date}"));
    let prices: Vec<&PriceUsed> = old.iter().map(|(_, price)| *price).collect();
    Some(format!(
        "{} {OLD_MONTHS} months old or more, or undated, at the plan's start{first}: {}",
        count(prices.len(), "price is", "prices are"),
        names(&prices)
    ))
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn names(prices: &[&PriceUsed]) -> String {
    let mut names: Vec<String> =
        prices.iter().take(3).map(|price| price.billed_usage_type.clone()).collect();
    if prices.len() > names.len() {
        names.push(format!("and {} more", prices.len() - names.len()));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One warning for all of them, the oldest first and the undated last; a price of last year is none of them.
    #[test]
    fn old_prices_are_one_warning_that_names_the_oldest() {
        let price = |name: &str, dates: &[&str]| -> PriceUsed {
            let steps: Vec<_> = dates
                .iter()
                .map(|date| {
                    serde_json::json!({
                        "from": "0", "to": null, "price": "1", "as_of": date, "source": "s",
                        "confidence": "exact", "note": "",
                    })
                })
                .collect();
            let key = serde_json::json!({
                "service": "S", "region": "r", "usage_type": name, "operation": "",
            });
            serde_json::from_value(serde_json::json!({
                "key": key, "billed_usage_type": name, "cost_explorer_service": "S", "unit": "Hrs",
                "steps": steps,
            }))
            .unwrap()
        };
        let start: Month = "2027-01".parse().unwrap();
        let all = [
            price("undated", &[""]),
            price("new", &["2026-06-01"]),
            price("year", &["2024"]),
            price("steps", &["2026-06-01", "2021-07-14"]),
        ];
        assert_eq!(
            old(start, &all).unwrap(),
            "3 prices are 24 months old or more, or undated, at the plan's start, the oldest of 2021-07-14: steps, year, undated"
        );
        assert_eq!(
            old(start, &all[..1]).unwrap(),
            "1 price is 24 months old or more, or undated, at the plan's start: undated"
        );
        assert_eq!(old(start, &all[1..2]), None);
    }
}
