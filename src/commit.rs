//! What to commit to: sizes of Savings Plans and reservations that the forecast distribution regrets least.
//!
//! # Formula
//! ```text
//! a layer k of a plan is its k-th dollar an hour (or instance), used in an hour by what the order of
//! AWS puts there:  used_k(m) [USD on demand] and a fee f(m) = price × hours
//! saving of a purchase in month b = Σ over its term  used_k(m) − f(m)
//! regret of a trial = saving of the best purchases in hindsight − saving of the chosen ones, both over the
//!                     plan and a term after it
//! least expected regret = greatest expected saving, for each layer by itself, over the months of purchase:
//!   V(b) = max( V(b + 1),  E[saving(b)] + V(b + term) ),   V = 0 a term after the plan
//! ```
//! Layers are independent: an hour's usage fills them from below, so each can be bought, or not, when it
//! pays. Purchases of one month add up to a plan of that month, and those of all months to the ladder.
//!
//! # Source
//! Savage's minimax regret in its expected form: because what is best in hindsight does not depend on the
//! choice, the least expected regret is where the expected cost is least (Bell, "Regret in decision making under
//! uncertainty", Operations Research 30, 1982). The order of usage: [`crate::rate::commitment`].
//! # Limits
//! After the plan's last month usage stays as in that month. A purchase is decided now: what later months
//! teach is not used. Products are looked at one at a time; two for the same instances do not add up. Sizes of a
//! family are not exchanged for each other in the advice on reservations, which makes it careful.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    calendar::Month,
    commitment::{Kind, Payment, Rate, Term, family_and_size},
    error::Error,
    forecast::{Watch, quantile},
    prices::BillKey,
    rate::commitment::Eligible,
    simulate::Prepared,
};

/// Layers of a product, at most.
const LAYERS: usize = 48;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Months between purchases.
    pub every: u32,
    /// A Compute Savings Plan: its discount as a share, its term, its payment.
    pub compute: Option<(f64, Term, Payment)>,
}

/// Something that can be bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// What it is.
    pub kind: Kind,
    /// Region; none for all of them.
    pub region: Option<String>,
    /// Family, type or class; none for any instance.
    pub of: Option<String>,
    /// For how long.
    pub term: Term,
    /// How it is paid.
    pub payment: Payment,
    /// Effective price of an instance-hour by type [USD].
    pub prices: BTreeMap<String, f64>,
    /// Where the prices are from, and their date.
    pub source: String,
}

/// A purchase of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purchase {
    /// Month it is bought in.
    pub month: Month,
    /// How much: dollars an hour of a Savings Plan, or instances.
    pub size: f64,
    /// Fee over the whole term [USD].
    pub fee: f64,
}

/// Low end, middle, high end and mean [USD].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Odds {
    /// One trial in ten is below.
    pub p10: f64,
    /// Half are below.
    pub p50: f64,
    /// One in ten is above.
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

/// What one product would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The product.
    pub product: Product,
    /// What to buy, month by month; empty when nothing pays.
    pub ladder: Vec<Purchase>,
    /// Saved against on demand over the terms, waste taken off.
    pub saving: Odds,
    /// What the best purchases in hindsight would have saved more.
    pub regret: Odds,
    /// Chance that it loses money.
    pub loses: f64,
    /// Mean saving in the fifth of the trials that use least: what is left, or lost, if growth misses.
    pub if_growth_misses: f64,
    /// Share of the fees that covers usage, mean.
    pub utilization: f64,
    /// Whether it saves most, in the mean, of what covers the same instances.
    pub recommended: bool,
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
    /// Its price [USD an hour].
    pub plan_price: f64,
    /// Spot price of the book [USD an hour].
    pub spot_price: f64,
    /// On-demand price [USD an hour].
    pub on_demand_price: f64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advised {
    /// Trials it rests on.
    pub trials: u32,
    /// Whether it was stopped before all were done.
    pub stopped: bool,
    /// First and last month of the plan.
    pub months: [Month; 2],
    /// Products, the best first.
    pub products: Vec<Advice>,
    /// Spot types that a full plan would undercut; spot of the mid-value line.
    pub below_spot: Vec<BelowSpot>,
    /// What is assumed.
    pub notes: Vec<String>,
}

