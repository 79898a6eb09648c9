//! The served page over a real socket: who is answered, what is computed, what is written.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_pass_by_value)]

use std::{fs, io::Read, path::Path, process::Command, time::Duration};

use runrate::{
    intent::scenario::Scenario,
    plan::simulate::{Inputs, Prepared},
};
use serde_json::{Value, json};

use crate::support::{
    self,
    http::{Answer, Connection, Page, key_of},
};

/// A small scenario with comments, a range, and two accounts.
const SCENARIO: &str = r#"# what we mean to do
[plan]
name = "small"
start = "2027-01"
months = 3
seed = 3
[billing]
discount_percent = 0 # none yet
[users]
growth = { curve = "linear", start = 2_000, per_month = 300 } # counted
[traffic]
sessions_per_user = { low = 20, mid = 30, high = 45 } # a guess
requests_per_connection = 20
[traffic.classes.api]
per_session = 10
request_kib = 2
response_kib = 62
[accounts.production]
region = "us-east-1"
traffic_share = 1
[accounts.test]
region = "us-east-1"
traffic_share = 0.1
[accounts.test.override]
cluster.baseline.nodes = 1
[cluster]
availability_zones = 3
baseline = { instance_type = "m7g.large", nodes = 2 }
[cluster.node_pools.general]
categories = ["m"]
architectures = ["arm64"]
spot_share = 0.5
[workloads.api]
calls_per = { api = 1 }
reached = "through-alb"
cpu_ms_per_request = 5
hpa = { min_replicas = 2, max_replicas = 40, target_cpu_utilization = 60 }
requests = { cpu_millicores = 250, memory_mib = 256 }
limits = { cpu_millicores = 1000, memory_mib = 512 }
[alb]
load_balancers = 1
[nat]
gateways = 1
"#;

struct Bench {
    page: Page,
    folder: tempfile::TempDir,
}

fn serve_text(text: &str, arguments: &[&str]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), text).unwrap();
    let mut all = vec!["s.toml"];
    all.extend(arguments);
    let page = Page::start(Path::new(env!("CARGO_BIN_EXE_runrate")), folder.path(), &all);
    Bench { page, folder }
}

fn serve(arguments: &[&str]) -> Bench {
    serve_text(SCENARIO, arguments)
}

fn ask(generation: u64, values: &Value) -> Value {
    json!({ "side": "a", "client": "test", "generation": generation, "values": values })
}

