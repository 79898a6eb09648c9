//! The plan against bills, and past forecasts against what came.

use std::collections::BTreeMap;

use super::{columns, note};
use crate::{
    bills::{
        backtest::{Method, Point, Score},
        reconcile::{Match, Reconciliation, Sum},
    },
    measure::{calendar::Month, units::Usd},
    page::{Cell, Chart, Figure, Importance, Kind, Row, Section, Series, Table, Unit},
    plan::Plan,
};

/// Lines without a match that are told of by themselves.
const TOLD: usize = 25;

/// From planned to billed, by cause.
pub(super) fn variance(plan: &Plan, done: &Reconciliation) -> Section {
    let total = &done.total;
    let mut steps: Vec<(String, f64)> = vec![
        ("price".into(), total.variance.price.to_f64()),
        ("quantity".into(), total.variance.quantity.to_f64()),
        ("mix".into(), total.variance.mix.to_f64()),
        ("not planned".into(), total.variance.unplanned.to_f64()),
        ("commitment fees".into(), total.variance.fees.to_f64()),
    ];
    steps.retain(|(_, change)| *change != 0.0);
    let used = done.months.iter().filter(|month| month.share > 0.0);
    let months: Vec<String> = used.map(|month| month.month.to_string()).collect();
    let mut text = vec![format!(
        "Planned ({}) against billed ({}), {}: {}.",
        done.basis,
        done.metric,
        done.currency,
        months.join(", ")
    )];
    text.extend(done.accuracy.as_ref().map(|accuracy| {
        format!(
            "Off by {:.1} % of the bill in the months' totals (FinOps Framework: {}), {:.1} % by service; bias {:+.1} %.",
            100.0 * accuracy.wape_of_totals,
            accuracy.level,
            100.0 * accuracy.wape,
            100.0 * accuracy.bias
        )
    }));
    Section {
        id: "variance".into(),
        title: "Plan against bill".into(),
        importance: Importance::Main,
        text,
        points: done.notes.clone(),
        figures: vec![Figure {
            id: "variance".into(),
            title: format!("From planned to billed consumption [{}]", done.currency),
            alt: "A waterfall from the planned to the billed amount by price, quantity, mix, what was not planned and commitment fees."
                .into(),
            chart: Chart::Waterfall {
                from: ("planned".into(), total.planned.to_f64()),
                steps,
                to: ("billed".into(), total.billed.to_f64()),
            },
        }],
        tables: vec![by_service(plan, done), bridge(done), unmatched(done)]
            .into_iter()
            .filter(|table| !table.rows.is_empty())
            .collect(),
    }
}

fn sums(account: &str, service: &str, sum: &Sum) -> Vec<Cell> {
    let variance = &sum.variance;
    vec![
        Cell::text(account),
        Cell::text(service),
        Cell::Usd(sum.planned),
        Cell::Usd(sum.billed),
        Cell::Usd(variance.total),
        Cell::maybe(sum.share()),
        Cell::Usd(variance.price),
        Cell::Usd(variance.quantity),
        Cell::Usd(variance.mix),
        Cell::Usd(variance.unplanned),
        Cell::Usd(variance.fees),
    ]
}

fn by_service(plan: &Plan, done: &Reconciliation) -> Table {
    let all = done.by(|cell| (cell.account.clone(), cell.service.clone()));
    let shown = all.iter().filter(|(_, sum)| sum.planned != Usd::ZERO || sum.billed != Usd::ZERO);
    let mut rows: Vec<Row> = shown
        .map(|((account, service), sum)| Row::new(sums(account, plan.short_name(service), sum)))
        .collect();
    rows.push(Row::total(sums("all", "", &done.total)));
    Table {
        id: "variance".into(),
        title: "Variance by account and service, greatest first".into(),
        note: note(plan, &format!("planned; billed is {}", done.metric)),
        columns: columns(&[
            ("Account", Kind::Text),
            ("Service", Kind::Text),
            ("Planned", Kind::Usd),
            ("Billed", Kind::Usd),
            ("Difference", Kind::Usd),
            ("Of planned", Kind::Share),
            ("By price", Kind::Usd),
            ("By quantity", Kind::Usd),
            ("By mix", Kind::Usd),
            ("Not planned", Kind::Usd),
            ("Commitment fees", Kind::Usd),
        ]),
        rows,
        ..Table::default()
    }
}

fn bridge(done: &Reconciliation) -> Table {
    let row = |step: &crate::bills::reconcile::Step| {
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
        note: format!("{}; billed is {}", done.currency, done.metric),
        columns: columns(&[("", Kind::Text), ("Planned", Kind::Usd), ("Billed", Kind::Usd)]),
        rows,
        ..Table::default()
    }
}

fn unmatched(done: &Reconciliation) -> Table {
    let why = |matched: Match| match matched {
        Match::Both => "",
        Match::Unbilled => "planned, not billed",
        Match::Unplanned => "billed, not planned",
        Match::Unmapped => "billed under a name that the price book does not know",
    };
    let alone = done.cells.iter().filter(|cell| cell.matched != Match::Both);
    let row = |cell: &crate::bills::reconcile::Cell| {
        Row::new(vec![
            Cell::Month(cell.month),
            Cell::text(&cell.account),
            Cell::text(done.short_names.get(&cell.service).unwrap_or(&cell.service)),
            Cell::text(&cell.usage_type),
            Cell::text(why(cell.matched)),
            Cell::Usd(cell.planned.cost),
            Cell::Usd(cell.billed.cost),
        ])
    };
    let count = alone.clone().count();
    let more = count.saturating_sub(TOLD);
    let told = if more > 0 {
        format!("; {more} more are in `reconcile --format csv`")
    } else {
        String::new()
    };
    Table {
        id: "one-sided".into(),
        title: "Lines that only one side has, greatest first".into(),
        note: format!("{}; billed is {}{told}", done.currency, done.metric),
        columns: columns(&[
            ("Month", Kind::Month),
            ("Account", Kind::Text),
            ("Service", Kind::Text),
            ("Usage type", Kind::Text),
            ("Why", Kind::Text),
            ("Planned", Kind::Usd),
            ("Billed", Kind::Usd),
        ]),
        rows: alone.take(TOLD).map(row).collect(),
        ..Table::default()
    }
}
