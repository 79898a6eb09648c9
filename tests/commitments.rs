//! Commitments as AWS sells them: worked examples by hand, to the cent, and what is refused.
//!
//! Each example is the difference of two plans of January 2027 (744 hours): one without the commitment, one with it.
//! Rates: `pricing-cache/<region>/AmazonEC2.no_upfront.csv` and `<service>.commitments.csv`, each row with its source.
#![allow(clippy::unwrap_used)]

use std::fs;

use runrate::{advice::commit::Advised, plan::Plan};

use crate::support::{self, runrate, stdout};

/// Four m7g.large in one account, and a database, if any.
fn company(region: &str, database: &str) -> String {
    let aurora = if database.is_empty() {
        String::new()
    } else {
        format!(
            "[aurora]\n{database}\nmin_readers = 0\nqueries_per = {{ api = 4 }}\nwrite_share = 0.2\ncpu_ms_per_query = 1.0\n\
             pages_per_query = 8\nwal_bytes_per_write = 5000\nkib_per_query = 2\nstorage_gib = 20\nstorage_mib_per_user = 0\n\
             working_set_share = 0.1\nchanged_per_day = 0.02\nbackup_retention_days = 7\n"
        )
    };
    support::base("2027-01", 1, 100).replace("us-east-1", region).replace("nodes = 2", "nodes = 4")
        + "[alb]\n"
        + &aurora
}

fn commitment(kind: &str, more: &str) -> String {
    let term = if more.contains("term") { "" } else { "term = \"1yr\"\n" };
    let payment = if more.contains("payment") { "" } else { "payment = \"no-upfront\"\n" };
    format!(
        "[[commitments]]\nname = \"{kind}\"\nkind = \"{kind}\"\naccount = \"production\"\nstart = \"2027-01\"\n{term}{payment}{more}\n"
    )
}

