//! A list's prices put into the rows of the book.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Serialize;

use super::{Item, Offer, Scope, plain};
use crate::{
    facts::prices::{COLUMNS, PriceBook, PriceRow, Table},
    measure::units::UnitPrice,
};

/// A meter of the service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Meter {
    /// Usage type without region prefix.
    pub usage_type: String,
    /// Operation.
    pub operation: String,
}

/// A step that has another price than before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Region.
    pub region: String,
    /// Service.
    pub service: String,
    /// The meter.
    #[serde(flatten)]
    pub meter: Meter,
    /// First unit of the step.
    pub from: Decimal,
    /// Unit.
    pub unit: String,
    /// Price before, in USD; none for a step that is new.
    pub old: Option<UnitPrice>,
    /// Price now, in USD; none for a step that is gone.
    pub new: Option<UnitPrice>,
}

/// What a refresh made of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The file.
    pub text: String,
    /// Meters that the list prices as the book did.
    pub confirmed: usize,
    /// Meters that have other prices now, or are new.
    pub taken: usize,
    /// Steps that changed, were added or went.
    pub changes: Vec<Change>,
    /// Meters that keep their old prices, and why.
    pub kept: Vec<(Meter, String)>,
}

/// One step of a ladder, as a row will say it.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    begin: Decimal,
    end: Option<Decimal>,
    price: UnitPrice,
}

/// Puts an offer's prices into the book's rows of one region and service.
pub fn merge(book: &PriceBook, offer: &Offer, scope: &Scope<'_>) -> Outcome {
    let (region, service) = (scope.region, scope.service.code.as_str());
    let own = book.table(region, service);
    let mut outcome = Outcome {
        text: String::new(),
        confirmed: 0,
        taken: 0,
        changes: Vec::new(),
        kept: Vec::new(),
    };
    let mut rows: BTreeMap<Meter, Vec<[String; COLUMNS.len()]>> = BTreeMap::new();
    for (meter, ladders) in targets(book, offer, scope) {
        match taken(book, &meter, &ladders, scope) {
            Ok((steps, model)) => {
                let written = written(&meter, &steps, (model, &ladders[0]), offer, scope);
                compare(&meter, own, &steps, model, (scope, &mut outcome));
                rows.insert(meter, written);
            }
            Err(reason) => outcome.kept.push((meter, reason)),
        }
    }
    let mut told: BTreeSet<Meter> = outcome.kept.iter().map(|(meter, _)| meter.clone()).collect();
    let mut all: Vec<[String; COLUMNS.len()]> = rows.values().flatten().cloned().collect();
    for row in own.into_iter().flat_map(Table::rows) {
        let meter = Meter {
            usage_type: row.usage_type().to_owned(),
            operation: row.operation().to_owned(),
        };
        let crosscheck = row.confidence() == "crosscheck";
        if rows.contains_key(&meter) && !crosscheck {
            continue;
        }
        // No list has spot prices.
        let listed = !meter.usage_type.starts_with(scope.rules.spot.usage_type.as_str());
        if !crosscheck && listed && !rows.contains_key(&meter) && told.insert(meter.clone()) {
            outcome.kept.push((meter, "is not in the list".into()));
        }
        all.push(std::array::from_fn(|column| row.column(column).to_owned()));
    }
    let begin = |row: &[String; COLUMNS.len()]| row[4].parse::<Decimal>().unwrap_or_default();
    all.sort_by(|a, b| {
        (&a[0], &a[1], begin(a), &a[12], &a[11]).cmp(&(&b[0], &b[1], begin(b), &b[12], &b[11]))
    });
    outcome.text = text(&all);
    outcome
}

