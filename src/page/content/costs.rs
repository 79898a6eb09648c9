//! Costs by service, by account, and what commitments did.

use std::collections::BTreeMap;

use super::{Matrix, columns, least_wanted, note, records, slug};
use crate::{
    measure::units::Usd,
    money::coverage::{CommitmentMonth, CommitmentUse, Coverage},
    page::{
        Cell, Chart, Column, Figure, Importance, Kind, Row, Section, Series, Table, Tied, Unit,
    },
    plan::{Driver, Plan},
};

/// Services with a band of their own in the chart; the rest is one band.
const BANDS: usize = 7;

/// By service over time: all accounts, then each.
pub(super) fn by_service(plan: &Plan) -> Section {
    let all = matrix(plan, None);
    let names = ("cost-by-service", "Cost by service, all accounts");
    let mut tables = vec![all.table(plan, names, plan.cost)];
    if plan.accounts.len() > 1 {
        for (place, account) in plan.accounts.iter().enumerate() {
            let id = format!("cost-by-service-{}", slug(&account.name));
            let title = format!("Cost by service, {}", account.name);
            let amount = plan.months.iter().map(|month| month.accounts[place].cost).sum();
            tables.push(matrix(plan, Some(place)).table(plan, (&id, &title), amount));
        }
    }
    let dearest: Vec<&str> = all.columns.iter().take(3).map(|(name, _)| &**name).collect();
    Section {
        id: "cost-by-service".into(),
        title: "Cost by service".into(),
        figures: vec![Figure {
            id: "cost-by-service".into(),
            title: format!("Monthly cost by service [{}]", plan.currency),
            alt: format!(
                "Stacked areas of the monthly cost by service; the most expensive are {}. The figures are in the table below.",
                dearest.join(", ")
            ),
            chart: Chart::Stacked {
                months: plan.months.iter().map(|month| month.month).collect(),
                series: bands(&all),
                unit: Unit::Usd,
            },
        }],
        tables: tables.into_iter().chain(largest(plan)).collect(),
        ..Section::default()
    }
}

/// Meters that cost most; none in a plan without any.
fn largest(plan: &Plan) -> Option<Table> {
    const MOST: usize = 10;
    let row = |driver: &Driver| {
        Row::new(vec![
            Cell::text(&driver.account),
            Cell::text(plan.short_name(&driver.service)),
            Cell::text(&driver.usage),
            Cell::Number(driver.share),
            Cell::Usd(driver.first_month),
            Cell::Usd(driver.last_month),
            Cell::Usd(driver.cost),
        ])
    };
    let names = columns(&[
        ("Account", Kind::Text),
        ("Service", Kind::Text),
        ("Usage", Kind::Text),
        ("Share", Kind::Share),
        ("First month", Kind::Usd),
        ("Last month", Kind::Usd),
        ("Total", Kind::Usd),
    ]);
    (!plan.drivers.is_empty()).then(|| Table {
        id: "largest-costs".into(),
        title: "Largest costs".into(),
        note: note(plan, "over the whole plan"),
        columns: least_wanted(names, &["First month", "Last month", "Share"]),
        rows: plan.drivers.iter().take(MOST).map(row).collect(),
        ..Table::default()
    })
}

fn matrix(plan: &Plan, account: Option<usize>) -> Matrix {
    let mut sums = BTreeMap::new();
    for (index, month) in plan.months.iter().enumerate() {
        for (place, own) in month.accounts.iter().enumerate() {
            if account.is_none_or(|account| account == place) {
                for (service, cost) in &own.services {
                    let name = plan.short_name(service);
                    Matrix::add(&mut sums, name, (index, plan.months.len()), *cost);
                }
            }
        }
    }
    Matrix::new(sums)
}

fn bands(all: &Matrix) -> Vec<Series> {
    let own = if all.columns.len() > BANDS + 1 { BANDS } else { all.columns.len() };
    let (own, rest) = all.columns.split_at(own);
    let values = |of: &dyn Fn(usize) -> Usd, months: usize| {
        (0..months).map(|month| Some(of(month).to_f64())).collect()
    };
    let mut series: Vec<Series> = own
        .iter()
        .map(|(name, costs)| Series {
            name: name.clone(),
            values: values(&|month| costs[month], costs.len()),
        })
        .collect();
    if let Some((_, first)) = rest.first() {
        let sum = |month: usize| rest.iter().map(|(_, costs)| costs[month]).sum::<Usd>();
        series.push(Series { name: "Other".into(), values: values(&sum, first.len()) });
    }
    series
}

