//! A trace as a page: workloads, queues, jobs, nodes, the database, and what happened.

use super::{capacity, columns, least_wanted, traced};
use crate::{
    cluster::capacity::Capacity,
    measure::units::count,
    page::{
        Cell, Fact, Figure, Kind, Meaning, Page, Row, Section, Table,
        number::{grouped, in_dollars, percent},
    },
    plan::simulate::trace::{DatabaseTrace, EventCount, Trace, WorkloadTrace},
    usage::services::aurora::live::Reading,
};

/// The summary for programs.
#[derive(Debug, serde::Serialize)]
pub struct Summary<'a> {
    scenario: &'a str,
    account: &'a str,
    region: &'a str,
    start: String,
    days: f64,
    tick_seconds: u32,
    load: &'a str,
    node_cost_list_price_usd: f64,
    capacity: &'a Capacity,
    database_overloaded_minutes: Option<f64>,
    events: Vec<EventCount>,
    notes: &'a [String],
}

/// The summary for programs.
pub fn summary(trace: &Trace) -> Summary<'_> {
    Summary {
        scenario: &trace.name,
        account: &trace.account,
        region: &trace.region,
        start: trace.start.to_string(),
        days: trace.days(),
        tick_seconds: trace.tick_seconds,
        load: &trace.load,
        node_cost_list_price_usd: (trace.node_cost * 100.0).round() / 100.0,
        capacity: &trace.capacity,
        database_overloaded_minutes: trace
            .database
            .as_ref()
            .map(|database| overloaded_minutes(trace, database)),
        events: trace.event_counts(),
        notes: &trace.notes,
    }
}

/// Minutes in which the database could not keep up.
fn overloaded_minutes(trace: &Trace, database: &DatabaseTrace) -> f64 {
    let ticks = database.readings.iter().filter(|reading| reading.overloaded).count();
    ticks as f64 * f64::from(trace.tick_seconds) / 60.0
}

/// The whole page; its ticks are too many for it.
pub fn page(trace: &Trace) -> Page {
    let jobs = crate::cluster::capacity::jobs(std::iter::once(&trace.capacity));
    let note = "the delay is from when a run is due to the start of its first pod";
    let jobs = capacity::job_table(("jobs", "CronJobs and Jobs"), note, jobs);
    let database = trace.database.as_ref().map(|found| database(trace, found));
    let [load, fleet, database_load] = traced::figures(trace);
    let sections = [
        section("workloads", "Workloads", load, [workloads(trace), queues(trace), jobs]),
        section("nodes", "Nodes", fleet, [nodes(trace), removed(trace), refused(trace)]),
        section("database", "Database", database_load, database),
        section("events", "Events", None, [events(trace)]),
    ];
    let mut sections: Vec<Section> =
        sections.into_iter().filter(|section| !section.tables.is_empty()).collect();
    if !trace.notes.is_empty() {
        sections.push(Section {
            id: "notes".into(),
            title: "Notes".into(),
            points: trace.notes.clone(),
            ..Section::default()
        });
    }
    let mut page = Page {
        title: format!(
            "{}: {} ({}), {} to {} UTC",
            trace.name,
            trace.account,
            trace.region,
            trace.start,
            trace.moment(trace.len())
        ),
        currency: "USD".into(),
        cost_metric: format!(
            "list price; one tick every {} s, load from {}",
            trace.tick_seconds, trace.load
        ),
        headline: headline(trace),
        sections,
        ..Page::default()
    };
    page.without_turns();
    page
}

fn section(
    id: &str,
    title: &str,
    figure: Option<Figure>,
    tables: impl IntoIterator<Item = Table>,
) -> Section {
    Section {
        id: id.into(),
        title: title.into(),
        figures: figure.into_iter().collect(),
        tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
        ..Section::default()
    }
}

