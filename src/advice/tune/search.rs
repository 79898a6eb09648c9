//! The search: feasible first, then cheap; coarse to fine.
//!
//! ```text
//! order         the trials in which today's settings are worst come first
//! worse         also a candidate that losses and bursts at the busiest minute harm more than today's settings
//! early stop    a candidate with k of T trials misses a limit for certain if  Σ k trials / T > limit,
//!               because no trial has a negative number of bad minutes; among the others the cheapest go on
//! small space   every candidate with all trials
//! else   one    each knob alone at each value, the best of these together, and candidates spread at random
//!        loop   from two trials on, a third of the best get three times the trials, and so on up to all of them;
//!               then new candidates: neighbors of the best, crossings of two good ones, leaps
//! ```
//! # Source
//! Successive halving: Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
//! optimization" (2016), here with factor 3; the trials of all rungs are the same ones.
//! Spread at random: Latin hypercube, `McKay`, Beckman and Conover (1979).

use super::{
    archive::Archive,
    measure::{Length, Limits, Measures, Tolerance},
    rank::{Ranked, by_cost, select},
    space::{Candidate, Space},
};
use crate::{
    error::Error,
    measure::random::{self, Draws, Stream},
    plan::simulate::Judged,
};

/// Factor between the trials of two rungs.
const RUNG: usize = 3;
/// Trials of a candidate before it can be stopped: one trial is chance.
const FEWEST: usize = 2;
/// Share of the evaluations that the first, coarse look may take.
const COARSE: f64 = 0.25;
/// Batches without a new candidate after which the search ends.
const PATIENCE: usize = 3;

/// Effort of the search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Evaluations.
    pub evaluations: u64,
    /// Trials of a candidate that survives the search.
    pub trials: usize,
    /// Seed.
    pub seed: u64,
    /// Length of the search's months.
    pub length: Length,
    /// The limits.
    pub asked: [Option<f64>; 5],
    /// By how much a term without a limit may exceed today's value.
    pub tolerance: Tolerance,
}

impl Effort {
    /// Returns how bad a trial is: by how much it alone misses the set limits, then its minutes over the target.
    pub fn badness(&self, trial: &Judged) -> f64 {
        let terms = Measures::of(std::slice::from_ref(trial), self.length).terms();
        let limits = Limits { asked: self.asked, ..Limits::default() };
        // A limit outweighs what has none.
        1e6 * limits.missed(&terms) + terms[0]
    }
}

/// What candidates are held against: today's settings in the same trials.
pub fn limits(effort: &Effort, today: &[Judged]) -> Limits {
    Limits {
        asked: effort.asked,
        today: Measures::of(today, effort.length).terms(),
        tolerance: effort.tolerance,
    }
}

/// Returns all candidates with this many trials, as ranking sees them.
pub fn ranked(archive: &Archive<'_>, space: &Space, effort: &Effort, trials: usize) -> Vec<Ranked> {
    let all = archive.count();
    let today = space.today();
    let today = archive.trials(&today, all).or_else(|| archive.trials(&today, trials));
    let Some(today) = today else { return Vec::new() };
    let limits = limits(effort, today);
    let share = trials as f64 / today.len().max(1) as f64;
    let of = |candidate: &Candidate| {
        let judged = archive.trials(candidate, trials)?;
        let measures = Measures::of(judged, effort.length);
        let least = measures.terms().map(|term| term * share);
        let losses = archive.losses(candidate);
        let harm = losses.map_or(0.0, |(judge, [today, own])| judge.excess(today, own));
        let (missed, worse) = (limits.missed(&least), limits.worse(&least) + harm);
        Some(Ranked { candidate: candidate.clone(), measures, missed, worse })
    };
    archive.records().keys().filter_map(of).collect()
}

/// Returns whether every candidate can run all trials.
pub fn exhaustive(space: &Space, effort: &Effort) -> bool {
    let all = space.size().and_then(|size| size.checked_mul(effort.trials as u64));
    all.is_some_and(|all| all <= effort.evaluations)
}

/// Runs the search; returns whether it finished.
///
/// # Errors
/// As [`Archive::ensure`].
pub fn run(archive: &mut Archive<'_>, space: &Space, effort: &Effort) -> Result<bool, Error> {
    if !archive.begin(&|trial| effort.badness(trial), 0)? {
        return Ok(false);
    }
    if exhaustive(space, effort) {
        return archive.ensure(&all(space), effort.trials);
    }
    let draws = random::stream(effort.seed, 0, Stream::Search, 0);
    Search { archive, space, effort, draws }.go()
}

