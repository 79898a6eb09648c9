use super::*;
use crate::{
    facts::prices::Table,
    money::rate::{Sharing, rate},
    usage::services::UsageLine,
};

const HEADER: &str = "usage_type,operation,description,unit,begin_range,end_range,usd_per_unit,\
    pool,billed_usage_type,cost_explorer_service,as_of,source,confidence,note\n";

/// On demand: m.large 0.10, m.xlarge 0.20, c.large 0.08; db.r.large 0.30, db.r.xl 0.60.
fn book() -> PriceBook {
    let rows = |prefix: &str, operation: &str, service: &str, prices: &[(&str, &str)]| {
        let row = |(name, price): &(&str, &str)| {
            format!(
                "{prefix}:{name},{operation},,Hrs,0,Inf,{price},,{prefix}:{name},{service},2026,s,exact,\n"
            )
        };
        format!("{HEADER}{}", prices.iter().map(row).collect::<String>())
    };
    let ec2 =
        [("m.large", "0.10"), ("m.xlarge", "0.20"), ("c.large", "0.08"), ("c.xlarge", "0.16")];
    let mut book = PriceBook::default();
    let text = rows("BoxUsage", "RunInstances", "EC2", &ec2);
    book.insert("us", "AmazonEC2", Table::parse("ec2", &text).unwrap());
    let rds = [("db.r.large", "0.30"), ("db.r.xl", "0.60")];
    let text = rows("InstanceUsage", "CreateDBInstance:0021", "RDS", &rds);
    book.insert("us", "AmazonRDS", Table::parse("rds", &text).unwrap());
    book
}

/// Plan rates: 40 % off m, 25 % off c. Reservations: m.large 0.06, db.r.large 0.18.
fn rates() -> Rates {
    let mut rates = Rates::default();
    let header = "instance_type,term,payment_option,plan_kind,usd_per_hour,on_demand_usd_per_hour,as_of,source,note\n";
    let row = |name: &str, kind: &str, price: &str| {
        format!(
            "{name},1yr,no-upfront,{kind},{price},,2026,s,\n{name},1yr,all-upfront,{kind},{price},,2026,s,\n"
        )
    };
    let text = [
        row("m.large", "compute", "0.06"),
        row("m.xlarge", "compute", "0.12"),
        row("c.large", "compute", "0.06"),
        row("c.xlarge", "compute", "0.12"),
        row("m.large", "ec2-instance", "0.05"),
        row("m.xlarge", "ec2-instance", "0.10"),
        row("m.large", "standard-ri", "0.06"),
        row("db.r.large", "reserved-db-instance", "0.18"),
    ];
    rates.add("us", "rates.csv", &format!("{header}{}", text.concat())).unwrap();
    rates
}

fn rules() -> Rules {
    toml::from_str(include_str!("../../../../models/commitments.toml")).unwrap()
}

#[test]
fn a_rate_that_is_not_below_todays_on_demand_price_is_refused() {
    let text = "instance_type,on_demand,standard_1yr,standard_3yr,convertible_1yr,convertible_3yr,as_of,source\n\
         p4d.24xlarge,32.7726,20.2,12.3,,,2025-04-04,files\n";
    let mut rates = Rates::default();
    rates.add_no_upfront("us", "no_upfront.csv", text).unwrap();
    let bought = commitment("ec2-reserved-instance", "instance_type = \"p4d.24xlarge\"\ncount = 1");
    let rate = |on_demand: f64| rate_of(&bought, "us", ("p4d.24xlarge", on_demand), &rates);
    assert_eq!(rate(32.7726).unwrap().usd_per_hour, 20.2);
    let error = rate(19.9).unwrap_err();
    assert!(error.contains("is not below today's on-demand price of 19.9"), "{error}");
}

