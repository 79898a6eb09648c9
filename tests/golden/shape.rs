//! The shape of the files that programs read, in a few lines that a person can: what is in them, without the figures.
//! `ledger.csv`, `meters.csv` and `report.md` have the figures; here each file has to add up to the plan's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use calamine::{Data, Reader as _, Xlsx};
use runrate::{
    page::{
        Page,
        content::{self, Beside},
        number::money,
    },
    plan::Plan,
};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::support;

/// The shape of each file of the folder that has one, by the file's name.
pub(super) fn shapes(folder: &Path) -> BTreeMap<&'static str, String> {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let text = |name: &str| String::from_utf8(read(name)).unwrap();
    let json: Value = serde_json::from_slice(&read("plan.json")).unwrap();
    let plan: Plan = serde_json::from_value(json.clone()).unwrap();
    let mut shapes = BTreeMap::from([
        ("plan.json", keys(&json)),
        ("report.html", headings(&text("report.html"))),
        ("report.xlsx", sheets(&folder.join("report.xlsx"), &plan)),
        ("ledger.csv", columns(&text("ledger.csv"), "cost_usd", &plan)),
        ("focus.csv", columns(&text("focus.csv"), "BilledCost", &plan)),
    ]);
    if cfg!(feature = "pdf")
        && let Some(shown) = support::poppler("pdftotext", &["-layout"], &read("report.pdf"))
    {
        let total = money(plan.cost);
        assert!(bare(&shown).contains(&total), "report.pdf does not show {total}");
        shapes.insert("report.pdf", pages(&shown, &content::page(&plan, Beside::default())));
    }
    #[cfg(feature = "polars")]
    shapes.insert("ledger.parquet", types(read("ledger.parquet"), &plan));
    shapes
}

/// Keys of a document with the kinds of their values. What an account, a service or a reason is called is data: `*`.
fn keys(document: &Value) -> String {
    fn walk(value: &Value, place: &str, found: &mut BTreeMap<String, BTreeSet<&'static str>>) {
        let kind = match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let is_field =
                        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                    let key = if key.chars().all(is_field) { key } else { "*" };
                    let dot = if place.is_empty() { "" } else { "." };
                    walk(value, &format!("{place}{dot}{key}"), found);
                }
                return;
            }
            Value::Array(items) => {
                for item in items {
                    walk(item, &format!("{place}[]"), found);
                }
                return;
            }
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(text) if text.parse::<Decimal>().is_ok() => "decimal text",
            Value::String(_) => "text",
        };
        found.entry(place.to_owned()).or_default().insert(kind);
    }
    let mut found = BTreeMap::new();
    walk(document, "", &mut found);
    lines(found.into_iter().map(|(place, kinds)| {
        format!("{place}: {}", kinds.into_iter().collect::<Vec<_>>().join(" or "))
    }))
}

/// Headings and captions of a page, and where its pictures are.
fn headings(html: &str) -> String {
    let mut found = Vec::new();
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        match tag.split(' ').next().unwrap() {
            "h1" => found.push(format!("# {text}")),
            "h2" => found.push(format!("## {text}")),
            "caption" if tag.contains("id=") => {
                found.push(format!("table {}", attribute(tag, "id")));
            }
            "caption" => found.push("part of a wide table".into()),
            "svg" => found.push("picture".into()),
            _ => {}
        }
    }
    lines(found)
}

fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let (_, value) = tag.split_once(&format!("{name}=\"")).unwrap_or_default();
    value.split('"').next().unwrap()
}

/// Sheets of a workbook with their header; the tie-out of each has to hold, and the ledger's to be the plan's cost.
fn sheets(path: &Path, plan: &Plan) -> String {
    let mut book: Xlsx<_> = calamine::open_workbook(path).unwrap();
    let mut out = String::new();
    for name in book.sheet_names() {
        let sheet = book.worksheet_range(&name).unwrap();
        let text = |row, column| sheet.get_value((row, column)).map(ToString::to_string);
        assert_eq!(text(3, 4).as_deref(), Some("OK"), "{name}");
        if name == "Lines" {
            let Some(Data::Float(sum)) = sheet.get_value((3, 1)) else { panic!("{name}: no sum") };
            assert!((sum - plan.cost.to_f64()).abs() < 0.005, "{sum}");
        }
        let header = (0..sheet.width() as u32).map(|column| text(5, column).unwrap_or_default());
        let header: Vec<String> = header.collect();
        writeln!(out, "{name}: {}", header.join(" | ").trim_end_matches([' ', '|'])).unwrap();
    }
    // What a scenario assumes has a name for each key; they are its data.
    let names: BTreeSet<&str> = book.defined_names().iter().map(|(name, _)| &**name).collect();
    for name in names.iter().filter(|name| !name.starts_with('_') && !name.starts_with("assumed_"))
    {
        writeln!(out, "name {name}").unwrap();
    }
    out
}

/// Columns of a file of lines; it has a row an entry, and they add up to the plan's cost.
fn columns(text: &str, cost: &str, plan: &Plan) -> String {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let at = header.iter().position(|name| name == cost).unwrap();
    let costs = reader.records().map(|row| row.unwrap()[at].parse::<Decimal>().unwrap());
    let costs: Vec<Decimal> = costs.collect();
    assert_eq!(costs.len(), plan.entries.len());
    assert_eq!(costs.iter().sum::<Decimal>().normalize(), plan.cost.decimal().normalize());
    lines(header)
}

/// Columns of a ledger with their types; it has a row an entry, and they add up to the plan's cost.
#[cfg(feature = "polars")]
fn types(bytes: Vec<u8>, plan: &Plan) -> String {
    let read = crate::parquet_file::read(bytes);
    assert_eq!(read.rows.len(), plan.entries.len());
    let total: Decimal = read.column("cost_usd").map(crate::parquet_file::decimal).sum();
    assert_eq!(total.normalize(), plan.cost.decimal().normalize());
    read.schema
}

/// Headings of sections and tables in their order, and the pages that the document has them on.
fn pages(document: &str, page: &Page) -> String {
    let titles = page.sections.iter().flat_map(|section| {
        [&section.title].into_iter().chain(section.tables.iter().map(|table| &table.title))
    });
    let pages: Vec<String> = document.trim_end_matches('\u{c}').split('\u{c}').map(bare).collect();
    let (mut at_page, mut from, mut found) = (0, 0, Vec::new());
    for title in titles {
        let wanted = bare(title);
        let at = loop {
            assert!(at_page < pages.len(), "{title} is on no page after the heading before it");
            if let Some(at) = pages[at_page][from..].find(&wanted) {
                break from + at;
            }
            (at_page, from) = (at_page + 1, 0);
        };
        from = at + wanted.len();
        found.push(format!("page {}: {title}", at_page + 1));
    }
    found.push(format!("{} pages", pages.len()));
    lines(found)
}

/// Text without spaces: lines are parted where a column is narrow.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().collect::<Vec<_>>().join("\n")
}
