//! Numbers with their meaning: money, prices, metered quantities.
//!
//! Money is decimal because it must add up; quantities are `f64` because they are modelled. They
//! meet once, in [`crate::money::rate::charge`], which rounds once, half to even, to ten places.
//!
//! # Limits
//! A [`Quantity`] keeps about 15 significant digits, so a line of a billion units is exact to a
//! millionth of a unit.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
};

use rust_decimal::{Decimal, RoundingStrategy, prelude::FromPrimitive};
use serde::{Deserialize, Serialize};

/// Decimal places kept on every amount of money.
pub const USD_PLACES: u32 = 10;

/// Largest figure that any input may hold, and largest quantity that is priced.
///
/// Above 10^15 an `f64` no longer holds hundredths, and a million lines of that size at 10,000 USD a unit are
/// still within what a [`Decimal`] holds (7.9 × 10^28), so sums of accepted figures never overflow. AWS bills no
/// single meter of this size: a wrong unit or a damaged file does.
pub const MOST_QUANTITY: f64 = 1e15;

/// Reads a figure of 0 or more, and at most [`MOST_QUANTITY`].
///
/// # Errors
/// Text that is no such number: what is accepted.
pub fn parse_figure(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > MOST_QUANTITY => {
            Err(format!("{text} is above {MOST_QUANTITY:e}, the largest figure that is read"))
        }
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("{text:?} is not a finite number of 0 or more")),
    }
}

/// Largest amount of money that an input may hold or a charge may come to, in USD.
///
/// A million lines of [`MOST_QUANTITY`] units at 1 USD; tens of millions of such amounts add up without
/// overflow.
pub const MOST_USD: f64 = 1e21;

/// Bytes in what AWS prints as "GB" and meters as 2^30
/// (AWS pricing pages, "GB = 1024^3 bytes" for transfer and storage).
pub const BYTES_PER_GB: f64 = 1_073_741_824.0;
/// Bytes in a MiB.
pub const BYTES_PER_MIB: f64 = 1_048_576.0;

/// An amount of money (USD), exact to ten decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Usd(Decimal);

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Rounds once, half to even, to ten places.
    pub fn from_decimal(value: Decimal) -> Self {
        Self(value.round_dp_with_strategy(USD_PLACES, RoundingStrategy::MidpointNearestEven))
    }

    /// Returns the same for outside data: none beyond [`MOST_USD`] either way.
    pub fn checked(value: Decimal) -> Option<Self> {
        let most = Decimal::from_f64(MOST_USD)?;
        (value.abs() <= most).then(|| Self::from_decimal(value))
    }

    /// Returns the exact amount.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Returns the amount to the cent, as a bill prints it.
    pub fn cents(self) -> Decimal {
        let mut cents = self.0.round_dp_with_strategy(2, RoundingStrategy::MidpointNearestEven);
        cents.rescale(2);
        cents
    }

    /// Returns the amount as a float, for ratios and charts only.
    pub fn to_f64(self) -> f64 {
        rust_decimal::prelude::ToPrimitive::to_f64(&self.0).unwrap_or(0.0)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.normalize(), f)
    }
}

impl Serialize for Usd {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = rust_decimal::serde::str::deserialize(deserializer)?;
        Self::checked(value).ok_or_else(|| {
            let message =
                format!("{value} USD is beyond {MOST_USD:e}, the largest amount that is read");
            serde::de::Error::custom(message)
        })
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Usd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// The price of one pricing unit (USD per unit), parsed from text, never through a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitPrice(Decimal);

impl UnitPrice {
    /// Returns a price that was computed: rounded to ten places, and not negative.
    pub fn from_decimal(value: Decimal) -> Self {
        Self(value.max(Decimal::ZERO).round_dp(USD_PLACES))
    }

    /// Parses `0.0000002` or `2E-7`.
    ///
    /// # Errors
    /// Text that is not a decimal number, or a negative one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value = text.parse().or_else(|_| Decimal::from_scientific(text));
        match value {
            Ok(price) if price < Decimal::ZERO => Err(format!("the price {text} is negative")),
            Ok(price) => Ok(Self(price)),
            Err(_) => Err(format!("{text:?} is not a decimal price")),
        }
    }

