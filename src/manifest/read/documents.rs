//! Texts to objects: several documents in a file, lists of `kubectl get -o yaml`, and what is no YAML.

use std::sync::Arc;

use serde_json::Value;

use super::{Notes, Source, spans::Text};
use crate::error::Place;

/// One object of the cluster.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// Its file.
    pub(super) file: String,
    /// Line on which its document begins.
    line: usize,
    /// Its document.
    text: Arc<Text>,
    /// Where in the document it is, `items[3].`.
    within: String,
    /// Its kind.
    pub(super) kind: String,
    /// Group and version of it.
    pub(super) version: String,
    /// Its name, one that Kubernetes takes.
    pub(super) name: String,
    /// Its namespace, where it says one.
    pub(super) namespace: String,
    /// The whole of it.
    pub(super) body: Value,
}

impl Object {
    /// Returns the same object with another body.
    pub(super) fn with(&self, body: Value) -> Self {
        Self { body, ..self.clone() }
    }

    /// Returns its name in comments.
    pub(super) fn label(&self) -> String {
        format!("{} {}/{}", self.file, self.kind, self.name)
    }

    /// Returns the place of a field.
    pub(super) fn place(&self, field: &str) -> Place {
        let dot = if field.is_empty() { "" } else { " " };
        // The pods of a CronJob are read as those of a workload, and its own fields by themselves.
        let field = &*match &*self.kind {
            "CronJob" if field.starts_with("spec.template") => {
                field.replacen("spec.template", "spec.jobTemplate.spec.template", 1)
            }
            "CronJob" if field.starts_with("run.") => {
                field.replacen("run.", "spec.jobTemplate.spec.", 1)
            }
            "CronJob" if field.starts_with("cron.") => field.replacen("cron.", "spec.", 1),
            "Job" if field.starts_with("run.") => field.replacen("run.", "spec.", 1),
            _ => field.to_owned(),
        };
        let key = Some(format!("{}/{}{dot}{field}", self.kind, self.name));
        // A pod that stands alone is read as the template of one.
        let field = match &*self.kind {
            "Pod" => field.replacen("spec.template.", "", 1),
            _ => field.to_owned(),
        };
        let line = self.text.line_of(&format!("{}{field}", self.within)).unwrap_or(self.line);
        Place { key, ..Place::line(&self.file, line) }
    }

    /// Returns the value at a JSON pointer, unless it is null.
    pub(super) fn at(&self, pointer: &str) -> Option<&Value> {
        at(&self.body, pointer)
    }
}

/// Returns the value at a JSON pointer, unless it is null.
pub(super) fn at<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    value.pointer(pointer).filter(|found| !found.is_null())
}

/// Returns a string below a pointer.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    at(value, pointer).and_then(Value::as_str)
}

/// Returns whether two objects may share a namespace: a manifest that names none goes where it is applied.
pub(super) fn same_namespace(one: &str, other: &str) -> bool {
    one.is_empty() || other.is_empty() || one == other
}

/// Returns elements of a list below a pointer; none where there is no list.
pub(super) fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    at(value, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Returns pairs of a map below a pointer; none where there is no map.
pub(super) fn pairs<'v>(
    value: &'v Value,
    pointer: &str,
) -> impl Iterator<Item = (&'v str, &'v Value)> {
    let map = at(value, pointer).and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, value)| (&**key, value))
}

/// Returns the objects of a file.
pub(super) fn objects(source: &Source, notes: &mut Notes) -> Vec<Object> {
    let mut found = Vec::new();
    for (line, text) in chunks(&source.text) {
        match serde_saphyr::from_str_with_options::<Value>(text, options()) {
            Ok(Value::Null) => {}
            Ok(body) => {
                let document = Arc::new(Text::new(text, line));
                let at = (&document, "", line + head(text));
                object(source, at, body, (notes, &mut found));
            }
            Err(error) => refused(source, (line, text), &error, notes),
        }
    }
    found
}

/// Returns lines of a document before its first with content.
fn head(text: &str) -> usize {
    text.lines().take_while(|line| is_blank(line)).count()
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty()
        || line.starts_with('#')
        || line.starts_with("--- #")
        || line == "---"
        || line == "..."
}

pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { with_snippet: false }
}

/// Returns documents with the line each begins on, without blank ones. `---` at a line's begin ends a document
/// wherever it stands, so that one that cannot be read takes no other with it.
fn chunks(text: &str) -> Vec<(usize, &str)> {
    let text = text.trim_start_matches('\u{feff}');
    let mut starts = vec![(0, 1)];
    let mut offset = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---");
        if offset > 0
            && rest.is_some_and(|rest| rest.trim_end().is_empty() || rest.starts_with([' ', '\t']))
        {
            starts.push((offset, index + 1));
        }
        offset += line.len();
    }
    let ends = starts.iter().skip(1).map(|(offset, _)| *offset).chain([text.len()]);
    let all = starts.iter().zip(ends).map(|((start, line), end)| (*line, &text[*start..end]));
    all.filter(|(_, text)| !text.lines().all(is_blank)).collect()
}

fn refused(
    source: &Source,
    (line, text): (usize, &str),
    error: &serde_saphyr::Error,
    notes: &mut Notes,
) {
    if let Some(at) = text.lines().position(|line| line.contains("{{")) {
        let message = "is a template, not YAML: render it (`helm template`) and read the result";
        notes.add(Place::line(&source.name, line + at), message);
        return;
    }
    let at = error.location().map_or(0, |location| usize::try_from(location.line()).unwrap_or(1));
    let message = error.without_snippet().to_string();
    // The place is said already, and here it would count from the document's begin.
    let message = message.lines().next().unwrap_or_default();
    let message = message.split(" at line ").next().unwrap_or_default();
    notes.add(
        Place::line(&source.name, line + at.saturating_sub(1)),
        &format!("is not YAML that can be read: {message}"),
    );
}

