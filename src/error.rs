//! The error type: what is wrong, where, and what is accepted.

use std::{collections::HashSet, fmt};

use crate::bounds;

pub mod file_kind;
pub mod guard;

/// Where a problem is: a file, a line, a dotted key. Any part may be unknown.
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
    /// Returns the place of a whole file.
    pub fn file(file: &str) -> Self {
        Self { file: Some(file.to_owned()), ..Self::default() }
    }

    /// Returns the place of a line of a file.
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
    /// Where it is.
    pub place: Place,
    /// What is wrong, and what is accepted.
    pub message: String,
}

impl Problem {
    /// Creates a problem at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }

    /// Creates the problem of a record that the CSV reader rejects, without the reader's own terms.
    pub fn csv(file: &str, error: &csv::Error) -> Self {
        let line = error.position().map(|position| position.line() as usize);
        let message = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("expected {expected_len} columns, found {len}")
            }
            csv::ErrorKind::Utf8 { .. } => "is not UTF-8 text".to_owned(),
            csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
            csv::ErrorKind::Io(error) => error.to_string(),
            _ => "is not a row of CSV".to_owned(),
        };
        Self::new(Place { line, ..Place::file(file) }, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.message)
    }
}

/// What kind of failure an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line, the scenario or an input file is wrong.
    Input,
    /// Something failed while running.
    Failed,
    /// A file or the terminal cannot be written.
    Io,
    /// A server did not answer, or refused.
    Network,
    /// A check did not hold: a budget, or the accuracy of a plan.
    CheckFailed,
    /// Bills are missing or stale.
    MissingActuals,
    /// Ctrl-C ended the work early.
    Interrupted,
}

impl ErrorKind {
    /// Returns the exit code of a process that ends with such an error.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed | Self::Io | Self::Network => 1,
            Self::Input => 2,
            Self::CheckFailed => 3,
            Self::MissingActuals => 4,
            // 128 + SIGINT, as shells report it.
            Self::Interrupted => 130,
        }
    }
}

/// Every problem that was found, not only the first.
///
/// ```
/// use runrate::{app::store, error::ErrorKind, intent::scenario::Scenario};
/// let error = Scenario::parse("shop.toml", "[plan]\nmonths = 0\n", &store::embedded_catalog()?).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Input);
/// assert_eq!(error.problems()[0].place.file.as_deref(), Some("shop.toml"));
/// # Ok::<(), runrate::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    problems: Vec<Problem>,
}

impl Error {
    /// Creates an error of the kind `Input`. A problem that was found twice (accounts share a stack) is kept once.
    pub fn input(mut problems: Vec<Problem>) -> Self {
        let mut seen = HashSet::new();
        problems.retain(|problem| seen.insert(problem.clone()));
        Self { kind: ErrorKind::Input, problems }
    }

    /// Creates an error of the kind `Input` with one problem.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, place, message)
    }

    /// Creates an error of the kind `Input` for a record that the CSV reader rejects.
    pub fn csv(file: &str, error: &csv::Error) -> Self {
        Self::input(vec![Problem::csv(file, error)])
    }

    /// Creates an error of the kind `Failed`.
    pub fn failed(place: Place, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, place, message)
    }

    /// Creates an error of the kind `Io`.
    pub fn io(place: Place, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, place, message)
    }

    /// Creates an error of the kind `Network`.
    pub fn network(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Network, Place::default(), message)
    }

    /// Creates an error of the kind `CheckFailed`.
    pub fn check(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::CheckFailed, Place::default(), message)
    }

    /// Creates an error of the kind `MissingActuals`.
    pub fn actuals(place: Place, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::MissingActuals, place, message)
    }

    /// Creates an error of the kind `Interrupted`.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Interrupted, Place::default(), message)
    }

    fn new(kind: ErrorKind, place: Place, message: impl Into<String>) -> Self {
        Self { kind, problems: vec![Problem::new(place, message)] }
    }

    /// Returns the error with each problem changed.
    #[must_use]
    pub fn map(self, change: impl FnMut(Problem) -> Problem) -> Self {
        Self { kind: self.kind, problems: self.problems.into_iter().map(change).collect() }
    }

    /// Returns what kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the problems in the order they were found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the exit code of a process that ends with this error.
    pub fn exit_code(&self) -> u8 {
        self.kind.exit_code()
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

/// Returns the candidate most like `word`, if one is near enough to be a misspelling of it.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer word is not a misspelt key, and the time grows with the product of the lengths.
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
