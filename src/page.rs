//! A report as data: sections of text, tables and charts. Writers render it; none of them computes.
//!
//! ```text
//! Plan, Reconciliation, ... ─► Page (sections, tables of typed cells, charts as numbers) ─► terminal, html, pdf, xlsx, md, csv
//! ```
//! A cell is a number with its kind, not text: each writer prints it as its readers expect, and all print the
//! same number.

use std::collections::BTreeSet;

use jiff::civil::DateTime;

use crate::measure::{calendar::Month, units::Usd};

pub mod content;
pub mod figure;
pub mod number;
pub mod text;

/// Unicode's marks that embed, override or isolate a direction.
fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How much of a page a part belongs to: a terminal prints the short page, reports print the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Importance {
    /// Printed even with `--quiet`.
    Key,
    /// Printed on a terminal.
    #[default]
    Main,
    /// Printed in reports, and on a terminal with `--verbose`.
    Reference,
}

/// What a figure says to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// As it should be.
    Good,
    /// To be looked at.
    Caution,
    /// Not as it should be.
    Bad,
}

/// A whole report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// What the plan is called.
    pub title: String,
    /// The cost metric of every amount in it.
    pub cost_metric: String,
    /// `USD`.
    pub currency: String,
    /// The figures that a reader looks for first.
    pub headline: Vec<Fact>,
    /// What the report was made from: name and value.
    pub provenance: Vec<(String, String)>,
    /// Sections, in the order of reading.
    pub sections: Vec<Section>,
    /// Rows for programs, with columns named as keys: the CSV of the page. Without them it is the first table.
    pub records: Option<Table>,
}

/// One figure of the headline.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// The figure.
    pub value: Cell,
    /// What stands under it, smaller.
    pub note: String,
    /// What it says.
    pub meaning: Option<Meaning>,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// Name in links and files: `cost-by-service`.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Who reads it.
    pub importance: Importance,
    /// Paragraphs before the charts and tables.
    pub text: Vec<String>,
    /// Points of a list behind the paragraphs.
    pub points: Vec<String>,
    /// Charts.
    pub figures: Vec<Figure>,
    /// Tables.
    pub tables: Vec<Table>,
}

/// How a column's numbers are printed, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, left-aligned.
    Text,
    /// A month, `2027-01`.
    Month,
    /// Money to the cent.
    Usd,
    /// Money to the dollar: columns of many months.
    Dollars,
    /// Small money, four places: per user.
    SmallUsd,
    /// A number with so many places.
    Number(u8),
    /// A quantity with as many places as it needs.
    Quantity,
    /// A quantity that is known to three digits.
    Estimate,
    /// A share, printed as percent with one place.
    Share,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its heading, with the unit where the numbers need one.
    pub name: String,
    /// How its numbers are printed.
    pub kind: Kind,
    /// How soon a narrow terminal drops the column: the highest first, 0 never.
    pub spare: u8,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cell {
    /// Nothing to say, which is not zero.
    #[default]
    Empty,
    /// Text.
    Text(String),
    /// Money, in USD.
    Usd(Usd),
    /// A number, or money that was modelled in floats.
    Number(f64),
    /// A month.
    Month(Month),
    /// Text that leads to an anchor of the page.
    Link {
        /// The text.
        text: String,
        /// [`Row::anchor`] of where it leads.
        to: String,
    },
    /// Money that leads to an anchor of the page: an amount to its formula.
    UsdLink {
        /// The amount, in USD.
        amount: Usd,
        /// [`Row::anchor`] of where it leads.
        to: String,
    },
}

/// A row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Cells, one a column.
    pub cells: Vec<Cell>,
    /// Whether it is a sum of rows above.
    pub total: bool,
    /// Name that links lead to.
    pub anchor: Option<String>,
    /// The cell that judges the row.
    pub mark: Option<Mark>,
}

/// A cell that says whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Place of the column.
    pub column: usize,
    /// What the cell says.
    pub meaning: Meaning,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Name in files and sheets, unique in the page: `cost-by-service-production`.
    pub id: String,
    /// Its caption.
    pub title: String,
    /// Unit and currency of its amounts, and what else a reader must know.
    pub note: String,
    /// Who reads it.
    pub importance: Importance,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows.
    pub rows: Vec<Row>,
    /// What a column of the body adds up to in the plan: a writer may hold what it wrote against it.
    pub ties: Option<Tied>,
}

