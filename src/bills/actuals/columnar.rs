//! Parquet exports, read with polars one row group at a time: by the numbers of their texts where the
//! file has them, by rows otherwise.
//!
//! # Limits
//! A row that cannot be used is named by its number in the file. CSV is not scanned so: polars holds twice
//! the file in memory for it.

use std::{
    io::{Read, Seek},
    ops::Range,
    path::Path,
};

mod coded;

use polars_arrow::{
    array::{Array, PrimitiveArray, StaticArray, Utf8ViewArray},
    datatypes::{ArrowDataType, Field, TimeUnit},
    types::NativeType,
};
use polars_parquet::read::{FileMetadata, infer_schema, read_metadata};
use rayon::prelude::*;

use super::{
    MonthBill,
    amount::Amount,
    gather::{Gather, Row},
    layout::{Billing, FIGURES, Figure, Layout, TEXTS},
    text::not_a_number,
};
use crate::{
    error::{Error, Place, guard},
    measure::parquet::Chunk,
};

/// The columns of an export that are read.
struct Chosen {
    layout: Layout,
    fields: Vec<Field>,
}

/// Reads a Parquet export; `bytes` are the file's own.
///
/// # Errors
/// Bytes that are no Parquet, columns of no known format, two currencies, or not one row that can be used.
pub fn read_parquet(
    path: &Path,
    bytes: &mut (impl Read + Seek),
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
    if coded::read(bytes, &metadata, &chosen, &mut gather).is_none() {
        gather = Gather::new(layout, billing);
        by_rows(&file, bytes, &metadata, &chosen, &mut gather)?;
    }
    gather.finish(&source, read_at)
}

fn failed(file: &str, error: impl std::fmt::Display) -> Error {
    let text = error.to_string();
    Error::at(Place::file(file), format!("cannot be read: {}", text.lines().next().unwrap_or("")))
}

fn chosen(file: &str, metadata: &FileMetadata, billing: &Billing) -> Result<Chosen, Error> {
    let schema = infer_schema(metadata).map_err(|error| failed(file, error))?;
    let fields: Vec<&Field> = schema.iter_values().collect();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let layout = Layout::find(file, &names, billing)?;
    let places = layout.columns();
    let read = places.iter().map(|place| fields[*place].clone()).collect();
    Ok(Chosen { layout: layout.within(&places), fields: read })
}

/// Hands over every row, with its number for what cannot be used. One row group is in memory at a time.
fn by_rows(
    file: &str,
    bytes: &mut (impl Read + Seek),
    metadata: &FileMetadata,
    chosen: &Chosen,
    gather: &mut Gather<'_>,
) -> Result<(), Error> {
    let mut before = 0_usize;
    for group in &metadata.row_groups {
        let chunks = chosen.fields.iter().map(|field| Chunk::read(bytes, group, &field.name));
        let batch = chunks.collect::<Result<Vec<Chunk<'_>>, _>>().and_then(|chunks| {
            let decode = |(chunk, field): (Chunk<'_>, &Field)| chunk.decode(plain_texts(field));
            chunks.into_par_iter().zip(&chosen.fields).map(decode).collect::<Result<Vec<_>, _>>()
        });
        let after = before.checked_add(group.num_rows());
        let whole = after.filter(|after| *after <= metadata.num_rows);
        let uneven = || "a row group does not have as many rows as the file says".to_owned();
        before = batch
            .and_then(|batch| {
                let after = whole.ok_or_else(uneven)?;
                add(file, &batch, before..after, chosen, gather)?;
                Ok(after)
            })
            .map_err(|error| failed(file, error))?;
    }
    Ok(())
}

/// Returns a field with its texts as such: a file may say that they were numbered.
fn plain_texts(field: &Field) -> Field {
    use ArrowDataType::{Dictionary, LargeUtf8, Utf8, Utf8View};
    match &field.dtype {
        Utf8 | LargeUtf8 => Field { dtype: Utf8View, ..field.clone() },
        Dictionary(_, values, _) if matches!(**values, Utf8 | LargeUtf8 | Utf8View) => {
            Field::new(field.name.clone(), Utf8View, field.is_nullable)
        }
        _ => field.clone(),
    }
}

/// A column of texts.
enum Texts<'a> {
    None,
    Strings(&'a Utf8ViewArray),
    /// Days since 1970.
    Dates(&'a PrimitiveArray<i32>),
    /// Ticks since 1970, so many a second.
    Moments(&'a PrimitiveArray<i64>, i64),
    /// Whole numbers, as account ids that lost their text.
    Numbers(PrimitiveArray<i128>),
}

/// A column of figures.
enum Figures<'a> {
    None,
    Binary(&'a PrimitiveArray<f64>),
    Converted(PrimitiveArray<f64>),
    Scaled(&'a PrimitiveArray<i128>, u32),
    Strings(&'a Utf8ViewArray),
}

fn texts<'a>(array: &'a dyn Array, field: &Field) -> Result<Texts<'a>, String> {
    let as_read = match array.dtype() {
        ArrowDataType::Utf8View => of(array).map(Texts::Strings),
        ArrowDataType::Date32 => of(array).map(Texts::Dates),
        ArrowDataType::Timestamp(unit, _) => {
            of(array).map(|ticks| Texts::Moments(ticks, ticks_a_second(*unit)))
        }
        ArrowDataType::Null => Some(Texts::None),
        _ => whole(array).map(Texts::Numbers),
    };
    as_read.ok_or_else(|| wrong_type(field, array, "text, a date or a time"))
}

fn figures<'a>(array: &'a dyn Array, field: &Field) -> Result<Figures<'a>, String> {
    let as_read = match array.dtype() {
        ArrowDataType::Utf8View => of(array).map(Figures::Strings),
        ArrowDataType::Float64 => of(array).map(Figures::Binary),
        ArrowDataType::Float32 => {
            of(array).map(|array| Figures::Converted(converted(array, |value: f32| value.into())))
        }
        ArrowDataType::Decimal(_, scale) => {
            of(array).map(|array| Figures::Scaled(array, *scale as u32))
        }
        ArrowDataType::Null => Some(Figures::None),
        _ => whole(array).map(|array| Figures::Converted(converted(&array, |value| value as f64))),
    };
    as_read.ok_or_else(|| wrong_type(field, array, "a number"))
}

