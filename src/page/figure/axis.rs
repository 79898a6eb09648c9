//! Round values along an axis, and how they are printed.

use crate::measure::calendar::Month;
use crate::page::{Unit, number::grouped};

/// The months of a chart and the unit of its values.
pub(super) struct Months<'a> {
    pub(super) all: &'a [Month],
    pub(super) unit: Unit,
    /// The unit in words.
    pub(super) words: &'a str,
}

/// Round values that cover a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
}

impl Scale {
    /// About `steps` round steps over the values; zero is on it.
    pub(super) fn from_zero(values: impl Iterator<Item = f64>, steps: usize) -> Self {
        Self::over(values.chain([0.0]), steps)
    }

    /// About `steps` round steps over the values.
    pub(super) fn over(values: impl Iterator<Item = f64>, steps: usize) -> Self {
        let ends = values.filter(|value| value.is_finite()).fold(None, |ends, value| {
            let (low, high) = ends.unwrap_or((value, value));
            Some((value.min(low), value.max(high)))
        });
        let (low, high) = ends.unwrap_or((0.0, 1.0));
        // All values alike: the range is theirs, or one.
        let span = if high > low { high - low } else { high.abs().max(1.0) };
        let rough = span / steps as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let round = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|round| round * power >= rough);
        let step = round.unwrap_or(10.0) * power;
        let first = (low / step).floor() * step;
        let last = (high.max(first + step * 0.5) / step).ceil() * step;
        Self { low: first, high: last, step }
    }

    /// The round values.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let count = ((self.high - self.low) / self.step).round() as usize;
        (0..=count.min(40)).map(|index| self.low + index as f64 * self.step).collect()
    }

    /// A value of this axis as text.
    pub(super) fn print(&self, value: f64, unit: Unit) -> String {
        // -0.0 and leftovers of additions.
        let value = if value.abs() < self.step * 1e-6 { 0.0 } else { value };
        let most = self.low.abs().max(self.high.abs());
        match unit {
            Unit::Share => {
                format!("{} %", grouped(value * 100.0, places(self.step * 100.0)))
            }
            Unit::Usd => dollars(value, most, self.step),
            Unit::Count => short(value, most, self.step),
        }
    }
}

/// Decimals that tell steps apart.
fn places(step: f64) -> usize {
    let fits = |places: &i32| {
        let scaled = step * 10_f64.powi(*places);
        (scaled - scaled.round()).abs() < 1e-6 * scaled.max(1.0)
    };
    (0..6).find(fits).unwrap_or(6) as usize
}

fn short(value: f64, most: f64, step: f64) -> String {
    let (divisor, letter) = match most {
        most if most >= 1e9 => (1e9, "B"),
        most if most >= 1e6 => (1e6, "M"),
        most if most >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if value == 0.0 {
        return "0".into();
    }
    format!("{}{letter}", grouped(value / divisor, places(step / divisor).min(3)))
}

fn dollars(value: f64, most: f64, step: f64) -> String {
    let text = short(value.abs(), most, step);
    if value < 0.0 { format!("-${text}") } else { format!("${text}") }
}

/// One amount next to its mark, three digits or so: `$12.3k`.
pub(super) fn amount(value: f64, unit: Unit) -> String {
    if unit == Unit::Share {
        return format!("{:.1} %", value * 100.0);
    }
    let (size, sign) = (value.abs(), if value < 0.0 { "-" } else { "" });
    let mark = if unit == Unit::Usd { "$" } else { "" };
    let (divisor, letter) = match size {
        size if size >= 999_500_000.0 => (1e9, "B"),
        size if size >= 999_500.0 => (1e6, "M"),
        size if size >= 9_999.5 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let size = size / divisor;
    let places = match size {
        size if letter.is_empty() && size >= 9.995 => 0,
        size if letter.is_empty() && (size - size.round()).abs() < 1e-9 => 0,
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{sign}{mark}{}{letter}", grouped(size, places))
}

/// An amount with its sign: `+$1.20k`.
pub(super) fn change(value: f64) -> String {
    let text = amount(value, Unit::Usd);
    if value > 0.0 { format!("+{text}") } else { text }
}

/// Months that carry a label, so that at most `room` do: quarters and years rather than any third month.
pub(super) fn labelled(months: &[Month], room: usize) -> Vec<usize> {
    const STEPS: [usize; 9] = [1, 2, 3, 6, 12, 24, 36, 60, 120];
    let on = |step: usize| -> Vec<usize> {
        let begins = |month: &Month| {
            let index = i32::from(month.first_day().year()) * 12 + month.number() as i32 - 1;
            (index as usize).is_multiple_of(step)
        };
        (0..months.len()).filter(|index| begins(&months[*index])).collect()
    };
    let fits = |step: &usize| months.len().div_ceil(*step) <= room.max(1);
    let step = STEPS.into_iter().find(fits).unwrap_or(120);
    let found = on(step);
    if found.is_empty() { (0..months.len().min(1)).collect() } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let scale = Scale::from_zero([12.0, 87.0].into_iter(), 5);
        assert_eq!(scale.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        let scale = Scale::from_zero([-3.0, 4.0].into_iter(), 4);
        assert_eq!(scale.ticks(), [-4.0, -2.0, 0.0, 2.0, 4.0]);
        // No value, and none but zero.
        assert!(Scale::over(std::iter::empty(), 4).ticks().len() > 1);
        assert!(Scale::from_zero([0.0].into_iter(), 4).high > 0.0);
        assert!(Scale::from_zero([f64::NAN, f64::INFINITY, 7.0].into_iter(), 4).high >= 7.0);
    }

    #[test]
    fn steps_stay_apart_in_print() {
        let scale = Scale::from_zero([12_500.0].into_iter(), 5);
        let printed: Vec<String> =
            scale.ticks().iter().map(|value| scale.print(*value, Unit::Usd)).collect();
        assert_eq!(printed, ["$0", "$2.5k", "$5.0k", "$7.5k", "$10.0k", "$12.5k"]);
        let scale = Scale::from_zero([0.07].into_iter(), 4);
        assert_eq!(scale.print(scale.ticks()[1], Unit::Share), "2 %");
        let scale = Scale::from_zero([-300.0, 0.0].into_iter(), 3);
        assert_eq!(scale.print(-300.0, Unit::Usd), "-$300");
    }

    #[test]
    fn amounts_have_three_digits() {
        for (value, text) in [
            (0.0, "$0"),
            (3.5, "$3.50"),
            (67.25, "$67"),
            (412.4, "$412"),
            (9_999.0, "$9,999"),
            (12_345.0, "$12.3k"),
            (123_456.0, "$123k"),
            (1_234_567.0, "$1.23M"),
            (-45_600.0, "-$45.6k"),
            (999_999.0, "$1.00M"),
        ] {
            assert_eq!(amount(value, Unit::Usd), text);
        }
        assert_eq!(change(1200.0), "+$1,200");
    }

    #[test]
    fn years_are_labelled_rather_than_any_month() {
        let first = Month::new(2027, 4).unwrap();
        let months: Vec<Month> = (0..36).map(|later| first.plus(later)).collect();
        assert_eq!(labelled(&months, 4), [9, 21, 33]);
        assert_eq!(labelled(&months[..1], 8), [0]);
        assert_eq!(labelled(&months[..3], 8), [0, 1, 2]);
        assert!(labelled(&[], 3).is_empty());
    }
}
