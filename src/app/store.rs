//! The only module that reads and writes files.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    bounds,
    error::{
        Error, Place,
        file_kind::{FileKind, START_BYTES},
    },
    facts::{
        commitment_rates::Rates,
        model::Model,
        prices::{GLOBAL, PriceBook, Table},
        shapes::Catalog,
    },
    intent::scenario::Scenario,
    measure::series::{Gaps, Series},
    plan::{
        NotModelled, Plan,
        simulate::{Facts, Inputs},
    },
};

mod bills;
mod manifests;
mod packed;
mod price_files;
#[cfg(feature = "serve")]
mod rewrite;
mod write;

/// How files of commitment prices end.
const COMMITMENTS: &str = ".commitments.csv";
/// How files of no-upfront rates end.
const NO_UPFRONT: &str = ".no_upfront.csv";

use self::packed::{MODELS, PRICES, Packed};
#[cfg(feature = "serve")]
pub use self::rewrite::rewrite;
pub use self::{
    bills::{
        BillFile, REDACTION_KEY, import_bill_files, import_bills, keep_redaction_key, kept_months,
        load_bills, redaction_key, save_bills,
    },
    manifests::manifests,
    price_files::{book_at, broken_prices, repair_prices, save_prices},
    write::{write_file, write_folder},
};

/// Where the price book is read from.
#[derive(Debug, Clone)]
pub enum PriceSource {
    /// The book inside the program.
    Embedded,
    /// A folder of the same form.
    Folder(PathBuf),
}

/// One file of a manifest.
#[derive(Debug, Clone, Deserialize)]
pub struct Listed {
    /// Path below the manifest.
    pub path: String,
    /// Digest.
    pub sha256: String,
    /// Rows of data.
    #[serde(default)]
    pub rows: usize,
    /// Oldest date of a row.
    #[serde(default)]
    pub oldest: String,
    /// Newest date of a row.
    #[serde(default)]
    pub newest: String,
}

#[derive(Debug, Deserialize)]
struct ManifestText {
    #[serde(rename = "file", default)]
    files: Vec<Listed>,
}

