//! Bounds on what runrate reads, requests and simulates. Each has its reason, and each message that refuses
//! something gives the bound and the way past it.

use std::io::{self, Read};

/// Bytes of a record of a CSV file. A line of a Cost and Usage Report with 50 tags has under 20 KiB.
pub const RECORD_BYTES: u64 = 1 << 20;
/// Bytes of a file that is held whole in memory (scenario, plan, JSON). A plan of 100 accounts has some 200 MiB.
pub const FILE_BYTES: u64 = 1 << 30;
/// Bytes of a name in a usage file: account, region, service, usage type, operation, resource. The longest that
/// AWS writes is an ARN, of up to 2,048 bytes.
pub const NAME_BYTES: usize = 2048;
/// Characters of a name that are compared to find similar names. The longest usage type of the price book has
/// 73.
pub const COMPARED_CHARS: usize = 128;
/// Meters without a price for which the nearest rows are looked up: each takes a pass over the price book.
pub const EXPLAINED_METERS: usize = 20;
/// Times its size that a gzip archive may unpack to. Bills reach 10 to 40; repeated bytes reach 1,030.
pub const ARCHIVE_RATIO: u64 = 200;
/// Bytes that an archive may unpack to, whatever its ratio.
pub const ARCHIVE_BYTES: u64 = 64 << 20;
/// Bytes of an answer of Cost Explorer or `GetProducts`. Pages that AWS sends have under 6 MiB.
pub const ANSWER_BYTES: usize = 64 << 20;
/// Bytes of a bulk price list. The list of EC2 in us-east-1 has some 400 MiB.
pub const LIST_BYTES: u64 = 8 << 30;
/// Cost Explorer requests of one `actuals pull`, unless `--max-requests` sets another number: $5.
pub const REQUESTS: u64 = 500;
/// Pages of one answer. Cost Explorer returns thousands of groups on a page.
pub const PAGES: usize = 2000;
/// Threads of one command. More than the largest EC2 instance has vCPUs gain nothing, and each costs a stack.
pub const THREADS: i64 = 1024;
/// Share of the rows of an export that may be unusable, unless `--max-skipped` sets another.
pub const SKIPPED_SHARE: f64 = 0.1;
/// Places that are named of rows that were skipped for one reason.
pub const PLACES: usize = 3;
/// Accounts × months of one plan. With 50 workloads, each account-month keeps some 100 KiB until the plan is
/// written.
pub const ACCOUNT_MONTHS: u64 = 30_000;
/// Folders below each other that are searched for manifests.
pub const FOLDER_DEPTH: usize = 32;

/// A reader that refuses more bytes than its bound.
#[derive(Debug)]
pub struct Bounded<R> {
    inner: R,
    left: u64,
    message: String,
}

impl<R> Bounded<R> {
    /// Wraps a reader; `message` names the bound and the fix.
    pub fn new(inner: R, most: u64, message: String) -> Self {
        Self { inner, left: most, message }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(invalid(self.message.clone())),
        }
        Ok(count)
    }
}

/// A reader that refuses a line of more than [`RECORD_BYTES`].
#[derive(Debug)]
pub struct BoundedLines<R> {
    inner: R,
    /// Bytes since the last line feed.
    line: u64,
}

impl<R> BoundedLines<R> {
    /// Wraps a reader.
    pub fn new(inner: R) -> Self {
        Self { inner, line: 0 }
    }
}

impl<R: Read> Read for BoundedLines<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        match memchr::memrchr(b'\n', &into[..count]) {
            Some(end) => self.line = (count - end - 1) as u64,
            None => self.line += count as u64,
        }
        if self.line > RECORD_BYTES { Err(invalid(long_record())) } else { Ok(count) }
    }
}

/// Returns the error of a record that is too long.
pub fn long_record() -> String {
    format!(
        "the record that begins here has more than {} MiB; is it CSV, and is a quote missing? Remove the record",
        RECORD_BYTES >> 20
    )
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_reader_reads_up_to_its_bound() {
        let read = |bytes: usize| {
            let mut text = Vec::new();
            let source = io::repeat(b'x').take(bytes as u64);
            Bounded::new(source, 10, "too long".into()).read_to_end(&mut text)
        };
        assert_eq!(read(10).unwrap(), 10);
        assert_eq!(read(11).unwrap_err().to_string(), "too long");
    }

    #[test]
    fn an_endless_line_is_refused() {
        let error = io::copy(&mut BoundedLines::new(io::repeat(b',')), &mut io::sink());
        assert!(error.unwrap_err().to_string().contains("more than 1 MiB"));
        let mut lines = BoundedLines::new(io::Cursor::new("a,b\n".repeat(1 << 20)));
        assert_eq!(io::copy(&mut lines, &mut io::sink()).unwrap(), 4 << 20);
    }
}
