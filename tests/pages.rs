//! The page of every command: it fits a terminal of any width, and every format shows it.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::LazyLock};

use calamine::{Reader as _, Xlsx};
use runrate::{
    advice::{commit::Advised, compare::Compared},
    app::store::{self, PriceSource},
    bills::{
        actuals::{Metric, layout::Billing, naming::Naming},
        backtest::{Guess, Method, Point, Scored, scores},
        calibrate::{Fitted, Moved},
        history::History,
        reconcile::{Options, Partial, reconcile},
    },
    facts::{
        price_list::{Change, Meter},
        prices::{BillKey, PriceBook},
    },
    intent::scenario::Scenario,
    measure::{
        series::{Gaps, Series},
        units::UnitPrice,
    },
    money::{
        inventory::{Emitted, Pricing},
        rate::{Sharing, usage},
    },
    page::{
        Cell, Chart, Importance, Page,
        content::{
            self, Beside,
            calibrate::Outcome,
            missing::Missing,
            prices::{Diff, Effect, Kept, Refresh, Refreshed, Status},
        },
    },
    plan::{
        Plan,
        limits::Limits,
        simulate::{Inputs, Prepared, trace::Request},
    },
    write::{
        csv,
        format::{Format, page_file},
        terminal::{self, View},
    },
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    support::{self, runrate, stdout},
    tune,
};

/// Signs behind which a long word may go on in the next line.
const SIGNS: [char; 8] = ['/', ':', '-', '.', '_', ',', '|', '='];

/// The example where it has grown, with a budget that only some trials exceed.
fn scenario() -> String {
    fs::read_to_string("examples/innovate.toml")
        .unwrap()
        .replace("months = 24", "months = 4")
        .replace("start = \"2027-01\"", "start = \"2027-09\"")
        .replace("[accounts.production]", "[accounts.production]\nid = \"111111111111\"")
}

fn document<T: serde::de::DeserializeOwned>(arguments: &[&str]) -> T {
    serde_json::from_str(&stdout(&runrate(&[arguments, &["--format", "json"]].concat()))).unwrap()
}

/// A page of each command, by its name.
static PAGES: LazyLock<Vec<(&'static str, Page)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let text = scenario();
    let a = file("a.toml", &text);
    let b = file("b.toml", &text.replace("1_000_000", "1_500_000"));
    let plan: Plan = document(&["plan", &a, "--trials", "6"]);
    let compared: Compared = document(&["compare", &a, &b, "--trials", "3"]);
    let advised: Advised = document(&[
        "commit",
        &a,
        "--from",
        "2027-09",
        "--trials",
        "3",
        "--compute-discount",
        "27%",
    ]);
    let tuned = tune::small();
    let limits: Limits = document(&["limits", &a]);
    let book = store::load_prices(&store::price_manifest(&PriceSource::Embedded).unwrap(), None);
    let book = book.unwrap();
    let read = usage::parse("usage.csv", &csv::usage(&plan), &book).unwrap();
    let support = store::embedded_catalog().unwrap().controllers.support;
    let rated = read.rate(&book, Sharing::Consolidated, &support).unwrap();
    let found = |key: &str| content::explained::matching(&plan, key);
    let explained = |key: &str| content::explained::page(&plan, Some(key), &found(key));
    vec![
        ("plan", content::page(&plan, Beside::default())),
        ("compare", content::compared::page(&compared)),
        ("commit", content::commit::page(&advised)),
        ("tune", content::tuned::page(&tuned)),
        ("limits", content::limits::page("Innovate", &limits)),
        ("explain", content::explained::page(&plan, None, &found(""))),
        ("explain one", explained("2027-12/production/BoxUsage/baseline")),
        ("explain many", explained("2027-12/production")),
        ("rate", content::rated::page(&rated)),
    ]
    .into_iter()
    .chain(price_pages(&book, &plan))
    .chain(bill_pages(&plan, &file))
    .chain([("simulate", simulated(&text))])
    .chain(forecast_pages())
    .collect()
});

