//! Reconciliation of a plan with bills: where they differ, and whether by price, quantity or mix.
//!
//! # Formula
//! ```text
//! cell      month × account × service × region × usage type:  p planned, b billed;  q quantity, c cost
//! group     cells of one month, account, service and kind of usage (instance types are one kind)
//!           P = Σ c_p / Σ q_p  [USD a unit],   r = Σ q_b / Σ q_p
//! quantity  (r − 1) c_p                         as much more or less of all, at the planned mix
//! price     c_b − q_b c_p/q_p                   the same units at another rate
//! mix       (q_b − r q_p) c_p/q_p               other kinds of the same at another price
//! unplanned c_b                                 of a group with nothing planned
//! fees      c_b − c_p                           of commitments: they are no usage
//! WAPE      Σ |b − p| / Σ |b|                   bias = Σ (p − b) / Σ b
//! ```
//! They add up to the difference of each cell exactly: mix takes what rounding leaves. A cell that was not
//! planned, in a group that was, is another kind in place of a planned one: mix, but for what its rate departs
//! from the list price of its rows. A group with nothing billed differs by quantity alone.
//!
//! A plan with commitments is amortized. It is compared with amortized bills as it is. Compared with unblended
//! bills it is taken as paid: covered hours cost nothing, and fees fall into the month that they are charged in.
//!
//! # Source
//! Price-volume-mix analysis as management accounting has it; `FinOps` Framework, "Forecasting", for the bars.
//! # Limits
//! A cell whose billed quantity is not known differs by price alone. Quantities of a usage type are taken
//! to be in the price book's unit.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::Serialize;

use crate::{
    bills::actuals::{Kind, Line, Metric, MonthBill, amount::Amount, layout::Bars, naming::Naming},
    measure::{calendar::Month, units::Usd},
    plan::Plan,
};

/// What to do about months whose rows do not reach their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partial {
    /// They are skipped.
    Exclude,
    /// The plan's month is taken by the days that the bill reaches.
    ProRata,
}

/// What to compare.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// By which cost.
    pub metric: Metric,
    /// Months cut short.
    pub partial: Partial,
    /// First month.
    pub from: Option<Month>,
    /// Last month.
    pub to: Option<Month>,
    /// Bars of accuracy.
    pub bars: Bars,
}

/// Why nothing can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// No bill of a month that the plan has.
    Actuals(String),
    /// The bills do not say what is asked.
    Input(String),
}

/// Quantity and cost on one side.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Side {
    /// How much; none where no row says.
    pub quantity: Option<f64>,
    /// Its cost, in USD.
    pub cost: Usd,
}

/// Why a cell stands on one side alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// On both sides.
    Both,
    /// Planned and not billed.
    Unbilled,
    /// Billed and not planned.
    Unplanned,
    /// Billed under a name that the price book does not know.
    Unmapped,
}

/// The difference of a cell in its parts; they add up to it, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Variance {
    /// Billed − planned.
    pub total: Usd,
    /// By the rate.
    pub price: Usd,
    /// By how much was used.
    pub quantity: Usd,
    /// By what was used in place of what.
    pub mix: Usd,
    /// By what was not planned at all.
    pub unplanned: Usd,
    /// By fees of commitments.
    pub fees: Usd,
}

impl Variance {
    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.price += other.price;
        self.quantity += other.quantity;
        self.mix += other.mix;
        self.unplanned += other.unplanned;
        self.fees += other.fees;
    }
}

/// One line of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The month.
    pub month: Month,
    /// Account, by the plan's name where it has one.
    pub account: String,
    /// Service as Cost Explorer names it.
    pub service: String,
    /// Region, where known.
    pub region: String,
    /// Usage type without prefix, or as billed where it is not known.
    pub usage_type: String,
    /// Sides it stands on.
    pub matched: Match,
    /// Planned.
    pub planned: Side,
    /// Billed.
    pub billed: Side,
    /// Billed − planned.
    pub variance: Variance,
}

/// Sums of cells.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Sum {
    /// Planned, in USD.
    pub planned: Usd,
    /// Billed, in USD.
    pub billed: Usd,
    /// Billed − planned.
    pub variance: Variance,
}