/// What layers of one product were used in one trial, each [layer][month].
struct Use {
    /// At on-demand prices [USD].
    used: Vec<Vec<f64>>,
    /// In the product's own units: dollars of plan rates, or instances, times hours.
    filled: Vec<Vec<f32>>,
}

/// Asks what to buy.
///
/// # Errors
/// As [`Prepared::run`].
pub fn advise(
    prepared: &Prepared<'_>,
    question: &Question,
    trials: &[u32],
    watch: Watch<'_>,
) -> Result<Advised, Error> {
    let mid = prepared.eligible(0)?;
    let seen = seen(&mid);
    let products = products(prepared, question, &seen);
    let months = prepared.scenario().plan.months as usize;
    let start = prepared.scenario().plan.start;
    let widths: Vec<f64> = products.iter().map(|product| width(product, &mid)).collect();
    let one = |trial: &u32| {
        if (watch.stop)() {
            return None;
        }
        let uses = prepared.eligible(*trial).map(|eligible| {
            let of = |(product, width): (&Product, &f64)| layers(product, *width, &eligible);
            products.iter().zip(&widths).map(of).collect::<Vec<Use>>()
        });
        (watch.done)();
        Some(uses)
    };
    let all: Vec<Option<Result<Vec<Use>, Error>>> = trials.par_iter().map(one).collect();
    let stopped = all.iter().any(Option::is_none);
    let uses: Vec<Vec<Use>> = all.into_iter().flatten().collect::<Result<_, Error>>()?;
    if uses.is_empty() {
        let place = crate::error::Place::default();
        return Err(Error::failed(place, "stopped before a trial was done; nothing to report"));
    }
    let mut advice: Vec<Advice> = products
        .into_iter()
        .enumerate()
        .map(|(place, product)| {
            let own: Vec<&Use> = uses.iter().map(|trial| &trial[place]).collect();
            let horizon = Horizon {
                start,
                months,
                every: question.every as usize,
                term: product.term.years() as usize * 12,
            };
            judge(product, widths[place], &own, &horizon)
        })
        .collect();
    advice.sort_by(|a, b| b.saving.mean.total_cmp(&a.saving.mean));
    recommend(&mut advice);
    Ok(Advised {
        trials: uses.len() as u32,
        stopped,
        months: [start, start.plus(months as u32 - 1)],
        below_spot: below_spot(prepared, &advice)?,
        products: advice,
        notes: notes(prepared),
    })
}

fn notes(prepared: &Prepared<'_>) -> Vec<String> {
    let mut notes = vec![
        "after the plan's last month usage is taken to stay as in that month".to_owned(),
        "each product is looked at by itself, after what the scenario has already bought"
            .to_owned(),
    ];
    if !prepared.scenario().is_uncertain() {
        notes.push(
            "no number of the scenario is a range: the distribution is that of luck alone, and a commitment looks safer than it is"
                .to_owned(),
        );
    }
    notes
}

/// What ran on demand: region, type, on-demand price, whether it is EC2.
type Seen = BTreeSet<(bool, String, String)>;

fn seen(mid: &[Vec<Eligible>]) -> Seen {
    let lines = mid.iter().flatten().filter(|line| line.left.iter().any(|hour| *hour > 0.0));
    lines.map(|l| (l.is_ec2(), l.key.region.clone(), l.instance_type.clone())).collect()
}

/// Everything that the book, or the question, has a price of, for what ran on demand.
fn products(prepared: &Prepared<'_>, question: &Question, seen: &Seen) -> Vec<Product> {
    let mut found: BTreeMap<(Kind, String, String, String, String), Product> = BTreeMap::new();
    for (is_ec2, region, instance_type) in seen {
        for rate in prepared.commitment_rates().of_region(region) {
            let Some((kind, term, payment)) = bought_as(rate, *is_ec2) else { continue };
            if rate.instance_type != *instance_type {
                continue;
            }
            let of = if kind == Kind::Ec2InstanceSavingsPlan {
                family_and_size(instance_type).0
            } else {
                instance_type
            };
            let name = (
                kind,
                region.clone(),
                of.to_owned(),
                rate.term.clone(),
                rate.payment_option.clone(),
            );
            let product = found.entry(name).or_insert_with(|| Product {
                kind,
                region: Some(region.clone()),
                of: Some(of.to_owned()),
                term,
                payment,
                prices: BTreeMap::new(),
                source: format!("{}, {}", rate.source, rate.as_of),
            });
            product.prices.insert(instance_type.clone(), rate.usd_per_hour);
        }
    }
    let mut products: Vec<Product> = found.into_values().collect();
    if let Some((share, term, payment)) = question.compute {
        let ec2 = seen.iter().filter(|(is_ec2, ..)| *is_ec2);
        let prices = ec2.filter_map(|(_, region, instance_type)| {
            let price = prepared.on_demand_price(region, instance_type)?;
            Some((instance_type.clone(), price * (1.0 - share)))
        });
        products.push(Product {
            kind: Kind::ComputeSavingsPlan,
            region: None,
            of: None,
            term,
            payment,
            prices: prices.collect(),
            source: format!("{} % off on demand, as asked", share * 100.0),
        });
    }
    products
}

