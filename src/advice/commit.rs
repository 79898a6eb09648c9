//! Recommended commitments: the sizes of Savings Plans and reservations with the least expected regret.
//!
//! # Formula
//! ```text
//! a layer k of a product is its k-th dollar an hour (or instance), used in an hour by what the order of
//! AWS puts there:  used_k(m) [USD on demand] and a fee f(m) = price × hours of the term in month m
//! worth of a purchase in month b = Σ over its term  used_k(m) − f(m)
//! regret of a trial = worth of the best purchases in hindsight − worth of the chosen ones, both over the
//!                     plan and a term after it
//! least expected regret = greatest expected worth, for each layer by itself, over the months of purchase:
//!   V(b) = max( V(b + 1),  E[worth(b)] + V(b + term) ),   V = 0 a term after the plan
//! saving of a trial = cost of the plan − cost of the plan with the purchases in `[[commitments]]`
//!                     + the same for the months after it, to the end of the last term
//! ```
//! Layers are independent: an hour's usage fills them from below, so each can be bought, or not, when it
//! pays. Purchases of one month add up to a plan of that month, and those of all months to the ladder. Layers
//! choose the purchases; what these save is rated as a plan is, by [`crate::plan::simulate::Prepared::savings`].
//!
//! A layer is bought only where it loses money in at most the allowed share of the trials. Products are added one
//! by one: the one that saves most, then the one that saves most of the usage that it leaves, while all purchases
//! together stay within the allowed chance of a loss and the allowed loss.
//!
//! # Source
//! Savage's minimax regret in its expected form: because what is best in hindsight does not depend on the
//! choice, the least expected regret is where the expected cost is least (Bell, "Regret in decision making under
//! uncertainty", Operations Research 30, 1982). The order of usage: [`crate::money::rate::commitment`].
//! # Limits
//! After the plan's last month, usage stays as in that month. A purchase is decided now, without what later months
//! teach. Convertible reservations are not recommended: they cost more for the same usage, and no exchange is modelled.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    facts::{
        commitment_rates::{Kind, Offering, OfferingClass, Payment, Term, family_and_size},
        prices::BillKey,
    },
    intent::commitment::Commitment,
    measure::calendar::Month,
    money::rate::commitment::Eligible,
    plan::{
        Plan,
        simulate::{Metered, MonthlySaving, Prepared, Saving},
        trials::{Watch, quantile},
    },
};

mod layers;
mod newer_class;
mod offer;

use layers::{Horizon, LAYERS, Used, layers, worth_of};
pub use newer_class::{ClassMove, NewerClass};
use offer::{Offer, offers};

/// Bytes of usage kept between choosing and judging; trials above it are metered again.
const MOST_KEPT: usize = 256 << 20;

/// Most products that are rated in full; those that save most in the mid case.
const MOST_RATED: usize = 12;

/// Most products of a recommendation.
const MOST_PRODUCTS: usize = 6;

/// Most months after a plan in which purchases can be paid back: those of the longest term.
const MOST_MONTHS: u32 = 36;

/// Share of the saving so far that a further product adds at least; less is not worth a line.
const WORTH_A_LINE: f64 = 0.01;

/// The request.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// First month of a purchase.
    pub from: Month,
    /// Months between purchases.
    pub every: u32,
    /// Largest share of the trials in which the purchases may lose money.
    pub max_loss_chance: f64,
    /// Largest loss in any trial, in USD; none without a limit.
    pub max_loss: Option<f64>,
    /// Discounts that AWS quotes.
    pub quotes: Vec<Quote>,
}

/// A discount that AWS quotes for an offering.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote {
    /// What is bought.
    pub offering: Offering,
    /// Discount on the on-demand price, as a share.
    pub discount: f64,
    /// The same on serverless database capacity, where it differs.
    pub serverless: Option<f64>,
}

/// A product that can be bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// What it is.
    pub kind: Kind,
    /// The account that buys it.
    pub account: String,
    /// Region; none for all of them.
    pub region: Option<String>,
    /// Family, type or class; none for any instance.
    pub of: Option<String>,
    /// For how long.
    pub term: Term,
    /// How it is paid.
    pub payment: Payment,
    /// Discount on the on-demand price, where the book has no price, in percent.
    pub discount_percent: Option<f64>,
    /// The same on serverless database capacity, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serverless_discount_percent: Option<f64>,
    /// Where its prices are from, and their date.
    pub source: String,
}

impl Product {
    /// Returns its name as AWS prints it, `RDS Reserved Instance, 1yr no-upfront, of db.r6g.large in us-east-1`.
    pub fn title(&self) -> String {
        let Self { kind, term, payment, .. } = *self;
        let class = OfferingClass::Standard;
        let of = self.of.as_ref().map(|of| format!(", of {of}")).unwrap_or_default();
        let region = self.region.as_ref().map(|own| format!(" in {own}")).unwrap_or_default();
        format!("{}{of}{region}", Offering { kind, class, term, payment }.title())
    }

    /// Returns a purchase of this size from a month on, as a scenario writes it.
    fn bought(&self, month: Month, size: f64) -> Commitment {
        let Self { kind, term, payment, .. } = *self;
        let parts = [Some(kind.title()), self.of.as_deref(), self.region.as_deref()];
        let what = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let (plan, name) = (kind.is_savings_plan(), self.of.clone());
        Commitment {
            name: format!(
                "{what}, {} {}, of {} from {month}",
                term.name(),
                payment.name(),
                self.account
            ),
            kind,
            account: self.account.clone(),
            start: month,
            term,
            payment,
            usd_per_hour: plan.then_some(size),
            family: name.clone().filter(|_| plan),
            instance_type: name.filter(|_| !plan),
            count: (!plan).then_some(size),
            offering_class: None,
            region: self.region.clone(),
            discount_percent: self.discount_percent,
            serverless_discount_percent: self.serverless_discount_percent,
            sharing: None,
            sharing_group: None,
        }
    }
}

/// A purchase of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purchase {
    /// Month it is bought in.
    pub month: Month,
    /// Size: dollars an hour of a Savings Plan, or instances.
    pub size: f64,
    /// Fee over the whole term, in USD.
    pub fee: f64,
    /// Of that, paid on the first day, in USD.
    pub upfront: f64,
}

