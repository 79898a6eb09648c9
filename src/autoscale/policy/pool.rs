//! Node pools: their requirements, and the offers that meet them.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    Inputs, Limits, Mix, Offer, Pool, Purchase,
    offer::{offer, price, zones},
    problem, unknown,
};
use crate::{
    autoscale::{
        budget::Budget,
        settings::{self, CapacityType, ConsolidationPolicy, NodePool},
    },
    error::{Problem, nearest},
    shapes::{Catalog, Shape},
};

/// Names that do not exist and bounds that contradict.
pub(super) fn check(catalog: &Catalog, name: &str, pool: &NodePool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut known = |key: &str, what: &str, names: &[String], of: fn(&Shape) -> &str| {
        for wanted in names {
            if !catalog.shapes().iter().any(|shape| of(shape) == wanted) {
                let near = nearest(wanted, catalog.shapes().iter().map(of));
                let known: BTreeSet<&str> = catalog.shapes().iter().map(of).collect();
                let mut message = unknown(what, wanted, near);
                if near.is_none() && known.len() <= 40 {
                    let known: Vec<&str> = known.into_iter().collect();
                    let _ = write!(message, "; there are {}", known.join(", "));
                }
                problems.push(problem(&format!("cluster.node_pools.{name}.{key}"), message));
            }
        }
    };
    known("instance_types", "instance type", &pool.instance_types, |shape| &shape.instance_type);
    known("families", "instance family", &pool.families, |shape| &shape.family);
    known("categories", "instance category", &pool.categories, |shape| &shape.category);
    known("sizes", "instance size", &pool.sizes, |shape| &shape.size);
    known("architectures", "architecture", &pool.architectures, |shape| &shape.arch);
    if let (Some(least), Some(most)) = (pool.min_vcpus, pool.max_vcpus)
        && least > most
    {
        let message = format!("{least} is above max_vcpus ({most}); give {most} or less");
        problems.push(problem(&format!("cluster.node_pools.{name}.min_vcpus"), message));
    }
    problems
}

fn admits(pool: &NodePool, shape: &Shape) -> bool {
    let any = |names: &[String], value: &str| names.is_empty() || names.iter().any(|n| n == value);
    any(&pool.instance_types, &shape.instance_type)
        && any(&pool.families, &shape.family)
        && any(&pool.categories, &shape.category)
        && any(&pool.sizes, &shape.size)
        && any(&pool.architectures, &shape.arch)
        && pool.min_generation.is_none_or(|least| shape.generation.is_some_and(|g| g >= least))
        && pool.min_vcpus.is_none_or(|least| shape.vcpus >= least)
        && pool.max_vcpus.is_none_or(|most| shape.vcpus <= most)
        // Karpenter drops metal, GPU and accelerator types while a generic type remains; a pool
        // that names such a type gets it.
        && (shape.is_generic() || pool.instance_types.contains(&shape.instance_type))
}

/// The pool with its offers, which are added to `offers`.
pub(super) fn build(
    inputs: &Inputs<'_>,
    offers: &mut Vec<Offer>,
    (name, settings): (&str, &NodePool),
    group: u8,
) -> Result<Pool, Vec<Problem>> {
    let mix = mix(settings);
    let mut buy = |kind: &str, purchase: Purchase| -> Vec<usize> {
        let from = offers.len();
        for shape in inputs.catalog.shapes().iter().filter(|shape| admits(settings, shape)) {
            let supply = inputs.catalog.spot(inputs.region, &shape.instance_type);
            if purchase == Purchase::Spot && supply.is_none_or(|s| s.savings_percent <= 0.0) {
                continue; // little or no spot supply
            }
            // A type without a price in the region is not sold there, as far as the book knows.
            if let Some(price) = price(inputs, kind, &shape.instance_type) {
                offers.extend(offer(inputs, shape, (price, purchase), (name, group)));
            }
        }
        let mut found: Vec<usize> = (from..offers.len()).collect();
        let key = |index: &usize| (offers[*index].price, &offers[*index].instance_type);
        found.sort_by(|a, b| key(a).0.total_cmp(&key(b).0).then_with(|| key(a).1.cmp(key(b).1)));
        found
    };
    let spot = if mix == Mix::OnDemand { vec![] } else { buy("SpotUsage", Purchase::Spot) };
    let on_demand = if mix == Mix::SpotOnly { vec![] } else { buy("BoxUsage", Purchase::OnDemand) };
    let budgets = budgets(inputs, name, settings)?;
    let defaults = &inputs.catalog.controllers.karpenter;
    let quiet = settings.consolidate_after_seconds.unwrap_or(defaults.consolidate_after_seconds);
    let policy = settings.consolidation_policy;
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
        min_values: (settings.min_values.instance_types, settings.min_values.families),
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

/// What a pool with known names still cannot do.
pub(super) fn check_built(
    inputs: &Inputs<'_>,
    pool: &Pool,
    settings: &NodePool,
    offers: &[Offer],
) -> Vec<Problem> {
    let key = |field: &str| format!("cluster.node_pools.{}{field}", pool.name);
    if pool.on_demand.is_empty() && pool.spot.is_empty() {
        let message = if pool.mix == Mix::SpotOnly {
            format!("no instance type in {} with spot supply meets all requirements", inputs.region)
        } else {
            format!("no instance type in {} meets all requirements; loosen one", inputs.region)
        };
        return vec![problem(&key(""), message)];
    }
    let mut problems = Vec::new();
    let own = || pool.on_demand.iter().chain(&pool.spot).map(|offer| &offers[*offer]);
    let distinct = |of: fn(&Offer) -> u32| own().map(of).collect::<BTreeSet<u32>>().len();
    for (field, wanted, there) in [
        (".min_values.instance_types", pool.min_values.0, distinct(|offer| offer.type_id)),
        (".min_values.families", pool.min_values.1, distinct(|offer| offer.family_id)),
    ] {
        if wanted as usize > there {
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
