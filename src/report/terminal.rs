//! The plan on a terminal: headline, costs by month and service, capacity, drivers, warnings.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::number::{dollars, grouped, money};
use crate::{
    plan::{AccountMonth, MonthPlan, Plan},
    units::Usd,
};

/// Width of a column of money and of the month and total columns, with their gaps.
const COLUMN: usize = 11;
const FIXED: usize = 3 * COLUMN;

/// A plain table: right-aligned but for its first columns.
pub fn table(header: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        let align = if index < left { CellAlignment::Left } else { CellAlignment::Right };
        column.set_cell_alignment(align);
    }
    table
}

/// The whole text, no wider than `width` where names allow it.
pub fn render(plan: &Plan, width: usize) -> String {
    let mut out = String::new();
    headline(plan, &mut out);
    for (index, account) in plan.accounts.iter().enumerate() {
        let id = account.id.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
        let _ = writeln!(out, "\n{} ({}{id}), USD a month", account.name, account.region);
        let _ = writeln!(out, "{}", costs(plan, index, width));
        let _ = writeln!(out, "\n{}: nodes and database", account.name);
        let _ = writeln!(out, "{}", capacity(plan, index));
    }
    drivers(plan, &mut out);
    if !plan.commitments.is_empty() {
        out.push_str(&super::commitments::render(plan));
    }
    if let Some(spread) = &plan.spread {
        out.push_str(&super::odds::render(plan, spread));
    }
    if let Some(fit) = &plan.fit {
        let _ = writeln!(
            out,
            "\nGrowth fitted to {} figures: {}; R² {:.3}, mean error {:.1} %, curve {:+.1} % off the last figure",
            fit.points, fit.law, fit.r_squared, fit.mape_percent, fit.last_error_percent
        );
    }
    list(&mut out, "Notes", plan.notes.iter().cloned());
    list(&mut out, "Warnings", plan.warnings.iter().cloned());
    let missing = plan.not_modelled.iter().map(|m| format!("{} (needs: {})", m.system, m.needs));
    list(&mut out, "Not modelled, so not in any figure above", missing);
    let made = &plan.made_from;
    let _ = writeln!(
        out,
        "\nrunrate {}, scenario {}, price book {}, seed {}",
        made.version,
        &made.scenario_sha256[..12.min(made.scenario_sha256.len())],
        &made.price_book_sha256[..12.min(made.price_book_sha256.len())],
        made.seed
    );
    out
}

fn headline(plan: &Plan, out: &mut String) {
    let (Some(first), Some(last)) = (plan.months.first(), plan.months.last()) else { return };
    let _ = writeln!(out, "{}: {} months from {}", plan.name, plan.months.len(), first.month);
    let _ = writeln!(out, "{}\n", plan.cost_metric);
    for (label, month) in [("First month", first), ("Last month", last)] {
        let _ = writeln!(
            out,
            "{label:<12} {}  {:>15}   {} monthly users, {} per user",
            month.month,
            money(month.cost),
            grouped(month.users, 0),
            per_user(month)
        );
    }
    let _ = writeln!(out, "{:<12} {:>7}  {:>15}", "Total", "", money(plan.cost));
    if let Some(spread) = &plan.spread {
        let _ = writeln!(
            out,
            "{:<12} {:>7}  {}, {} trials",
            "Odds",
            "",
            super::odds::in_short(&spread.total),
            spread.trials
        );
    }
    match plan.warnings.len() {
        0 => {}
        1 => out.push_str("\n1 warning below: read it before using these figures\n"),
        more => {
            let _ = writeln!(out, "\n{more} warnings below: read them before using these figures");
        }
    }
}

fn per_user(month: &MonthPlan) -> String {
    if month.users < 1.0 {
        return "no users, no cost".into();
    }
    format!("${:.4}", month.cost.to_f64() / month.users)
}