fn commitment(kind: &str, more: &str) -> Commitment {
    let text = format!(
        "name = '{kind}'\nkind = '{kind}'\naccount = 'a'\nstart = '2027-01'\nterm = '1yr'\n{more}"
    );
    let payment = if more.contains("payment") { "" } else { "\npayment = 'no-upfront'" };
    toml::from_str(&format!("{text}{payment}")).unwrap()
}

fn usage(month: &str, account: &str, meter: &str, hours: Vec<f64>) -> Usage {
    let (service, operation) = if meter.starts_with("Instance") {
        ("AmazonRDS", "CreateDBInstance:0021")
    } else {
        ("AmazonEC2", "RunInstances")
    };
    Usage {
        month: month.parse().unwrap(),
        account: account.into(),
        line: UsageLine {
            key: BillKey::new(service, "us", meter, operation),
            resource: String::new(),
            quantity: Quantity::new(hours.iter().sum()),
            hours,
            zones: None,
            why: Basis::default(),
        },
    }
}

/// So many instances in every hour of a month.
fn flat(month: &str, account: &str, meter: &str, instances: f64) -> Usage {
    let hours = month.parse::<Month>().unwrap().hours();
    usage(month, account, meter, vec![instances; hours])
}

fn drawn(lines: &mut [Usage], bought: &[Commitment], shared: bool) -> (Applied, Rated) {
    let (book, rates, rules) = (book(), rates(), rules());
    let regions = vec!["us".to_owned(); bought.len()];
    let terms =
        Terms { bought, regions: &regions, rules: &rules, rates: &rates, book: &book, shared };
    let applied = apply(lines, &terms).unwrap();
    let mut priced = rate(lines, &book, Sharing::PerAccount).unwrap();
    applied.add_to(&mut priced, &terms);
    (applied, priced)
}

fn cost(rated: &Rated) -> String {
    crate::money::ledger::total(&rated.entries).to_string()
}

/// Ten m.large run in every hour; a Compute Savings Plan of 0.30 an hour covers 0.30 / 0.06 = 5 of them. In a
/// month of 28 days that is 672 × (0.30 + 5 × 0.10) = 537.60, of 29 days 696 × 0.80 = 556.80, of 30
/// days 720 × 0.80 = 576, of 31 days 744 × 0.80 = 595.20. On demand the hour would cost 1.00.
#[test]
fn a_plan_is_drawn_down_in_months_of_every_length() {
    for (month, fee, total) in [
        ("2027-02", "201.6", "537.6"),
        ("2028-02", "208.8", "556.8"),
        ("2027-04", "216", "576"),
        ("2027-05", "223.2", "595.2"),
    ] {
        let mut plan = commitment("compute-savings-plan", "usd_per_hour = 0.3");
        plan.start = month.parse().unwrap();
        let (applied, rated) =
            drawn(&mut [flat(month, "a", "BoxUsage:m.large", 10.0)], &[plan], false);
        assert_eq!(cost(&rated), total, "{month}");
        let own = &applied.uses[0].months[0];
        assert_eq!((own.fee.to_string(), own.unused), (fee.to_owned(), Usd::ZERO), "{month}");
        assert_eq!(own.utilization(), Some(1.0));
    }
}

/// The pool is an hour's and not a month's: 20 instances in each other hour and none between, with 0.60
/// an hour (ten instances): 360 hours cover 10 and leave 10 on demand, 360 hours cover nothing.
/// 720 × 0.60 + 360 × 10 × 0.10 = 432 + 360 = 792; half of the fee is lost.
#[test]
fn what_an_hour_does_not_use_is_lost() {
    let hours = (0..720).map(|hour| if hour % 2 == 0 { 20.0 } else { 0.0 }).collect();
    let plan = commitment("compute-savings-plan", "usd_per_hour = 0.6");
    let (applied, rated) =
        drawn(&mut [usage("2027-04", "a", "BoxUsage:m.large", hours)], &[plan], false);
    assert_eq!(cost(&rated), "792");
    let own = &applied.uses[0].months[0];
    assert_eq!((own.used.to_string(), own.unused.to_string()), ("216".into(), "216".into()));
    // 1,440 of 720 × 10 × 0.10 × 2 could be covered; the saving is 360 − 432.
    assert_eq!(own.on_demand.to_string(), "360");
    assert_eq!(own.saved().to_string(), "-72");
}

