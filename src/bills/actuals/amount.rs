//! Amounts of a bill as whole numbers: exact sums over millions of rows.
//!
//! # Limits
//! Fifteen decimals are kept; a bill prints ten, and quantities fifteen. What stands behind them is cut
//! off row by row. An amount is below 10^18, either side of zero.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::measure::units::Usd;

/// Decimals kept.
const PLACES: u32 = 15;
/// 10 to the power of [`PLACES`].
const SCALE: i128 = 1_000_000_000_000_000;
/// Whole digits beyond which a figure is no amount.
const MOST_WHOLE: usize = 18;
/// The first number that is no amount.
const BOUND: i128 = SCALE * 10_i128.pow(MOST_WHOLE as u32);

/// A number of up to fifteen decimals; money or a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Reads a decimal number, `-2.6137` or `1.81E-8`; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::short(text.as_bytes()).or_else(|| Self::long(text))
    }

    /// Returns up to 18 digits, which nearly every cell is: they fit a machine word.
    fn short(text: &[u8]) -> Option<Self> {
        let (negative, digits) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        if digits.len() > 18 {
            return None;
        }
        let (mut value, mut places) = (0_u64, None);
        for (index, byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => value = value * 10 + u64::from(byte - b'0'),
                b'.' if places.is_none() => places = Some(digits.len() - 1 - index),
                _ => return None,
            }
        }
        let places = places.unwrap_or(0) as u32;
        let any = digits.len() > usize::from(digits.contains(&b'.'));
        if !any || places > PLACES {
            return None;
        }
        let value = i128::from(value) * i128::from(10_u64.pow(PLACES - places));
        Some(Self(if negative { -value } else { value }))
    }

    fn long(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            all => (false, all),
        };
        let mut value: i128 = 0;
        let mut places: Option<u32> = None;
        let mut seen = 0_usize;
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    seen += 1;
                    let kept = places.is_none_or(|places| places < PLACES);
                    if kept {
                        value = value * 10 + i128::from(byte - b'0');
                        if value >= 10_i128.pow(34) {
                            return None;
                        }
                    }
                    if let Some(places) = &mut places
                        && kept
                    {
                        *places += 1;
                    }
                }
                b'.' if places.is_none() => places = Some(0),
                b'e' | b'E' if seen > 0 => return Self::scientific(text),
                _ => return None,
            }
        }
        if seen == 0 {
            return None;
        }
        let value = value.checked_mul(10_i128.pow(PLACES - places.unwrap_or(0)))?;
        Self(if negative { -value } else { value }).bounded()
    }

    fn scientific(text: &str) -> Option<Self> {
        Decimal::from_scientific(text).ok().and_then(Self::from_decimal)
    }

    /// From a decimal, cut to fifteen places; `None` from 10^18 on, either side of zero.
    pub fn from_decimal(value: Decimal) -> Option<Self> {
        let value = value.trunc_with_scale(PLACES);
        Self(value.mantissa().checked_mul(10_i128.pow(PLACES - value.scale()))?).bounded()
    }

    /// Returns the amount, or `None` where it is 10^18 or more, either side of zero. A sum can be that
    /// large although its parts are not, and a bill with such a sum could not be read again.
    pub fn bounded(self) -> Option<Self> {
        (self.0.unsigned_abs() < BOUND.unsigned_abs()).then_some(self)
    }

    /// From a binary number, as Parquet files hold money; `None` for what is not finite or above 10^18.
    pub fn from_f64(value: f64) -> Option<Self> {
        let inside = value.is_finite() && value.abs() < 10_f64.powi(MOST_WHOLE as i32);
        if !inside {
            return None;
        }
        // The whole part is exact; the fraction keeps the digits that a bill prints.
        let whole = value as i64;
        let fraction = (value - whole as f64) * SCALE as f64;
        let rounded = (fraction + 0.5_f64.copysign(fraction)) as i64;
        Some(Self(i128::from(whole) * SCALE + i128::from(rounded)))
    }

    /// From a whole number with this many decimals, as decimal columns hold money.
    pub fn from_scaled(value: i128, places: u32) -> Option<Self> {
        let amount = if places <= PLACES {
            value.checked_mul(10_i128.pow(PLACES - places))?
        } else {
            value / 10_i128.checked_pow(places - PLACES)?
        };
        Self(amount).bounded()
    }

    /// As a decimal, rounded where a decimal has no room for fifteen places.
    pub fn decimal(self) -> Decimal {
        let mut value = self.0;
        let mut places = PLACES;
        while value.unsigned_abs() >> 96 != 0 {
            value /= 10;
            places -= 1;
        }
        Decimal::from_i128_with_scale(value, places).normalize()
    }

    /// As money.
    pub fn usd(self) -> Usd {
        Usd::from_decimal(self.decimal())
    }

    /// For ratios and prices; not for sums.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / SCALE as f64
    }
}

