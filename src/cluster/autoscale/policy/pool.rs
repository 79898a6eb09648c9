//! Node pools: their requirements, and the offers that meet them.

use super::MinValues;
use crate::cluster::autoscale::group::Group;
use std::collections::BTreeSet;

use super::{
    Inputs, Limits, Mix, Offer, Pool, Purchase,
    offer::{offer, price, zones},
    problem,
    supply::{Supply, spot_prices},
};
use crate::{
    cluster::autoscale::{
        budget::Budget,
        settings::{self, CapacityType, ConsolidationPolicy, NodePool},
    },
    error::{Problem, nearest},
    facts::shapes::{
        Catalog, PROPERTIES, Shape,
        volume::{Provisioned, Setting},
    },
};

/// Names of instance types, families and other properties that do not exist. As in Kubernetes, they match nothing.
/// `others` says whether the pool has types without them.
pub(super) fn unmatched(
    catalog: &Catalog,
    name: &str,
    pool: &NodePool,
    others: bool,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let message = if others { Catalog::ignored } else { Catalog::unmatched };
    for (property, names) in PROPERTIES.into_iter().zip(lists(pool)) {
        for value in names {
            if let Some(message) = message(catalog, property, value) {
                let key = format!("cluster.node_pools.{name}.{}", property.key);
                problems.push(problem(&key, message));
            }
        }
    }
    problems
}

/// The lists of a pool in the order of [`PROPERTIES`].
fn lists(pool: &NodePool) -> [&[String]; 5] {
    [&pool.instance_types, &pool.families, &pool.categories, &pool.sizes, &pool.architectures]
}

/// Bounds that contradict each other or what AWS allows.
pub(super) fn check(catalog: &Catalog, name: &str, pool: &NodePool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let own = |key: &str| format!("cluster.node_pools.{name}.{key}");
    let volume = Provisioned {
        kind: pool.volume_type.unwrap_or_default(),
        gib: pool.volume_gib,
        iops: pool.volume_iops,
        mibps: pool.volume_throughput_mibps,
    };
    for (setting, message) in volume.problems(&catalog.controllers.ebs) {
        let key = match setting {
            Setting::Size => "volume_gib",
            Setting::Iops => "volume_iops",
            Setting::Throughput => "volume_throughput_mibps",
        };
        problems.push(problem(&own(key), message));
    }
    if !catalog.controllers.ebs.of(volume.kind).boots {
        let message =
            format!("an instance boots from no {} volume; use gp3, gp2 or io2", volume.kind.name());
        problems.push(problem(&own("volume_type"), message));
    }
    // The CEL rules of Karpenter's `NodePoolSpec`.
    for (key, given) in [
        ("limit_vcpus", pool.limit_vcpus.is_some()),
        ("limit_memory_gib", pool.limit_memory_gib.is_some()),
        ("weight", pool.weight > 0),
    ] {
        if given && pool.replicas.is_some() {
            let message =
                "has no effect on a pool with replicas, whose one limit is limit_nodes; remove it";
            problems.push(problem(&format!("cluster.node_pools.{name}.{key}"), message.to_owned()));
        }
    }
    if let (Some(least), Some(most)) = (pool.min_vcpus, pool.max_vcpus)
        && least > most
    {
        let message = format!("{least} is above max_vcpus ({most}); give {most} or less");
        problems.push(problem(&format!("cluster.node_pools.{name}.min_vcpus"), message));
    }
    problems
}

pub(super) fn admits(pool: &NodePool, shape: &Shape) -> bool {
    let any = |names: &[String], value: &str| names.is_empty() || names.iter().any(|n| n == value);
    PROPERTIES.iter().zip(lists(pool)).all(|(property, names)| any(names, (property.of)(shape)))
        && pool.min_generation.is_none_or(|least| shape.generation.is_some_and(|g| g >= least))
        && pool.min_vcpus.is_none_or(|least| shape.vcpus >= least)
        && pool.max_vcpus.is_none_or(|most| shape.vcpus <= most)
}

/// The types that a pool buys, metal, GPU and accelerator types included: Karpenter plans with them, and drops
/// them at launch while another type remains (`filter.go#ExoticInstanceTypeFilter`).
fn shapes<'a>(inputs: &Inputs<'a>, pool: &NodePool) -> Vec<&'a Shape> {
    let sold = |shape: &&Shape| {
        ["BoxUsage", "SpotUsage"]
            .iter()
            .any(|kind| price(inputs, kind, &shape.instance_type).is_some())
    };
    let all = inputs.catalog.shapes().iter();
    all.filter(|shape| admits(pool, shape)).filter(sold).collect()
}

