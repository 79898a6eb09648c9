//! A forecast: billed months solid, the mid case behind them dashed, and the band of the trials.

use super::{
    axis::{Months, Scale, amount},
    canvas::{BLUE, Canvas, INK, QUIET, RED, SKY},
    label::{self, Label, Sign, push_apart},
    plot::{Plot, nothing},
    stacked::run,
};
use crate::measure::calendar::Month;
use crate::page::{Chart, Unit};

/// Limits above this many times the highest value are named, not drawn: they would flatten all else.
const FAR: f64 = 2.0;

struct Fan<'a> {
    billed: &'a [Option<f64>],
    mid: &'a [f64],
    band: &'a [[f64; 3]],
    /// First month that is drawn as forecast: the one of the cut-off, where both lines meet.
    from: usize,
    cut_off: Option<Month>,
    limits: &'a [(String, f64)],
}

pub(super) fn draw(chart: &Chart, words: &str, canvas: &Canvas<'_>) -> Result<(), String> {
    let Chart::Fan { months, billed, mid, band, cut_off, limits } = chart else { return Ok(()) };
    let count = months.len();
    if count == 0 || (mid.is_empty() && billed.is_empty()) {
        return nothing(canvas);
    }
    let from = cut_off.and_then(|cut| months.iter().rposition(|month| *month <= cut)).unwrap_or(0);
    let fan = Fan {
        billed: &billed[..count.min(billed.len())],
        mid: &mid[..count.min(mid.len())],
        band: &band[..count.min(band.len())],
        from,
        cut_off: cut_off.filter(|_| billed.iter().any(Option::is_some)),
        limits,
    };
    let most = fan.values().fold(0.0, f64::max);
    let near = limits.iter().map(|limit| limit.1).filter(|value| *value <= FAR * most);
    let scale = Scale::from_zero(fan.values().chain(near), if canvas.wide { 6 } else { 4 });
    let labels = fan.labels(canvas.wide);
    let months = Months { all: months, unit: Unit::Usd, words };
    let plot = Plot::of_months(canvas, &months, scale, label::room(canvas, &labels))?;
    fan.area(&plot)?;
    fan.cut(&plot)?;
    fan.lines(&plot)?;
    fan.limits(&plot, most)?;
    label::draw(&plot, labels, usize::MAX)
}

