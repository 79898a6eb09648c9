//! A forecast of a series, and the scores of such forecasts at its own past.

use super::{columns, records};
use crate::{
    bills::history::{History, LEVEL, Score, Step},
    measure::units::count,
    page::{Cell, Chart, Expected, Figure, Kind, Observed, Page, Row, Section, Table},
};

/// Rows of a forecast that a table shows.
const MOST_ROWS: usize = 60;
/// Values below this have decimals.
const SMALL: f64 = 100.0;

/// The forecast, with its scores where the past is long enough.
pub fn page(steps: &[Step], history: &History, scores: Result<Vec<Score>, String>) -> Page {
    let tested = match scores {
        Ok(scores) => tested(&scores, history, steps.len()),
        Err(reason) => Section {
            id: "scores".into(),
            title: "Scores at its own past".into(),
            text: vec![format!("The forecast cannot be scored: {reason}")],
            ..Section::default()
        },
    };
    let mut page = Page {
        title: "Forecast of a series".into(),
        sections: vec![to_come(steps), tested],
        records: Some(step_records(steps)),
        ..Page::default()
    };
    let past = history.observed().map(|(moment, value)| Observed { moment, value }).collect();
    let expected = |step: &Step| Expected {
        moment: step.moment,
        low: step.low,
        median: step.mean,
        high: step.high,
    };
    page.sections[0].figures.push(chart(past, steps.iter().map(expected).collect()));
    page.without_turns();
    page
}

/// The scores alone.
pub fn scores_page(scores: &[Score], history: &History, ahead: usize) -> Page {
    let mut page = Page {
        title: "Forecasts of a series, scored at its own past".into(),
        sections: vec![tested(scores, history, ahead)],
        records: Some(score_records(scores)),
        ..Page::default()
    };
    page.without_turns();
    page
}

fn to_come(steps: &[Step]) -> Section {
    let days = steps.iter().all(|step| step.moment.time() == jiff::civil::Time::midnight());
    let small = steps.iter().all(|step| step.high < SMALL);
    let row = |step: &Step| {
        let moment = if days { step.moment.date().to_string() } else { step.moment.to_string() };
        let values = [step.mean, step.low, step.high].map(Cell::Number);
        Row::new([Cell::text(moment)].into_iter().chain(values).collect())
    };
    let places = Kind::Number(if small { 2 } else { 0 });
    let note = if steps.len() > MOST_ROWS {
        format!("{MOST_ROWS} of {} rows; `--format csv` has all", steps.len())
    } else {
        String::new()
    };
    Section {
        id: "forecast".into(),
        title: "Forecast".into(),
        text: vec![format!("Low to High holds {} of outcomes.", level())],
        tables: vec![Table {
            id: "forecast".into(),
            title: "Forecast".into(),
            note,
            columns: columns(&[
                ("When", Kind::Text),
                ("Forecast", places),
                ("Low", places),
                ("High", places),
            ]),
            rows: steps.iter().take(MOST_ROWS).map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// Rows of the past that a chart shows, for each row to come.
const PAST: usize = 4;
/// Rows of the past that it shows at least.
const LEAST_PAST: usize = 60;

/// The end of the past, and what comes next with its bounds.
fn chart(mut past: Vec<Observed>, ahead: Vec<Expected>) -> Figure {
    past.drain(..past.len().saturating_sub((PAST * ahead.len()).max(LEAST_PAST)));
    Figure {
        id: "extrapolation".into(),
        title: "The series and its forecast".into(),
        alt: "Known values, then the forecast between its bounds; the table has the forecast."
            .into(),
        chart: Chart::Extrapolation { past, ahead },
    }
}

/// The level of the interval, `80 %`.
fn level() -> String {
    format!("{:.0} %", 100.0 * LEVEL)
}

fn tested(scores: &[Score], history: &History, ahead: usize) -> Section {
    let row = |score: &Score| {
        Row::new(vec![
            Cell::text(score.method),
            Cell::Number(score.guesses as f64),
            Cell::maybe(score.mase),
            Cell::maybe(score.wape),
            Cell::maybe(score.coverage),
        ])
    };
    let seasons = history.seasons();
    let seasons = if seasons.is_empty() {
        "no seasons".into()
    } else {
        let rows: Vec<String> = seasons.iter().map(ToString::to_string).collect();
        format!("seasons of {} rows", rows.join(" and "))
    };
    let mut text = vec![
        format!(
            "The series has {} and {seasons}; each method forecasts {} ahead.",
            count(history.rows(), "row"),
            count(ahead, "row")
        ),
        "MASE is the mean error over the mean error of repeating the last season; below 1 is better. WAPE is the error over the values.".into(),
    ];
    if history.filled > 0 {
        text.push(format!("Missing rows filled by interpolation: {}.", history.filled));
    }
    Section {
        id: "scores".into(),
        title: "Scores at its own past".into(),
        text,
        tables: vec![Table {
            id: "scores".into(),
            title: "Scores at its own past".into(),
            columns: columns(&[
                ("Method", Kind::Text),
                ("Forecasts", Kind::Number(0)),
                ("MASE", Kind::Number(2)),
                ("WAPE", Kind::Share),
                (&format!("In the {} range", level()), Kind::Share),
            ]),
            rows: scores.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// Every row to come.
fn step_records(steps: &[Step]) -> Table {
    let rows = steps.iter().map(|step| {
        let moment = step.moment.to_string();
        vec![moment, step.mean.to_string(), step.low.to_string(), step.high.to_string()]
    });
    records(&["moment", "forecast", "low", "high"], rows)
}

/// Scores, one row each.
fn score_records(scores: &[Score]) -> Table {
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
    records(&["method", "guesses", "mase", "wape", "coverage"], rows)
}