/// P10, P50, P90 and mean, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Odds {
    /// P10.
    pub p10: f64,
    /// P50.
    pub p50: f64,
    /// P90.
    pub p90: f64,
    /// Mean.
    pub mean: f64,
}

impl Odds {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [p10, p50, p90] = [0.1, 0.5, 0.9].map(|p| quantile(&sorted, p));
        Self { p10, p50, p90, mean: sorted.iter().sum::<f64>() / sorted.len().max(1) as f64 }
    }
}

/// The effect of one product: by itself, or of a recommended one after those that are listed before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The product.
    pub product: Product,
    /// Recommended purchases by month.
    pub ladder: Vec<Purchase>,
    /// Cost of the plan without it, less that with it, over its terms.
    pub saving: Odds,
    /// Part of the mean saving within the plan's months.
    pub in_plan: f64,
    /// Additional saving of the best purchases in hindsight.
    pub regret: Odds,
    /// Probability that it loses money.
    pub loses: f64,
    /// Loss in the worst trial; 0 where it loses in none.
    pub worst_loss: f64,
    /// Mean saving in the fifth of the trials with the least usage: the saving, or loss, if growth falls short.
    pub if_growth_misses: f64,
    /// Mean share of the fees that covers usage.
    pub utilization: f64,
    /// Whether it is recommended.
    pub recommended: bool,
}

/// A product that is not worth buying, judged by its first layer, which is used most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// The product.
    pub product: Product,
    /// On-demand cost that a dollar of its fee covers, in the best month of purchase; above 1 it pays on average.
    pub covers: f64,
    /// Probability that it loses money.
    pub loses: f64,
}

/// All recommended purchases together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Together {
    /// The purchases, as `[[commitments]]` of a scenario.
    pub commitments: Vec<Commitment>,
    /// Cost of the plan without them, less that with them, over their terms.
    pub saving: Odds,
    /// Part of the mean saving within the plan's months.
    pub in_plan: f64,
    /// Probability that they lose money.
    pub loses: f64,
    /// Loss in the worst trial; 0 where they lose in none.
    pub worst_loss: f64,
    /// Mean saving in the fifth of the trials with the least usage.
    pub if_growth_misses: f64,
    /// Mean fees over their terms.
    pub fees: f64,
    /// Mean share of the fees that covers usage.
    pub utilization: f64,
    /// Means of the trials for each month of the plan.
    pub months: Vec<LadderMonth>,
    /// First month from which on the savings so far exceed what was paid in advance, with every month after the plan
    /// like its last; none within the terms.
    pub payback: Option<Month>,
}

/// What the recommended purchases cost and save in a month, as means of the trials, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LadderMonth {
    /// The month.
    pub month: Month,
    /// Upfront payments.
    pub upfront: f64,
    /// Fees that are paid by the hour.
    pub recurring: f64,
    /// Cost without them, less that with them, upfront payments spread over their terms.
    pub saved: f64,
    /// The same with upfront payments in full: what the bill changes by.
    pub cash: f64,
    /// Sum of `cash` so far.
    pub cash_so_far: f64,
    /// Share of their fees that covers usage; none without fees.
    pub utilization: Option<f64>,
    /// Share of the usage that commitments could cover that they cover, with those of the scenario; none without usage.
    pub coverage: Option<f64>,
}

/// A type whose price under a plan is below its spot price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BelowSpot {
    /// Instance type.
    pub instance_type: String,
    /// Region.
    pub region: String,
    /// The plan.
    pub plan: String,
    /// Its price, in USD an hour.
    pub plan_price: f64,
    /// Spot price of the book, in USD an hour.
    pub spot_price: f64,
    /// On-demand price, in USD an hour.
    pub on_demand_price: f64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advised {
    /// Number of trials.
    pub trials: u32,
    /// Whether it was stopped before all trials finished.
    pub stopped: bool,
    /// First and last month of the plan.
    pub months: [Month; 2],
    /// First month of a purchase.
    pub from: Month,
    /// Largest share of the trials in which the purchases may lose money.
    pub max_loss_chance: f64,
    /// Products: the recommended ones in their order, then the others, the best first.
    pub products: Vec<Advice>,
    /// Products that are not worth buying.
    pub rejected: Vec<Rejected>,
    /// All recommendations; none if there are none.
    pub recommended: Option<Together>,
    /// Why nothing is recommended; none where something is.
    pub why_nothing: Option<String>,
    /// A move to a newer database class and its commitments, in place of the recommended ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_move: Option<ClassMove>,
    /// Spot types of the mid case that a fully used plan would undercut.
    pub below_spot: Vec<BelowSpot>,
    /// Assumptions.
    pub notes: Vec<String>,
}

/// A trial, by which purchases are judged.
struct Trial {
    number: u32,
    /// Its usage, if there was room to keep it.
    kept: Option<Metered>,
}

impl Trial {
    /// Calls back with its usage.
    fn with<T>(
        &self,
        prepared: &Prepared<'_>,
        then: impl FnOnce(&Metered) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &self.kept {
            Some(metered) => then(metered),
            None => then(&prepared.metered_for_purchases(self.number)?),
        }
    }
}

