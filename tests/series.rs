//! Forecasts of series: faults found from outside with their right answers, synthetic and public series, and the table
//! of `docs/accuracy.md`.
//!
//! `tests/data/series` has series of one weakness each; `public` has series of textbooks, each with its source in
//! `README.md` there.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use rayon::prelude::*;
use serde_json::Value;

use crate::support::{
    runrate,
    series::{Made, made},
    stdout,
};
use runrate::{
    bills::history::{Forecast, History},
    measure::series::{Gaps, Series},
};

const LEVEL: [f64; 1] = [0.8];

fn path(name: &str) -> String {
    format!("{}/tests/data/series/{name}.csv", env!("CARGO_MANIFEST_DIR"))
}

fn series(csv: &str) -> Series {
    Series::parse("s.csv", csv, Gaps::Skip).unwrap()
}

fn case(name: &str) -> History {
    History::new(&series(&fs::read_to_string(path(name)).unwrap()), BTreeMap::new()).unwrap()
}

fn ahead(name: &str, rows: usize) -> Forecast {
    case(name).forecast(rows, &LEVEL)
}

fn medians(found: &Forecast) -> Vec<f64> {
    found.steps.iter().map(|step| step.median).collect()
}

/// Asserts that each value is within a share of what is right.
fn near(found: &[f64], right: impl Fn(usize) -> f64, share: f64) {
    for (index, value) in found.iter().enumerate() {
        let right = right(index);
        assert!((value / right - 1.0).abs() < share, "{index}: {value} {right}");
    }
}

fn told(found: &Forecast, text: &str) {
    assert!(
        found.decisions.iter().any(|decision| decision.contains(text)),
        "{:?}",
        found.decisions
    );
}

/// The hour's mean of the hourly series, from midnight.
fn hour(index: usize) -> f64 {
    let turn = std::f64::consts::TAU * (index as f64 % 24.0 - 9.0) / 24.0;
    1000.0 * (1.0 + 0.6 * turn.sin())
}

/// Growth of 6 % a month over whole years: 1000 × 1.06^24 = 4,049 comes next, and no season takes a part of it.
#[test]
fn growth_over_whole_years_goes_on() {
    let text = fs::read_to_string(path("compound_monthly")).unwrap();
    for months in [18, 24, 36] {
        let known: Vec<&str> = text.lines().take(months + 1).collect();
        let history = History::new(&series(&known.join("\n")), BTreeMap::new()).unwrap();
        let found = medians(&history.forecast(12, &LEVEL));
        near(&found, |index| 1000.0 * 1.06_f64.powi((months + index) as i32), 0.001);
    }
    near(&medians(&ahead("linear_monthly", 12)), |index| 3160.0 + 60.0 * index as f64, 0.001);
    near(&medians(&ahead("month_end", 6)), |index| 1200.0 + 10.0 * index as f64, 0.001);
    near(&medians(&ahead("weekly", 6)), |index| 1060.0 + index as f64, 0.001);
}

#[test]
fn zeros_stay_zeros_and_an_outage_is_left_out() {
    let found = ahead("closed_at_night", 48);
    for (index, step) in found.steps.iter().enumerate() {
        if (8..20).contains(&(index % 24)) {
            near(&[step.median], |_| hour(index), 0.15);
        } else {
            let figures = [step.mean, step.median, step.low, step.high];
            assert!(figures.iter().all(|figure| figure.abs() < 1e-12), "{index}: {figures:?}");
        }
    }
    let found = ahead("zero_tail", 14);
    assert!(found.steps.iter().all(|step| step.mean < 1.0 && step.high < 1.0), "{found:?}");
    told(&found, "has ended");
    // 40 every fifth day, at no place of the week: 8 a day.
    let found = ahead("mostly_zero", 10);
    assert!(found.steps.iter().all(|step| (step.mean - 8.0).abs() < 0.5), "{found:?}");
    assert_eq!((found.steps[0].median, found.steps[0].low, found.steps[0].high), (0.0, 0.0, 40.0));
    assert!((found.totals[0].mean - 80.0).abs() < 5.0, "{:?}", found.totals);
    for (name, text) in
        [("outage_37h", "outage: 37 hours"), ("outage_6h_yesterday", "outage: 6 hours")]
    {
        let found = ahead(name, 24);
        near(&[medians(&found).iter().sum::<f64>()], |_| 24_000.0, 0.03);
        near(&medians(&found), hour, 0.08);
        told(&found, text);
    }
    let found = ahead("spike_x20_last_day", 24);
    near(&[medians(&found).iter().sum::<f64>()], |_| 24_000.0, 0.03);
    told(&found, "outliers: 1 hour");
}

