use proptest::prelude::*;

use super::*;
use crate::{facts::prices::Table, usage::services::Basis};

const HEADER: &str = "usage_type,operation,description,unit,begin_range,end_range,usd_per_unit,\
    pool,billed_usage_type,cost_explorer_service,as_of,source,confidence,note\n";

/// Egress of two regions with the free 100 GB pooled; 0.09 to 10,340, then 0.085.
fn book() -> PriceBook {
    let egress = |prefix: &str, price: &str| {
        format!(
            "{HEADER}Out,,,GB,0,100,0,egress,{prefix}Out,EC2 - Other,2026,s,exact,\n\
             Out,,,GB,100,10340,{price},,{prefix}Out,EC2 - Other,2026,s,exact,\n\
             Out,,,GB,10340,51300,0.085,,{prefix}Out,EC2 - Other,2026,s,exact,\n"
        )
    };
    let mut book = PriceBook::default();
    book.insert("us", "T", Table::parse("us", &egress("", "0.09")).unwrap());
    book.insert("ap", "T", Table::parse("ap", &egress("AP-", "0.12")).unwrap());
    book
}

fn usage(account: &str, region: &str, gb: f64) -> Usage {
    Usage {
        month: "2027-01".parse().unwrap(),
        account: account.into(),
        line: UsageLine {
            key: BillKey::new("T", region, "Out", ""),
            resource: String::new(),
            quantity: Quantity::new(gb),
            hours: Vec::new(),
            zones: None,
            why: Basis::default(),
        },
    }
}

fn costs(usage: &[Usage], sharing: Sharing) -> Vec<String> {
    let rated = rate(usage, &book(), sharing).unwrap();
    rated.entries.iter().map(|entry| entry.cost.to_string()).collect()
}

/// 12,340 GB: 100 free, 10,240 × 0.09 = 921.60, 2,000 × 0.085 = 170.
#[test]
fn the_ladder_of_the_egress_page() {
    assert_eq!(costs(&[usage("a", "us", 12_340.0)], Sharing::PerAccount), ["1091.6"]);
}

/// Two accounts of 100 GB: each has its own free part, or both share one.
#[test]
fn steps_are_shared_by_account_or_by_payer() {
    let both = [usage("a", "us", 100.0), usage("b", "us", 100.0)];
    assert_eq!(costs(&both, Sharing::PerAccount), ["0", "0"]);
    // 200 GB, 100 of them paid: 9.00, half each.
    assert_eq!(costs(&both, Sharing::Consolidated), ["4.5", "4.5"]);
}

/// 300 GB in one region and 100 in the other share 100 free: 75 and 25.
/// 225 × 0.09 = 20.25 and 75 × 0.12 = 9.00.
#[test]
fn a_pooled_step_is_shared_over_regions() {
    let both = [usage("a", "us", 300.0), usage("a", "ap", 100.0)];
    assert_eq!(costs(&both, Sharing::PerAccount), ["20.25", "9"]);
}

/// 60,000 GB where the steps end at 51,300: 10,240 × 0.09 + 49,660 × 0.085 = 5,142.70, of which 8,700 × 0.085 =
/// 739.50 are beyond. A quantity inside the steps is charged as ever and no one is warned.
#[test]
fn usage_beyond_the_last_step_is_charged_at_it_and_named() {
    let later = Usage { month: "2027-02".parse().unwrap(), ..usage("a", "us", 60_000.0) };
    let rated = rate(&[usage("a", "us", 12_340.0), later], &book(), Sharing::PerAccount).unwrap();
    let costs: Vec<String> = rated.entries.iter().map(|entry| entry.cost.to_string()).collect();
    assert_eq!(costs, ["1091.6", "5142.7"]);
    let beyond = rated.beyond();
    assert_eq!((beyond.len(), beyond[0].month.to_string()), (1, "2027-02".into()));
    assert_eq!(beyond[0].cost.to_string(), "739.5");
    let warning = beyond[0].to_string();
    assert!(warning.starts_with("us/T/Out: the price book's steps end at 51300 GB"), "{warning}");
    let inside = rate(&[usage("a", "us", 51_300.0)], &book(), Sharing::PerAccount).unwrap();
    assert!(inside.beyond().is_empty() && !inside.prices[0].is_extended());
}

