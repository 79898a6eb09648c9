//! Columns of Parquet files: typed columns on their way to a file, and a column of a row group on its way out.
//!
//! # Limits
//! Flat columns of texts, numbers, decimals, dates and moments. A file's row groups are written and read one at a time.

use std::io::{Cursor, Read, Seek, SeekFrom};

use jiff::civil::Date;
use polars_arrow::{
    array::{Array, PrimitiveArray, Utf8ViewArray},
    datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit},
    types::NativeType,
};
use polars_buffer::Buffer;
use polars_parquet::{
    parquet::compression::Compression,
    read::{BasicDecompressor, PageReader, RowGroupMetadata, column_iter_to_arrays},
    write::{
        CompressedPage, CompressionOptions, DynIter, DynStreamingIterator, FileWriter, KeyValue,
        StatisticsOptions, Version, WriteOptions, array_to_columns, compress,
        fallible_streaming_iterator, get_dtype_encoding, schema_to_metadata_key, to_parquet_type,
    },
};
use rayon::prelude::*;

/// Rows of a row group that is written.
const GROUP_ROWS: usize = 512 * 512;

/// Digits of a decimal column, the most that readers know.
const DIGITS: usize = 38;

/// Columns on their way to a file.
#[derive(Debug)]
pub struct Columns {
    group_rows: usize,
    fields: Vec<Field>,
    arrays: Vec<Box<dyn Array>>,
}

impl Default for Columns {
    fn default() -> Self {
        Self::with_group_rows(GROUP_ROWS)
    }
}

impl Columns {
    /// Makes row groups of so many rows.
    pub fn with_group_rows(group_rows: usize) -> Self {
        Self { group_rows, fields: Vec::new(), arrays: Vec::new() }
    }