/// What `prices` answers, with a change that no book has.
fn price_pages(book: &PriceBook, plan: &Plan) -> Vec<(&'static str, Page)> {
    let status = Status {
        region: "us-east-1".into(),
        service: "AmazonEC2".into(),
        rows: 12_345,
        oldest: "2026-01-01".into(),
        newest: "2026-10-02".into(),
        age_days: Some(58),
    };
    let words = ["us-east-1".to_owned(), "NatGateway".into()];
    let found = content::prices::show(book, &words);
    assert!(found.len() > 2);
    let price = |text: &str| Some(UnitPrice::parse(text).unwrap());
    let change = Change {
        region: "us-east-1".into(),
        service: "AmazonEC2".into(),
        meter: Meter { usage_type: "BoxUsage:m7i.large".into(), operation: "RunInstances".into() },
        from: 0.into(),
        unit: "Hrs".into(),
        old: price("0.1008"),
        new: price("0.0504"),
    };
    let kept = Kept {
        usage_type: "NatGateway-Bytes".into(),
        operation: "NatGateway".into(),
        reason: "the list has no such meter".into(),
    };
    let mut list = Refreshed::new("us-east-1", "AmazonEC2");
    list.kept.push(kept);
    let unread = Refreshed {
        error: Some("no such service here".into()),
        ..Refreshed::new("eu-central-1", "AmazonEC2")
    };
    let entries = || plan.entries.clone();
    let effect = Effect::of((entries(), entries()[1..].to_vec()), "planned anew");
    let changes = vec![change];
    let refresh = Refresh { files: vec![list, unread], changes: changes.clone() };
    let digest = "0123456789abcdef".repeat(4);
    let gap = |service: &str, usage_type: &str, table: &'static str| Emitted {
        table,
        key: BillKey::new(service, "eu-west-3", usage_type, ""),
        pricing: Pricing::Missing,
    };
    let mut gaps = Missing::default();
    let mut emitted =
        vec![gap("AmazonEC2", "NatGateway-Bytes", "nat"), gap("awswaf", "RuleV2", "waf")];
    let unsold = gap("AmazonEC2", "EBS:VolumeUsage.io2", "ebs");
    emitted.push(Emitted { pricing: Pricing::NotSold, ..unsold });
    gaps.add("eu-west-3", emitted);
    vec![
        ("prices status", content::prices::status_page(&[status], &digest)),
        ("prices show", content::prices::show_page(&found, 2)),
        ("prices refresh", content::prices::refresh_page(&refresh)),
        ("prices missing", content::missing::page(&gaps, true)),
        ("prices diff", content::prices::diff_page(&Diff { changes, effect: Some(effect) })),
    ]
}

/// What is said of bills: stored, compared, fitted to, forecast.
fn bill_pages(plan: &Plan, file: &dyn Fn(&str, &str) -> String) -> Vec<(&'static str, Page)> {
    let mut text = "month,account,service,cost\n2027-09,1,AmazonEC2,no-number\n".to_owned();
    for (service, cost) in [("AmazonEC2", 1234.5), ("AmazonRDS", 400.25), ("AmazonBraket", 7.0)] {
        for month in ["2027-09", "2027-10", "2027-11"] {
            writeln!(text, "{month},111111111111,{service},{cost}").unwrap();
        }
    }
    let path = file("bill.csv", &text);
    let billing: Billing = store::model().unwrap();
    let bills = store::import_bills(&[path], &billing, "2027-12-02T00:00:00Z").unwrap();
    let catalog = store::embedded_catalog().unwrap();
    let book = store::load_prices(&store::price_manifest(&PriceSource::Embedded).unwrap(), None);
    let book = book.unwrap();
    let options = Options {
        metric: Metric::Unblended,
        partial: Partial::Exclude,
        from: None,
        to: None,
        bars: billing.accuracy,
    };
    let naming = Naming::new(&book, &catalog, &billing);
    let done = reconcile(plan, &bills, &naming, &billing.not_billed_by_aws, options).unwrap();
    let point = |month: u32, method: Method, mean: f64| Point {
        account: "production".into(),
        origin: format!("2027-0{month}").parse().unwrap(),
        month: format!("2027-0{}", month + 1).parse().unwrap(),
        horizon: 1,
        method,
        guess: Guess { mean, interval: Some((mean - 50.0, mean + 50.0)) },
        billed: 1000.0,
    };
    let guesses = vec![
        point(3, Method::Runrate, 990.0),
        point(4, Method::Runrate, 1020.0),
        point(3, Method::Last, 700.0),
        point(4, Method::Last, 800.0),
    ];
    let notes = vec!["no forecast of AWS's own was pulled in these months".to_owned()];
    let scored = Scored { scores: scores(&guesses), guesses, notes };
    let fitted = |name: &str, left_alone: Option<String>| Fitted {
        name: name.into(),
        factor: Some(1.3),
        uncertainty: 0.02,
        months: 7,
        outliers: vec!["2027-03".parse().unwrap()],
        keys: vec![Moved {
            key: "workloads.api.cpu_ms_per_request".into(),
            before: 35.0,
            after: 45.5,
        }],
        left_alone,
    };
    let outcome = Outcome {
        coefficients: vec![
            fitted("CPU per request", None),
            fitted("log bytes", Some("too few months in which its meters are billed".into())),
        ],
        training: vec!["2027-01".into(), "2027-07".into()],
        held_out: vec!["2027-08".into()],
        error_before: Some(0.2),
        error_after: Some(0.04),
        discount: Some(0.1),
    };
    vec![
        ("actuals", content::actuals::page(&bills)),
        ("reconcile", content::reconcile::page(&done)),
        ("backtest", content::backtest::page(&scored)),
        ("calibrate", content::calibrate::page(&outcome)),
    ]
}

