//! A page by hand that holds every kind of chart, cell and table, for tests of the writers.

use runrate::{
    measure::{calendar::Month, units::Usd},
    page::{
        Cell, Chart, Column, Fact, Figure, Kind, Page, Panel, Row, Section, Series, Table, Unit,
    },
};

/// What a scenario may be called by someone who means harm.
pub const HOSTILE: &str =
    "</title></svg><script>alert(1)</script><img src=x onerror=alert(2)>&\"'<>";

/// Money from text.
pub fn usd(text: &str) -> Usd {
    Usd::from_decimal(text.parse().unwrap())
}

fn cents(value: f64) -> Usd {
    usd(&format!("{value:.2}"))
}

fn months(count: u32) -> Vec<Month> {
    let first = Month::new(2026, 1).unwrap();
    (0..count).map(|later| first.plus(later)).collect()
}

fn figure(id: &str, title: &str, chart: Chart) -> Figure {
    let alt = format!("{title}: a chart whose numbers are in the table below.");
    Figure { id: id.into(), title: title.into(), alt, chart }
}

fn growth(month: usize, start: f64, rate: f64) -> f64 {
    start * (1.0 + rate).powi(month as i32)
}

const SERVICES: [(&str, f64, f64); 20] = [
    ("EC2", 9_800.0, 0.045),
    ("Aurora PostgreSQL", 5_400.0, 0.03),
    ("Datadog", 3_100.0, 0.04),
    ("Data transfer", 2_300.0, 0.05),
    ("NAT gateways and public addresses", 1_400.0, 0.02),
    ("CloudFront", 1_100.0, 0.06),
    ("Load balancers", 760.0, 0.03),
    ("EBS", 640.0, 0.035),
    ("S3", 420.0, 0.05),
    ("WAF", 380.0, 0.05),
    ("EKS", 219.0, 0.0),
    ("CloudWatch", 210.0, 0.03),
    ("GitHub Actions", 180.0, 0.01),
    ("Backup", 150.0, 0.03),
    ("Secrets Manager", 60.0, 0.0),
    ("KMS", 41.0, 0.02),
    ("ECR", 33.0, 0.01),
    ("Route 53", 22.0, 0.01),
    ("GuardDuty", 18.0, 0.03),
    ("Support", 900.0, 0.03),
];

fn services(count: u32) -> Vec<Series> {
    let values = |start: f64, rate: f64| {
        (0..count as usize).map(|month| Some(growth(month, start, rate))).collect()
    };
    SERVICES
        .iter()
        .map(|(name, start, rate)| Series { name: (*name).into(), values: values(*start, *rate) })
        .collect()
}

fn total(month: usize) -> f64 {
    SERVICES.iter().map(|(_, start, rate)| growth(month, *start, *rate)).sum()
}

fn fan(count: u32, billed: u32) -> Chart {
    let wave = |month: u32| 1.0 + 0.03 * f64::from(month * 7 % 5) - 0.05;
    let mid: Vec<f64> = (0..count).map(|month| total(month as usize)).collect();
    let band = |month: u32| {
        let wide = 0.03 * f64::from((month + 1).saturating_sub(billed)).sqrt();
        let mid = mid[month as usize];
        [mid * (1.0 - wide), mid * 1.02, mid * (1.0 + 1.7 * wide)]
    };
    Chart::Fan {
        months: months(count),
        billed: (0..billed).map(|month| Some(mid[month as usize] * wave(month))).collect(),
        band: (0..count).map(band).collect(),
        mid,
        cut_off: billed.checked_sub(1).map(|last| months(count)[last as usize]),
        limits: vec![("Budget 2026".into(), 36_000.0), ("Budget 2027".into(), 52_000.0)],
    }
}

fn capacity() -> Vec<Figure> {
    let line = |name: &str, start: f64, rate: f64| Series {
        name: name.into(),
        values: (0..24).map(|month| Some(growth(month, start, rate))).collect(),
    };
    let nodes =
        vec![line("baseline", 6.0, 0.0), line("on-demand", 4.0, 0.05), line("spot", 11.0, 0.06)];
    let mut acu = vec![line("mean", 9.0, 0.03), line("P95", 24.0, 0.035), line("limit", 64.0, 0.0)];
    acu[1].values[3] = None;
    vec![
        figure(
            "nodes",
            "Nodes by purchase option, month mean [nodes]",
            Chart::Stacked { months: months(24), series: nodes, unit: Unit::Count },
        ),
        figure(
            "acu",
            "Aurora capacity [ACU]",
            Chart::Lines { months: months(24), series: acu, unit: Unit::Count },
        ),
        figure(
            "utilization",
            "CPU of all nodes [share]",
            Chart::Lines {
                months: months(24),
                series: vec![line("asked", 0.38, 0.01), line("used", 0.21, 0.012)],
                unit: Unit::Share,
            },
        ),
    ]
}

