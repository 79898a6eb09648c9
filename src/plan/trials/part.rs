//! A part of a plan's trials as one Parquet file, and the plan that all parts make.
//!
//! One row a figure: what was drawn, users, requests, revenue and costs by trial; the first row carries the
//! mid case and how many trials were requested. Money is kept as whole numbers of 10⁻¹⁰ USD, so nothing is
//! lost on the way and the parts give the bytes that one machine gives.
//!
//! Before the footer of the file, where no reader of Parquet looks, lies a digest of all other bytes: a part that
//! was damaged on its way is refused before anything in it is believed.

use std::{collections::BTreeMap, io::Cursor, sync::Arc};

use polars_arrow::array::{Array, PrimitiveArray, StaticArray, Utf8ViewArray};
use polars_parquet::read::{infer_schema, read_metadata};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Asked, Settings, spread};
use crate::{
    error::{Error, Place, guard},
    measure::{
        parquet::{Chunk, Columns},
        units::{USD_PLACES, Usd},
    },
    plan::{
        Plan,
        simulate::{Cost, Sample},
    },
};

/// Number of the file's shape.
const SCHEMA: u32 = 2;

/// What precedes the digest.
const MARK: &[u8; 8] = b"rundigst";
/// Bytes of the mark and the digest.
const SEAL: usize = MARK.len() + 32;
/// Bytes of a Parquet file after its footer: the footer's length and the closing name.
const TAIL: usize = 8;

/// What a part is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`SCHEMA`].
    schema: u32,
    /// Which part, from 1.
    pub shard: u32,
    /// Of how many.
    pub shards: u32,
    /// Trials of all parts.
    pub trials: u32,
    /// What a reader must know of the trials.
    pub note: Option<String>,
    /// What of the scenario the gathering needs.
    pub settings: Settings,
    /// The mid case.
    pub plan: Plan,
}

/// A part.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What it is of.
    pub header: Header,
    /// Its trials.
    pub samples: Vec<Sample>,
}

/// The trials of a part.
pub fn trials_of(shard: u32, shards: u32, trials: u32) -> Vec<u32> {
    (1..=trials).filter(|trial| (trial - 1) % shards == shard - 1).collect()
}

impl Header {
    /// Part `shard` of `shards`.
    pub fn new((shard, shards): (u32, u32), asked: Asked, settings: Settings, plan: Plan) -> Self {
        let Asked { trials, note } = asked;
        Self { schema: SCHEMA, shard, shards, trials, note, settings, plan }
    }
}

/// The rows of a file, column by column.
#[derive(Default)]
struct Rows {
    kind: Vec<String>,
    trial: Vec<u32>,
    place: Vec<u32>,
    account: Vec<u32>,
    text: Vec<String>,
    amount: Vec<i64>,
    value: Vec<f64>,
}

impl Rows {
    fn add(&mut self, (kind, trial): (&str, u32), place: u32, value: f64) -> &mut Self {
        self.kind.push(kind.to_owned());
        self.trial.push(trial);
        self.place.push(place);
        self.account.push(0);
        self.text.push(String::new());
        self.amount.push(0);
        self.value.push(value);
        self
    }
}

/// The bytes of a part.
///
/// # Errors
/// A cost of a service in a month above what the file holds, about 900 million USD.
pub fn write(part: &Part) -> Result<Vec<u8>, String> {
    let mut rows = Rows::default();
    let header = serde_json::to_string(&part.header).map_err(|error| error.to_string())?;
    rows.add(("plan", 0), 0, 0.0).text[0] = header;
    for sample in &part.samples {
        let lists = [
            ("drawn", &sample.drawn),
            ("users", &sample.users),
            ("requests", &sample.requests),
            ("revenue", &sample.revenue),
        ];
        for (kind, values) in lists {
            for (place, value) in (0..).zip(values) {
                rows.add((kind, sample.trial), place, *value);
            }
        }
        for (place, meter) in (0..).zip(&sample.beyond) {
            rows.add(("beyond", sample.trial), place, 0.0);
            let last = rows.kind.len() - 1;
            rows.text[last].clone_from(meter);
        }
        for cost in &sample.costs {
            rows.add(("cost", sample.trial), cost.month, 0.0);
            let last = rows.kind.len() - 1;
            rows.account[last] = cost.account;
            rows.text[last] = cost.service.to_string();
            rows.amount[last] = whole(cost.cost)
                .ok_or_else(|| format!("{} USD are more than a part can hold", cost.cost))?;
        }
    }
    let mut columns = Columns::default();
    columns.texts("kind", rows.kind.iter().map(|kind| Some(&**kind)));
    columns.numbers("trial", rows.trial);
    columns.numbers("place", rows.place);
    columns.numbers("account", rows.account);
    columns.texts("text", rows.text.iter().map(|text| Some(&**text)));
    columns.numbers("amount", rows.amount);
    columns.numbers("value", rows.value);
    let bytes = columns.finish([])?;
    let footer = footer(&bytes).ok_or("the file has no footer")?;
    let (pages, footer) = bytes.split_at(footer);
    Ok([pages, MARK, &digest(pages, footer), footer].concat())
}

