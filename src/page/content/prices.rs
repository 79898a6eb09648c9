//! The price book as pages: what it holds, what a filter finds, what a refresh changed, how two books differ.

use std::collections::BTreeMap;

use super::{columns, least_wanted, records};
use crate::{
    facts::{
        price_list::{Change, Meter, Offer, Outcome},
        prices::{BillKey, PriceBook, PriceRow},
    },
    measure::{
        calendar::parse_moment,
        units::{UnitPrice, Usd, count},
    },
    money::ledger::{self, Entry},
    page::{Cell, Fact, Kind, Meaning, Page, Row, Section, Table},
};

/// One row of `prices show`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Shown {
    /// The meter.
    pub key: BillKey,
    /// First unit of the step.
    pub from: String,
    /// End of the step, or `Inf`.
    pub to: String,
    /// Price, in USD.
    pub usd: String,
    /// Pricing unit.
    pub unit: String,
    /// Date.
    pub as_of: String,
    /// `exact`, `derived` or `crosscheck`.
    pub confidence: String,
    /// Whether a plan would use it.
    pub used: bool,
    /// Source.
    pub source: String,
    /// What the source adds.
    pub note: String,
}

/// Rows whose name holds every word of the filter, the ones in use first for each meter.
pub fn show(book: &PriceBook, words: &[String]) -> Vec<Shown> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let mut shown = Vec::new();
    for (region, service, table) in book.tables() {
        let place = format!("{region}/{service}").to_lowercase();
        let mut last: Option<BillKey> = None;
        for row in table.rows() {
            let name = format!("{place}/{}/{}", row.usage_type(), row.operation()).to_lowercase();
            if !words.iter().all(|word| name.contains(word.as_str())) {
                continue;
            }
            let key = BillKey::new(service, region, row.usage_type(), row.operation());
            if last.as_ref() == Some(&key) {
                continue;
            }
            if let Ok(ladder) = book.ladder(&key) {
                shown.extend(ladder.rows.iter().map(|row| cells(&key, row, true)));
                shown.extend(ladder.others.iter().map(|row| cells(&key, row, false)));
            }
            last = Some(key);
        }
    }
    shown
}

fn cells(key: &BillKey, row: &PriceRow, used: bool) -> Shown {
    Shown {
        key: key.clone(),
        from: row.begin.normalize().to_string(),
        to: row.end.map_or("Inf".into(), |end| end.normalize().to_string()),
        usd: row.price.to_string(),
        unit: row.unit().to_owned(),
        as_of: if row.as_of().is_empty() { "undated".into() } else { row.as_of().to_owned() },
        confidence: row.confidence().to_owned(),
        used,
        source: row.source().to_owned(),
        note: row.note().to_owned(),
    }
}

/// The rows, up to `most` of them in the table.
pub fn show_page(shown: &[Shown], most: usize) -> Page {
    let row = |row: &Shown| {
        let key = &row.key;
        let mut cells: Vec<Cell> = [
            &key.region,
            &key.service,
            &key.usage_type,
            &key.operation,
            &row.from,
            &row.to,
            &row.usd,
        ]
        .into_iter()
        .map(Cell::text)
        .collect();
        cells.extend([
            Cell::text(&row.unit),
            Cell::text(if row.used { "yes" } else { "no" }),
            Cell::text(&row.as_of),
            Cell::text(&row.confidence),
            Cell::text(&row.source),
        ]);
        Row::new(cells)
    };
    let names = columns(&[
        ("Region", Kind::Text),
        ("Service", Kind::Text),
        ("Usage type", Kind::Text),
        ("Operation", Kind::Text),
        ("From", Kind::Quantity),
        ("To", Kind::Quantity),
        ("Price of a unit", Kind::Quantity),
        ("Unit", Kind::Text),
        ("In use", Kind::Text),
        ("As of", Kind::Text),
        ("Confidence", Kind::Text),
        ("Source", Kind::Text),
    ]);
    let table = Table {
        id: "prices".into(),
        title: "Prices".into(),
        note: "USD; a plan takes the prices in use".into(),
        columns: least_wanted(names, &["Source", "Confidence", "Operation", "Service", "As of"]),
        rows: shown.iter().take(most).map(row).collect(),
        ..Table::default()
    };
    let mut page = one_table("Prices", table, show_records(shown));
    if shown.len() > most {
        page.sections[0].text.push(format!(
            "The table has {most} of {} rows. Add a word, or raise --limit.",
            shown.len()
        ));
    }
    page
}