/// What a price of the book is of.
fn bought_as(rate: &Rate, is_ec2: bool) -> Option<(Kind, Term, Payment)> {
    let kinds = if is_ec2 {
        &[Kind::Ec2InstanceSavingsPlan, Kind::Ec2ReservedInstance][..]
    } else {
        &[Kind::RdsReservedInstance]
    };
    let kind = kinds.iter().find(|kind| kind.plan_kind() == rate.plan_kind)?;
    let term = [Term::One, Term::Three].into_iter().find(|term| term.name() == rate.term)?;
    let payments = [Payment::NoUpfront, Payment::PartialUpfront, Payment::AllUpfront];
    let payment = payments.into_iter().find(|payment| payment.name() == rate.payment_option)?;
    Some((*kind, term, payment))
}

/// What of a line a product covers: what an hour takes of it, if any.
fn takes(product: &Product, line: &Eligible) -> Option<f64> {
    let region = product.region.as_ref().is_none_or(|region| *region == line.key.region);
    let ec2 = product.kind != Kind::RdsReservedInstance;
    let price = *product.prices.get(&line.instance_type)?;
    (region && ec2 == line.is_ec2())
        .then(|| if product.kind.is_savings_plan() { price } else { 1.0 })
}

/// Width of a layer: dollars an hour, or one instance, so that the busiest hour has few enough layers.
fn width(product: &Product, mid: &[Vec<Eligible>]) -> f64 {
    let most = mid
        .iter()
        .map(|month| {
            let lines: Vec<(&Eligible, f64)> =
                month.iter().filter_map(|line| Some((line, takes(product, line)?))).collect();
            let hours = lines.iter().map(|(line, _)| line.left.len()).max().unwrap_or(0);
            (0..hours)
                .map(|h| lines.iter().map(|(line, takes)| line.left[h] * takes).sum::<f64>())
                .fold(0.0, f64::max)
        })
        .fold(0.0, f64::max);
    // Trials may grow to a multiple of the mid-value line; what lies above the last layer is not bought.
    let reach = 1.5 * most / LAYERS as f64;
    let step = if product.kind.is_savings_plan() { 0.001 } else { 1.0 };
    (reach / step).ceil().max(1.0) * step
}

/// What each layer was used for, by month.
fn layers(product: &Product, width: f64, months: &[Vec<Eligible>]) -> Use {
    let mut used = vec![vec![0.0; months.len()]; LAYERS];
    let mut filled = vec![vec![0.0_f32; months.len()]; LAYERS];
    for (month, lines) in months.iter().enumerate() {
        let mut lines: Vec<(&Eligible, f64)> =
            lines.iter().filter_map(|line| Some((line, takes(product, line)?))).collect();
        // The highest saving first, the lowest rate on a tie, as a plan is drawn down.
        let price = |line: &Eligible| product.prices[&line.instance_type];
        lines.sort_by(|(a, _), (b, _)| {
            let saving = |line: &Eligible| 1.0 - price(line) / line.on_demand;
            saving(b).total_cmp(&saving(a)).then(price(a).total_cmp(&price(b)))
        });
        let hours = lines.iter().map(|(line, _)| line.left.len()).max().unwrap_or(0);
        for hour in 0..hours {
            let mut at = 0.0;
            for (line, takes) in &lines {
                let value = line.on_demand / takes;
                let mut rest = line.left[hour] * takes;
                while rest > 1e-12 {
                    let layer = (at / width + 1e-9) as usize;
                    if layer >= LAYERS {
                        break;
                    }
                    let part = rest.min(((layer + 1) as f64 * width - at).max(1e-9));
                    used[layer][month] += part * value;
                    filled[layer][month] += part as f32;
                    at += part;
                    rest -= part;
                }
            }
        }
    }
    Use { used, filled }
}

