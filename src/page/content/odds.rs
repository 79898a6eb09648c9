//! The plan as a distribution: monthly costs with P10 to P90, unit economics, budgets, cost drivers.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{columns, least_wanted, note, records};
use crate::{
    bills::reconcile::Reconciliation,
    intent::budget::Period,
    measure::{
        calendar::Month,
        units::{Usd, count},
    },
    page::{
        Cell, Chart, Figure, Importance, Kind, Meaning, Row, Section, Series, Table, Tied, Unit,
        number::{figures, grouped, percent},
    },
    plan::{
        Plan,
        spread::{Influence, Outlook, Quantiles, Spread},
    },
};

/// Monthly costs: billed, planned, and P10 to P90 of the trials.
pub(super) fn monthly(plan: &Plan, done: Option<&Reconciliation>) -> Section {
    let months: Vec<Month> = plan.months.iter().map(|month| month.month).collect();
    let billed = billed(&months, done);
    let cut_off = months.iter().zip(&billed).rev().find(|(_, own)| own.is_some());
    let band = plan.spread.as_ref().map(|spread| {
        let of = |month: &crate::plan::spread::MonthSpread| month.cost.of;
        let three = |of: Quantiles<Usd>| [of.p10, of.p50, of.p90].map(Usd::to_f64);
        spread.months.iter().map(|month| three(of(month))).collect()
    });
    let mut text = Vec::new();
    match &plan.spread {
        Some(spread) => {
            text.push(format!(
                "P10, P50 and P90 of {} trials, and the mid case: four in five trials lie between P10 and P90.",
                grouped(f64::from(spread.trials), 0)
            ));
            text.extend(spread.note.clone());
        }
        None => text.push("The mid case only: this plan has no trials.".into()),
    }
    text.extend(plan.fit.as_ref().map(|fit| {
        format!(
            "Growth is fitted to {} figures: {}; R² {:.3}, mean error {:.1} %, curve {:+.1} % off the last figure.",
            fit.points, fit.law, fit.r_squared, fit.mape_percent, fit.last_error_percent
        )
    }));
    let figure = Figure {
        id: "odds".into(),
        title: format!("Monthly cost, mid case and P10 to P90 [{}]", plan.currency),
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
        title: "Monthly cost".into(),
        text,
        figures: vec![figure],
        tables: std::iter::once(table(plan)).chain(services(plan)).collect(),
        ..Section::default()
    }
}