/// Intervals are bounded by what the series has shown, and a row's interval does not depend on how many rows follow.
#[test]
fn intervals_are_bounded_and_do_not_depend_on_how_far_is_asked_for() {
    let (short, long) = (ahead("stationary_worst", 7), ahead("stationary_worst", 90));
    assert_eq!(short.steps, long.steps[..7]);
    // Values lie between 505 and 1,467.
    assert!(long.steps.iter().all(|step| 300.0 < step.low && step.high < 2000.0), "{long:?}");
    for name in ["break_x3_at_20d", "break_x3_at_28d"] {
        let found = ahead(name, 24);
        near(&[medians(&found).iter().sum::<f64>()], |_| 72_000.0, 0.05);
        assert!(found.steps.iter().all(|step| step.high < 10_000.0), "{found:?}");
        told(&found, "level shifted");
    }
    let found = ahead("square_week", 14);
    let week = |index: usize| if index % 7 < 5 { 100.0 } else { 20.0 };
    for (index, step) in found.steps.iter().enumerate() {
        for value in [step.mean, step.median, step.low, step.high] {
            assert!((value - week(index)).abs() < 1.0, "{index}: {step:?}");
        }
    }
}

#[test]
fn an_unfinished_last_row_is_noticed() {
    let found = ahead("partial_last", 24);
    near(&[medians(&found).iter().sum::<f64>()], |_| 24_000.0, 0.03);
    told(&found, "2026-02-03T23:00:00) looks unfinished");
}

/// Months of growth with 3 % noise, as short as they come: the 80 % interval of a year has 80 %.
#[test]
fn short_monthly_series_have_honest_intervals() {
    for months in [24_usize, 30, 39] {
        let (mut inside, mut all) = (0_u32, 0_u32);
        for seed in 0..25 {
            let mut luck = runrate::measure::random::stream(
                seed,
                months as u32,
                runrate::measure::random::Stream::Inputs,
                0,
            );
            let growth = [1.0, 1.03, 1.06][seed as usize % 3];
            let value = |index: usize| 1000.0 * f64::powi(growth, index as i32);
            let values: Vec<f64> =
                (0..months + 12).map(|index| value(index) * (0.03 * luck.normal()).exp()).collect();
            let mut text = String::new();
            for (index, value) in values[..months].iter().enumerate() {
                writeln!(text, "{}-{:02},{value}", 2020 + index / 12, 1 + index % 12).unwrap();
            }
            let history = History::new(&series(&text), BTreeMap::new()).unwrap();
            for (step, came) in history.forecast(12, &LEVEL).steps.iter().zip(&values[months..]) {
                inside += u32::from((step.low..=step.high).contains(came));
                all += 1;
            }
        }
        let share = f64::from(inside) / f64::from(all);
        println!("{months} months: {share}");
        assert!((0.70..=0.95).contains(&share), "{months}: {share}");
    }
}

/// Lognormal days with a median of 1,000 and a mean of 1,377: their sum is that of means.
#[test]
fn mean_and_median_are_two_figures() {
    let found = ahead("lognormal_daily", 28);
    let sum = |of: fn(&runrate::bills::history::Step) -> f64| {
        found.steps.iter().map(of).sum::<f64>() / 28.0
    };
    assert!((850.0..1150.0).contains(&sum(|step| step.median)), "{}", sum(|step| step.median));
    // The rows that the origins in the past reach have a mean of 1,122, all rows one of 1,310.
    let mean = sum(|step| step.mean);
    assert!((1150.0..1450.0).contains(&mean) && mean > 1.15 * sum(|step| step.median), "{mean}");
    let total = found.totals.last().unwrap();
    assert!((total.mean / 28.0 - sum(|step| step.mean)).abs() < 1e-9);
    // Days are independent, so the sum is known better than the sum of intervals says.
    let sums =
        |of: fn(&runrate::bills::history::Step) -> f64| found.steps.iter().map(of).sum::<f64>();
    let (low, high) = (sums(|step| step.low), sums(|step| step.high));
    let interval = total.intervals[0];
    assert!(interval.high - interval.low < 0.8 * (high - low), "{total:?} {low} {high}");
    assert!(interval.low < total.median && total.median < interval.high);
}

