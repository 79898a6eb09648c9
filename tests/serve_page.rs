//! The served page as a person uses it: a headless browser drags, types, compares, saves and downloads.
//!
//! `RUNRATE_SCREENSHOTS=DIR cargo test --test suite serve_page::` keeps pictures.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::needless_pass_by_value)]

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::support::{browser::Browser, http::Page};

/// Names that would be markup, if anybody took them for it.
const HOSTILE: &str = "<img src=x onerror=alert(1)> & 'Söhne'";

fn scenario() -> String {
    let example = include_str!("../examples/innovate.toml");
    let text = example.replace("months = 24", "months = 3").replace("2027-09-14", "2027-03-14");
    let text = text.replace(
        "end = { low = 350_000, mid = 1_000_000, high = 1_900_000 }",
        "end = { low = 3_500, mid = 10_000, high = 19_000 }",
    );
    let text = text.replace("name = \"Innovate Inc.\"", &format!("name = \"{HOSTILE}\""));
    // From 1 in steps of 10: the least that is accepted is no whole step.
    let text = text.replace(
        "requests_per_connection = 20",
        "requests_per_connection = { low = 1, mid = 400, high = 900 }",
    );
    assert!(text.contains("19_000") && text.contains("onerror") && text.contains("mid = 400"));
    text.replace("public launch", "</title><script>alert(2)</script>")
}

struct Seen {
    browser: Browser,
    page: Page,
    folder: tempfile::TempDir,
}

fn open(arguments: &[&str]) -> Option<Seen> {
    let mut browser = Browser::start()?;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), scenario()).unwrap();
    let mut all = vec!["s.toml", "--trials", "6"];
    all.extend(arguments);
    let page = Page::start(Path::new(env!("CARGO_BIN_EXE_runrate")), folder.path(), &all);
    browser.viewport(1280, 900);
    browser.go(&page.url);
    browser.wait_for("document.querySelector('#figures dd')");
    browser.wait_for("document.querySelector('#fan .line')");
    Some(Seen { browser, page, folder })
}

impl Seen {
    fn total(&mut self) -> String {
        let text = self.browser.evaluate("document.querySelector('#figures dd').textContent");
        text.as_str().unwrap().to_owned()
    }

    fn mouse(&mut self, kind: &str, at: (f64, f64)) {
        let event = json!({ "type": kind, "x": at.0, "y": at.1, "button": "left", "buttons": 1, "clickCount": 1 });
        self.browser.call("Input.dispatchMouseEvent", event);
    }

    /// Where the slider of a key is: its left end, its width, its middle.
    fn slider(&mut self, key: &str) -> (f64, f64, f64) {
        let place = self.browser.evaluate(&format!(
            "(() => {{ const s = document.querySelector('[data-key=\"{key}\"] input[type=range]'); \
             s.scrollIntoView({{block: 'center'}}); const r = s.getBoundingClientRect(); \
             return [r.x, r.width, r.y + r.height / 2]; }})()"
        ));
        let number = |at: usize| place[at].as_f64().unwrap();
        (number(0), number(1), number(2))
    }

    /// Nothing was said on the console, and nothing but the program was asked.
    fn assert_quiet_and_alone(&self) {
        self.browser.assert_quiet();
        assert!(!self.browser.requests.is_empty());
        for request in &self.browser.requests {
            let own = request.starts_with(self.page.address());
            let local = request.starts_with("data:") || request.starts_with("blob:");
            assert!(own || local, "a request left: {request}");
        }
    }

    fn picture(&mut self, name: &str) {
        if let Some(folder) = std::env::var_os("RUNRATE_SCREENSHOTS") {
            let bytes = self.browser.screenshot();
            fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
        }
    }
}

