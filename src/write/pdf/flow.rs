//! Where things stand: sheets filled from top to bottom.

use std::collections::BTreeMap;

use super::{Draw, fonts::Fonts, table, wrap::wrap};
use crate::page::{Fact, Figure, Page, Section};

/// A4 upright, in pt.
const A4: (f32, f32) = (595.28, 841.89);
/// Left and right, in pt.
pub(super) const MARGIN: f32 = 44.0;
const TOP: f32 = 52.0;
/// Room of the footer, in pt.
const BOTTOM: f32 = 54.0;
/// Distance of lines over the size of letters.
pub(super) const LEADING: f32 = 1.35;
/// Cards side by side.
const CARDS: usize = 4;

/// What colour a text or a rule has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Soft,
    Link,
    Line,
    Shade,
}

/// How letters look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    pub(super) size: f32,
    pub(super) bold: bool,
    pub(super) ink: Ink,
}

impl Style {
    pub(super) const fn new(size: f32, bold: bool, ink: Ink) -> Self {
        Self { size, bold, ink }
    }

    pub(super) fn leading(self) -> f32 {
        self.size * LEADING
    }
}

/// What a part of the document is, for those who do not see it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Role {
    Heading(u16, String),
    Paragraph,
    List,
    Point,
    PointBody,
    Table,
    Row,
    Head,
    Cell,
    Figure(String),
}

/// What stands on a sheet; places from the upper left corner (pt), texts by their base line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Text {
        x: f32,
        y: f32,
        style: Style,
        text: String,
        to: Option<String>,
    },
    /// The same where it repeats what was said: heads of tables on further sheets, footers.
    Again {
        x: f32,
        y: f32,
        style: Style,
        text: String,
    },
    Fill {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        ink: Ink,
    },
    Picture {
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        tree: usize,
    },
    Open(Role),
    Close,
}

/// A sheet of paper.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) size: (f32, f32),
    pub(super) items: Vec<Item>,
}

/// A bookmark.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) title: String,
    pub(super) inner: bool,
    pub(super) sheet: usize,
    pub(super) y: f32,
}

/// All that is laid out.
pub(super) struct Layout {
    pub(super) sheets: Vec<Sheet>,
    pub(super) pictures: Vec<usvg::Tree>,
    pub(super) anchors: BTreeMap<String, (usize, f32)>,
    pub(super) marks: Vec<Mark>,
}

/// Sheets on their way.
pub(super) struct Flow<'a> {
    pub(super) fonts: &'a Fonts,
    layout: Layout,
    pub(super) y: f32,
}

const TITLE: Style = Style::new(22.0, true, Ink::Text);
const HEADING: Style = Style::new(14.0, true, Ink::Text);
pub(super) const CAPTION: Style = Style::new(10.0, true, Ink::Text);
const BODY: Style = Style::new(9.5, false, Ink::Text);
pub(super) const NOTE: Style = Style::new(8.0, false, Ink::Soft);
const LABEL: Style = Style::new(8.0, false, Ink::Soft);
const VALUE: Style = Style::new(15.0, true, Ink::Text);
const FOOT: Style = Style::new(6.5, false, Ink::Soft);

/// Widths of both ways to lay a sheet, without margins, in pt.
pub(super) const fn widths() -> [f32; 2] {
    [A4.0 - 2.0 * MARGIN, A4.1 - 2.0 * MARGIN]
}

impl<'a> Flow<'a> {
    pub(super) fn new(fonts: &'a Fonts) -> Self {
        let layout = Layout {
            sheets: Vec::new(),
            pictures: Vec::new(),
            anchors: BTreeMap::new(),
            marks: Vec::new(),
        };
        let mut flow = Self { fonts, layout, y: TOP };
        flow.turn(false);
        flow
    }

    /// Begins a sheet.
    pub(super) fn turn(&mut self, wide: bool) {
        let size = if wide { (A4.1, A4.0) } else { A4 };
        self.layout.sheets.push(Sheet { size, items: Vec::new() });
        self.y = TOP;
    }

