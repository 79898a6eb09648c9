//! The spread of a plan: on a terminal, and as a CSV of quantiles.

use std::fmt::Write as _;

use crate::{
    measure::units::Usd,
    plan::{
        Plan,
        spread::{Costs, Influence, MonthSpread, Outlook, Quantiles, Spread, Unit},
    },
};
use crate::{
    page::number::{dollars, grouped, money},
    write::terminal::{Meaning, View, table, write_fitted},
};

/// Cells of a bar of 100 %.
const BAR: f64 = 20.0;

/// Inputs that are told of.
const TOLD: usize = 10;

/// The whole section.
pub fn render(plan: &Plan, spread: &Spread, view: View) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\nOdds, USD: {} trials; four in five lie between P10 and P90",
        grouped(f64::from(spread.trials), 0)
    );
    if let Some(note) = &spread.note {
        let _ = writeln!(out, "{note}");
    }
    let less = ["± P10 P50 P90", "Users P10", "Users P90", "Mean", "Users P50"];
    write_fitted(&mut out, months(spread), view.width, &less);
    let _ = writeln!(out, "\nOdds by account and service in the last month, USD");
    if let Some(last) = spread.months.last() {
        let _ = writeln!(out, "{}", services(plan, last));
    }
    if !spread.influences.is_empty() {
        let _ = writeln!(
            out,
            "\nWhat drives the spread of the total (share of its variance; mean cost where the input is in its lowest and its highest fifth)"
        );
        write_fitted(&mut out, influences(spread), view.width, &["", "Low", "High"]);
    }
    out.push_str(&budgets(spread, view));
    let _ = writeln!(out, "\nUnit economics, USD");
    let less = ["Gross margin P10", "Margin P90", "Per user P10", "Per user P90", "One more user"];
    write_fitted(&mut out, units(&spread.units), view.width, &less);
    out
}

/// The chance of breaking each budget; nothing without budgets.
pub(super) fn budgets(spread: &Spread, view: View) -> String {
    let mut out = String::new();
    if !spread.budgets.is_empty() {
        out.push_str("\nBudgets\n");
    }
    for outlook in &spread.budgets {
        // One in ten is what a plan's band leaves out on one side; more likely than not is bad news.
        let meaning = match outlook.probability {
            p if p > 0.5 => Meaning::Bad,
            p if p > 0.1 => Meaning::Caution,
            _ => Meaning::Good,
        };
        let _ = writeln!(out, "{}", budget(outlook, view, meaning));
    }
    out
}

fn cost_cells(costs: &Costs) -> Vec<String> {
    let of = &costs.of;
    let errors = costs.standard_errors;
    vec![
        dollars(of.p10),
        dollars(of.p50),
        dollars(of.p90),
        dollars(of.mean),
        dollars(of.mid),
        format!("{} {} {}", dollars(errors[0]), dollars(errors[1]), dollars(errors[2])),
    ]
}

fn months(spread: &Spread) -> comfy_table::Table {
    let header = [
        "Month",
        "Users P10",
        "Users P50",
        "Users P90",
        "P10",
        "P50",
        "P90",
        "Mean",
        "Mid line",
        "± P10 P50 P90",
    ];
    let mut table = table(&header, 1);
    for month in &spread.months {
        let users = &month.users;
        let mut row = vec![month.month.to_string()];
        row.extend([users.p10, users.p50, users.p90].map(|users| grouped(users, 0)));
        row.extend(cost_cells(&month.cost));
        table.add_row(row);
    }
    let mut row = vec!["Total".to_owned(), String::new(), String::new(), String::new()];
    row.extend(cost_cells(&spread.total));
    table.add_row(row);
    table
}

fn quantile_cells(of: &Quantiles<Usd>) -> [String; 5] {
    [of.p10, of.p50, of.p90, of.mean, of.mid].map(dollars)
}

fn services(plan: &Plan, month: &MonthSpread) -> comfy_table::Table {
    let mut table = table(&["Account", "Service", "P10", "P50", "P90", "Mean", "Mid line"], 2);
    for account in &month.accounts {
        let mut all: Vec<(&String, &Quantiles<Usd>)> = account.services.iter().collect();
        all.sort_by(|a, b| b.1.p50.cmp(&a.1.p50).then_with(|| a.0.cmp(b.0)));
        for (service, of) in all.into_iter().filter(|(_, of)| of.p90 > Usd::ZERO) {
            let mut row = vec![account.account.clone(), plan.short_name(service).to_owned()];
            row.extend(quantile_cells(of));
            table.add_row(row);
        }
        let mut row = vec![account.account.clone(), "all".to_owned()];
        row.extend(quantile_cells(&account.cost.of));
        table.add_row(row);
    }
    table
}

