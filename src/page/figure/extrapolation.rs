//! A series: its past solid, its median dashed, and the range between its bounds.

use jiff::civil::DateTime;

use super::{
    axis::{Scale, amount},
    canvas::{BLUE, Canvas, INK, Place, QUIET, SKY},
    label::{self, Label, Sign},
    plot::{Layout, Plot, nothing},
    time::{POINTS, below, ticks},
};
use crate::page::{Expected, Observed, Unit};

pub(super) fn draw(
    past: &[Observed],
    ahead: &[Expected],
    words: &str,
    canvas: &Canvas<'_>,
) -> Result<(), String> {
    let (past, ahead) = (thinned(past), thinned(ahead));
    let (Some(first), Some(last)) = (
        past.iter().map(|row| row.moment).chain(ahead.iter().map(|row| row.moment)).next(),
        ahead.last(),
    ) else {
        return nothing(canvas);
    };
    let day = |moment: DateTime| moment.duration_since(first).as_secs_f64() / 86_400.0;
    let values = past.iter().map(|row| row.value);
    let values = values.chain(ahead.iter().flat_map(|row| [row.low, row.median, row.high]));
    let label = |name: &str, value: f64, color, sign| Label {
        words: format!("{name} {}", amount(value, Unit::Count)),
        color,
        sign,
        value,
        weight: 1.0,
    };
    let labels = vec![
        label("high", last.high, SKY, Sign::Area),
        label("forecast", last.median, BLUE, Sign::Dashes),
        label("low", last.low, SKY, Sign::Area),
    ];
    let days = day(last.moment).max(1.0 / 24.0);
    let layout = Layout {
        scale: Scale::from_zero(values, if canvas.wide { 6 } else { 4 }),
        unit: Unit::Count,
        words,
        across: (0.0, days),
        left: 0.0,
        right: label::room(canvas, &labels),
        between: (0.0, canvas.height),
    };
    let plot = Plot::new(canvas, layout)?;
    below(&plot, &ticks(first, days, if canvas.wide { 8 } else { 3 }))?;
    // The forecast begins where the past ends.
    let now = past.last().map(|row| Expected {
        moment: row.moment,
        low: row.value,
        median: row.value,
        high: row.value,
    });
    let line = |value: fn(&Expected) -> f64| -> Vec<Place> {
        now.iter().chain(&*ahead).map(|row| plot.at(day(row.moment), value(row))).collect()
    };
    let mut range = line(|row| row.high);
    range.extend(line(|row| row.low).into_iter().rev());
    canvas.area(&range, SKY, 0.32)?;
    if let Some(now) = now {
        let x = plot.x(day(now.moment));
        canvas.path(&[(x, plot.top), (x, plot.bottom)], QUIET, 1.0)?;
    }
    let known: Vec<Place> = past.iter().map(|row| plot.at(day(row.moment), row.value)).collect();
    canvas.path(&known, INK, 2.0)?;
    canvas.dashed(&line(|row| row.median), BLUE, 2.0)?;
    label::draw(&plot, labels, usize::MAX)
}

/// At most as many rows as a line has points, the last one among them.
fn thinned<T: Copy>(rows: &[T]) -> Vec<T> {
    let every = rows.len().div_ceil(POINTS).max(1);
    rows.iter().rev().step_by(every).rev().copied().collect()
}
