//! The house rules of `DESIGN.md`, read from the source: who may use whom, who may touch what.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// The groups in the order of the pipeline, each with its modules. A group uses only groups that stand before it; a
/// module uses only modules of its group that stand before it.
const GROUPS: [(&str, &[&str]); 16] = [
    ("bounds", &[]),
    ("error", &["file_kind", "guard"]),
    ("measure", &["units", "calendar", "random", "range", "series", "parquet"]),
    ("facts", &["model", "shapes", "prices", "commitment_rates", "price_list"]),
    ("demand", &["growth", "traffic"]),
    ("cluster", &["workload", "queueing", "autoscale", "capacity"]),
    ("usage", &["services"]),
    ("intent", &["budget", "commitment", "scenario"]),
    ("money", &["ledger", "coverage", "rate", "inventory"]),
    (
        "plan",
        &[
            "assumptions",
            "list",
            "spread",
            "notes",
            "unused",
            "warnings",
            "simulate",
            "limits",
            "trials",
        ],
    ),
    ("bills", &["actuals", "reconcile", "calibrate", "history", "backtest"]),
    ("advice", &["commit", "compare", "tune"]),
    ("page", &[]),
    ("write", &[]),
    ("manifest", &["quantity", "yaml", "read", "write"]),
    ("app", &["store", "aws", "serve", "cli"]),
];

/// What only some may name: a path, and the modules that may.
const DOORS: [(&[&str], &[&str]); 6] = [
    (&["std", "fs"], &["app::store"]),
    (&["std", "env"], &["app::cli", "main"]),
    (&["Instant", "now"], &[]),
    (&["SystemTime", "now"], &[]),
    (&["Timestamp", "now"], &["app::cli"]),
    (&["StdRng"], &[]),
];

/// A path that a file names, from the root of the crate where it is of the crate.
struct Name {
    path: Vec<String>,
    of_crate: bool,
    in_test: bool,
}

struct Source {
    /// Path of its module: `money::rate::commitment`.
    module: Vec<String>,
    file: PathBuf,
    names: Vec<Name>,
    macros: Vec<Name>,
}

/// Collects the names of a file; `super` and `self` are resolved.
struct Reader {
    module: Vec<String>,
    in_test: bool,
    names: Vec<Name>,
    macros: Vec<Name>,
}

