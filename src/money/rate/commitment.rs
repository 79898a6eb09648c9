//! Commitments drawn down hour by hour, before anything is rated.
//!
//! # Formula
//! ```text
//! each hour, in this order: reserved instances, EC2 Instance Savings Plans, Compute Savings Plans
//! reservation    pool = count × units of its size;  a usage of h hours takes h × units of its own size,
//!                the buyer's first, small sizes before large ones
//! Savings Plan   pool = USD an hour;                a usage of h hours takes h × its plan rate,
//!                the buyer's first, the highest saving on the on-demand price first, the lowest rate on a tie
//! what the pool covers leaves the on-demand line; what is left of the pool is lost
//! ```
//! The ledger then holds the on-demand rest, the covered hours at their effective price, and the unused part
//! of the fee: together, to the cent, the on-demand rest and the whole fee.
//!
//! # Source
//! The order, and the order within a plan: Savings Plans user guide,
//! "Understanding how Savings Plans apply to your usage": the buyer's account first, then the organization.
//! # Limits
//! What is metered without hours of its own is taken to be the same in each hour. Plans of the same kind apply
//! in the order of the scenario. Fargate and Lambda, which Compute Savings Plans cover too, are not modelled.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{Charge, Part, PriceStep, PriceUsed, Rated, Usage};
use crate::{
    facts::{
        commitment_rates::{Kind, Rates, Rules, family_and_size},
        prices::{BillKey, PriceBook},
    },
    intent::commitment::Commitment,
    measure::{
        calendar::Month,
        units::{Quantity, UnitPrice, Usd},
    },
    money::{
        coverage::{CommitmentMonth, CommitmentUse, Coverage},
        ledger::Entry,
    },
    usage::services::Basis,
};

const EC2: &str = "AmazonEC2";
const RDS: &str = "AmazonRDS";
/// Usage types of Aurora instances, before the colon.
const INSTANCE_HOURS: &str = "InstanceUsage";
const IO_OPTIMIZED_HOURS: &str = "InstanceUsageIOOptimized";
/// Linux instances, the only ones whose reservations cover other sizes.
const LINUX: &str = "RunInstances";
/// Aurora `PostgreSQL`: a reservation is for one engine.
const AURORA_POSTGRESQL: &str = "CreateDBInstance:0021";

/// What commitments are drawn down by.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What was bought.
    pub bought: &'a [Commitment],
    /// Region of each, the account's where it names none.
    pub regions: &'a [String],
    /// How commitments work.
    pub rules: &'a Rules,
    /// What they cost.
    pub rates: &'a Rates,
    /// On-demand prices.
    pub book: &'a PriceBook,
    /// Whether accounts share what is left over.
    pub shared: bool,
}

/// A usage that a commitment may cover.
#[derive(Debug, Clone, PartialEq)]
pub struct Eligible {
    /// Its place among the usage.
    pub line: usize,
    /// The account.
    pub account: String,
    /// The meter.
    pub key: BillKey,
    /// EC2 instance type, or DB instance class as the book of commitments names it.
    pub instance_type: String,
    /// Normalized units of an instance; none for a size without.
    pub units: Option<f64>,
    /// On-demand price, in USD an hour.
    pub on_demand: f64,
    /// Hours not yet covered, by the hour of the month.
    pub left: Vec<f64>,
}

impl Eligible {
    /// Whether it is an EC2 instance.
    pub fn is_ec2(&self) -> bool {
        self.key.service == EC2
    }
}

/// EC2 instance type, or DB instance class as the book of commitments names it, of a meter that commitments
/// may cover; none for any other meter.
pub fn instance_of(key: &BillKey) -> Option<String> {
    let (kind, name) = key.usage_type.split_once(':')?;
    match (&*key.service, kind) {
        (EC2, "BoxUsage") => Some(name.to_owned()),
        (RDS, INSTANCE_HOURS | IO_OPTIMIZED_HOURS) => Some(in_full(name)),
        _ => None,
    }
}

/// A fault of a commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Its place among those bought.
    pub place: usize,
    /// What is wrong.
    pub message: String,
}

