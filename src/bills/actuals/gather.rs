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

use foldhash::fast::FixedState;

use super::{
    FORECAST, Kind, Line, LineKey, MonthBill, SCHEMA, SetAside,
    amount::Amount,
    layout::{Billing, Charge, FIGURES, Figure, Layout, TEXTS, Text},
};
use crate::{
    bounds,
    error::{Error, Place},
    measure::calendar::Month,
};

/// Characters of `2024-09`.
const MONTH_DIGITS: usize = 7;
/// Reasons that are given when no row could be used.
const MOST_REASONS: usize = 3;

/// A row as a reader hands it over: texts by their numbers, figures read.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Numbers of texts ([`Gather::number`]), in the order of [`Text`]; 0 is the empty text.
    pub texts: [u32; TEXTS],
    /// Figures, in the order of [`Figure`]; none where the cell is empty.
    pub figures: [Option<Amount>; FIGURES],
}

impl Row {
    /// Without a text or a figure.
    pub const EMPTY: Self = Self { texts: [0; TEXTS], figures: [None; FIGURES] };

    fn figure(&self, which: Figure) -> Option<Amount> {
        self.figures[which as usize]
    }
}

/// Texts of a column and their numbers; the last requested one is found at once.
#[derive(Debug)]
struct Names {
    /// Places among `cells` by the bytes of a cell, as they are in the file.
    places: HashMap<Box<[u8]>, u32, FixedState>,
    /// The cells with the numbers of their texts.
    cells: Vec<(Box<[u8]>, u32)>,
    last: u32,
    all: Vec<Box<str>>,
}

impl Names {
    fn new() -> Self {
        let places = HashMap::from_iter([(Box::default(), 0)]);
        Self { places, cells: vec![(Box::default(), 0)], last: 0, all: vec!["".into()] }
    }

    /// Returns the number of a cell; one that was seen before is not read again.
    fn of_cell(&mut self, cell: &[u8]) -> Option<u32> {
        let (last, number) = &self.cells[self.last as usize];
        if **last == *cell {
            return Some(*number);
        }
        self.last = *self.places.get(cell)?;
        Some(self.cells[self.last as usize].1)
    }

    fn note(&mut self, cell: &[u8], number: u32) {
        self.places.insert(cell.into(), self.cells.len() as u32);
        self.cells.push((cell.into(), number));
    }

    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.of_cell(name.as_bytes()) {
            return number;
        }
        let number = self.all.len() as u32;
        self.note(name.as_bytes(), number);
        self.all.push(name.into());
        number
    }
}

/// Groups by their texts: first what a row is but for its month, then the month. Bills come month by month
/// and repeat their meters, so what is looked up for a row stays small enough for a processor's cache. The
/// numbers of a row's texts stand side by side in one machine number as long as they fit.
#[derive(Debug, Default)]
struct Places {
    /// Where each text's number begins (bits), and how far it goes.
    shifts: [u32; TEXTS],
    widths: [u32; TEXTS],
    packed: HashMap<u64, u32, FixedState>,
    /// In use when the numbers no longer fit.
    whole: Option<HashMap<[u32; TEXTS], u32, FixedState>>,
    /// Keys without their months, in the order of their numbers.
    keys: Vec<[u32; TEXTS]>,
    /// Groups by number of the month's text and of the key; [`NO_GROUP`] where there is none.
    by_month: Vec<Vec<u32>>,
}

/// No group yet.
const NO_GROUP: u32 = u32::MAX;

impl Places {
    fn pack(&self, key: &[u32; TEXTS]) -> u64 {
        let parts = key.iter().zip(&self.shifts);
        parts.fold(0, |packed, (number, shift)| packed | u64::from(*number) << shift)
    }

