//! A number of a scenario: its key, range, bounds and meaning.

use serde::Serialize;

use super::{document::Document, schema};
use crate::measure::range::{Bounds, Range};

/// A number that the scenario says.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// Its key, `workloads.api.hpa.max_replicas`.
    pub key: String,
    /// Its range; all three the same where it is one number.
    pub range: Range,
    /// Whether it is written as a range.
    pub is_range: bool,
    /// The least and the most that the schema lets it be.
    pub bounds: Bounds,
    /// Whether it counts something.
    pub whole: bool,
    /// What the schema says of it, `CPU time of one request [ms].`
    pub about: String,
}

/// The value of a number: one, or the ends of a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Stands {
    /// One number.
    One(f64),
    /// Low end, middle, high end.
    Range([f64; 3]),
}

impl Number {
    /// Returns every number of a document that is a scenario, in its order.
    pub fn all(document: &Document) -> Vec<Self> {
        schema::numbers(document)
    }

    /// What is wrong with a value, and what would be accepted.
    ///
    /// # Errors
    /// What is no number, no whole one where things are counted, or out of bounds.
    pub fn check(&self, value: f64) -> Result<(), String> {
        let accepted = self.bounds.accepted();
        if !value.is_finite() {
            return Err(format!("{value} is not a finite number; give {accepted}"));
        }
        if self.whole && value.fract() != 0.0 {
            return Err(format!("{value} is not a whole number; give {accepted}"));
        }
        // Within the bounds is where clamping moves nothing.
        if (self.bounds.clamp(value) - value).abs() > 0.0 {
            return Err(format!("{value} is out of range; give {accepted}"));
        }
        Ok(())
    }

    /// Returns the number with this value in the middle: a range moves as a whole, by the factor of its middle,
    /// and stays within the bounds. A range around nothing only gives way.
    pub fn moved(&self, value: f64) -> Stands {
        if !self.is_range {
            return Stands::One(value);
        }
        let Range { low, mid, high, .. } = self.range;
        let [low, high] = if mid == 0.0 {
            [low.min(value), high.max(value)]
        } else {
            // Of a number below nothing the ends change places nowhere: both are times the same factor.
            let factor = value / mid;
            if factor < 0.0 { [value, value] } else { [low * factor, high * factor] }
        };
        let end = |end: f64| {
            let end = self.bounds.clamp(five_digits(end));
            if self.whole { end.round() } else { end }
        };
        Stands::Range([end(low).min(value), value, end(high).max(value)])
    }

    /// Returns the keys to change, with their values, for this value in the middle.
    pub(super) fn moved_values(&self, value: f64) -> Vec<(String, toml::Value)> {
        let number = |x: f64| {
            if self.whole { toml::Value::Integer(x as i64) } else { toml::Value::Float(x) }
        };
        match self.moved(value) {
            Stands::One(value) => vec![(self.key.clone(), number(value))],
            Stands::Range(ends) => {
                let ends = ["low", "mid", "high"].into_iter().zip(ends);
                ends.map(|(name, end)| (format!("{}.{name}", self.key), number(end))).collect()
            }
        }
    }

    /// Puts a value into a document that holds the number.
    pub fn put(&self, document: &mut Document, value: f64) {
        for (key, value) in self.moved_values(value) {
            document.set(&key, value);
        }
    }
}

/// Five digits: more than anybody knows of such a number.
pub(super) fn five_digits(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return value;
    }
    let places = 4 - value.log10().floor() as i32;
    let scale = 10_f64.powi(places);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(range: [f64; 3], bounds: [Option<f64>; 2], whole: bool) -> Number {
        let [low, mid, high] = range;
        Number {
            key: "x".into(),
            range: Range { low, mid, high, confidence: 0.8 },
            is_range: true,
            bounds: Bounds { least: bounds[0], most: bounds[1] },
            whole,
            about: String::new(),
        }
    }

    #[test]
    fn a_range_moves_as_a_whole_and_stays_within_its_bounds() {
        let sessions = number([9.0, 12.0, 16.0], [Some(0.0), None], false);
        assert_eq!(sessions.moved(18.0), Stands::Range([13.5, 18.0, 24.0]));
        assert_eq!(sessions.moved(0.0), Stands::Range([0.0, 0.0, 0.0]));
        let share = number([0.5, 0.6, 0.9], [Some(0.0), Some(1.0)], false);
        assert_eq!(share.moved(0.9), Stands::Range([0.75, 0.9, 1.0]));
        let late = number([0.0, 0.0, 30.0], [Some(-365.0), Some(365.0)], false);
        assert_eq!(late.moved(10.0), Stands::Range([0.0, 10.0, 30.0]));
        assert_eq!(late.moved(40.0), Stands::Range([0.0, 40.0, 40.0]));
        let count = number([2.0, 3.0, 6.0], [Some(1.0), None], true);
        assert_eq!(count.moved(4.0), Stands::Range([3.0, 4.0, 8.0]));
    }

    #[test]
    fn values_out_of_bounds_say_what_is_accepted() {
        let share = number([0.1, 0.2, 0.3], [Some(0.0), Some(1.0)], false);
        assert_eq!(share.check(1.5), Err("1.5 is out of range; give 0 to 1".into()));
        assert!(share.check(f64::NAN).unwrap_err().contains("not a finite number"));
        assert_eq!(share.check(1.0), Ok(()));
        let count = number([1.0, 2.0, 3.0], [Some(1.0), None], true);
        assert_eq!(count.check(2.5), Err("2.5 is not a whole number; give 1 or more".into()));
    }

    #[test]
    fn five_digits_are_kept() {
        for (value, expected) in
            [(6.0, 6.0), (123_456.0, 123_460.0), (0.001_234_567, 0.001_234_6), (0.0, 0.0)]
        {
            assert!((five_digits(value) - expected).abs() < 1e-9 * expected.max(1e-9), "{value}");
        }
    }
}
