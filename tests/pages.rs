//! The page of every command: it fits a terminal of any width, and every format shows it.
#![allow(clippy::unwrap_used)]

use std::{fs, sync::LazyLock};

use calamine::{Reader as _, Xlsx};
use runrate::{
    advice::{commit::Advised, compare::Compared},
    app::store::{self, PriceSource},
    money::rate::{Sharing, usage},
    page::{
        Cell, Chart, Importance, Page,
        content::{self, Beside},
    },
    plan::Plan,
    write::{
        csv,
        format::{Format, page_file},
        terminal::{self, View},
    },
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    support::{runrate, stdout},
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
    let advised: Advised = document(&["commit", &a, "--trials", "3", "--compute-discount", "27%"]);
    let tuned = tune::small();
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
        ("explain", content::explained::page(&plan, None, &found(""))),
        ("explain one", explained("2027-12/production/BoxUsage/baseline")),
        ("explain many", explained("2027-12/production")),
        ("rate", content::rated::page(&rated)),
    ]
});

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