/// What commitments did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Applied {
    covered: Vec<Covered>,
    unused: Vec<Unused>,
    /// By commitment, in their order.
    pub uses: Vec<CommitmentUse>,
    /// By month, account and service.
    pub coverage: Vec<Coverage>,
}

#[derive(Debug, Clone, PartialEq)]
struct Covered {
    month: Month,
    account: String,
    key: BillKey,
    bought: usize,
    hours: f64,
    rate: f64,
    cost: Usd,
    source: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Unused {
    month: Month,
    bought: usize,
    fee: Usd,
    cost: Usd,
}

/// The usage of a month that commitments may cover.
pub fn eligible(usage: &[Usage], lines: &[usize], terms: &Terms<'_>) -> Vec<Eligible> {
    let of = |line: &usize| {
        let used = &usage[*line];
        let key = &used.line.key;
        let instance_type = instance_of(key)?;
        let io_optimized = key.usage_type.starts_with(IO_OPTIMIZED_HOURS);
        let hours = used.month.hours();
        let quantity = used.line.quantity.get();
        let sum: f64 = used.line.hours.iter().sum();
        let left = if used.line.hours.len() == hours && sum > 0.0 {
            used.line.hours.iter().map(|hour| hour * (quantity / sum)).collect()
        } else {
            vec![quantity / hours as f64; hours]
        };
        let on_demand = terms.book.find(key)?.rows[0].price.to_f64();
        let (_, size) = family_and_size(&instance_type);
        let times = if io_optimized { terms.rules.io_optimized_units } else { 1.0 };
        let units = terms.rules.units(size).map(|units| units * times);
        let (account, key) = (used.account.clone(), key.clone());
        Some(Eligible { line: *line, account, key, instance_type, units, on_demand, left })
    };
    lines.iter().filter_map(of).collect()
}

/// `db.r6g.xl` as it is called outside the bill, `db.r6g.xlarge`.
fn in_full(class: &str) -> String {
    if class.ends_with("xl") { format!("{class}arge") } else { class.to_owned() }
}

/// Draws commitments down over all months; the usage keeps what they did not cover.
///
/// # Errors
/// A commitment without a price, with the nearest ones.
pub fn apply(usage: &mut [Usage], terms: &Terms<'_>) -> Result<Applied, Vec<Wrong>> {
    Ok(draw_down(usage, terms)?.0)
}

/// Draws commitments down, and keeps what of each month they left over.
///
/// # Errors
/// As [`apply`].
pub fn draw_down(
    usage: &mut [Usage],
    terms: &Terms<'_>,
) -> Result<(Applied, Vec<Vec<Eligible>>), Vec<Wrong>> {
    let mut applied = Applied::default();
    for bought in terms.bought {
        let Commitment { name, kind, term, payment, account, .. } = bought.clone();
        applied.uses.push(CommitmentUse { name, kind, term, payment, account, months: vec![] });
    }
    let mut months: BTreeMap<Month, Vec<usize>> = BTreeMap::new();
    for (line, used) in usage.iter().enumerate() {
        months.entry(used.month).or_default().push(line);
    }
    let mut wrong = Vec::new();
    let mut kept = Vec::new();
    for (month, lines) in months {
        let mut left = eligible(usage, &lines, terms);
        let before: Vec<f64> = left.iter().map(|line| line.left.iter().sum()).collect();
        for bought in in_order(terms.bought) {
            match draw(bought, month, &mut left, terms) {
                Ok(drawn) => applied.add(bought, month, drawn, terms),
                Err(message) if wrong.iter().all(|known: &Wrong| known.place != bought) => {
                    wrong.push(Wrong { place: bought, message });
                }
                Err(_) => {}
            }
        }
        applied.cover(month, &left, &before);
        for (line, before) in left.iter().zip(before) {
            let rest: f64 = line.left.iter().sum();
            if rest < before {
                usage[line.line].line.quantity = Quantity::new(rest.max(0.0));
            }
        }
        kept.push(left);
    }
    if wrong.is_empty() { Ok((applied, kept)) } else { Err(wrong) }
}

/// Places of commitments in the order in which AWS applies them.
fn in_order(bought: &[Commitment]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..bought.len()).collect();
    places.sort_by_key(|place| match bought[*place].kind {
        Kind::Ec2ReservedInstance | Kind::RdsReservedInstance => 0,
        Kind::Ec2InstanceSavingsPlan => 1,
        Kind::ComputeSavingsPlan => 2,
    });
    places
}

