//! The plan on a terminal: headline, costs by month and service, capacity, drivers, warnings.

use std::{collections::BTreeMap, fmt::Write as _};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::page::number::{dollars, grouped, money};
use crate::{
    measure::units::{Usd, count},
    plan::{AccountMonth, MonthPlan, Plan, usage_kind},
};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// The headline.
    Quiet,
    /// What a reader wants to know.
    #[default]
    Normal,
    /// With every assumption and every meter.
    Verbose,
}

/// What the reader's terminal is like.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Its columns.
    pub width: usize,
    /// Whether it shows colors.
    pub color: bool,
    /// How much is told.
    pub detail: Detail,
}

/// What a color says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// The figure that is looked for.
    Figure,
    /// As it should be.
    Good,
    /// To be looked at.
    Caution,
    /// Not as it should be.
    Bad,
}

impl View {
    /// Text in the color of its meaning.
    pub(super) fn paint(self, meaning: Meaning, text: &str) -> String {
        let code = match meaning {
            Meaning::Figure => "1",
            Meaning::Good => "32",
            Meaning::Caution => "33",
            Meaning::Bad => "1;31",
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Values as a line of blocks, from nothing to the highest.
pub fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().fold(0.0, f64::max);
    let block = |value: &f64| {
        let share = if most > 0.0 { value.max(0.0) / most } else { 0.0 };
        BLOCKS[((share * BLOCKS.len() as f64) as usize).min(BLOCKS.len() - 1)]
    };
    values.iter().map(block).collect()
}

/// Hides columns, the least wanted first, until a table fits; gives what was hidden.
pub(super) fn fit(table: &mut Table, width: usize, least_wanted: &[&str]) -> Vec<String> {
    const GAPS: usize = 2;
    let mut widths: Vec<Option<usize>> =
        table.column_max_content_widths().into_iter().map(|own| Some(usize::from(own))).collect();
    let names: Vec<String> = table
        .header()
        .map(|row| row.cell_iter().map(comfy_table::Cell::content).collect())
        .unwrap_or_default();
    let needs =
        |widths: &[Option<usize>]| -> usize { widths.iter().flatten().map(|own| own + GAPS).sum() };
    let mut hidden = Vec::new();
    for name in least_wanted {
        if needs(&widths) <= width {
            break;
        }
        let place = names.iter().zip(&widths).position(|(own, w)| own == name && w.is_some());
        let Some(place) = place else { continue };
        widths[place] = None;
        if let Some(column) = table.column_mut(place) {
            column.set_constraint(comfy_table::ColumnConstraint::Hidden);
            // A column of bars has no name and is not missed by one.
            hidden.extend((!name.is_empty()).then(|| (*name).to_owned()));
        }
    }
    hidden
}

/// A table that fits, and what it had no room for.
pub(super) fn write_fitted(
    out: &mut String,
    mut table: Table,
    width: usize,
    least_wanted: &[&str],
) {
    let hidden = fit(&mut table, width, least_wanted);
    let _ = writeln!(out, "{table}");
    if !hidden.is_empty() {
        let _ = writeln!(out, " (no room for {})", hidden.join(", "));
    }
}

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

/// The whole text, no wider than the terminal where names allow it.
pub fn render(plan: &Plan, view: View) -> String {
    let mut out = String::new();
    headline(plan, view, &mut out);
    if view.detail == Detail::Quiet {
        if let Some(spread) = &plan.spread {
            out.push_str(&crate::write::odds::budgets(spread, view));
        }
        return out;
    }
    for (index, account) in plan.accounts.iter().enumerate() {
        let id = account.id.as_ref().map(|id| format!(", {id}")).unwrap_or_default();
        let _ = writeln!(out, "\n{} ({}{id}), USD a month", account.name, account.region);
        let _ = writeln!(out, "{}", costs(plan, index, view.width));
        let _ = writeln!(out, "\n{}: nodes and database", account.name);
        write_fitted(&mut out, capacity(plan, index), view.width, &LESS_OF_CAPACITY);
        let months = plan.months.iter().map(|month| &month.accounts[index].capacity);
        let jobs = crate::cluster::capacity::jobs(months);
        if !jobs.is_empty() {
            let _ = writeln!(out, "\n{}: cron-jobs and jobs, over the whole plan", account.name);
            write_fitted(
                &mut out,
                crate::write::jobs::jobs(&jobs),
                view.width,
                &["Completed", "Evicted pods"],
            );
        }
    }
    drivers(plan, view, &mut out);
    if !plan.commitments.is_empty() {
        out.push_str(&crate::write::commitments::render(plan));
    }
    if let Some(spread) = &plan.spread {
        out.push_str(&crate::write::odds::render(plan, spread, view));
    }
    if let Some(fit) = &plan.fit {
        let _ = writeln!(
            out,
            "\nGrowth fitted to {} figures: {}; R² {:.3}, mean error {:.1} %, curve {:+.1} % off the last figure",
            fit.points, fit.law, fit.r_squared, fit.mape_percent, fit.last_error_percent
        );
    }
    if view.detail == Detail::Verbose {
        assumptions(plan, &mut out);
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

fn assumptions(plan: &Plan, out: &mut String) {
    use crate::plan::assumptions::Value;
    let _ = writeln!(out, "\nAssumptions");
    let mut table = table(&["Key", "Value", "Low", "High"], 1);
    for own in &plan.assumptions {
        let value = match &own.value {
            Value::Number(number) => crate::page::number::quantity(*number),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(text) => text.clone(),
        };
        let end = |end: Option<f64>| end.map(crate::page::number::quantity).unwrap_or_default();
        let range = own.range;
        table.add_row(vec![
            own.key.clone(),
            value,
            end(range.map(|range| range.low)),
            end(range.map(|range| range.high)),
        ]);
    }
    let _ = writeln!(out, "{table}");
}

fn headline(plan: &Plan, view: View, out: &mut String) {
    let (Some(first), Some(last)) = (plan.months.first(), plan.months.last()) else { return };
    let _ =
        writeln!(out, "{}: {} from {}", plan.name, count(plan.months.len(), "month"), first.month);
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
    let total = view.paint(Meaning::Figure, &format!("{:>15}", money(plan.cost)));
    let line = sparkline(&plan.months.iter().map(|m| m.cost.to_f64()).collect::<Vec<_>>());
    // A line of more months than the terminal is wide would break and say nothing.
    let line = if line.chars().count() + 40 <= view.width { line } else { String::new() };
    let _ = writeln!(out, "{}", format!("{:<12} {:>7}  {total}   {line}", "Total", "").trim_end());
    if let Some(spread) = &plan.spread {
        let _ = writeln!(
            out,
            "{:<12} {:>7}  {}, {} trials",
            "Odds",
            "",
            crate::write::odds::in_short(&spread.total),
            spread.trials
        );
    }
    let below = if view.detail == Detail::Quiet { " (without --quiet)" } else { " below" };
    match plan.warnings.len() {
        0 => {}
        1 => {
            let text = format!("1 warning{below}: read it before using these figures");
            let _ = writeln!(out, "\n{}", view.paint(Meaning::Caution, &text));
        }
        more => {
            let text = format!("{more} warnings{below}: read them before using these figures");
            let _ = writeln!(out, "\n{}", view.paint(Meaning::Caution, &text));
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

/// Columns of the capacity table that a narrow terminal does without, first to last.
const LESS_OF_CAPACITY: [&str; 6] =
    ["Left/day", "p95 ms", "Spot share", "Baseline", "Peak rps", "On-demand"];

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
fn spot_share(used: &crate::cluster::capacity::Capacity) -> String {
    match (used.realized_spot_share, used.requested_spot_share) {
        (Some(got), Some(asked)) => format!("{:.0} of {:.0} %", got * 100.0, asked * 100.0),
        _ => "-".into(),
    }
}

fn drivers(plan: &Plan, view: View, out: &mut String) {
    let shown = if view.detail == Detail::Verbose { plan.drivers.len() } else { 3 };
    let _ = writeln!(out, "\nBiggest drivers");
    let header = ["", "Account", "Service", "Usage", "Share", "First", "Last", "Total", "Trend"];
    let mut table = table(&header, 4);
    for (index, driver) in plan.drivers.iter().take(shown).enumerate() {
        table.add_row(vec![
            (index + 1).to_string(),
            driver.account.clone(),
            plan.short_name(&driver.service).to_owned(),
            driver.usage.clone(),
            format!("{:.1} %", driver.share * 100.0),
            money(driver.first_month),
            money(driver.last_month),
            money(driver.cost),
            sparkline(&trend(plan, driver)),
        ]);
    }
    write_fitted(out, table, view.width, &["Trend", "First", "Last", "Share"]);
}

/// What a driver costs by month.
fn trend(plan: &Plan, driver: &crate::plan::Driver) -> Vec<f64> {
    let mut sums: BTreeMap<crate::measure::calendar::Month, Usd> =
        plan.months.iter().map(|month| (month.month, Usd::ZERO)).collect();
    for entry in &plan.entries {
        let own = entry.account == driver.account
            && usage_kind(&entry.key.usage_type) == driver.usage
            && plan.price_of(entry).cost_explorer_service == driver.service;
        if own && let Some(sum) = sums.get_mut(&entry.month) {
            *sum += entry.cost;
        }
    }
    sums.into_values().map(Usd::to_f64).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_blocks_rises_from_nothing_to_the_highest() {
        assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0]), "▁▂▅█");
        assert_eq!(sparkline(&[0.0, 0.0]), "▁▁");
        assert_eq!(sparkline(&[-1.0, 2.0]), "▁█");
    }

    #[test]
    fn columns_go_the_least_wanted_first_until_the_rest_fits() {
        let mut rows = table(&["Month", "Wide column", "Cost"], 1);
        rows.add_row(vec!["2027-01", "1", "2"]);
        assert!(fit(&mut rows, 80, &["Wide column"]).is_empty());
        assert_eq!(fit(&mut rows, 20, &["Wide column", "Month"]), ["Wide column"]);
        assert!(!rows.to_string().contains("Wide"));
        assert!(rows.to_string().contains("Cost"));
    }

    #[test]
    fn without_color_nothing_is_painted() {
        let view = View { width: 80, color: false, detail: Detail::Normal };
        assert_eq!(view.paint(Meaning::Bad, "x"), "x");
        assert!(View { color: true, ..view }.paint(Meaning::Bad, "x").ends_with("\u{1b}[0m"));
    }
}
