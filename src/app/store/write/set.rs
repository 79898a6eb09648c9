//! Several files that belong together, in one folder or in folders below it.
//!
//! New files are written and synced in a folder `.runrate-set` next to their places, where the old ones get a second
//! name. Then a journal says what is about to happen; the files take their names; the journal is removed, and with it
//! all is done. As long as there is a journal, whoever reads or writes the folder next puts the old files back.
//!
//! # Limits
//! Between a kill and the next command that reads the folder, other programs may see files of both sets. A journal is
//! only obeyed within its folder: files outside, reached by symbolic links in it, are put back by the run that
//! failed, but not after a kill (who sends us a folder must not write elsewhere).

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{disk, file};
use crate::app::store::digest;

const STAGE: &str = ".runrate-set";
const JOURNAL: &str = "journal.json";

/// What a set does to its folder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Journal {
    changes: Vec<Change>,
    /// Folders that the set makes, outermost first.
    folders: Vec<String>,
}

/// One file; the number of its change names its old and new content in the stage.
#[derive(Debug, Serialize, Deserialize)]
struct Change {
    name: String,
    /// Digest of what is written; none where the file is removed.
    new: Option<String>,
    /// Whether there was such a file before.
    existed: bool,
}

/// How far links in a folder are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Anywhere,
    Inside,
}

fn old(stage: &Path, index: usize) -> PathBuf {
    stage.join(format!("old-{index}"))
}

fn new(stage: &Path, index: usize) -> PathBuf {
    stage.join(format!("new-{index}"))
}

/// Returns whether a set was stopped half-way, or is being written.
pub(super) fn is_open(folder: &Path) -> bool {
    let stage = folder.join(STAGE);
    stage.symlink_metadata().is_ok_and(|known| known.is_dir()) && stage.join(JOURNAL).exists()
}

/// A fault, and the file it is of.
pub(super) type Fault = (PathBuf, io::Error);

fn at(path: &Path) -> impl Fn(io::Error) -> Fault {
    let path = path.to_owned();
    move |error| (path.clone(), error)
}

/// Writes some files and removes others; the folder is there and locked, and no set in it is open.
pub(super) fn write<B: AsRef<[u8]>>(
    folder: &Path,
    files: &[(&str, B)],
    unwanted: &[String],
) -> Result<(), Fault> {
    let stage = folder.join(STAGE);
    clear(&stage).map_err(at(&stage))?;
    let journal = match prepare(folder, &stage, files, unwanted) {
        Ok(journal) => journal,
        Err(fault) => {
            let _ = clear(&stage);
            return Err(fault);
        }
    };
    let done = open(&stage, &journal).map_err(at(folder)).and_then(|()| {
        apply(folder, &stage, &journal)?;
        disk::remove(&stage.join(JOURNAL)).map_err(at(folder))
    });
    if let Err(fault) = done {
        let (path, error) = fault;
        // Where this fails too, the journal stays.
        if undo_to(folder, Reach::Anywhere).is_err() {
            let later = "the next command that reads the folder puts the old files back";
            return Err((path, io::Error::other(format!("{error}; {later}"))));
        }
        return Err((path, error));
    }
    // The set is written. Without this it may be the old one again after the power has failed; what is left in the
    // stage goes at the next run.
    let _ = disk::sync_folder(&stage);
    let _ = clear(&stage);
    Ok(())
}

fn prepare<B: AsRef<[u8]>>(
    folder: &Path,
    stage: &Path,
    files: &[(&str, B)],
    unwanted: &[String],
) -> Result<Journal, Fault> {
    disk::create_folder(stage).map_err(at(folder))?;
    let mut journal = Journal::default();
    let mut folders = BTreeSet::new();
    let written = files.iter().map(|(name, bytes)| (*name, Some(bytes.as_ref())));
    let removed = unwanted.iter().map(|name| (&**name, None));
    for (index, (name, bytes)) in written.chain(removed).enumerate() {
        let path = folder.join(name);
        let wrong = at(&path);
        let place =
            if bytes.is_some() { file::target(&path).map_err(&wrong)? } else { path.clone() };
        if let Some(bytes) = bytes {
            file::check(&place).map_err(&wrong)?;
            disk::create(&new(stage, index))
                .and_then(|mut staged| file::fill_unsynced(&mut staged, bytes, &place))
                .map_err(&wrong)?;
        }
        let existed = place.symlink_metadata().is_ok();
        if existed {
            file::keep(&place, &old(stage, index)).map_err(&wrong)?;
        }
        let parents = Path::new(name).ancestors().skip(1);
        let parents = parents.filter(|parent| !parent.as_os_str().is_empty());
        folders.extend(parents.filter(|parent| !folder.join(parent).exists()).map(Path::to_owned));
        journal.changes.push(Change { name: name.to_owned(), new: bytes.map(digest), existed });
    }
    for index in 0..files.len() {
        let staged = new(stage, index);
        let file = fs::OpenOptions::new().write(true).open(&staged);
        file.and_then(|file| disk::sync(&file)).map_err(at(&staged))?;
    }
    // A folder sorts before what is in it.
    journal.folders = folders.iter().map(|path| path.display().to_string()).collect();
    Ok(journal)
}

