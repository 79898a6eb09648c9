//! A plan, and what it is compared with, as a [`Page`]: which sections there are, in which order, and which
//! figures of the documents they show.
//!
//! # Limits
//! Sums over months, accounts and services are sums of the plan's own amounts; nothing is priced or metered
//! here.

use std::collections::BTreeMap;

use crate::page::{
    Cell, Column, Fact, Kind, Meaning, Page, Row, Section, Table, Tied,
    number::{grouped, in_dollars, known},
};
use crate::{
    advice::tune::Tuned,
    bills::{
        backtest::{Point, Score},
        reconcile::Reconciliation,
    },
    measure::{
        calendar::Month,
        units::{Usd, count},
    },
    plan::{MonthPlan, Plan},
};

pub mod actuals;
mod assumptions;
pub mod backtest;
pub mod calibrate;
mod capacity;
pub mod commit;
pub mod compared;
pub mod costs;
pub mod explained;
pub mod forecast;
pub mod ledger;
mod materials;
pub mod missing;
pub mod odds;
pub mod prices;
pub mod rated;
pub mod reconcile;
pub mod simulate;
pub mod traced;
pub mod tuned;

/// What a report may show with the plan.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The plan against bills.
    pub reconciliation: Option<&'a Reconciliation>,
    /// Past forecasts against bills.
    pub backtest: Option<(&'a [Score], &'a [Point])>,
    /// What `tune` found.
    pub tuned: Option<&'a Tuned>,
}

/// The whole report.
pub fn page(plan: &Plan, beside: Beside<'_>) -> Page {
    let mut sections = vec![odds::monthly(plan, beside.reconciliation), costs::by_service(plan)];
    sections.push(capacity::section(plan));
    sections.push(costs::showback(plan));
    sections.extend(plan.spread.as_ref().map(|spread| odds::units(plan, spread)));
    sections.extend(plan.spread.as_ref().and_then(|spread| odds::budgets(plan, spread)));
    sections.extend(plan.spread.as_ref().and_then(|spread| odds::drivers(plan, spread)));
    sections.extend(costs::commitments(plan));
    sections.extend(beside.reconciliation.map(reconcile::section));
    sections.extend(beside.backtest.map(|(scores, points)| backtest::accuracy(scores, points)));
    sections.extend(beside.tuned.map(tuned::section));
    sections.push(assumptions::section(plan));
    sections.extend(materials::sections(plan));
    sections.push(limits(plan));
    let mut page = Page {
        title: plan.name.clone(),
        cost_metric: plan.cost_metric.clone(),
        currency: plan.currency.clone(),
        headline: headline(plan),
        provenance: provenance(plan, beside),
        sections,
        records: None,
    };
    page.name_apart();
    page.without_turns();
    page
}

/// What stands under a table of a plan's amounts.
fn note(plan: &Plan, what: &str) -> String {
    [&*plan.currency, what]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

fn columns(names: &[(&str, Kind)]) -> Vec<Column> {
    names.iter().map(|(name, kind)| Column::new(*name, *kind)).collect()
}

/// Columns of which a narrow terminal drops some, the first named first.
fn least_wanted(columns: Vec<Column>, names: &[&str]) -> Vec<Column> {
    let spare = |column: &Column| {
        let place = names.iter().position(|name| *name == column.name);
        place.map_or(0, |place| (names.len() - place) as u8)
    };
    columns.into_iter().map(|column| Column { spare: spare(&column), ..column }).collect()
}

/// Rows for programs, with columns named as keys.
fn records(names: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    Table {
        columns: names.iter().map(|name| Column::new(*name, Kind::Text)).collect(),
        rows: rows.map(|row| Row::new(row.into_iter().map(Cell::Text).collect())).collect(),
        ..Table::default()
    }
}

/// A name as it stands in links and files.
fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(plain).collect()
}