/// A folder of facts with its digests.
#[derive(Debug)]
pub struct Manifest {
    source: PriceSource,
    name: String,
    /// Its files, by path.
    pub files: Vec<Listed>,
    /// Digest of the manifest.
    pub sha256: String,
    /// Nobody writes the files while they are read.
    lock: Option<write::Lock>,
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Manifest {
    fn open(source: &PriceSource, embedded: &Packed, name: &str) -> Result<Self, Error> {
        let name = match source {
            PriceSource::Embedded => name.to_owned(),
            PriceSource::Folder(folder) => folder.display().to_string(),
        };
        let text = read_from(source, embedded, &name, "manifest.toml")?;
        let file = format!("{name}/manifest.toml");
        let parsed: ManifestText = toml::from_str(&text)
            .map_err(|error| Error::at(Place::file(&file), error.message().to_owned()))?;
        Ok(Self {
            source: source.clone(),
            name,
            files: parsed.files,
            sha256: digest(text.as_bytes()),
            lock: None,
        })
    }

    /// Lets others write the files: what is read from now on may be newer than the manifest.
    pub fn unlock(&mut self) {
        self.lock = None;
    }

    /// Returns the digest that it gives a file.
    fn sha256_of(&self, path: &str) -> Option<&String> {
        self.files.iter().find(|listed| listed.path == path).map(|listed| &listed.sha256)
    }

    /// One file's text, its digest checked.
    fn text(&self, embedded: &Packed, path: &str) -> Result<String, Error> {
        let text = read_from(&self.source, embedded, &self.name, path)?;
        self.checked(path, text)
    }

    /// Returns the text of a file that has the digest of the manifest.
    fn checked(&self, path: &str, text: String) -> Result<String, Error> {
        let file = format!("{}/{path}", self.name);
        let Some(listed) = self.files.iter().find(|listed| listed.path == path) else {
            return Err(Error::at(Place::file(&file), "is not listed in manifest.toml"));
        };
        let found = digest(text.as_bytes());
        if found != listed.sha256 {
            let message = format!(
                "has changed: its sha256 is {found}, the manifest says {}; run `python3 pricing-cache/import.py --manifests` if that is meant, `runrate prices refresh --repair` if not",
                listed.sha256
            );
            return Err(Error::at(Place::file(&file), message));
        }
        Ok(text)
    }
}

fn read_from(
    source: &PriceSource,
    embedded: &Packed,
    name: &str,
    path: &str,
) -> Result<String, Error> {
    let place = || Place::file(&format!("{name}/{path}"));
    match source {
        PriceSource::Embedded => {
            embedded.text(path).ok_or_else(|| Error::failed(place(), "is not in the program"))
        }
        PriceSource::Folder(folder) => read_text(&folder.join(path)),
    }
}

/// File of the instance types of a region, next to its prices.
pub const INSTANCE_TYPES: &str = "AmazonEC2.instance_types.csv";

/// Returns the price book's manifest.
///
/// # Errors
/// A folder without a manifest, or a manifest that cannot be read.
pub fn price_manifest(source: &PriceSource) -> Result<Manifest, Error> {
    let lock = match source {
        PriceSource::Embedded => None,
        PriceSource::Folder(folder) => Some(write::reading(folder)?),
    };
    Ok(Manifest { lock, ..price_manifest_unlocked(source)? })
}

fn price_manifest_unlocked(source: &PriceSource) -> Result<Manifest, Error> {
    Manifest::open(source, &PRICES, "pricing-cache")
}

/// Returns the path of a region's file of commitments of a service.
pub fn commitments_file(region: &str, service: &str) -> String {
    format!("{region}/{service}{COMMITMENTS}")
}

/// Returns the text of a file of the price book; none where the book has no such file.
///
/// # Errors
/// A file that cannot be read or has changed since the manifest was written.
pub fn price_text(manifest: &Manifest, path: &str) -> Result<Option<String>, Error> {
    let listed = manifest.sha256_of(path).is_some();
    listed.then(|| manifest.text(&PRICES, path)).transpose()
}

/// Region and service of a price file; `None` for other files.
pub fn price_file(path: &str) -> Option<(&str, &str)> {
    let (region, file) = path.split_once('/')?;
    let service = file.strip_suffix(".csv")?;
    (!service.contains('.')).then_some((region, service))
}

/// Returns the price tables of some regions and the global ones, or of all regions.
///
/// # Errors
/// A changed or malformed file.
pub fn load_prices(manifest: &Manifest, regions: Option<&[&str]>) -> Result<PriceBook, Error> {
    load_prices_with(manifest, regions, &[])
}

/// Returns these tables without the files that cannot contain `words`: each word must occur in the
/// file's path or text. Reading the whole book takes longer than a person likes to wait.
///
/// # Errors
/// A changed or malformed file.
pub fn load_prices_with(
    manifest: &Manifest,
    regions: Option<&[&str]>,
    words: &[String],
) -> Result<PriceBook, Error> {
    let wanted =
        |region: &str| regions.is_none_or(|regions| region == GLOBAL || regions.contains(&region));
    let files: Vec<(&str, &str, &str)> = manifest
        .files
        .iter()
        .filter_map(|listed| {
            let (region, service) = price_file(&listed.path)?;
            wanted(region).then_some((region, service, &*listed.path))
        })
        .collect();
    let tables: Vec<Option<Table>> = files
        .par_iter()
        .map(|(_, _, path)| {
            let text = read_from(&manifest.source, &PRICES, &manifest.name, path)?;
            // A digest takes longer than a search: files that are left out have none.
            if !words.is_empty() && !may_hold(path, &text, words) {
                return Ok(None);
            }
            let text = manifest.checked(path, text)?;
            Table::parse(&format!("{}/{path}", manifest.name), &text).map(Some)
        })
        .collect::<Result<_, Error>>()?;
    let mut book = PriceBook::default();
    for ((region, service, _), table) in files.into_iter().zip(tables) {
        if let Some(table) = table {
            book.insert(region, service, table);
        }
    }
    Ok(book)
}

fn may_hold(path: &str, text: &str, words: &[String]) -> bool {
    let (path, text) = (path.to_ascii_lowercase(), text.to_ascii_lowercase());
    words.iter().all(|word| {
        // A word may span columns ("AmazonEC2/BoxUsage"): each of its parts must occur.
        word.to_ascii_lowercase().split('/').all(|part| path.contains(part) || text.contains(part))
    })
}

/// Returns the shapes, controller defaults and profiles inside the program. [`load_facts`] adds the spot supply of the
/// regions of a plan.
///
/// # Errors
/// A fault of the build: files that do not match their manifest.
pub fn embedded_catalog() -> Result<Catalog, Error> {
    catalog(&embedded_models()?)
}

/// Returns the same with the spot supply of these regions.
///
/// # Errors
/// As [`embedded_catalog`].
pub fn embedded_catalog_of(regions: &[&str]) -> Result<Catalog, Error> {
    let models = embedded_models()?;
    let mut catalog = catalog(&models)?;
    add_spot(&mut catalog, &models, regions)?;
    Ok(catalog)
}

/// Adds what the advisor says of spot capacity in these regions, as far as it knows them.
fn add_spot(catalog: &mut Catalog, models: &Manifest, regions: &[&str]) -> Result<(), Error> {
    for region in regions {
        let path = format!("spot/{region}.csv");
        if models.sha256_of(&path).is_some() {
            catalog.add_spot(region, &format!("models/{path}"), &models.text(&MODELS, &path)?)?;
        }
    }
    Ok(())
}

fn catalog(manifest: &Manifest) -> Result<Catalog, Error> {
    let text = |path: &str| manifest.text(&MODELS, path);
    let mut catalog =
        Catalog::parse(&text("ec2.csv")?, &text("aurora.csv")?, &text("controllers.toml")?)?
            .with_lifecycles([
                &text("eks_versions.csv")?,
                &text("github_actions.csv")?,
                &text("regions.csv")?,
                &text("other_regions.csv")?,
                &text("burstable.csv")?,
            ])?;
    for listed in &manifest.files {
        let Some(name) = listed.path.strip_prefix("workloads/") else { continue };
        let name = name.trim_end_matches(".toml").to_owned();
        let file = format!("models/{}", listed.path);
        let profile = toml::from_str(&text(&listed.path)?)
            .map_err(|error| Error::at(Place::file(&file), error.message().to_owned()))?;
        catalog.profiles.insert(name, profile);
    }
    Ok(catalog)
}

/// Reads a type of `models/` from the program.
///
/// # Errors
/// A fault of the build: a file that does not match its manifest, or is not of this type.
pub fn model<T: Model>() -> Result<T, Error> {
    read_model(&embedded_models()?)
}

fn read_model<T: Model>(models: &Manifest) -> Result<T, Error> {
    let texts = T::FILES.iter().map(|file| models.text(&MODELS, file));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let place = || Place::file(&format!("models/{}", T::FILES.join(", ")));
    T::parse(&texts).map_err(|message| Error::at(place(), message))
}

/// Reads a file of `models/` from the program as text.
///
/// # Errors
/// A fault of the build: a file that does not match its manifest.
pub fn model_text(path: &str) -> Result<String, Error> {
    embedded_models()?.text(&MODELS, path)
}

fn embedded_models() -> Result<Manifest, Error> {
    Manifest::open(&PriceSource::Embedded, &MODELS, "models")
}

/// Loads all facts, with the prices of these regions.
///
/// # Errors
/// Changed or malformed files.
pub fn load_facts(
    catalog: Catalog,
    source: &PriceSource,
    regions: &[&str],
) -> Result<Facts, Error> {
    let models = embedded_models()?;
    let manifest = price_manifest(source)?;
    let rows = |path: &str| -> Result<Vec<(String, String)>, Error> {
        let text = models.text(&MODELS, path)?;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows = reader.deserialize().collect::<Result<_, _>>();
        rows.map_err(|error| Error::csv(path, &error))
    };
    let mut catalog = catalog;
    add_spot(&mut catalog, &models, regions)?;
    for region in regions {
        let path = format!("{region}/{INSTANCE_TYPES}");
        if manifest.files.iter().any(|listed| listed.path == path) {
            catalog.add_shapes(&path, &manifest.text(&PRICES, &path)?)?;
        }
    }
    let not_modelled = rows("not_modelled.csv")?;
    let short_names = rows("service_names.csv")?.into_iter().collect::<BTreeMap<_, _>>();
    let mut commitment_rates = Rates::default();
    for listed in &manifest.files {
        let path = &*listed.path;
        let region = path.split('/').next().unwrap_or_default();
        if !regions.contains(&region) {
            continue;
        }
        if path.ends_with(COMMITMENTS) {
            commitment_rates.add(region, path, &manifest.text(&PRICES, path)?)?;
        } else if path.ends_with(NO_UPFRONT) {
            commitment_rates.add_no_upfront(region, path, &manifest.text(&PRICES, path)?)?;
        }
    }
    Ok(Facts {
        commitment_rules: read_model(&models)?,
        commitment_rates,
        catalog,
        prices: load_prices(&manifest, Some(regions))?,
        price_book_sha256: manifest.sha256,
        models_sha256: models.sha256,
        short_names,
        not_modelled: not_modelled
            .into_iter()
            .map(|(system, needs)| NotModelled { system, needs })
            .collect(),
    })
}

/// Reads a text file of the user.
///
/// # Errors
/// A file that does not exist, is a folder, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Error> {
    read_text_as(path, None)
}

