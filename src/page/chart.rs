//! Cost by service over time, stacked, as one SVG.

use plotters::prelude::*;
use plotters::style::{
    FontStyle, register_font,
    text_anchor::{HPos, Pos, VPos},
};

use crate::page::figure::clean;
use crate::{
    measure::units::Usd,
    plan::{
        Plan,
        spread::{MonthSpread, Spread},
    },
};

/// Size of the picture [pixels].
const SIZE: (u32, u32) = (960, 540);
/// Services with a band of their own; the rest is one band.
const BANDS: usize = 7;
/// Colours that stay apart for colour-blind readers (Okabe and Ito, 2008), and grey for the rest.
pub(super) const COLORS: [RGBColor; BANDS + 1] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(240, 228, 66),
    RGBColor(150, 150, 150),
];
pub(super) const INK: RGBColor = RGBColor(60, 60, 60);

struct Band {
    name: String,
    values: Vec<f64>,
}

fn bands(plan: &Plan) -> Vec<Band> {
    let services = plan.services();
    let own = if services.len() > BANDS + 1 { BANDS } else { services.len() };
    let (own, rest) = services.split_at(own);
    let values = |services: &[(String, Usd)]| -> Vec<f64> {
        let cost = |month: &crate::plan::MonthPlan| -> Usd {
            let parts = month.accounts.iter().flat_map(|account| {
                services.iter().filter_map(|(service, _)| account.services.get(service).copied())
            });
            parts.sum()
        };
        plan.months.iter().map(|month| cost(month).to_f64()).collect()
    };
    let mut bands: Vec<Band> = own
        .iter()
        .map(|service| Band {
            name: plan.short_name(&service.0).to_owned(),
            values: values(std::slice::from_ref(service)),
        })
        .collect();
    if !rest.is_empty() {
        bands.push(Band { name: "Other".into(), values: values(rest) });
    }
    bands
}

/// Charts bring their own letters: a server has none installed, and their widths must not depend on
/// the machine.
pub(super) fn register_letters() -> Result<(), String> {
    for style in [FontStyle::Normal, FontStyle::Bold] {
        register_font("sans-serif", style, epaint_default_fonts::UBUNTU_LIGHT)
            .map_err(|_| "the built-in font cannot be read".to_owned())?;
    }
    Ok(())
}

/// The chart.
///
/// # Errors
/// What the drawing library says; nothing in a plan is known to cause it.
pub fn cost_by_service(plan: &Plan) -> Result<String, String> {
    register_letters()?;
    let mut svg = String::new();
    draw(plan, &mut svg).map_err(|error| error.to_string())?;
    Ok(clean(&svg))
}

fn draw(plan: &Plan, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let bands = bands(plan);
    // One month is drawn as a band of one month's width.
    let months = plan.months.len();
    let last = (months - 1).max(1) as f64;
    let at = |index: usize| {
        if months == 1 { index as f64 } else { index as f64 * last / (months - 1) as f64 }
    };
    let most = plan.months.iter().map(|month| month.cost.to_f64()).fold(1.0, f64::max);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("{}: monthly cost by service [USD, list price]", plan.name);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20, &INK))
        .margin(14)
        .margin_right(120)
        .x_label_area_size(36)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..last, 0.0..most * 1.04)?;
    let label = |x: &f64| {
        let index = x.round() as usize;
        let exact = (x - x.round()).abs() < 1e-6;
        plan.months.get(index).filter(|_| exact).map_or(String::new(), |m| m.month.to_string())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(INK)
        .label_style(("sans-serif", 13, &INK))
        .x_labels(months.min(9))
        .x_label_formatter(&label)
        .y_label_formatter(&|value| format!("${}", crate::page::number::grouped(*value, 0)))
        .draw()?;
    let mut floor = vec![0.0; months];
    let mut labels: Vec<(f64, usize)> = Vec::new();
    for (index, band) in bands.iter().enumerate() {
        let ceiling: Vec<f64> =
            floor.iter().zip(&band.values).map(|(low, own)| low + own).collect();
        let mut outline: Vec<(f64, f64)> =
            ceiling.iter().enumerate().map(|(month, value)| (at(month), *value)).collect();
        if months == 1 {
            outline.push((1.0, ceiling[0]));
            outline.push((1.0, floor[0]));
        }
        outline.extend(floor.iter().enumerate().rev().map(|(month, value)| (at(month), *value)));
        chart.draw_series(std::iter::once(Polygon::new(outline, COLORS[index].filled())))?;
        labels.push((f64::midpoint(floor[months - 1], ceiling[months - 1]), index));
        floor = ceiling;
    }
    name_bands(&root, &chart, &bands, &labels, last)?;
    root.present()?;
    Ok(())
}

