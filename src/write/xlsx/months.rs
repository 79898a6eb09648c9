//! `Months`: cost by month, account and service; `Services`: the same, months against services.

use std::collections::BTreeMap;

use super::{
    layout::Layout,
    lines,
    sheet::{BODY, Done, HEADER, Sheet, Tie, at, criterion, head, letter, span},
    style::Look,
};
use crate::{
    measure::{calendar::Month, units::Usd},
    plan::Plan,
};

/// Name of the sheet of rows.
pub(super) const NAME: &str = "Months";
/// Name of the sheet of columns.
pub(super) const SERVICES: &str = "Services";
/// Column of the account.
pub(super) const ACCOUNT: u16 = 1;
const SHOWN: u16 = 2;
const SHORT: u16 = 3;
/// Column of the cost.
pub(super) const COST: u16 = 4;
const PLAN: u16 = 5;
const CHANGE: u16 = 6;
/// Services that a chart tells apart; the rest is one.
pub(super) const APART: usize = 7;

/// Rows of each month on the sheet.
pub(super) type Blocks = BTreeMap<Month, (u32, u32)>;

/// Rows of each month, without writing them.
pub(super) fn blocks(plan: &Plan) -> Blocks {
    let mut blocks = Blocks::new();
    let mut row = BODY;
    for month in &plan.months {
        let rows: usize = month.accounts.iter().map(|account| account.services.len()).sum();
        if rows > 0 {
            blocks.insert(month.month, (row, row + rows as u32 - 1));
            row += rows as u32;
        }
    }
    blocks
}

/// Writes `Months`.
pub(super) fn write(sheet: &mut Sheet, layout: &Layout<'_>) -> Done {
    let plan = layout.plan;
    let last = blocks(plan).values().last().map_or(BODY, |block| block.1);
    let tie = Tie::money(format!("=SUM({})", span(COST, (BODY, last))), plan.cost.to_f64());
    let note = format!(
        "Sums over {}; Change = cost here − the plan's. {}, {}",
        lines::NAME,
        plan.cost_metric,
        plan.currency
    );
    sheet.top("Cost by month, account and service", &note, &tie)?;
    sheet.header(&[
        head("Month", Look::Month),
        head("Account", Look::Text),
        head("Cost Explorer service", Look::Text),
        head("Short name", Look::Text),
        head("Cost [USD]", Look::Usd),
        head("Plan [USD]", Look::Usd),
        head("Change [USD]", Look::Usd),
    ])?;
    let mut row = BODY;
    for month in &plan.months {
        for account in &month.accounts {
            for (service, cost) in &account.services {
                sheet.month(row, 0, month.month)?;
                sheet.text(row, ACCOUNT, &account.account)?;
                sheet.text(row, SHOWN, service)?;
                sheet.text(row, SHORT, plan.short_name(service))?;
                let formula = sum(layout, month.month, row, (&account.account, service));
                sheet.computed(row, COST, &formula, cost.to_f64())?;
                sheet.number(row, PLAN, cost.to_f64())?;
                let change = format!("={}-{}", at(row, COST), at(row, PLAN));
                sheet.computed(row, CHANGE, &change, 0.0)?;
                row += 1;
            }
        }
    }
    sheet.out.autofilter(HEADER, 0, last, CHANGE)?;
    Ok(())
}

fn sum(layout: &Layout<'_>, month: Month, row: u32, (account, service): (&str, &str)) -> String {
    let Some(block) = layout.blocks.get(&month) else { return "=0".into() };
    let of = |column| format!("{}!{}", lines::NAME, span(column, block.all));
    format!(
        "=SUMIFS({},{},{},{},{})",
        of(lines::COST),
        of(lines::ACCOUNT),
        criterion(account, &at(row, ACCOUNT)),
        of(lines::SHOWN),
        criterion(service, &at(row, SHOWN))
    )
}

