//! Values of a scenario with where they come from.

use serde_json::Value;
use toml_edit::{Array, InlineTable};

use super::{Notes, documents::Object};
use crate::{
    facts::shapes::VolumeType,
    manifest::{quantity::Quantity, yaml::one_line},
};

/// A key of a table, its value and a comment.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) key: String,
    pub(super) value: toml_edit::Value,
    pub(super) why: String,
}

impl Line {
    pub(super) fn new(key: &str, value: impl Into<toml_edit::Value>, why: &str) -> Self {
        Self { key: key.to_owned(), value: value.into(), why: one_line(why) }
    }
}

/// Returns a scalar as it is written, without quotes.
pub(super) fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(80).collect()
}

/// Returns whether a text is filled in by a tool that has not run: Helm, Jinja or envsubst.
fn template(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (text.contains("{{") || text.contains("${")).then(|| {
        let text: String = text.chars().take(40).collect();
        format!("{text:?} is a template: render it (`helm template`) and read the result")
    })
}

/// Sets a key of a list of lines, in the place of one that is there.
pub(super) fn set(lines: &mut Vec<Line>, line: Line) {
    match lines.iter_mut().find(|known| known.key == line.key) {
        Some(known) => *known = line,
        None => lines.push(line),
    }
}

/// Returns a number without a fraction where it has none.
pub(super) fn number(value: f64) -> toml_edit::Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { (value as i64).into() } else { value.into() }
}

/// Returns a list of strings.
pub(super) fn texts(values: &[impl AsRef<str>]) -> toml_edit::Value {
    toml_edit::Value::Array(values.iter().map(AsRef::as_ref).collect::<Array>())
}

/// Returns a list of tables on one line.
pub(super) fn tables(tables: Vec<InlineTable>) -> toml_edit::Value {
    toml_edit::Value::Array(tables.into_iter().map(toml_edit::Value::from).collect::<Array>())
}

/// Returns a quantity of a field; invalid and negative ones are noted.
pub(super) fn quantity(
    object: &Object,
    (field, value): (&str, &Value),
    notes: &mut Notes,
) -> Option<Quantity> {
    if let Some(message) = template(value) {
        notes.field(object, field, &message);
        return None;
    }
    match Quantity::of(value) {
        Ok(quantity) if quantity.units() >= 0.0 => Some(quantity),
        Ok(_) => {
            notes.field(object, field, "is below 0; it is not read");
            None
        }
        Err(message) => {
            notes.field(object, field, &message);
            None
        }
    }
}

/// Returns a whole number of a field within bounds; other values are noted.
pub(super) fn whole(
    object: &Object,
    (field, value): (&str, &Value),
    (least, most): (u32, u32),
    notes: &mut Notes,
) -> Option<u32> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let inside = number.filter(|number| (least..=most).contains(number));
    if inside.is_none() {
        let shown: String = value.to_string().chars().take(40).collect();
        let message = template(value).unwrap_or_else(|| {
            format!("{shown} is not a whole number from {least} to {most}; it is not read")
        });
        notes.field(object, field, &message);
    }
    inside
}

/// Returns a number rounded or bounded for the scenario; the change is noted.
pub(super) fn rounded(
    object: &Object,
    (field, given): (&str, f64),
    (taken, unit): (f64, &str),
    notes: &mut Notes,
) -> i64 {
    if (given - taken).abs() > 1e-9 * taken.abs() {
        let given = (given * 1e6).round() / 1e6;
        notes.field(object, field, &format!("{given} {unit} are planned as {taken}"));
    }
    taken as i64
}

/// Returns a figure of a volume within the maximum of its type; a note names both figures where they differ.
pub(super) fn capped(
    object: &Object,
    (field, given): (&str, f64),
    (most, unit): (f64, &str),
    kind: VolumeType,
    notes: &mut Notes,
) -> f64 {
    if given > most {
        let kind = kind.with_article();
        let message =
            format!("{given} {unit} exceed the maximum of {kind} volume; {most} are planned");
        notes.field(object, field, &message);
    }
    given.min(most)
}

/// Notes every field of a map that is neither read nor known to have no effect.
pub(super) fn leftover(
    object: &Object,
    (pointer, read): (&str, &[&str]),
    ignored: &[String],
    notes: &mut Notes,
) {
    for (key, value) in super::documents::pairs(&object.body, pointer) {
        let empty = value.is_null()
            || value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty);
        if empty || read.contains(&key) || ignored.iter().any(|known| known == key) {
            continue;
        }
        let field = format!("{pointer}/{key}");
        let field = field.trim_start_matches('/').replace('/', ".");
        // A key with slashes is one part.
        let field =
            if key.contains('/') { field.replace(&key.replace('/', "."), key) } else { field };
        notes.field(object, &field, "has no counterpart in a scenario");
    }
}
