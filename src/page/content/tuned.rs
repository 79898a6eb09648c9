//! What `tune` found: the frontier, the candidates, what each change buys, how it holds, one day of both.

use std::fmt::Write as _;

use super::{columns, least_wanted, records};
use crate::{
    advice::tune::{
        Fate, Planned, Plans, Point, Tuned,
        choose::Why,
        confirm::{Against, Day, Days, Difference, Strained},
        lift::{Binding, Lift},
        loss::{DatabaseLoss, Setback},
        measure::Measures,
    },
    measure::units::count,
    page::{
        Cell, Chart, Fact, Figure, Kind, Meaning, Page, Panel, Row, Section, Table,
        number::{grouped, in_dollars, percent, quantity},
    },
    plan::simulate::Drill,
};

/// Candidates of the frontier that a report lists; all are in `candidates.csv`.
const SHOWN: usize = 40;

/// A report of the search alone.
pub fn page(tuned: &Tuned) -> Page {
    let made = &tuned.made_from;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut page = Page {
        title: format!("Tuning of {}", tuned.name),
        cost_metric: format!("a month of all accounts, mean of {}", ran_in(tuned)),
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
        note: format!(
            "a month; {} minutes over the latency target",
            grouped(of.late_minutes_per_month, 1)
        ),
        meaning,
    };
    let mut facts = vec![cost("Today", today, None)];
    if !tuned.changes.is_empty() {
        let meaning = if tuned.feasible { Meaning::Good } else { Meaning::Bad };
        facts.push(cost(recommended(tuned), found, Some(meaning)));
    }
    facts
}

