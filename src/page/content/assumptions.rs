//! What the plan was told.

use super::columns;
use crate::{
    page::{Cell, Kind, Row, Section, Table},
    plan::{
        Plan,
        assumptions::{Assumption, Value},
    },
};

/// The section: what is uncertain first, then everything.
pub(super) fn section(plan: &Plan) -> Section {
    let (ranged, fixed): (Vec<&Assumption>, Vec<&Assumption>) =
        plan.assumptions.iter().partition(|own| own.range.is_some());
    let mut text = Vec::new();
    if plan.assumptions.is_empty() {
        text.push("This plan was saved by a version that did not keep its assumptions.".into());
    }
    let fit = plan.fit.as_ref().map(|fit| {
        format!(
            "Growth is fitted to {} figures: {}; R² {:.3}, mean error {:.1} %.",
            fit.points, fit.law, fit.r_squared, fit.mape_percent
        )
    });
    text.extend(fit);
    let tables = [uncertain(&ranged), told(&fixed)];
    Section {
        id: "assumptions".into(),
        title: "Assumptions".into(),
        text,
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        ..Section::default()
    }
}

fn value(own: &Assumption) -> Cell {
    match &own.value {
        Value::Number(number) => Cell::Number(*number),
        Value::Flag(flag) => Cell::text(flag.to_string()),
        Value::Text(text) => Cell::text(text),
    }
}

fn uncertain(all: &[&Assumption]) -> Table {
    let row = |own: &&Assumption| {
        let range = own.range;
        Row::new(vec![
            Cell::text(&own.key),
            Cell::maybe(range.map(|range| range.low)),
            value(own),
            Cell::maybe(range.map(|range| range.high)),
            Cell::maybe(range.map(|range| range.confidence)),
        ])
    };
    Table {
        id: "uncertain".into(),
        title: "What is uncertain".into(),
        note:
            "In the scenario's units; the share of outcomes between low and high is the confidence"
                .into(),
        columns: columns(&[
            ("Input", Kind::Text),
            ("Low", Kind::Quantity),
            ("Mid", Kind::Quantity),
            ("High", Kind::Quantity),
            ("Confidence", Kind::Share),
        ]),
        rows: all.iter().map(row).collect(),
        ties: None,
    }
}

fn told(all: &[&Assumption]) -> Table {
    Table {
        id: "settings".into(),
        title: "Every other value of the scenario".into(),
        note: "In the scenario's units".into(),
        columns: columns(&[("Key", Kind::Text), ("Value", Kind::Quantity)]),
        rows: all.iter().map(|own| Row::new(vec![Cell::text(&own.key), value(own)])).collect(),
        ties: None,
    }
}
