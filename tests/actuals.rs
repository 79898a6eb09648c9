//! `runrate actuals` and `runrate reconcile` as a user meets them: real exports whole, a bill with known
//! differences, exit codes and messages.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::too_many_lines)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::support::{self, runrate, stdout};
use runrate::{
    app::store::{self, PriceSource},
    bills::actuals::Metric,
    measure::calendar::Month,
    plan::Plan,
};
use tempfile::TempDir;

fn refused(arguments: &[&str], code: i32, expected: &str) {
    let output = runrate(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(expected), "{expected:?} is not in {message}");
}

/// A file of other people's data; none where it is not present.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        println!("skipped: {name} is not here");
        return None;
    }
    Some(path)
}

/// The whole sample: 942 rows, `BilledCost` 18.00663861840, `ListCost` 18.14931764060, a credit of −2.6137.
#[test]
fn the_focus_sample_is_imported_whole() {
    let Some(path) = shared("focus_sample_aws.csv") else { return };
    let bills = store::import_bills(&[&path], &store::model().unwrap(), "now").unwrap();
    assert_eq!(bills.len(), 1);
    let bill = &bills[0];
    assert_eq!(
        (bill.rows(), bill.set_aside.len(), bill.month.to_string()),
        (942, 0, "2024-09".into())
    );
    assert_eq!(bill.sum(Metric::Unblended, |_| true).unwrap().to_string(), "18.0066386184");
    let list = bill.lines.iter().filter_map(|line| line.list).fold(None, |sum, list| {
        Some(sum.map_or(list, |sum: runrate::bills::actuals::amount::Amount| sum + list))
    });
    assert_eq!(list.unwrap().to_string(), "18.1493176406");
    let credit = bill.by_kind(Metric::Unblended)[&runrate::bills::actuals::Kind::Credit];
    assert_eq!(credit.to_string(), "-2.6137");
    let accounts: std::collections::BTreeSet<&str> =
        bill.lines.iter().map(|line| line.key.account.as_str()).collect();
    assert_eq!(accounts.len(), 66);
}

/// The whole sample: 1,281 rows to 14 November 2023, 1.68230869740 of which tax 0.08.
#[test]
fn the_cur_sample_is_imported_whole() {
    let Some(path) = shared("cur_sample_aws_legacy.csv") else { return };
    let bills = store::import_bills(&[&path], &store::model().unwrap(), "now").unwrap();
    let bill = &bills[0];
    assert_eq!((bill.rows(), bill.set_aside.len(), bill.days), (1281, 0, 14));
    assert_eq!(bill.sum(Metric::Unblended, |_| true).unwrap().to_string(), "1.6823086974");
    assert_eq!(
        bill.by_kind(Metric::Unblended)[&runrate::bills::actuals::Kind::Tax].to_string(),
        "0.08"
    );
}

fn data(name: &str) -> String {
    format!("{}/tests/data/bills/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Two files of the Cost Explorer console, an account each: currency, accounts and kinds are those of the bill,
/// and their sums are the totals that the file of accounts states.
#[test]
fn files_of_the_console_are_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept").display().to_string();
    let (prod, dev) = (data("costs_prod.csv"), data("costs_dev.csv"));
    let import = ["actuals", "import", &prod, &dev, "--actuals", &kept];
    let two = ["--account", "111122223333", "--account", "444455556666", "--format", "json"];
    let text = stdout(&runrate(&[&import[..], &two[..]].concat()));
    let bills: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sum =
        |month: usize, wanted: &dyn Fn(&serde_json::Value) -> bool| -> rust_decimal::Decimal {
            let lines = bills[month]["lines"].as_array().unwrap().iter();
            let costs = lines.filter(|line| wanted(line));
            costs
                .map(|l| l["costs"][0].as_str().unwrap().parse::<rust_decimal::Decimal>().unwrap())
                .sum()
        };
    let (currency, days) = (&bills[0]["currency"], &bills[0]["days"]);
    assert_eq!((currency, days), (&"USD".into(), &28.into()));
    // The row of February in costs_by_account.csv.
    for (account, cost) in [("111122223333", "1760.396270391"), ("444455556666", "335.056371748")] {
        assert_eq!(sum(0, &|line| line["account"] == account).normalize().to_string(), cost);
    }
    assert_eq!(sum(0, &|line| line["kind"] == "support").normalize().to_string(), "115.27");
    assert_eq!(sum(0, &|line| line["kind"] == "tax").normalize().to_string(), "334.57");
    let service = "Amazon Elastic Compute Cloud - Compute";
    assert_eq!(
        sum(0, &|line| line["service"] == service).normalize().to_string(),
        "455.6163030048"
    );
    // The same bill with semicolons and decimal commas; one account for all of it.
    for name in ["costs_by_service.csv", "costs_eu.csv"] {
        let text = stdout(&runrate(&[
            "actuals",
            "import",
            &data(name),
            "--actuals",
            &kept,
            "--account",
            "1",
            "--format",
            "json",
        ]));
        let bills: serde_json::Value = serde_json::from_str(&text).unwrap();
        let lines = bills[0]["lines"].as_array().unwrap();
        let all = lines.iter().map(|line| line["costs"][0].as_str().unwrap());
        let sum: rust_decimal::Decimal =
            all.map(|cost| cost.parse::<rust_decimal::Decimal>().unwrap()).sum();
        assert_eq!(sum.normalize().to_string(), "2095.452642139", "{name}");
    }
    let by_account = data("costs_by_account.csv");
    let text = stdout(&runrate(&["actuals", "import", &by_account, "--actuals", &kept]));
    assert!(text.contains("$2,095.45") && text.contains("tax, support, credits"), "{text}");
    refused(
        &["actuals", "import", &by_account, "--actuals", &kept, "--account", "1"],
        2,
        "--account 1 has no effect",
    );
    refused(
        &[&import[..], &["--account", "1", "--account", "2", "--account", "3"]].concat(),
        2,
        "--account: is given 3 times for 2 files",
    );
    let text =
        stdout(&runrate(&["actuals", "import", &data("usage_type.csv"), "--actuals", &kept]));
    assert!(text.contains("$252.40") && text.contains("$272.40: lines name no account"), "{text}");
    assert!(text.contains("$20.00: lines of a kind that"), "{text}");
    let text = stdout(&runrate(&[
        "actuals",
        "import",
        &data("months_as_columns.csv"),
        "--actuals",
        &kept,
    ]));
    assert!(text.contains("No currency is stated in 2027-01, 2027-02"), "{text}");
}

/// Amounts carry their currency; support and Marketplace are known whatever the type of the row; rows without
/// a cost are counted; what cannot be read again is not written.
#[test]
fn a_bill_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept").display().to_string();
    let path = folder.path().join("cur.csv").display().to_string();
    let text = stdout(&runrate(&["actuals", "import", &data("nok.csv"), "--actuals", &kept]));
    assert!(text.contains("NOK 640.00") && !text.contains('$'), "{text}");
    let header = "bill_billing_entity,bill_billing_period_start_date,line_item_usage_account_id,line_item_line_item_type,line_item_product_code,line_item_unblended_cost,line_item_currency_code\r\n";
    let rows = [
        "AWS,2026-02-01,1,Usage,AmazonEC2,10",
        "AWS,2026-02-01,1,Usage,AWSSupportBusiness,3",
        "AWS,2026-02-01,1,Fee,AWSSupportEnterprise,4",
        "AWS,2026-02-01,1,Refund,AWSSupportBusiness,-1",
        "AWS,2026-02-01,1,Tax,AWSSupportBusiness,2",
        "AWS Marketplace,2026-02-01,1,Usage,a1b2c3d4e5f6g7h8,20",
        "AWS Marketplace,2026-02-01,1,Fee,a1b2c3d4e5f6g7h8,30",
        "AWS,2026-02-01,1,Usage,AmazonEC2,",
        "AWS,2026-02-01,1,Usage,AmazonEC2,",
        "AWS,2026-02-31,1,Usage,AmazonEC2,7.5",
    ];
    let body: String = rows.iter().fold(String::new(), |text, row| text + row + ",USD\r\n");
    fs::write(&path, format!("{header}{body}")).unwrap();
    let import = ["actuals", "import", &path, "--actuals", &kept, "--max-skipped", "50%"];
    let text = stdout(&runrate(&[&import[..], &["--format", "csv"]].concat()));
    for (kind, cost) in [
        ("support,Usage", "3"),
        ("support,Fee", "4"),
        ("refunds,Refund", "-1"),
        ("tax,Tax", "2"),
        ("AWS Marketplace,Usage", "20"),
        ("AWS Marketplace,Fee", "30"),
        ("usage,Usage", "10"),
    ] {
        assert!(text.contains(&format!(",{kind},,,{cost},{cost},,")), "{kind} {cost}: {text}");
    }
    let text = stdout(&runrate(&[&import[..], &["--format", "table"]].concat()));
    let text: Vec<&str> = text.split_whitespace().collect();
    let text = text.join(" ");
    let empty = format!("2026-02 2 the cost is empty {path}:9, {path}:10");
    assert!(text.contains(&empty), "{text}");
    let skipped = format!("1 \"2026-02-31\" is not a billing period $7.50 {path}:11");
    assert!(text.contains(&skipped), "{text}");
    // A file of which no row has a cost says so.
    fs::write(&path, format!("{header}AWS,2026-02-01,1,Usage,AmazonEC2,,USD\r\n")).unwrap();
    refused(&import, 2, &format!("every row was skipped: 1 × the cost is empty ({path}:2)"));
    let negative = data("negative.csv");
    let text = stdout(&runrate(&[
        "actuals",
        "import",
        &negative,
        "--actuals",
        &kept,
        "--max-skipped",
        "50%",
    ]));
    assert!(text.contains("\"-1e23\" is out of range"), "{text}");
    stdout(&runrate(&["actuals", "list", "--actuals", &kept]));
    // Sums beyond amounts could not be read again.
    fs::write(&path, "month,account,service,cost\n2027-01,a,S,9e17\n2027-01,a,S,9e17\n").unwrap();
    refused(&import, 2, "sum to 10^18 or more");
    fs::write(&path, "month,account,service,cost,cost\n2027-01,a,S,1,2\n").unwrap();
    refused(&import, 2, ":1: the column cost occurs twice, as columns 4 and 5");
}