/// Short names of services, most expensive first, with their cost by month.
pub(super) fn columns(plan: &Plan) -> Vec<(String, BTreeMap<Month, Usd>)> {
    let mut columns: Vec<(String, BTreeMap<Month, Usd>)> = Vec::new();
    for (service, _) in plan.services() {
        let short = plan.short_name(&service).to_owned();
        let place = columns.iter().position(|(known, _)| *known == short).unwrap_or_else(|| {
            columns.push((short, BTreeMap::new()));
            columns.len() - 1
        });
        for month in &plan.months {
            let costs = month.accounts.iter().filter_map(|account| account.services.get(&service));
            *columns[place].1.entry(month.month).or_default() += costs.copied().sum::<Usd>();
        }
    }
    columns
}

/// Writes `Services`: one column a service, then their sum, then what the chart does not tell apart.
pub(super) fn services(sheet: &mut Sheet, plan: &Plan) -> Done {
    let (columns, blocks) = (columns(plan), blocks(plan));
    let last = BODY + (plan.months.len().max(1) as u32) - 1;
    let total = columns.len() as u16 + 1;
    let tie = Tie::money(format!("=SUM({})", span(total, (BODY, last))), plan.cost.to_f64());
    let note = format!(
        "Sums over {NAME}, most expensive service first. {}, {}",
        plan.cost_metric, plan.currency
    );
    sheet.top("Cost by month and service [USD]", &note, &tie)?;
    let mut heads = vec![head("Month", Look::Month)];
    heads.extend(columns.iter().map(|(name, _)| head(&**name, Look::Usd)));
    heads.push(head("Total", Look::Usd));
    let first = (APART as u16).min(total - 1);
    heads.push(head(format!("All but the first {first}"), Look::Usd));
    sheet.header(&heads)?;
    sheet.out.set_freeze_panes(BODY, 1)?;
    for (row, month) in (BODY..).zip(&plan.months) {
        sheet.month(row, 0, month.month)?;
        for (column, (name, costs)) in (1..).zip(&columns) {
            let formula = match blocks.get(&month.month) {
                None => "=0".to_owned(),
                Some(block) => {
                    let of = |column| format!("{NAME}!{}", span(column, *block));
                    let cell = format!("{}${}", letter(column), HEADER + 1);
                    format!("=SUMIFS({},{},{})", of(COST), of(SHORT), criterion(name, &cell))
                }
            };
            let cost = costs.get(&month.month).copied().unwrap_or_default();
            sheet.computed(row, column, &formula, cost.to_f64())?;
        }
        if total > 1 {
            let all = format!("=SUM({}:{})", at(row, 1), at(row, total - 1));
            sheet.computed_as(row, total, &all, month.cost.to_f64(), &bold())?;
        }
        let told: f64 = columns
            .iter()
            .take(first.into())
            .map(|(_, costs)| costs.get(&month.month).copied().unwrap_or_default().to_f64())
            .sum();
        let rest = format!("={}-SUM({}:{})", at(row, total), at(row, 1), at(row, first));
        if first > 0 {
            sheet.computed(row, total + 1, &rest, month.cost.to_f64() - told)?;
        }
    }
    totals(sheet, last, total, &columns, plan)
}

fn bold() -> rust_xlsxwriter::Format {
    Look::Usd.format().set_bold()
}

fn totals(
    sheet: &mut Sheet,
    last: u32,
    total: u16,
    columns: &[(String, BTreeMap<Month, Usd>)],
    plan: &Plan,
) -> Done {
    let row = last + 1;
    sheet.text_as(row, 0, "Total", &Look::Text.total())?;
    let format = Look::Usd.total();
    for column in 1..=total {
        let sum = match columns.get(usize::from(column) - 1) {
            Some((_, costs)) => costs.values().copied().sum::<Usd>(),
            None => plan.cost,
        };
        let formula = format!("=SUM({})", span(column, (BODY, last)));
        sheet.computed_as(row, column, &formula, sum.to_f64(), &format)?;
    }
    Ok(())
}
