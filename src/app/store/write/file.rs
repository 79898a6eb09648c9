//! One file: written under a temporary name in the same folder, synced, and renamed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::disk;

/// How names of temporary files begin.
pub(super) const PREFIX: &str = ".runrate-";
/// How they end.
pub(super) const SUFFIX: &str = ".tmp";
/// Links that lead to one another; Linux follows as many.
const LINKS: usize = 40;

/// Returns the folder that a path lies in.
pub(in crate::app::store) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns the file that is written when a path is: links are followed, to files that do not exist yet too.
pub(super) fn target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&target) {
            Ok(link) => target = folder_of(&target).join(link),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("its symbolic links form a circle"))
}

/// Returns whether a path is written as it is: a device or a pipe has no content to keep, and must not be replaced.
pub(super) fn is_stream(path: &Path) -> bool {
    let streams = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];
    streams.iter().any(|stream| path.starts_with(stream))
        || path.metadata().is_ok_and(|known| !known.is_file() && !known.is_dir())
}

/// Refuses a file that its owner has made read-only, although its folder would let it be replaced.
pub(super) fn check(target: &Path) -> io::Result<()> {
    match target.metadata() {
        Ok(known) if known.permissions().readonly() => {
            Err(io::Error::other("it is read-only. Make it writable, or name another file"))
        }
        _ => Ok(()),
    }
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_stream(path) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let target = target(path)?;
    check(&target)?;
    let folder = folder_of(&target);
    sweep(folder);
    let mut temporary = temporary(folder)?;
    fill(temporary.as_file_mut(), bytes, &target)?;
    disk::persist(temporary, &target)?;
    // The file is written. Without this it may be the old one again after the power has failed.
    let _ = disk::sync_folder(folder);
    Ok(())
}

/// Returns a locked temporary file: while its writer lives, nobody takes it for one that was left behind.
fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(PREFIX).suffix(SUFFIX).make_in(folder, disk::create)?;
        // Where there are no locks, no other run can hold one either, and leaves the file alone.
        let _ = file.as_file().lock();
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Writes and syncs content that is to take the place of a file, with the owner and the mode of that file.
pub(super) fn fill(file: &mut File, bytes: &[u8], place: &Path) -> io::Result<()> {
    fill_unsynced(file, bytes, place)?;
    disk::sync(file)
}

/// Returns the same, to be synced later: a disk syncs many files in the time of one.
pub(super) fn fill_unsynced(file: &mut File, bytes: &[u8], place: &Path) -> io::Result<()> {
    disk::write(file, bytes)?;
    if let Ok(known) = place.metadata() {
        keep_owner(file, &known);
        file.set_permissions(known.permissions())?;
    }
    Ok(())
}

/// What root writes for somebody stays theirs; others cannot give files away.
#[cfg(unix)]
fn keep_owner(file: &File, known: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata().map(|own| (own.uid(), own.gid())).ok();
    if own != Some((known.uid(), known.gid())) {
        let _ = fchown(file, Some(known.uid()), Some(known.gid()));
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) {}

/// Removes temporary files that earlier runs left: those of our name that no process has locked.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = disk::remove(&path);
        }
    }
}

/// Gives a written file its name, on another file system too.
pub(super) fn put(from: &Path, to: &Path) -> io::Result<()> {
    match disk::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        done => return done,
    }
    let mut temporary = temporary(folder_of(to))?;
    fill(temporary.as_file_mut(), &fs::read(from)?, to)?;
    disk::persist(temporary, to)?;
    disk::remove(from)
}

/// Keeps a file under a second name: a link where there can be one, or a copy.
pub(super) fn keep(path: &Path, kept: &Path) -> io::Result<()> {
    if disk::link(path, kept).is_ok() {
        return Ok(());
    }
    let bytes = fs::read(path)?;
    fill(&mut disk::create(kept)?, &bytes, path)
}
