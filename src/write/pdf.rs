//! A page as PDF: A4, wide tables on their side, page numbers, table heads on every page, bookmarks, links
//! from amounts to their formula, charts as vectors, tags for those who do not see it.
//!
//! ```text
//! Page ─► sheets of placed texts, rules, pictures (flow, table) ─► bytes (emit)
//! ```
//! All sheets are laid out before the first is written, since each prints how many there are and links lead
//! forward.
//!
//! # Limits
//! Letters stand one after the other: no ligatures, no kerning, no writing from right to left. There is one
//! weight of one typeface in the program; bold is its outline drawn over it. What neither it nor its two
//! fallbacks hold, as Chinese names, is a visible mark in place of each letter; a copy of the text has the letters.

use crate::page::{Figure, Page};

mod emit;
mod flow;
mod fonts;
mod table;
mod wrap;

/// Gives the SVG of a figure.
pub type Draw<'a> = dyn Fn(&Figure) -> Result<String, String> + 'a;

/// The page as a PDF document; the same page gives the same bytes.
///
/// # Errors
/// A figure that cannot be drawn or read.
pub fn render(page: &Page, figures: &Draw<'_>) -> Result<Vec<u8>, String> {
    let fonts = fonts::Fonts::new()?;
    let mut flow = flow::Flow::new(&fonts);
    flow.page(page, figures)?;
    emit::document(page, &fonts, &flow.finish(page))
}

#[cfg(test)]
mod tests;
