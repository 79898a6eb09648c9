//! The price book of every region: complete, and the example planned in each.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use rayon::prelude::*;
use runrate::{
    app::store::{self, PriceSource},
    facts::shapes::Shape,
    intent::scenario::Scenario,
    money::{
        inventory::{Pricing, emitted, sold},
        rate::{PriceStep, PriceUsed},
    },
    plan::simulate::{Inputs, Prepared},
    usage::services::SERVICES,
};

use crate::support::{CATALOG, base, plan, runrate, stdout};

fn regions() -> Vec<&'static str> {
    CATALOG.prefixes.keys().map(String::as_str).collect()
}

#[test]
fn every_meter_of_every_service_has_a_price_in_every_region() {
    let all = regions();
    assert_eq!(all.len(), 17);
    all.par_iter().for_each(|region| {
        let facts = store::load_facts(CATALOG.clone(), &PriceSource::Embedded, &[region]).unwrap();
        let sold = sold((region, &all), &facts.catalog, &facts.prices);
        let meters = emitted(&sold, &facts.prices, |_| true);
        let missing: Vec<_> =
            meters.iter().filter(|meter| meter.pricing == Pricing::Missing).collect();
        assert!(missing.is_empty(), "{region}: {missing:?}");
        // Every family that a small plan needs, sixteen ways out, and prices that were read.
        let count = |start: &str| {
            meters.iter().filter(|meter| meter.key.usage_type.starts_with(start)).count()
        };
        assert!(count("BoxUsage:") > 200, "{region}: {}", count("BoxUsage:"));
        assert!(count("SpotUsage:") > 200, "{region}: {}", count("SpotUsage:"));
        assert!(count("InstanceUsage:db.") >= 20, "{region}");
        let out = meters.iter().filter(|m| m.key.usage_type.ends_with("-AWS-Out-Bytes")).count();
        assert_eq!(out, 16, "{region}");
        let read = meters.iter().filter(|meter| meter.pricing == Pricing::Read).count();
        assert!(read > 250, "{region}: {read}");
        for meter in &meters {
            let declared = SERVICES
                .iter()
                .flat_map(|service| service.meters)
                .any(|own| own.matches(&meter.key) || own.usage_type == meter.key.usage_type);
            assert!(declared, "{} is not declared", meter.key);
        }
    });
}

/// The example with its one key of the region changed: total of the mid case, prices, and how many are estimated.
fn planned(region: &str) -> String {
    let text = fs::read_to_string("examples/innovate.toml").unwrap();
    let moved = text.replace("\nregion = \"us-east-1\"", &format!("\nregion = \"{region}\""));
    assert_eq!(region != "us-east-1", moved != text);
    let scenario = Scenario::parse("innovate.toml", &moved, &CATALOG).unwrap();
    let facts =
        store::load_facts(CATALOG.clone(), &PriceSource::Embedded, &scenario.regions()).unwrap();
    let plan = Prepared::new(&scenario, &facts, &Inputs::default()).unwrap().run(0).unwrap();
    let derived = |price: &&PriceUsed| {
        let estimated =
            |step: &PriceStep| step.confidence == "derived" && step.price.to_string() != "0";
        price.steps.iter().any(estimated)
    };
    let estimated = plan.prices.iter().filter(derived);
    let spot = estimated.clone().filter(|price| price.key.usage_type.starts_with("SpotUsage:"));
    let recovery = &CATALOG.dr_regions[region];
    format!(
        "{region},{recovery},{:.2},{},{},{}\n",
        plan.cost.to_f64(),
        plan.prices.len(),
        estimated.clone().count(),
        spot.count()
    )
}

