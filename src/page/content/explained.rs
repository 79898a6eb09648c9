//! One amount walked back: charge, price rows, usage line, formula, inputs, assumption.

use super::{columns, ledger, note};
use crate::{
    measure::units::{Usd, count},
    money::{
        ledger::Entry,
        rate::{Part, PriceStep, PriceUsed},
    },
    page::{
        Cell, Fact, Kind, Page, Row, Section, Table,
        number::{money, quantity},
    },
    plan::Plan,
};

/// Most lines that are listed when a key matches many.
const MOST_LISTED: usize = 40;

/// Entries whose name holds every part of `key`, parts being separated by `/`.
pub fn matching<'a>(plan: &'a Plan, key: &str) -> Vec<&'a Entry> {
    let exact: Vec<&Entry> =
        plan.entries.iter().filter(|entry| Plan::entry_name(entry) == key).collect();
    if !exact.is_empty() {
        return exact;
    }
    let matches = |entry: &&Entry| {
        let name = Plan::entry_name(entry);
        let segments: Vec<&str> = name.split('/').collect();
        let mut parts = key.split('/').filter(|part| !part.is_empty());
        parts.all(|part| {
            // A part that is a whole segment somewhere means that segment, not longer ones.
            let whole = segments.iter().any(|segment| segment.eq_ignore_ascii_case(part));
            whole || (!names_an_account(plan, part) && segments.iter().any(|s| fits(s, part)))
        })
    };
    plan.entries.iter().filter(matches).collect()
}

fn names_an_account(plan: &Plan, part: &str) -> bool {
    plan.accounts.iter().any(|account| account.name.eq_ignore_ascii_case(part))
}

/// A segment fits a part that is all of it, or its beginning up to a `:` or a `.`.
fn fits(segment: &str, part: &str) -> bool {
    let rest = segment.to_lowercase().strip_prefix(&part.to_lowercase()).map(str::to_owned);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.', '-']))
}