/// The trials that the figures come from.
fn ran_in(tuned: &Tuned) -> String {
    match tuned.fresh_trials {
        0 => count(tuned.trials as usize, "trial of the search"),
        fresh => count(fresh as usize, "unseen trial"),
    }
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
        "Account {}, {first} to {last}. {} A minute is over the latency target when {}; the minutes of all workloads are added up.",
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
    if !tuned.changes.is_empty() {
        text.extend(tuned.recommended.proof.as_ref().map(confirmed));
    }
    text.extend(next_cheaper(tuned));
    text.extend(ruled_out(tuned));
    text.extend(tuned.plans.as_ref().map(planned));
    text.extend(tuned.binding.iter().flat_map(binding));
    let mut figures = vec![frontier(tuned)];
    figures.extend(tuned.days.as_ref().map(day));
    let tables = [candidates(tuned), whys(tuned), losses(tuned), strained(tuned), lifts(tuned)];
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
    let trials =
        tuned.recommended.proof.as_ref().map_or(tuned.recommended.trials, |own| own.trials);
    let error = if trials > 1 {
        format!(" ± {}", grouped(saves.standard_error, 2))
    } else {
        String::new()
    };
    let tried = if tuned.stopped { ", not tested on unseen trials" } else { "" };
    let mut text = format!(
        "{head}: {}{error} against today in {}{tried}.{misses}",
        saving(saves.mean),
        ran_in(tuned)
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
    let between = |low: f64, high: f64| format!("{} to {}", grouped(low, 2), grouped(high, 2));
    // What it costs more is stated as such, its interval too.
    let Difference { mean, low, high } = fresh.saves;
    let (share, saves) = if mean < 0.0 {
        (-fresh.saves_share, between(-high, -low))
    } else {
        (fresh.saves_share, between(low, high))
    };
    let Difference { low, high, .. } = fresh.adds_late_minutes;
    format!(
        "On {} unseen trials: {}, {} (95 % interval {}), cheaper in {} of them; {} minutes a month over the latency target against {} today (difference {}, 95 % interval {}); {} evictions a day against {}.{} Verdict: {}.",
        fresh.trials,
        saving(mean),
        percent(share),
        saves,
        percent(fresh.cheaper),
        grouped(fresh.point.late_minutes_per_month, 2),
        grouped(fresh.today.late_minutes_per_month, 2),
        grouped(fresh.adds_late_minutes.mean, 2),
        between(low, high),
        grouped(fresh.point.evictions_per_day, 1),
        grouped(fresh.today.evictions_per_day, 1),
        fresh.loss_minutes.map_or_else(String::new, lost),
        verdict(fresh)
    )
}

/// What losses and bursts are expected to overload.
fn lost([before, after]: [f64; 2]) -> String {
    format!(
        " Losses and bursts are expected to overload {} minutes a month against {} today.",
        grouped(after, 2),
        grouped(before, 2)
    )
}

/// The cheapest point that failed in the unseen trials, and the limit that it fails.
fn next_cheaper(tuned: &Tuned) -> Option<String> {
    if !tuned.feasible || tuned.stopped {
        return None;
    }
    let cost = |point: &Point| point.measures.cost_per_month;
    let failed = |point: &&Point| {
        let proof = point.proof.as_ref().filter(|proof| !proof.holds);
        let other = point.settings != tuned.today.settings;
        other && proof.is_some() && cost(point) < cost(&tuned.recommended)
    };
    let next = tuned.candidates.iter().filter(failed).max_by(|a, b| cost(a).total_cmp(&cost(b)))?;
    Some(format!(
        "What stops a cheaper point: {} would save {} a month more, but {}.",
        changed(tuned, next),
        in_dollars(cost(&tuned.recommended) - cost(next), 2),
        next.proof.as_ref().map_or_else(String::new, verdict)
    ))
}

/// The cheapest point that losses and bursts rule out, before it ran the unseen trials.
fn ruled_out(tuned: &Tuned) -> Option<String> {
    if !tuned.feasible || tuned.stopped {
        return None;
    }
    let saves = |point: &Point| point.saves.mean;
    let harmed =
        |point: &&Point| point.proof.is_none() && !point.harm.is_empty() && point.broken.is_empty();
    let all = tuned.candidates.iter().filter(harmed);
    let best = all.max_by(|a, b| saves(a).total_cmp(&saves(b)))?;
    let more = saves(best) - saves(&tuned.recommended);
    (more > 0.0).then(|| {
        format!(
            "Ruled out by losses: {} would save about {} a month more, but {}.",
            changed(tuned, best),
            in_dollars(more, 0),
            best.harm.join("; ")
        )
    })
}

/// What `plan` says of both.
fn planned(plans: &Plans) -> String {
    let of = |own: &Planned| {
        let [p10, p50, p90] = own.quantiles.map(|usd| in_dollars(usd, 0));
        let mid = in_dollars(own.mid.to_f64(), 2);
        format!("{mid} in the mid case, P50 {p50} (P10 {p10} to P90 {p90})")
    };
    format!(
        "The whole plan, {}, as `runrate plan --trials {}` computes it: today {}; recommended {}.",
        count(plans.months as usize, "month"),
        plans.trials,
        of(&plans.today),
        of(&plans.recommended)
    )
}

/// Which limit binds, and what would lift it.
fn binding(binding: &Binding) -> Vec<String> {
    let own = &binding.overload;
    let mut text = Vec::new();
    if own.minutes > 0.0 {
        text.push(format!(
            "With today's settings {} is overloaded in {} minutes a month: in {} of them with every replica of max_replicas, in {} with pods that wait for a node.",
            own.workload,
            grouped(own.minutes, 1),
            grouped(own.at_max_replicas, 1),
            grouped(own.without_node, 1)
        ));
    }
    let works = binding.lifts.iter().filter(|lift| lift.misses.is_empty());
    let works: Vec<String> = works.map(|lift| format!("{}.", lifted(lift))).collect();
    text.push(if works.is_empty() {
        "No single setting of this workload or of the node pools that was tried meets the limits."
            .into()
    } else {
        format!("What would meet the limits: {}", works.join(" "))
    });
    text
}

/// `workloads.api.hpa.max_replicas from 60 to 100 costs $0.28 a month more`.
fn lifted(lift: &Lift) -> String {
    format!("{} from {} to {} {}", lift.key, lift.from, lift.to, saving(-lift.costs.mean))
}

fn lifts(tuned: &Tuned) -> Table {
    let row = |lift: &Lift| {
        let misses =
            if lift.misses.is_empty() { "meets them".into() } else { lift.misses.join("; ") };
        Row::new(vec![
            Cell::text(&lift.key),
            Cell::text(&lift.from),
            Cell::text(&lift.to),
            Cell::Number(lift.costs.mean),
            Cell::Number(f64::from(lift.trials)),
            Cell::text(misses),
        ])
    };
    Table {
        id: "tuning-lifts".into(),
        title: "Settings that could lift the limit, each moved alone".into(),
        note: format!(
            "{NOTE}; against today's settings; fewer trials, the worst, where these alone miss a limit"
        ),
        columns: columns(&[
            ("Setting", Kind::Text),
            ("Today", Kind::Text),
            ("Tried up to", Kind::Text),
            ("Costs more", Kind::Usd),
            ("Trials", Kind::Number(0)),
            ("Limits", Kind::Text),
        ]),
        rows: tuned.binding.iter().flat_map(|binding| &binding.lifts).map(row).collect(),
        ..Table::default()
    }
}

/// The settings of a point that differ from today's, `max_replicas = 100, target_cpu_utilization = 70`.
fn changed(tuned: &Tuned, point: &Point) -> String {
    let all = tuned.knobs.iter().zip(&point.settings).filter(|(knob, own)| knob.today != **own);
    let all: Vec<String> =
        all.map(|(knob, own)| format!("{} = {own}", short(tuned, &knob.key))).collect();
    if all.is_empty() { "as today".into() } else { all.join(", ") }
}

/// As much of the end of a knob's key as no other knob has.
fn short<'k>(tuned: &Tuned, key: &'k str) -> &'k str {
    let dots = key.rmatch_indices('.').map(|(place, _)| &key[place + 1..]);
    let single = |end: &&str| {
        let ending = format!(".{end}");
        tuned.knobs.iter().filter(|knob| knob.key.ends_with(&ending)).count() < 2
    };
    let mut ends = dots;
    ends.find(single).unwrap_or(key)
}

