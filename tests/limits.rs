//! `limits`: planning one user below a limit and at it shows what it says.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use std::fs;

use crate::support::{self, base, plan, runrate, stdout};
use runrate::{
    intent::scenario::Scenario,
    measure::units::Usd,
    plan::{
        Plan,
        limits::{self, Kind, Limits, Request},
        simulate::{Inputs, Prepared},
        trials::Settings,
    },
};

const AURORA: &str = r#"
[cluster.node_pools.general]
families = ["m7i"]
max_vcpus = 4
[alb]
load_balancers = 1
[transfer]
[aurora]
families = ["r6g"]
min_readers = 1
queries_per = { api = 3.0 }
write_share = 0.2
cpu_ms_per_query = 0.8
pages_per_query = 4
wal_bytes_per_write = 6_000
kib_per_query = 1.5
storage_gib = 20
storage_mib_per_user = 0.3
working_set_share = 0.12
changed_per_day = 0.02
backup_retention_days = 7
"#;

/// One month, so that a plan with so many users is the month that `limits` looks at.
fn scenario(users: u32) -> String {
    base("2027-02", 1, users).replace(
        "replicas = 2",
        "hpa = { min_replicas = 2, max_replicas = 6, target_cpu_utilization = 60 }",
    ) + AURORA
}

fn with<T>(text: &str, task: impl FnOnce(&Prepared<'_>) -> T) -> T {
    let scenario = Scenario::parse("test.toml", text, &support::CATALOG).unwrap();
    let facts = support::embedded_facts(&scenario).unwrap();
    task(&Prepared::new(&scenario, &facts, &Inputs::default()).unwrap())
}

fn found(text: &str, request: Request) -> Limits {
    with(text, |prepared| limits::find(prepared, request)).unwrap().unwrap()
}

fn database(plan: &Plan) -> (Usd, String) {
    let own = plan.entries.iter().filter(|entry| entry.key.service == "AmazonRDS");
    let choice = plan.months[0].accounts[0].choices.iter().find(|own| own.subject == "aurora");
    (own.map(|entry| entry.cost).sum(), choice.unwrap().choice.clone())
}

#[test]
fn planning_one_user_below_a_limit_and_at_it_shows_the_jump() {
    let limits = found(&scenario(200_000), Request { users: Some(3_000_000.0), month: None });
    assert!(limits.limits.windows(2).all(|pair| pair[0].users <= pair[1].users));
    let sizes = limits.limits.iter().filter(|limit| limit.kind == Kind::Size);
    let sizes: Vec<_> = sizes.collect();
    assert!(sizes.len() > 1, "{limits:?}");
    for limit in sizes {
        let [below, at] = [limit.users - 1.0, limit.users]
            .map(|users| database(&plan(&scenario(users as u32)).unwrap()));
        assert_eq!((&below.1, &at.1), (&limit.from, &limit.to));
        assert_eq!(at.0 - below.0, limit.jump.unwrap(), "{limit:?}");
        assert!(limit.jump.unwrap() > Usd::ZERO);
    }
    let most = limits.limits.iter().find(|limit| limit.kind == Kind::Replicas).unwrap();
    assert_eq!((&*most.subject, &*most.to), ("api", "max_replicas = 6"));
    let [below, at] = [most.users - 1.0, most.users].map(|users| {
        let plan = plan(&scenario(users as u32)).unwrap();
        let used = &plan.months[0].accounts[0].capacity.workloads;
        used.iter().find(|own| own.name == "api").unwrap().peak_replicas
    });
    assert!(below < 6 && at == 6, "{below} {at}");
    // 10 TB of egress: the first step of its price ends there.
    let step = limits.limits.iter().find(|own| own.subject.ends_with("DataTransfer-Out-Bytes"));
    let step = step.unwrap();
    let [below, at] = [step.users - 1.0, step.users].map(|users| {
        let plan = plan(&scenario(users as u32)).unwrap();
        let own = plan.entries.iter().find(|own| own.key.usage_type == "DataTransfer-Out-Bytes");
        plan.charges[own.unwrap().charge].parts.len()
    });
    assert_eq!(at, below + 1, "{step:?}");
}

/// A user costs what the stretch between two limits says; a step of the database is no part of it.
#[test]
fn one_more_user_costs_the_slope_without_the_step() {
    let limits = found(&scenario(200_000), Request { users: Some(3_000_000.0), month: None });
    let size = limits.limits.iter().find(|limit| limit.kind == Kind::Size).unwrap();
    // 2 % below the step: 5 % more users are above it.
    let users = (size.users * 0.98) as u32;
    let text = scenario(users);
    let marginal = with(&text, |prepared| {
        let plan = prepared.run(0).unwrap();
        Settings::new(prepared, &plan).unwrap().marginal_per_user[0].unwrap()
    });
    let cost = |users: f64| plan(&scenario(users as u32)).unwrap().cost.to_f64();
    let users = f64::from(users);
    let with_step = (cost(users * 1.05) - cost(users)) / (0.05 * users);
    let without = (cost(users) - cost(users / 1.05)) / (users - (users / 1.05).floor());
    assert!(with_step > 2.0 * marginal, "{with_step} {marginal}");
    assert!((marginal / without - 1.0).abs() < 0.02, "{marginal} {without}");
}

#[test]
fn the_command_names_limits_and_refuses_what_it_cannot_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    fs::write(&path, scenario(200_000)).unwrap();
    let path = path.to_str().unwrap();
    let text = stdout(&runrate(&["limits", path, "--up-to", "3000000"]));
    assert!(text.contains("api in production reaches max_replicas = 6"), "{text}");
    assert!(text.contains("One more user costs $0.0"), "{text}");
    let json = stdout(&runrate(&["limits", path, "--up-to", "3000000", "--format", "json"]));
    let limits: Limits = serde_json::from_str(&json).unwrap();
    assert!(limits.limits.iter().any(|limit| limit.kind == Kind::Replicas));
    for (arguments, expected) in [
        (["--at", "2028-01"], "2028-01 is outside of the plan, 2027-02 to 2027-02"),
        (["--up-to", "10"], "10 users are not more than the plan's fewest, 200000"),
    ] {
        let run = runrate(&["limits", path, arguments[0], arguments[1]]);
        let error = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{error}");
        assert!(error.contains(expected) && run.stdout.is_empty(), "{error}");
    }
    fs::write(path, scenario(0)).unwrap();
    let run = runrate(&["limits", path]);
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.stderr).contains("the month has no users"));
}