/// The explanation of a single line, or the list of the lines that a key matched; without a key the largest lines of
/// the last month.
pub fn page(plan: &Plan, key: Option<&str>, found: &[&Entry]) -> Page {
    let last = plan.months.last().map(|month| month.month);
    let mut page = match (key, found) {
        (None, _) => {
            let of_last = |entry: &&&Entry| Some(entry.month) == last;
            let entries: Vec<&Entry> = found.iter().filter(of_last).copied().collect();
            let month = last.map(|month| month.to_string()).unwrap_or_default();
            listing(plan, format!("Lines of {month}, the most expensive first"), &entries)
        }
        (Some(_), [entry]) => one(plan, entry),
        (Some(key), all) => {
            listing(plan, format!("{} that match {key}", count(all.len(), "line")), all)
        }
    };
    page.records = Some(ledger::lines(plan, found.iter().copied()));
    page.currency.clone_from(&plan.currency);
    page.cost_metric.clone_from(&plan.cost_metric);
    let made = &plan.made_from;
    page.provenance = [
        ("runrate", made.version.clone()),
        ("Scenario (sha256)", made.scenario_sha256.clone()),
        ("Price book (sha256)", made.price_book_sha256.clone()),
        ("Seed", made.seed.to_string()),
        ("Trial", made.trial.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    page.without_turns();
    page
}

fn listing(plan: &Plan, title: String, entries: &[&Entry]) -> Page {
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| std::cmp::Reverse(entry.cost));
    let total: Usd = sorted.iter().map(|entry| entry.cost).sum();
    let shown = &sorted[..sorted.len().min(MOST_LISTED)];
    let row =
        |entry: &&Entry| Row::new(vec![Cell::text(Plan::entry_name(entry)), Cell::Usd(entry.cost)]);
    let mut rows: Vec<Row> = shown.iter().map(row).collect();
    let more = sorted.len() - shown.len();
    if more > 0 {
        let rest: Usd = sorted[shown.len()..].iter().map(|entry| entry.cost).sum();
        let text = format!("{more} more; add a part to the name");
        rows.push(Row::new(vec![Cell::text(text), Cell::Usd(rest)]));
    }
    rows.push(Row::total(vec![Cell::text("Total"), Cell::Usd(total)]));
    Page {
        title,
        sections: vec![Section {
            id: "lines".into(),
            title: "Lines".into(),
            text: vec!["Explain one of them by its name, or by parts of it.".into()],
            tables: vec![Table {
                id: "lines".into(),
                title: "Lines".into(),
                note: note(plan, ""),
                columns: columns(&[("Line", Kind::Text), ("Cost", Kind::Usd)]),
                rows,
                ..Table::default()
            }],
            ..Section::default()
        }],
        ..Page::default()
    }
}

fn one(plan: &Plan, entry: &Entry) -> Page {
    let price = plan.price_of(entry);
    Page {
        title: Plan::entry_name(entry),
        headline: vec![
            Fact {
                label: "Amount".into(),
                value: Cell::Usd(entry.cost),
                note: format!("exactly {} USD", entry.cost),
                ..Fact::default()
            },
            Fact {
                label: "Quantity".into(),
                value: Cell::text(format!("{} {}", quantity(entry.quantity.get()), price.unit)),
                note: format!("= {}", entry.why.formula),
                ..Fact::default()
            },
            Fact {
                label: "Bill".into(),
                value: Cell::text(&price.billed_usage_type),
                note: format!("{} in {}", price.cost_explorer_service, entry.key.region),
                ..Fact::default()
            },
        ],
        sections: vec![inputs(entry), charge(plan, entry), rows(price)],
        ..Page::default()
    }
}

fn inputs(entry: &Entry) -> Section {
    let row = |input: &crate::usage::services::Input| {
        Row::new(vec![Cell::text(&input.name), Cell::Number(input.value), Cell::text(&input.unit)])
    };
    let because = &entry.why.assumption;
    let mut text = vec![format!("Quantity = {}.", entry.why.formula)];
    if !because.is_empty() {
        text.push(format!("Assumption: {because}."));
    }
    Section {
        id: "quantity".into(),
        title: "Quantity".into(),
        text,
        tables: vec![Table {
            id: "inputs".into(),
            title: "Inputs".into(),
            columns: columns(&[
                ("Input", Kind::Text),
                ("Value", Kind::Quantity),
                ("Unit", Kind::Text),
            ]),
            rows: entry.why.inputs.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

fn charge(plan: &Plan, entry: &Entry) -> Section {
    let charge = &plan.charges[entry.charge];
    let price = plan.price_of(entry);
    let row = |part: &Part| {
        let cost = (part.quantity * part.price.decimal()).normalize();
        Row::new(vec![
            Cell::text(part.from.normalize().to_string()),
            Cell::text(part.quantity.normalize().to_string()),
            Cell::text(part.price.to_string()),
            Cell::text(cost.to_string()),
        ])
    };
    let mut text = vec![format!(
        "{} ({}) for {} {} of {} in {}.",
        money(charge.cost),
        charge.cost,
        charge.quantity.normalize(),
        price.unit,
        charge.scope,
        charge.month
    )];
    if charge.cost != entry.cost {
        text.push("Several lines share this charge; this line has its share by quantity.".into());
    }
    Section {
        id: "charge".into(),
        title: "Charge".into(),
        text,
        tables: vec![Table {
            id: "steps".into(),
            title: "Price steps of the charge".into(),
            note: format!("{}, exact", plan.currency),
            columns: columns(&[
                ("Step from", Kind::Quantity),
                ("Quantity", Kind::Quantity),
                ("Price", Kind::Quantity),
                ("Cost", Kind::Quantity),
            ]),
            rows: charge.parts.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

fn rows(price: &PriceUsed) -> Section {
    let row = |step: &PriceStep| {
        let to = step.to.map_or("no end".into(), |to| to.normalize().to_string());
        let as_of = if step.as_of.is_empty() { "undated" } else { &step.as_of };
        Row::new(vec![
            Cell::text(step.from.normalize().to_string()),
            Cell::text(to),
            Cell::text(step.price.to_string()),
            Cell::text(as_of),
            Cell::text(&step.confidence),
            Cell::text(&step.source),
            Cell::text(&step.note),
        ])
    };
    Section {
        id: "price".into(),
        title: "Price".into(),
        text: vec![format!("{}, USD per {}.", price.key, price.unit)],
        tables: vec![Table {
            id: "price".into(),
            title: "Rows of the price book".into(),
            columns: columns(&[
                ("From", Kind::Quantity),
                ("To", Kind::Quantity),
                ("Price", Kind::Quantity),
                ("As of", Kind::Text),
                ("Confidence", Kind::Text),
                ("Source", Kind::Text),
                ("Note", Kind::Text),
            ]),
            rows: price.steps.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn parts_match_whole_words_of_a_segment() {
        assert!(fits("BoxUsage:m7g.large", "boxusage"));
        assert!(fits("2027-01", "2027-01"));
        assert!(fits("2027-01", "2027"));
        assert!(!fits("BoxUsage:m7g.large", "Box"));
        assert!(!fits("production", "prod"));
    }
}
