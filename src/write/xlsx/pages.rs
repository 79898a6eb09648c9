//! The workbook of a page that is no plan: nothing in it computes but the sums of its tables.
//!
//! # Limits
//! Charts are pictures: the sheets may lack the values that they show.

use rust_xlsxwriter::{Image, Worksheet, XlsxError};

use super::{
    bound, made,
    sheet::{BODY, Done, Sheet},
    sheet_names, style, summary, tables,
};
use crate::page::{Figure, Page, Section, Table, figure};

/// Last column that a sentence spans.
const LAST: u16 = 8;

/// Writes the book.
pub(super) fn write(page: &Page) -> Result<Vec<u8>, XlsxError> {
    let all: Vec<&Table> = page.tables().filter(|table| !table.columns.is_empty()).collect();
    let names = sheet_names(&[summary::NAME], &all);
    let mut sheets: Vec<Worksheet> = vec![made(summary::NAME, true, |sheet| words(sheet, page))?];
    for (table, name) in all.iter().zip(&names) {
        sheets.push(made(name, true, |sheet| {
            sheet.title(&table.title, &tables::note(table, page))?;
            tables::body(sheet, table)
        })?);
    }
    let made = page.provenance.iter().map(|(name, value)| format!("{name} {value}"));
    let comment: String = made.collect::<Vec<_>>().join(", ").chars().take(255).collect();
    bound((&page.title, &page.cost_metric, &comment), sheets)?.save_to_buffer()
}

/// Headline, paragraphs and points, and what the page was made from.
fn words(sheet: &mut Sheet, page: &Page) -> Done {
    let basis = [&*page.currency, &*page.cost_metric].into_iter().filter(|text| !text.is_empty());
    sheet.title(&page.title, &basis.collect::<Vec<_>>().join("; "))?;
    let mut row = BODY;
    if !page.headline.is_empty() {
        summary::facts(sheet, &page.headline)?;
        row += page.headline.len() as u32 + 1;
    }
    let says = |section: &&Section| !section.text.is_empty() || !section.points.is_empty();
    for section in page.sections.iter().filter(says) {
        sheet.text_as(row, 0, &section.title, &style::section())?;
        row += 1;
        for text in section.text.iter().chain(&section.points) {
            sheet.text_over(row, (0, LAST), text)?;
            row += 1;
        }
        row += 1;
    }
    for picture in page.sections.iter().flat_map(|section| &section.figures) {
        row += insert(sheet, row, picture)?;
    }
    for (name, value) in &page.provenance {
        sheet.text_as(row, 0, name, &style::label())?;
        sheet.text_over(row, (1, LAST), value)?;
        row += 1;
    }
    Ok(())
}

/// Puts a chart with its title on a sheet; the rows that it covers.
fn insert(sheet: &mut Sheet, row: u32, of: &Figure) -> Result<u32, XlsxError> {
    /// Height of a row, in pixels.
    const ROW: f64 = 20.0;
    let picture = figure::png(of).map_err(XlsxError::CustomError)?;
    // The picture is twice as large as it is shown.
    let image = Image::new_from_buffer(&picture)?
        .set_scale_width(0.5)
        .set_scale_height(0.5)
        .set_alt_text(&of.alt);
    let rows = image.height() / 2.0 / ROW;
    sheet.out.insert_image(row, 0, &image)?;
    Ok(rows.ceil() as u32 + 1)
}
