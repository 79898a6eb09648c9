//! Coefficients before and after, and what the fit is worth on months it did not see.

use std::fmt::Write as _;

use crate::bills::calibrate::Fitted;
use crate::write::{csv, terminal::table};

/// What a calibration comes to.
#[derive(Debug, serde::Serialize)]
pub struct Outcome {
    /// Coefficients.
    pub coefficients: Vec<Fitted>,
    /// Months fitted to.
    pub training: Vec<String>,
    /// Months held out.
    pub held_out: Vec<String>,
    /// Error on the months held out, by service, before [share].
    pub error_before: Option<f64>,
    /// The same after.
    pub error_after: Option<f64>,
    /// Discounts over consumption in the bills [share].
    pub discount: Option<f64>,
}

/// For people.
pub fn render(outcome: &Outcome) -> String {
    let mut rows =
        table(&["Coefficient", "Key", "Before", "After", "± 90 %", "Months", "Outliers"], 2);
    let mut alone = Vec::new();
    for fitted in &outcome.coefficients {
        if let Some(why) = &fitted.left_alone {
            alone.push(format!("{}: {why}", fitted.name));
            continue;
        }
        let outliers: Vec<String> = fitted.outliers.iter().map(ToString::to_string).collect();
        for moved in &fitted.keys {
            rows.add_row(vec![
                fitted.name.clone(),
                moved.key.clone(),
                number(moved.before),
                number(moved.after),
                number(moved.before * fitted.uncertainty),
                fitted.months.to_string(),
                outliers.join(", "),
            ]);
        }
    }
    let mut out = format!("{rows}\n\n");
    let span = |months: &[String]| match months {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first, .., last] => format!("{first} to {last}"),
    };
    let _ = writeln!(
        out,
        "Fitted to {}, held out {}.",
        span(&outcome.training),
        span(&outcome.held_out)
    );
    if let (Some(before), Some(after)) = (outcome.error_before, outcome.error_after) {
        let _ = writeln!(
            out,
            "Error on the months held out, by account and service: {:.1} % before, {:.1} % after.",
            100.0 * before,
            100.0 * after
        );
        if after > before {
            let _ = writeln!(out, "The fit does worse there: do not take it without knowing why.");
        }
    }
    if let Some(discount) = outcome.discount {
        let _ = writeln!(
            out,
            "Discounts are {:.1} % of consumption; the plan is at list prices and has no key for them yet.",
            100.0 * discount
        );
    }
    if !alone.is_empty() {
        let _ = writeln!(out, "\nLeft alone");
        for line in alone {
            let _ = writeln!(out, "  - {line}");
        }
    }
    out
}

fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 1 } else { 4 };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// One row a key.
pub fn to_csv(outcome: &Outcome) -> String {
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
    csv::write(&header, rows)
}
