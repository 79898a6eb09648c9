//! Names to the right of what they name, pushed apart where it lies close together.

use plotters::style::RGBColor;

use super::{
    canvas::{Canvas, QUIET},
    plot::Plot,
};

/// The sign before a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Area,
    Line,
    Dashes,
}

/// A name.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) words: String,
    pub(super) color: RGBColor,
    pub(super) sign: Sign,
    /// The height that it names, on the axis.
    pub(super) value: f64,
    /// Which names stay if there is no room for all: the greatest.
    pub(super) weight: f64,
}

/// Share of the sheet that names may take.
const MOST: f64 = 0.44;

/// Between the end of the plot and the text: a leader and the sign, `(from, to)`, and a gap.
fn sign_of(canvas: &Canvas<'_>) -> (f64, f64) {
    if canvas.wide { (12.0, 28.0) } else { (9.0, 20.0) }
}

fn before(canvas: &Canvas<'_>) -> f64 {
    sign_of(canvas).1 + if canvas.wide { 6.0 } else { 4.0 }
}

/// Room that the names need at the right of a plot.
pub(super) fn room(canvas: &Canvas<'_>, labels: &[Label]) -> f64 {
    let letters = canvas.letters();
    let widest =
        labels.iter().map(|label| canvas.width_of(&label.words, letters)).fold(0.0, f64::max);
    (widest + before(canvas) + 4.0).min(canvas.width * MOST)
}

/// Pushes heights apart, so that each is `line` from the next and all lie between `top` and `bottom`, if they can;
/// `heights` are in rising order.
pub(super) fn push_apart(heights: &mut [f64], line: f64, (top, bottom): (f64, f64)) {
    let mut free = top;
    for height in heights.iter_mut() {
        *height = height.max(free);
        free = *height + line;
    }
    let mut free = bottom;
    for height in heights.iter_mut().rev() {
        *height = height.min(free);
        free = *height - line;
    }
}

/// Draws the names beside the right end of the plot.
///
/// At most `most` of them: more leaders than that cross each other.
pub(super) fn draw(plot: &Plot<'_, '_>, mut labels: Vec<Label>, most: usize) -> Result<(), String> {
    let canvas = plot.canvas;
    let line = canvas.line_height();
    let room = (((plot.bottom - plot.top) / line).floor() as usize + 1).min(most);
    let hidden = labels.len().saturating_sub(room);
    if hidden > 0 {
        labels.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        labels.truncate(room - 1);
    }
    labels.sort_by(|a, b| b.value.total_cmp(&a.value));
    let own: Vec<f64> = labels.iter().map(|label| plot.y(label.value)).collect();
    let mut heights = own.clone();
    let bottom = if hidden > 0 { plot.bottom - line } else { plot.bottom };
    push_apart(&mut heights, line, (plot.top, bottom));
    for ((label, own), height) in labels.iter().zip(own).zip(heights) {
        one(plot, label, (own, height))?;
    }
    if hidden > 0 {
        let words = format!("and {} smaller", hidden + 1);
        canvas.text(
            &words,
            (plot.right + before(canvas), plot.bottom),
            canvas.letters().quiet(),
        )?;
    }
    Ok(())
}

fn one(plot: &Plot<'_, '_>, label: &Label, (own, height): (f64, f64)) -> Result<(), String> {
    let (canvas, x) = (plot.canvas, plot.right);
    let (from, to) = sign_of(canvas);
    if (own - height).abs() > 3.0 {
        canvas.path(&[(x + 2.0, own), (x + from - 2.0, height)], QUIET, 0.5)?;
    }
    let sign = [(x + from, height), (x + to, height)];
    match label.sign {
        Sign::Area => {
            canvas.block((x + to - 12.0, height - 5.0), (x + to, height + 5.0), label.color)?;
        }
        Sign::Line => canvas.path(&sign, label.color, 2.5)?,
        Sign::Dashes => canvas.dashed(&sign, label.color, 2.5)?,
    }
    let letters = canvas.letters();
    let words = canvas.fit(&label.words, letters, canvas.width - x - before(canvas));
    canvas.text(&words, (x + before(canvas), height), letters)
}

#[cfg(test)]
mod tests {
    use super::push_apart;

    #[test]
    fn names_are_pushed_apart_and_stay_inside() {
        let mut heights = [10.0, 11.0, 12.0, 50.0];
        push_apart(&mut heights, 10.0, (0.0, 55.0));
        assert_eq!(heights, [10.0, 20.0, 30.0, 50.0]);
        let mut heights = [48.0, 49.0, 50.0];
        push_apart(&mut heights, 10.0, (0.0, 50.0));
        assert_eq!(heights, [30.0, 40.0, 50.0]);
    }
}
