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
//! # Source
//! Savage's minimax regret in its expected form: because what is best in hindsight does not depend on the
//! choice, the least expected regret is where the expected cost is least (Bell, "Regret in decision making under
//! uncertainty", Operations Research 30, 1982). The order of usage: [`crate::money::rate::commitment`].
//! # Limits
//! After the plan's last month, usage stays as in that month. A purchase is decided now, without what later months
//! teach. Products are chosen one at a time, from the usage that the scenario's commitments leave.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    facts::{
        commitment_rates::{Kind, Payment, Term, family_and_size},
        prices::BillKey,
    },
    intent::commitment::Commitment,
    measure::calendar::Month,
    plan::{
        simulate::{Metered, Prepared, Saving},
        trials::{Watch, quantile},
    },
};

mod layers;
mod offer;

use layers::{Horizon, LAYERS, Used, layers};
use offer::{Offer, bought_as, offers};

/// Bytes of usage kept between choosing and judging; trials above it are metered again.
const MOST_KEPT: usize = 256 << 20;

/// The request.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Months between purchases.
    pub every: u32,
    /// A Compute Savings Plan: its discount as a share, its term, its payment.
    pub compute: Option<(f64, Term, Payment)>,
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
    /// Where its prices are from, and their date.
    pub source: String,
}

impl Product {
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
            region: self.region.clone(),
            discount_percent: self.discount_percent,
        }
    }

    /// Returns whether it may cover what another product covers.
    fn meets(&self, other: &Self, shared: bool) -> bool {
        let ec2 = |own: &Self| own.kind != Kind::RdsReservedInstance;
        let family = |own: &Self| own.of.as_deref().map(|of| family_of(own.kind, of).to_owned());
        let alike = |a: Option<String>, b: Option<String>| a.is_none() || b.is_none() || a == b;
        ec2(self) == ec2(other)
            && (shared || self.account == other.account)
            && alike(self.region.clone(), other.region.clone())
            && alike(family(self), family(other))
    }
}

/// Returns the family that a kind of product covers.
fn family_of(kind: Kind, of: &str) -> &str {
    if kind.is_savings_plan() { of } else { family_and_size(of).0 }
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

/// The effect of one product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The product.
    pub product: Product,
    /// Recommended purchases by month; empty if nothing pays.
    pub ladder: Vec<Purchase>,
    /// Cost of the plan without it, less that with it, over its terms.
    pub saving: Odds,
    /// Part of the mean saving within the plan's months.
    pub in_plan: f64,
    /// Additional saving of the best purchases in hindsight.
    pub regret: Odds,
    /// Probability that it loses money.
    pub loses: f64,
    /// Mean saving in the fifth of the trials with the least usage: the saving, or loss, if growth falls short.
    pub if_growth_misses: f64,
    /// Mean share of the fees that covers usage.
    pub utilization: f64,
    /// Whether it has the highest mean saving among products for the same instances.
    pub recommended: bool,
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
    /// Products, the best first.
    pub products: Vec<Advice>,
    /// All recommendations; none if there are none.
    pub recommended: Option<Together>,
    /// Spot types of the mid case that a fully used plan would undercut.
    pub below_spot: Vec<BelowSpot>,
    /// Assumptions.
    pub notes: Vec<String>,
}

/// Data by which a trial is judged.
struct Trial {
    number: u32,
    /// By product.
    used: Vec<Result<Used, String>>,
    /// Its usage, if there was room to keep it.
    kept: Option<Metered>,
}

impl Trial {
    /// Returns savings of sets of purchases.
    fn savings(
        &self,
        prepared: &Prepared<'_>,
        sets: &[Vec<Commitment>],
    ) -> Result<Vec<Saving>, Error> {
        match &self.kept {
            Some(metered) => prepared.savings(metered, sets),
            None => prepared.savings(&prepared.metered_for_purchases(self.number)?, sets),
        }
    }
}