    /// Returns the exact price.
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// Returns the price of one of several equal parts of the unit.
    #[must_use]
    pub fn of_part(self, parts: Decimal) -> Self {
        Self(self.0 / parts)
    }

    /// Returns the price as a float, for ordering offers only.
    pub fn to_f64(self) -> f64 {
        rust_decimal::prelude::ToPrimitive::to_f64(&self.0).unwrap_or(f64::INFINITY)
    }
}

impl fmt::Display for UnitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.normalize(), f)
    }
}

impl Serialize for UnitPrice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnitPrice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Returns the schema of a table of factors by name: each a number of 0 or more, and not absurd.
pub fn factors_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": { "type": "number", "minimum": 0, "maximum": 1_000_000 }
    })
}

/// Returns `1234567.8` with `places` decimals and thousands separated: `1,234,567.80`.
pub fn grouped(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    // A rounded nothing has no sign.
    let nothing = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    separate(if nothing { text.trim_start_matches('-') } else { &text })
}

/// Returns money that was modelled in floats with `places` decimals: `-$19,041.00`.
pub fn in_dollars(value: f64, places: usize) -> String {
    let text = grouped(value, places);
    text.strip_prefix('-').map_or_else(|| format!("${text}"), |text| format!("-${text}"))
}

/// Returns the digits of a number with thousands separated.
pub(crate) fn separate(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (whole, rest) = text.split_once('.').map_or((text, None), |(w, r)| (w, Some(r)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

/// Returns a count with its noun, `1 month` or `2 months`.
pub fn count(number: usize, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {one}{s}")
}

/// Returns the percentage that a fraction in its place most likely means: 7 for 0.07.
pub fn percent_of_fraction(number: f64) -> Option<f64> {
    // Rounded to a millionth: 0.07 × 100 is 7.000000000000001.
    (number > 0.0 && number < 1.0).then(|| (number * 1e8).round() / 1e6)
}

/// How much was used, in the usage type's own unit: finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize)]
pub struct Quantity(f64);

impl Quantity {
    /// Nothing used.
    pub const ZERO: Self = Self(0.0);

    /// Returns a metered quantity.
    ///
    /// # Panics
    /// On a negative, infinite or undefined value: a meter that makes one is wrong, and a bill
    /// must not be made from it.
    pub fn new(value: f64) -> Self {
        Self::checked(value).expect("a metered quantity is finite and not negative")
    }

    /// Returns the same for outside data.
    pub fn checked(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// Returns the number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Returns the number as a decimal of at most 15 significant digits; `None` above 7.9e28.
    pub fn decimal(self) -> Option<Decimal> {
        Decimal::from_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::checked(value).ok_or_else(|| {
            let message = format!("a quantity is a finite number of 0 or more, not {value}");
            serde::de::Error::custom(message)
        })
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_rounds_half_to_even_at_ten_places() {
        let half: Decimal = "0.00000000005".parse().unwrap();
        assert_eq!(Usd::from_decimal(half).to_string(), "0");
        let three_halves: Decimal = "0.00000000015".parse().unwrap();
        assert_eq!(Usd::from_decimal(three_halves).to_string(), "0.0000000002");
    }

    #[test]
    fn cents_keep_two_places() {
        assert_eq!(Usd::from_decimal("73".parse().unwrap()).cents().to_string(), "73.00");
        assert_eq!(Usd::from_decimal("0.005".parse().unwrap()).cents().to_string(), "0.00");
        assert_eq!(Usd::from_decimal("0.015".parse().unwrap()).cents().to_string(), "0.02");
    }

    #[test]
    fn prices_parse_plain_and_scientific_text_and_refuse_the_rest() {
        assert_eq!(UnitPrice::parse("0.0000002"), UnitPrice::parse("2E-7"));
        assert!(UnitPrice::parse("-1").is_err());
        assert!(UnitPrice::parse("NaN").is_err());
        assert!(UnitPrice::parse("").is_err());
    }

    #[test]
    fn quantities_are_finite_and_not_negative() {
        assert!(Quantity::checked(-0.1).is_none());
        assert!(Quantity::checked(f64::NAN).is_none());
        assert!(Quantity::checked(f64::INFINITY).is_none());
        assert_eq!(Quantity::new(0.1).decimal(), Some("0.1".parse().unwrap()));
    }
}
