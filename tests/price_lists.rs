//! `runrate prices refresh` on files with the headers of AWS's own: reservations, Savings Plans, and what the bulk files and
//! the Price List API write differently.
#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write as _,
    fs,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    price_list::{refresh_command, shown},
    support::{
        server::{Act, Server},
        stdout,
    },
};

const VERSION: &str = "20270301120000";
/// Header of the list of EC2, version 20250912225308, as far as the terms and the columns that rows are chosen by.
const EC2: &str = r#""SKU","OfferTermCode","RateCode","TermType","PriceDescription","EffectiveDate","StartingRange","EndingRange","Unit","PricePerUnit","Currency","RelatedTo","LeaseContractLength","PurchaseOption","OfferingClass","Product Family","serviceCode","Location","Location Type","Instance Type","Current Generation","Instance Family","vCPU","Tenancy","Operating System","License Model","usageType","operation","CapacityStatus","Pre Installed S/W","Region Code","serviceName""#;
/// Header of the list of RDS, version 20260428170746, cut in the same way.
const RDS: &str = r#""SKU","OfferTermCode","RateCode","TermType","PriceDescription","EffectiveDate","StartingRange","EndingRange","Unit","PricePerUnit","Currency","RelatedTo","LeaseContractLength","PurchaseOption","OfferingClass","Product Family","serviceCode","Location","Location Type","Instance Type","Current Generation","Instance Family","vCPU","Engine Code","Database Engine","Database Edition","License Model","Deployment Option","usageType","operation","Normalization Size Factor","Region Code","serviceName""#;
/// Header of the lists of Savings Plans, with its comma at the end.
const PLANS: &str = "SKU,RateCode,Unit,EffectiveDate,DiscountedRate,Currency,DiscountedSKU,DiscountedServiceCode,DiscountedUsageType,DiscountedOperation,PurchaseOption,LeaseContractLength,LeaseContractLengthUnit,ServiceCode,UsageType,Operation,";
/// Header of the list of data transfer.
const TRANSFER: &str = r#""SKU","OfferTermCode","RateCode","TermType","PriceDescription","EffectiveDate","StartingRange","EndingRange","Unit","PricePerUnit","Currency","Product Family","serviceCode","Transfer Type","From Location","From Location Type","To Location","To Location Type","usageType","operation","From Region Code","serviceName","To Region Code""#;

