//! What purchases of commitments change of a plan: the same usage, rated with them and without.
//!
//! # Formula
//! ```text
//! in the plan     cost(commitments) = all charges of the plan, support, discounts and tax included
//! after the plan  Σ over spans between ends of terms  hours of the span × cost(last month, those still active)
//!                 / hours of the last month
//! ```
//! # Limits
//! After the plan's last month usage, prices and the scenario's contract stay as in that month.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, Prepared};
use crate::{
    error::{Error, Problem},
    facts::{
        commitment_rates::Kind,
        prices::{BillKey, PriceBook},
        shapes::AuroraClass,
    },
    intent::{commitment::Commitment, scenario::Scenario},
    measure::{calendar::Month, units::Usd},
    money::{
        inventory::sold_classes,
        ledger,
        rate::{
            Usage,
            commitment::{Applied, Eligible, Reach, draw_down, instance_of, reach},
            fixed::Fixed,
        },
    },
};

/// A trial's usage before commitments: the lines that they may cover, and the charges of all others.
#[derive(Debug, Clone, PartialEq)]
pub struct Metered {
    trial: u32,
    open: Vec<Usage>,
    fixed: Vec<Fixed>,
}

impl Metered {
    /// Roughly the bytes that it takes.
    pub fn bytes(&self) -> usize {
        let line = |used: &Usage| size_of::<Usage>() + 8 * used.line.hours.len();
        self.open.iter().map(line).sum::<usize>() + self.fixed.len() * size_of::<Fixed>()
    }
}

/// What purchases change of a trial, in USD; gains are positive.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Saving {
    /// Cost of the plan without them, less that with them.
    pub in_plan: Usd,
    /// The same after the plan, to the end of the last term.
    pub after: f64,
    /// Their fees over their terms.
    pub fees: f64,
    /// Of the fees, what covers usage.
    pub used: f64,
}

impl Saving {
    /// In the plan and after it, in USD.
    pub fn total(&self) -> f64 {
        self.in_plan.to_f64() + self.after
    }
}

impl std::ops::Sub for Saving {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            in_plan: self.in_plan - other.in_plan,
            after: self.after - other.after,
            fees: self.fees - other.fees,
            used: self.used - other.used,
        }
    }
}

/// Cost of a span under some commitments, with the fees of those that are looked at, in USD.
#[derive(Debug, Clone, Copy, Default)]
struct Outlay<T> {
    cost: T,
    fees: f64,
    used: f64,
}

