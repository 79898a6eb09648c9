//! Quantities and durations as Kubernetes writes them: `100m`, `1.5Gi`, `2e3`; `1h30m`, `Never`.
//!
//! # Source
//! Kubernetes API reference, "Quantity" (grammar, suffixes, at most 2^63 - 1 in magnitude, rounded up to
//! its finest part); Go's `time.ParseDuration`.
//! # Limits
//! Kept to a billionth, as the API server keeps it; finer parts are rounded away from zero.

use std::fmt::Write as _;

/// A parsed quantity, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const NANO: i128 = 1_000_000_000;
const MEBI: f64 = 1_048_576.0;

/// Suffixes with the power of ten, or of two, that they stand for.
const DECIMAL: [(&str, i32); 9] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [(&str, u32); 6] =
    [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// A text that is none, or a number beyond what Kubernetes takes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            let text: String = text.chars().take(40).collect();
            format!("{text:?} is not a quantity; write 250m, 0.5, 512Mi or 2e3")
        };
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        let end = unsigned.find(|c| !digits(c)).unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if part.contains('.') || (whole.is_empty() && part.is_empty()) {
            return Err(wrong());
        }
        let scale = scale(suffix).ok_or_else(wrong)?;
        let size = size(whole, part, scale).ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            format!("{text:?} is more than a quantity can hold (2^63 - 1)")
        })?;
        Ok(Self(if text.starts_with('-') { -size } else { size }))
    }

    /// Returns a JSON number or string.
    ///
    /// # Errors
    /// As [`Self::parse`], and values of another kind.
    pub fn of(value: &serde_json::Value) -> Result<Self, String> {
        match value {
            serde_json::Value::String(text) => Self::parse(text),
            serde_json::Value::Number(number) => Self::parse(&number.to_string()),
            _ => Err("is not a quantity; write 250m, 0.5, 512Mi or 2e3".into()),
        }
    }

    /// Returns the quantity in units.
    pub fn units(self) -> f64 {
        self.0 as f64 / NANO as f64
    }

    /// Returns the quantity in thousandths: CPU in millicores.
    pub fn milli(self) -> f64 {
        self.0 as f64 / (NANO / 1000) as f64
    }

    /// Returns bytes in MiB.
    pub fn mebibytes(self) -> f64 {
        self.0 as f64 / NANO as f64 / MEBI
    }
}

#[derive(Clone, Copy)]
enum Scale {
    Ten(i32),
    Two(u32),
}

fn scale(suffix: &str) -> Option<Scale> {
    if suffix.is_empty() {
        return Some(Scale::Ten(0));
    }
    if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        return Some(Scale::Two(*power));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(known, _)| *known == suffix) {
        return Some(Scale::Ten(*power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    exponent.parse().ok().map(Scale::Ten)
}

/// Returns the number in billionths, rounded up; `None` beyond 2^63 - 1 units.
fn size(whole: &str, part: &str, scale: Scale) -> Option<i128> {
    let part = part.trim_end_matches('0');
    let digits = format!("{whole}{part}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // Digits past these are far below a billionth of what still fits.
    if digits.len() > 36 {
        let cut = i32::try_from(digits.len() - 36).ok()?;
        return assemble(&digits[..36], i32::try_from(part.len()).ok()? - cut, scale);
    }
    assemble(digits, i32::try_from(part.len()).ok()?, scale)
}

fn assemble(digits: &str, places: i32, scale: Scale) -> Option<i128> {
    let mut value: i128 = digits.parse().ok()?;
    let mut power = 9 - places;
    match scale {
        Scale::Ten(more) => power += more,
        Scale::Two(bits) => {
            // The power of ten first where it divides, so that the product stays small.
            while power < 0 && value % 10 == 0 {
                value /= 10;
                power += 1;
            }
            value = value.checked_mul(1_i128 << bits)?;
        }
    }
    while power > 0 {
        value = value.checked_mul(10)?;
        power -= 1;
    }
    if power < 0 {
        let divisor = 10_i128.checked_pow(power.unsigned_abs());
        value = divisor.map_or(1, |divisor| (value + divisor - 1) / divisor);
    }
    (value <= i128::from(i64::MAX) * NANO).then_some(value)
}

/// Returns CPU (millicores) as a quantity: `350m`, `2`. Nothing finer than a millicore is taken: rounded up.
pub fn cpu(millicores: f64) -> String {
    let milli = millicores.max(0.0).ceil() as i64;
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// Returns memory (MiB) as a quantity: `512Mi`, or bytes where it is not a whole number of MiB.
pub fn memory(mebibytes: f64) -> String {
    let mebibytes = mebibytes.max(0.0);
    if mebibytes.fract() == 0.0 {
        format!("{mebibytes:.0}Mi")
    } else {
        format!("{:.0}", (mebibytes * MEBI).ceil())
    }
}

/// Returns a plain number as a quantity, to a thousandth, as metrics are compared.
pub fn number(value: f64) -> String {
    let milli = (value * 1000.0).round() as i64;
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// How long something takes, or that it never happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Duration {
    /// Seconds.
    Seconds(f64),
    /// `Never`.
    Never,
}

impl Duration {
    /// Reads `30s`, `1h30m`, `1.5h` or `Never`.
    ///
    /// # Errors
    /// A text that is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "Never" {
            return Ok(Self::Never);
        }
        let wrong = || {
            let text: String = text.chars().take(40).collect();
            format!("{text:?} is not a duration; write 30s, 1h30m or Never")
        };
        if text == "0" {
            return Ok(Self::Seconds(0.0));
        }
        let (mut rest, mut seconds) = (text, 0.0);
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, after) = rest.split_at(end);
            let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, after) = after.split_at(unit);
            let each = match unit {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(wrong()),
            };
            let number: f64 = number.parse().map_err(|_| wrong())?;
            seconds += number * each;
            rest = after;
        }
        if text.is_empty() || seconds > 1e12 { Err(wrong()) } else { Ok(Self::Seconds(seconds)) }
    }
}