/// When purchases may be made.
struct Horizon {
    start: Month,
    months: usize,
    every: usize,
    /// Months of a term.
    term: usize,
}

impl Horizon {
    fn hours(&self, month: usize) -> f64 {
        self.start.plus(month as u32).hours() as f64
    }

    /// Used value of a layer in a month, the last month's level carried on after the plan.
    fn used(&self, layer: &[f64], month: usize) -> f64 {
        let last = self.months - 1;
        if month <= last {
            layer[month]
        } else {
            layer[last] / self.hours(last) * self.hours(month)
        }
    }

    /// Saving of a purchase in month `b`: what was used, less the fee an hour.
    fn saving(&self, layer: &[f64], b: usize, fee: f64) -> f64 {
        (b..b + self.term).map(|m| self.used(layer, m) - fee * self.hours(m)).sum()
    }

    /// Months that are looked at: those of the plan, and a term after them, so that a purchase late in the
    /// plan has the time that an early one has.
    fn end(&self) -> usize {
        self.months + self.term
    }

    /// Saving of a purchase up to the end of what is looked at.
    fn seen_saving(&self, layer: &[f64], b: usize, fee: f64) -> f64 {
        let end = (b + self.term).min(self.end());
        (b..end).map(|m| self.used(layer, m) - fee * self.hours(m)).sum()
    }

    /// The months of purchase that save most; some lie after the plan.
    fn best(&self, layer: &[f64], fee: f64) -> Vec<usize> {
        let n = self.end();
        let mut value = vec![0.0; n + 1];
        let mut buys = vec![false; n];
        for b in (0..n).rev() {
            value[b] = value[b + 1];
            if b % self.every == 0 {
                let own = self.seen_saving(layer, b, fee) + value[(b + self.term).min(n)];
                if own > value[b] + 1e-9 {
                    (value[b], buys[b]) = (own, true);
                }
            }
        }
        let mut at = 0;
        let mut months = Vec::new();
        while at < n {
            if buys[at] {
                months.push(at);
                at += self.term;
            } else {
                at += 1;
            }
        }
        months
    }

    /// What purchases save of all that is looked at.
    fn value(&self, layer: &[f64], bought: &[usize], fee: f64) -> f64 {
        bought.iter().map(|b| self.seen_saving(layer, *b, fee)).sum()
    }
}

fn judge(product: Product, width: f64, trials: &[&Use], horizon: &Horizon) -> Advice {
    // A layer's fee an hour: its width in dollars, or its width in instances at their one price.
    let each = product.prices.values().next().copied().unwrap_or_default();
    let fee = if product.kind.is_savings_plan() { width } else { width * each };
    let n = trials.len() as f64;
    let mut sizes: BTreeMap<usize, f64> = BTreeMap::new();
    let mut savings = vec![0.0; trials.len()];
    let mut regrets = vec![0.0; trials.len()];
    let (mut fees, mut covered) = (0.0, 0.0);
    for layer in 0..LAYERS {
        let months = trials.first().map_or(0, |own| own.used[layer].len());
        let mean: Vec<f64> = (0..months)
            .map(|month| trials.iter().map(|own| own.used[layer][month]).sum::<f64>() / n)
            .collect();
        let policy = horizon.best(&mean, fee);
        let chosen: Vec<usize> = policy.iter().copied().filter(|b| *b < horizon.months).collect();
        for b in &chosen {
            *sizes.entry(*b).or_default() += width;
            fees += (*b..b + horizon.term).map(|m| fee * horizon.hours(m)).sum::<f64>();
            let filled: Vec<f64> = (0..months)
                .map(|m| trials.iter().map(|own| f64::from(own.filled[layer][m])).sum::<f64>() / n)
                .collect();
            let term = *b..b + horizon.term;
            covered += term.map(|m| horizon.used(&filled, m) / width * fee).sum::<f64>();
        }
        for (trial, own) in trials.iter().enumerate() {
            let used = &own.used[layer];
            savings[trial] += chosen.iter().map(|b| horizon.saving(used, *b, fee)).sum::<f64>();
            let best = horizon.value(used, &horizon.best(used, fee), fee);
            regrets[trial] += best - horizon.value(used, &policy, fee);
        }
    }
    let per_size = if product.kind.is_savings_plan() { 1.0 } else { each };
    let ladder = sizes.into_iter().map(|(b, size)| Purchase {
        month: horizon.start.plus(b as u32),
        size: (size * 1e6).round() / 1e6,
        fee: (b..b + horizon.term).map(|m| size * per_size * horizon.hours(m)).sum(),
    });
    Advice {
        ladder: ladder.collect(),
        saving: Odds::of(&savings),
        regret: Odds::of(&regrets),
        loses: savings.iter().filter(|saving| **saving < 0.0).count() as f64 / n,
        if_growth_misses: lowest_fifth(trials, &savings),
        utilization: if fees > 0.0 { covered / fees } else { 0.0 },
        recommended: false,
        product,
    }
}

