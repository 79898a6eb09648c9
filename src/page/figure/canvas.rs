//! A sheet to draw on, in pixels: lines, areas and letters by plotters, as SVG or as a bitmap.
//!
//! Plotters places points on whole pixels. The sheet is drawn twice as large and shown at half its size, which makes
//! slanted lines smooth. It cannot draw dashes in one element either: they get a color of their own, which
//! [`finish`] turns into the true one with dashes. On a bitmap they are solid.

use plotters::{
    coord::Shift,
    element::{Drawable, PointCollection},
    prelude::*,
    style::{
        FontStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

/// Pixels drawn for one shown.
pub(super) const SCALE: u32 = 2;
/// Of text and axes.
pub(super) const INK: RGBColor = RGBColor(43, 48, 54);
/// Of text that is read last, and of thin lines.
pub(super) const QUIET: RGBColor = RGBColor(94, 102, 112);
/// Of the lines behind the data.
pub(super) const GRID: RGBColor = RGBColor(226, 229, 233);
/// Of the page: between bands.
pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Of the rest.
pub(super) const REST: RGBColor = RGBColor(138, 145, 153);
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const RED: RGBColor = RGBColor(213, 94, 0);
pub(super) const SKY: RGBColor = RGBColor(86, 180, 233);
/// Of areas, from the bottom up.
pub(super) const AREAS: [RGBColor; 7] = [
    BLUE,
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    SKY,
    RED,
    RGBColor(240, 228, 66),
];
/// Of lines: as those of areas, but no color is too light for a line on white.
pub(super) const LINES: [RGBColor; 6] = [
    BLUE,
    RED,
    RGBColor(0, 137, 100),
    RGBColor(176, 82, 136),
    RGBColor(176, 116, 0),
    RGBColor(47, 143, 199),
];
/// The same picture in other colors says that a line is dashed.
const DASHES: [(RGBColor, RGBColor, &str); 3] = [
    (RED, RGBColor(213, 94, 1), "13 9"),
    (QUIET, RGBColor(94, 102, 113), "4 6"),
    (BLUE, RGBColor(0, 114, 179), "13 9"),
];

/// A place on the sheet, in pixels.
pub(super) type Place = (f64, f64);

/// Letters.
#[derive(Clone, Copy)]
pub(super) struct Letters {
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) color: RGBColor,
    pub(super) side: HPos,
}

impl Letters {
    pub(super) fn quiet(self) -> Self {
        Self { color: QUIET, ..self }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// Ending at the place.
    pub(super) fn right(self) -> Self {
        Self { side: HPos::Right, ..self }
    }

    /// Around the place.
    pub(super) fn center(self) -> Self {
        Self { side: HPos::Center, ..self }
    }

    /// Width of a text (pixels), with room for readers whose letters are wider than the built-in ones.
    pub(super) fn width_of(self, words: &str) -> f64 {
        const WIDER: f64 = 1.16;
        let wider = if self.bold { WIDER * 1.1 } else { WIDER };
        let drawn = font(self).layout_box(words).map_or(0, |(_, end)| end.0);
        f64::from(drawn) / f64::from(SCALE) * wider
    }

    /// The text, or as much of it as the width holds.
    pub(super) fn fit(self, words: &str, width: f64) -> String {
        // Longer than any sheet, and long enough to be slow to measure.
        let mut text: String = words.chars().take(200).collect();
        if self.width_of(&text) <= width && text.len() == words.len() {
            return text;
        }
        while !text.is_empty() && self.width_of(&format!("{text}…")) > width {
            text.pop();
        }
        format!("{}…", text.trim_end())
    }
}

/// What a sheet is drawn on.
enum Surface<'a> {
    Svg(DrawingArea<SVGBackend<'a>, Shift>),
    Bitmap(DrawingArea<BitMapBackend<'a>, Shift>),
}

impl<'a> Surface<'a> {
    fn draw<E>(&self, element: &E) -> Result<(), String>
    where
        for<'e> &'e E: PointCollection<'e, (i32, i32)>,
        E: Drawable<SVGBackend<'a>> + Drawable<BitMapBackend<'a>>,
    {
        match self {
            Self::Svg(area) => area.draw(element).map_err(|error| error.to_string()),
            Self::Bitmap(area) => area.draw(element).map_err(|error| error.to_string()),
        }
    }
}

/// The sheet.
pub(super) struct Canvas<'a> {
    surface: Surface<'a>,
    pub(super) width: f64,
    pub(super) height: f64,
    /// Whether there is room for a layout of columns.
    pub(super) wide: bool,
}

fn scaled(value: f64) -> i32 {
    // No value leaves the sheet by more than it is wide; what does is a value that nobody could see.
    (value.clamp(-4000.0, 8000.0) * f64::from(SCALE)).round() as i32
}

fn at(place: Place) -> (i32, i32) {
    (scaled(place.0), scaled(place.1))
}

impl<'a> Canvas<'a> {
    pub(super) fn new(text: &'a mut String, size: (u32, u32), wide: bool) -> Self {
        let drawn = (size.0 * SCALE, size.1 * SCALE);
        let area = SVGBackend::with_string(text, drawn).into_drawing_area();
        Self::on(Surface::Svg(area), size, wide)
    }

    /// Two sheets on white pixels of `width`, the upper one `head` high, the lower one `body`.
    pub(super) fn on_pixels(
        pixels: &'a mut [u8],
        width: u32,
        [head, body]: [u32; 2],
    ) -> Result<[Self; 2], String> {
        let drawn = (width * SCALE, (head + body) * SCALE);
        let root = BitMapBackend::with_buffer(pixels, drawn).into_drawing_area();
        root.fill(&PAPER).map_err(|error| error.to_string())?;
        let (upper, lower) = root.split_vertically(head * SCALE);
        let sheet = |area, height| Self::on(Surface::Bitmap(area), (width, height), true);
        Ok([sheet(upper, head), sheet(lower, body)])
    }

    fn on(surface: Surface<'a>, size: (u32, u32), wide: bool) -> Self {
        Self { surface, width: f64::from(size.0), height: f64::from(size.1), wide }
    }

    pub(super) fn end(&self) -> Result<(), String> {
        match &self.surface {
            Surface::Svg(area) => area.present().map_err(|error| error.to_string()),
            Surface::Bitmap(area) => area.present().map_err(|error| error.to_string()),
        }
    }

    /// The usual letters of this sheet, beginning at their place.
    pub(super) fn letters(&self) -> Letters {
        Letters {
            size: if self.wide { 13.0 } else { 12.0 },
            bold: false,
            color: INK,
            side: HPos::Left,
        }
    }

    /// Height of a line of text.
    pub(super) fn line_height(&self) -> f64 {
        self.letters().size + 4.0
    }

    pub(super) fn path(&self, points: &[Place], color: RGBColor, width: f64) -> Result<(), String> {
        self.faint_path(points, (color, 1.0), width)
    }

    /// A line that what is behind it shines through.
    pub(super) fn faint_path(
        &self,
        points: &[Place],
        (color, opacity): (RGBColor, f64),
        width: f64,
    ) -> Result<(), String> {
        if points.len() < 2 {
            return Ok(());
        }
        let points: Vec<(i32, i32)> = points.iter().map(|place| at(*place)).collect();
        let style = color.mix(opacity).stroke_width((width * f64::from(SCALE)).round() as u32);
        self.surface.draw(&PathElement::new(points, style))
    }

    /// A dashed line; `color` is one of those that have dashes.
    pub(super) fn dashed(
        &self,
        points: &[Place],
        color: RGBColor,
        width: f64,
    ) -> Result<(), String> {
        let known = DASHES.iter().find(|(own, ..)| *own == color);
        self.path(points, known.map_or(color, |(_, dashed, _)| *dashed), width)
    }

    pub(super) fn area(
        &self,
        points: &[Place],
        color: RGBColor,
        opacity: f64,
    ) -> Result<(), String> {
        let points: Vec<(i32, i32)> = points.iter().map(|place| at(*place)).collect();
        let polygon = Polygon::new(points, color.mix(opacity).filled());
        self.surface.draw(&polygon)
    }

    /// A filled rectangle between two corners in any order.
    pub(super) fn block(&self, one: Place, other: Place, color: RGBColor) -> Result<(), String> {
        let corners = [
            at((one.0.min(other.0), one.1.min(other.1))),
            at((one.0.max(other.0), one.1.max(other.1))),
        ];
        let block = Rectangle::new(corners, color.filled());
        self.surface.draw(&block)
    }

    pub(super) fn dot(&self, place: Place, radius: f64, color: RGBColor) -> Result<(), String> {
        let dot = Circle::new(at(place), scaled(radius), color.filled());
        self.surface.draw(&dot)
    }

    /// Text whose middle is at the height of the place.
    pub(super) fn text(&self, words: &str, place: Place, letters: Letters) -> Result<(), String> {
        let style = TextStyle::from(font(letters))
            .color(&letters.color)
            .pos(Pos::new(letters.side, VPos::Center));
        let words = clean(words);
        self.surface.draw(&Text::new(words, at(place), style))
    }
}

fn font(letters: Letters) -> FontDesc<'static> {
    let style = if letters.bold { FontStyle::Bold } else { FontStyle::Normal };
    // The library takes the height of a line, 1.24 times that of letters.
    FontDesc::new(FontFamily::SansSerif, letters.size * f64::from(SCALE) * 1.24, style)
}

/// Without letters that a file of XML may not hold, or that turn the direction of what follows.
fn clean(text: &str) -> String {
    text.chars().filter(|letter| shown(*letter)).collect()
}

/// Whether a letter is one that text may hold.
pub(crate) fn shown(letter: char) -> bool {
    let turns = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let unknown = matches!(letter, '\u{fffe}' | '\u{ffff}');
    !letter.is_control() && !turns && !unknown || letter == '\n'
}

/// What the library wrote, without its first tag and without what every element repeats.
pub(super) fn finish(text: &str) -> String {
    let body = text.split_once(">\n").map_or(text, |(_, body)| body);
    let mut text = body
        .replace(" opacity=\"1\"", "")
        .replace(" stroke=\"none\"", "")
        .replace(" \"/>", "\"/>")
        .replace("\n</text>", "</text>")
        .replace("\">\n", "\">");
    for (color, dashed, dashes) in DASHES {
        let (color, dashed) = (hex(color), hex(dashed));
        text = text.replace(
            &format!("stroke=\"{dashed}\""),
            &format!("stroke=\"{color}\" stroke-dasharray=\"{dashes}\""),
        );
    }
    text
}

fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}
