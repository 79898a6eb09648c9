//! What `tune` found: the frontier, the candidates, what each change buys, how it holds, one day of both.

use std::fmt::Write as _;

use super::{columns, least_wanted, records};
use crate::{
    advice::tune::{
        Fate, Point, Tuned,
        choose::Why,
        confirm::{Against, Day, Days, Difference, Strained},
        measure::Measures,
    },
    measure::units::count,
    page::{
        Cell, Chart, Column, Fact, Figure, Kind, Meaning, Page, Panel, Row, Section, Table,
        number::{grouped, in_dollars, percent, quantity},
    },
};

/// Candidates of the frontier that a report lists; all are in `candidates.csv`.
const SHOWN: usize = 40;

/// A report of the search alone.
pub fn page(tuned: &Tuned) -> Page {
    let made = &tuned.made_from;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut page = Page {
        title: format!("Tuning of {}", tuned.name),
        cost_metric: format!("a month of all accounts, mean of {} trials", tuned.trials),
        currency: "USD".into(),
        headline: headline(tuned),
        provenance: vec![
            fact("runrate", made.version.clone()),
            fact("Scenario (sha256)", made.scenario_sha256.clone()),
            fact("Price book (sha256)", made.price_book_sha256.clone()),
            fact("Models (sha256)", made.models_sha256.clone()),
            fact("Seed", made.seed.to_string()),
        ],
        sections: vec![section(tuned)],
        records: Some(candidate_records(tuned)),
    };
    page.without_turns();
    page
}

fn headline(tuned: &Tuned) -> Vec<Fact> {
    let today = &tuned.today.measures;
    let found = &tuned.recommended.measures;
    let cost = |label: &str, of: &Measures, meaning| Fact {
        label: label.into(),
        value: Cell::text(in_dollars(of.cost_per_month, 2)),
        note: format!("a month; {} late minutes", grouped(of.late_minutes_per_month, 1)),
        meaning,
    };
    let mut facts = vec![cost("Today", today, None)];
    if !tuned.changes.is_empty() {
        let meaning = if tuned.feasible { Meaning::Good } else { Meaning::Bad };
        facts.push(cost(recommended(tuned), found, Some(meaning)));
    }
    facts
}

/// What the point that is reported is called.
fn recommended(tuned: &Tuned) -> &'static str {
    match (tuned.feasible, tuned.stopped) {
        (false, _) => "Nearest to the limits",
        (true, true) => "Cheapest so far",
        (true, false) => "Recommended",
    }
}

/// The section.
pub(super) fn section(tuned: &Tuned) -> Section {
    let [first, last] = tuned.months;
    let mut text = vec![format!(
        "Account {}, {first} to {last}. {} A minute is late when {}; the minutes of all workloads are added up.",
        tuned.account,
        looked(tuned),
        tuned.late
    )];
    let asked = tuned.limits.iter().filter(|limit| limit.asked);
    let asked: Vec<String> =
        asked.map(|limit| format!("at most {} {}", quantity(limit.most), limit.term)).collect();
    if !asked.is_empty() {
        text.push(format!("Limits: {}.", asked.join("; ")));
    }
    text.push(outcome(tuned));
    text.extend(tuned.fresh.as_ref().map(confirmed));
    let mut figures = vec![frontier(tuned)];
    figures.extend(tuned.days.as_ref().map(day));
    let tables = [candidates(tuned), whys(tuned), strained(tuned)];
    Section {
        id: "tuning".into(),
        title: "Tuning: cost against risk".into(),
        text,
        points: tuned.notes.clone(),
        figures,
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        ..Section::default()
    }
}

/// How much of the search space was tried.
fn looked(tuned: &Tuned) -> String {
    let of_fate = |fate: Fate| tuned.candidates.iter().filter(|own| own.fate == fate).count();
    let (tried, evaluations) = (tuned.candidates.len(), grouped(tuned.evaluations as f64, 0));
    let settings = count(tuned.knobs.len(), "setting");
    let mut text = if tuned.exhaustive {
        format!("All {tried} combinations of {settings} tried ({evaluations} evaluations)")
    } else {
        format!(
            "{} of {settings} tried ({evaluations} evaluations), {} stopped early",
            count(tried, "combination"),
            of_fate(Fate::Stopped)
        )
    };
    match of_fate(Fate::Impossible) {
        0 => {}
        number => {
            let _ = write!(text, "; {number} contradict themselves");
        }
    }
    text + "."
}

