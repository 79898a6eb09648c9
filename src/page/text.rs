//! Text for terminals and tables: names from outside as text and nothing else.

use std::{borrow::Cow, fmt::Write as _};

use crate::page::figure::shown;

/// Codes of `terminal::View::paint`, the only ones that a report prints.
const PAINT: [&str; 5] = ["\u{1b}[1m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[1;31m", "\u{1b}[0m"];

/// Whether a character may command a terminal, or turn the direction of what follows.
fn is_command(letter: char) -> bool {
    !shown(letter) && !matches!(letter, '\t' | '\r')
}

/// Returns a text with control characters as their escapes: `\u{1b}` is six plain letters. Tabs and the ends of lines stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    without(text, &[])
}

/// Returns a report for a terminal: as [`printable`], and with the colors of the report itself.
pub fn painted(text: &str) -> Cow<'_, str> {
    without(text, &PAINT)
}

/// A digest by its beginning, which tells it apart; other texts as they are.
pub fn brief(value: &str) -> &str {
    const SHORT: usize = 12;
    let digest = value.len() > SHORT && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digest { &value[..SHORT] } else { value }
}

fn without<'a>(text: &'a str, allowed: &[&str]) -> Cow<'a, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let paint = allowed.iter().find(|code| rest.starts_with(**code));
        let length = paint.map_or(letter.len_utf8(), |code| code.len());
        if paint.is_none() && is_command(letter) {
            let _ = write!(out, "{}", letter.escape_unicode());
        } else {
            out.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

/// Returns JSON in which characters that command a terminal are escapes; what it holds stays the same.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_command) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_command(letter) {
            // All of them are in the plane of 16 bits.
            let _ = write!(out, "\\u{:04x}", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// Appends text so that it is nothing but text, in elements and in quoted attributes.
pub(crate) fn escape(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter if shown(letter) => out.push(letter),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_commands_no_terminal() {
        assert_eq!(printable("plain\tname\n"), "plain\tname\n");
        assert_eq!(printable("a\u{1b}]0;x\u{7}"), "a\\u{1b}]0;x\\u{7}");
        assert_eq!(printable("\u{1b}[1mx"), "\\u{1b}[1mx");
        assert_eq!(painted("\u{1b}[1m7\u{1b}[0m \u{1b}[2J"), "\u{1b}[1m7\u{1b}[0m \\u{1b}[2J");
    }

    #[test]
    fn json_stays_what_it_was() {
        let name = "a\u{7f}\u{9b}\u{202e}\u{1b}é";
        let text = serde_json::to_string(name).unwrap();
        let escaped = json(&text);
        assert!(!escaped.contains(is_command), "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), name);
    }
}
