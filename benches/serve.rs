//! The served page of the main example, over a real socket: the page itself, and 200 slider changes.
//!
//!     cargo bench --no-default-features --features serve --bench serve
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::{path::Path, time::Instant};

use serde_json::{Value, json};

#[path = "../tests/support/http.rs"]
mod http;

use http::{Connection, Page};

const CHANGES: u32 = 200;
const LOADS: usize = 50;

fn tell(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize] * 1e3;
    println!(
        "{what:<58}{:>8.1} ms median{:>8.1} ms p95{:>8.1} ms most",
        at(0.5),
        at(0.95),
        at(1.0)
    );
}

/// Seconds of each of the changes, and how many bytes an answer has.
fn changes(
    page: &Page,
    client: &str,
    values: impl Fn(u32) -> Value,
    band: bool,
) -> (Vec<f64>, usize) {
    let mut connection = page.connect();
    let ask = |generation: u32| json!({ "side": "a", "client": client, "generation": generation, "values": values(generation) });
    assert_eq!(connection.post("/api/plan", &ask(0)).status, 200);
    let mut bands: Vec<Connection> = Vec::new();
    let mut bytes = 0;
    let times = (1..=CHANGES).map(|generation| {
        if band {
            // As when somebody pauses and drags on: the band of the values before is at work.
            let mut other = page.connect();
            other.ask("/api/band", &ask(generation - 1));
            std::thread::sleep(std::time::Duration::from_millis(60));
            bands.push(other);
        }
        let begun = Instant::now();
        let answer = connection.post("/api/plan", &ask(generation));
        let time = begun.elapsed().as_secs_f64();
        assert_eq!(answer.status, 200, "{}", answer.text());
        bytes = answer.body.len();
        time
    });
    (times.collect(), bytes)
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_BIN_EXE_runrate"));
    let begun = Instant::now();
    let page = Page::start(program, root, &["examples/innovate.toml", "--trials", "200"]);
    println!("address printed after {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    let mut size = 0;
    for _ in 0..LOADS {
        let begun = Instant::now();
        let mut connection = page.connect();
        size = connection.get("/").body.len();
        first.push(begun.elapsed().as_secs_f64());
        for path in ["/page.css", "/page.js", "/chart.js", "/api/scenario"] {
            let answer = connection.get(path);
            assert_eq!(answer.status, 200);
            size += answer.body.len();
        }
        whole.push(begun.elapsed().as_secs_f64());
    }
    tell("GET /", first);
    tell(&format!("page, style, scripts, sliders ({size} bytes)"), whole);
    let users = |at: u32| json!({ "users.growth.end": 400_000 + 5_000 * at });
    let cpu = |at: u32| json!({ "workloads.api.cpu_ms_per_request": 25.0 + 0.1 * f64::from(at) });
    let rows = |at: u32| json!({ "aurora.storage_mib_per_user": 0.2 + 0.002 * f64::from(at) });
    let spot = |at: u32| {
        let key = "accounts.non-production.override.cluster.node_pools.general.spot_share";
        json!({ key: f64::from(at) / 200.0 })
    };
    let (times, bytes) = changes(&page, "users", users, false);
    tell(&format!("users at the end (all is simulated), {bytes} bytes"), times);
    tell("CPU of a request (both clusters)", changes(&page, "cpu", cpu, false).0);
    tell("spot share of one account (one cluster)", changes(&page, "spot", spot, false).0);
    tell("storage of a user (no cluster)", changes(&page, "rows", rows, false).0);
    tell("users at the end, a band being at work", changes(&page, "band", users, true).0);
}
