//! How the program speaks: every message in one text that is read as a whole, and phrases that it does not use.
//!
//! `UPDATE_GOLDEN=1 cargo test --test suite messages::` writes `tests/messages.txt`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Phrases that a reader stumbles over, in lower case; a space at an end is the end of a word.
const FORBIDDEN: &[&str] = &[
    "told by itself",
    " is had",
    "left out and said",
    "at the most",
    "carry on",
    "in turns",
    "no matter of",
    "-$ ",
    "$-",
    "written or told",
    "has not the header",
    "nothing is known that",
];

/// Phrases to remove; the test prints how often each is still there. One without a hit moves to `FORBIDDEN`.
const UNWANTED: &[&str] = &[
    "what comes worse",
    "what it cannot",
    "is told first",
    " is told",
    " are told",
    " told of",
    " is said",
    "says so",
    "as it stands",
    " stands there",
    " stands in ",
    " stand in ",
    "asked for",
    "comes about",
    "none that",
    "of which",
    " beside ",
    "at the least",
    "in the mean ",
    "carried on",
    "mid-value line",
    "mid line",
    "the odds",
    " breaks ",
    "what drives",
    "what to commit",
    "not attributed",
    "derived, not read",
    "set aside",
    "left a day",
    "saturated minute",
    "late minute",
    "if left out",
    "when left out",
    "looked at",
    "looks at",
    "what is left",
    "that is every one",
    "does not fit what",
    "goes on from",
    "without one,",
    "dearest",
    "dearer",
    "how many.",
    "by itself",
    "somebody",
    "nobody",
    "in silence",
    "without a word",
    " alone ",
    " at most",
    "astray",
    "in place of ",
];

#[derive(Default)]
struct Texts {
    /// Messages: literals with at least two words.
    literals: Vec<String>,
    /// Help texts: doc comments that clap prints.
    help: Vec<String>,
    /// All doc comments.
    docs: Vec<String>,
    is_help: bool,
}

/// The text of `#[doc = "..."]`.
fn doc(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else {
        return None;
    };
    pair.path.is_ident("doc").then(|| text.value())
}

fn has(attributes: &[syn::Attribute], name: &str, words: &[&str]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident(name) => {
            let tokens = list.tokens.to_string();
            let mut found = tokens.split(|c: char| !c.is_alphanumeric());
            found.any(|word| words.contains(&word))
        }
        _ => false,
    })
}