/// Mean saving of the trials that use least.
fn lowest_fifth(trials: &[&Use], savings: &[f64]) -> f64 {
    let all = |own: &Use| own.used.iter().flatten().sum::<f64>();
    let mut order: Vec<usize> = (0..trials.len()).collect();
    order.sort_by(|a, b| all(trials[*a]).total_cmp(&all(trials[*b])).then(a.cmp(b)));
    let fifth = (order.len() / 5).max(1);
    order[..fifth].iter().map(|trial| savings[*trial]).sum::<f64>() / fifth as f64
}

/// Marks, best first, what covers instances that no better product covers.
fn recommend(advice: &mut [Advice]) {
    let mut covered: BTreeSet<(bool, Option<String>, String)> = BTreeSet::new();
    for own in advice.iter_mut() {
        let ec2 = own.product.kind != Kind::RdsReservedInstance;
        let types: Vec<(bool, Option<String>, String)> = own
            .product
            .prices
            .keys()
            .map(|name| (ec2, own.product.region.clone(), name.clone()))
            .collect();
        let taken = types.iter().any(|(ec2, region, name)| {
            covered.iter().any(|(of, other, known)| {
                of == ec2
                    && known == name
                    && (other.is_none() || region.is_none() || other == region)
            })
        });
        if !own.ladder.is_empty() && own.saving.mean > 0.0 && !taken {
            own.recommended = true;
            covered.extend(types);
        }
    }
}