/// A list under a real header; a row gives the columns that it does not leave empty.
fn list(code: &str, header: &str, rows: &[&[(&str, &str)]]) -> String {
    let names: Vec<&str> = header.split(',').map(|name| name.trim_matches('"')).collect();
    let mut text = format!(
        "\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"This pricing list is for informational purposes only. All prices are subject to the terms.\"\n\"Publication Date\",\"2027-03-01T12:00:00Z\"\n\"Version\",\"{VERSION}\"\n\"OfferCode\",\"{code}\"\n{header}\n"
    );
    for row in rows {
        assert!(row.iter().all(|(name, _)| names.contains(name)), "{row:?}");
        let given = |name: &&str| row.iter().find(|(own, _)| own == name).map_or("", |own| own.1);
        let cells: Vec<String> = names
            .iter()
            .map(|name| match *name {
                "TermType" if given(name).is_empty() => "OnDemand",
                "EffectiveDate" if given(name).is_empty() => "2020-01-01",
                "StartingRange" if given(name).is_empty() => "0",
                "EndingRange" if given(name).is_empty() => "Inf",
                "Currency" => "USD",
                _ => given(name),
            })
            .map(|cell| if cell.is_empty() { String::new() } else { format!("\"{cell}\"") })
            .collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

/// Rows of one SKU: on demand, and its reservations as (length, option, class, fee, hourly).
fn sku<'a>(
    own: &[(&'a str, &'a str)],
    price: &'a str,
    reserved: &[[&'a str; 5]],
) -> Vec<Vec<(&'a str, &'a str)>> {
    let with = |more: &[(&'a str, &'a str)]| [own, more].concat();
    let mut rows = vec![with(&[("Unit", "Hrs"), ("PricePerUnit", price)])];
    for [length, option, class, fee, hourly] in reserved {
        for (unit, price) in [("Quantity", fee), ("Hrs", hourly)] {
            if price.is_empty() {
                continue;
            }
            rows.push(with(&[
                ("TermType", "Reserved"),
                ("OfferTermCode", length),
                ("LeaseContractLength", length),
                ("PurchaseOption", option),
                ("OfferingClass", class),
                ("Unit", unit),
                ("PricePerUnit", price),
            ]));
        }
    }
    rows
}

fn borrowed<'a>(rows: &'a [Vec<(&'a str, &'a str)>]) -> Vec<&'a [(&'a str, &'a str)]> {
    rows.iter().map(Vec::as_slice).collect()
}

/// m7g.large in Frankfurt with six reservations, Windows beside it, and credits that two systems pay differently.
fn ec2() -> String {
    let own = |sku: &'static str, usage: &'static str, system: &'static str, operation| {
        vec![
            ("SKU", sku),
            ("Instance Type", "m7g.large"),
            ("Operating System", system),
            ("Pre Installed S/W", "NA"),
            ("usageType", usage),
            ("operation", operation),
            ("Region Code", "eu-central-1"),
        ]
    };
    let linux = own("LIN", "EUC1-BoxUsage:m7g.large", "Linux", "RunInstances");
    let windows = own("WIN", "EUC1-BoxUsage:m7g.large", "Windows", "RunInstances:0002");
    let mut rows = sku(
        &linux,
        "0.0978",
        &[
            ["1yr", "No Upfront", "standard", "", "0.0647"],
            ["1yr", "Partial Upfront", "standard", "270", "0.0308"],
            ["1yr", "All Upfront", "standard", "529", "0"],
            ["3yr", "All Upfront", "standard", "1029", "0"],
            ["1yr", "No Upfront", "convertible", "", "0.0744"],
            ["3yr", "Partial Upfront", "convertible", "630", "0.024"],
            ["1yr", "Heavy Utilization", "standard", "77", "0.01"],
        ],
    );
    rows.extend(sku(&windows, "0.19", &[["1yr", "No Upfront", "standard", "", "0.15"]]));
    let linux = own("CL", "EUC1-CPUCredits:t3", "Linux", "");
    let windows = own("CW", "EUC1-CPUCredits:t3", "Windows", "");
    rows.extend(sku(&linux, "0.051", &[]));
    rows.extend(sku(&windows, "0.096", &[]));
    // A reservation whose price is to come.
    rows.push(
        [
            &own("LIN", "EUC1-BoxUsage:m7g.large", "Linux", "RunInstances")[..],
            &[
                ("TermType", "Reserved"),
                ("OfferTermCode", "1yr"),
                ("EffectiveDate", "2999-01-01T00:00:00Z"),
                ("LeaseContractLength", "1yr"),
                ("PurchaseOption", "No Upfront"),
                ("OfferingClass", "standard"),
                ("Unit", "Hrs"),
                ("PricePerUnit", "9"),
            ],
        ]
        .concat(),
    );
    list("AmazonEC2", EC2, &borrowed(&rows))
}

/// db.r6g.xlarge of Aurora `PostgreSQL`, whose usage type is cut, and of another engine with the same usage type.
fn rds() -> String {
    let own = |sku: &'static str, engine: &'static str, operation: &'static str| {
        [
            ("SKU", sku),
            ("Instance Type", "db.r6g.xlarge"),
            ("Database Engine", engine),
            ("usageType", "EUC1-InstanceUsage:db.r6g.xl"),
            ("operation", operation),
            ("Region Code", "eu-central-1"),
        ]
    };
    let mut rows = sku(
        &own("PG", "Aurora PostgreSQL", "CreateDBInstance:0021"),
        "0.6",
        &[
            ["1yr", "No Upfront", "standard", "", "0.4"],
            ["1yr", "All Upfront", "standard", "3300", "0"],
            ["3yr", "Partial Upfront", "standard", "3154", "0.12"],
        ],
    );
    rows.extend(sku(
        &own("MY", "MySQL", "CreateDBInstance:0002"),
        "0.5",
        &[["1yr", "No Upfront", "standard", "", "0.3"]],
    ));
    list("AmazonRDS", RDS, &borrowed(&rows))
}