impl Texts {
    fn add_docs(&mut self, attributes: &[syn::Attribute]) {
        let lines: Vec<String> = attributes.iter().filter_map(doc).collect();
        let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return;
        }
        if self.is_help {
            self.help.push(text.clone());
        }
        self.docs.push(text);
    }

    fn add_literal(&mut self, text: &str) {
        let word = |word: &&str| word.chars().filter(|c| c.is_alphabetic()).count() > 1;
        if text.split_whitespace().filter(word).count() > 1 {
            self.literals.push(text.to_owned());
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                        self.add_literal(&text.value());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            syn::Item::Type(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if has(attributes, "cfg", &["test"]) {
            return;
        }
        let before = self.is_help;
        self.is_help = has(attributes, "derive", &["Parser", "Args", "Subcommand", "ValueEnum"]);
        self.add_docs(attributes);
        visit::visit_item(self, item);
        self.is_help = before;
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.add_docs(&field.attrs);
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.add_docs(&variant.attrs);
        visit::visit_variant(self, variant);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add_docs(&function.attrs);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add_docs(&function.attrs);
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.add_literal(&text.value());
    }

    fn visit_macro(&mut self, found: &'ast syn::Macro) {
        self.add_tokens(found.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // `#[command(after_help = "...")]`, `#[arg(help = "...")]`; derives and lints have no texts.
        if let syn::Meta::List(list) = &attribute.meta
            && (list.path.is_ident("command") || list.path.is_ident("arg"))
        {
            self.add_tokens(list.tokens.clone());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, kind));
        } else if path.extension().is_some_and(|extension| extension == kind) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The texts of each file of `src`, by its path; read once, because that takes seconds.
static TEXTS: LazyLock<BTreeMap<String, Texts>> = LazyLock::new(texts);

fn texts() -> BTreeMap<String, Texts> {
    let mut found = BTreeMap::new();
    for path in files(&root().join("src"), "rs") {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        if name.ends_with("/tests.rs") || name.contains("/tests/") || name.ends_with("/fixture.rs")
        {
            continue;
        }
        let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut texts = Texts::default();
        texts.add_docs(&parsed.attrs);
        texts.visit_file(&parsed);
        found.insert(name, texts);
    }
    assert!(found.len() > 100, "the sources were found");
    found
}

#[test]
fn the_messages_are_those_that_were_reviewed() {
    let mut text = String::from(
        "Every message and help text of the program, by file. Written by\n\
        UPDATE_GOLDEN=1 cargo test --test suite messages::\n",
    );
    for (name, Texts { literals, help, .. }) in &*TEXTS {
        let mut messages = literals.iter().chain(help).peekable();
        if messages.peek().is_some() {
            let _ = write!(text, "\n{name}\n");
        }
        for message in messages {
            let _ = writeln!(text, "  {}", message.replace('\n', "\\n"));
        }
    }
    let path = root().join("tests/messages.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(
        found == text,
        "tests/messages.txt is not what the program says: {differs:?}. Review it after \
        UPDATE_GOLDEN=1 cargo test --test suite messages::"
    );
}

/// Where a phrase is, with some words around it.
fn hits(phrase: &str, texts: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    const AROUND: usize = 50;
    let mut found = Vec::new();
    for (name, texts) in texts {
        for text in texts {
            for (at, _) in text.match_indices(phrase) {
                let from = text.floor_char_boundary(at.saturating_sub(AROUND));
                let to = text.ceil_char_boundary((at + phrase.len() + AROUND).min(text.len()));
                found.push(format!("{name}: {}", text[from..to].trim()));
            }
        }
    }
    found
}

/// A page of Markdown without the blocks that show commands and their output.
fn without_blocks(page: &str) -> String {
    let parts = page.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

#[test]
fn forbidden_phrases_are_not_used() {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let searched = |text: &String| format!(" {} ", text.to_lowercase());
    for (name, Texts { literals, docs, .. }) in &*TEXTS {
        all.insert(name.clone(), literals.iter().chain(docs).map(searched).collect());
    }
    let pages = ["README.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    let pages = pages.iter().map(|page| root().join(page));
    let more = ["docs", "examples"].iter().flat_map(|folder| files(&root().join(folder), "md"));
    for path in pages.chain(more) {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        // It repeats doc comments.
        if name == "docs/scenario.md" {
            continue;
        }
        let text = without_blocks(&fs::read_to_string(&path).unwrap());
        let paragraphs = text.split("\n\n").map(|part| searched(&part.replace('\n', " ")));
        all.insert(name, paragraphs.collect());
    }
    let mut wrong = Vec::new();
    for phrase in FORBIDDEN {
        wrong.extend(hits(phrase, &all).into_iter().map(|hit| format!("{phrase:?} in {hit}")));
    }
    assert!(wrong.is_empty(), "say it in other words:\n{}", wrong.join("\n"));
    for phrase in UNWANTED {
        let hits = hits(phrase, &all);
        let gone = if hits.is_empty() { "; move it to FORBIDDEN" } else { "" };
        eprintln!("{:4} × {phrase:?}{gone}", hits.len());
        if std::env::var_os("RUNRATE_PHRASES").is_some() {
            for hit in hits {
                eprintln!("       {hit}");
            }
        }
    }
}

#[test]
fn the_collector_sees_messages_and_help() {
    let code = "/// Parses it.\nfn run() { fail(\"is wrong here\"); format!(\"{} of {}\", 1, \"two words\"); }\n\
        #[derive(Args)]\nstruct A { /// A help text.\n #[arg(help = \"more help\")] a: u8 }\n\
        #[cfg(test)]\nmod tests { fn f() { g(\"in a test\"); } }";
    let mut texts = Texts::default();
    texts.visit_file(&syn::parse_file(code).unwrap());
    assert_eq!(texts.literals, ["is wrong here", "two words", "more help"]);
    assert_eq!(texts.help, ["A help text."]);
    assert_eq!(texts.docs, ["Parses it.", "A help text."]);
}
