//! Node overlays: prices that Karpenter chooses by, in place of list prices.
//!
//! # Formula
//! ```text
//! overlays by weight, greatest first, then by name, last first; of those that match an offer the first applies
//! price = the overlay's, or max(0, list price × (1 + p / 100)), or max(0, list price + p)
//! ```
//! # Source
//! kubernetes-sigs/karpenter `pkg/apis/v1alpha1/nodeoverlay.go#OrderByWeight` and its validation patterns,
//! `pkg/controllers/nodeoverlay/controller.go#getOverlaidOfferings`, `store.go#isOfferingUpdateConflicting`, commit
//! 0546b80; `pkg/cloudprovider/types.go#AdjustedPrice`.
//! # Limits
//! Requirements on zones and on a pool's own labels have no counterpart, nor does an overlay's `capacity`.

use crate::cluster::autoscale::group::Group;
use std::cmp::Reverse;

use super::{Inputs, NodeCapacity, Offer, Pool, Purchase, Supply, problem, unknown};
use crate::{
    cluster::autoscale::settings::{CapacityType, FeatureGate, NodeOverlay},
    error::{Problem, nearest},
    facts::shapes::{PROPERTIES, Shape},
};

/// What an overlay makes of a price.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    /// This price, in USD an hour.
    Price(f64),
    /// So many percent more.
    Percent(f64),
    /// So much more, in USD an hour.
    Add(f64),
}

impl Change {
    /// Reads the one of `price` and `price_adjustment` that is given.
    fn of(overlay: &NodeOverlay) -> Result<Self, (&'static str, String)> {
        match (&overlay.price, &overlay.price_adjustment) {
            (Some(price), None) => unsigned(price).map(Self::Price).ok_or_else(|| {
                let message =
                    format!("{price:?} is not a price [USD per hour]; give a number, \"0.05\"");
                ("price", message)
            }),
            (None, Some(text)) => Self::adjustment(text).ok_or_else(|| {
                let message = format!(
                    "{text:?} is not a change of a price; give \"+10%\", \"-20%\", \"+0.01\" or \"-0.05\""
                );
                ("price_adjustment", message)
            }),
            _ => Err(("price", "give exactly one of price and price_adjustment".to_owned())),
        }
    }

    fn adjustment(text: &str) -> Option<Self> {
        let (sign, rest) = match text.as_bytes().first()? {
            b'+' => (1.0, &text[1..]),
            b'-' => (-1.0, &text[1..]),
            _ => return None,
        };
        match rest.strip_suffix('%') {
            Some(percent) => {
                let percent = unsigned(percent)?;
                (sign > 0.0 || percent <= 100.0).then_some(Self::Percent(sign * percent))
            }
            None => unsigned(rest).map(|amount| Self::Add(sign * amount)),
        }
    }

    fn apply(self, price: f64) -> f64 {
        match self {
            Self::Price(own) => own,
            Self::Percent(percent) => (price * (1.0 + percent / 100.0)).max(0.0),
            Self::Add(amount) => (price + amount).max(0.0),
        }
    }
}