    fn size(&self) -> (f32, f32) {
        self.layout.sheets.last().map_or(A4, |sheet| sheet.size)
    }

    pub(super) fn is_wide(&self) -> bool {
        self.size().0 > self.size().1
    }

    /// Between the margins, in pt.
    pub(super) fn width(&self) -> f32 {
        self.size().0 - 2.0 * MARGIN
    }

    /// What is left of the sheet, in pt.
    pub(super) fn room(&self) -> f32 {
        self.size().1 - BOTTOM - self.y
    }

    /// Begins a sheet where so much has no room; whether it did.
    pub(super) fn need(&mut self, height: f32) -> bool {
        let turns = self.room() < height && self.y > TOP;
        if turns {
            self.turn(self.is_wide());
        }
        turns
    }

    pub(super) fn put(&mut self, item: Item) {
        if let Some(sheet) = self.layout.sheets.last_mut() {
            sheet.items.push(item);
        }
    }

    pub(super) fn anchor(&mut self, name: &str) {
        let place = (self.layout.sheets.len() - 1, self.y);
        self.layout.anchors.entry(name.to_owned()).or_insert(place);
    }

    fn mark(&mut self, title: &str, inner: bool) {
        let (sheet, y) = (self.layout.sheets.len() - 1, self.y);
        self.layout.marks.push(Mark { title: title.to_owned(), inner, sheet, y });
    }

    /// Lines of a text from `x` on, below each other, over as many sheets as it takes.
    fn lines(&mut self, x: f32, width: f32, style: Style, text: &str) {
        for line in wrap(self.fonts, text, width / style.size, usize::MAX - 1) {
            self.need(style.leading());
            self.y += style.leading();
            let y = self.y - (style.leading() - style.size * 0.8) / 2.0;
            self.put(Item::Text { x, y, style, text: line, to: None });
        }
    }

    fn block(&mut self, role: Role, style: Style, text: &str) {
        self.put(Item::Open(role));
        self.lines(MARGIN, self.width(), style, text);
        self.put(Item::Close);
    }

    /// A caption with its note, as a heading of its own.
    pub(super) fn caption(&mut self, title: &str, note: &str) {
        if !title.is_empty() {
            self.mark(title, true);
            self.block(Role::Heading(3, title.to_owned()), CAPTION, title);
        }
        if !note.is_empty() {
            self.block(Role::Paragraph, NOTE, note);
        }
        self.y += 4.0;
    }

    /// Everything.
    ///
    /// # Errors
    /// A figure that cannot be drawn or read.
    pub(super) fn page(&mut self, page: &Page, figures: &Draw<'_>) -> Result<(), String> {
        self.block(Role::Heading(1, page.title.clone()), TITLE, &page.title);
        self.y += 2.0;
        let basis = [&*page.currency, &*page.cost_metric];
        let basis: Vec<&str> = basis.into_iter().filter(|text| !text.is_empty()).collect();
        self.block(Role::Paragraph, NOTE, &basis.join(", "));
        self.y += 8.0;
        for facts in page.headline.chunks(CARDS) {
            self.cards(facts);
        }
        for section in &page.sections {
            self.section(section, figures)?;
        }
        if !page.provenance.is_empty() {
            self.made_from(page);
        }
        Ok(())
    }