fn alt(plan: &Plan) -> String {
    let (Some(first), Some(last)) = (plan.months.first(), plan.months.last()) else {
        return "A plan without months.".into();
    };
    let dollars = |cost: Usd| grouped(cost.to_f64(), 0);
    let mut text = format!(
        "Monthly cost from ${} in {} to ${} in {} in the mid case",
        dollars(first.cost),
        first.month,
        dollars(last.cost),
        last.month
    );
    if let Some(last) = plan.spread.as_ref().and_then(|spread| spread.months.last()) {
        let of = last.cost.of;
        let _ = write!(
            text,
            "; P10 to P90 of the last month is ${} to ${}",
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
            ..Table::default()
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
    let names = columns(&[
        ("Month", Kind::Month),
        ("Users P50", Kind::Number(0)),
        ("Mid case", Kind::Usd),
        ("P10", Kind::Dollars),
        ("P50", Kind::Dollars),
        ("P90", Kind::Dollars),
        ("Mean", Kind::Dollars),
        ("± P10", Kind::Dollars),
        ("± P50", Kind::Dollars),
        ("± P90", Kind::Dollars),
        ("± mean", Kind::Dollars),
    ]);
    let less = ["± mean", "± P50", "± P10", "± P90", "Mean", "Users P50"];
    Table {
        id: "monthly".into(),
        title: "Monthly cost: mid case and quantiles of the trials".into(),
        note: note(
            plan,
            "by month; ± are standard errors; quantiles of the total are those of the trials' totals, not sums",
        ),
        columns: least_wanted(names, &less),
        rows,
        ties: Some(Tied { column: 2, amount: plan.cost }),
        ..Table::default()
    }
}

/// The last month by account and service; none without trials.
fn services(plan: &Plan) -> Option<Table> {
    let last = plan.spread.as_ref()?.months.last()?;
    let cells = |account: &str, service: &str, of: &Quantiles<Usd>| {
        let mut cells = vec![Cell::text(account), Cell::text(service)];
        cells.extend([of.mid, of.p10, of.p50, of.p90, of.mean].map(Cell::Usd));
        cells
    };
    let mut rows = Vec::new();
    for account in &last.accounts {
        let mut all: Vec<(&String, &Quantiles<Usd>)> = account.services.iter().collect();
        all.sort_by(|a, b| b.1.p50.cmp(&a.1.p50).then_with(|| a.0.cmp(b.0)));
        let costs = all.into_iter().filter(|(_, of)| of.p90 > Usd::ZERO);
        rows.extend(
            costs.map(|(service, of)| {
                Row::new(cells(&account.account, plan.short_name(service), of))
            }),
        );
        rows.push(Row::total(cells(&account.account, "all", &account.cost.of)));
    }
    Some(Table {
        id: "last-month".into(),
        title: format!("Cost of {} by account and service", last.month),
        note: note(plan, "mid case and quantiles of the trials"),
        columns: columns(&[
            ("Account", Kind::Text),
            ("Service", Kind::Text),
            ("Mid case", Kind::Dollars),
            ("P10", Kind::Dollars),
            ("P50", Kind::Dollars),
            ("P90", Kind::Dollars),
            ("Mean", Kind::Dollars),
        ]),
        rows,
        ..Table::default()
    })
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
    let less =
        ["Gross margin P10", "Gross margin P90", "Per user P10", "Per user P90", "One more user"];
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
        text: vec![
            "Average cost of a monthly user, and what one more adds in the mid case.".into(),
        ],
        figures: vec![Figure {
            id: "unit-economics".into(),
            title: format!("Cost of a monthly user [{}]", plan.currency),
            alt: "Lines of the average cost of a user and of the cost of one more user, by month."
                .into(),
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
            columns: least_wanted(columns(&names), &less),
            rows: spread.units.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// The chance of exceeding each budget.
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
        title: "Budgets".into(),
        importance: Importance::Key,
        points: spread.budgets.iter().map(outlook).collect(),
        figures: vec![Figure {
            id: "budgets".into(),
            title: "Probability that a budget is exceeded by the end of a month".into(),
            alt: "Lines of the probability that each budget is exceeded, by month; the figures are in the table below.".into(),
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

/// A budget in words: how likely it is exceeded, when, and what would change that most.
fn outlook(own: &Outlook) -> String {
    let mut text = format!(
        "{} (${} {}, {}): exceeded in {} of trials (± {})",
        own.name,
        grouped(own.amount, 0),
        period(own),
        own.counts(),
        percent(own.probability),
        percent(own.standard_error)
    );
    match own.exceeded_by {
        Some([early, middle, late]) if early < late => {
            let _ = write!(text, ", usually by {middle} ({early} to {late})");
        }
        Some([_, middle, _]) => {
            let _ = write!(text, ", in {middle}");
        }
        None => {}
    }
    let _ = match own.mid_case_exceeds_in {
        Some(month) => write!(text, ". The mid case exceeds it in {month}."),
        None => write!(text, ". The mid case stays within it."),
    };
    if let Some(change) = &own.change {
        let side = if change.end == "low" { "at or below" } else { "at or above" };
        let _ = write!(
            text,
            " Biggest lever: with {} {side} {} it is exceeded in {} of {} (± {}).",
            change.input,
            figures(change.bound),
            percent(change.probability),
            count(change.trials as usize, "trial"),
            percent(change.standard_error())
        );
    }
    text
}

fn period(own: &Outlook) -> String {
    format!("{:?}", own.period).to_lowercase()
}

fn budget_table(plan: &Plan, spread: &Spread) -> Table {
    const PROBABILITY: usize = 4;
    let month = |month: Option<Month>| month.map_or(Cell::Empty, Cell::Month);
    let row = |own: &Outlook| {
        let by = own.exceeded_by.map(|three| three.map(Some)).unwrap_or_default();
        // One in ten is what P10 to P90 leaves out on one side; more likely than not is bad news.
        let meaning = match own.probability {
            p if p > 0.5 => Meaning::Bad,
            p if p > 0.1 => Meaning::Caution,
            _ => Meaning::Good,
        };
        Row::new(vec![
            Cell::text(&own.name),
            Cell::text(period(own)),
            Cell::text(own.counts()),
            Cell::Number(own.amount),
            Cell::Number(own.probability),
            Cell::Number(own.standard_error),
            month(by[0]),
            month(by[1]),
            month(by[2]),
            own.mid_case_exceeds_in.map_or(Cell::text("within it"), Cell::Month),
        ])
        .marked(PROBABILITY, meaning)
    };
    let names = columns(&[
        ("Budget", Kind::Text),
        ("Period", Kind::Text),
        ("Account", Kind::Text),
        ("Amount", Kind::Usd),
        ("Exceeded in", Kind::Share),
        ("± standard error", Kind::Share),
        ("P10", Kind::Month),
        ("P50", Kind::Month),
        ("P90", Kind::Month),
        ("Mid case", Kind::Month),
    ]);
    Table {
        id: "budgets".into(),
        title: "Probability of exceeding each budget within the plan".into(),
        note: note(
            plan,
            "share of trials; months by which a tenth, half and nine tenths of the trials that exceed it have",
        ),
        importance: Importance::Key,
        columns: least_wanted(names, &["Period", "Account", "P90", "P10", "± standard error"]),
        rows: spread.budgets.iter().map(row).collect(),
        ..Table::default()
    }
}

/// One line for a budget that is exceeded in more trials than are allowed.
pub fn exceeded(own: &Outlook, most: f64) -> String {
    format!(
        "budget {:?} (${}) is exceeded in {} of trials, more than {}",
        own.name,
        grouped(own.amount, 0),
        percent(own.probability),
        percent(most)
    )
}

/// The inputs that drive the cost: a tornado.
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
    let unexplained = "unexplained (chance, interactions)";
    let mut last = vec![Cell::text(unexplained), Cell::Number(spread.unexplained)];
    last.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
    rows.push(Row::new(last));
    Some(Section {
        id: "drivers".into(),
        title: "Cost drivers".into(),
        text: vec!["Each input with the mean cost of the plan where it is in its lowest and in its highest fifth. Its share is the part of the variance that goes with it alone (first-order Sobol index of the same trials); with few trials, small shares cannot be told from zero.".into()],
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
            title: "Share of the variance of the plan's cost, by input".into(),
            note: note(plan, "over the whole plan"),
            columns: columns(&[
                ("Input", Kind::Text),
                ("Share", Kind::Share),
                ("Lowest fifth", Kind::Estimate),
                ("Cost at lowest", Kind::Dollars),
                ("Highest fifth", Kind::Estimate),
                ("Cost at highest", Kind::Dollars),
            ]),
            rows,
            ..Table::default()
        }],
        ..Section::default()
    })
}

/// `spread.csv`: quantiles by month, account and service.
pub fn spread_records(spread: &Spread) -> Table {
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
    records(&header, rows.into_iter())
}
