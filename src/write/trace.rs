//! A trace as tables: every tick as CSV or Parquet, events as CSV, a summary for people and programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    cluster::capacity::{Capacity, purchase_name},
    plan::simulate::trace::{EventCount, Trace, WorkloadTrace},
};
use crate::{
    page::number::grouped,
    write::{csv, terminal::table},
};

/// One column of the trace.
struct Column<'a> {
    name: String,
    values: Values<'a>,
}

enum Values<'a> {
    Counts(&'a [u32]),
    /// With this many decimals in CSV.
    Numbers(&'a [f64], usize),
    Owned(Vec<f64>, usize),
}

fn columns(trace: &Trace) -> Vec<Column<'_>> {
    let mut columns = Vec::new();
    let mut add = |name: String, values| columns.push(Column { name, values });
    add("sessions_per_minute".into(), Values::Numbers(&trace.sessions, 3));
    for (name, nodes) in ["baseline", "on_demand", "spot"].iter().zip(&trace.nodes) {
        add(format!("nodes_{name}"), Values::Counts(nodes));
    }
    add("nodes_launching".into(), Values::Counts(&trace.launching));
    add("cpu_utilization".into(), Values::Numbers(&trace.utilization, 4));
    add("pending_pods".into(), Values::Counts(&trace.pending));
    for workload in &trace.workloads {
        let name = &workload.name;
        add(format!("{name}.rps"), Values::Numbers(&workload.rps, 3));
        add(format!("{name}.desired"), Values::Counts(&workload.desired));
        add(format!("{name}.ready"), Values::Counts(&workload.ready));
        add(format!("{name}.pending"), Values::Counts(&workload.pending));
        add(format!("{name}.utilization"), Values::Numbers(&workload.load, 4));
        add(format!("{name}.p95_ms"), Values::Numbers(&workload.p95_ms, 2));
        add(format!("{name}.queued"), Values::Numbers(&workload.queued, 1));
    }
    for kind in &trace.types {
        let bought = purchase_name(kind.purchase);
        add(format!("nodes.{}.{bought}", kind.instance_type), Values::Counts(&kind.nodes));
    }
    if let Some(database) = &trace.database {
        let mut figure =
            |name: &str, of: fn(&crate::usage::services::aurora::live::Reading) -> f64, places| {
                let values = database.readings.iter().map(of).collect();
                columns.push(Column {
                    name: format!("database.{name}"),
                    values: Values::Owned(values, places),
                });
            };
        figure("queries_per_second", |reading| reading.queries_per_second, 2);
        figure("writer_cpu", |reading| reading.writer_cpu, 4);
        figure("reader_cpu", |reading| reading.reader_cpu, 4);
        figure("readers", |reading| f64::from(reading.readers), 0);
        figure("acu", |reading| reading.acu, 1);
        figure("connections", |reading| reading.connections, 0);
        figure("saturated", |reading| f64::from(u8::from(reading.saturated)), 0);
    }
    columns
}

/// The text of one column's last value, its comma before it. Sixty columns of forty thousand rows go
/// through here, and most cells say the same as the row above: those cost one copy.
struct Cell {
    bits: u64,
    text: [u8; CELL],
    length: usize,
}

/// Room for the longest text, `,-1.7976931348623157e308`.
const CELL: usize = 24;

impl Cell {
    fn of(values: &Values<'_>, row: usize, digits: &mut itoa::Buffer) -> Self {
        let mut cell = Self { bits: 0, text: [b','; CELL], length: 1 };
        cell.write(values, row, digits);
        cell
    }

    /// Takes the value of a row.
    fn set(&mut self, values: &Values<'_>, row: usize, digits: &mut itoa::Buffer) {
        if values.bits(row) != self.bits {
            self.write(values, row, digits);
        }
    }