#[test]
fn the_figures_change_while_a_slider_is_dragged() {
    let Some(mut seen) = open(&[]) else { return };
    let first = seen.total();
    let painted =
        seen.browser.evaluate("performance.getEntriesByName('first-paint')[0]?.startTime ?? -1");
    eprintln!("first paint after {painted} ms");
    seen.browser
        .wait_for("document.querySelector('#band-note').textContent.includes('of 6 trials')");
    assert_eq!(seen.browser.evaluate("document.querySelectorAll('#fan .band').length"), 1);
    let (left, width, y) = seen.slider("traffic.sessions_per_user");
    let mut totals = vec![first.clone()];
    let at = |share: f64| (left + width * share, y);
    seen.mouse("mousePressed", at(0.4));
    for share in [0.5, 0.6, 0.7, 0.8, 0.9] {
        seen.mouse("mouseMoved", at(share));
        let shown = totals.last().unwrap().clone();
        seen.browser
            .wait_for(&format!("document.querySelector('#figures dd').textContent !== {shown:?}"));
        totals.push(seen.total());
    }
    // The button is still held: the figures have moved with the slider, and the band is told to be old.
    let amounts: Vec<f64> =
        totals[1..].iter().map(|text| text.replace(['$', ','], "").parse().unwrap()).collect();
    assert!(amounts.is_sorted() && amounts[0] < amounts[4], "{totals:?}");
    seen.mouse("mouseReleased", at(0.9));
    seen.browser
        .wait_for("document.querySelector('#band-note').textContent.includes('of 6 trials')");
    let value = seen.browser.evaluate("document.querySelector('[data-key=\"traffic.sessions_per_user\"] input[type=number]').value");
    assert!(value.as_str().unwrap().parse::<f64>().unwrap() > 12.0, "{value}");
    // Back to what the scenario says: the same figures as at first.
    seen.browser.click("[data-key=\"traffic.sessions_per_user\"] .back");
    seen.browser
        .wait_for(&format!("document.querySelector('#figures dd').textContent === {first:?}"));
    // The table has what the chart has, and the sum is told to who cannot see.
    seen.browser
        .wait_for(&format!("document.querySelector('#said').textContent.includes({first:?})"));
    assert_eq!(seen.browser.evaluate("document.querySelectorAll('#by-month tbody tr').length"), 3);
    // Names are text.
    assert_eq!(seen.browser.evaluate("document.querySelector('h1').textContent"), HOSTILE);
    assert_eq!(
        seen.browser.evaluate("document.querySelectorAll('img, script:not([src])').length"),
        0
    );
    let measures = seen.browser.evaluate(
        "performance.getEntriesByName('slider to line').map((m) => Math.round(m.duration))",
    );
    eprintln!("slider to redrawn line, this build: {measures} ms");
    seen.assert_quiet_and_alone();
}