fn plans(rows: &[[&str; 7]]) -> String {
    let mut text = format!(
        "FormatVersion,v1.0\nPublication Date,2027-03-01T12:00:00Z\nVersion,{VERSION}\n{PLANS}\n"
    );
    for [sku, rate, usage, operation, option, years, plan] in rows {
        let _ = writeln!(
            text,
            "{sku},{sku}.X,Hrs,2026-01-01,{rate},USD,D{sku},S,{usage},{operation},{option},{years},year,P,{plan},,"
        );
    }
    text
}

fn compute() -> String {
    let usage = "EUC1-BoxUsage:m7g.large";
    plans(&[
        ["A", "0.0711", usage, "RunInstances", "No Upfront", "1", "ComputeSP:1yrNoUpfront"],
        ["B", "0.05", usage, "RunInstances", "All Upfront", "3", "ComputeSP:3yrAllUpfront"],
        ["C", "0.062", usage, "RunInstances", "No Upfront", "1", "EUC1-EC2SP:m7g.1yrNoUpfront"],
        ["D", "0.18", usage, "RunInstances:0002", "No Upfront", "1", "ComputeSP:1yrNoUpfront"],
        [
            "E",
            "0.04",
            "EUC1-Fargate-vCPU-Hours:perCPU",
            "",
            "No Upfront",
            "1",
            "ComputeSP:1yrNoUpfront",
        ],
    ])
}

fn database() -> String {
    let (plan, postgres) = ("DatabaseSP:1yrNoUpfront", "CreateDBInstance:0021");
    plans(&[
        ["F", "0.24", "EUC1-InstanceUsage:db.r8g.large", postgres, "No Upfront", "1", plan],
        ["G", "0.48", "EUC1-InstanceUsage:db.r8g.xl", postgres, "No Upfront", "1", plan],
        ["H", "0.098", "EUC1-Aurora:ServerlessV2Usage", postgres, "No Upfront", "1", plan],
        [
            "I",
            "0.2",
            "EUC1-InstanceUsage:db.r8g.large",
            "CreateDBInstance:0002",
            "No Upfront",
            "1",
            plan,
        ],
    ])
}

fn transfer() -> String {
    let row = |sku, usage, from, price| {
        [
            ("SKU", sku),
            ("usageType", usage),
            ("From Region Code", from),
            ("Unit", "GB"),
            ("PricePerUnit", price),
        ]
    };
    let rows = [
        row("T1", "EUC1-AFS1-AWS-Out-Bytes", "eu-central-1", "0.147"),
        row("T2", "AFS1-EUC1-AWS-Out-Bytes", "af-south-1", "0.154"),
        row("T3", "EUC1-AFS1-AWS-In-Bytes", "af-south-1", "0"),
    ];
    let rows: Vec<&[(&str, &str)]> = rows.iter().map(<[_; 5]>::as_slice).collect();
    list("AWSDataTransfer", TRANSFER, &rows)
}

/// The bulk files of a region.
fn bulk(region: &'static str) -> impl Fn(&str, &Value, usize) -> Act + Send + Sync {
    move |path, _, _| {
        let files: [(&str, String); 4] = [
            ("AmazonEC2", ec2()),
            ("AmazonRDS", rds()),
            ("AWSDataTransfer", transfer()),
            // A certificate of the list that the code does not name.
            ("ACM", list("ACM", EC2, &[])),
        ];
        for (code, text) in files {
            let folder = format!("/offers/v1.0/aws/{code}");
            if path == format!("{folder}/current/region_index.json") {
                let url = format!("{folder}/{VERSION}/{region}/index.json");
                let listed = json!({ region: { "regionCode": region, "currentVersionUrl": url } });
                let index = json!({ "formatVersion": "v1.0", "regions": listed });
                return Act::Answer(200, index.to_string());
            }
            if path == format!("{folder}/{VERSION}/{region}/index.csv") {
                return Act::Answer(200, text);
            }
        }
        let plans = [("AWSComputeSavingsPlan", compute()), ("AWSDatabaseSavingsPlans", database())];
        for (code, text) in plans {
            let folder = format!("/savingsPlan/v1.0/aws/{code}");
            if path == format!("{folder}/current/region_index.json") {
                let url = format!("{folder}/{VERSION}/{region}/index.json");
                let regions = json!([{ "regionCode": region, "versionUrl": url }]);
                return Act::Answer(200, json!({ "regions": regions }).to_string());
            }
            if path == format!("{folder}/{VERSION}/{region}/index.csv") {
                return Act::Answer(200, text);
            }
        }
        Act::Answer(403, "<Error><Code>AccessDenied</Code></Error>".into())
    }
}

