//! The price book as tables.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    facts::{
        price_list::{Change, Meter, Offer, Outcome},
        prices::{BillKey, PriceBook, PriceRow},
    },
    measure::{
        calendar::parse_moment,
        units::{UnitPrice, Usd},
    },
    money::ledger::{self, Entry},
};
use crate::{page::number, write::terminal::table};

/// One row of `prices show`.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Shown {
    /// The meter.
    pub key: BillKey,
    /// First unit of the step.
    pub from: String,
    /// End of the step, or `Inf`.
    pub to: String,
    /// Price [USD].
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

/// The rows as a table; what a plan does not use stands in brackets.
pub fn show_table(rows: &[Shown], most: usize) -> String {
    let mut table = table(
        &[
            "Region",
            "Service",
            "Usage type",
            "Operation",
            "From",
            "To",
            "USD",
            "per",
            "As of",
            "Kind",
            "Source",
        ],
        4,
    );
    for row in rows.iter().take(most) {
        let usd = if row.used { row.usd.clone() } else { format!("({})", row.usd) };
        table.add_row([
            &row.key.region,
            &row.key.service,
            &row.key.usage_type,
            &row.key.operation,
            &row.from,
            &row.to,
            &usd,
            &row.unit,
            &row.as_of,
            &row.confidence,
            &row.source,
        ]);
    }
    table.to_string()
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

/// The lines as a table.
pub fn status_table(lines: &[Status]) -> String {
    let mut table = table(&["Region", "Service", "Rows", "Oldest", "Newest", "Age [days]"], 2);
    for line in lines {
        let age = line.age_days.map_or("unknown".into(), |days| days.to_string());
        table.add_row([
            &line.region,
            &line.service,
            &line.rows.to_string(),
            &line.oldest,
            &line.newest,
            &age,
        ]);
    }
    table.to_string()
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

/// A refresh for people: files, reasons, the largest changes.
pub fn refresh_table(done: &Refresh) -> String {
    let mut rows =
        table(&["Region", "Service", "List", "Rows", "Confirmed", "Changed", "New", "Kept"], 3);
    let mut reasons: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for file in &done.files {
        rows.add_row([
            file.region.clone(),
            file.service.clone(),
            file.version
                .clone()
                .unwrap_or_else(|| if file.error.is_some() { "not read" } else { "none" }.into()),
            number::grouped(file.rows as f64, 0),
            file.confirmed.to_string(),
            file.changed.to_string(),
            file.added.to_string(),
            file.kept.len().to_string(),
        ]);
        for kept in &file.kept {
            reasons.entry(&kept.reason).or_insert((0, &kept.usage_type)).0 += 1;
        }
    }
    let mut out = format!("{rows}\n");
    if !reasons.is_empty() {
        let _ = writeln!(out, "\nMeters that keep their prices (--format json has all):");
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
        for (reason, (meters, first)) in reasons.into_iter().take(10) {
            let _ = writeln!(out, "  {meters} × {reason}: {first}");
        }
    }
    let priced: Vec<Change> =
        done.changes.iter().filter(|change| change.old.is_some()).cloned().collect();
    if !priced.is_empty() {
        let _ = write!(out, "\n{}", changes_table(&priced));
    }
    out
}

fn ratio(change: &Change) -> Option<f64> {
    let old = change.old.filter(|old| !old.decimal().is_zero())?;
    Some(change.new?.to_f64() / old.to_f64() - 1.0)
}

/// The largest changes first; what is new or gone after them.
fn changes_table(changes: &[Change]) -> String {
    let mut rows = table(
        &["Region", "Service", "Usage type", "Operation", "From", "Before", "Now", "per", "Change"],
        4,
    );
    let mut order: Vec<&Change> = changes.iter().collect();
    let size = |change: &Change| ratio(change).map_or(-1.0, f64::abs);
    order.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let price = |price: Option<UnitPrice>| price.map_or("–".into(), |price| price.to_string());
    for change in order.iter().take(MOST_CHANGES) {
        rows.add_row([
            change.region.clone(),
            change.service.clone(),
            change.meter.usage_type.clone(),
            change.meter.operation.clone(),
            change.from.normalize().to_string(),
            price(change.old),
            price(change.new),
            change.unit.clone(),
            ratio(change).map_or("–".into(), |ratio| format!("{:+.1} %", 100.0 * ratio)),
        ]);
    }
    let mut out = format!("{rows}\n");
    if order.len() > MOST_CHANGES {
        let _ = writeln!(out, "({MOST_CHANGES} of {} steps; --format csv has all)", order.len());
    }
    out
}

/// Every step that changed, one row each.
pub fn changes_csv(changes: &[Change]) -> String {
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
    crate::write::csv::write(&header, rows)
}

/// What a change of prices does to a plan.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Effect {
    /// How the two costs were found.
    pub how: &'static str,
    /// Cost before and after [USD].
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
    /// Cost before and after [USD].
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

/// Two books for people.
pub fn diff_table(diff: &Diff) -> String {
    let mut out = if diff.changes.is_empty() {
        "the two books have the same prices\n".to_owned()
    } else {
        changes_table(&diff.changes)
    };
    let Some(effect) = &diff.effect else { return out };
    let mut rows = table(&["Account", "Service", "Before", "Now", "Change"], 2);
    let change = |[old, new]: [Usd; 2]| {
        let share = if old == Usd::ZERO { 0.0 } else { new.to_f64() / old.to_f64() - 1.0 };
        format!("{} ({:+.2} %)", number::money(new - old), 100.0 * share)
    };
    let line = |account: &str, service: &str, cost: [Usd; 2]| {
        [
            account.to_owned(),
            service.to_owned(),
            number::money(cost[0]),
            number::money(cost[1]),
            change(cost),
        ]
    };
    for service in effect.services.iter().filter(|service| service.cost[0] != service.cost[1]) {
        rows.add_row(line(&service.account, &service.service, service.cost));
    }
    rows.add_row(line("all", "", effect.cost));
    let _ = write!(out, "\nThe plan ({}), unblended cost in USD:\n{rows}\n", effect.how);
    out
}
