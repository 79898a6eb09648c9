//! `Prices`: every step of every price that the plan used, with its source; the price cells are inputs.

use super::{
    layout::{Layout, number},
    sheet::{BODY, Done, Sheet, Tie, at, head, span},
    style::Look,
};
use crate::money::rate::{PriceStep, PriceUsed};

/// Column where a step begins.
pub(super) const FROM: u16 = 6;
/// Column where it ends.
pub(super) const TO: u16 = 7;
/// Column of the price.
pub(super) const PRICE: u16 = 8;

/// Name of the sheet.
pub(super) const NAME: &str = "Prices";

/// Writes the sheet.
pub(super) fn write(sheet: &mut Sheet, layout: &Layout<'_>) -> Done {
    let plan = layout.plan;
    let steps = plan.prices.iter().flat_map(|price| &price.steps);
    let sum: f64 = steps.clone().map(|step| number(step.price.decimal())).sum();
    let last = BODY + (steps.count().max(1) as u32) - 1;
    let note = format!(
        "List prices in {} per unit, with their source and date. Change a price, or where a step ends, and the book follows; a step begins where the one before it ends, and a free part that regions share stands in the rows of each.",
        plan.currency
    );
    let tie = Tie {
        unit: "sum of prices".into(),
        formula: format!("=SUM({})", span(PRICE, (BODY, last))),
        result: sum,
        plan: sum,
        tolerance: 1e-9,
    };
    sheet.top("Prices used", &note, &tie)?;
    sheet.header(&[
        head("Service code", Look::Text),
        head("Cost Explorer service", Look::Text),
        head("Region", Look::Text),
        head("Usage type", Look::Text),
        head("Operation", Look::Text),
        head("Unit", Look::Text),
        head("From", Look::Quantity),
        head("To", Look::Quantity),
        head("Price [USD per unit]", Look::Price),
        head("Free part shared by", Look::Text),
        head("As of", Look::Text),
        head("Confidence", Look::Text),
        head("Source", Look::Text),
        head("Note", Look::Text),
    ])?;
    let (end, each) = (Look::Quantity.input(), Look::Price.input());
    for (price, first) in plan.prices.iter().zip(&layout.price_rows) {
        for (row, step) in (*first..).zip(&price.steps) {
            let key = &price.key;
            let texts = [
                (0, &key.service),
                (1, &price.cost_explorer_service),
                (2, &key.region),
                (3, &key.usage_type),
                (4, &key.operation),
                (5, &price.unit),
                (9, &step.pool),
                (10, &step.as_of),
                (11, &step.confidence),
                (12, &step.source),
                (13, &step.note),
            ];
            for (column, text) in texts {
                sheet.text(row, column, text)?;
            }
            from(sheet, row, price, step)?;
            if let Some(to) = step.to {
                sheet.number_as(row, TO, number(to), &end)?;
            }
            sheet.number_as(row, PRICE, number(step.price.decimal()), &each)?;
        }
    }
    sheet.out.autofilter(BODY - 1, 0, last, 13)?;
    // Long sources would widen the printed page.
    sheet.out.set_print_area(0, 0, last, 13)?;
    Ok(())
}

/// Where a step begins: where the one before it ends.
fn from(sheet: &mut Sheet, row: u32, price: &PriceUsed, step: &PriceStep) -> Done {
    let pairs = || price.steps.iter().zip(price.steps.iter().skip(1));
    if pairs().any(|(before, own)| own == step && before.to == Some(step.from)) {
        return sheet.computed(row, FROM, &format!("={}", at(row - 1, TO)), number(step.from));
    }
    sheet.number(row, FROM, number(step.from))
}
