use proptest::prelude::*;

use super::*;

fn place(usage_type: &str) -> Place {
    ("2027-01".parse().unwrap(), "a".into(), "EC2".into(), "us-east-1".into(), usage_type.into())
}

fn sides(planned: Option<(f64, &str)>, billed: Option<(f64, &str)>) -> Sides {
    let side = |(quantity, cost): (f64, &str)| Side {
        quantity: Some(quantity),
        cost: Usd::from_decimal(cost.parse().unwrap()),
    };
    Sides { planned: planned.map(side), billed: billed.map(side), ..Sides::default() }
}

fn compare(cells: Vec<(&str, Sides)>) -> Vec<Cell> {
    variance::cells(cells.into_iter().map(|(usage, sides)| (place(usage), sides)).collect())
}

/// Planned 100 h at 0.10 and 100 h at 0.20, $30; billed 60 h at 0.10 and 180 h at 0.22, $45.60.
/// r = 240 / 200 = 1.2: quantity 0.2 × 30 = 6. Price: 180 × 0.02 = 3.6. Mix: (60 − 120) × 0.10 +
/// (180 − 120) × 0.20 = 6. Sum 15.6.
#[test]
fn price_quantity_and_mix_are_those_of_the_worked_example() {
    let cells = compare(vec![
        ("BoxUsage:m7g.large", sides(Some((100.0, "10")), Some((60.0, "6")))),
        ("SpotUsage:m7g.xlarge", sides(Some((100.0, "20")), Some((180.0, "39.6")))),
    ]);
    let mut sum = Sum::default();
    for cell in &cells {
        sum.add(cell);
    }
    let near = |found: Usd, expected: f64| (found.to_f64() - expected).abs() < 1e-9;
    assert!(near(sum.variance.quantity, 6.0), "{:?}", sum.variance);
    assert!(near(sum.variance.price, 3.6) && near(sum.variance.mix, 6.0), "{:?}", sum.variance);
    assert_eq!(sum.variance.total.to_string(), "15.6");
    assert_eq!(sum.share(), Some(0.52));
}

#[test]
fn what_stands_on_one_side_alone_is_named() {
    let cells = compare(vec![
        ("NatGateway-Hours", sides(Some((744.0, "33.48")), None)),
        ("NatGateway-Bytes", sides(None, Some((10.0, "0.45")))),
        ("BoxUsage:a", sides(Some((10.0, "1")), Some((10.0, "1")))),
        ("BoxUsage:b", sides(None, Some((5.0, "1")))),
    ]);
    let of = |usage: &str| cells.iter().find(|cell| cell.usage_type == usage).unwrap();
    assert_eq!(of("NatGateway-Hours").matched, Match::Unbilled);
    assert_eq!(of("NatGateway-Hours").variance.quantity.to_string(), "-33.48");
    assert_eq!(of("NatGateway-Bytes").matched, Match::Unplanned);
    let new = of("NatGateway-Bytes").variance;
    assert_eq!((new.unplanned.to_string(), new.quantity), ("0.45".into(), Usd::ZERO));
    // Of a group with a plan: another kind in place of a planned one, whose price no plan knows.
    let other = of("BoxUsage:b").variance;
    assert_eq!((other.mix.to_string(), other.price.to_string()), ("1".into(), "0".into()));
    // r = 15 / 10: half as much again of what was planned, which the new type made up for.
    let same = of("BoxUsage:a").variance;
    assert_eq!((same.quantity.to_string(), same.mix.to_string()), ("0.5".into(), "-0.5".into()));
}

/// A class twice as large at twice the price: AWS changed no price, whether the bill has quantities or not.
#[test]
fn another_instance_class_is_mix() {
    for quantity in [Some(744.0), None] {
        let mut larger = sides(None, Some((744.0, "386.88")));
        larger.billed.as_mut().unwrap().quantity = quantity;
        let cells = compare(vec![
            ("InstanceUsage:db.r6g.large", sides(Some((744.0, "193.44")), None)),
            ("InstanceUsage:db.r6g.xl", larger),
        ]);
        let mut sum = Sum::default();
        for cell in &cells {
            sum.add(cell);
        }
        let Variance { price, mix, quantity, .. } = sum.variance;
        assert_eq!(mix.to_string(), "193.44", "{cells:?}");
        assert_eq!((price, quantity), (Usd::ZERO, Usd::ZERO));
    }
    // What the bill's list price says is another rate is price: 386.88 listed, 10 % off.
    let mut larger = sides(None, Some((744.0, "348.192")));
    larger.list = Some(386.88);
    let cells = compare(vec![
        ("InstanceUsage:db.r6g.large", sides(Some((744.0, "193.44")), None)),
        ("InstanceUsage:db.r6g.xl", larger),
    ]);
    let price: Usd = cells.iter().map(|cell| cell.variance.price).sum();
    assert!((price.to_f64() + 38.688).abs() < 1e-9, "{cells:?}");
}

