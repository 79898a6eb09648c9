//! `Charges`: a month's quantity of each meter, split over the steps of its price.
//!
//! ```text
//! quantity  = sum of its lines
//! in step i = MAX(0, MIN(quantity, end of step i) − begin of step i)
//! cost      = Σ in step i × price of step i × price factors
//! ```
//! A free part that several meters share is divided by quantity, as `rate` does, and the steps above it move.

use std::fmt::Write as _;

use super::{
    assumptions::Factors,
    layout::{Kind, Layout, Way},
    lines, prices,
    sheet::{BODY, Done, Sheet, Tie, at, head, letter, span},
    style::Look,
};

/// Column of the quantity.
pub(super) const QUANTITY: u16 = 7;
/// Column of the cost.
pub(super) const COST: u16 = 8;
const SHARE: u16 = 10;
const STEPS: u16 = 11;
/// Most ranges that one `SUM` names; spreadsheets take 255.
const MOST_RANGES: usize = 250;

/// Name of the sheet.
pub(super) const NAME: &str = "Charges";

/// Writes the sheet.
pub(super) fn write(sheet: &mut Sheet, layout: &Layout<'_>, factors: &Factors) -> Done {
    let plan = layout.plan;
    let last = BODY + (plan.charges.len().max(1) as u32) - 1;
    let tie = Tie::money(format!("=SUM({})", span(COST, (BODY, last))), plan.cost.to_f64());
    sheet.top("Charges: quantities over the steps of their prices", &note(layout), &tie)?;
    let mut columns = vec![
        head("Charge", Look::Number(0)),
        head("Month", Look::Month),
        head("Accounts", Look::Text),
        head("Service code", Look::Text),
        head("Region", Look::Text),
        head("Usage type", Look::Text),
        head("Unit", Look::Text),
        head("Quantity", Look::Quantity),
        head("Cost [USD]", Look::Usd),
        head("Kind", Look::Text),
        head("Share of a free part", Look::Quantity),
    ];
    let steps =
        (1..=layout.most_steps()).map(|step| head(format!("In step {step}"), Look::Quantity));
    columns.extend(steps);
    sheet.header(&columns)?;
    for index in 0..plan.charges.len() {
        names(sheet, layout, index)?;
        amounts(sheet, layout, index, factors)?;
    }
    sheet.out.autofilter(BODY - 1, 0, last, columns.len() as u16 - 1)?;
    Ok(())
}

fn note(layout: &Layout<'_>) -> String {
    let plan = layout.plan;
    let mut note = format!(
        "Cost = Σ quantity in a step × its price on {} × price factors. Commitments are fixed: the hour-by-hour draw-down is not repeated here. {}, {}.",
        prices::NAME,
        plan.cost_metric,
        plan.currency
    );
    let unbased =
        plan.entries.iter().zip(&layout.bases).any(|(entry, base)| {
            base.is_none() && layout.ways[entry.charge].kind > Kind::Commitment
        });
    if unbased || layout.ways.iter().any(|way| way.fixed) {
        note += " Rows marked (fixed) keep the plan's amount per unit.";
    }
    if layout.ways.iter().any(|way| way.kind == Kind::Support && way.minimum.is_none()) {
        note += " The least fee of support is not in the plan, and not applied here.";
    }
    note
}

fn names(sheet: &mut Sheet, layout: &Layout<'_>, index: usize) -> Done {
    let charge = &layout.plan.charges[index];
    let (row, way) = (Layout::charge_row(index), &layout.ways[index]);
    let price = &layout.plan.prices[way.price];
    sheet.number(row, 0, index as f64 + 1.0)?;
    sheet.month(row, 1, charge.month)?;
    let texts =
        [&charge.scope, &price.key.service, &price.key.region, &price.key.usage_type, &price.unit];
    for (column, text) in (2..).zip(texts) {
        sheet.text(row, column, text)?;
    }
    let based = layout.ranges[index].iter().all(|(first, _)| layout.base_at(*first).is_some());
    let fixed = way.fixed || way.kind > Kind::Commitment && !based;
    let kind = if fixed { format!("{} (fixed)", way.kind.name()) } else { way.kind.name().into() };
    sheet.text(row, 9, &kind)
}

