//! Nodes by purchase option, pods, database, and the units that load balancers and serverless databases meter.

use super::{columns, least_wanted, slug};
use crate::{
    cluster::capacity::{JobUse, QueueUse},
    page::{Cell, Chart, Figure, Kind, Row, Section, Series, Table, Unit},
    plan::{AccountMonth, MonthPlan, Plan},
};

/// Units of capacity that a bill meters by the hour, as the price book prints them, and their names.
const METERED: [(&str, &str); 2] =
    [("LCU-Hr", "LCU of load balancers"), ("ACU-Hr", "ACU of Aurora")];

/// Columns that a narrow terminal does without, first to last.
const LEAST_WANTED: [&str; 10] = [
    "LCU of load balancers",
    "ACU of Aurora",
    "Sessions",
    "Nodes removed per day",
    "p95 [ms]",
    "Spot share requested",
    "Spot share",
    "Overloaded minutes",
    "Baseline nodes",
    "Peak requests/s",
];

/// The section.
pub(super) fn section(plan: &Plan) -> Section {
    let metered = metered(plan);
    let mut figures = vec![nodes(plan)];
    if !metered.is_empty() {
        figures.push(Figure {
            id: "capacity-units".into(),
            title: "Capacity units, mean over the month [units]".into(),
            alt: format!(
                "Lines of the mean capacity units by month: {}.",
                metered.iter().map(|own| &*own.name).collect::<Vec<_>>().join(", ")
            ),
            chart: Chart::Lines {
                months: plan.months.iter().map(|month| month.month).collect(),
                series: metered.clone(),
                unit: Unit::Count,
            },
        });
    }
    let accounts = plan.accounts.iter().enumerate();
    Section {
        id: "capacity".into(),
        title: "Capacity".into(),
        figures,
        tables: accounts
            .flat_map(|(place, _)| {
                std::iter::once(table(plan, place, &metered)).chain(jobs(plan, place))
            })
            .collect(),
        ..Section::default()
    }
}

fn nodes(plan: &Plan) -> Figure {
    let series = |name: &str, of: &dyn Fn(&AccountMonth) -> f64| Series {
        name: name.into(),
        values: plan.months.iter().map(|m| Some(m.accounts.iter().map(of).sum())).collect(),
    };
    Figure {
        id: "nodes".into(),
        title: "Nodes of all accounts by purchase option, mean over the month [nodes]".into(),
        alt: "Stacked areas of baseline, on-demand and spot nodes of all accounts by month.".into(),
        chart: Chart::Stacked {
            months: plan.months.iter().map(|month| month.month).collect(),
            series: vec![
                series("Baseline", &|own| own.capacity.baseline_mean),
                series("On-demand", &|own| own.capacity.on_demand_mean),
                series("Spot", &|own| own.capacity.spot_mean),
            ],
            unit: Unit::Count,
        },
    }
}

/// Mean units in use by month, of those that the plan meters.
fn metered(plan: &Plan) -> Vec<Series> {
    let all = METERED.iter().map(|(unit, name)| {
        let hours = |month: &MonthPlan| {
            let own = plan.entries.iter().filter(|entry| entry.month == month.month);
            let own = own.filter(|entry| plan.price_of(entry).unit.starts_with(unit));
            own.map(|entry| entry.quantity.get()).sum::<f64>()
        };
        let mean = |month: &MonthPlan| hours(month) / month.month.hours() as f64;
        Series {
            name: (*name).to_owned(),
            values: plan.months.iter().map(|month| Some(mean(month))).collect(),
        }
    });
    all.filter(|series| series.values.iter().flatten().any(|value| *value > 0.0)).collect()
}