/// A line that a commitment covered in a month.
struct CoveredLine {
    line: Eligible,
    /// Hours covered.
    hours: f64,
    rate: Rate,
}

/// The price of an instance type under a commitment.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// Price of an hour, in USD.
    pub usd_per_hour: f64,
    /// Where it is from.
    pub source: String,
}

/// What a commitment covered in a month.
struct Drawn {
    /// Fee an hour, in USD.
    fee: f64,
    hours: usize,
    lines: Vec<CoveredLine>,
    on_demand: f64,
}

/// A line that a commitment may cover, with what an hour of it takes from the pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its place among the eligible lines.
    pub place: usize,
    /// Units of the pool that an hour of it takes.
    pub takes: f64,
    /// Effective price of a covered hour, in USD.
    pub rate: f64,
    /// Where that price is from.
    pub source: String,
}

/// What one unit of a commitment, a dollar an hour or an instance, gives and costs, and what it covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// Units of the pool that it gives each hour.
    pub gives: f64,
    /// Its fee, in USD an hour.
    pub fee: f64,
    /// The lines that it covers, in its order.
    pub candidates: Vec<Candidate>,
}

/// Returns what one unit of a commitment covers of a month's eligible lines. Plans and the advice on what to
/// buy both ask here, so that they cannot differ.
///
/// # Errors
/// A commitment without a price, with the nearest ones.
pub fn reach(
    (bought, region): (&Commitment, &str),
    left: &[Eligible],
    terms: &Terms<'_>,
) -> Result<Reach, String> {
    if bought.kind.is_savings_plan() {
        let candidates = plan_candidates((bought, region), left, terms)?;
        Ok(Reach { gives: 1.0, fee: 1.0, candidates })
    } else {
        reservation((bought, region), left, terms)
    }
}

fn draw(
    place: usize,
    month: Month,
    left: &mut [Eligible],
    terms: &Terms<'_>,
) -> Result<Drawn, String> {
    let bought = &terms.bought[place];
    let hours = bought.hours_in(month, terms.rules);
    let Reach { gives, fee, candidates } = reach((bought, &terms.regions[place]), left, terms)?;
    let (pool, fee) = (bought.size() * gives, bought.size() * fee);
    let mut covered = vec![0.0; candidates.len()];
    let mut on_demand = 0.0;
    for hour in hours.clone() {
        let mut rest = pool;
        for (candidate, covered) in candidates.iter().zip(&mut covered) {
            if rest <= 0.0 {
                break;
            }
            let line = &mut left[candidate.place];
            let taken = line.left[hour].min(rest / candidate.takes);
            line.left[hour] -= taken;
            rest -= taken * candidate.takes;
            *covered += taken;
            on_demand += taken * line.on_demand;
        }
    }
    let lines = candidates.into_iter().zip(covered).filter(|(_, covered)| *covered > 0.0);
    let lines = lines.map(|(candidate, covered)| {
        let line = Eligible { left: Vec::new(), ..left[candidate.place].clone() };
        let rate = Rate { usd_per_hour: candidate.rate, source: candidate.source };
        CoveredLine { line, hours: covered, rate }
    });
    Ok(Drawn { fee, hours: hours.len(), lines: lines.collect(), on_demand })
}

fn belongs(bought: &Commitment, line: &Eligible, shared: bool) -> bool {
    shared || line.account == bought.account
}

