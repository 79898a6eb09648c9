//! Locks of folders: one writer at a time, and no reader of several files while one writes.
//!
//! # Limits
//! The lock is the operating system's, on the folder itself, so that nothing is left behind. A file system that has
//! no locks on folders (some network shares, Windows) keeps two writers apart no longer; a kill is undone there too.

use std::{
    fs::{File, TryLockError},
    path::Path,
    thread,
    time::Duration,
};

use crate::error::{Error, Place};

/// How often a lock is tried: a writer needs milliseconds, a slow disk seconds.
const TRIES: u32 = 3_000;
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock; it ends with the value, or with the process.
#[derive(Debug)]
pub(in crate::app::store) struct Lock {
    _folder: Option<File>,
}

impl Lock {
    /// Waits until nobody else reads or writes the folder.
    pub(super) fn writing(folder: &Path) -> Result<Self, Error> {
        Self::wait(folder, File::try_lock)
    }

    /// Waits until nobody writes the folder.
    pub(super) fn reading(folder: &Path) -> Result<Self, Error> {
        Self::wait(folder, File::try_lock_shared)
    }

    fn wait(folder: &Path, lock: fn(&File) -> Result<(), TryLockError>) -> Result<Self, Error> {
        for _ in 0..TRIES {
            let Ok(file) = File::open(folder) else { return Ok(Self { _folder: None }) };
            match lock(&file) {
                // The writer that had the lock may have removed the folder that it had made.
                Ok(()) if is_at(&file, folder) => return Ok(Self { _folder: Some(file) }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
                Err(TryLockError::Error(_)) => return Ok(Self { _folder: None }),
            }
        }
        let seconds = (PAUSE * TRIES).as_secs();
        let message = format!(
            "another program has locked this folder for {seconds} seconds. Wait until it ends, then run the command again"
        );
        Err(Error::io(Place::file(&folder.display().to_string()), message))
    }
}

/// Returns whether an open folder still has its name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}
