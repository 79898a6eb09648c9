//! A plan against bills: by account and service, from consumption to the whole bill, and lines of one side alone.

use std::collections::BTreeMap;

use super::{columns, least_wanted, records};
use crate::{
    bills::reconcile::{Cell as Compared, Match, Reconciliation, Step, Sum, Variance},
    measure::units::{Usd, count},
    page::{
        Cell, Chart, Column, Fact, Figure, Kind, Page, Row, Section, Table,
        number::{grouped, money, percent},
    },
};

/// Lines of one side alone that the table shows.
const MOST_LINES: usize = 25;

/// The whole page.
pub fn page(done: &Reconciliation) -> Page {
    let fact = |label: &str, amount: Usd, note: String| Fact {
        label: label.into(),
        value: Cell::Usd(amount),
        note,
        ..Fact::default()
    };
    let (total, share) = (&done.total, done.total.share());
    let share = share.map(|share| format!("{} of planned", percent(share))).unwrap_or_default();
    let mut page = Page {
        title: format!("{}: plan against bill", done.plan),
        currency: done.currency.clone(),
        cost_metric: format!("consumption, {}", done.metric),
        headline: vec![
            fact("Planned", total.planned, done.basis.into()),
            fact("Billed", total.billed, months(done)),
            fact("Difference", total.variance.total, share),
        ],
        sections: vec![section(done)],
        records: Some(cell_records(done)),
        ..Page::default()
    };
    page.name_apart();
    page.without_turns();
    page
}

/// Months that are compared: `2027-01 to 2027-09, 9 months`.
fn months(done: &Reconciliation) -> String {
    let used = done.months.iter().filter(|month| month.share > 0.0);
    let used: Vec<String> = used.map(|month| month.month.to_string()).collect();
    match &*used {
        [first, .., last] => format!("{first} to {last}, {}", count(used.len(), "month")),
        all => all.concat(),
    }
}

/// From planned to billed, by cause.
pub(super) fn section(done: &Reconciliation) -> Section {
    let parts = parts(done);
    let tables =
        [by_service(done, &parts), by_account(done, &parts), bridge(done), unmatched(done)];
    Section {
        id: "variance".into(),
        title: "Plan against bill".into(),
        text: text(done),
        points: notes(done),
        figures: vec![figure(done, &parts)],
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        ..Section::default()
    }
}

fn text(done: &Reconciliation) -> Vec<String> {
    let mut text = vec![format!(
        "Planned ({}) against billed ({}), {}, {}.",
        done.basis,
        done.metric,
        done.currency,
        months(done)
    )];
    text.extend(done.accuracy.as_ref().map(|accuracy| {
        format!(
            "The monthly totals are off by {} of the bill (FinOps Framework: {}), the services by {}; bias {}.",
            percent(accuracy.wape_of_totals),
            accuracy.level,
            percent(accuracy.wape),
            percent(accuracy.bias)
        )
    }));
    text.extend(
        done.discount.map(|share| format!("Discounts are {} of consumption.", percent(share))),
    );
    for (matched, title) in [
        (Match::Unplanned, "Billed, not planned"),
        (Match::Unmapped, "Billed services that the scenario does not model"),
        (Match::Unbilled, "Planned, not billed"),
    ] {
        let lines = one_sided(done, |cell| cell.matched == matched);
        let sum: Usd = lines.iter().map(OneSided::cost).sum();
        if !lines.is_empty() {
            text.push(format!("{title}: {} in {}.", money(sum), count(lines.len(), "line")));
        }
    }
    text
}

fn notes(done: &Reconciliation) -> Vec<String> {
    let mut notes = Vec::new();
    for month in &done.months {
        let whole = month.month.days();
        if month.share <= 0.0 {
            notes.push(format!(
                "{} is skipped: the bill ends after day {} of {whole} (--partial pro-rata scales the plan to the billed days)",
                month.month, month.days
            ));
        } else if month.share < 1.0 {
            notes.push(format!(
                "{}: {} of {whole} days are billed; the plan's month is scaled to them",
                month.month, month.days
            ));
        }
        if month.estimated {
            notes.push(format!("{}: AWS marks the figures as estimated", month.month));
        }
    }
    if !done.missing.is_empty() {
        let months: Vec<String> = done.missing.iter().map(ToString::to_string).collect();
        notes.push(format!("no bill for {}", months.join(", ")));
    }
    if !done.unknown_accounts.is_empty() {
        notes.push(format!(
            "accounts of the bill that the plan does not have: {}",
            done.unknown_accounts.join(", ")
        ));
    }
    for (service, cost) in &done.elsewhere {
        notes.push(format!("{service} ({}) is planned; AWS does not bill it", money(*cost)));
    }
    if done.set_aside > 0 {
        notes.push(format!(
            "skipped rows of the bills: {}; `runrate actuals list` shows why",
            grouped(done.set_aside as f64, 0)
        ));
    }
    notes.extend(done.notes.iter().cloned());
    notes
}

