//! What `tune` found: the frontier, the candidates, what each change buys, how it holds, one day of both.

use super::columns;
use crate::{
    advice::tune::{
        Fate, Point, Tuned,
        confirm::{Against, Day, Days},
        measure::Measures,
    },
    page::{
        Cell, Chart, Figure, Importance, Kind, Page, Panel, Row, Section, Table, number::grouped,
    },
};

/// Candidates that a report tells of by themselves; all are in `candidates.csv`.
const TOLD: usize = 40;

/// A report of the search alone.
pub fn page(tuned: &Tuned) -> Page {
    let made = &tuned.made_from;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    Page {
        title: format!("Tuning of {}", tuned.name),
        cost_metric: "all accounts, mean over trials".into(),
        currency: "USD".into(),
        headline: Vec::new(),
        provenance: vec![
            fact("runrate", made.version.clone()),
            fact("Scenario (sha256)", made.scenario_sha256.clone()),
            fact("Price book (sha256)", made.price_book_sha256.clone()),
            fact("Models (sha256)", made.models_sha256.clone()),
            fact("Seed", made.seed.to_string()),
        ],
        sections: vec![section(tuned)],
        ..Page::default()
    }
}

/// The section.
pub(super) fn section(tuned: &Tuned) -> Section {
    let [first, last] = tuned.months;
    let mut text = vec![format!(
        "Account {}, {first} to {last}: {} candidates of {} settings in {} evaluations. Costs are those of all accounts, means over {} trials. A minute is late when {}.",
        tuned.account,
        grouped(tuned.candidates.len() as f64, 0),
        tuned.knobs.len(),
        grouped(tuned.evaluations as f64, 0),
        tuned.trials,
        tuned.late
    )];
    text.extend(tuned.fresh.as_ref().map(confirmed));
    let mut figures = vec![frontier(tuned)];
    figures.extend(tuned.days.as_ref().map(day));
    let tables = [whys(tuned), strained(tuned), candidates(tuned)];
    Section {
        id: "tuning".into(),
        title: "Tuning: cost against risk".into(),
        importance: Importance::Main,
        text,
        points: tuned.notes.clone(),
        figures,
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
    }
}

fn confirmed(fresh: &Against) -> String {
    let verdict = verdict(fresh);
    format!(
        "On {} trials that the search has not seen, the recommended settings save ${} a month, {:.1} % (95 % interval ${} to ${}); late minutes a month are {} against {} today. Verdict: {verdict}.",
        fresh.trials,
        grouped(fresh.saves.mean, 2),
        fresh.saves_share * 100.0,
        grouped(fresh.saves.low, 2),
        grouped(fresh.saves.high, 2),
        grouped(fresh.recommended.late_minutes_per_month, 1),
        grouped(fresh.today.late_minutes_per_month, 1),
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
    let row = |why: &crate::advice::tune::choose::Why| {
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
    Table {
        id: "tuning-why".into(),
        title: "What each changed setting buys and costs, all else as recommended".into(),
        note: NOTE.into(),
        columns: columns(&[
            ("Setting", Kind::Text),
            ("Today", Kind::Text),
            ("Recommended", Kind::Text),
            ("Saves", Kind::Usd),
            ("± standard error", Kind::Usd),
            ("Late minutes added", Kind::Number(1)),
            ("Evictions a day added", Kind::Number(1)),
            ("Without it", Kind::Text),
        ]),
        rows: tuned.why.iter().map(row).collect(),
        ..Table::default()
    }
}

fn strained(tuned: &Tuned) -> Table {
    let row = |own: &crate::advice::tune::confirm::Strained| {
        let of = &own.against;
        Row::new(vec![
            Cell::text(&own.name),
            Cell::Number(of.today.cost_per_month),
            Cell::Number(of.recommended.cost_per_month),
            Cell::Number(of.saves.mean),
            Cell::Number(of.saves.low),
            Cell::Number(of.saves.high),
            Cell::Number(of.today.late_minutes_per_month),
            Cell::Number(of.recommended.late_minutes_per_month),
            Cell::text(if of.holds { "yes" } else { "no" }),
        ])
    };
    Table {
        id: "tuning-sensitivity".into(),
        title: "What if: would the recommendation still be right?".into(),
        note: format!("{NOTE}; the interval is of 95 %"),
        columns: columns(&[
            ("What if", Kind::Text),
            ("Cost today", Kind::Usd),
            ("Cost recommended", Kind::Usd),
            ("Saves", Kind::Usd),
            ("From", Kind::Usd),
            ("To", Kind::Usd),
            ("Late minutes today", Kind::Number(1)),
            ("Late minutes recommended", Kind::Number(1)),
            ("Holds", Kind::Text),
        ]),
        rows: tuned.sensitivity.iter().map(row).collect(),
        ..Table::default()
    }
}

fn candidates(tuned: &Tuned) -> Table {
    let mut names = vec![
        ("Candidate".to_owned(), Kind::Text),
        ("Cost".to_owned(), Kind::Usd),
        ("Late minutes".to_owned(), Kind::Number(1)),
        ("Saturated minutes".to_owned(), Kind::Number(1)),
        ("Pending pod minutes".to_owned(), Kind::Number(1)),
        ("Evictions a day".to_owned(), Kind::Number(1)),
        ("Over budget".to_owned(), Kind::Share),
        ("Nodes".to_owned(), Kind::Number(1)),
    ];
    names.extend(tuned.knobs.iter().map(|knob| (knob.key.clone(), Kind::Text)));
    let mut rows = vec![row("today", &tuned.today)];
    if !tuned.changes.is_empty() {
        rows.push(row(if tuned.feasible { "recommended" } else { "nearest" }, &tuned.recommended));
    }
    let front = tuned.front.iter().take(TOLD).enumerate();
    rows.extend(front.map(|(place, point)| row(&format!("front {}", place + 1), point)));
    Table {
        id: "tuning-candidates".into(),
        title: "Today, recommended, and the candidates that none beats".into(),
        note: format!("{NOTE}; risk is a month unless said"),
        columns: names
            .into_iter()
            .map(|(name, kind)| crate::page::Column::new(name, kind))
            .collect(),
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
            "it holds in the mean: cheaper, and no term of risk is worse; the interval leaves room for {} late minutes more",
            grouped(of.adds_late_minutes.high, 2)
        )
    } else if of.holds && of.broken_today.is_empty() {
        "it holds: cheaper at equal or lower risk".into()
    } else if of.holds {
        format!("it holds: meets what today's settings miss ({})", of.broken_today.join("; "))
    } else if !of.broken.is_empty() {
        format!("it does not hold: {}", of.broken.join("; "))
    } else if of.saves.low <= 0.0 && of.trials < FEW {
        format!("not known: {} trials are too few to tell", of.trials)
    } else if of.saves.low <= 0.0 {
        "it does not hold: the saving is not clear of nothing".into()
    } else {
        format!("it does not hold: {}", of.worse.join("; "))
    }
}
