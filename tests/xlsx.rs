//! The workbook, as finance opens it: its sheets and names, and its sums after `LibreOffice` computed them anew.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::print_stderr)]

use std::{collections::BTreeMap, fs, io::Cursor, process::Command, sync::OnceLock};

use crate::support::{self, base, plan, runrate, stdout};
use calamine::{Data, Range, Reader, Xlsx};
use runrate::{
    intent::scenario::Scenario,
    measure::units::{Quantity, UnitPrice, Usd},
    money::rate::{self, Sharing, Usage},
    page::{Cell, Column, Kind, Page, Row, Section, Table},
    plan::Plan,
    usage::services::UsageLine,
    write::xlsx::{Inputs, workbook, workbook_with},
};

type Book = Xlsx<Cursor<Vec<u8>>>;

const HOSTILE: &str = "=cmd|' /C calc'!A0";
const OWN: [&str; 8] =
    ["Summary", "Assumptions", "Services", "Months", "Charges", "Lines", "Prices", "Capacity"];

fn open(bytes: Vec<u8>) -> Book {
    Xlsx::new(Cursor::new(bytes)).unwrap()
}

fn sheet(book: &mut Book, name: &str) -> Range<Data> {
    book.worksheet_range(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn number(range: &Range<Data>, row: u32, column: u32) -> f64 {
    match range.get_value((row, column)) {
        Some(Data::Float(value)) => *value,
        Some(Data::Int(value)) => *value as f64,
        other => panic!("row {row}, column {column}: {other:?}"),
    }
}

fn text(range: &Range<Data>, row: u32, column: u32) -> String {
    range.get_value((row, column)).map(ToString::to_string).unwrap_or_default()
}

/// Sheet, plan and difference of a sheet's tie-out.
fn tie(book: &mut Book, name: &str) -> ([f64; 3], String) {
    let range = sheet(book, name);
    assert_eq!(text(&range, 2, 0), "Tie-out", "{name}");
    ([1, 2, 3].map(|column| number(&range, 3, column)), text(&range, 3, 4))
}

/// The books as `LibreOffice` computes them; none where it is not installed.
fn recalculated(books: &[Vec<u8>]) -> Option<Vec<Book>> {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile/user");
    fs::create_dir_all(&profile).unwrap();
    // Always recompute on load: otherwise LibreOffice believes the results that a file carries.
    fs::write(
        profile.join("registrymodifications.xcu"),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>"#,
    )
    .unwrap();
    let mut command = Command::new("soffice");
    let profile = folder.path().join("profile").display().to_string();
    command.arg(format!("-env:UserInstallation=file://{profile}"));
    command.args(["--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir"]);
    command.arg(folder.path().join("out"));
    for (index, bytes) in books.iter().enumerate() {
        let file = folder.path().join(format!("book{index}.xlsx"));
        fs::write(&file, bytes).unwrap();
        command.arg(file);
    }
    let Ok(output) = command.output() else {
        let everything = std::env::var_os("RUNRATE_TEST_EVERYTHING").is_some();
        assert!(!everything, "soffice is not installed");
        eprintln!("skipped: soffice is not installed");
        return None;
    };
    let read = |index: usize| {
        let file = folder.path().join(format!("out/book{index}.xlsx"));
        open(fs::read(file).unwrap_or_else(|error| panic!("{error}: {output:?}")))
    };
    Some((0..books.len()).map(read).collect())
}

/// A book whose formulas carry no results: what is read from it was computed by the reader.
fn unsolved(plan: &Plan, page: &Page, factors: &[(&str, f64)]) -> Vec<u8> {
    let factors = factors.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    workbook_with(plan, page, &Inputs { factors, results: false }).unwrap()
}

/// A table with text, money, a share and totals; and the ranges of what was assumed.
fn page(plan: &Plan) -> Page {
    let column = |name: &str, kind| Column::new(name, kind);
    let usd = |text: &str| Cell::Usd(Usd::from_decimal(text.parse().unwrap()));
    let costs = Table {
        id: "some-costs".into(),
        title: "Some costs, with a title that is far too long for a sheet".into(),
        note: "list price, USD".into(),
        columns: vec![
            column("What", Kind::Text),
            column("Cost [USD]", Kind::Usd),
            column("Share", Kind::Share),
        ],
        rows: vec![
            Row::new(vec![Cell::text("+1+1"), usd("1.25"), Cell::Number(0.5)]),
            Row::new(vec![Cell::text("@SUM(A1)"), usd("2.50"), Cell::Empty]),
            Row::total(vec![Cell::text("Total"), usd("3.75"), Cell::Number(1.0)]),
            Row::new(vec![Cell::text("-2"), usd("-1"), Cell::Number(0.1)]),
            Row::total(vec![Cell::text("not a sum"), usd("7"), Cell::Empty]),
        ],
        ..Table::default()
    };
    let words = Table {
        id: "words".into(),
        title: "Words: a/b".into(),
        columns: vec![column("Word", Kind::Text), column("Month", Kind::Month)],
        rows: vec![Row::new(vec![Cell::text("a"), Cell::Month(plan.months[0].month)])],
        ..Table::default()
    };
    let assumed = Table {
        id: "assumptions".into(),
        title: "What was assumed".into(),
        columns: vec![
            column("Key", Kind::Text),
            column("Low", Kind::Quantity),
            column("Mid", Kind::Quantity),
            column("High", Kind::Quantity),
        ],
        rows: vec![Row::new(vec![
            Cell::text("users.growth.rate"),
            Cell::Number(0.1),
            Cell::Number(0.2),
            Cell::Number(0.3),
        ])],
        ..Table::default()
    };
    let section = |id: &str, tables| Section { id: id.into(), tables, ..Section::default() };
    Page {
        title: plan.name.clone(),
        sections: vec![section("costs", vec![costs, words]), section("assumptions", vec![assumed])],
        ..Page::default()
    }
}

/// Two accounts in two regions that share free egress and steps; support, discounts, tax, commitments.
fn rich() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| plan(&contract()).unwrap())
}

