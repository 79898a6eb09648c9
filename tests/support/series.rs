//! Synthetic series of the kinds that people forecast, each a function of its name alone.

use std::{f64::consts::TAU, fmt::Write as _};

use jiff::{ToSpan as _, civil::DateTime};
use runrate::measure::random::{Draws, Stream, name, stream};

/// One series, with how far it is usually forecast.
pub struct Made {
    /// Its name, which says what it has.
    pub name: &'static str,
    /// Rows to forecast.
    pub ahead: usize,
    /// `date,value`.
    pub csv: String,
}

#[derive(Clone, Copy)]
enum Step {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
}

/// What a kind of series has.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    step: Step,
    rows: usize,
    ahead: usize,
    /// Growth of the level over all rows, as a factor.
    growth: f64,
    /// Share of the level by which the shortest season, and the next, swings.
    seasons: [f64; 2],
    /// Whether the seasons add a constant and do not grow with the level.
    additive: bool,
    /// Noise of one row, as a share of the level.
    noise: f64,
    /// How much of a row's noise the next row keeps.
    memory: f64,
    /// Step of the level's random walk.
    walk: f64,
    /// What else happens.
    event: Event,
}

#[derive(Clone, Copy, PartialEq)]
enum Event {
    None,
    /// The level is multiplied at this share of the rows.
    Shift(f64, f64),
    /// Rows of zero at this share of the rows.
    Outage(f64, usize),
    /// One row in so many is several times as high, and fades.
    Spikes(usize),
    /// Nothing at night, or at the weekend.
    Closed,
    /// Counts so small that many are zero.
    Counts(f64),
    /// Growth ends at this share of the rows.
    Stops(f64),
    /// Growth towards a limit.
    Logistic,
    /// Rows in proportion to the days of their month.
    Days,
    /// The last month of the year doubles.
    December,
    /// This share of the rows is missing.
    Gaps(f64),
}

const PLAIN: Kind = Kind {
    name: "",
    step: Step::Day,
    rows: 400,
    ahead: 28,
    growth: 1.0,
    seasons: [0.3, 0.0],
    additive: false,
    noise: 0.05,
    memory: 0.0,
    walk: 0.0,
    event: Event::None,
};
const HOURS: Kind =
    Kind { step: Step::Hour, rows: 1000, ahead: 24, seasons: [0.6, 0.2], memory: 0.6, ..PLAIN };
const MONTHS: Kind = Kind { step: Step::Month, rows: 96, ahead: 12, seasons: [0.2, 0.0], ..PLAIN };