/// Where the footer of a Parquet file begins.
fn footer(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.len().checked_sub(TAIL)?;
    let length: [u8; 4] = bytes.get(tail..tail + 4)?.try_into().ok()?;
    tail.checked_sub(usize::try_from(u32::from_le_bytes(length)).ok()?)
}

fn digest(pages: &[u8], footer: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(pages).chain_update(footer).finalize().into()
}

/// Whether the bytes are those that were written.
fn sealed(bytes: &[u8]) -> Result<(), String> {
    let cut = || "it is cut short or damaged; copy it again".to_owned();
    let (before, footer) =
        bytes.split_at_checked(footer(bytes).ok_or_else(cut)?).ok_or_else(cut)?;
    let seal = before.len().checked_sub(SEAL).ok_or_else(cut)?;
    let (pages, seal) = before.split_at(seal);
    let (mark, written) = seal.split_at(MARK.len());
    if mark != MARK {
        return Err(
            "it has no digest: it is damaged, or of an earlier version. Run it again".into()
        );
    }
    if written == digest(pages, footer) { Ok(()) } else { Err(cut()) }
}

/// Money in units of 10⁻¹⁰ USD.
fn whole(cost: Usd) -> Option<i64> {
    cost.decimal().checked_mul(Decimal::from(10_u64.pow(USD_PLACES)))?.to_i64()
}

/// Reads a part.
///
/// # Errors
/// A file that is not a whole part.
pub fn read(file: &str, bytes: &[u8]) -> Result<Part, Error> {
    let wrong = |message: String| Error::at(Place::file(file), message);
    let no_part = |message: &str| {
        wrong(format!(
            "is no part of a plan, as `plan --shard i/n --out FILE` writes it: {message}"
        ))
    };
    sealed(bytes).map_err(|message| no_part(&message))?;
    guard::check_parquet(&mut Cursor::new(bytes)).map_err(|message| no_part(&message))?;
    let mut reading = Reading::default();
    let done = reading.file(&mut Cursor::new(bytes)).and_then(|()| reading.finish());
    done.map_err(|message| no_part(message.lines().next().unwrap_or_default()))
}

/// A part as far as it was read.
#[derive(Default)]
struct Reading {
    header: Option<Header>,
    samples: BTreeMap<u32, Sample>,
    services: BTreeMap<String, Arc<str>>,
}