/// One hour of each: 2 m.large (40 % off, 0.12 of plan rates) come before 2 c.large (25 % off). A plan of 0.15
/// covers both m.large and 0.03 / 0.06 = half a c.large; 1.5 c.large stay on demand at 0.08.
/// 0.15 + 0.12 = 0.27 an hour, × 720 = 194.40.
#[test]
fn the_highest_saving_comes_first() {
    let plan = commitment("compute-savings-plan", "usd_per_hour = 0.15");
    let mut lines = [
        flat("2027-04", "a", "BoxUsage:c.large", 2.0),
        flat("2027-04", "a", "BoxUsage:m.large", 2.0),
    ];
    let (_, rated) = drawn(&mut lines, &[plan], false);
    assert_eq!(cost(&rated), "194.4");
    assert_eq!(lines[0].line.quantity.get().round() as i64, 1080);
    assert_eq!(lines[1].line.quantity.get().round() as i64, 0);
}

/// Four m.large. The reservation takes one (0.06), the EC2 Instance plan of 0.05 one more, the Compute plan of
/// 0.06 a third, and the fourth is on demand: 0.06 + 0.05 + 0.06 + 0.10 = 0.27 an hour, × 720 = 194.40. The order
/// of the scenario does not matter.
#[test]
fn reservations_come_before_instance_plans_and_these_before_compute_plans() {
    let bought = [
        commitment("compute-savings-plan", "usd_per_hour = 0.06"),
        commitment("ec2-instance-savings-plan", "usd_per_hour = 0.05\nfamily = 'm'"),
        commitment("ec2-reserved-instance", "instance_type = 'm.large'\ncount = 1"),
    ];
    for bought in [bought.to_vec(), bought.iter().rev().cloned().collect()] {
        let mut lines = [flat("2027-04", "a", "BoxUsage:m.large", 4.0)];
        let (applied, rated) = drawn(&mut lines, &bought, false);
        assert_eq!(cost(&rated), "194.4");
        assert!(applied.uses.iter().all(|own| own.months[0].unused == Usd::ZERO));
    }
}

/// Two m.large are 8 units: one m.large in use takes 4, and half of an m.xlarge (8 units) the other 4. The rest
/// of the m.xlarge costs 0.10 an hour on demand: 2 × 0.06 + 0.10 = 0.22, × 744 = 163.68. Small sizes come first.
#[test]
fn a_reservation_covers_any_size_of_its_family() {
    let bought = commitment("ec2-reserved-instance", "instance_type = 'm.large'\ncount = 2");
    let mut lines = [
        flat("2027-05", "a", "BoxUsage:m.xlarge", 1.0),
        flat("2027-05", "a", "BoxUsage:m.large", 1.0),
    ];
    let (_, rated) = drawn(&mut lines, &[bought], false);
    assert_eq!(cost(&rated), "163.68");
    assert_eq!(lines[1].line.quantity.get().round() as i64, 0);
}