#[test]
fn the_example_plans_in_every_region_by_one_key() {
    let rows: Vec<String> = regions().into_par_iter().map(planned).collect();
    let mut found =
        "region,dr_region,total_usd,prices,estimated,estimated_spot_prices\n".to_owned();
    for row in rows {
        found.push_str(&row);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/regions.csv");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let mut differences = String::new();
    for (old, new) in kept.lines().zip(found.lines()).filter(|(old, new)| old != new) {
        writeln!(differences, "{old}\n{new}").unwrap();
    }
    assert!(
        kept == found,
        "tests/golden/regions.csv differs from the built-in price book:\n{differences}UPDATE_GOLDEN=1 cargo test --test suite regions:: writes it"
    );
}

/// A small plan in a region, with more tables.
fn small(region: &str, more: &str) -> String {
    let text = base("2027-01", 1, 10_000) + "[alb]\n" + more;
    text.replacen("region = \"us-east-1\"", &format!("region = \"{region}\""), 1)
}

#[test]
fn accounts_may_be_in_different_regions() {
    let second = "[accounts.berlin]\nregion = \"eu-central-1\"\ntraffic_share = 0.5\n";
    let plan = plan(&small("us-east-1", second)).unwrap();
    let price = |region: &str| {
        let of = |price: &&PriceUsed| {
            price.key.region == region && price.key.usage_type == "BoxUsage:m7g.large"
        };
        plan.prices.iter().find(of).unwrap().steps[0].price.to_string()
    };
    assert_eq!((price("us-east-1"), price("eu-central-1")), ("0.0816".into(), "0.0978".into()));
}

#[test]
fn a_spot_share_that_cannot_be_bought_is_a_warning() {
    // A type that Osaka sells without spot supply.
    let region = "ap-northeast-3";
    let facts = store::load_facts(CATALOG.clone(), &PriceSource::Embedded, &[region]).unwrap();
    let catalog = &facts.catalog;
    let sold = sold((region, &[]), catalog, &facts.prices);
    let lacks = |shape: &&Shape| {
        let fits = shape.is_generic() && (2..=16).contains(&shape.vcpus);
        fits && !catalog.has_spot(region, &shape.instance_type)
    };
    let name = &sold.instance_types.iter().copied().find(lacks).unwrap().instance_type;
    let pool =
        format!("[cluster.node_pools.own]\ninstance_types = [\"{name}\"]\nspot_share = 0.7\n");
    let plan = plan(&small(region, &pool)).unwrap();
    let wanted = "production: cluster.node_pools.own: no instance type of the pool has spot capacity in ap-northeast-3, so all its nodes are on-demand";
    assert!(plan.warnings.iter().any(|text| text.contains(wanted)), "{:?}", plan.warnings);
}

#[test]
fn a_family_that_the_region_does_not_sell_is_refused_with_the_nearest() {
    let pool = "[cluster.node_pools.own]\nfamilies = [\"c7gn\"]\n";
    let error = plan(&small("ap-northeast-3", pool)).unwrap_err().to_string();
    let wanted = "cluster.node_pools.own.families: the price book knows no instance family c7gn in ap-northeast-3; the nearest that it sells: \"c7g\"";
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn regions_that_contradict_are_refused() {
    let text = fs::read_to_string("examples/innovate.toml").unwrap();
    let bought = "[[commitments]]\nname = \"c\"\nkind = \"ec2-reserved-instance\"\naccount = \"production\"\n\
         start = \"2027-01\"\nterm = \"1yr\"\npayment = \"no-upfront\"\ninstance_type = \"m7g.large\"\n\
         count = 1\nregion = \"eu-centrl-1\"\n";
    for (from, to, expected) in [
        (
            "region = \"us-east-1\"",
            "",
            "innovate.toml:82: accounts.production.region: give it, or plan.region for all accounts",
        ),
        (
            "[dr] ",
            "[dr]\nregion = \"us-east-1\" ",
            "dr.region: \"us-east-1\" is the account's own region; name another, such as \"us-west-2\"",
        ),
        (
            "[dr] ",
            "[dr]\nregion = \"eu-west-11\" ",
            "dr.region: no region \"eu-west-11\"; did you mean \"eu-west-1\"?",
        ),
        (
            "[dr] ",
            &format!("{bought}[dr] "),
            "commitments[0].region: no region \"eu-centrl-1\"; did you mean \"eu-central-1\"?",
        ),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text);
        let error = Scenario::parse("innovate.toml", &wrong, &CATALOG).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn a_plan_with_gaps_counts_them_and_names_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    let text = fs::read_to_string("examples/innovate.toml").unwrap();
    let moved = text
        .replace("\nregion = \"us-east-1\"", "\nregion = \"us-west-2\"")
        .replace("months = 24", "months = 9");
    fs::write(&path, moved).unwrap();
    let name = path.display().to_string();
    let book = ["--prices", "tests/data/prices"];
    let refused = runrate(&[&["plan", &name, "--trials", "1"][..], &book].concat());
    assert_eq!(refused.status.code(), Some(2));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("plan.region: "), "{message}");
    assert!(message.contains("meters have no price, so the plan would be too low"), "{message}");
    let list = format!("`runrate prices missing --region us-west-2 {name}` lists all of them");
    assert!(message.contains(&list), "{message}");
    assert!(message.contains("`runrate prices refresh --region us-west-2 --dir DIR`"), "{message}");

    let missing = ["prices", "missing", "--region", "us-west-2", &name, "--format", "json"];
    let found = stdout(&runrate(&[&missing[..], &book].concat()));
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    let usage_types: Vec<&str> = found["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| gap["usage_type"].as_str().unwrap())
        .collect();
    assert!(usage_types.contains(&"NatGateway-Bytes"), "{usage_types:?}");
    // CloudFront is not in the stack; of all services it is asked for.
    assert!(!usage_types.contains(&"Invalidations"), "{usage_types:?}");

    let eu = ["prices", "missing", "--region", "eu-west-3"];
    let whole = stdout(&runrate(&eu));
    assert!(whole.contains("Every meter that these services can emit has a price"), "{whole}");
    assert!(whole.contains("Not sold in a region"), "{whole}");
    assert!(!whole.contains("EBS:VolumeUsage.io2"), "{whole}");
    let whole = stdout(&runrate(&[&eu[..], &["--all"]].concat()));
    assert!(whole.contains("EBS:VolumeUsage.io2"), "{whole}");
    let placed = runrate(&["prices", "missing", "eu-central-1"]);
    let message = String::from_utf8_lossy(&placed.stderr).into_owned();
    assert!(
        message.contains("eu-central-1: is a region; write --region eu-central-1"),
        "{message}"
    );
    let wrong = runrate(&["prices", "missing", "--region", "eu-centrl-1"]);
    assert_eq!(wrong.status.code(), Some(2));
    let message = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(message.contains("did you mean \"eu-central-1\"?"), "{message}");
}

/// A price book with another region of AWS, whose prices are those of Frankfurt.
fn with_cape_town(folder: &Path) {
    let read = store::price_manifest(&PriceSource::Embedded).unwrap();
    let frankfurt = read.files.iter().filter(|listed| listed.path.starts_with("eu-central-1/"));
    let files: BTreeMap<String, String> = frankfurt
        .map(|listed| {
            let text = store::price_text(&read, &listed.path).unwrap().unwrap();
            let path = listed.path.replace("eu-central-1", "af-south-1");
            (path, text.replace("EUC1-", "AFS1-"))
        })
        .collect();
    assert!(files.len() > 10);
    store::save_prices(folder, &read, &files).unwrap();
}

/// Two accounts, the second in a region that the program has no prices of, with a reservation there: refused without them, and
/// at the cost of Frankfurt with a book that has Frankfurt's.
#[test]
fn a_region_outside_the_built_in_book_plans_with_a_book_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book");
    with_cape_town(&book);
    let scenario = |region: &str| {
        let more = format!(
            "[accounts.second]\nregion = \"{region}\"\ntraffic_share = 0.5\n[eks]\n[nat]\n\
             [[commitments]]\nname = \"c\"\nkind = \"ec2-reserved-instance\"\naccount = \"second\"\n\
             start = \"2027-01\"\nterm = \"1yr\"\npayment = \"no-upfront\"\n\
             instance_type = \"m7g.large\"\ncount = 1\nregion = \"{region}\"\n"
        );
        let path = folder.path().join(format!("{region}.toml"));
        fs::write(&path, small("us-east-1", &more)).unwrap();
        path.display().to_string()
    };
    let book = ["--prices", &book.display().to_string()].map(ToString::to_string);
    let book: Vec<&str> = book.iter().map(String::as_str).collect();
    let total = |region: &str, more: &[&str]| {
        let path = scenario(region);
        let plan = ["plan", &path, "--trials", "1", "--format", "json"];
        let plan: serde_json::Value =
            serde_json::from_str(&stdout(&runrate(&[&plan[..], more].concat()))).unwrap();
        plan["cost"].as_str().unwrap_or_else(|| panic!("{}", plan["cost"])).to_owned()
    };
    assert_eq!(total("af-south-1", &book), total("eu-central-1", &[]));

    let refused = |region: &str| {
        let done = runrate(&["plan", &scenario(region), "--trials", "1"]);
        assert_eq!(done.status.code(), Some(2));
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let said = refused("af-south-1");
    let expected = "accounts.second.region: the price book has no prices of af-south-1; `runrate prices refresh --region af-south-1 --dir DIR`";
    assert!(said.contains(expected), "{said}");
    let said = refused("af-sout-1");
    assert!(said.contains("no region \"af-sout-1\"; did you mean \"af-south-1\"?"), "{said}");

    let missing = ["prices", "missing", "--region", "af-south-1", "--format", "json"];
    let found: serde_json::Value =
        serde_json::from_str(&stdout(&runrate(&[&missing[..], &book].concat()))).unwrap();
    let gaps = found["missing"].as_array().unwrap();
    // Frankfurt's rows have no way to Frankfurt.
    let names: Vec<_> = gaps.iter().map(|gap| gap["usage_type"].as_str().unwrap()).collect();
    assert_eq!(names, ["EUC1-AWS-Out-Bytes"]);
}
