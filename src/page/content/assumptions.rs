//! What the plan assumes.

use super::columns;
use crate::{
    page::{Cell, Importance, Kind, Row, Section, Table},
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
        text.push("This plan was saved by a version that did not store its assumptions.".into());
    }
    let tables = [uncertain(&ranged), settings(&fixed)];
    Section {
        id: "assumptions".into(),
        title: "Assumptions".into(),
        importance: Importance::Reference,
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
        title: "Uncertain inputs".into(),
        note:
            "in the scenario's units; the confidence is the share of outcomes between low and high"
                .into(),
        columns: columns(&[
            ("Input", Kind::Text),
            ("Low", Kind::Quantity),
            ("Mid", Kind::Quantity),
            ("High", Kind::Quantity),
            ("Confidence", Kind::Share),
        ]),
        rows: all.iter().map(row).collect(),
        ..Table::default()
    }
}

fn settings(all: &[&Assumption]) -> Table {
    Table {
        id: "settings".into(),
        title: "Other values of the scenario".into(),
        note: "in the scenario's units".into(),
        columns: columns(&[("Key", Kind::Text), ("Value", Kind::Quantity)]),
        rows: all.iter().map(|own| Row::new(vec![Cell::text(&own.key), value(own)])).collect(),
        ..Table::default()
    }
}
