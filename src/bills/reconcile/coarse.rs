//! Bills with fewer dimensions than a plan: by service, account or region, as the Cost Explorer console groups them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Place, Side, Sides};
use crate::{
    bills::actuals::MonthBill,
    measure::{calendar::Month, units::Usd},
};

/// What a bill groups a month by; a dimension that the bill does not have is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    month: Month,
    account: String,
    service: String,
    region: String,
}

impl Group {
    fn at((month, account, service, region, _): &Place) -> Self {
        Self {
            month: *month,
            account: account.clone(),
            service: service.clone(),
            region: region.clone(),
        }
    }

    fn without_region(&self) -> Self {
        Self { region: String::new(), ..self.clone() }
    }

    fn without_service(&self) -> Self {
        Self { service: String::new(), ..self.clone() }
    }

    /// Returns the groups of a bill that a planned line may belong to, the most precise first.
    fn candidates(self) -> [Self; 4] {
        let account = self.without_service();
        let (service, whole) = (self.without_region(), account.without_region());
        [self, service, account, whole]
    }

    fn place(self) -> Place {
        (self.month, self.account, self.service, self.region, String::new())
    }
}

/// Sums the planned lines of each group of a bill that has no usage types: by service, by region, by both, or
/// by account alone. Returns what a reader must know.
pub(super) fn join(sides: &mut BTreeMap<Place, Sides>, bills: &[&MonthBill]) -> Vec<String> {
    let (mut coarse, mut fine) = (BTreeSet::new(), BTreeSet::new());
    for (place, _) in sides.iter().filter(|(_, sides)| sides.billed.is_some()) {
        let group = Group::at(place);
        if place.4.is_empty() {
            coarse.insert(group);
        } else {
            fine.insert(group.without_region());
            fine.insert(group);
        }
    }
    coarse.retain(|group| !fine.contains(group));
    let mut joined: BTreeMap<Group, Usd> = BTreeMap::new();
    sides.retain(|place, sides| {
        let (Some(planned), None) = (sides.planned, &sides.billed) else { return true };
        let mut candidates = Group::at(place).candidates().into_iter();
        let Some(group) = candidates.find(|group| coarse.contains(group)) else { return true };
        *joined.entry(group).or_insert(Usd::ZERO) += planned.cost;
        false
    });
    let count = joined.len();
    for (group, cost) in joined {
        let sides = sides.entry(group.place()).or_default();
        sides.planned.get_or_insert_with(Side::default).cost += cost;
        sides.unmapped = false;
    }
    let mut notes: Vec<String> = Vec::new();
    if count > 0 {
        notes.push(format!(
            "the bill names no usage types in {count} {}: the plan is compared by service, region or account there, and without quantities every difference counts as price",
            if count == 1 { "cell" } else { "cells" }
        ));
    }
    for note in bills.iter().flat_map(|bill| &bill.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    notes
}
