//! Bills that tell less than a plan: by service or by account alone, as the Cost Explorer console has them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Place, Side, Sides};
use crate::{actuals::MonthBill, units::Usd};

/// A service of an account in a month; the service is empty where the bill tells accounts alone.
type Told = (crate::calendar::Month, String, String);

fn told(place: &Place) -> Told {
    (place.0, place.1.clone(), place.2.clone())
}

/// Takes the planned lines of a service together where the bill has the service without usage types, and those
/// of an account where it has the account alone. Returns what a reader must know.
pub(super) fn join(sides: &mut BTreeMap<Place, Sides>, bills: &[&MonthBill]) -> Vec<String> {
    let (mut coarse, mut fine) = (BTreeSet::new(), BTreeSet::new());
    for (place, _) in sides.iter().filter(|(_, sides)| sides.billed.is_some()) {
        if place.4.is_empty() {
            coarse.insert(told(place))
        } else {
            fine.insert(told(place))
        };
    }
    coarse.retain(|told| !fine.contains(told));
    let mut joined: BTreeMap<Told, Usd> = BTreeMap::new();
    sides.retain(|place, sides| {
        let (Some(planned), None) = (sides.planned, &sides.billed) else { return true };
        let service = told(place);
        let account = (service.0, service.1.clone(), String::new());
        let Some(of) = [service, account].into_iter().find(|told| coarse.contains(told)) else {
            return true;
        };
        *joined.entry(of).or_insert(Usd::ZERO) += planned.cost;
        false
    });
    let count = joined.len();
    for ((month, account, service), cost) in joined {
        for (place, sides) in sides.iter_mut() {
            let here = (place.0, &place.1, &place.2) == (month, &account, &service);
            if here && sides.billed.is_some() && sides.planned.is_none() {
                sides.planned = Some(Side { quantity: None, cost });
                sides.unmapped = false;
                break;
            }
        }
    }
    let mut notes: Vec<String> = Vec::new();
    if count > 0 {
        notes.push(format!(
            "the bill names no usage types in {count} cells: they are compared by service or account alone, and without quantities their differences are all under price"
        ));
    }
    for note in bills.iter().flat_map(|bill| &bill.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    notes
}
