//! Rows to lines: sums by key, kinds of rows, amortized cost, and what could not be used.
//!
//! # Formula
//! ```text
//! amortized  covered usage          effective cost under the plan
//!            plan's hourly fee      commitment − its used part          plan's upfront fee, negation: 0
//!            reserved usage         effective cost under the reservation
//!            reservation's fee      its unused upfront and recurring parts
//!            all else               unblended
//! ```
//! # Source
//! CUR column dictionary, "Savings Plans details" and "Reservation details"; FOCUS `EffectiveCost`.

use std::collections::{BTreeMap, HashMap};

use super::{
    Kind, Line, LineKey, MonthBill, SCHEMA, SetAside,
    amount::Amount,
    layout::{Billing, FIGURES, Figure, Layout, TEXTS, Text},
};
use crate::{
    calendar::Month,
    error::{Error, Place},
};

/// A row as a reader hands it over: texts trimmed, figures read.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Texts, in the order of [`Text`].
    pub texts: [&'a str; TEXTS],
    /// Figures, in the order of [`Figure`]; none where the cell is empty.
    pub figures: [Option<Amount>; FIGURES],
}

impl Row<'_> {
    fn text(&self, which: Text) -> &str {
        self.texts[which as usize]
    }

    fn figure(&self, which: Figure) -> Option<Amount> {
        self.figures[which as usize]
    }
}

/// Names and their numbers; the last one asked for is found at once.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Box<str>, u32>,
    all: Vec<Box<str>>,
    last: u32,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if self.all.get(self.last as usize).is_some_and(|last| **last == *name) {
            return self.last;
        }
        self.last = if let Some(number) = self.numbers.get(name) {
            *number
        } else {
            let number = self.all.len() as u32;
            self.numbers.insert(name.into(), number);
            self.all.push(name.into());
            number
        };
        self.last
    }

    fn name(&self, number: u32) -> &str {
        &self.all[number as usize]
    }
}

#[derive(Debug)]
struct Sums {
    quantity: Option<Amount>,
    /// None as soon as one row does not say it: a part of a sum is no sum.
    costs: [Option<Amount>; 4],
    list: Option<Amount>,
    rows: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { quantity: None, costs: [Some(Amount::ZERO); 4], list: None, rows: 0 }
    }
}

impl Sums {
    fn add(&mut self, quantity: Option<Amount>, costs: [Option<Amount>; 4], list: Option<Amount>) {
        add(&mut self.quantity, quantity);
        for (sum, cost) in self.costs.iter_mut().zip(costs) {
            *sum = sum.zip(cost).map(|(sum, cost)| sum + cost);
        }
        add(&mut self.list, list);
    }
}

fn add(sum: &mut Option<Amount>, value: Option<Amount>) {
    if let Some(value) = value {
        *sum = Some(sum.unwrap_or_default() + value);
    }
}

/// Month, account, service, region, usage type, operation, kind of row, unit.
type Key = [u32; 8];

/// Collects rows of one layout.
#[derive(Debug)]
pub struct Gather<'a> {
    layout: &'a Layout,
    billing: &'a Billing,
    /// By place in the key; what makes the month and the kind stand there as text.
    names: [Names; 8],
    /// The month of each text, where it is one.
    months: Vec<Option<Month>>,
    /// The kind of each text.
    kinds: Vec<Kind>,
    places: HashMap<Key, usize>,
    keys: Vec<Key>,
    sums: Vec<Sums>,
    last: Option<(Key, usize)>,
    /// Latest end of usage, by month's number.
    ends: Names,
    reached: BTreeMap<Month, u32>,
    currencies: BTreeMap<String, String>,
    set_aside: BTreeMap<String, (u64, String)>,
    aside_of: BTreeMap<Month, BTreeMap<String, (u64, String)>>,
    rows_in: u64,
}

impl<'a> Gather<'a> {
    /// Nothing yet.
    pub fn new(layout: &'a Layout, billing: &'a Billing) -> Self {
        Self {
            layout,
            billing,
            names: Default::default(),
            months: Vec::new(),
            kinds: Vec::new(),
            places: HashMap::new(),
            keys: Vec::new(),
            sums: Vec::new(),
            last: None,
            ends: Names::default(),
            reached: BTreeMap::new(),
            currencies: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            aside_of: BTreeMap::new(),
            rows_in: 0,
        }
    }

    /// Rows handed over so far.
    pub fn rows_in(&self) -> u64 {
        self.rows_in
    }

    /// Whether any row was set aside.
    pub fn has_set_aside(&self) -> bool {
        !self.set_aside.is_empty() || !self.aside_of.is_empty()
    }

    /// A row that cannot be used; `at` says where it stands.
    pub fn set_aside(&mut self, reason: String, at: impl FnOnce() -> String) {
        self.rows_in += 1;
        let entry = self.set_aside.entry(reason).or_insert_with(|| (0, at()));
        entry.0 += 1;
    }

    /// Takes a row, or sets it aside; `at` says where it stands.
    pub fn add(&mut self, row: &Row<'_>, at: impl Fn() -> String) {
        self.add_sum(row, 1, at);
    }