/// polars panics on the damaged ones; the bill's panic is caught, and the shard's digest is checked before polars reads
/// it. A codec that is not read is named.
#[cfg(feature = "polars")]
#[test]
fn damaged_parquet_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept").display().to_string();
    let (bill, shard) = (data("damaged_bill.parquet"), data("damaged_shard.parquet"));
    let brotli = data("brotli.parquet");
    for (arguments, refusal) in [
        (
            vec!["actuals", "import", &bill, "--actuals", &kept],
            ".parquet: cannot be read: the file is damaged",
        ),
        (
            vec!["actuals", "import", &brotli, "--actuals", &kept],
            "brotli.parquet: cannot be read: column BillingPeriodStart is compressed with Brotli; runrate reads Snappy",
        ),
        (vec!["merge", &shard], ".parquet: is no part of a plan"),
    ] {
        let output = runrate(&arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(refusal), "{message}");
        assert!(!message.contains("panicked"), "{message}");
    }
}

/// A bill by service alone, as the console has it, meets the plan's sums of each service.
#[test]
fn a_bill_by_service_meets_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(&folder);
    let plan = plan(&scenario, &folder);
    let month = plan.months[0].month;
    let mut sums: BTreeMap<(&str, &str), rust_decimal::Decimal> = BTreeMap::new();
    for entry in plan.entries.iter().filter(|entry| entry.month == month) {
        let service = &*plan.price_of(entry).cost_explorer_service;
        if !service.is_empty()
            && !["Datadog", "GitHubActions", "Tax"].contains(&&*entry.key.service)
        {
            *sums.entry((&*entry.account, service)).or_default() += entry.cost.decimal();
        }
    }
    let short = |service: &str| match service {
        "Amazon Elastic Compute Cloud - Compute" => "EC2-Instances".to_owned(),
        "EC2 - Other" => "EC2-Other".into(),
        "Amazon Elastic Load Balancing" => "EC2-ELB".into(),
        "Amazon Simple Storage Service" => "S3".into(),
        "Amazon Virtual Private Cloud" => "VPC".into(),
        other => other
            .replace("AWS Support", "Support")
            .replace("AWS ", "")
            .replace("Amazon ", "")
            .replace("AmazonC", "C"),
    };
    let mut arguments = vec!["actuals".to_owned(), "import".into()];
    for account in ["production", "non-production"] {
        let own: Vec<_> = sums.iter().filter(|((of, _), _)| *of == account).collect();
        let names: Vec<String> =
            own.iter().map(|((_, s), _)| format!("\"{}($)\"", short(s))).collect();
        let costs: Vec<String> = own.iter().map(|(_, cost)| cost.to_string()).collect();
        let total: rust_decimal::Decimal = own.iter().map(|(_, cost)| **cost).sum();
        let text = format!(
            "\"Service\",{},\"Total costs($)\"\n\"{month}-01\",{},{total}\n",
            names.join(","),
            costs.join(",")
        );
        let path = folder.path().join(format!("{account}.csv"));
        fs::write(&path, text).unwrap();
        arguments.push(path.display().to_string());
    }
    let kept = folder.path().join("kept").display().to_string();
    arguments.extend(
        ["--account", "111111111111", "--account", "222222222222", "--actuals", &kept]
            .map(str::to_owned),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    stdout(&runrate(&arguments));
    let saved = folder.path().join("plan/plan.json").display().to_string();
    let text = stdout(&runrate(&["reconcile", &saved, "--actuals", &kept, "--format", "json"]));
    let done: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cells = done["cells"].as_array().unwrap();
    assert!(cells.len() > 10);
    for cell in cells {
        let off = cell["variance"]["total"].as_str().unwrap().parse::<f64>().unwrap();
        assert!(cell["matched"] == "both" && off.abs() < 1e-6, "{cell}");
    }
    let notes = done["notes"].to_string();
    assert!(notes.contains("the bill names no usage types in"), "{notes}");
    assert!(notes.contains("the console counts credits, refunds"), "{notes}");
}

