//! The smallest class that carries the busiest minute.
//!
//! # Formula
//! ```text
//! writer vCPU  ≥ queries/s × (write share if there are readers, else 1) × CPU s per query / target
//! readers      ≥ ceil(read queries/s × CPU s per query / target / vCPU)
//! connections  ≤ max_connections − reserved
//! working set  ≤ buffer share × memory
//! ```
//! # Source
//! Own rule: the smallest class that meets CPU, memory and connections.

use super::readers::ReaderLimits;
use crate::facts::shapes::{AuroraClass, AuroraFacts};

/// What the database has to carry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Queries in the busiest minute [1/s].
    pub peak_queries_per_second: f64,
    /// Share of queries that write.
    pub write_share: f64,
    /// CPU time of one query, in ms.
    pub cpu_ms_per_query: f64,
    /// Connections held by all pods at their most.
    pub connections: u64,
    /// Data in regular use, in GiB.
    pub working_set_gib: f64,
}

/// What was chosen, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Size<'a> {
    /// Class of writer and readers.
    pub class: &'a AuroraClass,
    /// Readers.
    pub readers: u32,
    /// Share of page reads found in memory.
    pub hit_ratio: f64,
    /// Which bound decided.
    pub reason: String,
    /// No allowed class carries the load.
    pub overloaded: bool,
    /// What it was sized for.
    pub load: Load,
}

/// What one class would mean under the load.
struct Fit {
    readers: u32,
    cpu: bool,
    connections: bool,
    memory: bool,
}

fn fit(load: &Load, class: &AuroraClass, limits: ReaderLimits, facts: &AuroraFacts) -> Fit {
    let ReaderLimits { least, most } = limits;
    let vcpu_for =
        |queries: f64| queries * load.cpu_ms_per_query / 1000.0 / facts.target_cpu_utilization;
    let cores = f64::from(class.vcpu);
    let reads = load.peak_queries_per_second * (1.0 - load.write_share);
    // Without readers the writer serves everything.
    let alone = least == 0 && (most == 0 || vcpu_for(load.peak_queries_per_second) <= cores);
    let needed = if alone { 0 } else { (vcpu_for(reads) / cores).ceil() as u32 };
    let readers = needed.clamp(least, most.max(least));
    let on_writer = if readers == 0 {
        load.peak_queries_per_second
    } else {
        load.peak_queries_per_second - reads
    };
    let usable = u64::from(class.max_connections.saturating_sub(facts.reserved_connections));
    Fit {
        readers,
        cpu: vcpu_for(on_writer) <= cores && (readers == 0 || needed <= most.max(least)),
        connections: load.connections <= usable,
        memory: load.working_set_gib <= class.memory_gib * facts.buffer_share_of_memory,
    }
}

/// Picks the smallest of the allowed classes that carries the load; the largest when none does.
///
/// # Panics
/// When no class is allowed, which the scenario's check has ruled out.
pub fn choose<'a>(
    load: &Load,
    allowed: impl Iterator<Item = &'a AuroraClass>,
    limits: ReaderLimits,
    facts: &AuroraFacts,
) -> Size<'a> {
    let mut classes: Vec<&AuroraClass> = allowed.collect();
    classes.sort_by(|a, b| a.memory_gib.total_cmp(&b.memory_gib).then(a.vcpu.cmp(&b.vcpu)));
    let mut ruled_out = Vec::new();
    for class in &classes {
        let fit = fit(load, class, limits, facts);
        // The working set may overflow the buffers: that costs I/O, which is billed, not service.
        if fit.cpu && fit.connections && fit.memory {
            return size(load, class, fit.readers, facts, reason(&ruled_out), false);
        }
        ruled_out.push(fit);
    }
    // Beyond a size the number of connections no longer grows: a larger class would not help.
    let rest = classes.iter().zip(&ruled_out).find(|(_, fit)| fit.cpu && fit.memory);
    if let Some((class, fit)) = rest {
        let reason = format!(
            "{} connections exceed max_connections of every allowed class ({} here); pool them or hold fewer per pod",
            load.connections, class.max_connections
        );
        return size(load, class, fit.readers, facts, reason, true);
    }
    let largest = classes.last().expect("the scenario's check leaves at least one class");
    let fit = fit(load, largest, limits, facts);
    let overloaded = !(fit.cpu && fit.connections);
    let reason = if overloaded {
        format!(
            "no allowed class carries {:.0} queries/s and {} connections; {} is the largest",
            load.peak_queries_per_second, load.connections, largest.class
        )
    } else {
        format!("the working set of {:.0} GiB exceeds every allowed class", load.working_set_gib)
    };
    size(load, largest, fit.readers, facts, reason, overloaded)
}

