//! A scenario's text with other values: comments, order and spacing stay as they are.
//!
//! # Limits
//! TOML only. A number that is scaled is written with five digits, without separators.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::{
    key::{Key, Step},
    number::{Number, five_digits},
};

/// Ends of a range, as a scenario names them.
const ENDS: [&str; 3] = ["low", "mid", "high"];

/// Returns the text with these keys set. Missing tables are created, dotted below the last existing one.
///
/// # Errors
/// A key whose place holds another kind of value, or a text that is not TOML.
pub fn set(text: &str, edits: &[(Key, toml::Value)]) -> Result<String, String> {
    let mut document = text.parse::<DocumentMut>().map_err(|error| error.message().to_owned())?;
    for (key, value) in edits {
        put(document.as_item_mut(), &key.0, value)
            .ok_or_else(|| format!("{key}: cannot replace the existing value"))?;
    }
    Ok(document.to_string())
}

/// Returns the text with other values of some of its numbers; a range moves as a whole.
///
/// # Errors
/// A text that is not TOML, or that lacks one of the numbers.
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only sliders of `serve` use it"))]
pub fn set_numbers(text: &str, changes: &[(&Number, f64)]) -> Result<String, String> {
    if changes.is_empty() {
        return Ok(text.to_owned());
    }
    let table = table(text).ok_or("only a scenario in TOML can be changed")?;
    let mut edits = Vec::new();
    for (number, value) in changes {
        for (key, value) in number.moved_values(*value) {
            let key =
                Key::find(&table, &key).ok_or_else(|| format!("{key} is not found in the text"))?;
            edits.push((key, value));
        }
    }
    set(text, &edits)
}