    fn cards(&mut self, facts: &[Fact]) {
        const GAP: f32 = 8.0;
        const INSET: f32 = 8.0;
        let width = (self.width() - GAP * (CARDS - 1) as f32) / CARDS as f32;
        let inner = width - 2.0 * INSET;
        let notes: Vec<Vec<String>> =
            facts.iter().map(|fact| wrap(self.fonts, &fact.note, inner / LABEL.size, 4)).collect();
        let labels: Vec<Vec<String>> =
            facts.iter().map(|fact| wrap(self.fonts, &fact.label, inner / LABEL.size, 2)).collect();
        let most = |lines: &[Vec<String>]| lines.iter().map(Vec::len).max().unwrap_or(0) as f32;
        let (above, below) = (most(&labels), most(&notes));
        let height = 2.0 * INSET + (above + below) * LABEL.leading() + VALUE.leading();
        self.need(height + GAP);
        for (place, fact) in facts.iter().enumerate() {
            let left = MARGIN + place as f32 * (width + GAP);
            self.put(Item::Fill { x: left, y: self.y, width, height, ink: Ink::Shade });
            let x = left + INSET;
            let mut y = self.y + INSET + LABEL.size;
            self.put(Item::Open(Role::Paragraph));
            for line in &labels[place] {
                self.text(x, y, LABEL, line);
                y += LABEL.leading();
            }
            y = self.y + INSET + above * LABEL.leading() + VALUE.size;
            let shown = fact.shown();
            // A long value is set smaller: it is what the card is for.
            let fits = inner / self.fonts.width(&shown).max(f32::EPSILON);
            let style = Style { size: VALUE.size.min(fits).max(BODY.size * 0.8), ..VALUE };
            let shown = wrap(self.fonts, &shown, inner / style.size + 1e-3, 1).concat();
            self.text(x, y, style, &shown);
            y = self.y + INSET + above * LABEL.leading() + VALUE.leading() + LABEL.size;
            for line in &notes[place] {
                self.text(x, y, LABEL, line);
                y += LABEL.leading();
            }
            self.put(Item::Close);
        }
        self.y += height + GAP;
    }

    fn text(&mut self, x: f32, y: f32, style: Style, text: &str) {
        self.put(Item::Text { x, y, style, text: text.to_owned(), to: None });
    }

    fn section(&mut self, section: &Section, figures: &Draw<'_>) -> Result<(), String> {
        let tables: Vec<table::Grid<'_>> =
            section.tables.iter().map(|table| table::Grid::new(self.fonts, table)).collect();
        let trees: Vec<usvg::Tree> = section
            .figures
            .iter()
            .map(|figure| self.tree(figure, figures))
            .collect::<Result<_, _>>()?;
        let wide = tables.iter().any(table::Grid::is_wide);
        if wide == self.is_wide() {
            self.room_for(section, trees.first());
        } else {
            self.turn(wide);
        }
        self.anchor(&section.id);
        self.mark(&section.title, false);
        self.block(Role::Heading(2, section.title.clone()), HEADING, &section.title);
        self.y += 3.0;
        for paragraph in &section.text {
            self.block(Role::Paragraph, BODY, paragraph);
            self.y += 4.0;
        }
        self.points(&section.points);
        for (figure, tree) in section.figures.iter().zip(trees) {
            self.figure(figure, tree);
        }
        for grid in &tables {
            grid.place(self);
        }
        Ok(())
    }

    /// A heading stays with what it is the heading of.
    fn room_for(&mut self, section: &Section, first: Option<&usvg::Tree>) {
        let first = first.map_or(100.0, |tree| self.scaled(tree).1 + 50.0);
        let width = self.width() / BODY.size;
        let lines = |text: &String| wrap(self.fonts, text, width, usize::MAX - 1).len() as f32;
        let words: f32 = section.text.iter().chain(&section.points).map(lines).sum();
        let height = HEADING.leading() + 40.0 + words * BODY.leading() + first;
        if !self.need(height) && self.y > TOP {
            self.y += 14.0;
        }
    }

    fn points(&mut self, points: &[String]) {
        const INDENT: f32 = 12.0;
        if points.is_empty() {
            return;
        }
        self.put(Item::Open(Role::List));
        for point in points {
            self.need(BODY.leading());
            self.put(Item::Open(Role::Point));
            let y = self.y + BODY.leading() - (BODY.leading() - BODY.size * 0.8) / 2.0;
            self.put(Item::Again { x: MARGIN + 2.0, y, style: BODY, text: "•".into() });
            self.put(Item::Open(Role::PointBody));
            self.lines(MARGIN + INDENT, self.width() - INDENT, BODY, point);
            self.put(Item::Close);
            self.put(Item::Close);
            self.y += 2.0;
        }
        self.put(Item::Close);
        self.y += 4.0;
    }

