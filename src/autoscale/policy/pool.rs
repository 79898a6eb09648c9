//! Node pools: their requirements, and the offers that meet them.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{Daemons, Inputs, Offer, Pool, Purchase, offer, price, problem, unknown};
use crate::{
    autoscale::settings::{ConsolidationPolicy, NodePool},
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
    daemons: Daemons,
    offers: &mut Vec<Offer>,
    (name, settings): (&str, &NodePool),
    group: u8,
) -> Pool {
    let mut buy = |kind: &str, purchase: Purchase| -> Vec<usize> {
        let from = offers.len();
        for shape in inputs.catalog.shapes().iter().filter(|shape| admits(settings, shape)) {
            let supply = inputs.catalog.spot(inputs.region, &shape.instance_type);
            if purchase == Purchase::Spot && supply.is_none_or(|s| s.savings_percent <= 0.0) {
                continue; // little or no spot supply
            }
            // A type without a price in the region is not sold there, as far as the book knows.
            if let Ok(price) = price(inputs, kind, &shape.instance_type) {
                offers.extend(offer(shape, daemons, price, purchase, group));
            }
        }
        let mut found: Vec<usize> = (from..offers.len()).collect();
        let key = |index: &usize| (offers[*index].price, &offers[*index].instance_type);
        found.sort_by(|a, b| key(a).0.total_cmp(&key(b).0).then_with(|| key(a).1.cmp(key(b).1)));
        found
    };
    let spot = if settings.spot_share > 0.0 { buy("SpotUsage", Purchase::Spot) } else { vec![] };
    let on_demand = buy("BoxUsage", Purchase::OnDemand);
    let defaults = &inputs.catalog.controllers.karpenter;
    let quiet = settings.consolidate_after_seconds.unwrap_or(defaults.consolidate_after_seconds);
    Pool {
        name: name.to_owned(),
        group,
        spot_share: settings.spot_share,
        limit_cpu: settings.limit_vcpus.map(|limit| i64::from(limit) * 1000),
        consolidate_after_seconds: (settings.consolidation_policy != ConsolidationPolicy::Never)
            .then_some(quiet),
        only_empty: settings.consolidation_policy == ConsolidationPolicy::WhenEmpty,
        on_demand,
        spot,
    }
}
