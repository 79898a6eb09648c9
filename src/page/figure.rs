//! Any [`Chart`] as SVG, in a wide and in a narrow size: a page shows the one that its width can carry, so that
//! letters are readable on a desk, on a phone and on paper.
//!
//! Names are to the right of what they name and are pushed apart; there is no key to look up. Colors are those of Okabe and
//! Ito (2008), which stay apart for colour-blind readers, some of them darker where they draw a line; no meaning is in
//! the color only. There is no background: a page gives its own, light or dark.
//!
//! # Limits
//! Widths of letters are those of the built-in font, with room to spare for wider ones: a page may use the reader's.
//! Values that are not finite are drawn as missing.

mod axis;
mod bars;
mod canvas;
mod extrapolation;
mod fan;
mod frontier;
mod label;
mod plot;
mod stacked;
mod time;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use plotters::style::{FontStyle, register_font};

use crate::page::{Chart, Figure, Unit};
use canvas::Canvas;
pub(crate) use canvas::shown;

/// A chart for pages of 700 pixels and more, and for paper, in pixels.
pub const WIDE: (u32, u32) = (880, 420);
/// A chart for phones, in pixels.
pub const NARROW: (u32, u32) = (368, 320);

/// Width from which a chart has the layout of a wide one, in pixels.
const WIDE_FROM: u32 = 600;

/// Room of a title that is drawn above its chart, in pixels.
const TITLE: u32 = 28;

/// Height of a chart that has nothing to draw, in pixels.
const NOTHING: u32 = 72;

fn is_empty(chart: &Chart) -> bool {
    match chart {
        Chart::Fan { months, .. } | Chart::Stacked { months, .. } | Chart::Lines { months, .. } => {
            months.is_empty()
        }
        Chart::Tornado { bars, .. } => bars.is_empty(),
        Chart::Day { panels } => panels.is_empty(),
        Chart::Timeline { tracks, .. } => tracks.is_empty(),
        Chart::Extrapolation { ahead, .. } => ahead.is_empty(),
        Chart::Waterfall { .. } | Chart::Frontier { .. } => false,
    }
}

/// The size that suits a chart: `size`, but as high as its bars or panels need.
pub fn size_of(chart: &Chart, size: (u32, u32)) -> (u32, u32) {
    if is_empty(chart) {
        return (size.0, NOTHING);
    }
    let wide = size.0 >= WIDE_FROM;
    let height = match chart {
        Chart::Tornado { bars, .. } => bars::height(bars.len(), wide),
        Chart::Waterfall { steps, .. } => bars::height(steps.len() + 2, wide),
        Chart::Day { panels } => time::day_height(panels.len(), wide),
        Chart::Timeline { tracks, marks, .. } => time::height(tracks.len(), !marks.is_empty()),
        _ => size.1,
    };
    (size.0, height)
}

/// A chart as an SVG file, in the size that suits it.
///
/// # Errors
/// What the drawing library says; no chart is known to cause it.
pub fn svg(chart: &Chart, size: (u32, u32)) -> Result<String, String> {
    let size = size_of(chart, size);
    let start = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" role=\"img\" viewBox=\"0 0 {2} {3}\">\n",
        size.0,
        size.1,
        size.0 * canvas::SCALE,
        size.1 * canvas::SCALE,
    );
    Ok(start + &inside(chart, unit_of(chart), size)?)
}

/// A figure as an SVG file that is shown outside of a page: with its title, on white.
///
/// # Errors
/// As [`svg`].
pub fn file(figure: &Figure) -> Result<String, String> {
    let (width, height) = size_of(&figure.chart, WIDE);
    let unit = unit_in(&figure.title).unwrap_or_else(|| unit_of(&figure.chart));
    let mut title = String::new();
    crate::page::text::escape(&mut title, &figure.title);
    let (scale, whole) = (canvas::SCALE, height + TITLE);
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{whole}\" role=\"img\" viewBox=\"0 0 {0} {1}\">\n\
        <rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n\
        <text x=\"{2}\" y=\"{3}\" font-family=\"sans-serif\" font-size=\"{4}\" fill=\"#222\">{title}</text>\n\
        <svg y=\"{5}\" width=\"{0}\" height=\"{6}\" viewBox=\"0 0 {0} {6}\">\n{7}</svg>\n",
        width * scale,
        whole * scale,
        10 * scale,
        19 * scale,
        15 * scale,
        TITLE * scale,
        height * scale,
        inside(&figure.chart, unit, (width, height))?,
    ))
}

