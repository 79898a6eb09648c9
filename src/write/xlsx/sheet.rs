//! One sheet: title, note, tie-out row, frozen header, typed cells.
//!
//! ```text
//! 1  title
//! 2  what it is, cost metric, currency
//! 3  Tie-out | This sheet | Plan | Difference | State
//! 4  unit    | formula    | sum  | formula    | OK
//! 6  header, frozen
//! 7  body
//! ```

use rust_xlsxwriter::{
    ConditionalFormatFormula, Format, FormatAlign, Formula, Worksheet, XlsxError,
};

use super::style::{self, Look};
use crate::{measure::calendar::Month, write::csv::safe};

/// Whether a sheet could be written.
pub(super) type Done = Result<(), XlsxError>;

/// Row of the header, counted from 0.
pub(super) const HEADER: u32 = 5;
/// First row of the body, counted from 0.
pub(super) const BODY: u32 = HEADER + 1;
/// Widest column that is chosen by its text, in characters.
const WIDEST: usize = 52;

/// A sum that must equal the plan's.
#[derive(Debug, Clone)]
pub(super) struct Tie {
    /// What is summed, with its unit.
    pub(super) unit: String,
    /// The sum as a formula.
    pub(super) formula: String,
    /// What it comes to as long as nothing is changed.
    pub(super) result: f64,
    /// The plan's.
    pub(super) plan: f64,
    /// Least difference that is one.
    pub(super) tolerance: f64,
}

impl Tie {
    /// A sum of money, held to the cent.
    pub(super) fn money(formula: String, plan: f64) -> Self {
        Self { unit: "USD".into(), formula, result: plan, plan, tolerance: 0.005 }
    }
}

/// A column of the body.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Its heading.
    pub(super) name: String,
    /// What it holds.
    pub(super) look: Look,
}

/// A column.
pub(super) fn head(name: impl Into<String>, look: Look) -> Head {
    Head { name: name.into(), look }
}

/// A sheet that is being written.
pub(super) struct Sheet {
    /// The sheet.
    pub(super) out: Worksheet,
    /// Widths that the texts ask for, in characters.
    widths: Vec<usize>,
    results: bool,
}

impl Sheet {
    /// An empty sheet; without `results` its formulas say 0 until they are computed.
    pub(super) fn new(name: &str, results: bool) -> Result<Self, XlsxError> {
        let mut out = Worksheet::new();
        out.set_name(name)?;
        out.set_landscape();
        out.set_print_fit_to_pages(1, 0);
        Ok(Self { out, widths: Vec::new(), results })
    }

    /// Title and note.
    pub(super) fn title(&mut self, title: &str, note: &str) -> Done {
        self.out.write_string_with_format(0, 0, plain(title), &style::title())?;
        self.out.write_string_with_format(1, 0, plain(note), &style::note())?;
        Ok(())
    }

    /// Title, note, tie-out.
    pub(super) fn top(&mut self, title: &str, note: &str, tie: &Tie) -> Done {
        self.title(title, note)?;
        for (column, name) in
            ["Tie-out", "This sheet", "Plan", "Difference", "State"].into_iter().enumerate()
        {
            let label = style::tie_label(column);
            self.out.write_string_with_format(2, column as u16, name, &label)?;
        }
        let money = match tie.tolerance {
            counted if counted >= 0.1 => Look::Number(0),
            _ if tie.unit.starts_with("USD") => Look::Usd,
            _ => Look::Quantity,
        };
        self.out.write_string_with_format(3, 0, plain(&tie.unit), &style::note())?;
        self.computed_as(3, 1, &tie.formula, tie.result, &money.format())?;
        self.out.write_number_with_format(3, 2, tie.plan, &money.format())?;
        self.computed_as(3, 3, "=B4-C4", tie.result - tie.plan, &money.format())?;
        let state = format!(
            "=IF(ABS(D4)<{},\"OK\",\"differs from the plan: an input of this book was changed\")",
            tie.tolerance
        );
        let state = Formula::new(state).set_result(if self.results { "OK" } else { "0" });
        self.out.write_formula_with_format(3, 4, state, &style::tie_label(4))?;
        for (rule, color) in [("=$E$4=\"OK\"", style::GOOD), ("=$E$4<>\"OK\"", style::DIFFERS)] {
            let format = Format::new().set_background_color(color);
            let rule = ConditionalFormatFormula::new().set_rule(rule).set_format(format);
            self.out.add_conditional_format(3, 4, 3, 4, &rule)?;
        }
        self.widen(0, tie.unit.chars().count() + 1);
        for column in 0..4 {
            self.widen(column, 14);
        }
        Ok(())
    }

    /// The frozen header at [`HEADER`], and the formats of the columns under it.
    pub(super) fn header(&mut self, columns: &[Head]) -> Done {
        self.headings(HEADER, columns)?;
        for (column, of) in columns.iter().enumerate() {
            self.out.set_column_format(column as u16, &of.look.format_in(column as u16))?;
        }
        self.out.set_freeze_panes(BODY, 0)?;
        self.out.set_repeat_rows(HEADER, HEADER)?;
        Ok(())
    }