/// What is recommended, and what it saves.
fn outcome(tuned: &Tuned) -> String {
    let head = recommended(tuned);
    let misses = &tuned.recommended.broken;
    let misses =
        if misses.is_empty() { String::new() } else { format!(" Misses: {}.", misses.join("; ")) };
    if tuned.changes.is_empty() {
        return format!("{head}: today's settings.{misses}");
    }
    let saves = tuned.recommended.saves;
    let error = if tuned.recommended.trials > 1 {
        format!(" ± {}", grouped(saves.standard_error, 2))
    } else {
        String::new()
    };
    let tried = if tuned.stopped { ", not confirmed on other trials" } else { "" };
    let mut text = format!(
        "{head}: {}{error} against today in the trials of the search{tried}.{misses}",
        saving(saves.mean)
    );
    if tuned.why.is_empty() {
        let changes = tuned.changes.iter();
        let changes: Vec<String> =
            changes.map(|change| format!("{} = {}", change.key, change.value)).collect();
        let _ = write!(text, " Changes: {}.", changes.join("; "));
    }
    text
}

/// `saves $12.00 a month`, or what it costs more.
fn saving(saves: f64) -> String {
    if saves < 0.0 {
        format!("costs {} a month more", in_dollars(-saves, 2))
    } else {
        format!("saves {} a month", in_dollars(saves, 2))
    }
}

fn confirmed(fresh: &Against) -> String {
    let interval = |of: &Difference| format!("{} to {}", grouped(of.low, 2), grouped(of.high, 2));
    format!(
        "On {} unseen trials: {}, {} (95 % interval {}), cheaper in {} of them; {} late minutes a month against {} today (difference {}, 95 % interval {}); {} evictions a day against {}. Verdict: {}.",
        fresh.trials,
        saving(fresh.saves.mean),
        percent(fresh.saves_share),
        interval(&fresh.saves),
        percent(fresh.cheaper),
        grouped(fresh.recommended.late_minutes_per_month, 2),
        grouped(fresh.today.late_minutes_per_month, 2),
        grouped(fresh.adds_late_minutes.mean, 2),
        interval(&fresh.adds_late_minutes),
        grouped(fresh.recommended.evictions_per_day, 1),
        grouped(fresh.today.evictions_per_day, 1),
        verdict(fresh)
    )
}

fn at(point: &Point) -> [f64; 2] {
    [point.measures.late_minutes_per_month, point.measures.cost_per_month]
}

/// Cost against risk of the candidates.
pub fn frontier(tuned: &Tuned) -> Figure {
    let whole = |point: &&Point| matches!(point.fate, Fate::Front | Fate::Whole);
    let mut front: Vec<[f64; 2]> = tuned.front.iter().map(at).collect();
    front.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let mut marked = vec![("today".to_owned(), at(&tuned.today))];
    if !tuned.changes.is_empty() {
        let name = if tuned.feasible { "recommended" } else { "nearest" };
        marked.push((name.to_owned(), at(&tuned.recommended)));
    }
    Figure {
        id: "frontier".into(),
        title: "Cost against late minutes of all candidates that ran every trial".into(),
        alt: format!(
            "Points of cost against late minutes. Today ${} a month and {} late minutes; recommended ${} and {}.",
            grouped(tuned.today.measures.cost_per_month, 0),
            grouped(tuned.today.measures.late_minutes_per_month, 1),
            grouped(tuned.recommended.measures.cost_per_month, 0),
            grouped(tuned.recommended.measures.late_minutes_per_month, 1)
        ),
        chart: Chart::Frontier {
            x: "late minutes a month [min]".into(),
            y: "cost a month [USD]".into(),
            points: tuned.candidates.iter().filter(whole).map(at).collect(),
            front,
            marked,
        },
    }
}