/// Recommends commitments.
///
/// # Errors
/// A first month of purchase after the plan, and as [`Prepared::run`].
pub fn advise(
    prepared: &Prepared<'_>,
    question: &Question,
    trials: &[u32],
    watch: Watch<'_>,
) -> Result<Advised, Error> {
    let plan = &prepared.scenario().plan;
    let (start, last) = (plan.start, plan.start.plus(plan.months - 1));
    let from = question.from.max(start);
    if from > last {
        let message = format!(
            "the plan ends in {last}, and commitments can be bought from {from} on. Raise plan.months, or set --from to an earlier month"
        );
        let problem = prepared.scenario().document.problem("plan.months", &message);
        return Err(Error::input(vec![problem]));
    }
    let metered = prepared.metered_for_purchases(0)?;
    let room = MOST_KEPT / metered.bytes().max(1);
    let one = |(place, number): (usize, &u32)| {
        if (watch.stop)() {
            return None;
        }
        let metered = prepared.metered_for_purchases(*number);
        (watch.done)();
        let kept = |metered| Trial { number: *number, kept: (place < room).then_some(metered) };
        Some(metered.map(kept))
    };
    let all: Vec<Option<Result<Trial, Error>>> = trials.par_iter().enumerate().map(one).collect();
    let stopped = all.iter().any(Option::is_none);
    let trials: Vec<Trial> = all.into_iter().flatten().collect::<Result<_, Error>>()?;
    if trials.is_empty() {
        let place = crate::error::Place::default();
        return Err(Error::failed(
            place,
            "stopped before the first trial finished; there is nothing to report",
        ));
    }
    let search = Search { prepared, question, metered: &metered, trials: &trials, from };
    let (found, mut notes) = search.run()?;
    let recommended = search.together(&found)?;
    let mid = prepared.run(0)?;
    notes.extend(search.notes(&mid, recommended.as_ref()));
    let mut products: Vec<Advice> = found.steps;
    products.extend(found.others);
    let why_nothing = recommended.is_none().then(|| search.why_nothing(&products, &found.rejected));
    Ok(Advised {
        trials: trials.len() as u32,
        stopped,
        months: [start, last],
        from,
        max_loss_chance: question.max_loss_chance,
        below_spot: below_spot((prepared, &mid), question),
        recommended,
        why_nothing,
        class_move: None,
        products,
        rejected: found.rejected,
        notes,
    })
}

/// What purchases are chosen from and judged by.
struct Search<'a> {
    prepared: &'a Prepared<'a>,
    question: &'a Question,
    /// The mid case.
    metered: &'a Metered,
    trials: &'a [Trial],
    from: Month,
}

/// What a search found.
#[derive(Default)]
struct Found {
    /// The recommended products, each with what it adds to those before it.
    steps: Vec<Advice>,
    /// Products that pay by themselves and are not recommended, the best first.
    others: Vec<Advice>,
    rejected: Vec<Rejected>,
    /// By trial, of all recommended purchases.
    savings: Vec<Saving>,
    /// On-demand cost that layers of the first product could cover, by trial.
    used: Vec<f64>,
}

impl Found {
    fn commitments(&self) -> Vec<Commitment> {
        self.steps.iter().flat_map(|own| bought(&own.product, &own.ladder)).collect()
    }
}

/// A product's ladder with its saving in each trial, beside the purchases that were chosen before.
struct Judged {
    chosen: Chosen,
    /// Of all purchases.
    savings: Vec<Saving>,
    /// Of the product alone.
    gains: Vec<Saving>,
}