impl Sum {
    fn add(&mut self, cell: &Cell) {
        self.planned += cell.planned.cost;
        self.billed += cell.billed.cost;
        self.variance.add(cell.variance);
    }

    /// Returns billed over planned, less one; none when nothing was planned.
    pub fn share(&self) -> Option<f64> {
        let planned = self.planned.to_f64();
        (planned != 0.0).then(|| self.variance.total.to_f64() / planned)
    }
}

/// One step of the bridge from consumption to the bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: &'static str,
    /// Planned, where the plan has such lines, in USD.
    pub planned: Option<Usd>,
    /// Billed, in USD.
    pub billed: Usd,
}

/// A month that was or was not compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The month.
    pub month: Month,
    /// Days that the bill reaches.
    pub days: u32,
    /// Its figures may still change.
    pub estimated: bool,
    /// Share of the plan's month that was taken; 0 if it was skipped.
    pub share: f64,
    /// Where the bill is from.
    pub source: String,
    /// When it was read or pulled.
    pub read_at: String,
    /// Its rows are a forecast of this tool, and no bill.
    pub forecast: bool,
}

/// How near the plan came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accuracy {
    /// Σ |billed − planned| over months, accounts and services, over Σ |billed|.
    pub wape: f64,
    /// The same over the months' totals.
    pub wape_of_totals: f64,
    /// Σ (planned − billed) over Σ billed: above 0 too much was planned.
    pub bias: f64,
    /// The bar of the `FinOps` Framework that the totals meet.
    pub level: &'static str,
}

/// A plan reconciled with bills.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reconciliation {
    /// Name of the plan.
    pub plan: String,
    /// The cost compared.
    pub metric: &'static str,
    /// What the plan's costs are, in words.
    pub basis: &'static str,
    /// Currency.
    pub currency: String,
    /// Months that both sides have.
    pub months: Vec<Compared>,
    /// Months of the plan, before the last one billed, that no bill is there for.
    pub missing: Vec<Month>,
    /// Lines, largest difference first.
    pub cells: Vec<Cell>,
    /// All of them.
    pub total: Sum,
    /// From consumption to the bill.
    pub bridge: Vec<Step>,
    /// Discounts over consumption, as a share.
    pub discount: Option<f64>,
    /// Planned lines that AWS does not bill (USD), by service.
    pub elsewhere: BTreeMap<String, Usd>,
    /// Accounts of the bill that the plan does not have.
    pub unknown_accounts: Vec<String>,
    /// How near the plan came; none without a bill above 0.
    pub accuracy: Option<Accuracy>,
    /// Rows of the bills that could not be used.
    pub set_aside: u64,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// Short names of services, for narrow tables.
    #[serde(skip)]
    pub short_names: BTreeMap<String, String>,
}

/// Where a line belongs: month, account, service, region, usage type.
type Place = (Month, String, String, String, String);

#[derive(Default)]
struct Sides {
    planned: Option<Side>,
    billed: Option<Side>,
    list: Option<f64>,
    unmapped: bool,
}

/// What the plan has of the months compared.
#[derive(Default)]
struct Planned {
    sides: BTreeMap<Place, Sides>,
    elsewhere: BTreeMap<String, Usd>,
    kinds: BTreeMap<Kind, Usd>,
}