/// A bill by region, with the services and without, equals the plan: each region of an account meets the lines of
/// its own, the recovery region too.
#[test]
fn a_bill_by_region_meets_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(&folder);
    let plan = plan(&scenario, &folder);
    let saved = folder.path().join("plan/plan.json").display().to_string();
    let month = plan.months[0].month;
    let mut sums: BTreeMap<(&str, &str, &str), rust_decimal::Decimal> = BTreeMap::new();
    let not_billed = ["AWSSupport", "Datadog", "GitHubActions", "Tax"];
    for entry in plan.entries.iter().filter(|entry| entry.month == month) {
        let (key, named) = (&entry.key, &*plan.price_of(entry).cost_explorer_service);
        if !not_billed.contains(&&*key.service) {
            let service = if named.is_empty() { &*key.service } else { named };
            *sums.entry((&entry.account, service, &key.region)).or_default() +=
                entry.cost.decimal();
        }
    }
    assert!(sums.keys().any(|(.., region)| *region == "us-west-2"), "{sums:?}");
    for by_service in [true, false] {
        let kept = folder.path().join(format!("kept-{by_service}")).display().to_string();
        let mut arguments = vec!["actuals".to_owned(), "import".into()];
        for account in ["production", "non-production"] {
            let billed = sums.iter().filter(|((of, ..), _)| *of == account);
            let path = folder.path().join(format!("{account}-{by_service}.bill"));
            let text = if by_service {
                let groups: Vec<serde_json::Value> = billed
                    .map(|((_, service, region), cost)| {
                        let amount = serde_json::json!({ "Amount": cost.to_string(), "Unit": "USD" });
                        serde_json::json!({ "Keys": [service, region], "Metrics": { "UnblendedCost": amount } })
                    })
                    .collect();
                let next = month.plus(1);
                serde_json::json!({
                    "GroupDefinitions": [{ "Type": "DIMENSION", "Key": "SERVICE" }, { "Type": "DIMENSION", "Key": "REGION" }],
                    "ResultsByTime": [{
                        "TimePeriod": { "Start": format!("{month}-01"), "End": format!("{next}-01") },
                        "Total": {}, "Groups": groups, "Estimated": false,
                    }],
                })
                .to_string()
            } else {
                let mut regions: BTreeMap<&str, rust_decimal::Decimal> = BTreeMap::new();
                for ((.., region), cost) in billed {
                    *regions.entry(region).or_default() += *cost;
                }
                let names: Vec<String> = regions.keys().map(|name| format!("{name}($)")).collect();
                let costs: Vec<String> = regions.values().map(ToString::to_string).collect();
                let total: rust_decimal::Decimal = regions.values().sum();
                format!(
                    "Region,{},Total costs($)\n{month}-01,{},{total}\n",
                    names.join(","),
                    costs.join(",")
                )
            };
            fs::write(&path, text).unwrap();
            arguments.push(path.display().to_string());
        }
        let ids = ["--account", "111111111111", "--account", "222222222222", "--actuals", &kept];
        arguments.extend(ids.map(str::to_owned));
        stdout(&runrate(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
        let text = stdout(&runrate(&["reconcile", &saved, "--actuals", &kept, "--format", "json"]));
        let done: serde_json::Value = serde_json::from_str(&text).unwrap();
        let cells = done["cells"].as_array().unwrap();
        assert!(cells.iter().any(|cell| cell["region"] == "us-west-2"), "{cells:?}");
        for cell in cells {
            let off = cell["variance"]["total"].as_str().unwrap().parse::<f64>().unwrap();
            assert!(cell["matched"] == "both" && off.abs() < 1e-6, "{cell}");
        }
    }
}

/// The example with account ids, nine months long.
fn scenario(folder: &TempDir) -> String {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/innovate.toml"))
            .unwrap()
            .replace("months = 24", "months = 9")
            .replace("[accounts.production]", "[accounts.production]\nid = \"111111111111\"")
            .replace(
                "[accounts.non-production]",
                "[accounts.non-production]\nid = \"222222222222\"",
            );
    let path = folder.path().join("scenario.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn plan(scenario: &str, folder: &TempDir) -> Plan {
    let out = folder.path().join("plan").display().to_string();
    stdout(&runrate(&["plan", "--trials", "1", scenario, "--out", &out]));
    store::load_plan(&folder.path().join("plan/plan.json")).unwrap()
}

/// A bill in the form of CUR 2.0 with everything the plan has, `factor` times the quantity of each line
/// at `rate` times its price, and rows of other kinds.
fn cur(plan: &Plan, factor: f64, rate: f64, others: &[(&str, &str)]) -> String {
    let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
    let book = store::load_prices(&manifest, None).unwrap();
    let mut text = "bill_billing_period_start_date,line_item_usage_account_id,line_item_line_item_type,line_item_product_code,product_region_code,line_item_usage_type,line_item_operation,line_item_usage_amount,line_item_unblended_cost,line_item_currency_code,line_item_usage_end_date\n".to_owned();
    for entry in &plan.entries {
        let key = &entry.key;
        if ["AWSSupport", "Datadog", "GitHubActions", "Tax"].contains(&&*key.service) {
            continue;
        }
        let id = if entry.account == "production" { "111111111111" } else { "222222222222" };
        let region = if key.region == "global" { "" } else { &key.region };
        // As a bill prints it, with the region's prefix.
        let printed = book
            .find(key)
            .map_or(String::new(), |ladder| ladder.rows[0].billed_usage_type().to_owned());
        let usage = if printed.is_empty() { &key.usage_type } else { &printed };
        let _ = writeln!(
            text,
            "{}-01T00:00:00Z,{id},Usage,{},{region},{usage},{},{},{:.15},USD,{}-28T00:00:00Z",
            entry.month,
            key.service,
            key.operation,
            entry.quantity.get() * factor,
            entry.cost.to_f64() * factor * rate,
            entry.month.plus(1)
        );
    }
    for (kind, cost) in others {
        let _ = writeln!(
            text,
            "2027-02-01T00:00:00Z,111111111111,{kind},AmazonEC2,us-east-1,,,,{cost},USD,2027-03-01T00:00:00Z"
        );
    }
    text
}

/// A bill that is the plan, a tenth more of everything at 5 % less: every cell is matched, the difference
/// is quantity +10 % and price −5.5 % of the plan, and the other kinds of rows make the bridge.
#[test]
fn a_bill_with_known_differences_is_explained_to_the_cent() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(&folder);
    let plan = plan(&scenario, &folder);
    let others = [
        ("Credit", "-120.5"),
        ("Refund", "-3.25"),
        ("Tax", "41.07"),
        ("EdpDiscount", "-33.1"),
        ("Fee", "2"),
        ("Mystery", "0.5"),
    ];
    let path = folder.path().join("cur.csv").display().to_string();
    let text = cur(&plan, 1.1, 0.95, &others);
    fs::write(&path, &text).unwrap();
    let output = runrate(&[
        "reconcile",
        &scenario,
        "--bill",
        &path,
        "--format",
        "json",
        "--fail-over",
        "4%",
    ]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("is off by 4.5 %, above --fail-over 4.0 %"), "{message}");
    let done: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let money = |value: &serde_json::Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let planned = money(&done["total"]["planned"]);
    let total = &done["total"]["variance"];
    assert!((money(&total["total"]) - 0.045 * planned).abs() < 0.005);
    assert!((money(&total["quantity"]) - 0.1 * planned).abs() < 0.005, "{total}");
    assert!((money(&total["price"]) + 0.055 * planned).abs() < 0.005, "{total}");
    assert!(money(&total["mix"]).abs() < 0.005, "{total}");
    for cell in done["cells"].as_array().unwrap() {
        assert_eq!(cell["matched"], "both", "{cell}");
    }
    for ((_, expected), name) in
        others.iter().zip(["credit", "refund", "tax", "discount", "fee", "unknown"])
    {
        let step = done["bridge"].as_array().unwrap().iter().find(|step| step["kind"] == name);
        assert_eq!(step.unwrap()["billed"], *expected, "{name}");
    }
    let discount = done["discount"].as_f64().unwrap();
    assert!((discount - 33.1 / (1.045 * planned)).abs() < 1e-6);
    assert_eq!(done["accuracy"]["level"], "run");
    the_same_from_the_folder(&folder, &text, &done);
}

/// The same through the folder, from a saved plan, compressed and in two parts.
fn the_same_from_the_folder(folder: &TempDir, text: &str, done: &serde_json::Value) {
    let kept = folder.path().join("kept").display().to_string();
    let lines: Vec<&str> = text.lines().collect();
    let parts: Vec<String> = lines[1..]
        .chunks(lines.len() / 2 + 1)
        .enumerate()
        .map(|(index, rows)| {
            let path = folder.path().join(format!("part{index}.csv.gz"));
            let file = fs::File::create(&path).unwrap();
            let mut zip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            zip.write_all(format!("{}\n{}\n", lines[0], rows.join("\n")).as_bytes()).unwrap();
            zip.finish().unwrap();
            path.display().to_string()
        })
        .collect();
    let imported = stdout(&runrate(&[
        "actuals",
        "import",
        &parts[0],
        &parts[1],
        "--actuals",
        &kept,
        "--format",
        "csv",
    ]));
    assert!(imported.contains(",credits,Credit,"), "{imported}");
    let saved = folder.path().join("plan/plan.json").display().to_string();
    let table = stdout(&runrate(&["reconcile", &saved, "--actuals", &kept]));
    for expected in
        ["4.5 %", "credits", "-$120.50", "rows of unknown kind", "FinOps Framework: run"]
    {
        assert!(table.contains(expected), "{expected} is not in {table}");
    }
    let again: serde_json::Value = serde_json::from_str(&stdout(&runrate(&[
        "reconcile",
        &saved,
        "--actuals",
        &kept,
        "--format",
        "json",
    ])))
    .unwrap();
    assert_eq!((&again["total"], &again["bridge"]), (&done["total"], &done["bridge"]));
    let (first, second) = (done["cells"].as_array().unwrap(), again["cells"].as_array().unwrap());
    for (one, other) in first.iter().zip(second) {
        assert_eq!(one, other);
    }
}

/// Bills that end early, that are missing, of other accounts, without a metric, in another currency.
#[test]
fn what_cannot_be_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(&folder);
    let plan = plan(&scenario, &folder);
    let path = folder.path().join("cur.csv").display().to_string();
    let early = cur(&plan, 1.0, 1.0, &[]).replace("2027-02-28T", "2027-01-17T");
    fs::write(&path, &early).unwrap();
    let bill = ["reconcile", scenario.as_str(), "--bill", path.as_str()];
    let with = |more: &[&'static str]| [&bill[..], more].concat();
    let first = stdout(&runrate(&with(&["--from", "2027-01"])));
    assert!(first.contains("2027-01 is skipped: the bill ends after day 16 of 31"), "{first}");
    refused(
        &with(&["--to", "2027-01"]),
        4,
        "no complete month to compare: the bill of 2027-01 ends before",
    );
    let days = stdout(&runrate(&with(&["--to", "2027-01", "--partial", "pro-rata"])));
    assert!(days.contains("16 of 31 days are billed"), "{days}");
    refused(&with(&["--from", "2028-01"]), 4, "have no month in common");
    refused(
        &with(&["--metric", "net-unblended"]),
        2,
        "has no NetUnblendedCost; it has UnblendedCost",
    );
    refused(
        &with(&["--fail-over", "lots"]),
        2,
        "expected a percentage from 0 to 10000, such as 15%",
    );
    for (from, to, code, expected) in [
        (",USD,", ",EUR,", 2, "is in EUR, but the plan is in USD"),
        ("111111111111", "999999999999", 0, ""),
    ] {
        fs::write(&path, early.replace(from, to)).unwrap();
        if code == 0 {
            let text = stdout(&runrate(&bill));
            assert!(
                text.contains("accounts of the bill that the plan does not have: 999999999999")
            );
        } else {
            refused(&bill, code, expected);
        }
    }
    let other = early.replace("111111111111", "9").replace("222222222222", "8");
    fs::write(&path, other).unwrap();
    refused(&bill, 2, "none of the bill's accounts (8, 9) is in the plan");
    fs::write(&path, "PK\u{3}\u{4}").unwrap();
    refused(&bill, 2, "is a zip archive; unpack it");
    refused(
        &["actuals", "import", &path, &path],
        2,
        "is given twice; its rows would be counted twice",
    );
    let nowhere = folder.path().join("nowhere").display().to_string();
    refused(&["reconcile", &scenario, "--actuals", &nowhere], 4, "no bills are stored here");
    refused(&["actuals", "list", "--actuals", &nowhere], 4, "no bills are stored here");
    refused(&["actuals", "import", &nowhere], 2, "no such file");
    // A bill read long ago is no answer.
    let kept = folder.path().join("kept");
    fs::write(&path, cur(&plan, 1.0, 1.0, &[])).unwrap();
    let folder_name = kept.display().to_string();
    stdout(&runrate(&["actuals", "import", &path, "--actuals", &folder_name, "--redact-accounts"]));
    let month = kept.join("2027-01.json");
    let text = fs::read_to_string(&month).unwrap();
    assert!(text.contains("\"account-") && !text.contains("111111111111"));
    for month in 1..=9 {
        let path = kept.join(format!("2027-0{month}.json"));
        let text = fs::read_to_string(&path).unwrap();
        let at = text.find("\"read_at\": \"").unwrap() + 12;
        fs::write(&path, format!("{}2020{}", &text[..at], &text[at + 4..])).unwrap();
    }
    refused(&["reconcile", &scenario, "--actuals", &folder_name], 4, "the newest bill was read");
    fs::write(&month, "{").unwrap();
    refused(
        &["actuals", "list", "--actuals", &folder_name],
        2,
        "2027-01.json: is not a month of a bill",
    );
}

/// A pseudonym is the account's in each file and run of one folder, and a scenario takes it as an id.
#[test]
fn a_redacted_account_keeps_its_pseudonym() {
    let folder = tempfile::tempdir().unwrap();
    let import = |name: &str, text: &str, kept: &str| {
        let path = folder.path().join(name).display().to_string();
        fs::write(&path, text).unwrap();
        let kept = folder.path().join(kept).display().to_string();
        let import = ["actuals", "import", &path, "--actuals", &kept, "--redact-accounts"];
        let output = runrate(&[&import[..], &["--format", "json"]].concat());
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        let bills: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let lines = bills[0]["lines"].as_array().unwrap().iter();
        let account = |line: &serde_json::Value| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            (text("service"), text("account"))
        };
        (lines.map(account).collect::<BTreeMap<String, String>>(), said)
    };
    let header = "month,account,service,cost\n";
    let both = "2027-02,111111111111,AmazonRDS,7\n2027-02,222222222222,AmazonEC2,100\n";
    let (first, said) =
        import("r1.csv", &format!("{header}2027-01,222222222222,AmazonEC2,100\n"), "a");
    assert!(said.contains("redaction.key"), "{said}");
    let (second, said) = import("r2.csv", &format!("{header}{both}"), "a");
    assert!(!said.contains("redaction.key"), "{said}");
    assert_eq!(first["AmazonEC2"], second["AmazonEC2"]);
    assert_ne!(second["AmazonRDS"], second["AmazonEC2"]);
    // Another folder has another key, and other pseudonyms.
    let (other, _) = import("r2.csv", &format!("{header}{both}"), "b");
    assert_ne!(other["AmazonEC2"], second["AmazonEC2"]);
    let example = fs::read_to_string(scenario(&folder)).unwrap();
    let named = example.replace("111111111111", &second["AmazonEC2"]);
    assert_ne!(named, example);
    let catalog = store::embedded_catalog().unwrap();
    runrate::intent::scenario::Scenario::parse("s.toml", &named, &catalog).unwrap();
    let numbered = named.replace(&second["AmazonEC2"], "account 1");
    let refusal =
        runrate::intent::scenario::Scenario::parse("s.toml", &numbered, &catalog).unwrap_err();
    assert!(refusal.to_string().contains("\"account 1\" is not an account id; give 12 digits"));
    // A swapped column is refused: amounts are not replaced.
    let path = folder.path().join("swapped.csv").display().to_string();
    fs::write(&path, format!("{header}2027-03,222222222222,AmazonEC2,222222222222\n")).unwrap();
    let kept = folder.path().join("a").display().to_string();
    let import = ["actuals", "import", &path, "--actuals", &kept, "--redact-accounts"];
    refused(&import, 2, "an amount of the bill is the id of one of its accounts");
    assert!(!Path::new(&kept).join("2027-03.json").exists());
    // What was imported without the flag is named.
    fs::write(&path, format!("{header}2027-03,222222222222,AmazonEC2,2\n")).unwrap();
    stdout(&runrate(&import[..5]));
    fs::write(&path, format!("{header}2027-04,222222222222,AmazonEC2,2\n")).unwrap();
    let said = String::from_utf8(runrate(&import).stderr).unwrap();
    assert!(said.contains("still shows account ids in 2027-03;"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let key = fs::metadata(Path::new(&kept).join("redaction.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
}

/// Columns of the formats: texts, then what must be a number.
const COLUMNS: [(&str, &str); 4] = [
    (
        "line_item_usage_account_id,bill_billing_period_start_date,line_item_usage_end_date,\
         line_item_line_item_type,line_item_product_code,product_region_code,line_item_usage_type,\
         line_item_operation,pricing_unit,line_item_currency_code,bill_billing_entity,line_item_resource_id,\
         resource_tags",
        "line_item_usage_amount,line_item_unblended_cost,line_item_net_unblended_cost,pricing_public_on_demand_cost",
    ),
    (
        "lineItem/UsageAccountId,bill/BillingPeriodStartDate,lineItem/UsageEndDate,lineItem/LineItemType,\
         lineItem/ProductCode,product/region,lineItem/UsageType,lineItem/Operation,pricing/unit,\
         lineItem/CurrencyCode,lineItem/ResourceId,resourceTags/user:name,lineItem/LineItemDescription",
        "lineItem/UsageAmount,lineItem/UnblendedCost,reservation/EffectiveCost",
    ),
    (
        "SubAccountId,BillingPeriodStart,ChargePeriodEnd,x_LineItemType,ChargeCategory,x_ServiceCode,RegionId,\
         x_UsageType,x_Operation,ConsumedUnit,BillingCurrency,CommitmentDiscountId,ProviderName,PublisherName,\
         ResourceId,Tags",
        "ConsumedQuantity,BilledCost,EffectiveCost,ListCost",
    ),
    (
        "account,month,record_type,service,region,usage_type,operation,unit,currency,tag",
        "quantity,cost,amortized_cost,net_cost,list_cost",
    ),
];

/// Bills with ids in every column, whole and broken: no id is in anything that a redacted import prints or writes.
#[test]
fn no_account_id_is_in_what_a_redacted_import_prints_or_writes() {
    let tries: u64 = std::env::var("RUNRATE_LAWS").map_or(60, |count| count.parse().unwrap());
    let [mut imported, mut skipped, mut refusals] = [0_u64; 3];
    for seed in 0..tries {
        let mut dice = support::generate::Dice::new(seed);
        let dice = &mut dice;
        let ids: Vec<String> =
            (0..4).map(|_| format!("{:012}", dice.below(1_000_000_000_000))).collect();
        let pick = |dice: &mut support::generate::Dice| ids[dice.below(4) as usize].clone();
        let (texts, figures) = COLUMNS[dice.below(4) as usize];
        let (texts, figures): (Vec<&str>, Vec<&str>) =
            (texts.split(',').collect(), figures.split(',').collect());
        let mut header: Vec<String> =
            texts.iter().chain(&figures).map(|name| (*name).to_owned()).collect();
        if dice.chance(10) {
            let place = dice.below(header.len() as u64) as usize;
            header[place] = format!("{}:{}", header[place], pick(dice));
        }
        header.push(format!("tag {}", pick(dice)));
        let mut text = header.join(",") + "\n";
        // One currency, unless that is what is wrong.
        let currency = dice.chance(20).then(|| pick(dice));
        let stray = dice.chance(60);
        for _ in 0..12 {
            let mut row = Vec::new();
            for (place, name) in texts.iter().enumerate() {
                let id = pick(dice);
                let arn = format!("arn:aws:ec2:us-east-1:{id}:instance/i-{}", dice.below(99));
                let dashed = format!("{}-{}-{}", &id[..4], &id[4..8], &id[8..]);
                let name = name.to_lowercase();
                row.push(match place {
                    0 => id,
                    1 if stray && dice.chance(15) => arn,
                    1 => "2027-03".into(),
                    _ if name.contains("end") && stray && dice.chance(30) => arn,
                    _ if name.contains("end") => "2027-03-09T00:00:00Z".into(),
                    _ if name.contains("currency") && dice.chance(3) => arn,
                    _ if name.contains("currency") => {
                        currency.clone().unwrap_or_else(|| "USD".into())
                    }
                    _ => match dice.below(5) {
                        0 => id,
                        1 => arn,
                        2 => dashed,
                        // Beside other digits.
                        3 => format!("7{}{id}", pick(dice)),
                        _ => format!("costs of {id}é{id}"),
                    },
                });
            }
            for _ in &figures {
                let id = pick(dice);
                row.push(match dice.below(if stray { 20 } else { 1 }) {
                    19 => String::new(),
                    18 => format!("USD {id}"),
                    _ => format!("{}", dice.between(0.0, 90.0)),
                });
            }
            row.push(pick(dice));
            if dice.chance(3) {
                row.push(pick(dice));
            }
            text += &(row.join(",") + "\n");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("bill-{}.csv", pick(dice))).display().to_string();
        fs::write(&path, text).unwrap();
        let kept = folder.path().join("kept");
        let kept_name = kept.display().to_string();
        let format = dice.pick(&["table", "json", "csv"]);
        let mut import = vec!["actuals", "import", &path, "--actuals", &kept_name];
        import.extend(["--redact-accounts", "--max-skipped", "100%", "--format", format]);
        let account = pick(dice);
        if dice.chance(10) {
            import.extend(["--account", &account]);
        }
        let mut outputs = vec![runrate(&import), runrate(&import)];
        let code = outputs[0].status.code();
        assert!(code == Some(0) || code == Some(2), "seed {seed}: {code:?}");
        if code == Some(0) {
            imported += 1;
            outputs.push(runrate(&[
                "actuals",
                "list",
                "--actuals",
                &kept_name,
                "--format",
                format,
            ]));
        } else {
            refusals += 1;
        }
        let mut written: Vec<Vec<u8>> = Vec::new();
        for output in outputs {
            written.extend([output.stdout, output.stderr]);
        }
        for entry in fs::read_dir(&kept).into_iter().flatten() {
            let path = entry.unwrap().path();
            written.push(path.file_name().unwrap().as_encoded_bytes().to_vec());
            written.push(fs::read(path).unwrap());
        }
        for bytes in written {
            let text = String::from_utf8(bytes).unwrap();
            skipped += u64::from(text.contains("Skipped rows") || text.contains("\"reason\""));
            for id in &ids {
                let dashed = format!("{}-{}-{}", &id[..4], &id[4..8], &id[8..]);
                let leaks = text.contains(id.as_str()) || text.contains(&dashed);
                assert!(!leaks, "seed {seed}: {id} is in {text}");
            }
        }
    }
    // The bills are of all sorts, or nothing was tried.
    assert!(imported > tries / 4 && skipped > 0 && refusals > 0, "{imported} {skipped} {refusals}");
}

/// Bills of the example with other coefficients: response sizes ×1.3, pages per query ×0.8, logs ×1.5, and
/// one month of logs gone wild. Calibration of the example itself finds them within its own uncertainty,
/// names the odd month, and halves the error on months it did not see.
#[test]
fn calibration_recovers_known_coefficients() {
    let folder = tempfile::tempdir().unwrap();
    let example = scenario(&folder);
    let text = fs::read_to_string(&example).unwrap();
    let truth = text
        .replace("response_kib = { low = 4, mid = 6, high = 11 }\n", "response_kib = 7.8\n")
        .replace("response_kib = 60\n", "response_kib = 78\n")
        .replace("pages_per_query = 12", "pages_per_query = 9.6")
        .replace("log_gb_per_month = 8 ", "log_gb_per_month = 12 ");
    let other = folder.path().join("truth");
    fs::create_dir(&other).unwrap();
    let path = other.join("scenario.toml").display().to_string();
    fs::write(&path, truth).unwrap();
    let out = other.join("plan").display().to_string();
    stdout(&runrate(&["plan", "--trials", "1", &path, "--out", &out]));
    let plan = store::load_plan(&other.join("plan/plan.json")).unwrap();
    let wild: String = cur(&plan, 1.0, 1.0, &[])
        .lines()
        .map(|line| {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            if line.starts_with("2027-03") && cells[3] == "AmazonCloudWatch" {
                cells[7] = format!("{}", cells[7].parse::<f64>().unwrap() * 40.0);
            }
            cells.join(",") + "\n"
        })
        .collect();
    let bill = folder.path().join("cur.csv").display().to_string();
    fs::write(&bill, wild).unwrap();
    let new = folder.path().join("new.toml").display().to_string();
    let arguments = [
        "calibrate",
        &example,
        "--bill",
        &bill,
        "--out",
        &new,
        "--format",
        "json",
        "--hold-out",
        "2",
    ];
    let done: serde_json::Value = serde_json::from_str(&stdout(&runrate(&arguments))).unwrap();
    let fitted = |name: &str| {
        let all = done["coefficients"].as_array().unwrap();
        all.iter().find(|fitted| fitted["name"] == name).unwrap().clone()
    };
    for (name, factor) in [("response size", 1.3), ("I/O per query", 0.8), ("log bytes", 1.5)] {
        let fitted = fitted(name);
        let found = fitted["factor"].as_f64().unwrap();
        let off = (found - factor).abs();
        assert!(off <= fitted["uncertainty"].as_f64().unwrap() + 0.005 * factor, "{fitted}");
    }
    assert_eq!(fitted("log bytes")["outliers"], serde_json::json!(["2027-03"]));
    // The example begins on its baseline nodes alone: CPU shows in too few months to be known.
    let why = fitted("CPU per request")["left_alone"].clone();
    assert!(
        why.as_str().is_some_and(|why| why.contains("its meters are billed and change with it")),
        "{why}"
    );
    let (before, after) =
        (done["error_before"].as_f64().unwrap(), done["error_after"].as_f64().unwrap());
    assert!(after < 0.2 * before, "{before} {after}");
    let written = fs::read_to_string(&new).unwrap();
    assert!(written.starts_with("# Calibrated to bills of 2027-01 to 2027-07"));
    assert!(
        written.contains("cpu_ms_per_request = { low = 25, mid = 35, high = 60 }")
            && written.contains("# Python, ORM and JSON")
    );
    assert!(written.contains("log_gb_per_month = 12"), "{written}");
    stdout(&runrate(&["plan", "--trials", "1", &new]));
    // Too few months, and none.
    refused(
        &["calibrate", &example, "--bill", &bill, "--hold-out", "7"],
        4,
        "9 whole months are billed and 7 of them are held out; the fit needs 3",
    );
    let table = stdout(&runrate(&["calibrate", &example, "--bill", &bill]));
    assert!(table.contains("Error on the months held out"), "{table}");
}

/// The example against bills that are its plan: it is right to the cent, the naive forecasts are not, and
/// the same command says the same twice. With four months there is one origin, at which it is calibrated.
#[test]
fn a_backtest_is_reproducible_and_shows_every_method() {
    let folder = tempfile::tempdir().unwrap();
    let example = scenario(&folder);
    let plan = plan(&example, &folder);
    let text = cur(&plan, 1.0, 1.0, &[]);
    let path = folder.path().join("cur.csv").display().to_string();
    fs::write(&path, &text).unwrap();
    let arguments =
        ["backtest", &example, "--bill", &path, "--as-it-is", "--horizon", "3", "--format", "json"];
    let first = stdout(&runrate(&arguments));
    assert_eq!(first, stdout(&runrate(&arguments)));
    let done: serde_json::Value = serde_json::from_str(&first).unwrap();
    let score = |method: &str| {
        let all = done["scores"].as_array().unwrap();
        all.iter().find(|s| s["method"] == method && s["horizon"].is_null()).unwrap().clone()
    };
    assert!(score("runrate")["wape"].as_f64().unwrap() < 1e-9, "{}", score("runrate"));
    assert_eq!(score("runrate")["coverage"], 1.0);
    // Growth is exponential: the last month is far too low, a straight line less so.
    let (last, trend) = (score("last month"), score("last month + trend"));
    assert!(last["bias"].as_f64().unwrap() < trend["bias"].as_f64().unwrap());
    assert!(trend["bias"].as_f64().unwrap() < 0.0, "{trend}");
    // Six origins of two accounts, three months ahead where they are billed.
    assert_eq!(last["guesses"], 2 * (3 * 4 + 2 + 1));
    assert!(first.contains("no forecast of AWS's own was pulled"));
    let early = |line: &&str| line.starts_with("bill_") || line[..7] <= *"2027-04";
    let few: Vec<&str> = text.lines().filter(early).collect();
    fs::write(&path, few.join("\n")).unwrap();
    let table = stdout(&runrate(&["backtest", &example, "--bill", &path]));
    assert!(table.contains("runrate") && table.contains("last month + trend"), "{table}");
    let guesses =
        stdout(&runrate(&["backtest", &example, "--bill", &path, "--as-it-is", "--format", "csv"]));
    assert!(guesses.starts_with("account,origin,month,horizon,method,forecast_usd"));
    let one: Vec<&str> = text.lines().take(2).collect();
    fs::write(&path, one.join("\n")).unwrap();
    refused(
        &["backtest", &example, "--bill", &path],
        4,
        "1 consecutive whole months are billed; a backtest needs 4",
    );
}

/// Two nodes of m7g.large under a Compute Savings Plan that is larger than they are, and its bill in the form of
/// CUR 2.0: covered hours with their negation, the fee, the upfront half in the first month, and support in a row
/// of type `Fee`.
fn committed_bill(plan: &Plan) -> String {
    let mut text = "bill_billing_period_start_date,line_item_usage_account_id,line_item_line_item_type,line_item_product_code,product_region_code,line_item_usage_type,line_item_operation,line_item_usage_amount,line_item_unblended_cost,line_item_currency_code,line_item_usage_end_date,savings_plan_savings_plan_effective_cost,savings_plan_total_commitment_to_date,savings_plan_used_commitment\n".to_owned();
    let mut row = |month: &Month,
                   kind: &str,
                   meter: [&str; 3],
                   quantity: f64,
                   cost: f64,
                   plan: [f64; 3]| {
        let next = month.plus(1);
        let [service, usage_type, operation] = meter;
        let [effective, commitment, used] = plan;
        let region = if service == "ComputeSavingsPlans" { "" } else { "us-east-1" };
        let _ = writeln!(
            text,
            "{month}-01T00:00:00Z,111111111111,{kind},{service},{region},{usage_type},{operation},{quantity},{cost:.12},USD,{next}-01T00:00:00Z,{effective:.12},{commitment:.12},{used:.12}"
        );
    };
    for entry in &plan.entries {
        let (month, key) = (entry.month, &entry.key);
        let (quantity, cost) = (entry.quantity.get(), entry.cost.to_f64());
        let meter = [&*key.service, &*key.usage_type, "RunInstances"];
        match (&*key.service, &*key.operation) {
            ("ComputeSavingsPlans", _) => {}
            (_, "SavingsPlanCoveredUsage") => {
                let own = plan.commitments[0].months.iter().find(|own| own.month == entry.month);
                let on_demand = own.unwrap().on_demand.to_f64();
                row(
                    &month,
                    "SavingsPlanCoveredUsage",
                    meter,
                    quantity,
                    on_demand,
                    [cost, 0.0, 0.0],
                );
                row(&month, "SavingsPlanNegation", meter, quantity, -on_demand, [0.0; 3]);
            }
            (_, operation) => {
                let meter = [meter[0], meter[1], operation];
                row(&month, "Usage", meter, quantity, cost, [0.0; 3]);
            }
        }
    }
    for (index, own) in plan.commitments[0].months.iter().enumerate() {
        let month = own.month;
        let meter = ["ComputeSavingsPlans", "ComputeSP:1yrPartialUpfront", ""];
        let (fee, used) = (own.fee.to_f64(), own.used.to_f64());
        row(&month, "SavingsPlanRecurringFee", meter, 744.0, fee / 2.0, [0.0, fee, used]);
        if index == 0 {
            let upfront = own.cash.to_f64() - fee / 2.0;
            row(&month, "SavingsPlanUpfrontFee", meter, 1.0, upfront, [0.0; 3]);
        }
        row(&month, "Fee", ["AWSSupportBusiness", "Dollar", ""], 100.0, 50.0, [0.0; 3]);
    }
    text
}

/// The plan is amortized: an amortized bill meets it as it is, and an unblended one as paid. Nothing differs, the
/// fees of both meet in a line of the bridge although the bill's have no region, and support is support.
#[test]
fn a_plan_with_commitments_meets_its_bill_either_way() {
    let folder = tempfile::tempdir().unwrap();
    let text = support::base("2027-01", 2, 1000)
        .replace("[accounts.production]", "[accounts.production]\nid = \"111111111111\"")
        + "[alb]\n[[commitments]]\nname = \"nodes\"\nkind = \"compute-savings-plan\"\naccount = \"production\"\n\
           start = \"2027-01\"\nterm = \"1yr\"\npayment = \"partial-upfront\"\nusd_per_hour = 0.15\ndiscount_percent = 30\n";
    let scenario = folder.path().join("s.toml").display().to_string();
    fs::write(&scenario, &text).unwrap();
    let bill = folder.path().join("cur.csv").display().to_string();
    fs::write(&bill, committed_bill(&support::plan(&text).unwrap())).unwrap();
    for (metric, name, basis) in
        [(None, "AmortizedCost", "amortized"), (Some("unblended"), "UnblendedCost", "as paid")]
    {
        let mut arguments = vec!["reconcile", &*scenario, "--bill", &*bill, "--format", "json"];
        arguments.extend(metric.iter().flat_map(|metric| ["--metric", *metric]));
        let done: serde_json::Value = serde_json::from_str(&stdout(&runrate(&arguments))).unwrap();
        assert_eq!((&done["metric"], &done["basis"]), (&name.into(), &basis.into()));
        let money = |value: &serde_json::Value| value.as_str().unwrap().parse::<f64>().unwrap();
        for (part, amount) in done["total"]["variance"].as_object().unwrap() {
            assert!(money(amount).abs() < 1e-6, "{name} {part}: {amount}\n{done:#}");
        }
        let steps = done["bridge"].as_array().unwrap();
        let step = |name: &str| steps.iter().find(|step| step["name"] == name).unwrap();
        let fees = step("commitment fees");
        assert!(money(&fees["billed"]) > 20.0, "{fees}");
        assert!((money(&fees["billed"]) - money(&fees["planned"])).abs() < 1e-6, "{fees}");
        assert_eq!(step("support")["billed"], "100");
        let fee_cells = done["cells"].as_array().unwrap().iter();
        let mut fee_cells = fee_cells.filter(|cell| cell["service"] == "commitment fees");
        assert!(fee_cells.all(|cell| cell["matched"] == "both"), "{done:#}");
    }
    // Of half a month: the whole upfront fee, and the recurring fee by days.
    let plan = support::plan(&text).unwrap();
    let paid = &plan.commitments[0].months[0];
    let half = committed_bill(&plan).replace("USD,2027-02-01", "USD,2027-01-16");
    let half_path = folder.path().join("half.csv").display().to_string();
    fs::write(&half_path, half).unwrap();
    let arguments = ["reconcile", &*scenario, "--bill", &half_path, "--metric", "unblended"];
    let more = ["--partial", "pro-rata", "--to", "2027-01", "--format", "json"];
    let done: serde_json::Value =
        serde_json::from_str(&stdout(&runrate(&[&arguments[..], &more].concat()))).unwrap();
    let mut steps = done["bridge"].as_array().unwrap().iter();
    let fees = steps.find(|step| step["name"] == "commitment fees").unwrap();
    let (recurring, cash) = (paid.fee.to_f64() / 2.0, paid.cash.to_f64());
    let expected = cash - recurring + recurring * 15.0 / 31.0;
    let planned = fees["planned"].as_str().unwrap().parse::<f64>().unwrap();
    assert!(cash > 600.0 && (planned - expected).abs() < 1e-6, "{planned} for {expected}");
    let table = stdout(&runrate(&["reconcile", &scenario, "--bill", &bill]));
    assert!(table.contains("Planned (amortized) against billed (AmortizedCost)"), "{table}");
}

/// A file of which most rows are unusable is no bill: nothing is imported, and the reasons are grouped.
#[test]
fn a_file_with_too_many_unusable_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.csv").display().to_string();
    let mut rows = String::from("month,account,service,cost\n2027-09,1,AmazonEC2,5\n");
    for row in 0..99 {
        writeln!(rows, "2027-09,1,AmazonEC2,\"$1,00{row}.00\"").unwrap();
    }
    fs::write(&file, rows).unwrap();
    let kept = folder.path().join("kept").display().to_string();
    let import = ["actuals", "import", &file, "--actuals", &kept];
    refused(&import, 2, "99.0 % of the rows are unusable (limit 10.0 %): 99 × cost");
    assert!(!Path::new(&kept).exists());
    let accepted = stdout(&runrate(&[&import[..], &["--max-skipped", "99%"]].concat()));
    assert_eq!(accepted.matches("is not a number").count(), 1, "{accepted}");
}

/// A few kilobytes that unpack to gigabytes end at a bound.
#[test]
fn archives_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let pack = |name: &str, text: &[u8], times: usize| {
        let path = folder.path().join(name);
        let file = fs::File::create(&path).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        for _ in 0..times {
            packed.write_all(text).unwrap();
        }
        packed.finish().unwrap();
        path.display().to_string()
    };
    let commas = pack("commas.csv.gz", &vec![b','; 1 << 16], 100);
    refused(&["actuals", "import", &commas], 2, "commas.csv.gz:1: the record that begins here");
    let mut wide = vec![b' '; 1 << 16];
    *wide.last_mut().unwrap() = b'\n';
    let blank = pack("blank.csv.gz", &[b"month,account,service,cost\n", &wide[..]].concat(), 1100);
    refused(&["actuals", "import", &blank], 2, "unpacks to more than 200 times its size");
}

/// Bills come through pipes too.
#[test]
#[cfg(unix)]
fn a_bill_is_read_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = assert_cmd::Command::cargo_bin("runrate").unwrap();
    let output = command
        .args(["actuals", "import", "/dev/stdin", "--actuals"])
        .arg(folder.path().join("kept"))
        .write_stdin("month,account,service,cost\n2027-02,a,S,1.5\n")
        .output()
        .unwrap();
    assert!(stdout(&output).contains("1.50"));
}
