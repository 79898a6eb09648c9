//! What spot capacity costs in a trial: the book's price, moved as spot prices move.
//!
//! # Formula
//! ```text
//! price(type, month) = min( book × exp(σ_region r(month) + σ_type t(month)),  on demand )
//! r(m) = φ r(m − 1) + √(1 − φ²) z,   t alike for each type by itself
//! ```
//! # Source
//! `models/controllers.toml`, `[spot]`: how σ was read from two snapshots, and that φ is assumed. AWS's
//! default maximum for spot capacity is the on-demand price (EC2 user guide, "Spot Instance pricing").
//! # Limits
//! Karpenter chooses among types by the book's prices: that a type has become dear moves the bill and not the
//! choice.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use statrs::distribution::{ContinuousCDF, Normal};

use super::PriceUsed;
use crate::{
    bounds,
    facts::{
        prices::{BillKey, PriceBook},
        shapes::SpotFacts,
    },
    measure::{calendar::Month, random, units::UnitPrice},
};

const SPOT: &str = "SpotUsage:";

/// Whether the price of a meter moves in trials.
pub fn moves(key: &BillKey) -> bool {
    key.usage_type.starts_with(SPOT)
}

/// How far prices move together in a region, and each on its own.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sigma {
    region: f64,
    meter: f64,
}

/// The prices of one trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    luck: u64,
    start: Month,
    /// Logarithmic standard deviations of a month.
    sigma: Sigma,
    memory: f64,
    trial: u32,
    /// Factor on all prices, of a question such as "what if spot is more expensive".
    level: f64,
}

impl Market {
    /// The market of a trial of a plan that starts in `start`.
    pub fn new(luck: u64, trial: u32, start: Month, facts: &SpotFacts) -> Self {
        let sigma = Sigma { region: facts.price_sigma_region, meter: facts.price_sigma_type };
        Self { luck, start, sigma, memory: facts.price_memory, trial, level: 1.0 }
    }

    /// The same market with all prices times `level`.
    #[must_use]
    pub fn at_level(self, level: f64) -> Self {
        Self { level, ..self }
    }

    /// The factor on the book's price of a spot meter in a month.
    pub fn factor(&self, key: &BillKey, month: Month) -> f64 {
        let region = self.walk(&key.region, month);
        let meter = self.walk(&format!("{}/{}", key.region, key.usage_type), month);
        self.level * (self.sigma.region * region + self.sigma.meter * meter).exp()
    }

    fn walk(&self, name: &str, month: Month) -> f64 {
        let (law, name) = (Normal::standard(), random::name(name));
        let fresh = (1.0 - self.memory * self.memory).sqrt();
        let months = month.since(self.start).max(0) as u64;
        (0..=months).fold(0.0, |at, index| {
            let z = law.inverse_cdf(random::keyed(self.luck, [name, index]));
            if index == 0 { z } else { self.memory * at + fresh * z }
        })
    }

    /// Moves a price, but not above the on-demand one.
    pub(super) fn reprice(&self, price: &mut PriceUsed, month: Month, book: &PriceBook) {
        let factor = Decimal::try_from(self.factor(&price.key, month)).unwrap_or(Decimal::ONE);
        let key = BillKey {
            usage_type: price.key.usage_type.replacen(SPOT, "BoxUsage:", 1),
            ..price.key.clone()
        };
        let most = book.find(&key).map(|ladder| ladder.rows[0].price);
        for step in &mut price.steps {
            let moved = UnitPrice::from_decimal(step.price.decimal() * factor);
            step.price = most.map_or(moved, |most| moved.min(most));
            step.note = format!(
                "{} in {month} of trial {}; {}",
                step.price.decimal(),
                self.trial,
                step.note
            );
        }
    }
}

/// A meter, the month where its price moves, and the price that some zones have of their own.
type Meter<'a> = (&'a BillKey, Option<Month>, Option<UnitPrice>);

/// The prices that a rating used, by meter and, where they move, by month.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    places: BTreeMap<Meter<'a>, Option<usize>>,
    /// Meters without a price so far.
    missing: usize,
}

impl<'a> Known<'a> {
    /// The place of a meter's price among `prices`; `None` where there is none, which is reported once.
    pub(super) fn price(
        &mut self,
        (key, month, own): (&'a BillKey, Month, Option<UnitPrice>),
        (book, market): (&PriceBook, Option<&Market>),
        prices: &mut Vec<PriceUsed>,
        tell: impl FnOnce(String),
    ) -> Option<usize> {
        let market = market.filter(|_| moves(key));
        let slot = self.places.entry((key, market.map(|_| month), own));
        let missing = &mut self.missing;
        *slot.or_insert_with(|| {
            let Some(ladder) = book.find(key) else {
                *missing += 1;
                let explained = *missing <= bounds::EXPLAINED_METERS;
                tell(if explained { book.missing(key) } else { book.absent(key) });
                return None;
            };
            let mut price = PriceUsed::new(key, &ladder);
            if let Some(own) = own {
                price = price.at(own);
            }
            if let Some(market) = market {
                market.reprice(&mut price, month, book);
            }
            prices.push(price);
            Some(prices.len() - 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(luck: u64) -> Market {
        Market {
            luck,
            start: "2027-01".parse().unwrap(),
            sigma: Sigma { region: 0.18, meter: 0.26 },
            memory: 0.9,
            trial: 1,
            level: 1.0,
        }
    }

    fn key(kind: &str) -> BillKey {
        BillKey::new("AmazonEC2", "us-east-1", &format!("{kind}:m7g.large"), "RunInstances")
    }

    /// σ = √(0.18² + 0.26²) = 0.316 in every month, and neighbours correlate by 0.9.
    #[test]
    fn prices_vary_as_much_in_every_month_and_remember() {
        let at =
            |luck, month: &str| market(luck).factor(&key("SpotUsage"), month.parse().unwrap()).ln();
        for month in ["2027-01", "2028-06"] {
            let logs: Vec<f64> = (0..2000).map(|luck| at(luck, month)).collect();
            let sigma = (logs.iter().map(|l| l * l).sum::<f64>() / 2000.0).sqrt();
            assert!((sigma - 0.316).abs() < 0.015, "{month} {sigma}"); // 0.316 / √4000 = 0.005
        }
        let pairs = (0..2000).map(|luck| at(luck, "2027-05") * at(luck, "2027-06"));
        let together = pairs.sum::<f64>() / 2000.0 / 0.1;
        assert!((together - 0.9).abs() < 0.06, "{together}");
    }

    #[test]
    fn only_spot_moves() {
        assert!(moves(&key("SpotUsage")) && !moves(&key("BoxUsage")));
    }
}
