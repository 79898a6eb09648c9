//! A series carried on, and what such forecasts were worth.

use std::fmt::Write as _;

use crate::bills::history::{History, LEVEL, Score, Step};
use crate::{
    page::number,
    write::{csv, terminal::table},
};

/// Rows of a forecast that a table shows.
const MOST_ROWS: usize = 60;

/// The forecast for people, with its score where the past is long enough.
pub fn steps(steps: &[Step], history: &History, scores: Result<Vec<Score>, String>) -> String {
    let mut rows = table(&["When", "Forecast", "Low", "High"], 1);
    let days = steps.iter().all(|step| step.moment.time() == jiff::civil::Time::midnight());
    for step in steps.iter().take(MOST_ROWS) {
        let value = |value: f64| number::grouped(value, if value < 100.0 { 2 } else { 0 });
        rows.add_row([
            if days { step.moment.date().to_string() } else { step.moment.to_string() },
            value(step.mean),
            value(step.low),
            value(step.high),
        ]);
    }
    let mut out = format!("{rows}\n");
    if steps.len() > MOST_ROWS {
        let _ = writeln!(out, "({MOST_ROWS} of {} rows; --format csv has all)", steps.len());
    }
    let _ = writeln!(out, "\nLow to High holds {:.0} % of outcomes.", 100.0 * LEVEL);
    match scores {
        Ok(scores) => {
            let _ =
                write!(out, "At its own past:\n{}", self::scores(&scores, history, steps.len()));
        }
        Err(reason) => {
            let _ = writeln!(out, "It could not be tested at its own past: {reason}");
        }
    }
    out
}

/// Every row to come.
pub fn steps_csv(steps: &[Step]) -> String {
    let rows = steps.iter().map(|step| {
        let moment = step.moment.to_string();
        vec![moment, step.mean.to_string(), step.low.to_string(), step.high.to_string()]
    });
    csv::write(&["moment", "forecast", "low", "high"], rows)
}

/// Scores for people.
pub fn scores(scores: &[Score], history: &History, ahead: usize) -> String {
    let mut rows = table(&["Method", "Guesses", "MASE", "WAPE %", "In 80 % band"], 1);
    for score in scores {
        rows.add_row([
            score.method.to_owned(),
            score.guesses.to_string(),
            score.mase.map_or("-".into(), |mase| format!("{mase:.2}")),
            score.wape.map_or("-".into(), |wape| format!("{:.1}", 100.0 * wape)),
            score.coverage.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share)),
        ]);
    }
    let seasons = history.seasons().iter().map(ToString::to_string).collect::<Vec<_>>();
    let seasons = if seasons.is_empty() { "none".into() } else { seasons.join(" and ") };
    let mut out = format!(
        "{rows}\n\n{} rows, seasons of {seasons} rows, {ahead} rows ahead; MASE: errors in units of the seasonal naive's in the known part\n",
        history.rows()
    );
    if history.filled > 0 {
        let _ = writeln!(out, "{} rows were missing and are drawn in", history.filled);
    }
    out
}

/// Scores, one row each.
pub fn scores_csv(scores: &[Score]) -> String {
    let known = |figure: Option<f64>| figure.map_or(String::new(), |figure| figure.to_string());
    let rows = scores.iter().map(|score| {
        vec![
            score.method.to_owned(),
            score.guesses.to_string(),
            known(score.mase),
            known(score.wape),
            known(score.coverage),
        ]
    });
    csv::write(&["method", "guesses", "mase", "wape", "coverage"], rows)
}
