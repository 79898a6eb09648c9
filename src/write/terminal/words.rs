//! Text in lines of a terminal's width.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Behind these a long word may be parted: usage types, keys and file names have no spaces.
const PARTS: [char; 8] = ['/', ':', '-', '.', '_', ',', '|', '='];

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Columns of the longest part that is never cut.
pub(super) fn longest(text: &str) -> usize {
    text.split_whitespace()
        .flat_map(|word| word.split_inclusive(PARTS))
        .map(width)
        .max()
        .unwrap_or(0)
}

/// A text in lines that are no wider than `room`: cut at words; a word that no line holds behind its signs; a part
/// that no line holds anywhere.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    let mut add = |part: &str, gap: bool| {
        let (wide, space) = (width(part), usize::from(gap && used > 0));
        if used > 0 && used + space + wide > room {
            lines.push(String::new());
            used = 0;
        } else if space > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
            used += 1;
        }
        for letter in part.chars() {
            let wide = letter.width().unwrap_or(0);
            if used + wide > room {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().into_iter().for_each(|line| line.push(letter));
            used += wide;
        }
    };
    let mut words: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            // A percent sign stays with its number.
            Some(number) if word.starts_with('%') && width(number) + 1 + width(word) <= room => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    for word in &words {
        if width(word) <= room {
            add(word, true);
            continue;
        }
        for (place, part) in word.split_inclusive(PARTS).enumerate() {
            add(part, place == 0);
        }
    }
    lines
}

/// Appends a text in lines that begin with `indent`, the first with `head` in its place.
pub(super) fn paragraph(out: &mut String, text: &str, (head, indent): (&str, &str), room: usize) {
    for (place, line) in wrap(text, room.saturating_sub(width(indent))).iter().enumerate() {
        out.push_str(if place == 0 { head } else { indent });
        out.push_str(line);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_long_words_behind_their_signs() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("bias 36.0 %; more", 11), ["bias", "36.0 %;", "more"]);
        assert_eq!(wrap("one two three", usize::MAX), ["one two three"]);
        assert_eq!(wrap("USW2-DataTransfer-Out-Bytes", 18), ["USW2-DataTransfer-", "Out-Bytes"]);
        assert_eq!(wrap("a USW2-DataTransfer", 6), ["a", "USW2-", "DataTr", "ansfer"]);
        assert_eq!(wrap("名前 名前", 4), ["名前", "名前"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(longest("USW2-DataTransfer-Out in EC2"), 13);
    }
}
