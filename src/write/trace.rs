//! A trace as files: every tick as CSV or Parquet, events as CSV.

use crate::{cluster::capacity::purchase_name, plan::simulate::trace::Trace, write::csv};

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
        figure("overloaded", |reading| f64::from(u8::from(reading.overloaded)), 0);
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
    let start = jiff::tz::TimeZone::UTC
        .to_timestamp(trace.start)
        .map_err(|error| error.to_string())?
        .as_millisecond();
    let step = i64::from(trace.tick_seconds) * 1000;
    let times: Vec<i64> = (0..trace.len() as i64).map(|tick| start + tick * step).collect();
    let mut file = crate::measure::parquet::Columns::default();
    file.numbers("time_ms", times);
    for column in columns(trace) {
        match column.values {
            Values::Counts(values) => file.numbers(&column.name, values.to_vec()),
            Values::Numbers(values, _) => file.numbers(&column.name, values.to_vec()),
            Values::Owned(values, _) => file.numbers(&column.name, values),
        }
    }
    file.finish([])
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
