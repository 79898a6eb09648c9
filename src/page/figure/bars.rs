//! Bars in rows: a tornado and a waterfall. A row has its name at the left, or above where there is no room.

use plotters::style::RGBColor;

use super::{
    axis::{Scale, amount, change},
    canvas::{BLUE, Canvas, GRID, INK, PAPER, QUIET, RED},
    plot::nothing,
};
use crate::page::Unit;

/// Above the rows: the key or the axis. Below them: the axis.
const ABOVE: f64 = 30.0;
const BELOW: f64 = 30.0;
/// Height of a bar, and of a row with its name to the left or above it, in pixels.
const BAR: f64 = 16.0;
const WIDE_ROW: f64 = 30.0;
const NARROW_ROW: f64 = 46.0;

/// Height of a chart with so many rows.
pub(super) fn height(rows: usize, wide: bool) -> u32 {
    let row = if wide { WIDE_ROW } else { NARROW_ROW };
    // A chart of thousands of rows is nobody's picture; it says how many it leaves out.
    (ABOVE + BELOW + row * rows.clamp(1, 40) as f64) as u32
}

/// Where bars lie on the sheet.
struct Rows<'a, 'b> {
    canvas: &'a Canvas<'b>,
    left: f64,
    right: f64,
    row: f64,
    /// Rows that there is room for.
    shown: usize,
    scale: Scale,
}

impl<'a, 'b> Rows<'a, 'b> {
    /// Rows with these names, and room at both ends of the bars for their values.
    fn new(canvas: &'a Canvas<'b>, names: &[&str], ends: (f64, f64), scale: Scale) -> Self {
        let row = if canvas.wide { WIDE_ROW } else { NARROW_ROW };
        let letters = canvas.letters();
        let widest = names.iter().map(|name| letters.width_of(name)).fold(0.0, f64::max);
        let names = if canvas.wide { (widest + 14.0).min(canvas.width * 0.32) } else { 0.0 };
        let shown = ((canvas.height - ABOVE - BELOW + 0.5) / row).floor().max(1.0) as usize;
        Self { canvas, left: names + ends.0, right: canvas.width - ends.1, row, shown, scale }
    }

    fn x(&self, value: f64) -> f64 {
        let Scale { low, high, .. } = self.scale;
        self.left + (value - low) / (high - low) * (self.right - self.left)
    }

    /// Middle of the bar of a row.
    fn y(&self, row: usize) -> f64 {
        let top = ABOVE + self.row * row as f64;
        if self.canvas.wide { top + self.row / 2.0 } else { top + self.row - BAR / 2.0 - 5.0 }
    }

    fn bottom(&self, rows: usize) -> f64 {
        ABOVE + self.row * rows.min(self.shown) as f64
    }

    fn axis(&self, rows: usize) -> Result<(), String> {
        let (canvas, bottom) = (self.canvas, self.bottom(rows));
        let letters = canvas.letters().quiet().center();
        let mut free = 0.0;
        for value in self.scale.ticks() {
            let x = self.x(value);
            canvas.path(&[(x, ABOVE), (x, bottom)], GRID, 1.0)?;
            let words = self.scale.print(value, Unit::Usd);
            let half = letters.width_of(&words) / 2.0;
            let middle = x.clamp(half, canvas.width - half);
            if middle - half >= free {
                canvas.text(&words, (middle, bottom + 13.0), letters)?;
                free = middle + half + 8.0;
            }
        }
        Ok(())
    }

    fn name(&self, row: usize, words: &str, after: &str, bold: bool) -> Result<(), String> {
        let canvas = self.canvas;
        let letters = if bold { canvas.letters().bold() } else { canvas.letters() };
        if canvas.wide {
            let words = letters.fit(words, canvas.width * 0.32 - 14.0);
            return canvas.text(&words, (0.0, self.y(row)), letters);
        }
        let y = self.y(row) - BAR / 2.0 - 11.0;
        let room = canvas.width - letters.width_of(after) - 12.0;
        canvas.text(&letters.fit(words, room), (0.0, y), letters)?;
        canvas.text(after, (canvas.width, y), letters.quiet().right())
    }

