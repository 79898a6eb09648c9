//! The plan as a distribution: monthly costs with their band, unit economics, budgets, what drives the spread.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{columns, note};
use crate::{
    bills::reconcile::Reconciliation,
    intent::budget::Period,
    measure::{calendar::Month, units::Usd},
    page::{Cell, Chart, Figure, Kind, Row, Section, Series, Table, Tied, Unit, number::grouped},
    plan::{
        Plan,
        spread::{Influence, Outlook, Quantiles, Spread},
    },
};

/// Monthly costs: billed, planned, and the band of the trials.
pub(super) fn monthly(plan: &Plan, done: Option<&Reconciliation>) -> Section {
    let months: Vec<Month> = plan.months.iter().map(|month| month.month).collect();
    let billed = billed(&months, done);
    let cut_off = months.iter().zip(&billed).rev().find(|(_, own)| own.is_some());
    let band = plan.spread.as_ref().map(|spread| {
        let of = |month: &crate::plan::spread::MonthSpread| month.cost.of;
        let three = |of: Quantiles<Usd>| [of.p10, of.p50, of.p90].map(Usd::to_f64);
        spread.months.iter().map(|month| three(of(month))).collect()
    });
    let words = match &plan.spread {
        Some(spread) => format!(
            "The band holds four in five of {} trials; the dashed line is the mid-value line.",
            grouped(f64::from(spread.trials), 0)
        ),
        None => "The mid-value line alone: this plan was made without trials.".into(),
    };
    let figure = Figure {
        id: "odds".into(),
        title: format!("Monthly cost and its odds [{}]", plan.currency),
        alt: alt(plan),
        chart: Chart::Fan {
            cut_off: cut_off.map(|(month, _)| *month),
            mid: plan.months.iter().map(|month| month.cost.to_f64()).collect(),
            band: band.unwrap_or_default(),
            limits: limits(plan),
            months,
            billed,
        },
    };
    Section {
        id: "odds".into(),
        title: "Monthly cost and its odds".into(),
        text: vec![words],
        figures: vec![figure],
        tables: vec![table(plan)],
        ..Section::default()
    }
}

fn alt(plan: &Plan) -> String {
    let (Some(first), Some(last)) = (plan.months.first(), plan.months.last()) else {
        return "A plan without months.".into();
    };
    let dollars = |cost: Usd| grouped(cost.to_f64(), 0);
    let mut text = format!(
        "Monthly cost from ${} in {} to ${} in {} on the mid-value line",
        dollars(first.cost),
        first.month,
        dollars(last.cost),
        last.month
    );
    if let Some(last) = plan.spread.as_ref().and_then(|spread| spread.months.last()) {
        let of = last.cost.of;
        let _ = write!(
            text,
            "; in the last month one trial in ten is below ${}, one in ten above ${}",
            dollars(of.p10),
            dollars(of.p90)
        );
    }
    text + "."
}

/// What was billed in months that were compared in whole; a part of a month is no month.
fn billed(months: &[Month], done: Option<&Reconciliation>) -> Vec<Option<f64>> {
    let Some(done) = done else { return Vec::new() };
    let mut sums: BTreeMap<Month, Usd> = BTreeMap::new();
    for cell in &done.cells {
        *sums.entry(cell.month).or_default() += cell.billed.cost;
    }
    let whole =
        |month: &Month| done.months.iter().any(|own| own.month == *month && own.share >= 1.0);
    let of = |month: &Month| sums.get(month).filter(|_| whole(month)).map(|cost| cost.to_f64());
    months.iter().map(of).collect()
}

fn limits(plan: &Plan) -> Vec<(String, f64)> {
    let budgets = plan.spread.iter().flat_map(|spread| &spread.budgets);
    let monthly = budgets.filter(|own| own.period == Period::Monthly && own.counts_all());
    monthly.map(|own| (own.name.clone(), own.amount)).collect()
}

