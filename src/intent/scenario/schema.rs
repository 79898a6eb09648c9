//! The scenario's JSON Schema, and the check of a document against it.
//!
//! One description serves both: `runrate schema` prints what the check enforces, so bounds and names
//! are written once, at the field they belong to. The check is our own walk because a validator's
//! messages speak of schemas; these speak of keys, name the nearest one, and list every problem.

use std::sync::LazyLock;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{Common, document::Document, number::Number, ranges::Input, time_of_day};
use crate::{
    cluster::{autoscale::settings::Cluster, workload::Workload},
    error::{Problem, nearest},
    measure::{
        calendar::Month,
        range::{Bounds, CONFIDENCE, Range},
        units::{MOST_QUANTITY, percent_of_fraction},
    },
    usage::services::SERVICES,
};

/// Tables that are the same for all accounts.
pub const COMMON: [&str; 10] = [
    "plan",
    "billing",
    "users",
    "traffic",
    "accounts",
    "correlations",
    "budgets",
    "revenue",
    "commitments",
    "tune",
];

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);

/// Returns the whole schema.
fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let common = Common::json_schema(&mut generator);
    let mut stack = Map::new();
    stack.insert("cluster".into(), generator.subschema_for::<Cluster>().into());
    let workload = generator.subschema_for::<Workload>();
    stack.insert(
        "workloads".into(),
        json!({ "type": "object", "additionalProperties": workload,
            "description": "Workloads by name." }),
    );
    for registration in SERVICES {
        stack.insert(registration.kind.into(), (registration.schema)(&mut generator).into());
    }
    let mut definitions = Map::from_iter(generator.take_definitions(true));
    let partial = without_required(&Value::Object(stack.clone()), &definitions);
    if let Some(account) = definitions.get_mut("AccountSettings") {
        account["properties"]["override"] = json!({
            "type": "object", "properties": partial, "additionalProperties": false,
            "description": "Settings of the stack that differ in this account."
        });
    }
    let mut properties = common.as_value()["properties"].as_object().cloned().unwrap_or_default();
    properties.extend(stack);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "runrate scenario",
        "type": "object",
        "properties": properties,
        "required": ["plan", "users", "traffic", "accounts", "cluster"],
        "additionalProperties": false,
        "$defs": definitions,
    });
    without_escapes(&mut schema);
    schema
}

/// Writes units of descriptions as `[ms]`: a doc comment has `\[ms\]`, as rustdoc takes brackets for a link.
fn without_escapes(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(without_escapes),
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace("\\[", "[").replace("\\]", "]");
            }
            map.values_mut().for_each(without_escapes);
        }
        _ => {}
    }
}

/// Returns the schema as `runrate schema` prints it: what a profile gives, a workload may leave out.
pub fn published() -> Value {
    let mut schema = SCHEMA.clone();
    if let Some(definitions) = schema["$defs"].as_object_mut() {
        definitions.values_mut().for_each(allow_ranges);
        definitions.insert("Range".into(), range_schema());
    }
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.values_mut().for_each(allow_ranges);
    }
    if let Some(workload) = schema["$defs"]["Workload"].as_object_mut() {
        workload.remove("required");
        workload.insert(
            "anyOf".into(),
            json!([{ "required": ["profile"] }, { "required": ["requests"] }]),
        );
    }
    schema
}

/// Returns what a range looks like.
fn range_schema() -> Value {
    json!({
        "type": "object",
        "description": "An uncertain number: an interval (80 % unless `confidence` differs) and its median.",
        "properties": {
            "low": { "type": "number", "description": "Lower end of the interval [unit of the key]." },
            "mid": { "type": "number", "description": "Median; the mid case takes it [unit of the key]." },
            "high": { "type": "number", "description": "Upper end of the interval [unit of the key]." },
            "confidence": {
                "type": "number", "minimum": 0.01, "maximum": 0.999, "default": CONFIDENCE,
                "description": "Probability that the value lies between low and high [ratio]."
            }
        },
        "required": ["low", "mid", "high"],
        "additionalProperties": false
    })
}

