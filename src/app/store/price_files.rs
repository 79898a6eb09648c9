//! The price book on disk: files replaced together with their manifest.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use rayon::prelude::*;

use super::{
    Listed, Manifest, PRICES, PriceSource, digest, price_manifest, price_manifest_unlocked,
    write::{Writing, settle},
};
use crate::error::{Error, Place, Problem};

/// What the manifest says of itself.
const HEAD: &str = "# Digests of the data files beside this one, checked when a file is loaded.\n\
    # Written by pricing-cache/import.py or `runrate prices`; do not edit by hand.\n";

/// Returns the book of a folder, or the built-in one where the folder has none yet.
///
/// # Errors
/// A folder in which an earlier run was stopped, and that cannot be put right.
pub fn book_at(folder: &Path) -> Result<PriceSource, Error> {
    settle(folder)?;
    Ok(if folder.join("manifest.toml").exists() {
        PriceSource::Folder(folder.to_owned())
    } else {
        PriceSource::Embedded
    })
}

/// Puts changed files into a folder's book, all of them and the manifest or none; a folder that has no book
/// gets the built-in one with the changes in it. `read` is the book that the changes were made from. Gives the
/// number of files written.
///
/// # Errors
/// A folder that cannot be written; a file that another run has renewed since it was read.
pub fn save_prices(
    folder: &Path,
    read: &Manifest,
    changed: &BTreeMap<String, String>,
) -> Result<usize, Error> {
    let writing = Writing::begin(folder)?;
    let source = book_at(folder)?;
    // This run has the lock.
    let manifest = price_manifest_unlocked(&source)?;
    let renewed = |path: &&String| {
        let now = manifest.sha256_of(path);
        now != read.sha256_of(path) && now != Some(&digest(changed[*path].as_bytes()))
    };
    if let Some(path) = changed.keys().find(renewed) {
        let place = Place::file(&folder.join(path).display().to_string());
        let message = "another run has renewed this file since it was read; nothing was written. Run the command again";
        return Err(Error::io(place, message));
    }
    let whole = matches!(source, PriceSource::Embedded);
    let mut files: BTreeMap<String, (Listed, Option<String>)> = BTreeMap::new();
    for known in &manifest.files {
        let text = whole.then(|| manifest.text(&PRICES, &known.path)).transpose()?;
        files.insert(known.path.clone(), (known.clone(), text));
    }
    for (path, text) in changed {
        files.insert(path.clone(), (listed(path, text), Some(text.clone())));
    }
    save(writing, &files)
}

/// Writes the files that have a text, and a manifest of all.
fn save(
    writing: Writing<'_>,
    files: &BTreeMap<String, (Listed, Option<String>)>,
) -> Result<usize, Error> {
    let mut index = HEAD.to_owned();
    for (listed, _) in files.values() {
        let Listed { path, sha256, rows, oldest, newest } = listed;
        let _ =
            write!(index, "\n[[file]]\npath = \"{path}\"\nsha256 = \"{sha256}\"\nrows = {rows}\n");
        if !oldest.is_empty() {
            let _ = write!(index, "oldest = \"{oldest}\"\nnewest = \"{newest}\"\n");
        }
    }
    let texts = files.iter().filter_map(|(path, (_, text))| Some((&**path, text.as_ref()?)));
    let mut written: Vec<(&str, &[u8])> =
        texts.map(|(path, text)| (path, text.as_bytes())).collect();
    written.push(("manifest.toml", index.as_bytes()));
    writing.write(&written, &[])?;
    Ok(written.len() - 1)
}

/// Files of a book that are missing or have changed since the manifest was written, and what is wrong with each.
pub fn broken_prices(manifest: &Manifest) -> Vec<Problem> {
    let check = |listed: &Listed| manifest.text(&PRICES, &listed.path).err();
    let errors: Vec<Error> = manifest.files.par_iter().filter_map(check).collect();
    errors.iter().flat_map(|error| error.problems().to_vec()).collect()
}