/// Returns the prices in force of each meter of the list, by the meter of the book that they belong to.
fn targets<'o>(
    book: &PriceBook,
    offer: &'o Offer,
    scope: &Scope<'_>,
) -> BTreeMap<Meter, Vec<Result<Vec<&'o Item>, String>>> {
    let (region, service) = (scope.region, scope.service.code.as_str());
    let mut meters: BTreeMap<Meter, Vec<&Item>> = BTreeMap::new();
    for item in &offer.items {
        let billed = &item.billed_usage_type;
        // A row of the book may spell the type its own way: the bill's text leads to it.
        let known = book.unprefixed(region, service, billed);
        let usage_type = if known == billed { scope.bare(billed) } else { known };
        let meter = Meter { usage_type: usage_type.into(), operation: item.operation.clone() };
        meters.entry(meter).or_default().push(item);
    }
    let mut targets: BTreeMap<Meter, Vec<_>> = BTreeMap::new();
    for (meter, items) in meters {
        let operations: BTreeSet<&str> = book
            .tables()
            .filter(|(_, known, _)| *known == service)
            .flat_map(|(_, _, table)| table.of_usage_type(&meter.usage_type))
            .filter(|row| row.confidence() != "crosscheck")
            .map(PriceRow::operation)
            .collect();
        let billed = items.first().map_or("", |item| item.billed_usage_type.as_str());
        let new = scope.service.adds(&meter.usage_type, billed);
        let operation = match () {
            () if operations.contains(&*meter.operation) => meter.operation,
            () if operations.contains("") => String::new(),
            () if new => meter.operation,
            () => continue,
        };
        let today = scope.today.to_string();
        let target = Meter { usage_type: meter.usage_type, operation };
        targets.entry(target).or_default().push(in_force(items, &today));
    }
    targets
}

/// Returns the steps in force, or why they are unknown.
fn in_force<'o>(items: Vec<&'o Item>, today: &str) -> Result<Vec<&'o Item>, String> {
    let mut skus: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items {
        if *item.effective <= *today {
            skus.entry(&item.sku).or_default().push(item);
        }
    }
    let mut ladders: Vec<(&str, Vec<&Item>)> = Vec::new();
    for (sku, mut items) in skus {
        let latest = items.iter().map(|item| item.effective.as_str()).max().unwrap_or_default();
        items.retain(|item| item.effective == latest);
        items.sort_by_key(|item| item.begin);
        items.dedup_by(|a, b| (a.begin, a.end, a.price) == (b.begin, b.end, b.price));
        let mut reached = Some(Decimal::ZERO);
        for item in &items {
            if reached != Some(item.begin) {
                return Err(format!("SKU {sku} has a gap or an overlap at {}", item.begin));
            }
            reached = item.end;
        }
        if let Some(end) = reached {
            return Err(format!("SKU {sku} has no price above {end}"));
        }
        ladders.push((sku, items));
    }
    let mut ladders = ladders.into_iter();
    let (sku, ladder) = ladders.next().ok_or("no price of it is in force yet")?;
    for (other, steps) in ladders {
        if steps_of(&steps) != steps_of(&ladder) {
            return Err(format!(
                "SKUs {sku} and {other} price it differently, at {} and {}",
                ladder[0].price, steps[0].price
            ));
        }
    }
    Ok(ladder)
}

fn steps_of(items: &[&Item]) -> Vec<Step> {
    let step = |item: &&Item| Step { begin: item.begin, end: item.end, price: item.price };
    items.iter().map(step).collect()
}

/// Returns a meter's steps in the book's units, with its free part; and a row that says how the book speaks of it.
fn taken<'b>(
    book: &'b PriceBook,
    meter: &Meter,
    ladders: &[Result<Vec<&Item>, String>],
    scope: &Scope<'_>,
) -> Result<(Vec<Step>, &'b PriceRow), String> {
    let mut all = ladders.iter();
    let first = all.next().ok_or("has no price")?.as_ref().map_err(Clone::clone)?;
    for other in all {
        let other = other.as_ref().map_err(Clone::clone)?;
        if steps_of(other) != steps_of(first) {
            return Err(format!(
                "operations {:?} and {:?} have different prices, and the book has one price for all",
                first[0].operation, other[0].operation
            ));
        }
    }
    let (model, old) = model(book, meter, scope)
        .ok_or("no row of the book has its service name in Cost Explorer")?;
    let mut steps = steps_of(first);
    if let Some(old) = old {
        convert(&mut steps, &first[0].unit, &old, scope)?;
        if let Some(free) = old.first().filter(|row| is_free(row)) {
            let own = steps[0].price == free.price;
            if let (false, Some(end)) = (own, free.end) {
                let moved = |from: Decimal| {
                    from.checked_add(end)
                        .ok_or_else(|| format!("a step at {from} is not a quantity"))
                };
                for step in &mut steps {
                    step.begin = moved(step.begin)?;
                    step.end = step.end.map(moved).transpose()?;
                }
                steps.insert(0, Step { begin: Decimal::ZERO, end: Some(end), price: free.price });
            }
        }
    }
    Ok((steps, model))
}

