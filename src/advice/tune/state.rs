//! The state of a run, stored between runs. A run that resumes from it gives the same bytes as one that was never
//! stopped, because it has only results of trials.

use serde::{Deserialize, Serialize};

use super::archive::Kept;
use crate::{
    error::{Error, Place},
    measure::calendar::Month,
    plan::Provenance,
};

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`super::SCHEMA`].
    pub schema: u32,
    /// Provenance.
    pub made_from: Provenance,
    /// The account.
    pub account: String,
    /// First and last month of the search.
    pub months: [Month; 2],
    /// Trials of a candidate that survives the search.
    pub trials: u32,
    /// Requested evaluations; a later run may request more.
    pub evaluations: u64,
    /// When a minute is late.
    pub late: String,
    /// The limits.
    pub asked: [Option<f64>; 5],
    /// The knobs with their values.
    pub knobs: Vec<String>,
    /// Every candidate with the results of its trials.
    pub known: Vec<Kept>,
}

impl State {
    /// Returns its results for a run with the same identity.
    ///
    /// # Errors
    /// The parts that differ.
    pub fn of_same(&self, run: &Self) -> Result<Vec<Kept>, Error> {
        let (old, new) = (&self.made_from, &run.made_from);
        let differs = [
            ("the version of runrate", old.version == new.version && self.schema == run.schema),
            ("the scenario", old.scenario_sha256 == new.scenario_sha256),
            ("the price book", old.price_book_sha256 == new.price_book_sha256),
            ("the models", old.models_sha256 == new.models_sha256),
            ("the seed", old.seed == new.seed),
            ("the account", self.account == run.account),
            ("the months", self.months == run.months),
            ("when a minute is late", self.late == run.late),
            ("the knobs", self.knobs == run.knobs),
        ];
        let differs: Vec<&str> =
            differs.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
        if differs.is_empty() {
            return Ok(self.known.clone());
        }
        let place = Place { key: Some("--state".into()), ..Place::default() };
        let message = format!(
            "belongs to another run: {} differ; give a new file, or remove this one",
            differs.join(", ")
        );
        Err(Error::at(place, message))
    }
}