/// Returns every candidate of a small space.
fn all(space: &Space) -> Vec<Candidate> {
    space.dials.iter().fold(vec![Vec::new()], |heads, dial| {
        let tails = |head: &Candidate| {
            let head = head.clone();
            (0..dial.values.len() as u16).map(move |place| {
                let mut longer = head.clone();
                longer.push(place);
                longer
            })
        };
        heads.iter().flat_map(tails).collect()
    })
}

struct Search<'s, 'a> {
    archive: &'s mut Archive<'a>,
    space: &'s Space,
    effort: &'s Effort,
    draws: Draws,
}

impl Search<'_, '_> {
    fn go(&mut self) -> Result<bool, Error> {
        let alone = self.alone();
        if !self.ensure(alone, self.fewest())? {
            return Ok(false);
        }
        let mut spread = self.together();
        let budget = (COARSE * self.effort.evaluations as f64) as u64;
        let left = budget.saturating_sub(self.archive.spent) as usize / self.fewest();
        spread.extend(self.spread(left));
        if !self.ensure(spread, self.fewest())? || !self.promote()? {
            return Ok(false);
        }
        let mut idle = 0;
        while self.left() > 0 && idle < PATIENCE {
            let before = self.archive.spent;
            let children = self.breed();
            if !self.ensure(children, self.fewest())? || !self.promote()? {
                return Ok(false);
            }
            idle = if self.archive.spent > before { 0 } else { idle + 1 };
        }
        Ok(true)
    }

    fn left(&self) -> u64 {
        self.effort.evaluations.saturating_sub(self.archive.spent)
    }

    /// Returns the trials of a candidate before it can be stopped.
    fn fewest(&self) -> usize {
        FEWEST.min(self.effort.trials)
    }

    /// Returns the number of new candidates of a round.
    fn batch(&self) -> usize {
        (self.effort.evaluations as usize / 60).clamp(6, 36)
    }

    /// Runs as much of it as the evaluations allow.
    fn ensure(&mut self, wanted: Vec<Candidate>, trials: usize) -> Result<bool, Error> {
        let mut left = self.left();
        let affordable = |candidate: &Candidate| {
            let cost = self.archive.missing(candidate, trials);
            let fits = cost <= left;
            left -= if fits { cost } else { 0 };
            fits
        };
        let wanted: Vec<Candidate> = wanted.into_iter().filter(affordable).collect();
        self.archive.ensure(&wanted, trials)
    }

    /// Gives the best of each rung the trials of the next.
    fn promote(&mut self) -> Result<bool, Error> {
        let (mut trials, mut count) = (self.fewest(), self.batch());
        while trials < self.effort.trials {
            count = (count / RUNG).max(2);
            let next = (trials * RUNG).min(self.effort.trials);
            // Almost all trials are no rung of their own.
            let next = if next * 2 > self.effort.trials { self.effort.trials } else { next };
            let best = select(&self.ranked(trials), count);
            if !self.ensure(best, next)? {
                return Ok(false);
            }
            trials = next;
        }
        Ok(true)
    }

    fn ranked(&self, trials: usize) -> Vec<Ranked> {
        ranked(self.archive, self.space, self.effort, trials)
    }

    fn draw(&mut self, below: usize) -> usize {
        ((self.draws.uniform() * below as f64) as usize).min(below.saturating_sub(1))
    }

    /// Returns candidates with one changed knob, at each of its values; a part of them if they are too many.
    fn alone(&mut self) -> Vec<Candidate> {
        let today = self.space.today();
        let mut found = Vec::new();
        for (place, dial) in self.space.dials.iter().enumerate() {
            for value in (0..dial.values.len() as u16).filter(|value| *value != dial.today) {
                let mut candidate = today.clone();
                candidate[place] = value;
                found.push(candidate);
            }
        }
        let most = COARSE * self.effort.evaluations as f64 / self.fewest() as f64;
        let most = most.max(1.0) as usize;
        while found.len() > most {
            let place = self.draw(found.len());
            found.swap_remove(place);
        }
        found.sort_unstable();
        found
    }

