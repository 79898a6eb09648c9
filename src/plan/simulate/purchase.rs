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

use super::Prepared;
use crate::{
    error::Error,
    intent::commitment::Commitment,
    measure::{calendar::Month, units::Usd},
    money::{
        ledger,
        rate::{
            Usage,
            commitment::{Eligible, Reach, draw_down, instance_of, reach},
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

    /// What commitments could cover in a trial, month by month and hour by hour, after those of the scenario.
    ///
    /// # Errors
    /// A commitment of the scenario without a price.
    pub fn left_over(&self, metered: &Metered) -> Result<Vec<Vec<Eligible>>, Error> {
        self.in_trial(metered.trial, |drawn| {
            let mut usage = metered.open.clone();
            let regions = drawn.regions_of(&drawn.scenario.commitments);
            let drawn_down =
                draw_down(&mut usage, &drawn.terms(&drawn.scenario.commitments, &regions));
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
