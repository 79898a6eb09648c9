//! The price book as tables.

use super::terminal::table;
use crate::{
    calendar::parse_moment,
    prices::{BillKey, PriceBook, PriceRow},
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
