//! The recommended point, and the effect of each of its changes.
//!
//! ```text
//! recommended  the cheapest that meets the set limits and is no worse than today in the other terms
//! fewer        a change that can be taken back for less than 0.05 % of today's cost, without harm, is
//! why          each change taken back alone: what the cost and the risk would be without it
//! ```
//! Changes that help each other each seem to buy what they buy together; so what each buys alone need not add
//! up to the whole.

use serde::{Deserialize, Serialize};

use super::{
    archive::Archive,
    measure::{Estimate, Measures},
    rank::{Ranked, by_cost},
    search::{Effort, ranked},
    space::{Candidate, Space},
};
use crate::{error::Error, plan::simulate::Judged};

/// Share of today's cost below which a change saves nothing.
pub(super) const NOTHING: f64 = 0.0005;

/// Effect of one changed knob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The knob.
    pub key: String,
    /// Its place in the scenario.
    pub stands: String,
    /// Today's value.
    pub from: String,
    /// The recommended value.
    pub to: String,
    /// Its saving, all else as recommended, in USD a month; negative if it costs more.
    pub saves: Estimate,
    /// Added late minutes, all else as recommended (a month); negative if it removes some.
    pub adds_late_minutes: Estimate,
    /// Added evictions (a day).
    pub adds_evictions: f64,
    /// Limits that would be missed without it.
    pub without_it: Vec<String>,
}

/// Returns differences, trial by trial, of a candidate to another, by month.
pub fn paired(own: &[Judged], other: &[Judged], months: f64, of: fn(&Judged) -> f64) -> Estimate {
    let both = own.iter().zip(other);
    Estimate::of(&both.map(|(own, other)| (of(own) - of(other)) / months).collect::<Vec<f64>>())
}

/// Returns the recommended point, without changes that do not pay; today's settings if nothing is better; none if the
/// watch stopped it.
///
/// # Errors
/// As [`Archive::ensure`].
pub fn choose(
    archive: &mut Archive<'_>,
    space: &Space,
    effort: &Effort,
) -> Result<Option<Candidate>, Error> {
    let today = space.today();
    let all = ranked(archive, space, effort, effort.trials);
    let Some(best) = by_cost(&all).first().map(|place| all[*place].candidate.clone()) else {
        return Ok(None);
    };
    let cost = |candidate: &[u16], archive: &Archive<'_>| {
        let judged = archive.trials(candidate, effort.trials);
        judged.map(|judged| Measures::of(judged, effort.length).cost_per_month)
    };
    let Some(nothing) = cost(&today, archive).map(|cost| NOTHING * cost) else { return Ok(None) };
    let mut best = best;
    loop {
        let without = without(&best, &today);
        let less: Vec<Candidate> = without.into_iter().map(|(_, candidate)| candidate).collect();
        if !archive.ensure(&less, effort.trials)? {
            return Ok(None);
        }
        let all = ranked(archive, space, effort, effort.trials);
        let find = |candidate: &Candidate| all.iter().find(|own| own.candidate == *candidate);
        let Some(own) = find(&best) else { return Ok(None) };
        let harmless = |other: &&Ranked| {
            other.worse <= own.worse
                && other.measures.cost_per_month <= own.measures.cost_per_month + nothing
        };
        let cheapest = less
            .iter()
            .filter_map(find)
            .filter(harmless)
            .min_by(|a, b| a.measures.cost_per_month.total_cmp(&b.measures.cost_per_month));
        match cheapest {
            Some(next) => best.clone_from(&next.candidate),
            None => return Ok(Some(best)),
        }
    }
}

/// Returns alternatives to the best point: the best with one change less, and the next cheapest that hold; at most
/// `count`.
pub fn rivals(
    archive: &Archive<'_>,
    space: &Space,
    effort: &Effort,
    (best, count): (&Candidate, usize),
) -> Vec<Candidate> {
    let all = ranked(archive, space, effort, effort.trials);
    let today = space.today();
    let near: Vec<Candidate> = without(best, &today).into_iter().map(|(_, less)| less).collect();
    let holds = |candidate: &Candidate| {
        all.iter().any(|own| own.candidate == *candidate && own.worse <= 0.0)
    };
    let next = by_cost(&all).into_iter().map(|place| all[place].candidate.clone());
    let mut rivals = vec![best.clone()];
    for candidate in near.into_iter().take(count / 2).chain(next) {
        let fits = candidate != today && holds(&candidate) && !rivals.contains(&candidate);
        if fits && rivals.len() < count {
            rivals.push(candidate);
        }
    }
    rivals
}

/// Runs the candidates that [`why`] needs.
///
/// # Errors
/// As [`Archive::ensure`].
pub fn take_apart(
    archive: &mut Archive<'_>,
    space: &Space,
    effort: &Effort,
    best: &[u16],
) -> Result<bool, Error> {
    let less: Vec<Candidate> =
        without(best, &space.today()).into_iter().map(|(_, candidate)| candidate).collect();
    archive.ensure(&less, effort.trials)
}

/// Returns each change of a candidate taken back alone: the knob's place, and the remaining candidate.
pub(super) fn without(candidate: &[u16], today: &[u16]) -> Vec<(usize, Candidate)> {
    let changed = (0..candidate.len()).filter(|place| candidate[*place] != today[*place]);
    let back = |place: usize| {
        let mut less = candidate.to_vec();
        less[place] = today[place];
        (place, less)
    };
    changed.map(back).collect()
}

/// Returns the effect of each change of the recommended point, largest saving first.
pub fn why(archive: &Archive<'_>, space: &Space, effort: &Effort, best: &[u16]) -> Vec<Why> {
    let (today, months) = (space.today(), effort.length.months);
    let Some(own) = archive.trials(best, effort.trials) else { return Vec::new() };
    let Some(before) = archive.trials(&today, effort.trials) else { return Vec::new() };
    let limits = super::search::limits(effort, before);
    let of = |(place, less): (usize, Candidate)| {
        let dial = &space.dials[place];
        let known = archive.trials(&less, effort.trials);
        let other = known.unwrap_or(own);
        let evictions = paired(own, other, effort.length.days, |of| of.evictions);
        Why {
            key: dial.key.to_string(),
            stands: dial.home.to_string(),
            from: dial.words(dial.today),
            to: dial.words(best[place]),
            saves: paired(other, own, months, |of| of.cost),
            adds_late_minutes: paired(own, other, months, |of| of.late_minutes),
            adds_evictions: evictions.mean,
            without_it: match known {
                Some(_) => limits.broken(&Measures::of(other, effort.length)),
                None => vec![
                    "without it the settings contradict each other, so its effect is unknown"
                        .to_owned(),
                ],
            },
        }
    };
    let mut why: Vec<Why> = without(best, &today).into_iter().map(of).collect();
    why.sort_by(|a, b| b.saves.mean.total_cmp(&a.saves.mean));
    why
}
