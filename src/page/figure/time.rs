//! Panels below each other over the same time: the hours of a day, or the days of a timeline.

use jiff::{SignedDuration, civil::DateTime};
use plotters::style::RGBColor;

use super::{
    axis::{Scale, labelled},
    canvas::{AREAS, Canvas, LINES, Place, REST},
    label::{self, Label, Sign},
    plot::{Layout, Plot, left, nothing},
};
use crate::{
    measure::calendar::Month,
    page::{Marks, Panel, Track, Unit},
};

/// Height of a panel of a day with its title and hours, in pixels.
const WIDE_PANEL: u32 = 200;
const NARROW_PANEL: u32 = 180;
/// Height of a panel of a timeline, in pixels; its hours are as high as the title of the next one.
const TRACK: u32 = 150;
const OVERLAP: f64 = 14.0;
/// Height of the names of marks, in pixels.
const NAMES: u32 = 26;
/// Panels that a sheet has room for.
const MOST: usize = 20;
/// Points of a line: of the steps that share one the greatest is drawn, so that a peak is seen.
pub(super) const POINTS: usize = 360;
const HOURS: f64 = 24.0;
/// Days from which months are named, not days.
const MONTHS_FROM: f64 = 62.0;
/// Colors of marks.
const MARKS: [RGBColor; 3] = [LINES[1], LINES[3], LINES[4]];

/// Height of a day with so many panels.
pub(super) fn day_height(panels: usize, wide: bool) -> u32 {
    let panel = if wide { WIDE_PANEL } else { NARROW_PANEL };
    panel * panels.clamp(1, MOST) as u32
}

/// Height of a timeline with so many panels.
pub(super) fn height(tracks: usize, marked: bool) -> u32 {
    TRACK * tracks.clamp(1, MOST) as u32 + if marked { NAMES } else { 0 } + OVERLAP as u32
}

/// The time below all panels.
struct Ruler {
    length: f64,
    ticks: Vec<Tick>,
}

/// A moment with its name.
pub(super) struct Tick {
    /// Where it lies, from the start.
    pub(super) at: f64,
    pub(super) words: String,
}

/// One day.
pub(super) fn day(panels: &[Panel], canvas: &Canvas<'_>) -> Result<(), String> {
    let hours = (0..=24).step_by(if canvas.wide { 3 } else { 6 });
    let ticks = hours.map(|hour| Tick { at: f64::from(hour), words: format!("{hour}:00") });
    let ruler = Ruler { length: HOURS, ticks: ticks.collect() };
    let plain = |panel: &Panel| Track {
        panel: panel.clone(),
        stacked: false,
        unit: Unit::Count,
        behind: Vec::new(),
    };
    let tracks: Vec<Track> = panels.iter().map(plain).collect();
    draw(&tracks, &ruler, &[], (0.0, 0.0), canvas)
}

/// Some days, with marks through all panels and their names above.
pub(super) fn timeline(
    (start, days): (DateTime, f64),
    tracks: &[Track],
    marks: &[Marks],
    canvas: &Canvas<'_>,
) -> Result<(), String> {
    let mut x = 4.0;
    let letters = canvas.letters();
    for (marks, color) in marks.iter().zip(MARKS) {
        canvas.path(&[(x, 7.0), (x, 19.0)], color, 2.0)?;
        canvas.text(&marks.name, (x + 7.0, 13.0), letters)?;
        x += letters.width_of(&marks.name) + 26.0;
    }
    let ticks = ticks(start, days, if canvas.wide { 8 } else { 3 });
    let above = if marks.is_empty() { 0.0 } else { f64::from(NAMES) };
    draw(tracks, &Ruler { length: days, ticks }, marks, (above, OVERLAP), canvas)
}