fn contract() -> String {
    base("2027-01", 3, 40_000).replace("name = \"test\"", &format!("name = \"{HOSTILE}\""))
        + r#"
[eks]
[alb]
[waf]
rules = 3
[nat]
gateways = 1
[billing]
consolidated = true
support = "Business Support+"
discount_percent = 10
discounts = [{ service = "AmazonVPC", percent = 20 }, { service = "AWSELB", percent = 5 }]
tax_percent = 19
[accounts."=second*"]
region = "us-west-2"
traffic_share = 0.5
[[commitments]]
name = "baseline"
kind = "ec2-reserved-instance"
account = "production"
start = "2027-02"
term = "3yr"
payment = "all-upfront"
instance_type = "m7g.large"
count = 2
[[commitments]]
name = "plan"
kind = "compute-savings-plan"
account = "production"
start = "2027-01"
term = "1yr"
payment = "no-upfront"
usd_per_hour = 0.2
discount_percent = 27
"#
}

/// The example as the binary plans it; no sheet but those of a page has anything of trials.
fn innovate() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let told = stdout(&runrate(&[
            "plan",
            "examples/innovate.toml",
            "--trials",
            "1",
            "--format",
            "json",
        ]));
        serde_json::from_str(&told).unwrap()
    })
}

/// Ties of all sheets hold, and the sums of money are the plan's to the cent.
fn ties_hold(book: &mut Book, plan: &Plan) {
    let names = book.sheet_names();
    for name in &names {
        let ([own, planned, difference], state) = tie(book, name);
        assert!(
            difference.abs() < 0.005 && (own - planned).abs() < 0.005,
            "{name}: {own} {planned}"
        );
        assert_eq!(state, "OK", "{name}");
    }
    let cents = |value: f64| (value * 100.0).round();
    for name in ["Summary", "Services", "Months", "Charges", "Lines"] {
        assert_eq!(cents(tie(book, name).0[0]), cents(plan.cost.to_f64()), "{name}");
    }
    // Each month and account of the summary, too.
    let range = sheet(book, "Summary");
    let header = (0..40).find(|row| text(&range, *row, 0) == "Month").unwrap();
    for (row, month) in (header + 1..).zip(&plan.months) {
        for (column, account) in (1..).zip(&month.accounts) {
            let (own, planned) = (number(&range, row, column), account.cost.to_f64());
            assert!(
                (own - planned).abs() < 1e-4,
                "{} {}: {own} {planned}",
                month.month,
                account.account
            );
        }
    }
    let months = sheet(book, "Months");
    let rows = plan.months.iter().flat_map(|m| &m.accounts).flat_map(|a| a.services.values());
    for (row, cost) in (6..).zip(rows) {
        assert!((number(&months, row, 4) - cost.to_f64()).abs() < 1e-4, "row {row}");
    }
}

/// Rows of charges that keep the plan's amount per unit.
fn fixed(book: &mut Book) -> Vec<u32> {
    let charges = sheet(book, "Charges");
    let rows = 6..charges.height() as u32;
    rows.filter(|row| text(&charges, *row, 9).contains("fixed")).collect()
}

