//! What a reconciliation costs. Prints its figure; run it with `cargo bench --bench actuals`. Reading ten
//! million rows is timed beside `DuckDB` and Polars by `benches/focus.py`.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::{path::Path, time::Instant};

use runrate::{
    app::store::{self, PriceSource},
    bills::{
        actuals::{Kind, Line, LineKey, Metric, MonthBill, SCHEMA, amount::Amount, naming::Naming},
        history::History,
        reconcile::{self, Options, Partial},
    },
    facts::prices::{BillKey, PriceRow},
    measure::series::{Gaps, Series},
    money::ledger::Entry,
    plan::{AccountName, Plan, simulate::Prepared},
};

const ACCOUNTS: usize = 5;
const TYPES: usize = 300;

/// The example's plan with other entries: every account has every type in every month.
fn plan(keys: &[BillKey]) -> Plan {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalog = store::embedded_catalog().unwrap();
    let path = root.join("examples/innovate.toml");
    let (scenario, inputs) = store::load_scenario(&path, &catalog).unwrap();
    let facts = store::load_facts(catalog, &PriceSource::Embedded, &scenario.regions()).unwrap();
    let mut plan = Prepared::new(&scenario, &facts, &inputs).unwrap().run(0).unwrap();
    let pattern = plan.entries[0].clone();
    plan.accounts = (0..ACCOUNTS)
        .map(|index| AccountName {
            name: format!("account-{index}"),
            id: Some(format!("{:012}", 111_111_111_111_u64 * (index as u64 + 1))),
            region: "us-east-1".into(),
            traffic_share: 1.0,
        })
        .collect();
    let months: Vec<_> = plan.months.iter().map(|month| month.month).collect();
    plan.entries = months
        .iter()
        .flat_map(|month| plan.accounts.iter().map(move |account| (*month, account.name.clone())))
        .flat_map(|(month, account)| {
            keys.iter().map(move |key| (month, account.clone(), key.clone()))
        })
        .map(|(month, account, key)| Entry { month, account, key, ..pattern.clone() })
        .collect();
    plan
}

fn bills(plan: &Plan) -> Vec<MonthBill> {
    let month = |month: runrate::measure::calendar::Month| MonthBill {
        schema: SCHEMA,
        month,
        currency: "USD".into(),
        source: "bench".into(),
        read_at: String::new(),
        estimated: false,
        days: month.days() as u32,
        forecasts: Vec::new(),
        lines: plan
            .entries
            .iter()
            .filter(|entry| entry.month == month)
            .map(|entry| {
                let account = plan.accounts.iter().find(|own| own.name == entry.account).unwrap();
                Line {
                    key: LineKey {
                        account: account.id.clone().unwrap(),
                        service: entry.key.service.clone(),
                        region: entry.key.region.clone(),
                        usage_type: entry.key.usage_type.clone(),
                        operation: entry.key.operation.clone(),
                        kind: Kind::Usage,
                        record: "Usage".into(),
                        unit: "Hrs".into(),
                    },
                    quantity: Amount::parse("812.5"),
                    costs: [Amount::parse("97.1234567891"); 4],
                    list: None,
                    rows: 1,
                }
            })
            .collect(),
        notes: Vec::new(),
        set_aside: Vec::new(),
        forecast_rows: 0,
    };
    plan.months.iter().map(|planned| month(planned.month)).collect()
}

fn main() {
    let manifest = store::price_manifest(&PriceSource::Embedded).unwrap();
    let book = store::load_prices(&manifest, None).unwrap();
    let (_, _, table) = book
        .tables()
        .find(|(region, service, _)| *region == "us-east-1" && *service == "AmazonEC2")
        .unwrap();
    let mut names: Vec<&str> = table.rows().iter().map(PriceRow::usage_type).collect();
    names.dedup();
    let keys: Vec<BillKey> = names
        .into_iter()
        .take(TYPES)
        .map(|name| BillKey::new("AmazonEC2", "us-east-1", name, "RunInstances"))
        .collect();
    let (plan, billing) = (plan(&keys), store::model().unwrap());
    let bills = bills(&plan);
    let naming = Naming::new(&book, &store::embedded_catalog().unwrap(), &billing);
    let options = Options {
        metric: Metric::Unblended,
        partial: Partial::Exclude,
        from: None,
        to: None,
        bars: billing.accuracy,
    };
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            let done = reconcile::reconcile(&plan, &bills, &naming, &[], options).unwrap();
            assert_eq!(done.cells.len(), plan.entries.len());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "reconcile {} months × {ACCOUNTS} accounts × {} usage types: {:.0} ms",
        plan.months.len(),
        keys.len(),
        times[times.len() / 2] * 1e3
    );
    forecasts();
}

/// One forecast of each series of other people, where they are present, with the interval that inner origins
/// size.
fn forecasts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/traffic");
    for (file, ahead) in [
        ("nasa_http_requests_hourly_1995_07.csv", 24),
        ("ec2_network_in_257a54.csv", 288),
        ("snapchat_dau_millions_by_quarter.csv", 4),
    ] {
        let Ok(text) = std::fs::read_to_string(folder.join(file)) else {
            println!("skipped: {file} is not here");
            continue;
        };
        let series = Series::parse(file, &text, Gaps::Skip).unwrap();
        let history = History::new(&series, std::collections::BTreeMap::new()).unwrap();
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(history.forecast(ahead, &[0.8]));
                start.elapsed().as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("forecast {file}, {ahead} rows ahead: {:.0} ms", times[times.len() / 2] * 1e3);
    }
}
