//! `docs/scenario.md`: every key of a scenario, written from the schema that `runrate schema` prints.

use std::{collections::BTreeMap, fmt::Write, fs};

use serde_json::{Map, Value, json};

use super::{compare, root};
use crate::support::{runrate, stdout};

const HEAD: &str = "\
# Scenario reference

Every table and key of a scenario file. `UPDATE_GOLDEN=1 cargo test --test suite docs::` writes this page from
`runrate schema`; the same test fails when they differ.

- **Ranges.** Any number may be a range, `{ low = 25, mid = 35, high = 60 }`, except in `[plan]`, `[[budgets]]` and
  `[tune]`. The mid case takes `mid`; each trial draws a value. See [Range](#range).
- **Accounts.** `[accounts.<name>.override]` accepts every key of the stack: `cluster`, `workloads` and the service
  tables. An account without an override runs the stack as it is; `remove` takes tables away.
- **Profiles.** A workload with a `profile` may leave out every key that the profile has.
- **Default.** *required* means that the key must be present; *none* means that the feature is off or that runrate
  derives the value, as the meaning says.
- **Unit.** *ratio* is a number without a unit, 0.1 for 10 %. *count* is a number of things.

";

/// A file that shows the order of tables and real values, and the place of its values in a scenario.
struct Sample {
    prefix: Vec<String>,
    table: toml::Value,
}

fn samples() -> Vec<Sample> {
    let read = |path: &std::path::Path| -> toml::Value {
        toml::Value::Table(fs::read_to_string(path).unwrap().parse().unwrap())
    };
    let files = |folder: &str| {
        let mut paths: Vec<_> =
            fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|kind| kind == "toml"));
        paths.sort();
        paths
    };
    let first = ["examples/innovate.toml", "tests/docs/values.toml"];
    let first = first.map(|path| Sample { prefix: Vec::new(), table: read(&root().join(path)) });
    let mut found = Vec::from(first);
    for path in files("examples") {
        found.push(Sample { prefix: Vec::new(), table: read(&path) });
    }
    for path in files("models/workloads") {
        let prefix = vec!["workloads".to_owned(), "<name>".to_owned()];
        found.push(Sample { prefix, table: read(&path) });
    }
    found
}

/// The first value at a path; `<name>` is any name and `[]` any element.
fn find<'a>(value: &'a toml::Value, path: &[String], wanted: &Wanted) -> Option<&'a toml::Value> {
    let Some((first, rest)) = path.split_first() else { return wanted(value).then_some(value) };
    match (first.as_str(), value) {
        ("<name>", toml::Value::Table(table)) => {
            table.values().find_map(|value| find(value, rest, wanted))
        }
        ("[]", toml::Value::Array(values)) => {
            values.iter().find_map(|value| find(value, rest, wanted))
        }
        (key, toml::Value::Table(table)) => {
            table.get(key).and_then(|value| find(value, rest, wanted))
        }
        _ => None,
    }
}

type Wanted = dyn Fn(&toml::Value) -> bool;

struct Page {
    schema: Value,
    samples: Vec<Sample>,
    text: String,
    /// Where each definition was described.
    described: BTreeMap<String, String>,
    /// Each example with the schema of its key.
    examples: Vec<(String, Value)>,
}

/// A table to describe after the one that names it.
struct Below {
    path: Vec<String>,
    schema: Value,
}

/// The parts of a property's schema that this page states.
struct Kind {
    name: String,
    below: Option<Below>,
    /// Choices with their meaning.
    choices: Vec<(String, String)>,
    number: Option<Value>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Path as a reader writes it: `workloads.<name>.hpa.metrics[]` without the mark of a list.
fn dotted(path: &[String]) -> String {
    path.iter().filter(|part| *part != "[]").cloned().collect::<Vec<_>>().join(".")
}

fn head(path: &[String]) -> String {
    let list = path.last().is_some_and(|last| last == "[]");
    if list { format!("[[{}]]", dotted(path)) } else { format!("[{}]", dotted(path)) }
}

/// The address that Markdown gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

impl Page {
    /// Follows a reference; the name of the definition, if it was one.
    fn follow(&self, schema: &Value) -> (Value, Option<String>) {
        let Some(reference) = schema["$ref"].as_str() else { return (schema.clone(), None) };
        let name = reference.trim_start_matches("#/$defs/");
        (self.schema["$defs"][name].clone(), Some(name.to_owned()))
    }