fn draw(
    tracks: &[Track],
    ruler: &Ruler,
    marks: &[Marks],
    (above, overlap): (f64, f64),
    canvas: &Canvas<'_>,
) -> Result<(), String> {
    if tracks.is_empty() {
        return nothing(canvas);
    }
    let drawn: Vec<Drawn> = tracks.iter().map(Drawn::new).collect();
    // Panels have the same room at the right, so that their times stand below each other.
    let labels: Vec<Vec<Label>> = drawn.iter().map(Drawn::labels).collect();
    let room = labels.iter().map(|labels| label::room(canvas, labels)).fold(0.0, f64::max);
    let left = drawn.iter().map(|track| left(canvas, &track.scale(), track.of.unit));
    let left = left.fold(0.0, f64::max);
    let height = (canvas.height - above - overlap) / drawn.len() as f64;
    for (index, (track, labels)) in drawn.iter().zip(labels).enumerate() {
        let top = above + height * index as f64;
        let layout = Layout {
            scale: track.scale(),
            unit: track.of.unit,
            words: &track.of.panel.title,
            across: (0.0, ruler.length),
            left,
            right: room,
            between: (top, top + height + overlap),
        };
        let plot = Plot::new(canvas, layout)?;
        below(&plot, &ruler.ticks)?;
        for (marks, color) in marks.iter().zip(MARKS) {
            for at in &marks.at {
                let x = plot.x(*at);
                canvas.faint_path(&[(x, plot.top), (x, plot.bottom)], (color, 0.45), 1.0)?;
            }
        }
        track.draw(&plot, ruler.length)?;
        label::draw(&plot, labels, usize::MAX)?;
    }
    Ok(())
}

/// Ticks and names below a field; a name that would leave the sheet is moved.
pub(super) fn below(plot: &Plot<'_, '_>, ticks: &[Tick]) -> Result<(), String> {
    let letters = plot.canvas.letters().quiet().center();
    for tick in ticks {
        let x = plot.x(tick.at);
        plot.tick(x)?;
        let half = letters.width_of(&tick.words) / 2.0;
        let middle = x.clamp(half, plot.canvas.width - half);
        plot.canvas.text(&tick.words, (middle, plot.bottom + 16.0), letters)?;
    }
    Ok(())
}

/// Round moments of some days: hours, days or months, about `room` of them.
pub(super) fn ticks(start: DateTime, days: f64, room: usize) -> Vec<Tick> {
    const STEPS: [i32; 11] = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720];
    let from = |moment: DateTime| moment.duration_since(start).as_secs_f64() / 86_400.0;
    let within = |at: &f64| (0.0..=days).contains(at);
    if days >= MONTHS_FROM {
        let first = Month::of(start.date());
        let months: Vec<Month> = first
            .iter()
            .flat_map(|first| (0..=(days / 28.0) as u32 + 1).map(|later| first.plus(later)))
            .filter(|month| within(&from(month.first_day().into())))
            .collect();
        let tick = |index: usize| Tick {
            at: from(months[index].first_day().into()),
            words: months[index].to_string(),
        };
        return labelled(&months, room).into_iter().map(tick).collect();
    }
    let fits = |step: &i32| days * HOURS <= f64::from(*step) * room as f64;
    let step = STEPS.into_iter().find(fits).unwrap_or(720);
    let midnight = start.date().to_datetime(jiff::civil::Time::midnight());
    let moments = (0..=(days * HOURS) as i32 / step + 25)
        .filter_map(|index| {
            midnight.checked_add(SignedDuration::from_hours((index * step).into())).ok()
        })
        .filter(|moment| within(&from(*moment)));
    let words = |moment: DateTime| {
        let form = match (step, moment.hour()) {
            (1..24, hour) if hour != 0 => "%H:%M",
            _ if days > 14.0 || step < 24 => "%d %b",
            _ => "%a %d %b",
        };
        moment.strftime(form).to_string()
    };
    moments.map(|moment| Tick { at: from(moment), words: words(moment) }).collect()
}

/// A track with the upper edges of its bands; those of lines are the lines.
struct Drawn<'a> {
    of: &'a Track,
    edges: Vec<Vec<f64>>,
}

