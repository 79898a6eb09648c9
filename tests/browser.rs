//! Reports as a browser shows them.
#![allow(clippy::unwrap_used)]

mod support;

use support::browser::Browser;

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