    /// Without `null` and without the range that may stand for any number.
    fn plain(schema: &Value) -> Value {
        let Some(branches) = schema["anyOf"].as_array() else { return schema.clone() };
        let counts =
            |branch: &&Value| branch["type"] != "null" && branch["$ref"] != "#/$defs/Range";
        let mut kept: Vec<&Value> = branches.iter().filter(counts).collect();
        if kept.len() == 1 { kept.remove(0).clone() } else { schema.clone() }
    }

    fn kind(&self, schema: &Value, path: &[String]) -> Kind {
        let plain = Self::plain(schema);
        let (target, _) = self.follow(&plain);
        let kind = |name: &str| Kind {
            name: name.to_owned(),
            below: None,
            choices: Vec::new(),
            number: None,
        };
        let below = |schema: &Value, more: &[&str]| {
            let more = more.iter().map(|part| (*part).to_owned());
            Some(Below { path: path.iter().cloned().chain(more).collect(), schema: schema.clone() })
        };
        if let Some(branches) = target["oneOf"].as_array() {
            if branches.iter().any(|branch| branch["properties"].is_object()) {
                return Kind { below: below(&plain, &[]), ..kind("table") };
            }
            return Kind { choices: choices(branches), ..kind("choice") };
        }
        if let Some(names) = target["enum"].as_array() {
            let names = names.iter().filter_map(Value::as_str).map(str::to_owned);
            return Kind {
                choices: names.map(|name| (name, String::new())).collect(),
                ..kind("choice")
            };
        }
        // The branches of a table with a type are conditions on its keys.
        if let Some(branches) = target["anyOf"].as_array().filter(|_| target["type"].is_null()) {
            let names: Vec<String> =
                branches.iter().map(|branch| self.kind(branch, path).name).collect();
            return kind(&names.join(" or "));
        }
        let types = &target["type"];
        let is = |name: &str| {
            types == name || types.as_array().is_some_and(|types| types.iter().any(|t| t == name))
        };
        if is("object") {
            let by_name = &target["additionalProperties"];
            if by_name.is_object() {
                let inner = Self::plain(by_name);
                let value = self.kind(&inner, &[path, &["<name>".to_owned()]].concat());
                if value.below.is_some() {
                    return Kind { below: below(&inner, &["<name>"]), ..kind("tables by name") };
                }
                return Kind { number: value.number, ..kind(&format!("{} by name", value.name)) };
            }
            return Kind { below: below(&plain, &[]), ..kind("table") };
        }
        if is("array") {
            let inner = Self::plain(&target["items"]);
            if inner.is_null() {
                return kind("list");
            }
            let value = self.kind(&inner, &[path, &["[]".to_owned()]].concat());
            if value.below.is_some() {
                return Kind { below: below(&inner, &["[]"]), ..kind("list of tables") };
            }
            return Kind { name: format!("list of {}", value.name), ..value };
        }
        if is("integer") || is("number") {
            let name = if is("integer") { "whole number" } else { "number" };
            return Kind { number: Some(target), ..kind(name) };
        }
        if is("boolean") {
            return kind("true or false");
        }
        let month = target["pattern"].is_string() || target["format"] == "month";
        kind(if month { "month" } else { "text" })
    }

