//! Hand-overs: what one service sends and another one bills, such as log bytes or public addresses.
//!
//! The service that receives a quantity declares its [`HandOver`] in its own file; the services that send it name that
//! constant. All hand-overs of an account are collected before any service is metered.

use crate::usage::services::Service;

/// A kind of quantity that services hand over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOver {
    /// The table of the service that receives it, `s3`.
    pub receiver: &'static str,
    /// What it counts, as it reads after a number: `GB of logs delivered to S3`.
    pub what: &'static str,
    /// Whether a plan without the receiver lacks a cost, and the reader must know.
    pub billed: bool,
}

impl HandOver {
    /// Returns a kind that the receiver bills: a plan without the receiver warns of it.
    pub const fn billed_by<S: Service>(what: &'static str) -> Self {
        Self { receiver: S::KIND, what, billed: true }
    }

    /// Returns a kind that matters only where the receiver is in the plan.
    pub const fn known_to<S: Service>(what: &'static str) -> Self {
        Self { receiver: S::KIND, what, billed: false }
    }

    /// Returns a hand-over of this kind.
    pub fn amount(self, quantity: f64) -> Sent {
        Sent { kind: self, quantity }
    }
}

/// A quantity that one service hands to another in a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sent {
    /// What it is.
    pub kind: HandOver,
    /// How much, in the unit of its kind.
    pub quantity: f64,
}

/// The hand-overs of all services of an account in a month, summed by kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Received(Vec<Sent>);

impl Received {
    /// Returns how much of a kind was handed over; 0 where nothing was.
    pub fn total(&self, kind: HandOver) -> f64 {
        self.0.iter().find(|sum| sum.kind == kind).map_or(0.0, |sum| sum.quantity)
    }

    /// Iterates over the sums, in the order in which their kinds were first handed over.
    pub fn iter(&self) -> impl Iterator<Item = &Sent> {
        self.0.iter()
    }
}

impl FromIterator<Sent> for Received {
    fn from_iter<I: IntoIterator<Item = Sent>>(hand_overs: I) -> Self {
        let mut sums: Vec<Sent> = Vec::new();
        for hand_over in hand_overs {
            match sums.iter_mut().find(|sum| sum.kind == hand_over.kind) {
                Some(sum) => sum.quantity += hand_over.quantity,
                None => sums.push(hand_over),
            }
        }
        Self(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::{kms, s3};

    #[test]
    fn quantities_of_a_kind_are_summed() {
        let sent = [s3::LOGS_GB.amount(2.0), kms::REQUESTS.amount(7.0), s3::LOGS_GB.amount(0.5)];
        let received: Received = sent.into_iter().collect();
        assert_eq!(received.total(s3::LOGS_GB), 2.5);
        assert_eq!(received.total(kms::REQUESTS), 7.0);
        assert_eq!(received.total(s3::READS), 0.0);
        assert_eq!(received.iter().count(), 2);
    }
}
