//! `Summary`: headline, months by account, charts, and what the plan was made from.

use rust_xlsxwriter::Url;

use super::{
    charts, months,
    sheet::{BODY, Done, Sheet, Tie, at, criterion, head, letter, serial, span},
    style::{self, Look},
};
use crate::{
    measure::units::count,
    page::{Cell, Fact, Page, number::grouped},
    plan::{MonthPlan, Plan},
    write::csv::safe,
};

/// Name of the sheet.
pub(super) const NAME: &str = "Summary";

/// Where the table of months stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// Row of its header.
    pub(super) header: u32,
    /// First and last month.
    pub(super) rows: (u32, u32),
    /// Column of the sum of accounts.
    pub(super) total: u16,
    /// Whether P10, P50 and P90 stand behind it.
    pub(super) spread: bool,
}

/// Writes the sheet; `sheets` are the others, for the list of contents.
pub(super) fn write(sheet: &mut Sheet, plan: &Plan, page: &Page, sheets: &[String]) -> Done {
    let facts = page.headline.len().max(1) as u32;
    let header = BODY + facts + 2;
    let months = plan.months.len() as u32;
    let table = Table {
        header,
        rows: (header + 1, header + months.max(1)),
        total: plan.accounts.len() as u16 + 1,
        spread: plan.spread.is_some(),
    };
    let tie = Tie::money(format!("=SUM({})", span(table.total, table.rows)), plan.cost.to_f64());
    let note = format!("{}; {}", plan.cost_metric, plan.currency);
    sheet.top(&plan.name, &note, &tie)?;
    sheet.out.set_freeze_panes(4, 0)?;
    headline(sheet, plan, page)?;
    by_account(sheet, plan, table)?;
    charts::insert(sheet, plan, table)?;
    let row = charts::end(plan, table).max(table.rows.1 + 2) + 2;
    words(sheet, (plan, page), sheets, row)
}

fn headline(sheet: &mut Sheet, plan: &Plan, page: &Page) -> Done {
    let own = [Fact {
        label: format!("Cost over {}", count(plan.months.len(), "month")),
        value: Cell::Usd(plan.cost),
        ..Fact::default()
    }];
    facts(sheet, if page.headline.is_empty() { &own[..] } else { &page.headline })
}

/// Figures below each other, from [`BODY`] on.
pub(super) fn facts(sheet: &mut Sheet, facts: &[Fact]) -> Done {
    sheet.text_as(BODY - 1, 0, "Headline", &style::section())?;
    for (row, fact) in (BODY..).zip(facts) {
        sheet.text_as(row, 0, &fact.label, &style::label())?;
        sheet.widen(0, fact.label.chars().count() + 2);
        let look = match fact.value {
            Cell::Usd(_) | Cell::UsdLink { .. } => Look::Usd,
            Cell::Month(_) => Look::Month,
            Cell::Number(_) => Look::Quantity,
            _ => Look::Text,
        };
        super::tables::cell(sheet, (row, 1), &fact.value, (look, false))?;
        sheet.text_as(row, 2, &fact.note, &style::note())?;
    }
    Ok(())
}

fn by_account(sheet: &mut Sheet, plan: &Plan, table: Table) -> Done {
    let heading =
        "Cost by month and account [USD]; P10, P50 and P90 are the trials' and do not recompute";
    let heading = if table.spread { heading } else { "Cost by month and account [USD]" };
    sheet.text_as(table.header - 1, 0, heading, &style::section())?;
    let mut heads = vec![head("Month", Look::Month)];
    heads.extend(plan.accounts.iter().map(|account| head(&*account.name, Look::Usd)));
    heads.push(head("Total", Look::Usd));
    if table.spread {
        heads.extend(["P10", "P50", "P90"].map(|name| head(name, Look::Usd)));
    }
    sheet.headings(table.header, &heads)?;
    let blocks = months::blocks(plan);
    for (row, month) in (table.rows.0..).zip(&plan.months) {
        sheet.number_as(row, 0, serial(month.month), &Look::Month.format())?;
        accounts(sheet, (row, month), table, blocks.get(&month.month).copied())?;
    }
    sums(sheet, plan, table)?;
    let Some(spread) = &plan.spread else { return Ok(()) };
    // The quantiles of the whole plan are not the sums of the months'.
    let of = &spread.total.of;
    for (column, value) in (table.total + 1..).zip([of.p10, of.p50, of.p90]) {
        sheet.number_as(table.rows.1 + 1, column, value.to_f64(), &Look::Usd.total())?;
    }
    for (row, month) in (table.rows.0..).zip(&spread.months) {
        let of = &month.cost.of;
        for (column, value) in (table.total + 1..).zip([of.p10, of.p50, of.p90]) {
            sheet.number_as(row, column, value.to_f64(), &Look::Usd.format())?;
        }
    }
    Ok(())
}