/// Refreshes a region in place of the helper's own.
fn refresh(folder: &TempDir, url: &str, region: &str, more: &[&str]) -> Output {
    let model = refresh_command(folder, url, more);
    let mut command = std::process::Command::new(model.get_program());
    let own = model.get_args().map(|word| if word == "us-east-1" { region.as_ref() } else { word });
    command.args(own).envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().unwrap()
}

fn rates(folder: &TempDir, file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.path().join("book").join(file)).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    rows.map(|row| {
        let key: Vec<&str> = row.iter().take(4).collect();
        (key.join(" "), row[4].to_owned())
    })
    .collect()
}

/// Worked by hand: an all-upfront year of $529 is 529 / 8,760 an hour; a partial one of $270 and $0.0308 an hour
/// is 270 / 8,760 + 0.0308; three years of $630 and $0.024 are 630 / 26,280 + 0.024.
#[test]
fn reservations_and_savings_plans_become_rates_of_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(bulk("eu-central-1"));
    let output = refresh(&folder, &server.url, "eu-central-1", &["--format", "json"]);
    let done: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let rows = rates(&folder, "eu-central-1/AmazonEC2.commitments.csv");
    let expected = [
        ("m7g.large 1yr all-upfront standard-ri", "0.0603881279"),
        ("m7g.large 1yr no-upfront compute", "0.0711"),
        ("m7g.large 1yr no-upfront convertible-ri", "0.0744"),
        ("m7g.large 1yr no-upfront ec2-instance", "0.062"),
        ("m7g.large 1yr no-upfront standard-ri", "0.0647"),
        ("m7g.large 1yr partial-upfront standard-ri", "0.0616219178"),
        ("m7g.large 3yr all-upfront compute", "0.05"),
        ("m7g.large 3yr all-upfront standard-ri", "0.0391552511"),
        ("m7g.large 3yr partial-upfront convertible-ri", "0.0479726027"),
    ];
    let near = |(row, (key, usd)): (&(String, String), &(&str, &str))| {
        let number = |text: &str| text.parse::<f64>().unwrap();
        row.0 == *key && (number(&row.1) - number(usd)).abs() < 1e-8
    };
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    assert!(rows.iter().zip(&expected).all(near), "{rows:?}");
    let rows = rates(&folder, "eu-central-1/AmazonRDS.commitments.csv");
    let expected = [
        ("db.r6g.xlarge 1yr all-upfront reserved-db-instance", "0.3767123288"),
        ("db.r6g.xlarge 1yr no-upfront reserved-db-instance", "0.4"),
        ("db.r6g.xlarge 3yr partial-upfront reserved-db-instance", "0.2400152207"),
        ("db.r8g.large 1yr no-upfront database", "0.24"),
        ("db.r8g.xlarge 1yr no-upfront database", "0.48"),
        ("serverless 1yr no-upfront database", "0.098"),
    ];
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    assert!(rows.iter().zip(&expected).all(near), "{rows:?}");
    let line = |service: &str| {
        let files = done["files"].as_array().unwrap();
        files.iter().find(|file| file["service"] == service).unwrap().clone()
    };
    assert_eq!(
        ["AmazonEC2", "AWSComputeSavingsPlan", "AWSDatabaseSavingsPlans"].map(|service| line(
            service
        )["rates"]
            .as_u64()
            .unwrap()),
        [6, 3, 3]
    );
    // Spot prices are in no list, and Linux pays for credits by its own price.
    let kept = line("AmazonEC2")["kept"].as_array().unwrap().clone();
    assert!(!kept.is_empty());
    for row in &kept {
        let usage = row["usage_type"].as_str().unwrap();
        assert!(!usage.starts_with("SpotUsage:") && usage != "CPUCredits:t3", "{row}");
    }
    let price = |words: &[&str]| shown(&folder, words)[0]["usd"].clone();
    assert_eq!(price(&["eu-central-1", "AmazonEC2", "CPUCredits:t3"]), "0.051");
    // A pair of regions that the book did not have; not the other region's, and not what is free.
    assert_eq!(price(&["eu-central-1", "AWSDataTransfer", "AFS1-AWS-Out-Bytes"]), "0.147");
    let table = fs::read_to_string(folder.path().join("book/eu-central-1/AWSDataTransfer.csv"));
    let table = table.unwrap();
    assert!(!table.contains("0.154") && !table.contains("AWS-In-Bytes"), "{table}");
    // Twice gives the same bytes.
    let path = folder.path().join("book/eu-central-1/AmazonEC2.commitments.csv");
    let before = fs::read(&path).unwrap();
    stdout(&refresh(&folder, &server.url, "eu-central-1", &[]));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// A region that the program does not know but AWS lists, and one that AWS does not list.
