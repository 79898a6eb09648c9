//! Parquet exports, read with polars one row group at a time: by the numbers of their texts where the
//! file has them, by rows otherwise.
//!
//! # Limits
//! A row that cannot be used is named by its number in the file. CSV is not scanned so: polars holds twice
//! the file in memory for it.

use std::{path::Path, sync::Arc};

mod coded;

use polars_core::prelude::{
    ChunkedArray, Column, DataFrame, DataType, Float64Type, Int32Type, Int64Type, Int128Type,
    PlSmallStr, PolarsError, PolarsResult, StringChunked, TimeUnit,
};
use polars_io::{SerReader, mmap::MmapBytesReader, parquet::read::ParquetReader};
use polars_parquet::read::{FileMetadata, infer_schema, read_metadata};

use super::{
    MonthBill,
    amount::Amount,
    gather::{Gather, Row},
    layout::{Billing, FIGURES, Figure, Layout, TEXTS},
    text::not_a_number,
};
use crate::error::{Error, Place, guard};

/// The columns of an export that are read.
struct Chosen {
    layout: Layout,
    /// Their places in the file, and their names.
    places: Vec<usize>,
    names: Vec<String>,
}

/// Reads a Parquet export; `bytes` are the file's own.
///
/// # Errors
/// Bytes that are no Parquet, columns of no known format, two currencies, or not one row that can be used.
pub fn read_parquet(
    path: &Path,
    bytes: &mut impl MmapBytesReader,
    billing: &Billing,
    read_at: &str,
) -> Result<Vec<MonthBill>, Error> {
    let file = path.display().to_string();
    guard::check_parquet(bytes)
        .map_err(|message| Error::at(Place::file(&file), format!("cannot be read: {message}")))?;
    let metadata = read_metadata(bytes).map_err(|error| failed(&file, &error))?;
    let chosen = chosen(&file, &metadata, billing)?;
    let layout = &chosen.layout;
    let source = format!("{}: {file}", layout.format);
    let mut gather = Gather::new(layout, billing);
    if coded::read(bytes, &chosen.names, layout, &mut gather).is_none() {
        gather = Gather::new(layout, billing);
        by_rows(&file, bytes, metadata, &chosen, &mut gather)?;
    }
    gather.finish(&source, read_at)
}

fn failed(file: &str, error: &PolarsError) -> Error {
    let text = error.to_string();
    Error::at(Place::file(file), format!("cannot be read: {}", text.lines().next().unwrap_or("")))
}

fn chosen(file: &str, metadata: &FileMetadata, billing: &Billing) -> Result<Chosen, Error> {
    let schema = infer_schema(metadata).map_err(|error| failed(file, &error))?;
    let names: Vec<&str> = schema.iter_names().map(PlSmallStr::as_str).collect();
    let layout = Layout::find(file, &names, billing)?;
    let places = layout.columns();
    let read = places.iter().map(|place| names[*place].to_owned()).collect();
    Ok(Chosen { layout: layout.within(&places), names: read, places })
}

/// Hands over every row, with its number for what cannot be used. One row group is in memory at a time.
fn by_rows(
    file: &str,
    bytes: &mut impl MmapBytesReader,
    metadata: FileMetadata,
    chosen: &Chosen,
    gather: &mut Gather<'_>,
) -> Result<(), Error> {
    let metadata = Arc::new(metadata);
    let mut before = 0_usize;
    for group in &metadata.row_groups {
        let rows = group.num_rows();
        let mut reader = ParquetReader::new(&mut *bytes)
            .with_slice(Some((before, rows)))
            .with_projection(Some(chosen.places.clone()));
        reader.set_metadata(Arc::clone(&metadata));
        let after = before.checked_add(rows);
        let whole = after.filter(|after| *after <= metadata.num_rows);
        let read = whole.ok_or_else(|| uneven("row group")).and_then(|after| {
            let batch = reader.finish()?;
            // The reader takes the file's word for the length of its columns.
            if let Some(column) = batch.columns().iter().find(|column| column.len() != rows) {
                return Err(uneven(&format!("column {}", column.name())));
            }
            add(file, &batch, before, &chosen.layout, gather)?;
            Ok(after)
        });
        before = read.map_err(|error| failed(file, &error))?;
    }
    Ok(())
}