    fn write(&mut self, values: &Values<'_>, row: usize, digits: &mut itoa::Buffer) {
        self.bits = values.bits(row);
        self.length = 1;
        match values {
            Values::Counts(values) => self.push(digits.format(values[row]).as_bytes()),
            Values::Numbers(values, decimals) => self.push_number(values[row], *decimals, digits),
            Values::Owned(values, decimals) => self.push_number(values[row], *decimals, digits),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.text[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// A number with fixed decimals: the digits are those of one integer.
    fn push_number(&mut self, value: f64, decimals: usize, digits: &mut itoa::Buffer) {
        const SCALES: [f64; 5] = [1.0, 10.0, 100.0, 1e3, 1e4];
        const EXACT: f64 = 1e15;
        let scaled = value * SCALES[decimals];
        if !(0.0..EXACT).contains(&scaled) {
            let text = if value.is_finite() { format!("{value:e}") } else { value.to_string() };
            return self.push(text.as_bytes());
        }
        let text = digits.format((scaled + 0.5) as u64).as_bytes();
        match text.len().checked_sub(decimals) {
            Some(whole) if whole > 0 => self.push(&text[..whole]),
            _ => self.push(b"0"),
        }
        if decimals > 0 {
            self.push(b".");
            let fraction = &text[text.len().saturating_sub(decimals)..];
            self.push(&b"0000"[..decimals - fraction.len()]);
            self.push(fraction);
        }
    }
}

impl Values<'_> {
    fn bits(&self, row: usize) -> u64 {
        match self {
            Values::Counts(values) => u64::from(values[row]),
            Values::Numbers(values, _) => values[row].to_bits(),
            Values::Owned(values, _) => values[row].to_bits(),
        }
    }
}

/// Every tick, one row each.
pub fn ticks_csv(trace: &Trace) -> Vec<u8> {
    let columns = columns(trace);
    let mut out = Vec::with_capacity(trace.len() * columns.len() * 5);
    out.extend_from_slice(b"time");
    for column in &columns {
        out.push(b',');
        out.extend_from_slice(column.name.as_bytes());
    }
    out.push(b'\n');
    let mut clock = Clock::new(trace);
    let mut digits = itoa::Buffer::new();
    let mut cells: Vec<Cell> =
        columns.iter().map(|column| Cell::of(&column.values, 0, &mut digits)).collect();
    // Cells are laid one over the end of the other, each as a whole: a copy of fixed length is one of
    // two registers.
    let mut line = vec![0; (columns.len() + 1) * CELL];
    for row in 0..trace.len() {
        clock.push(&mut out, row);
        let mut length = 0;
        for (column, cell) in columns.iter().zip(&mut cells) {
            cell.set(&column.values, row, &mut digits);
            line[length..length + CELL].copy_from_slice(&cell.text);
            length += cell.length;
        }
        out.extend_from_slice(&line[..length]);
        out.push(b'\n');
    }
    out
}

/// Writes moments, with the date formatted once a day.
struct Clock<'a> {
    trace: &'a Trace,
    day: usize,
    date: String,
    first_second: usize,
}

impl<'a> Clock<'a> {
    fn new(trace: &'a Trace) -> Self {
        let start = trace.start;
        let first_second =
            start.hour() as usize * 3600 + start.minute() as usize * 60 + start.second() as usize;
        Self { trace, day: usize::MAX, date: String::new(), first_second }
    }

    fn push(&mut self, out: &mut Vec<u8>, tick: usize) {
        let second = self.first_second + tick * self.trace.tick_seconds as usize;
        if second / 86_400 != self.day {
            self.day = second / 86_400;
            self.date = self.trace.moment(tick).date().to_string();
        }
        out.extend_from_slice(self.date.as_bytes());
        let two = |value: usize| [b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8];
        let second = second % 86_400;
        out.push(b'T');
        out.extend_from_slice(&two(second / 3600));
        out.push(b':');
        out.extend_from_slice(&two(second / 60 % 60));
        out.push(b':');
        out.extend_from_slice(&two(second % 60));
    }
}

/// Every tick as Parquet; `time` is milliseconds since 1970, UTC.
///
/// # Errors
/// What the writer says; nothing in a trace is known to cause it.
#[cfg(feature = "polars")]
pub fn ticks_parquet(trace: &Trace) -> Result<Vec<u8>, String> {
    use polars_core::prelude::{Column as PolarsColumn, DataFrame};
    use polars_io::parquet::write::{ParquetCompression, ParquetWriter};

    let start = jiff::tz::TimeZone::UTC
        .to_timestamp(trace.start)
        .map_err(|error| error.to_string())?
        .as_millisecond();
    let step = i64::from(trace.tick_seconds) * 1000;
    let times: Vec<i64> = (0..trace.len() as i64).map(|tick| start + tick * step).collect();
    let mut frame = vec![PolarsColumn::new("time_ms".into(), times)];
    for column in columns(trace) {
        let name = column.name.into();
        frame.push(match column.values {
            Values::Counts(values) => PolarsColumn::new(name, values),
            Values::Numbers(values, _) => PolarsColumn::new(name, values),
            Values::Owned(values, _) => PolarsColumn::new(name, values),
        });
    }
    let mut frame = DataFrame::new(trace.len(), frame).map_err(|error| error.to_string())?;
    let mut out = std::io::Cursor::new(Vec::new());
    let writer = ParquetWriter::new(&mut out).with_compression(ParquetCompression::Snappy);
    writer.finish(&mut frame).map_err(|error| error.to_string())?;
    Ok(out.into_inner())
}

/// What happened, one row each.
pub fn events_csv(trace: &Trace) -> String {
    let header = ["time", "subject", "reason", "detail"];
    let rows = trace.events.iter().map(|event| {
        vec![
            event.at.to_string(),
            event.subject.clone(),
            event.reason.name().to_owned(),
            event.words(),
        ]
    });
    csv::write(&header, rows)
}

/// The summary for programs.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    scenario: &'a str,
    account: &'a str,
    region: &'a str,
    start: String,
    days: f64,
    tick_seconds: u32,
    load: &'a str,
    node_cost_list_price_usd: f64,
    capacity: &'a Capacity,
    database_saturated_minutes: Option<f64>,
    events: Vec<EventCount>,
    notes: &'a [String],
}