/// The price of a type under a commitment, and where it is from.
pub fn rate_of(
    bought: &Commitment,
    region: &str,
    (instance_type, on_demand): (&str, f64),
    rates: &Rates,
) -> Result<Rate, String> {
    if let Some(percent) = bought.discount_percent {
        let source = format!("{percent} % off on demand, as the scenario says");
        let usd_per_hour = on_demand * (1.0 - percent / 100.0);
        return Ok(Rate { usd_per_hour, source });
    }
    let what = (bought.kind, bought.term, bought.payment);
    match rates.find(region, what, instance_type) {
        // On demand has become cheaper since: the rate is out of date.
        Some(rate) if rate.usd_per_hour >= on_demand => Err(format!(
            "the price of a {} of {instance_type} in {region} ({} USD an hour, {}) is not below today's on-demand price of {on_demand}. Give discount_percent, as AWS quotes it",
            bought.kind.title(),
            rate.usd_per_hour,
            rate.as_of
        )),
        Some(rate) => Ok(Rate {
            usd_per_hour: rate.usd_per_hour,
            source: format!("{}, {}", rate.source, rate.as_of),
        }),
        None => Err(format!(
            "no price of a {} of {instance_type} in {region}, {} {}; {}. Give discount_percent, as AWS quotes it",
            bought.kind.title(),
            bought.term.name(),
            bought.payment.name(),
            rates.nearest(region, bought.kind, instance_type)
        )),
    }
}

/// Lines that a Savings Plan covers, in its order.
fn plan_candidates(
    (bought, region): (&Commitment, &str),
    left: &[Eligible],
    terms: &Terms<'_>,
) -> Result<Vec<Candidate>, String> {
    let mut candidates = Vec::new();
    for (at, line) in left.iter().enumerate().filter(|(_, line)| line.is_ec2()) {
        let (family, _) = family_and_size(&line.instance_type);
        let of_family = bought.kind == Kind::ComputeSavingsPlan
            || bought.family.as_deref() == Some(family) && line.key.region == region;
        if !of_family || !belongs(bought, line, terms.shared) {
            continue;
        }
        let of = (&*line.instance_type, line.on_demand);
        let Rate { usd_per_hour: rate, source } =
            rate_of(bought, &line.key.region, of, terms.rates)?;
        candidates.push(Candidate { place: at, takes: rate, rate, source });
    }
    candidates.sort_by(|a, b| {
        let own = |c: &Candidate| left[c.place].account != bought.account;
        let saving = |c: &Candidate| 1.0 - c.rate / left[c.place].on_demand;
        own(a)
            .cmp(&own(b))
            .then(saving(b).total_cmp(&saving(a)))
            .then(a.rate.total_cmp(&b.rate))
            .then(a.place.cmp(&b.place))
    });
    Ok(candidates)
}

/// What one reservation gives and covers: sizes of its family share its normalized units, of one operating
/// system or engine.
fn reservation(
    (bought, region): (&Commitment, &str),
    left: &[Eligible],
    terms: &Terms<'_>,
) -> Result<Reach, String> {
    let own = bought.instance_type.as_deref().unwrap_or_default();
    let (family, size) = family_and_size(own);
    let on_demand = on_demand_price(bought, region, own, terms.book)?;
    let Rate { usd_per_hour: price, source } =
        rate_of(bought, region, (own, on_demand), terms.rates)?;
    // A size without units (metal) covers its own type alone.
    let units = terms.rules.units(size);
    let operation =
        if bought.kind == Kind::Ec2ReservedInstance { LINUX } else { AURORA_POSTGRESQL };
    let mut candidates = Vec::new();
    for (at, line) in left.iter().enumerate() {
        let same = family_and_size(&line.instance_type).0 == family
            && line.key.region == region
            && line.key.operation == operation
            && line.is_ec2() == (bought.kind == Kind::Ec2ReservedInstance);
        let takes = match (units, line.units) {
            (Some(_), Some(takes)) => takes,
            _ if line.instance_type == own => 1.0,
            _ => continue,
        };
        if same && belongs(bought, line, terms.shared) {
            let rate = price * takes / units.unwrap_or(1.0);
            candidates.push(Candidate { place: at, takes, rate, source: source.clone() });
        }
    }
    candidates.sort_by(|a, b| {
        let own = |c: &Candidate| left[c.place].account != bought.account;
        own(a).cmp(&own(b)).then(a.takes.total_cmp(&b.takes)).then(a.place.cmp(&b.place))
    });
    Ok(Reach { gives: units.unwrap_or(1.0), fee: price, candidates })
}

/// The on-demand price of what a reservation is for.
fn on_demand_price(
    bought: &Commitment,
    region: &str,
    instance_type: &str,
    book: &PriceBook,
) -> Result<f64, String> {
    let key = if bought.kind == Kind::Ec2ReservedInstance {
        BillKey::new(EC2, region, &format!("BoxUsage:{instance_type}"), LINUX)
    } else {
        let class = instance_type.replace("xlarge", "xl");
        BillKey::new(RDS, region, &format!("{INSTANCE_HOURS}:{class}"), AURORA_POSTGRESQL)
    };
    Ok(book.ladder(&key)?.rows[0].price.to_f64())
}

