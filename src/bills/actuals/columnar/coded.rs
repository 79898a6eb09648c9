//! Row groups read with their texts as the file stores them: numbers into a dictionary. A text is read once per row group and not once per row.
//!
//! # Limits
//! Texts in dictionary pages, dates, moments and binary figures. Whatever else a file holds, or a row that
//! cannot be used, is left to the reader of rows.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
    sync::Arc,
};

use polars_arrow::{
    array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray},
    datatypes::{ArrowDataType, DTYPE_CATEGORICAL_NEW, Field, IntegerType},
};
use polars_parquet::read::{FileMetadata, RowGroupMetadata};
use rayon::prelude::*;

use super::{Chosen, Last, plain, ticks_a_second};
use crate::{
    bills::actuals::{
        amount::Amount,
        gather::{Gather, Row},
        layout::{FIGURES, TEXTS},
    },
    measure::parquet::Chunk,
};

/// Rows of a row group that are held in memory at once.
const MOST_ROWS: usize = 1_500_000;

/// A column of a row group.
enum Values {
    /// Numbers of texts.
    Coded(Vec<u32>),
    /// Figures; not a number where there is none.
    Figures(Vec<f64>),
}

/// What a column is read for.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Text(usize),
    Figure(usize),
}

/// Hands every row of a file over; `None` for a file that this cannot read.
pub(super) fn read(
    file: &mut (impl Read + Seek),
    metadata: &FileMetadata,
    chosen: &Chosen,
    gather: &mut Gather<'_>,
) -> Option<()> {
    let Chosen { layout, fields } = chosen;
    let texts = layout.texts.iter().enumerate().map(|(index, place)| (Use::Text(index), place));
    let figures =
        layout.figures.iter().enumerate().map(|(index, place)| (Use::Figure(index), place));
    let mut wanted = Vec::new();
    for (of, place) in texts.chain(figures) {
        let Some(place) = place else { continue };
        wanted.push((of, as_coded(&fields[*place], of)?));
    }
    for group in &metadata.row_groups {
        if group.num_rows() > MOST_ROWS {
            return None;
        }
        let columns = columns(file, group, &wanted, gather)?;
        hand_over(&columns, group.num_rows(), gather)?;
    }
    Some(())
}

/// How a column is to be decoded; `None` for a type that has no place here.
fn as_coded(field: &Field, of: Use) -> Option<Field> {
    let mut field = field.clone();
    match (of, &field.dtype) {
        (
            Use::Text(_),
            ArrowDataType::Utf8View | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8,
        ) => {
            let values = Box::new(ArrowDataType::Utf8View);
            field.dtype = ArrowDataType::Dictionary(IntegerType::UInt32, values, false);
            let mark = BTreeMap::from([(DTYPE_CATEGORICAL_NEW.into(), "".into())]);
            field.metadata = Some(Arc::new(mark));
            Some(field)
        }
        (Use::Text(_), ArrowDataType::Date32 | ArrowDataType::Timestamp(_, _))
        | (Use::Figure(_), ArrowDataType::Float64) => Some(field),
        _ => None,
    }
}

/// Returns the columns of a row group: read one after the other, decoded side by side, numbered in order.
fn columns(
    file: &mut (impl Read + Seek),
    group: &RowGroupMetadata,
    wanted: &[(Use, Field)],
    gather: &mut Gather<'_>,
) -> Option<Vec<(Use, Values)>> {
    let mut chunks = Vec::new();
    for (of, field) in wanted {
        chunks.push((*of, field, Chunk::read(file, group, &field.name).ok()?));
    }
    let decoded: Vec<(Use, Box<dyn Array>)> = chunks
        .into_par_iter()
        .map(|(of, field, chunk)| Some((of, chunk.decode(field.clone()).ok()?)))
        .collect::<Option<_>>()?;
    let number = |(of, array): (Use, Box<dyn Array>)| {
        let values = match of {
            Use::Text(which) => Values::Coded(coded(&*array, which, gather)?),
            Use::Figure(_) => Values::Figures(figures(&*array)?),
        };
        Some((of, values))
    };
    decoded.into_iter().map(number).collect()
}

