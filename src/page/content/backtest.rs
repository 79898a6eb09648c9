//! Past forecasts against what was billed: every method, by horizon.

use std::collections::BTreeMap;

use super::{columns, records};
use crate::{
    bills::backtest::{Method, Point, Score, Scored},
    measure::calendar::Month,
    page::{
        Cell, Chart, Fact, Figure, Kind, Page, Row, Section, Series, Table, Unit, number::percent,
    },
};

/// The whole page.
pub fn page(done: &Scored) -> Page {
    let all = |score: &&Score| score.method == Method::Runrate && score.horizon.is_none();
    let fact = |score: &Score| Fact {
        label: "Error of runrate's forecasts".into(),
        value: Cell::text(percent(score.wape)),
        note: format!("of the bill (WAPE); bias {}", percent(score.bias)),
        ..Fact::default()
    };
    let mut page = Page {
        title: "Backtest".into(),
        currency: "USD".into(),
        headline: done.scores.iter().filter(all).map(fact).collect(),
        sections: vec![Section {
            points: done.notes.clone(),
            ..accuracy(&done.scores, &done.guesses)
        }],
        records: Some(guesses(&done.guesses)),
        ..Page::default()
    };
    page.without_turns();
    page
}

/// How good past forecasts were.
pub(super) fn accuracy(scores: &[Score], points: &[Point]) -> Section {
    let row = |score: &Score| {
        let ahead = score.horizon.map_or(Cell::text("all"), |k| Cell::Number(f64::from(k)));
        Row::new(vec![
            Cell::text(score.method.name()),
            ahead,
            Cell::Number(score.guesses as f64),
            Cell::Number(score.wape),
            Cell::Number(score.bias),
            Cell::maybe(score.pinball),
            Cell::maybe(score.coverage),
        ])
    };
    let mut ordered: Vec<&Score> = scores.iter().collect();
    ordered.sort_by_key(|score| (score.horizon.is_some(), score.horizon, score.method));
    Section {
        id: "accuracy".into(),
        title: "Accuracy of past forecasts".into(),
        text: vec!["Each past month is forecast from the months before it and scored against the bill, as are naive forecasts. WAPE is the error over the billed amount. A bias above 0 is a forecast that is too high.".into()],
        figures: vec![history(points)],
        tables: vec![Table {
            id: "accuracy".into(),
            title: "Scores by method and months ahead".into(),
            note: "shares of the billed amount; coverage is the share of bills in the 80 % range".into(),
            columns: columns(&[
                ("Method", Kind::Text),
                ("Months ahead", Kind::Number(0)),
                ("Forecasts", Kind::Number(0)),
                ("WAPE", Kind::Share),
                ("Bias", Kind::Share),
                ("Pinball loss", Kind::Share),
                ("Coverage", Kind::Share),
            ]),
            rows: ordered.into_iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// The error of one-month forecasts over time, by method.
fn history(points: &[Point]) -> Figure {
    let mut errors: BTreeMap<(Method, Month), [f64; 2]> = BTreeMap::new();
    for point in points.iter().filter(|point| point.horizon == 1) {
        let own = errors.entry((point.method, point.month)).or_default();
        own[0] += point.guess.mean - point.billed;
        own[1] += point.billed;
    }
    let mut months: Vec<Month> = errors.keys().map(|(_, month)| *month).collect();
    months.sort_unstable();
    months.dedup();
    let mut methods: Vec<Method> = errors.keys().map(|(method, _)| *method).collect();
    methods.dedup();
    let line = |method: &Method| {
        let value = |month: &Month| {
            let [off, billed] = errors.get(&(*method, *month))?;
            (*billed != 0.0).then(|| off / billed)
        };
        Series { name: method.name().into(), values: months.iter().map(value).collect() }
    };
    Figure {
        id: "accuracy".into(),
        title: "Error of forecasts one month ahead [% of the bill]".into(),
        alt: "Lines of the one-month error of each method; the scores are in the table below."
            .into(),
        chart: Chart::Lines {
            series: methods.iter().map(line).collect(),
            months,
            unit: Unit::Share,
        },
    }
}

/// Every guess, one row each.
fn guesses(points: &[Point]) -> Table {
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
    records(&header, rows)
}
