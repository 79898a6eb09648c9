//! Dotted keys: parsed, looked up and set; and where the file holds a setting of one account.
//!
//! A setting of an account is written where it moves that account and no other: in the account's `override`
//! if it is there already, at the top level if no other account would inherit it, else newly in
//! the `override`.

use toml::{Table, Value};

use super::AccountSettings;

/// One step of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A name in a table.
    Name(String),
    /// A place in a list.
    Index(usize),
}

/// A key taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(pub Vec<Step>);

impl Key {
    /// Reads `commitments[0].usd_per_hour`; a name with dots is quoted.
    ///
    /// # Errors
    /// What is no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a key; write cluster.baseline.nodes");
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = if let Some(quoted) = rest.strip_prefix('"') {
                unquoted(quoted).ok_or_else(wrong)?
            } else {
                let (name, after) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
                if name.is_empty() || name.contains([' ', '"', ']', '=']) {
                    return Err(wrong());
                }
                (name.to_owned(), after)
            };
            steps.push(Step::Name(name));
            rest = after;
            while let Some(inner) = rest.strip_prefix('[') {
                let (index, after) = inner.split_once(']').ok_or_else(wrong)?;
                steps.push(Step::Index(index.parse().map_err(|_| wrong())?));
                rest = after;
            }
            match rest.strip_prefix('.') {
                Some(more) => rest = more,
                None if rest.is_empty() => return Ok(Self(steps)),
                None => return Err(wrong()),
            }
        }
    }

    /// Finds the key that `workloads.a.b.cpu` means in a table. A name may hold dots itself, so each name that fits is
    /// tried.
    pub(super) fn find(table: &Table, dotted: &str) -> Option<Self> {
        table.iter().find_map(|(name, value)| {
            let mut steps = vec![Step::Name(name.clone())];
            let (mut rest, mut value) = (dotted.strip_prefix(name.as_str())?, value);
            while let Some((index, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']'))
            {
                let index = index.parse().ok()?;
                value = value.as_array()?.get(index)?;
                steps.push(Step::Index(index));
                rest = after;
            }
            if !rest.is_empty() {
                steps.extend(Self::find(value.as_table()?, rest.strip_prefix('.')?)?.0);
            }
            Some(Self(steps))
        })
    }

    /// Returns the key of a name below this one.
    pub(super) fn below(&self, name: &str) -> Self {
        let name = Step::Name(name.to_owned());
        Self(self.0.iter().cloned().chain([name]).collect())
    }

    /// Names before this key.
    fn under(&self, names: &[&str]) -> Self {
        let names = names.iter().map(|name| Step::Name((*name).to_owned()));
        Self(names.chain(self.0.iter().cloned()).collect())
    }

    /// Returns its first name.
    pub fn head(&self) -> &str {
        match self.0.first() {
            Some(Step::Name(name)) => name,
            _ => "",
        }
    }

    /// Returns the value at this key.
    pub fn get<'t>(&self, table: &'t Table) -> Option<&'t Value> {
        let (first, rest) = self.0.split_first()?;
        let Step::Name(name) = first else { return None };
        rest.iter().try_fold(table.get(name)?, |value, step| match step {
            Step::Name(name) => value.as_table()?.get(name),
            Step::Index(index) => value.as_array()?.get(*index),
        })
    }

    /// Sets the value at this key and creates missing tables; does nothing if a step does not fit the existing value.
    pub fn set(&self, table: &mut Table, value: Value) {
        if let [Step::Name(name), rest @ ..] = &*self.0 {
            put(table, name, rest, value);
        }
    }

    /// Returns the key at which the file holds, or would hold, an account's setting.
    pub(super) fn home(
        &self,
        table: &Table,
        accounts: &[(&str, &AccountSettings)],
        own: &str,
    ) -> Self {
        if self.head() == "commitments" {
            return self.clone();
        }
        let of_own = self.under(&["accounts", own, "override"]);
        let inherits = |(name, settings): &&(&str, &AccountSettings)| {
            let overrides = self.under(&["accounts", *name, "override"]).get(table).is_some();
            let removed = settings.remove.iter().any(|path| self.is_below(path));
            *name != own && !overrides && !removed
        };
        if of_own.get(table).is_none() && !accounts.iter().any(|account| inherits(&account)) {
            return self.clone();
        }
        of_own
    }

    /// Returns whether a dotted path names it, or a table that holds it.
    fn is_below(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('.').collect();
        let same = |(part, step): (&&str, &Step)| matches!(step, Step::Name(name) if name == part);
        parts.len() <= self.0.len() && parts.iter().zip(&self.0).all(same)
    }
}

