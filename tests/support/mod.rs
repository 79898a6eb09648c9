//! One small builder of scenarios for all integration tests.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::missing_errors_doc,
    clippy::needless_pass_by_value,
    clippy::print_stderr
)]

use std::{
    collections::BTreeMap,
    path::Path,
    process::Output,
    sync::{Arc, LazyLock, Mutex},
};

use assert_cmd::Command;

use runrate::{
    app::store::{self, PriceSource},
    error::Error,
    facts::shapes::Catalog,
    intent::scenario::Scenario,
    plan::{
        Plan,
        simulate::{Facts, Inputs, Prepared},
    },
};

pub mod browser;
pub mod generate;
pub mod http;
pub mod kill;
pub mod page;
pub mod series;
pub mod server;

/// Runs the program at the root of the project.
pub fn runrate(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("runrate").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

/// What one of poppler's programs prints of a document; none where the program is not there.
pub fn poppler(program: &str, options: &[&str], bytes: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    std::fs::write(&path, bytes).unwrap();
    let mut command = std::process::Command::new(program);
    command.args(options).arg(&path);
    if program == "pdftotext" {
        command.arg("-");
    }
    let Ok(output) = command.output() else {
        assert!(
            std::env::var_os("RUNRATE_TEST_EVERYTHING").is_none(),
            "{program} is not there; install poppler-utils"
        );
        eprintln!("skipped: {program} is not there");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What a run printed, which went well.
pub fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A company of one flat, noiseless class of traffic on two fixed nodes and nothing else; a test adds
/// its tables behind it, and replaces what it varies.
pub fn base(start: &str, months: u32, users: u32) -> String {
    format!(
        r#"
[plan]
name = "test"
start = "{start}"
months = {months}
[users]
growth = {{ curve = "linear", start = {users}, per_month = 0 }}
[traffic]
sessions_per_user = 30
requests_per_connection = 20
[traffic.classes.api]
per_session = 10
request_kib = 2
response_kib = 62
[accounts.production]
region = "us-east-1"
traffic_share = 1
[cluster]
availability_zones = 3
baseline = {{ instance_type = "m7g.large", nodes = 2 }}
[workloads.api]
calls_per = {{ api = 1 }}
reached = "through-alb"
cpu_ms_per_request = 5
replicas = 2
requests = {{ cpu_millicores = 250, memory_mib = 256 }}
limits = {{ cpu_millicores = 1000, memory_mib = 512 }}
"#
    )
}

/// Plans a text with the built-in price book.
pub fn plan(text: &str) -> Result<Plan, Error> {
    let scenario = Scenario::parse("test.toml", text, &CATALOG)?;
    let facts = embedded_facts(&scenario)?;
    let inputs = Inputs::default();
    Prepared::new(&scenario, &facts, &inputs)?.run(0)
}

/// The built-in catalog, read once.
pub static CATALOG: LazyLock<Catalog> = LazyLock::new(|| store::embedded_catalog().unwrap());

/// The built-in facts of a scenario's regions, read once: to read them takes as long as a small plan.
pub fn embedded_facts(scenario: &Scenario) -> Result<Arc<Facts>, Error> {
    static FACTS: Mutex<BTreeMap<Vec<String>, Arc<Facts>>> = Mutex::new(BTreeMap::new());
    let regions = scenario.regions();
    let key: Vec<String> = regions.iter().map(ToString::to_string).collect();
    if let Some(facts) = FACTS.lock().unwrap().get(&key) {
        return Ok(Arc::clone(facts));
    }
    let facts = store::load_facts(CATALOG.clone(), &PriceSource::Embedded, &regions)?;
    Ok(Arc::clone(FACTS.lock().unwrap().entry(key).or_insert(Arc::new(facts))))
}

/// The folder of other people's data, where it is present; says so when it is not.
pub fn shared(path: &str) -> Option<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(path);
    if folder.exists() {
        Some(folder)
    } else {
        eprintln!("skipped: {} is not here", folder.display());
        None
    }
}
