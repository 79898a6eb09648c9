//! `runrate prices refresh` and `prices diff` as a user meets them: bulk files, the Price List API and EC2
//! over a real socket, what becomes of the book, and what the change does to a plan.
#![allow(clippy::unwrap_used, clippy::too_many_lines)]

use std::{fs, process::Output, time::Duration};

use assert_cmd::Command;

use crate::support::{
    self,
    kill::{Tally, kill_while_writing, kills},
    runrate,
    server::{Act, Server},
    stdout,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server that answers wrongly.
type Fault = Box<dyn Fn(&str, &Value, usize) -> Act + Send + Sync>;

const VERSION: &str = "20270301120000";
const HEADER: &str = "\"SKU\",\"OfferTermCode\",\"RateCode\",\"TermType\",\"PriceDescription\",\"EffectiveDate\",\"StartingRange\",\"EndingRange\",\"Unit\",\"PricePerUnit\",\"Currency\",\"Product Family\",\"serviceCode\",\"Operating System\",\"Pre Installed S/W\",\"usageType\",\"operation\",\"Region Code\"";

/// A list with its preamble; a row is SKU, term, effective date, begin, end, unit, price, operating system,
/// usage type, operation.
fn list(code: &str, rows: &[[&str; 10]]) -> String {
    let mut text = format!(
        "\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"for information, \"\"only\"\"\"\n\"Publication Date\",\"2027-03-01T12:00:00Z\"\n\"Version\",\"{VERSION}\"\n\"OfferCode\",\"{code}\"\n{HEADER}\n"
    );
    for [sku, term, effective, begin, end, unit, price, system, usage, operation] in rows {
        let cells = [
            sku,
            "T",
            "R",
            term,
            "a price, as told",
            effective,
            begin,
            end,
            unit,
            price,
            "USD",
            "F",
            code,
            system,
            "NA",
            usage,
            operation,
            "us-east-1",
        ];
        let cells: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

/// EC2: a price that fell, one for Windows, one to come, one new type, NAT and gp3 as they were and in
/// another unit, a type that two SKUs price apart, a reservation.
fn ec2() -> String {
    let on = "OnDemand";
    let day = "2020-01-01";
    list(
        "AmazonEC2",
        &[
            [
                "A",
                on,
                day,
                "0",
                "Inf",
                "Hrs",
                "0.0800000000",
                "Linux",
                "BoxUsage:m7g.large",
                "RunInstances",
            ],
            [
                "A",
                on,
                "2999-01-01",
                "0",
                "Inf",
                "Hrs",
                "9",
                "Linux",
                "BoxUsage:m7g.large",
                "RunInstances",
            ],
            [
                "B",
                on,
                day,
                "0",
                "Inf",
                "Hrs",
                "0.17",
                "Windows",
                "BoxUsage:m7g.large",
                "RunInstances:0002",
            ],
            [
                "C",
                "Reserved",
                day,
                "",
                "",
                "Hrs",
                "0.05",
                "Linux",
                "BoxUsage:m7g.large",
                "RunInstances",
            ],
            [
                "D",
                on,
                day,
                "0",
                "Inf",
                "Hrs",
                "1.25",
                "Linux",
                "BoxUsage:m99g.large",
                "RunInstances",
            ],
            ["E", on, day, "0", "Inf", "Hrs", "0.0450000000", "", "NatGateway-Hours", "NatGateway"],
            ["F", on, day, "0", "Inf", "GiBps-mo", "40.96", "", "EBS:VolumeP-Throughput.gp3", ""],
            [
                "G",
                on,
                day,
                "0",
                "Inf",
                "Hrs",
                "0.1",
                "Linux",
                "BoxUsage:m7g.xlarge",
                "RunInstances",
            ],
            [
                "H",
                on,
                day,
                "0",
                "Inf",
                "Hrs",
                "0.2",
                "Linux",
                "BoxUsage:m7g.xlarge",
                "RunInstances",
            ],
            ["I", on, day, "0", "Inf", "Lightyears", "77", "", "EBS:VolumeUsage.gp3", ""],
            ["J", on, day, "0", "Inf", "Hrs", "5", "", "SomethingElse", ""],
        ],
    )
}

/// Data transfer out: the list knows nothing of the free 100 GB that all services share.
fn transfer() -> String {
    let row = |begin, end, price| {
        ["T", "OnDemand", "2020-01-01", begin, end, "GB", price, "", "DataTransfer-Out-Bytes", ""]
    };
    list("AWSDataTransfer", &[row("0", "10240", "0.08"), row("10240", "Inf", "0.07")])
}

fn index(code: &str) -> Act {
    let url = format!("/offers/v1.0/aws/{code}/{VERSION}/us-east-1/index.json");
    let regions = json!({ "us-east-1": { "regionCode": "us-east-1", "currentVersionUrl": url } });
    Act::Answer(200, json!({ "formatVersion": "v1.0", "regions": regions }).to_string())
}

fn bulk(path: &str, _: &Value, _: usize) -> Act {
    for (code, text) in [("AmazonEC2", ec2()), ("AWSDataTransfer", transfer())] {
        if path.ends_with(&format!("{code}/current/region_index.json")) {
            return index(code);
        }
        if path.ends_with(&format!("{code}/{VERSION}/us-east-1/index.csv")) {
            return Act::Answer(200, text);
        }
    }
    Act::Answer(403, "<Error><Code>AccessDenied</Code></Error>".into())
}

fn refresh(folder: &TempDir, url: &str, more: &[&str]) -> Output {
    refresh_command(folder, url, more).output().unwrap()
}

pub(crate) fn refresh_command(folder: &TempDir, url: &str, more: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_runrate"));
    command
        .args([
            "prices",
            "refresh",
            "--region",
            "us-east-1",
            "--backoff-ms",
            "1",
            "--attempts",
            "3",
        ])
        .args(["--endpoint-url", url, "--dir"])
        .arg(folder.path().join("book"))
        .args(more)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-very-secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.path().join("none"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"))
        .env_remove("AWS_PROFILE");
    command
}

/// A line break in a key made the SDK panic.
#[test]
fn a_key_with_a_line_break_is_refused_and_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(bulk);
    let run = |arguments: &[&str], variable: &str, key: &str| {
        let mut command = Command::cargo_bin("runrate").unwrap();
        command
            .args(arguments)
            .args(["--attempts", "1", "--endpoint-url", &server.url])
            .current_dir(folder.path())
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-very-secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", folder.path().join("none"))
            .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"))
            .env_remove("AWS_PROFILE")
            .env(variable, key)
            .output()
            .unwrap()
    };
    let refresh = ["prices", "refresh", "--region", "us-east-1", "--dir", "book"];
    let (api, spot) =
        ([&refresh[..], &["--via", "api"]].concat(), [&refresh[..], &["--spot"]].concat());
    for arguments in [&["actuals", "pull"][..], &api, &spot] {
        for variable in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
            for key in ["AKIDHOSTILE\nx-evil: 1", "AKIDHOSTILE\r\nX", "AKIDHOSTILE\u{1b}[2J"] {
                let output = run(arguments, variable, key);
                let said = String::from_utf8(output.stderr).unwrap();
                let expected = format!("{variable} contains a line break");
                assert_eq!(output.status.code(), Some(1), "{arguments:?} {key:?}: {said}");
                assert!(said.contains(&expected), "{arguments:?} {key:?}: {said}");
                assert!(!said.contains("HOSTILE") && !said.contains("secret"), "{said}");
            }
        }
    }
}

pub(crate) fn shown(folder: &TempDir, words: &[&str]) -> Vec<Value> {
    let book = folder.path().join("book").display().to_string();
    let mut arguments = vec!["prices", "show", "--format", "json", "--prices", &book];
    arguments.extend(words);
    let rows: Vec<Value> = serde_json::from_str(&stdout(&runrate(&arguments))).unwrap();
    rows.into_iter().filter(|row| row["used"] == true).collect()
}

#[test]
fn a_refresh_takes_what_is_the_model_s_and_says_what_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(bulk);
    let output = refresh(&folder, &server.url, &["--format", "json"]);
    let done: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let file = |service: &str| {
        let files = done["files"].as_array().unwrap();
        files.iter().find(|file| file["service"] == service).unwrap().clone()
    };
    let ec2 = file("AmazonEC2");
    assert_eq!((&ec2["version"], &ec2["rows"]), (&json!(VERSION), &json!(11)));
    // NAT hours and gp3 throughput are as they were, the latter in another unit.
    assert_eq!(
        (&ec2["confirmed"], &ec2["changed"], &ec2["added"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let kept = |usage: &str| {
        let kept = ec2["kept"].as_array().unwrap();
        let found = kept.iter().find(|kept| kept["usage_type"] == usage).unwrap();
        found["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(kept("BoxUsage:m7g.xlarge"), "SKUs G and H price it differently, at 0.1 and 0.2");
    assert!(
        kept("EBS:VolumeUsage.gp3").contains("\"Lightyears\""),
        "{}",
        kept("EBS:VolumeUsage.gp3")
    );
    assert_eq!(kept("NatGateway-Bytes"), "is not in the list");
    assert_eq!(file("awswaf")["version"], Value::Null);
    // The book: today's price, the old ones of what was left, source and version in each row.
    let [row] = &shown(&folder, &["us-east-1", "AmazonEC2", "BoxUsage:m7g.large"])[..] else {
        panic!("one price");
    };
    assert_eq!((&row["usd"], &row["as_of"]), (&json!("0.08"), &json!("2027-03-01")));
    assert_eq!(row["source"], format!("AWS Price List, AmazonEC2 version {VERSION}"));
    assert!(row["note"].as_str().unwrap().starts_with("SKU A, effective 2020-01-01, fetched "));
    let price = |usage: &str| shown(&folder, &["us-east-1", "AmazonEC2", usage])[0]["usd"].clone();
    assert_eq!(price("BoxUsage:m99g.large"), "1.25");
    assert_eq!(price("VolumeP-Throughput"), "0.04");
    assert_eq!(price("VolumeUsage.gp3"), "0.08");
    // The free part is the book's, and the list's steps are counted from its end.
    let steps = shown(&folder, &["us-east-1", "AWSDataTransfer/DataTransfer-Out-Bytes"]);
    let steps: Vec<[&str; 3]> = steps
        .iter()
        .map(|row| ["from", "to", "usd"].map(|name| row[name].as_str().unwrap()))
        .collect();
    assert_eq!(steps, [["0", "100", "0"], ["100", "10340", "0.08"], ["10340", "Inf", "0.07"]]);
    // What is written can be planned with, and refreshed again to the same bytes.
    let path = folder.path().join("book/us-east-1/AmazonEC2.csv");
    let before = fs::read(&path).unwrap();
    let again = refresh(&folder, &server.url, &["--format", "json"]);
    let done: Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!(done["changes"], json!([]));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_diff_says_what_other_prices_do_to_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(bulk);
    stdout(&refresh(&folder, &server.url, &["--service", "AWSDataTransfer"]));
    let book = folder.path().join("book").display().to_string();
    let scenario = [
        "prices",
        "diff",
        "built-in",
        &book,
        "--plan",
        "examples/innovate.toml",
        "--format",
        "json",
    ];
    let planned: Value = serde_json::from_str(&stdout(&runrate(&scenario))).unwrap();
    let changed: Vec<&str> = planned["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["usage_type"].as_str().unwrap())
        .collect();
    assert!(!changed.is_empty() && changed.iter().all(|usage| *usage == "DataTransfer-Out-Bytes"));
    let usd = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let [before, after] = [0, 1].map(|slot| usd(&planned["effect"]["cost"][slot]));
    assert!(after < before, "{before} {after}");
    // A saved plan is priced anew to the same, but for support, which is a share of the rest.
    let out = folder.path().join("out").display().to_string();
    stdout(&runrate(&["plan", "--trials", "1", "examples/innovate.toml", "--out", &out]));
    let saved = format!("{out}/plan.json");
    let arguments = ["prices", "diff", "built-in", &book, "--plan", &saved, "--format", "json"];
    let repriced: Value = serde_json::from_str(&stdout(&runrate(&arguments))).unwrap();
    let of = |done: &Value, service: &str| -> Vec<Value> {
        let services = done["effect"]["services"].as_array().unwrap();
        services
            .iter()
            .filter(|line| line["service"] == service)
            .map(|line| line["cost"].clone())
            .collect()
    };
    for service in ["AWSDataTransfer", "AmazonEC2", "AmazonRDS"] {
        assert_eq!(of(&repriced, service), of(&planned, service), "{service}");
    }
    let table = stdout(&runrate(&[
        "prices",
        "diff",
        "built-in",
        &book,
        "--plan",
        "examples/innovate.toml",
    ]));
    assert!(table.contains("planned anew") && table.contains("% of the cost before"), "{table}");
    let same = stdout(&runrate(&["prices", "diff", "built-in", "built-in"]));
    assert!(same.contains("The two books have the same prices."), "{same}");
}

/// Faults of the network and of the files: told in their words, tried so many times, and the book untouched.
#[test]
fn faults_leave_the_book_as_it_was() {
    let csv = |path: &str| path.ends_with("/index.csv");
    let faults: [(Fault, &str, Option<usize>); 7] =
        [
            (
                Box::new(move |path, body, turn| match bulk(path, body, turn) {
                    Act::Answer(_, text) if csv(path) => Act::Truncate(text),
                    usual => usual,
                }),
                "on every one of 3 tries",
                Some(3),
            ),
            (
                Box::new(move |path, body, turn| {
                    if csv(path) { Act::Answer(503, "busy".into()) } else { bulk(path, body, turn) }
                }),
                "HTTP 503, on every one of 3 tries",
                Some(3),
            ),
            (
                Box::new(move |path, body, turn| {
                    if csv(path) {
                        Act::Answer(200, "<html>a proxy</html>".into())
                    } else {
                        bulk(path, body, turn)
                    }
                }),
                "is not a price list: it has no row that begins with SKU",
                Some(1),
            ),
            (
                Box::new(move |path, body, turn| {
                    if csv(path) { Act::Answer(200, transfer()) } else { bulk(path, body, turn) }
                }),
                "is the list of AWSDataTransfer, not of AmazonEC2",
                Some(1),
            ),
            (
                Box::new(move |path, body, turn| {
                    if csv(path) {
                        Act::Answer(200, ec2().replace("0.0800000000", "cheap"))
                    } else {
                        bulk(path, body, turn)
                    }
                }),
                "index.csv:7: SKU A: \"cheap\" is not a decimal price",
                Some(1),
            ),
            (
                Box::new(move |path, body, turn| {
                    if csv(path) {
                        Act::Answer(200, ec2() + "\"K\",\"T\"\n")
                    } else {
                        bulk(path, body, turn)
                    }
                }),
                "index.csv:18: has 2 cells, the header 18; the file may have been cut",
                Some(1),
            ),
            (Box::new(|_, _, _| Act::Answer(200, "[]".into())), "is not a region index", None),
        ];
    for (act, expected, tries) in faults {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(act);
        let output = refresh(&folder, &server.url, &["--service", "AmazonEC2"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(expected), "{expected:?} is not in {said}");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{said}");
        assert!(!folder.path().join("book").exists());
        if let Some(tries) = tries {
            let asked = server.asked.lock().unwrap();
            assert_eq!(asked.iter().filter(|(path, _)| csv(path)).count(), tries, "{expected}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for (more, expected) in [
        (&["--service", "AmazonEC3"][..], "--service: \"AmazonEC3\" is not a modelled service"),
        (
            &["--region", "mars-1", "--via", "api"],
            "--region: AWS lists no region \"mars-1\"; expected one of ap-northeast-1, ",
        ),
    ] {
        let output = refresh(&folder, "http://127.0.0.1:9", more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let output = refresh(&folder, "http://127.0.0.1:9", &["--service", "AmazonEC2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("Connection refused") || said.contains("connection refused"), "{said}");
}

fn product(sku: &str, usage: &str, price: &str) -> String {
    let dimension = json!({
        "unit": "Hrs", "beginRange": "0", "endRange": "Inf", "description": "told", "rateCode": "r",
        "appliesTo": [], "pricePerUnit": { "USD": price },
    });
    let attributes = json!({
        "servicecode": "AmazonEC2", "usagetype": usage, "operation": "RunInstances",
        "operatingSystem": "Linux", "preInstalledSw": "NA", "regionCode": "us-east-1",
    });
    let term =
        json!({ "effectiveDate": "2020-01-01T00:00:00Z", "priceDimensions": { "r": dimension } });
    json!({
        "product": { "sku": sku, "productFamily": "Compute Instance", "attributes": attributes },
        "serviceCode": "AmazonEC2", "terms": { "OnDemand": { format!("{sku}.J"): term } },
        "version": VERSION, "publicationDate": "2027-03-01T12:00:00Z",
    })
    .to_string()
}

/// The Price List API gives the same, over six pages, a throttled one and a slow one among them.
#[test]
fn the_price_list_api_is_asked_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|operation, body, turn| {
        assert_eq!(operation, "GetProducts");
        if turn == 2 {
            let text = json!({ "__type": "ThrottlingException", "message": "Rate exceeded" });
            return Act::Answer(400, text.to_string());
        }
        let compute = body["Filters"][2]["Value"] == "Compute Instance";
        let page: usize = body["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let all = [
            product("A", "BoxUsage:m7g.large", "0.0700000000"),
            product("B", "BoxUsage:m7g.medium", "0.0408000000"),
            product("C", "BoxUsage:c7g.large", "0.0600000000"),
            product("D", "UnusedBox:c7g.large", "0.0600000000"),
            product("E", "BoxUsage:r7g.large", "0.1000000000"),
            product("F", "BoxUsage:t4g.large", "0.0600000000"),
        ];
        let list: Vec<&String> =
            if compute { all.iter().skip(page).take(1).collect() } else { vec![] };
        let mut answer = json!({ "FormatVersion": "aws_v1", "PriceList": list });
        if compute && page < 5 {
            answer["NextToken"] = json!((page + 1).to_string());
        }
        let text = answer.to_string();
        if turn == 4 { Act::Slow(Duration::from_millis(300), text) } else { Act::Answer(200, text) }
    });
    let output = refresh(&folder, &server.url, &["--via", "api", "--service", "AmazonEC2"]);
    assert!(stdout(&output).contains(VERSION));
    let price = |usage: &str| shown(&folder, &["us-east-1", "AmazonEC2", usage])[0]["usd"].clone();
    assert_eq!(price("BoxUsage:m7g.large"), "0.07");
    assert_eq!(price("BoxUsage:t4g.large"), "0.06");
    let asked = server.asked("GetProducts");
    assert_eq!(asked[0]["Filters"].as_array().unwrap().len(), 4);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("AKID") && !said.contains("secret"));
    let document = Server::start(|_, _, _| {
        Act::Answer(200, json!({ "PriceList": ["{\"product\": 7}"] }).to_string())
    });
    let output = refresh(&folder, &document.url, &["--via", "api", "--service", "AmazonEC2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("GetProducts of AmazonEC2: is not a product"), "{said}");
}

/// A service that the API does not find is named, the others are written, and the exit code says so; without
/// permission nothing is written, and no other service is asked for.
#[test]
fn one_service_that_is_not_found_stops_no_other() {
    let answer = |code: &'static str| {
        move |_: &str, body: &Value, _: usize| {
            if body["ServiceCode"] == "AmazonECR" {
                let text = json!({ "__type": code, "message": "no such service here" });
                return Act::Answer(400, text.to_string());
            }
            let compute = body["Filters"][2]["Value"] == "Compute Instance";
            let list =
                if compute { vec![product("A", "BoxUsage:m7g.large", "0.07")] } else { vec![] };
            Act::Answer(200, json!({ "FormatVersion": "aws_v1", "PriceList": list }).to_string())
        }
    };
    let both = ["--via", "api", "--service", "AmazonECR", "--service", "AmazonEC2"];
    for code in ["NotFoundException", "InvalidParameterException"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(answer(code));
        let output = refresh(&folder, &server.url, &[&both[..], &["--format", "json"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("us-east-1 AmazonECR: GetProducts: {code}")), "{said}");
        assert!(said.contains("1 list was not read"), "{said}");
        let done: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(done["files"][0]["error"].as_str().unwrap().contains("no such service here"));
        assert_eq!(done["files"][1]["version"], VERSION);
        let rows = shown(&folder, &["us-east-1", "AmazonEC2", "BoxUsage:m7g.large"]);
        assert_eq!(rows[0]["usd"], "0.07");
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(answer("AccessDeniedException"));
    let output = refresh(&folder, &server.url, &both);
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("book").exists());
    assert_eq!(server.asked("GetProducts").len(), 1);
    // Bulk files: one list that is none.
    let server = Server::start(|path, body, turn| {
        if path.ends_with("AWSDataTransfer/20270301120000/us-east-1/index.csv") {
            return Act::Answer(200, "<html>a proxy</html>".into());
        }
        bulk(path, body, turn)
    });
    let both = ["--service", "AWSDataTransfer", "--service", "AmazonEC2"];
    let output = refresh(&folder, &server.url, &both);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("us-east-1 AWSDataTransfer: ") && said.contains("is not a price list"));
    assert!(folder.path().join("book").exists());
}

fn spot_page(items: &str, token: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeSpotPriceHistoryResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>x</requestId><spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken>{token}</nextToken></DescribeSpotPriceHistoryResponse>"
    )
}

fn ec2_api(operation: &str, body: &Value, turn: usize) -> Act {
    let form = body.as_str().unwrap_or_default();
    match operation {
        "DescribeSpotPriceHistory" => {
            if turn == 1 {
                let text = "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow down</Message></Error></Errors></Response>";
                return Act::Answer(503, text.into());
            }
            let page: usize =
                form.split("NextToken=p").nth(1).map_or(0, |token| token[..1].parse().unwrap());
            let item = format!(
                "<item><instanceType>m7g.large</instanceType><productDescription>Linux/UNIX</productDescription><spotPrice>0.0{}0000</spotPrice><timestamp>2020-01-01T00:00:00.000Z</timestamp><availabilityZone>us-east-1{}</availabilityZone></item>",
                page + 1,
                ["a", "b", "c", "d", "e"][page]
            );
            let token = if page < 4 { format!("p{}", page + 1) } else { String::new() };
            Act::Answer(200, spot_page(&item, &token))
        }
        "DescribeInstanceTypes" => Act::Answer(200, "<DescribeInstanceTypesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><instanceTypeSet><item><instanceType>m99g.large</instanceType><currentGeneration>true</currentGeneration><bareMetal>false</bareMetal><hypervisor>nitro</hypervisor><burstablePerformanceSupported>false</burstablePerformanceSupported><processorInfo><supportedArchitectures><item>arm64</item></supportedArchitectures></processorInfo><vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo><networkInfo><networkPerformance>Up to 15 Gigabit</networkPerformance><maximumNetworkInterfaces>3</maximumNetworkInterfaces><ipv4AddressesPerInterface>10</ipv4AddressesPerInterface></networkInfo></item></instanceTypeSet></DescribeInstanceTypesResponse>".into()),
        path => bulk(path, body, turn),
    }
}

/// Spot prices over five pages and zones, 0.01 to 0.05: 0.03 in the mean; a type that nobody knew yet can be
/// planned with, once its price and its shape were told.
#[test]
fn ec2_tells_spot_prices_and_instance_types() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(ec2_api);
    let more = ["--service", "AmazonEC2", "--spot", "--instance-types", "--format", "json"];
    let output = refresh(&folder, &server.url, &more);
    stdout(&output);
    assert_eq!(shown(&folder, &["us-east-1", "SpotUsage:m7g.large"])[0]["usd"], "0.03");
    // The bulk file's price stands beside it.
    assert_eq!(shown(&folder, &["us-east-1", "BoxUsage:m7g.large"])[0]["usd"], "0.08");
    let history = folder.path().join("book/us-east-1/AmazonEC2.spot_history.csv");
    assert_eq!(fs::read_to_string(history).unwrap().lines().count(), 6);
    assert!(
        server
            .heads
            .lock()
            .unwrap()
            .iter()
            .any(|head| head.contains("/us-east-1/ec2/aws4_request"))
    );
    let book = folder.path().join("book").display().to_string();
    let text =
        support::base("2027-01", 1, 1000).replace("m7g.large", "m99g.large") + "[alb]\n[eks]\n";
    let scenario = folder.path().join("s.toml");
    fs::write(&scenario, text).unwrap();
    let scenario = scenario.display().to_string();
    let plan = runrate(&["plan", "--trials", "1", &scenario, "--prices", &book, "--format", "csv"]);
    assert!(stdout(&plan).contains("BoxUsage:m99g.large"));
    let denied = Server::start(|operation, body, turn| {
        match operation {
        "DescribeSpotPriceHistory" => Act::Answer(403, "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized</Message></Error></Errors></Response>".into()),
        _ => bulk(operation, body, turn),
    }
    });
    let output = refresh(&folder, &denied.url, &more);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("it needs the permission ec2:DescribeSpotPriceHistory"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

/// A list's row as its line says it: SKU, usage type, begin, end, price, effective date.
type Said = (String, String, String, String, String, String);

/// What a list says, read line by line and not as a stream: rows of prices, or the first line that says none.
fn said_by(text: &str) -> Result<Vec<Said>, usize> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let cells = |line: &str| -> Option<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).terminator(csv::Terminator::Any(b'\n'));
        let mut reader = reader.from_reader(line.as_bytes());
        let record = reader.records().next()?.ok()?;
        Some(record.iter().map(str::to_owned).collect())
    };
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let header =
        lines.iter().position(|line| cells(line).is_some_and(|cells| plain(&cells[0]) == "sku"));
    let header = header.ok_or(0_usize)?;
    let names: Vec<String> = cells(lines[header]).unwrap().iter().map(|name| plain(name)).collect();
    let column = |name: &str| names.iter().position(|known| known == name).ok_or(header + 1);
    let own = ["sku", "usagetype", "startingrange", "endingrange", "priceperunit", "effectivedate"];
    let own: Vec<usize> = own.into_iter().map(column).collect::<Result<_, _>>()?;
    let others = ["termtype", "currency", "operation", "unit", "operatingsystem"];
    let others: Vec<usize> = others.into_iter().map(column).collect::<Result<_, _>>()?;
    let [term, currency, operation, unit, system] = others[..] else { return Err(header + 1) };
    let software = column("preinstalledsw").ok();
    let decimal = |text: &str| {
        let digits =
            !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || ".+".contains(c));
        digits.then(|| text.parse::<rust_decimal::Decimal>().ok()).flatten()
    };
    let mut rows = Vec::new();
    for (index, line) in lines.iter().enumerate().skip(header + 1) {
        if line.is_empty() {
            continue;
        }
        let Some(cells) = cells(line).filter(|all| all.len() == names.len()) else {
            return Err(index + 1);
        };
        let deciding = own.iter().chain([&term, &currency, &operation, &unit]);
        if deciding.into_iter().any(|place| cells[*place].contains('"')) {
            return Err(index + 1);
        }
        let wanted = ["BoxUsage:m7g.large", "NatGateway-Hours"].contains(&&*cells[own[1]]);
        let linux = !cells[own[1]].starts_with("BoxUsage:")
            || cells[system] == "Linux"
                && cells[operation] == "RunInstances"
                && software.is_none_or(|at| ["NA", ""].contains(&&*cells[at]));
        if cells[term] != "OnDemand" || !wanted || !linux {
            continue;
        }
        let row: Vec<String> = own.iter().map(|place| cells[*place].clone()).collect();
        let [sku, usage, begin, end, price, day] = <[String; 6]>::try_from(row).unwrap();
        let from = decimal(&begin);
        let to = if end == "Inf" {
            from.map(|from| from + rust_decimal::Decimal::ONE)
        } else {
            decimal(&end)
        };
        let day_is = day.parse::<jiff::civil::Date>().is_ok();
        let steps = from.zip(to).is_some_and(|(from, to)| from < to);
        if cells[currency] != "USD" || !steps || decimal(&price).is_none() || !day_is {
            return Err(index + 1);
        }
        rows.push((sku, usage, begin, end, price, day));
    }
    Ok(rows)
}

/// A list as AWS writes it, of one to six rows.
fn valid(draws: &mut runrate::measure::random::Draws) -> String {
    let mut below = |end: u64| draws.key() % end;
    let mut rows: Vec<[String; 10]> = Vec::new();
    for sku in 0..=below(5) {
        let ladder = below(3) + 1;
        for step in 0..ladder {
            let nat = below(2) == 0;
            let begin = if step == 0 { "0".to_owned() } else { (100 * step).to_string() };
            let end =
                if step + 1 == ladder { "Inf".to_owned() } else { (100 * (step + 1)).to_string() };
            let price = format!("0.{:010}", below(10_000_000_000));
            let day = format!("20{}-0{}-1{}", 20 + below(8), 1 + below(9), below(10));
            let (system, usage, operation) = if nat {
                ("", "NatGateway-Hours", "NatGateway")
            } else {
                ("Linux", "BoxUsage:m7g.large", "RunInstances")
            };
            let sku = format!("SKU{sku}");
            rows.push(
                [&sku, "OnDemand", &day, &begin, &end, "Hrs", &price, system, usage, operation]
                    .map(str::to_owned),
            );
        }
    }
    let rows: Vec<[&str; 10]> =
        rows.iter().map(|row| std::array::from_fn(|cell| row[cell].as_str())).collect();
    let text = list("AmazonEC2", &rows);
    if below(3) == 0 { text.replace('\n', "\r\n") } else { text }
}

/// One mutation: a byte, a cell, a line or the end.
fn mutated(text: &str, draws: &mut runrate::measure::random::Draws) -> Vec<u8> {
    const CELLS: [&str; 16] = [
        "",
        "NaN",
        "-1",
        "1_000",
        "0.1.2",
        "1e400",
        "Infinity",
        "inf",
        " 5",
        "\u{ff11}",
        "1,000",
        "999999999999999999999999999999999",
        "2020-02-30",
        "2020-01-01x",
        "0x10",
        "EUR",
    ];
    let mut below = |end: usize| (draws.key() % end as u64) as usize;
    let mut bytes = text.as_bytes().to_vec();
    let at = below(bytes.len());
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let line = below(lines.len());
    match below(9) {
        0 => bytes[at] = below(256) as u8,
        1 => bytes[at] = b"\",\n\r0;\t "[below(8)],
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, b"\",\n\r0;\t "[below(8)]),
        4 => bytes.truncate(at),
        5 => {
            lines.remove(line);
            bytes = lines.concat().into_bytes();
        }
        6 => {
            lines.insert(line, lines[line].clone());
            bytes = lines.concat().into_bytes();
        }
        kind => {
            // A cell: another text, or a neighbour's.
            let mut cells: Vec<String> = lines[line].split("\",\"").map(str::to_owned).collect();
            let cell = below(cells.len());
            if kind == 7 {
                let inner = CELLS[below(CELLS.len())].to_owned();
                if cell > 0 && cell + 1 < cells.len() {
                    cells[cell] = inner;
                }
            } else {
                let other = below(cells.len());
                if cell.min(other) > 0 && cell.max(other) + 1 < cells.len() {
                    cells.swap(cell, other);
                }
            }
            lines[line] = cells.join("\",\"");
            bytes = lines.concat().into_bytes();
        }
    }
    bytes
}

/// A valid list with one mutation is refused with file and line, or read equal to what its lines say.
#[test]
fn a_mutated_list_is_refused_or_read_as_it_says() {
    use runrate::{
        facts::price_list::{Scope, read_csv},
        measure::random::{Stream, stream},
    };
    let rules: runrate::facts::price_list::Rules = runrate::app::store::model().unwrap();
    let service = rules.service("AmazonEC2").unwrap();
    let today = "2027-03-01".parse().unwrap();
    let scope = Scope { rules: &rules, service, region: "us-east-1", prefixes: &[], today };
    let wanted = |bare: &str, _: &str| ["BoxUsage:m7g.large", "NatGateway-Hours"].contains(&bare);
    let (mut refused, mut read) = (0, 0);
    for seed in 0..2000 {
        let mut draws = stream(seed, 1, Stream::Cluster, 0);
        let text = valid(&mut draws);
        let valid = read_csv("list.csv", text.as_bytes(), &scope, wanted);
        assert!(valid.is_ok(), "{seed}: {valid:?}\n{text}");
        let bytes = mutated(&text, &mut draws);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        match read_csv("list.csv", &*bytes, &scope, wanted) {
            Err(error) => {
                refused += 1;
                let message = error.to_string();
                assert!(message.starts_with("list.csv:"), "{seed}: {message}\n{shown}");
                let place = message["list.csv:".len()..].split(':').next().unwrap();
                // A file without any header has no line to blame.
                let lined = place
                    .parse::<usize>()
                    .is_ok_and(|line| line >= 1 && line <= shown.split('\n').count());
                let whole = message.contains("it has no row that begins with SKU")
                    || message.contains("is the list of");
                assert!(lined || whole, "{seed}: {message}\n{shown}");
                if let (Ok(text), true) = (std::str::from_utf8(&bytes), lined)
                    && let Err(line) = said_by(text)
                {
                    // A quotation mark that is not closed is blamed where it is; the csv reader counts a record
                    // from the empty lines before it.
                    let blamed = place.parse::<usize>().unwrap();
                    let own = text.split('\n').nth(blamed - 1).unwrap();
                    let open = blamed < line
                        && (own.matches('"').count() % 2 == 1 || own.trim().is_empty());
                    assert!(blamed == line || open, "{seed}: {line}: {message}\n{shown}");
                }
            }
            Ok(offer) => {
                read += 1;
                let text = std::str::from_utf8(&bytes);
                let text =
                    text.unwrap_or_else(|_| panic!("{seed}: bytes that are no text were read"));
                let said = said_by(text).unwrap_or_else(|line| {
                    panic!("{seed}: line {line} says no price, and the list was read\n{shown:?}")
                });
                let same = offer.items.len() == said.len()
                    && offer.items.iter().zip(&said).all(|(item, row)| {
                        let number = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap();
                        item.sku == row.0
                            && item.billed_usage_type == row.1
                            && item.begin == number(&row.2)
                            && item.end == (row.3 != "Inf").then(|| number(&row.3))
                            && item.price.decimal() == number(&row.4)
                            && item.effective == row.5
                    });
                assert!(same, "{seed}: {:?}\n{said:?}\n{shown}", offer.items);
            }
        }
    }
    assert!(refused > 300 && read > 300, "{refused} refused, {read} read");
}

/// A server whose price of m7g.large is another one at each request.
fn changing() -> Server {
    let turn = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |path: &str, body: &Value, count: usize| match bulk(path, body, count) {
        Act::Answer(200, text)
            if path.ends_with("AmazonEC2/20270301120000/us-east-1/index.csv") =>
        {
            let turn = turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Act::Answer(200, text.replacen("0.0800000000", &format!("0.08{turn:04}"), 1))
        }
        act => act,
    })
}

fn status(folder: &TempDir) -> Output {
    let book = folder.path().join("book").display().to_string();
    runrate(&["prices", "status", "--prices", &book])
}

#[test]
fn a_refresh_that_is_killed_leaves_a_whole_book() {
    let server = changing();
    let mut tally = Tally::default();
    let only = ["--service", "AmazonEC2"];
    let mut folder = tempfile::tempdir().unwrap();
    for turn in 0..kills(4) {
        // Every third time the whole built-in book is written, else one file and the manifest.
        if turn % 3 == 0 {
            folder = tempfile::tempdir().unwrap();
        }
        let book = folder.path().join("book");
        let mut run = refresh_command(&folder, &server.url, &only);
        tally.add(kill_while_writing(&mut run, &book, turn));
        // Where the first book was not finished there is none, and the next run makes it.
        let seen = status(&folder);
        assert!(seen.status.success() || !book.join("manifest.toml").exists(), "kill {turn}");
        stdout(&refresh(&folder, &server.url, &only));
        stdout(&status(&folder));
        assert!(!book.join(".runrate-set").exists());
    }
    tally.end("prices refresh");
}

#[test]
fn two_refreshes_at_once_leave_a_whole_book_and_lose_nothing() {
    let server = Server::start(bulk);
    let both = ["AmazonEC2", "AWSDataTransfer"];
    for turn in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let mut runs = both.map(|service| {
            let mut run = refresh_command(&folder, &server.url, &["--service", service]);
            run.stdout(std::process::Stdio::null()).spawn().unwrap()
        });
        for run in &mut runs {
            assert!(run.wait().unwrap().success(), "pair {turn}");
        }
        stdout(&status(&folder));
        let price = |words: &[&str]| shown(&folder, words)[0]["source"].clone();
        for words in [
            ["us-east-1", "AmazonEC2", "BoxUsage:m7g.large"],
            ["us-east-1", "AWSDataTransfer", "DataTransfer-Out-Bytes"],
        ] {
            assert!(price(&words).to_string().contains(VERSION), "pair {turn} lost {words:?}");
        }
    }
    // The same file with other prices: one of them is told, or came after the other.
    let server = changing();
    for turn in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let mut runs = [(), ()].map(|()| {
            let mut run = refresh_command(&folder, &server.url, &["--service", "AmazonEC2"]);
            run.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
            run.spawn().unwrap()
        });
        let ended = [runs[0].wait().unwrap(), runs[1].wait().unwrap()];
        assert!(ended.iter().any(std::process::ExitStatus::success), "pair {turn}");
        for (run, ended) in runs.into_iter().zip(ended) {
            let said = run.wait_with_output().unwrap().stderr;
            let said = String::from_utf8_lossy(&said).into_owned();
            let told = ended.code() == Some(1) && said.contains("another run has renewed");
            assert!(ended.success() || told, "pair {turn}: {said}");
        }
        stdout(&status(&folder));
    }
}

#[test]
fn a_broken_book_is_seen_by_status_and_repaired_by_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(bulk);
    let only = ["--service", "AWSDataTransfer"];
    stdout(&refresh(&folder, &server.url, &only));
    let book = folder.path().join("book");
    fs::write(book.join("us-east-1/AmazonEC2.csv"), "of a run that was killed").unwrap();
    fs::remove_file(book.join("us-east-1/AWSELB.csv")).unwrap();
    let output = status(&folder);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in ["AmazonEC2.csv: has changed", "--repair", "AWSELB.csv: no such file"] {
        assert!(said.contains(words), "{said}");
    }
    let output = refresh(&folder, &server.url, &only);
    assert_eq!(output.status.code(), Some(2), "nothing is replaced unless it is asked for");
    // Without a connection too.
    let output = refresh(&folder, "http://127.0.0.1:9", &["--repair"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("repaired") && said.contains("us-east-1/AmazonEC2.csv"), "{said}");
    stdout(&status(&folder));
    // What was refreshed before is kept.
    let transfer = shown(&folder, &["us-east-1", "AWSDataTransfer", "DataTransfer-Out-Bytes"]);
    assert!(transfer[0]["source"].to_string().contains(VERSION));
    stdout(&refresh(&folder, &server.url, &["--repair", "--service", "AmazonEC2"]));
}
