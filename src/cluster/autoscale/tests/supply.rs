//! Capacity that is not bought at the list price: reservations, prices of zones, overlays, relaxed `minValues`.

use super::*;
use crate::cluster::autoscale::purchase::NodeCounts;

/// One type, so that what is bought differs by how alone.
const XLARGE: &str = "[node_pools.general]\ninstance_types = [\"m7g.xlarge\"]\n";
const STEADY: &str =
    "[capacity_reservations.steady]\ninstance_type = \"m7g.xlarge\"\nzone = \"b\"\ninstances = 2\n";

fn reserved(capacity_types: &str) -> Policy {
    let text = format!("{XLARGE}capacity_types = [{capacity_types}]\n{STEADY}");
    Company::new(&text).policy().unwrap()
}

fn count(cluster: &Cluster, policy: &Policy, purchase: Purchase) -> usize {
    cluster.nodes().filter(|node| policy.offers[node.offer].purchase == purchase).count()
}

fn offer_of(policy: &Policy, purchase: Purchase) -> usize {
    policy.offers.iter().position(|offer| offer.purchase == purchase).unwrap()
}

/// Three pods of half a core, and no other place for them than the node that they are on.
fn node(offer: usize, zone: u8) -> NodeState {
    NodeState { offer, zone, quiet_seconds: 3600, pods: vec![3] }
}

#[test]
fn a_reservation_is_filled_first_and_never_beyond() {
    let policy = reserved("\"reserved\", \"spot\", \"on-demand\"");
    let seat = &policy.offers[offer_of(&policy, Purchase::Reserved)];
    // m7g.xlarge costs 0.1632 an hour on demand; zone b is the second.
    assert!((seat.price - 0.1632 / 1e7).abs() < 1e-15 && seat.zones == 0b10);
    let loads: Vec<f64> =
        (0..400).map(|at| if (30..120).contains(&at) { 6000.0 } else { 60.0 }).collect();
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    let mut most = 0;
    for (minute, load) in loads.iter().enumerate() {
        cluster.step(&policy, *load, true);
        check(&cluster, &policy);
        let held = count(&cluster, &policy, Purchase::Reserved);
        assert!(held <= 2, "{minute}: {held}");
        let others = cluster.nodes().count() - held - 2;
        assert!(held == 2 || others == 0, "{minute}: {others} others beside {held} reserved");
        let in_zone = |node: &&Node| {
            policy.offers[node.offer].purchase != Purchase::Reserved || node.zone == 1
        };
        assert!(cluster.nodes().all(|node| in_zone(&node)));
        most = most.max(others);
    }
    assert!(most >= 2, "34 pods of half a core need more than two nodes of four: {most}");
    let mut whole = Cluster::new(&policy, 60.0, true, luck());
    whole.run(&policy, &loads, true);
    assert_eq!(whole, cluster);
    let tally = cluster.take_tally(&policy);
    assert!(tally.node_hours[offer_of(&policy, Purchase::Reserved)] > 1.0);
}

/// `ReservedOfferingModeStrict`: of six pods, two a node, the third node waits until the first two, which hold
/// the reservation, are launched; then nothing is free, and it is bought on demand.
#[test]
fn pods_wait_for_a_reservation_that_planned_nodes_hold() {
    let policy = reserved("\"reserved\", \"on-demand\"");
    let mut asks = policy.clone();
    asks.workloads[0].host_spread = Some(super::super::policy::Spread { max_skew: 2, hard: true });
    let mut cluster = Cluster::from_state(&asks, &[], &[6], luck());
    let plan = cluster.plan_pending(&asks);
    assert_eq!((plan.nodes.len(), plan.left[0]), (2, 2));
    cluster.provision_pending(&asks);
    assert_eq!(count(&cluster, &asks, Purchase::Reserved), 2);
    assert_eq!(count(&cluster, &asks, Purchase::OnDemand), 1);
    assert_eq!(cluster.pending(), 0);
}

/// Spot and on-demand nodes give way to a free reservation, and spot to it without the gate of spot-to-spot;
/// a reserved node does not give way to a reservation of the same price, nor a full one to anything.
#[test]
fn consolidation_moves_pods_to_a_free_reservation() {
    let policy = reserved("\"reserved\", \"spot\", \"on-demand\"");
    let [on_demand, spot, seat] =
        [Purchase::OnDemand, Purchase::Spot, Purchase::Reserved].map(|of| offer_of(&policy, of));
    for offer in [on_demand, spot] {
        let cluster = Cluster::from_state(&policy, &[node(offer, 0)], &[0], luck());
        let command = cluster.decide(&policy).unwrap();
        assert_eq!(command.replacements[0].offers, [seat]);
    }
    let policy = reserved("\"reserved\", \"on-demand\"");
    let [on_demand, seat] =
        [Purchase::OnDemand, Purchase::Reserved].map(|of| offer_of(&policy, of));
    let full = [node(on_demand, 0), node(seat, 1), node(seat, 1)];
    let full = full.map(|own| NodeState { pods: vec![7], ..own });
    let cluster = Cluster::from_state(&policy, &full, &[0], luck());
    assert_eq!(cluster.decide(&policy), None, "all instances are taken");
    let cluster = Cluster::from_state(&policy, &[node(seat, 1)], &[0], luck());
    assert_eq!(cluster.decide(&policy), None);
}