/// Reads a CSV table of the user; `columns` says which.
///
/// # Errors
/// As [`read_text`]; a file of another kind.
pub fn read_table(path: &Path, columns: &str) -> Result<String, Error> {
    read_text_as(path, Some((&[FileKind::Csv], &format!("a CSV of {columns}"))))
}

/// What a scenario is, for errors.
const SCENARIO: &str = "a scenario (TOML), as `runrate init` writes it";

/// Reads a text file that may be of some kinds only: the kinds, and what errors call them.
fn read_text_as(path: &Path, wanted: Option<(&[FileKind], &str)>) -> Result<String, Error> {
    let name = path.display().to_string();
    write::settle(write::folder_of(path))?;
    let file =
        fs::File::open(path).map_err(|error| Error::at(Place::file(&name), plain(&error)))?;
    let bytes = bytes_of(file, &name)?;
    if let Some((accepted, expected)) = wanted {
        FileKind::check(&name, &bytes, accepted, expected)?;
    }
    text_from(bytes, &name)
}

/// Returns what a regular file of the user looks like, if that is known.
///
/// # Errors
/// A file that does not exist or cannot be read.
pub fn file_kind(path: &Path) -> Result<Option<FileKind>, Error> {
    let wrong =
        |error: &std::io::Error| Error::at(Place::file(&path.display().to_string()), plain(error));
    let file = fs::File::open(path).map_err(|error| wrong(&error))?;
    // A pipe can be read only once.
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Ok(None);
    }
    let mut start = Vec::new();
    file.take(START_BYTES as u64).read_to_end(&mut start).map_err(|error| wrong(&error))?;
    Ok(FileKind::of(&start))
}