fn day(days: &Days) -> Figure {
    let panel = |title: &str, of: &dyn Fn(&Day) -> Vec<f64>| Panel {
        title: title.into(),
        lines: vec![
            ("today".into(), of(&days.today)),
            ("recommended".into(), of(&days.recommended)),
        ],
    };
    let whole = |values: &[u32]| values.iter().map(|value| f64::from(*value)).collect();
    Figure {
        id: "day".into(),
        title: format!("The busiest day, {}: today and recommended", days.date),
        alt: "Panels of nodes, ready pods, utilization and p95 over one day, today's settings and the recommended ones in each.".into(),
        chart: Chart::Day {
            panels: vec![
                Panel {
                    title: "Sessions that arrive [1/min]".into(),
                    lines: vec![("load".into(), days.today.sessions.clone())],
                },
                panel("Nodes", &|day| whole(&day.nodes)),
                panel("Ready pods", &|day| whole(&day.ready_pods)),
                panel("CPU used of all nodes [share]", &|day| day.utilization.clone()),
                panel("p95 of the slowest workload [ms]", &|day| day.p95_ms.clone()),
            ],
        },
    }
}

const NOTE: &str = "USD a month of all accounts";

fn whys(tuned: &Tuned) -> Table {
    let row = |why: &Why| {
        Row::new(vec![
            Cell::text(&why.stands),
            Cell::text(&why.from),
            Cell::text(&why.to),
            Cell::Number(why.saves.mean),
            Cell::Number(why.saves.standard_error),
            Cell::Number(why.adds_late_minutes.mean),
            Cell::Number(why.adds_evictions),
            Cell::text(why.without_it.join("; ")),
        ])
    };
    let names = columns(&[
        ("Setting", Kind::Text),
        ("Today", Kind::Text),
        ("Recommended", Kind::Text),
        ("Saves", Kind::Usd),
        ("± standard error", Kind::Usd),
        ("Late minutes added", Kind::Number(1)),
        ("Evictions a day added", Kind::Number(1)),
        ("Misses without it", Kind::Text),
    ]);
    Table {
        id: "tuning-why".into(),
        title: "What each changed setting saves and adds".into(),
        note: format!("{NOTE}; all other settings as recommended"),
        columns: least_wanted(names, &["Evictions a day added", "± standard error"]),
        rows: tuned.why.iter().map(row).collect(),
        ..Table::default()
    }
}

fn strained(tuned: &Tuned) -> Table {
    const HOLDS: usize = 8;
    let row = |own: &Strained| {
        let against = &own.against;
        let meaning = if against.holds { Meaning::Good } else { Meaning::Bad };
        Row::new(vec![
            Cell::text(&own.name),
            Cell::Number(against.today.cost_per_month),
            Cell::Number(against.recommended.cost_per_month),
            Cell::Number(against.saves.mean),
            Cell::Number(against.saves.low),
            Cell::Number(against.saves.high),
            Cell::Number(against.today.late_minutes_per_month),
            Cell::Number(against.recommended.late_minutes_per_month),
            Cell::text(if against.holds { "yes".into() } else { verdict(against) }),
        ])
        .marked(HOLDS, meaning)
    };
    let names = columns(&[
        ("What if", Kind::Text),
        ("Cost today", Kind::Usd),
        ("Cost recommended", Kind::Usd),
        ("Saves", Kind::Usd),
        ("From", Kind::Usd),
        ("To", Kind::Usd),
        ("Late minutes today", Kind::Number(1)),
        ("Late minutes recommended", Kind::Number(1)),
        ("Holds", Kind::Text),
    ]);
    Table {
        id: "tuning-sensitivity".into(),
        title: "Sensitivity: is the recommendation still right?".into(),
        note: format!("{NOTE}; from and to are the 95 % interval of the saving"),
        columns: least_wanted(names, &["Cost today", "Cost recommended", "Late minutes today"]),
        rows: tuned.sensitivity.iter().map(row).collect(),
        ..Table::default()
    }
}