fn uneven(part: &str) -> PolarsError {
    let message = format!("a {part} does not have as many rows as the file says");
    PolarsError::ComputeError(message.into())
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
    Scaled(&'a ChunkedArray<Int128Type>, u32),
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
        let mut row = Row::EMPTY;
        read_texts(&text_columns, index, &mut lasts, &mut row.texts, gather);
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
                let cost = row.figures[Figure::Unblended as usize];
                gather.set_aside(not_a_number(column, &text), cost, at);
            }
        }
    }
    Ok(())
}

/// The numbers of a row's texts; the texts of dates are in `lasts`.
fn read_texts(
    columns: &[Texts<'_>; TEXTS],
    index: usize,
    lasts: &mut [Last; TEXTS],
    texts: &mut [u32; TEXTS],
    gather: &mut Gather<'_>,
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
    for (which, (column, last)) in columns.iter().zip(&*lasts).enumerate() {
        let text = match column {
            Texts::None => "",
            Texts::Strings(strings) => plain(strings.get(index)),
            Texts::Dates(days) => days.get(index).map_or("", |_| &last.text),
            Texts::Moments(ticks, _) => ticks.get(index).map_or("", |_| &last.text),
            Texts::Numbers(numbers) => numbers.get(index).map_or("", |_| &last.text),
        };
        texts[which] = gather.number(which, text);
    }
}

fn plain(text: Option<&str>) -> &str {
    let text = text.unwrap_or_default().trim();
    if text == "NULL" { "" } else { text }
}

/// Returns a figure, or the text that is none.
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
    use polars_core::prelude::{DataFrame, DataType};
    use polars_io::parquet::write::ParquetWriter;

    use super::*;
    use crate::bills::actuals::text;

    const FOCUS: &str = "BillingPeriodStart,ChargePeriodEnd,SubAccountId,ChargeCategory,ServiceName,RegionId,BilledCost,EffectiveCost,ConsumedQuantity,BillingCurrency\n\
        2027-01-01,2027-01-10,000011112222,Usage,Amazon EC2,us-east-1,1.25,1.25,3,USD\n\
        2027-01-01,2027-01-11,000011112222,Usage,Amazon EC2,us-east-1,0.0000000181,0.0000000181,3,USD\n\
        2027-02-01,2027-02-11,000011112222,Tax,Amazon EC2,,0.5,0.5,,USD\n";

    fn billing() -> Billing {
        toml::from_str(include_str!("../../../models/billing.toml")).unwrap()
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
        let created = std::fs::File::create(&parquet).unwrap();
        // Two groups of rows: the second begins where the first ends.
        ParquetWriter::new(created).with_row_group_size(Some(2)).finish(&mut frame).unwrap();
        let billing = billing();
        let name = parquet.display().to_string();
        let mut file = std::fs::File::open(&parquet).unwrap();
        let metadata = read_metadata(&mut file).unwrap();
        let chosen = chosen(&name, &metadata, &billing).unwrap();
        let layout = &chosen.layout;
        for coded in [true, false] {
            let mut gather = Gather::new(layout, &billing);
            if coded {
                coded::read(&mut file, &chosen.names, layout, &mut gather)
                    .expect("texts have numbers");
            } else {
                super::by_rows(&name, &mut file, metadata.clone(), &chosen, &mut gather).unwrap();
            }
            let bills = gather.finish("bill", "now").unwrap();
            assert_eq!(bills.len(), by_rows.len());
            for (bill, expected) in bills.iter().zip(&by_rows) {
                assert_eq!(bill.lines, expected.lines);
                assert_eq!((bill.days, bill.month), (expected.days, expected.month));
            }
        }
        assert_eq!(by_rows[0].days, 10);
    }

    #[test]
    fn what_is_no_parquet_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("bill.parquet");
        std::fs::write(&broken, b"PAR1 and no more").unwrap();
        let error = read_parquet(&broken, &mut std::io::Cursor::new(b""), &billing(), "now")
            .unwrap_err()
            .to_string();
        assert!(error.contains("bill.parquet: cannot be read"), "{error}");
    }
}
