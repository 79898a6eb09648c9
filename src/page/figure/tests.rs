//! Charts at the edges of what there is to draw.

use super::*;
use crate::measure::calendar::Month;
use crate::page::Series;

fn months(count: u32) -> Vec<Month> {
    let first = Month::new(2027, 1).unwrap();
    (0..count).map(|later| first.plus(later)).collect()
}

fn series(name: &str, values: &[f64]) -> Series {
    Series { name: name.into(), values: values.iter().copied().map(Some).collect() }
}

/// Every chart, with `name` in all places of names.
fn charts(name: &str, count: u32) -> Vec<Chart> {
    let values: Vec<f64> = (0..count).map(|n| 1000.0 * f64::from(n) - 700.0).collect();
    let named = || (name.to_owned(), 1234.5);
    let all = || vec![series(name, &values), series(name, &values), series("zero", &[])];
    let months = months(count);
    vec![
        Chart::Fan {
            months: months.clone(),
            billed: values.iter().map(|value| Some(*value)).take(1).collect(),
            mid: values.clone(),
            band: values.iter().map(|value| [value * 0.9, *value, value * 1.2]).collect(),
            cut_off: months.first().copied(),
            limits: vec![named(), (name.to_owned(), 1e12)],
        },
        Chart::Stacked { months: months.clone(), series: all(), unit: Unit::Usd },
        Chart::Lines { months, series: all(), unit: Unit::Share },
        Chart::Tornado { center: 900.0, bars: vec![(name.to_owned(), 0.4, 950.0, 800.0)] },
        Chart::Waterfall { from: named(), steps: vec![named(), named()], to: named() },
        Chart::Frontier {
            x: name.to_owned(),
            y: name.to_owned(),
            points: vec![[1.0, 2.0]],
            front: vec![[1.0, 2.0]],
            marked: vec![(name.to_owned(), [1.0, 2.0])],
        },
        Chart::Day {
            panels: vec![Panel { title: name.into(), lines: vec![(name.into(), values.clone())] }],
        },
        Chart::Timeline {
            start: moment(0),
            days: f64::from(count),
            tracks: [false, true]
                .map(|stacked| Track {
                    panel: Panel {
                        title: name.into(),
                        lines: vec![(name.into(), values.clone()); 2],
                    },
                    stacked,
                    unit: Unit::Count,
                    behind: vec![values.clone()],
                })
                .into(),
            marks: vec![Marks { name: name.into(), at: vec![0.5] }],
        },
        Chart::Extrapolation {
            past: (0..count).map(|day| Observed { moment: moment(day), value: 3.0 }).collect(),
            ahead: (0..count)
                .map(|day| Expected {
                    moment: moment(count + day),
                    low: 1.0,
                    median: 3.0,
                    high: 4.0,
                })
                .collect(),
        },
    ]
}

use crate::page::{Expected, Marks, Observed, Panel, Track};

fn moment(day: u32) -> jiff::civil::DateTime {
    let first = jiff::civil::date(2027, 1, 1).at(0, 0, 0, 0);
    first.saturating_add(jiff::SignedDuration::from_hours(24 * i64::from(day)))
}

fn well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (inside, _) = tag.split_once('>').unwrap();
        assert_eq!(inside.matches('"').count() % 2, 0, "{inside}");
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()));
        } else if !inside.ends_with('/') {
            open.push(inside.split(' ').next().unwrap().to_owned());
        }
    }
    assert!(open.is_empty());
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn every_chart_is_drawn_with_months_one_month_and_none() {
    for count in [0, 1, 2, 24, 120] {
        for chart in charts("plain", count) {
            for size in [WIDE, NARROW] {
                let svg = svg(&chart, size).unwrap();
                well_formed(&svg);
                assert!(svg.contains("</text>"), "something is said: {svg}");
            }
        }
    }
}

#[test]
fn names_are_text_whatever_they_hold() {
    let hostile = "</svg><script>alert(1)</script>&\"'<>\u{202e}\u{0}";
    for chart in charts(hostile, 3) {
        let figure = Figure { id: "f".into(), title: hostile.into(), alt: hostile.into(), chart };
        let svg = inline(&figure, "f", WIDE).unwrap();
        well_formed(&svg);
        assert!(!svg.contains("<script") && !svg.contains('\u{202e}') && !svg.contains('\u{0}'));
    }
}

#[test]
fn values_that_are_not_finite_are_missing() {
    let wild = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5.0];
    let all: Vec<Chart> = vec![
        Chart::Lines { months: months(4), series: vec![series("a", &wild)], unit: Unit::Usd },
        Chart::Stacked { months: months(4), series: vec![series("a", &wild)], unit: Unit::Usd },
        Chart::Waterfall { from: ("a".into(), f64::NAN), steps: vec![], to: ("b".into(), 1.0) },
        Chart::Tornado { center: 1.0, bars: vec![("a".into(), 0.1, f64::NAN, 3.0)] },
    ];
    for chart in all {
        well_formed(&svg(&chart, WIDE).unwrap());
    }
}

#[test]
fn what_was_billed_is_solid_and_what_is_forecast_is_dashed() {
    let chart = &charts("budget", 12)[0];
    let text = svg(chart, WIDE).unwrap();
    assert!(text.contains("billed to 2027-01"));
    assert!(text.contains("stroke=\"#D55E00\" stroke-dasharray"), "the mid case");
    assert!(text.contains("above this chart"), "a limit far away is named, not drawn");
    let dark = text.lines().filter(|line| line.contains("stroke=\"#2B3036\""));
    assert!(dark.clone().all(|line| !line.contains("dasharray")));
}

#[test]
fn twenty_services_are_eight_bands_that_lose_nothing() {
    let all: Vec<Series> =
        (0..20).map(|n| series(&format!("service {n}"), &[f64::from(n), 3.0])).collect();
    let chart = Chart::Stacked { months: months(2), series: all, unit: Unit::Usd };
    let text = svg(&chart, WIDE).unwrap();
    assert_eq!(text.matches("<polygon").count(), 8);
    assert!(text.contains("13 others") && text.contains("service 19"));
}

#[test]
fn a_unit_in_brackets_stands_at_the_axis() {
    assert_eq!(unit_in("Monthly cost [USD, list price]"), Some("USD, list price"));
    assert_eq!(unit_in("Nodes"), None);
    assert_eq!(unit_in("Nodes []"), None);
}
