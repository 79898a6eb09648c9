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
    let widest = labels.iter().map(|label| letters.width_of(&label.words)).fold(0.0, f64::max);
    (widest + before(canvas) + 4.0).min(canvas.width * MOST)
}

/// Pushes heights apart, so that no two of them overlap and all lie between `top` and `bottom`, if they can; `places`
/// are in rising order, each its middle and how high it is.
pub(super) fn push_apart(places: &mut [(f64, f64)], line: f64, (top, bottom): (f64, f64)) {
    // The ends may be reached by the middle of a line.
    let mut free = top - line / 2.0;
    for (middle, high) in places.iter_mut() {
        *middle = middle.max(free + *high / 2.0);
        free = *middle + *high / 2.0;
    }
    let mut free = bottom + line / 2.0;
    for (middle, high) in places.iter_mut().rev() {
        *middle = middle.min(free - *high / 2.0);
        free = *middle - *high / 2.0;
    }
}

/// The text in one line or two; what does not fit in two is cut.
fn lines(canvas: &Canvas<'_>, words: &str, width: f64) -> Vec<String> {
    let letters = canvas.letters();
    let fits = |text: &str| letters.width_of(text) <= width;
    let spaces = words.match_indices(' ').map(|(at, _)| at).take(40);
    let first = spaces.take_while(|at| fits(&words[..*at])).last();
    match first {
        Some(at) if !fits(words) => {
            vec![words[..at].to_owned(), letters.fit(&words[at + 1..], width)]
        }
        _ => vec![letters.fit(words, width)],
    }
}

/// Draws the names to the right of the plot.
///
/// At most `most` of them: more leaders than that cross each other.
pub(super) fn draw(plot: &Plot<'_, '_>, mut labels: Vec<Label>, most: usize) -> Result<(), String> {
    let canvas = plot.canvas;
    let line = canvas.line_height();
    let width = canvas.width - plot.right - before(canvas);
    let room = (((plot.bottom - plot.top) / line).floor() as usize + 1).min(most);
    let hidden = labels.len().saturating_sub(room);
    if hidden > 0 {
        labels.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        labels.truncate(room - 1);
    }
    labels.sort_by(|a, b| b.value.total_cmp(&a.value));
    let mut texts: Vec<Vec<String>> =
        labels.iter().map(|label| lines(canvas, &label.words, width)).collect();
    if texts.iter().map(Vec::len).sum::<usize>() > room {
        // No room for second lines.
        let cut = |label: &Label| vec![canvas.letters().fit(&label.words, width)];
        texts = labels.iter().map(cut).collect();
    }
    let place =
        |(label, text): (&Label, &Vec<String>)| (plot.y(label.value), line * text.len() as f64);
    let mut places: Vec<(f64, f64)> = labels.iter().zip(&texts).map(place).collect();
    let bottom = if hidden > 0 { plot.bottom - line } else { plot.bottom };
    push_apart(&mut places, line, (plot.top, bottom));
    for ((label, text), (height, _)) in labels.iter().zip(&texts).zip(places) {
        one(plot, label, text, height)?;
    }
    if hidden > 0 {
        let words = format!("and {} smaller", hidden + 1);
        let place = (plot.right + before(canvas), plot.bottom);
        canvas.text(&words, place, canvas.letters().quiet())?;
    }
    Ok(())
}

/// One name: a leader if it was pushed away, the sign, and its text around `height`.
fn one(plot: &Plot<'_, '_>, label: &Label, text: &[String], height: f64) -> Result<(), String> {
    let (canvas, x, own) = (plot.canvas, plot.right, plot.y(label.value));
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
    let line = canvas.letters().size + 1.0;
    let top = height - line * (text.len() - 1) as f64 / 2.0;
    for (index, words) in text.iter().enumerate() {
        let place = (x + before(canvas), top + line * index as f64);
        canvas.text(words, place, canvas.letters())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::push_apart;

    fn pushed<const N: usize>(middles: [f64; N], end: f64) -> [f64; N] {
        let mut places = middles.map(|middle| (middle, 10.0));
        push_apart(&mut places, 10.0, (0.0, end));
        places.map(|place| place.0)
    }

    #[test]
    fn names_are_pushed_apart_and_stay_inside() {
        assert_eq!(pushed([10.0, 11.0, 12.0, 50.0], 55.0), [10.0, 20.0, 30.0, 50.0]);
        assert_eq!(pushed([48.0, 49.0, 50.0], 50.0), [30.0, 40.0, 50.0]);
        let mut places = [(10.0, 10.0), (12.0, 20.0), (13.0, 10.0)];
        push_apart(&mut places, 10.0, (0.0, 50.0));
        assert_eq!(places.map(|place| place.0), [10.0, 25.0, 40.0], "two lines need more");
    }
}