impl Search<'_> {
    /// Adds product after product.
    fn run(&self) -> Result<(Found, Vec<String>), Error> {
        let mut found = Found::default();
        let mut notes = Vec::new();
        for round in 0..MOST_PRODUCTS {
            let bought = found.commitments();
            let mid = self.prepared.left_over(self.metered, &bought)?;
            let (mut offers, skipped) = offers(self.prepared, self.question, &mid);
            offers.retain(|offer| found.steps.iter().all(|own| own.product != offer.product));
            let weighed = self.weigh(offers, &mid, &bought, &mut notes)?;
            let (mut judged, rejected) = self.judge(weighed, &found.savings, &bought)?;
            judged.sort_by(|a, b| mean_total(&b.gains).total_cmp(&mean_total(&a.gains)));
            let enough = WORTH_A_LINE * mean_total(&found.savings);
            let best = judged.first().is_some_and(|own| mean_total(&own.gains) > enough.max(0.0));
            if round == 0 {
                notes.extend(skipped);
                found.rejected = rejected;
                found.others = judged.iter().map(|own| own.advice(false)).collect();
            }
            if !best {
                break;
            }
            let best = judged.swap_remove(0);
            let step = best.advice(true);
            found.others.retain(|own| own.product != step.product);
            if round == 0 {
                found.used.clone_from(&best.chosen.used);
            }
            found.savings = best.savings;
            found.steps.push(step);
        }
        Ok((found, notes))
    }

    /// Returns the layers of the offers that save most in the mid case, by offer and trial.
    fn weigh(
        &self,
        offers: Vec<Offer>,
        mid: &[Vec<Eligible>],
        bought: &[Commitment],
        notes: &mut Vec<String>,
    ) -> Result<Vec<(Offer, Vec<Used>)>, Error> {
        let layers_of = |offer: &Offer, left: &[Vec<Eligible>]| {
            let one = offer.product.bought(self.from, 1.0);
            layers(offer.width, left, |lines| self.prepared.reach_of(&one, lines))
        };
        let mut known = Vec::new();
        for offer in offers {
            match layers_of(&offer, mid) {
                Ok(used) => {
                    let worth = choose(&offer, &[&used], &self.horizon(&offer), 1.0).worth;
                    known.push((worth, offer));
                }
                // A plan with it would be refused.
                Err(message) => notes.push(format!("skipped: {message}")),
            }
        }
        known.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        known.truncate(MOST_RATED);
        let offers: Vec<Offer> = known.into_iter().map(|(_, offer)| offer).collect();
        let of = |trial: &Trial| {
            trial.with(self.prepared, |metered| {
                let left = self.prepared.left_over(metered, bought)?;
                Ok(offers.iter().map(|offer| layers_of(offer, &left)).collect())
            })
        };
        let by_trial: Vec<Vec<Result<Used, String>>> =
            self.trials.par_iter().map(of).collect::<Result<_, Error>>()?;
        let mut by_offer: Vec<Result<Vec<Used>, String>> = vec![Ok(Vec::new()); offers.len()];
        for trial in by_trial {
            for (all, own) in by_offer.iter_mut().zip(trial) {
                match (own, &mut *all) {
                    (Ok(own), Ok(all)) => all.push(own),
                    (Err(message), Ok(_)) => *all = Err(message),
                    (_, Err(_)) => {}
                }
            }
        }
        let mut weighed = Vec::new();
        for (offer, used) in offers.into_iter().zip(by_offer) {
            match used {
                Ok(used) => weighed.push((offer, used)),
                Err(message) => notes.push(format!("skipped: {message}")),
            }
        }
        Ok(weighed)
    }

    /// Returns the ladders that stay within the limits, and the products without one. A ladder that exceeds them is
    /// chosen again from layers that lose less often.
    fn judge(
        &self,
        weighed: Vec<(Offer, Vec<Used>)>,
        before: &[Saving],
        bought: &[Commitment],
    ) -> Result<(Vec<Judged>, Vec<Rejected>), Error> {
        let most = self.question.max_loss_chance;
        let (mut judged, mut rejected) = (Vec::new(), Vec::new());
        let mut open = weighed;
        for bound in [most, most / 2.0, 0.0] {
            let mut chosen = Vec::new();
            for (offer, used) in open {
                let trials: Vec<&Used> = used.iter().collect();
                let own = choose(&offer, &trials, &self.horizon(&offer), bound);
                if own.ladder.is_empty() {
                    rejected.push(own.rejected());
                } else {
                    chosen.push((own, offer, used));
                }
            }
            let with = |(own, ..): &(Chosen, Offer, Vec<Used>)| {
                bought.iter().cloned().chain(own.commitments()).collect()
            };
            let sets: Vec<Vec<Commitment>> = chosen.iter().map(with).collect();
            let saved = self.savings(&sets)?;
            open = Vec::new();
            for ((chosen, offer, used), savings) in chosen.into_iter().zip(saved) {
                let gains: Vec<Saving> = match before {
                    [] => savings.clone(),
                    before => savings.iter().zip(before).map(|(own, was)| *own - *was).collect(),
                };
                if self.is_within_limits(&savings) && self.is_within_limits(&gains) {
                    judged.push(Judged { chosen, savings, gains });
                } else if bound > 0.0 {
                    open.push((offer, used));
                } else {
                    rejected.push(chosen.rejected());
                }
            }
        }
        Ok((judged, rejected))
    }

    fn is_within_limits(&self, savings: &[Saving]) -> bool {
        let totals = totals(savings);
        losing_share(&totals) <= self.question.max_loss_chance + 1e-12
            && self.question.max_loss.is_none_or(|most| worst_loss(&totals) <= most)
    }

    fn horizon(&self, offer: &Offer) -> Horizon {
        let plan = &self.prepared.scenario().plan;
        let term = offer.product.term;
        Horizon {
            start: plan.start,
            months: plan.months as usize,
            first: self.from.since(plan.start).unsigned_abs() as usize,
            every: self.question.every as usize,
            term: term.years() as usize * 12,
            term_hours: self.prepared.commitment_rules().hours(term) as usize,
        }
    }

    /// Returns the saving of each set of purchases in each trial: by set, then by trial.
    fn savings(&self, sets: &[Vec<Commitment>]) -> Result<Vec<Vec<Saving>>, Error> {
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let of = |trial: &Trial| {
            trial.with(self.prepared, |metered| self.prepared.savings(metered, sets))
        };
        let by_trial: Vec<Vec<Saving>> =
            self.trials.par_iter().map(of).collect::<Result<_, Error>>()?;
        Ok((0..sets.len()).map(|set| by_trial.iter().map(|own| own[set]).collect()).collect())
    }

    /// Returns all recommended purchases together, with their saving.
    fn together(&self, found: &Found) -> Result<Option<Together>, Error> {
        if found.steps.is_empty() {
            return Ok(None);
        }
        let commitments = found.commitments();
        let of = |trial: &Trial| {
            trial.with(self.prepared, |metered| {
                self.prepared.savings_by_month(metered, &commitments)
            })
        };
        let by_trial: Vec<Vec<MonthlySaving>> =
            self.trials.par_iter().map(of).collect::<Result<_, Error>>()?;
        let months = ladder_months(&by_trial);
        let (saved, totals) = (&found.savings, totals(&found.savings));
        let (fees, used) = (mean(saved, |own| own.fees), mean(saved, |own| own.used));
        let ends = commitments.iter().map(|own| own.start.plus(12 * own.term.years()));
        let end = ends.max().unwrap_or(self.from);
        Ok(Some(Together {
            saving: Odds::of(&totals),
            in_plan: mean(saved, |saving| saving.in_plan.to_f64()),
            loses: losing_share(&totals),
            worst_loss: worst_loss(&totals),
            if_growth_misses: lowest_fifth(&found.used, &totals),
            fees,
            utilization: if fees > 0.0 { used / fees } else { 0.0 },
            payback: payback(&months, end),
            months,
            commitments,
        }))
    }

    fn notes(&self, plan: &Plan, recommended: Option<&Together>) -> Vec<String> {
        let mut notes =
            vec!["after the plan's last month, usage stays as in that month".to_owned()];
        if !self.prepared.scenario().is_uncertain() {
            notes.push(
                "no number of the scenario is a range: trials differ only by chance, so a \
                    commitment looks safer than it is"
                    .to_owned(),
            );
        }
        let all = recommended.map_or(&[][..], |own| &own.commitments);
        let returns = &self.prepared.commitment_rules().returns;
        let next: Vec<&Commitment> = all.iter().filter(|own| own.start == self.from).collect();
        let returned = |own: &&&Commitment| {
            own.kind.is_savings_plan() && own.size() <= returns.max_usd_per_hour
        };
        if next.iter().any(|own| returned(&own)) {
            notes.push(format!(
                "AWS takes a Savings Plan of at most ${} an hour back within {} days, in the calendar month of the purchase: buy early in {} and check its utilization before the window closes",
                returns.max_usd_per_hour, returns.days, self.from
            ));
        }
        if next.iter().any(|own| !own.kind.is_savings_plan()) {
            notes.push("AWS takes no reserved instance back".to_owned());
        }
        notes.extend(self.node_pool_notes(plan, all));
        notes
    }

    /// Returns how node pools use what was bought for families that they run on demand in the mid case: Karpenter compares
    /// list prices and knows no commitment.
    fn node_pool_notes(&self, plan: &Plan, bought: &[Commitment]) -> Vec<String> {
        let accounts = &self.prepared.scenario().accounts;
        let pools = accounts.iter().flat_map(|own| own.stack.cluster.node_pools.keys());
        let pools: BTreeSet<&str> = pools.map(String::as_str).collect();
        let on_demand = plan.entries.iter().filter_map(|entry| {
            let name = entry.key.usage_type.strip_prefix("BoxUsage:")?;
            let (pool, _) = entry.resource.split_once('/')?;
            pools.contains(pool).then(|| family_and_size(name).0)
        });
        let in_pools: BTreeSet<&str> = on_demand.collect();
        let of = |own: &'_ Commitment| {
            let of = own.instance_type.as_deref().map(|own| family_and_size(own).0);
            own.family.as_deref().or(of).map(str::to_owned)
        };
        let families: BTreeSet<String> =
            bought.iter().filter(|own| own.kind.is_for_ec2()).filter_map(of).collect();
        let note = |family: &String| {
            format!(
                "Karpenter compares list prices and does not know commitments: a NodePool with weight 100, karpenter.k8s.aws/instance-family In [{family}], karpenter.sh/capacity-type In [on-demand] and limits of the size bought fills the {family} commitment first; or a NodeOverlay with a priceAdjustment on that family"
            )
        };
        families.iter().filter(|family| in_pools.contains(&***family)).map(note).collect()
    }

    /// Returns why no purchase is recommended.
    fn why_nothing(&self, products: &[Advice], rejected: &[Rejected]) -> String {
        let best = rejected.iter().max_by(|a, b| a.covers.total_cmp(&b.covers));
        match best {
            Some(best) if best.covers > 1.0 => format!(
                "The {} covers ${:.2} of on-demand usage for each $1 of its fee, but loses money in {} of the trials, and {} is allowed (--max-loss-chance{}).",
                best.product.title(),
                best.covers,
                percent(best.loses),
                percent(self.question.max_loss_chance),
                if self.question.max_loss.is_some() { ", --max-loss" } else { "" },
            ),
            Some(best) => format!(
                "The best of {}, the {}, covers ${:.2} of on-demand usage for each $1 of its fee.",
                counted(rejected.len(), "product"),
                best.product.title(),
                best.covers,
            ),
            None if products.is_empty() => {
                "Nothing that commitments with a known price cover runs on demand.".to_owned()
            }
            None => "No product saves money on average.".to_owned(),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("{count} {what}") } else { format!("{count} {what}s") }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Returns means of the trials for each month.
fn ladder_months(by_trial: &[Vec<MonthlySaving>]) -> Vec<LadderMonth> {
    let n = by_trial.len().max(1) as f64;
    let count = by_trial.first().map_or(0, Vec::len);
    let mut so_far = 0.0;
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let of = |place: usize| {
        let mean = |value: fn(&MonthlySaving) -> f64| {
            by_trial.iter().map(|own| value(&own[place])).sum::<f64>() / n
        };
        let (fee, cash, upfront) =
            (mean(|own| own.fee), mean(|own| own.cash), mean(|own| own.upfront));
        let saved = mean(|own| own.saved);
        let changed = saved + fee - cash;
        so_far += changed;
        LadderMonth {
            month: by_trial[0][place].month,
            upfront,
            recurring: cash - upfront,
            saved,
            cash: changed,
            cash_so_far: so_far,
            utilization: share(mean(|own| own.used), fee),
            coverage: share(mean(|own| own.covered), mean(|own| own.eligible)),
        }
    };
    (0..count).map(of).collect()
}

/// Returns the first month from which on cash so far stays positive, with each month after the plan like its last; none
/// before `end`.
fn payback(months: &[LadderMonth], end: Month) -> Option<Month> {
    let bought = months.iter().position(|own| own.upfront > 0.0 || own.recurring > 0.0)?;
    let open = months.iter().rposition(|own| own.cash_so_far < 0.0);
    if let Some(paid) = months.get(open.map_or(bought, |open| open + 1)) {
        return Some(paid.month);
    }
    let last = months.last().filter(|last| last.cash > 0.0)?;
    let more = (-last.cash_so_far / last.cash).ceil();
    (more < f64::from(MOST_MONTHS))
        .then(|| last.month.plus(more as u32))
        .filter(|month| *month < end)
}

/// A product's ladder, before it is judged.
struct Chosen {
    product: Product,
    ladder: Vec<Purchase>,
    /// Mean worth by its layers.
    worth: f64,
    /// By trial.
    regrets: Vec<f64>,
    /// On-demand cost that its layers could cover, by trial.
    used: Vec<f64>,
    /// On-demand cost that a dollar of the first layer's fee covers, in the best month of purchase.
    covers: f64,
    /// Share of the trials in which that loses money.
    loses: f64,
}

/// Chooses the purchases with the highest mean worth, of layers that lose money in at most a share of the trials.
fn choose(offer: &Offer, trials: &[&Used], horizon: &Horizon, max_loss_chance: f64) -> Chosen {
    let fee = offer.width * offer.fee;
    let n = trials.len() as f64;
    let mut sizes: BTreeMap<usize, f64> = BTreeMap::new();
    let mut regrets = vec![0.0; trials.len()];
    let (mut worth, mut covers, mut loses) = (0.0, 0.0_f64, 1.0);
    for layer in 0..LAYERS {
        let worths: Vec<Vec<Option<f64>>> =
            trials.iter().map(|own| horizon.worths(&own[layer], fee)).collect();
        let months = worths.first().map_or(0, Vec::len);
        let losing = |b: usize| {
            let lost = worths.iter().filter(|own| own[b].is_some_and(|worth| worth < 0.0));
            lost.count() as f64 / n
        };
        let mean: Vec<Option<f64>> = (0..months)
            .map(|b| worths.iter().map(|own| own[b]).sum::<Option<f64>>().map(|sum| sum / n))
            .collect();
        if layer == 0 {
            let whole = fee * horizon.term_hours as f64;
            for (b, worth) in mean.iter().enumerate().take(horizon.months) {
                if let Some(worth) = worth
                    && (worth + whole) / whole > covers
                {
                    (covers, loses) = ((worth + whole) / whole, losing(b));
                }
            }
        }
        let allowed: Vec<Option<f64>> =
            (0..months).map(|b| mean[b].filter(|_| losing(b) <= max_loss_chance + 1e-12)).collect();
        let policy = horizon.best(&allowed);
        worth += worth_of(&mean, &policy);
        for b in policy.iter().filter(|b| **b < horizon.months) {
            *sizes.entry(*b).or_default() += offer.width;
        }
        for (regret, own) in regrets.iter_mut().zip(&worths) {
            *regret += worth_of(own, &horizon.best(own)) - worth_of(own, &policy);
        }
        if trials.iter().all(|own| own[layer].iter().all(|used| *used == 0.0)) {
            // Nor are the layers above used.
            break;
        }
    }
    let ladder = sizes.into_iter().map(|(b, size)| {
        let fee = size * offer.fee * horizon.term_hours as f64;
        Purchase {
            month: horizon.start.plus(b as u32),
            size: (size * 1e6).round() / 1e6,
            fee,
            upfront: fee * offer.upfront_share,
        }
    });
    let used = trials.iter().map(|own| own.iter().flatten().sum()).collect();
    let product = offer.product.clone();
    Chosen { ladder: ladder.collect(), worth, regrets, used, covers, loses, product }
}

fn mean(savings: &[Saving], of: impl Fn(&Saving) -> f64) -> f64 {
    savings.iter().map(of).sum::<f64>() / savings.len().max(1) as f64
}

fn mean_total(savings: &[Saving]) -> f64 {
    mean(savings, Saving::total)
}

fn totals(savings: &[Saving]) -> Vec<f64> {
    savings.iter().map(Saving::total).collect()
}

fn losing_share(totals: &[f64]) -> f64 {
    totals.iter().filter(|saving| **saving < 0.0).count() as f64 / totals.len().max(1) as f64
}

fn worst_loss(totals: &[f64]) -> f64 {
    totals.iter().fold(0.0_f64, |worst, saving| worst.max(-saving))
}

impl Judged {
    fn advice(&self, recommended: bool) -> Advice {
        self.chosen.advice(&self.gains, recommended)
    }
}

impl Chosen {
    /// Returns its effect by its saving in each trial.
    fn advice(&self, savings: &[Saving], recommended: bool) -> Advice {
        let totals = totals(savings);
        let fees = mean(savings, |saving| saving.fees);
        let covered = mean(savings, |saving| saving.used);
        Advice {
            ladder: self.ladder.clone(),
            saving: Odds::of(&totals),
            in_plan: mean(savings, |saving| saving.in_plan.to_f64()),
            regret: Odds::of(&self.regrets),
            loses: losing_share(&totals),
            worst_loss: worst_loss(&totals),
            if_growth_misses: lowest_fifth(&self.used, &totals),
            utilization: if fees > 0.0 { covered / fees } else { 0.0 },
            recommended,
            product: self.product.clone(),
        }
    }

    fn rejected(&self) -> Rejected {
        Rejected { product: self.product.clone(), covers: self.covers, loses: self.loses }
    }

    /// Returns the purchases as `[[commitments]]` of a scenario.
    fn commitments(&self) -> Vec<Commitment> {
        bought(&self.product, &self.ladder)
    }
}

fn bought(product: &Product, ladder: &[Purchase]) -> Vec<Commitment> {
    ladder.iter().map(|purchase| product.bought(purchase.month, purchase.size)).collect()
}

/// Returns the mean saving of the trials with the least usage.
fn lowest_fifth(used: &[f64], savings: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..used.len()).collect();
    order.sort_by(|a, b| used[*a].total_cmp(&used[*b]).then(a.cmp(b)));
    let fifth = (order.len() / 5).max(1);
    order[..fifth].iter().map(|trial| savings[*trial]).sum::<f64>() / fifth as f64
}

