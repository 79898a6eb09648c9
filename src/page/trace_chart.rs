//! A trace as one page of panels over the same time: load, replicas, nodes, CPU, pending pods, p95.
//!
//! A panel has one line a pixel or so: of the ticks that share it the greatest is drawn, so that a
//! peak of one tick is seen.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    cluster::{autoscale::event::Reason, capacity::purchase_name},
    plan::simulate::trace::Trace,
};

/// Colours that stay apart for colour-blind readers (Okabe and Ito, 2008), and grey for the rest.
const COLORS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(240, 228, 66),
    RGBColor(150, 150, 150),
];
const INK: RGBColor = RGBColor(60, 60, 60);

/// Width of the page, in pixels.
const WIDTH: u32 = 1280;
/// Height of the page's title and of a panel, in pixels.
const TITLE: u32 = 56;
const PANEL: u32 = 172;
/// Points of a line.
const POINTS: usize = 560;
/// Room at the right for names, in pixels.
const NAMES: i32 = 230;

/// One line, or one band of a stack.
struct Line {
    name: String,
    values: Vec<f64>,
    color: RGBColor,
    /// Drawn thin, behind the others.
    faint: bool,
}

struct Panel {
    title: String,
    lines: Vec<Line>,
    stacked: bool,
    /// Values are shares, and printed as percent.
    percent: bool,
}

type Failure = Box<dyn std::error::Error>;

/// The page as SVG.
///
/// # Errors
/// What the drawing library says; nothing in a trace is known to cause it.
pub fn svg(trace: &Trace) -> Result<String, String> {
    crate::page::figure::register_letters()?;
    let panels = panels(trace);
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size(&panels)).into_drawing_area();
        draw(trace, &panels, &root).map_err(|error| error.to_string())?;
    }
    Ok(crate::page::figure::clean(&text))
}

/// The page as PNG.
///
/// # Errors
/// What the drawing library or the encoder says.
pub fn png(trace: &Trace) -> Result<Vec<u8>, String> {
    crate::page::figure::register_letters()?;
    let panels = panels(trace);
    let (width, height) = size(&panels);
    let mut pixels = vec![0_u8; (width * height * 3) as usize];
    {
        let backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        draw(trace, &panels, &backend.into_drawing_area()).map_err(|error| error.to_string())?;
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    writer.write_image_data(&pixels).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(out)
}

fn size(panels: &[Panel]) -> (u32, u32) {
    (WIDTH, TITLE + PANEL * panels.len() as u32 + 8)
}

/// The greatest value of each stretch of ticks.
fn thin<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    let points = POINTS.min(values.len());
    (0..points)
        .map(|point| {
            let from = point * values.len() / points;
            let to = ((point + 1) * values.len() / points).max(from + 1);
            values[from..to].iter().map(|value| (*value).into()).fold(0.0, f64::max)
        })
        .collect()
}

fn line(name: &str, values: Vec<f64>, color: usize) -> Line {
    let color = COLORS[color % COLORS.len()];
    Line { name: name.to_owned(), values, color, faint: false }
}

/// Loads above this are drawn at it: one minute without pods would flatten all the others.
const MOST_LOAD: f64 = 3.0;

fn panels(trace: &Trace) -> Vec<Panel> {
    let plain =
        |title: &str, lines| Panel { title: title.into(), lines, stacked: false, percent: false };
    let of = |pick: fn(&crate::plan::simulate::trace::WorkloadTrace) -> Vec<f64>| -> Vec<Line> {
        let workloads = trace.workloads.iter().enumerate();
        workloads.map(|(index, workload)| line(&workload.name, pick(workload), index)).collect()
    };
    let mut panels = vec![plain("Requests per second", of(|workload| thin(&workload.rps)))];
    let mut replicas = Vec::new();
    for (index, workload) in trace.workloads.iter().enumerate() {
        let wish = line(&format!("{} desired", workload.name), thin(&workload.desired), index);
        replicas.push(Line { faint: true, ..wish });
        replicas.push(line(&format!("{} ready", workload.name), thin(&workload.ready), index));
    }
    panels.push(plain("Replicas, desired (thin) and ready", replicas));
    let bought = ["baseline", "on-demand", "spot"].iter().zip(&trace.nodes).enumerate();
    let bought = bought.map(|(index, (name, nodes))| line(name, thin(nodes), index)).collect();
    panels.push(Panel { stacked: true, ..plain("Nodes by purchase option", bought) });
    panels.push(Panel { stacked: true, ..plain("Nodes by instance type", types(trace)) });
    let mut cut = false;
    let mut cpu = vec![line("CPU of all nodes", thin(&trace.utilization), 0)];
    for (index, workload) in trace.workloads.iter().enumerate() {
        let mut load = thin(&workload.load);
        for value in &mut load {
            cut |= *value > MOST_LOAD;
            *value = value.min(MOST_LOAD);
        }
        cpu.push(line(&format!("{} of its capacity", workload.name), load, index + 1));
    }
    let title = if cut { "Utilization, cut at 300 %" } else { "Utilization" };
    panels.push(Panel { percent: true, ..plain(title, cpu) });
    let pending = vec![
        line("pending pods", thin(&trace.pending), 5),
        line("nodes on their way", thin(&trace.launching), 4),
    ];
    panels.push(plain("Pending pods and nodes on their way", pending));
    panels.push(plain("p95 response time [ms]", of(|workload| thin(&workload.p95_ms))));
    if let Some(database) = &trace.database {
        let figure = |of: fn(&crate::usage::services::aurora::live::Reading) -> f64| {
            thin(&database.readings.iter().map(of).collect::<Vec<f64>>())
        };
        let mut lines = vec![
            line("writer CPU", figure(|reading| reading.writer_cpu), 0),
            line("reader CPU", figure(|reading| reading.reader_cpu), 1),
        ];
        let title = format!("Database, {}", database.name);
        panels.push(Panel { percent: true, ..plain(&title, std::mem::take(&mut lines)) });
    }
    panels
}