impl Fan<'_> {
    fn values(&self) -> impl Iterator<Item = f64> {
        let billed = self.billed.iter().copied().flatten();
        let mid = self.mid.iter().skip(self.from).copied();
        let band = self.band.iter().skip(self.from).flatten().copied();
        billed.chain(mid).chain(band).filter(|value| value.is_finite())
    }

    fn labels(&self, wide: bool) -> Vec<Label> {
        let label = |name: &str, value: f64, color, sign| Label {
            words: format!("{name} {}", amount(value, Unit::Usd)),
            color,
            sign,
            value,
            weight: 1.0,
        };
        let mut labels = Vec::new();
        if let Some([low, middle, high]) = self.band.get(self.from..).and_then(<[_]>::last) {
            labels.push(label("P90", *high, SKY, Sign::Area));
            labels.push(label("P50", *middle, BLUE, Sign::Line));
            labels.push(label("P10", *low, SKY, Sign::Area));
        }
        if let Some(mid) = self.mid.get(self.from..).and_then(<[_]>::last) {
            let name = if wide { "mid case" } else { "mid" };
            labels.push(label(name, *mid, RED, Sign::Dashes));
        }
        if labels.is_empty()
            && let Some(billed) = self.billed.iter().copied().flatten().last()
        {
            labels.push(label("billed", billed, INK, Sign::Line));
        }
        labels
    }

    /// Whether the name of a limit stands better at the left: where the lines are farther from it.
    fn leaves_left(&self, limit: f64) -> bool {
        let first = self.billed.iter().copied().flatten().next().or(self.mid.first().copied());
        let last = self.mid.last().copied().or(self.billed.iter().copied().flatten().last());
        let far = |value: Option<f64>| (value.unwrap_or(0.0) - limit).abs();
        far(first) >= far(last)
    }

    /// Where the forecast begins: at the last billed value if there is one.
    fn start(&self) -> Option<f64> {
        self.cut_off?;
        self.billed.get(self.from).copied().flatten()
    }

    fn line(
        &self,
        plot: &Plot<'_, '_>,
        value: impl Fn(usize) -> f64,
        count: usize,
    ) -> Vec<(f64, f64)> {
        let point = |month: usize| {
            let value = self.start().filter(|_| month == self.from).unwrap_or_else(|| value(month));
            plot.at(month as f64, value)
        };
        let mut points: Vec<_> = (self.from..count).map(point).collect();
        if count == 1 {
            // A single month is as wide as two.
            points.push(plot.at(1.0, value(0)));
        }
        points
    }

    fn area(&self, plot: &Plot<'_, '_>) -> Result<(), String> {
        let mut points = self.line(plot, |month| self.band[month][0], self.band.len());
        points.extend(self.line(plot, |month| self.band[month][2], self.band.len()).iter().rev());
        if points.len() < 3 { Ok(()) } else { plot.canvas.area(&points, SKY, 0.32) }
    }

    fn lines(&self, plot: &Plot<'_, '_>) -> Result<(), String> {
        let middle = self.line(plot, |month| self.band[month][1], self.band.len());
        plot.canvas.path(&middle, BLUE, 1.5)?;
        let mid = self.line(plot, |month| self.mid[month], self.mid.len());
        plot.canvas.dashed(&mid, RED, 2.0)?;
        run(plot, self.billed, (INK, 2.5))
    }

    /// Thin lines with their names above them.
    fn limits(&self, plot: &Plot<'_, '_>, most: f64) -> Result<(), String> {
        let canvas = plot.canvas;
        let mut limits: Vec<_> = self.limits.iter().filter(|limit| limit.1.is_finite()).collect();
        limits.sort_by(|a, b| b.1.total_cmp(&a.1));
        let drawn = |value: f64| value <= FAR * most;
        let line = canvas.line_height();
        let mut heights: Vec<(f64, f64)> = limits
            .iter()
            .map(|limit| (if drawn(limit.1) { plot.y(limit.1) - 9.0 } else { plot.top }, line))
            .collect();
        push_apart(&mut heights, line, (plot.top + 12.0, plot.bottom));
        for ((name, value), (height, _)) in limits.into_iter().zip(heights) {
            let far = if drawn(*value) { "" } else { ", above this chart" };
            if drawn(*value) {
                let y = plot.y(*value);
                canvas.dashed(&[(plot.left, y), (plot.right, y)], QUIET, 1.0)?;
            }
            // The amount is kept whole.
            let amount = format!(" {}{far}", amount(*value, Unit::Usd));
            let room = plot.right - plot.left - 12.0;
            let room = room - canvas.letters().width_of(&amount);
            let words = canvas.letters().fit(name, room) + &amount;
            let (x, letters) = if self.leaves_left(*value) {
                (plot.left + 6.0, canvas.letters())
            } else {
                (plot.right - 6.0, canvas.letters().right())
            };
            canvas.text(&words, (x, height), letters)?;
        }
        Ok(())
    }

    /// The line between what was billed and what is forecast, and both words.
    fn cut(&self, plot: &Plot<'_, '_>) -> Result<(), String> {
        let Some(cut_off) = self.cut_off else { return Ok(()) };
        let canvas = plot.canvas;
        let x = plot.x(self.from as f64);
        let y = plot.top - 9.0;
        canvas.path(&[(x, y - 6.0), (x, plot.bottom)], QUIET, 1.0)?;
        let letters = canvas.letters();
        let billed = format!("billed to {cut_off}");
        if x - plot.left > letters.width_of(&billed) {
            canvas.text(&billed, (x - 6.0, y), letters.right())?;
            if plot.right - x > 70.0 {
                canvas.text("forecast", (x + 6.0, y), letters)?;
            }
            return Ok(());
        }
        canvas.text(&billed, (x + 6.0, y), letters)
    }
}
