//! Views a plan and a bill in the same way: fees of commitments, and kinds of rows.

use std::collections::BTreeMap;

use super::{Planned, usd};
use crate::{
    bills::actuals::{Kind, Metric, MonthBill},
    measure::{calendar::Month, units::Usd},
    money::rate::discount,
    plan::{
        Plan,
        list::{ListPrices, Nature},
    },
};

/// What fees of commitments are compared as, in the place of a service: bills and plans name them apart.
pub(super) const FEES: &str = "commitment fees";

/// View of a plan with commitments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Without commitments there is one view.
    Plain,
    /// As the plan has it: fees spread over what they cover.
    Amortized,
    /// Fees in the month they are charged in, covered hours at nothing.
    Paid,
}

impl View {
    pub(super) fn of(plan: &Plan, bills: &[&MonthBill], metric: Metric) -> Self {
        // An export of a plan spreads its fees in every cost, the unblended one too.
        let exported = bills.iter().all(|bill| bill.forecast_rows == bill.rows());
        match metric {
            _ if plan.commitments.is_empty() => Self::Plain,
            _ if exported => Self::Amortized,
            Metric::Amortized | Metric::NetAmortized => Self::Amortized,
            Metric::Unblended | Metric::NetUnblended => Self::Paid,
        }
    }

    pub(super) fn name(self, plan: &Plan) -> &'static str {
        match self {
            Self::Plain if plan.entries.iter().any(|entry| discount::is_discount(&entry.key)) => {
                "list price, discounts in lines of their own"
            }
            Self::Plain => "list price",
            Self::Amortized => "amortized",
            Self::Paid => "as paid",
        }
    }

    /// Returns notes on the two sides for the reader.
    pub(super) fn note(self, plan: &Plan, metric: Metric) -> Vec<String> {
        let mut notes = Vec::new();
        if self == Self::Paid {
            notes.push(format!(
                "{} is not amortized, so the plan is compared as paid: covered hours cost nothing and commitment fees count in the month they are charged",
                metric.name()
            ));
        }
        let discounted = plan.entries.iter().any(|entry| discount::is_discount(&entry.key));
        if discounted && matches!(metric, Metric::NetUnblended | Metric::NetAmortized) {
            notes.push(format!(
                "{} is after discounts; the plan's services are before discounts, which the bridge lists separately",
                metric.name()
            ));
        }
        notes
    }
}

/// Returns the cost of bills that a plan compares with: amortized where the plan has commitments and every bill says
/// it, else unblended.
pub fn comparable_metric(plan: &Plan, bills: &[MonthBill]) -> Metric {
    let amortized =
        bills.iter().flat_map(|bill| &bill.lines).all(|l| l.cost(Metric::Amortized).is_some());
    if !plan.commitments.is_empty() && amortized { Metric::Amortized } else { Metric::Unblended }
}

/// Returns whose fees a kind of row is.
pub(super) fn fees_of(kind: Kind) -> Option<Kind> {
    match kind {
        Kind::PlanFee | Kind::PlanUpfront => Some(Kind::PlanFee),
        Kind::ReservedFee | Kind::ReservedUpfront => Some(Kind::ReservedFee),
        _ => None,
    }
}

/// Adds the lines of a plan, as the view has them.
pub(super) fn add_planned(
    (plan, view): (&Plan, View),
    taken: &BTreeMap<Month, f64>,
    not_billed: &[String],
    sums: &mut Planned,
) {
    let lists = ListPrices::new(plan);
    if view == View::Paid {
        for bought in &plan.commitments {
            let fees =
                if bought.kind.is_savings_plan() { Kind::PlanFee } else { Kind::ReservedFee };
            for paid in &bought.months {
                if let Some(share) = taken.get(&paid.month) {
                    // A bill has the whole upfront fee from the day of the purchase on.
                    let recurring = part(paid.cash - paid.upfront, *share);
                    sums.add_fee((paid.month, &bought.account), fees, paid.upfront + recurring);
                }
            }
        }
    }
    for entry in &plan.entries {
        let Some(share) = taken.get(&entry.month) else { continue };
        let price = plan.price_of(entry);
        let nature = lists.nature(entry);
        let cost = match (view, nature.is_covered()) {
            (View::Paid, true) => Usd::ZERO,
            _ => part(entry.cost, *share),
        };
        if nature.is_unused() {
            let fees = if nature == Nature::PlanFee { Kind::PlanFee } else { Kind::ReservedFee };
            if view == View::Amortized {
                sums.add_fee((entry.month, &entry.account), fees, cost);
            }
            continue;
        }
        let kind = match entry.key.service.as_str() {
            "AWSSupport" => Kind::Support,
            "Tax" => Kind::Tax,
            _ if discount::is_discount(&entry.key) => Kind::Discount,
            _ => Kind::Usage,
        };
        if kind != Kind::Usage {
            *sums.kinds.entry(kind).or_insert(Usd::ZERO) += cost;
            continue;
        }
        if not_billed.contains(&entry.key.service) {
            *sums.elsewhere.entry(entry.key.service.clone()).or_insert(Usd::ZERO) += cost;
            continue;
        }
        let named = &price.cost_explorer_service;
        let service = if named.is_empty() { &entry.key.service } else { named };
        let place = (
            entry.month,
            entry.account.clone(),
            service.clone(),
            entry.key.region.clone(),
            entry.key.usage_type.clone(),
        );
        let side = sums.sides.entry(place).or_default().planned.get_or_insert_default();
        let quantity = entry.quantity.get() * share;
        side.quantity = Some(side.quantity.unwrap_or(0.0) + quantity);
        side.cost += cost;
    }
}

/// Returns a month's amount, or so much of it as is taken.
fn part(cost: Usd, share: f64) -> Usd {
    if (share - 1.0).abs() < f64::EPSILON { cost } else { usd(cost.to_f64() * share) }
}

impl Planned {
    fn add_fee(&mut self, (month, account): (Month, &str), fees: Kind, cost: Usd) {
        let place = (month, account.to_owned(), FEES.into(), String::new(), fees.name().into());
        self.sides.entry(place).or_default().planned.get_or_insert_default().cost += cost;
    }
}