/// Writes the journal: from here on the set is open.
fn open(stage: &Path, journal: &Journal) -> io::Result<()> {
    let draft = stage.join("draft.json");
    let text = serde_json::to_vec(journal)?;
    file::fill(&mut disk::create(&draft)?, &text, &draft)?;
    disk::sync_folder(stage)?;
    disk::sync_folder(file::folder_of(stage))?;
    disk::rename(&draft, &stage.join(JOURNAL))?;
    disk::sync_folder(stage)
}

fn apply(folder: &Path, stage: &Path, journal: &Journal) -> Result<(), Fault> {
    let mut changed = BTreeSet::from([folder.to_owned()]);
    for name in &journal.folders {
        let path = folder.join(name);
        disk::create_folder(&path).map_err(at(&path))?;
        changed.insert(file::folder_of(&path).to_owned());
    }
    for (index, change) in journal.changes.iter().enumerate() {
        let path = folder.join(&change.name);
        let wrong = at(&path);
        let place = if change.new.is_some() {
            let target = file::target(&path).map_err(&wrong)?;
            file::put(&new(stage, index), &target).map_err(&wrong)?;
            target
        } else {
            disk::remove(&path).map_err(&wrong)?;
            path.clone()
        };
        changed.insert(file::folder_of(&place).to_owned());
    }
    changed.iter().try_for_each(|folder| disk::sync_folder(folder).map_err(at(folder)))
}

/// Puts the old files back where a set is open; it may itself be stopped, and run again. The folder is locked.
pub(super) fn undo(folder: &Path) -> io::Result<()> {
    undo_to(folder, Reach::Inside)
}

fn undo_to(folder: &Path, reach: Reach) -> io::Result<()> {
    let stage = folder.join(STAGE);
    if !is_open(folder) {
        return clear(&stage);
    }
    let journal: Journal = serde_json::from_slice(&fs::read(stage.join(JOURNAL))?)?;
    let base = fs::canonicalize(folder)?;
    let mut changed = BTreeSet::from([folder.to_owned()]);
    for (index, change) in journal.changes.iter().enumerate() {
        let Some(place) = place(&base, &change.name, change.new.is_some(), reach) else { continue };
        let kept = old(&stage, index);
        let found = fs::read(&place).ok().map(|bytes| digest(&bytes));
        // What somebody else has written since then is theirs.
        if found.is_some() && found != change.new {
            continue;
        }
        if change.existed && kept.symlink_metadata().is_ok() {
            file::put(&kept, &place)?;
        } else if !change.existed && found.is_some() {
            disk::remove(&place)?;
        }
        changed.insert(file::folder_of(&place).to_owned());
    }
    for name in journal.folders.iter().rev().filter(|name| is_below(name)) {
        // One that holds something else stays.
        let _ = disk::remove_folder(&folder.join(name));
    }
    for folder in changed.iter().filter(|folder| folder.is_dir()) {
        disk::sync_folder(folder)?;
    }
    disk::remove(&stage.join(JOURNAL))?;
    disk::sync_folder(&stage)?;
    clear(&stage)
}

fn is_below(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Returns the file that a change is of; none where it is out of reach.
fn place(base: &Path, name: &str, follow: bool, reach: Reach) -> Option<PathBuf> {
    let path = base.join(name);
    let place = if follow { file::target(&path).ok()? } else { path };
    let folder = fs::canonicalize(file::folder_of(&place)).ok()?;
    (reach == Reach::Anywhere || (is_below(name) && folder.starts_with(base))).then_some(place)
}

/// Removes the stage of a set that is not open. It holds files alone.
fn clear(stage: &Path) -> io::Result<()> {
    match stage.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(known) if !known.is_dir() => return disk::remove(stage),
        Ok(_) => {}
    }
    for entry in fs::read_dir(stage)? {
        disk::remove(&entry?.path())?;
    }
    disk::remove_folder(stage)
}