#[test]
fn static_pools_use_reservations_too() {
    let text =
        format!("{XLARGE}capacity_types = [\"reserved\", \"on-demand\"]\nreplicas = 3\n{STEADY}");
    let policy = Company::new(&text).policy().unwrap();
    let cluster = Cluster::new(&policy, 60.0, true, luck());
    assert_eq!(count(&cluster, &policy, Purchase::Reserved), 2);
    assert_eq!(count(&cluster, &policy, Purchase::OnDemand), 1);
}

/// A pool of reserved capacity alone has two nodes at most; other pods wait.
#[test]
fn a_pool_of_reservations_alone_buys_nothing_else() {
    let policy = reserved("\"reserved\"");
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for _ in 0..30 {
        cluster.step(&policy, 6000.0, true);
        check(&cluster, &policy);
    }
    assert_eq!(cluster.node_counts(), NodeCounts { baseline: 2, on_demand: 2, spot: 0 });
    assert!(cluster.pending() > 0);
}

#[test]
fn reservations_that_cannot_be_used_are_told() {
    let first = |text: &str| Company::new(text).policy().unwrap_err().remove(0);
    let with = |types: &str, from: &str, to: &str| {
        first(&format!("{XLARGE}capacity_types = [{types}]\n{STEADY}").replace(from, to))
    };
    let both = "\"reserved\", \"on-demand\"";
    let message = with(both, "zone = \"b\"", "zone = \"d\"");
    assert!(
        message.contains("steady.zone: no zone \"d\"; the cluster has 3 zones, \"a\" to \"c\""),
        "{message}"
    );
    let message = with(both, "m7g.xlarge\"\n", "m7g.xlrge\"\n");
    assert!(message.contains("did you mean \"m7g.xlarge\""), "{message}");
    let message = with(both, "instances = 2", "instances = 2\nnode_pools = [\"genral\"]");
    assert!(message.contains("no node pool \"genral\"; did you mean \"general\"?"), "{message}");
    let message = with("\"spot\"", "instances = 2", "instances = 2\nnode_pools = [\"general\"]");
    assert!(message.contains("does not allow the capacity type reserved"), "{message}");
    let message = first(&format!("{XLARGE}capacity_types = [\"reserved\"]\n"));
    assert!(message.contains("reserved is its only capacity type"), "{message}");
    let unused = Company::new(&format!("{XLARGE}{STEADY}")).policy().unwrap();
    assert!(
        unused.notes[0].contains("all hours of the reservation are unused, and billed"),
        "{:?}",
        unused.notes
    );
    let none = Company::new(&format!("{XLARGE}capacity_types = [{both}]\n")).policy().unwrap();
    assert!(none.notes[0].contains("reserved has no effect"), "{:?}", none.notes);
}

/// Pods of 1.5 cores fit m7g.large alone of the two types: `Strict` keeps both and buys nothing, `BestEffort`
/// keeps one.
#[test]
fn best_effort_keeps_as_many_values_as_there_are() {
    let pool = "[node_pools.general]\ninstance_types = [\"m7g.medium\", \"m7g.large\"]\nmin_values = { instance_types = 2 }\n";
    let policy = |text: &str| Company::new(text).policy();
    let strict = policy(pool).unwrap();
    let relaxed = policy(&format!("min_values_policy = \"BestEffort\"\n{pool}")).unwrap();
    for (policy, nodes) in [(strict, 0), (relaxed, 4)] {
        let mut policy = policy;
        policy.workloads[0].request_cpu = 1500;
        let mut cluster = Cluster::from_state(&policy, &[], &[4], luck());
        cluster.provision_pending(&policy);
        assert_eq!(cluster.nodes().count(), nodes);
    }
    // A node that has both at its first pod keeps both: m7g.medium holds one pod of half a core.
    let relaxed = policy(&format!("min_values_policy = \"BestEffort\"\n{pool}")).unwrap();
    let mut cluster = Cluster::from_state(&relaxed, &[], &[3], luck());
    cluster.provision_pending(&relaxed);
    assert_eq!(cluster.nodes().count(), 3);
    // More values than the pool has types: an error under Strict alone.
    let three = pool.replace("= 2 }", "= 3 }");
    assert!(policy(&three).unwrap_err()[0].contains("3 of 2 that meet the requirements"));
    let relaxed = policy(&format!("min_values_policy = \"BestEffort\"\n{three}")).unwrap();
    assert!(relaxed.notes[0].contains("3 of the 2 that the pool buys"), "{:?}", relaxed.notes);
}