    /// A table and the tables in it.
    fn table(&mut self, path: &[String], schema: &Value, about: &str, level: usize) {
        let (target, name) = self.follow(schema);
        let heading = head(path);
        let _ = writeln!(self.text, "{} `{heading}`\n", "#".repeat(level));
        let about = if about.is_empty() { text(&target, "description") } else { about };
        if !about.is_empty() {
            let _ = writeln!(self.text, "{}\n", one_line(about).replace("\\|", "|"));
        }
        if let Some(name) = name {
            if let Some(before) = self.described.get(&name) {
                let _ = writeln!(
                    self.text,
                    "The keys are those of [`{before}`](#{}).\n",
                    anchor(before)
                );
                return;
            }
            self.described.insert(name, heading);
        }
        let mut below = Vec::new();
        if let Some(branches) = target["oneOf"].as_array() {
            for branch in branches {
                let mut tags = branch["properties"].as_object().unwrap().iter();
                let (key, value) = tags.find(|(_, value)| value["const"].is_string()).unwrap();
                let _ = writeln!(
                    self.text,
                    "With `{key} = {}`: {}\n",
                    value["const"],
                    one_line(text(branch, "description"))
                );
                below.extend(self.rows(path, branch));
            }
        } else if target["properties"].as_object().is_none_or(Map::is_empty) {
            let _ = writeln!(self.text, "It has no keys.\n");
        } else {
            below = self.rows(path, &target);
        }
        for Below { path, schema } in below {
            self.table(&path, &schema, "", 4.min(level + 1));
        }
    }

    /// The rows of one table; the tables to describe below it.
    fn rows(&mut self, path: &[String], table: &Value) -> Vec<Below> {
        self.text += "| key | type | unit | default | range | meaning | example |\n";
        self.text += "| --- | --- | --- | --- | --- | --- | --- |\n";
        let mut below = Vec::new();
        let required = table["required"].as_array().cloned().unwrap_or_default();
        let properties = table["properties"].as_object().cloned().unwrap_or_default();
        for (key, schema) in properties {
            let path = [path, std::slice::from_ref(&key)].concat();
            let schema = if key == "override" { json!({}) } else { schema };
            let mut kind = self.kind(&schema, &path);
            if key == "override" {
                kind.name = "table".into();
            }
            if schema["const"].is_string() {
                kind.choices = vec![(text(&schema, "const").to_owned(), String::new())];
                kind.name = "choice".into();
            }
            let default = Self::default(&schema, required.contains(&json!(key)));
            let example = self.example(&path, &schema, &kind);
            let mut meaning = one_line(&without_unit(text(&schema, "description")));
            if meaning.is_empty() {
                meaning = match key.as_str() {
                    "override" => "Keys of the stack that differ in this account.".into(),
                    key if schema["const"].is_string() => format!("Kind of {key}."),
                    _ => meaning,
                };
            }
            assert!(!meaning.is_empty(), "{} has no description", dotted(&path));
            for (choice, about) in &kind.choices {
                let about = one_line(about);
                let about = about.trim_end_matches('.');
                let colon = if about.is_empty() { "" } else { ": " };
                let _ = write!(meaning, "<br>`\"{choice}\"`{colon}{about}");
            }
            let unit = kind.number.as_ref().map(|number| unit(&key, &schema, number));
            let range = kind.number.as_ref().map(range);
            let _ = writeln!(
                self.text,
                "| `{key}` | {} | {} | {default} | {} | {meaning} | `{}` |",
                kind.name,
                unit.unwrap_or_default(),
                range.unwrap_or_default(),
                example.replace('|', "\\|"),
            );
            below.extend(kind.below);
        }
        self.text += "\n";
        below
    }

    fn default(schema: &Value, required: bool) -> String {
        let given = schema.get("default").or_else(|| {
            schema["anyOf"].as_array()?.iter().find_map(|branch| branch.get("default"))
        });
        match given {
            _ if required => "*required*".into(),
            None | Some(Value::Null | Value::Array(_) | Value::Object(_)) => "*none*".into(),
            Some(Value::Number(number)) => format!("`{}`", written(number.as_f64().unwrap())),
            Some(other) => format!("`{other}`"),
        }
    }

