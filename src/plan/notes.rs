//! What the figures say beside themselves.

use std::collections::BTreeMap;

use crate::{rate::Rated, units::Usd};

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