/// Every number may be a range in its place.
fn allow_ranges(schema: &mut Value) {
    match schema {
        Value::Array(values) => values.iter_mut().for_each(allow_ranges),
        Value::Object(map) => {
            if map.get("type").is_some_and(is_number) {
                let mut plain = map.clone();
                let described = plain.remove("description");
                map.clear();
                map.extend(described.map(|text| ("description".to_owned(), text)));
                map.insert("anyOf".into(), json!([plain, { "$ref": "#/$defs/Range" }]));
            } else {
                map.values_mut().for_each(allow_ranges);
            }
        }
        _ => {}
    }
}

fn is_number(kind: &Value) -> bool {
    let one = |kind: &Value| kind == "number" || kind == "integer";
    one(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(one))
}

/// Returns the same schema with every reference written out and nothing required: an override is a part.
fn without_required(schema: &Value, definitions: &Map<String, Value>) -> Value {
    match schema {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("required", Value::Array(_)) => {}
                    ("$ref", Value::String(name)) => {
                        let target = &definitions[name.trim_start_matches("#/$defs/")];
                        if let Value::Object(target) = without_required(target, definitions) {
                            out.extend(target);
                        }
                    }
                    _ => {
                        out.insert(key.clone(), without_required(value, definitions));
                    }
                }
            }
            Value::Object(out)
        }
        Value::Array(values) => {
            values.iter().map(|value| without_required(value, definitions)).collect()
        }
        other => other.clone(),
    }
}

/// Returns every place where a document departs from the schema. A workload may leave out what its profile gives, so
/// what is missing from the stack is looked for by [`check_complete`].
///
/// # Errors
/// Every such place; without one, the ranges in the places of numbers.
pub(super) fn check(document: &Document) -> Result<Vec<Input>, Vec<Problem>> {
    let mut walk = Walk { schema: &SCHEMA, missing: Missing::Common, ..Walk::default() };
    walk.table(&SCHEMA, &document.table, "");
    if walk.found.is_empty() {
        return Ok(walk.ranges);
    }
    Err(walk.found.into_iter().map(|(key, message)| document.problem(&key, &message)).collect())
}

/// Returns every number that a document holds where the schema has one, in its order; a document that [`check`]
/// accepts.
#[cfg_attr(not(feature = "serve"), allow(dead_code, reason = "only sliders of `serve` use it"))]
pub(super) fn numbers(document: &Document) -> Vec<Number> {
    let mut walk = Walk { schema: &SCHEMA, numbers: Some(Vec::new()), ..Walk::default() };
    walk.table(&SCHEMA, &document.table, "");
    walk.numbers.unwrap_or_default()
}

/// Returns what an account's merged stack lacks.
pub fn check_complete(stack: &toml::Table, account: &str, document: &Document) -> Vec<Problem> {
    let mut walk = Walk { schema: &SCHEMA, missing: Missing::Stack, ..Walk::default() };
    for (key, value) in stack.iter().filter(|(key, _)| !COMMON.contains(&key.as_str())) {
        walk.value(&SCHEMA["properties"][key], value, key);
    }
    let problem =
        |(key, message): (String, String)| document.account_problem(account, &key, &message);
    walk.found.into_iter().map(problem).collect()
}

#[derive(Clone, Copy, PartialEq, Default)]
enum Missing {
    /// Report keys missing outside the stack.
    #[default]
    Common,
    /// Report keys missing in the stack.
    Stack,
}

static NOTHING: Value = Value::Null;

struct Walk<'a> {
    schema: &'a Value,
    found: Vec<(String, String)>,
    missing: Missing,
    /// Ranges in the places of numbers.
    ranges: Vec<Input>,
    /// All numbers, if a caller collects them.
    numbers: Option<Vec<Number>>,
}

impl Default for Walk<'_> {
    fn default() -> Self {
        let (found, ranges) = (Vec::new(), Vec::new());
        Self { schema: &NOTHING, found, missing: Missing::Common, ranges, numbers: None }
    }
}

/// Returns whether a branch of a choice is for values of this kind.
fn of_kind(branch: &Value, value: &toml::Value) -> bool {
    let kind = match value {
        toml::Value::String(_) => "string",
        toml::Value::Integer(_) => "integer",
        toml::Value::Float(_) => "number",
        _ => return false,
    };
    branch["type"] == kind
}

fn is_whole(schema: &Value) -> bool {
    let kind = &schema["type"];
    let integer = |kind: &Value| kind == "integer";
    integer(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(integer))
}