fn headline(plan: &Plan) -> Vec<Fact> {
    let (Some(first), Some(last)) = (plan.months.first(), plan.months.last()) else {
        return Vec::new();
    };
    let fact =
        |label: String, value: Cell, note: String| Fact { label, value, note, ..Fact::default() };
    let mut facts = vec![
        fact(
            format!("Total of {}", count(plan.months.len(), "month")),
            Cell::Usd(plan.cost),
            standing(plan, first.month, last.month),
        ),
        fact(format!("First month, {}", first.month), Cell::Usd(first.cost), users(first)),
        fact(format!("Last month, {}", last.month), Cell::Usd(last.cost), users(last)),
    ];
    if let Some(spread) = &plan.spread {
        let (of, errors) = (spread.total.of, spread.total.standard_errors);
        for (label, value, name, error) in [
            ("Low total", of.p10, "P10", errors[0]),
            ("Likely total", of.p50, "P50", errors[1]),
            ("High total", of.p90, "P90", errors[2]),
        ] {
            let note = format!("{name} of {} trials ± standard error", spread.trials);
            let value = Cell::text(known(value.to_f64(), error.to_f64()));
            facts.push(fact(label.into(), value, note));
        }
    }
    if !plan.warnings.is_empty() {
        facts.push(Fact {
            meaning: Some(Meaning::Caution),
            ..fact(
                "Before using these figures".into(),
                Cell::text(count(plan.warnings.len(), "warning")),
                "read the last section".into(),
            )
        });
    }
    facts
}

fn users(month: &MonthPlan) -> String {
    if month.users < 1.0 {
        return "no users".into();
    }
    format!(
        "{} monthly users, {} per user",
        grouped(month.users, 0),
        in_dollars(month.cost.to_f64() / month.users, 4)
    )
}

/// Where the mid case stands among the trials.
fn standing(plan: &Plan, first: Month, last: Month) -> String {
    let text = format!("{first} to {last}, mid case");
    let Some(spread) = &plan.spread else { return text };
    let of = spread.total.of;
    let place = match plan.cost {
        cost if cost < of.p10 => "below P10 of the trials",
        cost if cost < of.p50 => "below P50: more than half of the trials cost more",
        cost if cost > of.p90 => "above P90 of the trials",
        _ => "at or above P50 of the trials",
    };
    format!("{text}; {place}")
}

