//! `runrate actuals pull` against a server on a real socket that speaks Cost Explorer's protocol: paging,
//! throttling, faults, answers that are not whole, and what becomes of a bill that was pulled.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::too_many_lines)]

use std::{fs, net::TcpListener, process::Output, time::Duration};

use crate::support::server::{Act, Server};
use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server that answers wrongly.
type Faulty = Box<dyn Fn(&str, &Value, usize) -> Act + Send + Sync>;

fn error(kind: &str, message: &str) -> String {
    json!({ "__type": kind, "message": message }).to_string()
}

fn dimension(values: &[&str]) -> Act {
    let values: Vec<Value> =
        values.iter().map(|value| json!({ "Value": value, "Attributes": {} })).collect();
    let count = values.len();
    let body = json!({ "DimensionValues": values, "ReturnSize": count, "TotalSize": count });
    Act::Answer(200, body.to_string())
}

fn metrics(cost: &str, quantity: &str) -> Value {
    let cost = json!({ "Amount": cost, "Unit": "USD" });
    json!({
        "UnblendedCost": cost, "AmortizedCost": cost, "NetUnblendedCost": cost,
        "NetAmortizedCost": cost, "UsageQuantity": { "Amount": quantity, "Unit": "N/A" },
    })
}

fn group(keys: [&str; 2], cost: &str, quantity: &str) -> Value {
    json!({ "Keys": keys, "Metrics": metrics(cost, quantity) })
}

/// The months of a question, as periods.
fn periods(body: &Value) -> Vec<(String, String)> {
    let start = body["TimePeriod"]["Start"].as_str().unwrap().to_owned();
    let end = body["TimePeriod"]["End"].as_str().unwrap().to_owned();
    let mut found = Vec::new();
    let mut from = start;
    while from < end {
        let month: runrate::measure::calendar::Month = from[..7].parse().unwrap();
        let next = month.plus(1).first_day().to_string().min(end.clone());
        found.push((from, next.clone()));
        from = next;
    }
    found
}

/// An answer with these groups in every period.
fn answer(body: &Value, groups: &[Value], token: Option<&str>) -> Value {
    let results: Vec<Value> = periods(body)
        .into_iter()
        .map(|(start, end)| {
            json!({
                "TimePeriod": { "Start": start, "End": end }, "Total": {}, "Groups": groups,
                "Estimated": !end.ends_with("-01"),
            })
        })
        .collect();
    let mut answer = json!({ "ResultsByTime": results, "GroupDefinitions": body["GroupBy"] });
    if let Some(token) = token {
        answer["NextPageToken"] = token.into();
    }
    answer
}

/// An account of two services, with a credit and tax; consumption on six pages.
fn usual(operation: &str, body: &Value, _: usize) -> Act {
    match operation {
        "GetDimensionValues" if body["Dimension"] == "LINKED_ACCOUNT" => {
            dimension(&["111111111111"])
        }
        "GetDimensionValues" => dimension(&["Usage", "Credit", "Tax"]),
        "GetCostForecast" => Act::Answer(
            400,
            error("DataUnavailableException", "Insufficient amount of historical data"),
        ),
        _ if body["GroupBy"][0]["Key"] == "RECORD_TYPE" => {
            let groups =
                [group(["Credit", "AmazonEC2"], "-10.5", "0"), group(["Tax", "Tax"], "3.25", "0")];
            Act::Answer(200, answer(body, &groups, None).to_string())
        }
        _ => {
            let page: usize = body["NextPageToken"].as_str().map_or(0, |t| t[5..].parse().unwrap());
            let usage = format!("BoxUsage:m{page}.large");
            let service = "Amazon Elastic Compute Cloud - Compute";
            let mut groups = vec![group([service, &usage], "100.0000000001", "720")];
            if page == 5 {
                groups.push(group(["EC2 - Other", "NatGateway-Bytes"], "1.81E-8", "0.5"));
            }
            let token = (page < 5).then(|| format!("page-{}", page + 1));
            Act::Answer(200, answer(body, &groups, token.as_deref()).to_string())
        }
    }
}

