//! Capacity that is not bought at the price book's price: reservations, and spot prices of zones.
//!
//! # Formula
//! ```text
//! reserved   price = on demand / 10,000,000, in one zone, while an instance of the reservation is free
//! zone       price = cluster.spot_prices, on the bill too; the other zones keep the book's price
//! ```
//! # Source
//! aws/karpenter-provider-aws `pkg/providers/instancetype/offering/reserved_capacity_resolver.go`, commit 1730dfd.
//! # Limits
//! A reservation takes targeted launches only: baseline nodes of its type do not use it, as they would use one
//! with open matching. A spot price of a zone is the same in every month.

use crate::cluster::autoscale::group::Group;
use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::{
    Inputs, Offer, Pool, Purchase,
    offer::{known_shape, offer, price, zone_of},
    pool::admits,
    problem,
};
use crate::{
    cluster::autoscale::settings::{CapacityReservation, CapacityType, MinValuesPolicy},
    error::{Problem, nearest},
    measure::units::UnitPrice,
};

/// A round keeps the reservations of a planned node as bits.
const MOST_RESERVATIONS: usize = 64;

/// Instances of one type in one zone that AWS keeps, used or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    /// Its name.
    pub name: String,
    /// EC2 instance type.
    pub instance_type: String,
    /// Availability zone, from 0.
    pub zone: u8,
    /// How many.
    pub instances: u32,
    /// What the bill charges for one, used or not, at list price, in USD per hour.
    pub list_price: f64,
}

/// What a pool buys of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Place of the reservation.
    pub reservation: usize,
    /// Group of the pool.
    pub group: Group,
    /// The offer.
    pub offer: usize,
}

/// A price on the bill that some zones have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonePrice {
    /// Letters of the zones, `a` or `bc`.
    pub zones: String,
    /// Price of an hour, in USD.
    pub price: UnitPrice,
}

/// The price of an offer on the bill, where it is not the price book's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneRate {
    /// The offer.
    pub offer: usize,
    /// Its zones and their price.
    pub price: ZonePrice,
}

/// Reservations, prices by zone and overlays of a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Supply {
    /// Capacity reservations.
    pub reservations: Vec<Reservation>,
    /// What pools buy of them.
    pub seats: Vec<Seat>,
    /// Offers that the bill charges at another price than the book's.
    pub zone_rates: Vec<ZoneRate>,
    /// Per offer, whether a node overlay changes a price of its type in its pool; empty without overlays.
    pub overlaid: Vec<bool>,
    /// Where `min_values` cannot be kept, a node keeps as many values as there are (`BestEffort`).
    pub relaxes_min_values: bool,
}