/// Spot types of the mid-value line that a fully used plan would undercut.
fn below_spot(prepared: &Prepared<'_>, advice: &[Advice]) -> Result<Vec<BelowSpot>, Error> {
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
        for (plan, plan_price) in offers(prepared, advice, (region, name), on_demand_price) {
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

/// Prices of a type under every plan of the book, and under the one asked for.
fn offers(
    prepared: &Prepared<'_>,
    advice: &[Advice],
    (region, name): (&str, &str),
    on_demand: f64,
) -> Vec<(String, f64)> {
    let rates = prepared.commitment_rates().of_region(region).iter();
    let mut offers: Vec<(String, f64)> = rates
        .filter(|rate| rate.instance_type == name)
        .filter_map(|rate| {
            let (kind, term, payment) = bought_as(rate, true)?;
            let plan = format!("{}, {} {}", kind.title(), term.name(), payment.name());
            Some((plan, rate.usd_per_hour))
        })
        .collect();
    let compute = advice.iter().find(|own| own.product.kind == Kind::ComputeSavingsPlan);
    if let Some(Product { prices, term, payment, .. }) = compute.map(|own| &own.product)
        && let Some(share) = prices
            .iter()
            .find_map(|(known, price)| Some(price / prepared.on_demand_price(region, known)?))
    {
        let plan = format!("Compute Savings Plan, {} {}", term.name(), payment.name());
        offers.push((plan, on_demand * share));
    }
    offers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan that takes 40 % off: an hour's dollar of it is worth 1 / 0.6 on demand.
    fn product() -> Product {
        Product {
            kind: Kind::Ec2InstanceSavingsPlan,
            region: Some("us".into()),
            of: Some("m".into()),
            term: Term::One,
            payment: Payment::NoUpfront,
            prices: BTreeMap::from([("m.large".to_owned(), 0.06)]),
            source: String::new(),
        }
    }

    fn horizon() -> Horizon {
        Horizon { start: "2027-01".parse().unwrap(), months: 24, every: 1, term: 12 }
    }

    /// Layers of a dollar an hour, of which month m uses the share that `share` says.
    fn of(share: impl Fn(usize, usize) -> f64) -> Use {
        let horizon = horizon();
        let grid = |value: f64| -> Vec<Vec<f64>> {
            let cell = |layer, month| share(layer, month) * value * horizon.hours(month);
            (0..LAYERS).map(|k| (0..24).map(|m| cell(k, m)).collect()).collect()
        };
        let filled = grid(1.0).into_iter().map(|row| row.into_iter().map(|v| v as f32).collect());
        Use { used: grid(1.0 / 0.6), filled: filled.collect() }
    }

    fn ladder(trials: &[Use]) -> (Vec<(String, f64)>, Advice) {
        let own: Vec<&Use> = trials.iter().collect();
        let advice = judge(product(), 1.0, &own, &horizon());
        (advice.ladder.iter().map(|p| (p.month.to_string(), p.size)).collect(), advice)
    }

    /// Layers 0 and 1 are used always, layer 2 from the second year on, layer 3 half of the time (0.83 for each
    /// dollar), others never. Two dollars are bought at once, and three when these end. A year of the first
    /// two saves 2 × 8,760 × (1/0.6 − 1) = 11,680; the year from January 2028 has 8,784 hours: 3 × 5,856 = 17,568.
    #[test]
    fn each_layer_is_bought_when_it_pays() {
        let share = |layer: usize, month: usize| match layer {
            0 | 1 => 1.0,
            2 => f64::from(u8::from(month >= 12)),
            3 => 0.5,
            _ => 0.0,
        };
        let (found, advice) = ladder(&[of(share)]);
        assert_eq!(found, [("2027-01".to_owned(), 2.0), ("2028-01".to_owned(), 3.0)]);
        assert!((advice.saving.mean - 29_248.0).abs() < 1e-6, "{:?}", advice.saving);
        assert!(advice.regret.mean.abs() < 1e-6 && advice.loses == 0.0);
        assert!((advice.utilization - 1.0).abs() < 1e-6, "{}", advice.utilization);
    }

    /// A layer that is used in seven of ten trials is worth 1.167 for each dollar: it is bought, and loses money
    /// in three of ten; one that is used in five of ten is worth 0.833 and is not.
    #[test]
    fn the_distribution_decides_and_not_its_middle() {
        let trials = |used: usize| -> Vec<Use> {
            (0..10).map(|t| of(move |k, _| f64::from(u8::from(k == 0 && t < used)))).collect()
        };
        let (found, advice) = ladder(&trials(7));
        assert_eq!(found.len(), 2);
        assert!((advice.loses - 0.3).abs() < 1e-12);
        // Two terms of 8,760 and 8,784 hours, all of them lost in the trials that use nothing.
        assert!((advice.if_growth_misses + 17_544.0).abs() < 1e-6, "{}", advice.if_growth_misses);
        // Regret: 17,544, and 8,760 of the year after the plan, in three of ten trials.
        assert!((advice.regret.mean - 0.3 * 26_304.0).abs() < 1e-6, "{:?}", advice.regret);
        assert_eq!(ladder(&trials(5)).0, []);
    }

    #[test]
    fn a_layer_is_what_lies_at_its_height() {
        // 0.09 of plan rates in layers of 0.06: the second is half full; on demand 0.10 an hour of 0.06.
        let line = Eligible {
            line: 0,
            account: "a".into(),
            key: BillKey::new("AmazonEC2", "us", "BoxUsage:m.large", "RunInstances"),
            instance_type: "m.large".into(),
            units: None,
            on_demand: 0.10,
            left: vec![1.5; 10],
        };
        let found = layers(&product(), 0.06, &[vec![line]]);
        assert!((found.used[0][0] - 1.0).abs() < 1e-9 && (found.used[1][0] - 0.5).abs() < 1e-9);
        assert!((found.filled[1][0] - 0.3).abs() < 1e-6);
    }
}