/// Reads all text of a reader, up to a bound.
fn text_of(from: impl Read, name: &str) -> Result<String, Error> {
    text_from(bytes_of(from, name)?, name)
}

fn text_from(bytes: Vec<u8>, name: &str) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|error| {
        let message = match FileKind::of(error.as_bytes()) {
            Some(kind) => format!("looks like {kind}, but is not UTF-8 text"),
            None => "is not UTF-8 text".to_owned(),
        };
        Error::at(Place::file(name), message)
    })
}

fn bytes_of(from: impl Read, name: &str) -> Result<Vec<u8>, Error> {
    let message = format!(
        "is larger than {} MiB, the limit for one file; split it",
        bounds::FILE_BYTES >> 20
    );
    let mut bytes = Vec::new();
    let read = bounds::Bounded::new(from, bounds::FILE_BYTES, message).read_to_end(&mut bytes);
    read.map_err(|error| Error::at(Place::file(name), plain(&error)))?;
    Ok(bytes)
}

/// Returns the bytes of a file of the user.
///
/// # Errors
/// A file that is not there, or is a folder.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let place = || Place::file(&path.display().to_string());
    write::settle(write::folder_of(path))?;
    fs::read(path).map_err(|error| Error::at(place(), plain(&error)))
}

/// Returns an operating-system error in words, without its number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".into(),
        std::io::ErrorKind::IsADirectory => "is a folder, not a file".into(),
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
            "a part of the path is a file, not a folder".into()
        }
        std::io::ErrorKind::InvalidData => error.to_string(),
        kind => kind.to_string(),
    }
}

/// Returns a scenario with the series it names, and their digest.
///
/// # Errors
/// Every problem of the scenario, or of a series.
pub fn load_scenario(path: &Path, catalog: &Catalog) -> Result<(Scenario, Inputs), Error> {
    let wanted: (&[FileKind], &str) = (&[FileKind::Toml], SCENARIO);
    load_with(path, catalog, &path.display().to_string(), &|asked| {
        if asked == path { read_text_as(asked, Some(wanted)) } else { read_text(asked) }
    })
}