fn good(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What `runrate plan --trials 1 --format json` says of a text.
fn planned(text: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_runrate"));
    command
        .current_dir(folder.path())
        .args(["plan", "s.toml", "--trials", "1", "--format", "json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_fast_line_is_the_plan_to_the_last_digit() {
    let innovate = include_str!("../examples/innovate.toml").replace("months = 24", "months = 5");
    let innovate = innovate.replace("2027-09-14", "2027-03-14");
    for text in [SCENARIO, &innovate] {
        let scenario = Scenario::parse("s.toml", text, &support::CATALOG).unwrap();
        let facts = support::embedded_facts(&scenario).unwrap();
        let inputs = Inputs::default();
        let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
        let plan = prepared.run(0).unwrap();
        let sample = prepared.sample(0).unwrap();
        let (line, simulated) = prepared.line(None).unwrap();
        assert_eq!(line.sample.costs, sample.costs);
        assert_eq!(line.sample.users, sample.users);
        assert_eq!(line.sample.requests, sample.requests);
        for (index, month) in plan.months.iter().enumerate() {
            for (place, account) in month.accounts.iter().enumerate() {
                let own =
                    line.sample.costs.iter().filter(|cost| {
                        (cost.month as usize, cost.account as usize) == (index, place)
                    });
                assert_eq!(account.cost, own.map(|cost| cost.cost).sum());
                assert_eq!(account.capacity.total, line.nodes[place][index]);
            }
        }
        // What was simulated before gives the same again, and only where it is the same.
        assert_eq!(prepared.line(Some(&simulated)).unwrap().0, line);
        for (from, to) in [
            ("spot_share = 0.", "spot_share = 0.1"),
            ("traffic_share = 0.", "traffic_share = 0.1"),
            ("[nat]", "[nat]\n#"),
            ("requests_per_connection = 20", "requests_per_connection = 7"),
            ("seed = ", "seed = 1"),
        ] {
            assert!(text.contains(from), "{from}");
            let changed = text.replacen(from, to, 1);
            let scenario = Scenario::parse("s.toml", &changed, &support::CATALOG).unwrap();
            let prepared = Prepared::new(&scenario, &facts, &inputs).unwrap();
            assert_eq!(
                prepared.line(Some(&simulated)).unwrap().0,
                prepared.line(None).unwrap().0,
                "{from}"
            );
        }
    }
}

#[test]
fn the_page_and_its_parts_are_there_and_strict() {
    let bench = serve(&[]);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/chart.js", "text/javascript; charset=utf-8"),
        ("/api/scenario", "application/json"),
        ("/nowhere", "application/json"),
    ] {
        let answer = bench.page.get(path);
        assert_eq!(answer.status, if path == "/nowhere" { 404 } else { 200 }, "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        let text = answer.text();
        for outside in ["https://", "http://", "//cdn"] {
            let namespaces = text.replace("http://www.w3.org/2000/svg", "");
            assert!(path == "/api/scenario" || !namespaces.contains(outside), "{path}: {outside}");
        }
    }
}

#[test]
fn who_may_not_ask_is_refused() {
    let bench = serve(&[]);
    let (port, key) = (bench.page.port, &bench.page.key);
    let body = r#"{"side":"a"}"#;
    let request = |head: &str| {
        format!("POST /api/plan HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
    };
    let own = format!("host: 127.0.0.1:{port}\r\n");
    let json = "content-type: application/json\r\n";
    for (status, text) in [
        (403, "GET / HTTP/1.1\r\nhost: evil.example\r\n\r\n".to_owned()),
        (403, format!("GET / HTTP/1.1\r\nhost: evil.example:{port}\r\n\r\n")),
        (403, format!("GET / HTTP/1.1\r\n{own}origin: https://evil.example\r\n\r\n")),
        (403, format!("GET / HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n")),
        (200, format!("GET /?key={key} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n")),
        (403, format!("GET /?key={key} HTTP/1.1\r\nhost: evil.example:{port}\r\n\r\n")),
        (403, request(&format!("{own}{json}"))),
        (403, request(&format!("{own}{json}x-runrate: {key}\r\norigin: http://evil.example\r\n"))),
        (415, request(&format!("{own}x-runrate: {key}\r\ncontent-type: text/plain\r\n"))),
        (
            200,
            request(&format!("{own}{json}x-runrate: {key}\r\norigin: http://127.0.0.1:{port}\r\n")),
        ),
        (403, request(&format!("{own}{json}x-runrate: 1\r\n"))),
        (405, format!("PUT /api/plan HTTP/1.1\r\n{own}content-length: 0\r\n\r\n")),
        (405, format!("GET /api/plan?key={key} HTTP/1.1\r\n{own}\r\n")),
    ] {
        let answer = bench.page.raw(&text);
        assert_eq!(answer.status, status, "{text}: {}", answer.text());
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{text}");
    }
    let large = "x".repeat(70_000);
    let head = format!("{own}{json}x-runrate: {key}\r\n");
    let text =
        format!("POST /api/plan HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{large}", large.len());
    let answer = bench.page.raw(&text);
    assert_eq!(answer.status, 413);
    let told = answer.json();
    assert!(told["error"].as_str().unwrap().contains("at most 65536 bytes"), "{told}");
}

#[test]
fn every_refusal_is_json_and_says_what_to_send() {
    let bench = serve(&["--trials", "6"]);
    let get = |path: &str| bench.page.get(path);
    for (path, status, message) in [
        ("/nowhere", 404, "no such page"),
        ("/api/plan", 405, "with POST"),
        ("/report/exe?side=a", 404, "there are html"),
        ("/report/json", 400, "ask as /report/json?side=a"),
        ("/report/json?side=a&trials=many", 400, "ask as /report/json?side=a"),
        ("/report/%FF?side=a", 400, "ask as /report/json?side=a"),
        ("/report/json?side=a&values=%7B", 400, "send JSON such as {\"nat.gateways\":2}"),
        ("/report/json?side=a&trials=0", 422, "give 1 to 6"),
        ("/report/json?side=a&trials=7", 422, "give 1 to 6, or start with a greater --trials"),
    ] {
        let answer = get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        let told = answer.json();
        assert!(told["error"].as_str().unwrap().contains(message), "{path}: {told}");
    }
    for (body, status, message) in [
        (json!({ "side": "a", "trials": 0 }), 422, "trials: 0 is out of range; give 1 to 6"),
        (json!({ "side": "a", "trials": 7 }), 422, "or start with a greater --trials"),
        (json!({ "values": {} }), 400, "missing field `side`"),
        (json!("side"), 400, "send JSON such as {\"side\": \"a\""),
    ] {
        let answer = bench.page.post("/api/band", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let told = answer.json();
        assert!(told["error"].as_str().unwrap().contains(message), "{body}: {told}");
    }
}

#[test]
fn values_that_are_none_are_refused_with_what_would_be_accepted() {
    let bench = serve(&[]);
    let refused = |values: &Value| {
        let answer = bench.page.post("/api/plan", &ask(1, values));
        assert_eq!(answer.status, 422, "{}", answer.text());
        answer.json()
    };
    for (key, value, message) in [
        ("traffic.sessions_per_usr", json!(3), "did you mean \"traffic.sessions_per_user\"?"),
        ("traffic.sessions_per_user", json!("NaN"), "is not a number"),
        ("traffic.sessions_per_user", json!(null), "is not a number"),
        ("traffic.sessions_per_user", json!(-1), "-1 is out of range; give 0 to 10000"),
        ("workloads.api.hpa.max_replicas", json!(3.5), "3.5 is not a whole number; give 1 to"),
        ("plan.months", json!(5), "there is no such slider"),
    ] {
        let told = refused(&json!({ key: value }));
        assert_eq!(told["problems"][0]["key"], key, "{told}");
        assert!(told["problems"][0]["message"].as_str().unwrap().contains(message), "{told}");
    }
    // Values that contradict each other are told at their key, as the scenario's own would be.
    let told = refused(&json!({ "workloads.api.hpa.min_replicas": 50 }));
    assert!(told["problems"][0]["key"].as_str().unwrap().contains("hpa"), "{told}");
    for (body, status) in [
        (json!({ "side": "c" }), 422),
        (json!({ "side": "a", "vlaues": {} }), 400),
        (json!({ "side": "a", "trials": 1_000_000 }), 422),
        (json!([]), 400),
    ] {
        assert_eq!(bench.page.post("/api/band", &body).status, status, "{body}");
    }
}

#[test]
fn a_moved_value_gives_the_plan_that_it_gives_in_the_file() {
    let bench = serve(&["--trials", "2"]);
    let before = good(&bench.page.post("/api/plan", &ask(1, &json!({}))));
    let values = json!({
        "traffic.sessions_per_user": 60, "cluster.baseline.nodes": 4,
        "workloads.api.hpa.target_cpu_utilization": 40,
        "accounts.test.override.cluster.baseline.nodes": 2,
    });
    let after = good(&bench.page.post("/api/plan", &ask(2, &values)));
    assert_ne!(before["total"], after["total"]);
    let text = SCENARIO
        .replace("{ low = 20, mid = 30, high = 45 }", "{ low = 40, mid = 60, high = 90 }")
        .replace("nodes = 2 }", "nodes = 4 }")
        .replace("baseline.nodes = 1", "baseline.nodes = 2")
        .replace("target_cpu_utilization = 60", "target_cpu_utilization = 40");
    for (told, plan) in [(&before, planned(SCENARIO)), (&after, planned(&text))] {
        assert_eq!(told["total"], plan["cost"]);
        assert_eq!(told["months"].as_array().unwrap().len(), 3);
        for (at, month) in plan["months"].as_array().unwrap().iter().enumerate() {
            assert_eq!(told["cost"][at], month["cost"]);
            assert_eq!(told["users"][at], month["users"]);
            for (place, account) in month["accounts"].as_array().unwrap().iter().enumerate() {
                assert_eq!(told["accounts"][place]["cost"][at], account["cost"]);
                let peak = &account["capacity"]["total"]["peak"];
                assert_eq!(&told["accounts"][place]["peak_nodes"][at], peak);
            }
        }
    }
    // The file is only read.
    assert_eq!(fs::read_to_string(bench.folder.path().join("s.toml")).unwrap(), SCENARIO);
}

#[test]
fn a_report_is_the_plan_of_the_values_with_its_trials() {
    let bench = serve(&["--trials", "6"]);
    let values = "%7B%22traffic.sessions_per_user%22%3A60%7D";
    let answer = bench.page.get(&format!("/report/json?side=a&values={values}"));
    let told = good(&answer);
    let named = answer.header("content-disposition").unwrap();
    assert_eq!(named, "attachment; filename=\"plan.json\"");
    assert_eq!(told["spread"]["trials"], 6);
    let moved = ask(1, &json!({ "traffic.sessions_per_user": 60 }));
    let line = good(&bench.page.post("/api/plan", &moved));
    assert_eq!(told["cost"], line["total"]);
    // It says that it was made from what saving would write.
    let text = SCENARIO
        .replace("{ low = 20, mid = 30, high = 45 }", "{ low = 40.0, mid = 60.0, high = 90.0 }");
    assert_eq!(told["made_from"], planned(&text)["made_from"]);
    // The band on the page is the spread of the report.
    let band = good(&bench.page.post("/api/band", &moved));
    for (at, month) in told["spread"]["months"].as_array().unwrap().iter().enumerate() {
        for (place, name) in ["p10", "p50", "p90"].into_iter().enumerate() {
            let exact: f64 = month["cost"][name].as_str().unwrap().parse().unwrap();
            let shown = band["months"][at][place].as_f64().unwrap();
            assert!((exact - shown).abs() < 1e-3, "{name} {exact} {shown}");
        }
    }
    assert!(bench.page.get("/report/csv?side=a").text().starts_with("month,account,"));
    assert_eq!(bench.page.get("/report/exe?side=a").status, 404);
    assert_eq!(bench.page.get("/report/json?side=a&values=%7B").status, 400);
    let unknown = bench.page.get("/report/json?side=a&values=%7B%22x%22%3A1%7D");
    assert_eq!(unknown.status, 422, "{}", unknown.text());
}

/// Asks for an older generation until it is refused: the newer one has arrived, however busy the machine is.
fn has_heard_of_newer_than(page: &Page, generation: u64) -> Answer {
    for _ in 0..200 {
        let older = page.post("/api/plan", &ask(generation, &json!({})));
        if older.status == 409 {
            return older;
        }
        good(&older);
    }
    panic!("nothing newer than generation {generation} has arrived");
}

#[test]
fn the_newest_is_answered_and_the_older_told_so() {
    // So many trials that the band cannot be done before it is given up.
    let bench = serve(&["--trials", "20000"]);
    let mut band = bench.page.connect();
    band.ask("/api/band", &ask(5, &json!({})));
    let older = has_heard_of_newer_than(&bench.page, 4);
    assert!(older.text().contains("cancelled: a newer request"), "{}", older.text());
    // Another client's turn ends nothing of this one's; this one's own next does.
    let other = json!({ "side": "a", "client": "other", "generation": 1, "values": {} });
    good(&bench.page.post("/api/plan", &other));
    good(&bench.page.post("/api/plan", &ask(6, &json!({ "nat.gateways": 2 }))));
    let given_up = band.answer();
    assert_eq!(given_up.status, 409, "{}", given_up.text());
    // One that hangs up is not worked for: the next band has the lane at once.
    let mut gone = bench.page.connect();
    gone.ask("/api/band", &ask(7, &json!({})));
    std::thread::sleep(Duration::from_millis(300));
    drop(gone);
    let few = json!({ "side": "a", "client": "third", "generation": 1, "trials": 2 });
    assert_eq!(good(&bench.page.post("/api/band", &few))["trials"], 2);
}

#[test]
fn nothing_is_saved_without_write() {
    let bench = serve(&[]);
    let answer = bench.page.post("/api/save", &ask(1, &json!({ "nat.gateways": 2 })));
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("--write"), "{}", answer.text());
    assert_eq!(fs::read_to_string(bench.folder.path().join("s.toml")).unwrap(), SCENARIO);
    assert_eq!(good(&bench.page.get("/api/scenario"))["sides"][0]["may_save"], false);
}

#[test]
fn saving_keeps_comments_and_refuses_what_changed_on_disk() {
    let bench = serve(&["--write"]);
    let path = bench.folder.path().join("s.toml");
    let values = json!({ "nat.gateways": 2, "traffic.sessions_per_user": 15 });
    let told = good(&bench.page.post("/api/save", &ask(1, &values)));
    let expected = SCENARIO.replace("gateways = 1", "gateways = 2").replace(
        "{ low = 20, mid = 30, high = 45 } # a guess",
        "{ low = 10.0, mid = 15.0, high = 22.5 } # a guess",
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let knobs = told["knobs"].as_array().unwrap();
    let saved = knobs.iter().find(|knob| knob["key"] == "traffic.sessions_per_user").unwrap();
    assert_eq!(saved["value"], 15.0);
    assert_eq!(saved["range"], json!([10.0, 22.5, 0.8]));
    // What cannot be planned is not written.
    let wrong = json!({ "workloads.api.hpa.min_replicas": 50 });
    assert_eq!(bench.page.post("/api/save", &ask(2, &wrong)).status, 422);
    // Side B has no file of its own.
    let b = json!({ "side": "b", "values": { "nat.gateways": 3 } });
    assert_eq!(bench.page.post("/api/save", &b).status, 403);
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let theirs = expected.replace("small", "theirs");
    fs::write(&path, &theirs).unwrap();
    let answer = bench.page.post("/api/save", &ask(3, &json!({ "nat.gateways": 3 })));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("changed on disk"), "{}", answer.text());
    assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
}

#[test]
fn everything_but_styles_and_scripts_needs_the_key_with_or_without_write() {
    for arguments in [&["--trials", "2"][..], &["--trials", "2", "--write"]] {
        let bench = serve(arguments);
        let key = &bench.page.key;
        assert_eq!(bench.page.url, format!("http://127.0.0.1:{}/?key={key}", bench.page.port));
        assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        let own = bench.page.stranger().get(&format!("/?key={key}"));
        assert_eq!((own.status, key_of(&own.text())), (200, key.clone()));
        for shut in [
            "/",
            "/?key=1",
            &format!("/?key={key}0"),
            "/api/scenario",
            "/report/json?side=a&trials=1",
            "/report/html?side=b",
            "/tuned",
            "/nowhere",
        ] {
            let answer = bench.page.stranger().get(shut);
            assert_eq!(answer.status, 403, "{shut}");
            assert_eq!(answer.json()["error"], "open the address that `runrate serve` printed");
        }
        for path in ["/api/plan", "/api/band", "/api/save"] {
            let answer = bench.page.stranger().post(path, &ask(1, &json!({})));
            assert_eq!(answer.status, 403, "{path}");
        }
        let report = format!("/report/json?side=a&trials=1&key={key}");
        for path in [format!("/api/scenario?key={key}"), report] {
            good(&bench.page.stranger().get(&path));
        }
        for open in ["/page.js", "/chart.js", "/page.css"] {
            let answer = bench.page.stranger().get(open);
            assert!(answer.status == 200 && !answer.text().contains(key.as_str()), "{open}");
        }
    }
}

#[test]
fn the_key_of_another_run_saves_nothing() {
    let bench = serve(&["--write"]);
    let path = bench.folder.path().join("s.toml");
    let save = ask(1, &json!({ "nat.gateways": 2 }));
    let mut other = Connection::open(bench.page.port, &serve(&[]).page.key);
    let answer = other.post("/api/save", &save);
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(fs::read_to_string(&path).unwrap(), SCENARIO);
    good(&bench.page.post("/api/save", &save));
}

#[test]
fn the_key_is_on_standard_output_and_nowhere_else() {
    let mut bench = serve(&[]);
    let key = bench.page.key.clone();
    let answer = bench.page.get(&format!("/report/json?side=a&trials=1&key={key}"));
    assert!(!good(&answer).to_string().contains(&key));
    assert!(!answer.head.contains(&key), "{}", answer.head);
    bench.page.child.kill().unwrap();
    let mut said = String::new();
    bench.page.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains(&key), "{said}");
    let left: Vec<_> = fs::read_dir(bench.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn head_is_answered_without_a_body() {
    let bench = serve(&["--trials", "2"]);
    let (port, key) = (bench.page.port, bench.page.key.clone());
    for (path, status) in [
        (format!("/?key={key}"), 200),
        ("/page.css".into(), 200),
        (format!("/api/scenario?key={key}"), 200),
        ("/".into(), 403),
        (format!("/api/plan?key={key}"), 405),
    ] {
        let mut connection = bench.page.stranger();
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
        connection.send(request.as_bytes());
        let (answer, length) = connection.head();
        assert_eq!(answer.status, status, "{path}");
        assert!(length > 0, "{}", answer.head);
        // Nothing of a body stands before the next answer.
        assert_eq!(connection.get("/page.js").status, 200, "{path}");
    }
}

/// Longer than the server waits for a head or a body.
const SLOW: Duration = Duration::from_secs(9);

/// Within it a busy machine has closed a connection; the server that keeps it open does so for ever.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn idle_and_slow_connections_make_room_within_seconds() {
    let bench = serve(&[]);
    let mut idle: Vec<Connection> = (0..32).map(|_| bench.page.stranger()).collect();
    // Half a head, and one that drips.
    let mut half: Vec<Connection> = (0..31).map(|_| bench.page.stranger()).collect();
    for connection in &mut half {
        connection.send(b"GET / HTTP/1.1\r\nhost: ");
    }
    let mut drips = bench.page.stranger();
    // The 65th waits until one of them is closed.
    let mut next = bench.page.connect();
    next.send(b"GET /page.css HTTP/1.1\r\n");
    next.send(format!("host: 127.0.0.1:{}\r\n\r\n", bench.page.port).as_bytes());
    let dripping = std::thread::spawn(move || {
        for _ in 0..SLOW.as_secs() {
            drips.send(b"G");
            std::thread::sleep(Duration::from_secs(1));
        }
        drips.is_closed_within(PATIENCE)
    });
    let answered = std::thread::spawn(move || next.answer().status);
    for connection in idle.iter_mut().chain(&mut half) {
        assert!(connection.is_closed_within(PATIENCE));
    }
    assert_eq!(answered.join().unwrap(), 200);
    assert!(dripping.join().unwrap());
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let bench = serve(&[]);
    let (port, key) = (bench.page.port, &bench.page.key);
    let mut slow = bench.page.connect();
    let head = format!(
        "POST /api/plan HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nx-runrate: {key}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    slow.send(head.as_bytes());
    let answer = slow.answer();
    assert_eq!(answer.status, 408);
    assert!(answer.text().contains("send its body within"), "{}", answer.text());
    // Somebody without the key is refused at once, whatever is still to come.
    let mut stranger = bench.page.stranger();
    stranger.send(head.replace(key.as_str(), "1").as_bytes());
    assert_eq!(stranger.answer().status, 403);
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    const REQUESTS: usize = 2_000;
    let bench = serve(&[]);
    let length = bench.page.get("/page.js").body.len();
    let mut deaf = bench.page.stranger();
    let request = format!("GET /page.js HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", bench.page.port);
    deaf.send(request.repeat(REQUESTS).as_bytes());
    std::thread::sleep(SLOW + SLOW);
    // What the system has kept is still there; the rest was not sent any more.
    let rest = deaf.rest();
    assert!(0 < rest && rest < REQUESTS * length, "{rest} of {} bytes", REQUESTS * length);
}

#[test]
fn a_head_that_does_not_end_is_cut_off() {
    let bench = serve(&[]);
    let mut long = bench.page.stranger();
    long.send(b"GET / HTTP/1.1\r\n");
    let line = format!("x-long: {}\r\n", "x".repeat(1000));
    for _ in 0..300 {
        long.send(line.as_bytes());
    }
    assert!(long.is_closed_within(PATIENCE));
    assert_eq!(bench.page.get("/page.css").status, 200);
}

#[test]
fn trials_of_the_file_before_a_save_are_not_carried_on() {
    // Long enough for a save to fall into the band; it is done with the file that it began with.
    const TRIALS: u32 = 100;
    let bench = serve(&["--write", "--trials", &TRIALS.to_string()]);
    let mut band = bench.page.connect();
    band.ask("/api/band", &ask(1, &json!({})));
    has_heard_of_newer_than(&bench.page, 0);
    std::thread::sleep(Duration::from_millis(100));
    let save =
        json!({ "side": "a", "client": "other", "values": { "traffic.sessions_per_user": 90 } });
    good(&bench.page.post("/api/save", &save));
    let before = good(&band.answer());
    let few = |page: &Page| {
        let asked = json!({ "side": "a", "client": "test", "generation": 2, "trials": 4 });
        good(&page.post("/api/band", &asked))
    };
    let after = few(&bench.page);
    let text = fs::read_to_string(bench.folder.path().join("s.toml")).unwrap();
    let anew = serve_text(&text, &["--trials", &TRIALS.to_string()]);
    assert_eq!(after["total"], few(&anew.page)["total"]);
    assert_ne!(after["total"], before["total"]);
}

#[test]
fn two_scenarios_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), SCENARIO).unwrap();
    fs::write(folder.path().join("b.toml"), SCENARIO.replace("mid = 30", "mid = 40")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_runrate"));
    let page = Page::start(program, folder.path(), &["a.toml", "b.toml", "--write"]);
    let told = good(&page.get(&format!("/api/scenario?key={}", page.key)));
    assert_eq!((&told["second"], &told["sides"][1]["file"]), (&json!(true), &json!("b.toml")));
    let total =
        |side: &str| good(&page.post("/api/plan", &json!({ "side": side })))["total"].clone();
    assert_ne!(total("a"), total("b"));
    good(&page.post("/api/save", &json!({ "side": "b", "values": { "nat.gateways": 2 } })));
    assert!(fs::read_to_string(folder.path().join("b.toml")).unwrap().contains("gateways = 2"));
    assert_eq!(fs::read_to_string(folder.path().join("a.toml")).unwrap(), SCENARIO);
}

#[test]
fn what_was_tuned_goes_into_reports_of_its_own_scenario_only() {
    const TUNE: &str = "[tune]\nslo = { max_saturated_minutes_per_month = 100_000 }\n[[tune.knobs]]\nkey = \"nat.gateways\"\nvalues = [1, 2]\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), format!("{SCENARIO}{TUNE}")).unwrap();
    fs::write(folder.path().join("other.toml"), SCENARIO).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_runrate"));
    let mut command = Command::new(program);
    command.current_dir(folder.path()).args(["tune", "s.toml", "--out", "found"]);
    let output = command.args(["--evaluations", "4", "--trials", "2"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tuned = fs::read(folder.path().join("found/tune.json")).unwrap();
    let tuned: Value = serde_json::from_slice(&tuned).unwrap();
    let digest = tuned["made_from"]["scenario_sha256"].as_str().unwrap();
    let has = |page: &Page, query: &str| {
        let answer = page.get(&format!("/report/md?{query}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text().contains("Tuning: cost against risk")
    };
    let start = |scenario: &str| {
        let all = [scenario, "--trials", "1", "--tuned", "found/tune.json"];
        let mut page = Page::start(program, folder.path(), &all);
        assert!(page.get("/tuned").text().contains(digest));
        let (own, moved) = (has(&page, "side=a"), {
            has(&page, "side=a&values=%7B%22cluster.baseline.nodes%22%3A3%7D")
        });
        page.child.kill().unwrap();
        let mut said = String::new();
        page.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (own, moved, said)
    };
    let (own, moved, said) = start("s.toml");
    assert!(own && !moved && !said.contains("warning"), "{own} {moved} {said}");
    let (own, moved, said) = start("other.toml");
    assert!(!own && !moved, "{own} {moved}");
    let other =
        planned(SCENARIO)["made_from"]["scenario_sha256"].as_str().unwrap()[..12].to_owned();
    for part in ["warning: found/tune.json", "another scenario", &digest[..12], &other] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), SCENARIO).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runrate"));
        command.current_dir(folder.path()).arg("serve").args(arguments).output().unwrap()
    };
    let output = run(&["s.toml", "--port", &port]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use") && said.contains("--port 0"), "{said}");
    // A scenario that is wrong is told before anything is opened.
    fs::write(folder.path().join("s.toml"), SCENARIO.replace("months", "month")).unwrap();
    let output = run(&["s.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("s.toml:5: plan.month"));
    assert_eq!(run(&["s.toml", "--port", "80"]).status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_0_even_at_work() {
    for busy in [false, true] {
        let mut bench = serve(&["--trials", "20000"]);
        let mut band = bench.page.connect();
        if busy {
            band.ask("/api/band", &ask(1, &json!({})));
            std::thread::sleep(Duration::from_millis(200));
        }
        let pid = bench.page.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        assert_eq!(bench.page.ended(PATIENCE), Some(0), "busy: {busy}");
    }
}