impl Supply {
    /// Returns what a pool's group buys of reservations.
    pub fn seats_of(&self, group: Group) -> impl Iterator<Item = Seat> + '_ {
        self.seats.iter().copied().filter(move |seat| seat.group == group)
    }

    /// Returns the reservation that nodes of an offer use.
    pub fn reservation_of(&self, offer: usize) -> Option<usize> {
        self.seats.iter().find(|seat| seat.offer == offer).map(|seat| seat.reservation)
    }

    /// Returns what the bill charges for an hour of each offer at list price, before overlays change the prices
    /// that Karpenter chooses by.
    pub(super) fn list_prices(&self, offers: &[Offer]) -> Vec<f64> {
        let mut prices: Vec<f64> = offers.iter().map(|offer| offer.price).collect();
        for seat in &self.seats {
            prices[seat.offer] = self.reservations[seat.reservation].list_price;
        }
        prices
    }

    /// Returns the price of an hour on the bill, where it is not the price book's.
    pub fn rate_of(&self, offer: usize) -> Option<&ZonePrice> {
        self.zone_rates.iter().find(|rate| rate.offer == offer).map(|rate| &rate.price)
    }

    /// Returns whether an overlay changes a price of the offer's type in its pool.
    pub fn is_overlaid(&self, offer: usize) -> bool {
        self.overlaid.get(offer).copied().unwrap_or(false)
    }

    /// What a cluster has in addition to the price book's offers.
    pub(super) fn new(inputs: &Inputs<'_>, problems: &mut Vec<Problem>) -> Self {
        let policy = inputs.cluster.min_values_policy;
        let relaxes_min_values = policy == MinValuesPolicy::BestEffort;
        let mut supply = Self { relaxes_min_values, ..Self::default() };
        supply.reserve(inputs, problems);
        supply
    }

    /// The reservations of a cluster, as far as they are without contradictions.
    fn reserve(&mut self, inputs: &Inputs<'_>, problems: &mut Vec<Problem>) {
        let all = &inputs.cluster.capacity_reservations;
        if all.len() > MOST_RESERVATIONS {
            let message = format!("{} reservations; give {MOST_RESERVATIONS} or fewer", all.len());
            problems.push(problem("cluster.capacity_reservations", message));
            return;
        }
        for (name, given) in all {
            let key = |field: &str| format!("cluster.capacity_reservations.{name}.{field}");
            let mut wrong = Vec::new();
            let shape = known_shape(inputs.catalog, &given.instance_type);
            if let Err(message) = &shape {
                wrong.push(problem(&key("instance_type"), message.clone()));
            }
            let list_price = price(inputs, "BoxUsage", &given.instance_type);
            if shape.is_ok() && list_price.is_none() {
                let message = format!(
                    "the price book has no on-demand price of {} in {}, so the reservation cannot be billed",
                    given.instance_type, inputs.region
                );
                wrong.push(problem(&key("instance_type"), message));
            }
            let zone = zone_of(inputs.cluster, &given.zone);
            if let Err(message) = &zone {
                wrong.push(problem(&key("zone"), message.clone()));
            }
            for (place, pool) in given.node_pools.iter().enumerate() {
                if let Some(message) = refuses(inputs, given, pool) {
                    wrong.push(problem(&key(&format!("node_pools.{place}")), message));
                }
            }
            let (true, Ok(zone), Some(list_price)) = (wrong.is_empty(), zone, list_price) else {
                problems.extend(wrong);
                continue;
            };
            self.reservations.push(Reservation {
                name: name.clone(),
                instance_type: given.instance_type.clone(),
                zone,
                instances: given.instances,
                list_price,
            });
        }
    }

    /// Adds what a pool buys of the reservations to `offers`.
    pub(super) fn seat(&mut self, inputs: &Inputs<'_>, offers: &mut Vec<Offer>, pool: &Pool) {
        let Some(settings) = inputs.cluster.node_pools.get(&pool.name) else { return };
        if !settings.capacity_types.contains(&CapacityType::Reserved) {
            return;
        }
        for (place, reservation) in self.reservations.iter().enumerate() {
            let given = &inputs.cluster.capacity_reservations[&reservation.name];
            let named = given.node_pools.is_empty() || given.node_pools.contains(&pool.name);
            let shape = inputs.catalog.shape(&reservation.instance_type);
            let Some(shape) = shape.filter(|shape| named && admits(settings, shape)) else {
                continue;
            };
            // A reservation is paid anyway; the division keeps the order among types.
            let divisor = inputs.catalog.controllers.karpenter.reserved_price_divisor;
            let bought = (reservation.list_price / divisor, Purchase::Reserved);
            let of = (&*pool.name, pool.group);
            if let Some(made) = offer(inputs, (shape, settings.kubelet.as_ref()), bought, of) {
                let seat = Seat { reservation: place, group: pool.group, offer: offers.len() };
                self.seats.push(seat);
                offers.push(Offer { zones: 1 << reservation.zone, ..made });
            }
        }
    }

    /// Reservations that no pool uses, and pools that may use none.
    pub(super) fn advice(
        &self,
        inputs: &Inputs<'_>,
        (pools, offers): (&[Pool], &[Offer]),
    ) -> Vec<String> {
        let mut notes = Vec::new();
        for pool in pools.iter().filter(|_| self.relaxes_min_values) {
            let bought = offers.iter().filter(|offer| offer.group == pool.group);
            let types: BTreeSet<u32> = bought.map(|offer| offer.type_id).collect();
            if pool.min_values.types as usize > types.len() {
                notes.push(format!(
                    "cluster.node_pools.{}.min_values.instance_types: {} of the {} that the pool buys cannot be kept; under BestEffort its nodes keep as many as there are",
                    pool.name,
                    pool.min_values.types,
                    types.len()
                ));
            }
        }
        for (place, reservation) in self.reservations.iter().enumerate() {
            if self.seats.iter().all(|seat| seat.reservation != place) {
                notes.push(format!(
                    "cluster.capacity_reservations.{}: no node pool has the capacity type reserved and buys {}; all hours of the reservation are unused, and billed",
                    reservation.name, reservation.instance_type
                ));
            }
        }
        for (name, pool) in &inputs.cluster.node_pools {
            let asks = pool.capacity_types.contains(&CapacityType::Reserved);
            let others = pool.capacity_types.len() > 1;
            if asks && others && self.reservations.is_empty() {
                notes.push(format!(
                    "cluster.node_pools.{name}.capacity_types: reserved has no effect without cluster.capacity_reservations"
                ));
            }
        }
        notes
    }

    /// Notes which offers the bill charges at the price of their zone, and checks the prices given.
    pub(super) fn rate_zones(
        &mut self,
        inputs: &Inputs<'_>,
        offers: &[Offer],
        (problems, notes): (&mut Vec<Problem>, &mut Vec<String>),
    ) {
        let given = &inputs.cluster.spot_prices;
        for (place, one) in given.iter().enumerate() {
            let key = |field: &str| format!("cluster.spot_prices.{place}.{field}");
            let before = problems.len();
            if let Err(message) = zone_of(inputs.cluster, &one.zone) {
                problems.push(problem(&key("zone"), message));
            }
            if let Err(message) = known_shape(inputs.catalog, &one.instance_type) {
                problems.push(problem(&key("instance_type"), message));
            }
            let same = |other: &&crate::cluster::autoscale::settings::SpotPrice| {
                other.zone == one.zone && other.instance_type == one.instance_type
            };
            if given[..place].iter().any(|other| same(&other)) {
                let message = format!(
                    "{} in zone {} is given twice; remove one",
                    one.instance_type, one.zone
                );
                problems.push(problem(&format!("cluster.spot_prices.{place}"), message));
            }
            let is_bought = offers.iter().any(|offer| {
                offer.purchase == Purchase::Spot && offer.instance_type == one.instance_type
            });
            if problems.len() == before && !is_bought {
                notes.push(format!(
                    "cluster.spot_prices.{place}: no node pool buys {} as spot; the price is not used",
                    one.instance_type
                ));
            }
        }
        if given.is_empty() {
            return;
        }
        for (index, offer) in offers.iter().enumerate() {
            if offer.purchase != Purchase::Spot {
                continue;
            }
            let book = price(inputs, "SpotUsage", &offer.instance_type).unwrap_or(0.0);
            let decimal = Decimal::try_from(offer.price).ok();
            if let Some(decimal) = decimal.filter(|_| offer.price.to_bits() != book.to_bits()) {
                let letters = (0..8_u8).filter(|zone| offer.zones & (1 << zone) != 0);
                let zones = letters.map(|zone| char::from(b'a' + zone)).collect();
                let price = ZonePrice { zones, price: UnitPrice::from_decimal(decimal) };
                self.zone_rates.push(ZoneRate { offer: index, price });
            }
        }
    }
}