/// Charging more at a step that is free would be a silent zero; a hole below a step has no price at all.
#[test]
fn a_last_step_that_is_free_and_a_hole_are_errors() {
    for (rows, expected) in [
        ("Out,,,GB,0,10,0,,Out,S,2026,s,exact,\n", "no price for us/T/Out above 10 GB"),
        (
            "Out,,,GB,0,10,1,,Out,S,2026,s,exact,\nOut,,,GB,20,Inf,1,,Out,S,2026,s,exact,\n",
            "no price for us/T/Out above 10 GB",
        ),
    ] {
        let mut book = PriceBook::default();
        book.insert("us", "T", Table::parse("us", &format!("{HEADER}{rows}")).unwrap());
        let error = rate(&[usage("a", "us", 30.0)], &book, Sharing::PerAccount).unwrap_err();
        assert!(error[0].message.contains(expected), "{error:?}");
    }
}

#[test]
fn every_missing_price_is_named_once() {
    let lines = [usage("a", "eu", 1.0), usage("b", "eu", 1.0), usage("a", "sa", 1.0)];
    let error = rate(&lines, &book(), Sharing::PerAccount).unwrap_err();
    assert_eq!(error.iter().map(|unpriced| unpriced.line).collect::<Vec<_>>(), [0, 2]);
    assert!(error[0].message.contains("nearest rows: ap/T/Out"), "{error:?}");
}

/// Lines that a decimal cannot hold, alone or as a sum of one meter or of a pool.
#[test]
fn quantities_that_no_sum_could_hold_are_refused() {
    for quantity in [7e28, 5e28, 1.1e15] {
        for sharing in [Sharing::PerAccount, Sharing::Consolidated] {
            let lines = [usage("a", "us", quantity), usage("b", "eu-2", quantity)];
            let error = rate(&lines[..1], &book(), sharing).unwrap_err();
            assert!(error[0].message.contains("the largest quantity that is priced"), "{error:?}");
            assert!(rate(&lines, &book(), sharing).is_err());
        }
    }
}

/// The slow reference: unit by unit on whole quantities.
fn reference(quantity: u32, tiers: &[Tier]) -> Usd {
    let price = |unit: Decimal| {
        let tier = tiers.iter().find(|t| t.from <= unit && t.to.is_none_or(|to| unit < to));
        tier.unwrap().price.decimal()
    };
    Usd::from_decimal((0..quantity).map(|unit| price(unit.into())).sum())
}

fn ladder() -> impl Strategy<Value = Vec<Tier>> {
    prop::collection::vec((1_u32..50, 0_u32..1000), 1..5).prop_map(|steps| {
        let mut from = Decimal::ZERO;
        let last = steps.len() - 1;
        let tiers = steps.into_iter().enumerate().map(|(index, (width, millis))| {
            let to = from + Decimal::from(width);
            let tier = Tier {
                from,
                to: (index < last).then_some(to),
                price: UnitPrice::parse(&format!("0.{millis:03}")).unwrap(),
            };
            from = to;
            tier
        });
        tiers.collect()
    })
}

proptest! {
    #[test]
    fn a_charge_equals_the_unit_by_unit_reference(tiers in ladder(), quantity in 0_u32..300) {
        let charged = charge(Quantity::new(f64::from(quantity)), &tiers).unwrap();
        prop_assert_eq!(charged, reference(quantity, &tiers));
    }

    #[test]
    fn a_charge_is_zero_at_zero_never_falls_and_has_no_jumps(
        tiers in ladder(), quantity in 0.0..300.0_f64, more in 0.0..1.0_f64
    ) {
        prop_assert_eq!(charge(Quantity::ZERO, &tiers).unwrap(), Usd::ZERO);
        let low = charge(Quantity::new(quantity), &tiers).unwrap();
        let high = charge(Quantity::new(quantity + more), &tiers).unwrap();
        prop_assert!(high >= low);
        // No price is above 1, so no step is higher than the units added.
        prop_assert!((high - low).to_f64() <= more + 1e-9);
    }

    #[test]
    fn the_parts_add_up_and_the_order_does_not_matter(
        mut gb in prop::collection::vec(0.0..5000.0_f64, 1..8)
    ) {
        let rated = |gb: &[f64]| {
            let lines: Vec<Usage> = gb.iter().map(|gb| usage("a", "us", *gb)).collect();
            rate(&lines, &book(), Sharing::PerAccount).unwrap()
        };
        let first = rated(&gb);
        let total: Usd = first.entries.iter().map(|entry| entry.cost).sum();
        prop_assert_eq!(total, first.charges[0].cost);
        prop_assert!(first.entries.iter().all(|entry| entry.cost >= Usd::ZERO));
        gb.reverse();
        prop_assert_eq!(rated(&gb).charges[0].cost, total);
    }
}