fn cost_table(count: u32) -> Table {
    let months = months(count);
    let mut columns = vec![Column::new("Month", Kind::Month)];
    columns.extend(SERVICES.iter().take(9).map(|(name, ..)| Column::new(*name, Kind::Dollars)));
    columns.push(Column::new("Total", Kind::Usd));
    let row = |(index, month): (usize, &Month)| {
        let mut cells = vec![Cell::Month(*month)];
        let cost =
            |(_, start, rate): &(&str, f64, f64)| Cell::Usd(cents(growth(index, *start, *rate)));
        cells.extend(SERVICES.iter().take(9).map(cost));
        cells.push(Cell::UsdLink { amount: cents(total(index)), to: format!("line {index}") });
        Row::new(cells)
    };
    let mut rows: Vec<Row> = months.iter().enumerate().map(row).collect();
    let mut sum = vec![Cell::text("All months")];
    sum.extend((0..9).map(|_| Cell::Usd(usd("123456.78"))));
    sum.push(Cell::Usd(usd("1234567.89")));
    rows.push(Row::total(sum));
    Table {
        id: format!("cost-by-service-{count}"),
        title: format!("Cost by service over {count} months"),
        note: "List price, USD per month, before tax.".into(),
        columns,
        rows,
        ..Table::default()
    }
}

fn showback() -> Table {
    let mut columns = vec![Column::new("Account", Kind::Text), Column::new("Service", Kind::Text)];
    columns.extend(months(24).iter().map(|month| Column::new(month.to_string(), Kind::Dollars)));
    let mut rows = Vec::new();
    for account in ["production", "staging", "shared services"] {
        for (service, start, rate) in SERVICES.iter().take(6) {
            let mut cells = vec![Cell::text(account), Cell::text(*service)];
            cells.extend((0..24).map(|month| Cell::Usd(cents(growth(month, *start, *rate)))));
            rows.push(Row::new(cells));
        }
        let mut cells = vec![Cell::text(account), Cell::text("all services")];
        cells.extend((0..24).map(|month| Cell::Usd(cents(total(month)))));
        rows.push(Row::total(cells));
    }
    Table {
        id: "showback".into(),
        title: "Showback: account by service".into(),
        note: "List price, USD per month; shared services are not spread.".into(),
        columns,
        rows,
        ..Table::default()
    }
}

/// Every kind of cell and column.
fn kinds() -> Table {
    let columns = [
        ("Name", Kind::Text),
        ("Month", Kind::Month),
        ("Cost [USD]", Kind::Usd),
        ("Per user [USD]", Kind::SmallUsd),
        ("Users", Kind::Number(0)),
        ("Requests per user", Kind::Quantity),
        ("Share", Kind::Share),
    ];
    let month = Cell::Month(Month::new(2026, 7).unwrap());
    let full = vec![
        Cell::Link { text: "cost for one user".into(), to: "line 3".into() },
        month.clone(),
        Cell::Usd(usd("-1234.56")),
        Cell::Number(0.3141),
        Cell::Number(1_250_000.0),
        Cell::Number(31.25),
        Cell::Number(0.123),
    ];
    let lost = Cell::Link { text: "leads nowhere".into(), to: "no such row".into() };
    let sparse = vec![lost, month, Cell::Usd(Usd::ZERO), Cell::Empty, Cell::Number(0.0)];
    Table {
        id: "kinds".into(),
        title: "Unit economics".into(),
        note: "List price, USD; users at the end of the month.".into(),
        columns: columns.into_iter().map(|(name, kind)| Column::new(name, kind)).collect(),
        rows: vec![Row::new(full), Row::new(sparse), Row::total(vec![Cell::text("All")])],
        ..Table::default()
    }
}

fn bill_of_materials(lines: usize) -> Table {
    let columns = [
        ("Line", Kind::Text),
        ("Service", Kind::Text),
        ("Usage type", Kind::Text),
        ("Quantity", Kind::Quantity),
        ("Unit", Kind::Text),
        ("Price [USD]", Kind::Quantity),
        ("Cost [USD]", Kind::Usd),
        ("Formula", Kind::Text),
    ];
    let row = |line: usize| {
        let (service, start, _) = SERVICES[line % SERVICES.len()];
        let mut row = Row::new(vec![
            Cell::text(format!("{line}")),
            Cell::text(service),
            Cell::text(format!("USE1-BoxUsage:m7g.{}xlarge", line % 9)),
            Cell::Number(744.0 * (line % 7) as f64 + 0.25),
            Cell::text("hours"),
            Cell::Number(0.0816),
            Cell::Usd(cents(start / 3.0)),
            Cell::text("baseline nodes × hours of the month × price of an hour, on demand"),
        ]);
        row.anchor = Some(format!("line {line}"));
        row
    };
    Table {
        id: "bill-of-materials".into(),
        title: "Bill of materials".into(),
        note: "List price, USD; one line for each usage type, account and month.".into(),
        columns: columns.into_iter().map(|(name, kind)| Column::new(name, kind)).collect(),
        rows: (0..lines).map(row).collect(),
        ..Table::default()
    }
}

