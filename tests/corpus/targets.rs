//! What fuzzing calls: each target reads bytes, and where they can be read, checks what must then hold.
//!
//! `tests/laws.rs` calls them with the corpus and with mutations of it; `fuzz/` calls them with what libFuzzer makes.
//! A panic, or an `Err`, is a fault of the program.

use std::{fmt::Debug, sync::LazyLock};

use runrate::{
    app::store::{self, PriceSource},
    bills::actuals::{self, MonthBill, layout::Billing},
    error::{Error, ErrorKind},
    facts::{
        price_list::{Offer, Rules, Scope, merge, read_csv, read_product},
        prices::{PriceBook, Table},
        shapes::Catalog,
    },
    intent::scenario::Scenario,
    manifest,
    money::rate::{self, Sharing, usage},
    page::content,
    write::csv,
};

/// What became of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They were read, and every law held.
    Read,
    /// They were refused with a message.
    Refused,
}

/// Reads bytes and checks the laws; `Err` says which one was broken.
pub type Target = fn(&[u8]) -> Result<Outcome, String>;

/// Every target by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("scenario", scenario),
    ("usage_csv", usage_csv),
    ("cur", bill_csv),
    ("focus", bill_csv),
    ("cost_explorer_json", cost_explorer_json),
    ("cost_explorer_csv", bill_csv),
    ("manifests", manifests),
    ("price_list", price_list),
    ("saved_plan", saved_plan),
    #[cfg(feature = "polars")]
    ("shard", shard),
];

/// Most bytes of a message: it repeats parts of the input, never all of a long one.
const LONGEST_MESSAGE: usize = 64 << 10;
/// Name of the input in messages.
const FILE: &str = "input";

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| store::embedded_catalog().unwrap());
static BOOK: LazyLock<PriceBook> = LazyLock::new(|| {
    let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
    store::load_prices(&manifest, Some(&["us-east-1"])).unwrap()
});
static BILLING: LazyLock<Billing> = LazyLock::new(|| store::model().unwrap());
static RULES: LazyLock<Rules> = LazyLock::new(|| store::model().unwrap());
static FACTS: LazyLock<manifest::Facts> = LazyLock::new(|| store::model().unwrap());

/// A refusal says why, in bounded length.
fn refused(error: &Error) -> Result<Outcome, String> {
    let text = error.to_string();
    if error.problems().is_empty() || text.is_empty() {
        return Err("it is refused without a reason".into());
    }
    if text.len() > LONGEST_MESSAGE {
        return Err(format!("a message of {} bytes", text.len()));
    }
    match error.kind() {
        ErrorKind::Input => Ok(Outcome::Refused),
        kind => Err(format!("wrong input is an error of the kind {kind:?}: {text}")),
    }
}

/// Nothing that was read is infinite or no number.
fn finite(value: &impl Debug) -> Result<(), String> {
    let text = format!("{value:?}");
    let word = |word: &&str| matches!(*word, "NaN" | "inf" | "-inf");
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
    match words.find(word) {
        Some(word) => Err(format!("{word} in what was read")),
        None => Ok(()),
    }
}

fn same<T: PartialEq + Debug>(what: &str, a: &T, b: &T) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{what} changes when it is written and read again")) }
}

/// A scenario: what reads once reads again to the same.
pub fn scenario(bytes: &[u8]) -> Result<Outcome, String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Outcome::Refused) };
    match Scenario::parse(FILE, text, &CATALOG) {
        Err(error) => refused(&error),
        Ok(read) => {
            finite(&read.plan)?;
            finite(&read.accounts)?;
            let again = Scenario::parse(FILE, text, &CATALOG).map_err(|error| error.to_string())?;
            same("a scenario", &format!("{read:?}"), &format!("{again:?}"))?;
            Ok(Outcome::Read)
        }
    }
}

/// Usage lines: they are rated or refused, and written as CSV they are the same lines.
pub fn usage_csv(bytes: &[u8]) -> Result<Outcome, String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Outcome::Refused) };
    let read = match usage::parse(FILE, text, &BOOK) {
        Err(error) => return refused(&error),
        Ok(read) => read,
    };
    if read.usage.len() != read.lines.len() {
        return Err("lines without a number".into());
    }
    let mut out = ::csv::Writer::from_writer(Vec::new());
    out.write_record(content::ledger::USAGE_COLUMNS).map_err(|error| error.to_string())?;
    for usage in &read.usage {
        let (line, key) = (&usage.line, &usage.line.key);
        let quantity = line.quantity.get();
        if !quantity.is_finite() {
            return Err(format!("a quantity of {quantity}"));
        }
        let (month, quantity) = (usage.month.to_string(), quantity.to_string());
        let cells = [&month, &usage.account, &key.region, &key.service, &key.usage_type];
        let cells = cells.into_iter().chain([&key.operation, &line.resource, &quantity]);
        out.write_record(cells).map_err(|error| error.to_string())?;
    }
    let written = String::from_utf8(out.into_inner().map_err(|error| error.to_string())?);
    let written = written.map_err(|error| error.to_string())?;
    let again = usage::parse(FILE, &written, &BOOK).map_err(|error| error.to_string())?;
    same("usage", &read.usage, &again.usage)?;
    for sharing in [Sharing::PerAccount, Sharing::Consolidated] {
        if let Ok(rated) = rate::rate(&read.usage, &BOOK, sharing) {
            finite(&rated.entries)?;
        }
    }
    Ok(Outcome::Read)
}