fn object(
    source: &Source,
    (document, within, line): (&Arc<Text>, &str, usize),
    body: Value,
    (notes, found): (&mut Notes, &mut Vec<Object>),
) {
    let place = || {
        let line = document.line_of(within).filter(|_| !within.is_empty()).unwrap_or(line);
        Place::line(&source.name, line)
    };
    let version = text(&body, "/apiVersion").unwrap_or_default().to_owned();
    if is_kustomization(source, &version) {
        overlay(source, line, &body, notes);
        return;
    }
    let Some(kind) = text(&body, "/kind").map(str::to_owned) else {
        let is_patch =
            body.as_array().is_some_and(|all| all.iter().all(|one| at(one, "/op").is_some()));
        let message = if is_patch {
            "is a JSON patch, and not applied. Render it (`kustomize build FOLDER`) and read the result"
        } else {
            "has no kind, so it is not a Kubernetes object; it is ignored"
        };
        notes.add(place(), message);
        return;
    };
    if kind.ends_with("List") && at(&body, "/items").is_some_and(Value::is_array) {
        let items = body.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        for (index, item) in items.into_iter().enumerate() {
            let within = format!("{within}items[{index}].");
            object(source, (document, &within, line), item, (notes, found));
        }
        return;
    }
    let name = text(&body, "/metadata/name").unwrap_or_default().to_owned();
    // Roles and their bindings are named by path segments.
    let is_role = version.starts_with("rbac.authorization.k8s.io/")
        && !name.is_empty()
        && !name.contains(['/', '%', '\n'])
        && !name.contains("{{");
    if !is_role && !super::super::is_kubernetes_name(&name) {
        let hint = if name.contains("{{") { ": render the template first" } else { "" };
        let shown: String = name.chars().take(60).collect();
        notes.add(
            place(),
            &format!("{kind} {shown:?} has no valid Kubernetes name{hint}; it is not read"),
        );
        return;
    }
    let namespace = text(&body, "/metadata/namespace").unwrap_or_default().to_owned();
    let (file, text, within) = (source.name.clone(), Arc::clone(document), within.to_owned());
    found.push(Object { file, line, text, within, kind, version, name, namespace, body });
}

fn is_kustomization(source: &Source, version: &str) -> bool {
    let file = source.name.rsplit(['/', '\\']).next().unwrap_or_default();
    version.starts_with("kustomize.config.k8s.io/")
        || (version.is_empty() && matches!(file, "kustomization.yaml" | "kustomization.yml"))
}

/// Tells what a kustomization changes of the objects that it lists.
fn overlay(source: &Source, line: usize, body: &Value, notes: &mut Notes) {
    const CHANGES: [&str; 12] = [
        "patches",
        "patchesStrategicMerge",
        "patchesJson6902",
        "replicas",
        "replacements",
        "components",
        "transformers",
        "helmCharts",
        "generators",
        "namePrefix",
        "nameSuffix",
        "bases",
    ];
    let changes: Vec<&str> = CHANGES
        .into_iter()
        .filter(|key| {
            let value = body.get(*key);
            value.is_some_and(|value| {
                !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty())
            })
        })
        .collect();
    if changes.is_empty() {
        return;
    }
    let folder = source.name.rsplit_once(['/', '\\']).map_or(".", |(folder, _)| folder);
    let message = format!(
        "is a kustomization whose {} are not applied: the objects are read as their files have them. Render it (`kustomize build {folder}`) and read the result",
        changes.join(", ")
    );
    notes.add(Place::line(&source.name, line), &message);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let mut notes = Notes::default();
        let source = Source { name: "f.yaml".into(), text: text.into() };
        let found = objects(&source, &mut notes);
        let labels = found.iter().map(|object| format!("{}:{}", object.line, object.label()));
        (labels.collect(), notes.0.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn documents_and_lists_become_objects() {
        let text = "# head\n---\nkind: A\nmetadata: {name: a}\n--- # next\nkind: BList\nitems:\n- kind: B\n  metadata: {name: b}\n- kind: B\n  metadata: {name: c}\n---\n";
        assert_eq!(read(text).0, ["3:f.yaml A/a", "6:f.yaml B/b", "6:f.yaml B/c"]);
        let json = r#"{"kind": "List", "items": [{"kind": "C", "metadata": {"name": "c"}}]}"#;
        assert_eq!(read(json).0, ["1:f.yaml C/c"]);
    }

    #[test]
    fn what_cannot_be_read_takes_nothing_else_with_it() {
        let text = "kind: A\nmetadata: {name: a}\n---\nx: [1\ny: 2\n---\nreplicas: {{ .Values.n }}\n---\nkind: B\nmetadata: {name: b}\n---\na: 1\n---\nkind: C\nmetadata: {name: \"a: #\\n\"}\n";
        let (found, notes) = read(text);
        assert_eq!(found, ["1:f.yaml A/a", "9:f.yaml B/b"]);
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(notes[0].starts_with("f.yaml:") && notes[0].contains("is not YAML"), "{notes:?}");
        assert!(notes[1].starts_with("f.yaml:7: is a template"), "{notes:?}");
        assert!(notes[2].contains("has no kind"), "{notes:?}");
        assert!(notes[3].contains("no valid Kubernetes name"), "{notes:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in proptest::prelude::any::<String>()) {
            let _ = read(&text);
        }

        #[test]
        fn any_yaml_like_text_is_read_or_refused(
            text in "(kind: List\n|items:\n|- |metadata: |  name: a\n|---\n|[\\[\\]{}:,&*!|>\"' \n\ta-c0-9#%-]){0,60}"
        ) {
            let _ = read(&text);
        }
    }
}
