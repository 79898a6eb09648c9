//! Reports as a browser shows them.
#![allow(clippy::unwrap_used)]

mod support;

use std::{collections::HashSet, fs, path::Path};

use runrate::report::{html, page::Page};
use support::{
    browser::Browser,
    page::{HOSTILE, page},
};

/// Where pictures go for people to look at: `RUNRATE_PICTURES=/tmp/x cargo test --test browser`.
fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("RUNRATE_PICTURES") {
        fs::create_dir_all(&folder).unwrap();
        fs::write(Path::new(&folder).join(name), bytes).unwrap();
    }
}

/// Writes a page, opens it, and looks after the folder.
fn open(browser: &mut Browser, page: &Page) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    fs::write(&path, html::render(page).unwrap()).unwrap();
    browser.go(&format!("file://{}", path.display()));
    folder
}

#[test]
fn the_browser_tells_what_a_page_does() {
    let Some(mut browser) = Browser::start() else { return };
    browser.viewport(400, 300);
    browser.go("data:text/html,<title>T</title><button onclick='document.title=1'>b</button>");
    assert_eq!(browser.evaluate("innerWidth"), 400);
    browser.assert_quiet();
    browser.click("button");
    browser.wait_for("document.title == '1'");
    assert!(browser.screenshot().starts_with(b"\x89PNG"));
    assert!(browser.pdf().starts_with(b"%PDF"));
    browser.evaluate("console.error('loud')");
    browser.evaluate("1");
    assert_eq!(browser.console.len(), 1, "{:?}", browser.console);
}

#[test]
fn a_report_fits_1280_and_400_pixels_light_dark_and_paper() {
    let Some(mut browser) = Browser::start() else { return };
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 400)] {
        browser.viewport(width, 900);
        browser.media("prefers-color-scheme", scheme);
        let _folder = open(&mut browser, &page());
        keep(&format!("{scheme}-{width}.png"), &browser.screenshot());
        keep(&format!("{scheme}-{width}.pdf"), &browser.pdf());
    }
    browser.assert_quiet();
}