impl Prepared<'_> {
    /// Meters a trial for purchases.
    ///
    /// # Errors
    /// As [`Prepared::run`].
    pub fn metered_for_purchases(&self, trial: u32) -> Result<Metered, Error> {
        self.in_trial(trial, |drawn| {
            let usage = drawn.metered(trial, |_, _| ())?;
            let may_be_covered = |used: &Usage| instance_of(&used.line.key).is_some();
            let (open, other): (Vec<_>, Vec<_>) = usage.into_iter().partition(may_be_covered);
            let fixed = if drawn.has_surcharges() {
                drawn.priced(&other, trial)?.by_service()
            } else {
                // They cancel out.
                Vec::new()
            };
            Ok(Metered { trial, open, fixed })
        })
    }

    /// What commitments could cover in a trial, month by month and hour by hour, after those of the scenario and
    /// some more.
    ///
    /// # Errors
    /// A commitment without a price.
    pub fn left_over(
        &self,
        metered: &Metered,
        more: &[Commitment],
    ) -> Result<Vec<Vec<Eligible>>, Error> {
        self.in_trial(metered.trial, |drawn| {
            let mut usage = metered.open.clone();
            let own = drawn.scenario.commitments.iter().chain(more);
            let bought: Vec<Commitment> = own.cloned().collect();
            let regions = drawn.regions_of(&bought);
            let drawn_down = draw_down(&mut usage, &drawn.terms(&bought, &regions));
            drawn_down.map(|(_, left)| left).map_err(|wrong| drawn.unbought(wrong))
        })
    }

    /// What one unit of a commitment covers of a month's eligible lines, in the order of a plan.
    ///
    /// # Errors
    /// A commitment without a price.
    pub fn reach_of(&self, bought: &Commitment, left: &[Eligible]) -> Result<Reach, String> {
        let one = std::slice::from_ref(bought);
        let regions = self.regions_of(one);
        reach((bought, &regions[0]), left, &self.terms(one, &regions))
    }

    /// What sets of purchases, each in addition to the scenario's own commitments, save in a trial.
    ///
    /// # Errors
    /// A commitment without a price.
    pub fn savings(
        &self,
        metered: &Metered,
        sets: &[Vec<Commitment>],
    ) -> Result<Vec<Saving>, Error> {
        self.in_trial(metered.trial, |drawn| {
            let own = &drawn.scenario.commitments;
            let whole =
                Span { drawn, trial: metered.trial, open: &metered.open, fixed: &metered.fixed };
            let last = drawn.scenario.plan.start.plus(drawn.scenario.plan.months - 1);
            let (open, fixed) = metered.of_month(last);
            let last_month = Span { open: &open, fixed: &fixed, ..whole };
            let without = whole.outlay(own, own.len())?;
            let mut after = After { month: last, span: last_month, known: Vec::new() };
            let of = |set: &Vec<Commitment>| {
                let all: Vec<Commitment> = own.iter().chain(set).cloned().collect();
                let with = whole.outlay(&all, own.len())?;
                let end = set.iter().map(|bought| after.hours_left(bought)).max().unwrap_or(0);
                let later = after.outlay(&all, own.len(), end)?;
                let later_without = after.outlay(own, own.len(), end)?;
                Ok(Saving {
                    in_plan: without.cost - with.cost,
                    after: later_without.cost - later.cost,
                    fees: with.fees + later.fees,
                    used: with.used + later.used,
                })
            };
            sets.iter().map(of).collect()
        })
    }

    /// What a set of purchases changes of each month of the plan in a trial.
    ///
    /// # Errors
    /// As [`Self::savings`].
    pub fn savings_by_month(
        &self,
        metered: &Metered,
        set: &[Commitment],
    ) -> Result<Vec<MonthlySaving>, Error> {
        self.in_trial(metered.trial, |drawn| {
            let own = &drawn.scenario.commitments;
            let all: Vec<Commitment> = own.iter().chain(set).cloned().collect();
            let rated = |bought: &[Commitment]| {
                drawn.rate_under(metered.open.clone(), metered.trial, bought, &metered.fixed)
            };
            let (without, _) = rated(own)?;
            let (with, applied) = rated(&all)?;
            let mut saved: BTreeMap<Month, Usd> = BTreeMap::new();
            for entry in &without.entries {
                *saved.entry(entry.month).or_default() += entry.cost;
            }
            for entry in &with.entries {
                let sum = saved.entry(entry.month).or_default();
                *sum = *sum - entry.cost;
            }
            let plan = &drawn.scenario.plan;
            let months = (0..plan.months).map(|at| plan.start.plus(at));
            let of = |month: Month| {
                let saved = saved.get(&month).map_or(0.0, |saved| saved.to_f64());
                MonthlySaving { saved, ..monthly(&applied, own.len(), month) }
            };
            Ok(months.map(of).collect())
        })
    }
}

/// What commitments from `first` on, in the order in which they were bought, cost and cover in a month.
fn monthly(applied: &Applied, first: usize, month: Month) -> MonthlySaving {
    let mut sum = MonthlySaving::of(month);
    let uses = applied.uses.iter().skip(first).flat_map(|own| &own.months);
    for own in uses.filter(|own| own.month == month) {
        sum.fee += own.fee.to_f64();
        sum.used += own.used.to_f64();
        sum.cash += own.cash.to_f64();
        sum.upfront += own.upfront.to_f64();
    }
    for own in applied.coverage.iter().filter(|own| own.month == month) {
        sum.eligible += own.eligible.to_f64();
        sum.covered += own.covered.to_f64();
    }
    sum
}