fn influences(spread: &Spread) -> comfy_table::Table {
    let mut table = table(&["Input", "", "Share", "Low", "Cost there", "High", "Cost there"], 2);
    let bar = |share: f64| "█".repeat((share * BAR).round() as usize);
    for Influence { input, share, low, high } in spread.influences.iter().take(TOLD) {
        table.add_row(vec![
            input.clone(),
            bar(*share),
            format!("{:.0} %", share * 100.0),
            number(low.value),
            dollars(low.cost),
            number(high.value),
            dollars(high.cost),
        ]);
    }
    table.add_row(vec![
        "not attributed: luck, interplay, error".to_owned(),
        bar(spread.rest),
        format!("{:.0} %", spread.rest * 100.0),
    ]);
    table
}

/// A value with three significant digits at least.
fn number(value: f64) -> String {
    let places = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 1.0 => 2,
        _ => 4,
    };
    grouped(value, places)
}

fn budget(outlook: &Outlook, view: View, meaning: Meaning) -> String {
    let whose = outlook.counts();
    let period = format!("{:?}", outlook.period).to_lowercase();
    let mut text = format!(
        "  {} (${} {period}, {whose}): {} (± {:.0} %)",
        outlook.name,
        grouped(outlook.amount, 0),
        view.paint(meaning, &format!("breaks in {:.0} % of trials", outlook.probability * 100.0)),
        outlook.standard_error * 100.0
    );
    if let Some([early, middle, late]) = outlook.breaks {
        let _ = write!(text, ", most likely by {middle} (between {early} and {late})");
    }
    let _ = match outlook.mid_breaks {
        Some(month) => write!(text, "; the mid-value line breaks it in {month}"),
        None => write!(text, "; the mid-value line keeps it"),
    };
    if let Some(change) = &outlook.change {
        let side = if change.end == "low" { "at or below" } else { "at or above" };
        let _ = write!(
            text,
            "\n    what moves it most: of {} trials with {} {side} {}, it breaks in {:.0} % (± {:.0} %)",
            change.trials,
            change.input,
            crate::page::number::figures(change.bound),
            change.probability * 100.0,
            change.standard_error() * 100.0
        );
    }
    text
}

fn units(units: &[Unit]) -> comfy_table::Table {
    let margin = units.iter().any(|unit| unit.gross_margin.is_some());
    let mut header = vec![
        "Month",
        "Per user P10",
        "Per user P50",
        "Per user P90",
        "One more user",
        "Per million requests P50",
    ];
    if margin {
        header.extend(["Gross margin P10", "Margin P50", "Margin P90"]);
    }
    let mut table = table(&header, 1);
    for unit in units {
        let cents = |value: f64| grouped(value, 4);
        let mut row = vec![unit.month.to_string()];
        row.extend([unit.per_user.p10, unit.per_user.p50, unit.per_user.p90].map(cents));
        row.push(unit.marginal_per_user.map_or_else(|| "-".into(), cents));
        row.push(grouped(unit.per_million_requests.p50, 2));
        if let Some(margin) = &unit.gross_margin {
            let percent = |share: f64| format!("{:.1} %", share * 100.0);
            row.extend([margin.p10, margin.p50, margin.p90].map(percent));
        }
        table.add_row(row);
    }
    table
}

/// `spread.csv`: quantiles by month, account and service.
pub fn csv(spread: &Spread) -> String {
    let header = [
        "month",
        "account",
        "service",
        "p10_usd",
        "p50_usd",
        "p90_usd",
        "mean_usd",
        "mid_usd",
        "p10_standard_error",
        "p50_standard_error",
        "p90_standard_error",
        "mean_standard_error",
    ];
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |[month, account, service]: [&str; 3],
                   of: &Quantiles<Usd>,
                   errors: Option<&[Usd; 4]>| {
        let mut row = [month, account, service].map(str::to_owned).to_vec();
        row.extend([of.p10, of.p50, of.p90, of.mean, of.mid].map(|usd| usd.to_string()));
        let error = |place: usize| errors.map_or(String::new(), |errors| errors[place].to_string());
        row.extend([0, 1, 2, 3].map(error));
        rows.push(row);
    };
    for month in &spread.months {
        let name = month.month.to_string();
        for account in &month.accounts {
            for (service, of) in &account.services {
                add([&name, &account.account, service], of, None);
            }
            let errors = Some(&account.cost.standard_errors);
            add([&name, &account.account, "all"], &account.cost.of, errors);
        }
        add([&name, "all", "all"], &month.cost.of, Some(&month.cost.standard_errors));
    }
    add(["all", "all", "all"], &spread.total.of, Some(&spread.total.standard_errors));
    crate::write::csv::write(&header, rows.into_iter())
}

/// One line for a check that did not hold.
pub fn over(outlook: &Outlook, most: f64) -> String {
    format!(
        "budget {:?} breaks in {:.0} % of trials, more than {:.0} %: ${}",
        outlook.name,
        outlook.probability * 100.0,
        most * 100.0,
        grouped(outlook.amount, 0)
    )
}

/// The total in one line: `P10 $1, P50 $2, P90 $3`.
pub fn in_short(costs: &Costs) -> String {
    let of = &costs.of;
    format!("P10 {}, P50 {}, P90 {}", money(of.p10), money(of.p50), money(of.p90))
}