    /// Returns the group of a key, or `next` for one that is new.
    fn of(&mut self, key: &[u32; TEXTS], next: u32) -> u32 {
        let mut without = *key;
        let month = std::mem::take(&mut without[Text::Month as usize]) as usize;
        let number = self.number(&without) as usize;
        if self.by_month.len() <= month {
            self.by_month.resize(month + 1, Vec::new());
        }
        let groups = &mut self.by_month[month];
        if groups.len() <= number {
            groups.resize(number + 1, NO_GROUP);
        }
        if groups[number] == NO_GROUP {
            groups[number] = next;
        }
        groups[number]
    }

    fn number(&mut self, key: &[u32; TEXTS]) -> u32 {
        let outgrown =
            key.iter().zip(&self.widths).any(|(number, width)| u64::from(*number) >> width > 0);
        if outgrown && self.whole.is_none() {
            self.widen(key);
        }
        let next = self.keys.len() as u32;
        let number = if let Some(whole) = &mut self.whole {
            *whole.entry(*key).or_insert(next)
        } else {
            let packed = self.pack(key);
            *self.packed.entry(packed).or_insert(next)
        };
        if number == next {
            self.keys.push(*key);
        }
        number
    }

    /// Gives the numbers more room.
    fn widen(&mut self, key: &[u32; TEXTS]) {
        let mut end = 0;
        for ((number, width), shift) in key.iter().zip(&mut self.widths).zip(&mut self.shifts) {
            *width = (*width).max(u32::BITS - number.leading_zeros() + 1);
            *shift = end;
            end += *width;
        }
        let keys = self.keys.iter().copied().zip(0..);
        if end >= u64::BITS {
            self.whole = Some(keys.collect());
            self.packed = HashMap::default();
        } else {
            self.packed = keys.map(|(key, place)| (self.pack(&key), place)).collect();
        }
    }
}

#[derive(Debug, Default)]
struct Sums {
    rows: u64,
    /// Rows that say a quantity, an amortized cost, a net cost, a list cost; a count that is full is no longer
    /// the count of all rows, and the sum is taken for one with a part missing.
    said: [u32; 4],
    unblended: Amount,
    quantity: Amount,
    amortized: Amount,
    net: Amount,
    list: Amount,
}

impl Sums {
    fn add(&mut self, unblended: Amount, others: [Option<Amount>; 4]) {
        self.rows += 1;
        self.unblended += unblended;
        let sums = [&mut self.quantity, &mut self.amortized, &mut self.net, &mut self.list];
        for ((sum, said), value) in sums.into_iter().zip(&mut self.said).zip(others) {
            if let Some(value) = value {
                *sum += value;
                *said = said.saturating_add(1);
            }
        }
    }

    fn line(&self, key: LineKey) -> Line {
        // A part of a sum is no cost; a quantity may be said by some rows only.
        let whole = |sum, said: u32| (u64::from(said) == self.rows).then_some(sum);
        let any = |sum, said: u32| (said > 0).then_some(sum);
        let [quantity, amortized, net, list] = self.said;
        Line {
            key,
            quantity: any(self.quantity, quantity),
            // No export has a column of net amortized cost.
            costs: [
                Some(self.unblended),
                whole(self.amortized, amortized),
                whole(self.net, net),
                None,
            ],
            list: any(self.list, list),
            rows: self.rows,
        }
    }
}

/// Rows whose texts are the same but for their ends: two lines of a processor's cache, since a bill's rows
/// jump between groups.
#[derive(Debug)]
#[repr(align(64))]
struct Group {
    /// None where the text is no billing period.
    month: Option<Month>,
    kind: Kind,
    sums: Sums,
}

/// Collects rows of one layout.
#[derive(Debug)]
pub struct Gather<'a> {
    layout: &'a Layout,
    billing: &'a Billing,
    /// By place in a row.
    names: [Names; TEXTS],
    places: Places,
    groups: Vec<Group>,
    /// Numbers of the groups' texts; at the place of the end, whether the rows lack the first quantity.
    keys: Vec<[u32; TEXTS]>,
    last: Option<([u32; TEXTS], u32)>,
    /// Whether an end is a date, by the number of the month's text and its own; none if it was not checked yet.
    seen: Vec<Vec<Option<bool>>>,
    reached: BTreeMap<Month, u32>,
    currencies: BTreeMap<String, String>,
    /// Skipped rows by month, if a row has one, and kind of reason.
    set_aside: BTreeMap<(Option<Month>, String), Aside>,
}

