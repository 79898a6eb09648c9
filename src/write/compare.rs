//! A comparison: on a terminal, and as CSV.

use std::fmt::Write as _;

use crate::{
    advice::compare::{Compared, Line, Odds},
    measure::units::Usd,
};
use crate::{
    page::number::{dollars, grouped, money},
    write::terminal::table,
};

/// Cells of the longest bar.
const BAR: f64 = 24.0;
/// Steps and lines that are told of by themselves.
const TOLD: usize = 15;

/// An amount with its sign, to the dollar.
fn signed(amount: Usd) -> String {
    if amount > Usd::ZERO { format!("+{}", dollars(amount)) } else { dollars(amount) }
}

/// The whole text.
pub fn render(done: &Compared) -> String {
    let mut out = String::new();
    let share = done.share().map(|s| format!(", {:+.1} %", s * 100.0)).unwrap_or_default();
    let _ = writeln!(out, "A  {}: {}", done.a, money(done.total_a));
    let _ = writeln!(out, "B  {}: {}", done.b, money(done.total_b));
    let _ = writeln!(out, "B − A: {}{share}", money(done.difference()));
    if let Some(odds) = &done.odds {
        let _ = writeln!(out, "{}", chance(odds));
    }
    let _ = writeln!(out, "\nFrom A to B, USD over the plan");
    let _ = writeln!(out, "{}", waterfall(done));
    let differs: Vec<&Line> = done.lines.iter().filter(|line| line.a != line.b).collect();
    if !differs.is_empty() {
        let _ = writeln!(out, "\nBy account and service, USD over the plan");
        let mut table = table(&["Account", "Service", "A", "B", "B − A"], 2);
        for line in differs.iter().take(TOLD) {
            table.add_row(vec![
                line.account.clone(),
                line.service.clone(),
                dollars(line.a),
                dollars(line.b),
                signed(line.b - line.a),
            ]);
        }
        let _ = writeln!(out, "{table}");
    }
    for note in &done.notes {
        let _ = writeln!(out, "  - {note}");
    }
    out
}

fn chance(odds: &Odds) -> String {
    let [p10, p50, p90, mean] = odds.difference.map(|value| grouped(value, 0));
    format!(
        "B is cheaper in {:.0} % of {} trials (± {:.0} %); B − A: P10 {p10}, P50 {p50}, P90 {p90}, mean {mean}",
        odds.b_cheaper * 100.0,
        odds.trials,
        odds.standard_error * 100.0
    )
}

fn waterfall(done: &Compared) -> comfy_table::Table {
    let mut table = table(&["Cause", "Change", "Reached", ""], 1);
    if let Some(column) = table.column_mut(3) {
        column.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    let size = |amount: Usd| amount.to_f64().abs();
    let most = done.steps.iter().map(|step| size(step.change)).fold(0.0, f64::max);
    let bar = |amount: Usd| {
        let cells = if most > 0.0 { (size(amount) / most * BAR).round() as usize } else { 0 };
        if amount < Usd::ZERO { "░".repeat(cells) } else { "█".repeat(cells) }
    };
    table.add_row(vec!["A".to_owned(), String::new(), dollars(done.total_a)]);
    let mut reached = done.total_a;
    for step in done.steps.iter().take(TOLD) {
        reached += step.change;
        let cells = [step.cause.clone(), signed(step.change), dollars(reached), bar(step.change)];
        table.add_row(cells.to_vec());
    }
    if done.steps.len() > TOLD {
        let rest: Usd = done.steps[TOLD..].iter().map(|step| step.change).sum();
        let name = format!("{} more", done.steps.len() - TOLD);
        table.add_row(vec![name, signed(rest), dollars(reached + rest), bar(rest)]);
    }
    table.add_row(vec!["B".to_owned(), String::new(), dollars(done.total_b)]);
    table
}

/// The waterfall.
pub fn csv(done: &Compared) -> String {
    let header = ["cause", "change_usd", "reached_usd"];
    let mut reached = done.total_a;
    let mut rows = vec![vec!["A".to_owned(), String::new(), reached.to_string()]];
    for step in &done.steps {
        reached += step.change;
        rows.push(vec![step.cause.clone(), step.change.to_string(), reached.to_string()]);
    }
    rows.push(vec!["B".to_owned(), String::new(), done.total_b.to_string()]);
    crate::write::csv::write(&header, rows.into_iter())
}

/// One line for a check that did not hold.
pub fn over(done: &Compared, most: f64) -> String {
    let share = done.share().map_or_else(String::new, |s| format!(", {:.1} %", s * 100.0));
    format!(
        "{} costs {} more than {}{share}; up to {} % are allowed",
        done.b,
        money(done.difference()),
        done.a,
        most * 100.0
    )
}