impl Reader {
    fn add(&mut self, mut path: Vec<String>) {
        let mut base = self.module.clone();
        let first = path.first().map(String::as_str);
        let of_crate = matches!(first, Some("crate" | "self" | "super"));
        match first {
            Some("crate") => drop(path.remove(0)),
            Some("self") => {
                path.remove(0);
                base.append(&mut path);
                path = base;
            }
            Some("super") => {
                while path.first().is_some_and(|first| first == "super") {
                    path.remove(0);
                    base.pop();
                }
                base.append(&mut path);
                path = base;
            }
            _ => {}
        }
        self.names.push(Name { path, of_crate, in_test: self.in_test });
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(with(&name.ident)),
            syn::UseTree::Rename(name) => self.add(with(&name.ident)),
            syn::UseTree::Glob(_) => self.add(before.to_vec()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }

    /// Paths among the tokens of a macro.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if colons == 2 || path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    self.add(std::mem::replace(&mut path, vec![ident.to_string()]));
                    colons = 0;
                    continue;
                }
                _ => {}
            }
            self.add(std::mem::take(&mut path));
            colons = 0;
        }
        self.add(path);
    }

    fn within(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let before = self.in_test;
        let is_test = |attribute: &syn::Attribute| match &attribute.meta {
            syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
            _ => false,
        };
        self.in_test |= attributes.iter().any(is_test);
        visit(self);
        self.in_test = before;
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within(&item.attrs, |reader| {
            reader.module.push(item.ident.to_string());
            visit::visit_item_mod(reader, item);
            reader.module.pop();
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within(&item.attrs, |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.within(&item.attrs, |reader| visit::visit_item_impl(reader, item));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.within(&item.attrs, |reader| reader.add_tree(&[], &item.tree));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        let path = found.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.macros.push(Name { path, of_crate: false, in_test: self.in_test });
        self.add_tokens(found.tokens.clone());
    }
}

fn read(module: Vec<String>, file: PathBuf, text: &str) -> Source {
    let parsed =
        syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let in_test = module.iter().any(|part| part == "tests" || part == "fixture");
    let mut reader = Reader { module, in_test, names: Vec::new(), macros: Vec::new() };
    reader.visit_file(&parsed);
    Source { module: reader.module, file, names: reader.names, macros: reader.macros }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(&root).unwrap().to_owned();
                let part = |part: std::path::Component<'_>| {
                    part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
                };
                let module = file.components().map(part).filter(|part| part != "lib").collect();
                found.push(read(module, file, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 40, "the sources were found");
    found
}

fn rank_of_group(name: &str) -> Option<usize> {
    GROUPS.iter().position(|(group, _)| *group == name)
}

#[test]
fn rule_1_groups_and_modules_use_only_earlier_ones() {
    let mut wrong = BTreeSet::new();
    for source in sources() {
        let Some(group) = source.module.first().filter(|first| *first != "main") else { continue };
        let rank = rank_of_group(group).unwrap_or_else(|| panic!("group {group} is not listed"));
        for Name { path, in_test, .. } in source.names.iter().filter(|name| name.of_crate) {
            let Some(used) = path.first().and_then(|first| rank_of_group(first)) else { continue };
            // Unit tests read the program's own facts and prices, rate what a service meters, and write pages.
            let needed =
                |module: &String| matches!(&**module, "store" | "rate" | "csv" | "markdown");
            let a_test_reads = *in_test && path.get(1).is_some_and(needed);
            if used > rank && !a_test_reads {
                wrong.insert(format!("{} uses {}", source.file.display(), path.join("::")));
            }
            let modules = GROUPS[rank].1;
            let place = |of: &[String]| {
                of.get(1).and_then(|module| modules.iter().position(|known| known == module))
            };
            if used == rank
                && !in_test
                && let (Some(here), Some(there)) = (place(&source.module), place(path))
                && there > here
            {
                wrong.insert(format!("{} uses {}", source.file.display(), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "rule 1: these use what stands later:\n{}", join(&wrong));
}

fn join(lines: &BTreeSet<String>) -> String {
    lines.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}

/// Every module of a group is in its list, so that none escapes the order.
#[test]
fn the_groups_are_listed_whole() {
    for source in sources() {
        if let [group, module] = &source.module[..]
            && let Some((_, modules)) = GROUPS.iter().find(|(name, _)| name == group)
            && !modules.is_empty()
        {
            let known = modules.contains(&&**module) || module == "tests";
            assert!(known, "{} is not listed in GROUPS", source.file.display());
        }
    }
}

#[test]
fn rules_2_and_3_disk_clock_and_terminal_have_one_door() {
    let mut wrong = BTreeSet::new();
    for source in sources() {
        let module = source.module.join("::");
        for (door, allowed) in DOORS {
            let may = allowed.iter().any(|allowed| module.starts_with(allowed));
            let names = |name: &Name| {
                !name.in_test && name.path.windows(door.len()).any(|part| part == door)
            };
            if !may && source.names.iter().any(names) {
                wrong.insert(format!("{} names {}", source.file.display(), door.join("::")));
            }
        }
        let prints = |name: &Name| {
            let last = name.path.last().map(String::as_str);
            !name.in_test && matches!(last, Some("println" | "print" | "eprintln" | "eprint"))
        };
        if source.macros.iter().any(prints) {
            wrong.insert(format!("{} prints", source.file.display()));
        }
    }
    assert!(wrong.is_empty(), "rules 2 and 3:\n{}", join(&wrong));
}

#[test]
fn rule_5_services_and_rate_meet_only_in_usage_lines() {
    let rules: [(&str, &[&str]); 2] = [
        ("usage::services", &["UnitPrice", "PriceBook", "Usd"]),
        ("money::rate", &["SERVICES", "AnyService", "Demand"]),
    ];
    for source in sources() {
        let module = source.module.join("::");
        for (group, never) in rules.iter().filter(|(group, _)| module.starts_with(group)) {
            for Name { path, in_test, .. } in &source.names {
                let found = path.iter().find(|part| never.contains(&&***part));
                assert!(
                    *in_test || found.is_none(),
                    "rule 5: {} of {group} names {}",
                    source.file.display(),
                    path.join("::")
                );
            }
        }
    }
}

#[test]
fn the_reader_of_names_works() {
    let code = "use crate::{a::{self, B}, c::D};\n\
        use super::f::G;\n\
        fn run() { let x = crate::e::f(); write!(out, \"{}\", super::super::h::I); }\n\
        #[cfg(test)]\nmod tests { use super::*; use crate::late::Z; }";
    let source = read(vec!["one".into(), "two".into()], "one/two.rs".into(), code);
    let named = |wanted: bool| -> Vec<String> {
        let of = source.names.iter().filter(|name| name.in_test == wanted && name.path.len() > 1);
        of.map(|name| name.path.join("::")).collect()
    };
    assert_eq!(named(false), ["a::self", "a::B", "c::D", "one::f::G", "e::f", "h::I"]);
    assert_eq!(named(true), ["one::two", "late::Z"]);
}

/// Cargo does not look for tests by itself here: a file that `tests/main.rs` does not name would pass unrun.
#[test]
fn each_file_of_tests_is_in_the_suite() {
    let suite = include_str!("main.rs");
    let named: BTreeSet<&str> =
        suite.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let rust = path.extension().is_some_and(|kind| kind == "rs");
        if rust || path.join("mod.rs").exists() {
            found.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    assert!(found.remove("main"));
    assert!(named.iter().eq(found.iter()), "tests/main.rs names {named:?}, tests/ has {found:?}");
}

/// Name, version, licence and repository of every crate in the release binary, as a table of Markdown.
fn notices() -> String {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    const HEAD: &str = "\
# Third-party notices

The release binary of runrate for Linux contains these crates, each under the licence that it names. The text of a
licence is in the source of its crate, which crates.io and the repository have. Crates that only build or test runrate
are not listed.

`UPDATE_NOTICES=1 cargo test --test suite notices` writes this file from `Cargo.lock`; the same test fails when they
differ.

| crate | version | licence | repository |
| --- | --- | --- | --- |
";
    let mut command = std::process::Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["metadata", "--offline", "--locked", "--format-version", "1"]);
    let output = command.args(["--filter-platform", TARGET]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let by_id = |list: &serde_json::Value| -> BTreeMap<String, serde_json::Value> {
        let list = list.as_array().unwrap();
        list.iter().map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone())).collect()
    };
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let root = metadata["resolve"]["root"].as_str().unwrap();
    let mut seen = BTreeSet::from([root.to_owned()]);
    let mut open = vec![root.to_owned()];
    while let Some(id) = open.pop() {
        for dependency in nodes[&id]["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            let id = dependency["pkg"].as_str().unwrap();
            let targets = packages[id]["targets"].as_array().unwrap();
            // A macro runs in the compiler, and what it needs does too.
            let is_macro = targets.iter().any(|target| target["kind"][0] == "proc-macro");
            let linked = !is_macro && kinds.iter().any(|kind| kind["kind"].is_null());
            if linked && seen.insert(id.to_owned()) {
                open.push(id.to_owned());
            }
        }
    }
    seen.remove(root);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    let mut rows: Vec<[String; 4]> = seen
        .iter()
        .map(|id| {
            let package = &packages[id];
            ["name", "version", "license", "repository"].map(|key| text(&package[key]))
        })
        .collect();
    rows.sort();
    let rows = rows.iter().map(|row| format!("| {} |\n", row.join(" | ")));
    HEAD.to_owned() + &rows.collect::<String>()
}

#[test]
fn third_party_notices_list_the_crates_of_the_binary() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("THIRD_PARTY.md");
    let notices = notices();
    if std::env::var_os("UPDATE_NOTICES").is_some() {
        fs::write(&path, &notices).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == notices,
        "THIRD_PARTY.md and Cargo.lock differ: UPDATE_NOTICES=1 cargo test --test suite notices"
    );
}