/// A column and its sum in the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Tied {
    /// Place of the column.
    pub column: usize,
    /// What it adds up to, in USD.
    pub amount: Usd,
}

/// A chart with its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name in files: `odds`.
    pub id: String,
    /// Its title, with the unit.
    pub title: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// What is drawn.
    pub chart: Chart,
}

/// Values over months, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, which is drawn next to it.
    pub name: String,
    /// One value a month; none where there is none.
    pub values: Vec<Option<f64>>,
}

/// One panel of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Title, with the unit.
    pub title: String,
    /// Lines by name, with one value for each step of the day.
    pub lines: Vec<(String, Vec<f64>)>,
}

/// A panel of a timeline, and how its values are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Its title and lines.
    pub panel: Panel,
    /// Whether the lines are bands on top of each other.
    pub stacked: bool,
    /// Of the values.
    pub unit: Unit,
    /// Thin lines behind those of the panel, in the same colors and without names.
    pub behind: Vec<Vec<f64>>,
}

/// Moments of one kind, drawn through all panels of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks {
    /// Kind, with the number of moments.
    pub name: String,
    /// Days since the start.
    pub at: Vec<f64>,
}

/// A value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Time.
    pub moment: DateTime,
    /// Value.
    pub value: f64,
}

/// A value that is forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Time.
    pub moment: DateTime,
    /// Lower bound.
    pub low: f64,
    /// Median.
    pub median: f64,
    /// Upper bound.
    pub high: f64,
}

/// How an axis prints its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `$1,234`.
    Usd,
    /// Plain numbers.
    Count,
    /// Percent of shares.
    Share,
}

/// What is drawn, as numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Chart {
    /// A forecast with its band; what was billed is solid, what is forecast dashed.
    Fan {
        /// Months.
        months: Vec<Month>,
        /// Billed; empty without bills.
        billed: Vec<Option<f64>>,
        /// The mid case.
        mid: Vec<f64>,
        /// P10, P50 and P90 of each month; empty without trials.
        band: Vec<[f64; 3]>,
        /// Last month with a bill: forecasts begin behind it.
        cut_off: Option<Month>,
        /// Amounts to hold it against: name and value.
        limits: Vec<(String, f64)>,
    },
    /// Values on top of each other.
    Stacked {
        /// Months.
        months: Vec<Month>,
        /// From the bottom up.
        series: Vec<Series>,
        /// Of the values.
        unit: Unit,
    },
    /// Lines side by side.
    Lines {
        /// Months.
        months: Vec<Month>,
        /// Lines.
        series: Vec<Series>,
        /// Of the values.
        unit: Unit,
    },
    /// Bars from a low to a high end around a middle: a tornado.
    Tornado {
        /// Where all bars would be without their input, in USD.
        center: f64,
        /// Name, share of the variance, cost at the input's low end, at its high end.
        bars: Vec<(String, f64, f64, f64)>,
    },
    /// From one sum to another by steps.
    Waterfall {
        /// Name and value of the start.
        from: (String, f64),
        /// Name and change.
        steps: Vec<(String, f64)>,
        /// Name and value of the end.
        to: (String, f64),
    },
    /// Points of cost against risk, the best joined by a line.
    Frontier {
        /// What lies on the horizontal axis, with its unit.
        x: String,
        /// What lies on the vertical axis, with its unit.
        y: String,
        /// All candidates.
        points: Vec<[f64; 2]>,
        /// Those that none beats, in rising order of x.
        front: Vec<[f64; 2]>,
        /// Points that have a name: today, recommended.
        marked: Vec<(String, [f64; 2])>,
    },
    /// Values against hours of a day, one panel for each pair of lines.
    Day {
        /// From the top down.
        panels: Vec<Panel>,
    },
    /// Values against time, in panels over the same days.
    Timeline {
        /// Where it begins.
        start: DateTime,
        /// Its length.
        days: f64,
        /// From the top down.
        tracks: Vec<Track>,
        /// What happened when.
        marks: Vec<Marks>,
    },
    /// A series, and what comes next with its bounds.
    Extrapolation {
        /// Known values.
        past: Vec<Observed>,
        /// Values to come.
        ahead: Vec<Expected>,
    },
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, spare: 0 }
    }

    /// The column as one that a narrow terminal drops, the highest first.
    #[must_use]
    pub fn spare(self, spare: u8) -> Self {
        Self { spare, ..self }
    }
}