/// Minutes over the target and cost of a point; of one that did not run the unseen trials by its difference to today.
fn at(tuned: &Tuned, point: &Point) -> [f64; 2] {
    let today = &tuned.today.measures;
    if tuned.fresh_trials == 0 || point.proof.is_some() {
        return [point.measures.late_minutes_per_month, point.measures.cost_per_month];
    }
    let minutes = today.late_minutes_per_month + point.adds_late_minutes.mean;
    [minutes.max(0.0), today.cost_per_month - point.saves.mean]
}

/// Cost against risk of the candidates.
pub fn frontier(tuned: &Tuned) -> Figure {
    let whole = |point: &&Point| matches!(point.fate, Fate::Front | Fate::Proven | Fate::Whole);
    let at = |point: &Point| at(tuned, point);
    let mut front: Vec<[f64; 2]> = tuned.front.iter().map(at).collect();
    front.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let mut marked = vec![("today".to_owned(), at(&tuned.today))];
    if !tuned.changes.is_empty() {
        let name = if tuned.feasible { "recommended" } else { "nearest" };
        marked.push((name.to_owned(), at(&tuned.recommended)));
    }
    Figure {
        id: "frontier".into(),
        title:
            "Cost against minutes over the latency target of all candidates that ran every trial"
                .into(),
        alt: format!(
            "Points of cost against minutes over the latency target. Today ${} a month and {} minutes; recommended ${} and {}.",
            grouped(tuned.today.measures.cost_per_month, 0),
            grouped(tuned.today.measures.late_minutes_per_month, 1),
            grouped(tuned.recommended.measures.cost_per_month, 0),
            grouped(tuned.recommended.measures.late_minutes_per_month, 1)
        ),
        chart: Chart::Frontier {
            x: "over the latency target [min a month]".into(),
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
            Cell::Number(f64::from(why.trials)),
            Cell::text(why.without_it.join("; ")),
        ])
    };
    let names = columns(&[
        ("Setting", Kind::Text),
        ("Today", Kind::Text),
        ("Recommended", Kind::Text),
        ("Saves", Kind::Usd),
        ("± standard error", Kind::Usd),
        ("Minutes over target added", Kind::Number(1)),
        ("Evictions a day added", Kind::Number(1)),
        ("Trials", Kind::Number(0)),
        ("Misses without it", Kind::Text),
    ]);
    Table {
        id: "tuning-why".into(),
        title: "What each changed setting saves and adds".into(),
        note: format!("{NOTE}; all other settings as recommended; unseen trials"),
        columns: least_wanted(names, &["Trials", "Evictions a day added", "± standard error"]),
        rows: tuned.why.iter().map(row).collect(),
        ..Table::default()
    }
}