/// Recommends commitments.
///
/// # Errors
/// As [`Prepared::run`].
pub fn advise(
    prepared: &Prepared<'_>,
    question: &Question,
    trials: &[u32],
    watch: Watch<'_>,
) -> Result<Advised, Error> {
    let metered = prepared.metered_for_purchases(0)?;
    let mid = prepared.left_over(&metered)?;
    let (offers, mut notes) = offers(prepared, question, &mid);
    let months = prepared.scenario().plan.months as usize;
    let start = prepared.scenario().plan.start;
    let room = MOST_KEPT / metered.bytes().max(1);
    let one = |(place, number): (usize, &u32)| {
        if (watch.stop)() {
            return None;
        }
        let trial = prepared.metered_for_purchases(*number).and_then(|metered| {
            let left = prepared.left_over(&metered)?;
            let used = |offer: &Offer| {
                let one = offer.product.bought(start, 1.0);
                layers(offer.width, &left, |lines| prepared.reach_of(&one, lines))
            };
            let used = offers.iter().map(used).collect();
            Ok(Trial { number: *number, used, kept: (place < room).then_some(metered) })
        });
        (watch.done)();
        Some(trial)
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
    let mut chosen = Vec::new();
    for (place, offer) in offers.into_iter().enumerate() {
        let used: Result<Vec<&Used>, &String> =
            trials.iter().map(|trial| trial.used[place].as_ref()).collect();
        let horizon = Horizon {
            start,
            months,
            every: question.every as usize,
            term: offer.product.term.years() as usize * 12,
            term_hours: prepared.commitment_rules().hours(offer.product.term) as usize,
        };
        match used {
            Ok(used) => chosen.push(choose(offer, &used, &horizon)),
            // A plan with it would be refused.
            Err(message) => notes.push(format!("skipped: {message}")),
        }
    }
    let sets: Vec<Vec<Commitment>> = chosen.iter().map(Chosen::commitments).collect();
    let saved = savings(prepared, &trials, &sets)?;
    let mut advice: Vec<Advice> =
        chosen.into_iter().zip(&saved).map(|(own, saved)| own.judged(saved)).collect();
    advice.sort_by(|a, b| b.saving.mean.total_cmp(&a.saving.mean));
    recommend(&mut advice, prepared.scenario().billing.consolidated);
    notes.extend(general_notes(prepared));
    Ok(Advised {
        trials: trials.len() as u32,
        stopped,
        months: [start, start.plus(months as u32 - 1)],
        below_spot: below_spot(prepared, question)?,
        recommended: together(prepared, &trials, &advice)?,
        products: advice,
        notes,
    })
}

fn general_notes(prepared: &Prepared<'_>) -> Vec<String> {
    let mut notes = vec![
        "after the plan's last month, usage stays as in that month".to_owned(),
        "each product is judged separately, after the commitments of the scenario".to_owned(),
    ];
    if !prepared.scenario().is_uncertain() {
        notes.push(
            "no number of the scenario is a range: trials differ only by chance, so a \
                commitment looks safer than it is"
                .to_owned(),
        );
    }
    notes
}

/// A product's ladder, before it is judged.
struct Chosen {
    product: Product,
    ladder: Vec<Purchase>,
    /// By trial.
    regrets: Vec<f64>,
    /// On-demand cost that its layers could cover, by trial.
    used: Vec<f64>,
}

fn choose(offer: Offer, trials: &[&Used], horizon: &Horizon) -> Chosen {
    let fee = offer.width * offer.fee;
    let n = trials.len() as f64;
    let mut sizes: BTreeMap<usize, f64> = BTreeMap::new();
    let mut regrets = vec![0.0; trials.len()];
    for layer in 0..LAYERS {
        let months = trials.first().map_or(0, |own| own[layer].len());
        let mean: Vec<f64> = (0..months)
            .map(|month| trials.iter().map(|own| own[layer][month]).sum::<f64>() / n)
            .collect();
        let policy = horizon.best(&mean, fee);
        for b in policy.iter().filter(|b| **b < horizon.months) {
            *sizes.entry(*b).or_default() += offer.width;
        }
        for (regret, own) in regrets.iter_mut().zip(trials) {
            let best = horizon.value(&own[layer], &horizon.best(&own[layer], fee), fee);
            *regret += best - horizon.value(&own[layer], &policy, fee);
        }
    }
    let ladder = sizes.into_iter().map(|(b, size)| Purchase {
        month: horizon.start.plus(b as u32),
        size: (size * 1e6).round() / 1e6,
        fee: size * offer.fee * horizon.term_hours as f64,
    });
    let used = trials.iter().map(|own| own.iter().flatten().sum()).collect();
    Chosen { ladder: ladder.collect(), regrets, used, product: offer.product }
}

/// Returns the saving of each set of purchases in each trial: by set, then by trial.
fn savings(
    prepared: &Prepared<'_>,
    trials: &[Trial],
    sets: &[Vec<Commitment>],
) -> Result<Vec<Vec<Saving>>, Error> {
    let of = |trial: &Trial| trial.savings(prepared, sets);
    let by_trial: Vec<Vec<Saving>> = trials.par_iter().map(of).collect::<Result<_, Error>>()?;
    Ok((0..sets.len()).map(|set| by_trial.iter().map(|own| own[set]).collect()).collect())
}

fn mean(savings: &[Saving], of: impl Fn(&Saving) -> f64) -> f64 {
    savings.iter().map(of).sum::<f64>() / savings.len().max(1) as f64
}

impl Chosen {
    /// Judges it by its saving in each trial.
    fn judged(self, savings: &[Saving]) -> Advice {
        let totals: Vec<f64> = savings.iter().map(Saving::total).collect();
        let fees = mean(savings, |saving| saving.fees);
        let covered = mean(savings, |saving| saving.used);
        Advice {
            ladder: self.ladder,
            saving: Odds::of(&totals),
            in_plan: mean(savings, |saving| saving.in_plan.to_f64()),
            regret: Odds::of(&self.regrets),
            loses: totals.iter().filter(|saving| **saving < 0.0).count() as f64
                / totals.len().max(1) as f64,
            if_growth_misses: lowest_fifth(&self.used, &totals),
            utilization: if fees > 0.0 { covered / fees } else { 0.0 },
            recommended: false,
            product: self.product,
        }
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

/// Marks, best first, products for instances that no better product covers.
fn recommend(advice: &mut [Advice], shared: bool) {
    let mut taken: Vec<Product> = Vec::new();
    for own in advice.iter_mut() {
        let free = !taken.iter().any(|other| own.product.meets(other, shared));
        if !own.ladder.is_empty() && own.saving.mean > 0.0 && free {
            own.recommended = true;
            taken.push(own.product.clone());
        }
    }
}

/// Returns all recommended purchases together, with their saving.
fn together(
    prepared: &Prepared<'_>,
    trials: &[Trial],
    advice: &[Advice],
) -> Result<Option<Together>, Error> {
    let chosen: Vec<&Advice> = advice.iter().filter(|own| own.recommended).collect();
    let purchases = chosen.iter().flat_map(|own| bought(&own.product, &own.ladder));
    let commitments: Vec<Commitment> = purchases.collect();
    Ok(match &*chosen {
        [] => None,
        // It was rated already.
        [own] => Some(Together { commitments, saving: own.saving, in_plan: own.in_plan }),
        _ => {
            let sets = [commitments];
            let saved = savings(prepared, trials, &sets)?.swap_remove(0);
            let totals: Vec<f64> = saved.iter().map(Saving::total).collect();
            let [commitments] = sets;
            Some(Together {
                commitments,
                saving: Odds::of(&totals),
                in_plan: mean(&saved, |saving| saving.in_plan.to_f64()),
            })
        }
    })
}

/// Returns the spot types of the mid case that a fully used plan would undercut.
fn below_spot(prepared: &Prepared<'_>, question: &Question) -> Result<Vec<BelowSpot>, Error> {
    let plan = prepared.run(0)?;
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
    Ok(found)
}

/// Returns the prices of a type under every plan of the book, and under the requested one.
fn plan_prices(
    prepared: &Prepared<'_>,
    question: &Question,
    (region, name): (&str, &str),
    on_demand: f64,
) -> Vec<(String, f64)> {
    let rates = prepared.commitment_rates().of_region(region).iter();
    let mut prices: Vec<(String, f64)> = rates
        .filter(|rate| rate.instance_type == name)
        .filter_map(|rate| {
            let (kind, term, payment) = bought_as(rate, true)?;
            let plan = format!("{}, {} {}", kind.title(), term.name(), payment.name());
            Some((plan, rate.usd_per_hour))
        })
        .collect();
    if let Some((share, term, payment)) = question.compute {
        let plan = format!("Compute Savings Plan, {} {}", term.name(), payment.name());
        prices.push((plan, on_demand * (1.0 - share)));
    }
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
            source: String::new(),
        }
    }

    fn horizon() -> Horizon {
        let start = "2027-01".parse().unwrap();
        Horizon { start, months: 24, every: 1, term: 12, term_hours: 8760 }
    }

    /// Returns layers of a dollar an hour, of which month m uses the share that `share` says.
    fn of(share: impl Fn(usize, usize) -> f64) -> Used {
        let horizon = horizon();
        let cell = |layer, month| share(layer, month) / 0.6 * horizon.hours(month) as f64;
        (0..LAYERS).map(|k| (0..24).map(|m| cell(k, m)).collect()).collect()
    }

    fn ladder(trials: &[Used]) -> (Vec<(String, f64)>, Chosen) {
        let own: Vec<&Used> = trials.iter().collect();
        let offer = Offer { product: product(), width: 1.0, fee: 1.0 };
        let chosen = choose(offer, &own, &horizon());
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
        let advice = chosen.judged(&[saving(20.0, 10.0), saving(6.0, 0.0), saving(4.0, -10.0)]);
        assert!((advice.saving.mean - 10.0).abs() < 1e-12 && (advice.in_plan - 10.0).abs() < 1e-12);
        assert!((advice.loses - 1.0 / 3.0).abs() < 1e-12);
        // The third uses least.
        assert!((advice.if_growth_misses + 6.0).abs() < 1e-12);
        assert!((advice.utilization - 0.8).abs() < 1e-12);
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
