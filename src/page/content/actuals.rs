//! Stored bills: their months, what of them is in no comparison, and their skipped rows.

use super::{columns, least_wanted};
use crate::{
    bills::actuals::{Kind as LineKind, Metric, MonthBill, amount::Amount},
    page::{Cell, Kind, Page, Row, Section, Table, number::billed},
};

/// The whole page; the lines of the bills are too many for it.
pub fn page(bills: &[MonthBill]) -> Page {
    let currency = Currency::of(bills);
    let mut sections = vec![months(bills, &currency)];
    sections.extend(skipped(bills, &currency));
    let mut page = Page {
        title: "Stored bills".into(),
        cost_metric: Metric::Unblended.name().into(),
        currency: currency.name.clone(),
        sections,
        ..Page::default()
    };
    page.without_turns();
    page
}

/// The currency of a table's amounts.
struct Currency {
    /// Empty where the bills have several, or none.
    name: String,
}

impl Currency {
    fn of(bills: &[MonthBill]) -> Self {
        let first = bills.first().map_or("", |bill| &bill.currency);
        let same = bills.iter().all(|bill| bill.currency == first);
        Self { name: if same { first.to_owned() } else { String::new() } }
    }

    /// Amounts of dollars are numbers; others are texts with their currency.
    fn cell(&self, amount: Amount, bill: &MonthBill) -> Cell {
        let amount = amount.usd();
        if self.name == "USD" {
            Cell::Usd(amount)
        } else {
            Cell::text(billed(amount, &bill.currency))
        }
    }

    fn kind(&self) -> Kind {
        if self.name == "USD" { Kind::Usd } else { Kind::Quantity }
    }
}

fn months(bills: &[MonthBill], currency: &Currency) -> Section {
    let row = |bill: &MonthBill| {
        let sum = |consumption: bool| {
            let wanted =
                |line: &crate::bills::actuals::Line| !consumption || line.key.kind.is_consumption();
            currency.cell(bill.sum(Metric::Unblended, wanted).unwrap_or_default(), bill)
        };
        let skipped: u64 = bill.set_aside.iter().map(|aside| aside.rows).sum();
        Row::new(vec![
            Cell::Month(bill.month),
            Cell::text(format!("{} of {}", bill.days, bill.month.days())),
            Cell::text(if bill.estimated { "yes" } else { "no" }),
            sum(true),
            sum(false),
            Cell::Number(bill.rows() as f64),
            Cell::Number(bill.lines.len() as f64),
            Cell::Number(skipped as f64),
            Cell::text(&bill.source),
            Cell::text(&bill.read_at),
        ])
    };
    let names = columns(&[
        ("Month", Kind::Month),
        ("Days", Kind::Text),
        ("May change", Kind::Text),
        ("Consumption", currency.kind()),
        ("Bill", currency.kind()),
        ("Rows", Kind::Number(0)),
        ("Lines", Kind::Number(0)),
        ("Skipped rows", Kind::Number(0)),
        ("Source", Kind::Text),
        ("Read at", Kind::Text),
    ]);
    Section {
        id: "months".into(),
        title: "Months".into(),
        points: notes(bills),
        tables: vec![Table {
            id: "months".into(),
            title: "Months".into(),
            note: currency.name.clone(),
            columns: least_wanted(names, &["Read at", "Lines", "Rows", "May change"]),
            rows: bills.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

fn notes(bills: &[MonthBill]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let unnamed: Vec<String> = bills
        .iter()
        .filter(|bill| bill.currency.is_empty() && !bill.lines.is_empty())
        .map(|bill| bill.month.to_string())
        .collect();
    if !unnamed.is_empty() {
        notes.push(format!("No currency is stated in {}", unnamed.join(", ")));
    }
    notes.extend(bills.iter().filter_map(MonthBill::no_bill));
    for note in bills.iter().flat_map(|bill| &bill.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    notes.extend(not_compared(bills));
    notes
}

/// Lines that are in no comparison: of kinds that are not known, and without an account.
fn not_compared(bills: &[MonthBill]) -> Vec<String> {
    let mut notes = Vec::new();
    for bill in bills {
        for (what, cost) in [
            (
                "lines of a kind that models/billing.toml does not know are in no comparison",
                bill.sum(Metric::Unblended, |line| line.key.kind == LineKind::Unknown),
            ),
            (
                "lines name no account; import the file with --account ID",
                bill.sum(Metric::Unblended, |line| line.key.account.is_empty()),
            ),
        ] {
            if let Some(cost) = cost {
                let cost = billed(cost.usd(), &bill.currency);
                notes.push(format!("{}: {cost}: {what}", bill.month));
            }
        }
    }
    notes
}

/// Rows that could not be used, by reason; none without any.
fn skipped(bills: &[MonthBill], currency: &Currency) -> Option<Section> {
    let rows = bills.iter().flat_map(|bill| {
        bill.set_aside.iter().map(move |aside| {
            Row::new(vec![
                Cell::Month(bill.month),
                Cell::Number(aside.rows as f64),
                Cell::text(&aside.reason),
                aside.cost.map_or(Cell::Empty, |cost| currency.cell(cost, bill)),
                Cell::text(&aside.first),
            ])
        })
    });
    let rows: Vec<Row> = rows.collect();
    (!rows.is_empty()).then(|| Section {
        id: "skipped-rows".into(),
        title: "Skipped rows".into(),
        tables: vec![Table {
            id: "skipped-rows".into(),
            title: "Skipped rows".into(),
            note: currency.name.clone(),
            columns: columns(&[
                ("Month", Kind::Month),
                ("Rows", Kind::Number(0)),
                ("Reason", Kind::Text),
                ("Cost", currency.kind()),
                ("First", Kind::Text),
            ]),
            rows,
            ..Table::default()
        }],
        ..Section::default()
    })
}