/// The kinds: hourly loads, daily visits, weekly, monthly and quarterly sales.
const KINDS: [Kind; 42] = [
    Kind { name: "hours of a load", ..HOURS },
    Kind { name: "hours, a week ahead", ahead: 168, ..HOURS },
    Kind {
        name: "hours, additive, near zero",
        additive: true,
        seasons: [0.9, 0.3],
        growth: 1.5,
        ..HOURS
    },
    Kind { name: "hours, closed at night", event: Event::Closed, ..HOURS },
    Kind { name: "hours, an outage", event: Event::Outage(0.6, 37), ..HOURS },
    Kind { name: "hours, a shift of the level", event: Event::Shift(0.8, 2.0), ..HOURS },
    Kind { name: "hours, spikes", event: Event::Spikes(90), ..HOURS },
    Kind { name: "hours, a walk", walk: 0.02, noise: 0.02, ..HOURS },
    Kind { name: "hours, two weeks", rows: 400, noise: 0.1, ..HOURS },
    Kind { name: "hours, few requests", event: Event::Counts(4.0), ..HOURS },
    Kind { name: "hours, growth", growth: 2.0, noise: 0.15, ..HOURS },
    Kind { name: "hours, a tenth missing", event: Event::Gaps(0.1), ..HOURS },
    Kind { name: "hours, persistent noise", noise: 0.2, memory: 0.97, ..HOURS },
    Kind { name: "days of visits", memory: 0.5, noise: 0.1, ..PLAIN },
    Kind { name: "days, growth", growth: 3.0, noise: 0.08, memory: 0.5, ..PLAIN },
    Kind {
        name: "days, a year's season",
        rows: 1200,
        seasons: [0.3, 0.4],
        noise: 0.08,
        memory: 0.5,
        ..PLAIN
    },
    Kind { name: "days, a walk", walk: 0.03, ..PLAIN },
    Kind {
        name: "days, a shift of the level",
        event: Event::Shift(0.7, 0.4),
        noise: 0.08,
        ..PLAIN
    },
    Kind { name: "days, spikes", event: Event::Spikes(40), noise: 0.1, ..PLAIN },
    Kind { name: "days, few orders", event: Event::Counts(2.0), ..PLAIN },
    Kind { name: "days, rare orders", event: Event::Counts(0.2), ..PLAIN },
    Kind { name: "days, closed at the weekend", event: Event::Closed, ..PLAIN },
    Kind {
        name: "days, growth that stops",
        growth: 4.0,
        event: Event::Stops(0.7),
        noise: 0.08,
        ..PLAIN
    },
    Kind { name: "days, no season", seasons: [0.0, 0.0], noise: 0.2, memory: 0.3, ..PLAIN },
    Kind { name: "days, wide noise", seasons: [0.0, 0.0], noise: 0.8, rows: 200, ..PLAIN },
    Kind { name: "days, two months", rows: 150, noise: 0.15, ..PLAIN },
    Kind { name: "days, decline", growth: 0.3, noise: 0.1, ..PLAIN },
    Kind {
        name: "weeks of sales",
        step: Step::Week,
        rows: 260,
        ahead: 13,
        seasons: [0.2, 0.0],
        ..PLAIN
    },
    Kind {
        name: "weeks, one year",
        step: Step::Week,
        rows: 110,
        ahead: 8,
        seasons: [0.0, 0.0],
        growth: 1.5,
        ..PLAIN
    },
    Kind { name: "months of passengers", growth: 4.0, noise: 0.04, ..MONTHS },
    Kind { name: "months, additive", growth: 3.0, additive: true, ..MONTHS },
    Kind { name: "months, a December", event: Event::December, growth: 1.5, ..MONTHS },
    Kind {
        name: "months, growth, no season",
        growth: 6.0,
        seasons: [0.0, 0.0],
        rows: 60,
        noise: 0.03,
        ..MONTHS
    },
    Kind {
        name: "months, two years more than the folds",
        growth: 3.0,
        seasons: [0.0, 0.0],
        rows: 60,
        noise: 0.05,
        ..MONTHS
    },
    Kind { name: "months, a walk", walk: 0.05, seasons: [0.0, 0.0], noise: 0.01, ..MONTHS },
    Kind {
        name: "months, towards a limit",
        growth: 20.0,
        event: Event::Logistic,
        seasons: [0.05, 0.0],
        noise: 0.02,
        ..MONTHS
    },
    Kind {
        name: "months, days of the month",
        event: Event::Days,
        seasons: [0.0, 0.0],
        noise: 0.01,
        ..MONTHS
    },
    Kind { name: "months, growth that stops", event: Event::Stops(0.6), growth: 3.0, ..MONTHS },
    Kind { name: "months, short and seasonal", rows: 72, seasons: [0.3, 0.0], ..MONTHS },
    Kind {
        name: "quarters of sales",
        step: Step::Quarter,
        rows: 60,
        ahead: 4,
        growth: 3.0,
        seasons: [0.2, 0.0],
        ..PLAIN
    },
    Kind {
        name: "quarters, a walk",
        step: Step::Quarter,
        rows: 50,
        ahead: 4,
        walk: 0.05,
        seasons: [0.1, 0.0],
        ..PLAIN
    },
    Kind {
        name: "quarters, few",
        step: Step::Quarter,
        rows: 28,
        ahead: 4,
        growth: 2.5,
        seasons: [0.0, 0.0],
        ..PLAIN
    },
];

/// Every series; `seed` makes others of the same kinds.
pub fn made(seed: u64) -> Vec<Made> {
    KINDS
        .iter()
        .map(|kind| Made { name: kind.name, ahead: kind.ahead, csv: csv(kind, seed) })
        .collect()
}

