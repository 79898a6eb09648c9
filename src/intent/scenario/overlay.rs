//! One table laid over another: an account's `override` over the stack, a workload over its profile.

use super::{document::Document, schema};
use crate::error::{Problem, nearest};

/// Lays `over` over `base`: tables are merged key by key, everything else is replaced. Of `hpa` and
/// `replicas`, the given one replaces the other: a workload has exactly one.
pub(super) fn merge(base: &mut toml::Table, over: &toml::Table) {
    for (given, other) in [("hpa", "replicas"), ("replicas", "hpa")] {
        if over.contains_key(given) {
            base.remove(other);
        }
    }
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(over)) => merge(inner, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Returns whether a dotted path names something in the table.
pub(super) fn has(table: &toml::Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.contains_key(path),
        Some((head, rest)) => {
            table.get(head).and_then(toml::Value::as_table).is_some_and(|inner| has(inner, rest))
        }
    }
}

/// Takes a dotted path out of the stack; false when it is not there.
pub(super) fn remove(table: &mut toml::Table, path: &str) -> bool {
    fn take(table: &mut toml::Table, path: &str) -> bool {
        match path.split_once('.') {
            None => table.remove(path).is_some(),
            Some((head, rest)) => match table.get_mut(head) {
                Some(toml::Value::Table(inner)) => take(inner, rest),
                _ => false,
            },
        }
    }
    let head = path.split('.').next().unwrap_or_default();
    !schema::COMMON.contains(&head) && take(table, path)
}

/// Names of workloads and pools that an override makes up and that are near to one of the base: more
/// likely misspelled than meant.
pub(super) fn unknown_names(
    base: &toml::Table,
    overrides: &toml::Table,
    account: &str,
    document: &Document,
) -> Vec<Problem> {
    const NEAR: f64 = 0.85;
    fn at<'a>(table: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Table> {
        path.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
    }
    let mut problems = Vec::new();
    for path in [&["workloads"][..], &["cluster", "node_pools"]] {
        let (Some(known), Some(own)) = (at(base, path), at(overrides, path)) else { continue };
        for name in own.keys().filter(|name| !known.contains_key(*name)) {
            let near = nearest(name, known.keys().map(String::as_str));
            if let Some(near) = near.filter(|near| strsim::jaro_winkler(near, name) > NEAR) {
                let key = format!("accounts.{account}.override.{}.{name}", path.join("."));
                let message = format!("the stack has no {name:?}; did you mean {near:?}?");
                problems.push(document.problem(&key, &message));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> toml::Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn tables_merge_deeply_and_the_rest_is_replaced() {
        let mut base = table("a = { b = 1, c = [1] }\nd = 2");
        merge(&mut base, &table("a = { c = [3] }"));
        assert_eq!(base, table("a = { b = 1, c = [3] }\nd = 2"));
    }

    #[test]
    fn replicas_and_hpa_take_each_other_s_place() {
        let mut base = table("w = { hpa = { max_replicas = 3 }, x = 1 }");
        merge(&mut base, &table("w = { replicas = 2 }"));
        assert_eq!(base, table("w = { x = 1, replicas = 2 }"));
    }

    #[test]
    fn paths_of_any_depth_are_removed_but_nothing_common() {
        let mut base = table("plan = 1\ncluster = { node_pools = { a = 1, b = 2 } }");
        assert!(remove(&mut base, "cluster.node_pools.a"));
        assert!(!remove(&mut base, "cluster.node_pools.a"));
        assert!(!remove(&mut base, "plan"));
        assert!(has(&base, "cluster.node_pools.b"));
    }

    #[test]
    fn a_misspelled_name_in_an_override_is_not_a_new_one() {
        let document = Document::parse("s.toml", "").unwrap();
        let base = table("workloads = { kong = 1 }\ncluster = { node_pools = { general = 1 } }");
        let found = |over: &str| unknown_names(&base, &table(over), "a", &document).len();
        assert_eq!(found("cluster = { node_pools = { genral = 1 } }"), 1);
        assert_eq!(found("workloads = { kng = 1 }"), 1);
        assert_eq!(found("workloads = { batch = 1 }"), 0);
    }
}