fn plan(text: &str) -> Plan {
    support::plan(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What a commitment saves, and what is paid for it in its first month.
fn saved(company: &str, bought: &str) -> [String; 2] {
    let without = plan(company);
    let with = plan(&format!("{company}{bought}"));
    let months = with.commitments.iter().map(|own| own.months[0].cash);
    [without.cost - with.cost, months.sum()].map(|amount| amount.cents().to_string())
}

/// Four m7g.large at 0.0978 an hour on demand in eu-central-1, 0.0816 in us-east-1.
#[test]
fn instances_by_hand() {
    let reserved = |more: &str| {
        let what = "instance_type = \"m7g.large\"\ncount = 4\n";
        commitment("ec2-reserved-instance", &format!("{what}{more}"))
    };
    let three = "term = \"3yr\"\n";
    let partial = "payment = \"partial-upfront\"\ndiscount_percent = 40\n";
    for (region, bought, expected) in [
        // 4 × (0.0978 − 0.0647) × 744; 4 × 0.0647 × 744.
        ("eu-central-1", reserved(""), ["98.51", "192.55"]),
        // 4 × (0.0978 − 0.0443) × 744; 4 × 0.0443 × 744.
        ("eu-central-1", reserved(three), ["159.22", "131.84"]),
        // 4 × (0.0978 − 0.0745) × 744; 4 × 0.0745 × 744.
        ("eu-central-1", reserved("offering_class = \"convertible\"\n"), ["69.34", "221.71"]),
        // 4 × (0.0816 − 0.050342) × 744; 4 × 0.050342 × 8,760, all of it at once.
        ("us-east-1", reserved("payment = \"all-upfront\"\n"), ["93.02", "1763.98"]),
        // 40 % off: 4 × 0.0816 × 0.4 × 744; half of 4 × 0.04896 × 8,760 at once, and half of a month's 145.70.
        ("us-east-1", reserved(partial), ["97.14", "930.63"]),
        // 0.2 × (1 / 0.66 − 1) × 744; 0.2 × 744.
        (
            "eu-central-1",
            commitment(
                "ec2-instance-savings-plan",
                "family = \"m7g\"\nusd_per_hour = 0.2\ndiscount_percent = 34\n",
            ),
            ["76.65", "148.80"],
        ),
        // 0.2 × (1 / 0.73 − 1) × 744.
        (
            "us-east-1",
            commitment("compute-savings-plan", "usd_per_hour = 0.2\ndiscount_percent = 27\n"),
            ["55.04", "148.80"],
        ),
    ] {
        assert_eq!(saved(&company(region, ""), &bought), expected, "{region}\n{bought}");
    }
}

/// One writer in us-east-1: db.r6g.large 0.26 an hour, db.r6g.xlarge 0.519, db.r8g.large 0.276, I/O-Optimized 0.3588; a
/// serverless one of two ACU 2 × 0.12.
#[test]
fn databases_by_hand() {
    let reserved = |count: f64, more: &str| {
        let what = format!("instance_type = \"db.r6g.large\"\ncount = {count}\n");
        commitment("rds-reserved-instance", &format!("{what}{more}"))
    };
    let plan = |size: f64| {
        let what = format!("usd_per_hour = {size}\ndiscount_percent = 20\n");
        commitment("database-savings-plan", &what)
    };
    let quoted = "discount_percent = 30\n";
    let upfront = "term = \"3yr\"\npayment = \"all-upfront\"\n";
    for (database, bought, expected) in [
        // 0.26 × 30 % × 744; 0.182 × 744.
        ("instance_class = \"db.r6g.large\"", reserved(1.0, quoted), ["58.03", "135.41"]),
        // Two of 4 units cover one of 8: (0.519 − 2 × 0.182) × 744.
        ("instance_class = \"db.r6g.xlarge\"", reserved(2.0, quoted), ["115.32", "270.82"]),
        // (0.26 − 0.09049) × 744; 0.09049 × 26,280 at once.
        ("instance_class = \"db.r6g.large\"", reserved(1.0, upfront), ["126.12", "2378.08"]),
        // 0.276 × 20 % × 744; 0.2208 × 744.
        ("instance_class = \"db.r8g.large\"", plan(0.2208), ["41.07", "164.28"]),
        // The I/O-Optimized premium too: 0.3588 × 20 % × 744.
        (
            "instance_class = \"db.r8g.large\"\nstorage_type = \"io-optimized\"",
            plan(0.28704),
            ["53.39", "213.56"],
        ),
        // 0.24 × 35 % × 744; 0.156 × 744.
        (
            "serverless = { min_acu = 2, max_acu = 2 }",
            commitment(
                "database-savings-plan",
                "usd_per_hour = 0.156\ndiscount_percent = 20\nserverless_discount_percent = 35\n",
            ),
            ["62.50", "116.06"],
        ),
    ] {
        assert_eq!(
            saved(&company("us-east-1", database), &bought),
            expected,
            "{database}\n{bought}"
        );
    }
}

/// A reservation of db.r8g.large is used first, and the plan covers the second instance.
#[test]
fn database_plans_come_after_reservations() {
    let company = company("us-east-1", "instance_class = \"db.r8g.large\"")
        .replace("min_readers = 0", "min_readers = 1\nmax_readers = 1");
    let both =
        commitment("database-savings-plan", "usd_per_hour = 0.2208\ndiscount_percent = 20\n")
            + &commitment(
                "rds-reserved-instance",
                "instance_type = \"db.r8g.large\"\ncount = 1\ndiscount_percent = 30\n",
            );
    // 0.276 × (20 % + 30 %) × 744.
    assert_eq!(saved(&company, &both)[0], "102.67");
    let with = plan(&format!("{company}{both}"));
    assert!(with.commitments.iter().all(|own| own.months[0].unused.to_f64() < 1e-6));
    // The fee and the covered hours are lines of the ledger under their own names.
    let covered = with.entries.iter().filter(|own| own.key.operation == "SavingsPlanCoveredUsage");
    assert_eq!(covered.map(|own| own.cost.cents().to_string()).collect::<Vec<_>>(), ["164.28"]);
}

fn refused(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    fs::write(&path, text).unwrap();
    let output = runrate(&["plan", &path.display().to_string(), "--trials", "1"]);
    assert_eq!(output.status.code(), Some(2), "{text}");
    String::from_utf8(output.stderr).unwrap()
}

/// What AWS does not sell names the line, the key and what it sells.
#[test]
fn what_aws_does_not_sell_is_refused() {
    let plan = |more: &str| {
        commitment(
            "database-savings-plan",
            &format!("usd_per_hour = 0.1\ndiscount_percent = 20\n{more}"),
        )
    };
    let newer = "instance_class = \"db.r8g.large\"";
    for (database, bought, message) in [
        (
            newer,
            plan("term = \"3yr\"\n"),
            "commitments[0].term: AWS sells no Database Savings Plan for 3yr with no-upfront; it sells 1yr with no-upfront",
        ),
        (
            newer,
            plan("payment = \"all-upfront\"\n"),
            "commitments[0].payment: AWS sells no Database Savings Plan for 1yr with all-upfront; choose no-upfront",
        ),
        (
            newer,
            plan("region = \"us-east-1\"\n"),
            "commitments[0].region: a Database Savings Plan covers all regions; remove it",
        ),
        (
            "families = [\"t4g\", \"r6g\"]",
            plan(""),
            "commitments[0].kind: AWS applies no Database Savings Plan to db.r6g, db.t4g; it covers serverless capacity and generation 7 and newer. Choose kind = \"rds-reserved-instance\", or move the database to db.r7g, db.r8g",
        ),
        (
            newer,
            commitment(
                "rds-reserved-instance",
                "instance_type = \"db.r6g.large\"\ncount = 1\noffering_class = \"convertible\"\n",
            ),
            "commitments[0].offering_class: does not apply to an RDS Reserved Instance; remove it",
        ),
    ] {
        let told = refused(&(company("us-east-1", database) + &bought));
        assert!(told.contains(message) && told.contains("s.toml:"), "{told}");
    }
}

fn advised(folder: &std::path::Path, text: &str, more: &[&str]) -> Advised {
    let path = folder.join("s.toml");
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let arguments = ["commit", &path, "--format", "json", "--trials", "4"];
    serde_json::from_str(&stdout(&runrate(&[&arguments[..], more].concat()))).unwrap()
}

/// Six months of four instances that always run, in a region of which the book has no-upfront rates alone.
#[test]
fn commit_buys_what_the_book_has_in_any_region() {
    let folder = tempfile::tempdir().unwrap();
    let text = company("eu-central-1", "").replace("months = 1", "months = 6");
    let found = advised(folder.path(), &text, &["--from", "2027-03"]);
    let all = found.recommended.unwrap();
    assert_eq!(all.commitments.len(), 1, "{all:?}");
    let own = &all.commitments[0];
    assert_eq!(own.start.to_string(), "2027-03");
    assert_eq!((own.count, own.instance_type.as_deref()), (Some(4.0), Some("m7g.large")));
    // Three years: 4 × (0.0978 − 0.0443) × 26,280.
    assert!((all.saving.mean - 5623.92).abs() < 1e-6, "{all:?}");
    assert_eq!((all.loses, all.worst_loss), (0.0, 0.0));
    assert_eq!(all.payback.unwrap().to_string(), "2027-03");
    let march = &all.months[2];
    assert!((march.saved - 159.216).abs() < 1e-6 && march.utilization == Some(1.0), "{march:?}");
    assert_eq!(march.coverage, Some(1.0));
    // A plan that is over by then.
    let path = folder.path().join("s.toml").display().to_string();
    let late = runrate(&["commit", &path, "--trials", "1", "--from", "2028-01"]);
    assert_eq!(late.status.code(), Some(2));
    let told = String::from_utf8(late.stderr).unwrap();
    assert!(told.contains("plan.months: the plan ends in 2027-06"), "{told}");
}

/// db.r6g costs 0.313 an hour in eu-central-1 and is covered by no plan; db.r7g is. A plan of the newer class saves
/// more than nothing, and the purchases are those of the plan that names it.
#[test]
fn a_newer_class_is_chosen_with_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    let text = company("eu-central-1", "instance_class = \"db.r6g.large\"")
        .replace("months = 1", "months = 14")
        .replace("min_readers = 0", "min_readers = 1\nmax_readers = 1");
    let quote = ["--from", "2027-01", "--discount", "database-savings-plan=20%"];
    let own = advised(folder.path(), &text, &quote).class_move.unwrap();
    assert_eq!(
        (&*own.from, &*own.to, own.month.to_string().as_str()),
        ("db.r6g", "db.r7g", "2027-01")
    );
    assert!(own.pays(), "{own:?}");
    let mut moved = text.replace("db.r6g", "db.r7g");
    let extra = (plan(&moved).cost - plan(&text).cost).to_f64();
    assert!((own.extra - extra).abs() < 1e-6, "{own:?} {extra}");
    assert!(own.commitments.iter().any(|own| own.kind.name() == "database-savings-plan"));
    for bought in &own.commitments {
        moved += "[[commitments]]\n";
        moved += &toml::to_string(bought).unwrap();
    }
    // What is said is the difference of the plan and the plan that is moved and has bought.
    let difference = (plan(&text).cost - plan(&moved).cost).to_f64();
    assert!((own.saves_moved - difference).abs() < 1e-4, "{own:?} {difference}");
}

/// A third of the time the instances do not run: nothing is worth buying, and the reason is printed.
#[test]
fn nothing_worth_buying_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let text = company("eu-central-1", "").replace("months = 1", "months = 6");
    let asleep = text.replace(
        "[cluster]",
        "[accounts.production.schedule]\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\nfrom = \"08:00\"\nto = \"16:00\"\n[cluster]",
    );
    let asleep = asleep.replace("nodes = 4", "nodes = 4, asleep_nodes = 0");
    let found = advised(folder.path(), &asleep, &["--from", "2027-01"]);
    assert_eq!(found.recommended, None, "{found:?}");
    let why = found.why_nothing.unwrap();
    assert!(why.contains("of on-demand usage for each $1 of its fee"), "{why}");
    assert!(found.rejected.iter().all(|own| own.covers < 1.0 && own.loses > 0.99));
    let spot = stdout(&runrate(&[
        "commit",
        &folder.path().join("s.toml").display().to_string(),
        "--trials",
        "1",
        "--from",
        "2027-01",
    ]));
    assert!(spot.contains("Recommended: nothing. The best of"), "{spot}");
    let bad = ["compute-saving-plan=27%", "database-savings-plan:3yr=20%"];
    for (discount, message) in bad.into_iter().zip([
        "did you mean compute-savings-plan?",
        "AWS sells no Database Savings Plan for 3yr with no-upfront",
    ]) {
        let path = folder.path().join("s.toml").display().to_string();
        let output = runrate(&["commit", &path, "--trials", "1", "--discount", discount]);
        assert_eq!(output.status.code(), Some(2), "{discount}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(message), "{told}");
    }
}
