//! One way from a page to the terminal, to stdout and to a file.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde::Serialize;

use super::{PAGE, color, pretty, print, print_bytes, say, width};
use crate::{
    app::store,
    error::{Error, Place},
    page::{Importance, Page},
    write::{
        csv,
        format::{self, File},
        terminal::{self, View},
    },
};

/// Format of what a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables for a terminal
    Table,
    /// Markdown
    Md,
    /// One HTML file with charts
    Html,
    /// Excel workbook
    Xlsx,
    /// PDF
    #[cfg(feature = "pdf")]
    Pdf,
    /// All values, for programs
    Json,
    /// The main table, for programs and spreadsheets
    Csv,
}

impl Format {
    /// The writer of a format that is made of a page alone.
    pub(super) fn writer(self) -> Option<format::Format> {
        match self {
            Self::Table | Self::Json | Self::Csv => None,
            Self::Md => Some(format::Format::Md),
            Self::Html => Some(format::Format::Html),
            Self::Xlsx => Some(format::Format::Xlsx),
            #[cfg(feature = "pdf")]
            Self::Pdf => Some(format::Format::Pdf),
        }
    }
}

/// In which format a command answers; for commands that write files of their own.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Printed {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
}

/// In which format a command answers, and where.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Output {
    #[command(flatten)]
    pub(super) printed: Printed,
    /// File to write [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// The view of the terminal that stdout is, or of a page of its width.
pub(super) fn view(depth: Importance) -> View {
    View { width: width(), color: color(), depth }
}

/// Writes an answer in the requested format: its page, or, as JSON, the whole document.
pub(super) fn answer(page: &Page, document: &impl Serialize, output: &Output) -> Result<(), Error> {
    let format = output.printed.format;
    // Colors and the width of this terminal are not for a file.
    let view = match output.out {
        Some(_) => View { width: PAGE, color: false, depth: Importance::Main },
        None => view(Importance::Main),
    };
    let text = match format {
        Format::Table => terminal::render(page, view),
        Format::Json => pretty(document)?,
        Format::Csv => csv::page(page),
        _ => {
            let file = match format.writer() {
                Some(writer) => format::page_file(page, writer, "report"),
                None => Ok(None),
            };
            let file = file.map_err(|message| Error::failed(Place::default(), message))?;
            return file.map_or(Ok(()), |file| deliver(&file, output.out.as_deref()));
        }
    };
    deliver_text(&text, output.out.as_deref())
}

fn deliver_text(text: &str, out: Option<&Path>) -> Result<(), Error> {
    match out {
        None => print(text),
        Some(out) => write(out, crate::page::text::printable(text).as_bytes()),
    }
}

/// Writes an answer whose rows for programs are too many for a page: as CSV they are written by themselves.
pub(super) fn answer_with_rows(
    page: impl FnOnce() -> Page,
    document: &impl Serialize,
    rows: impl FnOnce() -> String,
    output: &Output,
) -> Result<(), Error> {
    if output.printed.format != Format::Csv {
        return answer(&page(), document, output);
    }
    deliver_text(&rows(), output.out.as_deref())
}

/// Writes an answer of a command whose `--out` is for other files.
pub(super) fn answer_on_stdout(
    page: &Page,
    document: &impl Serialize,
    printed: Printed,
) -> Result<(), Error> {
    answer(page, document, &Output { printed, out: None })
}

/// Writes a file to the requested place; what is no text goes to no terminal.
pub(super) fn deliver(file: &File, out: Option<&Path>) -> Result<(), Error> {
    if let Some(out) = out {
        return write(out, &file.bytes);
    }
    if let Ok(text) = std::str::from_utf8(&file.bytes) {
        return print(text);
    }
    if std::io::stdout().is_terminal() {
        let message =
            format!("{} is not text. Give --out {}, or redirect stdout", file.name, file.name);
        return Err(Error::at(Place::default(), message));
    }
    print_bytes(&file.bytes)
}

fn write(out: &Path, bytes: &[u8]) -> Result<(), Error> {
    store::write_file(out, bytes)?;
    say(&format!("wrote {}", out.display()));
    Ok(())
}
