//! YAML text with a comment next to each value.
//!
//! `serde-saphyr` reads what is written here and writes values itself, but no comments without its own
//! wrapper types; where a value comes from is half of what a manifest says, so the few forms needed (block
//! maps and lists, quoted scalars) are written here, and tests read them back.

use std::fmt::Write as _;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// A string, quoted where it must be.
    Text(String),
    /// A whole number.
    Number(u64),
    /// A flag.
    Flag(bool),
    /// A list of values.
    List(Vec<Node>),
    /// A map.
    Map(Map),
}

/// A map in its order, with comments.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Map(Vec<Entry>);

#[derive(Debug, Clone, PartialEq)]
enum Entry {
    Pair { key: String, value: Node, why: String },
    Remark(String),
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Node {
    fn from(number: u32) -> Self {
        Self::Number(u64::from(number))
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Node>> for Node {
    fn from(list: Vec<Node>) -> Self {
        Self::List(list)
    }
}

impl Map {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a pair without a comment.
    pub(super) fn with(self, key: &str, value: impl Into<Node>) -> Self {
        self.why(key, value, "")
    }

    /// Returns a pair and where its value comes from.
    pub(super) fn why(mut self, key: &str, value: impl Into<Node>, why: &str) -> Self {
        self.put(key, value, why);
        self
    }

    pub(super) fn put(&mut self, key: &str, value: impl Into<Node>, why: &str) {
        let (key, why) = (key.to_owned(), one_line(why));
        self.0.push(Entry::Pair { key, value: value.into(), why });
    }

    /// A comment on a line of its own.
    pub(super) fn say(&mut self, text: &str) {
        self.0.push(Entry::Remark(one_line(text)));
    }
}

/// Returns documents after each other, below a heading of comments.
pub(super) fn documents(heading: &[String], documents: &[Map]) -> String {
    let mut out = String::new();
    for line in heading {
        out.push_str(format!("# {}", one_line(line)).trim_end());
        out.push('\n');
    }
    for document in documents {
        out.push_str("---\n");
        map(&mut out, document, 0);
    }
    out
}

/// Returns a comment as one line, whatever a name holds.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect()
}

/// Returns whether a character is printable and ends no line for any reader.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn map(out: &mut String, entries: &Map, depth: usize) {
    for (index, entry) in entries.0.iter().enumerate() {
        // The first line of a map in a list stands after its dash.
        if index > 0 || !out.ends_with("- ") {
            indent(out, depth);
        }
        match entry {
            Entry::Remark(text) => {
                out.push_str(format!("# {text}").trim_end());
                out.push('\n');
            }
            Entry::Pair { key, value, why } => {
                out.push_str(&scalar(key));
                out.push(':');
                below(out, value, why, depth);
            }
        }
    }
}

fn below(out: &mut String, value: &Node, why: &str, depth: usize) {
    let why = if why.is_empty() { String::new() } else { format!(" # {why}") };
    match value {
        Node::List(items) if !items.is_empty() => {
            out.push_str(&why);
            out.push('\n');
            list(out, items, depth + 1);
        }
        Node::Map(inner) if !inner.is_empty() => {
            out.push_str(&why);
            out.push('\n');
            map(out, inner, depth + 1);
        }
        other => {
            out.push(' ');
            out.push_str(&flat(other));
            out.push_str(&why);
            out.push('\n');
        }
    }
}

fn list(out: &mut String, items: &[Node], depth: usize) {
    for item in items {
        indent(out, depth);
        match item {
            Node::Map(inner) if !inner.is_empty() => {
                out.push_str("- ");
                map(out, inner, depth + 1);
            }
            other => {
                out.push_str("- ");
                out.push_str(&flat(other));
                out.push('\n');
            }
        }
    }
}

fn flat(value: &Node) -> String {
    match value {
        Node::Text(text) => scalar(text),
        Node::Number(number) => number.to_string(),
        Node::Flag(flag) => flag.to_string(),
        Node::List(items) => {
            let items: Vec<String> = items.iter().map(flat).collect();
            format!("[{}]", items.join(", "))
        }
        Node::Map(_) => "{}".into(),
    }
}

/// Returns whether a text is digits and a unit, `250m` or `25%`, which no reader takes for a number.
fn is_amount(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    unit.len() < text.len() && matches!(unit, "m" | "s" | "h" | "Mi" | "Gi" | "%")
}

/// Returns a string: plain where no reader could take it for anything else, else in double quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | '@');
    let word = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    // .inf and .nan begin with a dot; e5 and the like begin with a letter and are no numbers.
    if (first && text.chars().all(plain) && !word) || is_amount(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if is_plain(c) => quoted.push(c),
            c => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap()
    }

    #[test]
    fn maps_lists_and_comments_are_read_back() {
        let inner = Map::new().with("type", "Pods").why("value", 4, "a key");
        let list = vec![Node::from(inner), Node::from("10%"), Node::from("true")];
        let mut document = Map::new().why("name", "api", "two\nlines: # x");
        document.say("a remark");
        let document = document
            .with("list", list)
            .with("empty", Node::List(vec![]))
            .with("none", Map::new())
            .with("deep", Map::new().with("flag", true).with("on", "x: y"));
        let text = documents(&["made by".into(), "a\nb".into()], &[document]);
        let expected = json!({
            "name": "api", "list": [{ "type": "Pods", "value": 4 }, "10%", "true"],
            "empty": [], "none": {}, "deep": { "flag": true, "on": "x: y" }
        });
        assert_eq!(read(&text), expected, "{text}");
        assert!(text.starts_with("# made by\n# a b\n---\nname: api # two lines: # x\n"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_stays_itself(key in "\\PC{1,12}", text in any::<String>(), why in any::<String>()) {
            let inner = Map::new().why(&key, &*text, &why).with("after", 1);
            let mut document = Map::new().with("list", vec![Node::from(inner)]);
            document.say(&why);
            let text_out = documents(std::slice::from_ref(&why), &[document]);
            let read: Value = serde_saphyr::from_str(&text_out)
                .map_err(|error| TestCaseError::fail(format!("{error}\n{text_out}")))?;
            if key != "after" {
                prop_assert_eq!(&read["list"][0][&key], &Value::String(text));
            }
        }
    }
}