fn headline(trace: &Trace) -> Vec<Fact> {
    let (used, days) = (&trace.capacity, trace.days());
    let fact = |label: &str, value: String, note: String| Fact {
        label: label.into(),
        value: Cell::text(value),
        note,
        ..Fact::default()
    };
    let mut facts = vec![
        fact(
            "Cost of nodes",
            in_dollars(trace.node_cost, 2),
            format!("{} a day", in_dollars(trace.node_cost / days, 2)),
        ),
        fact(
            "Nodes removed per day",
            grouped(f64::from(used.disruptions.nodes()) / days, 1),
            format!("{} pods evicted per day", grouped(f64::from(used.evictions) / days, 1)),
        ),
    ];
    if let (Some(asked), Some(got)) = (used.requested_spot_share, used.realized_spot_share) {
        facts.push(fact("Spot share", percent(got), format!("{} requested", percent(asked))));
    }
    let database = trace.database.as_ref().map(|database| overloaded_minutes(trace, database));
    let overloaded = database.into_iter().filter(|minutes| *minutes > 0.0).map(|minutes| Fact {
        meaning: Some(Meaning::Bad),
        ..fact("Database overloaded", count(minutes.round() as usize, "minute"), String::new())
    });
    facts.extend(overloaded);
    facts
}

fn workloads(trace: &Trace) -> Table {
    let row = |series: &WorkloadTrace| {
        let used = trace.capacity.workloads.iter().find(|used| used.name == series.name)?;
        Some(Row::new(vec![
            Cell::text(&series.name),
            Cell::Number(used.requests),
            Cell::Number(used.peak_rps),
            Cell::Number(series.ready.iter().min().copied().unwrap_or(0).into()),
            Cell::Number(used.mean_replicas),
            Cell::Number(used.peak_replicas.into()),
            Cell::Number(used.p95_ms),
            Cell::Number(used.peak_p95_ms),
            Cell::Number(used.overloaded_minutes),
            Cell::Number(pending_minutes(trace, series)),
            Cell::Number(used.queued_requests),
            Cell::Number(used.unserved_requests),
        ]))
    };
    let names = columns(&[
        ("Workload", Kind::Text),
        ("Requests", Kind::Number(0)),
        ("Peak requests per second", Kind::Number(1)),
        ("Least replicas", Kind::Number(0)),
        ("Mean replicas", Kind::Number(1)),
        ("Most replicas", Kind::Number(0)),
        ("p95 [ms]", Kind::Number(1)),
        ("Worst p95 [ms]", Kind::Number(0)),
        ("Overloaded minutes", Kind::Number(1)),
        ("Pending pod-minutes", Kind::Number(1)),
        ("Queued requests", Kind::Number(0)),
        ("Unserved requests", Kind::Number(0)),
    ]);
    Table {
        id: "workloads".into(),
        title: "Workloads".into(),
        columns: least_wanted(names, &["Least replicas", "Queued requests", "Mean replicas"]),
        rows: trace.workloads.iter().filter_map(row).collect(),
        ..Table::default()
    }
}

/// Minutes that pods were Pending, summed over pods.
fn pending_minutes(trace: &Trace, series: &WorkloadTrace) -> f64 {
    let pods: f64 = series.pending.iter().copied().map(f64::from).sum();
    pods * f64::from(trace.tick_seconds) / 60.0
}

/// What waited in queues, where a workload has one.
fn queues(trace: &Trace) -> Table {
    let rows = trace.capacity.workloads.iter().filter_map(|used| {
        let queue = used.queue?;
        Some(Row::new(vec![
            Cell::text(&used.name),
            Cell::Number(queue.most_waiting),
            Cell::Number(queue.longest_wait_seconds / 60.0),
        ]))
    });
    Table {
        id: "queues".into(),
        title: "Queues".into(),
        note: "the p95 of a workload does not include this wait".into(),
        columns: columns(&[
            ("Workload", Kind::Text),
            ("Most messages waiting", Kind::Number(0)),
            ("Longest wait [min]", Kind::Number(1)),
        ]),
        rows: rows.collect(),
        ..Table::default()
    }
}

fn nodes(trace: &Trace) -> Table {
    let used = &trace.capacity;
    let row =
        |name: &str, mean: f64| Row::new(vec![Cell::text(name), Cell::Number(mean), Cell::Empty]);
    Table {
        id: "nodes".into(),
        title: "Nodes".into(),
        columns: columns(&[
            ("Nodes", Kind::Text),
            ("Mean", Kind::Number(1)),
            ("Peak", Kind::Number(0)),
        ]),
        rows: vec![
            row("baseline", used.baseline_mean),
            row("on-demand", used.on_demand_mean),
            row("spot", used.spot_mean),
            Row::total(vec![
                Cell::text("Total"),
                Cell::Number(used.baseline_mean + used.on_demand_mean + used.spot_mean),
                Cell::Number(used.total.peak.into()),
            ]),
        ],
        ..Table::default()
    }
}

