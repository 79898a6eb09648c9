//! One error type for all readers: what was wrong, where, and what would be accepted.

use std::{collections::HashSet, fmt};

use crate::bounds;

pub mod guard;

/// Where a problem is: the file, its line, the dotted key in it. Any part may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Path as the user gave it.
    pub file: Option<String>,
    /// Line, counted from 1.
    pub line: Option<usize>,
    /// Dotted key, `workloads.api.hpa.max_replicas`, or the column of a table.
    pub key: Option<String>,
}

impl Place {
    /// A whole file.
    pub fn file(file: &str) -> Self {
        Self { file: Some(file.to_owned()), ..Self::default() }
    }

    /// A line of a file.
    pub fn line(file: &str, line: usize) -> Self {
        Self { line: Some(line), ..Self::file(file) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": ")?;
        }
        self.key.as_ref().map_or(Ok(()), |key| write!(f, "{key}: "))
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what would be accepted.
    pub message: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.message)
    }
}

/// What kind of failure it is; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed,
    Input,
    Check,
    Actuals,
    Interrupted,
}

/// Everything that was wrong, not only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    problems: Vec<Problem>,
}

impl Error {
    /// The command line, the scenario or an input file is wrong: exit code 2. A problem found twice
    /// (accounts share a stack) is told once.
    pub fn input(problems: Vec<Problem>) -> Self {
        let mut seen = HashSet::new();
        let mut told = problems;
        told.retain(|problem| seen.insert(problem.clone()));
        Self { kind: Kind::Input, problems: told }
    }

    /// One wrong input.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self::input(vec![Problem::new(place, message)])
    }

    /// Something failed while running: exit code 1.
    pub fn failed(place: Place, message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, problems: vec![Problem::new(place, message)] }
    }

    /// A check did not hold: exit code 3.
    pub fn check(message: impl Into<String>) -> Self {
        let problem = Problem::new(Place::default(), message);
        Self { kind: Kind::Check, problems: vec![problem] }
    }

    /// Actuals are missing or stale: exit code 4.
    pub fn actuals(place: Place, message: impl Into<String>) -> Self {
        Self { kind: Kind::Actuals, problems: vec![Problem::new(place, message)] }
    }

    /// Ctrl-C ended the work early; what was finished is reported: exit code 130.
    pub fn interrupted(message: impl Into<String>) -> Self {
        let problem = Problem::new(Place::default(), message);
        Self { kind: Kind::Interrupted, problems: vec![problem] }
    }

    /// The same error with each problem as `change` makes it.
    #[must_use]
    pub fn map(self, change: impl FnMut(Problem) -> Problem) -> Self {
        Self { kind: self.kind, problems: self.problems.into_iter().map(change).collect() }
    }

    /// The problems, in the order they were found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The process exit code.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Input => 2,
            Kind::Check => 3,
            Kind::Actuals => 4,
            // 128 + SIGINT, as shells report it.
            Kind::Interrupted => 130,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The candidate most like `word`, if any is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody misspells a key by as much, and the time grows with the product of the lengths.
    if word.len() > bounds::COMPARED_CHARS {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_file_line_key_message() {
        let place = Place {
            file: Some("shop.toml".into()),
            line: Some(12),
            key: Some("hpa.max_replicas".into()),
        };
        let problem = Problem::new(place, "2 is below min_replicas (4); give 4 or more");
        assert_eq!(
            problem.to_string(),
            "shop.toml:12: hpa.max_replicas: 2 is below min_replicas (4); give 4 or more"
        );
    }

    #[test]
    fn the_nearest_key_is_suggested_only_when_near() {
        let keys = ["min_replicas", "max_replicas", "target"];
        assert_eq!(nearest("max_replica", keys), Some("max_replicas"));
        assert_eq!(nearest("zzz", keys), None);
    }
}
