//! Uncertain numbers of a scenario: their keys, and the scenario of one trial.
//!
//! Any number may be written as `{ low, mid, high, confidence }`. The document that everything else
//! reads holds the mid value in its place; a trial is the same document with drawn values.
//!
//! # Limits
//! A deviate is named by its key, so a new range moves no other; a renamed range draws other values.
//! The settings of `[plan]` shape the plan itself and are no ranges.

use schemars::JsonSchema;
use serde::Deserialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::document::Document;
use crate::{
    error::{Problem, nearest},
    measure::{
        random::{self, Stream},
        range::{Bounds, Copula, Law, Range},
    },
};

/// Ranges that move together.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// Keys of the ranges, `users.growth.end`: each pair of them is correlated.
    #[schemars(length(min = 2, max = 100))]
    pub between: Vec<String>,
    /// Rank correlation (Spearman's ρ): 1 rises together, −1 one rises as the other falls.
    #[schemars(range(min = -1, max = 1))]
    pub rank: f64,
}

/// One uncertain number.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its key, `workloads.api.cpu_ms_per_request`.
    pub key: String,
    /// The range as written.
    pub range: Range,
    /// The distribution fitted to it.
    pub law: Law,
    whole: bool,
}

impl Input {
    /// Returns a range that the schema found.
    pub(super) fn new(key: String, range: Range, bounds: Bounds, whole: bool) -> Self {
        Self { key, range, law: range.law(bounds, whole), whole }
    }

    /// Puts the mid value in the range's place.
    pub(super) fn set_mid(&self, document: &mut Document) {
        document.set(&self.key, self.value(self.range.mid));
    }

    /// Returns a value as the document holds it.
    fn value(&self, x: f64) -> toml::Value {
        if self.whole { toml::Value::Integer(x as i64) } else { toml::Value::Float(x) }
    }
}

/// The ranges of a scenario.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranges {
    /// In the order of the document.
    pub inputs: Vec<Input>,
    copula: Copula,
}

impl Ranges {
    /// Ranges with their correlations.
    ///
    /// # Errors
    /// A correlation of what is no range, of one with itself, or of what cannot be.
    pub(super) fn new(
        inputs: Vec<Input>,
        correlations: &[Correlation],
        document: &Document,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut pairs: Vec<(usize, usize, f64)> = Vec::new();
        for (index, correlation) in correlations.iter().enumerate() {
            let mut places = Vec::new();
            for (at, name) in correlation.between.iter().enumerate() {
                let key = format!("correlations[{index}].between[{at}]");
                match inputs.iter().position(|input| input.key == *name) {
                    Some(place) if places.contains(&place) => {
                        problems.push(document.problem(&key, &format!("{name:?} is listed twice")));
                    }
                    Some(place) => places.push(place),
                    None => problems.push(document.problem(&key, &no_range(name, &inputs))),
                }
            }
            for (at, a) in places.iter().enumerate() {
                for b in &places[at + 1..] {
                    let (a, b) = (*a.min(b), *a.max(b));
                    if pairs.iter().any(|(c, d, _)| (*c, *d) == (a, b)) {
                        let message =
                            format!("{} and {} are correlated twice", inputs[a].key, inputs[b].key);
                        problems
                            .push(document.problem(&format!("correlations[{index}]"), &message));
                    } else {
                        pairs.push((a, b, correlation.rank));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let copula = Copula::new(&pairs)
            .map_err(|message| vec![document.problem("correlations", &message)])?;
        Ok(Self { inputs, copula })
    }

    /// Returns the values of a trial, in the order of the inputs; the mid values in trial 0.
    pub fn draw(&self, seed: u64, trial: u32) -> Vec<f64> {
        if trial == 0 {
            return self.inputs.iter().map(|input| input.range.mid).collect();
        }
        let key = random::stream(seed, trial, Stream::Inputs, 0).key();
        let law = Normal::standard();
        let deviate =
            |input: &Input| law.inverse_cdf(random::keyed(key, [random::name(&input.key), 0]));
        let mut deviates: Vec<f64> = self.inputs.iter().map(deviate).collect();
        self.copula.apply(&mut deviates);
        self.inputs.iter().zip(deviates).map(|(input, z)| input.law.at(z)).collect()
    }

    /// Puts values in the ranges' places.
    pub(super) fn set(&self, values: &[f64], document: &mut Document) {
        for (input, value) in self.inputs.iter().zip(values) {
            document.set(&input.key, input.value(*value));
        }
    }
}

fn no_range(name: &str, inputs: &[Input]) -> String {
    if inputs.is_empty() {
        return format!("{name:?} is not a range; the scenario has none");
    }
    if let Some(near) = nearest(name, inputs.iter().map(|input| &*input.key)) {
        return format!("{name:?} is not a range; did you mean {near:?}?");
    }
    let known: Vec<&str> = inputs.iter().map(|input| &*input.key).collect();
    format!("{name:?} is not a range; the ranges are {}", known.join(", "))
}