fn show_records(shown: &[Shown]) -> Table {
    let header = [
        "region",
        "service",
        "usage_type",
        "operation",
        "from",
        "to",
        "usd_per_unit",
        "unit",
        "as_of",
        "confidence",
        "used",
        "source",
        "note",
    ];
    let rows = shown.iter().map(|row| {
        let key = &row.key;
        let used = row.used.to_string();
        [
            &key.region,
            &key.service,
            &key.usage_type,
            &key.operation,
            &row.from,
            &row.to,
            &row.usd,
            &row.unit,
            &row.as_of,
            &row.confidence,
            &used,
            &row.source,
            &row.note,
        ]
        .into_iter()
        .cloned()
        .collect()
    });
    records(&header, rows)
}

/// A page of one table in one section.
fn one_table(title: &str, table: Table, records: Table) -> Page {
    let mut page = Page {
        title: title.into(),
        currency: "USD".into(),
        sections: vec![Section {
            id: table.id.clone(),
            title: table.title.clone(),
            tables: vec![table],
            ..Section::default()
        }],
        records: Some(records),
        ..Page::default()
    };
    page.without_turns();
    page
}

/// One line of `prices status`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Status {
    /// Region.
    pub region: String,
    /// Service code.
    pub service: String,
    /// Rows.
    pub rows: usize,
    /// Oldest date.
    pub oldest: String,
    /// Newest date.
    pub newest: String,
    /// Days from the newest date to today.
    pub age_days: Option<i32>,
}

/// Age of a date in days.
pub fn age(date: &str, today: jiff::civil::Date) -> Option<i32> {
    let date = parse_moment(date)?.date();
    today.since(date).ok().map(|span| span.get_days())
}

/// The files of the book, and the digest of its manifest.
pub fn status_page(lines: &[Status], sha256: &str) -> Page {
    let row = |line: &Status| {
        let age = line.age_days.map_or(Cell::text("unknown"), |days| Cell::Number(days.into()));
        Row::new(vec![
            Cell::text(&line.region),
            Cell::text(&line.service),
            Cell::Number(line.rows as f64),
            Cell::text(&line.oldest),
            Cell::text(&line.newest),
            age,
        ])
    };
    let table = Table {
        id: "files".into(),
        title: "Files of the price book".into(),
        columns: columns(&[
            ("Region", Kind::Text),
            ("Service", Kind::Text),
            ("Rows", Kind::Number(0)),
            ("Oldest", Kind::Text),
            ("Newest", Kind::Text),
            ("Age [days]", Kind::Number(0)),
        ]),
        rows: lines.iter().map(row).collect(),
        ..Table::default()
    };
    let header = ["region", "service", "rows", "oldest", "newest", "age_days"];
    let rows = lines.iter().map(|line| {
        vec![
            line.region.clone(),
            line.service.clone(),
            line.rows.to_string(),
            line.oldest.clone(),
            line.newest.clone(),
            line.age_days.map_or(String::new(), |days| days.to_string()),
        ]
    });
    let mut regions: Vec<&str> = lines.iter().map(|line| &*line.region).collect();
    regions.dedup();
    let rows_in_all: usize = lines.iter().map(|line| line.rows).sum();
    Page {
        headline: vec![Fact {
            label: "Price rows".into(),
            value: Cell::Number(rows_in_all as f64),
            note: format!("{}, {}", count(regions.len(), "region"), count(lines.len(), "file")),
            ..Fact::default()
        }],
        currency: String::new(),
        provenance: vec![("Manifest (sha256)".into(), sha256.into())],
        ..one_table("Price book", table, records(&header, rows))
    }
}

