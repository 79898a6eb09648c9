//! Parquet files read by another library than the one that wrote them.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
    schema::printer::print_schema,
};
use rust_decimal::Decimal;

/// What a file holds.
pub struct Read {
    /// Its columns, in Parquet's own notation.
    pub schema: String,
    pub rows: Vec<Row>,
}

impl Read {
    /// The cells of a column.
    pub fn column<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        let cell = move |row: &'a Row| row.get_column_iter().find(|(of, _)| *of == name).unwrap().1;
        self.rows.iter().map(cell)
    }
}

pub fn read(bytes: Vec<u8>) -> Read {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let mut schema = Vec::new();
    print_schema(&mut schema, reader.metadata().file_metadata().schema());
    let schema = String::from_utf8(schema).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    Read { schema, rows }
}

pub fn decimal(cell: &Field) -> Decimal {
    let Field::Decimal(decimal) = cell else { panic!("{cell:?} is not a decimal") };
    let whole = decimal.data().iter().fold(0_i128, |sum, byte| (sum << 8) | i128::from(*byte));
    // The bytes are a signed number.
    let bits = 8 * decimal.data().len() as u32;
    let negative = bits < 128 && decimal.data()[0] >= 0x80;
    let whole = if negative { whole - (1 << bits) } else { whole };
    Decimal::from_i128_with_scale(whole, decimal.scale() as u32)
}
