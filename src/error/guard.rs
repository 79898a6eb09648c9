//! Panics of a library that reads a file: the one place where they become an error.
//!
//! # Limits
//! Only what a file makes a library do is caught here; a panic of this program's own code is printed as always.

use std::{
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
};

#[cfg(feature = "polars")]
use polars_parquet::read::{RowGroupMetadata, read_metadata};

use super::{Error, Place};

/// How many files are being read by a library.
static READING: AtomicUsize = AtomicUsize::new(0);
static HOOK: Once = Once::new();

/// Reads a file with a library, and turns a panic of the library on any of its threads into an error that names
/// the file.
///
/// # Errors
/// What `read` returns; a panic in it.
pub fn catch<T>(file: &str, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if READING.load(Ordering::SeqCst) == 0 || !is_library(info) {
                before(info);
            }
        }));
    });
    READING.fetch_add(1, Ordering::SeqCst);
    // What `read` leaves behind is dropped with it.
    let done = panic::catch_unwind(AssertUnwindSafe(read));
    READING.fetch_sub(1, Ordering::SeqCst);
    done.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
        let first = text.lines().next().unwrap_or_default();
        let message =
            format!("cannot be read: the file is damaged ({first}); export or write it again");
        Err(Error::at(Place::file(file), message))
    })
}

/// Checks that the parts of a Parquet file lie within it: polars takes a file's word for it, and reads whatever
/// is in memory there.
///
/// # Errors
/// A file without readable metadata; a part beyond its end.
#[cfg(feature = "polars")]
pub fn check_parquet(bytes: &mut (impl std::io::Read + std::io::Seek)) -> Result<(), String> {
    let length = bytes.seek(std::io::SeekFrom::End(0)).map_err(|error| error.to_string())?;
    let metadata = read_metadata(bytes).map_err(|error| error.to_string())?;
    for column in metadata.row_groups.iter().flat_map(RowGroupMetadata::parquet_columns) {
        let range = column.byte_range();
        if range.start > range.end || range.end > length {
            return Err(format!(
                "bytes {} to {} of a column are not in the file, which has {length}",
                range.start, range.end
            ));
        }
    }
    Ok(())
}

/// Returns whether a panic comes from code that is not this program's: its sources have relative paths.
fn is_library(info: &PanicHookInfo<'_>) -> bool {
    info.location().is_none_or(|at| !at.file().starts_with("src/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_names_the_file() {
        let error = catch("bill.parquet", || -> Result<(), Error> { panic!("page {}", 3) });
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().starts_with("bill.parquet: cannot be read"), "{error}");
        assert!(error.to_string().contains("page 3"), "{error}");
        assert_eq!(catch("bill.parquet", || Ok(1)).unwrap(), 1);
    }
}