/// Rows that were not used, for one reason.
#[derive(Debug)]
struct Aside {
    /// The first row's reason, and whether others have other values in it.
    reason: String,
    varies: bool,
    rows: u64,
    /// Places of the first rows.
    first: Vec<String>,
    cost: Option<Amount>,
}

impl Aside {
    /// Returns the reason; an example where rows differ in its values.
    fn text(&self) -> String {
        if self.varies { format!("{}, for example", self.reason) } else { self.reason.clone() }
    }
}

/// Returns a reason without the values in it: quoted text and numbers.
fn kind_of(reason: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    let mut escaped = false;
    for c in reason.chars() {
        let ends = c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        quoted ^= ends;
        if ends || !quoted && !c.is_ascii_digit() {
            kind.push(c);
        }
    }
    kind
}

impl<'a> Gather<'a> {
    /// Nothing yet.
    pub fn new(layout: &'a Layout, billing: &'a Billing) -> Self {
        Self {
            layout,
            billing,
            names: std::array::from_fn(|_| Names::new()),
            places: Places::default(),
            groups: Vec::new(),
            keys: Vec::new(),
            last: None,
            seen: Vec::new(),
            reached: BTreeMap::new(),
            currencies: BTreeMap::new(),
            set_aside: BTreeMap::new(),
        }
    }

    /// Returns whether no row needs its place in a message: none was skipped, and all are in one currency.
    pub fn needs_no_place(&self) -> bool {
        self.set_aside.is_empty() && self.currencies.len() < 2
    }

    /// Returns the number of a text of a column.
    pub fn number(&mut self, which: usize, text: &str) -> u32 {
        self.names[which].number(text)
    }

    /// Returns the number of a cell whose bytes were seen in this column before.
    pub fn of_cell(&mut self, which: usize, cell: &[u8]) -> Option<u32> {
        self.names[which].of_cell(cell)
    }

    /// Notes what a cell's bytes say, so that they need not be read again.
    pub fn note_cell(&mut self, which: usize, cell: &[u8], number: u32) {
        self.names[which].note(cell, number);
    }

    fn text(&self, texts: &[u32; TEXTS], which: Text) -> &str {
        &self.names[which as usize].all[texts[which as usize] as usize]
    }

    /// Skips a row that cannot be used, with its cost if that can be read; `at` returns its place.
    pub fn set_aside(&mut self, reason: String, cost: Option<Amount>, at: impl FnOnce() -> String) {
        self.set_aside_of(None, reason, cost, at);
    }

    fn set_aside_of(
        &mut self,
        month: Option<Month>,
        reason: String,
        cost: Option<Amount>,
        at: impl FnOnce() -> String,
    ) {
        let aside = self.set_aside.entry((month, kind_of(&reason))).or_insert_with(|| Aside {
            reason: String::new(),
            varies: false,
            rows: 0,
            first: Vec::new(),
            cost: None,
        });
        if aside.rows == 0 {
            aside.reason = reason;
        } else {
            aside.varies |= aside.reason != reason;
        }
        aside.rows += 1;
        if aside.first.len() < bounds::PLACES {
            aside.first.push(at());
        }
        if let Some(cost) = cost {
            *aside.cost.get_or_insert(Amount::ZERO) += cost;
        }
    }