fn tornado() -> Chart {
    let bar = |name: &str, share, low, high| (String::from(name), share, low, high);
    Chart::Tornado {
        center: 842_000.0,
        bars: vec![
            bar("users.growth.per_month", 0.52, 701_000.0, 1_030_000.0),
            bar("traffic.sessions_per_user", 0.21, 760_000.0, 935_000.0),
            bar("workloads.api.cpu_ms_per_request", 0.11, 801_000.0, 893_000.0),
            bar("cluster.spot.discount", 0.07, 871_000.0, 815_000.0),
            bar("database.cache_hit_ratio", 0.04, 858_000.0, 829_000.0),
            bar("price changes, all services", 0.02, 842_000.0, 866_000.0),
        ],
    }
}

fn variance() -> Vec<Figure> {
    let step = |name: &str, change: f64| (name.to_owned(), change);
    let near = Chart::Waterfall {
        from: ("Planned".into(), 41_280.0),
        steps: vec![
            step("price", 310.0),
            step("quantity: EC2", 2_140.0),
            step("quantity: Aurora PostgreSQL", -890.0),
            step("mix", -120.0),
            step("not in the plan", 640.0),
        ],
        to: ("Billed".into(), 43_360.0),
    };
    let wide = Chart::Waterfall {
        from: ("Today".into(), 30_000.0),
        steps: vec![
            step("spot for workers", -8_200.0),
            step("savings plan", -5_100.0),
            step("nothing", 0.0),
        ],
        to: ("Proposed".into(), 16_700.0),
    };
    let accuracy = ["one month ahead", "three months ahead", "six months ahead"];
    let error = |ahead: usize| -> Vec<Option<f64>> {
        (0..8)
            .map(|n| (n >= ahead).then_some(((n * 7 + ahead * 3) % 11) as f64 * 0.012 - 0.05))
            .collect()
    };
    let series = accuracy
        .iter()
        .enumerate()
        .map(|(index, name)| Series { name: (*name).into(), values: error(index * 2) })
        .collect();
    vec![
        figure("variance", "2026-08: from plan to bill [USD, list price]", near),
        figure("saving", "From today to the proposal [USD per month]", wide),
        figure(
            "accuracy",
            "Error of forecasts, by how far ahead they were made [share of the bill]",
            Chart::Lines { months: months(8), series, unit: Unit::Share },
        ),
    ]
}

fn frontier() -> Chart {
    let point =
        |n: usize| [14_000.0 + (n * 379 % 9_000) as f64, 0.2 + (n * 617 % 100) as f64 / 40.0];
    let front =
        [[13_800.0, 2.6], [14_900.0, 1.3], [16_300.0, 0.6], [19_200.0, 0.25], [22_000.0, 0.15]];
    Chart::Frontier {
        x: "cost of a month [USD]".into(),
        y: "minutes saturated in a month".into(),
        points: (0..140).map(point).collect(),
        front: front.to_vec(),
        marked: vec![
            ("today".into(), [20_400.0, 0.9]),
            ("recommended".into(), [16_300.0, 0.6]),
            ("cheapest".into(), [13_800.0, 2.6]),
        ],
    }
}

fn day() -> Chart {
    let curve = |height: f64, shift: f64| -> Vec<f64> {
        let turn = |minute: f64| ((minute / 1440.0 - shift) * std::f64::consts::TAU).sin();
        (0..1440).map(|minute| (height * (1.3 + turn(f64::from(minute)))).round()).collect()
    };
    let panel = |title: &str, height: f64| Panel {
        title: title.into(),
        lines: vec![
            ("simulated".into(), curve(height, 0.3)),
            ("what the cluster did".into(), curve(height * 0.95, 0.31)),
        ],
    };
    Chart::Day { panels: vec![panel("requests per second", 900.0), panel("replicas of api", 14.0)] }
}

fn section(id: &str, title: &str) -> Section {
    Section { id: id.into(), title: title.into(), ..Section::default() }
}

