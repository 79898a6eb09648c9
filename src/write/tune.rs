//! What to run: the frontier on a terminal, and all candidates as CSV.

use std::fmt::Write as _;

use crate::advice::tune::{
    Fate, Point, Tuned,
    confirm::{Against, Difference},
    measure::Measures,
};
use crate::{
    page::{
        content::tuned::verdict,
        number::{grouped, quantity},
    },
    write::{csv, terminal::table},
};

/// Points of the front that are told of.
const TOLD: usize = 12;

/// The whole text.
pub fn render(tuned: &Tuned) -> String {
    let mut out = String::new();
    let [first, last] = tuned.months;
    let _ = writeln!(
        out,
        "What to run, {}: account {}, {first} to {last}; USD a month of all accounts, mean of {} trials",
        tuned.name, tuned.account, tuned.trials
    );
    let _ = writeln!(out, "{}", looked(tuned));
    let _ = writeln!(out, "A minute is late when {}; workloads are added up", tuned.late);
    if tuned.limits.iter().any(|limit| limit.asked) {
        let asked = tuned.limits.iter().filter(|limit| limit.asked);
        let asked: Vec<String> =
            asked.map(|limit| format!("{} {} at most", quantity(limit.most), limit.term)).collect();
        let _ = writeln!(out, "Asked for: {}", asked.join("; "));
    }
    let _ = writeln!(out, "\n{}", points(tuned));
    recommended(tuned, &mut out);
    if let Some(fresh) = &tuned.fresh {
        confirmed(fresh, &mut out);
    }
    strained(tuned, &mut out);
    if !tuned.notes.is_empty() {
        out.push_str("\nNotes\n");
    }
    for note in &tuned.notes {
        let _ = writeln!(out, "  - {note}");
    }
    out
}

fn looked(tuned: &Tuned) -> String {
    let count = |fate: Fate| tuned.candidates.iter().filter(|own| own.fate == fate).count();
    let stopped = count(Fate::Stopped);
    let mut text = format!(
        "{} candidates of {} knobs in {} evaluations (a candidate, a trial, all months)",
        tuned.candidates.len(),
        tuned.knobs.len(),
        tuned.evaluations
    );
    if tuned.exhaustive {
        text.push_str("; that is every one there is");
    } else {
        let _ = write!(text, "; {stopped} stopped before all their trials");
    }
    match count(Fate::Impossible) {
        0 => {}
        one => {
            let _ = write!(text, "; {one} contradict themselves");
        }
    }
    text
}

fn row(name: &str, of: &Measures) -> Vec<String> {
    vec![
        name.to_owned(),
        grouped(of.cost_per_month, 2),
        grouped(of.late_minutes_per_month, 1),
        grouped(of.saturated_minutes_per_month, 1),
        grouped(of.pending_pod_minutes_per_month, 1),
        grouped(of.evictions_per_day, 1),
        format!("{:.0} %", of.budget_break_probability * 100.0),
        grouped(of.nodes, 1),
    ]
}

fn points(tuned: &Tuned) -> comfy_table::Table {
    let mut table = table(
        &[
            "",
            "Cost",
            "Late min",
            "Saturated",
            "Pending pod min",
            "Evictions/day",
            "Over budget",
            "Nodes",
        ],
        1,
    );
    table.add_row(row("today", &tuned.today.measures));
    if !tuned.changes.is_empty() {
        let name = if tuned.feasible { "recommended" } else { "nearest" };
        table.add_row(row(name, &tuned.recommended.measures));
    }
    // Evenly over the front, both ends told.
    let last = tuned.front.len().saturating_sub(1);
    let shown = tuned.front.len().min(TOLD);
    for at in 0..shown {
        let place = if shown > 1 { at * last / (shown - 1) } else { 0 };
        table.add_row(row(&format!("front {}", place + 1), &tuned.front[place].measures));
    }
    table
}

fn recommended(tuned: &Tuned, out: &mut String) {
    let head = match (tuned.feasible, tuned.stopped) {
        (false, _) => "Nearest to what is asked for",
        (true, true) => "Cheapest seen before it was stopped, not tried on other trials",
        (true, false) => "Recommended",
    };
    if tuned.changes.is_empty() {
        let _ = writeln!(out, "\n{head}: today's settings");
        for broken in &tuned.recommended.broken {
            let _ = writeln!(out, "  misses: {broken}");
        }
        return;
    }
    let saves = tuned.recommended.saves;
    let error = if tuned.recommended.trials > 1 {
        format!(" (± {}, standard error)", grouped(saves.standard_error, 2))
    } else {
        String::new()
    };
    let _ = writeln!(
        out,
        "\n{head}: saves ${} a month{error} against today in the trials of the search",
        grouped(saves.mean, 2)
    );
    for broken in &tuned.recommended.broken {
        let _ = writeln!(out, "  misses: {broken}");
    }
    if tuned.why.is_empty() {
        for change in &tuned.changes {
            let _ = writeln!(out, "  {} = {}", change.key, change.value);
        }
        return;
    }
    let mut table = table(
        &["Change", "Today", "Then", "Saves a month", "Late min added", "Evictions/day added"],
        1,
    );
    for why in &tuned.why {
        table.add_row(vec![
            why.stands.clone(),
            why.from.clone(),
            why.to.clone(),
            grouped(why.saves.mean, 2),
            signed(why.adds_late_minutes.mean, 1),
            signed(why.adds_evictions, 1),
        ]);
    }
    let _ = writeln!(out, "{table}");
    for why in tuned.why.iter().filter(|why| !why.without_it.is_empty()) {
        let _ = writeln!(out, "  without {}: {}", why.key, why.without_it.join("; "));
    }
}

