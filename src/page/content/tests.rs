use super::*;
use crate::{
    app::store::{self, PriceSource},
    intent::scenario::Scenario,
    page::Chart,
    plan::simulate::{Inputs, Prepared},
    write::{csv, markdown},
};

/// The example over its last months, with a name that is no name.
fn plan(months: u32, trials: u32) -> Plan {
    let catalog = store::embedded_catalog().unwrap();
    let text = include_str!("../../../examples/innovate.toml")
        .replace("months = 24", &format!("months = {months}"))
        .replace("start = \"2027-01\"", "start = \"2027-09\"")
        .replace("name = \"Innovate Inc.\"", "name = \"=<b>x</b>\"");
    let scenario = Scenario::parse("innovate.toml", &text, &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    let inputs = Inputs::default();
    let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
    let mut plan = prepared.run(0).unwrap();
    if trials > 1 {
        let settings = crate::plan::trials::Settings::new(&prepared, &plan).unwrap();
        let numbers: Vec<u32> = (1..=trials).collect();
        let watch = crate::plan::trials::Watch { done: &|| (), stop: &|| false };
        let samples = crate::plan::trials::run(&prepared, &numbers, watch).unwrap();
        let asked = crate::plan::trials::Asked { trials, note: None };
        plan.spread = crate::plan::trials::spread(&plan, &samples, asked, &settings);
    }
    plan
}

fn sum_of(table: &Table, column: &str) -> Usd {
    let place = table.columns.iter().position(|own| own.name == column).unwrap();
    let amount = |row: &Row| match &row.cells[place] {
        Cell::Usd(amount) | Cell::UsdLink { amount, .. } => *amount,
        _ => Usd::ZERO,
    };
    let (sums, parts): (Vec<&Row>, Vec<&Row>) = table.rows.iter().partition(|row| row.total);
    let total: Usd = parts.into_iter().map(amount).sum();
    for row in sums {
        assert_eq!(amount(row), total, "{}: the total is the sum of its parts", table.id);
    }
    total
}

#[test]
fn every_table_adds_up_to_the_plan() {
    let plan = plan(4, 8);
    let page = page(&plan, Beside::default());
    let table = |id: &str| page.tables().find(|table| table.id == id).unwrap();
    assert_eq!(sum_of(table("cost-by-service"), "Total"), plan.cost);
    assert_eq!(sum_of(table("showback"), "Total"), plan.cost);
    let materials = ["materials-production", "materials-non-production"];
    let sum: Usd = materials.iter().map(|id| sum_of(table(id), "Cost")).sum();
    assert_eq!(sum, plan.cost);
    let accounts = ["cost-by-service-production", "cost-by-service-non-production"];
    let sum: Usd = accounts.iter().map(|id| sum_of(table(id), "Total")).sum();
    assert_eq!(sum, plan.cost);
}

#[test]
fn every_row_fits_its_columns_and_every_link_leads_somewhere() {
    let plan = plan(2, 4);
    let page = page(&plan, Beside::default());
    let mut ids: Vec<&str> = page.tables().map(|table| &*table.id).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "names of tables are unique");
    let anchors: Vec<&str> =
        page.tables().flat_map(|t| &t.rows).filter_map(|row| row.anchor.as_deref()).collect();
    for table in page.tables() {
        for row in &table.rows {
            assert_eq!(row.cells.len(), table.columns.len(), "{}", table.id);
            for cell in &row.cells {
                if let Cell::Link { to, .. } | Cell::UsdLink { to, .. } = cell {
                    assert!(anchors.contains(&to.as_str()), "{to}");
                }
                assert!(!matches!(cell, Cell::Number(x) if !x.is_finite()), "{}", table.id);
            }
        }
        let money = table
            .columns
            .iter()
            .any(|own| matches!(own.kind, Kind::Usd | Kind::Dollars | Kind::SmallUsd));
        assert!(!money || table.note.contains("USD"), "{} says its currency", table.id);
    }
}

#[test]
fn a_plan_without_trials_has_a_line_and_no_odds() {
    let plan = plan(1, 1);
    let page = page(&plan, Beside::default());
    let ids: Vec<&str> = page.sections.iter().map(|section| &*section.id).collect();
    assert!(!ids.contains(&"budgets") && !ids.contains(&"drivers"), "{ids:?}");
    let Chart::Fan { band, mid, billed, .. } = &page.sections[0].figures[0].chart else {
        panic!("the first chart is the fan")
    };
    assert_eq!((band.len(), mid.len(), billed.len()), (0, 1, 0));
}

#[test]
fn a_hostile_name_is_text_in_markdown_and_csv() {
    let plan = plan(1, 1);
    let page = page(&plan, Beside::default());
    assert!(markdown::render(&page).starts_with("# =&lt;b&gt;x&lt;/b&gt;\n"));
    let settings = page.tables().find(|table| table.id == "settings").unwrap();
    assert!(csv::table(settings, "USD").contains("'=<b>x</b>"));
}
