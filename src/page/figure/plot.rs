//! The field of a chart with its two axes.

use super::{
    axis::{Months, Scale, labelled},
    canvas::{Canvas, GRID, Place, QUIET},
};
use crate::page::Unit;

/// The field: where a value lies on the sheet.
pub(super) struct Plot<'a, 'b> {
    pub(super) canvas: &'a Canvas<'b>,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    across: (f64, f64),
    scale: Scale,
}

/// How a field is laid out.
pub(super) struct Layout<'a> {
    /// Vertical axis.
    pub(super) scale: Scale,
    pub(super) unit: Unit,
    /// Its unit in words, above it.
    pub(super) words: &'a str,
    /// Ends of the horizontal axis.
    pub(super) across: (f64, f64),
    /// Room at the left that another field of the same chart needs, and at the right, in pixels.
    pub(super) left: f64,
    pub(super) right: f64,
    /// Top and bottom of field and axis on the sheet, in pixels.
    pub(super) between: (f64, f64),
}

/// Room that the values of an axis need at the left of a field.
pub(super) fn left(canvas: &Canvas<'_>, scale: &Scale, unit: Unit) -> f64 {
    let letters = canvas.letters();
    let width = |value: f64| letters.width_of(&scale.print(value, unit));
    scale.ticks().into_iter().map(width).fold(0.0, f64::max) + 10.0
}

/// Above a field, for the unit; below it, for the months.
const ABOVE: f64 = 32.0;
const BELOW: f64 = 40.0;

impl<'a, 'b> Plot<'a, 'b> {
    /// The field over all the sheet with a grid and the values of the vertical axis.
    pub(super) fn new(canvas: &'a Canvas<'b>, layout: Layout<'_>) -> Result<Self, String> {
        let letters = canvas.letters().quiet();
        let ticks = layout.scale.ticks();
        let printed: Vec<String> =
            ticks.iter().map(|value| layout.scale.print(*value, layout.unit)).collect();
        let plot = Self {
            canvas,
            left: left(canvas, &layout.scale, layout.unit).max(layout.left),
            right: canvas.width - layout.right.max(12.0),
            top: layout.between.0 + ABOVE,
            bottom: layout.between.1 - BELOW,
            across: layout.across,
            scale: layout.scale,
        };
        for (value, text) in ticks.iter().zip(&printed) {
            let y = plot.y(*value);
            let zero = value.abs() < f64::EPSILON;
            let color = if zero { QUIET } else { GRID };
            canvas.path(&[(plot.left, y), (plot.right, y)], color, 1.0)?;
            canvas.text(text, (plot.left - 6.0, y), letters.right())?;
        }
        canvas.text(layout.words, (0.0, layout.between.0 + 8.0), letters)?;
        Ok(plot)
    }

    /// The field of a chart over months, which may be one.
    pub(super) fn of_months(
        canvas: &'a Canvas<'b>,
        months: &Months<'_>,
        scale: Scale,
        right: f64,
    ) -> Result<Self, String> {
        let layout = Layout {
            scale,
            unit: months.unit,
            words: months.words,
            across: (0.0, (months.all.len().max(2) - 1) as f64),
            left: 0.0,
            right,
            between: (0.0, canvas.height),
        };
        let plot = Self::new(canvas, layout)?;
        plot.months(months)?;
        Ok(plot)
    }

    /// Across and along the sheet.
    pub(super) fn at(&self, x: f64, y: f64) -> Place {
        (self.x(x), self.y(y))
    }

    pub(super) fn x(&self, x: f64) -> f64 {
        let (low, high) = self.across;
        self.left + (x - low) / (high - low) * (self.right - self.left)
    }

    pub(super) fn y(&self, y: f64) -> f64 {
        let Scale { low, high, .. } = self.scale;
        self.bottom - (y - low) / (high - low) * (self.bottom - self.top)
    }

    fn months(&self, months: &Months<'_>) -> Result<(), String> {
        let letters = self.canvas.letters().quiet();
        let width = letters.width_of("2027-01");
        let room = ((self.right - self.left) / (width + 18.0)).floor() as usize + 1;
        let single = months.all.len() == 1;
        for index in labelled(months.all, room) {
            let x = if single { self.x(0.5) } else { self.x(index as f64) };
            self.tick(x)?;
            // No label leaves the sheet.
            let middle = x.clamp(width / 2.0, self.canvas.width - width / 2.0);
            let words = months.all[index].to_string();
            self.canvas.text(&words, (middle, self.bottom + 16.0), letters.center())?;
        }
        self.below("month")
    }

    /// A short line below the field.
    pub(super) fn tick(&self, x: f64) -> Result<(), String> {
        self.canvas.path(&[(x, self.bottom), (x, self.bottom + 5.0)], QUIET, 1.0)
    }

    /// What the horizontal axis is, below its values.
    pub(super) fn below(&self, words: &str) -> Result<(), String> {
        let letters = self.canvas.letters().quiet().right();
        let words = letters.fit(words, self.canvas.width - 8.0);
        self.canvas.text(&words, (self.right, self.bottom + 32.0), letters)
    }
}

/// What stands where there is nothing to draw.
pub(super) fn nothing(canvas: &Canvas<'_>) -> Result<(), String> {
    let middle = (canvas.width / 2.0, canvas.height / 2.0);
    canvas.text("no data", middle, canvas.letters().quiet().center())
}