/// The types with most node-hours, and the rest together.
fn types(trace: &Trace) -> Vec<Line> {
    const OWN: usize = 7;
    let mut types: Vec<_> = trace.types.iter().collect();
    let hours = |nodes: &[u32]| -> u64 { nodes.iter().map(|count| u64::from(*count)).sum() };
    types.sort_by_key(|kind| std::cmp::Reverse(hours(&kind.nodes)));
    let own = if types.len() > OWN + 1 { OWN } else { types.len() };
    let (own, rest) = types.split_at(own);
    let mut lines: Vec<Line> = own
        .iter()
        .enumerate()
        .map(|(index, kind)| {
            let name = format!("{} {}", kind.instance_type, purchase_name(kind.purchase));
            line(&name, thin(&kind.nodes), index)
        })
        .collect();
    if !rest.is_empty() {
        let sum: Vec<u32> =
            (0..trace.len()).map(|tick| rest.iter().map(|kind| kind.nodes[tick]).sum()).collect();
        lines.push(line(&format!("{} other types", rest.len()), thin(&sum), OWN));
    }
    lines
}

fn draw<B: DrawingBackend>(
    trace: &Trace,
    panels: &[Panel],
    root: &DrawingArea<B, Shift>,
) -> Result<(), Failure>
where
    B::ErrorType: 'static,
{
    root.fill(&WHITE)?;
    let title = format!(
        "{}: {}, {} to {} UTC, load from {}",
        trace.name,
        trace.account,
        trace.start,
        trace.moment(trace.len()),
        trace.load
    );
    root.draw(&Text::new(title, (16, 12), text(20)))?;
    marks_key(trace, root)?;
    let (_, body) = root.split_vertically(TITLE);
    let (body, _) = body.split_vertically(PANEL * panels.len() as u32);
    for (area, panel) in body.split_evenly((panels.len(), 1)).iter().zip(panels) {
        draw_panel(trace, panel, area)?;
    }
    root.present()?;
    Ok(())
}

fn text(size: i32) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size).into_font()).color(&INK)
}

/// Events drawn as lines through all panels: what an engineer looks for first.
fn marks(trace: &Trace) -> Vec<(f64, RGBColor)> {
    let mut marks: Vec<(usize, RGBColor)> = Vec::new();
    for event in &trace.events {
        let color = match event.reason {
            Reason::SpotInterrupted => COLORS[3],
            Reason::Saturated { .. } => COLORS[5],
            Reason::InsufficientCapacity { .. } => COLORS[1],
            _ => continue,
        };
        // Hundreds of marks would hide the lines: one a pixel.
        let point = event.tick * POINTS / trace.len().max(1);
        if !marks.contains(&(point, color)) {
            marks.push((point, color));
        }
    }
    let at =
        |(point, color): (usize, RGBColor)| (point as f64 / POINTS as f64 * trace.days(), color);
    marks.into_iter().map(at).collect()
}

fn marks_key<B: DrawingBackend>(trace: &Trace, root: &DrawingArea<B, Shift>) -> Result<(), Failure>
where
    B::ErrorType: 'static,
{
    let count = |name: &str| trace.events.iter().filter(|e| e.reason.name() == name).count();
    let mut x = 16;
    for (name, words, color) in [
        ("Saturated", "more asked than served", COLORS[5]),
        ("SpotInterrupted", "spot interruptions", COLORS[3]),
        ("InsufficientCapacity", "no spot capacity", COLORS[1]),
    ] {
        root.draw(&PathElement::new([(x, 36), (x, 48)], color.stroke_width(2)))?;
        let words = format!("{} {words}", count(name));
        root.draw(&Text::new(words.clone(), (x + 6, 36), text(13)))?;
        x += 30 + 7 * words.len() as i32;
    }
    Ok(())
}

