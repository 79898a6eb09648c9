//! Products for on-demand usage, and their layers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Product, Question, layers::LAYERS};
use crate::{
    facts::commitment_rates::{Kind, Offering, OfferingClass, SERVERLESS, family_and_size},
    measure::units::in_dollars,
    money::rate::commitment::Eligible,
    plan::simulate::Prepared,
};

/// On-demand usage and its place, for which products are searched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    /// Who would buy; none where any account of the organization may.
    account: Option<String>,
    is_ec2: bool,
    region: String,
    instance_type: String,
}

fn seen(mid: &[Vec<Eligible>], shared: bool) -> BTreeSet<Seen> {
    let lines = mid.iter().flatten().filter(|line| line.left.iter().any(|hour| *hour > 0.0));
    let seen = |line: &Eligible| Seen {
        account: (!shared).then(|| line.account.clone()),
        is_ec2: line.is_ec2(),
        region: line.key.region.clone(),
        instance_type: line.instance_type.clone(),
    };
    lines.map(seen).collect()
}

impl Seen {
    /// Returns a note with its on-demand cost over the plan, for which no product is known.
    fn without_price(&self, mid: &[Vec<Eligible>]) -> String {
        let own = |line: &&Eligible| {
            self.account.as_ref().is_none_or(|account| *account == line.account)
                && (self.is_ec2, &self.region, &self.instance_type)
                    == (line.is_ec2(), &line.key.region, &line.instance_type)
        };
        let lines = mid.iter().flatten().filter(own);
        let cost: f64 = lines.map(|line| line.on_demand * line.left.iter().sum::<f64>()).sum();
        let account = self.account.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        format!(
            "skipped: the book has no commitment price of {} in {}{account}, {} on demand in the plan; \
                --discount {}=PERCENT adds one at the discount that AWS quotes",
            self.instance_type,
            self.region,
            in_dollars(cost, 0),
            self.kind_to_quote().name(),
        )
    }

    /// Returns the kind of commitment for which AWS's quote helps most.
    fn kind_to_quote(&self) -> Kind {
        match &*self.instance_type {
            _ if self.is_ec2 => Kind::ComputeSavingsPlan,
            SERVERLESS => Kind::DatabaseSavingsPlan,
            _ => Kind::RdsReservedInstance,
        }
    }
}

/// A product and the size of its layers.
#[derive(Clone)]
pub(super) struct Offer {
    pub(super) product: Product,
    /// Width of a layer: dollars an hour, or instances.
    pub(super) width: f64,
    /// Fee of a dollar an hour, or of an instance, in USD an hour.
    pub(super) fee: f64,
    /// Share of the fee that is paid on the first day.
    pub(super) upfront_share: f64,
}

/// Returns every product for on-demand usage with a price in the book or the request, and notes on usage without one.
pub(super) fn offers(
    prepared: &Prepared<'_>,
    question: &Question,
    mid: &[Vec<Eligible>],
) -> (Vec<Offer>, Vec<String>) {
    let shared = prepared.scenario().billing.consolidated;
    let mut found: Vec<Product> = Vec::new();
    let mut unpriced = Vec::new();
    for own in &seen(mid, shared) {
        let products = products(prepared, question, own);
        if products.is_empty() {
            unpriced.push(own.without_price(mid));
        }
        for product in products {
            let same = |known: &Product| {
                Product { source: product.source.clone(), ..known.clone() } == product
            };
            if !found.iter().any(same) {
                found.push(product);
            }
        }
    }
    keep_smallest(&mut found, prepared);
    let mut offers = Vec::new();
    let mut notes = Vec::new();
    for product in found {
        match Offer::of(prepared, product, mid) {
            Ok(offer) => offers.push(offer),
            // A plan with it would be refused.
            Err(message) => notes.push(format!("skipped: {message}")),
        }
    }
    notes.dedup();
    notes.extend(unpriced);
    (offers, notes)
}

/// Keeps the smallest size of each family, which reservations of a size that shares units cover in the finest steps.
fn keep_smallest(products: &mut Vec<Product>, prepared: &Prepared<'_>) {
    let units = |own: &Product| {
        let (family, size) = family_and_size(own.of.as_deref()?);
        let units = prepared.commitment_rules().units(size)?;
        (!own.kind.is_savings_plan()).then(|| (family.to_owned(), units))
    };
    let smaller = |own: &Product, other: &Product| {
        let alike = (own.kind, own.term, own.payment, &own.account, &own.region)
            == (other.kind, other.term, other.payment, &other.account, &other.region);
        match (units(own), units(other)) {
            (Some((family, units)), Some((of, others))) => alike && family == of && others < units,
            _ => false,
        }
    };
    let all = products.clone();
    products.retain(|own| !all.iter().any(|other| smaller(own, other)));
}