/// The month before this one, and this one.
fn months() -> (String, String) {
    let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
    let this = runrate::measure::calendar::Month::of(today).unwrap();
    let last =
        runrate::measure::calendar::Month::of(this.first_day().yesterday().unwrap()).unwrap();
    (last.to_string(), this.to_string())
}

fn pull(folder: &TempDir, url: &str, more: &[&str]) -> Output {
    let mut command = Command::cargo_bin("runrate").unwrap();
    let (last, _) = months();
    command.args(["actuals", "pull", "--backoff-ms", "1", "--actuals"]);
    command.arg(folder.path().join("kept"));
    for flag in ["--from", "--to"] {
        if !more.contains(&flag) {
            command.args([flag, &last]);
        }
    }
    command
        .args(more)
        .env("AWS_ENDPOINT_URL_COST_EXPLORER", url)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-very-secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.path().join("none"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"))
        .env_remove("AWS_PROFILE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn pages_are_put_together_kept_and_not_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(usual);
    let output = pull(&folder, &server.url, &["--format", "json"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    for expected in [
        "Cost Explorer charges $0.01 per request",
        "at least 3 more requests, $0.03",
        "9 requests were answered: $0.09",
        "AWS has too little history of account 111111111111",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in {said}");
    }
    let bills: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = bills[0]["lines"].as_array().unwrap();
    // Six types, and one meter of the last page.
    let of = |usage: &str| lines.iter().find(|line| line["usage_type"] == usage).unwrap();
    assert_eq!(lines.len(), 6 + 1 + 2);
    assert_eq!(of("NatGateway-Bytes")["costs"][0], "0.0000000181");
    assert_eq!(of("BoxUsage:m3.large")["quantity"], "720");
    let credit = lines.iter().find(|line| line["kind"] == "credit").unwrap();
    assert_eq!((&credit["costs"][3], &credit["service"]), (&json!("-10.5"), &json!("AmazonEC2")));
    // What was asked: exclusive ends, all metrics, both keys, one account, record types apart.
    let asked = server.asked("GetCostAndUsage");
    let (last, this) = months();
    assert_eq!(asked.len(), 7);
    assert_eq!(
        asked[0]["TimePeriod"],
        json!({ "Start": format!("{last}-01"), "End": format!("{this}-01") })
    );
    assert_eq!(asked[0]["Metrics"].as_array().unwrap().len(), 5);
    let filter = asked[0]["Filter"]["And"].as_array().unwrap();
    assert_eq!(filter[0]["Dimensions"]["Values"], json!(["111111111111"]));
    assert_eq!(filter[1]["Dimensions"]["Values"], json!(["Usage"]));
    assert_eq!(asked[6]["Filter"]["And"][1]["Dimensions"]["Values"], json!(["Credit", "Tax"]));
    // No secret is written or told, and the request was signed.
    let kept = fs::read_to_string(folder.path().join(format!("kept/{last}.json"))).unwrap();
    assert!(!kept.contains("AKID") && !said.contains("AKID") && !kept.contains("secret"));
    assert!(server.heads.lock().unwrap()[0].contains("AWS4-HMAC-SHA256"));
    // A closed month is not asked for again, unless it is said.
    let again = pull(&folder, &server.url, &[]);
    assert!(text(&again.stderr).contains("nothing to pull"), "{}", text(&again.stderr));
    assert_eq!(server.asked("GetCostAndUsage").len(), 7);
    let again = pull(&folder, &server.url, &["--again", "--forecast", "0", "--redact-accounts"]);
    assert!(text(&again.stdout).contains("Cost Explorer"), "{}", text(&again.stderr));
    assert_eq!(server.asked("GetCostForecast").len(), 1);
}

#[test]
fn an_open_month_ends_yesterday_and_is_asked_for_again() {
    let (_, this) = months();
    let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
    if today.day() == 1 {
        println!("skipped: nothing of this month has passed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|operation, body, turn| match operation {
        "GetCostForecast" => {
            let mean = |start: String, end: String, mean: &str| {
                json!({ "TimePeriod": { "Start": start, "End": end }, "MeanValue": mean,
                        "PredictionIntervalLowerBound": "90", "PredictionIntervalUpperBound": "130" })
            };
            let results: Vec<Value> =
                periods(body).into_iter().map(|(start, end)| mean(start, end, "110.5")).collect();
            Act::Answer(200, json!({ "ForecastResultsByTime": results }).to_string())
        }
        _ => usual(operation, body, turn),
    });
    for _ in 0..2 {
        let mut more = vec!["--to", &this, "--from", &this];
        more.extend(["--format", "json", "--forecast", "2"]);
        let output = pull(&folder, &server.url, &more);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let bills: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(bills[0]["days"], i32::from(today.day()) - 1);
        assert_eq!(bills[0]["estimated"], true);
        let forecasts = bills[0]["forecasts"].as_array().unwrap();
        assert_eq!((forecasts.len(), &forecasts[0]["mean"]), (2, &json!("110.5")));
    }
    assert_eq!(server.asked("GetCostAndUsage").len(), 14);
}

/// An account without a row in one span, asked for first or last, has no currency there, and the pull succeeds; so does
/// one of a month in which no account has a row. No id is told or written if that is asked for, not even by a refusal.
#[test]
fn an_answer_without_rows_has_no_currency() {
    let last: runrate::measure::calendar::Month = months().0.parse().unwrap();
    let earlier: Vec<String> = (1..=2)
        .map(|back| {
            let start = (0..back).fold(last, |month, _| {
                runrate::measure::calendar::Month::of(month.first_day().yesterday().unwrap())
                    .unwrap()
            });
            start.to_string()
        })
        .collect();
    let ids = ["111111111111", "222222222222"];
    for empty in [&ids[..1], &ids[1..], &ids[..]] {
        let folder = tempfile::tempdir().unwrap();
        let (absent, without) = (earlier[0].clone(), empty.to_vec());
        let server = Server::start(move |operation, body, turn| match operation {
            "GetDimensionValues" if body["Dimension"] == "LINKED_ACCOUNT" => dimension(&ids),
            "GetCostForecast" => {
                let user = format!("User: arn:aws:iam::{}:user/x is not authorized", ids[1]);
                Act::Answer(400, error("AccessDeniedException", &user))
            }
            "GetCostAndUsage" => {
                let account = body["Filter"]["And"][0]["Dimensions"]["Values"][0].as_str().unwrap();
                let usage = ["AmazonEC2", "BoxUsage:m7g.large"];
                let mut answer = answer(body, &[group(usage, "5", "720")], None);
                for result in answer["ResultsByTime"].as_array_mut().unwrap() {
                    let start = result["TimePeriod"]["Start"].as_str().unwrap();
                    if start.starts_with(&absent) && without.contains(&account) {
                        result["Groups"] = json!([]);
                    }
                }
                Act::Answer(200, answer.to_string())
            }
            _ => usual(operation, body, turn),
        });
        let from = ["--from", &earlier[1], "--redact-accounts"];
        let output = pull(&folder, &server.url, &from);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("no AWS forecast from account account-"), "{said}");
        let mut all = said + &text(&output.stdout);
        assert!(!all.contains("No currency"), "{all}");
        let mut months = 0;
        for entry in fs::read_dir(folder.path().join("kept")).unwrap() {
            let path = entry.unwrap().path();
            months += usize::from(path.extension().is_some_and(|ext| ext == "json"));
            all += &fs::read_to_string(path).unwrap();
        }
        assert_eq!(months, 3);
        assert!(ids.iter().all(|id| !all.contains(id)), "{all}");
        let rows = all.matches("\"usage_type\"").count();
        assert!(rows > 0, "{all}");
        // The one span that has a month without rows alone.
        let alone = ["--from", &earlier[0], "--to", &earlier[0], "--again", "--forecast", "0"];
        let output = pull(&folder, &server.url, &alone);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let wrong = pull(&folder, &server.url, &["--again", "--account", "9", "--redact-accounts"]);
        let said = text(&wrong.stderr);
        assert_eq!(wrong.status.code(), Some(2));
        assert!(
            ids.iter().all(|id| !said.contains(id)) && said.contains("expected one of account-")
        );
    }
}

/// Covered usage, its negation and the fee of a Savings Plan have one usage type: each kind is asked for alone.
#[test]
fn what_a_savings_plan_covers_is_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let plan = ["SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee"];
    let server = Server::start(move |operation, body, turn| match operation {
        "GetDimensionValues" if body["Dimension"] == "RECORD_TYPE" => {
            dimension(&["Usage", plan[0], plan[1], plan[2], "Tax"])
        }
        "GetCostAndUsage" => {
            let record = body["Filter"]["And"][1]["Dimensions"]["Values"][0].as_str().unwrap();
            let service = "Amazon Elastic Compute Cloud - Compute";
            let (keys, cost, quantity) = match record {
                "Usage" => ([service, "BoxUsage:m7g.large"], "8.16", "100"),
                "SavingsPlanCoveredUsage" => ([service, "BoxUsage:m7g.large"], "81.6", "1000"),
                "SavingsPlanNegation" => ([service, "BoxUsage:m7g.large"], "-81.6", "1000"),
                "SavingsPlanRecurringFee" => (["Savings Plans", "ComputeSP:1yr"], "60", "1"),
                _ => (["Tax", "Tax"], "3", "0"),
            };
            Act::Answer(200, answer(body, &[group(keys, cost, quantity)], None).to_string())
        }
        _ => usual(operation, body, turn),
    });
    let output = pull(&folder, &server.url, &["--format", "json", "--forecast", "0"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("at least 5 more requests, $0.05"), "{said}");
    let bills: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = bills[0]["lines"].as_array().unwrap();
    let of = |kind: &str| lines.iter().find(|line| line["kind"] == kind).unwrap();
    assert_eq!(lines.len(), 5);
    for (kind, cost, quantity) in [
        ("usage", "8.16", "100"),
        ("plan-usage", "81.6", "1000"),
        ("plan-negation", "-81.6", "1000"),
        ("plan-fee", "60", "1"),
    ] {
        let line = of(kind);
        assert_eq!((&line["costs"][0], &line["quantity"]), (&json!(cost), &json!(quantity)));
    }
}

/// Each fault is told in its words, with exit code 1, and nothing is kept; those that pass are tried
/// again, so many times and no more.
#[test]
fn faults_are_told_and_nothing_half_is_kept() {
    let throttled = |_: &str, _: &Value, _: usize| {
        Act::Answer(400, error("ThrottlingException", "Rate exceeded"))
    };
    let broken = |_: &str, _: &Value, _: usize| Act::Answer(500, String::new());
    let expired = |_: &str, _: &Value, _: usize| {
        Act::Answer(400, error("ExpiredTokenException", "The security token is expired"))
    };
    let denied = |_: &str, _: &Value, _: usize| {
        Act::Answer(400, error("AccessDeniedException", "User is not authorized"))
    };
    let truncated = |operation: &str, body: &Value, turn: usize| match usual(operation, body, turn)
    {
        Act::Answer(_, text) if operation == "GetCostAndUsage" => Act::Truncate(text),
        other => other,
    };
    let html = |_: &str, _: &Value, _: usize| Act::Answer(200, "<html>proxy</html>".into());
    let changed = |change: fn(&mut Value)| {
        move |operation: &str, body: &Value, turn: usize| match usual(operation, body, turn) {
            Act::Answer(status, text) if operation == "GetCostAndUsage" => {
                let mut answer: Value = serde_json::from_str(&text).unwrap();
                change(&mut answer);
                Act::Answer(status, answer.to_string())
            }
            other => other,
        }
    };
    let kept = |folder: &TempDir| folder.path().join("kept").exists();
    let cases: Vec<(Faulty, &str, Option<usize>)> = vec![
        (Box::new(throttled), "throttled on every try", Some(3)),
        (Box::new(broken), "(HTTP 500)", Some(3)),
        (Box::new(expired), "the session has expired; sign in again", Some(1)),
        (Box::new(denied), "it needs the permission ce:GetDimensionValues", Some(1)),
        (Box::new(truncated), "GetCostAndUsage", None),
        (Box::new(html), "GetDimensionValues: unreadable answer", None),
        (
            Box::new(changed(|answer| answer["ResultsByTime"] = json!([]))),
            "the response is incomplete: months from",
            None,
        ),
        (
            Box::new(changed(|answer| answer["NextPageToken"] = "page-1".into())),
            "the next page of the response is the page itself",
            None,
        ),
        (
            Box::new(changed(|answer| {
                answer["ResultsByTime"][0]["Groups"][0]["Metrics"]["AmortizedCost"]["Amount"] =
                    "NaN".into();
            })),
            "no number for AmortizedCost",
            None,
        ),
        (
            Box::new(changed(|answer| {
                answer["ResultsByTime"][0]["Groups"][0]["Metrics"]["NetUnblendedCost"]["Unit"] =
                    "EUR".into();
            })),
            "has two currencies",
            None,
        ),
        (
            Box::new(changed(|answer| {
                answer["ResultsByTime"][0]["Groups"][0]["Keys"] = json!(["alone"]);
                answer.as_object_mut().unwrap().remove("NextPageToken");
            })),
            "has the keys [\"alone\"]; expected two",
            None,
        ),
        // A pair of period and keys occurs once: a page that comes again would double the bill.
        (
            Box::new(|operation, body, turn| match usual(operation, body, turn) {
                Act::Answer(status, text) if body["NextPageToken"] == "page-3" => {
                    Act::Answer(status, text.replace("m3.large", "m2.large"))
                }
                other => other,
            }),
            "BoxUsage:m2.large of",
            None,
        ),
    ];
    for (act, expected, tries) in cases {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(act);
        let output = pull(&folder, &server.url, &["--attempts", "3"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{expected}: {said}");
        assert!(said.contains(expected), "{expected:?} is not in {said}");
        assert!(!kept(&folder) && !said.contains("secret"), "{said}");
        if let Some(tries) = tries {
            assert_eq!(server.asked.lock().unwrap().len(), tries, "{expected}");
        }
    }
}

/// A forecast that AWS refuses costs no bill that was paid for, and accounts that are listed twice are asked for
/// once.
#[test]
fn a_bill_is_kept_without_its_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|operation, body, turn| match operation {
        "GetCostForecast" => {
            Act::Answer(400, error("AccessDeniedException", "User is not authorized"))
        }
        "GetDimensionValues" if body["Dimension"] == "LINKED_ACCOUNT" => {
            dimension(&["111111111111", "222222222222", "111111111111"])
        }
        _ => usual(operation, body, turn),
    });
    let output = pull(&folder, &server.url, &["--format", "json"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("warning: no AWS forecast from account"), "{said}");
    assert!(said.contains("ce:GetCostForecast"), "{said}");
    let bills: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(bills[0]["lines"].as_array().unwrap().len(), 18);
    assert_eq!(server.asked("GetCostForecast").len(), 1);
    assert!(folder.path().join("kept").exists());
}

/// The last days of an open month without a group have no rows: days are those with rows.
#[test]
fn an_open_month_has_the_days_that_have_rows() {
    let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
    if today.day() < 3 {
        println!("skipped: too few days of this month have passed");
        return;
    }
    let (_, this) = months();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(move |operation, body, turn| match operation {
        "GetCostAndUsage" => {
            let results: Vec<Value> = (1..today.day())
                .map(|day| {
                    let of = |day: i8| format!("{}-{day:02}", &today.to_string()[..7]);
                    let usage = [group(["EC2 - Other", "NatGateway-Bytes"], "1", "1")];
                    let groups = if day == 1 { &usage[..] } else { &[] };
                    json!({ "TimePeriod": { "Start": of(day), "End": of(day + 1) }, "Total": {},
                            "Groups": groups, "Estimated": true })
                })
                .collect();
            Act::Answer(200, json!({ "ResultsByTime": results }).to_string())
        }
        _ => usual(operation, body, turn),
    });
    let more = ["--from", &this, "--to", &this, "--granularity", "daily", "--format", "json"];
    let output = pull(&folder, &server.url, &more);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bills: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(bills[0]["days"], 1);
}

/// Throttled twice and slow once, a pull still comes through; a token that went stale starts the answer
/// over, once.
#[test]
fn passing_faults_are_waited_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|operation, body, turn| match (operation, turn) {
        ("GetDimensionValues", 1 | 2) => {
            Act::Answer(400, error("LimitExceededException", "slow down"))
        }
        ("GetCostAndUsage", 1) => Act::Answer(503, "busy".into()),
        ("GetCostAndUsage", 4) => {
            Act::Answer(400, error("InvalidNextTokenException", "stale token"))
        }
        ("GetCostAndUsage", 6) => match usual(operation, body, turn) {
            Act::Answer(_, text) => Act::Slow(Duration::from_millis(400), text),
            other => other,
        },
        _ => usual(operation, body, turn),
    });
    let output = pull(&folder, &server.url, &["--format", "json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bills: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(bills[0]["lines"].as_array().unwrap().len(), 9);
    let again = server.asked("GetCostAndUsage");
    assert_eq!(again.iter().filter(|body| body["NextPageToken"].is_null()).count(), 4);
}

#[test]
fn what_cannot_be_asked_is_refused_before_anything_costs() {
    let folder = tempfile::tempdir().unwrap();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let nobody = pull(&folder, &closed, &["--attempts", "1"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("cannot connect"), "{}", text(&nobody.stderr));
    let server = Server::start(usual);
    for (more, expected) in [
        (vec!["--from", "2019-01"], "Cost Explorer keeps 14 months and 2019-01 is older"),
        (vec!["--to", "2999-01"], "2999-01 is in the future"),
        (vec!["--to", "2020-01"], "is after --to (2020-01)"),
    ] {
        let output = pull(&folder, &server.url, &more);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
    assert!(server.asked.lock().unwrap().is_empty());
    let output = pull(&folder, &server.url, &["--account", "42"]);
    assert!(text(&output.stderr).contains("account 42 has no costs; expected one of 111111111111"));
    let mut command = Command::cargo_bin("runrate").unwrap();
    let output = command
        .args(["actuals", "pull", "--attempts", "1", "--endpoint-url", &server.url])
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env_remove("AWS_PROFILE")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.path().join("none"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"))
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("no usable credentials"), "{}", text(&output.stderr));
}

/// The price is told for the cap before anything is asked; what needs more is refused before it is paid for, and
/// an answer without an end stops there.
#[test]
fn requests_are_capped() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(usual);
    let few = pull(&folder, &server.url, &["--max-requests", "4"]);
    let told = text(&few.stderr);
    assert_eq!(few.status.code(), Some(2), "{told}");
    assert!(told.contains("Up to 4 requests are sent, $0.04"), "{told}");
    assert!(told.contains("the limit is 4. Raise it to 5"), "{told}");
    assert_eq!(server.asked.lock().unwrap().len(), 2);
    let endless = Server::start(|operation: &str, body: &Value, number: usize| match operation {
        "GetCostAndUsage" => {
            let token = format!("page {number}");
            Act::Answer(200, answer(body, &[], Some(&token)).to_string())
        }
        _ => usual(operation, body, number),
    });
    let capped = pull(&folder, &endless.url, &["--max-requests", "12"]);
    let told = text(&capped.stderr);
    assert_eq!(capped.status.code(), Some(1), "{told}");
    assert!(told.contains("12 requests were sent, the limit of --max-requests"), "{told}");
    assert_eq!(endless.asked.lock().unwrap().len(), 12);
    assert!(!folder.path().join("kept").exists());
}

/// A body without an end is refused at its bound.
#[test]
fn a_body_without_an_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|operation: &str, body: &Value, number: usize| match operation {
        "GetCostAndUsage" => Act::Answer(200, " ".repeat(65 << 20)),
        _ => usual(operation, body, number),
    });
    let output = pull(&folder, &server.url, &["--attempts", "1"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("length limit exceeded"), "{told}");
}

/// The policy allows what the client calls, and no more.
#[test]
fn the_policy_is_the_least_that_is_needed() {
    let output =
        Command::cargo_bin("runrate").unwrap().args(["actuals", "policy"]).output().unwrap();
    let policy: Value = serde_json::from_slice(&output.stdout).unwrap();
    let statement = &policy["Statement"][0];
    assert_eq!(
        statement["Action"],
        json!(["ce:GetCostAndUsage", "ce:GetCostForecast", "ce:GetDimensionValues"])
    );
}
