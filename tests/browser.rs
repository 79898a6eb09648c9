//! Reports as a browser shows them.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, fs, path::Path};

use crate::support::{
    browser::Browser,
    page::{HOSTILE, page},
};
use runrate::{page::Page, write::html};

/// Where pictures go for people to look at: `RUNRATE_PICTURES=/tmp/x cargo test --test suite browser::`.
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

/// Width over height ends of a PNG [pixels].
fn size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
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

/// What is smaller than 11 pixels on the screen, of all text that is shown.
const SMALL: &str = "[...document.querySelectorAll('figure text')].filter(t => t.getClientRects().length) \
    .map(t => [t.textContent, parseFloat(getComputedStyle(t).fontSize) * t.getCTM().a]).filter(t => t[1] < 11)";
/// Text of charts that leaves its picture.
const CUT: &str = "[...document.querySelectorAll('figure text')].filter(t => t.getClientRects().length).filter(t => { \
    const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect(); \
    return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1; }) \
    .map(t => t.ownerSVGElement.getAttribute('aria-labelledby') + ' ' + t.textContent)";
/// Texts of one chart that lie on each other.
const OVER: &str = "[...document.querySelectorAll('figure svg')].filter(s => s.getClientRects().length).flatMap(s => { \
    const t = [...s.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]); \
    return t.flatMap(([n, a], i) => t.slice(i + 1).filter(([, b]) => \
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 5) \
        .map(([m]) => s.getAttribute('aria-labelledby') + ': ' + n + ' / ' + m)); })";
/// Text whose contrast with the page is below 4.5, and marks of charts below 3 (bands have paper between them).
const FAINT: &str = "(() => { \
    const rgb = c => c.match(/[\\d.]+/g).slice(0, 3).map(Number); \
    const light = c => { const [r, g, b] = rgb(c).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); \
        return .2126 * r + .7152 * g + .0722 * b; }; \
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); }; \
    const page = getComputedStyle(document.documentElement).backgroundColor, found = new Set(); \
    for (const e of document.querySelectorAll('h1, h2, p, li, dt, dd, a, th, td, strong, caption span, figcaption')) \
        if (ratio(getComputedStyle(e).color, page) < 4.5) found.add(e.tagName + getComputedStyle(e).color); \
    for (const e of document.querySelectorAll('figure text')) \
        if (ratio(getComputedStyle(e).fill, page) < 4.5) found.add('text' + getComputedStyle(e).fill); \
    for (const e of document.querySelectorAll('figure polyline[stroke]:not([stroke=\"#E2E5E9\"]):not([stroke=\"#FFFFFF\"])')) \
        if (ratio(getComputedStyle(e).stroke, page) < 3) found.add('line' + getComputedStyle(e).stroke); \
    return [...found]; })()";

#[test]
fn a_report_fits_1280_and_400_pixels_in_light_and_dark() {
    let Some(mut browser) = Browser::start() else { return };
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 400)] {
        browser.viewport(width, 900);
        browser.media("prefers-color-scheme", scheme);
        let _folder = open(&mut browser, &page());
        let picture = browser.screenshot();
        keep(&format!("{scheme}-{width}.png"), &picture);
        assert_eq!(size(&picture).0, width);
        assert!(size(&picture).1 > 5000);
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert_eq!(wide, width, "{scheme} {width}: the page scrolls sideways");
        for (what, script) in
            [("small", SMALL), ("cut off", CUT), ("faint", FAINT), ("over each other", OVER)]
        {
            let found = browser.evaluate(script);
            assert_eq!(found, serde_json::json!([]), "{what} at {scheme} {width}");
        }
        // One picture of each figure is shown.
        let shown = browser.evaluate(
            "[...document.querySelectorAll('figure')].every(f => \
             [...f.querySelectorAll('svg')].filter(s => s.getClientRects().length).length == 1)",
        );
        assert_eq!(shown, true);
    }
    // The same questions find what is wrong where something is.
    browser.evaluate(
        "(() => { const t = [...document.querySelectorAll('figure text')].find(t => t.getClientRects().length); \
         t.after(t.cloneNode(true)); const bad = t.cloneNode(true); t.after(bad); bad.setAttribute('x', -900); \
         bad.setAttribute('font-size', 8); bad.style.fill = getComputedStyle(document.documentElement).backgroundColor; })()",
    );
    for script in [SMALL, CUT, FAINT, OVER] {
        assert_ne!(browser.evaluate(script), serde_json::json!([]), "{script}");
    }
    browser.assert_quiet();
}

