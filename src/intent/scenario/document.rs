//! A TOML text with the line of every key, so that any later problem can be placed.

use std::{collections::BTreeMap, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::key::Key;
use crate::error::{Error, Place, Problem};

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file's name as the user gave it.
    pub file: String,
    /// The values.
    pub table: toml::Table,
    /// Line of each dotted key.
    lines: Arc<BTreeMap<String, usize>>,
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// Every fault of the syntax, with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        if text.contains('\r') && !text.contains('\n') {
            let message = "lines end in CR only (old Macintosh text); save it with LF or CRLF";
            return Err(Error::at(Place::file(file), message));
        }
        let (parsed, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let problems = errors.iter().map(|error| {
                let line = error.span().map(|span| line_of(span.start));
                let found = error.span().and_then(|span| text.get(span)).unwrap_or_default();
                let found = found.lines().next().unwrap_or_default().trim();
                let found = if found.is_empty() { String::new() } else { format!(": {found}") };
                let message = format!("{}{found}", error.message());
                Problem::new(Place { line, ..Place::file(file) }, message)
            });
            return Err(Error::input(problems.collect()));
        }
        let mut reader = Reader { line_of: &line_of, lines: BTreeMap::new(), problems: vec![] };
        let table = reader.table(parsed.get_ref(), "");
        let Reader { lines, problems, .. } = reader;
        let document = Self { file: file.to_owned(), table, lines: Arc::new(lines) };
        let wrong: Vec<Problem> =
            problems.into_iter().map(|(key, message)| document.problem(&key, &message)).collect();
        if wrong.is_empty() { Ok(document) } else { Err(Error::input(wrong)) }
    }

    /// Puts a value in the place of a key that exists.
    pub(super) fn set(&mut self, key: &str, value: toml::Value) {
        if let Some(key) = Key::find(&self.table, key) {
            key.set(&mut self.table, value);
        }
    }

    /// Returns a problem at a key, on its line or that of the nearest table around it.
    pub fn problem(&self, key: &str, message: &str) -> Problem {
        let place = Place {
            file: Some(self.file.clone()),
            line: self.line(key),
            key: (!key.is_empty()).then(|| key.to_owned()),
        };
        Problem::new(place, message)
    }

    /// Returns the problem of a message `key.below: message`, placed on that key if the message names one.
    pub fn problem_below(&self, table: &str, message: &str) -> Problem {
        match message.split_once(": ") {
            Some((key, rest)) if !key.contains(' ') => {
                self.problem(&format!("{table}.{key}"), rest)
            }
            _ => self.problem(table, message),
        }
    }

    /// Returns a problem of an account's stack: on the line of its override where there is one.
    pub fn account_problem(&self, account: &str, key: &str, message: &str) -> Problem {
        let own = format!("accounts.{account}.override.{key}");
        if self.lines.contains_key(&own) {
            return self.problem(&own, message);
        }
        self.problem(key, message)
    }

    fn line(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(line) = self.lines.get(key) {
                return Some(*line);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

struct Reader<'a> {
    line_of: &'a dyn Fn(usize) -> usize,
    lines: BTreeMap<String, usize>,
    problems: Vec<(String, String)>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &str) -> toml::Table {
        let mut read = toml::Table::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            self.lines.insert(path.clone(), (self.line_of)(key.span().start));
            read.insert(name, self.value(value, &path));
        }
        read
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> toml::Value {
        match value.get_ref() {
            DeValue::String(text) => toml::Value::String(text.to_string()),
            DeValue::Integer(number) => {
                let parsed = i64::from_str_radix(number.as_str(), number.radix());
                self.number(parsed.ok().map(toml::Value::Integer), number.as_str(), path)
            }
            DeValue::Float(number) => {
                let parsed = number.as_str().parse::<f64>().ok().filter(|v| v.is_finite());
                self.number(parsed.map(toml::Value::Float), number.as_str(), path)
            }
            DeValue::Boolean(value) => toml::Value::Boolean(*value),
            DeValue::Datetime(value) => toml::Value::Datetime(*value),
            DeValue::Array(values) => {
                let read = values.iter().enumerate().map(|(index, value)| {
                    let path = format!("{path}[{index}]");
                    self.lines.insert(path.clone(), (self.line_of)(value.span().start));
                    self.value(value, &path)
                });
                toml::Value::Array(read.collect())
            }
            DeValue::Table(table) => toml::Value::Table(self.table(table, path)),
        }
    }

    fn number(&mut self, value: Option<toml::Value>, text: &str, path: &str) -> toml::Value {
        value.unwrap_or_else(|| {
            let message = format!("{text} is not a finite number that can be counted with");
            self.problems.push((path.to_owned(), message));
            toml::Value::Integer(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_their_lines() {
        let document = Document::parse("s.toml", "a = 1\n[b]\nc = [\n 1,\n 2]\n").unwrap();
        assert_eq!(document.problem("b.c[1]", "x").to_string(), "s.toml:5: b.c[1]: x");
        assert_eq!(document.problem("b.unknown", "x").to_string(), "s.toml:2: b.unknown: x");
    }

    #[test]
    fn a_value_is_put_where_its_key_stands() {
        let mut document =
            Document::parse("s", "[a.\"x.y\"]\nb = [1, { c = 2 }]\n[ab]\nz = 1").unwrap();
        document.set("a.x.y.b[1].c", toml::Value::Integer(7));
        document.set("ab.z", toml::Value::Integer(8));
        document.set("a.unknown", toml::Value::Integer(9));
        assert_eq!(document.table["a"]["x.y"]["b"][1]["c"].as_integer(), Some(7));
        assert_eq!(document.table["ab"]["z"].as_integer(), Some(8));
    }

    #[test]
    fn faults_of_syntax_are_placed() {
        let error = Document::parse("s.toml", "a = 1\nb = \n").unwrap_err();
        assert!(error.to_string().starts_with("s.toml:2: "), "{error}");
        assert!(Document::parse("s.toml", "a = nan\n").is_err());
        assert!(
            Document::parse("s.toml", "a = 1\rb = 2\r").unwrap_err().to_string().contains("CR")
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\r\né=\\[\\]{}\".]{0,120}") {
            let _ = Document::parse("s.toml", &text);
        }
    }
}