/// Compares a plan with bills.
///
/// # Errors
/// No month in both; a metric that the bills do not have; accounts that cannot be told apart.
pub fn reconcile(
    plan: &Plan,
    bills: &[MonthBill],
    naming: &Naming<'_>,
    not_billed: &[String],
    options: Options,
) -> Result<Reconciliation, Gap> {
    let months = months(plan, bills, options)?;
    let taken: BTreeMap<Month, f64> =
        months.iter().filter(|m| m.share > 0.0).map(|m| (m.month, m.share)).collect();
    if taken.is_empty() {
        let cut: Vec<String> = months.iter().map(|m| m.month.to_string()).collect();
        return Err(Gap::Actuals(format!(
            "no complete month to compare: the bill of {} ends before the month does; add --partial pro-rata to compare by days",
            cut.join(", ")
        )));
    }
    let bills: Vec<&MonthBill> =
        bills.iter().filter(|bill| taken.contains_key(&bill.month)).collect();
    let mut notes = forecasts(&bills);
    currency(plan, &bills, &mut notes)?;
    let accounts = accounts(plan, &bills, &mut notes)?;
    let mut sums = Planned::default();
    let view = View::of(plan, &bills, options.metric);
    notes.extend(view.note(plan, options.metric));
    add_planned((plan, view), &taken, &elsewhere(not_billed, &bills, naming), &mut sums);
    let Planned { mut sides, elsewhere, kinds: planned_kinds } = sums;
    let own = own_meters(plan);
    for bill in &bills {
        has_metric(bill, options.metric)?;
        for line in bill.lines.iter().filter(|line| line.key.kind.is_consumption()) {
            let account = accounts.get(&line.key.account).unwrap_or(&line.key.account);
            let known = match fees_of(line.key.kind) {
                Some(fees) => Some([FEES.into(), String::new(), fees.name().into()]),
                None => place_of(line, naming, &own),
            };
            add_billed((bill, line, options.metric), account, known, &mut sides);
        }
    }
    notes.extend(coarse::join(&mut sides, &bills));
    let cells = variance::cells(sides);
    let (mut total, mut fees) = (Sum::default(), Sum::default());
    for cell in &cells {
        total.add(cell);
        if cell.service == FEES {
            fees.add(cell);
        }
    }
    let bridge = bridge(&bills, options.metric, &planned_kinds, (total, fees));
    let consumption = total.billed.to_f64();
    let discounts: f64 = bridge
        .iter()
        .filter(|step| step.kind == Kind::Discount)
        .map(|step| step.billed.to_f64())
        .sum();
    let known: BTreeSet<&str> = plan.accounts.iter().map(|account| &*account.name).collect();
    let unknown: BTreeSet<&String> =
        cells.iter().map(|c| &c.account).filter(|a| !known.contains(a.as_str())).collect();
    Ok(Reconciliation {
        plan: plan.name.clone(),
        metric: options.metric.name(),
        basis: view.name(plan),
        currency: plan.currency.clone(),
        short_names: plan.short_names.clone(),
        missing: missing(plan, &months, options),
        // A forecast that meets itself says nothing of how good it is.
        accuracy: accuracy(&cells, options.bars)
            .filter(|_| !months.iter().any(|month| month.share > 0.0 && month.forecast)),
        unknown_accounts: unknown.into_iter().cloned().collect(),
        set_aside: bills.iter().flat_map(|bill| &bill.set_aside).map(|aside| aside.rows).sum(),
        discount: (discounts != 0.0 && consumption != 0.0).then(|| -discounts / consumption),
        months,
        cells,
        total,
        bridge,
        elsewhere,
        notes,
    })
}

/// Returns notes on forecasts among the bills, one each or, if there are many, in one line.
fn forecasts(bills: &[&MonthBill]) -> Vec<String> {
    const FEW: usize = 3;
    let notes: Vec<String> = bills.iter().filter_map(|bill| bill.no_bill()).collect();
    if notes.len() <= FEW {
        return notes;
    }
    vec![format!(
        "{} of {} months hold rows that are a runrate forecast, not a bill; accuracy is not reported",
        notes.len(),
        bills.len()
    )]
}

