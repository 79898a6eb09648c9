//! Replaces account ids by pseudonyms, in bills and in messages about them.
//!
//! # Formula
//! ```text
//! pseudonym(id) = account- and 12 letters of SHA-256(key, id)
//! ```
//! The same key gives an account the same pseudonym in every file and run. The key is random: without it the 10¹² ids
//! cannot be tried one by one. A part of the digest is no state from which a longer text could be hashed on.
//! # Limits
//! In texts, twelve digits in a row are redacted (`1234-5678-9012` too): other numbers of twelve digits read
//! as pseudonyms. Amounts are numbers and stay. Names of people and machines are not looked for.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::{Forecast, Line, LineKey, MonthBill, SetAside, amount::Amount, gather};
use crate::{
    error::{Error, Place, Problem},
    intent::scenario::account::{ID_DIGITS, is_id, is_pseudonym, pseudonym},
    measure::calendar::Month,
};

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;
/// Digits of a group of `1234-5678-9012`.
const GROUP_DIGITS: usize = 4;

/// A key, and the ids that bills have.
#[derive(Debug, Clone)]
pub struct Redaction {
    key: [u8; KEY_BYTES],
    ids: HashSet<String>,
}

impl Redaction {
    /// No id is known yet.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key, ids: HashSet::new() }
    }

    /// Returns the pseudonym of an account; one that is a pseudonym, or empty, stays.
    pub fn account(&self, name: &str) -> String {
        if name.is_empty() || is_pseudonym(name) {
            return name.to_owned();
        }
        // Spaces around an id and dashes within it do not make it another account.
        let digits: String = name.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        let id = if is_id(&digits) { &digits } else { name };
        pseudonym(&Sha256::new().chain_update(self.key).chain_update(id).finalize())
    }

    /// Returns a text with every account id replaced.
    pub fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            let digits = digits(rest);
            let dashed = dashed(rest);
            if let Some(dashed) = dashed {
                out.push_str(&self.account(&rest[..dashed]));
                rest = &rest[dashed..];
            } else {
                self.digits(&rest[..digits], &mut out);
                rest = &rest[digits..];
            }
        }
        out.push_str(rest);
        out
    }

    /// Digits in a row: an id, or a longer number, which may hold one.
    fn digits(&self, digits: &str, out: &mut String) {
        if digits.len() >= ID_DIGITS {
            out.push_str(&self.account(digits));
        } else {
            out.push_str(digits);
        }
    }

    /// Replaces every account id of bills.
    ///
    /// # Errors
    /// An amount that is an account id: columns of a file were swapped, and an amount is not replaced.
    pub fn bills(&mut self, bills: &mut [MonthBill]) -> Result<(), Error> {
        for bill in &mut *bills {
            each_text(bill, |text, _| self.learn(text));
        }
        for bill in bills {
            self.check_amounts(bill)?;
            self.bill(bill);
        }
        Ok(())
    }

    fn check_amounts(&self, bill: &MonthBill) -> Result<(), Error> {
        let lines = bill.lines.iter().flat_map(|line| {
            line.costs.iter().chain([&line.quantity, &line.list]).flatten().copied()
        });
        let asides = bill.set_aside.iter().filter_map(|aside| aside.cost);
        let is_account = |amount: Amount| {
            let text = amount.to_string();
            let whole = text.trim_start_matches('-').split('.').next();
            whole.is_some_and(|whole| self.ids.contains(whole))
        };
        if lines.chain(asides).any(is_account) {
            let message = format!(
                "{}: an amount of the bill is the id of one of its accounts; check that no columns of the file are swapped",
                bill.month
            );
            return Err(Error::at(Place::file(&bill.source), message));
        }
        Ok(())
    }

    fn bill(&self, bill: &mut MonthBill) {
        each_text(bill, |text, is_account| {
            *text = if is_account { self.account(text) } else { self.text(text) };
        });
        bill.lines = gather::merged(std::mem::take(&mut bill.lines));
    }

    /// Notes the ids of a text: no amount may be one.
    fn learn(&mut self, text: &str) {
        let numbers = text.split(|c: char| !c.is_ascii_digit());
        self.ids.extend(numbers.filter(|number| is_id(number)).map(str::to_owned));
    }

    /// Returns the months of bills that have account ids.
    pub fn unredacted(&self, bills: &[MonthBill]) -> Vec<Month> {
        let holds_ids = |bill: &&MonthBill| {
            let mut hidden = (*bill).clone();
            self.bill(&mut hidden);
            hidden != **bill
        };
        bills.iter().filter(holds_ids).map(|bill| bill.month).collect()
    }

    /// Returns an error with every account id replaced.
    pub fn error(&self, error: Error) -> Error {
        error.map(|Problem { place: Place { file, line, key }, message }| {
            let hide = |text: Option<String>| text.map(|text| self.text(&text));
            let place = Place { file: hide(file), line, key: hide(key) };
            Problem { place, message: self.text(&message) }
        })
    }
}