fn bounds_of(schema: &Value) -> Bounds {
    Bounds { least: schema["minimum"].as_f64(), most: schema["maximum"].as_f64() }
}

/// Returns a fraction in the place of a percentage: a discount of 7 % written as 0.07.
fn fraction(schema: &Value, number: f64) -> Option<String> {
    let percent = schema["format"] == "percent";
    let meant = percent.then(|| percent_of_fraction(number)).flatten()?;
    Some(format!("{number} is less than 1 %; did you mean {meant}? Give a percentage, 1 or more"))
}

/// Returns the mend of a percentage in the place of a share: `; did you mean 0.7?` for 70.
fn share(schema: &Value, number: f64) -> String {
    /// Most of a number that is a share, or a factor near to one.
    const MOST_OF_A_SHARE: f64 = 10.0;
    let Bounds { least, most } = bounds_of(schema);
    let is_share = !is_whole(schema) && most.is_some_and(|most| most <= MOST_OF_A_SHARE);
    let meant = number / 100.0;
    let fits = number > 1.0
        && most.is_some_and(|most| number > most && meant <= most.min(1.0))
        && least.is_none_or(|least| meant >= least);
    if is_share && fits { format!("; did you mean {meant}?") } else { String::new() }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn type_name(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::Table(_) => "a table",
        toml::Value::Array(_) => "a list",
        toml::Value::String(_) => "text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date; put it in quotes",
    }
}