    fn bar(&self, row: usize, (from, to): (f64, f64), color: RGBColor) -> Result<(), String> {
        let y = self.y(row);
        // A step too small to see is a line.
        let (from, to) = (self.x(from), self.x(to));
        let to = if (to - from).abs() < 1.0 { from + 1.0 } else { to };
        self.canvas.block((from, y - BAR / 2.0), (to, y + BAR / 2.0), color)
    }

    /// How many rows there was no room for.
    fn rest(&self, rows: usize) -> Result<(), String> {
        let hidden = rows.saturating_sub(self.shown);
        if hidden == 0 {
            return Ok(());
        }
        let words = format!("{hidden} more in the table");
        let letters = self.canvas.letters().quiet().right();
        self.canvas.text(&words, (self.canvas.width, ABOVE - 10.0), letters)
    }
}

/// Bars around a middle, the one with the greatest share first.
pub(super) fn tornado(
    center: f64,
    bars: &[(String, f64, f64, f64)],
    canvas: &Canvas<'_>,
) -> Result<(), String> {
    let finite = |bar: &&(String, f64, f64, f64)| bar.2.is_finite() && bar.3.is_finite();
    let mut bars: Vec<_> = bars.iter().filter(finite).collect();
    if bars.is_empty() || !center.is_finite() {
        return nothing(canvas);
    }
    bars.sort_by(|a, b| b.1.total_cmp(&a.1).then((b.3 - b.2).abs().total_cmp(&(a.3 - a.2).abs())));
    let letters = canvas.letters();
    let printed = |value: f64| amount(value, Unit::Usd);
    let ends = bars.iter().flat_map(|bar| [bar.2, bar.3]);
    let widest = ends.clone().map(|end| letters.width_of(&printed(end))).fold(0.0, f64::max) + 8.0;
    let scale = Scale::over(ends.chain([center]), if canvas.wide { 5 } else { 3 });
    let names: Vec<&str> = bars.iter().map(|bar| &*bar.0).collect();
    let shares = if canvas.wide { 62.0 } else { 0.0 };
    let rows = Rows::new(canvas, &names, (widest, widest + shares), scale);
    rows.axis(bars.len())?;
    tornado_key(canvas)?;
    let middle = rows.x(center);
    canvas.path(&[(middle, ABOVE), (middle, rows.bottom(bars.len()))], INK, 1.0)?;
    for (row, (name, share, low, high)) in bars.iter().take(rows.shown).enumerate() {
        let share = format!("{:.0} %", share * 100.0);
        rows.name(row, name, &format!("{share} of variance"), false)?;
        if canvas.wide {
            canvas.text(&share, (canvas.width, rows.y(row)), letters.right())?;
        }
        // Where both ends lie on one side, the shorter bar is seen before the longer one.
        let mut ends = [(*low, BLUE), (*high, RED)];
        ends.sort_by(|a, b| (b.0 - center).abs().total_cmp(&(a.0 - center).abs()));
        for (end, color) in ends {
            rows.bar(row, (center, end), color)?;
        }
        // Both labels are values of ends; where both lie on one side, the inner one stands across the middle.
        let (least, most) = (low.min(*high), low.max(*high));
        let y = rows.y(row);
        canvas.path(&[(middle, y - BAR / 2.0), (middle, y + BAR / 2.0)], INK, 1.0)?;
        canvas.text(&printed(least), (rows.x(least.min(center)) - 5.0, y), letters.right())?;
        canvas.text(&printed(most), (rows.x(most.max(center)) + 5.0, y), letters)?;
    }
    rows.rest(bars.len())
}

fn tornado_key(canvas: &Canvas<'_>) -> Result<(), String> {
    let letters = canvas.letters();
    let mut x = 0.0;
    let words = if canvas.wide {
        ["cost with the input at its low end", "at its high end"]
    } else {
        ["at its low end", "at its high end"]
    };
    for (words, color) in words.into_iter().zip([BLUE, RED]) {
        canvas.block((x, 4.0), (x + 12.0, 16.0), color)?;
        canvas.text(words, (x + 18.0, 10.0), letters)?;
        x += letters.width_of(words) + 40.0;
    }
    if canvas.wide {
        canvas.text("of variance", (canvas.width, 10.0), letters.quiet().right())?;
    }
    Ok(())
}