/// What losses and bursts at the busiest minute leave.
fn losses(tuned: &Tuned) -> Table {
    let minutes = |own: &Drill| {
        let most = || Cell::text("over 120");
        own.recovery_minutes.map_or_else(most, |minutes| Cell::Number(f64::from(minutes)))
    };
    let row = |own: &Setback| {
        Row::new(vec![
            Cell::text(&own.name),
            Cell::Number(own.per_year),
            Cell::Number(own.today.capacity_left),
            Cell::Number(own.recommended.capacity_left),
            Cell::Number(own.today.overloaded_minutes),
            Cell::Number(own.recommended.overloaded_minutes),
            minutes(&own.today),
            minutes(&own.recommended),
        ])
    };
    let database = |own: &DatabaseLoss| {
        let [before, after] = own.instances.map(f64::from);
        // What remains of the instances, which is not what is asked for.
        let left = |all: f64| Cell::Number((all - 1.0) / all);
        let [old, new] = own.minutes.map(Cell::Number);
        Row::new(vec![
            Cell::text("loss of one database instance"),
            Cell::Number(own.per_year),
            left(before),
            left(after),
            Cell::Empty,
            Cell::Empty,
            old,
            new,
        ])
    };
    let names = columns(&[
        ("Trouble", Kind::Text),
        ("A year", Kind::Number(1)),
        ("Left today", Kind::Share),
        ("Left recommended", Kind::Share),
        ("Overloaded today", Kind::Number(0)),
        ("Overloaded recommended", Kind::Number(0)),
        ("Recovery today", Kind::Number(0)),
        ("Recovery recommended", Kind::Number(0)),
    ]);
    Table {
        id: "tuning-losses".into(),
        title: "Losses and bursts at the busiest minute: capacity left, and minutes to recover".into(),
        note: "mid case; left: what can be served as a share of the load, at its least in a burst; for a database, the instances that remain; minutes of the next two hours; a year: assumed frequency".into(),
        columns: least_wanted(names, &["Recovery today", "Overloaded today", "A year", "Left today"]),
        rows: tuned.losses.iter().map(row).chain(tuned.database_loss.iter().map(database)).collect(),
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
            Cell::Number(against.point.cost_per_month),
            Cell::Number(against.saves.mean),
            Cell::Number(against.saves.low),
            Cell::Number(against.saves.high),
            Cell::Number(against.today.late_minutes_per_month),
            Cell::Number(against.point.late_minutes_per_month),
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
        ("Over target today", Kind::Number(1)),
        ("Over target recommended", Kind::Number(1)),
        ("Holds", Kind::Text),
    ]);
    Table {
        id: "tuning-sensitivity".into(),
        title: "Sensitivity: is the recommendation still right?".into(),
        note: format!(
            "{NOTE}; from and to are the 95 % interval of the saving; minutes a month over the latency target"
        ),
        columns: least_wanted(names, &["Cost today", "Cost recommended", "Over target today"]),
        rows: tuned.sensitivity.iter().map(row).collect(),
        ..Table::default()
    }
}

fn candidates(tuned: &Tuned) -> Table {
    let names = columns(&[
        ("Point", Kind::Text),
        ("Cost", Kind::Usd),
        ("Saves", Kind::Usd),
        ("± standard error", Kind::Usd),
        ("Over target", Kind::Number(1)),
        ("Overloaded", Kind::Number(1)),
        ("Pending pods", Kind::Number(1)),
        ("Evictions a day", Kind::Number(1)),
        ("Losses", Kind::Number(2)),
        ("Over budget", Kind::Share),
        ("Nodes", Kind::Number(1)),
        ("Holds", Kind::Text),
        ("Changed settings", Kind::Text),
    ]);
    let line = |name: &str, point: &Point| row(tuned, name, point);
    let mut rows = vec![line("today", &tuned.today)];
    if !tuned.changes.is_empty() {
        let name = if tuned.feasible { "recommended" } else { "nearest" };
        rows.push(line(name, &tuned.recommended));
    }
    // Evenly over the front, with both ends.
    let last = tuned.front.len().saturating_sub(1);
    let shown = tuned.front.len().min(SHOWN);
    for at in 0..shown {
        let place = if shown > 1 { at * last / (shown - 1) } else { 0 };
        let point = &tuned.front[place];
        if ![&tuned.today.settings, &tuned.recommended.settings].contains(&&point.settings) {
            rows.push(line(&format!("front {}", place + 1), point));
        }
    }
    let less = ["Pending pods", "Nodes", "Over budget", "Evictions a day", "± standard error"];
    Table {
        id: "tuning-candidates".into(),
        title: "Today, recommended, and the frontier of cost and risk".into(),
        note: format!(
            "{NOTE}, mean of {}; minutes a month; losses: overloaded minutes that losses and bursts are expected to add",
            ran_in(tuned)
        ),
        columns: least_wanted(names, &less),
        rows,
        ..Table::default()
    }
}