fn candidates(tuned: &Tuned) -> Table {
    let names = vec![
        ("Candidate".to_owned(), Kind::Text),
        ("Cost".to_owned(), Kind::Usd),
        ("Late minutes".to_owned(), Kind::Number(1)),
        ("Overloaded minutes".to_owned(), Kind::Number(1)),
        ("Pending pod minutes".to_owned(), Kind::Number(1)),
        ("Evictions a day".to_owned(), Kind::Number(1)),
        ("Over budget".to_owned(), Kind::Share),
        ("Nodes".to_owned(), Kind::Number(1)),
    ];
    let mut names: Vec<Column> =
        names.into_iter().map(|(name, kind)| Column::new(name, kind)).collect();
    // A terminal has the changed settings in a table of their own.
    names.extend(tuned.knobs.iter().map(|knob| Column::new(&knob.key, Kind::Text).spare(1)));
    let mut rows = vec![row("today", &tuned.today)];
    if !tuned.changes.is_empty() {
        rows.push(row(if tuned.feasible { "recommended" } else { "nearest" }, &tuned.recommended));
    }
    // Evenly over the front, with both ends.
    let last = tuned.front.len().saturating_sub(1);
    let shown = tuned.front.len().min(SHOWN);
    for at in 0..shown {
        let place = if shown > 1 { at * last / (shown - 1) } else { 0 };
        rows.push(row(&format!("front {}", place + 1), &tuned.front[place]));
    }
    Table {
        id: "tuning-candidates".into(),
        title: "Today, recommended, and the frontier of cost and risk".into(),
        note: format!("{NOTE}; minutes a month"),
        columns: names,
        rows,
        ..Table::default()
    }
}

fn row(name: &str, point: &Point) -> Row {
    let Measures {
        cost_per_month,
        late_minutes_per_month,
        saturated_minutes_per_month,
        pending_pod_minutes_per_month,
        evictions_per_day,
        budget_break_probability,
        nodes,
        ..
    } = point.measures;
    let mut cells = vec![Cell::text(name)];
    cells.extend(
        [
            cost_per_month,
            late_minutes_per_month,
            saturated_minutes_per_month,
            pending_pod_minutes_per_month,
            evictions_per_day,
            budget_break_probability,
            nodes,
        ]
        .map(Cell::Number),
    );
    cells.extend(point.settings.iter().map(Cell::text));
    Row::new(cells)
}

/// Trials below which an interval says next to nothing.
const FEW: u32 = 10;

/// Whether it holds, and if not, why.
pub fn verdict(of: &Against) -> String {
    if of.holds && of.broken_today.is_empty() && of.adds_late_minutes.high > 0.0 {
        format!(
            "holds on average: cheaper, and no risk is higher; the interval leaves room for {} more late minutes",
            grouped(of.adds_late_minutes.high, 2)
        )
    } else if of.holds && of.broken_today.is_empty() {
        "holds: cheaper at equal or lower risk".into()
    } else if of.holds {
        format!("holds: meets limits that today's settings miss ({})", of.broken_today.join("; "))
    } else if !of.broken.is_empty() {
        format!("fails on unseen trials: {}", of.broken.join("; "))
    } else if of.saves.low <= 0.0 && of.trials < FEW {
        format!("unknown: {} trials are too few to tell", of.trials)
    } else if of.saves.low <= 0.0 {
        "does not hold: the saving may be zero".into()
    } else {
        format!("does not hold: {}", of.worse.join("; "))
    }
}

/// All candidates, one a row.
pub fn candidate_records(tuned: &Tuned) -> Table {
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
    records(&header, tuned.candidates.iter().map(|point| cells(tuned, point)))
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

/// One line for a search in which nothing meets the limits.
pub fn unmet(tuned: &Tuned) -> String {
    let nearest = &tuned.recommended;
    format!(
        "no candidate meets what [tune.slo] asks for; the nearest has {}. Relax a limit of [tune.slo], or widen the range of a setting",
        nearest.broken.join("; ")
    )
}
