//! A scenario with everything that fitting it to bills needs, for `calibrate` and `backtest`.

use std::{cell::RefCell, path::Path};

use super::{
    PriceArgs,
    open::{BillArgs, Opener},
};
use crate::{
    app::store,
    bills::{
        actuals::{Metric, MonthBill, layout::Billing, naming::Naming},
        calibrate::Coefficients,
        reconcile::{Options, Partial},
    },
    error::Error,
    facts::prices::PriceBook,
    intent::scenario::Scenario,
    measure::calendar::Month,
    plan::{
        Plan,
        simulate::{Facts, Inputs, Prepared},
    },
};

/// Bills and prices.
#[derive(Debug, clap::Args)]
pub(super) struct Sources {
    #[command(flatten)]
    bills: BillArgs,
    #[command(flatten)]
    prices: PriceArgs,
}

/// A scenario's text, and the facts to run it with and to compare it with bills.
pub(super) struct Fit {
    file: String,
    pub(super) text: String,
    pub(super) facts: Facts,
    inputs: Inputs,
    pub(super) billing: Billing,
    book: PriceBook,
    pub(super) coefficients: Coefficients,
    last: RefCell<Option<(String, Plan)>>,
}

impl Fit {
    pub(super) fn open(scenario: &Path, sources: &Sources) -> Result<Self, Error> {
        let opener = Opener::new(&sources.prices)?;
        let text = store::read_text(scenario)?;
        let case = opener.case_of_text(scenario, &text)?;
        Ok(Self {
            file: scenario.display().to_string(),
            text,
            facts: case.facts,
            inputs: case.inputs,
            billing: store::model()?,
            book: opener.book()?,
            coefficients: store::model()?,
            last: RefCell::new(None),
        })
    }

    pub(super) fn naming(&self) -> Naming<'_> {
        Naming::new(&self.book, &self.facts.catalog, &self.billing)
    }

    /// Runs a scenario's text, once for the same text in a row.
    pub(super) fn run(&self, text: &str) -> Result<Plan, Error> {
        if let Some((_, plan)) = self.last.borrow().as_ref().filter(|(known, _)| known == text) {
            return Ok(plan.clone());
        }
        let scenario = Scenario::parse(&self.file, text, &self.facts.catalog)?;
        let plan = Prepared::new(&scenario, &self.facts, &self.inputs)?.run(0)?;
        *self.last.borrow_mut() = Some((text.to_owned(), plan.clone()));
        Ok(plan)
    }

    /// Returns the options: whole months, on the metric without discounts and commitments.
    pub(super) fn options(&self, from: Option<Month>, to: Option<Month>) -> Options {
        Options {
            metric: Metric::Unblended,
            partial: Partial::Exclude,
            from,
            to,
            bars: self.billing.accuracy,
        }
    }

    /// Returns the whole, closed months that the plan covers.
    pub(super) fn whole_months(
        &self,
        sources: &Sources,
        plan: &Plan,
    ) -> Result<Vec<MonthBill>, Error> {
        let bills = Opener::bills(&sources.bills, &self.billing)?;
        let planned = |month: Month| plan.months.iter().any(|planned| planned.month == month);
        Ok(bills
            .into_iter()
            .filter(|bill| planned(bill.month) && !bill.is_partial() && !bill.estimated)
            .collect())
    }
}
