//! Bills on disk: exports in, months of a bill out, one JSON file a month.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, Cursor, Read, Seek},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use super::{
    plain, read_text, text_of,
    write::{folder_of, reading, settle, write_folder},
};
use crate::{
    bills::actuals::{self, MonthBill, answer, layout::Billing, redact::KEY_BYTES, text},
    bounds,
    error::{
        Error, Place,
        file_kind::{FileKind, START_BYTES},
        guard,
    },
    measure::calendar::Month,
};

/// An export, and the account of its lines that name none.
#[derive(Debug, Clone, Copy)]
pub struct BillFile<'a> {
    /// The file.
    pub path: &'a Path,
    /// The account.
    pub account: Option<&'a str>,
}

/// What a bill is, for errors.
const EXPORT: &str = "a bill export: CUR, FOCUS, CSV or JSON of Cost Explorer, or plain CSV";

/// Reads exports, and parts of one bill, and returns its months.
///
/// # Errors
/// A file that is not there or is no export; parts in different currencies.
pub fn import_bills(
    paths: &[impl AsRef<Path>],
    billing: &Billing,
    read_at: &str,
) -> Result<Vec<MonthBill>, Error> {
    let files: Vec<BillFile<'_>> =
        paths.iter().map(|path| BillFile { path: path.as_ref(), account: None }).collect();
    import_bill_files(&files, billing, (read_at, bounds::SKIPPED_SHARE))
}

