//! The bill of materials: every meter with what it costs, and the formula that each amount leads to.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{columns, note, slug};
use crate::{
    measure::units::Usd,
    money::ledger::Entry,
    page::{Cell, Importance, Kind, Row, Section, Table, Tied, number::quantity},
    plan::Plan,
};

/// One meter of an account over the plan.
struct Material<'a> {
    entries: Vec<&'a Entry>,
    quantity: f64,
    cost: Usd,
}

/// The bill of materials, and the formulas behind it.
pub(super) fn sections(plan: &Plan) -> [Section; 2] {
    let mut materials: BTreeMap<[&str; 6], Material<'_>> = BTreeMap::new();
    for entry in &plan.entries {
        let key = &entry.key;
        let service = &*plan.price_of(entry).cost_explorer_service;
        let of: [&str; 6] = [
            &entry.account,
            service,
            &key.region,
            &key.usage_type,
            &key.operation,
            &entry.resource,
        ];
        let own = materials.entry(of).or_insert_with(|| Material {
            entries: Vec::new(),
            quantity: 0.0,
            cost: Usd::ZERO,
        });
        own.entries.push(entry);
        own.quantity += entry.quantity.get();
        own.cost += entry.cost;
    }
    let mut all: Vec<([&str; 6], Material<'_>)> = materials.into_iter().collect();
    all.sort_by(|a, b| b.1.cost.cmp(&a.1.cost).then_with(|| a.0.cmp(&b.0)));
    let numbered: Vec<(usize, &([&str; 6], Material<'_>))> = all.iter().enumerate().collect();
    let bill = Section {
        id: "bill-of-materials".into(),
        title: "Bill of materials".into(),
        importance: Importance::Reference,
        text: vec!["Each amount links to its formula, inputs and price. The ledger has the lines of every month.".into()],
        tables: plan.accounts.iter().map(|account| bill(plan, &account.name, &numbered)).collect(),
        ..Section::default()
    };
    let formulas = Section {
        id: "formulas".into(),
        title: "Formulas".into(),
        importance: Importance::Reference,
        text: vec!["The formula and inputs of each meter's quantity in its last month, and the price steps that apply. Quantity times price is the cost, or the line's share of a charge that several lines have in common.".into()],
        tables: vec![formulas(plan, &numbered)],
        ..Section::default()
    };
    [bill, formulas]
}

fn anchor(number: usize) -> String {
    format!("formula-{}", number + 1)
}

fn bill(plan: &Plan, account: &str, all: &[(usize, &([&str; 6], Material<'_>))]) -> Table {
    let own = all.iter().filter(|(_, (of, _))| of[0] == account);
    let total = plan.cost.to_f64();
    let mut sum = Usd::ZERO;
    let mut rows = Vec::new();
    for (number, (of, material)) in own {
        let price = plan.price_of(material.entries[0]);
        sum += material.cost;
        rows.push(Row {
            anchor: Some(format!("material-{}", number + 1)),
            ..Row::new(vec![
                Cell::text(plan.short_name(of[1])),
                Cell::text(of[3]),
                Cell::text(of[5]),
                Cell::text(of[2]),
                Cell::Number(material.quantity),
                Cell::text(&price.unit),
                Cell::UsdLink { amount: material.cost, to: anchor(*number) },
                Cell::maybe((total != 0.0).then(|| material.cost.to_f64() / total)),
            ])
        });
    }
    let mut cells = vec![Cell::text("Total")];
    cells.extend(std::iter::repeat_n(Cell::Empty, 5));
    cells.push(Cell::Usd(sum));
    cells.push(Cell::maybe((total != 0.0).then(|| sum.to_f64() / total)));
    rows.push(Row::total(cells));
    Table {
        id: format!("materials-{}", slug(account)),
        title: format!("Meters of {account} over the whole plan"),
        note: note(plan, "over the whole plan"),
        columns: columns(&[
            ("Service", Kind::Text),
            ("Usage type", Kind::Text),
            ("Resource", Kind::Text),
            ("Region", Kind::Text),
            ("Quantity", Kind::Quantity),
            ("Unit", Kind::Text),
            ("Cost", Kind::Usd),
            ("Share of whole plan", Kind::Share),
        ]),
        rows,
        ties: Some(Tied { column: 6, amount: sum }),
        ..Table::default()
    }
}

fn formulas(plan: &Plan, all: &[(usize, &([&str; 6], Material<'_>))]) -> Table {
    let row = |(number, (of, material)): &(usize, &([&str; 6], Material<'_>))| {
        let last = material.entries[material.entries.len() - 1];
        let meter = if of[5].is_empty() {
            format!("{} {}", of[0], of[3])
        } else {
            format!("{} {} ({})", of[0], of[3], of[5])
        };
        Row {
            anchor: Some(anchor(*number)),
            ..Row::new(vec![
                Cell::Link { text: meter, to: format!("material-{}", number + 1) },
                Cell::text(&last.why.formula),
                Cell::Month(last.month),
                Cell::text(inputs(last)),
                Cell::Number(last.quantity.get()),
                Cell::Usd(last.cost),
                Cell::text(price(plan, last)),
                Cell::text(sources(plan, last)),
            ])
        }
    };
    Table {
        id: "formulas".into(),
        title: "Formula, inputs and price of each meter".into(),
        note: note(plan, "for one unit"),
        columns: columns(&[
            ("Meter", Kind::Text),
            ("Quantity is", Kind::Text),
            ("Last month", Kind::Month),
            ("Inputs", Kind::Text),
            ("Quantity then", Kind::Quantity),
            ("Cost then", Kind::Usd),
            ("Price", Kind::Text),
            ("Source", Kind::Text),
        ]),
        rows: all.iter().map(row).collect(),
        ..Table::default()
    }
}

fn inputs(entry: &Entry) -> String {
    let one = |input: &crate::usage::services::Input| {
        format!("{} = {} {}", input.name, quantity(input.value), input.unit).trim_end().to_owned()
    };
    let mut text = entry.why.inputs.iter().map(one).collect::<Vec<_>>().join("; ");
    if !entry.why.assumption.is_empty() {
        let _ = write!(
            text,
            "{}because {}",
            if text.is_empty() { "" } else { "; " },
            entry.why.assumption
        );
    }
    text
}

/// The steps that a line's charge was made of.
fn price(plan: &Plan, entry: &Entry) -> String {
    let price = plan.price_of(entry);
    let charge = &plan.charges[entry.charge];
    let parts = charge.parts.iter().map(|part| {
        let from = part.from.normalize();
        let rate = format!("{} per {}", part.price, price.unit);
        if from.is_zero() { rate } else { format!("{rate} from {from}") }
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// Where the price rows are from, each once.
fn sources(plan: &Plan, entry: &Entry) -> String {
    let mut told: Vec<String> = Vec::new();
    for step in &plan.price_of(entry).steps {
        let as_of = if step.as_of.is_empty() { "undated" } else { &*step.as_of };
        let text = format!("{} ({as_of}, {})", step.source, step.confidence);
        if !told.contains(&text) {
            told.push(text);
        }
    }
    told.join("; ")
}
