//! Two scenarios or plans side by side: the difference by cause, by month and by service, and whether it holds.

use super::{columns, least_wanted, records};
use crate::{
    advice::compare::{Compared, Line, Odds, Risk},
    measure::units::Usd,
    page::{
        Cell, Chart, Fact, Figure, Importance, Kind, Meaning, Page, Row, Section, Series, Table,
        Unit,
        number::{in_dollars, money, percent},
    },
};

/// Causes with a bar of their own; the rest is one bar.
const BARS: usize = 15;

/// The whole page.
pub fn page(done: &Compared) -> Page {
    let mut page = Page {
        title: format!("B ({}) against A ({})", done.b, done.a),
        currency: "USD".into(),
        cost_metric: "over the whole plan".into(),
        headline: headline(done),
        sections: vec![causes(done), risks(done), services(done)],
        records: Some(steps(done)),
        ..Page::default()
    };
    page.sections.retain(|section| !section.tables.is_empty());
    page.without_turns();
    page
}

fn headline(done: &Compared) -> Vec<Fact> {
    let fact = |label: &str, value: Cell, note: String| Fact {
        label: label.into(),
        value,
        note,
        ..Fact::default()
    };
    let share = done.share().map(|share| format!("{} of A", signed_percent(share)));
    let mut facts = vec![
        fact("A", Cell::Usd(done.total_a), done.a.clone()),
        fact("B", Cell::Usd(done.total_b), done.b.clone()),
        fact("B − A", Cell::Usd(done.difference()), share.unwrap_or_default()),
    ];
    facts.extend(done.odds.as_ref().map(|odds| chance(odds, &fact)));
    facts
}

fn chance(odds: &Odds, fact: &dyn Fn(&str, Cell, String) -> Fact) -> Fact {
    let [p10, p50, p90, mean] = odds.difference.map(|value| in_dollars(value, 0));
    let note = format!(
        "of {} trials (± {}); B − A: P10 {p10}, P50 {p50}, P90 {p90}, mean {mean}",
        odds.trials,
        percent(odds.standard_error)
    );
    let meaning = if odds.b_cheaper > 0.5 { Meaning::Good } else { Meaning::Caution };
    Fact {
        meaning: Some(meaning),
        ..fact("B is cheaper in", Cell::text(percent(odds.b_cheaper)), note)
    }
}

/// A share with its sign.
fn signed_percent(share: f64) -> String {
    let sign = if share > 0.0 { "+" } else { "" };
    format!("{sign}{}", percent(share))
}