/// The summary for programs.
pub fn summary(trace: &Trace) -> Summary<'_> {
    Summary {
        scenario: &trace.name,
        account: &trace.account,
        region: &trace.region,
        start: trace.start.to_string(),
        days: trace.days(),
        tick_seconds: trace.tick_seconds,
        load: &trace.load,
        node_cost_list_price_usd: (trace.node_cost * 100.0).round() / 100.0,
        capacity: &trace.capacity,
        database_saturated_minutes: database_saturated(trace),
        events: trace.event_counts(),
        notes: &trace.notes,
    }
}

fn database_saturated(trace: &Trace) -> Option<f64> {
    let readings = &trace.database.as_ref()?.readings;
    let ticks = readings.iter().filter(|reading| reading.saturated).count();
    Some(ticks as f64 * f64::from(trace.tick_seconds) / 60.0)
}

/// The summary for people.
pub fn render(trace: &Trace) -> String {
    let mut out = String::new();
    let last = trace.moment(trace.len());
    let _ = writeln!(
        out,
        "{}: {} ({}), {} to {last} UTC, every {} s, load from {}",
        trace.name, trace.account, trace.region, trace.start, trace.tick_seconds, trace.load
    );
    let _ = writeln!(out, "\nWorkloads\n{}", workloads(trace));
    let jobs = crate::cluster::capacity::jobs(std::iter::once(&trace.capacity));
    if !jobs.is_empty() {
        let _ = writeln!(out, "\nCron-jobs and jobs\n{}", crate::write::jobs::jobs(&jobs));
    }
    queues(trace, &mut out);
    nodes(trace, &mut out);
    database(trace, &mut out);
    let counts = trace.event_counts();
    if !counts.is_empty() {
        let mut rows = table(&["What happened", "Times", "First at", "First"], 1);
        for column in [2, 3] {
            if let Some(column) = rows.column_mut(column) {
                column.set_cell_alignment(comfy_table::CellAlignment::Left);
            }
        }
        for count in &counts {
            rows.add_row(vec![
                count.reason.clone(),
                count.count.to_string(),
                count.first_at.clone(),
                count.first.clone(),
            ]);
        }
        let _ = writeln!(out, "\n{rows}");
    }
    if !trace.notes.is_empty() {
        let _ = writeln!(out, "\nNotes");
        for note in &trace.notes {
            let _ = writeln!(out, "  - {note}");
        }
    }
    out
}

fn workloads(trace: &Trace) -> comfy_table::Table {
    let header = [
        "",
        "Requests",
        "Peak rps",
        "Least",
        "Mean",
        "Most",
        "p95 ms",
        "Worst p95",
        "Over min",
        "Pending min",
        "Queued",
        "Given up",
    ];
    let mut rows = table(&header, 1);
    for series in &trace.workloads {
        let used = trace.capacity.workloads.iter().find(|used| used.name == series.name);
        let Some(used) = used else { continue };
        rows.add_row(vec![
            series.name.clone(),
            grouped(used.requests, 0),
            grouped(used.peak_rps, 1),
            series.ready.iter().min().copied().unwrap_or(0).to_string(),
            grouped(used.mean_replicas, 1),
            used.peak_replicas.to_string(),
            grouped(used.p95_ms, 1),
            grouped(used.peak_p95_ms, 0),
            grouped(used.saturated_minutes, 1),
            grouped(pending_minutes(trace, series), 1),
            grouped(used.queued_requests, 0),
            grouped(used.unserved_requests, 0),
        ]);
    }
    rows
}