fn coded(array: &dyn Array, which: usize, gather: &mut Gather<'_>) -> Option<Vec<u32>> {
    if let Some(array) = array.as_any().downcast_ref::<DictionaryArray<u32>>() {
        let texts = array.values().as_any().downcast_ref::<Utf8ViewArray>()?;
        let numbers: Vec<u32> =
            texts.iter().map(|text| gather.number(which, plain(text))).collect();
        let keys = array.keys();
        return Some(match keys.validity().filter(|valid| valid.unset_bits() > 0) {
            None => keys
                .values()
                .iter()
                .map(|key| numbers.get(*key as usize).copied())
                .collect::<Option<_>>()?,
            // The empty text.
            Some(_) => keys
                .iter()
                .map(|key| key.map_or(Some(0), |key| numbers.get(*key as usize).copied()))
                .collect::<Option<_>>()?,
        });
    }
    let mut last = (None, 0);
    let mut text = Last::default();
    let mut number = |value: Option<i64>, second: i64| {
        if last.0 != value {
            let of = value.map_or("", |value| {
                text.of(value, second);
                &text.text
            });
            last = (value, gather.number(which, of));
        }
        last.1
    };
    if let Some(days) = array.as_any().downcast_ref::<PrimitiveArray<i32>>() {
        let seconds = |day: &i32| i64::from(*day) * 86_400;
        return Some(days.iter().map(|day| number(day.map(seconds), 1)).collect());
    }
    let ticks = array.as_any().downcast_ref::<PrimitiveArray<i64>>()?;
    let ArrowDataType::Timestamp(unit, _) = array.dtype() else { return None };
    let second = ticks_a_second(*unit);
    Some(ticks.iter().map(|tick| number(tick.copied(), second)).collect())
}

fn figures(array: &dyn Array) -> Option<Vec<f64>> {
    let array = array.as_any().downcast_ref::<PrimitiveArray<f64>>()?;
    match array.validity().filter(|valid| valid.unset_bits() > 0) {
        None if array.values().iter().any(|value| value.is_nan()) => None,
        None => Some(array.values().as_slice().to_vec()),
        Some(_) => array
            .iter()
            .map(|value| match value {
                Some(value) if value.is_nan() => None,
                value => Some(value.copied().unwrap_or(f64::NAN)),
            })
            .collect(),
    }
}

/// Returns rows from columns; `None` at a row that has a place to be named.
fn hand_over(columns: &[(Use, Values)], rows: usize, gather: &mut Gather<'_>) -> Option<()> {
    let mut texts: [Option<&[u32]>; TEXTS] = [None; TEXTS];
    let mut numbers: [Option<&[f64]>; FIGURES] = [None; FIGURES];
    for (of, values) in columns {
        match (of, values) {
            (Use::Text(which), Values::Coded(codes)) if codes.len() == rows => {
                texts[*which] = Some(codes);
            }
            (Use::Figure(which), Values::Figures(values)) if values.len() == rows => {
                numbers[*which] = Some(values);
            }
            _ => return None,
        }
    }
    let texts: Vec<(usize, &[u32])> =
        texts.into_iter().enumerate().filter_map(|(which, codes)| Some((which, codes?))).collect();
    let numbers: Vec<(usize, &[f64])> = numbers
        .into_iter()
        .enumerate()
        .filter_map(|(which, values)| Some((which, values?)))
        .collect();
    let mut row = Row::EMPTY;
    for index in 0..rows {
        for (which, codes) in &texts {
            row.texts[*which] = codes[index];
        }
        for (which, values) in &numbers {
            let value = values[index];
            row.figures[*which] =
                if value.is_nan() { None } else { Some(Amount::from_f64(value)?) };
        }
        gather.add(&row, String::new);
    }
    gather.needs_no_place().then_some(())
}
