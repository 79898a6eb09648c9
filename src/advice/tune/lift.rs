//! What would meet the limits where no candidate does: each setting that could bind, raised or lowered alone.
//!
//! ```text
//! at fault   the workload with the most overloaded minutes, with today's settings
//! lifts      each pattern of models/tune.toml of that workload and of the node pools, value by value, until the
//!            limits are met in the unseen trials; a value is dropped as soon as it must miss them
//! ```

use serde::{Deserialize, Serialize};

use super::{
    archive::Archive,
    choose::paired,
    measure::{Estimate, Measures},
    search::{Effort, limits, ranked},
    space::{Dial, Space},
};
use crate::{error::Error, plan::simulate::Overload};

/// A setting that was moved alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lift {
    /// Its place in the scenario.
    pub key: String,
    /// Today's value.
    pub from: String,
    /// The first value that meets the limits, or the last that was tried.
    pub to: String,
    /// Added cost against today's settings, in USD a month.
    pub costs: Estimate,
    /// Unseen trials that the cost comes from, today's worst first: few where these alone miss a limit.
    #[serde(default)]
    pub trials: u32,
    /// Limits that it still misses, in words.
    pub misses: Vec<String>,
}

/// Why today's settings miss the limits, and what would meet them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The workload with the most overloaded minutes; its minutes are by month.
    pub overload: Overload,
    /// Limits that today's settings miss, in words.
    pub misses: Vec<String>,
    /// Settings that were moved alone: those that meet the limits first, each the cheapest first.
    pub lifts: Vec<Lift>,
}

/// Moves each dial alone until the limits are met; none if the watch stopped it.
///
/// # Errors
/// As [`Archive::ensure`].
pub fn lifts(
    archive: &mut Archive<'_>,
    (space, effort): (&Space, &Effort),
) -> Result<Option<Vec<Lift>>, Error> {
    let mut found = Vec::new();
    if !archive.begin(&|trial| effort.badness(trial), 0)? {
        return Ok(None);
    }
    for (place, dial) in space.dials.iter().enumerate() {
        let mut last = None;
        for value in values(dial) {
            let mut candidate = space.today();
            candidate[place] = value;
            let Some((lift, meets)) = lift(archive, (space, effort), (place, &candidate))? else {
                if archive.stopped {
                    return Ok(None);
                }
                continue;
            };
            last = Some(lift);
            if meets {
                break;
            }
        }
        found.extend(last);
    }
    found.sort_by(|a, b| {
        let order = (!a.misses.is_empty()).cmp(&!b.misses.is_empty());
        order.then(a.costs.mean.total_cmp(&b.costs.mean))
    });
    Ok(Some(found))
}

/// The values of a dial, the nearest to today's first.
fn values(dial: &Dial) -> Vec<u16> {
    let mut places: Vec<u16> =
        (0..dial.values.len() as u16).filter(|at| *at != dial.today).collect();
    places.sort_by_key(|at| at.abs_diff(dial.today));
    places
}

/// Runs one value in more and more trials; none if it contradicts the scenario, or if the watch stopped it.
fn lift(
    archive: &mut Archive<'_>,
    (space, effort): (&Space, &Effort),
    (place, candidate): (usize, &Vec<u16>),
) -> Result<Option<(Lift, bool)>, Error> {
    let all = archive.count();
    let mut trials = 2.min(all);
    loop {
        if !archive.ensure(std::slice::from_ref(candidate), trials)? {
            return Ok(None);
        }
        let (Some(own), Some(today)) =
            (archive.trials(candidate, trials), archive.trials(&space.today(), trials))
        else {
            return Ok(None);
        };
        let found = ranked(archive, space, effort, trials);
        let own_rank = found.iter().find(|own| own.candidate == *candidate);
        let fails = own_rank.is_none_or(|own| own.missed > 0.0);
        if fails || trials == all {
            let dial = &space.dials[place];
            let least = Measures::of(own, effort.length).at_least(trials as f64 / all as f64);
            let mut misses = limits(effort, today).broken(&least);
            if trials < all {
                for missed in &mut misses {
                    missed.insert_str(0, "at least ");
                }
            }
            let lift = Lift {
                key: dial.home.to_string(),
                from: dial.words(dial.today),
                to: dial.words(candidate[place]),
                costs: paired(own, today, effort.length.months, |of| of.cost),
                trials: trials as u32,
                misses: if fails { misses } else { Vec::new() },
            };
            return Ok(Some((lift, !fails)));
        }
        trials = (trials * 4).min(all);
    }
}