#[test]
fn it_opens_with_its_sheets_names_and_results() {
    let plan = rich();
    let mut book = open(workbook(plan, &page(plan)).unwrap());
    let names = book.sheet_names();
    assert_eq!(names[..8], OWN);
    assert_eq!(names[8..], ["some-costs", "Words a b"]);
    // What a reader that does not compute shows.
    ties_hold(&mut book, plan);
    for name in &names {
        let range = sheet(&mut book, name);
        for (row, column, cell) in range.used_cells() {
            if let Data::String(text) = cell {
                let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
                assert!(!risky || text.parse::<f64>().is_ok(), "{name} {row} {column}: {text}");
            }
        }
    }
    assert_eq!(text(&sheet(&mut book, "Summary"), 0, 0), format!("'{HOSTILE}"));
    assert_eq!(text(&sheet(&mut book, "some-costs"), 6, 0), "'+1+1");
    let lines = sheet(&mut book, "Lines");
    assert_eq!(text(&lines, 5, 5), "Usage type");
    assert_eq!(lines.height() - 6, plan.entries.len(), "a row a line");
    let cells: BTreeMap<String, String> = book.defined_names().iter().cloned().collect();
    for name in [
        "usage_all",
        "price_all",
        "price_AmazonEC2",
        "usage_production_AmazonEC2",
        "usage__second__AmazonEC2",
        "assumed_users_growth_rate",
    ] {
        assert!(cells[name].starts_with("Assumptions!$C$"), "{name}: {cells:?}");
    }
    // A total that is the sum of its rows is a formula, another is not.
    let formulas = book.worksheet_formula("some-costs").unwrap();
    assert_eq!(formulas.get_value((8, 1)).unwrap(), "SUM($B$7:$B$8)");
    assert_eq!(formulas.get_value((10, 1)).map_or("", String::as_str), "");
    // Nothing of the ledger is a dead number where it can be computed.
    let formulas = book.worksheet_formula("Charges").unwrap();
    for row in 0..plan.charges.len() as u32 {
        assert!(!formulas.get_value((6 + row, 8)).unwrap().is_empty(), "charge {row}");
    }
    assert!(fixed(&mut book).is_empty(), "each charge follows its lines and prices");
}

#[test]
fn libreoffice_comes_to_the_plan_to_the_cent() {
    // Support over all accounts, whose least fee is due; and a charge that its price does not explain.
    let enterprise = plan(&contract().replace("Business Support+", "Enterprise")).unwrap();
    let mut unexplained = rich().clone();
    let price = unexplained.charges.iter().max_by_key(|charge| charge.cost).unwrap().price;
    unexplained.prices[price].steps[0].price = UnitPrice::parse("7").unwrap();
    let plans = [rich(), innovate(), &enterprise, &unexplained];
    let books = plans.map(|plan| unsolved(plan, &page(plan), &[]));
    assert!(!fixed(&mut open(books[3].clone())).is_empty(), "the plan's amount stands there");
    // Without results a reader that does not compute sees nothing: the sums below are LibreOffice's.
    assert_eq!(tie(&mut open(books[0].clone()), "Charges").0[0], 0.0);
    let Some(found) = recalculated(&books) else { return };
    for (mut book, plan) in found.into_iter().zip(plans) {
        ties_hold(&mut book, plan);
    }
}

fn total(book: &mut Book) -> f64 {
    tie(book, "Summary").0[0]
}

