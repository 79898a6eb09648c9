//! One amount walked back: charge, price rows, usage line, formula, inputs, assumption.

use std::fmt::Write as _;

use crate::{
    measure::units::Usd,
    money::{ledger::Entry, rate::PriceUsed},
    plan::Plan,
};
use crate::{
    page::number::{money, quantity},
    write::terminal::table,
};

/// Most lines listed when a key matches many.
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

/// What there is to explain: the biggest lines of the last month.
pub fn overview(plan: &Plan) -> String {
    let Some(last) = plan.months.last() else { return String::new() };
    let mut entries: Vec<&Entry> =
        plan.entries.iter().filter(|entry| entry.month == last.month).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.cost));
    let mut out = format!("Lines of {}, dearest first; explain one by its name:\n", last.month);
    let _ = writeln!(out, "{}", listing(&entries[..entries.len().min(MOST_LISTED)]));
    out
}

fn listing(entries: &[&Entry]) -> comfy_table::Table {
    let mut table = table(&["Line", "Cost"], 1);
    for entry in entries {
        table.add_row(vec![Plan::entry_name(entry), money(entry.cost)]);
    }
    table
}

/// The whole explanation of what a key matched.
pub fn explain(plan: &Plan, entries: &[&Entry]) -> String {
    if let [entry] = entries {
        return one(plan, entry);
    }
    let mut out = format!("{} lines, {}:\n", entries.len(), {
        let total: Usd = entries.iter().map(|entry| entry.cost).sum();
        money(total)
    });
    let mut sorted = entries.to_vec();
    sorted.sort_by_key(|entry| std::cmp::Reverse(entry.cost));
    let shown = &sorted[..sorted.len().min(MOST_LISTED)];
    let _ = writeln!(out, "{}", listing(shown));
    if sorted.len() > shown.len() {
        let _ = writeln!(out, "and {} more; add a part to the name", sorted.len() - shown.len());
    }
    out
}

fn one(plan: &Plan, entry: &Entry) -> String {
    let charge = &plan.charges[entry.charge];
    let price = plan.price_of(entry);
    let mut out = String::new();
    let _ = writeln!(out, "{}", Plan::entry_name(entry));
    let _ = writeln!(out, "  Amount     {} USD ({})", entry.cost, money(entry.cost));
    let _ = writeln!(out, "             {}", plan.cost_metric);
    let _ = writeln!(
        out,
        "  Bill       {} / {} in {}",
        price.cost_explorer_service, price.billed_usage_type, entry.key.region
    );
    let _ = writeln!(out, "  Quantity   {} {}", quantity(entry.quantity.get()), price.unit);
    let _ = writeln!(out, "             = {}", entry.why.formula);
    for input in &entry.why.inputs {
        let _ = writeln!(
            out,
            "               {} = {} {}",
            input.name,
            quantity(input.value),
            input.unit
        );
    }
    if !entry.why.assumption.is_empty() {
        let _ = writeln!(out, "             because {}", entry.why.assumption);
    }
    let _ = writeln!(
        out,
        "  Charge     {} for {} {} of {} in {}",
        charge.cost,
        charge.quantity.normalize(),
        price.unit,
        charge.scope,
        charge.month
    );
    for part in &charge.parts {
        let cost = (part.quantity * part.price.decimal()).normalize();
        let _ = writeln!(
            out,
            "               {} × {} = {cost} USD   (step from {})",
            part.quantity.normalize(),
            part.price,
            part.from.normalize()
        );
    }
    if charge.cost != entry.cost {
        let _ = writeln!(out, "             this line is its share by quantity");
    }
    rows(price, &mut out);
    let made = &plan.made_from;
    let _ = writeln!(
        out,
        "  Made by    runrate {}, scenario {}, price book {}, seed {}, trial {}",
        made.version, made.scenario_sha256, made.price_book_sha256, made.seed, made.trial
    );
    out
}

fn rows(price: &PriceUsed, out: &mut String) {
    let _ = writeln!(out, "  Price      {}, USD per {}", price.key, price.unit);
    for step in &price.steps {
        let to = step.to.map_or("no end".into(), |to| to.normalize().to_string());
        let as_of = if step.as_of.is_empty() { "undated" } else { &step.as_of };
        let _ = writeln!(
            out,
            "               {} to {to}: {} ({as_of}, {}) {}",
            step.from.normalize(),
            step.price,
            step.confidence,
            step.source
        );
        if !step.note.is_empty() {
            let _ = writeln!(out, "                 {}", step.note);
        }
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