/// Returns a free part that the book counts for many meters together.
fn is_free(row: &PriceRow) -> bool {
    !row.pool().is_empty() && row.price.decimal().is_zero()
}

/// Returns the row that says how the book speaks of a meter, and its ladder where the book has the meter: the region's
/// own, or another's.
fn model<'b>(
    book: &'b PriceBook,
    meter: &Meter,
    scope: &Scope<'_>,
) -> Option<(&'b PriceRow, Option<Vec<&'b PriceRow>>)> {
    let service = scope.service.code.as_str();
    let own = book.table(scope.region, service);
    let others = book.tables().filter(|(_, known, _)| *known == service);
    let tables: Vec<&Table> = own.into_iter().chain(others.map(|(_, _, table)| table)).collect();
    let known = tables.iter().find_map(|table| table.ladder(&meter.usage_type, &meter.operation));
    if let Some(ladder) = known {
        return Some((ladder.rows[0], Some(ladder.rows)));
    }
    let kind = meter.usage_type.split(':').next().unwrap_or_default();
    let ending =
        scope.service.add_ending.iter().find(|end| meter.usage_type.ends_with(end.as_str()));
    let alike = |row: &&PriceRow| {
        row.usage_type().split(':').next() == Some(kind)
            || ending.is_some_and(|end| row.usage_type().ends_with(end.as_str()))
    };
    let row = tables.iter().find_map(|table| table.rows().iter().find(alike))?;
    Some((row, None))
}

/// The list's unit made the book's, or a reason not to believe it.
fn convert(
    steps: &mut [Step],
    unit: &str,
    old: &[&PriceRow],
    scope: &Scope<'_>,
) -> Result<(), String> {
    let (from, to) = (plain(unit), plain(old[0].unit()));
    let one = |units: &Vec<String>| units.contains(&from) && units.contains(&to);
    if from == to || scope.rules.units.iter().any(one) {
        return Ok(());
    }
    for conversion in &scope.rules.conversions {
        if plain(&conversion.from) == from && plain(&conversion.to) == to {
            for step in steps {
                step.price = step.price.of_part(conversion.divide_by);
            }
            return Ok(());
        }
    }
    let paid = |price: UnitPrice| Some(price.decimal()).filter(|price| !price.is_zero());
    let old_price = old.iter().find_map(|row| paid(row.price));
    let ratio = match (old_price, steps.iter().find_map(|step| paid(step.price))) {
        (Some(old), Some(new)) => new.checked_div(old).unwrap_or(Decimal::MAX),
        (None, None) => Decimal::ONE,
        _ => Decimal::MAX,
    };
    let most = scope.rules.most_ratio;
    if ratio > most || ratio < Decimal::ONE / most {
        return Err(format!(
            "the list prices it by {unit:?}, the book by {:?}, and the prices are far apart",
            old[0].unit()
        ));
    }
    Ok(())
}

/// Returns the rows of a meter's new prices.
fn written(
    meter: &Meter,
    steps: &[Step],
    (model, ladder): (&PriceRow, &Result<Vec<&Item>, String>),
    offer: &Offer,
    scope: &Scope<'_>,
) -> Vec<[String; COLUMNS.len()]> {
    let Ok(items) = ladder else { return Vec::new() };
    let first = items[0];
    let same_meter = model.usage_type() == meter.usage_type;
    let added = steps.len() - items.len();
    steps
        .iter()
        .enumerate()
        .map(|(index, step)| {
            let item = index.checked_sub(added).map_or(first, |index| items[index]);
            let free = index < added;
            let shared = same_meter && step.price.decimal().is_zero() && step.end.is_some();
            let unit = if same_meter { model.unit() } else { &first.unit };
            let note = format!(
                "SKU {}, effective {}, fetched {}{}",
                item.sku,
                item.effective,
                scope.today,
                if free { "; the free part is the book's" } else { "" }
            );
            [
                meter.usage_type.clone(),
                meter.operation.clone(),
                if free { model.description().to_owned() } else { item.description.clone() },
                unit.to_owned(),
                step.begin.normalize().to_string(),
                step.end.map_or("Inf".into(), |end| end.normalize().to_string()),
                step.price.to_string(),
                if shared { model.pool().to_owned() } else { String::new() },
                first.billed_usage_type.clone(),
                model.cost_explorer_service().to_owned(),
                offer.published.get(..10).unwrap_or(&offer.published).to_owned(),
                format!("AWS Price List, {} version {}", scope.service.code, offer.version),
                "exact".to_owned(),
                note,
            ]
        })
        .collect()
}