#[test]
fn any_region_that_aws_lists_is_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|path, body, turn| match bulk("eu-central-3")(path, body, turn) {
        Act::Answer(200, text) => Act::Answer(200, text.replace("EUC1-", "EUC3-")),
        act => act,
    });
    stdout(&refresh(&folder, &server.url, "eu-central-3", &["--service", "AmazonEC2"]));
    let rows = shown(&folder, &["eu-central-3", "AmazonEC2", "BoxUsage:m7g.large"]);
    assert_eq!(rows[0]["usd"], "0.0978");
    assert_eq!(rates(&folder, "eu-central-3/AmazonEC2.commitments.csv").len(), 6);
    let output = refresh(&folder, &server.url, "eu-central-4", &["--service", "AmazonEC2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected = "--region: AWS lists no region \"eu-central-4\"; did you mean \"eu-central-";
    assert!(said.contains(expected), "{said}");
    // Without a connection the nearest that the program knows.
    let output = refresh(&folder, "http://127.0.0.1:9", "eu-centrl-1", &["--service", "AmazonEC2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected = "--region: no region \"eu-centrl-1\" is known; did you mean \"eu-central-1\"? AWS's own list";
    assert!(said.contains(expected), "{said}");
}

/// Data transfer names the region that bytes leave; a service may have several lists; an empty answer is reported.
#[test]
fn the_price_list_api_is_asked_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|operation, body, _| {
        assert_eq!(operation, "GetProducts");
        let filters = body["Filters"].as_array().unwrap();
        let region = filters.iter().find(|own| own["Value"] == "eu-central-1").unwrap();
        let transfer = body["ServiceCode"] == "AWSDataTransfer";
        let field = if transfer { "fromRegionCode" } else { "regionCode" };
        assert_eq!(region["Field"], field, "{body}");
        let attributes = json!({
            "servicecode": "AWSDataTransfer", "usagetype": "EUC1-AFS1-AWS-Out-Bytes",
            "operation": "", "fromRegionCode": "eu-central-1",
        });
        let dimension = json!({
            "unit": "GB", "beginRange": "0", "endRange": "Inf", "description": "d", "pricePerUnit": { "USD": "0.147" },
        });
        let term = json!({ "effectiveDate": "2020-01-01T00:00:00Z", "priceDimensions": { "r": dimension } });
        let product = json!({
            "product": { "sku": "T1", "attributes": attributes }, "version": VERSION,
            "publicationDate": "2027-03-01T12:00:00Z", "terms": { "OnDemand": { "T1.J": term } },
        });
        let found = if transfer { vec![product.to_string()] } else { vec![] };
        Act::Answer(200, json!({ "FormatVersion": "aws_v1", "PriceList": found }).to_string())
    });
    let three = ["AWSDataTransfer", "AWSCertificateManager", "AmazonS3"];
    let mut more = vec!["--via", "api", "--format", "json"];
    more.extend(three.iter().flat_map(|service| ["--service", service]));
    let output = refresh(&folder, &server.url, "eu-central-1", &more);
    stdout(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("eu-central-1 AmazonS3: AWS lists nothing; the book keeps its prices"));
    let asked: Vec<String> = server
        .asked("GetProducts")
        .iter()
        .map(|body| body["ServiceCode"].as_str().unwrap().to_owned())
        .collect();
    let codes = ["ACM", "AmazonS3GlacierDeepArchive", "AWSCertificateManager"];
    assert!(codes.iter().all(|code| asked.iter().any(|own| own == code)), "{asked:?}");
    let rows = shown(&folder, &["eu-central-1", "AWSDataTransfer", "AFS1-AWS-Out-Bytes"]);
    assert_eq!(rows[0]["usd"], "0.147");
    let plans = ["--via", "api", "--service", "AWSComputeSavingsPlan"];
    let output = refresh(&folder, &server.url, "eu-central-1", &plans);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the Price List API has no AWSComputeSavingsPlan; use --via bulk"));
}

/// A product of `GetProducts` with its terms: on demand, and reservations as (length, option, class, fee, hourly).
fn product(attributes: &Value, unit: &str, price: &str, reserved: &[[&str; 5]]) -> String {
    let dimension = |unit: &str, price: &str| json!({ "unit": unit, "beginRange": "0", "endRange": "Inf", "description": "d", "pricePerUnit": { "USD": price } });
    let sku = attributes["usagetype"].as_str().unwrap();
    let on_demand = json!({
        "effectiveDate": "2020-01-01T00:00:00Z", "offerTermCode": "J",
        "priceDimensions": { "r": dimension(unit, price) },
    });
    let terms: serde_json::Map<String, Value> = reserved
        .iter()
        .map(|[length, option, class, fee, hourly]| {
            let code = format!("{length}{option}{class}");
            let mut dimensions = json!({ "hour": dimension("Hrs", hourly) });
            if !fee.is_empty() {
                dimensions["fee"] = dimension("Quantity", fee);
            }
            let term = json!({
                "effectiveDate": "2020-01-01T00:00:00Z", "offerTermCode": code,
                "termAttributes": {
                    "LeaseContractLength": length, "PurchaseOption": option, "OfferingClass": class,
                },
                "priceDimensions": dimensions,
            });
            (format!("{sku}.{code}"), term)
        })
        .collect();
    json!({
        "product": { "sku": sku, "attributes": attributes }, "version": VERSION,
        "publicationDate": "2027-03-01T12:00:00Z",
        "terms": { "OnDemand": { format!("{sku}.J"): on_demand }, "Reserved": terms },
    })
    .to_string()
}

/// Answers `GetProducts` of a class of Aurora, of an instance type, and of surplus credits.
fn products(body: &Value) -> Act {
    let filters = body["Filters"].as_array().unwrap();
    let of = |field: &str| {
        let found = filters.iter().find(|own| own["Field"] == field);
        found.map_or(String::new(), |own| own["Value"].as_str().unwrap().to_owned())
    };
    let class = |usage: &str, engine: &str, operation: &str| {
        json!({
            "usagetype": usage, "operation": operation, "databaseEngine": engine,
            "instanceType": "db.r6g.xlarge", "regionCode": "eu-central-1",
        })
    };
    let box_usage = |usage: &str, system: &str, operation: &str| {
        json!({
            "usagetype": usage, "operation": operation, "operatingSystem": system,
            "preInstalledSw": "NA", "instanceType": "m7g.large", "regionCode": "eu-central-1",
        })
    };
    let asked = (body["ServiceCode"].as_str().unwrap(), of("databaseEngine"), of("productFamily"));
    let products = match (asked.0, &*asked.1, &*asked.2) {
        ("AmazonRDS", "Aurora PostgreSQL", _) => {
            let postgres = "Aurora PostgreSQL";
            let reserved = [
                ["1yr", "No Upfront", "standard", "", "0.4"],
                ["1yr", "All Upfront", "standard", "3300", "0"],
                ["3yr", "Partial Upfront", "standard", "3154", "0.12"],
            ];
            let usage = "EUC1-InstanceUsage:db.r6g.xl";
            let own = class(usage, postgres, "CreateDBInstance:0021");
            let credits = class("EUC1-CPUCredits:db.t3", postgres, "");
            let other = class("EUC1-CPUCredits:db.t3", "MySQL", "");
            vec![
                product(&own, "Hrs", "0.6", &reserved),
                product(&credits, "vCPU-Hours", "0.098", &[]),
                product(&other, "vCPU-Hours", "0.5", &[]),
            ]
        }
        ("AmazonEC2", _, "Compute Instance") => {
            let own = box_usage("EUC1-BoxUsage:m7g.large", "Linux", "RunInstances");
            let reserved = [
                ["1yr", "Partial Upfront", "standard", "270", "0.0308"],
                ["3yr", "Partial Upfront", "convertible", "630", "0.024"],
                ["1yr", "Heavy Utilization", "standard", "77", "0.01"],
            ];
            vec![product(&own, "Hrs", "0.0978", &reserved)]
        }
        ("AmazonEC2", _, "CPU Credits") => [("Linux", "0.051"), ("Windows", "0.096")]
            .map(|(system, price)| {
                let own = box_usage("EUC1-CPUCredits:t3", system, "");
                product(&own, "vCPU-Hours", price, &[])
            })
            .to_vec(),
        _ => vec![],
    };
    Act::Answer(200, json!({ "FormatVersion": "aws_v1", "PriceList": products }).to_string())
}

/// Reservations are terms of a product. Surplus credits have one usage type for all engines and systems: those of Aurora
/// `PostgreSQL` and of Linux are taken, and a credit of another engine in the answer is none of them.
#[test]
fn the_price_list_api_gives_reservations_and_surplus_credits() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_, body, _| products(body));
    let both = ["--service", "AmazonEC2", "--service", "AmazonRDS"];
    let more = [&["--via", "api", "--format", "json"][..], &both].concat();
    let output = refresh(&folder, &server.url, "eu-central-1", &more);
    let done: Value = serde_json::from_str(&stdout(&output)).unwrap();
    for (file, expected) in [
        (
            "AmazonEC2",
            // 270 / 8,760 + 0.0308; 630 / 26,280 + 0.024.
            &[
                ("m7g.large 1yr partial-upfront standard-ri", 0.061_621_917_8),
                ("m7g.large 3yr partial-upfront convertible-ri", 0.047_972_602_7),
            ][..],
        ),
        (
            "AmazonRDS",
            // 3,300 / 8,760; 3,154 / 26,280 + 0.12.
            &[
                ("db.r6g.xlarge 1yr all-upfront reserved-db-instance", 0.376_712_328_8),
                ("db.r6g.xlarge 1yr no-upfront reserved-db-instance", 0.4),
                ("db.r6g.xlarge 3yr partial-upfront reserved-db-instance", 0.240_015_220_7),
            ],
        ),
    ] {
        let rows = rates(&folder, &format!("eu-central-1/{file}.commitments.csv"));
        assert_eq!(rows.len(), expected.len(), "{rows:?}");
        for ((key, usd), (name, rate)) in rows.iter().zip(expected) {
            let usd: f64 = usd.parse().unwrap();
            assert!(key == name && (usd - rate).abs() < 1e-8, "{key} {usd}");
        }
        let files = done["files"].as_array().unwrap();
        let line = files.iter().find(|line| line["service"] == file).unwrap();
        assert_eq!(line["rates"], expected.len());
    }
    let price = |service: &str, usage: &str| {
        shown(&folder, &["eu-central-1", service, usage])[0]["usd"].clone()
    };
    assert_eq!(price("AmazonRDS", "InstanceUsage:db.r6g.xl"), "0.6");
    assert_eq!(price("AmazonRDS", "CPUCredits:db.t3"), "0.098");
    assert_eq!(price("AmazonEC2", "CPUCredits:t3"), "0.051");
    assert_eq!(price("AmazonEC2", "BoxUsage:m7g.large"), "0.0978");
}

