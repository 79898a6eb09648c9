//! The report of a plan as PDF, read back by another program: every amount, page numbers, provenance on each
//! page, no typeface of the system.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use crate::support;
use runrate::{
    page::{
        Cell, Column, Kind, Page, Row, Section, Table,
        content::{self, Beside},
        figure,
    },
    write::pdf,
};

/// A small company with a report of all sections that need no trials.
fn report() -> (Page, String) {
    let text = support::base("2027-01", 6, 40_000) + "[alb]\n[nat]\n[waf]\nrules = 3\n";
    let plan = support::plan(&text).unwrap();
    let page = content::page(&plan, Beside::default());
    let svg = figure::file(&page.sections[1].figures[0]).unwrap();
    (page, svg)
}

/// Text without spaces: lines are parted where a column is narrow.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn every_amount_and_the_provenance_can_be_read() {
    let (page, svg) = report();
    let bytes = pdf::render(&page, &|_| Ok(svg.clone())).unwrap();
    assert_eq!(bytes, pdf::render(&page, &|_| Ok(svg.clone())).unwrap());
    let Some(text) = support::poppler("pdftotext", &["-layout"], &bytes) else { return };
    let pages: Vec<String> = text.trim_end_matches('\u{c}').split('\u{c}').map(bare).collect();
    let (version, count) = (&page.provenance[1], pages.len());
    assert!(count > 3, "{count}");
    for (number, own) in pages.iter().enumerate() {
        assert!(own.contains(&format!("{}of{count}", number + 1)), "page {number}: {own}");
        assert!(own.contains(&bare(&format!("{} {}", version.0, version.1))), "page {number}");
    }
    // How often each amount is there, against how often the page has it.
    let all = bare(&text);
    let mut amounts: BTreeMap<String, usize> = BTreeMap::new();
    for table in page.tables() {
        for row in &table.rows {
            for (cell, column) in row.cells.iter().zip(&table.columns) {
                if matches!(cell, Cell::Usd(_) | Cell::UsdLink { .. } | Cell::Number(_)) {
                    *amounts.entry(bare(&cell.shown(column.kind))).or_default() += 1;
                }
            }
        }
    }
    assert!(amounts.len() > 50, "{}", amounts.len());
    for (amount, times) in &amounts {
        assert!(all.matches(amount.as_str()).count() >= *times, "{amount} {times} times");
    }
    for fact in &page.headline {
        assert!(all.contains(&bare(&fact.value.shown(Kind::Usd))), "{}", fact.label);
    }
    for section in &page.sections {
        assert!(all.contains(&bare(&section.title)), "{}", section.title);
    }
    for (name, value) in &page.provenance {
        assert!(all.contains(&bare(value)), "{name} in full");
    }
}

#[test]
fn it_is_tagged_and_has_typefaces_of_its_own() {
    let (page, svg) = report();
    let bytes = pdf::render(&page, &|_| Ok(svg.clone())).unwrap();
    if let Some(info) = support::poppler("pdfinfo", &[], &bytes) {
        let line = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
        };
        assert_eq!(line("Title"), page.title);
        assert_eq!(line("Tagged"), "yes");
        assert_eq!(line("CreationDate"), "");
        assert!(line("Page size").ends_with("(A4)"), "{info}");
    }
    let Some(fonts) = support::poppler("pdffonts", &[], &bytes) else { return };
    let names: Vec<&str> = fonts.lines().skip(2).collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(["Ubuntu", "Hack", "NotoEmoji"].iter().any(|own| name.contains(own)), "{name}");
        assert!(name.contains("yes yes yes"), "embedded, a subset, with its letters: {name}");
    }
}

/// Names that no typeface here has are still there for those who copy the text, or leave a mark.
#[test]
fn foreign_names_do_not_vanish() {
    let row = |name: &str| Row::new(vec![Cell::text(name), Cell::Number(7.0)]);
    let table = Table {
        id: "t".into(),
        columns: vec![Column::new("Name", Kind::Text), Column::new("Pods", Kind::Number(0))],
        rows: vec![row("注文-api"), row("größe → ≤ 5 €"), row("=cmd|' /C calc'!A0")],
        ..Table::default()
    };
    let section = Section {
        id: "s".into(),
        title: "Names".into(),
        tables: vec![table],
        ..Section::default()
    };
    let page = Page { title: "名前".into(), sections: vec![section], ..Page::default() };
    let bytes = pdf::render(&page, &|_| Err("none".into())).unwrap();
    let Some(text) = support::poppler("pdftotext", &["-layout"], &bytes) else { return };
    assert!(text.contains("größe → ≤ 5 €"), "{text}");
    assert!(text.contains("=cmd|' /C calc'!A0"), "{text}");
    assert!(text.contains("注文-api") || text.contains("\u{fffd}\u{fffd}-api"), "{text}");
}

/// Amounts of the bill of materials are links to their formulas, in blue and to click at.
#[test]
fn amounts_are_links() {
    let (page, svg) = report();
    let bytes = pdf::render(&page, &|_| Ok(svg.clone())).unwrap();
    let cells = page.tables().flat_map(|table| &table.rows).flat_map(|row| &row.cells);
    let wanted =
        cells.filter(|cell| matches!(cell, Cell::Link { .. } | Cell::UsdLink { .. })).count();
    let links = |mark: &[u8]| bytes.windows(mark.len()).filter(|window| *window == mark).count();
    let found = links(b"/Subtype /Link") + links(b"/Subtype/Link");
    // A link whose text stands on two lines is two.
    assert!(wanted > 10 && found >= wanted, "{found} of {wanted}");
}
