//! The main job on real series of other people, where they are present: nothing of them is kept here.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{fmt::Write as _, fs};

use crate::support::{base, shared};
use runrate::{
    app::store::{self, PriceSource},
    bills::history::History,
    demand::traffic::{Daily, Profile},
    measure::series::{Gaps, Series},
    plan::{Plan, simulate::Prepared},
};

fn plan_with_shape(csv: &str, gaps: &str) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("load.csv"), csv).unwrap();
    let text = base("2027-01", 3, 10_000)
        .replace(
            "sessions_per_user = 30",
            &format!("shape = {{ file = \"load.csv\", counts = \"api\", gaps = \"{gaps}\" }}"),
        )
        .replace(
            "replicas = 2",
            "hpa = { min_replicas = 1, max_replicas = 50, target_cpu_utilization = 60 }",
        )
        + "[alb]\n[eks]\n[cluster.node_pools.general]\ncategories = [\"m\"]\nmin_generation = 7\nmax_vcpus = 4\n";
    let path = folder.path().join("s.toml");
    fs::write(&path, text).unwrap();
    let catalog = store::embedded_catalog().unwrap();
    let (scenario, inputs) = store::load_scenario(&path, &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &["us-east-1"]).unwrap();
    Prepared::new(&scenario, &facts, &inputs).unwrap().run(0).unwrap()
}

/// The file holds logarithms, out of order, with days missing: the views, sorted.
fn views(csv: &str) -> String {
    let mut rows: Vec<(String, f64)> = csv
        .lines()
        .skip(1)
        .map(|line| {
            let (date, log) = line.split_once(',').unwrap();
            (date.trim_matches('"').to_owned(), log.parse::<f64>().unwrap().exp())
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sorted = String::new();
    for (date, views) in rows {
        writeln!(sorted, "{date},{views:.0}").unwrap();
    }
    sorted
}

#[test]
fn the_nasa_hourly_series_drives_a_plan() {
    let Some(path) = shared("traffic/nasa_http_requests_hourly_1995_07.csv") else { return };
    let csv = fs::read_to_string(path).unwrap();
    let series = Series::parse("nasa", &csv, Gaps::Skip).unwrap();
    let profile = Profile::from_series(&series, &Daily::default()).unwrap();
    let at = |day: usize, hour: usize| profile.minutes[day * 1440 + hour * 60];
    // A site read at work: busier at 14:00 than at 04:00, on Wednesday than on Sunday.
    assert!(at(2, 14) > 2.0 * at(2, 4), "{} {}", at(2, 14), at(2, 4));
    assert!(at(2, 14) > 1.3 * at(6, 14), "{} {}", at(2, 14), at(6, 14));
    let plan = plan_with_shape(&csv, "skip");
    let mean: f64 = series.values.iter().sum::<f64>() / series.values.len() as f64;
    let requests = plan.months[0].traffic.sessions * 10.0;
    assert!((requests / (mean * 744.0) - 1.0).abs() < 1e-9, "the level is the series' own");
    assert!(plan.months.iter().all(|month| month.cost > runrate::measure::units::Usd::ZERO));
}

#[test]
fn the_wikipedia_daily_series_is_refused_as_it_is_and_used_once_sorted() {
    let Some(path) = shared("traffic/wikipedia_R_daily_log_pageviews.csv") else { return };
    let csv = fs::read_to_string(path).unwrap();
    let error = Series::parse("wikipedia", &csv, Gaps::Refuse).unwrap_err().to_string();
    assert!(error.contains("sort the rows by date"), "{error}");
    let sorted = views(&csv);
    assert!(Series::parse("wikipedia", &sorted, Gaps::Refuse).is_err(), "days are missing");
    let plan = plan_with_shape(&sorted, "skip");
    assert_eq!(plan.months.len(), 3);
    assert!(
        plan.warnings.iter().any(|w| w.contains("around its weekly shape")),
        "{:?}",
        plan.warnings
    );
}

/// The four series, each as it is planned with: a day of hours, a month of days, a day of five minutes, a
/// year of quarters ahead, at up to eight origins.
#[test]
fn forecasts_of_real_series_beat_the_naive_and_say_how_sure_they_are() {
    let mut scores = Vec::new();
    for (file, ahead) in [
        ("nasa_http_requests_hourly_1995_07.csv", 24),
        ("wikipedia_R_daily_log_pageviews.csv", 30),
        ("ec2_network_in_257a54.csv", 288),
        ("snapchat_dau_millions_by_quarter.csv", 4),
    ] {
        let Some(path) = shared(&format!("traffic/{file}")) else { return };
        let csv = fs::read_to_string(path).unwrap();
        let csv = if file.starts_with("wiki") { views(&csv) } else { csv };
        let series = Series::parse(file, &csv, Gaps::Skip).unwrap();
        let history = History::new(&series, std::collections::BTreeMap::new()).unwrap();
        let score = history.score(ahead).unwrap();
        println!("{file}: {score:?}");
        let mase = |place: usize| score[place].mase.unwrap();
        assert!(mase(0) < mase(1), "{file}: {score:?}");
        scores.push((mase(0), score[0].coverage.unwrap()));
    }
    let mean = |of: fn(&(f64, f64)) -> f64| scores.iter().map(of).sum::<f64>() / 4.0;
    assert!(mean(|s| s.0) < 0.99, "{scores:?}");
    assert!((0.75..=0.85).contains(&mean(|s| s.1)), "{scores:?}");
}
