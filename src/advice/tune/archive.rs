//! All evaluated candidates with the results of their trials; nothing is run twice.

use std::{collections::BTreeMap, sync::OnceLock};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    loss::{Drills, Judge, Losses},
    space::{Candidate, Space},
};
use crate::{
    error::Error,
    plan::{
        simulate::{Judged, Luck, Overload, Prepared, View},
        trials::Watch,
    },
};

/// Results of a candidate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Results of the first trials, in the order of the archive.
    pub judged: Vec<Judged>,
    /// Its contradiction, if it has one.
    pub wrong: Option<String>,
    /// What trouble does to it, where the archive drills; cheap, and so not stored.
    #[serde(skip)]
    pub losses: Option<Losses>,
}

/// A candidate with its record, as stored on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The candidate.
    pub candidate: Candidate,
    /// Its record.
    pub record: Record,
}

/// Called with all results.
pub type Save<'a> = dyn Fn(&[Kept]) -> Result<(), Error> + 'a;

/// All candidates so far.
#[allow(missing_debug_implementations, reason = "borrowed functions")]
pub struct Archive<'a> {
    prepared: &'a Prepared<'a>,
    space: &'a Space,
    view: View,
    /// Trouble that candidates are put through; none where only trials count.
    drills: Option<&'a Drills<'a>>,
    watch: Watch<'a>,
    /// Called after each batch.
    save: &'a Save<'a>,
    /// Number of the trial before the first.
    before: u32,
    /// Places of the trials in the order in which candidates run them.
    order: Vec<usize>,
    lucks: Vec<OnceLock<Luck>>,
    /// Records that the search used.
    records: BTreeMap<Candidate, Record>,
    /// Records of an earlier run that this one has not used yet.
    earlier: BTreeMap<Candidate, Record>,
    /// Evaluations so far, whether run now or earlier.
    pub spent: u64,
    /// Whether it was stopped.
    pub stopped: bool,
}

