//! The pages of `docs/` that the program writes, or whose output it must still print.
//!
//! `UPDATE_GOLDEN=1 cargo test --test suite docs::` writes them; without it, a page that differs fails.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::{fs, path::Path};

mod console;
mod model;
mod scenario;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a page with what it has to be, or writes it.
fn compare(page: &str, expected: &str) {
    let path = root().join(page);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or(found.lines().count().min(expected.lines().count()));
    assert!(
        found == expected,
        "{page}:{} differs: found {:?}, expected {:?}. Review it after UPDATE_GOLDEN=1 cargo test --test suite docs::",
        line + 1,
        found.lines().nth(line).unwrap_or_default(),
        expected.lines().nth(line).unwrap_or_default(),
    );
}