/// The pool with its offers, which are added to `offers`.
pub(super) fn build(
    inputs: &Inputs<'_>,
    offers: &mut Vec<Offer>,
    (name, settings): (&str, &NodePool),
    group: Group,
) -> Result<Pool, Vec<Problem>> {
    let mix = mix(settings);
    let shapes = shapes(inputs, settings);
    let mut buy = |kind: &str, purchase: Purchase| -> Vec<usize> {
        let from = offers.len();
        for shape in &shapes {
            let has_spot = inputs.catalog.has_spot(inputs.region, &shape.instance_type);
            if purchase == Purchase::Spot && !has_spot {
                continue; // little or no spot supply
            }
            // A type without a price in the region is not sold there, as far as the book knows.
            let Some(price) = price(inputs, kind, &shape.instance_type) else { continue };
            let kubelet = settings.kubelet.as_ref();
            let made = offer(inputs, (shape, kubelet), (price, purchase), (name, group));
            if purchase == Purchase::Spot && !inputs.cluster.spot_prices.is_empty() {
                let prices = spot_prices(inputs, &shape.instance_type, price);
                let in_zones = |made: &Offer| {
                    let of = |(price, zones)| Offer { price, zones, ..made.clone() };
                    prices.into_iter().map(of).collect::<Vec<_>>()
                };
                offers.extend(made.as_ref().map(in_zones).unwrap_or_default());
            } else {
                offers.extend(made);
            }
        }
        let mut found: Vec<usize> = (from..offers.len()).collect();
        sort(&mut found, offers);
        found
    };
    let spot = if mix == Mix::OnDemand { vec![] } else { buy("SpotUsage", Purchase::Spot) };
    let only_reserved = settings.capacity_types == [CapacityType::Reserved];
    let on_demand = if mix == Mix::SpotOnly || only_reserved {
        vec![]
    } else {
        buy("BoxUsage", Purchase::OnDemand)
    };
    let budgets = budgets(inputs, name, settings)?;
    let defaults = &inputs.catalog.controllers.karpenter;
    let quiet = settings.consolidate_after_seconds.unwrap_or(defaults.consolidate_after_seconds);
    // The nodes of a static pool are never consolidated.
    let policy = match settings.replicas {
        Some(_) => ConsolidationPolicy::Never,
        None => settings.consolidation_policy,
    };
    let hours = settings.expire_after_hours.unwrap_or(defaults.expire_after_hours);
    Ok(Pool {
        name: name.to_owned(),
        group,
        zones: zones(inputs.cluster),
        mix,
        limits: Limits {
            cpu: settings.limit_vcpus.map(|limit| i64::from(limit) * 1000),
            memory: settings.limit_memory_gib.map(|limit| i64::from(limit) * 1024),
            nodes: settings.limit_nodes,
        },
        replicas: settings.replicas,
        min_values: MinValues {
            types: settings.min_values.instance_types,
            families: settings.min_values.families,
        },
        consolidate_after_seconds: (policy != ConsolidationPolicy::Never).then_some(quiet),
        only_empty: policy == ConsolidationPolicy::WhenEmpty,
        balanced: (policy == ConsolidationPolicy::Balanced).then_some(defaults.balanced_k),
        budgets,
        expire_after: (hours > 0).then_some(hours * 3600),
        drift_every: settings.drift_every_days.map(|days| days * 86_400),
        termination_grace: settings.termination_grace_seconds,
        on_demand,
        spot,
    })
}

/// Puts offers in the order of their price, then of their name.
pub(super) fn sort(list: &mut [usize], offers: &[Offer]) {
    let key = |index: &usize| (offers[*index].price, &offers[*index].instance_type);
    list.sort_by(|a, b| key(a).0.total_cmp(&key(b).0).then_with(|| key(a).1.cmp(key(b).1)));
}

fn mix(settings: &NodePool) -> Mix {
    let has = |kind: CapacityType| settings.capacity_types.contains(&kind);
    match (settings.spot_share, has(CapacityType::Spot), has(CapacityType::OnDemand)) {
        (None, false, _) => Mix::OnDemand,
        (None, true, false) => Mix::SpotOnly,
        (None, true, true) => Mix::SpotFirst,
        (Some(share), ..) if share <= 0.0 => Mix::OnDemand,
        (Some(share), ..) if share >= 1.0 => Mix::SpotFirst,
        (Some(share), ..) => Mix::Share(share),
    }
}

fn budgets(
    inputs: &Inputs<'_>,
    name: &str,
    settings: &NodePool,
) -> Result<Vec<Budget>, Vec<Problem>> {
    let usual = vec![settings::Budget {
        nodes: inputs.catalog.controllers.karpenter.budget_nodes.clone(),
        reasons: Vec::new(),
        schedule: None,
        duration_minutes: None,
    }];
    let given = settings.budgets.as_ref().unwrap_or(&usual);
    let mut problems = Vec::new();
    let mut budgets = Vec::new();
    for (index, budget) in given.iter().enumerate() {
        match Budget::new(budget, inputs.start, inputs.days) {
            Ok(budget) => budgets.push(budget),
            Err((field, message)) => {
                let key = format!("cluster.node_pools.{name}.budgets.{index}.{field}");
                problems.push(problem(&key, message));
            }
        }
    }
    if problems.is_empty() { Ok(budgets) } else { Err(problems) }
}