    /// One line of TOML: a value of the examples, or one made from the schema.
    fn example(&mut self, path: &[String], schema: &Value, kind: &Kind) -> String {
        if let Some(below) = &kind.below {
            return head(&below.path).replace("<name>", "api");
        }
        let key = path.last().unwrap();
        if key == "override" {
            return "override.nat.gateways = 1".into();
        }
        // A range is explained once; examples are plain and short.
        let wanted = |value: &toml::Value| {
            !value.is_table() && value.to_string().len() <= 60
                || value.as_table().is_some_and(|table| !table.contains_key("low"))
        };
        let constant = schema["const"].as_str().map(|name| toml::Value::String(name.to_owned()));
        let found = constant.as_ref().or_else(|| {
            self.samples.iter().find_map(|sample| {
                let at = path.strip_prefix(&sample.prefix[..])?;
                find(&sample.table, at, &wanted)
            })
        });
        let value = found.map_or_else(|| Self::made(schema, kind), ToString::to_string);
        let line = format!("{key} = {value}");
        self.examples.push((line.clone(), schema.clone()));
        line
    }

    fn made(schema: &Value, kind: &Kind) -> String {
        let list = |value: String| {
            if kind.name.starts_with("list") { format!("[{value}]") } else { value }
        };
        if let Some((choice, _)) = kind.choices.last() {
            return list(format!("{choice:?}"));
        }
        if let Some(number) = &kind.number {
            let least = number["minimum"].as_f64().unwrap_or(0.0);
            let most = number["maximum"].as_f64().unwrap_or(f64::MAX);
            let whole = kind.name.contains("whole");
            let default = number["default"].as_f64().filter(|default| *default != 0.0);
            let middle = if most <= 1.0 && !whole { 0.5 } else { least.max(1.0).min(most) };
            return list(written(default.unwrap_or(middle)));
        }
        if kind.name == "true or false" {
            return "true".into();
        }
        // The first word in backticks that the description gives as an example.
        let mut quoted = text(schema, "description").split('`').skip(1).step_by(2);
        let example = quoted.find(|word| !word.contains(' '));
        let example = example.unwrap_or(match kind.name.as_str() {
            "month" => "2027-06",
            _ => "text",
        });
        if kind.name == "list" { "[1, 2]".into() } else { list(format!("{example:?}")) }
    }
}

fn choices(branches: &[Value]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for branch in branches {
        let about = text(branch, "description");
        if let Some(name) = branch["const"].as_str() {
            found.push((name.to_owned(), about.to_owned()));
        }
        for name in branch["enum"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            found.push((name.to_owned(), about.to_owned()));
        }
    }
    found
}

fn written(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e16 {
        format!("{}", number as i64)
    } else {
        format!("{number:?}")
    }
}

/// What stands in brackets in a description.
fn bracket(about: &str) -> Option<&str> {
    let (_, from) = about.split_once(" [")?;
    from.split_once(']').map(|(unit, _)| unit)
}

fn without_unit(about: &str) -> String {
    bracket(about)
        .map_or_else(|| about.to_owned(), |unit| about.replacen(&format!(" [{unit}]"), "", 1))
}

/// Unit of a number: what its description gives in brackets, or what its key ends in.
fn unit(key: &str, schema: &Value, number: &Value) -> String {
    const SUFFIXES: [(&str, &str); 19] = [
        ("bytes_per_second", "bytes/s"),
        ("per_month", "per month"),
        ("per_hour", "per hour"),
        ("per_day", "per day"),
        ("seconds", "s"),
        ("minutes", "min"),
        ("hours", "h"),
        ("days", "days"),
        ("months", "months"),
        ("hour", "hour of the day"),
        ("millicores", "millicores"),
        ("kib", "KiB"),
        ("mib", "MiB"),
        ("gib", "GiB"),
        ("gb", "GB"),
        ("mibps", "MiB/s"),
        ("bytes", "bytes"),
        ("acu", "ACU"),
        ("ms", "ms"),
    ];
    const INSIDE: [(&str, &str); 5] = [
        ("_ms_per_", "ms"),
        ("_mib_per_", "MiB"),
        ("_kib_per_", "KiB"),
        ("gb_per_month", "GB per month"),
        ("bytes_per_", "bytes"),
    ];
    let about = text(schema, "description");
    if let Some(unit) = bracket(about) {
        return unit.to_owned();
    }
    let inside = INSIDE.iter().find(|(part, _)| key.contains(part));
    let suffix = SUFFIXES.iter().find(|(suffix, _)| key.ends_with(suffix));
    if let Some((_, unit)) = inside.or(suffix) {
        return (*unit).to_owned();
    }
    if number["format"] == "percent" {
        return "percent".into();
    }
    let words =
        ["hare ", "ratio", "fraction", "hance", "orrelation", "deviation", " over ", "actor"];
    let whole = number["type"] == "integer" || number["type"][0] == "integer";
    let ratio = !whole && (words.iter().any(|word| about.contains(word)) || key.contains("share"));
    if ratio { "ratio".into() } else { "count".into() }
}

fn range(number: &Value) -> String {
    match (number["minimum"].as_f64(), number["maximum"].as_f64()) {
        (Some(least), Some(most)) => format!("{} to {}", shown(least), shown(most)),
        (Some(least), None) => format!("≥ {}", shown(least)),
        (None, Some(most)) => format!("≤ {}", shown(most)),
        (None, None) => String::new(),
    }
}

/// A bound: large ones as powers of ten.
fn shown(number: f64) -> String {
    let power = number.abs().log10();
    if power >= 7.0 && power.fract() == 0.0 {
        format!("{}10^{power}", if number < 0.0 { "-" } else { "" })
    } else {
        written(number)
    }
}

fn page() -> Page {
    let schema: Value = serde_json::from_str(&stdout(&runrate(&["schema"]))).unwrap();
    let mut page = Page {
        schema,
        samples: samples(),
        text: HEAD.to_owned(),
        described: BTreeMap::new(),
        examples: Vec::new(),
    };
    let properties = page.schema["properties"].as_object().cloned().unwrap();
    let example = fs::read_to_string(root().join("examples/innovate.toml")).unwrap();
    let place = |table: &str| {
        let heads = [format!("[{table}]"), format!("[[{table}]]"), format!("[{table}.")];
        heads.iter().filter_map(|head| example.find(head)).min().unwrap_or(usize::MAX)
    };
    let mut tables: Vec<&String> = properties.keys().collect();
    tables.sort_by_key(|table| (place(table), (*table).clone()));
    for table in tables {
        let schema = &properties[table];
        let path = vec![table.clone()];
        let kind = page.kind(schema, &path);
        let Below { path, schema: inner } = kind.below.unwrap();
        page.table(&path, &inner, text(schema, "description"), 2);
    }
    page.text += "## Range\n\n";
    let range = page.schema["$defs"]["Range"].clone();
    let _ = writeln!(page.text, "{}\n", one_line(text(&range, "description")));
    page.rows(&["range".to_owned()], &range);
    page.text = page.text.trim_end().to_owned() + "\n";
    page
}

#[test]
fn the_reference_of_a_scenario_is_that_of_the_schema() {
    let page = page();
    compare("docs/scenario.md", &page.text);
    assert!(page.examples.len() > 300, "{} keys", page.examples.len());
    // One schema for all examples: to compile the definitions for each takes seconds.
    let (mut properties, mut values) = (Map::new(), Map::new());
    for (line, schema) in &page.examples {
        let table: toml::Table = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let name = format!("{}: {line}", properties.len());
        values.insert(name.clone(), serde_json::to_value(table.values().next()).unwrap());
        properties.insert(name, schema.clone());
    }
    let schema = json!({ "properties": properties, "$defs": page.schema["$defs"] });
    let valid = jsonschema::validator_for(&schema).unwrap();
    let values = Value::Object(values);
    let wrong: Vec<String> = valid
        .iter_errors(&values)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}