#[test]
fn keys_move_a_slider_and_a_wrong_number_is_told_where_it_stands() {
    let Some(mut seen) = open(&[]) else { return };
    let first = seen.total();
    seen.browser.evaluate(
        "document.querySelector('[data-key=\"cluster.baseline.nodes\"] input[type=range]').focus()",
    );
    let event = json!({ "type": "keyDown", "key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39 });
    seen.browser.call("Input.dispatchKeyEvent", event);
    seen.browser
        .wait_for(&format!("document.querySelector('#figures dd').textContent !== {first:?}"));
    let number =
        "document.querySelector('[data-key=\"cluster.baseline.nodes\"] input[type=number]').value";
    assert_eq!(seen.browser.evaluate(number), "4");
    let said = "document.querySelector('[data-key=\"cluster.baseline.nodes\"] input[type=range]').getAttribute('aria-valuetext')";
    assert_eq!(seen.browser.evaluate(said), "4");
    // A contradiction: the last good figures stay.
    let good = seen.total();
    let field = "[data-key=\"workloads.api.hpa.min_replicas\"] input[type=number]";
    seen.browser.evaluate(&format!("document.querySelector({field:?}).select()"));
    seen.browser.evaluate(&format!("document.querySelector({field:?}).focus()"));
    seen.browser.type_text("9999");
    seen.browser.wait_for("!document.querySelector('#trouble').hidden");
    let told = seen.browser.evaluate("document.querySelector('#trouble').textContent + [...document.querySelectorAll('.wrong')].map((e) => e.textContent).join(' ')");
    assert!(told.as_str().unwrap().contains("workload api, most replicas"), "{told}");
    assert_eq!(seen.total(), good);
    seen.picture("refused-1280");
    // Out of bounds: told beside the number.
    seen.browser.evaluate(&format!("document.querySelector({field:?}).select()"));
    seen.browser.type_text("-1");
    let wrong = "document.querySelector('[data-key=\"workloads.api.hpa.min_replicas\"] .wrong')";
    seen.browser
        .wait_for(&format!("{wrong}.textContent.includes('-1 is out of range; give 0 to')"));
    seen.browser.click("#reset");
    seen.browser
        .wait_for(&format!("document.querySelector('#figures dd').textContent === {first:?}"));
    assert_eq!(seen.browser.evaluate("document.querySelector('#trouble').hidden"), true);
    // The server's refusals are the browser's only words.
    seen.browser.console.retain(|line| !line.contains("422"));
    seen.assert_quiet_and_alone();
}

#[test]
fn two_sides_stand_beside_each_other_and_the_changed_one_can_be_had_and_saved() {
    let Some(mut seen) = open(&["--write"]) else { return };
    let first = seen.total();
    seen.browser.evaluate("(() => { const f = document.querySelector('[data-key=\"cluster.baseline.nodes\"] input[type=number]'); f.value = 6; f.dispatchEvent(new Event('input')); })()");
    seen.browser
        .wait_for(&format!("document.querySelector('#figures dd').textContent !== {first:?}"));
    let changed = seen.total();
    seen.browser.click("#compare");
    seen.browser.wait_for("document.querySelectorAll('#fan .line').length === 2");
    assert_eq!(
        seen.browser.evaluate("document.querySelector('#figures dd.b').textContent"),
        json!(first)
    );
    assert_eq!(
        seen.browser.evaluate("document.querySelector('#figures dd.a').textContent"),
        json!(changed)
    );
    let difference = seen.browser.evaluate("document.querySelector('#figures small').textContent");
    assert!(difference.as_str().unwrap().contains('−'), "{difference}");
    seen.picture("two-1280");
    seen.browser.click("#copy");
    seen.browser
        .wait_for(&format!("document.querySelector('#figures dd.b').textContent === {changed:?}"));
    // The plan of what is shown, as a file.
    let downloads = tempfile::tempdir().unwrap();
    let to = json!({ "behavior": "allow", "downloadPath": downloads.path() });
    seen.browser.call("Page.setDownloadBehavior", to);
    seen.browser.click("#tab-a");
    seen.browser.evaluate("document.querySelector('#format').value = 'json'");
    seen.browser.click("#download");
    let path = downloads.path().join("plan.json");
    for _ in 0..1200 {
        if path.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        seen.browser.evaluate("0");
    }
    let plan: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(plan["name"], HOSTILE);
    let exact: f64 = plan["cost"].as_str().unwrap().parse().unwrap();
    let shown: f64 = changed.replace(['$', ','], "").parse().unwrap();
    assert!((exact - shown).abs() <= 0.5, "{exact} {shown}");
    // Side A has the file; saving it keeps the rest.
    seen.browser.click("#save");
    seen.browser
        .wait_for("document.querySelector('#trouble').textContent.includes('Saved to s.toml')");
    let expected = scenario().replace("\"m7g.xlarge\", nodes = 3", "\"m7g.xlarge\", nodes = 6");
    assert_eq!(fs::read_to_string(seen.folder.path().join("s.toml")).unwrap(), expected);
    seen.assert_quiet_and_alone();
}

#[test]
fn it_is_readable_on_a_phone_and_in_the_dark() {
    let Some(mut seen) = open(&[]) else { return };
    seen.browser
        .wait_for("document.querySelector('#band-note').textContent.includes('of 6 trials')");
    seen.picture("light-1280");
    seen.browser.media("prefers-color-scheme", "dark");
    seen.picture("dark-1280");
    seen.browser.viewport(400, 850);
    seen.browser.wait_for(
        "Number(document.querySelector('#fan').getAttribute('viewBox').split(' ')[2]) <= 400",
    );
    assert_eq!(seen.browser.evaluate("document.scrollingElement.scrollWidth"), 400);
    seen.picture("dark-400");
    seen.browser.media("prefers-color-scheme", "light");
    seen.picture("light-400");
    seen.browser.click("#compare");
    seen.browser.wait_for("document.querySelectorAll('#fan .line').length === 2");
    assert_eq!(seen.browser.evaluate("document.scrollingElement.scrollWidth"), 400);
    seen.picture("two-400");
    seen.assert_quiet_and_alone();
}

#[test]
fn a_slider_at_its_end_is_a_value_that_is_accepted() {
    let Some(mut seen) = open(&[]) else { return };
    let lines = "performance.getEntriesByName('slider to line').length";
    let before = seen.browser.evaluate(lines);
    let row = "document.querySelector('[data-key=\"traffic.requests_per_connection\"]')";
    seen.browser.evaluate(&format!(
        "(() => {{ const s = {row}.querySelector('input[type=range]'); s.value = s.min; \
         s.dispatchEvent(new Event('input')); }})()"
    ));
    // Drawn again, with figures or with what was wrong.
    seen.browser.wait_for(&format!("{lines} > {before}"));
    let value = format!("{row}.querySelector('input[type=number]').value");
    assert_eq!(seen.browser.evaluate(&value), "1");
    let told = "document.querySelector('#trouble').textContent";
    assert_eq!(seen.browser.evaluate(told), "");
    seen.assert_quiet_and_alone();
}

#[test]
fn a_band_pushed_out_by_another_window_is_asked_for_again() {
    let Some(mut seen) = open(&[]) else { return };
    let done = "document.querySelector('#band-note').textContent.includes('of 6 trials')";
    seen.browser.wait_for(done);
    let first = seen.total();
    // As the program answers while another window's band takes the place.
    seen.browser.evaluate(
        "(() => { const own = window.fetch; window.refused = 0; window.fetch = (path, more) => { \
         if (path !== 'api/band' || window.refused > 1) return own(path, more); \
         window.refused += 1; \
         return Promise.resolve(new Response('{\"error\":\"superseded\"}', { status: 409 })); }; })()",
    );
    seen.browser.evaluate("(() => { const f = document.querySelector('[data-key=\"cluster.baseline.nodes\"] input[type=number]'); f.value = 6; f.dispatchEvent(new Event('input')); })()");
    seen.browser
        .wait_for(&format!("document.querySelector('#figures dd').textContent !== {first:?}"));
    seen.browser.wait_for(&format!("window.refused === 2 && {done}"));
    seen.assert_quiet_and_alone();
}

#[test]
fn a_refusal_is_shown_as_it_is_worded_and_not_as_silence() {
    let Some(mut seen) = open(&[]) else { return };
    seen.browser.evaluate(
        "(() => { window.fetch = () => \
         Promise.resolve(new Response('length limit exceeded', { status: 413 })); })()",
    );
    seen.browser.evaluate("(() => { const f = document.querySelector('[data-key=\"cluster.baseline.nodes\"] input[type=number]'); f.value = 6; f.dispatchEvent(new Event('input')); })()");
    let told = "document.querySelector('#trouble').textContent";
    seen.browser.wait_for(&format!("{told}.includes('length limit exceeded')"));
    seen.browser.click("#download");
    seen.browser.wait_for(&format!("{told} === 'length limit exceeded'"));
    seen.assert_quiet_and_alone();
}