/// A day of the example.
fn simulated(text: &str) -> Page {
    let scenario = Scenario::parse("s.toml", text, &support::CATALOG).unwrap();
    let facts = support::embedded_facts(&scenario).unwrap();
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let request =
        Request { account: None, at: None, days: Some(1), tick_seconds: 60, load: None, trial: 0 };
    content::simulate::page(&prepared.trace(&request).unwrap())
}

/// Three weeks of hours, and what follows them.
fn forecast_pages() -> Vec<(&'static str, Page)> {
    let mut text = "date,value\n".to_owned();
    for hour in 0..21 * 24 {
        let value = 1000 + 40 * (hour % 24) + hour % 7;
        writeln!(text, "2027-01-{:02}T{:02}:00,{value}", 1 + hour / 24, hour % 24).unwrap();
    }
    let series = Series::parse("hours.csv", &text, Gaps::Refuse).unwrap();
    let history = History::new(&series, BTreeMap::new()).unwrap();
    let found = history.forecast(72, &[0.5, 0.8]);
    let tested = history.score(24).unwrap();
    vec![
        ("forecast", content::forecast::page(&found, &history, Ok(tested.clone()))),
        ("forecast unscored", content::forecast::page(&found, &history, Err("too short".into()))),
        ("backtest of a series", content::forecast::scores_page(&tested, &history, 24)),
    ]
}

/// Every text of a page.
fn texts(page: &Page) -> Vec<String> {
    let mut all = vec![page.title.clone(), page.currency.clone(), page.cost_metric.clone()];
    for fact in &page.headline {
        all.extend([fact.label.clone(), fact.shown(), fact.note.clone()]);
    }
    for section in &page.sections {
        all.push(section.title.clone());
        all.extend(section.text.iter().chain(&section.points).cloned());
        for figure in &section.figures {
            all.push(figure.title.clone());
            all.extend(match &figure.chart {
                Chart::Lines { series, .. } | Chart::Stacked { series, .. } => {
                    series.iter().map(|series| series.name.clone()).collect()
                }
                Chart::Waterfall { from, steps, to } => {
                    [from, to].into_iter().chain(steps).map(|step| step.0.clone()).collect()
                }
                _ => Vec::new(),
            });
        }
        for table in &section.tables {
            all.extend([format!("{} ({})", table.title, table.note), table.note.clone()]);
            all.extend(table.columns.iter().map(|column| column.name.clone()));
            for row in &table.rows {
                let columns = row.cells.iter().zip(&table.columns);
                all.extend(columns.map(|(cell, column)| cell.shown(column.kind)));
            }
        }
    }
    all.extend(page.provenance.iter().map(|(name, value)| format!("{name}: {value}")));
    all
}

/// Whether a printed word is a word of the page, or a part of one that is cut at its signs.
fn is_whole(printed: &str, words: &[&str]) -> bool {
    words.iter().any(|word| {
        word.match_indices(printed).any(|(from, _)| {
            let to = from + printed.len();
            (from == 0 || word[..from].ends_with(SIGNS))
                && (to == word.len() || printed.ends_with(SIGNS))
        })
    })
}

#[test]
fn every_page_fits_every_terminal_and_cuts_no_word() {
    for (name, page) in PAGES.iter() {
        let texts = texts(page);
        let words: Vec<&str> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
        // What stands between a table's title and its note, and what the writer says itself.
        let own =
            ["Hidden", "at", "this", "width:", "Mid", "case", "Cause", "Change", "Reached", "-"];
        for depth in [Importance::Key, Importance::Main, Importance::Reference] {
            for width in [80, 120, usize::MAX] {
                let text = terminal::render(page, View { width, color: false, depth });
                for line in text.lines() {
                    assert!(line.width() <= width, "{name} at {width}: {line}");
                    assert_eq!(line, line.trim_end(), "{name}: blanks at the end");
                }
                if depth != Importance::Reference || width == usize::MAX {
                    continue;
                }
                for word in text.split_whitespace().filter(|word| !own.contains(word)) {
                    let drawn = word.chars().all(|c| !c.is_ascii());
                    let bare = word.trim_matches(['(', ')', ',', ';', '+', '$']);
                    let known = drawn || bare.is_empty() || is_whole(word, &words);
                    assert!(known || is_whole(bare, &words) || digits(bare), "{name}: {word:?}");
                }
            }
        }
    }
}