fn amounts(sheet: &mut Sheet, layout: &Layout<'_>, index: usize, factors: &Factors) -> Done {
    let (plan, way) = (layout.plan, &layout.ways[index]);
    let row = Layout::charge_row(index);
    sheet.computed(row, QUANTITY, &quantity(layout, index), way.quantity)?;
    let first = layout.price_rows[way.price];
    let steps = &plan.prices[way.price].steps;
    let mut shift = String::new();
    for (step, inside) in way.inside.iter().enumerate() {
        let pooled = !steps[step].pool.is_empty() && steps[step].to.is_some();
        let bounds = Bounds::of(first + step as u32);
        if pooled {
            sheet.computed(row, SHARE, &free(way, &bounds, row), way.share)?;
        }
        let only = steps.len() == 1 && steps[step].to.is_none();
        let formula = if only {
            format!("={}", at(row, QUANTITY))
        } else {
            bounds.inside(row, pooled, steps[step].to.is_some(), &shift)
        };
        sheet.computed(row, STEPS + step as u16, &formula, *inside)?;
        if pooled {
            let _ = write!(shift, "+{}-({}-{})", at(row, SHARE), bounds.to, bounds.from);
        }
    }
    let cost = cost(layout, index, factors);
    sheet.computed(row, COST, &cost, plan.charges[index].cost.to_f64())
}

/// Where a step begins and ends, as cells of the price sheet.
struct Bounds {
    from: String,
    to: String,
}

impl Bounds {
    fn of(row: u32) -> Self {
        let cell = |column| format!("{}!${}${}", prices::NAME, letter(column), row + 1);
        Self { from: cell(prices::FROM), to: cell(prices::TO) }
    }

    /// The quantity inside the step, moved by `shift`.
    fn inside(&self, row: u32, pooled: bool, ends: bool, shift: &str) -> String {
        let quantity = at(row, QUANTITY);
        let from = format!("{}{shift}", self.from);
        let reached = match (pooled, ends) {
            (true, _) => format!("MIN({quantity},{from}+{})", at(row, SHARE)),
            (false, true) => format!("MIN({quantity},{}{shift})", self.to),
            (false, false) => quantity,
        };
        let less = if shift.is_empty() { from } else { format!("({from})") };
        format!("=MAX(0,{reached}-{less})")
    }
}

/// A charge's share of a free part.
fn free(way: &Way, bounds: &Bounds, row: u32) -> String {
    let size = format!("{}-{}", bounds.to, bounds.from);
    if way.pool.len() < 2 {
        return format!("={size}");
    }
    let all: Vec<String> =
        way.pool.iter().map(|charge| at(Layout::charge_row(*charge), QUANTITY)).collect();
    let (own, all) = (at(row, QUANTITY), all.join(","));
    format!("=IF(SUM({all})>{size},({size})*{own}/SUM({all}),{size})")
}

fn quantity(layout: &Layout<'_>, index: usize) -> String {
    let ranges = &layout.ranges[index];
    let span = |range: &(u32, u32)| format!("{}!{}", lines::NAME, span(lines::QUANTITY, *range));
    let one = |range: &(u32, u32)| format!("{}!{}", lines::NAME, at(range.0, lines::QUANTITY));
    match ranges.as_slice() {
        [] => "=0".into(),
        [only] if only.0 == only.1 => format!("={}", one(only)),
        all => {
            let sums = all.chunks(MOST_RANGES).map(|chunk| {
                let spans: Vec<String> = chunk.iter().map(span).collect();
                format!("SUM({})", spans.join(","))
            });
            format!("={}", sums.collect::<Vec<_>>().join("+"))
        }
    }
}

fn cost(layout: &Layout<'_>, index: usize, factors: &Factors) -> String {
    let (plan, way) = (layout.plan, &layout.ways[index]);
    let (row, price) = (Layout::charge_row(index), &plan.prices[way.price]);
    let factor = match way.kind {
        Kind::Usage => factors.of_price(&price.key.service),
        _ => String::new(),
    };
    if way.fixed {
        let each = plan.charges[index].cost.to_f64();
        if way.quantity == 0.0 {
            return format!("={each}{factor}");
        }
        return format!("={each}*{}/{}{factor}", at(row, QUANTITY), way.quantity);
    }
    let first = layout.price_rows[way.price];
    let cell = |row: u32| format!("{}!${}${}", prices::NAME, letter(prices::PRICE), row + 1);
    let parts = (0..way.inside.len())
        .map(|step| format!("{}*{}", at(row, STEPS + step as u16), cell(first + step as u32)));
    let mut sum = parts.collect::<Vec<_>>().join("+");
    if way.inside.len() > 1 && !factor.is_empty() {
        sum = format!("({sum})");
    }
    if let Some(minimum) = way.minimum {
        sum = format!("MAX({},{sum})", cell(layout.price_rows[minimum]));
    }
    if way.kind == Kind::Discount {
        sum = format!("-({sum})");
    }
    match price.gap.filter(|_| !price.is_extended()) {
        // A bill with a hole in it is not a bill.
        Some(gap) => format!("=IF({}>{gap},NA(),{sum}{factor})", at(row, QUANTITY)),
        None => format!("={sum}{factor}"),
    }
}