/// Returns the spot types of the mid case that a fully used plan would undercut.
fn below_spot((prepared, plan): (&Prepared<'_>, &Plan), question: &Question) -> Vec<BelowSpot> {
    let mut found = Vec::new();
    let mut spot: BTreeSet<(&str, &str)> = BTreeSet::new();
    for entry in &plan.entries {
        if let Some(name) = entry.key.usage_type.strip_prefix("SpotUsage:") {
            spot.insert((&entry.key.region, name));
        }
    }
    for (region, name) in spot {
        let key = BillKey::new("AmazonEC2", region, &format!("SpotUsage:{name}"), "RunInstances");
        let price = plan.prices.iter().find(|price| price.key == key);
        let spot_price = price.map_or(0.0, |price| price.steps[0].price.to_f64());
        let Some(on_demand_price) = prepared.on_demand_price(region, name) else { continue };
        for (plan, plan_price) in plan_prices(prepared, question, (region, name), on_demand_price) {
            if plan_price < spot_price {
                found.push(BelowSpot {
                    instance_type: name.to_owned(),
                    region: region.to_owned(),
                    plan,
                    plan_price,
                    spot_price,
                    on_demand_price,
                });
            }
        }
    }
    found
}

/// Returns the prices of a type under every offering of the book, and under the quoted ones.
fn plan_prices(
    prepared: &Prepared<'_>,
    question: &Question,
    (region, name): (&str, &str),
    on_demand: f64,
) -> Vec<(String, f64)> {
    let rates = prepared.commitment_rates();
    let kinds = [Kind::Ec2InstanceSavingsPlan, Kind::Ec2ReservedInstance];
    let offered = rates.offered(region, &kinds, name).into_iter();
    let price = |what: Offering| Some((what.title(), rates.find(region, what, name)?.usd_per_hour));
    let mut prices: Vec<(String, f64)> =
        offered.filter(|what| what.class == OfferingClass::Standard).filter_map(price).collect();
    let quotes = question.quotes.iter().filter(|quote| quote.offering.kind.is_for_ec2());
    prices.extend(quotes.map(|own| (own.offering.title(), on_demand * (1.0 - own.discount))));
    prices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::rate::commitment::{Candidate, Eligible, Reach};

    /// Returns a plan that takes 40 % off: an hour's dollar of it is worth 1 / 0.6 on demand.
    fn product() -> Product {
        Product {
            kind: Kind::Ec2InstanceSavingsPlan,
            account: "a".into(),
            region: Some("us".into()),
            of: Some("m".into()),
            term: Term::One,
            payment: Payment::NoUpfront,
            discount_percent: None,
            serverless_discount_percent: None,
            source: String::new(),
        }
    }

    fn horizon() -> Horizon {
        let start = "2027-01".parse().unwrap();
        Horizon { start, months: 24, first: 0, every: 1, term: 12, term_hours: 8760 }
    }

    /// Returns layers of a dollar an hour, of which month m uses the share that `share` says.
    fn of(share: impl Fn(usize, usize) -> f64) -> Used {
        let horizon = horizon();
        let cell = |layer, month| share(layer, month) / 0.6 * horizon.hours(month) as f64;
        (0..LAYERS).map(|k| (0..24).map(|m| cell(k, m)).collect()).collect()
    }

    fn offer() -> Offer {
        Offer { product: product(), width: 1.0, fee: 1.0, upfront_share: 0.0 }
    }

    /// Returns the ladder with any chance of a loss.
    fn ladder(trials: &[Used]) -> (Vec<(String, f64)>, Chosen) {
        let own: Vec<&Used> = trials.iter().collect();
        let chosen = choose(&offer(), &own, &horizon(), 1.0);
        (chosen.ladder.iter().map(|p| (p.month.to_string(), p.size)).collect(), chosen)
    }

    /// Layers 0 and 1 are used always, layer 2 from the second year on, layer 3 half of the time (0.83 for each
    /// dollar), others never. Two dollars are bought at once, and three when these end. A year of a term has
    /// 8,760 hours, though 2028 has 8,784: the fees are 2 × 8,760 and 3 × 8,760.
    #[test]
    fn each_layer_is_bought_when_it_pays() {
        let share = |layer: usize, month: usize| match layer {
            0 | 1 => 1.0,
            2 => f64::from(u8::from(month >= 12)),
            3 => 0.5,
            _ => 0.0,
        };
        let (found, chosen) = ladder(&[of(share)]);
        assert_eq!(found, [("2027-01".to_owned(), 2.0), ("2028-01".to_owned(), 3.0)]);
        let fees: Vec<f64> = chosen.ladder.iter().map(|purchase| purchase.fee).collect();
        assert_eq!(fees, [17_520.0, 26_280.0]);
        assert!(chosen.regrets[0].abs() < 1e-6, "{:?}", chosen.regrets);
    }

    /// A layer that is used in seven of ten trials is worth 1.167 for each dollar: it is bought, though it loses
    /// money in three of ten; one that is used in five of ten is worth 0.833 and is not.
    #[test]
    fn the_distribution_decides_and_not_its_middle() {
        let trials = |used: usize| -> Vec<Used> {
            (0..10).map(|t| of(move |k, _| f64::from(u8::from(k == 0 && t < used)))).collect()
        };
        let (found, chosen) = ladder(&trials(7));
        assert_eq!(found.len(), 2);
        // Three terms of 8,760 hours, the last after the plan, are lost in three of ten trials.
        let regret = chosen.regrets.iter().sum::<f64>() / 10.0;
        assert!((regret - 0.3 * 26_280.0).abs() < 1e-6, "{regret}");
        assert_eq!(ladder(&trials(5)).0, []);
        // With a loss allowed in one of ten trials it is not bought; it is where it is used in nine.
        let within = |used: usize| {
            let trials = trials(used);
            let own: Vec<&Used> = trials.iter().collect();
            choose(&offer(), &own, &horizon(), 0.1)
        };
        let chosen = within(7);
        assert_eq!(chosen.ladder, []);
        assert!((chosen.covers - 0.7 / 0.6).abs() < 1e-9, "{}", chosen.covers);
        assert!((chosen.loses - 0.3).abs() < 1e-12);
        assert_eq!(within(9).ladder.len(), 2);
    }

    /// A purchase begins in the first month allowed, or whole steps after it.
    #[test]
    fn nothing_is_bought_before_the_first_month() {
        let always = of(|layer, _| f64::from(u8::from(layer == 0)));
        let months = |first: usize, every: usize| -> Vec<String> {
            let horizon = Horizon { first, every, ..horizon() };
            let chosen = choose(&offer(), &[&always], &horizon, 0.1);
            chosen.ladder.iter().map(|own| own.month.to_string()).collect()
        };
        assert_eq!(months(0, 1), ["2027-01", "2028-01"]);
        assert_eq!(months(5, 3), ["2027-06", "2028-06"]);
        assert_eq!(months(23, 3), ["2028-12"]);
    }

    /// Every ladder of up to four dollars an hour, in steps of one, bought in any of four months of a plan of eight
    /// with terms of four: none has less regret on average than the one that is chosen, nor, among those whose
    /// layers lose in at most a fifth of the trials, than the one chosen under that limit.
    #[test]
    fn no_ladder_of_a_small_search_has_less_regret() {
        let start = "2027-01".parse().unwrap();
        let horizon =
            Horizon { start, months: 8, first: 0, every: 2, term: 4, term_hours: 120 * 24 };
        let hours = |month: usize| horizon.hours(month) as f64;
        // What a dollar an hour of height k covers in a month of a trial: demand grows, or falls, or stays.
        let demand = |trial: usize, month: usize| match trial {
            0 => 1.0 + 0.45 * month as f64,
            1 => 3.2 - 0.3 * month as f64,
            2 => 2.0,
            3 => 0.4 + 0.7 * (month % 3) as f64,
            _ => 2.5 + 0.1 * month as f64,
        };
        let of = |trial: usize| -> Used {
            let cell =
                |k: usize, m: usize| (demand(trial, m) - k as f64).clamp(0.0, 1.0) / 0.6 * hours(m);
            (0..LAYERS).map(|k| (0..8).map(|m| cell(k, m)).collect()).collect()
        };
        let trials: Vec<Used> = (0..5).map(of).collect();
        let own: Vec<&Used> = trials.iter().collect();
        // Every set of months of purchase of a layer whose terms do not overlap, after the plan too.
        let policies: Vec<Vec<usize>> = (0..64_u32)
            .map(|mask| (0..6).filter(|at| mask >> at & 1 == 1).map(|at| 2 * at as usize).collect())
            .filter(|months: &Vec<usize>| months.windows(2).all(|own| own[1] - own[0] >= 4))
            .collect();
        // Independent of `Horizon`: hour by hour of each term.
        let worth = |trial: usize, k: usize, b: usize| -> f64 {
            let mut left = 2880.0_f64;
            let mut sum = 0.0;
            for month in b..(b + 4).min(12) {
                let length = start.plus(month as u32).hours() as f64;
                let within = length.min(left);
                left -= within;
                let share = (demand(trial, month.min(7)) - k as f64).clamp(0.0, 1.0);
                sum += within * (share / 0.6 - 1.0);
            }
            sum
        };
        for limit in [1.0, 0.2] {
            let chosen = choose(&offer(), &own, &horizon, limit);
            let (mut least, mut found) = (0.0, vec![0.0; 4]);
            for k in 0..5 {
                let value = |months: &Vec<usize>, trial: usize| -> f64 {
                    months.iter().map(|b| worth(trial, k, *b)).sum()
                };
                let best: Vec<f64> = (0..5)
                    .map(|t| policies.iter().map(|own| value(own, t)).fold(0.0, f64::max))
                    .collect();
                let regret = |months: &Vec<usize>| -> f64 {
                    (0..5).map(|t| best[t] - value(months, t)).sum::<f64>() / 5.0
                };
                let allowed = |months: &&Vec<usize>| {
                    months.iter().all(|b| {
                        let lost = (0..5).filter(|t| worth(*t, k, *b) < 0.0).count();
                        lost as f64 / 5.0 <= limit
                    })
                };
                let all = policies.iter().filter(allowed);
                let best = all.min_by(|a, b| regret(a).total_cmp(&regret(b))).unwrap();
                least += regret(best);
                for b in best.iter().filter(|b| **b < 8) {
                    found[b / 2] += 1.0;
                }
            }
            let regret = chosen.regrets.iter().sum::<f64>() / 5.0;
            assert!((regret - least).abs() < 1e-6, "limit {limit}: {regret} {least}");
            let mut sizes = vec![0.0; 4];
            for own in &chosen.ladder {
                sizes[own.month.since(start) as usize / 2] += own.size;
            }
            assert_eq!(sizes, found, "limit {limit}");
        }
    }

    /// What is said of a ladder is what plans cost less with it.
    #[test]
    fn a_ladder_is_judged_by_what_it_saves() {
        let (_, chosen) = ladder(&[of(|_, _| 1.0), of(|_, _| 0.9), of(|_, _| 0.8)]);
        let saving = |in_plan: f64, after: f64| Saving {
            in_plan: crate::measure::units::Usd::from_decimal(in_plan.try_into().unwrap()),
            after,
            fees: 50.0,
            used: 40.0,
        };
        let savings = [saving(20.0, 10.0), saving(6.0, 0.0), saving(4.0, -10.0)];
        let advice = chosen.advice(&savings, true);
        assert!((advice.worst_loss - 6.0).abs() < 1e-12);
        assert!((advice.saving.mean - 10.0).abs() < 1e-12 && (advice.in_plan - 10.0).abs() < 1e-12);
        assert!((advice.loses - 1.0 / 3.0).abs() < 1e-12);
        // The third uses least.
        assert!((advice.if_growth_misses + 6.0).abs() < 1e-12);
        assert!((advice.utilization - 0.8).abs() < 1e-12);
    }

    /// 30 are paid at once and 4 come back a month: after the eighth month. Where the plan ends before, its last month
    /// goes on; where the term does, nothing is paid back.
    #[test]
    fn what_is_paid_at_once_comes_back_later() {
        let start: Month = "2027-01".parse().unwrap();
        let months = |count: u32| -> Vec<MonthlySaving> {
            let of = |at: u32| MonthlySaving {
                month: start.plus(at),
                saved: 1.5,
                fee: 2.5,
                used: 2.0,
                cash: if at == 0 { 30.0 } else { 0.0 },
                upfront: if at == 0 { 30.0 } else { 0.0 },
                eligible: 8.0,
                covered: 4.0,
            };
            (0..count).map(of).collect()
        };
        let (year, half) = (ladder_months(&[months(12)]), ladder_months(&[months(6)]));
        assert!((year[0].cash + 26.0).abs() < 1e-12 && (year[7].cash_so_far - 2.0).abs() < 1e-12);
        assert_eq!((year[0].utilization, year[0].coverage), (Some(0.8), Some(0.5)));
        let end = start.plus(12);
        assert_eq!(payback(&year, end).map(|own| own.to_string()).as_deref(), Some("2027-08"));
        assert_eq!(payback(&half, end).map(|own| own.to_string()).as_deref(), Some("2027-08"));
        assert_eq!(payback(&half, start.plus(7)), None);
    }

    /// Instances of one type in two regions have a price each: 0.06 and 0.09 of plan rates, 0.10 and 0.15 on
    /// demand; layers of 0.06 are filled in the order that the plan gives, in its units.
    #[test]
    fn a_layer_is_what_lies_at_its_height() {
        let line = |region: &str, on_demand: f64| Eligible {
            line: 0,
            account: "a".into(),
            key: BillKey::new("AmazonEC2", region, "BoxUsage:m.large", "RunInstances"),
            instance_type: "m.large".into(),
            units: None,
            on_demand,
            left: vec![1.0; 10],
        };
        let candidate = |place: usize, takes: f64| Candidate {
            place,
            takes,
            rate: takes,
            source: String::new(),
        };
        let reach = |_: &[Eligible]| {
            let candidates = vec![candidate(1, 0.09), candidate(0, 0.06)];
            Ok(Reach { gives: 1.0, fee: 1.0, candidates })
        };
        let used = layers(0.06, &[vec![line("us", 0.10), line("ap", 0.15)]], reach).unwrap();
        // 0.15 of rates an hour: two and a half layers, each worth 0.10 on demand.
        assert!((used[0][0] - 1.0).abs() < 1e-9 && (used[1][0] - 1.0).abs() < 1e-9);
        assert!((used[2][0] - 0.5).abs() < 1e-9 && used[3][0].abs() < 1e-12, "{:?}", used[2]);
    }
}