fn usd(value: f64) -> Usd {
    Usd::from_decimal(Decimal::try_from(value).unwrap_or_default())
}

impl Applied {
    fn add(&mut self, place: usize, month: Month, drawn: Drawn, terms: &Terms<'_>) {
        let bought = &terms.bought[place];
        let fee = usd(drawn.fee * drawn.hours as f64);
        let mut used = Usd::ZERO;
        for CoveredLine { line, hours, rate } in drawn.lines {
            let Rate { usd_per_hour: rate, source } = rate;
            // Rounding never covers more than was paid for.
            let cost = usd(hours * rate).min(fee - used);
            used += cost;
            let (account, key) = (line.account, line.key);
            self.covered.push(Covered {
                month,
                account,
                key,
                bought: place,
                hours,
                rate,
                cost,
                source,
            });
        }
        let unused = fee - used;
        // What is left by rounding is no waste: it goes to the last line.
        let dust = usd(1e-6);
        let unused = match self.covered.last_mut().filter(|last| last.bought == place) {
            Some(last) if unused > Usd::ZERO && unused < dust && last.month == month => {
                last.cost += unused;
                used += unused;
                Usd::ZERO
            }
            _ => unused,
        };
        if unused > Usd::ZERO {
            self.unused.push(Unused { month, bought: place, fee, cost: unused });
        }
        let upfront = terms.rules.upfront_share(bought.payment);
        let whole = drawn.fee * f64::from(terms.rules.hours(bought.term)) * upfront;
        let paid = if month == bought.start { whole } else { 0.0 };
        let cash = usd(paid + (1.0 - upfront) * drawn.fee * drawn.hours as f64);
        self.uses[place].months.push(CommitmentMonth {
            month,
            hours: drawn.hours as u32,
            fee,
            used,
            unused,
            on_demand: usd(drawn.on_demand),
            cash,
            upfront: usd(paid),
        });
    }

    fn cover(&mut self, month: Month, left: &[Eligible], before: &[f64]) {
        /// On-demand cost of an account's service, in USD.
        #[derive(Default)]
        struct Sums {
            eligible: f64,
            covered: f64,
        }
        let mut sums: BTreeMap<(String, String), Sums> = BTreeMap::new();
        for (line, before) in left.iter().zip(before) {
            let rest: f64 = line.left.iter().sum();
            let name = (line.account.clone(), line.key.service.clone());
            let sum = sums.entry(name).or_default();
            sum.eligible += before * line.on_demand;
            sum.covered += (before - rest).max(0.0) * line.on_demand;
        }
        self.coverage.extend(sums.into_iter().map(|((account, service), sums)| {
            let (eligible, covered) = (usd(sums.eligible), usd(sums.covered));
            Coverage { month, account, service, eligible, covered }
        }));
    }

    /// Adds what was covered, and what of the fees covered nothing, to rated usage.
    pub fn add_to(&self, rated: &mut Rated, terms: &Terms<'_>) {
        for covered in &self.covered {
            let bought = &terms.bought[covered.bought];
            let operation = if bought.kind.is_savings_plan() {
                "SavingsPlanCoveredUsage"
            } else {
                "DiscountedUsage"
            };
            let key = BillKey { operation: operation.into(), ..covered.key.clone() };
            let (billed, service) = printed(&covered.key, terms.book);
            let price = price(key, (billed, service, "Hrs"), covered.rate, &covered.source);
            let why = Basis::new(
                "hours covered by a commitment × its effective price",
                &[("covered", covered.hours, "Hrs"), ("effective price", covered.rate, "USD/Hr")],
            )
            .assuming(&format!("{} {:?}", bought.kind.title(), bought.name));
            let line = Line { month: covered.month, account: &covered.account, name: &bought.name };
            rated.add(line, price, covered.hours, covered.cost, why);
        }
        for unused in &self.unused {
            let bought = &terms.bought[unused.bought];
            let region = &terms.regions[unused.bought];
            let (key, service) = fee_meter(bought, region, terms.book);
            let printed = (key.usage_type.clone(), service, "USD");
            let source = "the part of the fee that covers no usage";
            let price = price(key, printed, 1.0, source);
            let quantity = unused.cost.to_f64();
            let why = Basis::new(
                "fee − what covered usage",
                &[("fee", unused.fee.to_f64(), "USD"), ("unused", quantity, "USD")],
            );
            let line = Line { month: unused.month, account: &bought.account, name: &bought.name };
            rated.add(line, price, quantity, unused.cost, why);
        }
    }
}

