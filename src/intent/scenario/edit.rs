//! Numbers of a scenario changed in its text: comments, order and everything else stay as they are.
//!
//! # Limits
//! TOML only. A number that is moved is written with five digits, without separators.

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::number::{Number, Stands, five_digits};

/// What a key of a text names.
enum Slot<'a> {
    Value(&'a mut Value),
    /// A range written as a table with a head of its own.
    Table(&'a mut dyn TableLike),
}

/// The text with other values of some of its numbers.
///
/// # Errors
/// A text that is not TOML, or does not hold a number where its document does.
pub fn put(text: &str, changes: &[(&Number, f64)]) -> Result<String, String> {
    if changes.is_empty() {
        return Ok(text.to_owned());
    }
    let mut document: DocumentMut =
        text.parse().map_err(|_| "only a scenario in TOML can be changed".to_owned())?;
    for (number, value) in changes {
        let slot = find(document.as_table_mut(), &number.key);
        let written = slot.and_then(|slot| write(slot, number, *value));
        written.ok_or_else(|| format!("{} is not found in the text", number.key))?;
    }
    Ok(document.to_string())
}

fn write(slot: Slot<'_>, number: &Number, value: f64) -> Option<()> {
    let ends = match number.moved(value) {
        Stands::One(value) => {
            let Slot::Value(old) = slot else { return None };
            replace(old, value, number.whole);
            return Some(());
        }
        Stands::Range(ends) => ends,
    };
    let range: &mut dyn TableLike = match slot {
        Slot::Value(value) => value.as_inline_table_mut()?,
        Slot::Table(table) => table,
    };
    for (name, end) in ["low", "mid", "high"].into_iter().zip(ends) {
        replace(range.get_mut(name)?.as_value_mut()?, end, number.whole);
    }
    Some(())
}

/// The value of a dotted key. A name may hold dots itself, so each name that fits is tried.
fn find<'a>(table: &'a mut dyn TableLike, key: &str) -> Option<Slot<'a>> {
    for (name, item) in table.iter_mut() {
        let Some(rest) = key.strip_prefix(name.get()) else { continue };
        if let Some(found) = below(item, rest) {
            return Some(found);
        }
    }
    None
}

fn below<'a>(item: &'a mut Item, rest: &str) -> Option<Slot<'a>> {
    if let Some((index, rest)) = indexed(rest) {
        return match item {
            Item::ArrayOfTables(tables) => find(tables.get_mut(index)?, rest.strip_prefix('.')?),
            Item::Value(Value::Array(values)) => below_value(values.get_mut(index)?, rest),
            _ => None,
        };
    }
    match item {
        Item::Value(value) => below_value(value, rest),
        Item::Table(table) => {
            if rest.is_empty() {
                Some(Slot::Table(table))
            } else {
                find(table, rest.strip_prefix('.')?)
            }
        }
        _ => None,
    }
}

fn below_value<'a>(value: &'a mut Value, rest: &str) -> Option<Slot<'a>> {
    if rest.is_empty() {
        return Some(Slot::Value(value));
    }
    match (indexed(rest), value) {
        (Some((index, rest)), Value::Array(values)) => below_value(values.get_mut(index)?, rest),
        (None, Value::InlineTable(table)) => find(table, rest.strip_prefix('.')?),
        _ => None,
    }
}

/// `[2].x` as 2 and `.x`.
fn indexed(rest: &str) -> Option<(usize, &str)> {
    let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

/// Numbers of the scenario whose place matches a pattern, `traffic.classes.*.response_kib`.
pub(crate) fn values(text: &str, patterns: &[String]) -> Vec<(String, f64)> {
    let Ok(document) = text.parse::<DocumentMut>() else { return Vec::new() };
    let mut found = Vec::new();
    for pattern in patterns {
        let parts: Vec<&str> = pattern.split('.').collect();
        collect(document.as_item(), &parts, String::new(), &mut found);
    }
    found
}

fn collect(item: &Item, parts: &[&str], place: String, found: &mut Vec<(String, f64)>) {
    let Some((first, rest)) = parts.split_first() else {
        // Of a range, its middle: what the plan takes.
        let middle = item.as_table_like().and_then(|range| range.get("mid"));
        let number = number(middle.unwrap_or(item));
        found.extend(number.filter(|number| *number > 0.0).map(|number| (place, number)));
        return;
    };
    let Some(table) = item.as_table_like() else { return };
    for (name, inner) in table.iter() {
        if *first == "*" || *first == name {
            let place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
            collect(inner, rest, place, found);
        }
    }
}

fn number(item: &Item) -> Option<f64> {
    item.as_float().or_else(|| item.as_integer().map(|whole| whole as f64))
}

/// The scenario with these keys times a factor, a range as a whole; comments and order stay.
pub(crate) fn scale(text: &str, keys: &[(String, f64)], factor: f64, most: Option<f64>) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return text.to_owned() };
    for (key, value) in keys {
        let parts: Vec<&str> = key.split('.').collect();
        let Some(item) = at(document.as_item_mut(), &parts) else { continue };
        let most = most.unwrap_or(f64::INFINITY);
        let Some(range) = item.as_table_like_mut() else {
            scaled(item, (value * factor).min(most));
            continue;
        };
        for end in ["low", "mid", "high"] {
            if let Some(item) = range.get_mut(end)
                && let Some(old) = number(item)
            {
                scaled(item, (old * factor).min(most));
            }
        }
    }
    document.to_string()
}

