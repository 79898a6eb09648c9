//! Offers: what an instance type leaves to pods, what it costs, how reliable its spot capacity is.

use super::{BASELINE, Inputs, Offer, Purchase, daemon::daemons, unknown};
use crate::cluster::autoscale::group::Group;
use crate::{
    cluster::autoscale::{
        MOST_ZONES,
        settings::{Cluster, Kubelet},
    },
    error::nearest,
    facts::{
        prices::BillKey,
        shapes::{Catalog, Shape, SpotSupply, allocatable},
    },
};

fn key(inputs: &Inputs<'_>, kind: &str, instance_type: &str) -> BillKey {
    let usage_type = format!("{kind}:{instance_type}");
    BillKey::new("AmazonEC2", inputs.region, &usage_type, "RunInstances")
}

/// The list price of a type, where the book has one.
pub(super) fn price(inputs: &Inputs<'_>, kind: &str, instance_type: &str) -> Option<f64> {
    let ladder = inputs.prices.find(&key(inputs, kind, instance_type))?;
    Some(ladder.rows[0].price.to_f64())
}

pub(super) fn offer(
    inputs: &Inputs<'_>,
    (shape, kubelet): (&Shape, Option<&Kubelet>),
    (price, purchase): (f64, Purchase),
    (name, group): (&str, Group),
) -> Option<Offer> {
    let room = room(inputs, shape, kubelet)?;
    let daemons = daemons(inputs, (name, shape), &[purchase.into()]);
    let supply = inputs.catalog.spot(inputs.region, &shape.instance_type);
    let (hazard, shortage) = match supply {
        Some(supply) if purchase == Purchase::Spot && inputs.cluster.spot_interruptions => {
            risks(inputs, supply)
        }
        _ => (0.0, 0.0),
    };
    let own = kubelet.or(inputs.cluster.kubelet.as_ref());
    let capacity_mib = inputs.catalog.controllers.kubelet.memory_capacity(
        shape.memory_mib as i64,
        shape.arch == "arm64",
        own.and_then(|kubelet| kubelet.vm_memory_overhead),
    );
    let offer = Offer {
        instance_type: shape.instance_type.clone(),
        type_id: name_id(&shape.instance_type),
        family_id: name_id(&shape.family),
        purchase,
        group,
        price,
        vcpu_milli: i64::from(shape.vcpus) * 1000,
        capacity_mib,
        generic: shape.is_generic(),
        cpu: room.cpu - daemons.cpu,
        memory: room.memory - daemons.memory,
        pods: room.pods - daemons.pods,
        zones: zones(inputs.cluster),
        hazard,
        shortage,
    };
    (offer.cpu > 0 && offer.memory > 0 && offer.pods > 0).then_some(offer)
}

/// A number for a name, the same whatever else the catalog holds (FNV-1a): shortages of spot capacity are
/// drawn by it.
fn name_id(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |id, byte| (id ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Every zone of the cluster, one bit each.
pub(super) fn zones(cluster: &Cluster) -> u8 {
    ((1_u16 << cluster.availability_zones.min(MOST_ZONES as u32)) - 1) as u8
}

/// The zone that a letter names, from 0: `a` is the first of the cluster.
pub(super) fn zone_of(cluster: &Cluster, name: &str) -> Result<u8, String> {
    let count = cluster.availability_zones.clamp(1, MOST_ZONES as u32) as u8;
    let last = char::from(b'a' + count - 1);
    match name.as_bytes() {
        [letter] if (b'a'..b'a' + count).contains(letter) => Ok(letter - b'a'),
        _ if count == 1 => Err(format!("no zone {name:?}; the cluster's one zone is \"a\"")),
        _ => Err(format!(
            "no zone {name:?}; the cluster has {count} zones, \"a\" to \"{last}\" (cluster.availability_zones)"
        )),
    }
}

/// Interruptions per second, and the share of time without capacity.
fn risks(inputs: &Inputs<'_>, supply: &SpotSupply) -> (f64, f64) {
    const SECONDS_PER_MONTH: f64 = 730.0 * 3600.0;
    let facts = &inputs.catalog.controllers.spot;
    let of = |bands: &[f64]| {
        let last = bands.last().copied().unwrap_or(0.0);
        bands.get(usize::from(supply.interruption_bucket)).copied().unwrap_or(last)
    };
    // A chance p in a month is a rate of −ln(1 − p) a month.
    let monthly = -(-of(&facts.interruptions_per_month)).ln_1p();
    (monthly / SECONDS_PER_MONTH, of(&facts.shortage))
}

/// Room for pods: the documented one, or by the formula with the pool's or the cluster's settings.
fn room(
    inputs: &Inputs<'_>,
    shape: &Shape,
    kubelet: Option<&Kubelet>,
) -> Option<allocatable::Room> {
    match kubelet.or(inputs.cluster.kubelet.as_ref()) {
        Some(kubelet) => {
            shape.allocatable(&inputs.catalog.controllers.kubelet, &overrides(kubelet))
        }
        None => Some(allocatable::Room {
            cpu: shape.allocatable_cpu_milli? as i64,
            memory: shape.allocatable_memory_mib? as i64,
            pods: i64::from(shape.allocatable_pods?),
        }),
    }
}

fn overrides(kubelet: &Kubelet) -> allocatable::Overrides {
    allocatable::Overrides {
        max_pods: kubelet.max_pods,
        reserved_enis: kubelet.reserved_enis,
        kube_reserved_cpu: kubelet.kube_reserved_cpu_millicores.map(i64::from),
        kube_reserved_memory: kubelet.kube_reserved_memory_mib.map(i64::from),
        system_reserved_cpu: i64::from(kubelet.system_reserved_cpu_millicores),
        system_reserved_memory: i64::from(kubelet.system_reserved_memory_mib),
        eviction_memory_mib: kubelet.eviction_memory_mib.map(i64::from),
        vm_memory_overhead: kubelet.vm_memory_overhead,
    }
}

pub(super) fn baseline_offer(inputs: &Inputs<'_>) -> Result<Offer, String> {
    let name = &*inputs.cluster.baseline.instance_type;
    let shape = known_shape(inputs.catalog, name)?;
    let ladder = inputs.prices.ladder(&key(inputs, "BoxUsage", name))?;
    let price = ladder.rows[0].price.to_f64();
    offer(inputs, (shape, None), (price, Purchase::Baseline), (BASELINE, Group::Baseline))
        .ok_or_else(|| {
            format!("{name} has no room left after its daemonsets; choose a larger type")
        })
}

pub(super) fn known_shape<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Shape, String> {
    catalog.shape(name).ok_or_else(|| {
        let near = nearest(name, catalog.shapes().iter().map(|shape| &*shape.instance_type));
        unknown("instance type", name, near)
    })
}