/// A figure as a PNG file, twice as large as it is shown: with its title, on white.
///
/// # Errors
/// What the drawing library or the encoder says; no chart is known to cause it.
pub fn png(figure: &Figure) -> Result<Vec<u8>, String> {
    register_letters()?;
    let (width, height) = size_of(&figure.chart, WIDE);
    let unit = unit_in(&figure.title).unwrap_or_else(|| unit_of(&figure.chart));
    let drawn = (width * canvas::SCALE, (TITLE + height) * canvas::SCALE);
    let mut pixels = vec![0; 3 * (drawn.0 * drawn.1) as usize];
    {
        let [head, body] = Canvas::on_pixels(&mut pixels, width, [TITLE, height])?;
        let letters = head.letters();
        let title = letters.fit(&figure.title, head.width - 20.0);
        head.text(
            &title,
            (10.0, f64::from(TITLE) / 2.0),
            canvas::Letters { size: 15.0, ..letters },
        )?;
        draw(&figure.chart, unit, &body)?;
        body.end()?;
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, drawn.0, drawn.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer.write_image_data(&pixels).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(out)
}

/// A figure as SVG inside a page: with its title and its words for those who do not see it, whose ids begin with
/// `id`. The size is the one that suits the chart.
///
/// # Errors
/// As [`svg`].
pub fn inline(figure: &Figure, id: &str, size: (u32, u32)) -> Result<String, String> {
    let size = size_of(&figure.chart, size);
    let unit = unit_in(&figure.title).unwrap_or_else(|| unit_of(&figure.chart));
    let mut out = format!(
        "<svg role=\"img\" aria-labelledby=\"{id}-title\" aria-describedby=\"{id}-alt\" viewBox=\"0 0 {} {}\">\n",
        size.0 * canvas::SCALE,
        size.1 * canvas::SCALE,
    );
    for (tag, part, text) in [("title", "title", &figure.title), ("desc", "alt", &figure.alt)] {
        let _ = write!(out, "<{tag} id=\"{id}-{part}\">");
        crate::page::text::escape(&mut out, text);
        let _ = writeln!(out, "</{tag}>");
    }
    Ok(out + &inside(&figure.chart, unit, size)?)
}

/// Charts bring their own letters: a server has none installed, and their widths must not depend on
/// the machine.
pub(super) fn register_letters() -> Result<(), String> {
    for style in [FontStyle::Normal, FontStyle::Bold] {
        register_font("sans-serif", style, epaint_default_fonts::UBUNTU_LIGHT)
            .map_err(|_| "the built-in font cannot be read".to_owned())?;
    }
    Ok(())
}

/// All behind the first tag.
fn inside(chart: &Chart, unit: &str, size: (u32, u32)) -> Result<String, String> {
    register_letters()?;
    let mut text = String::new();
    {
        let canvas = Canvas::new(&mut text, size, size.0 >= WIDE_FROM);
        draw(chart, unit, &canvas)?;
        canvas.end()?;
    }
    Ok(canvas::finish(&text))
}

fn draw(chart: &Chart, unit: &str, canvas: &Canvas<'_>) -> Result<(), String> {
    match chart {
        Chart::Fan { .. } => fan::draw(chart, unit, canvas),
        Chart::Stacked { months, series, unit: of } => {
            let months = axis::Months { all: months, unit: *of, words: unit };
            stacked::draw(&months, series, canvas)
        }
        Chart::Lines { months, series, unit: of } => {
            let months = axis::Months { all: months, unit: *of, words: unit };
            stacked::lines(&months, series, canvas)
        }
        Chart::Tornado { center, bars } => bars::tornado(*center, bars, canvas),
        Chart::Waterfall { from, steps, to } => bars::waterfall(from, steps, to, (unit, canvas)),
        Chart::Frontier { x, y, points, front, marked } => {
            frontier::draw(&frontier::Frontier { x, y, points, front, marked }, canvas)
        }
        Chart::Day { panels } => time::day(panels, canvas),
        Chart::Timeline { start, days, tracks, marks } => {
            time::timeline((*start, *days), tracks, marks, canvas)
        }
        Chart::Extrapolation { past, ahead } => extrapolation::draw(past, ahead, unit, canvas),
    }
}

/// What the values are, where no title says it.
fn unit_of(chart: &Chart) -> &'static str {
    match chart {
        Chart::Fan { .. } | Chart::Tornado { .. } | Chart::Waterfall { .. } => "USD",
        Chart::Stacked { unit, .. } | Chart::Lines { unit, .. } => match unit {
            Unit::Usd => "USD",
            Unit::Count => "",
            Unit::Share => "share",
        },
        Chart::Frontier { .. }
        | Chart::Day { .. }
        | Chart::Timeline { .. }
        | Chart::Extrapolation { .. } => "",
    }
}

/// The unit in brackets at the end of a title: `Monthly cost [USD]`.
fn unit_in(title: &str) -> Option<&str> {
    let inside = title.trim_end().strip_suffix(']')?;
    inside.rsplit_once('[').map(|(_, unit)| unit).filter(|unit| !unit.is_empty())
}