fn expected(kind: &str) -> &str {
    match kind {
        "object" => "a table",
        "array" => "a list",
        "string" => "text in quotes",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

impl<'a> Walk<'a> {
    fn report(&mut self, path: &str, message: String) {
        self.found.push((path.to_owned(), message));
    }

    /// Follows references and picks the branch of a choice that the value means.
    fn resolve(&mut self, schema: &'a Value, value: &toml::Value, path: &str) -> Option<&'a Value> {
        if let Some(name) = schema["$ref"].as_str() {
            let target = &self.schema["$defs"][name.trim_start_matches("#/$defs/")];
            return self.resolve(target, value, path);
        }
        if let Some(branches) = schema["anyOf"].as_array() {
            // Where several kinds of value are allowed, the one of the value's own kind is meant.
            let own = branches.iter().find(|branch| of_kind(branch, value));
            let branch = own.or_else(|| branches.iter().find(|branch| branch["type"] != "null"))?;
            return self.resolve(branch, value, path);
        }
        let Some(branches) = schema["oneOf"].as_array() else { return Some(schema) };
        if branches.iter().all(|b| b.get("const").is_some() || b.get("enum").is_some()) {
            self.choice(branches, value, path);
            return None;
        }
        self.tagged(branches, value, path)
    }

    /// A text that must be one of several.
    fn choice(&mut self, branches: &[Value], value: &toml::Value, path: &str) {
        let names: Vec<&str> = branches
            .iter()
            .flat_map(|b| {
                b["enum"].as_array().map_or_else(|| vec![&b["const"]], |e| e.iter().collect())
            })
            .filter_map(Value::as_str)
            .collect();
        self.one_of(&names, value, path);
    }

    fn one_of(&mut self, names: &[&str], value: &toml::Value, path: &str) {
        let given = value.as_str();
        if given.is_none_or(|given| !names.contains(&given)) {
            let near = given.and_then(|given| nearest(given, names.iter().copied()));
            let hint = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            let message = format!("{value} is not one of {}{hint}", names.join(", "));
            self.report(path, message);
        }
    }

    /// Returns a table whose kind is named by one of its keys.
    fn tagged(
        &mut self,
        branches: &'a [Value],
        value: &toml::Value,
        path: &str,
    ) -> Option<&'a Value> {
        let constant = |branch: &'a Value| {
            let properties = branch["properties"].as_object()?;
            properties.iter().find_map(|(key, s)| Some((key.as_str(), s["const"].as_str()?)))
        };
        let (tag, _) = branches.first().and_then(constant)?;
        let names: Vec<&str> = branches.iter().filter_map(constant).map(|(_, name)| name).collect();
        let Some(table) = value.as_table() else {
            self.report(path, format!("must be a table, not {}", type_name(value)));
            return None;
        };
        let Some(given) = table.get(tag) else {
            self.report(path, format!("{tag} is missing; give one of {}", names.join(", ")));
            return None;
        };
        let found =
            branches.iter().find(|b| constant(b).is_some_and(|(_, n)| given.as_str() == Some(n)));
        if found.is_none() {
            self.one_of(&names, given, &join(path, tag));
        }
        found
    }

    /// Notes a number, if a caller collects them.
    fn note(&mut self, schema: &Value, range: Range, (path, is_range): (&str, bool)) {
        let Some(numbers) = &mut self.numbers else { return };
        numbers.push(Number {
            key: path.to_owned(),
            range,
            is_range,
            bounds: bounds_of(schema),
            whole: is_whole(schema),
            about: schema["description"].as_str().unwrap_or_default().replace('\n', " "),
        });
    }

    fn value(&mut self, schema: &'a Value, value: &toml::Value, path: &str) {
        let Some(schema) = self.resolve(schema, value, path) else { return };
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        if let (true, toml::Value::Table(table)) = (is_number(&schema["type"]), value) {
            self.range(schema, table, path);
            return;
        }
        let fits = |kind: &&str| {
            matches!(
                (*kind, value),
                ("object", toml::Value::Table(_))
                    | ("array", toml::Value::Array(_))
                    | ("string", toml::Value::String(_))
                    | ("boolean", toml::Value::Boolean(_))
                    | ("integer", toml::Value::Integer(_))
                    | ("number", toml::Value::Integer(_) | toml::Value::Float(_))
            )
        };
        if !kinds.is_empty() && !kinds.iter().any(fits) {
            let (given, fraction) = match (kinds[0], value) {
                ("integer", toml::Value::Float(number)) => {
                    (number.to_string(), fraction(schema, *number))
                }
                _ => (type_name(value).to_owned(), None),
            };
            let message = format!("must be {}, not {given}", expected(kinds[0]));
            let message = fraction.unwrap_or(message);
            self.report(path, message);
            return;
        }
        let number = value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
        if let Some(number) = number {
            self.note(schema, Range::certain(number), (path, false));
        }
        match value {
            toml::Value::Table(table) => self.table(schema, table, path),
            toml::Value::Array(values) => self.list(schema, values, path),
            toml::Value::Integer(number) => self.bounds(schema, *number as f64, path),
            toml::Value::Float(number) => self.bounds(schema, *number, path),
            toml::Value::String(text) => self.text(schema, text, value, path),
            toml::Value::Boolean(_) | toml::Value::Datetime(_) => {}
        }
    }

    /// A range in the place of a number.
    fn range(&mut self, schema: &'a Value, table: &toml::Table, path: &str) {
        const KEYS: [&str; 4] = ["low", "mid", "high", "confidence"];
        let whole = is_whole(schema);
        let faults = self.found.len();
        if ["plan.", "budgets[", "tune."].iter().any(|fixed| path.starts_with(fixed)) {
            let message = "must be one number; keys of plan, budgets and tune cannot be ranges";
            self.report(path, message.into());
        }
        let mut numbers = [None, None, None, Some(CONFIDENCE)];
        for (key, value) in table {
            let path = join(path, key);
            let Some(place) = KEYS.iter().position(|known| known == key) else {
                let near = nearest(key, KEYS).map(|near| format!("; did you mean {near:?}?"));
                let near = near.unwrap_or_default();
                self.report(
                    &path,
                    format!("there is no such key; a range has {}{near}", KEYS.join(", ")),
                );
                continue;
            };
            numbers[place] = match value {
                toml::Value::Integer(number) => Some(*number as f64),
                toml::Value::Float(number) if !whole || place == 3 => Some(*number),
                other => {
                    let expected = expected(if whole { "integer" } else { "number" });
                    let given = match other {
                        toml::Value::Float(number) => number.to_string(),
                        other => type_name(other).to_owned(),
                    };
                    self.report(&path, format!("must be {expected}, not {given}"));
                    None
                }
            };
        }
        for key in &KEYS[..3] {
            if !table.contains_key(*key) {
                let message =
                    format!("{key} is missing; a range is {{ low = …, mid = …, high = … }}");
                self.report(path, message);
            }
        }
        let [Some(low), Some(mid), Some(high), Some(confidence)] = numbers else { return };
        if self.found.len() > faults {
            return;
        }
        let range = Range { low, mid, high, confidence };
        let bounds = bounds_of(schema);
        if let Some(message) = fraction(schema, mid) {
            self.report(path, message);
            return;
        }
        if bounds.most.is_none() && high.max(low) > MOST_QUANTITY {
            self.bounds(schema, high.max(low), path);
            return;
        }
        let mend = |message: String| message + &share(schema, high);
        match range.check(bounds).map_err(mend) {
            Ok(()) => {
                self.note(schema, range, (path, true));
                self.ranges.push(Input::new(path.to_owned(), range, bounds, whole));
            }
            Err(message) => self.report(path, message),
        }
    }

    fn table(&mut self, schema: &'a Value, table: &toml::Table, path: &str) {
        let properties = &schema["properties"];
        for (key, value) in table {
            let path = join(path, key);
            let inner = properties.get(key).unwrap_or(&NOTHING);
            if !inner.is_null() {
                self.value(inner, value, &path);
            } else if schema["additionalProperties"].is_object() {
                self.value(&schema["additionalProperties"], value, &path);
            } else if properties.is_object() || schema["additionalProperties"] == false {
                let known = properties.as_object().into_iter().flat_map(|p| p.keys());
                let known: Vec<&str> = known.map(String::as_str).collect();
                let hint = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("the keys here are {}", known.join(", ")),
                };
                self.report(&path, format!("there is no such key; {hint}"));
            }
        }
        let in_stack =
            !path.is_empty() && !COMMON.contains(&path.split(['.', '[']).next().unwrap_or(""));
        if in_stack == (self.missing == Missing::Stack) {
            for required in schema["required"].as_array().into_iter().flatten() {
                let key = required.as_str().unwrap_or_default();
                if !table.contains_key(key) {
                    let what = self.describe(&properties[key]);
                    self.report(path, format!("{key} is missing{what}"));
                }
            }
        }
    }

    /// `: what it is`, from the schema's own words.
    fn describe(&self, property: &Value) -> String {
        let named = property["$ref"].as_str().map(|name| name.trim_start_matches("#/$defs/"));
        let described = named.map_or(property, |name| &self.schema["$defs"][name]);
        let own = property["description"].as_str().or(described["description"].as_str());
        let what = own.unwrap_or_default().split(['.', ';']).next().unwrap_or_default();
        if what.is_empty() { String::new() } else { format!(": {what}") }
    }

    fn list(&mut self, schema: &'a Value, values: &[toml::Value], path: &str) {
        let count = values.len() as u64;
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        if count < least || count > most {
            let range =
                if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.report(path, format!("{count} values; give {range}"));
        }
        for (index, value) in values.iter().enumerate() {
            self.value(&schema["items"], value, &format!("{path}[{index}]"));
        }
    }

    fn bounds(&mut self, schema: &Value, number: f64, path: &str) {
        if let Some(message) = fraction(schema, number) {
            self.report(path, message);
            return;
        }
        let Bounds { least, most } = bounds_of(schema);
        // What has no bound of its own ends up in sums that must stay finite.
        let open = if is_whole(schema) { f64::from(u32::MAX) } else { MOST_QUANTITY };
        let within = least.unwrap_or(-open)..=most.unwrap_or(open);
        if !within.contains(&number) {
            let shown = |number: f64| {
                if number.abs() < 1e15 { number.to_string() } else { format!("{number:e}") }
            };
            let accepted = match (least, most) {
                (Some(least), None) if number < least => format!("{} or more", shown(least)),
                (None, _) if number < most.unwrap_or(open) => format!("{} or more", shown(-open)),
                (Some(least), Some(most)) => format!("{} to {}", shown(least), shown(most)),
                (_, most) => format!("{} or less", shown(most.unwrap_or(open))),
            };
            let number_shown = shown(number);
            let mend = share(schema, number);
            self.report(path, format!("{number_shown} is out of range; give {accepted}{mend}"));
        }
    }

    fn text(&mut self, schema: &Value, text: &str, value: &toml::Value, path: &str) {
        if let Some(names) = schema["enum"].as_array() {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            self.one_of(&names, value, path);
        }
        let wrong = match schema["format"].as_str() {
            Some("month") => text.parse::<Month>().err(),
            Some("time-of-day") if time_of_day(text).is_none() => {
                Some(format!("{text:?} is not a time of day; write it as 08:00"))
            }
            Some("moment") if crate::measure::calendar::parse_moment(text).is_none() => {
                Some(format!("{text:?} is not a date and time; write it as 2027-03-01T02:00"))
            }
            Some("month-day") if format!("2028-{text}").parse::<jiff::civil::Date>().is_err() => {
                Some(format!("{text:?} is not a day of the year; write it as 11-25"))
            }
            _ => None,
        };
        if let Some(message) = wrong {
            self.report(path, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures without a bound of their own, as numbers and as ranges, and a seed, which has one.
    #[test]
    fn figures_that_no_sum_could_hold_are_refused_at_their_line() {
        let problem = |line: &str| problems(line).into_iter().find(|text| text.contains("range"));
        for (line, expected) in [
            (
                "[aurora]\nstorage_gib = 1e17",
                "aurora.storage_gib: 1e17 is out of range; give 1e15 or less",
            ),
            (
                "[aurora]\nstorage_gib = { low = 1, mid = 20, high = 1e300 }",
                "aurora.storage_gib: 1e300 is out of range; give 1e15 or less",
            ),
            (
                "[aurora]\nmin_readers = 5000000000",
                "aurora.min_readers: 5000000000 is out of range; give 4294967295 or less",
            ),
        ] {
            let found = problem(line).unwrap_or_default();
            assert!(found.contains(expected) && found.starts_with("s.toml:2"), "{found}");
        }
        assert_eq!(problem("[aurora]\nstorage_gib = 1e15"), None);
        assert_eq!(problem("[plan]\nseed = 9007199254740991"), None);
    }

    fn problems(text: &str) -> Vec<String> {
        let document = Document::parse("s.toml", text).unwrap();
        let found = check(&document).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    fn has(text: &str, expected: &str) {
        let found = problems(text);
        assert!(found.iter().any(|p| p.contains(expected)), "{expected}: {found:#?}");
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        has(
            "[plan]\nmonth = 3\n",
            "s.toml:2: plan.month: there is no such key; did you mean \"months\"?",
        );
        has("[clustr]\n", "clustr: there is no such key; did you mean \"cluster\"?");
        has("[workloads.api]\ncpu_ms = 1\n", "did you mean \"cpu_ms_per_request\"?");
        has("[accounts.a.override.cluster]\nbaselin = 1\n", "did you mean \"baseline\"?");
    }

    #[test]
    fn types_bounds_and_choices_are_checked_all_at_once() {
        let text = "[plan]\nname = 3\nmonths = 0\nstart = \"2027-13\"\n\
            [users]\ngrowth = { curve = \"linaer\", start = 1 }\n\
            [traffic]\nweekly = [1, 2]\nrequests_per_connection = -1\n\
            [workloads.api]\nkind = \"deploymnt\"\n";
        for expected in [
            "s.toml:2: plan.name: must be text in quotes, not a whole number",
            "plan.months: 0 is out of range; give 1 to 120",
            "plan.start: \"2027-13\" is not a month",
            "users.growth.curve: \"linaer\" is not one of linear, compound",
            "traffic.weekly: 2 values; give 7",
            "requests_per_connection: -1 is out of range",
            "workloads.api.kind: \"deploymnt\" is not one of deployment, daemon-set, cron-job, job; did you mean",
            "accounts is missing",
        ] {
            has(text, expected);
        }
    }

    /// 7 % written as 0.07, and 70 % written as 70 where a share is due: in numbers and in ranges.
    #[test]
    fn percentages_and_shares_are_not_taken_for_each_other() {
        for (text, expected) in [
            (
                "[billing]\ndiscount_percent = 0.07",
                "billing.discount_percent: 0.07 is less than 1 %; did you mean 7?",
            ),
            ("[billing]\ntax_percent = 0.19", "did you mean 19?"),
            ("[[billing.discounts]]\nservice = \"AmazonRDS\"\npercent = 0.29", "did you mean 29?"),
            ("[[commitments]]\ndiscount_percent = 0.275", "did you mean 27.5?"),
            (
                "[billing]\ntax_percent = { low = 0.1, mid = 0.2, high = 1.5 }",
                "tax_percent: 0.2 is less than 1 %; did you mean 20?",
            ),
            ("[workloads.api.hpa]\ntarget_cpu_utilization = 0.7", "did you mean 70?"),
            (
                "[aurora]\nwrite_share = 70",
                "aurora.write_share: 70 is out of range; give 0 to 1; did you mean 0.7?",
            ),
            ("[aurora]\nwrite_share = { low = 10, mid = 20, high = 30 }", "did you mean 0.3?"),
            ("[accounts.a]\ntraffic_share = 15", "give 0 to 10; did you mean 0.15?"),
            ("[traffic]\nnoise = 8", "give 0 to 2; did you mean 0.08?"),
            ("[users]\ngrowth = { curve = \"compound\", monthly_rate = 6 }", "did you mean 0.06?"),
        ] {
            has(text, expected);
        }
        for fine in ["discount_percent = 0", "discount_percent = 1", "tax_percent = 7.25"] {
            let found = problems(&format!("[billing]\n{fine}"));
            assert!(found.iter().all(|p| !p.contains("percent")), "{fine}: {found:?}");
        }
        let found = problems("[cluster]\navailability_zones = 7");
        assert!(found.iter().any(|p| p.ends_with("give 1 to 6")), "{found:?}");
    }

    /// Every number whose description is a percentage or a share has the bounds that tell them apart.
    #[test]
    fn every_percentage_and_share_of_the_schema_is_bounded() {
        fn walk(value: &Value, key: &str, found: &mut Vec<String>) {
            if let Value::Object(map) = value {
                let about = map.get("description").and_then(Value::as_str).unwrap_or_default();
                let number = map.get("type").is_some_and(is_number);
                let percent = about.contains("[percent") || about.starts_with("Percent of");
                if number && percent && map.get("format") != Some(&json!("percent")) {
                    found.push(format!("{key}: no format percent"));
                }
                let share = about.starts_with("Share ") && key != "traffic_share";
                let most = map.get("maximum").and_then(Value::as_f64);
                if number && share && most != Some(1.0) {
                    found.push(format!("{key}: a share up to {most:?}"));
                }
                for (key, value) in map {
                    walk(value, key, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&SCHEMA, "", &mut found);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn any_number_may_be_a_range() {
        let text = "[traffic]\nsessions_per_user = { low = 8, mid = 12, high = 15.5 }\n\
            [workloads.api.hpa]\nmax_replicas = { low = 8, mid = 12, high = 15, confidence = 0.9 }\n\
            [accounts.a.override.aurora]\nwrite_share = { low = 0.1, mid = 0.2, high = 0.3 }\n";
        let document = Document::parse("s.toml", text).unwrap();
        let mut walk = Walk { schema: &SCHEMA, ..Walk::default() };
        walk.table(&SCHEMA, &document.table, "");
        let found: Vec<(&str, f64)> =
            walk.ranges.iter().map(|input| (&*input.key, input.range.confidence)).collect();
        let expected = [
            ("traffic.sessions_per_user", 0.8),
            ("workloads.api.hpa.max_replicas", 0.9),
            ("accounts.a.override.aurora.write_share", 0.8),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_wrong_with_a_range_is_said() {
        for (text, expected) in [
            (
                "[traffic]\nnoise = { low = 1, mid = 0.5, high = 2 }",
                "give low, mid and high in rising order",
            ),
            (
                "[traffic]\nnoise = { low = 1, high = 2 }",
                "traffic.noise: mid is missing; a range is",
            ),
            ("[traffic]\nnoise = { low = 1, mid = 2, high = 3 }", "3 is out of range; give 0 to 2"),
            (
                "[traffic]\nnoise = { low = 0, mid = 0.1, hihg = 1 }",
                "noise.hihg: there is no such key",
            ),
            ("[plan]\nmonths = { low = 1, mid = 2, high = 3 }", "plan.months: must be one number"),
            (
                "[workloads.api]\nreplicas = { low = 1, mid = 1.5, high = 3 }",
                "replicas.mid: must be a whole number, not 1.5",
            ),
            ("[plan]\nname = { low = 1, mid = 2, high = 3 }", "plan.name: must be text in quotes"),
        ] {
            has(text, expected);
        }
    }

    #[test]
    fn the_keys_of_a_curve_are_those_of_its_kind() {
        has(
            "[users]\ngrowth = { curve = \"linear\", capacity = 1 }\n",
            "users.growth.capacity: there is no such key",
        );
    }
}
