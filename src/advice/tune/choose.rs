//! The points to prove, the recommended one, the frontier, and the effect of each change.
//!
//! ```text
//! finalists    the cheapest that hold in the trials of the search, in turn with its frontier
//! settle       a sample of the unseen trials each; all of them for those that could be recommended, or that have
//!              measurably less risk than what is cheaper
//! holds        in unseen trials it meets the set limits, and no other term is worse than today beyond the tolerance;
//!              nor do losses and bursts at the busiest minute overload more
//! recommended  of those that hold and whose cost is within the noise of the cheapest: the fewest changes,
//!              then the cheapest; unless another costs no more and has measurably less risk
//! noise        t(0.975, n − 1) × standard error of the paired difference; at least 0.05 % of today's cost
//! why          each change taken back alone: what the cost and the risk would be without it
//! ```
//! Today's settings are a point like any other: if nothing is measurably cheaper, they are recommended.
//! Changes that help each other each seem to buy what they buy together; so what each buys alone need not add
//! up to the whole.

use serde::{Deserialize, Serialize};

use super::{
    archive::Archive,
    confirm::Difference,
    measure::{Estimate, Measures},
    rank::{self, Ranked, by_cost},
    search::{Effort, limits, ranked},
    space::{Candidate, Space},
};
use crate::{error::Error, plan::simulate::Judged};

/// Share of today's cost below which a change saves nothing.
const NOTHING: f64 = 0.0005;

/// Unseen trials, evenly from today's worst to its best, after which most candidates are decided.
pub const SAMPLE: usize = 12;

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
    /// Added minutes over the latency target, all else as recommended (a month); negative if it removes some.
    pub adds_late_minutes: Estimate,
    /// Added evictions (a day).
    pub adds_evictions: f64,
    /// Unseen trials that these figures come from: few where it is clear after few.
    #[serde(default)]
    pub trials: u32,
    /// Limits that would be missed without it, and losses that would be worse than today.
    pub without_it: Vec<String>,
}

/// Returns differences, trial by trial, of a candidate to another, by month.
pub fn paired(own: &[Judged], other: &[Judged], months: f64, of: fn(&Judged) -> f64) -> Estimate {
    let both = own.iter().zip(other);
    Estimate::of(&both.map(|(own, other)| (of(own) - of(other)) / months).collect::<Vec<f64>>())
}

/// Returns the number of changed settings.
pub(super) fn changes(candidate: &[u16], today: &[u16]) -> usize {
    candidate.iter().zip(today).filter(|(own, today)| own != today).count()
}

/// Returns up to `count` points that are not proven yet: the best of the search and those with a change less, then the
/// next cheapest in turn with the frontier.
pub fn finalists(
    search: &Archive<'_>,
    proof: &Archive<'_>,
    (space, effort): (&Space, &Effort),
    count: usize,
) -> Vec<Candidate> {
    let all = ranked(search, space, effort, effort.trials);
    let today = space.today();
    let cheapest = by_cost(&all);
    let holds = |place: &usize| all[*place].worse <= 0.0;
    let any = cheapest.iter().any(|place| holds(place) && all[*place].candidate != today);
    // Where nothing holds, the nearest are tried.
    let fits = |place: &usize| !any || holds(place);
    let front: Vec<usize> = rank::front(&all).into_iter().filter(fits).collect();
    let spread =
        (0..count.min(front.len())).map(|at| front[at * front.len() / count.min(front.len())]);
    let mut lists = [
        cheapest.iter().copied().filter(fits).collect::<Vec<usize>>().into_iter(),
        spread.collect::<Vec<usize>>().into_iter(),
    ];
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |candidate: &Candidate| {
        let new = *candidate != today && !proof.knows(candidate) && !found.contains(candidate);
        if new && found.len() < count {
            found.push(candidate.clone());
        }
        new
    };
    if let Some(best) = cheapest.first().map(|place| &all[*place].candidate) {
        add(best);
        for (_, less) in without(best, &today).into_iter().take(count / 2) {
            if all.iter().any(|own| own.candidate == less && own.worse <= 0.0) {
                add(&less);
            }
        }
    }
    loop {
        let mut left = false;
        for list in &mut lists {
            left |= list.by_ref().any(|place| add(&all[place].candidate));
        }
        if !left {
            return found;
        }
    }
}