    /// Takes the sum of rows that differ in nothing but their figures.
    pub fn add_sum(&mut self, row: &Row<'_>, rows: u64, at: impl Fn() -> String) {
        let month = self.names[0].number(row.text(Text::Month));
        if month as usize == self.months.len() {
            self.months.push(month_of(row.text(Text::Month)));
        }
        let Some(in_month) = self.months[month as usize] else {
            let text = row.text(Text::Month);
            return self.set_aside(format!("{text:?} is not a billing period"), at);
        };
        let Some(unblended) = row.figure(Figure::Unblended) else {
            self.rows_in += 1;
            let aside = self.aside_of.entry(in_month).or_default();
            aside.entry("no cost".into()).or_insert_with(|| (0, at())).0 += 1;
            return;
        };
        self.rows_in += rows;
        let kind = self.kind(row);
        let quantity = row.figure(Figure::Quantity);
        let (quantity, unit) = match quantity {
            None => (row.figure(Figure::OtherQuantity), Text::OtherUnit),
            some => (some, Text::Unit),
        };
        let unit = if row.text(unit).is_empty() { Text::Unit } else { unit };
        let key = [
            month,
            self.names[1].number(row.text(Text::Account)),
            self.names[2].number(row.text(Text::Service)),
            self.names[3].number(row.text(Text::Region)),
            self.names[4].number(row.text(Text::UsageType)),
            self.names[5].number(row.text(Text::Operation)),
            kind,
            self.names[7].number(row.text(unit)),
        ];
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => {
                let next = self.sums.len();
                let place = *self.places.entry(key).or_insert(next);
                if place == next {
                    self.keys.push(key);
                    self.sums.push(Sums::default());
                }
                self.last = Some((key, place));
                place
            }
        };
        let kind = self.kinds[kind as usize];
        let (amortized, net) =
            (self.amortized(kind, row, unblended), row.figure(Figure::NetUnblended));
        // No export has a column of net amortized cost.
        let costs = [Some(unblended), amortized, net, None];
        let sums = &mut self.sums[place];
        sums.add(quantity, costs, row.figure(Figure::List));
        sums.rows += rows;
        if kind == Kind::Usage {
            self.reach(in_month, row.text(Text::End));
        }
        let currency = row.text(Text::Currency);
        if !self.currencies.contains_key(currency) {
            self.currencies.insert(currency.to_owned(), at());
        }
    }

    fn kind(&mut self, row: &Row<'_>) -> u32 {
        let (record, class) = (row.text(Text::Record), row.text(Text::Class));
        let committed = !row.text(Text::Commitment).is_empty();
        let number = if class.is_empty() && !committed {
            self.names[6].number(record)
        } else {
            let text = format!("{record}\u{1f}{class}\u{1f}{}", u8::from(committed));
            self.names[6].number(&text)
        };
        if number as usize == self.kinds.len() {
            let named = self.billing.records.get(record).copied();
            let default = if record.is_empty() && self.layout.texts[Text::Class as usize].is_none()
            {
                Kind::Usage
            } else {
                Kind::Unknown
            };
            self.kinds.push(match (named.unwrap_or(default), committed) {
                _ if class == "Correction" => Kind::Refund,
                (Kind::Usage, true) => Kind::PlanUsage,
                (Kind::Fee, true) => Kind::PlanFee,
                (kind, _) => kind,
            });
        }
        number
    }

    fn amortized(&self, kind: Kind, row: &Row<'_>, unblended: Amount) -> Option<Amount> {
        if self.layout.figures[Figure::Amortized as usize].is_some() {
            return row.figure(Figure::Amortized);
        }
        let has = |figure: Figure| self.layout.figures[figure as usize].is_some();
        match kind {
            Kind::PlanUsage if has(Figure::PlanEffective) => row.figure(Figure::PlanEffective),
            Kind::PlanFee if has(Figure::PlanCommitment) => {
                Some(row.figure(Figure::PlanCommitment)? - row.figure(Figure::PlanUsed)?)
            }
            Kind::PlanUpfront | Kind::PlanNegation | Kind::ReservedUpfront => Some(Amount::ZERO),
            Kind::ReservedUsage if has(Figure::ReservedEffective) => {
                row.figure(Figure::ReservedEffective)
            }
            Kind::ReservedFee if has(Figure::ReservedUnusedUpfront) => {
                // A reservation without an upfront fee leaves that cell empty, and the other way round.
                let upfront = row.figure(Figure::ReservedUnusedUpfront);
                match (upfront, row.figure(Figure::ReservedUnusedRecurring)) {
                    (Some(upfront), Some(recurring)) => Some(upfront + recurring),
                    (upfront, recurring) => upfront.or(recurring),
                }
            }
            Kind::PlanUsage | Kind::PlanFee | Kind::ReservedUsage | Kind::ReservedFee => None,
            _ => Some(unblended),
        }
    }

    /// Notes how far into its month a row reaches.
    fn reach(&mut self, month: Month, end: &str) {
        let known = self.ends.all.len();
        // Ends repeat by the hour: each is looked at once a month.
        let number = self.ends.number(end);
        if number as usize == known || !self.reached.contains_key(&month) {
            let days = days_reached(month, end);
            let reached = self.reached.entry(month).or_insert(0);
            *reached = (*reached).max(days);
        }
    }

    /// The months of all rows, and what could not be used at all.
    ///
    /// # Errors
    /// Two currencies; no row that can be used.
    pub fn finish(self, source: &str, read_at: &str) -> Result<Vec<MonthBill>, Error> {
        let place = || Place::file(source);
        let mut currencies = self.currencies.iter();
        let currency = match (currencies.next(), currencies.next()) {
            (Some((currency, _)), None) => currency.clone(),
            (Some((one, at)), Some((other, there))) => {
                let message = format!(
                    "two currencies: {one:?} ({at}) and {other:?} ({there}); import the bills apart"
                );
                return Err(Error::at(place(), message));
            }
            (None, _) => {
                let first = self.set_aside.iter().next();
                let why = first.map(|(reason, (rows, at))| format!(": {rows} × {reason} ({at})"));
                let message = format!(
                    "no row could be used{}",
                    why.unwrap_or_else(|| "; it has none".into())
                );
                return Err(Error::at(place(), message));
            }
        };
        let mut months: BTreeMap<Month, Vec<Line>> = BTreeMap::new();
        let name = |place: usize, number: u32| self.names[place].name(number).to_owned();
        for (key, sums) in self.keys.iter().zip(self.sums) {
            let Some(month) = self.months[key[0] as usize] else { continue };
            let record = name(6, key[6]);
            months.entry(month).or_default().push(Line {
                key: LineKey {
                    account: name(1, key[1]),
                    service: name(2, key[2]),
                    region: name(3, key[3]),
                    usage_type: name(4, key[4]),
                    operation: name(5, key[5]),
                    kind: self.kinds[key[6] as usize],
                    record: record.split('\u{1f}').next().unwrap_or_default().to_owned(),
                    unit: name(7, key[7]),
                },
                quantity: sums.quantity,
                costs: sums.costs,
                list: sums.list,
                rows: sums.rows,
            });
        }
        let first = months.keys().next().copied();
        let aside = |reasons: &BTreeMap<String, (u64, String)>| -> Vec<SetAside> {
            let one = |(reason, (rows, first)): (&String, &(u64, String))| SetAside {
                reason: reason.clone(),
                rows: *rows,
                first: first.clone(),
            };
            reasons.iter().map(one).collect()
        };
        let bills = months.into_iter().map(|(month, lines)| {
            let whole = month.days() as u32;
            let dated = self.layout.texts[Text::End as usize].is_some();
            let days = if dated { self.reached.get(&month).copied() } else { None };
            let mut set_aside = self.aside_of.get(&month).map(aside).unwrap_or_default();
            // What has no month stands with the first.
            if Some(month) == first {
                set_aside.extend(aside(&self.set_aside));
            }
            MonthBill {
                schema: SCHEMA,
                month,
                currency: currency.clone(),
                source: source.to_owned(),
                read_at: read_at.to_owned(),
                estimated: false,
                days: days.unwrap_or(whole),
                forecasts: Vec::new(),
                lines: merged(lines),
                set_aside,
            }
        });
        Ok(bills.collect())
    }
}