/// Notes which steps have another price than before.
fn compare(
    meter: &Meter,
    own: Option<&Table>,
    steps: &[Step],
    model: &PriceRow,
    (scope, outcome): (&Scope<'_>, &mut Outcome),
) {
    let old = own.and_then(|table| table.ladder(&meter.usage_type, &meter.operation));
    let old: Vec<Step> = old.map_or_else(Vec::new, |ladder| {
        let step = |row: &&PriceRow| Step { begin: row.begin, end: row.end, price: row.price };
        ladder.rows.iter().map(step).collect()
    });
    outcome.confirmed += usize::from(old == steps);
    outcome.taken += usize::from(old != steps);
    outcome.changes.extend(changes(&old, steps).into_iter().map(|(from, old, new)| Change {
        region: scope.region.to_owned(),
        service: scope.service.code.clone(),
        meter: meter.clone(),
        from,
        unit: model.unit().to_owned(),
        old,
        new,
    }));
}

type StepChange = (Decimal, Option<UnitPrice>, Option<UnitPrice>);

/// Returns where two ladders differ, by the first unit of the step.
fn changes(old: &[Step], new: &[Step]) -> Vec<StepChange> {
    let begins: BTreeSet<Decimal> = old.iter().chain(new).map(|step| step.begin).collect();
    let at = |steps: &[Step], begin: Decimal| {
        let of = |step: &&Step| step.begin <= begin && step.end.is_none_or(|end| begin < end);
        steps.iter().find(of).map(|step| step.price)
    };
    begins
        .into_iter()
        .map(|begin| (begin, at(old, begin), at(new, begin)))
        .filter(|(_, old, new)| old != new)
        .collect()
}

/// Returns what another book says otherwise, meter by meter.
pub fn diff(old: &PriceBook, new: &PriceBook) -> Vec<Change> {
    let mut meters: BTreeSet<(&str, &str, &str, &str)> = BTreeSet::new();
    for (region, service, table) in old.tables().chain(new.tables()) {
        let rows = table.rows().iter().filter(|row| row.confidence() != "crosscheck");
        meters.extend(rows.map(|row| (region, service, row.usage_type(), row.operation())));
    }
    let mut found = Vec::new();
    for (region, service, usage_type, operation) in meters {
        let ladder = |book: &'_ PriceBook| -> (Vec<Step>, Option<String>) {
            let table = book.table(region, service);
            let Some(ladder) = table.and_then(|table| table.ladder(usage_type, operation)) else {
                return (Vec::new(), None);
            };
            let step = |row: &&PriceRow| Step { begin: row.begin, end: row.end, price: row.price };
            (ladder.rows.iter().map(step).collect(), Some(ladder.rows[0].unit().to_owned()))
        };
        let ((before, old_unit), (after, new_unit)) = (ladder(old), ladder(new));
        let unit = new_unit.or(old_unit).unwrap_or_default();
        found.extend(changes(&before, &after).into_iter().map(|(from, old, new)| Change {
            region: region.to_owned(),
            service: service.to_owned(),
            meter: Meter { usage_type: usage_type.to_owned(), operation: operation.to_owned() },
            from,
            unit: unit.clone(),
            old,
            new,
        }));
    }
    found
}

fn text(rows: &[[String; COLUMNS.len()]]) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // A writer to memory does not fail.
    let _ = writer.write_record(COLUMNS);
    for row in rows {
        let _ = writer.write_record(row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