fn csv(kind: &Kind, seed: u64) -> String {
    let mut luck = stream(seed ^ name(kind.name), 0, Stream::Inputs, 0);
    let first: DateTime = "2022-01-03T00:00".parse().unwrap();
    let mut text = String::from("date,value\n");
    let (mut walk, mut kept, mut spike) = (0.0, 0.0, 0.0);
    for row in 0..kind.rows {
        let moment = at(kind.step, first, row);
        walk += kind.walk * luck.normal();
        kept = kind.memory * kept + (1.0 - kind.memory * kind.memory).sqrt() * luck.normal();
        let value = value(kind, (row, moment), &mut luck, (walk, kept, &mut spike));
        let missing = matches!(kind.event, Event::Gaps(share) if luck.uniform() < share);
        if missing && row > 0 && row + 1 < kind.rows {
            continue;
        }
        let when = match kind.step {
            Step::Hour => moment.strftime("%Y-%m-%dT%H:%M").to_string(),
            Step::Day | Step::Week => moment.date().to_string(),
            Step::Month => moment.strftime("%Y-%m").to_string(),
            Step::Quarter => format!("{}-Q{}", moment.year(), (moment.month() - 1) / 3 + 1),
        };
        writeln!(text, "{when},{value}").unwrap();
    }
    text
}

fn at(step: Step, first: DateTime, row: usize) -> DateTime {
    let row = i64::try_from(row).unwrap();
    let start: DateTime = "2019-01-01T00:00".parse().unwrap();
    match step {
        Step::Hour => first.checked_add(row.hours()),
        Step::Day => first.checked_add(row.days()),
        Step::Week => first.checked_add((7 * row).days()),
        Step::Month => start.checked_add(row.months()),
        Step::Quarter => start.checked_add((3 * row).months()),
    }
    .unwrap()
}

fn value(
    kind: &Kind,
    (row, moment): (usize, DateTime),
    luck: &mut Draws,
    (walk, kept, spike): (f64, f64, &mut f64),
) -> f64 {
    let share = row as f64 / kind.rows as f64;
    let grown = match kind.event {
        Event::Stops(end) => kind.growth.powf(share.min(end)),
        Event::Logistic => kind.growth / (1.0 + (kind.growth - 1.0) * (-8.0 * share).exp()),
        _ => kind.growth.powf(share),
    };
    let weekday = f64::from(moment.date().weekday().to_monday_zero_offset());
    let weekend = weekday >= 5.0;
    let [short, long] = kind.seasons;
    let year = f64::from(moment.date().day_of_year()) / 365.25;
    let season = match kind.step {
        Step::Hour => {
            let hour = f64::from(moment.hour());
            let day = (TAU * (hour - 9.0) / 24.0).sin() + 0.3 * (TAU * hour / 12.0).cos();
            short * day / 1.3 - if weekend { long } else { 0.0 }
        }
        Step::Day => {
            long * (TAU * year).sin() - if weekend { short } else { -0.1 * short * weekday / 4.0 }
        }
        _ => short * ((TAU * year).sin() + 0.4 * (2.0 * TAU * year).cos()),
    };
    let mut level = 1000.0 * grown * walk.exp();
    if let Event::Shift(place, by) = kind.event
        && share >= place
    {
        level *= by;
    }
    let noise = kind.noise * kept;
    let value = if kind.additive {
        (level + 1000.0 * season + 1000.0 * noise).max(0.0)
    } else {
        level * (1.0 + season).max(0.02) * (noise - noise * noise / 2.0).exp()
    };
    let closed =
        if matches!(kind.step, Step::Hour) { !(8..20).contains(&moment.hour()) } else { weekend };
    let value = match kind.event {
        Event::Closed if closed => 0.0,
        Event::Outage(place, length) => {
            let start = (place * kind.rows as f64) as usize;
            if (start..start + length).contains(&row) { 0.0 } else { value }
        }
        Event::Spikes(every) => {
            *spike *= 0.5;
            if luck.uniform() < 1.0 / every as f64 {
                *spike = 1.0 + 4.0 * luck.uniform();
            }
            value * (1.0 + *spike)
        }
        Event::Counts(mean) => {
            let mean = mean * value / 1000.0;
            let mut passed = luck.exponential();
            let mut count = 0.0;
            while passed < mean {
                count += 1.0;
                passed += luck.exponential();
            }
            count
        }
        Event::Days => value * f64::from(moment.date().days_in_month()) / 30.4,
        Event::December if moment.month() == 12 => 2.0 * value,
        _ => value,
    };
    (value * 1000.0).round() / 1000.0
}
