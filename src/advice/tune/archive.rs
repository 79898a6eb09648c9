//! All evaluated candidates with the results of their trials; nothing is run twice.

use std::{collections::BTreeMap, sync::OnceLock};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::space::{Candidate, Space};
use crate::{
    error::Error,
    plan::{
        simulate::{Judged, Luck, Prepared, View},
        trials::Watch,
    },
};

/// Results of a candidate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Results of trials 1, 2, … so far.
    pub judged: Vec<Judged>,
    /// Its contradiction, if it has one.
    pub wrong: Option<String>,
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
    watch: Watch<'a>,
    /// Called after each batch.
    save: &'a Save<'a>,
    lucks: Vec<OnceLock<Luck>>,
    /// Records that the search used.
    records: BTreeMap<Candidate, Record>,
    /// Records of an earlier run that this one has not used yet.
    earlier: BTreeMap<Candidate, Record>,
    /// Evaluations so far, whether run now or earlier.
    pub spent: u64,
    /// Whether it was stopped.
    pub stopped: bool,
    /// Candidates that held in the search but not on confirmation.
    pub unproven: usize,
}

impl<'a> Archive<'a> {
    /// Returns an archive with the results of an earlier run.
    pub fn new(
        (prepared, space, view): (&'a Prepared<'a>, &'a Space, View),
        trials: u32,
        earlier: Vec<Kept>,
        (watch, save): (Watch<'a>, &'a Save<'a>),
    ) -> Self {
        Self {
            prepared,
            space,
            view,
            watch,
            save,
            lucks: (0..trials).map(|_| OnceLock::new()).collect(),
            records: BTreeMap::new(),
            earlier: earlier.into_iter().map(|kept| (kept.candidate, kept.record)).collect(),
            spent: 0,
            stopped: false,
            unproven: 0,
        }
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

    /// Runs the missing trials; returns whether all were run before the watch stopped it.
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
        let space = self.space;
        let one = |(trial, candidate): &(usize, &Candidate)| {
            if (watch.stop)() {
                return None;
            }
            let luck = lucks[*trial].get()?;
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
        Ok(!self.stopped)
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
        let mut trials: Vec<usize> = jobs.iter().map(|(trial, _)| *trial).collect();
        trials.sort_unstable();
        trials.dedup();
        trials.retain(|trial| self.lucks[*trial].get().is_none());
        let (prepared, view, watch, lucks) = (self.prepared, self.view, self.watch, &self.lucks);
        let draw = |trial: &usize| -> Result<(), Error> {
            if !(watch.stop)() {
                let luck = prepared.luck(&view, *trial as u32 + 1)?;
                let _ = lucks[*trial].set(luck);
            }
            Ok(())
        };
        trials.par_iter().map(draw).collect()
    }

    /// Returns all results, for the next run.
    pub fn kept(&self) -> Vec<Kept> {
        let mut all = self.earlier.clone();
        for (candidate, record) in &self.records {
            let longer = all.get(candidate).is_none_or(|known| {
                known.judged.len() <= record.judged.len() && known.wrong.is_none()
            });
            if longer && (!record.judged.is_empty() || record.wrong.is_some()) {
                all.insert(candidate.clone(), record.clone());
            }
        }
        all.into_iter().map(|(candidate, record)| Kept { candidate, record }).collect()
    }
}
