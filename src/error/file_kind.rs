//! What a file looks like, so that a wrong one is reported once and not row by row.

use std::fmt;

use super::{Error, Place};

/// Bytes at the beginning of a file that tell its kind.
pub const START_BYTES: usize = 4096;

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// TOML.
    Toml,
    /// Comma-, semicolon- or tab-separated values.
    Csv,
    /// A plan that `plan --out` wrote.
    SavedPlan,
    /// Other JSON.
    Json,
    /// YAML.
    Yaml,
    /// HTML or XML.
    Markup,
    /// A PDF document.
    Pdf,
    /// A picture.
    Picture,
    /// An Excel workbook.
    Workbook,
    /// A zip archive.
    Zip,
    /// A file compressed with gzip.
    Gzip,
    /// A Parquet file.
    Parquet,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Toml => "a scenario (TOML)",
            Self::Csv => "a CSV table",
            Self::SavedPlan => "a saved plan (plan.json)",
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Markup => "HTML or XML",
            Self::Pdf => "a PDF document",
            Self::Picture => "a picture",
            Self::Workbook => "an Excel workbook",
            Self::Zip => "a zip archive",
            Self::Gzip => "a gzip archive",
            Self::Parquet => "a Parquet file",
        })
    }
}

impl FileKind {
    /// Returns what a file looks like that starts with these bytes; none if it may be anything.
    pub fn of(start: &[u8]) -> Option<Self> {
        let start = &start[..start.len().min(START_BYTES)];
        let has = |text: &str| start.windows(text.len()).any(|part| part == text.as_bytes());
        match start {
            [b'%', b'P', b'D', b'F', ..] => Some(Self::Pdf),
            [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Some(Self::Picture),
            [b'P', b'K', 3, 4, ..] if has("[Content_Types].xml") || has("xl/") => {
                Some(Self::Workbook)
            }
            [b'P', b'K', 3, 4, ..] => Some(Self::Zip),
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'P', b'A', b'R', b'1', ..] => Some(Self::Parquet),
            _ => Self::of_text(&String::from_utf8_lossy(start)),
        }
    }

    fn of_text(start: &str) -> Option<Self> {
        let lines = start.trim_start_matches('\u{feff}').lines().map(str::trim);
        let first = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('#'))?;
        let name = |text: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '"');
            !text.is_empty() && text.chars().all(known)
        };
        if first.starts_with('<') {
            return Some(Self::Markup);
        }
        if first.starts_with('{') {
            let plan = start.contains("\"schema\"") && start.contains("\"cost_metric\"");
            return Some(if plan { Self::SavedPlan } else { Self::Json });
        }
        if let Some(rest) = first.strip_prefix('[') {
            let head = rest.trim_start_matches('[').split(']').next().unwrap_or_default();
            return Some(if name(head) { Self::Toml } else { Self::Json });
        }
        if first.split_once('=').is_some_and(|(key, _)| name(key.trim())) {
            return Some(Self::Toml);
        }
        if first == "---" || first.starts_with("apiVersion:") || first.starts_with("kind:") {
            return Some(Self::Yaml);
        }
        first.contains([',', ';', '\t']).then_some(Self::Csv)
    }

    /// Checks that a file is of one of the kinds that a command reads, or of no known kind.
    ///
    /// # Errors
    /// Another kind; `expected` says what the command reads.
    pub fn check(file: &str, start: &[u8], accepted: &[Self], expected: &str) -> Result<(), Error> {
        match Self::of(start) {
            Some(kind) if !accepted.contains(&kind) => {
                Err(Error::at(Place::file(file), format!("looks like {kind}; expected {expected}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_tells_the_kind() {
        for (start, kind) in [
            (&b"%PDF-1.7\n"[..], Some(FileKind::Pdf)),
            (b"\x89PNG\r\n", Some(FileKind::Picture)),
            (b"PK\x03\x04\x14\0[Content_Types].xml", Some(FileKind::Workbook)),
            (b"PK\x03\x04\x14\0bill.csv", Some(FileKind::Zip)),
            (b"\x1f\x8b\x08", Some(FileKind::Gzip)),
            (b"PAR1\x15", Some(FileKind::Parquet)),
            (b"# plan\n\n[plan]\n", Some(FileKind::Toml)),
            (b"[[budgets]] # one\n", Some(FileKind::Toml)),
            (b"seed = 7\n", Some(FileKind::Toml)),
            (b"\xef\xbb\xbfdate,value\n", Some(FileKind::Csv)),
            (b"{\n  \"schema\": 1,\n  \"cost_metric\": \"x\"", Some(FileKind::SavedPlan)),
            (b"{ \"ResultsByTime\": [] }", Some(FileKind::Json)),
            (b"[{\"a\": 1}]", Some(FileKind::Json)),
            (b"apiVersion: v1\n", Some(FileKind::Yaml)),
            (b"<!doctype html>", Some(FileKind::Markup)),
            (b"value\n12\n", None),
            (b"", None),
        ] {
            assert_eq!(FileKind::of(start), kind, "{}", String::from_utf8_lossy(start));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_kind_or_none(start in proptest::collection::vec(0_u8..=255, 0..200)) {
            let _ = FileKind::of(&start);
        }
    }
}
