//! A headless Chromium that tests drive by its `DevTools` protocol, over a pipe: no port is opened, and no crate is
//! needed for it. One browser has one tab.
//!
//! ```text
//! let Some(mut browser) = Browser::start() else { return };   // says on stderr that it skips
//! browser.viewport(400, 800);
//! browser.go("file:///tmp/report.html");
//! assert_eq!(browser.evaluate("document.title"), "runrate");
//! browser.assert_quiet();
//! ```
//! # Source
//! <https://chromedevtools.github.io/devtools-protocol/>; with `--remote-debugging-pipe` messages are JSON that ends
//! with a zero byte, read by the browser from descriptor 3 and written to descriptor 4.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// Where Debian puts it.
const PROGRAM: &str = "/usr/bin/chromium";
/// A machine shared by many builds is slow: how long an answer may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running browser with one tab.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: String,
    last: u64,
    events: Vec<Value>,
    /// Lines of the console, and failures that never reach it.
    pub console: Vec<String>,
    /// Addresses that the page asked for, in their order.
    pub requests: Vec<String>,
    /// Removed when the browser has ended.
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it; without the program the test skips, or fails if everything must be tested.
    pub fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            assert!(
                std::env::var_os("RUNRATE_TEST_EVERYTHING").is_none(),
                "{PROGRAM} is missing and RUNRATE_TEST_EVERYTHING is set"
            );
            eprintln!("skipped: {PROGRAM} is missing");
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        // The shell moves the pipes of its own input and output to the descriptors that the browser uses.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null", PROGRAM])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--force-color-profile=srgb", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (commands, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, answers) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                let value = serde_json::from_slice(message.strip_suffix(&[0]).unwrap_or(&message));
                if value.is_ok_and(|value| send.send(value).is_err()) {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            commands,
            answers,
            session: String::new(),
            last: 0,
            events: Vec::new(),
            console: Vec::new(),
            requests: Vec::new(),
            _profile: profile,
        };
        browser.attach();
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", target);
        session["sessionId"].as_str().unwrap().clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Any command of the protocol, with its answer.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.commands.write_all(&bytes).unwrap();
        loop {
            let mut answer = self.next(method);
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.keep(answer);
        }
    }

    fn next(&mut self, waiting: &str) -> Value {
        self.answers
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("no answer to {waiting}: {error}"))
    }

    fn keep(&mut self, event: Value) {
        let of = &event["params"];
        match event["method"].as_str() {
            Some("Runtime.consoleAPICalled") => {
                let words: Vec<String> = of["args"].as_array().map_or_else(Vec::new, |words| {
                    words.iter().map(|word| word["value"].to_string()).collect()
                });
                self.console.push(format!("{}: {}", of["type"], words.join(" ")));
            }
            Some("Runtime.exceptionThrown") => {
                let text = &of["exceptionDetails"]["exception"]["description"];
                self.console.push(format!("exception: {text}"));
            }
            Some("Log.entryAdded") => {
                let entry = &of["entry"];
                self.console
                    .push(format!("{}: {} {}", entry["level"], entry["text"], entry["url"]));
            }
            Some("Network.requestWillBeSent") => {
                self.requests.push(of["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
        self.events.push(event);
    }

    /// Waits for an event that has not been waited for, such as `Page.loadEventFired`.
    pub fn wait_event(&mut self, method: &str) -> Value {
        loop {
            if let Some(at) = self.events.iter().position(|event| event["method"] == method) {
                return self.events.drain(..=at).next_back().unwrap();
            }
            let event = self.next(method);
            self.keep(event);
        }
    }

    /// Goes to an address, and waits until all of the page is loaded.
    pub fn go(&mut self, address: &str) {
        self.events.clear();
        let answer = self.call("Page.navigate", json!({ "url": address }));
        assert!(answer["errorText"].is_null(), "{address}: {}", answer["errorText"]);
        self.wait_event("Page.loadEventFired");
    }

    /// Value of an expression; a promise is waited for.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let parameters =
            json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub fn wait_for(&mut self, script: &str) {
        for _ in 0..1200 {
            if self.evaluate(&format!("Boolean({script})")) == true {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let body = self.evaluate("document.body.innerText");
        panic!("never true: {script}; the page shows {body}");
    }

    /// Clicks on the middle of an element, as a mouse does.
    pub fn click(&mut self, selector: &str) {
        let place = self.evaluate(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Types text into what has the focus.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Presses a key by its name: `Tab`, `Enter` (which also has a code and a letter).
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            " " => (32, " "),
            _ => (0, ""),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Width and height of the window [CSS pixels], without the smallest width of real windows.
    pub fn viewport(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// What media queries see: `("prefers-color-scheme", "dark")`.
    pub fn media(&mut self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// Whether scripts of pages run; those of [`Browser::evaluate`] always do.
    pub fn scripts(&mut self, run: bool) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !run }));
    }

    /// All of the page as PNG, also what is below the window.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        decode(answer["data"].as_str().unwrap())
    }

    /// All of the page on paper (A4), as PDF.
    pub fn pdf(&mut self) -> Vec<u8> {
        let paper = json!({ "paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": true });
        let answer = self.call("Page.printToPDF", paper);
        decode(answer["data"].as_str().unwrap())
    }

    /// Nothing was written to the console, not even a warning.
    pub fn assert_quiet(&self) {
        assert!(self.console.is_empty(), "the console says {:#?}", self.console);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself when asked to, and takes its own children with it; only if not, it is killed.
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of base64 with the letters of RFC 4648, section 4.
fn decode(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::with_capacity(text.len() / 4 * 3));
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