/// Reads exports as [`import_bills`] does, and gives lines without an account the one of their file. At most a
/// share of each file's rows may be unusable.
///
/// # Errors
/// As [`import_bills`]; an account for a file whose lines all name one; too many unusable rows.
pub fn import_bill_files(
    files: &[BillFile<'_>],
    billing: &Billing,
    (read_at, most_skipped): (&str, f64),
) -> Result<Vec<MonthBill>, Error> {
    let mut seen = Vec::new();
    for path in files.iter().map(|file| file.path) {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if seen.contains(&real) {
            let place = Place::file(&path.display().to_string());
            return Err(Error::at(place, "is given twice; its rows would be counted twice"));
        }
        seen.push(real);
    }
    let mut months: BTreeMap<Month, MonthBill> = BTreeMap::new();
    for BillFile { path, account } in files {
        let mut read = read_bill(path, billing, read_at)?;
        check_skipped(path, &read, most_skipped)?;
        if let Some(account) = account {
            let set = read.iter_mut().map(|bill| bill.set_account(account));
            if set.filter(|any| *any).count() == 0 {
                let message = format!(
                    "names the account of each line, so --account {account} has no effect; remove it"
                );
                return Err(Error::at(Place::file(&path.display().to_string()), message));
            }
        }
        for bill in read {
            match months.get_mut(&bill.month) {
                Some(known) => known.add(bill).map_err(|message| {
                    Error::at(Place::file(&path.display().to_string()), message)
                })?,
                None => {
                    months.insert(bill.month, bill);
                }
            }
        }
    }
    Ok(months.into_values().collect())
}

/// Refuses a file with too many unusable rows: its sums would look like a bill.
fn check_skipped(path: &Path, bills: &[MonthBill], most: f64) -> Result<(), Error> {
    let share = actuals::skipped_share(bills);
    if share <= most {
        return Ok(());
    }
    let asides = bills.iter().flat_map(|bill| &bill.set_aside);
    let reasons: Vec<String> = asides
        .take(bounds::PLACES)
        .map(|aside| format!("{} × {} ({})", aside.rows, aside.reason, aside.first))
        .collect();
    let message = format!(
        "{:.1} % of the rows are unusable (limit {:.1} %): {}. Nothing was imported; correct the rows, or accept them with `runrate actuals import --max-skipped {}%`",
        share * 100.0,
        most * 100.0,
        reasons.join("; "),
        (share * 100.0).ceil()
    );
    Err(Error::at(Place::file(&path.display().to_string()), message))
}

fn read_bill(path: &Path, billing: &Billing, read_at: &str) -> Result<Vec<MonthBill>, Error> {
    let name = path.display().to_string();
    let wrong = |error: &std::io::Error| Error::at(Place::file(&name), plain(error));
    settle(folder_of(path))?;
    let mut file = File::open(path).map_err(|error| wrong(&error))?;
    let mut magic = Vec::new();
    file.by_ref()
        .take(START_BYTES as u64)
        .read_to_end(&mut magic)
        .map_err(|error| wrong(&error))?;
    let known = FileKind::of(&magic);
    // A pipe is read once, from front to end.
    let length = file.metadata().ok().filter(fs::Metadata::is_file).map(|of| of.len());
    if length.is_some() {
        file.rewind().map_err(|error| wrong(&error))?;
    } else if matches!(known, Some(FileKind::Parquet | FileKind::Gzip)) {
        let message = "is a pipe, and Parquet and gzip are read from files; save it to a file, or pipe the text that `gunzip -c` writes";
        return Err(Error::at(Place::file(&name), message));
    }
    if known == Some(FileKind::Parquet) {
        return guard::catch(&name, || parquet(path, &mut file, billing, read_at));
    }
    if known == Some(FileKind::Gzip) {
        let most = (length.unwrap_or(0) * bounds::ARCHIVE_RATIO).max(bounds::ARCHIVE_BYTES);
        let message = format!(
            "the archive unpacks to more than {} times its size; unpack it with gunzip and import the file if it is a bill",
            bounds::ARCHIVE_RATIO
        );
        let text = MultiGzDecoder::new(BufReader::new(file));
        let text = bounds::Bounded::new(text, most, message);
        return text::read(&name, text, billing, read_at);
    }
    if known == Some(FileKind::Zip) {
        let message = "is a zip archive; unpack it and import the files in it";
        return Err(Error::at(Place::file(&name), message));
    }
    FileKind::check(&name, &magic, &[FileKind::Csv, FileKind::Json], EXPORT)?;
    if magic.trim_ascii_start().starts_with(b"{") {
        let text = if length.is_some() {
            text_of(file, &name)?
        } else {
            text_of(Cursor::new(magic).chain(file), &name)?
        };
        return answer::read(&name, &text, billing, read_at);
    }
    if length.is_none() {
        return text::read(&name, Cursor::new(magic).chain(file), billing, read_at);
    }
    if let Some(bills) = text::read_lines(&name, &mut file, billing, read_at) {
        return bills;
    }
    file.rewind().map_err(|error| wrong(&error))?;
    text::read(&name, file, billing, read_at)
}

#[cfg(feature = "polars")]
fn parquet(
    path: &Path,
    file: &mut File,
    billing: &Billing,
    read_at: &str,
) -> Result<Vec<MonthBill>, Error> {
    actuals::columnar::read_parquet(path, file, billing, read_at)
}

#[cfg(not(feature = "polars"))]
fn parquet(path: &Path, _: &mut File, _: &Billing, _: &str) -> Result<Vec<MonthBill>, Error> {
    let message = "is Parquet, which this build does not read: build it with the feature `polars`";
    Err(Error::at(Place::file(&path.display().to_string()), message))
}

/// Months of a bill that a folder keeps, and where they came from; their lines are not looked at.
///
/// # Errors
/// A folder or a file that cannot be read.
pub fn kept_months(folder: &Path) -> Result<Vec<(Month, String)>, Error> {
    #[derive(serde::Deserialize)]
    struct Head {
        month: Month,
        source: String,
    }
    let head = |(path, _): (PathBuf, Month)| {
        let head: Head = serde_json::from_str(&read_text(&path)?).map_err(|error| {
            let place = Place::file(&path.display().to_string());
            Error::at(place, format!("is not a month of a bill: {error}"))
        })?;
        Ok((head.month, head.source))
    };
    let _lock = reading(folder)?;
    bill_files(folder)?.into_iter().map(head).collect()
}

/// Writes months of a bill, each as `2027-01.json`; what was there of these months is replaced.
///
/// # Errors
/// A folder that cannot be written.
pub fn save_bills(folder: &Path, bills: &[MonthBill]) -> Result<(), Error> {
    let mut names = Vec::new();
    for bill in bills {
        let mut text = serde_json::to_vec_pretty(bill).map_err(|error| {
            Error::io(Place::file(&folder.display().to_string()), error.to_string())
        })?;
        text.push(b'\n');
        names.push((format!("{}.json", bill.month), text));
    }
    write_folder(folder, &names, &[])
}

/// File of the key of a folder's pseudonyms.
pub const REDACTION_KEY: &str = "redaction.key";

/// Reads the key of a folder's pseudonyms; none if the folder has no such file.
///
/// # Errors
/// A file that is no key.
pub fn redaction_key(folder: &Path) -> Result<Option<[u8; KEY_BYTES]>, Error> {
    let path = folder.join(REDACTION_KEY);
    if fs::exists(&path).is_ok_and(|there| !there) {
        return Ok(None);
    }
    let text = read_text(&path)?;
    let number = Some(text.trim()).filter(|text| text.len() == 2 * KEY_BYTES);
    let key = number.and_then(|text| u128::from_str_radix(text, 16).ok());
    key.map(|key| Some(key.to_be_bytes())).ok_or_else(|| {
        let message = format!(
            "is not a redaction key of {} hexadecimal digits; restore it, or remove it and import all months again under new pseudonyms",
            2 * KEY_BYTES
        );
        Error::at(Place::file(&path.display().to_string()), message)
    })
}

/// Writes the key of a folder's pseudonyms, for its owner alone, unless there is one; the one that is then there.
///
/// # Errors
/// A folder that cannot be written; a file that is no key.
pub fn keep_redaction_key(folder: &Path, key: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], Error> {
    let path = folder.join(REDACTION_KEY);
    let wrong = |error: &std::io::Error| {
        let message = format!("cannot be written: {}", plain(error));
        Error::io(Place::file(&path.display().to_string()), message)
    };
    fs::create_dir_all(folder).map_err(|error| wrong(&error))?;
    // A temporary file is its owner's alone.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| wrong(&error))?;
    let digits = u128::from_be_bytes(key);
    let text = format!("{digits:032x}\n");
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| wrong(&error))?;
    file.as_file().sync_all().map_err(|error| wrong(&error))?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(key),
        // Another run was faster: an account has one pseudonym in a folder.
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(redaction_key(folder)?.unwrap_or(key))
        }
        Err(error) => Err(wrong(&error.error)),
    }
}