fn table(plan: &Plan) -> Table {
    let Some(spread) = &plan.spread else {
        let row = |month: &crate::plan::MonthPlan| {
            Row::new(vec![
                Cell::Month(month.month),
                Cell::Number(month.users),
                Cell::Usd(month.cost),
            ])
        };
        let mut rows: Vec<Row> = plan.months.iter().map(row).collect();
        rows.push(Row::total(vec![Cell::text("Total"), Cell::Empty, Cell::Usd(plan.cost)]));
        return Table {
            id: "monthly".into(),
            title: "Monthly cost".into(),
            note: note(plan, "by month"),
            columns: columns(&[
                ("Month", Kind::Month),
                ("Users", Kind::Number(0)),
                ("Cost", Kind::Usd),
            ]),
            rows,
            ties: Some(Tied { column: 2, amount: plan.cost }),
        };
    };
    let costs = |own: &crate::plan::spread::Costs| {
        let of = own.of;
        let errors = own.standard_errors;
        let amounts =
            [of.mid, of.p10, of.p50, of.p90, of.mean, errors[0], errors[1], errors[2], errors[3]];
        amounts.map(Cell::Usd)
    };
    let row = |month: &crate::plan::spread::MonthSpread| {
        let mut cells = vec![Cell::Month(month.month), Cell::Number(month.users.p50)];
        cells.extend(costs(&month.cost));
        Row::new(cells)
    };
    let mut rows: Vec<Row> = spread.months.iter().map(row).collect();
    let mut cells = vec![Cell::text("Total"), Cell::Empty];
    cells.extend(costs(&spread.total));
    rows.push(Row::total(cells));
    Table {
        id: "monthly".into(),
        title: "Monthly cost: mid-value line and quantiles of the trials".into(),
        note: note(
            plan,
            "by month; ± are standard errors; quantiles of the total are those of the trials' totals, not sums",
        ),
        columns: columns(&[
            ("Month", Kind::Month),
            ("Users P50", Kind::Number(0)),
            ("Mid line", Kind::Usd),
            ("P10", Kind::Dollars),
            ("P50", Kind::Dollars),
            ("P90", Kind::Dollars),
            ("Mean", Kind::Dollars),
            ("± P10", Kind::Dollars),
            ("± P50", Kind::Dollars),
            ("± P90", Kind::Dollars),
            ("± mean", Kind::Dollars),
        ]),
        rows,
        ties: Some(Tied { column: 2, amount: plan.cost }),
    }
}

/// What a user and a request cost.
pub(super) fn units(plan: &Plan, spread: &Spread) -> Section {
    let months = spread.units.iter().map(|unit| unit.month).collect();
    let series = |name: &str, of: &dyn Fn(&crate::plan::spread::Unit) -> Option<f64>| Series {
        name: name.into(),
        values: spread.units.iter().map(of).collect(),
    };
    let margin = spread.units.iter().any(|unit| unit.gross_margin.is_some());
    let mut names = vec![
        ("Month", Kind::Month),
        ("Per user P10", Kind::SmallUsd),
        ("Per user P50", Kind::SmallUsd),
        ("Per user P90", Kind::SmallUsd),
        ("One more user", Kind::SmallUsd),
        ("Per million requests P50", Kind::Usd),
    ];
    if margin {
        names.extend([
            ("Gross margin P10", Kind::Share),
            ("Gross margin P50", Kind::Share),
            ("Gross margin P90", Kind::Share),
        ]);
    }
    let row = |unit: &crate::plan::spread::Unit| {
        let user = unit.per_user;
        let mut cells = vec![Cell::Month(unit.month)];
        cells.extend([user.p10, user.p50, user.p90].map(Cell::Number));
        cells.push(Cell::maybe(unit.marginal_per_user));
        cells.push(Cell::Number(unit.per_million_requests.p50));
        if margin {
            let of = unit.gross_margin;
            cells
                .extend([of.map(|m| m.p10), of.map(|m| m.p50), of.map(|m| m.p90)].map(Cell::maybe));
        }
        Row::new(cells)
    };
    Section {
        id: "unit-economics".into(),
        title: "Unit economics".into(),
        text: vec!["What a monthly user costs on average, and what one more would add on the mid-value line.".into()],
        figures: vec![Figure {
            id: "unit-economics".into(),
            title: format!("Cost of a monthly user [{}]", plan.currency),
            alt: "Lines of the average cost of a user and of the cost of one more user by month.".into(),
            chart: Chart::Lines {
                months,
                series: vec![
                    series("Average, P50", &|unit| Some(unit.per_user.p50)),
                    series("One more user", &|unit| unit.marginal_per_user),
                ],
                unit: Unit::Usd,
            },
        }],
        tables: vec![Table {
            id: "unit-economics".into(),
            title: "Cost of a user and of a million requests".into(),
            note: note(plan, "a month"),
            columns: columns(&names),
            rows: spread.units.iter().map(row).collect(),
            ties: None,
        }],
        ..Section::default()
    }
}

/// The chance of breaking each budget.
pub(super) fn budgets(plan: &Plan, spread: &Spread) -> Option<Section> {
    if spread.budgets.is_empty() {
        return None;
    }
    let months: Vec<Month> = plan.months.iter().map(|month| month.month).collect();
    let line = |own: &Outlook| {
        let by: BTreeMap<Month, f64> = own.by_month.iter().copied().collect();
        Series {
            name: own.name.clone(),
            values: months.iter().map(|month| by.get(month).copied()).collect(),
        }
    };
    Some(Section {
        id: "budgets".into(),
        title: "Budgets and their odds".into(),
        points: spread.budgets.iter().filter_map(moves).collect(),
        figures: vec![Figure {
            id: "budgets".into(),
            title: "Chance that a budget has broken by the end of a month".into(),
            alt: "Lines of the chance of having broken each budget by month; the figures are in the table below.".into(),
            chart: Chart::Lines {
                series: spread.budgets.iter().map(line).collect(),
                months,
                unit: Unit::Share,
            },
        }],
        tables: vec![budget_table(plan, spread)],
        ..Section::default()
    })
}