/// Who causes what: accounts against services over the whole plan.
pub(super) fn showback(plan: &Plan) -> Section {
    let mut sums: BTreeMap<&str, Vec<Usd>> = BTreeMap::new();
    for month in &plan.months {
        for (place, account) in month.accounts.iter().enumerate() {
            for (service, cost) in &account.services {
                let own =
                    sums.entry(service).or_insert_with(|| vec![Usd::ZERO; plan.accounts.len()]);
                own[place] += *cost;
            }
        }
    }
    let mut services: Vec<(&str, Vec<Usd>)> = sums.into_iter().collect();
    let total = |own: &[Usd]| own.iter().copied().sum::<Usd>();
    services.sort_by(|a, b| total(&b.1).cmp(&total(&a.1)).then_with(|| a.0.cmp(b.0)));
    let mut names = vec![Column::new("Service", Kind::Text)];
    names.extend(plan.accounts.iter().map(|account| Column::new(&account.name, Kind::Usd)));
    names.extend([Column::new("Total", Kind::Usd), Column::new("Share", Kind::Share)]);
    let cells = |name: &str, own: &[Usd]| {
        let mut cells = vec![Cell::text(name)];
        cells.extend(own.iter().map(|cost| Cell::Usd(*cost)));
        cells.push(Cell::Usd(total(own)));
        let whole = plan.cost.to_f64();
        cells.push(Cell::maybe((whole != 0.0).then(|| total(own).to_f64() / whole)));
        cells
    };
    let mut rows: Vec<Row> =
        services.iter().map(|(name, own)| Row::new(cells(name, own))).collect();
    let accounts = (0..plan.accounts.len())
        .map(|place| services.iter().map(|(_, own)| own[place]).sum())
        .collect::<Vec<Usd>>();
    rows.push(Row::total(cells("Total", &accounts)));
    Section {
        id: "showback".into(),
        title: "Showback: account by service".into(),
        importance: Importance::Reference,
        tables: vec![Table {
            id: "showback".into(),
            title: "Cost over the whole plan by account and service".into(),
            note: note(plan, "over the whole plan"),
            ties: Some(Tied { column: names.len() - 2, amount: plan.cost }),
            columns: names,
            rows,
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// What commitments cost, covered and saved.
pub(super) fn commitments(plan: &Plan) -> Option<Section> {
    if plan.commitments.is_empty() {
        return None;
    }
    Some(Section {
        id: "commitments".into(),
        title: "Commitments".into(),
        text: vec![
            "Fees are amortized: an upfront payment is spread over the term. Savings are against on-demand prices, less the waste.".into(),
        ],
        tables: vec![uses(plan), coverage(plan)],
        ..Section::default()
    })
}

fn share(part: Usd, whole: Usd) -> Cell {
    Cell::maybe((whole != Usd::ZERO).then(|| part.to_f64() / whole.to_f64()))
}

fn uses(plan: &Plan) -> Table {
    let sum = |own: &CommitmentUse, of: fn(&CommitmentMonth) -> Usd| -> Usd {
        own.months.iter().map(of).sum()
    };
    let row = |own: &CommitmentUse| {
        let fee = sum(own, |month| month.fee);
        let (used, on_demand) = (sum(own, |month| month.used), sum(own, |month| month.on_demand));
        let saved = sum(own, CommitmentMonth::saved);
        Row::new(vec![
            Cell::text(&own.name),
            Cell::text(own.kind.title()),
            Cell::text(format!("{} {}", own.term.name(), own.payment.name())),
            Cell::Usd(fee),
            share(used, fee),
            Cell::Usd(sum(own, |month| month.unused)),
            Cell::Usd(on_demand),
            Cell::Usd(saved),
            share(saved, on_demand),
            Cell::Usd(sum(own, |month| month.cash)),
        ])
    };
    let names = columns(&[
        ("Commitment", Kind::Text),
        ("Kind", Kind::Text),
        ("Term", Kind::Text),
        ("Fee", Kind::Usd),
        ("Utilization", Kind::Share),
        ("Waste", Kind::Usd),
        ("On demand", Kind::Usd),
        ("Saved", Kind::Usd),
        ("Effective discount", Kind::Share),
        ("Cash paid", Kind::Usd),
    ]);
    Table {
        id: "commitments".into(),
        title: "Commitments over the plan".into(),
        note: note(plan, "over the whole plan"),
        columns: least_wanted(names, &["Kind", "Cash paid", "On demand", "Effective discount"]),
        rows: plan.commitments.iter().map(row).collect(),
        ..Table::default()
    }
}

fn coverage(plan: &Plan) -> Table {
    let mut sums: BTreeMap<(&str, &str), [Usd; 2]> = BTreeMap::new();
    for Coverage { account, service, eligible, covered, .. } in &plan.coverage {
        let own = sums.entry((account, service)).or_default();
        own[0] += *eligible;
        own[1] += *covered;
    }
    let row = |((account, service), [eligible, covered]): ((&str, &str), [Usd; 2])| {
        Row::new(vec![
            Cell::text(account),
            Cell::text(service),
            Cell::Usd(eligible),
            Cell::Usd(covered),
            share(covered, eligible),
        ])
    };
    Table {
        id: "coverage".into(),
        title: "Coverage: what commitments could cover, and covered".into(),
        note: note(plan, "over the whole plan, at on-demand prices"),
        columns: columns(&[
            ("Account", Kind::Text),
            ("Service", Kind::Text),
            ("Eligible", Kind::Usd),
            ("Covered", Kind::Usd),
            ("Coverage", Kind::Share),
        ]),
        rows: sums.into_iter().map(row).collect(),
        ..Table::default()
    }
}

/// `commitments.csv`: every commitment, month by month.
pub fn commitment_records(plan: &Plan) -> Table {
    let header = [
        "month",
        "commitment",
        "kind",
        "term",
        "payment",
        "account",
        "hours",
        "fee_usd",
        "used_usd",
        "unused_usd",
        "on_demand_usd",
        "saved_usd",
        "utilization",
        "cash_usd",
    ];
    let rows = plan.commitments.iter().flat_map(|own| {
        own.months.iter().map(move |month| {
            vec![
                month.month.to_string(),
                own.name.clone(),
                own.kind.title().to_owned(),
                own.term.name().to_owned(),
                own.payment.name().to_owned(),
                own.account.clone(),
                month.hours.to_string(),
                month.fee.to_string(),
                month.used.to_string(),
                month.unused.to_string(),
                month.on_demand.to_string(),
                month.saved().to_string(),
                month.utilization().map_or_else(String::new, |share| format!("{share:.6}")),
                month.cash.to_string(),
            ]
        })
    });
    records(&header, rows)
}
