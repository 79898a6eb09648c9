//! The calls that change the disk, each a point at which a test makes it fail.
//!
//! # Limits
//! A folder is synced on Unix alone: elsewhere a new name may be lost with the power, but is never half.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Creates a file that nobody else has created; its mode is 0666 without the umask.
pub(super) fn create(path: &Path) -> io::Result<File> {
    point()?;
    File::create_new(path)
}

pub(super) fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if let Err(error) = point() {
        // A full disk takes a part.
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(error);
    }
    file.write_all(bytes)
}

pub(super) fn sync(file: &File) -> io::Result<()> {
    point()?;
    file.sync_all()
}

/// Makes new and removed names in a folder last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    point()?;
    if cfg!(unix) {
        match File::open(folder)?.sync_all() {
            // Some network file systems do not know the call.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    point()?;
    fs::rename(from, to)
}

/// Gives a temporary file its name.
pub(super) fn persist(temporary: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    point()?;
    temporary.persist(path).map(drop).map_err(|error| error.error)
}

pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    point()?;
    fs::hard_link(from, to)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    point()?;
    fs::remove_file(path)
}

pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    point()?;
    fs::create_dir(path)
}

pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    point()?;
    fs::remove_dir(path)
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "the points of tests fail")]
fn point() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use self::faults::point;

#[cfg(test)]
pub(super) mod faults {
    use std::{cell::Cell, io};

    /// How the disk fails.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::app::store) enum Fault {
        /// Never.
        None,
        /// At one point, and never again.
        Once(usize),
        /// At a point and all later ones: what a kill at that point leaves.
        From(usize),
    }

    thread_local! {
        static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
        static REACHED: Cell<usize> = const { Cell::new(0) };
    }

    /// Runs something on a disk that fails, and gives what it returned and the number of points it reached.
    pub(in crate::app::store) fn with<T>(fault: Fault, run: impl FnOnce() -> T) -> (T, usize) {
        FAULT.set(fault);
        REACHED.set(0);
        let done = run();
        FAULT.set(Fault::None);
        (done, REACHED.get())
    }

    pub(super) fn point() -> io::Result<()> {
        let at = REACHED.get();
        REACHED.set(at + 1);
        let fails = match FAULT.get() {
            Fault::None => false,
            Fault::Once(n) => at == n,
            Fault::From(n) => at >= n,
        };
        if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}