fn row(tuned: &Tuned, name: &str, point: &Point) -> Row {
    const HOLDS: usize = 11;
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
            point.saves.mean,
            point.saves.standard_error,
            late_minutes_per_month,
            saturated_minutes_per_month,
            pending_pod_minutes_per_month,
            evictions_per_day,
        ]
        .map(Cell::Number),
    );
    let losses = point.proof.as_ref().and_then(|proof| proof.loss_minutes);
    cells.push(losses.map_or(Cell::Empty, |[_, own]| Cell::Number(own)));
    cells.extend([budget_break_probability, nodes].map(Cell::Number));
    let (holds, meaning) = match &point.proof {
        Some(proof) if proof.holds => ("yes", Meaning::Good),
        Some(_) => ("no", Meaning::Bad),
        None => ("not tested", Meaning::Caution),
    };
    cells.extend([Cell::text(holds), Cell::text(changed(tuned, point))]);
    Row::new(cells).marked(HOLDS, meaning)
}

/// Whether it holds, and if not, why.
pub fn verdict(of: &Against) -> String {
    if !of.broken.is_empty() {
        format!("fails on unseen trials: {}", of.broken.join("; "))
    } else if !of.worse.is_empty() {
        format!("is worse on unseen trials: {}", of.worse.join("; "))
    } else if !of.broken_today.is_empty() {
        format!("holds: meets limits that today's settings miss ({})", of.broken_today.join("; "))
    } else if of.saves.low <= 0.0 {
        "holds, but the saving may be zero".into()
    } else if of.adds_late_minutes.high > 0.0 {
        format!(
            "holds: cheaper, and no risk is measurably higher; the interval leaves room for {} more minutes over the latency target",
            grouped(of.adds_late_minutes.high, 2)
        )
    } else {
        "holds: cheaper at equal or lower risk".into()
    }
}

/// All candidates, one a row.
pub fn candidate_records(tuned: &Tuned) -> Table {
    let mut header: Vec<&str> = vec![
        "fate",
        "trials",
        "unseen_trials",
        "changes",
        "usd_per_month",
        "usd_standard_error",
        "saves_usd_per_month",
        "saves_standard_error",
        "minutes_over_target_per_month",
        "overloaded_minutes_per_month",
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
        Fate::Proven => "proven",
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
    let unseen = point.proof.as_ref().map_or(0, |proof| proof.trials);
    let mut cells = vec![
        fate.to_owned(),
        point.trials.to_string(),
        unseen.to_string(),
        point.changes.to_string(),
    ];
    let empty = point.fate == Fate::Impossible;
    // One trial has no error that could be told.
    let errors = [1, 3];
    let number = |(place, n): (usize, &f64)| {
        let untold = empty || (point.trials.max(unseen) < 2 && errors.contains(&place));
        if untold { String::new() } else { format!("{n:.4}") }
    };
    cells.extend(numbers.iter().enumerate().map(number));
    cells.push(point.broken.join("; "));
    cells.extend(point.settings.iter().cloned());
    cells
}

/// One line for a search in which nothing meets the limits: the nearest, and what would meet them.
pub fn unmet(tuned: &Tuned) -> String {
    let nearest = &tuned.recommended;
    let misses = match &nearest.proof {
        Some(proof) if proof.broken.is_empty() => &proof.worse,
        _ => &nearest.broken,
    };
    let head = format!(
        "no candidate meets the limits of [tune.slo] on unseen trials; the nearest has {}",
        misses.join("; ")
    );
    let works = tuned.binding.iter().flat_map(|binding| &binding.lifts);
    match works.into_iter().find(|lift| lift.misses.is_empty()) {
        Some(lift) => format!("{head}. {} and meets them; add it to [[tune.knobs]]", lifted(lift)),
        None => format!("{head}. Relax a limit of [tune.slo], or widen the range of a setting"),
    }
}
