//! A forecast of a series, and the scores of such forecasts at its own past.

use super::{columns, records};
use crate::{
    bills::history::{Forecast, History, Interval, LEVEL, Score, Total},
    measure::units::count,
    page::{Cell, Chart, Expected, Figure, Kind, Observed, Page, Row, Section, Table},
};

/// Rows of a forecast that a table shows.
const MOST_ROWS: usize = 60;
/// Values below this have decimals.
const SMALL: f64 = 100.0;

/// The forecast, with its scores where the past is long enough.
pub fn page(found: &Forecast, history: &History, scores: Result<Vec<Score>, String>) -> Page {
    let tested = match scores {
        Ok(scores) => tested(&scores, history, found.steps.len()),
        Err(reason) => Section {
            id: "scores".into(),
            title: "Scores at its own past".into(),
            text: vec![format!("The forecast cannot be scored: {reason}")],
            ..Section::default()
        },
    };
    let mut page = Page {
        title: "Forecast of a series".into(),
        sections: vec![to_come(found), tested],
        records: Some(step_records(found)),
        ..Page::default()
    };
    let past = history.observed().map(|(moment, value)| Observed { moment, value }).collect();
    let expected = |step: &crate::bills::history::Step| Expected {
        moment: step.moment,
        low: step.low,
        median: step.median,
        high: step.high,
    };
    page.sections[0].figures.push(chart(past, found.steps.iter().map(expected).collect()));
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

fn to_come(found: &Forecast) -> Section {
    let steps = &found.steps;
    let days = steps.iter().all(|step| step.moment.time() == jiff::civil::Time::midnight());
    let small = steps.iter().all(|step| step.high < SMALL);
    let places = Kind::Number(if small { 2 } else { 0 });
    let note = if steps.len() > MOST_ROWS {
        format!("{MOST_ROWS} of {} rows; `--format csv` has all", steps.len())
    } else {
        String::new()
    };
    let intervals = steps.first().map_or(&[][..], |step| &step.intervals);
    let row = |first: Vec<Cell>, [mean, median]: [f64; 2], intervals: &[Interval]| {
        let ends = intervals.iter().flat_map(|interval| [interval.low, interval.high]);
        Row::new(
            first
                .into_iter()
                .chain([mean, median].into_iter().chain(ends).map(Cell::Number))
                .collect(),
        )
    };
    let figures = ends(intervals);
    let named = |first: &[(&str, Kind)]| {
        let figures = figures.iter().map(|name| (name.as_str(), places));
        columns(&first.iter().copied().chain(figures).collect::<Vec<_>>())
    };
    let step_rows = steps.iter().take(MOST_ROWS).map(|step| {
        let moment = if days { step.moment.date().to_string() } else { step.moment.to_string() };
        row(vec![Cell::text(moment)], [step.mean, step.median], &step.intervals)
    });
    let total_rows = found.totals.iter().map(|total: &Total| {
        let first = vec![Cell::text(total.period.clone()), Cell::Number(total.rows as f64)];
        row(first, [total.mean, total.median], &total.intervals)
    });
    let mut text = found.decisions.clone();
    text.push(format!(
        "Half of the outcomes are below the median. {} Means add up; medians and intervals do not, so totals have their own.",
        holds(intervals)
    ));
    Section {
        id: "forecast".into(),
        title: "Forecast".into(),
        text,
        tables: vec![
            Table {
                id: "forecast".into(),
                title: "Forecast".into(),
                note,
                columns: named(&[("When", Kind::Text)]),
                rows: step_rows.collect(),
                ..Table::default()
            },
            Table {
                id: "totals".into(),
                title: "Totals".into(),
                columns: named(&[("Period", Kind::Text), ("Rows", Kind::Number(0))]),
                rows: total_rows.collect(),
                ..Table::default()
            },
        ],
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

/// Names of the columns: mean, median and the ends of each interval.
fn ends(intervals: &[Interval]) -> Vec<String> {
    let mut names = vec!["Mean".to_owned(), "Median".to_owned()];
    for interval in intervals {
        let level = if intervals.len() == 1 {
            String::new()
        } else {
            format!(" {}", level(interval.level))
        };
        names.extend(["Low", "High"].map(|end| format!("{end}{level}")));
    }
    names
}

/// Says which share of the outcomes the intervals hold.
fn holds(intervals: &[Interval]) -> String {
    match intervals {
        [one] => format!("Low to High holds {} of outcomes.", level(one.level)),
        _ => "Low to High holds the named share of outcomes.".into(),
    }
}

/// A level, `80 %`.
fn level(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn tested(scores: &[Score], history: &History, ahead: usize) -> Section {
    let row = |score: &Score| {
        Row::new(vec![
            Cell::text(score.method),
            Cell::Number(score.guesses as f64),
            defined(score.mase),
            defined(score.wape),
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
        "MASE is the mean error of the median over the mean error of repeating the last season; below 1 is better. WAPE is the error over the values. A dash: nothing to divide by.".into(),
    ];
    if history.filled > 0 {
        text.push(format!("Missing rows are not scored: {}.", history.filled));
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
                (&format!("In the {} range", level(LEVEL)), Kind::Share),
            ]),
            rows: scores.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// A score, or a dash where it is undefined.
fn defined(score: Option<f64>) -> Cell {
    score.map_or_else(|| Cell::text("-"), Cell::Number)
}

/// Every row to come.
fn step_records(found: &Forecast) -> Table {
    let mut names = vec!["moment".to_owned(), "mean".to_owned(), "median".to_owned()];
    // One interval keeps the names that scripts know.
    match found.steps.first().map_or(&[][..], |step| &step.intervals) {
        [_] => names.extend(["low", "high"].map(str::to_owned)),
        several => names.extend(several.iter().flat_map(|interval| {
            ["low", "high"].map(|end| format!("{end}_{:.0}", 100.0 * interval.level))
        })),
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = found.steps.iter().map(|step| {
        let ends = step.intervals.iter().flat_map(|interval| [interval.low, interval.high]);
        let figures = [step.mean, step.median].into_iter().chain(ends);
        [step.moment.to_string()]
            .into_iter()
            .chain(figures.map(|figure| figure.to_string()))
            .collect()
    });
    records(&names, rows)
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
