//! A folder of manifests, read file by file.

use std::{fs, path::Path};

use super::{MODELS, Manifest, PriceSource, plain, write::settle};
use crate::{
    error::{Error, Place, Problem},
    manifest::{Facts, Source},
};

/// Files that may hold manifests.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// Folders below each other; a link in a circle ends here.
const DEPTH: usize = 32;

/// Every manifest below a folder in the order of their names, and the files that are no text. Hidden files
/// and folders are passed over.
///
/// # Errors
/// A folder that is not there or cannot be read, or holds no YAML and no JSON.
pub fn manifests(folder: &Path) -> Result<(Vec<Source>, Vec<Problem>), Error> {
    let mut found = (Vec::new(), Vec::new());
    if folder.is_file() {
        let message = "is a file; name the folder that holds the manifests";
        return Err(Error::at(Place::file(&folder.display().to_string()), message));
    }
    walk(folder, DEPTH, &mut found)?;
    if found.0.is_empty() && found.1.is_empty() {
        let message = "holds no manifests: no file ends in .yaml, .yml or .json";
        return Err(Error::at(Place::file(&folder.display().to_string()), message));
    }
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut (Vec<Source>, Vec<Problem>)) -> Result<(), Error> {
    let place = |path: &Path| Place::file(&path.display().to_string());
    let wrong = |error: &std::io::Error| Error::at(place(folder), plain(error));
    settle(folder)?;
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
                found.1.push(Problem::new(place(&path), "lies too deep; it is not read"));
            } else {
                walk(&path, depth - 1, found)?;
            }
        } else if ENDINGS.contains(&&*ending) {
            match fs::read(&path).map(String::from_utf8) {
                Ok(Ok(text)) => found.0.push(Source { name: path.display().to_string(), text }),
                Ok(Err(_)) => found.1.push(Problem::new(place(&path), "is not UTF-8 text")),
                Err(error) => found.1.push(Problem::new(place(&path), plain(&error))),
            }
        }
    }
    Ok(())
}

/// What is known of other people's manifests.
///
/// # Errors
/// A fault of the build: a file that does not match its manifest.
pub fn manifest_facts() -> Result<Facts, Error> {
    let models = Manifest::open(&PriceSource::Embedded, &MODELS, "models")?;
    toml::from_str(&models.text(&MODELS, "manifests.toml")?)
        .map_err(|error| Error::at(Place::file("models/manifests.toml"), error.to_string()))
}
