//! Recommended commitments: what to buy when, what it saves, and how sure that is.

use super::{columns, least_wanted, records};
use crate::{
    advice::commit::{Advice, Advised, BelowSpot, Odds, Product, Purchase},
    page::{
        Cell, Fact, Kind, Meaning, Page, Row, Section, Table,
        number::{in_dollars, percent, quantity},
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

fn headline(advised: &Advised, recommended: &[&Advice]) -> Vec<Fact> {
    let fact = |label: String, saving: &Odds, in_plan: f64| Fact {
        label,
        value: Cell::text(in_dollars(saving.mean, 0)),
        note: format!(
            "mean saving, {} of it within the plan; P10 to P90 {} to {}",
            in_dollars(in_plan, 0),
            in_dollars(saving.p10, 0),
            in_dollars(saving.p90, 0)
        ),
        meaning: Some(if saving.p10 >= 0.0 { Meaning::Good } else { Meaning::Caution }),
    };
    let mut facts: Vec<Fact> =
        recommended.iter().map(|own| fact(name(&own.product), &own.saving, own.in_plan)).collect();
    if let (true, Some(all)) = (facts.len() > 1, &advised.recommended) {
        facts.push(fact(format!("All {} together", facts.len()), &all.saving, all.in_plan));
    }
    facts
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
    text.extend(recommended.iter().map(|own| {
        format!(
            "{} loses money in {} of the trials, and saves {} if growth misses (in the fifth of the trials that use least).",
            name(&own.product),
            percent(own.loses),
            in_dollars(own.if_growth_misses, 0)
        )
    }));
    let row = |own: &Advice, purchase: &Purchase| {
        Row::new(vec![
            Cell::Month(purchase.month),
            Cell::text(name(&own.product)),
            Cell::text(size(own, purchase.size)),
            Cell::Number(purchase.fee),
        ])
    };
    let rows = recommended.iter().flat_map(|own| own.ladder.iter().map(|buy| row(own, buy)));
    let purchases = Table {
        id: "purchases".into(),
        title: "What to buy".into(),
        note: "USD over the term".into(),
        columns: columns(&[
            ("Month", Kind::Month),
            ("Commitment", Kind::Text),
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

/// `EC2 Reserved Instance m7g.xlarge in us-east-1, 1yr all-upfront`.
fn name(product: &Product) -> String {
    let of = product.of.as_ref().map(|of| format!(" {of}")).unwrap_or_default();
    let region = product.region.as_ref().map(|r| format!(" in {r}")).unwrap_or_default();
    let (term, payment) = (product.term.name(), product.payment.name());
    let account = match &*product.account {
        "" => String::new(),
        account => format!(", {account}"),
    };
    format!("{}{of}{region}, {term} {payment}{account}", product.kind.title())
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
    const RECOMMENDED: usize = 1;
    let row = |own: &Advice| {
        let sum: f64 = own.ladder.iter().map(|purchase| purchase.size).sum();
        let fees: f64 = own.ladder.iter().map(|purchase| purchase.fee).sum();
        let saving = own.saving;
        let row = Row::new(vec![
            Cell::text(name(&own.product)),
            Cell::text(if own.recommended { "yes" } else { "" }),
            Cell::text(size(own, sum)),
            Cell::Number(fees),
            Cell::Number(saving.p10),
            Cell::Number(saving.p50),
            Cell::Number(saving.p90),
            Cell::Number(saving.mean),
            Cell::Number(own.regret.mean),
            Cell::Number(own.loses),
            Cell::Number(own.if_growth_misses),
            Cell::Number(own.utilization),
        ]);
        if own.recommended { row.marked(RECOMMENDED, Meaning::Good) } else { row }
    };
    let names = columns(&[
        ("Product", Kind::Text),
        ("Recommended", Kind::Text),
        ("Buy in total", Kind::Text),
        ("Fees", Kind::Dollars),
        ("Saves P10", Kind::Dollars),
        ("P50", Kind::Dollars),
        ("P90", Kind::Dollars),
        ("Mean", Kind::Dollars),
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
            note: "USD over the terms, each product by itself, the best first".into(),
            columns: least_wanted(names, &["Utilization", "P50", "Regret", "Fees"]),
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
