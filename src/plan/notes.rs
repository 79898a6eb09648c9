//! Notes on what the figures imply.

use std::collections::BTreeMap;

use super::MonthPlan;
use crate::{cluster::capacity::unused_resource, measure::units::Usd, money::rate::Rated};

/// What capacity reservations cost while no node uses them, over the whole plan.
pub(crate) fn reservations(months: &[MonthPlan], rated: &Rated) -> Vec<String> {
    /// Hours and list price of one reservation.
    #[derive(Default)]
    struct Sum {
        used: f64,
        unused: f64,
        cost: f64,
        what: String,
    }
    let mut sums: BTreeMap<(&str, &str), Sum> = BTreeMap::new();
    for month in months {
        for account in &month.accounts {
            for own in &account.capacity.reservations {
                let resource = unused_resource(&own.name);
                let entry = rated.entries.iter().find(|entry| {
                    entry.month == month.month
                        && entry.account == account.account
                        && entry.resource == resource
                });
                let charge = entry.map(|entry| &rated.charges[entry.charge]);
                let rate = charge.and_then(|charge| rated.prices[charge.price].steps.first());
                let sum = sums.entry((&account.account, &own.name)).or_default();
                sum.used += own.used_hours;
                sum.unused += own.unused_hours;
                sum.cost += own.unused_hours * rate.map_or(0.0, |step| step.price.to_f64());
                sum.what = format!("{} × {}", own.instances, own.instance_type);
            }
        }
    }
    let note = |((account, name), sum): (&(&str, &str), &Sum)| {
        let percent = 100.0 * sum.unused / (sum.used + sum.unused).max(f64::MIN_POSITIVE);
        format!(
            "{account}: capacity reservation {name} ({}): {:.0} instance-hours used and {:.0} unused ({percent:.0} %) over the plan; the unused ones cost ${:.2} at the on-demand rate, before commitments",
            sum.what, sum.used, sum.unused, sum.cost
        )
    };
    sums.iter().map(note).collect()
}

/// What Aurora costs an account in a month.
#[derive(Default)]
struct Aurora {
    io: Usd,
    all: Usd,
}

/// Notes on a rated plan; `crossover` is the I/O share above which I/O-Optimized pays.
pub(crate) fn find(rated: &Rated, crossover: f64) -> Vec<String> {
    let Some(last) = rated.entries.iter().map(|entry| entry.month).max() else { return Vec::new() };
    let mut accounts: BTreeMap<&str, Aurora> = BTreeMap::new();
    for entry in rated.entries.iter().filter(|entry| entry.month == last) {
        let kind = &*entry.key.usage_type;
        if entry.key.service != "AmazonRDS" || kind.contains("Optimized") {
            continue;
        }
        let own = accounts.entry(&entry.account).or_default();
        own.all += entry.cost;
        if kind == "Aurora:StorageIOUsage" {
            own.io += entry.cost;
        }
    }
    let note = |(account, aurora): (&&str, &Aurora)| {
        let share = aurora.io.to_f64() / aurora.all.to_f64();
        let advice = if share > crossover { "pays off" } else { "does not pay" };
        format!(
            "{account}: I/O is {:.0} % of the Standard Aurora bill in {last}; I/O-Optimized pays above about {:.0} %, so it {advice}",
            share * 100.0,
            crossover * 100.0
        )
    };
    accounts.iter().filter(|(_, aurora)| aurora.io > Usd::ZERO).map(note).collect()
}
