//! Values over months: on top of each other, or as lines.

use plotters::style::RGBColor;

use super::{
    axis::{Months, Scale},
    canvas::{AREAS, Canvas, LINES, PAPER, Place, REST},
    label::{self, Label, Sign},
    plot::{Plot, nothing},
};
use crate::page::Series;

/// One band: its values, and where it lies.
struct Band {
    name: String,
    values: Vec<f64>,
    color: RGBColor,
    low: Vec<f64>,
    high: Vec<f64>,
}

/// Values that can be drawn; what is missing adds nothing.
fn values(series: &Series, months: usize) -> Vec<f64> {
    let value = |index: usize| series.values.get(index).copied().flatten();
    (0..months).map(|index| value(index).filter(|value| value.is_finite()).unwrap_or(0.0)).collect()
}

fn size(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum()
}

/// A band for each of the greatest; the others are one, on top.
fn bands(series: &[Series], months: usize) -> Vec<Band> {
    let all: Vec<Vec<f64>> = series.iter().map(|series| values(series, months)).collect();
    let mut order: Vec<usize> = (0..series.len()).collect();
    order.sort_by(|a, b| size(&all[*b]).total_cmp(&size(&all[*a])));
    let own = if order.len() > AREAS.len() + 1 { AREAS.len() } else { order.len() };
    let (mut shown, rest) = (order[..own].to_vec(), &order[own..]);
    shown.sort_unstable();
    let band = |name: String, values: Vec<f64>, color: usize| Band {
        name,
        values,
        color: AREAS.get(color).copied().unwrap_or(REST),
        low: Vec::new(),
        high: Vec::new(),
    };
    let mut bands: Vec<Band> = shown
        .iter()
        .enumerate()
        .map(|(color, index)| band(series[*index].name.clone(), all[*index].clone(), color))
        .collect();
    if !rest.is_empty() {
        let sum = |month: usize| rest.iter().map(|index| all[*index][month]).sum();
        let values = (0..months).map(sum).collect();
        bands.push(band(format!("{} others", rest.len()), values, AREAS.len()));
    }
    bands
}

/// Lays bands on top of each other; what is negative goes below zero.
fn pile(bands: &mut [Band], months: usize) {
    let (mut above, mut below) = (vec![0.0; months], vec![0.0; months]);
    for band in bands {
        // Months without a credit are where credits lie, not on top of all that is paid.
        let owed = band.values.iter().all(|value| *value <= 0.0)
            && band.values.iter().any(|value| *value < 0.0);
        for (month, value) in band.values.iter().enumerate() {
            let floor = if *value < 0.0 || owed { &mut below[month] } else { &mut above[month] };
            let next = *floor + value;
            band.low.push(floor.min(next));
            band.high.push(floor.max(next));
            *floor = next;
        }
    }
}

/// On top of each other.
pub(super) fn draw(
    months: &Months<'_>,
    series: &[Series],
    canvas: &Canvas<'_>,
) -> Result<(), String> {
    let count = months.all.len();
    let mut bands = bands(series, count);
    if count == 0 || bands.is_empty() {
        return nothing(canvas);
    }
    pile(&mut bands, count);
    let labels: Vec<Label> = bands.iter().map(band_label).collect();
    let ends = bands.iter().flat_map(|band| band.low.iter().chain(&band.high)).copied();
    let scale = Scale::from_zero(ends, if canvas.wide { 6 } else { 4 });
    let plot = Plot::of_months(canvas, months, scale, label::room(canvas, &labels))?;
    for band in &bands {
        let top = outline(&plot, &band.high);
        let mut points = top.clone();
        points.extend(outline(&plot, &band.low).into_iter().rev());
        canvas.area(&points, band.color, 1.0)?;
        // A thin line of paper keeps bands apart for those who see no colors.
        canvas.path(&top, PAPER, 1.0)?;
    }
    label::draw(&plot, labels, usize::MAX)
}

fn band_label(band: &Band) -> Label {
    let [low, high] = [&band.low, &band.high].map(|ends| ends.last().copied().unwrap_or(0.0));
    Label {
        words: band.name.clone(),
        color: band.color,
        sign: Sign::Area,
        value: f64::midpoint(low, high),
        weight: size(&band.values),
    }
}

/// One month is as wide as two.
fn outline(plot: &Plot<'_, '_>, values: &[f64]) -> Vec<Place> {
    let mut points: Vec<Place> =
        values.iter().enumerate().map(|(month, value)| plot.at(month as f64, *value)).collect();
    if let [value] = values {
        points.push(plot.at(1.0, *value));
    }
    points
}

/// Side by side.
pub(super) fn lines(
    months: &Months<'_>,
    series: &[Series],
    canvas: &Canvas<'_>,
) -> Result<(), String> {
    let count = months.all.len();
    let shown: Vec<&Series> =
        series.iter().filter(|series| last(series, count).is_some()).collect();
    if shown.is_empty() {
        return nothing(canvas);
    }
    let colors = colors(&shown, count);
    let few = shown.len() <= 2 * LINES.len();
    let label = |(series, color): (&&Series, &RGBColor)| {
        let value = last(series, count).unwrap_or(0.0);
        let weight = size(&values(series, count));
        Label { words: series.name.clone(), color: *color, sign: Sign::Line, value, weight }
    };
    let labels: Vec<Label> = shown.iter().zip(&colors).map(label).collect();
    let all = shown.iter().flat_map(|series| series.values.iter().take(count).copied().flatten());
    let scale = Scale::from_zero(all, if canvas.wide { 6 } else { 4 });
    let plot = Plot::of_months(canvas, months, scale, label::room(canvas, &labels))?;
    for (series, color) in shown.iter().zip(&colors).rev() {
        let width = if *color == REST { 1.0 } else { 2.0 };
        run(&plot, &series.values[..count.min(series.values.len())], (*color, width))?;
    }
    label::draw(&plot, labels, if few { usize::MAX } else { LINES.len() + 2 })
}

/// The greatest lines have colors, the others are grey.
fn colors(series: &[&Series], months: usize) -> Vec<RGBColor> {
    let mut order: Vec<usize> = (0..series.len()).collect();
    if series.len() > LINES.len() {
        let sizes: Vec<f64> = series.iter().map(|series| size(&values(series, months))).collect();
        order.sort_by(|a, b| sizes[*b].total_cmp(&sizes[*a]));
    }
    let mut colors = vec![REST; series.len()];
    for (color, index) in LINES.iter().zip(order) {
        colors[index] = *color;
    }
    colors
}

/// The last value that can be drawn.
fn last(series: &Series, months: usize) -> Option<f64> {
    let values = series.values.iter().take(months).copied().flatten();
    values.rev().find(|value| value.is_finite())
}

/// Draws the runs of months that have values; one month alone is a dot.
pub(super) fn run(
    plot: &Plot<'_, '_>,
    values: &[Option<f64>],
    (color, width): (RGBColor, f64),
) -> Result<(), String> {
    let mut points: Vec<Place> = Vec::new();
    let end = [None];
    for (month, value) in values.iter().chain(&end).enumerate() {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            points.push(plot.at(month as f64, value));
            continue;
        }
        if let [alone] = points[..] {
            plot.canvas.dot(alone, width + 1.0, color)?;
        }
        plot.canvas.path(&points, color, width)?;
        points.clear();
    }
    Ok(())
}
