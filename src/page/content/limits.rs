//! The next limits over users: where the cost jumps or capacity ends, and the slope between them.

use super::columns;
use crate::{
    page::{
        Cell, Fact, Kind, Page, Row, Section, Table,
        number::{grouped, in_dollars},
    },
    plan::limits::{Kind as Of, Limit, Limits, Slope},
};

/// The answer of `limits`.
pub fn page(name: &str, limits: &Limits) -> Page {
    let next = limits.limits.iter().find(|limit| limit.users > limits.users);
    let fact = |label: &str, value: String, note: String| Fact {
        label: label.into(),
        value: Cell::text(value),
        note,
        ..Fact::default()
    };
    let users = grouped(limits.users, 0);
    let mut headline = vec![fact("Users", users, format!("{}, mid case", limits.month))];
    headline.push(match next {
        Some(limit) => fact("Next limit", grouped(limit.users, 0), sentence(limit)),
        None => fact(
            "Next limit",
            "none".into(),
            format!("up to {} users", grouped(limits.range[1], 0)),
        ),
    });
    let mut page = Page {
        title: format!("Limits of {name}"),
        cost_metric: "one month of the mid case by number of users".into(),
        currency: "USD".into(),
        headline,
        sections: vec![section(limits)],
        ..Page::default()
    };
    page.without_turns();
    page
}

/// The section.
pub(super) fn section(limits: &Limits) -> Section {
    let [low, high] = limits.range.map(|users| grouped(users, 0));
    let month = limits.month;
    let mut text = vec![format!(
        "One month of the mid case, {month}, with {low} to {high} monthly users; the plan has {} in that month.",
        grouped(limits.users, 0)
    )];
    let here = limits.slopes.iter().find(|own| (own.from..=own.to).contains(&limits.users));
    text.extend(here.map(|own| {
        format!(
            "One more user costs {} a month, between {} and {} users.",
            in_dollars(own.per_user, 4),
            grouped(own.from, 0),
            grouped(own.to, 0)
        )
    }));
    if limits.limits.is_empty() {
        text.push("Nothing changes its size, price or maximum in that range.".into());
    }
    let ahead = limits.limits.iter().filter(|limit| limit.users > limits.users);
    let key = ahead.filter(|limit| limit.kind != Of::PriceStep).take(5);
    Section {
        id: "limits".into(),
        title: "The next limits".into(),
        text,
        points: key
            .map(|limit| format!("At {} users {}.", grouped(limit.users, 0), sentence(limit)))
            .collect(),
        tables: [table(limits), slopes(limits)]
            .into_iter()
            .filter(|table| !table.rows.is_empty())
            .collect(),
        ..Section::default()
    }
}

/// `the size of aurora of production changes from 2 × db.r6g.large to 2 × db.r6g.xlarge: +$870 a month`.
fn sentence(limit: &Limit) -> String {
    let Limit { account, subject, from, to, .. } = limit;
    let what = match limit.kind {
        Of::Size => format!("the size of {subject} in {account} changes from {from} to {to}"),
        Of::Shortage => format!("{subject} in {account} no longer carries the load"),
        Of::Replicas => format!("{subject} in {account} reaches {to}"),
        Of::NodePool => format!("node pools in {account} reach a limit"),
        Of::PriceStep => format!("the price of {subject} in {account} goes from {from} to {to}"),
    };
    match limit.jump {
        Some(jump) => {
            let usd = jump.to_f64();
            let sign = if usd < 0.0 { "" } else { "+" };
            format!("{what}: {sign}{} a month", in_dollars(usd, 0))
        }
        None => what,
    }
}

fn table(limits: &Limits) -> Table {
    let row = |limit: &Limit| {
        Row::new(vec![
            Cell::Number(limit.users),
            Cell::text(&limit.account),
            Cell::text(&limit.subject),
            Cell::text(&limit.from),
            Cell::text(&limit.to),
            limit.jump.map_or(Cell::Empty, Cell::Usd),
            Cell::text(&limit.raise),
        ])
    };
    Table {
        id: "limits".into(),
        title: "Where the cost jumps, a price changes or capacity ends".into(),
        note: "USD a month; the jump is that of the service that changes".into(),
        columns: columns(&[
            ("From users", Kind::Number(0)),
            ("Account", Kind::Text),
            ("What", Kind::Text),
            ("Before", Kind::Text),
            ("Then", Kind::Text),
            ("Jump", Kind::Usd),
            ("What raises it, or why", Kind::Text),
        ]),
        rows: limits.limits.iter().map(row).collect(),
        ..Table::default()
    }
}

fn slopes(limits: &Limits) -> Table {
    let row = |own: &Slope| Row::new([own.from, own.to, own.per_user].map(Cell::Number).to_vec());
    Table {
        id: "limits-slopes".into(),
        title: "Cost of one more user between the limits".into(),
        note: "USD a month".into(),
        columns: columns(&[
            ("From users", Kind::Number(0)),
            ("To users", Kind::Number(0)),
            ("One more user", Kind::SmallUsd),
        ]),
        rows: limits.slopes.iter().map(row).collect(),
        ..Table::default()
    }
}
