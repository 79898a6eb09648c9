//! Recommended commitments: what to buy when, what it saves, and how sure that is.

use super::{columns, least_wanted, records};
use crate::{
    advice::commit::{Advice, Advised, BelowSpot, Product, Purchase},
    page::{
        Cell, Fact, Kind, Meaning, Page, Row, Section, Table,
        number::{in_dollars, quantity},
    },
};

/// The whole page.
pub fn page(advised: &Advised) -> Page {
    let [first, last] = advised.months;
    let recommended: Vec<&Advice> = advised.products.iter().filter(|own| own.recommended).collect();
    let mut sections = vec![recommendation(advised, &recommended)];
    sections.extend(products(&advised.products));
    sections.extend(below_spot(&advised.below_spot));
    let mut page = Page {
        title: format!("Recommended commitments, {first} to {last}"),
        cost_metric: format!(
            "over the terms, against on-demand prices; {} trials, least expected regret",
            advised.trials
        ),
        currency: "USD".into(),
        headline: headline(advised, &recommended),
        sections,
        records: Some(purchases(advised)),
        ..Page::default()
    };
    page.without_turns();
    page
}

/// What all that is recommended saves together; none where nothing is.
fn headline(advised: &Advised, recommended: &[&Advice]) -> Vec<Fact> {
    let (saving, in_plan) = match (recommended, &advised.recommended) {
        ([], _) => return Vec::new(),
        ([only], _) => (&only.saving, only.in_plan),
        (_, Some(all)) => (&all.saving, all.in_plan),
        (_, None) => return Vec::new(),
    };
    let fact = |label: &str, value: f64, note: String| Fact {
        label: label.into(),
        value: Cell::text(in_dollars(value, 0)),
        note,
        meaning: Some(if value >= 0.0 { Meaning::Good } else { Meaning::Caution }),
    };
    let mean = format!("mean of the trials, {} of it within the plan", in_dollars(in_plan, 0));
    vec![
        fact("Likely saving", saving.mean, mean),
        fact("Low saving", saving.p10, "P10 of the trials".into()),
        fact("High saving", saving.p90, "P90 of the trials".into()),
    ]
}

fn recommendation(advised: &Advised, recommended: &[&Advice]) -> Section {
    let mut text = Vec::new();
    if advised.products.is_empty() {
        text.push("The price book has no commitment price of what runs on demand. --compute-discount 27% evaluates a Compute Savings Plan at the discount that AWS quotes.".into());
    }
    if recommended.is_empty() {
        text.push(
            "Recommended: nothing. No commitment with a known price is expected to save money."
                .into(),
        );
    }
    let row = |own: &Advice, purchase: &Purchase| {
        let mut cells = vec![Cell::Month(purchase.month)];
        cells.extend(product(&own.product));
        cells.extend([Cell::text(size(own, purchase.size)), Cell::Number(purchase.fee)]);
        Row::new(cells)
    };
    let rows = recommended.iter().flat_map(|own| own.ladder.iter().map(|buy| row(own, buy)));
    let purchases = Table {
        id: "purchases".into(),
        title: "What to buy".into(),
        note: "USD over the term".into(),
        columns: columns(&[
            ("Month", Kind::Month),
            PRODUCT[0],
            PRODUCT[1],
            PRODUCT[2],
            PRODUCT[3],
            ("Buy", Kind::Text),
            ("Fee", Kind::Dollars),
        ]),
        rows: rows.collect(),
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
    let names = columns(&[
        PRODUCT[0],
        PRODUCT[1],
        PRODUCT[2],
        PRODUCT[3],
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
    ]);
    let rows: Vec<Row> = all.iter().filter(|own| !own.ladder.is_empty()).map(row).collect();
    (!rows.is_empty()).then(|| Section {
        id: "products".into(),
        title: "Commitments that were evaluated".into(),
        tables: vec![Table {
            id: "products".into(),
            title: "Commitments that were evaluated".into(),
            note: "USD over the terms, each product by itself, the best first; if growth misses: the mean of the fifth of the trials that use least".into(),
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
            let values =
                [purchase.fee, saving.p10, saving.p50, saving.p90, saving.mean, own.regret.mean];
            row.extend(values.map(|value| format!("{value:.4}")));
            row.push(own.loses.to_string());
            row.push(format!("{:.4}", own.if_growth_misses));
            row
        })
    });
    records(&header, rows)
}
