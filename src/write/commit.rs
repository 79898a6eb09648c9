//! What to commit to: on a terminal, and as CSV.

use std::fmt::Write as _;

use crate::advice::commit::{Advice, Advised, Product};
use crate::{
    page::number::{grouped, quantity},
    write::terminal::table,
};

/// Products that are told of.
const TOLD: usize = 12;

/// The whole text.
pub fn render(advised: &Advised) -> String {
    let mut out = String::new();
    let [first, last] = advised.months;
    let _ = writeln!(
        out,
        "Recommended commitments, {first} to {last}: {} trials, least expected regret; USD over the terms, against on demand",
        advised.trials
    );
    if advised.products.is_empty() {
        let _ = writeln!(
            out,
            "\nThe book has no commitment price of what runs on demand. --compute-discount 27% adds a Compute Savings Plan at the discount that AWS quotes."
        );
    } else if advised.products.iter().any(|own| !own.ladder.is_empty()) {
        let _ = writeln!(out, "{}", products(&advised.products));
    }
    let mut recommended = advised.products.iter().filter(|own| own.recommended).peekable();
    if recommended.peek().is_none() {
        let _ = writeln!(
            out,
            "\nRecommended: nothing; no commitment with a known price is expected to save money"
        );
    }
    for own in recommended {
        let _ = writeln!(out, "\nRecommended: {}", name(&own.product));
        for purchase in &own.ladder {
            let size = size(own, purchase.size);
            let fee = grouped(purchase.fee, 0);
            let _ = writeln!(out, "  {}  buy {size}, ${fee} over the term", purchase.month);
        }
        let _ = writeln!(
            out,
            "  saves ${} on average (${} of it within the plan), ${} to ${} in four of five trials; loses money in {:.0} % of them; ${} where growth misses (the fifth of the trials that use least)",
            grouped(own.saving.mean, 0),
            grouped(own.in_plan, 0),
            grouped(own.saving.p10, 0),
            grouped(own.saving.p90, 0),
            own.loses * 100.0,
            grouped(own.if_growth_misses, 0)
        );
    }
    let count = advised.products.iter().filter(|own| own.recommended).count();
    if let (true, Some(all)) = (count > 1, &advised.recommended) {
        let _ = writeln!(
            out,
            "\nAll {count} together save ${} on average (${} of it within the plan), ${} to ${} in four of five trials",
            grouped(all.saving.mean, 0),
            grouped(all.in_plan, 0),
            grouped(all.saving.p10, 0),
            grouped(all.saving.p90, 0)
        );
    }
    if !advised.below_spot.is_empty() {
        let _ = writeln!(
            out,
            "\nSpot types that on demand under a fully used plan would undercut, USD an hour"
        );
        let mut table = table(&["Type", "Region", "Plan", "Plan", "Spot", "On demand"], 3);
        for own in &advised.below_spot {
            let price = |value: f64| grouped(value, 4);
            table.add_row(vec![
                own.instance_type.clone(),
                own.region.clone(),
                own.plan.clone(),
                price(own.plan_price),
                price(own.spot_price),
                price(own.on_demand_price),
            ]);
        }
        let _ = writeln!(out, "{table}");
    }
    for note in &advised.notes {
        let _ = writeln!(out, "  - {note}");
    }
    out
}

/// `EC2 Reserved Instance m7g.xlarge in us-east-1, 1yr all-upfront`.
fn name(product: &Product) -> String {
    let of = product.of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
    let region = product.region.as_ref().map(|r| format!(" in {r}")).unwrap_or_default();
    let (term, payment) = (product.term.name(), product.payment.name());
    let account = match &*product.account {
        "" => String::new(),
        account => format!(", {account}"),
    };
    format!("{}{of}{region}, {term} {payment}{account}", product.kind.title())
}

fn size(own: &Advice, size: f64) -> String {
    if own.product.kind.is_savings_plan() {
        format!("${} an hour", quantity(size))
    } else {
        format!("{} × {}", quantity(size), own.product.of.as_deref().unwrap_or_default())
    }
}

fn products(all: &[Advice]) -> comfy_table::Table {
    let header = [
        "Product",
        "Buy in all",
        "Fees",
        "Saves P10",
        "P50",
        "P90",
        "Mean",
        "Regret",
        "Loses",
        "If growth misses",
        "Utilization",
    ];
    let mut table = table(&header, 1);
    let pays = |own: &&Advice| !own.ladder.is_empty();
    for own in all.iter().filter(pays).take(TOLD) {
        let sum: f64 = own.ladder.iter().map(|purchase| purchase.size).sum();
        let fees: f64 = own.ladder.iter().map(|purchase| purchase.fee).sum();
        let dollars = |value: f64| grouped(value, 0);
        table.add_row(vec![
            name(&own.product),
            size(own, sum),
            dollars(fees),
            dollars(own.saving.p10),
            dollars(own.saving.p50),
            dollars(own.saving.p90),
            dollars(own.saving.mean),
            dollars(own.regret.mean),
            format!("{:.0} %", own.loses * 100.0),
            dollars(own.if_growth_misses),
            format!("{:.0} %", own.utilization * 100.0),
        ]);
    }
    table
}

/// Every purchase of every product.
pub fn csv(advised: &Advised) -> String {
    let header = [
        "recommended",
        "kind",
        "account",
        "of",
        "region",
        "term",
        "payment",
        "month",
        "size",
        "fee_usd",
        "saving_p10_usd",
        "saving_p50_usd",
        "saving_p90_usd",
        "saving_mean_usd",
        "regret_mean_usd",
        "loses",
        "if_growth_misses_usd",
    ];
    let rows = advised.products.iter().flat_map(|own| {
        own.ladder.iter().map(move |purchase| {
            let product = &own.product;
            let mut row = vec![
                own.recommended.to_string(),
                product.kind.title().to_owned(),
                product.account.clone(),
                product.of.clone().unwrap_or_default(),
                product.region.clone().unwrap_or_default(),
                product.term.name().to_owned(),
                product.payment.name().to_owned(),
                purchase.month.to_string(),
                purchase.size.to_string(),
            ];
            let saving = own.saving;
            let values =
                [purchase.fee, saving.p10, saving.p50, saving.p90, saving.mean, own.regret.mean];
            row.extend(values.map(|value| format!("{value:.4}")));
            row.push(own.loses.to_string());
            row.push(format!("{:.4}", own.if_growth_misses));
            row
        })
    });
    crate::write::csv::write(&header, rows)
}
