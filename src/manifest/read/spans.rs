//! Lines of a document's fields, looked up when a note names one.

use std::{fmt, sync::OnceLock};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::documents::options;

/// The text of a document.
#[derive(Debug)]
pub(super) struct Text {
    source: String,
    /// The line of its file on which it begins.
    first: usize,
    tree: OnceLock<Option<Tree>>,
}

/// A value without its scalars.
#[derive(Debug)]
enum Tree {
    Leaf,
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Tree)>),
}

impl Text {
    pub(super) fn new(text: &str, first: usize) -> Self {
        Self { source: text.to_owned(), first, tree: OnceLock::new() }
    }

    /// Returns the line of a field, `spec.metrics[2].type` or `spec.containers.0.name`, or of what comes nearest
    /// above it; none where nothing of it is there.
    pub(super) fn line_of(&self, field: &str) -> Option<usize> {
        let tree = self
            .tree
            .get_or_init(|| serde_saphyr::from_str_with_options(&self.source, options()).ok());
        let line = tree.as_ref()?.line_of(field)?;
        Some(self.first + usize::try_from(line).ok()?.checked_sub(1)?)
    }
}

impl Tree {
    fn line_of(&self, field: &str) -> Option<u64> {
        let field = field.trim_start_matches('.');
        match self {
            _ if field.is_empty() => None,
            Self::Leaf => None,
            Self::List(all) => {
                let inner = field.strip_prefix('[').unwrap_or(field);
                let digits = inner.find(|c: char| !c.is_ascii_digit()).unwrap_or(inner.len());
                let (index, rest) = inner.split_at(digits);
                // A field without an index is of the first.
                let (index, rest) = match index.parse::<usize>() {
                    Ok(index) => (index, rest.strip_prefix(']').unwrap_or(rest)),
                    Err(_) => (0, field),
                };
                let item = all.get(index)?;
                item.value.line_of(rest).or(Some(item.referenced.line()))
            }
            Self::Map(all) => {
                // Keys have dots too: the longest that the field begins with.
                let begins = |key: &&(Spanned<String>, Tree)| {
                    let rest = field.strip_prefix(key.0.value.as_str());
                    !key.0.value.is_empty()
                        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let found = all.iter().filter(begins).max_by_key(|key| key.0.value.len())?;
                let (key, value) = (&found.0, &found.1);
                let rest = &field[key.value.len()..];
                value.line_of(rest).or(Some(key.referenced.line()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = map.next_entry()? {
            all.push(entry);
        }
        Ok(Tree::Map(all))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = list.next_element()? {
            all.push(item);
        }
        Ok(Tree::List(all))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        inner.deserialize_any(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_lines_in_block_and_flow_style() {
        let text = "kind: A # 10\nspec:\n  list:\n  - {a: 1,\n     b: 2}\n  - a.b/c: 3\n    d: [x,\n        y]\n  at: null\n";
        let text = Text::new(text, 10);
        for (field, line) in [
            ("kind", 10),
            ("spec", 11),
            ("spec.list", 12),
            ("spec.list[0]", 13),
            ("spec.list[0].b", 14),
            ("spec.list.0.b", 14),
            ("spec.list.b", 14),
            ("spec.list[1].a.b/c", 15),
            ("spec.list[1].d[1]", 17),
            ("spec.list[1].e.f", 15),
            ("spec.at.below", 18),
            ("spec.other", 11),
        ] {
            assert_eq!(text.line_of(field), Some(line), "{field}");
        }
        assert_eq!(text.line_of("status"), None);
        assert_eq!(Text::new("{a", 1).line_of("a"), None);
    }

    #[test]
    fn json_has_lines_too() {
        let text = Text::new(
            "{\"items\": [\n {\"kind\": \"A\"},\n {\"kind\": \"B\",\n \"spec\": {\"n\": 1}}]}",
            1,
        );
        assert_eq!(text.line_of("items[1]."), Some(3));
        assert_eq!(text.line_of("items[1].spec.n"), Some(4));
    }
}
