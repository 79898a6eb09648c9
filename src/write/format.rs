//! Every format of a report, by name: what it is called, which files it makes.

use crate::plan::Plan;
#[cfg(feature = "polars")]
use crate::write::parquet;
#[cfg(feature = "pdf")]
use crate::{
    page::{Figure, figure},
    write::pdf,
};
use crate::{
    page::{
        Page,
        content::{self, Beside},
    },
    write::{csv, focus, html, markdown, xlsx},
};

/// A format, in the order of `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// One HTML file.
    Html,
    /// A workbook that computes.
    Xlsx,
    /// Sheets of paper.
    #[cfg(feature = "pdf")]
    Pdf,
    /// Markdown.
    Md,
    /// Every table as CSV, and the ledger.
    Csv,
    /// The plan's document.
    Json,
    /// The ledger as columns.
    #[cfg(feature = "polars")]
    Parquet,
    /// The columns of a bill, as CSV.
    Focus,
}

/// A file of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What kind of content it is, as HTTP names it.
    pub media_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A plan with the page that all formats render.
#[derive(Debug)]
pub struct Report<'a> {
    plan: &'a Plan,
    page: Page,
    focus: &'a focus::Facts,
}

impl Format {
    /// All that this build has.
    pub const ALL: &'static [Self] = &[
        Self::Html,
        Self::Xlsx,
        #[cfg(feature = "pdf")]
        Self::Pdf,
        Self::Md,
        Self::Csv,
        Self::Json,
        #[cfg(feature = "polars")]
        Self::Parquet,
        Self::Focus,
    ];

    /// Its name, as `--format` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Xlsx => "xlsx",
            #[cfg(feature = "pdf")]
            Self::Pdf => "pdf",
            Self::Md => "md",
            Self::Csv => "csv",
            Self::Json => "json",
            #[cfg(feature = "polars")]
            Self::Parquet => "parquet",
            Self::Focus => "focus",
        }
    }

    /// The format of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }
}

/// Media types of texts.
const CSV: &str = "text/csv; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A page as one file that is called `stem` and the ending of its format; none for a format that only a plan has.
///
/// # Errors
/// What a writer says: a figure that cannot be drawn, a sheet with too many rows.
pub fn page_file(page: &Page, format: Format, stem: &str) -> Result<Option<File>, String> {
    let (media_type, bytes) = match format {
        Format::Html => (HTML, html::render(page)?.into_bytes()),
        Format::Xlsx => (XLSX, xlsx::of_page(page)?),
        #[cfg(feature = "pdf")]
        Format::Pdf => ("application/pdf", pdf_of(page)?),
        Format::Md => (MARKDOWN, markdown::render(page).into_bytes()),
        Format::Csv => (CSV, csv::page(page).into_bytes()),
        _ => return Ok(None),
    };
    Ok(Some(File { name: format!("{stem}.{}", format.name()), media_type, bytes }))
}

#[cfg(feature = "pdf")]
fn pdf_of(page: &Page) -> Result<Vec<u8>, String> {
    let draw = |figure: &Figure| figure::svg(&figure.chart, figure::WIDE);
    pdf::render(page, &draw)
}

impl<'a> Report<'a> {
    /// A plan, and what it is compared with.
    pub fn new(plan: &'a Plan, beside: Beside<'_>, focus: &'a focus::Facts) -> Self {
        Self { plan, page: content::page(plan, beside), focus }
    }

    /// The page.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// The files of a format; the first is the report itself.
    ///
    /// # Errors
    /// What a writer says; nothing in a plan is known to cause it.
    pub fn files(&self, format: Format) -> Result<Vec<File>, String> {
        let one = |name: &str, media_type: &'static str, bytes: Vec<u8>| {
            vec![File { name: name.into(), media_type, bytes }]
        };
        if format == Format::Csv {
            return Ok(self.tables());
        }
        if format == Format::Xlsx {
            return Ok(one("report.xlsx", XLSX, xlsx::workbook(self.plan, &self.page)?));
        }
        if let Some(file) = page_file(&self.page, format, "report")? {
            return Ok(vec![file]);
        }
        Ok(match format {
            Format::Json => {
                let mut text =
                    serde_json::to_string_pretty(self.plan).map_err(|e| e.to_string())?;
                text.push('\n');
                one("plan.json", "application/json", text.into())
            }
            #[cfg(feature = "polars")]
            Format::Parquet => {
                one("ledger.parquet", "application/vnd.apache.parquet", parquet::ledger(self.plan)?)
            }
            Format::Focus => {
                let text = focus::csv(self.plan, self.focus);
                one("focus.csv", CSV, text.into())
            }
            _ => Vec::new(),
        })
    }

    fn tables(&self) -> Vec<File> {
        let file = |name: String, text: String| File { name, media_type: CSV, bytes: text.into() };
        let mut files = vec![
            file("ledger.csv".into(), csv::ledger(self.plan)),
            file("provenance.csv".into(), csv::provenance(&self.page)),
            file("tables.csv".into(), csv::index(&self.page)),
        ];
        files.extend(self.page.tables().map(|table| {
            file(format!("table-{}.csv", table.id), csv::table(table, &self.page.currency))
        }));
        files
    }
}