/// Hands over every text of a bill, and whether it is an account. Every field is named: the compiler asks what a new
/// one is.
fn each_text(bill: &mut MonthBill, mut take: impl FnMut(&mut String, bool)) {
    let MonthBill {
        schema: _,
        month: _,
        currency,
        source,
        read_at: _,
        estimated: _,
        days: _,
        forecasts,
        lines,
        set_aside,
        notes,
        forecast_rows: _,
    } = bill;
    for text in [currency, source].into_iter().chain(notes) {
        take(text, false);
    }
    for Forecast { account, month: _, mean: _, low: _, high: _ } in forecasts {
        take(account, true);
    }
    for SetAside { reason, rows: _, first, cost: _ } in set_aside {
        take(reason, false);
        take(first, false);
    }
    for Line { key, quantity: _, costs: _, list: _, rows: _ } in lines {
        let LineKey { account, service, region, usage_type, operation, kind: _, record, unit } =
            key;
        take(account, true);
        for text in [service, region, usage_type, operation, record, unit] {
            take(text, false);
        }
    }
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Returns the length of `1234-5678-9012` at the beginning of a text, where no more digits follow.
fn dashed(text: &str) -> Option<usize> {
    let mut rest = text;
    for group in 0..ID_DIGITS / GROUP_DIGITS {
        rest = if group == 0 { rest } else { rest.strip_prefix('-')? };
        if digits(rest) != GROUP_DIGITS {
            return None;
        }
        rest = &rest[GROUP_DIGITS..];
    }
    Some(text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_BYTES] = *b"sixteen bytes ..";

    #[test]
    fn ids_in_texts_are_replaced_and_other_numbers_are_not() {
        let redaction = Redaction::new(KEY);
        let name = redaction.account("222222222222");
        assert!(is_pseudonym(&name));
        assert_eq!(name, Redaction::new(KEY).account(" 2222-2222-2222"));
        assert_ne!(name, Redaction::new(*b"another key ....").account("222222222222"));
        assert_ne!(name, redaction.account("222222222223"));
        assert_eq!(redaction.account(&name), name);
        for (text, expected) in [
            (
                "arn:aws:ec2:us-east-1:222222222222:instance/i-1",
                "arn:aws:ec2:us-east-1:{}:instance/i-1",
            ),
            ("222222222222é222222222222", "{}é{}"),
            ("é 2222-2222-2222.", "é {}."),
            ("2027-01-01 12:00 1234-5678-90123", "2027-01-01 12:00 1234-5678-90123"),
            ("22222222222 is no id", "22222222222 is no id"),
        ] {
            assert_eq!(redaction.text(text), expected.replace("{}", &name), "{text}");
        }
        // A longer number may hold an id.
        let longer = redaction.text("12222222222221 of 3");
        assert!(longer.starts_with("account-") && longer.ends_with(" of 3"), "{longer}");
        assert_eq!(longer, redaction.text("12222222222221 of 3"));
    }
}