/// What a refresh made of one file of the book.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Refreshed {
    /// Region.
    pub region: String,
    /// Service, or what was asked of EC2.
    pub service: String,
    /// Version of the list; none where there is no list.
    pub version: Option<String>,
    /// Rows that were read.
    pub rows: u64,
    /// Meters that the list prices as the book did.
    pub confirmed: usize,
    /// Meters with other prices.
    pub changed: usize,
    /// Meters that are new.
    pub added: usize,
    /// Rates of reservations and Savings Plans.
    pub rates: usize,
    /// Meters that keep their prices, and why.
    pub kept: Vec<Kept>,
    /// Why the list was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A meter whose price was not renewed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Kept {
    /// Usage type.
    pub usage_type: String,
    /// Operation.
    pub operation: String,
    /// Why.
    pub reason: String,
}

/// A refresh of the book.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Refresh {
    /// By file.
    pub files: Vec<Refreshed>,
    /// Steps that have another price.
    pub changes: Vec<Change>,
}

impl Refreshed {
    /// A file that no list was found for yet.
    pub fn new(region: &str, service: &str) -> Self {
        Self {
            region: region.to_owned(),
            service: service.to_owned(),
            version: None,
            rows: 0,
            confirmed: 0,
            changed: 0,
            added: 0,
            rates: 0,
            kept: Vec::new(),
            error: None,
        }
    }

    /// What came of a list.
    pub fn fill(&mut self, offer: &Offer, outcome: &Outcome) {
        let meters = |added: bool| {
            let mut steps: BTreeMap<&Meter, bool> = BTreeMap::new();
            for change in &outcome.changes {
                *steps.entry(&change.meter).or_insert(true) &= change.old.is_none();
            }
            steps.values().filter(|new| **new == added).count()
        };
        self.version = Some(offer.version.clone());
        self.rows = offer.rows;
        self.confirmed = outcome.confirmed;
        self.changed = meters(false);
        self.added = meters(true);
        let kept = |(meter, reason): &(Meter, String)| Kept {
            usage_type: meter.usage_type.clone(),
            operation: meter.operation.clone(),
            reason: reason.clone(),
        };
        self.kept = outcome.kept.iter().map(kept).collect();
    }
}

/// Changes that a table shows.
const MOST_CHANGES: usize = 40;
/// Reasons that a table shows.
const MOST_REASONS: usize = 10;

/// A refresh: its files, the meters that keep their prices, the largest changes.
pub fn refresh_page(done: &Refresh) -> Page {
    let priced: Vec<&Change> = done.changes.iter().filter(|change| change.old.is_some()).collect();
    let tables = [files(&done.files), kept(&done.files), changes_table(&priced)];
    let mut page = Page {
        title: "Refresh of the price book".into(),
        currency: "USD".into(),
        sections: vec![Section {
            id: "refresh".into(),
            title: "What the lists changed".into(),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            ..Section::default()
        }],
        records: Some(change_records(&done.changes)),
        ..Page::default()
    };
    page.without_turns();
    page
}

fn files(files: &[Refreshed]) -> Table {
    const LIST: usize = 2;
    let row = |file: &Refreshed| {
        let missing = if file.error.is_some() { "not read" } else { "none" };
        let row = Row::new(vec![
            Cell::text(&file.region),
            Cell::text(&file.service),
            Cell::text(file.version.as_deref().unwrap_or(missing)),
            Cell::Number(file.rows as f64),
            Cell::Number(file.confirmed as f64),
            Cell::Number(file.changed as f64),
            Cell::Number(file.added as f64),
            Cell::Number(file.rates as f64),
            Cell::Number(file.kept.len() as f64),
        ]);
        if file.error.is_some() { row.marked(LIST, Meaning::Bad) } else { row }
    };
    Table {
        id: "lists".into(),
        title: "Price lists".into(),
        note: "rows of the list, meters of the book, and rates of reservations and Savings Plans"
            .into(),
        columns: columns(&[
            ("Region", Kind::Text),
            ("Service", Kind::Text),
            ("List", Kind::Text),
            ("Rows", Kind::Number(0)),
            ("Confirmed", Kind::Number(0)),
            ("Changed", Kind::Number(0)),
            ("New", Kind::Number(0)),
            ("Rates", Kind::Number(0)),
            ("Kept", Kind::Number(0)),
        ]),
        rows: files.iter().map(row).collect(),
        ..Table::default()
    }
}