/// Lines in the order of their keys; those that differ only in how the row was written are one.
pub(super) fn merged(lines: Vec<Line>) -> Vec<Line> {
    let mut sums: BTreeMap<LineKey, Sums> = BTreeMap::new();
    for line in lines {
        let sum = sums.entry(line.key).or_default();
        sum.add(line.quantity, line.costs, line.list);
        sum.rows += line.rows;
    }
    let line = |(key, sum): (LineKey, Sums)| Line {
        key,
        quantity: sum.quantity,
        costs: sum.costs,
        list: sum.list,
        rows: sum.rows,
    };
    sums.into_iter().map(line).collect()
}

/// The month of `2024-09`, `2024-09-01 00:00:00` or `2023-11-01T00:00:00.000Z`.
pub(super) fn month_of(text: &str) -> Option<Month> {
    let month = text.get(..7)?;
    let rest = text.get(7..)?;
    (rest.is_empty() || rest.starts_with('-')).then(|| month.parse().ok()).flatten()
}

/// Days of the month before the end of a charge; all when the end lies beyond it or is not said.
fn days_reached(month: Month, end: &str) -> u32 {
    let whole = month.days() as u32;
    let Some(in_month) = month_of(end) else { return whole };
    let day = end.get(8..10).and_then(|day| day.parse::<u32>().ok()).unwrap_or(whole);
    if in_month > month {
        return whole;
    }
    if in_month < month {
        return 0;
    }
    // An end at midnight is the day before's.
    let midnight =
        end.get(11..).is_none_or(|time| !time.bytes().any(|b| (b'1'..=b'9').contains(&b)));
    if midnight { day.saturating_sub(1) } else { day }
}