fn causes(done: &Compared) -> Section {
    let (shown, rest) = done.steps.split_at(done.steps.len().min(BARS));
    let mut bars: Vec<(String, f64)> =
        shown.iter().map(|step| (step.cause.clone(), step.change.to_f64())).collect();
    if !rest.is_empty() {
        let sum: Usd = rest.iter().map(|step| step.change).sum();
        bars.push((format!("{} more", rest.len()), sum.to_f64()));
    }
    let mut reached = done.total_a;
    let rows = done.steps.iter().map(|step| {
        reached += step.change;
        Row::new(vec![Cell::text(&step.cause), Cell::Usd(step.change), Cell::Usd(reached)])
    });
    Section {
        id: "causes".into(),
        title: "From A to B by cause".into(),
        points: done.notes.clone(),
        figures: vec![Figure {
            id: "causes".into(),
            title: "Cost of A, what each cause changes, cost of B [USD]".into(),
            alt: format!(
                "A waterfall from {} to {}; the figures are in the table below.",
                money(done.total_a),
                money(done.total_b)
            ),
            chart: Chart::Waterfall {
                from: ("A".into(), done.total_a.to_f64()),
                steps: bars,
                to: ("B".into(), done.total_b.to_f64()),
            },
        }],
        tables: vec![Table {
            id: "causes".into(),
            title: "Change of the cost by cause".into(),
            note: "USD".into(),
            // A terminal prints them as bars.
            importance: Importance::Reference,
            columns: columns(&[
                ("Cause", Kind::Text),
                ("Change", Kind::Usd),
                ("Reached", Kind::Usd),
            ]),
            rows: rows.collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// Risk beside cost.
fn risks(done: &Compared) -> Section {
    let row = |own: &Risk| {
        let numbers = [own.a, own.b, own.b - own.a].map(Cell::Number);
        Row::new(
            [Cell::text(&own.account), Cell::text(&own.term)].into_iter().chain(numbers).collect(),
        )
    };
    let table = Table {
        id: "risk".into(),
        title: "Risk of each account in the mid case".into(),
        note: "workloads added up; mean over the months of the plan, the worst minute of all"
            .into(),
        columns: columns(&[
            ("Account", Kind::Text),
            ("Risk", Kind::Text),
            ("A", Kind::Number(1)),
            ("B", Kind::Number(1)),
            ("B − A", Kind::Number(1)),
        ]),
        rows: done.risks.iter().map(row).collect(),
        ..Table::default()
    };
    Section {
        id: "risk".into(),
        title: "Risk".into(),
        tables: [table].into_iter().filter(|table| !table.rows.is_empty()).collect(),
        ..Section::default()
    }
}

fn services(done: &Compared) -> Section {
    let differs = |line: &&Line| line.a != line.b;
    let row = |line: &Line| {
        Row::new(vec![
            Cell::text(&line.account),
            Cell::text(&line.service),
            Cell::Usd(line.a),
            Cell::Usd(line.b),
            Cell::Usd(line.b - line.a),
        ])
    };
    let month = |(month, a, b): &(crate::measure::calendar::Month, Usd, Usd)| {
        Row::new(vec![Cell::Month(*month), Cell::Usd(*a), Cell::Usd(*b), Cell::Usd(*b - *a)])
    };
    let by_service = columns(&[
        ("Account", Kind::Text),
        ("Service", Kind::Text),
        ("A", Kind::Dollars),
        ("B", Kind::Dollars),
        ("B − A", Kind::Dollars),
    ]);
    let tables = [
        Table {
            id: "differences".into(),
            title: "Cost by account and service, where it differs".into(),
            note: "USD over the whole plan, the greatest difference first".into(),
            columns: least_wanted(by_service, &["A", "B"]),
            rows: done.lines.iter().filter(differs).map(row).collect(),
            ..Table::default()
        },
        Table {
            id: "months".into(),
            title: "Cost by month".into(),
            note: "USD".into(),
            importance: Importance::Reference,
            columns: columns(&[
                ("Month", Kind::Month),
                ("A", Kind::Usd),
                ("B", Kind::Usd),
                ("B − A", Kind::Usd),
            ]),
            rows: done.months.iter().map(month).collect(),
            ..Table::default()
        },
    ];
    Section {
        id: "differences".into(),
        title: "Where A and B differ".into(),
        figures: vec![by_month(done)],
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        ..Section::default()
    }
}

fn by_month(done: &Compared) -> Figure {
    let series = |name: &str, of: fn(&(crate::measure::calendar::Month, Usd, Usd)) -> Usd| Series {
        name: name.into(),
        values: done.months.iter().map(|month| Some(of(month).to_f64())).collect(),
    };
    Figure {
        id: "months".into(),
        title: "Monthly cost of A and B [USD]".into(),
        alt: "Lines of the monthly cost of A and of B.".into(),
        chart: Chart::Lines {
            months: done.months.iter().map(|(month, ..)| *month).collect(),
            series: vec![series("A", |month| month.1), series("B", |month| month.2)],
            unit: Unit::Usd,
        },
    }
}

/// The waterfall.
fn steps(done: &Compared) -> Table {
    let mut reached = done.total_a;
    let mut rows = vec![vec!["A".to_owned(), String::new(), reached.to_string()]];
    for step in &done.steps {
        reached += step.change;
        rows.push(vec![step.cause.clone(), step.change.to_string(), reached.to_string()]);
    }
    rows.push(vec!["B".to_owned(), String::new(), done.total_b.to_string()]);
    records(&["cause", "change_usd", "reached_usd"], rows.into_iter())
}

/// One line for a B that costs more than is allowed.
pub fn exceeded(done: &Compared, most: f64) -> String {
    let share = done.share().map_or_else(String::new, |share| format!(" ({})", percent(share)));
    format!(
        "{} costs {}{share} more than {}; at most {} is allowed",
        done.b,
        money(done.difference()),
        done.a,
        percent(most)
    )
}