/// What a pool asks for and does not get, or perhaps does not mean.
pub(super) fn advice(inputs: &Inputs<'_>, pool: &Pool) -> Vec<String> {
    above_limit(pool).into_iter().chain(without_spot(inputs, pool)).collect()
}

/// A wanted share of spot nodes that the region cannot sell.
fn without_spot(inputs: &Inputs<'_>, pool: &Pool) -> Option<String> {
    let Inputs { region, .. } = inputs;
    (pool.spot_share() > 0.0 && pool.spot.is_empty() && pool.offers_any()).then(|| {
        format!(
            "cluster.node_pools.{}: no instance type of the pool has spot capacity in {region}, so all its nodes are on-demand. Allow other types, or remove the spot share",
            pool.name
        )
    })
}

/// What holds for a static pool and is perhaps not meant.
fn above_limit(pool: &Pool) -> Option<String> {
    let (replicas, most) = (pool.replicas?, pool.limits.nodes?);
    (replicas > most).then(|| {
        format!(
            "cluster.node_pools.{}.replicas: {replicas} is above limit_nodes ({most}): the pool keeps {most} nodes",
            pool.name
        )
    })
}

/// Names of a pool that are known and that the region does not sell, where it sells none of them: the list, and what to
/// write instead.
fn unsold(inputs: &Inputs<'_>, settings: &NodePool) -> Option<(&'static str, String)> {
    let sold: Vec<&Shape> = inputs
        .catalog
        .shapes()
        .iter()
        .filter(|shape| price(inputs, "BoxUsage", &shape.instance_type).is_some())
        .collect();
    let lists = [("instance_types", &settings.instance_types), ("families", &settings.families)];
    for (field, names) in lists {
        let property = PROPERTIES.iter().find(|property| property.key == field)?;
        let known = || sold.iter().map(|shape| (property.of)(shape));
        if names.is_empty() || names.iter().any(|name| known().any(|known| known == name)) {
            continue;
        }
        let near = nearest(&names[0], known());
        let near =
            near.map_or(String::new(), |near| format!("; the nearest that it sells: {near:?}"));
        let message = format!(
            "the price book knows no {} {} in {}{near}",
            property.what,
            names.join(" or "),
            inputs.region
        );
        return Some((field, message));
    }
    None
}

/// What a pool with known names still cannot do.
pub(super) fn check_built(
    inputs: &Inputs<'_>,
    pool: &Pool,
    settings: &NodePool,
    (offers, supply): (&[Offer], &Supply),
) -> Vec<Problem> {
    let key = |field: &str| format!("cluster.node_pools.{}{field}", pool.name);
    if settings.capacity_types == [CapacityType::Reserved]
        && supply.seats_of(pool.group).next().is_none()
    {
        let message = "reserved is its only capacity type, and no capacity reservation has a type that it allows; add one, or on-demand";
        return vec![problem(&key(".capacity_types"), message.to_owned())];
    }
    if !pool.offers_any() && settings.capacity_types != [CapacityType::Reserved] {
        let message = if pool.mix == Mix::SpotOnly {
            format!("no instance type in {} with spot supply meets all requirements", inputs.region)
        } else {
            format!("no instance type in {} meets all requirements; loosen one", inputs.region)
        };
        if pool.mix != Mix::SpotOnly
            && let Some((field, message)) = unsold(inputs, settings)
        {
            return vec![problem(&key(&format!(".{field}")), message)];
        }
        return vec![problem(&key(""), message)];
    }
    let mut problems = Vec::new();
    let seats = || supply.seats_of(pool.group).map(|seat| seat.offer);
    let own = || pool.on_demand.iter().chain(&pool.spot).copied().chain(seats());
    let own = || own().map(|offer| &offers[offer]);
    let distinct = |of: fn(&Offer) -> u32| own().map(of).collect::<BTreeSet<u32>>().len();
    for (field, wanted, there) in [
        (".min_values.instance_types", pool.min_values.types, distinct(|offer| offer.type_id)),
        (".min_values.families", pool.min_values.families, distinct(|offer| offer.family_id)),
    ] {
        if wanted as usize > there && !supply.relaxes_min_values {
            let message =
                format!("{wanted} of {there} that meet the requirements; give {there} or less");
            problems.push(problem(&key(field), message));
        }
    }
    for (field, limit, least, unit) in [
        (".limit_vcpus", pool.limits.cpu, own().map(|offer| offer.vcpu_milli).min(), 1000),
        (
            ".limit_memory_gib",
            pool.limits.memory,
            own().map(|offer| offer.capacity_mib).min(),
            1024,
        ),
    ] {
        if let (Some(limit), Some(least)) = (limit, least)
            && limit < least
        {
            let least = least as f64 / f64::from(unit);
            let message =
                format!("is below the pool's smallest type ({least}): it can never buy a node");
            problems.push(problem(&key(field), message));
        }
    }
    if settings.spot_share.is_some() && !settings.capacity_types.is_empty() {
        let message = "give capacity_types or spot_share, not both".into();
        problems.push(problem(&key(".spot_share"), message));
    }
    problems
}