/// The spot prices of a type and the zones that have each: `base` where the scenario gives no other.
pub(super) fn spot_prices(inputs: &Inputs<'_>, instance_type: &str, base: f64) -> Vec<(f64, u8)> {
    let mut prices = vec![(base, super::offer::zones(inputs.cluster))];
    for one in inputs.cluster.spot_prices.iter().filter(|one| one.instance_type == instance_type) {
        let Ok(zone) = zone_of(inputs.cluster, &one.zone) else { continue };
        prices[0].1 &= !(1 << zone);
        match prices.iter_mut().find(|known| known.0.to_bits() == one.usd_per_hour.to_bits()) {
            Some(known) => known.1 |= 1 << zone,
            None => prices.push((one.usd_per_hour, 1 << zone)),
        }
    }
    prices.retain(|(_, zones)| *zones != 0);
    prices
}

/// Why a pool that a reservation names cannot use it.
fn refuses(inputs: &Inputs<'_>, given: &CapacityReservation, pool: &str) -> Option<String> {
    let pools = &inputs.cluster.node_pools;
    let Some(settings) = pools.get(pool) else {
        let near = nearest(pool, pools.keys().map(|name| &**name));
        return Some(super::unknown("node pool", pool, near));
    };
    if !settings.capacity_types.contains(&CapacityType::Reserved) {
        return Some(format!(
            "{pool} does not allow the capacity type reserved; add it to cluster.node_pools.{pool}.capacity_types"
        ));
    }
    let shape = inputs.catalog.shape(&given.instance_type);
    let admitted = shape.is_none_or(|shape| admits(settings, shape));
    (!admitted).then(|| {
        format!(
            "the requirements of {pool} exclude {}; allow the type, or remove the pool here",
            given.instance_type
        )
    })
}