/// Tries of the connection and tries for a file that was cut are the same tries, and a name that does not resolve
/// is looked up once.
#[test]
fn tries_do_not_multiply() {
    let folder = tempfile::tempdir().unwrap();
    let turns = AtomicUsize::new(0);
    let server =
        Server::start(move |path, body, turn| match bulk("eu-central-1")(path, body, turn) {
            Act::Answer(200, text) if path.ends_with("index.csv") => {
                // Busy, then cut, in turns.
                match turns.fetch_add(1, Ordering::SeqCst) % 2 {
                    0 => Act::Answer(503, "busy".into()),
                    _ => Act::Truncate(text),
                }
            }
            act => act,
        });
    let output = refresh(&folder, &server.url, "eu-central-1", &["--service", "AmazonEC2"]);
    assert_eq!(output.status.code(), Some(1));
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|(path, _)| path.ends_with("index.csv")).count(), 3);
    let slow = ["--service", "AmazonEC2", "--dry-run"];
    let model = refresh_command(&folder, "http://prices.invalid", &slow);
    let mut command = assert_cmd::Command::new(model.get_program());
    // Two more lookups would wait for 20 seconds each, and the command is ended before that.
    command.args(model.get_args().map(|word| if word == "1" { "20000".as_ref() } else { word }));
    let output = command.timeout(Duration::from_secs(8)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("dns error"), "{said}");
}