/// Reasons for which meters keep their prices, the most frequent first.
fn kept(files: &[Refreshed]) -> Table {
    let mut reasons: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for kept in files.iter().flat_map(|file| &file.kept) {
        reasons.entry(&kept.reason).or_insert((0, &kept.usage_type)).0 += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
    let row = |(reason, (meters, first)): (&str, (usize, &str))| {
        Row::new(vec![Cell::Number(meters as f64), Cell::text(reason), Cell::text(first)])
    };
    Table {
        id: "kept".into(),
        title: "Meters that keep their prices".into(),
        note: "`--format json` has all".into(),
        columns: columns(&[
            ("Meters", Kind::Number(0)),
            ("Reason", Kind::Text),
            ("First", Kind::Text),
        ]),
        rows: reasons.into_iter().take(MOST_REASONS).map(row).collect(),
        ..Table::default()
    }
}

fn ratio(change: &Change) -> Option<f64> {
    let old = change.old.filter(|old| !old.decimal().is_zero())?;
    Some(change.new?.to_f64() / old.to_f64() - 1.0)
}

/// The largest changes first; what is new or gone after them.
fn changes_table(changes: &[&Change]) -> Table {
    let mut order = changes.to_vec();
    let size = |change: &Change| ratio(change).map_or(-1.0, f64::abs);
    order.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let price =
        |price: Option<UnitPrice>| price.map_or(Cell::Empty, |price| Cell::text(price.to_string()));
    let row = |change: &&Change| {
        Row::new(vec![
            Cell::text(&change.region),
            Cell::text(&change.service),
            Cell::text(&change.meter.usage_type),
            Cell::text(&change.meter.operation),
            Cell::text(change.from.normalize().to_string()),
            Cell::text(&change.unit),
            price(change.old),
            price(change.new),
            Cell::maybe(ratio(change)),
        ])
    };
    let part = if order.len() > MOST_CHANGES {
        format!(", the {MOST_CHANGES} largest of {} changes; `--format csv` has all", order.len())
    } else {
        ", the largest change first".into()
    };
    let names = columns(&[
        ("Region", Kind::Text),
        ("Service", Kind::Text),
        ("Usage type", Kind::Text),
        ("Operation", Kind::Text),
        ("From", Kind::Quantity),
        ("Unit", Kind::Text),
        ("Before", Kind::Quantity),
        ("Now", Kind::Quantity),
        ("Change", Kind::Share),
    ]);
    Table {
        id: "changes".into(),
        title: "Changed prices".into(),
        note: format!("USD a unit{part}"),
        columns: least_wanted(names, &["Operation", "Service", "Unit", "From"]),
        rows: order.iter().take(MOST_CHANGES).map(row).collect(),
        ..Table::default()
    }
}

/// Every step that changed, one row each.
fn change_records(changes: &[Change]) -> Table {
    let header =
        ["region", "service", "usage_type", "operation", "from", "unit", "old_usd", "new_usd"];
    let price = |price: Option<UnitPrice>| price.map_or(String::new(), |price| price.to_string());
    let rows = changes.iter().map(|change| {
        vec![
            change.region.clone(),
            change.service.clone(),
            change.meter.usage_type.clone(),
            change.meter.operation.clone(),
            change.from.to_string(),
            change.unit.clone(),
            price(change.old),
            price(change.new),
        ]
    });
    records(&header, rows)
}

/// What a change of prices does to a plan.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Effect {
    /// How the two costs were found.
    pub how: &'static str,
    /// Cost before and after, in USD.
    pub cost: [Usd; 2],
    /// The same by account and service, the largest change first.
    pub services: Vec<ServiceEffect>,
}