fn of<T: 'static>(array: &dyn Array) -> Option<&T> {
    array.as_any().downcast_ref()
}

fn ticks_a_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Whole numbers of any width; `None` for another type.
fn whole(array: &dyn Array) -> Option<PrimitiveArray<i128>> {
    fn widened<T: NativeType + Into<i128>>(array: &dyn Array) -> Option<PrimitiveArray<i128>> {
        of(array).map(|array| converted(array, |value: T| value.into()))
    }
    match array.dtype() {
        ArrowDataType::Int8 => widened::<i8>(array),
        ArrowDataType::Int16 => widened::<i16>(array),
        ArrowDataType::Int32 => widened::<i32>(array),
        ArrowDataType::Int64 => widened::<i64>(array),
        ArrowDataType::UInt8 => widened::<u8>(array),
        ArrowDataType::UInt16 => widened::<u16>(array),
        ArrowDataType::UInt32 => widened::<u32>(array),
        ArrowDataType::UInt64 => widened::<u64>(array),
        _ => None,
    }
}

fn converted<T: NativeType, U: NativeType>(
    array: &PrimitiveArray<T>,
    convert: impl Fn(T) -> U,
) -> PrimitiveArray<U> {
    array.iter().map(|value| value.map(|value| convert(*value))).collect()
}

fn wrong_type(field: &Field, array: &dyn Array, wanted: &str) -> String {
    format!("column {} is of type {:?}, not {wanted}", field.name, array.dtype())
}

/// The text of the last date or time of a column: most rows repeat it.
#[derive(Default)]
struct Last {
    value: Option<i128>,
    text: String,
}

impl Last {
    fn of(&mut self, value: i64, second: i64) {
        if self.value != Some(value.into()) {
            self.value = Some(value.into());
            let moment = jiff::Timestamp::from_second(value.div_euclid(second));
            self.text = moment.map_or_else(|_| String::new(), |moment| moment.to_string());
        }
    }
}

/// Hands the rows of a batch over.
fn add(
    file: &str,
    batch: &[Box<dyn Array>],
    rows: Range<usize>,
    chosen: &Chosen,
    gather: &mut Gather<'_>,
) -> Result<(), String> {
    let Chosen { layout, fields } = chosen;
    let mut text_columns: [Texts<'_>; TEXTS] = [const { Texts::None }; TEXTS];
    for (slot, place) in text_columns.iter_mut().zip(layout.texts) {
        if let Some(place) = place {
            *slot = texts(&*batch[place], &fields[place])?;
        }
    }
    let mut figure_columns: [Figures<'_>; FIGURES] = [const { Figures::None }; FIGURES];
    for (slot, place) in figure_columns.iter_mut().zip(layout.figures) {
        if let Some(place) = place {
            *slot = figures(&*batch[place], &fields[place])?;
        }
    }
    let mut lasts: [Last; TEXTS] = Default::default();
    for (index, number) in rows.enumerate() {
        let mut row = Row::EMPTY;
        read_texts(&text_columns, index, &mut lasts, &mut row.texts, gather);
        let at = || format!("{file}: row {}", number + 1);
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
                let column = layout.figures[place].map_or("", |place| fields[place].name.as_str());
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
    use super::*;
    use crate::{bills::actuals::text, measure::parquet::Columns};

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
        let mut columns = Columns::with_group_rows(2);
        for (index, name) in header.iter().enumerate() {
            let cells = records.iter().map(|record| &record[index]);
            match name {
                // Figures are numbers in an export, periods are dates, accounts are texts.
                "BilledCost" | "EffectiveCost" | "ConsumedQuantity" => {
                    columns.floats(name, cells.map(|cell| cell.parse().ok()));
                }
                "BillingPeriodStart" => {
                    columns.dates(name, cells.map(|cell| cell.parse().unwrap()));
                }
                _ => columns.texts(name, cells.map(Some)),
            }
        }
        let parquet = folder.path().join("bill.parquet");
        // Two groups of rows: the second begins where the first ends.
        std::fs::write(&parquet, columns.finish([]).unwrap()).unwrap();
        let billing = billing();
        let name = parquet.display().to_string();
        let mut file = std::fs::File::open(&parquet).unwrap();
        let metadata = read_metadata(&mut file).unwrap();
        let chosen = chosen(&name, &metadata, &billing).unwrap();
        let layout = &chosen.layout;
        for coded in [true, false] {
            let mut gather = Gather::new(layout, &billing);
            if coded {
                coded::read(&mut file, &metadata, &chosen, &mut gather)
                    .expect("texts have numbers");
            } else {
                super::by_rows(&name, &mut file, &metadata, &chosen, &mut gather).unwrap();
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