impl Reading {
    fn file(&mut self, bytes: &mut Cursor<&[u8]>) -> Result<(), String> {
        let fault = |error: &dyn std::fmt::Display| error.to_string();
        let metadata = read_metadata(bytes).map_err(|error| fault(&error))?;
        let schema = infer_schema(&metadata).map_err(|error| fault(&error))?;
        for group in &metadata.row_groups {
            let mut column = |name: &str| {
                let field = schema.get(name).ok_or_else(|| format!("it has no column {name}"))?;
                Chunk::read(bytes, group, name)?.decode(field.clone())
            };
            let (kinds, texts) = (column("kind")?, column("text")?);
            let (trials, places) = (column("trial")?, column("place")?);
            let (accounts, amounts, values) =
                (column("account")?, column("amount")?, column("value")?);
            let (kinds, texts): (&Utf8ViewArray, &Utf8ViewArray) = (of(&kinds)?, of(&texts)?);
            let (trials, places): (&PrimitiveArray<u32>, &PrimitiveArray<u32>) =
                (of(&trials)?, of(&places)?);
            let accounts: &PrimitiveArray<u32> = of(&accounts)?;
            let amounts: &PrimitiveArray<i64> = of(&amounts)?;
            let values: &PrimitiveArray<f64> = of(&values)?;
            let hole = || "a cell is empty".to_owned();
            for row in 0..group.num_rows() {
                self.row(&PartRow {
                    kind: kinds.get(row).ok_or_else(hole)?,
                    text: texts.get(row).ok_or_else(hole)?,
                    trial: trials.get(row).ok_or_else(hole)?,
                    place: places.get(row).ok_or_else(hole)?,
                    account: accounts.get(row).ok_or_else(hole)?,
                    amount: amounts.get(row).ok_or_else(hole)?,
                    value: values.get(row).ok_or_else(hole)?,
                })?;
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &PartRow<'_>) -> Result<(), String> {
        if row.kind == "plan" {
            let read: Header = serde_json::from_str(row.text).map_err(|error| error.to_string())?;
            if read.schema != SCHEMA {
                return Err(format!("schema {}; this version reads {SCHEMA}", read.schema));
            }
            read.plan.check()?;
            self.header = Some(read);
            return Ok(());
        }
        let sample = self.samples.entry(row.trial).or_insert_with(|| Sample {
            trial: row.trial,
            drawn: vec![],
            users: vec![],
            requests: vec![],
            revenue: vec![],
            costs: vec![],
            beyond: vec![],
        });
        match row.kind {
            "drawn" => sample.drawn.push(row.value),
            "users" => sample.users.push(row.value),
            "requests" => sample.requests.push(row.value),
            "revenue" => sample.revenue.push(row.value),
            "beyond" => sample.beyond.push(row.text.to_owned()),
            "cost" => {
                let name = self.services.entry(row.text.to_owned());
                sample.costs.push(Cost {
                    month: row.place,
                    account: row.account,
                    service: Arc::clone(name.or_insert_with(|| row.text.into())),
                    cost: Usd::from_decimal(Decimal::new(row.amount, USD_PLACES)),
                });
            }
            other => return Err(format!("a row of kind {other:?}")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Part, String> {
        let header = self.header.ok_or("the plan is missing")?;
        let part = Part { header, samples: self.samples.into_values().collect() };
        complete(&part)?;
        Ok(part)
    }
}

/// A row of a part's file.
struct PartRow<'a> {
    kind: &'a str,
    text: &'a str,
    trial: u32,
    place: u32,
    account: u32,
    amount: i64,
    value: f64,
}

/// Returns a column as the type that it was written with.
#[allow(clippy::borrowed_box)]
fn of<T: 'static>(array: &Box<dyn Array>) -> Result<&T, String> {
    let wrong = || format!("a column is of type {:?}", array.dtype());
    array.as_any().downcast_ref().ok_or_else(wrong)
}

/// Whether a part holds what its header says: a file may have been cut or edited.
fn complete(part: &Part) -> Result<(), String> {
    let Header { shard, shards, trials, plan, settings, .. } = &part.header;
    if *shard == 0 || shard > shards {
        return Err(format!("part {shard} of {shards}"));
    }
    let expected = trials_of(*shard, *shards, *trials);
    let found: Vec<u32> = part.samples.iter().map(|sample| sample.trial).collect();
    if expected != found {
        return Err(format!("it has {} trials and should have {}", found.len(), expected.len()));
    }
    let (months, accounts) = (plan.months.len(), plan.accounts.len());
    for sample in &part.samples {
        let lists = [&sample.users, &sample.requests, &sample.revenue];
        let whole = lists.iter().all(|list| list.len() == months)
            && sample.drawn.len() == settings.drawn.len()
            && sample
                .costs
                .iter()
                .all(|c| (c.month as usize) < months && (c.account as usize) < accounts);
        if !whole {
            return Err(format!("trial {} is not whole", sample.trial));
        }
    }
    if settings.requests.len() == months {
        Ok(())
    } else {
        Err("its settings are not whole".into())
    }
}

/// The plan that all parts make: the bytes of one machine.
///
/// # Errors
/// Parts of different plans; a part that is missing or there twice.
pub fn merge(parts: Vec<(String, Part)>) -> Result<Plan, Error> {
    let Some((first_file, first)) = parts.first() else {
        return Err(Error::at(Place::default(), "give the parts of a plan"));
    };
    let (first_file, of) = (first_file.clone(), first.header.clone());
    let mut by_shard: BTreeMap<u32, String> = BTreeMap::new();
    let mut samples: Vec<Sample> = Vec::new();
    for (file, part) in parts {
        let own = part.header;
        let same = (own.shards, own.trials, &own.settings, &own.plan)
            == (of.shards, of.trials, &of.settings, &of.plan);
        if !same {
            let message =
                format!("is part of another plan than {first_file}: {}", differs(&of, &own));
            return Err(Error::at(Place::file(&file), message));
        }
        if let Some(other) = by_shard.insert(own.shard, file.clone()) {
            let message = format!("is part {} of {}, and so is {other}", own.shard, own.shards);
            return Err(Error::at(Place::file(&file), message));
        }
        samples.extend(part.samples);
    }
    let missing: Vec<String> = (1..=of.shards)
        .filter(|shard| !by_shard.contains_key(shard))
        .map(|shard| shard.to_string())
        .collect();
    if !missing.is_empty() {
        let message = format!(
            "is one of {} parts; missing: {}. Run `plan --shard {}/{} --trials {}` for it",
            of.shards,
            missing.join(", "),
            missing[0],
            of.shards,
            of.trials
        );
        return Err(Error::at(Place::file(&first_file), message));
    }
    samples.sort_by_key(|sample| sample.trial);
    let mut plan = of.plan;
    let asked = Asked { trials: of.trials, note: of.note };
    plan.spread = spread(&plan, &samples, asked, &of.settings);
    Ok(plan)
}

/// How two parts differ.
fn differs(a: &Header, b: &Header) -> String {
    let of = |header: &Header| {
        let made = &header.plan.made_from;
        [
            ("parts", header.shards.to_string()),
            ("trials", header.trials.to_string()),
            ("seed", made.seed.to_string()),
            ("scenario", made.scenario_sha256.clone()),
            ("price book", made.price_book_sha256.clone()),
            ("models", made.models_sha256.clone()),
            ("version", made.version.clone()),
        ]
    };
    let short = |text: &str| text.chars().take(12).collect::<String>();
    let pairs = of(a).into_iter().zip(of(b)).find(|(a, b)| a.1 != b.1);
    pairs.map_or_else(
        || "other figures".into(),
        |((name, a), (_, b))| format!("{name} {} and not {}", short(&b), short(&a)),
    )
}