/// February 2027 of `tests/bills.rs`, 156.2997518066 USD. By hand:
///
/// - WAF is flat: 9.80, doubled 9.80 more.
/// - Egress: twice 177.3834228515625 GB is 354.766845703125; less 100 free, 254.766845703125 × 0.09 =
///   22.9290161133, which is 15.9645080567 more than 6.9645080566.
/// - A hundred times is 17,738.34228515625 GB: 100 free, 10,240 × 0.09 = 921.60, 7,398.34228515625 × 0.085 =
///   628.8590942383; 1,550.4590942383 in all, 1,543.4945861817 more.
/// - Half is 88.69 GB, all of it free: 6.9645080566 less.
/// - Half the price of load balancers: 15.12 + 1.46484375 = 16.58484375, 8.292421875 less.
/// - With 10 % off and 20 % tax on top, WAF doubled is 9.80 × 0.9 × 1.2 = 10.584 more.
#[test]
fn a_changed_driver_changes_the_total_as_computed_by_hand() {
    let text = base("2027-02", 1, 10_000) + "[alb]\n[waf]\nrules = 3\n";
    let bill = plan(&text).unwrap();
    assert_eq!(bill.cost.to_string(), "156.2997518066");
    let contract = plan(&(text + "[billing]\ndiscount_percent = 10\ntax_percent = 20\n")).unwrap();
    let egress = "usage_production_AWSDataTransfer";
    let cases: [(&Plan, &str, f64, f64); 6] = [
        (&bill, "usage_production_awswaf", 2.0, 9.80),
        (&bill, egress, 2.0, 15.964_508_056_7),
        (&bill, egress, 100.0, 1_543.494_586_181_7),
        (&bill, egress, 0.5, -6.964_508_056_6),
        (&bill, "price_AWSELB", 0.5, -8.292_421_875),
        (&contract, "usage_production_awswaf", 2.0, 10.584),
    ];
    let page = Page::default();
    let books = cases.map(|(plan, name, factor, _)| unsolved(plan, &page, &[(name, factor)]));
    let Some(found) = recalculated(&books) else { return };
    for (mut book, (plan, name, factor, change)) in found.into_iter().zip(cases) {
        let expected = plan.cost.to_f64() + change;
        let own = total(&mut book);
        assert!((own - expected).abs() < 1e-6, "{name} × {factor}: {own}, by hand {expected}");
        let ([_, planned, difference], state) = tie(&mut book, "Summary");
        assert!((difference - change).abs() < 1e-6 && (planned - plan.cost.to_f64()).abs() < 1e-9);
        assert!(state.starts_with("differs from the plan: an input"), "{state}");
    }
    let wrong = Inputs { factors: [("usage_x".to_owned(), 2.0)].into(), results: false };
    assert!(
        workbook_with(&bill, &page, &wrong).unwrap_err().contains("no cell is named \"usage_x\"")
    );
}

/// What `rate` charges for the metered lines of a plan with all quantities multiplied.
fn rated(plan: &Plan, factor: f64) -> f64 {
    let text =
        base("2027-01", 1, 0) + "[alb]\n[accounts.b]\nregion = \"us-west-2\"\ntraffic_share = 1\n";
    let scenario = Scenario::parse("t.toml", &text, &support::CATALOG).unwrap();
    let facts = support::embedded_facts(&scenario).unwrap();
    let metered = plan.entries.iter().filter(|entry| is_metered(plan, entry));
    let usage: Vec<Usage> = metered
        .map(|entry| Usage {
            month: entry.month,
            account: entry.account.clone(),
            line: UsageLine {
                key: entry.key.clone(),
                resource: entry.resource.clone(),
                quantity: Quantity::new(entry.quantity.get() * factor),
                hours: Vec::new(),
                zones: None,
                why: entry.why.clone(),
            },
        })
        .collect();
    let rated = rate::rate(&usage, &facts.prices, Sharing::Consolidated).unwrap();
    rated.entries.iter().map(|entry| entry.cost).sum::<Usd>().to_f64()
}

fn is_metered(plan: &Plan, entry: &runrate::money::ledger::Entry) -> bool {
    let confidence = &plan.price_of(entry).steps[0].confidence;
    entry.key.service != "AWSSupport" && !["scenario", "commitment"].contains(&&**confidence)
}

/// Free parts shared by regions, steps, and all accounts together: the book splits as `rate` does.
#[test]
fn any_usage_is_split_over_shared_steps_as_the_program_does() {
    let plan = rich();
    let factors = [0.01, 0.7, 3.0, 40.0];
    let books = factors.map(|factor| unsolved(plan, &Page::default(), &[("usage_all", factor)]));
    let Some(found) = recalculated(&books) else { return };
    for (mut book, factor) in found.into_iter().zip(factors) {
        let charges = sheet(&mut book, "Charges");
        let metered = (6..charges.height() as u32).filter(|row| text(&charges, *row, 9) == "usage");
        let own: f64 = metered.map(|row| number(&charges, row, 8)).sum();
        let expected = rated(plan, factor);
        assert!((own - expected).abs() < 0.005, "× {factor}: {own}, the program {expected}");
    }
}

