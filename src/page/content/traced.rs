//! A trace as charts: load, replicas, nodes, CPU, pending pods, p95, with what happened marked through all of them.

use crate::{
    cluster::{autoscale::event::Reason, capacity::purchase_name},
    page::{Chart, Figure, Marks, Panel, Track, Unit},
    plan::simulate::trace::{DatabaseTrace, Trace, WorkloadTrace},
    usage::services::aurora::live::Reading,
};

/// Steps that a chart gets of a trace: of the ticks of a step the greatest value, so that a peak of one tick is seen.
const STEPS: usize = 720;
/// Loads above this are drawn at it: one minute without pods would flatten all the others.
const MOST_LOAD: f64 = 3.0;
/// Instance types that have a band of their own; the others are one.
const TYPES: usize = 7;

/// Everything in one picture.
pub fn figure(trace: &Trace) -> Figure {
    let title = format!(
        "{}: {}, {} to {} UTC, load from {}",
        trace.name,
        trace.account,
        trace.start,
        trace.moment(trace.len()),
        trace.load
    );
    let tracks = [workloads(trace), nodes(trace), database(trace)].concat();
    timeline(trace, "trace", &title, tracks)
}

/// The charts of the workloads, the nodes and the database, each for its section.
pub(super) fn figures(trace: &Trace) -> [Option<Figure>; 3] {
    let figure = |id: &str, title: &str, tracks: Vec<Track>| {
        (!tracks.is_empty()).then(|| timeline(trace, id, title, tracks))
    };
    [
        figure("load", "Load and replicas", workloads(trace)),
        figure("fleet", "Nodes", nodes(trace)),
        figure("database-load", "Database", database(trace)),
    ]
}

fn timeline(trace: &Trace, id: &str, title: &str, tracks: Vec<Track>) -> Figure {
    let shown: Vec<&str> = tracks.iter().map(|track| &*track.panel.title).collect();
    Figure {
        id: id.into(),
        title: title.into(),
        alt: format!("Over time: {}. The tables have the sums.", shown.join("; ")),
        chart: Chart::Timeline {
            start: trace.start,
            days: trace.days(),
            tracks,
            marks: marks(trace),
        },
    }
}

/// Begins and ends of the ticks that make each step.
fn steps(ticks: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let steps = STEPS.min(ticks);
    (0..steps).map(move |step| step * ticks / steps..(step + 1) * ticks / steps)
}

/// The greatest value of each step.
fn thin<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    let most = |step: std::ops::Range<usize>| {
        values[step].iter().map(|value| (*value).into()).fold(0.0, f64::max)
    };
    steps(values.len()).map(most).collect()
}

/// Values that add up: of each step the tick with the greatest sum.
fn thin_together<const N: usize>(bands: [&[u32]; N]) -> [Vec<f64>; N] {
    let mut thinned = [const { Vec::new() }; N];
    for step in steps(bands.first().map_or(0, |band| band.len())) {
        let sum = |tick: &usize| bands.iter().map(|band| u64::from(band[*tick])).sum::<u64>();
        let Some(tick) = step.rev().max_by_key(sum) else { continue };
        for (thinned, band) in thinned.iter_mut().zip(bands) {
            thinned.push(f64::from(band[tick]));
        }
    }
    thinned
}

fn track(title: &str, lines: Vec<(String, Vec<f64>)>) -> Track {
    let panel = Panel { title: title.into(), lines };
    Track { panel, stacked: false, unit: Unit::Count, behind: Vec::new() }
}

fn workloads(trace: &Trace) -> Vec<Track> {
    let lines = |values: fn(&WorkloadTrace) -> Vec<f64>| -> Vec<(String, Vec<f64>)> {
        let line = |workload: &WorkloadTrace| (workload.name.clone(), values(workload));
        trace.workloads.iter().map(line).collect()
    };
    let desired = trace.workloads.iter().map(|workload| thin(&workload.desired)).collect();
    let replicas = track("Replicas, desired (thin) and ready", lines(|own| thin(&own.ready)));
    let mut cut = false;
    let mut load = lines(|workload| thin(&workload.load));
    for value in load.iter_mut().flat_map(|(_, values)| values) {
        cut |= *value > MOST_LOAD;
        *value = value.min(MOST_LOAD);
    }
    let title = if cut {
        "Load over capacity of the pods, cut at 300 %"
    } else {
        "Load over capacity of the pods"
    };
    let waiting = vec![
        ("pending pods".to_owned(), thin(&trace.pending)),
        ("nodes on their way".to_owned(), thin(&trace.launching)),
    ];
    vec![
        track("Requests per second", lines(|workload| thin(&workload.rps))),
        Track { behind: desired, ..replicas },
        Track { unit: Unit::Share, ..track(title, load) },
        track("p95 response time [ms]", lines(|workload| thin(&workload.p95_ms))),
        track("Pending pods and nodes on their way", waiting),
    ]
}