/// Replaces the broken files of a folder's book by those of the built-in book, and drops those that it does not
/// have. A manifest that cannot be read makes all of them broken. Gives the files replaced or dropped.
///
/// # Errors
/// A folder that cannot be written.
pub fn repair_prices(folder: &Path) -> Result<Vec<String>, Error> {
    if matches!(book_at(folder)?, PriceSource::Embedded) {
        return Ok(Vec::new());
    }
    let writing = Writing::begin(folder)?;
    let built_in = price_manifest(&PriceSource::Embedded)?;
    let found = price_manifest_unlocked(&PriceSource::Folder(folder.to_owned())).ok();
    let mut files = BTreeMap::new();
    let mut repaired = Vec::new();
    if found.is_none() {
        repaired.push("manifest.toml".to_owned());
    }
    for known in found.as_ref().map_or(&built_in.files, |found| &found.files) {
        let path = known.path.clone();
        if found.as_ref().is_some_and(|found| found.text(&PRICES, &path).is_ok()) {
            files.insert(path, (known.clone(), None));
            continue;
        }
        if let Some(listed) = built_in.files.iter().find(|listed| listed.path == path) {
            let text = built_in.text(&PRICES, &path)?;
            files.insert(path.clone(), (listed.clone(), Some(text)));
        }
        repaired.push(path);
    }
    if !repaired.is_empty() {
        save(writing, &files)?;
    }
    Ok(repaired)
}

fn listed(path: &str, text: &str) -> Listed {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let column =
        reader.headers().ok().and_then(|header| header.iter().position(|name| name == "as_of"));
    let mut days: Vec<String> = Vec::new();
    let mut rows = 0;
    for record in reader.records().flatten() {
        rows += 1;
        let day = column.and_then(|column| record.get(column)).unwrap_or_default();
        if !day.is_empty() {
            days.push(day.to_owned());
        }
    }
    days.sort_unstable();
    Listed {
        path: path.to_owned(),
        sha256: digest(text.as_bytes()),
        rows,
        oldest: days.first().cloned().unwrap_or_default(),
        newest: days.last().cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::store::load_prices;

    #[test]
    fn a_folder_without_a_book_gets_the_built_in_one_with_the_changes() {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("book");
        let manifest = price_manifest(&PriceSource::Embedded).unwrap();
        let path = "us-east-1/AWSELB.csv";
        let text = manifest.text(&PRICES, path).unwrap().replace("0.0225", "0.0333");
        let changed = BTreeMap::from([(path.to_owned(), text)]);
        assert_eq!(save_prices(&book, &manifest, &changed).unwrap(), manifest.files.len());
        // Every digest is checked as it is read, and what did not change is listed as before.
        let mut saved = price_manifest(&book_at(&book).unwrap()).unwrap();
        load_prices(&saved, None).unwrap();
        saved.unlock();
        let differ: Vec<&str> = saved
            .files
            .iter()
            .zip(&manifest.files)
            .filter(|(new, old)| {
                (&new.sha256, new.rows, &new.newest) != (&old.sha256, old.rows, &old.newest)
            })
            .map(|(new, _)| new.path.as_str())
            .collect();
        assert_eq!(differ, [path]);
        // The second time only the file and the manifest are written.
        assert_eq!(save_prices(&book, &manifest, &changed).unwrap(), 1);
        // Who read the book before that would undo it without a word.
        let other = BTreeMap::from([(path.to_owned(), "another\n".to_owned())]);
        let error = save_prices(&book, &manifest, &other).unwrap_err();
        assert!(error.to_string().contains("another run has renewed"), "{error}");
        assert_eq!(save_prices(&book, &saved, &other).unwrap(), 1);
    }

    #[test]
    fn a_broken_book_is_found_and_repaired() {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("book");
        assert!(repair_prices(&book).unwrap().is_empty() && !book.exists());
        let manifest = price_manifest(&PriceSource::Embedded).unwrap();
        save_prices(&book, &manifest, &BTreeMap::new()).unwrap();
        let check = || {
            let found = price_manifest(&book_at(&book).unwrap()).unwrap();
            (broken_prices(&found).len(), found.sha256.clone())
        };
        let whole = check();
        assert_eq!(whole.0, 0);
        std::fs::write(book.join("us-east-1/AWSELB.csv"), "newer than the manifest").unwrap();
        std::fs::remove_file(book.join("global/AWSSupport.csv")).unwrap();
        assert_eq!(check().0, 2);
        let repaired = repair_prices(&book).unwrap();
        assert_eq!(repaired, ["global/AWSSupport.csv", "us-east-1/AWSELB.csv"]);
        assert_eq!(check(), whole);
        std::fs::write(book.join("manifest.toml"), "[[file]\n").unwrap();
        assert!(repair_prices(&book).unwrap().contains(&"manifest.toml".to_owned()));
        assert_eq!(check(), whole);
    }
}
