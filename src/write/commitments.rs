//! What commitments did for a plan: on a terminal, and as CSV.

use std::fmt::Write as _;

use crate::{
    measure::units::Usd,
    money::coverage::{CommitmentMonth, CommitmentUse, Coverage},
    plan::Plan,
};
use crate::{
    page::number::{dollars, money},
    write::terminal::table,
};

/// The section of a plan.
pub fn render(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\nCommitments over the plan, USD: fee amortized; saved against on demand, waste taken off"
    );
    let _ = writeln!(out, "{}", uses(&plan.commitments));
    let _ = writeln!(out, "\nCoverage: what commitments could cover, at on-demand prices, USD");
    let _ = writeln!(out, "{}", coverage(plan));
    out
}

fn sum(months: &[CommitmentMonth], of: impl Fn(&CommitmentMonth) -> Usd) -> Usd {
    months.iter().map(of).sum()
}

fn share(part: Usd, whole: Usd) -> String {
    if whole == Usd::ZERO {
        return "-".into();
    }
    format!("{:.1} %", part.to_f64() / whole.to_f64() * 100.0)
}

fn uses(all: &[CommitmentUse]) -> comfy_table::Table {
    let header = [
        "Commitment",
        "Kind",
        "Term",
        "Fee",
        "Utilization",
        "Waste",
        "On demand",
        "Saved",
        "Effective discount",
        "Cash paid",
    ];
    let mut table = table(&header, 3);
    for own in all {
        let fee = sum(&own.months, |month| month.fee);
        let (used, on_demand) = (sum(&own.months, |m| m.used), sum(&own.months, |m| m.on_demand));
        table.add_row(vec![
            own.name.clone(),
            own.kind.title().to_owned(),
            format!("{} {}", own.term.name(), own.payment.name()),
            dollars(fee),
            share(used, fee),
            dollars(sum(&own.months, |month| month.unused)),
            dollars(on_demand),
            dollars(sum(&own.months, CommitmentMonth::saved)),
            share(on_demand - fee, on_demand),
            dollars(sum(&own.months, |month| month.cash)),
        ]);
    }
    table
}

fn coverage(plan: &Plan) -> comfy_table::Table {
    let mut table = table(&["Account", "Service", "Eligible", "Covered", "Coverage"], 2);
    let mut names: Vec<(&str, &str)> =
        plan.coverage.iter().map(|own| (&*own.account, &*own.service)).collect();
    names.sort_unstable();
    names.dedup();
    for (account, service) in names {
        let own = |of: &&Coverage| of.account == account && of.service == service;
        let eligible: Usd = plan.coverage.iter().filter(own).map(|of| of.eligible).sum();
        let covered: Usd = plan.coverage.iter().filter(own).map(|of| of.covered).sum();
        table.add_row(vec![
            account.to_owned(),
            service.to_owned(),
            money(eligible),
            money(covered),
            share(covered, eligible),
        ]);
    }
    table
}

/// `commitments.csv`: every commitment, month by month.
pub fn csv(plan: &Plan) -> String {
    let header = [
        "month",
        "commitment",
        "kind",
        "term",
        "payment",
        "account",
        "hours",
        "fee_usd",
        "used_usd",
        "unused_usd",
        "on_demand_usd",
        "saved_usd",
        "utilization",
        "cash_usd",
    ];
    let rows = plan.commitments.iter().flat_map(|own| {
        own.months.iter().map(move |month| {
            vec![
                month.month.to_string(),
                own.name.clone(),
                own.kind.title().to_owned(),
                own.term.name().to_owned(),
                own.payment.name().to_owned(),
                own.account.clone(),
                month.hours.to_string(),
                month.fee.to_string(),
                month.used.to_string(),
                month.unused.to_string(),
                month.on_demand.to_string(),
                month.saved().to_string(),
                month.utilization().map_or_else(String::new, |share| format!("{share:.6}")),
                month.cash.to_string(),
            ]
        })
    });
    crate::write::csv::write(&header, rows)
}
