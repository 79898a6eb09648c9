//! A scenario's text with some values set anew: comments, order and spacing stay.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::key::{Key, Step};

/// Puts a value in the place of another, with the comments around it.
fn replace(item: &mut Item, value: impl Into<Value>) {
    let Some(old) = item.as_value_mut() else { return };
    let decor = old.decor().clone();
    *old = value.into();
    *old.decor_mut() = decor;
}

/// The text with these keys set. Tables that are missing are made, dotted below the last that is there.
///
/// # Errors
/// The key that does not fit what stands there, or what is wrong with the text.
pub fn set(text: &str, edits: &[(Key, toml::Value)]) -> Result<String, String> {
    let mut document = text.parse::<DocumentMut>().map_err(|error| error.message().to_owned())?;
    for (key, value) in edits {
        put(document.as_item_mut(), &key.0, value)
            .ok_or_else(|| format!("{key} does not fit what stands there"))?;
    }
    Ok(document.to_string())
}

fn put(item: &mut Item, steps: &[Step], value: &toml::Value) -> Option<()> {
    let Some((first, rest)) = steps.split_first() else {
        if item.is_value() {
            replace(item, written(value));
        } else {
            *item = Item::Value(written(value));
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
                // What an account changes stands below a heading of its own.
                *slot = Item::Table(Table::new());
            }
            put(slot, rest, value)
        }
    }
}

/// A value as it is written.
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