fn draw_panel<B: DrawingBackend>(
    trace: &Trace,
    panel: &Panel,
    area: &DrawingArea<B, Shift>,
) -> Result<(), Failure>
where
    B::ErrorType: 'static,
{
    let days = trace.days();
    let most = if panel.stacked {
        let points = panel.lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
        (0..points)
            .map(|at| panel.lines.iter().map(|line| line.values[at]).sum())
            .fold(0.0, f64::max)
    } else {
        panel.lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max)
    };
    let top = if most > 0.0 { most * 1.08 } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 15, &INK))
        .margin_left(10)
        .margin_right(NAMES)
        .x_label_area_size(22)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..days, 0.0..top)?;
    let percent = panel.percent;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(228, 228, 228))
        .axis_style(INK)
        .label_style(("sans-serif", 12, &INK))
        .x_labels(8)
        .y_labels(4)
        .x_label_formatter(&|day| moment_label(trace, *day))
        .y_label_formatter(&|value| value_label(*value, percent, top))
        .draw()?;
    for (at, color) in marks(trace) {
        let style = color.mix(0.45).stroke_width(1);
        chart.draw_series([PathElement::new([(at, 0.0), (at, top)], style)])?;
    }
    let mut floor = vec![0.0; panel.lines.first().map_or(0, |line| line.values.len())];
    for line in &panel.lines {
        let step = days / line.values.len().max(1) as f64;
        if panel.stacked {
            let ceiling: Vec<f64> = floor.iter().zip(&line.values).map(|(a, b)| a + b).collect();
            let mut outline = stairs(&ceiling, step);
            outline.extend(stairs(&floor, step).into_iter().rev());
            chart.draw_series([Polygon::new(outline, line.color.mix(0.85).filled())])?;
            floor = ceiling;
        } else {
            let width = if line.faint { 1 } else { 2 };
            let style = line.color.mix(if line.faint { 0.5 } else { 1.0 }).stroke_width(width);
            chart.draw_series([PathElement::new(stairs(&line.values, step), style)])?;
        }
    }
    key(panel, area)
}

/// Points of a line that holds its value until the next; a run of equal values is two points.
fn stairs(values: &[f64], step: f64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let at = index as f64 * step;
        let same = points.last().is_some_and(|(_, last)| (last - value).abs() < 1e-12);
        if same && index > 0 {
            continue;
        }
        if let Some((_, last)) = points.last().copied() {
            points.push((at, last));
        }
        points.push((at, *value));
    }
    if let Some((_, last)) = points.last().copied() {
        points.push((values.len() as f64 * step, last));
    }
    points
}

/// Names of the lines at the right.
fn key<B: DrawingBackend>(panel: &Panel, area: &DrawingArea<B, Shift>) -> Result<(), Failure>
where
    B::ErrorType: 'static,
{
    let x = WIDTH as i32 - NAMES + 14;
    let shown = panel.lines.iter().filter(|line| !line.faint);
    // Bands of a stack are named from the top down.
    let shown: Vec<&Line> = if panel.stacked { shown.rev().collect() } else { shown.collect() };
    for (index, line) in shown.into_iter().enumerate() {
        let y = 30 + 16 * index as i32;
        let name = line.name.trim_end_matches(" ready").to_owned();
        area.draw(&Rectangle::new([(x, y - 5), (x + 10, y + 5)], line.color.filled()))?;
        let style = text(13).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(name, (x + 16, y), style))?;
    }
    Ok(())
}

fn moment_label(trace: &Trace, day: f64) -> String {
    let tick = (day * 86_400.0 / f64::from(trace.tick_seconds)).round() as usize;
    let moment = trace.moment(tick);
    if trace.days() > 2.0 {
        moment.strftime("%a %d %b %H:%M").to_string()
    } else {
        moment.strftime("%d %b %H:%M").to_string()
    }
}

fn value_label(value: f64, percent: bool, top: f64) -> String {
    if percent {
        return format!("{:.0} %", value * 100.0);
    }
    let places = usize::from(top < 5.0);
    crate::page::number::grouped(value, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_of_one_tick_is_kept() {
        let mut values = vec![1_u32; 10_000];
        values[5001] = 9;
        let thin = thin(&values);
        assert_eq!(thin.len(), POINTS);
        assert!((thin.iter().copied().fold(0.0, f64::max) - 9.0).abs() < 1e-12);
        assert_eq!(super::thin(&[1_u32, 2]), [1.0, 2.0]);
    }

    #[test]
    fn equal_values_are_one_stair() {
        let points = stairs(&[1.0, 1.0, 2.0], 1.0);
        assert_eq!(points, [(0.0, 1.0), (2.0, 1.0), (2.0, 2.0), (3.0, 2.0)]);
    }
}