/// Puts a number of five digits in the place of another.
fn scaled(item: &mut Item, number: f64) {
    if let Some(old) = item.as_value_mut() {
        replace(old, five_digits(number), false);
    }
}

/// Puts a number in the place of another, with the comments around it; the same number stays as it is
/// written.
fn replace(old: &mut Value, number: f64, whole: bool) {
    let before = old.as_float().or_else(|| old.as_integer().map(|whole| whole as f64));
    if before.is_some_and(|before| (before - number).abs() <= 0.0) {
        return;
    }
    let decor = old.decor().clone();
    *old = if whole { Value::from(number as i64) } else { Value::from(number) };
    *old.decor_mut() = decor;
}

/// What stands at a place.
fn at<'a>(item: &'a mut Item, parts: &[&str]) -> Option<&'a mut Item> {
    let Some((first, rest)) = parts.split_first() else { return Some(item) };
    at(item.as_table_like_mut()?.get_mut(first)?, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::scenario::document::Document;

    #[test]
    fn keys_are_moved_where_they_stand_and_comments_stay() {
        let text = "# head\n[traffic.classes.api]\nresponse_kib = 6 # measured\n[traffic.classes.spa]\nresponse_kib = 60.5\n[aurora]\nx = { pages = 12 }\n";
        let patterns = ["traffic.classes.*.response_kib".to_owned()];
        let found = values(text, &patterns);
        assert_eq!(
            found,
            [
                ("traffic.classes.api.response_kib".into(), 6.0),
                ("traffic.classes.spa.response_kib".into(), 60.5)
            ]
        );
        let changed = scale(text, &found, 1.5, None);
        assert!(changed.contains("response_kib = 9.0 # measured"), "{changed}");
        assert!(changed.contains("response_kib = 90.75") && changed.starts_with("# head"));
        let inline = values(text, &["aurora.x.pages".to_owned()]);
        assert!(scale(text, &inline, 0.5, None).contains("pages = 6.0"));
        assert!(scale(text, &inline, 9.0, Some(20.0)).contains("pages = 20.0"));
        assert_eq!(values("not toml [", &patterns), []);
        let range = "[aurora]\nx = { low = 2, mid = 3, high = 8 } # said\n";
        let found = values(range, &["aurora.x".to_owned()]);
        assert_eq!(found, [("aurora.x".into(), 3.0)]);
        let moved = scale(range, &found, 1.5, Some(10.0));
        assert!(moved.contains("x = { low = 3.0, mid = 4.5, high = 10.0 } # said"), "{moved}");
    }

    /// The text and the document are changed alike, wherever the number stands.
    #[test]
    fn numbers_are_put_where_they_stand() {
        let text = "# head\n[traffic]\nsessions_per_user = { low = 9, mid = 12, high = 16 } # said\n\
            requests_per_connection = 1_000 # kept\n\
            [[traffic.events]]\nname = \"a\"\npeak = 4 # times\n\
            [workloads.\"a.b\".hpa]\nmax_replicas = 7 # most\n\
            [traffic.classes.api.response_kib]\nlow = 1\nmid = 2\nhigh = 3\n\
            [github_actions]\njobs = [\n  { minutes = 6.5, runs_per_month = 9 }, # first\n]\n";
        let mut document = Document::parse("s.toml", text).unwrap();
        let numbers = Number::all(&document);
        let wanted = [
            ("traffic.sessions_per_user", 18.0),
            ("traffic.events[0].peak", 5.5),
            ("workloads.a.b.hpa.max_replicas", 9.0),
            ("traffic.classes.api.response_kib", 4.0),
            ("github_actions.jobs[0].minutes", 7.0),
        ];
        let number = |key: &str| numbers.iter().find(|number| number.key == key).unwrap();
        let changes = wanted.map(|(key, value)| (number(key), value));
        let after = put(text, &changes).unwrap();
        for (number, value) in changes {
            number.put(&mut document, value);
        }
        let read = Document::parse("s.toml", &after).unwrap();
        assert_eq!(read.table, document.table);
        for kept in [
            "# head\n",
            "{ low = 13.5, mid = 18.0, high = 24.0 } # said",
            "1_000 # kept",
            "peak = 5.5 # times",
            "max_replicas = 9 # most",
            "{ minutes = 7.0, runs_per_month = 9 }, # first",
        ] {
            assert!(after.contains(kept), "{kept}: {after}");
        }
    }

    #[test]
    fn nothing_changed_is_the_same_text() {
        let text = "[traffic]\nnoise = 0.10 # as it is\n";
        let numbers = Number::all(&Document::parse("s", text).unwrap());
        assert_eq!(put(text, &[(&numbers[0], 0.1)]).unwrap(), text);
        assert!(put("not toml [", &[(&numbers[0], 0.2)]).is_err());
        assert!(put("[other]\nx = 1", &[(&numbers[0], 0.2)]).unwrap_err().contains("noise"));
    }
}