/// Nodes that were removed, by reason.
fn removed(trace: &Trace) -> Table {
    let removed = trace.capacity.disruptions;
    let cells = |reason: &str, nodes: u32| {
        vec![
            Cell::text(reason),
            Cell::Number(nodes.into()),
            Cell::Number(f64::from(nodes) / trace.days()),
        ]
    };
    let reasons = [
        ("empty", removed.empty),
        ("underutilized", removed.underutilized),
        ("drifted", removed.drifted),
        ("expired", removed.expired),
        ("interrupted", removed.interrupted),
    ];
    let mut rows: Vec<Row> = reasons
        .into_iter()
        .filter(|(_, nodes)| *nodes > 0)
        .map(|(reason, nodes)| Row::new(cells(reason, nodes)))
        .collect();
    if !rows.is_empty() {
        rows.push(Row::total(cells("Total", removed.nodes())));
    }
    Table {
        id: "removed".into(),
        title: "Nodes removed".into(),
        columns: columns(&[
            ("Reason", Kind::Text),
            ("Nodes", Kind::Number(0)),
            ("Per day", Kind::Number(1)),
        ]),
        rows,
        ..Table::default()
    }
}

/// What kept Karpenter from removing nodes.
fn refused(trace: &Trace) -> Table {
    let row = |(reason, times): (&String, &u32)| {
        Row::new(vec![Cell::text(reason), Cell::Number((*times).into())])
    };
    Table {
        id: "kept".into(),
        title: "Nodes kept".into(),
        columns: columns(&[("Kept by", Kind::Text), ("Times", Kind::Number(0))]),
        rows: trace.capacity.refusals.iter().map(row).collect(),
        ..Table::default()
    }
}

fn database(trace: &Trace, database: &DatabaseTrace) -> Table {
    let most = |of: fn(&Reading) -> f64| database.readings.iter().map(of).fold(0.0, f64::max);
    let acu = most(|reading| reading.acu);
    let mut names = vec![
        ("Database", Kind::Text),
        ("Most writer CPU", Kind::Share),
        ("Most reader CPU", Kind::Share),
        ("Most readers", Kind::Number(0)),
        ("Most connections", Kind::Number(0)),
        ("Overloaded minutes", Kind::Number(1)),
    ];
    let mut cells = vec![
        Cell::text(&database.name),
        Cell::Number(most(|reading| reading.writer_cpu)),
        Cell::Number(most(|reading| reading.reader_cpu)),
        Cell::Number(most(|reading| f64::from(reading.readers))),
        Cell::Number(most(|reading| reading.connections)),
        Cell::Number(overloaded_minutes(trace, database)),
    ];
    if acu > 0.0 {
        let sum: f64 = database.readings.iter().map(|reading| reading.acu).sum();
        names.extend([("Mean ACU", Kind::Number(1)), ("Most ACU", Kind::Number(1))]);
        cells.extend([Cell::Number(sum / database.readings.len() as f64), Cell::Number(acu)]);
    }
    Table {
        id: "database".into(),
        title: "Database".into(),
        columns: columns(&names),
        rows: vec![Row::new(cells)],
        ..Table::default()
    }
}

fn events(trace: &Trace) -> Table {
    let row = |events: EventCount| {
        Row::new(vec![
            Cell::text(events.reason),
            Cell::Number(events.count as f64),
            Cell::text(events.first_at),
            Cell::text(events.first),
        ])
    };
    Table {
        id: "events".into(),
        title: "Events".into(),
        columns: columns(&[
            ("Event", Kind::Text),
            ("Times", Kind::Number(0)),
            ("First at", Kind::Text),
            ("First", Kind::Text),
        ]),
        rows: trace.event_counts().into_iter().map(row).collect(),
        ..Table::default()
    }
}
