//! Records of a CSV file, each with the line at which an editor shows it, and quotes that are well-formed.
//!
//! # Limits
//! Lines end with LF, CRLF or CR; a quoted cell may hold any of them. A quote astray would join lines and cells
//! without a word, so the file is refused where one is.

use std::{
    collections::VecDeque,
    io::{self, Chain, Cursor, Read},
};

use csv::ByteRecord;

use crate::{
    bounds,
    error::{Error, Place},
};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 18;
/// Bytes in which the first line ends, of a file whose separator is looked for.
const MOST_FIRST: u64 = bounds::RECORD_BYTES;

/// The CSV records of a file.
pub(super) struct Records<R> {
    file: String,
    reader: csv::Reader<Lines<Chain<Cursor<Vec<u8>>, R>>>,
    separator: u8,
    line: usize,
}

impl<R: Read> Records<R> {
    /// Opens a file and finds its separator: a comma, a semicolon or a tab, whichever its first line has most of.
    ///
    /// # Errors
    /// Bytes that cannot be read.
    pub(super) fn open(file: &str, mut bytes: R) -> Result<Self, Error> {
        let mut head = Vec::new();
        let mut chunk = Vec::new();
        while !head.contains(&b'\n') && (head.len() as u64) < MOST_FIRST {
            chunk.clear();
            let wanted = bytes.by_ref().take(BUFFER as u64).read_to_end(&mut chunk);
            wanted.map_err(|error| Error::at(Place::file(file), error.to_string()))?;
            if chunk.is_empty() {
                break;
            }
            head.append(&mut chunk);
        }
        if head.starts_with("\u{feff}".as_bytes()) {
            head.drain(..3);
        }
        let separator = separator(&head);
        let lines = Lines {
            inner: Cursor::new(head).chain(bytes),
            separator,
            state: State::Record,
            line: 1,
            last: 0,
            length: 0,
            began: 1,
            opened: 0,
            starts: VecDeque::new(),
        };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator)
            .buffer_capacity(BUFFER)
            .from_reader(lines);
        Ok(Self { file: file.to_owned(), reader, separator, line: 0 })
    }

    /// Returns whether the cells are separated by semicolons, as spreadsheets do where the comma is the decimal sign.
    pub(super) fn has_semicolons(&self) -> bool {
        self.separator == b';'
    }

    /// Reads the next record and returns its line; none at the end.
    ///
    /// # Errors
    /// A stray quote; errors of the decompressor or the disk, because half of a file is no bill.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<Option<usize>, Error> {
        match self.reader.read_byte_record(record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                self.line = self.reader.get_mut().starts.pop_front().unwrap_or(self.line + 1);
                Ok(Some(self.line))
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn refused(&self, error: &csv::Error) -> Error {
        let csv::ErrorKind::Io(io) = error.kind() else {
            return Error::csv(&self.file, error);
        };
        match io.get_ref().and_then(|inner| inner.downcast_ref::<Astray>()) {
            Some(astray) => Error::at(Place::line(&self.file, astray.line), astray.to_string()),
            None => Error::at(Place::line(&self.file, self.line + 1), io.to_string()),
        }
    }
}

/// Returns the separator of a first line, outside its quotes.
fn separator(head: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in head.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')) {
        match byte {
            b'"' => quoted = !quoted,
            byte if !quoted => {
                for (separator, count) in &mut counts {
                    *count += usize::from(byte == separator);
                }
            }
            _ => {}
        }
    }
    // The first of those with the most.
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    counts.iter().find(|(_, count)| *count == most).map_or(b',', |(separator, _)| *separator)
}

/// A record that cannot be read.
#[derive(Debug)]
struct Astray {
    line: usize,
    fault: Fault,
}

#[derive(Debug)]
enum Fault {
    /// A quote is not around a whole cell.
    Inside,
    /// A quote is not closed.
    Open,
    /// The record is too long.
    Long,
}

impl std::fmt::Display for Astray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.fault {
            Fault::Open => "a quote opens a cell here and no quote closes it",
            Fault::Inside => {
                "a quote does not enclose a whole cell; quote the whole cell and double any quote inside it"
            }
            Fault::Long => return f.write_str(&bounds::long_record()),
        })
    }
}