    /// Takes a row, or skips it; `at` returns its place.
    pub fn add(&mut self, row: &Row, at: impl Fn() -> String) {
        let place = self.place(row) as usize;
        let Group { month, kind, .. } = self.groups[place];
        let Some(month) = month else {
            let text = self.text(&row.texts, Text::Month);
            let reason = format!("{text:?} is not a billing period");
            return self.set_aside(reason, row.figure(Figure::Unblended), at);
        };
        let Some(unblended) = row.figure(Figure::Unblended) else {
            return self.set_aside_of(Some(month), "the cost is empty".into(), None, at);
        };
        if kind == Kind::Usage && !self.reach(month, &row.texts) {
            let reason = format!("{:?} is not a date", self.text(&row.texts, Text::End));
            return self.set_aside_of(Some(month), reason, Some(unblended), at);
        }
        let quantity = row.figure(Figure::Quantity).or(row.figure(Figure::OtherQuantity));
        let amortized = self.amortized(kind, row, unblended);
        let net = row.figure(Figure::NetUnblended);
        let sums = &mut self.groups[place].sums;
        let first = sums.rows == 0;
        sums.add(unblended, [quantity, amortized, net, row.figure(Figure::List)]);
        if first {
            let currency = self.text(&row.texts, Text::Currency);
            if !self.currencies.contains_key(currency) {
                self.currencies.insert(currency.to_owned(), at());
            }
        }
    }

    fn place(&mut self, row: &Row) -> u32 {
        let mut key = row.texts;
        key[Text::End as usize] = u32::from(row.figure(Figure::Quantity).is_none());
        if let Some((last, place)) = self.last
            && last == key
        {
            return place;
        }
        let next = self.groups.len() as u32;
        let place = self.places.of(&key, next);
        if place == next {
            let month = month_of(self.text(&key, Text::Month));
            let kind = self.kind(&key);
            self.groups.push(Group { month, kind, sums: Sums::default() });
            self.keys.push(key);
        }
        self.last = Some((key, place));
        place
    }

    fn kind(&self, texts: &[u32; TEXTS]) -> Kind {
        let (record, class) = (self.text(texts, Text::Record), self.text(texts, Text::Class));
        let committed = !self.text(texts, Text::Commitment).is_empty();
        let named = self.billing.records.get(record).copied();
        let unnamed = record.is_empty() && self.layout.texts[Text::Class as usize].is_none();
        let default = if unnamed { Kind::Usage } else { Kind::Unknown };
        let kind = match (named.unwrap_or(default), committed) {
            _ if class == "Correction" => Kind::Refund,
            (Kind::Usage, true) => Kind::PlanUsage,
            (Kind::Fee, true) => Kind::PlanFee,
            (kind, _) => kind,
        };
        self.billing.kind(&Charge {
            kind,
            service: self.text(texts, Text::Service),
            usage_type: self.text(texts, Text::UsageType),
            entity: self.text(texts, Text::Entity),
            publisher: self.text(texts, Text::Publisher),
        })
    }

