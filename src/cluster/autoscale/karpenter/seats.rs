//! Instances of capacity reservations that are free, and which planned nodes hold them.
//!
//! # Source
//! kubernetes-sigs/karpenter `pkg/controllers/provisioning/scheduling/reservationmanager.go`, commit 1987b1c;
//! aws/karpenter-provider-aws `pkg/providers/instance/filter/filter.go#ReservedOfferingFilter`, commit 03021fb.

use super::Claim;
use crate::cluster::autoscale::{
    Cluster,
    group::Group,
    policy::{Policy, Seat},
    resources::Resources,
};

/// Free instances of a round; empty where there are no reservations.
#[derive(Debug, Clone, Default)]
pub(in crate::cluster::autoscale) struct Seats {
    /// Reservations that had a free instance when the round began, one bit each.
    open: u64,
    /// Instances of each that neither a node nor a planned node has.
    left: Vec<u32>,
}

impl Seats {
    pub(super) fn is_any(&self) -> bool {
        self.open != 0
    }

    /// What a group may buy of the reservations that had a free instance when the round began.
    pub(super) fn open<'a>(
        &self,
        policy: &'a Policy,
        group: Group,
    ) -> impl Iterator<Item = Seat> + use<'a> {
        let open = self.open;
        policy.supply.seats_of(group).filter(move |seat| open & bit(*seat) != 0)
    }

    /// Whether a claim that holds these reservations holds this one, or may.
    pub(super) fn can_hold(&self, seat: Seat, held: u64) -> bool {
        held & bit(seat) != 0 || self.left[seat.reservation] > 0
    }

    /// A claim holds other reservations than before.
    pub(super) fn hold(&mut self, before: u64, after: u64) {
        if before == after {
            return;
        }
        for (place, left) in self.left.iter_mut().enumerate() {
            let (had, has) = (before >> place & 1, after >> place & 1);
            *left = *left + had as u32 - has as u32;
        }
    }
}

/// The bit of a seat's reservation.
pub(super) fn bit(seat: Seat) -> u64 {
    1 << seat.reservation
}

impl Cluster {
    /// The instances that are free now.
    pub(in crate::cluster::autoscale) fn free_seats(&self, policy: &Policy) -> Seats {
        let reservations = &policy.supply.reservations;
        if reservations.is_empty() {
            return Seats::default();
        }
        let mut left: Vec<u32> = reservations.iter().map(|own| own.instances).collect();
        for node in self.nodes() {
            if let Some(reservation) = policy.supply.reservation_of(node.offer) {
                left[reservation] = left[reservation].saturating_sub(1);
            }
        }
        let free = left.iter().enumerate().filter(|(_, left)| **left > 0);
        Seats { open: free.fold(0, |bits, (place, _)| bits | 1 << place), left }
    }

    /// Buys the node of a claim in a reservation that it holds, of `only` these offers where they are named:
    /// the cheapest type, and of equals the reservation with the most room. `None` when all are taken by now.
    pub(super) fn launch_reserved(
        &mut self,
        policy: &Policy,
        claim: &Claim,
        only: Option<&[usize]>,
    ) -> Option<usize> {
        let seats = self.free_seats(policy);
        let group = policy.pools[claim.pool].group;
        let held = seats.open(policy, group).filter(|seat| claim.reserved & bit(*seat) != 0);
        let fits = |seat: &Seat| {
            only.is_none_or(|only| only.contains(&seat.offer)) && claim.holds(policy, seat.offer)
        };
        let room = |seat: &Seat| seats.left[seat.reservation];
        let price = |seat: &Seat| policy.offers[seat.offer].price;
        let seat = held
            .filter(fits)
            .min_by(|a, b| price(a).total_cmp(&price(b)).then_with(|| room(b).cmp(&room(a))))?;
        let zone = policy.supply.reservations[seat.reservation].zone;
        let ready_at = self.draw_ready_at(policy);
        Some(self.launch(policy, seat.offer, zone, ready_at))
    }

    /// Whether a free instance of a reservation, cheaper than `price`, has room for this much.
    pub(in crate::cluster::autoscale) fn seat_holds(
        &self,
        policy: &Policy,
        asked: Resources,
        price: f64,
    ) -> bool {
        if policy.supply.seats.is_empty() {
            return false;
        }
        let seats = self.free_seats(policy);
        policy.supply.seats.iter().filter(|seat| seats.open & bit(**seat) != 0).any(|seat| {
            let offer = &policy.offers[seat.offer];
            offer.price < price && offer.room().holds(asked)
        })
    }
}