fn table(plan: &Plan, place: usize, metered: &[Series]) -> Table {
    let account = &plan.accounts[place];
    let mut names = columns(&[
        ("Month", Kind::Month),
        ("Sessions", Kind::Number(0)),
        ("Peak requests/s", Kind::Number(1)),
        ("p95 [ms]", Kind::Number(0)),
        ("Baseline nodes", Kind::Number(1)),
        ("On-demand nodes", Kind::Number(1)),
        ("Spot nodes", Kind::Number(1)),
        ("Spot share", Kind::Share),
        ("Spot share requested", Kind::Share),
        ("Peak nodes", Kind::Number(0)),
        ("Pods", Kind::Number(1)),
        ("Nodes removed per day", Kind::Number(1)),
        ("Overloaded minutes", Kind::Number(1)),
    ]);
    let has_database = plan.months.iter().any(|month| database(&month.accounts[place]).is_some());
    if has_database {
        names.extend(columns(&[("Aurora", Kind::Text)]));
    }
    let has_queue = plan.months.iter().any(|month| queues(&month.accounts[place]).next().is_some());
    if has_queue {
        names.extend(columns(&[
            ("Most waiting", Kind::Number(0)),
            ("Longest wait [min]", Kind::Number(1)),
        ]));
    }
    let one = plan.accounts.len() == 1;
    if one {
        let kind = Kind::Number(1);
        names.extend(metered.iter().map(|own| crate::page::Column::new(&own.name, kind)));
    }
    let row = |(index, month): (usize, &MonthPlan)| {
        let own = &month.accounts[place];
        let mut cells = cells(month, own);
        if has_database {
            cells.push(database(own).map_or(Cell::Empty, Cell::text));
        }
        if has_queue {
            let most =
                |of: fn(&QueueUse) -> f64| Cell::Number(queues(own).map(of).fold(0.0, f64::max));
            cells.push(most(|queue| queue.most_waiting));
            cells.push(most(|queue| queue.longest_wait_seconds / 60.0));
        }
        if one {
            cells.extend(metered.iter().map(|own| Cell::maybe(own.values[index])));
        }
        Row::new(cells)
    };
    Table {
        id: format!("capacity-{}", slug(&account.name)),
        title: format!("Nodes, pods and database of {}", account.name),
        note: format!(
            "{}; monthly means; p95 is the mean over requests of the p95 of their minute",
            account.region
        ),
        columns: least_wanted(names, &LEAST_WANTED),
        rows: plan.months.iter().enumerate().map(row).collect(),
        ..Table::default()
    }
}

/// Cron-jobs and jobs of an account over the whole plan; none without any.
fn jobs(plan: &Plan, place: usize) -> Option<Table> {
    let account = &plan.accounts[place];
    let months = plan.months.iter().map(|month| &month.accounts[place].capacity);
    let all = crate::cluster::capacity::jobs(months);
    let names = (
        &*format!("jobs-{}", slug(&account.name)),
        &*format!("CronJobs and Jobs of {}", account.name),
    );
    let note =
        "over the whole plan; the delay is from when a run is due to the start of its first pod";
    (!all.is_empty()).then(|| job_table(names, note, all))
}

/// Runs of jobs, their pods and delays.
pub(super) fn job_table(
    (id, title): (&str, &str),
    note: &str,
    jobs: Vec<(String, JobUse)>,
) -> Table {
    let row = |(name, job): (String, JobUse)| {
        let count = |count: u32| Cell::Number(f64::from(count));
        Row::new(vec![
            Cell::text(name),
            count(job.runs),
            count(job.completed),
            count(job.failed + job.replaced),
            count(job.not_begun()),
            Cell::Number(job.pod_hours),
            Cell::Number(job.mean_delay_seconds),
            count(job.most_delay_seconds),
            count(job.lost_pods),
        ])
    };
    Table {
        id: id.into(),
        title: title.into(),
        note: note.into(),
        columns: columns(&[
            ("Workload", Kind::Text),
            ("Runs", Kind::Number(0)),
            ("Completed", Kind::Number(0)),
            ("Failed or replaced", Kind::Number(0)),
            ("Not started", Kind::Number(0)),
            ("Pod-hours", Kind::Number(1)),
            ("Mean delay [s]", Kind::Number(0)),
            ("Longest delay [s]", Kind::Number(0)),
            ("Evicted pods", Kind::Number(0)),
        ]),
        rows: jobs.into_iter().map(row).collect(),
        ..Table::default()
    }
}

/// What waits in the queues of its workloads.
fn queues(own: &AccountMonth) -> impl Iterator<Item = &QueueUse> {
    own.capacity.workloads.iter().filter_map(|workload| workload.queue.as_ref())
}

/// Instances of the database in a month; none without one.
fn database(own: &AccountMonth) -> Option<&str> {
    let found = own.choices.iter().find(|choice| choice.subject == "aurora");
    found.map(|choice| &*choice.choice)
}

fn cells(month: &MonthPlan, own: &AccountMonth) -> Vec<Cell> {
    let used = &own.capacity;
    let most = |of: fn(&crate::cluster::capacity::WorkloadUse) -> f64| {
        Cell::Number(used.workloads.iter().map(of).fold(0.0, f64::max))
    };
    vec![
        Cell::Month(month.month),
        Cell::Number(used.sessions),
        most(|workload| workload.peak_rps),
        // Nobody waits for what comes from a queue.
        most(|workload| if workload.queue.is_none() { workload.p95_ms } else { 0.0 }),
        Cell::Number(used.baseline_mean),
        Cell::Number(used.on_demand_mean),
        Cell::Number(used.spot_mean),
        Cell::maybe(used.realized_spot_share),
        Cell::maybe(used.requested_spot_share),
        Cell::Number(f64::from(used.total.peak)),
        Cell::Number(used.workloads.iter().map(|workload| workload.mean_replicas).sum()),
        Cell::Number(f64::from(used.disruptions.nodes()) / month.month.days() as f64),
        most(|workload| workload.overloaded_minutes),
    ]
}