    /// Headings in any row.
    pub(super) fn headings(&mut self, row: u32, columns: &[Head]) -> Done {
        for (column, of) in columns.iter().enumerate() {
            let text = plain(&of.name);
            self.out.write_string_with_format(
                row,
                column as u16,
                &text,
                &of.look.heading_in(column as u16),
            )?;
            // Headings wrap: the longest word has to fit.
            let word = of.name.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
            self.widen(column as u16, (word + 2).max(of.look.width() as usize));
        }
        self.out.set_row_height(row, 32)?;
        Ok(())
    }

    /// Text, which no spreadsheet takes for a formula.
    pub(super) fn text(&mut self, row: u32, column: u16, text: &str) -> Done {
        if !text.is_empty() {
            self.widen(column, text.chars().count() + 1);
            self.out.write_string(row, column, plain(text))?;
        }
        Ok(())
    }

    /// Text with a format.
    pub(super) fn text_as(&mut self, row: u32, column: u16, text: &str, format: &Format) -> Done {
        self.out.write_string_with_format(row, column, plain(text), format)?;
        Ok(())
    }

    /// A sentence over several columns, broken into lines: one cell would make the printed page as wide as it.
    pub(super) fn text_over(&mut self, row: u32, (from, to): (u16, u16), text: &str) -> Done {
        /// Letters that several columns of a usual width hold, and the height of a line, in points.
        const LETTERS: usize = 100;
        const LINE: f64 = 15.0;
        let format = Format::new().set_text_wrap().set_align(FormatAlign::Top);
        self.out.merge_range(row, from, row, to, &plain(text), &format)?;
        let lines = text.chars().count().div_ceil(LETTERS).max(1);
        self.out.set_row_height(row, LINE * lines as f64)?;
        Ok(())
    }

    /// A number in the column's format.
    pub(super) fn number(&mut self, row: u32, column: u16, value: f64) -> Done {
        self.out.write_number(row, column, value)?;
        Ok(())
    }

    /// A number with a format.
    pub(super) fn number_as(&mut self, row: u32, column: u16, value: f64, format: &Format) -> Done {
        self.out.write_number_with_format(row, column, value, format)?;
        Ok(())
    }

    /// A month as a date.
    pub(super) fn month(&mut self, row: u32, column: u16, month: Month) -> Done {
        self.number(row, column, serial(month))
    }

    /// A formula and what it comes to, in the column's format.
    pub(super) fn computed(&mut self, row: u32, column: u16, formula: &str, result: f64) -> Done {
        let formula = self.formula(formula, result);
        self.out.write_formula(row, column, formula)?;
        Ok(())
    }

    /// A formula with a format.
    pub(super) fn computed_as(
        &mut self,
        row: u32,
        column: u16,
        formula: &str,
        result: f64,
        format: &Format,
    ) -> Done {
        let formula = self.formula(formula, result);
        self.out.write_formula_with_format(row, column, formula, format)?;
        Ok(())
    }

    fn formula(&self, formula: &str, result: f64) -> Formula {
        let result = if self.results { result.to_string() } else { "0".to_owned() };
        Formula::new(formula).set_result(result)
    }

    /// Asks for at least this width, in characters.
    pub(super) fn widen(&mut self, column: u16, width: usize) {
        let place = usize::from(column);
        if self.widths.len() <= place {
            self.widths.resize(place + 1, 0);
        }
        self.widths[place] = self.widths[place].max(width.min(WIDEST));
    }

    /// The sheet with its widths.
    pub(super) fn finish(mut self) -> Result<Worksheet, XlsxError> {
        for (column, width) in self.widths.iter().enumerate().filter(|(_, width)| **width > 0) {
            self.out.set_column_width(column as u16, *width as f64)?;
        }
        Ok(self.out)
    }
}

/// Text that no spreadsheet takes for a formula, and no longer than a cell holds.
fn plain(text: &str) -> String {
    const MOST: usize = 32_000;
    if text.len() <= MOST {
        return safe(text);
    }
    let cut: String = safe(text).chars().take(MOST / 2).collect();
    cut + " …"
}

/// Days since 1899-12-30: how a spreadsheet counts.
pub(super) fn serial(month: Month) -> f64 {
    let zero = jiff::civil::date(1899, 12, 30);
    (month.first_day() - zero).get_days().into()
}

/// `J`: the name of a column counted from 0.
pub(super) fn letter(column: u16) -> String {
    rust_xlsxwriter::utility::column_number_to_name(column)
}

/// `J7`: the name of a cell counted from 0.
pub(super) fn at(row: u32, column: u16) -> String {
    rust_xlsxwriter::utility::row_col_to_cell(row, column)
}

/// `$J$7:$J$20`: a column's cells from one row to another, counted from 0.
pub(super) fn span(column: u16, (first, last): (u32, u32)) -> String {
    let letter = letter(column);
    format!("${letter}${}:${letter}${}", first + 1, last + 1)
}

/// The criterion of a conditional sum: the cell that holds the text, or, where the text would be read as a
/// pattern, the text with its signs escaped.
pub(super) fn criterion(text: &str, cell: &str) -> String {
    let pattern = text.contains(['*', '?', '~', '"']) || text.starts_with(['<', '>', '=', '\'']);
    if !pattern && safe(text) == text {
        return cell.to_owned();
    }
    let mut escaped = String::new();
    for sign in safe(text).chars() {
        match sign {
            '*' | '?' | '~' => escaped.extend(['~', sign]),
            '"' => escaped.push_str("\"\""),
            _ => escaped.push(sign),
        }
    }
    format!("\"={escaped}\"")
}
