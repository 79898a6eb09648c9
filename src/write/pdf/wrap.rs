//! Texts in lines of a width.

use super::fonts::Fonts;

/// Behind these a word may be parted: usage types and file names have no spaces.
const PARTS: [char; 8] = ['/', ':', '-', '.', '_', ',', '|', '='];
/// What stands for the rest of a text that is cut off.
const MORE: char = '…';

/// A text in lines that are no wider than `width` (em), at most so many; the last one ends in `…` where the
/// text goes on.
pub(super) fn wrap(fonts: &Fonts, text: &str, width: f32, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut used = 0.0;
    let space = fonts.advance(' ');
    for word in text.split_whitespace() {
        let mut rest = word;
        let wide = fonts.width(word);
        if !line.is_empty() {
            if used + space + wide <= width {
                line.push(' ');
                line.push_str(word);
                used += space + wide;
                continue;
            }
            lines.push(std::mem::take(&mut line));
        }
        if lines.len() > most {
            break;
        }
        // A word that no line holds is parted.
        loop {
            let fits = fitting(fonts, rest, width);
            if fits == rest.len() {
                break;
            }
            lines.push(rest[..fits].to_owned());
            rest = &rest[fits..];
            if lines.len() > most {
                break;
            }
        }
        rest.clone_into(&mut line);
        used = fonts.width(rest);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = cut(fonts, last, width);
        }
    }
    lines
}

/// The text with `…` behind what fits.
fn cut(fonts: &Fonts, text: &str, width: f32) -> String {
    let mut used = fonts.advance(MORE);
    let kept = text.chars().take_while(|letter| {
        used += fonts.advance(*letter);
        used <= width
    });
    let mut out: String = kept.collect();
    out.truncate(out.trim_end().len());
    out.push(MORE);
    out
}

/// Bytes of a word that a line holds: up to the last place where it may be parted, at least one letter.
fn fitting(fonts: &Fonts, word: &str, width: f32) -> usize {
    let (mut used, mut parted) = (0.0, 0);
    for (at, letter) in word.char_indices() {
        used += fonts.advance(letter);
        if used > width {
            let first = word.chars().next().map_or(0, char::len_utf8);
            return if parted > 0 { parted } else { at.max(first) };
        }
        if PARTS.contains(&letter) {
            parted = at + letter.len_utf8();
        }
    }
    word.len()
}