impl<'a> Archive<'a> {
    /// Returns an archive of these trials with the results of an earlier run.
    pub fn new(
        (prepared, space, view): (&'a Prepared<'a>, &'a Space, View),
        drills: Option<&'a Drills<'a>>,
        trials: std::ops::RangeInclusive<u32>,
        earlier: Vec<Kept>,
        (watch, save): (Watch<'a>, &'a Save<'a>),
    ) -> Self {
        Self {
            prepared,
            space,
            view,
            drills,
            watch,
            save,
            before: trials.start().saturating_sub(1),
            order: (0..trials.clone().count()).collect(),
            lucks: trials.map(|_| OnceLock::new()).collect(),
            records: BTreeMap::new(),
            earlier: earlier.into_iter().map(|kept| (kept.candidate, kept.record)).collect(),
            spent: 0,
            stopped: false,
        }
    }

    /// Runs today's settings in all trials, and puts the trials in which they are worst first: a candidate that
    /// cannot meet the limits misses them there. The first `sample` of them are taken evenly from the worst to the
    /// best, so that they stand for all. Returns whether all trials ran.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub fn begin(
        &mut self,
        badness: &dyn Fn(&Judged) -> f64,
        sample: usize,
    ) -> Result<bool, Error> {
        let today = self.space.today();
        if !self.ensure(std::slice::from_ref(&today), self.lucks.len())? {
            return Ok(false);
        }
        let Some(record) = self.records.get_mut(&today) else { return Ok(false) };
        let weights: Vec<f64> = record.judged.iter().map(badness).collect();
        self.order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
        let all = self.order.len();
        let first = |place: &usize| *place < all && (*place * sample) % all < sample;
        let (sampled, others): (Vec<usize>, Vec<usize>) = (0..all).partition(first);
        let places = sampled.into_iter().chain(others);
        self.order = places.map(|place| self.order[place]).collect();
        record.judged = self.order.iter().map(|place| record.judged[*place].clone()).collect();
        Ok(true)
    }

    /// Returns the number of trials.
    pub fn count(&self) -> usize {
        self.lucks.len()
    }

    /// Returns the candidates with their records, in the order of their settings.
    pub fn records(&self) -> &BTreeMap<Candidate, Record> {
        &self.records
    }

    /// Returns whether a candidate was evaluated.
    pub fn knows(&self, candidate: &[u16]) -> bool {
        self.records.contains_key(candidate)
    }

    /// Returns the first trials of a candidate, where it has as many.
    pub fn trials(&self, candidate: &[u16], count: usize) -> Option<&[Judged]> {
        self.records.get(candidate)?.judged.get(..count)
    }

    /// Returns the evaluations that are missing for this many trials.
    pub fn missing(&self, candidate: &[u16], trials: usize) -> u64 {
        match self.records.get(candidate) {
            Some(record) if record.wrong.is_some() => 0,
            Some(record) => trials.saturating_sub(record.judged.len()) as u64,
            None => trials as u64,
        }
    }

    /// Runs the missing trials of the first ones; returns whether all were run before the watch stopped it.
    ///
    /// # Errors
    /// A trial that fails for today's settings too; a state that cannot be written.
    pub fn ensure(&mut self, wanted: &[Candidate], trials: usize) -> Result<bool, Error> {
        let mut jobs: Vec<(usize, &Candidate)> = Vec::new();
        for candidate in wanted {
            let record = self.records.entry(candidate.clone()).or_default();
            if record.wrong.is_none() {
                jobs.extend((record.judged.len()..trials).map(|trial| (trial, candidate)));
            }
        }
        jobs.sort_unstable();
        jobs.dedup();
        self.recall(&mut jobs);
        self.draw(&jobs)?;
        let (prepared, view, watch, lucks) = (self.prepared, self.view, self.watch, &self.lucks);
        let (space, order) = (self.space, &self.order);
        let one = |(trial, candidate): &(usize, &Candidate)| {
            if (watch.stop)() {
                return None;
            }
            let luck = lucks[order[*trial]].get()?;
            let judged = prepared.judge(&view, luck, &space.edits(candidate));
            (watch.done)();
            Some(judged)
        };
        let done: Vec<Option<Result<Judged, Error>>> =
            jobs.par_iter().with_max_len(1).map(one).collect();
        let today = self.space.today();
        let fresh = !jobs.is_empty();
        for ((trial, candidate), judged) in jobs.into_iter().zip(done) {
            let Some(judged) = judged else {
                self.stopped = true;
                continue;
            };
            let record = self.records.entry(candidate.clone()).or_default();
            match judged {
                // Trials of a candidate stand in order: one behind a gap is run again.
                Ok(judged) if record.judged.len() == trial => {
                    record.judged.push(judged);
                    self.spent += 1;
                }
                Ok(_) => {}
                Err(error) if *candidate == today => return Err(error),
                Err(error) => {
                    let message = error.problems().first().map(|problem| problem.message.clone());
                    record.wrong.get_or_insert(message.unwrap_or_default());
                }
            }
        }
        if fresh {
            (self.save)(&self.kept())?;
        }
        self.drill(wanted)?;
        Ok(!self.stopped)
    }

    /// Puts candidates through the trouble that they were not put through yet.
    fn drill(&mut self, wanted: &[Candidate]) -> Result<(), Error> {
        let (Some(drills), false) = (self.drills, self.stopped) else { return Ok(()) };
        let space = self.space;
        let mut new: Vec<&Candidate> = wanted.iter().collect();
        new.sort_unstable();
        new.dedup();
        new.retain(|candidate| {
            let lacks = |own: &Record| own.wrong.is_none() && own.losses.is_none();
            self.records.get(*candidate).is_some_and(lacks)
        });
        let done: Vec<Result<Losses, Error>> =
            new.par_iter().map(|candidate| drills.run(space, candidate)).collect();
        for (candidate, losses) in new.into_iter().zip(done) {
            if let Some(record) = self.records.get_mut(candidate) {
                record.losses = Some(losses?);
            }
        }
        Ok(())
    }

    /// Returns what trouble does with today's settings and with a candidate's; none if either was not put through it.
    pub fn losses(&self, candidate: &[u16]) -> Option<(&Judge, [&Losses; 2])> {
        let of = |candidate: &[u16]| self.records.get(candidate)?.losses.as_ref();
        Some((&self.drills?.judge, [of(&self.space.today())?, of(candidate)?]))
    }

    /// Returns why today's settings overload each workload, over all trials that were drawn, in minutes a month.
    ///
    /// # Errors
    /// As [`Prepared::judge`].
    pub fn overloads(&self, months: f64) -> Result<Vec<Overload>, Error> {
        let lucks: Vec<&Luck> = self.lucks.iter().filter_map(OnceLock::get).collect();
        let (prepared, view) = (self.prepared, self.view);
        let one = |luck: &&Luck| prepared.overloads(&view, luck, &[]);
        let trials: Vec<Vec<Overload>> = lucks.par_iter().map(one).collect::<Result<_, Error>>()?;
        let mut all: Vec<Overload> = Vec::new();
        let share = 1.0 / (months * trials.len().max(1) as f64);
        for trial in trials {
            all.resize_with(trial.len(), Overload::default);
            for (sum, own) in all.iter_mut().zip(trial) {
                sum.workload = own.workload;
                sum.minutes += share * own.minutes;
                sum.at_max_replicas += share * own.at_max_replicas;
                sum.without_node += share * own.without_node;
            }
        }
        Ok(all)
    }

    /// Takes the results of an earlier run.
    fn recall(&mut self, jobs: &mut Vec<(usize, &Candidate)>) {
        jobs.retain(|(trial, candidate)| {
            let Some(known) = self.earlier.get(*candidate) else { return true };
            let Some(record) = self.records.get_mut(*candidate) else { return true };
            if record.wrong.is_some() {
                return false;
            }
            match known.judged.get(*trial) {
                Some(judged) if record.judged.len() == *trial => {
                    record.judged.push(judged.clone());
                    self.spent += 1;
                    false
                }
                None if known.wrong.is_some() => {
                    record.wrong.clone_from(&known.wrong);
                    false
                }
                _ => true,
            }
        });
    }

    /// Draws the trials that jobs need.
    fn draw(&self, jobs: &[(usize, &Candidate)]) -> Result<(), Error> {
        let mut trials: Vec<usize> = jobs.iter().map(|(trial, _)| self.order[*trial]).collect();
        trials.sort_unstable();
        trials.dedup();
        trials.retain(|trial| self.lucks[*trial].get().is_none());
        let (prepared, view, watch, lucks) = (self.prepared, self.view, self.watch, &self.lucks);
        let before = self.before;
        let draw = |trial: &usize| -> Result<(), Error> {
            if !(watch.stop)() {
                let luck = prepared.luck(&view, before + *trial as u32 + 1)?;
                let _ = lucks[*trial].set(luck);
            }
            Ok(())
        };
        trials.par_iter().map(draw).collect()
    }

    /// Returns all results, for the next run; those of today's settings in the order of the trials' numbers, which
    /// the next run begins with.
    pub fn kept(&self) -> Vec<Kept> {
        let mut all = self.earlier.clone();
        let today = self.space.today();
        for (candidate, record) in &self.records {
            let mut record = record.clone();
            if *candidate == today && record.judged.len() == self.order.len() {
                for (place, judged) in self.order.iter().zip(&self.records[candidate].judged) {
                    record.judged[*place] = judged.clone();
                }
            }
            let longer = all.get(candidate).is_none_or(|known| {
                known.judged.len() <= record.judged.len() && known.wrong.is_none()
            });
            if longer && (!record.judged.is_empty() || record.wrong.is_some()) {
                all.insert(candidate.clone(), record);
            }
        }
        all.into_iter().map(|(candidate, record)| Kept { candidate, record }).collect()
    }
}