/// Reads a scenario and its series as they stood in a git revision.
///
/// # Errors
/// As [`load_scenario`]; a revision or a file that git does not know.
pub fn load_scenario_at(
    revision: &str,
    path: &Path,
    catalog: &Catalog,
) -> Result<(Scenario, Inputs), Error> {
    let name = format!("{revision}:{}", path.display());
    load_with(path, catalog, &name, &|path| text_at(revision, path))
}

/// Returns a file of a git revision; its path starts at the current folder.
fn text_at(revision: &str, path: &Path) -> Result<String, Error> {
    let name = format!("{revision}:{}", path.display());
    let place = || Place::file(&name);
    if revision.starts_with('-') || revision.is_empty() {
        return Err(Error::at(place(), "is neither a file nor a git revision"));
    }
    // git takes a path without ./ from the top of the repository.
    let object =
        if path.is_absolute() { name.clone() } else { format!("{revision}:./{}", path.display()) };
    let shown = std::process::Command::new("git").args(["show", &object]).output();
    let shown = shown.map_err(|error| Error::at(place(), format!("cannot run git: {error}")))?;
    if !shown.status.success() {
        let said = String::from_utf8_lossy(&shown.stderr);
        let said = said.lines().next().unwrap_or("it fails").trim_start_matches("fatal: ");
        return Err(Error::at(place(), format!("is not a file, and git reports: {said}")));
    }
    String::from_utf8(shown.stdout).map_err(|_| Error::at(place(), "is not UTF-8"))
}

/// Reads a scenario from a text that replaces the one of its file.
///
/// # Errors
/// As [`load_scenario`].
pub fn load_scenario_text(
    path: &Path,
    text: &str,
    catalog: &Catalog,
) -> Result<(Scenario, Inputs), Error> {
    load_with(path, catalog, &path.display().to_string(), &|asked| {
        if asked == path { Ok(text.to_owned()) } else { read_text(asked) }
    })
}

fn load_with(
    path: &Path,
    catalog: &Catalog,
    name: &str,
    read: &dyn Fn(&Path) -> Result<String, Error>,
) -> Result<(Scenario, Inputs), Error> {
    let text = read(path)?;
    let scenario = Scenario::parse(name, &text, catalog)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut hasher = Sha256::new();
    hasher.update(text.as_bytes());
    let mut series = |file: &str, gaps: Gaps| -> Result<Series, Error> {
        let path = folder.join(file);
        let text = read(&path)?;
        hasher.update(text.as_bytes());
        Series::parse(&path.display().to_string(), &text, gaps)
    };
    let history = scenario.users.history.as_ref();
    let history = history.map(|history| series(&history.file, history.gaps)).transpose()?;
    let shape = scenario.traffic.shape.as_ref();
    let shape = shape.map(|shape| series(&shape.file, shape.gaps)).transpose()?;
    let hex = hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok((scenario, Inputs { history, shape, sha256: hex }))
}

/// Returns a saved plan.
///
/// # Errors
/// A file that is not a plan of this schema.
pub fn load_plan(path: &Path) -> Result<Plan, Error> {
    let wanted: (&[FileKind], &str) = (
        &[FileKind::SavedPlan, FileKind::Json],
        "a saved plan (plan.json), as `runrate plan --out` writes it",
    );
    read_plan(&path.display().to_string(), &read_text_as(path, Some(wanted))?)
}

/// Reads a saved plan; `file` is what errors call it.
///
/// # Errors
/// Text that is not a plan of this schema.
pub fn read_plan(file: &str, text: &str) -> Result<Plan, Error> {
    let place = || Place::file(file);
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        let line = Some(error.line()).filter(|line| *line > 0);
        Error::at(Place { line, ..place() }, format!("is not JSON: {error}"))
    })?;
    let schema = value["schema"].as_u64();
    if schema != Some(u64::from(crate::plan::SCHEMA)) {
        let found = schema.map_or("no schema number".into(), |schema| format!("schema {schema}"));
        let message = format!(
            "has {found}; this version reads schema {}, which `plan --out` writes",
            crate::plan::SCHEMA
        );
        return Err(Error::at(place(), message));
    }
    let wrong = |message: String| {
        Error::at(place(), format!("is not a complete plan: {message}; `plan --out` writes one"))
    };
    let plan: Plan = serde_json::from_str(text).map_err(|error| {
        let line = Some(error.line()).filter(|line| *line > 0);
        Error::at(
            Place { line, ..place() },
            format!("is not a complete plan: {error}; `plan --out` writes one"),
        )
    })?;
    plan.check().map_err(wrong)?;
    // A key that is misspelt would drop what it holds without a word.
    let known = serde_json::to_value(&plan).map_err(|error| wrong(error.to_string()))?;
    match unknown_key(&value, &known, "") {
        Some(key) => {
            let message = "is not a key of a plan; `plan --out` writes plans of this version";
            Err(Error::at(Place { key: Some(key), ..place() }, message))
        }
        None => Ok(plan),
    }
}