impl std::ops::Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        // Saturation is far beyond what `bounded` lets through.
        Self(self.0.saturating_add(other.0))
    }
}

impl std::ops::Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, |sum, one| sum + one)
    }
}

/// Every digit, so that what is written is read back as the same amount: a [`Decimal`] has no room for eighteen
/// whole digits and fifteen decimals.
impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, fraction) = (self.0 / SCALE, (self.0 % SCALE).unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", whole.unsigned_abs())?;
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:0places$}", places = PLACES as usize);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not an amount")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn figures_of_real_bills_are_read_as_they_stand() {
        for (text, expected) in [
            ("0.00000080000", "0.0000008"),
            ("1.81E-8", "0.0000000181"),
            ("-2.6137", "-2.6137"),
            ("+7", "7"),
            ("18.00663861840", "18.0066386184"),
            ("0.000235520300000", "0.0002355203"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("999999999999999999", "999999999999999999"),
        ] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "-",
            ".",
            "NaN",
            "inf",
            "1.2.3",
            "1,5",
            "1e",
            "e5",
            "1e40",
            "-1e23",
            "1e18",
            "-1e18",
            "10000000000000000000",
            "-1000000000000000000",
        ] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn binary_and_scaled_numbers_keep_their_digits() {
        assert_eq!(Amount::from_f64(0.1).unwrap().to_string(), "0.1");
        assert_eq!(Amount::from_f64(123_456.789).unwrap().usd().to_string(), "123456.789");
        assert_eq!(Amount::from_f64(f64::NAN), None);
        assert_eq!(Amount::from_f64(f64::INFINITY), None);
        assert_eq!(Amount::from_scaled(12_345, 2).unwrap().to_string(), "123.45");
        assert_eq!(Amount::from_scaled(1, 20).unwrap(), Amount::ZERO);
        // Both sides of zero have the same bound.
        assert_eq!(Amount::from_f64(-1e23), None);
        assert_eq!(Amount::from_scaled(-10_i128.pow(20), 2), None);
        assert_eq!(Amount::from_decimal(Decimal::from_scientific("-1e23").unwrap()), None);
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_long_one_reads(text in "[-+]?[0-9]{0,9}\\.?[0-9]{0,12}[.eE]?") {
            if let Some(short) = Amount::short(text.as_bytes()) {
                prop_assert_eq!(Amount::long(&text), Some(short));
            }
        }
    }

    proptest! {
        #[test]
        fn parsing_agrees_with_decimals(whole in -1_000_000_i64..1_000_000, places in 0_u32..15) {
            let decimal = Decimal::new(whole, places);
            prop_assert_eq!(Amount::parse(&decimal.to_string()), Amount::from_decimal(decimal));
            prop_assert_eq!(Amount::from_decimal(decimal).unwrap().decimal(), decimal.normalize());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eE]{0,60}") {
            if let Some(amount) = Amount::parse(&text) {
                let _ = (amount.usd(), amount.to_f64());
                prop_assert_eq!(Amount::parse(&amount.to_string()), Some(amount));
            }
        }

        /// What is written is read back, to the last of its thirty-three digits.
        #[test]
        fn every_amount_is_read_back(units in -(BOUND - 1)..BOUND) {
            prop_assert_eq!(Amount::parse(&Amount(units).to_string()), Some(Amount(units)));
        }
    }
}