fn nodes(trace: &Trace) -> Vec<Track> {
    let bought = thin_together(trace.nodes.each_ref().map(Vec::as_slice));
    let bought = ["baseline", "on-demand", "spot"].map(str::to_owned).into_iter().zip(bought);
    let bought = bought.filter(|(_, nodes)| nodes.iter().any(|count| *count > 0.0));
    let cpu = ("CPU of all nodes".to_owned(), thin(&trace.utilization));
    vec![
        Track { stacked: true, ..track("Nodes by purchase option", bought.collect()) },
        Track { stacked: true, ..track("Nodes by instance type", types(trace)) },
        Track { unit: Unit::Share, ..track("CPU used", vec![cpu]) },
    ]
}

fn database(trace: &Trace) -> Vec<Track> {
    let cpu = |database: &DatabaseTrace| {
        let line = |name: &str, value: fn(&Reading) -> f64| {
            let values: Vec<f64> = database.readings.iter().map(value).collect();
            (name.to_owned(), thin(&values))
        };
        let lines = vec![
            line("writer CPU", |reading| reading.writer_cpu),
            line("reader CPU", |reading| reading.reader_cpu),
        ];
        Track { unit: Unit::Share, ..track(&format!("CPU of {}", database.name), lines) }
    };
    trace.database.iter().map(cpu).collect()
}

/// The types with most node-hours, and the others together.
fn types(trace: &Trace) -> Vec<(String, Vec<f64>)> {
    let mut types: Vec<_> = trace.types.iter().collect();
    let hours = |nodes: &[u32]| -> u64 { nodes.iter().map(|count| u64::from(*count)).sum() };
    types.sort_by_key(|kind| std::cmp::Reverse(hours(&kind.nodes)));
    let (shown, others) = types.split_at(if types.len() > TYPES + 1 { TYPES } else { types.len() });
    let name = |kind: &str, purchase| format!("{kind} {}", purchase_name(purchase));
    let mut lines: Vec<(String, Vec<f64>)> = shown
        .iter()
        .map(|kind| (name(&kind.instance_type, kind.purchase), thin(&kind.nodes)))
        .collect();
    if !others.is_empty() {
        let sum = |tick: usize| others.iter().map(|kind| kind.nodes[tick]).sum();
        let sum: Vec<u32> = (0..trace.len()).map(sum).collect();
        lines.push((format!("{} other types", others.len()), thin(&sum)));
    }
    lines
}

/// Whether an event is of a kind.
type Test = fn(&Reason) -> bool;

/// Events that an engineer looks for first; hundreds of marks would hide the lines, so there is one a step.
fn marks(trace: &Trace) -> Vec<Marks> {
    let kinds: [(&str, Test); 3] = [
        ("overloaded workloads", |reason| matches!(reason, Reason::Overloaded { .. })),
        ("spot interruptions", |reason| matches!(reason, Reason::SpotInterrupted)),
        ("launches without spot capacity", |reason| {
            matches!(reason, Reason::InsufficientCapacity { .. })
        }),
    ];
    let marks = |(name, is): (&str, Test)| {
        let ticks: Vec<usize> =
            trace.events.iter().filter(|event| is(&event.reason)).map(|event| event.tick).collect();
        let mut steps: Vec<usize> =
            ticks.iter().map(|tick| tick * STEPS / trace.len().max(1)).collect();
        steps.dedup();
        Marks {
            name: format!("{} {name}", ticks.len()),
            at: steps.iter().map(|step| *step as f64 / STEPS as f64 * trace.days()).collect(),
        }
    };
    kinds.into_iter().map(marks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_of_one_tick_is_kept() {
        let mut values = vec![1_u32; 10_000];
        values[5001] = 9;
        let thin = thin(&values);
        assert_eq!(thin.len(), STEPS);
        assert!((thin.iter().copied().fold(0.0, f64::max) - 9.0).abs() < 1e-12);
        assert_eq!(super::thin(&[1_u32, 2]), [1.0, 2.0]);
    }

    /// Types that take turns are never shown side by side.
    #[test]
    fn bands_that_add_up_are_of_one_tick() {
        let ticks = 2 * STEPS;
        let one: Vec<u32> = (0..ticks).map(|tick| if tick % 2 == 0 { 5 } else { 1 }).collect();
        let other: Vec<u32> = (0..ticks).map(|tick| if tick % 2 == 0 { 0 } else { 3 }).collect();
        let [one, other] = thin_together([&one, &other]);
        assert!(one.iter().zip(&other).all(|(a, b)| (*a, *b) == (5.0, 0.0)));
    }
}
