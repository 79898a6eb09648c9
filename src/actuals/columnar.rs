//! Parquet exports, scanned by columns with polars, a part of the file at a time.
//!
//! # Formula
//! ```text
//! figure = Σ whole + Σ round(fraction × 10^12) / 10^12       by key; sums of whole numbers know no order
//! ```
//! # Limits
//! A row that cannot be used is named by its number in the file. CSV is not scanned so: polars holds twice
//! the file in memory for it.

use std::{path::Path, sync::mpsc, thread};

use polars::prelude::{
    ChunkedArray, Column, DataFrame, DataType, Engine, Float64Type, Int32Type, Int64Type,
    LazyFrame, PlRefPath, PlSmallStr, PlanCallback, PolarsError, PolarsResult, ScanArgsParquet,
    StringChunked, TimeUnit, col, len, lit, when,
};

use super::{
    MonthBill,
    amount::Amount,
    gather::{Gather, Row},
    layout::{Billing, FIGURES, Figure, Layout, TEXTS, Text},
    text::not_a_number,
};
use crate::error::{Error, Place};

/// Batches that wait while one is summed: the bound of what is in memory.
const WAITING: usize = 2;

/// Reads a Parquet export.
///
/// # Errors
/// Bytes that are no Parquet, columns of no known format, two currencies, or not one row that can be used.
pub fn read_parquet(
    path: &Path,
    billing: &Billing,
    read_at: &str,
) -> Result<Vec<MonthBill>, Error> {
    let file = path.display().to_string();
    let arguments = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
    let frame = LazyFrame::scan_parquet(PlRefPath::new(&file), arguments)
        .map_err(|error| failed(&file, &error))?;
    let (layout, frame) = chosen(&file, frame, billing)?;
    let source = format!("{}: {file}", layout.format);
    // By parts, so that what is in memory does not grow with the file.
    if let Some(bills) = grouped(&frame, &layout, billing, (&source, read_at)) {
        return Ok(bills);
    }
    let mut gather = Gather::new(&layout, billing);
    scan(frame, |batch, before| add(&file, batch, before, &layout, &mut gather))
        .map_err(|error| failed(&file, &error))?;
    gather.finish(&source, read_at)
}

fn names(mut frame: LazyFrame) -> PolarsResult<Vec<PlSmallStr>> {
    Ok(frame.collect_schema()?.iter_names().cloned().collect())
}

/// Rows of a part of a Parquet file.
const PART: u32 = 1_500_000;

/// Decimals of a row's fraction that a sum by columns keeps.
const PLACES: u32 = 12;

/// The bill summed by columns before a line of it is looked at: figures as whole numbers and fractions,
/// which add up to the same in any order. `None` where a row has no cost, or what polars says of it.
fn grouped(
    frame: &LazyFrame,
    layout: &Layout,
    billing: &Billing,
    (source, read_at): (&str, &str),
) -> Option<Vec<MonthBill>> {
    let columns = names(frame.clone()).ok()?;
    let end = layout.texts[Text::End as usize];
    let mut keys: Vec<usize> = layout
        .texts
        .iter()
        .filter_map(|place| *place)
        .filter(|place| Some(*place) != end)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let mut sums = vec![len().alias("rows")];
    sums.extend(end.map(|place| col(columns[place].clone()).max().alias("end")));
    for (index, place) in layout.figures.iter().enumerate() {
        let Some(place) = place else { continue };
        let value = col(columns[*place].clone()).cast(DataType::Float64);
        let whole = value.clone().strict_cast(DataType::Int64);
        let fraction = value.clone() - whole.clone().cast(DataType::Float64);
        let half = when(value.clone().lt(lit(0.0))).then(lit(-0.5)).otherwise(lit(0.5));
        let fraction = fraction * lit(10_f64.powi(PLACES as i32)) + half;
        sums.push(whole.sum().alias(format!("whole {index}")));
        sums.push(fraction.strict_cast(DataType::Int64).sum().alias(format!("fraction {index}")));
        sums.push(value.count().alias(format!("count {index}")));
    }
    let by: Vec<_> = keys.iter().map(|place| col(columns[*place].clone())).collect();
    let mut gather = Gather::new(layout, billing);
    let mut read = 0;
    loop {
        let done = frame.clone().slice(read, PART).group_by(by.clone()).agg(sums.clone());
        let groups = done.collect_with_engine(Engine::Streaming).ok()?.unwrap_single();
        let before = gather.rows_in();
        add_groups(&groups, (&columns, end), layout, &mut gather).ok()??;
        let rows = gather.rows_in() - before;
        read += rows as i64;
        if rows < u64::from(PART) {
            break;
        }
    }
    // What is set aside has a place that only a reader of rows knows.
    if gather.has_set_aside() { None } else { gather.finish(source, read_at).ok() }
}