fn accounts(
    sheet: &mut Sheet,
    (row, month): (u32, &MonthPlan),
    table: Table,
    block: Option<(u32, u32)>,
) -> Done {
    let format = Look::Usd.format();
    for (column, account) in (1..).zip(&month.accounts) {
        let formula = block.map_or_else(
            || "=0".to_owned(),
            |block| {
                let of = |column| format!("{}!{}", months::NAME, span(column, block));
                let cell = format!("{}${}", letter(column), table.header + 1);
                let name = criterion(&account.account, &cell);
                format!("=SUMIFS({},{},{name})", of(months::COST), of(months::ACCOUNT))
            },
        );
        sheet.computed_as(row, column, &formula, account.cost.to_f64(), &format)?;
    }
    let all = format!("=SUM({}:{})", at(row, 1), at(row, table.total - 1));
    sheet.computed_as(row, table.total, &all, month.cost.to_f64(), &format.set_bold())
}

fn sums(sheet: &mut Sheet, plan: &Plan, table: Table) -> Done {
    let row = table.rows.1 + 1;
    let format = Look::Usd.total();
    sheet.text_as(row, 0, "Total", &Look::Text.total())?;
    for column in 1..=table.total {
        let own =
            plan.months.iter().filter_map(|month| month.accounts.get(usize::from(column) - 1));
        let sum = if column == table.total { plan.cost } else { own.map(|own| own.cost).sum() };
        let formula = format!("=SUM({})", span(column, table.rows));
        sheet.computed_as(row, column, &formula, sum.to_f64(), &format)?;
    }
    Ok(())
}

/// Column up to which sentences run before they break.
const LAST_OF_WORDS: u16 = 7;

/// Provenance, warnings, notes, exclusions, contents: one line each.
fn words(sheet: &mut Sheet, (plan, page): (&Plan, &Page), sheets: &[String], mut row: u32) -> Done {
    let label = style::label();
    sheet.text_as(row, 0, "Made from", &style::section())?;
    row += 1;
    for (name, value) in provenance(plan, page) {
        sheet.text_as(row, 0, &name, &label)?;
        sheet.widen(0, name.chars().count() + 2);
        sheet.text_over(row, (1, LAST_OF_WORDS), &value)?;
        row += 1;
    }
    let missing = plan.not_modelled.iter().map(|own| format!("{}: {}", own.system, own.needs));
    let lists = [
        ("Warnings", plan.warnings.clone()),
        ("Notes", plan.notes.clone()),
        ("Not modelled: no cost of these is in the plan", missing.collect()),
    ];
    for (title, points) in lists.iter().filter(|(_, points)| !points.is_empty()) {
        sheet.text_as(row + 1, 0, title, &style::section())?;
        row += 2;
        for point in points {
            sheet.text_over(row, (0, LAST_OF_WORDS), point)?;
            row += 1;
        }
    }
    sheet.text_as(row + 1, 0, "Sheets", &style::section())?;
    row += 2;
    for name in sheets {
        let url = Url::new(format!("internal:'{}'!A1", name.replace('\'', "''")));
        sheet.out.write_url_with_text(row, 0, url, safe(name))?;
        row += 1;
    }
    Ok(())
}

/// What the page says it was made from, or else what the plan says.
fn provenance(plan: &Plan, page: &Page) -> Vec<(String, String)> {
    if !page.provenance.is_empty() {
        return page.provenance.clone();
    }
    let made = &plan.made_from;
    let steps = plan.prices.iter().flat_map(|price| &price.steps);
    let mut dates: Vec<&str> = steps.map(|step| &*step.as_of).filter(|of| !of.is_empty()).collect();
    dates.sort_unstable();
    let dates = match (dates.first(), dates.last()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".into(),
    };
    let trials = plan.spread.as_ref().map(|spread| grouped(spread.trials.into(), 0));
    let own = [
        ("runrate", made.version.clone()),
        ("scenario (SHA-256)", made.scenario_sha256.clone()),
        ("price book (SHA-256)", made.price_book_sha256.clone()),
        ("models (SHA-256)", made.models_sha256.clone()),
        ("prices as of", dates),
        ("seed", made.seed.to_string()),
        ("trials", trials.unwrap_or_else(|| "none".into())),
    ];
    own.map(|(name, value)| (name.to_owned(), value)).into()
}