fn cost_sections() -> Vec<Section> {
    let text = "Amounts are what the bill would say at list price. The band holds eight of ten trials; \
                the dashed line takes the middle of each assumption.";
    let fan_of =
        |id: &str, count, billed| figure(id, "Monthly cost [USD, list price]", fan(count, billed));
    let stacked = |id: &str, count: u32, bands: usize| {
        let series = services(count).into_iter().take(bands).collect();
        let chart = Chart::Stacked { months: months(count), series, unit: Unit::Usd };
        figure(id, "Monthly cost by service [USD, list price]", chart)
    };
    let credits = Chart::Stacked {
        months: months(12),
        series: vec![
            Series {
                name: "usage".into(),
                values: (0..12).map(|n| Some(9_000.0 + 300.0 * f64::from(n))).collect(),
            },
            Series {
                name: "credits".into(),
                values: (0..12).map(|n| (n < 7).then_some(-2_500.0)).collect(),
            },
        ],
        unit: Unit::Usd,
    };
    vec![
        Section {
            text: vec![text.into()],
            points: vec![
                "Budget 2027 breaks in 31 of 100 trials.".into(),
                "Bills end in 2026-08.".into(),
            ],
            figures: vec![
                fan_of("fan", 24, 8),
                fan_of("fan-unbilled", 24, 0),
                fan_of("fan-one", 1, 0),
            ],
            ..section("forecast", "Forecast")
        },
        Section {
            figures: vec![
                stacked("stack", 24, 20),
                stacked("stack-long", 120, 6),
                stacked("stack-one", 1, 5),
                figure("credits", "Credits [USD]", credits),
            ],
            tables: vec![cost_table(24), cost_table(120)],
            ..section("cost-by-service", "Cost by service")
        },
    ]
}

fn other_sections() -> Vec<Section> {
    let many = Chart::Lines { months: months(24), series: services(24), unit: Unit::Usd };
    let nothing = Chart::Lines { months: vec![], series: vec![], unit: Unit::Usd };
    let hostile = Chart::Tornado { center: 1.0, bars: vec![(HOSTILE.into(), 0.5, -2.0, 3.0)] };
    vec![
        Section { figures: capacity(), ..section("capacity", "Capacity") },
        Section { tables: vec![showback()], ..section("showback", "Showback") },
        Section { tables: vec![kinds()], ..section("unit-economics", "Unit economics") },
        Section {
            figures: vec![figure("tornado", "What moves the cost of 24 months [USD]", tornado())],
            ..section("tornado", "What the cost depends on")
        },
        Section { figures: variance(), ..section("variance", "Plan and bill") },
        Section {
            figures: vec![
                figure("frontier", "Settings by cost and risk", frontier()),
                figure("day", "One day, simulated and measured", day()),
            ],
            ..section("tuning", "Tuning")
        },
        Section {
            figures: vec![
                figure("many", "All services [USD]", many),
                figure("nothing", "Nothing", nothing),
                figure("hostile", HOSTILE, hostile),
            ],
            tables: vec![Table {
                id: "empty".into(),
                title: HOSTILE.into(),
                columns: vec![Column::new(HOSTILE, Kind::Usd)],
                ..Table::default()
            }],
            text: vec![HOSTILE.into()],
            points: vec![HOSTILE.into()],
            ..section(HOSTILE, HOSTILE)
        },
        Section {
            tables: vec![bill_of_materials(400)],
            ..section("bill-of-materials", "Bill of materials")
        },
    ]
}

/// All of it.
pub fn page() -> Page {
    let fact = |label: &str, value: Cell, note: &str| Fact {
        label: label.into(),
        value,
        note: note.into(),
        ..Fact::default()
    };
    Page {
        title: "Innovate: growth to 100,000 users".into(),
        cost_metric: "list price".into(),
        currency: "USD".into(),
        headline: vec![
            fact("Cost of 24 months", Cell::Usd(usd("984213.44")), "mid-value of all assumptions"),
            fact("P10 to P90", Cell::text("$871k to $1.16M"), "of 1,000 trials"),
            fact("Budget 2027", Cell::text("breaks in 31 %"), "of trials, first in 2027-06"),
            fact("Cost for one user", Cell::text("$0.41"), "a month, falling from $0.66"),
            fact("Peak nodes", Cell::Number(62.0), "2027-12, on-demand and spot"),
            fact("Accuracy", Cell::text("2.7 %"), "mean error of eight billed months"),
        ],
        provenance: vec![
            ("runrate".into(), "0.1.0".into()),
            ("scenario".into(), "examples/innovate.toml sha256 9f2b4c3c0a5a7f1d0e6b8f0c4d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e".into()),
            ("seed".into(), "42".into()),
            ("prices".into(), "us-east-1, read 2026-10-02".into()),
            ("hostile".into(), HOSTILE.into()),
        ],
        sections: cost_sections().into_iter().chain(other_sections()).collect(),
        ..Page::default()
    }
}