/// Whether a word is a number: waterfalls print theirs to the dollar.
fn digits(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit() || ['-', ',', '$', '.'].contains(&c))
}

#[test]
fn a_terminal_without_limits_hides_nothing() {
    for (name, page) in PAGES.iter() {
        let view = View { width: usize::MAX, color: false, depth: Importance::Reference };
        let text = terminal::render(page, view);
        assert!(!text.contains("Hidden at this width"), "{name}");
        for table in page.tables().filter(|table| table.columns.len() > 1) {
            for column in table.columns.iter().filter(|column| !column.name.is_empty()) {
                assert!(text.contains(column.name.trim()), "{name}: {}", column.name);
            }
        }
    }
}

#[test]
fn every_format_shows_the_page() {
    for (name, page) in PAGES.iter() {
        let tables = page.tables().filter(|table| !table.columns.is_empty()).count();
        for format in Format::ALL {
            let Some(file) = page_file(page, *format, "report").unwrap() else { continue };
            assert_eq!(file.name, format!("report.{}", format.name()));
            let text = String::from_utf8_lossy(&file.bytes);
            match format.name() {
                "html" => {
                    assert_eq!(text.matches("<caption id=").count(), tables, "{name}");
                }
                "md" => assert_eq!(text.matches("\n### ").count(), tables, "{name}"),
                "csv" => {
                    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
                    assert!(reader.headers().unwrap().len() > 1, "{name}");
                    assert!(reader.records().all(|row| row.is_ok()), "{name}");
                }
                "xlsx" => {
                    let book = Xlsx::new(std::io::Cursor::new(&file.bytes)).unwrap();
                    assert_eq!(book.sheet_names().len(), tables + 1, "{name}");
                }
                "pdf" => assert!(text.starts_with("%PDF-"), "{name}"),
                other => panic!("{other} is made of a page and not looked at"),
            }
        }
    }
}

#[test]
fn a_command_writes_any_format_to_a_file_and_texts_to_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let usage = folder.path().join("usage.csv").display().to_string();
    let line = "2027-01,a,us-east-1,AmazonEC2,BoxUsage:m7i.large,RunInstances,,100\n";
    let header = content::ledger::USAGE_COLUMNS.join(",");
    fs::write(&usage, format!("{header}\n{line}")).unwrap();
    let to = |format: &str| folder.path().join(format!("out.{format}")).display().to_string();
    for format in ["table", "md", "html", "xlsx", "json", "csv"] {
        let out = to(format);
        let run = runrate(&["rate", &usage, "--format", format, "--out", &out]);
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && run.stdout.is_empty(), "{format}: {said}");
        let written = fs::read(&out).unwrap();
        // A redirected stdout takes what is no text, too.
        let printed = runrate(&["rate", &usage, "--format", format]);
        assert!(printed.status.success(), "{format}");
        assert_eq!(written, printed.stdout, "{format}");
    }
    assert!(fs::read(to("xlsx")).unwrap().starts_with(b"PK"));
    assert!(fs::read_to_string(to("csv")).unwrap().contains("BoxUsage:m7i.large"));
}

#[test]
fn a_cell_that_judges_has_its_color_and_no_other_cell_has() {
    let (_, plan) = &PAGES[0];
    let view = View { width: 120, color: true, depth: Importance::Key };
    let painted = terminal::render(plan, view);
    let budgets = plan.tables().find(|table| table.id == "budgets").unwrap();
    for row in &budgets.rows {
        let mark = row.mark.unwrap();
        let shown = row.cells[mark.column].shown(budgets.columns[mark.column].kind);
        assert!(painted.contains(&format!("m{shown}\u{1b}[0m")), "{shown}: {painted}");
    }
    assert!(budgets.rows.iter().all(|row| !matches!(row.cells[4], Cell::Empty)));
    let bare = terminal::render(plan, View { color: false, ..view });
    assert!(!bare.contains('\u{1b}'));
}