    fn amortized(&self, kind: Kind, row: &Row, unblended: Amount) -> Option<Amount> {
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

    /// Notes how far into its month a row reaches, each end once a month; false where the end is no date.
    fn reach(&mut self, month: Month, texts: &[u32; TEXTS]) -> bool {
        let (of, end) = (texts[Text::Month as usize] as usize, texts[Text::End as usize] as usize);
        if self.seen.len() <= of {
            self.seen.resize(of + 1, Vec::new());
        }
        let seen = &mut self.seen[of];
        if seen.len() <= end {
            seen.resize(end + 1, None);
        }
        if let Some(known) = seen[end] {
            return known;
        }
        let days = days_reached(month, self.text(texts, Text::End));
        self.seen[of][end] = Some(days.is_some());
        if let Some(days) = days {
            let reached = self.reached.entry(month).or_insert(0);
            *reached = (*reached).max(days);
        }
        days.is_some()
    }

    /// Returns the one currency of the rows that are used.
    fn currency(&self) -> Result<String, String> {
        let mut currencies = self.currencies.iter();
        match (currencies.next(), currencies.next()) {
            (Some((currency, _)), None) => Ok(currency.clone()),
            (Some((one, at)), Some((other, there))) => Err(format!(
                "two currencies: {one:?} ({at}) and {other:?} ({there}); import the bills separately"
            )),
            (None, _) => {
                let reasons: Vec<String> = self
                    .set_aside
                    .values()
                    .take(MOST_REASONS)
                    .map(|aside| {
                        let places = aside.first.join(", ");
                        format!("{} × {} ({places})", aside.rows, aside.text())
                    })
                    .collect();
                Err(if reasons.is_empty() {
                    "it has no rows".into()
                } else {
                    format!("every row was skipped: {}", reasons.join("; "))
                })
            }
        }
    }

    /// Returns the months of all rows, and what could not be used at all.
    ///
    /// # Errors
    /// Two currencies; no row that can be used.
    pub fn finish(self, source: &str, read_at: &str) -> Result<Vec<MonthBill>, Error> {
        let place = || Place::file(source);
        let currency = self.currency().map_err(|message| Error::at(place(), message))?;
        let mut months: BTreeMap<Month, Vec<Line>> = BTreeMap::new();
        let mut forecast: BTreeMap<Month, u64> = BTreeMap::new();
        for (group, key) in self.groups.iter().zip(&self.keys) {
            if group.sums.rows == 0 {
                continue;
            }
            let Some(month) = group.month else { continue };
            if self.text(key, Text::Stated) == FORECAST {
                *forecast.entry(month).or_default() += group.sums.rows;
            }
            let text = |which| self.text(key, which).to_owned();
            let first = key[Text::End as usize] == 0;
            let other = !first && !text(Text::OtherUnit).is_empty();
            months.entry(month).or_default().push(group.sums.line(LineKey {
                account: text(Text::Account),
                service: text(Text::Service),
                region: text(Text::Region),
                usage_type: text(Text::UsageType),
                operation: text(Text::Operation),
                kind: group.kind,
                record: text(Text::Record),
                unit: text(if other { Text::OtherUnit } else { Text::Unit }),
            }));
        }
        let mut asides = asides(self.set_aside, &months);
        let read: Option<jiff::Timestamp> = read_at.parse().ok();
        let today = read.map(|read| jiff::tz::Offset::UTC.to_datetime(read).date());
        let mut bills = Vec::new();
        for (month, lines) in months {
            let whole = month.days() as u32;
            let dated = self.layout.texts[Text::End as usize].is_some();
            let forecast_rows = forecast.get(&month).copied().unwrap_or(0);
            let open = today.filter(|day| forecast_rows == 0 && Month::of(*day) == Some(month));
            let reached = self.reached.get(&month).copied().filter(|_| dated).unwrap_or(whole);
            // A month that is open when it is read has no rows of the days to come, although a monthly row
            // ends with the month.
            let days = open.map_or(reached, |today| reached.min(today.day().unsigned_abs().into()));
            let lines = merged(lines);
            check_sums(month, &lines).map_err(|message| Error::at(place(), message))?;
            bills.push(MonthBill {
                schema: SCHEMA,
                month,
                currency: currency.clone(),
                source: source.to_owned(),
                read_at: read_at.to_owned(),
                estimated: open.is_some(),
                days,
                forecasts: Vec::new(),
                lines,
                notes: Vec::new(),
                set_aside: asides.remove(&month).unwrap_or_default(),
                forecast_rows,
            });
        }
        Ok(bills)
    }
}

/// Returns rows that were not used, by month. What has no month, or a month without a line, is kept with the first.
fn asides(
    all: BTreeMap<(Option<Month>, String), Aside>,
    months: &BTreeMap<Month, Vec<Line>>,
) -> BTreeMap<Month, Vec<SetAside>> {
    let first = months.keys().next().copied();
    let mut found: BTreeMap<Month, Vec<SetAside>> = BTreeMap::new();
    for ((month, _), aside) in all {
        let Some(of) = month.filter(|month| months.contains_key(month)).or(first) else {
            continue;
        };
        let reason = match month {
            Some(month) if month != of => format!("{} in {month}", aside.text()),
            _ => aside.text(),
        };
        let Aside { rows, first, cost, .. } = aside;
        let first = first.join(", ");
        found.entry(of).or_default().push(SetAside { reason, rows, first, cost });
    }
    found
}

/// Checks that each sum of a line is an amount: a month with a sum beyond them could not be read again.
pub(super) fn check_sums(month: Month, lines: &[Line]) -> Result<(), String> {
    for line in lines {
        let sums = line.costs.iter().chain([&line.quantity, &line.list]);
        if sums.flatten().any(|sum| sum.bounded().is_none()) {
            let key = &line.key;
            return Err(format!(
                "the rows of {} {} in {month} sum to 10^18 or more; amounts must be below 10^18",
                key.service, key.usage_type
            ));
        }
    }
    Ok(())
}

/// Returns lines in the order of their keys; those that differ only in how the row was written are one.
pub(crate) fn merged(lines: Vec<Line>) -> Vec<Line> {
    let mut sums: BTreeMap<LineKey, Line> = BTreeMap::new();
    for line in lines {
        let Some(sum) = sums.get_mut(&line.key) else {
            sums.insert(line.key.clone(), line);
            continue;
        };
        let any = |one: Option<Amount>, other: Option<Amount>| match (one, other) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        sum.quantity = any(sum.quantity, line.quantity);
        sum.list = any(sum.list, line.list);
        for (sum, cost) in sum.costs.iter_mut().zip(line.costs) {
            // A part of a sum is no sum.
            *sum = sum.zip(cost).map(|(sum, cost)| sum + cost);
        }
        sum.rows += line.rows;
    }
    sums.into_values().collect()
}

/// Returns the month of `2024-09`, `2024-09-01 00:00:00` or `2023-11-01T00:00:00.000Z`; `None` for any other text.
pub(crate) fn month_of(text: &str) -> Option<Month> {
    if text.len() == MONTH_DIGITS {
        return text.parse().ok();
    }
    day_of(text).map(|(month, _, _)| month)
}

/// Returns the month and day of `2024-09-30` and what follows them: nothing, or a time of the day.
fn day_of(text: &str) -> Option<(Month, u32, &str)> {
    let month: Month = text.get(..MONTH_DIGITS)?.parse().ok()?;
    let day = text.get(MONTH_DIGITS..)?.strip_prefix('-')?;
    let number = day.get(..2).filter(|day| day.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = number.parse().ok().filter(|day| (1..=month.days() as u32).contains(day))?;
    let time = day.get(2..)?;
    let is_time = time.starts_with(['T', ' '])
        && time[1..].bytes().all(|byte| byte.is_ascii_digit() || b":.+-ZUTC ".contains(&byte));
    (time.is_empty() || is_time).then_some((month, number, time))
}

/// Returns days of the month before the end of a charge; all when the end lies beyond it or is not said, none when
/// the text is no date.
fn days_reached(month: Month, end: &str) -> Option<u32> {
    let whole = month.days() as u32;
    if end.is_empty() {
        return Some(whole);
    }
    let (in_month, day, time) = day_of(end)?;
    if in_month > month {
        return Some(whole);
    }
    if in_month < month {
        return Some(0);
    }
    // An end at midnight is the day before's.
    let midnight = !time.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    Some(if midnight { day - 1 } else { day })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Keys have one group each, whether their numbers fit one machine number or not.
        #[test]
        fn every_key_has_a_group_of_its_own(
            keys in prop::collection::vec(prop::array::uniform16(prop_oneof![0_u32..4, 0_u32..100_000]), 1..60),
        ) {
            let (mut places, mut known) = (Places::default(), Vec::new());
            for mut key in keys {
                // The month is a place in a table, and not a number of any size.
                key[Text::Month as usize] %= 50;
                let place = places.of(&key, known.len() as u32);
                let found = known.iter().position(|other| *other == key);
                prop_assert_eq!(place as usize, found.unwrap_or(known.len()));
                if found.is_none() {
                    known.push(key);
                }
            }
        }
    }
}
