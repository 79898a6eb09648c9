//! What a plan assumes: every value of its scenario, with its range where it is uncertain.

use serde::{Deserialize, Serialize};

/// A value as the scenario writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number; the mid value of a range.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// Text.
    Text(String),
}

/// How far a number may be off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Uncertainty {
    /// Low end of the interval.
    pub low: f64,
    /// High end.
    pub high: f64,
    /// Share of outcomes inside.
    pub confidence: f64,
}

/// One value of the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assumption {
    /// Its key, `workloads.api.cpu_ms_per_request`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Its range, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Uncertainty>,
}

/// Every value of a document, in its order, with the ranges by key.
pub(crate) fn list(
    table: &toml::Table,
    range: &dyn Fn(&str) -> Option<Uncertainty>,
) -> Vec<Assumption> {
    let mut found = Vec::new();
    for (key, value) in table {
        walk(key.clone(), value, range, &mut found);
    }
    found
}

fn walk(
    key: String,
    value: &toml::Value,
    range: &dyn Fn(&str) -> Option<Uncertainty>,
    found: &mut Vec<Assumption>,
) {
    let value = match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                walk(format!("{key}.{name}"), value, range, found);
            }
            return;
        }
        toml::Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(format!("{key}[{index}]"), value, range, found);
            }
            return;
        }
        toml::Value::Integer(number) => Value::Number(*number as f64),
        toml::Value::Float(number) => Value::Number(*number),
        toml::Value::Boolean(flag) => Value::Flag(*flag),
        toml::Value::String(text) => Value::Text(text.clone()),
        toml::Value::Datetime(moment) => Value::Text(moment.to_string()),
    };
    let range = range(&key);
    found.push(Assumption { key, value, range });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_found_with_its_key_and_range() {
        let table = "a = 1\n[b]\nc = [1.5, 'x']\nd = true".parse::<toml::Table>().unwrap();
        let wide = Uncertainty { low: 0.0, high: 2.0, confidence: 0.8 };
        let found = list(&table, &|key| (key == "a").then_some(wide));
        let keys: Vec<&str> = found.iter().map(|one| &*one.key).collect();
        assert_eq!(keys, ["a", "b.c[0]", "b.c[1]", "b.d"]);
        assert_eq!((&found[0].value, found[0].range), (&Value::Number(1.0), Some(wide)));
        assert_eq!((&found[3].value, found[3].range), (&Value::Flag(true), None));
    }
}
