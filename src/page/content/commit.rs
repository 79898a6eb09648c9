//! Recommended commitments: what to buy when, what it saves, and how sure that is.

use super::{columns, least_wanted, records};
use crate::{
    advice::commit::{
        Advice, Advised, BelowSpot, ClassMove, LadderMonth, Product, Purchase, Rejected, Together,
    },
    intent::commitment::Commitment,
    page::{
        Cell, Fact, Kind, Meaning, Page, Row, Section, Table,
        number::{in_dollars, percent, quantity},
    },
};

/// The whole page.
pub fn page(advised: &Advised) -> Page {
    let [first, last] = advised.months;
    let mut sections = vec![recommendation(advised)];
    sections.extend(advised.recommended.as_ref().map(|all| by_month(&all.months)));
    sections.extend(advised.class_move.as_ref().map(class_move));
    sections.extend(products(&advised.products));
    sections.extend(rejected(&advised.rejected));
    sections.extend(below_spot(&advised.below_spot));
    let mut page = Page {
        title: format!("Recommended commitments, {first} to {last}"),
        cost_metric: format!(
            "over the terms, against the plan without them; {} trials, least expected regret",
            advised.trials
        ),
        currency: "USD".into(),
        headline: advised.recommended.as_ref().map(headline).unwrap_or_default(),
        sections,
        records: Some(purchases(advised)),
        ..Page::default()
    };
    page.without_turns();
    page
}

/// What all that is recommended saves together.
fn headline(all: &Together) -> Vec<Fact> {
    let fact = |label: &str, value: f64, note: String| Fact {
        label: label.into(),
        value: Cell::text(in_dollars(value, 0)),
        note,
        meaning: Some(if value >= 0.0 { Meaning::Good } else { Meaning::Caution }),
    };
    let mean = format!("mean of the trials, {} of it within the plan", in_dollars(all.in_plan, 0));
    let worst = match all.worst_loss {
        0.0 => "no trial loses money".to_owned(),
        loss => format!("the worst loses {}", in_dollars(loss, 0)),
    };
    vec![
        fact("Likely saving", all.saving.mean, mean),
        fact("Low saving", all.saving.p10, "P10 of the trials".into()),
        fact("High saving", all.saving.p90, "P90 of the trials".into()),
        Fact {
            label: "Chance of a loss".into(),
            value: Cell::text(percent(all.loses)),
            note: worst,
            meaning: Some(if all.loses > 0.0 { Meaning::Caution } else { Meaning::Good }),
        },
        Fact {
            label: "Paid back".into(),
            value: Cell::text(
                all.payback.map_or_else(|| "not within the terms".into(), |own| own.to_string()),
            ),
            note: format!(
                "fees of {} over the terms, {} used",
                in_dollars(all.fees, 0),
                percent(all.utilization)
            ),
            meaning: None,
        },
    ]
}

fn recommendation(advised: &Advised) -> Section {
    let mut text = Vec::new();
    if let Some(why) = &advised.why_nothing {
        text.push(format!("Recommended: nothing. {why}"));
    }
    if advised.products.is_empty() && advised.rejected.is_empty() {
        text.push("--discount compute-savings-plan=27% evaluates an offering at the discount that AWS quotes.".into());
    }
    let recommended = advised.products.iter().filter(|own| own.recommended);
    let mut all: Vec<(&Advice, &Purchase)> =
        recommended.flat_map(|own| own.ladder.iter().map(move |buy| (own, buy))).collect();
    all.sort_by_key(|(_, buy)| buy.month);
    let row = |(own, purchase): &(&Advice, &Purchase)| {
        let mut cells = vec![Cell::Month(purchase.month)];
        cells.extend(product(&own.product));
        cells.push(Cell::text(size(own, purchase.size)));
        cells.extend([purchase.upfront, purchase.fee].map(Cell::Number));
        Row::new(cells)
    };
    let names = columns(
        &[
            &[("Month", Kind::Month)][..],
            &PRODUCT,
            &[("Buy", Kind::Text), ("Upfront", Kind::Dollars), ("Fee", Kind::Dollars)],
        ]
        .concat(),
    );
    let purchases = Table {
        id: "purchases".into(),
        title: "What to buy".into(),
        note: "USD over the term".into(),
        columns: least_wanted(names, &["Upfront", "Region", "Account"]),
        rows: all.iter().map(row).collect(),
        ..Table::default()
    };
    Section {
        id: "recommended".into(),
        title: "Recommended commitments".into(),
        text,
        points: advised.notes.clone(),
        tables: if purchases.rows.is_empty() { Vec::new() } else { vec![purchases] },
        ..Section::default()
    }
}

