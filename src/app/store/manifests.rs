//! A folder of manifests, read file by file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{plain, read_text, write::settle};
use crate::{
    bounds,
    error::{Error, Place, Problem},
    manifest::Source,
};

/// Files that may hold manifests.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Returns every manifest below a folder in the order of their names, and the files that are no text. Hidden files and
/// folders are passed over.
///
/// # Errors
/// A folder that is not there or cannot be read, or holds no YAML and no JSON.
pub fn manifests(folder: &Path) -> Result<(Vec<Source>, Vec<Problem>), Error> {
    let mut found = Found::default();
    if folder.is_file() {
        let message = "is a file; name the folder that holds the manifests";
        return Err(Error::at(Place::file(&folder.display().to_string()), message));
    }
    walk(folder, bounds::FOLDER_DEPTH, &mut found)?;
    if found.sources.is_empty() && found.problems.is_empty() {
        let message = "holds no manifests: no file ends in .yaml, .yml or .json";
        return Err(Error::at(Place::file(&folder.display().to_string()), message));
    }
    Ok((found.sources, found.problems))
}

/// What a folder holds.
#[derive(Default)]
struct Found {
    sources: Vec<Source>,
    problems: Vec<Problem>,
    /// Folders that were read, by where they really are: a link may lead to one of them again.
    folders: BTreeMap<PathBuf, PathBuf>,
}

fn walk(folder: &Path, depth: usize, found: &mut Found) -> Result<(), Error> {
    let place = |path: &Path| Place::file(&path.display().to_string());
    let wrong = |error: &std::io::Error| Error::at(place(folder), plain(error));
    settle(folder)?;
    let real = fs::canonicalize(folder).map_err(|error| wrong(&error))?;
    if let Some(known) = found.folders.get(&real) {
        let message = format!("is the folder {} again; it is read once", known.display());
        found.problems.push(Problem::new(place(folder), message));
        return Ok(());
    }
    found.folders.insert(real, folder.to_owned());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| wrong(&error))? {
        paths.push(entry.map_err(|error| wrong(&error))?.path());
    }
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth == 0 {
                let message = format!(
                    "lies more than {} folders deep and is not read; give a folder nearer to it",
                    bounds::FOLDER_DEPTH
                );
                found.problems.push(Problem::new(place(&path), message));
            } else {
                walk(&path, depth - 1, found)?;
            }
        } else if ENDINGS.contains(&&*ending) {
            // Opening a pipe waits for a writer.
            let text = match fs::metadata(&path) {
                Ok(of) if !of.is_file() => Err(Error::at(
                    place(&path),
                    "is a pipe or a device, not a file; it is not read",
                )),
                Ok(_) => read_text(&path),
                Err(error) => Err(Error::at(place(&path), plain(&error))),
            };
            match text {
                Ok(text) => found.sources.push(Source { name: path.display().to_string(), text }),
                Err(error) => found.problems.extend_from_slice(error.problems()),
            }
        } else if path.is_symlink() && !path.exists() {
            let message = "is a broken or circular link; it is skipped";
            found.problems.push(Problem::new(place(&path), message));
        }
    }
    Ok(())
}