/// What waited in queues, where a workload has one.
fn queues(trace: &Trace, out: &mut String) {
    for used in &trace.capacity.workloads {
        if let Some(queue) = used.queue {
            let _ = writeln!(
                out,
                "Queue of {}: at most {} messages waited, the longest for about {} min (p95 is without the wait)",
                used.name,
                grouped(queue.most_waiting, 0),
                grouped(queue.longest_wait_seconds / 60.0, 1),
            );
        }
    }
}

/// Minutes that pods were Pending, summed over pods.
fn pending_minutes(trace: &Trace, series: &WorkloadTrace) -> f64 {
    let pods: f64 = series.pending.iter().copied().map(f64::from).sum();
    pods * f64::from(trace.tick_seconds) / 60.0
}

fn nodes(trace: &Trace, out: &mut String) {
    let used = &trace.capacity;
    let days = trace.days();
    let left = used.disruptions;
    let _ = writeln!(out, "\nNodes");
    let mut line = |label: &str, text: String| {
        let _ = writeln!(out, "  {label:<13}{text}");
    };
    line(
        "mean",
        format!(
            "{:.1} baseline, {:.1} on-demand, {:.1} spot; {} at most",
            used.baseline_mean, used.on_demand_mean, used.spot_mean, used.total.peak
        ),
    );
    if let (Some(asked), Some(got)) = (used.requested_spot_share, used.realized_spot_share) {
        line(
            "spot share",
            format!("{:.0} % realized, {:.0} % requested", got * 100.0, asked * 100.0),
        );
    }
    line(
        "churn",
        format!(
            "{:.1} nodes a day left ({} empty, {} underutilized, {} drifted, {} expired, {} interrupted), {:.1} pods a day evicted",
            f64::from(left.nodes()) / days,
            left.empty,
            left.underutilized,
            left.drifted,
            left.expired,
            left.interrupted,
            f64::from(used.evictions) / days
        ),
    );
    if !used.refusals.is_empty() {
        let refusals: Vec<String> =
            used.refusals.iter().map(|(name, count)| format!("{name} {count}×")).collect();
        line("kept back by", refusals.join(", "));
    }
    let (all, daily) = (grouped(trace.node_cost, 2), grouped(trace.node_cost / days, 2));
    line("list price", format!("${all} for all nodes, ${daily} a day"));
}

fn database(trace: &Trace, out: &mut String) {
    let Some(database) = &trace.database else { return };
    let most = |of: fn(&crate::usage::services::aurora::live::Reading) -> f64| {
        database.readings.iter().map(of).fold(0.0, f64::max)
    };
    let mut text = format!(
        "{}: writer CPU {:.0} % at most, readers {:.0} %, {:.0} readers, {:.0} connections",
        database.name,
        100.0 * most(|reading| reading.writer_cpu),
        100.0 * most(|reading| reading.reader_cpu),
        most(|reading| f64::from(reading.readers)),
        most(|reading| reading.connections)
    );
    let acu = most(|reading| reading.acu);
    if acu > 0.0 {
        let mean = database.readings.iter().map(|reading| reading.acu).sum::<f64>()
            / database.readings.len() as f64;
        let _ = write!(text, ", {mean:.1} ACU in the mean and {acu:.1} at most");
    }
    let minutes = database_saturated(trace).unwrap_or(0.0);
    if minutes > 0.0 {
        let _ = write!(text, "; saturated for {minutes:.0} minutes");
    }
    let _ = writeln!(out, "\nDatabase\n  {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_formatter_would() {
        for (value, decimals) in [
            (0.0, 3),
            (1.0005, 3),
            (12.3456, 2),
            (0.99996, 4),
            (123_456.0, 0),
            (1e16, 1),
            (-0.5, 1),
            (-f64::MAX, 4),
            (f64::INFINITY, 4),
        ] {
            let values = [value];
            let cell = Cell::of(&Values::Numbers(&values, decimals), 0, &mut itoa::Buffer::new());
            let text = std::str::from_utf8(&cell.text[1..cell.length]).unwrap();
            let written: f64 = text.parse().unwrap();
            let near = (written - value).abs() <= 0.5 / 10_f64.powi(decimals as i32) + 1e-9;
            assert!(near || written.to_bits() == value.to_bits(), "{value} {text}");
        }
    }

    #[test]
    fn a_cell_changes_with_its_value() {
        let values = [5, 5, 12, 0];
        let column = Values::Counts(&values);
        let digits = &mut itoa::Buffer::new();
        let mut cell = Cell::of(&column, 0, digits);
        let texts = (0..4).map(|row| {
            cell.set(&column, row, digits);
            String::from_utf8(cell.text[..cell.length].to_vec()).unwrap()
        });
        assert_eq!(texts.collect::<Vec<_>>(), [",5", ",5", ",12", ",0"]);
    }
}