/// Returns the months that both sides have, and how much of each is taken.
fn months(plan: &Plan, bills: &[MonthBill], options: Options) -> Result<Vec<Compared>, Gap> {
    let wanted = |month: Month| {
        options.from.is_none_or(|from| month >= from) && options.to.is_none_or(|to| month <= to)
    };
    let planned: BTreeSet<Month> = plan.months.iter().map(|month| month.month).collect();
    let both: Vec<&MonthBill> =
        bills.iter().filter(|bill| planned.contains(&bill.month) && wanted(bill.month)).collect();
    if both.is_empty() {
        let span = |months: &mut dyn Iterator<Item = Month>| {
            let months: Vec<Month> = months.collect();
            match (months.iter().min(), months.iter().max()) {
                (Some(first), Some(last)) => format!("{first} to {last}"),
                _ => "no month".into(),
            }
        };
        return Err(Gap::Actuals(format!(
            "the plan ({}) and the bills ({}) have no month in common",
            span(&mut planned.iter().copied().filter(|month| wanted(*month))),
            span(&mut bills.iter().map(|bill| bill.month))
        )));
    }
    Ok(both
        .into_iter()
        .map(|bill| {
            let whole = bill.month.days() as f64;
            let share = match (bill.is_partial(), options.partial) {
                (false, _) => 1.0,
                (true, Partial::Exclude) => 0.0,
                (true, Partial::ProRata) => f64::from(bill.days) / whole,
            };
            Compared {
                month: bill.month,
                days: bill.days,
                estimated: bill.estimated,
                share,
                source: bill.source.clone(),
                read_at: bill.read_at.clone(),
                forecast: bill.no_bill().is_some(),
            }
        })
        .collect())
}

/// Checks that the bills are in the plan's currency.
fn currency(plan: &Plan, bills: &[&MonthBill], notes: &mut Vec<String>) -> Result<(), Gap> {
    // A bill without a line is in no currency.
    for bill in bills.iter().filter(|bill| !bill.lines.is_empty()) {
        if bill.currency.is_empty() {
            let note = format!(
                "the bill of {} names no currency; it is read as {}",
                bill.month, plan.currency
            );
            notes.push(note);
        } else if bill.currency != plan.currency {
            return Err(Gap::Input(format!(
                "the bill of {} is in {}, but the plan is in {}",
                bill.month, bill.currency, plan.currency
            )));
        }
    }
    Ok(())
}

fn missing(plan: &Plan, months: &[Compared], options: Options) -> Vec<Month> {
    let have: BTreeSet<Month> = months.iter().map(|month| month.month).collect();
    let last = have.last().copied();
    plan.months
        .iter()
        .map(|month| month.month)
        .filter(|month| Some(*month) < last && !have.contains(month))
        .filter(|month| options.from.is_none_or(|from| *month >= from))
        .collect()
}

/// Returns names of the plan by account id of the bill.
fn accounts(
    plan: &Plan,
    bills: &[&MonthBill],
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Gap> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for account in &plan.accounts {
        names.insert(account.name.clone(), account.name.clone());
        if let Some(id) = &account.id {
            names.insert(id.clone(), account.name.clone());
        }
    }
    let billed: BTreeSet<&String> =
        bills.iter().flat_map(|bill| &bill.lines).map(|line| &line.key.account).collect();
    let found = billed.iter().filter(|id| names.contains_key(**id)).count();
    if found > 0 {
        return Ok(names);
    }
    if let ([account], Some(only), 1) = (&*plan.accounts, billed.first(), billed.len()) {
        let shown = if only.is_empty() { "no account id" } else { only };
        notes.push(format!(
            "the bill's only account ({shown}) is read as {}; set its `id` in the scenario to confirm it",
            account.name
        ));
        names.insert((*only).clone(), account.name.clone());
        return Ok(names);
    }
    let ids: Vec<&str> = billed.iter().take(5).map(|id| id.as_str()).collect();
    let own: Vec<&str> = plan.accounts.iter().map(|account| &*account.name).collect();
    Err(Gap::Input(format!(
        "none of the bill's accounts ({}) is in the plan; set `id` for the accounts ({}) in the scenario",
        ids.join(", "),
        own.join(", ")
    )))
}

/// Returns the meters of two plans with their differences: the first as planned, the second as billed.
pub fn between(a: &Plan, b: &Plan) -> Vec<Cell> {
    let mut sides: BTreeMap<Place, Sides> = BTreeMap::new();
    for (first, plan) in [(true, a), (false, b)] {
        for entry in &plan.entries {
            let price = plan.price_of(entry);
            let place = (
                entry.month,
                entry.account.clone(),
                price.cost_explorer_service.clone(),
                entry.key.region.clone(),
                entry.key.usage_type.clone(),
            );
            let own = sides.entry(place).or_default();
            let side = if first { &mut own.planned } else { &mut own.billed };
            let side = side.get_or_insert_default();
            side.quantity = Some(side.quantity.unwrap_or(0.0) + entry.quantity.get());
            side.cost += entry.cost;
        }
    }
    variance::cells(sides)
}