/// Returns the products for on-demand usage: those with a price in the book, and those that are quoted.
fn products(prepared: &Prepared<'_>, question: &Question, own: &Seen) -> Vec<Product> {
    let (rules, rates) = (prepared.commitment_rules(), prepared.commitment_rates());
    let account = own.account.clone().unwrap_or_default();
    let product = |what: Offering| {
        let Offering { kind, term, payment, .. } = what;
        let family = family_and_size(&own.instance_type).0;
        let of = match kind {
            Kind::ComputeSavingsPlan | Kind::DatabaseSavingsPlan => None,
            Kind::Ec2InstanceSavingsPlan => Some(family),
            Kind::Ec2ReservedInstance | Kind::RdsReservedInstance => Some(&*own.instance_type),
        };
        Product {
            kind,
            account: account.clone(),
            region: (!kind.covers_all_regions()).then(|| own.region.clone()),
            of: of.map(str::to_owned),
            term,
            payment,
            discount_percent: None,
            serverless_discount_percent: None,
            source: String::new(),
        }
    };
    let mut products = Vec::new();
    for quote in &question.quotes {
        let Offering { kind, term, payment, .. } = quote.offering;
        let covered = kind.is_for_ec2() == own.is_ec2
            && match kind {
                Kind::DatabaseSavingsPlan => rules.database_plan_covers(&own.instance_type),
                Kind::RdsReservedInstance => own.instance_type != SERVERLESS,
                _ => true,
            };
        if covered && rules.sells(kind, term, payment) {
            // A share of 0.27 is 27 %, not 27.000000000000004 %.
            let percent = (quote.discount * 1e8).round() / 1e6;
            let serverless = quote.serverless.map(|share| (share * 1e8).round() / 1e6);
            products.push(Product {
                discount_percent: Some(percent),
                serverless_discount_percent: serverless,
                source: format!("{percent} % below on-demand, as given"),
                ..product(quote.offering)
            });
        }
    }
    let kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| kind.is_for_ec2() == own.is_ec2).collect();
    for what in rates.offered(&own.region, &kinds, &own.instance_type) {
        let quoted = question.quotes.iter().any(|quote| quote.offering == what);
        // A standard reservation covers the same usage for less.
        let exchangeable = what.class == OfferingClass::Convertible;
        if let Some(rate) = rates.find(&own.region, what, &own.instance_type)
            && !quoted
            && !exchangeable
            && rules.sells(what.kind, what.term, what.payment)
        {
            let source = format!("{}, {}", rate.source, rate.as_of);
            products.push(Product { source, ..product(what) });
        }
    }
    products
}

impl Offer {
    /// Cuts a product into layers, sized on the busiest hour of the mid case. If any account may buy, the account
    /// with the most covered usage does, because its usage comes first.
    pub(super) fn of(
        prepared: &Prepared<'_>,
        mut product: Product,
        mid: &[Vec<Eligible>],
    ) -> Result<Self, String> {
        let scenario = prepared.scenario();
        if product.account.is_empty() {
            product.account.clone_from(&scenario.accounts[0].name);
        }
        let one = product.bought(scenario.plan.start, 1.0);
        let (mut peak, mut fee) = (0.0_f64, 0.0);
        let mut spent: BTreeMap<&str, f64> = BTreeMap::new();
        for lines in mid {
            let reach = prepared.reach_of(&one, lines)?;
            let covered = |hour: usize| -> f64 {
                reach.candidates.iter().map(|c| lines[c.place].left[hour] * c.takes).sum()
            };
            let most = (0..hours(lines)).map(covered).fold(0.0, f64::max);
            peak = peak.max(most / reach.gives);
            fee = reach.fee;
            for candidate in &reach.candidates {
                let line = &lines[candidate.place];
                let cost = line.left.iter().sum::<f64>() * line.on_demand;
                *spent.entry(&line.account).or_default() += cost;
            }
        }
        let buyer = spent.into_iter().rev().max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((account, _)) = buyer {
            account.clone_into(&mut product.account);
        }
        // Trials may grow to a multiple of the mid case; what lies above the last layer is not bought.
        let reach = 1.5 * peak / LAYERS as f64;
        let step = if product.kind.is_savings_plan() { 0.001 } else { 1.0 };
        let width = (reach / step).ceil().max(1.0) * step;
        let upfront_share = prepared.commitment_rules().upfront_share(product.payment);
        Ok(Self { product, width, fee, upfront_share })
    }
}

/// Returns hours of a month's lines.
pub(super) fn hours(lines: &[Eligible]) -> usize {
    lines.iter().map(|line| line.left.len()).max().unwrap_or(0)
}