impl Kind {
    /// Whether its cells are words, which stand on the left.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Month)
    }

    /// Whether its cells are money.
    pub fn is_money(self) -> bool {
        matches!(self, Self::Usd | Self::Dollars | Self::SmallUsd)
    }
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number that may be missing.
    pub fn maybe(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Number)
    }

    /// The cell as people read it, in a column of this kind. All writers of text print this.
    pub fn shown(&self, kind: Kind) -> String {
        use crate::page::number::{
            dollars, figures, grouped, in_dollars, money, percent, quantity,
        };
        match (self, kind) {
            (Self::Empty, _) => String::new(),
            (Self::Text(text) | Self::Link { text, .. }, _) => text.clone(),
            (Self::Month(month), _) => month.to_string(),
            (Self::Usd(amount) | Self::UsdLink { amount, .. }, Kind::Dollars) => dollars(*amount),
            (Self::Usd(amount) | Self::UsdLink { amount, .. }, _) => money(*amount),
            (Self::Number(value), Kind::Share) => percent(*value),
            (Self::Number(value), Kind::SmallUsd) => in_dollars(*value, 4),
            (Self::Number(value), Kind::Usd) => in_dollars(*value, 2),
            (Self::Number(value), Kind::Dollars) => grouped(*value, 0),
            (Self::Number(value), Kind::Number(places)) => grouped(*value, places.into()),
            (Self::Number(value), Kind::Estimate) => figures(*value),
            (Self::Number(value), Kind::Quantity | Kind::Text | Kind::Month) => quantity(*value),
        }
    }

    /// The cell as programs read it: all digits, no signs of currency.
    pub fn plain(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Link { text, .. } => text.clone(),
            Self::Usd(amount) | Self::UsdLink { amount, .. } => amount.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Month(month) => month.to_string(),
        }
    }
}

impl Fact {
    /// The figure as people read it: a fact has no column, so money is printed to the cent, other numbers with the
    /// digits that they have.
    pub fn shown(&self) -> String {
        let money = matches!(self.value, Cell::Usd(_) | Cell::UsdLink { .. });
        self.value.shown(if money { Kind::Usd } else { Kind::Quantity })
    }
}

impl Row {
    /// A row of the body.
    pub fn new(cells: Vec<Cell>) -> Self {
        Self { cells, ..Self::default() }
    }

    /// A sum.
    pub fn total(cells: Vec<Cell>) -> Self {
        Self { cells, total: true, ..Self::default() }
    }

    /// The row with a cell that judges it.
    #[must_use]
    pub fn marked(self, column: usize, meaning: Meaning) -> Self {
        Self { mark: Some(Mark { column, meaning }), ..self }
    }
}

impl Page {
    /// Gives tables that have the same name, ignoring case, names of their own: files and sheets are called so.
    pub(super) fn name_apart(&mut self) {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        for table in self.sections.iter_mut().flat_map(|section| &mut section.tables) {
            let (base, mut number) = (table.id.clone(), 1);
            while !taken.insert(table.id.to_lowercase()) {
                number += 1;
                table.id = format!("{base}-{number}");
            }
        }
    }

    /// Takes marks out that turn the direction of writing: a name must not turn the figures behind it.
    pub(super) fn without_turns(&mut self) {
        let clean = |text: &mut String| text.retain(|c| !turns(c));
        clean(&mut self.title);
        for section in &mut self.sections {
            section.text.iter_mut().chain(&mut section.points).for_each(clean);
            for figure in &mut section.figures {
                clean(&mut figure.title);
                clean(&mut figure.alt);
            }
            for table in &mut section.tables {
                clean(&mut table.title);
                clean(&mut table.note);
                table.columns.iter_mut().for_each(|column| clean(&mut column.name));
                for cell in table.rows.iter_mut().flat_map(|row| &mut row.cells) {
                    if let Cell::Text(text) | Cell::Link { text, .. } = cell {
                        clean(text);
                    }
                }
            }
        }
    }

    /// Every table, in the order of reading.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.sections.iter().flat_map(|section| &section.tables)
    }
}