/// What a report was made from, and what is in none of its figures.
fn provenance(plan: &Plan, beside: Beside<'_>) -> Vec<(String, String)> {
    let made = &plan.made_from;
    let dates = plan.prices.iter().flat_map(|price| &price.steps).map(|step| &*step.as_of);
    let dates: Vec<&str> = dates.filter(|date| !date.is_empty()).collect();
    let prices = match (dates.iter().min(), dates.iter().max()) {
        (Some(oldest), Some(newest)) => format!("{oldest} to {newest}"),
        _ => "undated".into(),
    };
    let undated =
        plan.prices.iter().filter(|price| price.steps.iter().any(|s| s.as_of.is_empty())).count();
    let prices = if undated > 0 { format!("{prices}, {undated} meters undated") } else { prices };
    let missing: Vec<&str> = plan.not_modelled.iter().map(|one| &*one.system).collect();
    let mut rows = vec![
        ("Cost metric", format!("{}, {}", plan.currency, plan.cost_metric)),
        ("runrate", made.version.clone()),
        ("Scenario (sha256)", made.scenario_sha256.clone()),
        ("Price book (sha256)", made.price_book_sha256.clone()),
        ("Models (sha256)", made.models_sha256.clone()),
        ("Prices as of", prices),
        ("Seed", made.seed.to_string()),
    ];
    if made.trial > 0 {
        rows.push(("Trial", made.trial.to_string()));
    }
    if let Some(spread) = &plan.spread {
        let note = spread.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
        rows.push(("Trials", format!("{} of {} requested{note}", spread.trials, spread.requested)));
    }
    if let Some(done) = beside.reconciliation {
        let of = |month: &crate::bills::reconcile::Compared| {
            format!("{} ({}, read {})", month.month, month.source, month.read_at)
        };
        let months: Vec<String> = done.months.iter().map(of).collect();
        rows.push(("Bills", format!("{}; {}", done.metric, months.join("; "))));
    }
    if let Some((scores, points)) = beside.backtest {
        rows.push(("Backtest", format!("{} guesses, {} scores", points.len(), scores.len())));
    }
    if let Some(tuned) = beside.tuned {
        let made = &tuned.made_from;
        let text = format!(
            "scenario {}, seed {}, {} evaluations",
            made.scenario_sha256, made.seed, tuned.evaluations
        );
        rows.push(("Tuning", text));
    }
    rows.push(("Not in any figure", missing.join("; ")));
    rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Warnings, notes, and what is not modelled.
fn limits(plan: &Plan) -> Section {
    let table = |id: &str, title: &str, rows: Vec<Row>, names: &[(&str, Kind)]| Table {
        id: id.into(),
        title: title.into(),
        columns: columns(names),
        rows,
        ..Table::default()
    };
    let text = |lines: &[String]| -> Vec<Row> {
        lines.iter().map(|line| Row::new(vec![Cell::text(line)])).collect()
    };
    let missing = plan.not_modelled.iter();
    let missing =
        missing.map(|one| Row::new(vec![Cell::text(&one.system), Cell::text(&one.needs)]));
    let tables = [
        table("warnings", "Warnings", text(&plan.warnings), &[("Warning", Kind::Text)]),
        table("notes", "Notes", text(&plan.notes), &[("Note", Kind::Text)]),
        table(
            "not-modelled",
            "Not modeled, so not in any figure",
            missing.collect(),
            &[("System", Kind::Text), ("Needs", Kind::Text)],
        ),
    ];
    Section {
        id: "known-limits".into(),
        title: "Warnings, notes and what is not modeled".into(),
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        ..Section::default()
    }
}

/// Names with a column on every terminal.
const KEPT: usize = 3;

/// Amounts by name over the plan's months: one row a month, the most expensive names first, with sums.
struct Matrix {
    /// Names with one amount a month.
    columns: Vec<(String, Vec<Usd>)>,
}

impl Matrix {
    fn add(sums: &mut BTreeMap<String, Vec<Usd>>, name: &str, place: (usize, usize), cost: Usd) {
        let (month, months) = place;
        let row = sums.entry(name.to_owned()).or_insert_with(|| vec![Usd::ZERO; months]);
        row[month] += cost;
    }

    /// By cost over all months.
    fn new(sums: BTreeMap<String, Vec<Usd>>) -> Self {
        let mut columns: Vec<(String, Vec<Usd>)> = sums.into_iter().collect();
        let total = |column: &(String, Vec<Usd>)| column.1.iter().copied().sum::<Usd>();
        columns.sort_by(|a, b| total(b).cmp(&total(a)).then_with(|| a.0.cmp(&b.0)));
        Self { columns }
    }

    /// The total stands first: a wide table is cut on its right.
    fn table(&self, plan: &Plan, (id, title): (&str, &str), amount: Usd) -> Table {
        let mut names = vec![Column::new("Month", Kind::Month), Column::new("Total", Kind::Usd)];
        // The most expensive services are the last that a narrow terminal drops.
        let services = self.columns.iter().zip(0_usize..);
        names.extend(services.map(|((name, _), place)| {
            let spare = place.saturating_sub(KEPT).min(u8::MAX.into()) as u8;
            Column::new(name, Kind::Dollars).spare(spare)
        }));
        let mut rows: Vec<Row> = Vec::new();
        for (index, month) in plan.months.iter().enumerate() {
            let amounts: Vec<Usd> = self.columns.iter().map(|(_, all)| all[index]).collect();
            let mut cells =
                vec![Cell::Month(month.month), Cell::Usd(amounts.iter().copied().sum())];
            cells.extend(amounts.into_iter().map(Cell::Usd));
            rows.push(Row::new(cells));
        }
        let sums: Vec<Usd> =
            self.columns.iter().map(|(_, all)| all.iter().copied().sum()).collect();
        let mut cells = vec![Cell::text("Total"), Cell::Usd(sums.iter().copied().sum())];
        cells.extend(sums.into_iter().map(Cell::Usd));
        rows.push(Row::total(cells));
        let note = note(plan, "by month");
        let ties = Some(Tied { column: 1, amount });
        Table {
            id: id.into(),
            title: title.into(),
            note,
            columns: names,
            rows,
            ties,
            ..Table::default()
        }
    }
}

#[cfg(test)]
mod tests;