impl std::error::Error for Astray {}

/// Where in a record a byte is.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Before a record.
    Record,
    /// Before a cell.
    Cell,
    /// In a cell without quotes.
    Plain,
    /// In a cell with quotes.
    Quoted,
    /// After a quote in such a cell.
    Closing,
}

/// Passes bytes on and notes at which line each record begins.
struct Lines<R> {
    inner: R,
    separator: u8,
    state: State,
    line: usize,
    /// The byte before.
    last: u8,
    /// Bytes of the record so far, and its line.
    length: u64,
    began: usize,
    /// Line of the quote that is open.
    opened: usize,
    /// Lines of records that are not handed over yet.
    starts: VecDeque<usize>,
}

impl<R> Lines<R> {
    fn note(&mut self, byte: u8) -> Result<(), Astray> {
        let ends = matches!(byte, b'\n' | b'\r');
        self.length += 1;
        if self.length > bounds::RECORD_BYTES {
            return Err(Astray { line: self.began, fault: Fault::Long });
        }
        if self.state == State::Record && !ends {
            self.starts.push_back(self.line);
            (self.length, self.began) = (0, self.line);
            self.state = State::Cell;
        }
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::Closing,
            (State::Quoted, _) | (State::Closing, b'"') => State::Quoted,
            (State::Record | State::Cell | State::Plain | State::Closing, b'\n' | b'\r') => {
                State::Record
            }
            (State::Cell | State::Plain | State::Closing, byte) if byte == self.separator => {
                State::Cell
            }
            (State::Cell, b'"') => {
                self.opened = self.line;
                State::Quoted
            }
            (State::Plain, b'"') | (State::Closing, _) => {
                return Err(Astray { line: self.line, fault: Fault::Inside });
            }
            (State::Record | State::Cell | State::Plain, _) => State::Plain,
        };
        // CRLF ends one line.
        if ends && !(byte == b'\n' && self.last == b'\r') {
            self.line += 1;
        }
        self.last = byte;
        Ok(())
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let invalid = |astray| io::Error::new(io::ErrorKind::InvalidData, astray);
        for byte in &buffer[..count] {
            self.note(*byte).map_err(invalid)?;
        }
        if count == 0 && !buffer.is_empty() && self.state == State::Quoted {
            return Err(invalid(Astray { line: self.opened, fault: Fault::Open }));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
        let mut records = Records::open("x.csv", text.as_bytes()).unwrap();
        let mut record = ByteRecord::new();
        let mut found = Vec::new();
        while let Some(line) = records.next(&mut record).map_err(|error| error.to_string())? {
            let cells = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned());
            found.push((line, cells.collect()));
        }
        Ok(found)
    }

    /// The same lines for LF, CRLF and CR, after blank lines and after quoted cells that hold line ends.
    #[test]
    fn a_record_stands_at_the_line_that_an_editor_shows() {
        let text = "a,b\n1,2\n\n\"x\ny\nz\",\"\"\n3,\"say \"\"so\"\"\"\n";
        for end in ["\n", "\r\n", "\r"] {
            let found = lines(&text.replace('\n', end)).unwrap();
            let numbers: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
            assert_eq!(numbers, [1, 2, 4, 7], "{end:?}");
            assert_eq!(found[3].1, ["3", "say \"so\""]);
        }
        assert_eq!(lines("\u{feff}\"a\";b\n1;2").unwrap()[1], (2, vec!["1".into(), "2".into()]));
    }

    #[test]
    fn a_quote_astray_is_refused_at_its_line() {
        for (text, expected) in [
            ("a,b\n1,\"2\n3,4\n", "x.csv:2: a quote opens a cell here"),
            ("a,b\n1,2\n\"3\"x,4\n", "x.csv:3: a quote does not enclose a whole cell"),
            ("a,b\r\n1,2\r\n3,4\"\r\n", "x.csv:3: a quote does not enclose a whole cell"),
        ] {
            let error = lines(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
