//! Numbers as people read them.

use crate::measure::units::{Usd, separate};
pub use crate::measure::units::{grouped, in_dollars};

/// Money to the cent: `$1,234.50`.
pub fn money(amount: Usd) -> String {
    let cents = amount.cents();
    // A rounded nothing has no sign.
    let text = separate(&if cents.is_zero() { cents.abs() } else { cents }.to_string());
    text.strip_prefix('-').map_or_else(|| format!("${text}"), |text| format!("-${text}"))
}

/// Money of a bill to the cent, with its currency: `$1,234.50`, `NOK 1,234.50`; without one where the bill states none.
pub fn billed(amount: Usd, currency: &str) -> String {
    match currency {
        "USD" => money(amount),
        "" => separate(&amount.cents().to_string()),
        other => format!("{other} {}", separate(&amount.cents().to_string())),
    }
}

/// Money to the dollar: `1,235`; `<1` where a rounded zero would hide an amount.
pub fn dollars(amount: Usd) -> String {
    let whole = amount
        .decimal()
        .round_dp_with_strategy(0, rust_decimal::RoundingStrategy::MidpointNearestEven);
    if whole.is_zero() && amount > Usd::ZERO { "<1".into() } else { separate(&whole.to_string()) }
}

/// A share as percent with one place, `12.5 %`; what is there is never shown as nothing.
pub fn percent(share: f64) -> String {
    const LEAST: f64 = 0.0005;
    if share > 0.0 && share < LEAST {
        return "<0.1 %".into();
    }
    if share < 0.0 && share > -LEAST {
        return ">-0.1 %".into();
    }
    format!("{} %", grouped(share * 100.0, 1))
}

/// An estimate with its standard error, both rounded to what is known: `$65,700 ± 4,100`.
pub fn known(value: f64, error: f64) -> String {
    if error < 1.0 {
        return in_dollars(value, 0);
    }
    // Two digits of the error; the value has no more.
    let step = 10_f64.powf((error.log10().floor() - 1.0).max(0.0));
    let round = |value: f64| (value / step).round() * step;
    format!("{} ± {}", in_dollars(round(value), 0), grouped(round(error), 0))
}

/// A quantity with as many decimals as it needs, at most four.
pub fn quantity(value: f64) -> String {
    let text = grouped(value, 4);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "0" && value > 0.0 { format!("{value:e}") } else { text.to_owned() }
}

/// A value with three significant digits: of what is known no better.
pub fn figures(value: f64) -> String {
    const DIGITS: i32 = 3;
    if value.abs() <= 0.0 || !value.is_finite() {
        return quantity(value);
    }
    let places = DIGITS - 1 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(places);
    quantity((value * scale).round() / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        Usd::from_decimal(text.parse().unwrap())
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(grouped(1_234_567.8, 2), "1,234,567.80");
        assert_eq!(grouped(-1234.0, 0), "-1,234");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(-0.001, 2), "0.00");
    }

    #[test]
    fn money_shows_cents_and_small_amounts_do_not_vanish() {
        assert_eq!(money(usd("1234.5")), "$1,234.50");
        assert_eq!(money(usd("-3.005")), "-$3.00");
        assert_eq!(billed(usd("-3.005"), "USD"), "-$3.00");
        assert_eq!(billed(usd("640"), "NOK"), "NOK 640.00");
        assert_eq!(billed(usd("-1640"), ""), "-1,640.00");
        assert_eq!(dollars(usd("0.2")), "<1");
        assert_eq!(dollars(usd("0")), "0");
        assert_eq!(quantity(0.002_007), "0.002");
        assert_eq!(quantity(1440.0), "1,440");
        assert_eq!(quantity(0.000_001), "1e-6");
        assert_eq!(figures(521_333.183_8), "521,000");
        assert_eq!(figures(0.018_66), "0.0187");
        assert_eq!(in_dollars(-19_041.0, 0), "-$19,041");
        assert_eq!(percent(0.3949), "39.5 %");
        assert_eq!(percent(0.000_01), "<0.1 %");
        assert_eq!(percent(-0.000_01), ">-0.1 %");
    }

    #[test]
    fn an_estimate_has_no_more_digits_than_its_error() {
        assert_eq!(known(65_731.52, 4_121.3), "$65,700 ± 4,100");
        assert_eq!(known(81_984.86, 12_507.0), "$82,000 ± 13,000");
        assert_eq!(known(812.4, 1.2), "$812 ± 1");
        assert_eq!(known(812.4, 0.0), "$812");
    }
}
