//! One day: panels below each other over the same hours, with two lines or so each.

use super::{
    axis::Scale,
    canvas::{Canvas, LINES, Place},
    label::{self, Label, Sign},
    plot::{Layout, Plot, left, nothing},
};
use crate::page::{Panel, Unit};

/// Height of a panel with its title and hours, in pixels.
const WIDE_PANEL: u32 = 200;
const NARROW_PANEL: u32 = 180;
/// Points of a line: of the steps that share one the greatest is drawn, so that a peak is seen.
const POINTS: usize = 360;
const HOURS: f64 = 24.0;

/// Height of a chart with so many panels.
pub(super) fn height(panels: usize, wide: bool) -> u32 {
    let panel = if wide { WIDE_PANEL } else { NARROW_PANEL };
    panel * panels.clamp(1, 20) as u32
}

pub(super) fn draw(panels: &[Panel], canvas: &Canvas<'_>) -> Result<(), String> {
    if panels.is_empty() {
        return nothing(canvas);
    }
    // Panels have the same room at the right, so that their hours stand below each other.
    let labels: Vec<Vec<Label>> = panels.iter().map(labels).collect();
    let room = labels.iter().map(|labels| label::room(canvas, labels)).fold(0.0, f64::max);
    let left = panels.iter().map(|panel| left(canvas, &scale(panel), Unit::Count));
    let left = left.fold(0.0, f64::max);
    let height = canvas.height / panels.len() as f64;
    for (index, (panel, labels)) in panels.iter().zip(labels).enumerate() {
        let top = height * index as f64;
        one(canvas, panel, labels, (left, room, top, top + height))?;
    }
    Ok(())
}

fn scale(panel: &Panel) -> Scale {
    Scale::from_zero(panel.lines.iter().flat_map(|line| line.1.iter().copied()), 3)
}

fn labels(panel: &Panel) -> Vec<Label> {
    let label = |(index, (name, values)): (usize, &(String, Vec<f64>))| {
        let value = values.iter().copied().rfind(|value| value.is_finite())?;
        let color = LINES[index % LINES.len()];
        let sign = Sign::Line;
        Some(Label { words: name.clone(), color, sign, value, weight: value.abs() })
    };
    panel.lines.iter().enumerate().filter_map(label).collect()
}

fn one(
    canvas: &Canvas<'_>,
    panel: &Panel,
    labels: Vec<Label>,
    (left, room, top, bottom): (f64, f64, f64, f64),
) -> Result<(), String> {
    let layout = Layout {
        scale: scale(panel),
        unit: Unit::Count,
        words: &panel.title,
        across: (0.0, HOURS),
        left,
        right: room,
        between: (top, bottom),
    };
    let plot = Plot::new(canvas, layout)?;
    let letters = canvas.letters().quiet().center();
    for hour in (0..=24).step_by(if canvas.wide { 3 } else { 6 }) {
        let x = plot.x(f64::from(hour));
        plot.tick(x)?;
        canvas.text(&format!("{hour}:00"), (x, plot.bottom + 16.0), letters)?;
    }
    for (index, (_, values)) in panel.lines.iter().enumerate().rev() {
        canvas.path(&points(&plot, values), LINES[index % LINES.len()], 2.0)?;
    }
    label::draw(&plot, labels, usize::MAX)
}

/// A line that holds each value until the next.
fn points(plot: &Plot<'_, '_>, values: &[f64]) -> Vec<Place> {
    let count = POINTS.min(values.len());
    let mut points: Vec<Place> = Vec::with_capacity(2 * count);
    for point in 0..count {
        let (from, to) = (point * values.len() / count, (point + 1) * values.len() / count);
        let most = values[from..to].iter().copied().filter(|value| value.is_finite());
        let Some(most) = most.reduce(f64::max) else { continue };
        let hour = |at: usize| HOURS * at as f64 / count as f64;
        points.push(plot.at(hour(point), most));
        points.push(plot.at(hour(point + 1), most));
    }
    points
}