/// What it does to one service.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ServiceEffect {
    /// Account.
    pub account: String,
    /// Service code.
    pub service: String,
    /// Cost before and after, in USD.
    pub cost: [Usd; 2],
}

impl Effect {
    /// Of the entries before and after.
    pub fn of((old, new): (Vec<Entry>, Vec<Entry>), how: &'static str) -> Self {
        let mut sums: BTreeMap<(String, String), [Usd; 2]> = BTreeMap::new();
        for (slot, entries) in [(0, &old), (1, &new)] {
            for entry in entries {
                let key = (entry.account.clone(), entry.key.service.clone());
                sums.entry(key).or_default()[slot] += entry.cost;
            }
        }
        let mut services: Vec<ServiceEffect> = sums
            .into_iter()
            .map(|((account, service), cost)| ServiceEffect { account, service, cost })
            .collect();
        let size = |effect: &ServiceEffect| (effect.cost[1] - effect.cost[0]).to_f64().abs();
        services.sort_by(|a, b| size(b).total_cmp(&size(a)));
        Self { how, cost: [ledger::total(&old), ledger::total(&new)], services }
    }
}

/// Two books, and what the second does to a plan.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Diff {
    /// Steps that differ.
    pub changes: Vec<Change>,
    /// On a plan.
    pub effect: Option<Effect>,
}

/// Two books: the prices that differ, and their effect on a plan.
pub fn diff_page(diff: &Diff) -> Page {
    let changes: Vec<&Change> = diff.changes.iter().collect();
    let same = "The two books have the same prices.";
    let table = changes_table(&changes);
    let mut sections = vec![Section {
        id: "changes".into(),
        title: table.title.clone(),
        text: if changes.is_empty() { vec![same.into()] } else { Vec::new() },
        tables: if changes.is_empty() { Vec::new() } else { vec![table] },
        ..Section::default()
    }];
    sections.extend(diff.effect.as_ref().map(effect));
    let mut page = Page {
        title: "Two price books".into(),
        currency: "USD".into(),
        headline: diff.effect.iter().map(effect_fact).collect(),
        sections,
        records: Some(change_records(&diff.changes)),
        ..Page::default()
    };
    page.without_turns();
    page
}

/// Change of an amount over the amount.
fn change_of([old, new]: [Usd; 2]) -> Option<f64> {
    (old != Usd::ZERO).then(|| new.to_f64() / old.to_f64() - 1.0)
}

fn effect_fact(effect: &Effect) -> Fact {
    let share = change_of(effect.cost).map(|share| Cell::Number(share).shown(Kind::Share));
    Fact {
        label: "Change of the plan's cost".into(),
        value: Cell::Usd(effect.cost[1] - effect.cost[0]),
        note: share.map(|share| format!("{share} of the cost before")).unwrap_or_default(),
        ..Fact::default()
    }
}

fn effect(effect: &Effect) -> Section {
    let cells = |account: &str, service: &str, cost: [Usd; 2]| {
        vec![
            Cell::text(account),
            Cell::text(service),
            Cell::Usd(cost[0]),
            Cell::Usd(cost[1]),
            Cell::Usd(cost[1] - cost[0]),
            Cell::maybe(change_of(cost)),
        ]
    };
    let moved = effect.services.iter().filter(|service| service.cost[0] != service.cost[1]);
    let mut rows: Vec<Row> = moved
        .map(|service| Row::new(cells(&service.account, &service.service, service.cost)))
        .collect();
    rows.push(Row::total(cells("Total", "", effect.cost)));
    Section {
        id: "effect".into(),
        title: "Effect on the plan".into(),
        tables: vec![Table {
            id: "effect".into(),
            title: "Effect on the plan".into(),
            note: format!("USD, unblended, {}", effect.how),
            columns: columns(&[
                ("Account", Kind::Text),
                ("Service", Kind::Text),
                ("Before", Kind::Usd),
                ("Now", Kind::Usd),
                ("Change", Kind::Usd),
                ("Of before", Kind::Share),
            ]),
            rows,
            ..Table::default()
        }],
        ..Section::default()
    }
}
