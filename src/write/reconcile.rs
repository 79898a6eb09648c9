//! A reconciliation as tables: by account and service, the bridge to the bill, what has no match.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    bills::reconcile::{Cell, Match, Reconciliation, Sum, Variance},
    measure::units::{Usd, count},
};
use crate::{
    page::number::{grouped, money},
    write::{csv, terminal::table},
};

/// Lines of a list before the rest is summed up.
const MOST_LISTED: usize = 8;

/// For people.
pub fn render(done: &Reconciliation) -> String {
    let mut out = String::new();
    let used: Vec<String> = done
        .months
        .iter()
        .filter(|month| month.share > 0.0)
        .map(|month| month.month.to_string())
        .collect();
    let span = match (&*used, used.len()) {
        ([first, .., last], count) => format!("{first} to {last}, {count} months"),
        (all, _) => all.concat(),
    };
    let _ = writeln!(
        out,
        "{}: planned ({}) against billed ({}), {}, {span}\n",
        done.plan, done.basis, done.metric, done.currency
    );
    let _ = writeln!(out, "{}\n", services(done));
    let _ = writeln!(out, "From consumption to the bill\n{}\n", bridge(done));
    if let Some(accuracy) = &done.accuracy {
        let _ = writeln!(
            out,
            "Off by {:.1} % of the bill in the months' totals (FinOps: {}), {:.1} % by service; bias {:+.1} %.",
            100.0 * accuracy.wape_of_totals,
            accuracy.level,
            100.0 * accuracy.wape,
            100.0 * accuracy.bias
        );
    }
    if let Some(discount) = done.discount {
        let _ = writeln!(out, "Discounts are {:.1} % of consumption.", 100.0 * discount);
    }
    for (matched, title) in [
        (Match::Unplanned, "Billed, not planned"),
        (Match::Unmapped, "Billed under names that the price book does not know"),
        (Match::Unbilled, "Planned, not billed"),
    ] {
        list(done, matched, title, &mut out);
    }
    notes(done, &mut out);
    out
}

fn services(done: &Reconciliation) -> comfy_table::Table {
    let further = further(done);
    let mut header = vec![
        "Account",
        "Service",
        "Planned",
        "Billed",
        "Difference",
        "%",
        "Price",
        "Quantity",
        "Mix",
    ];
    header.extend(further.iter().map(|part| part.name));
    let mut rows = table(&header, 2);
    let sums: BTreeMap<(String, String), Sum> =
        done.by(|cell| (cell.account.clone(), cell.service.clone())).into_iter().collect();
    let mut accounts = done.by(|cell| cell.account.clone());
    accounts.sort_by(|a, b| a.0.cmp(&b.0));
    for (account, sum) in &accounts {
        let mut own: Vec<(&String, &Sum)> = sums
            .iter()
            .filter(|((of, _), _)| of == account)
            .map(|((_, service), sum)| (service, sum))
            .collect();
        own.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.billed.max(sum.planned)));
        for (service, sum) in own {
            // A service at no price on both sides says nothing.
            if sum.planned == Usd::ZERO && sum.billed == Usd::ZERO {
                continue;
            }
            let short = done.short_names.get(service).unwrap_or(service);
            rows.add_row(cells(account, short, sum, &further));
        }
        if accounts.len() > 1 {
            rows.add_row(cells(account, "all", sum, &further));
        }
    }
    rows.add_row(cells("all", "", &done.total, &further));
    rows
}

/// A part of a difference that not every comparison has.
struct Further {
    name: &'static str,
    of: fn(&Variance) -> Usd,
}

/// The parts that this comparison has beside price, quantity and mix.
fn further(done: &Reconciliation) -> Vec<Further> {
    let all = [
        Further { name: "Unplanned", of: |variance| variance.unplanned },
        Further { name: "Fees", of: |variance| variance.fees },
    ];
    let used = |part: &Further| done.cells.iter().any(|c| (part.of)(&c.variance) != Usd::ZERO);
    all.into_iter().filter(used).collect()
}

fn cells(account: &str, service: &str, sum: &Sum, further: &[Further]) -> Vec<String> {
    let percent = sum.share().map_or("–".into(), |share| format!("{:+.1}", 100.0 * share));
    let variance = &sum.variance;
    let mut cells = vec![
        account.to_owned(),
        service.to_owned(),
        money(sum.planned),
        money(sum.billed),
        money(variance.total),
        percent,
        money(variance.price),
        money(variance.quantity),
        money(variance.mix),
    ];
    cells.extend(further.iter().map(|part| money((part.of)(variance))));
    cells
}

fn bridge(done: &Reconciliation) -> comfy_table::Table {
    let mut rows = table(&["", "Planned", "Billed"], 1);
    let (mut planned, mut billed) = (Usd::ZERO, Usd::ZERO);
    for step in &done.bridge {
        planned += step.planned.unwrap_or(Usd::ZERO);
        billed += step.billed;
        let own = step.planned.map_or_else(String::new, money);
        rows.add_row(vec![step.name.to_owned(), own, money(step.billed)]);
    }
    rows.add_row(vec!["bill".to_owned(), money(planned), money(billed)]);
    rows
}