/// Keys that plans of earlier versions have, and their names today.
const RENAMED: [(&str, &str); 7] = [
    ("asked", "requested"),
    ("breaks", "exceeded_by"),
    ("mid_breaks", "mid_case_exceeds_in"),
    ("rest", "unexplained"),
    ("saturated_at_most_minutes", "overloaded_at_most_minutes"),
    ("saturated_minutes", "overloaded_minutes"),
    ("saturated_pending_minutes", "overloaded_pending_minutes"),
];

/// Returns the first key of a document that was not read.
fn unknown_key(given: &serde_json::Value, read: &serde_json::Value, path: &str) -> Option<String> {
    use serde_json::Value::{Array, Null, Object};
    match (given, read) {
        (Object(given), Object(read)) => given.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match read.get(key) {
                Some(read) => unknown_key(value, read, &path),
                None if RENAMED.iter().any(|(old, new)| old == key && read.contains_key(*new)) => {
                    None
                }
                // Empty values are not written.
                None if *value == Null || *value == serde_json::json!([]) || value == "" => None,
                None => Some(path),
            }
        }),
        (Array(given), Array(read)) => {
            let mut pairs = given.iter().zip(read).enumerate();
            pairs.find_map(|(index, (given, read))| {
                unknown_key(given, read, &format!("{path}[{index}]"))
            })
        }
        _ => None,
    }
}

/// Reads a JSON document that this program wrote.
///
/// # Errors
/// A file that is not such a document: `wrong` says so, and `by` which command writes one.
pub fn load_saved<T: serde::de::DeserializeOwned>(
    path: &Path,
    wrong: &str,
    by: &str,
) -> Result<T, Error> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|error| {
        let line = Some(error.line()).filter(|line| *line > 0);
        let place = Place { line, ..Place::file(&path.display().to_string()) };
        Error::at(place, format!("{wrong}: {error}; {by}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_facts_match_their_manifests() {
        let catalog = embedded_catalog().unwrap();
        let manifest = price_manifest(&PriceSource::Embedded).unwrap();
        let book = load_prices(&manifest, None).unwrap();
        assert!(book.tables().count() > 50);
        let facts = load_facts(catalog, &PriceSource::Embedded, &["us-east-1"]).unwrap();
        assert!(facts.catalog.profiles.contains_key("kong"));
    }

    #[test]
    fn a_changed_price_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let region = folder.path().join("r1");
        fs::create_dir(&region).unwrap();
        fs::write(region.join("S.csv"), "changed").unwrap();
        let manifest = "[[file]]\npath = \"r1/S.csv\"\nsha256 = \"00\"\nrows = 1\n";
        fs::write(folder.path().join("manifest.toml"), manifest).unwrap();
        let manifest = price_manifest(&PriceSource::Folder(folder.path().into())).unwrap();
        let error = load_prices(&manifest, None).unwrap_err().to_string();
        assert!(error.contains("has changed"), "{error}");
    }

    #[test]
    fn a_folder_gets_all_files_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        write_folder(&out, &[("a", "1"), ("b", "2")], &[]).unwrap();
        assert_eq!(fs::read(out.join("b")).unwrap(), b"2");
        write_folder(&out, &[("deep/er/d", "4")], &[]).unwrap();
        assert_eq!(fs::read(out.join("deep/er/d")).unwrap(), b"4");
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(write_folder(&file.join("out"), &[("a", "")], &[]).is_err());
        // A name taken by a folder stops all of them.
        fs::create_dir_all(out.join("c/x")).unwrap();
        let error = write_folder(&out, &[("a", "new"), ("c", "")], &[]).unwrap_err().to_string();
        assert!(error.contains("c: is a folder"), "{error}");
        assert_eq!(fs::read(out.join("a")).unwrap(), b"1");
    }
}
