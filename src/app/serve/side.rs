//! A scenario as one side of the page has it: what its file says, and the same with other values.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    answer::Refusal,
    knobs::{self, Knob},
};
use crate::{
    app::store,
    error::{Error, nearest},
    facts::shapes::Catalog,
    intent::scenario::{Scenario, document::Document, edit, number::Number},
    plan::simulate::Inputs,
};

/// Values by key, in place of the scenario's own.
pub(super) type Values = BTreeMap<String, f64>;

/// A scenario that was read, with its ranges as they are written.
#[derive(Debug)]
pub struct Loaded {
    /// Its file.
    pub path: PathBuf,
    /// The file's text.
    pub text: String,
    /// The scenario's name.
    pub name: String,
    /// Its sliders.
    pub knobs: Vec<Knob>,
    document: Document,
    numbers: Vec<Number>,
    inputs: Inputs,
}

impl Loaded {
    /// Reads a scenario.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &Path, catalog: &Catalog) -> Result<Self, Error> {
        let text = store::read_text(path)?;
        let (scenario, inputs) = store::load_scenario_text(path, &text, catalog)?;
        let document = Document::parse(&path.display().to_string(), &text)?;
        let numbers = Number::all(&document);
        let knobs = knobs::all(&document, &numbers);
        let name = scenario.plan.name;
        Ok(Self { path: path.to_owned(), text, name, knobs, document, numbers, inputs })
    }

    /// Returns the series of the scenario.
    pub(super) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Returns the numbers that values are of; each value is checked.
    fn numbers<'a>(&'a self, values: &Values) -> Result<Vec<(&'a Number, f64)>, Refusal> {
        let mut problems = Vec::new();
        let mut found = Vec::new();
        for (key, value) in values {
            let knob = self.knobs.iter().any(|knob| knob.key == *key);
            match self.numbers.iter().find(|number| knob && number.key == *key) {
                None => problems.push((key.clone(), self.unknown(key))),
                Some(number) => match number.check(*value) {
                    Ok(()) => found.push((number, *value)),
                    Err(message) => problems.push((key.clone(), message)),
                },
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(Refusal::values(problems)) }
    }

    fn unknown(&self, key: &str) -> String {
        match nearest(key, self.knobs.iter().map(|knob| &*knob.key)) {
            Some(near) => format!("there is no such slider; did you mean {near:?}?"),
            None => "there is no such slider; /api/scenario lists them".into(),
        }
    }

    /// Returns the scenario with other values.
    pub(super) fn scenario(&self, values: &Values, catalog: &Catalog) -> Result<Scenario, Refusal> {
        let numbers = self.numbers(values)?;
        let mut document = self.document.clone();
        for (number, value) in numbers {
            number.put(&mut document, value);
        }
        Ok(Scenario::read(document, catalog)?)
    }

    /// Returns the scenario with other values as a file would hold it, so that its plan is that of `runrate plan`.
    pub(super) fn written(&self, values: &Values, catalog: &Catalog) -> Result<Written, Refusal> {
        let numbers = self.numbers(values)?;
        let refused = |message: String| Refusal::values(vec![(String::new(), message)]);
        let text = edit::set_numbers(&self.text, &numbers).map_err(refused)?;
        let (scenario, inputs) = store::load_scenario_text(&self.path, &text, catalog)?;
        Ok(Written { text, scenario, inputs })
    }
}

/// A scenario with other values as a text.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) scenario: Scenario,
    pub(super) inputs: Inputs,
}
