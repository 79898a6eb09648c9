//! What a run knows, kept between runs: a run that goes on from it comes to the same bytes as one that was
//! never stopped, because all that it holds is what trials came to.

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
    /// What it was made from.
    pub made_from: Provenance,
    /// The account.
    pub account: String,
    /// First and last month looked at.
    pub months: [Month; 2],
    /// Trials of a candidate that gets to the end.
    pub trials: u32,
    /// Evaluations asked for; more may be asked for later.
    pub evaluations: u64,
    /// When a minute is late.
    pub late: String,
    /// What is asked for.
    pub asked: [Option<f64>; 5],
    /// The knobs with their values.
    pub knobs: Vec<String>,
    /// Every candidate with what its trials came to.
    pub known: Vec<Kept>,
}

impl State {
    /// What it knows, for a run that looks at the same.
    ///
    /// # Errors
    /// What differs.
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
            "is of another run: {} differ; name a new file, or remove this one",
            differs.join(", ")
        );
        Err(Error::at(place, message))
    }
}