/// What the purchases cost and save by month.
fn by_month(months: &[LadderMonth]) -> Section {
    let bought = months.iter().skip_while(|own| own.upfront <= 0.0 && own.recurring <= 0.0);
    let share = |share: Option<f64>| share.map_or_else(|| Cell::text("-"), Cell::Number);
    let row = |own: &LadderMonth| {
        let mut cells = vec![Cell::Month(own.month)];
        cells.extend(
            [own.upfront, own.recurring, own.saved, own.cash, own.cash_so_far].map(Cell::Number),
        );
        cells.extend([share(own.utilization), share(own.coverage)]);
        Row::new(cells)
    };
    let names = columns(&[
        ("Month", Kind::Month),
        ("Upfront", Kind::Dollars),
        ("By the hour", Kind::Dollars),
        ("Saved", Kind::Dollars),
        ("Cash effect", Kind::Dollars),
        ("Cash so far", Kind::Dollars),
        ("Utilization", Kind::Share),
        ("Coverage", Kind::Share),
    ]);
    Section {
        id: "by-month".into(),
        title: "Cost and savings by month".into(),
        tables: vec![Table {
            id: "by-month".into(),
            title: "Cost and savings by month".into(),
            note: "USD, means of the trials; saved: upfront payments spread over their terms; cash effect: upfront payments in full; coverage: with the scenario's commitments".into(),
            columns: least_wanted(names, &["By the hour", "Coverage"]),
            rows: bought.map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

/// A move to a newer database class, with its purchases where it saves more.
fn class_move(own: &ClassMove) -> Section {
    let ClassMove { from, to, month, .. } = own;
    let extra = match own.extra {
        extra if extra >= 0.0 => format!("{} more", in_dollars(extra, 0)),
        extra => format!("{} less", in_dollars(-extra, 0)),
    };
    let (moved, unmoved) = (in_dollars(own.saves_moved, 0), in_dollars(own.saves_unmoved, 0));
    let text = if own.pays() {
        format!(
            "Move the database from {from} to {to} in {month}, which costs {extra} within the plan, then buy what this table lists in place of the purchases above. Together they save {moved} within the plan; the purchases above save {unmoved}. Buy no reservation of {from}."
        )
    } else {
        format!(
            "Stay on {from}: with a move to {to} in {month}, which costs {extra} within the plan, the best purchases save {moved} within the plan; the purchases above save {unmoved}."
        )
    };
    let row = |bought: &Commitment| {
        let of = bought.family.as_deref().or(bought.instance_type.as_deref());
        let buy = match (bought.usd_per_hour, of) {
            (Some(usd), _) => format!("${} an hour", quantity(usd)),
            (None, of) => format!("{} × {}", quantity(bought.size()), of.unwrap_or_default()),
        };
        Row::new(vec![
            Cell::Month(bought.start),
            Cell::text(bought.kind.title()),
            Cell::text(format!("{} {}", bought.term.name(), bought.payment.name())),
            Cell::text(bought.region.as_deref().unwrap_or("any")),
            Cell::text(&bought.account),
            Cell::text(buy),
        ])
    };
    let names =
        columns(&[&[("Month", Kind::Month)][..], &PRODUCT, &[("Buy", Kind::Text)]].concat());
    let table = || Table {
        id: "newer-class".into(),
        title: format!("What to buy with {to}"),
        note: String::new(),
        columns: least_wanted(names, &["Region", "Account"]),
        rows: own.commitments.iter().map(row).collect(),
        ..Table::default()
    };
    Section {
        id: "newer-class".into(),
        title: "Newer database class and its commitments".into(),
        text: vec![text],
        tables: if own.pays() { vec![table()] } else { Vec::new() },
        ..Section::default()
    }
}

/// Products that are not worth buying; none without any.
fn rejected(all: &[Rejected]) -> Option<Section> {
    let row = |own: &Rejected| {
        let mut cells = product(&own.product).to_vec();
        cells.push(Cell::text(own.product.of.as_deref().unwrap_or("any")));
        cells.extend([own.covers, own.loses].map(Cell::Number));
        Row::new(cells)
    };
    let title = "Commitments that are not worth buying";
    let names = columns(
        &[
            &PRODUCT[..],
            &[("Of", Kind::Text), ("Covers per $1", Kind::Usd), ("Loses in", Kind::Share)],
        ]
        .concat(),
    );
    (!all.is_empty()).then(|| Section {
        id: "not-worth-buying".into(),
        title: title.into(),
        tables: vec![Table {
            id: "not-worth-buying".into(),
            title: title.into(),
            note: "USD of on-demand usage that $1 of the fee covers in the best month of purchase; the first dollar an hour, or the first instance".into(),
            columns: least_wanted(names, &["Region", "Account"]),
            rows: all.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    })
}

/// Columns of a product.
const PRODUCT: [(&str, Kind); 4] = [
    ("Product", Kind::Text),
    ("Term", Kind::Text),
    ("Region", Kind::Text),
    ("Account", Kind::Text),
];

/// `EC2 Reserved Instance`, `1yr all-upfront`, `us-east-1`, `production`.
fn product(product: &Product) -> [Cell; 4] {
    let region = product.region.as_deref().unwrap_or("any");
    let account = if product.account.is_empty() { "any" } else { &product.account };
    [
        Cell::text(product.kind.title()),
        Cell::text(format!("{} {}", product.term.name(), product.payment.name())),
        Cell::text(region),
        Cell::text(account),
    ]
}

fn size(own: &Advice, size: f64) -> String {
    if own.product.kind.is_savings_plan() {
        format!("${} an hour", quantity(size))
    } else {
        format!("{} × {}", quantity(size), own.product.of.as_deref().unwrap_or_default())
    }
}

/// Every product that is worth buying at all; none where none is.
fn products(all: &[Advice]) -> Option<Section> {
    const RECOMMENDED: usize = 5;
    let row = |own: &Advice| {
        let sum: f64 = own.ladder.iter().map(|purchase| purchase.size).sum();
        let fees: f64 = own.ladder.iter().map(|purchase| purchase.fee).sum();
        let saving = own.saving;
        let mut cells = product(&own.product).to_vec();
        cells.push(Cell::text(size(own, sum)));
        cells.push(Cell::text(if own.recommended { "yes" } else { "" }));
        cells.extend(
            [
                fees,
                saving.p10,
                saving.p50,
                saving.p90,
                saving.mean,
                own.in_plan,
                own.regret.mean,
                own.loses,
                own.if_growth_misses,
                own.utilization,
            ]
            .map(Cell::Number),
        );
        let row = Row::new(cells);
        if own.recommended { row.marked(RECOMMENDED, Meaning::Good) } else { row }
    };
    let names = columns(
        &[
            &PRODUCT[..],
            &[
                ("Buy in total", Kind::Text),
                ("Buy it", Kind::Text),
                ("Fees", Kind::Dollars),
                ("Saves P10", Kind::Dollars),
                ("P50", Kind::Dollars),
                ("P90", Kind::Dollars),
                ("Mean", Kind::Dollars),
                ("Within the plan", Kind::Dollars),
                ("Regret", Kind::Dollars),
                ("Loses in", Kind::Share),
                ("If growth misses", Kind::Dollars),
                ("Utilization", Kind::Share),
            ],
        ]
        .concat(),
    );
    let rows: Vec<Row> = all.iter().filter(|own| !own.ladder.is_empty()).map(row).collect();
    (!rows.is_empty()).then(|| Section {
        id: "products".into(),
        title: "Commitments that were evaluated".into(),
        tables: vec![Table {
            id: "products".into(),
            title: "Commitments that were evaluated".into(),
            note: "USD over the terms; each recommended product after those above it, each other one by itself, the best first; if growth misses: the mean of the fifth of the trials that use least".into(),
            columns: least_wanted(names, &["Utilization", "Within the plan", "P50", "Regret", "Region", "Account", "Fees"]),
            rows,
            ..Table::default()
        }],
        ..Section::default()
    })
}

/// Spot types that a fully used plan would undercut; none without any.
fn below_spot(all: &[BelowSpot]) -> Option<Section> {
    let row = |own: &BelowSpot| {
        Row::new(vec![
            Cell::text(&own.instance_type),
            Cell::text(&own.region),
            Cell::text(&own.plan),
            Cell::Number(own.plan_price),
            Cell::Number(own.spot_price),
            Cell::Number(own.on_demand_price),
        ])
    };
    let title = "Spot types that a fully used plan undercuts";
    (!all.is_empty()).then(|| Section {
        id: "below-spot".into(),
        title: title.into(),
        tables: vec![Table {
            id: "below-spot".into(),
            title: title.into(),
            note: "USD an hour".into(),
            columns: columns(&[
                ("Type", Kind::Text),
                ("Region", Kind::Text),
                ("Plan", Kind::Text),
                ("Plan price", Kind::SmallUsd),
                ("Spot", Kind::SmallUsd),
                ("On demand", Kind::SmallUsd),
            ]),
            rows: all.iter().map(row).collect(),
            ..Table::default()
        }],
        ..Section::default()
    })
}

/// Every purchase of every product.
fn purchases(advised: &Advised) -> Table {
    let header = [
        "recommended",
        "kind",
        "account",
        "of",
        "region",
        "term",
        "payment",
        "month",
        "size",
        "fee_usd",
        "upfront_usd",
        "saving_p10_usd",
        "saving_p50_usd",
        "saving_p90_usd",
        "saving_mean_usd",
        "regret_mean_usd",
        "loses",
        "if_growth_misses_usd",
    ];
    let rows = advised.products.iter().flat_map(|own| {
        own.ladder.iter().map(move |purchase| {
            let product = &own.product;
            let mut row = vec![
                own.recommended.to_string(),
                product.kind.title().to_owned(),
                product.account.clone(),
                product.of.clone().unwrap_or_default(),
                product.region.clone().unwrap_or_default(),
                product.term.name().to_owned(),
                product.payment.name().to_owned(),
                purchase.month.to_string(),
                purchase.size.to_string(),
            ];
            let saving = own.saving;
            let values = [saving.p10, saving.p50, saving.p90, saving.mean, own.regret.mean];
            row.extend([purchase.fee, purchase.upfront].map(|value| format!("{value:.4}")));
            row.extend(values.map(|value| format!("{value:.4}")));
            row.push(own.loses.to_string());
            row.push(format!("{:.4}", own.if_growth_misses));
            row
        })
    });
    records(&header, rows)
}