#[test]
fn a_report_needs_no_network_and_no_script() {
    let Some(mut browser) = Browser::start() else { return };
    browser.scripts(false);
    let folder = open(&mut browser, &page());
    assert_eq!(browser.requests.len(), 1, "only itself: {:?}", browser.requests);
    browser.assert_quiet();
    let text = fs::read_to_string(folder.path().join("report.html")).unwrap();
    for forbidden in
        ["http://", "https://", "url(", "@import", "<script", "<link", "<img", "src=\""]
    {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
    assert!(browser.evaluate("document.body.innerText.length").as_u64() > Some(5000));
}

#[test]
fn hostile_names_stay_text() {
    let Some(mut browser) = Browser::start() else { return };
    let mut page = page();
    page.title = HOSTILE.into();
    page.cost_metric = HOSTILE.into();
    page.headline[0].label = HOSTILE.into();
    page.headline[1].note = HOSTILE.into();
    for section in &mut page.sections {
        for table in &mut section.tables {
            table.id = HOSTILE.into();
            table.note = HOSTILE.into();
            table.rows.iter_mut().for_each(|row| row.anchor = Some(HOSTILE.into()));
        }
        section.figures.iter_mut().for_each(|figure| figure.id = HOSTILE.into());
    }
    let _folder = open(&mut browser, &page);
    assert_eq!(browser.evaluate("document.querySelectorAll('script, img, [onerror]').length"), 0);
    assert_eq!(browser.evaluate("document.title"), HOSTILE);
    assert_eq!(browser.evaluate("document.querySelector('h1').textContent"), HOSTILE);
    browser.assert_quiet();
}

#[test]
fn who_hears_a_report_finds_headings_scopes_captions_and_words_for_pictures() {
    let Some(mut browser) = Browser::start() else { return };
    let _folder = open(&mut browser, &page());
    let levels = "[...document.querySelectorAll('h1, h2, h3')].map(h => h.tagName).join()";
    let levels = browser.evaluate(levels);
    let levels = levels.as_str().unwrap();
    assert!(levels.starts_with("H1,H2") && levels.matches("H1").count() == 1, "{levels}");
    for (what, script) in [
        ("tables without caption", "document.querySelectorAll('table:not(:has(caption strong))')"),
        ("heads without scope", "document.querySelectorAll('th:not([scope])')"),
        (
            "rows without name",
            "document.querySelectorAll('#kinds tbody tr:not(:has(th[scope=row]))')",
        ),
        (
            "captions without words",
            "[...document.querySelectorAll('caption')].filter(c => !c.querySelector('span')?.textContent)",
        ),
        (
            "pictures without words",
            "[...document.querySelectorAll('svg')].filter(s => s.getAttribute('role') != 'img' \
          || !document.getElementById(s.getAttribute('aria-labelledby')).textContent \
          || !document.getElementById(s.getAttribute('aria-describedby')).textContent)",
        ),
        (
            "links that lead nowhere",
            "[...document.querySelectorAll('a')].filter(a => !document.getElementById(a.hash.slice(1)))",
        ),
    ] {
        assert_eq!(browser.evaluate(&format!("{script}.length")), 0, "{what}");
    }
    let ids = browser.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)");
    let ids: Vec<&str> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "each id stands once");
    assert_eq!(browser.evaluate("document.documentElement.lang"), "en");
}

#[test]
fn an_amount_leads_to_its_formula() {
    let Some(mut browser) = Browser::start() else { return };
    browser.viewport(1280, 900);
    let _folder = open(&mut browser, &page());
    browser.click("#cost-by-service-24 tbody tr:nth-child(4) td:last-child a");
    browser.wait_for("location.hash == '#line-3'");
    let seen = "(() => { const r = document.querySelector('tr:target').getBoundingClientRect(); \
                return r.top >= 0 && r.bottom <= innerHeight; })()";
    browser.wait_for(seen);
    let row = browser.evaluate("document.querySelector('tr:target').innerText");
    assert!(row.as_str().unwrap().starts_with('3'), "{row}");
    // The first key leads past the contents.
    let _folder = open(&mut browser, &page());
    browser.press("Tab");
    assert_eq!(browser.evaluate("document.activeElement.className"), "skip");
}

#[test]
fn on_paper_tables_are_whole_and_nothing_is_wider_than_the_sheet() {
    let Some(mut browser) = Browser::start() else { return };
    browser.media("prefers-color-scheme", "dark");
    let _folder = open(&mut browser, &page());
    keep("paper.pdf", &browser.pdf());
    // A4 between its margins, as the printer lays it out.
    browser.viewport(673, 900);
    browser.call("Emulation.setEmulatedMedia", serde_json::json!({ "media": "print" }));
    let wide = browser.evaluate("document.documentElement.scrollWidth");
    assert!(wide.as_u64().unwrap() <= 673, "{wide}");
    let hidden = "[...document.querySelectorAll('tbody tr')].filter(r => !r.getClientRects().length \
                  && !r.closest('.split')).length";
    assert_eq!(browser.evaluate(hidden), 0);
    assert_eq!(
        browser.evaluate("getComputedStyle(document.documentElement).backgroundColor"),
        "rgb(255, 255, 255)"
    );
    let whole = "[...document.querySelectorAll('.scroll')].every(s => s.scrollHeight <= s.clientHeight + 2)";
    assert_eq!(browser.evaluate(whole), true);
    assert_eq!(
        browser.evaluate("document.querySelector('footer').innerText.includes('sha256')"),
        true
    );
    browser.assert_quiet();
}

#[test]
fn the_same_page_is_the_same_bytes() {
    assert_eq!(html::render(&page()).unwrap(), html::render(&page()).unwrap());
}

/// Looks at any file: `RUNRATE_LOOK=/tmp/report.html RUNRATE_PICTURES=/tmp/x cargo test --test suite browser::look`.
#[test]
fn look() {
    let Some(file) = std::env::var_os("RUNRATE_LOOK") else { return };
    let Some(mut browser) = Browser::start() else { return };
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 400)] {
        browser.viewport(width, 900);
        browser.media("prefers-color-scheme", scheme);
        browser.go(&format!("file://{}", Path::new(&file).display()));
        keep(&format!("{scheme}-{width}.png"), &browser.screenshot());
        for script in [SMALL, CUT, FAINT, OVER] {
            eprintln!("{scheme} {width} {}", browser.evaluate(script));
        }
    }
    keep("paper.pdf", &browser.pdf());
    browser.assert_quiet();
}