    /// The picture of a figure.
    fn tree(&self, figure: &Figure, figures: &Draw<'_>) -> Result<usvg::Tree, String> {
        let wrong = |error: String| format!("figure {}: {error}", figure.id);
        let options = usvg::Options {
            fontdb: self.fonts.database.clone(),
            font_family: "sans-serif".into(),
            ..usvg::Options::default()
        };
        let svg = figures(figure).map_err(wrong)?;
        usvg::Tree::from_str(&svg, &options).map_err(|error| wrong(error.to_string()))
    }

    /// How large a picture stands on a sheet, in pt.
    fn scaled(&self, tree: &usvg::Tree) -> (f32, f32) {
        let (width, height) = (tree.size().width(), tree.size().height());
        let most = (self.size().1 - TOP - BOTTOM) * 0.65;
        let scale = (self.width() / width).min(most / height);
        (width * scale, height * scale)
    }

    fn figure(&mut self, figure: &Figure, tree: usvg::Tree) {
        let (width, height) = self.scaled(&tree);
        self.need(height + 30.0);
        self.y += 6.0;
        self.caption(&figure.title, "");
        let x = MARGIN + (self.width() - width) / 2.0;
        let said = if figure.alt.is_empty() { &figure.title } else { &figure.alt };
        self.put(Item::Open(Role::Figure(said.clone())));
        let place = self.layout.pictures.len();
        self.put(Item::Picture { x, y: self.y, width, height, tree: place });
        self.put(Item::Close);
        self.layout.pictures.push(tree);
        self.y += height + 8.0;
    }

    /// What the report was made from, in full; the footer has its beginning.
    fn made_from(&mut self, page: &Page) {
        if self.is_wide() {
            self.turn(false);
        }
        self.need(120.0);
        self.y += 14.0;
        self.mark("Made from", false);
        self.block(Role::Heading(2, "Made from".into()), HEADING, "Made from");
        self.y += 3.0;
        for (name, value) in &page.provenance {
            self.block(Role::Paragraph, NOTE, &format!("{name}: {value}"));
        }
    }

    /// The sheets with their footers.
    pub(super) fn finish(mut self, page: &Page) -> Layout {
        let parts = page.provenance.iter();
        let parts =
            parts.map(|(name, value)| format!("{name} {}", crate::page::text::brief(value)));
        let parts: Vec<String> = parts.collect();
        let count = self.layout.sheets.len();
        for (place, sheet) in self.layout.sheets.iter_mut().enumerate() {
            let (width, height) = (sheet.size.0 - 2.0 * MARGIN, sheet.size.1);
            let top = height - BOTTOM + 12.0;
            let mut foot = |item| sheet.items.push(item);
            foot(Item::Fill { x: MARGIN, y: top, width, height: 0.4, ink: Ink::Line });
            let number = format!("{} of {count}", place + 1);
            let style = Style { size: 8.0, ..FOOT };
            let x = MARGIN + width - self.fonts.width(&number) * style.size;
            foot(Item::Again { x, y: top + 12.0, style, text: number });
            let room = (width - 60.0) / FOOT.size;
            let lines = wrap(self.fonts, &parts.join(" · "), room, 3);
            for (line, text) in lines.into_iter().enumerate() {
                let y = top + 10.0 + line as f32 * FOOT.leading();
                foot(Item::Again { x: MARGIN, y, style: FOOT, text });
            }
            if place > 0 {
                let title = wrap(self.fonts, &page.title, width / style.size, 1).concat();
                foot(Item::Again { x: MARGIN, y: TOP - 20.0, style, text: title });
            }
        }
        self.layout
    }
}
