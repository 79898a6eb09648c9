//! Past forecasts against what was billed: every method, by horizon, where we lose too.

use std::fmt::Write as _;

use crate::bills::backtest::{Point, Score};
use crate::write::{csv, terminal::table};

/// For people.
pub fn render(scores: &[Score], notes: &[String]) -> String {
    let mut rows = table(
        &["Method", "Months ahead", "Guesses", "WAPE %", "Bias %", "Pinball %", "In 80 % band"],
        1,
    );
    let mut ordered: Vec<&Score> = scores.iter().collect();
    ordered.sort_by_key(|score| (score.horizon.is_some(), score.horizon, score.method));
    let share = |value: Option<f64>| value.map_or("–".into(), |v| format!("{:.1}", 100.0 * v));
    for score in ordered {
        rows.add_row(vec![
            score.method.name().to_owned(),
            score.horizon.map_or("all".into(), |horizon| horizon.to_string()),
            score.guesses.to_string(),
            format!("{:.1}", 100.0 * score.wape),
            format!("{:+.1}", 100.0 * score.bias),
            share(score.pinball),
            score.coverage.map_or("–".into(), |v| format!("{:.0} %", 100.0 * v)),
        ]);
    }
    let mut out = format!("{rows}\n");
    if !notes.is_empty() {
        let _ = writeln!(out, "\nNotes");
        for note in notes {
            let _ = writeln!(out, "  - {note}");
        }
    }
    out
}

/// Every guess, one row each.
pub fn to_csv(points: &[Point]) -> String {
    let header = [
        "account",
        "origin",
        "month",
        "horizon",
        "method",
        "forecast_usd",
        "low_usd",
        "high_usd",
        "billed_usd",
    ];
    let rows = points.iter().map(|point| {
        let end = |of: fn((f64, f64)) -> f64| {
            point.guess.interval.map_or(String::new(), |ends| format!("{:.2}", of(ends)))
        };
        vec![
            point.account.clone(),
            point.origin.to_string(),
            point.month.to_string(),
            point.horizon.to_string(),
            point.method.name().to_owned(),
            format!("{:.2}", point.guess.mean),
            end(|ends| ends.0),
            end(|ends| ends.1),
            format!("{:.2}", point.billed),
        ]
    });
    csv::write(&header, rows)
}
