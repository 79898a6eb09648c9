//! Charts in a few lines of text: months as a line of blocks, a waterfall as bars.

use std::fmt::Write as _;

use super::{
    View,
    words::{paragraph, width},
};
use crate::page::{Cell, Chart, Column, Figure, Kind, Row, Series, Table, number::in_dollars};

/// Cells of the longest bar.
const BAR: f64 = 24.0;
/// Series that are drawn.
const MOST: usize = 8;

/// Values as a line of blocks, from nothing to the highest.
fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().fold(0.0, f64::max);
    let block = |value: &f64| {
        let share = if most > 0.0 { value.max(0.0) / most } else { 0.0 };
        BLOCKS[((share * BLOCKS.len() as f64) as usize).min(BLOCKS.len() - 1)]
    };
    values.iter().map(block).collect()
}

/// Appends a chart that a terminal can show.
pub(super) fn write(out: &mut String, figure: &Figure, view: View) {
    match &figure.chart {
        Chart::Fan { mid, billed, .. } => {
            let mut lines = vec![("Mid case".to_owned(), sparkline(mid))];
            if billed.iter().any(Option::is_some) {
                lines.push(("Billed".to_owned(), blocks(billed)));
            }
            sparklines(out, &figure.title, &lines, view);
        }
        Chart::Lines { series, .. } | Chart::Stacked { series, .. } => {
            let line = |own: &Series| (own.name.clone(), blocks(&own.values));
            let lines: Vec<(String, String)> = series.iter().take(MOST).map(line).collect();
            sparklines(out, &figure.title, &lines, view);
        }
        Chart::Waterfall { from, steps, to } => {
            let table = waterfall(figure, from, steps, to);
            super::table::write(out, &table, "", view);
        }
        Chart::Tornado { .. }
        | Chart::Frontier { .. }
        | Chart::Day { .. }
        | Chart::Timeline { .. }
        | Chart::Extrapolation { .. } => {}
    }
}

/// Months without a value are blanks.
fn blocks(values: &[Option<f64>]) -> String {
    let line = sparkline(&values.iter().map(|value| value.unwrap_or(0.0)).collect::<Vec<f64>>());
    line.chars()
        .zip(values)
        .map(|(block, value)| if value.is_some() { block } else { ' ' })
        .collect()
}

/// A line of more months than the terminal is wide would break and say nothing.
fn sparklines(out: &mut String, title: &str, lines: &[(String, String)], view: View) {
    let names = lines.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let widest = lines.iter().map(|(_, line)| width(line)).max().unwrap_or(0);
    if widest < 2 || names + 2 + widest > view.width {
        return;
    }
    out.push('\n');
    paragraph(out, title, ("", "  "), view.width);
    for (name, line) in lines {
        let pad = " ".repeat(names - width(name));
        let _ = writeln!(out, "{name}{pad}  {}", line.trim_end());
    }
}

fn waterfall(
    figure: &Figure,
    from: &(String, f64),
    steps: &[(String, f64)],
    to: &(String, f64),
) -> Table {
    let most = steps.iter().map(|(_, change)| change.abs()).fold(0.0, f64::max);
    let bar = |change: f64| {
        let cells = if most > 0.0 { (change.abs() / most * BAR).round() as usize } else { 0 };
        if change < 0.0 { "░".repeat(cells) } else { "█".repeat(cells) }
    };
    let signed = |change: f64| {
        let text = in_dollars(change, 0);
        if change > 0.0 { format!("+{text}") } else { text }
    };
    let end = |(name, value): &(String, f64)| {
        Row::total(vec![
            Cell::text(name),
            Cell::Empty,
            Cell::text(in_dollars(*value, 0)),
            Cell::Empty,
        ])
    };
    let mut rows = vec![end(from)];
    let mut reached = from.1;
    for (name, change) in steps {
        reached += change;
        let text = [name.clone(), signed(*change), in_dollars(reached, 0), bar(*change)];
        rows.push(Row::new(text.into_iter().map(Cell::Text).collect()));
    }
    rows.push(end(to));
    Table {
        id: figure.id.clone(),
        title: figure.title.clone(),
        columns: vec![
            Column::new("Cause", Kind::Text),
            Column::new("Change", Kind::Dollars),
            Column::new("Reached", Kind::Dollars),
            Column::new("", Kind::Text).spare(1),
        ],
        rows,
        ..Table::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_blocks_rises_from_nothing_to_the_highest() {
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0]), "▁▂▅█");
        assert_eq!(sparkline(&[0.0, 0.0]), "▁▁");
        assert_eq!(sparkline(&[-1.0, 2.0]), "▁█");
        assert_eq!(blocks(&[Some(1.0), None, Some(1.0)]), "█ █");
    }
}