/// Returns the months of a bill that a folder holds, in order; none when there is no such folder.
///
/// # Errors
/// A file that is not a month of a bill.
pub fn load_bills(folder: &Path) -> Result<Vec<MonthBill>, Error> {
    let billing = super::model::<Billing>()?;
    let mut bills = Vec::new();
    let _lock = reading(folder)?;
    for (path, month) in bill_files(folder)? {
        let place = || Place::file(&path.display().to_string());
        let mut bill: MonthBill = serde_json::from_str(&read_text(&path)?)
            .map_err(|error| Error::at(place(), format!("is not a month of a bill: {error}")))?;
        if bill.month != month || bill.schema != actuals::SCHEMA {
            let message =
                format!("holds {} in schema {}; import or pull it again", bill.month, bill.schema);
            return Err(Error::at(place(), message));
        }
        bill.classify(&billing);
        bills.push(bill);
    }
    Ok(bills)
}

/// Returns the files of a folder that are months of a bill.
fn bill_files(folder: &Path) -> Result<Vec<(PathBuf, Month)>, Error> {
    let wrong = |error: &std::io::Error| {
        Error::at(Place::file(&folder.display().to_string()), plain(error))
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(&error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| wrong(&error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let month = name.as_deref().and_then(|name| name.strip_suffix(".json"));
        if let Some(month) = month.and_then(|name| name.parse::<Month>().ok()) {
            files.push((path, month));
        }
    }
    files.sort_by_key(|(_, month)| *month);
    Ok(files)
}