/// A part of a difference, by cause.
struct Part {
    name: &'static str,
    amount: fn(&Variance) -> Usd,
}

/// The parts of this comparison's differences: price, quantity, mix, and those that only some comparisons have.
fn parts(done: &Reconciliation) -> Vec<Part> {
    let further = [
        Part { name: "Not planned", amount: |variance| variance.unplanned },
        Part { name: "Commitment fees", amount: |variance| variance.fees },
    ];
    let used =
        |part: &Part| done.cells.iter().any(|cell| (part.amount)(&cell.variance) != Usd::ZERO);
    let mut parts = vec![
        Part { name: "By price", amount: |variance| variance.price },
        Part { name: "By quantity", amount: |variance| variance.quantity },
        Part { name: "By mix", amount: |variance| variance.mix },
    ];
    parts.extend(further.into_iter().filter(used));
    parts
}

fn figure(done: &Reconciliation, parts: &[Part]) -> Figure {
    let total = &done.total;
    let steps = parts.iter().map(|part| {
        (
            part.name.trim_start_matches("By ").to_lowercase(),
            (part.amount)(&total.variance).to_f64(),
        )
    });
    Figure {
        id: "variance".into(),
        title: format!("From planned to billed consumption [{}]", done.currency),
        alt: "A waterfall from the planned to the billed amount by price, quantity, mix, what was not planned and commitment fees."
            .into(),
        chart: Chart::Waterfall {
            from: ("planned".into(), total.planned.to_f64()),
            steps: steps.filter(|(_, change)| *change != 0.0).collect(),
            to: ("billed".into(), total.billed.to_f64()),
        },
    }
}

/// The columns of a sum, behind those that name it.
fn sum_columns(names: &[(&str, Kind)], parts: &[Part]) -> Vec<Column> {
    let mut all = columns(names);
    all.extend(columns(&[
        ("Planned", Kind::Usd),
        ("Billed", Kind::Usd),
        ("Difference", Kind::Usd),
        ("Of planned", Kind::Share),
    ]));
    all.extend(parts.iter().map(|part| Column::new(part.name, Kind::Usd)));
    least_wanted(all, &["Commitment fees", "Not planned", "By mix", "By quantity", "By price"])
}

fn sum_cells(names: &[&str], sum: &Sum, parts: &[Part]) -> Vec<Cell> {
    let mut cells: Vec<Cell> = names.iter().map(|name| Cell::text(*name)).collect();
    cells.extend([
        Cell::Usd(sum.planned),
        Cell::Usd(sum.billed),
        Cell::Usd(sum.variance.total),
        Cell::maybe(sum.share()),
    ]);
    cells.extend(parts.iter().map(|part| Cell::Usd((part.amount)(&sum.variance))));
    cells
}

/// Currency, and the cost of the bill that is compared.
fn note(done: &Reconciliation) -> String {
    format!("{}; billed is {}", done.currency, done.metric)
}

fn short<'a>(done: &'a Reconciliation, service: &'a str) -> &'a str {
    done.short_names.get(service).map_or(service, String::as_str)
}

fn by_service(done: &Reconciliation, parts: &[Part]) -> Table {
    let all = done.by(|cell| (cell.account.clone(), cell.service.clone()));
    let priced = all.iter().filter(|(_, sum)| sum.planned != Usd::ZERO || sum.billed != Usd::ZERO);
    let mut rows: Vec<Row> = priced
        .map(|((account, service), sum)| {
            Row::new(sum_cells(&[account, short(done, service)], sum, parts))
        })
        .collect();
    rows.push(Row::total(sum_cells(&["Total", ""], &done.total, parts)));
    Table {
        id: "variance".into(),
        title: "Variance by account and service, greatest first".into(),
        note: note(done),
        columns: sum_columns(&[("Account", Kind::Text), ("Service", Kind::Text)], parts),
        rows,
        ..Table::default()
    }
}

/// Sums by account; no rows for one account.
fn by_account(done: &Reconciliation, parts: &[Part]) -> Table {
    let mut accounts = done.by(|cell| cell.account.clone());
    accounts.sort_by(|a, b| a.0.cmp(&b.0));
    let row = |(account, sum): &(String, Sum)| Row::new(sum_cells(&[account], sum, parts));
    let rows = if accounts.len() > 1 { accounts.iter().map(row).collect() } else { Vec::new() };
    Table {
        id: "variance-by-account".into(),
        title: "Variance by account".into(),
        note: note(done),
        columns: sum_columns(&[("Account", Kind::Text)], parts),
        rows,
        ..Table::default()
    }
}