/// A number of digits, with a dot or without.
fn unsigned(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if digits && text.ends_with(|last: char| last.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// Changes the prices of the offers that overlays match, and puts the pools' offers in their order.
pub(super) fn apply(
    inputs: &Inputs<'_>,
    (offers, pools): (&mut [Offer], &mut [Pool]),
    supply: &mut Supply,
    (problems, notes): (&mut Vec<Problem>, &mut Vec<String>),
) {
    let given = &inputs.cluster.node_overlays;
    if given.is_empty() {
        return;
    }
    if !inputs.cluster.feature_gates.contains(&FeatureGate::NodeOverlay) {
        let message = "Karpenter ignores node overlays unless the feature gate NodeOverlay is on; add \"NodeOverlay\" to cluster.feature_gates";
        problems.push(problem("cluster.node_overlays", message.to_owned()));
    }
    let mut order: Vec<(&String, &NodeOverlay)> = given.iter().collect();
    order.sort_by_key(|(name, overlay)| Reverse((overlay.weight, *name)));
    // The overlay that sets an offer's price, and the last that matched it.
    let mut taken: Vec<Option<(&str, &str, u32)>> = vec![None; offers.len()];
    let mut changes: Vec<Option<Change>> = vec![None; offers.len()];
    for (name, overlay) in order {
        let key = |field: &str| format!("cluster.node_overlays.{name}.{field}");
        let before = problems.len();
        let change = Change::of(overlay);
        if let Err((field, message)) = &change {
            problems.push(problem(&key(field), message.clone()));
        }
        for (place, pool) in overlay.requirements.node_pools.iter().enumerate() {
            if inputs.cluster.node_pools.contains_key(pool) {
                continue;
            }
            let near = nearest(pool, inputs.cluster.node_pools.keys().map(|name| &**name));
            let key = key(&format!("requirements.node_pools.{place}"));
            problems.push(problem(&key, unknown("node pool", pool, near)));
        }
        let Ok(change) = change else { continue };
        if problems.len() > before {
            continue;
        }
        let fits = |offer: &Offer| {
            let pool = pools.iter().find(|pool| pool.group == offer.group);
            let shape = inputs.catalog.shape(&offer.instance_type);
            matches!((pool, shape), (Some(pool), Some(shape)) if selects(overlay, pool, shape, offer.purchase))
        };
        let matched: Vec<usize> = (0..offers.len()).filter(|of| fits(&offers[*of])).collect();
        let conflict = matched.iter().find_map(|of| {
            let (_, last, weight) = taken[*of]?;
            (weight == overlay.weight).then_some((*of, last))
        });
        if let Some((of, last)) = conflict {
            let message = format!(
                "has the weight of {last}, {}, and both match {}, so Karpenter marks it as not ready; give it another weight or narrower requirements",
                overlay.weight, offers[of].instance_type
            );
            problems.push(problem(&key("weight"), message));
            continue;
        }
        if matched.is_empty() {
            notes.push(format!(
                "cluster.node_overlays.{name}: no node pool buys the types that it matches, so it has no effect"
            ));
        }
        for of in matched {
            let first = taken[of].map_or(&**name, |(first, ..)| first);
            taken[of] = Some((first, name, overlay.weight));
            changes[of].get_or_insert(change);
        }
    }
    for (offer, change) in offers.iter_mut().zip(&changes) {
        if let Some(change) = change {
            offer.price = change.apply(offer.price);
        }
    }
    let repriced: Vec<(Group, u32)> = (offers.iter().zip(&changes))
        .filter(|(_, change)| change.is_some())
        .map(|(offer, _)| (offer.group, offer.type_id))
        .collect();
    supply.overlaid =
        offers.iter().map(|offer| repriced.contains(&(offer.group, offer.type_id))).collect();
    for pool in pools {
        for list in [&mut pool.on_demand, &mut pool.spot] {
            super::pool::sort(list, offers);
        }
    }
}

/// Whether an overlay matches what a pool buys.
fn selects(overlay: &NodeOverlay, pool: &Pool, shape: &Shape, purchase: Purchase) -> bool {
    let wanted = &overlay.requirements;
    let lists = [
        &wanted.instance_types,
        &wanted.families,
        &wanted.categories,
        &wanted.sizes,
        &wanted.architectures,
    ];
    let any = |names: &[String], value: &str| names.is_empty() || names.iter().any(|n| n == value);
    let capacity = |kind: &CapacityType| match kind {
        CapacityType::Spot => NodeCapacity::Spot,
        CapacityType::OnDemand => NodeCapacity::OnDemand,
        CapacityType::Reserved => NodeCapacity::Reserved,
    };
    any(&wanted.node_pools, &pool.name)
        && (wanted.capacity_types.is_empty()
            || wanted.capacity_types.iter().any(|kind| capacity(kind) == purchase.into()))
        && PROPERTIES.iter().zip(lists).all(|(property, names)| any(names, (property.of)(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `AdjustedPrice`: a price replaces, a percentage multiplies, an amount adds, and none falls below 0.
    #[test]
    fn an_overlay_changes_a_price_as_karpenter_reads_it() {
        let of = |text: &str| Change::adjustment(text).map(|change| change.apply(0.2));
        let near = |text: &str, price: f64| (of(text).unwrap() - price).abs() < 1e-12;
        assert!(near("+10%", 0.22) && near("-20%", 0.16) && near("-0.05", 0.15));
        assert!(near("+.5", 0.7) && near("-100%", 0.0) && near("-1", 0.0));
        for wrong in ["10%", "0.1", "-101%", "+", "+1.", "+-1", "", "+10 %", "+1e3"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