/// Checks that every line has the compared cost, those of the bridge too.
fn has_metric(bill: &MonthBill, metric: Metric) -> Result<(), Gap> {
    let says = |metric: Metric| bill.lines.iter().all(|line| line.cost(metric).is_some());
    if says(metric) {
        return Ok(());
    }
    let has: Vec<&str> =
        Metric::ALL.into_iter().filter(|metric| says(*metric)).map(Metric::name).collect();
    Err(Gap::Input(format!(
        "{} of {} has no {}; it has {}",
        bill.source,
        bill.month,
        metric.name(),
        has.join(", ")
    )))
}

/// Returns services that are not billed by AWS and that no bill has: a Marketplace's bill has them.
fn elsewhere(not_billed: &[String], bills: &[&MonthBill], naming: &Naming<'_>) -> Vec<String> {
    let lines = || bills.iter().flat_map(|bill| &bill.lines);
    let billed = |code: &&String| lines().any(|line| naming.code(&line.key.service) == **code);
    not_billed.iter().filter(|code| !billed(code)).cloned().collect()
}

/// Service as Cost Explorer names it, region and usage type, by what the plan's own prices are billed as: the
/// fees of commitments are in no price book.
type Meters<'a> = BTreeMap<[&'a str; 3], [&'a str; 3]>;

fn own_meters(plan: &Plan) -> Meters<'_> {
    let mut meters = Meters::new();
    for price in &plan.prices {
        let key = &price.key;
        let named = &price.cost_explorer_service;
        let service = if named.is_empty() { &key.service } else { named };
        // A price without a billed name would match every line without a usage type.
        let usage_types = [&price.billed_usage_type, &key.usage_type];
        for usage_type in usage_types.into_iter().filter(|name| !name.is_empty()) {
            let place = [&*key.service, &*key.region, &**usage_type];
            meters.entry(place).or_insert([service, &key.region, &key.usage_type]);
        }
    }
    meters
}

/// Returns service, region and usage type of a billed line, where they are known.
fn place_of(line: &Line, naming: &Naming<'_>, own: &Meters<'_>) -> Option<[String; 3]> {
    let key = &line.key;
    if let Some((known, shown)) = naming.key(&key.service, &key.region, &key.usage_type) {
        let service = if shown.is_empty() { known.service } else { shown.to_owned() };
        return Some([service, known.region, known.usage_type]);
    }
    let place = [naming.code(&key.service), &*key.region, &*key.usage_type];
    own.get(&place).map(|names| names.map(str::to_owned))
}

fn add_billed(
    (bill, line, metric): (&MonthBill, &Line, Metric),
    account: &str,
    known: Option<[String; 3]>,
    sides: &mut BTreeMap<Place, Sides>,
) {
    let key = &line.key;
    // Every line of the bill was found to say it.
    let Some(cost) = line.cost(metric) else { return };
    let unmapped = known.is_none();
    let [service, region, usage_type] =
        known.unwrap_or_else(|| [key.service.clone(), key.region.clone(), key.usage_type.clone()]);
    let place = (bill.month, account.to_owned(), service, region, usage_type);
    let sides = sides.entry(place).or_default();
    sides.unmapped |= unmapped;
    let billed = sides.billed.get_or_insert_default();
    billed.cost += cost.usd();
    // Covered usage stands twice, once with its negation: its quantity is the covered row's.
    let kind = key.kind;
    let counts = kind != Kind::PlanNegation && fees_of(kind).is_none();
    if let Some(quantity) = line.quantity.filter(|_| counts) {
        billed.quantity = Some(billed.quantity.unwrap_or(0.0) + quantity.to_f64());
    }
    if let Some(list) = line.list.map(Amount::to_f64).filter(|_| counts) {
        *sides.list.get_or_insert(0.0) += list;
    }
}

/// Returns money from a product of rates.
fn usd(value: f64) -> Usd {
    Usd::from_decimal(Decimal::from_f64_retain(value).unwrap_or_default())
}