/// A point that holds, with its trials.
struct Proven<'a> {
    own: &'a Ranked,
    trials: &'a [Judged],
    changes: usize,
}

impl Proven<'_> {
    fn cost(&self) -> f64 {
        self.own.measures.cost_per_month
    }

    fn risk(&self) -> f64 {
        self.own.measures.late_minutes_per_month
    }
}

/// Returns the point to recommend of those that are proven; none if none holds.
pub fn pick(proof: &Archive<'_>, (space, effort): (&Space, &Effort)) -> Option<Candidate> {
    let today = space.today();
    let count = proof.count();
    let all = ranked(proof, space, effort, count);
    let sound = all.iter().filter(|own| own.worse <= 0.0);
    let holding = sound.filter_map(|own| {
        let trials = proof.trials(&own.candidate, count)?;
        Some(Proven { own, trials, changes: changes(&own.candidate, &today) })
    });
    let holding: Vec<Proven<'_>> = holding.collect();
    let first = holding.iter().min_by(|a, b| a.cost().total_cmp(&b.cost()))?;
    let before = Measures::of(proof.trials(&today, count)?, effort.length).cost_per_month;
    let within_noise = |own: &&Proven<'_>| {
        let more = paired(own.trials, first.trials, effort.length.months, |of| of.cost);
        let more = Difference::of(more, count);
        more.low <= 0.0 || more.mean <= NOTHING * before
    };
    let most = holding.iter().filter(within_noise).map(Proven::cost).fold(first.cost(), f64::max);
    let near: Vec<&Proven<'_>> = holding.iter().filter(|own| own.cost() <= most).collect();
    let riskier = |own: &Proven<'_>, other: &Proven<'_>| {
        let slack = effort.tolerance.of(&other.own.measures.terms())[0];
        other.cost() <= own.cost() && own.risk() - other.risk() > slack
    };
    let unbeaten = near.iter().filter(|own| !near.iter().any(|other| riskier(own, other)));
    let best = unbeaten.min_by(|a, b| {
        let order = a.changes.cmp(&b.changes).then(a.cost().total_cmp(&b.cost()));
        order.then(a.risk().total_cmp(&b.risk()))
    })?;
    Some(best.own.candidate.clone())
}

/// Runs a sample of the unseen trials of candidates, and all of them of those that matter; returns whether all were
/// run.
///
/// # Errors
/// As [`Archive::ensure`].
pub fn settle(
    proof: &mut Archive<'_>,
    (space, effort): (&Space, &Effort),
    candidates: &[Candidate],
) -> Result<bool, Error> {
    let sample = SAMPLE.min(proof.count());
    if !proof.ensure(candidates, sample)? {
        return Ok(false);
    }
    loop {
        let next = undecided(proof, (space, effort), sample);
        if next.is_empty() {
            return Ok(true);
        }
        if !proof.ensure(&next, proof.count())? {
            return Ok(false);
        }
    }
}