/// The band of the trials' monthly costs, their median, and the mid-value line.
///
/// # Errors
/// As [`cost_by_service`].
pub fn odds(plan: &Plan, spread: &Spread) -> Result<String, String> {
    register_letters()?;
    let mut svg = String::new();
    draw_odds(plan, spread, &mut svg).map_err(|error| error.to_string())?;
    Ok(clean(&svg))
}

fn draw_odds(
    plan: &Plan,
    spread: &Spread,
    svg: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let months = spread.months.len();
    // A single month is drawn as wide as two.
    let at: Vec<usize> = if months == 1 { vec![0, 0] } else { (0..months).collect() };
    let line = |of: &dyn Fn(&MonthSpread) -> Usd| -> Vec<(f64, f64)> {
        let point = |(x, month): (usize, &usize)| (x as f64, of(&spread.months[*month]).to_f64());
        at.iter().enumerate().map(point).collect()
    };
    let [low, middle, high] = [
        line(&|month| month.cost.of.p10),
        line(&|month| month.cost.of.p50),
        line(&|month| month.cost.of.p90),
    ];
    let mid = line(&|month| month.cost.of.mid);
    let most = high.iter().chain(&mid).map(|point| point.1).fold(1.0, f64::max);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("{}: odds of the monthly cost [USD, list price]", plan.name);
    let last = (at.len() - 1) as f64;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20, &INK))
        .margin(14)
        .margin_right(28)
        .x_label_area_size(36)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..last, 0.0..most * 1.04)?;
    let label = |x: &f64| {
        let exact = (x - x.round()).abs() < 1e-6;
        let month = at.get(x.round() as usize).filter(|_| exact);
        month.map_or(String::new(), |month| spread.months[*month].month.to_string())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(INK)
        .label_style(("sans-serif", 13, &INK))
        .x_labels(months.min(9))
        .x_label_formatter(&label)
        .y_label_formatter(&|value| format!("${}", crate::page::number::grouped(*value, 0)))
        .draw()?;
    let outline: Vec<(f64, f64)> = low.iter().chain(high.iter().rev()).copied().collect();
    let band = COLORS[4].mix(0.45).filled();
    chart
        .draw_series(std::iter::once(Polygon::new(outline, band)))?
        .label(format!("P10 to P90 of {} trials", spread.trials))
        .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 18, y + 5)], band));
    for (points, color, name) in
        [(middle, COLORS[0], "P50, half the trials below"), (mid, COLORS[5], "mid-value line")]
    {
        let style = color.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .margin(12)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 13, &INK))
        .draw()?;
    root.present()?;
    Ok(())
}

type Chart<'a> = ChartContext<
    'a,
    SVGBackend<'a>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

/// Names to the right of each band, pushed apart where bands are thin.
fn name_bands(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    chart: &Chart<'_>,
    bands: &[Band],
    labels: &[(f64, usize)],
    last: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    const LINE: i32 = 17;
    let mut places: Vec<(i32, i32, usize)> = labels
        .iter()
        .map(|(value, index)| {
            let (x, y) = chart.backend_coord(&(last, *value));
            (x, y, *index)
        })
        .collect();
    // From the bottom band up: each name at least a line above the one before.
    let mut lowest = i32::MAX;
    for place in &mut places {
        place.1 = place.1.min(lowest.saturating_sub(LINE));
        lowest = place.1;
    }
    for (x, y, index) in places {
        let color = COLORS[index];
        root.draw(&Rectangle::new([(x + 8, y - 5), (x + 18, y + 5)], color.filled()))?;
        let style = TextStyle::from(("sans-serif", 13).into_font())
            .color(&INK)
            .pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(bands[index].name.clone(), (x + 23, y), style))?;
    }
    Ok(())
}
