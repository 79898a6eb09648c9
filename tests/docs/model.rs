//! Worked numbers of `docs/model.md`: each sentence is computed here, and the page must have it.

use std::fs;

use runrate::{
    app::store::{self, PriceSource},
    cluster::{autoscale::hpa::replicas, queueing},
    demand::growth::{Curve, Users},
    facts::shapes::allocatable::Overrides,
    intent::{budget::Budget, commitment::Commitment},
    measure::{
        calendar::Month,
        range::{Bounds, Range},
        units::Usd,
    },
    money::rate::{Sharing, usage},
    page::number::{grouped, in_dollars},
    plan::trials,
};

use super::root;

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn users(curve: &str, months: u32) -> f64 {
    let curve: Curve = toml::from_str(curve).unwrap();
    let users = Users { growth: Some(curve), ..Users::default() };
    users.path(month("2027-01"), months, None).unwrap().at(f64::from(months - 1))
}

/// Cost of one line of usage by the fixed price book.
fn cost(region: &str, service: &str, usage_type: &str, quantity: &str) -> Usd {
    let book = PriceSource::Folder(root().join("tests/data/prices"));
    let book = store::price_manifest(&book).unwrap();
    let book = store::load_prices(&book, Some(&["us-east-1"])).unwrap();
    let text = format!(
        "month,account,region,service,usage_type,operation,quantity\n2027-01,prod,{region},{service},{usage_type},,{quantity}\n"
    );
    let support = store::embedded_catalog().unwrap().controllers.support;
    let file = usage::parse("usage.csv", &text, &book).unwrap();
    let rated = file.rate(&book, Sharing::PerAccount, &support).unwrap();
    rated.entries.iter().map(|entry| entry.cost).sum()
}

fn dollars(amount: Usd) -> String {
    in_dollars(amount.to_f64(), 2)
}

#[test]
fn the_worked_numbers_of_the_model_are_computed() {
    let page = fs::read_to_string(root().join("docs/model.md")).unwrap();
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let catalog = store::embedded_catalog().unwrap();

    let compound = users("curve = \"compound\"\nstart = 1000\nmonthly_rate = 0.1", 13);
    let logistic = users("curve = \"logistic\"\nstart = 1000\ncapacity = 100000\nrate = 0.3", 13);
    // Two workers that are 80 % busy, 35 ms a request.
    let p95 = 35.0 * queueing::response_quantile(1.6, 2, 0.95);
    let wait = queueing::erlang_c(1.6, 2);
    let tolerance = replicas::Tolerance::symmetric(catalog.controllers.hpa.tolerance);
    let wanted = |usage| replicas::average_value_replicas(4, usage, 150, tolerance);
    let shape = catalog.shape("m7g.large").unwrap();
    let room = shape.allocatable(&catalog.controllers.kubelet, &Overrides::default()).unwrap();
    let xlarge = catalog.shape("m7g.xlarge").unwrap();
    let xlarge = xlarge.allocatable(&catalog.controllers.kubelet, &Overrides::default()).unwrap();
    let node = xlarge.cpu as f64;
    let egress = cost("us-east-1", "AWSDataTransfer", "DataTransfer-Out-Bytes", "15000");
    let waf = cost("us-east-1", "awswaf", "RequestV2-Tier1", "2000000");
    let support = cost("global", "AWSSupport", "support_rate:Business Support+", "60000");
    let plan: Commitment = toml::from_str(
        "name = 'x'\nkind = 'compute-savings-plan'\naccount = 'a'\nstart = '2027-02'\nterm = '1yr'\n\
         payment = 'no-upfront'\nusd_per_hour = 1",
    )
    .unwrap();
    let rules = store::model().unwrap();
    let hours = |at: &str| plan.hours_in(month(at), &rules).len();
    let budget: Budget = toml::from_str(
        "name = 'x'\nperiod = 'cash'\namount = 100000\nkeep = 20000\nother_costs_per_month = 30000",
    )
    .unwrap();
    let months: Vec<Month> = (0..4).map(|at| month("2027-01").plus(at)).collect();
    let exceeded = budget.first_exceeded(&months, &[10_000.0; 4], &[15_000.0; 4]).unwrap();
    let range = Range { low: 25.0, mid: 35.0, high: 60.0, ..Range::certain(35.0) };
    let law = range.law(Bounds { least: Some(0.0), most: None }, false);
    let trials: Vec<f64> = (1..=10).map(f64::from).collect();

    let sentences = [
        format!(
            "1,000 users who grow by 10 % a month are {} after twelve months",
            grouped(compound, 0)
        ),
        format!("grows to {}", grouped(logistic, 0)),
        format!(
            "wait with probability {:.0} %, and 95 % of requests take less than {p95:.0} ms",
            100.0 * wait
        ),
        format!("asks for {} replicas; at 640 it stays at {}", wanted(900), wanted(640)),
        format!(
            "{} pods, {} millicores and {} MiB",
            room.pods,
            grouped(room.cpu as f64, 0),
            grouped(room.memory as f64, 0)
        ),
        format!(
            "({} millicores for pods), 100 ms a request, serve at most {:.1} requests per second; at 30 they use {:.0} %",
            grouped(node, 0),
            node / 100.0,
            100.0 * 30.0 * 100.0 / node
        ),
        format!(
            "gets {} millicores; if that pod wants 1,000 only, it gets {}",
            grouped(node * 500.0 / 1500.0, 0),
            grouped(node - 1000.0, 0)
        ),
        format!("15,000 GB cost {}", dollars(egress)),
        format!("Two million requests cost {}", dollars(waf)),
        format!("$60,000 of charges cost {}", dollars(support)),
        format!("counts {} hours in 2027-02 and {} in 2028-02", hours("2027-02"), hours("2028-02")),
        format!("is exceeded in {}", months[exceeded]),
        format!("one standard deviation above the middle is {:.1}", law.at(1.0)),
        format!("the P90 of 1, 2, …, 10 is {:.1}", trials::quantile(&trials, 0.9)),
    ];
    let missing: Vec<&String> = sentences.iter().filter(|words| !page.contains(*words)).collect();
    assert!(missing.is_empty(), "docs/model.md lacks {missing:#?}");
}