#[test]
fn a_constant_series_is_covered_and_has_no_scaled_error() {
    let text = stdout(&runrate(&["forecast", &path("flat_constant"), "--ahead", "3"]));
    let row = text.lines().find(|line| line.contains("runrate ")).unwrap();
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>(),
        ["runrate", "24", "-", "0.0", "%", "100.0", "%"]
    );
}

/// Gaps are filled along the season, never scored, and counted in JSON.
#[test]
fn gaps_are_filled_along_the_season_and_never_scored() {
    for (name, missing) in [("gap_2days", 48), ("gap_daytime", 48), ("missing_10pct", 65)] {
        let found = ahead(name, 24);
        near(&[medians(&found).iter().sum::<f64>()], |_| 24_000.0, 0.03);
        assert_eq!(found.filled, missing, "{name}");
        told(&found, &format!("season: {missing} hours"));
    }
    // Eight days are scored; two of them are missing.
    let scored = |name: &str| case(name).score(24).unwrap()[0].guesses;
    assert_eq!((scored("clean_hourly"), scored("gap_2days")), (192, 144));
    let refused = runrate(&["forecast", &path("emptycell")]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("emptycell.csv:3: the value is missing; fill it, or pass --fill-gaps"),
        "{text}"
    );
    let json =
        stdout(&runrate(&["forecast", &path("emptycell"), "--fill-gaps", "--format", "json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["rows"].as_u64(), json["filled"].as_u64()), (Some(9), Some(1)));
}

/// Additive and multiplicative seasons, each on the scale that its past prefers.
#[test]
fn the_scale_is_the_one_that_the_past_prefers() {
    let season = |index: usize| (std::f64::consts::TAU * index as f64 / 12.0).sin();
    let found = ahead("additive_season_growth", 12);
    near(&medians(&found), |index| 5800.0 + 100.0 * index as f64 + 400.0 * season(index), 0.02);
    told(&found, "plain values");
    let found = ahead("mult_season_growth", 12);
    let grown = |index: usize| 1000.0 * 1.03_f64.powi(48 + index as i32);
    near(&medians(&found), |index| grown(index) * (1.0 + 0.4 * season(index)), 0.05);
    told(&found, "logarithms");
}

#[test]
fn growth_may_have_a_limit() {
    let history = case("logistic_monthly").with_limit(100_000.0).unwrap();
    let found = history.forecast(12, &LEVEL);
    let right = |index: usize| 100_000.0 / (1.0 + (-(18.0 + index as f64) / 4.0).exp());
    near(&medians(&found), right, 0.005);
    assert!(found.steps.iter().all(|step| step.high <= 100_000.0));
    let error = case("logistic_monthly").with_limit(50_000.0).unwrap_err();
    assert!(error.contains("exceeds the limit 50000"), "{error}");
}

/// Months in proportion to their days: February is a tenth below March, and the forecast knows it without a season.
#[test]
fn months_have_their_days() {
    let mut text = String::new();
    for index in 0..20_i16 {
        let date = jiff::civil::date(2025 + index / 12, (1 + index % 12) as i8, 1);
        writeln!(text, "{},{}", date.strftime("%Y-%m"), 1000 * i32::from(date.days_in_month()))
            .unwrap();
    }
    let found = History::new(&series(&text), BTreeMap::new()).unwrap().forecast(6, &LEVEL);
    // September 2026 to February 2027.
    near(&medians(&found), |index| 1000.0 * [30.0, 31.0, 30.0, 31.0, 31.0, 28.0][index], 0.005);
    told(&found, "per day");
}

#[test]
fn every_format_names_mean_median_and_each_level() {
    let run = |more: &[&str]| {
        let series = path("stationary_worst");
        runrate(&[&["forecast", &series, "--ahead", "7", "--level", "50,80,95"], more].concat())
    };
    let json: Value = serde_json::from_str(&stdout(&run(&["--format", "json"]))).unwrap();
    let step = &json["steps"][0];
    for key in ["moment", "mean", "median", "low", "high"] {
        assert!(!step[key].is_null(), "{step}");
    }
    let at = |level: usize, end: &str| step["intervals"][level][end].as_f64().unwrap();
    assert!(at(0, "low") > at(1, "low") && at(1, "low") > at(2, "low"), "{step}");
    assert!(at(0, "high") < at(1, "high") && at(1, "high") < at(2, "high"), "{step}");
    assert_eq!(json["totals"][0]["rows"], 7);
    assert!(json["decisions"][0].as_str().unwrap().contains("season of 7 days"), "{json}");
    let csv = stdout(&run(&["--format", "csv"]));
    assert_eq!(
        csv.lines().next(),
        Some("moment,mean,median,low_50,high_50,low_80,high_80,low_95,high_95")
    );
    for format in ["table", "md", "html"] {
        let text = stdout(&run(&["--format", format]));
        for name in ["Mean", "Median", "Low 95 %", "High 50 %", "Totals"] {
            assert!(text.contains(name), "{format}: {name}\n{text}");
        }
    }
    let refused = |arguments: &[&str]| {
        let series = path("stationary_worst");
        let output = runrate(&[&["forecast", &series], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["--level", "100"]).contains("1..=99"));
    assert!(refused(&["--limit", "900"]).contains("exceeds the limit 900"));
    assert!(refused(&["--limit", "none"]).contains("expected a number above 0"));
}

/// Scores of three folds.
struct Scored {
    name: String,
    mase: f64,
    naive: f64,
    covered: f64,
    /// Folds with less than half of the outcomes inside.
    low: usize,
}

/// Scores the last three spans of `ahead` rows, each forecast from the rows before it.
fn folds(name: &str, csv: &str, ahead: usize) -> Scored {
    let whole = series(csv);
    let history = History::new(&whole, BTreeMap::new()).unwrap();
    let (mut mase, mut naive, mut covered, mut low) = (0.0, 0.0, 0.0, 0);
    for fold in 1..=3 {
        let scores = history.score_at(&[history.rows() - fold * ahead], ahead);
        mase += scores[0].mase.unwrap() / 3.0;
        naive += scores[1].mase.unwrap() / 3.0;
        let inside = scores[0].coverage.unwrap();
        covered += inside / 3.0;
        low += usize::from(inside < 0.5);
    }
    Scored { name: name.to_owned(), mase, naive, covered, low }
}

/// The series of `tests/data/series/public`, as far as each is usually forecast.
const PUBLIC: [(&str, usize); 6] = [
    ("air_passengers", 12),
    ("us_accidental_deaths", 12),
    ("johnson_johnson", 4),
    ("uk_gas", 4),
    ("uk_lung_deaths", 12),
    ("nottingham_temperature", 12),
];

/// Every series of the table in `docs/accuracy.md`. `UPDATE_GOLDEN=1 cargo test --test suite series::accuracy` writes it.
#[test]
fn accuracy_of_forecasts() {
    let mut all: Vec<(String, String, usize)> = made(1)
        .into_iter()
        .map(|Made { name, ahead, csv }| (name.to_owned(), csv, ahead))
        .collect();
    for (name, ahead) in PUBLIC {
        let csv = fs::read_to_string(path(&format!("public/{name}"))).unwrap();
        all.push((name.replace('_', " "), csv, ahead));
    }
    let scores: Vec<Scored> =
        all.par_iter().map(|(name, csv, ahead)| folds(name, csv, *ahead)).collect();
    let mean = |of: fn(&Scored) -> f64| scores.iter().map(of).sum::<f64>() / scores.len() as f64;
    let middle = |of: fn(&Scored) -> f64| {
        let mut values: Vec<f64> = scores.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut table = String::from(
        "| series | MASE | seasonal naive | in the 80 % interval |\n| --- | --- | --- | --- |\n",
    );
    let mut row = |name: &str, [mase, naive, covered]: [f64; 3]| {
        writeln!(table, "| {name} | {mase:.2} | {naive:.2} | {:.0} % |", 100.0 * covered).unwrap();
    };
    for score in &scores {
        let lost = if score.mase > score.naive { " (loses)" } else { "" };
        row(&format!("{}{lost}", score.name), [score.mase, score.naive, score.covered]);
    }
    row("mean", [mean(|s| s.mase), mean(|s| s.naive), mean(|s| s.covered)]);
    row("median", [middle(|s| s.mase), middle(|s| s.naive), middle(|s| s.covered)]);
    println!("{table}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/accuracy.md");
    let text = fs::read_to_string(&page).unwrap();
    let (start, end) = ("<!-- series: begin -->\n", "<!-- series: end -->");
    let (before, rest) = text.split_once(start).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&page, format!("{before}{start}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(written, table, "UPDATE_GOLDEN=1 cargo test --test suite series::accuracy");
    }
    let low: usize = scores.iter().map(|score| score.low).sum();
    assert!(mean(|s| s.mase) < 0.85 && mean(|s| s.mase) < 0.75 * mean(|s| s.naive));
    assert!((0.77..=0.87).contains(&mean(|s| s.covered)), "{}", mean(|s| s.covered));
    assert!(low * 16 <= 3 * scores.len(), "{low} folds have less than half inside");
}