/// Returns the numbers of a scenario whose keys match a pattern, `traffic.classes.*.response_kib`. Of a range it is
/// the middle.
pub(crate) fn numbers(text: &str, patterns: &[String]) -> Vec<(Key, f64)> {
    let Some(table) = table(text) else { return Vec::new() };
    let root = toml::Value::Table(table);
    let mut found = Vec::new();
    for pattern in patterns {
        let parts: Vec<&str> = pattern.split('.').collect();
        collect(&root, &parts, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(
    value: &toml::Value,
    parts: &[&str],
    steps: &mut Vec<Step>,
    found: &mut Vec<(Key, f64)>,
) {
    let Some((first, rest)) = parts.split_first() else {
        let middle = number(value.get("mid").unwrap_or(value)).filter(|number| *number > 0.0);
        found.extend(middle.map(|middle| (Key(steps.clone()), middle)));
        return;
    };
    for (name, inner) in value.as_table().into_iter().flatten() {
        if *first == "*" || *first == name {
            steps.push(Step::Name(name.clone()));
            collect(inner, rest, steps, found);
            steps.pop();
        }
    }
}

/// Returns the text with these keys times a factor, up to `most`; a range is scaled as a whole.
pub(crate) fn scale(text: &str, keys: &[(Key, f64)], factor: f64, most: Option<f64>) -> String {
    let Some(table) = table(text) else { return text.to_owned() };
    let most = most.unwrap_or(f64::INFINITY);
    let scaled = |old: f64| toml::Value::Float(five_digits((old * factor).min(most)));
    let mut edits = Vec::new();
    for (key, value) in keys {
        match key.get(&table) {
            Some(toml::Value::Table(range)) => {
                let ends = ENDS.iter().filter_map(|end| Some((end, number(range.get(*end)?)?)));
                edits.extend(ends.map(|(end, old)| (key.below(end), scaled(old))));
            }
            Some(_) => edits.push((key.clone(), scaled(*value))),
            None => {}
        }
    }
    set(text, &edits).unwrap_or_else(|_| text.to_owned())
}

fn table(text: &str) -> Option<toml::Table> {
    toml::from_str(text).ok()
}

fn number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
}

/// Puts a value in the place of another, with the comments around it; the same number stays as it is written.
fn replace(old: &mut Value, value: Value) {
    let number =
        |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    if let (Some(old), Some(new)) = (number(old), number(&value))
        && (old - new).abs() <= 0.0
    {
        return;
    }
    let decor = old.decor().clone();
    *old = value;
    *old.decor_mut() = decor;
}

fn put(item: &mut Item, steps: &[Step], value: &toml::Value) -> Option<()> {
    let Some((first, rest)) = steps.split_first() else {
        match item.as_value_mut() {
            Some(old) => replace(old, written(value)),
            None => *item = Item::Value(written(value)),
        }
        return Some(());
    };
    match first {
        Step::Index(index) => {
            if let Some(tables) = item.as_array_of_tables_mut() {
                let Some((Step::Name(name), rest)) = rest.split_first() else { return None };
                let table = tables.get_mut(*index)?;
                return put(table.entry(name).or_insert(Item::None), rest, value);
            }
            let inner = item.as_array_mut()?.get_mut(*index)?;
            let mut held = Item::Value(inner.clone());
            put(&mut held, rest, value)?;
            *inner = held.into_value().ok()?;
            Some(())
        }
        Step::Name(name) => {
            if item.is_none() {
                let mut table = Table::new();
                table.set_dotted(true);
                *item = Item::Table(table);
            }
            let heads = name == "override" && item.is_table();
            let table = item.as_table_like_mut()?;
            if rest.is_empty() && table.get(name).is_none() {
                table.insert(name, Item::Value(written(value)));
                return Some(());
            }
            let slot = table.entry(name).or_insert(Item::None);
            if slot.is_none() && heads {
                // An account's changes have a heading of their own.
                *slot = Item::Table(Table::new());
            }
            put(slot, rest, value)
        }
    }
}

/// Converts a value to what the text holds.
fn written(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(values) => Value::Array(values.iter().map(written).collect::<Array>()),
        toml::Value::Table(table) => {
            let pairs = table.iter().map(|(name, value)| (name.as_str(), written(value)));
            Value::InlineTable(pairs.collect::<InlineTable>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::scenario::document::Document;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn keys_are_moved_where_they_stand_and_comments_stay() {
        let text = "# head\n[traffic.classes.api]\nresponse_kib = 6 # measured\n[traffic.classes.spa]\nresponse_kib = 60.5\n[aurora]\nx = { pages = 12 }\n";
        let patterns = ["traffic.classes.*.response_kib".to_owned()];
        let found = numbers(text, &patterns);
        assert_eq!(
            found,
            [
                (key("traffic.classes.api.response_kib"), 6.0),
                (key("traffic.classes.spa.response_kib"), 60.5)
            ]
        );
        let changed = scale(text, &found, 1.5, None);
        assert!(changed.contains("response_kib = 9.0 # measured"), "{changed}");
        assert!(changed.contains("response_kib = 90.75") && changed.starts_with("# head"));
        let inline = numbers(text, &["aurora.x.pages".to_owned()]);
        assert!(scale(text, &inline, 0.5, None).contains("pages = 6.0"));
        assert!(scale(text, &inline, 9.0, Some(20.0)).contains("pages = 20.0"));
        assert_eq!(numbers("not toml [", &patterns), []);
        let range = "[aurora]\nx = { low = 2, mid = 3, high = 8 } # said\n";
        let found = numbers(range, &["aurora.x".to_owned()]);
        assert_eq!(found, [(key("aurora.x"), 3.0)]);
        let moved = scale(range, &found, 1.5, Some(10.0));
        assert!(moved.contains("x = { low = 3.0, mid = 4.5, high = 10.0 } # said"), "{moved}");
    }

    /// The text and the document change alike, wherever the number is.
    #[test]
    fn numbers_are_put_where_they_stand() {
        let text = "# head\n[traffic]\nsessions_per_user = { low = 9, mid = 12, high = 16 } # said\n\
            requests_per_connection = 1_000 # kept\n\
            [[traffic.events]]\nname = \"a\"\npeak = 4 # times\n\
            [workloads.\"a.b\".hpa]\nmax_replicas = 7 # most\n\
            [traffic.classes.api.response_kib]\nlow = 1\nmid = 2\nhigh = 3\n\
            [github_actions]\njobs = [\n  { minutes = 6.5, runs_per_month = 9 }, # first\n]\n";
        let mut document = Document::parse("s.toml", text).unwrap();
        let known = Number::all(&document);
        let wanted = [
            ("traffic.sessions_per_user", 18.0),
            ("traffic.events[0].peak", 5.5),
            ("workloads.a.b.hpa.max_replicas", 9.0),
            ("traffic.classes.api.response_kib", 4.0),
            ("github_actions.jobs[0].minutes", 7.0),
        ];
        let number = |key: &str| known.iter().find(|number| number.key == key).unwrap();
        let changes = wanted.map(|(key, value)| (number(key), value));
        let after = set_numbers(text, &changes).unwrap();
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
        assert_eq!(set_numbers(text, &[(&numbers[0], 0.1)]).unwrap(), text);
        assert!(set_numbers("not toml [", &[(&numbers[0], 0.2)]).is_err());
        assert!(
            set_numbers("[other]\nx = 1", &[(&numbers[0], 0.2)]).unwrap_err().contains("noise")
        );
    }

    const TEXT: &str = "# head\n[cluster]\nbaseline = { nodes = 3 } # paid\n\n[accounts.p]\nregion = \"r\" # here\n\n[accounts.t.override]\nworkloads.a.hpa = { min_replicas = 1 }\n\n[workloads.a]\nx = { low = 1, mid = 2, high = 3 } # range\n\n[[commitments]]\nname = \"c\"\ncount = 1 # one\n";

    fn changed(key: &str, value: &str) -> String {
        let table: toml::Table = toml::from_str(&format!("v = {value}")).unwrap();
        let text = set(TEXT, &[(Key::parse(key).unwrap(), table["v"].clone())]).unwrap();
        // What is written is what is read.
        let read: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(Key::parse(key).unwrap().get(&read), Some(&table["v"]), "{text}");
        assert!(text.starts_with("# head\n") && text.contains("region = \"r\" # here"), "{text}");
        text
    }

    #[test]
    fn values_change_in_their_places() {
        assert!(changed("cluster.baseline.nodes", "5").contains("{ nodes = 5 } # paid"));
        assert!(changed("workloads.a.x", "7").contains("x = 7 # range"));
        assert!(changed("commitments[0].count", "4").contains("count = 4 # one"));
        let text = changed("accounts.t.override.workloads.a.hpa.min_replicas", "2");
        assert!(text.contains("workloads.a.hpa = { min_replicas = 2 }"), "{text}");
    }

    #[test]
    fn what_is_missing_is_made() {
        let text = changed("accounts.p.override.workloads.a.hpa.min_replicas", "2");
        let expected = "[accounts.p.override]\nworkloads.a.hpa.min_replicas = 2\n";
        assert!(text.contains(expected), "{text}");
        assert!(
            changed("cluster.node_pools.g.sizes", "[\"large\"]").contains("sizes = [\"large\"]")
        );
        assert!(changed("workloads.a.y", "true").contains("y = true"));
        assert!(set(TEXT, &[(Key::parse("commitments[3].count").unwrap(), 1.into())]).is_err());
        assert!(set("x =", &[]).is_err());
    }
}