fn size<'a>(
    load: &Load,
    class: &'a AuroraClass,
    readers: u32,
    facts: &AuroraFacts,
    reason: String,
    overloaded: bool,
) -> Size<'a> {
    let buffers = class.memory_gib * facts.buffer_share_of_memory;
    let hit_ratio = hit_ratio(load.working_set_gib, buffers, facts);
    Size { class, readers, hit_ratio, reason, overloaded, load: *load }
}

/// Share of page reads found in `buffers`, for a working set, both in GiB.
pub(super) fn hit_ratio(set: f64, buffers: f64, facts: &AuroraFacts) -> f64 {
    if set <= buffers {
        return facts.buffer_hit_ratio;
    }
    (1.0 - (1.0 - buffers / set) * facts.buffer_skew).min(facts.buffer_hit_ratio)
}

fn reason(ruled_out: &[Fit]) -> String {
    let Some(last) = ruled_out.last() else { return "the smallest allowed class is enough".into() };
    let bounds =
        [(last.cpu, "CPU"), (last.connections, "connections"), (last.memory, "working set")];
    let decided: Vec<&str> =
        bounds.into_iter().filter(|(met, _)| !met).map(|(_, name)| name).collect();
    format!("the next smaller class is short of {}", decided.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::services::fixture::Fixture;

    fn load() -> Load {
        Load {
            peak_queries_per_second: 100.0,
            write_share: 0.2,
            cpu_ms_per_query: 1.0,
            connections: 200,
            working_set_gib: 4.0,
        }
    }

    fn chosen(load: &Load, min_readers: u32) -> (String, u32, String) {
        let fixture = Fixture::new("2027-04");
        let r6g = fixture.catalog.aurora().iter().filter(|class| class.family == "r6g");
        let most = if min_readers == 0 { 0 } else { 15 };
        let size = choose(
            load,
            r6g,
            ReaderLimits { least: min_readers, most },
            &fixture.catalog.controllers.aurora,
        );
        (size.class.class.clone(), size.readers, size.reason)
    }

    #[test]
    fn a_small_load_takes_the_smallest_class() {
        let (class, readers, _) = chosen(&load(), 1);
        assert_eq!((&*class, readers), ("db.r6g.large", 1));
    }

    /// 1,722 connections − 10 on a large, 3,479 − 10 on an xlarge.
    #[test]
    fn each_bound_can_decide() {
        let (class, _, why) = chosen(&Load { connections: 1713, ..load() }, 1);
        assert_eq!(class, "db.r6g.xlarge");
        assert!(why.contains("connections"), "{why}");
        // 16 GiB × 0.626 = 10.016 GiB of buffers.
        let (class, _, why) = chosen(&Load { working_set_gib: 10.1, ..load() }, 1);
        assert_eq!(class, "db.r6g.xlarge");
        assert!(why.contains("working set"), "{why}");
        // 1,401 writes/s × 1 ms / 0.7 = 2.001 vCPU on two.
        let writes = Load { peak_queries_per_second: 1401.0, write_share: 1.0, ..load() };
        let (class, _, why) = chosen(&writes, 1);
        assert_eq!(class, "db.r6g.xlarge");
        assert!(why.contains("CPU"), "{why}");
    }

    /// 8,000 reads/s × 1 ms / 0.7 = 11.43 vCPU: six readers of two vCPUs.
    #[test]
    fn reads_go_to_readers_when_there_are_any() {
        let reads = Load { peak_queries_per_second: 8000.0, write_share: 0.0, ..load() };
        assert_eq!(chosen(&reads, 1).1, 6);
        let (class, readers, _) = chosen(&reads, 0);
        assert_eq!((&*class, readers), ("db.r6g.4xlarge", 0));
    }

    #[test]
    fn an_impossible_load_is_flagged() {
        let fixture = Fixture::new("2027-04");
        let load = Load { connections: 100_000, ..load() };
        let all = fixture.catalog.aurora().iter();
        let size = choose(
            &load,
            all,
            ReaderLimits { least: 1, most: 15 },
            &fixture.catalog.controllers.aurora,
        );
        assert!(size.overloaded && size.reason.contains("pool them"), "{size:?}");
        // The load itself is small, and a larger class has no more connections.
        assert_eq!(size.class.memory_gib, 8.0);
    }
}