fn bridge(
    bills: &[&MonthBill],
    metric: Metric,
    planned: &BTreeMap<Kind, Usd>,
    (total, fees): (Sum, Sum),
) -> Vec<Step> {
    let mut billed: BTreeMap<Kind, Amount> = BTreeMap::new();
    for line in bills.iter().flat_map(|bill| &bill.lines) {
        let kind = line.key.kind;
        if let Some(cost) = line.cost(metric).filter(|_| !kind.is_consumption()) {
            *billed.entry(kind).or_insert(Amount::ZERO) += cost;
        }
    }
    let billed: BTreeMap<Kind, Usd> =
        billed.into_iter().map(|(kind, cost)| (kind, cost.usd())).collect();
    let step = |kind, name, planned, billed| Step { kind, name, planned: Some(planned), billed };
    let mut first = vec![step(
        Kind::Usage,
        "consumption",
        total.planned - fees.planned,
        total.billed - fees.billed,
    )];
    if fees != Sum::default() {
        first.push(step(Kind::PlanFee, FEES, fees.planned, fees.billed));
    }
    let others = Kind::ALL.into_iter().filter_map(|kind| {
        let (planned, billed) = (planned.get(&kind).copied(), billed.get(&kind).copied());
        (planned.is_some() || billed.is_some()).then(|| Step {
            kind,
            name: kind.name(),
            planned,
            billed: billed.unwrap_or(Usd::ZERO),
        })
    });
    first.into_iter().chain(others).collect()
}

fn accuracy(cells: &[Cell], bars: Bars) -> Option<Accuracy> {
    let mut fine: BTreeMap<(Month, &str, &str), [f64; 2]> = BTreeMap::new();
    let mut totals: BTreeMap<Month, [f64; 2]> = BTreeMap::new();
    for cell in cells {
        let both = [cell.planned.cost.to_f64(), cell.billed.cost.to_f64()];
        let place = (cell.month, &*cell.account, &*cell.service);
        for sums in [fine.entry(place).or_default(), totals.entry(cell.month).or_default()] {
            sums[0] += both[0];
            sums[1] += both[1];
        }
    }
    let wape = |sums: &mut dyn Iterator<Item = [f64; 2]>| {
        let (off, all) = sums.fold((0.0, 0.0), |(off, all), [planned, billed]| {
            (off + (billed - planned).abs(), all + billed.abs())
        });
        (all > 0.0).then(|| off / all)
    };
    let of_totals = wape(&mut totals.values().copied())?;
    let (planned, billed) = totals.values().fold((0.0, 0.0), |s, t| (s.0 + t[0], s.1 + t[1]));
    let level = match of_totals {
        off if off <= bars.run => "run",
        off if off <= bars.walk => "walk",
        off if off <= bars.crawl => "crawl",
        _ => "below crawl",
    };
    Some(Accuracy {
        wape: wape(&mut fine.values().copied())?,
        wape_of_totals: of_totals,
        bias: (planned - billed) / billed,
        level,
    })
}

impl Reconciliation {
    /// Returns sums of the cells by a key, greatest difference first.
    pub fn by<K: Ord + Clone>(&self, key: impl Fn(&Cell) -> K) -> Vec<(K, Sum)> {
        let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
        for cell in &self.cells {
            sums.entry(key(cell)).or_default().add(cell);
        }
        let mut sums: Vec<(K, Sum)> = sums.into_iter().collect();
        sums.sort_by(|a, b| {
            let size = |sum: &Sum| sum.variance.total.decimal().abs();
            size(&b.1).cmp(&size(&a.1)).then_with(|| a.0.cmp(&b.0))
        });
        sums
    }

    /// Returns the month and account whose total is furthest off, where something was planned.
    pub fn worst(&self) -> Option<(Month, String, f64)> {
        let sums = self.by(|cell| (cell.month, cell.account.clone()));
        let off = sums
            .into_iter()
            .filter_map(|((month, account), sum)| Some((month, account, sum.share()?.abs())));
        off.max_by(|a, b| a.2.total_cmp(&b.2))
    }
}

mod coarse;
mod variance;
mod view;

pub use view::comparable_metric;
use view::{FEES, View, add_planned, fees_of};

#[cfg(test)]
mod tests;