fn signed(value: f64, places: usize) -> String {
    let text = grouped(value, places);
    if value > 0.0 && text.chars().any(|c| ('1'..='9').contains(&c)) {
        format!("+{text}")
    } else {
        text
    }
}

fn interval(of: &Difference, places: usize) -> String {
    format!("{} to {}", grouped(of.low, places), grouped(of.high, places))
}

fn confirmed(fresh: &Against, out: &mut String) {
    let _ = writeln!(
        out,
        "\nOn {} trials that the search has not seen: saves ${} a month, {:.1} % (95 % interval {}), cheaper in {:.0} % of them",
        fresh.trials,
        grouped(fresh.saves.mean, 2),
        fresh.saves_share * 100.0,
        interval(&fresh.saves, 2),
        fresh.cheaper * 100.0
    );
    let _ = writeln!(
        out,
        "  late minutes a month {} against {} today, difference {} (95 % interval {}); evictions a day {} against {}",
        grouped(fresh.recommended.late_minutes_per_month, 2),
        grouped(fresh.today.late_minutes_per_month, 2),
        signed(fresh.adds_late_minutes.mean, 2),
        interval(&fresh.adds_late_minutes, 2),
        grouped(fresh.recommended.evictions_per_day, 1),
        grouped(fresh.today.evictions_per_day, 1)
    );
    let _ = writeln!(out, "  {}", verdict(fresh));
}

fn strained(tuned: &Tuned, out: &mut String) {
    if tuned.sensitivity.is_empty() {
        return;
    }
    let header =
        ["What if", "Saves a month", "95 % interval", "Late min added", "Is it still right?"];
    let mut table = table(&header, 1);
    for own in &tuned.sensitivity {
        table.add_row(vec![
            own.name.clone(),
            grouped(own.against.saves.mean, 2),
            interval(&own.against.saves, 0),
            signed(own.against.adds_late_minutes.mean, 1),
            if own.against.holds { "yes".into() } else { verdict(&own.against) },
        ]);
    }
    let _ = writeln!(out, "\n{table}");
}

/// All candidates, one a row.
pub fn csv(tuned: &Tuned) -> String {
    let mut header: Vec<&str> = vec![
        "fate",
        "trials",
        "usd_per_month",
        "usd_standard_error",
        "saves_usd_per_month",
        "saves_standard_error",
        "late_minutes_per_month",
        "saturated_minutes_per_month",
        "pending_pod_minutes_per_month",
        "evictions_per_day",
        "unserved_requests_per_month",
        "budget_break_probability",
        "nodes",
        "broken",
    ];
    header.extend(tuned.knobs.iter().map(|knob| knob.key.as_str()));
    csv::write(&header, tuned.candidates.iter().map(|point| cells(tuned, point)))
}

fn cells(tuned: &Tuned, point: &Point) -> Vec<String> {
    let of = &point.measures;
    let fate = match point.fate {
        _ if point.settings == tuned.today.settings => "today",
        _ if point.settings == tuned.recommended.settings => "recommended",
        Fate::Front => "front",
        Fate::Whole => "whole",
        Fate::Stopped => "stopped",
        Fate::Impossible => "impossible",
    };
    let numbers = [
        of.cost_per_month,
        of.cost_standard_error,
        point.saves.mean,
        point.saves.standard_error,
        of.late_minutes_per_month,
        of.saturated_minutes_per_month,
        of.pending_pod_minutes_per_month,
        of.evictions_per_day,
        of.unserved_requests_per_month,
        of.budget_break_probability,
        of.nodes,
    ];
    let mut cells = vec![fate.to_owned(), point.trials.to_string()];
    let empty = point.fate == Fate::Impossible;
    // One trial has no error that could be told.
    let errors = [1, 3];
    let number = |(place, n): (usize, &f64)| {
        let untold = empty || (point.trials < 2 && errors.contains(&place));
        if untold { String::new() } else { format!("{n:.4}") }
    };
    cells.extend(numbers.iter().enumerate().map(number));
    cells.push(point.broken.join("; "));
    cells.extend(point.settings.iter().cloned());
    cells
}

/// What to say when nothing meets what is asked for.
pub fn unmet(tuned: &Tuned) -> String {
    let nearest = &tuned.recommended;
    format!(
        "no candidate meets what [tune.slo] asks for; the nearest has {}: ask for less, or give knobs more room",
        nearest.broken.join("; ")
    )
}
