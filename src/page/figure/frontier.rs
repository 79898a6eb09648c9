//! Candidates by cost and risk: all as dots, those that none beats joined by a line, some with a name.

use super::{
    axis::Scale,
    canvas::{BLUE, Canvas, PAPER, Place, RED, REST},
    label::push_apart,
    plot::{Layout, Plot, nothing},
};
use crate::page::Unit;

/// The parts of the chart.
pub(super) struct Frontier<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) points: &'a [[f64; 2]],
    pub(super) front: &'a [[f64; 2]],
    pub(super) marked: &'a [(String, [f64; 2])],
}

/// Below, dots would be more bytes than picture: of the candidates at most so many are drawn.
const DOTS: usize = 600;

fn unit(words: &str) -> Unit {
    if words.contains("USD") || words.contains('$') { Unit::Usd } else { Unit::Count }
}

fn finite(point: [f64; 2]) -> bool {
    point.iter().all(|value| value.is_finite())
}

pub(super) fn draw(of: &Frontier<'_>, canvas: &Canvas<'_>) -> Result<(), String> {
    let marked = of.marked.iter().map(|(_, point)| point);
    let all =
        || of.points.iter().chain(of.front).chain(marked.clone()).filter(|point| finite(**point));
    if all().next().is_none() {
        return nothing(canvas);
    }
    let (steps, along) = if canvas.wide { (6, 5) } else { (3, 4) };
    let across = Scale::over(all().map(|point| point[0]), steps);
    let layout = Layout {
        scale: Scale::over(all().map(|point| point[1]), along),
        unit: unit(of.y),
        words: of.y,
        across: (across.low, across.high),
        left: 0.0,
        right: 24.0,
        between: (0.0, canvas.height),
    };
    let plot = Plot::new(canvas, layout)?;
    let letters = canvas.letters().quiet().center();
    for value in across.ticks() {
        let x = plot.x(value);
        plot.tick(x)?;
        canvas.text(&across.print(value, unit(of.x)), (x, plot.bottom + 16.0), letters)?;
    }
    plot.below(of.x)?;
    let step = of.points.len().div_ceil(DOTS).max(1);
    for point in of.points.iter().step_by(step).filter(|point| finite(**point)) {
        canvas.dot(plot.at(point[0], point[1]), 2.5, REST)?;
    }
    let front: Vec<Place> = of
        .front
        .iter()
        .filter(|point| finite(**point))
        .map(|point| plot.at(point[0], point[1]))
        .collect();
    canvas.path(&front, BLUE, 2.0)?;
    for place in &front {
        canvas.dot(*place, 3.5, BLUE)?;
    }
    names(&plot, of.marked)
}

/// Names next to their points, on the side that has more room.
fn names(plot: &Plot<'_, '_>, marked: &[(String, [f64; 2])]) -> Result<(), String> {
    let canvas = plot.canvas;
    let letters = canvas.letters().bold();
    let mut marked: Vec<(&str, Place)> = marked
        .iter()
        .filter(|(_, point)| finite(*point))
        .map(|(name, point)| (&**name, plot.at(point[0], point[1])))
        .collect();
    marked.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let line = canvas.line_height();
    let mut heights: Vec<(f64, f64)> =
        marked.iter().map(|(_, place)| (place.1 - 12.0, line)).collect();
    push_apart(&mut heights, line, (plot.top, plot.bottom - 8.0));
    for (_, place) in &marked {
        canvas.dot(*place, 7.0, PAPER)?;
        canvas.dot(*place, 5.5, RED)?;
    }
    for ((name, place), (height, _)) in marked.into_iter().zip(heights) {
        let right = place.0 < f64::midpoint(plot.left, plot.right);
        let room = if right { plot.right - place.0 } else { place.0 - plot.left };
        let name = letters.fit(name, room - 12.0);
        if right {
            canvas.text(&name, (place.0 + 9.0, height), letters)?;
        } else {
            canvas.text(&name, (place.0 - 9.0, height), letters.right())?;
        }
    }
    Ok(())
}
