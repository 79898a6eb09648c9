//! Meters that the services can emit and the price book cannot price.

use serde::Serialize;

use super::{columns, least_wanted, records};
use crate::{
    facts::prices::{BillKey, GLOBAL},
    measure::units::count,
    money::inventory::{Emitted, Pricing},
    page::{Cell, Fact, Kind, Meaning, Page, Row, Section, Table},
};

/// How many meters of a region have a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Priced {
    /// Region code, or `global` for services without regions.
    pub region: String,
    /// Meters whose prices were read in a source.
    pub read: usize,
    /// Meters with an estimated price.
    pub estimated: usize,
    /// Meters without a price.
    pub missing: usize,
    /// Meters that are not sold in the region, or whose price has been read in other regions only.
    pub not_sold: usize,
}

/// A meter without a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The scenario's table of the service.
    pub table: &'static str,
    /// The meter.
    #[serde(flatten)]
    pub key: BillKey,
}

/// What the book cannot price in some regions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Missing {
    /// By region.
    pub regions: Vec<Priced>,
    /// Every meter without a price.
    pub missing: Vec<Gap>,
    /// Every meter that is not sold in a region, or whose price has been read in other regions only.
    pub not_sold: Vec<Gap>,
}

impl Missing {
    /// Adds the meters that the services can emit in a region; a meter without a region counts once.
    pub fn add(&mut self, region: &str, emitted: Vec<Emitted>) {
        let (own, global): (Vec<_>, Vec<_>) =
            emitted.into_iter().partition(|meter| meter.key.region == region);
        if !self.regions.iter().any(|known| known.region == GLOBAL) {
            self.count(GLOBAL, &global);
        }
        self.count(region, &own);
    }

    fn count(&mut self, region: &str, emitted: &[Emitted]) {
        if emitted.is_empty() {
            return;
        }
        let of = |pricing| emitted.iter().filter(|meter| meter.pricing == pricing).count();
        self.regions.push(Priced {
            region: region.to_owned(),
            read: of(Pricing::Read),
            estimated: of(Pricing::Estimated),
            missing: of(Pricing::Missing),
            not_sold: of(Pricing::NotSold),
        });
        let all = |pricing| {
            let found = emitted.iter().filter(move |meter| meter.pricing == pricing);
            found.map(|meter| Gap { table: meter.table, key: meter.key.clone() })
        };
        self.missing.extend(all(Pricing::Missing));
        self.not_sold.extend(all(Pricing::NotSold));
    }
}

/// The regions with their counts, and every meter without a price; with `all` those that are not sold there too.
pub fn page(found: &Missing, all: bool) -> Page {
    let sum = |of: fn(&Priced) -> usize| found.regions.iter().map(of).sum::<usize>();
    let estimated = sum(|own| own.estimated);
    let meters = sum(|own| own.read) + estimated + found.missing.len();
    let headline = vec![
        Fact {
            label: "Meters without a price".into(),
            value: Cell::Number(found.missing.len() as f64),
            note: format!("of {}", count(meters, "meter")),
            ..Fact::default()
        },
        Fact {
            label: "Estimated prices".into(),
            value: Cell::Number(estimated as f64),
            note: "spot prices are always estimated; no price list has them".into(),
            ..Fact::default()
        },
        Fact {
            label: "Not sold in a region".into(),
            value: Cell::Number(found.not_sold.len() as f64),
            note:
                "or read in other regions only; a plan that needs one is refused (--all lists them)"
                    .into(),
            ..Fact::default()
        },
    ];
    let text = if found.missing.is_empty() {
        let but =
            if found.not_sold.is_empty() { "" } else { ", but for those that are not sold there" };
        vec![format!("Every meter that these services can emit has a price{but}.")]
    } else {
        vec![
            "`runrate prices refresh --region REGION --dir DIR` downloads prices (`--spot` for SpotUsage); `--prices DIR` reads them."
                .to_owned(),
        ]
    };
    let unsold = if all { &*found.not_sold } else { &[] };
    let tables = [
        regions(found),
        gaps(("gaps", "Meters without a price"), &found.missing),
        gaps(("not-sold", "Meters that are not sold in a region"), unsold),
    ];
    let mut page = Page {
        title: "Missing prices".into(),
        headline,
        sections: vec![Section {
            id: "missing".into(),
            title: "Meters that services can emit".into(),
            text,
            tables: tables.into_iter().filter(|table| !table.rows.is_empty()).collect(),
            ..Section::default()
        }],
        records: Some(gap_records(found)),
        ..Page::default()
    };
    page.without_turns();
    page
}

fn regions(found: &Missing) -> Table {
    const MISSING: usize = 4;
    let row = |own: &Priced| {
        let number = |count: usize| Cell::Number(count as f64);
        let row = Row::new(vec![
            Cell::text(&own.region),
            number(own.read + own.estimated + own.missing + own.not_sold),
            number(own.read),
            number(own.estimated),
            number(own.missing),
            number(own.not_sold),
        ]);
        if own.missing > 0 { row.marked(MISSING, Meaning::Bad) } else { row }
    };
    Table {
        id: "regions".into(),
        title: "Regions".into(),
        note: "meters; read: found in a source; estimated: derived from other prices".into(),
        columns: columns(&[
            ("Region", Kind::Text),
            ("Meters", Kind::Number(0)),
            ("Read", Kind::Number(0)),
            ("Estimated", Kind::Number(0)),
            ("Missing", Kind::Number(0)),
            ("Not sold", Kind::Number(0)),
        ]),
        rows: found.regions.iter().map(row).collect(),
        ..Table::default()
    }
}

fn gaps((id, title): (&str, &str), found: &[Gap]) -> Table {
    let row = |gap: &Gap| {
        let key = &gap.key;
        Row::new(
            [&*key.region, &*key.service, &*key.usage_type, &*key.operation, gap.table]
                .into_iter()
                .map(Cell::text)
                .collect(),
        )
    };
    let names = columns(&[
        ("Region", Kind::Text),
        ("Service", Kind::Text),
        ("Usage type", Kind::Text),
        ("Operation", Kind::Text),
        ("Table", Kind::Text),
    ]);
    Table {
        id: id.into(),
        title: title.into(),
        note: "the scenario's table, and the meter that it emits".into(),
        columns: least_wanted(names, &["Operation", "Table", "Service"]),
        rows: found.iter().map(row).collect(),
        ..Table::default()
    }
}

fn gap_records(found: &Missing) -> Table {
    let rows = found.missing.iter().map(|gap| {
        let BillKey { service, region, usage_type, operation } = gap.key.clone();
        vec![region, service, usage_type, operation, gap.table.to_owned()]
    });
    records(&["region", "service", "usage_type", "operation", "table"], rows)
}