    /// Adds texts.
    pub fn texts<'a>(&mut self, name: &str, texts: impl Iterator<Item = Option<&'a str>>) {
        let texts: Vec<Option<&str>> = texts.collect();
        self.add(name, Box::new(Utf8ViewArray::from_slice(texts)));
    }

    /// Adds numbers.
    pub fn numbers<T: NativeType>(&mut self, name: &str, numbers: Vec<T>) {
        self.add(name, Box::new(PrimitiveArray::from_vec(numbers)));
    }

    /// Adds numbers of which some are not known.
    pub fn floats(&mut self, name: &str, numbers: impl Iterator<Item = Option<f64>>) {
        self.add(name, Box::new(numbers.collect::<PrimitiveArray<f64>>()));
    }

    /// Adds dates.
    pub fn dates(&mut self, name: &str, dates: impl Iterator<Item = Date>) {
        let days: Vec<i32> = dates.map(|date| days(date) as i32).collect();
        self.add(name, Box::new(PrimitiveArray::from_vec(days).to(ArrowDataType::Date32)));
    }

    /// Adds moments, the midnights of dates in UTC, in milliseconds.
    pub fn midnights(&mut self, name: &str, dates: impl Iterator<Item = Option<Date>>) {
        let moments: PrimitiveArray<i64> =
            dates.map(|date| date.map(|date| days(date) * 86_400_000)).collect();
        let kind = ArrowDataType::Timestamp(TimeUnit::Millisecond, None);
        self.add(name, Box::new(moments.to(kind)));
    }

    /// Adds decimals with so many places, each as the whole number of its last place.
    pub fn decimals(
        &mut self,
        name: &str,
        places: u32,
        numbers: impl Iterator<Item = Option<i128>>,
    ) {
        let numbers: PrimitiveArray<i128> = numbers.collect();
        self.add(name, Box::new(numbers.to(ArrowDataType::Decimal(DIGITS, places as usize))));
    }

    fn add(&mut self, name: &str, array: Box<dyn Array>) {
        self.fields.push(Field::new(name.into(), array.dtype().clone(), true));
        self.arrays.push(array);
    }

    /// Returns the bytes of the file; `notes` go into its own metadata.
    ///
    /// # Errors
    /// Columns of different lengths; what the writer says.
    pub fn finish(
        self,
        notes: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Vec<u8>, String> {
        let options = WriteOptions {
            statistics: StatisticsOptions::default(),
            version: Version::V1,
            compression: CompressionOptions::Snappy,
            data_page_size: None,
        };
        let rows = self.arrays.first().map_or(0, |array| array.len());
        if let Some(place) = self.arrays.iter().position(|array| array.len() != rows) {
            let (name, found) = (&self.fields[place].name, self.arrays[place].len());
            return Err(format!("column {name} has {found} rows, the first {rows}"));
        }
        let kinds = self.fields.iter().map(to_parquet_type).collect::<Result<Vec<_>, _>>();
        let kinds = kinds.map_err(text)?;
        let schema: ArrowSchema =
            self.fields.into_iter().map(|field| (field.name.clone(), field)).collect();
        let mut metadata = vec![schema_to_metadata_key(&schema)];
        metadata.extend(notes.into_iter().map(|(key, value)| KeyValue { key, value: Some(value) }));
        let mut writer =
            FileWriter::try_new(Cursor::new(Vec::new()), schema, options).map_err(text)?;
        for start in (0..rows).step_by(self.group_rows) {
            let length = self.group_rows.min(rows - start);
            let pages = |(array, kind): (Box<dyn Array>, _)| {
                let encoding = get_dtype_encoding(array.dtype());
                let columns = array_to_columns(array, kind, options, &encoding).map_err(text)?;
                let pages = columns.into_iter().flatten();
                pages
                    .map(|page| {
                        let page = page.map_err(text)?;
                        compress(page, Vec::new(), options.compression).map_err(text)
                    })
                    .collect::<Result<Vec<CompressedPage>, String>>()
            };
            let parts = self.arrays.par_iter().map(|array| array.sliced(start, length));
            let columns = parts.zip(kinds.clone()).map(pages);
            let columns: Vec<Vec<CompressedPage>> = columns.collect::<Result<_, _>>()?;
            let columns = columns.iter().map(|pages| {
                let pages = fallible_streaming_iterator::convert(pages.iter().map(Ok));
                Ok(DynStreamingIterator::new(pages))
            });
            writer.write(length as u64, DynIter::new(columns)).map_err(text)?;
        }
        writer.end(Some(metadata)).map_err(text)?;
        Ok(writer.into_inner().into_inner())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Days since 1970.
fn days(date: Date) -> i64 {
    i64::from((date - jiff::civil::date(1970, 1, 1)).get_days())
}

/// The bytes of one column in a row group.
#[derive(Debug)]
pub struct Chunk<'a> {
    group: &'a RowGroupMetadata,
    place: usize,
    bytes: Vec<u8>,
}

impl<'a> Chunk<'a> {
    /// Reads a column's bytes.
    ///
    /// # Errors
    /// A column that is nested, or in a codec that is not read; bytes that are not there.
    pub fn read(
        file: &mut (impl Read + Seek),
        group: &'a RowGroupMetadata,
        name: &str,
    ) -> Result<Self, String> {
        let Some([place]) = group.columns_idxs_under_root_iter(name) else {
            return Err(format!("column {name} is nested"));
        };
        let column = &group.parquet_columns()[*place];
        let codec = column.compression();
        if matches!(codec, Compression::Brotli | Compression::Lzo) {
            return Err(format!(
                "column {name} is compressed with {codec:?}; runrate reads Snappy, Gzip, Zstd and LZ4: \
                 write the file again with one of these"
            ));
        }
        let range = column.byte_range();
        let length = usize::try_from(range.end - range.start).map_err(text)?;
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(range.start)).map_err(text)?;
        file.read_exact(&mut bytes).map_err(text)?;
        Ok(Self { group, place: *place, bytes })
    }

    /// Decodes the column as `field` says.
    ///
    /// # Errors
    /// Pages that cannot be decoded; a column without as many rows as the file says.
    pub fn decode(self, field: Field) -> Result<Box<dyn Array>, String> {
        let name = field.name.clone();
        let column = &self.group.parquet_columns()[self.place];
        let bytes = Cursor::new(Buffer::from_vec(self.bytes));
        let pages = PageReader::new(bytes, column, Vec::new(), usize::MAX);
        let pages = BasicDecompressor::new(pages, Vec::new());
        let kind = &column.descriptor().descriptor.primitive_type;
        let (arrays, _) =
            column_iter_to_arrays(vec![pages], vec![kind], field, None).map_err(text)?;
        let one = <[_; 1]>::try_from(arrays).ok();
        let one = one.filter(|[array]| array.len() == self.group.num_rows());
        let uneven = || format!("column {name} does not have as many rows as the file says");
        one.map(|[array]| array).ok_or_else(uneven)
    }
}