/// Months of a bill: what is kept can be read again.
fn months(read: Result<Vec<MonthBill>, Error>) -> Result<Outcome, String> {
    let bills = match read {
        Err(error) => return refused(&error),
        Ok(bills) => bills,
    };
    if bills.is_empty() {
        return Err("a bill of no month".into());
    }
    for bill in &bills {
        finite(bill)?;
        if bill.days as usize > bill.month.days() {
            return Err(format!("{} days in {}", bill.days, bill.month));
        }
        let kept = serde_json::to_string(bill).map_err(|error| error.to_string())?;
        let again: Result<MonthBill, _> = serde_json::from_str(&kept);
        let mut again = again.map_err(|error| format!("what is kept cannot be read: {error}"))?;
        again.classify(&BILLING);
        same("a month", bill, &again)?;
    }
    Ok(Outcome::Read)
}

/// CUR, FOCUS and Cost Explorer's tables: the quick reader and the patient one agree.
pub fn bill_csv(bytes: &[u8]) -> Result<Outcome, String> {
    let patient = actuals::text::read(FILE, bytes, &BILLING, "now");
    if let Some(Ok(quick)) = actuals::text::read_lines(FILE, bytes, &BILLING, "now") {
        match &patient {
            Ok(patient) if *patient == quick => {}
            Ok(_) => return Err("two readers read different bills".into()),
            Err(error) => return Err(format!("one reader reads what the other refuses: {error}")),
        }
    }
    months(patient)
}

/// An answer of Cost Explorer.
pub fn cost_explorer_json(bytes: &[u8]) -> Result<Outcome, String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Outcome::Refused) };
    months(actuals::answer::read(FILE, text, &BILLING, "now"))
}

/// Manifests: the scenario that is made of them is one.
pub fn manifests(bytes: &[u8]) -> Result<Outcome, String> {
    const TEMPLATE: &str = include_str!("../../examples/innovate.toml");
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Outcome::Refused) };
    let sources = [manifest::Source { name: FILE.into(), text: text.into() }];
    match manifest::read((&sources, &[]), TEMPLATE, (&FACTS, &CATALOG)) {
        Err(error) => refused(&error),
        Ok(read) => {
            let scenario = Scenario::parse("made", &read.scenario, &CATALOG);
            scenario.map_err(|error| format!("no scenario was made: {error}"))?;
            Ok(Outcome::Read)
        }
    }
}

/// A price list of EC2, a bulk file or a document of the API: the book that it makes is one.
pub fn price_list(bytes: &[u8]) -> Result<Outcome, String> {
    let service = RULES.service("AmazonEC2")?;
    let today = "2027-03-01".parse().map_err(|error| format!("{error}"))?;
    let region = "us-east-1";
    let scope = Scope { rules: &RULES, service, region, prefixes: &[], today };
    let wanted = scope.wanted(&BOOK);
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.starts_with('{')) {
        let mut offer = Offer::default();
        return match read_product(text, &scope, wanted, &mut offer) {
            Err(message) if message.is_empty() => Err("it is refused without a reason".into()),
            Err(_) => Ok(Outcome::Refused),
            Ok(()) => merged(&offer, &scope),
        };
    }
    match read_csv(FILE, bytes, &scope, &wanted) {
        Err(error) => refused(&error),
        Ok(offer) => merged(&offer, &scope),
    }
}

fn merged(offer: &Offer, scope: &Scope<'_>) -> Result<Outcome, String> {
    let outcome = merge(&BOOK, offer, scope);
    Table::parse("new", &outcome.text).map_err(|error| format!("the book is none: {error}"))?;
    Ok(Outcome::Read)
}

/// A saved plan: written and read again it is the same, and it can be shown.
pub fn saved_plan(bytes: &[u8]) -> Result<Outcome, String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Outcome::Refused) };
    match store::read_plan(FILE, text) {
        Err(error) => refused(&error),
        Ok(plan) => {
            let written = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
            let again = store::read_plan(FILE, &written).map_err(|error| error.to_string())?;
            same("a plan", &plan, &again)?;
            csv::ledger(&plan);
            Ok(Outcome::Read)
        }
    }
}

/// A shard: written and read again it is the same.
#[cfg(feature = "polars")]
pub fn shard(bytes: &[u8]) -> Result<Outcome, String> {
    use runrate::plan::trials::part;

    let read = |bytes: &[u8]| {
        // As the command reads it: a panic of polars is a refusal.
        runrate::error::guard::catch(FILE, || part::read(FILE, bytes))
    };
    match read(bytes) {
        Err(error) => refused(&error),
        Ok(part) => {
            let again = read(&part::write(&part)?).map_err(|error| error.to_string())?;
            same("a shard", &part, &again)?;
            Ok(Outcome::Read)
        }
    }
}