/// What purchases change of a month of the plan, in USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MonthlySaving {
    /// The month.
    pub month: Month,
    /// Cost without them, less that with them, upfront payments spread over their terms.
    pub saved: f64,
    /// Their fees, upfront payments spread over their terms.
    pub fee: f64,
    /// Of the fees, what covers usage.
    pub used: f64,
    /// Paid for them in the month, upfront payments in full.
    pub cash: f64,
    /// Of that, upfront payments.
    pub upfront: f64,
    /// Usage that all commitments could cover, at on-demand prices.
    pub eligible: f64,
    /// Of that, what they cover, with those of the scenario.
    pub covered: f64,
}

impl MonthlySaving {
    fn of(month: Month) -> Self {
        Self {
            month,
            saved: 0.0,
            fee: 0.0,
            used: 0.0,
            cash: 0.0,
            upfront: 0.0,
            eligible: 0.0,
            covered: 0.0,
        }
    }
}

/// Returns whether a book has an on-demand price of a database class of the bill.
pub(super) fn sells_database(book: &PriceBook, region: &str, class: &str) -> bool {
    let usage_type = format!("InstanceUsage:{class}");
    let key = BillKey::new("AmazonRDS", region, &usage_type, "CreateDBInstance:0021");
    book.find(&key).is_some()
}

/// Returns the commitments of a scenario that AWS does not sell, each with the nearest that it does.
pub(super) fn unsold(scenario: &Scenario, facts: &Facts) -> Vec<Problem> {
    let rules = &facts.commitment_rules;
    let mut problems = Vec::new();
    for (index, bought) in scenario.commitments.iter().enumerate() {
        if let Some(refusal) = rules.refusal(bought.kind, bought.term, bought.payment) {
            let key = format!("commitments[{index}].{}", refusal.key);
            problems.push(scenario.document.problem(&key, &refusal.message));
        }
        if bought.kind == Kind::DatabaseSavingsPlan
            && let Some(message) = without_database(bought, scenario, facts)
        {
            problems
                .push(scenario.document.problem(&format!("commitments[{index}].kind"), &message));
        }
    }
    problems
}

/// Returns why a Database Savings Plan covers none of the databases that it could serve; none where it covers one, or
/// where there is none.
fn without_database(bought: &Commitment, scenario: &Scenario, facts: &Facts) -> Option<String> {
    let (rules, catalog) = (&facts.commitment_rules, &facts.catalog);
    let shared = scenario.billing.consolidated;
    let mut families = BTreeSet::new();
    let mut regions = BTreeSet::new();
    let served = |name: &str| bought.rank_of(name, shared).is_some();
    for account in scenario.accounts.iter().filter(|account| served(&account.name)) {
        for service in &account.stack.services {
            let sold: Vec<AuroraClass> =
                sold_classes(&account.settings.region, catalog, &facts.prices)
                    .into_iter()
                    .cloned()
                    .collect();
            for class in service.database_capacity(catalog, &sold) {
                if rules.database_plan_covers(&class) {
                    return None;
                }
                regions.insert(&*account.settings.region);
                families.insert(class.rsplit_once('.').map_or(&*class, |(own, _)| own).to_owned());
            }
        }
    }
    let sold = |class: &str| {
        let usage_type = format!("InstanceUsage:{class}");
        let key =
            |region: &str| BillKey::new("AmazonRDS", region, &usage_type, "CreateDBInstance:0021");
        regions.iter().any(|region| facts.prices.find(&key(region)).is_some())
    };
    let covered = catalog.aurora().iter().filter(|own| rules.database_plan_covers(&own.class));
    let nearest: BTreeSet<String> = covered
        .filter(|own| sold(&own.billing_class))
        .map(|own| format!("db.{}", own.family))
        .collect();
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    (!families.is_empty()).then(|| {
        format!(
            "AWS applies no {} to {}; it covers serverless capacity and generation {} and newer. Choose kind = \"{}\", or move the database to {}",
            bought.kind.title(),
            list(families),
            rules.database_plan_generation,
            Kind::RdsReservedInstance.name(),
            list(nearest)
        )
    })
}

