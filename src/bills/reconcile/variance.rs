//! Splits the difference of each cell into price, quantity and mix.

use std::collections::BTreeMap;

use super::{Cell, FEES, Match, Place, Sides, Variance, usd};
use crate::{
    measure::{calendar::Month, units::Usd},
    plan::usage_kind,
};

/// Cells of one month, account, service and kind of usage.
type Group = (Month, String, String, String);

/// What of a service is one kind of thing: instances of all types, bought either way.
fn group_of(usage_type: &str) -> &str {
    match usage_kind(usage_type) {
        "SpotUsage" => "BoxUsage",
        "InstanceUsageIOOptimized" => "InstanceUsage",
        kind => kind,
    }
}

pub(super) fn cells(sides: BTreeMap<Place, Sides>) -> Vec<Cell> {
    let mut groups: BTreeMap<Group, Vec<(Place, Sides)>> = BTreeMap::new();
    for (place, sides) in sides {
        let group = (place.0, place.1.clone(), place.2.clone(), group_of(&place.4).to_owned());
        groups.entry(group).or_default().push((place, sides));
    }
    let mut cells: Vec<Cell> = groups.into_values().flat_map(split).collect();
    cells.sort_by(|a, b| {
        let size = |cell: &Cell| cell.variance.total.decimal().abs();
        size(b).cmp(&size(a)).then_with(|| {
            let name = |c: &Cell| {
                (
                    c.month,
                    c.account.clone(),
                    c.service.clone(),
                    c.region.clone(),
                    c.usage_type.clone(),
                )
            };
            name(a).cmp(&name(b))
        })
    });
    cells
}

/// Returns the cells of one group with their differences.
fn split(group: Vec<(Place, Sides)>) -> Vec<Cell> {
    let sum = |of: &dyn Fn(&Sides) -> Option<f64>| -> Option<f64> {
        group.iter().filter_map(|(_, sides)| of(sides)).reduce(|a, b| a + b)
    };
    let planned_quantity = sum(&|s| s.planned.and_then(|side| side.quantity)).filter(|q| *q > 0.0);
    let billed_quantity = sum(&|s| s.billed.and_then(|side| side.quantity));
    let any_billed = group.iter().any(|(_, sides)| sides.billed.is_some());
    let any_planned = group.iter().any(|(_, sides)| sides.planned.is_some());
    let alone = group.len() == 1;
    let cell = |(place, sides): (Place, Sides)| {
        let (planned, billed) =
            (sides.planned.unwrap_or_default(), sides.billed.unwrap_or_default());
        let total = billed.cost - planned.cost;
        let mut variance = Variance { total, ..Variance::default() };
        match (planned_quantity, billed_quantity) {
            _ if place.2 == FEES => variance.fees = total,
            _ if !any_planned => variance.unplanned = total,
            _ if !any_billed => variance.quantity = total,
            (Some(all), Some(used)) => {
                let ratio = used / all;
                variance.quantity = usd((ratio - 1.0) * planned.cost.to_f64());
                let own = billed.quantity.unwrap_or(0.0);
                let rate = match planned.quantity.filter(|q| *q > 0.0) {
                    Some(of) => Some(planned.cost.to_f64() / of),
                    // Of another kind than was planned, only the bill can say that its rate is not the list's.
                    None => sides.list.filter(|_| own > 0.0).map(|list| list / own),
                };
                variance.price = match rate {
                    _ if alone => total - variance.quantity,
                    Some(rate) => billed.cost - usd(own * rate),
                    None => Usd::ZERO,
                };
            }
            _ if sides.planned.is_some() && sides.billed.is_some() => variance.price = total,
            _ => {}
        }
        let Variance { price, quantity, unplanned, fees, .. } = variance;
        variance.mix = total - price - quantity - unplanned - fees;
        let matched = match (sides.planned.is_some(), sides.billed.is_some(), sides.unmapped) {
            (true, true, _) => Match::Both,
            (true, false, _) => Match::Unbilled,
            (false, _, false) => Match::Unplanned,
            (false, _, true) => Match::Unmapped,
        };
        let (month, account, service, region, usage_type) = place;
        Cell { month, account, service, region, usage_type, matched, planned, billed, variance }
    };
    group.into_iter().map(cell).collect()
}