/// Returns the candidates that ran the sample alone, may hold, and that no other makes needless: one that costs less
/// with no more risk, unless the difference may be noise and the candidate has fewer changes than the cheapest.
fn undecided(
    proof: &Archive<'_>,
    (space, effort): (&Space, &Effort),
    sample: usize,
) -> Vec<Candidate> {
    let (today, all) = (space.today(), proof.count());
    let proven = ranked(proof, space, effort, all);
    let fails = |candidate: &Candidate| {
        proven.iter().any(|own| own.candidate == *candidate && own.worse > 0.0)
    };
    let may_hold = |own: &&Ranked| own.worse <= 0.0 && !fails(&own.candidate);
    let sampled = ranked(proof, space, effort, sample);
    let trials = |own: &Ranked| proof.trials(&own.candidate, sample);
    let mut points: Vec<(&Ranked, &[Judged])> =
        sampled.iter().filter(may_hold).filter_map(|own| Some((own, trials(own)?))).collect();
    points.sort_by(|a, b| {
        let cost = |of: &Ranked| of.measures.cost_per_month;
        cost(a.0).total_cmp(&cost(b.0)).then(a.0.candidate.cmp(&b.0.candidate))
    });
    let before = points.iter().find(|(own, _)| own.candidate == today);
    let nothing = before.map_or(0.0, |(own, _)| NOTHING * own.measures.cost_per_month);
    let needless = |place: usize| {
        let (own, judged) = points[place];
        let risk = |of: &Ranked| of.measures.late_minutes_per_month;
        // Within the noise of the cheapest, fewer changes win.
        let cheapest = &points[0].0.candidate;
        let simpler = changes(&own.candidate, &today) < changes(cheapest, &today);
        points[..place].iter().any(|(other, cheaper)| {
            let more = paired(judged, cheaper, effort.length.months, |of| of.cost);
            let clear = Difference::of(more, sample).low > 0.0 && more.mean > nothing;
            let slack = effort.tolerance.of(&other.measures.terms())[0];
            risk(own) >= risk(other) - slack && (clear || !simpler)
        })
    };
    let open = |place: &usize| {
        proof.trials(&points[*place].0.candidate, all).is_none() && !needless(*place)
    };
    (0..points.len()).filter(open).map(|place| points[place].0.candidate.clone()).collect()
}

/// Returns the candidate that misses the limits least in the sample, where none holds.
pub fn nearest(proof: &Archive<'_>, (space, effort): (&Space, &Effort)) -> Option<Candidate> {
    let sampled = ranked(proof, space, effort, SAMPLE.min(proof.count()));
    let nearest = by_cost(&sampled).first().copied()?;
    Some(sampled[nearest].candidate.clone())
}

/// Returns the frontier of the proven points. Of points that cost and risk the same within the noise, the recommended
/// one speaks for all.
pub fn front(
    proof: &Archive<'_>,
    space: &Space,
    effort: &Effort,
    chosen: Option<&Candidate>,
) -> Vec<Candidate> {
    let mut all = ranked(proof, space, effort, proof.count());
    if let Some(own) = all.iter().find(|own| Some(&own.candidate) == chosen).cloned() {
        let same = |other: &Ranked| {
            let (own, other) = (&own.measures, &other.measures);
            other.cost_per_month <= own.cost_per_month
                && other.late_minutes_per_month <= own.late_minutes_per_month
        };
        all.retain(|other| other.candidate == own.candidate || other.missed > 0.0 || !same(other));
    }
    rank::front(&all).into_iter().map(|place| all[place].candidate.clone()).collect()
}

/// Runs the candidates that [`why`] needs; returns whether all were run.
///
/// # Errors
/// As [`Archive::ensure`].
pub fn take_apart(
    proof: &mut Archive<'_>,
    (space, effort): (&Space, &Effort),
    best: &[u16],
) -> Result<bool, Error> {
    let less: Vec<Candidate> =
        without(best, &space.today()).into_iter().map(|(_, candidate)| candidate).collect();
    settle(proof, (space, effort), &less)
}

/// Returns each change of a candidate taken back alone: the knob's place, and the remaining candidate.
fn without(candidate: &[u16], today: &[u16]) -> Vec<(usize, Candidate)> {
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
    let count = archive.count();
    let Some(all) = archive.trials(best, count) else { return Vec::new() };
    let Some(before) = archive.trials(&today, count) else { return Vec::new() };
    let limits = limits(effort, before);
    let of = |(place, less): (usize, Candidate)| {
        let dial = &space.dials[place];
        let sample = SAMPLE.min(count);
        let known = archive.trials(&less, count).or_else(|| archive.trials(&less, sample));
        let own = &all[..known.map_or(count, <[_]>::len)];
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
            trials: own.len() as u32,
            without_it: match known {
                Some(_) => {
                    let mut missed = limits.broken(&Measures::of(other, effort.length));
                    let losses = archive.losses(&less);
                    missed.extend(
                        losses
                            .into_iter()
                            .flat_map(|(judge, [today, own])| judge.worse(today, own)),
                    );
                    missed
                }
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