    /// Returns combinations of what helped alone: the cheapest values within the held limits, the cheapest of all,
    /// and those with the least risk.
    fn together(&self) -> Vec<Candidate> {
        let ranked = self.ranked(self.fewest());
        let today = self.space.today();
        let alone =
            |own: &&Ranked| own.candidate.iter().zip(&today).filter(|(a, b)| a != b).count() < 2;
        let ranked: Vec<&Ranked> = ranked.iter().filter(alone).collect();
        let best = |key: &dyn Fn(&Ranked) -> [f64; 2]| {
            let at = |place: usize| {
                let others = |own: &&&Ranked| {
                    let differs = |(n, value): (usize, &u16)| n == place || *value == today[n];
                    own.candidate.iter().enumerate().all(differs)
                };
                let order = |a: &&&Ranked, b: &&&Ranked| {
                    let ([a0, a1], [b0, b1]) = (key(a), key(b));
                    a0.total_cmp(&b0).then(a1.total_cmp(&b1))
                };
                ranked
                    .iter()
                    .filter(others)
                    .min_by(order)
                    .map_or(today[place], |own| own.candidate[place])
            };
            (0..today.len()).map(at).collect::<Candidate>()
        };
        vec![
            best(&|own| [own.worse, own.measures.cost_per_month]),
            best(&|own| [own.missed, own.measures.cost_per_month]),
            best(&|own| [own.measures.cost_per_month, own.measures.late_minutes_per_month]),
            best(&|own| [own.measures.late_minutes_per_month, own.measures.cost_per_month]),
        ]
    }

    /// Returns candidates that hold every value of every knob equally often.
    fn spread(&mut self, count: usize) -> Vec<Candidate> {
        let mut found = vec![Vec::with_capacity(self.space.dials.len()); count];
        for place in 0..self.space.dials.len() {
            let values = self.space.dials[place].values.len();
            let mut column: Vec<u16> = (0..count).map(|n| (n % values) as u16).collect();
            for last in (1..count).rev() {
                let other = self.draw(last + 1);
                column.swap(last, other);
            }
            for (candidate, value) in found.iter_mut().zip(column) {
                candidate.push(value);
            }
        }
        found
    }

    /// Returns new candidates: neighbors of the cheapest that holds, then neighbors, crossings and leaps of good
    /// ones.
    fn breed(&mut self) -> Vec<Candidate> {
        let (few, many) = (self.ranked(self.fewest()), self.ranked(self.effort.trials));
        let best = by_cost(&many).first().map(|place| many[*place].candidate.clone());
        let mut parents = select(&many, 6);
        parents.extend(select(&few, 8));
        parents.dedup();
        let mut children: Vec<Candidate> = Vec::new();
        if let Some(best) = best {
            let near = self.neighbors(&best);
            children.extend(near.into_iter().take(self.batch() / 2));
        }
        for _ in 0..40 * self.batch() {
            if children.len() >= self.batch() {
                break;
            }
            let child = self.child(&parents);
            if !self.archive.knows(&child) && !children.contains(&child) {
                children.push(child);
            }
        }
        children
    }

    /// Returns the neighbors by one step of one knob that were not evaluated.
    fn neighbors(&self, of: &[u16]) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (place, dial) in self.space.dials.iter().enumerate() {
            let values = dial.values.len() as u16;
            let near: Vec<u16> = if dial.ordered {
                [of[place].checked_sub(1), of[place].checked_add(1)].into_iter().flatten().collect()
            } else {
                (0..values).collect()
            };
            for value in near.into_iter().filter(|value| *value < values && *value != of[place]) {
                let mut candidate = of.to_vec();
                candidate[place] = value;
                if !self.archive.knows(&candidate) {
                    found.push(candidate);
                }
            }
        }
        found
    }

    fn child(&mut self, parents: &[Candidate]) -> Candidate {
        /// Chances of a crossing, and of a second change.
        const CROSSING: f64 = 0.4;
        const MORE: f64 = 0.4;
        let first = self.draw(parents.len());
        let mut child = parents[first].clone();
        if self.draws.uniform() < CROSSING {
            let other = self.draw(parents.len());
            for (place, value) in child.iter_mut().enumerate() {
                if self.draws.uniform() < 0.5 {
                    *value = parents[other][place];
                }
            }
        }
        loop {
            let place = self.draw(child.len());
            child[place] = self.draw(self.space.dials[place].values.len()) as u16;
            if self.draws.uniform() > MORE {
                return child;
            }
        }
    }
}