/// Business Support+: 9 % up to 10,000, 7 % up to 80,000 of what AWS charges an account, at least 29.
#[test]
fn support_follows_its_bands_and_its_least_fee() {
    let plan = innovate();
    let mut aws: BTreeMap<_, f64> = BTreeMap::new();
    let mut others = 0.0;
    for entry in plan.entries.iter().filter(|entry| entry.key.service != "AWSSupport") {
        if ["Datadog", "GitHubActions"].contains(&&*entry.key.service) {
            others += entry.cost.to_f64();
        } else {
            *aws.entry((entry.month, &entry.account)).or_default() += entry.cost.to_f64();
        }
    }
    let factors = [1.0, 0.1, 6.0];
    let expected = |factor: f64| {
        let of = |base: &f64| {
            let base = base * factor;
            base + (base.min(1e4) * 0.09 + (base - 1e4).max(0.0) * 0.07).max(29.0)
        };
        others * factor + aws.values().map(of).sum::<f64>()
    };
    assert!((expected(1.0) - plan.cost.to_f64()).abs() < 1e-5, "the test knows the rule");
    let books = factors.map(|factor| unsolved(plan, &Page::default(), &[("price_all", factor)]));
    let Some(found) = recalculated(&books) else { return };
    for (mut book, factor) in found.into_iter().zip(factors) {
        let (own, expected) = (total(&mut book), expected(factor));
        assert!((own - expected).abs() < 0.005, "× {factor}: {own}, by hand {expected}");
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let plan = rich();
    let first = workbook(plan, &page(plan)).unwrap();
    // The clock of a spreadsheet counts seconds.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(first == workbook(plan, &page(plan)).unwrap());
}

/// Five accounts over 36 months, of the example's lines without consolidated billing; each line in two.
fn large() -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string("examples/innovate.toml").unwrap();
    let text = text
        .replace("consolidated = true", "consolidated = false")
        .replace("\"data/", "\"examples/data/");
    let file = folder.path().join("s.toml");
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let told = stdout(&runrate(&["plan", &file, "--trials", "1", "--format", "json"]));
    let small: Plan = serde_json::from_str(&told).unwrap();
    let mut plan = Plan {
        entries: vec![],
        charges: vec![],
        months: vec![],
        accounts: vec![],
        ..small.clone()
    };
    for number in 0..5 {
        let name = format!("account-{number}");
        plan.accounts
            .push(runrate::plan::AccountName { name, ..small.accounts[number % 2].clone() });
    }
    for index in 0..36 {
        let from = &small.months[index % small.months.len()];
        let mut month = from.clone();
        month.month = small.months[0].month.plus(index as u32);
        month.accounts.clear();
        for number in 0..5 {
            let source = &from.accounts[number % 2];
            let account = format!("account-{number}");
            let mut charges = BTreeMap::new();
            let own = |e: &&runrate::money::ledger::Entry| {
                e.month == from.month && e.account == source.account
            };
            for entry in small.entries.iter().filter(own) {
                let charge = *charges.entry(entry.charge).or_insert_with(|| {
                    let charge = small.charges[entry.charge].clone();
                    let (scope, month) = (account.clone(), month.month);
                    plan.charges.push(rate::Charge { scope, month, ..charge });
                    plan.charges.len() - 1
                });
                for half in ["a", "b"] {
                    let mut entry = entry.clone();
                    entry.month = month.month;
                    entry.account.clone_from(&account);
                    entry.charge = charge;
                    entry.resource = format!("{}/{half}", entry.resource);
                    entry.quantity = Quantity::new(entry.quantity.get() / 2.0);
                    entry.cost =
                        Usd::from_decimal(entry.cost.decimal() / rust_decimal::Decimal::TWO);
                    plan.entries.push(entry);
                }
            }
            month.accounts.push(runrate::plan::AccountMonth { account, ..source.clone() });
        }
        month.cost = month.accounts.iter().map(|account| account.cost).sum();
        plan.months.push(month);
    }
    plan.cost = plan.months.iter().map(|month| month.cost).sum();
    plan
}

/// How long a large book takes: `cargo test --test suite xlsx:: -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::disallowed_methods)]
fn time_of_a_large_book() {
    let plan = large();
    let start = std::time::Instant::now();
    let bytes = workbook(&plan, &page(&plan)).unwrap();
    eprintln!(
        "{} lines, {} charges, {} months, {} accounts: {:.2} s, {} kB",
        plan.entries.len(),
        plan.charges.len(),
        plan.months.len(),
        plan.accounts.len(),
        start.elapsed().as_secs_f64(),
        bytes.len() / 1000
    );
    fs::write(std::env::temp_dir().join("runrate-large.xlsx"), &bytes).unwrap();
    let innovate = innovate();
    let bytes = workbook(innovate, &page(innovate)).unwrap();
    fs::write(std::env::temp_dir().join("runrate-innovate.xlsx"), &bytes).unwrap();
    let rich = rich();
    fs::write(std::env::temp_dir().join("runrate-rich.xlsx"), workbook(rich, &page(rich)).unwrap())
        .unwrap();
}
