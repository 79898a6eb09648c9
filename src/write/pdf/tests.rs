use proptest::prelude::*;

use super::{
    flow::{Flow, Item, Layout, MARGIN},
    fonts::Fonts,
    wrap::wrap,
    *,
};
use crate::{
    measure::units::Usd,
    page::{Cell, Chart, Column, Fact, Kind, Row, Section, Table},
};

fn usd(amount: i64) -> Usd {
    Usd::from_decimal(rust_decimal::Decimal::new(amount, 2))
}

fn table(rows: usize) -> Table {
    let row = |number: usize| Row {
        anchor: Some(format!("row-{number}")),
        ..Row::new(vec![
            Cell::text(format!("meter {number}")),
            Cell::UsdLink { amount: usd(number as i64 * 137), to: "formula".into() },
        ])
    };
    Table {
        id: "t".into(),
        title: "Meters".into(),
        note: "USD".into(),
        columns: vec![Column::new("Meter", Kind::Text), Column::new("Cost [USD]", Kind::Usd)],
        rows: (0..rows).map(row).collect(),
        ..Table::default()
    }
}

fn page(tables: Vec<Table>) -> Page {
    Page {
        title: "A plan".into(),
        currency: "USD".into(),
        headline: vec![Fact {
            label: "Total".into(),
            value: Cell::Usd(usd(1_234_567)),
            note: "list price".into(),
            ..Fact::default()
        }],
        provenance: vec![
            ("seed".into(), "7".into()),
            ("scenario".into(), "0123456789abcdef0123".into()),
        ],
        sections: vec![Section {
            id: "s".into(),
            title: "Costs".into(),
            tables,
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn no_figure(_: &Figure) -> Result<String, String> {
    Err("no figure was requested".into())
}

fn laid(page: &Page) -> Layout {
    let fonts = Fonts::new().unwrap();
    let mut flow = Flow::new(&fonts);
    flow.page(page, &no_figure).unwrap();
    flow.finish(page)
}

/// Texts of a sheet with their places: left end, right end, base line.
fn texts(fonts: &Fonts, layout: &Layout, sheet: usize) -> Vec<(String, f32, f32, f32)> {
    let one = |item: &Item| match item {
        Item::Text { x, y, style, text, .. } | Item::Again { x, y, style, text } => {
            Some((text.clone(), *x, x + fonts.width(text) * style.size, *y))
        }
        _ => None,
    };
    layout.sheets[sheet].items.iter().filter_map(one).collect()
}

/// 200 rows need several sheets; each has the head, its number, the provenance, and no text outside it.
#[test]
fn a_long_table_has_its_head_on_every_sheet() {
    let fonts = Fonts::new().unwrap();
    let layout = laid(&page(vec![table(200)]));
    let count = layout.sheets.len();
    assert!(count >= 4, "{count}");
    let mut amounts = 0;
    for number in 0..count {
        let own = texts(&fonts, &layout, number);
        let has = |text: &str| own.iter().filter(|(own, ..)| own == text).count();
        // The last sheet may hold what stands behind the table alone.
        let rows = own.iter().filter(|(text, ..)| text.starts_with("meter ")).count();
        assert_eq!(has("Cost [USD]"), usize::from(rows > 0), "sheet {number}");
        assert_eq!(has(&format!("{} of {count}", number + 1)), 1);
        assert_eq!(has("seed 7 · scenario 0123456789ab"), 1, "{own:?}");
        amounts += own.iter().filter(|(text, ..)| text.starts_with('$')).count();
        let (width, height) = layout.sheets[number].size;
        for (text, left, right, y) in own {
            assert!(
                left >= MARGIN - 0.1 && right <= width - MARGIN + 0.1,
                "{text}: {left} {right}"
            );
            assert!(y > 20.0 && y < height - 5.0, "{text}: {y}");
        }
    }
    assert_eq!(amounts, 201, "each amount once, and the headline");
}

#[test]
fn numbers_end_where_their_column_ends() {
    let fonts = Fonts::new().unwrap();
    let layout = laid(&page(vec![table(9)]));
    let own = texts(&fonts, &layout, 0);
    let ends: Vec<f32> = own
        .iter()
        .skip_while(|(text, ..)| text != "Cost [USD]")
        .filter(|(text, ..)| text.starts_with('$'))
        .map(|(_, _, right, _)| *right)
        .collect();
    assert_eq!(ends.len(), 9);
    assert!(ends.iter().all(|end| (end - ends[0]).abs() < 0.01), "{ends:?}");
}

/// Links lead to the sheet of their row; one to nowhere is text.
#[test]
fn amounts_lead_to_their_formula() {
    let mut formulas = table(60);
    formulas.rows[50].anchor = Some("formula".into());
    let page = page(vec![table(60), formulas]);
    let layout = laid(&page);
    let (sheet, y) = layout.anchors["formula"];
    let fonts = Fonts::new().unwrap();
    let own = texts(&fonts, &layout, sheet);
    let (.., base) = own.iter().rev().find(|(text, ..)| text == "meter 50").unwrap();
    assert!((base - y).abs() < 15.0, "{base} {y}");
    let links = |bytes: &[u8]| count(bytes, b"/Subtype/Link") + count(bytes, b"/Subtype /Link");
    assert_eq!(links(&render(&page, &no_figure).unwrap()), 120);
    let nowhere = self::page(vec![table(3)]);
    assert_eq!(links(&render(&nowhere, &no_figure).unwrap()), 0);
}

fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

fn months(count: usize) -> Table {
    let mut columns = vec![Column::new("Service", Kind::Text)];
    columns.extend((0..count).map(|number| Column::new(format!("m{number}"), Kind::Usd)));
    let cells = |service: usize| {
        let amounts =
            (0..count).map(|number| Cell::Usd(usd((service * count + number) as i64 * 1009)));
        std::iter::once(Cell::text(format!("service {service}"))).chain(amounts).collect()
    };
    let rows = (0..5).map(|service| Row::new(cells(service))).collect();
    Table { id: "m".into(), title: "Months".into(), columns, rows, ..Default::default() }
}

/// Twelve months lie on their side; sixty are parted, and each column stands once, the services in each part.
#[test]
fn wide_tables_lie_on_their_side_or_are_parted() {
    let fonts = Fonts::new().unwrap();
    let layout = laid(&page(vec![months(14)]));
    let wide = layout.sheets.iter().filter(|sheet| sheet.size.0 > sheet.size.1).count();
    assert_eq!(wide, 1);
    let layout = laid(&page(vec![months(60)]));
    let all: Vec<_> =
        (0..layout.sheets.len()).flat_map(|sheet| texts(&fonts, &layout, sheet)).collect();
    let has = |text: &str| all.iter().filter(|(own, ..)| own == text).count();
    let parts = has("service 3");
    assert!(parts > 2, "{parts}");
    assert_eq!(has(&format!("Months (2 of {parts})")), 1);
    for number in 0..60 {
        assert_eq!(has(&format!("m{number}")), 1, "m{number}");
    }
}

#[test]
fn the_same_page_gives_the_same_bytes() {
    let page = page(vec![table(40), months(14)]);
    let bytes = render(&page, &no_figure).unwrap();
    assert!(bytes.starts_with(b"%PDF-1.7"));
    assert_eq!(bytes, render(&page, &no_figure).unwrap());
    assert_eq!(count(&bytes, b"CreationDate"), 0);
}

/// Chinese and Arabic letters, which no typeface here has, leave a mark each; arrows and Greek are drawn.
#[test]
fn unknown_letters_leave_a_mark() {
    let fonts = Fonts::new().unwrap();
    let glyphs = |text: &str| -> Vec<u32> {
        use krilla::text::Glyph;
        let runs = fonts.runs(text);
        runs.iter().flat_map(|run| &run.glyphs).map(|glyph| glyph.glyph_id().to_u32()).collect()
    };
    let mark = glyphs("漢")[0];
    assert_ne!(mark, 0);
    assert_eq!(glyphs("漢字"), [mark, mark]);
    assert_eq!(glyphs("م"), [mark]);
    for known in ["→", "α", "ß", "×", "≤", "€", "😀", "…", "·", "±", "–"] {
        assert!(glyphs(known).iter().all(|glyph| *glyph != mark && *glyph != 0), "{known}");
        assert!(fonts.width(known) > 0.1, "{known}");
    }
    assert!(fonts.width("漢") > 0.2);
}

#[test]
fn a_picture_that_is_none_names_its_figure() {
    let figure = Figure {
        id: "odds".into(),
        title: "Odds".into(),
        alt: "none".into(),
        chart: Chart::Day { panels: vec![] },
    };
    let mut page = page(vec![]);
    page.sections[0].figures.push(figure);
    let error = render(&page, &|_| Ok("<svg".into())).unwrap_err();
    assert!(error.starts_with("figure odds: "), "{error}");
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='90' height='40'><text x='1' y='20' \
               font-family='Helvetica Neue' font-weight='bold'>drawn 42</text><rect width='9' height='9'/></svg>";
    let with = render(&page, &|_| Ok(svg.into())).unwrap();
    let without = render(&page, &|_| {
        Ok("<svg xmlns='http://www.w3.org/2000/svg' width='90' height='40'/>".into())
    });
    assert!(
        with.len() > without.unwrap().len() + 100,
        "its letters are there without the system's typefaces"
    );
}

/// An empty page is a sheet with a title.
#[test]
fn nothing_is_one_sheet() {
    assert_eq!(laid(&Page { title: "x".into(), ..Default::default() }).sheets.len(), 1);
    render(&Page::default(), &no_figure).unwrap();
}

proptest! {
    /// Lines are no wider than asked for, lose nothing but spaces, and end in … where there are too many.
    #[test]
    fn lines_fit_and_lose_nothing(text in "\\PC{0,120}", width in 3.0_f32..30.0, most in 1_usize..5) {
        let fonts = Fonts::new().unwrap();
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        let all = wrap(&fonts, &text, width, usize::MAX - 1);
        prop_assert_eq!(bare(&all.concat()), bare(&text));
        for line in &all {
            prop_assert!(fonts.width(line) <= width + 1e-3, "{line}");
        }
        let some = wrap(&fonts, &text, width, most);
        prop_assert!(some.len() <= most);
        if all.len() > most {
            prop_assert!(some[most - 1].ends_with('…'));
            prop_assert!(fonts.width(&some[most - 1]) <= width + 1e-3);
        } else {
            prop_assert_eq!(some, all);
        }
    }

    /// Whatever names a page has, it is written.
    #[test]
    fn any_names_are_written(title in any::<String>(), cell in any::<String>(), note in any::<String>()) {
        let mut table = table(2);
        table.title.clone_from(&title);
        table.note.clone_from(&note);
        table.rows[1].cells[0] = Cell::text(cell.repeat(9));
        let mut page = page(vec![table]);
        page.title = title;
        prop_assert!(render(&page, &no_figure).is_ok());
    }
}
