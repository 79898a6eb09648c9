//! Native charts of the summary: cost by service, and the monthly total with its band.

use rust_xlsxwriter::{
    Chart, ChartFont, ChartFormat, ChartLegendPosition, ChartLine, ChartLineDashType,
    ChartSolidFill, ChartType,
};

use super::{
    months::{self, APART, SERVICES},
    sheet::{BODY, Done, HEADER, Sheet},
    style::SERIES,
    summary::{NAME, Table},
};
use crate::plan::Plan;

const WIDTH: u32 = 760;
const HEIGHT: u32 = 380;
/// Rows that a chart covers, of 20 pixels each.
const ROWS: u32 = HEIGHT / 20 + 1;

/// Puts the charts right of the table of months.
pub(super) fn insert(sheet: &mut Sheet, plan: &Plan, table: Table) -> Done {
    if plan.months.is_empty() {
        return Ok(());
    }
    let column = table.total + if table.spread { 5 } else { 2 };
    sheet.out.insert_chart(HEADER, column, &by_service(plan))?;
    sheet.out.insert_chart(HEADER + ROWS, column, &totals(table))?;
    Ok(())
}

/// First row under the charts.
pub(super) fn end(plan: &Plan, _: Table) -> u32 {
    if plan.months.is_empty() { 0 } else { HEADER + 2 * ROWS }
}

fn by_service(plan: &Plan) -> Chart {
    let columns = months::columns(plan).len();
    let rows = (BODY, BODY + plan.months.len() as u32 - 1);
    let mut chart = Chart::new(ChartType::ColumnStacked);
    let mut shown: Vec<u16> = (1..=columns.min(APART) as u16).collect();
    if columns > APART {
        // Behind the services and their sum.
        shown.push(columns as u16 + 2);
    }
    for (column, color) in shown.into_iter().zip(SERIES) {
        let series = chart.add_series();
        series
            .set_categories((SERVICES, rows.0, 0, rows.1, 0))
            .set_values((SERVICES, rows.0, column, rows.1, column))
            .set_format(ChartFormat::new().set_solid_fill(ChartSolidFill::new().set_color(color)))
            .set_gap(40);
        if usize::from(column) > columns {
            series.set_name("All others");
        } else {
            series.set_name((SERVICES, HEADER, column));
        }
    }
    frame(&mut chart, "Cost by service", "Monthly cost of each service, stacked");
    chart
}

fn totals(table: Table) -> Chart {
    let mut chart = Chart::new(ChartType::Line);
    let mut lines =
        vec![(table.total, "Plan (mid values)", SERIES[0], ChartLineDashType::Solid, 2.5)];
    if table.spread {
        let dash = ChartLineDashType::Dash;
        lines.push((table.total + 3, "P90: one trial in ten is above", SERIES[3], dash, 1.5));
        lines.push((table.total + 2, "P50", SERIES[6], ChartLineDashType::RoundDot, 1.5));
        lines.push((table.total + 1, "P10: one trial in ten is below", SERIES[2], dash, 1.5));
    }
    for (column, name, color, dash, width) in lines {
        let line = ChartLine::new().set_color(color).set_dash_type(dash).set_width(width).clone();
        chart
            .add_series()
            .set_name(name)
            .set_categories((NAME, table.rows.0, 0, table.rows.1, 0))
            .set_values((NAME, table.rows.0, column, table.rows.1, column))
            .set_format(ChartFormat::new().set_line(&line));
    }
    frame(&mut chart, "Cost of all accounts", "Monthly cost of all accounts");
    chart
}

fn frame(chart: &mut Chart, title: &str, alt: &str) {
    let mut font = ChartFont::new();
    font.set_size(13).set_bold();
    chart.title().set_name(title).set_font(&font);
    let mut turned = ChartFont::new();
    turned.set_rotation(-45);
    chart
        .x_axis()
        .set_name("Month")
        .set_num_format("yyyy-mm")
        .set_text_axis(true)
        .set_font(&turned);
    // An axis that begins elsewhere makes little of a large bill look like much.
    chart.y_axis().set_name("USD a month").set_num_format("#,##0").set_min(0);
    let grid = ChartLine::new().set_color(0xD9_D9_D9).clone();
    chart.y_axis().set_major_gridlines_line(&grid);
    chart.legend().set_position(ChartLegendPosition::Bottom);
    chart.set_width(WIDTH).set_height(HEIGHT).set_alt_text(alt);
}