/// A bill equal to the plan, by service and region, by region, by service and by account: no cell differs, and
/// each region meets its own lines.
#[test]
fn a_bill_of_fewer_dimensions_meets_its_own_region() {
    let month: Month = "2027-01".parse().unwrap();
    let place = |service: &str, region: &str, usage_type: &str| -> Place {
        (month, "a".into(), service.into(), region.into(), usage_type.into())
    };
    for bill in [
        vec![("EKS", "us-east-1", "146.4"), ("EKS", "us-west-2", "74.4"), ("S3", "us-west-2", "5")],
        vec![("", "us-east-1", "146.4"), ("", "us-west-2", "79.4")],
        vec![("EKS", "", "220.8"), ("S3", "", "5")],
        vec![("", "", "225.8")],
    ] {
        let mut all = BTreeMap::from([
            (
                place("EKS", "us-east-1", "AmazonEKS-Hours:perCluster"),
                sides(Some((744.0, "74.4")), None),
            ),
            (
                place("EKS", "us-east-1", "AmazonEKS-Hours:extended"),
                sides(Some((144.0, "72")), None),
            ),
            (
                place("EKS", "us-west-2", "AmazonEKS-Hours:perCluster"),
                sides(Some((744.0, "74.4")), None),
            ),
            (place("S3", "us-west-2", "TimedStorage-ByteHrs"), sides(Some((50.0, "5")), None)),
        ]);
        for (service, region, cost) in &bill {
            let mut billed = sides(None, Some((0.0, cost)));
            billed.billed.as_mut().unwrap().quantity = None;
            billed.unmapped = true;
            all.insert(place(service, region, ""), billed);
        }
        let notes = coarse::join(&mut all, &[]);
        let cells = variance::cells(all);
        assert_eq!(cells.len(), bill.len(), "{cells:?}");
        for cell in &cells {
            assert_eq!(
                (cell.variance, cell.matched),
                (Variance::default(), Match::Both),
                "{cell:?}"
            );
        }
        assert_eq!(notes.len(), 1, "{notes:?}");
    }
    // A region with usage types is no whole of its service, and keeps its lines.
    let mut all = BTreeMap::from([
        (place("EKS", "us-east-1", "A"), sides(Some((1.0, "1")), Some((1.0, "1")))),
        (place("EKS", "us-east-1", "B"), sides(Some((1.0, "2")), None)),
        (place("EKS", "us-west-2", "A"), sides(Some((1.0, "4")), None)),
        (place("EKS", "us-east-1", ""), sides(None, Some((1.0, "8")))),
        (place("EKS", "us-west-2", ""), sides(None, Some((1.0, "4")))),
        (place("EKS", "", ""), sides(None, Some((1.0, "16")))),
    ]);
    coarse::join(&mut all, &[]);
    let planned = |region: &str, usage: &str| {
        all.get(&place("EKS", region, usage))?.planned.map(|side| side.cost.to_string())
    };
    assert_eq!(planned("us-east-1", "B").as_deref(), Some("2"));
    assert_eq!(planned("us-west-2", "").as_deref(), Some("4"));
    assert_eq!([planned("us-east-1", ""), planned("", "")], [None, None]);
}

#[test]
fn accuracy_is_that_of_the_formula() {
    let mut cells = compare(vec![
        ("A", sides(Some((1.0, "90")), Some((1.0, "100")))),
        ("B", sides(Some((1.0, "60")), Some((1.0, "50")))),
    ]);
    cells[1].service = "RDS".into();
    let bars = Bars { crawl: 0.2, walk: 0.15, run: 0.12 };
    let accuracy = accuracy(&cells, bars).unwrap();
    assert!((accuracy.wape - 20.0 / 150.0).abs() < 1e-12, "{accuracy:?}");
    assert!(accuracy.wape_of_totals.abs() < 1e-12 && accuracy.bias.abs() < 1e-12);
    assert_eq!(accuracy.level, "run");
}

proptest! {
    /// The parts add up to the difference, to the last of ten places, whatever stands on either side.
    #[test]
    fn the_parts_add_up(
        rows in prop::collection::vec(
            (
                prop::option::of((0.0..1e6_f64, 0_i64..1_000_000_000)),
                prop::option::of((0.0..1e6_f64, -1_000_000_i64..1_000_000_000)),
                any::<bool>(),
                0_usize..4,
            ),
            1..12,
        ),
    ) {
        let money = |cents: i64| Usd::from_decimal(Decimal::new(cents, 4));
        let all = rows.iter().enumerate().map(|(index, (planned, billed, known, kind))| {
            let side = |(quantity, cost): (f64, i64)| Side {
                quantity: known.then_some(quantity),
                cost: money(cost),
            };
            let sides = Sides {
                planned: planned.map(side),
                billed: billed.map(side),
                ..Sides::default()
            };
            let kind = ["BoxUsage", "SpotUsage", "NatGateway", FEES][*kind];
            let mut place = place(&format!("{kind}:{index}"));
            if kind == FEES {
                place.2 = FEES.into();
            }
            (place, sides)
        });
        let cells = variance::cells(all.collect());
        let mut sum = Sum::default();
        for cell in &cells {
            let Variance { total, price, quantity, mix, unplanned, fees } = cell.variance;
            prop_assert_eq!(price + quantity + mix + unplanned + fees, total);
            prop_assert_eq!(cell.billed.cost - cell.planned.cost, total);
            sum.add(cell);
        }
        prop_assert_eq!(sum.billed - sum.planned, sum.variance.total);
    }
}