impl<'a> Drawn<'a> {
    fn new(of: &'a Track) -> Self {
        let mut edges: Vec<Vec<f64>> =
            of.panel.lines.iter().map(|(_, values)| values.clone()).collect();
        for index in 1..if of.stacked { edges.len() } else { 0 } {
            let (lower, upper) = edges.split_at_mut(index);
            upper[0].iter_mut().zip(&lower[index - 1]).for_each(|(upper, lower)| *upper += lower);
        }
        Self { of, edges }
    }

    fn scale(&self) -> Scale {
        Scale::from_zero(self.edges.iter().chain(&self.of.behind).flatten().copied(), 3)
    }

    fn color(&self, index: usize) -> RGBColor {
        if self.of.stacked {
            AREAS.get(index).copied().unwrap_or(REST)
        } else {
            LINES[index % LINES.len()]
        }
    }

    fn labels(&self) -> Vec<Label> {
        let last = |values: &[f64]| values.iter().copied().rfind(|value| value.is_finite());
        let mut floor = 0.0;
        let mut label = |(index, (name, values)): (usize, &(String, Vec<f64>))| {
            let edge = last(&self.edges[index])?;
            let (sign, value) = if self.of.stacked {
                (Sign::Area, f64::midpoint(std::mem::replace(&mut floor, edge), edge))
            } else {
                (Sign::Line, edge)
            };
            let weight = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
            Some(Label { words: name.clone(), color: self.color(index), sign, value, weight })
        };
        self.of.panel.lines.iter().enumerate().filter_map(&mut label).collect()
    }

    fn draw(&self, plot: &Plot<'_, '_>, length: f64) -> Result<(), String> {
        if self.of.stacked {
            let mut floor = vec![plot.at(0.0, 0.0), plot.at(length, 0.0)];
            for (index, edge) in self.edges.iter().enumerate() {
                let edge = points(plot, edge, length);
                let outline: Vec<Place> = edge.iter().chain(floor.iter().rev()).copied().collect();
                plot.canvas.area(&outline, self.color(index), 1.0)?;
                floor = edge;
            }
            return Ok(());
        }
        for (index, values) in self.of.behind.iter().enumerate() {
            let points = points(plot, values, length);
            plot.canvas.faint_path(&points, (self.color(index), 0.5), 1.0)?;
        }
        for (index, values) in self.edges.iter().enumerate().rev() {
            plot.canvas.path(&points(plot, values, length), self.color(index), 2.0)?;
        }
        Ok(())
    }
}

/// A line that holds each value until the next.
fn points(plot: &Plot<'_, '_>, values: &[f64], length: f64) -> Vec<Place> {
    let count = POINTS.min(values.len());
    let mut points: Vec<Place> = Vec::with_capacity(2 * count);
    for point in 0..count {
        let (from, to) = (point * values.len() / count, (point + 1) * values.len() / count);
        let most = values[from..to].iter().copied().filter(|value| value.is_finite());
        let Some(most) = most.reduce(f64::max) else { continue };
        let x = |at: usize| length * at as f64 / count as f64;
        let [begins, ends] = [plot.at(x(point), most), plot.at(x(point + 1), most)];
        match &mut points[..] {
            // A run of equal values is one line.
            [.., last] if (last.0 - begins.0).abs() + (last.1 - begins.1).abs() < 1e-9 => {
                *last = ends;
            }
            _ => points.extend([begins, ends]),
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(start: &str, days: f64) -> Vec<String> {
        ticks(start.parse().unwrap(), days, 8).into_iter().map(|tick| tick.words).collect()
    }

    #[test]
    fn ticks_are_round_moments() {
        assert_eq!(words("2027-01-04T00:00", 0.5)[..3], ["04 Jan", "02:00", "04:00"]);
        assert_eq!(words("2027-01-04T05:30", 7.0)[..2], ["Tue 05 Jan", "Wed 06 Jan"]);
        assert_eq!(words("2027-01-04T05:30", 30.0)[..2], ["08 Jan", "12 Jan"]);
        assert_eq!(
            words("2027-01-15T00:00", 365.0),
            ["2027-03", "2027-05", "2027-07", "2027-09", "2027-11", "2028-01"]
        );
    }
}