fn costs(plan: &Plan, account: usize, width: usize) -> Table {
    let mut services = plan.services();
    services.retain(|(service, _)| {
        plan.months.iter().any(|month| month.accounts[account].services.contains_key(service))
    });
    let room = (width.saturating_sub(FIXED) / COLUMN).max(2);
    let shown = if services.len() > room { room - 1 } else { services.len() };
    let (own, rest) = services.split_at(shown);
    // Users belong to the whole plan; an account with a share of the traffic has its own sessions.
    let all_users = plan.accounts[account].traffic_share >= 1.0;
    let mut header = vec!["Month", if all_users { "Users" } else { "Sessions" }];
    header.extend(own.iter().map(|(service, _)| plan.short_name(service)));
    if !rest.is_empty() {
        header.push("Other");
    }
    header.push("Total");
    let mut table = table(&header, 1);
    let cost = |month: &AccountMonth, service: &String| {
        month.services.get(service).copied().unwrap_or(Usd::ZERO)
    };
    let mut sums = vec![Usd::ZERO; header.len() - 2];
    for month in &plan.months {
        let own_month = &month.accounts[account];
        let mut amounts: Vec<Usd> = own.iter().map(|(s, _)| cost(own_month, s)).collect();
        if !rest.is_empty() {
            amounts.push(rest.iter().map(|(service, _)| cost(own_month, service)).sum());
        }
        amounts.push(own_month.cost);
        for (sum, amount) in sums.iter_mut().zip(&amounts) {
            *sum += *amount;
        }
        let load = if all_users { month.users } else { own_month.capacity.sessions };
        let mut row = vec![month.month.to_string(), grouped(load, 0)];
        row.extend(amounts.into_iter().map(dollars));
        table.add_row(row);
    }
    let mut row = vec!["Total".to_owned(), String::new()];
    row.extend(sums.into_iter().map(dollars));
    table.add_row(row);
    table
}

fn capacity(plan: &Plan, account: usize) -> Table {
    let header = [
        "Month",
        "Peak rps",
        "p95 ms",
        "Baseline",
        "On-demand",
        "Spot",
        "Spot share",
        "Peak",
        "Pods",
        "Left/day",
        "Aurora",
    ];
    let mut table = table(&header, 1);
    for month in &plan.months {
        let own = &month.accounts[account];
        let used = &own.capacity;
        let rps = used.workloads.iter().map(|w| w.peak_rps).fold(0.0, f64::max);
        let pods: f64 = used.workloads.iter().map(|w| w.mean_replicas).sum();
        let aurora = own.choices.iter().find(|choice| choice.subject == "aurora");
        table.add_row(vec![
            month.month.to_string(),
            grouped(rps, 1),
            grouped(used.workloads.iter().map(|w| w.p95_ms).fold(0.0, f64::max), 0),
            grouped(used.baseline_mean, 1),
            grouped(used.on_demand_mean, 1),
            grouped(used.spot_mean, 1),
            spot_share(used),
            used.total.peak.to_string(),
            grouped(pods, 1),
            grouped(f64::from(used.disruptions.nodes()) / month.month.days() as f64, 1),
            aurora.map_or("-", |choice| &choice.choice).to_owned(),
        ]);
    }
    table
}

/// The share of spot that was realized, of the share that was asked for.
fn spot_share(used: &crate::capacity::Capacity) -> String {
    match (used.realized_spot_share, used.requested_spot_share) {
        (Some(got), Some(asked)) => format!("{:.0} of {:.0} %", got * 100.0, asked * 100.0),
        _ => "-".into(),
    }
}

fn drivers(plan: &Plan, out: &mut String) {
    let _ = writeln!(out, "\nBiggest drivers");
    let mut table =
        table(&["", "Account", "Service", "Usage", "Share", "First", "Last", "Total"], 4);
    for (index, driver) in plan.drivers.iter().take(3).enumerate() {
        table.add_row(vec![
            (index + 1).to_string(),
            driver.account.clone(),
            plan.short_name(&driver.service).to_owned(),
            driver.usage.clone(),
            format!("{:.1} %", driver.share * 100.0),
            money(driver.first_month),
            money(driver.last_month),
            money(driver.cost),
        ]);
    }
    let _ = writeln!(out, "{table}");
}

fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        let _ = writeln!(out, "\n{title}");
        for line in lines {
            let _ = writeln!(out, "  - {line}");
        }
    }
}
