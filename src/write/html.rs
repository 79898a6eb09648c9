//! A report as one HTML file that needs nothing else: no network, no script, no font.
//!
//! Headings, table scopes, captions and words for pictures are there for those who hear the page; on paper, long
//! tables are whole, heads are repeated, and tables wider than the sheet are cut into pieces of columns. Text of the
//! page comes from scenarios and bills: all of it goes through `escape`, and a policy in the head forbids whatever
//! could still be loaded or run.
//!
//! # Limits
//! Links between rows work on the screen; the pieces of a wide table that stand on paper only have none.

mod anchors;
mod table;

use std::fmt::Write as _;

use crate::page::text::escape;
use crate::page::{Fact, Figure, Page, Section, figure};
use anchors::Anchors;

const STYLE: &str = include_str!("html/style.css");
/// Nothing is loaded, nothing runs, nothing is sent.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The report.
///
/// # Errors
/// What the drawing of a figure says; no page is known to cause it.
pub fn render(page: &Page) -> Result<String, String> {
    let mut anchors = Anchors::of(page);
    let mut out = String::with_capacity(64 * 1024);
    head(&mut out, page);
    header(&mut out, page);
    contents(&mut out, page, &anchors);
    out.push_str("<main id=\"main\">\n");
    for section in &page.sections {
        section_of(&mut out, page, section, &mut anchors)?;
    }
    out.push_str("</main>\n");
    footer(&mut out, page);
    out.push_str("</body>\n</html>\n");
    Ok(out)
}

/// An element that holds only text; `open` is its tag with attributes.
fn element(out: &mut String, open: &str, text: &str) {
    let name = open.split(' ').next().unwrap_or(open);
    let _ = write!(out, "<{open}>");
    escape(out, text);
    let _ = writeln!(out, "</{name}>");
}

fn head(out: &mut String, page: &Page) {
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    element(out, "title", &page.title);
    let _ = write!(out, "<style>\n{STYLE}</style>\n</head>\n<body>\n");
}

fn header(out: &mut String, page: &Page) {
    out.push_str("<a class=\"skip\" href=\"#main\">Skip to the report</a>\n<header>\n");
    element(out, "h1", &page.title);
    let metric = [&*page.cost_metric, &*page.currency];
    let metric: Vec<&str> = metric.into_iter().filter(|text| !text.is_empty()).collect();
    if !metric.is_empty() {
        element(out, "p class=\"metric\"", &format!("All amounts: {}", metric.join(", ")));
    }
    if !page.headline.is_empty() {
        // Three in a row, or four where that leaves no gap.
        let four = if page.headline.len().is_multiple_of(4) { " four" } else { "" };
        let _ = writeln!(out, "<dl class=\"facts{four}\">");
        for fact in &page.headline {
            fact_of(out, fact);
        }
        out.push_str("</dl>\n");
    }
    out.push_str("</header>\n");
}

fn fact_of(out: &mut String, fact: &Fact) {
    let value = fact.shown();
    // Words need more room than figures.
    let class = if value.chars().count() > 16 { "dd class=\"long\"" } else { "dd" };
    out.push_str("<div>");
    element(out, "dt", &fact.label);
    element(out, class, &value);
    if !fact.note.is_empty() {
        element(out, "dd class=\"note\"", &fact.note);
    }
    out.push_str("</div>\n");
}

fn contents(out: &mut String, page: &Page, anchors: &Anchors<'_>) {
    if page.sections.len() < 2 {
        return;
    }
    out.push_str("<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ol>\n");
    for (section, id) in page.sections.iter().zip(anchors.sections()) {
        let _ = write!(out, "<li><a href=\"#{id}\">");
        escape(out, &section.title);
        out.push_str("</a></li>\n");
    }
    out.push_str("</ol>\n</nav>\n");
}

fn section_of(
    out: &mut String,
    page: &Page,
    section: &Section,
    anchors: &mut Anchors<'_>,
) -> Result<(), String> {
    let id = anchors.next_section();
    let _ = writeln!(out, "<section id=\"{id}\" aria-labelledby=\"{id}:h\">");
    element(out, &format!("h2 id=\"{id}:h\""), &section.title);
    for text in &section.text {
        element(out, "p", text);
    }
    if !section.points.is_empty() {
        out.push_str("<ul>\n");
        for point in &section.points {
            element(out, "li", point);
        }
        out.push_str("</ul>\n");
    }
    for figure in &section.figures {
        figure_of(out, figure, &anchors.next_figure())?;
    }
    for table in &section.tables {
        table::write(out, page, table, anchors);
    }
    out.push_str("</section>\n");
    Ok(())
}

/// Both sizes of a figure; the style shows one of them.
fn figure_of(out: &mut String, of: &Figure, id: &str) -> Result<(), String> {
    let _ = writeln!(out, "<figure id=\"{id}\">");
    element(out, "figcaption", &of.title);
    for (class, size) in [("wide", figure::WIDE), ("narrow", figure::NARROW)] {
        let _ = writeln!(out, "<div class=\"{class}\">");
        out.push_str(&figure::inline(of, &format!("{id}:{class}"), size)?);
        out.push_str("</div>\n");
    }
    out.push_str("</figure>\n");
    Ok(())
}

fn footer(out: &mut String, page: &Page) {
    out.push_str("<footer>\n");
    if !page.provenance.is_empty() {
        out.push_str("<h2 id=\"provenance\">What this report was made from</h2>\n<dl>\n");
        for (name, value) in &page.provenance {
            out.push_str("<div>");
            element(out, "dt", name);
            element(out, "dd", value);
            out.push_str("</div>\n");
        }
        out.push_str("</dl>\n");
    }
    out.push_str("</footer>\n");
}