/// An I/O-Optimized db.r.large needs 1.3 × 4 units: one reservation of 4 covers 1 / 1.3 of it.
#[test]
fn io_optimized_instances_use_more_units() {
    let bought = commitment("rds-reserved-instance", "instance_type = 'db.r.large'\ncount = 1.3");
    let mut book = book();
    let text = format!(
        "{HEADER}InstanceUsageIOOptimized:db.r.large,CreateDBInstance:0021,,Hrs,0,Inf,0.39,,x,RDS,2026,s,exact,\n\
         InstanceUsage:db.r.large,CreateDBInstance:0021,,Hrs,0,Inf,0.30,,x,RDS,2026,s,exact,\n"
    );
    book.insert("us", "AmazonRDS", Table::parse("rds", &text).unwrap());
    let (rates, rules) = (rates(), rules());
    let regions = vec!["us".to_owned()];
    let bought = [bought];
    let terms = Terms {
        bought: &bought,
        regions: &regions,
        rules: &rules,
        rates: &rates,
        book: &book,
        shared: false,
    };
    let mut lines = [flat("2027-04", "a", "InstanceUsageIOOptimized:db.r.large", 1.0)];
    let applied = apply(&mut lines, &terms).unwrap();
    let own = &applied.uses[0].months[0];
    assert_eq!((own.unused, own.fee.to_string()), (Usd::ZERO, "168.48".to_owned())); // 1.3 × 0.18 × 720
    assert!(lines[0].line.quantity.get() < 1e-9);
}

/// A reservation is for one engine, and for Linux: Aurora `MySQL` (0016) and Windows (0002) of the same size stay
/// on demand.
#[test]
fn a_reservation_covers_its_engine_and_operating_system_alone() {
    for (bought, meter, operation) in [
        (
            commitment("rds-reserved-instance", "instance_type = 'db.r.large'\ncount = 2"),
            "InstanceUsage:db.r.large",
            "CreateDBInstance:0016",
        ),
        (
            commitment("ec2-reserved-instance", "instance_type = 'm.large'\ncount = 2"),
            "BoxUsage:m.large",
            "RunInstances:0002",
        ),
    ] {
        let own = flat("2027-04", "a", meter, 1.0);
        let mut other = own.clone();
        other.line.key.operation = operation.into();
        let mut book = book();
        let row = |operation: &str| {
            format!("{meter},{operation},,Hrs,0,Inf,0.5,,{meter},S,2026,s,exact,\n")
        };
        let rows = format!("{HEADER}{}{}", row(&own.line.key.operation), row(operation));
        book.insert("us", &own.line.key.service, Table::parse("b", &rows).unwrap());
        let (rates, rules, regions) = (rates(), rules(), vec!["us".to_owned()]);
        let bought = [bought];
        let terms = Terms {
            bought: &bought,
            regions: &regions,
            rules: &rules,
            rates: &rates,
            book: &book,
            shared: false,
        };
        let mut lines = [other, own];
        apply(&mut lines, &terms).unwrap();
        let left = lines.map(|line| line.line.quantity.get().round());
        assert!(left[0] > 719.0 && left[1] < 1e-9, "{meter} {left:?}");
    }
}

/// Account b runs what account a bought for: with one payer it is covered once a's own is, without it is not.
#[test]
fn what_the_buyer_leaves_serves_the_organization() {
    let plan = || commitment("compute-savings-plan", "usd_per_hour = 0.18");
    let lines = || {
        [
            flat("2027-04", "b", "BoxUsage:m.large", 3.0),
            flat("2027-04", "a", "BoxUsage:m.large", 1.0),
        ]
    };
    let mut shared = lines();
    let (applied, rated) = drawn(&mut shared, &[plan()], true);
    // 0.18 covers a's one and two of b's three: 0.18 + 0.10 an hour.
    assert_eq!(cost(&rated), "201.6");
    assert_eq!(applied.uses[0].months[0].unused, Usd::ZERO);
    let mut apart = lines();
    let (applied, rated) = drawn(&mut apart, &[plan()], false);
    // a's one uses 0.06 of 0.18; b pays on demand: 0.18 + 0.30 an hour.
    assert_eq!(cost(&rated), "345.6");
    assert_eq!(applied.uses[0].months[0].unused.to_string(), "86.4");
}