/// Returns seconds as Karpenter takes them: whole hours, minutes and seconds.
pub fn duration(seconds: u64) -> String {
    let mut text = String::new();
    for (size, unit) in [(3600, 'h'), (60, 'm'), (1, 's')] {
        let count = match unit {
            'h' => seconds / size,
            'm' => seconds % 3600 / size,
            _ => seconds % 60,
        };
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn milli(text: &str) -> f64 {
        Quantity::parse(text).unwrap().milli()
    }

    #[test]
    fn every_form_of_a_quantity_is_read() {
        // 1.5 Gi = 1.5 × 1024 Mi; 128974848 = 123 × 1,048,576.
        for (text, mebibytes) in [
            ("1.5Gi", 1536.0),
            ("128974848", 123.0),
            ("129e6", 129e6 / 1_048_576.0),
            ("123Mi", 123.0),
            ("128974848000m", 123.0),
            ("1G", 1e9 / 1_048_576.0),
            ("1024Ki", 1.0),
            (".5Gi", 512.0),
            ("2.Mi", 2.0),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().mebibytes(), mebibytes, "{text}");
        }
        for (text, expected) in [
            ("100m", 100.0),
            ("0.5", 500.0),
            ("1", 1000.0),
            ("2e3", 2e6),
            ("2E-3", 2.0),
            ("+3", 3000.0),
            ("-1", -1000.0),
            ("1k", 1e6),
            ("1500u", 1.5),
            ("0.0000000001", 1e-6), // rounded up to a billionth
            ("0", 0.0),
        ] {
            assert_eq!(milli(text), expected, "{text}");
        }
        // E alone is exa, with digits an exponent; 8E and 8Ei are more than 2^63 - 1.
        assert_eq!(Quantity::parse("1E").unwrap().units(), 1e18);
        for (text, message) in [
            ("8Ei", "more than"),
            ("1e99", "more than"),
            ("9223372036854775808", "more than"),
            ("", "not a quantity"),
            ("m", "not a quantity"),
            ("1.2.3", "not a quantity"),
            ("1 Gi", "not a quantity"),
            ("1gi", "not a quantity"),
            ("1e", "not a quantity"),
            ("٣", "not a quantity"),
            ("1K", "not a quantity"),
        ] {
            let error = Quantity::parse(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        let seconds = |text: &str| match Duration::parse(text).unwrap() {
            Duration::Seconds(seconds) => seconds,
            Duration::Never => -1.0,
        };
        for (text, expected) in [
            ("5m", 300.0),
            ("720h", 2_592_000.0),
            ("1h30m", 5400.0),
            ("1.5h", 5400.0),
            ("0s", 0.0),
            ("500ms", 0.5),
            ("336h0m0s", 1_209_600.0),
            ("Never", -1.0),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for text in ["", "5", "m", "5 m", "never", "1d", "-5m", "1..5h", "."] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
        assert_eq!(duration(0), "0s");
        assert_eq!(duration(5400), "1h30m");
        assert_eq!(duration(86_461), "24h1m1s");
    }

    proptest! {
        #[test]
        fn any_text_is_a_quantity_or_refused(text in "[-+.0-9eEinumkKMGTP]{0,50}|\\PC{0,20}") {
            let _ = Quantity::parse(&text);
            let _ = Duration::parse(&text);
        }

        #[test]
        fn what_is_written_is_read_back(milli in 0_u32..10_000_000, mib in 0_u32..30_000_000) {
            let read = |text: &str| Quantity::parse(text).unwrap();
            prop_assert_eq!(read(&cpu(f64::from(milli))).milli(), f64::from(milli));
            prop_assert_eq!(read(&memory(f64::from(mib))).mebibytes(), f64::from(mib));
            let part = f64::from(mib) / 1024.0;
            prop_assert_eq!(read(&memory(part)).mebibytes(), part);
            prop_assert_eq!(read(&number(f64::from(milli) / 1000.0)).milli(), f64::from(milli));
            let text = duration(u64::from(milli));
            prop_assert_eq!(Duration::parse(&text), Ok(Duration::Seconds(f64::from(milli))));
        }

        #[test]
        fn suffixes_agree_with_exponents(n in 0_u32..1_000_000) {
            for (suffix, exponent) in [("k", 3), ("M", 6), ("G", 9), ("m", -3), ("u", -6)] {
                let a = Quantity::parse(&format!("{n}{suffix}"));
                prop_assert_eq!(a, Quantity::parse(&format!("{n}e{exponent}")));
            }
            let tens = Quantity::parse(&format!("{}.{:03}", n / 1000, n % 1000));
            prop_assert_eq!(tens, Quantity::parse(&format!("{n}m")));
        }
    }
}
