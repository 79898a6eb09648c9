//! Coefficients before and after a fit, and its error on the months that it did not see.

use super::{columns, least_wanted, records};
use crate::{
    bills::calibrate::Fitted,
    page::{Cell, Fact, Kind, Meaning, Page, Row, Section, Table, number::percent},
};

/// What a calibration comes to.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Outcome {
    /// Coefficients.
    pub coefficients: Vec<Fitted>,
    /// Months fitted to.
    pub training: Vec<String>,
    /// Months held out.
    pub held_out: Vec<String>,
    /// Error on the months held out, by service, before, as a share.
    pub error_before: Option<f64>,
    /// The same after.
    pub error_after: Option<f64>,
    /// Discounts over consumption in the bills, as a share.
    pub discount: Option<f64>,
}

/// The whole page.
pub fn page(outcome: &Outcome) -> Page {
    let tables = [fitted(&outcome.coefficients), unchanged(&outcome.coefficients)];
    let mut page = Page {
        title: format!(
            "Calibration to bills of {}, held out {}",
            span(&outcome.training),
            span(&outcome.held_out)
        ),
        headline: headline(outcome),
        sections: vec![Section {
            id: "coefficients".into(),
            title: "Coefficients".into(),
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            ..Section::default()
        }],
        records: Some(key_records(outcome)),
        ..Page::default()
    };
    page.without_turns();
    page
}

fn span(months: &[String]) -> String {
    match months {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first, .., last] => format!("{first} to {last}"),
    }
}

fn headline(outcome: &Outcome) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let (Some(before), Some(after)) = (outcome.error_before, outcome.error_after) {
        let worse = after > before;
        let warning = if worse { "; find out why before you use this fit" } else { "" };
        facts.push(Fact {
            label: "Error on the months held out".into(),
            value: Cell::text(percent(after)),
            note: format!("by account and service; {} before the fit{warning}", percent(before)),
            meaning: Some(if worse { Meaning::Bad } else { Meaning::Good }),
        });
    }
    facts.extend(outcome.discount.map(|discount| Fact {
        label: "Discounts in the bills".into(),
        value: Cell::text(percent(discount)),
        note: "of consumption; the plan is at list prices and has no key for them yet".into(),
        ..Fact::default()
    }));
    facts
}

/// Keys that the fit changes.
fn fitted(coefficients: &[Fitted]) -> Table {
    let moved = coefficients.iter().filter(|fitted| fitted.left_alone.is_none());
    let rows = moved.flat_map(|fitted| {
        let outliers: Vec<String> = fitted.outliers.iter().map(ToString::to_string).collect();
        fitted.keys.iter().map(move |moved| {
            Row::new(vec![
                Cell::text(&fitted.name),
                Cell::text(&moved.key),
                Cell::Number(moved.before),
                Cell::Number(moved.after),
                Cell::Number(moved.before * fitted.uncertainty),
                Cell::Number(fitted.months as f64),
                Cell::text(outliers.join(", ")),
            ])
        })
    });
    let names = columns(&[
        ("Coefficient", Kind::Text),
        ("Key", Kind::Text),
        ("Before", Kind::Quantity),
        ("After", Kind::Quantity),
        ("± 90 %", Kind::Quantity),
        ("Months", Kind::Number(0)),
        ("Outliers", Kind::Text),
    ]);
    Table {
        id: "fitted".into(),
        title: "Fitted coefficients".into(),
        note: "± 90 % is half the width of the 90 % interval".into(),
        columns: least_wanted(names, &["Outliers", "Months"]),
        rows: rows.collect(),
        ..Table::default()
    }
}

/// Coefficients that the fit does not change, and why.
fn unchanged(coefficients: &[Fitted]) -> Table {
    let rows = coefficients.iter().filter_map(|fitted| {
        let why = fitted.left_alone.as_ref()?;
        Some(Row::new(vec![Cell::text(&fitted.name), Cell::text(why)]))
    });
    Table {
        id: "unchanged".into(),
        title: "Unchanged coefficients".into(),
        columns: columns(&[("Coefficient", Kind::Text), ("Reason", Kind::Text)]),
        rows: rows.collect(),
        ..Table::default()
    }
}

/// One row a key.
fn key_records(outcome: &Outcome) -> Table {
    let header = [
        "coefficient",
        "key",
        "before",
        "after",
        "uncertainty_90",
        "months",
        "outliers",
        "left_alone",
    ];
    let rows = outcome.coefficients.iter().flat_map(|fitted| {
        fitted.keys.iter().map(|moved| {
            vec![
                fitted.name.clone(),
                moved.key.clone(),
                moved.before.to_string(),
                moved.after.to_string(),
                (moved.before * fitted.uncertainty).to_string(),
                fitted.months.to_string(),
                fitted.outliers.len().to_string(),
                fitted.left_alone.clone().unwrap_or_default(),
            ]
        })
    });
    records(&header, rows)
}