fn put(table: &mut Table, name: &str, rest: &[Step], value: Value) {
    let Some((next, _)) = rest.split_first() else {
        table.insert(name.to_owned(), value);
        return;
    };
    let slot = match next {
        Step::Name(_) => table.entry(name.to_owned()).or_insert_with(|| Value::Table(Table::new())),
        Step::Index(_) => match table.get_mut(name) {
            Some(slot) => slot,
            None => return,
        },
    };
    put_below(slot, rest, value);
}

fn put_below(slot: &mut Value, rest: &[Step], value: Value) {
    match (rest, slot) {
        ([], slot) => *slot = value,
        ([Step::Name(name), rest @ ..], Value::Table(table)) => put(table, name, rest, value),
        ([Step::Index(index), rest @ ..], Value::Array(values)) => {
            if let Some(slot) = values.get_mut(*index) {
                put_below(slot, rest, value);
            }
        }
        _ => {}
    }
}

/// Returns a name up to its closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((name, &text[at + 1..])),
            '\\' => name.push(signs.next()?.1),
            sign => name.push(sign),
        }
    }
    None
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) => {
                    let dot = if place > 0 { "." } else { "" };
                    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                    if !name.is_empty() && name.chars().all(bare) {
                        write!(f, "{dot}{name}")?;
                    } else {
                        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                        write!(f, "{dot}\"{name}\"")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_key_is_read_as_it_was_written(names in proptest::collection::vec(".*", 1..4), index in 0_usize..9) {
            let mut steps: Vec<Step> = names.into_iter().map(Step::Name).collect();
            steps.insert(1, Step::Index(index));
            let key = Key(steps);
            proptest::prop_assert_eq!(Key::parse(&key.to_string()), Ok(key));
        }

        #[test]
        fn any_text_is_a_key_or_refused(text in ".*") {
            let _ = Key::parse(&text);
        }
    }

    fn accounts(text: &str) -> (Table, Vec<(String, AccountSettings)>) {
        let table: Table = toml::from_str(text).unwrap();
        let accounts = table["accounts"].as_table().unwrap().iter();
        let read = |(name, value): (&String, &Value)| {
            (name.clone(), value.clone().try_into::<AccountSettings>().unwrap())
        };
        let read: Vec<_> = accounts.map(read).collect();
        (table, read)
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        for text in ["a.b", "commitments[0].usd_per_hour", "workloads.\"a.b\".hpa", "a"] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "a.", ".a", "a b", "a[x]", "a[0", "\"a", "a[0]b", "a..b"] {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_set_with_their_tables() {
        let mut table: Table = toml::from_str("a = { b = 1 }\nl = [{ x = 1 }]").unwrap();
        for (key, value) in [("a.c.d", 2), ("l[0].x", 3), ("l[4].x", 9), ("a.b.c", 9), ("n[0]", 9)]
        {
            Key::parse(key).unwrap().set(&mut table, Value::Integer(value));
        }
        let expected: Table =
            toml::from_str("a = { b = 1, c = { d = 2 } }\nl = [{ x = 3 }]").unwrap();
        assert_eq!(table, expected);
        assert_eq!(Key::parse("l[0].x").unwrap().get(&table), Some(&Value::Integer(3)));
    }

    #[test]
    fn a_setting_stands_where_it_moves_one_account_only() {
        let (table, read) = accounts(
            "[accounts.p]\nregion = \"r\"\ntraffic_share = 1\n[accounts.p.override]\nnat.gateways = 1\n\
             [accounts.t]\nregion = \"r\"\ntraffic_share = 0\nremove = [\"waf\"]\n\
             [accounts.t.override]\ncluster.baseline.nodes = 1\n",
        );
        let known: Vec<(&str, &AccountSettings)> = read.iter().map(|(n, s)| (&**n, s)).collect();
        for (key, expected) in [
            ("nat.gateways", "accounts.p.override.nat.gateways"),
            ("cluster.baseline.nodes", "cluster.baseline.nodes"),
            ("waf.rules", "waf.rules"),
            ("aurora.min_readers", "accounts.p.override.aurora.min_readers"),
            ("commitments[1].count", "commitments[1].count"),
        ] {
            let home = Key::parse(key).unwrap().home(&table, &known, "p");
            assert_eq!(home.to_string(), expected);
        }
        let alone = &known[..1];
        let home = Key::parse("aurora.min_readers").unwrap().home(&table, alone, "p");
        assert_eq!(home.to_string(), "aurora.min_readers");
    }
}
