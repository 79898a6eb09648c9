//! The one way to write: a file, or the files of a folder, whole or not at all.
//!
//! New files get the mode that the umask leaves; existing ones keep owner and mode; symbolic links are followed.
//! Everything is synced before it takes its name. What a killed run left is put right by the next command that
//! reads or writes the folder, and removed by the next that writes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::plain;
use crate::error::{Error, Place};

mod disk;
mod file;
mod lock;
mod set;
#[cfg(test)]
mod tests;

pub(super) use self::{file::folder_of, lock::Lock};

/// Writes a file whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if path.is_dir() {
        let place = Place::file(&path.display().to_string());
        return Err(Error::at(place, "is a folder; name a file"));
    }
    file::write(path, bytes).map_err(|error| fault(path, &error))
}

/// Writes several files into a folder, or folders in it, all or none of them. Files of an earlier run that `owned`
/// names and that are not written now are removed: a name, or one with a `*` for a part of its last component.
///
/// # Errors
/// A folder that cannot be made or written, a file name taken by a folder.
pub fn write_folder<N: AsRef<str>, B: AsRef<[u8]>>(
    folder: &Path,
    files: &[(N, B)],
    owned: &[&str],
) -> Result<(), Error> {
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, bytes)| (name.as_ref(), bytes.as_ref())).collect();
    Writing::begin(folder)?.write(&files, owned)
}

/// A folder that nobody else writes meanwhile.
#[derive(Debug)]
pub(super) struct Writing<'a> {
    folder: &'a Path,
    /// Folders that this run made, innermost first.
    made: Vec<PathBuf>,
    _lock: Lock,
}

impl<'a> Writing<'a> {
    /// Makes and locks a folder, and puts right what an earlier run left in it.
    pub(super) fn begin(folder: &'a Path) -> Result<Self, Error> {
        let mut made = Vec::new();
        let lock = lock(folder, &mut made).inspect_err(|_| remove(&made))?;
        file::sweep(folder);
        Ok(Self { folder, made, _lock: lock })
    }

    /// Writes the files and ends the lock.
    pub(super) fn write(self, files: &[(&str, &[u8])], owned: &[&str]) -> Result<(), Error> {
        self.replace(files, owned).inspect_err(|_| remove(&self.made))
    }

    fn replace(&self, files: &[(&str, &[u8])], owned: &[&str]) -> Result<(), Error> {
        let paths = || files.iter().map(|(name, _)| self.folder.join(name));
        if let Some(path) = paths().find(|path| path.is_dir()) {
            let place = Place::file(&path.display().to_string());
            return Err(Error::at(place, "is a folder; move it, or name another --out"));
        }
        if let Some(path) = paths().find(|path| file::is_stream(path)) {
            let place = Place::file(&path.display().to_string());
            return Err(Error::at(place, "is a device or a pipe; move it, or name another --out"));
        }
        let unwanted = self.unwanted(files, owned);
        set::write(self.folder, files, &unwanted).map_err(|(path, error)| fault(&path, &error))
    }

    fn unwanted(&self, files: &[(&str, &[u8])], owned: &[&str]) -> Vec<String> {
        let mut unwanted = Vec::new();
        for own in owned {
            let (below, pattern) = own.rsplit_once('/').map_or(("", *own), |(a, b)| (a, b));
            let Ok(entries) = fs::read_dir(self.folder.join(below)) else { continue };
            for entry in entries.flatten() {
                let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
                if is_file && fits(&name, pattern) && files.iter().all(|(name, _)| *name != path) {
                    unwanted.push(path);
                }
            }
        }
        unwanted
    }
}

fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

fn lock(folder: &Path, made: &mut Vec<PathBuf>) -> Result<Lock, Error> {
    // The run that made the folder may fail and remove it, until it is locked.
    let lock = loop {
        make(folder, made).map_err(|error| fault(folder, &error))?;
        let lock = Lock::writing(folder)?;
        if folder.is_dir() {
            break lock;
        }
    };
    set::undo(folder).map_err(|error| stuck(folder, &error))?;
    Ok(lock)
}

/// Makes a folder and those around it that are missing, and names them innermost first.
fn make(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    *made = folder.ancestors().take_while(missing).map(Path::to_owned).collect();
    fs::create_dir_all(folder)?;
    made.iter().try_for_each(|path| disk::sync_folder(folder_of(path)))
}

/// Removes folders that hold nothing.
fn remove(made: &[PathBuf]) {
    for folder in made {
        let _ = fs::remove_dir(folder);
    }
}

/// Puts the old files of a folder back where an earlier run was stopped while it replaced them. A reader asks for it
/// before it looks.
///
/// # Errors
/// A folder in which that cannot be done.
pub(super) fn settle(folder: &Path) -> Result<(), Error> {
    if !set::is_open(folder) {
        return Ok(());
    }
    let _lock = Lock::writing(folder)?;
    set::undo(folder).map_err(|error| stuck(folder, &error))
}

/// Keeps writers out of a folder while its files are read one by one.
///
/// # Errors
/// A folder in which an earlier run was stopped, and that cannot be put right.
pub(super) fn reading(folder: &Path) -> Result<Lock, Error> {
    loop {
        settle(folder)?;
        let lock = Lock::reading(folder)?;
        if !set::is_open(folder) {
            return Ok(lock);
        }
    }
}

fn stuck(folder: &Path, error: &io::Error) -> Error {
    let message = format!(
        "an earlier run was stopped while it wrote into this folder, and its files cannot be put back: {}. Run the command again where the folder can be written",
        plain(error)
    );
    Error::io(Place::file(&folder.display().to_string()), message)
}

/// Returns why something was not written. A wrong path is wrong input; a disk that is full has failed.
pub(super) fn fault(path: &Path, error: &io::Error) -> Error {
    use io::ErrorKind::{
        AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    let place = Place::file(&path.display().to_string());
    let help = match error.kind() {
        NotFound | IsADirectory | NotADirectory | AlreadyExists => {
            return Error::at(place, format!("cannot be written: {}", plain(error)));
        }
        StorageFull => "the disk is full. Free some space, or name a folder on another disk",
        QuotaExceeded => "the disk quota is used up. Free some space, or name another folder",
        ReadOnlyFilesystem => "the file system is read-only. Name a folder elsewhere",
        PermissionDenied => "permission denied. Let the folder be written, or name another",
        _ => {
            let said = error.to_string();
            return Error::io(place, format!("cannot be written: {said}"));
        }
    };
    Error::io(place, format!("cannot be written: {help}; nothing was changed"))
}