/// Cells of one kind, the dearest by name.
fn list(done: &Reconciliation, matched: Match, title: &str, out: &mut String) {
    let mut sums: BTreeMap<(&str, &str, &str, &str), Usd> = BTreeMap::new();
    for cell in done.cells.iter().filter(|cell| cell.matched == matched) {
        let place = (&*cell.account, &*cell.service, &*cell.region, &*cell.usage_type);
        *sums.entry(place).or_insert(Usd::ZERO) += cell.billed.cost + cell.planned.cost;
    }
    if sums.is_empty() {
        return;
    }
    let all: Usd = sums.values().copied().sum();
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.decimal().abs().cmp(&a.1.decimal().abs()).then(a.0.cmp(&b.0)));
    let _ = writeln!(out, "\n{title}: {} in {}", money(all), count(sums.len(), "line"));
    for ((account, service, region, usage), cost) in sums.iter().take(MOST_LISTED) {
        let usage = if usage.is_empty() { "no usage type" } else { usage };
        let region = if region.is_empty() { String::new() } else { format!(", {region}") };
        let service = done.short_names.get(*service).map_or(*service, String::as_str);
        let _ = writeln!(out, "  {:>14}  {account}: {service}, {usage}{region}", money(*cost));
    }
    if sums.len() > MOST_LISTED {
        let rest: Usd = sums[MOST_LISTED..].iter().map(|(_, cost)| *cost).sum();
        let _ = writeln!(out, "  {:>14}  {} more lines", money(rest), sums.len() - MOST_LISTED);
    }
}

fn notes(done: &Reconciliation, out: &mut String) {
    let mut notes = Vec::new();
    for month in &done.months {
        let whole = month.month.days();
        if month.share <= 0.0 {
            notes.push(format!(
                "{} is left out: the bill ends after day {} of {whole} (--partial pro-rata takes the plan by days)",
                month.month, month.days
            ));
        } else if month.share < 1.0 {
            notes.push(format!(
                "{}: {} of {whole} days are billed; the plan's month is taken by days",
                month.month, month.days
            ));
        }
        if month.estimated {
            notes.push(format!("{}: AWS marks the figures as estimated", month.month));
        }
    }
    if !done.missing.is_empty() {
        let months: Vec<String> = done.missing.iter().map(ToString::to_string).collect();
        notes.push(format!("no bill for {}", months.join(", ")));
    }
    if !done.unknown_accounts.is_empty() {
        notes.push(format!(
            "accounts of the bill that the plan does not have: {}",
            done.unknown_accounts.join(", ")
        ));
    }
    for (service, cost) in &done.elsewhere {
        notes.push(format!("{service} ({}) is planned and not on a bill of AWS", money(*cost)));
    }
    if done.set_aside > 0 {
        notes.push(format!(
            "{} rows of the bills could not be used; `runrate actuals list` says why",
            grouped(done.set_aside as f64, 0)
        ));
    }
    notes.extend(done.notes.iter().cloned());
    if !notes.is_empty() {
        let _ = writeln!(out, "\nNotes");
        for note in notes {
            let _ = writeln!(out, "  - {note}");
        }
    }
}

/// Every cell, one row each.
pub fn to_csv(done: &Reconciliation) -> String {
    let header = [
        "month",
        "account",
        "service",
        "region",
        "usage_type",
        "match",
        "planned_quantity",
        "billed_quantity",
        "planned_usd",
        "billed_usd",
        "difference_usd",
        "price_usd",
        "quantity_usd",
        "mix_usd",
        "unplanned_usd",
        "fees_usd",
        "metric",
    ];
    let row = |cell: &Cell| {
        let quantity = |quantity: Option<f64>| quantity.map_or(String::new(), |q| q.to_string());
        let matched = match cell.matched {
            Match::Both => "both",
            Match::Unbilled => "planned only",
            Match::Unplanned => "billed only",
            Match::Unmapped => "billed, not mapped",
        };
        vec![
            cell.month.to_string(),
            cell.account.clone(),
            cell.service.clone(),
            cell.region.clone(),
            cell.usage_type.clone(),
            matched.to_owned(),
            quantity(cell.planned.quantity),
            quantity(cell.billed.quantity),
            cell.planned.cost.to_string(),
            cell.billed.cost.to_string(),
            cell.variance.total.to_string(),
            cell.variance.price.to_string(),
            cell.variance.quantity.to_string(),
            cell.variance.mix.to_string(),
            cell.variance.unplanned.to_string(),
            cell.variance.fees.to_string(),
            done.metric.to_owned(),
        ]
    };
    csv::write(&header, done.cells.iter().map(row))
}