fn bridge(done: &Reconciliation) -> Table {
    let row = |step: &Step| {
        let planned = step.planned.map_or(Cell::Empty, Cell::Usd);
        Row::new(vec![Cell::text(step.name), planned, Cell::Usd(step.billed)])
    };
    let mut rows: Vec<Row> = done.bridge.iter().map(row).collect();
    let planned: Usd = done.bridge.iter().filter_map(|step| step.planned).sum();
    let billed: Usd = done.bridge.iter().map(|step| step.billed).sum();
    rows.push(Row::total(vec![Cell::text("bill"), Cell::Usd(planned), Cell::Usd(billed)]));
    Table {
        id: "bridge".into(),
        title: "From consumption to the whole bill".into(),
        note: note(done),
        columns: columns(&[("", Kind::Text), ("Planned", Kind::Usd), ("Billed", Kind::Usd)]),
        rows,
        ..Table::default()
    }
}

/// A line of one side alone, over all months.
struct OneSided<'a> {
    /// Any of its cells: all are of one account, service, region and usage type.
    cell: &'a Compared,
    planned: Usd,
    billed: Usd,
}

impl OneSided<'_> {
    fn cost(&self) -> Usd {
        self.planned + self.billed
    }
}

/// Lines of one side alone, the most expensive first.
fn one_sided(done: &Reconciliation, wanted: impl Fn(&Compared) -> bool) -> Vec<OneSided<'_>> {
    let mut lines: BTreeMap<_, OneSided<'_>> = BTreeMap::new();
    for cell in done.cells.iter().filter(|cell| wanted(cell)) {
        let place =
            (cell.matched, &*cell.account, &*cell.service, &*cell.region, &*cell.usage_type);
        let line =
            lines.entry(place).or_insert(OneSided { cell, planned: Usd::ZERO, billed: Usd::ZERO });
        line.planned += cell.planned.cost;
        line.billed += cell.billed.cost;
    }
    let mut lines: Vec<OneSided<'_>> = lines.into_values().collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.cost().decimal().abs()));
    lines
}

fn unmatched(done: &Reconciliation) -> Table {
    let why = |matched: Match| match matched {
        Match::Both => "",
        Match::Unbilled => "planned, not billed",
        Match::Unplanned => "billed, not planned",
        Match::Unmapped => "billed, not modeled",
    };
    let lines = one_sided(done, |cell| cell.matched != Match::Both);
    let row = |line: &OneSided<'_>| {
        let cell = line.cell;
        Row::new(vec![
            Cell::text(&cell.account),
            Cell::text(short(done, &cell.service)),
            Cell::text(&cell.region),
            Cell::text(&cell.usage_type),
            Cell::text(why(cell.matched)),
            Cell::Usd(line.planned),
            Cell::Usd(line.billed),
        ])
    };
    let part = if lines.len() > MOST_LINES {
        format!("; `reconcile --format csv` has all {}", count(lines.len(), "line"))
    } else {
        String::new()
    };
    let names = columns(&[
        ("Account", Kind::Text),
        ("Service", Kind::Text),
        ("Region", Kind::Text),
        ("Usage type", Kind::Text),
        ("Why", Kind::Text),
        ("Planned", Kind::Usd),
        ("Billed", Kind::Usd),
    ]);
    Table {
        id: "one-sided".into(),
        title: "Lines that only one side has, greatest first".into(),
        note: format!("{}{part}", note(done)),
        columns: least_wanted(names, &["Region"]),
        rows: lines.iter().take(MOST_LINES).map(row).collect(),
        ..Table::default()
    }
}

/// Every cell, one row each.
fn cell_records(done: &Reconciliation) -> Table {
    let header = [
        "month",
        "account",
        "service",
        "region",
        "usage_type",
        "match",
        "planned_quantity",
        "billed_quantity",
        "planned_usd",
        "billed_usd",
        "difference_usd",
        "price_usd",
        "quantity_usd",
        "mix_usd",
        "unplanned_usd",
        "fees_usd",
        "metric",
    ];
    let row = |cell: &Compared| {
        let quantity = |quantity: Option<f64>| quantity.map_or(String::new(), |q| q.to_string());
        let matched = match cell.matched {
            Match::Both => "both",
            Match::Unbilled => "planned only",
            Match::Unplanned => "billed only",
            Match::Unmapped => "billed, not mapped",
        };
        vec![
            cell.month.to_string(),
            cell.account.clone(),
            cell.service.clone(),
            cell.region.clone(),
            cell.usage_type.clone(),
            matched.to_owned(),
            quantity(cell.planned.quantity),
            quantity(cell.billed.quantity),
            cell.planned.cost.to_string(),
            cell.billed.cost.to_string(),
            cell.variance.total.to_string(),
            cell.variance.price.to_string(),
            cell.variance.quantity.to_string(),
            cell.variance.mix.to_string(),
            cell.variance.unplanned.to_string(),
            cell.variance.fees.to_string(),
            done.metric.to_owned(),
        ]
    };
    records(&header, done.cells.iter().map(row))
}