/// What would move a budget's chance most.
fn moves(own: &Outlook) -> Option<String> {
    let change = own.change.as_ref()?;
    let side = if change.end == "low" { "at or below" } else { "at or above" };
    Some(format!(
        "{}: it breaks in {:.0} % of all trials; of {} in which {} is {side} {}, in {:.0} % (± {:.0} %)",
        own.name,
        own.probability * 100.0,
        change.trials,
        change.input,
        crate::page::number::figures(change.bound),
        change.probability * 100.0,
        change.standard_error() * 100.0
    ))
}

fn budget_table(plan: &Plan, spread: &Spread) -> Table {
    let month = |month: Option<Month>| month.map_or(Cell::Empty, Cell::Month);
    let row = |own: &Outlook| {
        let breaks = own.breaks.map(|three| three.map(Some)).unwrap_or_default();
        Row::new(vec![
            Cell::text(&own.name),
            Cell::text(format!("{:?}", own.period).to_lowercase()),
            Cell::text(own.counts()),
            Cell::Number(own.amount),
            Cell::Number(own.probability),
            Cell::Number(own.standard_error),
            month(breaks[0]),
            month(breaks[1]),
            month(breaks[2]),
            own.mid_breaks.map_or(Cell::text("keeps it"), Cell::Month),
        ])
    };
    Table {
        id: "budgets".into(),
        title: "Chance of breaking each budget within the plan".into(),
        note: note(
            plan,
            "amounts; months are those by which a tenth, half and nine tenths of the trials that break it have",
        ),
        columns: columns(&[
            ("Budget", Kind::Text),
            ("Period", Kind::Text),
            ("Account", Kind::Text),
            ("Amount", Kind::Usd),
            ("Breaks in", Kind::Share),
            ("± standard error", Kind::Share),
            ("Early", Kind::Month),
            ("Median", Kind::Month),
            ("Late", Kind::Month),
            ("Mid line breaks", Kind::Month),
        ]),
        rows: spread.budgets.iter().map(row).collect(),
        ties: None,
    }
}

/// What drives the spread: a tornado.
pub(super) fn drivers(plan: &Plan, spread: &Spread) -> Option<Section> {
    if spread.influences.is_empty() {
        return None;
    }
    let bar = |own: &Influence| {
        (own.input.clone(), own.share, own.low.cost.to_f64(), own.high.cost.to_f64())
    };
    let row = |own: &Influence| {
        Row::new(vec![
            Cell::text(&own.input),
            Cell::Number(own.share),
            Cell::Number(own.low.value),
            Cell::Usd(own.low.cost),
            Cell::Number(own.high.value),
            Cell::Usd(own.high.cost),
        ])
    };
    let mut rows: Vec<Row> = spread.influences.iter().map(row).collect();
    let rest = "not attributed: luck, what inputs do together, error of the estimate";
    let mut last = vec![Cell::text(rest), Cell::Number(spread.rest)];
    last.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
    rows.push(Row::new(last));
    Some(Section {
        id: "drivers".into(),
        title: "What drives the spread".into(),
        text: vec!["Each bar runs from the mean cost of the plan where the input is in its lowest fifth to the mean where it is in its highest. Its share is how much of the variance goes with it alone (first-order Sobol index, from the same trials); with few trials small shares cannot be told from none.".into()],
        figures: vec![Figure {
            id: "drivers".into(),
            title: format!("Cost of the whole plan by input, low to high [{}]", plan.currency),
            alt: format!(
                "Bars of the mean cost at the low and high end of each input; the first is {}.",
                spread.influences[0].input
            ),
            chart: Chart::Tornado {
                center: spread.total.of.mean.to_f64(),
                bars: spread.influences.iter().map(bar).collect(),
            },
        }],
        tables: vec![Table {
            id: "drivers".into(),
            title: "Share of the variance of the plan's cost by input".into(),
            note: note(plan, "over the whole plan"),
            columns: columns(&[
                ("Input", Kind::Text),
                ("Share", Kind::Share),
                ("Mean of lowest fifth", Kind::Quantity),
                ("Cost at lowest", Kind::Usd),
                ("Mean of highest fifth", Kind::Quantity),
                ("Cost at highest", Kind::Usd),
            ]),
            rows,
            ties: None,
        }],
        ..Section::default()
    })
}