/// Hands the groups over; `None` where a cost is missing, or a sum may have outgrown its type.
fn add_groups(
    groups: &DataFrame,
    (columns, end): (&[PlSmallStr], Option<usize>),
    layout: &Layout,
    gather: &mut Gather<'_>,
) -> PolarsResult<Option<()>> {
    /// Rows of one group whose fractions surely add up within 64 bits.
    const MOST_ROWS: u64 = 4_000_000;
    let mut readers: [Texts<'_>; TEXTS] = [const { Texts::None }; TEXTS];
    for (slot, place) in readers.iter_mut().zip(layout.texts) {
        if let Some(place) = place {
            let name = if Some(place) == end { "end" } else { columns[place].as_str() };
            *slot = texts(groups.column(name)?)?;
        }
    }
    let counts = groups.column("rows")?.cast(&DataType::UInt64)?;
    let counts = counts.u64()?;
    let mut figures = Vec::new();
    for index in (0..FIGURES).filter(|index| layout.figures[*index].is_some()) {
        let whole = groups.column(&format!("whole {index}"))?.i64()?;
        let fraction = groups.column(&format!("fraction {index}"))?.i64()?;
        let count = groups.column(&format!("count {index}"))?.cast(&DataType::UInt64)?;
        figures.push((index, whole, fraction, count.u64()?.clone()));
    }
    let mut lasts: [Last; TEXTS] = Default::default();
    for index in 0..groups.height() {
        let rows = counts.get(index).unwrap_or(0);
        let mut row = Row { texts: [""; TEXTS], figures: [None; FIGURES] };
        read_texts(&readers, index, &mut lasts, &mut row.texts);
        for (place, whole, fraction, count) in &figures {
            let count = count.get(index).unwrap_or(0);
            if *place == Figure::Unblended as usize && count != rows {
                return Ok(None);
            }
            if count > 0 {
                let whole = i128::from(whole.get(index).unwrap_or(0));
                let fraction = i128::from(fraction.get(index).unwrap_or(0));
                let sum = whole * 10_i128.pow(PLACES) + fraction;
                row.figures[*place] = Amount::from_scaled(sum, PLACES);
            }
        }
        if rows > MOST_ROWS {
            return Ok(None);
        }
        gather.add_sum(&row, rows, String::new);
    }
    Ok(Some(()))
}

fn failed(file: &str, error: &PolarsError) -> Error {
    let text = error.to_string();
    Error::at(Place::file(file), format!("cannot be read: {}", text.lines().next().unwrap_or("")))
}

/// The layout of a frame, and the frame with the columns that are read alone.
fn chosen(
    file: &str,
    mut frame: LazyFrame,
    billing: &Billing,
) -> Result<(Layout, LazyFrame), Error> {
    let schema = frame.collect_schema().map_err(|error| failed(file, &error))?;
    let names: Vec<&str> = schema.iter_names().map(PlSmallStr::as_str).collect();
    let layout = Layout::find(file, &names, billing)?;
    let columns = layout.columns();
    let wanted: Vec<_> = columns.iter().map(|place| col(names[*place])).collect();
    let layout = layout.within(&columns);
    Ok((layout, frame.select(wanted)))
}

/// Runs a frame and hands over its batches in order, with the rows before each.
fn scan(
    frame: LazyFrame,
    mut take: impl FnMut(&DataFrame, usize) -> PolarsResult<()>,
) -> PolarsResult<()> {
    let (send, batches) = mpsc::sync_channel::<DataFrame>(WAITING);
    thread::scope(|scope| {
        let running = scope.spawn(move || -> PolarsResult<()> {
            let sink = PlanCallback::new(move |batch: DataFrame| Ok(send.send(batch).is_err()));
            let frame = frame.sink_batches(sink, true, None)?;
            frame.collect_with_engine(Engine::Streaming).map(drop)
        });
        let mut before = 0;
        let mut taken = Ok(());
        for batch in &batches {
            taken = take(&batch, before);
            before += batch.height();
            if taken.is_err() {
                break;
            }
        }
        // A closed channel ends the run.
        drop(batches);
        let ran = running.join().unwrap_or_else(|_| {
            Err(PolarsError::ComputeError("the reader gave up on this file".into()))
        });
        taken.and(ran)
    })
}

/// A column of texts.
enum Texts<'a> {
    None,
    Strings(&'a StringChunked),
    /// Days since 1970.
    Dates(&'a ChunkedArray<Int32Type>),
    /// Ticks since 1970, so many a second.
    Moments(&'a ChunkedArray<Int64Type>, i64),
    /// Whole numbers, as account ids that lost their text.
    Numbers(ChunkedArray<Int64Type>),
}

/// A column of figures.
enum Figures<'a> {
    None,
    Binary(&'a ChunkedArray<Float64Type>),
    Converted(ChunkedArray<Float64Type>),
    Scaled(&'a ChunkedArray<polars::prelude::Int128Type>, u32),
    Strings(&'a StringChunked),
}

fn texts(column: &Column) -> PolarsResult<Texts<'_>> {
    Ok(match column.dtype() {
        DataType::String => Texts::Strings(column.str()?),
        DataType::Date => Texts::Dates(column.date()?.physical()),
        DataType::Datetime(unit, _) => {
            let second = match unit {
                TimeUnit::Milliseconds => 1_000,
                TimeUnit::Microseconds => 1_000_000,
                TimeUnit::Nanoseconds => 1_000_000_000,
            };
            Texts::Moments(column.datetime()?.physical(), second)
        }
        DataType::Null => Texts::None,
        dtype if dtype.is_integer() => {
            Texts::Numbers(column.cast(&DataType::Int64)?.i64()?.clone())
        }
        other => return Err(wrong_type(column, other, "text, a date or a time")),
    })
}

fn figures(column: &Column) -> PolarsResult<Figures<'_>> {
    Ok(match column.dtype() {
        DataType::String => Figures::Strings(column.str()?),
        DataType::Float64 => Figures::Binary(column.f64()?),
        DataType::Decimal(_, scale) => Figures::Scaled(column.decimal()?.physical(), *scale as u32),
        DataType::Null => Figures::None,
        dtype if dtype.is_primitive_numeric() => {
            Figures::Converted(column.cast(&DataType::Float64)?.f64()?.clone())
        }
        other => return Err(wrong_type(column, other, "a number")),
    })
}

fn wrong_type(column: &Column, found: &DataType, wanted: &str) -> PolarsError {
    let message = format!("column {} is of type {found}, not {wanted}", column.name());
    PolarsError::SchemaMismatch(message.into())
}

/// The text of the last date or time of a column: most rows repeat it.
#[derive(Default)]
struct Last {
    value: Option<i64>,
    text: String,
}

impl Last {
    fn of(&mut self, value: i64, second: i64) {
        if self.value != Some(value) {
            self.value = Some(value);
            let moment = jiff::Timestamp::from_second(value.div_euclid(second));
            self.text = moment.map_or_else(|_| String::new(), |moment| moment.to_string());
        }
    }
}

/// Hands the rows of a batch over.
fn add(
    file: &str,
    batch: &DataFrame,
    before: usize,
    layout: &Layout,
    gather: &mut Gather<'_>,
) -> PolarsResult<()> {
    let columns = batch.columns();
    let mut text_columns: [Texts<'_>; TEXTS] = [const { Texts::None }; TEXTS];
    for (slot, place) in text_columns.iter_mut().zip(layout.texts) {
        if let Some(place) = place {
            *slot = texts(&columns[place])?;
        }
    }
    let mut figure_columns: [Figures<'_>; FIGURES] = [const { Figures::None }; FIGURES];
    for (slot, place) in figure_columns.iter_mut().zip(layout.figures) {
        if let Some(place) = place {
            *slot = figures(&columns[place])?;
        }
    }
    let mut lasts: [Last; TEXTS] = Default::default();
    for index in 0..batch.height() {
        let mut row = Row { texts: [""; TEXTS], figures: [None; FIGURES] };
        read_texts(&text_columns, index, &mut lasts, &mut row.texts);
        let at = || format!("{file}: row {}", before + index + 1);
        let mut wrong = None;
        for (place, (figure, column)) in row.figures.iter_mut().zip(&figure_columns).enumerate() {
            match read_figure(column, index) {
                Ok(read) => *figure = read,
                Err(text) => wrong = Some((place, text)),
            }
        }
        match wrong {
            None => gather.add(&row, at),
            Some((place, text)) => {
                let column = layout.figures[place].map_or("", |place| columns[place].name());
                gather.set_aside(not_a_number(column, &text), at);
            }
        }
    }
    Ok(())
}

/// The texts of a row; those of dates stand in `lasts`.
fn read_texts<'a>(
    columns: &'a [Texts<'a>; TEXTS],
    index: usize,
    lasts: &'a mut [Last; TEXTS],
    texts: &mut [&'a str; TEXTS],
) {
    for (last, column) in lasts.iter_mut().zip(columns) {
        match column {
            Texts::Dates(days) => {
                if let Some(days) = days.get(index) {
                    last.of(i64::from(days) * 86_400, 1);
                }
            }
            Texts::Moments(ticks, second) => {
                if let Some(ticks) = ticks.get(index) {
                    last.of(ticks, *second);
                }
            }
            Texts::Numbers(numbers) => {
                if let Some(number) = numbers.get(index)
                    && last.value != Some(number)
                {
                    *last = Last { value: Some(number), text: number.to_string() };
                }
            }
            Texts::None | Texts::Strings(_) => {}
        }
    }
    let lasts = &*lasts;
    for ((text, column), last) in texts.iter_mut().zip(columns).zip(lasts) {
        *text = match column {
            Texts::None => "",
            Texts::Strings(strings) => plain(strings.get(index)),
            Texts::Dates(days) => days.get(index).map_or("", |_| &last.text),
            Texts::Moments(ticks, _) => ticks.get(index).map_or("", |_| &last.text),
            Texts::Numbers(numbers) => numbers.get(index).map_or("", |_| &last.text),
        };
    }
}

fn plain(text: Option<&str>) -> &str {
    let text = text.unwrap_or_default().trim();
    if text == "NULL" { "" } else { text }
}

/// A figure, or the text that is none.
fn read_figure(column: &Figures<'_>, index: usize) -> Result<Option<Amount>, String> {
    let binary = |value: Option<f64>| match value {
        None => Ok(None),
        Some(value) => Amount::from_f64(value).map(Some).ok_or_else(|| value.to_string()),
    };
    match column {
        Figures::None => Ok(None),
        Figures::Binary(values) => binary(values.get(index)),
        Figures::Converted(values) => binary(values.get(index)),
        Figures::Scaled(values, scale) => match values.get(index) {
            None => Ok(None),
            Some(value) => {
                Amount::from_scaled(value, *scale).map(Some).ok_or_else(|| value.to_string())
            }
        },
        Figures::Strings(strings) => match plain(strings.get(index)) {
            "" => Ok(None),
            text => Amount::parse(text).map(Some).ok_or_else(|| text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataFrame, DataType, ParquetWriter};

    use super::*;
    use crate::actuals::text;

    const FOCUS: &str = "BillingPeriodStart,ChargePeriodEnd,SubAccountId,ChargeCategory,ServiceName,RegionId,BilledCost,EffectiveCost,ConsumedQuantity,BillingCurrency\n\
        2027-01-01,2027-01-10,000011112222,Usage,Amazon EC2,us-east-1,1.25,1.25,3,USD\n\
        2027-01-01,2027-01-11,000011112222,Usage,Amazon EC2,us-east-1,0.0000000181,0.0000000181,3,USD\n\
        2027-02-01,2027-02-11,000011112222,Tax,Amazon EC2,,0.5,0.5,,USD\n";

    fn billing() -> Billing {
        toml::from_str(include_str!("../../models/billing.toml")).unwrap()
    }

    /// The same rows as CSV and as Parquet give the same lines.
    #[test]
    fn every_way_of_reading_gives_the_same_lines() {
        let folder = tempfile::tempdir().unwrap();
        let by_rows = text::read("bill.csv", FOCUS.as_bytes(), &billing(), "now").unwrap();
        let mut reader = csv::Reader::from_reader(FOCUS.as_bytes());
        let header = reader.headers().unwrap().clone();
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let column = |(index, name): (usize, &str)| {
            let cells = records.iter().map(|record| record[index].to_owned());
            match name {
                // Figures are numbers in an export, periods are dates, accounts are texts.
                "BilledCost" | "EffectiveCost" | "ConsumedQuantity" => {
                    let numbers: Vec<Option<f64>> = cells.map(|cell| cell.parse().ok()).collect();
                    Column::new(name.into(), numbers)
                }
                "BillingPeriodStart" => {
                    let days: Vec<i32> = cells
                        .map(|cell| cell.parse::<jiff::civil::Date>().unwrap())
                        .map(|date| (date - jiff::civil::date(1970, 1, 1)).get_days())
                        .collect();
                    Column::new(name.into(), days).cast(&DataType::Date).unwrap()
                }
                _ => Column::new(name.into(), cells.collect::<Vec<_>>()),
            }
        };
        let columns = header.iter().enumerate().map(column).collect();
        let mut frame = DataFrame::new(records.len(), columns).unwrap();
        let parquet = folder.path().join("bill.parquet");
        ParquetWriter::new(std::fs::File::create(&parquet).unwrap()).finish(&mut frame).unwrap();
        let by_parquet = read_parquet(&parquet, &billing(), "now").unwrap();
        assert_eq!(by_parquet.len(), 2);
        for (bill, expected) in by_parquet.iter().zip(&by_rows) {
            assert_eq!(bill.lines, expected.lines);
            assert_eq!((bill.days, bill.month), (expected.days, expected.month));
        }
        assert_eq!(by_rows[0].days, 10);
    }

    #[test]
    fn what_is_no_parquet_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("bill.parquet");
        std::fs::write(&broken, b"PAR1 and no more").unwrap();
        let error = read_parquet(&broken, &billing(), "now").unwrap_err().to_string();
        assert!(error.contains("bill.parquet: cannot be read"), "{error}");
    }
}