/// 0.30 an hour for 8,760 h are 2,628, all of it paid in the first month, of which January (744 h) takes 223.20.
#[test]
fn upfront_money_is_paid_at_once_and_spread_over_the_term() {
    let plan = commitment("compute-savings-plan", "usd_per_hour = 0.3\npayment = 'all-upfront'");
    let mut lines = [
        flat("2027-01", "a", "BoxUsage:m.large", 10.0),
        flat("2027-02", "a", "BoxUsage:m.large", 10.0),
    ];
    let (applied, _) = drawn(&mut lines, &[plan], false);
    let months = &applied.uses[0].months;
    assert_eq!([&months[0], &months[1]].map(|m| m.cash.to_string()), ["2628", "0"]);
    assert_eq!([&months[0], &months[1]].map(|m| m.fee.to_string()), ["223.2", "201.6"]);
}

#[test]
fn a_plan_without_a_price_names_what_there_is() {
    let mut plan = commitment("ec2-instance-savings-plan", "usd_per_hour = 1\nfamily = 'c'");
    let (book, rates, rules) = (book(), rates(), rules());
    let regions = vec!["us".to_owned()];
    let run = |plan: &Commitment| {
        let bought = [plan.clone()];
        let terms = Terms {
            bought: &bought,
            regions: &regions,
            rules: &rules,
            rates: &rates,
            book: &book,
            shared: false,
        };
        apply(&mut [flat("2027-04", "a", "BoxUsage:c.large", 1.0)], &terms).map(|_| ())
    };
    let wrong = run(&plan).unwrap_err();
    assert!(wrong[0].message.contains("EC2 Instance Savings Plan of c.large in us"), "{wrong:?}");
    assert!(wrong[0].message.contains("discount_percent"), "{wrong:?}");
    plan.discount_percent = Some(30.0);
    run(&plan).unwrap();
}

proptest::proptest! {
    /// Whatever runs and whatever was bought: the ledger holds the on-demand rest and the whole fee, nothing is
    /// covered twice, and no more than was there.
    #[test]
    fn fees_and_usage_add_up(
        m in proptest::collection::vec(0.0_f64..20.0, 720),
        c in proptest::collection::vec(0.0_f64..20.0, 720),
        plan in 0.0_f64..2.0, family in 0.0_f64..1.0, count in 0.0_f64..10.0,
    ) {
        let bought = [
            commitment("compute-savings-plan", &format!("usd_per_hour = {plan}")),
            commitment("ec2-instance-savings-plan", &format!("usd_per_hour = {family}\nfamily = 'm'")),
            commitment("ec2-reserved-instance", &format!("instance_type = 'm.large'\ncount = {count}")),
        ];
        let mut lines = [
            usage("2027-04", "a", "BoxUsage:m.large", m.clone()),
            usage("2027-04", "b", "BoxUsage:c.large", c.clone()),
        ];
        let (applied, rated) = drawn(&mut lines, &bought, true);
        let rest = lines[0].line.quantity.get() * 0.10 + lines[1].line.quantity.get() * 0.08;
        let fees: f64 = applied.uses.iter().map(|own| own.months[0].fee.to_f64()).sum();
        let total = crate::money::ledger::total(&rated.entries).to_f64();
        proptest::prop_assert!((total - rest - fees).abs() < 1e-6, "{} {} {}", total, rest, fees);
        for (line, before) in lines.iter().zip([&m, &c]) {
            let before: f64 = before.iter().sum();
            let left = line.line.quantity.get();
            proptest::prop_assert!(left >= 0.0 && left <= before + 1e-9);
        }
        for own in &applied.uses {
            let month = &own.months[0];
            proptest::prop_assert_eq!(month.used + month.unused, month.fee);
        }
        let covered: f64 = applied.coverage.iter().map(|own| own.covered.to_f64()).sum();
        let saved: f64 = applied.uses.iter().map(|own| own.months[0].on_demand.to_f64()).sum();
        proptest::prop_assert!((covered - saved).abs() < 1e-6);
    }
}