/// How a bill prints a meter: usage type and Cost Explorer service.
fn printed(key: &BillKey, book: &PriceBook) -> (String, String) {
    book.find(key).map_or_else(
        || (key.usage_type.clone(), key.service.clone()),
        |ladder| {
            let row = ladder.rows[0];
            (row.billed_usage_type().to_owned(), row.cost_explorer_service().to_owned())
        },
    )
}

/// The meter of a commitment's own fee, and its Cost Explorer service.
fn fee_meter(bought: &Commitment, region: &str, book: &PriceBook) -> (BillKey, String) {
    let payment: String = bought
        .payment
        .name()
        .split('-')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    let term = bought.term.name();
    if bought.kind.is_savings_plan() {
        let prefix = if bought.kind == Kind::ComputeSavingsPlan { "ComputeSP" } else { "EC2SP" };
        let usage_type = format!("{prefix}:{term}{payment}");
        let key = BillKey::new("ComputeSavingsPlans", region, &usage_type, "");
        return (key, "Savings Plans for AWS Compute usage".into());
    }
    let own = bought.instance_type.as_deref().unwrap_or_default();
    let (service, kind, operation) = if bought.kind == Kind::Ec2ReservedInstance {
        (EC2, "BoxUsage", LINUX)
    } else {
        (RDS, INSTANCE_HOURS, AURORA_POSTGRESQL)
    };
    let class = if service == RDS { own.replace("xlarge", "xl") } else { own.to_owned() };
    let like = BillKey::new(service, region, &format!("{kind}:{class}"), operation);
    let key = BillKey::new(service, region, &format!("HeavyUsage:{class}"), "");
    (key, printed(&like, book).1)
}

fn price(
    key: BillKey,
    (billed_usage_type, cost_explorer_service, unit): (String, String, &str),
    rate: f64,
    source: &str,
) -> PriceUsed {
    let price = UnitPrice::from_decimal(Decimal::try_from(rate).unwrap_or_default());
    PriceUsed {
        key,
        billed_usage_type,
        cost_explorer_service,
        unit: unit.into(),
        steps: vec![PriceStep {
            from: Decimal::ZERO,
            to: None,
            price,
            pool: String::new(),
            as_of: String::new(),
            source: source.to_owned(),
            confidence: "commitment".into(),
            note: String::new(),
        }],
        gap: None,
    }
}

/// Where a line belongs.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) month: Month,
    pub(super) account: &'a str,
    pub(super) name: &'a str,
}

impl Rated {
    /// Adds a line that no tier touches, with its own charge.
    pub(super) fn add(
        &mut self,
        line: Line<'_>,
        price: PriceUsed,
        quantity: f64,
        cost: Usd,
        why: Basis,
    ) {
        let key = price.key.clone();
        let known = self.prices.iter().rposition(|known| *known == price);
        let place = known.unwrap_or_else(|| {
            self.prices.push(price);
            self.prices.len() - 1
        });
        let each = self.prices[place].steps[0].price;
        let quantity = Quantity::new(quantity);
        let units = quantity.decimal().unwrap_or_default();
        self.charges.push(Charge {
            month: line.month,
            scope: line.account.to_owned(),
            price: place,
            quantity: units,
            parts: vec![Part { from: Decimal::ZERO, quantity: units, price: each }],
            cost,
        });
        self.entries.push(Entry {
            month: line.month,
            account: line.account.to_owned(),
            key,
            resource: line.name.to_owned(),
            quantity,
            cost,
            charge: self.charges.len() - 1,
            why,
        });
    }
}

#[cfg(test)]
mod tests;