/// From one sum to another.
pub(super) fn waterfall(
    from: &(String, f64),
    steps: &[(String, f64)],
    to: &(String, f64),
    (words, canvas): (&str, &Canvas<'_>),
) -> Result<(), String> {
    if !(from.1.is_finite() && to.1.is_finite() && steps.iter().all(|step| step.1.is_finite())) {
        return nothing(canvas);
    }
    let mut at = from.1;
    let mut levels = vec![from.1, to.1];
    for step in steps {
        at += step.1;
        levels.push(at);
    }
    let (scale, cut) = waterfall_scale(&levels, canvas.wide);
    let names: Vec<&str> = [from, to].into_iter().chain(steps).map(|step| &*step.0).collect();
    let rows = Rows::new(canvas, &names, (6.0, 84.0), scale);
    let count = steps.len() + 2;
    rows.axis(count)?;
    let note = if cut { ", the axis does not begin at zero" } else { "" };
    canvas.text(&format!("{words}{note}"), (0.0, 10.0), canvas.letters().quiet())?;
    sum(&rows, 0, from, cut)?;
    let mut at = from.1;
    let room = rows.shown.saturating_sub(2);
    for (row, (name, step)) in steps.iter().take(room).enumerate() {
        let color = if *step > 0.0 { RED } else { BLUE };
        connect(&rows, row, at)?;
        rows.name(row + 1, name, "", false)?;
        rows.bar(row + 1, (at, at + step), color)?;
        let end = rows.x(at.max(at + step));
        canvas.text(&change(*step), (end + 6.0, rows.y(row + 1)), canvas.letters())?;
        at += step;
    }
    let last = steps.len().min(room) + 1;
    connect(&rows, last - 1, at)?;
    sum(&rows, last, to, cut)?;
    rows.rest(count)
}

/// The axis, and whether it leaves zero out: where sums are so much greater than steps that these would vanish.
fn waterfall_scale(levels: &[f64], wide: bool) -> (Scale, bool) {
    let steps = if wide { 5 } else { 3 };
    let (low, high) = levels
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| (at.min(low), at.max(high)));
    let span = high - low;
    if low > 0.0 && span > 0.0 && span < 0.3 * high {
        let below = (low - span * 0.6).max(0.0);
        (Scale::over(levels.iter().copied().chain([below]), steps), true)
    } else {
        (Scale::from_zero(levels.iter().copied(), steps), false)
    }
}

fn sum(rows: &Rows<'_, '_>, row: usize, of: &(String, f64), cut: bool) -> Result<(), String> {
    let (canvas, y) = (rows.canvas, rows.y(row));
    rows.name(row, &of.0, "", true)?;
    let from = if cut { rows.scale.low } else { 0.0 };
    rows.bar(row, (from, of.1), QUIET)?;
    if cut {
        // Two strokes through the bar: it is shortened.
        for x in [rows.left + 8.0, rows.left + 13.0] {
            canvas.path(
                &[(x - 3.0, y + BAR / 2.0 + 1.0), (x + 3.0, y - BAR / 2.0 - 1.0)],
                PAPER,
                2.0,
            )?;
        }
    }
    let x = rows.x(of.1.max(0.0).max(from));
    canvas.text(&amount(of.1, Unit::Usd), (x + 6.0, y), canvas.letters().bold())
}

/// A thin line from the bar of a row down to the next.
fn connect(rows: &Rows<'_, '_>, row: usize, at: f64) -> Result<(), String> {
    let x = rows.x(at);
    let from = rows.y(row) + BAR / 2.0;
    rows.canvas.path(&[(x, from), (x, rows.y(row + 1) - BAR / 2.0)], QUIET, 1.0)
}