impl Metered {
    fn of_month(&self, month: Month) -> (Vec<Usage>, Vec<Fixed>) {
        let open = self.open.iter().filter(|used| used.month == month).cloned();
        let fixed = self.fixed.iter().filter(|fixed| fixed.month == month).cloned();
        (open.collect(), fixed.collect())
    }
}

/// Usage of some months, to be rated with commitments.
#[derive(Clone, Copy)]
struct Span<'a> {
    drawn: &'a Prepared<'a>,
    trial: u32,
    open: &'a [Usage],
    fixed: &'a [Fixed],
}

impl Span<'_> {
    /// What it costs under commitments, with the fees of those from `first` on.
    fn outlay(&self, bought: &[Commitment], first: usize) -> Result<Outlay<Usd>, Error> {
        let (rated, applied) =
            self.drawn.rate_under(self.open.to_vec(), self.trial, bought, self.fixed)?;
        let months = applied.uses.iter().skip(first).flat_map(|own| &own.months);
        let mut outlay = Outlay { cost: ledger::total(&rated.entries), ..Outlay::default() };
        for month in months {
            outlay.fees += month.fee.to_f64();
            outlay.used += month.used.to_f64();
        }
        Ok(outlay)
    }
}

/// The time after the plan, all of it like the plan's last month.
struct After<'a> {
    month: Month,
    span: Span<'a>,
    known: Vec<(Vec<Commitment>, Outlay<Usd>)>,
}

impl After<'_> {
    /// Hours of a term after the plan's last month.
    fn hours_left(&self, bought: &Commitment) -> usize {
        let rules = &self.span.drawn.facts.commitment_rules;
        let term = rules.hours(bought.term) as usize;
        let mut gone = 0;
        let mut month = bought.start;
        while month <= self.month {
            gone += month.hours();
            month = month.plus(1);
        }
        term.saturating_sub(gone)
    }

    /// What the hours up to `end` cost under commitments, with the fees of those from `first` on.
    fn outlay(
        &mut self,
        bought: &[Commitment],
        first: usize,
        end: usize,
    ) -> Result<Outlay<f64>, Error> {
        if end == 0 {
            return Ok(Outlay::default());
        }
        let left: Vec<usize> = bought.iter().map(|own| self.hours_left(own)).collect();
        let mut ends: Vec<usize> =
            left.iter().copied().filter(|at| (1..end).contains(at)).collect();
        ends.push(end);
        ends.sort_unstable();
        ends.dedup();
        let mut sum = Outlay::default();
        let mut from = 0;
        for to in ends {
            let active = |at: &usize| left[*at] >= to;
            let own = (0..first.min(bought.len())).filter(active).count();
            let all: Vec<Commitment> = (0..bought.len())
                .filter(active)
                .map(|at| Commitment { start: self.month, ..bought[at].clone() })
                .collect();
            let month = self.of_month(all, own)?;
            let share = (to - from) as f64 / self.month.hours() as f64;
            sum.cost += month.cost.to_f64() * share;
            sum.fees += month.fees * share;
            sum.used += month.used * share;
            from = to;
        }
        Ok(sum)
    }

    fn of_month(&mut self, bought: Vec<Commitment>, first: usize) -> Result<Outlay<Usd>, Error> {
        if let Some((_, known)) = self.known.iter().find(|(own, _)| *own == bought) {
            return Ok(*known);
        }
        let outlay = self.span.outlay(&bought, first)?;
        self.known.push((bought, outlay));
        Ok(outlay)
    }
}
