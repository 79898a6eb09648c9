//! The price book on disk: files replaced together with their manifest.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use super::{Listed, PRICES, PriceSource, digest, plain, price_manifest, write_folder};
use crate::error::{Error, Place};

/// What the manifest says of itself.
const HEAD: &str = "# Digests of the data files beside this one, checked when a file is loaded.\n\
    # Written by pricing-cache/import.py or `runrate prices`; do not edit by hand.\n";

/// The book of a folder, or the built-in one where the folder has none yet.
pub fn book_at(folder: &Path) -> PriceSource {
    if folder.join("manifest.toml").exists() {
        PriceSource::Folder(folder.to_owned())
    } else {
        PriceSource::Embedded
    }
}

/// Puts changed files into a folder's book, all of them and the manifest or none; a folder that has no book
/// gets the built-in one with the changes in it. Gives the number of files written.
///
/// # Errors
/// A folder that cannot be written; a file of the book that has changed unnoticed.
pub fn save_prices(folder: &Path, changed: &BTreeMap<String, String>) -> Result<usize, Error> {
    let source = book_at(folder);
    let manifest = price_manifest(&source)?;
    let whole = matches!(source, PriceSource::Embedded);
    let mut files: BTreeMap<&str, (Listed, Option<String>)> = BTreeMap::new();
    for listed in &manifest.files {
        let text = whole.then(|| manifest.text(&PRICES, &listed.path)).transpose()?;
        files.insert(&listed.path, (listed.clone(), text));
    }
    for (path, text) in changed {
        files.insert(path, (listed(path, text), Some(text.clone())));
    }
    let mut index = HEAD.to_owned();
    for (listed, _) in files.values() {
        let Listed { path, sha256, rows, oldest, newest } = listed;
        let _ =
            write!(index, "\n[[file]]\npath = \"{path}\"\nsha256 = \"{sha256}\"\nrows = {rows}\n");
        if !oldest.is_empty() {
            let _ = write!(index, "oldest = \"{oldest}\"\nnewest = \"{newest}\"\n");
        }
    }
    let mut written: Vec<(&str, Vec<u8>)> = Vec::new();
    for (path, (_, text)) in files {
        let Some(text) = text else { continue };
        if let Some(parent) = folder.join(path).parent() {
            fs::create_dir_all(parent).map_err(|error| {
                let place = Place::file(&parent.display().to_string());
                Error::at(place, format!("cannot be made: {}", plain(&error)))
            })?;
        }
        written.push((path, text.into_bytes()));
    }
    // The manifest last: until it stands, the files are not believed.
    written.push(("manifest.toml", index.into_bytes()));
    write_folder(folder, &written)?;
    Ok(written.len() - 1)
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
    use crate::store::load_prices;

    #[test]
    fn a_folder_without_a_book_gets_the_built_in_one_with_the_changes() {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("book");
        let manifest = price_manifest(&PriceSource::Embedded).unwrap();
        let path = "us-east-1/AWSELB.csv";
        let text = manifest.text(&PRICES, path).unwrap().replace("0.0225", "0.0333");
        let changed = BTreeMap::from([(path.to_owned(), text)]);
        assert_eq!(save_prices(&book, &changed).unwrap(), manifest.files.len());
        // Every digest is checked as it is read, and what did not change is listed as before.
        let saved = price_manifest(&book_at(&book)).unwrap();
        load_prices(&saved, None).unwrap();
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
        assert_eq!(save_prices(&book, &changed).unwrap(), 1);
    }
}