/// The same type at 0.02 an hour in zone a and at the book's price elsewhere: the draw by price and depth takes
/// zone a, and the bill charges 0.02 for those hours.
#[test]
fn spot_prices_of_zones_decide_the_zone_and_the_bill() {
    let text = format!(
        "spot_prices = [{{ zone = \"a\", instance_type = \"m7g.xlarge\", usd_per_hour = 0.02 }}]\nspot_interruptions = false\n{XLARGE}capacity_types = [\"spot\"]\n"
    );
    let policy = Company::new(&text).policy().unwrap();
    let spot = policy.pools[0].offers(Purchase::Spot);
    assert_eq!(spot.iter().map(|of| policy.offers[*of].zones).collect::<Vec<_>>(), [0b1, 0b110]);
    let rates = &policy.supply.zone_rates;
    assert_eq!(rates.len(), 1);
    assert_eq!((rates[0].offer, &*rates[0].price.zones), (spot[0], "a"));
    let mut cluster = Cluster::new(&policy, 60.0, true, luck());
    for _ in 0..60 {
        cluster.step(&policy, 6000.0, true);
    }
    let bought: Vec<&Node> = cluster.nodes().filter(|node| node.offer != 0).collect();
    assert!(bought.len() > 2 && bought.iter().all(|node| node.zone == 0));
    assert_eq!(policy.supply.rate_of(spot[0]).unwrap().price.to_string(), "0.02");
    assert_eq!(policy.supply.rate_of(spot[1]), None);
    let twice = text
        .replace("}]", "}, { zone = \"a\", instance_type = \"m7g.xlarge\", usd_per_hour = 0.03 }]");
    assert!(Company::new(&twice).policy().unwrap_err()[0].contains("is given twice"));
}

/// The overlaid type is bought for its price; the offer of another purchase option keeps its own.
#[test]
fn an_overlay_decides_the_type() {
    let pool = "feature_gates = [\"NodeOverlay\"]\n[node_pools.general]\ninstance_types = [\"m7g.xlarge\", \"m6i.xlarge\"]\n";
    let overlay = "[node_overlays.keep]\nrequirements = { families = [\"m6i\"], capacity_types = [\"on-demand\"] }\nprice_adjustment = \"-50%\"\nweight = 2\n";
    let bought = |text: &str| {
        let policy = Company::new(text).policy().unwrap();
        let mut cluster = Cluster::from_state(&policy, &[], &[3], luck());
        cluster.provision_pending(&policy);
        let offer = cluster.nodes().next().unwrap().offer;
        (policy.offers[offer].instance_type.clone(), policy.offers[offer].price, policy.supply)
    };
    assert_eq!(bought(pool).0, "m7g.xlarge");
    let (kind, price, supply) = bought(&format!("{pool}{overlay}"));
    // m6i.xlarge is 0.192 an hour.
    assert!(kind == "m6i.xlarge" && (price - 0.096).abs() < 1e-12, "{kind} {price}");
    assert_eq!(supply.zone_rates, [], "the bill keeps the list price");
    // A greater weight wins; of the same weight is a conflict; without the gate nothing applies.
    let more = "[node_overlays.other]\nprice = \"0.3\"\n";
    let (_, price, _) = bought(&format!("{pool}{overlay}{more}weight = 1\n"));
    assert!((price - 0.096).abs() < 1e-12, "{price}");
    let problems = |text: String| Company::new(&text).policy().unwrap_err().remove(0);
    let message = problems(format!("{pool}{overlay}{more}weight = 2\n"));
    assert!(
        message.contains("keep.weight: has the weight of other, 2, and both match m6i.xlarge"),
        "{message}"
    );
    let message =
        problems(format!("{pool}{overlay}").replace("feature_gates = [\"NodeOverlay\"]\n", ""));
    assert!(message.contains("add \"NodeOverlay\" to cluster.feature_gates"), "{message}");
    let message = problems(format!("{pool}{overlay}price = \"1\"\n"));
    assert!(message.contains("give exactly one of price and price_adjustment"), "{message}");
    let none = format!("{pool}{}", overlay.replace("m6i\"", "m5\""));
    assert!(Company::new(&none).policy().unwrap().notes[0].contains("so it has no effect"));
}
